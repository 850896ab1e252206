// SPDX-License-Identifier: GPL-2.0
/*
 * The executor against this machine's processor: random instructions with random operands run on
 * both, and registers, flags and memory must agree, but for what the manual leaves undefined.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "machine.h"
#include "tap.h"

#define ROUNDS       5000 /* instructions of one family */
#define BUFFER       4096
#define FLAGS_TESTED (FLAGS_STATUS | X86_EFLAGS_DF)

struct state {
	u64 gpr[REG_COUNT];
	u64 flags;
	u64 xmm[16][2];
};

static struct state native, before;
static u8 *code, *buffer;
static sigjmp_buf fault;
static struct machine *m;
static unsigned int seed = 1;

/* ---- running natively ---- */

static u8 *emit(u8 *p, const void *bytes, unsigned int len)
{
	memcpy(p, bytes, len);
	return p + len;
}

static u8 *emit_state_address(u8 *p)
{
	u64 address = (u64)&native;

	p = emit(p, "\x48\xb8", 2); /* mov rax, address */
	return emit(p, &address, 8);
}

/* mov reg, [rax + 8 * reg], or the other way, of all but RAX and RSP */
static u8 *emit_moves(u8 *p, u8 opcode)
{
	unsigned int reg;

	for (reg = 1; reg < REG_COUNT; reg++) {
		if (reg == REG_RSP)
			continue;
		*p++ = reg < 8 ? 0x48 : 0x4c;
		*p++ = opcode;
		*p++ = 0x40 | (reg & 7) << 3;
		*p++ = reg * 8;
	}
	return p;
}

/* movups xmm, [rax + offset], or the other way */
static u8 *emit_vectors(u8 *p, u8 opcode)
{
	unsigned int reg;
	u32 offset;

	for (reg = 0; reg < 16; reg++) {
		offset = offsetof(struct state, xmm[reg]);
		if (reg >= 8)
			*p++ = 0x44;
		*p++ = 0x0f;
		*p++ = opcode;
		*p++ = 0x80 | (reg & 7) << 3;
		p = emit(p, &offset, 4);
	}
	return p;
}

static void assemble(const u8 *insn, unsigned int len)
{
	u64 address = (u64)&native;
	u8 *p = code;

	p = emit(p, "\x53\x55\x41\x54\x41\x55\x41\x56\x41\x57", 10); /* push what is not ours */
	p = emit_state_address(p);
	p = emit_vectors(p, 0x10);
	p = emit(p, "\xff\xb0\x80\x00\x00\x00\x9d", 7); /* push flags; popfq */
	p = emit_moves(p, 0x8b);
	p = emit(p, "\x48\x8b\x00", 3);
	p = emit(p, insn, len);
	p = emit(p, "\x48\xa3", 2); /* mov [address], rax */
	p = emit(p, &address, 8);
	p = emit_state_address(p);
	p = emit_vectors(p, 0x11);
	p = emit_moves(p, 0x89);
	p = emit(p, "\x9c\x8f\x80\x80\x00\x00\x00\xfc", 8); /* pushfq; pop flags; cld */
	emit(p, "\x41\x5f\x41\x5e\x41\x5d\x41\x5c\x5d\x5b\xc3", 11);
}

static void on_fault(int sig)
{
	siglongjmp(fault, sig);
}

/* 0, or the signal that the instruction ended with. */
static int run_native(const u8 *insn, unsigned int len)
{
	int sig;

	assemble(insn, len);
	sig = sigsetjmp(fault, 1);
	if (!sig)
		((void (*)(void))code)();
	return sig;
}

