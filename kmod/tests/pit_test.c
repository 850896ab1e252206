// SPDX-License-Identifier: GPL-2.0
/* The 8254: what a channel shows, latches, read-back, gate, the tick, reinjection. */
#include "irq_fixture.h"
#include "suites.h"

static const struct kvm_pit_config speaker = { .flags = KVM_PIT_SPEAKER_DUMMY };

static struct pit *chip(struct kunit *test)
{
	struct irq_fixture *f = test->priv;

	KUNIT_ASSERT_EQ(test, pit_create(&f->vm, &speaker), 0);
	apics_enable(f);
	return f->vm.irq.pit;
}

/* GSI 0 to the boot processor, vector 0x30, edge. */
static void route_tick(struct irq_fixture *f)
{
	ioapic_reg_write(f->vm.irq.ioapic, 0, 0x10);
	ioapic_reg_write(f->vm.irq.ioapic, 0x10, 0x30);
	pic_port_write(f->vm.irq.pic, 0x21, 0xff);
}

static void load(struct pit *pit, unsigned int nr, u8 mode, u16 count)
{
	pit_port_write(pit, 0x43, nr << 6 | 0x30 | mode << 1);
	pit_port_write(pit, 0x40 + nr, count);
	pit_port_write(pit, 0x40 + nr, count >> 8);
}

static void creates(struct kunit *test)
{
	struct irq_fixture *f = test->priv;
	struct kvm_pit_config bad = { .flags = 2 };
	struct kvm_pit_state2 state;

	KUNIT_EXPECT_EQ(test, pit_get(&f->vm, &state), -ENXIO);
	KUNIT_EXPECT_EQ(test, pit_create(&f->vm, &bad), -EINVAL);
	KUNIT_EXPECT_EQ(test, pit_create(&f->vm, &speaker), 0);
	KUNIT_EXPECT_EQ(test, pit_create(&f->vm, &speaker), -EEXIST);
}

static void counts(struct kunit *test)
{
	static const struct {
		u8 mode, bcd;
		u32 count;
		u64 ticks;
		u16 shows;
		bool out;
	} at[] = {
		{ 0, 0, 100, 0, 100, false }, { 0, 0, 100, 99, 1, false },
		{ 0, 0, 100, 100, 0, true }, { 0, 0, 100, 101, 0xffff, true },
		{ 0, 0, 65536, 0, 0, false }, { 0, 0, 65536, 1, 0xffff, false },
		{ 0, 0, 100, 65536 + 100, 0, true },
		{ 2, 0, 100, 0, 100, true }, { 2, 0, 100, 98, 2, true },
		{ 2, 0, 100, 99, 1, false }, { 2, 0, 100, 100, 100, true },
		{ 2, 0, 1, 7, 1, false },
		{ 3, 0, 100, 0, 100, true }, { 3, 0, 100, 49, 2, true },
		{ 3, 0, 100, 50, 100, false }, { 3, 0, 100, 99, 2, false },
		{ 3, 0, 100, 100, 100, true },
		{ 4, 0, 100, 99, 1, true }, { 4, 0, 100, 100, 0, false },
		{ 4, 0, 100, 101, 0xffff, true },
		{ 0, 1, 1234, 0, 0x1234, false }, { 0, 1, 1234, 35, 0x1199, false },
		{ 0, 1, 1234, 1235, 0x9999, true }, { 2, 1, 10000, 1, 0x9999, true },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(at); i++) {
		struct kvm_pit_channel_state ch = {
			.mode = at[i].mode, .bcd = at[i].bcd, .count = at[i].count,
		};

		KUNIT_EXPECT_EQ_MSG(test, pit_channel_count(&ch, at[i].ticks), at[i].shows,
				    "mode %u, count %u after %llu", at[i].mode, at[i].count,
				    at[i].ticks);
		KUNIT_EXPECT_EQ_MSG(test, pit_channel_out(&ch, at[i].ticks), at[i].out,
				    "mode %u, count %u after %llu", at[i].mode, at[i].count,
				    at[i].ticks);
	}
}

