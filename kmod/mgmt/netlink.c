// SPDX-License-Identifier: GPL-2.0
/*
 * The generic netlink family "vmm": messages to and from the registry (Documentation/netlink.rst).
 *
 * Everything is read without a lock of a VM, from counters that their vCPUs write.
 */
#include <linux/capability.h>
#include <linux/module.h>
#include <linux/timekeeping.h>
#include <net/genetlink.h>

#include <linux/vmm.h>

#include "../backend.h"
#include "../cpu/cpu.h"

static struct genl_family family;

/* ---- who asks ---- */

struct viewer {
	kuid_t uid;
	bool all;
};

static struct viewer viewer_of(struct sk_buff *request)
{
	return (struct viewer){
		.uid = NETLINK_CREDS(request)->uid,
		.all = netlink_capable(request, CAP_SYS_ADMIN),
	};
}

static bool viewer_sees(const struct viewer *viewer, const struct vmm *vm)
{
	return viewer->all || uid_eq(viewer->uid, vm->mgmt.owner);
}

/* With a reference. What the viewer may not see is not there. */
static struct vmm *vm_seen(const struct viewer *viewer, u64 id, struct netlink_ext_ack *ack)
{
	u64 found = id;
	struct vmm *vm = mgmt_vm_next(&found);

	if (vm && found == id && viewer_sees(viewer, vm))
		return vm;
	if (vm)
		vm_put(vm);
	NL_SET_ERR_MSG(ack, "there is no VM of that id, or it is another user's");
	return ERR_PTR(-ENOENT);
}

static struct vmm *vm_asked_for(struct sk_buff *request, struct genl_info *info)
{
	struct viewer viewer = viewer_of(request);

	if (!info->attrs[VMM_ATTR_VM_ID]) {
		NL_SET_ERR_MSG(info->extack, "which VM? There is no id");
		return ERR_PTR(-EINVAL);
	}
	return vm_seen(&viewer, nla_get_u64(info->attrs[VMM_ATTR_VM_ID]), info->extack);
}

/* ---- what is answered ---- */

static const char *const exit_kinds[] = {
#define X(name) #name,
	VMEXIT_KINDS(X)
#undef X
};

/* Of one kind: a nest of a name, shorter than 24 bytes, and of numbers that may need a pad. */
#define EXIT_SIZE (nla_total_size(0) + nla_total_size(24) + 2 * nla_total_size_64bit(sizeof(u64)))
/* The rest, name, UUID and a dozen numbers among it; and a dump's message must hold one answer. */
#define VM_SIZE (512 + VMEXIT_COUNT * EXIT_SIZE)

/* struct tally - the counters of some vCPUs, added up */
struct tally {
	u64 exits, steal, runtime;
	u64 kinds[VMEXIT_COUNT], cycles[VMEXIT_COUNT];
	pid_t tid;	/* the last one's thread, as the caller sees it; 0: none */
};

static int put_exits(struct sk_buff *skb, int type, const struct tally *tally)
{
	struct nlattr *nest;
	int kind;

	for (kind = 0; kind < VMEXIT_COUNT; kind++) {
		if (!tally->kinds[kind])
			continue;
		nest = nla_nest_start(skb, type);
		if (!nest || nla_put_string(skb, VMM_ATTR_EXIT_KIND, exit_kinds[kind]) ||
		    nla_put_u64_64bit(skb, VMM_ATTR_EXIT_COUNT, tally->kinds[kind],
				      VMM_ATTR_EXIT_PAD) ||
		    (tally->cycles[kind] &&
		     nla_put_u64_64bit(skb, VMM_ATTR_EXIT_CYCLES, tally->cycles[kind],
				       VMM_ATTR_EXIT_PAD)))
			return -EMSGSIZE;
		nla_nest_end(skb, nest);
	}
	return 0;
}

