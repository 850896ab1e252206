// SPDX-License-Identifier: GPL-2.0
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../devices/virtio_net.h"
#include "../devices/virtio_vsock.h"
#include "../machine/peripherals.h"
#include "driver.h"
#include "tap.h"

#define RX   0
#define TX   1
#define OUT  DRV_DATA
#define IN   (DRV_DATA + 0x10000)
#define ROOM 2048

static struct error err;
static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };

/* A cable with two ends in this test. */
static struct {
	struct net_cable cable;
	unsigned int sent, destroyed;
	size_t len;
	uint8_t frame[ROOM];
	const char *next;
	uint64_t accepted;
	unsigned int from, to, used, uses, known, stops;
	atomic_uint runs;
	int use_ret;
} test;

static int test_start(struct net_cable *cable, struct virtio *v, unsigned int pairs)
{
	(void)cable;
	test.known = pairs;
	test.accepted = v->accepted;
	return 0;
}

static void test_stop(struct net_cable *cable)
{
	(void)cable;
	test.stops++;
}

static int test_use(struct net_cable *cable, unsigned int pairs)
{
	(void)cable;
	test.uses++;
	if (!test.use_ret)
		test.used = pairs;
	return test.use_ret;
}

static void test_send(struct net_cable *cable, unsigned int pair, const struct iovec *iov,
		      unsigned int count)
{
	struct iovec piece[CHAIN_MAX];

	(void)cable;
	test.from = pair;
	memcpy(piece, iov, count * sizeof(*iov));
	test.len = iov_take(piece, count, test.frame, sizeof(test.frame));
	test.sent++;
}

static int test_watch(struct net_cable *cable, struct virtio *v)
{
	(void)v;
	return cable->elsewhere ? -1 : 10;
}

static size_t test_fill(struct net_cable *cable, unsigned int pair, const struct iovec *iov,
			unsigned int count)
{
	struct iovec piece[CHAIN_MAX];
	uint8_t head[NET_HEADER];
	size_t len;

	(void)cable;
	(void)pair;
	if (!test.next)
		return 0;
	memset(head, 0xee, sizeof(head));
	memcpy(piece, iov, count * sizeof(*iov));
	len = iov_put(piece, count, head, sizeof(head));
	len += iov_put(piece, count, test.next, strlen(test.next));
	test.next = NULL;
	return len;
}

static void test_run(struct net_cable *cable, struct virtio_net *net)
{
	while (virtio_net_room(net, test.to, test_fill, cable))
		;
	test.runs++;
}

static void test_destroy(struct net_cable *cable)
{
	(void)cable;
	test.destroyed++;
}

static bool begin(struct net_cable *cable)
{
	drv_begin();
	if (!drv_attach(virtio_net_create("net0", mac, cable, &drv.mem, &err)))
		return false;
	drv_drive(0);
	return true;
}

static struct net_cable *test_cable(void)
{
	memset(&test, 0, sizeof(test));
	test.cable = (struct net_cable){ .features = 1u << VIRTIO_NET_F_CSUM,
					 .start = test_start,
					 .send = test_send,
					 .watch = test_watch,
					 .run = test_run,
					 .destroy = test_destroy };
	return &test.cable;
}

/* One whose frames somebody else passes, who knows of events at an entry. */
static struct net_cable *kernels_cable(unsigned int pairs)
{
	test_cable();
	test.cable.elsewhere = true;
	test.cable.features = 1u << VIRTIO_RING_F_EVENT_IDX;
	test.cable.pairs = pairs;
	test.cable.use = test_use;
	test.cable.stop = test_stop;
	return &test.cable;
}

/* Likewise, with several queues. */
static struct net_cable *wide_cable(unsigned int pairs)
{
	test_cable();
	test.cable.pairs = pairs;
	test.cable.use = test_use;
	return &test.cable;
}

