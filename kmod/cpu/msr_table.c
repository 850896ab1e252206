// SPDX-License-Identifier: GPL-2.0
/* The lists: MSRs for user space, feature MSRs, and MSRs that exist but hold nothing. */
#include <linux/vmm.h>

#include "internal.h"

/*
 * MSRs that guests touch at boot on the processor models user space may describe, and that mean
 * nothing in a VM: they read as @val, and writes of anything are dropped unless @zero_only. Any
 * MSR that stands nowhere is #GP.
 */
static const struct ignored {
	u32 first, last;
	u64 val;
	bool zero_only;		/* a write of anything but 0 is #GP */
} ignored[] = {
	/* The Pentium's machine check: nothing was recorded */
	{ MSR_IA32_P5_MC_ADDR, MSR_IA32_P5_MC_TYPE, 0, true },
	/* Intel: platform id, power-on configuration: read for the model's name and the bus */
	{ MSR_IA32_PLATFORM_ID, MSR_IA32_PLATFORM_ID, 0, true },
	{ MSR_IA32_EBL_CR_POWERON, MSR_IA32_EBL_CR_POWERON, 0, true },
	/* Intel: bus frequencies: "133 MHz" and "scalable bus at ratio 1" keep divisions safe */
	{ MSR_FSB_FREQ, MSR_FSB_FREQ, 3, true },
	{ 0x2c /* EBC_FREQUENCY_ID */, 0x2c, BIT(24), true },
	/* Intel: the PMU's registers, probed even where CPUID 0xa says there is none */
	{ MSR_P6_EVNTSEL0, MSR_P6_EVNTSEL1, 0, true },
	{ MSR_P6_PERFCTR0, MSR_P6_PERFCTR1, 0, true },
	/* Intel: energy meters and units, read by power drivers that do not check */
	{ MSR_RAPL_POWER_UNIT, MSR_RAPL_POWER_UNIT, 0, true },
	{ MSR_PKG_ENERGY_STATUS, MSR_PKG_ENERGY_STATUS, 0, true },
	{ MSR_DRAM_ENERGY_STATUS, MSR_DRAM_ENERGY_STATUS, 0, true },
	{ MSR_PP0_ENERGY_STATUS, MSR_PP0_ENERGY_STATUS, 0, true },
	{ MSR_PP1_ENERGY_STATUS, MSR_PP1_ENERGY_STATUS, 0, true },
	/* Last branch records: nothing was recorded */
	{ MSR_IA32_LASTBRANCHFROMIP, MSR_IA32_LASTINTTOIP, 0, true },
	/* Performance states: there are none */
	{ MSR_IA32_PERF_STATUS, MSR_IA32_PERF_CTL, 0, false },
	/* Power control: C1E and the like are the host's */
	{ MSR_IA32_POWER_CTL, MSR_IA32_POWER_CTL, 0, false },
	/* SMIs are not counted */
	{ MSR_SMI_COUNT, MSR_SMI_COUNT, 0, true },
	/* CPUID faulting and ring 3 MWAIT are not offered */
	{ MSR_MISC_FEATURES_ENABLES, MSR_MISC_FEATURES_ENABLES, 0, true },
	/* AMD: the four old counters, which every model is taken to have */
	{ MSR_K7_EVNTSEL0, MSR_K7_PERFCTR3, 0, false },
	/* AMD: SYSCFG, top of memory: no memory encryption, nothing above MTRRs */
	{ MSR_AMD64_SYSCFG, MSR_AMD64_SYSCFG, 0, false },
	{ MSR_K8_TOP_MEM1, MSR_K8_TOP_MEM1, 0, false },
	{ MSR_K8_TOP_MEM2, MSR_K8_TOP_MEM2, 0, false },
	/* AMD: clock control of the K7: its reset value */
	{ MSR_K7_CLK_CTL, MSR_K7_CLK_CTL, 0x20000000, false },
	/* AMD: northbridge configuration, interrupt pending messages, MMIO configuration space */
	{ MSR_AMD64_NB_CFG, MSR_AMD64_NB_CFG, 0, false },
	{ MSR_K8_INT_PENDING_MSG, MSR_K8_INT_PENDING_MSG, 0, false },
	{ MSR_FAM10H_MMIO_CONF_BASE, MSR_FAM10H_MMIO_CONF_BASE, 0, true },
	/* AMD: microcode loader: an update is accepted and does nothing */
	{ MSR_AMD64_PATCH_LOADER, MSR_AMD64_PATCH_LOADER, 0, false },
	/*
	 * AMD: workarounds of errata in instruction, data cache and bus unit. LS_CFG is not among
	 * them: a guest that finds it there believes that it can disable speculative store bypass.
	 */
	{ MSR_F15H_IC_CFG, MSR_AMD64_DC_CFG, 0, false },
	{ MSR_AMD64_TW_CFG, MSR_AMD64_TW_CFG, 0, false },
	{ MSR_AMD64_BU_CFG2, MSR_AMD64_BU_CFG2, 0, false },
	{ 0xc001102c /* EX_CFG, family 15h */, 0xc001102c, 0, false },
};

