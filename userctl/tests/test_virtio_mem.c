// SPDX-License-Identifier: GPL-2.0
/* Memory that comes and goes: what a driver may ask for, and what a hostile one does. */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_mem.h>
#include <string.h>
#include <unistd.h>

#include "../devices/virtio_mem.h"
#include "driver.h"
#include "tap.h"

#define REQUEST  DRV_DATA
#define RESPONSE (DRV_DATA + 64)
#define PIECES   3
#define REGION   (2 * VIRTIO_MEM_PIECE + 4 * MEM_BLOCK)
#define PER      (VIRTIO_MEM_PIECE / MEM_BLOCK)
#define AT(n)    (drv.mem.plug_start + MEM_BLOCK * (n))
#define BLOCKS   (REGION / MEM_BLOCK)

/* What the machine maps; refuse: a piece that it cannot. */
static struct {
	bool on[PIECES];
	int refuse;
	unsigned int changes;
} maps;

static int map(void *opaque, unsigned int piece, bool on)
{
	CHECK(opaque == &maps);
	CHECK(piece < PIECES);
	if (piece >= PIECES || (int)piece == maps.refuse)
		return -EIO;
	CHECK(maps.on[piece] != on);
	maps.on[piece] = on;
	maps.changes++;
	return 0;
}

static bool begin(uint64_t requested)
{
	struct virtio_mem_events events = { map, &maps };
	struct error err;

	memset(&maps, 0, sizeof(maps));
	maps.refuse = -1;
	drv_begin();
	CHECK_EQ(guest_mem_add_region(&drv.mem, REGION), 0);
	if (!drv_attach(virtio_mem_create("memory", &drv.mem, &events, &err)))
		return false;
	virtio_mem_set(drv.v, requested);
	drv_drive(1u << VIRTIO_MEM_F_UNPLUGGED_INACCESSIBLE);
	return true;
}

/* The answer to a request of any kind; ~0: there was none. */
static unsigned int ask(unsigned int type, uint64_t addr, unsigned int count)
{
	struct virtio_mem_req *req = drv_at(REQUEST, sizeof(*req));
	struct virtio_mem_resp *resp = drv_at(RESPONSE, sizeof(*resp));

	memset(req, 0, sizeof(*req));
	memset(resp, 0xff, sizeof(*resp));
	req->type = (uint16_t)type;
	req->u.plug.addr = addr;
	req->u.plug.nb_blocks = (uint16_t)count;
	if (drv_request(0, REQUEST, sizeof(*req), RESPONSE, sizeof(*resp)) != sizeof(*resp))
		return ~0u;
	return resp->type;
}

static unsigned int state(uint64_t addr, unsigned int count)
{
	struct virtio_mem_resp *resp = drv_at(RESPONSE, sizeof(*resp));

	CHECK_EQ(ask(VIRTIO_MEM_REQ_STATE, addr, count), VIRTIO_MEM_RESP_ACK);
	return resp->u.state.state;
}

static struct virtio_mem_stats stats(void)
{
	struct virtio_mem_stats s;

	virtio_mem_stats(drv.v, &s);
	return s;
}

/* Bytes of the region that the host holds, in memory (bit 63) or swapped out (62). */
static uint64_t resident(void)
{
	static uint64_t page[REGION / 4096];
	off_t first = (off_t)((uintptr_t)drv.mem.plug_base / 4096);
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t i, n = 0;

	CHECK_EQ(pread(fd, page, sizeof(page), first * 8), sizeof(page));
	close(fd);
	for (i = 0; i < REGION / 4096; i++)
		n += page[i] >> 62 != 0;
	return n * 4096;
}

