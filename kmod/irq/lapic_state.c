// SPDX-License-Identifier: GPL-2.0
/*
 * The local APIC's life: creation, RESET and INIT, IA32_APIC_BASE, and its state for user space.
 */
#include <linux/gfp.h>
#include <linux/slab.h>
#include <asm/cpufeature.h>
#include <asm/mce.h>
#include <asm/msr-index.h>
#include "../cpu/cpu.h"
#include "chips.h"
#include "lapic.h"

#define LAPIC_VERSION	(0x14 | 5 << 16)	/* integrated APIC, LVT entries 0 to 5 */

/* ---- mode, reset, lifetime ---- */

/**
 * lapic_set_version() - write the version register
 * @vcpu: the vCPU, with in-kernel APIC or without
 *
 * There is one LVT more with MCG_CMCI_P (SDM vol. 3, 11.5.1).
 */
void lapic_set_version(struct vcpu *vcpu)
{
	u32 version = LAPIC_VERSION;

	if (!vcpu->apic)
		return;
	if (!vcpu->vm->irq.ioapic)
		version |= APIC_LVR_DIRECTED_EOI;
	if (vcpu->msrs.mcg_cap & MCG_CMCI_P)
		version += 1 << 16;
	lapic_reg_set(vcpu->apic, APIC_LVR, version);
}

static u32 lapic_x2_ldr(u32 id)
{
	return (id >> 4) << 16 | BIT(id & 0xf);	/* SDM vol. 3, 10.12.10.2 */
}

static void lapic_reset_regs(struct lapic *apic, bool keep_id)
{
	struct vcpu *vcpu = apic->vcpu;
	u32 id = lapic_reg(apic, APIC_ID);
	u32 off;

	lapic_timer_stop(apic);
	/* What arrives meanwhile may be lost, or not. */
	lapic_collect(apic);
	memset(apic->regs, 0, PAGE_SIZE);
	lapic_count(apic);
	apic->eoi_vector = -1;
	apic->timer_mode = APIC_LVT_TIMER_ONESHOT;
	apic->timer_divisor = lapic_timer_divisor(0);
	apic->sw_enabled = false;
	atomic_set(&apic->errors, 0);
	lapic_reg_set(apic, APIC_ID, keep_id ? id : vcpu->id << 24);
	lapic_set_version(vcpu);
	lapic_reg_set(apic, APIC_DFR, APIC_DFR_FLAT);
	lapic_reg_set(apic, APIC_SPIV, 0xff);
	for (off = APIC_LVTT; off <= APIC_LVTERR; off += 0x10)
		lapic_reg_set(apic, off, APIC_LVT_MASKED);
	lapic_reg_set(apic, APIC_LVTCMCI, APIC_LVT_MASKED);
	if (vcpu->id == vcpu->vm->boot_vcpu_id &&
	    !(vcpu->vm->policy.disabled_quirks & KVM_X86_QUIRK_LINT0_REENABLED))
		lapic_reg_set(apic, APIC_LVT0, APIC_DM_EXTINT);
	if (apic->x2apic) {
		lapic_reg_set(apic, APIC_ID, vcpu->id);
		lapic_reg_set(apic, APIC_LDR, lapic_x2_ldr(vcpu->id));
	}
	vcpu->state.cr8 = 0;
	lapic_virtual_update(apic);
}

/* Follow IA32_APIC_BASE (SDM vol. 3, 10.12.5). */
static void lapic_apply_base(struct lapic *apic, u64 base)
{
	struct vcpu *vcpu = apic->vcpu;
	bool enabled = base & XAPIC_ENABLE;
	bool x2apic = enabled && base & X2APIC_ENABLE;

	if (enabled == apic->hw_enabled && x2apic == apic->x2apic)
		return;
	if (x2apic != apic->x2apic) {
		WRITE_ONCE(apic->x2apic, x2apic);
		lapic_reg_set(apic, APIC_ID, x2apic ? vcpu->id : vcpu->id << 24);
		lapic_reg_set(apic, APIC_LDR, x2apic ? lapic_x2_ldr(vcpu->id) : 0);
	}
	WRITE_ONCE(apic->hw_enabled, enabled);
	if (!enabled)
		lapic_reset_regs(apic, false);
	lapic_map_rebuild(vcpu->vm);
	vcpu_request(vcpu, REQ_EVENT);
}

static bool lapic_base_valid(struct vcpu *vcpu, u64 val, bool host)
{
	u64 mode = XAPIC_ENABLE | X2APIC_ENABLE;
	u64 old = vcpu->msrs.apic_base & mode;
	u64 reserved = 0x2ff | GENMASK_ULL(63, 52) | vcpu->cpuid.reserved_gpa;

	if (!vcpu->apic || !guest_has(vcpu, X86_FEATURE_X2APIC))
		reserved |= X2APIC_ENABLE;
	val &= mode | reserved;
	if (val & reserved || val == X2APIC_ENABLE)
		return false;
	if (host || val == old)
		return true;
	/* Into x2APIC mode only from xAPIC mode, and out of it only by switching it off. */
	return val == mode ? old == XAPIC_ENABLE : old != mode || !val;
}

