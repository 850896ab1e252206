/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The interpreter: executes one instruction for the guest where the hardware cannot. All but glue.c
 * and fetch.c, which connect it to a vCPU, is pure: it knows guest state only through struct interp
 * and its ops, and builds in user space too (selftests/unit).
 *
 * One instruction is a transaction. Registers are changed in a copy (struct interp.reg) and
 * committed at the end; an MMIO or port read that user space must serve ends the attempt with
 * INTERP_USER, its result is kept in the access log, and the instruction is executed again from
 * its start: accesses that are in the log are answered from it, in order. An MMIO or port write
 * that user space must serve is posted: execution goes on, and the instruction is over before
 * user space sees the write; only a further device access has to wait for it. A REP iteration
 * commits registers and empties the log.
 */
#ifndef VMM_INTERP_H
#define VMM_INTERP_H

#include "../types.h"

enum interp_mode { INTERP_REAL, INTERP_VM86, INTERP_PROT16, INTERP_PROT32, INTERP_LONG };

enum interp_result {
	INTERP_DONE,		/* executed (REP: some iterations were); reg holds the new state */
	INTERP_FAULT,		/* interp.fault is to be raised; nothing else changed */
	INTERP_USER,		/* an access waits for user space; run it again when it is served */
	INTERP_RETRY,		/* state changed under it: enter the guest again */
	INTERP_UNKNOWN,		/* not an instruction it can do */
	INTERP_MORE,		/* decoder: there are too few instruction bytes */
	INTERP_NO_PAGE,		/* the host has no page for an address of a slot */
};

struct interp;

/* Access kinds for translation and faults: the page-fault error code bits (APM vol. 2, 8.4.2). */
#define ACCESS_WRITE	2
#define ACCESS_USER	4
#define ACCESS_FETCH	16
#define ACCESS_IMPLICIT	256	/* descriptor tables: supervisor at any CPL, SMAP despite AC */
#define ACCESS_PROBE	512	/* no permission checks, no accessed and dirty bits */

struct interp_fault {
	u8 vector;
	bool has_error;
	u32 error;
	u64 address;		/* CR2 of #PF */
};

/* What ops answer about a physical address where there is no slot. */
#define INTERP_NOT_MEMORY	1

/**
 * struct interp_ops - what the pure parts ask of their surroundings; may sleep
 * @phys_read: plain memory, within one page; 0, INTERP_NOT_MEMORY or INTERP_NO_PAGE
 * @phys_write: likewise
 * @phys_cmpxchg: 1, 2, 4 or 8 bytes, naturally aligned; likewise, or -1: it was not @old any more
 * @is_memory: plain memory that may be read (@write: written); the answer may be outdated
 * @mmio_read: at most 8 bytes of one page; INTERP_DONE or INTERP_USER
 * @mmio_write: INTERP_DONE, or INTERP_USER: posted
 * @port_in: @count accesses of @size bytes; INTERP_DONE or INTERP_USER
 * @port_out: likewise; INTERP_USER: posted
 * @interrupted: should a REP loop end here for something that is more urgent?
 * @xmm: read, or @write, an SSE register
 */
struct interp_ops {
	int (*phys_read)(struct interp *in, gpa_t gpa, void *buf, unsigned int len);
	int (*phys_write)(struct interp *in, gpa_t gpa, const void *buf, unsigned int len);
	int (*phys_cmpxchg)(struct interp *in, gpa_t gpa, u64 old, u64 new, unsigned int len);
	bool (*is_memory)(struct interp *in, gpa_t gpa, bool write);
	int (*mmio_read)(struct interp *in, gpa_t gpa, void *buf, unsigned int len);
	int (*mmio_write)(struct interp *in, gpa_t gpa, const void *buf, unsigned int len);
	int (*port_in)(struct interp *in, u16 port, unsigned int size, void *buf,
		       unsigned int count);
	int (*port_out)(struct interp *in, u16 port, unsigned int size, const void *buf,
			unsigned int count);
	bool (*interrupted)(struct interp *in);
	void (*xmm)(struct interp *in, u8 reg, u64 val[2], bool write);
};

#define INTERP_INSN_MAX	15	/* bytes of the longest instruction (APM vol. 3, 1.1) */
#define INTERP_LOG_MAX	16	/* device accesses of one instruction or iteration */
#define INTERP_IO_MAX	1024	/* bytes of one batch of string port accesses */

struct interp_regs {
	u64 gpr[REG_COUNT];
	u64 rip;
	u64 rflags;
};

/* struct insn - a decoded instruction; "none" of a register is INSN_NONE */
struct insn {
	u32 row;		/* of the opcode table (insn.h) */
	u8 map, opcode;		/* 0: one byte, 1: 0F, 2: 0F 38, 3: 0F 3A; VEX, EVEX: 0x10 more */
	u8 op;			/* enum insn_op */
	u8 len;			/* bytes */
	u8 size;		/* operand size in bytes: 1, 2, 4, 8 */
	u8 op_size;		/* effective operand size attribute: 2, 4, 8 */
	u8 rm_size;		/* bytes of the operand that ModRM names: up to 16 */
	u8 addr_size;		/* 2, 4, 8 */
	u8 rep;			/* 0, 0xf2 or 0xf3 */
	u8 rex;			/* 0, or the REX prefix */
	u8 seg;			/* SEG_* of the memory operand, or of a string's source */
	bool lock, opsize_prefix;
	u8 mod, reg, rm;	/* with REX.R and REX.B; reg: also of an opcode that names one */
	bool mem;		/* ModRM, or the opcode with an offset, names memory */
	bool rip_relative;
	u8 base, index, scale;	/* registers; shift */
	u64 disp, imm;		/* sign-extended */
};

