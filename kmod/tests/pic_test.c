// SPDX-License-Identifier: GPL-2.0
/* The 8259A pair: initialization, priorities, EOI forms, cascade, ELCR, the wire to LINT0. */
#include "irq_fixture.h"
#include "suites.h"

#define USER	IRQ_SOURCE_USER

static void init_half(struct pic *pic, u16 port, u8 base, u8 icw4)
{
	pic_port_write(pic, port, 0x11);
	pic_port_write(pic, port + 1, base);
	pic_port_write(pic, port + 1, port == 0x20 ? 4 : 2);
	pic_port_write(pic, port + 1, icw4);
}

static struct pic *chip(struct kunit *test)
{
	struct irq_fixture *f = test->priv;
	struct pic *pic = f->vm.irq.pic;

	init_half(pic, 0x20, 0x20, 1);
	init_half(pic, 0xa0, 0x28, 1);
	return pic;
}

static void pulse(struct pic *pic, unsigned int pin)
{
	pic_set_pin(pic, pin, USER, true);
	pic_set_pin(pic, pin, USER, false);
}

static void initializes(struct kunit *test)
{
	struct pic *pic = chip(test);

	KUNIT_EXPECT_EQ(test, pic_port_read(pic, 0x21), 0);
	pic_port_write(pic, 0x21, 0xa5);
	KUNIT_EXPECT_EQ(test, pic_port_read(pic, 0x21), 0xa5);
	pulse(pic, 1);
	init_half(pic, 0x20, 0x40, 1);	/* takes mask and latched edges away */
	KUNIT_EXPECT_EQ(test, pic_port_read(pic, 0x21), 0);
	KUNIT_EXPECT_EQ(test, pic_acknowledge(pic), -1);
	pulse(pic, 1);
	KUNIT_EXPECT_EQ(test, pic_acknowledge(pic), 0x41);
}

static void priorities(struct kunit *test)
{
	struct pic *pic = chip(test);

	pulse(pic, 5);
	pulse(pic, 3);
	KUNIT_EXPECT_EQ(test, pic_port_read(pic, 0x20), 0x28);	/* IRR */
	KUNIT_EXPECT_EQ(test, pic_acknowledge(pic), 0x23);
	KUNIT_EXPECT_FALSE(test, pic->output);			/* 5 waits for 3 */
	pulse(pic, 1);
	KUNIT_EXPECT_EQ(test, pic_acknowledge(pic), 0x21);
	pic_port_write(pic, 0x20, 0x0b);
	KUNIT_EXPECT_EQ(test, pic_port_read(pic, 0x20), 0x0a);	/* ISR */
	pic_port_write(pic, 0x20, 0x20);			/* ends 1 */
	KUNIT_EXPECT_EQ(test, pic_port_read(pic, 0x20), 0x08);
	pic_port_write(pic, 0x20, 0x60 | 3);			/* ends 3 */
	KUNIT_EXPECT_EQ(test, pic_acknowledge(pic), 0x25);
}

static void coalesces_and_masks(struct kunit *test)
{
	struct pic *pic = chip(test);

	KUNIT_EXPECT_EQ(test, pic_set_pin(pic, 4, USER, true), 1);
	KUNIT_EXPECT_EQ(test, pic_set_pin(pic, 4, USER, true), 0);
	KUNIT_EXPECT_EQ(test, pic_set_pin(pic, 4, USER, false), 1);
	KUNIT_EXPECT_EQ(test, pic_set_pin(pic, 4, USER, true), 0);	/* not taken yet */
	pic_port_write(pic, 0x21, BIT(4));
	KUNIT_EXPECT_EQ(test, pic_acknowledge(pic), -1);
	pic_set_pin(pic, 4, USER, false);
	KUNIT_EXPECT_EQ(test, pic_set_pin(pic, 4, USER, true), -1);
	pic_port_write(pic, 0x21, 0);
	KUNIT_EXPECT_EQ(test, pic_acknowledge(pic), 0x24);
}

static void cascade(struct kunit *test)
{
	struct pic *pic = chip(test);

	pulse(pic, 12);
	pulse(pic, 8);
	pulse(pic, 3);
	KUNIT_EXPECT_EQ(test, pic_acknowledge(pic), 0x28);	/* 8 stands above 3 */
	pic_port_write(pic, 0xa0, 0x20);
	KUNIT_EXPECT_EQ(test, pic_acknowledge(pic), -1);	/* the master still serves 2 */
	pic_port_write(pic, 0x20, 0x20);
	KUNIT_EXPECT_EQ(test, pic_acknowledge(pic), 0x2c);
	pic_port_write(pic, 0xa0, 0x20);
	pic_port_write(pic, 0x20, 0x20);
	KUNIT_EXPECT_EQ(test, pic_acknowledge(pic), 0x23);
}

