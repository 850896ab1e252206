/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The AMD backend's own nouns. Files: cpu.c (processors, probe), svm.c (operations, lifetime, run),
 * vmcb.c (register groups), exit.c (decoding), inject.c (events, windows, intercepts), msr.c
 * (permission map, MSRs of the VMCB), debug.c (dump, clean-bit check), entry.S.
 *
 * Context of all functions unless said: the vCPU is loaded, preemption off or vcpu->mutex held.
 */
#ifndef VMM_SVM_H
#define VMM_SVM_H

#include <linux/percpu.h>
#include <asm/asm.h>

#include "../backend.h"
#include "entry.h"
#include "vmcb.h"

/* What the processor has and the module's parameters have not switched off. */
struct svm_features {
	bool nrips, decode_assists, flush_by_asid, vmcb_clean, lbrv, pause_filter, pause_threshold,
	     tsc_scale, v_spec_ctrl, check_clean;
};

extern struct svm_features svm_has;	/* read-only after probe */

/**
 * struct svm_cpu - one processor; touched only on it, with preemption off
 * @hsave_pa: where VMRUN keeps the host (VM_HSAVE_PA)
 * @host_pa: a VMCB that VMSAVE fills with the host's hidden state (15.5.2)
 * @asid_generation: ASIDs given out under another generation are void
 * @next_asid: next one to give out; above the last: a new generation begins
 * @tsc_ratio: what MSR_AMD64_TSC_RATIO holds
 * @enabled: EFER.SVME was set by us
 * @pages: behind @hsave_pa and @host_pa
 */
struct svm_cpu {
	u64 asid_generation;
	u32 next_asid;
	bool enabled;
	u64 host_pa;
	u64 hsave_pa;
	u64 tsc_ratio;
	struct page *pages[2];
};

DECLARE_PER_CPU(struct svm_cpu, svm_cpu);

/* struct svm_entry - what entry.S needs; offsets in entry.h */
struct svm_entry {
	u64 vmcb_pa;
	u64 host_pa;
	u64 guest_spec;
	u64 host_spec;
	u8 flags;
};

static_assert(offsetof(struct svm_entry, vmcb_pa) == ENTRY_VMCB_PA);
static_assert(offsetof(struct svm_entry, host_pa) == ENTRY_HOST_PA);
static_assert(offsetof(struct svm_entry, guest_spec) == ENTRY_GUEST_SPEC);
static_assert(offsetof(struct svm_entry, host_spec) == ENTRY_HOST_SPEC);
static_assert(offsetof(struct svm_entry, flags) == ENTRY_FLAGS);

/* svm_vcpu.fixups: what the entry must arrange beyond the plain one; zero nearly always */
#define FIXUP_SINGLE_STEP	BIT(0)	/* policy.single_step: TF, hidden from the guest */
#define FIXUP_NMI_STEP		BIT(1)	/* TF over the IRET that ends an NMI handler */
#define FIXUP_NMI_WAIT		BIT(2)	/* an NMI waits though none is masked */
#define FIXUP_SOFT_EVENT	BIT(3)	/* EVENTINJ holds a soft event: see inject.c */

/**
 * struct svm_vcpu - the AMD half of a vCPU; guarded as struct vcpu's backend
 * @vmcb: the control block, one page
 * @entry: what entry.S needs
 * @msrpm: the MSR permission map
 * @copy: check_clean: the VMCB as the processor left it, else NULL
 * @clean: CLEAN_*: areas of the VMCB not written since the last exit
 * @fixups: FIXUP_*
 * @asid_generation: of @vmcb's ASID; 0: none, a new one at the next entry
 * @flush_asid: flush this ASID at the next entry
 * @kept_cr0: CR0.CD and NW as the guest sees them; the VMCB has them clear
 * @kept_cr4: CR4.MCE as the guest sees it; in the VMCB it is the host's
 * @windows: WINDOW_* asked for
 * @int_ctl: what the VMCB's shall be at the next entry, without V_TPR
 * @nmi_open: an NMI was injected and its IRET has not been seen
 * @step_rip: FIXUP_NMI_STEP: RIP of the instruction that is stepped over
 * @step_iret: it is the IRET of an NMI handler
 * @stray_tf_rip: where a frame of the guest may hold the TF of a step that was given up, or 0
 * @step_dr6: FIXUP_NMI_STEP: DR6.BS as it was before
 * @hidden_tf: TF was set by a fixup; the guest's own was clear
 * @step_guest_tf: TF was set by the guest at the instruction that is stepped over
 * @soft_len: FIXUP_SOFT_EVENT: bytes of its instruction
 * @cpu: processor it was loaded on last, -1: never
 */
