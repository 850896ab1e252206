// SPDX-License-Identifier: GPL-2.0
/*
 * The local APIC: registers, IRR/ISR/PPR, EOI, and the two ways to its registers (xAPIC page and
 * x2APIC MSRs). SDM vol. 3, chapter 10; APM vol. 2, chapter 16.
 */
#include <asm/cpufeature.h>
#include <asm/mce.h>
#include "../backend.h"
#include "../cpu/cpu.h"
#include "chips.h"
#include "lapic.h"

#define REG_BIT(off)	BIT_ULL(LAPIC_REG(off))
#define LVT_FIRST	LAPIC_REG(APIC_LVTT)

/* Registers of 256 bits are eight places each. */
#define REGS_256	(0xffull << LAPIC_REG(APIC_ISR) | 0xffull << LAPIC_REG(APIC_TMR) |	\
			 0xffull << LAPIC_REG(APIC_IRR))
#define REGS_LVT	(0x3full << LVT_FIRST)
#define X2_READABLE	(REG_BIT(APIC_ID) | REG_BIT(APIC_LVR) | REG_BIT(APIC_TASKPRI) |		\
			 REG_BIT(APIC_PROCPRI) | REG_BIT(APIC_LDR) | REG_BIT(APIC_SPIV) |	\
			 REGS_256 | REG_BIT(APIC_ESR) | REG_BIT(APIC_ICR) | REGS_LVT |		\
			 REG_BIT(APIC_TMICT) | REG_BIT(APIC_TMCCT) | REG_BIT(APIC_TDCR) |	\
			 REG_BIT(APIC_LVTCMCI))
#define X2_WRITABLE	(REG_BIT(APIC_TASKPRI) | REG_BIT(APIC_SPIV) | REG_BIT(APIC_ESR) |	\
			 REGS_LVT | REG_BIT(APIC_TMICT) | REG_BIT(APIC_TDCR) |			\
			 REG_BIT(APIC_LVTCMCI))
#define X1_READABLE	(X2_READABLE | REG_BIT(APIC_ARBPRI) | REG_BIT(APIC_RRR) |		\
			 REG_BIT(APIC_DFR) | REG_BIT(APIC_ICR2))
#define X1_WRITABLE	(X2_WRITABLE | REG_BIT(APIC_ID) | REG_BIT(APIC_EOI) |			\
			 REG_BIT(APIC_LDR) | REG_BIT(APIC_DFR) | REG_BIT(APIC_ICR) |		\
			 REG_BIT(APIC_ICR2))

/* Reserved bits of the x2APIC ICR; bit 12 (busy) is ignored (SDM vol. 3, 10.12.9). */
#define X2_ICR_RESERVED	0xfff32000ull
/* Reserved bits of the xAPIC ICR stay as written. */
#define ICR_WRITABLE	(~(u32)APIC_ICR_BUSY)

/* Writable bits. */
static const u32 writable[LAPIC_REGS] = {
	[LAPIC_REG(APIC_ID)] = 0xff000000,
	[LAPIC_REG(APIC_TASKPRI)] = 0xff,
	[LAPIC_REG(APIC_LDR)] = 0xff000000,
	[LAPIC_REG(APIC_DFR)] = 0xf0000000,
	[LAPIC_REG(APIC_SPIV)] = 0x3ff | APIC_SPIV_DIRECTED_EOI,
	[LAPIC_REG(APIC_LVTCMCI)] = 0x107ff,
	[LAPIC_REG(APIC_ICR)] = ICR_WRITABLE,
	[LAPIC_REG(APIC_ICR2)] = 0xff000000,
	[LAPIC_REG(APIC_LVTT)] = 0x700ff, 0x107ff, 0x107ff, 0x1a7ff, 0x1a7ff, 0x100ff,
	[LAPIC_REG(APIC_TMICT)] = ~0u,
	[LAPIC_REG(APIC_TDCR)] = 0xb,
};

/* LVTs: read-only, but may be written back. */
#define LVT_READONLY	(APIC_SEND_PENDING | APIC_LVT_REMOTE_IRR)

/* ---- IRR, ISR, PPR ---- */

/**
 * lapic_isr() - the interrupt in service
 * @apic: the vCPU's own
 *
 * Return: the highest vector of ISR, or -1.
 */
