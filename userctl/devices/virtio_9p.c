// SPDX-License-Identifier: GPL-2.0
#include "virtio_9p.h"

#include <errno.h>
#include <linux/virtio_9p.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>

#define CLASS_OTHER  0xff0000
#define FEATURE(bit) (1ULL << (bit))

/**
 * struct virtio_9p - a shared folder
 * @v: the device; its lock guards the rest
 * @p9: the server
 * @config: what the guest reads: the length of the tag, and the tag
 * @msg: a message
 * @reply: its answer
 */
struct virtio_9p {
	struct virtio v;
	struct p9 *p9;
	uint8_t config[2 + SHARE_TAG_MAX];
	uint8_t msg[P9_MESSAGE_MAX], reply[P9_MESSAGE_MAX];
};

static bool answer(struct virtio_9p *s, struct virtqueue_chain *chain)
{
	struct iovec *in = chain->iov + chain->readable;
	size_t len = iov_take(chain->iov, chain->readable, s->msg, sizeof(s->msg));

	len = p9_serve(s->p9, s->msg, len, s->reply, iov_total(in, chain->writable));
	iov_put(in, chain->writable, s->reply, len);
	virtio_done(&s->v, 0, chain->head, (uint32_t)len);
	return len;
}

static void share_run(struct virtio *v)
{
	struct virtio_9p *s = (struct virtio_9p *)v;
	struct virtqueue_chain chain;

	while (virtio_pop(v, 0, &chain)) {
		if (!answer(s, &chain))
			virtio_fail(v, "the guest sends what is no message");
	}
}

static void share_stop(struct virtio *v)
{
	p9_reset(((struct virtio_9p *)v)->p9);
}

static void share_destroy(struct virtio *v)
{
	struct virtio_9p *s = (struct virtio_9p *)v;

	virtio_destroy(v);
	p9_destroy(s->p9);
	free(s);
}

static const struct virtio_ops share_ops = {
	.type = VIRTIO_ID_9P,
	.class_code = CLASS_OTHER,
	.queues = 1,
	.run = share_run,
	.stop = share_stop,
	.destroy = share_destroy,
};

struct virtio *virtio_9p_create(const char *name, const char *tag, const char *path, bool readonly,
				const struct guest_mem *mem, struct error *err)
{
	struct virtio_9p *s = malloc(sizeof(*s));
	uint16_t len = (uint16_t)strlen(tag);
	int ret;

	if (!s) {
		fault(err, EX_OSERR, "out of memory");
		return NULL;
	}
	s->p9 = p9_create(path, readonly, err);
	if (!s->p9) {
		free(s);
		return NULL;
	}
	ret = virtio_init(&s->v, &share_ops, name, mem);
	if (ret) {
		fault_errno(err, EX_OSERR, ret, "%s", name);
		p9_destroy(s->p9);
		free(s);
		return NULL;
	}
	memcpy(s->config, &len, 2);
	memcpy(s->config + 2, tag, len);
	s->v.features = FEATURE(VIRTIO_9P_MOUNT_TAG);
	s->v.config = s->config;
	s->v.config_len = 2u + len;
	return &s->v;
}
