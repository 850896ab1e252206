// SPDX-License-Identifier: GPL-2.0
/*
 * What one round trip costs. The guest reads its TSC around many round trips of a kind; on a host
 * whose TSC counts instructions (QEMU's -icount) the figure is host instructions, and the same from
 * run to run. Lines "bench: WHAT NUMBER"; nothing is judged here.
 */
#include <cpuid.h>
#include <errno.h>
#include <linux/kvm_para.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "vm.h"

#define SUITE "bench"

#define ENOUGH       (1ull << 22) /* ticks: rounds are doubled until they take that long */
#define USER_PORT    0x80
#define PIC_PORT     0x21
#define PIT_COUNTER  0x40
#define PIT_MODE     0x43
#define USER_MMIO    HOLE_BASE
#define TIMER_VECTOR 0x40
#define FRESH_GPA    0x100000000ull
#define FRESH_PAGES  16384 /* 32 huge ones: ticks and tables that are there already weigh little */

typedef void (*round_fn)(void);

/* ---- the guest's side ---- */

static inline __attribute__((always_inline)) void measure_from(u64 n, round_fn round)
{
	u64 i, start, ticks;

	for (i = 0; i < n / 4; i++)
		round();
	for (;; n *= 2) {
		start = rdtsc();
		for (i = 0; i < n; i++)
			round();
		ticks = rdtsc() - start;
		if (ticks > ENOUGH)
			break;
	}
	GUEST_SYNC2(1, ticks, n);
	GUEST_DONE();
}

static inline __attribute__((always_inline)) void measure(round_fn round)
{
	measure_from(64, round);
}

static void round_cpuid(void)
{
	u32 r[4];

	guest_cpuid(0, 0, r);
}

/* The processor's own: the other vendor's is an invalid opcode first. */
static void round_vmcall(void)
{
	u64 nr = ~0ull;

	asm volatile("vmcall" : "+a"(nr) : : "memory");
}

static void round_vmmcall(void)
{
	u64 nr = ~0ull;

	asm volatile("vmmcall" : "+a"(nr) : : "memory");
}

static void round_pic(void)
{
	inb(PIC_PORT);
}

static void round_user_port(void)
{
	inb(USER_PORT);
}

static void round_user_mmio(void)
{
	mmio_read32(USER_MMIO);
}

static void round_xapic_eoi(void)
{
	apic_write(APIC_EOI, 0);
}

static void round_x2apic_eoi(void)
{
	x2apic_write(APIC_EOI, 0);
}

static void round_rd_tsc_adjust(void)
{
	rdmsr(MSR_TSC_ADJUST);
}

static void round_wr_tsc_adjust(void)
{
	wrmsr(MSR_TSC_ADJUST, 0);
}

static void round_deadline(void)
{
	wrmsr(MSR_TSC_DEADLINE, rdtsc() - 1);
	sti_nop();
	cli();
}

static void round_self_ipi(void)
{
	x2apic_write(APIC_ICR, ICR_SELF | TIMER_VECTOR);
	sti_nop();
	cli();
}

static void round_self_ipi_hlt(void)
{
	x2apic_write(APIC_ICR, ICR_SELF | TIMER_VECTOR);
	sti_hlt_cli();
}

static GUEST_HANDLER void x2apic_eoi_irq(struct trap *t)
{
	(void)t;
	this_cpu()->irqs[TIMER_VECTOR]++;
	x2apic_write(APIC_EOI, 0);
}

/* ---- paravirtual, and what it stands for ---- */

#define OTHERS 8 /* vCPUs that are sent something at once */

static volatile u32 eoi_word;
static volatile u64 there, woken;
static struct kvm_steal_time steal __attribute__((aligned(64)));

static GUEST_HANDLER void pv_eoi_irq(struct trap *t)
{
	bool offered;

	(void)t;
	this_cpu()->irqs[TIMER_VECTOR]++;
	asm volatile("btrl $0, %0" : "+m"(eoi_word), "=@ccc"(offered) : : "memory");
	if (!offered)
		x2apic_write(APIC_EOI, 0);
}

static void bench_self_ipi_pv_eoi(void)
{
	cli();
	guest_on(TIMER_VECTOR, pv_eoi_irq);
	x2apic_enable();
	wrmsr(MSR_KVM_PV_EOI_EN, (u64)&eoi_word | KVM_MSR_ENABLED);
	measure(round_self_ipi);
}

static void round_ipis(void)
{
	u64 id;

	for (id = 1; id <= OTHERS; id++)
		x2apic_write(APIC_ICR, id << 32 | TIMER_VECTOR);
}

static void bench_ipis(void)
{
	x2apic_enable();
	measure(round_ipis);
}

