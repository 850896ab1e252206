// SPDX-License-Identifier: GPL-2.0
/*
 * Memory and ports as an instruction sees them: segment checks, translation, the split into
 * physical pieces, and the log of device accesses.
 */
#include "insn.h"

bool mem_canonical(const struct interp *in, gva_t addr)
{
	unsigned int shift = in->cr4 & X86_CR4_LA57 ? 64 - 57 : 64 - 48;

	return (u64)((s64)(addr << shift) >> shift) == addr;
}

static int fault_segment(struct interp *in, u8 seg)
{
	return fault_code(in, seg == SEG_SS ? VEC_SS : VEC_GP, 0);
}

static int linear_long(struct interp *in, u8 seg, u64 offset, unsigned int len, gva_t *addr)
{
	u64 base = seg == SEG_FS || seg == SEG_GS ? in->seg[seg].base : 0;

	*addr = base + offset;
	if (mem_canonical(in, *addr) && mem_canonical(in, *addr + len - 1))
		return INTERP_DONE;
	return fault_segment(in, seg);
}

static bool segment_allows(const struct interp *in, const struct segment *s, bool write)
{
	u16 type = s->attr & SEG_TYPE_MASK;

	if (in->mode == INTERP_REAL || in->mode == INTERP_VM86)
		return true;
	if (s->attr & SEG_UNUSABLE || !(s->attr & SEG_P))
		return false;
	if (type & 8)			/* code: readable at most */
		return !write && type & 2;
	return !write || type & 2;
}

/* APM vol. 2, 4.12: limits; expand-down data segments are valid above the limit. */
static bool within_limit(const struct segment *s, u64 offset, unsigned int len)
{
	u64 last = offset + len - 1;

	if (s->attr & 8 || !(s->attr & 4))
		return last <= s->limit;
	return offset > s->limit && last <= (s->attr & SEG_DB ? 0xffffffff : 0xffff);
}

int mem_linear(struct interp *in, u8 seg, u64 offset, unsigned int len, bool write, gva_t *addr)
{
	const struct segment *s = &in->seg[seg];

	if (in->mode == INTERP_LONG)
		return linear_long(in, seg, offset, len, addr);
	if (!segment_allows(in, s, write) || !within_limit(s, offset, len))
		return fault_segment(in, seg);
	*addr = (u32)(s->base + offset);
	return INTERP_DONE;
}

int span_map(struct interp *in, gva_t addr, unsigned int len, u32 access, struct interp_span *span)
{
	unsigned int first = 4096 - (addr & 4095);
	struct interp_walk walk;
	int r;

	if (in->cpl == 3 && !(access & ACCESS_IMPLICIT))
		access |= ACCESS_USER;
	first = first < len ? first : len;
	r = interp_walk(in, addr, access, &walk);
	if (r)
		return r;
	*span = (struct interp_span){ .gpa[0] = walk.gpa, .len[0] = first, .valid = true };
	if (first == len)
		return INTERP_DONE;
	addr += first;
	/* Tables have 64-bit bases in compatibility mode too. */
	if (!(access & ACCESS_IMPLICIT ? in->efer & IEFER_LMA : in->mode == INTERP_LONG))
		addr = (u32)addr;
	r = interp_walk(in, addr, access, &walk);
	span->gpa[1] = walk.gpa;
	span->len[1] = len - first;
	return r;
}

/* The next entry of the log, or NULL: the access has not been made yet. */
static int log_next(struct interp *in, u8 kind, u64 addr, unsigned int len,
		    struct interp_access **entry, bool *replay)
{
	if (in->log_pos >= INTERP_LOG_MAX)
		return INTERP_UNKNOWN;
	*entry = &in->log[in->log_pos];
	*replay = in->log_pos < in->log_len;
	if (!*replay) {
		**entry = (struct interp_access){ .kind = kind, .len = len, .addr = addr };
		return INTERP_DONE;
	}
	if ((*entry)->kind != kind || (*entry)->addr != addr || (*entry)->len != (u8)len)
		return INTERP_RETRY;
	in->log_pos++;
	return INTERP_DONE;
}

static void log_done(struct interp *in)
{
	in->log_pos++;
	in->log_len = in->log_pos;
}

