// SPDX-License-Identifier: GPL-2.0
/* A vCPU that has nothing to run: halt polling, sleep, wake, directed yield. */
#include <linux/moduleparam.h>
#include <linux/sched/signal.h>
#include <linux/sched/stat.h>
#include <linux/sched.h>

#include "backend.h"
#include "cpu/cpu.h"
#include "run.h"

static unsigned int halt_poll_ns = 200000;
module_param(halt_poll_ns, uint, 0644);
MODULE_PARM_DESC(halt_poll_ns, "longest time in ns to poll for an event before a halted vCPU sleeps");

#define HALT_POLL_START_NS 10000
#define HALT_FINAL_NS NSEC_PER_SEC	/* <linux/vmm_netlink.h>, VMM_EVENT_HALTED */

static unsigned int halt_poll_max(const struct vcpu *vcpu)
{
	if (vcpu->vm->policy.halt_poll_set)
		return vcpu->vm->policy.halt_poll_ns_max;
	return READ_ONCE(halt_poll_ns);
}

/* Does anything end the wait? Halted: an event; waiting for SIPI: only that. */
static bool halt_over(struct vcpu *vcpu)
{
	if (vcpu->apic && lapic_init_sipi_pending(vcpu))
		return true;
	if (READ_ONCE(vcpu->requests) &
	    (BIT(REQ_TRIPLE_FAULT) | BIT(REQ_APF) | BIT(REQ_ORDERS)))
		return true;
	if (vcpu->mp_state == KVM_MP_STATE_HALTED)
		return events_pending(vcpu) || READ_ONCE(vcpu->pv.kicked);
	return vcpu->mp_state == KVM_MP_STATE_RUNNABLE;
}

bool halt_kicked(struct vcpu *vcpu)
{
	return READ_ONCE(vcpu->pv.kicked) && xchg(&vcpu->pv.kicked, false);
}

void halt_kick(struct vcpu *vcpu)
{
	WRITE_ONCE(vcpu->pv.kicked, true);
	/* Whoever runs sees it at its next HLT. */
	vcpu_wake_halted(vcpu);
}

/* Poll while nobody else wants this processor. true: an event came. */
static bool halt_poll(struct vcpu *vcpu)
{
	u64 stop = ktime_get_ns() + vcpu->halt_poll_ns;

	vcpu->stats.halt_attempted_poll++;
	do {
		if (halt_over(vcpu)) {
			vcpu->stats.halt_successful_poll++;
			return true;
		}
		cpu_relax();
	} while (single_task_running() && !need_resched() && !signal_pending(current) &&
		 ktime_get_ns() < stop);
	return false;
}

/* Grow the window when an event came soon after sleeping began, drop it when it was long. */
static void halt_poll_adapt(struct vcpu *vcpu, u64 slept_ns)
{
	unsigned int max = halt_poll_max(vcpu);

	if (slept_ns > max)
		vcpu->halt_poll_ns = 0;
	else
		vcpu->halt_poll_ns = min(max, max(vcpu->halt_poll_ns * 2, HALT_POLL_START_NS));
}

/*
 * A guest that halts with interrupts off has taken the processor offline, or died; a paravirtual
 * spinlock waits so too, but not for long.
 */
static bool halt_looks_final(const struct vcpu *vcpu)
{
	return vcpu->mp_state == KVM_MP_STATE_HALTED && !(vcpu->state.rflags & X86_EFLAGS_IF) &&
	       !vcpu->offline;
}

static void halt_schedule(struct vcpu *vcpu)
{
	ktime_t limit = HALT_FINAL_NS;

	if (!halt_looks_final(vcpu))
		schedule();
	else if (!schedule_hrtimeout(&limit, HRTIMER_MODE_REL))
		mgmt_vcpu_online(vcpu, false);
}

