// SPDX-License-Identifier: GPL-2.0
#include "virtio_blk.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../files.h"
#include "blk_ring.h"

#define SECTOR       512
#define PAGE         4096
#define LOCK_TRIES   20
#define LOCK_PAUSE   50000      /* microseconds */
#define CLEAR_MAX    (1u << 21) /* sectors that are discarded or zeroed at once: 1 GiB */
#define CLASS_DISK   0x010000
#define FEATURE(bit) (1ULL << (bit))

/* ---- one request ---- */

static void finish(struct virtio_blk *blk, struct blk_request *r, uint8_t status)
{
	*r->status = status;
	virtio_done(&blk->v, 0, r->chain.head, 1 + (status == VIRTIO_BLK_S_OK ? r->written : 0));
}

/* A driver that never flushes takes what is done for written (5.2.6.2). */
static bool flushes(const struct virtio_blk *blk)
{
	return blk->v.accepted & FEATURE(VIRTIO_BLK_F_FLUSH);
}

/* A hole reads as zeros; where the driver wants none, they are allocated. */
static int zero_mode(const struct blk_request *r)
{
	bool hole = r->type == VIRTIO_BLK_T_DISCARD || r->unmap;

	return FALLOC_FL_KEEP_SIZE | (hole ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE);
}

static void submit(struct virtio_blk *blk, struct blk_request *r)
{
	struct virtqueue_chain *c = &r->chain;
	/* There are as many entries as requests. */
	struct io_uring_sqe *sqe = io_uring_get_sqe(&blk->ring);

	switch (r->type) {
	case VIRTIO_BLK_T_FLUSH:
		io_uring_prep_fsync(sqe, blk->fd, IORING_FSYNC_DATASYNC);
		break;
	case VIRTIO_BLK_T_IN:
		io_uring_prep_readv(sqe, blk->fd, c->iov + c->readable, c->writable, r->offset);
		break;
	case VIRTIO_BLK_T_OUT:
		io_uring_prep_writev2(sqe, blk->fd, c->iov, c->readable, r->offset,
				      flushes(blk) ? 0 : RWF_DSYNC);
		break;
	default:
		io_uring_prep_fallocate(sqe, blk->fd, zero_mode(r), (off_t)r->offset,
					(off_t)r->span);
		break;
	}
	io_uring_sqe_set_data64(sqe, c->head);
	blk->busy[c->head] = true;
	blk->under_way++;
}

static bool within(const struct virtio_blk *blk, uint64_t sector, uint64_t len)
{
	uint64_t capacity = blk->config.capacity;

	return len && !(len % SECTOR) && sector <= capacity && len / SECTOR <= capacity - sector;
}

static bool refused(const struct virtio_blk *blk)
{
	return blk->v.features & FEATURE(VIRTIO_BLK_F_RO);
}

static void transfer(struct virtio_blk *blk, struct blk_request *r, uint64_t sector)
{
	bool read = r->type == VIRTIO_BLK_T_IN;
	struct virtqueue_chain *c = &r->chain;

	r->len = read ? iov_total(c->iov + c->readable, c->writable)
		      : iov_total(c->iov, c->readable);
	r->written = read ? (uint32_t)r->len : 0;
	r->offset = sector * SECTOR;
	if (!within(blk, sector, r->len) || (!read && refused(blk)))
		finish(blk, r, VIRTIO_BLK_S_IOERR);
	else
		submit(blk, r);
}

