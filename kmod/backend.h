/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a vendor's backend does for the core: one list, from which the ops struct, the static
 * calls and their updates are made. Backends translate; they do not decide (no policy here).
 * At most 30 operations.
 */
#ifndef VMM_BACKEND_H
#define VMM_BACKEND_H

#include <linux/static_call.h>
#include <asm/trapnr.h>
#include "vmm.h"

/* Events that set_windows() asks to be told about. */
#define WINDOW_IRQ	BIT(0)	/* exit as soon as the guest can take an interrupt */
#define WINDOW_NMI	BIT(1)	/* exit as soon as the guest can take an NMI */
#define WINDOW_TPR	BIT(2)	/* exit when the guest writes CR8 (an interrupt waits below TPR) */

/**
 * struct apic_sync - what the processor must know of a virtualized APIC beside its registers
 * @irr: the highest vector of IRR, 0: none
 * @isr: the highest vector of ISR, 0: none
 * @eoi_exits: vectors whose EOI the core must hear of
 */
struct apic_sync {
	u8 irr, isr;
	unsigned long eoi_exits[256 / BITS_PER_LONG];
};

/*
 * X(return type, name, (parameters), (arguments)). Context: T may sleep, P preemption off,
 * I interrupts off. "loaded" = on the vCPU's own thread between vcpu_load and vcpu_put.
 *
 * cpu_enable		I: switch virtualization on, on this CPU; -EBUSY: somebody else has it
 * cpu_disable		I: off; also called from reboot and crash, where it must be harmless twice
 * vcpu_create		T: allocate vcpu->backend; 0 or errno
 * vcpu_destroy		T: free it; the vCPU is not loaded
 * vcpu_reset		T loaded: state of control fields after RESET (init: after INIT); the
 *			register state itself is written by cpu/regs.c into vcpu->state
 * vcpu_load		P: vcpu is now on processor cpu (vcpu->cpu is the former one)
 * vcpu_put		P: it leaves this processor
 * state_fetch		loaded: fill the groups STATE_* of mask in vcpu->state
 * run			I loaded: write what is dirty, enter, leave; fill gpr, rip, rflags, cr8,
 *			int_shadow, cpl; clear state.valid; the host's segment and spectre state is
 *			back; host NMIs and machine checks are handled. Exit codes stay in the VMCB.
 * host_interrupt	I loaded: after run(), with the host's state back: take the interrupt that
 *			ended the run, if it did; only with backend_caps.acks_irqs
 * exit_decode		P or T loaded: translate the exit into vcpu->exit (all fields)
 * inject		I loaded: deliver this event with the next entry
 * inject_cancel	I loaded: take back what inject() was given (entry called off)
 * set_windows		I loaded: WINDOW_* wanted from the next entry on
 * update_intercepts	loaded: policy changed (exceptions, DR, single step, HLT, PAUSE, MWAIT, CR3)
 * msr_intercept	T or loaded: intercept reads and writes of this MSR, or pass it through
 * set_tdp_root		I loaded: hpa of the top nested table, and its level (4 or 5)
 * tlb_flush		I loaded: flush this vCPU's translations at the next entry; guest_only:
 *			linear ones only
 * set_tsc		loaded: vcpu->tsc.offset or .ratio changed
 * post_irqs		P any: vcpu runs on processor cpu with a virtualized APIC: have it look at
 *			lapic.posted without an exit; only with backend_caps.posted_irqs
 * sync_apic		I loaded: IRR or ISR of a virtualized APIC (policy.apic) may have changed
 * get_msr, set_msr	loaded: an MSR that lives in vendor fields (DEBUGCTL, LBR, SPEC_CTRL ..);
 *			0, or -ENOENT when it is none of the backend's
 * dump			loaded: print to the kernel log why the last entry failed; all: and the
 *			control fields
 */
#define BACKEND_OPS(X)								\
	X(int, cpu_enable, (void), ())						\
	X(void, cpu_disable, (void), ())					\
	X(int, vcpu_create, (struct vcpu *vcpu), (vcpu))			\
	X(void, vcpu_destroy, (struct vcpu *vcpu), (vcpu))			\
	X(void, vcpu_reset, (struct vcpu *vcpu, bool init), (vcpu, init))	\
	X(void, vcpu_load, (struct vcpu *vcpu, int cpu), (vcpu, cpu))		\
	X(void, vcpu_put, (struct vcpu *vcpu), (vcpu))				\
	X(void, state_fetch, (struct vcpu *vcpu, u32 mask), (vcpu, mask))	\
	X(void, run, (struct vcpu *vcpu), (vcpu))				\
	X(void, host_interrupt, (struct vcpu *vcpu), (vcpu))			\
	X(void, exit_decode, (struct vcpu *vcpu), (vcpu))			\
	X(void, inject, (struct vcpu *vcpu, const struct event *ev), (vcpu, ev)) \
	X(void, inject_cancel, (struct vcpu *vcpu), (vcpu))			\
	X(void, set_windows, (struct vcpu *vcpu, u32 windows), (vcpu, windows))	\
	X(void, update_intercepts, (struct vcpu *vcpu), (vcpu))			\
	X(void, msr_intercept, (struct vcpu *vcpu, u32 msr, bool rd, bool wr),	\
	  (vcpu, msr, rd, wr))							\
	X(void, set_tdp_root, (struct vcpu *vcpu, hpa_t root, int level),	\
	  (vcpu, root, level))							\
	X(void, tlb_flush, (struct vcpu *vcpu, bool guest_only), (vcpu, guest_only)) \
	X(void, set_tsc, (struct vcpu *vcpu), (vcpu))				\
	X(void, post_irqs, (struct vcpu *vcpu, int cpu), (vcpu, cpu))		\
	X(void, sync_apic, (struct vcpu *vcpu, const struct apic_sync *sync),	\
	  (vcpu, sync))								\
	X(int, get_msr, (struct vcpu *vcpu, u32 msr, u64 *val), (vcpu, msr, val)) \
	X(int, set_msr, (struct vcpu *vcpu, u32 msr, u64 val), (vcpu, msr, val)) \
	X(void, dump, (struct vcpu *vcpu, bool all), (vcpu, all))

