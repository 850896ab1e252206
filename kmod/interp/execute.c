// SPDX-License-Identifier: GPL-2.0
/*
 * The executor: operands in, arithmetic, results out. Alignment checks (#AC) are left to the
 * hardware: an access that the interpreter makes is never refused for its alignment.
 */
#include "insn.h"

static u64 operand_offset(const struct interp *in)
{
	return insn_offset(&in->insn, in->reg.gpr, in->start.rip + in->insn.len);
}

static int rm_map(struct interp *in, unsigned int size, bool write)
{
	const struct insn *insn = &in->insn;
	gva_t addr;
	int r;

	r = mem_linear(in, insn->seg, operand_offset(in), size, write, &addr);
	if (r)
		return r;
	return mem_map(in, addr, size, write ? ACCESS_WRITE : 0, &in->span);
}

/* for_write: the operand is written afterwards, and a read is checked as the write (5.6). */
int rm_read(struct interp *in, unsigned int size, u64 *val, bool for_write)
{
	int r;

	*val = 0;
	if (!in->insn.mem) {
		*val = reg_get(in, in->insn.rm, size);
		return INTERP_DONE;
	}
	r = rm_map(in, size, for_write);
	return r ? r : span_read(in, &in->span, val);
}

int rm_write(struct interp *in, unsigned int size, u64 val)
{
	int r;

	if (!in->insn.mem) {
		reg_set(in, in->insn.rm, size, val);
		return INTERP_DONE;
	}
	if (!in->span.valid) {
		r = rm_map(in, size, true);
		if (r)
			return r;
	}
	return span_write(in, &in->span, &val);
}

/* The end of a read-modify-write: atomic in memory when LOCK says so, or for XCHG. */
static int rm_update(struct interp *in, unsigned int size, u64 old, u64 new)
{
	if (in->insn.mem && (in->insn.lock || in->insn.op == OP_XCHG))
		return span_update(in, &in->span, old, new);
	return rm_write(in, size, new);
}

static int operand_read(struct interp *in, unsigned int where, unsigned int size, u64 *val,
			bool for_write)
{
	const struct insn *insn = &in->insn;

	switch (where) {
	case AT_RM:
	case AT_MOFFS:
		return rm_read(in, size, val, for_write);
	case AT_REG:
		*val = reg_get(in, insn->reg, size);
		break;
	case AT_ACC:
		*val = reg_get(in, REG_RAX, size);
		break;
	case AT_IMM:
		*val = insn->imm & size_mask(size);
		break;
	case AT_ONE_CL:
		*val = insn->map == 0 && !(insn->opcode & 2) ? 1 : in->reg.gpr[REG_RCX] & 0xff;
		break;
	default:
		*val = 0;
	}
	return INTERP_DONE;
}

static int operand_write(struct interp *in, unsigned int where, unsigned int size, u64 old,
			 u64 val)
{
	const struct insn *insn = &in->insn;

	switch (where) {
	case AT_RM:
		return rm_update(in, size, old, val);
	case AT_MOFFS:
		return rm_write(in, size, val);
	case AT_REG:
		reg_set(in, insn->reg, size, val);
		break;
	case AT_ACC:
		reg_set(in, REG_RAX, size, val);
		break;
	}
	return INTERP_DONE;
}

/* rDX:rAX, of byte operands AX, = rAX * src */
static int exec_mul(struct interp *in, bool is_signed, u64 src)
{
	unsigned int size = in->insn.size;
	u64 lo = reg_get(in, REG_RAX, size), hi;

	alu_mul(is_signed, &lo, &hi, src, size, &in->reg.rflags);
	if (size == 1) {
		reg_set(in, REG_RAX, 2, hi << 8 | lo);
		return INTERP_DONE;
	}
	reg_set(in, REG_RAX, size, lo);
	reg_set(in, REG_RDX, size, hi);
	return INTERP_DONE;
}

