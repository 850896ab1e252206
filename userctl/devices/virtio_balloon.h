/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A balloon (Virtual I/O Device 1.2, 5.5): the guest gives pages back to the host as the host asks,
 * and reports those that it does not use.
 */
#ifndef VMCTL_VIRTIO_BALLOON_H
#define VMCTL_VIRTIO_BALLOON_H

#include <linux/virtio_balloon.h>

#include "../error.h"
#include "virtio_pci.h"

/**
 * struct balloon_stats - what is known of a guest's memory
 * @target: bytes that the host wants
 * @actual: bytes in the balloon, as the guest says
 * @given: bytes that were given back through it in all
 * @reported: bytes that were reported as free in all
 * @known: bits of the tags that the guest has told
 * @tag: by VIRTIO_BALLOON_S_*
 */
struct balloon_stats {
	uint64_t target, actual, given, reported;
	uint32_t known;
	uint64_t tag[VIRTIO_BALLOON_S_NR];
};

/**
 * virtio_balloon_create() - a balloon
 * @name: for the user
 * @mem: guest memory
 * @err: EX_OSERR
 *
 * Return: the device, which is not on a bus yet; NULL on errors
 */
struct virtio *virtio_balloon_create(const char *name, const struct guest_mem *mem,
				     struct error *err);

/**
 * virtio_balloon_set() - ask the guest for memory
 * @v: what virtio_balloon_create() returned
 * @bytes: how much shall be in the balloon; in whole pages
 *
 * The guest does it as fast as it can, and as far; from any thread.
 */
void virtio_balloon_set(struct virtio *v, uint64_t bytes);

/* Have told(arg, bytes) called, from a vCPU's thread, whenever the guest says how large it is. */
void virtio_balloon_tell(struct virtio *v, void (*told)(void *arg, uint64_t bytes), void *arg);

/* From any thread. Statistics of the guest are some seconds old. */
void virtio_balloon_stats(struct virtio *v, struct balloon_stats *stats);

#endif
