/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * What vmm has beside KVM's userspace API. Capabilities are asked for by KVM_CHECK_EXTENSION and
 * switched on by KVM_ENABLE_CAP, as KVM's are, with numbers that KVM does not use.
 */
#ifndef _UAPI_LINUX_VMM_H
#define _UAPI_LINUX_VMM_H

#include <linux/ioctl.h>
#include <linux/types.h>

/*
 * VM: hypercalls for small and foreign guests. The answer to KVM_CHECK_EXTENSION is the mask of
 * the calls that there are (1 << VMM_HC_*); args[0] of KVM_ENABLE_CAP is the mask of those that
 * the guest may use, 0 at first. -EINVAL: others.
 */
#define VMM_CAP_HYPERCALLS	0x564d4d01

/*
 * CPUID: user space that has switched the calls on adds these leaves by KVM_SET_CPUID2.
 *	BASE	EAX: highest of these leaves; EBX, ECX, EDX: VMM_SIGNATURE
 *	CALLS	EAX: VMM_HC_VERSION; EBX: mask of the calls; ECX: MSR_VMM_HYPERCALL_PAGE
 */
#define VMM_CPUID_BASE		0x40000100
#define VMM_CPUID_CALLS		0x40000101
#define VMM_SIGNATURE		"VMMVMMVMMVMM"

/*
 * A guest that does not want to know which processor it runs on writes the address of a page of
 * its memory to this MSR, with bit 0 set, and the page becomes code: call its first byte, with
 * the convention below. Bits 11:1 are reserved. The MSR is there while any call is.
 */
#define MSR_VMM_HYPERCALL_PAGE	0x564d4d00
#define VMM_HYPERCALL_PAGE_ON	0x1

/*
 * Hypercalls are VMMCALL or VMCALL with the number VMM_HC(call) in RAX, arguments in RBX, RCX,
 * RDX and RSI, and the result in RAX: a number, or a negative errno; no other register changes.
 * Outside of 64-bit code registers have 32 bits. From CPL 0 only (-EPERM); a call that is not
 * switched on is -1000. Addresses are guest physical.
 *
 * K: served by the kernel. U: KVM_RUN returns with KVM_EXIT_HYPERCALL, nr is VMM_HC(call), args
 * the four registers; user space puts the result into ret.
 */
#define VMM_HC_VERSION		1
#define VMM_HC(call)		(0x564d0000 + (call))

#define VMM_HC_QUERY		0	/* K: VMM_HC_VERSION << 24 | mask of the calls */
#define VMM_HC_CONSOLE_WRITE	1	/* U: (address, bytes): bytes written */
#define VMM_HC_YIELD		2	/* K: let others run on this processor */
#define VMM_HC_CLOCK		3	/* K: (address of a __u64): ns, as of KVM_GET_CLOCK */
#define VMM_HC_MEMORY_GIVE	4	/* U: (address, bytes): to the host; reads as 0 then */
#define VMM_HC_MEMORY_TAKE	5	/* U: (address, bytes): have it at hand; -ENOMEM */
#define VMM_HC_END		6	/* U: (0: power-off, 1: reset): the machine ends */
#define VMM_HC_CALLS		7

#define VMM_HC_MASK		0x7f
#define VMM_HC_USER_MASK	0x72	/* those of U */

/*
 * VM: the name that the netlink family "vmm" shows (<linux/vmm_netlink.h>), given before anything
 * of the VM runs. KVM_CHECK_EXTENSION answers with the size of the name.
 */
#define VMM_CAP_NAME		0x564d4d02

/*
 * struct vmm_name - VMM_SET_NAME, an ioctl of a VM
 * @id: set to the VM's id, by which the family knows it
 * @name: a letter, then letters, digits and any of "-_.:@+", and a 0; "": it stays as it is
 *
 * -EINVAL: no name. -EEXIST: the VM's owner has another one of that name.
 */
struct vmm_name {
	__u64 id;
	char name[64];
};

#define VMM_SET_NAME		_IOWR(0x56, 0xf0, struct vmm_name)

/*
 * VM: it has a power button, and whoever manages the host may press it (VMM_CMD_VM_POWER). args[0]
 * of KVM_ENABLE_CAP: 1, or 0. KVM_RUN of a vCPU then returns with KVM_EXIT_SYSTEM_EVENT of this
 * type, and user space presses the button of the machine that it models.
 */
#define VMM_CAP_POWER_BUTTON	0x564d4d03
#define VMM_SYSTEM_EVENT_POWER_BUTTON 0x564d4d03

/*
 * VMM_SET_GIVEN, an ioctl of a VM: bytes of its memory that the guest has given back by ways that
 * user space serves (a balloon, VMM_HC_MEMORY_GIVE): VMM_ATTR_VM_GIVEN is what was said last, and
 * absent before anything was said, or when that was VMM_GIVEN_UNKNOWN.
 */
#define VMM_SET_GIVEN		_IOW(0x56, 0xf1, __u64)
#define VMM_GIVEN_UNKNOWN	(~0ULL)

#endif /* _UAPI_LINUX_VMM_H */
