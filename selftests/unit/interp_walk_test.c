// SPDX-License-Identifier: GPL-2.0
/* Walks of guest page tables: formats, permissions, error codes, accessed and dirty bits. */
#include "machine.h"
#include "tap.h"

#define P  1ULL
#define W  2ULL
#define U  4ULL
#define A  0x20ULL
#define D  0x40ULL
#define PS 0x80ULL
#define NX (1ULL << 63)

#define PF(bits) (0x100 | (bits)) /* #PF with this error code */
#define RSVD     8
#define FETCH    16

/* Tables at 0x1000 (top) to 0x5000; linear addresses of every level's index 1, and offset 0x123. */
#define TABLE(level) (0x1000ULL * (6 - (level)))

static u64 linear(unsigned int levels)
{
	unsigned int level;
	u64 addr = 0x123;

	for (level = 1; level <= levels; level++)
		addr |= 1ULL << (12 + 9 * (level - 1));
	return addr;
}

/* A 64-bit machine whose tables map linear(levels) to 0x30123 with all permissions. */
static struct machine *paged(unsigned int levels)
{
	struct machine *m = machine_new(INTERP_LONG);
	unsigned int level;

	m->in.cr0 |= X86_CR0_PG | X86_CR0_WP;
	m->in.reserved_gpa = ~0ULL << 36;
	if (levels == 5)
		m->in.cr4 |= X86_CR4_LA57;
	m->in.cr3 = TABLE(levels) | 0x18;
	for (level = levels; level > 1; level--)
		machine_poke(m, TABLE(level) + 8, 8, TABLE(level - 1) | P | W | U);
	machine_poke(m, TABLE(1) + 8, 8, 0x30000 | P | W | U);
	return m;
}

static void set_entry(struct machine *m, unsigned int level, u64 entry)
{
	machine_poke(m, TABLE(level) + 8, 8, entry);
}

static u64 get_entry(struct machine *m, unsigned int level)
{
	return machine_peek(m, TABLE(level) + 8, 8);
}

/* PF(error), or the interp_result; the address in *gpa. */
static int walk(struct machine *m, u64 addr, u32 access, u64 *gpa)
{
	struct interp_walk w;
	int r;

	m->nevents = 0;
	r = interp_walk(&m->in, addr, access, &w);
	*gpa = w.gpa;
	if (r != INTERP_FAULT)
		return r;
	CHECK_EQ(m->in.fault.vector, VEC_PF);
	CHECK_EQ(m->in.fault.address, addr);
	CHECK(m->in.fault.has_error);
	return PF(m->in.fault.error);
}

static void no_paging(void)
{
	struct machine *m = machine_new(INTERP_PROT32);
	u64 gpa;

	CHECK_EQ(walk(m, 0x12345678, ACCESS_WRITE | ACCESS_USER, &gpa), INTERP_DONE);
	CHECK_EQ(gpa, 0x12345678);
	machine_free(m);
}

static void four_and_five_levels(void)
{
	unsigned int levels, level;
	u64 gpa;

	for (levels = 4; levels <= 5; levels++) {
		struct machine *m = paged(levels);

		CHECK_EQ(walk(m, linear(levels), 0, &gpa), INTERP_DONE);
		CHECK_EQ(gpa, 0x30123);
		for (level = 1; level <= levels; level++) {
			u64 entry = get_entry(m, level);

			CHECK_EQ(entry & (A | D), A);
			set_entry(m, level, entry & ~P);
			CHECK_EQ(walk(m, linear(levels), ACCESS_WRITE, &gpa), PF(ACCESS_WRITE));
			set_entry(m, level, entry);
		}
		machine_free(m);
	}
}