static void tally_add(struct tally *tally, struct vcpu *vcpu)
{
	struct task_struct *task;
	int kind;

	tally->exits += READ_ONCE(vcpu->stats.exits);
	tally->steal += READ_ONCE(vcpu->limit.waited);
	for (kind = 0; kind < VMEXIT_COUNT; kind++) {
		tally->kinds[kind] += READ_ONCE(vcpu->stats.exit_kind[kind]);
		tally->cycles[kind] += READ_ONCE(vcpu->stats.exit_cycles[kind]);
	}
	rcu_read_lock();
	task = pid_task(rcu_dereference(vcpu->pid), PIDTYPE_PID);
	if (task) {
		tally->steal += READ_ONCE(task->sched_info.run_delay);
		tally->runtime += READ_ONCE(task->se.sum_exec_runtime);
	}
	tally->tid = pid_vnr(rcu_dereference(vcpu->pid));
	rcu_read_unlock();
}

static int put_vm_label(struct sk_buff *skb, struct vmm *vm)
{
	struct vm_label label;
	int err;

	mgmt_label_get(vm, &label);
	err = nla_put(skb, VMM_ATTR_VM_UUID, sizeof(label.uuid), &label.uuid);
	if (!err && *label.name)
		err = nla_put_string(skb, VMM_ATTR_VM_NAME, label.name);
	return err;
}

static int put_vm_who(struct sk_buff *skb, struct vmm *vm)
{
	const struct vm_mgmt *m = &vm->mgmt;

	if (nla_put_u64_64bit(skb, VMM_ATTR_VM_ID, vm->id, VMM_ATTR_VM_PAD) ||
	    put_vm_label(skb, vm) ||
	    nla_put_u32(skb, VMM_ATTR_VM_OWNER, from_kuid_munged(current_user_ns(), m->owner)) ||
	    nla_put_u32(skb, VMM_ATTR_VM_PID, pid_vnr(m->pid)) ||
	    nla_put_string(skb, VMM_ATTR_VM_COMM, m->comm))
		return -EMSGSIZE;
	return 0;
}

static int put_vm_limits(struct sk_buff *skb, struct vmm *vm)
{
	u64 memory = READ_ONCE(vm->mgmt.limit.memory);
	u32 cpu = READ_ONCE(vm->mgmt.limit.cpu);

	if ((cpu && nla_put_u32(skb, VMM_ATTR_VM_CPU_LIMIT, cpu)) ||
	    (memory && nla_put_u64_64bit(skb, VMM_ATTR_VM_MEMORY_LIMIT, memory, VMM_ATTR_VM_PAD)))
		return -EMSGSIZE;
	return 0;
}

/* What the client has not told, or says it does not know, is left out. */
static int put_vm_given(struct sk_buff *skb, struct vmm *vm)
{
	u64 given = READ_ONCE(vm->mgmt.given);

	if (given == VMM_GIVEN_UNKNOWN)
		return 0;
	return nla_put_u64_64bit(skb, VMM_ATTR_VM_GIVEN, given, VMM_ATTR_VM_PAD);
}

static int put_vm_what(struct sk_buff *skb, struct vmm *vm)
{
	u64 uptime = ktime_get_boottime_ns() - vm->mgmt.born;
	u64 memory = READ_ONCE(vm->mem.npages) * PAGE_SIZE;
	struct tally tally = {};
	struct vcpu *vcpu;
	unsigned long i;

	KVM_VCPUS_FOR_EACH(i, vcpu, vm)
		tally_add(&tally, vcpu);
	if (nla_put_u32(skb, VMM_ATTR_VM_STATE, mgmt_state(vm)) ||
	    nla_put_u32(skb, VMM_ATTR_VM_VCPUS, i) ||
	    nla_put_u64_64bit(skb, VMM_ATTR_VM_MEMORY, memory, VMM_ATTR_VM_PAD) ||
	    nla_put_u64_64bit(skb, VMM_ATTR_VM_RESIDENT, mgmt_resident(vm), VMM_ATTR_VM_PAD) ||
	    put_vm_given(skb, vm) ||
	    nla_put_u64_64bit(skb, VMM_ATTR_VM_EXITS, tally.exits, VMM_ATTR_VM_PAD) ||
	    nla_put_u64_64bit(skb, VMM_ATTR_VM_STEAL, tally.steal, VMM_ATTR_VM_PAD) ||
	    nla_put_u64_64bit(skb, VMM_ATTR_VM_RUNTIME, tally.runtime, VMM_ATTR_VM_PAD) ||
	    nla_put_u64_64bit(skb, VMM_ATTR_VM_UPTIME, uptime, VMM_ATTR_VM_PAD) ||
	    put_vm_limits(skb, vm))
		return -EMSGSIZE;
	return put_exits(skb, VMM_ATTR_VM_EXIT, &tally);
}

