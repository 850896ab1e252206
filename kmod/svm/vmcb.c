// SPDX-License-Identifier: GPL-2.0
/* Register groups between struct vcpu_state and the VMCB's state save area. */
#include <linux/minmax.h>

#include "../cpu/hw.h"
#include "svm.h"

/* ---- segments (APM vol. 2, 15.5.1: attributes are packed as in types.h) ---- */

/**
 * svm_segment_load() - write a segment register into the VMCB
 * @to: the VMCB's
 * @from: the core's; unusable becomes not present, as the VMCB has no such bit
 */
void svm_segment_load(struct vmcb_segment *to, const struct segment *from)
{
	to->selector = from->selector;
	to->attr = from->attr & SEG_UNUSABLE ? 0 : from->attr & 0xfff;
	to->limit = from->limit;
	to->base = from->base;
}
EXPORT_FOR_TEST(svm_segment_load);

/**
 * svm_segment_fetch() - read a segment register from the VMCB
 * @to: the core's
 * @from: the VMCB's
 *
 * The processor need not keep G, so it follows from the limit.
 */
void svm_segment_fetch(struct segment *to, const struct vmcb_segment *from)
{
	to->selector = from->selector;
	to->attr = from->attr & 0xfff;
	to->limit = from->limit;
	to->base = from->base;
	if (to->limit > 0xfffff)
		to->attr |= SEG_G;
	if (!(to->attr & SEG_P))
		to->attr |= SEG_UNUSABLE;
}
EXPORT_FOR_TEST(svm_segment_fetch);

static struct vmcb_segment *svm_segment(struct vmcb_save *v, int nr)
{
	switch (nr) {
	case SEG_ES: return &v->es;
	case SEG_CS: return &v->cs;
	case SEG_SS: return &v->ss;
	case SEG_DS: return &v->ds;
	case SEG_FS: return &v->fs;
	case SEG_GS: return &v->gs;
	case SEG_LDTR: return &v->ldtr;
	default: return &v->tr;
	}
}

static void svm_load_segs(struct vcpu *vcpu, struct vmcb_save *v)
{
	int i;

	for (i = 0; i < SEG_COUNT; i++)
		svm_segment_load(svm_segment(v, i), &vcpu->state.seg[i]);
	v->cpl = vcpu->state.cpl;
}

static void svm_fetch_segs(struct vcpu *vcpu, const struct vmcb_save *v)
{
	struct segment *seg = vcpu->state.seg;
	int i;

	for (i = 0; i < SEG_COUNT; i++)
		svm_segment_fetch(&seg[i], svm_segment((struct vmcb_save *)v, i));
	/* SYSRET leaves SS.DPL behind; for everybody else CPL is SS.DPL (15.5.1). */
	seg[SEG_SS].attr = (seg[SEG_SS].attr & ~SEG_DPL_MASK) | (v->cpl << SEG_DPL_SHIFT);
	/* A loaded task register is busy. */
	seg[SEG_TR].attr |= 2;
}

/* ---- control registers ---- */

/* Which control registers the guest must not access without an exit. */
static u32 svm_hidden_cr_bits(const struct svm_vcpu *svm)
{
	u32 cr0 = svm->kept_cr0 ? BIT(0) : 0;
	u32 cr4 = (svm->vmcb->save.cr4 ^ svm->kept_cr4) & HW_CR4_HOST ? BIT(4) : 0;

	return cr0 | cr4;
}

/* While the guest's bits differ from the VMCB's, its accesses exit. */
static void svm_load_crs(struct vcpu *vcpu, struct vmcb_save *v)
{
	const struct vcpu_state *s = &vcpu->state;
	struct svm_vcpu *svm = to_svm(vcpu);
	u32 hidden = svm_hidden_cr_bits(svm);

	svm->kept_cr0 = s->cr0 & HW_CR0_KEPT;
	svm->kept_cr4 = s->cr4 & HW_CR4_HOST;
	v->cr0 = hw_cr0(s) | X86_CR0_ET;
	v->cr2 = s->cr2;
	v->cr3 = s->cr3;
	v->cr4 = hw_cr4(s);
	v->efer = s->efer | EFER_SVME;
	if (hidden != svm_hidden_cr_bits(svm))
		svm_update_intercepts(vcpu);
}

