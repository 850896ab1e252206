// SPDX-License-Identifier: GPL-2.0
/* Stack instructions and near control flow (APM vol. 3, chapter 3). */
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

static int exec_pushf(struct interp *in)
{
	/* Virtual-8086 mode below IOPL 3: VME's business */
	if (in->mode == INTERP_VM86 && iopl(in) != 3)
		return in->cr4 & X86_CR4_VME ? INTERP_UNKNOWN : fault_gp(in);
	return push(in, in->reg.rflags & ~(u64)(X86_EFLAGS_VM | X86_EFLAGS_RF), in->insn.size);
}

static int exec_popf(struct interp *in)
{
	u64 change = FLAGS_STATUS | X86_EFLAGS_TF | X86_EFLAGS_DF | X86_EFLAGS_NT;
	u64 val;
	int r;

	if (in->mode == INTERP_VM86 && iopl(in) != 3)
		return in->cr4 & X86_CR4_VME ? INTERP_UNKNOWN : fault_gp(in);
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

static u8 stack_segment(const struct insn *insn)
{
	if (insn->map)
		return insn->opcode < 0xa8 ? SEG_FS : SEG_GS;
	return insn->opcode >> 3 & 3;
}

static int exec_pop_seg(struct interp *in)
{
	u8 seg = stack_segment(&in->insn);
	u64 val;
	int r;

	r = pop(in, &val, in->insn.size);
	if (r)
		return r;
	r = segment_load(in, seg, val);
	if (!r && seg == SEG_SS)
		in->int_shadow = 2;
	return r;
}

static int exec_leave(struct interp *in)
{
	unsigned int width = stack_size(in);
	u64 val;
	int r;

	reg_set(in, REG_RSP, width, in->reg.gpr[REG_RBP]);
	r = pop(in, &val, in->insn.size);
	if (!r)
		reg_set(in, REG_RBP, in->insn.size, val);
	return r;
}

/* A near branch: RIP is cut to the operand size, and must be canonical or within CS's limit. */
static int branch(struct interp *in, u64 target)
{
	unsigned int shift = in->cr4 & X86_CR4_LA57 ? 7 : 16;

	if (in->mode == INTERP_LONG) {
		if ((u64)((s64)(target << shift) >> shift) != target)
			return fault_gp(in);
	} else {
		target &= size_mask(in->insn.op_size);
		if (target > in->seg[SEG_CS].limit)
			return fault_gp(in);
	}
	in->reg.rip = target;
	return INTERP_DONE;
}

static int exec_call(struct interp *in, u64 target)
{
	u64 back = in->reg.rip;
	int r;

	r = branch(in, target);
	return r ? r : push(in, back, in->insn.op_size);
}

static int exec_branch_rm(struct interp *in)
{
	u64 target;
	int r;

	r = rm_read(in, in->insn.size, &target, false);
	if (r)
		return r;
	return in->insn.op == OP_CALL_RM ? exec_call(in, target) : branch(in, target);
}

static int exec_ret(struct interp *in)
{
	u64 target;
	int r;

	r = pop(in, &target, in->insn.op_size);
	if (r)
		return r;
	reg_set(in, REG_RSP, stack_size(in), in->reg.gpr[REG_RSP] + (u16)in->insn.imm);
	return branch(in, target);
}

/* LOOPNE, LOOPE, LOOP, JCXZ */
static int exec_loop(struct interp *in)
{
	const struct insn *insn = &in->insn;
	unsigned int nr = insn->opcode & 3;
	bool zf = in->reg.rflags & X86_EFLAGS_ZF;
	u64 count = in->reg.gpr[REG_RCX] & size_mask(insn->addr_size);

	if (nr == 3)
		return count ? INTERP_DONE : branch(in, in->reg.rip + insn->imm);
	reg_set(in, REG_RCX, insn->addr_size, --count);
	if (!(count & size_mask(insn->addr_size)) || (nr == 0 && zf) || (nr == 1 && !zf))
		return INTERP_DONE;
	return branch(in, in->reg.rip + insn->imm);
}

/* CLI and STI below IOPL 0..3 without the virtual interrupt flag (APM vol. 2, 8.1.4) */
static int exec_interrupt_flag(struct interp *in, bool set)
{
	bool was_set = in->reg.rflags & X86_EFLAGS_IF;

	if (in->mode != INTERP_REAL && in->cpl > iopl(in))
		return in->cr4 & (X86_CR4_VME | X86_CR4_PVI) ? INTERP_UNKNOWN : fault_gp(in);
	in->reg.rflags &= ~(u64)X86_EFLAGS_IF;
	if (set) {
		in->reg.rflags |= X86_EFLAGS_IF;
		in->int_shadow = was_set ? 0 : 1;
	}
	return INTERP_DONE;
}

static int exec_flag(struct interp *in)
{
	switch (in->insn.opcode) {
	case 0xf5:
		in->reg.rflags ^= X86_EFLAGS_CF;
		break;
	case 0xf8:
		in->reg.rflags &= ~(u64)X86_EFLAGS_CF;
		break;
	case 0xf9:
		in->reg.rflags |= X86_EFLAGS_CF;
		break;
	case 0xfc:
		in->reg.rflags &= ~(u64)X86_EFLAGS_DF;
		break;
	case 0xfd:
		in->reg.rflags |= X86_EFLAGS_DF;
		break;
	default:
		return exec_interrupt_flag(in, in->insn.opcode & 1);
	}
	return INTERP_DONE;
}

static int exec_ahf(struct interp *in)
{
	u64 mask = FLAGS_STATUS & ~X86_EFLAGS_OF;
	u64 *rax = &in->reg.gpr[REG_RAX];

	if (in->insn.op == OP_SAHF)
		in->reg.rflags = (in->reg.rflags & ~mask) | (*rax >> 8 & mask);
	else
		*rax = (*rax & ~0xff00ULL) | ((in->reg.rflags & mask) | X86_EFLAGS_FIXED) << 8;
	return INTERP_DONE;
}

/* The members of the family from OP_PUSH to OP_SAHF. */
int exec_stack(struct interp *in)
{
	const struct insn *insn = &in->insn;

	switch (insn->op) {
	case OP_PUSH:
		return exec_push(in);
	case OP_POP:
		return exec_pop(in);
	case OP_PUSHA:
		return exec_pusha(in);
	case OP_POPA:
		return exec_popa(in);
	case OP_PUSHF:
		return exec_pushf(in);
	case OP_POPF:
		return exec_popf(in);
	case OP_PUSH_SEG:
		return push(in, in->seg[stack_segment(insn)].selector, insn->size);
	case OP_POP_SEG:
		return exec_pop_seg(in);
	case OP_LEAVE:
		return exec_leave(in);
	case OP_CALL:
		return exec_call(in, in->reg.rip + insn->imm);
	case OP_JMP:
		return branch(in, in->reg.rip + insn->imm);
	case OP_RET:
		return exec_ret(in);
	case OP_JCC:
		return alu_condition(insn->opcode, in->reg.rflags) ?
			branch(in, in->reg.rip + insn->imm) : INTERP_DONE;
	case OP_LOOP:
		return exec_loop(in);
	case OP_CALL_RM: case OP_JMP_RM:
		return exec_branch_rm(in);
	case OP_FLAG:
		return exec_flag(in);
	}
	return exec_ahf(in);
}