static void card(void)
{
	uint8_t *in;
	unsigned int i;

	if (!begin(test_cable()))
		return;
	for (i = 0; i < 6; i++)
		CHECK_EQ(drv_get(DRV_DEVICE + i, 1), mac[i]);
	CHECK_EQ(drv_get(DRV_DEVICE + 6, 2), VIRTIO_NET_S_LINK_UP);
	drv_drive(1u << VIRTIO_NET_F_CSUM);
	CHECK(test.accepted & 1u << VIRTIO_NET_F_CSUM);
	/* Out, in pieces. */
	memset(drv_at(OUT, 100), 0, 100);
	strcpy(drv_at(OUT + NET_HEADER, 20), "destinationsource!");
	drv_desc(TX, 0, OUT, 5, DRV_NEXT);
	drv_desc(TX, 1, OUT + 5, 25, 0);
	drv_offer(TX, 0);
	drv_await(TX);
	CHECK_EQ(test.sent, 1);
	CHECK_EQ(test.len, 30);
	CHECK(!memcmp(test.frame + NET_HEADER, "destinationsource!", 18));
	/* In: the header says one buffer. */
	in = drv_at(IN, ROOM);
	test.next = "a frame that has more than fourteen bytes";
	drv_desc(RX, 0, IN, ROOM, DRV_WRITE);
	drv_offer(RX, 0);
	CHECK_EQ(drv_await(RX), NET_HEADER + strlen("a frame that has more than fourteen bytes"));
	CHECK_EQ(in[0], 0xee);
	CHECK_EQ(in[10], 1);
	CHECK_EQ(in[11], 0);
	CHECK(!memcmp(in + NET_HEADER, "a frame", 7));
	/* No frame: the room waits. */
	drv_offer(RX, 0);
	usleep(2000);
	CHECK_EQ(drv_used(RX), 1);
	drv_end();
	CHECK_EQ(test.destroyed, 1);
}

static void frames_that_break(void)
{
	if (!begin(test_cable()))
		return;
	drv_request(TX, OUT, NET_HEADER + 13, 0, 0);
	CHECK(drv_broken());
	drv_drive(0);
	drv_request(TX, OUT, NET_FRAME_MAX + 1, 0, 0);
	CHECK(drv_broken());
	drv_drive(0);
	drv_request(TX, 0, 0, IN, 100);
	CHECK(drv_broken());
	drv_drive(0);
	drv_request(RX, 0, 0, IN, NET_HEADER + 13);
	CHECK(drv_broken());
	drv_drive(0);
	drv_request(RX, OUT, 100, 0, 0);
	CHECK(drv_broken());
	CHECK_EQ(test.sent, 0);
	drv_end();
}

#define WIDE (1u << VIRTIO_NET_F_MQ | 1u << VIRTIO_NET_F_CTRL_VQ)

/* A command in a queue, whose answer is returned, 0x55 where there is none. */
static uint8_t command(unsigned int queue, const void *data, uint32_t len)
{
	uint8_t *answer = drv_at(IN, 2);

	memcpy(drv_at(OUT, len), data, len);
	memset(answer, 0x55, 2);
	if (drv_request(queue, OUT, len, IN, 2) == 1)
		CHECK_EQ(answer[1], 0x55);
	return answer[0];
}

static uint8_t set_pairs(unsigned int queue, uint16_t pairs)
{
	uint8_t data[4] = { VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET };

	memcpy(data + 2, &pairs, sizeof(pairs));
	return command(queue, data, sizeof(data));
}

static uint32_t send_one(unsigned int pair)
{
	uint8_t *p = drv_at(OUT, 100);

	memset(p, 0, 100);
	strcpy((char *)p + NET_HEADER, "destinationsource!");
	return drv_request(2 * pair + TX, OUT, 30, 0, 0);
}

/* The device looks for work, beginning from now: what ends first may have begun before. */
static void let_look(void)
{
	unsigned int i, before;

	for (i = 0; i < 2; i++) {
		before = test.runs;
		virtio_wake(drv.v);
		drv_until(test.runs != before);
	}
}

