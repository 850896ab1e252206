// SPDX-License-Identifier: GPL-2.0
/*
 * Posted interrupts (SDM vol. 3C, 30.6): the descriptor, and who is told of what is in it. No
 * emulated host has a processor that collects them; what it finds and is told is seen here.
 */
#include "irq_fixture.h"
#include "suites.h"

static void post(struct vcpu *vcpu, u8 vector)
{
	struct irq_msg msg = { .dest = vcpu->id, .vector = vector };

	irq_deliver(vcpu->vm, NULL, &msg);
}

static struct {
	int count, cpu;
} notified;

static void note_post_irqs(struct vcpu *vcpu, int cpu)
{
	notified.count++;
	notified.cpu = cpu;
}

/* As the processor finds the descriptor: 256 vectors, then ON. */
static bool posted_bit(struct vcpu *vcpu, unsigned int bit)
{
	return ((u8 *)lapic_posted(vcpu))[bit / 8] & BIT(bit % 8);
}

static void until_collected(struct kunit *test)
{
	struct vcpu *vcpu = boot(test);

	post(vcpu, 0x41);
	post(vcpu, 0xf0);
	KUNIT_EXPECT_TRUE(test, posted_bit(vcpu, 0x41));
	KUNIT_EXPECT_TRUE(test, posted_bit(vcpu, 0xf0));
	KUNIT_EXPECT_TRUE(test, posted_bit(vcpu, 256));
	KUNIT_EXPECT_FALSE(test, lapic_test(vcpu->apic, APIC_IRR, 0xf0));
	KUNIT_EXPECT_EQ(test, lapic_pending(vcpu), 0xf0);
	KUNIT_EXPECT_TRUE(test, lapic_test(vcpu->apic, APIC_IRR, 0x41));
	KUNIT_EXPECT_TRUE(test, lapic_test(vcpu->apic, APIC_IRR, 0xf0));
	KUNIT_EXPECT_NULL(test, memchr_inv(lapic_posted(vcpu), 0, sizeof(struct posted_irqs)));
	/* What is in IRR stays when more comes in. */
	post(vcpu, 0x31);
	KUNIT_EXPECT_EQ(test, irq_acknowledge(vcpu), 0xf0);
	KUNIT_EXPECT_TRUE(test, lapic_test(vcpu->apic, APIC_IRR, 0x31));
	KUNIT_EXPECT_TRUE(test, lapic_test(vcpu->apic, APIC_IRR, 0x41));
}

/* Vectors without ON are somebody's who has not set it yet: it follows, and is not lost. */
static void on_comes_last(struct kunit *test)
{
	struct vcpu *vcpu = boot(test);
	struct posted_irqs *posted = lapic_posted(vcpu);

	set_bit(0x41, posted->vectors);
	KUNIT_EXPECT_EQ(test, lapic_pending(vcpu), -1);
	KUNIT_EXPECT_TRUE(test, posted_bit(vcpu, 0x41));
	set_bit(POSTED_ON, &posted->control);
	KUNIT_EXPECT_EQ(test, lapic_pending(vcpu), 0x41);
}

static const struct {
	const char *what;
	bool processor;		/* it collects by itself */
	int mode;
	bool here;		/* the vCPU is on this processor */
	bool level;		/* which turns the trigger mode */
	bool posted, kicked;
} notices[] = {
	{ "in the guest", true, VCPU_IN_GUEST, false, false, true, false },
	{ "in the guest, from its own processor", true, VCPU_IN_GUEST, true, false, false, false },
	{ "outside", true, VCPU_OUTSIDE_GUEST, false, false, false, false },
	{ "about to leave", true, VCPU_EXITING_GUEST, false, false, false, false },
	{ "another trigger mode", true, VCPU_IN_GUEST, false, true, false, true },
	{ "by software", false, VCPU_IN_GUEST, false, false, false, true },
	{ "by software, outside", false, VCPU_OUTSIDE_GUEST, false, false, false, false },
};

