// SPDX-License-Identifier: GPL-2.0
/* KVM_GET/SET_REGS, SREGS, SREGS2 and the state after RESET, INIT and SIPI. */
#include <asm/apicdef.h>
#include <asm/processor-flags.h>

#include "../interp/interp.h"
#include "internal.h"

/* RFLAGS: bit 1 is always set, reserved bits are zero (APM vol. 2, 3.1.6). */
#define RFLAGS_ONES	X86_EFLAGS_FIXED
#define RFLAGS_SETTABLE	0x003f7fd5ull

/* What RESET leaves in a processor that user space has described no further. */
#define RESET_SIGNATURE	0x600

/* ---- segments ---- */

/**
 * segment_to_kvm() - a segment register as user space sees it
 * @seg: ours
 * @out: struct kvm_segment, filled
 */
void segment_to_kvm(const struct segment *seg, struct kvm_segment *out)
{
	*out = (struct kvm_segment) {
		.base = seg->base,
		.limit = seg->limit,
		.selector = seg->selector,
		.type = seg->attr & SEG_TYPE_MASK,
		.s = !!(seg->attr & SEG_S),
		.dpl = (seg->attr & SEG_DPL_MASK) >> SEG_DPL_SHIFT,
		.present = !!(seg->attr & SEG_P),
		.avl = !!(seg->attr & SEG_AVL),
		.l = !!(seg->attr & SEG_L),
		.db = !!(seg->attr & SEG_DB),
		.g = !!(seg->attr & SEG_G),
		.unusable = !!(seg->attr & SEG_UNUSABLE) || !(seg->attr & SEG_P),
	};
}

/**
 * segment_from_kvm() - take a segment register from user space
 * @in: struct kvm_segment; bits beyond a field's width are dropped
 * @seg: ours, filled
 */
void segment_from_kvm(const struct kvm_segment *in, struct segment *seg)
{
	bool usable = in->present && !in->unusable;

	seg->base = in->base;
	seg->limit = in->limit;
	seg->selector = in->selector;
	seg->attr = (in->type & SEG_TYPE_MASK) | (in->dpl & 3) << SEG_DPL_SHIFT;
	seg->attr |= (in->s & 1 ? SEG_S : 0) | (in->avl & 1 ? SEG_AVL : 0) |
		     (in->l & 1 ? SEG_L : 0) | (in->db & 1 ? SEG_DB : 0) |
		     (in->g & 1 ? SEG_G : 0) | (usable ? SEG_P : SEG_UNUSABLE);
}

/* struct kvm_segment members of SREGS and SREGS2, by our number; the two begin alike. */
static struct kvm_segment *sregs_segment(struct kvm_sregs *sregs, int nr)
{
	/* cs, ds, es, fs, gs, ss, tr, ldt stand in a row. */
	static const u8 place[SEG_COUNT] = {
		[SEG_CS] = 0, [SEG_DS] = 1, [SEG_ES] = 2, [SEG_FS] = 3, [SEG_GS] = 4,
		[SEG_SS] = 5, [SEG_TR] = 6, [SEG_LDTR] = 7,
	};

	BUILD_BUG_ON(offsetof(struct kvm_sregs, ldt) != 7 * sizeof(struct kvm_segment));
	return (struct kvm_segment *)sregs + place[nr];
}

/* ---- KVM_GET/SET_REGS ---- */

/* The order in which struct kvm_regs has the general registers, from its beginning. */
static const u8 kvm_gpr[REG_COUNT] = {
	REG_RAX, REG_RBX, REG_RCX, REG_RDX, REG_RSI, REG_RDI, REG_RSP, REG_RBP,
	REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
};

/**
 * regs_get() - KVM_GET_REGS
 * @vcpu: the vCPU
 * @regs: filled
 */
void regs_get(struct vcpu *vcpu, struct kvm_regs *regs)
{
	u64 *gpr = (u64 *)regs;
	int i;

	for (i = 0; i < REG_COUNT; i++)
		gpr[i] = vcpu->state.gpr[kvm_gpr[i]];
	regs->rip = vcpu->state.rip;
	regs->rflags = vcpu->state.rflags;
}

