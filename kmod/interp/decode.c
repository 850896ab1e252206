// SPDX-License-Identifier: GPL-2.0
/* The decoder: bytes to struct insn (APM vol. 3, chapter 1 and appendix A). */
#include "insn.h"

#define E(op, dst, src, imm, flags) (R_ROW(OP_##op, AT_##dst, AT_##src, IMM_##imm) | (flags))
#define LEN(imm, flags) E(LENGTH, NONE, NONE, imm, flags)
#define NOMEM(imm, flags) E(NOMEM, NONE, NONE, imm, flags)
#define GROUP(nr, imm, flags) (R_ROW(OP_GROUP, nr, 0, IMM_##imm) | M | (flags))
#define PUSH_SEG(flags) E(MOV, STACK, SREG, NONE, flags)
#define POP_SEG(flags) E(MOV, SREG, STACK, NONE, flags)
#define LOAD_FAR(flags) E(LOAD_FAR, REG, RM, NONE, M | F_MEM | F_WIDTH(W_FAR) | (flags))

#define M F_MODRM
#define B F_BYTE
#define L F_LOCKABLE
#define S F_STRING

/* An opcode for bytes, and the next one for operands of the operand size. */
#define PAIR(n, op, dst, src, imm, flags)			\
	[(n)] = E(op, dst, src, imm, B | (flags)),		\
	[(n) + 1] = E(op, dst, src, imm, flags)

#define ALU_ROW(n, op, lock)					\
	[(n)] = E(op, RM, REG, NONE, M | B | (lock)),		\
	[(n) + 1] = E(op, RM, REG, NONE, M | (lock)),		\
	PAIR((n) + 2, op, REG, RM, NONE, M),			\
	PAIR((n) + 4, NOMEM, NONE, NONE, Z, 0)

