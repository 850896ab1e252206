// SPDX-License-Identifier: GPL-2.0
/* The local APIC in the kernel, one vCPU. SDM vol. 3A, 11; APM vol. 2, 16. */
#include <string.h>
#include "vm.h"

#define SUITE "lapic"

#define VEC    0x60
#define SLOWLY 0xa /* divide configuration: by 128 */

static volatile u32 *irqs(void)
{
	return this_cpu()->irqs;
}

static struct vcpu *start(void *fn)
{
	return vcpu_new(vm_create(VM_IRQCHIP), 0, fn, 0);
}

static u32 lapic_reg(const struct kvm_lapic_state *s, u32 reg)
{
	return *(const u32 *)(s->regs + reg);
}

/* SDM vol. 3A, 11.4.7.1: state after reset. */
CASE(reset_state)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *v = vcpu_add(vm, 3);
	struct kvm_lapic_state s;

	OK(ioctl(v->fd, KVM_GET_LAPIC, &s));
	CHECK_EQ(lapic_reg(&s, APIC_ID) >> 24, 3);
	CHECK_EQ(lapic_reg(&s, APIC_SPIV), 0xff);
	CHECK_EQ(lapic_reg(&s, APIC_DFR), 0xffffffff);
	CHECK_EQ(lapic_reg(&s, APIC_LDR), 0);
	CHECK_EQ(lapic_reg(&s, APIC_TPR), 0);
	CHECK_EQ(lapic_reg(&s, APIC_LVTT), LVT_MASKED);
	CHECK_EQ(lapic_reg(&s, APIC_LVT0), LVT_MASKED);
	CHECK_EQ(lapic_reg(&s, APIC_LVT1), LVT_MASKED);
	CHECK_EQ(lapic_reg(&s, APIC_LVTERR), LVT_MASKED);
	CHECK_EQ(lapic_reg(&s, APIC_LVR) & 0xff, 0x14);
	CHECK(lapic_reg(&s, APIC_LVR) >> 16 >= 4);
	CHECK_EQ(lapic_reg(&s, APIC_TMICT), 0);
	/* KVM_X86_QUIRK_LINT0_REENABLED: the boot processor's LINT0 leads to the PIC. */
	v = vcpu_add(vm, 0);
	OK(ioctl(v->fd, KVM_GET_LAPIC, &s));
	CHECK_EQ(lapic_reg(&s, APIC_LVT0), 0x700);
}

CASE(absent)
{
	struct vcpu *v = vcpu_add(vm_create(0), 0);
	struct kvm_lapic_state s;

	memset(&s, 0, sizeof(s));
	CHECK_ERRNO(ioctl(v->fd, KVM_GET_LAPIC, &s), EINVAL);
	CHECK_ERRNO(ioctl(v->fd, KVM_SET_LAPIC, &s), EINVAL);
}

CASE(create_irqchip_order)
{
	struct vm *vm = vm_create(0), *two = vm_create(VM_IRQCHIP);

	vcpu_add(vm, 0);
	CHECK_ERRNO(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0), EINVAL);
	CHECK_ERRNO(ioctl(two->fd, KVM_CREATE_IRQCHIP, 0), EEXIST);
}

static void guest_regs(void)
{
	apic_write(APIC_SPIV, 0x1f0);
	GASSERT_EQ(apic_read(APIC_SPIV) & 0x1ff, 0x1f0);
	apic_write(APIC_LDR, 0x12345678);
	GASSERT_EQ(apic_read(APIC_LDR), 0x12000000);
	apic_write(APIC_DFR, 0);
	GASSERT_EQ(apic_read(APIC_DFR), 0x0fffffff);
	apic_write(APIC_TPR, 0x30);
	GASSERT_EQ(apic_read(APIC_TPR), 0x30);
	GASSERT_EQ(apic_read(APIC_PPR), 0x30);
	apic_write(APIC_TDCR, 0xff);
	GASSERT_EQ(apic_read(APIC_TDCR), 0xb);
	apic_write(APIC_ICR2, 0x7fffffff);
	GASSERT_EQ(apic_read(APIC_ICR2), 0x7f000000);
	apic_write(APIC_LVT0, 0x10020);
	GASSERT_EQ(apic_read(APIC_LVT0), 0x10020);
	/* The identifier and version do not change. */
	apic_write(APIC_LVR, 0);
	GASSERT_EQ(apic_read(APIC_LVR) & 0xff, 0x14);
	/* Software disable masks all LVTs. */
	apic_write(APIC_LVT1, 0x30);
	GASSERT_EQ(apic_read(APIC_LVT1), 0x30);
	apic_write(APIC_SPIV, 0xf0);
	GASSERT_EQ(apic_read(APIC_LVT1), 0x10030);
	apic_write(APIC_LVT1, 0x30);
	GASSERT_EQ(apic_read(APIC_LVT1), 0x10030);
	GUEST_DONE();
}

