/* SPDX-License-Identifier: GPL-2.0 */
/* Counters of a VM and of a vCPU: one list each; the binary stats fds are generated from it. */
#ifndef VMM_STATS_H
#define VMM_STATS_H

#include <linux/jump_label.h>
#include <linux/kvm.h>
#include <linux/types.h>

#define STATS_NAME_SIZE 48	/* bytes of a name in the stats fds */

struct vmm;
struct vcpu;
struct file;

#define VCPU_STATS(X)							\
	X(exits)		/* VM exits */				\
	X(irq_exits)		/* for a host interrupt */		\
	X(io_exits)							\
	X(mmio_exits)							\
	X(halt_exits)							\
	X(hypercalls)							\
	X(signal_exits)							\
	X(irq_window_exits)						\
	X(nmi_window_exits)						\
	X(request_irq_exits)						\
	X(pf_taken)		/* nested page faults */		\
	X(pf_fixed)							\
	X(pf_mmio)							\
	X(pf_spurious)							\
	X(irq_injections)						\
	X(nmi_injections)						\
	X(exceptions)		/* injected by software */		\
	X(insn_interpreted)						\
	X(insn_interpreted_fail)					\
	X(tlb_flush)							\
	X(fpu_reload)							\
	X(halt_successful_poll)						\
	X(halt_attempted_poll)						\
	X(halt_wakeup)							\
	X(user_exits)		/* returns of KVM_RUN */		\
	X(pv_eoi)		/* interrupts that ended without an exit */ \
	X(pv_ipi)		/* hypercalls that sent IPIs */		\
	X(pv_kick)		/* and that woke another vCPU */	\
	X(pv_yield)		/* and that lent it the processor */	\
	X(pv_tlb_flush)		/* flushes that waited for this vCPU's return */ \
	X(pv_clock_pairing)						\
	X(own_hypercalls)	/* of <linux/vmm.h> */			\
	X(apf_not_present)	/* page faults that the guest did not wait for */ \
	X(apf_ready)		/* and those that it was told the end of */

struct vcpu_stats {
#define X(name) u64 name;
	VCPU_STATS(X)
#undef X
	u64 exit_kind[64];	/* by VMEXIT_* */
	u64 exit_cycles[64];	/* likewise; not in the stats fds */
};

#define VM_STATS(X)							\
	X(pages_4k)		/* mapped by leaves of 4K, */		\
	X(pages_2m)		/* 2M and */				\
	X(pages_1g)		/* 1G, at the moment: tdp.c counts on their order */ \
	X(mmu_zaps)							\
	X(mmu_invalidations)						\
	X(dirty_pages_logged)						\
	X(remote_tlb_flushes)						\
	X(slot_changes)

struct vm_stats {
#define X(name) atomic64_t name;
	VM_STATS(X)
#undef X
};

/* stats.c: exit_cycles=1; what left the guest before stats_cycles_since is not counted. */
DECLARE_STATIC_KEY_FALSE(stats_cycles);
extern u64 stats_cycles_since;

int stats_vm_fd(struct vmm *vm);
int stats_vcpu_fd(struct vcpu *vcpu);

#endif /* VMM_STATS_H */
