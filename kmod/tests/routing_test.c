// SPDX-License-Identifier: GPL-2.0
/* GSI routes, messages, the split irqchip, and which irqchip can be made when. */
#include "irq_fixture.h"
#include "suites.h"

#define CHIP(g, c, p) { .gsi = (g), .type = KVM_IRQ_ROUTING_IRQCHIP,			\
			.u.irqchip = { .irqchip = (c), .pin = (p) } }
#define MSI(g, lo, hi, d) { .gsi = (g), .type = KVM_IRQ_ROUTING_MSI,			\
			    .u.msi = { .address_lo = (lo), .address_hi = (hi), .data = (d) } }

static int set_routes(struct irq_fixture *f, const struct kvm_irq_routing_entry *e, u32 n)
{
	return irq_set_routing(&f->vm, e, n, 0);
}

static void default_routes(struct kunit *test)
{
	struct irq_fixture *f = test->priv;
	struct kvm_irq_routing_entry none;

	apics_enable(f);
	/* The PIC takes it, the I/O APIC is masked. */
	KUNIT_EXPECT_EQ(test, irq_set_gsi(&f->vm, 3, IRQ_SOURCE_USER, true), 1);
	KUNIT_EXPECT_EQ(test, f->vm.irq.pic->half[0].irr, BIT(3));
	KUNIT_EXPECT_EQ(test, f->vm.irq.ioapic->irr, BIT(3));
	irq_set_gsi(&f->vm, 12, IRQ_SOURCE_USER, true);
	KUNIT_EXPECT_EQ(test, f->vm.irq.pic->half[1].irr, BIT(4));
	KUNIT_EXPECT_EQ(test, irq_set_gsi(&f->vm, 20, IRQ_SOURCE_USER, true), -1);
	KUNIT_EXPECT_EQ(test, f->vm.irq.ioapic->irr, BIT(3) | BIT(12) | BIT(20));
	KUNIT_EXPECT_EQ(test, irq_pin_gsi(&f->vm, KVM_IRQCHIP_IOAPIC, 23), 23u);
	KUNIT_EXPECT_EQ(test, irq_pin_gsi(&f->vm, KVM_IRQCHIP_PIC_SLAVE, 7), 15u);
	KUNIT_EXPECT_EQ(test, irq_set_gsi(&f->vm, 24, IRQ_SOURCE_USER, true), -1);
	KUNIT_EXPECT_EQ(test, irq_set_gsi(&f->vm, ~0u, IRQ_SOURCE_USER, true), -1);
	KUNIT_EXPECT_EQ(test, set_routes(f, &none, 0), 0);
	KUNIT_EXPECT_EQ(test, irq_set_gsi(&f->vm, 3, IRQ_SOURCE_USER, false), -1);
}

