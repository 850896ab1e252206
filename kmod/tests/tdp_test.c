// SPDX-License-Identifier: GPL-2.0
/* The walker, with the formats of both vendors. */
#include <linux/completion.h>
#include <linux/kthread.h>

#include "memory_fixture.h"
#include "suites.h"

#define G2M	512ULL			/* frames in 2M */
#define G1G	(512ULL * 512)		/* and in 1G */
#define GFN	(3 * G1G + 5 * G2M)	/* where the tests map: aligned to 2M, not to 1G */
#define PFN	(7 * G1G + 9 * G2M)

static struct memory *new_tables_of(struct kunit *test, const struct tdp_format *format)
{
	struct memory *mem = kunit_kzalloc(test, sizeof(*mem), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, mem);
	mem->pages = kunit_kcalloc(test, 3, sizeof(*mem->pages), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, mem->pages);
	rwlock_init(&mem->mmu_lock);
	KUNIT_ASSERT_EQ(test, tdp_create(mem, format, 3), 0);
	return mem;
}

static struct memory *new_tables(struct kunit *test)
{
	return new_tables_of(test, test_format(test));
}

/* The entry for gfn in the table of this level, or ~0 where the tables do not go so deep. */
static u64 entry_at(struct memory *mem, gfn_t gfn, int level)
{
	const struct tdp_format *fmt = mem->tdp_format;
	u64 *table = mem->tdp_table;
	int l;

	for (l = fmt->levels; l > level; l--) {
		u64 entry = table[(gfn >> (9 * (l - 1))) & 511];

		if (!(entry & fmt->present) || (entry & fmt->large))
			return ~0ULL;
		table = __va(entry & fmt->addr_mask);
	}
	return table[(gfn >> (9 * (level - 1))) & 511];
}

static void expect_at(struct kunit *test, struct memory *mem, gfn_t gfn, u64 pfn, int level)
{
	int l = 0;

	KUNIT_EXPECT_EQ(test, tdp_translate(mem, gfn << 12 | 0x123, &l), pfn << 12 | 0x123);
	KUNIT_EXPECT_EQ(test, l, level);
}

static void expect_none(struct kunit *test, struct memory *mem, gfn_t gfn)
{
	KUNIT_EXPECT_EQ(test, tdp_translate(mem, gfn << 12, NULL), ~0ULL);
}

static void expect_counts(struct kunit *test, struct memory *mem, long n4k, long n2m, long n1g)
{
	KUNIT_EXPECT_EQ(test, atomic64_read(&mem->pages[0]), n4k);
	KUNIT_EXPECT_EQ(test, atomic64_read(&mem->pages[1]), n2m);
	KUNIT_EXPECT_EQ(test, atomic64_read(&mem->pages[2]), n1g);
}

static int zap(struct memory *mem, gfn_t start, gfn_t end, bool *flush)
{
	struct list_head *pos;
	LIST_HEAD(tables);
	int n = 0;

	*flush = tdp_zap(mem, start, end, &tables);
	list_for_each(pos, &tables)
		n++;
	tdp_free_tables(&tables);
	return n;
}

/* All that is mapped goes, every table is given back, nothing is left to count. */
static void finish(struct kunit *test, struct memory *mem)
{
	bool flush;

	zap(mem, 0, ~0ULL, &flush);
	expect_counts(test, mem, 0, 0, 0);
	tdp_destroy(mem);
	KUNIT_EXPECT_NULL(test, mem->tdp_table);
}

