// SPDX-License-Identifier: GPL-2.0
/*
 * The pure parts of vmx/: field encodings, capability checks, decoding, events, segments, MSR
 * bitmap, the checks that an entry makes.
 */
#include <kunit/test.h>
#include <linux/string.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>

#include "../vmx/vmx.h"
#include "suites.h"

/* ---- fields (SDM vol. 3D, appendix B): width, kind and number of each ---- */

#define W16 0x0000
#define W64 0x2000
#define W32 0x4000
#define WN 0x6000
#define CONTROL 0x000
#define READ_ONLY 0x400
#define GUEST 0x800
#define HOST 0xc00
#define ENCODED(field, width, kind, nr) static_assert((field) == ((width) | (kind) | (nr) << 1))

ENCODED(VPID, W16, CONTROL, 0);
ENCODED(GUEST_ES_SELECTOR + 2 * SEG_TR, W16, GUEST, 7);
ENCODED(GUEST_ES_SELECTOR + 2 * SEG_LDTR, W16, GUEST, 6);
ENCODED(HOST_TR_SELECTOR, W16, HOST, 6);
ENCODED(MSR_BITMAP, W64, CONTROL, 2);
ENCODED(TSC_OFFSET, W64, CONTROL, 8);
ENCODED(VIRTUAL_APIC_PAGE, W64, CONTROL, 9);
ENCODED(EPT_POINTER, W64, CONTROL, 13);
ENCODED(TSC_MULTIPLIER, W64, CONTROL, 25);
ENCODED(GUEST_PHYSICAL_ADDRESS, W64, READ_ONLY, 0);
ENCODED(VMCS_LINK_POINTER, W64, GUEST, 0);
ENCODED(GUEST_DEBUGCTL, W64, GUEST, 1);
ENCODED(GUEST_EFER, W64, GUEST, 3);
ENCODED(GUEST_PERF_GLOBAL, W64, GUEST, 4);
ENCODED(GUEST_PDPTE + 2 * 3, W64, GUEST, 8);
ENCODED(HOST_EFER, W64, HOST, 1);
ENCODED(HOST_PERF_GLOBAL, W64, HOST, 2);
ENCODED(PIN_CONTROLS, W32, CONTROL, 0);
ENCODED(PROC_CONTROLS, W32, CONTROL, 1);
ENCODED(EXCEPTION_BITMAP, W32, CONTROL, 2);
ENCODED(EXIT_CONTROLS, W32, CONTROL, 6);
ENCODED(ENTRY_CONTROLS, W32, CONTROL, 9);
ENCODED(ENTRY_INTR_INFO, W32, CONTROL, 11);
ENCODED(ENTRY_INTR_ERROR, W32, CONTROL, 12);
ENCODED(ENTRY_INSN_LEN, W32, CONTROL, 13);
ENCODED(TPR_THRESHOLD, W32, CONTROL, 14);
ENCODED(PROC2_CONTROLS, W32, CONTROL, 15);
ENCODED(PLE_GAP, W32, CONTROL, 16);
ENCODED(PLE_WINDOW, W32, CONTROL, 17);
ENCODED(INSTRUCTION_ERROR, W32, READ_ONLY, 0);
ENCODED(EXIT_REASON, W32, READ_ONLY, 1);
ENCODED(EXIT_INTR_INFO, W32, READ_ONLY, 2);
ENCODED(EXIT_INTR_ERROR, W32, READ_ONLY, 3);
ENCODED(IDT_VECTORING_INFO, W32, READ_ONLY, 4);
ENCODED(IDT_VECTORING_ERROR, W32, READ_ONLY, 5);
ENCODED(EXIT_INSN_LEN, W32, READ_ONLY, 6);
ENCODED(GUEST_ES_LIMIT + 2 * SEG_TR, W32, GUEST, 7);
ENCODED(GUEST_GDTR_LIMIT, W32, GUEST, 8);
ENCODED(GUEST_IDTR_LIMIT, W32, GUEST, 9);
ENCODED(GUEST_ES_AR + 2 * SEG_CS, W32, GUEST, 11);
ENCODED(GUEST_SS_AR, W32, GUEST, 12);
ENCODED(GUEST_INTERRUPTIBILITY, W32, GUEST, 18);
ENCODED(GUEST_ACTIVITY, W32, GUEST, 19);
ENCODED(GUEST_SYSENTER_CS, W32, GUEST, 21);
ENCODED(GUEST_PREEMPTION_TIMER, W32, GUEST, 23);
ENCODED(CR0_MASK, WN, CONTROL, 0);
ENCODED(CR4_MASK, WN, CONTROL, 1);
ENCODED(CR0_SHADOW, WN, CONTROL, 2);
ENCODED(CR4_SHADOW, WN, CONTROL, 3);
ENCODED(EXIT_QUALIFICATION, WN, READ_ONLY, 0);
ENCODED(GUEST_CR0, WN, GUEST, 0);
ENCODED(GUEST_CR3, WN, GUEST, 1);
ENCODED(GUEST_CR4, WN, GUEST, 2);
ENCODED(GUEST_ES_BASE + 2 * SEG_TR, WN, GUEST, 10);
ENCODED(GUEST_GDTR_BASE, WN, GUEST, 11);
ENCODED(GUEST_IDTR_BASE, WN, GUEST, 12);
ENCODED(GUEST_DR7, WN, GUEST, 13);
ENCODED(GUEST_RSP, WN, GUEST, 14);
ENCODED(GUEST_RIP, WN, GUEST, 15);
ENCODED(GUEST_RFLAGS, WN, GUEST, 16);
ENCODED(GUEST_PENDING_DEBUG, WN, GUEST, 17);
ENCODED(GUEST_SYSENTER_ESP, WN, GUEST, 18);
ENCODED(GUEST_SYSENTER_EIP, WN, GUEST, 19);
ENCODED(HOST_CR3, WN, HOST, 1);
ENCODED(HOST_FS_BASE, WN, HOST, 3);
ENCODED(HOST_RSP, WN, HOST, 10);
ENCODED(HOST_RIP, WN, HOST, 11);
static_assert(HOST_RSP == ENTRY_FIELD_HOST_RSP && HOST_RIP == ENTRY_FIELD_HOST_RIP);

