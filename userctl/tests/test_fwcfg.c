// SPDX-License-Identifier: GPL-2.0
#include <endian.h>
#include <errno.h>
#include <stdlib.h>

#include "../devices/debugcon.h"
#include "../devices/fwcfg.h"
#include "tap.h"

#define REQUEST 0x1000ULL
#define TARGET  0x2000ULL

static struct guest_mem mem;
static struct fwcfg cfg;
static struct bus_range range;
static struct bus pio;

static void begin(void)
{
	CHECK_EQ(guest_mem_alloc(&mem, 2 * MiB), 0);
	CHECK_EQ(fwcfg_init(&cfg, &mem), 0);
	bus_init(&pio);
	range = (struct bus_range){ FWCFG_PORT_BASE, FWCFG_PORTS, &fwcfg_ops, &cfg, NULL };
	CHECK_EQ(bus_add(&pio, &range), 0);
}

static void end(void)
{
	bus_destroy(&pio);
	fwcfg_destroy(&cfg);
	guest_mem_free(&mem);
}

static void choose(uint16_t key)
{
	bus_write(&pio, 0x510, &key, 2);
}

static uint8_t next(void)
{
	uint8_t byte = 0xff;

	bus_read(&pio, 0x511, &byte, 1);
	return byte;
}

static void read_bytes(uint16_t key, void *dst, size_t len)
{
	uint8_t *p = dst;

	choose(key);
	while (len--)
		*p++ = next();
}

/* One request; its control field afterwards. */
static uint32_t dma(uint32_t control, uint64_t addr, uint32_t len)
{
	struct fw_cfg_dma_access *req = guest_mem_ptr(&mem, REQUEST, sizeof(*req));
	uint32_t high = 0, low = htobe32(REQUEST);

	req->control = htobe32(control);
	req->address = htobe64(addr);
	req->length = htobe32(len);
	bus_write(&pio, 0x514, &high, 4);
	bus_write(&pio, 0x518, &low, 4);
	return be32toh(req->control);
}

static uint32_t select_read(uint16_t key)
{
	return (uint32_t)key << 16 | FW_CFG_DMA_CTL_SELECT | FW_CFG_DMA_CTL_READ;
}

static void identity(void)
{
	uint32_t val = 0, features;
	char text[4];

	begin();
	read_bytes(FW_CFG_SIGNATURE, text, 4);
	CHECK(!memcmp(text, "QEMU", 4));
	CHECK_EQ(next(), 0);
	read_bytes(FW_CFG_ID, &features, 4);
	CHECK_EQ(le32toh(features), 3);
	bus_read(&pio, 0x514, &val, 4);
	CHECK(!memcmp(&val, "QEMU", 4));
	bus_read(&pio, 0x518, &val, 4);
	CHECK(!memcmp(&val, " CFG", 4));
	end();
}

static void bytes_in_order(void)
{
	uint16_t half = 0;

	begin();
	CHECK_EQ(fwcfg_add(&cfg, FW_CFG_NB_CPUS, "ab", 2), 0);
	choose(FW_CFG_NB_CPUS);
	CHECK_EQ(next(), 'a');
	CHECK_EQ(next(), 'b');
	CHECK_EQ(next(), 0);
	CHECK_EQ(next(), 0);
	/* The bit that asks for writing selects the same item; writing changes nothing. */
	choose(FW_CFG_NB_CPUS | FW_CFG_WRITE_CHANNEL);
	bus_write(&pio, 0x511, "x", 1);
	CHECK_EQ(next(), 'a');
	/* Of another number, or of another architecture's. */
	choose(FW_CFG_NB_CPUS | FW_CFG_ARCH_LOCAL);
	CHECK_EQ(next(), 0);
	choose(FW_CFG_INVALID);
	CHECK_EQ(next(), 0);
	/* Only the documented sizes are accesses. */
	choose(FW_CFG_NB_CPUS);
	bus_read(&pio, 0x511, &half, 2);
	CHECK_EQ(half, 0);
	bus_write(&pio, 0x510, "\1", 1);
	CHECK_EQ(next(), 'a');
	end();
}

static void files(void)
{
	struct fwcfg_directory dir;
	char data[8];

	begin();
	CHECK_EQ(fwcfg_add_file(&cfg, "etc/one", "1", 1), 0);
	CHECK_EQ(fwcfg_add_file(&cfg, "etc/second", "twotwo", 6), 0);
	read_bytes(FW_CFG_FILE_DIR, &dir, sizeof(dir));
	CHECK_EQ(be32toh(dir.count), 2);
	CHECK(!strcmp(dir.file[1].name, "etc/second"));
	CHECK_EQ(be32toh(dir.file[1].size), 6);
	CHECK(be16toh(dir.file[0].select) >= FW_CFG_FILE_FIRST);
	read_bytes(be16toh(dir.file[1].select), data, 8);
	CHECK(!memcmp(data, "twotwo\0", 8));
	end();
}

