// SPDX-License-Identifier: GPL-2.0
/*
 * The interpreter as it was built for the kernel: decoding, execution, page walks. The same code
 * is compared with the processor and the disassembler in user space (selftests/unit).
 */
#include <kunit/test.h>
#include <linux/sizes.h>
#include <asm/processor-flags.h>

#include "../interp/interp.h"
#include "suites.h"

#define MEMORY		SZ_64K
#define DEVICE		0x100000ULL

struct interp_fixture {
	struct interp in;
	u8 memory[MEMORY];
	u64 device;
	unsigned int reads, writes, ports, exchanges;
	u64 xmm[2];
	bool user;
};

static struct interp_fixture *fixture(struct interp *in)
{
	return container_of(in, struct interp_fixture, in);
}

static int fake_read(struct interp *in, gpa_t gpa, void *buf, unsigned int len)
{
	if (gpa >= MEMORY || gpa + len > MEMORY)
		return INTERP_NOT_MEMORY;
	memcpy(buf, fixture(in)->memory + gpa, len);
	return 0;
}

static int fake_write(struct interp *in, gpa_t gpa, const void *buf, unsigned int len)
{
	if (gpa >= MEMORY || gpa + len > MEMORY)
		return INTERP_NOT_MEMORY;
	memcpy(fixture(in)->memory + gpa, buf, len);
	return 0;
}

static int fake_cmpxchg(struct interp *in, gpa_t gpa, u64 old, u64 new, unsigned int len)
{
	struct interp_fixture *f = fixture(in);

	if (gpa >= MEMORY || gpa + len > MEMORY)
		return INTERP_NOT_MEMORY;
	f->exchanges++;
	if (memcmp(f->memory + gpa, &old, len))
		return -1;
	memcpy(f->memory + gpa, &new, len);
	return 0;
}

static bool fake_is_memory(struct interp *in, gpa_t gpa, bool write)
{
	return gpa < MEMORY;
}

static int fake_mmio_read(struct interp *in, gpa_t gpa, void *buf, unsigned int len)
{
	struct interp_fixture *f = fixture(in);

	f->reads++;
	if (f->user)
		return INTERP_USER;
	memcpy(buf, &f->device, len);
	return INTERP_DONE;
}

static int fake_mmio_write(struct interp *in, gpa_t gpa, const void *buf, unsigned int len)
{
	struct interp_fixture *f = fixture(in);

	f->writes++;
	memcpy(&f->device, buf, len);
	return f->user ? INTERP_USER : INTERP_DONE;
}

static int fake_port_in(struct interp *in, u16 port, unsigned int size, void *buf,
			unsigned int count)
{
	fixture(in)->ports += count;
	memset(buf, port, size * count);
	return INTERP_DONE;
}

static int fake_port_out(struct interp *in, u16 port, unsigned int size, const void *buf,
			 unsigned int count)
{
	fixture(in)->ports += count;
	return INTERP_DONE;
}

static bool fake_interrupted(struct interp *in)
{
	return false;
}

static void fake_xmm(struct interp *in, u8 reg, u64 val[2], bool write)
{
	u64 *xmm = fixture(in)->xmm;

	memcpy(write ? xmm : val, write ? val : xmm, 16);
}

static const struct interp_ops fake_ops = {
	.phys_read = fake_read,
	.phys_write = fake_write,
	.phys_cmpxchg = fake_cmpxchg,
	.is_memory = fake_is_memory,
	.mmio_read = fake_mmio_read,
	.mmio_write = fake_mmio_write,
	.port_in = fake_port_in,
	.port_out = fake_port_out,
	.interrupted = fake_interrupted,
	.xmm = fake_xmm,
};

static int interp_setup(struct kunit *test)
{
	struct interp_fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	int i;

	KUNIT_ASSERT_NOT_NULL(test, f);
	test->priv = f;
	f->in.ops = &fake_ops;
	f->in.mode = INTERP_LONG;
	f->in.cr0 = X86_CR0_PE;
	f->in.cr4 = X86_CR4_PAE;
	f->in.efer = BIT_ULL(10);
	f->in.reg.rflags = X86_EFLAGS_FIXED;
	for (i = 0; i < SEG_COUNT; i++) {
		f->in.seg[i].attr = SEG_P | SEG_S | 3;
		f->in.seg[i].limit = 0xffffffff;
	}
	return 0;
}

