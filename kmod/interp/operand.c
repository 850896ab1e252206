// SPDX-License-Identifier: GPL-2.0
/*
 * Operands: registers, memory, stack, strings, the instruction pointer. Alignment checks (#AC, #GP
 * of SSE) are left to the hardware: what is not aligned as it must be never comes here.
 */
#include "insn.h"

static int rm_map(struct interp *in, bool write)
{
	const struct insn *insn = &in->insn;
	u64 offset = insn_offset(insn, in->reg.gpr, in->start.rip + insn->len) + in->bit_string;

	if (insn->addr_size < 8)
		offset &= size_mask(insn->addr_size);
	return seg_map(in, insn->seg, offset, insn->rm_size, write, &in->span);
}

/* for_write: a read is checked as the write that follows (APM vol. 2, 5.6). */
static int rm_read(struct interp *in, u64 *val, bool for_write)
{
	int r;

	if (!in->insn.mem) {
		*val = reg_get(in, in->insn.rm, in->insn.rm_size);
		return INTERP_DONE;
	}
	r = rm_map(in, for_write);
	return r ? r : span_copy(in, &in->span, val, false);
}

static int rm_write(struct interp *in, u64 old, u64 *val)
{
	const struct insn *insn = &in->insn;
	int r;

	if (!insn->mem) {
		reg_set(in, insn->rm, insn->rm_size, *val);
		return INTERP_DONE;
	}
	if (!in->span.valid) {
		r = rm_map(in, true);
		if (r)
			return r;
	}
	if ((insn->lock || insn->op == OP_XCHG) && insn->rm_size <= 8)
		return span_update(in, &in->span, old, *val);
	return span_copy(in, &in->span, val, true);
}

static int seg_copy(struct interp *in, u8 seg, u64 offset, u64 *val, bool write)
{
	struct interp_span span;
	int r = seg_map(in, seg, offset, in->insn.size, write, &span);

	return r ? r : span_copy(in, &span, val, write);
}

int stack_push(struct interp *in, u64 val)
{
	unsigned int width = stack_size(in);
	u64 sp = (in->reg.gpr[REG_RSP] - in->insn.size) & size_mask(width);

	reg_set(in, REG_RSP, width, sp);
	return seg_copy(in, SEG_SS, sp, &val, true);
}

int stack_pop(struct interp *in, u64 *val)
{
	unsigned int width = stack_size(in);
	u64 sp = in->reg.gpr[REG_RSP] & size_mask(width);

	reg_set(in, REG_RSP, width, sp + in->insn.size);
	return seg_copy(in, SEG_SS, sp, val, false);
}

void step_reg(struct interp *in, u8 reg, u64 delta)
{
	reg_set(in, reg, in->insn.addr_size, in->reg.gpr[reg] + delta);
}

/* An element of a string. */
static int string_copy(struct interp *in, unsigned int at, u64 *val, bool write)
{
	u8 reg = at == AT_SI ? REG_RSI : REG_RDI;
	u64 offset = in->reg.gpr[reg] & size_mask(in->insn.addr_size);
	u64 size = in->insn.size;

	step_reg(in, reg, in->reg.rflags & X86_EFLAGS_DF ? -size : size);
	return seg_copy(in, at == AT_SI ? in->insn.seg : SEG_ES, offset, val, write);
}

/* A near branch: cut to the operand size, canonical or within CS's limit. */
static int branch(struct interp *in, u64 target)
{
	target &= size_mask(in->insn.size);
	if (in->mode == INTERP_LONG ? !mem_canonical(in, target) : target > in->seg[SEG_CS].limit)
		return fault_gp(in);
	in->reg.rip = target;
	return INTERP_DONE;
}

/* The hardware has checked before it made the access; CR0 and CR4 may have changed since then. */
static int xmm_copy(struct interp *in, u64 *val, bool write)
{
	if (in->cr0 & (X86_CR0_EM | X86_CR0_TS) || !(in->cr4 & X86_CR4_OSFXSR))
		return INTERP_RETRY;
	in->ops->xmm(in, in->insn.reg & 15, val, write);
	return INTERP_DONE;
}

static int selector_read(struct interp *in, u64 *val)
{
	u8 seg = in->insn.reg & 7;

	if (seg > SEG_GS)
		return fault_plain(in, VEC_UD);
	*val = in->seg[seg].selector;
	return INTERP_DONE;
}

static int selector_write(struct interp *in, u16 selector)
{
	u8 seg = in->insn.reg & 7;

	if (seg > SEG_GS || seg == SEG_CS)
		return fault_plain(in, VEC_UD);
	in->mov_ss = seg == SEG_SS;
	return segment_load(in, seg, selector);
}

int operand_read(struct interp *in, unsigned int at, u64 val[2], bool for_write)
{
	const struct insn *insn = &in->insn;

	switch (at) {
	case AT_RM:
		return rm_read(in, val, for_write);
	case AT_REG:
		*val = reg_get(in, insn->reg, insn->size);
		break;
	case AT_SREG:
		return selector_read(in, val);
	case AT_XMM:
		return xmm_copy(in, val, false);
	case AT_IMM:
		*val = insn->imm & size_mask(insn->size);
		break;
	case AT_ONE:
		*val = 1;
		break;
	case AT_CL:
		*val = in->reg.gpr[REG_RCX];
		break;
	case AT_STACK:
		return stack_pop(in, val);
	case AT_RIP:
		*val = in->reg.rip + insn->imm;
		break;
	case AT_SI: case AT_DI:
		return string_copy(in, at, val, false);
	}
	return INTERP_DONE;
}

int operand_write(struct interp *in, unsigned int at, u64 old, u64 val[2])
{
	const struct insn *insn = &in->insn;

	switch (at) {
	case AT_RM:
		return rm_write(in, old, val);
	case AT_REG:
		reg_set(in, insn->reg, insn->size, *val);
		break;
	case AT_SREG:
		return selector_write(in, *val);
	case AT_XMM:
		return xmm_copy(in, val, true);
	case AT_STACK:
		return stack_push(in, *val);
	case AT_RIP:
		return branch(in, *val);
	case AT_DI:
		return string_copy(in, at, val, true);
	}
	return INTERP_DONE;
}
