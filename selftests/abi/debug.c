// SPDX-License-Identifier: GPL-2.0
/* Debug registers and KVM_SET_GUEST_DEBUG. SDM vol. 3B, 18; APM vol. 2, 13.1. */
#include <string.h>
#include "vm.h"

#define SUITE "debug"

extern const u8 step_1[], step_2[], step_3[], step_4[], step_5[], step_6[];

static volatile u64 watched;

static void guest_steps(void)
{
	asm volatile(".globl step_1, step_2, step_3, step_4, step_5, step_6\n"
		     "step_1: nop\n"
		     "step_2: mov $1, %%eax\n"
		     "step_3: xor %%ecx, %%ecx\n"
		     "step_4: cpuid\n"
		     "step_5: nop\n"
		     "step_6: nop\n"
		     :
		     :
		     : "eax", "ebx", "ecx", "edx", "memory");
	watched = 7;
	GUEST_DONE();
}

static void set_debug(struct vcpu *v, u32 control, u64 addr, u64 dr7)
{
	struct kvm_guest_debug d = { .control = control };

	d.arch.debugreg[0] = addr;
	d.arch.debugreg[7] = dr7;
	OK(ioctl(v->fd, KVM_SET_GUEST_DEBUG, &d));
}

/* Run the guest up to step_1 by a breakpoint of ours. */
static struct vcpu *at_step_1(void)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_steps, 0);
	struct kvm_regs r;

	need_cap(KVM_CAP_SET_GUEST_DEBUG);
	r = get_regs(v);
	r.rip = (u64)step_1;
	set_regs(v, &r);
	return v;
}

static void expect_step(struct vcpu *v, const u8 *pc)
{
	vcpu_run_exit(v, KVM_EXIT_DEBUG);
	CHECK_EQ(v->run->debug.arch.exception, DB_VECTOR);
	CHECK_EQ(v->run->debug.arch.pc, (u64)pc);
	CHECK(v->run->debug.arch.dr6 & BIT(14));
}

CASE(single_step)
{
	struct vcpu *v = at_step_1();

	set_debug(v, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP, 0, 0);
	expect_step(v, step_2);
	expect_step(v, step_3);
	expect_step(v, step_4);
	CHECK_EQ(get_regs(v).rflags & RFLAGS_TF, 0);
	set_debug(v, 0, 0, 0);
	run_done(v);
}

/* A debugger may keep what interrupts away from the code it steps through. */
static volatile u64 nmis, irqs;

static GUEST_HANDLER void count_nmi(struct trap *t)
{
	(void)t;
	nmis++;
}

static GUEST_HANDLER void count_irq(struct trap *t)
{
	(void)t;
	irqs++;
	apic_write(APIC_EOI, 0);
}

static void guest_steps_interrupted(void)
{
	guest_on(NMI_VECTOR, count_nmi);
	guest_on(0x40, count_irq);
	apic_enable();
	asm volatile("sti; nop" : : : "memory");
	GUEST_SYNC(0);
	guest_steps();
}

CASE(single_step_blocks_interrupts)
{
	struct kvm_msi msi = { .address_lo = APIC_BASE, .data = 0x40 };
	struct vcpu *v = vcpu_new(vm_create(VM_IRQCHIP), 0, guest_steps_interrupted, 0);
	u32 step = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP;
	struct kvm_regs r;

	if (!(dev_cap(KVM_CAP_SET_GUEST_DEBUG2) & KVM_GUESTDBG_BLOCKIRQ))
		SKIP("no KVM_GUESTDBG_BLOCKIRQ");
	run_sync(v, 0);
	/* End the port access. */
	v->run->immediate_exit = 1;
	CHECK_ERRNO(vcpu_run(v), EINTR);
	v->run->immediate_exit = 0;
	r = get_regs(v);
	r.rip = (u64)step_1;
	r.rflags |= RFLAGS_IF;
	set_regs(v, &r);
	set_debug(v, step | KVM_GUESTDBG_BLOCKIRQ, 0, 0);
	OK(ioctl(v->fd, KVM_NMI, 0));
	CHECK(OK(ioctl(v->vm->fd, KVM_SIGNAL_MSI, &msi)) > 0);
	expect_step(v, step_2);
	expect_step(v, step_3);
	expect_step(v, step_4);
	expect_step(v, step_5);
	CHECK_EQ(G(v->vm, nmis), 0);
	CHECK_EQ(G(v->vm, irqs), 0);
	set_debug(v, 0, 0, 0);
	run_done(v);
	CHECK_EQ(G(v->vm, nmis), 1);
	CHECK_EQ(G(v->vm, irqs), 1);
}

