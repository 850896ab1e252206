// SPDX-License-Identifier: GPL-2.0
/*
 * A card whose frames the kernel passes: this program is the guest, and the kernel of this machine
 * serves its queues, where it has vhost-net. Where it has not, an error has to say so.
 */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../machine/peripherals.h"
#include "driver.h"
#include "tap.h"

#define PAIRS   2
#define RX(n)   (2 * (n))
#define TX(n)   (2 * (n) + 1)
#define CONTROL (2 * PAIRS)
#define OUT     DRV_DATA
#define IN      (DRV_DATA + 0x10000)
#define ROOM    2048
#define FRAME   60
#define WIDE    (1u << VIRTIO_NET_F_MQ | 1u << VIRTIO_NET_F_CTRL_VQ)

static struct error err;
static char ifname[IFNAMSIZ];
static int ether = -1;

/* The kernel's own words would fill the room. */
static void hush(void)
{
	char path[80];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", ifname);
	f = fopen(path, "w");
	if (!f)
		return;
	fputs("1", f);
	fclose(f);
}

/* A socket at the host's end of the cable. */
static bool up(void)
{
	struct sockaddr_ll addr = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	struct ifreq ifr = { .ifr_flags = IFF_UP };

	hush();
	ether = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL));
	strcpy(ifr.ifr_name, ifname);
	addr.sll_ifindex = (int)if_nametoindex(ifname);
	return ether >= 0 && !ioctl(ether, SIOCSIFFLAGS, &ifr) &&
	       !bind(ether, (struct sockaddr *)&addr, sizeof(addr));
}

static struct virtio *make_card(void)
{
	static const struct net_config cfg = { .tap = true,
					       .queues = PAIRS,
					       .vhost = NET_VHOST_ON };
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };
	struct net_cable *tap, *cable;
	int fd[PAIRS], node[PAIRS];
	struct ifreq ifr;

	if (net_vhost_open(&cfg, node, &err) < 0 || net_tap_open(NULL, PAIRS, fd, &err))
		return NULL;
	if (!ioctl(fd[0], TUNGETIFF, &ifr))
		memcpy(ifname, ifr.ifr_name, IFNAMSIZ);
	tap = net_tap(fd, PAIRS, &err);
	cable = tap ? net_vhost(tap, fd, node, &drv.mem, &err) : NULL;
	if (tap && !cable)
		tap->destroy(tap);
	return virtio_net_create("net0", mac, cable, &drv.mem, &err);
}

/* false: this machine has no such thing, which is checked. */
static bool begin(void)
{
	struct virtio *v;

	drv_begin();
	v = make_card();
	if (!v) {
		CHECK(err.status == EX_UNAVAILABLE || err.status == EX_NOPERM);
		CHECK_HAS(err.text, "/dev/");
		drv_end();
		return false;
	}
	if (!drv_attach(v))
		return false;
	CHECK(up());
	return true;
}

static void end(void)
{
	close(ether);
	drv_end();
}

static uint8_t set_pairs(uint8_t pairs)
{
	const uint8_t data[4] = { VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, pairs };
	uint8_t *answer = drv_at(IN, 1);

	memcpy(drv_at(OUT, sizeof(data)), data, sizeof(data));
	*answer = 0x55;
	drv_request(CONTROL, OUT, sizeof(data), IN, 1);
	return *answer;
}

/* A frame of a protocol that nobody speaks. */
static void make_frame(uint8_t *p, uint8_t mark)
{
	memset(p, 0, FRAME);
	memset(p, 0xff, 6);
	p[6] = 2;
	p[12] = 0x88;
	p[13] = 0xb5;
	p[14] = mark;
}

