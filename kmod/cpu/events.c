// SPDX-License-Identifier: GPL-2.0
/*
 * Exceptions, NMIs and interrupts on their way into the guest.
 *
 * raise:   an exception becomes pending (and merges with one that is on its way)
 * prepare: before an entry the first deliverable event becomes "injected": the hardware has it
 * requeue: after an exit it is done, or its delivery was interrupted and it is injected again
 */
#include <asm/cpu.h>
#include <asm/processor-flags.h>

#include "internal.h"
#include "../pv/hypercall.h"
#include "../trace.h"

#define NMI_VECTOR	2
#define NMI_LIMIT	2	/* one in its handler's shadow, one latched */

/* ---- classes and merging (APM vol. 2, 8.2.9, table 8-6; SDM vol. 3A, 6.15) ---- */

enum exception_class { BENIGN, CONTRIBUTORY, PAGE_FAULT, DOUBLE_FAULT };

static enum exception_class exception_class(u8 vector)
{
	switch (vector) {
	case DE_VECTOR:
	case TS_VECTOR:
	case NP_VECTOR:
	case SS_VECTOR:
	case GP_VECTOR:
		return CONTRIBUTORY;
	case PF_VECTOR:
		return PAGE_FAULT;
	case DF_VECTOR:
		return DOUBLE_FAULT;
	default:
		return BENIGN;
	}
}

/* The exception whose delivery a new one interrupts: not delivered yet, or being delivered. */
static bool exception_on_its_way(const struct vcpu_events *ev, u8 *vector)
{
	if (ev->exception.pending) {
		*vector = ev->exception.vector;
		return true;
	}
	if (ev->injected.type != EVENT_EXCEPTION && ev->injected.type != EVENT_SOFT_EXC)
		return false;
	*vector = ev->injected.vector;
	return true;
}

enum merge { MERGE_SERIAL, MERGE_DOUBLE_FAULT, MERGE_SHUTDOWN };

static enum merge exceptions_merge(u8 first, u8 second)
{
	enum exception_class a = exception_class(first), b = exception_class(second);

	if (b == BENIGN || b == DOUBLE_FAULT)
		return MERGE_SERIAL;
	if (a == DOUBLE_FAULT)
		return MERGE_SHUTDOWN;
	if (a == PAGE_FAULT || (a == CONTRIBUTORY && b == CONTRIBUTORY))
		return MERGE_DOUBLE_FAULT;
	return MERGE_SERIAL;
}

/* An interrupt or NMI that was being delivered gives way to an exception and comes after it. */
static void put_aside(struct vcpu_events *ev)
{
	if (ev->injected.type == EVENT_INTR)
		ev->ext_irq = ev->injected.vector;
	if (ev->injected.type == EVENT_NMI) {
		ev->nmi_masked = false;
		ev->nmi_pending = min(ev->nmi_pending + 1, NMI_LIMIT);
	}
	ev->injected.type = EVENT_NONE;
}

/**
 * events_raise_payload() - raise an exception with the value its delivery writes
 * @vcpu: the vCPU
 * @vector: 0-31
 * @has_error: it pushes an error code
 * @error: the error code
 * @payload: CR2 of #PF; bits to set in DR6 (active high) of #DB; ignored for others
 *
 * A second exception replaces the first, or the two become #DF, or the guest shuts down (APM vol.
 * 2, 8.2.9).
 */
void events_raise_payload(struct vcpu *vcpu, u8 vector, bool has_error, u32 error, u64 payload)
{
	struct vcpu_events *ev = &vcpu->events;
	enum merge merge = MERGE_SERIAL;
	u8 first;

	if (exception_on_its_way(ev, &first))
		merge = exceptions_merge(first, vector);
	put_aside(ev);
	if (merge == MERGE_SHUTDOWN) {
		ev->exception.pending = false;
		vcpu_request(vcpu, REQ_TRIPLE_FAULT);
		return;
	}
	ev->exception.pending = true;
	ev->exception.vector = merge == MERGE_DOUBLE_FAULT ? DF_VECTOR : vector;
	ev->exception.has_error = merge == MERGE_DOUBLE_FAULT || has_error;
	ev->exception.error = merge == MERGE_DOUBLE_FAULT ? 0 : error;
	ev->exception.has_payload = merge == MERGE_SERIAL &&
				    (vector == PF_VECTOR || vector == DB_VECTOR);
	ev->exception.payload = payload;
	vcpu_request(vcpu, REQ_EVENT);
}
EXPORT_FOR_TEST(events_raise_payload);

