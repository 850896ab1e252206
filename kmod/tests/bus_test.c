// SPDX-License-Identifier: GPL-2.0
/* The buses: which device is asked, in what order, and what is left to user space. */
#include <kunit/test.h>

#include "../vmm.h"
#include "suites.h"

struct fake_device {
	struct bus_device dev;
	int asked;
	bool refuses;
};

static int fake_access(struct bus_device *dev)
{
	struct fake_device *fake = container_of(dev, struct fake_device, dev);

	fake->asked++;
	return fake->refuses ? -EOPNOTSUPP : 0;
}

static int fake_read(struct vcpu *vcpu, struct bus_device *dev, gpa_t addr, int len, void *val)
{
	return fake_access(dev);
}

static int fake_write(struct vcpu *vcpu, struct bus_device *dev, gpa_t addr, int len,
		      const void *val)
{
	return fake_access(dev);
}

static const struct bus_ops fake_ops = { fake_read, fake_write };

struct bus_fixture {
	struct vmm vm;
	struct vcpu vcpu;
};

static int bus_setup(struct kunit *test)
{
	struct bus_fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	if (!f)
		return -ENOMEM;
	mutex_init(&f->vm.mem.slots_lock);
	mutex_lock(&f->vm.mem.slots_lock);
	f->vcpu.vm = &f->vm;
	test->priv = f;
	return 0;
}

static void bus_teardown(struct kunit *test)
{
	struct bus_fixture *f = test->priv;

	bus_destroy(&f->vm);
	mutex_unlock(&f->vm.mem.slots_lock);
}

static void add(struct kunit *test, struct fake_device *fake, gpa_t addr, u32 len)
{
	struct bus_fixture *f = test->priv;

	fake->dev = (struct bus_device){ &fake_ops, addr, len };
	KUNIT_ASSERT_EQ(test, bus_add(&f->vm, BUS_MMIO, &fake->dev), 0);
}

static void finds_by_range(struct kunit *test)
{
	struct bus_fixture *f = test->priv;
	struct fake_device a = {}, b = {};
	u64 val = 0;

	KUNIT_EXPECT_EQ(test, bus_read(&f->vcpu, BUS_MMIO, 0, 4, &val), -EOPNOTSUPP);
	add(test, &a, 0x1000, 0x100);
	add(test, &b, 0x800, 0x10);
	KUNIT_EXPECT_EQ(test, bus_read(&f->vcpu, BUS_MMIO, 0x10ff, 1, &val), 0);
	KUNIT_EXPECT_EQ(test, a.asked, 1);
	KUNIT_EXPECT_EQ(test, bus_read(&f->vcpu, BUS_MMIO, 0x80f, 1, &val), 0);
	KUNIT_EXPECT_EQ(test, b.asked, 1);
	KUNIT_EXPECT_EQ(test, bus_read(&f->vcpu, BUS_MMIO, 0x1100, 1, &val), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, bus_read(&f->vcpu, BUS_MMIO, 0x810, 1, &val), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, bus_read(&f->vcpu, BUS_MMIO, 0x7ff, 1, &val), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, bus_read(&f->vcpu, BUS_PIO, 0x1000, 1, &val), -EOPNOTSUPP);
}

/* A long device around a short one is still found behind it. */
static void asks_overlapping(struct kunit *test)
{
	struct bus_fixture *f = test->priv;
	struct fake_device zone = {}, inside = {};
	u64 val = 0;

	add(test, &zone, 0x1000, 0x1000);
	add(test, &inside, 0x1800, 8);
	KUNIT_EXPECT_EQ(test, bus_write(&f->vcpu, BUS_MMIO, 0x1900, 8, &val), 0);
	KUNIT_EXPECT_EQ(test, zone.asked, 1);
	KUNIT_EXPECT_EQ(test, inside.asked, 0);
	inside.refuses = true;
	KUNIT_EXPECT_EQ(test, bus_write(&f->vcpu, BUS_MMIO, 0x1800, 8, &val), 0);
	KUNIT_EXPECT_EQ(test, inside.asked, 1);
	KUNIT_EXPECT_EQ(test, zone.asked, 2);
}

static void shares_an_address(struct kunit *test)
{
	struct bus_fixture *f = test->priv;
	struct fake_device a = { .refuses = true }, b = { .refuses = true }, c = {};
	u64 val = 0;

	add(test, &a, 0x1000, 0);
	add(test, &b, 0x1000, 0);
	KUNIT_EXPECT_EQ(test, bus_write(&f->vcpu, BUS_MMIO, 0x1000, 2, &val), -EOPNOTSUPP);
	add(test, &c, 0x1000, 0);
	KUNIT_EXPECT_EQ(test, bus_write(&f->vcpu, BUS_MMIO, 0x1000, 2, &val), 0);
	bus_remove(&f->vm, BUS_MMIO, &c.dev);
	KUNIT_EXPECT_EQ(test, bus_write(&f->vcpu, BUS_MMIO, 0x1000, 2, &val), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, c.asked, 1);
	KUNIT_EXPECT_EQ(test, bus_write(&f->vcpu, BUS_MMIO, 0x1001, 2, &val), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, a.asked, b.asked);
}

/* A write whose length and data nobody knows yet reaches only those who need neither. */
static void without_length(struct kunit *test)
{
	struct bus_fixture *f = test->priv;
	struct fake_device device = {}, eventfd = {};

	add(test, &device, 0x1000, 0x10);
	KUNIT_EXPECT_EQ(test, bus_write(&f->vcpu, BUS_MMIO, 0x1000, 0, NULL), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, device.asked, 0);
	add(test, &eventfd, 0x1000, 0);
	KUNIT_EXPECT_EQ(test, bus_write(&f->vcpu, BUS_MMIO, 0x1000, 0, NULL), 0);
	KUNIT_EXPECT_EQ(test, eventfd.asked, 1);
}

static void is_bounded(struct kunit *test)
{
	struct bus_fixture *f = test->priv;
	struct fake_device *many = kunit_kzalloc(test, 1001 * sizeof(*many), GFP_KERNEL);
	int i;

	KUNIT_ASSERT_NOT_NULL(test, many);
	for (i = 0; i < 1000; i++)
		add(test, &many[i], 0x1000 * i, 1);
	many[i].dev = (struct bus_device){ &fake_ops, 0, 1 };
	KUNIT_EXPECT_EQ(test, bus_add(&f->vm, BUS_MMIO, &many[i].dev), -ENOSPC);
}

static struct kunit_case bus_cases[] = {
	KUNIT_CASE(finds_by_range),
	KUNIT_CASE(asks_overlapping),
	KUNIT_CASE(shares_an_address),
	KUNIT_CASE(without_length),
	KUNIT_CASE(is_bounded),
	{}
};

struct kunit_suite bus_suite = {
	.name = "vmm_bus",
	.init = bus_setup,
	.exit = bus_teardown,
	.test_cases = bus_cases,
};