/* F6, F7: TEST, NOT, NEG, MUL, IMUL; not DIV, IDIV */
static int exec_unary(struct interp *in)
{
	unsigned int nr = in->insn.reg & 7, size = in->insn.size;
	u64 val, res;
	int r;

	if (nr > 5)
		return INTERP_UNKNOWN;
	r = rm_read(in, size, &val, nr == 2 || nr == 3);
	if (r)
		return r;
	if (nr > 3)
		return exec_mul(in, nr & 1, val);
	if (nr < 2) {
		alu_binary(4, val, in->insn.imm, size, &in->reg.rflags);
		return INTERP_DONE;
	}
	res = nr == 2 ? ~val & size_mask(size) : alu_binary(5, 0, val, size, &in->reg.rflags);
	return rm_update(in, size, val, res);
}

/* The operand of BT in memory with a register offset: the bit string goes on beyond it. */
static void bt_advance(struct interp *in, u64 offset)
{
	unsigned int size = in->insn.size;
	s64 bits = (s64)sign_extend(offset, size);

	if (in->insn.mem && F_GET_SRC(in->insn.flags) == AT_REG)
		in->insn.disp += (bits >> (size == 8 ? 6 : size == 4 ? 5 : 4)) * size;
}

static int exec_bt(struct interp *in)
{
	const struct insn *insn = &in->insn;
	unsigned int nr = insn->opcode == 0xba ? insn->reg & 3 : insn->opcode >> 3 & 3;
	u64 saved_disp = insn->disp, offset, val, res;
	int r;

	operand_read(in, F_GET_SRC(insn->flags), insn->size, &offset, false);
	bt_advance(in, offset);
	r = rm_read(in, insn->size, &val, nr);
	in->insn.disp = saved_disp;	/* the instruction may be executed again */
	if (r)
		return r;
	res = alu_bit(nr, val, offset & (insn->size * 8 - 1), &in->reg.rflags);
	return nr ? rm_update(in, insn->size, val, res) : INTERP_DONE;
}

static int exec_cmpxchg(struct interp *in)
{
	unsigned int size = in->insn.size;
	u64 acc = reg_get(in, REG_RAX, size), val, new;
	int r;

	r = rm_read(in, size, &val, true);
	if (r)
		return r;
	alu_binary(7, acc, val, size, &in->reg.rflags);
	new = acc == val ? reg_get(in, in->insn.reg, size) : val;
	/* Memory is written whatever the comparison says (APM vol. 3, CMPXCHG); a register not. */
	if (in->insn.mem || acc == val) {
		r = rm_update(in, size, val, new);
		if (r)
			return r;
	}
	if (acc != val)
		reg_set(in, REG_RAX, size, val);
	return INTERP_DONE;
}

/*
 * CMPXCHG8B, CMPXCHG16B. The pair is exchanged atomically where it fits 8 bytes; 16 bytes in
 * memory are left to the hardware, which can do it there.
 */
static int exec_cmpxchg8b(struct interp *in)
{
	unsigned int half = in->insn.op_size == 8 ? 8 : 4;
	u64 old[2] = { 0, 0 }, new[2], lo, hi;
	int r;

	r = rm_map(in, half * 2, true);
	if (r)
		return r;
	if (half == 8 && in->span.gpa[0] & 15)
		return fault_gp(in);
	if (half == 8 && in->ops->is_memory(in, in->span.gpa[0], true))
		return INTERP_RETRY;
	r = span_read(in, &in->span, old);
	if (r)
		return r;
	lo = half == 8 ? old[0] : (u32)old[0];
	hi = half == 8 ? old[1] : old[0] >> 32;
	new[0] = reg_get(in, REG_RBX, half);
	new[1] = reg_get(in, REG_RCX, half);
	if (lo != reg_get(in, REG_RAX, half) || hi != reg_get(in, REG_RDX, half)) {
		reg_set(in, REG_RAX, half, lo);
		reg_set(in, REG_RDX, half, hi);
		in->reg.rflags &= ~(u64)X86_EFLAGS_ZF;
		return INTERP_DONE;
	}
	in->reg.rflags |= X86_EFLAGS_ZF;
	if (half == 8)
		return span_write(in, &in->span, new);
	return span_update(in, &in->span, old[0], new[1] << 32 | new[0]);
}

