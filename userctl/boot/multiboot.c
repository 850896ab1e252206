// SPDX-License-Identifier: GPL-2.0
/* Multiboot Specification version 0.6.96, sections 3.1 to 3.3. */
#include <stddef.h>
#include <string.h>

#include "boot.h"
#include "elf_load.h"

#define HEADER_MAGIC 0x1badb002
#define LOADER_MAGIC 0x2badb002
#define SEARCH_LEN   8192

/* Requirements that a loader must refuse when it does not know them are bits 0 to 15. */
#define HDR_PAGE_ALIGN 0x00000001
#define HDR_MEMORY     0x00000002
#define HDR_VIDEO      0x00000004
#define HDR_KNOWN      (HDR_PAGE_ALIGN | HDR_MEMORY | HDR_VIDEO)
#define HDR_REQUIRED   0x0000ffff
#define HDR_ADDRESSES  0x00010000

#define INFO_MEMORY  0x001
#define INFO_CMDLINE 0x004
#define INFO_MODULES 0x008
#define INFO_MMAP    0x040
#define INFO_LOADER  0x200

struct mb_header {
	uint32_t magic, flags, checksum;
	uint32_t header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr;
};

struct mb_info {
	uint32_t flags, mem_lower, mem_upper, boot_device, cmdline;
	uint32_t mods_count, mods_addr, syms[4], mmap_length, mmap_addr;
	uint32_t drives_length, drives_addr, config_table, boot_loader_name, apm_table;
};

struct mb_module {
	uint32_t start, end, string, reserved;
};

struct mb_mmap {
	uint32_t size; /* of the rest */
	uint64_t addr, len;
	uint32_t type;
} __attribute__((packed));

/* What lies at BOOT_INFO. */
struct mb_data {
	struct mb_info info;
	struct mb_module module[BOOT_MODULES_MAX];
	struct mb_mmap mmap[MEMMAP_MAX];
};

_Static_assert(sizeof(struct mb_data) <= BOOT_INFO_END - BOOT_INFO, "fits before boot_params");

/* Returns 1 and the header and its place in the file, 0 when there is none, -1 on errors. */
static int find_header(const struct image *img, struct mb_header *hdr, uint64_t *where,
		       struct error *err)
{
	uint8_t buf[SEARCH_LEN + sizeof(*hdr)] = { 0 };
	uint64_t len = img->size < sizeof(buf) ? img->size : sizeof(buf);
	uint64_t off;

	if (image_read(img, 0, buf, len, "header", err))
		return -1;
	for (off = 0; off + 12 <= SEARCH_LEN && off + 12 <= len; off += 4) {
		memcpy(hdr, buf + off, sizeof(*hdr));
		if (hdr->magic == HEADER_MAGIC && !(hdr->magic + hdr->flags + hdr->checksum)) {
			*where = off;
			return 1;
		}
	}
	return 0;
}

int multiboot_probe(const struct image *img, struct error *err)
{
	struct mb_header hdr;
	uint64_t where;

	return find_header(img, &hdr, &where, err);
}

/* "a.out kludge": the header itself says what of the file goes where. */
static int load_by_addresses(struct boot *boot, const struct image *img,
			     const struct mb_header *hdr, uint64_t where, struct error *err)
{
	uint64_t before, off, len, end;

	if (hdr->header_addr < hdr->load_addr || hdr->header_addr - hdr->load_addr > where)
		return image_bad(img, err,
				 "its multiboot header places it before the file's start");
	before = hdr->header_addr - hdr->load_addr;
	off = where - before;
	end = hdr->load_end_addr;
	if (!end)
		end = hdr->load_addr + (img->size - off);
	if (end <= hdr->load_addr)
		return image_bad(img, err, "its multiboot header ends the text before it begins");
	len = end - hdr->load_addr;
	if (hdr->bss_end_addr && hdr->bss_end_addr < end)
		return image_bad(img, err, "its multiboot header ends the bss before it begins");
	if (hdr->bss_end_addr)
		end = hdr->bss_end_addr;
	if (boot_claim(boot, img, hdr->load_addr, end - hdr->load_addr, "image", err))
		return -1;
	boot->entry = hdr->entry_addr;
	return image_read(img, off, guest_mem_ptr(boot->mem, hdr->load_addr, len), len, "image",
			  err);
}

