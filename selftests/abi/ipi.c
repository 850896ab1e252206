// SPDX-License-Identifier: GPL-2.0
/* Interrupts between vCPUs: destinations, delivery modes, INIT and SIPI. SDM vol. 3A, 11.6. */
#include "vm.h"

#define SUITE "ipi"

#define VEC  0x60
#define CPUS 4

static volatile u64 ready, quit;
static volatile u32 *counts[CPUS]; /* where each vCPU counts its interrupts */

static GUEST_HANDLER void on_nmi(struct trap *t)
{
	(void)t;
	this_cpu()->irqs[NMI_VECTOR]++;
}

static void setup_cpu(void)
{
	guest_on(VEC, guest_count_irq);
	guest_on(NMI_VECTOR, on_nmi);
	counts[this_cpu()->id] = this_cpu()->irqs;
	apic_enable();
	asm volatile("lock incq %0" : "+m"(ready) : : "memory");
}

/*
 * Wait for an interrupt. VMRUN in TCG forgets the shadow of STI: an interrupt that comes between
 * STI and HLT is taken there, and the HLT waits for the next one, in vain.
 */
static volatile u64 no_hlt;

static void wait_irq(void)
{
	if (no_hlt)
		asm volatile("sti; pause; cli" : : : "memory");
	else
		sti_hlt_cli();
}

/* An interrupt that comes behind the look at what it is sent for ends the HLT. */
static void guest_receiver(void)
{
	setup_cpu();
	while (!quit)
		sti_hlt_cli();
	GUEST_DONE();
}

static u32 taken(u32 cpu, u32 vec)
{
	return counts[cpu][vec];
}

static void expect(u32 vec, u32 c0, u32 c1, u32 c2, u32 c3)
{
	SPIN_UNTIL(taken(0, vec) >= c0 && taken(1, vec) >= c1 && taken(2, vec) >= c2 &&
		   taken(3, vec) >= c3);
	GASSERT_EQ(taken(0, vec), c0);
	GASSERT_EQ(taken(1, vec), c1);
	GASSERT_EQ(taken(2, vec), c2);
	GASSERT_EQ(taken(3, vec), c3);
}

static void stop_others(void)
{
	quit = 1;
	apic_write(APIC_ICR, ICR_OTHERS | VEC);
	GUEST_DONE();
}

static void run_all(void *sender, void *receiver)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *v[CPUS];
	u32 i;

	G(vm, no_hlt) = test_is_tcg();
	for (i = 0; i < CPUS; i++)
		v[i] = vcpu_new(vm, i, i ? receiver : sender, 0);
	for (i = 0; i < CPUS; i++)
		vcpu_spawn(v[i]);
	for (i = 0; i < CPUS; i++)
		vcpu_join(v[i]);
}

static void guest_physical(void)
{
	setup_cpu();
	sti();
	SPIN_UNTIL(ready == CPUS);
	apic_icr(1, ICR_FIXED | VEC);
	expect(VEC, 0, 1, 0, 0);
	apic_icr(3, ICR_FIXED | VEC);
	expect(VEC, 0, 1, 0, 1);
	apic_icr(0, ICR_FIXED | VEC);
	expect(VEC, 1, 1, 0, 1);
	apic_icr(0xff, ICR_FIXED | VEC);
	expect(VEC, 2, 2, 1, 2);
	/* Nobody has this identifier. */
	apic_icr(77, ICR_FIXED | VEC);
	expect(VEC, 2, 2, 1, 2);
	stop_others();
}

CASE(physical)
{
	run_all(guest_physical, guest_receiver);
}

static void guest_shorthand(void)
{
	setup_cpu();
	sti();
	SPIN_UNTIL(ready == CPUS);
	apic_write(APIC_ICR, ICR_ALL | VEC);
	expect(VEC, 1, 1, 1, 1);
	apic_write(APIC_ICR, ICR_OTHERS | VEC);
	expect(VEC, 1, 2, 2, 2);
	apic_write(APIC_ICR, ICR_SELF | VEC);
	expect(VEC, 2, 2, 2, 2);
	stop_others();
}

CASE(shorthands)
{
	run_all(guest_shorthand, guest_receiver);
}