static void large_pages(void)
{
	struct machine *m = paged(4);
	u64 gpa;

	set_entry(m, 2, 0x600000 | P | W | U | PS);
	CHECK_EQ(walk(m, linear(4), 0, &gpa), INTERP_DONE);
	CHECK_EQ(gpa, 0x601123);
	set_entry(m, 2, 0x602000 | P | W | U | PS); /* below the address: reserved */
	CHECK_EQ(walk(m, linear(4), 0, &gpa), PF(P | RSVD));
	set_entry(m, 2, 0x601000 | P | W | U | PS); /* bit 12 is PAT */
	CHECK_EQ(walk(m, linear(4), 0, &gpa), INTERP_DONE);
	CHECK_EQ(gpa, 0x601123);
	set_entry(m, 3, 0x40000000 | P | W | U | PS);
	CHECK_EQ(walk(m, linear(4), 0, &gpa), INTERP_DONE);
	CHECK_EQ(gpa, 0x40201123);
	set_entry(m, 3, 0x60000000 | P | W | U | PS);
	CHECK_EQ(walk(m, linear(4), 0, &gpa), PF(P | RSVD));
	set_entry(m, 4, TABLE(3) | P | W | U | PS);
	CHECK_EQ(walk(m, linear(4), 0, &gpa), PF(P | RSVD));
	machine_free(m);
}

static void reserved_address_bits(void)
{
	struct machine *m = paged(4);
	unsigned int level;
	u64 gpa;

	for (level = 1; level <= 4; level++) {
		u64 entry = get_entry(m, level);

		set_entry(m, level, entry | 1ULL << 36);
		CHECK_EQ(walk(m, linear(4), ACCESS_USER, &gpa), PF(P | ACCESS_USER | RSVD));
		set_entry(m, level, entry | 1ULL << 52); /* for software */
		CHECK_EQ(walk(m, linear(4), 0, &gpa), INTERP_DONE);
		set_entry(m, level, entry);
	}
	m->in.efer &= ~IEFER_NXE;
	set_entry(m, 1, get_entry(m, 1) | NX);
	CHECK_EQ(walk(m, linear(4), 0, &gpa), PF(P | RSVD));
	CHECK_EQ(walk(m, linear(4), ACCESS_FETCH, &gpa), PF(P | RSVD));
	machine_free(m);
}

static void permissions(void)
{
	unsigned int level;
	u64 gpa;

	for (level = 1; level <= 4; level++) {
		struct machine *m = paged(4);
		u64 entry = get_entry(m, level);

		set_entry(m, level, entry & ~U);
		CHECK_EQ(walk(m, linear(4), 0, &gpa), INTERP_DONE);
		CHECK_EQ(walk(m, linear(4), ACCESS_USER, &gpa), PF(P | ACCESS_USER));
		set_entry(m, level, entry & ~W);
		CHECK_EQ(walk(m, linear(4), ACCESS_USER, &gpa), INTERP_DONE);
		CHECK_EQ(walk(m, linear(4), ACCESS_WRITE, &gpa), PF(P | ACCESS_WRITE));
		m->in.cr0 &= ~X86_CR0_WP;
		CHECK_EQ(walk(m, linear(4), ACCESS_WRITE, &gpa), INTERP_DONE);
		CHECK_EQ(walk(m, linear(4), ACCESS_WRITE | ACCESS_USER, &gpa),
			 PF(P | ACCESS_WRITE | ACCESS_USER));
		set_entry(m, level, entry | NX);
		CHECK_EQ(walk(m, linear(4), 0, &gpa), INTERP_DONE);
		CHECK_EQ(walk(m, linear(4), ACCESS_FETCH, &gpa), PF(P | FETCH));
		machine_free(m);
	}
}

static void smep_and_smap(void)
{
	struct machine *m = paged(4);
	u64 gpa;

	m->in.cr4 |= X86_CR4_SMEP | X86_CR4_SMAP;
	CHECK_EQ(walk(m, linear(4), ACCESS_FETCH, &gpa), PF(P | FETCH));
	CHECK_EQ(walk(m, linear(4), ACCESS_FETCH | ACCESS_USER, &gpa), INTERP_DONE);
	CHECK_EQ(walk(m, linear(4), 0, &gpa), PF(P));
	CHECK_EQ(walk(m, linear(4), ACCESS_USER, &gpa), INTERP_DONE);
	m->in.reg.rflags |= X86_EFLAGS_AC;
	CHECK_EQ(walk(m, linear(4), 0, &gpa), INTERP_DONE);
	set_entry(m, 1, get_entry(m, 1) & ~U);
	CHECK_EQ(walk(m, linear(4), ACCESS_FETCH, &gpa), INTERP_DONE);
	machine_free(m);
}