static int load_image(struct boot *boot, const struct image *img, struct error *err)
{
	struct mb_header hdr;
	uint64_t where;

	if (find_header(img, &hdr, &where, err) < 1)
		return -1;
	if (hdr.flags & HDR_REQUIRED & ~HDR_KNOWN)
		return image_bad(img, err, "its multiboot header requires unknown features (%#x)",
				 hdr.flags & HDR_REQUIRED & ~HDR_KNOWN);
	if (hdr.flags & HDR_ADDRESSES)
		return load_by_addresses(boot, img, &hdr, where, err);
	if (!elf_is(img))
		return image_bad(img, err,
				 "its multiboot header has no addresses, and it is no ELF file");
	return elf_load(boot, img, &boot->entry, err);
}

static int fill_modules(struct boot *boot, struct mb_data *data, struct error *err)
{
	const struct boot_module *mod;
	uint64_t string;
	unsigned int i;

	for (i = 0; i < boot->modules; i++) {
		mod = &boot->module[i];
		if (boot_string(boot, mod->path, mod->args, &string, err))
			return -1;
		data->module[i].start = (uint32_t)mod->addr;
		data->module[i].end = (uint32_t)(mod->addr + mod->len);
		data->module[i].string = (uint32_t)string;
	}
	data->info.flags |= INFO_MODULES;
	data->info.mods_count = boot->modules;
	data->info.mods_addr = BOOT_INFO + offsetof(struct mb_data, module);
	return 0;
}

static void fill_memory(const struct boot *boot, struct mb_data *data)
{
	const struct memmap_entry *e;
	unsigned int i;

	for (i = 0; i < boot->map.count; i++) {
		e = &boot->map.entry[i];
		data->mmap[i] =
			(struct mb_mmap){ sizeof(struct mb_mmap) - 4, e->start, e->len, e->type };
	}
	data->info.flags |= INFO_MEMORY | INFO_MMAP;
	data->info.mem_lower = (uint32_t)(MEM_EBDA / KiB);
	data->info.mem_upper = (uint32_t)((boot->mem->low - MEM_1M) / KiB);
	data->info.mmap_addr = BOOT_INFO + offsetof(struct mb_data, mmap);
	data->info.mmap_length = (uint32_t)(boot->map.count * sizeof(struct mb_mmap));
}

static int fill_strings(struct boot *boot, struct mb_data *data, struct error *err)
{
	uint64_t addr;

	if (boot_string(boot, boot->kernel, boot->cmdline, &addr, err))
		return -1;
	data->info.cmdline = (uint32_t)addr;
	if (boot_string(boot, "vmctl", "", &addr, err))
		return -1;
	data->info.boot_loader_name = (uint32_t)addr;
	data->info.flags |= INFO_CMDLINE | INFO_LOADER;
	return 0;
}

int multiboot_load(struct boot *boot, const struct image *img, struct error *err)
{
	struct mb_data *data = guest_mem_ptr(boot->mem, BOOT_INFO, sizeof(*data));

	if (load_image(boot, img, err))
		return -1;
	if (boot->entry > UINT32_MAX || !guest_mem_ptr(boot->mem, boot->entry, 1))
		return image_bad(img, err, "its entry point %#llx lies outside the guest's memory",
				 (unsigned long long)boot->entry);
	if (boot_load_modules(boot, MEM_LOW_MAX, err))
		return -1;

	memset(data, 0, sizeof(*data));
	if (fill_strings(boot, data, err) || fill_modules(boot, data, err))
		return -1;
	fill_memory(boot, data);

	boot->protocol = "multiboot";
	boot->rax = LOADER_MAGIC;
	boot->rbx = BOOT_INFO;
	return 0;
}
