// SPDX-License-Identifier: GPL-2.0
/* The decoder: lengths against the system's disassembler, and what the manual says of the rest. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "machine.h"
#include "tap.h"

#define RANDOM_BYTES 400000
#define LIBC         "/lib/x86_64-linux-gnu/libc.so.6"

static int decode(enum interp_mode mode, const void *bytes, unsigned int len, struct insn *insn)
{
	static struct interp in;

	memset(&in, 0, sizeof(in));
	in.mode = mode;
	in.seg[SEG_CS].attr = mode == INTERP_PROT32 ? SEG_DB : 0;
	memcpy(in.bytes, bytes, len);
	in.nbytes = len;
	int r = interp_decode(&in);

	*insn = in.insn;
	return r;
}

#define DECODE(mode, literal, insn) decode(INTERP_##mode, literal, sizeof(literal) - 1, insn)

/* ---- against objdump ---- */

static unsigned int parse_bytes(const char *text, u8 *bytes)
{
	unsigned int n = 0, byte;
	int used;

	while (n < 16 && sscanf(text, " %2x%n", &byte, &used) == 1) {
		bytes[n++] = byte;
		text += used;
		if (*text != ' ')
			break;
	}
	return n;
}

/* What the disassembler calls an instruction and processors do not, or the other way round. */
static bool comparable(const char *text, const u8 *bytes, unsigned int len)
{
	static const char *const not_these[] = {
		"(bad)",  ".byte",  "fwait",   "rex",      "data16",   "data32",
		"addr16", "addr32", "lock",    "xacquire", "xrelease", "repz",
		"repnz",  "bnd",    "notrack", "cs ",      "ds ",      "es ",
		"ss ",    "fs ",    "gs ",     "ud0",      "ud1",      "ud2",
		"getsec", "xstore", "xcrypt",  "montmul",  "xsha",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(not_these); i++) {
		if (strstr(text, not_these[i]))
			return false;
	}
	/* FWAIT is no prefix, as the disassembler thinks. */
	return len <= 15 && !(*text == 'f' && memchr(bytes, 0x9b, len));
}

static unsigned int compared, differing;

static void compare_line(enum interp_mode mode, char *line)
{
	char *hex = strchr(line, '\t'), *text = hex ? strchr(hex + 1, '\t') : NULL;
	struct insn insn;
	unsigned int n;
	u8 bytes[16];
	int r;

	if (!text)
		return;
	*text++ = 0;
	n = parse_bytes(hex + 1, bytes);
	if (!n || !comparable(text, bytes, n))
		return;
	compared++;
	r = decode(mode, bytes, n < 15 ? n : 15, &insn);
	if ((r == INTERP_DONE && insn.len == n) || (r == INTERP_FAULT && insn.op == OP_UD))
		return;
	if (differing++ < 20)
		printf("# mode %u: %s: length %u, result %d: %s", mode, hex + 1, insn.len, r, text);
}

static void compare_objdump(enum interp_mode mode, const char *arguments, unsigned int at_least)
{
	char command[256], line[512];
	FILE *p;

	snprintf(command, sizeof(command), "objdump -w -d --insn-width=16 -z %s 2>&1", arguments);
	compared = 0;
	differing = 0;
	p = popen(command, "r");
	CHECK(p);
	if (!p)
		return;
	while (fgets(line, sizeof(line), p))
		compare_line(mode, line);
	CHECK_EQ(pclose(p), 0);
	CHECK_EQ(differing, 0);
	CHECK(compared >= at_least);
}

static void compare_random(enum interp_mode mode, const char *machine)
{
	char path[] = "/tmp/interp_decode_XXXXXX", arguments[128];
	int fd = mkstemp(path);
	unsigned int i, seed = 1;
	FILE *f;

	CHECK(fd >= 0);
	f = fdopen(fd, "w");
	for (i = 0; i < RANDOM_BYTES; i++)
		fputc(rand_r(&seed) >> 7 & 0xff, f);
	for (i = 0; i < 16; i++)
		fputc(0, f);
	fclose(f);
	snprintf(arguments, sizeof(arguments), "-D -b binary %s %s", machine, path);
	compare_objdump(mode, arguments, RANDOM_BYTES / 10);
	unlink(path);
}

static void lengths_of_libc(void)
{
	compare_objdump(INTERP_LONG, LIBC, 100000);
}

