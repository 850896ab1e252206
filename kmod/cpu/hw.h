/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the hardware gets of a vCPU where that is not what the guest sees. Both backends write it
 * into their fields; the choice is made here.
 */
#ifndef VMM_CPU_HW_H
#define VMM_CPU_HW_H

#include <asm/nospec-branch.h>
#include <asm/processor-flags.h>
#include <asm/tlbflush.h>

#include "../backend.h"
#include "../entry_asm.h"

/* A guest that runs uncached would slow the host; NW without CD refuses an entry (APM 15.5.1). */
#define HW_CR0_KEPT	((u64)(X86_CR0_CD | X86_CR0_NW))

/* A machine check without CR4.MCE shuts the machine down: the bit stays the host's. */
#define HW_CR4_HOST	((u64)X86_CR4_MCE)

static inline u64 hw_cr0(const struct vcpu_state *st)
{
	return st->cr0 & ~HW_CR0_KEPT;
}

static inline u64 hw_cr4(const struct vcpu_state *st)
{
	return st->cr4 | (cr4_read_shadow() & HW_CR4_HOST);
}

/*
 * A guest that spins makes room for others: PAUSEs less than the gap apart, in cycles, are a loop,
 * which exits after so many PAUSEs, or cycles (APM 15.14.4, SDM vol. 3C, 25.6.13).
 */
#define HW_PAUSE_GAP	128
#define HW_PAUSE_COUNT	3000
#define HW_PAUSE_CYCLES	4096

/* The ratio of the guest's TSC to the host's that leaves it alone. */
static inline u64 hw_tsc_ratio_one(void)
{
	return BIT_ULL(backend_caps.tsc_ratio_frac_bits);
}

static inline u64 hw_tsc_ratio(const struct vcpu *vcpu)
{
	return vcpu->tsc.ratio ?: hw_tsc_ratio_one();
}

/**
 * hw_spec_ctrl() - what an entry does about SPEC_CTRL
 * @vcpu: the vCPU
 * @guest: the guest's value
 * @host: filled: the host's
 *
 * It is written only while guest and host differ, read only while the guest may write it. IBRS as
 * it first was guards only those predictions that follow its write: there it is written always.
 *
 * Context: interrupts off
 * Return: ENTRY_SPEC_*
 */
static __always_inline u8 hw_spec_ctrl(const struct vcpu *vcpu, u64 guest, u64 *host)
{
	*host = this_cpu_read(x86_spec_ctrl_current);
	if (unlikely(vcpu->policy.spec_passed))
		return ENTRY_SPEC_WRITE | ENTRY_SPEC_READ;
	if (cpu_feature_enabled(X86_FEATURE_KERNEL_IBRS))
		return ENTRY_SPEC_WRITE;
	return unlikely(guest != *host) ? ENTRY_SPEC_WRITE : 0;
}

#endif /* VMM_CPU_HW_H */
