/* SPDX-License-Identifier: GPL-2.0 */
/* Hypercalls: how a guest that knows asks the hypervisor (virt/kvm/x86/hypercalls.rst). */
#ifndef VMM_HYPERCALL_H
#define VMM_HYPERCALL_H

#include "../vmm.h"

/* VMMCALL, VMCALL: number in RAX, arguments in RBX, RCX, RDX, RSI; answer in RAX. RESUME_*. */
int hypercall_exit(struct vcpu *vcpu);

/* #UD: was it the other vendor's instruction, and is it put right now? Then try again. */
bool hypercall_fix(struct vcpu *vcpu);

#endif /* VMM_HYPERCALL_H */
