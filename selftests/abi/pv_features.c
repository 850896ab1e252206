// SPDX-License-Identifier: GPL-2.0
/*
 * Paravirtual features by which a guest saves exits: IPIs, kicks, TLB flushes, polling, and
 * the hypercalls beside them. virt/kvm/x86/{msr,hypercalls,cpuid}.rst.
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "pv_features.h"

#define VEC 0x60

/* What a guest is told by CPUID. */
CASE(offered)
{
	static const u8 features[] = {
		KVM_FEATURE_CLOCKSOURCE,
		KVM_FEATURE_NOP_IO_DELAY,
		KVM_FEATURE_CLOCKSOURCE2,
		KVM_FEATURE_ASYNC_PF,
		KVM_FEATURE_STEAL_TIME,
		KVM_FEATURE_PV_EOI,
		KVM_FEATURE_PV_UNHALT,
		KVM_FEATURE_PV_TLB_FLUSH,
		KVM_FEATURE_PV_SEND_IPI,
		KVM_FEATURE_POLL_CONTROL,
		KVM_FEATURE_PV_SCHED_YIELD,
		KVM_FEATURE_ASYNC_PF_INT,
		KVM_FEATURE_CLOCKSOURCE_STABLE_BIT,
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(features); i++)
		need_feature(features[i]);
	/* No nested guests; and this one user space has to serve. */
	if (!test_is_oracle())
		CHECK(!(cpuid_entry(supported_cpuid(), KVM_CPUID_FEATURES, 0)->eax &
			(BIT(KVM_FEATURE_ASYNC_PF_VMEXIT) | BIT(KVM_FEATURE_HC_MAP_GPA_RANGE))));
}

/* ---- MSRs ---- */

static const struct {
	u32 msr;
	u64 good, bad;
} msrs[] = {
	{ MSR_KVM_STEAL_TIME, SHARED_BASE | 1, SHARED_BASE | 3 },
	{ MSR_KVM_PV_EOI_EN, (SHARED_BASE + 64) | 1, SHARED_BASE | 3 },
	{ MSR_KVM_POLL_CONTROL, 0, 2 },
	{ MSR_KVM_ASYNC_PF_INT, VEC, 0x100 },
	{ MSR_KVM_ASYNC_PF_EN, (SHARED_BASE + 128) | 9, (SHARED_BASE + 128) | 0x19 },
};

static void guest_msrs(void)
{
	u32 i;

	GASSERT_EQ(rdmsr(MSR_KVM_POLL_CONTROL), 1);
	for (i = 0; i < ARRAY_SIZE(msrs); i++) {
		wrmsr(msrs[i].msr, msrs[i].good);
		wrmsr_try(msrs[i].msr, msrs[i].bad);
		GASSERT_TRAP(GP_VECTOR, 0);
		GASSERT_EQ(rdmsr(msrs[i].msr), msrs[i].good);
	}
	GUEST_DONE();
}

static bool listed(u32 msr)
{
	struct kvm_msr_list *l = msr_list(KVM_GET_MSR_INDEX_LIST);
	u32 i;

	for (i = 0; i < l->nmsrs; i++)
		if (l->indices[i] == msr)
			return true;
	return false;
}

/* They are listed and checked; another vCPU takes them over before it has memory there. */
CASE(msrs)
{
	struct vcpu *v = vcpu_new(vm_create(VM_IRQCHIP), 0, guest_msrs, 0), *other;
	u32 i;

	run_done(v);
	other = vcpu_add(vm_create(VM_IRQCHIP), 0);
	for (i = 0; i < ARRAY_SIZE(msrs); i++) {
		CHECK(listed(msrs[i].msr));
		CHECK_EQ(get_msr(v, msrs[i].msr), msrs[i].good);
		CHECK_EQ(set_msr(other, msrs[i].msr, msrs[i].bad), 0);
		CHECK_EQ(set_msr(other, msrs[i].msr, get_msr(v, msrs[i].msr)), 1);
		CHECK_EQ(get_msr(other, msrs[i].msr), msrs[i].good);
	}
}

/* A processor that starts anew must not write where the one before had its pages. */
static void guest_init_other(void)
{
	apic_enable();
	apic_icr(1, ICR_INIT | ICR_ASSERT);
	GUEST_DONE();
}

