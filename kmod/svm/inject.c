// SPDX-License-Identifier: GPL-2.0
/*
 * Events into the guest, the windows in which they can be taken, and the intercepts.
 *
 * Soft events (INT n; #BP and #OF by INT3 and INTO) return behind their instruction, while RIP
 * stands on it until they are delivered. With NRIPS the address behind it goes into next_rip (APM
 * vol. 2, 15.20); without, RIP itself is moved there for the entry and moved back when an exit
 * interrupts the delivery.
 *
 * NMIs. The processor does not say when an NMI handler ends, so after an injected NMI its IRET is
 * intercepted, and then stepped over with TF set: NMIs open when it has executed, not before. An
 * IRET that faults runs its handler without TF, and the first IRET to complete ends the step. An
 * NMI that waits without being masked waits for an interrupt shadow, which a step ends too, or for
 * an event that goes in first: then an interrupt to this processor ends the run when that is
 * delivered.
 */
#include <linux/smp.h>
#include <asm/processor.h>
#include <asm/debugreg.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>

#include "../cpu/hw.h"
#include "svm.h"

/* ---- events ---- */

/**
 * svm_event_encode() - the EVENTINJ field of an event
 * @ev: the event, type not EVENT_NONE
 *
 * VMX's types for INT1, INT3 and INTO are exceptions here.
 */
u64 svm_event_encode(const struct event *ev)
{
	u64 type = ev->type;
	u64 info;

	if (type == EVENT_PRIV_SOFT_EXC || type == EVENT_SOFT_EXC)
		type = EVENT_EXCEPTION;
	info = EVENT_VALID | type << EVENT_TYPE_SHIFT | ev->vector;
	if (ev->has_error)
		info |= EVENT_ERROR_VALID | (u64)ev->error << EVENT_ERROR_SHIFT;
	return info;
}
EXPORT_FOR_TEST(svm_event_encode);

/**
 * svm_event_decode() - the event of an EXITINTINFO field
 * @info: the field
 * @ev: filled in; type EVENT_NONE when the field is not valid
 */
void svm_event_decode(u64 info, struct event *ev)
{
	*ev = (struct event){ .type = EVENT_NONE };
	if (!(info & EVENT_VALID))
		return;
	ev->type = (info & EVENT_TYPE_MASK) >> EVENT_TYPE_SHIFT;
	ev->vector = info & EVENT_VECTOR_MASK;
	ev->has_error = !!(info & EVENT_ERROR_VALID);
	if (ev->has_error)
		ev->error = info >> EVENT_ERROR_SHIFT;
}
EXPORT_FOR_TEST(svm_event_decode);

static bool svm_event_is_soft(const struct event *ev)
{
	return ev->type == EVENT_SOFT_INTR || ev->type == EVENT_SOFT_EXC ||
	       (ev->type == EVENT_EXCEPTION &&
		(ev->vector == X86_TRAP_BP || ev->vector == X86_TRAP_OF));
}

/**
 * svm_inject() - deliver an event with the next entry
 * @vcpu: the vCPU; state.rip is final
 * @ev: the event
 *
 * Context: loaded, interrupts off
 */
void svm_inject(struct vcpu *vcpu, const struct event *ev)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct vmcb_control *c = &svm->vmcb->control;

	if (svm_event_is_soft(ev)) {
		svm->soft_len = ev->insn_len;
		svm->fixups |= FIXUP_SOFT_EVENT;
	}
	if (ev->type == EVENT_NMI) {
		svm->nmi_open = true;
		svm->fixups &= ~FIXUP_NMI_WAIT;
		svm_update_intercepts(vcpu);
	} else if ((svm->windows & WINDOW_NMI) && !vcpu->events.nmi_masked) {
		svm->fixups |= FIXUP_NMI_WAIT;
	}
	c->event_inj = svm_event_encode(ev);
}

/**
 * svm_inject_cancel() - take back what svm_inject() was given
 * @vcpu: the vCPU
 *
 * Context: loaded, interrupts off. The core keeps the event.
 */