/* A frame for a pair; whether it came. */
static bool receive_one(unsigned int pair)
{
	uint16_t before = drv_used(2 * pair + RX);

	test.to = pair;
	test.next = "a frame that has more than fourteen bytes";
	drv_desc(2 * pair + RX, 0, IN, ROOM, DRV_WRITE);
	drv_offer(2 * pair + RX, 0);
	let_look();
	test.next = NULL;
	return drv_used(2 * pair + RX) != before;
}

static void queues(void)
{
	struct net_stats stats;

	if (!begin(wide_cable(4)))
		return;
	CHECK_EQ(drv_get(DRV_COMMON + VIRTIO_PCI_COMMON_NUMQ, 2), 9);
	CHECK_EQ(drv_get(DRV_DEVICE + 8, 2), 4);
	drv_drive(WIDE);
	CHECK_EQ(test.used, 1);
	CHECK_EQ(test.known, 4);
	/* One pair until the guest says more. */
	CHECK(!receive_one(1));
	drv_drive(WIDE);
	CHECK_EQ(set_pairs(8, 3), VIRTIO_NET_OK);
	CHECK_EQ(test.used, 3);
	CHECK(receive_one(0));
	CHECK(receive_one(2));
	CHECK(!receive_one(3));
	send_one(1);
	CHECK_EQ(test.from, 1);
	/* What is left in a queue is sent. */
	send_one(3);
	CHECK_EQ(test.from, 3);
	virtio_net_stats(drv.v, &stats);
	CHECK_EQ(stats.pairs, 3);
	CHECK_EQ(stats.received[0], 1);
	CHECK_EQ(stats.received[2], 1);
	CHECK_EQ(stats.sent[1], 1);
	CHECK_EQ(stats.sent[0], 0);
	CHECK_EQ(set_pairs(8, 1), VIRTIO_NET_OK);
	CHECK_EQ(test.used, 1);
	CHECK(!receive_one(2));
	/* As after a reset. */
	CHECK_EQ(set_pairs(8, 4), VIRTIO_NET_OK);
	drv_drive(WIDE);
	CHECK_EQ(test.used, 1);
	virtio_net_stats(drv.v, &stats);
	CHECK_EQ(stats.pairs, 1);
	drv_end();
}

/* A driver that has not taken several queues: the control queue is where it would be for one. */
static void queues_not_taken(void)
{
	if (!begin(wide_cable(4)))
		return;
	drv_drive(1u << VIRTIO_NET_F_CTRL_VQ);
	CHECK_EQ(test.known, 1);
	CHECK_EQ(set_pairs(2, 2), VIRTIO_NET_ERR);
	CHECK_EQ(test.used, 1);
	send_one(0);
	CHECK_EQ(test.sent, 1);
	/* Without a control queue there are none. */
	drv_drive(0);
	drv_desc(2, 0, OUT, 4, DRV_NEXT);
	drv_desc(2, 1, IN, 1, DRV_WRITE);
	drv_offer(2, 0);
	send_one(0);
	CHECK_EQ(drv_used(2), 0);
	/* The one must not be taken without the other. */
	drv_drive(1u << VIRTIO_NET_F_MQ);
	CHECK(drv_broken());
	drv_end();
}

/* Of a device that the kernel serves there is the control queue, wherever it stands. */
static void frames_of_the_kernel(void)
{
	struct net_stats stats;
	unsigned int stops;

	if (!begin(kernels_cable(4)))
		return;
	drv_set(DRV_COMMON + VIRTIO_PCI_COMMON_DFSELECT, 0, 4);
	CHECK(drv_get(DRV_COMMON + VIRTIO_PCI_COMMON_DF, 4) & 1u << VIRTIO_RING_F_EVENT_IDX);
	CHECK(!(drv_get(DRV_COMMON + VIRTIO_PCI_COMMON_DF, 4) & 1u << VIRTIO_RING_F_INDIRECT_DESC));
	drv_drive(WIDE);
	drv_desc(TX, 0, OUT, 30, 0);
	drv_offer(TX, 0);
	CHECK_EQ(set_pairs(8, 3), VIRTIO_NET_OK);
	CHECK_EQ(test.used, 3);
	CHECK_EQ(drv_used(TX), 0);
	CHECK_EQ(test.sent, 0);
	virtio_net_stats(drv.v, &stats);
	CHECK(stats.vhost);
	CHECK_EQ(stats.sent[0], 0);
	stops = test.stops;
	drv_drive(1u << VIRTIO_NET_F_CTRL_VQ);
	CHECK_EQ(test.stops, stops + 1);
	/* The first may be found when the driver begins; of the second it must be told. */
	CHECK_EQ(set_pairs(2, 2), VIRTIO_NET_ERR);
	CHECK_EQ(set_pairs(2, 2), VIRTIO_NET_ERR);
	drv_drive(WIDE);
	CHECK_EQ(set_pairs(8, 4), VIRTIO_NET_OK);
	/* What one queue has broken ends all. */
	stops = test.stops;
	drv_request(8, OUT, 4, 0, 0);
	CHECK(drv_broken());
	drv_until(test.stops == stops + 1);
	drv_end();
}

