// SPDX-License-Identifier: GPL-2.0
#include "memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE (2 * MiB)

static void *reserve(uint64_t len)
{
	return mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		    -1, 0);
}

/* Host and guest addresses agree modulo 2 MiB, else no huge page could back the guest. */
static uint8_t *huge_aligned(void *map)
{
	return (uint8_t *)(((uintptr_t)map + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1));
}

int guest_mem_alloc(struct guest_mem *mem, uint64_t size)
{
	uint64_t len = size + HUGE_PAGE;
	void *map = reserve(len);

	memset(mem, 0, sizeof(*mem));
	if (map == MAP_FAILED)
		return -errno;

	mem->map = map;
	mem->map_len = len;
	mem->base = huge_aligned(map);
	mem->low = size < MEM_LOW_MAX ? size : MEM_LOW_MAX;
	mem->high = size - mem->low;
	/* Advice only: a kernel without huge pages, or one that forbids them, runs as well. */
	(void)madvise(mem->base, size, MADV_HUGEPAGE);
	return 0;
}

void guest_mem_free(struct guest_mem *mem)
{
	if (mem->map)
		munmap(mem->map, mem->map_len);
	if (mem->plug_map)
		munmap(mem->plug_map, mem->plug_size + HUGE_PAGE);
	free(mem->plugged);
	memset(mem, 0, sizeof(*mem));
}

int guest_mem_add_region(struct guest_mem *mem, uint64_t size)
{
	uint64_t end = MEM_HIGH_BASE + mem->high;
	void *map = reserve(size + HUGE_PAGE);

	if (map == MAP_FAILED)
		return -errno;
	mem->plug_map = map;
	mem->plug_size = size;
	mem->plug_base = huge_aligned(map);
	mem->plug_start = (end + MEM_PLUG_ALIGN - 1) & ~(MEM_PLUG_ALIGN - 1);
	mem->plugged = calloc(size / MEM_BLOCK, sizeof(*mem->plugged));
	if (!mem->plugged)
		return -ENOMEM;
	(void)madvise(mem->plug_base, size, MADV_HUGEPAGE);
	return 0;
}

uint64_t guest_mem_plugged(const struct guest_mem *mem, uint64_t first, uint64_t count)
{
	uint64_t i, n = 0;

	for (i = first; i < first + count; i++)
		n += atomic_load(&mem->plugged[i]);
	return n;
}

void guest_mem_plug(struct guest_mem *mem, uint64_t first, uint64_t count, bool on)
{
	uint64_t i;

	for (i = first; i < first + count; i++)
		atomic_store(&mem->plugged[i], on);
}

int guest_mem_discard(struct guest_mem *mem, uint64_t first, uint64_t count)
{
	uint8_t *start = mem->plug_base + first * MEM_BLOCK;

	return madvise(start, count * MEM_BLOCK, MADV_DONTNEED) ? -errno : 0;
}

/* All blocks that the range touches must be memory. */
static void *plugged_ptr(const struct guest_mem *mem, uint64_t gpa, uint64_t len)
{
	uint64_t off = gpa - mem->plug_start, first, last;

	if (!mem->plugged || gpa < mem->plug_start || off >= mem->plug_size ||
	    len > mem->plug_size - off)
		return NULL;
	first = off / MEM_BLOCK;
	last = (off + (len ? len - 1 : 0)) / MEM_BLOCK;
	if (guest_mem_plugged(mem, first, last - first + 1) != last - first + 1)
		return NULL;
	return mem->plug_base + off;
}

void *guest_mem_ptr(const struct guest_mem *mem, uint64_t gpa, uint64_t len)
{
	if (gpa <= mem->low && len <= mem->low - gpa)
		return mem->base + gpa;
	if (gpa < MEM_HIGH_BASE)
		return NULL;
	if (gpa - MEM_HIGH_BASE <= mem->high && len <= mem->high - (gpa - MEM_HIGH_BASE))
		return mem->base + mem->low + (gpa - MEM_HIGH_BASE);
	return plugged_ptr(mem, gpa, len);
}
