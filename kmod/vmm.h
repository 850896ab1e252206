/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The nouns of the hypervisor: a VM, a vCPU, an exit. Every room includes this file; each room's
 * own header holds its verbs.
 */
#ifndef VMM_H
#define VMM_H

#include <linux/gfp.h>
#include <linux/kvm.h>
#include <linux/kref.h>
#include <linux/mm_types.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/rcuwait.h>
#include <linux/types.h>

#include "compat.h"
#include "types.h"
#include "cpu/state.h"
#include "memory/memory.h"
#include "irq/irq.h"
#include "pv/pv.h"
#include "mgmt/mgmt.h"
#include "mgmt/stats.h"
#include "bus.h"

#define VMM_MAX_VCPUS		1024	/* vCPUs of one VM, and the bound on a vCPU id */
#define VMM_MAX_VCPU_ID		4096

/* What a handler of an exit answers; anything negative is an errno for KVM_RUN. */
#define RESUME_USER	0	/* vcpu->run says why */
#define RESUME_GUEST	1

/*
 * The kinds of exit, the same for every vendor. The names in the list are those of the manuals;
 * trace.h and the statistics are made from it.
 */
#define VMEXIT_KINDS(X)							\
	X(UNKNOWN)	/* the backend does not know it: internal error */	\
	X(HOST_INTERRUPT) /* an interrupt, NMI or machine check of the host */	\
	X(EXCEPTION)	/* .exception: an intercepted fault or trap of the guest */ \
	X(TDP_FAULT)	/* .fault: nested page fault, EPT violation */		\
	X(TDP_MISCONFIG) /* EPT misconfiguration; .fault.gpa */			\
	X(IO)		/* .io: IN, OUT, INS, OUTS */				\
	X(RDMSR)								\
	X(WRMSR)								\
	X(CPUID)								\
	X(HLT)									\
	X(PAUSE)								\
	X(HYPERCALL)	/* VMMCALL, VMCALL */					\
	X(CR_ACCESS)	/* .reg: MOV to or from CR, CLTS, LMSW */		\
	X(DR_ACCESS)	/* .reg: MOV to or from DR */				\
	X(IRQ_WINDOW)	/* the guest can now take an interrupt */		\
	X(NMI_WINDOW)	/* the guest can now take an NMI */			\
	X(TPR)		/* CR8 went below the threshold */			\
	X(SHUTDOWN)	/* triple fault */					\
	X(INIT)									\
	X(SMI)									\
	X(INVD)									\
	X(WBINVD)								\
	X(XSETBV)								\
	X(RDPMC)								\
	X(RDTSC)								\
	X(RDTSCP)								\
	X(MONITOR)								\
	X(MWAIT)								\
	X(TASK_SWITCH)	/* .task */						\
	X(UNDEFINED)	/* an instruction the guest does not have: #UD */	\
	X(INVALID_STATE) /* VM entry refused: KVM_EXIT_FAIL_ENTRY */		\
	X(PREEMPTION_TIMER) /* tsc.deadline may have passed */			\
	X(APIC_ACCESS)	/* .fault; .fault.gpa is the offset in the APIC's page */ \
	X(APIC_WRITE)	/* .apic: a register was written, and has the value */	\
	X(APIC_EOI)	/* .apic: the EOI of a vector of apic_sync.eoi_exits */	\
	X(PML_FULL)

enum vmexit_kind {
#define X(name) VMEXIT_##name,
	VMEXIT_KINDS(X)
#undef X
	VMEXIT_COUNT
};

/* Bits of vm_exit.fault.error: the page-fault error code (APM vol. 2, 15.25.6 and 8.4.2). */
#define TDP_FAULT_PRESENT	BIT(0)
#define TDP_FAULT_WRITE		BIT(1)
#define TDP_FAULT_USER		BIT(2)
#define TDP_FAULT_RSVD		BIT(3)
#define TDP_FAULT_FETCH		BIT(4)
#define TDP_FAULT_GUEST_FINAL	BIT(5)	/* the fault was on the final GPA */
#define TDP_FAULT_GUEST_WALK	BIT(6)	/* the fault was on a guest page table */