static void dirty_bit(void)
{
	struct machine *m = paged(4);
	u64 gpa;

	CHECK_EQ(walk(m, linear(4), ACCESS_PROBE | ACCESS_WRITE, &gpa), INTERP_DONE);
	CHECK_EQ(get_entry(m, 1) & (A | D), 0);
	set_entry(m, 1, get_entry(m, 1) & ~W);
	CHECK_EQ(walk(m, linear(4), ACCESS_WRITE, &gpa), PF(P | ACCESS_WRITE));
	CHECK_EQ(get_entry(m, 1) & (A | D), 0); /* a fault leaves no trace */
	CHECK_EQ(get_entry(m, 4) & (A | D), 0);
	set_entry(m, 1, get_entry(m, 1) | W);
	CHECK_EQ(walk(m, linear(4), ACCESS_WRITE, &gpa), INTERP_DONE);
	CHECK_EQ(get_entry(m, 1) & (A | D), A | D);
	CHECK_EQ(get_entry(m, 2) & (A | D), A);
	CHECK_EQ(walk(m, linear(4), ACCESS_WRITE, &gpa), INTERP_DONE);
	CHECK_EQ(m->nevents, 0); /* all set: nothing written */
	machine_free(m);
}

static void races(void)
{
	struct machine *m = paged(4);
	u64 gpa;

	m->lose_races = 3;
	CHECK_EQ(walk(m, linear(4), 0, &gpa), INTERP_DONE);
	set_entry(m, 1, 0x30000 | P | W | U);
	m->lose_races = 1000;
	CHECK_EQ(walk(m, linear(4), 0, &gpa), INTERP_RETRY);
	machine_free(m);
}

static void tables_outside_memory(void)
{
	struct machine *m = paged(4);
	u64 gpa;

	m->in.cr3 = MACHINE_DEVICES;
	CHECK_EQ(walk(m, linear(4), 0, &gpa), INTERP_UNKNOWN);
	/* Accessed bits cannot be set in read-only memory. */
	m->in.cr3 = MACHINE_ROM;
	machine_poke(m, MACHINE_ROM + 8, 8, TABLE(3) | P | W | U);
	CHECK_EQ(walk(m, linear(4), 0, &gpa), INTERP_UNKNOWN);
	machine_poke(m, MACHINE_ROM + 8, 8, TABLE(3) | P | W | U | A);
	CHECK_EQ(walk(m, linear(4), 0, &gpa), INTERP_DONE);
	machine_free(m);
}

static struct machine *paged_32(u64 cr4)
{
	struct machine *m = machine_new(INTERP_PROT32);

	m->in.cr0 |= X86_CR0_PG | X86_CR0_WP;
	m->in.cr3 = 0x1000;
	m->in.cr4 = cr4;
	m->in.reserved_gpa = ~0ULL << 36;
	return m;
}