static void round_pv_ipis(void)
{
	hypercall(KVM_HC_SEND_IPI, (1 << OTHERS) - 1, 0, 1, TIMER_VECTOR);
}

static void bench_pv_ipis(void)
{
	GASSERT_EQ(hypercall(KVM_HC_SEND_IPI, (1 << OTHERS) - 1, 0, 1, TIMER_VECTOR), OTHERS);
	measure(round_pv_ipis);
}

/* The one that sleeps: woken by interrupts, which flush its TLB, or by kicks. */
static GUEST_HANDLER void flush_irq(struct trap *t)
{
	(void)t;
	write_cr3(read_cr3());
	woken++;
	x2apic_write(APIC_EOI, 0);
}

static void guest_sleeper(void)
{
	guest_on(TIMER_VECTOR, flush_irq);
	x2apic_enable();
	there = 1;
	for (;;)
		sti_hlt();
}

static void guest_kicked(void)
{
	apic_enable();
	wrmsr(MSR_KVM_STEAL_TIME, (u64)&steal | KVM_MSR_ENABLED);
	there = 1;
	for (;;) {
		asm volatile("cli; hlt" : : : "memory");
		woken++;
	}
}

static void round_wake_ipi(void)
{
	u64 before = woken;

	x2apic_write(APIC_ICR, 1ull << 32 | TIMER_VECTOR);
	SPIN_UNTIL(woken != before);
}

static void round_wake_kick(void)
{
	u64 before = woken;

	hypercall(KVM_HC_KICK_CPU, 0, 1, 0, 0);
	SPIN_UNTIL(woken != before);
}

