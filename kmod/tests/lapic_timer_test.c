// SPDX-License-Identifier: GPL-2.0
/* The local APIC's timer: one shot, periodic, deadlines of the host and of the processor. */
#include "irq_fixture.h"
#include "suites.h"

static void divides(struct kunit *test)
{
	static const u32 by[][2] = {
		{ APIC_TDR_DIV_1, 1 }, { APIC_TDR_DIV_2, 2 }, { APIC_TDR_DIV_4, 4 },
		{ APIC_TDR_DIV_8, 8 }, { APIC_TDR_DIV_16, 16 }, { APIC_TDR_DIV_32, 32 },
		{ APIC_TDR_DIV_64, 64 }, { APIC_TDR_DIV_128, 128 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(by); i++)
		KUNIT_EXPECT_EQ(test, lapic_timer_divisor(by[i][0]), by[i][1]);
}

static void one_shot(struct kunit *test)
{
	struct vcpu *vcpu = boot(test);
	u32 count;

	apic_write_reg(vcpu, APIC_TDCR, APIC_TDR_DIV_16);
	apic_write_reg(vcpu, APIC_LVTT, 0x40);
	apic_write_reg(vcpu, APIC_TMICT, ~0u);
	count = apic_read_reg(vcpu, APIC_TMCCT);
	KUNIT_EXPECT_GT(test, count, 0u);
	KUNIT_EXPECT_LE(test, apic_read_reg(vcpu, APIC_TMCCT), count);
	apic_write_reg(vcpu, APIC_TMICT, 0);
	KUNIT_EXPECT_EQ(test, apic_read_reg(vcpu, APIC_TMCCT), 0);
	KUNIT_EXPECT_EQ(test, lapic_pending(vcpu), -1);
	apic_write_reg(vcpu, APIC_TMICT, 1000);
	KUNIT_EXPECT_EQ(test, irq_wait_pending(vcpu), 0x40);
	KUNIT_EXPECT_EQ(test, apic_read_reg(vcpu, APIC_TMCCT), 0);
	KUNIT_EXPECT_EQ(test, apic_read_reg(vcpu, APIC_TMICT), 1000);
}

static void periodic(struct kunit *test)
{
	struct vcpu *vcpu = boot(test);
	ktime_t start = ktime_get();
	int i;

	apic_write_reg(vcpu, APIC_TDCR, APIC_TDR_DIV_1);
	apic_write_reg(vcpu, APIC_LVTT, APIC_LVT_TIMER_PERIODIC | 0x40);
	apic_write_reg(vcpu, APIC_TMICT, 1);	/* a storm is asked for */
	for (i = 0; i < 5; i++) {
		KUNIT_ASSERT_EQ(test, irq_wait_pending(vcpu), 0x40);
		irq_acknowledge(vcpu);
		apic_write_reg(vcpu, APIC_EOI, 0);
	}
	KUNIT_EXPECT_GE(test, ktime_us_delta(ktime_get(), start), 4 * 200LL);
	KUNIT_EXPECT_EQ(test, vcpu->apic->period_ns, 200000ull);
	/* To one shot: what is left runs out once. */
	apic_write_reg(vcpu, APIC_LVTT, 0x41);
	KUNIT_EXPECT_FALSE(test, vcpu->apic->periodic);
	apic_write_reg(vcpu, APIC_TMICT, 0);
	KUNIT_EXPECT_EQ(test, hrtimer_active(&vcpu->apic->timer) && vcpu->apic->expires, false);
}

/* When the host's TSC is where the guest's deadline is. */
static void host_deadline(struct kunit *test)
{
	struct irq_fixture *f = test->priv;
	struct vcpu *vcpu = f->vcpu[0];
	u64 now, at;

	vcpu->tsc.offset = -12345;
	now = rdtsc();
	KUNIT_EXPECT_EQ(test, tsc_host_deadline(vcpu, now + BIT_ULL(40) - 12345),
			now + BIT_ULL(40));
	KUNIT_EXPECT_GE(test, tsc_host_deadline(vcpu, 0), now);
	KUNIT_EXPECT_EQ(test, tsc_host_deadline(vcpu, U64_MAX - 20000), U64_MAX - 20000 + 12345);
	/* A guest that is four times as fast is there in a quarter of the time. */
	backend_caps.tsc_ratio_frac_bits = 48;
	vcpu->tsc.ratio = 4ull << 48;
	at = tsc_host_deadline(vcpu, tsc_guest(vcpu, now) + BIT_ULL(42));
	KUNIT_EXPECT_GE(test, at, now + BIT_ULL(40) - 4);
	KUNIT_EXPECT_LE(test, at, now + BIT_ULL(40) + 4);
	/* So slow a guest that it never is. */
	vcpu->tsc.offset = 0;
	vcpu->tsc.ratio = 1;
	KUNIT_EXPECT_EQ(test, tsc_host_deadline(vcpu, BIT_ULL(40)), U64_MAX);
	KUNIT_EXPECT_EQ(test, tsc_host_deadline(vcpu, U64_MAX), U64_MAX);
}

/* The processor watches the deadline until the vCPU waits, or it has passed. */
static void processor_deadline(struct kunit *test)
{
	struct irq_fixture *f = test->priv;
	struct vcpu *vcpu = f->vcpu[0];
	u64 far;

	apics_enable(f);
	backend_caps.deadline = true;
	apic_write_reg(vcpu, APIC_LVTT, APIC_LVT_TIMER_TSCDEADLINE | 0x55);
	far = tsc_read(vcpu) + (u64)tsc_khz * 100000;
	/* A guest with MWAIT may stop the processor's timer. */
	lapic_tsc_deadline_set(vcpu, far);
	KUNIT_EXPECT_EQ(test, vcpu->tsc.deadline, 0ull);
	KUNIT_EXPECT_NE(test, vcpu->apic->expires, 0);
	vcpu->policy.mwait = true;
	lapic_tsc_deadline_set(vcpu, far);
	KUNIT_EXPECT_NE(test, vcpu->tsc.deadline, 0ull);
	KUNIT_EXPECT_EQ(test, vcpu->apic->expires, 0);
	KUNIT_EXPECT_EQ(test, lapic_tsc_deadline_get(vcpu), far);
	lapic_timer_exit(vcpu);
	KUNIT_EXPECT_EQ(test, lapic_pending(vcpu), -1);
	lapic_timer_leave(vcpu);
	KUNIT_EXPECT_EQ(test, vcpu->tsc.deadline, 0ull);
	KUNIT_EXPECT_NE(test, vcpu->apic->expires, 0);
	KUNIT_EXPECT_EQ(test, lapic_tsc_deadline_get(vcpu), far);
	lapic_tsc_deadline_set(vcpu, tsc_read(vcpu) + 1000);
	KUNIT_EXPECT_EQ(test, vcpu->apic->expires, 0);
	while (lapic_tsc_deadline_get(vcpu))
		cpu_relax();
	KUNIT_EXPECT_EQ(test, lapic_pending(vcpu), 0x55);
	KUNIT_EXPECT_EQ(test, vcpu->tsc.deadline, 0ull);
	/* Another mode forgets it. */
	lapic_tsc_deadline_set(vcpu, far);
	apic_write_reg(vcpu, APIC_LVTT, 0x55);
	KUNIT_EXPECT_EQ(test, vcpu->tsc.deadline, 0ull);
}

/* A deadline that passes between KVM_GET_LAPIC and KVM_SET_LAPIC: the IRR of before has it not. */
static void deadline_before_set(struct kunit *test)
{
	struct kvm_lapic_state *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);
	struct irq_fixture *f = test->priv;
	struct vcpu *vcpu = f->vcpu[0];

	KUNIT_ASSERT_NOT_NULL(test, s);
	apics_enable(f);
	backend_caps.deadline = true;
	vcpu->policy.mwait = true;
	apic_write_reg(vcpu, APIC_LVTT, APIC_LVT_TIMER_TSCDEADLINE | 0x55);
	KUNIT_EXPECT_EQ(test, lapic_get_state(vcpu, s), 0);
	lapic_tsc_deadline_set(vcpu, tsc_read(vcpu) + (u64)tsc_khz * 100000);
	KUNIT_EXPECT_NE(test, vcpu->tsc.deadline, 0ull);
	vcpu->apic->deadline = 1;
	vcpu->tsc.deadline = 1;
	KUNIT_EXPECT_EQ(test, lapic_set_state(vcpu, s), 0);
	KUNIT_EXPECT_EQ(test, lapic_pending(vcpu), 0x55);
	KUNIT_EXPECT_EQ(test, vcpu->tsc.deadline, 0ull);
}

