// SPDX-License-Identifier: GPL-2.0
/* The pure parts of svm/: layout, decoding, events, segments, MSR permission map, clean bits. */
#include <kunit/test.h>
#include <asm/trapnr.h>

#include "../svm/svm.h"
#include "suites.h"

/* ---- layout (APM vol. 2, appendix B, tables B-1 and B-2) ---- */

#define CONTROL(member, offset) static_assert(offsetof(struct vmcb, control.member) == (offset))
#define SAVE(member, offset) static_assert(offsetof(struct vmcb, save.member) == 0x400 + (offset))

CONTROL(intercept[ICPT_CR], 0x000);
CONTROL(intercept[ICPT_DR], 0x004);
CONTROL(intercept[ICPT_EXCEPTION], 0x008);
CONTROL(intercept[ICPT_MISC1], 0x00c);
CONTROL(intercept[ICPT_MISC2], 0x010);
CONTROL(intercept[ICPT_MISC3], 0x014);
CONTROL(pause_threshold, 0x03c);
CONTROL(pause_count, 0x03e);
CONTROL(iopm_pa, 0x040);
CONTROL(msrpm_pa, 0x048);
CONTROL(tsc_offset, 0x050);
CONTROL(asid, 0x058);
CONTROL(tlb_control, 0x05c);
CONTROL(int_ctl, 0x060);
CONTROL(int_vector, 0x064);
CONTROL(int_state, 0x068);
CONTROL(exit_code, 0x070);
CONTROL(exit_info1, 0x078);
CONTROL(exit_info2, 0x080);
CONTROL(exit_int_info, 0x088);
CONTROL(np_ctl, 0x090);
CONTROL(avic_bar, 0x098);
CONTROL(ghcb_pa, 0x0a0);
CONTROL(event_inj, 0x0a8);
CONTROL(ncr3, 0x0b0);
CONTROL(lbr_ctl, 0x0b8);
CONTROL(clean, 0x0c0);
CONTROL(next_rip, 0x0c8);
CONTROL(insn_len, 0x0d0);
CONTROL(insn, 0x0d1);
SAVE(es, 0x000);
SAVE(cs, 0x010);
SAVE(ss, 0x020);
SAVE(ds, 0x030);
SAVE(fs, 0x040);
SAVE(gs, 0x050);
SAVE(gdtr, 0x060);
SAVE(ldtr, 0x070);
SAVE(idtr, 0x080);
SAVE(tr, 0x090);
SAVE(cpl, 0x0cb);
SAVE(efer, 0x0d0);
SAVE(cr4, 0x148);
SAVE(cr3, 0x150);
SAVE(cr0, 0x158);
SAVE(dr7, 0x160);
SAVE(dr6, 0x168);
SAVE(rflags, 0x170);
SAVE(rip, 0x178);
SAVE(rsp, 0x1d8);
SAVE(s_cet, 0x1e0);
SAVE(ssp, 0x1e8);
SAVE(isst_addr, 0x1f0);
SAVE(rax, 0x1f8);
SAVE(star, 0x200);
SAVE(lstar, 0x208);
SAVE(cstar, 0x210);
SAVE(sfmask, 0x218);
SAVE(kernel_gs_base, 0x220);
SAVE(sysenter_cs, 0x228);
SAVE(sysenter_esp, 0x230);
SAVE(sysenter_eip, 0x238);
SAVE(cr2, 0x240);
SAVE(pat, 0x268);
SAVE(debugctl, 0x270);
SAVE(br_from, 0x278);
SAVE(br_to, 0x280);
SAVE(last_excp_from, 0x288);
SAVE(last_excp_to, 0x290);
SAVE(spec_ctrl, 0x2e0);

/* entry.S counts on the order of the general registers. */
static_assert(REG_RCX == 1 && REG_RDX == 2 && REG_RBX == 3 && REG_RSP == 4 && REG_RBP == 5);
static_assert(REG_RSI == 6 && REG_RDI == 7 && REG_R8 == 8 && REG_R15 == 15);

