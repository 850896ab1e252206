// SPDX-License-Identifier: GPL-2.0
/* Steal time: how long this vCPU wanted to run and did not (virt/kvm/x86/msr.rst). */
#include <linux/sched.h>

#include "../backend.h"

/**
 * steal_arrive() - the vCPU's thread comes onto a processor
 * @vcpu: the vCPU
 *
 * Context: preemption off.
 */
void steal_arrive(struct vcpu *vcpu)
{
	if ((vcpu->pv.steal_time & KVM_MSR_ENABLED) &&
	    current->sched_info.run_delay != vcpu->pv.run_delay)
		vcpu_request(vcpu, REQ_STEAL);
}

/**
 * steal_update() - add what was stolen since the last time
 * @vcpu: the vCPU, its thread is current
 */
void steal_update(struct vcpu *vcpu)
{
	gpa_t gpa = vcpu->pv.steal_time & ~(u64)(KVM_STEAL_RESERVED_MASK | KVM_MSR_ENABLED);
	u64 delay = current->sched_info.run_delay, stolen = 0;
	struct kvm_steal_time st;

	if (vcpu->pv.runner == current)
		stolen = delay - vcpu->pv.run_delay;
	vcpu->pv.runner = current;
	vcpu->pv.run_delay = delay;
	if (!(vcpu->pv.steal_time & KVM_MSR_ENABLED) ||
	    memory_read(vcpu->vm, gpa, &st, offsetof(struct kvm_steal_time, pad)))
		return;
	/* Odd while it changes. */
	st.version = (st.version | 1) + 2;
	memory_write(vcpu, gpa + offsetof(struct kvm_steal_time, version), &st.version,
		     sizeof(st.version));
	st.steal += stolen;
	memory_write(vcpu, gpa, &st.steal, sizeof(st.steal));
	st.version++;
	memory_write(vcpu, gpa + offsetof(struct kvm_steal_time, version), &st.version,
		     sizeof(st.version));
}