static int try_insn(struct interp *in, const char *bytes, unsigned int len)
{
	int r;

	memcpy(in->bytes, bytes, len);
	in->nbytes = len;
	in->log_len = 0;
	r = interp_decode(in);
	return r ? r : interp_execute(in);
}

#define TRY(in, literal) try_insn(in, literal, sizeof(literal) - 1)

/* ---- decoder ---- */

struct length_case {
	u8 mode;
	u8 len;
	u8 bytes[15];
};

static const struct length_case lengths[] = {
	{ INTERP_LONG, 2, { 0x0f, 0xa2 } },				/* cpuid */
	{ INTERP_LONG, 3, { 0x0f, 0x01, 0xd9 } },			/* vmmcall */
	{ INTERP_LONG, 4, { 0x44, 0x0f, 0x20, 0xc0 } },			/* mov rax, cr8 */
	{ INTERP_LONG, 3, { 0x0f, 0x22, 0x05 } },			/* mov cr0, rbp */
	{ INTERP_LONG, 2, { 0xf3, 0x6d } },				/* rep insd */
	{ INTERP_LONG, 10, { 0x48, 0xb8 } },				/* mov rax, imm64 */
	{ INTERP_LONG, 9, { 0xa1 } },					/* mov eax, moffs64 */
	{ INTERP_LONG, 6, { 0x89, 0x05 } },				/* mov [rip+disp32], eax */
	{ INTERP_LONG, 12, { 0x48, 0xc7, 0x84, 0x24 } },		/* mov [rsp+disp], imm */
	{ INTERP_PROT32, 5, { 0xa1 } },
	{ INTERP_PROT32, 7, { 0xea } },					/* jmp far */
	{ INTERP_REAL, 3, { 0xa1 } },
	{ INTERP_REAL, 5, { 0xea } },
	{ INTERP_REAL, 4, { 0x89, 0x06 } },				/* mov [disp16], ax */
	{ INTERP_REAL, 6, { 0x66, 0xb8 } },				/* mov eax, imm32 */
};

static void decoder_lengths(struct kunit *test)
{
	struct interp_fixture *f = test->priv;
	unsigned int i, n;

	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		f->in.mode = lengths[i].mode;
		f->in.seg[SEG_CS].attr = f->in.mode == INTERP_PROT32 ? SEG_DB : 0;
		memcpy(f->in.bytes, lengths[i].bytes, sizeof(lengths[i].bytes));
		for (n = 0; n < lengths[i].len; n++) {
			f->in.nbytes = n;
			KUNIT_EXPECT_EQ(test, interp_decode(&f->in), INTERP_MORE);
		}
		f->in.nbytes = n;
		KUNIT_EXPECT_EQ(test, interp_decode(&f->in), INTERP_DONE);
		KUNIT_EXPECT_EQ(test, f->in.insn.len, lengths[i].len);
	}
}

static void decoder_limits(struct kunit *test)
{
	struct interp_fixture *f = test->priv;

	memset(f->in.bytes, 0x66, sizeof(f->in.bytes));
	f->in.nbytes = INTERP_INSN_MAX;
	KUNIT_EXPECT_EQ(test, interp_decode(&f->in), INTERP_FAULT);
	KUNIT_EXPECT_EQ(test, f->in.fault.vector, 13);
	KUNIT_EXPECT_EQ(test, TRY(&f->in, "\xf0\x89\x03"), INTERP_FAULT);	/* lock mov */
	KUNIT_EXPECT_EQ(test, f->in.fault.vector, 6);
	KUNIT_EXPECT_EQ(test, TRY(&f->in, "\x06"), INTERP_FAULT);		/* push es */
	KUNIT_EXPECT_EQ(test, TRY(&f->in, "\x0f\x0b"), INTERP_FAULT);		/* ud2 */
}

/* Whatever the bytes are: an answer, and no more than 15 of them used. */
static void decoder_any_bytes(struct kunit *test)
{
	struct interp_fixture *f = test->priv;
	u64 state = 1;
	int i, j, r;

	for (i = 0; i < 20000; i++) {
		for (j = 0; j < INTERP_INSN_MAX; j++) {
			state = state * 6364136223846793005ULL + 1442695040888963407ULL;
			f->in.bytes[j] = state >> 56;
		}
		f->in.mode = i % 5;
		f->in.nbytes = INTERP_INSN_MAX;
		r = interp_decode(&f->in);
		KUNIT_ASSERT_TRUE(test, r == INTERP_DONE || r == INTERP_FAULT);
		KUNIT_ASSERT_LE(test, f->in.insn.len, INTERP_INSN_MAX);
		if (!r)
			interp_execute(&f->in);
	}
}

