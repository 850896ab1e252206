/* SPDX-License-Identifier: GPL-2.0 */
/* A VM with an irqchip and a few vCPUs that never run: what the suites of irq/ stand on. */
#ifndef VMM_TESTS_IRQ_FIXTURE_H
#define VMM_TESTS_IRQ_FIXTURE_H

#include <kunit/test.h>
#include <linux/delay.h>
#include <asm/cpufeature.h>

#include "../backend.h"
#include "../cpu/cpu.h"
#include "../cpu/internal.h"
#include "../irq/chips.h"
#include "../irq/lapic.h"

#define IRQ_VCPUS	4
#define APIC_PAGE	0xfee00000ull

struct irq_fixture {
	struct vmm vm;
	struct vcpu *vcpu[IRQ_VCPUS];
	struct kvm_cpuid_entry2 leaf1;
	struct backend_caps caps;	/* of this machine: the fixture's processor has none */
};

static inline void irq_fixture_vcpu(struct kunit *test, struct irq_fixture *f, u32 index)
{
	struct vcpu *vcpu = kunit_kzalloc(test, sizeof(*vcpu), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, vcpu);
	vcpu->vm = &f->vm;
	vcpu->id = index;
	vcpu->index = index;
	vcpu->cpu = -1;
	vcpu->state.valid = STATE_ALL;
	vcpu->events.ext_irq = -1;
	vcpu->events.injected.type = EVENT_NONE;
	vcpu->tsc.khz = tsc_khz;
	vcpu->cpuid.entries = &f->leaf1;
	vcpu->cpuid.nent = 1;
	cpuid_derive(vcpu);
	rcuwait_init(&vcpu->wait);
	KUNIT_ASSERT_EQ(test, lapic_create(vcpu), 0);
	KUNIT_ASSERT_EQ(test, xa_err(xa_store(&f->vm.vcpus, index, vcpu, GFP_KERNEL)), 0);
	f->vcpu[index] = vcpu;
	atomic_inc(&f->vm.online_vcpus);
}

static inline struct irq_fixture *irq_fixture_vm(struct kunit *test)
{
	struct irq_fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, f);
	test->priv = f;
	f->caps = backend_caps;
	backend_caps.virtual_apic = false;
	backend_caps.deadline = false;
	f->leaf1.function = 1;
	f->leaf1.ecx = BIT(X86_FEATURE_X2APIC % 32) | BIT(X86_FEATURE_TSC_DEADLINE_TIMER % 32);
	xa_init(&f->vm.vcpus);
	mutex_init(&f->vm.mem.slots_lock);
	irq_vm_init(&f->vm);
	return f;
}

static inline int irq_fixture_init(struct kunit *test)
{
	struct irq_fixture *f = irq_fixture_vm(test);
	u32 i;

	KUNIT_ASSERT_EQ(test, irqchip_create(&f->vm), 0);
	for (i = 0; i < IRQ_VCPUS; i++)
		irq_fixture_vcpu(test, f, i);
	return 0;
}

static inline void irq_fixture_exit(struct kunit *test)
{
	struct irq_fixture *f = test->priv;
	u32 i;

	irq_vm_release(&f->vm);
	for (i = 0; i < IRQ_VCPUS; i++)
		if (f->vcpu[i])
			lapic_destroy(f->vcpu[i]);
	irq_vm_destroy(&f->vm);
	bus_destroy(&f->vm);
	xa_destroy(&f->vm.vcpus);
	backend_caps = f->caps;
}

static inline void apic_write_reg(struct vcpu *vcpu, u32 off, u32 val)
{
	lapic_mmio_write(vcpu, APIC_PAGE + off, 4, &val);
}

static inline u32 apic_read_reg(struct vcpu *vcpu, u32 off)
{
	u32 val = 0;

	lapic_mmio_read(vcpu, APIC_PAGE + off, 4, &val);
	return val;
}

/* Software-enable every APIC, as an operating system does. */
static inline void apics_enable(struct irq_fixture *f)
{
	u32 i;

	for (i = 0; i < IRQ_VCPUS; i++)
		apic_write_reg(f->vcpu[i], APIC_SPIV, 0x1ff);
}

/* The first vCPU of such a system. */
static inline struct vcpu *boot(struct kunit *test)
{
	struct irq_fixture *f = test->priv;

	apics_enable(f);
	return f->vcpu[0];
}

static inline void apics_x2(struct kunit *test)
{
	struct irq_fixture *f = test->priv;
	u32 i;

	for (i = 0; i < IRQ_VCPUS; i++)
		KUNIT_ASSERT_EQ(test, lapic_base_set(f->vcpu[i], f->vcpu[i]->msrs.apic_base |
						     X2APIC_ENABLE, false), 0);
}

/* Which vCPUs have this vector pending, as a mask; they take and end it. */
static inline u32 irq_receivers(struct irq_fixture *f, int vector)
{
	u32 i, mask = 0;

	for (i = 0; i < IRQ_VCPUS; i++) {
		if (lapic_pending(f->vcpu[i]) != vector)
			continue;
		mask |= BIT(i);
		irq_acknowledge(f->vcpu[i]);
		lapic_eoi(f->vcpu[i]->apic);
	}
	return mask;
}

/* Wait until a timer has made an interrupt pending; -1: not within two seconds of looking. */
static inline int irq_wait_pending(struct vcpu *vcpu)
{
	int looks = 20000;

	while (lapic_pending(vcpu) < 0 && looks-- > 0)
		usleep_range(100, 200);
	return lapic_pending(vcpu);
}

#endif /* VMM_TESTS_IRQ_FIXTURE_H */