/**
 * regs_set() - KVM_SET_REGS
 * @vcpu: the vCPU; an exception that was pending belonged to the old state and is dropped
 * @regs: new values; RFLAGS bits that do not exist are ignored
 *
 * Return: 0
 */
int regs_set(struct vcpu *vcpu, const struct kvm_regs *regs)
{
	const u64 *gpr = (const u64 *)regs;
	int i;

	BUILD_BUG_ON(offsetof(struct kvm_regs, r15) != (REG_COUNT - 1) * sizeof(u64));
	for (i = 0; i < REG_COUNT; i++)
		vcpu->state.gpr[kvm_gpr[i]] = gpr[i];
	vcpu->state.rip = regs->rip;
	vcpu->state.rflags = (regs->rflags & RFLAGS_SETTABLE) | RFLAGS_ONES;
	vcpu->events.exception.pending = false;
	vcpu_request(vcpu, REQ_EVENT);
	return 0;
}

/* ---- KVM_GET/SET_SREGS ---- */

/* All that SREGS and SREGS2 have in common; interrupt_bitmap is left alone. */
static void sregs_get_common(struct vcpu *vcpu, struct kvm_sregs *sregs)
{
	struct vcpu_state *st = state_get(vcpu, STATE_SEGS | STATE_TABLES | STATE_CRS);
	int i;

	for (i = 0; i < SEG_COUNT; i++)
		segment_to_kvm(&st->seg[i], sregs_segment(sregs, i));
	sregs->gdt.base = st->gdtr.base;
	sregs->gdt.limit = st->gdtr.limit;
	sregs->idt.base = st->idtr.base;
	sregs->idt.limit = st->idtr.limit;
	sregs->cr0 = st->cr0;
	sregs->cr2 = st->cr2;
	sregs->cr3 = st->cr3;
	sregs->cr4 = st->cr4;
	sregs->cr8 = cr_read(vcpu, 8);
	sregs->efer = st->efer;
	sregs->apic_base = vcpu->msrs.apic_base;
}

/* The interrupt that was acknowledged and not yet delivered, -1: none. */
static int sregs_interrupt(const struct vcpu_events *ev)
{
	if (ev->injected.type == EVENT_INTR)
		return ev->injected.vector;
	return ev->ext_irq;
}

/**
 * sregs_get() - KVM_GET_SREGS
 * @vcpu: the vCPU
 * @sregs: filled
 */
void sregs_get(struct vcpu *vcpu, struct kvm_sregs *sregs)
{
	int vector = sregs_interrupt(&vcpu->events);

	memset(sregs, 0, sizeof(*sregs));
	sregs_get_common(vcpu, sregs);
	if (vector >= 0)
		sregs->interrupt_bitmap[vector / 64] |= BIT_ULL(vector % 64);
}
EXPORT_FOR_TEST(sregs_get);

/* A state that no sequence of instructions leads to is refused whole. */
static bool sregs_valid(struct vcpu *vcpu, const struct kvm_sregs *sregs)
{
	bool lma = sregs->efer & EFER_LMA;

	if (!cr_valid_state(vcpu, sregs->cr0, sregs->cr3, sregs->cr4, sregs->efer))
		return false;
	if (sregs->cr8 & ~0xfull)
		return false;
	if (sregs->cs.l && !lma)
		return false;
	/* CS.L with CS.D is reserved in long mode (APM vol. 2, 4.8.1). */
	return !(lma && sregs->cs.l && sregs->cs.db);
}

/* CPL is SS.DPL, but for the modes that have no privilege levels (APM vol. 2, 15.5.1). */
static u8 sregs_cpl(const struct kvm_sregs *sregs, u64 rflags)
{
	if (!(sregs->cr0 & X86_CR0_PE))
		return 0;
	if ((rflags & X86_EFLAGS_VM) && !(sregs->efer & EFER_LMA))
		return 3;
	return sregs->ss.dpl & 3;
}

