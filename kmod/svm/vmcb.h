/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The virtual machine control block (APM vol. 2, appendix B). Exit codes (appendix C) are those of
 * <uapi/asm/svm.h>. Only the files of svm/ and their suite include this.
 */
#ifndef VMM_SVM_VMCB_H
#define VMM_SVM_VMCB_H

#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/types.h>
#include <asm/page.h>
#include <uapi/asm/svm.h>

/* Words of vmcb_control.intercept: offsets 0 to 14h (table B-1). */
enum {
	ICPT_CR,		/* bit n: read of CRn; bit 16 + n: write */
	ICPT_DR,		/* likewise */
	ICPT_EXCEPTION,		/* bit n: vector n */
	ICPT_MISC1,
	ICPT_MISC2,
	ICPT_MISC3,
	ICPT_WORDS
};

#define ICPT_CR_READ(n)		BIT(n)
#define ICPT_CR_WRITE(n)	BIT(16 + (n))

/* ICPT_MISC1, offset 0Ch */
#define ICPT1_INTR		BIT(0)
#define ICPT1_NMI		BIT(1)
#define ICPT1_SMI		BIT(2)
#define ICPT1_INIT		BIT(3)
#define ICPT1_VINTR		BIT(4)
#define ICPT1_CR0_SEL_WRITE	BIT(5)	/* changes other than of TS and MP */
#define ICPT1_RDPMC		BIT(15)
#define ICPT1_CPUID		BIT(18)
#define ICPT1_RSM		BIT(19)
#define ICPT1_IRET		BIT(20)
#define ICPT1_INVD		BIT(22)
#define ICPT1_PAUSE		BIT(23)
#define ICPT1_HLT		BIT(24)
#define ICPT1_INVLPGA		BIT(26)
#define ICPT1_IOIO_PROT		BIT(27)
#define ICPT1_MSR_PROT		BIT(28)
#define ICPT1_TASK_SWITCH	BIT(29)
#define ICPT1_FERR_FREEZE	BIT(30)
#define ICPT1_SHUTDOWN		BIT(31)

/* ICPT_MISC2, offset 10h */
#define ICPT2_VMRUN		BIT(0)
#define ICPT2_VMMCALL		BIT(1)
#define ICPT2_VMLOAD		BIT(2)
#define ICPT2_VMSAVE		BIT(3)
#define ICPT2_STGI		BIT(4)
#define ICPT2_CLGI		BIT(5)
#define ICPT2_SKINIT		BIT(6)
#define ICPT2_WBINVD		BIT(9)
#define ICPT2_MONITOR		BIT(10)
#define ICPT2_MWAIT		BIT(11)
#define ICPT2_XSETBV		BIT(13)
#define ICPT2_RDPRU		BIT(14)

/* ICPT_MISC3, offset 14h */
#define ICPT3_INVLPGB		BIT(0)
#define ICPT3_MCOMMIT		BIT(3)
#define ICPT3_TLBSYNC		BIT(4)

/* vmcb_control.int_ctl, offset 60h */
#define V_TPR_MASK		0x0f
#define V_IRQ			BIT(8)
#define V_INTR_PRIO_MASK	(0xf << 16)
#define V_IGN_TPR		BIT(20)
#define V_INTR_MASKING		BIT(24)

/* vmcb_control.int_state, offset 68h */
#define INT_STATE_SHADOW	BIT(0)

/* vmcb_control.tlb_control, offset 5Ch (15.16.2) */
#define TLB_CTL_NOTHING		0
#define TLB_CTL_FLUSH_ALL		1
#define TLB_CTL_FLUSH_ASID		3

/* vmcb_control.event_inj and .exit_int_info, offsets A8h and 88h (15.20, 15.7.2) */
#define EVENT_VECTOR_MASK	0xffULL
#define EVENT_TYPE_SHIFT	8
#define EVENT_TYPE_MASK		(7ULL << EVENT_TYPE_SHIFT)
#define EVENT_ERROR_VALID	BIT_ULL(11)
#define EVENT_VALID		BIT_ULL(31)
#define EVENT_ERROR_SHIFT	32

/* vmcb_control.np_ctl, offset 90h; .lbr_ctl, offset B8h */
#define NP_ENABLE		BIT_ULL(0)
#define LBR_ENABLE		BIT_ULL(0)

