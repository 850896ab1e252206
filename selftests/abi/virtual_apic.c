// SPDX-License-Identifier: GPL-2.0
/*
 * An APIC that the processor serves by itself (SDM vol. 3C, 30), and its timer in the processor
 * (25.5.1): seen by the exits that are not there. vmm.ko's parameters say whether it should be so.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "vm.h"

#define SUITE "virtual_apic"

#define VEC        0x60
#define ROUNDS     100
#define SHIFT      16 /* of a TSC deadline, in ticks: long against an exit */
#define HALT_SHIFT 23 /* it must not come between STI and HLT: TCG forgets the shadow at VMRUN */

static volatile u32 *irqs(void)
{
	return this_cpu()->irqs;
}

static bool parameter_is(const char *path, char value)
{
	char c = 0;
	int fd;

	if (test_is_oracle())
		return false;
	fd = open(path, O_RDONLY);
	if (fd < 0)
		FAIL("%s: errno %d", path, errno);
	CHECK_EQ(read(fd, &c, 1), 1);
	close(fd);
	return c == value;
}

static bool is_intel(void)
{
	u32 r[4];

	guest_cpuid(0, 0, r);
	return r[2] == 0x6c65746e;
}

static void need_virtual_apic(void)
{
	if (!is_intel() || !parameter_is("/sys/module/vmm/parameters/virtual_apic", '1'))
		SKIP("vmm.ko is not loaded with virtual_apic=1");
}

static void need_timer(void)
{
	if (!is_intel() || !parameter_is("/sys/module/vmm/parameters/preemption_timer", 'Y'))
		SKIP("no preemption timer");
}

static u64 stat_of(struct vcpu *v, const char *name)
{
	u64 val = 0;

	CHECK(vcpu_stat(v, name, &val));
	return val;
}

static struct vcpu *start(void *fn)
{
	struct vcpu *v = vcpu_add(vm_create(VM_IRQCHIP), 0);

	vcpu_cpuid(v);
	vcpu_call(v, fn, 0);
	return v;
}

/* ---- registers without exits ---- */

static GUEST_HANDLER void count_x2(struct trap *t)
{
	irqs()[t->vector & 0xff]++;
	x2apic_write(APIC_EOI, 0);
}

static GUEST_HANDLER void count_x1(struct trap *t)
{
	irqs()[t->vector & 0xff]++;
	apic_write(APIC_EOI, 0);
}

static void guest_x2(void)
{
	u32 i;

	guest_on(VEC, count_x2);
	x2apic_enable();
	sti();
	GUEST_SYNC(0);
	for (i = 1; i <= ROUNDS; i++) {
		x2apic_write(APIC_TPR, 0x70);
		x2apic_write(APIC_SELF_IPI, VEC);
		asm volatile("nop");
		GASSERT_EQ(irqs()[VEC], i - 1);
		GASSERT_EQ(x2apic_read(APIC_IRR + 16 * (VEC / 32)), 1u << VEC % 32);
		x2apic_write(APIC_TPR, 0);
		asm volatile("nop");
		GASSERT_EQ(irqs()[VEC], i);
		GASSERT_EQ(x2apic_read(APIC_PPR), 0);
		GASSERT_EQ(x2apic_read(APIC_ID), 0);
		GASSERT_EQ(x2apic_read(APIC_ISR + 16 * (VEC / 32)), 0);
	}
	GUEST_SYNC(1);
	GUEST_DONE();
}

