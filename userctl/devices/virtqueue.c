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

static struct vring_avail *driver_ring(struct virtqueue *vq)
{
	return part(vq, vq->driver, sizeof(struct vring_avail) + vq->size * sizeof(uint16_t), 2);
}

static struct vring_used *device_ring(struct virtqueue *vq)
{
	return part(vq, vq->device,
		    sizeof(struct vring_used) + vq->size * sizeof(struct vring_used_elem), 4);
}

static uint16_t load16(const uint16_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

/* One descriptor, read once: the guest may change it meanwhile. */
static bool read_desc(struct virtqueue *vq, uint16_t index, struct vring_desc *out)
{
	const volatile struct vring_desc *desc;

	desc = part(vq, vq->desc, vq->size * sizeof(*desc), 16);
	if (!desc || index >= vq->size)
		return false;
	out->addr = desc[index].addr;
	out->len = desc[index].len;
	out->flags = desc[index].flags;
	out->next = desc[index].next;
	return true;
}

/* Readable pieces come first (2.7.4.2); no piece is empty or lies outside of memory. */
static bool add_piece(struct virtqueue *vq, struct virtqueue_chain *chain,
		      const struct vring_desc *desc)
{
	unsigned int n = chain->readable + chain->writable;
	bool writable = desc->flags & VRING_DESC_F_WRITE;
	void *p = guest_mem_ptr(vq->mem, desc->addr, desc->len);

	if (n == CHAIN_MAX || !desc->len || !p || (desc->flags & VRING_DESC_F_INDIRECT) ||
	    (!writable && chain->writable))
		return false;
	chain->iov[n] = (struct iovec){ p, desc->len };
	if (writable)
		chain->writable++;
	else
		chain->readable++;
	return true;
}

/* A loop ends at CHAIN_MAX. */
static bool collect(struct virtqueue *vq, struct virtqueue_chain *chain)
{
	struct vring_desc desc;
	uint16_t index = chain->head;

	chain->readable = 0;
	chain->writable = 0;
	do {
		if (!read_desc(vq, index, &desc) || !add_piece(vq, chain, &desc))
			return false;
		index = desc.next;
	} while (desc.flags & VRING_DESC_F_NEXT);
	return true;
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
	count = (uint16_t)(load16(&avail->idx) - vq->next);
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

	return avail && load16(&avail->idx) != vq->next;
}

void virtqueue_undo(struct virtqueue *vq)
{
	vq->next--;
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
