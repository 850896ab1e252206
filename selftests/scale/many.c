// SPDX-License-Identifier: GPL-2.0
/* Many vCPUs in one VM, many VMs on one host. */
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>
#include "vm.h"

#define SUITE "scale"

#define VMS    100
#define TURNS  20
#define ROUNDS 20

/* ---- many vCPUs ---- */

/*
 * A ticket lock: whoever holds the next ticket must run for anybody to go on. Without help from
 * the host, which sees the PAUSEs, the others spin their time away.
 */
static volatile u32 ready, tickets, serving, counter;

static void guest_tickets(u64 turns)
{
	u64 i;

	__atomic_fetch_add(&ready, 1, __ATOMIC_SEQ_CST);
	SPIN_UNTIL(ready == MAX_VCPUS);
	for (i = 0; i < turns; i++) {
		u32 mine = __atomic_fetch_add(&tickets, 1, __ATOMIC_SEQ_CST);

		SPIN_UNTIL(serving == mine);
		/* Not atomic: the lock is what keeps it right. */
		counter = counter + 1;
		serving = mine + 1;
	}
	GUEST_DONE();
}

CASE(vcpus_64, .timeout = 120)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *v[MAX_VCPUS];
	u64 yields = 0, val = 0;
	u32 i;

	CHECK(dev_cap(KVM_CAP_NR_VCPUS) > 0);
	CHECK(dev_cap(KVM_CAP_MAX_VCPUS) >= MAX_VCPUS);
	/* More than the host has, by far. */
	CHECK(get_nprocs() * 8 <= MAX_VCPUS);
	for (i = 0; i < MAX_VCPUS; i++)
		v[i] = vcpu_new(vm, i, guest_tickets, TURNS);
	for (i = 0; i < MAX_VCPUS; i++)
		vcpu_spawn(v[i]);
	for (i = 0; i < MAX_VCPUS; i++)
		vcpu_join(v[i]);
	CHECK_EQ(G(vm, counter), MAX_VCPUS * TURNS);
	CHECK_EQ(G(vm, serving), MAX_VCPUS * TURNS);
	for (i = 0; i < MAX_VCPUS; i++) {
		CHECK(test_is_oracle() || vcpu_stat(v[i], "exit_pause", &val));
		yields += val;
	}
	CHECK(test_is_oracle() || yields > 0);
}

/* ---- interrupts to all others ---- */

#define VEC     0x50
#define SENDERS 16

static volatile u32 turn, told, heard[MAX_VCPUS];

/* Once a turn: under load TCG delivers an interrupt twice now and then, in-tree KVM's too. */
static GUEST_HANDLER void on_ipi(struct trap *t)
{
	u32 me = this_cpu()->id;

	if (heard[me] != turn) {
		heard[me] = turn;
		__atomic_fetch_add(&told, 1, __ATOMIC_SEQ_CST);
	}
	guest_count_irq(t);
}

/* In turn, and each waits until all have heard. */
static void guest_broadcast(void)
{
	u32 me = this_cpu()->id;

	guest_on(VEC, on_ipi);
	x2apic_enable();
	__atomic_fetch_add(&ready, 1, __ATOMIC_SEQ_CST);
	sti();
	SPIN_UNTIL(ready == MAX_VCPUS && told == me * (MAX_VCPUS - 1));
	turn = me + 1;
	x2apic_write(APIC_ICR, ICR_OTHERS | VEC);
	SPIN_UNTIL(told == SENDERS * (MAX_VCPUS - 1));
	GUEST_DONE();
}

static void guest_listen(void)
{
	guest_on(VEC, on_ipi);
	x2apic_enable();
	__atomic_fetch_add(&ready, 1, __ATOMIC_SEQ_CST);
	sti();
	SPIN_UNTIL(told == SENDERS * (MAX_VCPUS - 1));
	GUEST_DONE();
}

CASE(broadcasts_64, .timeout = 120)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *v[MAX_VCPUS];
	u32 i;

	for (i = 0; i < MAX_VCPUS; i++) {
		v[i] = vcpu_add(vm, i);
		vcpu_cpuid(v[i]);
		vcpu_call(v[i], i < SENDERS ? guest_broadcast : guest_listen, 0);
	}
	for (i = 0; i < MAX_VCPUS; i++) {
		struct kvm_mp_state running = { .mp_state = KVM_MP_STATE_RUNNABLE };

		OK(ioctl(v[i]->fd, KVM_SET_MP_STATE, &running));
		vcpu_spawn(v[i]);
	}
	for (i = 0; i < MAX_VCPUS; i++)
		vcpu_join(v[i]);
}

/* ---- many VMs ---- */

#define PAGES 64

/* Each VM has its own number in its memory, and nobody else's. */
static void guest_own(u64 number)
{
	volatile u64 *page = (u64 *)FREE_BASE;
	u64 round, i;

	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < PAGES; i++) {
			GASSERT_EQ(page[i * PAGE_SIZE / 8], round ? number + round - 1 : 0);
			page[i * PAGE_SIZE / 8] = number + round;
		}
		/* Through user space, so that the VMs mix. */
		inb(0x80);
	}
	GUEST_DONE();
}

static void *run_own(void *arg)
{
	struct vcpu *v = arg;
	u32 exits = 0;

	while (!vcpu_run(v) && v->run->exit_reason == KVM_EXIT_IO && v->run->io.port == 0x80)
		exits++;
	CHECK_EQ(exits, ROUNDS);
	CHECK(vcpu_take_ucall(v));
	CHECK_EQ(v->uc.kind, UCALL_DONE);
	return NULL;
}

CASE(vms_100, .timeout = 240)
{
	struct vcpu *v[VMS];
	u64 i, number, page;

	for (i = 0; i < VMS; i++)
		v[i] = vcpu_new(vm_create(VM_IRQCHIP), 0, guest_own, (i + 1) << 32);
	for (i = 0; i < VMS; i++)
		CHECK_EQ(pthread_create(&v[i]->thread, NULL, run_own, v[i]), 0);
	for (i = 0; i < VMS; i++)
		CHECK_EQ(pthread_join(v[i]->thread, NULL), 0);
	for (i = 0; i < VMS; i++) {
		for (page = 0; page < PAGES; page++) {
			memcpy(&number, gpa_hva(v[i]->vm, FREE_BASE + page * PAGE_SIZE), 8);
			CHECK_EQ(number, ((i + 1) << 32) + ROUNDS - 1);
		}
	}
}
