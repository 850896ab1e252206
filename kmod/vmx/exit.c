// SPDX-License-Identifier: GPL-2.0
/* The hardware's exit becomes a struct vm_exit (SDM vol. 3C, 28.2 and appendix C). */
#include <linux/bitops.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>

#include "vmx.h"

/* What of an exit is worth a VMREAD. */
#define INSN	0x80	/* an instruction's exit: its length */
#define QUAL	0x40	/* the exit qualification */
#define VECT	0x100	/* it may have interrupted the delivery of an event */
#define GPA	0x200	/* the guest-physical address */
#define FAILED	0x400	/* an entry that failed; none of the above */

/* EXIT_REASON_* of GETSEC, which <uapi/asm/vmx.h> does not name */
#define REASON_GETSEC	11

/* UNKNOWN is 0: what is not listed. */
static const u16 vmx_kinds[] = {
	[EXIT_REASON_EXCEPTION_NMI] = VECT | QUAL | VMEXIT_EXCEPTION,
	[EXIT_REASON_EXTERNAL_INTERRUPT] = VMEXIT_HOST_INTERRUPT,
	[EXIT_REASON_TRIPLE_FAULT] = VMEXIT_SHUTDOWN,
	/* Physical INITs are the host's. */
	[EXIT_REASON_INIT_SIGNAL] = VMEXIT_INIT,
	[EXIT_REASON_INTERRUPT_WINDOW] = VMEXIT_IRQ_WINDOW,
	[EXIT_REASON_NMI_WINDOW] = VMEXIT_NMI_WINDOW,
	[EXIT_REASON_TASK_SWITCH] = VECT | QUAL | INSN | VMEXIT_TASK_SWITCH,
	[EXIT_REASON_CPUID] = INSN | VMEXIT_CPUID,
	[REASON_GETSEC] = INSN | VMEXIT_UNDEFINED,
	[EXIT_REASON_HLT] = INSN | VMEXIT_HLT,
	[EXIT_REASON_INVD] = INSN | VMEXIT_INVD,
	[EXIT_REASON_RDPMC] = INSN | VMEXIT_RDPMC,
	[EXIT_REASON_RDTSC] = INSN | VMEXIT_RDTSC,
	[EXIT_REASON_VMCALL] = INSN | VMEXIT_HYPERCALL,
	[EXIT_REASON_VMCLEAR] = INSN | VMEXIT_UNDEFINED,
	[EXIT_REASON_VMLAUNCH] = INSN | VMEXIT_UNDEFINED,
	[EXIT_REASON_VMPTRLD] = INSN | VMEXIT_UNDEFINED,
	[EXIT_REASON_VMPTRST] = INSN | VMEXIT_UNDEFINED,
	[EXIT_REASON_VMREAD] = INSN | VMEXIT_UNDEFINED,
	[EXIT_REASON_VMRESUME] = INSN | VMEXIT_UNDEFINED,
	[EXIT_REASON_VMWRITE] = INSN | VMEXIT_UNDEFINED,
	[EXIT_REASON_VMOFF] = INSN | VMEXIT_UNDEFINED,
	[EXIT_REASON_VMON] = INSN | VMEXIT_UNDEFINED,
	[EXIT_REASON_CR_ACCESS] = QUAL | INSN | VMEXIT_CR_ACCESS,
	[EXIT_REASON_DR_ACCESS] = QUAL | INSN | VMEXIT_DR_ACCESS,
	[EXIT_REASON_IO_INSTRUCTION] = QUAL | INSN | VMEXIT_IO,
	[EXIT_REASON_MSR_READ] = INSN | VMEXIT_RDMSR,
	[EXIT_REASON_MSR_WRITE] = INSN | VMEXIT_WRMSR,
	[EXIT_REASON_MWAIT_INSTRUCTION] = INSN | VMEXIT_MWAIT,
	[EXIT_REASON_MONITOR_INSTRUCTION] = INSN | VMEXIT_MONITOR,
	[EXIT_REASON_PAUSE_INSTRUCTION] = INSN | VMEXIT_PAUSE,
	[EXIT_REASON_TPR_BELOW_THRESHOLD] = VMEXIT_TPR,
	[EXIT_REASON_APIC_ACCESS] = VECT | QUAL | VMEXIT_APIC_ACCESS,
	[EXIT_REASON_EOI_INDUCED] = QUAL | VMEXIT_APIC_EOI,
	[EXIT_REASON_APIC_WRITE] = QUAL | VMEXIT_APIC_WRITE,
	[EXIT_REASON_EPT_VIOLATION] = VECT | QUAL | GPA | VMEXIT_TDP_FAULT,
	[EXIT_REASON_EPT_MISCONFIG] = VECT | GPA | VMEXIT_TDP_MISCONFIG,
	[EXIT_REASON_INVEPT] = INSN | VMEXIT_UNDEFINED,
	[EXIT_REASON_RDTSCP] = INSN | VMEXIT_RDTSCP,
	[EXIT_REASON_PREEMPTION_TIMER] = VMEXIT_PREEMPTION_TIMER,
	[EXIT_REASON_INVVPID] = INSN | VMEXIT_UNDEFINED,
	[EXIT_REASON_WBINVD] = INSN | VMEXIT_WBINVD,
	[EXIT_REASON_XSETBV] = INSN | VMEXIT_XSETBV,
	[EXIT_REASON_ENCLS] = INSN | VMEXIT_UNDEFINED,
	[EXIT_REASON_PML_FULL] = VECT | QUAL | VMEXIT_PML_FULL,
};