/* A count that is over, though the host's timer is late: the state has the interrupt, once. */
static void late_timer(struct kunit *test)
{
	struct kvm_lapic_state *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);
	struct vcpu *vcpu = boot(test);

	KUNIT_ASSERT_NOT_NULL(test, s);
	apic_write_reg(vcpu, APIC_LVTT, 0x40);
	apic_write_reg(vcpu, APIC_TDCR, 0xa);	/* by 128: nine minutes */
	apic_write_reg(vcpu, APIC_TMICT, ~0u);
	KUNIT_EXPECT_EQ(test, lapic_get_state(vcpu, s), 0);
	KUNIT_EXPECT_FALSE(test, s->regs[APIC_IRR + 2 * 0x10] & 1);
	KUNIT_ASSERT_NE(test, vcpu->apic->expires, 0ll);
	WRITE_ONCE(vcpu->apic->expires, ktime_get());
	KUNIT_EXPECT_EQ(test, lapic_get_state(vcpu, s), 0);
	KUNIT_EXPECT_TRUE(test, s->regs[APIC_IRR + 2 * 0x10] & 1);
	irq_acknowledge(vcpu);
	apic_write_reg(vcpu, APIC_EOI, 0);
	/* The callback finds nothing to do, nor does the next look. */
	KUNIT_EXPECT_EQ(test, vcpu->apic->expires, 0ll);
	KUNIT_EXPECT_EQ(test, lapic_get_state(vcpu, s), 0);
	KUNIT_EXPECT_EQ(test, lapic_pending(vcpu), -1);
}

