/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Processors that come and go while the guest runs, by ACPI (Specification 6.4, 8.4): three
 * registers of 64 bits that the guest's DSDT knows, bit N for processor N. They are accessed by
 * halves. boot/acpi_tables.c has the methods.
 *
 *	0x00 inserted	reads: processors that have come since their bit was cleared
 *			writes: ones clear bits
 *	0x08 wanted	reads: processors that the guest is asked to let go, likewise
 *			writes: ones clear bits; the request stands
 *	0x10 present	reads: processors that are there
 *			writes: ones take these processors out, but for processor 0
 *
 * Whenever a bit of the first two is set, general-purpose event ACPI_GPE_CPU is raised; its method
 * sends a device check or an eject request to each processor. What the guest takes out is gone when
 * the write is done, whoever wanted that.
 */
#ifndef VMCTL_CPU_HOTPLUG_H
#define VMCTL_CPU_HOTPLUG_H

#include <pthread.h>
#include <stdint.h>

#include "bus.h"

#define CPU_HOTPLUG_BASE  0x640
#define CPU_HOTPLUG_PORTS 24
#define CPU_HOTPLUG_MAX   64

/**
 * struct cpu_hotplug_events - what happens; called without the lock held, in any thread
 * @raise: the guest is to look at the registers
 * @inserted: these processors may run, which is called before the guest is told
 * @ejected: these may not any more
 * @opaque: passed to all
 */
struct cpu_hotplug_events {
	void (*raise)(void *opaque);
	void (*inserted)(void *opaque, uint64_t cpus);
	void (*ejected)(void *opaque, uint64_t cpus);
	void *opaque;
};

/**
 * struct cpu_hotplug - the registers
 * @events: what to call
 * @possible: how many processors there can be
 * @lock: guards the rest
 * @inserted: register
 * @wanted: register
 * @present: register
 */
struct cpu_hotplug {
	struct cpu_hotplug_events events;
	unsigned int possible;
	pthread_mutex_t lock;
	uint64_t inserted, wanted, present;
};

extern const struct bus_ops cpu_hotplug_ops;

/**
 * cpu_hotplug_init() - set up the registers
 * @hp: the registers
 * @present: processors that are there, from 0 on; at least 1
 * @possible: how many there can be; at most CPU_HOTPLUG_MAX
 * @events: what to call
 */
void cpu_hotplug_init(struct cpu_hotplug *hp, unsigned int present, unsigned int possible,
		      const struct cpu_hotplug_events *events);
void cpu_hotplug_destroy(struct cpu_hotplug *hp);

/**
 * cpu_hotplug_set() - how many processors there shall be
 * @hp: the registers
 * @count: so many; from 1 to what is possible
 *
 * The lowest that are absent come at once, the highest that are present are asked for; may be
 * repeated, and the guest is asked again. A request that is not needed any more is taken back as
 * far as the guest has not seen it.
 */
void cpu_hotplug_set(struct cpu_hotplug *hp, unsigned int count);

/* How many there are. */
unsigned int cpu_hotplug_count(struct cpu_hotplug *hp);

#endif
