// SPDX-License-Identifier: GPL-2.0
/*
 * Nested page tables. The layout of tables is that of long-mode paging for both vendors
 * (APM vol. 2, 15.25.5 and 5.3; SDM vol. 3C, 29.3.2); the bits come from struct tdp_format.
 */
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/mm.h>

#include "../compat.h"
#include "tdp.h"

#define TDP_ENTRIES	512
#define TABLE_GFP	(GFP_KERNEL_ACCOUNT | __GFP_ZERO)
/* Under mmu_lock: no reclaim, no complaint; tdp_cache_fill() is the second try. */
#define TABLE_GFP_NOWAIT (GFP_NOWAIT | __GFP_NOWARN | __GFP_ACCOUNT | __GFP_ZERO)

static unsigned int tdp_index(gfn_t gfn, int level)
{
	return (gfn >> (9 * (level - 1))) & (TDP_ENTRIES - 1);
}

static bool tdp_is_table(const struct tdp_format *fmt, u64 entry, int level)
{
	return level > 1 && (entry & fmt->present) && !(entry & fmt->large);
}

static u64 *tdp_child(const struct tdp_format *fmt, u64 entry)
{
	return __va(entry & fmt->addr_mask);
}

static u64 tdp_table_entry(const struct tdp_format *fmt, u64 *table)
{
	return __pa(table) | fmt->present | fmt->table;
}

static u64 tdp_entry_pfn(const struct tdp_format *fmt, u64 entry, gfn_t gfn, int level)
{
	return ((entry & fmt->addr_mask) >> PAGE_SHIFT) + (gfn & (tdp_span(level) - 1));
}

static u64 tdp_write_bits(const struct tdp_format *fmt)
{
	return fmt->write | fmt->dirty;
}

static void tdp_count(struct memory *mem, int level, long n)
{
	atomic64_add(n, &mem->pages[level - 1]);
}

/* ---- table pages ---- */

static u64 *tdp_table_get(struct tdp_cache *cache)
{
	if (cache->count)
		return cache->table[--cache->count];
	return (u64 *)__get_free_page(TABLE_GFP_NOWAIT);
}

/* Nobody has seen it. It may have been filled. */
static void tdp_table_put(struct tdp_cache *cache, u64 *table)
{
	if (cache->count == TDP_MAX_LEVELS) {
		free_page((unsigned long)table);
		return;
	}
	clear_page(table);
	cache->table[cache->count++] = table;
}

/**
 * tdp_cache_fill() - take table pages in hand, as many as one mapping can need
 * @cache: filled
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM (what is there stays in the cache).
 */
int tdp_cache_fill(struct tdp_cache *cache)
{
	while (cache->count < TDP_MAX_LEVELS) {
		u64 *table = (u64 *)__get_free_page(TABLE_GFP);

		if (!table)
			return -ENOMEM;
		cache->table[cache->count++] = table;
	}
	return 0;
}
EXPORT_FOR_TEST(tdp_cache_fill);

/**
 * tdp_cache_drain() - give the table pages back
 * @cache: emptied
 */
void tdp_cache_drain(struct tdp_cache *cache)
{
	while (cache->count)
		free_page((unsigned long)cache->table[--cache->count]);
}
EXPORT_FOR_TEST(tdp_cache_drain);

/**
 * tdp_create() - make an empty top table
 * @mem: its tdp_* members are set
 * @format: how entries are written
 * @max_leaf: 1, 2 or 3: the largest leaf that the processor takes
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int tdp_create(struct memory *mem, const struct tdp_format *format, int max_leaf)
{
	mem->tdp_table = (u64 *)__get_free_page(TABLE_GFP);
	if (!mem->tdp_table)
		return -ENOMEM;
	mem->tdp_format = format;
	mem->tdp_level = format->levels;
	mem->tdp_max_leaf = min(max_leaf, format->max_leaf_level);
	return 0;
}
EXPORT_FOR_TEST(tdp_create);

/* Unlink nothing, but collect the table and all below it. */
static void tdp_collect(struct memory *mem, u64 *table, int level, struct list_head *tables)
{
	const struct tdp_format *fmt = mem->tdp_format;
	long leaves = 0;
	int i;

	for (i = 0; i < TDP_ENTRIES; i++) {
		u64 entry = READ_ONCE(table[i]);

		if (!(entry & fmt->present))
			continue;
		if (tdp_is_table(fmt, entry, level))
			tdp_collect(mem, tdp_child(fmt, entry), level - 1, tables);
		else
			leaves++;
	}
	if (leaves)
		tdp_count(mem, level, -leaves);
	list_add(&virt_to_page(table)->lru, tables);
}

