// SPDX-License-Identifier: GPL-2.0
/* Files that are right: where everything lands, and what the guest is told. */
#include <asm/bootparam.h>

#include "images.h"
#include "tap.h"

static struct file kernel, initrd;
static struct trial t;

static void make_initrd(size_t len)
{
	memset(&initrd, 0x42, sizeof(initrd));
	initrd.len = len;
	file_write(&initrd);
}

static const void *at(uint64_t gpa, uint64_t len)
{
	static const uint8_t nothing[FILE_MAX];
	const void *p = guest_mem_ptr(&t.mem, gpa, len);

	CHECK(p);
	return p ? p : nothing;
}

static uint32_t get32(uint64_t gpa)
{
	uint32_t v;

	memcpy(&v, at(gpa, 4), 4);
	return v;
}

static uint64_t get64(uint64_t gpa)
{
	uint64_t v;

	memcpy(&v, at(gpa, 8), 8);
	return v;
}

static void memory_with_hole(void)
{
	struct guest_mem mem;
	struct memmap map;

	CHECK_EQ(guest_mem_alloc(&mem, 5 * GiB), 0);
	CHECK_EQ(mem.low, 3 * GiB);
	CHECK_EQ(mem.high, 2 * GiB);
	CHECK(guest_mem_ptr(&mem, 3 * GiB - 1, 1));
	CHECK(!guest_mem_ptr(&mem, 3 * GiB - 1, 2));
	CHECK(!guest_mem_ptr(&mem, 3 * GiB, 1));
	CHECK(!guest_mem_ptr(&mem, 4 * GiB - 1, 2));
	CHECK(guest_mem_ptr(&mem, 4 * GiB, 1) == mem.base + 3 * GiB);
	CHECK(guest_mem_ptr(&mem, 6 * GiB - 1, 1));
	CHECK(!guest_mem_ptr(&mem, 6 * GiB, 1));
	CHECK(!guest_mem_ptr(&mem, UINT64_MAX, 1));
	CHECK(!guest_mem_ptr(&mem, 4096, UINT64_MAX - 4000));
	CHECK_EQ((uintptr_t)mem.base % (2 * MiB), 0);
	memmap_init(&map, &mem);
	CHECK_EQ(map.entry[map.count - 1].start, 4 * GiB);
	CHECK_EQ(map.entry[map.count - 1].len, 2 * GiB);
	guest_mem_free(&mem);
}

/* The map is sorted, without overlap, and its RAM is all there is but the first MiB's holes. */
static void memory_maps(void)
{
	static const uint64_t sizes[] = { 2 * MiB, 512 * MiB, 3 * GiB, 3 * GiB + 4096, 64 * GiB };
	const struct memmap_entry *e;
	struct guest_mem mem;
	struct memmap map;
	uint64_t end, ram;
	unsigned int i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		CHECK_EQ(guest_mem_alloc(&mem, sizes[i]), 0);
		memmap_init(&map, &mem);
		end = 0;
		ram = 0;
		for (e = map.entry; e < map.entry + map.count; e++) {
			CHECK(e->start >= end && e->len);
			end = e->start + e->len;
			if (e->type == MEMMAP_RAM) {
				CHECK(guest_mem_ptr(&mem, e->start, e->len));
				ram += e->len;
			}
		}
		CHECK_EQ(ram, sizes[i] - (MEM_1M - MEM_EBDA));
		guest_mem_free(&mem);
	}
}