static void lengths_random_64(void)
{
	compare_random(INTERP_LONG, "-m i386:x86-64 -M intel64");
}

static void lengths_random_32(void)
{
	compare_random(INTERP_PROT32, "-m i386");
}

static void lengths_random_16(void)
{
	compare_random(INTERP_PROT16, "-m i8086");
}

/* ---- details ---- */

static void exits_without_nrips(void)
{
	static const struct {
		const char *bytes;
		u8 len;
	} insns[] = {
		{ "\x0f\xa2", 2 },     { "\x0f\x32", 2 },         { "\x0f\x30", 2 },
		{ "\xf4", 1 },         { "\x0f\x01\xd9", 3 },     { "\x0f\x01\xc1", 3 },
		{ "\x0f\x01\xd1", 3 }, { "\x0f\x08", 2 },         { "\x0f\x09", 2 },
		{ "\x0f\x31", 2 },     { "\x0f\x01\xf9", 3 },     { "\x0f\x33", 2 },
		{ "\xf3\x90", 2 },     { "\x0f\x01\xc8", 3 },     { "\x0f\x01\xc9", 3 },
		{ "\x0f\x06", 2 },     { "\x0f\x01\xf0", 3 },     { "\xcc", 1 },
		{ "\xcd\x80", 2 },     { "\xe4\x60", 2 },         { "\xec", 1 },
		{ "\xf3\x6d", 2 },     { "\x44\x0f\x20\xc0", 4 }, { "\x0f\x22\x05", 3 },
		{ "\x0f\x23\x44", 3 },
	};
	struct insn insn;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(insns); i++) {
		CHECK_EQ(decode(INTERP_LONG, insns[i].bytes, insns[i].len, &insn), INTERP_DONE);
		CHECK_EQ(insn.len, insns[i].len);
	}
}

static void control_register_operand(void)
{
	struct insn insn;

	/* ModRM.mod is ignored: 05 names RBP, and no displacement follows. */
	CHECK_EQ(DECODE(LONG, "\x0f\x22\x05", &insn), INTERP_DONE);
	CHECK_EQ(insn.rm, REG_RBP);
	CHECK(!insn.mem);
	CHECK_EQ(DECODE(LONG, "\x45\x0f\x20\xc7", &insn), INTERP_DONE);
	CHECK_EQ(insn.rm, REG_R15);
	CHECK_EQ(insn.reg, 8);
	CHECK_EQ(DECODE(LONG, "\xf0\x0f\x20\xc0", &insn), INTERP_DONE);
}

static void incomplete(void)
{
	static const char insn_bytes[] = "\x66\xf0\x48\x81\x84\x8b\x01\x02\x03\x04\x05\x06\x07\x08";
	struct insn insn;
	unsigned int n;

	for (n = 0; n < sizeof(insn_bytes) - 1; n++)
		CHECK_EQ(decode(INTERP_LONG, insn_bytes, n, &insn), INTERP_MORE);
	CHECK_EQ(decode(INTERP_LONG, insn_bytes, n, &insn), INTERP_DONE);
	CHECK_EQ(insn.len, n);
	CHECK_EQ(insn.disp, 0x04030201);
	CHECK_EQ(insn.imm, 0x08070605);
}

static void too_long(void)
{
	char bytes[16];
	struct interp in = { .mode = INTERP_LONG, .nbytes = 15 };

	memset(bytes, 0x66, sizeof(bytes));
	memcpy(in.bytes, bytes, 15);
	CHECK_EQ(interp_decode(&in), INTERP_FAULT);
	CHECK_EQ(in.fault.vector, VEC_GP);
	in.bytes[14] = 0x90;
	CHECK_EQ(interp_decode(&in), INTERP_DONE);
	CHECK_EQ(in.insn.len, 15);
}

