// SPDX-License-Identifier: GPL-2.0
/* The dispatcher of hypercalls: each that is there is advertised (virt/kvm/x86/hypercalls.rst). */
#include <linux/mm.h>
#include <linux/vmm.h>
#include <uapi/linux/kvm_para.h>

#include "../backend.h"
#include "../interp/interp.h"
#include "../run.h"
#include "../trace.h"
#include "hypercall.h"

/* The arguments in their order; without 64-bit code only their lower halves are. */
static void hypercall_args(struct vcpu *vcpu, u64 *nr, u64 *arg)
{
	const u64 *gpr = vcpu->state.gpr;
	u64 mask = state_code64(state_code(vcpu)) ? ~0ull : U32_MAX;

	*nr = gpr[REG_RAX] & mask;
	arg[0] = gpr[REG_RBX] & mask;
	arg[1] = gpr[REG_RCX] & mask;
	arg[2] = gpr[REG_RDX] & mask;
	arg[3] = gpr[REG_RSI] & mask;
}

/* The guest waits for another vCPU, which had an interrupt sent to it while it was preempted. */
static void yield_to_target(struct vcpu *vcpu, struct vcpu *target)
{
	if (target != vcpu && READ_ONCE(target->preempted) && halt_yield_to(target))
		vcpu->stats.pv_yield++;
}

static long sched_yield_to(struct vcpu *vcpu, u32 id)
{
	struct vcpu *target = vm_vcpu_by_id(vcpu->vm, id);

	if (target)
		yield_to_target(vcpu, target);
	return 0;
}

static long kick_cpu(struct vcpu *vcpu, u32 id)
{
	struct vcpu *target = vm_vcpu_by_id(vcpu->vm, id);

	if (!target)
		return 0;
	vcpu->stats.pv_kick++;
	halt_kick(target);
	yield_to_target(vcpu, target);
	return 0;
}

static long send_ipi(struct vcpu *vcpu, const u64 *arg)
{
	unsigned long set[2] = { arg[0], arg[1] };
	int sent;

	if (!vcpu->apic)
		return -KVM_EOPNOTSUPP;
	if (!state_code64(state_code(vcpu))) {
		set[0] |= set[1] << 32;
		set[1] = 0;
	}
	if (arg[2] > VMM_MAX_VCPU_ID)
		return 0;
	sent = lapic_send_ipis(vcpu, set, arg[2], arg[3]);
	if (sent < 0)
		return -KVM_EINVAL;
	vcpu->stats.pv_ipi++;
	return sent;
}

static long hypercall(struct vcpu *vcpu, u64 nr, const u64 *arg)
{
	if (nr == KVM_HC_VAPIC_POLL_IRQ)
		return 0;
	if (nr == KVM_HC_SEND_IPI && pv_allowed(vcpu, KVM_FEATURE_PV_SEND_IPI))
		return send_ipi(vcpu, arg);
	if (nr == KVM_HC_KICK_CPU && pv_allowed(vcpu, KVM_FEATURE_PV_UNHALT))
		return kick_cpu(vcpu, arg[1]);
	if (nr == KVM_HC_SCHED_YIELD && pv_allowed(vcpu, KVM_FEATURE_PV_SCHED_YIELD))
		return sched_yield_to(vcpu, arg[0]);
	if (nr == KVM_HC_CLOCK_PAIRING)
		return clock_pairing(vcpu, arg[0], arg[1]);
	return -KVM_ENOSYS;
}

static int hypercall_done(struct vcpu *vcpu, long ret)
{
	vcpu->state.gpr[REG_RAX] = state_code64(state_code(vcpu)) ? ret : (u32)ret;
	return dispatch_skip(vcpu);
}

/* ---- hypercalls that user space serves (KVM_CAP_EXIT_HYPERCALL) ---- */

static int complete_user_hypercall(struct vcpu *vcpu)
{
	return hypercall_done(vcpu, vcpu->run->hypercall.ret);
}

static int exit_to_user(struct vcpu *vcpu, u64 nr, const u64 *arg, unsigned int args)
{
	struct kvm_run *run = vcpu->run;

	memset(&run->hypercall, 0, sizeof(run->hypercall));
	run->exit_reason = KVM_EXIT_HYPERCALL;
	run->hypercall.nr = nr;
	memcpy(run->hypercall.args, arg, args * sizeof(*arg));
	compat_hypercall_longmode(run, state_code64(state_code(vcpu)));
	vcpu->complete = complete_user_hypercall;
	return RESUME_USER;
}

static bool hypercall_is_users(struct vcpu *vcpu, u64 nr)
{
	return nr == KVM_HC_MAP_GPA_RANGE && pv_allowed(vcpu, KVM_FEATURE_HC_MAP_GPA_RANGE) &&
	       READ_ONCE(vcpu->vm->policy.user_hypercalls) & BIT(KVM_HC_MAP_GPA_RANGE);
}

static int map_gpa_range(struct vcpu *vcpu, u64 nr, const u64 *arg)
{
	gfn_t gfn = arg[0] >> PAGE_SHIFT;

	if (offset_in_page(arg[0]) || !arg[1] || gfn + arg[1] <= gfn)
		return hypercall_done(vcpu, -KVM_EINVAL);
	return exit_to_user(vcpu, nr, arg, 3);
}

static int own_exit(struct vcpu *vcpu, int call, u64 nr, const u64 *arg)
{
	vcpu->stats.own_hypercalls++;
	if (VMM_HC_USER_MASK & BIT(call))
		return exit_to_user(vcpu, nr, arg, 4);
	return hypercall_done(vcpu, own_hypercall(vcpu, call, arg[0]));
}

int hypercall_exit(struct vcpu *vcpu)
{
	u64 nr, arg[4];
	int own;

	hypercall_args(vcpu, &nr, arg);
	vcpu->stats.hypercalls++;
	trace_vmm_hypercall(vcpu, nr, arg[0], arg[1]);
	/* A guest's user programs are not its kernel. */
	if (vcpu->state.cpl)
		return hypercall_done(vcpu, -KVM_EPERM);
	if (unlikely(hypercall_is_users(vcpu, nr)))
		return map_gpa_range(vcpu, nr, arg);
	own = own_call(vcpu, nr);
	if (own >= 0)
		return own_exit(vcpu, own, nr, arg);
	return hypercall_done(vcpu, hypercall(vcpu, nr, arg));
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
	struct interp_walk walk;
	u8 insn[sizeof(vmcall)];

	if (vcpu->state.cpl ||
	    vcpu->vm->policy.disabled_quirks & KVM_X86_QUIRK_FIX_HYPERCALL_INSN)
		return false;
	if (interp_translate(vcpu, state_linear_rip(state_code(vcpu)), &walk) || !walk.writeable ||
	    offset_in_page(walk.gpa) > PAGE_SIZE - sizeof(insn) ||
	    memory_read(vcpu->vm, walk.gpa, insn, sizeof(insn)) ||
	    memcmp(insn, intel ? vmmcall : vmcall, sizeof(insn)))
		return false;
	return !memory_write(vcpu, walk.gpa, intel ? vmcall : vmmcall, sizeof(insn));
}