/**
 * tdp_free_tables() - free tables that were unlinked
 * @tables: emptied; no processor has any of them in a cache any more
 */
void tdp_free_tables(struct list_head *tables)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, tables, lru) {
		list_del(&page->lru);
		__free_page(page);
	}
}
EXPORT_FOR_TEST(tdp_free_tables);

/**
 * tdp_destroy() - free all tables
 * @mem: no processor uses its tables any more
 *
 * Context: may sleep.
 */
void tdp_destroy(struct memory *mem)
{
	const struct tdp_format *fmt = mem->tdp_format;
	LIST_HEAD(tables);
	int i;

	if (!mem->tdp_table)
		return;
	for (i = 0; i < TDP_ENTRIES; i++) {
		u64 entry = mem->tdp_table[i];

		if (!tdp_is_table(fmt, entry, mem->tdp_level))
			continue;
		tdp_collect(mem, tdp_child(fmt, entry), mem->tdp_level - 1, &tables);
		tdp_free_tables(&tables);
		cond_resched();
	}
	free_page((unsigned long)mem->tdp_table);
	mem->tdp_table = NULL;
}
EXPORT_FOR_TEST(tdp_destroy);

/* ---- mapping ---- */

static u64 tdp_leaf(const struct memory *mem, const struct tdp_map *map, int level)
{
	const struct tdp_format *fmt = mem->tdp_format;
	u64 leaf = (map->pfn & ~(tdp_span(level) - 1)) << PAGE_SHIFT;

	leaf |= fmt->present | map->encrypt;
	/* The guest is about to use it: spare the processor the accessed and dirty updates. */
	if (!map->ahead)
		leaf |= fmt->accessed | (map->write ? fmt->dirty : 0);
	leaf |= map->device && fmt->leaf_device ? fmt->leaf_device : fmt->leaf;
	leaf |= level > 1 ? fmt->large | fmt->exec_large : fmt->exec;
	if (map->write)
		leaf |= fmt->write;
	if (map->host_writable)
		leaf |= fmt->soft_host_writable;
	return leaf;
}

/*
 * Put a table that maps the same in place of a large leaf. Those that are split are read-only or
 * not executable, and gain rights below, so that a processor which still has the large translation
 * cached can at worst fault once more.
 */
static void tdp_fill_split(const struct memory *mem, u64 *table, u64 leaf, int level)
{
	const struct tdp_format *fmt = mem->tdp_format;
	u64 step = tdp_span(level - 1) << PAGE_SHIFT;
	int i;

	if (level == 2)
		leaf = (leaf & ~fmt->large) | fmt->exec;
	for (i = 0; i < TDP_ENTRIES; i++)
		table[i] = leaf + i * step;
}

/* Does a leaf that is present allow the access? */
static bool tdp_allows(const struct tdp_format *fmt, u64 leaf, int level, bool write, bool fetch)
{
	if (write && !(leaf & fmt->write))
		return false;
	return !fetch || (leaf & (level > 1 ? fmt->exec_large : fmt->exec)) == fmt->exec;
}

/* Make the entry one of a table: a new one, or the large leaf old split. */
static enum tdp_result tdp_extend(struct memory *mem, u64 *ptep, u64 old, int level,
				  struct tdp_cache *cache)
{
	bool split = old & mem->tdp_format->present;
	u64 *table = tdp_table_get(cache);

