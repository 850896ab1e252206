/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Rings of disks. What is asked for by a ring no filter of system calls sees: one does what a disk
 * needs, and a process whose sandbox is closed makes no other ones, but uses those again.
 */
#ifndef DEVICES_BLK_RING_H
#define DEVICES_BLK_RING_H

#include <liburing.h>

/* 0 or -errno; blk_ring_put(): nothing is under way in it. */
int blk_ring_get(struct io_uring *ring);
void blk_ring_put(struct io_uring *ring);

/* From now on rings are kept; make so many more, for disks to come. 0 or -errno. */
int blk_ring_stock(unsigned int more);

#endif
