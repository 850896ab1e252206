// SPDX-License-Identifier: GPL-2.0
/* A disk that is a file or a block device as it is, by io_uring. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../files.h"
#include "blk_backend.h"
#include "blk_ring.h"
#include "virtqueue.h"

#define LOCK_TRIES 20
#define LOCK_PAUSE 50000 /* microseconds */

/**
 * struct blk_raw - a file or a block device
 * @b: what all back ends have
 * @fd: it
 * @ring: I/O under way
 * @io: by tag
 */
struct blk_raw {
	struct blk_backend b;
	int fd;
	struct io_uring ring;
	const struct blk_io *io[VIRTQUEUE_MAX];
};

/* ---- requests ---- */

/* A hole reads as zeros; where the driver wants none, they are allocated. */
static int zero_mode(const struct blk_io *io)
{
	bool hole = io->op == BLK_DISCARD || io->unmap;

	return FALLOC_FL_KEEP_SIZE | (hole ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE);
}

static void raw_submit(struct blk_backend *b, const struct blk_io *io)
{
	struct blk_raw *raw = (struct blk_raw *)b;
	/* There are as many entries as requests. */
	struct io_uring_sqe *sqe = io_uring_get_sqe(&raw->ring);

	switch (io->op) {
	case BLK_FLUSH:
		io_uring_prep_fsync(sqe, raw->fd, IORING_FSYNC_DATASYNC);
		break;
	case BLK_READ:
		io_uring_prep_readv(sqe, raw->fd, io->iov, io->pieces, io->offset);
		break;
	case BLK_WRITE:
		io_uring_prep_writev2(sqe, raw->fd, io->iov, io->pieces, io->offset,
				      io->durable ? RWF_DSYNC : 0);
		break;
	case BLK_DISCARD:
	case BLK_ZERO:
		io_uring_prep_fallocate(sqe, raw->fd, zero_mode(io), (off_t)io->offset,
					(off_t)io->len);
		break;
	}
	io_uring_sqe_set_data64(sqe, io->tag);
	raw->io[io->tag] = io;
}

static int raw_push(struct blk_backend *b)
{
	struct blk_raw *raw = (struct blk_raw *)b;
	int n;

	while (io_uring_sq_ready(&raw->ring)) {
		n = io_uring_submit(&raw->ring);
		if (n < 0 && n != -EINTR && n != -EAGAIN)
			return n;
	}
	return 0;
}