static void claims(void)
{
	struct guest_mem mem;
	struct memmap map;
	uint64_t start;
	char why[256];

	CHECK_EQ(guest_mem_alloc(&mem, 16 * MiB), 0);
	memmap_init(&map, &mem);
	CHECK_EQ(memmap_claim(&map, 4 * MiB, MiB, "a", why, sizeof(why)), 0);
	CHECK_EQ(memmap_claim(&map, 5 * MiB - 1, 1, "b", why, sizeof(why)), -1);
	CHECK_HAS(why, "overlaps the a");
	CHECK_EQ(memmap_claim(&map, 5 * MiB, MiB, "b", why, sizeof(why)), 0);
	CHECK_EQ(memmap_claim(&map, 0xa0000, 1, "c", why, sizeof(why)), -1);
	CHECK_EQ(memmap_claim(&map, 16 * MiB - 1, 2, "c", why, sizeof(why)), -1);
	CHECK_EQ(memmap_claim(&map, UINT64_MAX, 1, "c", why, sizeof(why)), -1);
	CHECK_EQ(memmap_claim(&map, MiB, UINT64_MAX, "c", why, sizeof(why)), -1);
	CHECK_EQ(memmap_claim_top(&map, MiB, 4096, UINT64_MAX, "d", &start), 0);
	CHECK_EQ(start, 15 * MiB);
	CHECK_EQ(memmap_claim_top(&map, 8 * MiB, 4096, UINT64_MAX, "e", &start), 0);
	CHECK_EQ(start, 7 * MiB);
	CHECK_EQ(memmap_claim_top(&map, 2 * MiB, 4096, UINT64_MAX, "f", &start), 0);
	CHECK_EQ(start, 2 * MiB);
	CHECK_EQ(memmap_claim_top(&map, MiB, 4096, 6 * MiB, "g", &start), 0);
	CHECK_EQ(start, MiB);
	CHECK_EQ(memmap_claim_top(&map, 2 * MiB, 4096, UINT64_MAX, "h", &start), -1);
	guest_mem_free(&mem);
}

static void bzimage(void)
{
	const struct boot_params *zero;

	make_bzimage(&kernel);
	make_initrd(5000);
	CHECK_EQ(trial_boot(&t, &kernel, 64 * MiB, "a=b quiet", &initrd), 0);
	CHECK(t.boot.long_mode);
	CHECK_EQ(t.boot.entry, 0x1000200);
	CHECK_EQ(t.boot.rsi, BOOT_PARAMS);
	CHECK(!memcmp(at(0x1000000, BZ_PAYLOAD), kernel.data + 2048, BZ_PAYLOAD));

	zero = at(BOOT_PARAMS, sizeof(*zero));
	CHECK_EQ(zero->hdr.header, 0x53726448);
	CHECK_EQ(zero->hdr.type_of_loader, 0xff);
	CHECK_EQ(zero->acpi_rsdp_addr, MEM_ACPI);
	CHECK(!strcmp(at(zero->hdr.cmd_line_ptr, 16), "a=b quiet"));
	CHECK_EQ(zero->hdr.ramdisk_size, 5000);
	CHECK_EQ(zero->hdr.ramdisk_image, 64 * MiB - 8192);
	CHECK(!memcmp(at(zero->hdr.ramdisk_image, 5000), initrd.data, 5000));
	CHECK_EQ(zero->e820_entries, t.boot.map.count);
	CHECK_EQ(zero->e820_table[0].type, 1);
	CHECK_EQ(zero->e820_table[0].size, MEM_EBDA);
	trial_end(&t);
	file_close(&initrd);
}

/* The entry state's tables: descriptors that the selectors mean, an identity map of 4 GiB. */
static void entry_tables(void)
{
	unsigned int i;

	make_bzimage(&kernel);
	CHECK_EQ(trial_boot(&t, &kernel, 64 * MiB, "", NULL), 0);
	CHECK_EQ(get64(BOOT_GDT + BOOT_CS), 0x00af9b000000ffff);
	CHECK_EQ(get64(BOOT_GDT + BOOT_DS), 0x00cf93000000ffff);
	CHECK_EQ(get64(BOOT_PAGETABLE), (BOOT_PAGETABLE + 4096) | 3);
	for (i = 0; i < 4; i++)
		CHECK_EQ(get64(BOOT_PAGETABLE + 4096 + 8 * i),
			 (BOOT_PAGETABLE + (2 + i) * 4096) | 3);
	for (i = 0; i < 2048; i += 511)
		CHECK_EQ(get64(BOOT_PAGETABLE + 2 * 4096 + 8 * i), (uint64_t)i << 21 | 0x83);
	trial_end(&t);
}

