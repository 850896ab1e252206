// SPDX-License-Identifier: GPL-2.0
/* Our own hypercalls: uapi/linux/vmm.h, VMM_CAP_HYPERCALLS. */
#include <linux/kvm_para.h>
#include <linux/vmm.h>
#include <string.h>
#include "vm.h"

#define SUITE "own_calls"

#define PAGE FREE_BASE

static void need_calls(void)
{
	if (test_is_oracle())
		SKIP("in-tree KVM has none");
	CHECK_EQ(dev_cap(VMM_CAP_HYPERCALLS), VMM_HC_MASK);
}

static int enable(struct vm *vm, u64 mask)
{
	struct kvm_enable_cap cap = { .cap = VMM_CAP_HYPERCALLS, .args = { mask } };

	return ioctl(vm->fd, KVM_ENABLE_CAP, &cap);
}

static u64 call(u64 nr, u64 a0, u64 a1)
{
	return hypercall(VMM_HC(nr), a0, a1, 3, 4);
}

static volatile u64 ns;

static void guest_off(void)
{
	u64 i;

	for (i = 0; i <= VMM_HC_CALLS; i++)
		GASSERT_EQ(call(i, 0, 0), (u64)-KVM_ENOSYS);
	wrmsr_try(MSR_VMM_HYPERCALL_PAGE, PAGE | VMM_HYPERCALL_PAGE_ON);
	GASSERT_TRAP(GP_VECTOR, 0);
	rdmsr_try(MSR_VMM_HYPERCALL_PAGE);
	GASSERT_TRAP(GP_VECTOR, 0);
	GUEST_DONE();
}

/* Nothing is there that user space has not switched on. */
CASE(off)
{
	struct vm *vm = vm_create(0);

	need_calls();
	run_done(vcpu_new(vm, 0, guest_off, 0));
	CHECK_ERRNO(enable(vm, VMM_HC_MASK + 1), EINVAL);
	CHECK_ERRNO(enable(vm, ~0ull), EINVAL);
}

static void guest_kernel_calls(void)
{
	u64 first;

	GASSERT_EQ(call(VMM_HC_QUERY, 0, 0), VMM_HC_VERSION << 24 | VMM_HC_MASK);
	GASSERT_EQ(call(VMM_HC_YIELD, 0, 0), 0);
	GASSERT_EQ(call(VMM_HC_CLOCK, (u64)&ns, 0), 0);
	first = ns;
	GASSERT_EQ(call(VMM_HC_CLOCK, (u64)&ns, 0), 0);
	GASSERT(first && ns > first);
	GASSERT_EQ(call(VMM_HC_CLOCK, HOLE_BASE, 0), (u64)-KVM_EFAULT);
	GASSERT_EQ(call(VMM_HC_CALLS, 0, 0), (u64)-KVM_ENOSYS);
	GUEST_SYNC2(1, ns, 0);
	/* Some, one by one. */
	GASSERT_EQ(call(VMM_HC_QUERY, 0, 0), VMM_HC_VERSION << 24 | 1);
	GASSERT_EQ(call(VMM_HC_YIELD, 0, 0), (u64)-KVM_ENOSYS);
	GUEST_DONE();
}

CASE(kernel)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_kernel_calls, 0);
	struct kvm_clock_data clock;
	u64 calls;

	need_calls();
	OK(enable(vm, VMM_HC_MASK));
	run_sync(v, 1);
	OK(ioctl(vm->fd, KVM_GET_CLOCK, &clock));
	CHECK(clock.clock >= v->uc.args[1]);
	CHECK(clock.clock < v->uc.args[1] + 3600000000000);
	OK(enable(vm, 1 << VMM_HC_QUERY));
	run_done(v);
	CHECK(vcpu_stat(v, "own_hypercalls", &calls));
	CHECK_EQ(calls, 6);
}

static void guest_user_call(u64 nr)
{
	GASSERT_EQ(call(nr, 0x1234, 0x56789abcdef0), 1000 + nr);
	GUEST_DONE();
}

