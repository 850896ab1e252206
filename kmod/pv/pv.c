// SPDX-License-Identifier: GPL-2.0
/* The MSRs of paravirtual features: who may use them, and where they lead. */
#include <linux/nospec.h>
#include <linux/vmm.h>

#include "../backend.h"
#include "hypercall.h"

/**
 * pv_allowed() - may the guest use a feature?
 * @vcpu: the vCPU
 * @feature: KVM_FEATURE_*
 *
 * CPUID says what is offered, and binds only where user space wants it so
 * (KVM_CAP_ENFORCE_PV_FEATURE_CPUID).
 */
bool pv_allowed(struct vcpu *vcpu, u32 feature)
{
	return !vcpu->pv.enforce || vcpu->cpuid.pv_features & BIT(feature);
}

static bool msr_feature(u32 msr, u32 *feature)
{
	static const u8 features[] = {
		KVM_FEATURE_CLOCKSOURCE2, KVM_FEATURE_CLOCKSOURCE2, KVM_FEATURE_ASYNC_PF,
		KVM_FEATURE_STEAL_TIME, KVM_FEATURE_PV_EOI, KVM_FEATURE_POLL_CONTROL,
		KVM_FEATURE_ASYNC_PF_INT, KVM_FEATURE_ASYNC_PF_INT,
	};
	u32 n = msr - MSR_KVM_WALL_CLOCK_NEW;

	*feature = KVM_FEATURE_CLOCKSOURCE;
	if (msr == MSR_KVM_WALL_CLOCK || msr == MSR_KVM_SYSTEM_TIME)
		return true;
	if (n >= ARRAY_SIZE(features))
		return false;
	*feature = features[array_index_nospec(n, ARRAY_SIZE(features))];
	return true;
}

/**
 * pv_reset() - RESET or INIT: nothing is written to the guest's memory any more
 * @vcpu: the vCPU
 */
void pv_reset(struct vcpu *vcpu)
{
	vcpu->pv.system_time = 0;
	vcpu->pv.steal_time = 0;
	vcpu->pv.eoi = 0;
	vcpu->pv.call_page = 0;
	vcpu->pv.poll_off = false;
	apf_reset(vcpu);
	WRITE_ONCE(vcpu->pv.kicked, false);
}

/**
 * pv_msr_read() - RDMSR, KVM_GET_MSRS of a paravirtual MSR
 * @vcpu: the vCPU, loaded
 * @msr: its number
 * @val: the value
 * @host: user space asks
 *
 * Return: 0; 1: #GP(0); -ENOENT: not one of them
 */
int pv_msr_read(struct vcpu *vcpu, u32 msr, u64 *val, bool host)
{
	u32 feature;

	if (msr == MSR_VMM_HYPERCALL_PAGE) {
		*val = vcpu->pv.call_page;
		return !host && !READ_ONCE(vcpu->vm->policy.own_calls);
	}
	if (!msr_feature(msr, &feature))
		return -ENOENT;
	if (!host && !pv_allowed(vcpu, feature))
		return 1;
	switch (msr) {
	case MSR_KVM_WALL_CLOCK:
	case MSR_KVM_WALL_CLOCK_NEW:
		*val = READ_ONCE(vcpu->vm->clock.wall);
		return 0;
	case MSR_KVM_ASYNC_PF_EN:
		*val = vcpu->pv.apf_en;
		return 0;
	case MSR_KVM_ASYNC_PF_INT:
		*val = vcpu->pv.apf_vector;
		return 0;
	case MSR_KVM_ASYNC_PF_ACK:
		*val = 0;
		return 0;
	case MSR_KVM_STEAL_TIME:
		*val = vcpu->pv.steal_time;
		return 0;
	case MSR_KVM_PV_EOI_EN:
		*val = vcpu->pv.eoi;
		return 0;
	case MSR_KVM_POLL_CONTROL:
		*val = !vcpu->pv.poll_off;
		return 0;
	default:
		*val = vcpu->pv.system_time;
		return 0;
	}
}

/**
 * pv_msr_write() - WRMSR, KVM_SET_MSRS of a paravirtual MSR
 * @vcpu: the vCPU, loaded
 * @msr: its number
 * @val: the value
 * @host: user space writes
 *
 * Return: 0; 1: #GP(0), a reserved bit; -ENOENT: not one of them
 */
int pv_msr_write(struct vcpu *vcpu, u32 msr, u64 val, bool host)
{
	u32 feature;

	if (msr == MSR_VMM_HYPERCALL_PAGE)
		return own_page_set(vcpu, val, host);
	if (!msr_feature(msr, &feature))
		return -ENOENT;
	if (!host && !pv_allowed(vcpu, feature))
		return 1;
	switch (msr) {
	case MSR_KVM_WALL_CLOCK:
	case MSR_KVM_WALL_CLOCK_NEW:
		WRITE_ONCE(vcpu->vm->clock.wall, val);
		if (val)
			clock_wall_write(vcpu, val);
		return 0;
	case MSR_KVM_SYSTEM_TIME:
	case MSR_KVM_SYSTEM_TIME_NEW:
		clock_page_set(vcpu, val);
		return 0;
	case MSR_KVM_ASYNC_PF_EN:
		return apf_enable(vcpu, val, host);
	case MSR_KVM_ASYNC_PF_INT:
		if (val & ~KVM_ASYNC_PF_VEC_MASK)
			return 1;
		vcpu->pv.apf_vector = val;
		return 0;
	case MSR_KVM_ASYNC_PF_ACK:
		apf_ack(vcpu, val);
		return 0;
	case MSR_KVM_PV_EOI_EN:
		if (val & 2)
			return 1;
		vcpu->pv.eoi = val;
		return 0;
	case MSR_KVM_POLL_CONTROL:
		if (val & ~1ull)
			return 1;
		vcpu->pv.poll_off = !val;
		return 0;
	default:
		if (val & KVM_STEAL_RESERVED_MASK)
			return 1;
		vcpu->pv.steal_time = val;
		vcpu_request(vcpu, REQ_STEAL);
		return 0;
	}
}
