// SPDX-License-Identifier: GPL-2.0
/*
 * KVM_RUN: the loop of one vCPU. Enter, leave, dispatch; between two exits nothing is looked at
 * but the request word, the thread's work flags and the events that are due.
 */
#include <linux/context_tracking.h>
#include <linux/entry-common.h>
#include <linux/sched/signal.h>
#include <linux/vtime.h>
#include <asm/fpu/api.h>

#include "backend.h"
#include "cpu/cpu.h"
#include "main.h"
#include "run.h"
#include "trace.h"

#define THREAD_WORK (_TIF_SIGPENDING | _TIF_NOTIFY_SIGNAL | _TIF_NEED_RESCHED | _TIF_NOTIFY_RESUME)

/* Requests that are answered with interrupts off, right before the entry. */
#define REQS_AT_ENTRY (BIT(REQ_EVENT) | BIT(REQ_TLB_FLUSH) | BIT(REQ_TLB_FLUSH_GUEST) | \
		       BIT(REQ_TDP_ROOT) | BIT(REQ_KICK))

/* ---- before the entry ---- */

/* Split irqchip: user space's I/O APIC waits for the end of a level. */
static int run_eoi_exit(struct vcpu *vcpu)
{
	u8 vector;

	if (!lapic_eoi_exit_pending(vcpu, &vector))
		return RESUME_GUEST;
	vcpu->run->exit_reason = KVM_EXIT_IOAPIC_EOI;
	vcpu->run->eoi.vector = vector;
	return RESUME_USER;
}

/* Requests that may sleep or end KVM_RUN. */
static int run_requests(struct vcpu *vcpu)
{
	if (vcpu_test_clear_request(vcpu, REQ_ORDERS)) {
		int ret = mgmt_follow_orders(vcpu);

		if (ret != RESUME_GUEST)
			return ret;
	}
	if (vcpu_test_clear_request(vcpu, REQ_TRIPLE_FAULT))
		return dispatch_shutdown(vcpu);
	if (vcpu_test_clear_request(vcpu, REQ_MSR_FILTER))
		msr_filter_apply(vcpu);
	if (vcpu_test_clear_request(vcpu, REQ_INTERCEPTS))
		backend_update_intercepts(vcpu);
	if (vcpu_test_clear_request(vcpu, REQ_CLOCK))
		clock_update(vcpu);
	if (vcpu_test_clear_request(vcpu, REQ_STEAL))
		steal_update(vcpu);
	if (vcpu_test_clear_request(vcpu, REQ_APF))
		apf_ready(vcpu);
	if (vcpu_test_clear_request(vcpu, REQ_INIT_SIPI) && vcpu->apic)
		lapic_accept_init_sipi(vcpu);
	if (vcpu_test_clear_request(vcpu, REQ_DIRTY_RING) && !ring_check(vcpu))
		return RESUME_USER;
	if (vcpu_test_clear_request(vcpu, REQ_TPR_ACCESS))
		return vapic_tpr_exit(vcpu);
	if (vcpu_test_clear_request(vcpu, REQ_SCAN_IOAPIC))
		return run_eoi_exit(vcpu);
	return RESUME_GUEST;
}

/* Interrupts off: what must be done on this processor at this moment. */
static void run_requests_at_entry(struct vcpu *vcpu)
{
	struct memory *mem = &vcpu->vm->mem;

	clear_bit(REQ_KICK, &vcpu->requests);
	if (vcpu_test_clear_request(vcpu, REQ_TDP_ROOT))
		backend_set_tdp_root(vcpu, __pa(mem->tdp_table), mem->tdp_level);
	if (vcpu_test_clear_request(vcpu, REQ_TLB_FLUSH)) {
		clear_bit(REQ_TLB_FLUSH_GUEST, &vcpu->requests);
		vcpu->stats.tlb_flush++;
		backend_tlb_flush(vcpu, false);
	}
	if (vcpu_test_clear_request(vcpu, REQ_TLB_FLUSH_GUEST))
		backend_tlb_flush(vcpu, true);
}

