// SPDX-License-Identifier: GPL-2.0
/* The executor's dealings with its surroundings: devices, ports, segments, stacks, faults. */
#include <stdlib.h>

#include "machine.h"
#include "tap.h"

#define DEV MACHINE_DEVICES

/* ---- devices ---- */

static void device_read_by_user(void)
{
	struct machine *m = machine_new(INTERP_LONG);
	unsigned int trips;

	m->user = true;
	m->device_value = 0x1122334455667788;
	GPR(m, RBX) = DEV + 0x300;
	GPR(m, RAX) = ~0ULL;
	m->in.reg.rip = 0x1000;
	CHECK_EQ(TRY(m, "\x8b\x03"), INTERP_USER); /* mov eax, [rbx] */
	CHECK_EQ(GPR(m, RAX), ~0ULL);
	CHECK_EQ(m->in.reg.rip, 0x1000);
	CHECK_EQ(RUN(m, "\x8b\x03", &trips), INTERP_DONE);
	CHECK_EQ(trips, 1);
	CHECK_EQ(GPR(m, RAX), 0x55667788);
	CHECK_EQ(m->in.reg.rip, 0x1002);
	CHECK_EQ(m->nevents, 1);
	CHECK(is_event(m, 0, 'r', DEV + 0x300, 4, 0));
	machine_free(m);
}

/* Memory is no device because the host has no page for it at this moment, and no access is lost. */
static void host_has_no_page(void)
{
	struct machine *m = machine_new(INTERP_LONG);

	m->no_page = 0x5000;
	m->device_value = 0x77;
	GPR(m, RBX) = 0x5000;
	CHECK_EQ(TRY(m, "\x8b\x03"), INTERP_NO_PAGE);     /* mov eax, [rbx] */
	CHECK_EQ(TRY(m, "\x89\x03"), INTERP_NO_PAGE);     /* mov [rbx], eax */
	CHECK_EQ(TRY(m, "\xf0\x01\x03"), INTERP_NO_PAGE); /* lock add [rbx], eax */
	CHECK_EQ(m->nevents, 0);
	GPR(m, RSI) = DEV;
	GPR(m, RDI) = 0x5000;
	CHECK_EQ(TRY(m, "\x48\xa5"), INTERP_NO_PAGE); /* movsq */
	CHECK_EQ(GPR(m, RSI), DEV);
	m->no_page = 0;
	CHECK_EQ(interp_execute(&m->in), INTERP_DONE);
	CHECK_EQ(m->nevents, 1);
	CHECK_EQ(machine_peek(m, 0x5000, 8), 0x77);
	CHECK_EQ(GPR(m, RDI), 0x5008);
	machine_free(m);
}

static void device_write_is_posted(void)
{
	struct machine *m = machine_new(INTERP_LONG);

	m->user = true;
	GPR(m, RBX) = DEV + 0xb0;
	CHECK_EQ(TRY(m, "\xc7\x03\x01\x02\x03\x84"), INTERP_DONE); /* mov dword [rbx], imm */
	CHECK(m->in.posted);
	CHECK_EQ(m->in.reg.rip, 6);
	CHECK(is_event(m, 0, 'w', DEV + 0xb0, 4, 0x84030201));
	machine_free(m);
}

static void device_read_modify_write(void)
{
	struct machine *m = machine_new(INTERP_LONG);
	unsigned int trips;

	m->user = true;
	m->device_value = 0xfffffffe;
	GPR(m, RBX) = DEV;
	GPR(m, RAX) = 3;
	CHECK_EQ(RUN(m, "\xf0\x01\x03", &trips), INTERP_DONE); /* lock add [rbx], eax */
	CHECK_EQ(trips, 2);
	CHECK_EQ(m->nevents, 2);
	CHECK(is_event(m, 0, 'r', DEV, 4, 0));
	CHECK(is_event(m, 1, 'w', DEV, 4, 1));
	CHECK(m->in.reg.rflags & X86_EFLAGS_CF);
	machine_free(m);
}

static void device_to_device(void)
{
	struct machine *m = machine_new(INTERP_LONG);
	unsigned int trips;

	m->user = true;
	m->device_value = 0x77;
	GPR(m, RSI) = DEV;
	GPR(m, RDI) = DEV + 0x1000;
	CHECK_EQ(RUN(m, "\x48\xa5", &trips), INTERP_DONE); /* movsq */
	CHECK_EQ(trips, 2);
	CHECK(is_event(m, 0, 'r', DEV, 8, 0));
	CHECK(is_event(m, 1, 'w', DEV + 0x1000, 8, 0x77));
	CHECK_EQ(GPR(m, RSI), DEV + 8);
	CHECK_EQ(GPR(m, RDI), DEV + 0x1008);
	machine_free(m);
}

