// SPDX-License-Identifier: GPL-2.0
#include <errno.h>

#include "../devices/bus.h"
#include "tap.h"

/* A device that remembers bytes and how it was accessed. */
struct memory {
	uint8_t byte[16];
	unsigned int accesses;
	unsigned int last_size;
};

static uint64_t mem_read(void *dev, uint64_t off, unsigned int size)
{
	struct memory *m = dev;
	uint64_t val = 0;

	m->accesses++;
	m->last_size = size;
	memcpy(&val, m->byte + off, size);
	return val;
}

static void mem_write(void *dev, uint64_t off, uint64_t val, unsigned int size)
{
	struct memory *m = dev;

	m->accesses++;
	m->last_size = size;
	memcpy(m->byte + off, &val, size);
}

static const struct bus_ops byte_ops = { mem_read, mem_write, 1 };
static const struct bus_ops dword_ops = { mem_read, mem_write, 4 };

static void ranges_do_not_overlap(void)
{
	struct bus_range a = { .base = 100, .len = 10, .ops = &byte_ops };
	struct bus_range b = a, c = a, d = a, e = a, f = a;
	struct bus bus;

	bus_init(&bus);
	CHECK_EQ(bus_add(&bus, &a), 0);
	b.base = 109;
	CHECK_EQ(bus_add(&bus, &b), -EEXIST);
	b.base = 95;
	b.len = 6;
	CHECK_EQ(bus_add(&bus, &b), -EEXIST);
	b.base = 0;
	b.len = 1000;
	CHECK_EQ(bus_add(&bus, &b), -EEXIST);
	c.base = 110;
	CHECK_EQ(bus_add(&bus, &c), 0);
	d.base = 90;
	CHECK_EQ(bus_add(&bus, &d), 0);
	e.len = 0;
	CHECK_EQ(bus_add(&bus, &e), -EINVAL);
	e.base = UINT64_MAX - 3;
	e.len = 5;
	CHECK_EQ(bus_add(&bus, &e), -EINVAL);
	e.len = 4;
	CHECK_EQ(bus_add(&bus, &e), 0);
	bus_del(&bus, &a);
	f.base = 105;
	f.len = 5;
	CHECK_EQ(bus_add(&bus, &f), 0);
	bus_destroy(&bus);
}

static void unclaimed_reads_ones(void)
{
	uint64_t val = 0;
	struct bus bus;

	bus_init(&bus);
	bus_read(&bus, 0x1234, &val, 4);
	CHECK_EQ(val, 0xffffffff);
	bus_write(&bus, 0x1234, &val, 8);
	bus_read(&bus, UINT64_MAX, &val, 8);
	CHECK_EQ(val, UINT64_MAX);
	bus_destroy(&bus);
}

static void wide_access_is_cut(void)
{
	struct memory m = { .accesses = 0 };
	struct bus_range r = { .base = 0x70, .len = 4, .ops = &byte_ops, .dev = &m };
	uint32_t val = 0x44332211;
	struct bus bus;

	bus_init(&bus);
	bus_add(&bus, &r);
	bus_write(&bus, 0x70, &val, 4);
	CHECK_EQ(m.accesses, 4);
	CHECK_EQ(m.last_size, 1);
	CHECK_EQ(m.byte[0], 0x11);
	CHECK_EQ(m.byte[3], 0x44);
	val = 0;
	bus_read(&bus, 0x71, &val, 2);
	CHECK_EQ(val, 0x3322);
	bus_destroy(&bus);
}

/* An access that begins in a range does not leave it, one that begins before does not enter. */
static void access_stays_in_range(void)
{
	struct memory m = { .byte = { 1, 2, 3, 4, 5, 6, 7, 8 } };
	struct bus_range r = { .base = 0xcf9, .len = 3, .ops = &dword_ops, .dev = &m };
	uint32_t val = 0;
	struct bus bus;

	bus_init(&bus);
	bus_add(&bus, &r);
	bus_read(&bus, 0xcf8, &val, 4);
	CHECK_EQ(val, 0xffffffff);
	bus_write(&bus, 0xcf8, &val, 4);
	CHECK_EQ(m.accesses, 0);
	bus_read(&bus, 0xcfa, &val, 4);
	CHECK_EQ(val, 0xffff0302);
	val = 0x66778899;
	bus_write(&bus, 0xcfb, &val, 4);
	CHECK_EQ(m.byte[2], 0x99);
	CHECK_EQ(m.byte[3], 4);
	bus_destroy(&bus);
}

static void last_address(void)
{
	struct memory m = { .byte = { 0xab } };
	struct bus_range r = { .base = UINT64_MAX, .len = 1, .ops = &dword_ops, .dev = &m };
	uint64_t val = 0;
	struct bus bus;

	bus_init(&bus);
	CHECK_EQ(bus_add(&bus, &r), 0);
	bus_read(&bus, UINT64_MAX, &val, 8);
	CHECK_EQ(val, 0xffffffffffffffab);
	bus_destroy(&bus);
}

TAP_MAIN(TEST(ranges_do_not_overlap), TEST(unclaimed_reads_ones), TEST(wide_access_is_cut),
	 TEST(access_stays_in_range), TEST(last_address));
