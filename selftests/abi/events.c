// SPDX-License-Identifier: GPL-2.0
/* Exceptions, pending events, interrupted deliveries. api.rst, KVM_SET_VCPU_EVENTS. */
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include "vm.h"

#define SUITE "events"

#define VEC 0x60

static void guest_nop(void)
{
	GUEST_DONE();
}

static struct kvm_vcpu_events get_events(struct vcpu *v)
{
	struct kvm_vcpu_events e;

	memset(&e, 0, sizeof(e));
	OK(ioctl(v->fd, KVM_GET_VCPU_EVENTS, &e));
	return e;
}

static volatile u64 seen_vector, seen_error, seen_rip;

static GUEST_HANDLER void on_exception(struct trap *t)
{
	seen_vector = t->vector;
	seen_error = t->error;
	seen_rip = t->rip;
}

static void guest_expect_gp(void)
{
	guest_on(GP_VECTOR, on_exception);
	GUEST_SYNC(0);
	GASSERT_EQ(seen_vector, GP_VECTOR);
	GASSERT_EQ(seen_error, 0x1234);
	GUEST_DONE();
}

CASE(inject_exception)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_expect_gp, 0);
	struct kvm_vcpu_events e;

	run_sync(v, 0);
	v->run->immediate_exit = 1;
	CHECK_ERRNO(vcpu_run(v), EINTR);
	v->run->immediate_exit = 0;
	e = get_events(v);
	e.exception.injected = 1;
	e.exception.nr = GP_VECTOR;
	e.exception.has_error_code = 1;
	e.exception.error_code = 0x1234;
	OK(ioctl(v->fd, KVM_SET_VCPU_EVENTS, &e));
	e = get_events(v);
	CHECK_EQ(e.exception.injected, 1);
	CHECK_EQ(e.exception.nr, GP_VECTOR);
	CHECK_EQ(e.exception.error_code, 0x1234);
	run_done(v);
}

CASE(invalid)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_nop, 0);
	struct kvm_vcpu_events good = get_events(v), e;

	e = good;
	e.flags |= 1u << 30;
	CHECK_ERRNO(ioctl(v->fd, KVM_SET_VCPU_EVENTS, &e), EINVAL);
	e = good;
	e.exception.injected = 1;
	e.exception.nr = 32;
	CHECK_ERRNO(ioctl(v->fd, KVM_SET_VCPU_EVENTS, &e), EINVAL);
	e = good;
	e.exception.injected = 1;
	e.exception.nr = NMI_VECTOR;
	CHECK_ERRNO(ioctl(v->fd, KVM_SET_VCPU_EVENTS, &e), EINVAL);
	OK(ioctl(v->fd, KVM_SET_VCPU_EVENTS, &good));
	run_done(v);
}

CASE(pending_interrupt)
{
	struct kvm_interrupt irq = { .irq = VEC };
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_nop, 0);
	struct kvm_vcpu_events e;

	CHECK_EQ(get_events(v).interrupt.injected, 0);
	OK(ioctl(v->fd, KVM_INTERRUPT, &irq));
	e = get_events(v);
	CHECK_EQ(e.interrupt.injected, 1);
	CHECK_EQ(e.interrupt.nr, VEC);
	CHECK_EQ(e.interrupt.soft, 0);
	e.interrupt.injected = 0;
	OK(ioctl(v->fd, KVM_SET_VCPU_EVENTS, &e));
	run_done(v);
}

CASE(shadow_round_trip)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_nop, 0);
	struct kvm_vcpu_events e = get_events(v);

	need_cap(KVM_CAP_INTR_SHADOW);
	CHECK(e.flags & KVM_VCPUEVENT_VALID_SHADOW);
	CHECK_EQ(e.interrupt.shadow, 0);
	e.interrupt.shadow = KVM_X86_SHADOW_INT_STI;
	OK(ioctl(v->fd, KVM_SET_VCPU_EVENTS, &e));
	CHECK(get_events(v).interrupt.shadow != 0);
	e.interrupt.shadow = 0;
	OK(ioctl(v->fd, KVM_SET_VCPU_EVENTS, &e));
	CHECK_EQ(get_events(v).interrupt.shadow, 0);
	run_done(v);
}

/* STI holds interrupts back for one instruction, also if that instruction exits. */
static GUEST_HANDLER void on_irq_rip(struct trap *t)
{
	seen_rip = t->rip;
	guest_count_irq(t);
}

