// SPDX-License-Identifier: GPL-2.0
/*
 * Arithmetic of the interpreter: results and flags (APM vol. 3, chapter 3). Flags that the
 * manual leaves undefined are set as most processors do, or left alone.
 */
#include "insn.h"

static u64 sign_bit(unsigned int size)
{
	return 1ULL << (size * 8 - 1);
}

static void set_flag(u64 *flags, u64 flag, bool on)
{
	*flags = on ? *flags | flag : *flags & ~flag;
}

static bool even_parity(u8 val)
{
	val ^= val >> 4;
	return !(0x6996 >> (val & 15) & 1);
}

static void set_result_flags(u64 *flags, u64 res, unsigned int size)
{
	set_flag(flags, X86_EFLAGS_PF, even_parity(res));
	set_flag(flags, X86_EFLAGS_ZF, !res);
	set_flag(flags, X86_EFLAGS_SF, res & sign_bit(size));
}

static u64 alu_add(u64 dst, u64 src, bool carry, unsigned int size, u64 *flags)
{
	u64 res = (dst + src + carry) & size_mask(size);

	set_result_flags(flags, res, size);
	set_flag(flags, X86_EFLAGS_CF, carry ? res <= dst : res < dst);
	set_flag(flags, X86_EFLAGS_AF, (dst ^ src ^ res) & 0x10);
	set_flag(flags, X86_EFLAGS_OF, (dst ^ res) & (src ^ res) & sign_bit(size));
	return res;
}

static u64 alu_sub(u64 dst, u64 src, bool borrow, unsigned int size, u64 *flags)
{
	u64 res = (dst - src - borrow) & size_mask(size);

	set_result_flags(flags, res, size);
	set_flag(flags, X86_EFLAGS_CF, borrow ? dst <= src : dst < src);
	set_flag(flags, X86_EFLAGS_AF, (dst ^ src ^ res) & 0x10);
	set_flag(flags, X86_EFLAGS_OF, (dst ^ src) & (dst ^ res) & sign_bit(size));
	return res;
}

static u64 alu_logic(u64 res, unsigned int size, u64 *flags)
{
	set_result_flags(flags, res, size);
	*flags &= ~(u64)(X86_EFLAGS_CF | X86_EFLAGS_OF | X86_EFLAGS_AF);
	return res;
}

/**
 * alu_binary() - ADD, OR, ADC, SBB, AND, SUB, XOR, CMP in the order of their opcodes
 * @nr: which, 0 to 7
 * @dst: first operand, zero-extended
 * @src: second operand; bits above @size are ignored
 * @size: bytes, 1 to 8
 * @flags: RFLAGS, updated
 *
 * Return: the result, zero-extended (of CMP: the difference, not to be stored).
 */
u64 alu_binary(unsigned int nr, u64 dst, u64 src, unsigned int size, u64 *flags)
{
	bool carry = *flags & X86_EFLAGS_CF;

	src &= size_mask(size);
	switch (nr & 7) {
	case 0:
		return alu_add(dst, src, false, size, flags);
	case 1:
		return alu_logic(dst | src, size, flags);
	case 2:
		return alu_add(dst, src, carry, size, flags);
	case 3:
		return alu_sub(dst, src, carry, size, flags);
	case 4:
		return alu_logic(dst & src, size, flags);
	case 6:
		return alu_logic(dst ^ src, size, flags);
	}
	return alu_sub(dst, src, false, size, flags);
}

u64 alu_incdec(bool dec, u64 dst, unsigned int size, u64 *flags)
{
	u64 carry = *flags & X86_EFLAGS_CF;
	u64 res = dec ? alu_sub(dst, 1, false, size, flags) : alu_add(dst, 1, false, size, flags);

	*flags = (*flags & ~(u64)X86_EFLAGS_CF) | carry;
	return res;
}

