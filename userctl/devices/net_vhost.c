// SPDX-License-Identifier: GPL-2.0
/*
 * A TAP interface whose frames the host's kernel passes (vhost-net): a node and a queue of the
 * interface for each pair. Here is only what the control queue says, and interrupts.
 */
#include <errno.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vhost.h"
#include "virtio_net.h"

#define FEATURE(bit) (1ULL << (bit))
/* What the kernel is told of: how queues are read. The rest is the interface's. */
#define QUEUE_FEATURES                                                        \
	(FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_RING_F_INDIRECT_DESC) | \
	 FEATURE(VIRTIO_RING_F_EVENT_IDX))

enum { RX, TX };

/**
 * struct served - the cable
 * @cable: what the card sees
 * @tap: the interface
 * @fd: its queues, which are @tap's
 * @host: who serves each pair
 * @hosts: how many are to be destroyed
 * @set: pairs that the guest has set up
 * @on: queues that are served
 * @used: pairs that the guest receives by
 */
struct served {
	struct net_cable cable;
	struct net_cable *tap;
	int fd[NET_PAIRS_MAX];
	struct vhost host[NET_PAIRS_MAX];
	unsigned int hosts;
	bool set[NET_PAIRS_MAX];
	bool on[NET_PAIRS_MAX][VHOST_QUEUES];
	unsigned int used;
};

/* Off: nothing is under way in the queue when this returns. */
static int turn(struct served *s, unsigned int pair, unsigned int index, bool on)
{
	struct vhost_vring_file file = { .index = index, .fd = on ? s->fd[pair] : -1 };

	if (s->on[pair][index] == on)
		return 0;
	if (ioctl(s->host[pair].fd, VHOST_NET_SET_BACKEND, &file))
		return -errno;
	s->on[pair][index] = on;
	return 0;
}

static void served_stop(struct net_cable *cable)
{
	struct served *s = (struct served *)cable;
	unsigned int i;

	for (i = 0; i < cable->pairs; i++) {
		(void)turn(s, i, RX, false);
		(void)turn(s, i, TX, false);
		s->set[i] = false;
	}
	s->used = 1;
}

/* A pair that the driver has not set up is not served. */
static int start_pair(struct served *s, struct virtio *v, unsigned int pair)
{
	struct vhost *h = &s->host[pair];
	int ret;

	if (!v->vq[h->first + RX].ready || !v->vq[h->first + TX].ready)
		return 0;
	ret = vhost_set(h, v, v->accepted & QUEUE_FEATURES);
	if (!ret)
		ret = turn(s, pair, TX, true);
	s->set[pair] = !ret;
	return ret;
}

static int served_start(struct net_cable *cable, struct virtio *v, unsigned int pairs)
{
	struct served *s = (struct served *)cable;
	int ret = s->tap->start(s->tap, v, pairs);
	unsigned int i;

	for (i = 0; i < pairs && !ret; i++)
		ret = start_pair(s, v, i);
	if (ret)
		served_stop(cable);
	return ret;
}

static int use_all(struct served *s, unsigned int pairs)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < s->cable.pairs && !ret; i++)
		ret = turn(s, i, RX, i < pairs && s->set[i]);
	return ret;
}

/* Of the first pair nothing comes, either, when it was not set up. */
static bool all_set(const struct served *s, unsigned int pairs)
{
	unsigned int i;

	for (i = 1; i < pairs; i++) {
		if (!s->set[i])
			return false;
	}
	return true;
}

/* Where one cannot be had it is as before. */
static int served_use(struct net_cable *cable, unsigned int pairs)
{
	struct served *s = (struct served *)cable;
	int ret = all_set(s, pairs) ? s->tap->use(s->tap, pairs) : -EINVAL;

	if (!ret)
		ret = use_all(s, pairs);
	if (!ret) {
		s->used = pairs;
		return 0;
	}
	(void)s->tap->use(s->tap, s->used);
	(void)use_all(s, s->used);
	return ret;
}

static int served_watch(struct net_cable *cable, struct virtio *v)
{
	struct served *s = (struct served *)cable;
	unsigned int i;

	for (i = 0; i < cable->pairs; i++) {
		if (s->set[i])
			vhost_watch(&s->host[i], v);
	}
	return -1;
}

static void served_run(struct net_cable *cable, struct virtio_net *net)
{
	struct served *s = (struct served *)cable;
	unsigned int i;

	for (i = 0; i < cable->pairs; i++) {
		if (s->set[i])
			vhost_run(&s->host[i], &net->v);
	}
}

static void served_destroy(struct net_cable *cable)
{
	struct served *s = (struct served *)cable;

	served_stop(cable);
	while (s->hosts)
		vhost_destroy(&s->host[--s->hosts]);
	s->tap->destroy(s->tap);
	free(s);
}

static int add_hosts(struct served *s, const int *node, const struct guest_mem *mem)
{
	uint64_t all = QUEUE_FEATURES;
	int ret;

	for (; s->hosts < s->cable.pairs; s->hosts++) {
		ret = vhost_init(&s->host[s->hosts], node[s->hosts], 2 * s->hosts, mem);
		all &= vhost_offers(&s->host[s->hosts]);
		if (!ret && !(all & FEATURE(VIRTIO_F_VERSION_1)))
			ret = -EOPNOTSUPP;
		if (!ret)
			continue;
		vhost_destroy(&s->host[s->hosts]);
		return ret;
	}
	s->cable.features |= all;
	return 0;
}

struct net_cable *net_vhost(struct net_cable *tap, const int *fd, const int *node,
			    const struct guest_mem *mem, struct error *err)
{
	static const struct net_cable cable = {
		.elsewhere = true,
		.start = served_start,
		.stop = served_stop,
		.use = served_use,
		.watch = served_watch,
		.run = served_run,
		.destroy = served_destroy,
	};
	struct served *s = calloc(1, sizeof(*s));
	unsigned int i = 0;
	int ret = -ENOMEM;

	if (s) {
		s->cable = cable;
		s->cable.features = tap->features;
		s->cable.pairs = tap->pairs;
		s->used = 1;
		s->tap = tap;
		memcpy(s->fd, fd, tap->pairs * sizeof(*fd));
		ret = add_hosts(s, node, mem);
		/* That of the one that failed is closed. */
		i = s->hosts + 1;
	}
	if (!ret)
		return &s->cable;
	fault_errno(err, EX_OSERR, ret, "net tap: %s", NET_VHOST_NODE);
	for (; i < tap->pairs; i++)
		close(node[i]);
	while (s && s->hosts)
		vhost_destroy(&s->host[--s->hosts]);
	free(s);
	return NULL;
}