static void halt_sleep(struct vcpu *vcpu)
{
	u64 start = ktime_get_ns();

	steal_away(vcpu);
	prepare_to_rcuwait(&vcpu->wait);
	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (halt_over(vcpu) || signal_pending(current) ||
		    test_thread_flag(TIF_NOTIFY_RESUME))
			break;
		halt_schedule(vcpu);
	}
	finish_rcuwait(&vcpu->wait);
	vcpu->stats.halt_wakeup++;
	halt_poll_adapt(vcpu, ktime_get_ns() - start);
}

static int halt_requests(struct vcpu *vcpu)
{
	if (vcpu_test_clear_request(vcpu, REQ_ORDERS)) {
		int ret = mgmt_follow_orders(vcpu);

		if (ret != RESUME_GUEST)
			return ret;
	}
	if (vcpu_test_clear_request(vcpu, REQ_TRIPLE_FAULT))
		return dispatch_shutdown(vcpu);
	if (vcpu_test_clear_request(vcpu, REQ_APF))
		apf_ready(vcpu);
	return RESUME_GUEST;
}

int halt_block(struct vcpu *vcpu)
{
	int ret;

	lapic_timer_leave(vcpu);
	if (!halt_over(vcpu) &&
	    !(vcpu->halt_poll_ns && !vcpu->pv.poll_off && halt_poll(vcpu)))
		halt_sleep(vcpu);
	ret = halt_requests(vcpu);
	if (ret != RESUME_GUEST)
		return ret;
	if (vcpu->apic && lapic_init_sipi_pending(vcpu))
		lapic_accept_init_sipi(vcpu);
	if (vcpu->mp_state == KVM_MP_STATE_HALTED && (halt_kicked(vcpu) || events_pending(vcpu))) {
		WRITE_ONCE(vcpu->mp_state, KVM_MP_STATE_RUNNABLE);
		vcpu_request(vcpu, REQ_EVENT);
	}
	mgmt_vcpu_changed(vcpu);
	return RESUME_GUEST;
}

bool halt_yield_to(struct vcpu *target)
{
	struct task_struct *task = NULL;
	struct pid *pid;
	int ret;

	rcu_read_lock();
	pid = rcu_dereference(target->pid);
	if (pid)
		task = get_pid_task(pid, PIDTYPE_PID);
	rcu_read_unlock();
	if (!task)
		return false;
	ret = yield_to(task, true);
	put_task_struct(task);
	return ret > 0;
}

enum yield_round {
	YIELD_TOLD,	/* something has been sent to them: that may be what is waited for */
	YIELD_BUSY,	/* they do not wait themselves: one may hold the lock */
	YIELD_ANY,	/* one may be next to have it */
	YIELD_ROUNDS
};

static bool yield_suits(const struct vcpu *other, enum yield_round round)
{
	if (!READ_ONCE(other->preempted))
		return false;
	if (round == YIELD_TOLD)
		return READ_ONCE(other->requests);
	return round == YIELD_ANY || !READ_ONCE(other->spinning);
}

/* The others in turn, from behind the one that was helped last: else the first had it all. */
static bool halt_yield_round(struct vcpu *vcpu, enum yield_round round)
{
	struct vmm *vm = vcpu->vm;
	u32 n = atomic_read(&vm->online_vcpus), from = READ_ONCE(vm->yielded_to) + 1, i;

	for (i = 0; i < n; i++) {
		struct vcpu *other = xa_load(&vm->vcpus, (from + i) % n);

		if (!other || other == vcpu || !yield_suits(other, round) || !halt_yield_to(other))
			continue;
		WRITE_ONCE(vm->yielded_to, other->index);
		return true;
	}
	return false;
}

void halt_yield(struct vcpu *vcpu)
{
	int round;

	if (atomic_read(&vcpu->vm->online_vcpus) < 2)
		return;
	WRITE_ONCE(vcpu->spinning, true);
	for (round = 0; round < YIELD_ROUNDS; round++)
		if (halt_yield_round(vcpu, round))
			break;
	WRITE_ONCE(vcpu->spinning, false);
}
