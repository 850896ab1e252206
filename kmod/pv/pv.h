/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a guest that knows shares with the hypervisor (virt/kvm/x86/msr.rst, cpuid.rst).
 * Context of all functions unless said: the vCPU is loaded, vcpu->mutex held, may sleep.
 */
#ifndef VMM_PV_H
#define VMM_PV_H

#include <linux/kvm.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <uapi/asm/kvm_para.h>
#include "../types.h"

/* What KVM_CPUID_FEATURES offers. KVM_FEATURE_HC_MAP_GPA_RANGE is user space's to offer. */
#define PV_FEATURES	(BIT(KVM_FEATURE_CLOCKSOURCE) | BIT(KVM_FEATURE_NOP_IO_DELAY) |		\
			 BIT(KVM_FEATURE_CLOCKSOURCE2) | BIT(KVM_FEATURE_STEAL_TIME) |		\
			 BIT(KVM_FEATURE_ASYNC_PF) | BIT(KVM_FEATURE_ASYNC_PF_INT) |		\
			 BIT(KVM_FEATURE_PV_EOI) | BIT(KVM_FEATURE_PV_UNHALT) |			\
			 BIT(KVM_FEATURE_PV_TLB_FLUSH) | BIT(KVM_FEATURE_PV_SEND_IPI) |		\
			 BIT(KVM_FEATURE_POLL_CONTROL) | BIT(KVM_FEATURE_PV_SCHED_YIELD) |	\
			 BIT(KVM_FEATURE_CLOCKSOURCE_STABLE_BIT))

/*
 * struct vcpu_pv - the MSRs of paravirtual features and what stands behind them
 *	m	vcpu->mutex
 *	a	single word, any context
 *	p	apf_lock
 */
struct vcpu_pv {
	bool enforce;		/* [m] KVM_CAP_ENFORCE_PV_FEATURE_CPUID */
	bool stopped;		/* [m] KVM_KVMCLOCK_CTRL: the guest is told with the next update */
	bool poll_off;		/* [m] MSR_KVM_POLL_CONTROL, the other way round */
	bool kicked;		/* [a] KVM_HC_KICK_CPU: ends a HLT, also one that comes later */
	u32 clock_version;	/* [m] of the time page, even */
	u64 system_time;	/* [m] MSR_KVM_SYSTEM_TIME */
	u64 steal_time;		/* [m] MSR_KVM_STEAL_TIME */
	u64 eoi;		/* [m] MSR_KVM_PV_EOI_EN */
	u64 run_delay;		/* [m] the thread's, as of the last update of the steal time */
	u64 call_page;		/* [m] MSR_VMM_HYPERCALL_PAGE */
	/* Asynchronous page faults: apf.c */
	u64 apf_en;		/* [m] MSR_KVM_ASYNC_PF_EN */
	u8 apf_vector;		/* [m] MSR_KVM_ASYNC_PF_INT */
	bool apf_unacked;	/* [m] the guest has a token that it has not acknowledged */
	bool apf_wake_all;	/* [m] it is to be told to look for all that it waits for */
	u32 apf_serial;		/* [m] of the last token */
	u32 apf_count;		/* [m] entries of @apf */
	struct list_head apf;	/* [p] pages it does not wait for */
	spinlock_t apf_lock;
};

/* pv.c: MSRs; 0: done, 1: #GP, -ENOENT: not one of them */
int pv_msr_read(struct vcpu *vcpu, u32 msr, u64 *val, bool host);
int pv_msr_write(struct vcpu *vcpu, u32 msr, u64 val, bool host);
/* May the guest use a feature (KVM_FEATURE_*)? */
bool pv_allowed(struct vcpu *vcpu, u32 feature);
void pv_reset(struct vcpu *vcpu);			/* RESET, INIT: all off */

/* clock.c: kvmclock, KVM_GET/SET_CLOCK; vm->lock is held over get and set */
void clock_init(struct vmm *vm);			/* at VM creation */
int clock_get(struct vmm *vm, struct kvm_clock_data *data);
int clock_set(struct vmm *vm, const struct kvm_clock_data *data);
void clock_page_set(struct vcpu *vcpu, u64 val);	/* MSR_KVM_SYSTEM_TIME */
void clock_wall_write(struct vcpu *vcpu, gpa_t gpa);	/* MSR_KVM_WALL_CLOCK */
void clock_update(struct vcpu *vcpu);			/* REQ_CLOCK */
int clock_stopped(struct vcpu *vcpu);			/* KVM_KVMCLOCK_CTRL: -EINVAL */
long clock_pairing(struct vcpu *vcpu, gpa_t gpa, u64 type); /* KVM_HC_CLOCK_PAIRING */

/* steal.c */
void steal_arrive(struct vcpu *vcpu);			/* preemption off: has time been lost? */
void steal_thread(struct vcpu *vcpu);
void steal_update(struct vcpu *vcpu);			/* REQ_STEAL */
void steal_away(struct vcpu *vcpu);	/* between two instructions: it will not run for a while */

/* eoi.c */
void eoi_offer(struct vcpu *vcpu);			/* interrupts may be off */
void eoi_collect(struct vcpu *vcpu);

/* apf.c; apf_page_in: 0: look again, 1: run the guest, -EAGAIN: wait for the page */
int apf_module_init(void);				/* -ENOMEM */
void apf_module_exit(void);
void apf_create(struct vcpu *vcpu);
void apf_destroy(struct vcpu *vcpu);
void apf_reset(struct vcpu *vcpu);
int apf_page_in(struct vcpu *vcpu, hva_t hva, bool write);
void apf_ready(struct vcpu *vcpu);			/* REQ_APF */
int apf_enable(struct vcpu *vcpu, u64 val, bool host);	/* MSR_KVM_ASYNC_PF_EN: 0, 1 (#GP) */
void apf_ack(struct vcpu *vcpu, u64 val);		/* MSR_KVM_ASYNC_PF_ACK */

#endif /* VMM_PV_H */
