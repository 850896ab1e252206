/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Guest memory: where it lies in guest-physical space, and in this process.
 *
 * A PC has a hole below 4 GiB for devices, so memory beyond MEM_LOW_MAX continues at 4 GiB. Behind
 * that there may be a region whose blocks come and go while the guest runs (virtio_mem.h).
 */
#ifndef VMCTL_MEMORY_H
#define VMCTL_MEMORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "../units.h"

#define MEM_LOW_MAX   (3 * GiB)
#define MEM_HIGH_BASE (4 * GiB)
#define MEM_MIN       (2 * MiB)
#define MEM_MAX       (512 * GiB)
#define MEM_BLOCK     (2 * MiB)
/* A guest that has blocks of its own, which are larger, wants the region to begin with one. */
#define MEM_PLUG_ALIGN (1 * GiB)

/**
 * struct guest_mem - the memory of one VM
 * @base: where guest-physical address 0 is mapped; high memory follows low memory at once
 * @low: bytes from guest-physical 0
 * @high: bytes from guest-physical MEM_HIGH_BASE
 * @plug_base: where guest-physical address @plug_start is mapped
 * @plug_map: the mapping, likewise
 * @plug_start: where the region of blocks begins
 * @plug_size: bytes of it, 0: there is none
 * @plugged: for each block, whether it is memory; written by one thread, read by any
 * @map: the mapping, which may begin before @base for alignment
 * @map_len: its length in bytes
 */
struct guest_mem {
	uint8_t *base;
	uint64_t low;
	uint64_t high;
	uint8_t *plug_base;
	void *plug_map;
	uint64_t plug_start, plug_size;
	atomic_bool *plugged;
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
 * guest_mem_add_region() - reserve a region of blocks, none of which is memory yet
 * @mem: what guest_mem_alloc() has filled in
 * @size: bytes, a multiple of MEM_BLOCK
 *
 * Return: 0 or -errno.
 */
int guest_mem_add_region(struct guest_mem *mem, uint64_t size);

/* Blocks of the region, by number, become memory for devices, or are none any more. */
void guest_mem_plug(struct guest_mem *mem, uint64_t first, uint64_t count, bool on);

/* What blocks held is gone, and the host has its memory back: 0 or -errno. */
int guest_mem_discard(struct guest_mem *mem, uint64_t first, uint64_t count);

/* Blocks of some that are memory. */
uint64_t guest_mem_plugged(const struct guest_mem *mem, uint64_t first, uint64_t count);

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
