// SPDX-License-Identifier: GPL-2.0
/* Events: merging, order, masks, windows, and their way to user space and back. */
#include "cpu_fixture.h"

#define GP13	GP_VECTOR
#define NMI2	2

/* ---- merging (APM vol. 2, 8.2.9) ---- */

static const u8 benign[] = { DB_VECTOR, BP_VECTOR, OF_VECTOR, BR_VECTOR, UD_VECTOR, NM_VECTOR,
			     MF_VECTOR, AC_VECTOR, MC_VECTOR, XM_VECTOR };
static const u8 contributory[] = { DE_VECTOR, TS_VECTOR, NP_VECTOR, SS_VECTOR, GP_VECTOR };

/* What becomes of second while first is on its way; 0xff: shutdown. */
static u8 merged(struct vcpu *vcpu, u8 first, u8 second, bool delivering)
{
	struct vcpu_events *ev = &vcpu->events;

	ev->injected.type = EVENT_NONE;
	ev->exception.pending = false;
	clear_bit(REQ_TRIPLE_FAULT, &vcpu->requests);
	if (delivering)
		ev->injected = (struct event) { .type = EVENT_EXCEPTION, .vector = first };
	else
		events_raise_payload(vcpu, first, false, 0, 0);
	events_raise_payload(vcpu, second, false, 0, 0);
	if (test_bit(REQ_TRIPLE_FAULT, &vcpu->requests))
		return ev->exception.pending ? 0xfe : 0xff;
	return ev->exception.pending && ev->injected.type == EVENT_NONE ? ev->exception.vector :
									  0xfe;
}

static void merge_benign(struct kunit *test)
{
	struct vcpu *vcpu = cpu_fixture_vcpu(test);
	int i, j;

	for (i = 0; i < ARRAY_SIZE(benign); i++) {
		for (j = 0; j < ARRAY_SIZE(contributory); j++) {
			KUNIT_EXPECT_EQ(test, merged(vcpu, benign[i], contributory[j], true),
					contributory[j]);
			KUNIT_EXPECT_EQ(test, merged(vcpu, contributory[j], benign[i], true),
					benign[i]);
		}
		KUNIT_EXPECT_EQ(test, merged(vcpu, benign[i], PF_VECTOR, true), PF_VECTOR);
		KUNIT_EXPECT_EQ(test, merged(vcpu, PF_VECTOR, benign[i], true), benign[i]);
		KUNIT_EXPECT_EQ(test, merged(vcpu, DF_VECTOR, benign[i], true), benign[i]);
	}
}

static void merge_double_fault(struct kunit *test)
{
	struct vcpu *vcpu = cpu_fixture_vcpu(test);
	int i, j;

	for (i = 0; i < ARRAY_SIZE(contributory); i++) {
		for (j = 0; j < ARRAY_SIZE(contributory); j++)
			KUNIT_EXPECT_EQ(test, merged(vcpu, contributory[i], contributory[j],
						     (i + j) & 1), DF_VECTOR);
		KUNIT_EXPECT_EQ(test, merged(vcpu, PF_VECTOR, contributory[i], true), DF_VECTOR);
		/* A page fault during delivery of a contributory one is served by itself. */
		KUNIT_EXPECT_EQ(test, merged(vcpu, contributory[i], PF_VECTOR, true), PF_VECTOR);
	}
	KUNIT_EXPECT_EQ(test, merged(vcpu, PF_VECTOR, PF_VECTOR, false), DF_VECTOR);
	KUNIT_EXPECT_TRUE(test, vcpu->events.exception.has_error);
	KUNIT_EXPECT_EQ(test, vcpu->events.exception.error, 0);
	KUNIT_EXPECT_FALSE(test, vcpu->events.exception.has_payload);
}