static void run_prepare(struct vcpu *vcpu)
{
	bool event = vcpu->events.injected.type != EVENT_NONE;

	if (READ_ONCE(vcpu->requests)) {
		run_requests_at_entry(vcpu);
		event |= vcpu_test_clear_request(vcpu, REQ_EVENT);
	}
	if (event)
		events_prepare(vcpu);
}

static bool run_has_thread_work(void)
{
	return (read_thread_flags() & THREAD_WORK) || !raw_cpu_read(cpu_virt_on);
}

/* Something came up that must be looked at with interrupts on. */
static bool run_called_off(struct vcpu *vcpu)
{
	return (READ_ONCE(vcpu->requests) & ~REQS_AT_ENTRY) || run_has_thread_work();
}

/* Interrupts off: get ready; false: the entry is called off. */
static bool run_ready(struct vcpu *vcpu)
{
	if (run_called_off(vcpu))
		return false;
	if (likely(!READ_ONCE(vcpu->requests) && vcpu->events.injected.type == EVENT_NONE))
		return true;
	run_prepare(vcpu);
	/* This may have kicked the vCPU itself. */
	return !run_called_off(vcpu) && READ_ONCE(vcpu->mode) == VCPU_IN_GUEST;
}

/* ---- the entry ---- */

/* RCU, which counts a guest as it counts user space, has to be told; at each tick it looks. */
static __always_inline void run_guest_time_begin(struct vcpu *vcpu)
{
	unsigned long now = jiffies;

	vtime_account_guest_enter();
	if (!context_tracking_guest_enter() && unlikely(vcpu->rcu_noted != now)) {
		vcpu->rcu_noted = now;
		compat_rcu_virt_note();
	}
}

static __always_inline void run_guest_time_end(void)
{
	context_tracking_guest_exit();
}

/* ---- exit_cycles: from an exit to the next entry, or to the end of KVM_RUN ---- */

static __always_inline void run_cycles_begin(struct vcpu *vcpu)
{
	if (static_branch_unlikely(&stats_cycles))
		vcpu->left_guest = rdtsc();
}

static __always_inline void run_cycles_end(struct vcpu *vcpu)
{
	u64 now;

	if (!static_branch_unlikely(&stats_cycles))
		return;
	now = rdtsc();
	if (vcpu->left_guest > READ_ONCE(stats_cycles_since) && now > vcpu->left_guest)
		vcpu->stats.exit_cycles[vcpu->exit.kind] += now - vcpu->left_guest;
	vcpu->left_guest = 0;
}

/* Interrupts off. The FPU may have been saved by an interrupt's user; get it back. */
static void run_hardware(struct vcpu *vcpu)
{
	u64 cr8 = vcpu->state.cr8;

	if (test_thread_flag(TIF_NEED_FPU_LOAD))
		switch_fpu_return();
	if (unlikely(!vcpu->msrs.tsc_aux_loaded))
		msr_tsc_aux_load(vcpu);
	xstate_enter(vcpu);
	debug_enter(vcpu);
	trace_vmm_entry(vcpu);
	run_cycles_end(vcpu);
	run_guest_time_begin(vcpu);
	backend_run(vcpu);
	compat_guest_ran();
	run_guest_time_end();
	run_cycles_begin(vcpu);
	if (unlikely(vcpu->state.cr8 != cr8))
		lapic_set_tpr(vcpu, vcpu->state.cr8 << 4);
	debug_leave();
	xstate_leave(vcpu);
}

/* Let the host's pending interrupt in, while the tick still counts as the guest's time. */
static void run_let_host_in(struct vcpu *vcpu)
{
	WRITE_ONCE(vcpu->mode, VCPU_OUTSIDE_GUEST);
	if (unlikely(backend_caps.acks_irqs))
		backend_host_interrupt(vcpu);
	local_irq_enable();
	/* An STI lets nothing in before the instruction behind it is done: that is not CLI. */
	vcpu->stats.exits++;
	local_irq_disable();
	vtime_account_guest_exit();
	local_irq_enable();
	preempt_enable();
}

static void run_call_off(struct vcpu *vcpu)
{
	if (vcpu->events.injected.type != EVENT_NONE) {
		events_cancel(vcpu);
		vcpu_request(vcpu, REQ_EVENT);
	}
	WRITE_ONCE(vcpu->mode, VCPU_OUTSIDE_GUEST);
	local_irq_enable();
	preempt_enable();
}