static const u32 one_byte[256] = {
	ALU_ROW(0x00, ALU, L), ALU_ROW(0x08, ALU, L), ALU_ROW(0x10, ALU, L), ALU_ROW(0x18, ALU, L),
	ALU_ROW(0x20, ALU, L), ALU_ROW(0x28, ALU, L), ALU_ROW(0x30, ALU, L), ALU_ROW(0x38, CMP, 0),
	[0x06] = PUSH_SEG(F_I64), [0x07] = POP_SEG(F_I64), [0x0e] = PUSH_SEG(F_I64),
	[0x16] = PUSH_SEG(F_I64), [0x17] = POP_SEG(F_I64),
	[0x1e] = PUSH_SEG(F_I64), [0x1f] = POP_SEG(F_I64),
	[0x27] = NOMEM(NONE, F_I64), [0x2f] = NOMEM(NONE, F_I64),
	[0x37] = NOMEM(NONE, F_I64), [0x3f] = NOMEM(NONE, F_I64),
	[0x40 ... 0x4f] = NOMEM(NONE, F_I64),
	[0x50 ... 0x57] = E(MOV, STACK, REG, NONE, F_D64 | F_OPREG),
	[0x58 ... 0x5f] = E(MOV, REG, STACK, NONE, F_D64 | F_OPREG),
	[0x60] = E(PUSHA, NONE, NONE, NONE, F_I64), [0x61] = E(POPA, NONE, NONE, NONE, F_I64),
	[0x62] = LEN(NONE, M | F_I64), [0x63] = E(SIGN, REG, RM, NONE, M | F_WIDTH(W_MOVSXD)),
	[0x68] = E(MOV, STACK, IMM, Z, F_D64), [0x69] = E(IMUL, REG, RM, Z, M),
	[0x6a] = E(MOV, STACK, IMM, 8, F_D64), [0x6b] = E(IMUL, REG, RM, 8, M),
	PAIR(0x6c, INS, NONE, NONE, NONE, S), PAIR(0x6e, OUTS, NONE, NONE, NONE, S),
	[0x70 ... 0x7f] = NOMEM(8, F_F64), [0x80] = GROUP(1, Z, B), [0x81] = GROUP(1, Z, 0),
	[0x82] = GROUP(1, 8, B | F_I64), [0x83] = GROUP(1, 8, 0),
	PAIR(0x84, TEST, RM, REG, NONE, M), PAIR(0x86, XCHG, RM, REG, NONE, M | L),
	PAIR(0x88, MOV, RM, REG, NONE, M), PAIR(0x8a, MOV, REG, RM, NONE, M),
	[0x8c] = E(MOV, RM, SREG, NONE, M | F_WIDTH(W_2)), [0x8d] = NOMEM(NONE, M),
	[0x8e] = E(MOV, SREG, RM, NONE, M | F_WIDTH(W_2)), [0x8f] = GROUP(6, NONE, F_D64),
	[0x90 ... 0x99] = NOMEM(NONE, 0), [0x9a] = LEN(FAR, F_I64), [0x9b] = LEN(NONE, 0),
	[0x9c] = E(PUSHF, STACK, NONE, NONE, F_D64), [0x9d] = E(POPF, NONE, STACK, NONE, F_D64),
	[0x9e ... 0x9f] = NOMEM(NONE, 0),
	PAIR(0xa0, MOV, REG, RM, OFFSET, 0), PAIR(0xa2, MOV, RM, REG, OFFSET, 0),
	PAIR(0xa4, MOV, DI, SI, NONE, S), PAIR(0xa6, CMPS, DI, SI, NONE, S),
	PAIR(0xa8, NOMEM, NONE, NONE, Z, 0), PAIR(0xaa, MOV, DI, REG, NONE, S),
	PAIR(0xac, MOV, REG, SI, NONE, S), PAIR(0xae, CMPS, DI, REG, NONE, S),
	[0xb0 ... 0xb7] = NOMEM(8, B), [0xb8 ... 0xbf] = NOMEM(V, 0),
	PAIR(0xc0, SHIFT, RM, IMM, 8, M), [0xc2] = E(RET, RIP, STACK, 16, F_F64),
	[0xc3] = E(RET, RIP, STACK, NONE, F_F64), [0xc4 ... 0xc5] = LOAD_FAR(F_I64),
	[0xc6] = GROUP(7, Z, B), [0xc7] = GROUP(7, Z, 0),
	[0xc8] = LEN(16_8, F_D64), [0xc9] = LEN(NONE, F_D64), [0xca] = LEN(16, 0),
	[0xcb ... 0xcc] = LEN(NONE, 0), [0xcd] = LEN(8, 0), [0xce] = LEN(NONE, F_I64),
	[0xcf] = LEN(NONE, 0), PAIR(0xd0, SHIFT, RM, ONE, NONE, M),
	PAIR(0xd2, SHIFT, RM, CL, NONE, M), [0xd4 ... 0xd5] = NOMEM(8, F_I64),
	[0xd6] = NOMEM(NONE, F_I64), [0xd7] = LEN(NONE, 0), [0xd8 ... 0xdf] = LEN(NONE, M),
	[0xe0 ... 0xe3] = NOMEM(8, F_F64), [0xe4 ... 0xe7] = LEN(8, 0),
	[0xe8] = E(CALL, RIP, RIP, Z, F_F64), [0xe9] = NOMEM(Z, F_F64), [0xea] = LEN(FAR, F_I64),
	[0xeb] = NOMEM(8, F_F64), [0xec ... 0xef] = LEN(NONE, 0), [0xf1] = LEN(NONE, 0),
	[0xf4] = LEN(NONE, 0), [0xf5] = NOMEM(NONE, 0), [0xf6] = GROUP(2, NONE, B),
	[0xf7] = GROUP(2, NONE, 0), [0xf8 ... 0xfd] = NOMEM(NONE, 0),
	[0xfe] = GROUP(3, NONE, B), [0xff] = GROUP(4, NONE, 0),
};

