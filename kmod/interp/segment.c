// SPDX-License-Identifier: GPL-2.0
/* Segment registers, descriptor tables and the machine status word. */
#include "insn.h"

static void segment_set_real(struct interp *in, u8 seg, u16 selector)
{
	/* The limit and the attributes stay (APM vol. 2, 4.5.3 and 14.4). */
	in->seg[seg].selector = selector;
	in->seg[seg].base = (u64)selector << 4;
	in->changed |= INTERP_SEGS;
}

static int segment_set_null(struct interp *in, u8 seg, u16 selector)
{
	/* SS may be null in 64-bit mode below CPL 3 (APM vol. 2, 4.5.1). */
	if (seg == SEG_SS &&
	    (in->mode != INTERP_LONG || in->cpl == 3 || (selector & 3) != in->cpl))
		return fault_gp(in);
	in->seg[seg] = (struct segment){ .selector = selector, .attr = SEG_UNUSABLE };
	if (seg == SEG_SS)
		in->seg[seg].attr |= in->cpl << SEG_DPL_SHIFT;
	in->changed |= INTERP_SEGS;
	return INTERP_DONE;
}

static gva_t descriptor_address(struct interp *in, u16 selector, bool *within)
{
	u64 base = in->gdtr.base;
	u32 limit = in->gdtr.limit;

	if (selector & 4) {
		base = in->seg[SEG_LDTR].base;
		limit = in->seg[SEG_LDTR].attr & SEG_UNUSABLE ? 0 : in->seg[SEG_LDTR].limit;
	}
	*within = (selector | 7) <= limit;
	base += selector & ~7;
	return in->mode == INTERP_LONG ? base : (u32)base;
}

/* The checks of a data segment or SS (APM vol. 2, 4.11 and table 8-6). */
static int check_descriptor(struct interp *in, u8 seg, u16 selector, u16 attr)
{
	unsigned int dpl = (attr & SEG_DPL_MASK) >> SEG_DPL_SHIFT, rpl = selector & 3;
	u32 error = selector & ~3;

	if (!(attr & SEG_S))
		return fault_code(in, VEC_GP, error);
	if (seg == SEG_SS) {
		if (rpl != in->cpl || dpl != in->cpl || (attr & 0xa) != 2)
			return fault_code(in, VEC_GP, error);
		return attr & SEG_P ? INTERP_DONE : fault_code(in, VEC_SS, error);
	}
	if ((attr & 0xa) == 8)			/* execute-only code */
		return fault_code(in, VEC_GP, error);
	if ((attr & 0xc) != 0xc && (rpl > dpl || in->cpl > dpl))
		return fault_code(in, VEC_GP, error);
	return attr & SEG_P ? INTERP_DONE : fault_code(in, VEC_NP, error);
}

static void unpack_descriptor(struct segment *s, u16 selector, u64 desc)
{
	s->selector = selector;
	s->attr = (desc >> 40 & 0xff) | (desc >> 52 & 0xf) << 8;
	s->base = (desc >> 16 & 0xffffff) | (desc >> 56 & 0xff) << 24;
	s->limit = (desc & 0xffff) | (desc >> 48 & 0xf) << 16;
	if (s->attr & SEG_G)
		s->limit = s->limit << 12 | 0xfff;
}

static int set_accessed(struct interp *in, gva_t addr, u64 desc)
{
	struct interp_span span;
	int r;

	if (desc & BIT_ULL(40))
		return INTERP_DONE;
	r = mem_map(in, addr, 8, ACCESS_WRITE | ACCESS_IMPLICIT, &span);
	return r ? r : span_update(in, &span, desc, desc | BIT_ULL(40));
}

/* Load DS, ES, FS, GS or SS; the last step of an instruction, because nothing undoes it. */
int segment_load(struct interp *in, u8 seg, u16 selector)
{
	struct segment s;
	bool within;
	gva_t addr;
	u64 desc;
	int r;

	if (in->mode == INTERP_REAL || in->mode == INTERP_VM86) {
		segment_set_real(in, seg, selector);
		return INTERP_DONE;
	}
	if (!(selector & ~3))
		return segment_set_null(in, seg, selector);
	addr = descriptor_address(in, selector, &within);
	if (!within)
		return fault_code(in, VEC_GP, selector & ~3);
	r = mem_read(in, addr, &desc, 8, ACCESS_IMPLICIT);
	if (r)
		return r;
	unpack_descriptor(&s, selector, desc);
	r = check_descriptor(in, seg, selector, s.attr);
	if (r)
		return r;
	r = set_accessed(in, addr, desc);
	if (r)
		return r;
	s.attr |= 1;
	in->seg[seg] = s;
	in->changed |= INTERP_SEGS;
	return INTERP_DONE;
}