CASE(init_switches_off)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *bsp = vcpu_new(vm, 0, guest_init_other, 0);
	struct vcpu *ap = vcpu_new(vm, 1, guest_msrs, 0);
	struct kvm_mp_state mp;

	run_done(ap);
	run_done(bsp);
	OK(ioctl(ap->fd, KVM_GET_MP_STATE, &mp));
	CHECK_EQ(mp.mp_state, KVM_MP_STATE_INIT_RECEIVED);
	CHECK_EQ(get_msr(ap, MSR_KVM_STEAL_TIME), 0);
	CHECK_EQ(get_msr(ap, MSR_KVM_PV_EOI_EN), 0);
}

/* ---- PV IPI ---- */

#define FAR_ID 65 /* of a vCPU that never runs: the upper word's second bit */

static volatile u64 ready, quit, nmis;

static GUEST_HANDLER void on_nmi(struct trap *t)
{
	(void)t;
	asm volatile("lock incq %0" : "+m"(nmis) : : "memory");
}

static volatile u64 got;

static GUEST_HANDLER void on_ipi(struct trap *t)
{
	(void)t;
	asm volatile("lock incq %0" : "+m"(got) : : "memory");
	x2apic_write(APIC_EOI, 0);
}

static void guest_ipi_target(void)
{
	guest_on(VEC, on_ipi);
	guest_on(NMI_VECTOR, on_nmi);
	x2apic_enable();
	sti();
	asm volatile("lock incq %0" : "+m"(ready) : : "memory");
	SPIN_UNTIL(quit);
	GUEST_DONE();
}

static void guest_ipi_sender(void)
{
	SPIN_UNTIL(ready == 2);
	GASSERT_EQ(hypercall(KVM_HC_SEND_IPI, 1, 0, 1000, VEC), 0);
	GASSERT_EQ(hypercall(KVM_HC_SEND_IPI, 3, 0, 0, VEC), 2);
	SPIN_UNTIL(got == 2);
	GASSERT_EQ(hypercall(KVM_HC_SEND_IPI, 2, 2, 0, VEC), 2);
	SPIN_UNTIL(got == 3);
	GASSERT_EQ(hypercall(KVM_HC_SEND_IPI, 3, 0, 0, ICR_NMI), 2);
	SPIN_UNTIL(nmis == 2);
	/* Nobody there, and nothing that can be sent so. */
	GASSERT_EQ(hypercall(KVM_HC_SEND_IPI, ~0ull, ~0ull, 1000, VEC), 0);
	GASSERT_EQ(hypercall(KVM_HC_SEND_IPI, 0, 0, 0, VEC), 0);
	GASSERT_EQ(hypercall(KVM_HC_SEND_IPI, 2, 0, 0, ICR_ALL | VEC), (u64)-KVM_EINVAL);
	GASSERT_EQ(hypercall(KVM_HC_SEND_IPI, 2, 0, 0, ICR_LOGICAL | VEC), (u64)-KVM_EINVAL);
	GASSERT_EQ(got, 3);
	quit = 1;
	GUEST_DONE();
}

/* Interrupts are for APICs that software has switched on, which here the host does. */
static void enable_apic(struct vcpu *v)
{
	struct kvm_lapic_state s;

	OK(ioctl(v->fd, KVM_GET_LAPIC, &s));
	*(u32 *)&s.regs[APIC_SPIV] = 0x1ff;
	OK(ioctl(v->fd, KVM_SET_LAPIC, &s));
}

CASE(ipi)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct kvm_lapic_state s;
	struct vcpu *v[3], *far;
	u32 i;

	need_feature(KVM_FEATURE_PV_SEND_IPI);
	v[0] = vcpu_new(vm, 0, guest_ipi_target, 0);
	v[1] = vcpu_new(vm, 1, guest_ipi_target, 0);
	v[2] = vcpu_new(vm, 2, guest_ipi_sender, 0);
	far = vcpu_add(vm, FAR_ID);
	enable_apic(far);
	for (i = 0; i < 3; i++)
		vcpu_spawn(v[i]);
	for (i = 0; i < 3; i++)
		vcpu_join(v[i]);
	OK(ioctl(far->fd, KVM_GET_LAPIC, &s));
	CHECK_EQ(*(u32 *)&s.regs[APIC_IRR + 0x30], BIT(VEC % 32));
	if (!test_is_oracle())
		CHECK(stat(v[2], "pv_ipi") >= 3);
}