static const u32 two_byte[256] = {
	[0x00] = LEN(NONE, M), [0x01] = GROUP(5, NONE, 0), [0x02 ... 0x03] = LEN(NONE, M),
	[0x05] = LEN(NONE, 0), [0x06] = E(CLTS, NONE, NONE, NONE, 0),
	[0x07 ... 0x09] = LEN(NONE, 0), [0x0d] = NOMEM(NONE, M), [0x0e] = LEN(NONE, 0),
	[0x0f] = LEN(8, M), [0x10 ... 0x17] = LEN(NONE, M), [0x18 ... 0x1f] = NOMEM(NONE, M),
	[0x20 ... 0x23] = LEN(NONE, M | F_REGRM), [0x28 ... 0x2f] = LEN(NONE, M),
	[0x30 ... 0x35] = LEN(NONE, 0), [0x37] = LEN(NONE, 0),
	[0x40 ... 0x4f] = E(CMOV, REG, RM, NONE, M), [0x50 ... 0x6f] = LEN(NONE, M),
	[0x70 ... 0x73] = LEN(8, M), [0x74 ... 0x76] = LEN(NONE, M), [0x77] = LEN(NONE, 0),
	[0x78 ... 0x7f] = LEN(NONE, M), [0x80 ... 0x8f] = NOMEM(Z, F_F64),
	[0x90 ... 0x9f] = E(SETCC, RM, NONE, NONE, M | B), [0xa0] = PUSH_SEG(F_D64),
	[0xa1] = POP_SEG(F_D64), [0xa2] = LEN(NONE, 0), [0xa3] = E(BT, RM, REG, NONE, M),
	[0xa4] = E(SHLD, RM, IMM, 8, M), [0xa5] = E(SHLD, RM, CL, NONE, M),
	[0xa8] = PUSH_SEG(F_D64), [0xa9] = POP_SEG(F_D64), [0xaa] = LEN(NONE, 0),
	[0xab] = E(BTX, RM, REG, NONE, M | L), [0xac] = E(SHLD, RM, IMM, 8, M),
	[0xad] = E(SHLD, RM, CL, NONE, M), [0xae] = GROUP(10, NONE, 0),
	[0xaf] = E(IMUL, REG, RM, NONE, M), PAIR(0xb0, CMPXCHG, RM, REG, NONE, M | L),
	[0xb2] = LOAD_FAR(0), [0xb3] = E(BTX, RM, REG, NONE, M | L), [0xb4 ... 0xb5] = LOAD_FAR(0),
	[0xb6] = E(MOV, REG, RM, NONE, M | F_WIDTH(W_1)),
	[0xb7] = E(MOV, REG, RM, NONE, M | F_WIDTH(W_2)), [0xb8] = LEN(NONE, M),
	[0xb9] = E(UD, NONE, NONE, NONE, M), [0xba] = GROUP(8, 8, 0),
	[0xbb] = E(BTX, RM, REG, NONE, M | L), [0xbc ... 0xbd] = E(BITSCAN, REG, RM, NONE, M),
	[0xbe] = E(SIGN, REG, RM, NONE, M | F_WIDTH(W_1)),
	[0xbf] = E(SIGN, REG, RM, NONE, M | F_WIDTH(W_2)), PAIR(0xc0, XADD, RM, REG, NONE, M | L),
	[0xc2] = LEN(8, M), [0xc3] = E(MOV, RM, REG, NONE, M | F_MEM), [0xc4 ... 0xc6] = LEN(8, M),
	[0xc7] = GROUP(9, NONE, 0), [0xc8 ... 0xcf] = NOMEM(NONE, 0),
	[0xd0 ... 0xff] = LEN(NONE, M),
};

/* Opcodes whose meaning is in ModRM.reg; immediate and flags of their own rows are added. */
static const u32 groups[][8] = {
	[1] = { [0 ... 6] = E(ALU, RM, IMM, NONE, L), E(CMP, RM, IMM, NONE, 0) },
	[2] = { [0 ... 1] = E(TEST, RM, IMM, Z, 0), E(NOT, RM, NONE, NONE, L),
		E(NEG, RM, NONE, NONE, L), [4 ... 7] = E(MULDIV, NONE, RM, NONE, 0) },
	[3] = { [0 ... 1] = E(INCDEC, RM, NONE, NONE, L) },
	[4] = { [0 ... 1] = E(INCDEC, RM, NONE, NONE, L), E(CALL, RIP, RM, NONE, F_F64),
		LEN(NONE, 0), E(MOV, RIP, RM, NONE, F_F64), LEN(NONE, 0),
		E(MOV, STACK, RM, NONE, F_D64) },
	[5] = { [0 ... 3] = LEN(NONE, 0), E(SMSW, RM, NONE, NONE, F_WIDTH(W_2)), LEN(NONE, 0),
		E(LMSW, NONE, RM, NONE, F_WIDTH(W_2)), LEN(NONE, 0) },
	[6] = { E(MOV, RM, STACK, NONE, 0) },
	[7] = { E(MOV, RM, IMM, NONE, 0), [7] = LEN(NONE, 0) },	/* XABORT, XBEGIN */
	[8] = { [4] = E(BT, RM, IMM, NONE, 0), [5 ... 7] = E(BTX, RM, IMM, NONE, L) },
	[9] = { LEN(NONE, 0), E(CMPXCHG8B, RM, NONE, NONE, L | F_MEM | F_WIDTH(W_PAIR)),
		[2 ... 7] = LEN(NONE, 0) },
	[10] = { [0 ... 6] = LEN(NONE, 0), E(MOV, NONE, NONE, NONE, 0) },	/* CLFLUSH, ..OPT */
};

