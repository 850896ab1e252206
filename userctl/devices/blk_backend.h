/* SPDX-License-Identifier: GPL-2.0 */
/* What keeps the blocks of a disk: a file or block device as it is, or the server of an image. */
#ifndef DEVICES_BLK_BACKEND_H
#define DEVICES_BLK_BACKEND_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "../error.h"

#define BLK_SECTOR 512

/* What a file is, which only its user knows: see vmctl(8), --disk. */
enum blk_format { BLK_RAW, BLK_QCOW2 };

/**
 * struct blk_image - an image, as the user names it
 * @path: file or block device, NULL for none
 * @format: what it is
 * @readonly: nothing may be written
 */
struct blk_image {
	const char *path;
	enum blk_format format;
	bool readonly;
};

enum blk_op { BLK_READ, BLK_WRITE, BLK_FLUSH, BLK_DISCARD, BLK_ZERO };

/**
 * struct blk_io - something to do, which stays as it is until it is done
 * @op: what
 * @tag: a number that no other one under way has, below VIRTQUEUE_MAX
 * @iov: memory to read to or write from
 * @pieces: how many of them
 * @offset: where in the disk
 * @len: bytes there
 * @durable: what it writes is on the host's disk when it is done, without a flush
 * @unmap: zeros need no room
 */
struct blk_io {
	enum blk_op op;
	unsigned int tag;
	const struct iovec *iov;
	unsigned int pieces;
	uint64_t offset, len;
	bool durable, unmap;
};

struct blk_backend;

/**
 * struct blk_ops - a back end; but for @destroy all are called by one thread at a time
 * @submit: take a request, which may be done at once, even unsuccessfully
 * @push: let the host have all that was taken: 0 or -errno
 * @fd: what to wait for while something is under way, or -1
 * @events: and how, as poll() wants it
 * @reap: tell of all that is done by now, with true: of one at least; false: it cannot wait
 * @size: how large the disk is by now: 0 or -1
 * @grow: make it larger, with status 1 if that cannot be: 0 or -1; from any thread. NULL: it has
 *	to be closed meanwhile
 * @renew: where there is no @grow: close it, and take what somebody else opens: 0 or -1; nothing
 *	is under way, and no other one is called meanwhile
 * @destroy: nothing is under way
 */
struct blk_ops {
	void (*submit)(struct blk_backend *b, const struct blk_io *io);
	int (*push)(struct blk_backend *b);
	int (*fd)(struct blk_backend *b);
	short (*events)(struct blk_backend *b);
	bool (*reap)(struct blk_backend *b, bool wait);
	int (*size)(struct blk_backend *b, uint64_t *bytes, struct error *err);
	int (*grow)(struct blk_backend *b, uint64_t bytes, struct error *err);
	int (*renew)(struct blk_backend *b, int channel, struct error *err);
	void (*destroy)(struct blk_backend *b);
};

/**
 * struct blk_backend - what they have in common
 * @ops: which it is
 * @image: of it
 * @done: told of each request by its tag, with 0 or -errno
 * @opaque: for @done
 */
struct blk_backend {
	const struct blk_ops *ops;
	struct blk_image image;
	void (*done)(void *opaque, unsigned int tag, int ret);
	void *opaque;
};

/**
 * blk_raw_open(), blk_nbd_open() - by the format
 * @disk: name of the disk, such as "disk0"
 * @image: its image; the path must outlive the disk
 * @err: EX_NOINPUT, EX_DATAERR, EX_TEMPFAIL when another process uses the image, EX_OSERR;
 *	EX_UNAVAILABLE: the host lacks what it takes
 *
 * Return: the back end, without @done; NULL on errors
 */
struct blk_backend *blk_raw_open(const char *disk, const struct blk_image *image,
				 struct error *err);
struct blk_backend *blk_nbd_open(const char *disk, const struct blk_image *image,
				 struct error *err);

/*
 * What is open of an image, for who passes it to a VM's process: a descriptor or -1. If that does
 * not take the socket, the server @pid at its other end is to be ended by SIGTERM.
 */
int blk_raw_file(const char *disk, const struct blk_image *image, struct error *err);
int blk_nbd_socket(const struct blk_image *image, pid_t *pid, struct error *err);

/* What was kept of this disk for a next machine is not wanted any more; NULL: of any disk. */
void blk_nbd_forget(const char *disk);

#endif
