// SPDX-License-Identifier: GPL-2.0
/* The ioctls of a vCPU: a table, and handlers of a few lines that call the rooms. */
#include <linux/signal.h>

#include "backend.h"
#include "cpu/cpu.h"
#include "interp/interp.h"
#include "ioctl.h"
#include "run.h"

static long do_run(struct ioctl_call *call)
{
	return call->value ? -EINVAL : vcpu_run(call->vcpu);
}

static long do_get_regs(struct ioctl_call *call)
{
	regs_get(call->vcpu, call->arg);
	return 0;
}

static long do_set_regs(struct ioctl_call *call)
{
	return regs_set(call->vcpu, call->arg);
}

static long do_get_sregs(struct ioctl_call *call)
{
	sregs_get(call->vcpu, call->arg);
	return 0;
}

static long do_set_sregs(struct ioctl_call *call)
{
	return sregs_set(call->vcpu, call->arg);
}

static long do_get_sregs2(struct ioctl_call *call)
{
	return sregs2_get(call->vcpu, call->arg);
}

static long do_set_sregs2(struct ioctl_call *call)
{
	return sregs2_set(call->vcpu, call->arg);
}

static long do_get_fpu(struct ioctl_call *call)
{
	fpu_get(call->vcpu, call->arg);
	return 0;
}

static long do_set_fpu(struct ioctl_call *call)
{
	fpu_set(call->vcpu, call->arg);
	return 0;
}

static long do_get_xsave(struct ioctl_call *call)
{
	xsave_get(call->vcpu, call->arg, sizeof(struct kvm_xsave));
	return 0;
}

static long do_set_xsave(struct ioctl_call *call)
{
	return xsave_set(call->vcpu, call->arg);
}

static long do_get_xcrs(struct ioctl_call *call)
{
	xcrs_get(call->vcpu, call->arg);
	return 0;
}

static long do_set_xcrs(struct ioctl_call *call)
{
	return xcrs_set(call->vcpu, call->arg);
}

static long do_get_debugregs(struct ioctl_call *call)
{
	return debug_get(call->vcpu, call->arg);
}

static long do_set_debugregs(struct ioctl_call *call)
{
	return debug_set(call->vcpu, call->arg);
}

static long do_guest_debug(struct ioctl_call *call)
{
	return debug_guest_set(call->vcpu, call->arg);
}

static long do_get_msrs(struct ioctl_call *call)
{
	return msrs_get(call->vcpu, ((struct kvm_msrs *)call->arg)->entries, call->tail);
}

static long do_set_msrs(struct ioctl_call *call)
{
	return msrs_set(call->vcpu, ((struct kvm_msrs *)call->arg)->entries, call->tail);
}

static long do_set_cpuid(struct ioctl_call *call)
{
	return cpuid_set(call->vcpu, ((struct kvm_cpuid2 *)call->arg)->entries, call->tail);
}

static long do_get_cpuid(struct ioctl_call *call)
{
	return cpuid_get(call->vcpu, call->arg, call->tail);
}

static long do_get_events(struct ioctl_call *call)
{
	return events_get(call->vcpu, call->arg);
}

static long do_set_events(struct ioctl_call *call)
{
	return events_set(call->vcpu, call->arg);
}

static long do_interrupt(struct ioctl_call *call)
{
	return events_user_interrupt(call->vcpu, ((struct kvm_interrupt *)call->arg)->irq);
}

static long do_nmi(struct ioctl_call *call)
{
	events_nmi(call->vcpu);
	return 0;
}

static long do_get_lapic(struct ioctl_call *call)
{
	return call->vcpu->apic ? lapic_get_state(call->vcpu, call->arg) : -EINVAL;
}

static long do_set_lapic(struct ioctl_call *call)
{
	return call->vcpu->apic ? lapic_set_state(call->vcpu, call->arg) : -EINVAL;
}

static long do_set_vapic_addr(struct ioctl_call *call)
{
	return vapic_set_addr(call->vcpu, ((struct kvm_vapic_addr *)call->arg)->vapic_addr);
}

static long do_tpr_reporting(struct ioctl_call *call)
{
	return vapic_report_tpr(call->vcpu, call->arg);
}

/* What INIT, SIPI and kicks did to the vCPU meanwhile must be seen first. */
static long do_get_mp_state(struct ioctl_call *call)
{
	struct kvm_mp_state *state = call->arg;

	if (call->vcpu->apic && lapic_init_sipi_pending(call->vcpu))
		lapic_accept_init_sipi(call->vcpu);
	if (call->vcpu->mp_state == KVM_MP_STATE_HALTED && halt_kicked(call->vcpu))
		WRITE_ONCE(call->vcpu->mp_state, KVM_MP_STATE_RUNNABLE);
	mgmt_vcpu_changed(call->vcpu);
	state->mp_state = READ_ONCE(call->vcpu->mp_state);
	return 0;
}

