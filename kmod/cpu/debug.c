// SPDX-License-Identifier: GPL-2.0
/*
 * Debug registers, KVM_SET_GUEST_DEBUG, #DB and #BP.
 *
 * MOV DR always exits, so DR0-DR3 live in software (state.db) and are loaded only while a
 * breakpoint is armed. state.dr6 and state.dr7 are what the hardware runs with; while user space
 * debugs the guest, the guest's own values are kept in debug.guest_dr6 and guest_dr7.
 *
 * #DB and #AC are always intercepted: their delivery can raise them again without end, and the
 * processor looks at no interrupt meanwhile (APM vol. 2, 15.12.2 and 15.12.18). #MC is the host's.
 */
#include <linux/percpu.h>
#include <asm/processor.h>
#include <asm/debugreg.h>
#include <asm/processor-flags.h>

#include "../interp/interp.h"
#include "internal.h"

#define ALWAYS_INTERCEPTED (BIT(DB_VECTOR) | BIT(AC_VECTOR) | BIT(UD_VECTOR) | BIT(MC_VECTOR))
/* Bits of user space's DR7 that are obeyed: GD would catch the guest's own accesses. */
#define DR7_USER	0xffff03ffull

static bool debug_active(const struct vcpu *vcpu)
{
	return vcpu->debug.guest_debug & KVM_GUESTDBG_ENABLE;
}

static bool debug_hw_bp(const struct vcpu *vcpu)
{
	return vcpu->debug.guest_debug & KVM_GUESTDBG_USE_HW_BP;
}

static u64 guest_dr6(struct vcpu *vcpu)
{
	return debug_active(vcpu) ? vcpu->debug.guest_dr6 : state_get(vcpu, STATE_DRS)->dr6;
}

static u64 guest_dr7(struct vcpu *vcpu)
{
	return debug_hw_bp(vcpu) ? vcpu->debug.guest_dr7 : state_get(vcpu, STATE_DRS)->dr7;
}

/* After a change of DR7 or of who owns the breakpoints. */
static void debug_rearm(struct vcpu *vcpu)
{
	struct vcpu_debug *dbg = &vcpu->debug;

	dbg->dr7 = vcpu->state.dr7;
	if (!debug_hw_bp(vcpu))
		memcpy(dbg->db, vcpu->state.db, sizeof(dbg->db));
	dbg->switch_db = dbg->dr7 & DR7_ENABLED;
}

static void set_guest_dr6(struct vcpu *vcpu, u64 val)
{
	struct vcpu_state *st = state_get(vcpu, STATE_DRS);

	val = (val & DR6_SETTABLE) | DR6_ONES;
	vcpu->debug.guest_dr6 = val;
	st->dr6 = val;
	state_dirty(vcpu, STATE_DRS);
}

static void set_guest_dr7(struct vcpu *vcpu, u64 val)
{
	struct vcpu_state *st = state_get(vcpu, STATE_DRS);

	val = (val & DR7_SETTABLE) | DR7_ONES;
	vcpu->debug.guest_dr7 = val;
	if (debug_hw_bp(vcpu))
		return;
	st->dr7 = val;
	state_dirty(vcpu, STATE_DRS);
	debug_rearm(vcpu);
}

static void debug_update_policy(struct vcpu *vcpu)
{
	u32 control = vcpu->debug.guest_debug;
	u32 exceptions = ALWAYS_INTERCEPTED;

	if (control & KVM_GUESTDBG_USE_SW_BP)
		exceptions |= BIT(BP_VECTOR);
	vcpu->policy.exceptions = exceptions;
	vcpu->policy.dr_access = true;
	vcpu->policy.single_step = control & KVM_GUESTDBG_SINGLESTEP;
	vcpu_request(vcpu, REQ_INTERCEPTS);
}

/* RESET and INIT; what user space debugs stays as it is. */
void debug_reset(struct vcpu *vcpu)
{
	memset(vcpu->state.db, 0, sizeof(vcpu->state.db));
	set_guest_dr6(vcpu, DR6_ONES);
	set_guest_dr7(vcpu, DR7_ONES);
	debug_update_policy(vcpu);
}