/* Nothing to flush, but no mistake either. */
static void device_cache_line(void)
{
	struct machine *m = machine_new(INTERP_LONG);

	GPR(m, RBX) = DEV;
	CHECK_EQ(TRY(m, "\x0f\xae\x3b"), INTERP_DONE);     /* clflush [rbx] */
	CHECK_EQ(TRY(m, "\x66\x0f\xae\x3b"), INTERP_DONE); /* clflushopt [rbx] */
	CHECK_EQ(m->in.reg.rip, 7);
	CHECK_EQ(m->nevents, 0);
	CHECK_EQ(TRY(m, "\x0f\xae\x13"), INTERP_UNKNOWN); /* ldmxcsr [rbx] */
	machine_free(m);
}

static void device_fragments(void)
{
	struct machine *m = machine_new(INTERP_LONG);
	unsigned int trips;

	m->user = true;
	GPR(m, RBX) = DEV + 0xffd;
	GPR(m, RAX) = 0x8877665544332211;
	CHECK_EQ(RUN(m, "\x48\x89\x03", &trips), INTERP_DONE); /* across a page */
	CHECK_EQ(trips, 2);
	CHECK_EQ(m->nevents, 2);
	CHECK(is_event(m, 0, 'w', DEV + 0xffd, 3, 0x332211));
	CHECK(is_event(m, 1, 'w', DEV + 0x1000, 5, 0x8877665544));

	m->device_value = 0x10;
	GPR(m, RBX) = DEV + 0x20;
	GPR(m, RAX) = 0x10;
	GPR(m, RDX) = 0x11;
	GPR(m, RCX) = 0xcc;
	CHECK_EQ(RUN(m, "\x48\x0f\xc7\x0b", &trips), INTERP_DONE); /* cmpxchg16b [rbx] */
	CHECK_EQ(trips, 4);
	CHECK_EQ(m->nevents, 4);
	CHECK(is_event(m, 2, 'w', DEV + 0x20, 8, DEV + 0x20));
	CHECK(is_event(m, 3, 'w', DEV + 0x28, 8, 0xcc));
	m->device_value = 0x10;
	CHECK_EQ(RUN(m, "\xf0\x48\x0f\xc7\x0b", &trips), INTERP_DONE); /* with LOCK */
	CHECK(is_event(m, 3, 'w', DEV + 0x28, 8, 0xcc));
	CHECK(m->in.reg.rflags & X86_EFLAGS_ZF);
	machine_free(m);
}

static void memory_and_device(void)
{
	struct machine *m = machine_new(INTERP_LONG);

	GPR(m, RBX) = MACHINE_ROM - 4;
	GPR(m, RAX) = 0x8877665544332211;
	CHECK_EQ(TRY(m, "\x48\x89\x03"), INTERP_DONE);
	CHECK_EQ(m->nevents, 1);
	CHECK(is_event(m, 0, 'w', MACHINE_ROM, 4, 0x88776655));
	CHECK_EQ(machine_peek(m, MACHINE_ROM - 4, 4), 0x44332211);
	machine_free(m);
}

static void read_only_memory(void)
{
	struct machine *m = machine_new(INTERP_LONG);

	machine_poke(m, MACHINE_ROM + 8, 4, 5);
	GPR(m, RBX) = MACHINE_ROM + 8;
	CHECK_EQ(TRY(m, "\x83\x03\x02"), INTERP_DONE); /* add dword [rbx], 2 */
	CHECK_EQ(m->nevents, 1);
	CHECK(is_event(m, 0, 'w', MACHINE_ROM + 8, 4, 7));
	CHECK_EQ(machine_peek(m, MACHINE_ROM + 8, 4), 5);
	machine_free(m);
}

static void replay_of_another_access(void)
{
	struct machine *m = machine_new(INTERP_LONG);
	u64 data = 1;

	m->user = true;
	GPR(m, RBX) = DEV;
	CHECK_EQ(TRY(m, "\x8b\x03"), INTERP_USER);
	interp_served(&m->in, &data, 8);
	GPR(m, RBX) = DEV + 8; /* user space has changed a register meanwhile */
	CHECK_EQ(interp_execute(&m->in), INTERP_RETRY);
	CHECK_EQ(m->nevents, 1);
	GPR(m, RCX) = 3;
	CHECK_EQ(TRY(m, "\xf3\x6c"), INTERP_USER); /* rep insb */
	interp_served(&m->in, NULL, 0);
	GPR(m, RCX) = 2;
	CHECK_EQ(interp_execute(&m->in), INTERP_RETRY);
	machine_free(m);
}

