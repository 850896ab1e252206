// SPDX-License-Identifier: GPL-2.0
/* VMs in different states, and the table of ioctls, for the tests of bad input. See badinput.h. */
#include <string.h>
#include <unistd.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include "badinput.h"

#define NUMBER(file, nr)                         \
	{                                        \
#nr, nr, file, ARG_NONE, 0, 0, 0 \
	}
#define IN(file, nr)                                       \
	{                                                  \
#nr, nr, file, ARG_IN, _IOC_SIZE(nr), 0, 0 \
	}
#define OUT(file, nr)                                       \
	{                                                   \
#nr, nr, file, ARG_OUT, _IOC_SIZE(nr), 0, 0 \
	}
#define INOUT(file, nr)                                       \
	{                                                     \
#nr, nr, file, ARG_INOUT, _IOC_SIZE(nr), 0, 0 \
	}
#define LIST(file, kind, nr, el, n)                               \
	{                                                         \
#nr, nr, file, kind, _IOC_SIZE(nr), sizeof(el), n \
	}
/* Its number says nothing of a structure. */
#define IN_UNSAID(file, nr, type)                         \
	{                                                 \
#nr, nr, file, ARG_IN, sizeof(type), 0, 0 \
	}

const struct ioctl_info served_ioctls[] = {
	NUMBER(DEVICE, KVM_GET_API_VERSION),
	NUMBER(DEVICE, KVM_CREATE_VM),
	LIST(DEVICE, ARG_INOUT, KVM_GET_MSR_INDEX_LIST, u32, 1024),
	NUMBER(DEVICE, KVM_CHECK_EXTENSION),
	NUMBER(DEVICE, KVM_GET_VCPU_MMAP_SIZE),
	LIST(DEVICE, ARG_INOUT, KVM_GET_SUPPORTED_CPUID, struct kvm_cpuid_entry2, 256),
	LIST(DEVICE, ARG_INOUT, KVM_GET_EMULATED_CPUID, struct kvm_cpuid_entry2, 256),
	LIST(DEVICE, ARG_INOUT, KVM_GET_MSR_FEATURE_INDEX_LIST, u32, 1024),
	LIST(DEVICE, ARG_INOUT, KVM_GET_MSRS, struct kvm_msr_entry, 1),
	OUT(DEVICE, KVM_X86_GET_MCE_CAP_SUPPORTED),

	NUMBER(VM, KVM_CHECK_EXTENSION),
	NUMBER(VM, KVM_CREATE_VCPU),
	IN(VM, KVM_GET_DIRTY_LOG),
	NUMBER(VM, KVM_SET_NR_MMU_PAGES),
	NUMBER(VM, KVM_GET_NR_MMU_PAGES),
	IN(VM, KVM_SET_USER_MEMORY_REGION),
	NUMBER(VM, KVM_SET_TSS_ADDR),
	IN(VM, KVM_SET_IDENTITY_MAP_ADDR),
	NUMBER(VM, KVM_CREATE_IRQCHIP),
	IN(VM, KVM_IRQ_LINE),
	INOUT(VM, KVM_GET_IRQCHIP),
	IN(VM, KVM_SET_IRQCHIP),
	INOUT(VM, KVM_IRQ_LINE_STATUS),
	IN(VM, KVM_REGISTER_COALESCED_MMIO),
	IN(VM, KVM_UNREGISTER_COALESCED_MMIO),
	LIST(VM, ARG_IN, KVM_SET_GSI_ROUTING, struct kvm_irq_routing_entry, 1),
	IN_UNSAID(VM, KVM_REINJECT_CONTROL, struct kvm_reinject_control),
	IN(VM, KVM_IRQFD),
	IN(VM, KVM_CREATE_PIT2),
	NUMBER(VM, KVM_SET_BOOT_CPU_ID),
	IN(VM, KVM_IOEVENTFD),
	IN(VM, KVM_SET_CLOCK),
	OUT(VM, KVM_GET_CLOCK),
	OUT(VM, KVM_GET_PIT2),
	IN(VM, KVM_SET_PIT2),
	NUMBER(VM, KVM_SET_TSC_KHZ),
	NUMBER(VM, KVM_GET_TSC_KHZ),
	IN(VM, KVM_ENABLE_CAP),
	IN(VM, KVM_SIGNAL_MSI),
	IN(VM, KVM_CLEAR_DIRTY_LOG),
	IN(VM, KVM_X86_SET_MSR_FILTER),
	NUMBER(VM, KVM_RESET_DIRTY_RINGS),
	NUMBER(VM, KVM_GET_STATS_FD),

	NUMBER(VCPU, KVM_RUN),
	OUT(VCPU, KVM_GET_REGS),
	IN(VCPU, KVM_SET_REGS),
	OUT(VCPU, KVM_GET_SREGS),
	IN(VCPU, KVM_SET_SREGS),
	INOUT(VCPU, KVM_TRANSLATE),
	IN(VCPU, KVM_INTERRUPT),
	LIST(VCPU, ARG_INOUT, KVM_GET_MSRS, struct kvm_msr_entry, 1),
	LIST(VCPU, ARG_IN, KVM_SET_MSRS, struct kvm_msr_entry, 1),
	LIST(VCPU, ARG_IN, KVM_SET_SIGNAL_MASK, u8, 8),
	OUT(VCPU, KVM_GET_FPU),
	IN(VCPU, KVM_SET_FPU),
	OUT(VCPU, KVM_GET_LAPIC),
	IN(VCPU, KVM_SET_LAPIC),
	LIST(VCPU, ARG_IN, KVM_SET_CPUID2, struct kvm_cpuid_entry2, 1),
	LIST(VCPU, ARG_INOUT, KVM_GET_CPUID2, struct kvm_cpuid_entry2, 256),
	INOUT(VCPU, KVM_TPR_ACCESS_REPORTING),
	IN(VCPU, KVM_SET_VAPIC_ADDR),
	OUT(VCPU, KVM_GET_MP_STATE),
	IN(VCPU, KVM_SET_MP_STATE),
	NUMBER(VCPU, KVM_NMI),
	IN(VCPU, KVM_SET_GUEST_DEBUG),
	IN(VCPU, KVM_X86_SETUP_MCE),
	IN(VCPU, KVM_X86_SET_MCE),
	OUT(VCPU, KVM_GET_VCPU_EVENTS),
	IN(VCPU, KVM_SET_VCPU_EVENTS),
	OUT(VCPU, KVM_GET_DEBUGREGS),
	IN(VCPU, KVM_SET_DEBUGREGS),
	NUMBER(VCPU, KVM_SET_TSC_KHZ),
	NUMBER(VCPU, KVM_GET_TSC_KHZ),
	IN(VCPU, KVM_ENABLE_CAP),
	OUT(VCPU, KVM_GET_XSAVE),
	IN(VCPU, KVM_SET_XSAVE),
	OUT(VCPU, KVM_GET_XCRS),
	IN(VCPU, KVM_SET_XCRS),
	NUMBER(VCPU, KVM_KVMCLOCK_CTRL),
	OUT(VCPU, KVM_GET_SREGS2),
	IN(VCPU, KVM_SET_SREGS2),
	NUMBER(VCPU, KVM_GET_STATS_FD),
	OUT(VCPU, KVM_GET_XSAVE2),
	IN(VCPU, KVM_SET_DEVICE_ATTR),
	IN(VCPU, KVM_GET_DEVICE_ATTR),
	IN(VCPU, KVM_HAS_DEVICE_ATTR),
};

