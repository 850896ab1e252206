// SPDX-License-Identifier: GPL-2.0
/*
 * vmctl's devices under libFuzzer: the input is what a hostile guest does, as a row of steps. Each
 * program is built with DEVICE, which is one of those below, and keeps it for all inputs: whatever
 * a guest did, the device works after a reset. Sanitizers watch the rest.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mem.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/pvpanic.h"
#include "devices/virtio_9p.h"
#include "devices/virtio_balloon.h"
#include "devices/virtio_blk.h"
#include "devices/virtio_console.h"
#include "devices/virtio_mem.h"
#include "devices/virtio_net.h"
#include "devices/virtio_ports.h"
#include "devices/virtio_rng.h"

#ifndef DEVICE
#define DEVICE "rng"
#endif

#define COMMON    PCI_WINDOW_BASE
#define CONFIG    (PCI_WINDOW_BASE + 0x2000)
#define NOTIFY    (PCI_WINDOW_BASE + 0x3000)
#define MSIX      (PCI_WINDOW_BASE + 0x4000)
#define SLOT      (PCI_ECAM_BASE + 0x8000)
#define MEMORY    (1 * MiB)
#define REGION    (2 * VIRTIO_MEM_PIECE + 4 * MEM_BLOCK)
#define FUZZED    0x10000 /* memory that begins as zeros each time */
#define QUEUE(q)  (0x400u * (4 + (q)))
#define ENTRIES   16
#define DATA      0x8000
#define STEPS_MAX 256

static struct guest_mem mem;
static struct pci_bus bus;
static struct bus mmio, pio;
static struct bus_range range[3];
static struct virtio *v;
static char folder[] = "/tmp/vmm-fuzz-XXXXXX";

/* ---- the input ---- */

static const uint8_t *next;
static size_t left;

static uint32_t take(unsigned int bytes)
{
	uint32_t val = 0;

	if (bytes > left)
		bytes = (unsigned int)left;
	memcpy(&val, next, bytes);
	next += bytes;
	left -= bytes;
	return val;
}

/* ---- the devices ---- */

static void nothing(void *opaque, uint8_t byte)
{
	(void)opaque;
	(void)byte;
}

static void no_room(void *opaque)
{
	(void)opaque;
}

/* What the guest sends comes back. */
static struct echo {
	struct net_cable cable;
	uint8_t frame[4096];
	size_t len;
} echo;

static void echo_send(struct net_cable *cable, unsigned int pair, const struct iovec *iov,
		      unsigned int count)
{
	struct iovec piece[CHAIN_MAX];

	(void)cable;
	(void)pair;
	memcpy(piece, iov, count * sizeof(*iov));
	echo.len = iov_take(piece, count, echo.frame, sizeof(echo.frame));
}

static int echo_watch(struct net_cable *cable, struct virtio *card)
{
	(void)cable;
	(void)card;
	return -1;
}

static size_t echo_fill(struct net_cable *cable, unsigned int pair, const struct iovec *iov,
			unsigned int count)
{
	struct iovec piece[CHAIN_MAX];
	size_t len = echo.len;

	(void)cable;
	(void)pair;
	memcpy(piece, iov, count * sizeof(*iov));
	echo.len = 0;
	return iov_put(piece, count, echo.frame, len);
}

/* What is no number of pairs must not come here. */
static int echo_use(struct net_cable *cable, unsigned int pairs)
{
	if (!pairs || pairs > cable->pairs)
		abort();
	return pairs & 1 ? 0 : -EBUSY;
}

static void echo_run(struct net_cable *cable, struct virtio_net *net)
{
	unsigned int pair;

	if (echo.len & 1)
		virtio_net_receive(net, echo.frame, echo.len);
	for (pair = 0; pair < NET_PAIRS_MAX; pair++)
		virtio_net_room(net, pair, echo_fill, cable);
}

static void echo_destroy(struct net_cable *cable)
{
	(void)cable;
}

static struct virtio *make_blk(struct error *err)
{
	static char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/disk", folder);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	if (fd < 0 || ftruncate(fd, 65536))
		abort();
	close(fd);
	return virtio_blk_create("disk", &(struct blk_image){ path, BLK_RAW, false }, &mem, err);
}

static struct virtio *make_console(struct error *err)
{
	static const struct virtio_console_wire wire = { nothing, no_room, NULL, 0 };

	return virtio_console_create("console", &wire, &mem, err);
}

static struct virtio *make_ports(struct error *err)
{
	static char path[64];
	const struct virtio_port_config port = { "port", path };

	snprintf(path, sizeof(path), "%s/port", folder);
	return virtio_ports_create("ports", &port, 1, &mem, err);
}

