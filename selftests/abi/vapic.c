// SPDX-License-Identifier: GPL-2.0
/*
 * The TPR in a word of the guest's memory (KVM_SET_VAPIC_ADDR), and user space that hears of who
 * touches it (KVM_TPR_ACCESS_REPORTING): KVM_CAP_VAPIC.
 */
#include "vm.h"

#define SUITE "vapic"

#define VAPIC SHARED_BASE /* bytes: TPR, class in service, 0, highest pending */
#define VEC   0x45

static volatile u8 *word(void)
{
	return (volatile u8 *)VAPIC;
}

static int set_addr(struct vcpu *v, u64 addr)
{
	struct kvm_vapic_addr a = { .vapic_addr = addr };

	return ioctl(v->fd, KVM_SET_VAPIC_ADDR, &a);
}

static int report(struct vcpu *v, u32 enabled, u32 flags)
{
	struct kvm_tpr_access_ctl ctl = { .enabled = enabled, .flags = flags };

	return ioctl(v->fd, KVM_TPR_ACCESS_REPORTING, &ctl);
}

CASE(arguments)
{
	struct vcpu *v = vcpu_add(vm_create(0), 0);

	CHECK_EQ(dev_cap(KVM_CAP_VAPIC), 1);
	CHECK_ERRNO(set_addr(v, 0), EINVAL);
	v = vcpu_add(vm_create(VM_IRQCHIP), 0);
	OK(set_addr(v, 0));
	OK(set_addr(v, VAPIC));
	OK(set_addr(v, 0));
	CHECK_ERRNO(set_addr(v, HOLE_BASE), EINVAL);
	CHECK_ERRNO(set_addr(v, RAM_SIZE - 2), EINVAL);
	CHECK_ERRNO(set_addr(v, ~0ul), EINVAL);
	OK(report(v, 1, 0));
	OK(report(v, 0, 0));
	CHECK_ERRNO(report(v, 1, 1), EINVAL);
}

static volatile u32 seen;

static GUEST_HANDLER void on_irq(struct trap *t)
{
	/* An exit, so that the word is written anew. */
	outb(0x80, 0);
	seen = 1 | word()[1] << 8 | word()[3] << 24;
	guest_count_irq(t);
}

static void guest_memory(void)
{
	guest_on(VEC, on_irq);
	apic_enable();
	sti();
	word()[0] = 0x50;
	outb(0x80, 0);
	GASSERT_EQ(apic_read(APIC_TPR), 0x50);
	/* A vector that this TPR holds back, and the guest sees that it waits. */
	apic_icr(0, ICR_SELF | VEC);
	outb(0x80, 0);
	GASSERT_EQ(this_cpu()->irqs[VEC], 0);
	GASSERT_EQ(word()[3], VEC);
	GASSERT_EQ(word()[1], 0);
	word()[0] = 0x30;
	outb(0x80, 0);
	GASSERT_EQ(this_cpu()->irqs[VEC], 1);
	/* It was in service and no longer pending. */
	GASSERT_EQ(seen, 1 | (VEC & 0xf0) << 8);
	outb(0x80, 0);
	GASSERT_EQ(word()[1], 0);
	GUEST_DONE();
}

static void guest_register(void)
{
	apic_enable();
	word()[0] = 0x50;
	outb(0x80, 0);
	apic_write(APIC_TPR, 0x20);
	outb(0x80, 0);
	GASSERT_EQ(word()[0], 0x20);
	GASSERT_EQ(apic_read(APIC_TPR), 0x20);
	GUEST_DONE();
}

/* Run to the end; port 0x80 is a mere exit. */
static void run_ports(struct vcpu *v)
{
	for (;;) {
		vcpu_run_exit(v, KVM_EXIT_IO);
		if (vcpu_take_ucall(v))
			break;
		CHECK_EQ(v->run->io.port, 0x80);
	}
	CHECK_EQ(v->uc.kind, UCALL_DONE);
}

CASE(tpr_in_memory)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *v = vcpu_new(vm, 0, guest_memory, 0);

	OK(set_addr(v, VAPIC));
	run_ports(v);
}

/* A TPR that is written by another way stands in the word, too. */
CASE(tpr_in_register)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *v = vcpu_new(vm, 0, guest_register, 0);

	OK(set_addr(v, VAPIC));
	run_ports(v);
}

/* Whoever takes the word's memory away meanwhile harms only himself. */
CASE(memory_goes_away)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *v;

	vm_add_ram(vm, 1, 0, HOLE_BASE, 0x1000);
	v = vcpu_new(vm, 0, guest_memory, 0);
	OK(set_addr(v, HOLE_BASE));
	OK(vm_slot(vm, 1, 0, HOLE_BASE, 0, NULL));
	vcpu_run_exit(v, KVM_EXIT_IO);
}

extern const u8 tpr_store[], tpr_load[];

static void guest_touch(void)
{
	u32 val;

	apic_enable();
	asm volatile(".globl tpr_store\ntpr_store: movl %1, (%0)"
		     :
		     : "r"(APIC_BASE + APIC_TPR), "r"(0x30)
		     : "memory");
	asm volatile(".globl tpr_load\ntpr_load: movl (%1), %0"
		     : "=r"(val)
		     : "r"(APIC_BASE + APIC_TPR)
		     : "memory");
	GASSERT_EQ(val, 0x30);
	/* Another register is no matter. */
	apic_write(APIC_TMICT, 0);
	GUEST_DONE();
}

static void expect_access(struct vcpu *v, const u8 *at, u32 write)
{
	vcpu_run_exit(v, KVM_EXIT_TPR_ACCESS);
	CHECK_EQ(v->run->tpr_access.rip, (unsigned long)at);
	CHECK_EQ(v->run->tpr_access.is_write, write);
	/* The instruction is done. */
	CHECK(get_regs(v).rip > (unsigned long)at);
}

CASE(access_is_reported)
{
	struct vcpu *v = vcpu_new(vm_create(VM_IRQCHIP), 0, guest_touch, 0);

	OK(report(v, 1, 0));
	expect_access(v, tpr_store, 1);
	expect_access(v, tpr_load, 0);
	run_done(v);
	vcpu_call(v, guest_touch, 0);
	OK(report(v, 0, 0));
	run_done(v);
}
