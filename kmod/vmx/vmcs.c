// SPDX-License-Identifier: GPL-2.0
/*
 * Register groups between vcpu->state and the VMCS (SDM vol. 3C, 25.4 and 27.3.1).
 *
 * What the guest cannot change without an exit is not fetched: vcpu->state has it. That is EFER,
 * the system call MSRs, and DR6, which the processor never holds as #DB always exits. PAT has no
 * effect, for every leaf of the nested tables says to ignore it. CR2 is in no VMCS: each exit
 * leaves it in vcpu->state.
 */
#include <linux/preempt.h>
#include <asm/msr.h>

#include "../cpu/hw.h"
#include "vmx.h"

#define AR_LOW		0xffU	/* type, S, DPL, P stand alike in both, the others .. */
#define AR_HIGH_SHIFT	4	/* .. so much higher */

/* Bits that the guest changes without an exit; those of CR4 as far as its CPUID has them. */
#define CR0_OWNED	(X86_CR0_MP | X86_CR0_EM | X86_CR0_TS | X86_CR0_WP | X86_CR0_AM)
#define CR4_OWNED	(X86_CR4_TSD | X86_CR4_PGE)

/* ---- segments ---- */

/**
 * vmx_segment_ar() - the access rights of a segment as the VMCS has them
 * @seg: the core's
 *
 * A segment register that is loaded has its accessed bit set, and its limit says what G must be:
 * the entry insists on both (SDM vol. 3C, 27.3.1.2).
 */
u32 vmx_segment_ar(const struct segment *seg)
{
	u32 ar = (seg->attr & AR_LOW) | (u32)(seg->attr & 0xf00) << AR_HIGH_SHIFT;

	if (seg->attr & SEG_UNUSABLE)
		return ar | AR_UNUSABLE;
	if (ar & SEG_S)
		ar |= 1;
	if (seg->limit > 0xfffff)
		ar |= SEG_G << AR_HIGH_SHIFT;
	else if (~seg->limit & 0xfff)
		ar &= ~(SEG_G << AR_HIGH_SHIFT);
	return ar;
}
EXPORT_FOR_TEST(vmx_segment_ar);

/**
 * vmx_segment_attr() - the reverse of vmx_segment_ar()
 * @ar: the VMCS's
 *
 * What an unusable segment still says of its presence does not count.
 */
u16 vmx_segment_attr(u32 ar)
{
	u16 attr = (ar & AR_LOW) | ((ar >> AR_HIGH_SHIFT) & 0xf00);

	return ar & AR_UNUSABLE ? (attr & ~SEG_P) | SEG_UNUSABLE : attr;
}
EXPORT_FOR_TEST(vmx_segment_attr);

static void vmx_load_segment(int nr, const struct segment *from, u32 ar)
{
	vmcs_write(GUEST_ES_SELECTOR + 2 * nr, from->selector);
	vmcs_write(GUEST_ES_BASE + 2 * nr, from->base);
	vmcs_write(GUEST_ES_LIMIT + 2 * nr, from->limit);
	vmcs_write(GUEST_ES_AR + 2 * nr, ar);
}

static void vmx_fetch_segment(int nr, struct segment *to)
{
	to->selector = vmcs_read(GUEST_ES_SELECTOR + 2 * nr);
	to->base = vmcs_read(GUEST_ES_BASE + 2 * nr);
	to->limit = vmcs_read(GUEST_ES_LIMIT + 2 * nr);
	to->attr = vmx_segment_attr(vmcs_read(GUEST_ES_AR + 2 * nr));
}

/* CPL is SS.DPL (25.4.1); a task register is always usable, and busy. */
static void vmx_load_segs(const struct vcpu_state *s)
{
	u32 ar;
	int i;

	for (i = 0; i < SEG_COUNT; i++) {
		ar = vmx_segment_ar(&s->seg[i]);
		if (i == SEG_SS)
			ar = (ar & ~SEG_DPL_MASK) | s->cpl << SEG_DPL_SHIFT;
		else if (i == SEG_TR)
			ar = ar & AR_UNUSABLE ? SEG_P | 0xb : ar | 2;
		vmx_load_segment(i, &s->seg[i], ar);
	}
}