/* ---- right around the entry ---- */

/**
 * debug_load() - load DR0-DR3
 * @vcpu: the vCPU, with debug.switch_db: a breakpoint is armed
 *
 * Context: interrupts off, right before the entry, which loads DR6 and DR7.
 */
void debug_load(struct vcpu *vcpu)
{
	const u64 *db = vcpu->debug.db;

	/* The host's breakpoints must not fire at the guest's addresses. */
	set_debugreg(0, 7);
	set_debugreg(db[0], 0);
	set_debugreg(db[1], 1);
	set_debugreg(db[2], 2);
	set_debugreg(db[3], 3);
}

/* ---- MOV DR ---- */

/* DR4 and DR5 are DR6 and DR7 where CR4.DE is clear (APM vol. 2, 13.1.1.2); -1: #UD. */
static int dr_alias(struct vcpu *vcpu, int nr)
{
	if (nr != 4 && nr != 5)
		return nr;
	if (state_get(vcpu, STATE_CRS)->cr4 & X86_CR4_DE)
		return -1;
	return nr + 2;
}

/**
 * dr_read() - MOV from a debug register
 * @vcpu: the vCPU, loaded
 * @nr: 0-7
 * @val: the value
 *
 * Return: 0; 1: #UD
 */
int dr_read(struct vcpu *vcpu, int nr, u64 *val)
{
	nr = dr_alias(vcpu, nr);
	if (nr < 0 || nr > 7)
		return 1;
	if (nr < 4)
		*val = vcpu->state.db[nr];
	else
		*val = nr == 6 ? guest_dr6(vcpu) : guest_dr7(vcpu);
	return 0;
}
EXPORT_FOR_TEST(dr_read);

/**
 * dr_write() - MOV to a debug register
 * @vcpu: the vCPU, loaded
 * @nr: 0-7
 * @val: the value
 *
 * Return: 0; 1: #UD; 2: #GP(0): an upper half of DR6 or DR7 that is not zero
 */
int dr_write(struct vcpu *vcpu, int nr, u64 val)
{
	nr = dr_alias(vcpu, nr);
	if (nr < 0 || nr > 7)
		return 1;
	if (nr < 4) {
		vcpu->state.db[nr] = val;
		debug_rearm(vcpu);
		return 0;
	}
	if (val >> 32)
		return 2;
	if (nr == 6)
		set_guest_dr6(vcpu, val);
	else
		set_guest_dr7(vcpu, val);
	return 0;
}
EXPORT_FOR_TEST(dr_write);

static int dr_move(struct vcpu *vcpu, int nr, u8 gpr, bool write)
{
	u64 *reg = &vcpu->state.gpr[gpr], mask = reg_access_mask(vcpu), val;
	int err;

	if (write)
		return dr_write(vcpu, nr, *reg & mask);
	err = dr_read(vcpu, nr, &val);
	if (!err)
		*reg = val & mask;
	return err;
}

/**
 * dr_access() - the exit of MOV to or from a debug register
 * @vcpu: the vCPU, vcpu->exit.reg is filled
 *
 * Return: RESUME_*
 */
int dr_access(struct vcpu *vcpu)
{
	u8 nr = vcpu->exit.reg.nr;

	if (vcpu->exit.reg.gpr == 0xff) {
		int len = interp_decode_reg(vcpu);

		if (!len)
			return RESUME_GUEST;
		if (len < 0 || vcpu->exit.reg.gpr == 0xff)
			return dispatch_internal_error(vcpu, KVM_INTERNAL_ERROR_EMULATION);
	}
	if (vcpu->state.cpl) {
		events_raise_error(vcpu, GP_VECTOR, 0);
		return RESUME_GUEST;
	}
	/* General detect: the access itself is the debug event (APM vol. 2, 13.1.3.5). */
	if (guest_dr7(vcpu) & DR7_GD_BIT) {
		events_raise_payload(vcpu, DB_VECTOR, false, 0, DR6_GD);
		return RESUME_GUEST;
	}
	switch (dr_move(vcpu, nr, vcpu->exit.reg.gpr & 0xf, vcpu->exit.reg.write)) {
	case 0:
		return dispatch_skip(vcpu);
	case 1:
		events_raise(vcpu, UD_VECTOR);
		return RESUME_GUEST;
	default:
		events_raise_error(vcpu, GP_VECTOR, 0);
		return RESUME_GUEST;
	}
}