static void map_levels(struct kunit *test)
{
	struct memory *mem = new_tables(test);
	u64 reach = tdp_span(mem->tdp_format->levels + 1);

	expect_none(test, mem, GFN);
	KUNIT_EXPECT_EQ(test, map(mem, GFN + 3, PFN + 3, 1, true), TDP_MAPPED);
	expect_at(test, mem, GFN + 3, PFN + 3, 1);
	expect_none(test, mem, GFN + 2);
	expect_none(test, mem, GFN + 4);

	KUNIT_EXPECT_EQ(test, map(mem, GFN + G2M + 17, PFN + G2M + 17, 2, true), TDP_MAPPED);
	expect_at(test, mem, GFN + G2M, PFN + G2M, 2);
	expect_at(test, mem, GFN + 2 * G2M - 1, PFN + 2 * G2M - 1, 2);
	expect_none(test, mem, GFN + 2 * G2M);

	KUNIT_EXPECT_EQ(test, map(mem, 8 * G1G + 12345, 4 * G1G + 12345, 3, true), TDP_MAPPED);
	expect_at(test, mem, 8 * G1G, 4 * G1G, 3);
	expect_at(test, mem, 9 * G1G - 1, 5 * G1G - 1, 3);
	expect_none(test, mem, 9 * G1G);
	expect_counts(test, mem, 1, 1, 1);

	/* The last frame that the tables reach, and what is behind it. */
	KUNIT_EXPECT_EQ(test, map(mem, reach - 1, 42, 1, true), TDP_MAPPED);
	expect_at(test, mem, reach - 1, 42, 1);
	expect_none(test, mem, reach);
	expect_none(test, mem, reach + GFN + 3);
	finish(test, mem);
}

static void entry_bits(struct kunit *test)
{
	struct memory *mem = new_tables(test);
	const struct tdp_format *fmt = mem->tdp_format;
	struct tdp_map dev = { .gfn = GFN + 1, .pfn = 0xfee00, .level = 1, .device = true };
	struct tdp_cache cache = { };
	u64 ro = fmt->present | fmt->leaf | fmt->exec | fmt->accessed | fmt->soft_host_writable;
	u64 rw = ro | fmt->write | fmt->dirty;

	map(mem, GFN, PFN, 1, false);
	KUNIT_EXPECT_EQ(test, entry_at(mem, GFN, 1), PFN << 12 | ro);
	KUNIT_EXPECT_EQ(test, entry_at(mem, GFN, 2) & ~fmt->addr_mask, fmt->present | fmt->table);
	KUNIT_EXPECT_EQ(test, entry_at(mem, GFN, fmt->levels) & ~fmt->addr_mask,
			fmt->present | fmt->table);
	map(mem, GFN + G2M + 1, PFN + G2M + 1, 2, true);
	KUNIT_EXPECT_EQ(test, entry_at(mem, GFN + G2M, 2), (PFN + G2M) << 12 | rw | fmt->large);
	map(mem, 1, 1, 3, true);
	KUNIT_EXPECT_EQ(test, entry_at(mem, 0, 3), rw | fmt->large);
	tdp_map(mem, &dev, &cache);
	KUNIT_EXPECT_EQ(test, entry_at(mem, GFN + 1, 1), 0xfee00ULL << 12 | fmt->present |
			fmt->leaf_device | fmt->exec | fmt->accessed);
	finish(test, mem);
}

/* Only what the host has encrypted is so for the guest: never a device. */
static void encrypted_leaves(struct kunit *test)
{
	struct memory *mem = new_tables_of(test, &npt_sme);
	struct tdp_map ram = { .gfn = GFN, .pfn = PFN, .level = 2, .encrypt = ENCRYPT };
	struct tdp_map dev = { .gfn = GFN + G2M, .pfn = 0xfee00, .level = 1, .device = true };
	struct tdp_cache cache = { };

	tdp_map(mem, &ram, &cache);
	tdp_map(mem, &dev, &cache);
	KUNIT_EXPECT_TRUE(test, entry_at(mem, GFN, 2) & ENCRYPT);
	KUNIT_EXPECT_FALSE(test, entry_at(mem, GFN + G2M, 1) & ENCRYPT);
	/* Neither the address nor the parts of a leaf are changed by the bit. */
	expect_at(test, mem, GFN + 5, PFN + 5, 2);
	KUNIT_EXPECT_EQ(test, map(mem, GFN, PFN, 2, false), TDP_SPURIOUS);
	KUNIT_EXPECT_EQ(test, map(mem, GFN + 9, PFN + 9, 1, true), TDP_MAPPED);
	KUNIT_EXPECT_TRUE(test, entry_at(mem, GFN + 8, 1) & ENCRYPT);
	expect_at(test, mem, GFN + 8, PFN + 8, 1);
	finish(test, mem);
}