static void special_fully_nested(struct kunit *test)
{
	struct pic *pic = chip(test);

	init_half(pic, 0x20, 0x20, 0x11);
	pulse(pic, 12);
	KUNIT_EXPECT_EQ(test, pic_acknowledge(pic), 0x2c);
	pulse(pic, 14);
	KUNIT_EXPECT_EQ(test, pic_acknowledge(pic), -1);
	pulse(pic, 9);		/* higher, on the same slave */
	KUNIT_EXPECT_EQ(test, pic_acknowledge(pic), 0x29);
}

static void levels(struct kunit *test)
{
	struct pic *pic = chip(test);

	pic_port_write(pic, 0x4d0, 0xff);
	pic_port_write(pic, 0x4d1, 0xff);
	KUNIT_EXPECT_EQ(test, pic_port_read(pic, 0x4d0), 0xf8);
	KUNIT_EXPECT_EQ(test, pic_port_read(pic, 0x4d1), 0xde);
	pic_set_pin(pic, 10, USER, true);
	pic_set_pin(pic, 10, IRQ_SOURCE_RESAMPLE, true);
	KUNIT_EXPECT_EQ(test, pic_acknowledge(pic), 0x2a);
	pic_set_pin(pic, 10, USER, false);
	pic_port_write(pic, 0xa0, 0x20);
	pic_port_write(pic, 0x20, 0x20);
	KUNIT_EXPECT_EQ(test, pic_acknowledge(pic), 0x2a);	/* the other source holds it */
	pic_set_pin(pic, 10, IRQ_SOURCE_RESAMPLE, false);
	pic_port_write(pic, 0xa0, 0x20);
	pic_port_write(pic, 0x20, 0x20);
	KUNIT_EXPECT_EQ(test, pic_acknowledge(pic), -1);
}

static void automatic_eoi_and_rotation(struct kunit *test)
{
	struct pic *pic = chip(test);

	init_half(pic, 0x20, 0x20, 3);
	pic_port_write(pic, 0x20, 0x80);	/* rotate in automatic EOI mode */
	pulse(pic, 1);
	pulse(pic, 5);
	KUNIT_EXPECT_EQ(test, pic_acknowledge(pic), 0x21);
	pulse(pic, 1);				/* now the lowest */
	KUNIT_EXPECT_EQ(test, pic_acknowledge(pic), 0x25);
	KUNIT_EXPECT_EQ(test, pic_acknowledge(pic), 0x21);
	pic_port_write(pic, 0x20, 0x0b);
	KUNIT_EXPECT_EQ(test, pic_port_read(pic, 0x20), 0);
	init_half(pic, 0x20, 0x20, 1);
	pic_port_write(pic, 0x20, 0xc0 | 4);	/* 5 is the highest */
	pulse(pic, 0);
	pulse(pic, 6);
	KUNIT_EXPECT_EQ(test, pic_acknowledge(pic), 0x26);
	pic_port_write(pic, 0x20, 0xa0);	/* EOI, and 6 the lowest */
	pulse(pic, 6);
	KUNIT_EXPECT_EQ(test, pic_acknowledge(pic), 0x20);
}

static void special_mask(struct kunit *test)
{
	struct pic *pic = chip(test);

	pulse(pic, 3);
	KUNIT_EXPECT_EQ(test, pic_acknowledge(pic), 0x23);
	pulse(pic, 6);
	KUNIT_EXPECT_EQ(test, pic_acknowledge(pic), -1);
	pic_port_write(pic, 0x21, BIT(3));
	pic_port_write(pic, 0x20, 0x68);
	KUNIT_EXPECT_EQ(test, pic_acknowledge(pic), 0x26);
	pic_port_write(pic, 0x20, 0x20);	/* ends 6, not the masked 3 */
	pic_port_write(pic, 0x20, 0x0b);
	KUNIT_EXPECT_EQ(test, pic_port_read(pic, 0x20), BIT(3));
}

static void polls(struct kunit *test)
{
	struct pic *pic = chip(test);

	pic_port_write(pic, 0x20, 0x0c);
	KUNIT_EXPECT_EQ(test, pic_port_read(pic, 0x20) & 0x80, 0);
	pulse(pic, 7);
	pic_port_write(pic, 0x20, 0x0c);
	KUNIT_EXPECT_EQ(test, pic_port_read(pic, 0x20), 0x87);
	pic_port_write(pic, 0x20, 0x0b);
	KUNIT_EXPECT_EQ(test, pic_port_read(pic, 0x20), 0x80);	/* it is in service */
}

