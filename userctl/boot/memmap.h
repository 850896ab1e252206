/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The map of guest-physical memory that the guest is told, and who uses what of it at boot.
 *
 *	0x000400	BIOS data area
 *	0x000500	GDT and TSS of the entry state
 *	0x001000	hvm_start_info or multiboot_info with what they point to
 *	0x007000	boot_params
 *	0x009000	identity page tables, 6 pages
 *	0x010000	command line, module command lines
 *	0x020000	free
 *	0x09fc00	reserved (EBDA)
 *	0x0e0000	ACPI tables, reserved
 *	0x100000	free up to the hole at 3 GiB, and from 4 GiB on
 */
#ifndef VMCTL_MEMMAP_H
#define VMCTL_MEMMAP_H

#include <stdint.h>

#include "../error.h"
#include "../libvmm/memory.h"

#define BDA_EBDA_SEGMENT 0x40eULL
#define BDA_BASE_MEMORY  0x413ULL

#define BOOT_GDT       0x500ULL
#define BOOT_INFO      0x1000ULL
#define BOOT_INFO_END  0x7000ULL
#define BOOT_PARAMS    0x7000ULL
#define BOOT_PAGETABLE 0x9000ULL
#define BOOT_STRINGS   0x10000ULL
#define BOOT_DATA_END  0x20000ULL
#define MEM_EBDA       0x9fc00ULL
#define MEM_VGA        0xa0000ULL
#define MEM_ACPI       0xe0000ULL
#define MEM_1M         0x100000ULL
#define MEM_TSS        0xfffbd000ULL
#define MEM_IDENTITY   0xfffbc000ULL

/* The numbers are those of E820, hvm_memmap and multiboot alike. */
enum memmap_type { MEMMAP_RAM = 1, MEMMAP_RESERVED = 2 };

struct memmap_entry {
	uint64_t start;
	uint64_t len;
	enum memmap_type type;
};

#define MEMMAP_MAX 8
#define CLAIMS_MAX 40

/**
 * struct memmap - the map of one guest
 * @entry: sorted, without overlap
 * @count: how many
 * @claim: ranges of memory that boot data occupies
 * @claims: how many
 */
struct memmap {
	struct memmap_entry entry[MEMMAP_MAX];
	unsigned int count;
	struct memmap_claim {
		uint64_t start, end;
		const char *what;
	} claim[CLAIMS_MAX];
	unsigned int claims;
};

void memmap_init(struct memmap *map, const struct guest_mem *mem);

/**
 * memmap_claim() - take a fixed range
 * @map: the map
 * @start: first byte
 * @len: bytes, not zero
 * @what: name of the contents
 * @why: bytes for the reason why not
 * @why_len: size of @why
 *
 * Return: 0; -1 with @why filled in when it is not all RAM or somebody has it.
 */
int memmap_claim(struct memmap *map, uint64_t start, uint64_t len, const char *what, char *why,
		 size_t why_len);

/**
 * memmap_claim_top() - take the highest free range
 * @map: the map
 * @len: bytes, not zero
 * @align: alignment of the start, a power of two
 * @limit: the range ends at or below this address
 * @what: name of the contents
 * @start: where it is
 *
 * Memory below 1 MiB is left alone.
 *
 * Return: 0, -1 when there is no room.
 */
int memmap_claim_top(struct memmap *map, uint64_t len, uint64_t align, uint64_t limit,
		     const char *what, uint64_t *start);

#endif
