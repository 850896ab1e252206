// SPDX-License-Identifier: GPL-2.0
/*
 * A virtualized APIC: the processor serves most of the guest's accesses to the registers from
 * lapic.regs, and moves interrupts from IRR to ISR and out of it by itself (SDM vol. 3C, chapter
 * 30). Who decides when is here, how is the backend's.
 *
 * It is so while the APIC is enabled, by hardware and by software, and user space need not hear of
 * accesses to its TPR. Then IRR, ISR and TPR are the
 * processor's while the guest runs. Before an entry, what was posted is collected and the processor
 * is told the highest vectors; an EOI comes here only where somebody waits for it.
 */
#include <linux/mm.h>
#include "../backend.h"
#include "../cpu/cpu.h"
#include "chips.h"
#include "lapic.h"

static u8 lapic_virtual_mode(const struct lapic *apic)
{
	if (!backend_caps.virtual_apic || !apic->hw_enabled || !apic->sw_enabled ||
	    apic->vcpu->vapic.report || debug_blocks_events(apic->vcpu))
		return APIC_VIRTUAL_NONE;
	return apic->x2apic ? APIC_VIRTUAL_X2APIC : APIC_VIRTUAL_XAPIC;
}

/* The processor has no value for these: a counter, and one of two halves. */
static bool lapic_virtual_unreadable(const struct lapic *apic, u32 off)
{
	return off == APIC_TMCCT || off == APIC_ICR || !lapic_x2_readable(apic, off);
}

/* What it writes with all that follows from it. */
static bool lapic_virtual_writable(u32 off)
{
	return off == APIC_TASKPRI || off == APIC_EOI || off == APIC_SELF_IPI;
}

static void lapic_virtual_msrs(struct lapic *apic, bool pass)
{
	u32 off;

	for (off = 0; off < LAPIC_REGS << 4; off += 0x10)
		backend_msr_intercept(apic->vcpu, APIC_BASE_MSR + LAPIC_REG(off),
				      !pass || lapic_virtual_unreadable(apic, off),
				      !pass || !lapic_virtual_writable(off));
}

/**
 * lapic_virtual_update() - the APIC may have been switched on or off, changed its mode, or moved
 * @apic: the vCPU's own, loaded, or under creation, when it is never virtualized; may sleep
 */
void lapic_virtual_update(struct lapic *apic)
{
	struct vcpu *vcpu = apic->vcpu;
	u8 mode = lapic_virtual_mode(apic), old = vcpu->policy.apic;
	gfn_t gfn = vcpu->msrs.apic_base >> PAGE_SHIFT;

	if (mode == old && (mode != APIC_VIRTUAL_XAPIC || gfn == apic->access_gfn))
		return;
	vcpu->policy.apic = mode;
	/* What the processor has not kept. */
	lapic_count(apic);
	if (mode == APIC_VIRTUAL_X2APIC || old == APIC_VIRTUAL_X2APIC)
		lapic_virtual_msrs(apic, mode == APIC_VIRTUAL_X2APIC);
	if (old == APIC_VIRTUAL_XAPIC)
		memory_zap_page(vcpu->vm, apic->access_gfn);
	apic->access_gfn = gfn;
	vcpu_request(vcpu, REQ_INTERCEPTS);
	vcpu_request(vcpu, REQ_EVENT);
}

/**
 * lapic_virtual_sync() - tell the processor what it is to deliver
 * @vcpu: the loaded vCPU, whose APIC is virtualized
 *
 * Context: interrupts off, before an entry, after anything has been posted or written.
 */
void lapic_virtual_sync(struct vcpu *vcpu)
{
	const struct ioapic *ioapic = vcpu->vm->irq.ioapic;
	struct lapic *apic = vcpu->apic;
	struct apic_sync sync;
	unsigned int i;

	lapic_take_posted(apic);
	sync.irr = max(lapic_highest(apic, APIC_IRR), 0);
	sync.isr = max(lapic_isr(apic), 0);
	for (i = 0; i < ARRAY_SIZE(sync.eoi_exits); i++) {
		u32 tmr = APIC_TMR + i * 0x20;

		sync.eoi_exits[i] = lapic_reg(apic, tmr) | (u64)lapic_reg(apic, tmr + 0x10) << 32;
		if (ioapic)
			sync.eoi_exits[i] |= READ_ONCE(ioapic->eoi_vectors[i]);
	}
	backend_sync_apic(vcpu, &sync);
}

/**
 * lapic_virtual_gfn() - are a virtualized xAPIC's registers in this frame?
 * @vcpu: the vCPU
 * @gfn: a frame that is in no slot
 */
bool lapic_virtual_gfn(struct vcpu *vcpu, gfn_t gfn)
{
	return vcpu->policy.apic == APIC_VIRTUAL_XAPIC && gfn == vcpu->apic->access_gfn;
}

/**
 * lapic_write_exit() - the guest has written a register whose meaning is ours
 * @vcpu: the vCPU; the register has the value as it was written, instruction done
 *
 * Return: RESUME_GUEST
 */
int lapic_write_exit(struct vcpu *vcpu)
{
	struct lapic *apic = vcpu->apic;
	u32 off = vcpu->exit.apic.offset & 0x3f0;

	if (apic->x2apic)
		lapic_x2_write(apic, off, lapic_reg(apic, off));
	else
		lapic_x1_write(apic, off, lapic_reg(apic, off));
	return RESUME_GUEST;
}

/**
 * lapic_eoi_exit() - the guest has ended an interrupt that somebody waits for
 * @vcpu: the vCPU; the vector has left ISR, instruction done
 *
 * Return: RESUME_GUEST
 */
int lapic_eoi_exit(struct vcpu *vcpu)
{
	lapic_eoi_effects(vcpu->apic, vcpu->exit.apic.vector);
	return RESUME_GUEST;
}