static void loads(struct kunit *test)
{
	struct pit *pit = chip(test);

	load(pit, 2, 0, 0x1234);
	KUNIT_EXPECT_EQ(test, pit->ch[2].count, 0x1234);
	pit_port_write(pit, 0x42, 0x78);	/* half a word is no count */
	KUNIT_EXPECT_EQ(test, pit->ch[2].count, 0x1234);
	pit_port_write(pit, 0x42, 0x56);
	KUNIT_EXPECT_EQ(test, pit->ch[2].count, 0x5678);
	pit_port_write(pit, 0x43, 0x90);	/* channel 2, low byte */
	pit_port_write(pit, 0x42, 0x12);
	KUNIT_EXPECT_EQ(test, pit->ch[2].count, 0x12);
	pit_port_write(pit, 0x43, 0xa0);	/* high byte */
	pit_port_write(pit, 0x42, 0x12);
	KUNIT_EXPECT_EQ(test, pit->ch[2].count, 0x1200);
	load(pit, 2, 0, 0);
	KUNIT_EXPECT_EQ(test, pit->ch[2].count, 65536);
	pit_port_write(pit, 0x43, 0xb1);	/* BCD */
	pit_port_write(pit, 0x42, 0x99);
	pit_port_write(pit, 0x42, 0x12);
	KUNIT_EXPECT_EQ(test, pit->ch[2].count, 1299);
	pit_port_write(pit, 0x42, 0);
	pit_port_write(pit, 0x42, 0);
	KUNIT_EXPECT_EQ(test, pit->ch[2].count, 10000);
}

static void latches(struct kunit *test)
{
	struct pit *pit = chip(test);
	u16 count;

	load(pit, 2, 0, 0);
	pit_port_write(pit, 0x43, 0x80);
	count = pit->ch[2].latched_count;
	pit_port_write(pit, 0x43, 0x80);	/* a second latch is ignored */
	KUNIT_EXPECT_EQ(test, pit_port_read(pit, 0x42), count & 0xff);
	KUNIT_EXPECT_EQ(test, pit_port_read(pit, 0x42), count >> 8);
	KUNIT_EXPECT_EQ(test, pit->ch[2].count_latched, 0);
	/* Read-back of count and status: status comes first. */
	load(pit, 2, 2, 0x100);
	pit_port_write(pit, 0x43, 0xc8);
	count = pit->ch[2].latched_count;
	KUNIT_EXPECT_EQ(test, pit_port_read(pit, 0x42) & 0x3f, 0x34);
	KUNIT_EXPECT_EQ(test, pit_port_read(pit, 0x42), count & 0xff);
	KUNIT_EXPECT_EQ(test, pit_port_read(pit, 0x42), count >> 8);
	pit_port_write(pit, 0x43, 0xe8);	/* status only */
	KUNIT_EXPECT_EQ(test, pit->ch[2].count_latched, 0);
	KUNIT_EXPECT_EQ(test, pit->ch[2].status_latched, 1);
	KUNIT_EXPECT_EQ(test, pit->ch[0].status_latched, 0);
	KUNIT_EXPECT_EQ(test, pit_port_read(pit, 0x43), 0);
}

