// SPDX-License-Identifier: GPL-2.0
/* The executor: what instructions do with their operands (APM vol. 3, chapters 3 and 4). */
#include "insn.h"

/* Of an operation: the destination stays as it is. */
#define KEEP	(-1)

static int op_mov(struct interp *in, u64 *dst, const u64 *src)
{
	dst[0] = src[0];
	dst[1] = src[1];
	return INTERP_DONE;
}

/* MOVSX, MOVSXD */
static int op_sign(struct interp *in, u64 *dst, const u64 *src)
{
	*dst = sign_extend(*src, in->insn.rm_size);
	return INTERP_DONE;
}

static int op_movbe(struct interp *in, u64 *dst, const u64 *src)
{
	*dst = __builtin_bswap64(*src) >> (64 - in->insn.size * 8);
	return INTERP_DONE;
}

static int op_setcc(struct interp *in, u64 *dst, const u64 *src)
{
	*dst = alu_condition(in->insn.opcode, in->reg.rflags);
	return INTERP_DONE;
}

static int op_call(struct interp *in, u64 *dst, const u64 *src)
{
	*dst = *src;
	return stack_push(in, in->reg.rip);
}

static int op_ret(struct interp *in, u64 *dst, const u64 *src)
{
	*dst = *src;
	reg_set(in, REG_RSP, stack_size(in), in->reg.gpr[REG_RSP] + in->insn.imm);
	return INTERP_DONE;
}

/* LES, LDS; LSS, LFS, LGS */
static int op_load_far(struct interp *in, u64 *dst, const u64 *src)
{
	const struct insn *insn = &in->insn;
	u8 seg = insn->map ? insn->opcode & 7 : insn->opcode == 0xc4 ? SEG_ES : SEG_DS;
	u16 selector;

	memcpy(&selector, (const u8 *)src + insn->size, sizeof(selector));
	*dst = *src;
	return segment_load(in, seg, selector);
}

static unsigned int iopl(const struct interp *in)
{
	return (in->reg.rflags & X86_EFLAGS_IOPL) >> 12;
}

/* PUSHF and POPF in virtual-8086 mode below IOPL 3 (APM vol. 2, 8.9) */
static int check_vm86(struct interp *in)
{
	if (in->mode != INTERP_VM86 || iopl(in) == 3)
		return INTERP_DONE;
	return in->cr4 & X86_CR4_VME ? INTERP_UNKNOWN : fault_gp(in);
}

static int op_pushf(struct interp *in, u64 *dst, const u64 *src)
{
	*dst = in->reg.rflags & ~(u64)(X86_EFLAGS_VM | X86_EFLAGS_RF);
	return check_vm86(in);
}

static int op_popf(struct interp *in, u64 *dst, const u64 *src)
{
	u64 change = FLAGS_STATUS | X86_EFLAGS_TF | X86_EFLAGS_DF | X86_EFLAGS_NT;

	if (in->insn.size != 2)
		change |= X86_EFLAGS_AC | X86_EFLAGS_ID;
	if (in->cpl == 0)
		change |= X86_EFLAGS_IOPL;
	if (in->mode == INTERP_REAL || in->cpl <= iopl(in))
		change |= X86_EFLAGS_IF;
	in->reg.rflags = (in->reg.rflags & ~(change | X86_EFLAGS_RF)) | (*src & change);
	return check_vm86(in);
}

static int op_pusha(struct interp *in, u64 *dst, const u64 *src)
{
	u64 sp = in->reg.gpr[REG_RSP];
	int r = INTERP_DONE;
	u8 reg;

	for (reg = REG_RAX; !r && reg <= REG_RDI; reg++)
		r = stack_push(in, reg == REG_RSP ? sp : in->reg.gpr[reg]);
	return r;
}

static int op_popa(struct interp *in, u64 *dst, const u64 *src)
{
	int reg, r = INTERP_DONE;
	u64 val = 0;

	for (reg = REG_RDI; !r && reg >= REG_RAX; reg--) {
		r = stack_pop(in, &val);
		if (reg != REG_RSP)
			reg_set(in, reg, in->insn.size, val);
	}
	return r;
}