static int put_vm(struct sk_buff *skb, struct vmm *vm)
{
	return put_vm_who(skb, vm) ?: put_vm_what(skb, vm);
}

static enum vmm_vcpu_state vcpu_state(const struct vcpu *vcpu)
{
	switch (READ_ONCE(vcpu->mp_state)) {
	case KVM_MP_STATE_RUNNABLE:
		return VMM_VCPU_RUNNABLE;
	case KVM_MP_STATE_HALTED:
		return VMM_VCPU_HALTED;
	default:
		return VMM_VCPU_WAITING;
	}
}

static int put_vcpu(struct sk_buff *skb, struct vcpu *vcpu)
{
	struct tally tally = {};

	tally_add(&tally, vcpu);
	if (nla_put_u64_64bit(skb, VMM_ATTR_VCPU_VM, vcpu->vm->id, VMM_ATTR_VCPU_PAD) ||
	    nla_put_u32(skb, VMM_ATTR_VCPU_ID, vcpu->id) ||
	    nla_put_u32(skb, VMM_ATTR_VCPU_STATE, vcpu_state(vcpu)) ||
	    (tally.tid && nla_put_u32(skb, VMM_ATTR_VCPU_TID, tally.tid)) ||
	    nla_put_u64_64bit(skb, VMM_ATTR_VCPU_EXITS, tally.exits, VMM_ATTR_VCPU_PAD) ||
	    nla_put_u64_64bit(skb, VMM_ATTR_VCPU_STEAL, tally.steal, VMM_ATTR_VCPU_PAD))
		return -EMSGSIZE;
	return put_exits(skb, VMM_ATTR_VCPU_EXIT, &tally);
}

/* ---- dumps ---- */

/* struct dump - where a dump is; it goes on behind what fitted into the last message */
struct dump {
	struct viewer viewer;
	u64 vm;			/* the next one has this id or more */
	u64 last;		/* and none has more than this */
	unsigned long vcpu;	/* index of the next one in it */
	bool asked;		/* for the vCPUs of one VM only, and not yet begun */
};

static_assert(sizeof(struct dump) <= sizeof(((struct netlink_callback *)0)->ctx));

static int dump_start(struct netlink_callback *cb)
{
	struct dump *dump = (struct dump *)cb->ctx;

	dump->viewer = viewer_of(cb->skb);
	/* Else it need not end while others make VMs. */
	dump->last = vm_newest_id();
	return 0;
}

static int dump_vcpus_start(struct netlink_callback *cb)
{
	struct nlattr *id = compat_genl_dump_attrs(cb)[VMM_ATTR_VCPU_VM];
	struct dump *dump = (struct dump *)cb->ctx;

	dump_start(cb);
	if (id) {
		dump->vm = nla_get_u64(id);
		dump->last = dump->vm;
		dump->asked = true;
	}
	return 0;
}

static void *dump_message(struct sk_buff *skb, struct netlink_callback *cb, u8 cmd)
{
	void *head = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq, &family,
				 NLM_F_MULTI, cmd);

	if (head)
		genl_dump_check_consistent(cb, head);
	return head;
}

static int dump_vm(struct sk_buff *skb, struct netlink_callback *cb, struct vmm *vm)
{
	void *head = dump_message(skb, cb, VMM_CMD_VM_GET);

	if (!head || put_vm(skb, vm)) {
		genlmsg_cancel(skb, head);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, head);
	return 0;
}

