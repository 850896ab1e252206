/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The processor as the guest sees it: registers, CPUID, MSRs, extended state, debug registers,
 * events, time stamp counter. Policy is written here once, for every backend.
 * Context of all functions unless said: the vCPU is loaded, vcpu->mutex held, may sleep.
 */
#ifndef VMM_CPU_H
#define VMM_CPU_H

#include <asm/cpufeature.h>
#include <asm/processor.h>
#include <asm/debugreg.h>

#include "../vmm.h"

/* ---- regs.c: KVM_GET/SET_REGS, SREGS, SREGS2, INIT/RESET state, TRANSLATE's registers ---- */
/* APM vol. 2, 14.1.3: state, events, msrs, FPU, backend_vcpu_reset(); not the APIC */
void regs_reset(struct vcpu *vcpu, bool init);
void regs_get(struct vcpu *vcpu, struct kvm_regs *regs);
int regs_set(struct vcpu *vcpu, const struct kvm_regs *regs);
void sregs_get(struct vcpu *vcpu, struct kvm_sregs *sregs);
int sregs_set(struct vcpu *vcpu, const struct kvm_sregs *sregs); /* -EINVAL: impossible */
int sregs2_get(struct vcpu *vcpu, struct kvm_sregs2 *sregs);
int sregs2_set(struct vcpu *vcpu, const struct kvm_sregs2 *sregs);
void segment_to_kvm(const struct segment *seg, struct kvm_segment *out);
void segment_from_kvm(const struct kvm_segment *in, struct segment *seg);
/* Start a vCPU at SIPI's vector: CS = vector << 8, IP = 0 */
void regs_sipi(struct vcpu *vcpu, u8 vector);

/* ---- cr.c: what a guest may write to control registers ---- */
/* 0: written (TLB and MMU side effects done); 1: #GP(0) must be raised by the caller */
int cr_write(struct vcpu *vcpu, int nr, u64 val);
u64 cr_read(struct vcpu *vcpu, int nr);
int efer_write(struct vcpu *vcpu, u64 val, bool host);	/* 0 or 1 */
bool cr_valid_state(struct vcpu *vcpu, u64 cr0, u64 cr3, u64 cr4, u64 efer);
int xcr_write(struct vcpu *vcpu, u32 nr, u64 val);	/* XSETBV: 0 or 1 (#GP) */
/* Exits: decode has been done (vcpu->exit.reg); RESUME_*. */
int cr_access(struct vcpu *vcpu);

/* ---- cpuid.c ---- */
int cpuid_get_supported(struct kvm_cpuid2 *cpuid, u32 room, bool emulated); /* -E2BIG sets nent */
int cpuid_set(struct vcpu *vcpu, const struct kvm_cpuid_entry2 *entries, u32 nent);
int cpuid_get(struct vcpu *vcpu, struct kvm_cpuid2 *cpuid, u32 room);	/* -E2BIG sets nent */
void cpuid_free(struct vcpu *vcpu);
void cpuid_query(struct vcpu *vcpu, u32 *eax, u32 *ebx, u32 *ecx, u32 *edx); /* as the guest sees */
int cpuid_exit(struct vcpu *vcpu);		/* RESUME_* */
void cpuid_update(struct vcpu *vcpu);		/* dynamic bits after CR4, XCR0, APIC base change */
bool guest_has(struct vcpu *vcpu, unsigned int x86_feature); /* X86_FEATURE_* by CPUID leaf */
void cpuid_setup(void);				/* at load: what this host and backend can offer */