/* ADD .. XOR and CMP, by their place in the opcode or ModRM.reg */
static int op_alu(struct interp *in, u64 *dst, const u64 *src)
{
	const struct insn *insn = &in->insn;
	unsigned int nr = insn->opcode < 0x80 ? insn->opcode >> 3 : insn->reg;

	*dst = alu_binary(nr, *dst, *src, insn->size, &in->reg.rflags);
	return INTERP_DONE;
}

static int op_test(struct interp *in, u64 *dst, const u64 *src)
{
	alu_binary(4, *dst, *src, in->insn.size, &in->reg.rflags);
	return INTERP_DONE;
}

/* CMPS, SCAS: the source is compared with the destination, not the other way round. */
static int op_cmps(struct interp *in, u64 *dst, const u64 *src)
{
	alu_binary(7, *src, *dst, in->insn.size, &in->reg.rflags);
	return INTERP_DONE;
}

static int op_shift(struct interp *in, u64 *dst, const u64 *src)
{
	*dst = alu_shift(in->insn.reg, *dst, *src, in->insn.size, &in->reg.rflags);
	return INTERP_DONE;
}

static int op_shld(struct interp *in, u64 *dst, const u64 *src)
{
	const struct insn *insn = &in->insn;

	*dst = alu_shift_double(insn->opcode & 8, *dst, reg_get(in, insn->reg, insn->size),
				*src, insn->size, &in->reg.rflags);
	return INTERP_DONE;
}

static int op_incdec(struct interp *in, u64 *dst, const u64 *src)
{
	*dst = alu_incdec(in->insn.reg & 1, *dst, in->insn.size, &in->reg.rflags);
	return INTERP_DONE;
}

static int op_not(struct interp *in, u64 *dst, const u64 *src)
{
	*dst = ~*dst;
	return INTERP_DONE;
}

static int op_neg(struct interp *in, u64 *dst, const u64 *src)
{
	*dst = alu_binary(5, 0, *dst, in->insn.size, &in->reg.rflags);
	return INTERP_DONE;
}

/* With two operands, or with an immediate as the third. */
static int op_imul(struct interp *in, u64 *dst, const u64 *src)
{
	u64 hi;

	if (!in->insn.map)
		*dst = in->insn.imm;
	alu_mul(true, dst, &hi, *src, in->insn.size, &in->reg.rflags);
	return INTERP_DONE;
}

/* MUL, IMUL, DIV, IDIV of rDX:rAX; of AH:AL for bytes */
static int op_muldiv(struct interp *in, u64 *dst, const u64 *src)
{
	unsigned int size = in->insn.size, nr = in->insn.reg & 7;
	u64 lo = reg_get(in, REG_RAX, size), hi = reg_get(in, REG_RDX, size);

	if (size == 1)
		hi = in->reg.gpr[REG_RAX] >> 8 & 0xff;
	if (nr < 6)
		alu_mul(nr & 1, &lo, &hi, *src, size, &in->reg.rflags);
	else if (alu_div(nr & 1, &lo, &hi, *src, size))
		return fault_plain(in, VEC_DE);
	if (size == 1) {
		reg_set(in, REG_RAX, 2, hi << 8 | lo);
		return INTERP_DONE;
	}
	reg_set(in, REG_RAX, size, lo);
	reg_set(in, REG_RDX, size, hi);
	return INTERP_DONE;
}

/* The source is read, and a 32-bit destination is extended, whatever the condition. */
static int op_cmov(struct interp *in, u64 *dst, const u64 *src)
{
	if (alu_condition(in->insn.opcode, in->reg.rflags))
		*dst = *src;
	return INTERP_DONE;
}