/* ---- capabilities ---- */

static struct vmx_caps all_caps(void)
{
	struct vmx_caps caps = { .ept_vpid = ~0ULL };

	caps.basic = PAGE_SIZE << BASIC_SIZE_SHIFT | 6ULL << BASIC_TYPE_SHIFT;
	memset(caps.may, 0xff, sizeof(caps.may));
	return caps;
}

static void capabilities(struct kunit *test)
{
	static const struct {
		u8 ctl;
		u32 bit;
		const char *name;
	} needed[] = {
		{ VMX_PIN, PIN_NMI, "NMI" }, { VMX_PIN, PIN_VIRTUAL_NMIS, "virtual NMIs" },
		{ VMX_PROC, PROC_TPR_SHADOW, "TPR shadow" },
		{ VMX_PROC, PROC_MSR_BITMAPS, "MSR bitmaps" },
		{ VMX_PROC, PROC_SECONDARY, "secondary" }, { VMX_PROC2, PROC2_EPT, "EPT" },
		{ VMX_PROC2, PROC2_VPID, "VPID" }, { VMX_EXIT, EXIT_HOST_64, "64-bit" },
		{ VMX_PROC2, PROC2_UNRESTRICTED, "unrestricted" },
		{ VMX_ENTRY, ENTRY_LOAD_EFER, "EFER" },
	};
	struct vmx_caps caps = all_caps();
	const char *missing;
	int i;

	KUNIT_EXPECT_NULL(test, vmx_missing(&caps));
	for (i = 0; i < ARRAY_SIZE(needed); i++) {
		caps = all_caps();
		caps.may[needed[i].ctl] &= ~needed[i].bit;
		missing = vmx_missing(&caps);
		KUNIT_ASSERT_NOT_NULL_MSG(test, missing, "%s", needed[i].name);
		/* "exits for host interrupts" are those for NMIs, too. */
		if (needed[i].bit != PIN_NMI)
			KUNIT_EXPECT_NOT_NULL_MSG(test, strstr(missing, needed[i].name), "%s: %s",
						  needed[i].name, missing);
	}
	caps = all_caps();
	caps.ept_vpid &= ~CAP_EPT_LEVEL_4;
	KUNIT_EXPECT_NOT_NULL(test, vmx_missing(&caps));
	caps = all_caps();
	caps.basic = 0x1800ULL << BASIC_SIZE_SHIFT | 6ULL << BASIC_TYPE_SHIFT;
	KUNIT_EXPECT_NOT_NULL(test, vmx_missing(&caps));
	/* What is only used where present may be absent. */
	caps = all_caps();
	caps.may[VMX_PROC2] &= ~(PROC2_PML | PROC2_TSC_SCALING | PROC2_XSAVES | PROC2_PAUSE_LOOP);
	caps.may[VMX_PIN] &= ~(PIN_PREEMPTION_TIMER | PIN_POSTED_INTR);
	caps.ept_vpid &= ~(CAP_EPT_1G | CAP_EPT_ACCESSED_DIRTY);
	KUNIT_EXPECT_NULL(test, vmx_missing(&caps));
}

/* ---- decoding ---- */

/* Old contents must not shine through. */
static void decode(const struct vmx_exit *raw, struct vm_exit *exit)
{
	memset(exit, 0xa5, sizeof(*exit));
	vmx_decode(raw, exit);
}

static const struct {
	u32 reason;
	u8 kind;
	u8 insn_len;
} plain_exits[] = {
	{ EXIT_REASON_EXTERNAL_INTERRUPT, VMEXIT_HOST_INTERRUPT, 0 },
	{ EXIT_REASON_TRIPLE_FAULT, VMEXIT_SHUTDOWN, 0 },
	{ EXIT_REASON_INTERRUPT_WINDOW, VMEXIT_IRQ_WINDOW, 0 },
	{ EXIT_REASON_NMI_WINDOW, VMEXIT_NMI_WINDOW, 0 },
	{ EXIT_REASON_TPR_BELOW_THRESHOLD, VMEXIT_TPR, 0 },
	{ EXIT_REASON_PREEMPTION_TIMER, VMEXIT_PREEMPTION_TIMER, 0 },
	{ EXIT_REASON_CPUID, VMEXIT_CPUID, 2 },
	{ EXIT_REASON_HLT, VMEXIT_HLT, 2 },
	{ EXIT_REASON_PAUSE_INSTRUCTION, VMEXIT_PAUSE, 2 },
	{ EXIT_REASON_VMCALL, VMEXIT_HYPERCALL, 2 },
	{ EXIT_REASON_RDPMC, VMEXIT_RDPMC, 2 },
	{ EXIT_REASON_MSR_READ, VMEXIT_RDMSR, 2 },
	{ EXIT_REASON_MSR_WRITE, VMEXIT_WRMSR, 2 },
	{ EXIT_REASON_INVD, VMEXIT_INVD, 2 },
	{ EXIT_REASON_WBINVD, VMEXIT_WBINVD, 2 },
	{ EXIT_REASON_XSETBV, VMEXIT_XSETBV, 2 },
	{ EXIT_REASON_MONITOR_INSTRUCTION, VMEXIT_MONITOR, 2 },
	{ EXIT_REASON_MWAIT_INSTRUCTION, VMEXIT_MWAIT, 2 },
	{ EXIT_REASON_VMON, VMEXIT_UNDEFINED, 2 },
	{ EXIT_REASON_ENCLS, VMEXIT_UNDEFINED, 2 },
	{ EXIT_REASON_VMLAUNCH, VMEXIT_UNDEFINED, 2 },
	{ EXIT_REASON_INVEPT, VMEXIT_UNDEFINED, 2 },
	{ 11 /* GETSEC */, VMEXIT_UNDEFINED, 2 },
	{ 0x7fff, VMEXIT_UNKNOWN, 0 },
	{ REASON_ENTRY_FAILURE | EXIT_REASON_INVALID_STATE, VMEXIT_INVALID_STATE, 0 },
	{ REASON_ENTRY_FAILURE | EXIT_REASON_MSR_LOAD_FAIL, VMEXIT_INVALID_STATE, 0 },
};

