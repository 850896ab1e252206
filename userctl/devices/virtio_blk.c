// SPDX-License-Identifier: GPL-2.0
#include "virtio_blk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR       512
#define CLASS_DISK   0x010000
#define FEATURE(bit) (1ULL << (bit))

/* ---- one request ---- */

/* Cut @len bytes off the beginning of some pieces, to @buf. */
static bool take(struct iovec *iov, unsigned int count, void *buf, size_t len)
{
	uint8_t *p = buf;
	size_t n;

	for (; count && len; count--, iov++) {
		n = iov->iov_len < len ? iov->iov_len : len;
		memcpy(p, iov->iov_base, n);
		iov->iov_base = (uint8_t *)iov->iov_base + n;
		iov->iov_len -= n;
		p += n;
		len -= n;
	}
	return !len;
}

static uint64_t total(const struct iovec *iov, unsigned int count)
{
	uint64_t sum = 0;

	while (count--)
		sum += iov++->iov_len;
	return sum;
}

static void finish(struct virtio_blk *blk, struct blk_request *r, uint8_t status)
{
	*r->status = status;
	virtio_done(&blk->v, 0, r->chain.head, 1 + (status == VIRTIO_BLK_S_OK ? r->written : 0));
}

static void submit(struct virtio_blk *blk, struct blk_request *r, uint8_t op, uint64_t sector)
{
	struct virtqueue_chain *c = &r->chain;
	/* There are as many entries as requests. */
	struct io_uring_sqe *sqe = io_uring_get_sqe(&blk->ring);
	/* A driver that never flushes takes what is done for written (5.2.6.2). */
	int flags = blk->v.accepted & FEATURE(VIRTIO_BLK_F_FLUSH) ? 0 : RWF_DSYNC;

	if (op == IORING_OP_FSYNC)
		io_uring_prep_fsync(sqe, blk->fd, IORING_FSYNC_DATASYNC);
	else if (op == IORING_OP_READV)
		io_uring_prep_readv(sqe, blk->fd, c->iov + c->readable, c->writable,
				    sector * SECTOR);
	else
		io_uring_prep_writev2(sqe, blk->fd, c->iov, c->readable, sector * SECTOR, flags);
	io_uring_sqe_set_data64(sqe, c->head);
	blk->busy[c->head] = true;
	blk->under_way++;
}

static bool within(const struct virtio_blk *blk, uint64_t sector, uint64_t len)
{
	uint64_t capacity = blk->config.capacity;

	return len && !(len % SECTOR) && sector <= capacity && len / SECTOR <= capacity - sector;
}