/**
 * struct vm_exit - one exit, as the backend translated it
 * @kind: VMEXIT_*
 * @insn_len: length of the instruction in bytes, 0 where the hardware does not say
 * @insn_bytes: number of valid bytes in @insn (decode assist), 0 where there are none
 * @insn: the instruction, as far as it was fetched
 * @hw_reason: the vendor's exit code, for traces and KVM_EXIT_UNKNOWN only
 * @vectoring: the event whose delivery this exit interrupted (EXITINTINFO, IDT-vectoring
 *	information); type is EVENT_NONE where there is none
 * @exception: operands of VMEXIT_EXCEPTION
 * @fault: of nested page faults
 * @io: of port accesses
 * @apic: of writes to registers of a virtualized APIC
 * @reg: of accesses to control and debug registers
 * @task: of task switches
 */
struct vm_exit {
	u8 kind;
	u8 insn_len;
	u8 insn_bytes;
	u8 insn[15];
	u64 hw_reason;
	struct event vectoring;
	union {
		struct {
			u8 vector;
			bool has_error;
			u32 error;
			u64 payload;	/* CR2 of #PF, pending DR6 bits of #DB (active high) */
		} exception;
		struct {
			u64 gpa;
			u64 error;	/* TDP_FAULT_* */
		} fault;
		struct {
			u16 port;
			u8 size;	/* 1, 2, 4 bytes */
			u8 in : 1, string : 1, rep : 1;
			u8 addr_size;	/* 2, 4, 8 bytes; string forms only, 0: not known */
			u8 seg;		/* SEG_*; string forms only, 0xff: not known */
		} io;
		struct {
			u8 nr;		/* control or debug register */
			u8 gpr;		/* REG_*; 0xff: the hardware does not say: decode */
			bool write;
		} reg;
		struct {
			u16 offset;	/* of the register in the APIC's page */
			u8 vector;	/* VMEXIT_APIC_EOI */
		} apic;
		struct {
			u16 selector;
			u8 reason;	/* 0 CALL, 1 IRET, 2 JMP, 3 gate */
			bool has_error;
			u32 error;
		} task;
	};
};

/* Requests: bits of vcpu->requests, looked at before every entry (Documentation/requests.rst). */
enum vcpu_request {
	REQ_EVENT,		/* an event may be pending: look again */
	REQ_TLB_FLUSH,		/* flush nested and guest translations of this vCPU */
	REQ_TLB_FLUSH_GUEST,	/* flush only linear translations */
	REQ_TDP_ROOT,		/* load the root of the nested tables anew */
	REQ_TRIPLE_FAULT,	/* KVM_EXIT_SHUTDOWN */
	REQ_MSR_FILTER,		/* user space has changed the filter: msr_filter_apply() */
	REQ_INTERCEPTS,		/* policy.* changed: backend update_intercepts */
	REQ_SCAN_IOAPIC,	/* EOI exit information changed */
	REQ_CLOCK,		/* clock_update(): the paravirtual clock must be written */
	REQ_STEAL,		/* steal_update(): likewise steal time */
	REQ_APF,		/* apf_ready(): a page that the guest waits for may be there */
	REQ_KICK,		/* leave the guest; nothing else to do */
	REQ_DIRTY_RING,		/* the dirty ring is nearly full: ring_check() */
	REQ_TPR_ACCESS,		/* the guest has touched the TPR: vapic_tpr_exit() */
	REQ_INIT_SIPI,		/* INIT or SIPI arrived: lapic_accept_init_sipi() */
	REQ_ORDERS,		/* the VM was paused, limited, killed: mgmt_follow_orders() */
};

/* vcpu->mode: who must be told to leave the guest (Documentation/requests.rst). */
enum vcpu_mode {
	VCPU_OUTSIDE_GUEST,
	VCPU_IN_GUEST,
	VCPU_EXITING_GUEST,
};

