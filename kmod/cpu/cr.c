// SPDX-License-Identifier: GPL-2.0
/* What a guest may write to CR0, CR3, CR4, CR8, EFER and XCR0, and what follows from it. */
#include <asm/processor-flags.h>

#include "../interp/interp.h"
#include "internal.h"

#define CR0_SETTABLE	(X86_CR0_PE | X86_CR0_MP | X86_CR0_EM | X86_CR0_TS | X86_CR0_ET | \
			 X86_CR0_NE | X86_CR0_WP | X86_CR0_AM | X86_CR0_NW | X86_CR0_CD | \
			 X86_CR0_PG)

/* Bits whose change makes cached linear translations stale (APM vol. 2, 5.5.3). */
#define CR0_FLUSHES	(X86_CR0_PG | X86_CR0_WP)
#define CR4_FLUSHES	(X86_CR4_PSE | X86_CR4_PAE | X86_CR4_PGE | X86_CR4_PCIDE | \
			 X86_CR4_SMEP | X86_CR4_SMAP | X86_CR4_LA57)
/* Bits whose change loads the PDPTEs in PAE mode (SDM vol. 3A, 4.4.1); CR0.PG beside. */
#define CR0_PDPTE_BITS	(X86_CR0_CD | X86_CR0_NW)
#define CR4_PDPTE_BITS	(X86_CR4_PSE | X86_CR4_PAE | X86_CR4_PGE | X86_CR4_SMEP)

#define CR3_NOFLUSH	BIT_ULL(63)	/* keep the translations of this PCID */

static bool cr0_valid(u64 val)
{
	if (val >> 32)
		return false;
	if ((val & X86_CR0_NW) && !(val & X86_CR0_CD))
		return false;
	return !(val & X86_CR0_PG) || (val & X86_CR0_PE);
}

/* In long mode all bits above MAXPHYADDR are reserved; else only 32 bits exist. */
static bool cr3_valid(struct vcpu *vcpu, u64 val, bool lma)
{
	u8 width = vcpu->cpuid.maxphyaddr;

	return !lma || !(val & GENMASK_ULL(63, min_t(u8, width, 52)));
}

/**
 * cr_valid_state() - can a processor be in this state
 * @vcpu: the vCPU, for the bits its CPUID gives it
 * @cr0: CR0
 * @cr3: CR3
 * @cr4: CR4
 * @efer: EFER
 *
 * APM vol. 2, 14.6 (activation of long mode) and 15.5.1 (consistency checks of VMRUN).
 *
 * Return: false: no sequence of instructions leads here
 */
bool cr_valid_state(struct vcpu *vcpu, u64 cr0, u64 cr3, u64 cr4, u64 efer)
{
	bool lma = (efer & EFER_LME) && (cr0 & X86_CR0_PG);

	if (!cr0_valid(cr0) || (cr4 & vcpu->cpuid.cr4_reserved) || (efer & ~EFER_SETTABLE))
		return false;
	if (lma != !!(efer & EFER_LMA))
		return false;
	if (lma && !(cr4 & X86_CR4_PAE))
		return false;
	return cr3_valid(vcpu, cr3, lma);
}

/* ---- CR0 ---- */

/*
 * Intel's processors, which are those that load PDPTEs, want no 16-bit TSS in long mode (SDM vol.
 * 3A, 10.8.5), AMD's do not care.
 */
static bool cr0_tss_refused(const struct vcpu_state *st)
{
	u16 type = st->seg[SEG_TR].attr & SEG_TYPE_MASK;

	return backend_caps.pdptes && (type == 1 || type == 3);
}

/* The switch from or to paging: what the mode allows (APM vol. 2, 14.6.1 and 14.6.2). */
static bool cr0_paging_allowed(struct vcpu *vcpu, u64 val)
{
	struct vcpu_state *st = &vcpu->state;
	bool code64 = (st->efer & EFER_LMA) && (st->seg[SEG_CS].attr & SEG_L);

	if (!(val & X86_CR0_PG))
		return !code64 && !(st->cr4 & X86_CR4_PCIDE);
	if (st->efer & EFER_LME)
		return (st->cr4 & X86_CR4_PAE) && !(st->seg[SEG_CS].attr & SEG_L) &&
		       !cr0_tss_refused(st);
	return !(st->cr4 & X86_CR4_PAE) || !interp_load_pdptes(vcpu, st->cr3);
}

static bool cr0_allowed(struct vcpu *vcpu, u64 val, u64 changed)
{
	struct vcpu_state *st = &vcpu->state;

	if (changed & X86_CR0_PG)
		return cr0_paging_allowed(vcpu, val);
	if (!backend_caps.pdptes || !(changed & CR0_PDPTE_BITS) || !(val & X86_CR0_PG) ||
	    !(st->cr4 & X86_CR4_PAE) || (st->efer & EFER_LMA))
		return true;
	vcpu_request(vcpu, REQ_TLB_FLUSH_GUEST);
	return !interp_load_pdptes(vcpu, st->cr3);
}

