// SPDX-License-Identifier: GPL-2.0
/*
 * All VMs of this host by id, their names, and orders to them: pause, resume, reset, kill.
 *
 * Whoever looks a VM up takes a reference under the registry's lock, a spinlock, unless there is
 * none left: a VM leaves the registry, under the same lock, before anything of it is freed. The
 * lock is held for no longer than it takes to compare names.
 */
#include <linux/cred.h>
#include <linux/ctype.h>
#include <linux/netlink.h>
#include <linux/sched/signal.h>
#include <linux/timekeeping.h>
#include <linux/xarray.h>

#include <linux/vmm.h>

#include "../vmm.h"

static DEFINE_XARRAY(registry);		/* its lock is the registry's */
static atomic_t generation = ATOMIC_INIT(1);
static DEFINE_MUTEX(orders_lock);	/* one order at a time, and its event */

/**
 * mgmt_vm_add() - a VM is born; the calling process is its creator
 * @vm: complete, known to nobody else
 *
 * Context: may sleep.
 * Return: 0, -ENOMEM
 */
int mgmt_vm_add(struct vmm *vm)
{
	struct vm_mgmt *m = &vm->mgmt;
	int err;

	m->owner = current_uid();
	get_task_comm(m->comm, current->group_leader);
	m->born = ktime_get_boottime_ns();
	m->state = VMM_VM_CREATED;
	m->given = VMM_GIVEN_UNKNOWN;
	uuid_gen(&m->uuid);
	init_waitqueue_head(&m->wait);
	limit_init(vm);
	ratelimit_state_init(&m->rate, HZ, VMM_EVENTS_PER_SECOND);
	ratelimit_set_flags(&m->rate, RATELIMIT_MSG_ON_RELEASE);
	m->pid = get_task_pid(current, PIDTYPE_TGID);
	err = xa_insert(&registry, vm->id, vm, GFP_KERNEL_ACCOUNT);
	if (err) {
		put_pid(m->pid);
		return err;
	}
	atomic_inc(&generation);
	netlink_event(vm, VMM_EVENT_CREATED, NULL);
	return 0;
}

/**
 * mgmt_vm_remove() - a VM without references dies
 * @vm: the VM
 *
 * Context: may sleep. On return nobody can find it any more.
 */
void mgmt_vm_remove(struct vmm *vm)
{
	xa_erase(&registry, vm->id);
	hrtimer_cancel(&vm->mgmt.limit.timer);
	atomic_inc(&generation);
	netlink_event(vm, VMM_EVENT_DESTROYED, NULL);
	put_pid(vm->mgmt.pid);
}

/**
 * mgmt_vm_next() - look a VM up
 * @id: this one, or the next that there is; it is set to the one that was found
 *
 * Return: the VM with a reference for the caller, or NULL
 */
struct vmm *mgmt_vm_next(u64 *id)
{
	unsigned long index = *id;
	struct vmm *vm;

	xa_lock(&registry);
	vm = xa_find(&registry, &index, ULONG_MAX, XA_PRESENT);
	while (vm && !kref_get_unless_zero(&vm->refs))
		vm = xa_find_after(&registry, &index, ULONG_MAX, XA_PRESENT);
	xa_unlock(&registry);
	*id = index;
	return vm;
}

/**
 * mgmt_generation() - a number that changes when VMs come, go, or change their names
 *
 * Return: the number, never 0
 */
u32 mgmt_generation(void)
{
	return atomic_read(&generation) ?: 1;
}

/* ---- names ---- */

/**
 * mgmt_label_get() - name and UUID
 * @vm: the VM
 * @label: where they are copied to
 */
void mgmt_label_get(struct vmm *vm, struct vm_label *label)
{
	xa_lock(&registry);
	memcpy(label->name, vm->mgmt.name, sizeof(label->name));
	label->uuid = vm->mgmt.uuid;
	xa_unlock(&registry);
}

