// SPDX-License-Identifier: GPL-2.0
/*
 * String instructions. A REP loop runs a bounded number of iterations, and each of them is
 * committed; between them the guest may take interrupts (APM vol. 3, 1.2.6).
 */
#include "insn.h"

#define STRING_MAX_ITERATIONS	4096

static void step_reg(struct interp *in, u8 reg, u64 delta)
{
	reg_set(in, reg, in->insn.addr_size, in->reg.gpr[reg] + delta);
}

static u64 index_reg(const struct interp *in, u8 reg)
{
	return in->reg.gpr[reg] & size_mask(in->insn.addr_size);
}

static u64 step(const struct interp *in)
{
	u64 size = in->insn.size;

	return in->reg.rflags & X86_EFLAGS_DF ? -size : size;
}

static unsigned int port_size(const struct interp *in)
{
	return in->insn.size == 8 ? 4 : in->insn.size;
}

/*
 * The hardware checks IOPL and the TSS's bitmap before it exits, and the instruction may have been
 * exchanged since then: what it has not checked is for the guest to try again.
 */
static int port_allowed(struct interp *in)
{
	u32 port = INTERP_PORT((u16)in->reg.gpr[REG_RDX], port_size(in), in->insn.op == OP_INS);
	u8 iopl = (in->reg.rflags & X86_EFLAGS_IOPL) >> 12;

	if (in->mode == INTERP_REAL || (in->mode != INTERP_VM86 && in->cpl <= iopl))
		return INTERP_DONE;
	return port == in->port_checked ? INTERP_DONE : INTERP_RETRY;
}

/*
 * How many elements from this address on are one contiguous piece of plain memory, on one page
 * and within the segment? At least one is transferred at a time, which then may be anything.
 */
static u64 batch(struct interp *in, u8 seg, const struct interp_span *span, u64 offset,
		 u64 count, bool write)
{
	unsigned int size = port_size(in);
	u64 room = span->len[1] ? 0 : (4096 - (span->gpa[0] & 4095)) / size;
	u64 wrap = (size_mask(in->insn.addr_size) - offset) / size;
	gva_t addr;

	if (in->reg.rflags & X86_EFLAGS_DF)
		return 1;
	room = room < wrap ? room : wrap;
	room = room < count ? room : count;
	room = room < INTERP_IO_MAX / size ? room : INTERP_IO_MAX / size;
	if (room < 2 || !in->ops->is_memory(in, span->gpa[0], write) ||
	    mem_linear(in, seg, offset, room * size, write, &addr))
		return 1;
	return room;
}

/* Check and map one element. */
static int map_element(struct interp *in, u8 seg, u64 offset, bool write,
		       struct interp_span *span)
{
	unsigned int size = port_size(in);
	gva_t addr;
	int r;

	r = port_allowed(in);
	if (r)
		return r;
	r = mem_linear(in, seg, offset, size, write, &addr);
	return r ? r : mem_map(in, addr, size, write ? ACCESS_WRITE : 0, span);
}

static int string_ins(struct interp *in, u64 *count)
{
	u64 offset = index_reg(in, REG_RDI), n;
	unsigned int size = port_size(in);
	struct interp_span span;
	int r;

	r = map_element(in, SEG_ES, offset, true, &span);
	if (r)
		return r;
	n = batch(in, SEG_ES, &span, offset, *count, true);
	r = port_read(in, in->reg.gpr[REG_RDX], size, n);
	if (r)
		return r;
	span.len[0] = n > 1 ? n * size : span.len[0];
	r = span_write(in, &span, in->io);
	if (r)
		return r;
	step_reg(in, REG_RDI, n * (in->reg.rflags & X86_EFLAGS_DF ? -(u64)size : size));
	*count = n;
	return INTERP_DONE;
}