static __attribute__((noinline, noclone)) void sti_cpuid(void)
{
	asm volatile("xor %%eax, %%eax\n xor %%ecx, %%ecx\n sti\n cpuid\n"
		     ".globl shadow_after\n shadow_after: nop\n cli"
		     :
		     :
		     : "eax", "ebx", "ecx", "edx", "memory");
}

/* An interrupt of the host right behind the STI has TCG forget the shadow: not each time. */
static void guest_shadow(void)
{
	extern const u8 shadow_after[];
	u32 i;

	guest_on(VEC, on_irq_rip);
	apic_enable();
	for (i = 1; i <= 1000 && seen_rip != (u64)shadow_after; i++) {
		apic_write(APIC_ICR, ICR_SELF | VEC);
		sti_cpuid();
		GASSERT_EQ(this_cpu()->irqs[VEC], i);
	}
	GASSERT_EQ(seen_rip, (u64)shadow_after);
	GUEST_DONE();
}

CASE(sti_shadow)
{
	run_done(vcpu_new(vm_create(VM_IRQCHIP), 0, guest_shadow, 0));
}

/* User space may say that NMIs are masked: then the next IRET unmasks them. */
static volatile u64 nmis;

static GUEST_HANDLER void on_nmi(struct trap *t)
{
	(void)t;
	nmis++;
}

static void guest_masked_nmi(void)
{
	guest_on(NMI_VECTOR, on_nmi);
	guest_on(BP_VECTOR, on_exception);
	GUEST_SYNC(0);
	GUEST_SYNC(1);
	GASSERT_EQ(nmis, 0);
	asm volatile("int3; nop"); /* its handler ends with IRET */
	GASSERT_EQ(nmis, 1);
	GUEST_DONE();
}

CASE(nmi_masked)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_masked_nmi, 0);
	struct kvm_vcpu_events e;

	run_sync(v, 0);
	e = get_events(v);
	CHECK_EQ(e.nmi.masked, 0);
	e.nmi.masked = 1;
	OK(ioctl(v->fd, KVM_SET_VCPU_EVENTS, &e));
	CHECK_EQ(get_events(v).nmi.masked, 1);
	OK(ioctl(v->fd, KVM_NMI, 0));
	run_sync(v, 1);
	run_done(v);
}

static GUEST_HANDLER void nmi_sync(struct trap *t)
{
	(void)t;
	GUEST_SYNC(100);
}

static void guest_nmi_sync(void)
{
	guest_on(NMI_VECTOR, nmi_sync);
	GUEST_SYNC(0);
	GUEST_SYNC(1);
	GUEST_DONE();
}

CASE(nmi_masked_in_handler)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_nmi_sync, 0);

	run_sync(v, 0);
	OK(ioctl(v->fd, KVM_NMI, 0));
	run_sync(v, 100);
	CHECK_EQ(get_events(v).nmi.masked, 1);
	run_sync(v, 1);
	CHECK_EQ(get_events(v).nmi.masked, 0);
	run_done(v);
}

/* The IDT's page is taken away from the nested page table again and again, not its contents. */
static void guest_count_ipis(u64 n)
{
	u64 i;

	guest_on(VEC, guest_count_irq);
	apic_enable();
	sti();
	for (i = 0; i < n; i++) {
		GUEST_SYNC(i);
		apic_write(APIC_ICR, ICR_SELF | VEC);
		asm volatile("nop");
		GASSERT_EQ(this_cpu()->irqs[VEC], i + 1);
	}
	GUEST_DONE();
}

static void unmap_from_guest(struct vm *vm, u64 gpa, u64 size)
{
	OK(mprotect(gpa_hva(vm, gpa), size, PROT_NONE));
	OK(mprotect(gpa_hva(vm, gpa), size, PROT_READ | PROT_WRITE));
}

CASE(interrupted_delivery)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *v = vcpu_new(vm, 0, guest_count_ipis, 20);
	u32 i;

	for (i = 0; i < 20; i++) {
		run_sync(v, i);
		if (i & 1)
			unmap_from_guest(vm, IDT_BASE, PAGE_SIZE);
		if (i & 2)
			unmap_from_guest(vm, PERCPU_BASE, PAGE_SIZE);
		if (i & 4)
			unmap_from_guest(vm, STACK_BASE, STACK_SIZE);
	}
	run_done(v);
}

/* With the IDT unreachable KVM_RUN fails, and the interrupt is not lost. */
static void guest_one_interrupt(void)
{
	guest_on(VEC, guest_count);
	GUEST_SYNC(0);
	sti_nop();
	GASSERT_EQ(this_cpu()->irqs[VEC], 1);
	GUEST_DONE();
}

