/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The firmware configuration device: named and numbered items that firmware reads, byte by byte
 * from a port or by DMA. (QEMU's docs/specs/fw_cfg.rst; <linux/qemu_fw_cfg.h>.) Nothing in it can
 * be written.
 */
#ifndef VMCTL_FWCFG_H
#define VMCTL_FWCFG_H

#include <linux/qemu_fw_cfg.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "../libvmm/memory.h"
#include "bus.h"

#define FWCFG_PORT_BASE 0x510
#define FWCFG_PORTS     12
#define FWCFG_FILES_MAX FW_CFG_FILE_SLOTS_MIN
#define FWCFG_ITEMS_MAX 32

/**
 * struct fwcfg_item - what can be read
 * @key: its number
 * @data: a copy of it
 * @len: bytes; what is read beyond them is zero
 */
struct fwcfg_item {
	uint16_t key;
	uint8_t *data;
	uint32_t len;
};

/* The item FW_CFG_FILE_DIR; all big-endian. */
struct fwcfg_directory {
	uint32_t count;
	struct fw_cfg_file file[FWCFG_FILES_MAX];
};

/**
 * struct fwcfg - the device
 * @lock: guards @key, @offset and @dma; the rest does not change while vCPUs run
 * @mem: where DMA goes
 * @item: items
 * @items: how many
 * @directory: names of the files among them
 * @files: how many
 * @key: the item selected
 * @offset: next byte of it
 * @dma: guest-physical address of the next DMA request
 */
struct fwcfg {
	pthread_mutex_t lock;
	const struct guest_mem *mem;
	struct fwcfg_item item[FWCFG_ITEMS_MAX];
	unsigned int items;
	struct fwcfg_directory directory;
	unsigned int files;
	uint16_t key;
	uint64_t offset;
	uint64_t dma;
};

extern const struct bus_ops fwcfg_ops;

/**
 * fwcfg_init() - a device with its signature and an empty directory
 * @cfg: filled in
 * @mem: guest memory
 *
 * Return: 0 or -ENOMEM; fwcfg_destroy() is due in both cases.
 */
int fwcfg_init(struct fwcfg *cfg, const struct guest_mem *mem);
void fwcfg_destroy(struct fwcfg *cfg);

/**
 * fwcfg_add() - add an item
 * @cfg: the device, before vCPUs run
 * @key: its number, FW_CFG_*
 * @data: copied
 * @len: bytes
 *
 * Return: 0, -EEXIST, -ENOSPC or -ENOMEM.
 */
int fwcfg_add(struct fwcfg *cfg, uint16_t key, const void *data, size_t len);

/**
 * fwcfg_add_file() - add an item that is found by its name
 * @cfg: the device, before vCPUs run
 * @name: at most 55 characters
 * @data: copied
 * @len: bytes
 *
 * Return: 0, -ENAMETOOLONG, -ENOSPC or -ENOMEM.
 */
int fwcfg_add_file(struct fwcfg *cfg, const char *name, const void *data, size_t len);

#endif