/* Go in and come out once. true: an exit is to be dispatched. */
static bool run_enter(struct vcpu *vcpu)
{
	preempt_disable();
	local_irq_disable();
	/* Mode before requests: whoever sets a request reads the mode afterwards. */
	smp_store_mb(vcpu->mode, VCPU_IN_GUEST);
	if (unlikely(!run_ready(vcpu))) {
		run_call_off(vcpu);
		return false;
	}
	run_hardware(vcpu);
	run_let_host_in(vcpu);
	return true;
}

/* ---- after the exit ---- */

static int run_exit(struct vcpu *vcpu)
{
	backend_exit_decode(vcpu);
	trace_vmm_exit(vcpu);
	vcpu->stats.exit_kind[vcpu->exit.kind]++;
	if (vcpu->exit.vectoring.type != EVENT_NONE ||
	    vcpu->events.injected.type != EVENT_NONE)
		events_requeue(vcpu);
	if (unlikely(vcpu->vapic.addr))
		vapic_collect(vcpu);
	return dispatch_exit(vcpu);
}

/* Could user space, which has the PIC, inject an interrupt now? */
static bool run_user_window_open(struct vcpu *vcpu)
{
	return vcpu->events.ext_irq < 0 && vcpu->events.injected.type == EVENT_NONE &&
	       events_interrupt_allowed(vcpu) && (!vcpu->apic || lapic_accepts_pic(vcpu->apic));
}

/*
 * Work of the thread: reschedule here; a signal ends KVM_RUN. TIF_NOTIFY_RESUME's work is not open
 * to modules, so the system call is restarted, unseen by user space: the way out does the work. It
 * returns EINTR if a handler runs on that way, unless its signal comes while the work is done; as
 * for one that comes right before the call, immediate_exit makes sure.
 */
static int run_thread_work(struct vcpu *vcpu)
{
	if (need_resched()) {
		steal_away(vcpu);
		cond_resched();
	}
	if (signal_pending(current)) {
		vcpu->run->exit_reason = KVM_EXIT_INTR;
		vcpu->stats.signal_exits++;
		return -EINTR;
	}
	if (test_thread_flag(TIF_NOTIFY_RESUME)) {
		set_thread_flag(TIF_SIGPENDING);
		vcpu->run->exit_reason = KVM_EXIT_INTR;
		return -ERESTARTNOHAND;
	}
	if (!this_cpu_read(cpu_virt_on)) {
		/* This processor goes offline or down; the scheduler moves us. */
		if (system_state > SYSTEM_RUNNING)
			return -EIO;
		schedule_timeout_uninterruptible(1);
	}
	return RESUME_GUEST;
}

/* One exit, or, where the entry was called off, what it was called off for. */
static int run_once(struct vcpu *vcpu, bool *entered)
{
	if (unlikely(vcpu->vapic.addr))
		vapic_publish(vcpu);
	*entered = run_enter(vcpu);
	if (unlikely(vcpu->events.eoi_offered))
		eoi_collect(vcpu);
	return *entered ? run_exit(vcpu) : run_requests(vcpu);
}

static int run_loop(struct vcpu *vcpu)
{
	bool user_pic = irqchip_user_pic(&vcpu->vm->irq);
	int ret;

	for (;;) {
		bool entered = false;

		if (vcpu->mp_state == KVM_MP_STATE_RUNNABLE)
			ret = run_once(vcpu, &entered);
		else
			ret = halt_block(vcpu);
		if (ret != RESUME_GUEST)
			return ret;
		if (user_pic && READ_ONCE(vcpu->run->request_interrupt_window) &&
		    run_user_window_open(vcpu)) {
			vcpu->run->exit_reason = KVM_EXIT_IRQ_WINDOW_OPEN;
			vcpu->stats.request_irq_exits++;
			return RESUME_USER;
		}
		/* Else the next entry would be called off for it. */
		if (!entered && run_has_thread_work()) {
			ret = run_thread_work(vcpu);
			if (ret != RESUME_GUEST)
				return ret;
		}
	}
}