/**
 * events_raise() - raise an exception without error code
 * @vcpu: the vCPU
 * @vector: 0-31, not #PF; #DB sets no bit of DR6
 */
void events_raise(struct vcpu *vcpu, u8 vector)
{
	events_raise_payload(vcpu, vector, false, 0, 0);
}

/**
 * events_raise_error() - raise an exception with an error code
 * @vcpu: the vCPU
 * @vector: 0-31, not #PF
 * @error: the error code
 */
void events_raise_error(struct vcpu *vcpu, u8 vector, u32 error)
{
	events_raise_payload(vcpu, vector, true, error, 0);
}

/* ---- after an exit ---- */

/*
 * INT n, INT3 and INTO are executed again rather than injected again: RIP still points at them. But
 * a #BP that was injected (KVM_GUESTDBG_INJECT_BP) may stand for no instruction at all.
 * (In EXITINTINFO, INT3 and INTO are exceptions 3 and 4; APM vol. 2, 15.7.2.)
 */
static bool event_is_soft(const struct event *event)
{
	if (event->type == EVENT_EXCEPTION)
		return event->vector == BP_VECTOR || event->vector == OF_VECTOR;
	return event->type == EVENT_SOFT_INTR || event->type == EVENT_SOFT_EXC ||
	       event->type == EVENT_PRIV_SOFT_EXC;
}

/**
 * events_requeue() - after an exit: what was injected is delivered, or its delivery interrupted
 * @vcpu: the vCPU; vcpu->exit.vectoring is filled
 */
void events_requeue(struct vcpu *vcpu)
{
	struct vcpu_events *ev = &vcpu->events;
	const struct event *vectoring = &vcpu->exit.vectoring;
	bool again = event_is_soft(&ev->injected) && ev->injected.vector == vectoring->vector;

	if (!event_is_soft(vectoring))
		ev->injected = *vectoring;
	else if (!again)
		ev->injected.type = EVENT_NONE;
	/* A processor that has shut down delivers nothing any more. */
	if (vcpu->exit.kind == VMEXIT_SHUTDOWN)
		ev->injected.type = EVENT_NONE;
	if (ev->injected.type != EVENT_NONE)
		vcpu_request(vcpu, REQ_EVENT);
}
EXPORT_FOR_TEST(events_requeue);

/* ---- before an entry ---- */

/**
 * events_interrupt_allowed() - would the guest take an external interrupt now
 * @vcpu: the vCPU
 *
 * Return: RFLAGS.IF is set and no interrupt shadow is
 */
bool events_interrupt_allowed(struct vcpu *vcpu)
{
	return (vcpu->state.rflags & X86_EFLAGS_IF) && !vcpu->state.int_shadow;
}

/**
 * events_nmi_allowed() - would the guest take an NMI now
 * @vcpu: the vCPU
 *
 * Return: no NMI handler runs and no interrupt shadow is (APM vol. 2, 15.21.5)
 */
bool events_nmi_allowed(struct vcpu *vcpu)
{
	return !vcpu->events.nmi_masked && !vcpu->state.int_shadow;
}
EXPORT_FOR_TEST(events_nmi_allowed);

/* Take over NMIs that arrived: while one is handled a single further one is latched. */
static void events_take_nmis(struct vcpu_events *ev)
{
	unsigned int limit = ev->nmi_masked || ev->injected.type == EVENT_NMI ? 1 : NMI_LIMIT;
	unsigned int queued = atomic_xchg(&ev->nmi_queued, 0);

	ev->nmi_pending = min(ev->nmi_pending + queued, limit);
}

/* An interrupt waits for IF = 1. */
static bool interrupt_waits(struct vcpu *vcpu)
{
	return vcpu->events.ext_irq >= 0 || irq_pending(vcpu);
}

/* One waits to be injected. */
static bool injection_waits(struct vcpu *vcpu)
{
	return vcpu->events.ext_irq >= 0 || irq_injectable(vcpu);
}

