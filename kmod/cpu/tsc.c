// SPDX-License-Identifier: GPL-2.0
/*
 * The time stamp counter of a guest.
 *
 * guest TSC = host TSC * ratio + offset. vCPUs of a VM whose TSC user space writes within a second
 * of each other, to values that fit together, get one offset: they stay in step exactly.
 */
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/spinlock.h>
#include <linux/timekeeping.h>
#include <asm/tsc.h>

#include "internal.h"

/* A virtual frequency that differs less from the host's is the host's: 250 ppm. */
#define TSC_TOLERANCE_PPM	250

static DEFINE_RAW_SPINLOCK(tsc_sync_lock);	/* vm->clock.tsc_*; taken by no exit */

static u64 tsc_scale(const struct vcpu_tsc *tsc, u64 host)
{
	if (!tsc->ratio)
		return host;
	return mul_u64_u64_shr(host, tsc->ratio, backend_caps.tsc_ratio_frac_bits);
}

/**
 * tsc_guest() - the guest's TSC at a moment
 * @vcpu: the vCPU
 * @host_tsc: the host's TSC at that moment
 *
 * Context: any.
 * Return: ticks
 */
u64 tsc_guest(struct vcpu *vcpu, u64 host_tsc)
{
	return tsc_scale(&vcpu->tsc, host_tsc) + vcpu->tsc.offset;
}
EXPORT_FOR_TEST(tsc_guest);

/**
 * tsc_read() - the guest's TSC now
 * @vcpu: the vCPU
 *
 * Context: any.
 * Return: ticks
 */
u64 tsc_read(struct vcpu *vcpu)
{
	return tsc_guest(vcpu, rdtsc());
}
EXPORT_FOR_TEST(tsc_read);

/**
 * tsc_host_deadline() - the host's TSC when the guest's reaches a value
 * @vcpu: the vCPU
 * @guest_tsc: the value
 *
 * Context: any.
 * Return: ticks of the host's TSC, at least 1; U64_MAX: hardly ever
 */
u64 tsc_host_deadline(struct vcpu *vcpu, u64 guest_tsc)
{
	u8 frac = backend_caps.tsc_ratio_frac_bits;
	u64 host = rdtsc(), now = tsc_guest(vcpu, host), ratio = vcpu->tsc.ratio;
	u64 left = guest_tsc > now ? guest_tsc - now : 0;

	if (ratio) {
		/* The quotient would have more than 64 bits, which divides by zero's exception. */
		if (left >> (64 - frac) >= ratio)
			return U64_MAX;
		left = mul_u64_u64_div_u64(left, BIT_ULL(frac), ratio);
	}
	return host + left < host ? U64_MAX : max(host + left, 1ull);
}
EXPORT_FOR_TEST(tsc_host_deadline);

static void tsc_set_offset(struct vcpu *vcpu, u64 offset)
{
	if (offset == vcpu->tsc.offset)
		return;
	vcpu->tsc.offset = offset;
	backend_set_tsc(vcpu);
	if (vcpu->apic)
		lapic_tsc_changed(vcpu);
	/* Every vCPU's clock page says whether they are in step. */
	if (READ_ONCE(vcpu->vm->clock.started))
		vcpu_request_all(vcpu->vm, REQ_CLOCK, false);
}

/* Is this write meant to put the vCPU in step with those written before? */
static bool tsc_joins(const struct vm_clock *clock, u32 khz, u64 val, u64 now_ns)
{
	u64 elapsed = now_ns - clock->tsc_ns;
	u64 expected;

	if (!clock->tsc_written || clock->tsc_khz != khz)
		return false;
	/* Zero is what a new vCPU gets: it always joins. */
	if (!val)
		return true;
	expected = clock->tsc_value + mul_u64_u64_div_u64(elapsed, khz, 1000000);
	return (val > expected ? val - expected : expected - val) < (u64)khz * 1000;
}

/* The vCPUs to come are kept in step with this one. tsc_sync_lock is held. */
static void tsc_sync_start(const struct vcpu *vcpu, u64 val, u64 offset)
{
	struct vm_clock *clock = &vcpu->vm->clock;

	clock->tsc_written = true;
	clock->tsc_khz = vcpu->tsc.khz;
	clock->tsc_value = val;
	clock->tsc_offset = offset;
	clock->tsc_ns = ktime_get_boottime_ns();
}

/* The offset for a value that user space writes. */
static u64 tsc_sync_offset(struct vcpu *vcpu, u64 val)
{
	struct vm_clock *clock = &vcpu->vm->clock;
	unsigned long flags;
	u64 offset;

	raw_spin_lock_irqsave(&tsc_sync_lock, flags);
	offset = val - tsc_scale(&vcpu->tsc, rdtsc());
	if (!check_tsc_unstable() &&
	    tsc_joins(clock, vcpu->tsc.khz, val, ktime_get_boottime_ns()))
		offset = clock->tsc_offset;
	else
		tsc_sync_start(vcpu, val, offset);
	raw_spin_unlock_irqrestore(&tsc_sync_lock, flags);
	return offset;
}

/**
 * tsc_write() - WRMSR or KVM_SET_MSRS of the TSC
 * @vcpu: the vCPU, loaded
 * @val: the new value, in ticks
 * @host: user space writes: vCPUs are kept in step; the guest moves its own alone, and the
 *	difference shows in TSC_ADJUST (SDM vol. 3B, 18.17.3)
 */