static u64 rotate(unsigned int nr, u64 dst, unsigned int count, unsigned int size, u64 *flags)
{
	unsigned int bits = size * 8, n = count % bits;
	bool top, carry;

	if (nr == 1 && n)
		n = bits - n;
	if (n)
		dst = (dst << n | dst >> (bits - n)) & size_mask(size);
	top = dst & sign_bit(size);
	carry = nr ? top : dst & 1;
	set_flag(flags, X86_EFLAGS_CF, carry);
	set_flag(flags, X86_EFLAGS_OF,
		 nr ? top != !!(dst & (sign_bit(size) >> 1)) : top != carry);
	return dst;
}

/* RCL, RCR: a rotation of size * 8 + 1 bits, one at a time: the count is below 64. */
static u64 rotate_carry(bool right, u64 dst, unsigned int count, unsigned int size, u64 *flags)
{
	unsigned int n = count % (size * 8 + 1);
	bool carry = *flags & X86_EFLAGS_CF, out;

	if (right)
		set_flag(flags, X86_EFLAGS_OF, !!(dst & sign_bit(size)) != carry);
	while (n--) {
		out = right ? dst & 1 : dst & sign_bit(size);
		dst = right ? dst >> 1 | (carry ? sign_bit(size) : 0) : dst << 1 | carry;
		dst &= size_mask(size);
		carry = out;
	}
	set_flag(flags, X86_EFLAGS_CF, carry);
	if (!right)
		set_flag(flags, X86_EFLAGS_OF, !!(dst & sign_bit(size)) != carry);
	return dst;
}

static u64 shift_up(u64 dst, unsigned int count, unsigned int size, u64 *flags)
{
	unsigned int bits = size * 8;
	bool carry = count <= bits && (dst >> (bits - count) & 1);
	u64 res = dst << count & size_mask(size);

	set_result_flags(flags, res, size);
	set_flag(flags, X86_EFLAGS_CF, carry);
	set_flag(flags, X86_EFLAGS_OF, !!(res & sign_bit(size)) != carry);
	return res;
}

static u64 shift_logical(u64 dst, unsigned int count, unsigned int size, u64 *flags)
{
	u64 res = dst >> count;

	set_result_flags(flags, res, size);
	set_flag(flags, X86_EFLAGS_CF, dst >> (count - 1) & 1);
	set_flag(flags, X86_EFLAGS_OF, dst & sign_bit(size));
	return res;
}

static u64 shift_arithmetic(u64 dst, unsigned int count, unsigned int size, u64 *flags)
{
	s64 val = sign_extend(dst, size);
	u64 res = (u64)(val >> count) & size_mask(size);

	set_result_flags(flags, res, size);
	set_flag(flags, X86_EFLAGS_CF, val >> (count - 1) & 1);
	set_flag(flags, X86_EFLAGS_OF, false);
	return res;
}

/**
 * alu_shift() - ROL, ROR, RCL, RCR, SHL, SHR, SHL, SAR in the order of ModRM.reg
 * @nr: which, 0 to 7
 * @dst: operand, zero-extended
 * @count: as the instruction gives it; taken modulo 32, or 64 for 8-byte operands
 * @size: bytes
 * @flags: RFLAGS, updated; not for a count of 0
 *
 * Return: the result, zero-extended.
 */
u64 alu_shift(unsigned int nr, u64 dst, unsigned int count, unsigned int size, u64 *flags)
{
	count &= size == 8 ? 63 : 31;
	if (!count)
		return dst;
	switch (nr & 7) {
	case 0: case 1:
		return rotate(nr & 7, dst, count, size, flags);
	case 2: case 3:
		return rotate_carry(nr & 1, dst, count, size, flags);
	case 5:
		return shift_logical(dst, count, size, flags);
	case 7:
		return shift_arithmetic(dst, count, size, flags);
	}
	return shift_up(dst, count, size, flags);
}

