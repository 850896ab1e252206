// SPDX-License-Identifier: GPL-2.0
/* What capabilities promise that no topic of its own tests. api.rst, chapters 6 to 8. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>
#include "vm.h"

#define SUITE "caps"

#define VEC 0x60

static int enable_cap(struct vm *vm, u32 cap, u64 arg)
{
	struct kvm_enable_cap c = { .cap = cap, .args[0] = arg };

	return ioctl(vm->fd, KVM_ENABLE_CAP, &c);
}

static void guest_nop(void)
{
	GUEST_DONE();
}

/* Every VM answers for itself, and switches on what is switched on per VM. */
CASE(enable_cap_vm)
{
	struct vm *vm = vm_create(0);

	CHECK_EQ(dev_cap(KVM_CAP_ENABLE_CAP_VM), 1);
	CHECK_EQ(ioctl(vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_ENABLE_CAP_VM), 1);
	OK(enable_cap(vm, KVM_CAP_EXCEPTION_PAYLOAD, 1));
	CHECK_ERRNO(enable_cap(vm, KVM_CAP_USER_MEMORY, 1), EINVAL);
}

/* ---- split irqchip: local APICs in the kernel, PIC and I/O APIC in user space ---- */

#define SPLIT_PINS 24

static struct vm *split_vm(void)
{
	struct vm *vm = vm_create(0);

	need_cap(KVM_CAP_SPLIT_IRQCHIP);
	OK(enable_cap(vm, KVM_CAP_SPLIT_IRQCHIP, SPLIT_PINS));
	vm->irqchip = true;
	return vm;
}

static int route_msi(struct vm *vm, u32 gsi, u32 data)
{
	struct {
		struct kvm_irq_routing h;
		struct kvm_irq_routing_entry e;
	} r = { .h.nr = 1 };

	r.e.gsi = gsi;
	r.e.type = KVM_IRQ_ROUTING_MSI;
	r.e.u.msi.address_lo = 0xfee00000;
	r.e.u.msi.data = data;
	return ioctl(vm->fd, KVM_SET_GSI_ROUTING, &r);
}

static void pulse(struct vm *vm, u32 gsi)
{
	struct kvm_irq_level l = { .irq = gsi, .level = 1 };

	OK(ioctl(vm->fd, KVM_IRQ_LINE, &l));
	l.level = 0;
	OK(ioctl(vm->fd, KVM_IRQ_LINE, &l));
}

static void guest_eoi(void)
{
	guest_on(VEC, guest_count_irq);
	guest_on(VEC + 1, guest_count_irq);
	apic_enable();
	sti();
	GUEST_SYNC(0);
	GASSERT_EQ(this_cpu()->irqs[VEC], 1);
	GUEST_SYNC(1);
	GASSERT_EQ(this_cpu()->irqs[VEC], 2);
	GUEST_SYNC(2);
	GASSERT_EQ(this_cpu()->irqs[VEC + 1], 1);
	GUEST_DONE();
}

/* The EOI of a level that user space's I/O APIC sent is its business, no other. */
CASE(split_irqchip_eoi)
{
	struct vm *vm = split_vm();
	struct vcpu *v = vcpu_new(vm, 0, guest_eoi, 0);

	OK(route_msi(vm, 5, VEC | 0x8000));
	run_sync(v, 0);
	pulse(vm, 5);
	vcpu_run_exit(v, KVM_EXIT_IOAPIC_EOI);
	CHECK_EQ(v->run->eoi.vector, VEC);
	run_sync(v, 1);
	/* An edge. */
	OK(route_msi(vm, 5, VEC));
	pulse(vm, 5);
	run_sync(v, 2);
	/* A level by a route that is none of the I/O APIC's. */
	OK(route_msi(vm, SPLIT_PINS, (VEC + 1) | 0x8000));
	pulse(vm, SPLIT_PINS);
	run_done(v);
}

