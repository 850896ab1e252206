// SPDX-License-Identifier: GPL-2.0
/* Loads of segment registers, near branches through memory, SSE moves to and from devices. */
#include "machine.h"
#include "tap.h"

#define DEV      MACHINE_DEVICES
#define GDT      0x2000
#define LDT      0x3000
#define SELECTOR 0x1000 /* where the selector to be loaded lies */

/* Descriptors: base 0x12345678, limit 0xfff pages; the access byte is given. */
#define DESCRIPTOR(access) (0x12c0000000000000 | (u64)(access) << 40 | 0x3456780fff)
#define DATA               0x93
#define SYSTEM             0x82
#define DPL(n)             ((n) << 5)

/* A machine whose DS:RBX names the selector, and with a descriptor in GDT and LDT. */
static struct machine *machine_for(enum interp_mode mode, u16 selector, u8 access)
{
	struct machine *m = machine_new(mode);

	m->in.gdtr = (struct dtable){ .base = GDT, .limit = 0x1f };
	m->in.seg[SEG_LDTR] = (struct segment){ .base = LDT, .limit = 0xf, .attr = SEG_P | 2 };
	machine_poke(m, GDT + 0x18, 8, DESCRIPTOR(access));
	machine_poke(m, LDT + 8, 8, DESCRIPTOR(access));
	machine_poke(m, SELECTOR, 2, selector);
	GPR(m, RBX) = SELECTOR;
	return m;
}

/* MOV DS, [rbx] of a selector at a CPL: what comes of it, and the fault's error code. */
static int load(enum interp_mode mode, u8 cpl, const char *bytes, u16 selector, u8 access)
{
	struct machine *m = machine_for(mode, selector, access);
	int r;

	m->in.cpl = cpl;
	r = fault_of(m, machine_try(m, bytes, 2));
	if (r >= 0) {
		CHECK_EQ(m->in.fault.error, selector & ~3);
		CHECK(!m->in.segs_changed);
	}
	machine_free(m);
	return r;
}

#define OK      (-INTERP_DONE - 1)
#define GP      (VEC_GP | WITH_ERROR)
#define DS(...) load(INTERP_PROT32, __VA_ARGS__)
#define MOV_DS  "\x8e\x1b"
#define MOV_SS  "\x8e\x13"

static void hidden_part(void)
{
	struct machine *m = machine_for(INTERP_PROT32, 0x18, DATA & ~1);
	const struct segment *ds = &m->in.seg[SEG_DS];

	CHECK_EQ(TRY(m, MOV_DS), INTERP_DONE);
	CHECK(m->in.segs_changed && !m->in.mov_ss);
	CHECK_EQ(ds->selector, 0x18);
	CHECK_EQ(ds->base, 0x12345678);
	CHECK_EQ(ds->limit, 0xffffff);
	CHECK_EQ(ds->attr, SEG_G | SEG_DB | DATA);
	/* The descriptor has become accessed, by a locked update; once. */
	CHECK(is_event(m, 0, 'x', GDT + 0x18, 8, DESCRIPTOR(DATA)));
	CHECK_EQ(machine_peek(m, GDT + 0x18, 8), DESCRIPTOR(DATA));
	CHECK_EQ(TRY(m, "\x2e\x8e\x03"), INTERP_DONE); /* mov es, cs:[rbx] */
	CHECK_EQ(m->nevents, 0);
	CHECK_EQ(m->in.seg[SEG_ES].base, 0x12345678);
	/* Another processor is faster. */
	CHECK_EQ(TRY(m, "\x2e\x8b\x03"), INTERP_DONE);
	CHECK(!m->in.segs_changed);
	machine_poke(m, GDT + 0x18, 8, DESCRIPTOR(DATA & ~1));
	m->lose_races = 1;
	CHECK_EQ(TRY(m, "\x2e\x8e\x03"), INTERP_RETRY);
	machine_free(m);
}

