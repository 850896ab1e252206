/* SPDX-License-Identifier: GPL-2.0 */
/* ELF executables for x86, 32-bit and 64-bit, as kernels are linked. */
#ifndef VMCTL_ELF_LOAD_H
#define VMCTL_ELF_LOAD_H

#include "boot.h"

/**
 * elf_pvh_entry() - look for the note that names a PVH entry point
 * @img: any file
 * @entry: the 32-bit physical entry point
 * @err: EX_DATAERR for an ELF file with broken headers
 *
 * Return: 1 when found, 0 when it is no ELF file or has no such note, -1 on errors.
 */
int elf_pvh_entry(const struct image *img, uint64_t *entry, struct error *err);

/**
 * elf_load() - put the segments where their physical addresses say
 * @boot: memory to load into
 * @img: an ELF file
 * @entry: the ELF entry point as a physical address
 * @err: EX_DATAERR
 *
 * Return: 0 or -1.
 */
int elf_load(struct boot *boot, const struct image *img, uint64_t *entry, struct error *err);

/**
 * elf_is() - does the file begin like an ELF file?
 * @img: any file
 */
bool elf_is(const struct image *img);

#endif