CASE(split_irqchip_errors)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	struct vm *vm = split_vm(), *late = vm_create(0), *full = vm_create(VM_IRQCHIP);
	struct {
		struct kvm_irq_routing h;
		struct kvm_irq_routing_entry e;
	} r = { .h.nr = 1, .e.type = KVM_IRQ_ROUTING_IRQCHIP };

	r.e.u.irqchip.irqchip = KVM_IRQCHIP_IOAPIC;
	CHECK_ERRNO(ioctl(vm->fd, KVM_SET_GSI_ROUTING, &r), EINVAL);
	CHECK_ERRNO(enable_cap(vm, KVM_CAP_SPLIT_IRQCHIP, SPLIT_PINS), EEXIST);
	CHECK_ERRNO(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0), EEXIST);
	CHECK_ERRNO(ioctl(vm->fd, KVM_GET_IRQCHIP, &chip), ENXIO);
	CHECK_ERRNO(ioctl(vm->fd, KVM_SET_IRQCHIP, &chip), ENXIO);
	CHECK_ERRNO(enable_cap(full, KVM_CAP_SPLIT_IRQCHIP, SPLIT_PINS), EEXIST);
	CHECK_ERRNO(enable_cap(late, KVM_CAP_SPLIT_IRQCHIP, 1u << 20), EINVAL);
	vcpu_add(late, 0);
	CHECK_ERRNO(enable_cap(late, KVM_CAP_SPLIT_IRQCHIP, SPLIT_PINS), EEXIST);
}

static void guest_extint(void)
{
	guest_on(VEC, guest_count);
	apic_enable();
	GUEST_SYNC(0);
	sti_nop();
	GASSERT_EQ(this_cpu()->irqs[VEC], 1);
	GUEST_DONE();
}

/* User space's PIC: its interrupts come by KVM_INTERRUPT, when the window is open. */
CASE(split_irqchip_pic)
{
	struct kvm_interrupt irq = { .irq = VEC };
	struct vcpu *v = vcpu_new(split_vm(), 0, guest_extint, 0);

	run_sync(v, 0);
	CHECK_EQ(v->run->ready_for_interrupt_injection, 0);
	v->run->request_interrupt_window = 1;
	vcpu_run_exit(v, KVM_EXIT_IRQ_WINDOW_OPEN);
	CHECK_EQ(v->run->ready_for_interrupt_injection, 1);
	v->run->request_interrupt_window = 0;
	OK(ioctl(v->fd, KVM_INTERRUPT, &irq));
	CHECK_ERRNO(ioctl(v->fd, KVM_INTERRUPT, &irq), EEXIST);
	run_done(v);
}

/* ---- 32-bit APIC ids for user space ---- */

#define FAR_ID 300 /* beyond what 8 bits hold, also modulo 256 nobody else's */

static u32 lapic_id(struct vcpu *v)
{
	struct kvm_lapic_state s;

	OK(ioctl(v->fd, KVM_GET_LAPIC, &s));
	return *(u32 *)(s.regs + APIC_ID);
}

static void guest_x2apic(void)
{
	guest_on(VEC, guest_count_irq);
	x2apic_enable();
	GUEST_SYNC(0);
	sti_nop();
	GUEST_SYNC(this_cpu()->irqs[VEC]);
	GUEST_DONE();
}

static int send_msi(struct vm *vm, u32 dest)
{
	struct kvm_msi m = {
		.address_lo = 0xfee00000 | (dest & 0xff) << 12,
		.address_hi = dest & ~0xffu,
		.data = VEC,
	};

	return ioctl(vm->fd, KVM_SIGNAL_MSI, &m);
}