	if (!table)
		return TDP_NO_TABLE;
	if (split)
		tdp_fill_split(mem, table, old, level);
	if (cmpxchg64(ptep, old, tdp_table_entry(mem->tdp_format, table)) != old) {
		tdp_table_put(cache, table);
		return TDP_MAPPED;	/* somebody else was there: look again */
	}
	if (split) {
		tdp_count(mem, level, -1);
		tdp_count(mem, level - 1, TDP_ENTRIES);
	}
	return TDP_MAPPED;
}

/* Write a leaf, or add rights to one that is there. */
static enum tdp_result tdp_install(struct memory *mem, u64 *ptep, const struct tdp_map *map,
				   int level)
{
	const struct tdp_format *fmt = mem->tdp_format;
	u64 leaf = tdp_leaf(mem, map, level);
	u64 old = READ_ONCE(*ptep);

	for (;;) {
		u64 new = leaf, seen;

		if (tdp_is_table(fmt, old, level))
			return TDP_ABSENT;	/* a table was linked meanwhile */
		if (old & fmt->present) {
			if ((old ^ leaf) & fmt->addr_mask)
				return TDP_STALE;
			if (!map->write || (old & fmt->write))
				return TDP_SPURIOUS;
			new = old | leaf;
		}
		seen = cmpxchg64(ptep, old, new);
		if (seen == old)
			break;
		old = seen;
	}
	if (!(old & fmt->present))
		tdp_count(mem, level, 1);
	return TDP_MAPPED;
}

/**
 * tdp_map() - map a frame
 * @mem: the VM's memory
 * @map: what shall be mapped
 * @cache: table pages to use first
 *
 * Where a table is in the place of the wanted large leaf, a smaller leaf is mapped below it; where
 * a large leaf is in the way of a smaller one with more rights, it is split.
 *
 * Context: mmu_lock held for reading at least.
 * Return: TDP_MAPPED, TDP_SPURIOUS, TDP_STALE or TDP_NO_TABLE.
 */
enum tdp_result tdp_map(struct memory *mem, const struct tdp_map *map, struct tdp_cache *cache)
{
	const struct tdp_format *fmt = mem->tdp_format;
	u64 *table = mem->tdp_table;
	int level = mem->tdp_level;

	for (;;) {
		u64 *ptep = &table[tdp_index(map->gfn, level)];
		u64 old = READ_ONCE(*ptep);
		enum tdp_result ret;

		if (tdp_is_table(fmt, old, level)) {
			table = tdp_child(fmt, old);
			level--;
			continue;
		}
		if (level <= map->level) {
			ret = tdp_install(mem, ptep, map, level);
			if (ret != TDP_ABSENT)
				return ret;
			continue;
		}
		if ((old & fmt->present) && tdp_allows(fmt, old, level, map->write, map->fetch))
			return TDP_SPURIOUS;
		ret = tdp_extend(mem, ptep, old, level, cache);
		if (ret != TDP_MAPPED)
			return ret;
	}
}
EXPORT_FOR_TEST(tdp_map);

/* The entry that ends the walk to gfn: a leaf, or one that is not present. */
static u64 *tdp_find(struct memory *mem, gfn_t gfn, int *level)
{
	const struct tdp_format *fmt = mem->tdp_format;
	u64 *table = mem->tdp_table;
	int l = mem->tdp_level;

	for (;;) {
		u64 *ptep = &table[tdp_index(gfn, l)];
		u64 entry = READ_ONCE(*ptep);

		if (!tdp_is_table(fmt, entry, l)) {
			*level = l;
			return ptep;
		}
		table = tdp_child(fmt, entry);
		l--;
	}
}

/**
 * tdp_small_table() - the table that maps a frame by 4K leaves
 * @mem: the VM's memory
 * @gfn: the frame
 *
 * Context: mmu_lock held for reading at least, as long as the table is used.
 * Return: the table, or NULL: there is none.
 */