static void guest_x1(void)
{
	u32 i;

	guest_on(VEC, count_x1);
	apic_enable();
	/* The page is mapped by the first access. */
	apic_read(APIC_TPR);
	sti();
	GUEST_SYNC(0);
	for (i = 1; i <= ROUNDS; i++) {
		apic_write(APIC_TPR, 0x70);
		apic_write(APIC_ICR, ICR_SELF | VEC);
		asm volatile("nop");
		GASSERT_EQ(irqs()[VEC], i - 1);
		GASSERT_EQ(apic_read(APIC_IRR + 16 * (VEC / 32)), 1u << VEC % 32);
		apic_write(APIC_TPR, 0);
		asm volatile("nop");
		GASSERT_EQ(irqs()[VEC], i);
		GASSERT_EQ(apic_read(APIC_ID), 0);
		GASSERT_EQ(apic_read(APIC_ISR + 16 * (VEC / 32)), 0);
	}
	GUEST_SYNC(1);
	GUEST_DONE();
}

/* Exits between the two syncs that the host's own interrupts did not cause. */
static void few_exits(void *fn)
{
	struct vcpu *v = start(fn);
	u64 exits, host;

	run_sync(v, 0);
	exits = stat_of(v, "exits");
	host = stat_of(v, "irq_exits");
	run_sync(v, 1);
	exits = stat_of(v, "exits") - exits - (stat_of(v, "irq_exits") - host);
	/* A first touch of a page here and there. */
	if (exits > ROUNDS / 10)
		FAIL("%llu exits in %u rounds", exits, ROUNDS);
	run_done(v);
}

CASE(x2apic_without_exits)
{
	need_virtual_apic();
	few_exits(guest_x2);
}

CASE(xapic_without_exits)
{
	need_virtual_apic();
	few_exits(guest_x1);
}

/* ---- what the processor leaves to us ---- */

static void guest_bad_x2(void)
{
	x2apic_enable();
	wrmsr_try(0x80b, 1); /* EOI */
	GASSERT_TRAP(GP_VECTOR, 0);
	wrmsr_try(0x808, 0x100); /* TPR */
	GASSERT_TRAP(GP_VECTOR, 0);
	wrmsr_try(0x83f, 0x100); /* SELF IPI */
	GASSERT_TRAP(GP_VECTOR, 0);
	wrmsr_try(0x803, 0); /* version */
	GASSERT_TRAP(GP_VECTOR, 0);
	wrmsr_try(0x830, 1ull << 13); /* ICR */
	GASSERT_TRAP(GP_VECTOR, 0);
	rdmsr_try(0x80e); /* DFR */
	GASSERT_TRAP(GP_VECTOR, 0);
	rdmsr_try(0x80b);
	GASSERT_TRAP(GP_VECTOR, 0);
	/* Vectors below 16 do not exist: send illegal vector. */
	x2apic_write(APIC_SELF_IPI, 5);
	x2apic_write(APIC_ESR, 0);
	GASSERT_EQ(x2apic_read(APIC_ESR), 0x20);
	/* The ICR has 64 bits. */
	x2apic_write(APIC_ICR, 0x1234ull << 32 | VEC);
	GASSERT_EQ(x2apic_read(APIC_ICR), 0x1234ull << 32 | VEC);
	/* The count runs, for minutes. */
	x2apic_write(APIC_TDCR, 0xa);
	x2apic_write(APIC_TMICT, 0xffffffff);
	SPIN_UNTIL(x2apic_read(APIC_TMCCT) != 0xffffffff);
	GASSERT(x2apic_read(APIC_TMCCT) != 0);
	GUEST_DONE();
}