/* A vCPU in x2APIC mode in a VM with these flags of KVM_CAP_X2APIC_API. */
static struct vcpu *x2apic_vcpu(u64 flags, u32 id)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct kvm_mp_state mp = { KVM_MP_STATE_RUNNABLE };
	struct vcpu *v;

	need_cap(KVM_CAP_X2APIC_API);
	if (flags)
		OK(enable_cap(vm, KVM_CAP_X2APIC_API, flags));
	v = vcpu_add(vm, id);
	vcpu_cpuid(v);
	/* The framework's stacks are by id: this one borrows those of number 0. */
	v->id = 0;
	vcpu_call(v, guest_x2apic, 0);
	OK(ioctl(v->fd, KVM_SET_MP_STATE, &mp));
	run_sync(v, 0);
	return v;
}

CASE(x2apic_api_ids)
{
	struct vcpu *v = x2apic_vcpu(KVM_X2APIC_API_USE_32BIT_IDS, FAR_ID);
	struct kvm_msi low = { .address_lo = 0xfee00000, .address_hi = 1, .data = VEC };

	CHECK_EQ(lapic_id(v), FAR_ID);
	/* Bits 7:0 of the upper half mean nothing and must be zero. */
	CHECK_ERRNO(ioctl(v->vm->fd, KVM_SIGNAL_MSI, &low), EINVAL);
	CHECK(send_msi(v->vm, FAR_ID & 0xff) <= 0);
	CHECK(send_msi(v->vm, FAR_ID) > 0);
	run_sync(v, 1);
}

/* Without it user space sees and says 8 bits, at the place where xAPIC has them. */
CASE(x2apic_api_off)
{
	struct vcpu *v = x2apic_vcpu(0, 1);

	CHECK_EQ(lapic_id(v), 1u << 24);
	CHECK(send_msi(v->vm, 0x100 | 1) > 0);
	run_sync(v, 1);
	CHECK_ERRNO(enable_cap(v->vm, KVM_CAP_X2APIC_API, 1u << 20), EINVAL);
}

CASE(x2apic_api_broadcast)
{
	struct vcpu *v = x2apic_vcpu(KVM_X2APIC_API_USE_32BIT_IDS, 1), *strict;

	CHECK(send_msi(v->vm, 0xff) > 0);
	run_sync(v, 1);
	strict = x2apic_vcpu(KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK,
			     1);
	CHECK(send_msi(strict->vm, 0xff) <= 0);
	CHECK(send_msi(strict->vm, 0xffffffff) > 0);
	run_sync(strict, 1);
}

/* ---- exits that can be switched off ---- */

static void guest_hlt(void)
{
	GUEST_SYNC(0);
	/*
	 * An interrupt of the host may end a HLT that stays in the guest (APM vol. 2, 15.13.1); on
	 * Bochs none does while they are masked here.
	 */
	for (;;)
		asm volatile("pause; sti; hlt" : : : "memory");
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* HLT stays in the guest: only the signal gets KVM_RUN back. The first may come before that. */
CASE(disable_exits)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	struct itimerval soon = { .it_value.tv_usec = 200000, .it_interval.tv_usec = 200000 };
	struct vm *vm = vm_create(0);
	long can = dev_cap(KVM_CAP_X86_DISABLE_EXITS);
	struct vcpu *v;

	need_cap(KVM_CAP_X86_DISABLE_EXITS);
	CHECK(can & KVM_X86_DISABLE_EXITS_HLT);
	CHECK_ERRNO(enable_cap(vm, KVM_CAP_X86_DISABLE_EXITS, 1u << 20), EINVAL);
	OK(enable_cap(vm, KVM_CAP_X86_DISABLE_EXITS,
		      can & (KVM_X86_DISABLE_EXITS_HLT | KVM_X86_DISABLE_EXITS_PAUSE)));
	v = vcpu_new(vm, 0, guest_hlt, 0);
	run_sync(v, 0);
	OK(sigaction(SIGALRM, &sa, NULL));
	OK(setitimer(ITIMER_REAL, &soon, NULL));
	CHECK_ERRNO(vcpu_run(v), EINTR);
	CHECK_EQ(v->run->exit_reason, KVM_EXIT_INTR);
}