/**
 * events_pending() - would something be delivered at once
 * @vcpu: the vCPU
 *
 * Context: the vCPU's thread; also while it polls in HLT.
 * Return: true: HLT is over
 */
bool events_pending(struct vcpu *vcpu)
{
	struct vcpu_events *ev = &vcpu->events;

	if (ev->exception.pending || ev->injected.type != EVENT_NONE)
		return true;
	if ((ev->nmi_pending || atomic_read(&ev->nmi_queued)) && events_nmi_allowed(vcpu))
		return true;
	return events_interrupt_allowed(vcpu) && interrupt_waits(vcpu);
}
EXPORT_FOR_TEST(events_pending);

/* Write what the exception brings along: CR2, DR6. */
static void deliver_payload(struct vcpu *vcpu)
{
	struct vcpu_events *ev = &vcpu->events;

	if (!ev->exception.has_payload)
		return;
	ev->exception.has_payload = false;
	if (ev->exception.vector == DB_VECTOR) {
		debug_deliver_payload(vcpu, ev->exception.payload);
	} else if (ev->exception.vector == PF_VECTOR) {
		state_get(vcpu, STATE_CRS)->cr2 = ev->exception.payload;
		state_dirty(vcpu, STATE_CRS);
	}
}

/* Faults push RF set, so that the instruction's breakpoint does not fire again (APM, 3.1.6). */
static bool exception_sets_rf(u8 vector)
{
	return vector != DB_VECTOR && vector != BP_VECTOR && vector != OF_VECTOR &&
	       vector != DF_VECTOR && vector != MC_VECTOR;
}

static void inject_exception(struct vcpu *vcpu)
{
	struct vcpu_events *ev = &vcpu->events;
	u8 vector = ev->exception.vector;
	bool soft = vector == BP_VECTOR || vector == OF_VECTOR;

	deliver_payload(vcpu);
	if (exception_sets_rf(vector))
		vcpu->state.rflags |= X86_EFLAGS_RF;
	ev->injected = (struct event) {
		.type = soft ? EVENT_SOFT_EXC : EVENT_EXCEPTION,
		.vector = vector,
		/* Real mode pushes no error codes. */
		.has_error = ev->exception.has_error &&
			     (state_get(vcpu, STATE_CRS)->cr0 & X86_CR0_PE),
		.error = ev->exception.error,
		.insn_len = soft,	/* INT3 and INTO are one byte long */
	};
	ev->exception.pending = false;
	vcpu->stats.exceptions++;
}

static void inject_nmi(struct vcpu *vcpu)
{
	struct vcpu_events *ev = &vcpu->events;

	ev->nmi_pending--;
	ev->nmi_masked = true;
	ev->injected = (struct event) { .type = EVENT_NMI, .vector = NMI_VECTOR };
	vcpu->stats.nmi_injections++;
}

static void inject_interrupt(struct vcpu *vcpu)
{
	struct vcpu_events *ev = &vcpu->events;
	int vector = ev->ext_irq;

	if (vector >= 0)
		ev->ext_irq = -1;
	else
		vector = irq_acknowledge(vcpu);
	if (vector < 0)
		return;
	ev->injected = (struct event) { .type = EVENT_INTR, .vector = vector };
	vcpu->stats.irq_injections++;
}

/* The event that comes first becomes injected (APM vol. 2, 8.5: exceptions, NMI, interrupts). */
static void events_choose(struct vcpu *vcpu)
{
	struct vcpu_events *ev = &vcpu->events;

	if (ev->exception.pending)
		inject_exception(vcpu);
	else if (debug_blocks_events(vcpu))
		return;
	else if (ev->nmi_pending && events_nmi_allowed(vcpu))
		inject_nmi(vcpu);
	else if (events_interrupt_allowed(vcpu) && injection_waits(vcpu))
		inject_interrupt(vcpu);
}

/*
 * User space's PIC has an interrupt, and a wire to this processor: while LINT0 is masked a window
 * could not be used, and would end each run before it begins.
 */