static void limits(void)
{
	char name[FW_CFG_MAX_FILE_PATH + 1];
	unsigned int n;

	begin();
	memset(name, 'x', sizeof(name));
	name[FW_CFG_MAX_FILE_PATH] = '\0';
	CHECK_EQ(fwcfg_add_file(&cfg, name, "", 0), -ENAMETOOLONG);
	name[FW_CFG_MAX_FILE_PATH - 1] = '\0';
	CHECK_EQ(fwcfg_add_file(&cfg, name, "", 0), 0);
	CHECK_EQ(fwcfg_add(&cfg, FW_CFG_ID, "", 0), -EEXIST);
	for (n = 1; n < FWCFG_FILES_MAX; n++)
		CHECK_EQ(fwcfg_add_file(&cfg, "f", "", 0), 0);
	CHECK_EQ(fwcfg_add_file(&cfg, "f", "", 0), -ENOSPC);
	for (n = cfg.items; n < FWCFG_ITEMS_MAX; n++)
		CHECK_EQ(fwcfg_add(&cfg, (uint16_t)(0x1000 + n), "", 0), 0);
	CHECK_EQ(fwcfg_add(&cfg, 0x2000, "", 0), -ENOSPC);
	end();
}

static void dma_reads(void)
{
	uint8_t *target;

	begin();
	target = guest_mem_ptr(&mem, TARGET, 16);
	memset(target, 0x5a, 16);
	CHECK_EQ(fwcfg_add(&cfg, 0x30, "0123456789", 10), 0);
	CHECK_EQ(dma(select_read(0x30), TARGET, 4), 0);
	CHECK(!memcmp(target, "0123\x5a", 5));
	/* It goes on where it was, by port too. */
	CHECK_EQ(dma(FW_CFG_DMA_CTL_READ, TARGET, 1), 0);
	CHECK_EQ(target[0], '4');
	CHECK_EQ(next(), '5');
	CHECK_EQ(dma(FW_CFG_DMA_CTL_SKIP, 0, 2), 0);
	CHECK_EQ(dma(FW_CFG_DMA_CTL_READ, TARGET, 8), 0);
	CHECK(!memcmp(target, "89\0\0\0\0\0\0\x5a", 9));
	/* Nothing at all is well, too. */
	CHECK_EQ(dma(0, TARGET, 4), 0);
	CHECK_EQ(dma(select_read(0x31), TARGET, 2), 0);
	CHECK_EQ(target[0], 0);
	end();
}

static void dma_refusals(void)
{
	uint32_t outside = htobe32(0x10000000), beyond = htobe32(2 * MiB - 8), low;
	uint8_t *target;

	begin();
	CHECK_EQ(fwcfg_add(&cfg, 0x30, "0123456789", 10), 0);
	CHECK_EQ(dma(select_read(0x30), 2 * MiB - 2, 4), FW_CFG_DMA_CTL_ERROR);
	CHECK_EQ(dma(select_read(0x30), UINT64_MAX - 1, 4), FW_CFG_DMA_CTL_ERROR);
	CHECK_EQ(dma(select_read(0x30), TARGET, UINT32_MAX), FW_CFG_DMA_CTL_ERROR);
	CHECK_EQ(dma(0x30u << 16 | FW_CFG_DMA_CTL_SELECT | FW_CFG_DMA_CTL_WRITE, TARGET, 4),
		 FW_CFG_DMA_CTL_ERROR);
	CHECK_EQ(next(), '0');
	/* Far beyond the end, and back to the beginning. */
	CHECK_EQ(dma(FW_CFG_DMA_CTL_SKIP, 0, UINT32_MAX), 0);
	CHECK_EQ(dma(FW_CFG_DMA_CTL_READ, TARGET, 4), 0);
	CHECK_EQ(dma(select_read(0x30), TARGET, 4), 0);
	target = guest_mem_ptr(&mem, TARGET, 4);
	CHECK(!memcmp(target, "0123", 4));
	/* A request that is not in memory is nobody's. */
	bus_write(&pio, 0x518, &outside, 4);
	bus_write(&pio, 0x518, &beyond, 4);
	/* The high half counts, and for one request. */
	bus_write(&pio, 0x514, &outside, 4);
	low = htobe32(REQUEST);
	bus_write(&pio, 0x518, &low, 4);
	CHECK_EQ(dma(select_read(0x30), TARGET, 1), 0);
	/* A request at the end of memory that covers itself. */
	CHECK_EQ(dma(select_read(0x30), REQUEST, 16), 0);
	end();
}

static void debug_port(void)
{
	struct bus_range at;
	char *text = NULL;
	size_t len = 0;
	uint8_t val = 0;
	FILE *out;

	bus_init(&pio);
	out = open_memstream(&text, &len);
	CHECK(out);
	if (!out)
		return;
	at = (struct bus_range){ DEBUGCON_PORT, 1, &debugcon_ops, out, NULL };
	CHECK_EQ(bus_add(&pio, &at), 0);
	bus_read(&pio, 0x402, &val, 1);
	CHECK_EQ(val, 0xe9);
	bus_write(&pio, 0x402, "B", 1);
	bus_write(&pio, 0x402, "IOS", 2);
	fclose(out);
	CHECK_EQ(len, 2);
	CHECK(!strcmp(text, "BI"));
	free(text);
	bus_destroy(&pio);
}

TAP_MAIN(TEST(identity), TEST(bytes_in_order), TEST(files), TEST(limits), TEST(dma_reads),
	 TEST(dma_refusals), TEST(debug_port));