static void decode_plain(struct kunit *test)
{
	struct vm_exit exit;
	int i;

	for (i = 0; i < ARRAY_SIZE(plain_exits); i++) {
		/* What the reason does not call for is void. */
		struct vmx_exit raw = { .reason = plain_exits[i].reason, .insn_len = 2 };

		decode(&raw, &exit);
		KUNIT_EXPECT_EQ_MSG(test, exit.kind, plain_exits[i].kind, "reason %u", raw.reason);
		KUNIT_EXPECT_EQ_MSG(test, exit.insn_len, plain_exits[i].insn_len, "reason %u",
				    raw.reason);
		KUNIT_EXPECT_EQ(test, exit.hw_reason, (u64)raw.reason);
		KUNIT_EXPECT_EQ(test, exit.vectoring.type, (u8)EVENT_NONE);
		KUNIT_EXPECT_EQ(test, exit.insn_bytes, 0);
	}
}

static void decode_cr_dr(struct kunit *test)
{
	struct vmx_exit raw = { .reason = EXIT_REASON_CR_ACCESS, .insn_len = 3 };
	struct vm_exit exit;

	raw.qualification = 4 | REG_R9 << 8;			/* MOV CR4, R9 */
	decode(&raw, &exit);
	KUNIT_EXPECT_EQ(test, exit.kind, (u8)VMEXIT_CR_ACCESS);
	KUNIT_EXPECT_EQ(test, exit.reg.nr, 4);
	KUNIT_EXPECT_EQ(test, exit.reg.gpr, REG_R9);
	KUNIT_EXPECT_TRUE(test, exit.reg.write);
	KUNIT_EXPECT_EQ(test, exit.insn_len, 3);
	raw.qualification = 3 | 1 << 4 | REG_RBX << 8;		/* MOV RBX, CR3 */
	decode(&raw, &exit);
	KUNIT_EXPECT_EQ(test, exit.reg.nr, 3);
	KUNIT_EXPECT_FALSE(test, exit.reg.write);
	raw.qualification = 0 | 3 << 4 | 0xffULL << 16;		/* LMSW */
	decode(&raw, &exit);
	KUNIT_EXPECT_EQ(test, exit.reg.nr, 0);
	KUNIT_EXPECT_EQ(test, exit.reg.gpr, 0xff);
	KUNIT_EXPECT_TRUE(test, exit.reg.write);
	raw.qualification = 0 | 2 << 4;				/* CLTS */
	decode(&raw, &exit);
	KUNIT_EXPECT_EQ(test, exit.reg.gpr, 0xff);

	raw.reason = EXIT_REASON_DR_ACCESS;
	raw.qualification = 7 | BIT(4) | REG_RBX << 8;
	decode(&raw, &exit);
	KUNIT_EXPECT_EQ(test, exit.kind, (u8)VMEXIT_DR_ACCESS);
	KUNIT_EXPECT_EQ(test, exit.reg.nr, 7);
	KUNIT_EXPECT_EQ(test, exit.reg.gpr, REG_RBX);
	KUNIT_EXPECT_FALSE(test, exit.reg.write);
}

static void decode_exceptions(struct kunit *test)
{
	struct vmx_exit raw = { .reason = EXIT_REASON_EXCEPTION_NMI, .intr_error = 6 };
	struct vm_exit exit;

	raw.intr_info = INTR_VALID | INTR_ERROR_VALID | EVENT_EXCEPTION << INTR_TYPE_SHIFT |
			X86_TRAP_PF;
	raw.qualification = 0xdeadb000;
	raw.insn_len = 5;
	decode(&raw, &exit);
	KUNIT_EXPECT_EQ(test, exit.kind, (u8)VMEXIT_EXCEPTION);
	KUNIT_EXPECT_EQ(test, exit.exception.vector, X86_TRAP_PF);
	KUNIT_EXPECT_TRUE(test, exit.exception.has_error);
	KUNIT_EXPECT_EQ(test, exit.exception.error, 6u);
	KUNIT_EXPECT_EQ(test, exit.exception.payload, 0xdeadb000ull);
	KUNIT_EXPECT_EQ(test, exit.insn_len, 0);

	raw.intr_info = INTR_VALID | EVENT_EXCEPTION << INTR_TYPE_SHIFT | X86_TRAP_DB;
	raw.qualification = 0x4001 | BIT(12);
	decode(&raw, &exit);
	KUNIT_EXPECT_FALSE(test, exit.exception.has_error);
	KUNIT_EXPECT_EQ(test, exit.exception.error, 0u);
	KUNIT_EXPECT_EQ(test, exit.exception.payload, 0x4001ull);

	raw.intr_info = INTR_VALID | EVENT_SOFT_EXC << INTR_TYPE_SHIFT | X86_TRAP_BP;
	raw.insn_len = 1;
	decode(&raw, &exit);
	KUNIT_EXPECT_EQ(test, exit.exception.vector, X86_TRAP_BP);
	KUNIT_EXPECT_EQ(test, exit.insn_len, 1);

	raw.intr_info = INTR_VALID | EVENT_NMI << INTR_TYPE_SHIFT | X86_TRAP_NMI;
	decode(&raw, &exit);
	KUNIT_EXPECT_EQ(test, exit.kind, (u8)VMEXIT_HOST_INTERRUPT);
	raw.intr_info = INTR_VALID | EVENT_EXCEPTION << INTR_TYPE_SHIFT | X86_TRAP_MC;
	decode(&raw, &exit);
	KUNIT_EXPECT_EQ(test, exit.kind, (u8)VMEXIT_HOST_INTERRUPT);
}