static void decoder_simple(struct kunit *test)
{
	struct interp_fixture *f = test->priv;
	static const struct {
		const char *bytes;
		u8 len, kind, size;
	} insns[] = {
		{ "\x8b\x03", 2, INSN_LOAD, 4 },
		{ "\x48\x89\x03", 3, INSN_STORE, 8 },
		{ "\xc6\x03\x00", 3, INSN_STORE_IMM, 1 },
		{ "\x0f\xb7\x03", 3, INSN_LOAD, 2 },
		{ "\x48\x63\x03", 3, INSN_LOAD, 4 },		/* movsxd rax, [rbx] */
		{ "\xa2\0\0\0\0\0\0\0\0", 9, INSN_STORE, 1 },	/* mov [0], al */
		{ "\x88\x23", 2, INSN_NOT_SIMPLE, 1 },		/* mov [rbx], ah */
		{ "\x01\x03", 2, INSN_NOT_SIMPLE, 4 },
		{ "\x89\xc3", 2, INSN_NOT_SIMPLE, 4 },
		{ "\x8c\x03", 2, INSN_NOT_SIMPLE, 2 },		/* mov [rbx], es */
		{ "\xff\x33", 2, INSN_NOT_SIMPLE, 8 },		/* push [rbx] */
		{ "\x0f\x11\x03", 3, INSN_NOT_SIMPLE, 16 },	/* movups [rbx], xmm0 */
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(insns); i++) {
		memcpy(f->in.bytes, insns[i].bytes, insns[i].len);
		f->in.nbytes = insns[i].len;
		KUNIT_EXPECT_EQ(test, interp_decode(&f->in), INTERP_DONE);
		KUNIT_EXPECT_EQ(test, insn_simple(&f->in.insn), insns[i].kind);
		KUNIT_EXPECT_EQ(test, f->in.insn.rm_size, insns[i].size);
	}
}

/* ---- executor ---- */

static void executor_arithmetic(struct kunit *test)
{
	struct interp_fixture *f = test->priv;
	u64 *gpr = f->in.reg.gpr;

	gpr[REG_RAX] = 0x7fffffff;
	KUNIT_EXPECT_EQ(test, TRY(&f->in, "\x83\xc0\x01"), INTERP_DONE);	/* add eax, 1 */
	KUNIT_EXPECT_EQ(test, gpr[REG_RAX], 0x80000000ULL);
	KUNIT_EXPECT_EQ(test, f->in.reg.rflags, X86_EFLAGS_FIXED | X86_EFLAGS_OF | X86_EFLAGS_SF |
			X86_EFLAGS_AF | X86_EFLAGS_PF);
	gpr[REG_RCX] = 33;
	KUNIT_EXPECT_EQ(test, TRY(&f->in, "\xd3\xe0"), INTERP_DONE);		/* shl eax, cl */
	KUNIT_EXPECT_EQ(test, gpr[REG_RAX], 0ULL);
	KUNIT_EXPECT_TRUE(test, f->in.reg.rflags & X86_EFLAGS_CF);
	gpr[REG_RAX] = 1ULL << 40;
	gpr[REG_RCX] = 1ULL << 40;
	KUNIT_EXPECT_EQ(test, TRY(&f->in, "\x48\xf7\xe1"), INTERP_DONE);	/* mul rcx */
	KUNIT_EXPECT_EQ(test, gpr[REG_RDX], 1ULL << 16);
	KUNIT_EXPECT_EQ(test, TRY(&f->in, "\x48\xf7\xf1"), INTERP_DONE);	/* div rcx */
	KUNIT_EXPECT_EQ(test, gpr[REG_RAX], 1ULL << 40);
	KUNIT_EXPECT_EQ(test, gpr[REG_RDX], 0ULL);
	gpr[REG_RCX] = 0;
	KUNIT_EXPECT_EQ(test, TRY(&f->in, "\x48\xf7\xf1"), INTERP_FAULT);
	KUNIT_EXPECT_EQ(test, f->in.fault.vector, 0);
}