/* SSE moves between memory and a register of the second table, by their mandatory prefix. */
#define LOAD(op, prefix, w) { 0x##op, prefix, E(MOV, XMM, RM, NONE, M | F_WIDTH(W_##w)) }
#define STORE(op, prefix, w) { 0x##op, prefix, E(MOV, RM, XMM, NONE, M | F_WIDTH(W_##w)) }

static const struct {
	u8 opcode, prefix;
	u32 row;
} sse_moves[] = {
	LOAD(10, 0, 16), LOAD(10, 0x66, 16), LOAD(10, 0xf3, 4), LOAD(10, 0xf2, 8),
	STORE(11, 0, 16), STORE(11, 0x66, 16), STORE(11, 0xf3, 4), STORE(11, 0xf2, 8),
	LOAD(28, 0, 16), LOAD(28, 0x66, 16), STORE(29, 0, 16), STORE(29, 0x66, 16),
	STORE(2b, 0, 16), STORE(2b, 0x66, 16), LOAD(6e, 0x66, MOVD), STORE(7e, 0x66, MOVD),
	LOAD(6f, 0x66, 16), LOAD(6f, 0xf3, 16), STORE(7f, 0x66, 16), STORE(7f, 0xf3, 16),
	LOAD(7e, 0xf3, 8), STORE(d6, 0x66, 8), STORE(e7, 0x66, 16), LOAD(f0, 0xf2, 16),
};

/* struct cursor - where the decoder stands in the instruction bytes */
struct cursor {
	struct interp *in;
	unsigned int pos;
	int result;	/* INTERP_DONE as long as all bytes were there */
};

static u64 take(struct cursor *c, unsigned int n)
{
	struct interp *in = c->in;
	u64 val = 0;

	if (c->pos + n > in->nbytes || c->result) {
		if (!c->result)
			c->result = c->pos + n > INTERP_INSN_MAX ? fault_gp(in) : INTERP_MORE;
		return 0;
	}
	memcpy(&val, in->bytes + c->pos, n);
	c->pos += n;
	return val;
}

static u64 take_signed(struct cursor *c, unsigned int n)
{
	return sign_extend(take(c, n), n);
}

/* Prefixes; returns the first opcode byte. A REX prefix counts only right before the opcode. */
static u8 take_prefixes(struct cursor *c, struct insn *insn, unsigned int *addr_size)
{
	bool is_long = c->in->mode == INTERP_LONG;

	for (;;) {
		u8 byte = take(c, 1);

		if (is_long && (byte & 0xf0) == 0x40) {
			insn->rex = byte;
			continue;
		}
		switch (byte) {
		case 0x26: case 0x2e: case 0x36: case 0x3e:
			/* ES, CS, SS, DS are no overrides in 64-bit mode (APM vol. 3, 1.2.4). */
			if (!is_long)
				insn->seg = byte >> 3 & 3;
			break;
		case 0x64: case 0x65:
			insn->seg = byte - 0x64 + SEG_FS;
			break;
		case 0x66:
			insn->opsize_prefix = true;
			break;
		case 0x67:
			*addr_size = is_long ? 4 : 6 - insn->addr_size;
			break;
		case 0xf0:
			insn->lock = true;
			break;
		case 0xf2: case 0xf3:
			insn->rep = byte;
			break;
		default:
			return byte;
		}
		insn->rex = 0;
	}
}