static void decode_io(struct kunit *test)
{
	struct vmx_exit raw = { .reason = EXIT_REASON_IO_INSTRUCTION, .insn_len = 1 };
	struct vm_exit exit;

	raw.qualification = 0x3f8ULL << 16 | BIT(5) | BIT(4) |
			    BIT(3) | 3;				/* rep insd */
	decode(&raw, &exit);
	KUNIT_EXPECT_EQ(test, exit.kind, (u8)VMEXIT_IO);
	KUNIT_EXPECT_EQ(test, exit.io.port, 0x3f8);
	KUNIT_EXPECT_EQ(test, exit.io.size, 4);
	KUNIT_EXPECT_TRUE(test, exit.io.in && exit.io.string && exit.io.rep);
	raw.qualification = 0x80ULL << 16 | BIT(6);		/* outb to a constant port */
	decode(&raw, &exit);
	KUNIT_EXPECT_EQ(test, exit.io.port, 0x80);
	KUNIT_EXPECT_EQ(test, exit.io.size, 1);
	KUNIT_EXPECT_EQ(test, exit.insn_len, 1);
	KUNIT_EXPECT_FALSE(test, exit.io.in || exit.io.string || exit.io.rep);
}

static void decode_ept(struct kunit *test)
{
	struct vmx_exit raw = { .reason = EXIT_REASON_EPT_VIOLATION, .gpa = 0xfee00300 };
	struct vm_exit exit;

	raw.qualification = BIT(8) | BIT(7) | BIT(1);
	decode(&raw, &exit);
	KUNIT_EXPECT_EQ(test, exit.kind, (u8)VMEXIT_TDP_FAULT);
	KUNIT_EXPECT_EQ(test, exit.fault.gpa, 0xfee00300ull);
	KUNIT_EXPECT_EQ(test, exit.fault.error, (u64)(TDP_FAULT_WRITE | TDP_FAULT_GUEST_FINAL));
	/* The entry allowed reads and execution, and was written by the guest's own walk. */
	raw.qualification = BIT(7) | BIT(5) | BIT(3) | BIT(1) | BIT(0);
	decode(&raw, &exit);
	KUNIT_EXPECT_EQ(test, exit.fault.error,
			(u64)(TDP_FAULT_PRESENT | TDP_FAULT_WRITE | TDP_FAULT_GUEST_WALK));
	raw.qualification = BIT(8) | BIT(7) | BIT(2);
	decode(&raw, &exit);
	KUNIT_EXPECT_EQ(test, exit.fault.error, (u64)(TDP_FAULT_FETCH | TDP_FAULT_GUEST_FINAL));
	raw.reason = EXIT_REASON_EPT_MISCONFIG;
	decode(&raw, &exit);
	KUNIT_EXPECT_EQ(test, exit.kind, (u8)VMEXIT_TDP_MISCONFIG);
	KUNIT_EXPECT_EQ(test, exit.fault.gpa, 0xfee00300ull);
}

static void decode_vectoring(struct kunit *test)
{
	struct vmx_exit raw = {
		.reason = EXIT_REASON_EPT_VIOLATION, .vectoring_error = 0x18,
		.vectoring_info = INTR_VALID | INTR_ERROR_VALID |
				  EVENT_EXCEPTION << INTR_TYPE_SHIFT | X86_TRAP_GP,
	};
	struct vm_exit exit;

	decode(&raw, &exit);
	KUNIT_EXPECT_EQ(test, exit.vectoring.type, (u8)EVENT_EXCEPTION);
	KUNIT_EXPECT_EQ(test, exit.vectoring.vector, X86_TRAP_GP);
	KUNIT_EXPECT_EQ(test, exit.vectoring.error, 0x18u);
	/* Not where the reason cannot interrupt a delivery, nor where nothing was entered. */
	raw.reason = EXIT_REASON_CPUID;
	decode(&raw, &exit);
	KUNIT_EXPECT_EQ(test, exit.vectoring.type, (u8)EVENT_NONE);
	raw.reason = REASON_ENTRY_FAILURE | EXIT_REASON_INVALID_STATE;
	decode(&raw, &exit);
	KUNIT_EXPECT_EQ(test, exit.vectoring.type, (u8)EVENT_NONE);
}

static void decode_task(struct kunit *test)
{
	struct vmx_exit raw = {
		.reason = EXIT_REASON_TASK_SWITCH, .qualification = 3ULL << 30 | 0x48,
		.vectoring_error = 0x1234, .vectoring_info = INTR_VALID | INTR_ERROR_VALID |
			EVENT_EXCEPTION << INTR_TYPE_SHIFT | X86_TRAP_DF,
	};
	struct vm_exit exit;

	decode(&raw, &exit);
	KUNIT_EXPECT_EQ(test, exit.kind, (u8)VMEXIT_TASK_SWITCH);
	KUNIT_EXPECT_EQ(test, exit.task.selector, 0x48);
	KUNIT_EXPECT_EQ(test, exit.task.reason, 3);
	KUNIT_EXPECT_TRUE(test, exit.task.has_error);
	KUNIT_EXPECT_EQ(test, exit.task.error, 0x1234u);
	raw.qualification = 1ULL << 30;
	raw.vectoring_info = 0;
	decode(&raw, &exit);
	KUNIT_EXPECT_EQ(test, exit.task.reason, 1);
	KUNIT_EXPECT_FALSE(test, exit.task.has_error);
}