static void too_many_accesses(void)
{
	struct machine *m = machine_new(INTERP_PROT32);
	unsigned int trips;

	m->user = true;
	GPR(m, RSP) = DEV + 0x1000;
	CHECK_EQ(RUN(m, "\x60", &trips), INTERP_DONE); /* pusha: eight */
	CHECK_EQ(trips, 8);
	/* Nothing that exists makes more than the log holds; a log that is full is refused. */
	memset(m->in.log, 0, sizeof(m->in.log));
	m->in.log_len = INTERP_LOG_MAX;
	interp_served(&m->in, NULL, 0);
	CHECK_EQ(m->in.log_len, INTERP_LOG_MAX);
	machine_free(m);
}

/* ---- atomicity ---- */

static void locked_updates(void)
{
	struct machine *m = machine_new(INTERP_LONG);

	machine_poke(m, 0x1000, 8, 10);
	GPR(m, RBX) = 0x1000;
	GPR(m, RAX) = 5;
	CHECK_EQ(TRY(m, "\x01\x03"), INTERP_DONE); /* add: no exchange */
	CHECK_EQ(m->nevents, 0);
	CHECK_EQ(TRY(m, "\xf0\x01\x03"), INTERP_DONE);
	CHECK(is_event(m, 0, 'x', 0x1000, 4, 20));
	CHECK_EQ(TRY(m, "\x87\x03"), INTERP_DONE); /* xchg: locked without LOCK */
	CHECK(is_event(m, 0, 'x', 0x1000, 4, 5));
	CHECK_EQ(GPR(m, RAX), 20);
	machine_free(m);
}

static void lost_race(void)
{
	struct machine *m = machine_new(INTERP_LONG);

	machine_poke(m, 0x1000, 8, 10);
	GPR(m, RBX) = 0x1000;
	GPR(m, RAX) = 5;
	m->lose_races = 1;
	CHECK_EQ(TRY(m, "\xf0\x0f\xc1\x03"), INTERP_RETRY); /* lock xadd */
	CHECK_EQ(GPR(m, RAX), 5);
	CHECK_EQ(m->in.reg.rip, 0);
	CHECK_EQ(m->in.reg.rflags, X86_EFLAGS_FIXED);
	CHECK_EQ(TRY(m, "\xf0\x0f\xc1\x03"), INTERP_DONE);
	CHECK_EQ(GPR(m, RAX), 10);
	CHECK_EQ(machine_peek(m, 0x1000, 4), 15);
	machine_free(m);
}

static void compare_exchange_pairs(void)
{
	struct machine *m = machine_new(INTERP_LONG);

	machine_poke(m, 0x1000, 8, 0x200000001);
	GPR(m, RDI) = 0x1000;
	GPR(m, RBX) = 0x11;
	GPR(m, RCX) = 0x22;
	CHECK_EQ(TRY(m, "\x0f\xc7\x0f"), INTERP_DONE); /* cmpxchg8b [rdi] */
	CHECK_EQ(GPR(m, RAX), 1);
	CHECK_EQ(GPR(m, RDX), 2);
	CHECK(!(m->in.reg.rflags & X86_EFLAGS_ZF));
	CHECK_EQ(TRY(m, "\xf0\x0f\xc7\x0f"), INTERP_DONE);
	CHECK(m->in.reg.rflags & X86_EFLAGS_ZF);
	CHECK_EQ(machine_peek(m, 0x1000, 8), 0x2200000011);
	/* 16 bytes of memory: left to the processor */
	CHECK_EQ(TRY(m, "\x48\x0f\xc7\x0f"), INTERP_RETRY);
	machine_free(m);
}

/* ---- strings and ports ---- */

static void rep_is_bounded(void)
{
	struct machine *m = machine_new(INTERP_LONG);

	GPR(m, RCX) = 10000;
	GPR(m, RDI) = 0x1000;
	GPR(m, RAX) = 0x5a;
	CHECK_EQ(TRY(m, "\xf3\xaa"), INTERP_DONE); /* rep stosb */
	CHECK_EQ(m->in.reg.rip, 0);
	CHECK(GPR(m, RCX) > 0 && GPR(m, RCX) < 10000);
	CHECK_EQ(GPR(m, RDI) - 0x1000, 10000 - GPR(m, RCX));
	while (GPR(m, RCX))
		CHECK_EQ(TRY(m, "\xf3\xaa"), INTERP_DONE);
	CHECK_EQ(m->in.reg.rip, 2);
	CHECK_EQ(machine_peek(m, 0x1000 + 9999, 2), 0x5a);
	machine_free(m);
}