CASE(delivery_fails_and_resumes)
{
	struct kvm_interrupt irq = { .irq = VEC };
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_one_interrupt, 0);
	struct kvm_sregs s;
	int i;

	run_sync(v, 0);
	v->run->request_interrupt_window = 1;
	vcpu_run_exit(v, KVM_EXIT_IRQ_WINDOW_OPEN);
	v->run->request_interrupt_window = 0;
	OK(ioctl(v->fd, KVM_INTERRUPT, &irq));
	OK(mprotect(gpa_hva(vm, IDT_BASE), PAGE_SIZE, PROT_NONE));
	for (i = 0; i < 3; i++) {
		CHECK_ERRNO(vcpu_run(v), EFAULT);
		CHECK_EQ(get_events(v).interrupt.injected, 1);
		CHECK_EQ(get_events(v).interrupt.nr, VEC);
	}
	OK(mprotect(gpa_hva(vm, IDT_BASE), PAGE_SIZE, PROT_READ | PROT_WRITE));
	/* The interrupt is in this state too, and not one more. */
	s = get_sregs(v);
	CHECK_EQ(s.interrupt_bitmap[VEC / 64], BIT(VEC % 64));
	set_sregs(v, &s);
	run_done(v);
}

/* An event that went into an entry that was refused is told of, or gone. */
static void guest_counts_nmis(void)
{
	guest_on(NMI_VECTOR, on_nmi);
	GUEST_SYNC(0);
	GUEST_SYNC(1);
	GUEST_DONE();
}

CASE(entry_refused)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_counts_nmis, 0);
	struct kvm_sregs good, bad;
	struct kvm_vcpu_events e;

	if (!test_is_intel())
		SKIP("not an Intel processor");
	run_sync(v, 0);
	v->run->immediate_exit = 1;
	CHECK_ERRNO(vcpu_run(v), EINTR);
	v->run->immediate_exit = 0;
	e = get_events(v);
	e.nmi.injected = 1;
	OK(ioctl(v->fd, KVM_SET_VCPU_EVENTS, &e));
	good = get_sregs(v);
	bad = good;
	bad.ds.base = BIT(33);
	set_sregs(v, &bad);
	vcpu_run_exit(v, KVM_EXIT_FAIL_ENTRY);
	e = get_events(v);
	set_sregs(v, &good);
	run_sync(v, 1);
	CHECK_EQ(G(vm, nmis), e.nmi.injected);
	run_done(v);
}

static void guest_exceptions(void)
{
	u64 zero = 0, rax = 1;

	TRY("ud2", : : : "memory");
	GASSERT_TRAP(UD_VECTOR, 0);
	TRY("divq %0", : : "r"(zero), "a"(rax), "d"(0) : "cc");
	GASSERT_TRAP(DE_VECTOR, 0);
	TRY("mov (%1), %0", : "+r"(rax) : "r"(0x7000000000) : "memory");
	GASSERT_TRAP(PF_VECTOR, 0);
	GASSERT_EQ(this_cpu()->cr2, 0x7000000000);
	TRY("mov %0, %%ds", : : "r"(0xfff8) : "memory");
	GASSERT_TRAP(GP_VECTOR, 0xfff8);
	guest_on(BP_VECTOR, on_exception);
	asm volatile("int3");
	GASSERT_EQ(seen_vector, BP_VECTOR);
	guest_on(0x90, on_exception);
	asm volatile("int $0x90");
	GASSERT_EQ(seen_vector, 0x90);
	GUEST_DONE();
}

CASE(guest_exceptions)
{
	run_done(vcpu_new(vm_create(0), 0, guest_exceptions, 0));
}

/* Instructions that a module intercepts and must refuse as the processor would. */
static void guest_refused(void)
{
	u32 r[4];

	guest_cpuid(0x80000001, 0, r);
	if (!(r[2] & BIT(2))) {
		TRY("vmrun", : : "a"(0) : "memory");
		GASSERT_EQ(this_cpu()->trapped, 1);
		GASSERT_EQ(this_cpu()->vector, UD_VECTOR);
		TRY("vmload", : : "a"(0) : "memory");
		GASSERT_EQ(this_cpu()->vector, UD_VECTOR);
		TRY("stgi", : : : "memory");
		GASSERT_EQ(this_cpu()->vector, UD_VECTOR);
	}
	TRY("rsm", : : : "memory");
	GASSERT_TRAP(UD_VECTOR, 0);
	GUEST_DONE();
}

