// SPDX-License-Identifier: GPL-2.0
/* The VMCS in the kernel log, and why an entry was refused (SDM vol. 3C, 27.3, 27.8, 31.4). */
#define pr_fmt(fmt) "vmm: " fmt

#include <linux/kernel.h>
#include <linux/printk.h>
#include <asm/msr.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>

#include "vmx.h"

/* ---- why an entry failed ---- */

/**
 * vmx_entry_failure() - an entry that did not reach the guest, in words
 * @reason: EXIT_REASON; used where bit 31 is set
 * @error: INSTRUCTION_ERROR, 0: the instruction did not fail
 * @qualification: EXIT_QUALIFICATION
 */
const char *vmx_entry_failure(u32 reason, u32 error, u64 qualification)
{
	static const char *const errors[] = {
		[4] = "VMLAUNCH with a VMCS that is not clear",
		[5] = "VMRESUME with a VMCS that was not launched",
		[7] = "invalid control fields",
		[8] = "invalid host-state fields",
		[26] = "events are blocked by MOV SS",
	};

	if (error)
		return error < ARRAY_SIZE(errors) && errors[error] ? errors[error] :
		       "an error that no entry should meet";
	switch (reason & REASON_BASIC_MASK) {
	case EXIT_REASON_INVALID_STATE:
		if (qualification == 2)
			return "invalid PDPTE";
		if (qualification == 4)
			return "invalid VMCS link pointer";
		return "invalid guest state";
	case EXIT_REASON_MSR_LOAD_FAIL:
		return "an MSR could not be loaded";
	case EXIT_REASON_MCE_DURING_VMENTRY:
		return "a machine check during the entry";
	default:
		return "an unknown reason";
	}
}
EXPORT_FOR_TEST(vmx_entry_failure);

/* ---- the checks of guest state, by name (27.3.1) ---- */

struct vmx_check {
	const char *text;
	bool failed;
};

/* By the width of the processor's addresses (27.3.1.2). */
static bool vmx_canonical(u64 addr)
{
	int shift = 64 - boot_cpu_data.x86_virt_bits;

	return (u64)((s64)(addr << shift) >> shift) == addr;
}

static int vmx_note(const struct vmx_check *checks, int n, const char **out, int room)
{
	int i, failed = 0;

	for (i = 0; i < n && failed < room; i++)
		if (checks[i].failed)
			out[failed++] = checks[i].text;
	return failed;
}

/* 27.3.1.1 */
static int vmx_check_registers(const struct vmx_guest *g, const char **out, int room)
{
	bool long_mode = g->entry & ENTRY_IA32E, pg = g->cr0 & X86_CR0_PG;
	u64 free = X86_CR0_PE | X86_CR0_PG;
	const struct vmx_check checks[] = {
		{ "CR0: a bit that must be 1 is 0", g->cr0_fixed0 & ~g->cr0 & ~free },
		{ "CR0: a bit that must be 0 is 1", g->cr0 & ~g->cr0_fixed1 },
		{ "CR0: PG without PE", pg && !(g->cr0 & X86_CR0_PE) },
		{ "CR4: a bit that must be 1 is 0", g->cr4_fixed0 & ~g->cr4 },
		{ "CR4: a bit that must be 0 is 1", g->cr4 & ~g->cr4_fixed1 },
		{ "DEBUGCTL: a reserved bit", g->debugctl & ~0xdfc3ULL },
		{ "long mode without CR0.PG or CR4.PAE",
		  long_mode && !(pg && (g->cr4 & X86_CR4_PAE)) },
		{ "CR4: PCIDE outside long mode", !long_mode && (g->cr4 & X86_CR4_PCIDE) },
		{ "CR3: beyond the processor's physical addresses", g->cr3 >> g->phys_bits },
		{ "DR7: upper half", g->dr7 >> 32 },
		{ "SYSENTER_ESP: not canonical", !vmx_canonical(g->sysenter_esp) },
		{ "SYSENTER_EIP: not canonical", !vmx_canonical(g->sysenter_eip) },
		{ "EFER: a reserved bit",
		  g->efer & ~(u64)(EFER_SCE | EFER_LME | EFER_LMA | EFER_NX) },
		{ "EFER: LMA is not that of the entry", !(g->efer & EFER_LMA) == long_mode },
		{ "EFER: LMA is not LME", pg && !(g->efer & EFER_LMA) != !(g->efer & EFER_LME) },
	};

	return vmx_note(checks, ARRAY_SIZE(checks), out, room);
}

