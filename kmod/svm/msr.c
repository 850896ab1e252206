// SPDX-License-Identifier: GPL-2.0
/* The MSR permission map, and the MSRs that live in the VMCB or in the entry's hands. */
#include <linux/bitops.h>
#include <asm/cpufeature.h>
#include <asm/msr-index.h>

#include "svm.h"

/**
 * svm_msrpm_bit() - where an MSR stands in the permission map (APM vol. 2, 15.11)
 * @msr: its number
 *
 * Return: number of the bit that intercepts reads, the next one intercepts writes; -1: the map does
 * not cover this MSR, it is always intercepted
 */
int svm_msrpm_bit(u32 msr)
{
	static const u32 ranges[] = { 0, 0xc0000000, 0xc0010000 };
	int i;

	for (i = 0; i < ARRAY_SIZE(ranges); i++) {
		if (msr - ranges[i] < 0x2000)
			return (i * 0x2000 + (msr - ranges[i])) * 2;
	}
	return -1;
}
EXPORT_FOR_TEST(svm_msrpm_bit);

/**
 * svm_msr_intercept() - intercept an MSR, or let the guest at it
 * @vcpu: the vCPU
 * @msr: its number
 * @rd: intercept reads
 * @wr: intercept writes
 *
 * Context: under creation, or loaded
 */
void svm_msr_intercept(struct vcpu *vcpu, u32 msr, bool rd, bool wr)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	int bit = svm_msrpm_bit(msr);

	if (bit < 0)
		return;
	__assign_bit(bit, svm->msrpm, rd);
	__assign_bit(bit + 1, svm->msrpm, wr);
	svm_mark_written(svm, CLEAN_PERM_MAP);
}

static u64 *svm_spec_ctrl(struct svm_vcpu *svm)
{
	return svm_has.v_spec_ctrl ? &svm->vmcb->save.spec_ctrl : &svm->entry.guest_spec;
}

/* The field of an MSR, or NULL; read-only ones too. */
static u64 *svm_msr_field(struct svm_vcpu *svm, u32 msr)
{
	struct vmcb_save *v = &svm->vmcb->save;

	if (msr == MSR_IA32_SPEC_CTRL)
		return svm_spec_ctrl(svm);
	if (!svm_has.lbrv)
		return NULL;
	switch (msr) {
	case MSR_IA32_DEBUGCTLMSR: return &v->debugctl;
	case MSR_IA32_LASTBRANCHFROMIP: return &v->br_from;
	case MSR_IA32_LASTBRANCHTOIP: return &v->br_to;
	case MSR_IA32_LASTINTFROMIP: return &v->last_excp_from;
	case MSR_IA32_LASTINTTOIP: return &v->last_excp_to;
	default: return NULL;
	}
}

/**
 * svm_get_msr() - read an MSR that the backend holds
 * @vcpu: the vCPU
 * @msr: its number
 * @val: the value
 *
 * Context: loaded
 * Return: 0; -ENOENT: it is none of the backend's
 */
int svm_get_msr(struct vcpu *vcpu, u32 msr, u64 *val)
{
	const u64 *field = svm_msr_field(to_svm(vcpu), msr);

	if (!field)
		return -ENOENT;
	*val = *field;
	return 0;
}

/**
 * svm_set_msr() - write an MSR that the backend holds
 * @vcpu: the vCPU
 * @msr: its number
 * @val: the value; the core has checked it, and asks for SPEC_CTRL only where the host has it
 *
 * Last branch records cost nothing while the guest has DEBUGCTL clear: their switching is on only
 * when it is not (APM vol. 2, 15.23).
 *
 * Context: loaded
 * Return: 0; -ENOENT: it is none of the backend's
 */
int svm_set_msr(struct vcpu *vcpu, u32 msr, u64 val)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	u64 *field = svm_msr_field(svm, msr);

	if (!field)
		return -ENOENT;
	*field = val;
	if (msr == MSR_IA32_SPEC_CTRL)
		return 0;
	svm->vmcb->control.lbr_ctl = svm->vmcb->save.debugctl ? LBR_ENABLE : 0;
	svm_mark_written(svm, CLEAN_LBR);
	return 0;
}