static void map_again(struct kunit *test)
{
	struct memory *mem = new_tables(test);
	const struct tdp_format *fmt = mem->tdp_format;

	map(mem, GFN, PFN, 1, false);
	KUNIT_EXPECT_EQ(test, map(mem, GFN, PFN, 1, false), TDP_SPURIOUS);
	KUNIT_EXPECT_EQ(test, map(mem, GFN, PFN + 1, 1, true), TDP_STALE);
	KUNIT_EXPECT_FALSE(test, entry_at(mem, GFN, 1) & fmt->write);
	KUNIT_EXPECT_EQ(test, map(mem, GFN, PFN, 1, true), TDP_MAPPED);
	KUNIT_EXPECT_TRUE(test, entry_at(mem, GFN, 1) & fmt->write);
	/* A later read does not take the right to write away. */
	KUNIT_EXPECT_EQ(test, map(mem, GFN, PFN, 1, false), TDP_SPURIOUS);
	KUNIT_EXPECT_TRUE(test, entry_at(mem, GFN, 1) & fmt->write);
	expect_counts(test, mem, 1, 0, 0);

	/* A table in the place of the large leaf: what is mapped below it stays. */
	KUNIT_EXPECT_EQ(test, map(mem, GFN + 1, PFN + 1, 2, true), TDP_MAPPED);
	expect_at(test, mem, GFN + 1, PFN + 1, 1);
	expect_at(test, mem, GFN, PFN, 1);
	expect_counts(test, mem, 2, 0, 0);

	/* A large leaf that allows the access already serves a smaller one. */
	map(mem, GFN + G2M, PFN + G2M, 2, true);
	KUNIT_EXPECT_EQ(test, map(mem, GFN + G2M + 7, PFN + G2M + 7, 1, true), TDP_SPURIOUS);
	expect_at(test, mem, GFN + G2M + 7, PFN + G2M + 7, 2);
	finish(test, mem);
}

static void split(struct kunit *test)
{
	struct memory *mem = new_tables(test);
	const struct tdp_format *fmt = mem->tdp_format;

	map(mem, GFN, PFN, 2, false);
	KUNIT_EXPECT_EQ(test, map(mem, GFN + 9, PFN + 9, 1, true), TDP_MAPPED);
	expect_counts(test, mem, 512, 0, 0);
	expect_at(test, mem, GFN, PFN, 1);
	expect_at(test, mem, GFN + 9, PFN + 9, 1);
	expect_at(test, mem, GFN + 511, PFN + 511, 1);
	expect_none(test, mem, GFN + 512);
	KUNIT_EXPECT_TRUE(test, entry_at(mem, GFN + 9, 1) & fmt->write);
	KUNIT_EXPECT_FALSE(test, entry_at(mem, GFN + 8, 1) & fmt->write);
	KUNIT_EXPECT_FALSE(test, entry_at(mem, GFN + 10, 1) & (fmt->write | fmt->large));

	/* From 1G down to 4K in one go. */
	map(mem, 0, 0, 3, false);
	KUNIT_EXPECT_EQ(test, map(mem, 5 * G2M + 2, 5 * G2M + 2, 1, true), TDP_MAPPED);
	expect_counts(test, mem, 1024, 511, 0);
	expect_at(test, mem, 5 * G2M + 1, 5 * G2M + 1, 1);
	expect_at(test, mem, 6 * G2M + 1, 6 * G2M + 1, 2);
	expect_at(test, mem, G1G - 1, G1G - 1, 2);
	KUNIT_EXPECT_FALSE(test, entry_at(mem, 6 * G2M, 2) & fmt->write);
	finish(test, mem);
}