static void two_levels(void)
{
	struct machine *m = paged_32(0);
	u64 gpa;

	machine_poke(m, 0x1000 + 4, 4, 0x2000 | P | W | U | PS); /* PS without CR4.PSE */
	machine_poke(m, 0x2000 + 8, 4, 0x30000 | P | U);
	CHECK_EQ(walk(m, 0x402123, ACCESS_USER, &gpa), INTERP_DONE);
	CHECK_EQ(gpa, 0x30123);
	CHECK_EQ(walk(m, 0x402123, ACCESS_WRITE, &gpa), PF(P | ACCESS_WRITE));
	CHECK_EQ(machine_peek(m, 0x1004, 4), 0x2000 | P | W | U | PS | A);
	CHECK_EQ(walk(m, 0x403123, ACCESS_FETCH, &gpa), PF(0)); /* no NX: no fetch bit */
	m->in.cr4 = X86_CR4_PSE;
	machine_poke(m, 0x1000 + 4, 4, 0x800000 | 3 << 13 | P | W | PS);
	CHECK_EQ(walk(m, 0x402123, ACCESS_WRITE, &gpa), INTERP_DONE);
	CHECK_EQ(gpa, 0x300802123); /* PSE-36 */
	CHECK_EQ(machine_peek(m, 0x1004, 1) & (A | D), A | D);
	machine_poke(m, 0x1000 + 4, 4, 0xa00000 | P | W | PS);
	CHECK_EQ(walk(m, 0x402123, 0, &gpa), PF(P | RSVD));
	machine_free(m);
}

static void physical_address_extension(void)
{
	struct machine *m = paged_32(X86_CR4_PAE);
	u64 gpa, pdpte[4];

	m->in.cr3 = 0x1020;
	machine_poke(m, 0x1020 + 8, 8, 0x2000 | P);
	machine_poke(m, 0x2008, 8, 0x3000 | P | W | U);
	machine_poke(m, 0x3008, 8, 0x30000 | P | W | U);
	CHECK_EQ(walk(m, 0x40201123, ACCESS_WRITE | ACCESS_USER, &gpa), INTERP_DONE);
	CHECK_EQ(gpa, 0x30123);
	CHECK_EQ(machine_peek(m, 0x1028, 8), 0x2000 | P); /* PDPTEs have no accessed bit */
	CHECK_EQ(interp_pdptes_bad(&m->in, 0x1020, pdpte), 0);
	CHECK_EQ(pdpte[1], 0x2000 | P);
	machine_poke(m, 0x1028, 8, 0x2000 | P | W);
	CHECK_EQ(walk(m, 0x40201123, 0, &gpa), PF(P | RSVD));
	CHECK_EQ(interp_pdptes_bad(&m->in, 0x1020, pdpte), 1);
	machine_poke(m, 0x1028, 8, 0x2000 | W); /* not present: not looked at */
	CHECK_EQ(interp_pdptes_bad(&m->in, 0x1020, pdpte), 0);
	machine_poke(m, 0x1028, 8, 0x2000 | P | 1ULL << 36);
	CHECK_EQ(interp_pdptes_bad(&m->in, 0x1020, pdpte), 1);
	CHECK_EQ(interp_pdptes_bad(&m->in, MACHINE_DEVICES, pdpte), 1);
	/* Bit 5 too is reserved, where the processor holds the entries. */
	machine_poke(m, 0x1028, 8, 0x2000 | P | A);
	CHECK_EQ(interp_pdptes_bad(&m->in, 0x1020, pdpte), 0);
	m->in.pdpte = pdpte;
	CHECK_EQ(interp_pdptes_bad(&m->in, 0x1020, pdpte), 1);
	machine_poke(m, 0x1028, 8, 0x2000 | P);
	CHECK_EQ(interp_pdptes_bad(&m->in, 0x1020, pdpte), 0);
	/* What was loaded counts, where memory does not. */
	pdpte[1] = 0x2000 | P;
	m->in.pdpte = pdpte;
	CHECK_EQ(walk(m, 0x40201123, 0, &gpa), INTERP_DONE);
	pdpte[1] = 0;
	CHECK_EQ(walk(m, 0x40201123, 0, &gpa), PF(0));
	m->in.pdpte = NULL;
	machine_poke(m, 0x1028, 8, 0x2000 | P);
	machine_poke(m, 0x2008, 8, 0x600000 | P | W | PS);
	CHECK_EQ(walk(m, 0x40201123, 0, &gpa), INTERP_DONE);
	CHECK_EQ(gpa, 0x601123);
	m->in.efer = IEFER_NXE;
	machine_poke(m, 0x2008, 8, 0x600000 | P | W | PS | NX);
	CHECK_EQ(walk(m, 0x40201123, ACCESS_FETCH, &gpa), PF(P | FETCH));
	machine_free(m);
}

