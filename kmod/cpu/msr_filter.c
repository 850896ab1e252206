// SPDX-License-Identifier: GPL-2.0
/*
 * KVM_X86_SET_MSR_FILTER and KVM_CAP_X86_USER_SPACE_MSR: accesses that user space denies the
 * guest, and those that it wants to serve itself (api.rst, 4.97 and 7.21).
 */
#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "../ioctl.h"
#include "internal.h"

#define RANGE_FLAGS	(KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE)

/*
 * struct msr_filter - what user space allows
 * @deny: what no range covers is denied
 * @count: ranges in use
 * @range: of MSRs; @first is where its bits begin in @bits, 1: allowed
 */
struct msr_filter {
	struct rcu_head rcu;
	bool deny;
	u32 count;
	struct {
		u32 flags, base, nmsrs, first;
	} range[KVM_MSR_FILTER_MAX_RANGES];
	unsigned long bits[];
};

static bool range_valid(const struct kvm_msr_filter_range *range)
{
	return range->flags && !(range->flags & ~RANGE_FLAGS) &&
	       range->nmsrs <= KVM_MSR_FILTER_MAX_BITMAP_SIZE * BITS_PER_BYTE;
}

/* Bytes of the bits of all ranges, each from a word of its own; -EINVAL. */
static ssize_t filter_bytes(const struct kvm_msr_filter *in)
{
	ssize_t bytes = 0;
	int i;

	for (i = 0; i < KVM_MSR_FILTER_MAX_RANGES; i++) {
		if (!in->ranges[i].nmsrs)
			continue;
		if (!range_valid(&in->ranges[i]))
			return -EINVAL;
		bytes += BITS_TO_LONGS(in->ranges[i].nmsrs) * sizeof(long);
	}
	return bytes;
}

static int filter_fill(struct msr_filter *filter, const struct kvm_msr_filter *in)
{
	u32 first = 0;
	int i;

	for (i = 0; i < KVM_MSR_FILTER_MAX_RANGES; i++) {
		const struct kvm_msr_filter_range *range = &in->ranges[i];

		if (!range->nmsrs)
			continue;
		if (ioctl_copy_in(&filter->bits[BIT_WORD(first)], (void __user *)range->bitmap,
				  DIV_ROUND_UP(range->nmsrs, BITS_PER_BYTE)))
			return -EFAULT;
		filter->range[filter->count].flags = range->flags;
		filter->range[filter->count].base = range->base;
		filter->range[filter->count].nmsrs = range->nmsrs;
		filter->range[filter->count++].first = first;
		first += round_up(range->nmsrs, BITS_PER_LONG);
	}
	return 0;
}

static void filter_replace(struct vmm *vm, struct msr_filter *new)
{
	struct msr_filter *old;

	old = rcu_replace_pointer(vm->msr_filter, new, lockdep_is_held(&vm->lock));
	vcpu_request_all(vm, REQ_MSR_FILTER, false);
	if (old)
		kvfree_rcu(old, rcu);
}

/**
 * msr_filter_set() - KVM_X86_SET_MSR_FILTER
 * @vm: the VM; vm->lock is held
 * @in: copied from user space, its bitmaps not yet
 *
 * Return: 0; -EINVAL: unknown flags, a range that is too large, or all denied without a range;
 * -EFAULT: a bitmap cannot be read; -ENOMEM
 */
int msr_filter_set(struct vmm *vm, const struct kvm_msr_filter *in)
{
	ssize_t bytes = filter_bytes(in);
	struct msr_filter *filter;
	int err;

	if (bytes < 0 || in->flags & ~KVM_MSR_FILTER_DEFAULT_DENY)
		return -EINVAL;
	if (!bytes) {
		if (in->flags & KVM_MSR_FILTER_DEFAULT_DENY)
			return -EINVAL;
		filter_replace(vm, NULL);
		return 0;
	}
	filter = kvzalloc(sizeof(*filter) + bytes, GFP_KERNEL_ACCOUNT);
	if (!filter)
		return -ENOMEM;
	filter->deny = in->flags & KVM_MSR_FILTER_DEFAULT_DENY;
	err = filter_fill(filter, in);
	if (err) {
		kvfree(filter);
		return err;
	}
	filter_replace(vm, filter);
	return 0;
}

