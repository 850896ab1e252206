/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Guest memory: where it lies in guest-physical space, and in this process.
 *
 * A PC has a hole below 4 GiB for devices, so memory beyond MEM_LOW_MAX continues at 4 GiB.
 */
#ifndef VMCTL_MEMORY_H
#define VMCTL_MEMORY_H

#include <stdint.h>

#include "../units.h"

#define MEM_LOW_MAX   (3 * GiB)
#define MEM_HIGH_BASE (4 * GiB)
#define MEM_MIN       (2 * MiB)
#define MEM_MAX       (512 * GiB)

/**
 * struct guest_mem - the memory of one VM
 * @base: where guest-physical address 0 is mapped; high memory follows low memory at once
 * @low: bytes from guest-physical 0
 * @high: bytes from guest-physical MEM_HIGH_BASE
 * @map: the mapping, which may begin before @base for alignment
 * @map_len: its length in bytes
 */
struct guest_mem {
	uint8_t *base;
	uint64_t low;
	uint64_t high;
	void *map;
	uint64_t map_len;
};

/**
 * guest_mem_alloc() - reserve memory for a guest
 * @mem: filled in
 * @size: bytes, a multiple of the page size
 *
 * The memory is zero and takes no host memory before it is touched; huge pages are asked for.
 *
 * Return: 0 or -errno of mmap().
 */
int guest_mem_alloc(struct guest_mem *mem, uint64_t size);
void guest_mem_free(struct guest_mem *mem);

/**
 * guest_mem_ptr() - where a guest-physical range is in this process
 * @mem: guest memory
 * @gpa: first guest-physical address
 * @len: bytes
 *
 * Return: pointer to @len bytes, NULL when not all of the range is memory.
 */
void *guest_mem_ptr(const struct guest_mem *mem, uint64_t gpa, uint64_t len);

#endif