/* ---- decoding ---- */

static const struct svm_features none, all = {
	.nrips = true, .decode_assists = true, .flush_by_asid = true, .vmcb_clean = true,
};

static struct vmcb *vmcb_of(struct kunit *test, u64 code, u64 info1, u64 info2)
{
	struct vmcb *vmcb = kunit_kzalloc(test, sizeof(*vmcb), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, vmcb);
	vmcb->control.exit_code = code;
	vmcb->control.exit_info1 = info1;
	vmcb->control.exit_info2 = info2;
	vmcb->save.rip = 0x1000;
	return vmcb;
}

/* Old contents must not shine through. */
static void decode(const struct vmcb *vmcb, const struct svm_features *has, struct vm_exit *exit)
{
	memset(exit, 0xa5, sizeof(*exit));
	svm_decode(vmcb, has, exit);
}

struct plain {
	u32 code;
	u8 kind;
	u8 insn_len;	/* with NRIPS */
};

static const struct plain plain_exits[] = {
	{ SVM_EXIT_INTR, VMEXIT_HOST_INTERRUPT, 0 },
	{ SVM_EXIT_NMI, VMEXIT_HOST_INTERRUPT, 0 },
	{ SVM_EXIT_SMI, VMEXIT_HOST_INTERRUPT, 0 },
	{ SVM_EXIT_EXCP_BASE + X86_TRAP_MC, VMEXIT_HOST_INTERRUPT, 0 },
	{ SVM_EXIT_VINTR, VMEXIT_IRQ_WINDOW, 0 },
	{ SVM_EXIT_CPUID, VMEXIT_CPUID, 2 },
	{ SVM_EXIT_HLT, VMEXIT_HLT, 2 },
	{ SVM_EXIT_PAUSE, VMEXIT_PAUSE, 2 },
	{ SVM_EXIT_VMMCALL, VMEXIT_HYPERCALL, 2 },
	{ SVM_EXIT_RDPMC, VMEXIT_RDPMC, 2 },
	{ SVM_EXIT_INVD, VMEXIT_INVD, 2 },
	{ SVM_EXIT_WBINVD, VMEXIT_WBINVD, 2 },
	{ SVM_EXIT_XSETBV, VMEXIT_XSETBV, 2 },
	{ SVM_EXIT_MONITOR, VMEXIT_MONITOR, 2 },
	{ SVM_EXIT_MWAIT, VMEXIT_MWAIT, 2 },
	{ SVM_EXIT_VMRUN, VMEXIT_UNDEFINED, 2 },
	{ SVM_EXIT_STGI, VMEXIT_UNDEFINED, 2 },
	{ SVM_EXIT_SKINIT, VMEXIT_UNDEFINED, 2 },
	{ SVM_EXIT_INVLPGA, VMEXIT_UNDEFINED, 2 },
	{ SVM_EXIT_RSM, VMEXIT_UNDEFINED, 2 },
	{ SVM_EXIT_SHUTDOWN, VMEXIT_SHUTDOWN, 0 },
	{ SVM_EXIT_FERR_FREEZE, VMEXIT_UNKNOWN, 0 },
	{ 0x3ff, VMEXIT_UNKNOWN, 0 },
	{ 0xfffffff0, VMEXIT_UNKNOWN, 0 },
	{ SVM_EXIT_CODE_INVALID, VMEXIT_INVALID_STATE, 0 },
};