/* vmcb_control.clean, offset C0h (15.15.3) */
#define CLEAN_INTERCEPTS	BIT(0)	/* intercepts, TSC offset, pause filter */
#define CLEAN_PERM_MAP		BIT(1)
#define CLEAN_ASID		BIT(2)
#define CLEAN_INT		BIT(3)	/* offsets 60h to 67h */
#define CLEAN_NP		BIT(4)	/* nested CR3, G_PAT */
#define CLEAN_CR		BIT(5)	/* CR0, CR3, CR4, EFER */
#define CLEAN_DR		BIT(6)
#define CLEAN_DT		BIT(7)
#define CLEAN_SEG		BIT(8)	/* CS, DS, SS, ES, CPL */
#define CLEAN_CR2		BIT(9)
#define CLEAN_LBR		BIT(10)
#define CLEAN_ALL		GENMASK(10, 0)

/* EXITINFO1 of IOIO (15.10.2) */
#define IOIO_IN			BIT(0)
#define IOIO_STRING		BIT(2)
#define IOIO_REP		BIT(3)
#define IOIO_SIZE_SHIFT		4	/* 3 bits: the size in bytes */
#define IOIO_SIZE_MASK		7
#define IOIO_ADDR_SHIFT		7	/* 3 bits: the address size in units of 2 bytes */
#define IOIO_ADDR_MASK		7
#define IOIO_SEG_SHIFT		10
#define IOIO_SEG_MASK		7
#define IOIO_PORT_SHIFT		16

/* EXITINFO1 of CR and DR accesses, with decode assists (15.8.1) */
#define CR_INFO_MOV		BIT_ULL(63)
#define CR_INFO_GPR_MASK	0xf

/* EXITINFO1 of a nested page fault (15.25.6): bits 0 to 4 are a page-fault error code */
#define NPF_PFEC_MASK		0x1f
#define NPF_FINAL		BIT_ULL(32)
#define NPF_GUEST_WALK		BIT_ULL(33)

/* EXITINFO2 of a task switch (15.14.1) */
#define TASK_IRET		BIT_ULL(36)
#define TASK_JMP		BIT_ULL(38)
#define TASK_HAS_ERROR		BIT_ULL(44)

#define SVM_EXIT_CODE_INVALID	0xffffffffU	/* VMEXIT_INVALID is -1 */

struct vmcb_control {
	u32 intercept[ICPT_WORDS];
	u8 reserved_018[0x24];
	u16 pause_threshold;
	u16 pause_count;
	u64 iopm_pa;
	u64 msrpm_pa;
	u64 tsc_offset;
	u32 asid;
	u8 tlb_control;
	u8 reserved_05d[3];
	u32 int_ctl;
	u32 int_vector;
	u64 int_state;
	u64 exit_code;
	u64 exit_info1;
	u64 exit_info2;
	u64 exit_int_info;
	u64 np_ctl;
	u64 avic_bar;
	u64 ghcb_pa;
	u64 event_inj;
	u64 ncr3;
	u64 lbr_ctl;
	u32 clean;
	u32 reserved_0c4;
	u64 next_rip;
	u8 insn_len;
	u8 insn[15];
	u8 reserved_0e0[0x320];
};

struct vmcb_segment {
	u16 selector;
	u16 attr;
	u32 limit;
	u64 base;
};

struct vmcb_save {
	struct vmcb_segment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
	u8 reserved_0a0[0x2b];
	u8 cpl;
	u32 reserved_0cc;
	u64 efer;
	u8 reserved_0d8[0x70];
	u64 cr4;
	u64 cr3;
	u64 cr0;
	u64 dr7;
	u64 dr6;
	u64 rflags;
	u64 rip;
	u8 reserved_180[0x58];
	u64 rsp;
	u64 s_cet;
	u64 ssp;
	u64 isst_addr;
	u64 rax;
	u64 star;
	u64 lstar;
	u64 cstar;
	u64 sfmask;
	u64 kernel_gs_base;
	u64 sysenter_cs;
	u64 sysenter_esp;
	u64 sysenter_eip;
	u64 cr2;
	u8 reserved_248[0x20];
	u64 pat;
	u64 debugctl;
	u64 br_from;
	u64 br_to;
	u64 last_excp_from;
	u64 last_excp_to;
	u8 reserved_298[0x48];
	u64 spec_ctrl;
	u8 reserved_2e8[0x918];
};

struct vmcb {
	struct vmcb_control control;
	struct vmcb_save save;
};

static_assert(sizeof(struct vmcb_control) == 0x400);
static_assert(sizeof(struct vmcb) == PAGE_SIZE);
static_assert(offsetof(struct vmcb_control, insn) == 0xd1);
static_assert(offsetof(struct vmcb_save, spec_ctrl) == 0x2e0);

#endif /* VMM_SVM_VMCB_H */