static int string_outs(struct interp *in, u64 *count)
{
	u64 offset = index_reg(in, REG_RSI), n;
	unsigned int size = port_size(in);
	struct interp_span span;
	int r;

	r = map_element(in, in->insn.seg, offset, false, &span);
	if (r)
		return r;
	n = batch(in, in->insn.seg, &span, offset, *count, false);
	span.len[0] = n > 1 ? n * size : span.len[0];
	r = span_read(in, &span, in->io);
	if (r)
		return r;
	r = port_write(in, in->reg.gpr[REG_RDX], size, n);
	if (r)
		return r;
	step_reg(in, REG_RSI, n * (in->reg.rflags & X86_EFLAGS_DF ? -(u64)size : size));
	*count = n;
	return INTERP_DONE;
}

static int string_move(struct interp *in)
{
	const struct insn *insn = &in->insn;
	u64 val = 0;
	int r;

	if (insn->op != OP_STOS) {
		r = seg_read(in, insn->seg, index_reg(in, REG_RSI), &val, insn->size);
		if (r)
			return r;
		step_reg(in, REG_RSI, step(in));
	} else {
		val = reg_get(in, REG_RAX, insn->size);
	}
	if (insn->op == OP_LODS) {
		reg_set(in, REG_RAX, insn->size, val);
		return INTERP_DONE;
	}
	r = seg_write(in, SEG_ES, index_reg(in, REG_RDI), &val, insn->size);
	if (!r)
		step_reg(in, REG_RDI, step(in));
	return r;
}

static int string_compare(struct interp *in)
{
	const struct insn *insn = &in->insn;
	u64 a = reg_get(in, REG_RAX, insn->size), b = 0;
	int r;

	if (insn->op == OP_CMPS) {
		a = 0;
		r = seg_read(in, insn->seg, index_reg(in, REG_RSI), &a, insn->size);
		if (r)
			return r;
		step_reg(in, REG_RSI, step(in));
	}
	r = seg_read(in, SEG_ES, index_reg(in, REG_RDI), &b, insn->size);
	if (r)
		return r;
	step_reg(in, REG_RDI, step(in));
	alu_binary(7, a, b, insn->size, &in->reg.rflags);
	return INTERP_DONE;
}

/* One iteration (of INS and OUTS: up to *count of them, and how many it were). */
static int iteration(struct interp *in, u64 *count)
{
	switch (in->insn.op) {
	case OP_INS:
		return string_ins(in, count);
	case OP_OUTS:
		return string_outs(in, count);
	case OP_CMPS: case OP_SCAS:
		*count = 1;
		return string_compare(in);
	}
	*count = 1;
	return string_move(in);
}

/* REPE and REPNE end CMPS and SCAS by the result; elsewhere both just count. */
static bool loop_ends(const struct interp *in)
{
	if (in->insn.op != OP_CMPS && in->insn.op != OP_SCAS)
		return false;
	return !(in->reg.rflags & X86_EFLAGS_ZF) == (in->insn.rep == 0xf3);
}

static void next_insn(struct interp *in)
{
	in->reg.rip += in->insn.len;
	if (in->mode != INTERP_LONG)
		in->reg.rip = (u32)in->reg.rip;
}

static int exec_rep(struct interp *in)
{
	unsigned int i;
	u64 count;
	int r;

	for (i = 0; i < STRING_MAX_ITERATIONS; i++) {
		count = index_reg(in, REG_RCX);
		if (!count)
			break;
		r = iteration(in, &count);
		if (r)
			return r;
		step_reg(in, REG_RCX, -count);
		in->start = in->reg;
		in->log_len = 0;
		in->log_pos = 0;
		if (loop_ends(in))
			break;
		if (in->reg.rflags & X86_EFLAGS_TF && index_reg(in, REG_RCX))
			return INTERP_DONE;
		if ((in->posted || in->ops->interrupted(in)) && index_reg(in, REG_RCX))
			return INTERP_DONE;
	}
	if (i == STRING_MAX_ITERATIONS && index_reg(in, REG_RCX))
		return INTERP_DONE;
	next_insn(in);
	return INTERP_DONE;
}

int exec_string(struct interp *in)
{
	u64 one = 1;
	int r;

	if (in->insn.rep)
		return exec_rep(in);
	r = iteration(in, &one);
	if (!r)
		next_insn(in);
	return r;
}
