/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The walker: one radix tree of 512-entry tables, written for NPT or EPT by mem->tdp_format. Levels
 * count from the leaves: 1 maps 4K, 2 maps 2M, 3 maps 1G. Pure: it knows neither slots nor the
 * host's memory, and never flushes; it says when a flush is due.
 */
#ifndef VMM_MEMORY_TDP_H
#define VMM_MEMORY_TDP_H

#include <linux/list.h>
#include "memory.h"
#include "tdp_format.h"

#define TDP_MAX_LEVELS	5

/* Frames that one entry of a table at this level maps. */
static inline u64 tdp_span(int level)
{
	return 1ULL << (9 * (level - 1));
}

/* Are there no large leaves that may be executed? */
static inline bool tdp_splits_for_fetch(const struct memory *mem)
{
	return mem->tdp_format->exec_large != mem->tdp_format->exec;
}

/* Table pages in hand, for when memory is short under mmu_lock. */
struct tdp_cache {
	u64 *table[TDP_MAX_LEVELS];
	int count;
};

int tdp_cache_fill(struct tdp_cache *cache);
void tdp_cache_drain(struct tdp_cache *cache);

/**
 * struct tdp_map - what shall be mapped
 * @gfn: the frame that faulted
 * @pfn: the host frame behind it
 * @level: of the leaf at most; the frames around @gfn and @pfn fit it
 * @write: the guest may write
 * @fetch: the guest executes it, for which a large leaf may have to be split
 * @host_writable: the host's page may be written
 * @encrypt: the host's bit for encrypted memory, or 0: a device's memory is never encrypted
 * @device: the host does not map it write-back
 * @ahead: nobody has asked for it yet: accessed and dirty are left to the processor
 */
struct tdp_map {
	gfn_t gfn;
	u64 pfn;
	u64 encrypt;
	int level;
	bool write, fetch, host_writable, device, ahead;
};

enum tdp_result {
	TDP_MAPPED,
	TDP_SPURIOUS,	/* it was mapped already */
	TDP_STALE,	/* another frame is mapped there, about to be zapped */
	TDP_NO_TABLE,	/* no memory for a table: fill the cache and try again */
	TDP_ABSENT,	/* tdp_upgrade: nothing to upgrade */
};

/* Context: the first group of functions sleeps and needs nobody else around. */
int tdp_create(struct memory *mem, const struct tdp_format *format, int max_leaf);
void tdp_destroy(struct memory *mem);

/* mmu_lock held for reading at least; any number of these at once. */
enum tdp_result tdp_map(struct memory *mem, const struct tdp_map *map, struct tdp_cache *cache);
u64 *tdp_small_table(struct memory *mem, gfn_t gfn);
void tdp_map_ahead(struct memory *mem, u64 *table, const struct tdp_map *map);
enum tdp_result tdp_upgrade(struct memory *mem, gfn_t gfn, bool write, bool fetch, int max_level,
			    u64 *pfn);
bool tdp_age(struct memory *mem, gfn_t start, gfn_t end, bool clear);

/* mmu_lock held for writing; true: vCPUs must flush before it is released. */
bool tdp_zap(struct memory *mem, gfn_t start, gfn_t end, struct list_head *tables);
bool tdp_protect(struct memory *mem, gfn_t start, gfn_t end);
/* After the flush. */
void tdp_free_tables(struct list_head *tables);

#endif /* VMM_MEMORY_TDP_H */