static struct virtio *make_net(struct error *err)
{
	echo.cable = (struct net_cable){ .pairs = 3,
					 .use = echo_use,
					 .send = echo_send,
					 .watch = echo_watch,
					 .run = echo_run,
					 .destroy = echo_destroy };
	return virtio_net_create("net", (const uint8_t *)"\2\0\0\0\0\1", &echo.cable, &mem, err);
}

/* No piece is mapped twice, and none taken out that is not mapped. */
static int map_piece(void *opaque, unsigned int piece, bool on)
{
	static bool mapped[REGION / VIRTIO_MEM_PIECE + 1];

	(void)opaque;
	if (piece >= sizeof(mapped) || mapped[piece] == on)
		abort();
	mapped[piece] = on;
	return 0;
}

static struct virtio *make_mem(struct error *err)
{
	const struct virtio_mem_events events = { map_piece, NULL };
	struct virtio *mem_dev;

	if (guest_mem_add_region(&mem, REGION))
		abort();
	mem_dev = virtio_mem_create("memory", &mem, &events, err);
	if (mem_dev)
		virtio_mem_set(mem_dev, REGION / 2);
	return mem_dev;
}

static void panicked(void *opaque, bool loaded)
{
	(void)opaque;
	(void)loaded;
}

static struct virtio *make(const char *name, struct error *err)
{
	static struct pvpanic pvpanic;

	if (!strcmp(name, "blk"))
		return make_blk(err);
	if (!strcmp(name, "console"))
		return make_console(err);
	if (!strcmp(name, "ports"))
		return make_ports(err);
	if (!strcmp(name, "net"))
		return make_net(err);
	if (!strcmp(name, "9p"))
		return virtio_9p_create("share", "tag", folder, false, &mem, err);
	if (!strcmp(name, "balloon"))
		return virtio_balloon_create("balloon", &mem, err);
	if (!strcmp(name, "mem"))
		return make_mem(err);
	/* For the bus it does not matter much which device; there are two. */
	if (!strcmp(name, "pci")) {
		pvpanic_init(&pvpanic, panicked, NULL);
		if (pci_attach(&bus, &pvpanic.pci))
			abort();
	}
	return virtio_rng_create("rng", &mem, err);
}

/* ---- the machine ---- */

static void set_line(void *opaque, unsigned int gsi, bool level)
{
	(void)opaque;
	(void)level;
	if (gsi < PCI_GSI_BASE || gsi >= PCI_GSI_BASE + PCI_LINES)
		abort();
}

static void message(void *opaque, uint64_t addr, uint32_t data)
{
	(void)opaque;
	(void)data;
	if ((addr & 0xfff00000) != 0xfee00000)
		abort();
}

