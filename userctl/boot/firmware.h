/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Firmware instead of a kernel: an image that ends at 4 GiB, where the first processor begins
 * after a reset, and of which a copy ends at 1 MiB, where it runs in real mode.
 */
#ifndef VMCTL_FIRMWARE_H
#define VMCTL_FIRMWARE_H

#include <stdint.h>

#include "../error.h"
#include "../libvmm/memory.h"
#include "memmap.h"

#define FIRMWARE_STEP (64 * KiB)
#define FIRMWARE_MAX  (256 * KiB)

/* Room for the ACPI tables at the end of low memory. */
#define FIRMWARE_ACPI (64 * KiB)

/**
 * struct firmware - an image
 * @rom: its contents, a mapping of their own
 * @size: bytes, 0 when nothing is loaded
 */
struct firmware {
	uint8_t *rom;
	uint64_t size;
};

/**
 * firmware_load() - load an image, and copy it to below 1 MiB
 * @fw: filled in
 * @path: the file
 * @mem: guest memory
 * @err: EX_NOINPUT, EX_DATAERR, EX_IOERR or EX_OSERR
 *
 * Return: 0 or -1.
 */
int firmware_load(struct firmware *fw, const char *path, struct guest_mem *mem, struct error *err);
void firmware_free(struct firmware *fw);

/**
 * firmware_memmap() - the map of memory to hand to firmware
 * @map: filled in; what firmware takes for itself it adds for the guest's operating system
 * @mem: guest memory
 */
void firmware_memmap(struct memmap *map, const struct guest_mem *mem);

#endif