/* What a core has slept is the host's and its other guests' time; no test host counts it. */
CASE(disable_exits_cstate, .oracle = "in-tree KVM offers it, on AMD without effect")
{
	long can = dev_cap(KVM_CAP_X86_DISABLE_EXITS);

	need_cap(KVM_CAP_X86_DISABLE_EXITS);
	CHECK_EQ(can & KVM_X86_DISABLE_EXITS_CSTATE, 0);
	CHECK_ERRNO(enable_cap(vm_create(0), KVM_CAP_X86_DISABLE_EXITS,
			       KVM_X86_DISABLE_EXITS_CSTATE),
		    EINVAL);
}

CASE(disable_exits_late, .oracle = "in-tree KVM of Linux 6.1 takes it without effect")
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_hlt, 0);

	CHECK_ERRNO(enable_cap(vm, KVM_CAP_X86_DISABLE_EXITS, KVM_X86_DISABLE_EXITS_HLT), EINVAL);
	run_sync(v, 0);
	vcpu_run_exit(v, KVM_EXIT_HLT);
}

/* ---- events ---- */

static struct kvm_vcpu_events get_events(struct vcpu *v)
{
	struct kvm_vcpu_events e;

	memset(&e, 0, sizeof(e));
	OK(ioctl(v->fd, KVM_GET_VCPU_EVENTS, &e));
	return e;
}

static volatile u64 seen_cr2, seen_error;

static GUEST_HANDLER void on_pf(struct trap *t)
{
	seen_cr2 = read_cr2();
	seen_error = t->error;
}

static void guest_payload(void)
{
	guest_on(PF_VECTOR, on_pf);
	GUEST_SYNC(0);
	GASSERT_EQ(seen_cr2, 0x123456789000);
	GASSERT_EQ(seen_error, PFEC_W);
	GUEST_DONE();
}

static void pending_pf(struct kvm_vcpu_events *e)
{
	e->flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
	e->exception.pending = 1;
	e->exception.injected = 0;
	e->exception.nr = PF_VECTOR;
	e->exception.has_error_code = 1;
	e->exception.error_code = PFEC_W;
	e->exception_has_payload = 1;
	e->exception_payload = 0x123456789000;
}

/* CR2 changes when the fault is delivered, not when user space announces it. */
CASE(exception_payload)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v;
	struct kvm_vcpu_events e;

	need_cap(KVM_CAP_EXCEPTION_PAYLOAD);
	OK(enable_cap(vm, KVM_CAP_EXCEPTION_PAYLOAD, 1));
	v = vcpu_new(vm, 0, guest_payload, 0);
	run_sync(v, 0);
	/* Finish the port access. */
	v->run->immediate_exit = 1;
	CHECK_ERRNO(vcpu_run(v), EINTR);
	v->run->immediate_exit = 0;
	e = get_events(v);
	CHECK(e.flags & KVM_VCPUEVENT_VALID_PAYLOAD);
	pending_pf(&e);
	OK(ioctl(v->fd, KVM_SET_VCPU_EVENTS, &e));
	e = get_events(v);
	CHECK_EQ(e.exception.pending, 1);
	CHECK_EQ(e.exception.injected, 0);
	CHECK_EQ(e.exception.nr, PF_VECTOR);
	CHECK_EQ(e.exception_has_payload, 1);
	CHECK_EQ(e.exception_payload, 0x123456789000);
	CHECK_EQ(get_sregs(v).cr2, 0);
	run_done(v);
}

CASE(exception_payload_off)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_nop, 0);
	struct kvm_vcpu_events e = get_events(v);

	CHECK_EQ(e.flags & KVM_VCPUEVENT_VALID_PAYLOAD, 0);
	pending_pf(&e);
	CHECK_ERRNO(ioctl(v->fd, KVM_SET_VCPU_EVENTS, &e), EINVAL);
	run_done(v);
}

