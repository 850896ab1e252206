/* SPDX-License-Identifier: GPL-2.0 */
/* The state of a vCPU that is the same for every vendor, and which of it is at hand. */
#ifndef VMM_CPU_STATE_H
#define VMM_CPU_STATE_H

#include <linux/kvm.h>
#include <linux/atomic.h>
#include <asm/cpufeature.h>
#include <asm/fpu/types.h>
#include "../types.h"

/*
 * Groups of registers. General registers, RIP, RFLAGS, CR8, the interrupt shadow and CPL are always
 * at hand after an exit. The others stay in the VMCB/VMCS until somebody asks: a group is read
 * through state_get(), and whoever writes it does so between state_get() and state_dirty(). The
 * backend writes dirty groups back before the next entry.
 */
#define STATE_SEGS	BIT(0)	/* seg[], without CPL */
#define STATE_TABLES	BIT(1)	/* gdtr, idtr */
#define STATE_CRS	BIT(2)	/* cr0, cr2, cr3, cr4, efer as the guest sees them */
#define STATE_MSRS	BIT(3)	/* star .. sysenter_eip, kernel_gs_base, pat */
#define STATE_DRS	BIT(4)	/* dr6, dr7 */
#define STATE_CS	BIT(5)	/* seg[SEG_CS] alone, for readers: by state_code() */
#define STATE_ALL	(STATE_SEGS | STATE_TABLES | STATE_CRS | STATE_MSRS | STATE_DRS)

struct vcpu_state {
	u64 gpr[REG_COUNT];
	u64 rip;
	u64 rflags;
	u64 cr8;		/* TPR bits 7:4 */
	u8 int_shadow;		/* KVM_X86_SHADOW_INT_*: interrupts held for one instruction */
	u8 cpl;
	u32 valid;		/* STATE_*: at hand */
	u32 dirty;		/* STATE_*: newer than the VMCB/VMCS; implies valid */
	struct segment seg[SEG_COUNT];
	struct dtable gdtr, idtr;
	u64 cr0, cr2, cr3, cr4, efer;
	u64 pdpte[4];		/* with STATE_CRS, of PAE paging: backend_caps.pdptes */
	u64 star, lstar, cstar, sfmask, kernel_gs_base;	/* INIT keeps these and what follows */
	u64 sysenter_cs, sysenter_esp, sysenter_eip;
	u64 pat;
	u64 dr6, dr7;
	u64 db[4];		/* DR0-DR3 as the guest sees them */
	u64 xcr0;
};

/*
 * struct vcpu_events - events on their way into the guest (meaning as in KVM_GET_VCPU_EVENTS)
 *
 * At most one event is "injected": handed to the hardware and, when its delivery was interrupted
 * by an exit, handed over again. An exception that is pending has not been handed over yet.
 */
struct vcpu_events {
	struct event injected;		/* type EVENT_NONE when there is none */
	struct {
		bool pending;
		u8 vector;
		bool has_error;
		bool has_payload;	/* CR2 / DR6 not yet written */
		u32 error;
		u64 payload;
	} exception;
	bool nmi_masked;		/* an NMI handler runs: until IRET */
	atomic_t nmi_queued;		/* KVM_NMI, NMI messages: at most 2 */
	u8 nmi_pending;			/* taken over from nmi_queued */
	/*
	 * An interrupt that was acknowledged and waits for IF=1: from KVM_INTERRUPT, restored by
	 * KVM_SET_SREGS or KVM_SET_VCPU_EVENTS, or put aside for an exception. Vector or -1.
	 */
	int ext_irq;
	bool eoi_offered;		/* the one in service may be ended by memory: pv/eoi.c */
	u32 windows;			/* WINDOW_* the backend was last asked for */
};

/* How much of the APIC the processor itself serves (lapic_virtual.c). */
enum apic_virtual { APIC_VIRTUAL_NONE, APIC_VIRTUAL_XAPIC, APIC_VIRTUAL_X2APIC };

/* struct vcpu_policy - what must be intercepted; the backend's update_intercepts translates it */
struct vcpu_policy {
	u32 exceptions;		/* BIT(vector): intercepted exceptions */
	bool dr_access;		/* MOV DR */
	bool single_step;	/* guest debug: TF is set on entry and hidden from the guest */
	bool hlt;		/* HLT, MWAIT, PAUSE: unless disabled by KVM_ENABLE_CAP */
	bool mwait;
	bool pause;
	bool cr3;		/* CR3 writes (introspection); off by default */
	bool xsaves;		/* the guest was given XSAVES: else it is #UD, where possible */
	bool spec_passed;	/* writes of SPEC_CTRL are not intercepted */
	u8 apic;		/* enum apic_virtual */
};

#define CPUID_MAX_ENTRIES	256
#define CPUID_RANGES		3	/* functions from 0, from 0x40000000, from 0x80000000 on */
#define CPUID_RANGE_SLOTS	0x24