/* Whether the host gets it, in time. */
static bool sent(unsigned int pair, uint8_t mark)
{
	uint8_t *p = drv_at(OUT, NET_HEADER + FRAME), got[ROOM];
	unsigned int i;

	memset(p, 0, NET_HEADER);
	make_frame(p + NET_HEADER, mark);
	drv_request(TX(pair), OUT, NET_HEADER + FRAME, 0, 0);
	for (i = 0; i < 60000; i++) {
		while (recv(ether, got, sizeof(got), 0) >= FRAME) {
			if (got[12] == 0x88 && got[13] == 0xb5 && got[14] == mark)
				return true;
		}
		usleep(1000);
	}
	return false;
}

static void give_room(unsigned int pair)
{
	unsigned int i;

	for (i = 0; i < DRV_SIZE; i++) {
		drv_desc(RX(pair), i, IN + ROOM * (1 + i + DRV_SIZE * pair), ROOM, DRV_WRITE);
		drv_offer(RX(pair), (uint16_t)i);
	}
}

/* Whether a frame of the host's is in the room of some pair. */
static bool has(unsigned int pair, uint8_t mark)
{
	const uint8_t *p;
	unsigned int i;

	for (i = 0; i < drv_used(RX(pair)) && i < DRV_SIZE; i++) {
		p = drv_at(IN + ROOM * (1 + i + DRV_SIZE * pair), ROOM);
		p += NET_HEADER;
		if (p[12] == 0x88 && p[13] == 0xb5 && p[14] == mark)
			return true;
	}
	return false;
}

static void served(void)
{
	struct net_stats stats;
	uint8_t frame[FRAME];

	if (!begin())
		return;
	drv_drive(WIDE);
	give_room(0);
	CHECK(sent(0, 1));
	drv_until(atomic_load(&drv.line));
	make_frame(frame, 2);
	CHECK_EQ(send(ether, frame, FRAME, 0), FRAME);
	drv_until(has(0, 2));
	/* Both pairs. */
	CHECK_EQ(set_pairs(PAIRS), VIRTIO_NET_OK);
	give_room(1);
	CHECK(sent(1, 3));
	CHECK(sent(0, 4));
	virtio_net_stats(drv.v, &stats);
	CHECK(stats.vhost);
	CHECK_EQ(stats.pairs, PAIRS);
	CHECK_EQ(stats.sent[0] + stats.sent[1] + stats.received[0] + stats.received[1], 0);
	/* Back to one, which gets all. */
	CHECK_EQ(set_pairs(1), VIRTIO_NET_OK);
	make_frame(frame, 5);
	CHECK_EQ(send(ether, frame, FRAME, 0), FRAME);
	drv_until(has(0, 5));
	/* A driver that comes later. */
	drv_drive(WIDE);
	CHECK(sent(0, 6));
	drv_drive(0);
	CHECK(sent(0, 7));
	puts("# the kernel has passed frames");
	end();
}

/* The kernel tells of a guest that breaks a rule, and serves it again after a reset. */
static void hostile(void)
{
	if (!begin())
		return;
	drv_drive(WIDE);
	drv_desc(TX(0), 0, 1ull << 40, 100, 0);
	drv_offer(TX(0), 0);
	drv_until(drv_broken());
	drv_drive(WIDE);
	CHECK(sent(0, 1));
	/* An index far ahead. */
	drv_desc(TX(1), 0, OUT, NET_HEADER + FRAME, 0);
	((struct vring_avail *)drv_at(DRV_AVAIL(TX(1)), 4))->idx = 0x7000;
	drv_set(DRV_NOTIFY + 4 * TX(1), 0, 2);
	drv_until(drv_broken());
	drv_drive(WIDE);
	CHECK(sent(1, 2));
	/* Twice, without a reset: the queues are in use. */
	drv_set(DRV_COMMON + VIRTIO_PCI_COMMON_STATUS, DRV_OK, 1);
	drv_set(DRV_COMMON + VIRTIO_PCI_COMMON_STATUS, DRV_OK | VIRTIO_CONFIG_S_DRIVER_OK, 1);
	CHECK(drv_broken());
	drv_drive(WIDE);
	CHECK(!drv_broken());
	CHECK(sent(0, 3));
	end();
}

TAP_MAIN(TEST(served), TEST(hostile));
