// SPDX-License-Identifier: GPL-2.0
/* System and VM ioctls, file lifetimes. Documentation/virt/kvm/api.rst, 4.1 to 4.7. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include "vm.h"

#define SUITE "vm"

static void guest_nop(void)
{
	GUEST_DONE();
}

CASE(api_version)
{
	CHECK_EQ(OK(ioctl(dev_fd(), KVM_GET_API_VERSION, 0)), 12);
	CHECK_ERRNO(ioctl(dev_fd(), KVM_GET_API_VERSION, 1), EINVAL);
}

CASE(unknown_ioctls)
{
	struct vm *vm = vm_create(0);

	CHECK_ERRNO(ioctl(vm->fd, _IO(KVMIO, 0xfe), 0), ENOTTY);
	CHECK_ERRNO(ioctl(vm->fd, KVM_RUN, 0), ENOTTY);
	CHECK_ERRNO(ioctl(vm->fd, _IO('V', 1), 0), ENOTTY);
}

CASE(unknown_device_ioctl, .oracle = "in-tree KVM answers -EINVAL on the device")
{
	CHECK_ERRNO(ioctl(dev_fd(), _IO(KVMIO, 0xfe), 0), ENOTTY);
	CHECK_ERRNO(ioctl(dev_fd(), KVM_RUN, 0), ENOTTY);
}

CASE(unknown_vcpu_ioctl, .oracle = "in-tree KVM answers -EINVAL on a vCPU")
{
	struct vcpu *v = vcpu_add(vm_create(0), 0);

	CHECK_ERRNO(ioctl(v->fd, KVM_CREATE_VCPU, 1), ENOTTY);
	CHECK_ERRNO(ioctl(v->fd, _IO(KVMIO, 0xfe), 0), ENOTTY);
}

CASE(check_extension)
{
	static const long needed[] = {
		KVM_CAP_IRQCHIP,
		KVM_CAP_HLT,
		KVM_CAP_USER_MEMORY,
		KVM_CAP_SET_TSS_ADDR,
		KVM_CAP_EXT_CPUID,
		KVM_CAP_NR_VCPUS,
		KVM_CAP_NR_MEMSLOTS,
		KVM_CAP_MP_STATE,
		KVM_CAP_COALESCED_MMIO,
		KVM_CAP_SYNC_MMU,
		KVM_CAP_IRQ_ROUTING,
		KVM_CAP_DESTROY_MEMORY_REGION_WORKS,
		KVM_CAP_USER_NMI,
		KVM_CAP_SET_GUEST_DEBUG,
		KVM_CAP_IRQFD,
		KVM_CAP_PIT2,
		KVM_CAP_SET_BOOT_CPU_ID,
		KVM_CAP_PIT_STATE2,
		KVM_CAP_IOEVENTFD,
		KVM_CAP_SET_IDENTITY_MAP_ADDR,
		KVM_CAP_ADJUST_CLOCK,
		KVM_CAP_INTERNAL_ERROR_DATA,
		KVM_CAP_VCPU_EVENTS,
		KVM_CAP_DEBUGREGS,
		KVM_CAP_ENABLE_CAP,
		KVM_CAP_XSAVE,
		KVM_CAP_XCRS,
		KVM_CAP_GET_TSC_KHZ,
		KVM_CAP_MAX_VCPUS,
		KVM_CAP_MAX_VCPU_ID,
		KVM_CAP_READONLY_MEM,
		KVM_CAP_SIGNAL_MSI,
		KVM_CAP_IRQFD_RESAMPLE,
		KVM_CAP_IOEVENTFD_ANY_LENGTH,
		KVM_CAP_CHECK_EXTENSION_VM,
		KVM_CAP_IMMEDIATE_EXIT,
		KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
		KVM_CAP_BINARY_STATS_FD,
	};
	struct vm *vm = vm_create(0);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(needed); i++) {
		if (dev_cap(needed[i]) <= 0)
			FAIL("capability %ld is missing", needed[i]);
		if (ioctl(vm->fd, KVM_CHECK_EXTENSION, needed[i]) <= 0)
			FAIL("capability %ld is missing on the VM", needed[i]);
	}
	CHECK_EQ(dev_cap(0x7ffff), 0);
	CHECK_EQ(dev_cap(-1), 0);
	CHECK(dev_cap(KVM_CAP_NR_MEMSLOTS) >= 32);
	CHECK(dev_cap(KVM_CAP_MAX_VCPUS) >= dev_cap(KVM_CAP_NR_VCPUS));
	CHECK(dev_cap(KVM_CAP_MAX_VCPU_ID) >= dev_cap(KVM_CAP_MAX_VCPUS));
}

CASE(create_vm_bad_type)
{
	CHECK_ERRNO(ioctl(dev_fd(), KVM_CREATE_VM, 0x1234), EINVAL);
	CHECK_ERRNO(ioctl(dev_fd(), KVM_CREATE_VM, -1l), EINVAL);
}

CASE(vcpu_mmap_size)
{
	long size = OK(ioctl(dev_fd(), KVM_GET_VCPU_MMAP_SIZE, 0));

	CHECK(size >= (long)sizeof(struct kvm_run));
	CHECK_EQ(size % PAGE_SIZE, 0);
	CHECK_ERRNO(ioctl(dev_fd(), KVM_GET_VCPU_MMAP_SIZE, 1), EINVAL);
}

CASE(vcpu_ids)
{
	struct vm *vm = vm_create(0);
	long max = dev_cap(KVM_CAP_MAX_VCPU_ID);

	OK(ioctl(vm->fd, KVM_CREATE_VCPU, 0));
	CHECK_ERRNO(ioctl(vm->fd, KVM_CREATE_VCPU, 0), EEXIST);
	CHECK_ERRNO(ioctl(vm->fd, KVM_CREATE_VCPU, max), EINVAL);
	CHECK_ERRNO(ioctl(vm->fd, KVM_CREATE_VCPU, -1l), EINVAL);
	OK(ioctl(vm->fd, KVM_CREATE_VCPU, max - 1));
}

CASE(run_page_mapping)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_nop, 0);
	struct kvm_run *again;

	again = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
	CHECK(again != MAP_FAILED);
	v->run->immediate_exit = 1;
	CHECK_EQ(again->immediate_exit, 1);
	again->immediate_exit = 0;
	OK(munmap(again, PAGE_SIZE));
	run_done(v);
}

/* The VM lives as long as any file of it (api.rst, 2 "File descriptors"). */
CASE(vm_fd_closed_first)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_nop, 0);

	OK(close(vm->fd));
	run_done(v);
	vcpu_free(v);
}