CASE(user)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, NULL, 0);
	u64 nr;

	need_calls();
	OK(enable(vm, VMM_HC_MASK));
	for (nr = 0; nr < VMM_HC_CALLS; nr++) {
		if (!(VMM_HC_USER_MASK & BIT(nr)))
			continue;
		vcpu_call(v, guest_user_call, nr);
		vcpu_run_exit(v, KVM_EXIT_HYPERCALL);
		CHECK_EQ(v->run->hypercall.nr, VMM_HC(nr));
		CHECK_EQ(v->run->hypercall.args[0], 0x1234);
		CHECK_EQ(v->run->hypercall.args[1], 0x56789abcdef0);
		CHECK_EQ(v->run->hypercall.args[2], 3);
		CHECK_EQ(v->run->hypercall.args[3], 4);
		v->run->hypercall.ret = 1000 + nr;
		run_done(v);
	}
}

/* ---- the page ---- */

static void guest_page(void)
{
	u64 ret;

	wrmsr(MSR_VMM_HYPERCALL_PAGE, PAGE | VMM_HYPERCALL_PAGE_ON);
	GASSERT_EQ(rdmsr(MSR_VMM_HYPERCALL_PAGE), PAGE | VMM_HYPERCALL_PAGE_ON);
	asm volatile("call *%1" : "=a"(ret) : "r"(PAGE), "0"(VMM_HC(VMM_HC_QUERY)) : "memory");
	GASSERT_EQ(ret, VMM_HC_VERSION << 24 | VMM_HC_MASK);
	wrmsr_try(MSR_VMM_HYPERCALL_PAGE, PAGE | 2);
	GASSERT_TRAP(GP_VECTOR, 0);
	wrmsr_try(MSR_VMM_HYPERCALL_PAGE, HOLE_BASE | VMM_HYPERCALL_PAGE_ON);
	GASSERT_TRAP(GP_VECTOR, 0);
	wrmsr_try(MSR_VMM_HYPERCALL_PAGE, 0xfffffffffffff001);
	GASSERT_TRAP(GP_VECTOR, 0);
	GUEST_DONE();
}

/* As state it is an address: the memory that it points to has its own way. */
CASE(page)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_page, 0), *other;

	need_calls();
	OK(enable(vm, VMM_HC_MASK));
	run_done(v);
	other = vcpu_add(vm_create(0), 0);
	CHECK_EQ(set_msr(other, MSR_VMM_HYPERCALL_PAGE, get_msr(v, MSR_VMM_HYPERCALL_PAGE)), 1);
	CHECK_EQ(get_msr(other, MSR_VMM_HYPERCALL_PAGE), PAGE | VMM_HYPERCALL_PAGE_ON);
	CHECK_EQ(*(u32 *)gpa_hva(other->vm, PAGE), 0);
	CHECK_EQ(set_msr(other, MSR_VMM_HYPERCALL_PAGE, PAGE | 2), 0);
}

/* ---- who may ---- */

static GUEST_HANDLER void on_user_hlt(struct trap *t)
{
	GASSERT_EQ(t->cs, SEL_UCODE64);
	GASSERT_EQ(t->rax, (u64)-KVM_EPERM);
	GUEST_DONE();
}

__attribute__((naked)) static void user_amd(void)
{
	asm volatile("vmmcall\n hlt");
}

__attribute__((naked)) static void user_intel(void)
{
	asm volatile("vmcall\n hlt");
}

static void guest_user_mode(void)
{
	u32 r[4];
	void (*code)(void);

	guest_cpuid(0, 0, r);
	code = r[2] == 0x444d4163 ? user_amd : user_intel;
	guest_on(GP_VECTOR, on_user_hlt);
	asm volatile("mov %%rsp, %%rdx\n push %0\n push %%rdx\n push $2\n push %1\n push %2\n"
		     "iretq"
		     :
		     : "r"((u64)SEL_UDATA), "r"((u64)SEL_UCODE64), "r"(code),
		       "a"(VMM_HC(VMM_HC_QUERY))
		     : "rdx", "memory");
}

CASE(user_mode)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_user_mode, 0);
	u64 a;

	need_calls();
	OK(enable(vm, VMM_HC_MASK));
	for (a = 0x400000; a < FREE_BASE; a += PAGE_SIZE)
		*vm_pte(vm, a) |= PTE_U;
	run_done(v);
}
