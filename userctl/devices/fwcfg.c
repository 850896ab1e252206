// SPDX-License-Identifier: GPL-2.0
#include "fwcfg.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Places of the registers from FWCFG_PORT_BASE on. */
#define SELECTOR 0
#define DATA     1
#define DMA_HIGH 4
#define DMA_LOW  8

static const char signature[] = "QEMU";
static const char dma_signature[] = "QEMU CFG";

/* The write bit chooses no other item. */
static const struct fwcfg_item *find(const struct fwcfg *cfg, uint16_t key)
{
	unsigned int i;

	for (i = 0; i < cfg->items; i++) {
		if (cfg->item[i].key == (key & (uint16_t)~FW_CFG_WRITE_CHANNEL))
			return &cfg->item[i];
	}
	return NULL;
}

static void select_item(struct fwcfg *cfg, uint16_t key)
{
	cfg->key = key;
	cfg->offset = 0;
}

/* The next bytes; those of an item that does not exist, and those beyond the end, are zero. */
static void read_item(struct fwcfg *cfg, uint8_t *dst, uint64_t len)
{
	const struct fwcfg_item *item = find(cfg, cfg->key);
	uint64_t n = 0;

	if (item && cfg->offset < item->len) {
		n = item->len - cfg->offset;
		if (n > len)
			n = len;
		memcpy(dst, item->data + cfg->offset, n);
	}
	memset(dst + n, 0, len - n);
	cfg->offset += len;
}

/* What one request asks for, but for the selection. Return: 0, or -1 when it cannot be. */
static int transfer(struct fwcfg *cfg, uint32_t control, uint64_t addr, uint32_t len)
{
	void *dst;

	if (control & FW_CFG_DMA_CTL_READ) {
		dst = guest_mem_ptr(cfg->mem, addr, len);
		if (!dst)
			return -1;
		read_item(cfg, dst, len);
		return 0;
	}
	if (control & FW_CFG_DMA_CTL_WRITE)
		return -1;
	if (control & FW_CFG_DMA_CTL_SKIP)
		cfg->offset += len;
	return 0;
}

static void run_dma(struct fwcfg *cfg)
{
	struct fw_cfg_dma_access *there = guest_mem_ptr(cfg->mem, cfg->dma, sizeof(*there));
	struct fw_cfg_dma_access request;
	uint32_t control;

	if (!there)
		return;
	/* Once: another vCPU may change it meanwhile. */
	memcpy(&request, there, sizeof(request));
	control = be32toh(request.control);
	if (control & FW_CFG_DMA_CTL_SELECT)
		select_item(cfg, (uint16_t)(control >> 16));
	control = transfer(cfg, control, be64toh(request.address), be32toh(request.length))
			  ? FW_CFG_DMA_CTL_ERROR
			  : 0;
	control = htobe32(control);
	memcpy(there, &control, sizeof(control));
}

static uint64_t fwcfg_read(void *dev, uint64_t off, unsigned int size)
{
	struct fwcfg *cfg = dev;
	uint64_t val = 0;
	uint8_t byte;

	if (off >= DMA_HIGH) {
		memcpy(&val, dma_signature + (off - DMA_HIGH), size);
		return val;
	}
	if (off != DATA || size != 1)
		return 0;
	pthread_mutex_lock(&cfg->lock);
	read_item(cfg, &byte, 1);
	pthread_mutex_unlock(&cfg->lock);
	return byte;
}

static void fwcfg_write(void *dev, uint64_t off, uint64_t val, unsigned int size)
{
	struct fwcfg *cfg = dev;

	pthread_mutex_lock(&cfg->lock);
	if (off == SELECTOR && size == 2) {
		select_item(cfg, (uint16_t)val);
	} else if (off == DMA_HIGH && size == 4) {
		cfg->dma = (uint64_t)be32toh((uint32_t)val) << 32;
	} else if (off == DMA_LOW && size == 4) {
		cfg->dma |= be32toh((uint32_t)val);
		run_dma(cfg);
		cfg->dma = 0;
	}
	pthread_mutex_unlock(&cfg->lock);
}

const struct bus_ops fwcfg_ops = { fwcfg_read, fwcfg_write, 4 };

int fwcfg_add(struct fwcfg *cfg, uint16_t key, const void *data, size_t len)
{
	uint8_t *copy;

	if (find(cfg, key))
		return -EEXIST;
	if (cfg->items == FWCFG_ITEMS_MAX || len > UINT32_MAX)
		return -ENOSPC;
	/* One byte more: an item may be empty. */
	copy = malloc(len + 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, data, len);
	cfg->item[cfg->items++] = (struct fwcfg_item){ key, copy, (uint32_t)len };
	return 0;
}

int fwcfg_add_file(struct fwcfg *cfg, const char *name, const void *data, size_t len)
{
	uint16_t key = (uint16_t)(FW_CFG_FILE_FIRST + cfg->files);
	struct fwcfg_directory *dir = &cfg->directory;
	struct fw_cfg_file *file;
	int ret;

	if (strlen(name) >= FW_CFG_MAX_FILE_PATH)
		return -ENAMETOOLONG;
	if (cfg->files == FWCFG_FILES_MAX)
		return -ENOSPC;
	ret = fwcfg_add(cfg, key, data, len);
	if (ret)
		return ret;
	file = &dir->file[cfg->files++];
	file->size = htobe32((uint32_t)len);
	file->select = htobe16(key);
	memcpy(file->name, name, strlen(name) + 1);
	dir->count = htobe32(cfg->files);
	/* The first item is the directory; see fwcfg_init(). */
	memcpy(cfg->item[0].data, dir, sizeof(*dir));
	return 0;
}

int fwcfg_init(struct fwcfg *cfg, const struct guest_mem *mem)
{
	uint32_t id = htole32(FW_CFG_VERSION | FW_CFG_VERSION_DMA);
	int ret;

	memset(cfg, 0, sizeof(*cfg));
	pthread_mutex_init(&cfg->lock, NULL);
	cfg->mem = mem;
	ret = fwcfg_add(cfg, FW_CFG_FILE_DIR, &cfg->directory, sizeof(cfg->directory));
	if (!ret)
		ret = fwcfg_add(cfg, FW_CFG_SIGNATURE, signature, 4);
	return ret ? ret : fwcfg_add(cfg, FW_CFG_ID, &id, sizeof(id));
}

void fwcfg_destroy(struct fwcfg *cfg)
{
	unsigned int i;

	for (i = 0; i < cfg->items; i++)
		free(cfg->item[i].data);
	cfg->items = 0;
	pthread_mutex_destroy(&cfg->lock);
}
