/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory that comes and goes in blocks (Virtual I/O Device 1.2, 5.15): the host says how much there
 * shall be, and the guest plugs and unplugs blocks of a region to get there. A piece of the region
 * in which nothing is plugged is not even mapped.
 */
#ifndef VMCTL_VIRTIO_MEM_H
#define VMCTL_VIRTIO_MEM_H

#include "../error.h"
#include "virtio_pci.h"

#define VIRTIO_MEM_PIECE (128 * MiB) /* of the region, the last one may be smaller */

/**
 * struct virtio_mem_events - what the device asks of the machine; called by its thread
 * @map: a piece of the region shall be memory of the guest's, or no longer: 0 or -errno
 * @opaque: passed to it
 */
struct virtio_mem_events {
	int (*map)(void *opaque, unsigned int piece, bool on);
	void *opaque;
};

/**
 * struct virtio_mem_stats - how much there is
 * @size: bytes of the region
 * @requested: what the host wants of it
 * @plugged: what the guest has
 */
struct virtio_mem_stats {
	uint64_t size, requested, plugged;
};

/**
 * virtio_mem_create() - the device of a region
 * @name: for the user
 * @mem: guest memory, with a region
 * @events: the machine
 * @err: EX_OSERR
 *
 * Return: the device, which is not on a bus yet; NULL on errors
 */
struct virtio *virtio_mem_create(const char *name, struct guest_mem *mem,
				 const struct virtio_mem_events *events, struct error *err);

/**
 * virtio_mem_set() - ask the guest to have so much of the region
 * @v: what virtio_mem_create() returned
 * @bytes: how much; whole blocks count
 *
 * From any thread. It cannot plug more than that; when it unplugs is its affair.
 */
void virtio_mem_set(struct virtio *v, uint64_t bytes);

/* From any thread. */
void virtio_mem_stats(struct virtio *v, struct virtio_mem_stats *stats);

#endif
