// SPDX-License-Identifier: GPL-2.0
/*
 * The machine-check banks a guest sees. They hold what is written and what user space reports by
 * KVM_X86_SET_MCE; nothing of the host's own shows.
 */
#include <linux/nospec.h>
#include <asm/mce.h>

#include "internal.h"

#define MCG_STATUS_BITS	(MCG_STATUS_RIPV | MCG_STATUS_EIPV | MCG_STATUS_MCIP)
#define HWCR_MCI_STATUS_WREN BIT_ULL(18)

enum { MC_CTL, MC_STATUS, MC_ADDR, MC_MISC };

/* MSR_IA32_MC0_CTL + 4 * bank + MC_*; the number's place in mc_bank, -1: no such bank. */
static int mc_index(struct vcpu *vcpu, u32 msr)
{
	u32 n = msr - MSR_IA32_MC0_CTL;

	if (n >= 4 * (vcpu->msrs.mcg_cap & MCG_BANKCNT_MASK) || n >= ARRAY_SIZE(vcpu->msrs.mc_bank))
		return -1;
	return array_index_nospec(n, ARRAY_SIZE(vcpu->msrs.mc_bank));
}

/* The bank's CTL2, whose signals need MCG_CMCI_P (SDM vol. 3, 16.3.2.5); NULL: no such register. */
static u64 *mc_ctl2(struct vcpu *vcpu, u32 msr)
{
	u32 n = msr - MSR_IA32_MC0_CTL2;

	if (n >= (vcpu->msrs.mcg_cap & MCG_BANKCNT_MASK) || n >= CPU_MCE_BANKS ||
	    !(vcpu->msrs.mcg_cap & MCG_CMCI_P))
		return NULL;
	return &vcpu->msrs.mc_ctl2[array_index_nospec(n, CPU_MCE_BANKS)];
}

int mce_read(struct vcpu *vcpu, u32 msr, u64 *val)
{
	u64 *ctl2 = mc_ctl2(vcpu, msr);
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
	}
	if (ctl2)
		*val = *ctl2;
	if (n < 0)
		return ctl2 ? 0 : -ENOENT;
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
	u64 *ctl2 = mc_ctl2(vcpu, msr);
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
	}
	if (ctl2) {
		if (val & ~(MCI_CTL2_CMCI_EN | MCI_CTL2_CMCI_THRESHOLD_MASK))
			return 1;
		*ctl2 = val;
		return 0;
	}
	return n < 0 ? -ENOENT : mc_bank_write(vcpu, n, val, host);
}

/* ---- machine checks that user space reports ---- */

/**
 * mce_set_cap() - KVM_X86_SETUP_MCE
 * @vcpu: the vCPU, loaded
 * @cap: what IA32_MCG_CAP shall say
 *
 * Return: 0; -EINVAL: no bank, more than CPU_MCE_BANKS, or a bit beside MCE_CAPS
 */
int mce_set_cap(struct vcpu *vcpu, u64 cap)
{
	struct vcpu_msrs *m = &vcpu->msrs;
	u32 banks = cap & MCG_BANKCNT_MASK, i;

	if (!banks || banks > CPU_MCE_BANKS || cap & ~(MCE_CAPS | MCG_BANKCNT_MASK))
		return -EINVAL;
	m->mcg_cap = cap;
	m->mcg_ctl = cap & MCG_CTL_P ? ~0ull : 0;
	for (i = 0; i < banks; i++)
		m->mc_bank[4 * i + MC_CTL] = ~0ull;
	memset(m->mc_ctl2, 0, sizeof(m->mc_ctl2));
	lapic_set_version(vcpu);
	return 0;
}

/* Uncorrected, and the context is not trusted any more: #MC (SDM vol. 3, 16.6.3). */
static bool mce_raises(struct vcpu *vcpu, u64 status)
{
	if (!(status & MCI_STATUS_UC))
		return false;
	/* With recovery there are those that need no action: a corrected error's signal. */
	return !(vcpu->msrs.mcg_cap & MCG_SER_P) ||
	       status & (MCI_STATUS_PCC | MCI_STATUS_S | MCI_STATUS_AR);
}

static void mce_record(u64 *bank, const struct kvm_x86_mce *mce)
{
	u64 lost = bank[MC_STATUS] & MCI_STATUS_VAL ? MCI_STATUS_OVER : 0;

	bank[MC_STATUS] = mce->status | lost;
	bank[MC_ADDR] = mce->addr;
	bank[MC_MISC] = mce->misc;
}

static void mce_raise(struct vcpu *vcpu, u64 *bank, const struct kvm_x86_mce *mce)
{
	struct vcpu_msrs *m = &vcpu->msrs;

	/* The guest has switched the reporting off. */
	if (((m->mcg_cap & MCG_CTL_P) && m->mcg_ctl != ~0ull) || bank[MC_CTL] != ~0ull)
		return;
	if ((m->mcg_status & MCG_STATUS_MCIP) || !(cr_read(vcpu, 4) & X86_CR4_MCE)) {
		vcpu_request(vcpu, REQ_TRIPLE_FAULT);
		return;
	}
	mce_record(bank, mce);
	m->mcg_status = mce->mcg_status;
	events_raise(vcpu, MC_VECTOR);
}

/**
 * mce_inject() - KVM_X86_SET_MCE
 * @vcpu: the vCPU, loaded
 * @mce: what the bank shall report
 *
 * Return: 0, also where the guest has switched the bank off; -EINVAL: no such bank, or the status
 * is not valid
 */
int mce_inject(struct vcpu *vcpu, const struct kvm_x86_mce *mce)
{
	u32 n = array_index_nospec(mce->bank, CPU_MCE_BANKS);
	u64 *bank = &vcpu->msrs.mc_bank[4 * n];

	if (mce->bank >= (vcpu->msrs.mcg_cap & MCG_BANKCNT_MASK) ||
	    mce->bank >= CPU_MCE_BANKS || !(mce->status & MCI_STATUS_VAL))
		return -EINVAL;
	if (mce_raises(vcpu, mce->status)) {
		mce_raise(vcpu, bank, mce);
		return 0;
	}
	/* An uncorrected error is not overwritten by a corrected one (SDM vol. 3, 16.3.2.2.1). */
	if ((bank[MC_STATUS] & MCI_STATUS_VAL) && (bank[MC_STATUS] & MCI_STATUS_UC) &&
	    !(mce->status & MCI_STATUS_UC))
		bank[MC_STATUS] |= MCI_STATUS_OVER;
	else
		mce_record(bank, mce);
	if (vcpu->apic && (vcpu->msrs.mc_ctl2[n] & MCI_CTL2_CMCI_EN))
		lapic_deliver_cmci(vcpu);
	return 0;
}
