// SPDX-License-Identifier: GPL-2.0
/*
 * Events into the guest, the windows in which they can be taken, and the intercepts.
 *
 * Soft events (INT n; #BP and #OF by INT3 and INTO) return behind their instruction, while RIP
 * stands on it until they are delivered: the entry is told its length (SDM vol. 3C, 27.6.1).
 *
 * NMIs are virtual: the processor blocks them from the injection of one to its IRET, and tells so
 * in the interruptibility state. Where that IRET faults it has unblocked them too early, and exit.c
 * blocks them again.
 */
#include <linux/percpu.h>
#include <asm/processor.h>
#include <asm/debugreg.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>

#include "../cpu/hw.h"
#include "vmx.h"

#define ERROR_MASK	GENMASK(14, 0)	/* of an error code that the entry takes (27.2.1.3) */
#define SHADOW_ANY	(INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS)

/* ---- events ---- */

/**
 * vmx_event_encode() - the ENTRY_INTR_INFO of an event
 * @ev: the event, type not EVENT_NONE
 */
u32 vmx_event_encode(const struct event *ev)
{
	return INTR_VALID | ev->type << INTR_TYPE_SHIFT | ev->vector |
	       (ev->has_error ? INTR_ERROR_VALID : 0);
}
EXPORT_FOR_TEST(vmx_event_encode);

/**
 * vmx_event_decode() - the event of an interruption-information field
 * @info: the field: of the exit, or of IDT vectoring
 * @error: the error code beside it
 * @insn_len: bytes of the instruction, for soft events
 * @ev: filled in; type EVENT_NONE when the field is not valid
 */
void vmx_event_decode(u32 info, u32 error, u32 insn_len, struct event *ev)
{
	*ev = (struct event){ .type = EVENT_NONE };
	if (!(info & INTR_VALID))
		return;
	ev->type = (info & INTR_TYPE_MASK) >> INTR_TYPE_SHIFT;
	ev->vector = info & INTR_VECTOR_MASK;
	ev->has_error = !!(info & INTR_ERROR_VALID);
	if (ev->has_error)
		ev->error = error;
	if (ev->type >= EVENT_SOFT_INTR)
		ev->insn_len = insn_len;
}
EXPORT_FOR_TEST(vmx_event_decode);

/*
 * Whether an error code is pushed follows from vector and mode, whatever user space says: the
 * entry insists on it.
 */
static bool vmx_event_has_error(struct vcpu *vcpu, const struct event *ev)
{
	return ev->type == EVENT_EXCEPTION && ev->vector < 32 &&
	       (ERROR_CODE_VECTORS & BIT(ev->vector)) &&
	       (state_get(vcpu, STATE_CRS)->cr0 & X86_CR0_PE);
}

/**
 * vmx_inject() - deliver an event with the next entry
 * @vcpu: the vCPU; state.rip is final
 * @ev: the event
 *
 * Context: loaded, interrupts off
 */
void vmx_inject(struct vcpu *vcpu, const struct event *ev)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	struct event out = *ev;

	if (out.type >= EVENT_SOFT_INTR)
		vmcs_write(ENTRY_INSN_LEN, out.insn_len);
	out.has_error = vmx_event_has_error(vcpu, ev);
	if (out.has_error)
		vmcs_write(ENTRY_INTR_ERROR, ev->has_error ? ev->error & ERROR_MASK : 0);
	/* It ends a HLT that did not exit; not every event may be injected into one (27.3.1.5). */
	if (!vcpu->policy.hlt)
		vmcs_write(GUEST_ACTIVITY, 0);
	vmx->fixups |= FIXUP_EVENT;
	vmcs_write(ENTRY_INTR_INFO, vmx_event_encode(&out));
}

/**
 * vmx_inject_cancel() - take back what vmx_inject() was given
 * @vcpu: the vCPU
 *
 * Context: loaded, interrupts off. The core keeps the event.
 */
void vmx_inject_cancel(struct vcpu *vcpu)
{
	to_vmx(vcpu)->fixups &= ~FIXUP_EVENT;
	vmcs_write(ENTRY_INTR_INFO, 0);
}

/* ---- fixups around an entry; rare ---- */

static void vmx_entry_fixup_tf(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	vmx->hidden_tf = (vmx->fixups & FIXUP_SINGLE_STEP) &&
			 !(vcpu->state.rflags & X86_EFLAGS_TF);
	if (!vmx->hidden_tf)
		return;
	vmx->hw.rflags |= X86_EFLAGS_TF;
	vmcs_write(GUEST_RFLAGS, vmx->hw.rflags);
	vmcs_write(GUEST_ACTIVITY, 0);
}

/*
 * With TF set, an interrupt shadow wants the single-step trap to be pending, without it not
 * (27.3.1.5). An event ends the shadow, and so does a debugger's step, whose trap would come before
 * the instruction otherwise.
 */
static void vmx_entry_fixup_shadow(struct vmx_vcpu *vmx)
{
	u64 pending, want = 0;

	if (!(vmx->hw.interruptibility & SHADOW_ANY))
		return;
	if (vmx->hidden_tf || (vmx->fixups & FIXUP_EVENT)) {
		vmx->hw.interruptibility &= ~SHADOW_ANY;
		vmcs_write(GUEST_INTERRUPTIBILITY, vmx->hw.interruptibility);
		return;
	}
	if ((vmx->hw.rflags & X86_EFLAGS_TF) && !(vmcs_read(GUEST_DEBUGCTL) & DEBUGCTLMSR_BTF))
		want = PENDING_DEBUG_BS;
	pending = vmcs_read(GUEST_PENDING_DEBUG);
	if ((pending & PENDING_DEBUG_BS) != want)
		vmcs_write(GUEST_PENDING_DEBUG, pending ^ PENDING_DEBUG_BS);
}

