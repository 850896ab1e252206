// SPDX-License-Identifier: GPL-2.0
/* CPUID: what the module offers, what user space sets, what the guest sees. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "vm.h"

#define SUITE "cpuid"

static void guest_nop(void)
{
	GUEST_DONE();
}

CASE(supported_sizes)
{
	struct kvm_cpuid2 *all = supported_cpuid(), *c;
	u32 n = all->nent;

	CHECK(n > 10 && n < MAX_CPUID);
	c = calloc(1, sizeof(*c) + (n + 1) * sizeof(c->entries[0]));
	c->nent = 1;
	CHECK_ERRNO(ioctl(dev_fd(), KVM_GET_SUPPORTED_CPUID, c), E2BIG);
	c->nent = n - 1;
	CHECK_ERRNO(ioctl(dev_fd(), KVM_GET_SUPPORTED_CPUID, c), E2BIG);
	c->nent = n;
	OK(ioctl(dev_fd(), KVM_GET_SUPPORTED_CPUID, c));
	CHECK_EQ(c->nent, n);
	CHECK(!memcmp(c->entries, all->entries, n * sizeof(c->entries[0])));
	c->nent = n + 1;
	OK(ioctl(dev_fd(), KVM_GET_SUPPORTED_CPUID, c));
	CHECK_EQ(c->nent, n);
}

CASE(supported_sense)
{
	struct kvm_cpuid2 *c = supported_cpuid();
	struct kvm_cpuid_entry2 *e = cpuid_entry(c, 0, 0);
	u32 i, j;

	CHECK(e && e->eax >= 7);
	e = cpuid_entry(c, 0x80000000, 0);
	CHECK(e && e->eax >= 0x80000008);
	e = cpuid_entry(c, 1, 0);
	CHECK(e);
	CHECK(!(e->ecx & BIT(24))); /* api.rst: TSC deadline is a capability instead */
	CHECK(e->edx & BIT(9));
	CHECK(!(e->ecx & BIT(3))); /* MONITOR */
	e = cpuid_entry(c, 0x80000001, 0);
	CHECK(e && e->edx & BIT(29)); /* long mode */
	e = cpuid_entry(c, 0x40000000, 0);
	CHECK(e);
	/* No leaf twice. */
	for (i = 0; i < c->nent; i++)
		for (j = 0; j < i; j++)
			if (c->entries[i].function == c->entries[j].function &&
			    c->entries[i].index == c->entries[j].index)
				FAIL("leaf %#x, %#x twice", c->entries[i].function,
				     c->entries[i].index);
}

/* Nothing is offered that the host has not, but for what the module makes itself. */
static void host_cpuid(u32 leaf, u32 sub, u32 r[4])
{
	guest_cpuid(leaf, sub, r);
}

CASE(supported_is_subset_of_host)
{
	struct kvm_cpuid2 *c = supported_cpuid();
	struct kvm_cpuid_entry2 *e;
	u32 h[4], extra;

	host_cpuid(1, 0, h);
	e = cpuid_entry(c, 1, 0);
	/* x2APIC, hypervisor, TSC deadline, and OSXSAVE (which is CR4's). */
	extra = e->ecx & ~h[2] & ~(u32)(BIT(21) | BIT(31) | BIT(24) | BIT(27));
	CHECK_EQ(extra, 0);
	CHECK_EQ(e->edx & ~h[3] & ~(u32)BIT(5), 0);
	host_cpuid(7, 0, h);
	e = cpuid_entry(c, 7, 0);
	CHECK(e);
	/* TSC_ADJUST and UMIP are the module's to emulate. */
	CHECK_EQ(e->ebx & ~h[1] & ~(u32)BIT(1), 0);
	CHECK_EQ(e->ecx & ~h[2] & ~(u32)BIT(2), 0);
	host_cpuid(0xd, 0, h);
	e = cpuid_entry(c, 0xd, 0);
	if (e)
		CHECK_EQ(e->eax & ~h[0], 0);
}

static void guest_reads(u64 unused)
{
	u32 r[4];

	(void)unused;
	guest_cpuid(0x40000077, 0, r);
	GUEST_SYNC2(0, r[0] | (u64)r[1] << 32, r[2] | (u64)r[3] << 32);
	guest_cpuid(0x40000078, 1, r);
	GUEST_SYNC2(1, r[0], r[3]);
	guest_cpuid(0x40000078, 2, r);
	GUEST_SYNC2(2, r[0], r[3]);
	GUEST_DONE();
}

