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
 * @len: bytes of data
 * @written: bytes that the guest will find written if all goes well
 */
struct blk_request {
	struct virtqueue_chain chain;
	uint8_t *status;
	uint64_t len;
	uint32_t written;
};

/**
 * struct virtio_blk - a disk
 * @v: the device; its lock guards the rest
 * @fd: the image
 * @config: what the guest reads of it
 * @ring: I/O under way
 * @request: by the number of their first descriptor
 * @busy: which of them are in use
 * @under_way: how many
 */
struct virtio_blk {
	struct virtio v;
	int fd;
	struct virtio_blk_config config;
	struct io_uring ring;
	struct blk_request request[VIRTQUEUE_MAX];
	bool busy[VIRTQUEUE_MAX];
	unsigned int under_way;
};

/**
 * virtio_blk_create() - open an image
 * @path: a file or block device of whole sectors
 * @readonly: nothing may be written
 * @mem: guest memory
 * @err: EX_NOINPUT, EX_DATAERR, EX_TEMPFAIL when another process uses the image, EX_OSERR
 *
 * Return: the disk, which is not on a bus yet; NULL on errors
 */
struct virtio_blk *virtio_blk_create(const char *path, bool readonly, const struct guest_mem *mem,
				     struct error *err);
void virtio_blk_destroy(struct virtio_blk *blk);

#endif