static void rep_is_interruptible(void)
{
	struct machine *m = machine_new(INTERP_LONG);

	m->interrupt_pending = true;
	GPR(m, RCX) = 3;
	GPR(m, RSI) = 0x1000;
	GPR(m, RDI) = 0x2000;
	CHECK_EQ(TRY(m, "\xf3\xa4"), INTERP_DONE);
	CHECK_EQ(GPR(m, RCX), 2);
	CHECK_EQ(m->in.reg.rip, 0);
	CHECK_EQ(TRY(m, "\xf3\xa4"), INTERP_DONE);
	CHECK_EQ(TRY(m, "\xf3\xa4"), INTERP_DONE);
	CHECK_EQ(m->in.reg.rip, 2);
	CHECK_EQ(TRY(m, "\xf3\xa4"), INTERP_DONE); /* a count of 0 */
	CHECK_EQ(m->in.reg.rip, 4);
	CHECK_EQ(GPR(m, RDI), 0x2003);
	/* A single step takes one iteration at a time. */
	m->interrupt_pending = false;
	m->in.reg.rflags |= X86_EFLAGS_TF;
	GPR(m, RCX) = 3;
	CHECK_EQ(TRY(m, "\xf3\xa4"), INTERP_DONE);
	CHECK_EQ(GPR(m, RCX), 2);
	machine_free(m);
}

static void rep_to_device_by_user(void)
{
	struct machine *m = machine_new(INTERP_LONG);

	m->user = true;
	GPR(m, RCX) = 2;
	GPR(m, RSI) = 0x1000;
	GPR(m, RDI) = DEV;
	machine_poke(m, 0x1000, 8, 0x4443424134333231);
	CHECK_EQ(TRY(m, "\xf3\xa5"), INTERP_DONE);
	CHECK(m->in.posted);
	CHECK_EQ(GPR(m, RCX), 1);
	CHECK_EQ(m->in.reg.rip, 0);
	CHECK(is_event(m, 0, 'w', DEV, 4, 0x34333231));
	CHECK_EQ(TRY(m, "\xf3\xa5"), INTERP_DONE);
	CHECK_EQ(m->in.reg.rip, 2);
	CHECK(is_event(m, 0, 'w', DEV + 4, 4, 0x44434241));
	machine_free(m);
}

static void rep_fault_in_between(void)
{
	struct machine *m = machine_new(INTERP_PROT32);

	m->in.seg[SEG_ES].limit = 0x1007;
	GPR(m, RCX) = 5;
	GPR(m, RDI) = 0x1000;
	CHECK_EQ(TRY(m, "\xf3\xab"), INTERP_FAULT); /* rep stosd */
	CHECK_EQ(m->in.fault.vector, VEC_GP);
	CHECK_EQ(GPR(m, RCX), 3);
	CHECK_EQ(GPR(m, RDI), 0x1008);
	CHECK_EQ(m->in.reg.rip, 0);
	machine_free(m);
}

static void outs_in_batches(void)
{
	struct machine *m = machine_new(INTERP_LONG);

	GPR(m, RDX) = 0x3f8;
	GPR(m, RCX) = 100;
	GPR(m, RSI) = 0x1fd0;
	machine_poke(m, 0x1fd0, 8, 0x1122334455667788);
	CHECK_EQ(TRY(m, "\xf3\x6e"), INTERP_DONE); /* rep outsb */
	CHECK_EQ(m->nevents, 2);                   /* up to the page's end; the rest */
	CHECK(is_event(m, 0, 'o', 0x3f8, 1, 0x1122334455667788));
	CHECK_EQ(m->events[0].count, 48);
	CHECK_EQ(m->events[1].count, 52);
	CHECK_EQ(GPR(m, RCX), 0);
	CHECK_EQ(GPR(m, RSI), 0x1fd0 + 100);
	machine_free(m);
}