static void lock_prefix(void)
{
	struct insn insn;

	CHECK_EQ(DECODE(LONG, "\xf0\x01\x03", &insn), INTERP_DONE);  /* add [rbx], eax */
	CHECK_EQ(DECODE(LONG, "\xf0\x01\xc3", &insn), INTERP_FAULT); /* add ebx, eax */
	CHECK_EQ(DECODE(LONG, "\xf0\x03\x03", &insn), INTERP_FAULT); /* add eax, [rbx] */
	CHECK_EQ(DECODE(LONG, "\xf0\x39\x03", &insn), INTERP_FAULT); /* cmp */
	CHECK_EQ(DECODE(LONG, "\xf0\x83\x3b\x01", &insn), INTERP_FAULT);
	CHECK_EQ(DECODE(LONG, "\xf0\x83\x03\x01", &insn), INTERP_DONE);
	CHECK_EQ(DECODE(LONG, "\xf0\x89\x03", &insn), INTERP_FAULT);     /* mov */
	CHECK_EQ(DECODE(LONG, "\xf0\x87\x03", &insn), INTERP_DONE);      /* xchg */
	CHECK_EQ(DECODE(LONG, "\xf0\x0f\xa3\x03", &insn), INTERP_FAULT); /* bt */
	CHECK_EQ(DECODE(LONG, "\xf0\x0f\xba\x23\x01", &insn), INTERP_FAULT);
	CHECK_EQ(DECODE(LONG, "\xf0\x0f\xba\x2b\x01", &insn), INTERP_DONE); /* bts */
	CHECK_EQ(DECODE(LONG, "\xf0\x0f\xb1\x0b", &insn), INTERP_DONE);     /* cmpxchg */
	CHECK_EQ(DECODE(LONG, "\xf0\x0f\xc1\x0b", &insn), INTERP_DONE);     /* xadd */
	CHECK_EQ(DECODE(LONG, "\xf0\x0f\xc7\x0b", &insn), INTERP_DONE);     /* cmpxchg8b */
	CHECK_EQ(DECODE(LONG, "\xf0\xf7\x23", &insn), INTERP_FAULT);        /* mul */
	CHECK_EQ(DECODE(LONG, "\xf0\xf7\x1b", &insn), INTERP_DONE);         /* neg */
	CHECK_EQ(DECODE(LONG, "\xf0\xff\x33", &insn), INTERP_FAULT);        /* push */
	CHECK_EQ(DECODE(LONG, "\xf0\x90", &insn), INTERP_FAULT);
	CHECK_EQ(DECODE(LONG, "\xf0\x0f\xa2", &insn), INTERP_FAULT); /* cpuid */
}

static void invalid_in_long_mode(void)
{
	static const u8 opcodes[] = {
		0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f, 0x27, 0x2f,
		0x37, 0x3f, 0x60, 0x61, 0x82, 0xce, 0xd4, 0xd5, 0xd6,
	};
	struct insn insn;
	u8 bytes[3] = { 0 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(opcodes); i++) {
		bytes[0] = opcodes[i];
		CHECK_EQ(decode(INTERP_LONG, bytes, 3, &insn), INTERP_FAULT);
		CHECK_EQ(decode(INTERP_PROT32, bytes, 3, &insn), INTERP_DONE);
	}
}

static void operand_sizes(void)
{
	struct insn insn;

	DECODE(LONG, "\x89\x03", &insn);
	CHECK_EQ(insn.size, 4);
	DECODE(LONG, "\x66\x89\x03", &insn);
	CHECK_EQ(insn.size, 2);
	DECODE(LONG, "\x66\x48\x89\x03", &insn);
	CHECK_EQ(insn.size, 8);
	DECODE(LONG, "\x88\x03", &insn);
	CHECK_EQ(insn.size, 1);
	/* A REX prefix that another prefix follows does not count. */
	DECODE(LONG, "\x48\x66\x89\x03", &insn);
	CHECK_EQ(insn.size, 2);
	DECODE(LONG, "\x50", &insn);
	CHECK_EQ(insn.size, 8);
	DECODE(LONG, "\x66\x50", &insn);
	CHECK_EQ(insn.size, 2);
	DECODE(LONG, "\xff\x30", &insn);
	CHECK_EQ(insn.size, 8);
	DECODE(LONG, "\xff\x10", &insn);
	CHECK_EQ(insn.size, 8);
	DECODE(LONG, "\x66\xe8\x01\x02\x03\x04", &insn);
	CHECK_EQ(insn.op_size, 8);
	CHECK_EQ(insn.len, 6);
	DECODE(REAL, "\x89\x07", &insn);
	CHECK_EQ(insn.size, 2);
	DECODE(REAL, "\x66\x89\x07", &insn);
	CHECK_EQ(insn.size, 4);
	DECODE(PROT32, "\x66\x89\x07", &insn);
	CHECK_EQ(insn.size, 2);
}

