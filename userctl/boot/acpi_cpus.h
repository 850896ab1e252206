/* SPDX-License-Identifier: GPL-2.0 */
/* ACPI's view of processors that come and go: devices, and the event that tells of them. */
#ifndef VMCTL_ACPI_CPUS_H
#define VMCTL_ACPI_CPUS_H

#include "aml.h"

/* One processor as the MADT and _MAT have it (ACPI 6.4, 5.2.12.2). */
struct madt_lapic {
	uint8_t type, length, uid, apic_id;
	uint32_t flags;
} __attribute__((packed));

#define MADT_LAPIC          0
#define MADT_ENABLED        1u
#define MADT_ONLINE_CAPABLE 2u

/**
 * acpi_cpus() - the devices of all processors that there can be, with _STA, _MAT and _EJ0
 * @aml: the scope \_SB is open
 * @count: how many; at most CPU_HOTPLUG_MAX
 */
void acpi_cpus(struct aml *aml, unsigned int count);

/* The handler of ACPI_GPE_CPU; the scope \_GPE is open. */
void acpi_cpus_event(struct aml *aml);

#endif