/* CPUID is emulated by the module: the step behind it must not be lost. */
CASE(single_step_emulated)
{
	struct vcpu *v = at_step_1();
	struct kvm_regs r = get_regs(v);

	r.rip = (u64)step_4;
	r.rax = 0;
	r.rcx = 0;
	set_regs(v, &r);
	set_debug(v, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP, 0, 0);
	expect_step(v, step_5);
	expect_step(v, step_6);
}

/* Over I/O that user space serves: the step is reported when the instruction is done. */
extern const u8 io_1[], io_2[];

static void guest_step_io(void)
{
	asm volatile(".globl io_1, io_2\n io_1: outb %%al, $0x80\n io_2: nop" : : "a"(0));
	GUEST_DONE();
}

CASE(single_step_io)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_step_io, 0);
	struct kvm_regs r = get_regs(v);

	need_cap(KVM_CAP_SET_GUEST_DEBUG);
	r.rip = (u64)io_1;
	set_regs(v, &r);
	set_debug(v, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP, 0, 0);
	vcpu_run_exit(v, KVM_EXIT_IO);
	CHECK_EQ(v->run->io.port, 0x80);
	expect_step(v, io_2);
	set_debug(v, 0, 0, 0);
	run_done(v);
}

/* Linear addresses of 32-bit code wrap. */
BLOB(step_32, 32, "nop\n nop\n hlt\n");

CASE(single_step_32)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_add(vm, 0);
	struct kvm_sregs s;

	need_cap(KVM_CAP_SET_GUEST_DEBUG);
	load_blob(vm, REAL_BASE, step_32);
	vcpu_set_mode(v, VCPU_PROT32, REAL_BASE + PAGE_SIZE);
	s = get_sregs(v);
	s.cs.base = (u32)-PAGE_SIZE;
	set_sregs(v, &s);
	set_debug(v, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP, 0, 0);
	expect_step(v, (void *)(REAL_BASE + 1));
	CHECK_EQ(get_regs(v).rip, REAL_BASE + PAGE_SIZE + 1);
}

CASE(hardware_breakpoint, .tcg = "VMRUN in TCG does not arm the breakpoints of the VMCB's DR7")
{
	struct vcpu *v = at_step_1();

	set_debug(v, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP, (u64)step_5, 0x402);
	vcpu_run_exit(v, KVM_EXIT_DEBUG);
	CHECK_EQ(v->run->debug.arch.exception, DB_VECTOR);
	CHECK_EQ(v->run->debug.arch.pc, (u64)step_5);
	CHECK_EQ(v->run->debug.arch.dr6 & 0xf, 1);
	CHECK_EQ(v->run->debug.arch.dr7, 0x402);
	set_debug(v, 0, 0, 0);
	run_done(v);
}

CASE(hardware_watchpoint, .tcg = "VMRUN in TCG does not arm the breakpoints of the VMCB's DR7")
{
	struct vcpu *v = at_step_1();

	/* Four bytes, on writes. */
	set_debug(v, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP, (u64)&watched, 0xd0402);
	vcpu_run_exit(v, KVM_EXIT_DEBUG);
	CHECK_EQ(v->run->debug.arch.dr6 & 0xf, 1);
	CHECK_EQ(G(v->vm, watched), 7);
	set_debug(v, 0, 0, 0);
	run_done(v);
}

