/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who has VMs on this host, and orders to them. registry.c knows and decides, netlink.c speaks
 * (Documentation/netlink.rst). No exit comes here.
 */
#ifndef VMM_MGMT_H
#define VMM_MGMT_H

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

/*
 * struct vm_mgmt - a VM as an administrator sees it
 *	c	constant once the VM is in the registry
 *	n	the registry's lock, a spinlock
 *	o	written under orders_lock, read by anyone
 *	a	atomic
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
	struct wait_queue_head wait;	/* vCPUs that are paused */
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
int mgmt_follow_orders(struct vcpu *vcpu);
void mgmt_vcpu_stopped(struct vcpu *vcpu, enum vmm_vm_state state, const char *reason);

/* netlink.c. netlink_event(): may sleep; reason may be NULL. */
int netlink_module_init(void);
void netlink_module_exit(void);
void netlink_event(struct vmm *vm, enum vmm_event event, const char *reason);

#endif /* VMM_MGMT_H */