CASE(device_fd_closed_first)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_nop, 0);

	OK(close(dev_fd()));
	run_done(v);
}

CASE(dup_fds)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_nop, 0);
	int vm2 = OK(dup(vm->fd)), vcpu2 = OK(dup(v->fd));

	OK(close(vm->fd));
	OK(close(v->fd));
	vm->fd = vm2;
	v->fd = vcpu2;
	run_done(v);
	vcpu_free(v);
	vm_free(vm);
}

/* The mapping of kvm_run outlives the descriptor. */
CASE(run_page_outlives_fds)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_nop, 0);

	run_done(v);
	OK(close(v->fd));
	vm_free(vm);
	CHECK_EQ(v->run->exit_reason, KVM_EXIT_IO);
	v->run->immediate_exit = 1;
}

CASE(many_vms, .timeout = 60)
{
	int i;

	for (i = 0; i < 20; i++) {
		struct vm *vm = vm_create(i & 1 ? VM_IRQCHIP : 0);
		struct vcpu *v = vcpu_new(vm, 0, guest_nop, 0);

		run_done(v);
		vcpu_free(v);
		vm_free(vm);
	}
}

static volatile u64 secret;

static void guest_secret(u64 mine)
{
	int i;

	for (i = 0; i < 3; i++) {
		GASSERT_EQ(secret, i ? mine : 0);
		secret = mine;
		GUEST_SYNC(i);
	}
	GUEST_DONE();
}