CASE(set_is_what_the_guest_sees)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_reads, 0);
	struct kvm_cpuid2 *c = supported_cpuid();

	c->entries[c->nent++] = (struct kvm_cpuid_entry2){
		.function = 0x40000077,
		.eax = 1,
		.ebx = 2,
		.ecx = 3,
		.edx = 4,
	};
	c->entries[c->nent++] = (struct kvm_cpuid_entry2){
		.function = 0x40000078,
		.index = 1,
		.flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
		.eax = 0x11,
		.edx = 0x12,
	};
	c->entries[c->nent++] = (struct kvm_cpuid_entry2){
		.function = 0x40000078,
		.index = 2,
		.flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
		.eax = 0x21,
		.edx = 0x22,
	};
	OK(ioctl(v->fd, KVM_SET_CPUID2, c));
	run_sync(v, 0);
	CHECK_EQ(v->uc.args[1], 0x200000001);
	CHECK_EQ(v->uc.args[2], 0x400000003);
	run_sync(v, 1);
	CHECK_EQ(v->uc.args[1], 0x11);
	CHECK_EQ(v->uc.args[2], 0x12);
	run_sync(v, 2);
	CHECK_EQ(v->uc.args[1], 0x21);
	run_done(v);
}

CASE(get_returns_what_was_set)
{
	struct vcpu *v = vcpu_add(vm_create(0), 0);
	struct kvm_cpuid2 *c = supported_cpuid(), *back = supported_cpuid();
	u32 i;

	OK(ioctl(v->fd, KVM_SET_CPUID2, c));
	back->nent = c->nent;
	memset(back->entries, 0xee, c->nent * sizeof(back->entries[0]));
	OK(ioctl(v->fd, KVM_GET_CPUID2, back));
	CHECK_EQ(back->nent, c->nent);
	for (i = 0; i < c->nent; i++) {
		struct kvm_cpuid_entry2 *a = &c->entries[i], *b = &back->entries[i];

		CHECK_EQ(a->function, b->function);
		CHECK_EQ(a->index, b->index);
		/* Leaf 0xd tells sizes that depend on XCR0, leaf 1 what CR4 says. */
		if (a->function == 0xd || a->function == 1 || a->function == 7)
			continue;
		CHECK_EQ(a->eax, b->eax);
		CHECK_EQ(a->ecx, b->ecx);
	}
	back->nent = 1;
	CHECK_ERRNO(ioctl(v->fd, KVM_GET_CPUID2, back), E2BIG);
}

CASE(get_tells_the_number, .oracle = "in-tree KVM leaves nent alone when there is room to spare")
{
	struct vcpu *v = vcpu_add(vm_create(0), 0);
	struct kvm_cpuid2 *c = supported_cpuid();
	u32 n = c->nent;

	OK(ioctl(v->fd, KVM_SET_CPUID2, c));
	c->nent = MAX_CPUID;
	OK(ioctl(v->fd, KVM_GET_CPUID2, c));
	CHECK_EQ(c->nent, n);
}

CASE(set_too_many)
{
	struct vcpu *v = vcpu_add(vm_create(0), 0);
	struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + 4096 * sizeof(c->entries[0]));

	c->nent = 4096;
	CHECK_ERRNO(ioctl(v->fd, KVM_SET_CPUID2, c), E2BIG);
	c->nent = ~0u;
	CHECK_ERRNO(ioctl(v->fd, KVM_SET_CPUID2, c), E2BIG);
	c->nent = 0;
	OK(ioctl(v->fd, KVM_SET_CPUID2, c));
}

/* After KVM_RUN the list is fixed: the same may be set again, another may not. */
CASE(fixed_after_run)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_nop, 0);
	struct kvm_cpuid2 *c = supported_cpuid();

	run_done(v);
	OK(ioctl(v->fd, KVM_GET_CPUID2, c));
	OK(ioctl(v->fd, KVM_SET_CPUID2, c));
	cpuid_entry(c, 1, 0)->eax ^= 0x100;
	CHECK_ERRNO(ioctl(v->fd, KVM_SET_CPUID2, c), EINVAL);
}