CASE(registers)
{
	run_done(start(guest_regs));
}

static void guest_sync(void)
{
	apic_enable();
	apic_write(APIC_TPR, 0x40);
	GUEST_SYNC(0);
	GASSERT_EQ(apic_read(APIC_TPR), 0x50);
	GASSERT_EQ(apic_read(APIC_LVT1), 0x10044);
	GUEST_DONE();
}

CASE(get_set)
{
	struct vcpu *v = start(guest_sync);
	struct kvm_lapic_state s, t;

	run_sync(v, 0);
	OK(ioctl(v->fd, KVM_GET_LAPIC, &s));
	CHECK_EQ(lapic_reg(&s, APIC_TPR), 0x40);
	CHECK_EQ(lapic_reg(&s, APIC_SPIV), 0x1ff);
	*(u32 *)(s.regs + APIC_TPR) = 0x50;
	*(u32 *)(s.regs + APIC_LVT1) = 0x10044;
	OK(ioctl(v->fd, KVM_SET_LAPIC, &s));
	OK(ioctl(v->fd, KVM_GET_LAPIC, &t));
	CHECK_EQ(lapic_reg(&t, APIC_TPR), 0x50);
	CHECK_EQ(get_sregs(v).cr8, 5);
	run_done(v);
}

static void guest_pending(void)
{
	guest_on(VEC, guest_count_irq);
	apic_enable();
	GUEST_SYNC(0);
	sti_nop();
	GASSERT_EQ(irqs()[VEC], 1);
	GUEST_DONE();
}

/* The page is memory-mapped: any instruction that moves 32 bits will do. */
static void guest_instructions(void)
{
	u64 r = 0x20, tpr = APIC_BASE + APIC_TPR;

	asm volatile("xchgl %k0, (%1)" : "+r"(r) : "r"(tpr) : "memory");
	GASSERT_EQ(r, 0);
	asm volatile("orl $0x10, (%0)" : : "r"(tpr) : "memory", "cc");
	GASSERT_EQ(apic_read(APIC_TPR), 0x30);
	asm volatile("subl $0x10, (%0)" : : "r"(tpr) : "memory", "cc");
	asm volatile("mov %0, %%rsi; mov %1, %%rdi; cld; movsl"
		     :
		     : "r"(tpr), "r"(SHARED_BASE)
		     : "rsi", "rdi", "memory");
	GASSERT_EQ(*(volatile u32 *)SHARED_BASE, 0x20);
	asm volatile("testl $0x20, (%1); setnz %b0" : "=r"(r) : "r"(tpr) : "memory", "cc");
	GASSERT_EQ(r & 0xff, 1);
	GUEST_DONE();
}

CASE(instructions)
{
	run_done(start(guest_instructions));
}

static void guest_read_irr(void)
{
	GASSERT_EQ(apic_read(APIC_IRR), 0x45000);
	GASSERT_EQ(apic_read(APIC_IRR + 0x10), 0x80000001);
	GUEST_DONE();
}

/* The state is user space's: also bits of vectors that no interrupt can have are kept. */
CASE(set_irr_is_kept)
{
	struct vcpu *v = start(guest_read_irr);
	struct kvm_lapic_state s;

	OK(ioctl(v->fd, KVM_GET_LAPIC, &s));
	*(u32 *)(s.regs + APIC_IRR) = 0x45000;
	*(u32 *)(s.regs + APIC_IRR + 0x10) = 0x80000001;
	OK(ioctl(v->fd, KVM_SET_LAPIC, &s));
	run_done(v);
}