/* Accesses to an APIC's page (SDM vol. 3C, table 28-6), and what it leaves to us. */
static void decode_apic(struct kunit *test)
{
	struct vmx_exit raw = { .reason = EXIT_REASON_APIC_ACCESS, .qualification = 0x390 };
	struct vm_exit exit;

	decode(&raw, &exit);
	KUNIT_EXPECT_EQ(test, exit.kind, (u8)VMEXIT_APIC_ACCESS);
	KUNIT_EXPECT_EQ(test, exit.fault.gpa, 0x390ull);
	KUNIT_EXPECT_EQ(test, exit.fault.error & (TDP_FAULT_WRITE | TDP_FAULT_FETCH), 0ull);
	raw.qualification = 0x10a0;
	decode(&raw, &exit);
	KUNIT_EXPECT_EQ(test, exit.fault.gpa, 0xa0ull);
	KUNIT_EXPECT_EQ(test, exit.fault.error & (TDP_FAULT_WRITE | TDP_FAULT_FETCH),
			(u64)TDP_FAULT_WRITE);
	raw.qualification = 0x2000;
	raw.vectoring_info = INTR_VALID | EVENT_INTR << INTR_TYPE_SHIFT | 0x31;
	decode(&raw, &exit);
	KUNIT_EXPECT_EQ(test, exit.fault.error & (TDP_FAULT_WRITE | TDP_FAULT_FETCH),
			(u64)TDP_FAULT_FETCH);
	KUNIT_EXPECT_EQ(test, exit.vectoring.type, (u8)EVENT_INTR);
	KUNIT_EXPECT_EQ(test, exit.vectoring.vector, (u8)0x31);
	raw = (struct vmx_exit) { .reason = EXIT_REASON_APIC_WRITE, .qualification = 0x3f0 };
	decode(&raw, &exit);
	KUNIT_EXPECT_EQ(test, exit.kind, (u8)VMEXIT_APIC_WRITE);
	KUNIT_EXPECT_EQ(test, exit.apic.offset, (u16)0x3f0);
	raw = (struct vmx_exit) { .reason = EXIT_REASON_EOI_INDUCED, .qualification = 0xfe };
	decode(&raw, &exit);
	KUNIT_EXPECT_EQ(test, exit.kind, (u8)VMEXIT_APIC_EOI);
	KUNIT_EXPECT_EQ(test, exit.apic.vector, (u8)0xfe);
	raw = (struct vmx_exit) { .reason = EXIT_REASON_PREEMPTION_TIMER };
	decode(&raw, &exit);
	KUNIT_EXPECT_EQ(test, exit.kind, (u8)VMEXIT_PREEMPTION_TIMER);
}

/* ---- events ---- */

static void events_encode(struct kunit *test)
{
	struct event ev = { .type = EVENT_INTR, .vector = 0x30 };

	KUNIT_EXPECT_EQ(test, vmx_event_encode(&ev), 0x80000030u);
	ev = (struct event){ .type = EVENT_NMI, .vector = 2 };
	KUNIT_EXPECT_EQ(test, vmx_event_encode(&ev), 0x80000202u);
	ev = (struct event){ .type = EVENT_EXCEPTION, .vector = X86_TRAP_PF, .has_error = 1 };
	KUNIT_EXPECT_EQ(test, vmx_event_encode(&ev), 0x80000b0eu);
	ev = (struct event){ .type = EVENT_SOFT_INTR, .vector = 0x80, .error = 5 };
	KUNIT_EXPECT_EQ(test, vmx_event_encode(&ev), 0x80000480u);
	ev = (struct event){ .type = EVENT_SOFT_EXC, .vector = X86_TRAP_BP };
	KUNIT_EXPECT_EQ(test, vmx_event_encode(&ev), 0x80000603u);
}

static void events_decode(struct kunit *test)
{
	struct event ev;

	memset(&ev, 0xa5, sizeof(ev));
	vmx_event_decode(0x7fffffff, 1, 2, &ev);
	KUNIT_EXPECT_EQ(test, ev.type, (u8)EVENT_NONE);
	vmx_event_decode(0x80000b0d, 0x120, 7, &ev);
	KUNIT_EXPECT_EQ(test, ev.type, (u8)EVENT_EXCEPTION);
	KUNIT_EXPECT_EQ(test, ev.vector, X86_TRAP_GP);
	KUNIT_EXPECT_TRUE(test, ev.has_error);
	KUNIT_EXPECT_EQ(test, ev.error, 0x120u);
	KUNIT_EXPECT_EQ(test, ev.insn_len, 0);
	/* Bit 12 is not part of the event. */
	vmx_event_decode(0x80001421, 0x120, 2, &ev);
	KUNIT_EXPECT_EQ(test, ev.type, (u8)EVENT_SOFT_INTR);
	KUNIT_EXPECT_EQ(test, ev.vector, 0x21);
	KUNIT_EXPECT_EQ(test, ev.insn_len, 2);
	KUNIT_EXPECT_FALSE(test, ev.has_error);
	KUNIT_EXPECT_EQ(test, ev.error, 0u);
}

/* ---- segments ---- */

static void segments(struct kunit *test)
{
	struct segment seg = { .attr = 0xa9b, .limit = 0xffffffff };

	KUNIT_EXPECT_EQ(test, vmx_segment_ar(&seg), 0xa09bu);
	KUNIT_EXPECT_EQ(test, vmx_segment_attr(0xa09b), 0xa9b);
	/* The limit decides about G, where it leaves no choice. */
	seg.attr &= ~SEG_G;
	KUNIT_EXPECT_EQ(test, vmx_segment_ar(&seg), 0xa09bu);
	seg = (struct segment){ .attr = 0xc93, .limit = 0x12345 };
	KUNIT_EXPECT_EQ(test, vmx_segment_ar(&seg), 0x4093u);
	seg.limit = 0x12fff;
	KUNIT_EXPECT_EQ(test, vmx_segment_ar(&seg), 0xc093u);
	/* A segment register that is loaded was accessed; system segments have no such bit. */
	seg = (struct segment){ .attr = 0x92, .limit = 0xffff };
	KUNIT_EXPECT_EQ(test, vmx_segment_ar(&seg), 0x93u);
	seg.attr = 0x82;
	KUNIT_EXPECT_EQ(test, vmx_segment_ar(&seg), 0x82u);
	/* Unusable: DPL is kept, for CPL is SS's. */
	seg = (struct segment){ .attr = SEG_UNUSABLE | 0x60, .limit = 5 };
	KUNIT_EXPECT_EQ(test, vmx_segment_ar(&seg), 0x10060u);
	KUNIT_EXPECT_EQ(test, vmx_segment_attr(0x100f3), SEG_UNUSABLE | 0x73);
}

