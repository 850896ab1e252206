// SPDX-License-Identifier: GPL-2.0
/*
 * The MSR bitmap, the MSRs that live in the VMCS or in the entry's hands, and those that are
 * switched when the vCPU is loaded and put: the host uses them on its way from and to user space
 * only, never between two entries.
 */
#include <linux/bitops.h>
#include <linux/preempt.h>
#include <linux/string.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>

#include "vmx.h"

#define BITMAP_WRITE	0x4000	/* bits for writes follow those for reads */

static const u32 vmx_switched_msrs[SWITCH_COUNT] = {
	[SWITCH_STAR] = MSR_STAR,
	[SWITCH_LSTAR] = MSR_LSTAR,
	[SWITCH_SFMASK] = MSR_SYSCALL_MASK,
	[SWITCH_KERNEL_GS_BASE] = MSR_KERNEL_GS_BASE,
};

static u64 host_msrs[SWITCH_KERNEL_GS_BASE];	/* read-only after probe */

/* ---- the bitmap ---- */

/**
 * vmx_msr_bitmap_bit() - where an MSR stands in the bitmap (SDM vol. 3C, 25.6.9)
 * @msr: its number
 *
 * Return: number of the bit that intercepts reads, the one for writes is 0x4000 later; -1: the
 * bitmap does not cover this MSR, it is always intercepted
 */
int vmx_msr_bitmap_bit(u32 msr)
{
	if (msr < 0x2000)
		return msr;
	if (msr - 0xc0000000 < 0x2000)
		return 0x2000 + (msr - 0xc0000000);
	return -1;
}
EXPORT_FOR_TEST(vmx_msr_bitmap_bit);

/**
 * vmx_msr_intercept() - intercept an MSR, or let the guest at it
 * @vcpu: the vCPU
 * @msr: its number
 * @rd: intercept reads
 * @wr: intercept writes
 *
 * Writes of the system call MSRs always exit: they are rare, and their values so always at hand.
 * CSTAR is in no processor of Intel's: vcpu->state has it.
 *
 * Context: under creation, or loaded
 */
void vmx_msr_intercept(struct vcpu *vcpu, u32 msr, bool rd, bool wr)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	int bit = vmx_msr_bitmap_bit(msr);

	if (bit < 0)
		return;
	if (msr == MSR_STAR || msr == MSR_LSTAR || msr == MSR_CSTAR || msr == MSR_SYSCALL_MASK)
		wr = true;
	if (msr == MSR_CSTAR)
		rd = true;
	__assign_bit(bit, vmx->msr_bitmap, rd);
	__assign_bit(bit + BITMAP_WRITE, vmx->msr_bitmap, wr);
}
EXPORT_FOR_TEST(vmx_msr_intercept);

/**
 * vmx_msrs_init() - the bitmap of a new vCPU intercepts everything
 * @vcpu: the vCPU, under creation
 */
void vmx_msrs_init(struct vcpu *vcpu)
{
	memset(to_vmx(vcpu)->msr_bitmap, 0xff, PAGE_SIZE);
}
EXPORT_FOR_TEST(vmx_msrs_init);

/* ---- MSRs of the VMCS and of the entry ---- */

/**
 * vmx_get_msr() - read an MSR that the backend holds
 * @vcpu: the vCPU
 * @msr: its number
 * @val: the value
 *
 * Context: loaded
 * Return: 0; -ENOENT: it is none of the backend's
 */
int vmx_get_msr(struct vcpu *vcpu, u32 msr, u64 *val)
{
	if (msr == MSR_IA32_SPEC_CTRL) {
		*val = to_vmx(vcpu)->entry.guest_spec;
		return 0;
	}
	if (msr == MSR_IA32_DEBUGCTLMSR) {
		*val = vmcs_read(GUEST_DEBUGCTL) | (vcpu->msrs.debugctl & DEBUGCTLMSR_LBR);
		return 0;
	}
	return -ENOENT;
}

/**
 * vmx_set_msr() - write an MSR that the backend holds
 * @vcpu: the vCPU
 * @msr: its number
 * @val: the value; the core has checked it, and asks for SPEC_CTRL only where the host has it
 *
 * Last branch records are the host's: of DEBUGCTL only BTF reaches the processor.
 *
 * Context: loaded
 * Return: 0; -ENOENT: it is none of the backend's
 */
int vmx_set_msr(struct vcpu *vcpu, u32 msr, u64 val)
{
	if (msr == MSR_IA32_SPEC_CTRL) {
		to_vmx(vcpu)->entry.guest_spec = val;
		return 0;
	}
	if (msr == MSR_IA32_DEBUGCTLMSR) {
		vmcs_write(GUEST_DEBUGCTL, val & DEBUGCTLMSR_BTF);
		return 0;
	}
	return -ENOENT;
}

/* ---- MSRs switched by hand ---- */

/**
 * vmx_msr_setup() - learn the host's system call MSRs, which are the same on every processor
 */
void vmx_msr_setup(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(host_msrs); i++)
		rdmsrl(vmx_switched_msrs[i], host_msrs[i]);
}

/**
 * vmx_msrs_write() - switched[] into the processor
 * @vmx: the vCPU
 *
 * Context: preemption off
 */
void vmx_msrs_write(struct vmx_vcpu *vmx)
{
	int i;

	for (i = 0; i < SWITCH_COUNT; i++)
		wrmsrl(vmx_switched_msrs[i], vmx->switched[i]);
}

/**
 * vmx_msrs_load() - give the guest its MSRs, the first entry since the vCPU was loaded
 * @vmx: the vCPU
 *
 * Context: interrupts off
 */
void vmx_msrs_load(struct vmx_vcpu *vmx)
{
	rdmsrl(MSR_KERNEL_GS_BASE, vmx->host.kernel_gs_base);
	vmx_msrs_write(vmx);
}

/**
 * vmx_msrs_put() - undo vmx_msrs_load()
 * @vmx: the vCPU, on the same processor still; vmx_kernel_gs_base() has been called
 *
 * Context: preemption off
 */
void vmx_msrs_put(struct vmx_vcpu *vmx)
{
	int i;

	wrmsrl(MSR_KERNEL_GS_BASE, vmx->host.kernel_gs_base);
	for (i = 0; i < ARRAY_SIZE(host_msrs); i++)
		wrmsrl(vmx_switched_msrs[i], host_msrs[i]);
}

/**
 * vmx_kernel_gs_base() - KERNEL_GS_BASE, which SWAPGS changes unseen
 * @vmx: the vCPU
 *
 * Context: loaded
 * Return: the guest's value; switched[] has it too
 */
u64 vmx_kernel_gs_base(struct vmx_vcpu *vmx)
{
	u64 val;

	preempt_disable();
	if (vmx->guest_loaded)
		rdmsrl(MSR_KERNEL_GS_BASE, vmx->switched[SWITCH_KERNEL_GS_BASE]);
	val = vmx->switched[SWITCH_KERNEL_GS_BASE];
	preempt_enable();
	return val;
}
