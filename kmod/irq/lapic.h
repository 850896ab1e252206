/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The local APIC of one vCPU, private to irq/. lapic.c holds the registers, lapic_timer.c the
 * timer, lapic_ipi.c the way of a message to the APICs it is meant for.
 *
 * Who writes what: anybody posts interrupts (atomic: struct posted_irqs, TMR bits); everything else
 * is written by the vCPU's own thread (vcpu->mutex), and by the processor while it runs the guest
 * with a virtualized APIC. The timer's callback only reads LVTT and clears expires.
 */
#ifndef VMM_IRQ_LAPIC_H
#define VMM_IRQ_LAPIC_H

#include <asm/apicdef.h>
#include "../vmm.h"

#define LAPIC_REGS	64	/* registers, 16 bytes apart in the page of the architecture */
#define LAPIC_REG(off)	((off) >> 4)
#define LAPIC_VECTORS	256

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

#define POSTED_ON	0	/* posted_irqs.control: vectors has bits that IRR does not */

/**
 * struct posted_irqs - interrupts on their way into IRR, from any context
 * @vectors: a bit for each
 * @control: POSTED_ON; the rest serves interrupts of devices, and is 0
 * @reserved: for software; 0
 *
 * The layout is that of a posted-interrupt descriptor (SDM vol. 3C, 30.6).
 */
struct posted_irqs {
	unsigned long vectors[LAPIC_VECTORS / BITS_PER_LONG];
	unsigned long control;
	unsigned long reserved[3];
} __aligned(64);

static_assert(sizeof(struct posted_irqs) == 64);

/**
 * struct lapic - one local APIC
 * @posted: see struct posted_irqs
 * @regs: the registers, a page in the architecture's layout (SDM vol. 3, table 10-1)
 * @vcpu: whose it is
 * @hw_enabled: IA32_APIC_BASE.EN
 * @x2apic: IA32_APIC_BASE.EN and .EXTD
 * @sw_enabled: SVR bit 8
 * @irr_highest: highest vector of IRR, -1: none; not kept where the APIC is virtualized
 * @isr_highest: highest vector in service, -1: none; not kept where the APIC is virtualized
 * @isr_count: number of vectors in service; likewise
 * @access_gfn: where the registers of a virtualized xAPIC are
 * @eoi_vector: split irqchip: the vector whose EOI user space must hear of, -1: none
 * @sipi_vector: of the last SIPI
 * @signals: LAPIC_INIT, LAPIC_SIPI: what has arrived and was not yet accepted
 * @errors: bits for the ESR since it was last written
 * @timer_mode: of LVTT, as it was last written
 * @timer_divisor: of the divide configuration register, likewise
 * @expires: when the timer runs out, in ns of ktime_get(); 0: it does not run
 * @periodic: the timer starts over by itself
 * @period_ns: of a periodic timer
 * @deadline: IA32_TSC_DEADLINE, valid while @expires is set
 * @timer: runs out at @expires or is idle
 */
struct lapic {
	struct posted_irqs posted;
	u32 *regs;
	struct vcpu *vcpu;
	bool hw_enabled, x2apic, sw_enabled;
	s16 irr_highest;
	s16 isr_highest;
	u16 isr_count;
	s16 eoi_vector;
	gfn_t access_gfn;
	u8 sipi_vector;
	unsigned long signals;
	atomic_t errors;
	u32 timer_mode, timer_divisor;
	bool periodic;
	s64 expires;
	u64 period_ns;
	u64 deadline;
	struct hrtimer timer;
};

static inline u32 lapic_reg(const struct lapic *apic, u32 off)
{
	return READ_ONCE(apic->regs[off / sizeof(u32)]);
}

static inline void lapic_reg_set(struct lapic *apic, u32 off, u32 val)
{
	WRITE_ONCE(apic->regs[off / sizeof(u32)], val);
}

/*
 * The word of one of the 256-bit registers (APIC_ISR, APIC_TMR, APIC_IRR) that has a vector's bit;
 * what follows it in the page is not used, so that it may be taken for a longer one.
 */
static inline unsigned long *lapic_word(const struct lapic *apic, u32 off, u8 vector)
{
	return (unsigned long *)(apic->regs + (off + (vector / 32) * 0x10) / sizeof(u32));
}

static inline bool lapic_test(const struct lapic *apic, u32 off, u8 vector)
{
	return test_bit(vector % 32, lapic_word(apic, off, vector));
}

/* The vCPU's own thread. */
static inline void lapic_set(struct lapic *apic, u32 off, u8 vector)
{
	__set_bit(vector % 32, lapic_word(apic, off, vector));
}

static inline void lapic_clear(struct lapic *apic, u32 off, u8 vector)
{
	__clear_bit(vector % 32, lapic_word(apic, off, vector));
}

/* The processor writes ISR, and moves vectors there from IRR. */
static inline bool lapic_is_virtual(const struct lapic *apic)
{
	return apic->vcpu->policy.apic != APIC_VIRTUAL_NONE;
}

/* The highest vector of such a register, -1: none. */
static inline int lapic_highest(const struct lapic *apic, u32 off)
{
	int i;

	for (i = LAPIC_VECTORS / 32 - 1; i >= 0; i--) {
		u32 word = lapic_reg(apic, off + i * 0x10);

		if (word)
			return i * 32 + __fls(word);
	}
	return -1;
}

static inline u32 lapic_id(const struct lapic *apic)
{
	return apic->x2apic ? apic->vcpu->id : lapic_reg(apic, APIC_ID) >> 24;
}

static inline bool lapic_deadline_mode(const struct lapic *apic)
{
	return apic->timer_mode == APIC_LVT_TIMER_TSCDEADLINE;
}

/* lapic.c; any context. lapic_post: false when the vector was pending already. */
bool lapic_post(struct lapic *apic, u8 vector, bool level);
bool lapic_deliver_lvt(struct lapic *apic, u32 off);
void lapic_error(struct lapic *apic, u32 bits);
void lapic_x1_write(struct lapic *apic, u32 off, u32 val);
int lapic_x2_write(struct lapic *apic, u32 off, u64 val);
void lapic_eoi(struct lapic *apic);
void lapic_eoi_effects(struct lapic *apic, u8 vector);
bool lapic_x2_readable(const struct lapic *apic, u32 off);
u32 lapic_writable(struct lapic *apic, u32 off);
u32 lapic_reg_read(struct lapic *apic, u32 off);
int lapic_take(struct lapic *apic);
void lapic_write_tpr(struct lapic *apic, u32 tpr);
bool lapic_take_posted(struct lapic *apic);
void lapic_collect(struct lapic *apic);		/* the vCPU's own thread */
int lapic_irr(struct lapic *apic);		/* likewise: the highest of IRR, -1: none */
int lapic_isr(const struct lapic *apic);	/* likewise: the highest of ISR, -1: none */
void lapic_count(struct lapic *apic);		/* likewise: what is kept of IRR and ISR */

/* lapic_timer.c; the vCPU's own thread */
void lapic_timer_expired(struct vcpu *vcpu);
void lapic_timer_settle(struct vcpu *vcpu);
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
