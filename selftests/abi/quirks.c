// SPDX-License-Identifier: GPL-2.0
/* Habits of KVM that user space may switch off: api.rst, KVM_CAP_DISABLE_QUIRKS2 and its like. */
#include <string.h>
#include "vm.h"

#define SUITE "quirks"

#define MSR_PLATFORM_INFO 0xce

static int enable(struct vm *vm, u32 cap, u64 arg)
{
	struct kvm_enable_cap c = { .cap = cap, .args = { arg } };

	return ioctl(vm->fd, KVM_ENABLE_CAP, &c);
}

static const u8 vmcall[] = { 0x0f, 0x01, 0xc1, 0xc3 }, vmmcall[] = { 0x0f, 0x01, 0xd9, 0xc3 };
static u8 code[4];

/* The hypercall instruction of the other vendor. */
static void guest_other_vendor(u64 expect)
{
	u32 r[4];
	bool amd;
	u64 ret = 1;

	guest_cpuid(0, 0, r);
	amd = r[2] == 0x444d4163;
	__builtin_memcpy(code, amd ? vmcall : vmmcall, 4);
	TRY("call *%1", : "+a"(ret) : "r"(code) : "memory");
	GASSERT_EQ(this_cpu()->trapped, 0);
	GASSERT_EQ(ret, expect);
	GASSERT_EQ(code[2], (amd ? vmmcall : vmcall)[2]);
	GUEST_DONE();
}

/* RAX = 1 is KVM_HC_VAPIC_POLL_IRQ, which does nothing. */
CASE(hypercall_fixed)
{
	need_cap(KVM_CAP_DISABLE_QUIRKS2);
	run_done(vcpu_new(vm_create(0), 0, guest_other_vendor, 0));
}

/* In 32-bit code that begins at the end of the linear addresses: they wrap. */
BLOB(vmcall_32, 32, "mov $1, %eax\n vmcall\n out %eax, $0x81\n hlt\n");
BLOB(vmmcall_32, 32, "mov $1, %eax\n vmmcall\n out %eax, $0x81\n hlt\n");

CASE(hypercall_fixed_32)
{
	bool amd = cpuid_entry(supported_cpuid(), 0, 0)->ecx == 0x444d4163;
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_add(vm, 0);
	struct kvm_sregs s;

	need_cap(KVM_CAP_DISABLE_QUIRKS2);
	if (amd)
		load_blob(vm, REAL_BASE, vmcall_32);
	else
		load_blob(vm, REAL_BASE, vmmcall_32);
	vcpu_set_mode(v, VCPU_PROT32, REAL_BASE + PAGE_SIZE);
	s = get_sregs(v);
	s.cs.base = (u32)-PAGE_SIZE;
	set_sregs(v, &s);
	vcpu_run_exit(v, KVM_EXIT_IO);
	CHECK_EQ(*(u32 *)((u8 *)v->run + v->run->io.data_offset), 0);
	vcpu_run_exit(v, KVM_EXIT_HLT);
}

static void guest_ud(struct trap *t)
{
	t->rip += 3;
	t->rax = 77;
}

static void guest_not_fixed(void)
{
	u64 ret = 1;
	u32 r[4];

	guest_on(6, guest_ud);
	guest_cpuid(0, 0, r);
	if (r[2] == 0x444d4163)
		asm volatile("vmcall" : "+a"(ret) : : "memory");
	else
		asm volatile("vmmcall" : "+a"(ret) : : "memory");
	GASSERT_EQ(ret, 77);
	GUEST_DONE();
}

CASE(hypercall_not_fixed)
{
	struct vm *vm = vm_create(0);

	if (!(dev_cap(KVM_CAP_DISABLE_QUIRKS2) & KVM_X86_QUIRK_FIX_HYPERCALL_INSN))
		SKIP("the quirk cannot be switched off");
	OK(enable(vm, KVM_CAP_DISABLE_QUIRKS2, KVM_X86_QUIRK_FIX_HYPERCALL_INSN));
	run_done(vcpu_new(vm, 0, guest_not_fixed, 0));
}

