// SPDX-License-Identifier: GPL-2.0
/* Paravirtual end of interrupt: virt/kvm/x86/msr.rst, MSR_KVM_PV_EOI_EN. */
#include "pv_features.h"

#define VEC    0x60
#define VEC_2  0x70 /* of a higher class */
#define ROUNDS 50

static volatile u32 eoi_word;
static volatile u64 offered;

static inline bool end_by_memory(void)
{
	bool was;

	asm volatile("btrl $0, %0" : "+m"(eoi_word), "=@ccc"(was) : : "memory");
	return was;
}

static GUEST_HANDLER void on_irq(struct trap *t)
{
	this_cpu()->irqs[t->vector & 0xff]++;
	if (end_by_memory()) {
		offered++;
		return;
	}
	apic_write(APIC_EOI, 0);
}

static void self_ipi(u32 vector)
{
	apic_write(APIC_ICR, ICR_SELF | vector);
}

static void setup_eoi(void)
{
	cli();
	guest_on(VEC, on_irq);
	guest_on(VEC_2, on_irq);
	apic_enable();
	wrmsr(MSR_KVM_PV_EOI_EN, (u64)&eoi_word | KVM_MSR_ENABLED);
}

static void guest_eoi(void)
{
	u32 i;

	setup_eoi();
	sti();
	/*
	 * Any exit takes the offer back, and of the host's interrupts there are many if it is busy:
	 * until some were taken. The time limit of the case is what ends it if none is made.
	 */
	for (i = 1; i <= ROUNDS || offered <= ROUNDS / 8; i++) {
		self_ipi(VEC);
		SPIN_UNTIL(this_cpu()->irqs[VEC] == i);
		/* Only what has ended lets the next one of its class in. */
		GASSERT_EQ(apic_read(APIC_ISR + 0x30), 0);
	}
	GUEST_SYNC2(1, offered, 0);
	wrmsr(MSR_KVM_PV_EOI_EN, 0);
	offered = 0;
	self_ipi(VEC);
	SPIN_UNTIL(this_cpu()->irqs[VEC] == i);
	GASSERT_EQ(offered, 0);
	GUEST_DONE();
}

CASE(eoi)
{
	struct vcpu *v = vcpu_new(vm_create(VM_IRQCHIP), 0, guest_eoi, 0);

	need_feature(KVM_FEATURE_PV_EOI);
	run_sync(v, 1);
	CHECK_STAT(v, "pv_eoi", v->uc.args[1]);
	run_done(v);
}

/* An interrupt of lower priority waits for the end of this one, which has to be told. */
static GUEST_HANDLER void on_higher(struct trap *t)
{
	this_cpu()->irqs[t->vector & 0xff]++;
	GASSERT(!end_by_memory());
	apic_write(APIC_EOI, 0);
}

static void guest_eoi_pending(void)
{
	u32 i;

	setup_eoi();
	guest_on(VEC_2, on_higher);
	for (i = 1; i <= ROUNDS || !offered; i++) {
		self_ipi(VEC);
		self_ipi(VEC_2);
		sti();
		SPIN_UNTIL(this_cpu()->irqs[VEC] == i);
		cli();
		GASSERT_EQ(this_cpu()->irqs[VEC_2], i);
	}
	GUEST_DONE();
}

CASE(eoi_others_wait)
{
	run_done(vcpu_new(vm_create(VM_IRQCHIP), 0, guest_eoi_pending, 0));
}

/* The outer handler's offer is void once it was interrupted, and the inner's end is not its own. */
static GUEST_HANDLER void on_irq_nest(struct trap *t)
{
	u32 before = this_cpu()->irqs[VEC_2];

	this_cpu()->irqs[t->vector & 0xff]++;
	self_ipi(VEC_2);
	sti();
	SPIN_UNTIL(this_cpu()->irqs[VEC_2] != before);
	cli();
	GASSERT_EQ(apic_read(APIC_ISR + 0x30), 1);
	GASSERT(!end_by_memory());
	apic_write(APIC_EOI, 0);
	GASSERT_EQ(apic_read(APIC_ISR + 0x30), 0);
}

static void guest_eoi_nested(void)
{
	u32 i;

	setup_eoi();
	guest_on(VEC, on_irq_nest);
	for (i = 1; i <= ROUNDS || !offered; i++) {
		self_ipi(VEC);
		sti();
		SPIN_UNTIL(this_cpu()->irqs[VEC] == i);
		cli();
	}
	GUEST_DONE();
}

CASE(eoi_nested)
{
	run_done(vcpu_new(vm_create(VM_IRQCHIP), 0, guest_eoi_nested, 0));
}

#define LEVEL_PIN 20

/* A level-triggered interrupt is ended at the I/O APIC, too: that takes an exit. */
static void guest_eoi_level(void)
{
	setup_eoi();
	mmio_write32(IOAPIC_BASE, 0x10 + 2 * LEVEL_PIN);
	mmio_write32(IOAPIC_BASE + 0x10, VEC | ICR_LEVEL);
	sti();
	GUEST_SYNC(1);
	SPIN_UNTIL(this_cpu()->irqs[VEC] >= 2);
	GASSERT_EQ(offered, 0);
	GUEST_SYNC(2);
	GUEST_DONE();
}

CASE(eoi_level)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *v = vcpu_new(vm, 0, guest_eoi_level, 0);
	struct kvm_irq_level l = { .irq = LEVEL_PIN, .level = 1 };

	run_sync(v, 1);
	OK(ioctl(vm->fd, KVM_IRQ_LINE, &l));
	run_sync(v, 2);
	l.level = 0;
	OK(ioctl(vm->fd, KVM_IRQ_LINE, &l));
	run_done(v);
}

/* The page is nowhere, or may not be written: the registers do as ever. */
static void guest_eoi_nowhere(u64 where)
{
	setup_eoi();
	wrmsr_try(MSR_KVM_PV_EOI_EN, where | KVM_MSR_ENABLED);
	sti();
	self_ipi(VEC);
	SPIN_UNTIL(this_cpu()->irqs[VEC] == 1);
	self_ipi(VEC);
	SPIN_UNTIL(this_cpu()->irqs[VEC] == 2);
	GUEST_DONE();
}

CASE(eoi_nowhere)
{
	run_done(vcpu_new(vm_create(VM_IRQCHIP), 0, guest_eoi_nowhere, HOLE_BASE));
	run_done(vcpu_new(vm_create(VM_IRQCHIP), 0, guest_eoi_nowhere, 0x000ffffffffff000));
}
