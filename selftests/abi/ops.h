/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Instructions with a memory operand, in every operating mode, as data. The same instruction is
 * run on RAM and on MMIO from the same registers; what differs afterwards is the module's error.
 */
#ifndef ABI_OPS_H
#define ABI_OPS_H

#include "types.h"

/* Which registers point to the operand: the base register, (R)SI, (R)DI, both, or (R)CX counts. */
enum op_kind { OP_BX, OP_SI, OP_DI, OP_BOTH };

struct op {
	const u8 *code, *end;
	const char *text;
	u32 flags; /* the arithmetic flags that the instruction defines */
	u32 kind;
};

/* CF PF AF ZF SF OF; without AF; CF only as BT* leave it (ZF is unchanged); none undefined. */
#define F_ALL    "0x8d5"
#define F_LOGIC  "0x8c5"
#define F_BT     "0x041"
#define F_SHIFT  "0x8c5"
#define F_SHIFTN "0x0c5"
#define F_MUL    "0x801"
#define F_NONE   "0"

/* One instruction, a HLT behind it, and its row in section @table. */
#define OP(table, bits, kind, flags, insn)                        \
	asm(".pushsection .rodata\n"                              \
	    ".code" bits "\n"                                     \
	    "881: " insn "\n	hlt\n"                               \
	    "882:\n.code64\n"                                     \
	    "883: .asciz \"" bits "-bit " insn "\"\n"             \
	    ".popsection\n"                                       \
	    ".pushsection " table ", \"a\"\n"                     \
	    ".quad 881b, 882b, 883b\n.long " flags ", " kind "\n" \
	    ".popsection")

#define BX   "0"
#define SI   "1"
#define DI   "2"
#define BOTH "3"

#define OPS_MOV(T, B, M)                             \
	OP(T, B, BX, F_ALL, "movb %al, " M);         \
	OP(T, B, BX, F_ALL, "movb %ch, " M);         \
	OP(T, B, BX, F_ALL, "movw %cx, " M);         \
	OP(T, B, BX, F_ALL, "movl %edx, " M);        \
	OP(T, B, BX, F_ALL, "movb $0x5a, " M);       \
	OP(T, B, BX, F_ALL, "movw $0x1234, " M);     \
	OP(T, B, BX, F_ALL, "movl $0x89abcdef, " M); \
	OP(T, B, BX, F_ALL, "movb " M ", %dh");      \
	OP(T, B, BX, F_ALL, "movb " M ", %cl");      \
	OP(T, B, BX, F_ALL, "movw " M ", %dx");      \
	OP(T, B, BX, F_ALL, "movl " M ", %ecx");     \
	OP(T, B, BX, F_ALL, "movzbw " M ", %ax");    \
	OP(T, B, BX, F_ALL, "movzbl " M ", %ecx");   \
	OP(T, B, BX, F_ALL, "movzwl " M ", %edx");   \
	OP(T, B, BX, F_ALL, "movsbw " M ", %ax");    \
	OP(T, B, BX, F_ALL, "movsbl " M ", %ecx");   \
	OP(T, B, BX, F_ALL, "movswl " M ", %edx")

#define OPS_ALU1(T, B, M, name, fl)                 \
	OP(T, B, BX, fl, name "b %cl, " M);         \
	OP(T, B, BX, fl, name "w %cx, " M);         \
	OP(T, B, BX, fl, name "l %ecx, " M);        \
	OP(T, B, BX, fl, name "b " M ", %dl");      \
	OP(T, B, BX, fl, name "w " M ", %dx");      \
	OP(T, B, BX, fl, name "l " M ", %edx");     \
	OP(T, B, BX, fl, name "b $0x81, " M);       \
	OP(T, B, BX, fl, name "w $0x1234, " M);     \
	OP(T, B, BX, fl, name "w $-3, " M);         \
	OP(T, B, BX, fl, name "l $0x87654321, " M); \
	OP(T, B, BX, fl, name "l $-7, " M)

#define OPS_ALU(T, B, M)                           \
	OPS_ALU1(T, B, M, "add", F_ALL);           \
	OPS_ALU1(T, B, M, "or", F_LOGIC);          \
	OPS_ALU1(T, B, M, "adc", F_ALL);           \
	OPS_ALU1(T, B, M, "sbb", F_ALL);           \
	OPS_ALU1(T, B, M, "and", F_LOGIC);         \
	OPS_ALU1(T, B, M, "sub", F_ALL);           \
	OPS_ALU1(T, B, M, "xor", F_LOGIC);         \
	OPS_ALU1(T, B, M, "cmp", F_ALL);           \
	OP(T, B, BX, F_ALL, "lock addl %ecx, " M); \
	OP(T, B, BX, F_LOGIC, "lock orb $0x40, " M)

#define OPS_TEST(T, B, M)                           \
	OP(T, B, BX, F_LOGIC, "testb %cl, " M);     \
	OP(T, B, BX, F_LOGIC, "testw %cx, " M);     \
	OP(T, B, BX, F_LOGIC, "testl %ecx, " M);    \
	OP(T, B, BX, F_LOGIC, "testb $0x81, " M);   \
	OP(T, B, BX, F_LOGIC, "testw $0x8001, " M); \
	OP(T, B, BX, F_LOGIC, "testl $0x80000001, " M)

