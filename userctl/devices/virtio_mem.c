// SPDX-License-Identifier: GPL-2.0
#include "virtio_mem.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_mem.h>
#include <stdlib.h>

#define CLASS_OTHER  0xff0000
#define FEATURE(bit) (1ULL << (bit))
#define PIECE_BLOCKS (VIRTIO_MEM_PIECE / MEM_BLOCK)

/**
 * struct virtio_mem - the device of a region
 * @v: the device; its lock guards the rest
 * @config: what the guest reads
 * @mem: guest memory
 * @events: the machine
 */
struct virtio_mem {
	struct virtio v;
	struct virtio_mem_config config;
	struct guest_mem *mem;
	struct virtio_mem_events events;
};

/* struct blocks - some blocks of the region, by number */
struct blocks {
	uint64_t first, count;
};

static uint64_t all_blocks(const struct virtio_mem *m)
{
	return m->config.region_size / MEM_BLOCK;
}

/* All of them must lie in the region, and there must be one. */
static bool find_blocks(const struct virtio_mem *m, uint64_t addr, uint16_t count, struct blocks *b)
{
	uint64_t off = addr - m->config.addr;

	if (!count || addr < m->config.addr || off % MEM_BLOCK || off >= m->config.region_size)
		return false;
	*b = (struct blocks){ off / MEM_BLOCK, count };
	return b->count <= all_blocks(m) - b->first;
}

static uint64_t plugged(const struct virtio_mem *m, const struct blocks *b)
{
	return guest_mem_plugged(m->mem, b->first, b->count);
}

static struct blocks piece_blocks(const struct virtio_mem *m, uint64_t piece)
{
	uint64_t first = piece * PIECE_BLOCKS, left = all_blocks(m) - first;

	return (struct blocks){ first, left < PIECE_BLOCKS ? left : PIECE_BLOCKS };
}

/* A piece has no block yet, or none any more: a guest may have touched what it had not plugged. */
static int map_piece(struct virtio_mem *m, uint64_t piece, bool on)
{
	struct blocks all = piece_blocks(m, piece);
	int ret = m->events.map(m->events.opaque, (unsigned int)piece, on);

	if (!on)
		(void)guest_mem_discard(m->mem, all.first, all.count);
	return ret;
}

/* Pieces that have no block, before some come or after they have gone: up to the first failure. */
static int map_empty(struct virtio_mem *m, const struct blocks *b, uint64_t *piece, bool on)
{
	struct blocks all;
	int ret = 0;

	for (; *piece * PIECE_BLOCKS < b->first + b->count; ++*piece) {
		all = piece_blocks(m, *piece);
		if (!plugged(m, &all))
			ret = map_piece(m, *piece, on);
		if (ret)
			break;
	}
	return ret;
}

static void unmap(struct virtio_mem *m, const struct blocks *b)
{
	uint64_t piece = b->first / PIECE_BLOCKS;

	(void)map_empty(m, b, &piece, false);
}

/* A request that cannot be met now may be repeated. */
static uint16_t plug(struct virtio_mem *m, const struct blocks *b)
{
	uint64_t piece = b->first / PIECE_BLOCKS, bytes = b->count * MEM_BLOCK;
	struct blocks mapped = *b;

	if (plugged(m, b))
		return VIRTIO_MEM_RESP_ERROR;
	if (m->config.requested_size < m->config.plugged_size ||
	    bytes > m->config.requested_size - m->config.plugged_size)
		return VIRTIO_MEM_RESP_NACK;
	if (map_empty(m, b, &piece, true)) {
		/* The pieces before this one that have been mapped for nothing. */
		mapped.count = piece * PIECE_BLOCKS > b->first ? piece * PIECE_BLOCKS - b->first
							       : 0;
		if (mapped.count)
			unmap(m, &mapped);
		return VIRTIO_MEM_RESP_BUSY;
	}
	guest_mem_plug(m->mem, b->first, b->count, true);
	m->config.plugged_size += bytes;
	return VIRTIO_MEM_RESP_ACK;
}

/* At last, as the guest may touch them until they are not mapped. */
static void take(struct virtio_mem *m, const struct blocks *b)
{
	m->config.plugged_size -= plugged(m, b) * MEM_BLOCK;
	guest_mem_plug(m->mem, b->first, b->count, false);
	unmap(m, b);
	(void)guest_mem_discard(m->mem, b->first, b->count);
}

static uint16_t unplug(struct virtio_mem *m, const struct blocks *b)
{
	if (plugged(m, b) != b->count)
		return VIRTIO_MEM_RESP_ERROR;
	take(m, b);
	return VIRTIO_MEM_RESP_ACK;
}

