// SPDX-License-Identifier: GPL-2.0
#include "boot.h"

#include <stdio.h>
#include <string.h>

#include "elf_load.h"

#define PAGE 4096ULL

/* Descriptors, AMD64 APM vol. 2, 4.7: flat code, flat data, and a TSS that nobody uses. */
#define GDT_CODE64 0x00af9b000000ffffULL
#define GDT_CODE32 0x00cf9b000000ffffULL
#define GDT_DATA   0x00cf93000000ffffULL
#define GDT_TSS    0x00008b0000000067ULL

#define PTE_PRESENT 0x01ULL
#define PTE_WRITE   0x02ULL
#define PTE_LARGE   0x80ULL

int boot_claim(struct boot *boot, const struct image *img, uint64_t start, uint64_t len,
	       const char *what, struct error *err)
{
	char why[256], size[24];

	if (!memmap_claim(&boot->map, start, len, what, why, sizeof(why)))
		return 0;
	return image_bad(img, err, "%s (memory: %s)", why,
			 size_print(boot->mem->low + boot->mem->high, size, sizeof(size)));
}

static int load_module(struct boot *boot, struct boot_module *mod, const char *kind, uint64_t limit,
		       struct error *err)
{
	struct image img;
	char size[24];
	int ret = -1;

	if (image_open(&img, mod->path, kind, err))
		return -1;
	mod->len = img.size;
	if (memmap_claim_top(&boot->map, img.size, PAGE, limit, kind, &mod->addr)) {
		image_bad(&img, err,
			  "its %llu bytes do not fit in the memory of %s beside the kernel",
			  (unsigned long long)img.size,
			  size_print(boot->mem->low + boot->mem->high, size, sizeof(size)));
		goto out;
	}
	ret = image_read(&img, 0, guest_mem_ptr(boot->mem, mod->addr, mod->len), mod->len,
			 "contents", err);
out:
	image_close(&img);
	return ret;
}

int boot_load_modules(struct boot *boot, uint64_t limit, struct error *err)
{
	const char *kind;
	unsigned int i;

	for (i = 0; i < boot->modules; i++) {
		kind = !i && boot->has_initrd ? "initrd" : "module";
		if (load_module(boot, &boot->module[i], kind, limit, err))
			return -1;
	}
	return 0;
}

int boot_string(struct boot *boot, const char *a, const char *b, uint64_t *addr, struct error *err)
{
	size_t room = BOOT_DATA_END - boot->string_end;
	size_t len = strlen(a) + strlen(b) + 2;

	if (len > room)
		return fault(err, EX_USAGE, "the command lines take more than %llu bytes",
			     (unsigned long long)(BOOT_DATA_END - BOOT_STRINGS));
	*addr = boot->string_end;
	snprintf(guest_mem_ptr(boot->mem, *addr, len), len, "%s%s%s", a, *a && *b ? " " : "", b);
	boot->string_end += len;
	return 0;
}

static void write_gdt(struct boot *boot)
{
	uint64_t *gdt = guest_mem_ptr(boot->mem, BOOT_GDT, 8 * 8);

	gdt[BOOT_CS / 8] = boot->long_mode ? GDT_CODE64 : GDT_CODE32;
	gdt[BOOT_DS / 8] = GDT_DATA;
	gdt[BOOT_TSS / 8] = GDT_TSS;
}

/* One PML4, one PDPT and four page directories map the first 4 GiB onto themselves. */
static void write_page_tables(struct boot *boot)
{
	uint64_t *table = guest_mem_ptr(boot->mem, BOOT_PAGETABLE, 6 * PAGE);
	uint64_t i;

	table[0] = (BOOT_PAGETABLE + PAGE) | PTE_PRESENT | PTE_WRITE;
	for (i = 0; i < 4; i++)
		table[512 + i] = (BOOT_PAGETABLE + (2 + i) * PAGE) | PTE_PRESENT | PTE_WRITE;
	for (i = 0; i < 4 * 512; i++)
		table[1024 + i] = i * 2 * MiB | PTE_PRESENT | PTE_WRITE | PTE_LARGE;
}

static int load_kernel(struct boot *boot, const struct image *img, struct error *err)
{
	uint64_t entry;
	int ret;

	ret = bzimage_probe(img, err);
	if (ret)
		return ret < 0 ? -1 : bzimage_load(boot, img, err);
	ret = elf_pvh_entry(img, &entry, err);
	if (ret)
		return ret < 0 ? -1 : pvh_load(boot, img, entry, err);
	ret = multiboot_probe(img, err);
	if (ret)
		return ret < 0 ? -1 : multiboot_load(boot, img, err);
	return image_bad(img, err,
			 "not a kernel: neither a bzImage, nor ELF for PVH, nor multiboot");
}

/* What kernels look up in the BIOS data area: where memory below 640 KiB ends. */
static void write_bios_data(struct boot *boot)
{
	const uint16_t segment = MEM_EBDA >> 4, kilobytes = MEM_EBDA / KiB;

	memcpy(guest_mem_ptr(boot->mem, BDA_EBDA_SEGMENT, 2), &segment, 2);
	memcpy(guest_mem_ptr(boot->mem, BDA_BASE_MEMORY, 2), &kilobytes, 2);
	/* The extended area begins with its own size in KiB. */
	*(uint8_t *)guest_mem_ptr(boot->mem, MEM_EBDA, 1) = (MEM_VGA - MEM_EBDA) / KiB;
}

int boot_load(struct boot *boot, struct error *err)
{
	struct image img;
	char why[256];
	int ret;

	memmap_init(&boot->map, boot->mem);
	boot->string_end = BOOT_STRINGS;
	if (memmap_claim(&boot->map, 0, BOOT_DATA_END, "boot data", why, sizeof(why)))
		return fault(err, EX_SOFTWARE, "boot data: %s", why);
	if (image_open(&img, boot->kernel, "kernel", err))
		return -1;
	ret = load_kernel(boot, &img, err);
	image_close(&img);
	if (ret)
		return -1;
	write_gdt(boot);
	write_bios_data(boot);
	if (boot->long_mode)
		write_page_tables(boot);
	return 0;
}