static void svm_fetch_crs(struct vcpu *vcpu, const struct vmcb_save *v)
{
	const struct svm_vcpu *svm = to_svm(vcpu);
	struct vcpu_state *s = &vcpu->state;

	s->cr0 = (v->cr0 & ~HW_CR0_KEPT) | svm->kept_cr0;
	s->cr2 = v->cr2;
	s->cr3 = v->cr3;
	s->cr4 = (v->cr4 & ~HW_CR4_HOST) | svm->kept_cr4;
	s->efer = v->efer & ~(u64)EFER_SVME;
}

/* ---- the others ---- */

static void svm_load_tables(const struct vcpu_state *s, struct vmcb_save *v)
{
	v->gdtr.base = s->gdtr.base;
	v->gdtr.limit = s->gdtr.limit;
	v->idtr.base = s->idtr.base;
	v->idtr.limit = s->idtr.limit;
}

static void svm_fetch_tables(struct vcpu_state *s, const struct vmcb_save *v)
{
	s->gdtr.base = v->gdtr.base;
	s->gdtr.limit = v->gdtr.limit;
	s->idtr.base = v->idtr.base;
	s->idtr.limit = v->idtr.limit;
}

static void svm_load_msrs(const struct vcpu_state *s, struct vmcb_save *v)
{
	v->star = s->star;
	v->lstar = s->lstar;
	v->cstar = s->cstar;
	v->sfmask = s->sfmask;
	v->kernel_gs_base = s->kernel_gs_base;
	v->sysenter_cs = s->sysenter_cs;
	v->sysenter_esp = s->sysenter_esp;
	v->sysenter_eip = s->sysenter_eip;
	v->pat = s->pat;
}

static void svm_fetch_msrs(struct vcpu_state *s, const struct vmcb_save *v)
{
	s->star = v->star;
	s->lstar = v->lstar;
	s->cstar = v->cstar;
	s->sfmask = v->sfmask;
	s->kernel_gs_base = v->kernel_gs_base;
	s->sysenter_cs = v->sysenter_cs;
	s->sysenter_esp = v->sysenter_esp;
	s->sysenter_eip = v->sysenter_eip;
	s->pat = v->pat;
}

static void svm_load_drs(const struct vcpu_state *s, struct vmcb_save *v)
{
	v->dr6 = s->dr6;
	v->dr7 = s->dr7;
}

static void svm_fetch_drs(struct vcpu_state *s, const struct vmcb_save *v)
{
	s->dr6 = v->dr6;
	s->dr7 = v->dr7;
}

/**
 * svm_state_load() - write the dirty groups into the VMCB
 * @vcpu: the vCPU; state.dirty says which, and is 0 afterwards
 *
 * Context: loaded, interrupts off
 */
void svm_state_load(struct vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct vmcb_save *v = &svm->vmcb->save;
	u32 dirty = vcpu->state.dirty;
	u32 written = 0;

	if (dirty & STATE_SEGS) {
		svm_load_segs(vcpu, v);
		written |= CLEAN_SEG;
	}
	if (dirty & STATE_TABLES) {
		svm_load_tables(&vcpu->state, v);
		written |= CLEAN_DT;
	}
	if (dirty & STATE_CRS) {
		svm_load_crs(vcpu, v);
		written |= CLEAN_CR | CLEAN_CR2;
	}
	if (dirty & STATE_MSRS) {
		svm_load_msrs(&vcpu->state, v);
		written |= CLEAN_NP;
	}
	if (dirty & STATE_DRS) {
		svm_load_drs(&vcpu->state, v);
		written |= CLEAN_DR;
	}
	svm_mark_written(svm, written);
	vcpu->state.dirty = 0;
}

/**
 * svm_state_fetch() - read groups from the VMCB
 * @vcpu: the vCPU
 * @mask: STATE_*; none of them dirty
 *
 * Context: loaded
 */
void svm_state_fetch(struct vcpu *vcpu, u32 mask)
{
	const struct vmcb_save *v = &to_svm(vcpu)->vmcb->save;

	if (mask & STATE_SEGS)
		svm_fetch_segs(vcpu, v);
	if (mask & STATE_CS)
		svm_segment_fetch(&vcpu->state.seg[SEG_CS], &v->cs);
	if (mask & STATE_TABLES)
		svm_fetch_tables(&vcpu->state, v);
	if (mask & STATE_CRS)
		svm_fetch_crs(vcpu, v);
	if (mask & STATE_MSRS)
		svm_fetch_msrs(&vcpu->state, v);
	if (mask & STATE_DRS)
		svm_fetch_drs(&vcpu->state, v);
	vcpu->state.valid |= mask;
}