static void vmx_fetch_segs(struct vcpu_state *s)
{
	int i;

	for (i = 0; i < SEG_COUNT; i++)
		vmx_fetch_segment(i, &s->seg[i]);
}

/* ---- control registers ---- */

/* PAE paging: the entry takes the PDPTEs from the VMCS (27.3.2.4). */
static bool vmx_pae_paging(const struct vcpu_state *s)
{
	return (s->cr0 & X86_CR0_PG) && (s->cr4 & X86_CR4_PAE) && !(s->efer & EFER_LMA);
}

static u64 vmx_cr4_owned(const struct vcpu *vcpu)
{
	return CR4_OWNED & ~vcpu->cpuid.cr4_reserved;
}

/*
 * Of bits that the guest does not own it reads the shadow, and exits when it writes another value.
 */
static void vmx_load_crs(struct vcpu *vcpu)
{
	const struct vcpu_state *s = &vcpu->state;
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	int i;

	vmcs_write(GUEST_CR0, hw_cr0(s) | vmx_caps.cr0_fixed);
	vmcs_write(CR0_SHADOW, s->cr0);
	vmcs_write(GUEST_CR3, s->cr3);
	vmcs_write(GUEST_CR4, hw_cr4(s) | vmx_caps.cr4_fixed);
	vmcs_write(CR4_SHADOW, s->cr4);
	vmcs_write(CR4_MASK, ~vmx_cr4_owned(vcpu));
	vmcs_write(GUEST_EFER, s->efer);
	vmx_control_change(vmx, VMX_ENTRY, ENTRY_IA32E, s->efer & EFER_LMA ? ENTRY_IA32E : 0);
	if (!vmx_pae_paging(s))
		return;
	for (i = 0; i < ARRAY_SIZE(s->pdpte); i++)
		vmcs_write(GUEST_PDPTE + 2 * i, s->pdpte[i]);
}

static void vmx_fetch_crs(struct vcpu *vcpu)
{
	u64 owned = vmx_cr4_owned(vcpu);
	struct vcpu_state *s = &vcpu->state;
	int i;

	s->cr0 = (vmcs_read(GUEST_CR0) & CR0_OWNED) | (vmcs_read(CR0_SHADOW) & ~(u64)CR0_OWNED);
	s->cr3 = vmcs_read(GUEST_CR3);
	s->cr4 = (vmcs_read(GUEST_CR4) & owned) | (vmcs_read(CR4_SHADOW) & ~owned);
	if (!vmx_pae_paging(s))
		return;
	for (i = 0; i < ARRAY_SIZE(s->pdpte); i++)
		s->pdpte[i] = vmcs_read(GUEST_PDPTE + 2 * i);
}

/* ---- the others ---- */

static void vmx_load_tables(const struct vcpu_state *s)
{
	vmcs_write(GUEST_GDTR_BASE, s->gdtr.base);
	vmcs_write(GUEST_GDTR_LIMIT, s->gdtr.limit);
	vmcs_write(GUEST_IDTR_BASE, s->idtr.base);
	vmcs_write(GUEST_IDTR_LIMIT, s->idtr.limit);
}

static void vmx_fetch_tables(struct vcpu_state *s)
{
	s->gdtr.base = vmcs_read(GUEST_GDTR_BASE);
	s->gdtr.limit = vmcs_read(GUEST_GDTR_LIMIT);
	s->idtr.base = vmcs_read(GUEST_IDTR_BASE);
	s->idtr.limit = vmcs_read(GUEST_IDTR_LIMIT);
}