static int dump_vm_vcpus(struct sk_buff *skb, struct netlink_callback *cb, struct vmm *vm)
{
	struct dump *dump = (struct dump *)cb->ctx;

	for (; dump->vcpu < atomic_read(&vm->online_vcpus); dump->vcpu++) {
		struct vcpu *vcpu = xa_load(&vm->vcpus, dump->vcpu);
		void *head = dump_message(skb, cb, VMM_CMD_VCPU_GET);

		if (!head || put_vcpu(skb, vcpu)) {
			genlmsg_cancel(skb, head);
			return -EMSGSIZE;
		}
		genlmsg_end(skb, head);
	}
	dump->vcpu = 0;
	return 0;
}

/* As many VMs as fit, each by one(); none at all: the dump is over. */
static int dump_each(struct sk_buff *skb, struct netlink_callback *cb,
		     int (*one)(struct sk_buff *, struct netlink_callback *, struct vmm *))
{
	struct dump *dump = (struct dump *)cb->ctx;
	u64 id = dump->vm;
	struct vmm *vm;
	int err = 0;

	cb->seq = mgmt_generation();
	while (!err && (vm = mgmt_vm_next(&id))) {
		/* The one that was begun is gone: so are its vCPUs. */
		if (id != dump->vm)
			dump->vcpu = 0;
		dump->vm = id;
		if (id > dump->last) {
			vm_put(vm);
			break;
		}
		if (viewer_sees(&dump->viewer, vm))
			err = one(skb, cb, vm);
		if (!err)
			dump->vm = ++id;
		vm_put(vm);
		cond_resched();
	}
	return skb->len ?: err;
}

static int dump_vms(struct sk_buff *skb, struct netlink_callback *cb)
{
	return dump_each(skb, cb, dump_vm);
}

static int dump_vcpus(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct dump *dump = (struct dump *)cb->ctx;

	/* Before the first message there is no way to explain a refusal. */
	if (dump->asked) {
		struct vmm *vm = vm_seen(&dump->viewer, dump->vm, cb->extack);

		if (IS_ERR(vm))
			return PTR_ERR(vm);
		vm_put(vm);
		dump->asked = false;
	}
	return dump_each(skb, cb, dump_vm_vcpus);
}

/* ---- single commands ---- */

static int do_vm_get(struct sk_buff *request, struct genl_info *info)
{
	struct vmm *vm = vm_asked_for(request, info);
	struct sk_buff *skb;
	void *head;

	BUILD_BUG_ON(VM_SIZE > NLMSG_GOODSIZE);
	if (IS_ERR(vm))
		return PTR_ERR(vm);
	skb = genlmsg_new(VM_SIZE, GFP_KERNEL);
	head = skb ? genlmsg_put_reply(skb, info, &family, 0, VMM_CMD_VM_GET) : NULL;
	if (!head || put_vm(skb, vm)) {
		vm_put(vm);
		nlmsg_free(skb);
		return -ENOMEM;
	}
	vm_put(vm);
	genlmsg_end(skb, head);
	return genlmsg_reply(skb, info);
}

static int do_vm_set(struct sk_buff *request, struct genl_info *info)
{
	struct nlattr *name = info->attrs[VMM_ATTR_VM_NAME], *uuid = info->attrs[VMM_ATTR_VM_UUID];
	struct nlattr *cpu = info->attrs[VMM_ATTR_VM_CPU_LIMIT];
	struct nlattr *memory = info->attrs[VMM_ATTR_VM_MEMORY_LIMIT];
	struct vmm *vm;
	int err;

	if (!(name || uuid) == !(cpu || memory)) {
		NL_SET_ERR_MSG(info->extack, "either a name or a UUID to set, or limits");
		return -EINVAL;
	}
	vm = vm_asked_for(request, info);
	if (IS_ERR(vm))
		return PTR_ERR(vm);
	if (cpu || memory) {
		u64 bytes = memory ? nla_get_u64(memory) : 0;

		err = mgmt_limits_set(vm, cpu ? nla_data(cpu) : NULL, memory ? &bytes : NULL,
				      viewer_of(request).all, info->extack);
	} else {
		err = mgmt_label_set(vm, name ? nla_data(name) : NULL,
				     uuid ? nla_data(uuid) : NULL, info->extack);
	}
	vm_put(vm);
	return err;
}