static void doorbell(void *opaque, uint64_t addr, int fd, bool on)
{
	static int bells;

	(void)opaque;
	(void)fd;
	bells += on ? 1 : -1;
	if (!addr || bells < 0 || bells > VIRTIO_QUEUES_MAX)
		abort();
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void clean(void)
{
	v->ops->destroy(v);
	nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void claim(struct bus *space, unsigned int n, uint64_t base, uint64_t len,
		  const struct bus_ops *ops)
{
	range[n] = (struct bus_range){ base, len, ops, &bus, NULL };
	if (bus_add(space, &range[n]))
		abort();
}

static void power_on(void)
{
	const struct irq_line line = { set_line, NULL, 0, false };
	struct error err = { .text = "" };

	if (!mkdtemp(folder) || guest_mem_alloc(&mem, MEMORY))
		abort();
	bus_init(&mmio);
	bus_init(&pio);
	pci_bus_init(&bus, &line);
	bus.msi = message;
	bus.doorbell = doorbell;
	claim(&pio, 0, PCI_PORT_BASE, PCI_PORTS, &pci_port_ops);
	claim(&mmio, 1, PCI_WINDOW_BASE, PCI_WINDOW_SIZE, &pci_window_ops);
	claim(&mmio, 2, PCI_ECAM_BASE, PCI_ECAM_SIZE, &pci_ecam_ops);
	v = make(DEVICE, &err);
	if (!v || pci_attach(&bus, &v->pci)) {
		fprintf(stderr, "fuzz: %s\n", err.text);
		abort();
	}
	atexit(clean);
}

static void set(uint64_t addr, uint64_t val, unsigned int size)
{
	bus_write(&mmio, addr, &val, size);
}

static void serve(void)
{
	pthread_mutex_lock(&v->lock);
	virtio_serve(v, 0);
	pthread_mutex_unlock(&v->lock);
}

/* Requests that name blocks of the region: no input would find where that is. */
static void offer_blocks(void)
{
	struct virtio_mem_req req;
	unsigned int i;

	for (i = 0; i < 256; i++) {
		req = (struct virtio_mem_req){ .type = (uint16_t)(i % 4),
					       .u.plug.addr =
						       mem.plug_start + i / 4 * 3 * MEM_BLOCK,
					       .u.plug.nb_blocks = (uint16_t)(1 + i / 16) };
		memcpy(mem.base + DATA + (i << 7), &req, sizeof(req));
	}
}

/* As after a driver that did all right. */
static void drive(void)
{
	uint64_t slot = PCI_ECAM_BASE + v->pci.slot * 0x8000ULL;
	unsigned int q;

	memset(mem.base, 0, FUZZED);
	if (mem.plug_size)
		offer_blocks();
	set(slot + 0x10, COMMON, 4);
	set(slot + 0x14, MSIX, 4);
	set(slot + 0x04, 6, 2);
	set(COMMON + VIRTIO_PCI_COMMON_STATUS, 0, 1);
	set(COMMON + VIRTIO_PCI_COMMON_GFSELECT, 0, 4);
	/* Tables of descriptors, and events at an entry, where the input wants them. */
	set(COMMON + VIRTIO_PCI_COMMON_GF,
	    (uint32_t)v->features | (take(1) & 3) << VIRTIO_RING_F_INDIRECT_DESC, 4);
	set(COMMON + VIRTIO_PCI_COMMON_GFSELECT, 1, 4);
	set(COMMON + VIRTIO_PCI_COMMON_GF, 1, 4);
	set(COMMON + VIRTIO_PCI_COMMON_STATUS, 0xb, 1);
	for (q = 0; q < v->queues; q++) {
		set(COMMON + VIRTIO_PCI_COMMON_Q_SELECT, q, 2);
		set(COMMON + VIRTIO_PCI_COMMON_Q_SIZE, ENTRIES, 2);
		set(COMMON + VIRTIO_PCI_COMMON_Q_DESCLO, QUEUE(q), 4);
		set(COMMON + VIRTIO_PCI_COMMON_Q_AVAILLO, QUEUE(q) + 0x100, 4);
		set(COMMON + VIRTIO_PCI_COMMON_Q_USEDLO, QUEUE(q) + 0x200, 4);
		set(COMMON + VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
	}
	set(COMMON + VIRTIO_PCI_COMMON_STATUS, 0xf, 1);
	if (v->status & VIRTIO_CONFIG_S_NEEDS_RESET) {
		fputs("fuzz: a reset does not mend the device\n", stderr);
		abort();
	}
}

/* ---- steps ---- */

/* A request as drivers make them, but for what it says. */
static void request(void)
{
	unsigned int q = take(1) % v->queues, count = 1 + take(1) % 4, i;
	struct vring_desc *desc = (void *)(mem.base + QUEUE(q));
	struct vring_avail *avail = (void *)(mem.base + QUEUE(q) + 0x100);
	uint32_t len, at;

	for (i = 0; i < count; i++) {
		at = DATA + (take(1) << 7);
		len = take(2);
		desc[i] =
			(struct vring_desc){ at, len, (uint16_t)(take(1) & 7), (uint16_t)(i + 1) };
		if (i == count - 1)
			desc[i].flags &= (uint16_t)~VRING_DESC_F_NEXT;
		else
			desc[i].flags |= VRING_DESC_F_NEXT;
	}
	avail->ring[avail->idx % ENTRIES] = 0;
	avail->idx++;
	set(NOTIFY + 4 * q, 0, 2);
	serve();
}

static void write_memory(void)
{
	uint32_t at = take(2), len = take(1);

	if (len > left)
		len = (uint32_t)left;
	if (at + len > FUZZED)
		return;
	memcpy(mem.base + at, next, len);
	next += len;
	left -= len;
}

static void access_bus(struct bus *space, uint64_t addr)
{
	unsigned int how = take(1), size = 1u << (how & 3);
	uint64_t val = 0;

	if (how & 4) {
		bus_read(space, addr, &val, size);
		return;
	}
	val = take(size < 4 ? size : 4);
	bus_write(space, addr, &val, size);
}

static void step(void)
{
	switch (take(1) % 10) {
	case 0:
	case 1:
	case 2:
		request();
		break;
	case 3:
	case 4:
		write_memory();
		break;
	case 5:
		access_bus(&mmio, COMMON + take(1) % 0x40);
		break;
	case 6:
		access_bus(&mmio, PCI_WINDOW_BASE + take(2));
		break;
	case 7:
		access_bus(&mmio, PCI_ECAM_BASE + take(3));
		break;
	case 8:
		access_bus(&pio, PCI_PORT_BASE + take(1) % PCI_PORTS);
		break;
	case 9:
		serve();
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned int steps;

	if (!v)
		power_on();
	next = data;
	left = size;
	drive();
	for (steps = 0; left && steps < STEPS_MAX; steps++)
		step();
	return 0;
}