static void round_pv_flush(void)
{
	u8 state = steal.preempted;

	GASSERT(state & KVM_VCPU_PREEMPTED);
	__atomic_compare_exchange_n(&steal.preempted, &state, state | KVM_VCPU_FLUSH_TLB, false,
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static void bench_wake_ipi(void)
{
	x2apic_enable();
	SPIN_UNTIL(there);
	measure(round_wake_ipi);
}

static void bench_wake_kick(void)
{
	SPIN_UNTIL(there);
	measure(round_wake_kick);
}

static void bench_pv_flush(void)
{
	SPIN_UNTIL(*(volatile u8 *)&steal.preempted);
	measure(round_pv_flush);
}

/* A struct pvclock_vcpu_time_info: TSC and nanoseconds of a moment, and the factor. */
static volatile struct {
	u32 version, pad;
	u64 tsc, ns;
	u32 mul;
	signed char shift;
	u8 flags, pads[2];
} time_page __attribute__((aligned(32)));

static volatile u64 now;

static inline u64 scaled(u64 ticks, u32 mul)
{
	u64 low = (ticks & 0xffffffff) * mul, high = (ticks >> 32) * mul;

	return high + (low >> 32);
}

static void round_pvclock(void)
{
	u32 version;
	u64 delta;

	do {
		version = time_page.version;
		delta = rdtsc() - time_page.tsc;
		delta = time_page.shift < 0 ? delta >> -time_page.shift : delta << time_page.shift;
		now = time_page.ns + scaled(delta, time_page.mul);
	} while (version & 1 || version != time_page.version);
}

static void bench_pvclock(void)
{
	u64 before;

	wrmsr(MSR_KVM_SYSTEM_TIME_NEW, (u64)&time_page | KVM_MSR_ENABLED);
	round_pvclock();
	before = now;
	round_pvclock();
	GASSERT(before && now > before);
	measure(round_pvclock);
}

/* What counts where there is nothing better: the PIT's first counter, latched. */
static void round_pit(void)
{
	outb(PIT_MODE, 0);
	now = inb(PIT_COUNTER);
	now |= (u64)inb(PIT_COUNTER) << 8;
}

static void bench_self_ipi_hlt_steal(void)
{
	cli();
	guest_on(TIMER_VECTOR, x2apic_eoi_irq);
	x2apic_enable();
	wrmsr(MSR_KVM_STEAL_TIME, (u64)&steal | KVM_MSR_ENABLED);
	measure(round_self_ipi_hlt);
}

/* Two that wait for each other's turn, by turns, on one processor. */
static volatile u64 turn;

static void yield_nothing(u64 to)
{
	(void)to;
	pause_cpu();
}

static void yield_to(u64 to)
{
	hypercall(KVM_HC_SCHED_YIELD, to, 0, 0, 0);
}

static inline __attribute__((always_inline)) void other_turns(void (*yield)(u64))
{
	there = 1;
	for (;;) {
		while (turn != 1)
			yield(0);
		turn = 0;
	}
}

static inline __attribute__((always_inline)) void turn_over(void (*yield)(u64))
{
	turn = 1;
	while (turn)
		yield(1);
}

static void guest_turns_spin(void)
{
	other_turns(yield_nothing);
}

static void guest_turns_yield(void)
{
	other_turns(yield_to);
}

static void round_turns_spin(void)
{
	turn_over(yield_nothing);
}

static void round_turns_yield(void)
{
	turn_over(yield_to);
}

static void bench_turns_spin(void)
{
	SPIN_UNTIL(there);
	/* Each takes what the scheduler gives at a time. */
	measure_from(8, round_turns_spin);
}

static void bench_turns_yield(void)
{
	SPIN_UNTIL(there);
	measure_from(8, round_turns_yield);
}

/* Long enough that it has not come before the vCPU halts, too short to sleep for. */
#define SOON 50000

static void round_soon(void)
{
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + SOON);
	sti_hlt_cli();
}

static void bench_soon(u64 poll)
{
	cli();
	guest_on(TIMER_VECTOR, x2apic_eoi_irq);
	x2apic_enable();
	x2apic_write(APIC_LVTT, LVT_DEADLINE | TIMER_VECTOR);
	wrmsr(MSR_KVM_POLL_CONTROL, poll);
	measure(round_soon);
}

#define GUEST(name)                    \
	static void bench_##name(void) \
	{                              \
		measure(round_##name); \
	}

#define GUEST_X2APIC(name)                                                             \
	static void bench_##name(void)                                                 \
	{                                                                              \
		u32 before;                                                            \
                                                                                       \
		cli();                                                                 \
		guest_on(TIMER_VECTOR, x2apic_eoi_irq);                                \
		x2apic_enable();                                                       \
		x2apic_write(APIC_LVTT, LVT_DEADLINE | TIMER_VECTOR);                  \
		before = this_cpu()->irqs[TIMER_VECTOR];                               \
		round_##name();                                                        \
		/* The figure would be worth nothing if the interrupt did not come. */ \
		if (round_##name != round_x2apic_eoi)                                  \
			GASSERT_EQ(this_cpu()->irqs[TIMER_VECTOR], before + 1);        \
		measure(round_##name);                                                 \
	}

GUEST(cpuid)
GUEST(vmcall)
GUEST(vmmcall)
GUEST(pic)
GUEST(pit)
GUEST(user_port)
GUEST(user_mmio)
GUEST(xapic_eoi)
GUEST(rd_tsc_adjust)
GUEST(wr_tsc_adjust)
GUEST_X2APIC(x2apic_eoi)
GUEST_X2APIC(deadline)
GUEST_X2APIC(self_ipi)
GUEST_X2APIC(self_ipi_hlt)

static void guest_touch(u64 step)
{
	u64 gva = FRESH_GPA, end = FRESH_GPA + FRESH_PAGES * 4096ull, start = rdtsc();

	for (; gva < end; gva += step)
		*(volatile u64 *)gva = 1;
	GUEST_SYNC2(1, rdtsc() - start, (end - FRESH_GPA) / step);
	GUEST_DONE();
}

/* ---- the host's side ---- */

/* Serve what the guest asks of user space with as little as possible, until the ucall. */
static void serve(struct vcpu *v)
{
	do {
		if (vcpu_run(v) && errno != EINTR)
			FAIL("KVM_RUN: errno %d", errno);
	} while (!vcpu_take_ucall(v));
}

static void report(struct vcpu *v, const char *what)
{
	serve(v);
	if (v->uc.kind != UCALL_SYNC)
		FAIL("the guest's assertion failed: %s:%u", v->uc.file ?: "?", v->uc.line);
	printf("bench: %-44s %.0f\n", what, (double)v->uc.args[1] / v->uc.args[2]);
	fflush(stdout);
}

static void bench(const char *what, void *fn)
{
	struct vcpu *v = vcpu_new(vm_create(VM_IRQCHIP), 0, fn, 0);

	report(v, what);
}

#define BENCH(name, what)                  \
	CASE(name, .timeout = 120)         \
	{                                  \
		bench(what, bench_##name); \
	}

BENCH(cpuid, "CPUID")

CASE(hypercall, .timeout = 120)
{
	u32 eax, ebx, ecx, edx;

	__cpuid(0, eax, ebx, ecx, edx);
	bench("hypercall", ecx == signature_INTEL_ecx ? bench_vmcall : bench_vmmcall);
}

BENCH(pic, "port read served in the kernel")
BENCH(user_port, "port read served by user space")
BENCH(user_mmio, "MMIO read served by user space")
BENCH(xapic_eoi, "local APIC EOI, xAPIC")
BENCH(x2apic_eoi, "local APIC EOI, x2APIC")
BENCH(rd_tsc_adjust, "RDMSR TSC_ADJUST")
BENCH(wr_tsc_adjust, "WRMSR TSC_ADJUST")
BENCH(deadline, "timer interrupt, TSC deadline expired")
BENCH(self_ipi, "self IPI, then STI; NOP")
BENCH(self_ipi_hlt, "self IPI, then STI; HLT")

BENCH(self_ipi_pv_eoi, "self IPI, then STI; NOP, PV EOI")

BENCH(self_ipi_hlt_steal, "self IPI, then STI; HLT, steal time")

CASE(pit, .timeout = 120)
{
	report(vcpu_new(vm_create(VM_IRQCHIP | VM_PIT), 0, bench_pit, 0), "the time, by the PIT");
}

BENCH(pvclock, "the time, by kvmclock")

static void bench_polled(const char *what, u64 poll)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_HALT_POLL, .args[0] = 4 * SOON };
	struct vm *vm = vm_create(VM_IRQCHIP);

	OK(ioctl(vm->fd, KVM_ENABLE_CAP, &cap));
	report(vcpu_new(vm, 0, bench_soon, poll), what);
}

CASE(soon_polled, .timeout = 120)
{
	bench_polled("HLT for 50,000, the host polls", 1);
}

CASE(soon_slept, .timeout = 120)
{
	bench_polled("HLT for 50,000, by poll control it does not", 0);
}

/* Others are there, and take interrupts, but do not run. */
static void bench_to_others(const char *what, void *fn)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *v = vcpu_new(vm, 0, fn, 0);
	struct kvm_lapic_state s;
	u32 i;

	for (i = 1; i <= OTHERS; i++) {
		struct vcpu *other = vcpu_add(vm, i);

		OK(ioctl(other->fd, KVM_GET_LAPIC, &s));
		*(u32 *)&s.regs[APIC_SPIV] = 0x1ff;
		OK(ioctl(other->fd, KVM_SET_LAPIC, &s));
	}
	report(v, what);
}

CASE(ipis, .timeout = 120)
{
	bench_to_others("8 IPIs, one by one", bench_ipis);
}

CASE(pv_ipis, .timeout = 120)
{
	bench_to_others("8 IPIs, by hypercall", bench_pv_ipis);
}

static void bench_sleeper(const char *what, void *fn, void *sleeper)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *v = vcpu_new(vm, 0, fn, 0);

	vcpu_spawn(vcpu_new(vm, 1, sleeper, 0));
	report(v, what);
}

CASE(wake_ipi, .timeout = 120)
{
	bench_sleeper("flush the TLB of a sleeping vCPU, by IPI", bench_wake_ipi, guest_sleeper);
}

CASE(pv_flush, .timeout = 120)
{
	if (test_is_oracle())
		SKIP("in-tree KVM does not mark a vCPU that halts");
	bench_sleeper("flush the TLB of a sleeping vCPU, by note", bench_pv_flush, guest_kicked);
}

CASE(turns_spin, .timeout = 120)
{
	bench_sleeper("turn over and back, spinning", bench_turns_spin, guest_turns_spin);
}

CASE(turns_yield, .timeout = 120)
{
	bench_sleeper("turn over and back, by yield", bench_turns_yield, guest_turns_yield);
}

CASE(wake_kick, .timeout = 120)
{
	bench_sleeper("wake a vCPU from HLT, by kick", bench_wake_kick, guest_kicked);
}

/* Memory that the guest is the first to touch (populate: after the host). */
static void bench_touch(const char *what, u64 step, int advice, bool populate)
{
	const u64 size = FRESH_PAGES * 4096ull, huge = 2ull << 20;
	struct vm *vm = vm_create(VM_IRQCHIP);
	u64 gva;
	u8 *mem = mmap(NULL, size + huge, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (mem == MAP_FAILED)
		FAIL("mmap: errno %d", errno);
	mem = (u8 *)(((u64)mem + huge - 1) & ~(huge - 1));
	if (madvise(mem, size, advice))
		SKIP("the host has no huge pages");
	if (populate)
		memset(mem, 1, size);
	if (vm_slot(vm, 1, 0, FRESH_GPA, size, mem))
		FAIL("KVM_SET_USER_MEMORY_REGION: errno %d", errno);
	for (gva = FRESH_GPA; gva < FRESH_GPA + size; gva += 4096)
		vm_map(vm, gva, gva, PTE_P | PTE_W);
	report(vcpu_new(vm, 0, guest_touch, step), what);
}

CASE(fresh_4k, .timeout = 120)
{
	bench_touch("page fault on fresh memory, 4K", 4096, MADV_NOHUGEPAGE, false);
}

CASE(fresh_2m, .timeout = 120)
{
	bench_touch("page fault on fresh memory, 2M", 2 << 20, MADV_HUGEPAGE, false);
}

CASE(present_4k, .timeout = 120)
{
	bench_touch("page fault on memory the host has, 4K", 4096, MADV_NOHUGEPAGE, true);
}