/* Not a number, which would be an id, and nothing that a terminal or a shell takes for its own. */
static bool name_valid(const char *name)
{
	if (!isascii(*name) || !isalpha(*name))
		return false;
	while (*++name)
		if (!isascii(*name) || (!isalnum(*name) && !strchr("-_.:@+", *name)))
			return false;
	return true;
}

/* The registry's lock is held. */
static bool name_taken(const struct vmm *vm, const char *name)
{
	const struct vmm *other;
	unsigned long id;

	xa_for_each(&registry, id, other)
		if (other != vm && uid_eq(other->mgmt.owner, vm->mgmt.owner) &&
		    !strcmp(other->mgmt.name, name))
			return true;
	return false;
}

/**
 * mgmt_label_set() - give a VM a name, a UUID, or both
 * @vm: the VM
 * @name: shorter than VMM_VM_NAME_SIZE; NULL: leave it
 * @uuid: 16 bytes; NULL: leave it
 * @ack: where a refusal is explained
 *
 * Context: may sleep.
 * Return: 0; -EINVAL: no name; -EEXIST: the owner has another VM of that name
 */
int mgmt_label_set(struct vmm *vm, const char *name, const u8 *uuid, struct netlink_ext_ack *ack)
{
	if (name && !name_valid(name)) {
		NL_SET_ERR_MSG(ack, "a name is a letter, then letters, digits and any of -_.:@+");
		return -EINVAL;
	}
	mutex_lock(&orders_lock);
	xa_lock(&registry);
	if (name && name_taken(vm, name)) {
		xa_unlock(&registry);
		mutex_unlock(&orders_lock);
		NL_SET_ERR_MSG(ack, "another VM of its owner has that name");
		return -EEXIST;
	}
	if (name)
		strscpy_pad(vm->mgmt.name, name, sizeof(vm->mgmt.name));
	if (uuid)
		import_uuid(&vm->mgmt.uuid, uuid);
	xa_unlock(&registry);
	atomic_inc(&generation);
	netlink_event(vm, VMM_EVENT_NAMED, NULL);
	mutex_unlock(&orders_lock);
	return 0;
}

/* ---- orders ---- */

/**
 * mgmt_state() - what a VM is doing
 * @vm: the VM
 *
 * Return: VMM_VM_*
 */
enum vmm_vm_state mgmt_state(const struct vmm *vm)
{
	switch (READ_ONCE(vm->mgmt.order)) {
	case ORDER_PAUSE:
		return VMM_VM_PAUSED;
	case ORDER_KILL:
		return VMM_VM_KILLED;
	default:
		return READ_ONCE(vm->mgmt.state);
	}
}

/* Why a VM that has one order cannot be given another; orders_lock is held. */
static const char *order_refusal(const struct vmm *vm, enum mgmt_order order)
{
	if (vm->mgmt.order == ORDER_KILL)
		return "the VM has been killed";
	if (vm->mgmt.order != order)
		return NULL;
	return order == ORDER_PAUSE ? "the VM is paused already" : "the VM is not paused";
}

/**
 * mgmt_give_order() - pause a VM, let it go on, or end it for good
 * @vm: the VM
 * @order: what it shall do
 * @ack: where a refusal is explained
 *
 * On return no vCPU of a VM that shall not run executes the guest's code. Its client may take the
 * time it wants to notice.
 *
 * Context: may sleep; no lock of a VM held.
 * Return: 0; -EBUSY: the VM's state does not fit
 */
int mgmt_give_order(struct vmm *vm, enum mgmt_order order, struct netlink_ext_ack *ack)
{
	static const enum vmm_event events[] = {
		[ORDER_RUN] = VMM_EVENT_RESUMED,
		[ORDER_PAUSE] = VMM_EVENT_PAUSED,
		[ORDER_KILL] = VMM_EVENT_KILLED,
	};
	const char *refusal;

	mutex_lock(&orders_lock);
	refusal = order_refusal(vm, order);
	if (refusal) {
		mutex_unlock(&orders_lock);
		if (ack)
			ack->_msg = refusal;
		return -EBUSY;
	}
	WRITE_ONCE(vm->mgmt.order, order);
	if (order != ORDER_RUN) {
		/* Those that sleep are woken; then those that run are waited for. */
		vcpu_request_all(vm, REQ_ORDERS, false);
		vcpu_request_all(vm, REQ_ORDERS, true);
	}
	wake_up_all(&vm->mgmt.wait);
	netlink_event(vm, events[order], NULL);
	mutex_unlock(&orders_lock);
	return 0;
}

