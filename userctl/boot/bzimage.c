// SPDX-License-Identifier: GPL-2.0
/* Linux Documentation/arch/x86/boot.rst (boot protocol 2.x) and zero-page.rst. */
#include <asm/bootparam.h>
#include <stddef.h>
#include <string.h>

#include "boot.h"

#define SECTOR         512ULL
#define PARAGRAPH      16ULL
#define SETUP_OFF      0x1f1
#define SETUP_MAX      0x290 /* the header may not grow beyond the e820 table's place */
#define BOOT_FLAG      0xaa55
#define HDRS_MAGIC     0x53726448 /* "HdrS" */
#define LOADER_OTHER   0xff
#define PROTO_MIN      0x0202 /* the oldest with cmd_line_ptr */
#define ENTRY_64       0x200
#define INITRD_MAX_OLD 0x37ffffffULL
#define CMDLINE_OLD    255

struct layout {
	struct setup_header hdr;
	uint32_t hdr_len;
	uint64_t payload_off;
	uint64_t payload_len;
	uint64_t load;
	uint64_t span;
};

int bzimage_probe(const struct image *img, struct error *err)
{
	struct {
		uint16_t boot_flag;
		uint16_t jump;
		uint32_t magic;
	} sig;

	if (img->size < 0x1fe + sizeof(sig))
		return 0;
	if (image_read(img, 0x1fe, &sig, sizeof(sig), "boot sector", err))
		return -1;
	return sig.boot_flag == BOOT_FLAG && sig.magic == HDRS_MAGIC;
}

static int read_header(const struct image *img, struct layout *l, struct error *err)
{
	uint8_t len;

	/* The header's length is told by the jump over it (boot.rst, "setup_header"). */
	if (image_read(img, 0x201, &len, 1, "boot sector", err))
		return -1;
	l->hdr_len = 0x202 + len - SETUP_OFF;
	if (l->hdr_len > SETUP_MAX - SETUP_OFF)
		return image_bad(img, err, "its setup header is %u bytes long", l->hdr_len);
	if (l->hdr_len > sizeof(l->hdr))
		l->hdr_len = sizeof(l->hdr);
	memset(&l->hdr, 0, sizeof(l->hdr));
	if (image_read(img, SETUP_OFF, &l->hdr, l->hdr_len, "setup header", err))
		return -1;
	if (l->hdr.version < PROTO_MIN)
		return image_bad(img, err, "its boot protocol %u.%02u is older than 2.02",
				 l->hdr.version >> 8, l->hdr.version & 0xff);
	if (!(l->hdr.loadflags & LOADED_HIGH))
		return image_bad(img, err, "a zImage, loaded below 1 MiB, is not supported");
	return 0;
}

static int find_payload(const struct image *img, struct layout *l, struct error *err)
{
	uint64_t setup = (l->hdr.setup_sects ? l->hdr.setup_sects : 4) + 1ULL, have;

	l->payload_off = setup * SECTOR;
	/* Before 2.04 the upper half of the size was not written. */
	l->payload_len =
		(l->hdr.version >= 0x204 ? l->hdr.syssize : l->hdr.syssize & 0xffff) * PARAGRAPH;
	if (!l->payload_len)
		return image_bad(img, err, "its header says that the kernel is 0 bytes long");
	have = l->payload_off > img->size ? 0 : img->size - l->payload_off;
	/* The size is told in paragraphs: the last one need not be whole (memtest86+). */
	if (have < l->payload_len && l->payload_len - have < PARAGRAPH)
		l->payload_len = have;
	if (have < l->payload_len)
		return image_bad(img, err,
				 "truncated: its header promises %llu bytes, the file has %llu",
				 (unsigned long long)(l->payload_off + l->payload_len),
				 (unsigned long long)img->size);
	return 0;
}

static bool try_place(struct boot *boot, struct layout *l, uint64_t addr)
{
	char why[256];

	/* The page tables of the entry state do not reach beyond 4 GiB. */
	if (addr > MEM_LOW_MAX)
		return false;
	l->load = addr;
	return !memmap_claim(&boot->map, addr, l->span, "kernel", why, sizeof(why));
}

/* A relocatable kernel prefers pref_address, and may run at any multiple of its alignment. */
static int place_kernel(struct boot *boot, const struct image *img, struct layout *l,
			struct error *err)
{
	uint64_t align = l->hdr.kernel_alignment;
	bool modern = l->hdr.version >= 0x20a;

