// SPDX-License-Identifier: GPL-2.0
#include "cpu_hotplug.h"

#define REG_INSERTED 0
#define REG_WANTED   1

static unsigned int count(uint64_t cpus)
{
	return (unsigned int)__builtin_popcountll(cpus);
}

static uint64_t read_register(const struct cpu_hotplug *hp, unsigned int reg)
{
	switch (reg) {
	case REG_INSERTED:
		return hp->inserted;
	case REG_WANTED:
		return hp->wanted;
	default:
		return hp->present;
	}
}

/* Byte by byte, so that accesses of every size and offset work. */
static uint64_t hotplug_read(void *dev, uint64_t off, unsigned int size)
{
	struct cpu_hotplug *hp = dev;
	uint64_t val = 0, at;
	unsigned int i;

	pthread_mutex_lock(&hp->lock);
	for (i = 0; i < size; i++) {
		at = off + i;
		val |= (read_register(hp, (unsigned int)at / 8) >> (8 * (at % 8)) & 0xff)
		       << (8 * i);
	}
	pthread_mutex_unlock(&hp->lock);
	return val;
}

/* Lock held. What has been taken out: nothing that is absent, and not the processor that boots. */
static uint64_t eject(struct cpu_hotplug *hp, uint64_t cpus)
{
	cpus &= hp->present & ~1ull;
	hp->present &= ~cpus;
	hp->inserted &= ~cpus;
	hp->wanted &= ~cpus;
	return cpus;
}

/* Only ones act, and so do those of a part of a register. */
static uint64_t write_bits(struct cpu_hotplug *hp, unsigned int reg, uint64_t ones)
{
	switch (reg) {
	case REG_INSERTED:
		hp->inserted &= ~ones;
		return 0;
	case REG_WANTED:
		hp->wanted &= ~ones;
		return 0;
	default:
		return eject(hp, ones);
	}
}

static void hotplug_write(void *dev, uint64_t off, uint64_t val, unsigned int size)
{
	struct cpu_hotplug *hp = dev;
	uint64_t ejected = 0, at;
	unsigned int i;

	pthread_mutex_lock(&hp->lock);
	for (i = 0; i < size; i++) {
		at = off + i;
		ejected |= write_bits(hp, (unsigned int)at / 8,
				      (val >> (8 * i) & 0xff) << (8 * (at % 8)));
	}
	pthread_mutex_unlock(&hp->lock);
	if (ejected)
		hp->events.ejected(hp->events.opaque, ejected);
}

const struct bus_ops cpu_hotplug_ops = { hotplug_read, hotplug_write, 4 };

/* Lock held. The lowest that are absent, so that there are as many as asked for. */
static uint64_t missing(const struct cpu_hotplug *hp, unsigned int target)
{
	uint64_t cpus = 0;
	unsigned int i;

	for (i = 0; i < hp->possible && count(hp->present | cpus) < target; i++)
		cpus |= ~hp->present & 1ull << i;
	return cpus;
}

/* Lock held. The highest that are present, beyond as many as asked for. */
static uint64_t superfluous(const struct cpu_hotplug *hp, unsigned int target)
{
	uint64_t cpus = 0;
	unsigned int i;

	for (i = hp->possible - 1; i && count(hp->present & ~cpus) > target; i--)
		cpus |= hp->present & 1ull << i;
	return cpus;
}

void cpu_hotplug_set(struct cpu_hotplug *hp, unsigned int target)
{
	uint64_t inserted;

	pthread_mutex_lock(&hp->lock);
	inserted = missing(hp, target);
	hp->wanted = superfluous(hp, target);
	pthread_mutex_unlock(&hp->lock);
	/* They can run before the guest knows that they may. */
	if (inserted)
		hp->events.inserted(hp->events.opaque, inserted);
	pthread_mutex_lock(&hp->lock);
	hp->present |= inserted;
	hp->inserted |= inserted;
	inserted = hp->inserted | hp->wanted;
	pthread_mutex_unlock(&hp->lock);
	if (inserted)
		hp->events.raise(hp->events.opaque);
}

unsigned int cpu_hotplug_count(struct cpu_hotplug *hp)
{
	unsigned int n;

	pthread_mutex_lock(&hp->lock);
	n = count(hp->present);
	pthread_mutex_unlock(&hp->lock);
	return n;
}

void cpu_hotplug_init(struct cpu_hotplug *hp, unsigned int present, unsigned int possible,
		      const struct cpu_hotplug_events *events)
{
	*hp = (struct cpu_hotplug){
		.events = *events,
		.possible = possible,
		.present = present < 64 ? (1ull << present) - 1 : ~0ull,
	};
	pthread_mutex_init(&hp->lock, NULL);
}

void cpu_hotplug_destroy(struct cpu_hotplug *hp)
{
	pthread_mutex_destroy(&hp->lock);
}