/* Discard and write zeroes (5.2.6.2): one segment, as the configuration says. */
static void clear(struct virtio_blk *blk, struct blk_request *r)
{
	struct virtio_blk_discard_write_zeroes seg;
	struct virtqueue_chain *c = &r->chain;
	uint32_t known = r->type == VIRTIO_BLK_T_DISCARD ? 0 : VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;

	if (iov_total(c->iov, c->readable) != sizeof(seg)) {
		finish(blk, r, VIRTIO_BLK_S_IOERR);
		return;
	}
	iov_take(c->iov, c->readable, &seg, sizeof(seg));
	r->offset = seg.sector * SECTOR;
	r->span = (uint64_t)seg.num_sectors * SECTOR;
	r->unmap = seg.flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
	if (seg.flags & ~known)
		finish(blk, r, VIRTIO_BLK_S_UNSUPP);
	else if (seg.num_sectors > CLEAR_MAX || refused(blk) || !within(blk, seg.sector, r->span))
		finish(blk, r, VIRTIO_BLK_S_IOERR);
	else
		submit(blk, r);
}

static void identify(struct virtio_blk *blk, struct blk_request *r)
{
	static const char id[VIRTIO_BLK_ID_BYTES] = "vmctl";
	struct virtqueue_chain *c = &r->chain;
	const struct iovec *iov = &c->iov[c->readable];

	if (!c->writable || iov->iov_len < sizeof(id)) {
		finish(blk, r, VIRTIO_BLK_S_IOERR);
		return;
	}
	memcpy(iov->iov_base, id, sizeof(id));
	r->written = sizeof(id);
	finish(blk, r, VIRTIO_BLK_S_OK);
}

/* The header is in front, the status byte behind, however the guest has cut them (2.7.4.2). */
static bool unwrap(struct blk_request *r, struct virtio_blk_outhdr *head)
{
	struct virtqueue_chain *c = &r->chain;
	struct iovec *last = &c->iov[c->readable + c->writable - 1];

	if (!c->writable || iov_take(c->iov, c->readable, head, sizeof(*head)) < sizeof(*head))
		return false;
	last->iov_len--;
	r->status = (uint8_t *)last->iov_base + last->iov_len;
	r->len = 0;
	r->written = 0;
	return true;
}

static bool begin(struct virtio_blk *blk, struct blk_request *r)
{
	struct virtio_blk_outhdr head;

	if (!unwrap(r, &head))
		return false;
	r->type = head.type;
	switch (head.type) {
	case VIRTIO_BLK_T_IN:
	case VIRTIO_BLK_T_OUT:
		transfer(blk, r, head.sector);
		break;
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		clear(blk, r);
		break;
	case VIRTIO_BLK_T_FLUSH:
		submit(blk, r);
		break;
	case VIRTIO_BLK_T_GET_ID:
		identify(blk, r);
		break;
	default:
		finish(blk, r, VIRTIO_BLK_S_UNSUPP);
		break;
	}
	return true;
}

/* ---- the device ---- */

/* Where the file system knows neither holes nor ranges of zeros. */
static int write_zeros(struct virtio_blk *blk, uint64_t offset, uint64_t span)
{
	static const uint8_t zeros[65536];
	ssize_t n;

	while (span) {
		n = pwrite(blk->fd, zeros, span < sizeof(zeros) ? span : sizeof(zeros),
			   (off_t)offset);
		if (n <= 0)
			return -EIO;
		offset += (uint64_t)n;
		span -= (uint64_t)n;
	}
	return 0;
}

/* What is left to do of a discard or of zeros, once the file system has answered. */
static int cleared(struct virtio_blk *blk, const struct blk_request *r, int ret)
{
	if (ret == -EOPNOTSUPP)
		ret = r->type == VIRTIO_BLK_T_DISCARD ? 0 : write_zeros(blk, r->offset, r->span);
	if (!ret && !flushes(blk) && fdatasync(blk->fd))
		ret = -errno;
	return ret;
}

static void complete(struct virtio_blk *blk, struct io_uring_cqe *cqe)
{
	struct blk_request *r = &blk->request[cqe->user_data];
	int ret = cqe->res;

	blk->busy[cqe->user_data] = false;
	blk->under_way--;
	io_uring_cqe_seen(&blk->ring, cqe);
	if (r->type == VIRTIO_BLK_T_DISCARD || r->type == VIRTIO_BLK_T_WRITE_ZEROES)
		ret = cleared(blk, r, ret);
	finish(blk, r, ret >= 0 && (uint64_t)ret == r->len ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR);
}