int lapic_isr(const struct lapic *apic)
{
	return lapic_is_virtual(apic) ? lapic_highest(apic, APIC_ISR) : apic->isr_highest;
}

/* Its priority class. */
static u32 lapic_isr_class(const struct lapic *apic)
{
	int vector = lapic_isr(apic);

	return vector < 0 ? 0 : vector & 0xf0;
}

/* Processor priority (SDM vol. 3, 10.8.3.1). */
static u32 lapic_ppr(const struct lapic *apic)
{
	u32 tpr = lapic_reg(apic, APIC_TASKPRI) & 0xff;
	u32 isr = lapic_isr_class(apic);

	return (tpr & 0xf0) >= isr ? tpr : isr;
}

/*
 * Something was posted: a vCPU that sleeps wakes up, one that runs leaves the guest, unless the
 * processor collects by itself. It must leave too where the trigger mode has turned, as then the
 * EOIs that exit have changed. Preemption off.
 */
static void lapic_notify(struct vcpu *vcpu, bool turned)
{
	int cpu;

	if (vcpu_wake_halted(vcpu))
		return;
	if (!backend_caps.posted_irqs || turned) {
		vcpu_kick(vcpu);
		return;
	}
	cpu = READ_ONCE(vcpu->cpu);
	if (READ_ONCE(vcpu->mode) == VCPU_IN_GUEST && cpu >= 0 && cpu != smp_processor_id())
		backend_post_irqs(vcpu, cpu);
}

/**
 * lapic_post() - a fixed interrupt arrives
 * @apic: the target
 * @vector: 16 to 255
 * @level: it is level-triggered: its EOI is broadcast
 *
 * It is put beside IRR, which belongs to the vCPU; lapic_collect() brings it in. Who posts while
 * others wait to be collected need not tell the vCPU again.
 *
 * Context: any.
 *
 * Return: false when the vector was pending already.
 */
bool lapic_post(struct lapic *apic, u8 vector, bool level)
{
	struct posted_irqs *posted = &apic->posted;
	bool turned = lapic_test(apic, APIC_TMR, vector) != level;

	if (turned)
		assign_bit(vector % 32, lapic_word(apic, APIC_TMR, vector), level);
	/* Others rely on whoever sets the bits: it must not be preempted before it has told. */
	preempt_disable();
	if (test_and_set_bit(vector, posted->vectors)) {
		preempt_enable();
		return false;
	}
	if (!test_and_set_bit(POSTED_ON, &posted->control) || turned) {
		vcpu_request(apic->vcpu, REQ_EVENT);
		lapic_notify(apic->vcpu, turned);
	}
	preempt_enable();
	return !lapic_test(apic, APIC_IRR, vector);
}

/**
 * lapic_take_posted() - bring posted interrupts into IRR, for one who tells the processor
 * @apic: the vCPU's own
 *
 * Return: whether any was posted
 */
bool lapic_take_posted(struct lapic *apic)
{
	struct posted_irqs *posted = &apic->posted;
	unsigned int i;

	if (!test_bit(POSTED_ON, &posted->control))
		return false;
	clear_bit(POSTED_ON, &posted->control);
	/* Whoever sets a bit that is missed below sets POSTED_ON after it. */
	smp_mb__after_atomic();
	for (i = 0; i < ARRAY_SIZE(posted->vectors); i++) {
		unsigned long bits;
		u32 off = APIC_IRR + i * 0x20;

		if (!READ_ONCE(posted->vectors[i]))
			continue;
		bits = xchg(&posted->vectors[i], 0);
		if (!bits)
			continue;
		apic->irr_highest = max_t(int, apic->irr_highest, i * BITS_PER_LONG + __fls(bits));
		lapic_reg_set(apic, off, lapic_reg(apic, off) | (u32)bits);
		lapic_reg_set(apic, off + 0x10, lapic_reg(apic, off + 0x10) | bits >> 32);
	}
	return true;
}

/**
 * lapic_collect() - bring posted interrupts into IRR
 * @apic: the vCPU's own
 *
 * A processor that delivers by itself must be told of them before the next entry: whoever posted
 * them may have got no further than that, and will notify it in vain.
 */
void lapic_collect(struct lapic *apic)
{
	if (lapic_take_posted(apic) && lapic_is_virtual(apic))
		vcpu_request(apic->vcpu, REQ_EVENT);
}

