/* SPDX-License-Identifier: GPL-2.0 */
/* Asynchronous I/O: a small io_uring(7), used under its owner's lock. */
#ifndef VMCTL_URING_H
#define VMCTL_URING_H

#include <linux/io_uring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct uring - the two rings
 * @fd: readable while completions wait; -1 when closed
 * @sq_map: submission ring; the completion ring lies in it too
 * @sq_len: its bytes
 * @sqes: submission entries
 * @sqes_len: their bytes
 * @sq_tail: in @sq_map
 * @sq_mask: in @sq_map
 * @sq_array: in @sq_map
 * @cq_head: in @sq_map
 * @cq_tail: in @sq_map
 * @cq_mask: in @sq_map
 * @cqes: in @sq_map
 * @queued: entries filled since the last uring_submit()
 */
struct uring {
	int fd;
	void *sq_map;
	size_t sq_len;
	struct io_uring_sqe *sqes;
	size_t sqes_len;
	unsigned int *sq_tail, *sq_mask, *sq_array;
	unsigned int *cq_head, *cq_tail, *cq_mask;
	struct io_uring_cqe *cqes;
	unsigned int queued;
};

/**
 * uring_init() - set up
 * @ring: filled in
 * @entries: how many requests may be under way; the caller never has more
 *
 * Return: 0 or -errno
 */
int uring_init(struct uring *ring, unsigned int entries);
void uring_destroy(struct uring *ring);

/* The next entry, empty; it counts from here on, and goes with uring_submit(): 0 or -errno. */
struct io_uring_sqe *uring_next(struct uring *ring);
int uring_submit(struct uring *ring);

/* Take one completion; with @wait, wait for it. False when there is none. */
bool uring_reap(struct uring *ring, bool wait, struct io_uring_cqe *out);

#endif