static void configuration(void)
{
	if (!begin(5 * MEM_BLOCK + 4097))
		return;
	CHECK_EQ(drv.mem.plug_start % MEM_PLUG_ALIGN, 0);
	CHECK(drv.mem.plug_start >= MEM_HIGH_BASE);
	CHECK_EQ(drv_get(DRV_DEVICE, 4), MEM_BLOCK);
	CHECK_EQ(drv_get(DRV_DEVICE + 16, 4) | drv_get(DRV_DEVICE + 20, 4) << 32,
		 drv.mem.plug_start);
	CHECK_EQ(drv_get(DRV_DEVICE + 24, 4), REGION);
	CHECK_EQ(drv_get(DRV_DEVICE + 32, 4), REGION);
	CHECK_EQ(drv_get(DRV_DEVICE + 40, 4), 0);
	CHECK_EQ(drv_get(DRV_DEVICE + 48, 4), 5 * MEM_BLOCK);
	drv_get(DRV_ISR, 1);
	virtio_mem_set(drv.v, ~0ull);
	CHECK_EQ(drv_get(DRV_ISR, 1), 2);
	CHECK_EQ(stats().requested, REGION);
	/* Nothing of it is the guest's to write. */
	drv_set(DRV_DEVICE + 48, 0, 4);
	CHECK_EQ(stats().requested, REGION);
	drv_end();
}

static void plugs(void)
{
	uint8_t *p;

	if (!begin((PER + 2) * MEM_BLOCK))
		return;
	CHECK(!drv_at(AT(0), 1));
	CHECK_EQ(state(AT(0), BLOCKS), VIRTIO_MEM_STATE_UNPLUGGED);
	CHECK_EQ(ask(VIRTIO_MEM_REQ_PLUG, AT(PER - 1), 2), VIRTIO_MEM_RESP_ACK);
	CHECK(maps.on[0] && maps.on[1] && !maps.on[2]);
	CHECK_EQ(stats().plugged, 2 * MEM_BLOCK);
	CHECK_EQ(drv_get(DRV_DEVICE + 40, 4), 2 * MEM_BLOCK);
	CHECK_EQ(state(AT(PER - 1), 2), VIRTIO_MEM_STATE_PLUGGED);
	CHECK_EQ(state(AT(PER - 2), 2), VIRTIO_MEM_STATE_MIXED);
	CHECK_EQ(state(AT(PER + 1), 1), VIRTIO_MEM_STATE_UNPLUGGED);
	/* Devices reach what is plugged, and no byte beside it. */
	p = drv_at(AT(PER - 1), 2 * MEM_BLOCK);
	CHECK(p == drv.mem.plug_base + (PER - 1) * MEM_BLOCK);
	CHECK(!drv_at(AT(PER - 1) - 1, 1));
	CHECK(!drv_at(AT(PER - 1), 2 * MEM_BLOCK + 1));
	CHECK(!drv_at(AT(PER - 1), ~0ull));
	if (!p)
		return;
	memset(p, 0x55, 2 * MEM_BLOCK);
	CHECK_EQ(resident(), 2 * MEM_BLOCK);
	/* What is unplugged is the host's again, its piece with it when it was the last. */
	CHECK_EQ(ask(VIRTIO_MEM_REQ_UNPLUG, AT(PER), 1), VIRTIO_MEM_RESP_ACK);
	CHECK(maps.on[0] && !maps.on[1]);
	CHECK_EQ(resident(), MEM_BLOCK);
	CHECK_EQ(ask(VIRTIO_MEM_REQ_PLUG, AT(PER), 1), VIRTIO_MEM_RESP_ACK);
	CHECK_EQ(p[MEM_BLOCK], 0);
	CHECK_EQ(p[MEM_BLOCK - 1], 0x55);
	CHECK_EQ(ask(VIRTIO_MEM_REQ_UNPLUG_ALL, 0, 0), VIRTIO_MEM_RESP_ACK);
	CHECK_EQ(stats().plugged, 0);
	CHECK_EQ(resident(), 0);
	CHECK(!maps.on[0] && !maps.on[1] && !maps.on[2]);
	CHECK_EQ(ask(VIRTIO_MEM_REQ_UNPLUG_ALL, 0, 0), VIRTIO_MEM_RESP_ACK);
	drv_end();
}

