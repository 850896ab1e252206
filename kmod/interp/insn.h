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

enum insn_op {
	OP_UD,		/* no instruction */
	OP_LENGTH,	/* its length is known, and nothing more */
	OP_NOMEM,	/* likewise, and it has no operand in memory */
	OP_ALU, OP_TEST, OP_MOV, OP_XCHG, OP_SHIFT, OP_UNARY, OP_INCDEC, OP_MOVX, OP_MOVSXD,
	OP_BT, OP_SHLD, OP_CMPXCHG, OP_XADD, OP_IMUL, OP_SETCC, OP_CMOV, OP_BITSCAN, OP_MOVBE,
	OP_CMPXCHG8B,
	/* stack.c */
	OP_PUSH, OP_POP, OP_PUSHA, OP_POPA, OP_PUSHF, OP_POPF, OP_PUSH_SEG,
	OP_MOV_FROM_SEG, OP_MSW, OP_CLTS,
	/* string.c */
	OP_INS, OP_OUTS, OP_MOVS, OP_CMPS, OP_STOS, OP_LODS, OP_SCAS,
};

/*
 * An opcode's row: op in bits 0-7, then the fields below. The immediate's kind decides how many
 * bytes follow ModRM and displacement.
 */
#define F_DST(x)	((x) << 8)
#define F_SRC(x)	((x) << 11)
#define F_IMM(x)	((x) << 14)
#define F_OP(flags)	((flags) & 0xff)
#define F_GET_DST(f)	((f) >> 8 & 7)
#define F_GET_SRC(f)	((f) >> 11 & 7)
#define F_GET_IMM(f)	((f) >> 14 & 7)

/* Where an operand is. */
enum { AT_NONE, AT_RM, AT_REG, AT_ACC, AT_OPREG, AT_IMM, AT_MOFFS, AT_ONE_CL };

/* Kinds of immediate: byte (sign-extended); 2 or 4 bytes by operand size; the same or 8; .. */
enum { IMM_NONE, IMM_8, IMM_Z, IMM_V, IMM_16, IMM_FAR, IMM_OFFSET, IMM_16_8 };

#define F_MODRM		BIT(17)
#define F_BYTE		BIT(18)	/* byte operands */
#define F_NOREAD	BIT(19)	/* the destination is not read */
#define F_NOWRITE	BIT(20)	/* the destination is not written */
#define F_LOCKABLE		BIT(21)	/* LOCK is allowed with a memory destination */
#define F_D64		BIT(22)	/* operand size defaults to 64 bits in long mode */
#define F_F64		BIT(23)	/* .. and cannot be changed (near branches) */
#define F_I64		BIT(24)	/* invalid in long mode */
#define F_REGRM		BIT(25)	/* ModRM.mod counts as 3 (MOV to and from CR, DR) */

#define VEC_UD	6
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
static inline void reg_set(struct interp *in, u8 reg, unsigned int size, u64 val)
{
	u64 *gpr = &in->reg.gpr[reg & 15];
	u64 mask = size == 4 ? ~0ULL : size_mask(size);

	val &= size_mask(size);
	if (size == 1 && !in->insn.rex && (reg & ~3) == 4) {
		gpr = &in->reg.gpr[reg & 3];
		mask = 0xff00;
		val <<= 8;
	}
	*gpr = (*gpr & ~mask) | val;
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
u64 alu_imul(u64 dst, u64 src, unsigned int size, u64 *flags);
/* lo:hi = lo * src */
void alu_mul(bool is_signed, u64 *lo, u64 *hi, u64 src, unsigned int size, u64 *flags);
bool alu_condition(unsigned int cc, u64 flags);

/* ---- access.c ---- */
/* Linear address of an offset, after the segment's checks (APM vol. 2, 4.12). */
int mem_linear(struct interp *in, u8 seg, u64 offset, unsigned int len, bool write, gva_t *addr);
int mem_map(struct interp *in, gva_t addr, unsigned int len, u32 access, struct interp_span *span);
int span_read(struct interp *in, const struct interp_span *span, void *buf);
int span_write(struct interp *in, const struct interp_span *span, const void *buf);
/* Atomically where it can be; INTERP_RETRY: it was not old any more. */
int span_update(struct interp *in, const struct interp_span *span, u64 old, u64 new);
int mem_read(struct interp *in, gva_t addr, void *buf, unsigned int len, u32 access);
int mem_write(struct interp *in, gva_t addr, const void *buf, unsigned int len, u32 access);
int seg_read(struct interp *in, u8 seg, u64 offset, void *buf, unsigned int len);
int seg_write(struct interp *in, u8 seg, u64 offset, const void *buf, unsigned int len);
/* Port accesses through the log; the data is in in->io. */
int port_read(struct interp *in, u16 port, unsigned int size, unsigned int count);
int port_write(struct interp *in, u16 port, unsigned int size, unsigned int count);

/* ---- execute.c: the memory or register operand of ModRM ---- */
int rm_read(struct interp *in, unsigned int size, u64 *val, bool for_write);
int rm_write(struct interp *in, unsigned int size, u64 val);

/* ---- the families ---- */
int exec_stack(struct interp *in);
int exec_string(struct interp *in);

#endif /* VMM_INTERP_INSN_H */
