// SPDX-License-Identifier: GPL-2.0
/* The dispatcher of hypercalls: each that is there is advertised (virt/kvm/x86/hypercalls.rst). */
#include <uapi/linux/kvm_para.h>

#include "../backend.h"
#include "../run.h"
#include "../trace.h"
#include "hypercall.h"

/* The guest waits for another vCPU, which had an interrupt sent to it while it was preempted. */
static long sched_yield_to(struct vcpu *vcpu, u32 id)
{
	struct vcpu *target = vm_vcpu_by_id(vcpu->vm, id);

	if (target && target != vcpu && READ_ONCE(target->preempted))
		halt_yield_to(target);
	return 0;
}

static long hypercall(struct vcpu *vcpu, u64 nr, u64 a0)
{
	/* A guest's user programs are not its kernel. */
	if (vcpu->state.cpl)
		return -KVM_EPERM;
	if (nr == KVM_HC_VAPIC_POLL_IRQ)
		return 0;
	if (nr == KVM_HC_SCHED_YIELD && pv_allowed(vcpu, KVM_FEATURE_PV_SCHED_YIELD))
		return sched_yield_to(vcpu, a0);
	return -KVM_ENOSYS;
}

int hypercall_exit(struct vcpu *vcpu)
{
	struct vcpu_state *state = &vcpu->state;
	long ret;

	vcpu->stats.hypercalls++;
	trace_vmm_hypercall(vcpu, state->gpr[REG_RAX], state->gpr[REG_RBX], state->gpr[REG_RCX]);
	ret = hypercall(vcpu, state->gpr[REG_RAX], state->gpr[REG_RBX]);
	state->gpr[REG_RAX] = ret;
	if (!(state_code(vcpu)->seg[SEG_CS].attr & SEG_L))
		state->gpr[REG_RAX] = (u32)ret;
	return dispatch_skip(vcpu);
}
