/* SPDX-License-Identifier: GPL-2.0 */
/* The ACPI tables that describe the machine to its guest. */
#ifndef VMCTL_ACPI_TABLES_H
#define VMCTL_ACPI_TABLES_H

#include <stdbool.h>
#include <stdint.h>

#include "../error.h"
#include "../libvmm/memory.h"

#define ACPI_CPUS_MAX 254 /* APIC ids of one byte; more would need x2APIC entries */

/**
 * struct acpi_config - what the tables describe, and where they go
 * @cpus: vCPUs that are there at the beginning, whose APIC ids are 0 to @cpus - 1
 * @max_cpus: how many there can be; if more than @cpus, then at most CPU_HOTPLUG_MAX
 * @pci: there is a PCI bus
 * @start: guest-physical address of the root pointer, which the tables follow
 * @end: where they end at the latest
 */
struct acpi_config {
	unsigned int cpus, max_cpus;
	bool pci;
	uint64_t start, end;
};

/**
 * acpi_tables_build() - write the tables into guest memory
 * @mem: guest memory
 * @cfg: what and where
 * @err: EX_SOFTWARE when the tables do not fit
 *
 * Return: 0 or -1.
 */
int acpi_tables_build(struct guest_mem *mem, const struct acpi_config *cfg, struct error *err);

#endif