static void local_descriptors(void)
{
	struct machine *m;

	CHECK_EQ(DS(0, MOV_DS, 0xc, DATA), OK);
	CHECK_EQ(DS(0, MOV_DS, 0x14, DATA), GP); /* beyond its limit */
	m = machine_for(INTERP_PROT32, 0x18, DATA);
	m->in.gdtr.limit = 0x1e; /* cuts the descriptor */
	CHECK_EQ(fault_of(m, TRY(m, MOV_DS)), GP);
	m->in.gdtr = (struct dtable){ .base = 0xfffff000, .limit = 0xffff };
	machine_poke(m, SELECTOR, 2, GDT + 0x18 + 0x1000);
	CHECK_EQ(TRY(m, MOV_DS), INTERP_DONE); /* linear addresses wrap */
	machine_free(m);
	m = machine_for(INTERP_PROT32, 0xc, DATA);
	m->in.seg[SEG_LDTR].attr = SEG_UNUSABLE;
	CHECK_EQ(fault_of(m, TRY(m, MOV_DS)), GP);
	m->in.seg[SEG_LDTR].attr = 2; /* not present */
	CHECK_EQ(fault_of(m, TRY(m, MOV_DS)), GP);
	machine_free(m);
}

/* In compatibility mode the tables lie anywhere, although segments have 32 bits. */
static void compatibility_mode(void)
{
	struct machine *m = machine_for(INTERP_PROT32, 0x18, DATA);

	m->in.efer = IEFER_LMA;
	m->in.gdtr.base = 0x100000000 + GDT;
	TRY(m, MOV_DS);
	CHECK(is_event(m, 0, 'r', 0x100000000 + GDT + 0x18, 8, 0));
	m->in.gdtr.base = 0xffffffe4; /* the descriptor lies on both sides of 4 GiB */
	TRY(m, MOV_DS);
	CHECK(is_event(m, 0, 'r', 0xfffffffc, 4, 0));
	CHECK(is_event(m, 1, 'r', 0x100000000, 4, 0));
	machine_free(m);
}

static void privileges(void)
{
	CHECK_EQ(DS(0, MOV_DS, 0x20, DATA), GP); /* beyond the table */
	CHECK_EQ(DS(0, MOV_DS, 0x18, SYSTEM), GP);
	CHECK_EQ(DS(0, MOV_DS, 0x18, DATA & ~0x80), VEC_NP | WITH_ERROR);
	CHECK_EQ(DS(0, MOV_DS, 0x18, 0x99), GP); /* code that cannot be read */
	CHECK_EQ(DS(0, MOV_DS, 0x18, 0x9b), OK);
	CHECK_EQ(DS(3, MOV_DS, 0x18, DATA), GP);
	CHECK_EQ(DS(0, MOV_DS, 0x1b, DATA), GP); /* RPL 3, DPL 0 */
	CHECK_EQ(DS(3, MOV_DS, 0x1b, 0x9f), OK); /* conforming code */
	CHECK_EQ(DS(3, MOV_DS, 0x1b, DATA | DPL(3)), OK);
	CHECK_EQ(DS(0, MOV_DS, 0x1b, DATA | DPL(3)), OK);
	CHECK_EQ(DS(0, MOV_SS, 0x18, DATA), OK);
	CHECK_EQ(DS(0, MOV_SS, 0x18, DATA & ~0x80), VEC_SS | WITH_ERROR);
	CHECK_EQ(DS(0, MOV_SS, 0x18, DATA & ~2), GP); /* read-only */
	CHECK_EQ(DS(0, MOV_SS, 0x18, 0x9b), GP);
	CHECK_EQ(DS(0, MOV_SS, 0x18, DATA | DPL(3)), GP);
	CHECK_EQ(DS(0, MOV_SS, 0x1b, DATA), GP);
	CHECK_EQ(DS(3, MOV_SS, 0x1b, DATA | DPL(3)), OK);
}

static void null_selectors(void)
{
	struct machine *m = machine_for(INTERP_PROT32, 3, DATA);

	m->in.seg[SEG_DS].base = 0;
	CHECK_EQ(TRY(m, MOV_DS), INTERP_DONE);
	CHECK_EQ(m->in.seg[SEG_DS].selector, 3);
	CHECK(m->in.seg[SEG_DS].attr & SEG_UNUSABLE);
	CHECK_EQ(fault_of(m, TRY(m, MOV_DS)), GP); /* through the null DS */
	machine_free(m);
	CHECK_EQ(DS(0, MOV_SS, 0, DATA), GP);
	CHECK_EQ(load(INTERP_LONG, 0, MOV_SS, 0, DATA), OK);
	CHECK_EQ(load(INTERP_LONG, 3, MOV_SS, 3, DATA), GP);
	CHECK_EQ(load(INTERP_LONG, 0, MOV_SS, 1, DATA), GP);
	m = machine_for(INTERP_LONG, 1, DATA);
	m->in.cpl = 1;
	CHECK_EQ(TRY(m, MOV_SS), INTERP_DONE);
	CHECK_EQ(m->in.seg[SEG_SS].attr, SEG_UNUSABLE | DPL(1)); /* the CPL stays */
	machine_free(m);
}