static void ins_in_batches(void)
{
	struct machine *m = machine_new(INTERP_REAL);
	unsigned int i, trips;

	m->user = true;
	for (i = 0; i < 512; i++)
		m->port_data[i] = i * 7;
	GPR(m, RDX) = 0x1f0;
	GPR(m, RCX) = 256;
	GPR(m, RDI) = 0x800;
	m->in.seg[SEG_ES].base = 0x4000;
	CHECK_EQ(RUN(m, "\xf3\x6d", &trips), INTERP_DONE); /* rep insw: a sector */
	CHECK_EQ(trips, 1);
	CHECK_EQ(m->nevents, 1);
	CHECK_EQ(m->events[0].count, 256);
	CHECK_EQ(m->events[0].len, 2);
	CHECK(!memcmp(m->memory + 0x4800, m->port_data, 512));
	CHECK_EQ(GPR(m, RDI), 0xa00);
	CHECK_EQ(m->in.reg.rip, 2);
	machine_free(m);
}

static void ins_one_by_one(void)
{
	struct machine *m = machine_new(INTERP_LONG);

	m->in.reg.rflags |= X86_EFLAGS_DF;
	GPR(m, RDX) = 0x60;
	GPR(m, RCX) = 3;
	GPR(m, RDI) = 0x1000;
	m->port_data[0] = 0x99;
	CHECK_EQ(TRY(m, "\xf3\x6c"), INTERP_DONE);
	CHECK_EQ(m->nevents, 3);
	CHECK_EQ(GPR(m, RDI), 0xffd);
	CHECK_EQ(machine_peek(m, 0xffe, 3), 0x999999);
	/* To a device: each element is read, then written. */
	m->in.reg.rflags &= ~X86_EFLAGS_DF;
	GPR(m, RCX) = 2;
	GPR(m, RDI) = DEV;
	CHECK_EQ(TRY(m, "\xf3\x6c"), INTERP_DONE);
	CHECK_EQ(m->nevents, 4);
	CHECK(is_event(m, 1, 'w', DEV, 1, 0x99));
	machine_free(m);
}

static void ins_checks_before_it_reads(void)
{
	struct machine *m = machine_new(INTERP_PROT32);

	m->in.seg[SEG_ES].attr &= ~2; /* read-only */
	GPR(m, RDI) = 0x1000;
	CHECK_EQ(TRY(m, "\x6c"), INTERP_FAULT);
	CHECK_EQ(m->nevents, 0);
	machine_free(m);
}

static void port_permissions(void)
{
	struct machine *m = machine_new(INTERP_PROT32);

	m->in.cpl = 3;
	GPR(m, RDX) = 0x60;
	GPR(m, RDI) = 0x1000;
	CHECK_EQ(TRY(m, "\x6c"), INTERP_RETRY);
	m->in.port_checked = INTERP_PORT(0x60, 1, true);
	CHECK_EQ(TRY(m, "\x6c"), INTERP_DONE);
	CHECK_EQ(TRY(m, "\x6d"), INTERP_RETRY); /* 4 bytes */
	CHECK_EQ(TRY(m, "\x6e"), INTERP_RETRY); /* outs */
	GPR(m, RDX) = 0x61;
	CHECK_EQ(TRY(m, "\x6c"), INTERP_RETRY);
	CHECK_EQ(GPR(m, RDI), 0x1001);
	m->in.reg.rflags |= X86_EFLAGS_IOPL;
	CHECK_EQ(TRY(m, "\x6c"), INTERP_DONE);
	machine_free(m);
}

/* ---- segments ---- */

static void limits(void)
{
	struct machine *m = machine_new(INTERP_REAL);

	CHECK_EQ(fault_of(m, TRY(m, "\xa1\xff\xff")), VEC_GP); /* mov ax, [0xffff] */
	GPR(m, RBP) = 0xffff;
	CHECK_EQ(fault_of(m, TRY(m, "\x8b\x46\x00")), VEC_SS); /* mov ax, [bp] */
	CHECK_EQ(TRY(m, "\xa0\xff\xff"), INTERP_DONE);
	machine_free(m);

	m = machine_new(INTERP_PROT32);
	m->in.seg[SEG_DS].limit = 0xfff;
	CHECK_EQ(TRY(m, "\xa1\xfc\x0f\x00\x00"), INTERP_DONE);
	CHECK_EQ(fault_of(m, TRY(m, "\xa1\xfd\x0f\x00\x00")), VEC_GP | WITH_ERROR);
	m->in.seg[SEG_DS].attr |= 4; /* expand down */
	CHECK_EQ(TRY(m, "\xa1\x00\x10\x00\x00"), INTERP_DONE);
	CHECK_EQ(fault_of(m, TRY(m, "\xa1\xfd\x0f\x00\x00")), VEC_GP | WITH_ERROR);
	machine_free(m);
}