/* An IRR bit that user space sets is an interrupt. */
CASE(set_pending)
{
	struct vcpu *v = start(guest_pending);
	struct kvm_lapic_state s;

	run_sync(v, 0);
	OK(ioctl(v->fd, KVM_GET_LAPIC, &s));
	*(u32 *)(s.regs + APIC_IRR + 16 * (VEC / 32)) |= BIT(VEC % 32);
	OK(ioctl(v->fd, KVM_SET_LAPIC, &s));
	run_done(v);
}

static void guest_self_ipi(void)
{
	guest_on(VEC, guest_count_irq);
	apic_enable();
	apic_write(APIC_ICR, ICR_SELF | ICR_FIXED | VEC);
	GASSERT_EQ(apic_read(APIC_IRR + 16 * (VEC / 32)), BIT(VEC % 32));
	GASSERT_EQ(irqs()[VEC], 0);
	sti_nop();
	GASSERT_EQ(irqs()[VEC], 1);
	GASSERT_EQ(apic_read(APIC_IRR + 16 * (VEC / 32)), 0);
	GASSERT_EQ(apic_read(APIC_ISR + 16 * (VEC / 32)), 0);
	GASSERT_EQ(apic_read(APIC_ICR) & ICR_BUSY, 0);
	apic_icr(apic_read(APIC_ID) >> 24, ICR_FIXED | VEC);
	pause_cpu();
	GASSERT_EQ(irqs()[VEC], 2);
	cli();
	apic_write(APIC_ICR, ICR_SELF | VEC);
	sti_hlt_cli();
	GASSERT_EQ(irqs()[VEC], 3);
	GUEST_DONE();
}

CASE(self_ipi)
{
	run_done(start(guest_self_ipi));
}

/* Interrupts nest by priority class: 0x80 interrupts the handler of 0x60, 0x61 does not. */
static volatile u32 order[8], n_order;

static GUEST_HANDLER void note(struct trap *t)
{
	order[n_order++ & 7] = t->vector;
}

static GUEST_HANDLER void outer(struct trap *t)
{
	note(t);
	GASSERT_EQ(apic_read(APIC_ISR + 16 * 3), 1);
	GASSERT_EQ(apic_read(APIC_PPR), 0x60);
	apic_write(APIC_ICR, ICR_SELF | 0x61);
	apic_write(APIC_ICR, ICR_SELF | 0x80);
	sti_nop();
	cli();
	order[n_order++ & 7] = 1;
	apic_write(APIC_EOI, 0);
}

static GUEST_HANDLER void inner(struct trap *t)
{
	note(t);
	apic_write(APIC_EOI, 0);
}

static void guest_nesting(void)
{
	guest_on(0x60, outer);
	guest_on(0x61, inner);
	guest_on(0x80, inner);
	apic_enable();
	apic_write(APIC_ICR, ICR_SELF | 0x60);
	sti_nop();
	GASSERT_EQ(n_order, 4);
	GASSERT_EQ(order[0], 0x60);
	GASSERT_EQ(order[1], 0x80);
	GASSERT_EQ(order[2], 1);
	GASSERT_EQ(order[3], 0x61);
	GUEST_DONE();
}

CASE(nesting)
{
	run_done(start(guest_nesting));
}

static void write_cr8(u64 v)
{
	asm volatile("mov %0, %%cr8" : : "r"(v) : "memory");
}

static u64 read_cr8(void)
{
	u64 v;

	asm volatile("mov %%cr8, %0" : "=r"(v) : : "memory");
	return v;
}

static void guest_tpr(void)
{
	guest_on(VEC, guest_count_irq);
	apic_enable();
	write_cr8(6);
	GASSERT_EQ(apic_read(APIC_TPR), 0x60);
	apic_write(APIC_ICR, ICR_SELF | VEC);
	sti_nop();
	GASSERT_EQ(irqs()[VEC], 0);
	write_cr8(5);
	asm volatile("nop");
	GASSERT_EQ(irqs()[VEC], 1);
	apic_write(APIC_TPR, 0x7f);
	GASSERT_EQ(read_cr8(), 7);
	apic_write(APIC_ICR, ICR_SELF | VEC);
	asm volatile("nop");
	GASSERT_EQ(irqs()[VEC], 1);
	apic_write(APIC_TPR, 0);
	asm volatile("nop");
	GASSERT_EQ(irqs()[VEC], 2);
	GUEST_DONE();
}