/* Queues that are not set up are none to use. */
static void queues_not_ready(void)
{
	if (!begin(wide_cable(4)))
		return;
	drv_drive_some(WIDE, 1u << 5);
	CHECK_EQ(set_pairs(8, 3), VIRTIO_NET_ERR);
	CHECK_EQ(set_pairs(8, 2), VIRTIO_NET_OK);
	drv_end();
}

/* The kernel's part: must be had, can be had, is not wanted. */
static void vhost_nodes(void)
{
	struct net_config cfg = { .tap = true, .queues = 2, .vhost = NET_VHOST_OFF };
	bool there = !access(NET_VHOST_NODE, R_OK | W_OK);
	int node[2], n;

	CHECK_EQ(net_vhost_open(&cfg, node, &err), 0);
	cfg.vhost = NET_VHOST_AUTO;
	n = net_vhost_open(&cfg, node, &err);
	CHECK_EQ(n, there ? 2 : 0);
	while (n > 0)
		close(node[--n]);
	cfg.vhost = NET_VHOST_ON;
	n = net_vhost_open(&cfg, node, &err);
	CHECK_EQ(n, there ? 2 : -1);
	while (n > 0)
		close(node[--n]);
	if (there)
		return;
	CHECK(err.status == EX_UNAVAILABLE || err.status == EX_NOPERM);
	CHECK_HAS(err.text, NET_VHOST_NODE);
}

static void commands_that_are_none(void)
{
	static const uint8_t other_class[] = { 0, 0, 1, 0 },
			     other[] = { VIRTIO_NET_CTRL_MQ, 1, 1, 0 };
	static const uint8_t some[] = { VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, 2, 0 };
	static const uint16_t bad[] = { 0, 5, 0x8000, 0xffff };
	unsigned int i;

	if (!begin(wide_cable(4)))
		return;
	drv_drive(WIDE);
	CHECK_EQ(set_pairs(8, 2), VIRTIO_NET_OK);
	CHECK_EQ(command(8, other_class, 4), VIRTIO_NET_ERR);
	CHECK_EQ(command(8, other, 4), VIRTIO_NET_ERR);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_EQ(set_pairs(8, bad[i]), VIRTIO_NET_ERR);
	/* Too short. */
	for (i = 1; i < sizeof(some); i++)
		CHECK_EQ(command(8, some, i), VIRTIO_NET_ERR);
	/* Nothing to read at all. */
	CHECK_EQ(drv_request(8, 0, 0, IN, 1), 1);
	CHECK_EQ(*(uint8_t *)drv_at(IN, 1), VIRTIO_NET_ERR);
	CHECK_EQ(test.uses, 3);
	/* The host has no queue to spare. */
	test.use_ret = -EBUSY;
	CHECK_EQ(set_pairs(8, 3), VIRTIO_NET_ERR);
	test.use_ret = 0;
	CHECK_EQ(test.used, 2);
	CHECK(receive_one(1));
	CHECK(!receive_one(2));
	/* No room for the answer. */
	drv_request(8, OUT, 4, 0, 0);
	CHECK(drv_broken());
	drv_drive(WIDE);
	CHECK_EQ(set_pairs(8, 4), VIRTIO_NET_OK);
	drv_end();
}

