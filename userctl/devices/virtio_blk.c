// SPDX-License-Identifier: GPL-2.0
#include "virtio_blk.h"

#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>

#define PAGE         4096
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

static void submit(struct virtio_blk *blk, struct blk_request *r, enum blk_op op)
{
	struct virtqueue_chain *c = &r->chain;
	bool read = op == BLK_READ;

	r->io.op = op;
	r->io.tag = c->head;
	r->io.iov = c->iov + (read ? c->readable : 0);
	r->io.pieces = read ? c->writable : op == BLK_WRITE ? c->readable : 0;
	r->io.durable = !flushes(blk);
	blk->busy[c->head] = true;
	blk->under_way++;
	blk->back->ops->submit(blk->back, &r->io);
}

static bool within(const struct virtio_blk *blk, uint64_t sector, uint64_t len)
{
	uint64_t capacity = blk->config.capacity;

	return len && !(len % BLK_SECTOR) && sector <= capacity &&
	       len / BLK_SECTOR <= capacity - sector;
}

static bool refused(const struct virtio_blk *blk)
{
	return blk->v.features & FEATURE(VIRTIO_BLK_F_RO);
}

static void transfer(struct virtio_blk *blk, struct blk_request *r, bool read, uint64_t sector)
{
	struct virtqueue_chain *c = &r->chain;

	r->io.len = read ? iov_total(c->iov + c->readable, c->writable)
			 : iov_total(c->iov, c->readable);
	r->written = read ? (uint32_t)r->io.len : 0;
	r->io.offset = sector * BLK_SECTOR;
	if (!within(blk, sector, r->io.len) || (!read && refused(blk)))
		finish(blk, r, VIRTIO_BLK_S_IOERR);
	else
		submit(blk, r, read ? BLK_READ : BLK_WRITE);
}