CASE(triple_fault_event)
{
	struct vm *vm = vm_create(0), *off = vm_create(0);
	struct vcpu *v, *old = vcpu_new(off, 0, guest_nop, 0);
	struct kvm_vcpu_events e;

	need_cap(KVM_CAP_X86_TRIPLE_FAULT_EVENT);
	OK(enable_cap(vm, KVM_CAP_X86_TRIPLE_FAULT_EVENT, 1));
	v = vcpu_new(vm, 0, guest_nop, 0);
	e = get_events(v);
	CHECK(e.flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT);
	CHECK_EQ(e.triple_fault.pending, 0);
	e.triple_fault.pending = 1;
	OK(ioctl(v->fd, KVM_SET_VCPU_EVENTS, &e));
	CHECK_EQ(get_events(v).triple_fault.pending, 1);
	/* It can be taken back, too. */
	e.triple_fault.pending = 0;
	OK(ioctl(v->fd, KVM_SET_VCPU_EVENTS, &e));
	CHECK_EQ(get_events(v).triple_fault.pending, 0);
	e.triple_fault.pending = 1;
	OK(ioctl(v->fd, KVM_SET_VCPU_EVENTS, &e));
	vcpu_run_exit(v, KVM_EXIT_SHUTDOWN);
	e = get_events(old);
	CHECK_EQ(e.flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT, 0);
	e.flags |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
	CHECK_ERRNO(ioctl(old->fd, KVM_SET_VCPU_EVENTS, &e), EINVAL);
}

/* ---- halt polling ---- */

/* Each of so many nanoseconds. */
static void guest_naps(u64 period)
{
	guest_on(VEC, guest_count_irq);
	apic_enable();
	apic_write(APIC_TDCR, 0xb);
	apic_write(APIC_LVTT, LVT_PERIODIC | VEC);
	apic_write(APIC_TMICT, period);
	while (this_cpu()->irqs[VEC] < 15)
		sti_hlt_cli();
	GUEST_DONE();
}

static u64 polls(u64 limit, u64 period)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *v = vcpu_new(vm, 0, guest_naps, period);
	u64 count;

	OK(enable_cap(vm, KVM_CAP_HALT_POLL, limit));
	run_done(v);
	CHECK(vcpu_stat(v, "halt_attempted_poll", &count));
	return count;
}

/* The limit of a VM holds for its vCPUs: 0 is no polling at all. */
CASE(halt_poll)
{
	u64 period = 10000000;

	need_cap(KVM_CAP_HALT_POLL);
	CHECK_EQ(polls(0, period), 0);
	/* Where a slow host is late for the next before the HLT there is nothing to poll for. */
	while (!polls(1000000000, period)) {
		period *= 2;
		CHECK(period < 1000000000);
	}
	CHECK_ERRNO(enable_cap(vm_create(0), KVM_CAP_HALT_POLL, 1ull << 32), EINVAL);
}

/* ---- registers ---- */

#define PDPT 0x900020ul

CASE(sregs2)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_nop, 0);
	struct kvm_sregs s = get_sregs(v);
	struct kvm_sregs2 s2;

	need_cap(KVM_CAP_SREGS2);
	memset(&s2, 0xff, sizeof(s2));
	OK(ioctl(v->fd, KVM_GET_SREGS2, &s2));
	CHECK_EQ(memcmp(&s, &s2, offsetof(struct kvm_sregs2, flags)), 0);
	CHECK_EQ(s2.flags, 0);
	s2.cr2 = 0x1234000;
	s2.gs.base += 8;
	OK(ioctl(v->fd, KVM_SET_SREGS2, &s2));
	CHECK_EQ(get_sregs(v).cr2, 0x1234000);
	CHECK_EQ(get_sregs(v).gs.base, s.gs.base + 8);
	s2.gs.base -= 8;
	s2.flags = 1ull << 40;
	CHECK_ERRNO(ioctl(v->fd, KVM_SET_SREGS2, &s2), EINVAL);
	/* Long mode has no PDPTRs. */
	s2.flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
	CHECK_ERRNO(ioctl(v->fd, KVM_SET_SREGS2, &s2), EINVAL);
	s2.flags = 0;
	OK(ioctl(v->fd, KVM_SET_SREGS2, &s2));
	run_done(v);
}