static void segment_types(void)
{
	struct machine *m = machine_new(INTERP_PROT32);

	m->in.seg[SEG_DS].attr &= ~2; /* read-only data */
	CHECK_EQ(TRY(m, "\xa1\x00\x10\x00\x00"), INTERP_DONE);
	CHECK_EQ(fault_of(m, TRY(m, "\xa3\x00\x10\x00\x00")), VEC_GP | WITH_ERROR);
	m->in.seg[SEG_CS].attr &= ~2; /* execute-only code */
	CHECK_EQ(fault_of(m, TRY(m, "\x2e\xa1\x00\x10\x00\x00")), VEC_GP | WITH_ERROR);
	m->in.seg[SEG_FS].attr = SEG_UNUSABLE;
	CHECK_EQ(fault_of(m, TRY(m, "\x64\xa1\x00\x10\x00\x00")), VEC_GP | WITH_ERROR);
	machine_free(m);
}

static void canonical_addresses(void)
{
	struct machine *m = machine_new(INTERP_LONG);

	GPR(m, RBX) = 0x800000000000;
	CHECK_EQ(fault_of(m, TRY(m, "\x8b\x03")), VEC_GP | WITH_ERROR);
	GPR(m, RBX) = 0x7fffffffffff; /* the last byte is beyond */
	CHECK_EQ(fault_of(m, TRY(m, "\x8b\x03")), VEC_GP | WITH_ERROR);
	CHECK_EQ(TRY(m, "\x8a\x03"), INTERP_DONE);
	GPR(m, RBP) = 1ULL << 63;
	CHECK_EQ(fault_of(m, TRY(m, "\x8b\x45\x00")), VEC_SS | WITH_ERROR);
	m->in.seg[SEG_GS].base = 0x1000;
	m->in.seg[SEG_DS].base = 0x5000; /* ignored */
	machine_poke(m, 0x1010, 4, 77);
	GPR(m, RBX) = 0x10;
	CHECK_EQ(TRY(m, "\x65\x8b\x03"), INTERP_DONE);
	CHECK_EQ(GPR(m, RAX), 77);
	CHECK_EQ(TRY(m, "\x3e\x8b\x03"), INTERP_DONE);
	CHECK_EQ(GPR(m, RAX), 0);
	GPR(m, RSI) = 0x10;
	CHECK_EQ(TRY(m, "\x65\xac"), INTERP_DONE); /* lodsb gs:[rsi] */
	CHECK_EQ(GPR(m, RAX), 77);
	machine_free(m);
}

static void selectors(void)
{
	struct machine *m = machine_new(INTERP_REAL);

	m->in.seg[SEG_SS].selector = 0x1234;
	CHECK_EQ(TRY(m, "\x8c\xd3"), INTERP_DONE); /* mov bx, ss */
	CHECK_EQ(GPR(m, RBX), 0x1234);
	GPR(m, RBX) = 0x1000;
	machine_poke(m, 0x1000, 4, ~0ULL);
	GPR(m, RDI) = 1;
	GPR(m, RAX) = 0xffef; /* bts word [di], ax: 17 bits below bit 0 */
	CHECK_EQ(TRY(m, "\x0f\xab\x05"), INTERP_DONE);
	CHECK_EQ(machine_peek(m, 0xfffd, 2), 0x8000);
	CHECK_EQ(TRY(m, "\x66\x8c\x17"), INTERP_DONE); /* mov [bx], ss: 16 bits in any case */
	CHECK_EQ(machine_peek(m, 0x1000, 4), 0xffff1234);
	GPR(m, RSP) = 0x2000;
	CHECK_EQ(TRY(m, "\x16"), INTERP_DONE); /* push ss */
	CHECK_EQ(machine_peek(m, 0x1ffe, 2), 0x1234);
	CHECK_EQ(fault_of(m, TRY(m, "\x8c\xf3")), VEC_UD);
	machine_free(m);
}

static void machine_status_word(void)
{
	struct machine *m = machine_new(INTERP_LONG);

	m->in.cr0 = 0x80050033;
	CHECK_EQ(TRY(m, "\x0f\x01\xe0"), INTERP_DONE); /* smsw eax */
	CHECK_EQ(GPR(m, RAX), 0x80050033);
	GPR(m, RAX) = 0xfff8;
	CHECK_EQ(TRY(m, "\x0f\x01\xf0"), INTERP_DONE); /* lmsw ax: PE stays */
	CHECK_EQ(m->in.cr0, 0x80050039);
	CHECK(m->in.cr0_changed);
	CHECK_EQ(TRY(m, "\x0f\x06"), INTERP_DONE); /* clts */
	CHECK_EQ(m->in.cr0, 0x80050031);
	m->in.cpl = 1;
	CHECK_EQ(fault_of(m, TRY(m, "\x0f\x06")), VEC_GP | WITH_ERROR);
	CHECK_EQ(TRY(m, "\x0f\x01\xe0"), INTERP_DONE);
	m->in.cr4 |= X86_CR4_UMIP;
	CHECK_EQ(fault_of(m, TRY(m, "\x0f\x01\xe0")), VEC_GP | WITH_ERROR);
	machine_free(m);
}

