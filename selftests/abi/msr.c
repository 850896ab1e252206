// SPDX-License-Identifier: GPL-2.0
/* Model-specific registers, from user space and from the guest. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "vm.h"

#define SUITE "msr"

#define NO_MSR 0x00c0ffee /* no such register */

static void guest_nop(void)
{
	GUEST_DONE();
}

CASE(index_lists)
{
	struct kvm_msr_list *l = msr_list(KVM_GET_MSR_INDEX_LIST);
	struct kvm_msr_list *f = msr_list(KVM_GET_MSR_FEATURE_INDEX_LIST);
	static const u32 needed[] = {
		MSR_TSC,   0x174,      0x175,         0x176, MSR_STAR,       MSR_LSTAR,
		MSR_CSTAR, MSR_SFMASK, MSR_KERNEL_GS, 0x277, MSR_TSC_ADJUST,
	};
	u32 i, j;

	for (i = 0; i < ARRAY_SIZE(needed); i++) {
		for (j = 0; j < l->nmsrs; j++)
			if (l->indices[j] == needed[i])
				break;
		if (j == l->nmsrs && needed[i] != 0x277)
			FAIL("MSR %#x is not listed", needed[i]);
	}
	(void)f;
}

/* What is listed can be read, and what was read can be written back. */
CASE(listed_get_set)
{
	struct kvm_msr_list *l = msr_list(KVM_GET_MSR_INDEX_LIST);
	struct vcpu *v = vcpu_new(vm_create(VM_IRQCHIP), 0, guest_nop, 0);
	u32 i, bad = 0;
	u64 val;

	for (i = 0; i < l->nmsrs; i++) {
		if (try_get_msr(v, l->indices[i], &val) != 1) {
			printf("MSR %#x cannot be read\n", l->indices[i]);
			bad++;
		} else if (set_msr(v, l->indices[i], val) != 1) {
			printf("MSR %#x does not take its own value %#llx\n", l->indices[i], val);
			bad++;
		}
	}
	CHECK_EQ(bad, 0);
	run_done(v);
}

CASE(features)
{
	struct kvm_msr_list *f = msr_list(KVM_GET_MSR_FEATURE_INDEX_LIST);
	struct {
		struct kvm_msrs h;
		struct kvm_msr_entry e;
	} m = { .h.nmsrs = 1 };
	u32 i;

	need_cap(KVM_CAP_GET_MSR_FEATURES);
	for (i = 0; i < f->nmsrs; i++) {
		m.e.index = f->indices[i];
		if (ioctl(dev_fd(), KVM_GET_MSRS, &m) != 1)
			FAIL("feature MSR %#x cannot be read", f->indices[i]);
	}
	m.e.index = NO_MSR;
	CHECK_EQ(ioctl(dev_fd(), KVM_GET_MSRS, &m), 0);
}

/* A bad register ends the list: the number done so far is returned. */
CASE(count)
{
	struct {
		struct kvm_msrs h;
		struct kvm_msr_entry e[4];
	} m = {
		.h.nmsrs = 4,
		.e = { { .index = MSR_LSTAR, .data = 0x1000 },
		       { .index = MSR_CSTAR, .data = 0x2000 },
		       { .index = NO_MSR, .data = 1 },
		       { .index = MSR_STAR, .data = 0x3000 } },
	};
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_nop, 0);

	set_msr(v, MSR_STAR, 0x77);
	CHECK_EQ(ioctl(v->fd, KVM_SET_MSRS, &m), 2);
	CHECK_EQ(get_msr(v, MSR_LSTAR), 0x1000);
	CHECK_EQ(get_msr(v, MSR_CSTAR), 0x2000);
	CHECK_EQ(get_msr(v, MSR_STAR), 0x77);
	CHECK_EQ(ioctl(v->fd, KVM_GET_MSRS, &m), 2);
	m.h.nmsrs = 1u << 20;
	CHECK_ERRNO(ioctl(v->fd, KVM_GET_MSRS, &m), E2BIG);
	CHECK_ERRNO(ioctl(v->fd, KVM_SET_MSRS, &m), E2BIG);
	m.h.nmsrs = 0;
	CHECK_EQ(ioctl(v->fd, KVM_SET_MSRS, &m), 0);
}