/**
 * mgmt_call_client() - have a VM's client reset it, or press its power button
 * @vm: the VM
 * @call: which
 * @ack: where a refusal is explained
 *
 * The vCPU that comes first tells it, when the VM is not paused.
 *
 * Context: may sleep; no lock of a VM held.
 * Return: 0; -EBUSY: the VM's state does not fit; -EOPNOTSUPP: its client has no such button
 */
int mgmt_call_client(struct vmm *vm, enum mgmt_call call, struct netlink_ext_ack *ack)
{
	int err = -EBUSY;

	if (call == CALL_POWER && !READ_ONCE(vm->policy.power_button)) {
		NL_SET_ERR_MSG(ack, "the VM's client has no power button for others: ask it");
		return -EOPNOTSUPP;
	}
	mutex_lock(&orders_lock);
	if (vm->mgmt.order == ORDER_KILL) {
		NL_SET_ERR_MSG(ack, "the VM has been killed");
	} else if (!atomic_read(&vm->online_vcpus)) {
		NL_SET_ERR_MSG(ack, "the VM has no vCPU yet");
	} else {
		set_bit(call, &vm->mgmt.calls);
		vcpu_request_all(vm, REQ_ORDERS, false);
		err = 0;
	}
	mutex_unlock(&orders_lock);
	return err;
}

static bool is_looser(u64 old, u64 new)
{
	return old && (!new || new > old);
}

/**
 * mgmt_limits_set() - limit a VM
 * @vm: the VM
 * @cpu: percent of a processor, 0: no limit; NULL: leave it
 * @memory: bytes that may be mapped, likewise
 * @loosen: it may become more than it was
 * @ack: where a refusal is explained
 *
 * Context: may sleep; no lock of a VM held.
 * Return: 0; -EINVAL: more than there can be; -EPERM: looser
 */
int mgmt_limits_set(struct vmm *vm, const u32 *cpu, const u64 *memory, bool loosen,
		    struct netlink_ext_ack *ack)
{
	struct vm_limit *l = &vm->mgmt.limit;
	int err = 0;

	if (cpu && *cpu > 100 * VMM_MAX_VCPUS) {
		NL_SET_ERR_MSG(ack, "a VM cannot use that many processors");
		return -EINVAL;
	}
	mutex_lock(&orders_lock);
	if (!loosen && ((cpu && is_looser(l->cpu, *cpu)) ||
			(memory && is_looser(l->memory, *memory)))) {
		NL_SET_ERR_MSG(ack, "to loosen a limit CAP_SYS_ADMIN is needed");
		err = -EPERM;
	} else {
		limit_set(vm, cpu ? *cpu : l->cpu, memory ? *memory : l->memory);
	}
	mutex_unlock(&orders_lock);
	return err;
}

static bool may_run(const struct vm_mgmt *m)
{
	int order = READ_ONCE(m->order);

	return order == ORDER_KILL || (order == ORDER_RUN && !READ_ONCE(m->held));
}

/* The first time since the limits were set it is told. */
static void note_limits(struct vcpu *vcpu, u32 held)
{
	if (held & ~atomic_fetch_or(held, &vcpu->vm->mgmt.told))
		netlink_event(vcpu->vm, VMM_EVENT_LIMITED,
			      held & HELD_MEMORY ? "memory" : "processor time");
}

static int wait_to_run(struct vcpu *vcpu)
{
	struct vm_mgmt *m = &vcpu->vm->mgmt;
	u32 held = READ_ONCE(m->held);
	u64 since = ktime_get_ns();
	int err;

	if (held) {
		note_limits(vcpu, held);
		steal_away(vcpu);
	}
	err = wait_event_interruptible(m->wait, may_run(m));
	if (held)
		WRITE_ONCE(vcpu->limit.waited, vcpu->limit.waited + ktime_get_ns() - since);
	return err;
}