static u64 offset_of(enum interp_mode mode, const char *bytes, unsigned int len, struct insn *insn)
{
	u64 gpr[REG_COUNT];
	unsigned int i;

	/* Each register has a digit of its own. */
	for (i = 0; i < REG_COUNT; i++)
		gpr[i] = i < 12 ? 1ULL << (4 * i) : 3ULL << (4 * i);
	decode(mode, bytes, len, insn);
	return insn_offset(insn, gpr, 0x1000000000000000ULL);
}

#define OFFSET(mode, literal) offset_of(INTERP_##mode, literal, sizeof(literal) - 1, &insn)

static void addressing(void)
{
	struct insn insn;

	CHECK_EQ(OFFSET(LONG, "\x89\x03"), 0x1000);    /* [rbx] */
	CHECK_EQ(OFFSET(LONG, "\x89\x43\xff"), 0xfff); /* [rbx-1] */
	CHECK_EQ(OFFSET(LONG, "\x89\x83\x00\x00\x00\x80"), 0xffffffff80001000);
	CHECK_EQ(OFFSET(LONG, "\x67\x89\x83\x00\x00\x00\x80"), 0x80001000);
	CHECK_EQ(OFFSET(LONG, "\x89\x05\x00\x01\x00\x00"), 0x1000000000000100); /* [rip+256] */
	CHECK_EQ(OFFSET(LONG, "\x89\x04\x25\x00\x01\x00\x00"), 0x100);          /* [256] */
	CHECK_EQ(OFFSET(LONG, "\x89\x04\x8b"), 0x1040);                         /* [rbx+rcx*4] */
	CHECK_EQ(OFFSET(LONG, "\x89\x04\x23"), 0x1000);                         /* no index */
	CHECK_EQ(OFFSET(LONG, "\x42\x89\x04\x23"), 0x3000000001000);            /* [rbx+r12] */
	CHECK_EQ(OFFSET(LONG, "\x41\x89\x45\x00"), 0x30000000000000);           /* [r13] */
	CHECK_EQ(insn.seg, SEG_DS);
	CHECK_EQ(OFFSET(LONG, "\x89\x45\x00"), 0x100000); /* [rbp] */
	CHECK_EQ(insn.seg, SEG_SS);
	CHECK_EQ(OFFSET(LONG, "\x89\x04\x24"), 0x10000); /* [rsp] */
	CHECK_EQ(insn.seg, SEG_SS);
	CHECK_EQ(OFFSET(LONG, "\x65\x89\x04\x24"), 0x10000);
	CHECK_EQ(insn.seg, SEG_GS);
	CHECK_EQ(OFFSET(LONG, "\x3e\x89\x04\x24"), 0x10000);
	CHECK_EQ(insn.seg, SEG_SS);
	CHECK_EQ(OFFSET(LONG, "\xa3\x01\x02\x03\x04\x05\x06\x07\x08"), 0x0807060504030201);
	CHECK_EQ(OFFSET(PROT32, "\x3e\x89\x45\x00"), 0x100000);
	CHECK_EQ(insn.seg, SEG_DS);
	CHECK_EQ(OFFSET(REAL, "\x89\x00"), 0x1000); /* [bx+si]: SI's digit is beyond 64K */
	CHECK_EQ(OFFSET(REAL, "\x89\x06\x34\x12"), 0x1234);
	CHECK_EQ(OFFSET(REAL, "\x89\x47\xfe"), 0xffe);
	CHECK_EQ(OFFSET(REAL, "\x89\x46\x00"), 0); /* [bp] */
	CHECK_EQ(insn.seg, SEG_SS);
	CHECK_EQ(OFFSET(REAL, "\x67\x89\x03"), 0x1000);
}

const struct tap_test tap_tests[] = {
	TEST(lengths_of_libc),
	TEST(lengths_random_64),
	TEST(lengths_random_32),
	TEST(lengths_random_16),
	TEST(exits_without_nrips),
	TEST(control_register_operand),
	TEST(incomplete),
	TEST(too_long),
	TEST(lock_prefix),
	TEST(invalid_in_long_mode),
	TEST(operand_sizes),
	TEST(addressing),
	{ NULL, NULL },
};