/* The header counts paragraphs: the file may end in the middle of the last one. */
static void bzimage_last_paragraph(void)
{
	make_bzimage(&kernel);
	kernel.len -= 15;
	CHECK_EQ(trial_boot(&t, &kernel, 64 * MiB, "", NULL), 0);
	CHECK(!memcmp(at(0x1000000, BZ_PAYLOAD - 15), kernel.data + 2048, BZ_PAYLOAD - 15));
	trial_end(&t);
}

static void bzimage_placement(void)
{
	/* Too little memory at the preferred address: at its alignment instead. */
	make_bzimage(&kernel);
	CHECK_EQ(trial_boot(&t, &kernel, 8 * MiB, "", NULL), 0);
	CHECK_EQ(t.boot.entry, 0x200200);
	trial_end(&t);

	/* The initrd stays below initrd_addr_max. */
	make_bzimage(&kernel);
	put32(&kernel, 0x22c, 0x2ffffff);
	make_initrd(100);
	CHECK_EQ(trial_boot(&t, &kernel, 128 * MiB, "", &initrd), 0);
	CHECK_EQ(t.boot.module[0].addr, 0x3000000 - 4096);
	trial_end(&t);

	/* And below the hole, wherever it would be allowed. */
	put32(&kernel, 0x22c, 0xffffffff);
	CHECK_EQ(trial_boot(&t, &kernel, 6 * GiB, "", &initrd), 0);
	CHECK_EQ(t.boot.module[0].addr, 3 * GiB - 4096);
	trial_end(&t);

	/* And off the memory that the kernel unpacks itself into. */
	put32(&kernel, 0x22c, 0x11fffff);
	put32(&kernel, 0x260, 0x400000);
	CHECK_EQ(trial_boot(&t, &kernel, 128 * MiB, "", &initrd), 0);
	CHECK_EQ(t.boot.module[0].addr, 0x1000000 - 4096);
	trial_end(&t);
	file_close(&initrd);
}

static void bzimage_without_64_bit_entry(void)
{
	make_bzimage(&kernel);
	put16(&kernel, 0x236, 0);
	CHECK_EQ(trial_boot(&t, &kernel, 64 * MiB, "", NULL), 0);
	CHECK(!t.boot.long_mode);
	CHECK_EQ(t.boot.entry, 0x1000000);
	CHECK_EQ(get64(BOOT_GDT + BOOT_CS), 0x00cf9b000000ffff);
	trial_end(&t);
}

static void pvh(int bits)
{
	uint64_t info, module;

	make_elf(&kernel, bits);
	make_initrd(5000);
	CHECK_EQ(trial_boot(&t, &kernel, 64 * MiB, "c d", &initrd), 0);
	CHECK(!t.boot.long_mode);
	CHECK_EQ(t.boot.entry, 0x200040);
	CHECK(!memcmp(at(0x200000, 4096), kernel.data + 4096, 4096));
	info = t.boot.rbx;
	CHECK_EQ(get32(info), 0x336ec578);
	CHECK_EQ(get32(info + 4), 1);
	CHECK_EQ(get32(info + 12), 1);
	module = get64(info + 16);
	CHECK(!memcmp(at(get64(module), 5000), initrd.data, 5000));
	CHECK_EQ(get64(module + 8), 5000);
	CHECK(!strcmp(at(get64(info + 24), 4), "c d"));
	CHECK_EQ(get64(info + 32), MEM_ACPI);
	CHECK_EQ(get32(info + 48), t.boot.map.count);
	CHECK_EQ(get64(get64(info + 40) + 8), MEM_EBDA);
	CHECK_EQ(get32(get64(info + 40) + 16), 1);
	trial_end(&t);
	file_close(&initrd);
}

static void pvh_64(void)
{
	pvh(64);
}

static void pvh_32(void)
{
	pvh(32);
}

