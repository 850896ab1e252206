// SPDX-License-Identifier: GPL-2.0
/* The guest's time: TSC, TSC_ADJUST, clocks. api.rst, KVM_SET_TSC_KHZ, KVM_SET_CLOCK. */
#include <string.h>
#include <time.h>
#include "vm.h"

#define SUITE "tsc"

#define MSR_WALL_CLOCK_NEW  0x4b564d00
#define MSR_SYSTEM_TIME_NEW 0x4b564d01

static void guest_nop(void)
{
	GUEST_DONE();
}

static void guest_read(void)
{
	for (;;)
		GUEST_SYNC2(0, rdtsc(), rdmsr(MSR_TSC_ADJUST));
}

static u64 guest_tsc(struct vcpu *v)
{
	run_sync(v, 0);
	return v->uc.args[1];
}

/* Below this many ticks two readings count as the same moment: an hour, and less than a move. */
#define NEAR BIT(44)
/* Likewise in nanoseconds. */
#define NEAR_NS 3600000000000ull

CASE(set_by_host)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_read, 0);
	u64 a = guest_tsc(v), b = guest_tsc(v), base = 1ull << 50;

	CHECK(b > a);
	CHECK_EQ(set_msr(v, MSR_TSC, base), 1);
	a = guest_tsc(v);
	CHECK(a >= base && a < base + NEAR);
	b = get_msr(v, MSR_TSC);
	CHECK(b >= a && b < a + NEAR);
	/* User space moves the offset, not the guest's adjustment. */
	CHECK_EQ(v->uc.args[2], 0);
}

static void guest_adjust(void)
{
	u64 a, b, base = 1ull << 50;

	GASSERT_EQ(rdmsr(MSR_TSC_ADJUST), 0);
	a = rdtsc();
	wrmsr(MSR_TSC_ADJUST, base);
	b = rdtsc();
	GASSERT(b >= a + base && b < a + base + NEAR);
	GASSERT_EQ(rdmsr(MSR_TSC_ADJUST), base);
	/* A write to the TSC is a change of the adjustment (SDM vol. 3B, 18.17.3). */
	wrmsr(MSR_TSC, a);
	b = rdtsc();
	GASSERT(b >= a && b < a + NEAR);
	GASSERT(rdmsr(MSR_TSC_ADJUST) <= 0 + NEAR || rdmsr(MSR_TSC_ADJUST) >= -NEAR);
	GUEST_SYNC(0);
	b = rdtsc();
	GASSERT(b >= a && b < a + NEAR);
	GUEST_DONE();
}

CASE(adjust_by_guest)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_adjust, 0);

	run_sync(v, 0);
	CHECK(get_msr(v, MSR_TSC_ADJUST) + NEAR < 2 * NEAR);
	run_done(v);
}

CASE(khz)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_nop, 0);
	long khz = ioctl(v->fd, KVM_GET_TSC_KHZ, 0);

	need_cap(KVM_CAP_GET_TSC_KHZ);
	CHECK(khz > 1000);
	if (dev_cap(KVM_CAP_TSC_CONTROL) > 0) {
		OK(ioctl(v->fd, KVM_SET_TSC_KHZ, khz / 2));
		CHECK_EQ(ioctl(v->fd, KVM_GET_TSC_KHZ, 0), khz / 2);
	} else {
		OK(ioctl(v->fd, KVM_SET_TSC_KHZ, khz));
		CHECK_EQ(ioctl(v->fd, KVM_GET_TSC_KHZ, 0), khz);
	}
	run_done(v);
}

/* What was read can be set, before there are vCPUs and after; 0 is the host's. */
CASE(khz_as_read)
{
	struct vm *vm = vm_create(0);
	long khz = OK(ioctl(vm->fd, KVM_GET_TSC_KHZ, 0));
	struct vcpu *v;

	OK(ioctl(vm->fd, KVM_SET_TSC_KHZ, 0));
	CHECK_EQ(ioctl(vm->fd, KVM_GET_TSC_KHZ, 0), khz);
	OK(ioctl(vm->fd, KVM_SET_TSC_KHZ, khz));
	CHECK_EQ(ioctl(vm->fd, KVM_GET_TSC_KHZ, 0), khz);
	v = vcpu_new(vm, 0, guest_nop, 0);
	CHECK_EQ(ioctl(v->fd, KVM_GET_TSC_KHZ, 0), khz);
	OK(ioctl(v->fd, KVM_SET_TSC_KHZ, khz));
	CHECK_EQ(ioctl(v->fd, KVM_GET_TSC_KHZ, 0), khz);
	run_done(v);
}

