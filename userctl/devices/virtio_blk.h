/* SPDX-License-Identifier: GPL-2.0 */
/* A disk (Virtual I/O Device 1.2, 5.2): a raw image file or a block device. */
#ifndef VMCTL_VIRTIO_BLK_H
#define VMCTL_VIRTIO_BLK_H

#include <liburing.h>
#include <linux/virtio_blk.h>

#include "../error.h"
#include "virtio_pci.h"

/**
 * struct blk_request - one request under way
 * @chain: the guest's
 * @status: where its status byte goes
 * @type: VIRTIO_BLK_T_*
 * @offset: where in the image
 * @span: bytes to discard or to zero there
 * @unmap: zeros need no room
 * @len: bytes of data
 * @written: bytes that the guest will find written if all goes well
 */
struct blk_request {
	struct virtqueue_chain chain;
	uint8_t *status;
	uint32_t type;
	uint64_t offset, span, len;
	bool unmap;
	uint32_t written;
};

/**
 * struct virtio_blk - a disk
 * @v: the device; its lock guards the rest
 * @fd: the image
 * @path: its name
 * @config: what the guest reads of it
 * @ring: I/O under way
 * @request: by the number of their first descriptor
 * @busy: which of them are in use
 * @under_way: how many
 */
struct virtio_blk {
	struct virtio v;
	int fd;
	const char *path;
	struct virtio_blk_config config;
	struct io_uring ring;
	struct blk_request request[VIRTQUEUE_MAX];
	bool busy[VIRTQUEUE_MAX];
	unsigned int under_way;
};

/**
 * virtio_blk_create() - open an image
 * @name: for the user
 * @path: a file or block device of whole sectors; must outlive the disk
 * @readonly: nothing may be written
 * @mem: guest memory
 * @err: EX_NOINPUT, EX_DATAERR, EX_TEMPFAIL when another process uses the image, EX_OSERR
 *
 * Return: the disk, which is not on a bus yet; NULL on errors
 */
struct virtio *virtio_blk_create(const char *name, const char *path, bool readonly,
				 const struct guest_mem *mem, struct error *err);

/* The file of disk @disk alone, for who passes it to a VM's process: a descriptor or -1. */
int virtio_blk_open(const char *disk, const char *path, bool readonly, struct error *err);

/**
 * virtio_blk_grow() - make a file that is an image larger; no file that is open already is opened
 * @v: what virtio_blk_create() returned
 * @bytes: its new size
 * @err: in words, with status 1
 *
 * Return: 0 or -1; virtio_blk_resize() tells the guest.
 */
int virtio_blk_grow(struct virtio *v, uint64_t bytes, struct error *err);

/**
 * virtio_blk_resize() - see how large the image is by now, and tell the guest
 * @v: what virtio_blk_create() returned
 * @err: EX_NOINPUT, EX_DATAERR: the disk remains as it was
 *
 * Return: 0 or -1. From any thread.
 */
int virtio_blk_resize(struct virtio *v, struct error *err);

#endif
