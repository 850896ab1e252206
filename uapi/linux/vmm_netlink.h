/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * The generic netlink family "vmm": all VMs of this host, whoever made them
 * (Documentation/netlink.rst, Documentation/netlink/specs/vmm.yaml).
 */
#ifndef _UAPI_LINUX_VMM_NETLINK_H
#define _UAPI_LINUX_VMM_NETLINK_H

#define VMM_GENL_NAME		"vmm"
#define VMM_GENL_VERSION	1
#define VMM_GENL_GROUP_EVENTS	"events"

#define VMM_VM_NAME_SIZE	64	/* bytes of a name, the terminating 0 among them */
#define VMM_VM_UUID_SIZE	16
#define VMM_EVENTS_PER_SECOND	64	/* of one VM, beside its end; more are lost */

enum vmm_cmd {
	VMM_CMD_UNSPEC,
	VMM_CMD_VM_GET,
	VMM_CMD_VM_SET,
	VMM_CMD_VCPU_GET,
	VMM_CMD_VM_PAUSE,
	VMM_CMD_VM_RESUME,
	VMM_CMD_VM_NMI,
	VMM_CMD_VM_KILL,
	VMM_CMD_EVENT,
	VMM_CMD_VM_RESET,
	VMM_CMD_VM_POWER,
};

enum vmm_vm_state {
	VMM_VM_CREATED,		/* no vCPU has run yet */
	VMM_VM_RUNNING,
	VMM_VM_PAUSED,		/* by VMM_CMD_VM_PAUSE */
	VMM_VM_SHUTDOWN,	/* a vCPU has met a triple fault */
	VMM_VM_CRASHED,		/* a vCPU cannot go on */
	VMM_VM_KILLED,		/* by VMM_CMD_VM_KILL */
};

enum vmm_vcpu_state {
	VMM_VCPU_RUNNABLE,
	VMM_VCPU_HALTED,
	VMM_VCPU_WAITING,	/* for INIT or SIPI */
};

enum vmm_event {
	VMM_EVENT_CREATED,
	VMM_EVENT_NAMED,
	VMM_EVENT_RUNNING,	/* for the first time, or again after shutdown or crash */
	VMM_EVENT_PAUSED,
	VMM_EVENT_RESUMED,
	VMM_EVENT_SHUTDOWN,
	VMM_EVENT_CRASHED,
	VMM_EVENT_KILLED,
	VMM_EVENT_DESTROYED,
	VMM_EVENT_RESET,	/* the client has been told of VMM_CMD_VM_RESET */
	VMM_EVENT_LIMITED,	/* for the first time since its limits were set */
	VMM_EVENT_ONLINE,	/* a vCPU was started by SIPI, or is no longer HALTED */
	VMM_EVENT_HALTED,	/* a vCPU has halted with interrupts off for a second */
};

enum vmm_attr_vm {
	VMM_ATTR_VM_UNSPEC,
	VMM_ATTR_VM_PAD,
	VMM_ATTR_VM_ID,		/* u64: never used again while the module is loaded */
	VMM_ATTR_VM_NAME,	/* string; absent: it has none */
	VMM_ATTR_VM_UUID,	/* 16 bytes, as RFC 4122 orders them */
	VMM_ATTR_VM_OWNER,	/* u32: real uid of the creator, as the reader's namespace has it */
	VMM_ATTR_VM_PID,	/* u32: the creator, likewise; 0: not seen from there, or gone */
	VMM_ATTR_VM_COMM,	/* string: its name when it created the VM */
	VMM_ATTR_VM_STATE,	/* u32: enum vmm_vm_state */
	VMM_ATTR_VM_VCPUS,	/* u32 */
	VMM_ATTR_VM_MEMORY,	/* u64: bytes that its memory slots have */
	VMM_ATTR_VM_RESIDENT,	/* u64: bytes of them that nested page tables map */
	VMM_ATTR_VM_EXITS,	/* u64 */
	VMM_ATTR_VM_EXIT,	/* nest, once for each kind that has occurred: VMM_ATTR_EXIT_* */
	VMM_ATTR_VM_STEAL,	/* u64, ns: sum of the vCPUs' */
	VMM_ATTR_VM_UPTIME,	/* u64, ns since the VM was created, suspend included */
	VMM_ATTR_VM_RUNTIME,	/* u64, ns that the vCPUs' threads have run, in the client too */
	VMM_ATTR_VM_CPU_LIMIT,	/* u32, percent of a processor for all vCPUs; absent or 0: none */
	VMM_ATTR_VM_MEMORY_LIMIT, /* u64, bytes of VMM_ATTR_VM_RESIDENT; absent or 0: none */
	VMM_ATTR_VM_GIVEN,	/* u64: bytes that the guest has given back, if its client tells */

	__VMM_ATTR_VM_MAX,
	VMM_ATTR_VM_MAX = __VMM_ATTR_VM_MAX - 1
};

enum vmm_attr_vcpu {
	VMM_ATTR_VCPU_UNSPEC,
	VMM_ATTR_VCPU_PAD,
	VMM_ATTR_VCPU_VM,	/* u64: the VM's id */
	VMM_ATTR_VCPU_ID,	/* u32: its APIC id */
	VMM_ATTR_VCPU_STATE,	/* u32: enum vmm_vcpu_state */
	VMM_ATTR_VCPU_TID,	/* u32: the thread that ran it last; absent: none yet */
	VMM_ATTR_VCPU_EXITS,	/* u64 */
	VMM_ATTR_VCPU_EXIT,	/* nest, as VMM_ATTR_VM_EXIT */
	VMM_ATTR_VCPU_STEAL,	/* u64, ns that its thread waited for a processor, or by a limit */

	__VMM_ATTR_VCPU_MAX,
	VMM_ATTR_VCPU_MAX = __VMM_ATTR_VCPU_MAX - 1
};

enum vmm_attr_exit {
	VMM_ATTR_EXIT_UNSPEC,
	VMM_ATTR_EXIT_PAD,
	VMM_ATTR_EXIT_KIND,	/* string, as in the tracepoint vmm_exit */
	VMM_ATTR_EXIT_COUNT,	/* u64 */
	VMM_ATTR_EXIT_CYCLES,	/* u64: TSC cycles from such exits to the next entry or the end of
				 * KVM_RUN; absent: none counted (parameter exit_cycles)
				 */

	__VMM_ATTR_EXIT_MAX,
	VMM_ATTR_EXIT_MAX = __VMM_ATTR_EXIT_MAX - 1
};

enum vmm_attr_event {
	VMM_ATTR_EVENT_UNSPEC,
	VMM_ATTR_EVENT_PAD,
	VMM_ATTR_EVENT_SEQ,	/* u64: one more than the last event's; a gap: some were lost */
	VMM_ATTR_EVENT_KIND,	/* u32: enum vmm_event */
	VMM_ATTR_EVENT_VM,	/* u64: the VM's id */
	VMM_ATTR_EVENT_NAME,	/* string; absent: it has none */
	VMM_ATTR_EVENT_OWNER,	/* u32 */
	VMM_ATTR_EVENT_REASON,	/* string, of CRASHED, SHUTDOWN and LIMITED */
	VMM_ATTR_EVENT_VCPU,	/* u32, of ONLINE and HALTED: its APIC id */

	__VMM_ATTR_EVENT_MAX,
	VMM_ATTR_EVENT_MAX = __VMM_ATTR_EVENT_MAX - 1
};

#endif /* _UAPI_LINUX_VMM_NETLINK_H */