/*
 * One access to a device. A write that is on its way to user space comes before any other access:
 * that one waits.
 */
static int mmio_access(struct interp *in, gpa_t gpa, void *buf, unsigned int len, bool write)
{
	struct interp_access *entry;
	bool replay;
	int r;

	r = log_next(in, write ? LOG_MMIO_WRITE : LOG_MMIO_READ, gpa, len, &entry, &replay);
	if (r)
		return r;
	if (!replay && in->posted)
		return INTERP_USER;
	if (!replay) {
		r = write ? in->ops->mmio_write(in, gpa, buf, len) :
			    in->ops->mmio_read(in, gpa, &entry->data, len);
		if (r && !write)
			return r;
		in->posted = r == INTERP_USER;
		log_done(in);
	}
	if (!write)
		memcpy(buf, &entry->data, len);
	return INTERP_DONE;
}

/* One physical piece: memory, else devices in fragments of 8 bytes. */
static int piece_copy(struct interp *in, gpa_t gpa, u8 *buf, unsigned int len, bool write)
{
	unsigned int n;
	int r;

	r = write ? in->ops->phys_write(in, gpa, buf, len) : in->ops->phys_read(in, gpa, buf, len);
	if (r != INTERP_NOT_MEMORY)
		return r;
	for (; len; len -= n, gpa += n, buf += n) {
		n = len < 8 ? len : 8;
		r = mmio_access(in, gpa, buf, n, write);
		if (r)
			return r;
	}
	return INTERP_DONE;
}

int span_copy(struct interp *in, const struct interp_span *span, void *buf, bool write)
{
	int r = piece_copy(in, span->gpa[0], buf, span->len[0], write);

	if (r || !span->len[1])
		return r;
	return piece_copy(in, span->gpa[1], (u8 *)buf + span->len[0], span->len[1], write);
}

/*
 * Locked update. A misaligned operand in memory is read and written, not exchanged: processors
 * may do that in two steps too as long as it is not one cache line (APM vol. 2, 7.3.1 promises
 * atomicity, but no guest of today splits locks across lines).
 */
int span_update(struct interp *in, const struct interp_span *span, u64 old, u64 new)
{
	unsigned int len = span->len[0];
	int r;

	if (span->len[1] || span->gpa[0] & (len - 1))
		return span_copy(in, span, &new, true);
	r = in->ops->phys_cmpxchg(in, span->gpa[0], old, new, len);
	if (r == INTERP_NOT_MEMORY)
		return span_copy(in, span, &new, true);
	return r < 0 ? INTERP_RETRY : r;
}

int seg_map(struct interp *in, u8 seg, u64 offset, unsigned int len, bool write,
	    struct interp_span *span)
{
	gva_t addr;
	int r = mem_linear(in, seg, offset, len, write, &addr);

	return r ? r : span_map(in, addr, len, write ? ACCESS_WRITE : 0, span);
}

int port_access(struct interp *in, u16 port, unsigned int size, unsigned int count, bool write)
{
	struct interp_access *entry;
	bool replay;
	int r;

	r = log_next(in, write ? LOG_PORT_OUT : LOG_PORT_IN, port, size, &entry, &replay);
	if (r)
		return r;
	if (replay)
		return entry->data == count ? INTERP_DONE : INTERP_RETRY;
	entry->data = count;
	if (in->posted)
		return INTERP_USER;
	r = write ? in->ops->port_out(in, port, size, in->io, count) :
		    in->ops->port_in(in, port, size, in->io, count);
	if (r && !write)
		return r;
	in->posted = r == INTERP_USER;
	log_done(in);
	return INTERP_DONE;
}

/**
 * interp_served() - user space has made the access that INTERP_USER asked for
 * @in: the interpreter
 * @data: what an MMIO read returned, NULL for a port (its data is in io) and for writes
 * @len: bytes of @data, at most 8
 *
 * The access goes into the log; interp_execute() then runs the instruction from its start.
 */
void interp_served(struct interp *in, const void *data, unsigned int len)
{
	struct interp_access *entry = &in->log[in->log_len];

	if (in->log_len >= INTERP_LOG_MAX)
		return;
	if (data)
		memcpy(&entry->data, data, len < 8 ? len : 8);
	in->log_len++;
}
EXPORT_FOR_TEST(interp_served);