/* As the button that some machines have: every vCPU gets it. */
static int vm_nmi(struct vmm *vm)
{
	struct vcpu *vcpu;
	unsigned long i;

	KVM_VCPUS_FOR_EACH(i, vcpu, vm)
		events_nmi(vcpu);
	return 0;
}

static int do_vm_order(struct sk_buff *request, struct genl_info *info)
{
	struct vmm *vm = vm_asked_for(request, info);
	int err;

	if (IS_ERR(vm))
		return PTR_ERR(vm);
	switch (info->genlhdr->cmd) {
	case VMM_CMD_VM_PAUSE:
		err = mgmt_give_order(vm, ORDER_PAUSE, info->extack);
		break;
	case VMM_CMD_VM_RESUME:
		err = mgmt_give_order(vm, ORDER_RUN, info->extack);
		break;
	case VMM_CMD_VM_KILL:
		err = mgmt_give_order(vm, ORDER_KILL, info->extack);
		break;
	case VMM_CMD_VM_RESET:
		err = mgmt_call_client(vm, CALL_RESET, info->extack);
		break;
	case VMM_CMD_VM_POWER:
		err = mgmt_call_client(vm, CALL_POWER, info->extack);
		break;
	default:
		err = vm_nmi(vm);
		break;
	}
	vm_put(vm);
	return err;
}

/* ---- events ---- */

static DEFINE_MUTEX(event_lock);	/* so that they are sent in the order of their numbers */
static u64 event_seq;			/* under event_lock */

/* struct notice - what is told; reason and vcpu may be NULL */
struct notice {
	struct vmm *vm;
	enum vmm_event event;
	const char *reason;
	struct vcpu *vcpu;
};

static int put_event(struct sk_buff *skb, const struct notice *n)
{
	struct vmm *vm = n->vm;
	struct vm_label label;

	mgmt_label_get(vm, &label);
	if (nla_put_u64_64bit(skb, VMM_ATTR_EVENT_SEQ, event_seq, VMM_ATTR_EVENT_PAD) ||
	    nla_put_u32(skb, VMM_ATTR_EVENT_KIND, n->event) ||
	    nla_put_u64_64bit(skb, VMM_ATTR_EVENT_VM, vm->id, VMM_ATTR_EVENT_PAD) ||
	    nla_put_u32(skb, VMM_ATTR_EVENT_OWNER,
			from_kuid_munged(&init_user_ns, vm->mgmt.owner)) ||
	    (*label.name && nla_put_string(skb, VMM_ATTR_EVENT_NAME, label.name)) ||
	    (n->reason && nla_put_string(skb, VMM_ATTR_EVENT_REASON, n->reason)) ||
	    (n->vcpu && nla_put_u32(skb, VMM_ATTR_EVENT_VCPU, n->vcpu->id)))
		return -EMSGSIZE;
	return 0;
}

/* For want of memory an event is lost; its number tells. */
static void event_send(const struct notice *n)
{
	struct sk_buff *skb = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	void *head = skb ? genlmsg_put(skb, 0, 0, &family, 0, VMM_CMD_EVENT) : NULL;

	if (!head || put_event(skb, n)) {
		nlmsg_free(skb);
		return;
	}
	genlmsg_end(skb, head);
	genlmsg_multicast(&family, skb, 0, 0, GFP_KERNEL);
}

/* A VM has VMM_EVENTS_PER_SECOND; beyond that only its end is told. */
static void event_tell(const struct notice *n)
{
	mutex_lock(&event_lock);
	event_seq++;
	if (genl_has_listeners(&family, &init_net, 0) &&
	    (n->event == VMM_EVENT_DESTROYED || __ratelimit(&n->vm->mgmt.rate)))
		event_send(n);
	mutex_unlock(&event_lock);
}

/**
 * netlink_event() - tell subscribers what has happened to a VM
 * @vm: the VM
 * @event: VMM_EVENT_*
 * @reason: why, in words, or NULL
 *
 * Context: may sleep.
 */