static bool vmx_bad_limit(const struct vmx_segment *s)
{
	bool g = s->ar & 0x8000;

	return (g && (~s->limit & 0xfff)) || (!g && (s->limit >> 20));
}

static bool vmx_usable(const struct vmx_segment *s)
{
	return !(s->ar & AR_UNUSABLE);
}

/* What holds for every segment that is usable. */
static bool vmx_bad_segment(const struct vmx_segment *s, bool system)
{
	return vmx_usable(s) && (!(s->ar & SEG_P) || !(s->ar & SEG_S) != system ||
				 (s->ar & 0xfffe0f00) || vmx_bad_limit(s));
}

static bool vmx_bad_data(const struct vmx_segment *s)
{
	return vmx_usable(s) && (vmx_bad_segment(s, false) || !(s->ar & 1) ||
				 (s->ar & 0xa) == 8);
}

static unsigned int vmx_dpl(const struct vmx_segment *s)
{
	return (s->ar & SEG_DPL_MASK) >> SEG_DPL_SHIFT;
}

static bool vmx_bad_cs(const struct vmx_guest *g)
{
	const struct vmx_segment *cs = &g->seg[SEG_CS];
	unsigned int dpl = vmx_dpl(cs), cpl = vmx_dpl(&g->seg[SEG_SS]);

	switch (cs->ar & SEG_TYPE_MASK) {
	case 3:
		return dpl;
	case 9:
	case 11:
		return dpl != cpl;
	case 13:
	case 15:
		return dpl > cpl;
	default:
		return true;
	}
}

/* In virtual-8086 mode nothing is free (27.3.1.2). */
static int vmx_check_segments_v86(const struct vmx_guest *g, const char **out, int room)
{
	bool bad = false;
	int i;

	for (i = SEG_ES; i <= SEG_GS; i++)
		bad |= g->seg[i].base != g->seg[i].selector << 4 || g->seg[i].limit != 0xffff ||
		       g->seg[i].ar != 0xf3;
	if (bad && room)
		out[0] = "a segment that virtual-8086 mode does not have";
	return bad && room;
}

static int vmx_check_segments(const struct vmx_guest *g, const char **out, int room)
{
	const struct vmx_segment *cs = &g->seg[SEG_CS], *ss = &g->seg[SEG_SS];
	const struct vmx_segment *tr = &g->seg[SEG_TR], *ldtr = &g->seg[SEG_LDTR];
	bool long_mode = g->entry & ENTRY_IA32E;
	bool no_cpl = (cs->ar & SEG_TYPE_MASK) == 3 || !(g->cr0 & X86_CR0_PE);
	const struct vmx_check checks[] = {
		{ "CS: unusable, not present, or its limit", !vmx_usable(cs) ||
		  vmx_bad_segment(cs, false) },
		{ "CS: type or DPL", vmx_bad_cs(g) },
		{ "CS: base", cs->base >> 32 },
		{ "CS: L with D", long_mode && (cs->ar & 0x6000) == 0x6000 },
		{ "SS: type", vmx_usable(ss) && (ss->ar & 0xb) != 3 },
		{ "SS: DPL in real mode", no_cpl && vmx_dpl(ss) },
		{ "SS: access rights, limit or base", vmx_bad_data(ss) ||
		  (vmx_usable(ss) && ss->base >> 32) },
		{ "DS: access rights, limit or base", vmx_bad_data(&g->seg[SEG_DS]) ||
		  (vmx_usable(&g->seg[SEG_DS]) && g->seg[SEG_DS].base >> 32) },
		{ "ES: access rights, limit or base", vmx_bad_data(&g->seg[SEG_ES]) ||
		  (vmx_usable(&g->seg[SEG_ES]) && g->seg[SEG_ES].base >> 32) },
		{ "FS: access rights, limit or base", vmx_bad_data(&g->seg[SEG_FS]) ||
		  !vmx_canonical(g->seg[SEG_FS].base) },
		{ "GS: access rights, limit or base", vmx_bad_data(&g->seg[SEG_GS]) ||
		  !vmx_canonical(g->seg[SEG_GS].base) },
		{ "TR: unusable, not present, its limit or base", !vmx_usable(tr) ||
		  vmx_bad_segment(tr, true) || !vmx_canonical(tr->base) },
		{ "TR: type", (tr->ar & SEG_TYPE_MASK) != 11 &&
		  (long_mode || (tr->ar & SEG_TYPE_MASK) != 3) },
		{ "TR: selector", tr->selector & 4 },
		{ "LDTR: type, limit, base or selector", vmx_usable(ldtr) &&
		  ((ldtr->ar & SEG_TYPE_MASK) != 2 || vmx_bad_segment(ldtr, true) ||
		   !vmx_canonical(ldtr->base) || (ldtr->selector & 4)) },
	};

	if (g->rflags & X86_EFLAGS_VM)
		return vmx_check_segments_v86(g, out, room);
	return vmx_note(checks, ARRAY_SIZE(checks), out, room);
}

