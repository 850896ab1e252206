// SPDX-License-Identifier: GPL-2.0
/*
 * String instructions. A REP loop runs a bounded number of iterations, and each of them is
 * committed; between them the guest may take interrupts (APM vol. 3, 1.2.6).
 */
#include "insn.h"

#define STRING_MAX_ITERATIONS	4096

static u64 index_reg(const struct interp *in, u8 reg)
{
	return in->reg.gpr[reg] & size_mask(in->insn.addr_size);
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

/* INS or OUTS: up to *count elements, and how many it were. */
static int port_string(struct interp *in, u64 *count)
{
	bool out = in->insn.op == OP_OUTS;
	u8 seg = out ? in->insn.seg : SEG_ES, reg = out ? REG_RSI : REG_RDI;
	u64 offset = index_reg(in, reg), size = port_size(in);
	struct interp_span span;
	int r;

	r = port_allowed(in);
	if (!r)
		r = seg_map(in, seg, offset, size, !out, &span);
	if (r)
		return r;
	*count = batch(in, seg, &span, offset, *count, !out);
	if (*count > 1)
		span.len[0] = *count * size;
	/* From memory to the port, or the other way. */
	r = out ? span_copy(in, &span, in->io, false) :
		  port_access(in, in->reg.gpr[REG_RDX], size, *count, false);
	if (!r)
		r = out ? port_access(in, in->reg.gpr[REG_RDX], size, *count, true) :
			  span_copy(in, &span, in->io, true);
	step_reg(in, reg, *count * (in->reg.rflags & X86_EFLAGS_DF ? -size : size));
	return r;
}

static int iteration(struct interp *in, u64 *count)
{
	if (in->insn.op == OP_INS || in->insn.op == OP_OUTS)
		return port_string(in, count);
	*count = 1;
	return execute_once(in);
}

/* REPE and REPNE end CMPS and SCAS by the result; elsewhere both just count. */
static bool loop_ends(const struct interp *in)
{
	return in->insn.op == OP_CMPS &&
	       !(in->reg.rflags & X86_EFLAGS_ZF) == (in->insn.rep == 0xf3);
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
		if ((in->reg.rflags & X86_EFLAGS_TF || in->posted || in->ops->interrupted(in)) &&
		    index_reg(in, REG_RCX))
			return INTERP_DONE;
	}
	if (i < STRING_MAX_ITERATIONS || !index_reg(in, REG_RCX))
		next_rip(in);
	return INTERP_DONE;
}

/* String instructions, with REP or without. */
int exec_string(struct interp *in)
{
	u64 one = 1;
	int r;

	if (in->insn.rep)
		return exec_rep(in);
	r = iteration(in, &one);
	if (!r)
		next_rip(in);
	return r;
}