static void no_more_than_requested(void)
{
	if (!begin(3 * MEM_BLOCK))
		return;
	CHECK_EQ(ask(VIRTIO_MEM_REQ_PLUG, AT(0), 4), VIRTIO_MEM_RESP_NACK);
	CHECK_EQ(ask(VIRTIO_MEM_REQ_PLUG, AT(0), 2), VIRTIO_MEM_RESP_ACK);
	CHECK_EQ(ask(VIRTIO_MEM_REQ_PLUG, AT(2), 2), VIRTIO_MEM_RESP_NACK);
	CHECK_EQ(ask(VIRTIO_MEM_REQ_PLUG, AT(2), 1), VIRTIO_MEM_RESP_ACK);
	/* Less than there is: nothing more, and what is there stays until the guest lets go. */
	virtio_mem_set(drv.v, MEM_BLOCK);
	CHECK_EQ(ask(VIRTIO_MEM_REQ_PLUG, AT(9), 1), VIRTIO_MEM_RESP_NACK);
	CHECK_EQ(stats().plugged, 3 * MEM_BLOCK);
	CHECK_EQ(ask(VIRTIO_MEM_REQ_UNPLUG, AT(0), 3), VIRTIO_MEM_RESP_ACK);
	CHECK_EQ(ask(VIRTIO_MEM_REQ_PLUG, AT(9), 1), VIRTIO_MEM_RESP_ACK);
	drv_end();
}

/* Addresses, counts and kinds that make no sense are errors, and change nothing. */
static void nonsense(void)
{
	static const struct {
		unsigned int type;
		uint64_t off;
		unsigned int count;
	} bad[] = {
		{ VIRTIO_MEM_REQ_PLUG, 0, 0 },
		{ VIRTIO_MEM_REQ_PLUG, 1, 1 },
		{ VIRTIO_MEM_REQ_PLUG, MEM_BLOCK / 2, 1 },
		{ VIRTIO_MEM_REQ_PLUG, REGION, 1 },
		{ VIRTIO_MEM_REQ_PLUG, REGION - MEM_BLOCK, 2 },
		{ VIRTIO_MEM_REQ_PLUG, 0, BLOCKS + 1 },
		{ VIRTIO_MEM_REQ_PLUG, 0, 0xffff },
		{ VIRTIO_MEM_REQ_PLUG, -MEM_BLOCK, 1 },
		{ VIRTIO_MEM_REQ_PLUG, -MEM_BLOCK, 2 },
		{ VIRTIO_MEM_REQ_PLUG, 1ull << 63, 1 },
		{ VIRTIO_MEM_REQ_PLUG, 4 * MEM_BLOCK, 2 },   /* one of them is plugged */
		{ VIRTIO_MEM_REQ_UNPLUG, 5 * MEM_BLOCK, 2 }, /* one of them is not */
		{ VIRTIO_MEM_REQ_UNPLUG, 0, 1 },
		{ VIRTIO_MEM_REQ_UNPLUG, 5 * MEM_BLOCK, 0 },
		{ VIRTIO_MEM_REQ_UNPLUG, REGION, 1 },
		{ VIRTIO_MEM_REQ_STATE, 0, 0 },
		{ VIRTIO_MEM_REQ_STATE, 0, BLOCKS + 1 },
		{ VIRTIO_MEM_REQ_STATE, -MEM_BLOCK, 2 },
		{ 4, 0, 1 },
		{ 0xffff, 0, 1 },
	};
	unsigned int i, before;

	if (!begin(REGION))
		return;
	CHECK_EQ(ask(VIRTIO_MEM_REQ_PLUG, AT(5), 1), VIRTIO_MEM_RESP_ACK);
	before = maps.changes;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_EQ(ask(bad[i].type, AT(0) + bad[i].off, bad[i].count), VIRTIO_MEM_RESP_ERROR);
	CHECK_EQ(maps.changes, before);
	CHECK_EQ(stats().plugged, MEM_BLOCK);
	CHECK(!drv_broken());
	drv_end();
}

