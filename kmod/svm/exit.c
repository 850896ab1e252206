// SPDX-License-Identifier: GPL-2.0
/* The hardware's exit becomes a struct vm_exit (APM vol. 2, 15.6 to 15.14 and appendix C). */
#include <linux/bitops.h>
#include <linux/percpu.h>
#include <asm/processor.h>
#include <asm/debugreg.h>
#include <asm/trapnr.h>

#include "svm.h"

#define INSN	0x80	/* an instruction's intercept: next_rip holds */

/* Exits that carry nothing but their kind. UNKNOWN is 0: what is not listed. */
static const u8 svm_kinds[] = {
	[SVM_EXIT_INTR] = VMEXIT_HOST_INTERRUPT,
	[SVM_EXIT_NMI] = VMEXIT_HOST_INTERRUPT,
	/* Physical SMIs and INITs are the host's and taken at STGI. */
	[SVM_EXIT_SMI] = VMEXIT_HOST_INTERRUPT,
	[SVM_EXIT_INIT] = VMEXIT_HOST_INTERRUPT,
	[SVM_EXIT_VINTR] = VMEXIT_IRQ_WINDOW,
	/* svm_nmi_exit() does what there is to do. */
	[SVM_EXIT_IRET] = VMEXIT_HOST_INTERRUPT,
	[SVM_EXIT_RDTSC] = INSN | VMEXIT_RDTSC,
	[SVM_EXIT_RDPMC] = INSN | VMEXIT_RDPMC,
	[SVM_EXIT_CPUID] = INSN | VMEXIT_CPUID,
	[SVM_EXIT_RSM] = INSN | VMEXIT_UNDEFINED,
	[SVM_EXIT_INVD] = INSN | VMEXIT_INVD,
	[SVM_EXIT_PAUSE] = INSN | VMEXIT_PAUSE,
	[SVM_EXIT_HLT] = INSN | VMEXIT_HLT,
	[SVM_EXIT_INVLPGA] = INSN | VMEXIT_UNDEFINED,
	[SVM_EXIT_VMRUN] = INSN | VMEXIT_UNDEFINED,
	[SVM_EXIT_VMMCALL] = INSN | VMEXIT_HYPERCALL,
	[SVM_EXIT_VMLOAD] = INSN | VMEXIT_UNDEFINED,
	[SVM_EXIT_VMSAVE] = INSN | VMEXIT_UNDEFINED,
	[SVM_EXIT_STGI] = INSN | VMEXIT_UNDEFINED,
	[SVM_EXIT_CLGI] = INSN | VMEXIT_UNDEFINED,
	[SVM_EXIT_SKINIT] = INSN | VMEXIT_UNDEFINED,
	[SVM_EXIT_RDTSCP] = INSN | VMEXIT_RDTSCP,
	[SVM_EXIT_WBINVD] = INSN | VMEXIT_WBINVD,
	[SVM_EXIT_MONITOR] = INSN | VMEXIT_MONITOR,
	[SVM_EXIT_MWAIT] = INSN | VMEXIT_MWAIT,
	[SVM_EXIT_MWAIT_COND] = INSN | VMEXIT_MWAIT,
	[SVM_EXIT_XSETBV] = INSN | VMEXIT_XSETBV,
	[SVM_EXIT_RDPRU] = INSN | VMEXIT_UNDEFINED,
};

static_assert(VMEXIT_UNKNOWN == 0);
static_assert(VMEXIT_COUNT <= INSN);

/* Bytes from RIP to next_rip. In 16- and 32-bit code both wrap: only the low byte is meant. */
static u8 svm_insn_len(const struct vmcb *vmcb)
{
	u64 next = vmcb->control.next_rip;
	u8 len = next - vmcb->save.rip;

	return next && len <= 15 ? len : 0;
}

static void svm_decode_insn_bytes(const struct vmcb_control *c, struct vm_exit *exit)
{
	exit->insn_bytes = min_t(u8, c->insn_len & 0xf, sizeof(exit->insn));
	memcpy(exit->insn, c->insn, sizeof(exit->insn));
}

