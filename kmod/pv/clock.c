// SPDX-License-Identifier: GPL-2.0
/*
 * The VM's clock: KVM_GET/SET_CLOCK, and the pages from which a guest computes it by its TSC
 * (virt/kvm/x86/msr.rst, MSR_KVM_SYSTEM_TIME_NEW).
 *
 * The clock counts from one moment (struct vm_clock, base_*). While the host's TSC is stable it is
 * computed from the TSC everywhere, here and in every vCPU, with the same numbers: then no two
 * readings disagree, and the guest is told so by the stable bit. Else each page is made of its own
 * moment, anew on each processor.
 */
#include <linux/ktime.h>
#include <linux/spinlock.h>
#include <linux/timekeeping.h>
#include <asm/pvclock.h>
#include <asm/tsc.h>
#include <uapi/linux/kvm_para.h>

#include "../backend.h"
#include "../cpu/cpu.h"

static DEFINE_SPINLOCK(clock_lock);	/* vm->clock.base_*, .started */

/* From ticks to ns: (ticks << shift) * mul >> 32, or >> -shift; the top bit of mul is set. */
static void clock_scale(u32 khz, u32 *mul, s8 *shift)
{
	u64 ns = 1000000, ticks = khz;
	int s = 0;

	for (; ns >= ticks; s++)
		ticks <<= 1;
	for (; ns << 1 < ticks; s--)
		ns <<= 1;
	*mul = div64_u64(ns << 32, ticks);
	*shift = s;
}

static u64 clock_at(const struct vm_clock *clock, u64 tsc)
{
	u32 mul;
	s8 shift;

	if (check_tsc_unstable())
		return clock->base_ns + ktime_get_boottime_ns() - clock->base_boot;
	clock_scale(tsc_host_khz(), &mul, &shift);
	return clock->base_ns + pvclock_scale_delta(tsc - clock->base_tsc, mul, shift);
}

static void clock_rebase(struct vm_clock *clock, u64 ns)
{
	clock->base_tsc = rdtsc_ordered();
	clock->base_boot = ktime_get_boottime_ns();
	clock->base_ns = ns;
}

/**
 * clock_init() - the clock of a new VM starts at 0
 * @vm: the VM
 */
void clock_init(struct vmm *vm)
{
	clock_rebase(&vm->clock, 0);
}

/**
 * clock_get() - KVM_GET_CLOCK
 * @vm: the VM; vm->lock is held
 * @data: filled: clock in ns; with a stable TSC also the host's TSC and real time of that moment
 *
 * Return: 0
 */
int clock_get(struct vmm *vm, struct kvm_clock_data *data)
{
	unsigned long flags;

	memset(data, 0, sizeof(*data));
	spin_lock_irqsave(&clock_lock, flags);
	data->host_tsc = rdtsc_ordered();
	data->clock = clock_at(&vm->clock, data->host_tsc);
	data->realtime = ktime_get_real_ns();
	spin_unlock_irqrestore(&clock_lock, flags);
	data->flags = KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC | KVM_CLOCK_TSC_STABLE;
	if (!check_tsc_unstable())
		return 0;
	data->flags = KVM_CLOCK_REALTIME;
	data->host_tsc = 0;
	return 0;
}

/**
 * clock_set() - KVM_SET_CLOCK
 * @vm: the VM; vm->lock is held
 * @data: clock in ns; with KVM_CLOCK_REALTIME the time since then is added
 *
 * Return: 0; -EINVAL: unknown flags
 */
int clock_set(struct vmm *vm, const struct kvm_clock_data *data)
{
	const u32 known = KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC | KVM_CLOCK_TSC_STABLE;
	u64 clock = data->clock, real;
	unsigned long flags;

	if (data->flags & ~known)
		return -EINVAL;
	spin_lock_irqsave(&clock_lock, flags);
	if (data->flags & KVM_CLOCK_REALTIME) {
		real = ktime_get_real_ns();
		/* The guest's clock does not go backwards because the host's real time did. */
		if (real > data->realtime)
			clock += real - data->realtime;
	}
	clock_rebase(&vm->clock, clock);
	spin_unlock_irqrestore(&clock_lock, flags);
	vcpu_request_all(vm, REQ_CLOCK, false);
	return 0;
}

/* One page may speak for all vCPUs: the host's TSC is stable, and theirs do not differ. */
static bool clock_in_step(struct vcpu *vcpu)
{
	struct vcpu *other;
	unsigned long i;

	if (check_tsc_unstable())
		return false;
	KVM_VCPUS_FOR_EACH(i, other, vcpu->vm)
		if (READ_ONCE(other->tsc.offset) != vcpu->tsc.offset ||
		    READ_ONCE(other->tsc.ratio) != vcpu->tsc.ratio)
			return false;
	return true;
}

/* The moment that the next page is made of: the host's TSC, and the clock then. */
static void clock_moment(struct vm_clock *clock, u64 *tsc, u64 *ns)
{
	unsigned long flags;

	spin_lock_irqsave(&clock_lock, flags);
	*tsc = clock->base_tsc;
	*ns = clock->base_ns;
	if (check_tsc_unstable()) {
		*tsc = rdtsc_ordered();
		*ns = clock_at(clock, *tsc);
	}
	spin_unlock_irqrestore(&clock_lock, flags);
}

static gpa_t clock_gpa(const struct vcpu *vcpu)
{
	return vcpu->pv.system_time & ~(u64)KVM_MSR_ENABLED;
}

