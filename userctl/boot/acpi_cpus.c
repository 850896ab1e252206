// SPDX-License-Identifier: GPL-2.0
#include "acpi_cpus.h"

#include <string.h>

#include "../devices/acpi_pm.h"
#include "../devices/cpu_hotplug.h"

#define NOTIFY_DEVICE_CHECK 1
#define NOTIFY_EJECT        3
#define STA_PRESENT         0x0f

/* Halves of the registers of devices/cpu_hotplug.h. */
static const char *const inserted[] = { "CPI0", "CPI1" };
static const char *const wanted[] = { "CPW0", "CPW1" };
static const char *const present[] = { "CPP0", "CPP1" };

static const char *cpu_name(unsigned int cpu, char *name)
{
	static const char digits[] = "0123456789ABCDEF";

	memcpy(name, "CP", 2);
	name[2] = digits[cpu >> 4 & 15];
	name[3] = digits[cpu & 15];
	name[4] = '\0';
	return name;
}

static uint64_t bit(unsigned int cpu)
{
	return 1u << cpu % 32;
}

static void aml_cpu(struct aml *aml, unsigned int cpu)
{
	const struct madt_lapic entry = { MADT_LAPIC, sizeof(entry), (uint8_t)cpu, (uint8_t)cpu,
					  MADT_ENABLED };
	size_t dev, method, test;
	char name[5];

	dev = aml_open_device(aml, cpu_name(cpu, name));
	aml_open_name(aml, "_HID");
	aml_string(aml, "ACPI0007");
	aml_name_integer(aml, "_UID", cpu);
	aml_open_name(aml, "_MAT");
	aml_buffer(aml, &entry, sizeof(entry));
	method = aml_open_method(aml, "_STA", 0);
	aml_load(aml, 0, present[cpu / 32]);
	test = aml_open_if(aml, 0, bit(cpu));
	aml_return(aml, STA_PRESENT);
	aml_close(aml, test);
	aml_return(aml, 0);
	aml_close(aml, method);
	/* The one that boots stays. */
	if (cpu) {
		method = aml_open_method(aml, "_EJ0", 1);
		aml_store_integer(aml, present[cpu / 32], bit(cpu));
		aml_close(aml, method);
	}
	aml_close(aml, dev);
}

/* What an event of some processors, which the registers have, means for each. */
static void aml_notify_cpus(struct aml *aml, const char *const *regs, unsigned int count,
			    uint64_t value)
{
	unsigned int cpu;
	size_t test;
	char name[5];

	for (cpu = 0; cpu < count; cpu++) {
		if (cpu % 32 == 0) {
			aml_load(aml, 0, regs[cpu / 32]);
			/* These have been seen; later ones raise the event again. */
			aml_store(aml, regs[cpu / 32], 0);
		}
		test = aml_open_if(aml, 0, bit(cpu));
		aml_notify(aml, cpu_name(cpu, name), value);
		aml_close(aml, test);
	}
}

/* So that the guest gives the ports to nothing else. */
static void aml_ports_taken(struct aml *aml)
{
	struct aml_resources res = { .len = 0 };
	size_t dev = aml_open_device(aml, "CPRS");

	aml_open_name(aml, "_HID");
	aml_eisaid(aml, "PNP0C02");
	aml_name_integer(aml, "_UID", 2);
	aml_res_io(&res, CPU_HOTPLUG_BASE, CPU_HOTPLUG_PORTS);
	aml_crs(aml, &res);
	aml_close(aml, dev);
}

void acpi_cpus(struct aml *aml, unsigned int count)
{
	static const char *const regs[] = { "CPI0", "CPI1", "CPW0", "CPW1", "CPP0", "CPP1" };
	unsigned int cpu;
	size_t method;

	aml_ports_taken(aml);
	aml_ports(aml, "CPRG", CPU_HOTPLUG_BASE, CPU_HOTPLUG_PORTS);
	aml_registers(aml, "CPRG", regs, 6);
	for (cpu = 0; cpu < count; cpu++)
		aml_cpu(aml, cpu);
	method = aml_open_method(aml, "CPEV", 0);
	aml_notify_cpus(aml, inserted, count, NOTIFY_DEVICE_CHECK);
	aml_notify_cpus(aml, wanted, count, NOTIFY_EJECT);
	aml_close(aml, method);
}

void acpi_cpus_event(struct aml *aml)
{
	size_t method;

	_Static_assert(ACPI_GPE_CPU == 2, "the method's name has the number");
	method = aml_open_method(aml, "_E02", 0);
	aml_name(aml, "\\_SB.CPEV");
	aml_close(aml, method);
}