static bool pic_waits(struct vcpu *vcpu)
{
	return irqchip_user_pic(&vcpu->vm->irq) &&
	       READ_ONCE(vcpu->run->request_interrupt_window) &&
	       (!vcpu->apic || lapic_accepts_pic(vcpu->apic));
}

/* What must be told us when it becomes possible. */
static u32 windows_needed(struct vcpu *vcpu)
{
	struct vcpu_events *ev = &vcpu->events;
	bool blocked = debug_blocks_events(vcpu);
	u32 windows = 0;

	/* Without virtual NMIs the end of an NMI handler is seen by its IRET only. */
	if ((ev->nmi_pending && !blocked) || (ev->nmi_masked && !backend_caps.vnmi))
		windows |= WINDOW_NMI;
	if ((injection_waits(vcpu) && !blocked) || pic_waits(vcpu))
		windows |= WINDOW_IRQ;
	if (!vcpu->apic || lapic_blocked_by_tpr(vcpu))
		windows |= WINDOW_TPR;
	return windows;
}

/*
 * The decision of events_prepare(), without the hardware: what is injected now stands in
 * events.injected. Returns the windows that are needed.
 */
u32 events_decide(struct vcpu *vcpu)
{
	events_take_nmis(&vcpu->events);
	if (vcpu->events.injected.type == EVENT_NONE)
		events_choose(vcpu);
	return windows_needed(vcpu);
}
EXPORT_FOR_TEST(events_decide);

/* An INT n of unknown length is not injected: RIP is on it, the guest executes it, likewise. */
static bool event_is_ready(const struct event *event)
{
	return event->type != EVENT_NONE && (event->type != EVENT_SOFT_INTR || event->insn_len);
}

/**
 * events_prepare() - hand over what is deliverable and ask for windows
 * @vcpu: the vCPU
 *
 * Context: interrupts off, before an entry; called when REQ_EVENT was set or something is injected.
 */
void events_prepare(struct vcpu *vcpu)
{
	struct vcpu_events *ev = &vcpu->events;
	u32 windows = events_decide(vcpu);

	if (event_is_ready(&ev->injected)) {
		trace_vmm_inject(vcpu, &ev->injected);
		backend_inject(vcpu, &ev->injected);
	}
	if (windows != ev->windows) {
		ev->windows = windows;
		backend_set_windows(vcpu, windows);
	}
	if (vcpu->policy.apic != APIC_VIRTUAL_NONE)
		lapic_virtual_sync(vcpu);
}

/**
 * events_cancel() - the entry was called off after events_prepare()
 * @vcpu: the vCPU; the event stays injected and is handed over again
 *
 * Context: interrupts off.
 */
void events_cancel(struct vcpu *vcpu)
{
	backend_inject_cancel(vcpu);
}

/* ---- from outside ---- */

/**
 * events_nmi() - an NMI arrives
 * @vcpu: the vCPU
 *
 * Context: any.
 */
void events_nmi(struct vcpu *vcpu)
{
	atomic_add_unless(&vcpu->events.nmi_queued, 1, NMI_LIMIT);
	vcpu_request(vcpu, REQ_EVENT);
	vcpu_wake(vcpu);
}
EXPORT_FOR_TEST(events_nmi);

/**
 * events_user_interrupt() - KVM_INTERRUPT
 * @vcpu: the vCPU
 * @vector: 0-255
 *
 * Return: 0; -EINVAL: no such vector; -ENXIO: the PIC is in the kernel; -EEXIST: one waits already
 */
int events_user_interrupt(struct vcpu *vcpu, u32 vector)
{
	if (vector >= KVM_NR_INTERRUPTS)
		return -EINVAL;
	if (!irqchip_user_pic(&vcpu->vm->irq))
		return -ENXIO;
	if (vcpu->events.ext_irq >= 0 || vcpu->events.injected.type == EVENT_INTR)
		return -EEXIST;
	vcpu->events.ext_irq = vector;
	vcpu_request(vcpu, REQ_EVENT);
	return 0;
}
EXPORT_FOR_TEST(events_user_interrupt);

/*
 * #AC of an access that the host does not let anybody lock (SDM vol. 3A, 9.1.2.3): the guest knows
 * nothing of that, and the kernel slows this thread down or kills it, as it would do elsewhere.
 */
