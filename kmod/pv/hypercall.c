// SPDX-License-Identifier: GPL-2.0
/* The dispatcher of hypercalls. None is offered yet: each is advertised when it is there. */
#include <uapi/linux/kvm_para.h>

#include "../backend.h"
#include "../trace.h"
#include "hypercall.h"

int hypercall_exit(struct vcpu *vcpu)
{
	struct vcpu_state *state = &vcpu->state;
	long ret = -KVM_ENOSYS;

	vcpu->stats.hypercalls++;
	trace_vmm_hypercall(vcpu, state->gpr[REG_RAX], state->gpr[REG_RBX], state->gpr[REG_RCX]);
	/* A guest's user programs are not its kernel. */
	if (state->cpl)
		ret = -KVM_EPERM;
	else if (state->gpr[REG_RAX] == KVM_HC_VAPIC_POLL_IRQ)
		ret = 0;
	state->gpr[REG_RAX] = ret;
	if (!(state_code(vcpu)->seg[SEG_CS].attr & SEG_L))
		state->gpr[REG_RAX] = (u32)ret;
	return dispatch_skip(vcpu);
}