static int cr0_write(struct vcpu *vcpu, u64 val)
{
	struct vcpu_state *st = state_get(vcpu, STATE_CRS | STATE_SEGS);
	u64 changed;

	if (!cr0_valid(val))
		return 1;
	val = (val & CR0_SETTABLE) | X86_CR0_ET;
	changed = val ^ st->cr0;
	if (!cr0_allowed(vcpu, val, changed))
		return 1;
	st->cr0 = val;
	if ((val & X86_CR0_PG) && (st->efer & EFER_LME))
		st->efer |= EFER_LMA;
	else
		st->efer &= ~(u64)EFER_LMA;
	state_dirty(vcpu, STATE_CRS);
	if (changed & CR0_FLUSHES)
		vcpu_request(vcpu, REQ_TLB_FLUSH_GUEST);
	return 0;
}

/* ---- CR3 ---- */

static int cr3_write(struct vcpu *vcpu, u64 val)
{
	struct vcpu_state *st = state_get(vcpu, STATE_CRS);
	bool lma = st->efer & EFER_LMA;
	bool keep = false;

	if (lma && (st->cr4 & X86_CR4_PCIDE)) {
		keep = val & CR3_NOFLUSH;
		val &= ~CR3_NOFLUSH;
	}
	if (!cr3_valid(vcpu, val, lma))
		return 1;
	if (!lma && (st->cr0 & X86_CR0_PG) && (st->cr4 & X86_CR4_PAE) &&
	    interp_load_pdptes(vcpu, val))
		return 1;
	st->cr3 = val;
	state_dirty(vcpu, STATE_CRS);
	if (!keep)
		vcpu_request(vcpu, REQ_TLB_FLUSH_GUEST);
	return 0;
}

/* ---- CR4 ---- */

static bool cr4_allowed(struct vcpu *vcpu, u64 val, u64 changed)
{
	struct vcpu_state *st = &vcpu->state;

	if (val & vcpu->cpuid.cr4_reserved)
		return false;
	if (st->efer & EFER_LMA) {
		if (!(val & X86_CR4_PAE) || (changed & X86_CR4_LA57))
			return false;
	} else if ((val & X86_CR4_PAE) && (st->cr0 & X86_CR0_PG) && (changed & CR4_PDPTE_BITS) &&
		   interp_load_pdptes(vcpu, st->cr3)) {
		return false;
	}
	/* PCIDE: only in long mode, only while the current PCID is 0 (APM vol. 2, 5.5.1). */
	return !(changed & val & X86_CR4_PCIDE) ||
	       ((st->efer & EFER_LMA) && !(st->cr3 & CR3_PCID_MASK));
}

static int cr4_write(struct vcpu *vcpu, u64 val)
{
	struct vcpu_state *st = state_get(vcpu, STATE_CRS);
	u64 changed = val ^ st->cr4;

	if (!cr4_allowed(vcpu, val, changed))
		return 1;
	st->cr4 = val;
	state_dirty(vcpu, STATE_CRS);
	if (changed & CR4_FLUSHES)
		vcpu_request(vcpu, REQ_TLB_FLUSH_GUEST);
	if (changed & X86_CR4_OSXSAVE)
		cpuid_update(vcpu);
	return 0;
}

/* ---- CR8 ---- */

static int cr8_write(struct vcpu *vcpu, u64 val)
{
	if (val & ~0xfull)
		return 1;
	vcpu->state.cr8 = val;
	if (vcpu->apic)
		lapic_set_tpr(vcpu, val << 4);
	/* An interrupt may have waited for this. */
	vcpu_request(vcpu, REQ_EVENT);
	return 0;
}

/**
 * cr_write() - MOV to a control register, with all that follows from it
 * @vcpu: the vCPU, loaded
 * @nr: 0, 2, 3, 4 or 8
 * @val: the new value
 *
 * Context: may sleep (PAE page tables are looked at).
 * Return: 0: written; 1: the guest gets #GP(0) from the caller (APM vol. 2, 3.1)
 */
int cr_write(struct vcpu *vcpu, int nr, u64 val)
{
	switch (nr) {
	case 0:
		return cr0_write(vcpu, val);
	case 2:
		state_get(vcpu, STATE_CRS)->cr2 = val;
		state_dirty(vcpu, STATE_CRS);
		return 0;
	case 3:
		return cr3_write(vcpu, val);
	case 4:
		return cr4_write(vcpu, val);
	case 8:
		return cr8_write(vcpu, val);
	default:
		return 1;
	}
}
EXPORT_FOR_TEST(cr_write);

