// SPDX-License-Identifier: GPL-2.0
/* Instructions that use the stack, segment registers, or CR0 (APM vol. 3, chapters 3 and 4). */
#include "insn.h"

static int push(struct interp *in, u64 val, unsigned int size)
{
	unsigned int width = stack_size(in);
	u64 sp = (in->reg.gpr[REG_RSP] - size) & size_mask(width);
	int r;

	r = seg_write(in, SEG_SS, sp, &val, size);
	if (!r)
		reg_set(in, REG_RSP, width, sp);
	return r;
}

static int pop(struct interp *in, u64 *val, unsigned int size)
{
	unsigned int width = stack_size(in);
	u64 sp = in->reg.gpr[REG_RSP] & size_mask(width);
	int r;

	*val = 0;
	r = seg_read(in, SEG_SS, sp, val, size);
	if (!r)
		reg_set(in, REG_RSP, width, sp + size);
	return r;
}

static u8 opcode_reg(const struct insn *insn)
{
	return (insn->opcode & 7) | (insn->rex & 1) << 3;
}

static int exec_push(struct interp *in)
{
	const struct insn *insn = &in->insn;
	u64 val = insn->imm;
	int r;

	if (F_GET_SRC(insn->flags) == AT_OPREG) {
		val = reg_get(in, opcode_reg(insn), insn->size);
	} else if (F_GET_SRC(insn->flags) == AT_RM) {
		r = rm_read(in, insn->size, &val, false);
		if (r)
			return r;
	}
	return push(in, val, insn->size);
}

static int exec_pop(struct interp *in)
{
	const struct insn *insn = &in->insn;
	u64 val;
	int r;

	r = pop(in, &val, insn->size);
	if (r)
		return r;
	/* An address that uses RSP is computed with its new value. */
	if (F_GET_DST(insn->flags) == AT_RM)
		return rm_write(in, insn->size, val);
	reg_set(in, opcode_reg(insn), insn->size, val);
	return INTERP_DONE;
}

static int exec_pusha(struct interp *in)
{
	u64 sp = in->reg.gpr[REG_RSP];
	u8 reg;
	int r = INTERP_DONE;

	for (reg = REG_RAX; !r && reg <= REG_RDI; reg++)
		r = push(in, reg == REG_RSP ? sp : in->reg.gpr[reg], in->insn.size);
	return r;
}

static int exec_popa(struct interp *in)
{
	u64 val;
	int reg, r;

	for (reg = REG_RDI; reg >= REG_RAX; reg--) {
		r = pop(in, &val, in->insn.size);
		if (r)
			return r;
		if (reg != REG_RSP)
			reg_set(in, reg, in->insn.size, val);
	}
	return INTERP_DONE;
}

static unsigned int iopl(const struct interp *in)
{
	return (in->reg.rflags & X86_EFLAGS_IOPL) >> 12;
}

static int exec_pushf_popf(struct interp *in)
{
	u64 change = FLAGS_STATUS | X86_EFLAGS_TF | X86_EFLAGS_DF | X86_EFLAGS_NT;
	u64 val = in->reg.rflags & ~(u64)(X86_EFLAGS_VM | X86_EFLAGS_RF);
	int r;

	/* Virtual-8086 mode below IOPL 3 (APM vol. 2, 8.9) */
	if (in->mode == INTERP_VM86 && iopl(in) != 3)
		return in->cr4 & X86_CR4_VME ? INTERP_UNKNOWN : fault_gp(in);
	if (in->insn.op == OP_PUSHF)
		return push(in, val, in->insn.size);
	r = pop(in, &val, in->insn.size);
	if (r)
		return r;
	if (in->insn.size != 2)
		change |= X86_EFLAGS_AC | X86_EFLAGS_ID;
	if (in->mode != INTERP_VM86 && in->cpl == 0)
		change |= X86_EFLAGS_IOPL;
	if (in->mode == INTERP_REAL || in->cpl <= iopl(in))
		change |= X86_EFLAGS_IF;
	in->reg.rflags = (in->reg.rflags & ~(change | X86_EFLAGS_RF)) | (val & change);
	return INTERP_DONE;
}

static int exec_push_seg(struct interp *in)
{
	const struct insn *insn = &in->insn;
	u8 seg = insn->opcode >> 3 & 3;

	if (insn->map)
		seg = insn->opcode < 0xa8 ? SEG_FS : SEG_GS;
	return push(in, in->seg[seg].selector, insn->size);
}

static int exec_mov_from_seg(struct interp *in)
{
	u8 nr = in->insn.reg & 7;

	if (nr > SEG_GS)
		return fault_plain(in, VEC_UD);
	return rm_write(in, in->insn.mem ? 2 : in->insn.size, in->seg[nr].selector);
}

/* SMSW; LMSW, which changes PE (and cannot clear it), MP, EM, TS; CLTS. */
static int exec_cr0(struct interp *in)
{
	const struct insn *insn = &in->insn;
	u64 val = in->cr0 & ~(u64)X86_CR0_TS;
	int r;

	if (insn->op == OP_MSW && (insn->reg & 7) == 4) {
		if (in->cpl && in->cr4 & X86_CR4_UMIP)
			return fault_gp(in);
		return rm_write(in, insn->mem ? 2 : insn->size, in->cr0);
	}
	if (insn->op == OP_MSW && (insn->reg & 7) != 6)
		return INTERP_UNKNOWN;
	if (in->cpl)
		return fault_gp(in);
	if (insn->op == OP_MSW) {
		r = rm_read(in, 2, &val, false);
		if (r)
			return r;
		val = (in->cr0 & ~0xeULL) | (val & 0xf);
	}
	in->cr0 = val;
	in->cr0_changed = true;
	return INTERP_DONE;
}

/* The instructions from OP_PUSH to OP_CLTS. */
int exec_stack(struct interp *in)
{
	switch (in->insn.op) {
	case OP_PUSH:
		return exec_push(in);
	case OP_POP:
		return exec_pop(in);
	case OP_PUSHA:
		return exec_pusha(in);
	case OP_POPA:
		return exec_popa(in);
	case OP_PUSHF: case OP_POPF:
		return exec_pushf_popf(in);
	case OP_PUSH_SEG:
		return exec_push_seg(in);
	case OP_MOV_FROM_SEG:
		return exec_mov_from_seg(in);
	}
	return exec_cr0(in);
}