/*
 * Locks of struct vcpu:
 *	m	vcpu->mutex
 *	a	atomic or single word, any context
 *	c	constant after creation
 *	r	the room's own rules
 */
struct vcpu {
	/* Hot: touched on every exit. */
	unsigned long requests;		/* [a] BIT(REQ_*) */
	int mode;			/* [a] enum vcpu_mode */
	int cpu;			/* [a] processor it is loaded on, -1 when none */
	struct vmm *vm;			/* [c] */
	struct kvm_run *run;		/* [c] shared page; user space may write it at any time */
	struct lapic *apic;		/* [c] NULL without in-kernel irqchip */
	struct vcpu_state state;	/* [m] */
	struct vcpu_events events;	/* [m] but for events.nmi_queued */
	struct vm_exit exit;		/* [m] */
	struct vcpu_stats stats;	/* [m] written by the vCPU only, read by anyone */
	void *backend;			/* [c] struct svm_vcpu or struct vmx_vcpu */

	/* Warm. */
	struct vcpu_policy policy;	/* [m] what is intercepted and why: cpu/state.h */
	struct vcpu_cpuid cpuid;	/* [m] */
	struct vcpu_msrs msrs;		/* [m] MSRs that live in software */
	struct vcpu_fpu fpu;		/* [m] */
	struct vcpu_debug debug;	/* [m] */
	struct vcpu_tsc tsc;		/* [m] */
	struct vcpu_pv pv;		/* [m] paravirtual features */
	struct vapic vapic;		/* [m] */
	struct interp *interp;		/* [m] interpreter context, allocated at creation */
	unsigned long rcu_noted;	/* [m] jiffies when RCU was last told of an entry */
	u64 left_guest;			/* [m] TSC at the last exit, with exit_cycles=1 */
	int (*complete)(struct vcpu *vcpu); /* [m] finishes an exit that user space served */
	struct dirty_ring ring;
	struct pio_state pio;		/* [m] the port access that waits for user space */
	int mp_state;			/* [a] KVM_MP_STATE_* */
	struct rcuwait wait;		/* [r] where HLT sleeps */
	unsigned int halt_poll_ns;	/* [m] current polling window */
	bool preempted;			/* [a] runnable, without a processor; a hint */
	bool spinning;			/* [a] in halt_yield(): it waits for another vCPU */
	bool offline;			/* [m] VMM_EVENT_HALTED was the last that was told of it */
	sigset_t sigset;		/* [m] KVM_SET_SIGNAL_MASK */
	bool sigset_active;		/* [m] */
	u8 refusals;			/* [m] entries whose failure the log has explained */

	struct mutex mutex;		/* held over every vCPU ioctl, KVM_RUN included */
	struct preempt_notifier notifier; /* [m] */
	struct vcpu_limit limit;	/* [r] */
	struct pid __rcu *pid;		/* [m] readers by RCU; the task that last called KVM_RUN */
	u32 id;				/* [c] as user space named it: the APIC id */
	u32 index;			/* [c] place in vm->vcpus */
	u64 serial;			/* [c] unique among all vCPUs ever */
};

/*
 * Locks of struct vmm, in the order in which they are taken (Documentation/locking.rst):
 *	l	vm->lock
 *	s	vm->slots_lock, readers by RCU/SRCU (memory/memory.h)
 *	i	vm->irq_lock, readers by RCU
 *	a	atomic or single word
 *	c	constant after creation
 */