#define KIND_MASK	0x3f
#define OPERANDS	(QUAL | VECT | GPA)

static_assert(VMEXIT_UNKNOWN == 0);
static_assert(VMEXIT_COUNT <= KIND_MASK);

/* Exit qualifications (28.2.1, tables 28-1 to 28-7) */
#define CR_NUMBER_MASK		0xf
#define CR_TYPE_SHIFT		4
#define CR_TYPE_MASK		3
#define CR_TYPE_TO		0
#define CR_TYPE_FROM		1
#define REG_GPR_SHIFT		8
#define REG_GPR_MASK		0xf
#define DR_NUMBER_MASK		7
#define DR_FROM			BIT(4)
#define IO_SIZE_MASK		7
#define IO_IN			BIT(3)
#define IO_STRING		BIT(4)
#define IO_REP			BIT(5)
#define IO_PORT_SHIFT		16
#define EPT_WRITE		BIT(1)
#define EPT_FETCH		BIT(2)
#define EPT_ENTRY_MASK		0x38	/* rights the entries gave */
#define EPT_LINEAR_VALID	BIT(7)
#define EPT_FINAL		BIT(8)	/* the access itself, not one to a guest page table */
#define EPT_NMI_UNBLOCKED	BIT(12)
#define TASK_SOURCE_SHIFT	30
#define APIC_OFFSET_MASK	0xfff
#define APIC_TYPE_SHIFT		12	/* of an access to the APIC's page */
#define APIC_TYPE_MASK		0xf
#define APIC_TYPE_WRITE		1
#define APIC_TYPE_FETCH		2
#define DB_BITS			0x600f	/* B0 to B3, BD, BS */

static u16 vmx_kind(u32 reason)
{
	u32 basic = reason & REASON_BASIC_MASK;

	if (unlikely(reason & REASON_ENTRY_FAILURE))
		return FAILED | VMEXIT_INVALID_STATE;
	return basic < ARRAY_SIZE(vmx_kinds) ? vmx_kinds[basic] : VMEXIT_UNKNOWN;
}

/* CLTS and LMSW name no register that could be moved: they are decoded. */
static void vmx_decode_cr(const struct vmx_exit *raw, struct vm_exit *exit)
{
	u32 type = (raw->qualification >> CR_TYPE_SHIFT) & CR_TYPE_MASK;

	exit->reg.nr = raw->qualification & CR_NUMBER_MASK;
	exit->reg.write = type != CR_TYPE_FROM;
	exit->reg.gpr = 0xff;
	if (type == CR_TYPE_TO || type == CR_TYPE_FROM)
		exit->reg.gpr = (raw->qualification >> REG_GPR_SHIFT) & REG_GPR_MASK;
}

static void vmx_decode_dr(const struct vmx_exit *raw, struct vm_exit *exit)
{
	exit->reg.nr = raw->qualification & DR_NUMBER_MASK;
	exit->reg.write = !(raw->qualification & DR_FROM);
	exit->reg.gpr = (raw->qualification >> REG_GPR_SHIFT) & REG_GPR_MASK;
}

static void vmx_decode_exception(const struct vmx_exit *raw, struct vm_exit *exit)
{
	u32 type = (raw->intr_info & INTR_TYPE_MASK) >> INTR_TYPE_SHIFT;
	u8 vector = raw->intr_info & INTR_VECTOR_MASK;

	if (type == EVENT_NMI || vector == X86_TRAP_MC) {
		exit->kind = VMEXIT_HOST_INTERRUPT;
		return;
	}
	exit->exception.vector = vector;
	exit->exception.has_error = raw->intr_info & INTR_ERROR_VALID;
	exit->exception.error = exit->exception.has_error ? raw->intr_error : 0;
	exit->exception.payload = 0;
	if (vector == X86_TRAP_PF)
		exit->exception.payload = raw->qualification;
	else if (vector == X86_TRAP_DB)
		exit->exception.payload = raw->qualification & DB_BITS;
	if (type == EVENT_SOFT_EXC || type == EVENT_PRIV_SOFT_EXC)
		exit->insn_len = raw->insn_len;
}