CASE(tpr_and_cr8)
{
	run_done(start(guest_tpr));
}

static void guest_cr8_in_window(void)
{
	guest_on(VEC, guest_count_irq);
	apic_enable();
	cli();
	apic_write(APIC_ICR, ICR_SELF | VEC);
	write_cr8(1);
	GASSERT_EQ(read_cr8(), 1);
	GASSERT_EQ(apic_read(APIC_TPR), 0x10);
	GASSERT_EQ(irqs()[VEC], 0);
	sti_nop();
	GASSERT_EQ(irqs()[VEC], 1);
	GUEST_DONE();
}

/* An interrupt waits for IF. QEMU's TCG aborts when such a write does not exit. */
CASE(cr8_in_window)
{
	run_done(start(guest_cr8_in_window));
}

static void guest_tpr_subclass(void)
{
	apic_write(APIC_TPR, 0x35);
	GASSERT_EQ(apic_read(APIC_TPR), 0x35);
	GASSERT_EQ(apic_read(APIC_PPR), 0x35);
	GASSERT_EQ(read_cr8(), 3);
	GUEST_DONE();
}

/* CR8 shows the upper half of the TPR, the lower half must survive (SDM 11.8.3.1). */
CASE(tpr_subclass, .oracle = "in-tree kvm_amd clears TPR[3:0] when it copies the virtual TPR back")
{
	run_done(start(guest_tpr_subclass));
}

static void guest_cr8_reserved(void)
{
	TRY("mov %0, %%cr8", : : "r"(16ull) : "memory");
	GASSERT_TRAP(GP_VECTOR, 0);
	GUEST_DONE();
}

CASE(cr8_reserved_bits, .tcg = "TCG does not check CR8 for reserved bits")
{
	run_done(start(guest_cr8_reserved));
}

static void guest_timer(void)
{
	u32 first, second;

	guest_on(VEC, guest_count_irq);
	apic_enable();
	apic_write(APIC_TDCR, 0xb);
	apic_write(APIC_LVTT, VEC);
	apic_write(APIC_TMICT, 1000000);
	sti_hlt_cli();
	GASSERT_EQ(irqs()[VEC], 1);
	GASSERT_EQ(apic_read(APIC_TMCCT), 0);
	/* The count goes down and stops where TMICT is written 0. */
	apic_write(APIC_LVTT, LVT_MASKED | VEC);
	apic_write(APIC_TDCR, SLOWLY);
	apic_write(APIC_TMICT, 0xffffffff);
	first = apic_read(APIC_TMCCT);
	do {
		second = apic_read(APIC_TMCCT);
	} while (second == first);
	GASSERT(first > second && second > 0);
	apic_write(APIC_TMICT, 0);
	GASSERT_EQ(apic_read(APIC_TMCCT), 0);
	apic_write(APIC_TDCR, 0xb);
	/* A masked timer says nothing. */
	apic_write(APIC_TMICT, 1000);
	SPIN_UNTIL(!apic_read(APIC_TMCCT));
	sti_nop();
	GASSERT_EQ(irqs()[VEC], 1);
	GUEST_DONE();
}

CASE(timer_one_shot)
{
	run_done(start(guest_timer));
}

static void guest_periodic(void)
{
	u32 n;

	guest_on(VEC, guest_count_irq);
	apic_enable();
	apic_write(APIC_TDCR, 0xb);
	apic_write(APIC_LVTT, LVT_PERIODIC | VEC);
	/* Longer than it takes to serve one, or nothing else would run. */
	apic_write(APIC_TMICT, 20000000);
	sti();
	SPIN_UNTIL(irqs()[VEC] >= 5);
	apic_write(APIC_TMICT, 0);
	n = irqs()[VEC];
	GASSERT_EQ(apic_read(APIC_TMCCT), 0);
	asm volatile("nop");
	GASSERT(irqs()[VEC] <= n + 1);
	GUEST_DONE();
}

CASE(timer_periodic)
{
	run_done(start(guest_periodic));
}