/* Where no large leaf may be executed, a fetch splits it, with the rights that it had. */
static void split_for_fetch(struct kunit *test)
{
	struct tdp_format format = ept;
	struct tdp_map fetch = { .gfn = GFN + 9, .pfn = PFN + 9, .level = 1, .fetch = true };
	struct tdp_cache cache = { };
	struct memory *mem;
	u64 pfn = 0;

	format.exec_large = 0;
	mem = new_tables_of(test, &format);
	map(mem, GFN, PFN, 2, true);
	KUNIT_EXPECT_FALSE(test, entry_at(mem, GFN, 2) & format.exec);
	KUNIT_EXPECT_EQ(test, tdp_upgrade(mem, GFN + 9, false, false, 3, &pfn), TDP_SPURIOUS);
	KUNIT_EXPECT_EQ(test, tdp_upgrade(mem, GFN + 9, false, true, 3, &pfn), TDP_ABSENT);
	tdp_map(mem, &fetch, &cache);
	expect_counts(test, mem, 512, 0, 0);
	expect_at(test, mem, GFN + 9, PFN + 9, 1);
	expect_at(test, mem, GFN + 511, PFN + 511, 1);
	KUNIT_EXPECT_TRUE(test, entry_at(mem, GFN + 9, 1) & format.exec);
	KUNIT_EXPECT_TRUE(test, entry_at(mem, GFN + 9, 1) & format.write);
	KUNIT_EXPECT_FALSE(test, entry_at(mem, GFN + 9, 1) & format.large);
	KUNIT_EXPECT_EQ(test, tdp_upgrade(mem, GFN + 9, false, true, 3, &pfn), TDP_SPURIOUS);
	/* What is mapped there already is small, and is executed as it is. */
	KUNIT_EXPECT_EQ(test, map(mem, GFN + 1, PFN + 1, 2, true), TDP_SPURIOUS);
	finish(test, mem);
}

static void upgrade(struct kunit *test)
{
	struct memory *mem = new_tables(test);
	const struct tdp_format *fmt = mem->tdp_format;
	struct tdp_map ro = { .gfn = GFN + 1, .pfn = PFN + 1, .level = 1 };
	struct tdp_cache cache = { };
	u64 pfn = 0;

	KUNIT_EXPECT_EQ(test, tdp_upgrade(mem, GFN, false, false, 3, &pfn), TDP_ABSENT);
	map(mem, GFN, PFN, 1, false);
	KUNIT_EXPECT_EQ(test, tdp_upgrade(mem, GFN, false, false, 3, &pfn), TDP_SPURIOUS);
	KUNIT_EXPECT_EQ(test, tdp_upgrade(mem, GFN, true, false, 3, &pfn), TDP_MAPPED);
	KUNIT_EXPECT_EQ(test, pfn, PFN);
	KUNIT_EXPECT_TRUE(test, entry_at(mem, GFN, 1) & fmt->write);
	KUNIT_EXPECT_EQ(test, tdp_upgrade(mem, GFN, true, false, 3, &pfn), TDP_SPURIOUS);

	/* The host's page may not be written. */
	tdp_map(mem, &ro, &cache);
	KUNIT_EXPECT_EQ(test, tdp_upgrade(mem, GFN + 1, true, false, 3, &pfn), TDP_ABSENT);
	KUNIT_EXPECT_FALSE(test, entry_at(mem, GFN + 1, 1) & fmt->write);

	/* While a slot is logged large leaves stay protected. */
	map(mem, GFN + G2M, PFN + G2M, 2, false);
	KUNIT_EXPECT_EQ(test, tdp_upgrade(mem, GFN + G2M + 3, true, false, 1, &pfn), TDP_ABSENT);
	KUNIT_EXPECT_EQ(test, tdp_upgrade(mem, GFN + G2M + 3, true, false, 2, &pfn), TDP_MAPPED);
	KUNIT_EXPECT_EQ(test, pfn, PFN + G2M + 3);
	finish(test, mem);
}