static void wire_to_lint0(struct kunit *test)
{
	struct irq_fixture *f = test->priv;
	struct pic *pic = chip(test);
	struct vcpu *vcpu = f->vcpu[0];

	vcpu->requests = 0;
	pulse(pic, 0);
	KUNIT_EXPECT_TRUE(test, test_bit(REQ_EVENT, &vcpu->requests));
	KUNIT_EXPECT_TRUE(test, irq_pending(vcpu));
	KUNIT_EXPECT_FALSE(test, irq_pending(f->vcpu[1]));
	apics_enable(f);
	apic_write_reg(vcpu, APIC_LVT0, APIC_LVT_MASKED | APIC_DM_EXTINT);
	KUNIT_EXPECT_FALSE(test, irq_pending(vcpu));
	apic_write_reg(f->vcpu[1], APIC_LVT0, APIC_DM_EXTINT);
	KUNIT_EXPECT_TRUE(test, irq_pending(f->vcpu[1]));
	KUNIT_EXPECT_EQ(test, irq_acknowledge(f->vcpu[1]), 0x20);
	KUNIT_EXPECT_FALSE(test, irq_pending(f->vcpu[1]));
	KUNIT_EXPECT_EQ(test, apic_read_reg(f->vcpu[1], APIC_PROCPRI), 0);	/* not the APIC's */
	/* LINT0 in NMI mode: the timer of an NMI watchdog. */
	pic_port_write(pic, 0x20, 0x20);
	apic_write_reg(f->vcpu[1], APIC_LVT0, APIC_DM_NMI);
	pulse(pic, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&f->vcpu[1]->events.nmi_queued), 1);
	/* Without an APIC LINT0 is the boot processor's INTR pin. */
	KUNIT_EXPECT_EQ(test, lapic_base_set(vcpu, APIC_PAGE, false), 0);
	KUNIT_EXPECT_EQ(test, irq_acknowledge(vcpu), 0x20);
}

static void ports(struct kunit *test)
{
	static const u16 port[] = { 0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1 };
	struct irq_fixture *f = test->priv;
	unsigned int i;
	u32 val;

	chip(test);
	for (i = 0; i < ARRAY_SIZE(port); i++)
		KUNIT_EXPECT_EQ(test, bus_read(f->vcpu[0], BUS_PIO, port[i], 1, &val), 0);
	KUNIT_EXPECT_EQ(test, bus_read(f->vcpu[0], BUS_PIO, 0x22, 1, &val), -EOPNOTSUPP);
	val = 0x5a5a;
	KUNIT_EXPECT_EQ(test, bus_write(f->vcpu[0], BUS_PIO, 0x21, 1, &val), 0);
	KUNIT_EXPECT_EQ(test, bus_read(f->vcpu[0], BUS_PIO, 0x21, 1, &val), 0);
	KUNIT_EXPECT_EQ(test, val & 0xff, 0x5a);
}

static void hostile_state(struct kunit *test)
{
	struct irq_fixture *f = test->priv;
	struct kvm_irqchip *state = kunit_kzalloc(test, sizeof(*state), GFP_KERNEL);
	struct pic *pic = chip(test);
	u32 half;

	KUNIT_ASSERT_NOT_NULL(test, state);
	for (half = 0; half < 2; half++) {
		state->chip_id = half;
		memset(&state->chip.pic, 0xff, sizeof(state->chip.pic));
		KUNIT_EXPECT_EQ(test, irqchip_state(&f->vm, state, true), 0);
		KUNIT_EXPECT_EQ(test, irqchip_state(&f->vm, state, false), 0);
		KUNIT_EXPECT_EQ(test, state->chip.pic.elcr_mask, half ? 0xde : 0xf8);
		KUNIT_EXPECT_EQ(test, state->chip.pic.elcr, half ? 0xde : 0xf8);
		KUNIT_EXPECT_EQ(test, state->chip.pic.priority_add, 7);
		KUNIT_EXPECT_EQ(test, state->chip.pic.irq_base, 0xf8);
	}
	KUNIT_EXPECT_EQ(test, pic_acknowledge(pic), -1);	/* all masked */
	chip(test);
	pulse(pic, 1);
	KUNIT_EXPECT_EQ(test, pic_acknowledge(pic), 0x21);
}

static struct kunit_case pic_cases[] = {
	KUNIT_CASE(initializes),
	KUNIT_CASE(priorities),
	KUNIT_CASE(coalesces_and_masks),
	KUNIT_CASE(cascade),
	KUNIT_CASE(special_fully_nested),
	KUNIT_CASE(levels),
	KUNIT_CASE(automatic_eoi_and_rotation),
	KUNIT_CASE(special_mask),
	KUNIT_CASE(polls),
	KUNIT_CASE(wire_to_lint0),
	KUNIT_CASE(ports),
	KUNIT_CASE(hostile_state),
	{}
};

struct kunit_suite pic_suite = {
	.name = "vmm-pic",
	.init = irq_fixture_init,
	.exit = irq_fixture_exit,
	.test_cases = pic_cases,
};
