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
 * acpi_tables_build() - write the tables into guest memory at MEM_ACPI
 * @mem: guest memory
 * @cpus: vCPUs, whose APIC ids are 0 to @cpus - 1
 * @pci: there is a PCI bus
 * @rsdp: guest-physical address of the root pointer
 * @err: EX_SOFTWARE when the tables do not fit
 *
 * Return: 0 or -1.
 */
int acpi_tables_build(struct guest_mem *mem, unsigned int cpus, bool pci, uint64_t *rsdp,
		      struct error *err);

#endif
