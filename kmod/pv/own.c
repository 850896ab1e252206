// SPDX-License-Identifier: GPL-2.0
/* Our own hypercalls, for guests that are made for them: <linux/vmm.h> describes each. */
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/vmm.h>
#include <uapi/linux/kvm_para.h>

#include "../backend.h"
#include "../run.h"
#include "hypercall.h"

/**
 * own_call() - which of the calls that this VM has is it?
 * @vcpu: the vCPU
 * @nr: number of a hypercall
 *
 * Return: VMM_HC_*, or -1
 */
int own_call(const struct vcpu *vcpu, u64 nr)
{
	u64 call = nr - VMM_HC(0);

	return call < VMM_HC_CALLS && READ_ONCE(vcpu->vm->policy.own_calls) & BIT(call) ? call : -1;
}

/**
 * own_hypercall() - one that is served here
 * @vcpu: the vCPU
 * @call: VMM_HC_*, not of VMM_HC_USER_MASK
 * @arg: its first argument
 *
 * Return: the result for the guest
 */
long own_hypercall(struct vcpu *vcpu, int call, u64 arg)
{
	struct kvm_clock_data clock;

	switch (call) {
	case VMM_HC_QUERY:
		return VMM_HC_VERSION << 24 | READ_ONCE(vcpu->vm->policy.own_calls);
	case VMM_HC_YIELD:
		halt_yield(vcpu);
		schedule();
		return 0;
	default:
		clock_get(vcpu->vm, &clock);
		return memory_write(vcpu, arg, &clock.clock, sizeof(clock.clock)) ? -EFAULT : 0;
	}
}

/**
 * own_page_set() - MSR_VMM_HYPERCALL_PAGE
 * @vcpu: the vCPU
 * @val: address and VMM_HYPERCALL_PAGE_ON
 * @host: user space restores it: the memory has the code already, or will have
 *
 * Return: 0; 1: #GP(0): a reserved bit, no memory there, or the VM has no calls
 */
int own_page_set(struct vcpu *vcpu, u64 val, bool host)
{
	/* VMMCALL or VMCALL; RET */
	static const u8 amd[] = { 0x0f, 0x01, 0xd9, 0xc3 }, intel[] = { 0x0f, 0x01, 0xc1, 0xc3 };
	const u8 *code = boot_cpu_data.x86_vendor == X86_VENDOR_INTEL ? intel : amd;

	if (val & ~PAGE_MASK & ~(u64)VMM_HYPERCALL_PAGE_ON)
		return 1;
	if (!host && (!READ_ONCE(vcpu->vm->policy.own_calls) ||
		      (val & VMM_HYPERCALL_PAGE_ON &&
		       memory_write(vcpu, val & PAGE_MASK, code, sizeof(amd)))))
		return 1;
	vcpu->pv.call_page = val;
	return 0;
}