/* ---- MSR bitmap ---- */

static void msr_bitmap_bits(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, vmx_msr_bitmap_bit(0), 0);
	KUNIT_EXPECT_EQ(test, vmx_msr_bitmap_bit(0x1fff), 0x1fff);
	KUNIT_EXPECT_EQ(test, vmx_msr_bitmap_bit(0x2000), -1);
	KUNIT_EXPECT_EQ(test, vmx_msr_bitmap_bit(0xbfffffff), -1);
	KUNIT_EXPECT_EQ(test, vmx_msr_bitmap_bit(0xc0000000), 0x400 * 8);
	KUNIT_EXPECT_EQ(test, vmx_msr_bitmap_bit(0xc0000102), 0x400 * 8 + 0x102);
	KUNIT_EXPECT_EQ(test, vmx_msr_bitmap_bit(0xc0001fff), 0x800 * 8 - 1);
	KUNIT_EXPECT_EQ(test, vmx_msr_bitmap_bit(0xc0002000), -1);
	KUNIT_EXPECT_EQ(test, vmx_msr_bitmap_bit(0xffffffff), -1);
}

/* Reads and writes apart; the system call MSRs keep their write intercepts. */
static void msr_intercepts(struct kunit *test)
{
	struct vmx_vcpu *vmx = kunit_kzalloc(test, sizeof(*vmx), GFP_KERNEL);
	struct vcpu *vcpu = kunit_kzalloc(test, sizeof(*vcpu), GFP_KERNEL);
	int gs = 0x2000 + 0x102, lstar = 0x2000 + 0x82, star_w = 0x4000 + 0x2000 + 0x81;

	KUNIT_ASSERT_TRUE(test, vmx && vcpu);
	vmx->msr_bitmap = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, vmx->msr_bitmap);
	vcpu->backend = vmx;
	vmx_msrs_init(vcpu);
	KUNIT_EXPECT_EQ(test, find_first_zero_bit(vmx->msr_bitmap, 0x8000), 0x8000UL);
	vmx_msr_intercept(vcpu, MSR_KERNEL_GS_BASE, false, false);
	KUNIT_EXPECT_FALSE(test, test_bit(gs, vmx->msr_bitmap));
	KUNIT_EXPECT_FALSE(test, test_bit(gs + 0x4000, vmx->msr_bitmap));
	vmx_msr_intercept(vcpu, MSR_KERNEL_GS_BASE, true, false);
	KUNIT_EXPECT_TRUE(test, test_bit(gs, vmx->msr_bitmap));
	KUNIT_EXPECT_FALSE(test, test_bit(gs + 0x4000, vmx->msr_bitmap));
	vmx_msr_intercept(vcpu, MSR_LSTAR, false, false);
	KUNIT_EXPECT_FALSE(test, test_bit(lstar, vmx->msr_bitmap));
	KUNIT_EXPECT_TRUE(test, test_bit(lstar + 0x4000, vmx->msr_bitmap));
	vmx_msr_intercept(vcpu, MSR_STAR, false, false);
	KUNIT_EXPECT_TRUE(test, test_bit(star_w, vmx->msr_bitmap));
	vmx_msr_intercept(vcpu, 0xc0010015, false, false);
	KUNIT_EXPECT_EQ(test, bitmap_weight(vmx->msr_bitmap, 0x8000), 0x8000 - 3);
}

/* ---- the checks of an entry ---- */

/* On the heap: a few of them would be too much for the stack of a kernel with KASAN. */
static struct vmx_guest *guest(struct kunit *test, const struct vmx_guest *from)
{
	struct vmx_guest *g = kunit_kmalloc(test, sizeof(*g), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, g);
	*g = *from;
	return g;
}

static struct vmx_guest *real_mode(struct kunit *test)
{
	static const struct vmx_guest start = {
		.cr0 = 0x30, .cr4 = X86_CR4_VMXE, .rip = 0xfff0, .rflags = 2, .dr7 = 0x400,
		.gdtr_limit = 0xffff, .idtr_limit = 0xffff, .phys_bits = 40,
		.cr0_fixed0 = 0x80000021, .cr0_fixed1 = ~0U, .cr4_fixed0 = X86_CR4_VMXE,
		.cr4_fixed1 = 0x3f27ff,
	};
	struct vmx_guest *g = guest(test, &start);
	int i;

	for (i = 0; i < SEG_LDTR; i++)
		g->seg[i] = (struct vmx_segment) { .limit = 0xffff, .ar = 0x93 };
	g->seg[SEG_CS] = (struct vmx_segment) { 0xf000, 0xffff, 0x9b, 0xffff0000 };
	g->seg[SEG_LDTR] = (struct vmx_segment) { .limit = 0xffff, .ar = 0x82 };
	g->seg[SEG_TR] = (struct vmx_segment) { .limit = 0xffff, .ar = 0x8b };
	return g;
}

static struct vmx_guest *long_mode(struct kunit *test)
{
	struct vmx_guest *g = real_mode(test);
	int i;

	g->cr0 = 0x80000031;
	g->cr4 |= X86_CR4_PAE;
	g->efer = EFER_LME | EFER_LMA | EFER_SCE | EFER_NX;
	g->entry = ENTRY_IA32E;
	g->rip = 0xffffffff81000000;
	for (i = 0; i < SEG_LDTR; i++)
		g->seg[i] = (struct vmx_segment) { 0x18, 0xffffffff, 0xc093, 0 };
	g->seg[SEG_CS] = (struct vmx_segment) { 0x10, 0xffffffff, 0xa09b, 0 };
	return g;
}

