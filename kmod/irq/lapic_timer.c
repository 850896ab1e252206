// SPDX-License-Identifier: GPL-2.0
/*
 * The APIC timer: one-shot, periodic, TSC-deadline (SDM vol. 3, 10.5.4). The bus clock is 1 GHz,
 * a tick of the undivided count is 1 ns.
 *
 * The hrtimer's callback posts the interrupt itself. It never moves a one-shot timer, so that the
 * vCPU may restart one without having cancelled it: at most the callback of the former expiry is
 * still running, and it looks at expires. Stopping only clears expires. A periodic timer moves
 * itself and is always cancelled before it is changed.
 *
 * A TSC deadline is left to the processor where that can end a run by itself (tsc.deadline): the
 * host's timers, which cost more, count only while the vCPU is halted. A vCPU that is elsewhere
 * when the deadline passes has its interrupt by the next entry.
 */
#include <linux/moduleparam.h>
#include <asm/msr.h>
#include <asm/tsc.h>
#include "../backend.h"
#include "../cpu/cpu.h"
#include "chips.h"
#include "lapic.h"

unsigned int min_timer_period_us = 200;
module_param(min_timer_period_us, uint, 0644);
MODULE_PARM_DESC(min_timer_period_us, "Shortest period of a guest's periodic timer, microseconds");

/**
 * lapic_timer_divisor() - what the divide configuration register divides by
 * @tdcr: its value: bits 0, 1 and 3
 *
 * Return: 1 to 128.
 */
u32 lapic_timer_divisor(u32 tdcr)
{
	u32 code = (tdcr & 3) | (tdcr & 8) >> 1;

	return 1u << ((code + 1) & 7);
}
EXPORT_FOR_TEST(lapic_timer_divisor);

static enum hrtimer_restart lapic_timer_fn(struct hrtimer *timer)
{
	struct lapic *apic = container_of(timer, struct lapic, timer);
	s64 expires = READ_ONCE(apic->expires);
	ktime_t now = hrtimer_cb_get_time(timer);

	if (!expires || now < expires)
		return HRTIMER_NORESTART;
	if (!apic->periodic) {
		/* Unless the vCPU has stopped it, or has seen it pass. */
		if (cmpxchg64(&apic->expires, expires, 0))
			lapic_deliver_lvt(apic, APIC_LVTT);
		return HRTIMER_NORESTART;
	}
	hrtimer_forward(timer, now, apic->period_ns);
	WRITE_ONCE(apic->expires, hrtimer_get_expires(timer));
	lapic_deliver_lvt(apic, APIC_LVTT);
	return HRTIMER_RESTART;
}

/**
 * lapic_timer_create() - prepare the timer of a new APIC
 * @apic: the APIC
 */
void lapic_timer_create(struct lapic *apic)
{
	compat_hrtimer_setup(&apic->timer, lapic_timer_fn, CLOCK_MONOTONIC,
			     HRTIMER_MODE_ABS_PINNED_HARD);
}

/**
 * lapic_timer_stop() - no callback runs or will run after this
 * @apic: the vCPU's own, or one that nobody uses any more
 */
void lapic_timer_stop(struct lapic *apic)
{
	hrtimer_cancel(&apic->timer);
	apic->vcpu->tsc.deadline = 0;
	WRITE_ONCE(apic->expires, 0);
	apic->periodic = false;
}

static void lapic_timer_arm(struct lapic *apic, s64 expires)
{
	WRITE_ONCE(apic->expires, expires);
	hrtimer_start(&apic->timer, expires, HRTIMER_MODE_ABS_PINNED_HARD);
}

static u64 lapic_count_ns(struct lapic *apic, u32 count)
{
	return (u64)count * apic->timer_divisor;
}

/**
 * lapic_timer_start() - count down, in one-shot or periodic mode
 * @apic: the vCPU's own
 * @count: from here; 0: stop (one shot), or a full period from the initial count
 */
