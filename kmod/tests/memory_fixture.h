/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Nested tables as both vendors write them, from the manuals: NPT as long-mode page tables (APM
 * vol. 2, 5.3 and 15.25.5), EPT (SDM vol. 3C, 29.3.2). Host frames are numbers only; nothing looks
 * at what is behind them.
 */
#ifndef VMM_MEMORY_FIXTURE_H
#define VMM_MEMORY_FIXTURE_H

#include <linux/mm.h>
#include <kunit/test.h>

#include "../memory/internal.h"

#define NPT								\
	.present = BIT_ULL(0),						\
	.table = BIT_ULL(1) | BIT_ULL(2) | BIT_ULL(5) | ENCRYPT,	\
	.leaf = BIT_ULL(2),						\
	.leaf_device = BIT_ULL(2) | BIT_ULL(3) | BIT_ULL(4),		\
	.write = BIT_ULL(1),						\
	.large = BIT_ULL(7),						\
	.accessed = BIT_ULL(5),						\
	.dirty = BIT_ULL(6),						\
	.soft_host_writable = BIT_ULL(9),				\
	.addr_mask = GENMASK_ULL(51, 12) & ~ENCRYPT,			\
	.max_leaf_level = 3

#define EPT								\
	.present = BIT_ULL(0),						\
	.table = BIT_ULL(1) | BIT_ULL(2),				\
	.leaf = 6ULL << 3 | BIT_ULL(6),					\
	.leaf_device = BIT_ULL(6),					\
	.write = BIT_ULL(1),						\
	.exec = BIT_ULL(2),						\
	.exec_large = BIT_ULL(2),					\
	.large = BIT_ULL(7),						\
	.soft_host_writable = BIT_ULL(52),				\
	.addr_mask = GENMASK_ULL(51, 12),				\
	.levels = 4,							\
	.max_leaf_level = 3

#define ENCRYPT 0ULL
static const struct tdp_format npt = { NPT, .levels = 4 };
static const struct tdp_format npt_5 = { NPT, .levels = 5 };
#undef ENCRYPT
#define ENCRYPT BIT_ULL(47)	/* CPUID Fn8000_001F[EBX] says which it is */
static const struct tdp_format npt_sme = { NPT, .levels = 4 };
static const struct tdp_format ept = { EPT, .accessed = BIT_ULL(8), .dirty = BIT_ULL(9) };
/* A processor without accessed and dirty bits (IA32_VMX_EPT_VPID_CAP, bit 21). */
static const struct tdp_format ept_plain = { EPT };

static const struct format_param {
	const struct tdp_format *format;
	const char *name;
} formats[] = {
	{ &npt, "npt" }, { &npt_5, "npt, 5 levels" }, { &npt_sme, "npt, encrypted" },
	{ &ept, "ept" }, { &ept_plain, "ept without A/D" },
};

static inline void format_name(const struct format_param *param, char *desc)
{
	strscpy(desc, param->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(format, formats, format_name);

/* The format that a case is run with; one without a parameter has NPT's. */
static inline const struct tdp_format *test_format(struct kunit *test)
{
	const struct format_param *param = test->param_value;

	return param ? param->format : &npt;
}

static inline enum tdp_result map(struct memory *mem, gfn_t gfn, u64 pfn, int level, bool write)
{
	struct tdp_map map = {
		.gfn = gfn, .pfn = pfn, .level = level, .write = write, .host_writable = true,
	};
	struct tdp_cache cache = { };

	return tdp_map(mem, &map, &cache);
}

/* Where the tables lead, ~0: nowhere; level: of the leaf, may be NULL. */
static inline hpa_t tdp_translate(struct memory *mem, gpa_t gpa, int *level)
{
	const struct tdp_format *fmt = mem->tdp_format;
	u64 entry, offset, *table = mem->tdp_table;
	gfn_t gfn = gpa >> PAGE_SHIFT;
	int l = fmt->levels;

	if (gfn >= tdp_span(l + 1))
		return ~(hpa_t)0;
	for (;; l--) {
		entry = table[(gfn >> (9 * (l - 1))) & 511];
		if (!(entry & fmt->present))
			return ~(hpa_t)0;
		if (l == 1 || (entry & fmt->large))
			break;
		table = __va(entry & fmt->addr_mask);
	}
	if (level)
		*level = l;
	offset = (tdp_span(l) << PAGE_SHIFT) - 1;
	return (entry & fmt->addr_mask & ~offset) | (gpa & offset);
}

#endif /* VMM_MEMORY_FIXTURE_H */