static void zap_ranges(struct kunit *test)
{
	struct memory *mem = new_tables(test);
	bool flush;
	gfn_t g;

	KUNIT_EXPECT_EQ(test, zap(mem, 0, ~0ULL, &flush), 0);
	KUNIT_EXPECT_FALSE(test, flush);

	for (g = GFN; g < GFN + 8; g++)
		map(mem, g, PFN + g - GFN, 1, true);
	map(mem, GFN + G2M, PFN + G2M, 2, true);
	KUNIT_EXPECT_EQ(test, zap(mem, GFN + 2, GFN + 4, &flush), 0);
	KUNIT_EXPECT_TRUE(test, flush);
	expect_at(test, mem, GFN + 1, PFN + 1, 1);
	expect_none(test, mem, GFN + 2);
	expect_none(test, mem, GFN + 3);
	expect_at(test, mem, GFN + 4, PFN + 4, 1);
	expect_counts(test, mem, 6, 1, 0);
	zap(mem, GFN + 2, GFN + 4, &flush);
	KUNIT_EXPECT_FALSE(test, flush);

	/* A large leaf goes whole; a table whose range is covered goes too. */
	KUNIT_EXPECT_EQ(test, zap(mem, GFN + 5, GFN + G2M + 1, &flush), 0);
	expect_none(test, mem, GFN + G2M + 400);
	expect_counts(test, mem, 5 - 2, 0, 0);
	KUNIT_EXPECT_EQ(test, zap(mem, GFN, GFN + G2M, &flush), 1);
	KUNIT_EXPECT_TRUE(test, flush);
	expect_counts(test, mem, 0, 0, 0);
	/* The tables of the levels above are left. */
	KUNIT_EXPECT_EQ(test, zap(mem, 0, ~0ULL, &flush), mem->tdp_format->levels - 2);
	/* Then the large leaf fits. */
	map(mem, GFN, PFN, 2, true);
	expect_at(test, mem, GFN, PFN, 2);
	finish(test, mem);
}

static void protect(struct kunit *test)
{
	struct memory *mem = new_tables(test);
	const struct tdp_format *fmt = mem->tdp_format;
	u64 pfn;
	gfn_t g;

	for (g = GFN; g < GFN + 8; g++)
		map(mem, g, PFN + g - GFN, 1, true);
	map(mem, GFN + G2M, PFN + G2M, 2, true);
	KUNIT_EXPECT_TRUE(test, tdp_protect(mem, GFN + 2, GFN + 4));
	KUNIT_EXPECT_FALSE(test, tdp_protect(mem, GFN + 2, GFN + 4));
	KUNIT_EXPECT_TRUE(test, entry_at(mem, GFN + 1, 1) & fmt->write);
	KUNIT_EXPECT_FALSE(test, entry_at(mem, GFN + 2, 1) & (fmt->write | fmt->dirty));
	KUNIT_EXPECT_FALSE(test, entry_at(mem, GFN + 3, 1) & fmt->write);
	KUNIT_EXPECT_TRUE(test, entry_at(mem, GFN + 4, 1) & fmt->write);
	expect_at(test, mem, GFN + 2, PFN + 2, 1);
	KUNIT_EXPECT_TRUE(test, tdp_protect(mem, GFN + G2M + 77, GFN + G2M + 78));
	KUNIT_EXPECT_FALSE(test, entry_at(mem, GFN + G2M, 2) & fmt->write);
	KUNIT_EXPECT_EQ(test, tdp_upgrade(mem, GFN + 2, true, false, 1, &pfn), TDP_MAPPED);
	KUNIT_EXPECT_TRUE(test, tdp_protect(mem, 0, ~0ULL));
	KUNIT_EXPECT_FALSE(test, entry_at(mem, GFN + 7, 1) & fmt->write);
	expect_counts(test, mem, 8, 1, 0);
	finish(test, mem);
}