static bool sregs_pae(u64 cr0, u64 cr4, u64 efer)
{
	return (cr0 & X86_CR0_PG) && (cr4 & X86_CR4_PAE) && !(efer & EFER_LMA);
}

static int sregs_set_common(struct vcpu *vcpu, struct kvm_sregs *sregs)
{
	struct vcpu_state *st;
	int i;

	if (!sregs_valid(vcpu, sregs) || (sregs->apic_base != vcpu->msrs.apic_base &&
					  lapic_base_set(vcpu, sregs->apic_base, true)))
		return -EINVAL;
	st = state_get(vcpu, STATE_SEGS | STATE_TABLES | STATE_CRS);
	for (i = 0; i < SEG_COUNT; i++)
		segment_from_kvm(sregs_segment(sregs, i), &st->seg[i]);
	st->cpl = sregs_cpl(sregs, st->rflags);
	st->gdtr.base = sregs->gdt.base;
	st->gdtr.limit = sregs->gdt.limit;
	st->idtr.base = sregs->idt.base;
	st->idtr.limit = sregs->idt.limit;
	st->cr0 = sregs->cr0 | X86_CR0_ET;
	st->cr2 = sregs->cr2;
	st->cr3 = sregs->cr3;
	st->cr4 = sregs->cr4;
	st->efer = sregs->efer;
	/* Entries that cannot be had, or that the processor would refuse, map nothing. */
	if (sregs_pae(st->cr0, st->cr4, st->efer) && interp_load_pdptes(vcpu, st->cr3))
		memset(st->pdpte, 0, sizeof(st->pdpte));
	state_dirty(vcpu, STATE_SEGS | STATE_TABLES | STATE_CRS);
	cr_write(vcpu, 8, sregs->cr8);
	cpuid_update(vcpu);
	vcpu_request(vcpu, REQ_TLB_FLUSH);
	vcpu_request(vcpu, REQ_INTERCEPTS);
	vcpu_request(vcpu, REQ_EVENT);
	return 0;
}

/* The lowest bit set in interrupt_bitmap, -1: none. */
static int sregs_first_interrupt(const struct kvm_sregs *sregs)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(sregs->interrupt_bitmap); i++)
		if (sregs->interrupt_bitmap[i])
			return i * 64 + __ffs64(sregs->interrupt_bitmap[i]);
	return -1;
}

/**
 * sregs_set() - KVM_SET_SREGS
 * @vcpu: the vCPU
 * @sregs: new values
 *
 * Return: 0; -EINVAL: a state the processor cannot be in, or a bit it does not have
 */
int sregs_set(struct vcpu *vcpu, const struct kvm_sregs *sregs)
{
	struct kvm_sregs copy = *sregs;
	int err = sregs_set_common(vcpu, &copy);
	int vector;

	if (err)
		return err;
	vector = sregs_first_interrupt(sregs);
	if (vector < 0)
		return 0;
	/* It may be the one that is on its way, which sregs_get() told of. */
	if (vcpu->events.injected.type == EVENT_INTR)
		vcpu->events.injected.type = EVENT_NONE;
	vcpu->events.ext_irq = vector;
	return 0;
}

/* Has one of these page-directory-pointer entries reserved bits set (APM vol. 2, 5.3.2)? */
static bool pdptes_bad(const struct vcpu *vcpu, const u64 *entry)
{
	u64 reserved = GENMASK_ULL(63, 52) | vcpu->cpuid.reserved_gpa | 0x1e6;
	unsigned int i;

	for (i = 0; i < 4; i++)
		if (entry[i] & 1 && entry[i] & reserved)
			return true;
	return false;
}

/**
 * sregs2_get() - KVM_GET_SREGS2
 * @vcpu: the vCPU
 * @sregs: filled; pdptrs where PAE paging is on and there are valid ones at CR3
 *
 * Return: 0; -EFAULT: the host has no page there
 */