/* Outside of 64-bit code a bitmap has two halves of 32: here of ids 0 to 31, and 32 to 63. */
BLOB(ipi_32, 32,
     "mov $10, %eax\n xor %ebx, %ebx\n mov $2, %ecx\n xor %edx, %edx\n"
     "mov $0x60, %esi\n vmmcall\n out %eax, $0x80\n 1: jmp 1b");

CASE(ipi_32)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *v = vcpu_add(vm, 0), *far = vcpu_add(vm, 33);
	struct kvm_lapic_state s;

	enable_apic(far);
	load_blob(vm, REAL_BASE, ipi_32);
	vcpu_set_mode(v, VCPU_PROT32, REAL_BASE);
	vcpu_run_exit(v, KVM_EXIT_IO);
	CHECK_EQ(*(u32 *)((u8 *)v->run + v->run->io.data_offset), 1);
	OK(ioctl(far->fd, KVM_GET_LAPIC, &s));
	CHECK_EQ(*(u32 *)&s.regs[APIC_IRR + 0x30], BIT(VEC % 32));
}

/* ---- kicks ---- */

static volatile u64 asleep, awake;

static void guest_sleeper(void)
{
	cli();
	apic_enable();
	ready = 1;
	/* One that came first counts for the next HLT. */
	SPIN_UNTIL(ready == 2);
	asm volatile("hlt" : : : "memory");
	awake = 1;
	asleep = 1;
	asm volatile("hlt" : : : "memory");
	awake = 2;
	GUEST_DONE();
}

static void guest_kicker(void)
{
	SPIN_UNTIL(ready == 1);
	GASSERT_EQ(hypercall(KVM_HC_KICK_CPU, 0, 1, 0, 0), 0);
	ready = 2;
	SPIN_UNTIL(asleep);
	GASSERT_EQ(awake, 1);
	GUEST_SYNC(1);
	GASSERT_EQ(awake, 1);
	/* Nobody has this identifier. */
	GASSERT_EQ(hypercall(KVM_HC_KICK_CPU, 0, 77, 0, 0), 0);
	GASSERT_EQ(hypercall(KVM_HC_KICK_CPU, 0, 1, 0, 0), 0);
	SPIN_UNTIL(awake == 2);
	GUEST_DONE();
}

/* Keep this thread, and those that it starts, on one processor. */
static void stay_here(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	CHECK_EQ(pthread_setaffinity_np(pthread_self(), sizeof(one), &one), 0);
}

static u32 mp_state(struct vcpu *v)
{
	struct kvm_mp_state mp;

	OK(ioctl(v->fd, KVM_GET_MP_STATE, &mp));
	return mp.mp_state;
}

/* Whether the sleeper was lent the processor; it was woken in any case. */
static bool kick_lends(void)
{
	static const struct sched_param none;
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *kicker = vcpu_new(vm, 0, guest_kicker, 0);
	struct vcpu *sleeper = vcpu_new(vm, 1, guest_sleeper, 0);
	u64 lent;

	vcpu_spawn(sleeper);
	CHECK_EQ(pthread_setschedparam(sleeper->thread, SCHED_BATCH, &none), 0);
	run_sync(kicker, 1);
	lent = stat(kicker, "pv_yield");
	CHECK(eventually(host_sleeps(sleeper->tid)));
	run_done(kicker);
	vcpu_join(sleeper);
	CHECK_STAT(kicker, "pv_kick", 2);
	lent = stat(kicker, "pv_yield") - lent;
	CHECK(lent <= 1);
	return lent || test_is_oracle();
}

/*
 * Both on one processor, which the sleeper does not get by waking up (sched(7)): it is lent it. A
 * host that can be preempted in the middle of that, and is, may give it before.
 */
CASE(kick)
{
	u32 tries;

	need_feature(KVM_FEATURE_PV_UNHALT);
	stay_here();
	for (tries = 0; tries < 20; tries++)
		if (kick_lends())
			return;
	FAIL("who is kicked is never lent the processor");
}

static void guest_kick_once(void)
{
	hypercall(KVM_HC_KICK_CPU, 0, 1, 0, 0);
	GUEST_DONE();
}

