// SPDX-License-Identifier: GPL-2.0
/* MSRs that user space denies or serves itself: api.rst, 4.97 and 7.21. */
#include <string.h>
#include "vm.h"

#define SUITE "msr_filter"

#define NO_MSR 0x00c0ffee

static u8 none[2], all[] = { 0xff, 0xff };

static void filter(struct vm *vm, u32 flags, u32 range_flags, u32 base, u32 n, u8 *bits)
{
	struct kvm_msr_filter f = { .flags = flags };

	f.ranges[0] = (struct kvm_msr_filter_range){
		.flags = range_flags, .base = base, .nmsrs = n, .bitmap = bits
	};
	OK(ioctl(vm->fd, KVM_X86_SET_MSR_FILTER, &f));
}

static void user_msrs(struct vm *vm, u64 reasons)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X86_USER_SPACE_MSR, .args = { reasons } };

	OK(ioctl(vm->fd, KVM_ENABLE_CAP, &cap));
}

static void guest_bases(void)
{
	u64 gs = rdmsr(MSR_KERNEL_GS);

	/* The host now denies reading LSTAR to SFMASK; writing them is allowed. */
	GUEST_SYNC(0);
	wrmsr_try(MSR_LSTAR, 0x1234);
	GASSERT_NOTRAP();
	rdmsr_try(MSR_LSTAR);
	GASSERT_TRAP(13, 0);
	GASSERT_EQ(rdmsr_try(MSR_KERNEL_GS), gs);
	GASSERT_NOTRAP();
	/* No filter again: what the processor serves without an exit is back too. */
	GUEST_SYNC(1);
	GASSERT_EQ(rdmsr_try(MSR_LSTAR), 0x1234);
	GASSERT_NOTRAP();
	/* All is denied but the ranges. */
	GUEST_SYNC(2);
	rdmsr_try(MSR_TSC);
	GASSERT_TRAP(13, 0);
	wrmsr_try(MSR_KERNEL_GS, gs);
	GASSERT_TRAP(13, 0);
	rdmsr_try(MSR_STAR);
	GASSERT_NOTRAP();
	/* Never those of the x2APIC. */
	wrmsr(0x808, 0);
	GUEST_DONE();
}

CASE(passed_msrs)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *v = vcpu_new(vm, 0, guest_bases, 0);

	need_cap(KVM_CAP_X86_MSR_FILTER);
	OK(set_msr(v, MSR_APIC_BASE, 0xfee00d00));
	run_sync(v, 0);
	filter(vm, KVM_MSR_FILTER_DEFAULT_ALLOW, KVM_MSR_FILTER_READ, MSR_LSTAR, 3, none);
	run_sync(v, 1);
	filter(vm, KVM_MSR_FILTER_DEFAULT_ALLOW, 0, 0, 0, NULL);
	run_sync(v, 2);
	filter(vm, KVM_MSR_FILTER_DEFAULT_DENY, KVM_MSR_FILTER_READ, MSR_STAR, 1, all);
	run_done(v);
	/* The host is not filtered. */
	CHECK(get_msr(v, MSR_TSC));
}

static void guest_served(void)
{
	GASSERT_EQ(rdmsr(NO_MSR), 0x1122334455667788);
	wrmsr(NO_MSR, 0x8877665544332211);
	rdmsr_try(NO_MSR);
	GASSERT_TRAP(13, 0);
	wrmsr_try(MSR_APIC_BASE, ~0ull);
	GASSERT_TRAP(13, 0);
	GASSERT_EQ(rdmsr(MSR_LSTAR), 77);
	GUEST_DONE();
}

static void expect_msr(struct vcpu *v, u32 exit, u32 reason, u32 msr)
{
	vcpu_run_exit(v, exit);
	CHECK_EQ(v->run->msr.reason, reason);
	CHECK_EQ(v->run->msr.index, msr);
	CHECK_EQ(v->run->msr.error, 0);
}

CASE(served_by_user_space)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_served, 0);

	need_cap(KVM_CAP_X86_USER_SPACE_MSR);
	user_msrs(vm, KVM_MSR_EXIT_REASON_UNKNOWN | KVM_MSR_EXIT_REASON_FILTER |
			      KVM_MSR_EXIT_REASON_INVAL);
	filter(vm, KVM_MSR_FILTER_DEFAULT_ALLOW, KVM_MSR_FILTER_READ, MSR_LSTAR, 1, none);
	expect_msr(v, KVM_EXIT_X86_RDMSR, KVM_MSR_EXIT_REASON_UNKNOWN, NO_MSR);
	v->run->msr.data = 0x1122334455667788;
	expect_msr(v, KVM_EXIT_X86_WRMSR, KVM_MSR_EXIT_REASON_UNKNOWN, NO_MSR);
	CHECK_EQ(v->run->msr.data, 0x8877665544332211);
	expect_msr(v, KVM_EXIT_X86_RDMSR, KVM_MSR_EXIT_REASON_UNKNOWN, NO_MSR);
	v->run->msr.error = 1;
	expect_msr(v, KVM_EXIT_X86_WRMSR, KVM_MSR_EXIT_REASON_INVAL, MSR_APIC_BASE);
	v->run->msr.error = 1;
	expect_msr(v, KVM_EXIT_X86_RDMSR, KVM_MSR_EXIT_REASON_FILTER, MSR_LSTAR);
	v->run->msr.data = 77;
	run_done(v);
}

static void guest_gp(void)
{
	rdmsr_try(NO_MSR);
	GASSERT_TRAP(13, 0);
	GUEST_DONE();
}

/* What user space did not ask for is the guest's fault. */
CASE(not_asked_for)
{
	struct vm *vm = vm_create(0);

	need_cap(KVM_CAP_X86_USER_SPACE_MSR);
	user_msrs(vm, KVM_MSR_EXIT_REASON_FILTER);
	run_done(vcpu_new(vm, 0, guest_gp, 0));
}

CASE(bad_arguments)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X86_USER_SPACE_MSR };
	struct vm *vm = vm_create(0);
	struct kvm_msr_filter f = { .flags = KVM_MSR_FILTER_DEFAULT_DENY };

	need_cap(KVM_CAP_X86_MSR_FILTER);
	CHECK_ERRNO(ioctl(vm->fd, KVM_X86_SET_MSR_FILTER, &f), EINVAL);
	f.flags = 2;
	CHECK_ERRNO(ioctl(vm->fd, KVM_X86_SET_MSR_FILTER, &f), EINVAL);
	f.flags = 0;
	f.ranges[3] = (struct kvm_msr_filter_range){ .flags = 4, .nmsrs = 1, .bitmap = all };
	CHECK_ERRNO(ioctl(vm->fd, KVM_X86_SET_MSR_FILTER, &f), EINVAL);
	f.ranges[3].flags = KVM_MSR_FILTER_READ;
	f.ranges[3].nmsrs = KVM_MSR_FILTER_MAX_BITMAP_SIZE * 8 + 1;
	CHECK_ERRNO(ioctl(vm->fd, KVM_X86_SET_MSR_FILTER, &f), EINVAL);
	f.ranges[3].nmsrs = 8;
	f.ranges[3].bitmap = (u8 *)8;
	CHECK_ERRNO(ioctl(vm->fd, KVM_X86_SET_MSR_FILTER, &f), EFAULT);
	cap.args[0] = 1ull << 20;
	CHECK_ERRNO(ioctl(vm->fd, KVM_ENABLE_CAP, &cap), EINVAL);
}
