/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of this room share among themselves; nobody else includes it. */
#ifndef VMM_CPU_INTERNAL_H
#define VMM_CPU_INTERNAL_H

#include "cpu.h"
#include "../backend.h"

#define EFER_SETTABLE	((u64)(EFER_SCE | EFER_LME | EFER_LMA | EFER_NX |	\
			       (boot_cpu_has(X86_FEATURE_FXSR_OPT) ? EFER_FFXSR : 0)))

/* DR6 and DR7: bits that are always one, and bits software may set (APM vol. 2, 13.1.1). */
#define DR6_ONES	0xffff0ff0ull
#define DR6_SETTABLE	0x0000e00full
#define DR7_ONES	0x00000400ull
#define DR7_SETTABLE	0xffff23ffull
#define DR7_ENABLED	0x000000ffull
#define DR6_BREAKPOINTS	0xfull
#define DR6_GD		BIT_ULL(13)
#define DR6_STEP	BIT_ULL(14)
#define DR7_GD_BIT	BIT_ULL(13)

/* The HWCR bit that says the TSC counts at P0's rate. */
#define MSR_K7_HWCR_TSC_FREQ_SEL BIT_ULL(24)

/* MTRRs (APM vol. 2, 7.7.3); the kernel's names for them are not in its style. */
#define MSR_MTRR_CAP		0xfe
#define MSR_MTRR_DEF_TYPE	0x2ff
#define MSR_MTRR_FIX64K		0x250
#define MSR_MTRR_FIX16K		0x258	/* two */
#define MSR_MTRR_FIX4K		0x268	/* eight */
#define MSR_MTRR_PHYS		0x200	/* base, mask, base, mask .. */
#define MTRR_VARIABLE		8	/* pairs; MTRRcap.VCNT */
#define MTRR_CAP	(MTRR_VARIABLE | BIT(8) | BIT(10))	/* fixed ranges, write-combining */

#define PAT_RESET	0x0007040600070406ull

/**
 * struct feature_word - a register of feature bits that CPUID has
 * @function: the leaf
 * @index: of the leaf
 * @reg: EAX, EBX, ECX, EDX: 0 to 3
 * @word: of <asm/cpufeatures.h>: what the host's kernel has switched off is not offered
 * @host: offered where the host has it
 * @guest: of these, what the processor does for the guest alone: the kernel has no say
 * @emulated: offered always
 * @avx: only where AVX's state is switched
 * @avx512: only where AVX-512's state is switched
 * @xsaves: only where the backend can give XSAVES to a guest
 */
struct feature_word {
	u32 function, index;
	u8 reg, word;
	u32 host, emulated, avx, avx512, xsaves, guest;
};

/* cpuid_supported.c */
#define CPUID_WORDS 10
extern const struct feature_word cpuid_words[CPUID_WORDS];
static inline u32 *cpuid_reg(struct kvm_cpuid_entry2 *entry, u8 reg)
{
	return &entry->eax + reg;	/* EAX, EBX, ECX, EDX stand in a row */
}

u32 cpuid_feature_bits(const struct feature_word *w, u32 raw, u32 kernel, u64 xcr0);

bool cpuid_la57(void);

/* cpuid.c */
void cpuid_derive(struct vcpu *vcpu);		/* what follows from the entries: masks, index */
bool cpuid_value(struct vcpu *vcpu, u32 function, u32 index, struct kvm_cpuid_entry2 *out);

/* cr.c */
u64 reg_access_mask(struct vcpu *vcpu);

/* xstate.c */
extern unsigned int mxcsr_feature_mask;		/* the kernel's; no header shows it */
void xstate_setup(void);
void xstate_update(struct vcpu *vcpu);		/* after a change of CR4.OSXSAVE or XCR0 */
bool xcr0_valid(u64 val, u64 supported);
int xss_access(struct vcpu *vcpu, u64 val, bool host);	/* 0, 1: #GP, -ENOENT */
/* One state component (CPUID 0xD: EAX EBX ECX); NULL: not offered. */
struct xstate_component {
	u32 size, offset, flags;
};

const struct xstate_component *xstate_component(unsigned int nr);

/* msr_filter.c */
bool msr_filter_denies(struct vcpu *vcpu, u32 msr, bool write);
int msr_fault(struct vcpu *vcpu, bool write, u32 msr, u64 val, int why);	/* RESUME_* */

/* msr_mtrr.c: can this MTRR hold this value? */
bool mtrr_valid(struct vcpu *vcpu, u32 msr, u64 val);
bool pat_valid(u64 val);

/* msr_mce.c; 0: done, 1: #GP, -ENOENT: not one of them */
int mce_read(struct vcpu *vcpu, u32 msr, u64 *val);
int mce_write(struct vcpu *vcpu, u32 msr, u64 val, bool host);

/* msr.c */
void msr_intercept(struct vcpu *vcpu, u32 msr, bool rd, bool wr);
u64 msr_spec_ctrl_bits(void);			/* bits of SPEC_CTRL the host has, 0: no such MSR */

/* msr_table.c: likewise */
int msr_ignored_read(u32 msr, u64 *val);
int msr_ignored_write(u32 msr, u64 val);
u64 msr_arch_capabilities(void);		/* what this host can tell a guest, 0 on AMD */
u64 msr_de_cfg(void);

/* events.c */
u32 events_decide(struct vcpu *vcpu);		/* WINDOW_* */

/* debug.c */
void debug_reset(struct vcpu *vcpu);
void debug_deliver_payload(struct vcpu *vcpu, u64 payload);	/* DR6, DR7.GD, BTF of a #DB */
/* KVM_EXIT_DEBUG: always RESUME_USER */
int debug_to_user(struct vcpu *vcpu, u32 vector, u64 dr6);

#endif /* VMM_CPU_INTERNAL_H */