static void decode_plain(struct kunit *test)
{
	struct vmcb *vmcb = vmcb_of(test, 0, 0, 0);
	const struct plain *p;
	struct vm_exit exit;

	vmcb->control.next_rip = 0x1002;
	for (p = plain_exits; p < plain_exits + ARRAY_SIZE(plain_exits); p++) {
		vmcb->control.exit_code = p->code;
		decode(vmcb, &all, &exit);
		KUNIT_EXPECT_EQ_MSG(test, exit.kind, p->kind, "code 0x%x", p->code);
		KUNIT_EXPECT_EQ_MSG(test, exit.insn_len, p->insn_len, "code 0x%x", p->code);
		KUNIT_EXPECT_EQ(test, exit.hw_reason, (u64)p->code);
		KUNIT_EXPECT_EQ(test, exit.vectoring.type, (u8)EVENT_NONE);
		KUNIT_EXPECT_EQ(test, exit.insn_bytes, 0);
		decode(vmcb, &none, &exit);
		KUNIT_EXPECT_EQ_MSG(test, exit.insn_len, 0, "code 0x%x", p->code);
	}
}

/* VMEXIT_INVALID is -1 in 64 bits; older processors write 32. */
static void decode_invalid(struct kunit *test)
{
	struct vm_exit exit;

	decode(vmcb_of(test, ~0ULL, 0, 0), &none, &exit);
	KUNIT_EXPECT_EQ(test, exit.kind, (u8)VMEXIT_INVALID_STATE);
}

static void decode_insn_len(struct kunit *test)
{
	struct vmcb *vmcb = vmcb_of(test, SVM_EXIT_CPUID, 0, 0);
	struct vm_exit exit;

	vmcb->save.rip = 0xffff;
	vmcb->control.next_rip = 1;		/* 16-bit code that wraps */
	decode(vmcb, &all, &exit);
	KUNIT_EXPECT_EQ(test, exit.insn_len, 2);
	vmcb->save.rip = 0x1000;
	vmcb->control.next_rip = 0;
	decode(vmcb, &all, &exit);
	KUNIT_EXPECT_EQ(test, exit.insn_len, 0);
	vmcb->control.next_rip = 0x1010;	/* no instruction is that long */
	decode(vmcb, &all, &exit);
	KUNIT_EXPECT_EQ(test, exit.insn_len, 0);
}

static void decode_cr_dr(struct kunit *test)
{
	struct vm_exit exit;
	u64 mov = CR_INFO_MOV | REG_R9;

	decode(vmcb_of(test, SVM_EXIT_WRITE_CR4, mov, 0), &all, &exit);
	KUNIT_EXPECT_EQ(test, exit.kind, (u8)VMEXIT_CR_ACCESS);
	KUNIT_EXPECT_EQ(test, exit.reg.nr, 4);
	KUNIT_EXPECT_EQ(test, exit.reg.gpr, REG_R9);
	KUNIT_EXPECT_TRUE(test, exit.reg.write);
	decode(vmcb_of(test, SVM_EXIT_WRITE_CR4, mov, 0), &none, &exit);
	KUNIT_EXPECT_EQ(test, exit.reg.gpr, 0xff);
	decode(vmcb_of(test, SVM_EXIT_READ_CR8, mov, 0), &all, &exit);
	KUNIT_EXPECT_EQ(test, exit.reg.nr, 8);
	KUNIT_EXPECT_FALSE(test, exit.reg.write);
	/* LMSW and CLTS name no register. */
	decode(vmcb_of(test, SVM_EXIT_CR0_SEL_WRITE, 3, 0), &all, &exit);
	KUNIT_EXPECT_EQ(test, exit.kind, (u8)VMEXIT_CR_ACCESS);
	KUNIT_EXPECT_EQ(test, exit.reg.nr, 0);
	KUNIT_EXPECT_EQ(test, exit.reg.gpr, 0xff);
	KUNIT_EXPECT_TRUE(test, exit.reg.write);
	decode(vmcb_of(test, SVM_EXIT_READ_DR7, REG_RBX, 0), &all, &exit);
	KUNIT_EXPECT_EQ(test, exit.kind, (u8)VMEXIT_DR_ACCESS);
	KUNIT_EXPECT_EQ(test, exit.reg.nr, 7);
	KUNIT_EXPECT_EQ(test, exit.reg.gpr, REG_RBX);
	KUNIT_EXPECT_FALSE(test, exit.reg.write);
	decode(vmcb_of(test, SVM_EXIT_WRITE_DR0, REG_RBX, 0), &none, &exit);
	KUNIT_EXPECT_EQ(test, exit.reg.gpr, 0xff);
	KUNIT_EXPECT_TRUE(test, exit.reg.write);
}