static void guest_deadline(void)
{
	u64 now;

	guest_on(VEC, guest_count_irq);
	apic_enable();
	/* Outside its mode the MSR reads zero and ignores writes (SDM 11.5.4.1). */
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + 1000);
	GASSERT_EQ(rdmsr(MSR_TSC_DEADLINE), 0);
	apic_write(APIC_LVTT, LVT_DEADLINE | VEC);
	GASSERT_EQ(apic_read(APIC_LVTT) & 0x60000, LVT_DEADLINE);
	now = rdtsc();
	wrmsr(MSR_TSC_DEADLINE, now + (1ull << 45));
	GASSERT_EQ(rdmsr(MSR_TSC_DEADLINE), now + (1ull << 45));
	wrmsr(MSR_TSC_DEADLINE, now + 3000000);
	sti_hlt_cli();
	GASSERT_EQ(irqs()[VEC], 1);
	GASSERT(rdtsc() >= now + 3000000);
	GASSERT_EQ(rdmsr(MSR_TSC_DEADLINE), 0);
	/* In the past: at once. */
	wrmsr(MSR_TSC_DEADLINE, 1);
	sti_nop();
	GASSERT_EQ(irqs()[VEC], 2);
	/* Zero disarms. */
	cli();
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + (1ull << 45));
	wrmsr(MSR_TSC_DEADLINE, 0);
	GASSERT_EQ(rdmsr(MSR_TSC_DEADLINE), 0);
	GUEST_DONE();
}

CASE(timer_deadline)
{
	need_cap(KVM_CAP_TSC_DEADLINE_TIMER);
	run_done(start(guest_deadline));
}

#define FAR_OFF (1ull << 45)

static void guest_deadline_kept(void)
{
	guest_on(VEC, guest_count_irq);
	apic_enable();
	apic_write(APIC_LVTT, LVT_DEADLINE | VEC);
	wrmsr(MSR_TSC_DEADLINE, FAR_OFF);
	GUEST_SYNC(1);
	sti_hlt_cli();
	GASSERT_EQ(irqs()[VEC], 1);
	wrmsr(MSR_TSC_DEADLINE, 2 * FAR_OFF);
	GUEST_SYNC(2);
	GASSERT_EQ(rdmsr(MSR_TSC_DEADLINE), 0);
	GUEST_DONE();
}

/* The deadline is not part of the APIC's state, but goes with the timer's mode. */
CASE(timer_deadline_kept)
{
	struct vcpu *v = start(guest_deadline_kept);
	struct kvm_lapic_state s;

	need_cap(KVM_CAP_TSC_DEADLINE_TIMER);
	CHECK_EQ(set_msr(v, MSR_TSC, 1), 1);
	run_sync(v, 1);
	OK(ioctl(v->fd, KVM_GET_LAPIC, &s));
	OK(ioctl(v->fd, KVM_SET_LAPIC, &s));
	CHECK_EQ(get_msr(v, MSR_TSC_DEADLINE), FAR_OFF);
	CHECK_EQ(set_msr(v, MSR_TSC, FAR_OFF), 1);
	/* In-tree KVM looks at it again only now. */
	OK(ioctl(v->fd, KVM_GET_LAPIC, &s));
	OK(ioctl(v->fd, KVM_SET_LAPIC, &s));
	run_sync(v, 2);
	OK(ioctl(v->fd, KVM_GET_LAPIC, &s));
	*(u32 *)&s.regs[APIC_LVTT] = VEC;
	OK(ioctl(v->fd, KVM_SET_LAPIC, &s));
	CHECK_EQ(get_msr(v, MSR_TSC_DEADLINE), 0);
	run_done(v);
}

