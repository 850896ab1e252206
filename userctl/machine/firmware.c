// SPDX-License-Identifier: GPL-2.0
/* What a machine with firmware has besides, and what it tells its firmware. */
#include <endian.h>
#include <string.h>

#include "../devices/debugcon.h"
#include "machine.h"

/* How long an RSDP of ACPI 2.0 and later is. */
#define RSDP_LEN 36

/* An entry of etc/e820: packed, little-endian. */
struct e820_entry {
	uint64_t addr, len;
	uint32_t type;
} __attribute__((packed));

/*
 * A command of etc/table-loader. The tables are in memory already, with their addresses in them:
 * what is left is to put the root pointer where guests look for it.
 */
#define LOADER_ALLOCATE 1
#define LOADER_FSEG     2

struct loader_command {
	uint32_t command;
	char file[FW_CFG_MAX_FILE_PATH];
	uint32_t align;
	uint8_t zone;
	uint8_t padding[63];
} __attribute__((packed));

_Static_assert(sizeof(struct loader_command) == 128, "the size of every command");

static int add_memory(struct machine *m)
{
	const struct memmap *map = &m->boot.map;
	struct e820_entry e820[MEMMAP_MAX];
	unsigned int i;

	for (i = 0; i < map->count; i++) {
		e820[i] = (struct e820_entry){ htole64(map->entry[i].start),
					       htole64(map->entry[i].len),
					       htole32(map->entry[i].type) };
	}
	return fwcfg_add_file(&m->fwcfg, "etc/e820", e820, map->count * sizeof(e820[0]));
}

static int add_acpi(struct machine *m)
{
	struct loader_command command = { .command = htole32(LOADER_ALLOCATE),
					  .file = "etc/acpi/rsdp",
					  .align = htole32(16),
					  .zone = LOADER_FSEG };
	const void *rsdp = guest_mem_ptr(&m->mem, m->boot.rsdp, RSDP_LEN);
	int ret = fwcfg_add_file(&m->fwcfg, command.file, rsdp, RSDP_LEN);

	return ret ? ret : fwcfg_add_file(&m->fwcfg, "etc/table-loader", &command, sizeof(command));
}

static int add_items(struct machine *m)
{
	uint16_t cpus = htole16((uint16_t)m->cfg->cpus);
	uint16_t max = htole16((uint16_t)m->cfg->max_cpus);
	uint64_t console = htole64(COM1_PORT);
	int ret = fwcfg_add(&m->fwcfg, FW_CFG_NB_CPUS, &cpus, sizeof(cpus));

	if (!ret)
		ret = fwcfg_add(&m->fwcfg, FW_CFG_MAX_CPUS, &max, sizeof(max));
	if (!ret)
		ret = fwcfg_add_file(&m->fwcfg, "etc/sercon-port", &console, sizeof(console));
	if (!ret)
		ret = add_memory(m);
	return ret ? ret : add_acpi(m);
}

int machine_load_firmware(struct machine *m, struct error *err)
{
	if (firmware_load(&m->firmware, m->cfg->firmware, &m->mem, err))
		return -1;
	firmware_memmap(&m->boot.map, &m->mem);
	return 0;
}

int machine_add_firmware(struct machine *m, struct error *err)
{
	int ret = fwcfg_init(&m->fwcfg, &m->mem);

	m->has_fwcfg = true;
	if (!ret)
		ret = add_items(m);
	if (ret)
		return fault_errno(err, EX_SOFTWARE, ret, "the firmware's configuration");
	return machine_add_ports(m, FWCFG_PORT_BASE, FWCFG_PORTS, &fwcfg_ops, &m->fwcfg, err);
}

void machine_remove_firmware(struct machine *m)
{
	if (m->has_fwcfg)
		fwcfg_destroy(&m->fwcfg);
	firmware_free(&m->firmware);
}