static void decode_exceptions(struct kunit *test)
{
	struct vmcb *vmcb = vmcb_of(test, SVM_EXIT_EXCP_BASE + X86_TRAP_PF, 6, 0xdeadb000);
	struct vm_exit exit;

	decode(vmcb, &none, &exit);
	KUNIT_EXPECT_EQ(test, exit.kind, (u8)VMEXIT_EXCEPTION);
	KUNIT_EXPECT_EQ(test, exit.exception.vector, X86_TRAP_PF);
	KUNIT_EXPECT_TRUE(test, exit.exception.has_error);
	KUNIT_EXPECT_EQ(test, exit.exception.error, 6u);
	KUNIT_EXPECT_EQ(test, exit.exception.payload, 0xdeadb000ull);

	vmcb->control.exit_code = SVM_EXIT_EXCP_BASE + X86_TRAP_DB;
	vmcb->save.dr6 = 0xffff4ff1;
	decode(vmcb, &none, &exit);
	KUNIT_EXPECT_FALSE(test, exit.exception.has_error);
	KUNIT_EXPECT_EQ(test, exit.exception.payload, 0x4001ull);

	vmcb->control.exit_code = SVM_EXIT_EXCP_BASE + X86_TRAP_BP;
	vmcb->control.next_rip = 0x1001;
	decode(vmcb, &all, &exit);
	KUNIT_EXPECT_EQ(test, exit.insn_len, 1);
	KUNIT_EXPECT_FALSE(test, exit.exception.has_error);

	vmcb->control.exit_code = SVM_EXIT_EXCP_BASE + X86_TRAP_AC;
	decode(vmcb, &all, &exit);
	KUNIT_EXPECT_TRUE(test, exit.exception.has_error);
	KUNIT_EXPECT_EQ(test, exit.insn_len, 0);
}

static void decode_msr(struct kunit *test)
{
	struct vm_exit exit;

	decode(vmcb_of(test, SVM_EXIT_MSR, 0, 0), &none, &exit);
	KUNIT_EXPECT_EQ(test, exit.kind, (u8)VMEXIT_RDMSR);
	decode(vmcb_of(test, SVM_EXIT_MSR, 1, 0), &none, &exit);
	KUNIT_EXPECT_EQ(test, exit.kind, (u8)VMEXIT_WRMSR);
}

static void decode_io(struct kunit *test)
{
	/* rep insd: port 3F8h, 32-bit operand, 64-bit addresses, ES */
	u64 info = 0x3f8 << 16 | SEG_ES << 10 | 1 << 9 | 1 << 6 | 1 << 3 | 1 << 2 | 1;
	struct vm_exit exit;

	decode(vmcb_of(test, SVM_EXIT_IOIO, info, 0x1002), &all, &exit);
	KUNIT_EXPECT_EQ(test, exit.kind, (u8)VMEXIT_IO);
	KUNIT_EXPECT_EQ(test, exit.insn_len, 2);
	KUNIT_EXPECT_EQ(test, exit.io.port, 0x3f8);
	KUNIT_EXPECT_EQ(test, exit.io.size, 4);
	KUNIT_EXPECT_EQ(test, exit.io.addr_size, 8);
	KUNIT_EXPECT_EQ(test, exit.io.seg, SEG_ES);
	KUNIT_EXPECT_TRUE(test, exit.io.in && exit.io.string && exit.io.rep);

	/* outb with DS overridden by FS: 16-bit addresses */
	info = 0x80 << 16 | SEG_FS << 10 | 1 << 7 | 1 << 4;
	decode(vmcb_of(test, SVM_EXIT_IOIO, info, 0x1001), &none, &exit);
	KUNIT_EXPECT_EQ(test, exit.insn_len, 1);
	KUNIT_EXPECT_EQ(test, exit.io.port, 0x80);
	KUNIT_EXPECT_EQ(test, exit.io.size, 1);
	KUNIT_EXPECT_EQ(test, exit.io.addr_size, 2);
	KUNIT_EXPECT_EQ(test, exit.io.seg, 0xff);
	KUNIT_EXPECT_FALSE(test, exit.io.in || exit.io.string || exit.io.rep);
}