void svm_inject_cancel(struct vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	svm->vmcb->control.event_inj = 0;
	svm->fixups &= ~FIXUP_SOFT_EVENT;
}

/* ---- fixups around an entry; rare ---- */

static u64 svm_wrap_rip(const struct vmcb_save *v, u64 rip)
{
	return (v->efer & EFER_LMA) && (v->cs.attr & SEG_L) ? rip : (u32)rip;
}

/* RIP is on the instruction that FIXUP_NMI_STEP steps over. */
static bool svm_on_step(const struct svm_vcpu *svm, u64 rip)
{
	return (svm->fixups & FIXUP_NMI_STEP) && rip == svm->step_rip;
}

static void svm_begin_step(struct vcpu *vcpu, bool iret)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	svm->fixups |= FIXUP_NMI_STEP;
	svm->step_iret = iret;
	svm->step_rip = vcpu->state.rip;
	svm->step_dr6 = svm->vmcb->save.dr6 & DR_STEP;
}

/*
 * RIP has left the instruction without the #DB of the step: it exited and was interpreted, or it
 * faulted. The next IRET, that of the fault's handler, ends the NMI's handler as well; TF is in
 * the frame that it returns by.
 */
static void svm_abandon_step(struct vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	svm->fixups &= ~FIXUP_NMI_STEP;
	svm->stray_tf_rip = svm->step_rip;
	svm_update_intercepts(vcpu);
}

static void svm_entry_fixup_nmi(struct vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if ((svm->fixups & FIXUP_NMI_STEP) && vcpu->state.rip != svm->step_rip)
		svm_abandon_step(vcpu);
	if (!(svm->fixups & FIXUP_NMI_WAIT))
		return;
	if (svm->vmcb->control.event_inj & EVENT_VALID)
		compat_send_reschedule(smp_processor_id());
	else if (!(svm->fixups & FIXUP_NMI_STEP))
		svm_begin_step(vcpu, false);
}

static void svm_entry_fixup_tf(struct vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	bool guest_tf = vcpu->state.rflags & X86_EFLAGS_TF;
	bool step = svm_on_step(svm, vcpu->state.rip);

	svm->hidden_tf = (step || (svm->fixups & FIXUP_SINGLE_STEP)) && !guest_tf;
	svm->step_guest_tf = step && guest_tf;
	if (svm->hidden_tf)
		svm->vmcb->save.rflags |= X86_EFLAGS_TF;
}

/**
 * svm_entry_fixup() - TF and soft events, before an entry
 * @vcpu: the vCPU; the VMCB has RIP and RFLAGS of vcpu->state
 */
void svm_entry_fixup(struct vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct vmcb *vmcb = svm->vmcb;

	if (svm->fixups & FIXUP_SOFT_EVENT) {
		u64 next = svm_wrap_rip(&vmcb->save, vcpu->state.rip + svm->soft_len);

		if (svm_has.nrips)
			vmcb->control.next_rip = next;
		else
			vmcb->save.rip = next;
	}
	svm_entry_fixup_nmi(vcpu);
	svm_entry_fixup_tf(vcpu);
}

/* Was the delivery interrupted? Then RIP returns to the instruction. */
static void svm_exit_fixup_soft(struct vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct vmcb *vmcb = svm->vmcb;
	struct event ev;

	svm->fixups &= ~FIXUP_SOFT_EVENT;
	svm_event_decode(vmcb->control.exit_int_info, &ev);
	if (ev.type == EVENT_NONE || !svm_event_is_soft(&ev) || svm_has.nrips)
		return;
	vcpu->state.rip = svm_wrap_rip(&vmcb->save, vmcb->save.rip - svm->soft_len);
}

/**
 * svm_exit_fixup() - the reverse, after an exit
 * @vcpu: the vCPU; state.rip and state.rflags are read
 */