/* With PAE paging the four entries at CR3 belong to the state. */
CASE(sregs2_pdptrs)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_add(vm, 0);
	u64 *pdpt = gpa_hva(vm, PDPT);
	struct kvm_sregs2 s2, again;
	u32 i;

	need_cap(KVM_CAP_SREGS2);
	vcpu_cpuid(v);
	vcpu_set_mode(v, VCPU_PROT32, REAL_BASE);
	for (i = 0; i < 4; i++)
		pdpt[i] = (0x901000ul + i * PAGE_SIZE) | PTE_P;
	OK(ioctl(v->fd, KVM_GET_SREGS2, &s2));
	CHECK_EQ(s2.flags, 0);
	s2.cr0 |= CR0_PG;
	s2.cr4 |= CR4_PAE;
	s2.cr3 = PDPT;
	s2.flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
	memcpy(s2.pdptrs, pdpt, sizeof(s2.pdptrs));
	OK(ioctl(v->fd, KVM_SET_SREGS2, &s2));
	OK(ioctl(v->fd, KVM_GET_SREGS2, &again));
	CHECK_EQ(again.flags, KVM_SREGS2_FLAGS_PDPTRS_VALID);
	CHECK_EQ(memcmp(again.pdptrs, pdpt, sizeof(again.pdptrs)), 0);
}

/* ---- debugging ---- */

extern const u8 here[];

static volatile u64 vector, rip;

static GUEST_HANDLER void on_debug(struct trap *t)
{
	vector = t->vector;
	rip = t->rip;
}

static void guest_nops(u64 warm)
{
	guest_on(BP_VECTOR, on_debug);
	guest_on(DB_VECTOR, on_debug);
	if (warm)
		asm volatile("int3" : : : "memory");
	vector = 0;
	GUEST_SYNC(0);
	asm volatile(".globl here\nhere: nop; nop; nop; nop");
	GUEST_SYNC2(1, vector, rip - (u64)here);
	GUEST_DONE();
}

/* A vCPU of a guest that stands at four NOPs; warm: it had a #BP before. */
static struct vcpu *at_nops(bool warm)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_nops, warm);
	struct kvm_regs r;

	run_sync(v, 0);
	/* Finish the port access. */
	v->run->immediate_exit = 1;
	CHECK_ERRNO(vcpu_run(v), EINTR);
	v->run->immediate_exit = 0;
	r = get_regs(v);
	r.rip = (u64)here;
	set_regs(v, &r);
	return v;
}

static void set_debug(struct vcpu *v, u32 control)
{
	struct kvm_guest_debug d = { .control = control };

	OK(ioctl(v->fd, KVM_SET_GUEST_DEBUG, &d));
}

/* The answer names control bits, and each of them is taken. */
CASE(set_guest_debug2)
{
	const u32 bits[] = { KVM_GUESTDBG_SINGLESTEP, KVM_GUESTDBG_USE_SW_BP,
			     KVM_GUESTDBG_USE_HW_BP };
	u32 can = dev_cap(KVM_CAP_SET_GUEST_DEBUG2), i;
	struct vcpu *v;

	need_cap(KVM_CAP_SET_GUEST_DEBUG2);
	CHECK(can & KVM_GUESTDBG_ENABLE);
	v = at_nops(true);
	for (i = 0; i < ARRAY_SIZE(bits); i++) {
		CHECK_EQ(can & bits[i], bits[i]);
		set_debug(v, KVM_GUESTDBG_ENABLE | bits[i]);
	}
	v = at_nops(true);
	/* The debugger gives back what was the guest's own. */
	CHECK(can & KVM_GUESTDBG_INJECT_BP);
	set_debug(v, KVM_GUESTDBG_INJECT_BP);
	run_sync(v, 1);
	CHECK_EQ(v->uc.args[1], BP_VECTOR);
	CHECK(can & KVM_GUESTDBG_INJECT_DB);
	v = at_nops(true);
	set_debug(v, KVM_GUESTDBG_INJECT_DB);
	run_sync(v, 1);
	CHECK_EQ(v->uc.args[1], DB_VECTOR);
	CHECK_EQ(v->uc.args[2], 0);
}

