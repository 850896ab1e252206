// SPDX-License-Identifier: GPL-2.0
#include "virtio_net.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>

#define CLASS_ETHERNET 0x020000
#define FEATURE(bit)   (1ULL << (bit))
#define FRAME_MIN      14

/* Queues of a pair (5.1.2). */
#define RX(pair) (2 * (pair))
#define TX(pair) (2 * (pair) + 1)

_Static_assert(sizeof(struct virtio_net_hdr_v1) == NET_HEADER, "5.1.6");
_Static_assert(RX(NET_PAIRS_MAX) < VIRTIO_QUEUES_MAX, "the control queue is behind the pairs");

static bool accepted(const struct virtio_net *net, unsigned int bit)
{
	return net->v.accepted & FEATURE(bit);
}

/* Those that the guest's driver knows of. */
static unsigned int known_pairs(const struct virtio_net *net)
{
	return accepted(net, VIRTIO_NET_F_MQ) ? net->pairs : 1;
}

bool virtio_net_hungry(struct virtio *v, unsigned int pair)
{
	return pair < ((struct virtio_net *)v)->stats.pairs && virtio_waiting(v, RX(pair));
}

void virtio_net_stats(struct virtio *v, struct net_stats *stats)
{
	pthread_mutex_lock(&v->lock);
	*stats = ((struct virtio_net *)v)->stats;
	pthread_mutex_unlock(&v->lock);
}

/* ---- frames ---- */

/* Room that the guest gave too little of is its mistake: it shall hear of it. */
static void received(struct virtio_net *net, unsigned int pair, uint16_t head, size_t len)
{
	net->stats.received[pair]++;
	virtio_done(&net->v, RX(pair), head, (uint32_t)len);
}

bool virtio_net_receive(struct virtio_net *net, const void *frame, size_t len)
{
	struct virtio_net_hdr_v1 head = { .num_buffers = 1 };
	struct virtqueue_chain chain;
	struct iovec *iov;
	size_t done;

	if (!virtio_pop(&net->v, RX(0), &chain))
		return false;
	iov = chain.iov + chain.readable;
	done = iov_put(iov, chain.writable, &head, sizeof(head));
	done += iov_put(iov, chain.writable, frame, len);
	if (done < sizeof(head) + len)
		virtio_fail(&net->v, "the guest has too little room for a frame");
	else
		received(net, 0, chain.head, done);
	return true;
}

bool virtio_net_room(struct virtio_net *net, unsigned int pair,
		     size_t (*fill)(struct net_cable *cable, unsigned int pair,
				    const struct iovec *iov, unsigned int count),
		     struct net_cable *cable)
{
	struct virtqueue_chain chain;
	uint8_t head[NET_HEADER];
	uint16_t buffers = 1;
	struct iovec *iov;
	size_t len;

	if (pair >= net->stats.pairs || !virtio_pop(&net->v, RX(pair), &chain))
		return false;
	iov = chain.iov + chain.readable;
	if (iov_total(iov, chain.writable) < NET_HEADER + FRAME_MIN) {
		virtio_fail(&net->v, "the guest has too little room for a frame");
		return false;
	}
	len = fill(cable, pair, iov, chain.writable);
	if (!len) {
		virtqueue_undo(&net->v.vq[RX(pair)]);
		return false;
	}
	/* The last field of the header, which the host's interfaces do not know. */
	iov_take(iov, chain.writable, head, NET_HEADER - sizeof(buffers));
	iov_put(iov, chain.writable, &buffers, sizeof(buffers));
	received(net, pair, chain.head, len);
	return true;
}

static void transmit(struct virtio_net *net, unsigned int pair)
{
	struct virtqueue_chain chain;
	uint64_t len;

	while (virtio_pop(&net->v, TX(pair), &chain)) {
		len = iov_total(chain.iov, chain.readable);
		if (len < NET_HEADER + FRAME_MIN || len > NET_FRAME_MAX) {
			virtio_fail(&net->v, "the guest sends what is no frame");
			return;
		}
		net->cable->send(net->cable, pair, chain.iov, chain.readable);
		net->stats.sent[pair]++;
		virtio_done(&net->v, TX(pair), chain.head, 0);
	}
}

/* ---- the control queue (5.1.6.5) ---- */

static int use_pairs(struct virtio_net *net, unsigned int pairs)
{
	int ret = net->cable->use ? net->cable->use(net->cable, pairs) : 0;

	if (!ret)
		net->stats.pairs = pairs;
	return ret;
}

/* Frames for a queue that the driver has not set up would be lost. */
static bool pairs_ready(const struct virtio_net *net, unsigned int pairs)
{
	unsigned int i;

	for (i = 0; i < RX(pairs); i++) {
		if (!net->v.vq[i].ready)
			return false;
	}
	return true;
}

/* How many pairs there shall be (5.1.6.5.5); @iov is what follows the command. */
static bool set_pairs(struct virtio_net *net, struct iovec *iov, unsigned int count)
{
	struct virtio_net_ctrl_mq mq = { 0 };

	return accepted(net, VIRTIO_NET_F_MQ) &&
	       iov_take(iov, count, &mq, sizeof(mq)) == sizeof(mq) &&
	       mq.virtqueue_pairs >= VIRTIO_NET_CTRL_MQ_VQ_PAIRS_MIN &&
	       mq.virtqueue_pairs <= net->pairs && pairs_ready(net, mq.virtqueue_pairs) &&
	       !use_pairs(net, mq.virtqueue_pairs);
}

