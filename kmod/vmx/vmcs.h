/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The virtual machine control structure: fields (SDM vol. 3D, appendix B), their bits (vol. 3C,
 * chapter 25) and the capability MSRs (appendix A). Exit reasons (appendix C) are those of
 * <uapi/asm/vmx.h>. Only the files of vmx/ and their suite include this.
 */
#ifndef VMM_VMX_VMCS_H
#define VMM_VMX_VMCS_H

#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/types.h>
#include <asm/asm.h>
#include <asm/page.h>
#include <uapi/asm/vmx.h>

enum vmcs_field {
	/* 16 bits wide */
	VPID			= 0x0000,
	POSTED_INTR_NV		= 0x0002,
	GUEST_ES_SELECTOR	= 0x0800,	/* + 2 * SEG_* */
	GUEST_INTR_STATUS	= 0x0810,
	GUEST_PML_INDEX		= 0x0812,
	HOST_ES_SELECTOR	= 0x0c00,
	HOST_CS_SELECTOR	= 0x0c02,
	HOST_SS_SELECTOR	= 0x0c04,
	HOST_DS_SELECTOR	= 0x0c06,
	HOST_FS_SELECTOR	= 0x0c08,
	HOST_GS_SELECTOR	= 0x0c0a,
	HOST_TR_SELECTOR	= 0x0c0c,
	/* 64 bits wide */
	MSR_BITMAP		= 0x2004,
	EXIT_MSR_STORE_ADDR	= 0x2006,
	EXIT_MSR_LOAD_ADDR	= 0x2008,
	ENTRY_MSR_LOAD_ADDR	= 0x200a,
	PML_ADDRESS		= 0x200e,
	TSC_OFFSET		= 0x2010,
	VIRTUAL_APIC_PAGE	= 0x2012,
	APIC_ACCESS_ADDR	= 0x2014,
	POSTED_INTR_DESC	= 0x2016,
	EPT_POINTER		= 0x201a,
	EOI_EXIT_BITMAP		= 0x201c,	/* + 2 * n, n = 0 .. 3 */
	XSS_EXIT_BITMAP		= 0x202c,
	ENCLS_EXIT_BITMAP	= 0x202e,
	TSC_MULTIPLIER		= 0x2032,
	GUEST_PHYSICAL_ADDRESS	= 0x2400,
	VMCS_LINK_POINTER	= 0x2800,
	GUEST_DEBUGCTL		= 0x2802,
	GUEST_PAT		= 0x2804,
	GUEST_EFER		= 0x2806,
	GUEST_PERF_GLOBAL	= 0x2808,
	GUEST_PDPTE		= 0x280a,	/* + 2 * n, n = 0 .. 3 */
	HOST_PAT		= 0x2c00,
	HOST_EFER		= 0x2c02,
	HOST_PERF_GLOBAL	= 0x2c04,
	/* 32 bits wide */
	PIN_CONTROLS		= 0x4000,
	PROC_CONTROLS		= 0x4002,
	EXCEPTION_BITMAP	= 0x4004,
	PF_ERROR_MASK		= 0x4006,
	PF_ERROR_MATCH		= 0x4008,
	CR3_TARGET_COUNT	= 0x400a,
	EXIT_CONTROLS		= 0x400c,
	EXIT_MSR_STORE_COUNT	= 0x400e,
	EXIT_MSR_LOAD_COUNT	= 0x4010,
	ENTRY_CONTROLS		= 0x4012,
	ENTRY_MSR_LOAD_COUNT	= 0x4014,
	ENTRY_INTR_INFO		= 0x4016,
	ENTRY_INTR_ERROR	= 0x4018,
	ENTRY_INSN_LEN		= 0x401a,
	TPR_THRESHOLD		= 0x401c,
	PROC2_CONTROLS		= 0x401e,
	PLE_GAP			= 0x4020,
	PLE_WINDOW		= 0x4022,
	INSTRUCTION_ERROR	= 0x4400,
	EXIT_REASON		= 0x4402,
	EXIT_INTR_INFO		= 0x4404,
	EXIT_INTR_ERROR		= 0x4406,
	IDT_VECTORING_INFO	= 0x4408,
	IDT_VECTORING_ERROR	= 0x440a,
	EXIT_INSN_LEN		= 0x440c,
	GUEST_ES_LIMIT		= 0x4800,	/* + 2 * SEG_* */
	GUEST_GDTR_LIMIT	= 0x4810,
	GUEST_IDTR_LIMIT	= 0x4812,
	GUEST_ES_AR		= 0x4814,	/* + 2 * SEG_* */
	GUEST_SS_AR		= 0x4818,
	GUEST_INTERRUPTIBILITY	= 0x4824,
	GUEST_ACTIVITY		= 0x4826,
	GUEST_SYSENTER_CS	= 0x482a,
	GUEST_PREEMPTION_TIMER	= 0x482e,
	HOST_SYSENTER_CS	= 0x4c00,
	/* of natural width */
	CR0_MASK		= 0x6000,
	CR4_MASK		= 0x6002,
	CR0_SHADOW		= 0x6004,
	CR4_SHADOW		= 0x6006,
	EXIT_QUALIFICATION	= 0x6400,
	GUEST_LINEAR_ADDRESS	= 0x640a,
	GUEST_CR0		= 0x6800,
	GUEST_CR3		= 0x6802,
	GUEST_CR4		= 0x6804,
	GUEST_ES_BASE		= 0x6806,	/* + 2 * SEG_* */
	GUEST_GDTR_BASE		= 0x6816,
	GUEST_IDTR_BASE		= 0x6818,
	GUEST_DR7		= 0x681a,
	GUEST_RSP		= 0x681c,
	GUEST_RIP		= 0x681e,
	GUEST_RFLAGS		= 0x6820,
	GUEST_PENDING_DEBUG	= 0x6822,
	GUEST_SYSENTER_ESP	= 0x6824,
	GUEST_SYSENTER_EIP	= 0x6826,
	HOST_CR0		= 0x6c00,
	HOST_CR3		= 0x6c02,
	HOST_CR4		= 0x6c04,
	HOST_FS_BASE		= 0x6c06,
	HOST_GS_BASE		= 0x6c08,
	HOST_TR_BASE		= 0x6c0a,
	HOST_GDTR_BASE		= 0x6c0c,
	HOST_IDTR_BASE		= 0x6c0e,
	HOST_SYSENTER_ESP	= 0x6c10,
	HOST_SYSENTER_EIP	= 0x6c12,
	HOST_RSP		= 0x6c14,	/* entry.S writes these two */
	HOST_RIP		= 0x6c16,
};