static int tell_client(struct vcpu *vcpu)
{
	static const u32 types[CALL_COUNT] = {
		[CALL_RESET] = KVM_SYSTEM_EVENT_RESET,
		[CALL_POWER] = VMM_SYSTEM_EVENT_POWER_BUTTON,
	};
	struct vm_mgmt *m = &vcpu->vm->mgmt;
	int call;

	for (call = 0; call < CALL_COUNT; call++)
		if (test_and_clear_bit(call, &m->calls))
			break;
	if (call == CALL_COUNT)
		return RESUME_GUEST;
	/* There may be another call. */
	vcpu_request(vcpu, REQ_ORDERS);
	if (call == CALL_RESET)
		netlink_event(vcpu->vm, VMM_EVENT_RESET, NULL);
	vcpu->run->exit_reason = KVM_EXIT_SYSTEM_EVENT;
	vcpu->run->system_event.type = types[call];
	vcpu->run->system_event.ndata = 0;
	return RESUME_USER;
}

/**
 * mgmt_follow_orders() - REQ_ORDERS: the VM may have been paused, held, reset or killed
 * @vcpu: the vCPU; every vCPU's first entry comes through here, and the first after a stop
 *
 * Context: may sleep, until the VM may run or a signal comes.
 * Return: RESUME_GUEST; RESUME_USER: the client is told something; -EINTR; -ECANCELED: killed
 */
int mgmt_follow_orders(struct vcpu *vcpu)
{
	struct vm_mgmt *m = &vcpu->vm->mgmt;

	if (!may_run(m) && wait_to_run(vcpu)) {
		vcpu_request(vcpu, REQ_ORDERS);
		vcpu->stats.signal_exits++;
		return -EINTR;
	}
	if (READ_ONCE(m->order) == ORDER_KILL) {
		vcpu_request(vcpu, REQ_ORDERS);
		return -ECANCELED;
	}
	if (READ_ONCE(m->calls) && tell_client(vcpu) == RESUME_USER)
		return RESUME_USER;
	if (xchg(&m->state, VMM_VM_RUNNING) != VMM_VM_RUNNING)
		netlink_event(vcpu->vm, VMM_EVENT_RUNNING, NULL);
	return RESUME_GUEST;
}

/**
 * mgmt_vcpu_stopped() - a vCPU has met its end, unless its client sets it right
 * @vcpu: the vCPU
 * @state: VMM_VM_SHUTDOWN or VMM_VM_CRASHED
 * @reason: in words
 *
 * Context: may sleep.
 */
void mgmt_vcpu_stopped(struct vcpu *vcpu, enum vmm_vm_state state, const char *reason)
{
	/* So that it is noticed when it runs again. */
	vcpu_request(vcpu, REQ_ORDERS);
	if (xchg(&vcpu->vm->mgmt.state, state) == state)
		return;
	netlink_event(vcpu->vm, state == VMM_VM_CRASHED ? VMM_EVENT_CRASHED : VMM_EVENT_SHUTDOWN,
		      reason);
}

/**
 * mgmt_vcpu_online() - a vCPU runs, or nothing but an NMI or INIT will have it run
 * @vcpu: the vCPU, whose thread calls
 * @online: which
 *
 * Context: may sleep.
 */
void mgmt_vcpu_online(struct vcpu *vcpu, bool online)
{
	vcpu->offline = !online;
	netlink_vcpu_event(vcpu, online ? VMM_EVENT_ONLINE : VMM_EVENT_HALTED);
}

/**
 * mgmt_vcpu_changed() - a vCPU's mp_state has changed: one that was told as halted may run again
 * @vcpu: the vCPU, whose thread calls
 *
 * Context: may sleep.
 */
void mgmt_vcpu_changed(struct vcpu *vcpu)
{
	if (vcpu->offline && vcpu->mp_state == KVM_MP_STATE_RUNNABLE)
		mgmt_vcpu_online(vcpu, true);
}
