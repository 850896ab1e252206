// SPDX-License-Identifier: GPL-2.0
/* Images of firmware: what is taken, where it goes, and what the guest is told of its memory. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../boot/firmware.h"
#include "../devices/pci.h"
#include "tap.h"

/* A file of so many bytes, each page filled with its number from the end. */
static int image(uint64_t size, char *path)
{
	int fd = memfd_create("firmware", MFD_CLOEXEC);
	uint8_t page[4096];
	uint64_t at;

	CHECK(fd >= 0);
	for (at = 0; at < size; at += sizeof(page)) {
		memset(page, (int)((size - at) / sizeof(page)), sizeof(page));
		CHECK(write(fd, page, sizeof(page)) == sizeof(page));
	}
	CHECK_EQ(ftruncate(fd, (off_t)size), 0);
	sprintf(path, "/proc/self/fd/%d", fd);
	return fd;
}

static void placed(uint64_t size)
{
	struct error err = { 0 };
	struct guest_mem mem;
	struct firmware fw;
	char path[32];
	int fd = image(size, path);

	CHECK_EQ(guest_mem_alloc(&mem, 2 * MiB), 0);
	CHECK_EQ(firmware_load(&fw, path, &mem, &err), 0);
	CHECK_EQ(fw.size, size);
	CHECK_EQ(fw.rom[fw.size - 1], 1);
	CHECK_EQ(mem.base[MiB - 1], 1);
	CHECK_EQ(mem.base[MiB - 4097], 2);
	CHECK_EQ(mem.base[MiB - size], (size / 4096) & 0xff);
	CHECK_EQ(mem.base[MiB - size - 1], 0);
	CHECK_EQ(mem.base[MiB], 0);
	/* The guest has its own copy. */
	mem.base[MiB - 1] = 7;
	CHECK_EQ(fw.rom[fw.size - 1], 1);
	firmware_free(&fw);
	guest_mem_free(&mem);
	close(fd);
}

static void sizes_taken(void)
{
	placed(64 * KiB);
	placed(128 * KiB);
	placed(256 * KiB);
}

static void refused_with(const char *path, int status, const char *text)
{
	struct error err = { 0 };
	struct guest_mem mem;
	struct firmware fw;

	CHECK_EQ(guest_mem_alloc(&mem, 2 * MiB), 0);
	CHECK_EQ(firmware_load(&fw, path, &mem, &err), -1);
	CHECK_EQ(err.status, status);
	CHECK_HAS(err.text, text);
	firmware_free(&fw);
	guest_mem_free(&mem);
}

static void sizes_refused(void)
{
	static const uint64_t sizes[] = { 512,       64 * KiB - 1, 64 * KiB + 1, 256 * KiB + 4096,
					  320 * KiB, 4 * MiB };
	char path[32];
	size_t i;
	int fd;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		fd = image(sizes[i], path);
		refused_with(path, EX_DATAERR, "bios-256k.bin");
		close(fd);
	}
	fd = image(0, path);
	refused_with(path, EX_DATAERR, "empty");
	close(fd);
	refused_with("/nonexistent/bios", EX_NOINPUT, "firmware /nonexistent/bios: No such file");
	refused_with("/", EX_NOINPUT, "directory");
}

/* Entries are in order and apart; RAM is what there is, but for the room of the ACPI tables. */
static void check_map(uint64_t size)
{
	struct guest_mem mem;
	struct memmap map;
	uint64_t ram = 0, end = 0;
	unsigned int i;

	CHECK_EQ(guest_mem_alloc(&mem, size), 0);
	firmware_memmap(&map, &mem);
	CHECK(map.count <= MEMMAP_MAX);
	for (i = 0; i < map.count; i++) {
		CHECK(map.entry[i].start >= end && map.entry[i].len);
		end = map.entry[i].start + map.entry[i].len;
		if (map.entry[i].type == MEMMAP_RAM)
			ram += map.entry[i].len;
		CHECK(end <= PCI_WINDOW_BASE ||
		      map.entry[i].start >= PCI_WINDOW_BASE + PCI_WINDOW_SIZE);
	}
	CHECK_EQ(ram, size - FIRMWARE_ACPI);
	CHECK(end >= 4 * GiB);
	guest_mem_free(&mem);
}

static void memory_maps(void)
{
	check_map(2 * MiB);
	check_map(512 * MiB);
	check_map(3 * GiB);
	check_map(5 * GiB);
}

TAP_MAIN(TEST(sizes_taken), TEST(sizes_refused), TEST(memory_maps));