	l->span = l->payload_len;
	if (modern && l->hdr.init_size > l->span)
		l->span = l->hdr.init_size;
	if (modern && try_place(boot, l, l->hdr.pref_address))
		return 0;
	if (modern && !l->hdr.relocatable_kernel && l->hdr.pref_address > MEM_LOW_MAX)
		return image_bad(img, err, "it must be loaded above 3 GiB");
	if (modern && !l->hdr.relocatable_kernel)
		return boot_claim(boot, img, l->hdr.pref_address, l->span, "kernel", err);
	if (!modern || !align || (align & (align - 1)) || align > GiB)
		align = MiB;
	if (align < MiB)
		align = MiB;
	if (try_place(boot, l, align))
		return 0;
	return boot_claim(boot, img, align, l->span, "kernel", err);
}

static int load_initrd(struct boot *boot, const struct image *img, const struct layout *l,
		       struct error *err)
{
	uint64_t limit = MEM_LOW_MAX;
	uint64_t max = l->hdr.version >= 0x203 ? l->hdr.initrd_addr_max : INITRD_MAX_OLD;

	if (boot->modules > boot->has_initrd)
		return fault(err, EX_USAGE,
			     "kernel %s: a Linux bzImage takes an initrd, but no modules",
			     img->path);
	if (max + 1 < limit)
		limit = max + 1;
	return boot_load_modules(boot, limit, err);
}

static int store_cmdline(struct boot *boot, const struct image *img, const struct layout *l,
			 uint64_t *addr, struct error *err)
{
	uint32_t max = l->hdr.version >= 0x206 ? l->hdr.cmdline_size : CMDLINE_OLD;
	size_t len = strlen(boot->cmdline);

	if (len > max)
		return fault(err, EX_USAGE,
			     "the command line has %zu bytes, kernel %s takes at most %u", len,
			     img->path, max);
	return boot_string(boot, boot->cmdline, "", addr, err);
}

static void fill_e820(const struct boot *boot, struct boot_params *zero)
{
	const struct memmap_entry *e;
	unsigned int i;

	for (i = 0; i < boot->map.count; i++) {
		e = &boot->map.entry[i];
		zero->e820_table[i] = (struct boot_e820_entry){ e->start, e->len, e->type };
	}
	zero->e820_entries = (uint8_t)boot->map.count;
}

static void fill_zero_page(struct boot *boot, const struct layout *l, uint64_t cmdline)
{
	struct boot_params *zero = guest_mem_ptr(boot->mem, BOOT_PARAMS, sizeof(*zero));
	struct setup_header *hdr = &zero->hdr;

	memset(zero, 0, sizeof(*zero));
	memcpy(hdr, &l->hdr, l->hdr_len);
	hdr->type_of_loader = LOADER_OTHER;
	hdr->vid_mode = 0xffff; /* "normal" */
	hdr->code32_start = (uint32_t)l->load;
	hdr->cmd_line_ptr = (uint32_t)cmdline;
	if (boot->has_initrd) {
		hdr->ramdisk_image = (uint32_t)boot->module[0].addr;
		hdr->ramdisk_size = (uint32_t)boot->module[0].len;
	}
	zero->acpi_rsdp_addr = boot->rsdp;
	fill_e820(boot, zero);
}

int bzimage_load(struct boot *boot, const struct image *img, struct error *err)
{
	struct layout l;
	uint64_t cmdline;

	if (read_header(img, &l, err) || find_payload(img, &l, err) ||
	    place_kernel(boot, img, &l, err))
		return -1;
	if (image_read(img, l.payload_off, guest_mem_ptr(boot->mem, l.load, l.span), l.payload_len,
		       "kernel", err))
		return -1;
	if (load_initrd(boot, img, &l, err) || store_cmdline(boot, img, &l, &cmdline, err))
		return -1;
	fill_zero_page(boot, &l, cmdline);

	boot->long_mode = l.hdr.version >= 0x20c && (l.hdr.xloadflags & XLF_KERNEL_64);
	boot->protocol = boot->long_mode ? "Linux 64-bit" : "Linux 32-bit";
	boot->entry = l.load + (boot->long_mode ? ENTRY_64 : 0);
	boot->rsi = BOOT_PARAMS;
	return 0;
}