/* Which events may be injected into which activity state (27.3.1.5) */
static bool vmx_activity_takes(u32 activity, u32 type, u8 vector)
{
	bool mc = type == EVENT_EXCEPTION && vector == X86_TRAP_MC;

	switch (activity) {
	case ACTIVITY_ACTIVE:
		return true;
	case ACTIVITY_HLT:
		return type == EVENT_INTR || type == EVENT_NMI || mc ||
		       (type == EVENT_EXCEPTION && vector == X86_TRAP_DB);
	case ACTIVITY_SHUTDOWN:
		return type == EVENT_NMI || mc;
	default:
		return false;
	}
}

/* 27.3.1.3 to 27.3.1.6, and of 27.2.1.3 what depends on guest state */
static int vmx_check_others(const struct vmx_guest *g, const char **out, int room)
{
	bool long_mode = g->entry & ENTRY_IA32E;
	bool code64 = long_mode && (g->seg[SEG_CS].ar & 0x2000);
	bool vectoring = g->intr_info & INTR_VALID;
	u32 type = (g->intr_info & INTR_TYPE_MASK) >> INTR_TYPE_SHIFT;
	u8 vector = g->intr_info & INTR_VECTOR_MASK;
	u32 shadow = g->interruptibility & (INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS);
	bool held = shadow || g->activity == ACTIVITY_HLT;
	bool trap = (g->rflags & X86_EFLAGS_TF) && !(g->debugctl & DEBUGCTLMSR_BTF);
	const struct vmx_check checks[] = {
		{ "GDTR or IDTR: base not canonical, or limit",
		  !vmx_canonical(g->gdtr_base) || !vmx_canonical(g->idtr_base) ||
		  ((g->gdtr_limit | g->idtr_limit) >> 16) },
		{ "RIP: upper half outside 64-bit code", !code64 && g->rip >> 32 },
		{ "RIP: not canonical", code64 && !vmx_canonical(g->rip) },
		{ "RFLAGS: a reserved bit", (g->rflags & ~0x3f7fd7ULL) || !(g->rflags & 2) },
		{ "RFLAGS: VM in long mode or without CR0.PE",
		  (g->rflags & X86_EFLAGS_VM) && (long_mode || !(g->cr0 & X86_CR0_PE)) },
		{ "RFLAGS: an interrupt is injected while IF is 0",
		  vectoring && type == EVENT_INTR && !(g->rflags & X86_EFLAGS_IF) },
		{ "activity: HLT with CPL",
		  g->activity == ACTIVITY_HLT && vmx_dpl(&g->seg[SEG_SS]) },
		{ "activity: not active in an interrupt shadow", g->activity && shadow },
		{ "activity: an event is injected that does not fit",
		  vectoring && !vmx_activity_takes(g->activity, type, vector) },
		{ "activity: unknown state", g->activity > ACTIVITY_WAIT_SIPI },
		{ "interruptibility: a reserved bit", g->interruptibility & ~0x1fU },
		{ "interruptibility: SMIs are blocked outside of SMM",
		  g->interruptibility & INTERRUPTIBILITY_SMI },
		{ "interruptibility: STI and MOV SS at once", shadow == 3 },
		{ "interruptibility: STI while IF is 0",
		  (shadow & INTERRUPTIBILITY_STI) && !(g->rflags & X86_EFLAGS_IF) },
		{ "interruptibility: an interrupt or NMI is injected into a shadow",
		  vectoring && shadow && (type == EVENT_INTR || type == EVENT_NMI) },
		{ "interruptibility: an NMI is injected while NMIs are blocked",
		  vectoring && type == EVENT_NMI && (g->interruptibility & INTERRUPTIBILITY_NMI) },
		{ "pending debug exceptions: a reserved bit", g->pending_debug & ~0x1500fULL },
		{ "pending debug exceptions: BS does not fit TF",
		  held && !(g->pending_debug & PENDING_DEBUG_BS) == trap },
	};

	return vmx_note(checks, ARRAY_SIZE(checks), out, room);
}