void svm_exit_fixup(struct vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	bool iret_done;

	if (svm->fixups & FIXUP_SOFT_EVENT)
		svm_exit_fixup_soft(vcpu);
	/* An IRET that was stepped over has loaded the guest's own TF. */
	iret_done = (svm->fixups & FIXUP_NMI_STEP) && svm->step_iret &&
		    vcpu->state.rip != svm->step_rip;
	if (svm->hidden_tf && !iret_done)
		vcpu->state.rflags &= ~(u64)X86_EFLAGS_TF;
	svm->hidden_tf = false;
}

/* ---- windows ---- */

/**
 * svm_set_windows() - choose which windows end the next run
 * @vcpu: the vCPU
 * @windows: WINDOW_*; stays in force until changed
 *
 * WINDOW_IRQ is a virtual interrupt, of whatever priority, whose delivery is intercepted (APM
 * vol. 2, 15.21.4). WINDOW_TPR intercepts writes of CR8: VMEXIT_CR_ACCESS before the write.
 *
 * Context: loaded, interrupts off
 */
void svm_set_windows(struct vcpu *vcpu, u32 windows)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (svm->windows == windows)
		return;
	svm->windows = windows;
	svm->int_ctl = V_INTR_MASKING;
	if (windows & WINDOW_IRQ)
		svm->int_ctl |= V_IRQ | V_INTR_PRIO_MASK | V_IGN_TPR;
	svm->fixups &= ~FIXUP_NMI_WAIT;
	if ((windows & WINDOW_NMI) && !vcpu->events.nmi_masked)
		svm->fixups |= FIXUP_NMI_WAIT;
	svm_update_intercepts(vcpu);
}

/*
 * NMIs are open from here on. When the guest or its debugger steps too, or a breakpoint hit, the
 * #DB is theirs and the core learns of the end of the handler from events.nmi_masked.
 */
static bool svm_step_done(struct vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct vmcb_save *v = &svm->vmcb->save;

	svm->fixups &= ~(FIXUP_NMI_STEP | FIXUP_NMI_WAIT);
	svm->nmi_open = false;
	if (vcpu->state.rip == svm->stray_tf_rip)
		vcpu->state.rflags &= ~(u64)X86_EFLAGS_TF;
	svm->stray_tf_rip = 0;
	svm_update_intercepts(vcpu);
	if ((svm->fixups & FIXUP_SINGLE_STEP) || svm->step_guest_tf || (v->dr6 & DR_TRAP_BITS)) {
		vcpu->events.nmi_masked = false;
		vcpu_request(vcpu, REQ_EVENT);
		return false;
	}
	v->dr6 = (v->dr6 & ~(u64)DR_STEP) | svm->step_dr6;
	svm_mark_written(svm, CLEAN_DR);
	return true;
}

/*
 * Is this #DB that of the step? A breakpoint in the handler of a fault of the IRET sets its own
 * bit of DR6; Bochs leaves DR6 to the handler, so no bit at all is the step's as well.
 */
static bool svm_step_over(const struct vcpu *vcpu)
{
	const struct svm_vcpu *svm = to_svm((struct vcpu *)vcpu);
	u64 dr6 = svm->vmcb->save.dr6;

	return (svm->fixups & FIXUP_NMI_STEP) && vcpu->state.rip != svm->step_rip &&
	       ((dr6 & DR_STEP) || !(dr6 & DR_TRAP_BITS));
}

/**
 * svm_nmi_exit() - what an exit means for NMIs
 * @vcpu: the vCPU, right after the exit
 *
 * Return: true: the exit is VMEXIT_NMI_WINDOW and nothing else
 */
bool svm_nmi_exit(struct vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	const struct vmcb *vmcb = svm->vmcb;
	u32 code = vmcb->control.exit_code;

	if (code == SVM_EXIT_IRET) {
		svm_begin_step(vcpu, true);
		svm_update_intercepts(vcpu);
		return false;
	}
	if (code == SVM_EXIT_EXCP_BASE + X86_TRAP_DB)
		return svm_step_over(vcpu) && svm_step_done(vcpu);
	if (code != SVM_EXIT_INTR || !(svm->fixups & FIXUP_NMI_WAIT) ||
	    (svm->fixups & FIXUP_NMI_STEP) || (vmcb->control.exit_int_info & EVENT_VALID))
		return false;
	svm->fixups &= ~FIXUP_NMI_WAIT;
	return true;
}