static void vmx_decode_io(const struct vmx_exit *raw, struct vm_exit *exit)
{
	u64 qual = raw->qualification;

	exit->io.port = qual >> IO_PORT_SHIFT;
	exit->io.size = (qual & IO_SIZE_MASK) + 1;
	exit->io.in = !!(qual & IO_IN);
	exit->io.string = !!(qual & IO_STRING);
	exit->io.rep = !!(qual & IO_REP);
	/* String forms are decoded anyway: that is no worse than reading EXIT_INSN_INFO. */
	exit->io.addr_size = 0;
	exit->io.seg = 0xff;
}

static void vmx_decode_ept(const struct vmx_exit *raw, struct vm_exit *exit)
{
	u64 qual = raw->qualification, error = 0;

	if (qual & EPT_ENTRY_MASK)
		error |= TDP_FAULT_PRESENT;
	if (qual & EPT_WRITE)
		error |= TDP_FAULT_WRITE;
	if (qual & EPT_FETCH)
		error |= TDP_FAULT_FETCH;
	if ((qual & EPT_LINEAR_VALID) && !(qual & EPT_FINAL))
		error |= TDP_FAULT_GUEST_WALK;
	else
		error |= TDP_FAULT_GUEST_FINAL;
	exit->fault.gpa = raw->gpa;
	exit->fault.error = error;
}

/* Of accesses that are not linear, those of event delivery and page walks, it is not told what. */
static void vmx_decode_apic(const struct vmx_exit *raw, struct vm_exit *exit)
{
	u32 type = (raw->qualification >> APIC_TYPE_SHIFT) & APIC_TYPE_MASK;

	exit->fault.gpa = raw->qualification & APIC_OFFSET_MASK;
	exit->fault.error = TDP_FAULT_PRESENT | TDP_FAULT_GUEST_FINAL;
	if (type == APIC_TYPE_WRITE)
		exit->fault.error |= TDP_FAULT_WRITE;
	else if (type == APIC_TYPE_FETCH)
		exit->fault.error |= TDP_FAULT_FETCH;
}

static void vmx_decode_task(const struct vmx_exit *raw, struct vm_exit *exit)
{
	exit->task.selector = raw->qualification;
	exit->task.reason = raw->qualification >> TASK_SOURCE_SHIFT & 3;
	exit->task.has_error = raw->vectoring_info & INTR_ERROR_VALID;
	exit->task.error = raw->vectoring_error;
}

static void vmx_decode_operands(const struct vmx_exit *raw, u16 what, struct vm_exit *exit)
{
	if ((what & VECT) && (raw->vectoring_info & INTR_VALID))
		vmx_event_decode(raw->vectoring_info, raw->vectoring_error, raw->insn_len,
				 &exit->vectoring);
	switch (exit->kind) {
	case VMEXIT_EXCEPTION:
		vmx_decode_exception(raw, exit);
		break;
	case VMEXIT_CR_ACCESS:
		vmx_decode_cr(raw, exit);
		break;
	case VMEXIT_DR_ACCESS:
		vmx_decode_dr(raw, exit);
		break;
	case VMEXIT_IO:
		vmx_decode_io(raw, exit);
		break;
	case VMEXIT_TDP_FAULT:
	case VMEXIT_TDP_MISCONFIG:
		vmx_decode_ept(raw, exit);
		break;
	case VMEXIT_TASK_SWITCH:
		vmx_decode_task(raw, exit);
		break;
	case VMEXIT_APIC_ACCESS:
		vmx_decode_apic(raw, exit);
		break;
	case VMEXIT_APIC_WRITE:
		exit->apic.offset = raw->qualification & APIC_OFFSET_MASK;
		break;
	case VMEXIT_APIC_EOI:
		exit->apic.vector = raw->qualification;
		break;
	}
}

/**
 * vmx_decode() - translate an exit
 * @raw: the fields that the exit's reason calls for
 * @exit: filled in; the member of the union that @exit->kind names
 *
 * Context: any; pure
 */
void vmx_decode(const struct vmx_exit *raw, struct vm_exit *exit)
{
	u16 what = vmx_kind(raw->reason);

	exit->hw_reason = raw->reason;
	exit->kind = what & KIND_MASK;
	exit->insn_len = what & INSN ? raw->insn_len : 0;
	exit->insn_bytes = 0;
	exit->vectoring.type = EVENT_NONE;
	if (what & OPERANDS)
		vmx_decode_operands(raw, what, exit);
}
EXPORT_FOR_TEST(vmx_decode);