static bool events_split_lock(struct vcpu *vcpu)
{
	if (!boot_cpu_has(X86_FEATURE_SPLIT_LOCK_DETECT))
		return false;
	/* The guest's own alignment check, it may be. */
	if (vcpu->state.cpl == 3 && vcpu->state.rflags & X86_EFLAGS_AC &&
	    state_get(vcpu, STATE_CRS)->cr0 & X86_CR0_AM)
		return false;
	return handle_guest_split_lock(vcpu->state.rip);
}

/**
 * events_exception_exit() - the exit of an intercepted exception
 * @vcpu: the vCPU, vcpu->exit.exception is filled
 *
 * Return: RESUME_*
 */
int events_exception_exit(struct vcpu *vcpu)
{
	u8 vector = vcpu->exit.exception.vector;

	if (vector == DB_VECTOR || vector == BP_VECTOR)
		return debug_exception(vcpu);
	if (vector == UD_VECTOR && hypercall_fix(vcpu))
		return RESUME_GUEST;
	if (vector == AC_VECTOR && events_split_lock(vcpu))
		return RESUME_GUEST;
	events_raise_payload(vcpu, vector, vcpu->exit.exception.has_error,
			     vcpu->exit.exception.error, vcpu->exit.exception.payload);
	return RESUME_GUEST;
}

/* ---- KVM_GET/SET_VCPU_EVENTS ---- */

static void get_exception(struct vcpu *vcpu, struct kvm_vcpu_events *out)
{
	struct vcpu_events *ev = &vcpu->events;
	bool injected = ev->injected.type == EVENT_EXCEPTION ||
			ev->injected.type == EVENT_SOFT_EXC;

	if (injected) {
		out->exception.injected = 1;
		out->exception.nr = ev->injected.vector;
		out->exception.has_error_code = ev->injected.has_error;
		out->exception.error_code = ev->injected.error;
		return;
	}
	if (!ev->exception.pending)
		return;
	out->exception.nr = ev->exception.vector;
	out->exception.has_error_code = ev->exception.has_error;
	out->exception.error_code = ev->exception.error;
	if (!vcpu->vm->policy.exception_payload) {
		/* User space knows neither state: the payload is written, the rest is injected. */
		deliver_payload(vcpu);
		out->exception.injected = 1;
		return;
	}
	out->exception.pending = 1;
	out->exception_has_payload = ev->exception.has_payload;
	out->exception_payload = ev->exception.has_payload ? ev->exception.payload : 0;
}

static void get_interrupt(const struct vcpu *vcpu, struct kvm_vcpu_events *out)
{
	const struct vcpu_events *ev = &vcpu->events;

	if (ev->injected.type == EVENT_INTR || ev->injected.type == EVENT_SOFT_INTR) {
		out->interrupt.injected = 1;
		out->interrupt.nr = ev->injected.vector;
		out->interrupt.soft = ev->injected.type == EVENT_SOFT_INTR;
	} else if (ev->ext_irq >= 0) {
		out->interrupt.injected = 1;
		out->interrupt.nr = ev->ext_irq;
	}
	out->interrupt.shadow = vcpu->state.int_shadow;
}

/**
 * events_get() - KVM_GET_VCPU_EVENTS
 * @vcpu: the vCPU, loaded
 * @out: filled
 *
 * Return: 0
 */
int events_get(struct vcpu *vcpu, struct kvm_vcpu_events *out)
{
	struct vcpu_events *ev = &vcpu->events;

	memset(out, 0, sizeof(*out));
	events_take_nmis(ev);
	if (ev->nmi_pending)
		vcpu_request(vcpu, REQ_EVENT);
	get_exception(vcpu, out);
	get_interrupt(vcpu, out);
	out->nmi.injected = ev->injected.type == EVENT_NMI;
	out->nmi.pending = ev->nmi_pending;
	out->nmi.masked = ev->nmi_masked;
	out->flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW;
	if (vcpu->vm->policy.exception_payload)
		out->flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
	if (vcpu->vm->policy.triple_fault_event) {
		out->flags |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
		out->triple_fault.pending = test_bit(REQ_TRIPLE_FAULT, &vcpu->requests);
	}
	return 0;
}
EXPORT_FOR_TEST(events_get);