/* ---- #DB and #BP ---- */

/* A #DB ends the trapping of branches (SDM vol. 3B, 18.4.3). */
static void debug_clear_btf(struct vcpu *vcpu)
{
	u64 *debugctl = &vcpu->msrs.debugctl;

	if (!(*debugctl & DEBUGCTLMSR_BTF))
		return;
	*debugctl &= ~(u64)DEBUGCTLMSR_BTF;
	backend_set_msr(vcpu, MSR_IA32_DEBUGCTLMSR, *debugctl);
}

/* Delivery of #DB sets bits of DR6, which only software clears, and lifts general detect. */
void debug_deliver_payload(struct vcpu *vcpu, u64 payload)
{
	u64 dr6 = guest_dr6(vcpu);

	dr6 &= ~DR6_BREAKPOINTS;
	set_guest_dr6(vcpu, dr6 | (payload & DR6_SETTABLE));
	if (guest_dr7(vcpu) & DR7_GD_BIT)
		set_guest_dr7(vcpu, guest_dr7(vcpu) & ~DR7_GD_BIT);
	debug_clear_btf(vcpu);
}

int debug_to_user(struct vcpu *vcpu, u32 vector, u64 dr6)
{
	struct vcpu_state *st = state_get(vcpu, STATE_SEGS | STATE_CRS | STATE_DRS);
	struct kvm_debug_exit_arch *arch = &vcpu->run->debug.arch;

	arch->exception = vector;
	arch->pad = 0;
	arch->pc = state_linear_rip(st);
	arch->dr6 = dr6 | DR6_ONES;
	arch->dr7 = st->dr7;
	vcpu->run->exit_reason = KVM_EXIT_DEBUG;
	return RESUME_USER;
}

/* Does this #DB belong to user space, and which of its bits? */
static bool debug_for_user(const struct vcpu *vcpu, u64 payload)
{
	if (!debug_active(vcpu))
		return false;
	if ((vcpu->debug.guest_debug & KVM_GUESTDBG_SINGLESTEP) && (payload & DR6_STEP))
		return true;
	return debug_hw_bp(vcpu) && (payload & DR6_BREAKPOINTS);
}

/**
 * debug_exception() - the exit of an intercepted #DB or #BP
 * @vcpu: the vCPU, vcpu->exit.exception is filled
 *
 * Return: RESUME_USER: KVM_EXIT_DEBUG; RESUME_GUEST: it was the guest's own
 */
int debug_exception(struct vcpu *vcpu)
{
	u64 payload = vcpu->exit.exception.payload & DR6_SETTABLE;

	if (vcpu->exit.exception.vector == BP_VECTOR) {
		if (vcpu->debug.guest_debug & KVM_GUESTDBG_USE_SW_BP)
			return debug_to_user(vcpu, BP_VECTOR, 0);
		events_raise(vcpu, BP_VECTOR);
		return RESUME_GUEST;
	}
	/* The hardware may have written user space's event into DR6. */
	if (debug_active(vcpu))
		set_guest_dr6(vcpu, vcpu->debug.guest_dr6);
	if (debug_for_user(vcpu, payload))
		return debug_to_user(vcpu, DB_VECTOR, payload);
	events_raise_payload(vcpu, DB_VECTOR, false, 0, payload);
	return RESUME_GUEST;
}

/**
 * debug_after_insn() - the trap after an instruction that software executed or stepped over
 * @vcpu: the vCPU; RIP is behind the instruction
 * @rflags_before: RFLAGS when it began: TF traps afterwards (APM vol. 2, 13.1.4)
 *
 * With DEBUGCTL.BTF only branches trap: no instruction that exits is one, and those that are
 * interpreted are so few that they go unnoticed.
 *
 * Return: RESUME_USER: user space single-steps; RESUME_GUEST
 */