CASE(refused_instructions)
{
	run_done(vcpu_new(vm_create(0), 0, guest_refused, 0));
}

static void guest_invalidate(void)
{
	TRY("invd", : : : "memory");
	GASSERT_NOTRAP();
	TRY("wbinvd", : : : "memory");
	GASSERT_NOTRAP();
	GUEST_DONE();
}

/* Harmless in a guest: the host's caches are coherent. */
CASE(cache_instructions)
{
	run_done(vcpu_new(vm_create(0), 0, guest_invalidate, 0));
}

/* #DE whose gate is not present: #NP during delivery, two contributory ones make #DF. */
static GUEST_HANDLER void on_df(struct trap *t)
{
	GASSERT_EQ(t->error, 0);
	GUEST_DONE();
}

static void guest_double_fault(void)
{
	guest_on(DF_VECTOR, on_df);
	asm volatile("divq %0" : : "r"(0ull), "a"(1ull), "d"(0ull) : "cc");
}

CASE(double_fault)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_double_fault, 0);
	u64 *idt = gpa_hva(vm, IDT_BASE);

	idt[2 * DE_VECTOR] &= ~(1ull << 47);
	idt[2 * NP_VECTOR] &= ~(1ull << 47);
	run_done(v);
}

static void guest_triple_fault(void)
{
	asm volatile("ud2");
}

CASE(triple_fault)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_triple_fault, 0);
	struct kvm_sregs s = get_sregs(v);

	s.idt.limit = 0;
	set_sregs(v, &s);
	vcpu_run_exit(v, KVM_EXIT_SHUTDOWN);
	/* User space resets the machine and goes on. */
	vcpu_call(v, guest_nop, 0);
	run_done(v);
}

/* A vmcall number nobody knows: -KVM_ENOSYS, and the guest goes on. */
static void guest_hypercall(void)
{
	u64 r = 9999;

	TRY("vmmcall", : "+a"(r) : : "memory");
	if (this_cpu()->trapped)
		TRY("vmcall", : "+a"(r) : : "memory");
	GASSERT_NOTRAP();
	GASSERT_EQ(r, -1000ull);
	GUEST_DONE();
}

CASE(unknown_hypercall)
{
	run_done(vcpu_new(vm_create(0), 0, guest_hypercall, 0));
}

static volatile u64 halts;

static void guest_halts(void)
{
	for (;;) {
		halts++;
		asm volatile("pause; sti; hlt" : : : "memory");
	}
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* It loops. The first alarm may come before KVM_RUN does. */
static void run_until_alarm(struct vcpu *v)
{
	struct itimerval alarms = { .it_value.tv_usec = 100000, .it_interval.tv_usec = 100000 };

	OK(setitimer(ITIMER_REAL, &alarms, NULL));
	CHECK_ERRNO(vcpu_run(v), EINTR);
	alarms = (struct itimerval){ 0 };
	OK(setitimer(ITIMER_REAL, &alarms, NULL));
}

/* A vCPU that is left in a HLT which does not exit. */
static struct vcpu *halted(void)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X86_DISABLE_EXITS,
				      .args = { KVM_X86_DISABLE_EXITS_HLT } };
	struct sigaction sa = { .sa_handler = on_alarm };
	struct vm *vm = vm_create(0);
	struct vcpu *v;

	need_cap(KVM_CAP_X86_DISABLE_EXITS);
	OK(ioctl(vm->fd, KVM_ENABLE_CAP, &cap));
	v = vcpu_new(vm, 0, guest_halts, 0);
	OK(sigaction(SIGALRM, &sa, NULL));
	do {
		run_until_alarm(v);
	} while (!G(vm, halts));
	return v;
}

static void guest_elsewhere(void)
{
	GUEST_DONE();
}

/* User space that sends it elsewhere, or into what a processor cannot halt in, ends the HLT. */
CASE(hlt_left)
{
	struct vcpu *v = halted();

	vcpu_call(v, guest_elsewhere, 0);
	run_done(v);
}

CASE(hlt_left_in_shadow)
{
	struct vcpu *v = halted();
	struct kvm_vcpu_events e = get_events(v);

	if (dev_cap(KVM_CAP_INTR_SHADOW) <= 0)
		SKIP("no KVM_CAP_INTR_SHADOW");
	e.flags = KVM_VCPUEVENT_VALID_SHADOW;
	e.interrupt.shadow = KVM_X86_SHADOW_INT_MOV_SS;
	OK(ioctl(v->fd, KVM_SET_VCPU_EVENTS, &e));
	run_until_alarm(v);
}