static void merge_shutdown(struct kunit *test)
{
	struct vcpu *vcpu = cpu_fixture_vcpu(test);
	int i;

	for (i = 0; i < ARRAY_SIZE(contributory); i++)
		KUNIT_EXPECT_EQ(test, merged(vcpu, DF_VECTOR, contributory[i], i & 1), 0xff);
	KUNIT_EXPECT_EQ(test, merged(vcpu, DF_VECTOR, PF_VECTOR, true), 0xff);
}

/* ---- delivery ---- */

/* The TPR's window depends on whose APIC it is; the others are at issue here. */
static u32 decide(struct vcpu *vcpu)
{
	return events_decide(vcpu) & (WINDOW_IRQ | WINDOW_NMI);
}

/* The windows asked for. CR8 is always watched here: these vCPUs have no APIC in the kernel. */
static u32 windows(struct vcpu *vcpu)
{
	return events_decide(vcpu) & ~WINDOW_TPR;
}

static void watches_tpr(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, events_decide(cpu_fixture_vcpu(test)), WINDOW_TPR);
}

static void deliver_page_fault(struct kunit *test)
{
	struct vcpu *vcpu = cpu_fixture_vcpu(test);

	events_raise_payload(vcpu, PF_VECTOR, true, 6, 0x1234000);
	KUNIT_EXPECT_EQ(test, vcpu->state.cr2, 0);
	KUNIT_EXPECT_EQ(test, windows(vcpu), 0);
	KUNIT_EXPECT_EQ(test, vcpu->state.cr2, 0x1234000);
	KUNIT_EXPECT_TRUE(test, vcpu->state.dirty & STATE_CRS);
	KUNIT_EXPECT_TRUE(test, vcpu->state.rflags & X86_EFLAGS_RF);
	KUNIT_EXPECT_EQ(test, vcpu->events.injected.type, EVENT_EXCEPTION);
	KUNIT_EXPECT_EQ(test, vcpu->events.injected.vector, PF_VECTOR);
	KUNIT_EXPECT_TRUE(test, vcpu->events.injected.has_error);
	KUNIT_EXPECT_EQ(test, vcpu->events.injected.error, 6);
	KUNIT_EXPECT_FALSE(test, vcpu->events.exception.pending);
}

static void deliver_debug(struct kunit *test)
{
	struct vcpu *vcpu = cpu_fixture_vcpu(test);
	u64 dr;

	KUNIT_EXPECT_EQ(test, dr_write(vcpu, 6, 0x3), 0);
	KUNIT_EXPECT_EQ(test, dr_write(vcpu, 7, DR7_GD_BIT), 0);
	vcpu->msrs.debugctl = DEBUGCTLMSR_BTF | DEBUGCTLMSR_LBR;
	events_raise_payload(vcpu, DB_VECTOR, false, 0, DR6_STEP);
	decide(vcpu);
	KUNIT_EXPECT_EQ(test, dr_read(vcpu, 6, &dr), 0);
	/* The breakpoint bits are those of this exception only. */
	KUNIT_EXPECT_EQ(test, dr, DR6_ONES | DR6_STEP);
	KUNIT_EXPECT_EQ(test, dr_read(vcpu, 7, &dr), 0);
	KUNIT_EXPECT_EQ(test, dr, DR7_ONES);
	KUNIT_EXPECT_FALSE(test, vcpu->state.rflags & X86_EFLAGS_RF);
	/* Branches trap once. */
	KUNIT_EXPECT_EQ(test, vcpu->msrs.debugctl, DEBUGCTLMSR_LBR);
}

/* With BTF, TF traps branches: what is stepped over is none. */
static void step_of_branches(struct kunit *test)
{
	struct vcpu *vcpu = cpu_fixture_vcpu(test);

	vcpu->msrs.debugctl = DEBUGCTLMSR_BTF;
	KUNIT_EXPECT_EQ(test, debug_after_insn(vcpu, X86_EFLAGS_TF), RESUME_GUEST);
	KUNIT_EXPECT_FALSE(test, vcpu->events.exception.pending);
	vcpu->msrs.debugctl = 0;
	KUNIT_EXPECT_EQ(test, debug_after_insn(vcpu, X86_EFLAGS_TF), RESUME_GUEST);
	KUNIT_EXPECT_TRUE(test, vcpu->events.exception.pending);
}

