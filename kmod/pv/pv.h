/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a guest that knows shares with the hypervisor (virt/kvm/x86/msr.rst, cpuid.rst).
 * Context of all functions unless said: the vCPU is loaded, vcpu->mutex held, may sleep.
 */
#ifndef VMM_PV_H
#define VMM_PV_H

#include <linux/kvm.h>
#include <uapi/asm/kvm_para.h>
#include "../types.h"

/* What KVM_CPUID_FEATURES offers. */
#define PV_FEATURES	(BIT(KVM_FEATURE_CLOCKSOURCE) | BIT(KVM_FEATURE_CLOCKSOURCE2) |		\
			 BIT(KVM_FEATURE_STEAL_TIME) | BIT(KVM_FEATURE_PV_SCHED_YIELD) |	\
			 BIT(KVM_FEATURE_CLOCKSOURCE_STABLE_BIT))

/* struct vcpu_pv - the MSRs of paravirtual features and what stands behind them */
struct vcpu_pv {
	bool enforce;		/* KVM_CAP_ENFORCE_PV_FEATURE_CPUID */
	bool stopped;		/* KVM_KVMCLOCK_CTRL: the guest is told with the next update */
	u32 clock_version;	/* of the time page, even */
	u64 system_time;	/* MSR_KVM_SYSTEM_TIME */
	u64 steal_time;		/* MSR_KVM_STEAL_TIME */
	u64 run_delay;		/* of @runner, as of the last update of the steal time */
	const void *runner;	/* the task that ran then; only compared */
};

/* pv.c: MSRs; 0: done, 1: #GP, -ENOENT: not one of them */
int pv_msr_read(struct vcpu *vcpu, u32 msr, u64 *val, bool host);
int pv_msr_write(struct vcpu *vcpu, u32 msr, u64 val, bool host);
/* May the guest use a feature (KVM_FEATURE_*)? */
bool pv_allowed(struct vcpu *vcpu, u32 feature);

/* clock.c: kvmclock, KVM_GET/SET_CLOCK; vm->lock is held over get and set */
void clock_init(struct vmm *vm);			/* at VM creation */
int clock_get(struct vmm *vm, struct kvm_clock_data *data);
int clock_set(struct vmm *vm, const struct kvm_clock_data *data);
void clock_page_set(struct vcpu *vcpu, u64 val);	/* MSR_KVM_SYSTEM_TIME */
void clock_wall_write(struct vcpu *vcpu, gpa_t gpa);	/* MSR_KVM_WALL_CLOCK */
void clock_update(struct vcpu *vcpu);			/* REQ_CLOCK */
int clock_stopped(struct vcpu *vcpu);			/* KVM_KVMCLOCK_CTRL: -EINVAL */

/* steal.c */
void steal_arrive(struct vcpu *vcpu);			/* preemption off: has time been lost? */
void steal_update(struct vcpu *vcpu);			/* REQ_STEAL */

#endif /* VMM_PV_H */
