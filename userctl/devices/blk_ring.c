// SPDX-License-Identifier: GPL-2.0
#include "blk_ring.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "virtqueue.h"

#define STOCK_MAX 64

static struct io_uring stock[STOCK_MAX];
static unsigned int count;
static bool keeping;

static long register_at(struct io_uring *ring, unsigned int what, void *arg, unsigned int n)
{
	return syscall(SYS_io_uring_register, ring->ring_fd, what, arg, n);
}

/* What virtio_blk.c submits, and nothing else. */
static int restrict_ring(struct io_uring *ring)
{
	static const unsigned int ops[] = { IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_FSYNC,
					    IORING_OP_FALLOCATE };
	struct io_uring_restriction allowed[sizeof(ops) / sizeof(ops[0])] = { 0 };
	unsigned int i;

	for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		allowed[i].opcode = IORING_RESTRICTION_SQE_OP;
		allowed[i].sqe_op = (uint8_t)ops[i];
	}
	/* By number: liburing declares functions for both, but Debian's does not have them. */
	if (register_at(ring, IORING_REGISTER_RESTRICTIONS, allowed, i) ||
	    register_at(ring, IORING_REGISTER_ENABLE_RINGS, NULL, 0))
		return -errno;
	return 0;
}

static int make_ring(struct io_uring *ring)
{
	int ret = io_uring_queue_init(VIRTQUEUE_MAX, ring, IORING_SETUP_R_DISABLED);

	if (ret)
		return ret;
	ret = restrict_ring(ring);
	if (ret)
		io_uring_queue_exit(ring);
	return ret;
}

int blk_ring_get(struct io_uring *ring)
{
	if (!keeping)
		return make_ring(ring);
	if (!count)
		return -EMFILE;
	*ring = stock[--count];
	return 0;
}

void blk_ring_put(struct io_uring *ring)
{
	if (keeping && count < STOCK_MAX)
		stock[count++] = *ring;
	else
		io_uring_queue_exit(ring);
}

int blk_ring_stock(unsigned int more)
{
	int ret = 0;

	while (more-- && count < STOCK_MAX && !ret) {
		ret = make_ring(&stock[count]);
		count += !ret;
	}
	keeping = !ret;
	return ret;
}
