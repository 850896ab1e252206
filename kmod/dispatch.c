// SPDX-License-Identifier: GPL-2.0
/*
 * The dispatcher: entered on every exit, it routes to the allocator (memory/), the interpreter
 * (interp/), or the room that owns what the guest touched. One handler per kind, none of them
 * longer than a few lines.
 */
#define pr_fmt(fmt) "vmm: " fmt

#include <linux/ratelimit.h>
#include <asm/trapnr.h>

#include "backend.h"
#include "cpu/cpu.h"
#include "interp/interp.h"
#include "pv/hypercall.h"
#include "run.h"

#define REFUSALS_EXPLAINED	16	/* of each vCPU */

/**
 * dispatch_internal_error() - tell user space that the VM cannot go on
 * @vcpu: the vCPU
 * @suberror: KVM_INTERNAL_ERROR_*
 *
 * Return: RESUME_USER
 */
int dispatch_internal_error(struct vcpu *vcpu, u32 suberror)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->internal.suberror = suberror;
	run->internal.ndata = 3;
	run->internal.data[0] = vcpu->exit.hw_reason;
	run->internal.data[1] = vcpu->exit.kind;
	run->internal.data[2] = vcpu->state.rip;
	mgmt_vcpu_stopped(vcpu, VMM_VM_CRASHED, "internal error");
	return RESUME_USER;
}

/**
 * dispatch_shutdown() - a triple fault: the processor has shut down
 * @vcpu: the vCPU
 *
 * The exceptions that led there are gone with it: user space that sets a new state must not meet
 * them again.
 *
 * Return: RESUME_USER
 */
int dispatch_shutdown(struct vcpu *vcpu)
{
	vcpu->events.injected.type = EVENT_NONE;
	vcpu->events.exception.pending = false;
	vcpu->run->exit_reason = KVM_EXIT_SHUTDOWN;
	mgmt_vcpu_stopped(vcpu, VMM_VM_SHUTDOWN, "triple fault");
	return RESUME_USER;
}

/* 32-bit code wraps its instruction pointer (APM vol. 1, 2.2.4). */
static void skip_wrap(struct vcpu *vcpu)
{
	if (!(state_get(vcpu, STATE_SEGS)->seg[SEG_CS].attr & SEG_L))
		vcpu->state.rip = (u32)vcpu->state.rip;
}

static int skip(struct vcpu *vcpu, int len)
{
	u64 rip = vcpu->state.rip, rflags = vcpu->state.rflags;

	vcpu->state.rip = rip + len;
	if (unlikely((rip ^ vcpu->state.rip) >> 32))
		skip_wrap(vcpu);
	vcpu->state.int_shadow = 0;
	vcpu->state.rflags = rflags & ~(u64)X86_EFLAGS_RF;
	if (unlikely((rflags & X86_EFLAGS_TF) || vcpu->policy.single_step))
		return debug_after_insn(vcpu, rflags);
	return RESUME_GUEST;
}

static int skip_decoded(struct vcpu *vcpu)
{
	int len = interp_insn_length(vcpu);

	if (!len)
		return RESUME_GUEST;
	if (len < 0)
		return dispatch_internal_error(vcpu, KVM_INTERNAL_ERROR_EMULATION);
	return skip(vcpu, len);
}

/**
 * dispatch_skip() - step over the instruction that exited
 * @vcpu: the vCPU
 *
 * Return: RESUME_GUEST; RESUME_USER: single step, or the instruction cannot be decoded
 */
int dispatch_skip(struct vcpu *vcpu)
{
	return vcpu->exit.insn_len ? skip(vcpu, vcpu->exit.insn_len) : skip_decoded(vcpu);
}

/* ---- handlers ---- */

static int on_unknown(struct vcpu *vcpu)
{
	pr_err_ratelimited("unexpected exit 0x%llx at rip 0x%llx\n", vcpu->exit.hw_reason,
			   vcpu->state.rip);
	return dispatch_internal_error(vcpu, KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON);
}

static int on_host_interrupt(struct vcpu *vcpu)
{
	vcpu->stats.irq_exits++;
	return RESUME_GUEST;
}

static int on_tdp_fault(struct vcpu *vcpu)
{
	gpa_t gpa = vcpu->exit.fault.gpa;
	u64 error = vcpu->exit.fault.error;
	int ret;

	ret = memory_fault(vcpu, gpa, error);
	if (ret != MEMORY_MMIO)
		return ret;
	/* An ioeventfd that takes any write needs neither length nor data. */
	if ((error & TDP_FAULT_WRITE) && !bus_write(vcpu, BUS_MMIO, gpa, 0, NULL))
		return dispatch_skip(vcpu);
	return interp_exit(vcpu, gpa);
}

