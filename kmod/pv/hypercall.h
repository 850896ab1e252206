/* SPDX-License-Identifier: GPL-2.0 */
/* Hypercalls: how a guest that knows asks the hypervisor (virt/kvm/x86/hypercalls.rst). */
#ifndef VMM_HYPERCALL_H
#define VMM_HYPERCALL_H

#include "../vmm.h"

/* VMMCALL, VMCALL: number in RAX, arguments in RBX, RCX, RDX, RSI; answer in RAX. RESUME_*. */
int hypercall_exit(struct vcpu *vcpu);

/* #UD: was it the other vendor's instruction, and is it put right now? Then try again. */
bool hypercall_fix(struct vcpu *vcpu);

/* own.c: hypercalls of <linux/vmm.h> */
int own_call(const struct vcpu *vcpu, u64 nr);	/* VMM_HC_*, -1 */
long own_hypercall(struct vcpu *vcpu, int call, u64 arg);
int own_page_set(struct vcpu *vcpu, u64 val, bool host);	/* 0, 1: #GP */

#endif /* VMM_HYPERCALL_H */