static uint16_t unplug_all(struct virtio_mem *m)
{
	struct blocks piece;
	uint64_t i;

	for (i = 0; i * PIECE_BLOCKS < all_blocks(m); i++) {
		piece = piece_blocks(m, i);
		if (plugged(m, &piece))
			take(m, &piece);
	}
	return VIRTIO_MEM_RESP_ACK;
}

static uint16_t state_of(const struct virtio_mem *m, const struct blocks *b)
{
	uint64_t n = plugged(m, b);

	if (n == b->count)
		return VIRTIO_MEM_STATE_PLUGGED;
	return n ? VIRTIO_MEM_STATE_MIXED : VIRTIO_MEM_STATE_UNPLUGGED;
}

/* All requests that name blocks do so in the same place. */
static void serve(struct virtio_mem *m, const struct virtio_mem_req *req,
		  struct virtio_mem_resp *resp)
{
	struct blocks b;

	resp->type = VIRTIO_MEM_RESP_ERROR;
	if (req->type == VIRTIO_MEM_REQ_UNPLUG_ALL) {
		resp->type = unplug_all(m);
		return;
	}
	if (!find_blocks(m, req->u.plug.addr, req->u.plug.nb_blocks, &b))
		return;
	switch (req->type) {
	case VIRTIO_MEM_REQ_PLUG:
		resp->type = plug(m, &b);
		return;
	case VIRTIO_MEM_REQ_UNPLUG:
		resp->type = unplug(m, &b);
		return;
	case VIRTIO_MEM_REQ_STATE:
		resp->type = VIRTIO_MEM_RESP_ACK;
		resp->u.state.state = state_of(m, &b);
		return;
	default:
		return;
	}
}

static void mem_run(struct virtio *v)
{
	struct virtio_mem *m = (struct virtio_mem *)v;
	struct virtqueue_chain chain;

	while (virtio_pop(v, 0, &chain)) {
		struct virtio_mem_resp resp = { 0 };
		struct virtio_mem_req req;

		if (iov_take(chain.iov, chain.readable, &req, sizeof(req)) < sizeof(req) ||
		    iov_total(chain.iov + chain.readable, chain.writable) < sizeof(resp)) {
			virtio_fail(v, "the guest's request for memory is too short");
			return;
		}
		serve(m, &req, &resp);
		iov_put(chain.iov + chain.readable, chain.writable, &resp, sizeof(resp));
		virtio_done(v, 0, chain.head, sizeof(resp));
	}
}

/* A driver that goes leaves the memory as it is, for the next one to ask for (5.15.5.2). */
static void mem_stop(struct virtio *v)
{
	(void)v;
}

static void mem_destroy(struct virtio *v)
{
	virtio_destroy(v);
	free(v);
}

static const struct virtio_ops mem_ops = {
	.type = VIRTIO_ID_MEM,
	.class_code = CLASS_OTHER,
	.queues = 1,
	.run = mem_run,
	.stop = mem_stop,
	.destroy = mem_destroy,
};

void virtio_mem_set(struct virtio *v, uint64_t bytes)
{
	struct virtio_mem *m = (struct virtio_mem *)v;

	pthread_mutex_lock(&v->lock);
	if (bytes > m->config.region_size)
		bytes = m->config.region_size;
	m->config.requested_size = bytes - bytes % MEM_BLOCK;
	virtio_config_changed(v);
	pthread_mutex_unlock(&v->lock);
}

void virtio_mem_stats(struct virtio *v, struct virtio_mem_stats *stats)
{
	struct virtio_mem *m = (struct virtio_mem *)v;

	pthread_mutex_lock(&v->lock);
	*stats = (struct virtio_mem_stats){ m->config.region_size, m->config.requested_size,
					    m->config.plugged_size };
	pthread_mutex_unlock(&v->lock);
}

struct virtio *virtio_mem_create(const char *name, struct guest_mem *mem,
				 const struct virtio_mem_events *events, struct error *err)
{
	struct virtio_mem *m = calloc(1, sizeof(*m));
	int ret = m ? virtio_init(&m->v, &mem_ops, name, mem) : -ENOMEM;

	if (ret) {
		free(m);
		fault_errno(err, EX_OSERR, ret, "%s", name);
		return NULL;
	}
	m->mem = mem;
	m->events = *events;
	m->config = (struct virtio_mem_config){
		.block_size = MEM_BLOCK,
		.addr = mem->plug_start,
		.region_size = mem->plug_size,
		.usable_region_size = mem->plug_size,
	};
	m->v.features = FEATURE(VIRTIO_MEM_F_UNPLUGGED_INACCESSIBLE);
	m->v.config = &m->config;
	m->v.config_len = sizeof(m->config);
	return &m->v;
}