static int submit_all(struct virtio_blk *blk)
{
	int n;

	while (io_uring_sq_ready(&blk->ring)) {
		n = io_uring_submit(&blk->ring);
		if (n < 0 && n != -EINTR && n != -EAGAIN)
			return n;
	}
	return 0;
}

static bool wait_one(struct virtio_blk *blk, struct io_uring_cqe **cqe)
{
	int ret;

	do {
		ret = io_uring_wait_cqe(&blk->ring, cqe);
	} while (ret == -EINTR);
	return !ret;
}

/* A descriptor that names a request under way must not begin another. */
static bool accept_one(struct virtio_blk *blk)
{
	struct virtqueue_chain chain;
	struct blk_request *r;

	if (!virtio_pop(&blk->v, 0, &chain))
		return false;
	r = &blk->request[chain.head];
	if (blk->busy[chain.head]) {
		virtio_fail(&blk->v, "the guest offered a request that is under way");
		return false;
	}
	r->chain = chain;
	if (begin(blk, r))
		return true;
	virtio_fail(&blk->v, "the guest offered a request without a header or status");
	return false;
}

static int blk_watch(struct virtio *v)
{
	virtio_watch(v, ((struct virtio_blk *)v)->ring.ring_fd, POLLIN);
	return -1;
}

static void complete_all(struct virtio_blk *blk)
{
	struct io_uring_cqe *cqe;

	while (!io_uring_peek_cqe(&blk->ring, &cqe))
		complete(blk, cqe);
}

static void blk_run(struct virtio *v)
{
	struct virtio_blk *blk = (struct virtio_blk *)v;

	complete_all(blk);
	while (accept_one(blk))
		;
	if (submit_all(blk))
		virtio_fail(v, "the host takes no more I/O");
}

/* What is under way ends, though the guest broke the device meanwhile. */
static void blk_idle(struct virtio *v)
{
	complete_all((struct virtio_blk *)v);
}

/* The guest may do with its memory what it likes once the device is reset. */
static void blk_stop(struct virtio *v)
{
	struct virtio_blk *blk = (struct virtio_blk *)v;
	struct io_uring_cqe *cqe;

	submit_all(blk);
	while (blk->under_way && wait_one(blk, &cqe))
		complete(blk, cqe);
}

static void blk_destroy(struct virtio *v)
{
	struct virtio_blk *blk = (struct virtio_blk *)v;

	virtio_destroy(v);
	blk_ring_put(&blk->ring);
	close(blk->fd);
	free(blk);
}

static const struct virtio_ops blk_ops = {
	.type = VIRTIO_ID_BLOCK,
	.class_code = CLASS_DISK,
	.queues = 1,
	.watch = blk_watch,
	.run = blk_run,
	.idle = blk_idle,
	.stop = blk_stop,
	.destroy = blk_destroy,
};

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
	if (*bytes % SECTOR)
		return fault(err, EX_DATAERR, "disk %s: its size is no multiple of %d bytes", path,
			     SECTOR);
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

static int check_image(const char *path, int fd, bool readonly, uint64_t *bytes, struct error *err)
{
	if (image_size(path, fd, bytes, err))
		return -1;
	if (lock_image(fd, readonly))
		return fault(err, EX_TEMPFAIL,
			     "disk %s: another process uses it%s: end that one, or both take ,ro",
			     path, readonly ? " and may write it" : "");
	return 0;
}