/* Where the file system knows neither holes nor ranges of zeros. */
static int write_zeros(struct blk_raw *raw, uint64_t offset, uint64_t len)
{
	static const uint8_t zeros[65536];
	ssize_t n;

	while (len) {
		n = pwrite(raw->fd, zeros, len < sizeof(zeros) ? len : sizeof(zeros),
			   (off_t)offset);
		if (n <= 0)
			return -EIO;
		offset += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return 0;
}

/* What is left to do of a discard or of zeros, once the file system has answered. */
static int cleared(struct blk_raw *raw, const struct blk_io *io, int ret)
{
	if (ret == -EOPNOTSUPP)
		ret = io->op == BLK_DISCARD ? 0 : write_zeros(raw, io->offset, io->len);
	if (!ret && io->durable && fdatasync(raw->fd))
		ret = -errno;
	return ret;
}

static int result(struct blk_raw *raw, const struct blk_io *io, int ret)
{
	switch (io->op) {
	case BLK_DISCARD:
	case BLK_ZERO:
		return cleared(raw, io, ret);
	case BLK_FLUSH:
		return ret;
	default:
		if (ret < 0)
			return ret;
		return (uint64_t)ret == io->len ? 0 : -EIO;
	}
}

static void complete(struct blk_raw *raw, struct io_uring_cqe *cqe)
{
	const struct blk_io *io = raw->io[cqe->user_data];
	int ret = cqe->res;

	io_uring_cqe_seen(&raw->ring, cqe);
	raw->b.done(raw->b.opaque, io->tag, result(raw, io, ret));
}

static bool raw_reap(struct blk_backend *b, bool wait)
{
	struct blk_raw *raw = (struct blk_raw *)b;
	struct io_uring_cqe *cqe;
	int ret = wait ? -EINTR : 0;

	while (ret == -EINTR)
		ret = io_uring_wait_cqe(&raw->ring, &cqe);
	while (!io_uring_peek_cqe(&raw->ring, &cqe))
		complete(raw, cqe);
	return !ret;
}

static int raw_fd(struct blk_backend *b)
{
	return ((struct blk_raw *)b)->ring.ring_fd;
}

static short raw_events(struct blk_backend *b)
{
	(void)b;
	return POLLIN;
}

/* ---- the image ---- */

static int image_size(const char *path, int fd, uint64_t *bytes, struct error *err)
{
	struct stat st;

	if (fstat(fd, &st))
		return fault_errno(err, EX_NOINPUT, errno, "disk %s", path);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return fault(err, EX_NOINPUT, "disk %s: neither a file nor a block device", path);
	*bytes = (uint64_t)st.st_size;
	if (S_ISBLK(st.st_mode) && ioctl(fd, BLKGETSIZE64, bytes))
		return fault_errno(err, EX_NOINPUT, errno, "disk %s", path);
	if (!*bytes)
		return fault(err, EX_DATAERR, "disk %s: the file is empty", path);
	if (*bytes % BLK_SECTOR)
		return fault(err, EX_DATAERR, "disk %s: its size is no multiple of %d bytes", path,
			     BLK_SECTOR);
	return 0;
}

static int raw_size(struct blk_backend *b, uint64_t *bytes, struct error *err)
{
	return image_size(b->image.path, ((struct blk_raw *)b)->fd, bytes, err);
}

static int raw_grow(struct blk_backend *b, uint64_t bytes, struct error *err)
{
	struct blk_raw *raw = (struct blk_raw *)b;
	const char *path = b->image.path;
	struct stat st;

	if (fstat(raw->fd, &st))
		return fault_errno(err, 1, errno, "disk %s", path);
	/* A block device has the size that it has by now. */
	if (!S_ISREG(st.st_mode))
		return 0;
	if (bytes < (uint64_t)st.st_size || bytes % BLK_SECTOR)
		return fault(err, 1,
			     "disk %s has %" PRIu64 " bytes; it can only grow, in steps of 512",
			     path, (uint64_t)st.st_size);
	if (ftruncate(raw->fd, (off_t)bytes))
		return fault_errno(err, 1, errno, "disk %s", path);
	return 0;
}

/*
 * Of the open file, not of the process: closing another descriptor does not end it. A process that
 * was killed may keep the lock for a moment, until the kernel has ended the I/O it had under way.
 */
static int lock_image(int fd, bool readonly)
{
	struct flock lock = { .l_type = readonly ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET };
	unsigned int tries;

	for (tries = 0; fcntl(fd, F_OFD_SETLK, &lock); tries++) {
		if (tries == LOCK_TRIES)
			return -1;
		usleep(LOCK_PAUSE);
	}
	return 0;
}

static int check_image(const struct blk_image *image, int fd, struct error *err)
{
	uint64_t bytes;

	if (image_size(image->path, fd, &bytes, err))
		return -1;
	if (lock_image(fd, image->readonly))
		return fault(err, EX_TEMPFAIL,
			     "disk %s: another process uses it%s: end that one, or both take ,ro",
			     image->path, image->readonly ? " and may write it" : "");
	return 0;
}

int blk_raw_file(const char *disk, const struct blk_image *image, struct error *err)
{
	int flags = (image->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	int fd = files_open(disk, image->path, flags);

	if (fd >= 0)
		return fd;
	if (errno == ENOENT)
		return fault(err, EX_NOINPUT,
			     "disk %s: No such file or directory; \"truncate -s 10G\" makes one",
			     image->path);
	return fault_errno(err, EX_NOINPUT, errno, "disk %s", image->path);
}

static void raw_destroy(struct blk_backend *b)
{
	struct blk_raw *raw = (struct blk_raw *)b;

	blk_ring_put(&raw->ring);
	close(raw->fd);
	free(raw);
}

static const struct blk_ops raw_ops = {
	.submit = raw_submit,
	.push = raw_push,
	.fd = raw_fd,
	.events = raw_events,
	.reap = raw_reap,
	.size = raw_size,
	.grow = raw_grow,
	.destroy = raw_destroy,
};

struct blk_backend *blk_raw_open(const char *disk, const struct blk_image *image, struct error *err)
{
	struct blk_raw *raw = calloc(1, sizeof(*raw));
	int ret;

	if (!raw) {
		fault(err, EX_OSERR, "out of memory");
		return NULL;
	}
	raw->b.ops = &raw_ops;
	raw->b.image = *image;
	raw->fd = blk_raw_file(disk, image, err);
	if (raw->fd < 0)
		goto err_free;
	if (check_image(image, raw->fd, err))
		goto err_close;
	ret = blk_ring_get(&raw->ring);
	if (ret) {
		fault_errno(err, EX_OSERR, ret, "disk %s: io_uring", image->path);
		goto err_close;
	}
	return &raw->b;

err_close:
	close(raw->fd);
err_free:
	free(raw);
	return NULL;
}
