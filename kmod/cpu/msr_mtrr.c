// SPDX-License-Identifier: GPL-2.0
/*
 * MTRRs, PAT and machine-check banks: stored for the guest and checked as a processor checks them.
 * Memory types come from the nested tables, so that the MTRRs have no further effect.
 */
#include <linux/nospec.h>

#include "internal.h"

#define MTRR_CAP	(MTRR_VARIABLE | BIT(8) | BIT(10))	/* fixed ranges, write-combining */
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

/* Place of a fixed-range MTRR in msrs.mtrr_fixed, -1: it is none. */
static int mtrr_fixed_index(u32 msr)
{
	switch (msr) {
	case MSR_MTRR_FIX64K:
		return 0;
	case MSR_MTRR_FIX16K ... MSR_MTRR_FIX16K + 1:
		return 1 + msr - MSR_MTRR_FIX16K;
	case MSR_MTRR_FIX4K ... MSR_MTRR_FIX4K + 7:
		return 3 + msr - MSR_MTRR_FIX4K;
	default:
		return -1;
	}
}

static u64 *mtrr_variable(struct vcpu *vcpu, u32 msr)
{
	u32 n = msr - MSR_MTRR_PHYS;

	if (n >= 2 * MTRR_VARIABLE)
		return NULL;
	return &vcpu->msrs.mtrr_var[array_index_nospec(n, 2 * MTRR_VARIABLE)];
}

static u64 *mtrr_place(struct vcpu *vcpu, u32 msr)
{
	int fixed = mtrr_fixed_index(msr);

	if (msr == MSR_MTRR_DEF_TYPE)
		return &vcpu->msrs.mtrr_def_type;
	if (fixed >= 0)
		return &vcpu->msrs.mtrr_fixed[array_index_nospec(fixed, 11)];
	return mtrr_variable(vcpu, msr);
}

int mtrr_read(struct vcpu *vcpu, u32 msr, u64 *val)
{
	const u64 *place;

	if (msr == MSR_MTRR_CAP) {
		*val = MTRR_CAP;
		return 0;
	}
	place = mtrr_place(vcpu, msr);
	if (!place)
		return -ENOENT;
	*val = *place;
	return 0;
}

/* APM vol. 2, 7.7.2 and 7.7.3. */
static bool mtrr_valid(struct vcpu *vcpu, u32 msr, u64 val)
{
	if (msr == MSR_MTRR_DEF_TYPE)
		return !(val & ~MTRR_DEF_BITS) && memory_type_valid(val, false);
	if (mtrr_fixed_index(msr) >= 0)
		return memory_types_valid(val, false);
	if (val & ~(BIT_ULL(vcpu->cpuid.maxphyaddr) - 1))
		return false;
	/* PhysMask: bit 11 is V; PhysBase: the type. */
	if (msr & 1)
		return !(val & 0x7ff);
	return !(val & 0xf00) && memory_type_valid(val, false);
}

int mtrr_write(struct vcpu *vcpu, u32 msr, u64 val)
{
	u64 *place = mtrr_place(vcpu, msr);

	if (msr == MSR_MTRR_CAP)
		return 1;
	if (!place)
		return -ENOENT;
	if (!mtrr_valid(vcpu, msr, val))
		return 1;
	*place = val;
	return 0;
}