static void modrm_16(struct cursor *c, struct insn *insn, u8 rm)
{
	static const u8 bases[8] = {
		REG_RBX, REG_RBX, REG_RBP, REG_RBP, REG_RSI, REG_RDI, REG_RBP, REG_RBX,
	};

	insn->base = bases[rm];
	if (rm < 4)
		insn->index = rm & 1 ? REG_RDI : REG_RSI;
	if (insn->mod == 0 && rm == 6)
		insn->base = INSN_NONE;
	if (insn->mod == 2 || (insn->mod == 0 && rm == 6))
		insn->disp = take_signed(c, 2);
}

static void modrm_32(struct cursor *c, struct insn *insn, u8 rm)
{
	u8 base = rm, sib;

	if (rm == 4) {
		sib = take(c, 1);
		base = sib & 7;
		insn->scale = sib >> 6;
		insn->index = (sib >> 3 & 7) | (insn->rex & 2) << 2;
		if (insn->index == REG_RSP)
			insn->index = INSN_NONE;
	}
	insn->base = base | (insn->rex & 1) << 3;
	if (insn->mod == 0 && base == 5) {
		insn->base = INSN_NONE;
		insn->rip_relative = rm == 5 && c->in->mode == INTERP_LONG;
	}
	if (insn->mod == 2 || (insn->mod == 0 && base == 5))
		insn->disp = take_signed(c, 4);
}

static void take_modrm(struct cursor *c, struct insn *insn, bool register_only)
{
	u8 modrm = take(c, 1);

	insn->mod = register_only ? 3 : modrm >> 6;
	insn->reg = (modrm >> 3 & 7) | (insn->rex & 4) << 1;
	insn->rm = (modrm & 7) | (insn->rex & 1) << 3;
	if (insn->mod == 3)
		return;
	insn->mem = true;
	if (insn->addr_size == 2)
		modrm_16(c, insn, modrm & 7);
	else
		modrm_32(c, insn, modrm & 7);
	if (insn->mod == 1)
		insn->disp = take_signed(c, 1);
	if (insn->seg == INSN_NONE)
		insn->seg = insn->base == REG_RSP || insn->base == REG_RBP ? SEG_SS : SEG_DS;
}

static u64 take_offset(struct cursor *c, struct insn *insn)
{
	if (insn->seg == INSN_NONE)
		insn->seg = SEG_DS;
	insn->disp = take(c, insn->addr_size);
	insn->mem = true;
	return 0;
}

static u64 take_immediate(struct cursor *c, struct insn *insn, unsigned int kind)
{
	unsigned int z = insn->size < 4 ? insn->size : 4;

	switch (kind) {
	case IMM_8:
		return take_signed(c, 1);
	case IMM_Z:
		return take_signed(c, z);
	case IMM_V:
		return take_signed(c, insn->size);
	case IMM_16:
		return take(c, 2);
	case IMM_FAR:
		return take(c, z + 2);
	case IMM_OFFSET:
		return take_offset(c, insn);
	case IMM_16_8:
		return take(c, 3);
	}
	return 0;
}

static u32 sse_row(const struct insn *insn)
{
	u8 prefix = insn->rep ?: insn->opsize_prefix ? 0x66 : 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sse_moves); i++) {
		if (sse_moves[i].opcode == insn->opcode && sse_moves[i].prefix == prefix)
			return sse_moves[i].row;
	}
	return insn->row;
}

/* The row that is meant, now that ModRM is known. */
static u32 exact_row(const struct insn *insn)
{
	u32 row = insn->row;

	if (R_OP(row) == OP_GROUP)
		row = groups[R_DST(row)][insn->reg & 7] | (row & ~R_ROW(0x3f, 15, 15, 0));
	if (insn->map == 1 && R_OP(row) == OP_LENGTH && insn->mem)
		row = sse_row(insn);
	if (row & F_MEM && (!insn->mem || (insn->opcode == 0xc3 && insn->opsize_prefix)))
		return E(UD, NONE, NONE, NONE, M);	/* 66 MOVNTI is none either */
	return row;
}