int virtio_blk_open(const char *disk, const char *path, bool readonly, struct error *err)
{
	int flags = (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	int fd = files_open(disk, path, flags);

	if (fd >= 0)
		return fd;
	if (errno == ENOENT)
		return fault(err, EX_NOINPUT,
			     "disk %s: No such file or directory; \"truncate -s 10G\" makes one",
			     path);
	return fault_errno(err, EX_NOINPUT, errno, "disk %s", path);
}

static int open_image(const char *disk, const char *path, bool readonly, uint64_t *bytes,
		      struct error *err)
{
	int fd = virtio_blk_open(disk, path, readonly, err);

	if (fd < 0)
		return -1;
	if (!check_image(path, fd, readonly, bytes, err))
		return fd;
	close(fd);
	return -1;
}

static void configure(struct virtio_blk *blk, bool readonly, uint64_t bytes)
{
	struct virtio_blk_config *config = &blk->config;

	blk->v.features =
		FEATURE(VIRTIO_BLK_F_FLUSH) | FEATURE(VIRTIO_BLK_F_SEG_MAX) |
		(readonly ? FEATURE(VIRTIO_BLK_F_RO)
			  : FEATURE(VIRTIO_BLK_F_DISCARD) | FEATURE(VIRTIO_BLK_F_WRITE_ZEROES));
	config->capacity = bytes / SECTOR;
	config->seg_max = CHAIN_MAX - 2;
	config->max_discard_sectors = CLEAR_MAX;
	config->max_discard_seg = 1;
	config->discard_sector_alignment = PAGE / SECTOR;
	config->max_write_zeroes_sectors = CLEAR_MAX;
	config->max_write_zeroes_seg = 1;
	config->write_zeroes_may_unmap = 1;
	blk->v.config = config;
	blk->v.config_len = sizeof(*config);
}

struct virtio *virtio_blk_create(const char *name, const char *path, bool readonly,
				 const struct guest_mem *mem, struct error *err)
{
	struct virtio_blk *blk = calloc(1, sizeof(*blk));
	uint64_t bytes;
	int ret;

	if (!blk) {
		fault(err, EX_OSERR, "out of memory");
		return NULL;
	}
	blk->path = path;
	blk->fd = open_image(name, path, readonly, &bytes, err);
	if (blk->fd < 0)
		goto err_free;
	ret = blk_ring_get(&blk->ring);
	if (ret) {
		fault_errno(err, EX_OSERR, ret, "disk %s: io_uring", path);
		goto err_close;
	}
	ret = virtio_init(&blk->v, &blk_ops, name, mem);
	if (ret) {
		fault_errno(err, EX_OSERR, ret, "disk %s", path);
		goto err_ring;
	}
	configure(blk, readonly, bytes);
	return &blk->v;

err_ring:
	blk_ring_put(&blk->ring);
err_close:
	close(blk->fd);
err_free:
	free(blk);
	return NULL;
}

int virtio_blk_grow(struct virtio *v, uint64_t bytes, struct error *err)
{
	struct virtio_blk *blk = (struct virtio_blk *)v;
	struct stat st;

	if (refused(blk))
		return fault(err, 1, "disk %s is read-only", blk->path);
	if (fstat(blk->fd, &st))
		return fault_errno(err, 1, errno, "disk %s", blk->path);
	/* A block device has the size that it has by now. */
	if (!S_ISREG(st.st_mode))
		return 0;
	if (bytes < (uint64_t)st.st_size || bytes % SECTOR)
		return fault(err, 1,
			     "disk %s has %" PRIu64 " bytes; it can only grow, in steps of 512",
			     blk->path, (uint64_t)st.st_size);
	if (ftruncate(blk->fd, (off_t)bytes))
		return fault_errno(err, 1, errno, "disk %s", blk->path);
	return 0;
}

int virtio_blk_resize(struct virtio *v, struct error *err)
{
	struct virtio_blk *blk = (struct virtio_blk *)v;
	uint64_t bytes;

	if (image_size(blk->path, blk->fd, &bytes, err))
		return -1;
	pthread_mutex_lock(&v->lock);
	if (blk->config.capacity != bytes / SECTOR) {
		blk->config.capacity = bytes / SECTOR;
		virtio_config_changed(v);
	}
	pthread_mutex_unlock(&v->lock);
	return 0;
}