static void deliver_in_real_mode(struct kunit *test)
{
	struct vcpu *vcpu = cpu_fixture_vcpu(test);

	vcpu->state.cr0 = X86_CR0_ET;
	events_raise_payload(vcpu, GP13, true, 8, 0);
	decide(vcpu);
	KUNIT_EXPECT_EQ(test, vcpu->events.injected.vector, GP13);
	KUNIT_EXPECT_FALSE(test, vcpu->events.injected.has_error);
}

static void deliver_in_order(struct kunit *test)
{
	struct vcpu *vcpu = cpu_fixture_vcpu(test);
	struct vcpu_events *ev = &vcpu->events;
	/* Where the processor does not tell the end of an NMI's handler, its window does. */
	u32 iret = backend_caps.vnmi ? 0 : WINDOW_NMI;

	vcpu->state.rflags |= X86_EFLAGS_IF;
	KUNIT_ASSERT_EQ(test, events_user_interrupt(vcpu, 0x30), 0);
	events_nmi(vcpu);
	events_raise_payload(vcpu, UD_VECTOR, false, 0, 0);
	KUNIT_EXPECT_EQ(test, windows(vcpu), WINDOW_IRQ | WINDOW_NMI);
	KUNIT_EXPECT_EQ(test, ev->injected.vector, UD_VECTOR);
	ev->injected.type = EVENT_NONE;
	KUNIT_EXPECT_EQ(test, windows(vcpu), WINDOW_IRQ | iret);
	KUNIT_EXPECT_EQ(test, ev->injected.type, EVENT_NMI);
	KUNIT_EXPECT_TRUE(test, ev->nmi_masked);
	ev->injected.type = EVENT_NONE;
	KUNIT_EXPECT_EQ(test, windows(vcpu), iret);
	KUNIT_EXPECT_EQ(test, ev->injected.type, EVENT_INTR);
	KUNIT_EXPECT_EQ(test, ev->injected.vector, 0x30);
	ev->injected.type = EVENT_NONE;
	ev->nmi_masked = false;
	KUNIT_EXPECT_EQ(test, windows(vcpu), 0);
	KUNIT_EXPECT_EQ(test, ev->injected.type, EVENT_NONE);
}

static void interrupts_wait(struct kunit *test)
{
	struct vcpu *vcpu = cpu_fixture_vcpu(test);
	struct vcpu_events *ev = &vcpu->events;

	KUNIT_ASSERT_EQ(test, events_user_interrupt(vcpu, 0x40), 0);
	KUNIT_EXPECT_EQ(test, events_user_interrupt(vcpu, 0x41), -EEXIST);
	KUNIT_EXPECT_EQ(test, events_user_interrupt(vcpu, 256), -EINVAL);
	KUNIT_EXPECT_FALSE(test, events_pending(vcpu));
	KUNIT_EXPECT_EQ(test, windows(vcpu), WINDOW_IRQ);
	KUNIT_EXPECT_EQ(test, ev->injected.type, EVENT_NONE);
	vcpu->state.rflags |= X86_EFLAGS_IF;
	vcpu->state.int_shadow = KVM_X86_SHADOW_INT_STI;
	KUNIT_EXPECT_FALSE(test, events_pending(vcpu));
	KUNIT_EXPECT_EQ(test, windows(vcpu), WINDOW_IRQ);
	vcpu->state.int_shadow = 0;
	KUNIT_EXPECT_TRUE(test, events_pending(vcpu));
	KUNIT_EXPECT_EQ(test, windows(vcpu), 0);
	KUNIT_EXPECT_EQ(test, ev->injected.vector, 0x40);
	vcpu->run->request_interrupt_window = 1;
	KUNIT_EXPECT_EQ(test, windows(vcpu), WINDOW_IRQ);
}