/**
 * lapic_irr() - the interrupt requested, whatever the priorities
 * @apic: the vCPU's own
 *
 * Return: the highest vector of IRR, or -1.
 */
int lapic_irr(struct lapic *apic)
{
	lapic_collect(apic);
	return lapic_is_virtual(apic) ? lapic_highest(apic, APIC_IRR) : apic->irr_highest;
}

/**
 * lapic_count() - IRR and ISR were written as a whole
 * @apic: the vCPU's own
 */
void lapic_count(struct lapic *apic)
{
	u32 i;

	apic->irr_highest = lapic_highest(apic, APIC_IRR);
	apic->isr_highest = lapic_highest(apic, APIC_ISR);
	apic->isr_count = 0;
	for (i = 0; i < LAPIC_VECTORS / 32; i++)
		apic->isr_count += hweight32(lapic_reg(apic, APIC_ISR + i * 0x10));
}

/**
 * lapic_pending() - the vector that the processor would take next
 * @vcpu: the vCPU; its own thread
 *
 * Return: the highest vector of IRR whose priority class is above PPR's, or -1.
 */
int lapic_pending(struct vcpu *vcpu)
{
	struct lapic *apic = vcpu->apic;
	int vector = lapic_irr(apic);

	if (vector < 0 || (vector & 0xf0) <= (lapic_ppr(apic) & 0xf0))
		return -1;
	return vector;
}
EXPORT_FOR_TEST(lapic_pending);

/* Does nobody wait for this EOI, neither outside nor an interrupt that it would let through? */
static bool lapic_eoi_silent(struct lapic *apic, u8 vector)
{
	struct ioapic *ioapic = apic->vcpu->vm->irq.ioapic;

	return apic->irr_highest < 0 && !lapic_test(apic, APIC_TMR, vector) &&
	       !(ioapic && test_bit(vector, ioapic->eoi_vectors));
}

/**
 * lapic_take() - move the pending vector from IRR to ISR
 * @apic: the vCPU's own
 *
 * Return: the vector, or -1: there is none, or the processor itself delivers it.
 */
int lapic_take(struct lapic *apic)
{
	int vector = lapic_is_virtual(apic) ? -1 : lapic_pending(apic->vcpu);

	if (vector < 0)
		return -1;
	lapic_clear(apic, APIC_IRR, vector);
	apic->irr_highest = lapic_highest(apic, APIC_IRR);
	lapic_set(apic, APIC_ISR, vector);
	apic->isr_highest = vector;
	apic->isr_count++;
	if ((apic->vcpu->pv.eoi & KVM_MSR_ENABLED) && lapic_eoi_silent(apic, vector))
		eoi_offer(apic->vcpu);
	return vector;
}

/**
 * lapic_blocked_by_tpr() - must a write of CR8 exit?
 * @vcpu: the loaded vCPU
 *
 * Return: true when an interrupt waits only for the task priority to fall.
 */
bool lapic_blocked_by_tpr(struct vcpu *vcpu)
{
	struct lapic *apic = vcpu->apic;
	int vector, class;

	if (!apic || lapic_is_virtual(apic))
		return false;
	vector = lapic_irr(apic);
	class = vector & 0xf0;
	return vector >= 0 && class <= (int)(lapic_reg(apic, APIC_TASKPRI) & 0xf0) &&
	       class > (int)lapic_isr_class(apic);
}
EXPORT_FOR_TEST(lapic_blocked_by_tpr);

/* The EOI of a vector that an I/O APIC, in the kernel or in user space, may wait for. */
static void lapic_eoi_broadcast(struct lapic *apic, u8 vector, struct ioapic *ioapic)
{
	if (lapic_reg(apic, APIC_SPIV) & APIC_SPIV_DIRECTED_EOI)
		return;
	if (ioapic) {
		ioapic_eoi(ioapic, vector);
	} else if (irq_route_has_vector(apic->vcpu->vm, vector)) {
		apic->eoi_vector = vector;
		vcpu_request(apic->vcpu, REQ_SCAN_IOAPIC);
	}
}

/**
 * lapic_eoi_effects() - what the end of an interrupt means to others
 * @apic: the vCPU's own
 * @vector: it has left ISR
 */
