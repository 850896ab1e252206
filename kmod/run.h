/* SPDX-License-Identifier: GPL-2.0 */
/* What the run loop calls when the vCPU has nothing to run. */
#ifndef VMM_RUN_H
#define VMM_RUN_H

#include "vmm.h"

/*
 * The vCPU is not runnable: poll for a while, then sleep until an event, a request or a signal.
 * Context: loaded, may sleep. RESUME_GUEST: look again.
 */
int halt_block(struct vcpu *vcpu);

/* PAUSE in a loop: lend this processor's time to a sibling that was preempted. */
void halt_yield(struct vcpu *vcpu);
/* Lend it to this one, which is preempted; whether that was done. */
bool halt_yield_to(struct vcpu *target);

/* KVM_HC_KICK_CPU; any context. And has it come since the last HLT? It is forgotten then. */
void halt_kick(struct vcpu *vcpu);
bool halt_kicked(struct vcpu *vcpu);

/* sync_regs.c: KVM_CAP_SYNC_REGS */
int sync_regs_in(struct vcpu *vcpu);
void sync_regs_out(struct vcpu *vcpu);

#endif /* VMM_RUN_H */