static int exec_xadd(struct interp *in)
{
	unsigned int size = in->insn.size;
	u64 val, sum;
	int r;

	r = rm_read(in, size, &val, true);
	if (r)
		return r;
	sum = alu_binary(0, val, reg_get(in, in->insn.reg, size), size, &in->reg.rflags);
	if (in->insn.mem) {
		r = rm_update(in, size, val, sum);
		if (r)
			return r;
		reg_set(in, in->insn.reg, size, val);
		return INTERP_DONE;
	}
	/* With both operands the same register it holds the sum. */
	reg_set(in, in->insn.reg, size, val);
	return rm_write(in, size, sum);
}

/* MOVZX, MOVSX, MOVSXD */
static int exec_extend(struct interp *in)
{
	const struct insn *insn = &in->insn;
	bool dword = insn->op == OP_MOVSXD;
	unsigned int from = insn->opcode & 1 ? 2 : 1;
	u64 val;
	int r;

	if (dword && in->mode != INTERP_LONG)
		return INTERP_UNKNOWN;		/* ARPL */
	if (dword)
		from = insn->size == 2 ? 2 : 4;
	r = rm_read(in, from, &val, false);
	if (r)
		return r;
	if (dword || insn->opcode & 8)
		val = sign_extend(val, from);
	reg_set(in, insn->reg, insn->size, val);
	return INTERP_DONE;
}

static int exec_shld(struct interp *in)
{
	const struct insn *insn = &in->insn;
	u64 val, count, res;
	int r;

	r = rm_read(in, insn->size, &val, true);
	if (r)
		return r;
	operand_read(in, F_GET_SRC(insn->flags), 1, &count, false);
	res = alu_shift_double(insn->opcode & 8, val, reg_get(in, insn->reg, insn->size), count,
			       insn->size, &in->reg.rflags);
	return rm_write(in, insn->size, res);
}

static int exec_imul(struct interp *in)
{
	const struct insn *insn = &in->insn;
	u64 a, b;
	int r;

	r = rm_read(in, insn->size, &a, false);
	if (r)
		return r;
	b = F_GET_SRC(insn->flags) == AT_IMM ? insn->imm : reg_get(in, insn->reg, insn->size);
	reg_set(in, insn->reg, insn->size, alu_imul(a, b, insn->size, &in->reg.rflags));
	return INTERP_DONE;
}

static int exec_cmov(struct interp *in)
{
	const struct insn *insn = &in->insn;
	u64 val;
	int r;

	/* The source is read, and a 32-bit destination is extended, whatever the condition. */
	r = rm_read(in, insn->size, &val, false);
	if (r)
		return r;
	if (!alu_condition(insn->opcode, in->reg.rflags))
		val = reg_get(in, insn->reg, insn->size);
	reg_set(in, insn->reg, insn->size, val);
	return INTERP_DONE;
}

/* BSF, BSR; with F3 they are TZCNT and LZCNT or not, as CPUID says: not known here. */
static int exec_bitscan(struct interp *in)
{
	const struct insn *insn = &in->insn;
	u64 val;
	int r;

	if (insn->rep == 0xf3)
		return INTERP_UNKNOWN;
	r = rm_read(in, insn->size, &val, false);
	if (r)
		return r;
	if (!val) {
		in->reg.rflags |= X86_EFLAGS_ZF;
		return INTERP_DONE;
	}
	in->reg.rflags &= ~(u64)X86_EFLAGS_ZF;
	reg_set(in, insn->reg, insn->size,
		insn->opcode == 0xbc ? __builtin_ctzll(val) : 63 - __builtin_clzll(val));
	return INTERP_DONE;
}

static u64 swap_bytes(u64 val, unsigned int size)
{
	return __builtin_bswap64(val) >> (64 - size * 8);
}

static int exec_movbe(struct interp *in)
{
	const struct insn *insn = &in->insn;
	u64 val;
	int r;

	if (!insn->mem)
		return fault_plain(in, VEC_UD);
	if (insn->opcode & 1)
		return rm_write(in, insn->size,
				swap_bytes(reg_get(in, insn->reg, insn->size), insn->size));
	r = rm_read(in, insn->size, &val, false);
	if (!r)
		reg_set(in, insn->reg, insn->size, swap_bytes(val, insn->size));
	return r;
}