/* VEX (C4, C5) and EVEX (62): the length only (APM vol. 3, 1.10; SDM vol. 2, 2.3 and 2.7). */
static u32 take_vex(struct cursor *c, struct insn *insn, u8 first)
{
	unsigned int map = 1;
	u8 payload;

	if (first != 0xc5) {
		payload = take(c, 1);
		map = payload & (first == 0x62 ? 7 : 0x1f);
		insn->rex = 0x40 | (~payload >> 5 & 7);
		take(c, first == 0x62 ? 2 : 1);
	} else {
		take(c, 1);
	}
	insn->opcode = take(c, 1);
	insn->map = 0x10 | map;
	if (map == 3)
		return LEN(8, M);
	if (map == 1 && insn->opcode == 0x77)
		return LEN(NONE, 0);
	if (map == 1)
		return LEN(NONE, M) | (two_byte[insn->opcode] & R_ROW(0, 0, 0, 7));
	return map ? LEN(NONE, M) : E(UD, NONE, NONE, NONE, 0);
}

static bool is_vex(const struct cursor *c, u8 byte)
{
	const struct interp *in = c->in;

	if (byte != 0xc4 && byte != 0xc5 && byte != 0x62)
		return false;
	/* Outside 64-bit mode ModRM.mod = 3 tells VEX from LES, LDS, BOUND; none in real mode. */
	if (in->mode == INTERP_LONG)
		return true;
	return in->mode > INTERP_VM86 && c->pos < in->nbytes && in->bytes[c->pos] >= 0xc0;
}

static u32 three_byte_row(const struct insn *insn)
{
	if (insn->map == 3)
		return LEN(8, M);
	/* MOVBE; with F2 these are CRC32. */
	if (insn->opcode == 0xf0 && insn->rep != 0xf2)
		return E(MOVBE, REG, RM, NONE, M | F_MEM);
	if (insn->opcode == 0xf1 && insn->rep != 0xf2)
		return E(MOVBE, RM, REG, NONE, M | F_MEM);
	if (insn->opcode == 0x2a && insn->opsize_prefix && !insn->rep)	/* MOVNTDQA */
		return E(MOV, XMM, RM, NONE, M | F_MEM | F_WIDTH(W_16));
	return LEN(NONE, M);
}

static u32 take_opcode(struct cursor *c, struct insn *insn, u8 byte)
{
	if (is_vex(c, byte))
		return take_vex(c, insn, byte);
	insn->opcode = byte;
	if (byte == 0x63 && c->in->mode != INTERP_LONG)	/* ARPL */
		return LEN(NONE, M);
	if (byte != 0x0f)
		return one_byte[byte];
	insn->opcode = take(c, 1);
	insn->map = 1;
	if (insn->opcode != 0x38 && insn->opcode != 0x3a)
		return two_byte[insn->opcode];
	insn->map = insn->opcode == 0x38 ? 2 : 3;
	insn->opcode = take(c, 1);
	return three_byte_row(insn);
}

static unsigned int rm_size(const struct insn *insn)
{
	unsigned int width = R_WIDTH(insn->row);

	switch (width) {
	case W_PAIR:
		return insn->op_size == 8 ? 16 : 8;
	case W_FAR:
		return insn->size + 2;
	case W_MOVD:
		return insn->rex & 8 ? 8 : 4;
	case W_MOVSXD:
		return insn->size == 2 ? 2 : 4;
	}
	/* A register takes selectors and SMSW in its whole width. */
	if (width == W_SIZE || (!insn->mem && R_DST(insn->row) == AT_RM))
		return insn->size;
	return 1U << (width - 1);
}

static void set_sizes(const struct interp *in, struct insn *insn, bool big)
{
	if (in->mode != INTERP_LONG)
		insn->op_size = big != insn->opsize_prefix ? 4 : 2;
	else if (insn->row & F_F64 || insn->rex & 8)
		insn->op_size = 8;
	else if (insn->opsize_prefix)
		insn->op_size = 2;
	else
		insn->op_size = insn->row & F_D64 ? 8 : 4;
	insn->size = insn->row & F_BYTE ? 1 : insn->op_size;
	insn->rm_size = rm_size(insn);
}

/* The register that an opcode without ModRM names; rAX where it names none. */
static u8 opcode_reg(const struct insn *insn)
{
	if (R_DST(insn->row) == AT_SREG || R_SRC(insn->row) == AT_SREG)
		return insn->opcode >> 3 & 7;
	return insn->row & F_OPREG ? (insn->opcode & 7) | (insn->rex & 1) << 3 : REG_RAX;
}