/* A kick is part of the state that user space can take with it. */
CASE(kick_is_state)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *kicker = vcpu_new(vm, 0, guest_kick_once, 0);
	struct vcpu *sleeper = vcpu_new(vm, 1, guest_kick_once, 0);
	struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_HALTED };

	enable_apic(sleeper);
	OK(ioctl(sleeper->fd, KVM_SET_MP_STATE, &mp));
	CHECK_EQ(mp_state(sleeper), KVM_MP_STATE_HALTED);
	run_done(kicker);
	CHECK_EQ(mp_state(sleeper), KVM_MP_STATE_RUNNABLE);
}

/* ---- PV TLB flush ---- */

#define FLUSH_GVA (HOLE_BASE + 0x200000)

static struct kvm_steal_time steal __attribute__((aligned(64)));
static volatile u64 has_looked;

static void guest_flushed(void)
{
	volatile u64 *p = (u64 *)FLUSH_GVA;

	cli();
	wrmsr(MSR_KVM_STEAL_TIME, (u64)&steal | KVM_MSR_ENABLED);
	GASSERT_EQ(*p, 1);
	GASSERT_EQ(*(volatile u8 *)&steal.preempted, 0);
	has_looked = 1;
	asm volatile("hlt" : : : "memory");
	GASSERT_EQ(*p, 2);
	GASSERT_EQ(*(volatile u8 *)&steal.preempted, 0);
	GUEST_DONE();
}

/* Another vCPU: what it wants flushed there waits until the one that sleeps comes back. */
static void guest_flusher(u64 pte)
{
	u8 state = KVM_VCPU_PREEMPTED;

	*(volatile u64 *)pte = (*(u64 *)pte & ~PTE_ADDR) | (FREE_BASE + PAGE_SIZE);
	GASSERT(__atomic_compare_exchange_n(&steal.preempted, &state, state | KVM_VCPU_FLUSH_TLB,
					    false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
	hypercall(KVM_HC_KICK_CPU, 0, 1, 0, 0);
	GUEST_DONE();
}

/* On a busy host it may be away for a moment before it has looked, or before it halts. */
static bool is_asleep(struct vcpu *v)
{
	return G(v->vm, has_looked) && host_sleeps(v->tid);
}

static bool is_marked(struct vm *vm)
{
	return *(volatile u8 *)&G(vm, steal).preempted == KVM_VCPU_PREEMPTED;
}

CASE(tlb_flush, .oracle = "in-tree KVM does not mark a vCPU that halts")
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *flusher = vcpu_new(vm, 0, NULL, 0);
	struct vcpu *sleeper = vcpu_new(vm, 1, guest_flushed, 0);

	need_feature(KVM_FEATURE_PV_TLB_FLUSH);
	*(u64 *)gpa_hva(vm, FREE_BASE) = 1;
	*(u64 *)gpa_hva(vm, FREE_BASE + PAGE_SIZE) = 2;
	vm_map(vm, FLUSH_GVA, FREE_BASE, PTE_P | PTE_W);
	vcpu_call(flusher, guest_flusher, (u64)((u8 *)vm_pte(vm, FLUSH_GVA) - vm->ram));
	vcpu_spawn(sleeper);
	CHECK(eventually(is_asleep(sleeper)));
	/* On its way to sleep. In-tree KVM would be waited for in vain. */
	CHECK(eventually(is_marked(vm) || test_is_oracle()));
	CHECK(is_marked(vm));
	run_done(flusher);
	vcpu_join(sleeper);
	CHECK_STAT(sleeper, "pv_tlb_flush", 1);
}

static void guest_tells_steal(void)
{
	wrmsr(MSR_KVM_STEAL_TIME, (u64)&steal | KVM_MSR_ENABLED);
	for (;;)
		GUEST_SYNC2(1, *(volatile u64 *)&steal.steal, 0);
}

static void *run_to_sync(void *vcpu)
{
	struct vcpu *v = vcpu;

	run_sync(v, 1);
	return NULL;
}

/* Others have to wait for it. */
static void *hog(void *end)
{
	SPIN_UNTIL(*(volatile bool *)end);
	return NULL;
}

/* What one thread waited for is not compared with what another did. */
CASE(steal_of_threads, .oracle = "in-tree KVM takes the difference of two threads' run delays")
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_tells_steal, 0);
	bool end = false;
	u64 before = 0;
	pthread_t t, h;
	u32 i;

	need_feature(KVM_FEATURE_STEAL_TIME);
	stay_here();
	CHECK_EQ(pthread_create(&h, NULL, hog, &end), 0);
	for (i = 0; i < 100; i++) {
		CHECK_EQ(pthread_create(&t, NULL, run_to_sync, v), 0);
		CHECK_EQ(pthread_join(t, NULL), 0);
		CHECK(v->uc.args[1] >= before);
		before = v->uc.args[1];
		/* The next one may have this one's memory. */
		host_sleep_ms(20);
	}
	*(volatile bool *)&end = true;
	CHECK_EQ(pthread_join(h, NULL), 0);
}

