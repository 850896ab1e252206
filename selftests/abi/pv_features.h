/* SPDX-License-Identifier: GPL-2.0 */
/* Paravirtual features: what the files of the suite share. */
#ifndef ABI_PV_FEATURES_H
#define ABI_PV_FEATURES_H

#include <linux/kvm_para.h>
#include "vm.h"

#define SUITE "pv_features"

static inline void need_feature(u32 bit)
{
	struct kvm_cpuid_entry2 *e = cpuid_entry(supported_cpuid(), KVM_CPUID_FEATURES, 0);

	if (!e || !(e->eax & BIT(bit)))
		FAIL("feature %u is not offered", bit);
}

/* A statistic that in-tree KVM does not have: there it is left at 0. */
static inline u64 stat(struct vcpu *v, const char *name)
{
	u64 val = 0;

	if (!vcpu_stat(v, name, &val) && !test_is_oracle())
		FAIL("no statistic %s", name);
	return val;
}

#define CHECK_STAT(v, name, want)                      \
	do {                                           \
		if (!test_is_oracle())                 \
			CHECK_EQ(stat(v, name), want); \
	} while (0)

#endif /* ABI_PV_FEATURES_H */
