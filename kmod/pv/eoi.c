// SPDX-License-Identifier: GPL-2.0
/*
 * The end of an interrupt without an exit (virt/kvm/x86/msr.rst, MSR_KVM_EOI_EN): a bit in the
 * guest's memory says that nobody waits for the EOI, and the guest clears it instead of writing
 * the register.
 *
 * The bit is set only when an interrupt is taken, and taken back after the very next exit, so that
 * everywhere else the APIC's registers are the truth. A processor that virtualizes the APIC has no
 * use for it.
 */
#include "../backend.h"

static gpa_t eoi_gpa(const struct vcpu *vcpu)
{
	return vcpu->pv.eoi & ~(u64)KVM_MSR_ENABLED;
}

/**
 * eoi_offer() - nobody waits for the EOI of the interrupt that was just taken
 * @vcpu: the vCPU, about to enter
 *
 * Context: interrupts may be off.
 */
void eoi_offer(struct vcpu *vcpu)
{
	u8 flag = KVM_PV_EOI_ENABLED;

	vcpu->events.eoi_offered = !memory_write_atomic(vcpu, eoi_gpa(vcpu), &flag, sizeof(flag));
}

/**
 * eoi_collect() - take the offer back; where the guest has used it, that was its EOI
 * @vcpu: the vCPU, right after an exit or an entry that was called off
 *
 * Memory that is gone meanwhile is the guest's own loss: it has to write the register.
 */
void eoi_collect(struct vcpu *vcpu)
{
	u8 flag;

	vcpu->events.eoi_offered = false;
	if (memory_read_atomic(vcpu->vm, eoi_gpa(vcpu), &flag, sizeof(flag)) != sizeof(flag) &&
	    memory_read(vcpu->vm, eoi_gpa(vcpu), &flag, sizeof(flag)))
		return;
	if (!(flag & KVM_PV_EOI_ENABLED)) {
		vcpu->stats.pv_eoi++;
		lapic_pv_eoi(vcpu);
		return;
	}
	flag &= ~KVM_PV_EOI_ENABLED;
	memory_write(vcpu, eoi_gpa(vcpu), &flag, sizeof(flag));
}