static bool events_valid(const struct vcpu *vcpu, const struct kvm_vcpu_events *in)
{
	u32 known = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SIPI_VECTOR |
		    KVM_VCPUEVENT_VALID_SHADOW;
	bool pending = (in->flags & KVM_VCPUEVENT_VALID_PAYLOAD) && in->exception.pending;

	if (vcpu->vm->policy.exception_payload)
		known |= KVM_VCPUEVENT_VALID_PAYLOAD;
	if (vcpu->vm->policy.triple_fault_event)
		known |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
	if (in->flags & ~known)
		return false;
	if (!in->exception.injected && !pending)
		return true;
	return in->exception.nr <= 31 && in->exception.nr != NMI_VECTOR;
}

static void set_interrupt(struct vcpu_events *ev, const struct kvm_vcpu_events *in)
{
	ev->ext_irq = -1;
	if (!in->interrupt.injected)
		return;
	if (in->interrupt.soft)
		ev->injected = (struct event) {
			.type = EVENT_SOFT_INTR, .vector = in->interrupt.nr,
		};
	else
		ev->ext_irq = in->interrupt.nr;
}

static void set_nmi(struct vcpu_events *ev, const struct kvm_vcpu_events *in)
{
	ev->nmi_masked = in->nmi.masked;
	if (in->flags & KVM_VCPUEVENT_VALID_NMI_PENDING) {
		atomic_set(&ev->nmi_queued, 0);
		ev->nmi_pending = min_t(u8, in->nmi.pending, NMI_LIMIT);
	}
	if (in->nmi.injected)
		ev->injected = (struct event) { .type = EVENT_NMI, .vector = NMI_VECTOR };
}

static void set_exception(struct vcpu_events *ev, const struct kvm_vcpu_events *in)
{
	u8 vector = in->exception.nr;
	bool soft = vector == BP_VECTOR || vector == OF_VECTOR;

	ev->exception.pending = false;
	if (in->exception.injected) {
		put_aside(ev);
		ev->injected = (struct event) {
			.type = soft ? EVENT_SOFT_EXC : EVENT_EXCEPTION,
			.vector = vector, .insn_len = soft,
			.has_error = in->exception.has_error_code,
			.error = in->exception.error_code,
		};
		return;
	}
	if (!(in->flags & KVM_VCPUEVENT_VALID_PAYLOAD) || !in->exception.pending)
		return;
	ev->exception.pending = true;
	ev->exception.vector = vector;
	ev->exception.has_error = in->exception.has_error_code;
	ev->exception.error = in->exception.error_code;
	ev->exception.has_payload = in->exception_has_payload;
	ev->exception.payload = in->exception_payload;
}

/**
 * events_set() - KVM_SET_VCPU_EVENTS
 * @vcpu: the vCPU, loaded
 * @in: new state; flags say which optional parts count
 *
 * Return: 0; -EINVAL: flags that are unknown or not enabled, an exception that does not exist
 */
int events_set(struct vcpu *vcpu, const struct kvm_vcpu_events *in)
{
	struct vcpu_events *ev = &vcpu->events;

	if (!events_valid(vcpu, in))
		return -EINVAL;
	/* At most one event is injected; what comes later in this order goes first. */
	ev->injected.type = EVENT_NONE;
	set_interrupt(ev, in);
	set_nmi(ev, in);
	set_exception(ev, in);
	if (in->flags & KVM_VCPUEVENT_VALID_SHADOW)
		vcpu->state.int_shadow = in->interrupt.shadow &
			(KVM_X86_SHADOW_INT_MOV_SS | KVM_X86_SHADOW_INT_STI);
	if (in->flags & KVM_VCPUEVENT_VALID_SIPI_VECTOR)
		lapic_set_sipi_vector(vcpu, in->sipi_vector);
	if (in->flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT) {
		if (in->triple_fault.pending)
			vcpu_request(vcpu, REQ_TRIPLE_FAULT);
		else
			clear_bit(REQ_TRIPLE_FAULT, &vcpu->requests);
	}
	vcpu_request(vcpu, REQ_EVENT);
	return 0;
}
EXPORT_FOR_TEST(events_set);