/* GUEST_INTR_STATUS (25.4.2): the vector requested, above it that in service */
#define INTR_STATUS_ISR_SHIFT	8

/* PIN_CONTROLS (25.6.1) */
#define PIN_EXT_INTR		BIT(0)
#define PIN_NMI			BIT(3)
#define PIN_VIRTUAL_NMIS	BIT(5)
#define PIN_PREEMPTION_TIMER	BIT(6)
#define PIN_POSTED_INTR		BIT(7)

/* PROC_CONTROLS (25.6.2) */
#define PROC_INTR_WINDOW	BIT(2)
#define PROC_TSC_OFFSET		BIT(3)
#define PROC_HLT		BIT(7)
#define PROC_INVLPG		BIT(9)
#define PROC_MWAIT		BIT(10)
#define PROC_RDPMC		BIT(11)
#define PROC_RDTSC		BIT(12)
#define PROC_CR3_LOAD		BIT(15)
#define PROC_CR3_STORE		BIT(16)
#define PROC_CR8_LOAD		BIT(19)
#define PROC_CR8_STORE		BIT(20)
#define PROC_TPR_SHADOW		BIT(21)
#define PROC_NMI_WINDOW		BIT(22)
#define PROC_MOV_DR		BIT(23)
#define PROC_UNCOND_IO		BIT(24)
#define PROC_MONITOR_TRAP	BIT(27)
#define PROC_MSR_BITMAPS	BIT(28)
#define PROC_MONITOR		BIT(29)
#define PROC_PAUSE		BIT(30)
#define PROC_SECONDARY		BIT(31)

/* PROC2_CONTROLS */
#define PROC2_APIC_ACCESS	BIT(0)
#define PROC2_EPT		BIT(1)
#define PROC2_RDTSCP		BIT(3)
#define PROC2_X2APIC		BIT(4)
#define PROC2_VPID		BIT(5)
#define PROC2_WBINVD		BIT(6)
#define PROC2_UNRESTRICTED	BIT(7)
#define PROC2_APIC_REGISTERS	BIT(8)
#define PROC2_VIRTUAL_INTR	BIT(9)
#define PROC2_PAUSE_LOOP	BIT(10)
#define PROC2_INVPCID		BIT(12)
#define PROC2_ENCLS		BIT(15)
#define PROC2_PML		BIT(17)
#define PROC2_XSAVES		BIT(20)
#define PROC2_TSC_SCALING	BIT(25)
#define PROC2_USER_WAIT		BIT(26)

/* EXIT_CONTROLS (25.7.1) */
#define EXIT_SAVE_DEBUG		BIT(2)
#define EXIT_HOST_64		BIT(9)
#define EXIT_LOAD_PERF		BIT(12)
#define EXIT_ACK_INTR		BIT(15)
#define EXIT_SAVE_PAT		BIT(18)
#define EXIT_LOAD_PAT		BIT(19)
#define EXIT_SAVE_EFER		BIT(20)
#define EXIT_LOAD_EFER		BIT(21)
#define EXIT_SAVE_TIMER		BIT(22)

/* ENTRY_CONTROLS (25.8.1) */
#define ENTRY_LOAD_DEBUG	BIT(2)
#define ENTRY_IA32E		BIT(9)
#define ENTRY_LOAD_PERF		BIT(13)
#define ENTRY_LOAD_PAT		BIT(14)
#define ENTRY_LOAD_EFER		BIT(15)

/*
 * ENTRY_INTR_INFO, EXIT_INTR_INFO, IDT_VECTORING_INFO (25.8.3, 25.9.2, 25.9.3). Types are numbered
 * as enum event_type.
 */
