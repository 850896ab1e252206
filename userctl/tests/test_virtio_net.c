// SPDX-License-Identifier: GPL-2.0
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../devices/virtio_net.h"
#include "../devices/virtio_vsock.h"
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
} test;

static int test_start(struct net_cable *cable, uint64_t accepted)
{
	(void)cable;
	test.accepted = accepted;
	return 0;
}

static void test_send(struct net_cable *cable, const struct iovec *iov, unsigned int count)
{
	struct iovec piece[CHAIN_MAX];

	(void)cable;
	memcpy(piece, iov, count * sizeof(*iov));
	test.len = iov_take(piece, count, test.frame, sizeof(test.frame));
	test.sent++;
}

static int test_watch(struct net_cable *cable, struct virtio *v)
{
	(void)cable;
	(void)v;
	return 10;
}

static size_t test_fill(struct net_cable *cable, const struct iovec *iov, unsigned int count)
{
	struct iovec piece[CHAIN_MAX];
	uint8_t head[NET_HEADER];
	size_t len;

	(void)cable;
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
	while (virtio_net_room(net, test_fill, cable))
		;
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
	test.cable = (struct net_cable){
		1u << VIRTIO_NET_F_CSUM, test_start, test_send, test_watch, test_run, test_destroy
	};
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
	struct net_cable *cable;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	CHECK_EQ(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	CHECK_EQ(listen(fd, 1), 0);
	CHECK_EQ(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	f.host = ntohs(addr.sin_port);
	CHECK(!net_user(&f, 1, &err));
	CHECK_EQ(err.status, EX_TEMPFAIL);
	CHECK_HAS(err.text, "is in use");
	close(fd);
	cable = net_user(&f, 1, &err);
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
	struct net_cable *cable = net_tap("lo", &err);

	CHECK(!cable);
	CHECK(err.status == EX_UNAVAILABLE || err.status == EX_NOPERM);
	CHECK(strstr(err.text, "lo ") || strstr(err.text, "/dev/net/tun"));
	if (access("/dev/net/tun", R_OK | W_OK))
		return;
	CHECK(!net_tap("much-too-long-a-name", &err));
	CHECK_EQ(err.status, EX_USAGE);
	cable = net_tap(NULL, &err);
	if (!cable) {
		CHECK_EQ(err.status, EX_NOPERM);
		return;
	}
	CHECK_EQ(cable->start(cable, 0), 0);
	cable->destroy(cable);
}

static void vsock_errors(void)
{
	struct virtio *v;

	drv_begin();
	v = virtio_vsock_create("vsock", 4711, &drv.mem, &err);
	if (v) {
		CHECK(!virtio_vsock_create("more", 4711, &drv.mem, &err));
		CHECK_EQ(err.status, EX_TEMPFAIL);
		v->ops->destroy(v);
	} else {
		CHECK(err.status == EX_UNAVAILABLE || err.status == EX_NOPERM);
		CHECK_HAS(err.text, "/dev/vhost-vsock");
	}
	drv_end();
}

TAP_MAIN(TEST(card), TEST(frames_that_break), TEST(user_network), TEST(forwards), TEST(tap_errors),
	 TEST(vsock_errors));