static void guest_receiver_flat(void)
{
	apic_write(APIC_DFR, 0xffffffff);
	apic_write(APIC_LDR, 1u << (24 + this_cpu()->id));
	guest_receiver();
}

static void guest_flat(void)
{
	apic_write(APIC_DFR, 0xffffffff);
	apic_write(APIC_LDR, 1u << 24);
	setup_cpu();
	sti();
	SPIN_UNTIL(ready == CPUS);
	apic_icr(0x2, ICR_LOGICAL | VEC);
	expect(VEC, 0, 1, 0, 0);
	apic_icr(0xc, ICR_LOGICAL | VEC);
	expect(VEC, 0, 1, 1, 1);
	apic_icr(0x5, ICR_LOGICAL | VEC);
	expect(VEC, 1, 1, 2, 1);
	apic_icr(0xff, ICR_LOGICAL | VEC);
	expect(VEC, 2, 2, 3, 2);
	stop_others();
}

CASE(logical_flat)
{
	run_all(guest_flat, guest_receiver_flat);
}

/* Clusters of two: vCPUs 0 and 1 in cluster 0, 2 and 3 in cluster 1. */
static void set_cluster(void)
{
	u64 id = this_cpu()->id;

	apic_write(APIC_DFR, 0x0fffffff);
	apic_write(APIC_LDR, (id / 2 << 28) | 1u << (24 + id % 2));
}

static void guest_receiver_cluster(void)
{
	set_cluster();
	guest_receiver();
}

static void guest_cluster(void)
{
	set_cluster();
	setup_cpu();
	sti();
	SPIN_UNTIL(ready == CPUS);
	apic_icr(0x02, ICR_LOGICAL | VEC);
	expect(VEC, 0, 1, 0, 0);
	apic_icr(0x13, ICR_LOGICAL | VEC);
	expect(VEC, 0, 1, 1, 1);
	apic_icr(0x11, ICR_LOGICAL | VEC);
	expect(VEC, 0, 1, 2, 1);
	stop_others();
}

CASE(logical_cluster)
{
	run_all(guest_cluster, guest_receiver_cluster);
}

/* Lowest priority: exactly one of the addressed vCPUs takes each. */
static void guest_lowest(void)
{
	u32 i, j;

	apic_write(APIC_DFR, 0xffffffff);
	apic_write(APIC_LDR, 1u << 24);
	setup_cpu();
	sti();
	SPIN_UNTIL(ready == CPUS);
	for (i = 1; i <= 10; i++) {
		u32 sum;

		apic_icr(0xe, ICR_LOGICAL | ICR_LOWEST | VEC);
		do {
			for (sum = 0, j = 0; j < CPUS; j++)
				sum += taken(j, VEC);
			pause_cpu();
		} while (sum < i);
		GASSERT_EQ(sum, i);
		GASSERT_EQ(taken(0, VEC), 0);
	}
	stop_others();
}

CASE(lowest_priority)
{
	run_all(guest_lowest, guest_receiver_flat);
}

static void guest_nmi(void)
{
	setup_cpu();
	SPIN_UNTIL(ready == CPUS);
	apic_icr(2, ICR_NMI);
	expect(NMI_VECTOR, 0, 0, 1, 0);
	apic_write(APIC_ICR, ICR_OTHERS | ICR_NMI);
	expect(NMI_VECTOR, 0, 1, 2, 1);
	stop_others();
}

CASE(nmi)
{
	run_all(guest_nmi, guest_receiver);
}

static void guest_receiver_x2(void)
{
	x2apic_enable();
	guest_on(VEC, guest_count_irq);
	counts[this_cpu()->id] = this_cpu()->irqs;
	asm volatile("lock incq %0" : "+m"(ready) : : "memory");
	while (!quit)
		sti_hlt_cli();
	GUEST_DONE();
}