static void guest_monitor(u64 faults)
{
	TRY("monitor", : : "a"(code), "c"(0), "d"(0) : "memory");
	GASSERT_EQ(this_cpu()->trapped, faults);
	TRY("mwait", : : "a"(0), "c"(0) : "memory");
	GASSERT_EQ(this_cpu()->trapped, faults);
	GUEST_DONE();
}

CASE(mwait)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_monitor, 0);
	struct kvm_cpuid2 *c = supported_cpuid();

	if (!(dev_cap(KVM_CAP_DISABLE_QUIRKS2) & KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS))
		SKIP("the quirk cannot be switched off");
	cpuid_entry(c, 1, 0)->ecx &= ~(1u << 3);
	OK(ioctl(v->fd, KVM_SET_CPUID2, c));
	run_done(v);
	OK(enable(vm, KVM_CAP_DISABLE_QUIRKS2, KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS));
	vcpu_call(v, guest_monitor, 1);
	run_done(v);
	/* The set is replaced. */
	OK(enable(vm, KVM_CAP_DISABLE_QUIRKS, 0));
	vcpu_call(v, guest_monitor, 0);
	run_done(v);
}

/* Without exits it is the processor's MWAIT that the guest executes: nobody looks at its CPUID. */
CASE(mwait_without_exits)
{
	struct vm *vm = vm_create(0);
	struct kvm_cpuid2 *c = supported_cpuid();
	struct vcpu *v;

	if (!(dev_cap(KVM_CAP_DISABLE_QUIRKS2) & KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS))
		SKIP("the quirk cannot be switched off");
	if (!(dev_cap(KVM_CAP_X86_DISABLE_EXITS) & KVM_X86_DISABLE_EXITS_MWAIT))
		SKIP("the processor has no MWAIT");
	OK(enable(vm, KVM_CAP_DISABLE_QUIRKS2, KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS));
	OK(enable(vm, KVM_CAP_X86_DISABLE_EXITS, KVM_X86_DISABLE_EXITS_MWAIT));
	v = vcpu_new(vm, 0, guest_monitor, 0);
	cpuid_entry(c, 1, 0)->ecx &= ~(1u << 3);
	OK(ioctl(v->fd, KVM_SET_CPUID2, c));
	run_done(v);
}

CASE(unknown_quirk)
{
	need_cap(KVM_CAP_DISABLE_QUIRKS2);
	CHECK_ERRNO(enable(vm_create(0), KVM_CAP_DISABLE_QUIRKS2, 1ull << 40), EINVAL);
}

static void guest_platform(u64 expect)
{
	u64 val = rdmsr_try(MSR_PLATFORM_INFO);

	GASSERT_EQ(this_cpu()->trapped, expect == -1ull);
	if (!this_cpu()->trapped)
		GASSERT_EQ(val, expect);
	wrmsr_try(MSR_PLATFORM_INFO, expect);
	GASSERT_TRAP(13, 0);
	GUEST_DONE();
}

CASE(platform_info)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_platform, 0xff00);

	need_cap(KVM_CAP_MSR_PLATFORM_INFO);
	CHECK_EQ(set_msr(v, MSR_PLATFORM_INFO, 0xff00), 1);
	run_done(v);
	OK(enable(vm, KVM_CAP_MSR_PLATFORM_INFO, 0));
	vcpu_call(v, guest_platform, -1);
	run_done(v);
	CHECK_EQ(get_msr(v, MSR_PLATFORM_INFO), 0xff00);
}

CASE(nr_mmu_pages)
{
	struct vm *vm = vm_create(0);

	need_cap(KVM_CAP_MMU_SHADOW_CACHE_CONTROL);
	CHECK_ERRNO(ioctl(vm->fd, KVM_SET_NR_MMU_PAGES, 1), EINVAL);
	OK(ioctl(vm->fd, KVM_SET_NR_MMU_PAGES, 100));
	CHECK_EQ(ioctl(vm->fd, KVM_GET_NR_MMU_PAGES, 0), 100);
}