const size_t served_count = ARRAY_SIZE(served_ioctls);

bool ioctl_served(enum bad_file file, unsigned int nr)
{
	size_t i;

	for (i = 0; i < served_count; i++)
		if (served_ioctls[i].file == file && served_ioctls[i].nr == nr)
			return true;
	return false;
}

/* ---- VMs ---- */

static struct {
	struct vm *vm;
	struct vcpu *vcpu;
} worlds[WORLDS];

static void guest_nop(void)
{
	GUEST_DONE();
}

static void enable(struct vm *vm, u32 cap, u64 arg)
{
	struct kvm_enable_cap c = { .cap = cap, .args[0] = arg };

	OK(ioctl(vm->fd, KVM_ENABLE_CAP, &c));
}

static void make_fds(void)
{
	static bool done;
	int fd;

	if (done)
		return;
	done = true;
	fd = OK(eventfd(0, 0));
	OK(dup2(fd, FD_USED));
	fd = OK(eventfd(0, 0));
	OK(dup2(fd, FD_EVENT));
	fd = OK(memfd_create("other", 0));
	OK(dup2(fd, FD_OTHER));
	close(FD_CLOSED);
}

static void use_fds(struct vm *vm)
{
	struct kvm_ioeventfd io = {
		.addr = 0x7000,
		.len = 4,
		.fd = FD_USED,
		.flags = KVM_IOEVENTFD_FLAG_PIO,
	};
	struct kvm_irqfd irq = { .fd = FD_USED, .gsi = 5 };

	make_fds();
	OK(ioctl(vm->fd, KVM_IOEVENTFD, &io));
	if (vm->irqchip)
		OK(ioctl(vm->fd, KVM_IRQFD, &irq));
}

