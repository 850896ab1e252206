// SPDX-License-Identifier: GPL-2.0
/* Steal time: how long this vCPU wanted to run and did not (virt/kvm/x86/msr.rst). */
#include <linux/sched.h>

#include "../backend.h"

/* What the scheduler and the VM's limits have kept from this vCPU. */
static u64 steal_clock(const struct vcpu *vcpu)
{
	return current->sched_info.run_delay + vcpu->limit.waited;
}

/**
 * steal_arrive() - the vCPU's thread comes onto a processor
 * @vcpu: the vCPU
 *
 * Context: preemption off.
 */
void steal_arrive(struct vcpu *vcpu)
{
	if ((vcpu->pv.steal_time & KVM_MSR_ENABLED) &&
	    steal_clock(vcpu) != vcpu->pv.run_delay)
		vcpu_request(vcpu, REQ_STEAL);
}

/**
 * steal_thread() - another thread runs a vCPU from now on
 * @vcpu: the vCPU, the thread is current
 *
 * What it has waited for before was not this vCPU's time.
 */
void steal_thread(struct vcpu *vcpu)
{
	vcpu->pv.run_delay = steal_clock(vcpu);
}

static gpa_t steal_gpa(const struct vcpu *vcpu, size_t member)
{
	return (vcpu->pv.steal_time & KVM_STEAL_VALID_BITS) + member;
}

/**
 * steal_away() - tell the guest's other vCPUs that this one will not run for a while
 * @vcpu: the vCPU, between two instructions: none is half done whose addresses are translated
 *	already, so that a flush of its TLB may wait until it returns
 */
void steal_away(struct vcpu *vcpu)
{
	u64 none = 0;

	if (!(vcpu->pv.steal_time & KVM_MSR_ENABLED))
		return;
	/* It may not have been back since the last time: a note beside the mark stays. */
	memory_cmpxchg(vcpu, steal_gpa(vcpu, offsetof(struct kvm_steal_time, preempted)), &none,
		       KVM_VCPU_PREEMPTED, sizeof(u8));
	vcpu_request(vcpu, REQ_STEAL);
}

/*
 * It runs again. Whoever finds the mark gone sends an interrupt to flush its TLB; whoever found it
 * has left a note beside it.
 */
static void steal_back(struct vcpu *vcpu)
{
	gpa_t gpa = steal_gpa(vcpu, offsetof(struct kvm_steal_time, preempted));
	u64 found = KVM_VCPU_PREEMPTED;
	const u8 none = 0;

	if (memory_cmpxchg(vcpu, gpa, &found, none, sizeof(none)) != -EAGAIN)
		return;
	/* Notes that come in between are covered by the flush, which is done after this. */
	memory_write(vcpu, gpa, &none, sizeof(none));
	vcpu_request(vcpu, REQ_TLB_FLUSH_GUEST);
	if (found & KVM_VCPU_FLUSH_TLB)
		vcpu->stats.pv_tlb_flush++;
}

/* An odd version says that the rest is about to change, an even one that it has. */
static void steal_version(struct vcpu *vcpu, u32 version)
{
	memory_write(vcpu, steal_gpa(vcpu, offsetof(struct kvm_steal_time, version)), &version,
		     sizeof(version));
}

/**
 * steal_update() - add what was stolen since the last time
 * @vcpu: the vCPU, its thread is current
 */
void steal_update(struct vcpu *vcpu)
{
	u64 delay = steal_clock(vcpu), stolen = delay - vcpu->pv.run_delay;
	struct kvm_steal_time st;

	vcpu->pv.run_delay = delay;
	if (!(vcpu->pv.steal_time & KVM_MSR_ENABLED) ||
	    memory_read(vcpu->vm, steal_gpa(vcpu, 0), &st, offsetof(struct kvm_steal_time, pad)))
		return;
	if (st.preempted)
		steal_back(vcpu);
	if (!stolen && st.version && !(st.version & 1))
		return;
	st.version = (st.version | 1) + 2;
	steal_version(vcpu, st.version);
	st.steal += stolen;
	memory_write(vcpu, steal_gpa(vcpu, 0), &st.steal, sizeof(st.steal));
	steal_version(vcpu, st.version + 1);
}