/**
 * vmx_check_guest() - which checks of an entry this guest state fails
 * @g: the guest state
 * @out: names of the failed checks
 * @room: of @out
 *
 * Return: their number, at most @room
 */
int vmx_check_guest(const struct vmx_guest *g, const char **out, int room)
{
	int n = vmx_check_registers(g, out, room);

	n += vmx_check_segments(g, out + n, room - n);
	return n + vmx_check_others(g, out + n, room - n);
}
EXPORT_FOR_TEST(vmx_check_guest);

/* ---- dump ---- */

static void vmx_read_guest(struct vmx_guest *g)
{
	int i;

	*g = (struct vmx_guest) {
		.cr0 = vmcs_read(GUEST_CR0), .cr3 = vmcs_read(GUEST_CR3),
		.cr4 = vmcs_read(GUEST_CR4), .dr7 = vmcs_read(GUEST_DR7),
		.efer = vmcs_read(GUEST_EFER), .debugctl = vmcs_read(GUEST_DEBUGCTL),
		.rip = vmcs_read(GUEST_RIP), .rflags = vmcs_read(GUEST_RFLAGS),
		.sysenter_esp = vmcs_read(GUEST_SYSENTER_ESP),
		.sysenter_eip = vmcs_read(GUEST_SYSENTER_EIP),
		.pending_debug = vmcs_read(GUEST_PENDING_DEBUG),
		.gdtr_base = vmcs_read(GUEST_GDTR_BASE), .idtr_base = vmcs_read(GUEST_IDTR_BASE),
		.gdtr_limit = vmcs_read(GUEST_GDTR_LIMIT),
		.idtr_limit = vmcs_read(GUEST_IDTR_LIMIT),
		.entry = vmcs_read(ENTRY_CONTROLS), .intr_info = vmcs_read(ENTRY_INTR_INFO),
		.interruptibility = vmcs_read(GUEST_INTERRUPTIBILITY),
		.activity = vmcs_read(GUEST_ACTIVITY),
		.phys_bits = boot_cpu_data.x86_phys_bits,
	};
	rdmsrl(MSR_IA32_VMX_CR0_FIXED0, g->cr0_fixed0);
	rdmsrl(MSR_IA32_VMX_CR0_FIXED1, g->cr0_fixed1);
	rdmsrl(MSR_IA32_VMX_CR4_FIXED0, g->cr4_fixed0);
	rdmsrl(MSR_IA32_VMX_CR4_FIXED1, g->cr4_fixed1);
	for (i = 0; i < SEG_COUNT; i++)
		g->seg[i] = (struct vmx_segment) {
			.selector = vmcs_read(GUEST_ES_SELECTOR + 2 * i),
			.limit = vmcs_read(GUEST_ES_LIMIT + 2 * i),
			.ar = vmcs_read(GUEST_ES_AR + 2 * i),
			.base = vmcs_read(GUEST_ES_BASE + 2 * i),
		};
}

#define FIELD(name)	{ #name, name }