/* BSF, BSR; with F3 they are TZCNT and LZCNT or not, as CPUID says: not known here. */
static int op_bitscan(struct interp *in, u64 *dst, const u64 *src)
{
	if (in->insn.rep == 0xf3)
		return INTERP_UNKNOWN;
	if (!*src) {
		in->reg.rflags |= X86_EFLAGS_ZF;
		return KEEP;
	}
	in->reg.rflags &= ~(u64)X86_EFLAGS_ZF;
	*dst = in->insn.opcode == 0xbc ? __builtin_ctzll(*src) : 63 - __builtin_clzll(*src);
	return INTERP_DONE;
}

static int op_xchg(struct interp *in, u64 *dst, const u64 *src)
{
	reg_set(in, in->insn.reg, in->insn.size, *dst);
	*dst = *src;
	return INTERP_DONE;
}

/* With both operands the same register it holds the sum: the destination is written last. */
static int op_xadd(struct interp *in, u64 *dst, const u64 *src)
{
	reg_set(in, in->insn.reg, in->insn.size, *dst);
	*dst = alu_binary(0, *dst, *src, in->insn.size, &in->reg.rflags);
	return INTERP_DONE;
}

/* Memory is written whatever the comparison says (APM vol. 3, CMPXCHG); a register not. */
static int op_cmpxchg(struct interp *in, u64 *dst, const u64 *src)
{
	unsigned int size = in->insn.size;
	u64 acc = reg_get(in, REG_RAX, size);

	alu_binary(7, acc, *dst, size, &in->reg.rflags);
	if (acc == *dst) {
		*dst = *src;
		return INTERP_DONE;
	}
	reg_set(in, REG_RAX, size, *dst);
	return in->insn.mem ? INTERP_DONE : KEEP;
}

/* CMPXCHG8B, CMPXCHG16B; the latter in memory is left to the hardware, which can do it there. */
static int op_cmpxchg8b(struct interp *in, u64 *dst, const u64 *src)
{
	unsigned int half = in->insn.rm_size / 2;
	u64 lo = *dst & size_mask(half), hi = half == 8 ? dst[1] : *dst >> 32;

	if (half == 8 && in->ops->is_memory(in, in->span.gpa[0], true))
		return INTERP_RETRY;
	if (lo != reg_get(in, REG_RAX, half) || hi != reg_get(in, REG_RDX, half)) {
		reg_set(in, REG_RAX, half, lo);
		reg_set(in, REG_RDX, half, hi);
		in->reg.rflags &= ~(u64)X86_EFLAGS_ZF;
		return KEEP;
	}
	in->reg.rflags |= X86_EFLAGS_ZF;
	dst[0] = reg_get(in, REG_RBX, half);
	dst[1] = reg_get(in, REG_RCX, half);
	if (half == 4)
		dst[0] |= dst[1] << 32;
	return INTERP_DONE;
}

/* BT, BTS, BTR, BTC */
static int op_bt(struct interp *in, u64 *dst, const u64 *src)
{
	const struct insn *insn = &in->insn;
	unsigned int nr = insn->opcode == 0xba ? insn->reg : insn->opcode >> 3;

	*dst = alu_bit(nr, *dst, *src & (insn->size * 8 - 1), &in->reg.rflags);
	return INTERP_DONE;
}

static int op_smsw(struct interp *in, u64 *dst, const u64 *src)
{
	*dst = in->cr0;
	return in->cpl && in->cr4 & X86_CR4_UMIP ? fault_gp(in) : INTERP_DONE;
}

/* CLTS; LMSW, which changes PE (and cannot clear it), MP, EM, TS */
static int op_cr0(struct interp *in, u64 *dst, const u64 *src)
{
	if (in->cpl)
		return fault_gp(in);
	if (in->insn.op == OP_LMSW)
		in->cr0 = (in->cr0 & ~0xeULL) | (*src & 0xf);
	else
		in->cr0 &= ~(u64)X86_CR0_TS;
	in->cr0_changed = true;
	return INTERP_DONE;
}