static const struct ignored *ignored_find(u32 msr)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(ignored); i++)
		if (msr >= ignored[i].first && msr <= ignored[i].last)
			return &ignored[i];
	return NULL;
}

int msr_ignored_read(u32 msr, u64 *val)
{
	const struct ignored *row = ignored_find(msr);

	if (!row)
		return -ENOENT;
	*val = row->val;
	return 0;
}

int msr_ignored_write(u32 msr, u64 val)
{
	const struct ignored *row = ignored_find(msr);

	if (!row)
		return -ENOENT;
	return row->zero_only && val;
}

/* ---- what the host can tell ---- */

/* Vulnerabilities the processor does not have; what only a host could use is left out. */
#define ARCH_CAP_OFFERED (ARCH_CAP_RDCL_NO | ARCH_CAP_IBRS_ALL | ARCH_CAP_SKIP_VMENTRY_L1DFLUSH | \
			  ARCH_CAP_SSB_NO | ARCH_CAP_MDS_NO | ARCH_CAP_PSCHANGE_MC_NO | \
			  ARCH_CAP_TAA_NO | ARCH_CAP_SBDR_SSDP_NO | ARCH_CAP_FBSDP_NO | \
			  ARCH_CAP_PSDP_NO | ARCH_CAP_PBRSB_NO | ARCH_CAP_GDS_NO)

u64 msr_arch_capabilities(void)
{
	u64 val = 0;

	if (boot_cpu_has(X86_FEATURE_ARCH_CAPABILITIES))
		rdmsrl_safe(MSR_IA32_ARCH_CAPABILITIES, &val);
	return val & ARCH_CAP_OFFERED;
}

u64 msr_de_cfg(void)
{
	return boot_cpu_has(X86_FEATURE_LFENCE_RDTSC) ? MSR_AMD64_DE_CFG_LFENCE_SERIALIZE : 0;
}

static const u32 feature_msrs[] = {
	MSR_AMD64_DE_CFG,
	MSR_IA32_UCODE_REV,
	MSR_IA32_ARCH_CAPABILITIES,
	MSR_IA32_PERF_CAPABILITIES,
};

/**
 * msr_feature_read() - KVM_GET_MSRS of the device: what a vCPU's feature MSR may hold
 * @msr: its number
 * @val: the value
 *
 * Return: 0; 1: not a feature MSR
 */
int msr_feature_read(u32 msr, u64 *val)
{
	switch (msr) {
	case MSR_AMD64_DE_CFG:
		*val = msr_de_cfg();
		return 0;
	case MSR_IA32_UCODE_REV:
		*val = boot_cpu_data.x86_vendor == X86_VENDOR_INTEL ?
		       (u64)boot_cpu_data.microcode << 32 : boot_cpu_data.microcode;
		return 0;
	case MSR_IA32_ARCH_CAPABILITIES:
		*val = msr_arch_capabilities();
		return 0;
	case MSR_IA32_PERF_CAPABILITIES:
		*val = 0;	/* there is no PMU */
		return 0;
	default:
		return 1;
	}
}
EXPORT_FOR_TEST(msr_feature_read);