CASE(pads)
{
	struct {
		struct kvm_msrs h;
		struct kvm_msr_entry e;
	} m = { .h.nmsrs = 1, .e.index = MSR_LSTAR, .e.data = 0x1000 };
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_nop, 0);

	CHECK_EQ(ioctl(v->fd, KVM_SET_MSRS, &m), 1);
	m.e.data = 0;
	CHECK_EQ(ioctl(v->fd, KVM_GET_MSRS, &m), 1);
	CHECK_EQ(m.e.data, 0x1000);
}

static void guest_bad(void)
{
	u64 v;

	v = rdmsr_try(NO_MSR);
	(void)v;
	GASSERT_TRAP(GP_VECTOR, 0);
	wrmsr_try(NO_MSR, 0);
	GASSERT_TRAP(GP_VECTOR, 0);
	wrmsr_try(0x40000000, 0);
	GASSERT_TRAP(GP_VECTOR, 0);
	rdmsr_try(0xffffffff);
	GASSERT_TRAP(GP_VECTOR, 0);
	/* Read-only, and reserved bits */
	wrmsr_try(0xfe, 1);
	GASSERT_TRAP(GP_VECTOR, 0);
	wrmsr_try(MSR_EFER, rdmsr(MSR_EFER) | 1ull << 40);
	GASSERT_TRAP(GP_VECTOR, 0);
	wrmsr_try(MSR_EFER, rdmsr(MSR_EFER) & ~EFER_LME);
	GASSERT_TRAP(GP_VECTOR, 0);
	wrmsr_try(0x277, 0x0202020202020202);
	GASSERT_TRAP(GP_VECTOR, 0);
	wrmsr_try(MSR_APIC_BASE, 1ull << 60 | 0xfee00900);
	GASSERT_TRAP(GP_VECTOR, 0);
	GUEST_DONE();
}

CASE(guest_faults)
{
	run_done(vcpu_new(vm_create(VM_IRQCHIP), 0, guest_bad, 0));
}

static void guest_non_canonical(void)
{
	static const u32 msrs[] = { MSR_LSTAR, MSR_CSTAR, MSR_FS_BASE, MSR_KERNEL_GS };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(msrs); i++) {
		wrmsr_try(msrs[i], 0x1234000000000000);
		GASSERT_TRAP(GP_VECTOR, 0);
	}
	GUEST_DONE();
}

CASE(non_canonical, .tcg = "TCG accepts non-canonical bases where they are not intercepted")
{
	run_done(vcpu_new(vm_create(0), 0, guest_non_canonical, 0));
}

CASE(non_canonical_by_host)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_nop, 0);

	CHECK_EQ(set_msr(v, MSR_LSTAR, 0x1234000000000000), 0);
	CHECK_EQ(set_msr(v, MSR_FS_BASE, 0x1234000000000000), 0);
	CHECK_EQ(set_msr(v, MSR_FS_BASE, 0x00007fffffffffff), 1);
	CHECK_EQ(get_sregs(v).fs.base, 0x00007fffffffffff);
	run_done(v);
}

/* A CPUID that promises wider addresses than the host has makes its registers no wider. */
CASE(canonical_as_the_host_is)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_add(vm, 0);
	struct kvm_cpuid2 *cpuid = supported_cpuid();
	bool wide = cpuid_entry(cpuid, 7, 0)->ecx & BIT(16);

	cpuid_entry(cpuid, 7, 0)->ecx |= BIT(16); /* LA57 */
	OK(ioctl(v->fd, KVM_SET_CPUID2, cpuid));
	vcpu_call(v, guest_nop, 0);
	if (!wide)
		CHECK_EQ(set_msr(v, MSR_LSTAR, 0x00ffffffffff0000), 0);
	run_done(v);
	free(cpuid);
}

/* What user space writes the guest reads, and the other way round. */
static const u32 shared[] = {
	MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SFMASK, MSR_FS_BASE, MSR_KERNEL_GS, 0x174, 0x175, 0x176,
};

static void guest_shared(void)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(shared); i++) {
		GASSERT_EQ(rdmsr(shared[i]), 0x1000u * (i + 1));
		wrmsr(shared[i], 0x2000u * (i + 1));
	}
	GUEST_SYNC(0);
	for (i = 0; i < ARRAY_SIZE(shared); i++)
		GASSERT_EQ(rdmsr(shared[i]), 0x2000u * (i + 1));
	GUEST_DONE();
}

CASE(both_sides)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_shared, 0);
	u32 i;

	for (i = 0; i < ARRAY_SIZE(shared); i++)
		CHECK_EQ(set_msr(v, shared[i], 0x1000 * (i + 1)), 1);
	run_sync(v, 0);
	for (i = 0; i < ARRAY_SIZE(shared); i++)
		CHECK_EQ(get_msr(v, shared[i]), 0x2000 * (i + 1));
	run_done(v);
}

