// SPDX-License-Identifier: GPL-2.0
/* Loads of segment registers (APM vol. 2, 4.5 to 4.8 and 4.11; SDM vol. 3, 5.5 and 5.6). */
#include "insn.h"

static int segment_set(struct interp *in, u8 seg, struct segment s)
{
	in->seg[seg] = s;
	in->segs_changed = true;
	return INTERP_DONE;
}

/* SS may be null in 64-bit mode below CPL 3 (APM vol. 2, 4.5.1). */
static int segment_set_null(struct interp *in, u8 seg, u16 selector)
{
	u16 attr = SEG_UNUSABLE;

	if (seg == SEG_SS) {
		if (in->mode != INTERP_LONG || in->cpl == 3 || selector != in->cpl)
			return fault_gp(in);
		attr |= in->cpl << SEG_DPL_SHIFT;
	}
	return segment_set(in, seg, (struct segment){ .selector = selector, .attr = attr });
}

static int descriptor_map(struct interp *in, u16 selector, u32 access, struct interp_span *span)
{
	const struct segment *ldt = &in->seg[SEG_LDTR];
	u64 base = in->gdtr.base;
	u32 limit = in->gdtr.limit;

	if (selector & 4) {
		base = ldt->base;
		limit = ldt->attr & SEG_P && !(ldt->attr & SEG_UNUSABLE) ? ldt->limit : 0;
	}
	if ((selector | 7) > limit)
		return fault_code(in, VEC_GP, selector & ~3);
	base += selector & ~7;
	if (!(in->efer & IEFER_LMA))
		base = (u32)base;
	else if (!mem_canonical(in, base))
		return fault_code(in, VEC_GP, selector & ~3);
	return span_map(in, base, 8, access | ACCESS_IMPLICIT, span);
}

/* Type and privilege of a data segment or SS. */
static bool descriptor_fits(const struct interp *in, u8 seg, u16 selector, u16 attr)
{
	unsigned int dpl = (attr & SEG_DPL_MASK) >> SEG_DPL_SHIFT, rpl = selector & 3;

	if (!(attr & SEG_S))
		return false;
	if (seg == SEG_SS)		/* writeable data of this very CPL */
		return rpl == in->cpl && dpl == in->cpl && (attr & 0xa) == 2;
	if ((attr & 0xa) == 8)		/* code that cannot be read */
		return false;
	return (attr & 0xc) == 0xc || (rpl <= dpl && in->cpl <= dpl);
}

static struct segment unpack(u16 selector, u64 desc)
{
	struct segment s = {
		.selector = selector,
		.attr = (desc >> 40 & 0xff) | (desc >> 52 & 0xf) << 8 | 1,
		.base = (desc >> 16 & 0xffffff) | (desc >> 56 & 0xff) << 24,
		.limit = (desc & 0xffff) | (desc >> 48 & 0xf) << 16,
	};

	if (s.attr & SEG_G)
		s.limit = s.limit << 12 | 0xfff;
	return s;
}

static int set_accessed(struct interp *in, u16 selector, u64 desc)
{
	struct interp_span span;
	int r;

	if (desc & BIT_ULL(40))
		return INTERP_DONE;
	r = descriptor_map(in, selector, ACCESS_WRITE, &span);
	return r ? r : span_update(in, &span, desc, desc | BIT_ULL(40));
}

int segment_load(struct interp *in, u8 seg, u16 selector)
{
	struct interp_span span;
	struct segment s;
	u64 desc = 0;
	int r;

	if (in->mode <= INTERP_VM86) {	/* limit and attributes stay (APM vol. 2, 4.5.3) */
		s = in->seg[seg];
		s.selector = selector;
		s.base = (u64)selector << 4;
		return segment_set(in, seg, s);
	}
	if (!(selector & ~3))
		return segment_set_null(in, seg, selector);
	r = descriptor_map(in, selector, 0, &span);
	if (!r)
		r = span_copy(in, &span, &desc, false);
	if (r)
		return r;
	s = unpack(selector, desc);
	if (!descriptor_fits(in, seg, selector, s.attr))
		return fault_code(in, VEC_GP, selector & ~3);
	if (!(s.attr & SEG_P))
		return fault_code(in, seg == SEG_SS ? VEC_SS : VEC_NP, selector & ~3);
	r = set_accessed(in, selector, desc);
	return r ? r : segment_set(in, seg, s);
}
