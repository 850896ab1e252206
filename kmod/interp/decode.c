// SPDX-License-Identifier: GPL-2.0
/* The decoder: bytes to struct insn (APM vol. 3, chapter 1 and appendix A). */
#include "insn.h"

#define E(op, dst, src, imm, flags) \
	(OP_##op | F_DST(AT_##dst) | F_SRC(AT_##src) | F_IMM(IMM_##imm) | (flags))
#define LEN(imm, flags) E(LENGTH, NONE, NONE, imm, flags)
#define REG(imm, flags) E(NOMEM, NONE, NONE, imm, flags)
#define PUSH_SEG(flags) E(PUSH_SEG, NONE, NONE, NONE, flags)
#define STRING(n, op)								\
	[(n) + 0] = E(op, NONE, NONE, NONE, F_BYTE), [(n) + 1] = E(op, NONE, NONE, NONE, 0)

#define M F_MODRM
#define B F_BYTE
#define L F_LOCKABLE

#define ALU_ROW(n, lock, nowrite)					\
	[(n) + 0] = E(ALU, RM, REG, NONE, M | B | (lock) | (nowrite)),	\
	[(n) + 1] = E(ALU, RM, REG, NONE, M | (lock) | (nowrite)),	\
	[(n) + 2] = E(ALU, REG, RM, NONE, M | B | (nowrite)),		\
	[(n) + 3] = E(ALU, REG, RM, NONE, M | (nowrite)),		\
	[(n) + 4] = REG(8, B), [(n) + 5] = REG(Z, 0)

static const u32 one_byte[256] = {
	ALU_ROW(0x00, L, 0), ALU_ROW(0x08, L, 0), ALU_ROW(0x10, L, 0), ALU_ROW(0x18, L, 0),
	ALU_ROW(0x20, L, 0), ALU_ROW(0x28, L, 0), ALU_ROW(0x30, L, 0), ALU_ROW(0x38, 0, F_NOWRITE),
	[0x06] = PUSH_SEG(F_I64), [0x07] = LEN(NONE, F_I64), [0x0e] = PUSH_SEG(F_I64),
	[0x16] = PUSH_SEG(F_I64), [0x17] = LEN(NONE, F_I64), [0x1e] = PUSH_SEG(F_I64),
	[0x1f] = LEN(NONE, F_I64), [0x27] = REG(NONE, F_I64), [0x2f] = REG(NONE, F_I64),
	[0x37] = REG(NONE, F_I64), [0x3f] = REG(NONE, F_I64), [0x40 ... 0x4f] = REG(NONE, F_I64),
	[0x50 ... 0x57] = E(PUSH, NONE, OPREG, NONE, F_D64),
	[0x58 ... 0x5f] = E(POP, OPREG, NONE, NONE, F_D64),
	[0x60] = E(PUSHA, NONE, NONE, NONE, F_I64), [0x61] = E(POPA, NONE, NONE, NONE, F_I64),
	[0x62] = LEN(NONE, M | F_I64),
	[0x63] = E(MOVSXD, REG, RM, NONE, M), [0x68] = E(PUSH, NONE, IMM, Z, F_D64),
	[0x69] = E(IMUL, REG, IMM, Z, M), [0x6a] = E(PUSH, NONE, IMM, 8, F_D64),
	[0x6b] = E(IMUL, REG, IMM, 8, M), STRING(0x6c, INS), STRING(0x6e, OUTS),
	[0x70 ... 0x7f] = REG(8, F_F64), [0x80] = E(ALU, RM, IMM, 8, M | B | L),
	[0x81] = E(ALU, RM, IMM, Z, M | L), [0x82] = E(ALU, RM, IMM, 8, M | B | L | F_I64),
	[0x83] = E(ALU, RM, IMM, 8, M | L), [0x84] = E(TEST, RM, REG, NONE, M | B | F_NOWRITE),
	[0x85] = E(TEST, RM, REG, NONE, M | F_NOWRITE), [0x86] = E(XCHG, RM, REG, NONE, M | B | L),
	[0x87] = E(XCHG, RM, REG, NONE, M | L), [0x88] = E(MOV, RM, REG, NONE, M | B | F_NOREAD),
	[0x89] = E(MOV, RM, REG, NONE, M | F_NOREAD),
	[0x8a] = E(MOV, REG, RM, NONE, M | B | F_NOREAD),
	[0x8b] = E(MOV, REG, RM, NONE, M | F_NOREAD), [0x8c] = E(MOV_FROM_SEG, RM, NONE, NONE, M),
	[0x8d] = REG(NONE, M), [0x8e] = LEN(NONE, M),
	[0x8f] = E(POP, RM, NONE, NONE, M | F_D64), [0x90 ... 0x99] = REG(NONE, 0),
	[0x9a] = LEN(FAR, F_I64), [0x9b] = LEN(NONE, 0), [0x9c] = E(PUSHF, NONE, NONE, NONE, F_D64),
	[0x9d] = E(POPF, NONE, NONE, NONE, F_D64), [0x9e ... 0x9f] = REG(NONE, 0),
	[0xa0] = E(MOV, ACC, MOFFS, OFFSET, B | F_NOREAD),
	[0xa1] = E(MOV, ACC, MOFFS, OFFSET, F_NOREAD),
	[0xa2] = E(MOV, MOFFS, ACC, OFFSET, B | F_NOREAD),
	[0xa3] = E(MOV, MOFFS, ACC, OFFSET, F_NOREAD), STRING(0xa4, MOVS), STRING(0xa6, CMPS),
	[0xa8] = REG(8, B), [0xa9] = REG(Z, 0), STRING(0xaa, STOS), STRING(0xac, LODS),
	STRING(0xae, SCAS), [0xb0 ... 0xb7] = REG(8, B), [0xb8 ... 0xbf] = REG(V, 0),
	[0xc0] = E(SHIFT, RM, IMM, 8, M | B), [0xc1] = E(SHIFT, RM, IMM, 8, M),
	[0xc2] = LEN(16, F_F64), [0xc3] = LEN(NONE, F_F64), [0xc4 ... 0xc5] = LEN(NONE, M | F_I64),
	[0xc6] = E(MOV, RM, IMM, 8, M | B | F_NOREAD), [0xc7] = E(MOV, RM, IMM, Z, M | F_NOREAD),
	[0xc8] = LEN(16_8, F_D64), [0xc9] = LEN(NONE, F_D64), [0xca] = LEN(16, 0),
	[0xcb ... 0xcc] = LEN(NONE, 0), [0xcd] = LEN(8, 0), [0xce] = LEN(NONE, F_I64),
	[0xcf] = LEN(NONE, 0), [0xd0] = E(SHIFT, RM, ONE_CL, NONE, M | B),
	[0xd1] = E(SHIFT, RM, ONE_CL, NONE, M), [0xd2] = E(SHIFT, RM, ONE_CL, NONE, M | B),
	[0xd3] = E(SHIFT, RM, ONE_CL, NONE, M), [0xd4 ... 0xd5] = REG(8, F_I64),
	[0xd6] = REG(NONE, F_I64), [0xd7] = LEN(NONE, 0), [0xd8 ... 0xdf] = LEN(NONE, M),
	[0xe0 ... 0xe3] = REG(8, F_F64), [0xe4 ... 0xe7] = LEN(8, 0), [0xe8] = LEN(Z, F_F64),
	[0xe9] = REG(Z, F_F64), [0xea] = LEN(FAR, F_I64), [0xeb] = REG(8, F_F64),
	[0xec ... 0xef] = LEN(NONE, 0), [0xf1] = LEN(NONE, 0), [0xf4] = LEN(NONE, 0),
	[0xf5] = REG(NONE, 0), [0xf6] = E(UNARY, RM, IMM, NONE, M | B | L),
	[0xf7] = E(UNARY, RM, IMM, NONE, M | L), [0xf8 ... 0xfd] = REG(NONE, 0),
	[0xfe] = E(INCDEC, RM, NONE, NONE, M | B | L), [0xff] = E(INCDEC, RM, NONE, NONE, M | L),
};

static const u32 two_byte[256] = {
	[0x00] = LEN(NONE, M), [0x01] = E(MSW, NONE, NONE, NONE, M), [0x02 ... 0x03] = LEN(NONE, M),
	[0x05] = LEN(NONE, 0), [0x06] = E(CLTS, NONE, NONE, NONE, 0),
	[0x07 ... 0x09] = LEN(NONE, 0), [0x0d] = REG(NONE, M),
	[0x0e] = LEN(NONE, 0), [0x0f] = LEN(8, M),
	[0x10 ... 0x17] = LEN(NONE, M), [0x18 ... 0x1f] = REG(NONE, M),
	[0x20 ... 0x23] = LEN(NONE, M | F_REGRM), [0x28 ... 0x2f] = LEN(NONE, M),
	[0x30 ... 0x35] = LEN(NONE, 0), [0x37] = LEN(NONE, 0),
	[0x40 ... 0x4f] = E(CMOV, REG, RM, NONE, M), [0x50 ... 0x6f] = LEN(NONE, M),
	[0x70 ... 0x73] = LEN(8, M), [0x74 ... 0x76] = LEN(NONE, M), [0x77] = LEN(NONE, 0),
	[0x78 ... 0x7f] = LEN(NONE, M), [0x80 ... 0x8f] = REG(Z, F_F64),
	[0x90 ... 0x9f] = E(SETCC, RM, NONE, NONE, M | B | F_NOREAD), [0xa0] = PUSH_SEG(F_D64),
	[0xa1] = LEN(NONE, F_D64), [0xa2] = LEN(NONE, 0), [0xa3] = E(BT, RM, REG, NONE, M),
	[0xa4] = E(SHLD, RM, IMM, 8, M), [0xa5] = E(SHLD, RM, ONE_CL, NONE, M),
	[0xa8] = PUSH_SEG(F_D64), [0xa9] = LEN(NONE, F_D64), [0xaa] = LEN(NONE, 0),
	[0xab] = E(BT, RM, REG, NONE, M | L), [0xac] = E(SHLD, RM, IMM, 8, M),
	[0xad] = E(SHLD, RM, ONE_CL, NONE, M), [0xae] = LEN(NONE, M),
	[0xaf] = E(IMUL, REG, RM, NONE, M), [0xb0] = E(CMPXCHG, RM, REG, NONE, M | B | L),
	[0xb1] = E(CMPXCHG, RM, REG, NONE, M | L), [0xb2] = LEN(NONE, M),
	[0xb3] = E(BT, RM, REG, NONE, M | L), [0xb4 ... 0xb5] = LEN(NONE, M),
	[0xb6 ... 0xb7] = E(MOVX, REG, RM, NONE, M), [0xb8] = LEN(NONE, M),
	[0xb9] = E(UD, NONE, NONE, NONE, M), [0xba] = E(BT, RM, IMM, 8, M | L),
	[0xbb] = E(BT, RM, REG, NONE, M | L), [0xbc ... 0xbd] = E(BITSCAN, REG, RM, NONE, M),
	[0xbe ... 0xbf] = E(MOVX, REG, RM, NONE, M), [0xc0] = E(XADD, RM, REG, NONE, M | B | L),
	[0xc1] = E(XADD, RM, REG, NONE, M | L), [0xc2] = LEN(8, M),
	[0xc3] = E(MOV, RM, REG, NONE, M | F_NOREAD), [0xc4 ... 0xc6] = LEN(8, M),
	[0xc7] = E(CMPXCHG8B, NONE, NONE, NONE, M | L), [0xc8 ... 0xcf] = REG(NONE, 0),
	[0xd0 ... 0xff] = LEN(NONE, M),
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
	unsigned int z = insn->op_size == 2 ? 2 : 4;
	u64 imm;

	switch (kind) {
	case IMM_8:
		return take_signed(c, 1);
	case IMM_Z:
		return take_signed(c, z);
	case IMM_V:
		return take_signed(c, insn->op_size);
	case IMM_16:
		return take(c, 2);
	case IMM_FAR:
		imm = take(c, z);
		insn->imm2 = take(c, 2);
		return imm;
	case IMM_OFFSET:
		return take_offset(c, insn);
	case IMM_16_8:
		imm = take(c, 2);
		insn->imm2 = take(c, 1);
		return imm;
	}
	return 0;
}

/* Opcodes whose meaning is in ModRM.reg; returns the row that is meant. */
static u32 group_row(const struct insn *insn, u32 row)
{
	u8 nr = insn->reg & 7;

	switch (insn->map << 8 | insn->opcode) {
	case 0x80: case 0x81: case 0x82: case 0x83:
		return nr == 7 ? (row & ~F_LOCKABLE) | F_NOWRITE : row;
	case 0x8f:
		return nr ? E(UD, NONE, NONE, NONE, M) : row;
	case 0xc6: case 0xc7:
		if (nr == 7 && insn->mod == 3)	/* XABORT, XBEGIN */
			return LEN(NONE, M) | (row & (F_BYTE | F_IMM(7)));
		return nr ? E(UD, NONE, NONE, NONE, M) | (row & F_IMM(7)) : row;
	case 0xf6: case 0xf7:
		if (nr < 2)
			row |= F_NOWRITE | (row & B ? F_IMM(IMM_8) : F_IMM(IMM_Z));
		return nr == 2 || nr == 3 ? row : row & ~F_LOCKABLE;
	case 0xfe:
		return nr < 2 ? row : E(UD, NONE, NONE, NONE, M);
	case 0xff:
		switch (nr) {
		case 0: case 1:
			return row;
		case 2: case 4:			/* near CALL, JMP */
			return LEN(NONE, M | F_F64);
		case 6:
			return E(PUSH, NONE, RM, NONE, M | F_D64);
		}
		return nr == 7 ? E(UD, NONE, NONE, NONE, M) : LEN(NONE, M);
	case 0x1ba:
		if (nr < 4)
			return E(UD, NONE, NONE, NONE, M) | (row & F_IMM(7));
		return nr == 4 ? (row & ~F_LOCKABLE) | F_NOWRITE : row;
	case 0x1c3:				/* MOVNTI */
		return insn->mem && !insn->opsize_prefix ? row : E(UD, NONE, NONE, NONE, M);
	case 0x1c7:
		return nr == 1 && insn->mem ? row : LEN(NONE, M);
	}
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
		return LEN(NONE, M) | (two_byte[insn->opcode] & F_IMM(7));
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
		return E(MOVBE, REG, RM, NONE, M);
	if (insn->opcode == 0xf1 && insn->rep != 0xf2)
		return E(MOVBE, RM, REG, NONE, M);
	return LEN(NONE, M);
}

static u32 take_opcode(struct cursor *c, struct insn *insn, u8 byte)
{
	if (is_vex(c, byte))
		return take_vex(c, insn, byte);
	insn->opcode = byte;
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

static void set_op_size(const struct interp *in, struct insn *insn, bool big)
{
	if (in->mode != INTERP_LONG)
		insn->op_size = big != insn->opsize_prefix ? 4 : 2;
	else if (insn->flags & F_F64 || insn->rex & 8)
		insn->op_size = 8;
	else if (insn->opsize_prefix)
		insn->op_size = 2;
	else
		insn->op_size = insn->flags & F_D64 ? 8 : 4;
	insn->size = insn->flags & F_BYTE ? 1 : insn->op_size;
}

static int check_lock(struct interp *in, const struct insn *insn)
{
	if (!insn->lock || (insn->flags & F_LOCKABLE && insn->mem))
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
	insn->flags = take_opcode(&c, insn, byte);
	if (c.result)
		return c.result;
	if (insn->flags & F_I64 && in->mode == INTERP_LONG)
		return fault_plain(in, VEC_UD);
	if (insn->flags & F_MODRM) {
		take_modrm(&c, insn, insn->flags & F_REGRM);
		if (!c.result)
			insn->flags = group_row(insn, insn->flags);
	}
	set_op_size(in, insn, big);
	insn->imm = take_immediate(&c, insn, F_GET_IMM(insn->flags));
	if (c.result)
		return c.result;
	insn->len = c.pos;
	insn->op = F_OP(insn->flags);
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
 * @width: bytes of the memory operand
 *
 * High-byte registers do not count: with the others &gpr[reg] holds the operand in its low bits.
 *
 * Return: INSN_LOAD: memory to register insn->reg; INSN_STORE: the other way; INSN_STORE_IMM:
 * insn->imm to memory; INSN_NOT_SIMPLE: anything else
 */
enum insn_simple insn_simple(const struct insn *insn, unsigned int *width)
{
	*width = insn->size;
	if (!insn->mem)
		return INSN_NOT_SIMPLE;
	if (insn->op == OP_MOVX) {
		*width = insn->opcode & 1 ? 2 : 1;
		return INSN_LOAD;
	}
	if (insn->op != OP_MOV)
		return INSN_NOT_SIMPLE;
	if (F_GET_SRC(insn->flags) == AT_IMM)
		return INSN_STORE_IMM;
	if (insn->size == 1 && !insn->rex && (insn->reg & ~3) == 4)
		return INSN_NOT_SIMPLE;
	return F_GET_SRC(insn->flags) == AT_RM || F_GET_SRC(insn->flags) == AT_MOFFS ?
		INSN_LOAD : INSN_STORE;
}
EXPORT_FOR_TEST(insn_simple);