static void interrupt_needs_user_pic(struct kunit *test)
{
	struct cpu_fixture *f = test->priv;

	f->vm.irq.mode = IRQCHIP_KERNEL;
	KUNIT_EXPECT_EQ(test, events_user_interrupt(&f->vcpu, 0x40), -ENXIO);
	f->vm.irq.mode = IRQCHIP_SPLIT;
	KUNIT_EXPECT_EQ(test, events_user_interrupt(&f->vcpu, 0x40), 0);
}

static void nmis_are_two(struct kunit *test)
{
	struct vcpu *vcpu = cpu_fixture_vcpu(test);
	struct vcpu_events *ev = &vcpu->events;
	int i;

	for (i = 0; i < 5; i++)
		events_nmi(vcpu);
	KUNIT_EXPECT_TRUE(test, events_pending(vcpu));
	KUNIT_EXPECT_EQ(test, windows(vcpu), WINDOW_NMI);
	KUNIT_EXPECT_EQ(test, ev->nmi_pending, 1);
	ev->injected.type = EVENT_NONE;
	for (i = 0; i < 5; i++)
		events_nmi(vcpu);
	/* While one is handled a single further one is latched, and none gets in. */
	KUNIT_EXPECT_EQ(test, windows(vcpu), WINDOW_NMI);
	KUNIT_EXPECT_EQ(test, ev->nmi_pending, 1);
	KUNIT_EXPECT_EQ(test, ev->injected.type, EVENT_NONE);
	KUNIT_EXPECT_FALSE(test, events_pending(vcpu));
	ev->nmi_masked = false;
	vcpu->state.int_shadow = KVM_X86_SHADOW_INT_MOV_SS;
	KUNIT_EXPECT_FALSE(test, events_nmi_allowed(vcpu));
}

/* ---- interrupted deliveries ---- */

static void requeue(struct kunit *test)
{
	static const struct {
		struct event vectoring;
		u8 type;
	} cases[] = {
		{ { .type = EVENT_NONE }, EVENT_NONE },
		{ { .type = EVENT_INTR, .vector = 0x55 }, EVENT_INTR },
		{ { .type = EVENT_NMI, .vector = NMI2 }, EVENT_NMI },
		{ { .type = EVENT_EXCEPTION, .vector = GP_VECTOR }, EVENT_EXCEPTION },
		/* Executed again instead. */
		{ { .type = EVENT_EXCEPTION, .vector = BP_VECTOR }, EVENT_NONE },
		{ { .type = EVENT_EXCEPTION, .vector = OF_VECTOR }, EVENT_NONE },
		{ { .type = EVENT_SOFT_INTR, .vector = 0x80 }, EVENT_NONE },
		{ { .type = EVENT_SOFT_EXC, .vector = BP_VECTOR }, EVENT_NONE },
	};
	struct vcpu *vcpu = cpu_fixture_vcpu(test);
	int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		vcpu->events.injected = (struct event) { .type = EVENT_INTR, .vector = 0x77 };
		vcpu->exit.vectoring = cases[i].vectoring;
		vcpu->exit.kind = VMEXIT_TDP_FAULT;
		events_requeue(vcpu);
		KUNIT_EXPECT_EQ(test, vcpu->events.injected.type, cases[i].type);
		vcpu->exit.kind = VMEXIT_SHUTDOWN;
		events_requeue(vcpu);
		KUNIT_EXPECT_EQ(test, vcpu->events.injected.type, EVENT_NONE);
	}
}

