// SPDX-License-Identifier: GPL-2.0
/* A TAP interface: frames pass with the guest's own headers, so that checksums stay undone. */
#include <errno.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "virtio_net.h"

#define FEATURE(bit) (1ULL << (bit))
/* Frames in a row, so that the guest's come in between. */
#define BATCH 64

/**
 * struct tap - the cable
 * @cable: what the card sees
 * @fd: queues of the interface, one for each pair
 * @off: those that the interface gives no frames
 * @used: how many shall get some
 */
struct tap {
	struct net_cable cable;
	int fd[NET_PAIRS_MAX];
	bool off[NET_PAIRS_MAX];
	unsigned int used;
};

static int tap_start(struct net_cable *cable, struct virtio *v, unsigned int pairs)
{
	const struct tap *tap = (struct tap *)cable;
	uint64_t accepted = v->accepted;
	unsigned long offload = 0;

	(void)pairs;
	if (accepted & FEATURE(VIRTIO_NET_F_GUEST_CSUM))
		offload |= TUN_F_CSUM;
	if (accepted & FEATURE(VIRTIO_NET_F_GUEST_TSO4))
		offload |= TUN_F_TSO4;
	if (accepted & FEATURE(VIRTIO_NET_F_GUEST_TSO6))
		offload |= TUN_F_TSO6;
	/* A driver must not take the one without the other, and this refuses it. */
	return ioctl(tap->fd[0], TUNSETOFFLOAD, offload) ? -errno : 0;
}

static int turn(struct tap *tap, unsigned int pair, bool off)
{
	struct ifreq ifr = { .ifr_flags = off ? IFF_DETACH_QUEUE : IFF_ATTACH_QUEUE };

	if (tap->off[pair] == off)
		return 0;
	if (ioctl(tap->fd[pair], TUNSETQUEUE, &ifr))
		return -errno;
	tap->off[pair] = off;
	return 0;
}

/* The first queue is always on. */
static int turn_all(struct tap *tap, unsigned int on)
{
	unsigned int i;
	int ret = 0;

	for (i = 1; i < tap->cable.pairs && !ret; i++)
		ret = turn(tap, i, i >= on);
	return ret;
}

/* Where one cannot be had it is as before: frames in a queue that nobody reads would be lost. */
static int tap_use(struct net_cable *cable, unsigned int pairs)
{
	struct tap *tap = (struct tap *)cable;
	int ret = turn_all(tap, pairs);

	if (ret)
		(void)turn_all(tap, tap->used);
	else
		tap->used = pairs;
	return ret;
}

/* A frame that the interface does not take, for instance since it is down, is lost. */
static void tap_send(struct net_cable *cable, unsigned int pair, const struct iovec *iov,
		     unsigned int count)
{
	(void)!writev(((struct tap *)cable)->fd[pair], iov, (int)count);
}

static int tap_watch(struct net_cable *cable, struct virtio *v)
{
	const struct tap *tap = (struct tap *)cable;
	unsigned int i;

	for (i = 0; i < cable->pairs; i++) {
		if (virtio_net_hungry(v, i))
			virtio_watch(v, tap->fd[i], POLLIN);
	}
	return -1;
}

static size_t tap_fill(struct net_cable *cable, unsigned int pair, const struct iovec *iov,
		       unsigned int count)
{
	ssize_t n = readv(((struct tap *)cable)->fd[pair], iov, (int)count);

	return n > 0 ? (size_t)n : 0;
}

static void tap_run(struct net_cable *cable, struct virtio_net *net)
{
	unsigned int pair, i;

	for (pair = 0; pair < cable->pairs; pair++) {
		for (i = 0; i < BATCH && virtio_net_room(net, pair, tap_fill, cable); i++)
			;
	}
}

static void tap_destroy(struct net_cable *cable)
{
	struct tap *tap = (struct tap *)cable;
	unsigned int i;

	for (i = 0; i < cable->pairs; i++)
		close(tap->fd[i]);
	free(tap);
}

struct net_cable *net_tap(const int *fd, unsigned int pairs, struct error *err)
{
	static const struct net_cable cable = {
		.features = FEATURE(VIRTIO_NET_F_CSUM) | FEATURE(VIRTIO_NET_F_HOST_TSO4) |
			    FEATURE(VIRTIO_NET_F_HOST_TSO6) | FEATURE(VIRTIO_NET_F_GUEST_CSUM) |
			    FEATURE(VIRTIO_NET_F_GUEST_TSO4) | FEATURE(VIRTIO_NET_F_GUEST_TSO6),
		.start = tap_start,
		.use = tap_use,
		.send = tap_send,
		.watch = tap_watch,
		.run = tap_run,
		.destroy = tap_destroy,
	};
	struct tap *tap = calloc(1, sizeof(*tap));

	if (!tap) {
		while (pairs--)
			close(fd[pairs]);
		fault(err, EX_OSERR, "out of memory");
		return NULL;
	}
	tap->cable = cable;
	tap->cable.pairs = pairs;
	tap->used = pairs;
	memcpy(tap->fd, fd, pairs * sizeof(*fd));
	return &tap->cable;
}