/* SYSCALL goes where the MSRs say: they are the guest's, not the host's. */
static volatile u64 syscalls;

__attribute__((naked)) static void syscall_entry(void)
{
	asm volatile("incq %0\n jmp *%%rcx" : "+m"(syscalls));
}

static void guest_syscall(void)
{
	int i;

	wrmsr(MSR_STAR, (u64)SEL_CODE64 << 32);
	wrmsr(MSR_LSTAR, (u64)syscall_entry);
	wrmsr(MSR_SFMASK, RFLAGS_IF);
	for (i = 0; i < 3; i++) {
		asm volatile("syscall" : : : "rcx", "r11", "memory");
		GUEST_SYNC(i);
	}
	GASSERT_EQ(syscalls, 3);
	GUEST_DONE();
}

CASE(syscall)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_syscall, 0);
	u32 i;

	for (i = 0; i < 3; i++)
		run_sync(v, i);
	run_done(v);
}

/* SWAPGS and TSC_AUX across exits that switch the host's own. */
static void guest_gs(void)
{
	u64 gs = rdmsr(MSR_GS_BASE);
	u32 aux, r[4];

	wrmsr(MSR_KERNEL_GS, 0x12345000);
	asm volatile("swapgs");
	GASSERT_EQ(rdmsr(MSR_GS_BASE), 0x12345000);
	GUEST_SYNC(0);
	GASSERT_EQ(rdmsr(MSR_GS_BASE), 0x12345000);
	GASSERT_EQ(rdmsr(MSR_KERNEL_GS), gs);
	asm volatile("swapgs");
	GASSERT_EQ(rdmsr(MSR_GS_BASE), gs);
	guest_cpuid(0x80000001, 0, r);
	if (r[3] & BIT(27)) {
		wrmsr(MSR_TSC_AUX, 0xabcd);
		GUEST_SYNC(1);
		asm volatile("rdtscp" : "=c"(aux) : : "eax", "edx");
		GASSERT_EQ(aux, 0xabcd);
	} else {
		GUEST_SYNC(1);
	}
	GUEST_DONE();
}

CASE(swapgs_and_tsc_aux)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_gs, 0);

	run_sync(v, 0);
	run_sync(v, 1);
	run_done(v);
}

static void guest_mtrr(void)
{
	u32 r[4];

	guest_cpuid(1, 0, r);
	if (r[3] & BIT(12)) {
		rdmsr_try(0xfe);
		GASSERT_NOTRAP();
		wrmsr_try(0x2ff, 0xc06);
		GASSERT_NOTRAP();
		GASSERT_EQ(rdmsr(0x2ff), 0xc06);
		wrmsr_try(0x200, 0xf0000006);
		GASSERT_NOTRAP();
		GASSERT_EQ(rdmsr(0x200), 0xf0000006);
	}
	wrmsr_try(0x277, 0x0007040600070406);
	GASSERT_NOTRAP();
	GASSERT_EQ(rdmsr(0x277), 0x0007040600070406);
	GUEST_DONE();
}

CASE(mtrr_and_pat)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_mtrr, 0);

	run_done(v);
	CHECK_EQ(get_msr(v, 0x277), 0x0007040600070406);
}

/* RDMSR and WRMSR from user mode are #GP whatever the number. */
static volatile u64 user_gp;

static GUEST_HANDLER void on_user_gp(struct trap *t)
{
	GASSERT_EQ(t->cs, SEL_UCODE64);
	if (++user_gp == 2)
		GUEST_DONE();
	t->rip += 2;
}

__attribute__((naked)) static void user_code(void)
{
	asm volatile("mov $0xc0000100, %ecx\n rdmsr\n wrmsr\n 1: jmp 1b");
}

static void guest_user(void)
{
	guest_on(GP_VECTOR, on_user_gp);
	asm volatile("mov %%rsp, %%rax\n push %0\n push %%rax\n push $2\n push %1\n push %2\n"
		     "iretq"
		     :
		     : "r"((u64)SEL_UDATA), "r"((u64)SEL_UCODE64), "r"(user_code)
		     : "rax", "memory");
}

CASE(user_mode)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_user, 0);
	u64 a;

	for (a = 0x400000; a < FREE_BASE; a += PAGE_SIZE)
		*vm_pte(vm, a) |= PTE_U;
	run_done(v);
}