static virtio_net_ctrl_ack command(struct virtio_net *net, struct iovec *iov, unsigned int count)
{
	struct virtio_net_ctrl_hdr head;

	if (iov_take(iov, count, &head, sizeof(head)) == sizeof(head) &&
	    head.class == VIRTIO_NET_CTRL_MQ && head.cmd == VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET &&
	    set_pairs(net, iov, count))
		return VIRTIO_NET_OK;
	return VIRTIO_NET_ERR;
}

/* It stands behind the pairs that the driver knows of. */
static void commands(struct virtio_net *net)
{
	unsigned int queue = RX(known_pairs(net));
	struct virtqueue_chain chain;
	virtio_net_ctrl_ack ack;

	while (virtio_pop(&net->v, queue, &chain)) {
		if (!chain.writable) {
			virtio_fail(&net->v, "the guest has no room for the answer to a command");
			return;
		}
		ack = command(net, chain.iov, chain.readable);
		iov_put(chain.iov + chain.readable, chain.writable, &ack, sizeof(ack));
		virtio_done(&net->v, queue, chain.head, sizeof(ack));
	}
}

/* ---- the device ---- */

static int net_watch(struct virtio *v)
{
	struct virtio_net *net = (struct virtio_net *)v;

	/* What nobody would serve must not be waited for. */
	return virtio_live(v) ? net->cable->watch(net->cable, v) : -1;
}

/* What the guest has in queues that it uses no more is sent, too. */
static void net_run(struct virtio *v)
{
	struct virtio_net *net = (struct virtio_net *)v;
	unsigned int pair;

	if (accepted(net, VIRTIO_NET_F_CTRL_VQ))
		commands(net);
	for (pair = 0; pair < known_pairs(net) && !net->cable->elsewhere; pair++)
		transmit(net, pair);
	net->cable->run(net->cable, net);
	/* Of a guest that breaks a rule the kernel serves nothing either. */
	if (!virtio_live(v) && net->cable->stop)
		net->cable->stop(net->cable);
}

/* All but the control queue, which is served here, wherever it stands. */
static uint32_t frame_queues(unsigned int pairs)
{
	return (1u << RX(pairs)) - 1;
}

static int net_start(struct virtio *v)
{
	struct virtio_net *net = (struct virtio_net *)v;
	int ret = 0;

	if (net->cable->elsewhere)
		v->elsewhere = frame_queues(known_pairs(net));
	/* A driver must not take the one without the other (5.1.3.1). */
	if (accepted(net, VIRTIO_NET_F_MQ) && !accepted(net, VIRTIO_NET_F_CTRL_VQ))
		return -EINVAL;
	if (net->cable->start)
		ret = net->cable->start(net->cable, v, known_pairs(net));
	return ret ? ret : use_pairs(net, 1);
}

static void net_stop(struct virtio *v)
{
	struct virtio_net *net = (struct virtio_net *)v;

	if (net->cable->stop)
		net->cable->stop(net->cable);
	net->stats.pairs = 1;
}

static void net_destroy(struct virtio *v)
{
	struct virtio_net *net = (struct virtio_net *)v;

	virtio_destroy(v);
	net->cable->destroy(net->cable);
	free(net);
}

static const struct virtio_ops net_ops = {
	.type = VIRTIO_ID_NET,
	.class_code = CLASS_ETHERNET,
	.watch = net_watch,
	.run = net_run,
	.start = net_start,
	.stop = net_stop,
	.destroy = net_destroy,
};

static void offer(struct virtio_net *net, const uint8_t *mac)
{
	memcpy(net->config.mac, mac, sizeof(net->config.mac));
	net->config.status = VIRTIO_NET_S_LINK_UP;
	net->v.features = FEATURE(VIRTIO_NET_F_MAC) | FEATURE(VIRTIO_NET_F_STATUS) |
			  net->cable->features;
	if (net->pairs > 1) {
		net->config.max_virtqueue_pairs = (uint16_t)net->pairs;
		net->v.features |= FEATURE(VIRTIO_NET_F_MQ) | FEATURE(VIRTIO_NET_F_CTRL_VQ);
	}
	net->v.config = &net->config;
	net->v.config_len = sizeof(net->config);
}

struct virtio *virtio_net_create(const char *name, const uint8_t *mac, struct net_cable *cable,
				 const struct guest_mem *mem, struct error *err)
{
	struct virtio_net *net;
	unsigned int pairs;
	int ret = -ENOMEM;

	if (!cable)
		return NULL;
	pairs = cable->pairs > 1 ? cable->pairs : 1;
	net = calloc(1, sizeof(*net));
	if (net)
		ret = virtio_init_queues(&net->v, &net_ops, RX(pairs) + (pairs > 1), name, mem);
	if (ret) {
		fault_errno(err, EX_OSERR, ret, "%s", name);
		cable->destroy(cable);
		free(net);
		return NULL;
	}
	net->cable = cable;
	net->pairs = pairs;
	net->stats.pairs = 1;
	net->stats.vhost = cable->elsewhere;
	net->v.elsewhere = cable->elsewhere ? frame_queues(pairs) : 0;
	offer(net, mac);
	return &net->v;
}
