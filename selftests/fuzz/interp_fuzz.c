// SPDX-License-Identifier: GPL-2.0
/*
 * The interpreter under libFuzzer. The input is a guest: mode, registers, instruction bytes, and
 * the beginning of its memory, where descriptors and page tables may lie. Whatever it is:
 *  - there is an answer, after a bounded number of trips to user space;
 *  - registers are as before unless the instruction, or an iteration of it, has been executed;
 *  - devices that answer at once and devices of user space make no difference;
 *  - the decoder needs exactly the bytes that it says the instruction has.
 * Sanitizers watch the rest.
 */
#include <stdio.h>
#include <stdlib.h>

#include "machine.h"

#define TRIPS 64 /* machine_run()'s limit */

/* Registers come as a kind and 16 bits. */
enum { IN_MEMORY, IN_DEVICE, NEGATIVE, WIDE };

struct guest {
	u8 mode, cpl, cr, rflags[2], races, interrupt, gdt;
	struct {
		u8 kind, low, high;
	} gpr[REG_COUNT];
	u8 insn[INTERP_INSN_MAX];
};

#define GUEST_PAGING BIT(0)
#define GUEST_PAE    BIT(1)
#define GUEST_WP     BIT(2)
#define GUEST_SMAP   BIT(3)
#define GUEST_OSFXSR BIT(4)
#define GUEST_NO_NX  BIT(5)
#define GUEST_CS_DB  BIT(6)
#define GUEST_SMALL  BIT(7) /* segments of 4 KiB */

static u64 gpr_of(const struct guest *g, unsigned int reg)
{
	u64 val = g->gpr[reg].low | (u64)g->gpr[reg].high << 8;

	switch (g->gpr[reg].kind & 3) {
	case IN_DEVICE:
		return MACHINE_DEVICES + val;
	case NEGATIVE:
		return -val;
	case WIDE:
		return val << 48 | val << 24 | val;
	}
	return val;
}

static void set_segments(struct interp *in, const struct guest *g)
{
	unsigned int i;

	for (i = 0; i < SEG_LDTR; i++) {
		in->seg[i].limit = g->cr & GUEST_SMALL ? 0xfff : 0xffffffff;
		in->seg[i].attr = SEG_P | SEG_S | 3 | (g->cr & GUEST_CS_DB ? SEG_DB : 0);
	}
	if (in->mode <= INTERP_VM86)
		in->seg[SEG_SS].attr &= ~SEG_DB;
	in->seg[SEG_CS].attr |= 8 | (in->mode == INTERP_LONG ? SEG_L : 0);
	in->gdtr = (struct dtable){ .base = g->gdt * 16, .limit = 0x3f };
	in->seg[SEG_LDTR] = (struct segment){ .base = 0x100, .limit = 0x1f, .attr = SEG_P | 2 };
}

static struct machine *machine_of(const struct guest *g, const u8 *memory, size_t len, bool user)
{
	struct machine *m = machine_new(g->mode % (INTERP_LONG + 1));
	struct interp *in = &m->in;
	unsigned int i;

	set_segments(in, g);
	for (i = 0; i < REG_COUNT; i++)
		in->reg.gpr[i] = gpr_of(g, i);
	in->reg.rip = 0x1000;
	in->reg.rflags |= (g->rflags[0] | g->rflags[1] << 8) & 0x7cd5;
	if (in->mode != INTERP_VM86)
		in->cpl = g->cpl & 3;
	if (g->cr & GUEST_PAGING && in->mode != INTERP_REAL)
		in->cr0 |= X86_CR0_PG;
	in->cr0 |= g->cr & GUEST_WP ? X86_CR0_WP : 0;
	in->cr4 |= g->cr & GUEST_PAE ? X86_CR4_PAE : 0;
	in->cr4 |= g->cr & GUEST_SMAP ? X86_CR4_SMAP : 0;
	in->cr4 |= g->cr & GUEST_OSFXSR ? X86_CR4_OSFXSR : 0;
	if (g->cr & GUEST_NO_NX)
		in->efer &= ~(u64)IEFER_NXE;
	in->reserved_gpa = ~0ULL << 36;
	m->lose_races = g->races & 3;
	m->interrupt_pending = g->interrupt & 1;
	m->user = user;
	m->device_value = 0x1122334455667788;
	memcpy(m->memory, memory, len < MACHINE_MEMORY ? len : MACHINE_MEMORY);
	return m;
}

static void demand(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "interp_fuzz: %s\n", what);
	abort();
}

/* One byte less is too few, and what stands behind does not count. */
static void check_length(const struct machine *m, const u8 *bytes)
{
	struct interp in = m->in;
	struct insn insn;

	memcpy(in.bytes, bytes, INTERP_INSN_MAX);
	in.nbytes = INTERP_INSN_MAX;
	if (interp_decode(&in))
		return;
	insn = in.insn;
	in.nbytes = insn.len - 1;
	demand(interp_decode(&in) == INTERP_MORE, "the last byte is not needed");
	memset(in.bytes + insn.len, 0xff, sizeof(in.bytes) - insn.len);
	in.nbytes = INTERP_INSN_MAX;
	demand(interp_decode(&in) == INTERP_DONE, "bytes behind the instruction count");
	demand(!memcmp(&in.insn, &insn, sizeof(insn)), "bytes behind the instruction are used");
}

static int run(struct machine *m, const struct guest *g)
{
	const struct interp_regs before = m->in.reg;
	unsigned int trips;
	int r = machine_run(m, g->insn, sizeof(g->insn), &trips);

	demand(r >= INTERP_DONE && r < INTERP_MORE, "no answer");
	demand((r != INTERP_USER && trips < TRIPS) || m->in.insn.rep, "too many trips");
	if (r != INTERP_DONE && !m->in.insn.rep)
		demand(!memcmp(&before, &m->in.reg, sizeof(before)), "registers changed");
	return r;
}

static void compare(const struct machine *a, const struct machine *b)
{
	demand(!memcmp(&a->in.reg, &b->in.reg, sizeof(a->in.reg)), "registers differ");
	demand(!memcmp(a->in.seg, b->in.seg, sizeof(a->in.seg)), "segments differ");
	demand(a->in.cr0 == b->in.cr0, "CR0 differs");
	demand(!memcmp(a->xmm, b->xmm, sizeof(a->xmm)), "vectors differ");
	demand(!memcmp(a->memory, b->memory, MACHINE_MEMORY), "memory differs");
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);
int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct machine *at_once, *by_user;
	struct guest g;
	int r, s;

	if (size < sizeof(g))
		return -1;
	memcpy(&g, data, sizeof(g));
	data += sizeof(g);
	size -= sizeof(g);
	at_once = machine_of(&g, data, size, false);
	by_user = machine_of(&g, data, size, true);
	r = run(at_once, &g);
	s = run(by_user, &g);
	check_length(at_once, g.insn);
	/* A race that is lost, and REP, may end the one earlier than the other. */
	if (!g.races && !at_once->in.insn.rep) {
		demand(r == s, "results differ");
		compare(at_once, by_user);
	}
	machine_free(at_once);
	machine_free(by_user);
	return 0;
}