int debug_after_insn(struct vcpu *vcpu, u64 rflags_before)
{
	if (vcpu->debug.guest_debug & KVM_GUESTDBG_SINGLESTEP)
		return debug_to_user(vcpu, DB_VECTOR, DR6_STEP);
	if ((rflags_before & X86_EFLAGS_TF) && !(vcpu->msrs.debugctl & DEBUGCTLMSR_BTF))
		events_raise_payload(vcpu, DB_VECTOR, false, 0, DR6_STEP);
	return RESUME_GUEST;
}
EXPORT_FOR_TEST(debug_after_insn);

/* ---- ioctls ---- */

/**
 * debug_get() - KVM_GET_DEBUGREGS
 * @vcpu: the vCPU, loaded
 * @regs: filled
 *
 * Return: 0
 */
int debug_get(struct vcpu *vcpu, struct kvm_debugregs *regs)
{
	memset(regs, 0, sizeof(*regs));
	memcpy(regs->db, vcpu->state.db, sizeof(regs->db));
	regs->dr6 = guest_dr6(vcpu);
	regs->dr7 = guest_dr7(vcpu);
	return 0;
}

/**
 * debug_set() - KVM_SET_DEBUGREGS
 * @vcpu: the vCPU, loaded
 * @regs: new values
 *
 * Return: 0; -EINVAL: flags, or an upper half of DR6 or DR7 that is not zero
 */
int debug_set(struct vcpu *vcpu, const struct kvm_debugregs *regs)
{
	if (regs->flags || regs->dr6 >> 32 || regs->dr7 >> 32)
		return -EINVAL;
	memcpy(vcpu->state.db, regs->db, sizeof(regs->db));
	set_guest_dr6(vcpu, regs->dr6);
	set_guest_dr7(vcpu, regs->dr7);
	debug_rearm(vcpu);
	return 0;
}

/* Hand DR0-DR3 and DR7 over, from the guest to user space or back. */
static void debug_take_over(struct vcpu *vcpu, const struct kvm_guest_debug *dbg, u32 control)
{
	struct vcpu_debug *d = &vcpu->debug;
	struct vcpu_state *st = state_get(vcpu, STATE_DRS);

	/* First what the guest itself has, under the old owner. */
	d->guest_dr6 = guest_dr6(vcpu);
	d->guest_dr7 = guest_dr7(vcpu);
	d->guest_debug = control;
	st->dr6 = d->guest_dr6;
	st->dr7 = d->guest_dr7;
	if (debug_hw_bp(vcpu)) {
		memcpy(d->db, dbg->arch.debugreg, sizeof(d->db));
		st->dr7 = (dbg->arch.debugreg[7] & DR7_USER) | DR7_ONES;
	}
	state_dirty(vcpu, STATE_DRS);
	debug_rearm(vcpu);
}

/**
 * debug_guest_set() - KVM_SET_GUEST_DEBUG
 * @vcpu: the vCPU, loaded
 * @dbg: KVM_GUESTDBG_*; debugreg[0-3] and [7] count with USE_HW_BP
 *
 * Return: 0; -EBUSY: an exception is to be injected and one is pending; -EINVAL: unknown control
 * bits
 */
int debug_guest_set(struct vcpu *vcpu, const struct kvm_guest_debug *dbg)
{
	const u32 inject = KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP;
	u32 control = dbg->control;

	if (control & ~GUESTDBG_VALID)
		return -EINVAL;
	if ((control & inject) && vcpu->events.exception.pending)
		return -EBUSY;
	if (control & KVM_GUESTDBG_INJECT_DB)
		events_raise(vcpu, DB_VECTOR);
	else if (control & KVM_GUESTDBG_INJECT_BP)
		events_raise(vcpu, BP_VECTOR);
	if (!(control & KVM_GUESTDBG_ENABLE))
		control = 0;
	debug_take_over(vcpu, dbg, control & ~inject);
	debug_update_policy(vcpu);
	/* Interrupts may be held back from now on, or no more. */
	if (vcpu->apic)
		lapic_virtual_update(vcpu->apic);
	vcpu_request(vcpu, REQ_EVENT);
	return 0;
}