/* Exactly one check fails, and its name begins so. */
#define FAILS(g, name) do {							\
	const char *out[4] = { };						\
										\
	KUNIT_EXPECT_EQ_MSG(test, vmx_check_guest(g, out, 4), 1, "%s", name);\
	KUNIT_EXPECT_TRUE_MSG(test, out[0] && strstarts(out[0], name), "%s: %s",\
			      name, out[0] ?: "nothing");			\
} while (0)

#define SPOILT(base, name, ...) do {						\
	struct vmx_guest *g = base(test);					\
										\
	__VA_ARGS__;								\
	FAILS(g, name);								\
} while (0)

static void entry_valid(struct kunit *test)
{
	struct vmx_guest *real = real_mode(test), *wide = long_mode(test);
	const char *out[4];
	int i;

	KUNIT_EXPECT_EQ(test, vmx_check_guest(real, out, 4), 0);
	KUNIT_EXPECT_EQ(test, vmx_check_guest(wide, out, 4), 0);
	/* User code with null data segments. */
	for (i = SEG_DS; i <= SEG_GS; i++)
		wide->seg[i] = (struct vmx_segment) { .ar = AR_UNUSABLE };
	wide->seg[SEG_ES] = (struct vmx_segment) { .ar = AR_UNUSABLE };
	wide->seg[SEG_CS].ar = 0xa0fb;
	wide->seg[SEG_SS].ar = 0xc0f3;
	KUNIT_EXPECT_EQ(test, vmx_check_guest(wide, out, 4), 0);
}

static void entry_virtual_8086(struct kunit *test)
{
	struct vmx_guest *v86 = real_mode(test);
	const char *out[4];
	int i;

	v86->cr0 |= X86_CR0_PE;
	v86->rflags |= X86_EFLAGS_VM;
	for (i = 0; i < SEG_LDTR; i++)
		v86->seg[i] = (struct vmx_segment) { 0x1234, 0xffff, 0xf3, 0x12340 };
	KUNIT_EXPECT_EQ(test, vmx_check_guest(v86, out, 4), 0);
	v86->seg[SEG_FS].base++;
	FAILS(v86, "a segment that virtual-8086 mode");
	v86->seg[SEG_FS].base--;
	v86->cr0 &= ~X86_CR0_PE;
	FAILS(v86, "RFLAGS: VM");
}

static void entry_registers(struct kunit *test)
{
	SPOILT(real_mode, "CR0: a bit that must be 1", g->cr0 &= ~X86_CR0_NE);
	SPOILT(real_mode, "CR0: a bit that must be 0", g->cr0 |= BIT_ULL(32));
	SPOILT(real_mode, "CR0: PG without PE", g->cr0 |= X86_CR0_PG);
	SPOILT(real_mode, "CR4: a bit that must be 1", g->cr4 = 0);
	SPOILT(real_mode, "CR4: a bit that must be 0", g->cr4 |= BIT(30));
	SPOILT(long_mode, "long mode without", g->cr4 &= ~X86_CR4_PAE);
	SPOILT(real_mode, "CR4: PCIDE", g->cr4 |= X86_CR4_PCIDE);
	SPOILT(long_mode, "CR3", g->cr3 = BIT_ULL(40));
	SPOILT(real_mode, "DR7", g->dr7 |= BIT_ULL(32));
	SPOILT(real_mode, "DEBUGCTL", g->debugctl = BIT(2));
	SPOILT(real_mode, "SYSENTER_EIP", g->sysenter_eip = BIT_ULL(60));
	SPOILT(real_mode, "EFER: a reserved bit", g->efer = BIT(12));
	SPOILT(long_mode, "EFER: LMA is not that", g->entry = 0, g->rip = 0);
	SPOILT(long_mode, "EFER: LMA is not LME", g->efer &= ~(u64)EFER_LME);
	SPOILT(real_mode, "GDTR or IDTR", g->gdtr_limit = 0x10000);
	SPOILT(long_mode, "RIP: not canonical", g->rip = BIT_ULL(60));
	SPOILT(real_mode, "RIP: upper half", g->rip = BIT_ULL(32));
	SPOILT(real_mode, "RFLAGS: a reserved bit", g->rflags = 0);
	SPOILT(real_mode, "RFLAGS: an interrupt", g->intr_info = INTR_VALID | 0x20);
}

static void entry_segments(struct kunit *test)
{
	SPOILT(real_mode, "CS: type", g->seg[SEG_CS].ar = 0x9c);
	SPOILT(long_mode, "CS: type", g->seg[SEG_CS].ar |= 0x60);
	SPOILT(long_mode, "CS: L with D", g->seg[SEG_CS].ar |= 0x4000);
	SPOILT(real_mode, "CS: base", g->seg[SEG_CS].base = BIT_ULL(32));
	SPOILT(real_mode, "CS: unusable", g->seg[SEG_CS].limit = 0x1fffff);
	SPOILT(real_mode, "SS: DPL", g->seg[SEG_SS].ar |= 0x60, g->seg[SEG_CS].ar |= 0x60);
	SPOILT(real_mode, "SS: type", g->seg[SEG_SS].ar = 0x9b);
	SPOILT(real_mode, "DS", g->seg[SEG_DS].ar = 0x92);
	SPOILT(real_mode, "ES", g->seg[SEG_ES].ar = 0x13);
	SPOILT(real_mode, "FS", g->seg[SEG_FS].base = BIT_ULL(60));
	SPOILT(real_mode, "GS", g->seg[SEG_GS].limit = 0x123456);
	SPOILT(real_mode, "TR: unusable", g->seg[SEG_TR].ar |= AR_UNUSABLE);
	SPOILT(long_mode, "TR: type", g->seg[SEG_TR].ar = 0x83);
	SPOILT(real_mode, "TR: selector", g->seg[SEG_TR].selector = 4);
	SPOILT(real_mode, "LDTR", g->seg[SEG_LDTR].ar = 0x83);
}