static void guest_x2(void)
{
	x2apic_enable();
	guest_on(VEC, guest_count_irq);
	counts[0] = this_cpu()->irqs;
	asm volatile("lock incq %0" : "+m"(ready) : : "memory");
	sti();
	SPIN_UNTIL(ready == CPUS);
	x2apic_write(APIC_ICR, 1ull << 32 | VEC);
	expect(VEC, 0, 1, 0, 0);
	x2apic_write(APIC_ICR, 0xcull << 32 | ICR_LOGICAL | VEC);
	expect(VEC, 0, 1, 1, 1);
	x2apic_write(APIC_ICR, 0xffffffffull << 32 | VEC);
	expect(VEC, 1, 2, 2, 2);
	x2apic_write(APIC_ICR, ICR_OTHERS | VEC);
	expect(VEC, 1, 3, 3, 3);
	quit = 1;
	x2apic_write(APIC_ICR, ICR_OTHERS | VEC);
	GUEST_DONE();
}

CASE(x2apic)
{
	run_all(guest_x2, guest_receiver_x2);
}

/* IPIs there and back, each waking a halted vCPU: none may be lost. */
static volatile u64 ball;

static void guest_ping_pong(void)
{
	u64 me = this_cpu()->id, i;

	setup_cpu();
	if (me > 1)
		GUEST_DONE();
	SPIN_UNTIL(ready == CPUS);
	for (i = 0; i < 200; i++) {
		if (!me) {
			ball = i;
			apic_icr(1, VEC);
		}
		while (this_cpu()->irqs[VEC] <= i)
			wait_irq();
		GASSERT_EQ(ball, i);
		if (me)
			apic_icr(0, VEC);
	}
	GUEST_DONE();
}

CASE(ping_pong, .timeout = 60)
{
	run_all(guest_ping_pong, guest_ping_pong);
}

/* 64 vCPUs, most of them beyond the host's processors: each takes each broadcast. */
#define MANY 64
static volatile u32 *many_counts[MANY];

static void guest_many(void)
{
	u64 me = this_cpu()->id, i, round;

	x2apic_enable();
	guest_on(VEC, guest_count_irq);
	many_counts[me] = this_cpu()->irqs;
	asm volatile("lock incq %0" : "+m"(ready) : : "memory");
	if (me) {
		while (this_cpu()->irqs[VEC] < 3)
			wait_irq();
		GUEST_DONE();
	}
	while (ready < MANY)
		pause_cpu();
	for (round = 1; round <= 3; round++) {
		x2apic_write(APIC_ICR, ICR_OTHERS | VEC);
		for (i = 1; i < MANY; i++)
			SPIN_UNTIL(many_counts[i][VEC] >= round);
	}
	for (i = 1; i < MANY; i++)
		GASSERT_EQ(many_counts[i][VEC], 3);
	GUEST_DONE();
}

CASE(sixty_four, .timeout = 90)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *v[MANY];
	u32 i;

	if (dev_cap(KVM_CAP_MAX_VCPUS) < MANY)
		SKIP("fewer than 64 vCPUs");
	G(vm, no_hlt) = test_is_tcg();
	for (i = 0; i < MANY; i++)
		v[i] = vcpu_new(vm, i, guest_many, 0);
	for (i = 0; i < MANY; i++)
		vcpu_spawn(v[i]);
	for (i = 0; i < MANY; i++)
		vcpu_join(v[i]);
}

/* The started processor begins in real mode at vector * 4 KiB, and says so in memory. */
BLOB(ap_code, 16,
     "mov %cs, %ax\n mov %ax, %ds\n"
     "call 1f\n 1: pop %bx\n sub $(1b - ap_code), %bx\n"
     "mov %ax, 0x102(%bx)\n incw 0x100(%bx)\n"
     "2: hlt\n jmp 2b\n");

#define AP_BASE  0x3000ul
#define AP_COUNT (AP_BASE + 0x100)
#define AP_CS    (AP_BASE + 0x102)

