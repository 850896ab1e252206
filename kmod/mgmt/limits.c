// SPDX-License-Identifier: GPL-2.0
/*
 * Limits of a VM: time of a processor, resident memory (Documentation/netlink.rst).
 *
 * A timer looks at what the vCPUs' threads have used and at what is mapped, and has the vCPUs wait
 * by the request that pauses them: an exit costs a VM with limits no more than one without, and
 * one without has no timer. Time is kept in a bucket that fills by the clock and may be overdrawn;
 * what was used too much is waited for, so that the share is exact however late the timer comes.
 */
#include <linux/sched.h>
#include <linux/timekeeping.h>

#include "../vmm.h"

#define LIMIT_PERIOD_NS (100 * NSEC_PER_MSEC)	/* the bucket holds the share of one */
#define LIMIT_LOOK_NS	(4 * NSEC_PER_MSEC)	/* between two looks, at least */
#define LIMIT_DEBT_NS	NSEC_PER_SEC		/* the bucket is not overdrawn any further */

/**
 * limit_fill() - let time pass for a bucket
 * @level: ns that may still be used; negative: that were used too much
 * @percent: of a processor, 1 or more
 * @passed: ns that have passed
 * @used: ns of a processor that were used meanwhile
 *
 * Return: the new level
 */
s64 limit_fill(s64 level, u32 percent, u64 passed, u64 used)
{
	s64 full = LIMIT_PERIOD_NS / 100 * percent;

	/* Whatever passed or was used beyond these does not matter. */
	passed = min_t(u64, passed, 100 * NSEC_PER_SEC);
	used = min_t(u64, used, NSEC_PER_SEC * VMM_MAX_VCPUS);
	level += passed / 100 * percent;
	return max_t(s64, min(level, full) - (s64)used, -(s64)LIMIT_DEBT_NS);
}
EXPORT_FOR_TEST(limit_fill);

/**
 * limit_look_after() - when the level may have changed its sign
 * @level: of the bucket
 * @percent: of a processor
 * @vcpus: that may use it at once
 *
 * Return: ns
 */
u64 limit_look_after(s64 level, u32 percent, u32 vcpus)
{
	u64 ns = level > 0 ? level / max(vcpus, 1U) : -level / percent * 100;

	return clamp_t(u64, ns, LIMIT_LOOK_NS, level > 0 ? LIMIT_PERIOD_NS : U64_MAX);
}
EXPORT_FOR_TEST(limit_look_after);

/**
 * mgmt_resident() - what nested page tables map at the moment
 * @vm: the VM
 *
 * Return: bytes
 */
u64 mgmt_resident(const struct vmm *vm)
{
	return (u64)atomic64_read(&vm->stats.pages_4k) * PAGE_SIZE +
	       (u64)atomic64_read(&vm->stats.pages_2m) * PMD_SIZE +
	       (u64)atomic64_read(&vm->stats.pages_1g) * PUD_SIZE;
}

/* What a vCPU has used since the last look; the lock is held. */
static u64 limit_take(struct vcpu *vcpu)
{
	struct vcpu_limit *l = &vcpu->limit;
	u64 used = l->owed, ran;
	struct task_struct *task;

	rcu_read_lock();
	task = pid_task(rcu_dereference(vcpu->pid), PIDTYPE_PID);
	ran = task ? READ_ONCE(task->se.sum_exec_runtime) : READ_ONCE(l->left);
	rcu_read_unlock();
	/* One that has ended may have been looked at after it left KVM_RUN. */
	ran = max(ran, l->ran);
	used += ran - l->ran;
	l->ran = ran;
	l->owed = 0;
	return used;
}

static u64 limit_used(struct vmm *vm)
{
	struct vcpu *vcpu;
	unsigned long i;
	u64 used = 0;

	spin_lock_bh(&vm->mgmt.limit.lock);
	KVM_VCPUS_FOR_EACH(i, vcpu, vm)
		used += limit_take(vcpu);
	spin_unlock_bh(&vm->mgmt.limit.lock);
	return used;
}

