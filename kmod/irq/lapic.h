/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The local APIC of one vCPU, private to irq/. lapic.c holds the registers, lapic_timer.c the
 * timer, lapic_ipi.c the way of a message to the APICs it is meant for.
 *
 * Who writes what: IRR and TMR bits are set by anybody (atomic), everything else is written by
 * the vCPU's own thread (vcpu->mutex); the timer's callback only reads LVTT and clears expires.
 */
#ifndef VMM_IRQ_LAPIC_H
#define VMM_IRQ_LAPIC_H

#include <asm/apicdef.h>
#include "../vmm.h"

#define LAPIC_REGS	64	/* registers, 16 bytes apart in the page of the architecture */
#define LAPIC_REG(off)	((off) >> 4)

#define LAPIC_TIMER_MODE (3 << 17)	/* LVTT: one-shot, periodic, TSC-deadline */

/* Bits of lapic.signals. */
#define LAPIC_INIT	0
#define LAPIC_SIPI	1

/* Delivery modes, as they stand in an ICR, an LVT, an RTE and an MSI (SDM vol. 3, 10.6.1). */
enum {
	DELIVERY_FIXED, DELIVERY_LOWEST, DELIVERY_SMI, DELIVERY_NMI = 4, DELIVERY_INIT,
	DELIVERY_SIPI, DELIVERY_EXTINT
};

/* irq_msg.shorthand. */
enum { SHORTHAND_NONE, SHORTHAND_SELF, SHORTHAND_ALL, SHORTHAND_OTHERS };

/**
 * struct lapic - one local APIC
 * @regs: the registers, densely: the 256 bits of ISR, TMR and IRR are contiguous bitmaps
 * @vcpu: whose it is
 * @irr_any: false means that IRR is empty
 * @hw_enabled: IA32_APIC_BASE.EN
 * @x2apic: IA32_APIC_BASE.EN and .EXTD
 * @sw_enabled: SVR bit 8
 * @isr_highest: highest vector in service, -1: none
 * @isr_count: number of vectors in service
 * @eoi_vector: split irqchip: the vector whose EOI user space must hear of, -1: none
 * @sipi_vector: of the last SIPI
 * @signals: LAPIC_INIT, LAPIC_SIPI: what has arrived and was not yet accepted
 * @errors: bits for the ESR since it was last written
 * @expires: when the timer runs out, in ns of ktime_get(); 0: it does not run
 * @periodic: the timer starts over by itself
 * @period_ns: of a periodic timer
 * @deadline: IA32_TSC_DEADLINE, valid while @expires is set
 * @timer: runs out at @expires or is idle
 */
struct lapic {
	u32 regs[LAPIC_REGS] __aligned(64);
	struct vcpu *vcpu;
	bool irr_any;
	bool hw_enabled, x2apic, sw_enabled;
	s16 isr_highest;
	u16 isr_count;
	s16 eoi_vector;
	u8 sipi_vector;
	unsigned long signals;
	atomic_t errors;
	bool periodic;
	s64 expires;
	u64 period_ns;
	u64 deadline;
	struct hrtimer timer;
};

static inline u32 lapic_reg(const struct lapic *apic, u32 off)
{
	return READ_ONCE(apic->regs[LAPIC_REG(off)]);
}

static inline void lapic_reg_set(struct lapic *apic, u32 off, u32 val)
{
	WRITE_ONCE(apic->regs[LAPIC_REG(off)], val);
}

/* One of the 256-bit registers: APIC_ISR, APIC_TMR, APIC_IRR. */
static inline unsigned long *lapic_bitmap(struct lapic *apic, u32 off)
{
	return (unsigned long *)&apic->regs[LAPIC_REG(off)];
}

static inline u32 lapic_id(const struct lapic *apic)
{
	return apic->x2apic ? apic->vcpu->id : lapic_reg(apic, APIC_ID) >> 24;
}

static inline bool lapic_deadline_mode(const struct lapic *apic)
{
	return (lapic_reg(apic, APIC_LVTT) & LAPIC_TIMER_MODE) == APIC_LVT_TIMER_TSCDEADLINE;
}

/* The highest of 256 bits, -1: none is set. */
static inline int lapic_highest(const unsigned long *map)
{
	int i;

	for (i = 256 / BITS_PER_LONG - 1; i >= 0; i--) {
		unsigned long word = READ_ONCE(map[i]);

		if (word)
			return i * BITS_PER_LONG + __fls(word);
	}
	return -1;
}

/* lapic.c; any context. lapic_set_irr: false when the vector was pending already. */
bool lapic_set_irr(struct lapic *apic, u8 vector, bool level);
bool lapic_deliver_lvt(struct lapic *apic, u32 off);
void lapic_error(struct lapic *apic, u32 bits);
int lapic_x2_write(struct lapic *apic, u32 off, u64 val);
void lapic_eoi(struct lapic *apic);
u32 lapic_writable(struct lapic *apic, u32 off);
u32 lapic_reg_read(struct lapic *apic, u32 off);
int lapic_take(struct lapic *apic);
void lapic_write_tpr(struct lapic *apic, u32 tpr);

/* lapic_timer.c; the vCPU's own thread */
void lapic_timer_create(struct lapic *apic);
void lapic_timer_stop(struct lapic *apic);
void lapic_timer_start(struct lapic *apic, u32 count);
void lapic_timer_set_lvt(struct lapic *apic, u32 val);
void lapic_timer_set_divide(struct lapic *apic, u32 val);
u32 lapic_timer_count(struct lapic *apic);
u32 lapic_timer_divisor(u32 tdcr);

/* lapic_ipi.c */
void lapic_map_rebuild(struct vmm *vm);
void lapic_send_icr(struct lapic *apic, u32 low, u32 dest);
bool lapic_matches(struct lapic *apic, const struct irq_msg *msg);
int lapic_accept(struct lapic *apic, const struct irq_msg *msg);

#endif /* VMM_IRQ_LAPIC_H */