/* Everything of the form: read destination and source, compute, write the destination. */
static int exec_two(struct interp *in)
{
	const struct insn *insn = &in->insn;
	unsigned int nr = insn->opcode < 0x80 ? insn->opcode >> 3 : insn->reg & 7;
	unsigned int size = insn->size;
	u32 flags = insn->flags;
	u64 dst = 0, src, res = 0;
	int r;

	if (!(flags & F_NOREAD)) {
		r = operand_read(in, F_GET_DST(flags), size, &dst, !(flags & F_NOWRITE));
		if (r)
			return r;
	}
	r = operand_read(in, F_GET_SRC(flags), size, &src, false);
	if (r)
		return r;
	switch (insn->op) {
	case OP_ALU:
		res = alu_binary(nr, dst, src, size, &in->reg.rflags);
		break;
	case OP_TEST:
		alu_binary(4, dst, src, size, &in->reg.rflags);
		break;
	case OP_MOV:
		res = src;
		break;
	case OP_SHIFT:
		res = alu_shift(nr, dst, src & 0xff, size, &in->reg.rflags);
		break;
	case OP_INCDEC:
		res = alu_incdec(nr & 1, dst, size, &in->reg.rflags);
		break;
	case OP_SETCC:
		res = alu_condition(insn->opcode, in->reg.rflags);
		break;
	}
	if (flags & F_NOWRITE)
		return INTERP_DONE;
	return operand_write(in, F_GET_DST(flags), size, dst, res);
}

static int exec_xchg(struct interp *in)
{
	const struct insn *insn = &in->insn;
	u64 dst, src = reg_get(in, insn->reg, insn->size);
	int r;

	r = rm_read(in, insn->size, &dst, true);
	if (!r)
		r = rm_update(in, insn->size, dst, src);
	if (!r)
		reg_set(in, insn->reg, insn->size, dst);
	return r;
}

static int execute(struct interp *in)
{
	switch (in->insn.op) {
	case OP_ALU: case OP_TEST: case OP_MOV: case OP_SHIFT: case OP_INCDEC: case OP_SETCC:
		return exec_two(in);
	case OP_XCHG:
		return exec_xchg(in);
	case OP_UNARY:
		return exec_unary(in);
	case OP_MOVX: case OP_MOVSXD:
		return exec_extend(in);
	case OP_BT:
		return exec_bt(in);
	case OP_SHLD:
		return exec_shld(in);
	case OP_CMPXCHG:
		return exec_cmpxchg(in);
	case OP_CMPXCHG8B:
		return exec_cmpxchg8b(in);
	case OP_XADD:
		return exec_xadd(in);
	case OP_IMUL:
		return exec_imul(in);
	case OP_CMOV:
		return exec_cmov(in);
	case OP_BITSCAN:
		return exec_bitscan(in);
	case OP_MOVBE:
		return exec_movbe(in);
	case OP_PUSH ... OP_CLTS:
		return exec_stack(in);
	case OP_NOMEM:
		/* Nothing that can have exited: it has been exchanged meanwhile. */
		return INTERP_RETRY;
	}
	return INTERP_UNKNOWN;
}

/**
 * interp_execute() - execute the instruction that interp_decode() found
 * @in: guest state and instruction; log_len accesses are in the log
 *
 * Return: INTERP_DONE: reg and cr0 hold the new state; RIP is behind the
 * instruction, or still on it when a REP loop is not over. Anything else: reg is as it was, or as
 * after the last complete iteration. May sleep.
 */
int interp_execute(struct interp *in)
{
	int r;

	in->start = in->reg;
	in->log_pos = 0;
	in->posted = false;
	in->cr0_changed = false;
	in->span.valid = false;
	if (in->insn.op >= OP_INS) {
		r = exec_string(in);
	} else {
		in->reg.rip += in->insn.len;
		if (in->mode != INTERP_LONG)
			in->reg.rip = (u32)in->reg.rip;
		r = execute(in);
	}
	if (r)
		in->reg = in->start;
	return r;
}
EXPORT_FOR_TEST(interp_execute);