static void on_signal(int sig)
{
	(void)sig;
}

/* A signal has the sleeper's client run it once more: what waits for it goes on waiting. */
CASE(tlb_flush_signal, .oracle = "in-tree KVM does not mark a vCPU that halts")
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *kicker = vcpu_new(vm, 0, guest_kick_once, 0);
	struct vcpu *sleeper = vcpu_new(vm, 1, guest_flushed, 0);
	volatile u8 *preempted = &G(vm, steal).preempted;

	need_feature(KVM_FEATURE_PV_TLB_FLUSH);
	signal(SIGUSR1, on_signal);
	*(u64 *)gpa_hva(vm, FREE_BASE) = 1;
	*(u64 *)gpa_hva(vm, FREE_BASE + PAGE_SIZE) = 2;
	vm_map(vm, FLUSH_GVA, FREE_BASE, PTE_P | PTE_W);
	vcpu_spawn(sleeper);
	CHECK(eventually(is_asleep(sleeper)));
	CHECK(eventually(is_marked(vm) || test_is_oracle()));
	CHECK(is_marked(vm));
	vm_map(vm, FLUSH_GVA, FREE_BASE + PAGE_SIZE, PTE_P | PTE_W);
	*preempted |= KVM_VCPU_FLUSH_TLB;
	/* One that comes where KVM_RUN is about to be called again ends nothing. */
	while (!stat(sleeper, "signal_exits")) {
		CHECK_EQ(pthread_kill(sleeper->thread, SIGUSR1), 0);
		host_sleep_ms(1);
	}
	CHECK(eventually(host_sleeps(sleeper->tid)));
	CHECK_EQ(*preempted, KVM_VCPU_PREEMPTED | KVM_VCPU_FLUSH_TLB);
	run_done(kicker);
	vcpu_join(sleeper);
	CHECK_STAT(sleeper, "pv_tlb_flush", 1);
}

/* ---- poll control ---- */

#define NAPS 15

static GUEST_HANDLER void on_timer(struct trap *t)
{
	(void)t;
	this_cpu()->irqs[VEC]++;
	apic_write(APIC_EOI, 0);
}

static u64 nap = 10000000; /* ns */

static void guest_halts(u64 poll)
{
	u32 i;

	guest_on(VEC, on_timer);
	apic_enable();
	wrmsr(MSR_KVM_POLL_CONTROL, poll);
	apic_write(APIC_TDCR, 0xb);
	apic_write(APIC_LVTT, VEC | LVT_PERIODIC);
	apic_write(APIC_TMICT, nap);
	for (i = 0; i < NAPS; i++) {
		u32 before = this_cpu()->irqs[VEC];

		while (this_cpu()->irqs[VEC] == before) {
			cli();
			if (this_cpu()->irqs[VEC] == before)
				sti_hlt();
			sti();
		}
	}
	apic_write(APIC_TMICT, 0);
	GUEST_DONE();
}

static u64 polls(struct vcpu *v, u64 poll)
{
	u64 before, after;

	vcpu_stat(v, "halt_attempted_poll", &before);
	vcpu_call(v, guest_halts, poll);
	run_done(v);
	vcpu_stat(v, "halt_attempted_poll", &after);
	return after - before;
}

/* Where a slow host is late for the next timer before the HLT there is nothing to poll for. */
static void check_polls(struct vcpu *v)
{
	while (!polls(v, 1)) {
		G(v->vm, nap) *= 2;
		CHECK(G(v->vm, nap) < 1000000000);
	}
}

