// SPDX-License-Identifier: GPL-2.0
#include "virtqueue.h"

#include <errno.h>
#include <linux/virtio_ring.h>
#include <stddef.h>
#include <string.h>

void virtqueue_reset(struct virtqueue *vq)
{
	*vq = (struct virtqueue){ .mem = vq->mem, .size = VIRTQUEUE_MAX };
}

/* A part of the queue, where the guest said; it has to be aligned (2.7). */
static void *part(struct virtqueue *vq, uint64_t gpa, uint64_t len, unsigned int align)
{
	void *p = gpa % align ? NULL : guest_mem_ptr(vq->mem, gpa, len);

	if (!p)
		vq->broken = true;
	return p;
}

/* Behind each ring is where the other side wants to be told. */
static size_t event_size(const struct virtqueue *vq)
{
	return vq->event_idx ? sizeof(uint16_t) : 0;
}

static struct vring_avail *driver_ring(struct virtqueue *vq)
{
	return part(vq, vq->driver,
		    sizeof(struct vring_avail) + vq->size * sizeof(uint16_t) + event_size(vq), 2);
}

static struct vring_used *device_ring(struct virtqueue *vq)
{
	return part(vq, vq->device,
		    sizeof(struct vring_used) + vq->size * sizeof(struct vring_used_elem) +
			    event_size(vq),
		    4);
}

static uint16_t load16(const uint16_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

/* A descriptor that may lie anywhere. */
struct packed_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
} __attribute__((packed));

/* struct table - descriptors, which are where the guest says */
struct table {
	const volatile struct packed_desc *desc;
	unsigned int count;
};

_Static_assert(sizeof(struct packed_desc) == sizeof(struct vring_desc), "2.7.5");

static bool open_queue(struct virtqueue *vq, struct table *table)
{
	table->desc = part(vq, vq->desc, vq->size * sizeof(*table->desc), 16);
	table->count = vq->size;
	return table->desc;
}

/* As long as a queue can be, for a driver may make more of it than the queue is. */
static bool open_indirect(struct virtqueue *vq, struct table *table, const struct vring_desc *at)
{
	if (!vq->indirect || (at->flags & VRING_DESC_F_NEXT) || !at->len ||
	    at->len % sizeof(*table->desc) || at->len / sizeof(*table->desc) > VIRTQUEUE_MAX)
		return false;
	table->desc = guest_mem_ptr(vq->mem, at->addr, at->len);
	table->count = at->len / sizeof(*table->desc);
	return table->desc;
}

/* One descriptor, read once: the guest may change it meanwhile. */
static bool read_desc(const struct table *table, uint16_t index, struct vring_desc *out)
{
	if (index >= table->count)
		return false;
	out->addr = table->desc[index].addr;
	out->len = table->desc[index].len;
	out->flags = table->desc[index].flags;
	out->next = table->desc[index].next;
	return true;
}

/* Readable pieces come first (2.7.4.2); no piece is empty or lies outside of memory. */
static bool add_piece(struct virtqueue *vq, struct virtqueue_chain *chain,
		      const struct vring_desc *desc)
{
	unsigned int n = chain->readable + chain->writable;
	bool writable = desc->flags & VRING_DESC_F_WRITE;
	void *p = guest_mem_ptr(vq->mem, desc->addr, desc->len);

	if (n == CHAIN_MAX || !desc->len || !p || (!writable && chain->writable))
		return false;
	chain->iov[n] = (struct iovec){ p, desc->len };
	if (writable)
		chain->writable++;
	else
		chain->readable++;
	return true;
}

/* Pieces from one of a table on; a loop ends at CHAIN_MAX. The last one may name another table. */
static bool collect_table(struct virtqueue *vq, struct virtqueue_chain *chain,
			  const struct table *table, uint16_t index, struct vring_desc *last)
{
	do {
		if (!read_desc(table, index, last))
			return false;
		if (last->flags & VRING_DESC_F_INDIRECT)
			return true;
		if (!add_piece(vq, chain, last))
			return false;
		index = last->next;
	} while (last->flags & VRING_DESC_F_NEXT);
	return true;
}

