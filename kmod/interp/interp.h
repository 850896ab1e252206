/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The interpreter: executes one instruction for the guest where the hardware cannot. decode.c, exec*.c,
 * and walk.c are pure: they know guest state only through struct interp and its ops, and build in
 * user space too. glue.c connects them to a vCPU.
 *
 * One instruction is a transaction. Registers are changed in a copy (struct interp.reg) and
 * committed at the end; a memory or port access that user space must serve ends the attempt with
 * INTERP_USER, its result is kept in the access log, and the instruction is executed again from its
 * start: accesses that are in the log are answered from it, in order. A REP iteration commits
 * registers and empties the log.
 */
#ifndef VMM_INTERP_H
#define VMM_INTERP_H

#include "../types.h"

enum interp_mode { INTERP_REAL, INTERP_VM86, INTERP_PROT16, INTERP_PROT32, INTERP_LONG };

enum interp_result {
	INTERP_DONE,		/* executed; registers committed */
	INTERP_FAULT,		/* interp.fault is to be raised; nothing else changed */
	INTERP_USER,		/* an access waits for user space; run it again when it is served */
	INTERP_RETRY,		/* state changed under it: enter the guest again */
	INTERP_UNKNOWN,		/* not an instruction it can do */
};

struct interp;

/* Access kinds for translation and faults: the page-fault error code bits (APM vol. 2, 8.4.2). */
#define ACCESS_WRITE	2
#define ACCESS_USER	4
#define ACCESS_FETCH	16
#define ACCESS_IMPLICIT	256	/* descriptor tables: supervisor whatever CPL; no SMAP */

struct interp_fault {
	u8 vector;
	bool has_error;
	u32 error;
	u64 address;		/* CR2 of #PF */
};

/* What the pure parts ask of their surroundings. Physical addresses; INTERP_* or 0 = INTERP_DONE. */
struct interp_ops {
	int (*phys_read)(struct interp *in, gpa_t gpa, void *buf, unsigned int len);
	int (*phys_write)(struct interp *in, gpa_t gpa, const void *buf, unsigned int len);
	/* old is compared, 1..8 bytes; *old gets what was there. INTERP_RETRY: lost a race */
	int (*phys_cmpxchg)(struct interp *in, gpa_t gpa, u64 *old, u64 new, unsigned int len);
	/* table walks only: plain memory; -1: no memory there */
	int (*table_read)(struct interp *in, gpa_t gpa, u64 *entry, unsigned int size);
	/* set accessed/dirty bits; 0, or 1: entry changed, walk again */
	int (*table_cmpxchg)(struct interp *in, gpa_t gpa, u64 old, u64 new, unsigned int size);
	int (*port_in)(struct interp *in, u16 port, unsigned int size, void *buf, unsigned int count);
	int (*port_out)(struct interp *in, u16 port, unsigned int size, const void *buf,
			unsigned int count);
};

/* ---- glue.c: the connection to a vCPU; context: loaded, vcpu->mutex, may sleep ---- */
int interp_create(struct vcpu *vcpu);		/* 0, -ENOMEM */
void interp_destroy(struct vcpu *vcpu);
/*
 * Interpret the instruction at RIP, as a nested fault on MMIO, a string port exit or a missing assist needs
 * it. RESUME_GUEST: done, or the guest's fault is raised. RESUME_USER: vcpu->run asks for MMIO or
 * IO and vcpu->complete goes on when user space has answered, or it is
 * KVM_INTERNAL_ERROR_EMULATION with the instruction bytes. gpa: of the fault, INVALID_GPA: none.
 */
int interp_exit(struct vcpu *vcpu, gpa_t gpa);
/* Length in bytes of the instruction at RIP (> 0); 0: fetch fault raised for the guest; -1: unknown. */
int interp_insn_length(struct vcpu *vcpu);
/* Fill vcpu->exit.reg.gpr and insn_len of a MOV CR/DR, CLTS, LMSW exit. As interp_insn_length. */
int interp_decode_reg(struct vcpu *vcpu);
/* Linear access on behalf of the guest. 0; 1: the guest's fault is in *fault; -EFAULT: MMIO. */
int interp_linear_read(struct vcpu *vcpu, gva_t addr, void *buf, unsigned int len, u32 access,
		       struct interp_fault *fault);
int interp_linear_write(struct vcpu *vcpu, gva_t addr, const void *buf, unsigned int len,
			u32 access, struct interp_fault *fault);
/* KVM_TRANSLATE: walk the guest's tables without side effects; INVALID_GPA: not mapped */
gpa_t interp_translate(struct vcpu *vcpu, gva_t addr, bool *writeable, bool *usermode);
/* Load PDPTEs check for MOV CR3/CR0/CR4 in PAE mode: 0, or 1: #GP (reserved bits, APM 5.3.2) */
int interp_check_pdptes(struct vcpu *vcpu, u64 cr3);

#endif /* VMM_INTERP_H */