CASE(poll_control)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_HALT_POLL, .args[0] = 1000000000 };
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *v = vcpu_new(vm, 0, NULL, 0);

	need_feature(KVM_FEATURE_POLL_CONTROL);
	OK(ioctl(vm->fd, KVM_ENABLE_CAP, &cap));
	check_polls(v);
	CHECK_EQ(polls(v, 0), 0);
	check_polls(v);
}

/* ---- hypercalls for user space ---- */

#define RANGE (FREE_BASE + 5 * PAGE_SIZE)

static u64 map_range(u64 gpa, u64 pages)
{
	return hypercall(KVM_HC_MAP_GPA_RANGE, gpa, pages, KVM_MAP_GPA_RANGE_ENCRYPTED, ~0ull);
}

static void guest_map_range(void)
{
	GASSERT_EQ(map_range(RANGE, 7), (u64)-KVM_ENOSYS);
	GUEST_SYNC(1);
	GASSERT_EQ(map_range(RANGE, 7), 0x123456789abcdef0);
	GASSERT_EQ(map_range(RANGE + 8, 7), (u64)-KVM_EINVAL);
	GASSERT_EQ(map_range(RANGE, 0), (u64)-KVM_EINVAL);
	GASSERT_EQ(map_range(RANGE, ~0ull), (u64)-KVM_EINVAL);
	GUEST_DONE();
}

CASE(map_gpa_range)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_EXIT_HYPERCALL };
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_map_range, 0);

	CHECK_EQ(dev_cap(KVM_CAP_EXIT_HYPERCALL), BIT(KVM_HC_MAP_GPA_RANGE));
	run_sync(v, 1);
	cap.args[0] = BIT(KVM_HC_MAP_GPA_RANGE) | BIT(KVM_HC_KICK_CPU);
	CHECK_ERRNO(ioctl(vm->fd, KVM_ENABLE_CAP, &cap), EINVAL);
	cap.args[0] = BIT(KVM_HC_MAP_GPA_RANGE);
	OK(ioctl(vm->fd, KVM_ENABLE_CAP, &cap));
	vcpu_run_exit(v, KVM_EXIT_HYPERCALL);
	CHECK_EQ(v->run->hypercall.nr, KVM_HC_MAP_GPA_RANGE);
	CHECK_EQ(v->run->hypercall.args[0], RANGE);
	CHECK_EQ(v->run->hypercall.args[1], 7);
	CHECK_EQ(v->run->hypercall.args[2], KVM_MAP_GPA_RANGE_ENCRYPTED);
	CHECK_EQ(v->run->hypercall.longmode, 1);
	v->run->hypercall.ret = 0x123456789abcdef0;
	run_done(v);
}

/* ---- clock pairing ---- */

static struct kvm_clock_pairing pairing;

static void guest_pairing(void)
{
	u64 before = rdtsc();

	pairing.flags = 99;
	GASSERT_EQ(hypercall(KVM_HC_CLOCK_PAIRING, (u64)&pairing, 0, 0, 0), 0);
	GASSERT(pairing.tsc >= before && pairing.tsc <= rdtsc());
	GASSERT_EQ(pairing.flags, 0);
	GUEST_SYNC2(1, pairing.sec, pairing.nsec);
	GASSERT_EQ(hypercall(KVM_HC_CLOCK_PAIRING, (u64)&pairing, 1, 0, 0), (u64)-KVM_EOPNOTSUPP);
	GASSERT_EQ(hypercall(KVM_HC_CLOCK_PAIRING, HOLE_BASE, 0, 0, 0), (u64)-KVM_EFAULT);
	GUEST_DONE();
}

static void need_tsc_clock(void)
{
	FILE *f = fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource", "r");
	char name[32] = "";

	if (!f || !fgets(name, sizeof(name), f) || strcmp(name, "tsc\n"))
		SKIP("the host keeps time by %s", name);
	fclose(f);
}

static u64 real_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

CASE(clock_pairing)
{
	struct vcpu *v = vcpu_new(vm_create(VM_IRQCHIP), 0, guest_pairing, 0);
	u64 before, real;

	need_tsc_clock();
	before = real_ns();
	run_sync(v, 1);
	real = v->uc.args[1] * 1000000000ull + v->uc.args[2];
	CHECK(real >= before && real <= real_ns());
	run_done(v);
	CHECK_STAT(v, "pv_clock_pairing", 1);
}
