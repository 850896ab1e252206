// SPDX-License-Identifier: GPL-2.0
/*
 * PVH direct boot: Xen's documentation, misc/pvh.html, and its public header
 * arch-x86/hvm/start_info.h. Entered in 32-bit protected mode with EBX = hvm_start_info.
 */
#include <stddef.h>
#include <string.h>

#include "boot.h"
#include "elf_load.h"

#define START_MAGIC   0x336ec578
#define START_VERSION 1

struct start_info {
	uint32_t magic;
	uint32_t version;
	uint32_t flags;
	uint32_t nr_modules;
	uint64_t modlist;
	uint64_t cmdline;
	uint64_t rsdp;
	uint64_t memmap;
	uint32_t memmap_entries;
	uint32_t reserved;
};

struct start_module {
	uint64_t addr;
	uint64_t size;
	uint64_t cmdline;
	uint64_t reserved;
};

struct start_memmap {
	uint64_t addr;
	uint64_t size;
	uint32_t type;
	uint32_t reserved;
};

/* What lies at BOOT_INFO. */
struct pvh_info {
	struct start_info start;
	struct start_module module[BOOT_MODULES_MAX];
	struct start_memmap memmap[MEMMAP_MAX];
};

_Static_assert(sizeof(struct start_info) == 56, "hvm_start_info of version 1");
_Static_assert(sizeof(struct pvh_info) <= BOOT_INFO_END - BOOT_INFO, "fits before boot_params");

static int fill_modules(struct boot *boot, struct pvh_info *info, struct error *err)
{
	const struct boot_module *mod;
	struct start_module *m;
	unsigned int i;

	for (i = 0; i < boot->modules; i++) {
		mod = &boot->module[i];
		m = &info->module[i];
		m->addr = mod->addr;
		m->size = mod->len;
		if (*mod->args && boot_string(boot, mod->args, "", &m->cmdline, err))
			return -1;
	}
	info->start.nr_modules = boot->modules;
	info->start.modlist = BOOT_INFO + offsetof(struct pvh_info, module);
	return 0;
}

static void fill_memmap(const struct boot *boot, struct pvh_info *info)
{
	const struct memmap_entry *e;
	unsigned int i;

	for (i = 0; i < boot->map.count; i++) {
		e = &boot->map.entry[i];
		info->memmap[i] = (struct start_memmap){ e->start, e->len, e->type, 0 };
	}
	info->start.memmap_entries = boot->map.count;
	info->start.memmap = BOOT_INFO + offsetof(struct pvh_info, memmap);
}

int pvh_load(struct boot *boot, const struct image *img, uint64_t entry, struct error *err)
{
	struct pvh_info *info = guest_mem_ptr(boot->mem, BOOT_INFO, sizeof(*info));
	uint64_t unused;

	if (elf_load(boot, img, &unused, err))
		return -1;
	if (entry > UINT32_MAX || !guest_mem_ptr(boot->mem, entry, 1))
		return image_bad(img, err,
				 "its PVH entry point %#llx lies outside the guest's memory",
				 (unsigned long long)entry);
	/* The guest reads modules before it has page tables: they must lie below 4 GiB. */
	if (boot_load_modules(boot, MEM_LOW_MAX, err))
		return -1;

	memset(info, 0, sizeof(*info));
	info->start.magic = START_MAGIC;
	info->start.version = START_VERSION;
	info->start.rsdp = boot->rsdp;
	if (boot_string(boot, boot->cmdline, "", &info->start.cmdline, err))
		return -1;
	if (fill_modules(boot, info, err))
		return -1;
	fill_memmap(boot, info);

	boot->protocol = "PVH";
	boot->entry = entry;
	boot->rbx = BOOT_INFO;
	return 0;
}