/* ---- KVM_RUN ---- */

/* What user space reads beside the exit (api.rst, struct kvm_run). */
static void run_publish(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	run->if_flag = !!(vcpu->state.rflags & X86_EFLAGS_IF);
	run->flags = 0;
	run->cr8 = vcpu->apic ? lapic_tpr(vcpu) >> 4 : vcpu->state.cr8;
	run->apic_base = vcpu->msrs.apic_base;
	run->ready_for_interrupt_injection = !irqchip_user_pic(&vcpu->vm->irq) ||
		(!vcpu->events.exception.pending && run_user_window_open(vcpu));
	if (unlikely(run->kvm_valid_regs))
		sync_regs_out(vcpu);
}

static int run_begin(struct vcpu *vcpu)
{
	int (*complete)(struct vcpu *vcpu) = vcpu->complete;
	u32 last_exit = READ_ONCE(vcpu->run->exit_reason);
	int ret;

	vcpu->run->exit_reason = KVM_EXIT_UNKNOWN;
	ret = sync_regs_in(vcpu);
	if (ret)
		return ret;
	ret = RESUME_GUEST;
	if (!vcpu->apic && cr_write(vcpu, 8, READ_ONCE(vcpu->run->cr8)))
		return -EINVAL;
	/* request_interrupt_window may have changed. */
	if (irqchip_user_pic(&vcpu->vm->irq))
		vcpu_request(vcpu, REQ_EVENT);
	if (complete) {
		vcpu->complete = NULL;
		ret = complete(vcpu);
	}
	if (ret == RESUME_GUEST && READ_ONCE(vcpu->run->compat_immediate_exit)) {
		/* Nothing ran: user space may still look at the exit that was completed. */
		vcpu->run->exit_reason = last_exit;
		return -EINTR;
	}
	if (ret == RESUME_GUEST && signal_pending(current))
		return run_thread_work(vcpu);
	return ret;
}

static void run_note_pid(struct vcpu *vcpu)
{
	struct pid *old = rcu_access_pointer(vcpu->pid);
	struct pid *new = task_pid(current);

	if (old == new)
		return;
	get_pid(new);
	limit_thread(vcpu, new);
	steal_thread(vcpu);
	if (old) {
		synchronize_rcu();
		put_pid(old);
	}
}

/*
 * The thread's own mask is kept in real_blocked: what is blocked there is not fatal at once when it
 * is sent, but stays pending, and ends KVM_RUN.
 */
static void run_sigset_swap_in(struct vcpu *vcpu)
{
	if (vcpu->sigset_active)
		sigprocmask(SIG_SETMASK, &vcpu->sigset, &current->real_blocked);
}

static void run_sigset_swap_out(struct vcpu *vcpu)
{
	if (!vcpu->sigset_active)
		return;
	sigprocmask(SIG_SETMASK, &current->real_blocked, NULL);
	sigemptyset(&current->real_blocked);
}

/**
 * vcpu_run() - KVM_RUN
 * @vcpu: the vCPU, loaded, vcpu->mutex held
 *
 * Context: may sleep.
 * Return: 0: vcpu->run->exit_reason says what user space shall do; -EINTR: a signal or
 * immediate_exit; -EFAULT: a page of the guest cannot be had; -ECANCELED: the VM has been killed;
 * -EINVAL
 */
long vcpu_run(struct vcpu *vcpu)
{
	int ret;

	run_note_pid(vcpu);
	run_sigset_swap_in(vcpu);
	fpu_load_guest(vcpu);
	ret = run_begin(vcpu);
	if (ret == RESUME_GUEST) {
		ret = run_loop(vcpu);
		if (ret == -EINTR)
			vcpu->run->exit_reason = KVM_EXIT_INTR;
	}
	fpu_put_guest(vcpu);
	run_cycles_end(vcpu);
	vcpu->stats.user_exits++;
	limit_leave(&vcpu->limit);
	run_publish(vcpu);
	run_sigset_swap_out(vcpu);
	/* The swap recalculates TIF_SIGPENDING; without it the restart would be seen outside. */
	if (ret == -ERESTARTNOHAND)
		set_thread_flag(TIF_SIGPENDING);
	return ret;
}