/* SHLD, SHRD. The result for a 16-bit operand and a count above 16 is undefined. */
u64 alu_shift_double(bool right, u64 dst, u64 src, unsigned int count, unsigned int size,
		     u64 *flags)
{
	unsigned int bits = size * 8;
	u64 res;

	count &= size == 8 ? 63 : 31;
	if (!count || count > bits)
		return dst;
	if (count == bits)
		res = src;
	else
		res = right ? dst >> count | src << (bits - count) :
			      dst << count | src >> (bits - count);
	res &= size_mask(size);
	set_result_flags(flags, res, size);
	set_flag(flags, X86_EFLAGS_CF, (right ? dst >> (count - 1) : dst >> (bits - count)) & 1);
	set_flag(flags, X86_EFLAGS_OF, (dst ^ res) & sign_bit(size));
	return res;
}

u64 alu_bit(unsigned int nr, u64 dst, unsigned int bit, u64 *flags)
{
	u64 mask = 1ULL << (bit & 63);

	set_flag(flags, X86_EFLAGS_CF, dst & mask);
	switch (nr & 3) {
	case 1:
		return dst | mask;
	case 2:
		return dst & ~mask;
	case 3:
		return dst ^ mask;
	}
	return dst;
}

void alu_mul(bool is_signed, u64 *lo, u64 *hi, u64 src, unsigned int size, u64 *flags)
{
	unsigned __int128 wide;
	unsigned int bits = size * 8;
	bool overflow;

	if (is_signed)
		wide = (__int128)(s64)sign_extend(*lo, size) * (s64)sign_extend(src, size);
	else
		wide = (unsigned __int128)(*lo & size_mask(size)) * (src & size_mask(size));
	*lo = (u64)wide & size_mask(size);
	*hi = (u64)(wide >> bits) & size_mask(size);
	overflow = is_signed ? *hi != ((*lo & sign_bit(size)) ? size_mask(size) : 0) : *hi;
	set_flag(flags, X86_EFLAGS_CF, overflow);
	set_flag(flags, X86_EFLAGS_OF, overflow);
}

/**
 * alu_div() - DIV, IDIV; the flags are left alone
 * @is_signed: IDIV
 * @lo: low half of the dividend, becomes the quotient
 * @hi: high half, becomes the remainder
 * @src: divisor
 * @size: bytes of each
 *
 * Return: 0, or 1: divide error, operands unchanged
 */
int alu_div(bool is_signed, u64 *lo, u64 *hi, u64 src, unsigned int size)
{
	u64 mask = size_mask(size), l = *lo & mask, h = *hi & mask;
	bool negative = is_signed && h & sign_bit(size);
	bool opposite = is_signed && (h ^ src) & sign_bit(size);

	if (is_signed)
		src = sign_extend(src, size) >> 63 ? -src : src;
	src &= mask;
	if (negative) {
		l = -l & mask;
		h = (~h + !l) & mask;
	}
	if (h >= src)
		return 1;
	if (size < 8) {
		l |= h << size * 8;
		h = 0;
	}
	asm("divq %2" : "+a" (l), "+d" (h) : "r" (src) : "cc");	/* h < src: the quotient fits */
	if (is_signed && l > sign_bit(size) - !opposite)
		return 1;
	*lo = (opposite ? -l : l) & mask;
	*hi = (negative ? -h : h) & mask;
	return 0;
}

/**
 * alu_condition() - does a condition code hold?
 * @cc: low four bits of the opcode of SETcc or CMOVcc
 * @flags: RFLAGS
 */
bool alu_condition(unsigned int cc, u64 flags)
{
	static const u16 any_of[8] = {
		X86_EFLAGS_OF, X86_EFLAGS_CF, X86_EFLAGS_ZF, X86_EFLAGS_CF | X86_EFLAGS_ZF,
		X86_EFLAGS_SF, X86_EFLAGS_PF, 0, X86_EFLAGS_ZF,
	};
	unsigned int nr = cc >> 1 & 7;
	bool less = nr >= 6 && !(flags & X86_EFLAGS_SF) != !(flags & X86_EFLAGS_OF);

	return (less || flags & any_of[nr]) != (cc & 1);
}