/* Xen puts its trampoline below what these say. */
static void check_bios_data(void)
{
	CHECK_EQ(get32(0x40e) & 0xffff, MEM_EBDA >> 4);
	CHECK_EQ(get32(0x413) & 0xffff, MEM_EBDA / 1024);
	CHECK_EQ(get32(MEM_EBDA) & 0xff, 1);
}

static void check_multiboot_info(void)
{
	uint64_t info = t.boot.rbx;
	uint32_t mods, map;

	check_bios_data();

	CHECK_EQ(t.boot.rax, 0x2badb002);
	CHECK_EQ(get32(info) & 0x24d, 0x24d);
	CHECK_EQ(get32(info + 4), MEM_EBDA / 1024);
	CHECK_EQ(get32(info + 8), 63 * 1024);
	CHECK_HAS((const char *)at(get32(info + 16), 64), "e f");
	CHECK_EQ(get32(info + 20), 1);
	mods = get32(info + 24);
	CHECK_EQ(get32(mods + 4) - get32(mods), 5000);
	CHECK_EQ(get32(mods) % 4096, 0);
	CHECK(!memcmp(at(get32(mods), 5000), initrd.data, 5000));
	map = get32(info + 48);
	CHECK_EQ(get32(info + 44), t.boot.map.count * 24);
	CHECK_EQ(get32(map), 20);
	CHECK_EQ(get64(map + 12), MEM_EBDA);
}

static void multiboot_by_addresses(void)
{
	static const uint8_t zero[16];

	make_multiboot(&kernel);
	make_initrd(5000);
	CHECK_EQ(trial_boot(&t, &kernel, 64 * MiB, "e f", &initrd), 0);
	CHECK(!t.boot.long_mode);
	CHECK_EQ(t.boot.entry, 0x200100);
	CHECK(!memcmp(at(0x200000, 0x2000), kernel.data, 0x2000));
	CHECK(!memcmp(at(0x202000, 16), zero, 16));
	check_multiboot_info();
	trial_end(&t);

	/* Without an end address all of the file is loaded; text may begin inside the file. */
	put32(&kernel, 84, 0);
	put32(&kernel, 88, 0);
	put32(&kernel, 80, 0x200020);
	CHECK_EQ(trial_boot(&t, &kernel, 64 * MiB, "e f", &initrd), 0);
	CHECK(!memcmp(at(0x200020, 0x2000 - 32), kernel.data + 32, 0x2000 - 32));
	trial_end(&t);
	file_close(&initrd);
}

static void multiboot_elf(void)
{
	make_multiboot_elf(&kernel);
	make_initrd(5000);
	CHECK_EQ(trial_boot(&t, &kernel, 64 * MiB, "e f", &initrd), 0);
	CHECK_EQ(t.boot.entry, 0x200100);
	CHECK(!memcmp(at(0x200000, 4096), kernel.data + 4096, 4096));
	check_multiboot_info();
	trial_end(&t);
	file_close(&initrd);
}

static void longest_command_line(void)
{
	char line[2049];

	memset(line, 'x', sizeof(line));
	line[2048] = '\0';
	make_bzimage(&kernel);
	CHECK_EQ(trial_boot(&t, &kernel, 64 * MiB, line, NULL), -1);
	CHECK_EQ(t.err.status, EX_USAGE);
	CHECK_HAS(t.err.text, "at most 2047");
	trial_end(&t);
	line[2047] = '\0';
	CHECK_EQ(trial_boot(&t, &kernel, 64 * MiB, line, NULL), 0);
	trial_end(&t);
}

TAP_MAIN(TEST(memory_with_hole), TEST(memory_maps), TEST(claims), TEST(bzimage), TEST(entry_tables),
	 TEST(bzimage_last_paragraph), TEST(bzimage_placement), TEST(bzimage_without_64_bit_entry),
	 TEST(pvh_64), TEST(pvh_32), TEST(multiboot_by_addresses), TEST(multiboot_elf),
	 TEST(longest_command_line));