static void vmx_load_msrs(struct vcpu *vcpu)
{
	const struct vcpu_state *s = &vcpu->state;
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	vmx->switched[SWITCH_STAR] = s->star;
	vmx->switched[SWITCH_LSTAR] = s->lstar;
	/* The upper half is reserved (SDM vol. 3A, 5.8.8): the host does not try. */
	vmx->switched[SWITCH_SFMASK] = (u32)s->sfmask;
	vmx->switched[SWITCH_KERNEL_GS_BASE] = s->kernel_gs_base;
	if (vmx->guest_loaded)
		vmx_msrs_write(vmx);
	vmcs_write(GUEST_SYSENTER_CS, s->sysenter_cs);
	vmcs_write(GUEST_SYSENTER_ESP, s->sysenter_esp);
	vmcs_write(GUEST_SYSENTER_EIP, s->sysenter_eip);
}

static void vmx_fetch_msrs(struct vcpu *vcpu)
{
	struct vcpu_state *s = &vcpu->state;

	s->kernel_gs_base = vmx_kernel_gs_base(to_vmx(vcpu));
	s->sysenter_cs = vmcs_read(GUEST_SYSENTER_CS);
	s->sysenter_esp = vmcs_read(GUEST_SYSENTER_ESP);
	s->sysenter_eip = vmcs_read(GUEST_SYSENTER_EIP);
}

/**
 * vmx_state_init() - the guest-state fields that no group writes
 * @vcpu: the vCPU; its VMCS is new
 */
void vmx_state_init(struct vcpu *vcpu)
{
	vmcs_write(VMCS_LINK_POINTER, ~0ULL);
	vmcs_write(GUEST_DEBUGCTL, 0);
	vmcs_write(GUEST_ACTIVITY, ACTIVITY_ACTIVE);
	vmcs_write(GUEST_PENDING_DEBUG, 0);
	vmcs_write(CR0_MASK, ~(u64)CR0_OWNED);
	/* With both 0 the bitmap alone says whether #PF exits (26.2). */
	vmcs_write(PF_ERROR_MASK, 0);
	vmcs_write(PF_ERROR_MATCH, 0);
	vmcs_write(CR3_TARGET_COUNT, 0);
}

/**
 * vmx_state_load() - write the dirty groups into the VMCS
 * @vcpu: the vCPU; state.dirty says which, and is 0 afterwards
 *
 * Context: loaded, interrupts off
 */
void vmx_state_load(struct vcpu *vcpu)
{
	u32 dirty = vcpu->state.dirty;

	if (dirty & STATE_SEGS)
		vmx_load_segs(&vcpu->state);
	if (dirty & STATE_TABLES)
		vmx_load_tables(&vcpu->state);
	if (dirty & STATE_CRS)
		vmx_load_crs(vcpu);
	if (dirty & STATE_MSRS)
		vmx_load_msrs(vcpu);
	if (dirty & STATE_DRS)
		vmcs_write(GUEST_DR7, vcpu->state.dr7);
	vcpu->state.dirty = 0;
}

/**
 * vmx_state_fetch() - read groups from the VMCS
 * @vcpu: the vCPU
 * @mask: STATE_*; none of them dirty
 *
 * Context: loaded
 */
void vmx_state_fetch(struct vcpu *vcpu, u32 mask)
{
	if (mask & STATE_SEGS)
		vmx_fetch_segs(&vcpu->state);
	if (mask & STATE_CS)
		vmx_fetch_segment(SEG_CS, &vcpu->state.seg[SEG_CS]);
	if (mask & STATE_TABLES)
		vmx_fetch_tables(&vcpu->state);
	if (mask & STATE_CRS)
		vmx_fetch_crs(vcpu);
	if (mask & STATE_MSRS)
		vmx_fetch_msrs(vcpu);
	if (mask & STATE_DRS)
		vcpu->state.dr7 = vmcs_read(GUEST_DR7);
	vcpu->state.valid |= mask;
}