static void without_descriptors(void)
{
	static const enum interp_mode modes[] = { INTERP_REAL, INTERP_VM86 };
	unsigned int i;

	for (i = 0; i < 2; i++) {
		struct machine *m = machine_for(modes[i], 0x1234, 0);
		struct segment before = m->in.seg[SEG_FS];

		CHECK_EQ(TRY(m, "\x8e\x27"), INTERP_DONE); /* mov fs, [bx] */
		CHECK_EQ(m->in.seg[SEG_FS].base, 0x12340);
		CHECK_EQ(m->in.seg[SEG_FS].selector, 0x1234);
		CHECK_EQ(m->in.seg[SEG_FS].limit, before.limit);
		CHECK_EQ(m->in.seg[SEG_FS].attr, before.attr);
		machine_free(m);
	}
}

static void forms(void)
{
	struct machine *m = machine_for(INTERP_PROT32, 0x18, DATA);

	CHECK_EQ(fault_of(m, TRY(m, "\x8e\x0b")), VEC_UD); /* mov cs, .. */
	CHECK_EQ(fault_of(m, TRY(m, "\x8e\x33")), VEC_UD);
	m->in.seg[SEG_SS].attr |= SEG_DB;
	GPR(m, RSP) = 0x8000;
	machine_poke(m, 0x8000, 8, 0xffff001800000018);
	CHECK_EQ(TRY(m, "\x07"), INTERP_DONE); /* pop es */
	CHECK_EQ(GPR(m, RSP), 0x8004);
	CHECK_EQ(m->in.seg[SEG_ES].selector, 0x18);
	CHECK_EQ(TRY(m, "\x66\x0f\xa9"), INTERP_DONE); /* pop gs: 16 bits */
	CHECK_EQ(GPR(m, RSP), 0x8006);
	CHECK_EQ(m->in.seg[SEG_GS].base, 0x12345678);
	CHECK(!m->in.mov_ss);
	GPR(m, RSP) = 0x8000;
	CHECK_EQ(TRY(m, "\x17"), INTERP_DONE); /* pop ss */
	CHECK(m->in.mov_ss);
	CHECK_EQ(TRY(m, "\x2e\x8b\x03"), INTERP_DONE);
	CHECK(!m->in.mov_ss);
	CHECK_EQ(TRY(m, "\x0f\xa8"), INTERP_DONE); /* push gs, on the new stack */
	CHECK(is_event(m, 0, 'w', 0x12345678 + 0x8000, 4, 0x18));
	machine_free(m);

	m = machine_for(INTERP_LONG, 0x18, DATA);
	GPR(m, RSP) = 0x8000;
	CHECK_EQ(TRY(m, "\x0f\xa0"), INTERP_DONE); /* push fs: 8 bytes */
	CHECK_EQ(GPR(m, RSP), 0x7ff8);
	machine_poke(m, 0x7ff8, 8, 0x20);
	CHECK_EQ(TRY(m, "\x0f\xa1"), INTERP_FAULT); /* pop fs: RSP as it was */
	CHECK_EQ(GPR(m, RSP), 0x7ff8);
	m->in.gdtr.base = 0x800000000000;
	CHECK_EQ(fault_of(m, TRY(m, MOV_DS)), GP);
	machine_free(m);
}