static int check_lock(struct interp *in, const struct insn *insn)
{
	if (!insn->lock || (insn->row & F_LOCKABLE && insn->mem))
		return INTERP_DONE;
	/* LOCK MOV CR0 is MOV CR8 (APM vol. 3, MOV CRn; CPUID AltMovCr8). */
	if (insn->map == 1 && (insn->opcode == 0x20 || insn->opcode == 0x22))
		return INTERP_DONE;
	return fault_plain(in, VEC_UD);
}

/**
 * interp_decode() - decode one instruction
 * @in: mode, seg[SEG_CS] (not in long mode), bytes and nbytes are looked at; insn is filled
 *
 * Return: INTERP_DONE; INTERP_FAULT: #UD, or #GP for more than 15 bytes; INTERP_MORE: nbytes
 * bytes are not enough. The length of an instruction that cannot be executed is known too.
 */
int interp_decode(struct interp *in)
{
	bool big = in->mode != INTERP_LONG && in->seg[SEG_CS].attr & SEG_DB;
	struct cursor c = { .in = in };
	struct insn *insn = &in->insn;
	unsigned int addr_size;
	u8 byte;

	*insn = (struct insn){ .seg = INSN_NONE, .base = INSN_NONE, .index = INSN_NONE };
	insn->addr_size = in->mode == INTERP_LONG ? 8 : big ? 4 : 2;
	addr_size = insn->addr_size;
	byte = take_prefixes(&c, insn, &addr_size);
	insn->addr_size = addr_size;
	insn->row = take_opcode(&c, insn, byte);
	if (c.result)
		return c.result;
	if (insn->row & F_I64 && in->mode == INTERP_LONG)
		return fault_plain(in, VEC_UD);
	insn->reg = opcode_reg(insn);
	if (insn->row & F_MODRM) {
		take_modrm(&c, insn, insn->row & F_REGRM);
		insn->row = exact_row(insn);
	}
	set_sizes(in, insn, big);
	insn->imm = take_immediate(&c, insn, R_IMM(insn->row));
	if (c.result)
		return c.result;
	insn->len = c.pos;
	insn->op = R_OP(insn->row);
	if (insn->seg == INSN_NONE)
		insn->seg = SEG_DS;
	if (insn->op == OP_UD)
		return fault_plain(in, VEC_UD);
	return check_lock(in, insn);
}
EXPORT_FOR_TEST(interp_decode);

/**
 * insn_offset() - the memory operand's offset in its segment
 * @insn: a decoded instruction with such an operand
 * @gpr: the general registers
 * @next_rip: address behind the instruction
 */
u64 insn_offset(const struct insn *insn, const u64 *gpr, u64 next_rip)
{
	u64 ea = insn->disp;

	if (insn->rip_relative)
		ea += next_rip;
	if (insn->base != INSN_NONE)
		ea += gpr[insn->base & 15];
	if (insn->index != INSN_NONE)
		ea += gpr[insn->index & 15] << insn->scale;
	return insn->addr_size == 8 ? ea : ea & ((1ULL << insn->addr_size * 8) - 1);
}
EXPORT_FOR_TEST(insn_offset);

/**
 * insn_simple() - does the instruction only move between memory and a general register?
 * @insn: a decoded instruction
 *
 * High-byte registers do not count: with the others &gpr[reg] holds the operand in its low bits.
 *
 * Return: INSN_LOAD: memory to register insn->reg; INSN_STORE: the other way; INSN_STORE_IMM:
 * insn->imm to memory; INSN_NOT_SIMPLE: anything else
 */
enum insn_simple insn_simple(const struct insn *insn)
{
	unsigned int dst = R_DST(insn->row), src = R_SRC(insn->row);

	if (!insn->mem || (insn->op != OP_MOV && insn->op != OP_SIGN))
		return INSN_NOT_SIMPLE;
	if (dst == AT_RM && src == AT_IMM)
		return INSN_STORE_IMM;
	if (insn->size == 1 && !insn->rex && (insn->reg & ~3) == 4)
		return INSN_NOT_SIMPLE;
	if (dst == AT_RM && src == AT_REG)
		return INSN_STORE;
	return dst == AT_REG && src == AT_RM ? INSN_LOAD : INSN_NOT_SIMPLE;
}
EXPORT_FOR_TEST(insn_simple);
