// SPDX-License-Identifier: GPL-2.0
/*
 * The TPR of 32-bit guests, which have no CR8 to write it by. User space can hear of each access
 * (KVM_TPR_ACCESS_REPORTING), patch the guest's code to use a word of memory instead, and name that
 * word (KVM_SET_VAPIC_ADDR). The word's bytes are, from the lowest: TPR, written by the guest;
 * the class of the highest vector in service; 0; the highest vector pending. By the latter the
 * guest sees whether it has to call for an interrupt that its new TPR lets through.
 */
#include "../vmm.h"
#include "lapic.h"

#define VAPIC_ISR_SHIFT	8
#define VAPIC_IRR_SHIFT	24

/**
 * vapic_set_addr() - KVM_SET_VAPIC_ADDR
 * @vcpu: the vCPU
 * @addr: guest physical address of the word, 0: none
 *
 * Context: loaded.
 * Return: 0; -EINVAL: the APIC is not in the kernel, or there is no memory at @addr
 */
int vapic_set_addr(struct vcpu *vcpu, gpa_t addr)
{
	u32 word;

	if (!vcpu->apic)
		return -EINVAL;
	if (addr && memory_read(vcpu->vm, addr, &word, sizeof(word)))
		return -EINVAL;
	vcpu->vapic.addr = addr;
	return 0;
}

/**
 * vapic_publish() - write the word before the guest runs
 * @vcpu: its APIC has a word
 *
 * Memory that is gone meanwhile is no error: the guest did that to itself.
 *
 * Context: loaded, may sleep.
 */
void vapic_publish(struct vcpu *vcpu)
{
	struct lapic *apic = vcpu->apic;
	int irr = max(lapic_irr(apic), 0), isr = max(lapic_isr(apic), 0);
	u32 word;

	vcpu->vapic.tpr = lapic_reg(apic, APIC_TASKPRI);
	word = vcpu->vapic.tpr | (isr & 0xf0) << VAPIC_ISR_SHIFT | (u32)irr << VAPIC_IRR_SHIFT;
	memory_write(vcpu, vcpu->vapic.addr, &word, sizeof(word));
}

/**
 * vapic_collect() - adopt the TPR that the guest has written there
 * @vcpu: its APIC has a word, vapic_publish() came before the entry
 *
 * Context: loaded, may sleep.
 */
void vapic_collect(struct vcpu *vcpu)
{
	u8 tpr;

	/* A TPR that came by another way counts, too. */
	if (memory_read(vcpu->vm, vcpu->vapic.addr, &tpr, sizeof(tpr)) || tpr == vcpu->vapic.tpr)
		return;
	lapic_write_tpr(vcpu->apic, tpr);
}

/**
 * vapic_report_tpr() - KVM_TPR_ACCESS_REPORTING
 * @vcpu: the vCPU
 * @ctl: on or off
 *
 * Return: 0; -EINVAL: flags
 */
int vapic_report_tpr(struct vcpu *vcpu, const struct kvm_tpr_access_ctl *ctl)
{
	if (ctl->flags)
		return -EINVAL;
	vcpu->vapic.report = ctl->enabled;
	if (vcpu->apic)
		lapic_virtual_update(vcpu->apic);
	return 0;
}

/**
 * vapic_tpr_accessed() - an instruction touches the TPR of the APIC's page: report it
 * @vcpu: the loaded vCPU
 * @write: it writes
 *
 * The exit follows when the instruction is done, which may take exits of its own.
 */
void vapic_tpr_accessed(struct vcpu *vcpu, bool write)
{
	vcpu->vapic.rip = vcpu->state.rip;
	vcpu->vapic.written = write;
	vcpu_request(vcpu, REQ_TPR_ACCESS);
}

/**
 * vapic_tpr_exit() - answer REQ_TPR_ACCESS
 * @vcpu: the loaded vCPU
 *
 * Return: RESUME_USER
 */
int vapic_tpr_exit(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_TPR_ACCESS;
	run->tpr_access.rip = vcpu->vapic.rip;
	run->tpr_access.is_write = vcpu->vapic.written;
	return RESUME_USER;
}
