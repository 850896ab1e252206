// SPDX-License-Identifier: GPL-2.0
#include "firmware.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "../devices/pci.h"
#include "image.h"

/* Debian's package seabios */
#define FIRMWARE_EXAMPLE "/usr/share/seabios/bios-256k.bin"

static int check_size(const struct image *img, struct error *err)
{
	char size[24];

	if (img->size <= FIRMWARE_MAX && !(img->size % FIRMWARE_STEP))
		return 0;
	return image_bad(img, err, "its size of %s is not 64K to 256K in steps of 64K; try %s",
			 size_print(img->size, size, sizeof(size)), FIRMWARE_EXAMPLE);
}

static int load(struct firmware *fw, const struct image *img, struct guest_mem *mem,
		struct error *err)
{
	void *map;

	if (check_size(img, err))
		return -1;
	map = mmap(NULL, img->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		return fault_errno(err, EX_OSERR, errno, "no memory for the firmware");
	fw->rom = map;
	fw->size = img->size;
	if (image_read(img, 0, fw->rom, fw->size, "contents", err))
		return -1;
	memcpy(guest_mem_ptr(mem, MEM_1M - fw->size, fw->size), fw->rom, fw->size);
	return 0;
}

int firmware_load(struct firmware *fw, const char *path, struct guest_mem *mem, struct error *err)
{
	struct image img;
	int ret;

	memset(fw, 0, sizeof(*fw));
	if (image_open(&img, path, "firmware", err))
		return -1;
	ret = load(fw, &img, mem, err);
	image_close(&img);
	return ret;
}

void firmware_free(struct firmware *fw)
{
	if (fw->size)
		munmap(fw->rom, fw->size);
	memset(fw, 0, sizeof(*fw));
}

void firmware_memmap(struct memmap *map, const struct guest_mem *mem)
{
	uint64_t acpi = mem->low - FIRMWARE_ACPI;
	const struct memmap_entry entry[] = {
		{ 0, acpi, MEMMAP_RAM },
		{ acpi, FIRMWARE_ACPI, MEMMAP_RESERVED },
		{ PCI_ECAM_BASE, PCI_ECAM_SIZE, MEMMAP_RESERVED },
		{ MEM_IDENTITY, MEM_HIGH_BASE - MEM_IDENTITY, MEMMAP_RESERVED },
		{ MEM_HIGH_BASE, mem->high, MEMMAP_RAM },
	};

	memset(map, 0, sizeof(*map));
	map->count = mem->high ? 5 : 4;
	memcpy(map->entry, entry, map->count * sizeof(entry[0]));
}