static void transfer(struct virtio_blk *blk, struct blk_request *r, bool read, uint64_t sector)
{
	struct virtqueue_chain *c = &r->chain;

	r->len = read ? total(c->iov + c->readable, c->writable) : total(c->iov, c->readable);
	r->written = read ? (uint32_t)r->len : 0;
	if (!within(blk, sector, r->len) || (!read && (blk->v.features & FEATURE(VIRTIO_BLK_F_RO))))
		finish(blk, r, VIRTIO_BLK_S_IOERR);
	else
		submit(blk, r, read ? IORING_OP_READV : IORING_OP_WRITEV, sector);
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

	if (!c->writable || !take(c->iov, c->readable, head, sizeof(*head)))
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
	switch (head.type) {
	case VIRTIO_BLK_T_IN:
	case VIRTIO_BLK_T_OUT:
		transfer(blk, r, head.type == VIRTIO_BLK_T_IN, head.sector);
		break;
	case VIRTIO_BLK_T_FLUSH:
		submit(blk, r, IORING_OP_FSYNC, 0);
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

static void complete(struct virtio_blk *blk, struct io_uring_cqe *cqe)
{
	struct blk_request *r = &blk->request[cqe->user_data];
	bool whole = cqe->res >= 0 && (uint64_t)cqe->res == r->len;

	blk->busy[cqe->user_data] = false;
	blk->under_way--;
	io_uring_cqe_seen(&blk->ring, cqe);
	finish(blk, r, whole ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR);
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
static int accept_one(struct virtio_blk *blk)
{
	struct virtqueue *vq = &blk->v.vq[0];
	struct virtqueue_chain chain;
	struct blk_request *r;
	int ret = virtqueue_pop(vq, &chain);

	if (ret <= 0)
		return ret;
	r = &blk->request[chain.head];
	if (blk->busy[chain.head])
		return -EINVAL;
	r->chain = chain;
	return begin(blk, r) ? 1 : -EINVAL;
}

static void blk_run(struct virtio *v)
{
	struct virtio_blk *blk = (struct virtio_blk *)v;
	struct io_uring_cqe *cqe;
	int ret;

	while (!io_uring_peek_cqe(&blk->ring, &cqe))
		complete(blk, cqe);
	do {
		ret = accept_one(blk);
	} while (ret > 0);
	if (ret < 0 || submit_all(blk)) {
		v->vq[0].broken = true;
		virtio_fail(v);
	}
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

static const struct virtio_ops blk_ops = {
	.type = VIRTIO_ID_BLOCK,
	.class_code = CLASS_DISK,
	.queues = 1,
	.run = blk_run,
	.stop = blk_stop,
};

/* ---- the image ---- */

static int check_image(const char *path, int fd, bool readonly, uint64_t *bytes, struct error *err)
{
	/* Of the open file, not of the process: closing another descriptor does not end it. */
	struct flock lock = { .l_type = readonly ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET };
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
	if (fcntl(fd, F_OFD_SETLK, &lock))
		return fault(err, EX_TEMPFAIL, "disk %s: another process uses it", path);
	return 0;
}

static int open_image(const char *path, bool readonly, uint64_t *bytes, struct error *err)
{
	int fd = open(path, (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return fault_errno(err, EX_NOINPUT, errno, "disk %s", path);
	if (!check_image(path, fd, readonly, bytes, err))
		return fd;
	close(fd);
	return -1;
}

struct virtio_blk *virtio_blk_create(const char *path, bool readonly, const struct guest_mem *mem,
				     struct error *err)
{
	struct virtio_blk *blk = calloc(1, sizeof(*blk));
	uint64_t bytes;
	int ret;

	if (!blk) {
		fault(err, EX_OSERR, "out of memory");
		return NULL;
	}
	blk->fd = open_image(path, readonly, &bytes, err);
	if (blk->fd < 0)
		goto err_free;
	ret = io_uring_queue_init(VIRTQUEUE_MAX, &blk->ring, 0);
	if (ret) {
		fault_errno(err, EX_OSERR, ret, "disk %s: io_uring", path);
		goto err_close;
	}
	ret = virtio_init(&blk->v, &blk_ops, mem);
	if (ret) {
		fault_errno(err, EX_OSERR, ret, "disk %s", path);
		goto err_ring;
	}
	blk->v.features = FEATURE(VIRTIO_BLK_F_FLUSH) | FEATURE(VIRTIO_BLK_F_SEG_MAX) |
			  (readonly ? FEATURE(VIRTIO_BLK_F_RO) : 0);
	blk->config.capacity = bytes / SECTOR;
	blk->config.seg_max = CHAIN_MAX - 2;
	blk->v.config = &blk->config;
	blk->v.config_len = sizeof(blk->config);
	blk->v.wait_fd = blk->ring.ring_fd;
	return blk;

err_ring:
	io_uring_queue_exit(&blk->ring);
err_close:
	close(blk->fd);
err_free:
	free(blk);
	return NULL;
}

void virtio_blk_destroy(struct virtio_blk *blk)
{
	if (!blk)
		return;
	virtio_destroy(&blk->v);
	io_uring_queue_exit(&blk->ring);
	close(blk->fd);
	free(blk);
}
