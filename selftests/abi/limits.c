// SPDX-License-Identifier: GPL-2.0
/* As many as KVM_CHECK_EXTENSION says: vCPUs, their ids, slots. */
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#include "vm.h"

#define SUITE "limits"

#define VEC 0x41

/* ---- ids that no xAPIC can have ---- */

#define HIGH_IDS 6
static const u32 ids[HIGH_IDS] = { 0, 255, 256, 1000, 1023, 4095 };
static volatile u64 up;
static volatile u32 *counts[HIGH_IDS];

static u32 logical_id(u32 id)
{
	return id >> 4 << 16 | 1u << (id & 15);
}

static void guest_high_id(u64 place)
{
	u64 i;

	x2apic_enable();
	GASSERT_EQ(x2apic_read(APIC_ID), ids[place]);
	GASSERT_EQ(x2apic_read(APIC_LDR), logical_id(ids[place]));
	guest_on(VEC, guest_count_irq);
	counts[place] = this_cpu()->irqs;
	asm volatile("lock incq %0" : "+m"(up) : : "memory");
	asm volatile("sti" : : : "memory");
	if (place) {
		SPIN_UNTIL(this_cpu()->irqs[VEC] == 2);
		GUEST_DONE();
	}
	SPIN_UNTIL(up == HIGH_IDS);
	for (i = 1; i < HIGH_IDS; i++) {
		x2apic_write(APIC_ICR, (u64)ids[i] << 32 | VEC);
		SPIN_UNTIL(counts[i][VEC] == 1);
	}
	for (i = 1; i < HIGH_IDS; i++) {
		GASSERT_EQ(counts[i][VEC], 1);
		x2apic_write(APIC_ICR, (u64)logical_id(ids[i]) << 32 | ICR_LOGICAL | VEC);
		SPIN_UNTIL(counts[i][VEC] == 2);
	}
	GUEST_DONE();
}

/* A vCPU whose id is more than the framework has stacks for: it uses those of @place. */
static struct vcpu *high_vcpu(struct vm *vm, u32 place)
{
	struct kvm_mp_state mp = { KVM_MP_STATE_RUNNABLE };
	struct vcpu *v = vcpu_add(vm, ids[place]);

	vcpu_cpuid(v);
	v->id = place;
	vcpu_call(v, guest_high_id, place);
	OK(ioctl(v->fd, KVM_SET_MP_STATE, &mp));
	return v;
}

CASE(high_ids, .timeout = 60)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *v[HIGH_IDS];
	u32 i;

	CHECK(dev_cap(KVM_CAP_MAX_VCPU_ID) > (int)ids[HIGH_IDS - 1]);
	for (i = 0; i < HIGH_IDS; i++)
		v[i] = high_vcpu(vm, i);
	for (i = 0; i < HIGH_IDS; i++)
		vcpu_spawn(v[i]);
	for (i = 0; i < HIGH_IDS; i++)
		vcpu_join(v[i]);
}

/* ---- as many vCPUs as there may be ---- */

static void guest_nop(void)
{
	GUEST_DONE();
}

CASE(max_vcpus, .timeout = 120)
{
	int max = dev_cap(KVM_CAP_MAX_VCPUS), i;
	struct rlimit files = { max + 64, max + 64 };
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *v = vcpu_new(vm, 0, guest_nop, 0);

	CHECK(max >= 1024);
	if (setrlimit(RLIMIT_NOFILE, &files))
		SKIP("no right to open so many files");
	for (i = 1; i < max; i++)
		OK(ioctl(vm->fd, KVM_CREATE_VCPU, max - i));
	CHECK_ERRNO(ioctl(vm->fd, KVM_CREATE_VCPU, max), EINVAL);
	run_done(v);
}

/* ---- the highest slot ---- */

static void guest_touch(u64 at)
{
	*(volatile u64 *)at += 1;
	GUEST_DONE();
}

CASE(highest_slot)
{
	int max = dev_cap(KVM_CAP_NR_MEMSLOTS);
	struct vm *vm = vm_create(0);
	u64 *p;

	CHECK(max >= 509);
	p = vm_add_ram(vm, max - 1, 0, HOLE_BASE, PAGE_SIZE);
	CHECK_ERRNO(vm_slot(vm, max, 0, HOLE_BASE + PAGE_SIZE, PAGE_SIZE, p), EINVAL);
	run_done(vcpu_new(vm, 0, guest_touch, HOLE_BASE));
	CHECK_EQ(*p, 1);
}
