// SPDX-License-Identifier: GPL-2.0
/* The ioctls of a VM: a table, and handlers of a few lines that call the rooms. */
#include <linux/compat.h>
#include <linux/vmm.h>

#include "backend.h"
#include "caps.h"
#include "cpu/cpu.h"
#include "ioctl.h"

#define MMU_PAGES_MIN 64	/* KVM_SET_NR_MMU_PAGES */

static long do_check_extension(struct ioctl_call *call)
{
	return vm_check_extension(call->vm, call->value);
}

static long do_enable_cap(struct ioctl_call *call)
{
	return vm_enable_cap(call->vm, call->arg);
}

static long do_create_vcpu(struct ioctl_call *call)
{
	if (call->value != (u32)call->value)
		return -EINVAL;
	return vcpu_create_fd(call->vm, call->value);
}

static long do_set_memory(struct ioctl_call *call)
{
	return memory_set_region(call->vm, call->arg);
}

/* 32-bit clients fill only half of the union that a pointer is in. */
static void __user *client_ptr(void __user *ptr)
{
	return in_compat_syscall() ? compat_ptr((unsigned long)ptr) : ptr;
}

static long do_get_dirty_log(struct ioctl_call *call)
{
	struct kvm_dirty_log *log = call->arg;

	log->dirty_bitmap = client_ptr(log->dirty_bitmap);
	return memory_get_dirty_log(call->vm, log);
}

static long do_clear_dirty_log(struct ioctl_call *call)
{
	struct kvm_clear_dirty_log *log = call->arg;

	log->dirty_bitmap = client_ptr(log->dirty_bitmap);
	return memory_clear_dirty_log(call->vm, log);
}

static long do_reset_rings(struct ioctl_call *call)
{
	return ring_reset(call->vm);
}

/* A task state segment for real mode is not needed: only the range is checked. */
static long do_set_tss_addr(struct ioctl_call *call)
{
	if (call->value > U32_MAX - 3 * PAGE_SIZE)
		return -EINVAL;
	call->vm->tss_addr = call->value;
	return 0;
}

/* The nested tables are as large as the memory needs: the limit is checked and kept. */
static long do_set_mmu_pages(struct ioctl_call *call)
{
	if (call->value < MMU_PAGES_MIN || call->value != (u32)call->value)
		return -EINVAL;
	call->vm->mmu_pages = call->value;
	return 0;
}

static long do_get_mmu_pages(struct ioctl_call *call)
{
	return call->vm->mmu_pages;
}

static long do_set_identity_map(struct ioctl_call *call)
{
	if (call->vm->created_vcpus)
		return -EINVAL;
	call->vm->identity_map_addr = *(u64 *)call->arg;
	return 0;
}

static long do_set_boot_cpu(struct ioctl_call *call)
{
	if (call->vm->created_vcpus)
		return -EBUSY;
	call->vm->boot_vcpu_id = call->value;
	return 0;
}

static long do_create_irqchip(struct ioctl_call *call)
{
	return irqchip_create(call->vm);
}

static long do_get_irqchip(struct ioctl_call *call)
{
	return irqchip_state(call->vm, call->arg, false);
}

static long do_set_irqchip(struct ioctl_call *call)
{
	return irqchip_state(call->vm, call->arg, true);
}

static long do_create_pit(struct ioctl_call *call)
{
	return pit_create(call->vm, call->arg);
}

static long do_get_pit(struct ioctl_call *call)
{
	return pit_get(call->vm, call->arg);
}

static long do_set_pit(struct ioctl_call *call)
{
	return pit_set(call->vm, call->arg);
}

static long do_reinject(struct ioctl_call *call)
{
	return pit_reinject(call->vm, call->arg);
}

static long do_irq_line(struct ioctl_call *call)
{
	struct kvm_irq_level *line = call->arg;

	if (!irqchip_in_kernel(&call->vm->irq))
		return -ENXIO;
	line->status = irq_set_gsi(call->vm, line->irq, IRQ_SOURCE_USER, line->level);
	return 0;
}

static long do_signal_msi(struct ioctl_call *call)
{
	if (!irqchip_in_kernel(&call->vm->irq))
		return -EINVAL;
	return irq_send_msi(call->vm, call->arg);
}

static long do_set_routing(struct ioctl_call *call)
{
	struct kvm_irq_routing *routing = call->arg;

	if (!irqchip_in_kernel(&call->vm->irq))
		return -EINVAL;
	return irq_set_routing(call->vm, routing->entries, call->tail, routing->flags);
}

static long do_irqfd(struct ioctl_call *call)
{
	return irqfd_assign(call->vm, call->arg);
}

static long do_ioeventfd(struct ioctl_call *call)
{
	return ioeventfd_assign(call->vm, call->arg);
}

static long do_coalesce(struct ioctl_call *call)
{
	return coalesced_register(call->vm, call->arg);
}

static long do_uncoalesce(struct ioctl_call *call)
{
	return coalesced_unregister(call->vm, call->arg);
}

static long do_get_clock(struct ioctl_call *call)
{
	return clock_get(call->vm, call->arg);
}

static long do_set_clock(struct ioctl_call *call)
{
	return clock_set(call->vm, call->arg);
}

static long do_set_tsc_khz(struct ioctl_call *call)
{
	if (call->value != (u32)call->value || call->vm->created_vcpus ||
	    tsc_check_khz(call->value))
		return -EINVAL;
	call->vm->default_tsc_khz = call->value;
	return 0;
}