int sregs2_get(struct vcpu *vcpu, struct kvm_sregs2 *sregs)
{
	struct kvm_sregs common = {};
	int err = 0;

	sregs_get_common(vcpu, &common);
	memset(sregs, 0, sizeof(*sregs));
	memcpy(sregs, &common, offsetof(struct kvm_sregs2, flags));
	if (!sregs_pae(common.cr0, common.cr4, common.efer))
		return 0;
	/* With nested paging AMD's processor has them from memory (APM vol. 2, 15.25.10). */
	if (backend_caps.pdptes)
		memcpy(sregs->pdptrs, vcpu->state.pdpte, sizeof(sregs->pdptrs));
	else
		err = memory_read(vcpu->vm, common.cr3 & 0xffffffe0ull, sregs->pdptrs,
				  sizeof(sregs->pdptrs));
	if (!err && !pdptes_bad(vcpu, sregs->pdptrs))
		sregs->flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
	return err == -ENXIO ? 0 : err;
}

/**
 * sregs2_set() - KVM_SET_SREGS2
 * @vcpu: the vCPU
 * @sregs: new values; without pdptrs, and on AMD's processors, guest memory has them
 *
 * Return: 0; -EINVAL: as sregs_set(), or unknown flags, or pdptrs without PAE paging, or with
 * reserved bits set
 */
int sregs2_set(struct vcpu *vcpu, const struct kvm_sregs2 *sregs)
{
	struct kvm_sregs common = {};
	int err;

	BUILD_BUG_ON(offsetof(struct kvm_sregs, interrupt_bitmap) !=
		     offsetof(struct kvm_sregs2, flags));
	if (sregs->flags & ~(u64)KVM_SREGS2_FLAGS_PDPTRS_VALID)
		return -EINVAL;
	if (sregs->flags && !sregs_pae(sregs->cr0, sregs->cr4, sregs->efer))
		return -EINVAL;
	if (sregs->flags && pdptes_bad(vcpu, sregs->pdptrs))
		return -EINVAL;
	memcpy(&common, sregs, offsetof(struct kvm_sregs2, flags));
	err = sregs_set_common(vcpu, &common);
	if (!err && sregs->flags)
		memcpy(vcpu->state.pdpte, sregs->pdptrs, sizeof(sregs->pdptrs));
	return err;
}
EXPORT_FOR_TEST(sregs_set);

/* ---- RESET, INIT, SIPI ---- */

static void reset_segments(struct vcpu_state *st)
{
	static const struct segment data = {
		.attr = 0x3 | SEG_S | SEG_P, .limit = 0xffff,
	};
	int i;

	for (i = 0; i < SEG_LDTR; i++)
		st->seg[i] = data;
	st->seg[SEG_CS] = (struct segment) {
		.selector = 0xf000, .attr = 0xb | SEG_S | SEG_P, .limit = 0xffff,
		.base = 0xffff0000,
	};
	st->seg[SEG_LDTR] = (struct segment) { .attr = 0x2 | SEG_P, .limit = 0xffff };
	st->seg[SEG_TR] = (struct segment) { .attr = 0xb | SEG_P, .limit = 0xffff };
	st->gdtr = (struct dtable) { .limit = 0xffff };
	st->idtr = (struct dtable) { .limit = 0xffff };
}

static void reset_registers(struct vcpu *vcpu, bool init)
{
	struct vcpu_state *st = &vcpu->state;
	struct kvm_cpuid_entry2 id;
	u64 cache = init ? st->cr0 & (X86_CR0_CD | X86_CR0_NW) : X86_CR0_CD | X86_CR0_NW;

	memset(st, 0, offsetof(struct vcpu_state, star));
	st->gpr[REG_RDX] = cpuid_value(vcpu, 1, 0, &id) ? id.eax : RESET_SIGNATURE;
	st->rip = 0xfff0;
	st->rflags = RFLAGS_ONES;
	st->cr0 = X86_CR0_ET | cache;
	reset_segments(st);
}