static void executor_vectors(struct kunit *test)
{
	struct interp_fixture *f = test->priv;

	f->in.reg.gpr[REG_RBX] = 0x100;
	f->xmm[1] = 0x1122334455667788ULL;
	KUNIT_EXPECT_EQ(test, TRY(&f->in, "\x0f\x11\x03"), INTERP_RETRY);
	f->in.cr4 |= X86_CR4_OSFXSR;
	/* movups [rbx], xmm0 */
	KUNIT_EXPECT_EQ(test, TRY(&f->in, "\x0f\x11\x03"), INTERP_DONE);
	KUNIT_EXPECT_EQ(test, memcmp(f->memory + 0x100, f->xmm, 16), 0);
	/* movq xmm0, [rbx+8] */
	KUNIT_EXPECT_EQ(test, TRY(&f->in, "\xf3\x0f\x7e\x43\x08"), INTERP_DONE);
	KUNIT_EXPECT_EQ(test, f->xmm[0], 0x1122334455667788ULL);
	KUNIT_EXPECT_EQ(test, f->xmm[1], 0ULL);
	f->in.cr0 |= X86_CR0_TS;
	KUNIT_EXPECT_EQ(test, TRY(&f->in, "\x0f\x11\x03"), INTERP_RETRY);
}

static void executor_segment_loads(struct kunit *test)
{
	struct interp_fixture *f = test->priv;
	const u64 data = 0x00cf93120000ffffULL, absent = data & ~BIT_ULL(47);

	f->in.gdtr = (struct dtable){ .base = 0x800, .limit = 0x17 };
	memcpy(f->memory + 0x808, &data, 8);
	memcpy(f->memory + 0x810, &absent, 8);
	f->memory[0x100] = 0x08;
	f->memory[0x102] = 0x10;
	f->in.reg.gpr[REG_RBX] = 0x100;
	KUNIT_EXPECT_EQ(test, TRY(&f->in, "\x8e\x1b"), INTERP_DONE);		/* mov ds, [rbx] */
	KUNIT_EXPECT_TRUE(test, f->in.segs_changed);
	KUNIT_EXPECT_EQ(test, f->in.seg[SEG_DS].base, 0x120000ULL);
	KUNIT_EXPECT_EQ(test, f->in.seg[SEG_DS].limit, 0xffffffff);
	/* mov es, [rbx+2] */
	KUNIT_EXPECT_EQ(test, TRY(&f->in, "\x8e\x43\x02"), INTERP_FAULT);
	KUNIT_EXPECT_EQ(test, f->in.fault.vector, 11);
	KUNIT_EXPECT_EQ(test, f->in.fault.error, 0x10);
}

static void executor_devices(struct kunit *test)
{
	struct interp_fixture *f = test->priv;
	u64 *gpr = f->in.reg.gpr, data = 0x55;

	gpr[REG_RBX] = DEVICE;
	gpr[REG_RAX] = 0x1234;
	KUNIT_EXPECT_EQ(test, TRY(&f->in, "\x89\x03"), INTERP_DONE);
	KUNIT_EXPECT_EQ(test, f->device, 0x1234ULL);
	KUNIT_EXPECT_FALSE(test, f->in.posted);
	f->user = true;
	KUNIT_EXPECT_EQ(test, TRY(&f->in, "\x89\x03"), INTERP_DONE);
	KUNIT_EXPECT_TRUE(test, f->in.posted);
	KUNIT_EXPECT_EQ(test, TRY(&f->in, "\x03\x03"), INTERP_USER);		/* add eax, [rbx] */
	KUNIT_EXPECT_EQ(test, gpr[REG_RAX], 0x1234ULL);
	interp_served(&f->in, &data, sizeof(data));
	KUNIT_EXPECT_EQ(test, interp_execute(&f->in), INTERP_DONE);
	KUNIT_EXPECT_EQ(test, gpr[REG_RAX], 0x1234ULL + 0x55);
	KUNIT_EXPECT_EQ(test, f->reads, 1);
	KUNIT_EXPECT_EQ(test, f->writes, 2);
}

static void executor_strings(struct kunit *test)
{
	struct interp_fixture *f = test->priv;
	u64 *gpr = f->in.reg.gpr;

	gpr[REG_RCX] = 5000;
	gpr[REG_RDI] = 0x1000;
	KUNIT_EXPECT_EQ(test, TRY(&f->in, "\xf3\x48\xab"), INTERP_DONE);	/* rep stosq */
	KUNIT_EXPECT_EQ(test, f->in.reg.rip, 0ULL);
	KUNIT_EXPECT_EQ(test, gpr[REG_RCX] + (gpr[REG_RDI] - 0x1000) / 8, 5000ULL);
	gpr[REG_RCX] = 64;
	gpr[REG_RDI] = 0x2000;
	gpr[REG_RDX] = 0x60;
	KUNIT_EXPECT_EQ(test, TRY(&f->in, "\xf3\x6c"), INTERP_DONE);		/* rep insb */
	KUNIT_EXPECT_EQ(test, f->ports, 64);
	KUNIT_EXPECT_EQ(test, f->memory[0x203f], 0x60);
	KUNIT_EXPECT_EQ(test, f->in.reg.rip, 2ULL);
}