static void guest_x2apic(void)
{
	guest_on(VEC, guest_count_irq);
	x2apic_enable();
	GASSERT_EQ(rdmsr(MSR_APIC_BASE) & 0xc00, 0xc00);
	GASSERT_EQ(x2apic_read(APIC_ID), this_cpu()->id);
	GASSERT_EQ(x2apic_read(APIC_LVR) & 0xff, 0x14);
	/* LDR is read-only and made from the identifier (SDM 11.12.10.2). */
	GASSERT_EQ(x2apic_read(APIC_LDR),
		   (this_cpu()->id & 0xffff0) << 12 | 1 << (this_cpu()->id & 15));
	wrmsr_try(0x80d, 0);
	GASSERT_TRAP(GP_VECTOR, 0);
	/* No DFR, no ICR2 */
	rdmsr_try(0x80e);
	GASSERT_TRAP(GP_VECTOR, 0);
	rdmsr_try(0x831);
	GASSERT_TRAP(GP_VECTOR, 0);
	x2apic_write(APIC_TPR, 0x20);
	GASSERT_EQ(x2apic_read(APIC_TPR), 0x20);
	x2apic_write(APIC_SELF_IPI, VEC);
	GASSERT_EQ(x2apic_read(APIC_IRR + 16 * (VEC / 32)), BIT(VEC % 32));
	sti_nop();
	GASSERT_EQ(irqs()[VEC], 1);
	cli();
	x2apic_write(APIC_ICR, this_cpu()->id << 32 | VEC);
	GASSERT_EQ(x2apic_read(APIC_ICR), this_cpu()->id << 32 | VEC);
	sti_nop();
	GASSERT_EQ(irqs()[VEC], 2);
	GASSERT_EQ(x2apic_read(APIC_ISR + 16 * (VEC / 32)), 0);
	GUEST_DONE();
}

CASE(x2apic)
{
	struct vm *vm = vm_create(VM_IRQCHIP);

	run_done(vcpu_new(vm, 0, guest_x2apic, 0));
	run_done(vcpu_new(vm, 21, guest_x2apic, 0));
}

static void guest_x2apic_strict(void)
{
	x2apic_enable();
	rdmsr_try(0x83f);
	GASSERT_TRAP(GP_VECTOR, 0);
	rdmsr_try(0x80b);
	GASSERT_TRAP(GP_VECTOR, 0);
	wrmsr_try(0x80b, 1);
	GASSERT_TRAP(GP_VECTOR, 0);
	wrmsr_try(0x808, 0x100);
	GASSERT_TRAP(GP_VECTOR, 0);
	GUEST_DONE();
}

/* SDM 11.12.1.2: EOI and SELF IPI are write-only, EOI takes zero only; reserved bits fault. */
CASE(x2apic_strict, .oracle = "in-tree KVM lets them be read, and takes any value for EOI and TPR")
{
	run_done(start(guest_x2apic_strict));
}

/* SDM 11.12.5: from x2APIC one can only leave to disabled. */
static void guest_x2apic_modes(void)
{
	u64 base = rdmsr(MSR_APIC_BASE) & ~0xc00ull;

	wrmsr_try(MSR_APIC_BASE, base | 0x400);
	GASSERT_TRAP(GP_VECTOR, 0);
	wrmsr(MSR_APIC_BASE, base | 0xc00);
	wrmsr_try(MSR_APIC_BASE, base | 0x800);
	GASSERT_TRAP(GP_VECTOR, 0);
	wrmsr_try(MSR_APIC_BASE, base);
	GASSERT_NOTRAP();
	wrmsr_try(MSR_APIC_BASE, base | 0x800);
	GASSERT_NOTRAP();
	rdmsr_try(0x802);
	GASSERT_TRAP(GP_VECTOR, 0);
	GASSERT_EQ(apic_read(APIC_LVR) & 0xff, 0x14);
	GUEST_DONE();
}

CASE(x2apic_transitions)
{
	run_done(start(guest_x2apic_modes));
}

/*
 * A disabled APIC decodes no addresses: user space gets the access, or, as in-tree KVM has it
 * unless KVM_X86_QUIRK_LAPIC_MMIO_HOLE is switched off, all bits read as one.
 */
static void guest_disabled(void)
{
	u32 r[4];

	guest_cpuid(1, 0, r);
	GASSERT(r[3] & BIT(9));
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) & ~0x800ull);
	guest_cpuid(1, 0, r);
	GASSERT(!(r[3] & BIT(9)));
	GASSERT_EQ(apic_read(APIC_LVR), 0xffffffff);
	GUEST_DONE();
}

CASE(disabled)
{
	struct vcpu *v = start(guest_disabled);

	OK(vcpu_run(v));
	if (vcpu_take_ucall(v))
		return;
	CHECK_EQ(v->run->exit_reason, KVM_EXIT_MMIO);
	CHECK_EQ(v->run->mmio.phys_addr, APIC_BASE + APIC_LVR);
	memset(v->run->mmio.data, 0xff, 8);
	run_done(v);
}