/* ---- intercepts ---- */

#define ALWAYS_MISC1	(ICPT1_INTR | ICPT1_NMI | ICPT1_SMI | ICPT1_INIT | ICPT1_CR0_SEL_WRITE | \
			 ICPT1_RDPMC | ICPT1_CPUID | ICPT1_RSM | ICPT1_INVD | ICPT1_INVLPGA | \
			 ICPT1_IOIO_PROT | ICPT1_MSR_PROT | ICPT1_TASK_SWITCH | ICPT1_SHUTDOWN)
#define ALWAYS_MISC2	(ICPT2_VMRUN | ICPT2_VMMCALL | ICPT2_VMLOAD | ICPT2_VMSAVE | ICPT2_STGI | \
			 ICPT2_CLGI | ICPT2_SKINIT | ICPT2_WBINVD | ICPT2_XSETBV | ICPT2_RDPRU)

static u32 svm_cr_intercepts(const struct vcpu *vcpu)
{
	const struct svm_vcpu *svm = to_svm((struct vcpu *)vcpu);
	u32 cr = ICPT_CR_WRITE(4);

	/* Against the VMCB's CR0 a selective intercept would miss writes of the kept bits. */
	if (svm->kept_cr0)
		cr |= ICPT_CR_READ(0) | ICPT_CR_WRITE(0);
	if ((svm->vmcb->save.cr4 ^ svm->kept_cr4) & HW_CR4_HOST)
		cr |= ICPT_CR_READ(4);
	if (vcpu->policy.cr3)
		cr |= ICPT_CR_WRITE(3);
	/* While V_IRQ is set QEMU's TCG aborts at writes that do not exit. */
	if (svm->windows & (WINDOW_TPR | WINDOW_IRQ))
		cr |= ICPT_CR_WRITE(8);
	return cr;
}

static u32 svm_misc1_intercepts(const struct vcpu *vcpu)
{
	const struct svm_vcpu *svm = to_svm((struct vcpu *)vcpu);
	u32 misc = ALWAYS_MISC1;

	if (vcpu->policy.hlt)
		misc |= ICPT1_HLT;
	if (vcpu->policy.pause)
		misc |= ICPT1_PAUSE;
	if (svm->windows & WINDOW_IRQ)
		misc |= ICPT1_VINTR;
	if (((svm->windows & WINDOW_NMI) || svm->nmi_open) && !(svm->fixups & FIXUP_NMI_STEP))
		misc |= ICPT1_IRET;
	return misc;
}

/**
 * svm_update_intercepts() - compute the intercepts from policy, windows and NMI state
 * @vcpu: the vCPU
 *
 * Context: loaded
 */
void svm_update_intercepts(struct vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	const struct vcpu_policy *policy = &vcpu->policy;
	u32 *icpt = svm->vmcb->control.intercept;

	icpt[ICPT_CR] = svm_cr_intercepts(vcpu);
	icpt[ICPT_DR] = policy->dr_access ? ~0U : 0;
	icpt[ICPT_EXCEPTION] = policy->exceptions;
	icpt[ICPT_MISC1] = svm_misc1_intercepts(vcpu);
	icpt[ICPT_MISC2] = ALWAYS_MISC2 | (policy->mwait ? ICPT2_MONITOR | ICPT2_MWAIT : 0);
	svm->vmcb->control.pause_count = svm_has.pause_filter ? HW_PAUSE_COUNT : 0;
	svm->vmcb->control.pause_threshold = svm_has.pause_threshold ? HW_PAUSE_GAP : 0;
	svm->fixups &= ~FIXUP_SINGLE_STEP;
	if (policy->single_step)
		svm->fixups |= FIXUP_SINGLE_STEP;
	svm_mark_written(svm, CLEAN_INTERCEPTS);
}