static const struct {
	const char *name;
	u16 field;
} dump_fields[] = {
	FIELD(PIN_CONTROLS), FIELD(PROC_CONTROLS), FIELD(PROC2_CONTROLS), FIELD(EXIT_CONTROLS),
	FIELD(ENTRY_CONTROLS), FIELD(EXCEPTION_BITMAP), FIELD(ENTRY_INTR_INFO),
	FIELD(ENTRY_INTR_ERROR), FIELD(ENTRY_INSN_LEN), FIELD(TPR_THRESHOLD), FIELD(VPID),
	FIELD(EPT_POINTER), FIELD(TSC_OFFSET), FIELD(MSR_BITMAP),
	FIELD(EXIT_REASON), FIELD(EXIT_QUALIFICATION), FIELD(EXIT_INTR_INFO),
	FIELD(EXIT_INTR_ERROR), FIELD(IDT_VECTORING_INFO), FIELD(IDT_VECTORING_ERROR),
	FIELD(EXIT_INSN_LEN), FIELD(GUEST_PHYSICAL_ADDRESS), FIELD(INSTRUCTION_ERROR),
	FIELD(GUEST_RIP), FIELD(GUEST_RSP), FIELD(GUEST_RFLAGS), FIELD(GUEST_CR0),
	FIELD(GUEST_CR3), FIELD(GUEST_CR4), FIELD(CR0_MASK), FIELD(CR0_SHADOW), FIELD(CR4_MASK),
	FIELD(CR4_SHADOW), FIELD(GUEST_EFER), FIELD(GUEST_DR7),
	FIELD(GUEST_DEBUGCTL), FIELD(GUEST_INTERRUPTIBILITY), FIELD(GUEST_ACTIVITY),
	FIELD(GUEST_PENDING_DEBUG), FIELD(GUEST_SYSENTER_CS), FIELD(GUEST_SYSENTER_ESP),
	FIELD(GUEST_SYSENTER_EIP), FIELD(GUEST_GDTR_BASE), FIELD(GUEST_GDTR_LIMIT),
	FIELD(GUEST_IDTR_BASE), FIELD(GUEST_IDTR_LIMIT), FIELD(VMCS_LINK_POINTER),
	FIELD(HOST_CR0), FIELD(HOST_CR3), FIELD(HOST_CR4), FIELD(HOST_EFER), FIELD(HOST_RSP),
	FIELD(HOST_RIP), FIELD(HOST_FS_BASE), FIELD(HOST_GS_BASE), FIELD(HOST_TR_BASE),
	FIELD(HOST_GDTR_BASE), FIELD(HOST_IDTR_BASE),
};

static const char segment_names[SEG_COUNT][5] = {
	"es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr",
};

static void vmx_dump_failed(const struct vmx_guest *g)
{
	const char *failed[8];
	int n = vmx_check_guest(g, failed, ARRAY_SIZE(failed));
	int i;

	for (i = 0; i < n; i++)
		pr_err("  fails: %s\n", failed[i]);
}

static void vmx_dump_all(const struct vmx_guest *g)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(dump_fields); i++)
		pr_err("  %-22s %016llx\n", dump_fields[i].name, vmcs_read(dump_fields[i].field));
	for (i = 0; i < SEG_COUNT; i++)
		pr_err("  %-4s %04x ar %05x limit %08x base %016llx\n", segment_names[i],
		       g->seg[i].selector, g->seg[i].ar, g->seg[i].limit, g->seg[i].base);
}

/**
 * vmx_dump() - print to the kernel log why an entry failed, and which checks of guest state fail
 * @vcpu: the vCPU
 * @all: and the VMCS
 *
 * Context: loaded
 */
void vmx_dump(struct vcpu *vcpu, bool all)
{
	const struct vmx_vcpu *vmx = to_vmx(vcpu);
	struct vmx_guest g;

	vmx_read_guest(&g);
	pr_err("vCPU %u on CPU %d: entry failed: %s\n", vcpu->id, vcpu->cpu,
	       vmx_entry_failure(vmx->exit.reason, vmx->error, vmcs_read(EXIT_QUALIFICATION)));
	vmx_dump_failed(&g);
	if (all)
		vmx_dump_all(&g);
}