void tsc_write(struct vcpu *vcpu, u64 val, bool host)
{
	u64 delta;

	if (host) {
		tsc_set_offset(vcpu, tsc_sync_offset(vcpu, val));
		return;
	}
	delta = val - tsc_read(vcpu);
	vcpu->msrs.tsc_adjust += delta;
	tsc_set_offset(vcpu, vcpu->tsc.offset + delta);
}

/**
 * tsc_offset_set() - KVM_VCPU_TSC_OFFSET
 * @vcpu: the vCPU, loaded
 * @offset: guest TSC = scaled host TSC + @offset, in ticks; vCPUs made later join it
 */
void tsc_offset_set(struct vcpu *vcpu, u64 offset)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&tsc_sync_lock, flags);
	tsc_sync_start(vcpu, tsc_scale(&vcpu->tsc, rdtsc()) + offset, offset);
	raw_spin_unlock_irqrestore(&tsc_sync_lock, flags);
	tsc_set_offset(vcpu, offset);
}

/**
 * tsc_adjust_write() - WRMSR or KVM_SET_MSRS of TSC_ADJUST
 * @vcpu: the vCPU, loaded
 * @val: the new value, in ticks
 * @host: user space restores the register: the TSC is restored by itself and does not move
 */
void tsc_adjust_write(struct vcpu *vcpu, u64 val, bool host)
{
	if (!host)
		tsc_set_offset(vcpu, vcpu->tsc.offset + val - vcpu->msrs.tsc_adjust);
	vcpu->msrs.tsc_adjust = val;
}

/**
 * tsc_host_khz() - the frequency of the host's TSC
 *
 * Context: any.
 * Return: kHz, never 0: where the host could not measure it any fixed number will do
 */
u32 tsc_host_khz(void)
{
	return tsc_khz ?: 1000000;
}

static bool tsc_khz_near(u32 khz)
{
	u32 host = tsc_host_khz();
	u32 slack = (u64)host * TSC_TOLERANCE_PPM / 1000000;

	return khz >= host - slack && khz <= host + slack;
}

/* The scale for a frequency, 0: none; -EINVAL as tsc_set_khz() says. */
static int tsc_ratio(u32 khz, u64 *ratio)
{
	*ratio = 0;
	/* KVM_GET_TSC_KHZ has to return it, as an int. */
	if (khz > INT_MAX)
		return -EINVAL;
	if (tsc_khz_near(khz))
		return 0;
	if (!backend_caps.tsc_scaling)
		return -EINVAL;
	*ratio = mul_u64_u64_div_u64(BIT_ULL(backend_caps.tsc_ratio_frac_bits), khz,
				     tsc_host_khz());
	return *ratio && *ratio <= backend_caps.tsc_ratio_max ? 0 : -EINVAL;
}

/**
 * tsc_check_khz() - can vCPUs have this frequency?
 * @khz: virtual frequency in kHz; 0: the host's
 *
 * Return: 0; -EINVAL as tsc_set_khz() says
 */
int tsc_check_khz(u32 khz)
{
	u64 ratio;

	return khz ? tsc_ratio(khz, &ratio) : 0;
}

/**
 * tsc_set_khz() - KVM_SET_TSC_KHZ
 * @vcpu: the vCPU, loaded; its TSC goes on from where it is
 * @khz: virtual frequency in kHz; 0: the host's
 *
 * Return: 0; -EINVAL: it is not the host's (within 250 ppm) and the processor does not scale, it
 * is beyond the scale, or KVM_GET_TSC_KHZ could not tell it
 */
int tsc_set_khz(struct vcpu *vcpu, u32 khz)
{
	u64 ratio, now;
	int err;

	if (!khz)
		khz = tsc_host_khz();
	err = tsc_ratio(khz, &ratio);
	if (err)
		return err;
	now = rdtsc();
	vcpu->tsc.khz = khz;
	if (ratio == vcpu->tsc.ratio)
		return 0;
	vcpu->tsc.offset += tsc_scale(&vcpu->tsc, now);
	vcpu->tsc.ratio = ratio;
	vcpu->tsc.offset -= tsc_scale(&vcpu->tsc, now);
	backend_set_tsc(vcpu);
	vcpu_request(vcpu, REQ_CLOCK);
	if (vcpu->apic)
		lapic_tsc_changed(vcpu);
	return 0;
}

/**
 * tsc_vcpu_init() - the TSC of a new vCPU: 0 for the first of a VM, in step for the others
 * @vcpu: the vCPU, loaded
 */
void tsc_vcpu_init(struct vcpu *vcpu)
{
	if (tsc_set_khz(vcpu, READ_ONCE(vcpu->vm->default_tsc_khz)))
		tsc_set_khz(vcpu, 0);
	tsc_write(vcpu, 0, true);
	backend_set_tsc(vcpu);
}

/**
 * tsc_delta_to_ns() - a span of guest TSC ticks as time
 * @vcpu: the vCPU
 * @delta: ticks
 *
 * Context: any.
 * Return: nanoseconds, at most KTIME_MAX / 2
 */
u64 tsc_delta_to_ns(struct vcpu *vcpu, u64 delta)
{
	const u64 max = KTIME_MAX / 2;

	if (delta / vcpu->tsc.khz >= max / 1000000)
		return max;
	return mul_u64_u64_div_u64(delta, 1000000, vcpu->tsc.khz);
}