static volatile u64 traps, trap_rip, trap_dr6;

static GUEST_HANDLER void on_bp(struct trap *t)
{
	traps++;
	trap_rip = t->rip;
}

static void guest_int3(void)
{
	extern const u8 the_int3[];

	guest_on(BP_VECTOR, on_bp);
	asm volatile(".globl the_int3\n the_int3: int3" : : : "memory");
	GASSERT_EQ(traps, 1);
	GASSERT_EQ(trap_rip, (u64)the_int3 + 1);
	GUEST_DONE();
}

extern const u8 the_int3[];

CASE(software_breakpoint, .tcg = "TCG does not intercept the #BP of INT3")
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_int3, 0);

	need_cap(KVM_CAP_SET_GUEST_DEBUG);
	set_debug(v, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP, 0, 0);
	vcpu_run_exit(v, KVM_EXIT_DEBUG);
	CHECK_EQ(v->run->debug.arch.exception, BP_VECTOR);
	CHECK_EQ(v->run->debug.arch.pc, (u64)the_int3);
	CHECK_EQ(get_regs(v).rip, (u64)the_int3);
	set_debug(v, 0, 0, 0);
	run_done(v);
}

/* The guest's own debugging must not be disturbed by the module. */
static GUEST_HANDLER void on_db(struct trap *t)
{
	traps++;
	trap_rip = t->rip;
	asm volatile("mov %%dr6, %0" : "=r"(trap_dr6));
	t->rflags = (t->rflags & ~RFLAGS_TF) | RFLAGS_RF;
}

static void guest_own_breakpoint(u64 exits)
{
	extern const u8 own_bp[];
	u64 v;

	guest_on(DB_VECTOR, on_db);
	asm volatile("mov %0, %%dr0" : : "r"(own_bp));
	asm volatile("mov %0, %%dr7" : : "r"(0x402ull));
	if (exits)
		GUEST_SYNC(0);
	asm volatile("mov %%dr7, %0" : "=r"(v));
	GASSERT_EQ(v, 0x402);
	asm volatile("mov %%dr0, %0" : "=r"(v));
	GASSERT_EQ(v, (u64)own_bp);
	asm volatile(".globl own_bp\n own_bp: nop" : : : "memory");
	GASSERT_EQ(traps, 1);
	GASSERT_EQ(trap_rip, (u64)own_bp);
	GASSERT_EQ(trap_dr6 & 0xf, 1);
	asm volatile("mov %0, %%dr7" : : "r"(0x400ull));
	GUEST_DONE();
}

CASE(guest_breakpoint, .tcg = "VMRUN in TCG does not arm the breakpoints of the VMCB's DR7")
{
	run_done(vcpu_new(vm_create(0), 0, guest_own_breakpoint, 0));
}

CASE(guest_breakpoint_over_exit,
     .tcg = "VMRUN in TCG does not arm the breakpoints of the VMCB's DR7")
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_own_breakpoint, 1);

	run_sync(v, 0);
	run_done(v);
}

static void guest_tf(void)
{
	extern const u8 after_tf[];

	guest_on(DB_VECTOR, on_db);
	asm volatile("pushfq\n orq $0x100, (%%rsp)\n popfq\n nop\n"
		     ".globl after_tf\n after_tf: nop"
		     :
		     :
		     : "memory", "cc");
	GASSERT_EQ(traps, 1);
	GASSERT_EQ(trap_rip, (u64)after_tf);
	GASSERT(trap_dr6 & BIT(14));
	GUEST_DONE();
}

CASE(guest_trap_flag)
{
	run_done(vcpu_new(vm_create(0), 0, guest_tf, 0));
}