static void gate_and_speaker(struct kunit *test)
{
	struct irq_fixture *f = test->priv;
	struct pit *pit = chip(test);
	u8 val = 3;

	KUNIT_EXPECT_EQ(test, bus_write(f->vcpu[0], BUS_PIO, 0x61, 1, &val), 0);
	KUNIT_EXPECT_EQ(test, bus_read(f->vcpu[0], BUS_PIO, 0x61, 1, &val), 0);
	KUNIT_EXPECT_EQ(test, val & 3, 3);
	/* Linux waits for this output when it measures the TSC. */
	load(pit, 2, 0, 0xffff);
	/* However late this is. */
	pit->ch[2].count_load_time += 600 * NSEC_PER_SEC;
	KUNIT_EXPECT_EQ(test, pit_port_read(pit, 0x61) & 0x20, 0);
	pit->ch[2].count_load_time -= 601 * NSEC_PER_SEC;
	KUNIT_EXPECT_EQ(test, pit_port_read(pit, 0x61) & 0x20, 0x20);
	/* A rising gate starts mode 1. */
	load(pit, 2, 1, 0xffff);
	pit->ch[2].count_load_time = 0;
	pit_port_write(pit, 0x61, 0);
	KUNIT_EXPECT_EQ(test, pit->ch[2].count_load_time, 0ll);
	pit_port_write(pit, 0x61, 1);
	KUNIT_EXPECT_GT(test, pit->ch[2].count_load_time, 0ll);
}

static void ticks(struct kunit *test)
{
	struct irq_fixture *f = test->priv;
	struct pit *pit = chip(test);
	struct vcpu *vcpu = f->vcpu[0];
	int i;

	route_tick(f);
	load(pit, 0, 2, 1);	/* a storm is asked for */
	KUNIT_EXPECT_EQ(test, pit->period_ns, 200000ull);
	for (i = 0; i < 3; i++) {
		KUNIT_ASSERT_EQ(test, irq_wait_pending(vcpu), 0x30);
		irq_acknowledge(vcpu);
		lapic_eoi(vcpu->apic);
	}
	load(pit, 0, 1, 100);	/* waits for a gate that never rises */
	while (irq_acknowledge(vcpu) >= 0)	/* what the storm has left */
		lapic_eoi(vcpu->apic);
	load(pit, 0, 0, 100);
	KUNIT_EXPECT_EQ(test, pit->period_ns, 0ull);
	KUNIT_EXPECT_EQ(test, irq_wait_pending(vcpu), 0x30);
	irq_acknowledge(vcpu);
	lapic_eoi(vcpu->apic);
	KUNIT_EXPECT_FALSE(test, hrtimer_active(&pit->timer));
	load(pit, 0, 1, 100);	/* waits for a gate that never rises */
	KUNIT_EXPECT_FALSE(test, hrtimer_active(&pit->timer));
}

static void reinjects(struct kunit *test)
{
	struct kvm_reinject_control off = {}, on = { .pit_reinject = 1 };
	struct irq_fixture *f = test->priv;
	struct pit *pit = chip(test);
	struct vcpu *vcpu = f->vcpu[0];
	int i;

	route_tick(f);
	atomic_set(&pit->missed, 3);
	irq_set_gsi(&f->vm, 0, IRQ_SOURCE_PIT, true);
	irq_set_gsi(&f->vm, 0, IRQ_SOURCE_PIT, false);
	for (i = 0; i < 4; i++) {
		KUNIT_EXPECT_EQ(test, irq_acknowledge(vcpu), 0x30);
		lapic_eoi(vcpu->apic);
	}
	KUNIT_EXPECT_EQ(test, irq_acknowledge(vcpu), -1);
	KUNIT_EXPECT_EQ(test, atomic_read(&pit->missed), 0);
	/* Masked and unmasked: the old ticks are worth nothing. */
	atomic_set(&pit->missed, 3);
	ioapic_reg_write(f->vm.irq.ioapic, 0x10, RTE_MASKED | 0x30);
	KUNIT_EXPECT_EQ(test, atomic_read(&pit->missed), 3);
	ioapic_reg_write(f->vm.irq.ioapic, 0x10, 0x30);
	KUNIT_EXPECT_EQ(test, atomic_read(&pit->missed), 0);
	atomic_set(&pit->missed, 3);
	KUNIT_EXPECT_EQ(test, pit_reinject(&f->vm, &off), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&pit->missed), 0);
	KUNIT_EXPECT_FALSE(test, pit->reinject);
	KUNIT_EXPECT_EQ(test, pit_reinject(&f->vm, &on), 0);
	KUNIT_EXPECT_TRUE(test, pit->reinject);
}