struct svm_vcpu {
	struct vmcb *vmcb;
	struct svm_entry entry;
	u32 clean;
	u32 fixups;
	u64 asid_generation;
	bool flush_asid;
	u32 windows;
	u32 int_ctl;
	u64 kept_cr0, kept_cr4;
	bool nmi_open;
	bool hidden_tf;
	bool step_guest_tf;
	bool step_iret;
	u8 soft_len;
	u64 step_rip;
	u64 stray_tf_rip;
	u64 step_dr6;
	int cpu;
	unsigned long *msrpm;
	struct vmcb *copy;
};

static inline struct svm_vcpu *to_svm(struct vcpu *vcpu)
{
	return vcpu->backend;
}

static inline void svm_mark_written(struct svm_vcpu *svm, u32 areas)
{
	svm->clean &= ~areas;
}

/* entry.S: one round trip. Interrupts off. gpr: vcpu_state.gpr; RAX and RSP are in the VMCB. */
asmlinkage void svm_enter(u64 *gpr, struct svm_entry *entry);

/* With interrupts on, a reboot may take SVM away right here: then nothing is entered any more. */
static inline void svm_vmsave(u64 pa)
{
	asm volatile("1: vmsave %0\n2:\n" _ASM_EXTABLE(1b, 2b) : : "a" (pa) : "memory");
}

/* ---- cpu.c ---- */
int svm_probe(void);
void svm_unprobe(void);
int svm_cpu_enable(void);
void svm_cpu_disable(void);
void svm_new_asid(struct svm_vcpu *svm, struct svm_cpu *cpu);	/* interrupts off */
void svm_load_tsc_ratio(struct svm_cpu *cpu, u64 ratio);
extern u64 svm_iopm_pa;
extern struct tdp_format svm_tdp_format;

/* ---- vmcb.c ---- */
void svm_segment_load(struct vmcb_segment *to, const struct segment *from);
void svm_segment_fetch(struct segment *to, const struct vmcb_segment *from);
void svm_state_load(struct vcpu *vcpu);		/* dirty groups into the VMCB */
void svm_state_fetch(struct vcpu *vcpu, u32 mask);

/* ---- exit.c ---- */
void svm_decode(const struct vmcb *vmcb, const struct svm_features *has, struct vm_exit *exit);
void svm_exit_decode(struct vcpu *vcpu);

/* ---- inject.c ---- */
u64 svm_event_encode(const struct event *ev);
void svm_event_decode(u64 info, struct event *ev);
void svm_inject(struct vcpu *vcpu, const struct event *ev);
void svm_inject_cancel(struct vcpu *vcpu);
void svm_set_windows(struct vcpu *vcpu, u32 windows);
void svm_update_intercepts(struct vcpu *vcpu);
void svm_entry_fixup(struct vcpu *vcpu);	/* interrupts off, VMCB's RIP and RFLAGS are set */
void svm_exit_fixup(struct vcpu *vcpu);		/* interrupts off, state.rip and rflags are read */
bool svm_nmi_exit(struct vcpu *vcpu);		/* true: the exit is VMEXIT_NMI_WINDOW */

/* ---- msr.c ---- */
/* Bit of the read permission in the map (the write permission is the next); -1: not in the map */
int svm_msrpm_bit(u32 msr);
void svm_msr_intercept(struct vcpu *vcpu, u32 msr, bool rd, bool wr);
int svm_get_msr(struct vcpu *vcpu, u32 msr, u64 *val);
int svm_set_msr(struct vcpu *vcpu, u32 msr, u64 val);

/* ---- debug.c ---- */
void svm_clean_check(struct svm_vcpu *svm);	/* before an entry */
void svm_clean_copy(struct svm_vcpu *svm);	/* after an exit */
void svm_dump(struct vcpu *vcpu, bool all);

#endif /* VMM_SVM_H */