/* How a vCPU hears of what was posted; once, until it is collected. */
static void notice(struct kunit *test, struct vcpu *vcpu, unsigned int i)
{
	struct irq_msg msg = { .dest = vcpu->id, .vector = 0x41, .level = notices[i].level };
	int me;

	backend_caps.posted_irqs = notices[i].processor;
	notified.count = 0;
	vcpu->requests = 0;
	me = get_cpu();
	vcpu->cpu = notices[i].here ? me : !me;
	vcpu->mode = notices[i].mode;
	irq_deliver(vcpu->vm, NULL, &msg);
	KUNIT_EXPECT_EQ_MSG(test, notified.count, notices[i].posted, "%s", notices[i].what);
	if (notices[i].posted)
		KUNIT_EXPECT_EQ(test, notified.cpu, vcpu->cpu);
	KUNIT_EXPECT_EQ_MSG(test, vcpu->mode,
			    notices[i].kicked ? VCPU_EXITING_GUEST : notices[i].mode,
			    "%s", notices[i].what);
	KUNIT_EXPECT_TRUE(test, test_bit(REQ_EVENT, &vcpu->requests));
	vcpu->mode = notices[i].mode;
	msg.vector = 0x51;
	msg.level = false;
	irq_deliver(vcpu->vm, NULL, &msg);
	KUNIT_EXPECT_EQ_MSG(test, notified.count, notices[i].posted, "%s, again",
			    notices[i].what);
	KUNIT_EXPECT_EQ_MSG(test, vcpu->mode, notices[i].mode, "%s, again", notices[i].what);
	put_cpu();
	vcpu->mode = VCPU_OUTSIDE_GUEST;
	KUNIT_EXPECT_EQ(test, irq_acknowledge(vcpu), 0x51);
	apic_write_reg(vcpu, APIC_EOI, 0);
	KUNIT_EXPECT_EQ(test, irq_acknowledge(vcpu), 0x41);
	apic_write_reg(vcpu, APIC_EOI, 0);
	/* Back to edges. */
	clear_bit(0x41 % 32, lapic_word(vcpu->apic, APIC_TMR, 0x41));
}

static void all_notices(struct kunit *test)
{
	void (*real)(struct vcpu *vcpu, int cpu) = static_call_query(backend_post_irqs);
	struct vcpu *vcpu = boot(test);
	unsigned int i;

	static_call_update(backend_post_irqs, note_post_irqs);
	for (i = 0; i < ARRAY_SIZE(notices); i++)
		notice(test, vcpu, i);
	static_call_update(backend_post_irqs, real);
}

/*
 * Whoever posts has set ON and not told yet: a processor that delivers by itself, and will find
 * nothing in the descriptor, learns it from the entry.
 */
static void collected_before_told(struct kunit *test)
{
	struct vcpu *vcpu = boot(test);
	struct posted_irqs *posted = lapic_posted(vcpu);
	struct kvm_lapic_state *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, s);
	vcpu->policy.apic = APIC_VIRTUAL_XAPIC;
	set_bit(0x41, posted->vectors);
	set_bit(POSTED_ON, &posted->control);
	vcpu->requests = 0;
	lapic_get_state(vcpu, s);
	KUNIT_EXPECT_TRUE(test, lapic_test(vcpu->apic, APIC_IRR, 0x41));
	KUNIT_EXPECT_TRUE(test, test_bit(REQ_EVENT, &vcpu->requests));
	/* Nothing new: nothing to tell. */
	vcpu->requests = 0;
	lapic_get_state(vcpu, s);
	KUNIT_EXPECT_FALSE(test, test_bit(REQ_EVENT, &vcpu->requests));
	/* Too low to be taken now. */
	apic_write_reg(vcpu, APIC_TASKPRI, 0x60);
	set_bit(0x51, posted->vectors);
	set_bit(POSTED_ON, &posted->control);
	vcpu->requests = 0;
	KUNIT_EXPECT_EQ(test, lapic_pending(vcpu), -1);
	KUNIT_EXPECT_TRUE(test, test_bit(REQ_EVENT, &vcpu->requests));
	vcpu->policy.apic = APIC_VIRTUAL_NONE;
}

static struct kunit_case posted_cases[] = {
	KUNIT_CASE(until_collected),
	KUNIT_CASE(on_comes_last),
	KUNIT_CASE(all_notices),
	KUNIT_CASE(collected_before_told),
	{}
};

struct kunit_suite posted_suite = {
	.name = "vmm-posted",
	.init = irq_fixture_init,
	.exit = irq_fixture_exit,
	.test_cases = posted_cases,
};