static long do_get_tsc_khz(struct ioctl_call *call)
{
	return call->vm->default_tsc_khz ?: tsc_host_khz();
}

static long do_msr_filter(struct ioctl_call *call)
{
	return msr_filter_set(call->vm, call->arg);
}

static long do_stats_fd(struct ioctl_call *call)
{
	return stats_vm_fd(call->vm);
}

static long do_set_name(struct ioctl_call *call)
{
	struct vmm_name *arg = call->arg;

	static_assert(sizeof(arg->name) == VMM_VM_NAME_SIZE);
	arg->id = call->vm->id;
	if (strnlen(arg->name, sizeof(arg->name)) == sizeof(arg->name))
		return -EINVAL;
	return *arg->name ? mgmt_label_set(call->vm, arg->name, NULL, NULL) : 0;
}

static long do_set_given(struct ioctl_call *call)
{
	WRITE_ONCE(call->vm->mgmt.given, *(u64 *)call->arg);
	return 0;
}

static const struct ioctl_row vm_rows[] = {
	{ KVM_IRQ_LINE, .fn = do_irq_line },
	{ KVM_IRQ_LINE_STATUS, .fn = do_irq_line },
	{ KVM_SIGNAL_MSI, .fn = do_signal_msi },
	{ KVM_SET_USER_MEMORY_REGION, LOCK_SLOTS, .fn = do_set_memory },
	{ KVM_GET_DIRTY_LOG, LOCK_SLOTS, .fn = do_get_dirty_log },
	/* Nothing of it is written, whatever its number says. */
	{ KVM_CLEAR_DIRTY_LOG, LOCK_SLOTS | ARG_IN, .fn = do_clear_dirty_log },
	{ KVM_RESET_DIRTY_RINGS, LOCK_SLOTS | ARG_VALUE, .fn = do_reset_rings },
	{ KVM_IRQFD, 0, .fn = do_irqfd },
	{ KVM_IOEVENTFD, LOCK_SLOTS, .fn = do_ioeventfd },
	{ KVM_REGISTER_COALESCED_MMIO, LOCK_SLOTS, .fn = do_coalesce },
	{ KVM_UNREGISTER_COALESCED_MMIO, LOCK_SLOTS, .fn = do_uncoalesce },
	{ KVM_SET_GSI_ROUTING, TAIL_EINVAL, .tail_elem = sizeof(struct kvm_irq_routing_entry),
	  .tail_max = IRQ_MAX_ROUTES, .fn = do_set_routing },
	{ KVM_CREATE_VCPU, LOCK_VM | ARG_VALUE, .fn = do_create_vcpu },
	{ KVM_CHECK_EXTENSION, ARG_VALUE, .fn = do_check_extension },
	{ KVM_ENABLE_CAP, LOCK_VM, .fn = do_enable_cap },
	{ KVM_CREATE_IRQCHIP, LOCK_VM | ARG_VALUE, .fn = do_create_irqchip },
	{ KVM_GET_IRQCHIP, LOCK_VM, .fn = do_get_irqchip },
	/* Its number says "read", its argument is read from user space all the same. */
	{ KVM_SET_IRQCHIP, LOCK_VM | ARG_IN, .fn = do_set_irqchip },
	{ KVM_CREATE_PIT2, LOCK_VM, .fn = do_create_pit },
	{ KVM_GET_PIT2, LOCK_VM, .fn = do_get_pit },
	{ KVM_SET_PIT2, LOCK_VM, .fn = do_set_pit },
	{ KVM_REINJECT_CONTROL, .size = sizeof(struct kvm_reinject_control),
	  .flags = LOCK_VM | ARG_IN, .fn = do_reinject },
	{ KVM_SET_TSS_ADDR, LOCK_VM | ARG_VALUE, .fn = do_set_tss_addr },
	{ KVM_SET_IDENTITY_MAP_ADDR, LOCK_VM, .fn = do_set_identity_map },
	{ KVM_SET_NR_MMU_PAGES, LOCK_VM | ARG_VALUE, .fn = do_set_mmu_pages },
	{ KVM_GET_NR_MMU_PAGES, LOCK_VM | ARG_VALUE, .fn = do_get_mmu_pages },
	{ KVM_SET_BOOT_CPU_ID, LOCK_VM | ARG_VALUE, .fn = do_set_boot_cpu },
	{ KVM_GET_CLOCK, LOCK_VM, .fn = do_get_clock },
	{ KVM_SET_CLOCK, LOCK_VM, .fn = do_set_clock },
	{ KVM_SET_TSC_KHZ, LOCK_VM | ARG_VALUE, .fn = do_set_tsc_khz },
	{ KVM_GET_TSC_KHZ, LOCK_VM | ARG_VALUE, .fn = do_get_tsc_khz },
	{ KVM_X86_SET_MSR_FILTER, LOCK_VM, .fn = do_msr_filter },
	{ KVM_GET_STATS_FD, ARG_VALUE, .fn = do_stats_fd },
	{ VMM_SET_NAME, 0, .fn = do_set_name },
	{ VMM_SET_GIVEN, 0, .fn = do_set_given },
};

const struct ioctl_table vm_ioctls = { vm_rows, ARRAY_SIZE(vm_rows) };
EXPORT_FOR_TEST(vm_ioctls);
