// SPDX-License-Identifier: GPL-2.0
#include "virtio_net.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>

#define CLASS_ETHERNET 0x020000
#define FEATURE(bit)   (1ULL << (bit))
#define FRAME_MIN      14

enum { RX, TX, QUEUES };

_Static_assert(sizeof(struct virtio_net_hdr_v1) == NET_HEADER, "5.1.6");

bool virtio_net_hungry(struct virtio *v)
{
	return virtio_waiting(v, RX);
}

/* Room that the guest gave too little of is its mistake: it shall hear of it. */
static void received(struct virtio_net *net, const struct virtqueue_chain *chain, size_t len)
{
	virtio_done(&net->v, RX, chain->head, (uint32_t)len);
}

bool virtio_net_receive(struct virtio_net *net, const void *frame, size_t len)
{
	struct virtio_net_hdr_v1 head = { .num_buffers = 1 };
	struct virtqueue_chain chain;
	struct iovec *iov;
	size_t done;

	if (!virtio_pop(&net->v, RX, &chain))
		return false;
	iov = chain.iov + chain.readable;
	done = iov_put(iov, chain.writable, &head, sizeof(head));
	done += iov_put(iov, chain.writable, frame, len);
	if (done < sizeof(head) + len)
		virtio_fail(&net->v, "the guest has too little room for a frame");
	else
		received(net, &chain, done);
	return true;
}

bool virtio_net_room(struct virtio_net *net,
		     size_t (*fill)(struct net_cable *cable, const struct iovec *iov,
				    unsigned int count),
		     struct net_cable *cable)
{
	struct virtqueue_chain chain;
	uint8_t head[NET_HEADER];
	uint16_t buffers = 1;
	struct iovec *iov;
	size_t len;

	if (!virtio_pop(&net->v, RX, &chain))
		return false;
	iov = chain.iov + chain.readable;
	if (iov_total(iov, chain.writable) < NET_HEADER + FRAME_MIN) {
		virtio_fail(&net->v, "the guest has too little room for a frame");
		return false;
	}
	len = fill(cable, iov, chain.writable);
	if (!len) {
		virtqueue_undo(&net->v.vq[RX]);
		return false;
	}
	/* The last field of the header, which the host's interfaces do not know. */
	iov_take(iov, chain.writable, head, NET_HEADER - sizeof(buffers));
	iov_put(iov, chain.writable, &buffers, sizeof(buffers));
	received(net, &chain, len);
	return true;
}

static void transmit(struct virtio_net *net)
{
	struct virtqueue_chain chain;
	uint64_t len;

	while (virtio_pop(&net->v, TX, &chain)) {
		len = iov_total(chain.iov, chain.readable);
		if (len < NET_HEADER + FRAME_MIN || len > NET_FRAME_MAX) {
			virtio_fail(&net->v, "the guest sends what is no frame");
			return;
		}
		net->cable->send(net->cable, chain.iov, chain.readable);
		virtio_done(&net->v, TX, chain.head, 0);
	}
}

static int net_watch(struct virtio *v)
{
	struct virtio_net *net = (struct virtio_net *)v;

	/* What nobody would serve must not be waited for. */
	return virtio_live(v) ? net->cable->watch(net->cable, v) : -1;
}

static void net_run(struct virtio *v)
{
	struct virtio_net *net = (struct virtio_net *)v;

	transmit(net);
	net->cable->run(net->cable, net);
}

static int net_start(struct virtio *v)
{
	struct virtio_net *net = (struct virtio_net *)v;

	return net->cable->start ? net->cable->start(net->cable, v->accepted) : 0;
}

static void net_stop(struct virtio *v)
{
	(void)v;
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
	.queues = QUEUES,
	.watch = net_watch,
	.run = net_run,
	.start = net_start,
	.stop = net_stop,
	.destroy = net_destroy,
};

struct virtio *virtio_net_create(const char *name, const uint8_t *mac, struct net_cable *cable,
				 const struct guest_mem *mem, struct error *err)
{
	struct virtio_net *net;
	int ret;

	if (!cable)
		return NULL;
	net = calloc(1, sizeof(*net));
	ret = net ? virtio_init(&net->v, &net_ops, name, mem) : -ENOMEM;
	if (ret) {
		fault_errno(err, EX_OSERR, ret, "%s", name);
		cable->destroy(cable);
		free(net);
		return NULL;
	}
	net->cable = cable;
	memcpy(net->config.mac, mac, sizeof(net->config.mac));
	net->config.status = VIRTIO_NET_S_LINK_UP;
	net->v.features = FEATURE(VIRTIO_NET_F_MAC) | FEATURE(VIRTIO_NET_F_STATUS) |
			  cable->features;
	net->v.config = &net->config;
	net->v.config_len = sizeof(net->config);
	return &net->v;
}