struct vmm {
	struct mm_struct *mm;		/* [c] the creator's; every ioctl must come from it */
	struct kref refs;
	struct mutex lock;		/* letter l */
	struct xarray vcpus;		/* [l] by index; lookups lock-free */
	atomic_t online_vcpus;		/* [a] entries of vcpus that may be used */
	unsigned int created_vcpus;	/* [l] */
	struct memory mem;		/* [s] slots, nested tables, notifier */
	struct bus bus[BUS_COUNT];	/* [s] in-kernel port and MMIO devices, readers by RCU */
	struct irqchip irq;		/* [i] routing, PIC, IOAPIC, PIT, irqfds */
	struct coalesced coalesced;	/* [s] */
	struct vm_clock clock;		/* [l] KVM_SET_CLOCK */
	struct vm_stats stats;		/* [a] */
	struct msr_filter __rcu *msr_filter; /* [l] readers by RCU; NULL: all is allowed */
	struct vm_policy policy;	/* [l] capabilities enabled by KVM_ENABLE_CAP */
	u32 yielded_to;			/* [a] index of the vCPU that halt_yield() helped last */
	struct vm_mgmt mgmt;		/* as an administrator sees it */
	u32 boot_vcpu_id;		/* [l] KVM_SET_BOOT_CPU_ID */
	u32 default_tsc_khz;		/* [l] */
	u64 tss_addr;			/* [l] accepted and unused: no real-mode TSS is needed */
	u64 identity_map_addr;		/* [l] likewise */
	u32 mmu_pages;			/* [l] KVM_SET_NR_MMU_PAGES: likewise, nothing to limit */
	u64 id;				/* [c] serial number on this host */
	char stats_name[STATS_NAME_SIZE]; /* [c] */
};

#define KVM_VCPUS_FOR_EACH(i, vcpu, vm)						\
	for ((i) = 0; (i) < (unsigned long)atomic_read(&(vm)->online_vcpus) &&	\
	     ((vcpu) = xa_load(&(vm)->vcpus, (i))); (i)++)

/* vm.c */
struct vmm *vm_create(unsigned long type);
void vm_get(struct vmm *vm);
void vm_put(struct vmm *vm);
u64 vm_newest_id(void);
int vm_create_fd(unsigned long type);
struct vcpu *vm_vcpu_by_id(struct vmm *vm, u32 id);
long vm_check_extension(struct vmm *vm, unsigned long cap);

/* vcpu.c: lifetime, the run loop, kicks and requests */
int vcpu_create_fd(struct vmm *vm, u32 id);
void vcpu_destroy_all(struct vmm *vm);
void vcpu_kick(struct vcpu *vcpu);	/* any context: leave the guest, look at requests */
bool vcpu_wake_halted(struct vcpu *vcpu); /* any context: end a HLT; whether it slept */
void vcpu_wake(struct vcpu *vcpu);	/* any context: end a HLT, then as vcpu_kick */
void vcpu_request_all(struct vmm *vm, unsigned int req, bool wait);
long vcpu_run(struct vcpu *vcpu);
void vcpu_load(struct vcpu *vcpu);
void vcpu_put(struct vcpu *vcpu);
int vcpu_module_init(void);
void vcpu_module_exit(void);

/* Free a page that had a guest's state, none of which stays in free memory; NULL is none. */
static inline void free_guest_page(void *page)
{
	if (page)
		clear_page(page);
	free_page((unsigned long)page);
}

static inline void vcpu_request(struct vcpu *vcpu, unsigned int req)
{
	/* Pairs with the barrier between setting vcpu->mode and reading requests on entry. */
	smp_mb__before_atomic();
	set_bit(req, &vcpu->requests);
}

static inline bool vcpu_test_clear_request(struct vcpu *vcpu, unsigned int req)
{
	if (!test_bit(req, &vcpu->requests))
		return false;
	clear_bit(req, &vcpu->requests);
	/* What the request announces is read after it is taken; pairs with vcpu_request(). */
	smp_mb__after_atomic();
	return true;
}

/* dispatch.c */
int dispatch_exit(struct vcpu *vcpu);
int dispatch_internal_error(struct vcpu *vcpu, u32 suberror);
int dispatch_shutdown(struct vcpu *vcpu);
/* Step over the instruction that exited: by insn_len, else by decoding it. RESUME_*. */
int dispatch_skip(struct vcpu *vcpu);

#endif /* VMM_H */