/* Without scaling a guest's TSC cannot run slower than its host's. */
CASE(khz_too_slow)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_nop, 0);
	long khz = ioctl(v->fd, KVM_GET_TSC_KHZ, 0);

	if (dev_cap(KVM_CAP_TSC_CONTROL) > 0)
		SKIP("this host scales the TSC");
	CHECK_EQ(ioctl(v->fd, KVM_SET_TSC_KHZ, khz / 2), -1);
	run_done(v);
}

/* Between two looks of a guest at its TSC as many ticks pass as the ratio says. */
#define SPAN BIT(24) /* of the host's: long against an exit */

static void check_rate(struct vcpu *v, u64 khz, u64 num, u64 den)
{
	u64 outer, inner, guest, begin;

	OK(ioctl(v->fd, KVM_SET_TSC_KHZ, khz * num / den));
	outer = rdtsc();
	guest = guest_tsc(v);
	inner = rdtsc();
	for (begin = rdtsc(); rdtsc() - begin < SPAN;)
		;
	inner = rdtsc() - inner;
	guest = guest_tsc(v) - guest;
	outer = rdtsc() - outer;
	/* A frequency in whole kHz is not exact. */
	CHECK(guest >= inner * num / den * 999 / 1000);
	CHECK(guest <= outer * num / den * 1001 / 1000);
}

CASE(scaled)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_read, 0);
	long khz = ioctl(v->fd, KVM_GET_TSC_KHZ, 0);
	u64 tsc, msr;

	if (dev_cap(KVM_CAP_TSC_CONTROL) <= 0)
		SKIP("the processor does not scale the TSC");
	check_rate(v, khz, 1, 4);
	check_rate(v, khz, 3, 1);
	check_rate(v, khz, 2, 3);
	/* User space reads the same clock. */
	tsc = guest_tsc(v);
	msr = get_msr(v, MSR_TSC);
	CHECK(msr >= tsc && guest_tsc(v) >= msr);
	check_rate(v, khz, 1, 1);
}

/* vCPUs of one VM see one TSC: what one reads the other has not yet passed. */
static volatile u64 latest;

static void guest_monotonic(u64 rounds)
{
	u64 last = 0, i;

	for (i = 0; i < rounds; i++) {
		u64 seen = latest, now;

		asm volatile("lfence");
		now = rdtsc();
		GASSERT(now >= seen);
		GASSERT(now >= last);
		last = now;
		latest = now;
		if (i % 512 == 0)
			GUEST_SYNC(0);
	}
	GUEST_DONE();
}

static void *sync_loop(void *arg)
{
	while (vcpu_run_ucall((struct vcpu *)arg) != UCALL_DONE)
		;
	return NULL;
}

CASE(monotonic_between_vcpus)
{
	struct vm *vm = vm_create(0);
	struct vcpu *a = vcpu_new(vm, 0, guest_monotonic, 20000);
	struct vcpu *b = vcpu_new(vm, 1, guest_monotonic, 20000);
	pthread_t ta, tb;

	CHECK_EQ(pthread_create(&ta, NULL, sync_loop, a), 0);
	CHECK_EQ(pthread_create(&tb, NULL, sync_loop, b), 0);
	pthread_join(ta, NULL);
	pthread_join(tb, NULL);
}

CASE(clock)
{
	struct vm *vm = vm_create(0);
	struct kvm_clock_data a, b;

	need_cap(KVM_CAP_ADJUST_CLOCK);
	memset(&a, 0, sizeof(a));
	OK(ioctl(vm->fd, KVM_GET_CLOCK, &a));
	host_sleep_ms(20);
	OK(ioctl(vm->fd, KVM_GET_CLOCK, &b));
	CHECK(b.clock >= a.clock + 15000000);
	memset(&a, 0, sizeof(a));
	a.clock = 1ull << 45;
	OK(ioctl(vm->fd, KVM_SET_CLOCK, &a));
	OK(ioctl(vm->fd, KVM_GET_CLOCK, &b));
	CHECK(b.clock >= a.clock && b.clock < a.clock + NEAR_NS);
	a.flags = 1u << 20;
	CHECK_ERRNO(ioctl(vm->fd, KVM_SET_CLOCK, &a), EINVAL);
}

/* The structure that a paravirtual clock shares (Documentation/virt/kvm/x86/msr.rst). */
struct pvclock {
	u32 version, pad0;
	u64 tsc_timestamp, system_time;
	u32 tsc_to_system_mul;
	signed char tsc_shift;
	u8 flags, pad[2];
} __attribute__((packed));

static struct pvclock clock_page __attribute__((aligned(4096)));

