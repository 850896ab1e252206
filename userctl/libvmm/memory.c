// SPDX-License-Identifier: GPL-2.0
#include "memory.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE (2 * MiB)

int guest_mem_alloc(struct guest_mem *mem, uint64_t size)
{
	uint64_t len = size + HUGE_PAGE;
	void *map;

	memset(mem, 0, sizeof(*mem));
	map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		   -1, 0);
	if (map == MAP_FAILED)
		return -errno;

	mem->map = map;
	mem->map_len = len;
	/* Host and guest addresses agree modulo 2 MiB, else no huge page could back the guest. */
	mem->base = (uint8_t *)(((uintptr_t)map + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1));
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
	memset(mem, 0, sizeof(*mem));
}

void *guest_mem_ptr(const struct guest_mem *mem, uint64_t gpa, uint64_t len)
{
	if (gpa <= mem->low && len <= mem->low - gpa)
		return mem->base + gpa;
	if (gpa < MEM_HIGH_BASE)
		return NULL;
	gpa -= MEM_HIGH_BASE;
	if (gpa <= mem->high && len <= mem->high - gpa)
		return mem->base + mem->low + gpa;
	return NULL;
}