void lapic_timer_start(struct lapic *apic, u32 count)
{
	u32 initial = lapic_reg(apic, APIC_TMICT);
	bool periodic = apic->timer_mode == APIC_LVT_TIMER_PERIODIC;

	if (apic->periodic)
		lapic_timer_stop(apic);
	if (!initial || (!count && !periodic) || lapic_deadline_mode(apic)) {
		WRITE_ONCE(apic->expires, 0);
		return;
	}
	if (periodic) {
		/* A callback of a one-shot timer must not see it half changed. */
		lapic_timer_stop(apic);
		apic->period_ns = max_t(u64, lapic_count_ns(apic, initial),
					(u64)READ_ONCE(min_timer_period_us) * NSEC_PER_USEC);
		apic->period_ns = max_t(u64, apic->period_ns, 1);
		apic->periodic = true;
		if (!count || count == initial) {
			lapic_timer_arm(apic, ktime_get() + apic->period_ns);
			return;
		}
	}
	lapic_timer_arm(apic, ktime_get() + lapic_count_ns(apic, count));
}

/**
 * lapic_timer_count() - current count register
 * @apic: any whose vCPU does not run elsewhere
 */
u32 lapic_timer_count(struct lapic *apic)
{
	s64 left = READ_ONCE(apic->expires);

	if (!left || lapic_deadline_mode(apic))
		return 0;
	left -= ktime_get();
	if (left <= 0)
		return 0;
	left = div_u64(left, apic->timer_divisor);
	return min_t(u64, left, lapic_reg(apic, APIC_TMICT));
}

/**
 * lapic_timer_set_lvt() - write LVTT
 * @apic: the vCPU's own
 * @val: new value; into or out of TSC-deadline mode disarms (SDM vol. 3, 10.5.4.1)
 */
void lapic_timer_set_lvt(struct lapic *apic, u32 val)
{
	u32 old = apic->timer_mode;
	u32 count;

	lapic_reg_set(apic, APIC_LVTT, val);
	if (!((old ^ val) & LAPIC_TIMER_MODE))
		return;
	count = lapic_timer_count(apic);
	lapic_timer_stop(apic);
	apic->timer_mode = val & LAPIC_TIMER_MODE;
	if ((old | val) & APIC_LVT_TIMER_TSCDEADLINE)
		lapic_reg_set(apic, APIC_TMICT, 0);
	else if (count)
		lapic_timer_start(apic, count);
}

/**
 * lapic_timer_set_divide() - write the divide configuration register
 * @apic: the vCPU's own
 * @val: new value; what is left of the count goes on at the new rate
 */
void lapic_timer_set_divide(struct lapic *apic, u32 val)
{
	u32 count = lapic_timer_count(apic);

	lapic_reg_set(apic, APIC_TDCR, val);
	apic->timer_divisor = lapic_timer_divisor(val);
	if (count)
		lapic_timer_start(apic, count);
}

/* The host counts from now on. */
static void lapic_deadline_arm(struct lapic *apic, u64 now)
{
	u64 ns = tsc_delta_to_ns(apic->vcpu, apic->deadline - now);

	lapic_timer_arm(apic, ktime_add_safe(ktime_get(), min_t(u64, ns, KTIME_MAX)));
}

/**
 * lapic_timer_expired() - has the deadline passed that the processor watches?
 * @vcpu: the loaded vCPU, with in-kernel APIC
 *
 * If so its interrupt is posted.
 */
void lapic_timer_expired(struct vcpu *vcpu)
{
	u64 deadline = vcpu->tsc.deadline;

	if (!deadline || rdtsc() < deadline)
		return;
	vcpu->tsc.deadline = 0;
	lapic_deliver_lvt(vcpu->apic, APIC_LVTT);
}

/**
 * lapic_timer_settle() - have the interrupt of what has passed posted
 * @vcpu: the loaded vCPU, with in-kernel APIC
 *
 * The host's timers may be late: then the count is over and no interrupt there, for a state that is
 * read in that moment and loaded elsewhere.
 */
void lapic_timer_settle(struct vcpu *vcpu)
{
	struct lapic *apic = vcpu->apic;
	s64 expires = READ_ONCE(apic->expires);

	lapic_timer_expired(vcpu);
	if (!expires || apic->periodic || ktime_get() < expires)
		return;
	if (cmpxchg64(&apic->expires, expires, 0) == expires)
		lapic_deliver_lvt(apic, APIC_LVTT);
}

