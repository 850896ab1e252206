// SPDX-License-Identifier: GPL-2.0
/* Paravirtual features beside the clock (tsc.c): virt/kvm/x86/{msr,hypercalls,cpuid}.rst. */
#include <string.h>
#include "vm.h"

#define SUITE "pv"

#define MSR_STEAL_TIME      0x4b564d03
#define MSR_SYSTEM_TIME_NEW 0x4b564d01
#define HC_KICK_CPU         5
#define HC_SEND_IPI         10
#define HC_SCHED_YIELD      11
#define STOPPED             2 /* of the time page's flags */

static struct {
	volatile u64 steal;
	volatile u32 version, flags;
	u8 rest[48];
} steal __attribute__((aligned(64)));

static void need_feature(u32 bit)
{
	struct kvm_cpuid_entry2 *e = cpuid_entry(supported_cpuid(), 0x40000001, 0);

	if (!e || !(e->eax & BIT(bit)))
		SKIP("feature %u is not offered", bit);
}

static void guest_steal(void)
{
	u64 before;

	wrmsr_try(MSR_STEAL_TIME, (u64)&steal | 2 | 1);
	GASSERT_TRAP(13, 0);
	wrmsr(MSR_STEAL_TIME, (u64)&steal | 1);
	GASSERT_EQ(rdmsr(MSR_STEAL_TIME), (u64)&steal | 1);
	GUEST_SYNC(0);
	before = steal.steal;
	GUEST_SYNC(1);
	GASSERT(steal.version && !(steal.version & 1));
	GUEST_SYNC2(2, steal.steal - before, 0);
	GUEST_DONE();
}

static volatile int stop;

static void *hog(void *arg)
{
	while (!stop)
		;
	return arg;
}

/* Another thread keeps the only processor we may use busy: that time is stolen. */
CASE(steal_time)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_steal, 0);
	long long until;
	pthread_t t;
	cpu_set_t one;
	int i;

	need_feature(5);
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	CHECK_EQ(pthread_setaffinity_np(pthread_self(), sizeof(one), &one), 0);
	run_sync(v, 0);
	run_sync(v, 1);
	CHECK_EQ(pthread_create(&t, NULL, hog, NULL), 0);
	/* So often, too, as the time may pass without either of them. */
	until = host_now_ms() + 200;
	for (i = 0; i < 20 || host_now_ms() < until; i++)
		sched_yield();
	stop = 1;
	pthread_join(t, NULL);
	run_sync(v, 2);
	CHECK(v->uc.args[1] > 10000000 && v->uc.args[1] < 3600000000000ull);
	run_done(v);
}

static void guest_enforced(void)
{
	u32 msr;

	rdmsr_try(MSR_STEAL_TIME);
	GASSERT_TRAP(13, 0);
	wrmsr_try(MSR_SYSTEM_TIME_NEW, 0);
	GASSERT_TRAP(13, 0);
	/* ASYNC_PF_EN, PV_EOI_EN, POLL_CONTROL, ASYNC_PF_INT, ASYNC_PF_ACK. */
	for (msr = 0x4b564d02; msr <= 0x4b564d07; msr++) {
		rdmsr_try(msr);
		GASSERT_TRAP(13, 0);
		wrmsr_try(msr, 0);
		GASSERT_TRAP(13, 0);
	}
	GASSERT_EQ(hypercall(HC_SCHED_YIELD, 0, 0, 0, 0), (u64)-1000);
	GASSERT_EQ(hypercall(HC_KICK_CPU, 0, 0, 0, 0), (u64)-1000);
	GASSERT_EQ(hypercall(HC_SEND_IPI, 0, 0, 0, 0x60), (u64)-1000);
	GUEST_DONE();
}

static void guest_not_enforced(void)
{
	rdmsr(MSR_STEAL_TIME);
	wrmsr(MSR_SYSTEM_TIME_NEW, 0);
	GASSERT_EQ(hypercall(HC_SCHED_YIELD, 0, 0, 0, 0), 0);
	GASSERT_EQ(hypercall(HC_SCHED_YIELD, 77, 0, 0, 0), 0);
	GUEST_DONE();
}

static struct vcpu *without_features(void *fn, bool enforce)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_ENFORCE_PV_FEATURE_CPUID,
				      .args = { enforce } };
	struct kvm_cpuid2 *c = supported_cpuid();
	struct vcpu *v;

	need_cap(KVM_CAP_ENFORCE_PV_FEATURE_CPUID);
	v = vcpu_new(vm_create(0), 0, fn, 0);
	cpuid_entry(c, 0x40000001, 0)->eax = 0;
	OK(ioctl(v->fd, KVM_SET_CPUID2, c));
	OK(ioctl(v->fd, KVM_ENABLE_CAP, &cap));
	return v;
}

CASE(enforced)
{
	run_done(without_features(guest_enforced, true));
}

CASE(not_enforced)
{
	run_done(without_features(guest_not_enforced, false));
}

/* A struct pvclock_vcpu_time_info; flags is its byte 29. */
static u8 time_page[32] __attribute__((aligned(32)));

static void guest_stopped(void)
{
	volatile u8 *flags = &time_page[29];

	wrmsr(MSR_SYSTEM_TIME_NEW, (u64)&time_page | 1);
	GASSERT(!(*flags & STOPPED));
	GUEST_SYNC(0);
	GASSERT(*flags & STOPPED);
	*flags &= (u8)~STOPPED;
	GUEST_SYNC(1);
	GASSERT(!(*flags & STOPPED));
	GUEST_DONE();
}

CASE(kvmclock_ctrl)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_stopped, 0);
	struct kvm_clock_data c;

	need_cap(KVM_CAP_KVMCLOCK_CTRL);
	run_sync(v, 0);
	OK(ioctl(v->fd, KVM_KVMCLOCK_CTRL, 0));
	run_sync(v, 1);
	/* Another update does not bring it back. */
	memset(&c, 0, sizeof(c));
	OK(ioctl(v->vm->fd, KVM_SET_CLOCK, &c));
	run_done(v);
}
