// SPDX-License-Identifier: GPL-2.0
/* Registers that KVM_RUN takes from struct kvm_run and leaves there (api.rst, kvm_valid_regs). */
#include "cpu/cpu.h"
#include "run.h"

/* User space may write the shared page meanwhile: what is checked is a copy. */
static int sync_in_sregs(struct vcpu *vcpu)
{
	struct kvm_sregs sregs = vcpu->run->s.regs.sregs;

	barrier();
	return sregs_set(vcpu, &sregs);
}

static int sync_in_events(struct vcpu *vcpu)
{
	struct kvm_vcpu_events events = vcpu->run->s.regs.events;

	barrier();
	return events_set(vcpu, &events);
}

/**
 * sync_regs_in() - take over the registers that user space has marked
 * @vcpu: the vCPU, loaded
 *
 * Return: 0; -EINVAL: unknown bits in kvm_valid_regs or kvm_dirty_regs, or what the ioctl for these
 * registers would refuse
 */
int sync_regs_in(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	u64 dirty = READ_ONCE(run->kvm_dirty_regs);
	int err = 0;

	if ((READ_ONCE(run->kvm_valid_regs) | dirty) & ~(u64)KVM_SYNC_X86_VALID_FIELDS)
		return -EINVAL;
	if (dirty & KVM_SYNC_X86_REGS)
		err = regs_set(vcpu, &run->s.regs.regs);
	if (!err && (dirty & KVM_SYNC_X86_SREGS))
		err = sync_in_sregs(vcpu);
	if (!err && (dirty & KVM_SYNC_X86_EVENTS))
		err = sync_in_events(vcpu);
	if (dirty && !err)
		WRITE_ONCE(run->kvm_dirty_regs, 0);
	return err;
}

/**
 * sync_regs_out() - leave the registers that user space wants in struct kvm_run
 * @vcpu: the vCPU, loaded
 */
void sync_regs_out(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	u64 wanted = READ_ONCE(run->kvm_valid_regs);

	if (wanted & KVM_SYNC_X86_REGS)
		regs_get(vcpu, &run->s.regs.regs);
	if (wanted & KVM_SYNC_X86_SREGS)
		sregs_get(vcpu, &run->s.regs.sregs);
	if (wanted & KVM_SYNC_X86_EVENTS)
		events_get(vcpu, &run->s.regs.events);
}