/* The processor logs 4K leaves as it sets their dirty bit; large ones are write-protected. */
static void protect_by_dirty_bit(struct kunit *test)
{
	struct memory *mem = new_tables_of(test, &ept);

	mem->pml = true;
	map(mem, GFN, PFN, 1, true);
	map(mem, GFN + 1, PFN + 1, 1, false);
	map(mem, GFN + G2M, PFN + G2M, 2, true);
	KUNIT_EXPECT_TRUE(test, tdp_protect(mem, GFN, GFN + G2M));
	KUNIT_EXPECT_EQ(test, entry_at(mem, GFN, 1) & (ept.write | ept.dirty), ept.write);
	KUNIT_EXPECT_FALSE(test, entry_at(mem, GFN + 1, 1) & ept.write);
	KUNIT_EXPECT_FALSE(test, tdp_protect(mem, GFN, GFN + G2M));
	KUNIT_EXPECT_TRUE(test, tdp_protect(mem, GFN, GFN + 2 * G2M));
	KUNIT_EXPECT_FALSE(test, entry_at(mem, GFN + G2M, 2) & (ept.write | ept.dirty));
	finish(test, mem);
}

static void age(struct kunit *test)
{
	struct memory *mem = new_tables(test);

	map(mem, GFN + 1, PFN + 1, 1, true);
	KUNIT_EXPECT_FALSE(test, tdp_age(mem, GFN + 2, GFN + 9, false));
	KUNIT_EXPECT_TRUE(test, tdp_age(mem, GFN, GFN + 2, false));
	KUNIT_EXPECT_TRUE(test, tdp_age(mem, GFN, GFN + 2, true));
	/* Without accessed bits, what is mapped counts as used. */
	KUNIT_EXPECT_EQ(test, tdp_age(mem, GFN, GFN + 2, true), !mem->tdp_format->accessed);
	expect_at(test, mem, GFN + 1, PFN + 1, 1);
	finish(test, mem);
}

static void map_ahead(struct kunit *test)
{
	struct memory *mem = new_tables(test);
	const struct tdp_format *fmt = mem->tdp_format;
	struct tdp_map ahead = { .gfn = GFN + 1, .pfn = PFN + 1, .level = 1, .ahead = true };
	u64 *table;

	KUNIT_EXPECT_NULL(test, tdp_small_table(mem, GFN));
	map(mem, GFN + G2M, PFN + G2M, 2, true);
	KUNIT_EXPECT_NULL(test, tdp_small_table(mem, GFN + G2M));
	map(mem, GFN, PFN, 1, false);
	table = tdp_small_table(mem, GFN + 7);
	KUNIT_ASSERT_NOT_NULL(test, table);
	tdp_map_ahead(mem, table, &ahead);
	expect_at(test, mem, GFN + 1, PFN + 1, 1);
	KUNIT_EXPECT_FALSE(test, entry_at(mem, GFN + 1, 1) & (fmt->accessed | fmt->write));
	ahead.gfn = GFN + 511;
	ahead.write = true;
	tdp_map_ahead(mem, table, &ahead);
	KUNIT_EXPECT_EQ(test, entry_at(mem, GFN + 511, 1) &
			(fmt->accessed | fmt->dirty | fmt->write), fmt->write);
	/* What is there stays as it is. */
	ahead.gfn = GFN;
	tdp_map_ahead(mem, table, &ahead);
	expect_at(test, mem, GFN, PFN, 1);
	KUNIT_EXPECT_FALSE(test, entry_at(mem, GFN, 1) & fmt->write);
	expect_counts(test, mem, 3, 1, 0);
	finish(test, mem);
}

static void cache_first(struct kunit *test)
{
	struct memory *mem = new_tables(test);
	struct tdp_map map = { .gfn = GFN, .pfn = PFN, .level = 1 };
	struct tdp_cache cache = { };

	KUNIT_ASSERT_EQ(test, tdp_cache_fill(&cache), 0);
	KUNIT_EXPECT_EQ(test, cache.count, TDP_MAX_LEVELS);
	KUNIT_EXPECT_EQ(test, tdp_map(mem, &map, &cache), TDP_MAPPED);
	KUNIT_EXPECT_EQ(test, cache.count, TDP_MAX_LEVELS + 1 - mem->tdp_level);
	tdp_cache_drain(&cache);
	KUNIT_EXPECT_EQ(test, cache.count, 0);
	finish(test, mem);
}

/* Several threads map the same and neighbouring frames: each frame is mapped exactly once. */
#define RACERS		4
#define RACE_FRAMES	(2 * G2M)