static void entry_interruptibility(struct kunit *test)
{
	struct vmx_guest *g = real_mode(test);
	const char *out[4];

	SPOILT(real_mode, "interruptibility: STI while IF", g->interruptibility = 1);
	SPOILT(real_mode, "interruptibility: STI and MOV SS", g->interruptibility = 3,
	       g->rflags |= X86_EFLAGS_IF);
	SPOILT(real_mode, "interruptibility: an interrupt or NMI", g->interruptibility = 2,
	       g->intr_info = 0x80000202);
	SPOILT(real_mode, "interruptibility: an NMI", g->interruptibility = 8,
	       g->intr_info = 0x80000202);
	SPOILT(real_mode, "pending debug exceptions: BS", g->interruptibility = 2,
	       g->rflags |= X86_EFLAGS_TF);
	SPOILT(real_mode, "interruptibility: SMIs", g->interruptibility = 4);
	g->interruptibility = 2;
	g->rflags |= X86_EFLAGS_TF;
	g->pending_debug = PENDING_DEBUG_BS;
	KUNIT_EXPECT_EQ(test, vmx_check_guest(g, out, 4), 0);
	/* With BTF set TF traps branches only. */
	g->debugctl = DEBUGCTLMSR_BTF;
	FAILS(g, "pending debug exceptions: BS");
}

static void entry_activity(struct kunit *test)
{
	static const struct {
		u32 activity, info;
		bool fits;
	} rows[] = {
		/* An interrupt, an NMI, #DB, #MC, #UD, INT n */
		{ 1, 0x80000020, true }, { 1, 0x80000202, true }, { 1, 0x80000301, true },
		{ 1, 0x80000312, true }, { 1, 0x80000306, false }, { 1, 0x80000480, false },
		{ 2, 0x80000202, true }, { 2, 0x80000312, true }, { 2, 0x80000020, false },
		{ 2, 0x80000301, false }, { 3, 0x80000202, false },
	};
	struct vmx_guest *g;
	const char *out[4];
	int i;

	SPOILT(real_mode, "activity: not active in", g->activity = 1, g->interruptibility = 2);
	SPOILT(real_mode, "activity: not active in", g->activity = 2, g->interruptibility = 2);
	SPOILT(long_mode, "activity: HLT with CPL", g->activity = 1, g->seg[SEG_CS].ar |= 0x60,
	       g->seg[SEG_SS].ar |= 0x60);
	SPOILT(real_mode, "activity: unknown", g->activity = 4);
	SPOILT(real_mode, "pending debug exceptions: BS", g->activity = 1,
	       g->rflags |= X86_EFLAGS_TF);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		g = real_mode(test);
		g->rflags |= X86_EFLAGS_IF;
		g->activity = rows[i].activity;
		g->intr_info = rows[i].info;
		KUNIT_EXPECT_EQ_MSG(test, vmx_check_guest(g, out, 4), !rows[i].fits, "%d", i);
	}
}

/* No more names than there is room for. */
static void entry_room(struct kunit *test)
{
	const char *out[3] = { NULL, NULL, "guard" };
	static const struct vmx_guest two_faults = { .phys_bits = 40, .cr4_fixed0 = X86_CR4_VMXE };
	struct vmx_guest *g = guest(test, &two_faults);

	KUNIT_EXPECT_EQ(test, vmx_check_guest(g, out, 2), 2);
	KUNIT_EXPECT_STREQ(test, out[2], "guard");
	KUNIT_EXPECT_EQ(test, vmx_check_guest(g, out, 0), 0);
}

static void entry_failures(struct kunit *test)
{
	u32 invalid = REASON_ENTRY_FAILURE | EXIT_REASON_INVALID_STATE;

	KUNIT_EXPECT_STREQ(test, vmx_entry_failure(invalid, 0, 0), "invalid guest state");
	KUNIT_EXPECT_STREQ(test, vmx_entry_failure(invalid, 0, 2), "invalid PDPTE");
	KUNIT_EXPECT_STREQ(test, vmx_entry_failure(0, 7, 0), "invalid control fields");
	KUNIT_EXPECT_STREQ(test, vmx_entry_failure(0, 8, 0), "invalid host-state fields");
	/* Numbers beyond the table, and holes in it. */
	KUNIT_EXPECT_NOT_NULL(test, vmx_entry_failure(0, 6, 0));
	KUNIT_EXPECT_NOT_NULL(test, vmx_entry_failure(0, ~0U, 0));
	KUNIT_EXPECT_NOT_NULL(test, vmx_entry_failure(~0U, 0, ~0ULL));
}

static struct kunit_case vmx_cases[] = {
	KUNIT_CASE(capabilities),
	KUNIT_CASE(decode_plain),
	KUNIT_CASE(decode_cr_dr),
	KUNIT_CASE(decode_exceptions),
	KUNIT_CASE(decode_io),
	KUNIT_CASE(decode_ept),
	KUNIT_CASE(decode_vectoring),
	KUNIT_CASE(decode_task),
	KUNIT_CASE(decode_apic),
	KUNIT_CASE(events_encode),
	KUNIT_CASE(events_decode),
	KUNIT_CASE(segments),
	KUNIT_CASE(msr_bitmap_bits),
	KUNIT_CASE(msr_intercepts),
	KUNIT_CASE(entry_valid),
	KUNIT_CASE(entry_virtual_8086),
	KUNIT_CASE(entry_registers),
	KUNIT_CASE(entry_segments),
	KUNIT_CASE(entry_interruptibility),
	KUNIT_CASE(entry_activity),
	KUNIT_CASE(entry_room),
	KUNIT_CASE(entry_failures),
	{}
};

struct kunit_suite vmx_suite = {
	.name = "vmm-vmx",
	.test_cases = vmx_cases,
};