/* ---- stack and control flow ---- */

static void push_and_pop(void)
{
	struct machine *m = machine_new(INTERP_LONG);

	GPR(m, RSP) = 0x8000;
	GPR(m, RAX) = 0x1122334455667788;
	CHECK_EQ(TRY(m, "\x50"), INTERP_DONE);
	CHECK_EQ(GPR(m, RSP), 0x7ff8);
	CHECK_EQ(TRY(m, "\x6a\xff"), INTERP_DONE); /* push -1 */
	CHECK_EQ(machine_peek(m, 0x7ff0, 8), ~0ULL);
	CHECK_EQ(TRY(m, "\x54"), INTERP_DONE); /* push rsp: the old value */
	CHECK_EQ(machine_peek(m, 0x7fe8, 8), 0x7ff0);
	CHECK_EQ(TRY(m, "\x8f\x44\x24\x08"), INTERP_DONE); /* pop [rsp+8], with the new RSP */
	CHECK_EQ(machine_peek(m, 0x7ff8, 8), 0x7ff0);
	CHECK_EQ(TRY(m, "\x5c"), INTERP_DONE); /* pop rsp */
	CHECK_EQ(GPR(m, RSP), ~0ULL);
	machine_free(m);
}

static void stack_wraps_at_64k(void)
{
	struct machine *m = machine_new(INTERP_REAL);

	GPR(m, RSP) = 0xabcd0000;
	GPR(m, RAX) = 0x1234;
	CHECK_EQ(TRY(m, "\x50"), INTERP_DONE);
	CHECK_EQ(GPR(m, RSP), 0xabcdfffe);
	CHECK_EQ(machine_peek(m, 0xfffe, 2), 0x1234);
	GPR(m, RSP) = 1;
	CHECK_EQ(fault_of(m, TRY(m, "\x50")), VEC_SS);
	CHECK_EQ(GPR(m, RSP), 1);
	machine_free(m);
}

static void all_registers(void)
{
	struct machine *m = machine_new(INTERP_PROT32);
	unsigned int i;

	for (i = 0; i < 8; i++)
		m->in.reg.gpr[i] = 0x100 + i;
	GPR(m, RSP) = 0x8000;
	CHECK_EQ(TRY(m, "\x60"), INTERP_DONE);
	CHECK_EQ(GPR(m, RSP), 0x7fe0);
	CHECK_EQ(machine_peek(m, 0x7fec, 4), 0x8000); /* RSP as it was */
	for (i = 0; i < 8; i++) {
		if (i != REG_RSP)
			m->in.reg.gpr[i] = 0;
	}
	CHECK_EQ(TRY(m, "\x61"), INTERP_DONE);
	for (i = 0; i < 8; i++)
		CHECK_EQ(m->in.reg.gpr[i], i == REG_RSP ? 0x8000 : 0x100 + i);
	machine_free(m);
}

static void flags_register(void)
{
	struct machine *m = machine_new(INTERP_LONG);

	GPR(m, RSP) = 0x7ff8;
	machine_poke(m, 0x7ff8, 8, ~0ULL);
	CHECK_EQ(TRY(m, "\x9d"), INTERP_DONE); /* popf at CPL 0 */
	CHECK_EQ(m->in.reg.rflags, 0x247fd7);
	GPR(m, RSP) = 0x7ff8;
	machine_poke(m, 0x7ff8, 8, 0);
	m->in.cpl = 3;
	m->in.reg.rflags = X86_EFLAGS_FIXED | X86_EFLAGS_IF;
	CHECK_EQ(TRY(m, "\x9d"), INTERP_DONE); /* CPL 3, IOPL 0: IF stays */
	CHECK_EQ(m->in.reg.rflags, X86_EFLAGS_FIXED | X86_EFLAGS_IF);
	machine_free(m);

	m = machine_new(INTERP_VM86);
	GPR(m, RSP) = 0x8000;
	CHECK_EQ(fault_of(m, TRY(m, "\x9c")), VEC_GP | WITH_ERROR); /* pushf, IOPL 0 */
	m->in.cr4 |= X86_CR4_VME;
	CHECK_EQ(TRY(m, "\x9d"), INTERP_UNKNOWN);
	m->in.reg.rflags |= X86_EFLAGS_IOPL;
	CHECK_EQ(TRY(m, "\x9d"), INTERP_DONE);
	CHECK_EQ(m->in.reg.rflags, X86_EFLAGS_FIXED | X86_EFLAGS_IOPL | X86_EFLAGS_VM);
	machine_free(m);
}