/* Through the PIC: its EOI counts as well. */
static void reinjects_by_pic(struct kunit *test)
{
	struct irq_fixture *f = test->priv;
	struct pit *pit = chip(test);
	struct pic *pic = f->vm.irq.pic;

	pic_port_write(pic, 0x20, 0x11);
	pic_port_write(pic, 0x21, 0x20);
	pic_port_write(pic, 0x21, 4);
	pic_port_write(pic, 0x21, 1);
	atomic_set(&pit->missed, 1);
	irq_set_gsi(&f->vm, 0, IRQ_SOURCE_PIT, true);
	irq_set_gsi(&f->vm, 0, IRQ_SOURCE_PIT, false);
	KUNIT_EXPECT_EQ(test, pic_acknowledge(pic), 0x20);
	KUNIT_EXPECT_EQ(test, pic_acknowledge(pic), -1);
	pic_port_write(pic, 0x20, 0x20);
	KUNIT_EXPECT_EQ(test, pic_acknowledge(pic), 0x20);
	pic_port_write(pic, 0x20, 0x20);
	KUNIT_EXPECT_EQ(test, pic_acknowledge(pic), -1);
}

static void state(struct kunit *test)
{
	struct irq_fixture *f = test->priv;
	struct pit *pit = chip(test);
	struct kvm_pit_state2 *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, s);
	load(pit, 0, 2, 0x1234);
	pit_port_write(pit, 0x61, 2);
	KUNIT_EXPECT_EQ(test, pit_get(&f->vm, s), 0);
	KUNIT_EXPECT_EQ(test, s->channels[0].count, 0x1234);
	KUNIT_EXPECT_EQ(test, s->channels[0].mode, 2);
	KUNIT_EXPECT_EQ(test, s->flags, KVM_PIT_FLAGS_SPEAKER_DATA_ON);
	KUNIT_EXPECT_TRUE(test, hrtimer_active(&pit->timer));
	s->flags = KVM_PIT_FLAGS_HPET_LEGACY;
	KUNIT_EXPECT_EQ(test, pit_set(&f->vm, s), 0);
	KUNIT_EXPECT_FALSE(test, hrtimer_active(&pit->timer));
	load(pit, 0, 2, 0x1234);	/* stays off: IRQ 0 is the HPET's */
	KUNIT_EXPECT_FALSE(test, hrtimer_active(&pit->timer));
	memset(s, 0xff, sizeof(*s));
	s->flags = 0;
	KUNIT_EXPECT_EQ(test, pit_set(&f->vm, s), 0);
	KUNIT_EXPECT_EQ(test, pit->ch[1].count, 10000);
	KUNIT_EXPECT_LE(test, pit->ch[1].mode, 5);
	pit_port_read(pit, 0x41);
	pit_port_write(pit, 0x41, 1);
	memset(s, 0, sizeof(*s));	/* a count of 0 would be divided by */
	s->channels[2].mode = 3;
	KUNIT_EXPECT_EQ(test, pit_set(&f->vm, s), 0);
	KUNIT_EXPECT_EQ(test, pit->ch[2].count, 65536);
	pit_port_read(pit, 0x42);
	pit_release(pit);
	load(pit, 0, 2, 0x1234);	/* a guest that outlives the VM file */
	KUNIT_EXPECT_FALSE(test, hrtimer_active(&pit->timer));
}

static struct kunit_case pit_cases[] = {
	KUNIT_CASE(creates),
	KUNIT_CASE(counts),
	KUNIT_CASE(loads),
	KUNIT_CASE(latches),
	KUNIT_CASE(gate_and_speaker),
	KUNIT_CASE(ticks),
	KUNIT_CASE(reinjects),
	KUNIT_CASE(reinjects_by_pic),
	KUNIT_CASE(state),
	{}
};

struct kunit_suite pit_suite = {
	.name = "vmm-pit",
	.init = irq_fixture_init,
	.exit = irq_fixture_exit,
	.test_cases = pit_cases,
};
