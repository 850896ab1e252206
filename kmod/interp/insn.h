/* SPDX-License-Identifier: GPL-2.0 */
/* Private to the pure parts of the interpreter: opcode attributes and the functions they share. */
#ifndef VMM_INTERP_INSN_H
#define VMM_INTERP_INSN_H

#include <linux/bits.h>
#include <linux/kernel.h>
#include <linux/string.h>
#include <asm/processor-flags.h>
#include "compat.h"	/* of the include path: user space has its own */
#include "interp.h"

/* What is done with the operands. The order says which of them are read and written. */
enum insn_op {
	OP_UD,		/* no instruction */
	OP_LENGTH,	/* its length is known, and nothing more */
	OP_NOMEM,	/* likewise, and it has no operand in memory */
	OP_GROUP,	/* decoder: ModRM.reg says what it is */
	/* The destination is written. */
	OP_MOV, OP_SIGN, OP_MOVBE, OP_SETCC, OP_CALL, OP_RET, OP_LOAD_FAR, OP_PUSHF, OP_SMSW,
	/* .. read, then written */
	OP_ALU, OP_SHIFT, OP_SHLD, OP_INCDEC, OP_NOT, OP_NEG, OP_IMUL, OP_CMOV, OP_BITSCAN,
	OP_XCHG, OP_XADD, OP_CMPXCHG, OP_CMPXCHG8B, OP_BTX,
	/* .. read only */
	OP_CMP, OP_TEST, OP_CMPS, OP_BT, OP_MULDIV, OP_PUSHA, OP_POPA, OP_POPF, OP_LMSW, OP_CLTS,
	OP_INS, OP_OUTS,	/* string.c */
};

#define OP_FIRST_READ	OP_ALU
#define OP_FIRST_KEEP	OP_CMP

/* Where an operand is. */
enum {
	AT_NONE, AT_RM, AT_REG, AT_SREG, AT_XMM, AT_IMM, AT_ONE, AT_CL, AT_STACK,
	AT_RIP,		/* read: RIP + immediate; written: a near branch */
	AT_SI, AT_DI,	/* of strings; the register is stepped */
};

/* Kinds of immediate: byte (sign-extended); by operand size, at most 4, or 8, bytes; .. */
enum { IMM_NONE, IMM_8, IMM_Z, IMM_V, IMM_16, IMM_FAR, IMM_OFFSET, IMM_16_8 };

/*
 * Bytes of ModRM's operand: as the operand size says (_SIZE), 2^(W - 1), those of CMPXCHG8B, far
 * pointers, MOVD, MOVSXD.
 */
enum { W_SIZE, W_1, W_2, W_4, W_8, W_16, W_PAIR, W_FAR, W_MOVD, W_MOVSXD };

/* An opcode's row */
#define R_OP(row)	((row) & 0x3f)
#define R_DST(row)	((row) >> 6 & 15)
#define R_SRC(row)	((row) >> 10 & 15)
#define R_IMM(row)	((row) >> 14 & 7)
#define R_WIDTH(row)	((row) >> 17 & 15)
#define R_ROW(op, dst, src, imm) ((op) | (dst) << 6 | (src) << 10 | (imm) << 14)
#define F_WIDTH(w)	((u32)(w) << 17)
#define F_MODRM		BIT(21)
#define F_BYTE		BIT(22)	/* byte operands */
#define F_LOCKABLE	BIT(23)	/* LOCK is allowed with a memory destination */
#define F_D64		BIT(24)	/* operand size defaults to 64 bits in long mode */
#define F_F64		BIT(25)	/* .. and cannot be changed (near branches) */
#define F_I64		BIT(26)	/* invalid in long mode */
#define F_REGRM		BIT(27)	/* ModRM.mod counts as 3 (MOV to and from CR, DR) */
#define F_STRING	BIT(28)	/* REP repeats it */
#define F_OPREG		BIT(29)	/* the opcode's low bits name a general register */
#define F_MEM		BIT(30)	/* no instruction with a register in ModRM */

#define VEC_DE	0
#define VEC_UD	6
#define VEC_NP	11
#define VEC_SS	12
#define VEC_GP	13
#define VEC_PF	14

#define FLAGS_STATUS	(X86_EFLAGS_CF | X86_EFLAGS_PF | X86_EFLAGS_AF | X86_EFLAGS_ZF | \
			 X86_EFLAGS_SF | X86_EFLAGS_OF)
/* EFER (APM vol. 2, 3.1.7) */
#define IEFER_LMA	BIT_ULL(10)
#define IEFER_NXE	BIT_ULL(11)

static inline u64 size_mask(unsigned int size)
{
	return size >= 8 ? ~0ULL : (1ULL << (size * 8)) - 1;
}

static inline u64 sign_extend(u64 val, unsigned int size)
{
	unsigned int shift = 64 - size * 8;

	return (u64)((s64)(val << shift) >> shift);
}