/**
 * lapic_base_set() - write IA32_APIC_BASE
 * @vcpu: the loaded vCPU
 * @val: new value; the page may lie anywhere that no memslot covers
 * @host: user space writes it: any transition between valid modes is allowed
 *
 * Return: 0, or 1: reserved bits or a transition that does not exist: #GP(0).
 */
int lapic_base_set(struct vcpu *vcpu, u64 val, bool host)
{
	u64 old = vcpu->msrs.apic_base;

	if (!lapic_base_valid(vcpu, val, host))
		return 1;
	vcpu->msrs.apic_base = val;
	if (vcpu->apic) {
		lapic_apply_base(vcpu->apic, val);
		lapic_virtual_update(vcpu->apic);
	}
	if ((old ^ val) & (XAPIC_ENABLE | X2APIC_ENABLE))
		cpuid_update(vcpu);
	return 0;
}
EXPORT_FOR_TEST(lapic_base_set);

/**
 * lapic_enabled() - is there an in-kernel APIC that is not switched off in IA32_APIC_BASE?
 * @vcpu: any
 */
bool lapic_enabled(struct vcpu *vcpu)
{
	return vcpu->apic && vcpu->apic->hw_enabled;
}
EXPORT_FOR_TEST(lapic_enabled);

/**
 * lapic_reset() - state after RESET or INIT (SDM vol. 3, 10.4.7.1 and 10.4.7.3)
 * @vcpu: the vCPU's own thread; without in-kernel APIC it has IA32_APIC_BASE all the same
 * @init: INIT: IA32_APIC_BASE and the APIC id stay
 */
void lapic_reset(struct vcpu *vcpu, bool init)
{
	struct lapic *apic = vcpu->apic;

	if (!init)
		vcpu->msrs.apic_base = APIC_DEFAULT_PHYS_BASE | XAPIC_ENABLE |
			(vcpu->id == vcpu->vm->boot_vcpu_id ? MSR_IA32_APICBASE_BSP : 0);
	if (!apic)
		return;
	if (!init) {
		WRITE_ONCE(apic->hw_enabled, true);
		WRITE_ONCE(apic->x2apic, false);
		apic->signals = 0;
	}
	lapic_reset_regs(apic, init);
	lapic_map_rebuild(vcpu->vm);
}
EXPORT_FOR_TEST(lapic_reset);

/**
 * lapic_create() - give a vCPU its APIC
 * @vcpu: being created; id, vm and vm->boot_vcpu_id are known; may sleep
 *
 * Return: 0 or -ENOMEM.
 */
int lapic_create(struct vcpu *vcpu)
{
	struct lapic *apic = kzalloc(sizeof(*apic), GFP_KERNEL_ACCOUNT);

	if (!apic)
		return -ENOMEM;
	apic->regs = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!apic->regs) {
		kfree(apic);
		return -ENOMEM;
	}
	apic->vcpu = vcpu;
	lapic_timer_create(apic);
	vcpu->apic = apic;
	lapic_reset(vcpu, false);
	return 0;
}
EXPORT_FOR_TEST(lapic_create);

/**
 * lapic_page() - where the registers are, for a processor that virtualizes them
 * @vcpu: any
 *
 * Return: a page in the architecture's layout; NULL: there is no in-kernel APIC.
 */
void *lapic_page(struct vcpu *vcpu)
{
	return vcpu->apic ? vcpu->apic->regs : NULL;
}

/**
 * lapic_posted() - where interrupts are posted, for a processor that collects them
 * @vcpu: any
 *
 * Return: a posted-interrupt descriptor; NULL: there is no in-kernel APIC.
 */
struct posted_irqs *lapic_posted(struct vcpu *vcpu)
{
	return vcpu->apic ? &vcpu->apic->posted : NULL;
}
EXPORT_FOR_TEST(lapic_posted);

/**
 * lapic_destroy() - the vCPU goes, and nothing can reach it any more
 * @vcpu: the vCPU
 */
void lapic_destroy(struct vcpu *vcpu)
{
	if (!vcpu->apic)
		return;
	lapic_timer_stop(vcpu->apic);
	free_guest_page(vcpu->apic->regs);
	kfree_sensitive(vcpu->apic);
	vcpu->apic = NULL;
}
EXPORT_FOR_TEST(lapic_destroy);

/* ---- KVM_GET_LAPIC, KVM_SET_LAPIC ---- */

