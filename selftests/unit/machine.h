/* SPDX-License-Identifier: GPL-2.0 */
/* A machine without a processor: memory, a device window and ports around struct interp. */
#ifndef UNIT_MACHINE_H
#define UNIT_MACHINE_H

#include "insn.h"

#ifndef MACHINE_MEMORY
#define MACHINE_MEMORY 0x200000
#define MACHINE_ROM    0x1f0000 /* from here on memory is read-only */
#endif
#define MACHINE_DEVICES 0x10000000 /* device window; served by "user space" when user is set */
#define MACHINE_EVENTS  64

/* What the machine was asked, in order. */
struct machine_event {
	char kind; /* r, w: devices; i, o: ports; x: compare and exchange */
	u64 addr, data;
	u32 len, count;
};

struct machine {
	struct interp in;
	u8 *memory;
	u64 memory_base;
	bool user; /* device reads and writes, and ports, wait for user space */
	u64 xmm[16][2];
	u64 device_value; /* what device reads return, incremented each time */
	u8 port_data[INTERP_IO_MAX];
	struct machine_event events[MACHINE_EVENTS];
	unsigned int nevents;
	char last; /* kind of the last event */
	bool interrupt_pending;
	unsigned int lose_races; /* this many exchanges find another value */
	u64 no_page;             /* the page of memory that the host does not have, 0: it has all */
};

struct machine *machine_new(enum interp_mode mode);
void machine_free(struct machine *m);
/* Set the instruction, decode and execute it once. INTERP_* */
int machine_try(struct machine *m, const void *bytes, unsigned int len);
/* The same until it is over, with "user space" answering; counts the round trips. */
int machine_run(struct machine *m, const void *bytes, unsigned int len, unsigned int *trips);
u64 machine_peek(struct machine *m, u64 addr, unsigned int len);
void machine_poke(struct machine *m, u64 addr, unsigned int len, u64 val);

#define GPR(m, name) ((m)->in.reg.gpr[REG_##name])

/* Was the event so? The data of reads does not count. */
static inline bool is_event(struct machine *m, unsigned int nr, char kind, u64 addr, u32 len,
			    u64 data)
{
	const struct machine_event *e = &m->events[nr];

	return nr < m->nevents && e->kind == kind && e->addr == addr && e->len == len &&
	       (kind == 'r' || kind == 'i' || e->data == data);
}

#define WITH_ERROR 0x100

/* Vector and WITH_ERROR of the fault, when r is one; a negative number otherwise. */
static inline int fault_of(struct machine *m, int r)
{
	if (r != INTERP_FAULT)
		return -r - 1;
	return m->in.fault.vector | m->in.fault.has_error << 8;
}

/* Execute a literal: TRY(m, "\x90") */
#define TRY(m, literal)        machine_try(m, literal, sizeof(literal) - 1)
#define RUN(m, literal, trips) machine_run(m, literal, sizeof(literal) - 1, trips)

#endif