/* An exception comes first; the interrupt that was being delivered is not lost. */
static void exception_puts_interrupt_aside(struct kunit *test)
{
	struct vcpu *vcpu = cpu_fixture_vcpu(test);
	struct vcpu_events *ev = &vcpu->events;

	vcpu->state.rflags |= X86_EFLAGS_IF;
	ev->injected = (struct event) { .type = EVENT_INTR, .vector = 0x66 };
	events_raise_payload(vcpu, AC_VECTOR, true, 0, 0);
	KUNIT_EXPECT_EQ(test, windows(vcpu), WINDOW_IRQ);
	KUNIT_EXPECT_EQ(test, ev->injected.vector, AC_VECTOR);
	ev->injected.type = EVENT_NONE;
	decide(vcpu);
	KUNIT_EXPECT_EQ(test, ev->injected.type, EVENT_INTR);
	KUNIT_EXPECT_EQ(test, ev->injected.vector, 0x66);
	/* So it is with an NMI. */
	ev->injected = (struct event) { .type = EVENT_NMI, .vector = NMI2 };
	ev->nmi_masked = true;
	events_raise_payload(vcpu, AC_VECTOR, true, 0, 0);
	KUNIT_EXPECT_FALSE(test, ev->nmi_masked);
	KUNIT_EXPECT_EQ(test, ev->nmi_pending, 1);
}

/* ---- KVM_GET/SET_VCPU_EVENTS ---- */

static void round_trip(struct kunit *test)
{
	struct cpu_fixture *f = test->priv;
	struct kvm_vcpu_events in = {
		.exception = { .pending = 1, .nr = PF_VECTOR, .has_error_code = 1,
			       .error_code = 2 },
		.exception_has_payload = 1, .exception_payload = 0xabc000,
		.interrupt = { .injected = 1, .nr = 0x31, .shadow = KVM_X86_SHADOW_INT_STI },
		.nmi = { .pending = 1, .masked = 1 },
		.flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW |
			 KVM_VCPUEVENT_VALID_PAYLOAD | KVM_VCPUEVENT_VALID_TRIPLE_FAULT,
		.triple_fault = { .pending = 1 },
	}, out;

	f->vm.policy.exception_payload = true;
	f->vm.policy.triple_fault_event = true;
	KUNIT_ASSERT_EQ(test, events_set(&f->vcpu, &in), 0);
	KUNIT_EXPECT_TRUE(test, test_bit(REQ_TRIPLE_FAULT, &f->vcpu.requests));
	KUNIT_ASSERT_EQ(test, events_get(&f->vcpu, &out), 0);
	KUNIT_EXPECT_EQ(test, memcmp(&in, &out, sizeof(in)), 0);
	in.exception.pending = 0;
	in.exception.injected = 1;
	in.exception_has_payload = 0;
	in.exception_payload = 0;
	in.triple_fault.pending = 0;
	KUNIT_ASSERT_EQ(test, events_set(&f->vcpu, &in), 0);
	KUNIT_ASSERT_EQ(test, events_get(&f->vcpu, &out), 0);
	KUNIT_EXPECT_EQ(test, memcmp(&in, &out, sizeof(in)), 0);
	KUNIT_EXPECT_FALSE(test, test_bit(REQ_TRIPLE_FAULT, &f->vcpu.requests));
}

static void get_without_payload(struct kunit *test)
{
	struct vcpu *vcpu = cpu_fixture_vcpu(test);
	struct kvm_vcpu_events out;

	events_raise_payload(vcpu, PF_VECTOR, true, 4, 0x5000);
	events_get(vcpu, &out);
	KUNIT_EXPECT_EQ(test, out.exception.injected, 1);
	KUNIT_EXPECT_EQ(test, out.exception.pending, 0);
	KUNIT_EXPECT_EQ(test, out.exception.nr, PF_VECTOR);
	KUNIT_EXPECT_EQ(test, out.exception_has_payload, 0);
	KUNIT_EXPECT_EQ(test, vcpu->state.cr2, 0x5000);
	KUNIT_EXPECT_FALSE(test, out.flags & KVM_VCPUEVENT_VALID_PAYLOAD);
}