/**
 * cr_read() - MOV from a control register
 * @vcpu: the vCPU, loaded
 * @nr: 0, 2, 3, 4 or 8; any other reads as 0
 *
 * Return: the value the guest sees
 */
u64 cr_read(struct vcpu *vcpu, int nr)
{
	switch (nr) {
	case 0:
		return state_get(vcpu, STATE_CRS)->cr0;
	case 2:
		return state_get(vcpu, STATE_CRS)->cr2;
	case 3:
		return state_get(vcpu, STATE_CRS)->cr3;
	case 4:
		return state_get(vcpu, STATE_CRS)->cr4;
	case 8:
		return vcpu->apic ? lapic_tpr(vcpu) >> 4 : vcpu->state.cr8;
	default:
		return 0;
	}
}

/**
 * efer_write() - WRMSR EFER
 * @vcpu: the vCPU, loaded
 * @val: the new value; LMA follows from LME and CR0.PG and is not taken from it
 * @host: user space asks: the guest's CPUID does not limit it
 *
 * Return: 0: written; 1: a reserved bit, or LME changed while paging is on (APM vol. 2, 3.1.7)
 */
int efer_write(struct vcpu *vcpu, u64 val, bool host)
{
	struct vcpu_state *st = state_get(vcpu, STATE_CRS);
	u64 changed;

	if (val & (host ? ~EFER_SETTABLE : vcpu->cpuid.efer_reserved))
		return 1;
	val = (val & ~(u64)EFER_LMA) | (st->efer & EFER_LMA);
	changed = val ^ st->efer;
	if ((changed & EFER_LME) && (st->cr0 & X86_CR0_PG))
		return 1;
	st->efer = val;
	state_dirty(vcpu, STATE_CRS);
	if (changed & (EFER_NX | EFER_LME))
		vcpu_request(vcpu, REQ_TLB_FLUSH_GUEST);
	return 0;
}
EXPORT_FOR_TEST(efer_write);

/**
 * xcr_write() - XSETBV by the guest
 * @vcpu: the vCPU
 * @nr: ECX: only XCR0 exists
 * @val: EDX:EAX
 *
 * Return: 0; 1: #GP(0): not at CPL 0, or a combination that is not allowed (APM vol. 2, 11.5.2)
 */
int xcr_write(struct vcpu *vcpu, u32 nr, u64 val)
{
	if (vcpu->state.cpl || nr || !xcr0_valid(val, vcpu->cpuid.xcr0_supported))
		return 1;
	vcpu->state.xcr0 = val;
	cpuid_update(vcpu);
	return 0;
}

/* What MOV to or from CRn and DRn moves: 64-bit code all, other code the lower half. */
u64 reg_access_mask(struct vcpu *vcpu)
{
	struct vcpu_state *st = state_get(vcpu, STATE_CRS | STATE_SEGS);

	return (st->efer & EFER_LMA) && (st->seg[SEG_CS].attr & SEG_L) ? ~0ull : U32_MAX;
}

/* A lower TPR may let through what an APIC in user space holds: it wants to know. RESUME_*. */
static int tpr_written(struct vcpu *vcpu, u64 before, int ret)
{
	if (vcpu->apic || ret != RESUME_GUEST || vcpu->state.cr8 >= before)
		return ret;
	vcpu->run->exit_reason = KVM_EXIT_SET_TPR;
	return RESUME_USER;
}

/**
 * cr_access() - the exit of MOV to or from a control register, CLTS, LMSW, SMSW
 * @vcpu: the vCPU, vcpu->exit.reg is filled
 *
 * Return: RESUME_*
 */
int cr_access(struct vcpu *vcpu)
{
	u8 nr = vcpu->exit.reg.nr;
	u64 tpr = vcpu->state.cr8;
	u64 *reg, mask;

	if (vcpu->exit.reg.gpr == 0xff) {
		int len = interp_decode_reg(vcpu);

		if (!len)
			return RESUME_GUEST;
		/* Not a MOV: CLTS, LMSW and SMSW have operands of their own. */
		if (len < 0 || vcpu->exit.reg.gpr == 0xff)
			return interp_exit(vcpu, INVALID_GPA);
	}
	mask = reg_access_mask(vcpu);
	reg = &vcpu->state.gpr[vcpu->exit.reg.gpr & 0xf];
	if (vcpu->exit.reg.write) {
		if (cr_write(vcpu, nr, *reg & mask)) {
			events_raise_error(vcpu, GP_VECTOR, 0);
			return RESUME_GUEST;
		}
		return tpr_written(vcpu, tpr, dispatch_skip(vcpu));
	}
	*reg = cr_read(vcpu, nr) & mask;
	return dispatch_skip(vcpu);
}