static struct vm *make_vm(enum bad_world world)
{
	bool pit = world == CHIP || world == RAN;
	struct vm *vm = vm_create(pit ? VM_PIT : world == EMPTY_CHIP ? VM_IRQCHIP : 0);

	vm_add_ram(vm, LOGGED_SLOT, KVM_MEM_LOG_DIRTY_PAGES, LOGGED_GPA, LOGGED_SIZE);
	if (world == SPLIT)
		enable(vm, KVM_CAP_SPLIT_IRQCHIP, 24);
	if (world == RINGS)
		enable(vm, KVM_CAP_DIRTY_LOG_RING, 65536);
	use_fds(vm);
	return vm;
}

static void make_world(enum bad_world world)
{
	struct vm *vm = make_vm(world);

	worlds[world].vm = vm;
	if (world == EMPTY || world == EMPTY_CHIP)
		return;
	worlds[world].vcpu = vcpu_new(vm, 0, guest_nop, 0);
	if (world == RAN)
		run_done(worlds[world].vcpu);
}

int world_fd(enum bad_world world, enum bad_file file)
{
	if (file == DEVICE)
		return dev_fd();
	if (!worlds[world].vm)
		make_world(world);
	if (file == VM)
		return worlds[world].vm->fd;
	if (!worlds[world].vcpu)
		FAIL("world %d has no vCPU", world);
	return worlds[world].vcpu->fd;
}

void worlds_live(void)
{
	int i;

	for (i = 0; i < WORLDS; i++) {
		if (!worlds[i].vm)
			continue;
		if (worlds[i].vcpu)
			vcpu_call(worlds[i].vcpu, guest_nop, 0);
		else
			worlds[i].vcpu = vcpu_new(worlds[i].vm, 0, guest_nop, 0);
		run_done(worlds[i].vcpu);
	}
}

/* ---- arguments ---- */

#define ARG_PAGES 8

static u8 *arg_area(void)
{
	static u8 *area;

	if (area)
		return area;
	area = mmap(NULL, (ARG_PAGES + 1) * PAGE_SIZE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(area != MAP_FAILED);
	OK(munmap(area + ARG_PAGES * PAGE_SIZE, PAGE_SIZE));
	return area;
}

void *arg_at_end(u32 size)
{
	CHECK(size <= ARG_PAGES * PAGE_SIZE);
	memset(arg_area(), 0, ARG_PAGES * PAGE_SIZE);
	return arg_area() + ARG_PAGES * PAGE_SIZE - size;
}

void arg_protect(bool readonly)
{
	OK(mprotect(arg_area(), ARG_PAGES * PAGE_SIZE,
		    readonly ? PROT_READ : PROT_READ | PROT_WRITE));
}