static void unknown_instructions(void)
{
	struct machine *m = machine_new(INTERP_LONG);

	CHECK_EQ(TRY(m, "\x0f\xa2"), INTERP_UNKNOWN);
	CHECK_EQ(TRY(m, "\xf4"), INTERP_UNKNOWN);
	CHECK_EQ(TRY(m, "\xb8\x01\x02\x03\x04"), INTERP_RETRY); /* no operand in memory */
	CHECK_EQ(TRY(m, "\x75\x10"), INTERP_RETRY);
	CHECK_EQ(TRY(m, "\xc5\xf8\x28\x03"), INTERP_UNKNOWN);
	CHECK_EQ(TRY(m, "\xf3\x0f\xbc\x03"), INTERP_UNKNOWN); /* bsf or tzcnt */
	m->in.mode = INTERP_PROT32;
	CHECK_EQ(TRY(m, "\x63\x03"), INTERP_UNKNOWN); /* arpl */
	m->in.mode = INTERP_LONG;
	CHECK_EQ(m->in.reg.rip, 0);
	CHECK_EQ(TRY(m, "\x0f\x0b"), INTERP_FAULT);
	machine_free(m);
}

/*
 * Whatever the bytes and the state are: an answer, nothing outside the machine touched (the
 * sanitizers watch), and on anything but success the registers as they were.
 */
static void any_bytes(void)
{
	unsigned int i, j, trips, seed = 1, executed = 0;
	static struct machine *machines[5];
	u64 before[REG_COUNT];
	u8 bytes[INTERP_INSN_MAX];

	for (i = 0; i < 200000; i++) {
		struct machine *m = machines[i % 5];
		int r;

		if (!m)
			m = machine_new(i % 5);
		machines[i % 5] = m;
		m->user = i & 8;
		m->in.cpl = m->in.mode == INTERP_VM86 || i & 16 ? 3 : 0;
		m->interrupt_pending = i & 32;
		for (j = 0; j < REG_COUNT; j++)
			m->in.reg.gpr[j] = rand_r(&seed) & (i & 64 ? 0x1fffff : 0xff);
		for (j = 0; j < sizeof(bytes); j++)
			bytes[j] = rand_r(&seed) >> 5;
		if (i & 128)
			bytes[0] = 0xf3;
		memcpy(before, m->in.reg.gpr, sizeof(before));
		r = machine_run(m, bytes, sizeof(bytes), &trips);
		executed += r == INTERP_DONE;
		CHECK(r <= INTERP_UNKNOWN && (trips < 64 || m->in.insn.rep));
		if (r != INTERP_DONE && r != INTERP_UNKNOWN && !m->in.insn.rep)
			CHECK(!memcmp(before, m->in.reg.gpr, sizeof(before)));
	}
	CHECK(executed > 20000);
	for (i = 0; i < 5; i++)
		machine_free(machines[i]);
}

const struct tap_test tap_tests[] = {
	TEST(device_read_by_user),
	TEST(host_has_no_page),
	TEST(device_write_is_posted),
	TEST(device_read_modify_write),
	TEST(device_to_device),
	TEST(device_cache_line),
	TEST(device_fragments),
	TEST(memory_and_device),
	TEST(read_only_memory),
	TEST(replay_of_another_access),
	TEST(too_many_accesses),
	TEST(locked_updates),
	TEST(lost_race),
	TEST(compare_exchange_pairs),
	TEST(rep_is_bounded),
	TEST(rep_is_interruptible),
	TEST(rep_to_device_by_user),
	TEST(rep_fault_in_between),
	TEST(outs_in_batches),
	TEST(ins_in_batches),
	TEST(ins_one_by_one),
	TEST(ins_checks_before_it_reads),
	TEST(port_permissions),
	TEST(limits),
	TEST(segment_types),
	TEST(canonical_addresses),
	TEST(selectors),
	TEST(machine_status_word),
	TEST(push_and_pop),
	TEST(stack_wraps_at_64k),
	TEST(all_registers),
	TEST(flags_register),
	TEST(unknown_instructions),
	TEST(any_bytes),
	{ NULL, NULL },
};