void lapic_eoi_effects(struct lapic *apic, u8 vector)
{
	struct ioapic *ioapic = apic->vcpu->vm->irq.ioapic;

	if (lapic_test(apic, APIC_TMR, vector) ||
	    (ioapic && test_bit(vector, ioapic->eoi_vectors)))
		lapic_eoi_broadcast(apic, vector, ioapic);
}

/**
 * lapic_eoi() - end of interrupt (SDM vol. 3, 10.8.5)
 * @apic: the vCPU's own
 *
 * A hot exit: nothing but the ISR is touched for an edge-triggered vector nobody listens to.
 */
void lapic_eoi(struct lapic *apic)
{
	int vector = lapic_isr(apic);

	if (vector < 0)
		return;
	lapic_clear(apic, APIC_ISR, vector);
	if (likely(!lapic_is_virtual(apic)))
		apic->isr_highest = --apic->isr_count ? lapic_highest(apic, APIC_ISR) : -1;
	lapic_eoi_effects(apic, vector);
	if (lapic_is_virtual(apic) || lapic_pending(apic->vcpu) >= 0)
		vcpu_request(apic->vcpu, REQ_EVENT);
}
EXPORT_FOR_TEST(lapic_eoi);

/**
 * lapic_pv_eoi() - the guest has ended the interrupt in service by a bit in its memory
 * @vcpu: the loaded vCPU
 */
void lapic_pv_eoi(struct vcpu *vcpu)
{
	lapic_eoi(vcpu->apic);
}

/**
 * lapic_eoi_exit_pending() - must user space hear of an EOI (KVM_EXIT_IOAPIC_EOI)?
 * @vcpu: the loaded vCPU
 * @vector: out
 *
 * Return: true once for every such EOI; REQ_SCAN_IOAPIC was requested for it.
 */
bool lapic_eoi_exit_pending(struct vcpu *vcpu, u8 *vector)
{
	struct lapic *apic = vcpu->apic;

	if (!apic || apic->eoi_vector < 0)
		return false;
	*vector = apic->eoi_vector;
	apic->eoi_vector = -1;
	return true;
}
EXPORT_FOR_TEST(lapic_eoi_exit_pending);

/**
 * lapic_error() - note an error for the ESR and raise the error interrupt
 * @apic: any
 * @bits: APIC_ESR_*
 *
 * Context: any.
 */
void lapic_error(struct lapic *apic, u32 bits)
{
	u32 lvt = lapic_reg(apic, APIC_LVTERR);

	atomic_or(bits, &apic->errors);
	if (!(lvt & APIC_LVT_MASKED) && (u8)lvt >= 16)
		lapic_post(apic, lvt, false);
}

/**
 * lapic_deliver_lvt() - a local source has an interrupt
 * @apic: any
 * @off: its LVT register
 *
 * Context: any.
 *
 * Return: true when something new was posted. ExtINT is the PIC's business (lapic_accepts_pic()).
 */
bool lapic_deliver_lvt(struct lapic *apic, u32 off)
{
	u32 lvt = lapic_reg(apic, off);

	if (!apic->hw_enabled || lvt & APIC_LVT_MASKED)
		return false;
	if (off == APIC_LVTT || off == APIC_LVTERR)
		lvt &= ~APIC_MODE_MASK;
	switch (GET_APIC_DELIVERY_MODE(lvt)) {
	case DELIVERY_FIXED:
		if ((u8)lvt >= 16)
			return lapic_post(apic, lvt, false);
		lapic_error(apic, APIC_ESR_RECVILL);
		return false;
	case DELIVERY_NMI:
		events_nmi(apic->vcpu);
		return true;
	default:
		return false;
	}
}

/**
 * lapic_accepts_pic() - is the PIC's INT line wired through to this processor?
 * @apic: any; without a hardware-enabled APIC LINT0 is the INTR pin of the boot processor
 *
 * Return: true when LVT0 is unmasked in ExtINT mode, or the APIC is off.
 */
bool lapic_accepts_pic(struct lapic *apic)
{
	if (!apic->hw_enabled)
		return apic->vcpu->id == apic->vcpu->vm->boot_vcpu_id;
	return (lapic_reg(apic, APIC_LVT0) & (APIC_LVT_MASKED | APIC_MODE_MASK)) == APIC_DM_EXTINT;
}

/**
 * lapic_deliver_cmci() - a machine-check bank signals a corrected error
 * @vcpu: the loaded vCPU
 */
