/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The Intel backend's own nouns. Files: cpu.c (processors, probe, loaded VMCSs), vmx.c (operations,
 * lifetime, host state, run), vmcs.c (register groups), exit.c (decoding), inject.c (events,
 * windows, intercepts), apic.c (the virtualized APIC), msr.c (bitmap, MSRs of the VMCS, MSRs
 * switched by hand), debug.c (dump, entry failures), entry.S.
 *
 * Context of all functions unless said: the vCPU is loaded, so that its VMCS is the current one;
 * preemption off or vcpu->mutex held.
 */
#ifndef VMM_VMX_VMX_H
#define VMM_VMX_VMX_H

#include <linux/list.h>
#include <linux/percpu.h>

#include "../backend.h"
#include "entry.h"
#include "vmcs.h"

/* The words of controls, in the order of vmx_controls[] in cpu.c. */
enum vmx_control {
	VMX_PIN,
	VMX_PROC,
	VMX_PROC2,
	VMX_EXIT,
	VMX_ENTRY,
	VMX_COUNT
};

/**
 * struct vmx_caps - what the capability MSRs say (SDM vol. 3D, appendix A); read-only after probe
 * @basic: MSR_IA32_VMX_BASIC
 * @misc: MSR_IA32_VMX_MISC
 * @ept_vpid: MSR_IA32_VMX_EPT_VPID_CAP
 * @cr0_fixed: bits of CR0 that must be 1, without PE and PG, which an unrestricted guest may clear
 * @cr4_fixed: likewise of CR4
 * @must: of each word of controls, the bits that must be 1
 * @may: the bits that may be 1
 */
struct vmx_caps {
	u64 basic, misc, ept_vpid;
	u64 cr0_fixed, cr4_fixed;
	u32 must[VMX_COUNT], may[VMX_COUNT];
};

/* What the processor has beyond the required and the module's parameters have not switched off. */
struct vmx_features {
	bool tsc_scale, pause_loop, pml, rdtscp, invpcid, ept_dirty, flush_l1d, virtual_apic,
	     preemption_timer, posted_intr, ack_intr, xsaves, perf,
	     perf_switch;
	bool stale_vectoring;	/* see vmx_apic_vectoring() */
	u8 timer_shift;		/* the preemption timer counts when this bit of the TSC changes */
	u64 run_limit;		/* counts of it after which a run ends; 0: no limit */
};

extern struct vmx_caps vmx_caps;
extern struct vmx_features vmx_has;

/**
 * struct vmx_cpu - one processor; touched only on it, with interrupts off
 * @current_vmcs: the vCPU whose VMCS is the current one
 * @enabled: VMXON was done by us
 * @loaded: vCPUs whose VMCS may be in this processor: VMCLEAR before it goes elsewhere
 * @vmxon: the VMXON region
 */
struct vmx_cpu {
	struct vmx_vcpu *current_vmcs;
	bool enabled;
	struct list_head loaded;
	struct vmcs *vmxon;
};

DECLARE_PER_CPU(struct vmx_cpu, vmx_cpu);

/* struct vmx_entry - what entry.S needs; offsets in entry.h */
struct vmx_entry {
	u64 host_rsp;		/* HOST_RSP as it stands in the VMCS */
	u64 guest_spec;
	u64 host_spec;
	u8 flags;
};

static_assert(offsetof(struct vmx_entry, host_rsp) == ENTRY_HOST_RSP);
static_assert(offsetof(struct vmx_entry, guest_spec) == ENTRY_GUEST_SPEC);
static_assert(offsetof(struct vmx_entry, host_spec) == ENTRY_HOST_SPEC);
static_assert(offsetof(struct vmx_entry, flags) == ENTRY_FLAGS);

/* Guest MSRs that neither VMCS nor exit switches: loaded by the first entry, put by vcpu_put. */
enum vmx_switched_msr {
	SWITCH_STAR,
	SWITCH_LSTAR,
	SWITCH_SFMASK,
	SWITCH_KERNEL_GS_BASE,
	SWITCH_COUNT
};

/* struct vmx_host - host-state fields as they stand in the VMCS: written when they change */
struct vmx_host {
	u64 cr3, cr4, fs_base;
	u64 kernel_gs_base;	/* MSR: the thread's GS base in user space */
	u64 debugctl;		/* MSR: cleared by an exit */
	u64 perf, perf_guest;	/* PERF_GLOBAL_CTRL, where the guest runs with another value */
	u64 pebs;		/* MSR: PEBS_ENABLE, cleared for the guest */
	bool perf_written;	/* PERF_GLOBAL_CTRL is the guest's, without help of the processor */
	u16 ldt;		/* LDTR: likewise; 0: none */
	u16 ds, es, fs, gs;	/* not in the VMCS: it takes none with TI or RPL */
};

