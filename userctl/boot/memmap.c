// SPDX-License-Identifier: GPL-2.0
#include "memmap.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static void add(struct memmap *map, uint64_t start, uint64_t end, enum memmap_type type)
{
	map->entry[map->count++] = (struct memmap_entry){ start, end - start, type };
}

void memmap_init(struct memmap *map, const struct guest_mem *mem)
{
	memset(map, 0, sizeof(*map));
	add(map, 0, MEM_EBDA, MEMMAP_RAM);
	add(map, MEM_EBDA, MEM_VGA, MEMMAP_RESERVED);
	add(map, MEM_ACPI, MEM_1M, MEMMAP_RESERVED);
	add(map, MEM_1M, mem->low, MEMMAP_RAM);
	/* From the identity page on: it, the TSS, and where a PC has its firmware. */
	add(map, MEM_IDENTITY, MEM_HIGH_BASE, MEMMAP_RESERVED);
	if (mem->high)
		add(map, MEM_HIGH_BASE, MEM_HIGH_BASE + mem->high, MEMMAP_RAM);
}

static const struct memmap_claim *find_overlap(const struct memmap *map, uint64_t start,
					       uint64_t end)
{
	unsigned int i;

	for (i = 0; i < map->claims; i++) {
		if (start < map->claim[i].end && end > map->claim[i].start)
			return &map->claim[i];
	}
	return NULL;
}

static bool is_ram(const struct memmap *map, uint64_t start, uint64_t len)
{
	const struct memmap_entry *e;

	for (e = map->entry; e < map->entry + map->count; e++) {
		if (e->type == MEMMAP_RAM && start >= e->start && start - e->start <= e->len &&
		    len <= e->len - (start - e->start))
			return true;
	}
	return false;
}

static int record(struct memmap *map, uint64_t start, uint64_t end, const char *what)
{
	if (map->claims == CLAIMS_MAX)
		return -1;
	map->claim[map->claims++] = (struct memmap_claim){ start, end, what };
	return 0;
}

int memmap_claim(struct memmap *map, uint64_t start, uint64_t len, const char *what, char *why,
		 size_t why_len)
{
	const struct memmap_claim *other;

	if (!is_ram(map, start, len)) {
		snprintf(why, why_len, "its %s, %#llx bytes at %#llx, is not all in memory", what,
			 (unsigned long long)len, (unsigned long long)start);
		return -1;
	}
	other = find_overlap(map, start, start + len);
	if (other) {
		snprintf(why, why_len, "its %s at %#llx-%#llx overlaps the %s at %#llx-%#llx", what,
			 (unsigned long long)start, (unsigned long long)(start + len), other->what,
			 (unsigned long long)other->start, (unsigned long long)other->end);
		return -1;
	}
	if (record(map, start, start + len, what)) {
		snprintf(why, why_len, "it has too many parts");
		return -1;
	}
	return 0;
}

/* The highest start in one piece of RAM below @limit; claims in the way push it down. */
static bool fit_in(const struct memmap *map, const struct memmap_entry *e, uint64_t len,
		   uint64_t align, uint64_t limit, uint64_t *start)
{
	const struct memmap_claim *other;
	uint64_t end = e->start + e->len;

	if (e->type != MEMMAP_RAM || e->start < MEM_1M)
		return false;
	if (end > limit)
		end = limit;
	while (end > e->start && end - e->start >= len) {
		*start = (end - len) & ~(align - 1);
		if (*start < e->start)
			return false;
		other = find_overlap(map, *start, *start + len);
		if (!other)
			return true;
		end = other->start;
	}
	return false;
}

int memmap_claim_top(struct memmap *map, uint64_t len, uint64_t align, uint64_t limit,
		     const char *what, uint64_t *start)
{
	unsigned int i;

	for (i = map->count; i-- > 0;) {
		if (fit_in(map, &map->entry[i], len, align, limit, start))
			return record(map, *start, *start + len, what);
	}
	return -1;
}