/* ---- msr.c ---- */
/* 0: done; else #GP for the guest, not settable for user space. host: user space asks. */
int msr_read(struct vcpu *vcpu, u32 msr, u64 *val, bool host);
int msr_write(struct vcpu *vcpu, u32 msr, u64 val, bool host);
int msr_exit(struct vcpu *vcpu, bool write);	/* RDMSR, WRMSR exits: RESUME_* */
/* Number of entries served: KVM_GET_MSRS, KVM_SET_MSRS stop at the first that fails. */
int msrs_get(struct vcpu *vcpu, struct kvm_msr_entry *entries, u32 n);
int msrs_set(struct vcpu *vcpu, const struct kvm_msr_entry *entries, u32 n);
int msr_index_list(struct kvm_msr_list *list, u32 room);		/* -E2BIG sets nmsrs */
int msr_feature_index_list(struct kvm_msr_list *list, u32 room);
int msr_feature_read(u32 msr, u64 *val);	/* system KVM_GET_MSRS: 0 or 1 */
void msr_init(struct vcpu *vcpu);		/* pass-through map of a new vCPU */
/* TSC_AUX: the guest's from the first entry until the thread leaves the processor or KVM_RUN. */
void msr_tsc_aux_load(struct vcpu *vcpu);
void msr_tsc_aux_put(struct vcpu *vcpu);

/* ---- msr_filter.c: KVM_X86_SET_MSR_FILTER, KVM_CAP_X86_USER_SPACE_MSR ---- */
#define USER_MSRS_VALID	(KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN | \
			 KVM_MSR_EXIT_REASON_FILTER)
int msr_filter_set(struct vmm *vm, const struct kvm_msr_filter *in);
void msr_filter_free(struct vmm *vm);
void msr_filter_apply(struct vcpu *vcpu);	/* REQ_MSR_FILTER */

/* ---- msr_mce.c: KVM_X86_SETUP_MCE, KVM_X86_SET_MCE ---- */
/* MCG_CTL_P, MCG_CMCI_P, MCG_SER_P: what IA32_MCG_CAP may say beside the number of banks */
#define MCE_CAPS	(BIT_ULL(8) | BIT_ULL(10) | BIT_ULL(24))
int mce_set_cap(struct vcpu *vcpu, u64 cap);
int mce_inject(struct vcpu *vcpu, const struct kvm_x86_mce *mce);

/* ---- xstate.c: x87/SSE/AVX/AVX-512 by the kernel's exported guest-FPU functions ---- */
int fpu_create(struct vcpu *vcpu);		/* 0, -ENOMEM */
void fpu_destroy(struct vcpu *vcpu);
void fpu_load_guest(struct vcpu *vcpu);		/* at the start of KVM_RUN */
void fpu_put_guest(struct vcpu *vcpu);		/* at its end */
/* Right around the entry, interrupts off: XCR0 (and XSS) only where it differs from the host's. */
void xstate_load(struct vcpu *vcpu);
void xstate_put(struct vcpu *vcpu);
static __always_inline void xstate_enter(struct vcpu *vcpu)
{
	if (unlikely(vcpu->fpu.switches))
		xstate_load(vcpu);
}

static __always_inline void xstate_leave(struct vcpu *vcpu)
{
	if (unlikely(vcpu->fpu.switches))
		xstate_put(vcpu);
}

void fpu_get(struct vcpu *vcpu, struct kvm_fpu *fpu);
void fpu_set(struct vcpu *vcpu, const struct kvm_fpu *fpu);
void xsave_get(struct vcpu *vcpu, void *buf, u32 size);
int xsave_set(struct vcpu *vcpu, const void *buf);	/* -EINVAL */
void xcrs_get(struct vcpu *vcpu, struct kvm_xcrs *xcrs);
int xcrs_set(struct vcpu *vcpu, const struct kvm_xcrs *xcrs);
u64 xstate_supported(void);			/* XCR0 bits this host can give */
u32 xstate_size(u64 xcr0, bool compacted);	/* bytes, CPUID 0xD */

/* ---- debug.c: DR0-DR7, KVM_SET_GUEST_DEBUG ---- */
#define GUESTDBG_VALID	(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_SW_BP | \
			 KVM_GUESTDBG_USE_HW_BP | KVM_GUESTDBG_INJECT_DB |			\
			 KVM_GUESTDBG_INJECT_BP | KVM_GUESTDBG_BLOCKIRQ)
int debug_get(struct vcpu *vcpu, struct kvm_debugregs *regs);
int debug_set(struct vcpu *vcpu, const struct kvm_debugregs *regs);
/* Interrupts and NMIs wait: a debugger steps through the code that they would interrupt. */
static inline bool debug_blocks_events(const struct vcpu *vcpu)
{
	return vcpu->debug.guest_debug & KVM_GUESTDBG_BLOCKIRQ;
}

