// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <stdlib.h>

#include "machine.h"

static struct machine *owner(struct interp *in)
{
	return in->owner;
}

static u8 *ram(struct machine *m, u64 gpa, unsigned int len, bool write)
{
	u64 offset = gpa - m->memory_base;

	if (gpa < m->memory_base || offset >= MACHINE_MEMORY || offset + len > MACHINE_MEMORY)
		return NULL;
	return write && offset + len > MACHINE_ROM ? NULL : m->memory + offset;
}

static bool missing(const struct machine *m, u64 gpa)
{
	return m->no_page && gpa >> 12 == m->no_page >> 12;
}

static void note(struct machine *m, char kind, u64 addr, unsigned int len, unsigned int count,
		 u64 data)
{
	if (m->nevents < MACHINE_EVENTS)
		m->events[m->nevents] = (struct machine_event){ kind, addr, data, len, count };
	m->nevents++;
	m->last = kind;
}

static int phys_read(struct interp *in, gpa_t gpa, void *buf, unsigned int len)
{
	u8 *p = ram(owner(in), gpa, len, false);

	if (p && missing(owner(in), gpa))
		return INTERP_NO_PAGE;
	if (!p)
		return INTERP_NOT_MEMORY;
	memcpy(buf, p, len);
	return 0;
}

static int phys_write(struct interp *in, gpa_t gpa, const void *buf, unsigned int len)
{
	u8 *p = ram(owner(in), gpa, len, true);

	if (p && missing(owner(in), gpa))
		return INTERP_NO_PAGE;
	if (!p)
		return INTERP_NOT_MEMORY;
	memcpy(p, buf, len);
	return 0;
}

static int phys_cmpxchg(struct interp *in, gpa_t gpa, u64 old, u64 new, unsigned int len)
{
	struct machine *m = owner(in);
	u8 *p = ram(m, gpa, len, true);

	if (p && missing(m, gpa))
		return INTERP_NO_PAGE;
	if (!p)
		return INTERP_NOT_MEMORY;
	note(m, 'x', gpa, len, 1, size_mask(len) & new);
	if (m->lose_races) {
		m->lose_races--;
		return -1;
	}
	if (memcmp(p, &old, len))
		return -1;
	memcpy(p, &new, len);
	return 0;
}

static bool is_memory(struct interp *in, gpa_t gpa, bool write)
{
	return ram(owner(in), gpa, 1, write);
}

static int mmio_read(struct interp *in, gpa_t gpa, void *buf, unsigned int len)
{
	struct machine *m = owner(in);

	note(m, 'r', gpa, len, 1, 0);
	if (m->user)
		return INTERP_USER;
	memcpy(buf, &m->device_value, len);
	m->device_value++;
	return INTERP_DONE;
}

static int mmio_write(struct interp *in, gpa_t gpa, const void *buf, unsigned int len)
{
	struct machine *m = owner(in);
	u64 val = 0;

	memcpy(&val, buf, len);
	note(m, 'w', gpa, len, 1, val);
	return m->user ? INTERP_USER : INTERP_DONE;
}

static int port_in(struct interp *in, u16 port, unsigned int size, void *buf, unsigned int count)
{
	struct machine *m = owner(in);

	note(m, 'i', port, size, count, 0);
	if (m->user)
		return INTERP_USER;
	memcpy(buf, m->port_data, size * count);
	return INTERP_DONE;
}

static int port_out(struct interp *in, u16 port, unsigned int size, const void *buf,
		    unsigned int count)
{
	struct machine *m = owner(in);
	u64 val = 0;

	memcpy(&val, buf, size * count < 8 ? size * count : 8);
	memcpy(m->port_data, buf, size * count);
	note(m, 'o', port, size, count, val);
	return m->user ? INTERP_USER : INTERP_DONE;
}

static bool interrupted(struct interp *in)
{
	return owner(in)->interrupt_pending;
}

static void xmm(struct interp *in, u8 reg, u64 val[2], bool write)
{
	u64 *state = owner(in)->xmm[reg];

	memcpy(write ? state : val, write ? val : state, 16);
}

static const struct interp_ops ops = {
	.phys_read = phys_read,
	.phys_write = phys_write,
	.phys_cmpxchg = phys_cmpxchg,
	.is_memory = is_memory,
	.mmio_read = mmio_read,
	.mmio_write = mmio_write,
	.port_in = port_in,
	.port_out = port_out,
	.interrupted = interrupted,
	.xmm = xmm,
};

static void set_segments(struct interp *in, enum interp_mode mode)
{
	bool real = mode == INTERP_REAL || mode == INTERP_VM86;
	unsigned int i;

	for (i = 0; i < SEG_COUNT; i++) {
		in->seg[i].limit = real ? 0xffff : 0xffffffff;
		in->seg[i].attr = SEG_P | SEG_S | 3;
		if (mode == INTERP_PROT32)
			in->seg[i].attr |= SEG_DB | SEG_G;
	}
	in->seg[SEG_CS].attr |= 8;
	if (mode == INTERP_LONG)
		in->seg[SEG_CS].attr |= SEG_L;
}

struct machine *machine_new(enum interp_mode mode)
{
	struct machine *m = calloc(1, sizeof(*m));

	if (!m)
		abort();
	m->memory = calloc(1, MACHINE_MEMORY);
	if (!m->memory)
		abort();
	m->in.ops = &ops;
	m->in.owner = m;
	m->in.mode = mode;
	m->in.reg.rflags = X86_EFLAGS_FIXED;
	m->in.cr0 = mode == INTERP_REAL ? 0 : X86_CR0_PE;
	if (mode == INTERP_VM86) {
		m->in.reg.rflags |= X86_EFLAGS_VM;
		m->in.cpl = 3;
	}
	if (mode == INTERP_LONG) {
		m->in.efer = IEFER_LMA | IEFER_NXE;
		m->in.cr4 = X86_CR4_PAE;
	}
	set_segments(&m->in, mode);
	return m;
}

void machine_free(struct machine *m)
{
	free(m->memory);
	free(m);
}

int machine_try(struct machine *m, const void *bytes, unsigned int len)
{
	int r;

	memset(m->in.bytes, 0xcc, sizeof(m->in.bytes));
	memcpy(m->in.bytes, bytes, len);
	m->in.nbytes = len;
	m->in.log_len = 0;
	m->nevents = 0;
	r = interp_decode(&m->in);
	return r ? r : interp_execute(&m->in);
}

int machine_run(struct machine *m, const void *bytes, unsigned int len, unsigned int *trips)
{
	int r = machine_try(m, bytes, len);

	for (*trips = 0; *trips < 64; ++*trips) {
		if (m->in.posted) {
			if (r == INTERP_DONE) {
				++*trips;
				return r;
			}
		} else if (r != INTERP_USER) {
			return r;
		} else if (m->last == 'i') {
			memcpy(m->in.io, m->port_data, INTERP_IO_MAX);
			interp_served(&m->in, NULL, 0);
		} else {
			interp_served(&m->in, &m->device_value, 8);
			m->device_value++;
		}
		r = interp_execute(&m->in);
	}
	return r;
}

u64 machine_peek(struct machine *m, u64 addr, unsigned int len)
{
	u64 val = 0;

	memcpy(&val, m->memory + addr, len);
	return val;
}

void machine_poke(struct machine *m, u64 addr, unsigned int len, u64 val)
{
	memcpy(m->memory + addr, &val, len);
}