#define OPS_UNARY(T, B, M)              \
	OP(T, B, BX, F_ALL, "incb " M); \
	OP(T, B, BX, F_ALL, "incw " M); \
	OP(T, B, BX, F_ALL, "incl " M); \
	OP(T, B, BX, F_ALL, "decb " M); \
	OP(T, B, BX, F_ALL, "decl " M); \
	OP(T, B, BX, F_ALL, "notb " M); \
	OP(T, B, BX, F_ALL, "notw " M); \
	OP(T, B, BX, F_ALL, "notl " M); \
	OP(T, B, BX, F_ALL, "negb " M); \
	OP(T, B, BX, F_ALL, "negw " M); \
	OP(T, B, BX, F_ALL, "negl " M); \
	OP(T, B, BX, F_ALL, "lock incl " M)

#define OPS_XCHG(T, B, M)                           \
	OP(T, B, BX, F_ALL, "xchgb %cl, " M);       \
	OP(T, B, BX, F_ALL, "xchgw %cx, " M);       \
	OP(T, B, BX, F_ALL, "xchgl %ecx, " M);      \
	OP(T, B, BX, F_ALL, "xaddb %cl, " M);       \
	OP(T, B, BX, F_ALL, "lock xaddl %edx, " M); \
	OP(T, B, BX, F_ALL, "cmpxchgb %cl, " M);    \
	OP(T, B, BX, F_ALL, "cmpxchgw %cx, " M);    \
	OP(T, B, BX, F_ALL, "cmpxchgl %ecx, " M);   \
	OP(T, B, BX, F_ALL, "lock cmpxchgl %ecx, " M)

#define OPS_BT1(T, B, M, name)                 \
	OP(T, B, BX, F_BT, name "w %cx, " M);  \
	OP(T, B, BX, F_BT, name "l %ecx, " M); \
	OP(T, B, BX, F_BT, name "w $13, " M);  \
	OP(T, B, BX, F_BT, name "l $62, " M)

#define OPS_BT(T, B, M)          \
	OPS_BT1(T, B, M, "bt");  \
	OPS_BT1(T, B, M, "bts"); \
	OPS_BT1(T, B, M, "btr"); \
	OPS_BT1(T, B, M, "btc"); \
	OP(T, B, BX, F_BT, "lock btsl %ecx, " M)

#define OPS_STRING(T, B)                            \
	OP(T, B, SI, F_ALL, "lodsb");               \
	OP(T, B, SI, F_ALL, "lodsw");               \
	OP(T, B, SI, F_ALL, "lodsl");               \
	OP(T, B, DI, F_ALL, "stosb");               \
	OP(T, B, DI, F_ALL, "stosw");               \
	OP(T, B, DI, F_ALL, "stosl");               \
	OP(T, B, DI, F_ALL, "rep stosb");           \
	OP(T, B, DI, F_ALL, "rep stosl");           \
	OP(T, B, DI, F_ALL, "std; stosw; cld");     \
	OP(T, B, SI, F_ALL, "movsb");               \
	OP(T, B, SI, F_ALL, "movsw");               \
	OP(T, B, SI, F_ALL, "movsl");               \
	OP(T, B, DI, F_ALL, "movsb");               \
	OP(T, B, DI, F_ALL, "movsl");               \
	OP(T, B, SI, F_ALL, "rep movsb");           \
	OP(T, B, DI, F_ALL, "rep movsw");           \
	OP(T, B, SI, F_ALL, "rep movsl");           \
	OP(T, B, DI, F_ALL, "std; rep movsl; cld"); \
	OP(T, B, BOTH, F_ALL, "movsl");             \
	OP(T, B, BOTH, F_ALL, "rep movsb")

#define OPS_STRCMP(T, B)                    \
	OP(T, B, DI, F_ALL, "scasb");       \
	OP(T, B, DI, F_ALL, "scasl");       \
	OP(T, B, DI, F_ALL, "repne scasb"); \
	OP(T, B, SI, F_ALL, "cmpsb");       \
	OP(T, B, DI, F_ALL, "cmpsl");       \
	OP(T, B, SI, F_ALL, "repe cmpsb")

#define OPS_SHIFT(T, B, M)                     \
	OP(T, B, BX, F_SHIFT, "shll " M);      \
	OP(T, B, BX, F_SHIFT, "shrb " M);      \
	OP(T, B, BX, F_SHIFT, "sarw " M);      \
	OP(T, B, BX, F_SHIFTN, "shll $5, " M); \
	OP(T, B, BX, F_SHIFTN, "sarl $5, " M); \
	OP(T, B, BX, F_BT, "roll $3, " M)

/* The dividends are small enough for any divisor but 0. */
#define OPS_MULDIV(T, B, M)                                       \
	OP(T, B, BX, F_MUL, "mulb " M);                           \
	OP(T, B, BX, F_MUL, "mull " M);                           \
	OP(T, B, BX, F_MUL, "imulw " M);                          \
	OP(T, B, BX, F_MUL, "imull " M ", %ecx");                 \
	OP(T, B, BX, F_MUL, "imull $-5, " M ", %edx");            \
	OP(T, B, BX, F_NONE, "movzbw %al, %ax; divb " M);         \
	OP(T, B, BX, F_NONE, "xorl %edx, %edx; divw " M);         \
	OP(T, B, BX, F_NONE, "xorl %edx, %edx; divl " M);         \
	OP(T, B, BX, F_NONE, "movzbl %al, %eax; cltd; idivl " M); \
	OP(T, B, BX, F_ALL, "cmovbl " M ", %ecx");                \
	OP(T, B, BX, F_ALL, "setnz " M);                          \
	OP(T, B, BX, "0x40", "bsfl " M ", %ecx")

#endif