CASE(two_vms_are_isolated)
{
	struct vm *a = vm_create(0), *b = vm_create(0);
	struct vcpu *va = vcpu_new(a, 0, guest_secret, 0xaaaa);
	struct vcpu *vb = vcpu_new(b, 0, guest_secret, 0xbbbb);
	int i;

	for (i = 0; i < 3; i++) {
		run_sync(va, i);
		run_sync(vb, i);
		CHECK_EQ(G(a, secret), 0xaaaa);
		CHECK_EQ(G(b, secret), 0xbbbb);
	}
	run_done(va);
	run_done(vb);
}

CASE(boot_cpu_id)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *v0, *v1;

	OK(ioctl(vm->fd, KVM_SET_BOOT_CPU_ID, 1));
	v0 = vcpu_add(vm, 0);
	v1 = vcpu_add(vm, 1);
	CHECK_EQ(get_sregs(v0).apic_base >> 8 & 1, 0);
	CHECK_EQ(get_sregs(v1).apic_base >> 8 & 1, 1);
	CHECK_ERRNO(ioctl(vm->fd, KVM_SET_BOOT_CPU_ID, 0), EBUSY);
}

CASE(set_tss_addr)
{
	struct vm *vm = vm_create(0);

	OK(ioctl(vm->fd, KVM_SET_TSS_ADDR, 0xfffbd000ul));
	CHECK_ERRNO(ioctl(vm->fd, KVM_SET_TSS_ADDR, 0x100000000ul), EINVAL);
}

CASE(set_identity_map_addr)
{
	u64 addr = 0xfffbc000, bad = 0;
	struct vm *vm = vm_create(0);

	OK(ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &addr));
	OK(ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &bad));
	CHECK_ERRNO(ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, 16), EFAULT);
	vcpu_add(vm, 0);
	CHECK_ERRNO(ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &addr), EINVAL);
}

CASE(enable_cap)
{
	struct kvm_enable_cap bad_cap = { .cap = 0x7ffff };
	struct kvm_enable_cap flags = { .cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, .flags = 1 };
	struct kvm_enable_cap args = { .cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
				       .args[0] = 1ull << 60 };
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_add(vm, 0);

	CHECK_ERRNO(ioctl(vm->fd, KVM_ENABLE_CAP, &bad_cap), EINVAL);
	CHECK_ERRNO(ioctl(vm->fd, KVM_ENABLE_CAP, &flags), EINVAL);
	CHECK_ERRNO(ioctl(vm->fd, KVM_ENABLE_CAP, &args), EINVAL);
	CHECK_ERRNO(ioctl(vm->fd, KVM_ENABLE_CAP, 8), EFAULT);
	CHECK_ERRNO(ioctl(v->fd, KVM_ENABLE_CAP, &bad_cap), EINVAL);
}