/* Discard and write zeroes (5.2.6.2): one segment, as the configuration says. */
static void clear(struct virtio_blk *blk, struct blk_request *r, bool discard)
{
	struct virtio_blk_discard_write_zeroes seg;
	struct virtqueue_chain *c = &r->chain;
	uint32_t known = discard ? 0 : VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;

	if (iov_total(c->iov, c->readable) != sizeof(seg)) {
		finish(blk, r, VIRTIO_BLK_S_IOERR);
		return;
	}
	iov_take(c->iov, c->readable, &seg, sizeof(seg));
	r->io.offset = seg.sector * BLK_SECTOR;
	r->io.len = (uint64_t)seg.num_sectors * BLK_SECTOR;
	r->io.unmap = seg.flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
	if (seg.flags & ~known)
		finish(blk, r, VIRTIO_BLK_S_UNSUPP);
	else if (seg.num_sectors > CLEAR_MAX || refused(blk) || !within(blk, seg.sector, r->io.len))
		finish(blk, r, VIRTIO_BLK_S_IOERR);
	else
		submit(blk, r, discard ? BLK_DISCARD : BLK_ZERO);
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
	r->io = (struct blk_io){ 0 };
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
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		clear(blk, r, head.type == VIRTIO_BLK_T_DISCARD);
		break;
	case VIRTIO_BLK_T_FLUSH:
		submit(blk, r, BLK_FLUSH);
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

static void complete(void *opaque, unsigned int tag, int ret)
{
	struct virtio_blk *blk = opaque;

	blk->busy[tag] = false;
	blk->under_way--;
	finish(blk, &blk->request[tag], ret ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK);
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
	struct virtio_blk *blk = (struct virtio_blk *)v;

	if (!blk->held)
		virtio_watch(v, blk->back->ops->fd(blk->back), blk->back->ops->events(blk->back));
	return -1;
}

static void blk_run(struct virtio *v)
{
	struct virtio_blk *blk = (struct virtio_blk *)v;
	struct blk_backend *back = blk->back;

	if (blk->held)
		return;
	back->ops->reap(back, false);
	while (accept_one(blk))
		;
	if (back->ops->push(back))
		virtio_fail(v, "the host takes no more I/O");
}

/* What is under way ends, though the guest broke the device meanwhile. */
static void blk_idle(struct virtio *v)
{
	struct virtio_blk *blk = (struct virtio_blk *)v;

	if (!blk->held)
		blk->back->ops->reap(blk->back, false);
}

/* The guest may do with its memory what it likes once the device is reset. */
static void blk_stop(struct virtio *v)
{
	struct virtio_blk *blk = (struct virtio_blk *)v;

	if (blk->held)
		return;
	blk->back->ops->push(blk->back);
	while (blk->under_way && blk->back->ops->reap(blk->back, true))
		;
}

static void blk_destroy(struct virtio *v)
{
	struct virtio_blk *blk = (struct virtio_blk *)v;

	virtio_destroy(v);
	blk->back->ops->destroy(blk->back);
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

int virtio_blk_open(const char *disk, const struct blk_image *image, pid_t *server,
		    struct error *err)
{
	*server = 0;
	return image->format == BLK_QCOW2 ? blk_nbd_socket(image, server, err)
					  : blk_raw_file(disk, image, err);
}

static void configure(struct virtio_blk *blk, bool readonly, uint64_t bytes)
{
	struct virtio_blk_config *config = &blk->config;

	blk->v.features =
		FEATURE(VIRTIO_BLK_F_FLUSH) | FEATURE(VIRTIO_BLK_F_SEG_MAX) |
		(readonly ? FEATURE(VIRTIO_BLK_F_RO)
			  : FEATURE(VIRTIO_BLK_F_DISCARD) | FEATURE(VIRTIO_BLK_F_WRITE_ZEROES));
	config->capacity = bytes / BLK_SECTOR;
	config->seg_max = CHAIN_MAX - 2;
	config->max_discard_sectors = CLEAR_MAX;
	config->max_discard_seg = 1;
	config->discard_sector_alignment = PAGE / BLK_SECTOR;
	config->max_write_zeroes_sectors = CLEAR_MAX;
	config->max_write_zeroes_seg = 1;
	config->write_zeroes_may_unmap = 1;
	blk->v.config = config;
	blk->v.config_len = sizeof(*config);
}

static struct blk_backend *open_image(const char *disk, const struct blk_image *image,
				      uint64_t *bytes, struct error *err)
{
	struct blk_backend *back = image->format == BLK_QCOW2 ? blk_nbd_open(disk, image, err)
							      : blk_raw_open(disk, image, err);

	if (!back || !back->ops->size(back, bytes, err))
		return back;
	back->ops->destroy(back);
	return NULL;
}

struct virtio *virtio_blk_create(const char *name, const struct blk_image *image,
				 const struct guest_mem *mem, struct error *err)
{
	struct virtio_blk *blk = calloc(1, sizeof(*blk));
	uint64_t bytes;
	int ret;

	if (!blk) {
		fault(err, EX_OSERR, "out of memory");
		return NULL;
	}
	blk->back = open_image(name, image, &bytes, err);
	if (!blk->back)
		goto err_free;
	blk->back->done = complete;
	blk->back->opaque = blk;
	ret = virtio_init(&blk->v, &blk_ops, name, mem);
	if (ret) {
		fault_errno(err, EX_OSERR, ret, "disk %s", image->path);
		goto err_close;
	}
	configure(blk, image->readonly, bytes);
	return &blk->v;

err_close:
	blk->back->ops->destroy(blk->back);
err_free:
	free(blk);
	return NULL;
}

/* The back end to ourselves, with nothing under way; and back. */
static void hold(struct virtio_blk *blk, bool on)
{
	pthread_mutex_lock(&blk->v.lock);
	if (on)
		blk_stop(&blk->v);
	blk->held = on;
	pthread_mutex_unlock(&blk->v.lock);
	virtio_wake(&blk->v);
}

static int renew(struct virtio_blk *blk, uint64_t bytes, int channel, struct error *err)
{
	const char *path = blk->back->image.path;
	int ret;

	if (channel < 0)
		return fault(err, 1,
			     "disk %s: a qcow2 image grows by \"vmctl set --disk N=SIZE,FILE\"",
			     path);
	if (bytes / BLK_SECTOR < blk->config.capacity || bytes % BLK_SECTOR)
		return fault(err, 1, "disk %s has %llu bytes; it can only grow, in steps of %d",
			     path, (unsigned long long)blk->config.capacity * BLK_SECTOR,
			     BLK_SECTOR);
	hold(blk, true);
	ret = blk->back->ops->renew(blk->back, channel, err);
	hold(blk, false);
	return ret;
}

int virtio_blk_grow(struct virtio *v, uint64_t bytes, int channel, struct error *err)
{
	struct virtio_blk *blk = (struct virtio_blk *)v;

	if (refused(blk))
		return fault(err, 1, "disk %s is read-only", blk->back->image.path);
	if (!blk->back->ops->grow)
		return renew(blk, bytes, channel, err);
	return blk->back->ops->grow(blk->back, bytes, err);
}

int virtio_blk_resize(struct virtio *v, struct error *err)
{
	struct virtio_blk *blk = (struct virtio_blk *)v;
	uint64_t bytes;

	if (blk->back->ops->size(blk->back, &bytes, err))
		return -1;
	pthread_mutex_lock(&v->lock);
	if (blk->config.capacity != bytes / BLK_SECTOR) {
		blk->config.capacity = bytes / BLK_SECTOR;
		virtio_config_changed(v);
	}
	pthread_mutex_unlock(&v->lock);
	return 0;
}