void netlink_event(struct vmm *vm, enum vmm_event event, const char *reason)
{
	event_tell(&(struct notice){ .vm = vm, .event = event, .reason = reason });
}

/**
 * netlink_vcpu_event() - tell subscribers what has happened to a vCPU
 * @vcpu: the vCPU
 * @event: VMM_EVENT_ONLINE or VMM_EVENT_HALTED
 *
 * Context: may sleep.
 */
void netlink_vcpu_event(struct vcpu *vcpu, enum vmm_event event)
{
	event_tell(&(struct notice){ .vm = vcpu->vm, .event = event, .vcpu = vcpu });
}

/* ---- the family ---- */

static const struct nla_policy vm_id_policy[VMM_ATTR_VM_ID + 1] = {
	[VMM_ATTR_VM_ID] = { .type = NLA_U64 },
};

static const struct nla_policy vm_set_policy[VMM_ATTR_VM_MEMORY_LIMIT + 1] = {
	[VMM_ATTR_VM_ID] = { .type = NLA_U64 },
	[VMM_ATTR_VM_NAME] = { .type = NLA_NUL_STRING, .len = VMM_VM_NAME_SIZE - 1 },
	[VMM_ATTR_VM_UUID] = NLA_POLICY_EXACT_LEN(VMM_VM_UUID_SIZE),
	[VMM_ATTR_VM_CPU_LIMIT] = { .type = NLA_U32 },
	[VMM_ATTR_VM_MEMORY_LIMIT] = { .type = NLA_U64 },
};

static const struct nla_policy vcpu_get_policy[VMM_ATTR_VCPU_VM + 1] = {
	[VMM_ATTR_VCPU_VM] = { .type = NLA_U64 },
};

#define POLICY(p) .policy = (p), .maxattr = ARRAY_SIZE(p) - 1

static const struct genl_ops ops[] = {
	{ .cmd = VMM_CMD_VM_GET, POLICY(vm_id_policy), .doit = do_vm_get, .start = dump_start,
	  .dumpit = dump_vms },
	{ .cmd = VMM_CMD_VM_SET, POLICY(vm_set_policy), .doit = do_vm_set },
	{ .cmd = VMM_CMD_VCPU_GET, POLICY(vcpu_get_policy), .start = dump_vcpus_start,
	  .dumpit = dump_vcpus },
	{ .cmd = VMM_CMD_VM_PAUSE, POLICY(vm_id_policy), .doit = do_vm_order },
	{ .cmd = VMM_CMD_VM_RESUME, POLICY(vm_id_policy), .doit = do_vm_order },
	{ .cmd = VMM_CMD_VM_NMI, POLICY(vm_id_policy), .doit = do_vm_order },
	{ .cmd = VMM_CMD_VM_KILL, POLICY(vm_id_policy), .doit = do_vm_order },
	{ .cmd = VMM_CMD_VM_RESET, POLICY(vm_id_policy), .doit = do_vm_order },
	{ .cmd = VMM_CMD_VM_POWER, POLICY(vm_id_policy), .doit = do_vm_order },
};

/* Everybody's events: a group cannot tell its members apart. */
static const struct genl_multicast_group groups[] = {
	{ .name = VMM_GENL_GROUP_EVENTS, .flags = GENL_MCAST_CAP_SYS_ADMIN },
};

/* Of the first network namespace only. */
static struct genl_family family __ro_after_init = {
	.name = VMM_GENL_NAME,
	.version = VMM_GENL_VERSION,
	.module = THIS_MODULE,
	.parallel_ops = true,
	.ops = ops,
	.n_ops = ARRAY_SIZE(ops),
	.mcgrps = groups,
	.n_mcgrps = ARRAY_SIZE(groups),
};

/**
 * netlink_module_init() - register the family
 *
 * Return: 0, errno
 */
int __init netlink_module_init(void)
{
	return genl_register_family(&family);
}

/**
 * netlink_module_exit() - nobody speaks to it any more
 */
void netlink_module_exit(void)
{
	genl_unregister_family(&family);
}
