/* SPDX-License-Identifier: GPL-2.0 */
/* A disk (Virtual I/O Device 1.2, 5.2): its front; blk_backend.h has the rest. */
#ifndef VMCTL_VIRTIO_BLK_H
#define VMCTL_VIRTIO_BLK_H

#include <linux/virtio_blk.h>

#include "../error.h"
#include "blk_backend.h"
#include "virtio_pci.h"

/**
 * struct blk_request - one request under way
 * @chain: the guest's
 * @status: where its status byte goes
 * @io: what the back end is asked for
 * @written: bytes that the guest will find written if all goes well
 */
struct blk_request {
	struct virtqueue_chain chain;
	uint8_t *status;
	struct blk_io io;
	uint32_t written;
};

/**
 * struct virtio_blk - a disk
 * @v: the device; its lock guards the rest
 * @back: the back end
 * @config: what the guest reads of it
 * @request: by the number of their first descriptor
 * @busy: which of them are in use
 * @under_way: how many
 * @held: what the guest asks for waits, and the back end is the main thread's
 */
struct virtio_blk {
	struct virtio v;
	struct blk_backend *back;
	struct virtio_blk_config config;
	struct blk_request request[VIRTQUEUE_MAX];
	bool busy[VIRTQUEUE_MAX];
	unsigned int under_way;
	bool held;
};

/**
 * virtio_blk_create() - open an image
 * @name: for the user
 * @image: of whole sectors; its path must outlive the disk
 * @mem: guest memory
 * @err: as blk_raw_open() and blk_nbd_open() have it
 *
 * Return: the disk, which is not on a bus yet; NULL on errors
 */
struct virtio *virtio_blk_create(const char *name, const struct blk_image *image,
				 const struct guest_mem *mem, struct error *err);

/**
 * virtio_blk_open() - what is open of an image alone, for who passes it to a VM's process
 * @disk: name of the disk
 * @image: its image
 * @server: to be ended by SIGTERM if the VM does not take it, or 0
 * @err: as with virtio_blk_create()
 *
 * Return: a descriptor or -1
 */
int virtio_blk_open(const char *disk, const struct blk_image *image, pid_t *server,
		    struct error *err);

/**
 * virtio_blk_grow() - make an image larger
 * @v: what virtio_blk_create() returned
 * @bytes: its new size
 * @channel: socket to who makes it larger if that cannot be done while it is open, or -1: it is
 *	sent a byte when the image is closed, and sends one with what is open of it again
 * @err: in words, with status 1
 *
 * Meanwhile the guest's requests wait. If nobody opens the image again, they fail from then on,
 * until another virtio_blk_grow(), which may be of the same size. Main thread only.
 *
 * Return: 0 or -1; virtio_blk_resize() tells the guest.
 */
int virtio_blk_grow(struct virtio *v, uint64_t bytes, int channel, struct error *err);

/**
 * virtio_blk_resize() - see how large the image is by now, and tell the guest
 * @v: what virtio_blk_create() returned
 * @err: EX_NOINPUT, EX_DATAERR: the disk remains as it was
 *
 * Return: 0 or -1. From any thread.
 */
int virtio_blk_resize(struct virtio *v, struct error *err);

#endif
