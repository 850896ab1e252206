/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Loading a guest: from files to memory contents and the state in which the first vCPU starts.
 *
 * boot_load() finds out what the kernel file is and uses the protocol for it:
 *	Linux bzImage	64-bit boot protocol (32-bit for kernels without a 64-bit entry)
 *	ELF with a Xen	PVH direct boot, 32-bit entry with an hvm_start_info
 *	ELF or other	multiboot version 1, 32-bit entry with a multiboot_info
 */
#ifndef VMCTL_BOOT_H
#define VMCTL_BOOT_H

#include <stdbool.h>
#include <stdint.h>

#include "../error.h"
#include "../libvmm/memory.h"
#include "image.h"
#include "memmap.h"

#define BOOT_MODULES_MAX 16

/* Selectors of the descriptor table that boot_load() writes; Linux fixes the first two */
#define BOOT_CS  0x10
#define BOOT_DS  0x18
#define BOOT_TSS 0x20

/**
 * struct boot_module - a file besides the kernel
 * @path: file name
 * @args: its command line, "" for none
 * @addr: where it was loaded
 * @len: bytes
 */
struct boot_module {
	const char *path;
	const char *args;
	uint64_t addr;
	uint64_t len;
};

/**
 * struct boot - what to boot, and after boot_load() how to start
 * @kernel: kernel file name
 * @cmdline: command line of the kernel
 * @module: initrd first, then further modules
 * @modules: how many
 * @has_initrd: the first module was given as initrd
 * @rsdp: guest-physical address of the ACPI root pointer
 * @mem: guest memory
 * @map: who uses what of it
 * @long_mode: start in 64-bit mode with paging, else 32-bit without
 * @entry: first instruction
 * @rax: initial register
 * @rbx: initial register
 * @rsi: initial register
 * @protocol: name of the boot protocol
 * @string_end: end of the strings stored so far
 */
struct boot {
	const char *kernel;
	const char *cmdline;
	struct boot_module module[BOOT_MODULES_MAX];
	unsigned int modules;
	bool has_initrd;
	uint64_t rsdp;
	struct guest_mem *mem;
	struct memmap map;

	bool long_mode;
	uint64_t entry;
	uint64_t rax, rbx, rsi;
	const char *protocol;
	uint64_t string_end;
};

/**
 * boot_load() - load everything into guest memory
 * @boot: inputs filled in, outputs zero
 * @err: EX_NOINPUT, EX_DATAERR, EX_IOERR or EX_USAGE with the file's name and the reason
 *
 * Return: 0 or -1.
 */
int boot_load(struct boot *boot, struct error *err);

/* The protocols. *_probe() answers 1 when the file is theirs, 0 when not, -1 on errors. */
int bzimage_probe(const struct image *img, struct error *err);
int bzimage_load(struct boot *boot, const struct image *img, struct error *err);
int pvh_load(struct boot *boot, const struct image *img, uint64_t entry, struct error *err);
int multiboot_probe(const struct image *img, struct error *err);
int multiboot_load(struct boot *boot, const struct image *img, struct error *err);

/* Shared by the protocols. */

/**
 * boot_claim() - take a fixed range of memory for a part of an image
 * @boot: the boot
 * @img: file that wants it, for the message
 * @start: guest-physical address
 * @len: bytes, not zero
 * @what: name of the part
 * @err: EX_DATAERR
 *
 * Return: 0 or -1.
 */
int boot_claim(struct boot *boot, const struct image *img, uint64_t start, uint64_t len,
	       const char *what, struct error *err);

/**
 * boot_load_modules() - load all modules as high as allowed
 * @boot: the boot
 * @limit: modules end at or below this guest-physical address
 * @err: EX_NOINPUT, EX_DATAERR, EX_IOERR
 *
 * Return: 0 or -1.
 */
int boot_load_modules(struct boot *boot, uint64_t limit, struct error *err);

/**
 * boot_string() - store strings for the guest, joined by a blank unless one is empty
 * @boot: the boot
 * @a: first string
 * @b: second string
 * @addr: where the result is
 * @err: EX_USAGE when the space for strings is used up
 *
 * Return: 0 or -1.
 */
int boot_string(struct boot *boot, const char *a, const char *b, uint64_t *addr, struct error *err);

#endif