static void bad_routes(struct kunit *test)
{
	static const struct kvm_irq_routing_entry bad[] = {
		CHIP(0, 3, 0), CHIP(0, KVM_IRQCHIP_PIC_MASTER, 8),
		CHIP(0, KVM_IRQCHIP_PIC_SLAVE, 8), CHIP(0, KVM_IRQCHIP_IOAPIC, 24),
		CHIP(IRQ_MAX_ROUTES, KVM_IRQCHIP_IOAPIC, 0), CHIP(~0u, KVM_IRQCHIP_IOAPIC, 0),
		{ .type = KVM_IRQ_ROUTING_HV_SINT }, { .type = KVM_IRQ_ROUTING_XEN_EVTCHN },
		{ .type = 0 }, { .type = KVM_IRQ_ROUTING_MSI, .flags = 1 },
	};
	static const struct kvm_irq_routing_entry twice[] = {
		CHIP(5, KVM_IRQCHIP_PIC_MASTER, 1), CHIP(5, KVM_IRQCHIP_PIC_SLAVE, 1),
	};
	static const struct kvm_irq_routing_entry mixed[] = {
		CHIP(5, KVM_IRQCHIP_IOAPIC, 1), MSI(5, 0xfee00000, 0, 0x40),
	};
	static const struct kvm_irq_routing_entry high = MSI(5, 0xfee00000, 1, 0x40);
	struct irq_fixture *f = test->priv;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		KUNIT_EXPECT_EQ_MSG(test, set_routes(f, &bad[i], 1), -EINVAL, "entry %u", i);
	KUNIT_EXPECT_EQ(test, set_routes(f, twice, 2), -EINVAL);
	KUNIT_EXPECT_EQ(test, set_routes(f, mixed, 2), -EINVAL);
	KUNIT_EXPECT_EQ(test, irq_set_routing(&f->vm, mixed, 1, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, set_routes(f, mixed, IRQ_MAX_ROUTES + 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, set_routes(f, &high, 1), 0);
	f->vm.policy.x2apic_ids = true;
	KUNIT_EXPECT_EQ(test, set_routes(f, &high, 1), -EINVAL);
	/* The old table stands after a bad one. */
	KUNIT_EXPECT_EQ(test, irq_pin_gsi(&f->vm, KVM_IRQCHIP_IOAPIC, 1), (u32)IRQ_MAX_ROUTES);
}

static void many_routes(struct kunit *test)
{
	struct irq_fixture *f = test->priv;
	struct kvm_irq_routing_entry *e;
	u32 i;

	e = kvcalloc(IRQ_MAX_ROUTES, sizeof(*e), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, e);
	apics_enable(f);
	for (i = 0; i < IRQ_MAX_ROUTES; i++)	/* from the last GSI to the first */
		e[i] = (struct kvm_irq_routing_entry)MSI(IRQ_MAX_ROUTES - 1 - i,
			0xfee00000 | (i & 3) << 12, 0, 0x40 + (i & 0x3f));
	KUNIT_EXPECT_EQ(test, set_routes(f, e, IRQ_MAX_ROUTES), 0);
	kvfree(e);
	KUNIT_EXPECT_EQ(test, irq_set_gsi(&f->vm, IRQ_MAX_ROUTES - 1, 0, true), 1);
	KUNIT_EXPECT_EQ(test, irq_receivers(f, 0x40), 1);
	KUNIT_EXPECT_EQ(test, irq_set_gsi(&f->vm, 0, 0, true), 1);
	KUNIT_EXPECT_EQ(test, irq_receivers(f, 0x7f), 8);
	KUNIT_EXPECT_EQ(test, irq_set_gsi(&f->vm, 0, 0, false), -1);
	KUNIT_EXPECT_EQ(test, irq_set_gsi(&f->vm, IRQ_MAX_ROUTES, 0, true), -1);
}

static void messages(struct kunit *test)
{
	struct irq_fixture *f = test->priv;
	struct kvm_msi msi = { .address_lo = 0xfee00000 | 2 << 12, .data = 0x50 };
	u32 i;

	apics_enable(f);
	for (i = 0; i < IRQ_VCPUS; i++)
		apic_write_reg(f->vcpu[i], APIC_LDR, 1u << (24 + i));
	KUNIT_EXPECT_EQ(test, irq_send_msi(&f->vm, &msi), 1);
	KUNIT_EXPECT_EQ(test, irq_send_msi(&f->vm, &msi), 0);
	KUNIT_EXPECT_EQ(test, irq_receivers(f, 0x50), 4);
	msi.address_lo = 0xfee00000 | 0xe << 12 | BIT(2);
	KUNIT_EXPECT_EQ(test, irq_send_msi(&f->vm, &msi), 3);
	KUNIT_EXPECT_EQ(test, irq_receivers(f, 0x50), 0xe);
	msi.address_lo |= BIT(3);	/* the hint: one of them */
	KUNIT_EXPECT_EQ(test, irq_send_msi(&f->vm, &msi), 1);
	KUNIT_EXPECT_EQ(test, irq_receivers(f, 0x50), 2);
	msi.address_lo = 0xfee00000 | 9 << 12;
	KUNIT_EXPECT_EQ(test, irq_send_msi(&f->vm, &msi), -1);
	msi.flags = 1;
	KUNIT_EXPECT_EQ(test, irq_send_msi(&f->vm, &msi), -EINVAL);
	msi.flags = 0;
	f->vm.policy.x2apic_ids = true;
	msi.address_hi = 1;
	KUNIT_EXPECT_EQ(test, irq_send_msi(&f->vm, &msi), -EINVAL);
	msi.address_lo = 0xfee00000;
	msi.address_hi = 0x100;		/* id 256 */
	KUNIT_EXPECT_EQ(test, irq_send_msi(&f->vm, &msi), -1);
}

static void irqchip_once(struct kunit *test)
{
	struct irq_fixture *f = test->priv;
	struct kvm_irqchip *chip = kunit_kzalloc(test, sizeof(*chip), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, chip);
	KUNIT_EXPECT_EQ(test, irqchip_state(&f->vm, chip, false), -ENXIO);
	KUNIT_EXPECT_EQ(test, irqchip_state(&f->vm, chip, true), -ENXIO);
	f->vm.created_vcpus = 1;
	KUNIT_EXPECT_EQ(test, irqchip_create(&f->vm), -EINVAL);
	KUNIT_EXPECT_EQ(test, irqchip_split(&f->vm, 24), -EEXIST);
	f->vm.created_vcpus = 0;
	KUNIT_EXPECT_EQ(test, irqchip_split(&f->vm, IRQ_MAX_ROUTES + 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, irqchip_create(&f->vm), 0);
	KUNIT_EXPECT_EQ(test, irqchip_create(&f->vm), -EEXIST);
	KUNIT_EXPECT_EQ(test, irqchip_split(&f->vm, 24), -EEXIST);
}

static void split(struct kunit *test)
{
	static const struct kvm_irq_routing_entry route[] = {
		MSI(4, 0xfee00000, 0, 0x8041), MSI(5, 0xfee00000, 0, 0x42),
		MSI(30, 0xfee00000, 0, 0x8043),
	};
	static const struct kvm_irq_routing_entry chip = CHIP(0, KVM_IRQCHIP_IOAPIC, 0);
	static const struct kvm_pit_config config;
	struct irq_fixture *f = test->priv;
	struct vcpu *vcpu;
	u8 vector = 0;
	int i;

	KUNIT_ASSERT_EQ(test, irqchip_split(&f->vm, 24), 0);
	KUNIT_EXPECT_EQ(test, pit_create(&f->vm, &config), -ENOENT);
	for (i = 0; i < IRQ_VCPUS; i++)
		irq_fixture_vcpu(test, f, i);
	apics_enable(f);
	vcpu = f->vcpu[0];
	KUNIT_EXPECT_EQ(test, apic_read_reg(vcpu, APIC_LVR), 0x1050014);
	KUNIT_EXPECT_EQ(test, set_routes(f, &chip, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, set_routes(f, route, 3), 0);
	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_EQ(test, irq_set_gsi(&f->vm, route[i].gsi, 0, true), 1);
		KUNIT_EXPECT_EQ(test, irq_acknowledge(vcpu), 0x41 + i);
		lapic_eoi(vcpu->apic);
		/* Only a level of user space's I/O APIC. */
		KUNIT_EXPECT_EQ(test, lapic_eoi_exit_pending(vcpu, &vector), !i);
	}
	KUNIT_EXPECT_EQ(test, vector, 0x41);
	/* With EOI broadcasts suppressed the guest speaks to the I/O APIC itself. */
	apic_write_reg(vcpu, APIC_SPIV, 0x11ff);
	irq_set_gsi(&f->vm, 4, 0, true);
	irq_acknowledge(vcpu);
	lapic_eoi(vcpu->apic);
	KUNIT_EXPECT_FALSE(test, lapic_eoi_exit_pending(vcpu, &vector));
}

static int bare_init(struct kunit *test)
{
	irq_fixture_vm(test);
	return 0;
}

static struct kunit_case routing_cases[] = {
	KUNIT_CASE(default_routes),
	KUNIT_CASE(bad_routes),
	KUNIT_CASE(many_routes),
	KUNIT_CASE(messages),
	{}
};

struct kunit_suite routing_suite = {
	.name = "vmm-routing",
	.init = irq_fixture_init,
	.exit = irq_fixture_exit,
	.test_cases = routing_cases,
};

static struct kunit_case irqchip_cases[] = {
	KUNIT_CASE(irqchip_once),
	KUNIT_CASE(split),
	{}
};

struct kunit_suite irqchip_suite = {
	.name = "vmm-irqchip",
	.init = bare_init,
	.exit = irq_fixture_exit,
	.test_cases = irqchip_cases,
};