static void vmx_read_operands(struct vmx_exit *raw, u16 what)
{
	if (what & QUAL)
		raw->qualification = vmcs_read(EXIT_QUALIFICATION);
	if (what & GPA)
		raw->gpa = vmcs_read(GUEST_PHYSICAL_ADDRESS);
	if (!(what & VECT))
		return;
	raw->vectoring_info = vmcs_read(IDT_VECTORING_INFO);
	if (unlikely(raw->vectoring_info & INTR_VALID)) {
		raw->vectoring_error = vmcs_read(IDT_VECTORING_ERROR);
		raw->insn_len = vmcs_read(EXIT_INSN_LEN);
	}
	if (raw->reason != EXIT_REASON_EXCEPTION_NMI)
		return;
	if (raw->intr_info & INTR_ERROR_VALID)
		raw->intr_error = vmcs_read(EXIT_INTR_ERROR);
	raw->insn_len = vmcs_read(EXIT_INSN_LEN);
}

/*
 * An IRET that faults has opened NMIs already; the handler of the NMI it was to end has not ended
 * (28.2.3). Where an event's delivery was interrupted the bit means nothing, nor with #DF.
 */
static bool vmx_nmi_unblocked(const struct vmx_exit *raw, const struct vm_exit *exit)
{
	if (exit->vectoring.type != EVENT_NONE)
		return false;
	if (exit->kind == VMEXIT_TDP_FAULT || exit->kind == VMEXIT_PML_FULL)
		return raw->qualification & EPT_NMI_UNBLOCKED;
	return exit->kind == VMEXIT_EXCEPTION && exit->exception.vector != X86_TRAP_DF &&
	       (raw->intr_info & INTR_NMI_UNBLOCKED);
}

/* INT1 raises its #DB as a trap, but the exit is a fault's: RIP is on it (28.3.3, table 28-2). */
static bool vmx_is_int1(const struct vmx_exit *raw, const struct vm_exit *exit)
{
	return exit->kind == VMEXIT_EXCEPTION && exit->exception.vector == X86_TRAP_DB &&
	       (raw->intr_info & INTR_TYPE_MASK) == EVENT_PRIV_SOFT_EXC << INTR_TYPE_SHIFT;
}

/*
 * The instruction that exited, or could not be fetched, has not been executed: no step is pending.
 * Bochs says so.
 */
static bool vmx_stray_step(const struct vmx_vcpu *vmx)
{
	return (vmx->hw.rflags & X86_EFLAGS_TF) && (vmx_kind(vmx->exit.reason) & (INSN | GPA));
}

/* What calls for more than a translation; rare. */
static void vmx_exit_odd(struct vcpu *vcpu, struct vmx_vcpu *vmx)
{
	const struct vmx_exit *raw = &vmx->exit;
	struct vm_exit *exit = &vcpu->exit;

	if (vmx_has.stale_vectoring && vcpu->policy.apic != APIC_VIRTUAL_NONE)
		vmx_apic_vectoring(vcpu, &exit->vectoring);
	if (vmx->ctl[VMX_PROC2] & PROC2_PML)
		vmx_drain_pml(vcpu);
	if (raw->reason == REASON_ENTRY_FAILURE)
		exit->hw_reason = vmx->error;
	if (vmx_nmi_unblocked(raw, exit))
		vcpu->events.nmi_masked = true;
	if (vmx_stray_step(vmx))
		vmcs_write(GUEST_PENDING_DEBUG, 0);
	if (vmx_is_int1(raw, exit))
		vcpu->state.rip += exit->insn_len;
}

/**
 * vmx_exit_decode() - translate the last exit into vcpu->exit
 * @vcpu: the vCPU
 *
 * Context: loaded, once after each run()
 */
void vmx_exit_decode(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	struct vmx_exit *raw = &vmx->exit;
	u16 what = vmx_kind(raw->reason);

	if (what & INSN)
		raw->insn_len = vmcs_read(EXIT_INSN_LEN);
	if (what & OPERANDS)
		vmx_read_operands(raw, what);
	vmx_decode(raw, &vcpu->exit);
	if (unlikely((what & (VECT | FAILED)) || (vmx->hw.rflags & X86_EFLAGS_TF) ||
		     (vmx->ctl[VMX_PROC2] & (PROC2_PML | PROC2_VIRTUAL_INTR))))
		vmx_exit_odd(vcpu, vmx);
}