static void guest_starter(void)
{
	volatile u16 *count = (u16 *)AP_COUNT;

	apic_enable();
	/* Before INIT a SIPI means nothing to a running or halted processor. */
	apic_icr(1, ICR_INIT | ICR_ASSERT);
	apic_icr(1, ICR_SIPI | AP_BASE >> 12);
	SPIN_UNTIL(*count == 1);
	GASSERT_EQ(*(volatile u16 *)AP_CS, AP_BASE >> 4);
	/* A second SIPI is ignored (SDM vol. 3A, 9.4.4). */
	apic_icr(1, ICR_SIPI | AP_BASE >> 12);
	GUEST_SYNC(1);
	GASSERT_EQ(*count, 1);
	/* INIT and SIPI again start it again. */
	apic_icr(1, ICR_INIT | ICR_ASSERT);
	apic_icr(1, ICR_SIPI | AP_BASE >> 12);
	SPIN_UNTIL(*count == 2);
	GUEST_DONE();
}

static void *run_for_ever(void *arg)
{
	for (;;) {
		if (vcpu_run(arg))
			CHECK(errno == EINTR || errno == EAGAIN);
	}
	return NULL;
}

CASE(init_sipi)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *v0 = vcpu_new(vm, 0, guest_starter, 0), *v1 = vcpu_add(vm, 1);
	pthread_t t;

	vcpu_cpuid(v1);
	load_blob(vm, AP_BASE, ap_code);
	CHECK_EQ(pthread_create(&t, NULL, run_for_ever, v1), 0);
	run_sync(v0, 1);
	host_sleep_ms(50);
	run_done(v0);
}

/* INIT and SIPI set registers as the manuals say and leave the APIC identifier. */
static void guest_sender(void)
{
	apic_enable();
	apic_icr(1, ICR_INIT | ICR_ASSERT);
	GUEST_SYNC(0);
	apic_icr(1, ICR_SIPI | 0x9f);
	GUEST_SYNC(1);
}

CASE(init_state)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *v0 = vcpu_new(vm, 0, guest_sender, 0), *v1 = vcpu_add(vm, 1);
	struct kvm_mp_state mp;
	struct kvm_sregs s;

	vcpu_cpuid(v1);
	run_sync(v0, 0);
	run_sync(v0, 1);
	/* The state query lets pending INIT and SIPI take effect. */
	OK(ioctl(v1->fd, KVM_GET_MP_STATE, &mp));
	CHECK(mp.mp_state == KVM_MP_STATE_RUNNABLE || mp.mp_state == KVM_MP_STATE_SIPI_RECEIVED);
	s = get_sregs(v1);
	CHECK_EQ(s.cs.selector, 0x9f00);
	CHECK_EQ(s.cs.base, 0x9f000);
	CHECK_EQ(get_regs(v1).rip, 0);
	CHECK_EQ(s.cr0 & 1, 0);
}

/*
 * A SIPI that had arrived but was not accepted when the state was saved: by KVM_SET_MP_STATE and
 * the vector in KVM_SET_VCPU_EVENTS, in either order.
 */
static void restore_sipi(bool vector_first)
{
	struct kvm_mp_state mp = { KVM_MP_STATE_SIPI_RECEIVED };
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *v0 = vcpu_add(vm, 0), *v1 = vcpu_add(vm, 1);
	volatile u16 *count = gpa_hva(vm, AP_COUNT);
	struct kvm_vcpu_events e;
	pthread_t t;

	(void)v0;
	vcpu_cpuid(v1);
	load_blob(vm, AP_BASE, ap_code);
	OK(ioctl(v1->fd, KVM_GET_VCPU_EVENTS, &e));
	CHECK_EQ(e.flags & KVM_VCPUEVENT_VALID_SIPI_VECTOR, 0);
	e.flags |= KVM_VCPUEVENT_VALID_SIPI_VECTOR;
	e.sipi_vector = AP_BASE >> 12;
	if (vector_first)
		OK(ioctl(v1->fd, KVM_SET_VCPU_EVENTS, &e));
	OK(ioctl(v1->fd, KVM_SET_MP_STATE, &mp));
	if (!vector_first)
		OK(ioctl(v1->fd, KVM_SET_VCPU_EVENTS, &e));
	CHECK_EQ(pthread_create(&t, NULL, run_for_ever, v1), 0);
	while (!*count)
		host_sleep_ms(1);
	CHECK_EQ(*(u16 *)gpa_hva(vm, AP_CS), AP_BASE >> 4);
}

CASE(sipi_restored)
{
	restore_sipi(false);
	restore_sipi(true);
}