void lapic_deliver_cmci(struct vcpu *vcpu)
{
	lapic_deliver_lvt(vcpu->apic, APIC_LVTCMCI);
}

/* ---- registers ---- */

/* The CMCI's LVT comes with MCG_CMCI_P (SDM vol. 3, 11.5.1). */
static bool lapic_has(const struct lapic *apic, u64 set, u32 off)
{
	return set & REG_BIT(off) &&
	       (off != APIC_LVTCMCI || apic->vcpu->msrs.mcg_cap & MCG_CMCI_P);
}

/**
 * lapic_x2_readable() - does RDMSR find a register here in x2APIC mode?
 * @apic: the APIC
 * @off: its offset in the xAPIC page
 */
bool lapic_x2_readable(const struct lapic *apic, u32 off)
{
	return lapic_has(apic, X2_READABLE, off);
}

/**
 * lapic_write_tpr() - change the task priority
 * @apic: the vCPU's own
 * @tpr: all of it, in bits 7:0
 */
void lapic_write_tpr(struct lapic *apic, u32 tpr)
{
	lapic_reg_set(apic, APIC_TASKPRI, tpr & 0xff);
	apic->vcpu->state.cr8 = (tpr & 0xff) >> 4;
	if (apic->irr_highest >= 0 || lapic_is_virtual(apic))
		vcpu_request(apic->vcpu, REQ_EVENT);
}

/**
 * lapic_writable() - which bits of a register can be written?
 * @apic: the APIC
 * @off: its offset
 *
 * Return: those bits; the others are reserved or read-only.
 */
u32 lapic_writable(struct lapic *apic, u32 off)
{
	u32 mask = writable[LAPIC_REG(off)];

	if (off == APIC_SPIV && !(lapic_reg(apic, APIC_LVR) & APIC_LVR_DIRECTED_EOI))
		mask &= ~APIC_SPIV_DIRECTED_EOI;
	if (off == APIC_LVTT && !guest_has(apic->vcpu, X86_FEATURE_TSC_DEADLINE_TIMER))
		mask &= ~APIC_LVT_TIMER_TSCDEADLINE;
	return mask;
}

static void lapic_write_svr(struct lapic *apic, u32 val)
{
	u32 off;

	lapic_reg_set(apic, APIC_SPIV, val);
	WRITE_ONCE(apic->sw_enabled, val & APIC_SPIV_APIC_ENABLED);
	if (!apic->sw_enabled) { /* SDM vol. 3, 10.4.7.2 */
		for (off = APIC_LVTT; off <= APIC_LVTERR; off += 0x10)
			lapic_reg_set(apic, off, lapic_reg(apic, off) | APIC_LVT_MASKED);
		lapic_reg_set(apic, APIC_LVTCMCI,
			      lapic_reg(apic, APIC_LVTCMCI) | APIC_LVT_MASKED);
	}
	lapic_virtual_update(apic);
	lapic_map_rebuild(apic->vcpu->vm);
}

static void lapic_write_lvt(struct lapic *apic, u32 off, u32 val)
{
	if (!apic->sw_enabled)
		val |= APIC_LVT_MASKED;
	if (off == APIC_LVTT)
		lapic_timer_set_lvt(apic, val);
	else
		lapic_reg_set(apic, off, val);
	/* The PIC may have waited for its way to open. */
	if (off == APIC_LVT0)
		vcpu_request(apic->vcpu, REQ_EVENT);
}

/* Write a register that both modes have; reserved bits are already gone. */
static void lapic_reg_write(struct lapic *apic, u32 off, u32 val)
{
	switch (off) {
	case APIC_TASKPRI:
		lapic_write_tpr(apic, val);
		break;
	case APIC_SPIV:
		lapic_write_svr(apic, val);
		break;
	case APIC_ESR:
		lapic_reg_set(apic, APIC_ESR, atomic_xchg(&apic->errors, 0));
		break;
	case APIC_LVTCMCI:
	case APIC_LVTT ... APIC_LVTERR:
		lapic_write_lvt(apic, off, val);
		break;
	case APIC_TMICT:
		if (lapic_deadline_mode(apic)) /* ignored: SDM vol. 3, 10.5.4.1 */
			val = 0;
		lapic_reg_set(apic, APIC_TMICT, val);
		if (lapic_deadline_mode(apic))
			break;
		lapic_timer_start(apic, val);
		break;
	case APIC_TDCR:
		lapic_timer_set_divide(apic, val);
		break;
	}
}

