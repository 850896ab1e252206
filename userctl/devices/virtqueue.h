/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The device's side of a split virtqueue (Virtual I/O Device 1.2, 2.7). The guest is hostile: each
 * address and index is checked where it is used, and a ring that makes no sense breaks the queue.
 */
#ifndef VMCTL_VIRTQUEUE_H
#define VMCTL_VIRTQUEUE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "../libvmm/memory.h"

#define VIRTQUEUE_MAX 256
#define CHAIN_MAX     130 /* pieces of one request: header, 128 of data, status */

/**
 * struct virtqueue - a queue
 * @mem: guest memory
 * @size: entries, a power of two up to VIRTQUEUE_MAX
 * @desc: guest-physical address of the descriptors
 * @driver: of the available ring
 * @device: of the used ring
 * @ready: the guest has set it up
 * @broken: the guest broke a rule: the queue is dead until a reset
 * @indirect: descriptors may be in tables of their own (2.7.5.3)
 * @event_idx: both sides say at which entry they want to be told (2.7.7, 2.7.10)
 * @next: index of the next available entry
 * @used: index of the next used entry
 */
struct virtqueue {
	const struct guest_mem *mem;
	uint16_t size;
	uint64_t desc, driver, device;
	bool ready;
	bool broken;
	bool indirect, event_idx;
	uint16_t next, used;
};

/**
 * struct virtqueue_chain - a request
 * @head: its first descriptor, which names it
 * @iov: pieces of guest memory, those that the device reads first
 * @readable: how many the device reads
 * @writable: how many it writes
 */
struct virtqueue_chain {
	uint16_t head;
	struct iovec iov[CHAIN_MAX];
	unsigned int readable, writable;
};

/**
 * virtqueue_reset() - as at power-on
 * @vq: the queue, with @mem set
 */
void virtqueue_reset(struct virtqueue *vq);

/**
 * virtqueue_pop() - take the next request
 * @vq: the queue
 * @chain: the request
 *
 * Return: 1; 0 when there is none, and the guest notifies when there is one again; -EINVAL when the
 * queue is broken
 */
int virtqueue_pop(struct virtqueue *vq, struct virtqueue_chain *chain);

/* Whether there is a request to take, or else the guest notifies; a broken queue has none. */
bool virtqueue_waiting(struct virtqueue *vq);

/**
 * virtqueue_undo() - put the request that was taken last back
 * @vq: the queue; none has been taken since
 */
void virtqueue_undo(struct virtqueue *vq);

/**
 * virtqueue_push() - give a request back
 * @vq: the queue
 * @head: what virtqueue_pop() named it
 * @len: bytes that were written to it
 *
 * Return: whether the guest wants an interrupt
 */
bool virtqueue_push(struct virtqueue *vq, uint16_t head, uint32_t len);

/**
 * iov_take() - cut bytes off the beginning of some pieces
 * @iov: pieces, which become shorter
 * @count: how many
 * @buf: gets the bytes
 * @len: how many
 *
 * Return: bytes taken
 */
size_t iov_take(struct iovec *iov, unsigned int count, void *buf, size_t len);

/* Likewise, but put bytes there. */
size_t iov_put(struct iovec *iov, unsigned int count, const void *buf, size_t len);

/* Bytes in some pieces. */
uint64_t iov_total(const struct iovec *iov, unsigned int count);

#endif