static void setup(void)
{
	static const int signals[] = { SIGFPE, SIGILL, SIGSEGV, SIGBUS };
	struct sigaction action = { .sa_handler = on_fault };
	unsigned int i;

	if (m)
		return;
	code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
	buffer = mmap(NULL, BUFFER, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (code == MAP_FAILED || buffer == MAP_FAILED)
		abort();
	for (i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &action, NULL);
	m = machine_new(INTERP_LONG);
	m->in.cr4 |= X86_CR4_OSFXSR;
	m->in.cr0 = X86_CR0_PE; /* no paging: linear addresses are "physical" */
	m->memory_base = (u64)buffer;
}

/* ---- random instructions ---- */

static u64 random64(void)
{
	return (u64)rand_r(&seed) << 42 ^ (u64)rand_r(&seed) << 21 ^ (u64)rand_r(&seed);
}

static u64 random_value(void)
{
	static const u64 values[] = {
		0,
		1,
		2,
		0x7f,
		0x80,
		0xff,
		0x7fff,
		0x8000,
		0xffff,
		0x7fffffff,
		0x80000000,
		0xffffffff,
		0x7fffffffffffffff,
		0x8000000000000000,
		~0ULL,
	};

	switch (rand_r(&seed) % 4) {
	case 0:
		return values[rand_r(&seed) % ARRAY_SIZE(values)];
	case 1:
		return rand_r(&seed) % 70;
	}
	return random64();
}

#define GROUP   1 /* ModRM.reg is part of the opcode */
#define MEMORY  2 /* memory operands only */
#define NOMODRM 4
#define REP     8  /* a string instruction */
#define BITS    16 /* BT.. with a bit offset in a register */
#define SMALL   64 /* RDX extends RAX, and divisors are mostly small */
#define VECTOR  32 /* the operand in memory is aligned to 16 bytes */

struct family {
	const char *name;
	u8 map, first, last;
	u8 groups; /* with GROUP: which of them */
	u8 flags;
	u8 prefix;
};

/* One random instruction; false: it is one that cannot be tried so. */
static bool make(const struct family *f, struct insn *insn, u8 *bytes)
{
	u8 *p = bytes, rex = 0, modrm;
	unsigned int i;

	memset(bytes, 0, 16);
	if (f->prefix)
		*p++ = f->prefix;
	else if (f->flags & REP && rand_r(&seed) % 3)
		*p++ = rand_r(&seed) & 1 ? 0xf3 : 0xf2;
	if (!(rand_r(&seed) % 3))
		*p++ = 0x66;
	if (rand_r(&seed) & 1)
		rex = 0x40 | (rand_r(&seed) & 0xf);
	modrm = 0xc0 | (rand_r(&seed) & 0x3f);
	if (f->flags & GROUP) {
		do
			modrm = (modrm & ~0x38) | (rand_r(&seed) & 7) << 3;
		while (!(f->groups >> (modrm >> 3 & 7) & 1));
	}
	if (f->flags & MEMORY || rand_r(&seed) & 1) {
		modrm = (modrm & 0x38) | 0x47; /* [rdi + disp8] */
		rex &= ~3;
	}
	if (rex)
		*p++ = rex;
	if (f->map)
		*p++ = 0x0f;
	if (f->map == 2)
		*p++ = 0x38;
	*p++ = f->first + rand_r(&seed) % (f->last - f->first + 1);
	if (!(f->flags & NOMODRM))
		*p++ = modrm;
	for (i = p - bytes; i < 15; i++)
		bytes[i] = random_value();
	if (f->flags & VECTOR)
		*p &= 0xf0;
	memcpy(m->in.bytes, bytes, 15);
	m->in.nbytes = 15;
	if (interp_decode(&m->in))
		return false;
	*insn = m->in.insn;
	return true;
}

static bool is_rsp(const struct insn *insn, u8 reg)
{
	return reg == REG_RSP && (insn->size > 1 || insn->rex);
}

/* RSP is the harness's own, RDI the address of memory operands, which bit offsets would move. */
static bool untestable(const struct family *f, const struct insn *insn)
{
	u8 opcode_reg = (insn->opcode & 7) | (insn->rex & 1) << 3;

	if (f->flags & NOMODRM)
		return is_rsp(insn, opcode_reg);
	if (f->flags & BITS && insn->mem && insn->reg == REG_RDI)
		return true;
	/* MOVZX and the like have operands of two sizes: to be on the safe side. */
	return (!(f->flags & GROUP) && (is_rsp(insn, insn->reg) || insn->reg == REG_RSP)) ||
	       (!insn->mem && (is_rsp(insn, insn->rm) || (insn->map && insn->rm == REG_RSP)));
}

static unsigned int shift_count(const struct insn *insn, bool immediate)
{
	unsigned int count = immediate ? insn->imm : before.gpr[REG_RCX];

	return count & (insn->size == 8 ? 63 : 31);
}

static u64 undefined_by_shift(const struct insn *insn)
{
	bool by_one = insn->opcode == 0xd0 || insn->opcode == 0xd1;
	unsigned int nr = insn->reg & 7, count;
	u64 undefined = nr >= 4 ? X86_EFLAGS_AF : 0;

	count = by_one ? 1 : shift_count(insn, insn->opcode < 0xd0);
	if (!count)
		return 0;
	if (count != 1)
		undefined |= X86_EFLAGS_OF;
	if (nr >= 4 && count >= insn->size * 8)
		undefined |= X86_EFLAGS_CF;
	return undefined;
}

static u64 undefined_by_shift_double(const struct insn *insn)
{
	unsigned int count = shift_count(insn, !(insn->opcode & 1));

	if (!count)
		return 0;
	return X86_EFLAGS_AF | (count == 1 ? 0 : X86_EFLAGS_OF) |
	       (count > insn->size * 8 ? FLAGS_STATUS : 0);
}

static u64 undefined_flags(const struct insn *insn)
{
	unsigned int nr = insn->map || insn->opcode >= 0x80 ? insn->reg & 7 : insn->opcode >> 3;
	const u64 by_mul = X86_EFLAGS_SF | X86_EFLAGS_ZF | X86_EFLAGS_AF | X86_EFLAGS_PF;

	switch (insn->op) {
	case OP_ALU:
	case OP_CMP:
		return nr == 1 || nr == 4 || nr == 6 ? X86_EFLAGS_AF : 0;
	case OP_TEST:
		return X86_EFLAGS_AF;
	case OP_SHIFT:
		return undefined_by_shift(insn);
	case OP_SHLD:
		return undefined_by_shift_double(insn);
	case OP_IMUL:
		return by_mul;
	case OP_MULDIV:
		return nr < 6 ? by_mul : FLAGS_STATUS;
	case OP_BT:
	case OP_BTX:
		return X86_EFLAGS_OF | X86_EFLAGS_SF | X86_EFLAGS_AF | X86_EFLAGS_PF;
	case OP_BITSCAN:
		return FLAGS_STATUS & ~X86_EFLAGS_ZF;
	}
	return 0;
}

/* Results that the manual leaves open. */
static bool undefined_result(const struct insn *insn)
{
	if (insn->op == OP_SHLD)
		return shift_count(insn, !(insn->opcode & 1)) > insn->size * 8;
	return insn->op == OP_BITSCAN && m->in.reg.rflags & X86_EFLAGS_ZF;
}

static void random_state(const struct family *f, const struct insn *insn)
{
	unsigned int i;

	for (i = 0; i < REG_COUNT; i++)
		native.gpr[i] = random_value();
	for (i = 0; i < 32; i++)
		native.xmm[i / 2][i % 2] = random64();
	/* Comparisons shall succeed sometimes. */
	if (rand_r(&seed) & 1)
		native.gpr[REG_RAX] = native.gpr[insn->rm];
	for (i = 0; i < BUFFER; i += 8) {
		u64 val = rand_r(&seed) & 1 ? random_value() : native.gpr[REG_RAX];

		memcpy(buffer + i, &val, 8);
	}
	native.flags = X86_EFLAGS_FIXED | X86_EFLAGS_IF | (random64() & FLAGS_TESTED);
	if (f->flags & BITS && insn->mem)
		native.gpr[insn->reg] = (s64)(rand_r(&seed) % 8192) - 4096;
	if (insn->mem || f->flags & REP)
		native.gpr[REG_RDI] = (u64)buffer + BUFFER / 2;
	if (f->flags & SMALL)
		native.gpr[REG_RDX] = rand_r(&seed) & 1 ? 0 : (s64)native.gpr[REG_RAX] >> 63;
	if (f->flags & REP) {
		native.gpr[REG_RSI] = (u64)buffer + BUFFER / 2 + rand_r(&seed) % 32;
		native.gpr[REG_RCX] = rand_r(&seed) % 24;
	}
}

static void differ(const struct family *f, const u8 *bytes, int r, int sig)
{
	unsigned int i;

	tap_failures++;
	if (tap_failures > 3)
		return;
	printf("# %s:", f->name);
	for (i = 0; i < m->in.insn.len; i++)
		printf(" %02x", bytes[i]);
	printf(": result %d, signal %d\n", r, sig);
	for (i = 0; i < REG_COUNT; i++) {
		if (m->in.reg.gpr[i] != native.gpr[i])
			printf("# register %u: was %llx, is %llx, natively %llx\n", i,
			       before.gpr[i], m->in.reg.gpr[i], native.gpr[i]);
	}
	for (i = 0; i < 16; i++) {
		if (memcmp(m->xmm[i], native.xmm[i], 16))
			printf("# xmm%u differs\n", i);
	}
	printf("# flags: were %llx, are %llx, natively %llx\n", before.flags, m->in.reg.rflags,
	       native.flags);
}

static void compare(const struct family *f, const struct insn *insn, const u8 *bytes)
{
	u64 flags_mask;
	int sig, r;

	random_state(f, insn);
	before = native;
	memcpy(m->memory, buffer, BUFFER);
	memcpy(m->in.reg.gpr, native.gpr, sizeof(native.gpr));
	memcpy(m->xmm, native.xmm, sizeof(native.xmm));
	m->in.reg.rflags = native.flags;
	m->in.reg.rip = (u64)code;
	r = machine_try(m, bytes, insn->len);
	flags_mask = FLAGS_TESTED & ~undefined_flags(insn);
	sig = run_native(bytes, insn->len);
	tap_checks++;
	native.gpr[REG_RSP] = m->in.reg.gpr[REG_RSP];
	if (sig && r == INTERP_FAULT)
		return;
	if (!sig && r == INTERP_DONE && undefined_result(insn))
		return;
	if (sig || r || memcmp(native.gpr, m->in.reg.gpr, sizeof(native.gpr)) ||
	    (native.flags ^ m->in.reg.rflags) & flags_mask ||
	    memcmp(native.xmm, m->xmm, sizeof(native.xmm)) ||
	    m->in.reg.rip != (u64)code + insn->len || memcmp(buffer, m->memory, BUFFER))
		differ(f, bytes, r, sig);
}

static void try_families(const struct family *families, unsigned int count)
{
	unsigned int i, round;
	struct insn insn;
	u8 bytes[16];

	setup();
	for (i = 0; i < count; i++) {
		unsigned int checks = tap_checks;

		for (round = 0; round < ROUNDS; round++) {
			if (make(&families[i], &insn, bytes) && !untestable(&families[i], &insn))
				compare(&families[i], &insn, bytes);
		}
		if (tap_checks < checks + ROUNDS / 10) {
			printf("# %s: only %u tried\n", families[i].name, tap_checks - checks);
			tap_failures++;
		}
	}
}

#define TRY_FAMILIES(...)                                                \
	do {                                                             \
		static const struct family families[] = { __VA_ARGS__ }; \
		try_families(families, ARRAY_SIZE(families));            \
	} while (0)

static void binary(void)
{
	TRY_FAMILIES({ "add", 0, 0x00, 0x03 }, { "or", 0, 0x08, 0x0b }, { "adc", 0, 0x10, 0x13 },
		     { "sbb", 0, 0x18, 0x1b }, { "and", 0, 0x20, 0x23 }, { "sub", 0, 0x28, 0x2b },
		     { "xor", 0, 0x30, 0x33 }, { "cmp", 0, 0x38, 0x3b }, { "test", 0, 0x84, 0x85 });
}

static void binary_immediate(void)
{
	TRY_FAMILIES({ "80", 0, 0x80, 0x81, 0xff, GROUP }, { "83", 0, 0x83, 0x83, 0xff, GROUP });
}

static void moves(void)
{
	TRY_FAMILIES({ "mov", 0, 0x88, 0x8b }, { "mov imm", 0, 0xc6, 0xc7, 1, GROUP },
		     { "xchg", 0, 0x86, 0x87 }, { "movsxd", 0, 0x63, 0x63 },
		     { "movzx", 1, 0xb6, 0xb7 }, { "movsx", 1, 0xbe, 0xbf },
		     { "cmov", 1, 0x40, 0x4f }, { "setcc", 1, 0x90, 0x9f, 1, GROUP },
		     { "movbe", 2, 0xf0, 0xf1, 0, MEMORY }, { "movnti", 1, 0xc3, 0xc3, 0, MEMORY });
}

static void unary(void)
{
	TRY_FAMILIES({ "f6", 0, 0xf6, 0xf7, 0xff, GROUP }, { "fe", 0, 0xfe, 0xff, 3, GROUP },
		     { "imul", 1, 0xaf, 0xaf }, { "imul imm", 0, 0x69, 0x69 },
		     { "imul imm8", 0, 0x6b, 0x6b });
}

static void shifts(void)
{
	TRY_FAMILIES({ "shift imm", 0, 0xc0, 0xc1, 0xff, GROUP },
		     { "shift", 0, 0xd0, 0xd3, 0xff, GROUP }, { "shld imm", 1, 0xa4, 0xa4 },
		     { "shld", 1, 0xa5, 0xa5 }, { "shrd imm", 1, 0xac, 0xac },
		     { "shrd", 1, 0xad, 0xad });
}

static void bits(void)
{
	TRY_FAMILIES({ "bt", 1, 0xa3, 0xa3, 0, BITS }, { "bts", 1, 0xab, 0xab, 0, BITS },
		     { "btr", 1, 0xb3, 0xb3, 0, BITS }, { "btc", 1, 0xbb, 0xbb, 0, BITS },
		     { "ba", 1, 0xba, 0xba, 0xf0, GROUP }, { "bsf", 1, 0xbc, 0xbd });
}

static void exchanges(void)
{
	TRY_FAMILIES({ "cmpxchg", 1, 0xb0, 0xb1 }, { "xadd", 1, 0xc0, 0xc1 },
		     { "lock cmpxchg", 1, 0xb0, 0xb1, 0, MEMORY, 0xf0 },
		     { "lock xadd", 1, 0xc0, 0xc1, 0, MEMORY, 0xf0 },
		     { "lock add", 0, 0x00, 0x01, 0, MEMORY, 0xf0 },
		     { "lock bts", 1, 0xab, 0xab, 0, BITS | MEMORY, 0xf0 });
}

static void strings(void)
{
	TRY_FAMILIES({ "movs", 0, 0xa4, 0xa5, 0, NOMODRM | REP },
		     { "cmps", 0, 0xa6, 0xa7, 0, NOMODRM | REP },
		     { "stos", 0, 0xaa, 0xab, 0, NOMODRM | REP },
		     { "lods", 0, 0xac, 0xad, 0, NOMODRM | REP },
		     { "scas", 0, 0xae, 0xaf, 0, NOMODRM | REP });
}

/* RDX:RAX of random numbers hardly ever divides without an error. */
static void divisions(void)
{
	TRY_FAMILIES({ "div", 0, 0xf6, 0xf7, 0xc0, GROUP | SMALL });
}

static void vectors(void)
{
	TRY_FAMILIES({ "movups", 1, 0x10, 0x11, 0, MEMORY },
		     { "movss", 1, 0x10, 0x11, 0, MEMORY, 0xf3 },
		     { "movsd", 1, 0x10, 0x11, 0, MEMORY, 0xf2 },
		     { "movaps", 1, 0x28, 0x29, 0, MEMORY | VECTOR },
		     { "movntps", 1, 0x2b, 0x2b, 0, MEMORY | VECTOR },
		     { "movd load", 1, 0x6e, 0x6e, 0, MEMORY, 0x66 },
		     { "movd store", 1, 0x7e, 0x7e, 0, MEMORY, 0x66 },
		     { "movdqa load", 1, 0x6f, 0x6f, 0, MEMORY | VECTOR, 0x66 },
		     { "movdqa store", 1, 0x7f, 0x7f, 0, MEMORY | VECTOR, 0x66 },
		     { "movdqu load", 1, 0x6f, 0x6f, 0, MEMORY, 0xf3 },
		     { "movq load", 1, 0x7e, 0x7e, 0, MEMORY, 0xf3 },
		     { "movdqu store", 1, 0x7f, 0x7f, 0, MEMORY, 0xf3 },
		     { "movq store", 1, 0xd6, 0xd6, 0, MEMORY, 0x66 },
		     { "movntdq", 1, 0xe7, 0xe7, 0, MEMORY | VECTOR, 0x66 },
		     { "lddqu", 1, 0xf0, 0xf0, 0, MEMORY, 0xf2 },
		     { "movntdqa", 2, 0x2a, 0x2a, 0, MEMORY | VECTOR, 0x66 });
}

const struct tap_test tap_tests[] = {
	TEST(binary),   TEST(binary_immediate), TEST(moves),   TEST(unary),     TEST(shifts),
	TEST(bits),     TEST(exchanges),        TEST(strings), TEST(divisions), TEST(vectors),
	{ NULL, NULL },
};