static long do_set_mp_state(struct ioctl_call *call)
{
	const struct kvm_mp_state *state = call->arg;
	u32 mp_state = state->mp_state;

	switch (mp_state) {
	case KVM_MP_STATE_RUNNABLE:
		break;
	case KVM_MP_STATE_UNINITIALIZED:
	case KVM_MP_STATE_INIT_RECEIVED:
	case KVM_MP_STATE_HALTED:
	case KVM_MP_STATE_SIPI_RECEIVED:
		if (call->vcpu->apic)
			break;
		fallthrough;
	default:
		return -EINVAL;
	}
	/* The SIPI is accepted by KVM_RUN, when its vector has been restored too. */
	if (mp_state == KVM_MP_STATE_SIPI_RECEIVED) {
		mp_state = KVM_MP_STATE_INIT_RECEIVED;
		lapic_post_sipi(call->vcpu);
	}
	WRITE_ONCE(call->vcpu->mp_state, mp_state);
	mgmt_vcpu_changed(call->vcpu);
	vcpu_request(call->vcpu, REQ_EVENT);
	return 0;
}

static long do_translate(struct ioctl_call *call)
{
	struct kvm_translation *tr = call->arg;
	struct interp_walk walk;
	int err = interp_translate(call->vcpu, tr->linear_address, &walk);

	tr->physical_address = err ? INVALID_GPA : walk.gpa;
	tr->valid = !err;
	tr->writeable = !err && walk.writeable;
	tr->usermode = !err && walk.user;
	return err == -EFAULT ? err : 0;
}

static long do_signal_mask(struct ioctl_call *call)
{
	const struct kvm_signal_mask *mask = call->arg;
	struct vcpu *vcpu = call->vcpu;

	if (!mask) {
		vcpu->sigset_active = false;
		return 0;
	}
	if (mask->len != sizeof(vcpu->sigset))
		return -EINVAL;
	memcpy(&vcpu->sigset, mask->sigset, sizeof(vcpu->sigset));
	sigdelsetmask(&vcpu->sigset, sigmask(SIGKILL) | sigmask(SIGSTOP));
	vcpu->sigset_active = true;
	return 0;
}

static long do_set_tsc_khz(struct ioctl_call *call)
{
	if (call->value != (u32)call->value)
		return -EINVAL;
	return tsc_set_khz(call->vcpu, call->value);
}

static long do_get_tsc_khz(struct ioctl_call *call)
{
	return call->vcpu->tsc.khz;
}

static long do_kvmclock_ctrl(struct ioctl_call *call)
{
	return clock_stopped(call->vcpu);
}

static long do_enable_cap(struct ioctl_call *call)
{
	const struct kvm_enable_cap *cap = call->arg;

	if (cap->flags || cap->cap != KVM_CAP_ENFORCE_PV_FEATURE_CPUID)
		return -EINVAL;
	call->vcpu->pv.enforce = cap->args[0];
	return 0;
}

/* The TSC's offset is the only attribute. */
static bool attr_known(const struct kvm_device_attr *attr)
{
	return !attr->flags && attr->group == KVM_VCPU_TSC_CTRL &&
	       attr->attr == KVM_VCPU_TSC_OFFSET;
}

static long do_has_attr(struct ioctl_call *call)
{
	return attr_known(call->arg) ? 0 : -ENXIO;
}

static long do_get_attr(struct ioctl_call *call)
{
	const struct kvm_device_attr *attr = call->arg;
	/* Hardened kernels let nothing be copied out of a struct vcpu itself. */
	u64 offset = call->vcpu->tsc.offset;

	if (!attr_known(attr))
		return -ENXIO;
	return ioctl_copy_out((void __user *)(unsigned long)attr->addr, &offset, sizeof(offset));
}

static long do_set_attr(struct ioctl_call *call)
{
	const struct kvm_device_attr *attr = call->arg;
	u64 offset;

	if (!attr_known(attr))
		return -ENXIO;
	if (ioctl_copy_in(&offset, (void __user *)(unsigned long)attr->addr, sizeof(offset)))
		return -EFAULT;
	tsc_offset_set(call->vcpu, offset);
	return 0;
}

static long do_setup_mce(struct ioctl_call *call)
{
	return mce_set_cap(call->vcpu, *(u64 *)call->arg);
}

static long do_set_mce(struct ioctl_call *call)
{
	return mce_inject(call->vcpu, call->arg);
}

static long do_stats_fd(struct ioctl_call *call)
{
	return stats_vcpu_fd(call->vcpu);
}