static void guest_bad_x1(void)
{
	apic_enable();
	apic_write(APIC_ICR, ICR_SELF | 5);
	apic_write(APIC_ESR, 0);
	GASSERT_EQ(apic_read(APIC_ESR), 0x20);
	apic_write(APIC_LVR, 0);
	GASSERT_EQ(apic_read(APIC_LVR) & 0xff, 0x14);
	apic_write(APIC_PPR, 0xff);
	GASSERT_EQ(apic_read(APIC_PPR), 0);
	/* Only what can be written is kept, also of what the processor wrote first. */
	apic_write(APIC_LVTERR, 0xffffffff);
	GASSERT_EQ(apic_read(APIC_LVTERR), 0x100ff);
	/* In deadline mode the initial count cannot be written; out of it, it can. */
	apic_write(APIC_LVTT, LVT_DEADLINE | LVT_MASKED | VEC);
	apic_write(APIC_TMICT, 1000);
	GASSERT_EQ(apic_read(APIC_TMICT), 0);
	apic_write(APIC_LVTT, LVT_MASKED | VEC);
	apic_write(APIC_TDCR, 0xa);
	apic_write(APIC_TMICT, 0xffffffff);
	SPIN_UNTIL(apic_read(APIC_TMCCT) != 0xffffffff);
	GASSERT(apic_read(APIC_TMCCT) != 0);
	/* Not enabled by software: the LVTs are masked, and all is ours again. */
	apic_write(APIC_SPIV, 0xff);
	GASSERT_EQ(apic_read(APIC_LVT1), LVT_MASKED);
	apic_write(APIC_LVT1, VEC);
	GASSERT_EQ(apic_read(APIC_LVT1), LVT_MASKED | VEC);
	GUEST_DONE();
}

CASE(bad_values)
{
	run_done(start(guest_bad_x2));
	run_done(start(guest_bad_x1));
}

/* ---- the page moves ---- */

#define ELSEWHERE (HOLE_BASE + 0x5000)

static void guest_moves(void)
{
	apic_enable();
	apic_write(APIC_TPR, 0x30);
	GASSERT_EQ(apic_read(APIC_TPR), 0x30);
	wrmsr(MSR_APIC_BASE, (rdmsr(MSR_APIC_BASE) & 0xfff) | ELSEWHERE);
	GASSERT_EQ(mmio_read32(ELSEWHERE + APIC_TPR), 0x30);
	mmio_write32(ELSEWHERE + APIC_TPR, 0x40);
	GASSERT_EQ(mmio_read32(ELSEWHERE + APIC_TPR), 0x40);
	/* Nothing is where it was: user space answers. */
	GASSERT_EQ(apic_read(APIC_TPR), 0x12345678);
	wrmsr(MSR_APIC_BASE, (rdmsr(MSR_APIC_BASE) & 0xfff) | APIC_BASE);
	GASSERT_EQ(apic_read(APIC_TPR), 0x40);
	/* The host puts memory over it, and takes it away. */
	GUEST_SYNC(1);
	GASSERT_EQ(apic_read(APIC_TPR), 0xabcd);
	GUEST_SYNC(2);
	GASSERT_EQ(apic_read(APIC_TPR), 0x40);
	GUEST_DONE();
}

CASE(page_moves)
{
	struct vcpu *v = start(guest_moves);
	u32 *page, answer = 0x12345678;

	vm_map(v->vm, ELSEWHERE, ELSEWHERE, PTE_P | PTE_W);
	vcpu_run_exit(v, KVM_EXIT_MMIO);
	CHECK_EQ(v->run->mmio.phys_addr, APIC_BASE + APIC_TPR);
	CHECK(!v->run->mmio.is_write);
	memcpy(v->run->mmio.data, &answer, sizeof(answer));
	run_sync(v, 1);
	page = vm_add_ram(v->vm, 7, 0, APIC_BASE, 0x1000);
	page[APIC_TPR / 4] = 0xabcd;
	run_sync(v, 2);
	OK(vm_slot(v->vm, 7, 0, APIC_BASE, 0, page));
	run_done(v);
}

/* ---- the timer ---- */