/**
 * lapic_reg_read() - value of a register as the guest reads it
 * @apic: the vCPU's own
 * @off: its offset in the page
 */
u32 lapic_reg_read(struct lapic *apic, u32 off)
{
	switch (off) {
	case APIC_PROCPRI:
	case APIC_ARBPRI:
		return lapic_ppr(apic);
	case APIC_TMCCT:
		return lapic_timer_count(apic);
	default:
		return lapic_reg(apic, off);
	}
}

/**
 * lapic_x1_write() - write a register of the xAPIC page
 * @apic: the vCPU's own
 * @off: its offset
 * @val: the value; where the APIC is virtualized the register may have it already
 */
void lapic_x1_write(struct lapic *apic, u32 off, u32 val)
{
	if (!lapic_has(apic, X1_WRITABLE, off)) {
		if (!lapic_has(apic, X1_READABLE, off))
			lapic_error(apic, APIC_ESR_ILLREGA);
		return;
	}
	val &= lapic_writable(apic, off);
	switch (off) {
	case APIC_EOI:
		lapic_eoi(apic);
		break;
	case APIC_ICR:
		lapic_reg_set(apic, APIC_ICR, val);
		lapic_send_icr(apic, val, lapic_reg(apic, APIC_ICR2) >> 24);
		break;
	case APIC_DFR:
		val |= 0x0fffffff;
		fallthrough;
	case APIC_LDR:
	case APIC_ICR2:
		lapic_reg_set(apic, off, val);
		break;
	case APIC_ID:
		lapic_reg_set(apic, off, val);
		lapic_map_rebuild(apic->vcpu->vm);
		break;
	default:
		lapic_reg_write(apic, off, val);
	}
}

/**
 * lapic_x2_write() - write a register in x2APIC mode
 * @apic: the vCPU's own
 * @off: its offset in the xAPIC page
 * @val: all 64 bits of the MSR
 *
 * Return: 0, or 1: #GP(0) (SDM vol. 3, 10.12.1.3).
 */
int lapic_x2_write(struct lapic *apic, u32 off, u64 val)
{
	u32 readonly = 0;

	switch (off) {
	case APIC_EOI:
		if (val)
			return 1;
		lapic_eoi(apic);
		return 0;
	case APIC_ICR:
		if (val & X2_ICR_RESERVED)
			return 1;
		lapic_reg_set(apic, APIC_ICR, val & ICR_WRITABLE);
		lapic_reg_set(apic, APIC_ICR2, val >> 32);
		lapic_send_icr(apic, val, val >> 32);
		return 0;
	case APIC_SELF_IPI:
		if (val & ~0xffull)
			return 1;
		lapic_send_icr(apic, val | APIC_DEST_SELF, 0);
		return 0;
	case APIC_LVTCMCI:
	case APIC_LVTT ... APIC_LVTERR:
		readonly = LVT_READONLY;
	}
	if (!lapic_has(apic, X2_WRITABLE, off) ||
	    val & ~(u64)(lapic_writable(apic, off) | readonly))
		return 1;
	lapic_reg_write(apic, off, val & ~readonly);
	return 0;
}

/* ---- the two ways in ---- */

/* 0: the xAPIC page is there; 1: a hole is read as ones (quirk); or -EOPNOTSUPP. */
static int lapic_mmio_hit(struct vcpu *vcpu, gpa_t addr)
{
	u64 base = vcpu->msrs.apic_base & ~0xfffull;

	if (!vcpu->apic || (addr & ~0xfffull) != base)
		return -EOPNOTSUPP;
	if (vcpu->apic->hw_enabled && !vcpu->apic->x2apic)
		return 0;
	if (vcpu->vm->policy.disabled_quirks & KVM_X86_QUIRK_LAPIC_MMIO_HOLE)
		return -EOPNOTSUPP;
	return 1;
}

/**
 * lapic_mmio_read() - read from the xAPIC page
 * @vcpu: the loaded vCPU
 * @addr: guest physical address
 * @len: bytes; only an aligned read of 4 bytes finds a register, others read 0
 * @val: out, @len bytes
 *
 * Return: 0, or -EOPNOTSUPP: not the APIC's page, or the APIC does not listen there now.
 */
