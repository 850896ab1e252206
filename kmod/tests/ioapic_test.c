// SPDX-License-Identifier: GPL-2.0
/* The I/O APIC: registers, edges and levels, EOI, several sources, state. */
#include "irq_fixture.h"
#include "suites.h"

#define USER	IRQ_SOURCE_USER
#define PIT	IRQ_SOURCE_PIT

static struct ioapic *chip(struct kunit *test)
{
	struct irq_fixture *f = test->priv;

	apics_enable(f);
	return f->vm.irq.ioapic;
}

static u32 reg_read(struct ioapic *ioapic, u32 index)
{
	ioapic_reg_write(ioapic, 0, index);
	return ioapic_reg_read(ioapic, 0x10);
}

static void reg_write(struct ioapic *ioapic, u32 index, u32 val)
{
	ioapic_reg_write(ioapic, 0, index);
	ioapic_reg_write(ioapic, 0x10, val);
}

static void rte_write(struct ioapic *ioapic, unsigned int pin, u64 rte)
{
	reg_write(ioapic, 0x11 + 2 * pin, rte >> 32);
	reg_write(ioapic, 0x10 + 2 * pin, rte);
}

static u64 rte_read(struct ioapic *ioapic, unsigned int pin)
{
	return reg_read(ioapic, 0x10 + 2 * pin) | (u64)reg_read(ioapic, 0x11 + 2 * pin) << 32;
}

static void eoi(struct vcpu *vcpu)
{
	apic_write_reg(vcpu, APIC_EOI, 0);
}

static void registers(struct kunit *test)
{
	struct ioapic *ioapic = chip(test);

	KUNIT_EXPECT_EQ(test, reg_read(ioapic, 1), 0x170020);
	reg_write(ioapic, 1, 0);
	KUNIT_EXPECT_EQ(test, reg_read(ioapic, 1), 0x170020);
	reg_write(ioapic, 0, ~0u);
	KUNIT_EXPECT_EQ(test, reg_read(ioapic, 0), 0x0f000000);
	KUNIT_EXPECT_EQ(test, reg_read(ioapic, 2), 0x0f000000);
	KUNIT_EXPECT_EQ(test, rte_read(ioapic, 23), RTE_MASKED);
	rte_write(ioapic, 23, ~0ull);
	/* Delivery status and remote IRR are read-only, the middle is reserved. */
	KUNIT_EXPECT_EQ(test, rte_read(ioapic, 23), 0xff0000000001afffull);
	reg_write(ioapic, 0x40, 0);	/* behind the last pin */
	KUNIT_EXPECT_EQ(test, reg_read(ioapic, 0x40), 0);
	KUNIT_EXPECT_EQ(test, ioapic_reg_read(ioapic, 0x20), 0);
}

static void mmio(struct kunit *test)
{
	struct irq_fixture *f = test->priv;
	u64 val = 1;

	KUNIT_EXPECT_EQ(test, bus_write(f->vcpu[0], BUS_MMIO, 0xfec00000, 4, &val), 0);
	KUNIT_EXPECT_EQ(test, bus_read(f->vcpu[0], BUS_MMIO, 0xfec00010, 8, &val), 0);
	KUNIT_EXPECT_EQ(test, val, 0x170020ull);
	KUNIT_EXPECT_EQ(test, bus_read(f->vcpu[0], BUS_MMIO, 0xfec00011, 1, &val), 0);
	KUNIT_EXPECT_EQ(test, val & 0xff, 0ull);
	KUNIT_EXPECT_EQ(test, bus_read(f->vcpu[0], BUS_MMIO, 0xfec00100, 4, &val), -EOPNOTSUPP);
}

static void edges(struct kunit *test)
{
	struct irq_fixture *f = test->priv;
	struct ioapic *ioapic = chip(test);

	KUNIT_EXPECT_EQ(test, ioapic_set_pin(ioapic, 5, USER, true), -1);	/* masked: lost */
	rte_write(ioapic, 5, 0x31 | 1ull << RTE_DEST_SHIFT);
	KUNIT_EXPECT_EQ(test, irq_receivers(f, 0x31), 0);
	KUNIT_EXPECT_EQ(test, ioapic_set_pin(ioapic, 5, USER, true), 0);	/* no edge */
	KUNIT_EXPECT_EQ(test, ioapic_set_pin(ioapic, 5, USER, false), 1);
	KUNIT_EXPECT_EQ(test, ioapic_set_pin(ioapic, 5, USER, true), 1);
	ioapic_set_pin(ioapic, 5, USER, false);
	KUNIT_EXPECT_EQ(test, ioapic_set_pin(ioapic, 5, USER, true), 0);	/* IRR is set */
	KUNIT_EXPECT_EQ(test, irq_receivers(f, 0x31), 2);
	KUNIT_EXPECT_EQ(test, irq_receivers(f, 0x31), 0);
	KUNIT_EXPECT_EQ(test, rte_read(ioapic, 5) & RTE_REMOTE_IRR, 0ull);
}

