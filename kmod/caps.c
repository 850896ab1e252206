// SPDX-License-Identifier: GPL-2.0
/* KVM_CHECK_EXTENSION and KVM_ENABLE_CAP: what is claimed, and what can be switched on. */
#include <linux/mm.h>
#include <linux/vmm.h>
#include <uapi/linux/kvm_para.h>
#include <asm/cpufeature.h>

#include "backend.h"
#include "caps.h"
#include "cpu/cpu.h"

/* Not CD_NW_CLEARED: both bits are always kept from the processor. */
#define QUIRKS_VALID	(KVM_X86_QUIRK_LINT0_REENABLED | KVM_X86_QUIRK_LAPIC_MMIO_HOLE |	\
			 KVM_X86_QUIRK_OUT_7E_INC_RIP | KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT |	\
			 KVM_X86_QUIRK_FIX_HYPERCALL_INSN | KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS)
#define USER_HYPERCALLS_VALID BIT(KVM_HC_MAP_GPA_RANGE)
#define MANUAL_DIRTY_VALID (KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET)
#define X2APIC_API_VALID (KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK)

/* Capabilities whose answer is a constant. */
static const struct {
	u32 cap;
	u32 answer;
} caps[] = {
	{ KVM_CAP_IRQCHIP, 1 },
	{ KVM_CAP_MCE, CPU_MCE_BANKS },
	{ KVM_CAP_MSR_PLATFORM_INFO, 1 },
	{ KVM_CAP_DISABLE_QUIRKS, 1 },
	{ KVM_CAP_DISABLE_QUIRKS2, QUIRKS_VALID },
	{ KVM_CAP_KVMCLOCK_CTRL, 1 },
	{ KVM_CAP_ENFORCE_PV_FEATURE_CPUID, 1 },
	{ KVM_CAP_ASYNC_PF, 1 },
	{ KVM_CAP_ASYNC_PF_INT, 1 },
	{ KVM_CAP_EXIT_HYPERCALL, USER_HYPERCALLS_VALID },
	{ KVM_CAP_X86_USER_SPACE_MSR, 1 },
	{ KVM_CAP_X86_MSR_FILTER, 1 },
	{ KVM_CAP_SYNC_REGS, KVM_SYNC_X86_VALID_FIELDS },
	{ KVM_CAP_VCPU_ATTRIBUTES, 1 },
	{ KVM_CAP_MMU_SHADOW_CACHE_CONTROL, 1 },
	{ KVM_CAP_HLT, 1 },
	{ KVM_CAP_USER_MEMORY, 1 },
	{ KVM_CAP_SET_TSS_ADDR, 1 },
	{ KVM_CAP_EXT_CPUID, 1 },
	{ KVM_CAP_NR_MEMSLOTS, MEMSLOTS_MAX },
	{ KVM_CAP_MP_STATE, 1 },
	{ KVM_CAP_COALESCED_MMIO, COALESCED_PAGE_OFFSET },
	{ KVM_CAP_COALESCED_PIO, 1 },
	{ KVM_CAP_SYNC_MMU, 1 },
	{ KVM_CAP_DESTROY_MEMORY_REGION_WORKS, 1 },
	{ KVM_CAP_JOIN_MEMORY_REGIONS_WORKS, 1 },
	{ KVM_CAP_USER_NMI, 1 },
	{ KVM_CAP_SET_GUEST_DEBUG, 1 },
	{ KVM_CAP_SET_GUEST_DEBUG2, GUESTDBG_VALID },
	{ KVM_CAP_REINJECT_CONTROL, 1 },
	{ KVM_CAP_IRQ_ROUTING, IRQ_MAX_ROUTES },
	{ KVM_CAP_IRQ_INJECT_STATUS, 1 },
	{ KVM_CAP_IRQFD, 1 },
	{ KVM_CAP_IRQFD_RESAMPLE, 1 },
	{ KVM_CAP_IOEVENTFD, 1 },
	{ KVM_CAP_IOEVENTFD_NO_LENGTH, 1 },
	{ KVM_CAP_IOEVENTFD_ANY_LENGTH, 1 },
	{ KVM_CAP_SIGNAL_MSI, 1 },
	{ KVM_CAP_PIT2, 1 },
	{ KVM_CAP_PIT_STATE2, 1 },
	{ KVM_CAP_SET_IDENTITY_MAP_ADDR, 1 },
	{ KVM_CAP_INTERNAL_ERROR_DATA, 1 },
	{ KVM_CAP_VCPU_EVENTS, 1 },
	{ KVM_CAP_INTR_SHADOW, 1 },
	{ KVM_CAP_X86_ROBUST_SINGLESTEP, 1 },
	{ KVM_CAP_DEBUGREGS, 1 },
	{ KVM_CAP_XCRS, 1 },
	{ KVM_CAP_XSAVE, 1 },
	{ KVM_CAP_ENABLE_CAP, 1 },
	{ KVM_CAP_ENABLE_CAP_VM, 1 },
	{ KVM_CAP_CHECK_EXTENSION_VM, 1 },
	{ KVM_CAP_GET_TSC_KHZ, 1 },
	{ KVM_CAP_TSC_DEADLINE_TIMER, 1 },
	{ KVM_CAP_ADJUST_CLOCK, KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC },
	{ KVM_CAP_READONLY_MEM, 1 },
	{ KVM_CAP_MAX_VCPUS, VMM_MAX_VCPUS },
	{ KVM_CAP_MAX_VCPU_ID, VMM_MAX_VCPU_ID },
	{ KVM_CAP_SPLIT_IRQCHIP, 1 },
	{ KVM_CAP_SET_BOOT_CPU_ID, 1 },
	{ KVM_CAP_X2APIC_API, X2APIC_API_VALID },
	{ KVM_CAP_IMMEDIATE_EXIT, 1 },
	{ KVM_CAP_MULTI_ADDRESS_SPACE, 1 },
	{ KVM_CAP_DIRTY_LOG_RING, DIRTY_RING_MAX * sizeof(struct kvm_dirty_gfn) },
	{ KVM_CAP_DIRTY_LOG_RING_ACQ_REL, DIRTY_RING_MAX * sizeof(struct kvm_dirty_gfn) },
	{ KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, MANUAL_DIRTY_VALID },
	{ KVM_CAP_GET_MSR_FEATURES, 1 },
	{ KVM_CAP_EXCEPTION_PAYLOAD, 1 },
	{ KVM_CAP_X86_TRIPLE_FAULT_EVENT, 1 },
	{ KVM_CAP_HALT_POLL, 1 },
	{ KVM_CAP_BINARY_STATS_FD, 1 },
	{ KVM_CAP_SREGS2, 1 },
	{ KVM_CAP_VAPIC, 1 },
	{ VMM_CAP_HYPERCALLS, VMM_HC_MASK },
	{ VMM_CAP_NAME, VMM_VM_NAME_SIZE },
	{ VMM_CAP_POWER_BUTTON, 1 },
};