#define INSN_NONE	0xff

enum interp_access_kind { LOG_MMIO_READ, LOG_MMIO_WRITE, LOG_PORT_IN, LOG_PORT_OUT };

struct interp_access {
	u8 kind;
	u8 len;
	gpa_t addr;		/* or port */
	u64 data;		/* MMIO reads; a port's data is in interp.io */
};

/* struct interp_span - physical pieces of a linear range of at most two pages */
struct interp_span {
	gpa_t gpa[2];
	u32 len[2];
	bool valid;
};

#define INTERP_PORT(port, size, in)	((port) | (size) << 16 | (in) << 24)

struct interp {
	const struct interp_ops *ops;
	void *owner;			/* of the ops: the vCPU, or a test's machine */

	/* Guest state, filled by whoever calls interp_execute(). */
	struct interp_regs reg;
	struct segment seg[SEG_COUNT];
	struct dtable gdtr;
	u64 cr0, cr3, cr4, efer;
	const u64 *pdpte;		/* PAE: the top entries; NULL: they are in memory */
	u64 reserved_gpa;		/* bits above the guest's MAXPHYADDR */
	u8 mode;			/* enum interp_mode */
	u8 cpl;
	u32 port_checked;		/* INTERP_PORT: the hardware has found it permitted */

	/* Outcome: reg, seg and cr0, too. */
	struct interp_fault fault;
	bool cr0_changed, segs_changed;
	bool mov_ss;			/* SS was loaded: interrupts are held for one instruction */
	bool posted;			/* a device write waits for user space */

	/* The instruction. */
	u8 bytes[16];
	u8 nbytes;
	struct insn insn;

	/* Private to the pure parts. */
	struct interp_regs start;	/* what a failed attempt goes back to */
	struct interp_span span;	/* of the memory operand */
	u64 bit_string;			/* what a bit offset adds to its address */
	u8 log_len, log_pos;
	struct interp_access log[INTERP_LOG_MAX];
	u8 io[INTERP_IO_MAX];
};

/* ---- decode.c ---- */
/* Decode bytes[0..nbytes). INTERP_DONE, _FAULT (#UD, #GP), _MORE, _UNKNOWN. */
int interp_decode(struct interp *in);
u64 insn_offset(const struct insn *insn, const u64 *gpr, u64 next_rip);
/* Is it a MOV, MOVZX or MOVSX between memory and a register, or of an immediate to memory? */
enum insn_simple { INSN_NOT_SIMPLE, INSN_LOAD, INSN_STORE, INSN_STORE_IMM };
enum insn_simple insn_simple(const struct insn *insn);
/* ---- execute.c ---- */
/* Execute the decoded instruction; on anything but INTERP_DONE reg is as it was (REP: after the
 * last complete iteration).
 */
int interp_execute(struct interp *in);
/* User space has served the access that INTERP_USER named; data: of a read. */
void interp_served(struct interp *in, const void *data, unsigned int len);
/* ---- walk.c ---- */
/**
 * struct interp_walk - a translation
 * @gpa: of the byte
 * @writeable: every level allows writes
 * @user: every level allows user accesses
 */
struct interp_walk {
	gpa_t gpa;
	bool writeable, user;
};

/* INTERP_DONE, _FAULT (#PF), _RETRY (tables change too fast), _UNKNOWN (table not in memory) */
int interp_walk(struct interp *in, gva_t addr, u32 access, struct interp_walk *walk);
/* PAE PDPTEs at CR3: 0, or 1: reserved bits are set */
int interp_pdptes_bad(struct interp *in, u64 cr3, u64 *entry);

/* ---- glue.c: the connection to a vCPU; context: loaded, vcpu->mutex, may sleep ---- */
int interp_create(struct vcpu *vcpu);		/* 0, -ENOMEM */
void interp_destroy(struct vcpu *vcpu);
/*
 * Interpret the instruction at RIP, as a nested fault on MMIO, a string port exit or a missing
 * assist needs it. RESUME_GUEST: done, or the guest's fault is raised. RESUME_USER: vcpu->run
 * asks for MMIO or IO and vcpu->complete goes on when user space has answered, or it is
 * KVM_INTERNAL_ERROR_EMULATION with the instruction bytes. gpa: of the fault, INVALID_GPA: none.
 */
int interp_exit(struct vcpu *vcpu, gpa_t gpa);
/*
 * Length in bytes of the instruction at RIP (> 0). 0: go back to the guest: a fetch fault is
 * raised for it, or the instruction is no longer the one that exited. -1: unknown.
 */
int interp_insn_length(struct vcpu *vcpu);
/*
 * Fill vcpu->exit.reg.gpr and insn_len of a MOV CR/DR exit; as interp_insn_length. gpr stays 0xff
 * for another instruction (CLTS, LMSW, SMSW): interp_exit(vcpu, INVALID_GPA) carries it out.
 */
int interp_decode_reg(struct vcpu *vcpu);
/* KVM_TRANSLATE: walk the guest's tables without side effects; 0, -ENXIO: not mapped, -EFAULT */
int interp_translate(struct vcpu *vcpu, gva_t addr, struct interp_walk *walk);
/* Load PDPTEs check for MOV CR3/CR0/CR4 in PAE mode: 0, or 1: #GP (reserved bits, APM 5.3.2) */
int interp_load_pdptes(struct vcpu *vcpu, u64 cr3);

#endif /* VMM_INTERP_H */