static void decode_npf(struct kunit *test)
{
	struct vmcb *vmcb = vmcb_of(test, SVM_EXIT_NPF, BIT_ULL(32) | BIT_ULL(37) | 0x6,
				    0xfee00300);
	struct vm_exit exit;

	vmcb->control.insn_len = 15;
	memset(vmcb->control.insn, 0x90, 15);
	decode(vmcb, &all, &exit);
	KUNIT_EXPECT_EQ(test, exit.kind, (u8)VMEXIT_TDP_FAULT);
	KUNIT_EXPECT_EQ(test, exit.fault.gpa, 0xfee00300ull);
	KUNIT_EXPECT_EQ(test, exit.fault.error,
			(u64)(TDP_FAULT_WRITE | TDP_FAULT_USER | TDP_FAULT_GUEST_FINAL));
	KUNIT_EXPECT_EQ(test, exit.insn_bytes, 15);
	KUNIT_EXPECT_EQ(test, exit.insn[14], 0x90);

	vmcb->control.exit_info1 = BIT_ULL(33) | 0x5;
	decode(vmcb, &none, &exit);
	KUNIT_EXPECT_EQ(test, exit.fault.error,
			(u64)(TDP_FAULT_PRESENT | TDP_FAULT_USER | TDP_FAULT_GUEST_WALK));
	KUNIT_EXPECT_EQ(test, exit.insn_bytes, 0);
}

static void decode_task(struct kunit *test)
{
	struct vmcb *vmcb = vmcb_of(test, SVM_EXIT_TASK_SWITCH, 0x48, TASK_JMP);
	struct vm_exit exit;

	decode(vmcb, &none, &exit);
	KUNIT_EXPECT_EQ(test, exit.kind, (u8)VMEXIT_TASK_SWITCH);
	KUNIT_EXPECT_EQ(test, exit.task.selector, 0x48);
	KUNIT_EXPECT_EQ(test, exit.task.reason, 2);
	KUNIT_EXPECT_FALSE(test, exit.task.has_error);
	vmcb->control.exit_info2 = TASK_IRET;
	decode(vmcb, &none, &exit);
	KUNIT_EXPECT_EQ(test, exit.task.reason, 1);
	vmcb->control.exit_info2 = 0;
	decode(vmcb, &none, &exit);
	KUNIT_EXPECT_EQ(test, exit.task.reason, 0);
	vmcb->control.exit_info2 = TASK_HAS_ERROR | 0x1234;
	vmcb->control.exit_int_info = EVENT_VALID | EVENT_EXCEPTION << EVENT_TYPE_SHIFT |
				      X86_TRAP_DF;
	decode(vmcb, &none, &exit);
	KUNIT_EXPECT_EQ(test, exit.task.reason, 3);
	KUNIT_EXPECT_TRUE(test, exit.task.has_error);
	KUNIT_EXPECT_EQ(test, exit.task.error, 0x1234u);
	KUNIT_EXPECT_EQ(test, exit.vectoring.vector, X86_TRAP_DF);
}

/* ---- events ---- */

