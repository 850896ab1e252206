// SPDX-License-Identifier: GPL-2.0
/*
 * MTRRs, PAT and machine-check banks: stored for the guest and checked as a processor checks them.
 * Memory types come from the nested tables, so that the MTRRs have no further effect.
 */
#include "internal.h"

#define MTRR_DEF_BITS	0xcffull	/* default type, FE, E */

/* Memory types: 0 UC, 1 WC, 4 WT, 5 WP, 6 WB; 7 is UC- and exists in the PAT only. */
static bool memory_type_valid(u8 type, bool pat)
{
	return type == 0 || type == 1 || (type >= 4 && type <= 6) || (pat && type == 7);
}

static bool memory_types_valid(u64 val, bool pat)
{
	int i;

	for (i = 0; i < 8; i++)
		if (!memory_type_valid(val >> (i * 8), pat))
			return false;
	return true;
}

/* APM vol. 2, 7.8.1: eight types of three bits each, one per byte. */
bool pat_valid(u64 val)
{
	return memory_types_valid(val, true);
}

/* APM vol. 2, 7.7.2 and 7.7.3. */
bool mtrr_valid(struct vcpu *vcpu, u32 msr, u64 val)
{
	if (msr == MSR_MTRR_DEF_TYPE)
		return !(val & ~MTRR_DEF_BITS) && memory_type_valid(val, false);
	if (msr >= MSR_MTRR_FIX64K)
		return memory_types_valid(val, false);
	if (val & ~(BIT_ULL(vcpu->cpuid.maxphyaddr) - 1))
		return false;
	/* PhysMask: bit 11 is V; PhysBase: the type. */
	if (msr & 1)
		return !(val & 0x7ff);
	return !(val & 0xf00) && memory_type_valid(val, false);
}