/* In x2APIC mode user space sees a 32-bit id only if it has asked for it (KVM_CAP_X2APIC_API). */
static bool lapic_short_id(struct lapic *apic)
{
	return apic->x2apic && !apic->vcpu->vm->policy.x2apic_ids;
}

/**
 * lapic_get_state() - KVM_GET_LAPIC
 * @vcpu: the loaded vCPU, with in-kernel APIC
 * @s: out: the first KiB of the xAPIC page
 *
 * Return: 0
 */
int lapic_get_state(struct vcpu *vcpu, struct kvm_lapic_state *s)
{
	struct lapic *apic = vcpu->apic;
	u32 *page = (u32 *)s->regs;
	unsigned int i;

	memset(s, 0, sizeof(*s));
	lapic_timer_settle(vcpu);
	lapic_collect(apic);
	for (i = 0; i < LAPIC_REGS; i++)
		page[i * 4] = lapic_reg_read(apic, i << 4);
	if (lapic_short_id(apic))
		page[APIC_ID / 4] <<= 24;
	return 0;
}
EXPORT_FOR_TEST(lapic_get_state);

static void lapic_load_bitmaps(struct lapic *apic, const u32 *page)
{
	u32 off;

	/* Nothing that was posted before outlives the state that is set. */
	lapic_collect(apic);
	for (off = APIC_ISR; off < APIC_ESR; off += 0x10)
		lapic_reg_set(apic, off, page[off / 4]);
	/* Vectors 0 to 15 do not exist; in IRR their class keeps them from being taken. */
	lapic_reg_set(apic, APIC_ISR, lapic_reg(apic, APIC_ISR) & ~0xffffu);
	lapic_count(apic);
}

/**
 * lapic_set_state() - KVM_SET_LAPIC
 * @vcpu: the loaded vCPU, with in-kernel APIC; IA32_APIC_BASE is set first
 * @s: as lapic_get_state() gave it; read-only registers are ignored
 *
 * Return: 0, or -EINVAL: an x2APIC id that is not the vCPU's.
 */
int lapic_set_state(struct vcpu *vcpu, const struct kvm_lapic_state *s)
{
	static const u16 plain[] = { APIC_TASKPRI, APIC_DFR, APIC_SPIV, APIC_ESR, APIC_ICR,
				     APIC_LVTT, APIC_LVTTHMR, APIC_LVTPC, APIC_LVT0, APIC_LVT1,
				     APIC_LVTERR, APIC_LVTCMCI, APIC_TMICT, APIC_TDCR };
	const u32 *page = (const u32 *)s->regs;
	struct lapic *apic = vcpu->apic;
	unsigned int i;
	u64 deadline = 0;

	if (apic->x2apic &&
	    page[APIC_ID / 4] != (lapic_short_id(apic) ? vcpu->id << 24 : vcpu->id))
		return -EINVAL;
	/* One that has just passed counts: its interrupt would be lost with the IRR of before. */
	if (lapic_deadline_mode(apic) && (READ_ONCE(apic->expires) || vcpu->tsc.deadline))
		deadline = apic->deadline;
	lapic_timer_stop(apic);
	for (i = 0; i < ARRAY_SIZE(plain); i++)
		lapic_reg_set(apic, plain[i], page[plain[i] / 4] & lapic_writable(apic, plain[i]));
	lapic_reg_set(apic, APIC_DFR, lapic_reg(apic, APIC_DFR) | 0x0fffffff);
	lapic_reg_set(apic, APIC_ICR2, page[APIC_ICR2 / 4]);
	if (!apic->x2apic) {
		lapic_reg_set(apic, APIC_ID, page[APIC_ID / 4] & 0xff000000);
		lapic_reg_set(apic, APIC_LDR, page[APIC_LDR / 4] & 0xff000000);
	}
	apic->timer_mode = lapic_reg(apic, APIC_LVTT) & LAPIC_TIMER_MODE;
	apic->timer_divisor = lapic_timer_divisor(lapic_reg(apic, APIC_TDCR));
	WRITE_ONCE(apic->sw_enabled, lapic_reg(apic, APIC_SPIV) & APIC_SPIV_APIC_ENABLED);
	vcpu->state.cr8 = lapic_reg(apic, APIC_TASKPRI) >> 4;
	lapic_load_bitmaps(apic, page);
	lapic_virtual_update(apic);
	lapic_map_rebuild(vcpu->vm);
	if (!lapic_deadline_mode(apic) && page[APIC_TMICT / 4])
		lapic_timer_start(apic, page[APIC_TMCCT / 4]);
	/* The deadline is an MSR, and stays as long as the mode does. */
	if (deadline)
		lapic_tsc_deadline_set(vcpu, deadline);
	vcpu_request(vcpu, REQ_EVENT);
	vcpu_wake(vcpu);
	return 0;
}
EXPORT_FOR_TEST(lapic_set_state);