static void events_encode(struct kunit *test)
{
	struct event ev = { .type = EVENT_INTR, .vector = 0x30 };

	KUNIT_EXPECT_EQ(test, svm_event_encode(&ev), 0x80000030ull);
	ev = (struct event){ .type = EVENT_NMI, .vector = 2 };
	KUNIT_EXPECT_EQ(test, svm_event_encode(&ev), 0x80000202ull);
	ev = (struct event){
		.type = EVENT_EXCEPTION, .vector = X86_TRAP_PF, .has_error = 1, .error = ~0U,
	};
	KUNIT_EXPECT_EQ(test, svm_event_encode(&ev), 0xffffffff80000b0eull);
	ev = (struct event){ .type = EVENT_SOFT_INTR, .vector = 0x80, .error = 5 };
	KUNIT_EXPECT_EQ(test, svm_event_encode(&ev), 0x80000480ull);
	ev = (struct event){ .type = EVENT_SOFT_EXC, .vector = X86_TRAP_BP };
	KUNIT_EXPECT_EQ(test, svm_event_encode(&ev), 0x80000303ull);
}

static void events_decode(struct kunit *test)
{
	struct event ev;

	memset(&ev, 0xa5, sizeof(ev));
	svm_event_decode(0x7fffffff, &ev);
	KUNIT_EXPECT_EQ(test, ev.type, (u8)EVENT_NONE);
	svm_event_decode(0x1200080000b0dULL, &ev);
	KUNIT_EXPECT_EQ(test, ev.type, (u8)EVENT_EXCEPTION);
	KUNIT_EXPECT_EQ(test, ev.vector, X86_TRAP_GP);
	KUNIT_EXPECT_TRUE(test, ev.has_error);
	KUNIT_EXPECT_EQ(test, ev.error, 0x12000u);
	svm_event_decode(0xffffffff80000421ULL, &ev);
	KUNIT_EXPECT_EQ(test, ev.type, (u8)EVENT_SOFT_INTR);
	KUNIT_EXPECT_FALSE(test, ev.has_error);
	KUNIT_EXPECT_EQ(test, ev.error, 0u);
}

/* ---- segments ---- */

static void segments(struct kunit *test)
{
	struct segment seg = {
		.selector = 0x10, .attr = 0xa9b, .limit = 0xffffffff, .base = 0x1000,
	};
	struct vmcb_segment hw;
	struct segment back;

	svm_segment_load(&hw, &seg);
	KUNIT_EXPECT_EQ(test, hw.attr, 0xa9b);
	KUNIT_EXPECT_EQ(test, hw.limit, 0xffffffffu);
	hw.attr &= ~SEG_G;
	svm_segment_fetch(&back, &hw);
	KUNIT_EXPECT_EQ(test, memcmp(&seg, &back, sizeof(seg)), 0);

	seg = (struct segment){ .selector = 3, .attr = SEG_UNUSABLE | 0xc93, .limit = 5 };
	svm_segment_load(&hw, &seg);
	KUNIT_EXPECT_EQ(test, hw.attr & SEG_P, 0);
	svm_segment_fetch(&back, &hw);
	KUNIT_EXPECT_EQ(test, back.attr & SEG_UNUSABLE, SEG_UNUSABLE);
	KUNIT_EXPECT_EQ(test, back.selector, 3);
}

/* ---- MSR permission map ---- */

static void msrpm_bits(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, svm_msrpm_bit(0), 0);
	KUNIT_EXPECT_EQ(test, svm_msrpm_bit(0x1fff), 0x7ff * 8 + 6);
	KUNIT_EXPECT_EQ(test, svm_msrpm_bit(0x2000), -1);
	KUNIT_EXPECT_EQ(test, svm_msrpm_bit(0xbfffffff), -1);
	KUNIT_EXPECT_EQ(test, svm_msrpm_bit(0xc0000000), 0x800 * 8);
	KUNIT_EXPECT_EQ(test, svm_msrpm_bit(0xc0000080), 0x800 * 8 + 0x100);
	KUNIT_EXPECT_EQ(test, svm_msrpm_bit(0xc0001fff), 0xfff * 8 + 6);
	KUNIT_EXPECT_EQ(test, svm_msrpm_bit(0xc0002000), -1);
	KUNIT_EXPECT_EQ(test, svm_msrpm_bit(0xc0010000), 0x1000 * 8);
	KUNIT_EXPECT_EQ(test, svm_msrpm_bit(0xc0011fff), 0x17ff * 8 + 6);
	KUNIT_EXPECT_EQ(test, svm_msrpm_bit(0xc0012000), -1);
	KUNIT_EXPECT_EQ(test, svm_msrpm_bit(0xffffffff), -1);
}