/* An instruction whose operand is on two pages: nothing is written when the second faults. */
static void fault_on_the_second_page(void)
{
	struct machine *m = paged(4);
	u64 addr = (linear(4) & ~0xfffULL) + 0xffe;

	m->in.reg.gpr[REG_RBX] = addr;
	m->in.reg.gpr[REG_RAX] = ~0ULL;
	CHECK_EQ(TRY(m, "\x89\x03"), INTERP_FAULT);
	CHECK_EQ(m->in.fault.address, addr + 2);
	CHECK_EQ(m->in.fault.error, ACCESS_WRITE);
	CHECK_EQ(machine_peek(m, 0x30ffe, 2), 0);
	machine_poke(m, TABLE(1) + 16, 8, 0x50000 | P | W);
	CHECK_EQ(TRY(m, "\x89\x03"), INTERP_DONE);
	CHECK_EQ(machine_peek(m, 0x30ffe, 4), 0xffff);
	CHECK_EQ(machine_peek(m, 0x50000, 4), 0xffff);
	m->in.cpl = 3;
	CHECK_EQ(TRY(m, "\x89\x03"), INTERP_FAULT);
	CHECK_EQ(m->in.fault.error, P | ACCESS_WRITE | ACCESS_USER);
	machine_free(m);
}

/* Reads that are part of an update fault as writes. */
static void updates_are_writes(void)
{
	struct machine *m = paged(4);

	set_entry(m, 1, 0x30000 | P | U);
	m->in.reg.gpr[REG_RBX] = linear(4);
	CHECK_EQ(TRY(m, "\x01\x03"), INTERP_FAULT);
	CHECK_EQ(m->in.fault.error, P | ACCESS_WRITE);
	CHECK_EQ(TRY(m, "\x39\x03"), INTERP_DONE); /* cmp only reads */
	machine_free(m);
}

/* A descriptor is the supervisor's business whatever the CPL; SMAP holds despite AC. */
static void implicit_accesses(void)
{
	struct machine *m = paged(4);

	machine_poke(m, 0x30123 + 8, 8, 0x00cff3000000ffff); /* DPL 3 */
	m->in.gdtr = (struct dtable){ .base = linear(4), .limit = 0xf };
	set_entry(m, 1, 0x30000 | P | W);
	m->in.cpl = 3;
	GPR(m, RAX) = 0xb;
	CHECK_EQ(TRY(m, "\x8e\xd8"), INTERP_DONE); /* mov ds, eax */
	CHECK_EQ(m->in.seg[SEG_DS].selector, 0xb);
	set_entry(m, 1, 0x30000 | P | W | U);
	m->in.cr4 |= X86_CR4_SMAP;
	m->in.reg.rflags |= X86_EFLAGS_AC;
	CHECK_EQ(TRY(m, "\x8e\xd8"), INTERP_FAULT);
	CHECK_EQ(m->in.fault.vector, VEC_PF);
	CHECK_EQ(m->in.fault.error, P);
	/* Its accessed bit is a write. */
	set_entry(m, 1, 0x30000 | P);
	machine_poke(m, 0x30123 + 8, 8, 0x00cff2000000ffff);
	CHECK_EQ(TRY(m, "\x8e\xd8"), INTERP_FAULT);
	CHECK_EQ(m->in.fault.error, P | W);
	machine_free(m);
}

const struct tap_test tap_tests[] = {
	TEST(no_paging),
	TEST(four_and_five_levels),
	TEST(large_pages),
	TEST(reserved_address_bits),
	TEST(permissions),
	TEST(smep_and_smap),
	TEST(dirty_bit),
	TEST(races),
	TEST(tables_outside_memory),
	TEST(two_levels),
	TEST(physical_address_extension),
	TEST(fault_on_the_second_page),
	TEST(updates_are_writes),
	TEST(implicit_accesses),
	{ NULL, NULL },
};