/*
 * Memory that delivery needs is not there yet: the event must survive that. #BP returns behind an
 * instruction of one byte.
 */
CASE(inject_bp_cold, .oracle = "in-tree KVM counts on an INT3 that is executed again")
{
	struct vcpu *v = at_nops(false);

	set_debug(v, KVM_GUESTDBG_INJECT_BP);
	run_sync(v, 1);
	CHECK_EQ(v->uc.args[1], BP_VECTOR);
	CHECK_EQ(v->uc.args[2], 1);
}

/* Steps go on when user space writes registers and events, in which there is no TF. */
CASE(robust_singlestep)
{
	struct vcpu *v = at_nops(true);
	struct kvm_vcpu_events e;
	struct kvm_regs r;
	u32 i;

	need_cap(KVM_CAP_X86_ROBUST_SINGLESTEP);
	for (i = 1; i <= 3; i++) {
		set_debug(v, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP);
		r = get_regs(v);
		CHECK_EQ(r.rflags & RFLAGS_TF, 0);
		set_regs(v, &r);
		e = get_events(v);
		OK(ioctl(v->fd, KVM_SET_VCPU_EVENTS, &e));
		vcpu_run_exit(v, KVM_EXIT_DEBUG);
		CHECK_EQ(v->run->debug.arch.pc, (u64)here + i);
	}
	set_debug(v, 0);
	run_sync(v, 1);
	CHECK_EQ(v->uc.args[1], 0);
}

/* ---- memory ---- */

#define TWO_AT 0x40000000ul

static void guest_across(u64 expect)
{
	volatile u64 *seam = (u64 *)(TWO_AT + PAGE_SIZE - 4);

	GASSERT_EQ(*seam, expect);
	*seam = expect + 1;
	GUEST_DONE();
}

/* Two slots side by side, then one in their place: accesses across the seam see one memory. */
CASE(join_memory_regions)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_across, 0);
	u8 *p = mmap(NULL, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		     0);
	u64 val;

	CHECK_EQ(dev_cap(KVM_CAP_JOIN_MEMORY_REGIONS_WORKS), 1);
	CHECK(p != MAP_FAILED);
	OK(vm_slot(vm, 1, 0, TWO_AT, PAGE_SIZE, p));
	OK(vm_slot(vm, 2, 0, TWO_AT + PAGE_SIZE, PAGE_SIZE, p + PAGE_SIZE));
	run_done(v);
	OK(vm_slot(vm, 2, 0, TWO_AT + PAGE_SIZE, 0, p + PAGE_SIZE));
	OK(vm_slot(vm, 1, 0, TWO_AT, 0, p));
	OK(vm_slot(vm, 1, 0, TWO_AT, 2 * PAGE_SIZE, p));
	vcpu_call(v, guest_across, 1);
	run_done(v);
	memcpy(&val, p + PAGE_SIZE - 4, 8);
	CHECK_EQ(val, 2);
}

/* The upper half of a slot's number selects an address space below what the answer says. */
CASE(address_spaces)
{
	struct vm *vm = vm_create(0);
	int n = ioctl(vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_MULTI_ADDRESS_SPACE);
	void *p = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	CHECK(n >= 1);
	OK(vm_slot(vm, 1 | (n - 1) << 16, 0, TWO_AT, PAGE_SIZE, p));
	CHECK_ERRNO(vm_slot(vm, 2 | n << 16, 0, TWO_AT + PAGE_SIZE, PAGE_SIZE, p), EINVAL);
}

/* ---- time ---- */