static int on_hlt(struct vcpu *vcpu)
{
	int ret = dispatch_skip(vcpu);

	vcpu->stats.halt_exits++;
	if (ret != RESUME_GUEST)
		return ret;
	if (!vcpu->apic) {
		vcpu->run->exit_reason = KVM_EXIT_HLT;
		return RESUME_USER;
	}
	if (!events_pending(vcpu) && !halt_kicked(vcpu))
		WRITE_ONCE(vcpu->mp_state, KVM_MP_STATE_HALTED);
	return RESUME_GUEST;
}

static int on_pause(struct vcpu *vcpu)
{
	halt_yield(vcpu);
	return dispatch_skip(vcpu);
}

static int on_rdmsr(struct vcpu *vcpu)
{
	return msr_exit(vcpu, false);
}

static int on_wrmsr(struct vcpu *vcpu)
{
	return msr_exit(vcpu, true);
}

static int on_irq_window(struct vcpu *vcpu)
{
	vcpu->stats.irq_window_exits++;
	vcpu_request(vcpu, REQ_EVENT);
	return RESUME_GUEST;
}

static int on_nmi_window(struct vcpu *vcpu)
{
	vcpu->stats.nmi_window_exits++;
	vcpu->events.nmi_masked = false;
	vcpu_request(vcpu, REQ_EVENT);
	return RESUME_GUEST;
}

/* The guest lowered its TPR: an APIC in user space may hold an interrupt for that level. */
static int on_tpr(struct vcpu *vcpu)
{
	vcpu_request(vcpu, REQ_EVENT);
	if (vcpu->apic)
		return RESUME_GUEST;
	vcpu->run->exit_reason = KVM_EXIT_SET_TPR;
	return RESUME_USER;
}

/* INIT and SMI of the host stay pending for the host (APM vol. 2, 15.13); PML has been drained. */
static int on_ignored(struct vcpu *vcpu)
{
	return RESUME_GUEST;
}

/* No device of a guest writes memory behind the caches: nothing to do but to go on. */
static int on_skip(struct vcpu *vcpu)
{
	return dispatch_skip(vcpu);
}

/* No monitoring: a guest that asks for it all the same spins. */
static int on_mwait(struct vcpu *vcpu)
{
	u32 eax = 1, ebx, ecx = 0, edx;

	if (vcpu->vm->policy.disabled_quirks & KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS) {
		cpuid_query(vcpu, &eax, &ebx, &ecx, &edx);
		if (!(ecx & BIT(X86_FEATURE_MWAIT % 32))) {
			events_raise(vcpu, X86_TRAP_UD);
			return RESUME_GUEST;
		}
	}
	return dispatch_skip(vcpu);
}

static int on_undefined(struct vcpu *vcpu)
{
	events_raise(vcpu, X86_TRAP_UD);
	return RESUME_GUEST;
}

/* A register that the processor does not serve, or not with this instruction. */
static int on_apic_access(struct vcpu *vcpu)
{
	return interp_exit(vcpu, (vcpu->msrs.apic_base & ~0xfffull) + vcpu->exit.fault.gpa);
}

static int on_rdpmc(struct vcpu *vcpu)
{
	events_raise_error(vcpu, X86_TRAP_GP, 0);
	return RESUME_GUEST;
}

static int on_xsetbv(struct vcpu *vcpu)
{
	const u64 *gpr = vcpu->state.gpr;
	u64 val = (u32)gpr[REG_RAX] | gpr[REG_RDX] << 32;

	if (vcpu->state.cpl || xcr_write(vcpu, gpr[REG_RCX], val)) {
		events_raise_error(vcpu, X86_TRAP_GP, 0);
		return RESUME_GUEST;
	}
	return dispatch_skip(vcpu);
}

static int on_task_switch(struct vcpu *vcpu)
{
	return dispatch_internal_error(vcpu, KVM_INTERNAL_ERROR_EMULATION);
}

/*
 * User space can have entries fail as often as it likes, and the log is everybody's: the first of
 * each vCPU are explained, and now and then one in full.
 */