static void guest_deadlines(u64 rounds)
{
	u64 at;
	u32 i;

	guest_on(VEC, count_x1);
	apic_enable();
	apic_write(APIC_LVTT, LVT_DEADLINE | VEC);
	sti();
	for (i = 1; i <= rounds; i++) {
		at = rdtsc() + (1 << SHIFT);
		wrmsr(MSR_TSC_DEADLINE, at);
		SPIN_UNTIL(irqs()[VEC]);
		GASSERT(rdtsc() >= at);
		GASSERT_EQ(irqs()[VEC], 1);
		GASSERT_EQ(rdmsr(MSR_TSC_DEADLINE), 0);
		irqs()[VEC] = 0;
	}
	/* One that is taken back, in time, does not come. */
	do {
		irqs()[VEC] = 0;
		at = rdtsc() + (1 << SHIFT);
		wrmsr(MSR_TSC_DEADLINE, at);
		wrmsr(MSR_TSC_DEADLINE, 0);
	} while (rdtsc() >= at);
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + (2 << SHIFT));
	SPIN_UNTIL(irqs()[VEC]);
	GASSERT_EQ(irqs()[VEC], 1);
	/* Nor one of another mode. */
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + (1 << SHIFT));
	apic_write(APIC_LVTT, VEC);
	GASSERT_EQ(rdmsr(MSR_TSC_DEADLINE), 0);
	GUEST_DONE();
}

/* Each ends a run by itself. */
CASE(deadline)
{
	struct vcpu *v;

	need_timer();
	v = start(guest_deadlines);
	vcpu_call(v, guest_deadlines, 20);
	run_done(v);
	CHECK(stat_of(v, "exit_preemption_timer") >= 10);
}

static void guest_halted(void)
{
	u32 i;

	guest_on(VEC, count_x1);
	apic_enable();
	apic_write(APIC_LVTT, LVT_DEADLINE | VEC);
	for (i = 1; i <= 10; i++) {
		u64 at = rdtsc() + (1 << HALT_SHIFT);

		wrmsr(MSR_TSC_DEADLINE, at);
		sti_hlt_cli();
		GASSERT(rdtsc() >= at);
		GASSERT_EQ(irqs()[VEC], i);
	}
	GUEST_DONE();
}

/* The processor does not watch for a vCPU that sleeps. */
CASE(deadline_halted)
{
	run_done(start(guest_halted));
}

static void guest_outside(void)
{
	guest_on(VEC, count_x1);
	apic_enable();
	apic_write(APIC_LVTT, LVT_DEADLINE | VEC);
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + (1 << SHIFT));
	GUEST_SYNC(0);
	sti_nop();
	GASSERT_EQ(irqs()[VEC], 1);
	cli();
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + (1 << SHIFT));
	GUEST_SYNC(1);
	sti_nop();
	GASSERT_EQ(irqs()[VEC], 2);
	GUEST_DONE();
}

/* It passes while the vCPU is not in KVM_RUN: user space sees that, and so does the guest. */
CASE(deadline_outside)
{
	struct vcpu *v = start(guest_outside);
	struct kvm_lapic_state s;
	u64 at;

	run_sync(v, 0);
	at = get_msr(v, MSR_TSC_DEADLINE);
	while (at && get_msr(v, MSR_TSC) <= at)
		;
	while (get_msr(v, MSR_TSC_DEADLINE)) /* the host's timer may be late */
		;
	run_sync(v, 1);
	at = get_msr(v, MSR_TSC_DEADLINE);
	while (at && get_msr(v, MSR_TSC) <= at)
		;
	do {
		OK(ioctl(v->fd, KVM_GET_LAPIC, &s));
	} while (!(*(u32 *)(s.regs + APIC_IRR + 16 * (VEC / 32)) & (1u << VEC % 32)));
	run_done(v);
}

/* A guest whose TSC has another rate than the host's. */
CASE(deadline_scaled)
{
	u32 factor[] = { 2, 7 }, i;
	struct vcpu *v;
	long khz;

	need_cap(KVM_CAP_TSC_CONTROL);
	for (i = 0; i < 2; i++) {
		v = start(guest_deadlines);
		khz = OK(ioctl(v->fd, KVM_GET_TSC_KHZ, 0));
		OK(ioctl(v->fd, KVM_SET_TSC_KHZ, khz * factor[i] / 4));
		vcpu_call(v, guest_deadlines, 5);
		run_done(v);
	}
}