/* ---- lists for user space ---- */

/*
 * All that a vCPU keeps, as ranges; machine-check banks are left out, as their number differs.
 */
static const struct {
	u32 first, count;
} saved_msrs[] = {
	{ MSR_IA32_TSC, 1 },
	{ MSR_KVM_WALL_CLOCK, 2 },	/* and SYSTEM_TIME */
	{ MSR_IA32_APICBASE, 1 },
	{ MSR_IA32_TSC_ADJUST, 1 },
	{ MSR_IA32_SPEC_CTRL, 1 },
	{ MSR_IA32_UCODE_REV, 1 },
	{ MSR_PLATFORM_INFO, 1 },
	{ MSR_MTRR_CAP, 1 },
	{ MSR_IA32_ARCH_CAPABILITIES, 1 },
	{ MSR_IA32_SYSENTER_CS, 3 },	/* CS, ESP, EIP */
	{ MSR_IA32_MCG_STATUS, 1 },
	{ MSR_IA32_MISC_ENABLE, 1 },
	{ MSR_IA32_DEBUGCTLMSR, 1 },
	{ MSR_MTRR_PHYS, 2 * MTRR_VARIABLE },
	{ MSR_MTRR_FIX64K, 1 },
	{ MSR_MTRR_FIX16K, 2 },
	{ MSR_MTRR_FIX4K, 8 },
	{ MSR_IA32_CR_PAT, 1 },
	{ MSR_MTRR_DEF_TYPE, 1 },
	{ MSR_IA32_TSC_DEADLINE, 1 },
	{ MSR_IA32_XSS, 1 },
	{ MSR_KVM_WALL_CLOCK_NEW, 8 },	/* to ASYNC_PF_ACK */
	{ MSR_VMM_HYPERCALL_PAGE, 1 },
	{ MSR_EFER, 5 },		/* EFER, STAR, LSTAR, CSTAR, SFMASK */
	{ MSR_FS_BASE, 4 },		/* FS, GS, kernel GS, TSC_AUX */
	{ MSR_K7_HWCR, 1 },
	{ MSR_AMD64_DE_CFG, 1 },
};

static bool msr_listed(u32 msr)
{
	switch (msr) {
	case MSR_IA32_SPEC_CTRL:
		return msr_spec_ctrl_bits();
	case MSR_IA32_XSS:
		return backend_caps.xsaves;
	case MSR_TSC_AUX:
		return boot_cpu_has(X86_FEATURE_RDTSCP) || boot_cpu_has(X86_FEATURE_RDPID);
	default:
		return true;
	}
}

/**
 * msr_index_list() - KVM_GET_MSR_INDEX_LIST
 * @list: filled; nmsrs is the number there are
 * @room: indices that fit
 *
 * Return: 0; -E2BIG: @room is too small
 */
int msr_index_list(struct kvm_msr_list *list, u32 room)
{
	u32 n = 0, msr;
	int i;

	for (i = 0; i < ARRAY_SIZE(saved_msrs); i++) {
		for (msr = saved_msrs[i].first; msr - saved_msrs[i].first < saved_msrs[i].count;
		     msr++) {
			if (!msr_listed(msr))
				continue;
			if (n < room)
				list->indices[n] = msr;
			n++;
		}
	}
	list->nmsrs = n;
	return n > room ? -E2BIG : 0;
}
EXPORT_FOR_TEST(msr_index_list);

/**
 * msr_feature_index_list() - KVM_GET_MSR_FEATURE_INDEX_LIST
 * @list: filled; nmsrs is the number there are
 * @room: indices that fit
 *
 * Return: 0; -E2BIG: @room is too small
 */
int msr_feature_index_list(struct kvm_msr_list *list, u32 room)
{
	list->nmsrs = ARRAY_SIZE(feature_msrs);
	if (room < ARRAY_SIZE(feature_msrs))
		return -E2BIG;
	memcpy(list->indices, feature_msrs, sizeof(feature_msrs));
	return 0;
}
EXPORT_FOR_TEST(msr_feature_index_list);