static void set_invalid(struct kunit *test)
{
	static const struct kvm_vcpu_events bad[] = {
		{ .flags = KVM_VCPUEVENT_VALID_SMM },
		{ .flags = KVM_VCPUEVENT_VALID_PAYLOAD },
		{ .flags = KVM_VCPUEVENT_VALID_TRIPLE_FAULT },
		{ .flags = 0x40 },
		{ .exception = { .injected = 1, .nr = 32 } },
		{ .exception = { .injected = 1, .nr = NMI2 } },
	};
	struct vcpu *vcpu = cpu_fixture_vcpu(test);
	int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		KUNIT_EXPECT_EQ(test, events_set(vcpu, &bad[i]), -EINVAL);
	KUNIT_EXPECT_EQ(test, vcpu->events.injected.type, EVENT_NONE);
}

/* ---- debug registers ---- */

static void debug_registers(struct kunit *test)
{
	struct vcpu *vcpu = cpu_fixture_vcpu(test);
	u64 val;

	KUNIT_EXPECT_EQ(test, dr_write(vcpu, 0, 0x123456789abc), 0);
	KUNIT_EXPECT_FALSE(test, vcpu->debug.switch_db);
	KUNIT_EXPECT_EQ(test, dr_write(vcpu, 7, 0x1), 0);
	KUNIT_EXPECT_TRUE(test, vcpu->debug.switch_db);
	KUNIT_EXPECT_EQ(test, vcpu->debug.db[0], 0x123456789abc);
	/* Without CR4.DE, DR4 and DR5 are DR6 and DR7. */
	KUNIT_EXPECT_EQ(test, dr_read(vcpu, 5, &val), 0);
	KUNIT_EXPECT_EQ(test, val, DR7_ONES | 1);
	KUNIT_EXPECT_EQ(test, dr_write(vcpu, 4, 0xf), 0);
	KUNIT_EXPECT_EQ(test, vcpu->state.dr6, DR6_ONES | 0xf);
	vcpu->state.cr4 = X86_CR4_DE;
	KUNIT_EXPECT_EQ(test, dr_read(vcpu, 4, &val), 1);
	KUNIT_EXPECT_EQ(test, dr_write(vcpu, 5, 0), 1);
	KUNIT_EXPECT_EQ(test, dr_write(vcpu, 6, BIT_ULL(32)), 2);
	KUNIT_EXPECT_EQ(test, dr_write(vcpu, 7, BIT_ULL(63)), 2);
	KUNIT_EXPECT_EQ(test, dr_write(vcpu, 7, 0), 0);
	KUNIT_EXPECT_FALSE(test, vcpu->debug.switch_db);
}

static struct kunit_case events_cases[] = {
	KUNIT_CASE(merge_benign),
	KUNIT_CASE(merge_double_fault),
	KUNIT_CASE(merge_shutdown),
	KUNIT_CASE(watches_tpr),
	KUNIT_CASE(deliver_page_fault),
	KUNIT_CASE(deliver_debug),
	KUNIT_CASE(step_of_branches),
	KUNIT_CASE(deliver_in_real_mode),
	KUNIT_CASE(deliver_in_order),
	KUNIT_CASE(interrupts_wait),
	KUNIT_CASE(interrupt_needs_user_pic),
	KUNIT_CASE(nmis_are_two),
	KUNIT_CASE(requeue),
	KUNIT_CASE(exception_puts_interrupt_aside),
	KUNIT_CASE(round_trip),
	KUNIT_CASE(get_without_payload),
	KUNIT_CASE(set_invalid),
	KUNIT_CASE(debug_registers),
	{}
};

struct kunit_suite events_suite = {
	.name = "vmm_events",
	.init = cpu_fixture_init,
	.test_cases = events_cases,
};