/* struct vmx_hw - guest-state fields as they stand in the VMCS: written when vcpu->state differs */
struct vmx_hw {
	u64 rip, rsp, rflags;
	u32 interruptibility;
};

/* struct vmx_exit - the fields that tell of an exit; those its reason does not need may be void */
struct vmx_exit {
	u32 reason;		/* bit 31: entry failure */
	u32 intr_info;
	u32 intr_error;
	u32 vectoring_info;
	u32 vectoring_error;
	u32 insn_len;
	u64 qualification;
	u64 gpa;
};

/* vmx_vcpu.fixups: what the entry must arrange beyond the plain one; zero nearly always */
#define FIXUP_SINGLE_STEP	BIT(0)	/* policy.single_step: TF, hidden from the guest */
#define FIXUP_EVENT		BIT(1)	/* ENTRY_INTR_INFO is valid */
#define FIXUP_TPR		BIT(2)	/* WINDOW_TPR: threshold at the guest's own TPR */
#define FIXUP_FLUSH_EPT		BIT(3)	/* flush translations made by the nested tables, once */
#define FIXUP_FLUSH_VPID	BIT(4)	/* flush linear translations, once */
#define FIXUP_FLUSH		(FIXUP_FLUSH_EPT | FIXUP_FLUSH_VPID)

/**
 * struct vmx_vcpu - the Intel half of a vCPU; guarded as struct vcpu's backend
 * @vmcs: the control structure, one page
 * @entry: what entry.S needs
 * @hw: see struct vmx_hw
 * @host: see struct vmx_host
 * @exit: the last exit
 * @error: INSTRUCTION_ERROR where VMLAUNCH or VMRESUME itself failed, else 0
 * @fixups: FIXUP_*
 * @ctl: each word of controls as it stands in the VMCS
 * @exceptions: EXCEPTION_BITMAP likewise
 * @guest_loaded: host segments are saved and @switched are in the processor
 * @windows: WINDOW_* asked for
 * @hidden_tf: TF was set by a fixup; the guest's own was clear
 * @vpid: this vCPU's, never 0
 * @eptp: EPT_POINTER
 * @switched: enum vmx_switched_msr: the guest's values
 * @msr_bitmap: 4 KiB
 * @apic_page: the virtual-APIC page: the core's, or our own where it has no APIC
 * @own_apic_page: to be freed
 * @apic: what the VMCS has been told
 * @pml: where the processor logs pages it dirties, filled from the end; NULL without PML
 * @cpu: processor the VMCS is active on, -1: none
 * @loaded: in vmx_cpu.loaded of that processor
 */
struct vmx_vcpu {
	struct vmcs *vmcs;
	struct vmx_entry entry;
	struct vmx_hw hw;
	struct vmx_host host;
	struct vmx_exit exit;
	u32 error;
	u32 fixups;
	u32 ctl[VMX_COUNT];
	u32 exceptions;
	bool guest_loaded;
	bool hidden_tf;
	u32 windows;
	u16 vpid;
	u64 eptp;
	u64 switched[SWITCH_COUNT];
	unsigned long *msr_bitmap;
	u8 *apic_page;
	bool own_apic_page;
	struct apic_sync apic;
	u64 *pml;
	int cpu;
	struct list_head loaded;
};

static inline struct vmx_vcpu *to_vmx(struct vcpu *vcpu)
{
	return vcpu->backend;
}

static const u16 vmx_control_field[VMX_COUNT] = {
	[VMX_PIN] = PIN_CONTROLS,
	[VMX_PROC] = PROC_CONTROLS,
	[VMX_PROC2] = PROC2_CONTROLS,
	[VMX_EXIT] = EXIT_CONTROLS,
	[VMX_ENTRY] = ENTRY_CONTROLS,
};

/* Set a word of controls, to bits that vmx_caps.may has; what must be 1 is added. */
static inline void vmx_control_set(struct vmx_vcpu *vmx, enum vmx_control ctl, u32 bits)
{
	bits |= vmx_caps.must[ctl];
	if (vmx->ctl[ctl] == bits)
		return;
	vmx->ctl[ctl] = bits;
	vmcs_write(vmx_control_field[ctl], bits);
}

/* Change the bits of a word of controls that mask names. */
static inline void vmx_control_change(struct vmx_vcpu *vmx, enum vmx_control ctl, u32 mask,
				      u32 bits)
{
	vmx_control_set(vmx, ctl, (vmx->ctl[ctl] & ~mask) | bits);
}

/*
 * entry.S: one round trip. Interrupts off. gpr: vcpu_state.gpr; RSP is in the VMCS. Return: 0;
 * 1: VMLAUNCH or VMRESUME failed, nothing was entered.
 */
asmlinkage int vmx_enter(u64 *gpr, struct vmx_entry *entry);

/* entry.S: run the host's handler of a vector (32 to 255), by INT n. Interrupts off. */
asmlinkage void vmx_host_interrupt(unsigned int vector);