/**
 * clock_update() - REQ_CLOCK: write the vCPU's time page
 * @vcpu: the vCPU
 */
void clock_update(struct vcpu *vcpu)
{
	struct pvclock_vcpu_time_info old, info = { .version = vcpu->pv.clock_version + 1 };
	u64 tsc, ns;

	if (!(vcpu->pv.system_time & KVM_MSR_ENABLED) ||
	    memory_read(vcpu->vm, clock_gpa(vcpu), &old, sizeof(old)))
		return;
	clock_moment(&vcpu->vm->clock, &tsc, &ns);
	info.tsc_timestamp = tsc_guest(vcpu, tsc);
	info.system_time = ns;
	clock_scale(vcpu->tsc.ratio ? vcpu->tsc.khz : tsc_host_khz(), &info.tsc_to_system_mul,
		    &info.tsc_shift);
	/* The guest takes the note that it was stopped; until then it stays. */
	info.flags = old.flags & PVCLOCK_GUEST_STOPPED;
	if (vcpu->pv.stopped)
		info.flags |= PVCLOCK_GUEST_STOPPED;
	if (clock_in_step(vcpu))
		info.flags |= PVCLOCK_TSC_STABLE_BIT;
	vcpu->pv.stopped = false;
	/* An odd version first, an even one last (pvclock-abi.h). */
	memory_write(vcpu, clock_gpa(vcpu), &info.version, sizeof(info.version));
	memory_write(vcpu, clock_gpa(vcpu), &info, sizeof(info));
	vcpu->pv.clock_version = ++info.version;
	memory_write(vcpu, clock_gpa(vcpu), &info.version, sizeof(info.version));
}

/**
 * clock_page_set() - the guest says where its time page is
 * @vcpu: the vCPU
 * @val: address and enable bit
 */
void clock_page_set(struct vcpu *vcpu, u64 val)
{
	struct vm_clock *clock = &vcpu->vm->clock;
	unsigned long flags;

	vcpu->pv.system_time = val;
	spin_lock_irqsave(&clock_lock, flags);
	/* Once, before any page is there: the guest's TSC may have begun after the base. */
	if ((val & KVM_MSR_ENABLED) && !clock->started) {
		clock_rebase(clock, clock_at(clock, rdtsc_ordered()));
		clock->started = true;
	}
	spin_unlock_irqrestore(&clock_lock, flags);
	/* The others' pages, too, say whether all are in step. */
	vcpu_request_all(vcpu->vm, REQ_CLOCK, false);
}

/**
 * clock_wall_write() - tell the guest the real time at which its clock was zero
 * @vcpu: the vCPU
 * @gpa: where its struct pvclock_wall_clock is
 */
void clock_wall_write(struct vcpu *vcpu, gpa_t gpa)
{
	struct pvclock_wall_clock wall;
	struct kvm_clock_data now;
	u32 nsec;

	if (memory_read(vcpu->vm, gpa, &wall.version, sizeof(wall.version)))
		return;
	wall.version = (wall.version | 1) + 2;
	memory_write(vcpu, gpa, &wall.version, sizeof(wall.version));
	clock_get(vcpu->vm, &now);
	wall.sec = div_u64_rem(now.realtime - now.clock, NSEC_PER_SEC, &nsec);
	wall.nsec = nsec;
	memory_write(vcpu, gpa, &wall, sizeof(wall));
	wall.version++;
	memory_write(vcpu, gpa, &wall.version, sizeof(wall.version));
}

/**
 * clock_pairing() - KVM_HC_CLOCK_PAIRING: the host's real time and the guest's TSC of one moment
 * @vcpu: the vCPU
 * @gpa: where its struct kvm_clock_pairing is
 * @type: KVM_CLOCK_PAIRING_WALLCLOCK
 *
 * The host keeps time by its TSC if what it counts lies between two readings of it.
 *
 * Return: 0; -KVM_EOPNOTSUPP: another type, or the host keeps time by another clock; -KVM_EFAULT
 */
long clock_pairing(struct vcpu *vcpu, gpa_t gpa, u64 type)
{
	struct kvm_clock_pairing pairing = {};
	struct system_time_snapshot now;
	struct timespec64 real;
	u64 before, after;

	if (type != KVM_CLOCK_PAIRING_WALLCLOCK)
		return -KVM_EOPNOTSUPP;
	before = rdtsc_ordered();
	ktime_get_snapshot(&now);
	after = rdtsc_ordered();
	if (now.cycles < before || now.cycles > after)
		return -KVM_EOPNOTSUPP;
	real = ktime_to_timespec64(now.real);
	pairing.sec = real.tv_sec;
	pairing.nsec = real.tv_nsec;
	pairing.tsc = tsc_guest(vcpu, now.cycles);
	if (memory_write(vcpu, gpa, &pairing, sizeof(pairing)))
		return -KVM_EFAULT;
	vcpu->stats.pv_clock_pairing++;
	return 0;
}

/**
 * clock_stopped() - KVM_KVMCLOCK_CTRL: the guest shall know that it was paused
 * @vcpu: the vCPU
 *
 * Return: 0; -EINVAL: the guest has no time page
 */
int clock_stopped(struct vcpu *vcpu)
{
	if (!(vcpu->pv.system_time & KVM_MSR_ENABLED))
		return -EINVAL;
	vcpu->pv.stopped = true;
	vcpu_request(vcpu, REQ_CLOCK);
	return 0;
}