/**
 * vmx_entry_fixup() - what is rarely to be done before an entry
 * @vcpu: the vCPU; the VMCS has RIP, RFLAGS and interruptibility of vcpu->state
 */
void vmx_entry_fixup(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	vmx_entry_fixup_tf(vcpu);
	vmx_entry_fixup_shadow(vmx);
	if (vmx->fixups & FIXUP_FLUSH)
		vmx_flush(vmx);
	if (vmx->fixups & FIXUP_TPR)
		vmcs_write(TPR_THRESHOLD, vcpu->state.cr8);
}

/**
 * vmx_exit_fixup() - the reverse, after an exit
 * @vcpu: the vCPU; state.rip and state.rflags are read
 */
void vmx_exit_fixup(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	vmx->fixups &= ~FIXUP_EVENT;
	if (vmx->hidden_tf)
		vcpu->state.rflags &= ~(u64)X86_EFLAGS_TF;
	vmx->hidden_tf = false;
}

/* ---- windows ---- */

/**
 * vmx_set_windows() - choose which windows end the next run
 * @vcpu: the vCPU
 * @windows: WINDOW_*; stays in force until changed
 *
 * WINDOW_TPR compares the guest's TPR with a threshold, which the entry sets to its present value.
 *
 * Context: loaded, interrupts off
 */
void vmx_set_windows(struct vcpu *vcpu, u32 windows)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	vmx->windows = windows;
	vmx_control_change(vmx, VMX_PROC, PROC_INTR_WINDOW | PROC_NMI_WINDOW,
			   (windows & WINDOW_IRQ ? PROC_INTR_WINDOW : 0) |
			   (windows & WINDOW_NMI ? PROC_NMI_WINDOW : 0));
	if (windows & WINDOW_TPR) {
		vmx->fixups |= FIXUP_TPR;
	} else if (vmx->fixups & FIXUP_TPR) {
		vmx->fixups &= ~FIXUP_TPR;
		vmcs_write(TPR_THRESHOLD, 0);
	}
}

/* ---- intercepts ---- */

#define POLICY_PROC	(PROC_HLT | PROC_MWAIT | PROC_MONITOR | PROC_CR3_LOAD | PROC_MOV_DR | \
			 PROC_PAUSE)

static u32 vmx_proc_intercepts(const struct vcpu_policy *policy)
{
	u32 proc = 0;

	if (policy->hlt)
		proc |= PROC_HLT;
	if (policy->mwait)
		proc |= PROC_MWAIT | PROC_MONITOR;
	if (policy->cr3)
		proc |= PROC_CR3_LOAD;
	if (policy->dr_access)
		proc |= PROC_MOV_DR;
	if (policy->pause && !vmx_has.pause_loop)
		proc |= PROC_PAUSE;
	return proc;
}

/* Short PAUSE loops pass where the processor can tell them from long ones. */
static void vmx_update_pause_loop(struct vmx_vcpu *vmx, bool on)
{
	if (!vmx_has.pause_loop)
		return;
	vmcs_write(PLE_GAP, HW_PAUSE_GAP);
	vmcs_write(PLE_WINDOW, HW_PAUSE_CYCLES);
	vmx_control_change(vmx, VMX_PROC2, PROC2_PAUSE_LOOP, on ? PROC2_PAUSE_LOOP : 0);
}

/* ---- page-modification logging (29.3.6) ---- */

#define PML_LAST	(PAGE_SIZE / sizeof(u64) - 1)

static void vmx_update_pml(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	u32 on = vmx->pml && memory_logging(&vcpu->vm->mem) ? PROC2_PML : 0;

	if ((vmx->ctl[VMX_PROC2] & PROC2_PML) == on)
		return;
	vmcs_write(PML_ADDRESS, __pa(vmx->pml));
	vmcs_write(GUEST_PML_INDEX, PML_LAST);
	vmx_control_change(vmx, VMX_PROC2, PROC2_PML, on);
}

/**
 * vmx_drain_pml() - hand over what the processor has logged since the entry
 * @vcpu: the vCPU; the index counts down, and is -1 when the log is full
 *
 * Context: loaded, after an exit
 */
void vmx_drain_pml(struct vcpu *vcpu)
{
	unsigned int first = (u16)(vmcs_read(GUEST_PML_INDEX) + 1);

	if (first > PML_LAST)
		return;
	memory_pml(vcpu, to_vmx(vcpu)->pml + first, PML_LAST + 1 - first);
	vmcs_write(GUEST_PML_INDEX, PML_LAST);
}

/**
 * vmx_update_intercepts() - compute the intercepts from policy
 * @vcpu: the vCPU
 *
 * Context: loaded
 */
void vmx_update_intercepts(struct vcpu *vcpu)
{
	const struct vcpu_policy *policy = &vcpu->policy;
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	vmx_control_change(vmx, VMX_PROC, POLICY_PROC, vmx_proc_intercepts(policy));
	vmx_update_pause_loop(vmx, policy->pause);
	vmx_control_change(vmx, VMX_PROC2, PROC2_XSAVES, policy->xsaves ? PROC2_XSAVES : 0);
	vmx_update_pml(vcpu);
	vmx_update_apic(vcpu);
	if (vmx->exceptions != policy->exceptions) {
		vmx->exceptions = policy->exceptions;
		vmcs_write(EXCEPTION_BITMAP, policy->exceptions);
	}
	vmx->fixups &= ~FIXUP_SINGLE_STEP;
	if (policy->single_step)
		vmx->fixups |= FIXUP_SINGLE_STEP;
}