/**
 * limit_thread() - another thread runs a vCPU from now on
 * @vcpu: the vCPU
 * @pid: of the thread, which is current
 *
 * What the one before has run since its last tick is not known: it is taken for a whole one, so
 * that nobody evades a limit by threads that are too short-lived to be seen.
 */
void limit_thread(struct vcpu *vcpu, struct pid *pid)
{
	struct vcpu_limit *l = &vcpu->limit;
	spinlock_t *lock = &vcpu->vm->mgmt.limit.lock;

	spin_lock_bh(lock);
	if (rcu_access_pointer(vcpu->pid))
		l->owed = limit_take(vcpu) + TICK_NSEC;
	rcu_assign_pointer(vcpu->pid, pid);
	l->ran = current->se.sum_exec_runtime;
	l->left = l->ran;
	spin_unlock_bh(lock);
}
EXPORT_FOR_TEST(limit_thread);

static void limit_hold(struct vmm *vm, u32 held)
{
	struct vcpu *vcpu;
	unsigned long i;

	WRITE_ONCE(vm->mgmt.held, held);
	if (!held) {
		wake_up_all(&vm->mgmt.wait);
		return;
	}
	/* One that is halted sees it when it is woken. */
	KVM_VCPUS_FOR_EACH(i, vcpu, vm) {
		vcpu_request(vcpu, REQ_ORDERS);
		vcpu_kick(vcpu);
	}
}

/* Settle the account up to now. */
static void limit_settle(struct vmm *vm)
{
	struct vm_limit *l = &vm->mgmt.limit;
	u64 now = ktime_get_ns(), used = limit_used(vm);

	/* A new account has next to nothing, but is not overdrawn. */
	l->level = l->cpu ? limit_fill(l->level, l->cpu, now - l->looked, used) : 1;
	l->looked = now;
}

/* Hold the VM, or let it go. Return: when to look again. */
static u64 limit_judge(struct vmm *vm)
{
	struct vm_limit *l = &vm->mgmt.limit;
	u64 after = LIMIT_PERIOD_NS;
	u32 held = 0;

	if (l->cpu) {
		after = limit_look_after(l->level, l->cpu, atomic_read(&vm->online_vcpus));
		if (l->level <= 0)
			held |= HELD_CPU;
	}
	if (l->memory) {
		after = LIMIT_LOOK_NS;
		if (mgmt_resident(vm) > l->memory)
			held |= HELD_MEMORY;
	}
	if (held || vm->mgmt.held)
		limit_hold(vm, held);
	return after;
}

static enum hrtimer_restart limit_look(struct hrtimer *timer)
{
	struct vmm *vm = container_of(timer, struct vmm, mgmt.limit.timer);

	limit_settle(vm);
	hrtimer_forward_now(timer, limit_judge(vm));
	return HRTIMER_RESTART;
}

/**
 * limit_init() - a VM is born, without limits
 * @vm: the VM
 */
void limit_init(struct vmm *vm)
{
	spin_lock_init(&vm->mgmt.limit.lock);
	compat_hrtimer_setup(&vm->mgmt.limit.timer, limit_look, CLOCK_MONOTONIC,
			     HRTIMER_MODE_REL_SOFT);
}
EXPORT_FOR_TEST(limit_init);

/**
 * limit_set() - limit a VM, or let it go
 * @vm: the VM
 * @cpu: percent of a processor, for all vCPUs together; 0: no limit
 * @memory: bytes that may be mapped; 0: no limit
 *
 * A change is a look, too: who changes them often gains nothing by it.
 *
 * Context: may sleep; one caller at a time.
 */
void limit_set(struct vmm *vm, u32 cpu, u64 memory)
{
	struct vm_limit *l = &vm->mgmt.limit;
	u64 after;

	hrtimer_cancel(&l->timer);
	limit_settle(vm);
	WRITE_ONCE(l->cpu, cpu);
	WRITE_ONCE(l->memory, memory);
	atomic_set(&vm->mgmt.told, 0);
	after = limit_judge(vm);
	if (cpu || memory)
		hrtimer_start(&l->timer, after, HRTIMER_MODE_REL_SOFT);
}
EXPORT_FOR_TEST(limit_set);