/*
 * The exits of KVM_CAP_X86_DISABLE_EXITS: MWAIT where it waits, and the host's timer wakes it; not
 * CSTATE, whose counters are the host's too.
 */
static u32 exits_that_can_go(void)
{
	u32 exits = KVM_X86_DISABLE_EXITS_HLT | KVM_X86_DISABLE_EXITS_PAUSE;

	if (boot_cpu_has(X86_FEATURE_MWAIT) && !boot_cpu_has_bug(X86_BUG_MONITOR) &&
	    boot_cpu_has(X86_FEATURE_ARAT))
		exits |= KVM_X86_DISABLE_EXITS_MWAIT;
	return exits;
}

/**
 * vm_check_extension() - KVM_CHECK_EXTENSION
 * @vm: the VM, NULL when the device is asked
 * @cap: KVM_CAP_*
 *
 * Return: 0: not there; else the capability's answer
 */
long vm_check_extension(struct vmm *vm, unsigned long cap)
{
	int i;

	switch (cap) {
	case KVM_CAP_NR_VCPUS:
		return min_t(long, num_online_cpus(), VMM_MAX_VCPUS);
	case KVM_CAP_X86_DISABLE_EXITS:
		return exits_that_can_go();
	case KVM_CAP_TSC_CONTROL:
	case KVM_CAP_VM_TSC_CONTROL:
		return backend_caps.tsc_scaling;
	case KVM_CAP_XSAVE2:
		return max_t(u32, xstate_size(xstate_supported(), false),
			     sizeof(struct kvm_xsave));
	}
	for (i = 0; i < ARRAY_SIZE(caps); i++)
		if (caps[i].cap == cap)
			return caps[i].answer;
	return 0;
}

static int enable_disabled_exits(struct vmm *vm, u64 exits)
{
	if (exits & ~(u64)exits_that_can_go())
		return -EINVAL;
	if (vm->created_vcpus)
		return -EINVAL;
	vm->policy.disabled_exits |= exits;
	return 0;
}