u64 *tdp_small_table(struct memory *mem, gfn_t gfn)
{
	int level;
	u64 *ptep = tdp_find(mem, gfn, &level);

	return level == 1 ? ptep - tdp_index(gfn, 1) : NULL;
}
EXPORT_FOR_TEST(tdp_small_table);

/**
 * tdp_map_ahead() - map a 4K frame if nothing is mapped there
 * @mem: the VM's memory
 * @table: tdp_small_table() of a frame in the same 2M
 * @map: what shall be mapped; level 1
 *
 * Context: mmu_lock held for reading at least.
 */
void tdp_map_ahead(struct memory *mem, u64 *table, const struct tdp_map *map)
{
	u64 *ptep = &table[tdp_index(map->gfn, 1)];

	if (!READ_ONCE(*ptep) && !cmpxchg64(ptep, 0, tdp_leaf(mem, map, 1)))
		tdp_count(mem, 1, 1);
}
EXPORT_FOR_TEST(tdp_map_ahead);

/**
 * tdp_upgrade() - answer a fault from what the tables hold already
 * @mem: the VM's memory
 * @gfn: the frame that faulted
 * @write: it was written
 * @fetch: an instruction was fetched from it
 * @max_level: largest leaf that may be made writable
 * @pfn: set to the host frame where the answer is TDP_MAPPED
 *
 * Context: mmu_lock held for reading at least.
 * Return: TDP_SPURIOUS: the leaf allows it; TDP_MAPPED: the leaf was write-protected though the
 * host's page is writable, and is writable now; TDP_ABSENT: neither.
 */
enum tdp_result tdp_upgrade(struct memory *mem, gfn_t gfn, bool write, bool fetch, int max_level,
			    u64 *pfn)
{
	const struct tdp_format *fmt = mem->tdp_format;
	int level;
	u64 *ptep = tdp_find(mem, gfn, &level);
	u64 old = READ_ONCE(*ptep);

	if (!(old & fmt->present) || tdp_is_table(fmt, old, level))
		return TDP_ABSENT;
	if (tdp_allows(fmt, old, level, write, fetch))
		return TDP_SPURIOUS;
	if (!write || !(old & fmt->soft_host_writable) || level > max_level)
		return TDP_ABSENT;
	if (cmpxchg64(ptep, old, old | tdp_write_bits(fmt) | fmt->accessed) != old)
		return TDP_SPURIOUS;	/* it changed: let the guest try again */
	*pfn = tdp_entry_pfn(fmt, old, gfn, level);
	return TDP_MAPPED;
}
EXPORT_FOR_TEST(tdp_upgrade);

/* ---- ranges ---- */

/*
 * Call fn for every leaf that overlaps [start, end), from the table at this level down. true: fn
 * answered true for some leaf.
 */
typedef bool (*tdp_leaf_fn)(struct memory *mem, u64 *ptep, int level);

static bool tdp_for_leaves(struct memory *mem, u64 *table, int level, gfn_t start, gfn_t end,
			   tdp_leaf_fn fn)
{
	const struct tdp_format *fmt = mem->tdp_format;
	bool ret = false;
	gfn_t gfn, next;

	for (gfn = start; gfn < end; gfn = next) {
		u64 *ptep = &table[tdp_index(gfn, level)];
		u64 entry = READ_ONCE(*ptep);

		next = min(end, (gfn | (tdp_span(level) - 1)) + 1);
		if (!(entry & fmt->present))
			continue;
		if (tdp_is_table(fmt, entry, level))
			ret |= tdp_for_leaves(mem, tdp_child(fmt, entry), level - 1, gfn, next, fn);
		else
			ret |= fn(mem, ptep, level);
	}
	return ret;
}

static bool tdp_zap_level(struct memory *mem, u64 *table, int level, gfn_t start, gfn_t end,
			  struct list_head *tables)
{
	const struct tdp_format *fmt = mem->tdp_format;
	bool flush = false;
	gfn_t gfn, next;