#define INTR_VECTOR_MASK	0xffU
#define INTR_TYPE_SHIFT		8
#define INTR_TYPE_MASK		(7U << INTR_TYPE_SHIFT)
#define INTR_ERROR_VALID	BIT(11)
#define INTR_NMI_UNBLOCKED	BIT(12)	/* by the IRET that faulted (28.2.3) */
#define INTR_VALID		BIT(31)

/* GUEST_INTERRUPTIBILITY (25.4.2) */
#define INTERRUPTIBILITY_STI	BIT(0)
#define INTERRUPTIBILITY_MOV_SS	BIT(1)
#define INTERRUPTIBILITY_SMI	BIT(2)
#define INTERRUPTIBILITY_NMI	BIT(3)

/* GUEST_ACTIVITY (25.4.2) */
#define ACTIVITY_ACTIVE		0
#define ACTIVITY_HLT		1
#define ACTIVITY_SHUTDOWN	2
#define ACTIVITY_WAIT_SIPI	3

/* GUEST_PENDING_DEBUG */
#define PENDING_DEBUG_BS	BIT(14)

/* Access rights (25.4.1): bits 0 to 7 as those of struct segment.attr, 12 to 15 its 8 to 11 */
#define AR_UNUSABLE		BIT(16)

/* EXIT_REASON (25.9.1) */
#define REASON_BASIC_MASK	0xffffU
#define REASON_ENTRY_FAILURE	BIT(31)

/* EPT_POINTER (25.6.11): write-back tables, the level minus one */
#define EPTP_WB			6ULL
#define EPTP_LEVEL_SHIFT	3
#define EPTP_ACCESSED_DIRTY	BIT_ULL(6)

/* MSR_IA32_VMX_BASIC (A.1) */
#define BASIC_REVISION_MASK	GENMASK_ULL(30, 0)
#define BASIC_SIZE_SHIFT	32
#define BASIC_SIZE_MASK		0x1fffULL
#define BASIC_TYPE_SHIFT	50
#define BASIC_TYPE_MASK		0xfULL
#define BASIC_TYPE_WB		6
#define BASIC_INS_OUTS		BIT_ULL(54)
#define BASIC_TRUE_CONTROLS	BIT_ULL(55)

/* MSR_IA32_VMX_MISC (A.6) */
#define MISC_TIMER_RATE_MASK	0x1fULL
#define MISC_SAVES_LMA		BIT_ULL(5)
#define MISC_INSN_LEN_0		BIT_ULL(30)

/* MSR_IA32_VMX_EPT_VPID_CAP (A.10) */
#define CAP_EPT_EXEC_ONLY	BIT_ULL(0)
#define CAP_EPT_LEVEL_4		BIT_ULL(6)
#define CAP_EPT_LEVEL_5		BIT_ULL(7)
#define CAP_EPT_WB		BIT_ULL(14)
#define CAP_EPT_2M		BIT_ULL(16)
#define CAP_EPT_1G		BIT_ULL(17)
#define CAP_INVEPT		BIT_ULL(20)
#define CAP_EPT_ACCESSED_DIRTY	BIT_ULL(21)
#define CAP_INVEPT_SINGLE	BIT_ULL(25)
#define CAP_INVEPT_ALL		BIT_ULL(26)
#define CAP_INVVPID		BIT_ULL(32)
#define CAP_INVVPID_SINGLE	BIT_ULL(41)
#define CAP_INVVPID_ALL		BIT_ULL(42)

/* Types of INVEPT and INVVPID (31.3) */
#define INV_SINGLE		1UL
#define INV_ALL			2UL

/* struct vmcs - the region; the processor keeps what it likes behind the first two words (25.2) */
struct vmcs {
	u32 revision;
	u32 abort;
	u8 data[PAGE_SIZE - 8];
};

static_assert(sizeof(struct vmcs) == PAGE_SIZE);

/* vmx.c: a field that does not exist here, or no VMCS is loaded; logged, rate-limited */
void vmx_field_failed(unsigned long field, bool write);

/*
 * The exception table serves a processor on which VMX went off under us: reboot, a CPU that goes
 * down. What is read there is 0, what is written is lost, and nothing is entered on it any more.
 */
static __always_inline u64 vmcs_read(unsigned long field)
{
	unsigned long val;
	bool failed;

	asm volatile("1: vmread %[field], %[val]\n"
		     "2:\n"
		     _ASM_EXTABLE_TYPE(1b, 2b, EX_TYPE_ZERO_REG) /* register 0: RAX */
		     : "=@ccna" (failed), [val] "=a" (val)
		     : [field] "r" (field));
	if (unlikely(failed)) {
		vmx_field_failed(field, false);
		return 0;
	}
	return val;
}

static __always_inline void vmcs_write(unsigned long field, u64 val)
{
	bool failed;

	asm volatile("1: vmwrite %[val], %[field]\n"
		     "2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : "=@ccna" (failed)
		     : [field] "r" (field), [val] "rm" (val)
		     : "memory");
	if (unlikely(failed))
		vmx_field_failed(field, true);
}

#endif /* VMM_VMX_VMCS_H */