/**
 * struct backend - a vendor's half of the hypervisor
 * @name: "svm" or "vmx"
 * @tdp_format: how nested tables are written (memory/tdp_format.h)
 * @probe: at load, once: 0; -ENODEV: not this vendor; -EOPNOTSUPP: a required feature is missing
 *	(the log line names it)
 * @unprobe: at unload
 * @X: each operation of BACKEND_OPS
 */
struct backend {
	const char *name;
	const struct tdp_format *tdp_format;
	int (*probe)(void);
	void (*unprobe)(void);
#define X(ret, name, params, args) ret (*name) params;
	BACKEND_OPS(X)
#undef X
};

/* What the processor offers, for the core's policy (CPUID, capabilities, exit handling). */
struct backend_caps {
	bool insn_len;		/* exits carry the instruction length (NRIPS) */
	bool decode_assist;	/* exits carry register numbers and instruction bytes */
	bool tsc_scaling;
	u8 tsc_ratio_frac_bits;
	u64 tsc_ratio_max;
	bool page_1g;
	bool pml;		/* dirty bits of nested tables are logged; tdp_format has them */
	bool vnmi;
	bool deadline;		/* runs end at vcpu->tsc.deadline: VMEXIT_PREEMPTION_TIMER */
	bool virtual_apic;	/* policy.apic may be other than APIC_VIRTUAL_NONE */
	bool acks_irqs;		/* exits acknowledge the host's interrupts: host_interrupt() */
	bool posted_irqs;	/* the processor itself collects posted interrupts */
	bool pdptes;		/* PAE paging goes by state.pdpte, not by memory */
	bool xsaves;		/* a guest can be given XSAVES; see cpuid_setup() */
	u32 asids;
};

/* Module parameters that mean the same to every vendor (main.c). */
struct backend_options {
	bool tsc_scale, pause_filter;
};

/* A module parameter of one vendor's: a feature that is used unless switched off. */
#define BACKEND_OPTION(name, text)				\
	static bool name = true;				\
	module_param(name, bool, 0444);				\
	MODULE_PARM_DESC(name, text)

/* probe(): the log says why not; -EOPNOTSUPP. */
int backend_refuse(const char *technology, const char *why);

extern struct backend_options backend_options;
extern struct backend_caps backend_caps;

/* Exceptions that push an error code, outside real mode (APM vol. 2, 8.2). */
#define ERROR_CODE_VECTORS	(BIT(X86_TRAP_DF) | BIT(X86_TRAP_TS) | BIT(X86_TRAP_NP) | \
				 BIT(X86_TRAP_SS) | BIT(X86_TRAP_GP) | BIT(X86_TRAP_PF) | \
				 BIT(X86_TRAP_AC))

extern const struct backend *backend;		/* chosen at load */
extern const struct backend svm_backend;
extern const struct backend vmx_backend;

#define X(ret, name, params, args)						\
	ret backend_absent_##name params;					\
	DECLARE_STATIC_CALL(backend_##name, backend_absent_##name);		\
	static inline ret backend_##name params					\
	{									\
		return static_call(backend_##name) args;			\
	}
BACKEND_OPS(X)
#undef X

/* Read a group of registers that may still be in the VMCB/VMCS. */
static inline struct vcpu_state *state_get(struct vcpu *vcpu, u32 mask)
{
	u32 missing = mask & ~vcpu->state.valid;

	if (missing)
		backend_state_fetch(vcpu, missing);
	return &vcpu->state;
}

/* CR0 to EFER and CS to read: what it takes to find the code, without the other segments. */
static inline const struct vcpu_state *state_code(struct vcpu *vcpu)
{
	return state_get(vcpu, vcpu->state.valid & STATE_SEGS ? STATE_CRS : STATE_CRS | STATE_CS);
}

/* 64-bit code? With STATE_CRS and CS at hand. */
static inline bool state_code64(const struct vcpu_state *st)
{
	return (st->efer & EFER_LMA) && (st->seg[SEG_CS].attr & SEG_L);
}

/* The linear address of RIP: in 64-bit code CS has no base, in other code it has 32 bits. */
static inline gva_t state_linear_rip(const struct vcpu_state *st)
{
	return state_code64(st) ? st->rip : (u32)(st->seg[SEG_CS].base + st->rip);
}

/* The caller has changed members of these groups, each of which it had by state_get(). */
static inline void state_dirty(struct vcpu *vcpu, u32 mask)
{
	vcpu->state.dirty |= mask;
}

#endif /* VMM_BACKEND_H */