/* The guest asks who 10.0.2.2 is. */
static void put_arp(uint8_t *p)
{
	static const uint8_t arp[] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0,  0, 0, 0,  1, 8, 6, 0, 1, 8, 0,  6, 4, 0,
		1,    2,    0,    0,    0,    0,    1, 10, 0, 2, 15, 0, 0, 0, 0, 0, 0, 10, 0, 2, 2
	};

	memset(p, 0, NET_HEADER + 60);
	memcpy(p + NET_HEADER, arp, sizeof(arp));
}

static void user_network(void)
{
	static const uint8_t answer[] = { 8, 6, 0, 1, 8, 0, 6, 4, 0, 2 };
	uint8_t *in;

	if (!begin(net_user(NULL, 0, &err)))
		return;
	put_arp(drv_at(OUT, 100));
	in = drv_at(IN, ROOM);
	/* First the question: the answer waits for room. */
	drv_request(TX, OUT, NET_HEADER + 60, 0, 0);
	drv_request(RX, 0, 0, IN, ROOM);
	CHECK(!memcmp(in + NET_HEADER, mac, 6));
	CHECK(!memcmp(in + NET_HEADER + 12, answer, sizeof(answer)));
	CHECK_EQ(in[10], 1);
	/* Too little room for it. */
	drv_request(TX, OUT, NET_HEADER + 60, 0, 0);
	drv_request(RX, 0, 0, IN, NET_HEADER + 16);
	CHECK(drv_broken());
	drv_end();
}