/* The frequency of a VM is that of vCPUs made later; KVM_GET_TSC_KHZ of both says it. */
CASE(vm_tsc_control)
{
	struct vm *vm = vm_create(0);
	int khz = OK(ioctl(vm->fd, KVM_GET_TSC_KHZ, 0)), got;
	struct vcpu *v;

	need_cap(KVM_CAP_VM_TSC_CONTROL);
	OK(ioctl(vm->fd, KVM_SET_TSC_KHZ, (long)khz / 2));
	CHECK_EQ(ioctl(vm->fd, KVM_GET_TSC_KHZ, 0), khz / 2);
	v = vcpu_new(vm, 0, guest_nop, 0);
	got = OK(ioctl(v->fd, KVM_GET_TSC_KHZ, 0));
	CHECK_EQ(got, khz / 2);
	run_done(v);
}

#define PIT_BASE 0x20
#define TICK_MS  20
#define TICK     (1193182 * TICK_MS / 1000)
#define FIRST    3  /* ticks before it begins */
#define MISSED   30 /* in a pause that the host makes */

static volatile u64 ticks, limit_ms, last_tick;

static GUEST_HANDLER void on_tick(struct trap *t)
{
	(void)t;
	ticks++;
	/* Where one takes longer than it is until the next, nothing else would run any more. */
	if (ticks >= FIRST && rdtsc() > last_tick)
		outb(0x21, 0xff);
	outb(0x20, 0x20);
}

static void guest_ticks(u64 khz)
{
	u64 start, before, due;

	last_tick = rdtsc() + limit_ms * khz;
	guest_on(PIT_BASE, on_tick);
	outb(0x20, 0x11);
	outb(0x21, PIT_BASE);
	outb(0x21, 4);
	outb(0x21, 1);
	outb(0x21, 0xfe);
	outb(0x43, 0x34);
	outb(0x40, TICK & 0xff);
	outb(0x40, TICK >> 8);
	sti();
	SPIN_UNTIL(ticks >= FIRST);
	before = ticks;
	start = rdtsc();
	last_tick = start + limit_ms * khz;
	/* If they came so late that they were switched off. */
	outb(0x21, 0xfe);
	GUEST_SYNC(0);
	do {
		pause_cpu();
		due = (rdtsc() - start) / khz / TICK_MS;
	} while (rdtsc() < last_tick && ticks - before + MISSED / 6 < due);
	cli();
	GUEST_SYNC2(1, ticks - before, due);
}

/* Ticks that are still missing when they are few, or after a time. */
static long missing_ticks(u8 reinject, u32 limit)
{
	struct kvm_reinject_control ctl = { .pit_reinject = reinject };
	struct vm *vm = vm_create(VM_PIT);
	struct vcpu *v = vcpu_add(vm, 0);

	G(vm, limit_ms) = limit;
	OK(ioctl(vm->fd, KVM_REINJECT_CONTROL, &ctl));
	vcpu_cpuid(v);
	vcpu_call(v, guest_ticks, OK(ioctl(v->fd, KVM_GET_TSC_KHZ, 0)));
	run_sync(v, 0);
	host_sleep_ms(MISSED * TICK_MS);
	run_sync(v, 1);
	return (long)v->uc.args[2] - (long)v->uc.args[1];
}

CASE(reinject_control, .timeout = 120)
{
	struct kvm_reinject_control ctl = { .pit_reinject = 1 };
	u32 i;

	need_cap(KVM_CAP_REINJECT_CONTROL);
	CHECK_ERRNO(ioctl(vm_create(VM_IRQCHIP)->fd, KVM_REINJECT_CONTROL, &ctl), ENXIO);
	CHECK(missing_ticks(0, 1000) > MISSED * 2 / 3);
	/* A machine that stands still for a second loses ticks for good: again. */
	for (i = 0; i < 10; i++)
		if (missing_ticks(1, 5000) <= MISSED / 6)
			return;
	FAIL("missed ticks are not made up for");
}