static u64 read_pvclock(void)
{
	volatile struct pvclock *p = &clock_page;
	u64 delta, ns;
	u32 version;

	do {
		version = p->version & ~1u;
		delta = rdtsc() - p->tsc_timestamp;
		if (p->tsc_shift >= 0)
			delta <<= p->tsc_shift;
		else
			delta >>= -p->tsc_shift;
		ns = p->system_time + (delta >> 32) * p->tsc_to_system_mul +
		     ((delta & 0xffffffff) * p->tsc_to_system_mul >> 32);
	} while (p->version != version);
	return ns;
}

static void guest_pvclock(void)
{
	u64 last, i;

	wrmsr(MSR_SYSTEM_TIME_NEW, (u64)&clock_page | 1);
	GUEST_SYNC(0);
	GASSERT(clock_page.version && !(clock_page.version & 1));
	last = read_pvclock();
	for (i = 0; i < 1000; i++) {
		u64 now = read_pvclock();

		GASSERT(now >= last);
		last = now;
	}
	GUEST_SYNC2(1, read_pvclock(), 0);
	GUEST_SYNC2(2, read_pvclock(), 0);
	GUEST_DONE();
}

static bool has_kvmclock(void)
{
	struct kvm_cpuid_entry2 *e = cpuid_entry(supported_cpuid(), 0x40000001, 0);

	return e && e->eax & BIT(3);
}

CASE(pvclock)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_pvclock, 0);
	struct kvm_clock_data c;
	u64 first;

	if (!has_kvmclock())
		SKIP("no paravirtual clock is offered");
	CHECK_ERRNO(ioctl(v->fd, KVM_KVMCLOCK_CTRL, 0), EINVAL);
	run_sync(v, 0);
	OK(ioctl(v->fd, KVM_KVMCLOCK_CTRL, 0));
	run_sync(v, 1);
	first = v->uc.args[1];
	memset(&c, 0, sizeof(c));
	OK(ioctl(v->vm->fd, KVM_GET_CLOCK, &c));
	CHECK(c.clock + 100000000 > first && first + NEAR_NS > c.clock);
	host_sleep_ms(30);
	run_sync(v, 2);
	CHECK(v->uc.args[1] >= first + 25000000);
	run_done(v);
}

CASE(kvmclock_ctrl_without_clock)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_nop, 0);

	CHECK_ERRNO(ioctl(v->fd, KVM_KVMCLOCK_CTRL, 0), EINVAL);
	run_done(v);
}

struct wall_clock {
	u32 version, sec, nsec;
};

static volatile struct wall_clock wall __attribute__((aligned(64)));

static void guest_wall_clock(void)
{
	wrmsr(MSR_WALL_CLOCK_NEW, (u64)&wall);
	GASSERT(!(wall.version & 1));
	GUEST_SYNC2(0, wall.sec, wall.nsec);
	GUEST_DONE();
}

/* The wall clock at the moment when the VM's clock was zero. */
CASE(wall_clock)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_wall_clock, 0);
	u64 now = time(NULL);

	if (!has_kvmclock())
		SKIP("no paravirtual clock is offered");
	run_sync(v, 0);
	CHECK(v->uc.args[1] + 3600 > now && v->uc.args[1] <= now + 1);
	CHECK(v->uc.args[2] < 1000000000);
	run_done(v);
}

static void guest_rdtscp(void)
{
	u32 r[4], lo, hi, aux;
	u64 a, b;

	guest_cpuid(0x80000001, 0, r);
	if (r[3] & BIT(27)) {
		a = rdtsc();
		asm volatile("rdtscp" : "=a"(lo), "=d"(hi), "=c"(aux));
		b = lo | (u64)hi << 32;
		GASSERT(b >= a && b - a < NEAR);
		GASSERT(rdmsr(MSR_TSC) - b < NEAR);
	}
	GUEST_DONE();
}

CASE(rdtscp)
{
	run_done(vcpu_new(vm_create(0), 0, guest_rdtscp, 0));
}

CASE(offset_attribute)
{
	struct kvm_device_attr attr = { .group = 0, .attr = 0 };
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_read, 0);
	u64 offset = 0, a;

	if (dev_cap(KVM_CAP_VCPU_ATTRIBUTES) <= 0)
		SKIP("no vCPU attributes");
	attr.addr = (u64)&offset;
	if (ioctl(v->fd, KVM_HAS_DEVICE_ATTR, &attr))
		SKIP("no KVM_VCPU_TSC_OFFSET");
	a = guest_tsc(v);
	OK(ioctl(v->fd, KVM_GET_DEVICE_ATTR, &attr));
	offset += 1ull << 50;
	OK(ioctl(v->fd, KVM_SET_DEVICE_ATTR, &attr));
	CHECK(guest_tsc(v) - a - (1ull << 50) < NEAR);
}