static void levels(struct kunit *test)
{
	struct irq_fixture *f = test->priv;
	struct ioapic *ioapic = chip(test);
	struct vcpu *vcpu = f->vcpu[0];

	ioapic_set_pin(ioapic, 10, USER, true);
	rte_write(ioapic, 10, 0x51 | RTE_LEVEL);	/* unmasking sends what is high */
	KUNIT_EXPECT_EQ(test, irq_acknowledge(vcpu), 0x51);
	KUNIT_EXPECT_TRUE(test, rte_read(ioapic, 10) & RTE_REMOTE_IRR);
	KUNIT_EXPECT_EQ(test, ioapic_set_pin(ioapic, 10, USER, true), 0);
	KUNIT_EXPECT_EQ(test, lapic_pending(vcpu), -1);
	eoi(vcpu);			/* still high: comes again */
	KUNIT_EXPECT_EQ(test, irq_acknowledge(vcpu), 0x51);
	ioapic_set_pin(ioapic, 10, USER, false);
	eoi(vcpu);
	KUNIT_EXPECT_EQ(test, irq_acknowledge(vcpu), -1);
	KUNIT_EXPECT_FALSE(test, rte_read(ioapic, 10) & RTE_REMOTE_IRR);
	KUNIT_EXPECT_EQ(test, ioapic_set_pin(ioapic, 10, USER, true), 1);
	KUNIT_EXPECT_EQ(test, irq_acknowledge(vcpu), 0x51);
	/* Made an edge for a moment, the entry forgets remote IRR (Linux does so). */
	rte_write(ioapic, 10, 0x51 | RTE_MASKED);
	rte_write(ioapic, 10, 0x51 | RTE_LEVEL | RTE_MASKED);
	KUNIT_EXPECT_FALSE(test, rte_read(ioapic, 10) & RTE_REMOTE_IRR);
	eoi(vcpu);
	KUNIT_EXPECT_EQ(test, irq_acknowledge(vcpu), -1);
}

static void sources_are_ored(struct kunit *test)
{
	struct irq_fixture *f = test->priv;
	struct ioapic *ioapic = chip(test);
	struct vcpu *vcpu = f->vcpu[0];

	rte_write(ioapic, 11, 0x61 | RTE_LEVEL);
	ioapic_set_pin(ioapic, 11, USER, true);
	ioapic_set_pin(ioapic, 11, IRQ_SOURCE_RESAMPLE, true);
	KUNIT_EXPECT_EQ(test, irq_acknowledge(vcpu), 0x61);
	ioapic_set_pin(ioapic, 11, USER, false);
	eoi(vcpu);
	KUNIT_EXPECT_EQ(test, irq_acknowledge(vcpu), 0x61);
	ioapic_set_pin(ioapic, 11, IRQ_SOURCE_RESAMPLE, false);
	eoi(vcpu);
	KUNIT_EXPECT_EQ(test, irq_acknowledge(vcpu), -1);
}

static void eoi_register(struct kunit *test)
{
	struct irq_fixture *f = test->priv;
	struct ioapic *ioapic = chip(test);

	rte_write(ioapic, 11, 0x61 | RTE_LEVEL);
	ioapic_set_pin(ioapic, 11, USER, true);
	ioapic_set_pin(ioapic, 11, USER, false);
	ioapic_reg_write(ioapic, 0x40, 0x60);
	KUNIT_EXPECT_TRUE(test, rte_read(ioapic, 11) & RTE_REMOTE_IRR);
	ioapic_reg_write(ioapic, 0x40, 0x61);
	KUNIT_EXPECT_FALSE(test, rte_read(ioapic, 11) & RTE_REMOTE_IRR);
	KUNIT_EXPECT_EQ(test, irq_receivers(f, 0x61), 1);
}

static void no_destination(struct kunit *test)
{
	struct ioapic *ioapic = chip(test);

	rte_write(ioapic, 11, 0x61 | RTE_LEVEL | 0x77ull << RTE_DEST_SHIFT);
	KUNIT_EXPECT_EQ(test, ioapic_set_pin(ioapic, 11, USER, true), -1);
	KUNIT_EXPECT_FALSE(test, rte_read(ioapic, 11) & RTE_REMOTE_IRR);
}