static void executor_locks(struct kunit *test)
{
	struct interp_fixture *f = test->priv;
	u64 *gpr = f->in.reg.gpr;

	gpr[REG_RBX] = 0x1000;
	gpr[REG_RAX] = 3;
	KUNIT_EXPECT_EQ(test, TRY(&f->in, "\xf0\x48\x01\x03"), INTERP_DONE);
	KUNIT_EXPECT_EQ(test, TRY(&f->in, "\x86\x03"), INTERP_DONE);		/* xchg [rbx], al */
	KUNIT_EXPECT_EQ(test, f->exchanges, 2);
	KUNIT_EXPECT_EQ(test, f->memory[0x1000], 3);
}

static void executor_segments(struct kunit *test)
{
	struct interp_fixture *f = test->priv;

	f->in.mode = INTERP_PROT32;
	f->in.seg[SEG_CS].attr = SEG_DB;
	f->in.seg[SEG_DS].limit = 0xfff;
	KUNIT_EXPECT_EQ(test, TRY(&f->in, "\xa1\xfc\x0f\x00\x00"), INTERP_DONE);
	KUNIT_EXPECT_EQ(test, TRY(&f->in, "\xa1\xfd\x0f\x00\x00"), INTERP_FAULT);
	KUNIT_EXPECT_EQ(test, f->in.fault.vector, 13);
	KUNIT_EXPECT_TRUE(test, f->in.fault.has_error);
}

/* ---- walker ---- */

static void poke(struct interp_fixture *f, u64 addr, u64 val)
{
	memcpy(f->memory + addr, &val, sizeof(val));
}

static void walker(struct kunit *test)
{
	struct interp_fixture *f = test->priv;
	struct interp_walk walk;
	u64 leaf;

	f->in.cr0 |= X86_CR0_PG | X86_CR0_WP;
	f->in.cr3 = 0x1000;
	poke(f, 0x1000, 0x2003);
	poke(f, 0x2000, 0x3003);
	poke(f, 0x3000, 0x4003);
	poke(f, 0x4028, 0x7001);
	KUNIT_EXPECT_EQ(test, interp_walk(&f->in, 0x5678, 0, &walk), INTERP_DONE);
	KUNIT_EXPECT_EQ(test, walk.gpa, 0x7678ULL);
	KUNIT_EXPECT_FALSE(test, walk.writeable);
	KUNIT_EXPECT_FALSE(test, walk.user);
	KUNIT_EXPECT_EQ(test, interp_walk(&f->in, 0x5678, ACCESS_WRITE, &walk), INTERP_FAULT);
	KUNIT_EXPECT_EQ(test, f->in.fault.vector, 14);
	KUNIT_EXPECT_EQ(test, f->in.fault.error, 3);
	KUNIT_EXPECT_EQ(test, f->in.fault.address, 0x5678ULL);
	KUNIT_EXPECT_EQ(test, interp_walk(&f->in, 0x6000, ACCESS_USER, &walk), INTERP_FAULT);
	KUNIT_EXPECT_EQ(test, f->in.fault.error, ACCESS_USER);
	memcpy(&leaf, f->memory + 0x4028, sizeof(leaf));
	KUNIT_EXPECT_EQ(test, leaf, 0x7021ULL);
}

static struct kunit_case interp_cases[] = {
	KUNIT_CASE(decoder_lengths),
	KUNIT_CASE(decoder_limits),
	KUNIT_CASE(decoder_any_bytes),
	KUNIT_CASE(decoder_simple),
	KUNIT_CASE(executor_arithmetic),
	KUNIT_CASE(executor_vectors),
	KUNIT_CASE(executor_segment_loads),
	KUNIT_CASE(executor_devices),
	KUNIT_CASE(executor_strings),
	KUNIT_CASE(executor_locks),
	KUNIT_CASE(executor_segments),
	KUNIT_CASE(walker),
	{}
};

struct kunit_suite interp_suite = {
	.name = "vmm-interp",
	.init = interp_setup,
	.test_cases = interp_cases,
};