/* Codes 00h to 3Fh. CR writes by LMSW and CLTS, reads by SMSW, name no register (15.8.1). */
static void svm_decode_reg(const struct vmcb *vmcb, bool assists, bool cr, struct vm_exit *exit)
{
	u64 info = vmcb->control.exit_info1;
	u32 code = vmcb->control.exit_code;

	exit->kind = cr ? VMEXIT_CR_ACCESS : VMEXIT_DR_ACCESS;
	exit->reg.nr = code & 0xf;
	exit->reg.write = code & 0x10;
	exit->reg.gpr = 0xff;
	if (assists && (!cr || (info & CR_INFO_MOV)))
		exit->reg.gpr = info & CR_INFO_GPR_MASK;
}

static void svm_decode_cr0_sel(const struct vmcb *vmcb, bool assists, struct vm_exit *exit)
{
	u64 info = vmcb->control.exit_info1;

	exit->kind = VMEXIT_CR_ACCESS;
	exit->reg.nr = 0;
	exit->reg.write = true;
	exit->reg.gpr = assists && (info & CR_INFO_MOV) ? info & CR_INFO_GPR_MASK : 0xff;
}

static void svm_decode_exception(const struct vmcb *vmcb, const struct svm_features *has,
				 struct vm_exit *exit)
{
	const struct vmcb_control *c = &vmcb->control;
	u8 vector = c->exit_code - SVM_EXIT_EXCP_BASE;

	if (vector == X86_TRAP_MC) {
		exit->kind = VMEXIT_HOST_INTERRUPT;
		return;
	}
	exit->kind = VMEXIT_EXCEPTION;
	exit->exception.vector = vector;
	exit->exception.has_error = ERROR_CODE_VECTORS & BIT(vector);
	exit->exception.error = exit->exception.has_error ? c->exit_info1 : 0;
	exit->exception.payload = 0;
	if (vector == X86_TRAP_PF) {
		exit->exception.payload = c->exit_info2;
		if (has->decode_assists)
			svm_decode_insn_bytes(c, exit);
	} else if (vector == X86_TRAP_DB) {
		/* DR6 is up to date already (15.12.2); active high: RTM and BLD are inverted. */
		exit->exception.payload = vmcb->save.dr6 ^ DR6_RESERVED;
	} else if (has->nrips && (vector == X86_TRAP_BP || vector == X86_TRAP_OF)) {
		exit->insn_len = svm_insn_len(vmcb);
	}
}

static void svm_decode_io(const struct vmcb *vmcb, bool assists, struct vm_exit *exit)
{
	u64 info = vmcb->control.exit_info1;

	exit->kind = VMEXIT_IO;
	exit->insn_len = (u8)(vmcb->control.exit_info2 - vmcb->save.rip);
	exit->io.port = info >> IOIO_PORT_SHIFT;
	exit->io.size = (info >> IOIO_SIZE_SHIFT) & IOIO_SIZE_MASK;
	exit->io.in = !!(info & IOIO_IN);
	exit->io.string = !!(info & IOIO_STRING);
	exit->io.rep = !!(info & IOIO_REP);
	exit->io.addr_size = ((info >> IOIO_ADDR_SHIFT) & IOIO_ADDR_MASK) * 2;
	exit->io.seg = assists ? (info >> IOIO_SEG_SHIFT) & IOIO_SEG_MASK : 0xff;
}

static void svm_decode_npf(const struct vmcb_control *c, bool assists, struct vm_exit *exit)
{
	u64 info = c->exit_info1;

	exit->kind = VMEXIT_TDP_FAULT;
	exit->fault.gpa = c->exit_info2;
	exit->fault.error = info & NPF_PFEC_MASK;
	if (info & NPF_FINAL)
		exit->fault.error |= TDP_FAULT_GUEST_FINAL;
	if (info & NPF_GUEST_WALK)
		exit->fault.error |= TDP_FAULT_GUEST_WALK;
	if (assists)
		svm_decode_insn_bytes(c, exit);
}

