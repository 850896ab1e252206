/* SPDX-License-Identifier: GPL-2.0 */
/* Queues that the kernel serves (linux/vhost.h): two of a device by each node that is open. */
#ifndef VMCTL_VHOST_H
#define VMCTL_VHOST_H

#include "../error.h"
#include "virtio_pci.h"

#define VHOST_QUEUES 2

/**
 * struct vhost - who serves two queues; the device's lock guards it
 * @fd: the node
 * @first: number of the first queue; the other is the next one
 * @call: eventfds, written when the host has used an entry of a queue
 * @error: eventfds, written when the guest broke a queue
 * @watched: what virtio_watch() calls these
 */
struct vhost {
	int fd;
	unsigned int first;
	int call[VHOST_QUEUES], error[VHOST_QUEUES];
	int watched[2 * VHOST_QUEUES];
};

/**
 * vhost_open() - open a node of the host
 * @what: what it is for, in messages
 * @node: its name
 * @module: the kernel's module that has it
 * @err: EX_UNAVAILABLE where there is none, EX_NOPERM
 *
 * Return: its descriptor, or -1
 */
int vhost_open(const char *what, const char *node, const char *module, struct error *err);

/* One that nothing is open of, which vhost_destroy() may be called for. */
void vhost_none(struct vhost *h);

/**
 * vhost_init() - have it know guest memory
 * @h: filled in
 * @fd: the node, which is @h's from now on, also on errors
 * @first: number of the first queue
 * @mem: guest memory
 *
 * Return: 0 or -errno; @h is to be destroyed in either case.
 */
int vhost_init(struct vhost *h, int fd, unsigned int first, const struct guest_mem *mem);
void vhost_destroy(struct vhost *h);

/* What it can do: VIRTIO_F_*, VIRTIO_RING_F_* and the device's; 0 where that cannot be known. */
uint64_t vhost_offers(const struct vhost *h);

/**
 * vhost_set() - tell it the queues as the guest's driver has set them up
 * @h: of queues that nobody serves now
 * @v: the device, @lock held
 * @features: of those that vhost_offers() says
 *
 * Return: 0; -EINVAL when a queue is not ready or not in guest memory; another -errno
 */
int vhost_set(struct vhost *h, struct virtio *v, uint64_t features);

/* What the device's @ops->watch, @ops->run and @ops->idle do about it. */
void vhost_watch(struct vhost *h, struct virtio *v);
void vhost_run(struct vhost *h, struct virtio *v);
void vhost_idle(struct vhost *h, struct virtio *v);

#endif