static void tsc_deadline(struct kunit *test)
{
	struct vcpu *vcpu = boot(test);
	u64 now;

	lapic_tsc_deadline_set(vcpu, 1);	/* not in this mode */
	KUNIT_EXPECT_EQ(test, lapic_pending(vcpu), -1);
	KUNIT_EXPECT_EQ(test, lapic_tsc_deadline_get(vcpu), 0ull);
	apic_write_reg(vcpu, APIC_LVTT, APIC_LVT_TIMER_TSCDEADLINE | 0x40);
	apic_write_reg(vcpu, APIC_TMICT, 1000);
	KUNIT_EXPECT_EQ(test, apic_read_reg(vcpu, APIC_TMICT), 0);
	lapic_tsc_deadline_set(vcpu, 1);
	KUNIT_EXPECT_EQ(test, lapic_pending(vcpu), 0x40);
	KUNIT_EXPECT_EQ(test, lapic_tsc_deadline_get(vcpu), 0ull);
	irq_acknowledge(vcpu);
	apic_write_reg(vcpu, APIC_EOI, 0);
	lapic_tsc_deadline_set(vcpu, ~0ull);
	KUNIT_EXPECT_EQ(test, lapic_tsc_deadline_get(vcpu), ~0ull);
	lapic_tsc_deadline_set(vcpu, 0);
	KUNIT_EXPECT_EQ(test, lapic_tsc_deadline_get(vcpu), 0ull);
	now = rdtsc();
	lapic_tsc_deadline_set(vcpu, now + tsc_khz);
	KUNIT_EXPECT_EQ(test, irq_wait_pending(vcpu), 0x40);
	KUNIT_EXPECT_GE(test, rdtsc(), now + tsc_khz / 2);
	KUNIT_EXPECT_EQ(test, lapic_tsc_deadline_get(vcpu), 0ull);
	lapic_tsc_deadline_set(vcpu, ~0ull);
	apic_write_reg(vcpu, APIC_LVTT, 0x40);	/* leaving the mode disarms */
	KUNIT_EXPECT_EQ(test, vcpu->apic->expires, 0ll);
}

static void masked_timer(struct kunit *test)
{
	struct vcpu *vcpu = boot(test);

	apic_write_reg(vcpu, APIC_LVTT, APIC_LVT_TIMER_TSCDEADLINE | APIC_LVT_MASKED | 0x40);
	lapic_tsc_deadline_set(vcpu, 1);
	KUNIT_EXPECT_EQ(test, lapic_pending(vcpu), -1);
	KUNIT_EXPECT_EQ(test, lapic_tsc_deadline_get(vcpu), 0ull);
}

static struct kunit_case lapic_timer_cases[] = {
	KUNIT_CASE(divides),
	KUNIT_CASE(one_shot),
	KUNIT_CASE(periodic),
	KUNIT_CASE(host_deadline),
	KUNIT_CASE(deadline_before_set),
	KUNIT_CASE(late_timer),
	KUNIT_CASE(processor_deadline),
	KUNIT_CASE(tsc_deadline),
	KUNIT_CASE(masked_timer),
	{}
};

struct kunit_suite lapic_timer_suite = {
	.name = "vmm-lapic-timer",
	.init = irq_fixture_init,
	.exit = irq_fixture_exit,
	.test_cases = lapic_timer_cases,
};