int lapic_mmio_read(struct vcpu *vcpu, gpa_t addr, int len, void *val)
{
	int hit = lapic_mmio_hit(vcpu, addr);
	u32 off = addr & 0x3f0;

	if (hit < 0)
		return hit;
	memset(val, hit ? 0xff : 0, len);
	if (hit || len != 4 || addr & 0xf || addr & 0xc00)
		return 0;
	if (off == APIC_TASKPRI && unlikely(vcpu->vapic.report))
		vapic_tpr_accessed(vcpu, false);
	if (lapic_has(vcpu->apic, X1_READABLE, off))
		*(u32 *)val = lapic_reg_read(vcpu->apic, off);
	else
		lapic_error(vcpu->apic, APIC_ESR_ILLREGA);
	return 0;
}
EXPORT_FOR_TEST(lapic_mmio_read);

/**
 * lapic_mmio_write() - write to the xAPIC page
 * @vcpu: the loaded vCPU
 * @addr: guest physical address
 * @len: bytes; only an aligned write of 4 bytes reaches a register, others are dropped
 * @val: @len bytes
 *
 * Return: 0, or -EOPNOTSUPP as lapic_mmio_read().
 */
int lapic_mmio_write(struct vcpu *vcpu, gpa_t addr, int len, const void *val)
{
	int hit = lapic_mmio_hit(vcpu, addr);

	if (hit < 0)
		return hit;
	if (hit || len != 4 || addr & 0xf || addr & 0xc00)
		return 0;
	if ((addr & 0x3f0) == APIC_TASKPRI && unlikely(vcpu->vapic.report))
		vapic_tpr_accessed(vcpu, true);
	lapic_x1_write(vcpu->apic, addr & 0x3f0, *(const u32 *)val);
	return 0;
}
EXPORT_FOR_TEST(lapic_mmio_write);

/**
 * lapic_msr_read() - RDMSR of 0x800 to 0x8ff
 * @vcpu: the loaded vCPU
 * @msr: number
 * @val: out
 *
 * Return: 0, or 1: #GP(0).
 */
int lapic_msr_read(struct vcpu *vcpu, u32 msr, u64 *val)
{
	struct lapic *apic = vcpu->apic;
	u32 nr = msr - APIC_BASE_MSR;
	u32 off = nr % LAPIC_REGS << 4;

	if (!apic || !apic->x2apic || nr >= LAPIC_REGS || !lapic_has(apic, X2_READABLE, off))
		return 1;
	*val = lapic_reg_read(apic, off);
	if (off == APIC_ICR)
		*val |= (u64)lapic_reg(apic, APIC_ICR2) << 32;
	return 0;
}
EXPORT_FOR_TEST(lapic_msr_read);

/**
 * lapic_msr_write() - WRMSR of 0x800 to 0x8ff
 * @vcpu: the loaded vCPU
 * @msr: number
 * @val: value
 *
 * Return: 0, or 1: #GP(0).
 */
int lapic_msr_write(struct vcpu *vcpu, u32 msr, u64 val)
{
	struct lapic *apic = vcpu->apic;
	u32 nr = msr - APIC_BASE_MSR;

	if (!apic || !apic->x2apic || nr >= LAPIC_REGS)
		return 1;
	return lapic_x2_write(apic, nr % LAPIC_REGS << 4, val);
}
EXPORT_FOR_TEST(lapic_msr_write);

/**
 * lapic_tpr() - task priority, for CR8
 * @vcpu: the loaded vCPU
 */
u8 lapic_tpr(struct vcpu *vcpu)
{
	return vcpu->apic ? lapic_reg(vcpu->apic, APIC_TASKPRI) : vcpu->state.cr8 << 4;
}
EXPORT_FOR_TEST(lapic_tpr);

/**
 * lapic_set_tpr() - the guest's CR8 is now @tpr >> 4
 * @vcpu: the loaded vCPU
 * @tpr: CR8 << 4; a CR8 that says nothing new keeps the TPR's lower half
 */
void lapic_set_tpr(struct vcpu *vcpu, u8 tpr)
{
	struct lapic *apic = vcpu->apic;

	if (apic && (lapic_reg(apic, APIC_TASKPRI) ^ tpr) & 0xf0)
		lapic_write_tpr(apic, tpr);
}
EXPORT_FOR_TEST(lapic_set_tpr);