static int enable_x2apic_api(struct vmm *vm, u64 flags)
{
	if (flags & ~X2APIC_API_VALID)
		return -EINVAL;
	vm->policy.x2apic_ids |= !!(flags & KVM_X2APIC_API_USE_32BIT_IDS);
	vm->policy.x2apic_no_broadcast_quirk |=
		!!(flags & KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK);
	return 0;
}

static int enable_manual_dirty(struct vmm *vm, u64 flags)
{
	if (flags & ~MANUAL_DIRTY_VALID)
		return -EINVAL;
	/* Initially-set is a mode of manual protection. */
	if (flags == KVM_DIRTY_LOG_INITIALLY_SET)
		return -EINVAL;
	mutex_lock(&vm->mem.slots_lock);
	vm->policy.manual_dirty = flags;
	mutex_unlock(&vm->mem.slots_lock);
	return 0;
}

static int enable_max_vcpu_id(struct vmm *vm, u64 max)
{
	if (!max || max > VMM_MAX_VCPU_ID || vm->created_vcpus ||
	    (vm->policy.max_vcpu_ids && vm->policy.max_vcpu_ids != max))
		return -EINVAL;
	vm->policy.max_vcpu_ids = max;
	return 0;
}

static int enable_split_irqchip(struct vmm *vm, u64 pins)
{
	if (pins > IRQ_MAX_ROUTES)
		return -EINVAL;
	return irqchip_split(vm, pins);
}

/**
 * vm_enable_cap() - KVM_ENABLE_CAP of a VM
 * @vm: the VM; vm->lock held
 * @cap: what to switch on
 *
 * Return: 0; -EINVAL: no such capability, flags, or arguments
 */
int vm_enable_cap(struct vmm *vm, const struct kvm_enable_cap *cap)
{
	if (cap->flags)
		return -EINVAL;
	switch (cap->cap) {
	case KVM_CAP_SPLIT_IRQCHIP:
		return enable_split_irqchip(vm, cap->args[0]);
	case KVM_CAP_X2APIC_API:
		return enable_x2apic_api(vm, cap->args[0]);
	case KVM_CAP_X86_DISABLE_EXITS:
		return enable_disabled_exits(vm, cap->args[0]);
	case KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2:
		return enable_manual_dirty(vm, cap->args[0]);
	case KVM_CAP_DIRTY_LOG_RING:
	case KVM_CAP_DIRTY_LOG_RING_ACQ_REL:
		return ring_enable(vm, cap->args[0]);
	case KVM_CAP_EXCEPTION_PAYLOAD:
		vm->policy.exception_payload = cap->args[0];
		return 0;
	case KVM_CAP_X86_TRIPLE_FAULT_EVENT:
		vm->policy.triple_fault_event = cap->args[0];
		return 0;
	case KVM_CAP_HALT_POLL:
		if (cap->args[0] != (u32)cap->args[0])
			return -EINVAL;
		vm->policy.halt_poll_ns_max = cap->args[0];
		vm->policy.halt_poll_set = true;
		return 0;
	case KVM_CAP_X86_USER_SPACE_MSR:
		if (cap->args[0] & ~(u64)USER_MSRS_VALID)
			return -EINVAL;
		WRITE_ONCE(vm->policy.user_msrs, cap->args[0]);
		return 0;
	case KVM_CAP_EXIT_HYPERCALL:
		if (cap->args[0] & ~(u64)USER_HYPERCALLS_VALID)
			return -EINVAL;
		WRITE_ONCE(vm->policy.user_hypercalls, cap->args[0]);
		return 0;
	case VMM_CAP_HYPERCALLS:
		if (cap->args[0] & ~(u64)VMM_HC_MASK)
			return -EINVAL;
		WRITE_ONCE(vm->policy.own_calls, cap->args[0]);
		return 0;
	case VMM_CAP_POWER_BUTTON:
		if (cap->args[0] > 1)
			return -EINVAL;
		WRITE_ONCE(vm->policy.power_button, cap->args[0]);
		return 0;
	case KVM_CAP_MSR_PLATFORM_INFO:
		vm->policy.platform_info_hidden = !cap->args[0];
		return 0;
	case KVM_CAP_DISABLE_QUIRKS2:
		if (cap->args[0] & ~(u64)QUIRKS_VALID)
			return -EINVAL;
		fallthrough;
	case KVM_CAP_DISABLE_QUIRKS:
		vm->policy.disabled_quirks = cap->args[0];
		return 0;
	case KVM_CAP_MAX_VCPU_ID:
		return enable_max_vcpu_id(vm, cap->args[0]);
	default:
		return -EINVAL;
	}
}