/**
 * msr_filter_free() - at the end of a VM
 * @vm: nobody looks at it any more
 */
void msr_filter_free(struct vmm *vm)
{
	kvfree(rcu_dereference_protected(vm->msr_filter, true));
}

static bool filter_denies(const struct msr_filter *filter, u32 msr, u32 access)
{
	u32 i, nr;

	for (i = 0; i < filter->count; i++) {
		if (!(filter->range[i].flags & access) || msr < filter->range[i].base)
			continue;
		nr = msr - filter->range[i].base;
		if (nr < filter->range[i].nmsrs)
			return !test_bit(filter->range[i].first + nr, filter->bits);
	}
	return filter->deny;
}

/**
 * msr_filter_denies() - is the guest denied an access?
 * @vcpu: the vCPU
 * @msr: the register; those of the x2APIC are always allowed
 * @write: WRMSR
 *
 * Context: any.
 */
bool msr_filter_denies(struct vcpu *vcpu, u32 msr, bool write)
{
	const struct msr_filter *filter;
	bool denied = false;

	rcu_read_lock();
	filter = rcu_dereference(vcpu->vm->msr_filter);
	if (filter && (msr & ~0xffu) != APIC_BASE_MSR)
		denied = filter_denies(filter, msr,
				       write ? KVM_MSR_FILTER_WRITE : KVM_MSR_FILTER_READ);
	rcu_read_unlock();
	return denied;
}

/**
 * msr_filter_apply() - REQ_MSR_FILTER: what passes to the processor follows the filter
 * @vcpu: the vCPU, loaded
 */
void msr_filter_apply(struct vcpu *vcpu)
{
	/* These pass after the guest's next write. */
	msr_intercept(vcpu, MSR_IA32_SPEC_CTRL, true, true);
	msr_intercept(vcpu, MSR_IA32_PRED_CMD, true, true);
	msr_init(vcpu);
}

/* ---- accesses that user space serves ---- */

static int raise_gp(struct vcpu *vcpu)
{
	events_raise_error(vcpu, GP_VECTOR, 0);
	return RESUME_GUEST;
}

/* User space may write into the run page while these read: each member is read once. */
static int complete_wrmsr(struct vcpu *vcpu)
{
	return READ_ONCE(vcpu->run->msr.error) ? raise_gp(vcpu) : dispatch_skip(vcpu);
}

static int complete_rdmsr(struct vcpu *vcpu)
{
	u64 val = READ_ONCE(vcpu->run->msr.data);

	if (READ_ONCE(vcpu->run->msr.error))
		return raise_gp(vcpu);
	vcpu->state.gpr[REG_RAX] = (u32)val;
	vcpu->state.gpr[REG_RDX] = val >> 32;
	return dispatch_skip(vcpu);
}

/**
 * msr_fault() - an access that the guest cannot have
 * @vcpu: the vCPU
 * @write: WRMSR
 * @msr: the register
 * @val: what was to be written
 * @why: -EPERM: the filter; -ENOENT: no such register; else: not with this value, or not now
 *
 * Return: RESUME_GUEST: #GP(0) is raised; RESUME_USER: user space asked for it
 */
int msr_fault(struct vcpu *vcpu, bool write, u32 msr, u64 val, int why)
{
	u32 reason = KVM_MSR_EXIT_REASON_INVAL;
	struct kvm_run *run = vcpu->run;

	if (why == -EPERM)
		reason = KVM_MSR_EXIT_REASON_FILTER;
	if (why == -ENOENT)
		reason = KVM_MSR_EXIT_REASON_UNKNOWN;
	if (!(vcpu->vm->policy.user_msrs & reason))
		return raise_gp(vcpu);
	run->exit_reason = write ? KVM_EXIT_X86_WRMSR : KVM_EXIT_X86_RDMSR;
	run->msr.error = 0;
	memset(run->msr.pad, 0, sizeof(run->msr.pad));
	run->msr.reason = reason;
	run->msr.index = msr;
	run->msr.data = val;
	vcpu->complete = write ? complete_wrmsr : complete_rdmsr;
	return RESUME_USER;
}