static void far_pointers(void)
{
	struct machine *m = machine_for(INTERP_LONG, 0, DATA);

	machine_poke(m, 0x4000, 8, 0x1122334455667788);
	machine_poke(m, 0x4008, 2, 0x18);
	GPR(m, RBX) = 0x4000;
	CHECK_EQ(TRY(m, "\x48\x0f\xb5\x03"), INTERP_DONE); /* lgs rax, [rbx] */
	CHECK_EQ(GPR(m, RAX), 0x1122334455667788);
	CHECK_EQ(m->in.seg[SEG_GS].base, 0x12345678);
	machine_poke(m, 0x4004, 2, 0x20);
	GPR(m, RAX) = 1;
	CHECK_EQ(fault_of(m, TRY(m, "\x0f\xb2\x03")), GP); /* lss eax, [rbx] */
	CHECK_EQ(GPR(m, RAX), 1);
	machine_free(m);

	m = machine_for(INTERP_REAL, 0, 0);
	machine_poke(m, 0x4000, 4, 0x56781234);
	GPR(m, RBX) = 0x4000;
	CHECK_EQ(TRY(m, "\xc4\x07"), INTERP_DONE); /* les ax, [bx] */
	CHECK_EQ(GPR(m, RAX), 0x1234);
	CHECK_EQ(m->in.seg[SEG_ES].base, 0x56780);
	CHECK_EQ(TRY(m, "\xc5\x0f"), INTERP_DONE); /* lds cx, [bx] */
	CHECK_EQ(m->in.seg[SEG_DS].selector, 0x5678);
	machine_free(m);
}

/* The selector comes from a device that user space serves: one round trip. */
static void from_devices(void)
{
	struct machine *m = machine_for(INTERP_LONG, 0, DATA);
	unsigned int trips;

	m->user = true;
	m->device_value = 0x18;
	GPR(m, RBX) = DEV;
	CHECK_EQ(RUN(m, MOV_DS, &trips), INTERP_DONE);
	CHECK_EQ(trips, 1);
	CHECK(is_event(m, 0, 'r', DEV, 2, 0));
	CHECK_EQ(m->in.seg[SEG_DS].selector, 0x18);
	/* So does a stack, and so does a table. */
	m->device_value = 0x18;
	GPR(m, RSP) = DEV + 0x10;
	CHECK_EQ(RUN(m, "\x0f\xa1", &trips), INTERP_DONE);
	CHECK(is_event(m, 0, 'r', DEV + 0x10, 8, 0));
	m->in.gdtr.base = DEV;
	m->device_value = DESCRIPTOR(DATA);
	GPR(m, RBX) = SELECTOR;
	machine_poke(m, SELECTOR, 2, 0x18);
	CHECK_EQ(RUN(m, MOV_DS, &trips), INTERP_DONE);
	CHECK(is_event(m, 0, 'r', DEV + 0x18, 8, 0));
	CHECK_EQ(m->in.seg[SEG_DS].base, 0x12345678);
	machine_free(m);
}

/* ---- near branches ---- */

static void branches(void)
{
	struct machine *m = machine_new(INTERP_LONG);
	unsigned int trips;

	GPR(m, RBX) = 0x4000;
	GPR(m, RSP) = 0x8000;
	machine_poke(m, 0x4000, 8, 0x123456789a);
	CHECK_EQ(TRY(m, "\xff\x23"), INTERP_DONE); /* jmp [rbx] */
	CHECK_EQ(m->in.reg.rip, 0x123456789a);
	CHECK_EQ(TRY(m, "\x66\xff\x13"), INTERP_DONE); /* call [rbx] */
	CHECK_EQ(m->in.reg.rip, 0x123456789a);
	CHECK_EQ(GPR(m, RSP), 0x7ff8);
	CHECK_EQ(machine_peek(m, 0x7ff8, 8), 0x123456789d);
	CHECK_EQ(TRY(m, "\xc2\x10\x00"), INTERP_DONE); /* ret 16 */
	CHECK_EQ(m->in.reg.rip, 0x123456789d);
	CHECK_EQ(GPR(m, RSP), 0x8010);
	m->user = true;
	GPR(m, RSP) = DEV + 8;
	CHECK_EQ(RUN(m, "\xe8\xfb\xff\xff\xff", &trips), INTERP_DONE); /* call to itself */
	CHECK_EQ(m->in.reg.rip, 0x123456789d);
	CHECK(is_event(m, 0, 'w', DEV, 8, 0x12345678a2));
	machine_poke(m, 0x4000, 8, 0x800000000000);
	CHECK_EQ(fault_of(m, TRY(m, "\xff\x23")), GP);
	CHECK_EQ(m->in.reg.rip, 0x123456789d);
	machine_free(m);

	m = machine_new(INTERP_PROT32);
	m->in.seg[SEG_CS].limit = 0xffff;
	machine_poke(m, 0x4000, 8, 0x10000);
	GPR(m, RBX) = 0x4000;
	CHECK_EQ(fault_of(m, TRY(m, "\xff\x23")), GP);
	m->in.reg.rip = 0xfffff000;
	GPR(m, RSP) = 0x8000;
	m->in.seg[SEG_SS].attr |= SEG_DB;
	CHECK_EQ(TRY(m, "\xe8\xfb\x0f\x00\x00"), INTERP_DONE); /* call beyond 4 GiB */
	CHECK_EQ(m->in.reg.rip, 0);
	CHECK_EQ(TRY(m, "\x66\xff\x23"), INTERP_DONE); /* 16 bits */
	CHECK_EQ(m->in.reg.rip, 0);
	machine_free(m);
}