/* TF over an instruction that the module emulates. */
static void guest_tf_emulated(void)
{
	extern const u8 after_tf2[];

	guest_on(DB_VECTOR, on_db);
	asm volatile("xor %%eax, %%eax\n xor %%ecx, %%ecx\n"
		     "pushfq\n orq $0x100, (%%rsp)\n popfq\n cpuid\n"
		     ".globl after_tf2\n after_tf2: nop"
		     :
		     :
		     : "eax", "ebx", "ecx", "edx", "memory", "cc");
	GASSERT_EQ(traps, 1);
	GASSERT_EQ(trap_rip, (u64)after_tf2);
	GUEST_DONE();
}

CASE(guest_trap_flag_emulated)
{
	run_done(vcpu_new(vm_create(0), 0, guest_tf_emulated, 0));
}

static void guest_debugregs(void)
{
	u64 v;

	GUEST_SYNC(0);
	asm volatile("mov %%dr1, %0" : "=r"(v));
	GASSERT_EQ(v, 0x1111);
	asm volatile("mov %%dr3, %0" : "=r"(v));
	GASSERT_EQ(v, 0x3333);
	asm volatile("mov %0, %%dr2" : : "r"(0x2222ull));
	GUEST_SYNC(1);
	GUEST_DONE();
}

CASE(get_set_debugregs)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_debugregs, 0);
	struct kvm_debugregs d;

	need_cap(KVM_CAP_DEBUGREGS);
	memset(&d, 0, sizeof(d));
	run_sync(v, 0);
	OK(ioctl(v->fd, KVM_GET_DEBUGREGS, &d));
	CHECK_EQ(d.dr6, 0xffff0ff0);
	CHECK_EQ(d.dr7, 0x400);
	d.db[1] = 0x1111;
	d.db[3] = 0x3333;
	OK(ioctl(v->fd, KVM_SET_DEBUGREGS, &d));
	run_sync(v, 1);
	OK(ioctl(v->fd, KVM_GET_DEBUGREGS, &d));
	CHECK_EQ(d.db[1], 0x1111);
	CHECK_EQ(d.db[2], 0x2222);
	d.dr6 = 1ull << 40;
	CHECK_ERRNO(ioctl(v->fd, KVM_SET_DEBUGREGS, &d), EINVAL);
	d.dr6 = 0xffff0ff0;
	d.dr7 = 1ull << 40;
	CHECK_ERRNO(ioctl(v->fd, KVM_SET_DEBUGREGS, &d), EINVAL);
	d.dr7 = 0x400;
	d.flags = 1;
	CHECK_ERRNO(ioctl(v->fd, KVM_SET_DEBUGREGS, &d), EINVAL);
	run_done(v);
}

static void guest_in(void)
{
	inl(0x1234);
	GUEST_DONE();
}

/* RF is for one instruction (SDM vol. 3B, 18.3.1.1), also where that is executed in two parts. */
CASE(resume_flag)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_in, 0);
	struct kvm_regs r;

	vcpu_run_exit(v, KVM_EXIT_IO);
	r = get_regs(v);
	r.rflags |= RFLAGS_RF;
	set_regs(v, &r);
	v->run->immediate_exit = 1;
	CHECK_ERRNO(vcpu_run(v), EINTR);
	v->run->immediate_exit = 0;
	CHECK_EQ(get_regs(v).rflags & RFLAGS_RF, 0);
	run_done(v);
}

/* With CR4.DE clear DR4 and DR5 are DR6 and DR7, with it set they are #UD. */
static void guest_dr4(void)
{
	u64 a, b;

	asm volatile("mov %%dr5, %0" : "=r"(a));
	asm volatile("mov %%dr7, %0" : "=r"(b));
	GASSERT_EQ(a, b);
	write_cr4(read_cr4() | CR4_DE);
	TRY("mov %%dr5, %0", : "=r"(a));
	GASSERT_TRAP(UD_VECTOR, 0);
	TRY("mov %0, %%dr7", : : "r"(1ull << 40));
	GASSERT_TRAP(GP_VECTOR, 0);
	GUEST_DONE();
}

CASE(dr_faults)
{
	run_done(vcpu_new(vm_create(0), 0, guest_dr4, 0));
}
