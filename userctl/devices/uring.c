// SPDX-License-Identifier: GPL-2.0
#include "uring.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static int enter(int fd, unsigned int submit, unsigned int wait)
{
	unsigned int flags = wait ? IORING_ENTER_GETEVENTS : 0;

	return (int)syscall(SYS_io_uring_enter, fd, submit, wait, flags, NULL, 0);
}

static int map_rings(struct uring *ring, const struct io_uring_params *p)
{
	size_t cq_len = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);
	uint8_t *map;

	ring->sq_len = p->sq_off.array + p->sq_entries * sizeof(unsigned int);
	if (ring->sq_len < cq_len)
		ring->sq_len = cq_len;
	ring->sqes_len = p->sq_entries * sizeof(struct io_uring_sqe);
	map = mmap(NULL, ring->sq_len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring->fd,
		   IORING_OFF_SQ_RING);
	if (map == MAP_FAILED)
		return -errno;
	ring->sq_map = map;
	ring->sq_tail = (unsigned int *)(map + p->sq_off.tail);
	ring->sq_mask = (unsigned int *)(map + p->sq_off.ring_mask);
	ring->sq_array = (unsigned int *)(map + p->sq_off.array);
	ring->cq_head = (unsigned int *)(map + p->cq_off.head);
	ring->cq_tail = (unsigned int *)(map + p->cq_off.tail);
	ring->cq_mask = (unsigned int *)(map + p->cq_off.ring_mask);
	ring->cqes = (struct io_uring_cqe *)(map + p->cq_off.cqes);
	map = mmap(NULL, ring->sqes_len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
		   ring->fd, IORING_OFF_SQES);
	if (map == MAP_FAILED)
		return -errno;
	ring->sqes = (struct io_uring_sqe *)map;
	return 0;
}

int uring_init(struct uring *ring, unsigned int entries)
{
	struct io_uring_params p = { 0 };
	int ret;

	memset(ring, 0, sizeof(*ring));
	ring->fd = (int)syscall(SYS_io_uring_setup, entries, &p);
	if (ring->fd < 0)
		return -errno;
	/* One mapping for both rings: kernels have had that since 5.4. */
	ret = p.features & IORING_FEAT_SINGLE_MMAP ? map_rings(ring, &p) : -ENOSYS;
	if (ret)
		uring_destroy(ring);
	return ret;
}

void uring_destroy(struct uring *ring)
{
	if (ring->sqes)
		munmap(ring->sqes, ring->sqes_len);
	if (ring->sq_map)
		munmap(ring->sq_map, ring->sq_len);
	if (ring->fd >= 0)
		close(ring->fd);
	memset(ring, 0, sizeof(*ring));
	ring->fd = -1;
}

struct io_uring_sqe *uring_next(struct uring *ring)
{
	unsigned int tail = *ring->sq_tail, index = tail & *ring->sq_mask;
	struct io_uring_sqe *sqe = &ring->sqes[index];

	memset(sqe, 0, sizeof(*sqe));
	ring->sq_array[index] = index;
	/* The kernel looks when it is told to, in uring_submit(). */
	__atomic_store_n(ring->sq_tail, tail + 1, __ATOMIC_RELEASE);
	ring->queued++;
	return sqe;
}

int uring_submit(struct uring *ring)
{
	int n;

	while (ring->queued) {
		n = enter(ring->fd, ring->queued, 0);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		if (n > 0)
			ring->queued -= (unsigned int)n;
	}
	return 0;
}

bool uring_reap(struct uring *ring, bool wait, struct io_uring_cqe *out)
{
	unsigned int head = *ring->cq_head;

	while (head == __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE)) {
		if (!wait || (enter(ring->fd, 0, 1) < 0 && errno != EINTR))
			return false;
	}
	*out = ring->cqes[head & *ring->cq_mask];
	__atomic_store_n(ring->cq_head, head + 1, __ATOMIC_RELEASE);
	return true;
}
