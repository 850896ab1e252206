// SPDX-License-Identifier: GPL-2.0
/* The machine-check banks a guest sees: they hold what is written, and report nothing. */
#include <linux/nospec.h>

#include "internal.h"

#define MCG_BANKS	0xffull
#define MCG_CTL_P	BIT_ULL(8)
#define MCG_STATUS_BITS	0x7ull
#define HWCR_MCI_STATUS_WREN BIT_ULL(18)

enum { MC_CTL, MC_STATUS, MC_ADDR, MC_MISC };

/* MSR_IA32_MC0_CTL + 4 * bank + MC_*; the number's place in mc_bank, -1: no such bank. */
static int mc_index(struct vcpu *vcpu, u32 msr)
{
	u32 n = msr - MSR_IA32_MC0_CTL;

	if (n >= 4 * (vcpu->msrs.mcg_cap & MCG_BANKS) || n >= ARRAY_SIZE(vcpu->msrs.mc_bank))
		return -1;
	return array_index_nospec(n, ARRAY_SIZE(vcpu->msrs.mc_bank));
}

int mce_read(struct vcpu *vcpu, u32 msr, u64 *val)
{
	int n = mc_index(vcpu, msr);

	switch (msr) {
	case MSR_IA32_MCG_CAP:
		*val = vcpu->msrs.mcg_cap;
		return 0;
	case MSR_IA32_MCG_STATUS:
		*val = vcpu->msrs.mcg_status;
		return 0;
	case MSR_IA32_MCG_CTL:
		*val = vcpu->msrs.mcg_ctl;
		return !(vcpu->msrs.mcg_cap & MCG_CTL_P);
	case MSR_IA32_P5_MC_ADDR:
	case MSR_IA32_P5_MC_TYPE:
		*val = 0;
		return 0;
	}
	if (n < 0)
		return -ENOENT;
	*val = vcpu->msrs.mc_bank[n];
	return 0;
}

static int mc_bank_write(struct vcpu *vcpu, int n, u64 val, bool host)
{
	/*
	 * Software may only clear a status, but for AMD's HWCR bit; CTL is all ones or zeros, and
	 * Linux leaves one bit of it out on some models (APM vol. 2, 9.3.2).
	 */
	if (n % 4 != MC_CTL && val && !host && !(vcpu->msrs.hwcr & HWCR_MCI_STATUS_WREN))
		return 1;
	vcpu->msrs.mc_bank[n] = val;
	return 0;
}

int mce_write(struct vcpu *vcpu, u32 msr, u64 val, bool host)
{
	int n = mc_index(vcpu, msr);

	switch (msr) {
	case MSR_IA32_MCG_CAP:
		return 1;
	case MSR_IA32_MCG_STATUS:
		if (!host && (val & ~MCG_STATUS_BITS))
			return 1;
		vcpu->msrs.mcg_status = val;
		return 0;
	case MSR_IA32_MCG_CTL:
		if (!(vcpu->msrs.mcg_cap & MCG_CTL_P) || (val && val != ~0ull))
			return 1;
		vcpu->msrs.mcg_ctl = val;
		return 0;
	case MSR_IA32_P5_MC_ADDR:
	case MSR_IA32_P5_MC_TYPE:
		return !!val;
	}
	return n < 0 ? -ENOENT : mc_bank_write(vcpu, n, val, host);
}