/**
 * lapic_timer_exit() - a run has ended at the deadline
 * @vcpu: the vCPU; the processor may have been early, where it counts no further
 *
 * Return: RESUME_GUEST
 */
int lapic_timer_exit(struct vcpu *vcpu)
{
	lapic_timer_expired(vcpu);
	return RESUME_GUEST;
}
EXPORT_FOR_TEST(lapic_timer_exit);

/**
 * lapic_timer_leave() - the vCPU is about to wait: the host counts instead of the processor
 * @vcpu: the loaded vCPU
 */
void lapic_timer_leave(struct vcpu *vcpu)
{
	struct lapic *apic = vcpu->apic;
	u64 now;

	if (!vcpu->tsc.deadline)
		return;
	lapic_timer_expired(vcpu);
	if (!vcpu->tsc.deadline)
		return;
	vcpu->tsc.deadline = 0;
	now = tsc_read(vcpu);
	if (apic->deadline > now)
		lapic_deadline_arm(apic, now);
	else
		lapic_deliver_lvt(apic, APIC_LVTT);
}
EXPORT_FOR_TEST(lapic_timer_leave);

/**
 * lapic_tsc_deadline_get() - IA32_TSC_DEADLINE
 * @vcpu: the loaded vCPU
 *
 * Return: the armed deadline in guest TSC ticks; 0 when it has passed or in other modes.
 */
u64 lapic_tsc_deadline_get(struct vcpu *vcpu)
{
	struct lapic *apic = vcpu->apic;

	if (!apic || !lapic_deadline_mode(apic))
		return 0;
	lapic_timer_expired(vcpu);
	return READ_ONCE(apic->expires) || vcpu->tsc.deadline ? apic->deadline : 0;
}
EXPORT_FOR_TEST(lapic_tsc_deadline_get);

/**
 * lapic_tsc_deadline_set() - write IA32_TSC_DEADLINE
 * @vcpu: the loaded vCPU
 * @val: guest TSC at which to interrupt, 0: disarm; ignored in other timer modes
 *
 * A hot exit. Disarming leaves the hrtimer in its queue: its callback will find nothing to do.
 */
void lapic_tsc_deadline_set(struct vcpu *vcpu, u64 val)
{
	struct lapic *apic = vcpu->apic;
	u64 now;

	if (!apic || !lapic_deadline_mode(apic))
		return;
	apic->deadline = val;
	vcpu->tsc.deadline = 0;
	WRITE_ONCE(apic->expires, 0);
	if (!val)
		return;
	/* The processor's own timer may stand while a guest is in a MWAIT that does not exit. */
	now = tsc_read(vcpu);
	if (val <= now)
		lapic_deliver_lvt(apic, APIC_LVTT);
	else if (backend_caps.deadline && vcpu->policy.mwait && !check_tsc_unstable())
		vcpu->tsc.deadline = tsc_host_deadline(vcpu, val);
	else
		lapic_deadline_arm(apic, now);
}
EXPORT_FOR_TEST(lapic_tsc_deadline_set);

/**
 * lapic_tsc_changed() - the guest's TSC jumped or changed its rate: compute the deadline anew
 * @vcpu: the loaded vCPU
 */
void lapic_tsc_changed(struct vcpu *vcpu)
{
	u64 deadline = lapic_tsc_deadline_get(vcpu);

	if (deadline)
		lapic_tsc_deadline_set(vcpu, deadline);
}

/**
 * lapic_vcpu_load() - the vCPU's thread has moved: its timer follows
 * @vcpu: being loaded on this processor
 *
 * Context: preemption off.
 */
void lapic_vcpu_load(struct vcpu *vcpu)
{
	struct lapic *apic = vcpu->apic;

	if (!apic || !READ_ONCE(apic->expires))
		return;
	if (hrtimer_try_to_cancel(&apic->timer) == 1)
		hrtimer_start_expires(&apic->timer, HRTIMER_MODE_ABS_PINNED_HARD);
}