/* ---- vectors ---- */

static void vectors(void)
{
	struct machine *m = machine_new(INTERP_LONG);
	unsigned int trips;

	m->user = true;
	GPR(m, RBX) = DEV + 0x10;
	CHECK_EQ(TRY(m, "\x0f\x11\x03"), INTERP_RETRY); /* CR4.OSFXSR is clear */
	m->in.cr4 |= X86_CR4_OSFXSR;
	m->xmm[9][0] = 0x1111;
	m->xmm[9][1] = 0x2222;
	CHECK_EQ(RUN(m, "\x44\x0f\x11\x0b", &trips), INTERP_DONE); /* movups [rbx], xmm9 */
	CHECK_EQ(trips, 2);
	CHECK(is_event(m, 0, 'w', DEV + 0x10, 8, 0x1111));
	CHECK(is_event(m, 1, 'w', DEV + 0x18, 8, 0x2222));
	m->device_value = 0x70;
	CHECK_EQ(RUN(m, "\x66\x0f\x6f\x3b", &trips), INTERP_DONE); /* movdqa xmm7, [rbx] */
	CHECK_EQ(trips, 2);
	CHECK_EQ(m->xmm[7][0], 0x70);
	CHECK_EQ(m->xmm[7][1], 0x71);
	CHECK_EQ(TRY(m, "\x0f\x6f\x3b"), INTERP_UNKNOWN);     /* movq mm7, [rbx] */
	CHECK_EQ(TRY(m, "\x0f\x58\x3b"), INTERP_UNKNOWN);     /* addps */
	CHECK_EQ(TRY(m, "\x0f\x38\x2a\x3b"), INTERP_UNKNOWN); /* movntdqa has a 66 */
	m->in.cr0 |= X86_CR0_TS;
	CHECK_EQ(TRY(m, "\x0f\x11\x03"), INTERP_RETRY);
	CHECK_EQ(m->nevents, 0);
	machine_free(m);
}

static void division_errors(void)
{
	struct machine *m = machine_new(INTERP_LONG);

	GPR(m, RBX) = 0x4000;
	GPR(m, RAX) = 1;
	CHECK_EQ(fault_of(m, TRY(m, "\xf7\x33")), VEC_DE); /* div dword [rbx]: 0 */
	CHECK_EQ(GPR(m, RAX), 1);
	machine_poke(m, 0x4000, 4, -1);
	GPR(m, RAX) = 0x80000000;
	GPR(m, RDX) = 0xffffffff;
	CHECK_EQ(fault_of(m, TRY(m, "\xf7\x3b")), VEC_DE); /* idiv: 2^31 */
	GPR(m, RAX)++;
	CHECK_EQ(TRY(m, "\xf7\x3b"), INTERP_DONE);
	CHECK_EQ(GPR(m, RAX), 0x7fffffff);
	machine_free(m);
}

const struct tap_test tap_tests[] = {
	TEST(hidden_part),
	TEST(local_descriptors),
	TEST(compatibility_mode),
	TEST(privileges),
	TEST(null_selectors),
	TEST(forms),
	TEST(without_descriptors),
	TEST(far_pointers),
	TEST(from_devices),
	TEST(branches),
	TEST(vectors),
	TEST(division_errors),
	{ NULL, NULL },
};