/* ---- clean bits ---- */

/* A bit is taken back by a change of its area, and by that alone. */
static void clean_bits(struct kunit *test)
{
	static const struct {
		u16 offset;
		u32 bit;
	} fields[] = {
		{ offsetof(struct vmcb, control.intercept[ICPT_MISC1]), CLEAN_INTERCEPTS },
		{ offsetof(struct vmcb, control.tsc_offset), CLEAN_INTERCEPTS },
		{ offsetof(struct vmcb, control.msrpm_pa), CLEAN_PERM_MAP },
		{ offsetof(struct vmcb, control.asid), CLEAN_ASID },
		{ offsetof(struct vmcb, control.int_ctl), CLEAN_INT },
		{ offsetof(struct vmcb, control.ncr3), CLEAN_NP },
		{ offsetof(struct vmcb, save.pat), CLEAN_NP },
		{ offsetof(struct vmcb, save.cr0), CLEAN_CR },
		{ offsetof(struct vmcb, save.efer), CLEAN_CR },
		{ offsetof(struct vmcb, save.dr7), CLEAN_DR },
		{ offsetof(struct vmcb, save.idtr.base), CLEAN_DT },
		{ offsetof(struct vmcb, save.ss.attr), CLEAN_SEG },
		{ offsetof(struct vmcb, save.cpl), CLEAN_SEG },
		{ offsetof(struct vmcb, save.cr2), CLEAN_CR2 },
		{ offsetof(struct vmcb, save.debugctl), CLEAN_LBR },
		/* always read by the processor */
		{ offsetof(struct vmcb, control.tlb_control), 0 },
		{ offsetof(struct vmcb, control.event_inj), 0 },
		{ offsetof(struct vmcb, control.int_state), 0 },
		{ offsetof(struct vmcb, save.rip), 0 },
		{ offsetof(struct vmcb, save.rax), 0 },
		{ offsetof(struct vmcb, save.gs.base), 0 },
	};
	struct svm_vcpu svm = { .vmcb = vmcb_of(test, 0, 0, 0), .copy = vmcb_of(test, 0, 0, 0) };
	int i;

	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		u8 *byte = (u8 *)svm.vmcb + fields[i].offset;

		svm_clean_copy(&svm);
		svm.clean = CLEAN_ALL;
		svm_clean_check(&svm);
		KUNIT_EXPECT_EQ(test, svm.clean, (u32)CLEAN_ALL);
		*byte ^= 1;
		svm_clean_check(&svm);
		KUNIT_EXPECT_EQ_MSG(test, svm.clean, (u32)CLEAN_ALL & ~fields[i].bit,
				    "offset 0x%x", fields[i].offset);
	}
}

static struct kunit_case svm_cases[] = {
	KUNIT_CASE(decode_plain),
	KUNIT_CASE(decode_invalid),
	KUNIT_CASE(decode_insn_len),
	KUNIT_CASE(decode_cr_dr),
	KUNIT_CASE(decode_exceptions),
	KUNIT_CASE(decode_msr),
	KUNIT_CASE(decode_io),
	KUNIT_CASE(decode_npf),
	KUNIT_CASE(decode_task),
	KUNIT_CASE(events_encode),
	KUNIT_CASE(events_decode),
	KUNIT_CASE(segments),
	KUNIT_CASE(msrpm_bits),
	KUNIT_CASE(clean_bits),
	{}
};

struct kunit_suite svm_suite = {
	.name = "vmm-svm",
	.test_cases = svm_cases,
};
