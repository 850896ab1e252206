// SPDX-License-Identifier: GPL-2.0
/* Processors that come and go, and guests that make of that what they like. */
#include "../devices/cpu_hotplug.h"
#include "tap.h"

#define INSERTED 0x00
#define WANTED   0x08
#define PRESENT  0x10

static struct cpu_hotplug hp;
static struct bus pio;
static struct bus_range range;
static unsigned int raised;
static uint64_t came, went;

static void raise_event(void *opaque)
{
	(void)opaque;
	raised++;
}

static void inserted(void *opaque, uint64_t cpus)
{
	(void)opaque;
	CHECK_EQ(raised, 0); /* before the guest is told */
	came |= cpus;
}

static void ejected(void *opaque, uint64_t cpus)
{
	(void)opaque;
	went |= cpus;
}

static void begin(unsigned int present, unsigned int possible)
{
	static const struct cpu_hotplug_events events = { raise_event, inserted, ejected, NULL };

	raised = 0;
	came = 0;
	went = 0;
	bus_init(&pio);
	cpu_hotplug_init(&hp, present, possible, &events);
	range = (struct bus_range){ CPU_HOTPLUG_BASE, CPU_HOTPLUG_PORTS, &cpu_hotplug_ops, &hp,
				    NULL };
	CHECK_EQ(bus_add(&pio, &range), 0);
}

static void end(void)
{
	bus_destroy(&pio);
	cpu_hotplug_destroy(&hp);
}

static uint32_t in(unsigned int reg)
{
	uint8_t data[4] = { 0 };

	bus_read(&pio, CPU_HOTPLUG_BASE + reg, data, 4);
	return data[0] | data[1] << 8 | data[2] << 16 | (uint32_t)data[3] << 24;
}

static void out(unsigned int reg, uint32_t val)
{
	const uint8_t data[] = { (uint8_t)val, (uint8_t)(val >> 8), (uint8_t)(val >> 16),
				 (uint8_t)(val >> 24) };

	bus_write(&pio, CPU_HOTPLUG_BASE + reg, data, 4);
}

static void come_and_go(void)
{
	begin(1, 4);
	CHECK_EQ(in(PRESENT), 1);
	cpu_hotplug_set(&hp, 3);
	CHECK_EQ(raised, 1);
	CHECK_EQ(came, 6);
	CHECK_EQ(in(PRESENT), 7);
	CHECK_EQ(in(INSERTED), 6);
	CHECK_EQ(cpu_hotplug_count(&hp), 3);
	out(INSERTED, 6);
	CHECK_EQ(in(INSERTED), 0);
	cpu_hotplug_set(&hp, 1);
	CHECK_EQ(raised, 2);
	CHECK_EQ(in(WANTED), 6);
	CHECK_EQ(in(PRESENT), 7);
	out(WANTED, 6);
	/* The guest lets one go, and keeps the other: it can be asked again. */
	out(PRESENT, 4);
	CHECK_EQ(went, 4);
	CHECK_EQ(in(PRESENT), 3);
	raised = 0;
	cpu_hotplug_set(&hp, 1);
	CHECK_EQ(raised, 1);
	CHECK_EQ(in(WANTED), 2);
	out(PRESENT, 2);
	CHECK_EQ(in(WANTED), 0);
	CHECK_EQ(cpu_hotplug_count(&hp), 1);
	end();
}

/* What has not been asked for is not taken back, and what has been is not asked for twice. */
static void changed_mind(void)
{
	begin(4, 4);
	cpu_hotplug_set(&hp, 2);
	CHECK_EQ(in(WANTED), 12);
	cpu_hotplug_set(&hp, 4);
	CHECK_EQ(in(WANTED), 0);
	CHECK_EQ(came, 0);
	CHECK_EQ(in(PRESENT), 15);
	end();
}

/* All that there can be, in the upper halves, too. */
static void sixty_four(void)
{
	begin(1, 64);
	cpu_hotplug_set(&hp, 64);
	CHECK_EQ(came, ~1ull);
	CHECK_EQ(in(PRESENT + 4), ~0u);
	CHECK_EQ(in(INSERTED + 4), ~0u);
	out(INSERTED + 4, 0x80000000);
	CHECK_EQ(in(INSERTED + 4), 0x7fffffff);
	out(PRESENT + 4, 0x80000000);
	CHECK_EQ(went, 1ull << 63);
	CHECK_EQ(cpu_hotplug_count(&hp), 63);
	end();
	begin(64, 64);
	CHECK_EQ(cpu_hotplug_count(&hp), 64);
	end();
}

static void hostile(void)
{
	begin(2, 4);
	/* Not the one that boots, none that is absent, none that cannot be. */
	out(PRESENT, ~2u);
	out(PRESENT + 4, ~0u);
	CHECK_EQ(went, 0);
	CHECK_EQ(in(PRESENT), 3);
	/* Unasked. */
	out(PRESENT, ~0u);
	CHECK_EQ(went, 2);
	out(PRESENT, ~0u);
	CHECK_EQ(went, 2);
	CHECK_EQ(cpu_hotplug_count(&hp), 1);
	/* Registers cannot be set. */
	out(INSERTED, ~0u);
	out(WANTED, ~0u);
	CHECK_EQ(in(INSERTED), 0);
	CHECK_EQ(in(WANTED), 0);
	/* Across two halves, and beyond the end. */
	cpu_hotplug_set(&hp, 4);
	out(INSERTED + 2, ~0u);
	CHECK_EQ(in(INSERTED), 14);
	CHECK_EQ(in(PRESENT + 4), 0);
	end();
}

TAP_MAIN(TEST(come_and_go), TEST(changed_mind), TEST(sixty_four), TEST(hostile));