	for (gfn = start; gfn < end; gfn = next) {
		u64 *ptep = &table[tdp_index(gfn, level)];
		u64 entry = READ_ONCE(*ptep);

		next = min(end, (gfn | (tdp_span(level) - 1)) + 1);
		if (!(entry & fmt->present))
			continue;
		if (!tdp_is_table(fmt, entry, level)) {
			WRITE_ONCE(*ptep, 0);
			tdp_count(mem, level, -1);
			flush = true;
		} else if (next - gfn < tdp_span(level)) {
			flush |= tdp_zap_level(mem, tdp_child(fmt, entry), level - 1, gfn, next,
					       tables);
		} else {
			/* Even an empty table may be in a paging-structure cache: always flush. */
			WRITE_ONCE(*ptep, 0);
			tdp_collect(mem, tdp_child(fmt, entry), level - 1, tables);
			flush = true;
		}
	}
	return flush;
}

/**
 * tdp_zap() - unmap frames
 * @mem: the VM's memory
 * @start: first frame
 * @end: behind the last frame
 * @tables: tables that are not needed any more are added; free them after the flush
 *
 * Large leaves that overlap the range are unmapped whole.
 *
 * Context: mmu_lock held for writing.
 * Return: true: processors may have translations cached that are gone; flush before unlocking.
 */
bool tdp_zap(struct memory *mem, gfn_t start, gfn_t end, struct list_head *tables)
{
	end = min_t(gfn_t, end, tdp_span(mem->tdp_level + 1));
	return tdp_zap_level(mem, mem->tdp_table, mem->tdp_level, start, end, tables);
}
EXPORT_FOR_TEST(tdp_zap);

/* Large leaves are to be split by a fault: the processor would log one of their frames only. */
static bool tdp_protect_leaf(struct memory *mem, u64 *ptep, int level)
{
	const struct tdp_format *fmt = mem->tdp_format;
	u64 bits = mem->pml && level == 1 ? fmt->dirty : tdp_write_bits(fmt);

	if (!(READ_ONCE(*ptep) & bits))
		return false;
	/* The processor may set accessed and dirty at the same time. */
	atomic64_andnot(bits, (atomic64_t *)ptep);
	return true;
}

/**
 * tdp_protect() - catch the next write: forbid it, or have the processor log it (PML)
 * @mem: the VM's memory
 * @start: first frame
 * @end: behind the last frame
 *
 * Large leaves that overlap the range are protected whole.
 *
 * Context: mmu_lock held for writing.
 * Return: true: something could be written unseen; flush.
 */
bool tdp_protect(struct memory *mem, gfn_t start, gfn_t end)
{
	end = min_t(gfn_t, end, tdp_span(mem->tdp_level + 1));
	return tdp_for_leaves(mem, mem->tdp_table, mem->tdp_level, start, end, tdp_protect_leaf);
}
EXPORT_FOR_TEST(tdp_protect);

static bool tdp_test_young(struct memory *mem, u64 *ptep, int level)
{
	return !mem->tdp_format->accessed || (READ_ONCE(*ptep) & mem->tdp_format->accessed);
}

static bool tdp_clear_young(struct memory *mem, u64 *ptep, int level)
{
	if (!tdp_test_young(mem, ptep, level))
		return false;
	atomic64_andnot(mem->tdp_format->accessed, (atomic64_t *)ptep);
	return true;
}

/**
 * tdp_age() - was any of these frames used?
 * @mem: the VM's memory
 * @start: first frame
 * @end: behind the last frame
 * @clear: forget it; translations that are cached are not flushed, so that further use may go
 *	unnoticed for a while
 *
 * Where the processor tracks no accesses, what is mapped counts as used.
 *
 * Context: mmu_lock held for reading at least.
 */
bool tdp_age(struct memory *mem, gfn_t start, gfn_t end, bool clear)
{
	end = min_t(gfn_t, end, tdp_span(mem->tdp_level + 1));
	return tdp_for_leaves(mem, mem->tdp_table, mem->tdp_level, start, end,
			      clear ? tdp_clear_young : tdp_test_young);
}
EXPORT_FOR_TEST(tdp_age);