struct racer {
	struct memory *mem;
	struct completion *start, done;
	struct task_struct *task;
	int step;
	long mapped, wrong;
};

static int race(void *data)
{
	struct racer *r = data;
	u64 i, g;

	wait_for_completion(r->start);
	for (i = 0; i < RACE_FRAMES; i++) {
		g = (i * r->step) % RACE_FRAMES;
		read_lock(&r->mem->mmu_lock);
		switch (map(r->mem, GFN + g, PFN + g, 1, true)) {
		case TDP_MAPPED:
			r->mapped++;
			break;
		case TDP_SPURIOUS:
			break;
		default:
			r->wrong++;
		}
		read_unlock(&r->mem->mmu_lock);
	}
	complete(&r->done);
	return 0;
}

static void race_check(struct kunit *test, struct memory *mem, struct racer *racers)
{
	long mapped = 0;
	u64 g;
	int i;

	for (i = 0; i < RACERS; i++) {
		KUNIT_EXPECT_EQ(test, racers[i].wrong, 0);
		mapped += racers[i].mapped;
	}
	/* Half of the frames were under one read-only large leaf: each was made writable once. */
	KUNIT_EXPECT_EQ(test, mapped, (long)RACE_FRAMES);
	expect_counts(test, mem, RACE_FRAMES, 0, 0);
	for (g = 0; g < RACE_FRAMES; g++)
		if (tdp_translate(mem, (GFN + g) << 12, NULL) != (PFN + g) << 12)
			KUNIT_FAIL(test, "frame %llu is mapped elsewhere", g);
}

static void map_in_parallel(struct kunit *test)
{
	static const int steps[RACERS] = { 1, 1, 3, 1023 };	/* odd: each visits every frame */
	struct racer *racers = kunit_kcalloc(test, RACERS, sizeof(*racers), GFP_KERNEL);
	struct memory *mem = new_tables(test);
	DECLARE_COMPLETION_ONSTACK(start);
	int i, started = 0;

	KUNIT_ASSERT_NOT_NULL(test, racers);
	map(mem, GFN, PFN, 2, false);
	for (i = 0; i < RACERS; i++) {
		struct racer *r = &racers[i];

		r->mem = mem;
		r->start = &start;
		r->step = steps[i];
		init_completion(&r->done);
		r->task = kthread_create(race, r, "vmm-race-%d", i);
		if (IS_ERR(r->task))
			break;
		get_task_struct(r->task);
		wake_up_process(r->task);
		started++;
	}
	complete_all(&start);
	for (i = 0; i < started; i++) {
		wait_for_completion(&racers[i].done);
		kthread_stop(racers[i].task);	/* has left this module's code */
		put_task_struct(racers[i].task);
	}
	KUNIT_ASSERT_EQ(test, started, RACERS);
	race_check(test, mem, racers);
	finish(test, mem);
}

static struct kunit_case tdp_cases[] = {
	KUNIT_CASE_PARAM(map_levels, format_gen_params),
	KUNIT_CASE_PARAM(entry_bits, format_gen_params),
	KUNIT_CASE(encrypted_leaves),
	KUNIT_CASE_PARAM(map_again, format_gen_params),
	KUNIT_CASE_PARAM(split, format_gen_params),
	KUNIT_CASE(split_for_fetch),
	KUNIT_CASE_PARAM(upgrade, format_gen_params),
	KUNIT_CASE_PARAM(zap_ranges, format_gen_params),
	KUNIT_CASE_PARAM(protect, format_gen_params),
	KUNIT_CASE(protect_by_dirty_bit),
	KUNIT_CASE_PARAM(age, format_gen_params),
	KUNIT_CASE_PARAM(map_ahead, format_gen_params),
	KUNIT_CASE_PARAM(cache_first, format_gen_params),
	KUNIT_CASE_PARAM(map_in_parallel, format_gen_params),
	{ }
};

struct kunit_suite tdp_suite = {
	.name = "vmm-tdp",
	.test_cases = tdp_cases,
};