static void svm_decode_task(const struct vmcb_control *c, struct vm_exit *exit)
{
	u64 info = c->exit_info2;

	exit->kind = VMEXIT_TASK_SWITCH;
	exit->task.selector = c->exit_info1;
	exit->task.has_error = info & TASK_HAS_ERROR;
	exit->task.error = info;
	if (info & TASK_IRET)
		exit->task.reason = 1;
	else if (info & TASK_JMP)
		exit->task.reason = 2;
	else
		exit->task.reason = c->exit_int_info & EVENT_VALID ? 3 : 0;
}

static void svm_decode_simple(const struct vmcb *vmcb, const struct svm_features *has,
			      struct vm_exit *exit)
{
	u32 code = vmcb->control.exit_code;
	u8 entry = code < ARRAY_SIZE(svm_kinds) ? svm_kinds[code] : VMEXIT_UNKNOWN;

	exit->kind = entry & ~INSN;
	if ((entry & INSN) && has->nrips)
		exit->insn_len = svm_insn_len(vmcb);
}

/**
 * svm_decode() - translate an exit
 * @vmcb: as the processor left it
 * @has: which of its optional fields hold
 * @exit: filled in; the member of the union that @exit->kind names
 *
 * Context: any; pure
 */
void svm_decode(const struct vmcb *vmcb, const struct svm_features *has, struct vm_exit *exit)
{
	const struct vmcb_control *c = &vmcb->control;
	u32 code = c->exit_code;

	exit->hw_reason = c->exit_code;
	exit->insn_len = 0;
	exit->insn_bytes = 0;
	exit->vectoring.type = EVENT_NONE;
	/* A software event's RIP is that of its instruction: the guest executes it again. */
	if (unlikely(c->exit_int_info & EVENT_VALID))
		svm_event_decode(c->exit_int_info, &exit->vectoring);

	switch (code) {
	case SVM_EXIT_READ_CR0 ... SVM_EXIT_READ_CR0 + 0x1f:
		svm_decode_reg(vmcb, has->decode_assists, true, exit);
		break;
	case SVM_EXIT_READ_DR0 ... SVM_EXIT_READ_DR0 + 0x1f:
		svm_decode_reg(vmcb, has->decode_assists, false, exit);
		break;
	case SVM_EXIT_EXCP_BASE ... SVM_EXIT_LAST_EXCP:
		svm_decode_exception(vmcb, has, exit);
		return;
	case SVM_EXIT_CR0_SEL_WRITE:
		svm_decode_cr0_sel(vmcb, has->decode_assists, exit);
		break;
	case SVM_EXIT_MSR:
		exit->kind = c->exit_info1 & 1 ? VMEXIT_WRMSR : VMEXIT_RDMSR;
		break;
	case SVM_EXIT_IOIO:
		svm_decode_io(vmcb, has->decode_assists, exit);
		return;
	case SVM_EXIT_NPF:
		svm_decode_npf(c, has->decode_assists, exit);
		return;
	case SVM_EXIT_TASK_SWITCH:
		svm_decode_task(c, exit);
		return;
	case SVM_EXIT_SHUTDOWN:
		/* The event whose delivery was the last straw is gone (15.14.3). */
		exit->kind = VMEXIT_SHUTDOWN;
		exit->vectoring.type = EVENT_NONE;
		return;
	case SVM_EXIT_CODE_INVALID:
		exit->kind = VMEXIT_INVALID_STATE;
		return;
	default:
		svm_decode_simple(vmcb, has, exit);
		return;
	}
	if (has->nrips)
		exit->insn_len = svm_insn_len(vmcb);
}
EXPORT_FOR_TEST(svm_decode);

/**
 * svm_exit_decode() - translate the last exit into vcpu->exit
 * @vcpu: the vCPU
 *
 * The end of an NMI handler is found out here: its IRET is stepped over, and the #DB of the step
 * becomes VMEXIT_NMI_WINDOW.
 *
 * Context: loaded, once after each run()
 */
void svm_exit_decode(struct vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct vm_exit *exit = &vcpu->exit;

	svm_decode(svm->vmcb, &svm_has, exit);
	if (unlikely(svm->fixups || svm->vmcb->control.exit_code == SVM_EXIT_IRET) &&
	    svm_nmi_exit(vcpu))
		exit->kind = VMEXIT_NMI_WINDOW;
}