static void forwards(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(addr);
	struct net_forward f = { 0, 80 };
	struct net_cable *cable = NULL;
	unsigned int tries;
	int fd;

	/* Others may take the port as soon as it is free. */
	for (tries = 0; tries < 20 && !cable; tries++) {
		fd = socket(AF_INET, SOCK_STREAM, 0);
		addr.sin_port = 0;
		CHECK_EQ(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
		CHECK_EQ(listen(fd, 1), 0);
		CHECK_EQ(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
		f.host = ntohs(addr.sin_port);
		CHECK(!net_user(&f, 1, &err));
		CHECK_EQ(err.status, EX_TEMPFAIL);
		CHECK_HAS(err.text, "is in use");
		close(fd);
		cable = net_user(&f, 1, &err);
	}
	CHECK(cable);
	if (!cable)
		return;
	fd = socket(AF_INET, SOCK_STREAM, 0);
	CHECK_EQ(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
	cable->destroy(cable);
}

/* Whatever this machine allows: an error says which interface, and what to do. */
static void tap_errors(void)
{
	struct virtio v = { .accepted = 0 };
	struct net_cable *cable;
	int fd[2];

	CHECK(net_tap_open("lo", 1, fd, &err));
	CHECK(err.status == EX_UNAVAILABLE || err.status == EX_NOPERM);
	CHECK(strstr(err.text, "lo ") || strstr(err.text, "/dev/net/tun"));
	if (access("/dev/net/tun", R_OK | W_OK))
		return;
	CHECK(net_tap_open("much-too-long-a-name", 1, fd, &err));
	CHECK_EQ(err.status, EX_USAGE);
	if (net_tap_open(NULL, 1, fd, &err)) {
		CHECK_EQ(err.status, EX_NOPERM);
		return;
	}
	cable = net_tap(fd, 1, &err);
	CHECK(cable);
	if (!cable)
		return;
	CHECK_EQ(cable->start(cable, &v, 1), 0);
	CHECK_EQ(cable->use(cable, 1), 0);
	cable->destroy(cable);
}

/* Where interfaces can be made: each queue is of the same one, and can be turned off and on. */
static void tap_queues(void)
{
	struct net_cable *cable;
	struct ifreq ifr[2];
	int fd[3], other[2];

	if (net_tap_open(NULL, 3, fd, &err)) {
		CHECK(err.status == EX_NOPERM || err.status == EX_UNAVAILABLE);
		return;
	}
	CHECK(!ioctl(fd[0], TUNGETIFF, &ifr[0]) && !ioctl(fd[2], TUNGETIFF, &ifr[1]));
	CHECK(!strcmp(ifr[0].ifr_name, ifr[1].ifr_name));
	CHECK(ifr[1].ifr_flags & IFF_MULTI_QUEUE);
	CHECK(net_tap_open(ifr[0].ifr_name, 2, other, &err));
	CHECK_EQ(err.status, EX_TEMPFAIL);
	CHECK_HAS(err.text, "another process uses the interface");
	CHECK(net_tap_open(ifr[0].ifr_name, 1, other, &err));
	CHECK_EQ(err.status, EX_TEMPFAIL);
	cable = net_tap(fd, 3, &err);
	CHECK(cable);
	if (!cable)
		return;
	CHECK_EQ(cable->pairs, 3);
	CHECK_EQ(cable->use(cable, 1), 0);
	CHECK(!ioctl(fd[2], TUNGETIFF, &ifr[1]) && (ifr[1].ifr_flags & IFF_DETACH_QUEUE));
	CHECK_EQ(cable->use(cable, 2), 0);
	CHECK_EQ(cable->use(cable, 3), 0);
	CHECK(!ioctl(fd[2], TUNGETIFF, &ifr[1]) && !(ifr[1].ifr_flags & IFF_DETACH_QUEUE));
	/* Queues that are off are somebody's, too. */
	CHECK_EQ(cable->use(cable, 1), 0);
	CHECK(net_tap_open(ifr[0].ifr_name, 2, other, &err));
	CHECK_EQ(err.status, EX_TEMPFAIL);
	cable->destroy(cable);
}

/* An interface that others made has the queues that it was made for. */
static void tap_made_before(void)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd[2], made = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (made < 0 || ioctl(made, TUNSETIFF, &ifr) || ioctl(made, TUNSETPERSIST, 1)) {
		if (made >= 0)
			close(made);
		return;
	}
	close(made);
	CHECK(net_tap_open(ifr.ifr_name, 2, fd, &err));
	CHECK_EQ(err.status, EX_UNAVAILABLE);
	CHECK_HAS(err.text, "multi_queue");
	CHECK_EQ(net_tap_open(ifr.ifr_name, 1, fd, &err), 0);
	CHECK_EQ(ioctl(fd[0], TUNSETPERSIST, 0), 0);
	close(fd[0]);
	/* With several: one can be had of it, too, once. */
	ifr = (struct ifreq){ .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_MULTI_QUEUE };
	made = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	CHECK(!ioctl(made, TUNSETIFF, &ifr) && !ioctl(made, TUNSETPERSIST, 1));
	close(made);
	CHECK_EQ(net_tap_open(ifr.ifr_name, 1, fd, &err), 0);
	CHECK(net_tap_open(ifr.ifr_name, 1, fd + 1, &err));
	CHECK_EQ(err.status, EX_TEMPFAIL);
	CHECK_EQ(ioctl(fd[0], TUNSETPERSIST, 0), 0);
	close(fd[0]);
}

static void vsock_errors(void)
{
	/* This program may run several times at once. */
	uint32_t cid = 0x10000 + (uint32_t)getpid();
	struct virtio *v;

	drv_begin();
	v = virtio_vsock_create("vsock", cid, &drv.mem, &err);
	if (v) {
		CHECK(!virtio_vsock_create("more", cid, &drv.mem, &err));
		CHECK_EQ(err.status, EX_TEMPFAIL);
		v->ops->destroy(v);
	} else {
		CHECK(err.status == EX_UNAVAILABLE || err.status == EX_NOPERM);
		CHECK_HAS(err.text, "/dev/vhost-vsock");
	}
	drv_end();
}

TAP_MAIN(TEST(card), TEST(frames_that_break), TEST(user_network), TEST(forwards), TEST(tap_errors),
	 TEST(tap_queues), TEST(tap_made_before), TEST(queues), TEST(queues_not_taken),
	 TEST(queues_not_ready), TEST(frames_of_the_kernel), TEST(vhost_nodes),
	 TEST(commands_that_are_none), TEST(vsock_errors));
