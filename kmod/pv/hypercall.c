// SPDX-License-Identifier: GPL-2.0
/* The dispatcher of hypercalls: each that is there is advertised (virt/kvm/x86/hypercalls.rst). */
#include <linux/mm.h>
#include <uapi/linux/kvm_para.h>

#include "../backend.h"
#include "../interp/interp.h"
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
	if (!state_code64(state_code(vcpu)))
		state->gpr[REG_RAX] = (u32)ret;
	return dispatch_skip(vcpu);
}

/**
 * hypercall_fix() - put a hypercall right that is the other vendor's instruction
 * @vcpu: the vCPU; the instruction at RIP is #UD
 *
 * A guest may have chosen VMCALL or VMMCALL by another processor's CPUID. Not for user programs,
 * not where the guest itself could not write, and not with KVM_X86_QUIRK_FIX_HYPERCALL_INSN
 * switched off.
 *
 * Return: true: it is this processor's instruction now
 */
bool hypercall_fix(struct vcpu *vcpu)
{
	static const u8 vmcall[] = { 0x0f, 0x01, 0xc1 }, vmmcall[] = { 0x0f, 0x01, 0xd9 };
	bool intel = boot_cpu_data.x86_vendor == X86_VENDOR_INTEL;
	bool writeable = false, user;
	u8 insn[sizeof(vmcall)];
	gpa_t gpa;

	if (vcpu->state.cpl ||
	    vcpu->vm->policy.disabled_quirks & KVM_X86_QUIRK_FIX_HYPERCALL_INSN)
		return false;
	gpa = interp_translate(vcpu, state_linear_rip(state_code(vcpu)), &writeable, &user);
	if (gpa == INVALID_GPA || !writeable || offset_in_page(gpa) > PAGE_SIZE - sizeof(insn) ||
	    memory_read(vcpu->vm, gpa, insn, sizeof(insn)) ||
	    memcmp(insn, intel ? vmmcall : vmcall, sizeof(insn)))
		return false;
	return !memory_write(vcpu, gpa, intel ? vmcall : vmmcall, sizeof(insn));
}