static int (*const operations[])(struct interp *in, u64 *dst, const u64 *src) = {
	[OP_MOV] = op_mov, [OP_SIGN] = op_sign, [OP_MOVBE] = op_movbe, [OP_SETCC] = op_setcc,
	[OP_CALL] = op_call, [OP_RET] = op_ret, [OP_LOAD_FAR] = op_load_far,
	[OP_PUSHF] = op_pushf, [OP_SMSW] = op_smsw, [OP_ALU] = op_alu, [OP_SHIFT] = op_shift,
	[OP_SHLD] = op_shld, [OP_INCDEC] = op_incdec, [OP_NOT] = op_not, [OP_NEG] = op_neg,
	[OP_IMUL] = op_imul, [OP_CMOV] = op_cmov, [OP_BITSCAN] = op_bitscan, [OP_XCHG] = op_xchg,
	[OP_XADD] = op_xadd, [OP_CMPXCHG] = op_cmpxchg, [OP_CMPXCHG8B] = op_cmpxchg8b,
	[OP_BTX] = op_bt, [OP_CMP] = op_alu, [OP_TEST] = op_test, [OP_CMPS] = op_cmps,
	[OP_BT] = op_bt, [OP_MULDIV] = op_muldiv, [OP_PUSHA] = op_pusha, [OP_POPA] = op_popa,
	[OP_POPF] = op_popf, [OP_LMSW] = op_cr0, [OP_CLTS] = op_cr0,
};

/* A bit offset in a register: the string of bits goes on beyond the operand. */
static void bit_string(struct interp *in, u64 offset)
{
	const struct insn *insn = &in->insn;
	s64 bits = (s64)sign_extend(offset, insn->size);

	if (insn->mem && R_SRC(insn->row) == AT_REG)
		in->bit_string = (bits >> (insn->size == 8 ? 6 : insn->size == 4 ? 5 : 4)) *
				 insn->size;
}

/* One instruction or, of a string, one iteration; RIP is not stepped. */
int execute_once(struct interp *in)
{
	const struct insn *insn = &in->insn;
	u64 dst[2] = { 0, 0 }, src[2] = { 0, 0 }, old;
	int r;

	r = operand_read(in, R_SRC(insn->row), src, false);
	if (insn->op == OP_BT || insn->op == OP_BTX)
		bit_string(in, src[0]);
	if (!r && insn->op >= OP_FIRST_READ)
		r = operand_read(in, R_DST(insn->row), dst, insn->op < OP_FIRST_KEEP);
	if (r)
		return r;
	old = dst[0];
	r = operations[insn->op](in, dst, src);
	if (r || insn->op >= OP_FIRST_KEEP)
		return r == KEEP ? INTERP_DONE : r;
	return operand_write(in, R_DST(insn->row), old, dst);
}

static int execute(struct interp *in)
{
	/* What has no operand in memory has not exited: it has been exchanged meanwhile. */
	if (in->insn.op == OP_NOMEM)
		return INTERP_RETRY;
	if (in->insn.op < OP_MOV)
		return INTERP_UNKNOWN;
	if (in->insn.row & F_STRING)
		return exec_string(in);
	next_rip(in);
	return execute_once(in);
}

/**
 * interp_execute() - execute the instruction that interp_decode() found
 * @in: guest state and instruction; log_len accesses are in the log
 *
 * Return: INTERP_DONE: reg, seg and cr0 hold the new state; RIP is behind the
 * instruction, or still on it when a REP loop is not over. Anything else: reg is as it was, or as
 * after the last complete iteration. May sleep.
 */
int interp_execute(struct interp *in)
{
	int r;

	in->start = in->reg;
	in->log_pos = 0;
	in->bit_string = 0;
	in->posted = false;
	in->cr0_changed = false;
	in->segs_changed = false;
	in->mov_ss = false;
	in->span.valid = false;
	r = execute(in);
	if (r)
		in->reg = in->start;
	return r;
}
EXPORT_FOR_TEST(interp_execute);