/* ---- cpu.c ---- */
const char *vmx_missing(const struct vmx_caps *caps);
int vmx_probe(void);
void vmx_unprobe(void);
int vmx_cpu_enable(void);
void vmx_cpu_disable(void);
struct vmcs *vmx_vmcs_alloc(int node, gfp_t gfp);
/* Make the VMCS the current one of this processor; preemption off. false: VMX is off here. */
bool vmx_vmcs_load(struct vmx_vcpu *vmx, int cpu);
void vmx_vmcs_clear(struct vmx_vcpu *vmx);	/* any context that may wait for another CPU */
void vmx_flush(struct vmx_vcpu *vmx);		/* interrupts off: what FIXUP_FLUSH asks */
extern struct tdp_format vmx_tdp_format;	/* its constant members */

/* ---- vmcs.c ---- */
u32 vmx_segment_ar(const struct segment *seg);	/* attr to access rights */
u16 vmx_segment_attr(u32 ar);			/* and back */
void vmx_state_load(struct vcpu *vcpu);		/* dirty groups into the VMCS; interrupts off */
void vmx_state_fetch(struct vcpu *vcpu, u32 mask);
void vmx_state_init(struct vcpu *vcpu);		/* a new VMCS: CR masks, link pointer, constants */

/* ---- exit.c ---- */
void vmx_decode(const struct vmx_exit *raw, struct vm_exit *exit);
void vmx_exit_decode(struct vcpu *vcpu);

/* ---- inject.c ---- */
u32 vmx_event_encode(const struct event *ev);
void vmx_event_decode(u32 info, u32 error, u32 insn_len, struct event *ev);
void vmx_inject(struct vcpu *vcpu, const struct event *ev);
void vmx_inject_cancel(struct vcpu *vcpu);
void vmx_set_windows(struct vcpu *vcpu, u32 windows);
void vmx_update_intercepts(struct vcpu *vcpu);
void vmx_drain_pml(struct vcpu *vcpu);		/* after an exit, with PROC2_PML */
/*
 * Around an entry, interrupts off, only while fixups or an interrupt shadow ask for it.
 * entry: hw.rip, hw.rflags and hw.interruptibility are what the VMCS has; exit: state.rip, rflags
 * are read; both may change them and the VMCS.
 */
void vmx_entry_fixup(struct vcpu *vcpu);
void vmx_exit_fixup(struct vcpu *vcpu);

/* ---- apic.c ---- */
void vmx_apic_init(struct vcpu *vcpu);
void vmx_update_apic(struct vcpu *vcpu);
void vmx_post_irqs(struct vcpu *vcpu, int cpu);
void vmx_sync_apic(struct vcpu *vcpu, const struct apic_sync *sync);	/* interrupts off */
void vmx_apic_vectoring(struct vcpu *vcpu, struct event *ev);

/* ---- msr.c ---- */
/* Bit of the read permission in the bitmap, the write permission is 0x4000 on; -1: not in it */
int vmx_msr_bitmap_bit(u32 msr);
void vmx_msr_intercept(struct vcpu *vcpu, u32 msr, bool rd, bool wr);
int vmx_get_msr(struct vcpu *vcpu, u32 msr, u64 *val);
int vmx_set_msr(struct vcpu *vcpu, u32 msr, u64 val);
void vmx_msr_setup(void);			/* at load: the host's values of those below */
void vmx_msrs_init(struct vcpu *vcpu);		/* under creation: the bitmap */
void vmx_msrs_load(struct vmx_vcpu *vmx);	/* interrupts off: switched[] into the processor */
void vmx_msrs_put(struct vmx_vcpu *vmx);	/* preemption off: the host's back */
void vmx_msrs_write(struct vmx_vcpu *vmx);	/* preemption off: switched[] has changed */
u64 vmx_kernel_gs_base(struct vmx_vcpu *vmx);	/* the guest's, as SWAPGS left it */

/* ---- debug.c ---- */
struct vmx_segment {
	u16 selector;
	u32 limit;
	u32 ar;
	u64 base;
};

/* struct vmx_guest - the guest state that an entry checks, and what it is checked against */
struct vmx_guest {
	u64 cr0, cr3, cr4, dr7, efer, debugctl, rip, rflags, sysenter_esp, sysenter_eip,
	    pending_debug, gdtr_base, idtr_base;
	u32 gdtr_limit, idtr_limit, entry, intr_info, interruptibility, activity;
	struct vmx_segment seg[SEG_COUNT];
	u64 cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
	u8 phys_bits;
};

int vmx_check_guest(const struct vmx_guest *g, const char **out, int room);
const char *vmx_entry_failure(u32 reason, u32 error, u64 qualification); /* a sentence */
void vmx_dump(struct vcpu *vcpu, bool all);

#endif /* VMM_VMX_VMX_H */
