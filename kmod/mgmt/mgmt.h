/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who has VMs on this host, orders to them and limits. registry.c knows and decides, limits.c
 * measures, netlink.c speaks (Documentation/netlink.rst). No exit comes here.
 */
#ifndef VMM_MGMT_H
#define VMM_MGMT_H

#include <linux/hrtimer.h>
#include <linux/ratelimit.h>
#include <linux/sched.h>
#include <linux/types.h>
#include <linux/uidgid.h>
#include <linux/uuid.h>
#include <linux/wait.h>
#include <linux/vmm_netlink.h>

struct netlink_ext_ack;
struct vmm;
struct vcpu;

enum mgmt_order { ORDER_RUN, ORDER_PAUSE, ORDER_KILL };

enum mgmt_call { CALL_RESET, CALL_POWER, CALL_COUNT };

#define HELD_CPU	BIT(0)
#define HELD_MEMORY	BIT(1)

/* struct vm_limit - what a VM may use; but for the two limits the timer's, or under orders_lock */
struct vm_limit {
	struct hrtimer timer;	/* runs while there is a limit */
	u32 cpu;		/* percent of a processor; 0: none */
	u64 memory;		/* bytes; 0: none */
	s64 level;		/* ns of a processor that are left */
	u64 looked;		/* when that was so */
	spinlock_t lock;	/* the vCPUs' threads, and what has been counted of them */
};

/* struct vcpu_limit - a vCPU's part of it, under its lock but for what its thread writes */
struct vcpu_limit {
	u64 ran;		/* ns that its thread had run at the last look */
	u64 owed;		/* ns that others have run it since */
	u64 left;		/* [thread] ns that it had run when it left KVM_RUN */
	u64 waited;		/* ns that limits have held it: stolen, as the guest sees it */
};

/*
 * struct vm_mgmt - a VM as an administrator sees it
 *	c	constant once the VM is in the registry
 *	n	the registry's lock, a spinlock
 *	o	written under orders_lock, read by anyone
 *	a	atomic
 *	t	written by the limits' timer, read by anyone
 */
struct vm_mgmt {
	kuid_t owner;			/* [c] real uid of the creator */
	struct pid *pid;		/* [c] the creator */
	char comm[TASK_COMM_LEN];	/* [c] its name then */
	u64 born;			/* [c] CLOCK_BOOTTIME */
	char name[VMM_VM_NAME_SIZE];	/* [n] "": none */
	uuid_t uuid;			/* [n] */
	int order;			/* [o] enum mgmt_order */
	int state;			/* [a] what its vCPUs did last, VMM_VM_* */
	unsigned long calls;		/* [a] CALL_*: what a vCPU shall tell the client */
	u64 given;			/* [a] VMM_SET_GIVEN: bytes, or VMM_GIVEN_UNKNOWN */
	u32 held;			/* [t] HELD_*: which limits have it wait */
	atomic_t told;			/* HELD_* that there was an event of */
	struct vm_limit limit;		/* [o] */
	struct ratelimit_state rate;	/* of events, under event_lock */
	struct wait_queue_head wait;	/* vCPUs that are paused or held */
};

/* struct vm_label - a consistent copy of what may change */
struct vm_label {
	char name[VMM_VM_NAME_SIZE];
	uuid_t uuid;
};

/* registry.c */
int mgmt_vm_add(struct vmm *vm);
void mgmt_vm_remove(struct vmm *vm);
struct vmm *mgmt_vm_next(u64 *id);
u32 mgmt_generation(void);
void mgmt_label_get(struct vmm *vm, struct vm_label *label);
int mgmt_label_set(struct vmm *vm, const char *name, const u8 *uuid, struct netlink_ext_ack *ack);
enum vmm_vm_state mgmt_state(const struct vmm *vm);
int mgmt_give_order(struct vmm *vm, enum mgmt_order order, struct netlink_ext_ack *ack);
int mgmt_call_client(struct vmm *vm, enum mgmt_call call, struct netlink_ext_ack *ack);
int mgmt_limits_set(struct vmm *vm, const u32 *cpu, const u64 *memory, bool loosen,
		    struct netlink_ext_ack *ack);
int mgmt_follow_orders(struct vcpu *vcpu);
void mgmt_vcpu_stopped(struct vcpu *vcpu, enum vmm_vm_state state, const char *reason);
void mgmt_vcpu_online(struct vcpu *vcpu, bool online);
void mgmt_vcpu_changed(struct vcpu *vcpu);

/* limits.c */
s64 limit_fill(s64 level, u32 percent, u64 passed, u64 used);
u64 limit_look_after(s64 level, u32 percent, u32 vcpus);
u64 mgmt_resident(const struct vmm *vm);
void limit_init(struct vmm *vm);
void limit_set(struct vmm *vm, u32 cpu, u64 memory);
void limit_thread(struct vcpu *vcpu, struct pid *pid);

/* KVM_RUN ends. */
static inline void limit_leave(struct vcpu_limit *limit)
{
	WRITE_ONCE(limit->left, current->se.sum_exec_runtime);
}

/* netlink.c. netlink_event(): may sleep; reason may be NULL. */
int netlink_module_init(void);
void netlink_module_exit(void);
void netlink_event(struct vmm *vm, enum vmm_event event, const char *reason);
void netlink_vcpu_event(struct vcpu *vcpu, enum vmm_event event);

#endif /* VMM_MGMT_H */