static void log_failed_entry(struct vcpu *vcpu)
{
	static DEFINE_RATELIMIT_STATE(explained, 10 * HZ, 100);
	static DEFINE_RATELIMIT_STATE(in_full, 10 * HZ, 2);

	if (vcpu->refusals >= REFUSALS_EXPLAINED || !__ratelimit(&explained))
		return;
	vcpu->refusals++;
	backend_dump(vcpu, __ratelimit(&in_full));
}

static int on_invalid_state(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	log_failed_entry(vcpu);
	run->exit_reason = KVM_EXIT_FAIL_ENTRY;
	run->fail_entry.hardware_entry_failure_reason = vcpu->exit.hw_reason;
	run->fail_entry.cpu = vcpu->cpu;
	mgmt_vcpu_stopped(vcpu, VMM_VM_CRASHED, "the processor refuses the vCPU's state");
	return RESUME_USER;
}

static int (*const handlers[VMEXIT_COUNT])(struct vcpu *vcpu) = {
	[VMEXIT_UNKNOWN] = on_unknown,
	[VMEXIT_HOST_INTERRUPT] = on_host_interrupt,
	[VMEXIT_EXCEPTION] = events_exception_exit,
	[VMEXIT_TDP_FAULT] = on_tdp_fault,
	[VMEXIT_TDP_MISCONFIG] = on_unknown,
	[VMEXIT_IO] = pio_exit,
	[VMEXIT_RDMSR] = on_rdmsr,
	[VMEXIT_WRMSR] = on_wrmsr,
	[VMEXIT_CPUID] = cpuid_exit,
	[VMEXIT_HLT] = on_hlt,
	[VMEXIT_PAUSE] = on_pause,
	[VMEXIT_HYPERCALL] = hypercall_exit,
	[VMEXIT_CR_ACCESS] = cr_access,
	[VMEXIT_DR_ACCESS] = dr_access,
	[VMEXIT_IRQ_WINDOW] = on_irq_window,
	[VMEXIT_NMI_WINDOW] = on_nmi_window,
	[VMEXIT_TPR] = on_tpr,
	[VMEXIT_SHUTDOWN] = dispatch_shutdown,
	[VMEXIT_INIT] = on_ignored,
	[VMEXIT_SMI] = on_ignored,
	[VMEXIT_INVD] = on_skip,
	[VMEXIT_WBINVD] = on_skip,
	[VMEXIT_XSETBV] = on_xsetbv,
	[VMEXIT_RDPMC] = on_rdpmc,
	[VMEXIT_RDTSC] = on_unknown,
	[VMEXIT_RDTSCP] = on_unknown,
	[VMEXIT_MONITOR] = on_mwait,
	[VMEXIT_MWAIT] = on_mwait,
	[VMEXIT_TASK_SWITCH] = on_task_switch,
	[VMEXIT_UNDEFINED] = on_undefined,
	[VMEXIT_INVALID_STATE] = on_invalid_state,
	[VMEXIT_PREEMPTION_TIMER] = lapic_timer_exit,
	[VMEXIT_APIC_ACCESS] = on_apic_access,
	[VMEXIT_APIC_WRITE] = lapic_write_exit,
	[VMEXIT_APIC_EOI] = lapic_eoi_exit,
	[VMEXIT_PML_FULL] = on_ignored,
};

/**
 * dispatch_exit() - route one exit
 * @vcpu: vcpu->exit is decoded
 *
 * The hot kinds are called directly: an indirect call costs more than the comparison where
 * return trampolines are in use.
 *
 * Context: loaded, vcpu->mutex held, may sleep.
 * Return: RESUME_GUEST; RESUME_USER: vcpu->run is filled; errno for KVM_RUN
 */
int dispatch_exit(struct vcpu *vcpu)
{
	switch (vcpu->exit.kind) {
	case VMEXIT_HOST_INTERRUPT:
		return on_host_interrupt(vcpu);
	case VMEXIT_TDP_FAULT:
		return on_tdp_fault(vcpu);
	case VMEXIT_WRMSR:
		return msr_exit(vcpu, true);
	case VMEXIT_RDMSR:
		return msr_exit(vcpu, false);
	case VMEXIT_IO:
		return pio_exit(vcpu);
	case VMEXIT_HLT:
		return on_hlt(vcpu);
	case VMEXIT_CPUID:
		return cpuid_exit(vcpu);
	case VMEXIT_HYPERCALL:
		return hypercall_exit(vcpu);
	case VMEXIT_IRQ_WINDOW:
		return on_irq_window(vcpu);
	default:
		return handlers[vcpu->exit.kind](vcpu);
	}
}