/* SDM 11.5.3: sending or receiving vectors 0 to 15 is an error; the ESR shows it once written. */
static void guest_esr(void)
{
	guest_on(0x70, guest_count_irq);
	apic_enable();
	apic_write(APIC_LVTERR, 0x70);
	apic_write(APIC_ESR, 0);
	GASSERT_EQ(apic_read(APIC_ESR), 0);
	apic_write(APIC_ICR, ICR_SELF | 0x05);
	apic_write(APIC_ESR, 0);
	GASSERT(apic_read(APIC_ESR) & 0x60);
	GUEST_DONE();
}

CASE(error_status, .oracle = "in-tree KVM does not record illegal vectors")
{
	run_done(start(guest_esr));
}

/* An EOI with nothing in service changes nothing. */
static void guest_stray_eoi(void)
{
	guest_on(VEC, guest_count);
	apic_enable();
	apic_write(APIC_EOI, 0);
	apic_write(APIC_ICR, ICR_SELF | VEC);
	sti_nop();
	GASSERT_EQ(irqs()[VEC], 1);
	GASSERT_EQ(apic_read(APIC_ISR + 16 * (VEC / 32)), BIT(VEC % 32));
	/* In service: not delivered a second time, but remembered. */
	apic_write(APIC_ICR, ICR_SELF | VEC);
	asm volatile("nop");
	GASSERT_EQ(irqs()[VEC], 1);
	apic_write(APIC_EOI, 0);
	asm volatile("nop");
	GASSERT_EQ(irqs()[VEC], 2);
	apic_write(APIC_EOI, 0);
	GASSERT_EQ(apic_read(APIC_ISR + 16 * (VEC / 32)), 0);
	GUEST_DONE();
}

CASE(eoi)
{
	run_done(start(guest_stray_eoi));
}

/* A software-disabled APIC takes no fixed interrupts. */
static void guest_soft_disabled(void)
{
	guest_on(VEC, guest_count_irq);
	apic_write(APIC_SPIV, 0xff);
	apic_write(APIC_ICR, ICR_SELF | VEC);
	sti_nop();
	GASSERT_EQ(irqs()[VEC], 0);
	GASSERT_EQ(apic_read(APIC_IRR + 16 * (VEC / 32)), 0);
	GUEST_DONE();
}

CASE(software_disabled)
{
	run_done(start(guest_soft_disabled));
}

/* Migration of a running timer: the state taken on one VM goes on in another. */
static void guest_timer_moves(u64 divider)
{
	u32 begin = divider == SLOWLY ? 0xffffffff : 0x10000000, count;

	guest_on(VEC, guest_count_irq);
	apic_enable();
	apic_write(APIC_TDCR, divider);
	apic_write(APIC_LVTT, VEC);
	apic_write(APIC_TMICT, begin);
	GUEST_SYNC(0);
	if (divider == SLOWLY) {
		count = apic_read(APIC_TMCCT);
		GASSERT(count && count < begin);
		GUEST_DONE();
	}
	sti_hlt_cli();
	GASSERT_EQ(irqs()[VEC], 1);
	GUEST_DONE();
}

static void move_timer(u64 divider)
{
	struct vcpu *v = vcpu_new(vm_create(VM_IRQCHIP), 0, guest_timer_moves, divider);
	struct vcpu *w = vcpu_new(vm_create(VM_IRQCHIP), 0, guest_timer_moves, divider);
	struct kvm_regs r;
	struct kvm_lapic_state s;

	run_sync(v, 0);
	OK(ioctl(v->fd, KVM_GET_LAPIC, &s));
	if (divider == SLOWLY)
		CHECK(lapic_reg(&s, APIC_TMCCT) > 0);
	v->run->immediate_exit = 1;
	CHECK_ERRNO(vcpu_run(v), EINTR);
	r = get_regs(v);
	set_regs(w, &r);
	memcpy(w->vm->ram, v->vm->ram, RAM_SIZE);
	OK(ioctl(w->fd, KVM_SET_LAPIC, &s));
	run_done(w);
}

/* One goes on for minutes; the other runs out there, or has, where the host was late. */
CASE(timer_moves)
{
	move_timer(SLOWLY);
	move_timer(0xb);
}