static void modes(struct kunit *test)
{
	struct irq_fixture *f = test->priv;
	struct ioapic *ioapic = chip(test);

	rte_write(ioapic, 4, DELIVERY_NMI << 8 | 2ull << RTE_DEST_SHIFT);
	KUNIT_EXPECT_EQ(test, ioapic_set_pin(ioapic, 4, USER, true), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&f->vcpu[2]->events.nmi_queued), 1);
	apic_write_reg(f->vcpu[3], APIC_LDR, 8u << 24);
	rte_write(ioapic, 6, 0x41 | DELIVERY_LOWEST << 8 | RTE_LOGICAL | 8ull << RTE_DEST_SHIFT);
	KUNIT_EXPECT_EQ(test, ioapic_set_pin(ioapic, 6, USER, true), 1);
	KUNIT_EXPECT_EQ(test, irq_receivers(f, 0x41), 8);
}

/* A line nobody serves must leave the guest time: after many EOIs the next one is late. */
static void storm(struct kunit *test)
{
	struct irq_fixture *f = test->priv;
	struct ioapic *ioapic = chip(test);
	struct vcpu *vcpu = f->vcpu[0];
	unsigned int n = 0;

	rte_write(ioapic, 11, 0x61 | RTE_LEVEL);
	ioapic_set_pin(ioapic, 11, USER, true);
	while (n < 50000 && irq_acknowledge(vcpu) == 0x61) {
		eoi(vcpu);
		n++;
	}
	/* If the test itself is late, the next has come, and as many more. */
	KUNIT_EXPECT_TRUE(test, n && n < 50000 && n % 10000 == 0);
	KUNIT_EXPECT_EQ(test, irq_wait_pending(vcpu), 0x61);
}

static void state(struct kunit *test)
{
	struct irq_fixture *f = test->priv;
	struct ioapic *ioapic = chip(test);
	struct kvm_irqchip *chip = kunit_kzalloc(test, sizeof(*chip), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, chip);
	rte_write(ioapic, 7, 0x71 | RTE_LEVEL | RTE_MASKED);
	rte_write(ioapic, 8, 0x81);
	ioapic_set_pin(ioapic, 7, USER, true);
	ioapic_set_pin(ioapic, 8, USER, true);
	KUNIT_EXPECT_EQ(test, irq_receivers(f, 0x81), 1);
	chip->chip_id = KVM_IRQCHIP_IOAPIC;
	KUNIT_EXPECT_EQ(test, irqchip_state(&f->vm, chip, false), 0);
	KUNIT_EXPECT_EQ(test, chip->chip.ioapic.base_address, 0xfec00000ull);
	KUNIT_EXPECT_EQ(test, chip->chip.ioapic.irr, BIT(7));
	KUNIT_EXPECT_EQ(test, chip->chip.ioapic.redirtbl[7].bits, 0x71 | RTE_LEVEL | RTE_MASKED);
	chip->chip.ioapic.redirtbl[7].bits = 0x71 | RTE_LEVEL;
	chip->chip.ioapic.redirtbl[9].bits = ~0ull;
	chip->chip.ioapic.irr = ~0u;
	chip->chip.ioapic.ioregsel = ~0u;
	KUNIT_EXPECT_EQ(test, irqchip_state(&f->vm, chip, true), 0);
	KUNIT_EXPECT_EQ(test, ioapic_reg_read(ioapic, 0), 0xff);
	KUNIT_EXPECT_EQ(test, irq_receivers(f, 0x81), 1);
	KUNIT_EXPECT_EQ(test, irq_receivers(f, 0x71), 1);
	chip->chip_id = 3;
	KUNIT_EXPECT_EQ(test, irqchip_state(&f->vm, chip, false), -EINVAL);
	KUNIT_EXPECT_EQ(test, irqchip_state(&f->vm, chip, true), -EINVAL);
}

static struct kunit_case ioapic_cases[] = {
	KUNIT_CASE(registers),
	KUNIT_CASE(mmio),
	KUNIT_CASE(edges),
	KUNIT_CASE(levels),
	KUNIT_CASE(sources_are_ored),
	KUNIT_CASE(eoi_register),
	KUNIT_CASE(no_destination),
	KUNIT_CASE(modes),
	KUNIT_CASE(storm),
	KUNIT_CASE(state),
	{}
};

struct kunit_suite ioapic_suite = {
	.name = "vmm-ioapic",
	.init = irq_fixture_init,
	.exit = irq_fixture_exit,
	.test_cases = ioapic_cases,
};