#define LOADED (LOCK_VCPU | VCPU_LOADED)
#define MSR_TAIL .tail_elem = sizeof(struct kvm_msr_entry), .tail_max = 255
#define CPUID_TAIL .tail_elem = sizeof(struct kvm_cpuid_entry2), \
	.tail_count = offsetof(struct kvm_cpuid2, nent), .tail_max = CPUID_MAX_ENTRIES

static const struct ioctl_row vcpu_rows[] = {
	{ KVM_RUN, LOADED | ARG_VALUE, .fn = do_run },
	{ KVM_GET_REGS, LOADED, .fn = do_get_regs },
	{ KVM_SET_REGS, LOADED, .fn = do_set_regs },
	{ KVM_GET_SREGS, LOADED, .fn = do_get_sregs },
	{ KVM_SET_SREGS, LOADED, .fn = do_set_sregs },
	{ KVM_GET_SREGS2, LOADED, .fn = do_get_sregs2 },
	{ KVM_SET_SREGS2, LOADED, .fn = do_set_sregs2 },
	{ KVM_GET_FPU, LOADED, .fn = do_get_fpu },
	{ KVM_SET_FPU, LOADED, .fn = do_set_fpu },
	{ KVM_GET_XSAVE, LOADED, .fn = do_get_xsave },
	{ KVM_GET_XSAVE2, LOADED, .fn = do_get_xsave },
	{ KVM_SET_XSAVE, LOADED, .fn = do_set_xsave },
	{ KVM_GET_XCRS, LOADED, .fn = do_get_xcrs },
	{ KVM_SET_XCRS, LOADED, .fn = do_set_xcrs },
	{ KVM_GET_DEBUGREGS, LOADED, .fn = do_get_debugregs },
	{ KVM_SET_DEBUGREGS, LOADED, .fn = do_set_debugregs },
	{ KVM_SET_GUEST_DEBUG, LOADED, .fn = do_guest_debug },
	{ KVM_GET_MSRS, LOADED, MSR_TAIL, .fn = do_get_msrs },
	{ KVM_SET_MSRS, LOADED, MSR_TAIL, .fn = do_set_msrs },
	{ KVM_SET_CPUID2, LOADED, CPUID_TAIL, .fn = do_set_cpuid },
	{ KVM_GET_CPUID2, LOADED | COPY_HEAD_E2BIG | TAIL_CLAMP, CPUID_TAIL,
	  .fn = do_get_cpuid },
	{ KVM_GET_VCPU_EVENTS, LOADED, .fn = do_get_events },
	{ KVM_SET_VCPU_EVENTS, LOADED, .fn = do_set_events },
	{ KVM_INTERRUPT, LOADED, .fn = do_interrupt },
	{ KVM_NMI, LOADED | ARG_VALUE, .fn = do_nmi },
	{ KVM_GET_LAPIC, LOADED, .fn = do_get_lapic },
	{ KVM_SET_LAPIC, LOADED, .fn = do_set_lapic },
	{ KVM_SET_VAPIC_ADDR, LOADED, .fn = do_set_vapic_addr },
	{ KVM_TPR_ACCESS_REPORTING, LOADED, .fn = do_tpr_reporting },
	{ KVM_GET_MP_STATE, LOADED, .fn = do_get_mp_state },
	{ KVM_SET_MP_STATE, LOADED, .fn = do_set_mp_state },
	{ KVM_TRANSLATE, LOADED, .fn = do_translate },
	{ KVM_SET_SIGNAL_MASK, LOCK_VCPU | ARG_NULLABLE | TAIL_EINVAL, .tail_elem = 1,
	  .tail_max = 64, .fn = do_signal_mask },
	{ KVM_SET_TSC_KHZ, LOADED | ARG_VALUE, .fn = do_set_tsc_khz },
	{ KVM_GET_TSC_KHZ, LOADED | ARG_VALUE, .fn = do_get_tsc_khz },
	{ KVM_KVMCLOCK_CTRL, LOCK_VCPU | ARG_VALUE, .fn = do_kvmclock_ctrl },
	{ KVM_ENABLE_CAP, LOCK_VCPU, .fn = do_enable_cap },
	{ KVM_HAS_DEVICE_ATTR, .fn = do_has_attr },
	{ KVM_GET_DEVICE_ATTR, LOADED, .fn = do_get_attr },
	{ KVM_SET_DEVICE_ATTR, LOADED, .fn = do_set_attr },
	{ KVM_X86_SETUP_MCE, LOADED, .fn = do_setup_mce },
	{ KVM_X86_SET_MCE, LOADED, .fn = do_set_mce },
	{ KVM_GET_STATS_FD, ARG_VALUE, .fn = do_stats_fd },
};

const struct ioctl_table vcpu_ioctls = { vcpu_rows, ARRAY_SIZE(vcpu_rows) };
EXPORT_FOR_TEST(vcpu_ioctls);