CASE(bad_pointers)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *v = vcpu_new(vm, 0, guest_nop, 0);
	static const unsigned long on_vcpu[] = {
		KVM_GET_REGS,      KVM_SET_REGS,        KVM_GET_SREGS,       KVM_SET_SREGS,
		KVM_GET_MSRS,      KVM_SET_MSRS,        KVM_SET_CPUID2,      KVM_GET_FPU,
		KVM_SET_FPU,       KVM_GET_LAPIC,       KVM_SET_LAPIC,       KVM_GET_MP_STATE,
		KVM_SET_MP_STATE,  KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS, KVM_GET_DEBUGREGS,
		KVM_SET_DEBUGREGS, KVM_GET_XSAVE,       KVM_SET_XSAVE,       KVM_GET_XCRS,
		KVM_SET_XCRS,      KVM_TRANSLATE,       KVM_SET_GUEST_DEBUG, KVM_SET_SIGNAL_MASK,
	};
	static const unsigned long on_vm[] = {
		KVM_SET_USER_MEMORY_REGION,
		KVM_GET_DIRTY_LOG,
		KVM_GET_IRQCHIP,
		KVM_SET_IRQCHIP,
		KVM_IRQ_LINE,
		KVM_IRQFD,
		KVM_IOEVENTFD,
		KVM_SIGNAL_MSI,
		KVM_SET_GSI_ROUTING,
		KVM_GET_CLOCK,
		KVM_SET_CLOCK,
		KVM_CREATE_PIT2,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(on_vcpu); i++)
		if (ioctl(v->fd, on_vcpu[i], 8) != -1 || errno != EFAULT)
			FAIL("vCPU ioctl %#lx: errno %d, not EFAULT", on_vcpu[i], errno);
	for (i = 0; i < ARRAY_SIZE(on_vm); i++)
		if (ioctl(vm->fd, on_vm[i], 8) != -1 || errno != EFAULT)
			FAIL("VM ioctl %#lx: errno %d, not EFAULT", on_vm[i], errno);
	CHECK_ERRNO(ioctl(dev_fd(), KVM_GET_SUPPORTED_CPUID, 8), EFAULT);
	CHECK_ERRNO(ioctl(dev_fd(), KVM_GET_MSR_INDEX_LIST, 8), EFAULT);
	run_done(v);
}

/* A system call as 32-bit programs make it: what it points to is below 4G. */
static int syscall32(u32 nr, u32 a, u32 b, void *c)
{
	u64 ret = nr;

	asm volatile("int $0x80"
		     : "+a"(ret)
		     : "b"(a), "c"(b), "d"(c)
		     : "memory", "r8", "r9", "r10", "r11");
	return (int)ret;
}

#define IOCTL32  54
#define GETPID32 20

static bool has_syscall32(void)
{
	int status;
	pid_t pid = OK(fork());

	if (!pid)
		_exit(syscall32(GETPID32, 0, 0, NULL) != getpid());
	return waitpid(pid, &status, 0) == pid && !status;
}

static void guest_store(volatile u64 *p)
{
	*p = 1;
	GUEST_DONE();
}

CASE(compat)
{
	static u8 page[PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));
	static struct kvm_regs regs;
	static struct kvm_dirty_log log = { .slot = 1 };
	static struct kvm_clear_dirty_log clear = { .slot = 1, .num_pages = 1 };
	static struct kvm_userspace_memory_region region = {
		.slot = 1,
		.flags = KVM_MEM_LOG_DIRTY_PAGES,
		.guest_phys_addr = HOLE_BASE,
		.memory_size = PAGE_SIZE,
	};
	static u64 bits;
	struct vm *vm;
	struct vcpu *v;

	if (!has_syscall32())
		SKIP("the host does not serve 32-bit programs");
	CHECK_EQ(syscall32(IOCTL32, dev_fd(), KVM_GET_API_VERSION, NULL), 12);
	vm = vm_create(0);
	v = vcpu_new(vm, 0, guest_store, HOLE_BASE);
	region.userspace_addr = (u64)page;
	CHECK_EQ(syscall32(IOCTL32, vm->fd, KVM_SET_USER_MEMORY_REGION, &region), 0);
	CHECK_EQ(syscall32(IOCTL32, v->fd, KVM_GET_REGS, &regs), 0);
	CHECK_EQ(regs.rip, get_regs(v).rip);
	CHECK_EQ(syscall32(IOCTL32, v->fd, KVM_RUN, NULL), 0);
	CHECK(vcpu_take_ucall(v) && v->uc.kind == UCALL_DONE);
	CHECK_EQ(page[0], 1);
	/* 32-bit programs need not fill the other half of a pointer's place. */
	log.padding2 = (u64)&bits | 0xdeadbeefull << 32;
	clear.padding2 = log.padding2;
	CHECK_EQ(syscall32(IOCTL32, vm->fd, KVM_GET_DIRTY_LOG, &log), 0);
	CHECK_EQ(bits, 1);
	CHECK_EQ(syscall32(IOCTL32, vm->fd, KVM_CLEAR_DIRTY_LOG, &clear), 0);
}