static int exec_mov_from_seg(struct interp *in)
{
	u8 nr = in->insn.reg & 7;

	if (nr > SEG_GS)
		return fault_plain(in, VEC_UD);
	return rm_write(in, in->insn.mem ? 2 : in->insn.size, in->seg[nr].selector);
}

static int exec_mov_to_seg(struct interp *in)
{
	u8 nr = in->insn.reg & 7;
	u64 val;
	int r;

	if (nr > SEG_GS || nr == SEG_CS)
		return fault_plain(in, VEC_UD);
	r = rm_read(in, 2, &val, false);
	if (r)
		return r;
	r = segment_load(in, nr, val);
	if (!r && nr == SEG_SS)
		in->int_shadow = 2;
	return r;
}

/* LES, LDS, LSS, LFS, LGS */
static int exec_load_far(struct interp *in)
{
	const struct insn *insn = &in->insn;
	u64 offset;
	u8 buf[10] = { 0 };
	u16 selector;
	gva_t addr;
	u8 seg;
	int r;

	if (!insn->mem)
		return fault_plain(in, VEC_UD);
	if (insn->map)
		seg = insn->opcode == 0xb2 ? SEG_SS : insn->opcode - 0xb4 + SEG_FS;
	else
		seg = insn->opcode == 0xc4 ? SEG_ES : SEG_DS;
	offset = insn_offset(insn, in->reg.gpr, in->reg.rip);
	r = mem_linear(in, insn->seg, offset, insn->size + 2, false, &addr);
	if (!r)
		r = mem_read(in, addr, buf, insn->size + 2, 0);
	if (r)
		return r;
	offset = 0;
	memcpy(&offset, buf, insn->size);
	memcpy(&selector, buf + insn->size, 2);
	r = segment_load(in, seg, selector);
	if (r)
		return r;
	reg_set(in, insn->reg, insn->size, offset);
	return INTERP_DONE;
}

/* LGDT, LIDT, SGDT, SIDT */
static int exec_tables(struct interp *in, bool load, struct dtable *table)
{
	const struct insn *insn = &in->insn;
	unsigned int width = in->mode == INTERP_LONG ? 8 : 4;
	u64 offset = insn_offset(insn, in->reg.gpr, in->reg.rip);
	u8 buf[10] = { 0 };
	gva_t addr;
	int r;

	r = mem_linear(in, insn->seg, offset, width + 2, !load, &addr);
	if (r)
		return r;
	if (!load) {
		memcpy(buf, &table->limit, 2);
		memcpy(buf + 2, &table->base, width);
		return mem_write(in, addr, buf, width + 2, 0);
	}
	r = mem_read(in, addr, buf, width + 2, 0);
	if (r)
		return r;
	table->base = 0;
	memcpy(&table->limit, buf, 2);
	memcpy(&table->base, buf + 2, width);
	if (width == 4 && insn->op_size == 2)
		table->base &= 0xffffff;
	in->changed |= INTERP_TABLES;
	return INTERP_DONE;
}

/* LMSW changes PE (which it cannot clear), MP, EM, TS (APM vol. 3, LMSW). */
static int exec_lmsw(struct interp *in)
{
	u64 val;
	int r;

	if (in->cpl)
		return fault_gp(in);
	r = rm_read(in, 2, &val, false);
	if (r)
		return r;
	in->cr0 = (in->cr0 & ~0xeULL) | (val & 0xf);
	in->changed |= INTERP_CR0;
	return INTERP_DONE;
}

static bool umip(const struct interp *in)
{
	return in->cr4 & X86_CR4_UMIP && in->cpl;
}

/* 0F 01 */
static int exec_group7(struct interp *in)
{
	const struct insn *insn = &in->insn;
	unsigned int nr = insn->reg & 7;

	if (nr == 4) {
		if (umip(in))
			return fault_gp(in);
		return rm_write(in, insn->mem ? 2 : insn->size, in->cr0);
	}
	if (nr == 6)
		return exec_lmsw(in);
	if (!insn->mem || nr > 3)
		return INTERP_UNKNOWN;
	if (nr < 2 ? umip(in) : in->cpl)
		return fault_gp(in);
	return exec_tables(in, nr & 2, nr & 1 ? &in->idtr : &in->gdtr);
}

static int exec_clts(struct interp *in)
{
	if (in->cpl)
		return fault_gp(in);
	in->cr0 &= ~(u64)X86_CR0_TS;
	in->changed |= INTERP_CR0;
	return INTERP_DONE;
}

/* The members of the family from OP_MOV_FROM_SEG to OP_CLTS. */
int exec_segment(struct interp *in)
{
	switch (in->insn.op) {
	case OP_MOV_FROM_SEG:
		return exec_mov_from_seg(in);
	case OP_MOV_TO_SEG:
		return exec_mov_to_seg(in);
	case OP_LOAD_FAR:
		return exec_load_far(in);
	case OP_TABLES:
		return exec_group7(in);
	}
	return exec_clts(in);
}