static void guest_osxsave(void)
{
	u32 r[4];

	guest_cpuid(1, 0, r);
	if (!(r[2] & BIT(26)))
		GUEST_DONE();
	GASSERT(!(r[2] & BIT(27)));
	write_cr4(read_cr4() | CR4_OSXSAVE);
	guest_cpuid(1, 0, r);
	GASSERT(r[2] & BIT(27));
	write_cr4(read_cr4() & ~CR4_OSXSAVE);
	guest_cpuid(1, 0, r);
	GASSERT(!(r[2] & BIT(27)));
	GUEST_DONE();
}

CASE(osxsave_follows_cr4)
{
	run_done(vcpu_new(vm_create(0), 0, guest_osxsave, 0));
}

/* Leaf 0xd, sub-leaf 0, EBX: the size for what XCR0 enables now (SDM vol. 2A, CPUID). */
static void guest_xsave_size(void)
{
	u32 r[4], r2[4];

	guest_cpuid(1, 0, r);
	if (!(r[2] & BIT(26)))
		GUEST_DONE();
	write_cr4(read_cr4() | CR4_OSXSAVE);
	guest_cpuid(0xd, 0, r);
	GASSERT_EQ(r[1], 576);
	if (r[0] & 4) {
		asm volatile("xsetbv" : : "c"(0), "a"(7), "d"(0));
		guest_cpuid(0xd, 2, r2);
		guest_cpuid(0xd, 0, r);
		GASSERT_EQ(r[1], r2[0] + r2[1]);
		GASSERT(r[2] >= r[1]);
	}
	GUEST_DONE();
}

CASE(xsave_size_follows_xcr0, .tcg = "TCG does not intercept XSETBV")
{
	run_done(vcpu_new(vm_create(0), 0, guest_xsave_size, 0));
}

/* Past the highest basic leaf AMD processors give zeros, Intel ones the highest leaf. */
static void guest_out_of_range(void)
{
	u32 r[4], max[4], top[4];

	guest_cpuid(0, 0, max);
	guest_cpuid(0x1ffffff, 0, r);
	if (max[1] == 0x756e6547) {
		guest_cpuid(max[0], 0, top);
		GASSERT_EQ(r[0], top[0]);
		GASSERT_EQ(r[1], top[1]);
	} else {
		GASSERT_EQ(r[0] | r[1] | r[2] | r[3], 0);
	}
	guest_cpuid(0x8fffffff, 0, r);
	if (max[1] != 0x756e6547)
		GASSERT_EQ(r[0] | r[1] | r[2] | r[3], 0);
	GUEST_DONE();
}

CASE(out_of_range)
{
	run_done(vcpu_new(vm_create(0), 0, guest_out_of_range, 0));
}

/* A feature that was not given must not be usable: its CR4 bit faults. */
static void guest_no_smep(void)
{
	TRY("mov %0, %%cr4", : : "r"(read_cr4() | CR4_SMEP) : "memory");
	GASSERT_TRAP(GP_VECTOR, 0);
	TRY("mov %0, %%cr4", : : "r"(read_cr4() | CR4_OSXSAVE) : "memory");
	GASSERT_TRAP(GP_VECTOR, 0);
	GUEST_DONE();
}

CASE(hidden_feature)
{
	struct vcpu *v = vcpu_add(vm_create(0), 0);
	struct kvm_cpuid2 *c = supported_cpuid();
	struct kvm_sregs s;

	cpuid_entry(c, 7, 0)->ebx &= ~(u32)BIT(7);
	cpuid_entry(c, 1, 0)->ecx &= ~(u32)BIT(26);
	OK(ioctl(v->fd, KVM_SET_CPUID2, c));
	vcpu_call(v, guest_no_smep, 0);
	s = get_sregs(v);
	s.cr4 |= CR4_SMEP;
	CHECK_ERRNO(ioctl(v->fd, KVM_SET_SREGS, &s), EINVAL);
	run_done(v);
}

/* Registers beyond EAX and ECX do not matter; upper halves are cleared. */
static void guest_upper_halves(void)
{
	u64 a = 0xffffffff00000000, b = ~0ull, c = 0xffffffff00000000, d = ~0ull;

	asm volatile("cpuid" : "+a"(a), "+b"(b), "+c"(c), "+d"(d));
	GASSERT_EQ(a >> 32 | b >> 32 | c >> 32 | d >> 32, 0);
	GASSERT(b != 0xffffffff);
	GUEST_DONE();
}

CASE(upper_halves)
{
	run_done(vcpu_new(vm_create(0), 0, guest_upper_halves, 0));
}