/* Requests that are none, and no room for an answer. */
static void short_requests(void)
{
	static const struct {
		uint32_t out, in;
	} bad[] = {
		{ sizeof(struct virtio_mem_req) - 1, sizeof(struct virtio_mem_resp) },
		{ sizeof(struct virtio_mem_req), sizeof(struct virtio_mem_resp) - 1 },
		{ sizeof(struct virtio_mem_req), 0 },
		{ 0, sizeof(struct virtio_mem_resp) },
	};
	unsigned int i;

	if (!begin(REGION))
		return;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		drv_request(0, REQUEST, bad[i].out, RESPONSE, bad[i].in);
		CHECK(drv_broken());
		CHECK_HAS(drv.log, "too short");
		drv_drive(0);
		CHECK(!drv_broken());
	}
	CHECK_EQ(ask(VIRTIO_MEM_REQ_PLUG, AT(0), 1), VIRTIO_MEM_RESP_ACK);
	/* A queue in memory that has gone is none. */
	CHECK_EQ(ask(VIRTIO_MEM_REQ_UNPLUG, AT(0), 1), VIRTIO_MEM_RESP_ACK);
	drv_request(0, AT(0), sizeof(struct virtio_mem_req), RESPONSE,
		    sizeof(struct virtio_mem_resp));
	CHECK(drv_broken());
	drv_end();
}

/* What the machine cannot map is busy; pieces that it could are not left mapped. */
static void refusals(void)
{
	if (!begin(REGION))
		return;
	maps.refuse = 1;
	CHECK_EQ(ask(VIRTIO_MEM_REQ_PLUG, AT(PER - 1), 2), VIRTIO_MEM_RESP_BUSY);
	CHECK(!maps.on[0] && !maps.on[1]);
	CHECK_EQ(ask(VIRTIO_MEM_REQ_PLUG, AT(PER), 1), VIRTIO_MEM_RESP_BUSY);
	CHECK_EQ(stats().plugged, 0);
	CHECK(!drv_at(AT(PER - 1), 1));
	CHECK_EQ(ask(VIRTIO_MEM_REQ_PLUG, AT(0), 1), VIRTIO_MEM_RESP_ACK);
	CHECK_EQ(ask(VIRTIO_MEM_REQ_PLUG, AT(PER - 1), 2), VIRTIO_MEM_RESP_BUSY);
	CHECK(maps.on[0]);
	maps.refuse = -1;
	CHECK_EQ(ask(VIRTIO_MEM_REQ_PLUG, AT(PER - 1), 2), VIRTIO_MEM_RESP_ACK);
	drv_end();
}

/* What a guest touched beside its blocks, in a piece that is mapped, goes with the piece. */
static void touched_beside(void)
{
	if (!begin(REGION))
		return;
	CHECK_EQ(ask(VIRTIO_MEM_REQ_PLUG, AT(1), 2), VIRTIO_MEM_RESP_ACK);
	memset(drv.mem.plug_base + 9 * MEM_BLOCK, 0x55, MEM_BLOCK);
	CHECK_EQ(ask(VIRTIO_MEM_REQ_UNPLUG, AT(1), 1), VIRTIO_MEM_RESP_ACK);
	CHECK_EQ(resident(), MEM_BLOCK);
	CHECK_EQ(ask(VIRTIO_MEM_REQ_UNPLUG, AT(2), 1), VIRTIO_MEM_RESP_ACK);
	CHECK_EQ(resident(), 0);
	drv_end();
}

/* A driver that comes after another one finds what that had. */
static void survives_drivers(void)
{
	if (!begin(REGION))
		return;
	CHECK_EQ(ask(VIRTIO_MEM_REQ_PLUG, AT(1), 2), VIRTIO_MEM_RESP_ACK);
	drv_drive(0);
	CHECK_EQ(stats().plugged, 2 * MEM_BLOCK);
	CHECK_EQ(state(AT(1), 2), VIRTIO_MEM_STATE_PLUGGED);
	CHECK(drv_at(AT(1), 2 * MEM_BLOCK));
	drv_end();
}

TAP_MAIN(TEST(configuration), TEST(plugs), TEST(no_more_than_requested), TEST(nonsense),
	 TEST(short_requests), TEST(refusals), TEST(touched_beside), TEST(survives_drivers));