int debug_guest_set(struct vcpu *vcpu, const struct kvm_guest_debug *dbg); /* -EBUSY, -EINVAL */
/* Right around the entry, interrupts off: DR0-DR3 only while breakpoints are armed. */
void debug_load(struct vcpu *vcpu);
static __always_inline void debug_enter(struct vcpu *vcpu)
{
	if (unlikely(vcpu->debug.switch_db))
		debug_load(vcpu);
}

/* The exit has left the host's breakpoints disabled (APM vol. 2, 15.6). */
static __always_inline void debug_leave(void)
{
	if (unlikely(hw_breakpoint_active()))
		hw_breakpoint_restore();
}

int dr_access(struct vcpu *vcpu);		/* exit: RESUME_* */
int dr_read(struct vcpu *vcpu, int nr, u64 *val);	/* 0, 1: #UD */
int dr_write(struct vcpu *vcpu, int nr, u64 val);	/* 0, 1: #UD, 2: #GP */
/* #DB and #BP exits: for user space (KVM_EXIT_DEBUG), else back to the guest. RESUME_*. */
int debug_exception(struct vcpu *vcpu);
/* After an interpreted or skipped instruction: TF trap and guest debug single step. RESUME_*. */
int debug_after_insn(struct vcpu *vcpu, u64 rflags_before);

/* ---- events.c: exceptions, NMIs, interrupts on their way in ---- */
/* Merged with an exception that is on its way: #DF, triple fault. */
void events_raise(struct vcpu *vcpu, u8 vector);
void events_raise_error(struct vcpu *vcpu, u8 vector, u32 error);
void events_raise_payload(struct vcpu *vcpu, u8 vector, bool has_error, u32 error, u64 payload);
void events_requeue(struct vcpu *vcpu);	/* after an exit: exit.vectoring, or injected is done */
/*
 * Before an entry, interrupts off: hand over what is deliverable and ask for windows. To be called
 * when REQ_EVENT was set or an event is injected.
 */
void events_prepare(struct vcpu *vcpu);
void events_cancel(struct vcpu *vcpu);		/* the entry was called off after events_prepare */
bool events_interrupt_allowed(struct vcpu *vcpu);
bool events_nmi_allowed(struct vcpu *vcpu);
bool events_pending(struct vcpu *vcpu);		/* something would be delivered at once: ends HLT */
int events_get(struct vcpu *vcpu, struct kvm_vcpu_events *ev);
int events_set(struct vcpu *vcpu, const struct kvm_vcpu_events *ev);
void events_nmi(struct vcpu *vcpu);		/* any context */
int events_user_interrupt(struct vcpu *vcpu, u32 vector); /* -EINVAL, -ENXIO, -EEXIST */
int events_exception_exit(struct vcpu *vcpu);	/* an intercepted exception; RESUME_* */

/* ---- tsc.c ---- */
u32 tsc_host_khz(void);			/* never 0 */
u64 tsc_read(struct vcpu *vcpu);		/* guest TSC now; any context */
u64 tsc_guest(struct vcpu *vcpu, u64 host_tsc);
u64 tsc_host_deadline(struct vcpu *vcpu, u64 guest_tsc);	/* when the guest's TSC is there */
/* MSR_IA32_TSC; keeps the vCPUs of a VM in step */
void tsc_write(struct vcpu *vcpu, u64 val, bool host);
void tsc_adjust_write(struct vcpu *vcpu, u64 val, bool host);
void tsc_offset_set(struct vcpu *vcpu, u64 offset);
int tsc_check_khz(u32 khz);
int tsc_set_khz(struct vcpu *vcpu, u32 khz);	/* -EINVAL: needs scaling that is not there */
void tsc_vcpu_init(struct vcpu *vcpu);
u64 tsc_delta_to_ns(struct vcpu *vcpu, u64 delta);

#endif /* VMM_CPU_H */