/* MSRs keep their values over INIT (APM vol. 2, table 14-1). */
static void reset_msrs(struct vcpu *vcpu)
{
	struct vcpu_state *st = &vcpu->state;
	u64 apic_base = vcpu->msrs.apic_base;

	memset_startat(st, 0, star);
	st->pat = PAT_RESET;
	st->xcr0 = XFEATURE_MASK_FP;
	memset(&vcpu->msrs, 0, sizeof(vcpu->msrs));
	vcpu->msrs.apic_base = apic_base;
	if (!vcpu->apic)
		lapic_reset(vcpu, false);
	vcpu->msrs.misc_enable = MSR_IA32_MISC_ENABLE_BTS_UNAVAIL |
				 MSR_IA32_MISC_ENABLE_PEBS_UNAVAIL;
	vcpu->msrs.mcg_cap = CPU_MCE_BANKS;
	vcpu->msrs.hwcr = MSR_K7_HWCR_TSC_FREQ_SEL;
	msr_feature_read(MSR_IA32_UCODE_REV, &vcpu->msrs.microcode);
	vcpu->msrs.arch_capabilities = msr_arch_capabilities();
	vcpu->msrs.de_cfg = msr_de_cfg();
}

/* These survive INIT (APM vol. 2, 14.1.3; SDM vol. 3A, table 10-1). */
static void reset_backend_msrs(struct vcpu *vcpu)
{
	backend_set_msr(vcpu, MSR_IA32_DEBUGCTLMSR, 0);
	backend_set_msr(vcpu, MSR_IA32_SPEC_CTRL, 0);
}

static void reset_events(struct vcpu *vcpu)
{
	struct vcpu_events *ev = &vcpu->events;

	ev->injected.type = EVENT_NONE;
	ev->exception.pending = false;
	ev->nmi_masked = false;
	ev->nmi_pending = 0;
	atomic_set(&ev->nmi_queued, 0);
	ev->ext_irq = -1;
	ev->windows = ~0u;	/* not known: tell the backend anew */
	clear_bit(REQ_TRIPLE_FAULT, &vcpu->requests);
}

/**
 * regs_reset() - the state after RESET or INIT
 * @vcpu: the vCPU, loaded; its local APIC is reset by the caller
 * @init: INIT: cache control, MSRs, MTRRs, TSC, XCR0 and the FPU keep their values
 *
 * Registers, events, MSRs, debug registers and the backend's control fields (APM vol. 2,
 * 14.1.3, table 14-1; SDM vol. 3A, table 10-1).
 *
 * Context: may sleep.
 */
void regs_reset(struct vcpu *vcpu, bool init)
{
	if (init)
		state_get(vcpu, STATE_ALL);
	else
		cpuid_derive(vcpu);
	reset_registers(vcpu, init);
	if (!init)
		reset_msrs(vcpu);
	vcpu->state.valid = STATE_ALL;
	state_dirty(vcpu, STATE_ALL);
	reset_events(vcpu);
	debug_reset(vcpu);
	pv_reset(vcpu);
	backend_vcpu_reset(vcpu, init);
	if (!init)
		reset_backend_msrs(vcpu);
	cpuid_update(vcpu);
	vcpu_request(vcpu, REQ_TLB_FLUSH);
	vcpu_request(vcpu, REQ_INTERCEPTS);
	vcpu_request(vcpu, REQ_EVENT);
}

/**
 * regs_sipi() - start at the address of a startup IPI
 * @vcpu: the vCPU, loaded, in the state after INIT
 * @vector: of the message: the code is at @vector << 12 (APM vol. 2, 16.5)
 */
void regs_sipi(struct vcpu *vcpu, u8 vector)
{
	struct vcpu_state *st = state_get(vcpu, STATE_SEGS);

	st->seg[SEG_CS].selector = vector << 8;
	st->seg[SEG_CS].base = vector << 12;
	st->rip = 0;
	state_dirty(vcpu, STATE_SEGS);
}