static bool collect(struct virtqueue *vq, struct virtqueue_chain *chain)
{
	struct vring_desc last;
	struct table table;

	chain->readable = 0;
	chain->writable = 0;
	if (!open_queue(vq, &table) || !collect_table(vq, chain, &table, chain->head, &last))
		return false;
	if (!(last.flags & VRING_DESC_F_INDIRECT))
		return true;
	/* There are no tables in tables. */
	return open_indirect(vq, &table, &last) && collect_table(vq, chain, &table, 0, &last) &&
	       !(last.flags & VRING_DESC_F_INDIRECT);
}

/* Entries that the guest has offered; without any it is asked to tell of the next one. */
static uint16_t count_offered(struct virtqueue *vq, const struct vring_avail *avail)
{
	uint16_t count = (uint16_t)(load16(&avail->idx) - vq->next);
	struct vring_used *used = count || !vq->event_idx ? NULL : device_ring(vq);

	if (!used)
		return count;
	__atomic_store_n((uint16_t *)&used->ring[vq->size], vq->next, __ATOMIC_SEQ_CST);
	/* It may have offered one before it could see that. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return (uint16_t)(load16(&avail->idx) - vq->next);
}

int virtqueue_pop(struct virtqueue *vq, struct virtqueue_chain *chain)
{
	struct vring_avail *avail;
	uint16_t count;

	if (vq->broken)
		return -EINVAL;
	if (!vq->ready)
		return 0;
	avail = driver_ring(vq);
	if (!avail)
		return -EINVAL;
	count = count_offered(vq, avail);
	if (vq->broken)
		return -EINVAL;
	if (!count)
		return 0;
	chain->head = load16(&avail->ring[vq->next % vq->size]);
	if (count > vq->size || !collect(vq, chain)) {
		vq->broken = true;
		return -EINVAL;
	}
	vq->next++;
	return 1;
}

bool virtqueue_waiting(struct virtqueue *vq)
{
	struct vring_avail *avail = vq->broken || !vq->ready ? NULL : driver_ring(vq);

	return avail && count_offered(vq, avail) && !vq->broken;
}

void virtqueue_undo(struct virtqueue *vq)
{
	vq->next--;
}

static uint16_t load_event(const struct virtqueue *vq, const struct vring_avail *avail)
{
	return __atomic_load_n(&avail->ring[vq->size], __ATOMIC_SEQ_CST);
}

bool virtqueue_push(struct virtqueue *vq, uint16_t head, uint32_t len)
{
	struct vring_avail *avail = driver_ring(vq);
	struct vring_used *used = device_ring(vq);

	if (!avail || !used)
		return false;
	used->ring[vq->used % vq->size] = (struct vring_used_elem){ head, len };
	vq->used++;
	__atomic_store_n(&used->idx, vq->used, __ATOMIC_SEQ_CST);
	/* After the index, or the guest could sleep on an entry that it has not seen (2.7.7.1). */
	if (vq->event_idx)
		return vring_need_event(load_event(vq, avail), vq->used, (uint16_t)(vq->used - 1));
	return !(__atomic_load_n(&avail->flags, __ATOMIC_SEQ_CST) & VRING_AVAIL_F_NO_INTERRUPT);
}

/* Empty pieces are of no more use, and remain. */
static void *shorten(struct iovec *iov, size_t n)
{
	uint8_t *p = iov->iov_base;

	iov->iov_base = p + n;
	iov->iov_len -= n;
	return p;
}

size_t iov_take(struct iovec *iov, unsigned int count, void *buf, size_t len)
{
	size_t n, done = 0;

	for (; count && done < len; count--, iov++, done += n) {
		n = iov->iov_len < len - done ? iov->iov_len : len - done;
		memcpy((uint8_t *)buf + done, shorten(iov, n), n);
	}
	return done;
}

size_t iov_put(struct iovec *iov, unsigned int count, const void *buf, size_t len)
{
	size_t n, done = 0;

	for (; count && done < len; count--, iov++, done += n) {
		n = iov->iov_len < len - done ? iov->iov_len : len - done;
		memcpy(shorten(iov, n), (const uint8_t *)buf + done, n);
	}
	return done;
}

uint64_t iov_total(const struct iovec *iov, unsigned int count)
{
	uint64_t sum = 0;

	while (count--)
		sum += iov++->iov_len;
	return sum;
}