static inline int fault_plain(struct interp *in, u8 vector)
{
	in->fault = (struct interp_fault){ .vector = vector };
	return INTERP_FAULT;
}

/* In real mode exceptions have no error code (APM vol. 2, 8.2). */
static inline int fault_code(struct interp *in, u8 vector, u32 error)
{
	in->fault = (struct interp_fault){
		.vector = vector, .has_error = in->mode != INTERP_REAL, .error = error,
	};
	return INTERP_FAULT;
}

static inline int fault_gp(struct interp *in)
{
	return fault_code(in, VEC_GP, 0);
}

static inline u64 reg_get(const struct interp *in, u8 reg, unsigned int size)
{
	if (size == 1 && !in->insn.rex && (reg & ~3) == 4)
		return in->reg.gpr[reg & 3] >> 8 & 0xff;
	return in->reg.gpr[reg & 15] & size_mask(size);
}

/* 32-bit results clear the upper half; 8- and 16-bit results leave the rest (APM vol. 1, 3.1.2). */
static inline void gpr_merge(u64 *gpr, unsigned int size, u64 val)
{
	u64 mask = size == 4 ? ~0ULL : size_mask(size);

	*gpr = (*gpr & ~mask) | (val & size_mask(size));
}

static inline void reg_set(struct interp *in, u8 reg, unsigned int size, u64 val)
{
	u64 *gpr = &in->reg.gpr[reg & 15];

	if (size != 1 || in->insn.rex || (reg & ~3) != 4) {
		gpr_merge(gpr, size, val);
		return;
	}
	gpr = &in->reg.gpr[reg & 3];
	*gpr = (*gpr & ~0xff00ULL) | (val & 0xff) << 8;
}

static inline unsigned int stack_size(const struct interp *in)
{
	if (in->mode == INTERP_LONG)
		return 8;
	return in->seg[SEG_SS].attr & SEG_DB ? 4 : 2;
}

/* ---- alu.c: results and flags as in APM vol. 3; *flags is RFLAGS ---- */
u64 alu_binary(unsigned int nr, u64 dst, u64 src, unsigned int size, u64 *flags); /* ADD .. CMP */
u64 alu_incdec(bool dec, u64 dst, unsigned int size, u64 *flags);
u64 alu_shift(unsigned int nr, u64 dst, unsigned int count, unsigned int size, u64 *flags);
u64 alu_shift_double(bool right, u64 dst, u64 src, unsigned int count, unsigned int size,
		     u64 *flags);
u64 alu_bit(unsigned int nr, u64 dst, unsigned int bit, u64 *flags);	/* 0 BT, BTS, BTR, 3 BTC */
/* lo:hi = lo * src */
void alu_mul(bool is_signed, u64 *lo, u64 *hi, u64 src, unsigned int size, u64 *flags);
int alu_div(bool is_signed, u64 *lo, u64 *hi, u64 src, unsigned int size); /* 1: #DE */
bool alu_condition(unsigned int cc, u64 flags);

/* ---- access.c ---- */
/* Linear address of an offset, after the segment's checks (APM vol. 2, 4.12). */
int mem_linear(struct interp *in, u8 seg, u64 offset, unsigned int len, bool write, gva_t *addr);
bool mem_canonical(const struct interp *in, gva_t addr);
/* Translate at most a page's length, before any of it is accessed. access: ACCESS_* */
int span_map(struct interp *in, gva_t addr, unsigned int len, u32 access, struct interp_span *span);
int seg_map(struct interp *in, u8 seg, u64 offset, unsigned int len, bool write,
	    struct interp_span *span);
int span_copy(struct interp *in, const struct interp_span *span, void *buf, bool write);
/* At most 8 bytes, atomically where it can be; INTERP_RETRY: it was not old any more. */
int span_update(struct interp *in, const struct interp_span *span, u64 old, u64 new);
/* Port accesses through the log; the data is in in->io. */
int port_access(struct interp *in, u16 port, unsigned int size, unsigned int count, bool write);

/* ---- operand.c ---- */
int operand_read(struct interp *in, unsigned int at, u64 val[2], bool for_write);
/* old: what a locked update expects to find */
int operand_write(struct interp *in, unsigned int at, u64 old, u64 val[2]);
int stack_push(struct interp *in, u64 val);
int stack_pop(struct interp *in, u64 *val);
void step_reg(struct interp *in, u8 reg, u64 delta);	/* in the address size */

/* ---- segment.c ---- */
/* Load ES, SS, DS, FS or GS: the last step of an instruction, for nothing undoes it. */
int segment_load(struct interp *in, u8 seg, u16 selector);

/* ---- execute.c, string.c ---- */
int execute_once(struct interp *in);
int exec_string(struct interp *in);

static inline void next_rip(struct interp *in)
{
	in->reg.rip += in->insn.len;
	if (in->mode != INTERP_LONG)
		in->reg.rip = (u32)in->reg.rip;
}

#endif /* VMM_INTERP_INSN_H */
