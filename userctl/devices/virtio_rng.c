// SPDX-License-Identifier: GPL-2.0
#include "virtio_rng.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <sys/random.h>

#define CLASS_OTHER 0xff0000
/* A request may get less than it asks for, and a guest shall not keep the host busy (5.4.6). */
#define REQUEST_MAX 4096

static uint32_t fill(const struct virtqueue_chain *chain)
{
	const struct iovec *iov = &chain->iov[chain->readable];
	unsigned int i;
	uint32_t done = 0;
	size_t len;
	ssize_t n;

	for (i = 0; i < chain->writable && done < REQUEST_MAX; i++) {
		len = iov[i].iov_len < REQUEST_MAX - done ? iov[i].iov_len : REQUEST_MAX - done;
		n = getrandom(iov[i].iov_base, len, 0);
		if (n <= 0)
			break;
		done += (uint32_t)n;
	}
	return done;
}

static void rng_run(struct virtio *v)
{
	struct virtqueue_chain chain;

	while (virtio_pop(v, 0, &chain)) {
		if (!chain.writable) {
			virtio_fail(v, "the guest wants no bytes");
			return;
		}
		virtio_done(v, 0, chain.head, fill(&chain));
	}
}

static void rng_stop(struct virtio *v)
{
	(void)v;
}

static void rng_destroy(struct virtio *v)
{
	virtio_destroy(v);
	free(v);
}

static const struct virtio_ops rng_ops = {
	.type = VIRTIO_ID_RNG,
	.class_code = CLASS_OTHER,
	.queues = 1,
	.run = rng_run,
	.stop = rng_stop,
	.destroy = rng_destroy,
};

struct virtio *virtio_rng_create(const char *name, const struct guest_mem *mem, struct error *err)
{
	struct virtio *v = malloc(sizeof(*v));
	int ret = v ? virtio_init(v, &rng_ops, name, mem) : -ENOMEM;

	if (!ret)
		return v;
	free(v);
	fault_errno(err, EX_OSERR, ret, "%s", name);
	return NULL;
}