struct vcpu_cpuid {
	struct kvm_cpuid_entry2 *entries; /* KVM_SET_CPUID2's, dynamic bits up to date */
	u32 nent;
	u8 maxphyaddr;
	u8 vendor_amd;		/* guest CPUID says AuthenticAMD/HygonGenuine */
	u64 reserved_gpa;	/* GPA bits above maxphyaddr */
	u64 cr4_reserved;	/* CR4 bits the guest cannot set */
	u64 efer_reserved;
	u64 xcr0_supported;	/* XCR0 bits the guest may set */
	u32 pv_features;	/* KVM_CPUID_FEATURES EAX the guest was given */
	u32 caps[NCAPINTS];	/* guest_has(): the words of <asm/cpufeatures.h> */
	struct kvm_cpuid_entry2 absent;	/* the answer where there is no entry */
	/* First entry of a function plus 1, 0 where there is none: CPUID is a hot exit. */
	u16 slot[CPUID_RANGES * CPUID_RANGE_SLOTS];
};

#define CPU_MCE_BANKS	32	/* most machine-check banks of a vCPU: KVM_CAP_MCE */

/* MSRs that no hardware field holds. */
struct vcpu_msrs {
	u64 apic_base;
	u64 misc_enable;
	u64 platform_info;	/* what user space put there */
	u64 tsc_aux;
	bool tsc_aux_loaded;	/* the processor has the guest's */
	u64 tsc_adjust;
	u64 mtrr_def_type;
	u64 mtrr_fixed[11];
	u64 mtrr_var[16];	/* base, mask pairs */
	u64 mcg_cap, mcg_status, mcg_ctl;
	u64 mc_bank[CPU_MCE_BANKS * 4];	/* CTL, STATUS, ADDR, MISC of each */
	u64 mc_ctl2[CPU_MCE_BANKS];
	u64 arch_capabilities;
	u64 spec_ctrl;		/* as last seen; the backend switches it around the guest */
	u64 microcode;
	u64 hwcr;		/* MSR_K7_HWCR */
	u64 de_cfg;		/* MSR_AMD64_DE_CFG */
	u64 debugctl;
};

struct vcpu_fpu {
	struct fpu_guest guest;	/* exported FPU API: fpu_swap_kvm_fpstate() */
	bool switch_xcr0;	/* the guest's XCR0 matters and differs from the host's */
	bool switch_xss;	/* likewise IA32_XSS, which is 0 in every guest */
	bool switches;		/* an entry has to do with either */
};

struct vcpu_debug {
	u32 guest_debug;	/* KVM_GUESTDBG_* */
	u64 db[4];		/* effective DR0-DR3: user space's with USE_HW_BP */
	u64 dr7;		/* effective DR7, the same as state.dr7 */
	u64 guest_dr6, guest_dr7; /* the guest's own while user space debugs it */
	bool switch_db;		/* breakpoints armed: DR0-DR3 must be loaded on entry */
};

struct vcpu_tsc {
	u64 offset;		/* guest TSC = host TSC * scale + offset */
	u64 ratio;		/* backend's fixed-point ratio; 0: no scaling */
	u32 khz;		/* virtual frequency */
	u64 deadline;		/* host TSC at which a run must end, 0: none */
};

struct vm_clock {
	/* pv/clock.c: the moment that the clock counts from, under its lock */
	u64 base_tsc;		/* the host's TSC */
	u64 base_boot;		/* ktime_get_boottime_ns() */
	u64 base_ns;		/* the clock */
	bool started;		/* a vCPU has a time page */
	u64 wall;		/* MSR_KVM_WALL_CLOCK */
	/* The last host write of a TSC in this VM, under tsc.c's lock: vCPUs are kept in step. */
	bool tsc_written;
	u32 tsc_khz;
	u64 tsc_value;		/* what was written */
	u64 tsc_offset;		/* the offset it gave */
	u64 tsc_ns;		/* when, ktime_get_boottime_ns() */
};

/* Capabilities that KVM_ENABLE_CAP switched on. */
struct vm_policy {
	u32 user_msrs;		/* KVM_MSR_EXIT_REASON_*: accesses that end KVM_RUN */
	u64 disabled_exits;	/* KVM_X86_DISABLE_EXITS_* */
	u64 disabled_quirks;	/* KVM_X86_QUIRK_* */
	u64 manual_dirty;	/* KVM_DIRTY_LOG_* */
	bool x2apic_ids, x2apic_no_broadcast_quirk;
	bool platform_info_hidden; /* KVM_CAP_MSR_PLATFORM_INFO is switched off */
	bool exception_payload, triple_fault_event;
	bool power_button;	/* VMM_CAP_POWER_BUTTON */
	u32 max_vcpu_ids;
	u32 own_calls;		/* BIT(VMM_HC_*): VMM_CAP_HYPERCALLS */
	u32 user_hypercalls;	/* BIT(KVM_HC_*): KVM_CAP_EXIT_HYPERCALL */
	unsigned int halt_poll_ns_max;
	bool halt_poll_set;
};

#endif /* VMM_CPU_STATE_H */
