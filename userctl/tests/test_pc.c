// SPDX-License-Identifier: GPL-2.0
/* The keyboard controller and ACPI's registers. */
#include "../devices/acpi_pm.h"
#include "../devices/i8042.h"
#include "tap.h"

static unsigned int resets, power_offs;
static bool sci;

static void on_reset(void *opaque)
{
	(void)opaque;
	resets++;
}

static void on_power_off(void *opaque)
{
	(void)opaque;
	power_offs++;
}

static void on_irq(void *opaque, unsigned int gsi, bool level)
{
	(void)opaque;
	CHECK_EQ(gsi, ACPI_SCI_IRQ);
	sci = level;
}

static struct i8042 kbd;
static struct acpi_pm pm;

static void start(void)
{
	struct irq_line line = { on_irq, NULL, ACPI_SCI_IRQ, false };
	struct acpi_pm_events events = { on_power_off, on_reset, NULL };

	resets = 0;
	power_offs = 0;
	sci = false;
	i8042_init(&kbd, on_reset, NULL);
	acpi_pm_init(&pm, &line, &events);
}

static void stop(void)
{
	i8042_destroy(&kbd);
	acpi_pm_destroy(&pm);
}

static void kbd_command(uint8_t cmd)
{
	i8042_command_ops.write(&kbd, 0, cmd, 1);
}

static uint8_t kbd_status(void)
{
	return (uint8_t)i8042_command_ops.read(&kbd, 0, 1);
}

static uint8_t kbd_data(void)
{
	return (uint8_t)i8042_data_ops.read(&kbd, 0, 1);
}

static void kbd_write(uint8_t val)
{
	i8042_data_ops.write(&kbd, 0, val, 1);
}

static void keyboard_controller_probe(void)
{
	start();
	CHECK_EQ(kbd_status() & 0x03, 0);
	kbd_command(0xaa);
	CHECK_EQ(kbd_status() & 1, 1);
	CHECK_EQ(kbd_data(), 0x55);
	CHECK_EQ(kbd_status() & 1, 0);
	kbd_command(0x60);
	kbd_write(0x47);
	kbd_command(0x20);
	CHECK_EQ(kbd_data(), 0x47);
	kbd_command(0xd3);
	kbd_write(0x5a);
	CHECK_EQ(kbd_status() & 0x21, 0x21);
	CHECK_EQ(kbd_data(), 0x5a);
	kbd_write(0xff); /* nobody answers at the keyboard port */
	CHECK_EQ(kbd_data(), 0xfe);
	CHECK_EQ(resets, 0);
	stop();
}

static void keyboard_controller_reset(void)
{
	start();
	kbd_command(0xff);
	kbd_command(0xf1);
	CHECK_EQ(resets, 0);
	kbd_command(0xfe);
	CHECK_EQ(resets, 1);
	kbd_command(0xf0);
	CHECK_EQ(resets, 2);
	kbd_command(0xd1);
	kbd_write(0xdf);
	CHECK_EQ(resets, 2);
	kbd_command(0xd1);
	kbd_write(0xde);
	CHECK_EQ(resets, 3);
	stop();
}

static void reset_registers(void)
{
	start();
	reset_ops.write(&pm, 0, 0x02, 1);
	CHECK_EQ(resets, 0);
	reset_ops.write(&pm, 0, RESET_VALUE, 1);
	CHECK_EQ(resets, 1);
	reset_ops.write(&pm, 0, RESET_VALUE, 1); /* no new edge */
	CHECK_EQ(resets, 1);
	reset_ops.write(&pm, 0, 0, 1);
	CHECK_EQ(reset_ops.read(&pm, 0, 1), 0);
	fast_reset_ops.write(&pm, 0, 0x02, 1);
	CHECK_EQ(resets, 1);
	fast_reset_ops.write(&pm, 0, 0x03, 1);
	CHECK_EQ(resets, 2);
	CHECK_EQ(fast_reset_ops.read(&pm, 0, 1), 0x02);
	stop();
}

static void power_off_by_s5_only(void)
{
	unsigned int type;

	start();
	for (type = 0; type < 8; type++) {
		acpi_pm_ops.write(&pm, 4, type << 10, 2);
		CHECK_EQ(power_offs, type > ACPI_S5_TYPE);
		acpi_pm_ops.write(&pm, 4, type << 10 | 0x2000, 2);
		CHECK_EQ(power_offs, type >= ACPI_S5_TYPE);
	}
	/* SCI_EN stays, SLP_EN reads as zero. */
	CHECK_EQ(acpi_pm_ops.read(&pm, 4, 2), 7 << 10 | 1);
	stop();
}

/* Linux writes the two halves of the register in two steps in some paths. */
static void power_off_bytewise(void)
{
	start();
	acpi_pm_ops.write(&pm, 5, ACPI_S5_TYPE << 2 | 0x20, 1);
	CHECK_EQ(power_offs, 1);
	stop();
}

static void power_button(void)
{
	start();
	acpi_pm_power_button(&pm);
	CHECK(!sci);
	CHECK_EQ(acpi_pm_ops.read(&pm, 0, 2), 0x100);
	acpi_pm_ops.write(&pm, 2, 0x120, 2);
	CHECK(sci);
	CHECK_EQ(acpi_pm_ops.read(&pm, 0, 4), 0x01200100);
	acpi_pm_ops.write(&pm, 0, 0x001, 2);
	CHECK(sci);
	acpi_pm_ops.write(&pm, 0, 0x100, 2);
	CHECK(!sci);
	CHECK_EQ(acpi_pm_ops.read(&pm, 0, 2), 0);
	acpi_pm_power_button(&pm);
	CHECK(sci);
	acpi_pm_ops.write(&pm, 2, 0, 2);
	CHECK(!sci);
	stop();
}

/* A general-purpose event is one's as the button is: known, enabled, acknowledged. */
static void events(void)
{
	start();
	acpi_pm_event(&pm, ACPI_GPE_PCI);
	CHECK(!sci);
	CHECK_EQ(acpi_pm_ops.read(&pm, 12, 2), 1 << ACPI_GPE_PCI);
	acpi_pm_ops.write(&pm, 13, 1 << ACPI_GPE_PCI, 1);
	CHECK(sci);
	/* The button beside it. */
	acpi_pm_power_button(&pm);
	acpi_pm_ops.write(&pm, 2, 0x100, 2);
	acpi_pm_ops.write(&pm, 12, 0xff & ~(1 << ACPI_GPE_PCI), 1);
	CHECK_EQ(acpi_pm_ops.read(&pm, 12, 1), 1 << ACPI_GPE_PCI);
	acpi_pm_ops.write(&pm, 12, 1 << ACPI_GPE_PCI, 1);
	CHECK_EQ(acpi_pm_ops.read(&pm, 12, 4), 1 << ACPI_GPE_PCI << 8);
	CHECK(sci);
	acpi_pm_ops.write(&pm, 0, 0x100, 2);
	CHECK(!sci);
	acpi_pm_event(&pm, 7);
	CHECK(!sci);
	acpi_pm_event(&pm, ACPI_GPE_PCI);
	CHECK(sci);
	acpi_pm_ops.write(&pm, 12, 0, 4);
	CHECK(!sci);
	stop();
}

static void timer_rate(void)
{
	unsigned int tries;
	uint32_t a, b;

	CHECK_EQ(acpi_pm_ticks(0), 0);
	CHECK_EQ(acpi_pm_ticks(1000000000), 3579545);
	CHECK_EQ(acpi_pm_ticks(500000000), 1789772);
	/* 2^64 ns is 584 years; the product with the rate must not overflow on the way. */
	CHECK_EQ(acpi_pm_ticks(4000000000ULL * 1000000000), (uint32_t)(4000000000ULL * 3579545));
	start();
	/* It counts, and not by seconds; but this process may have to wait for one. */
	for (tries = 0; tries < 10; tries++) {
		a = (uint32_t)acpi_pm_ops.read(&pm, 8, 4);
		do {
			b = (uint32_t)acpi_pm_ops.read(&pm, 8, 4);
		} while (a == b);
		if (b - a < 3579545)
			break;
	}
	CHECK(tries < 10);
	acpi_pm_ops.write(&pm, 8, 0, 4);
	stop();
}

TAP_MAIN(TEST(keyboard_controller_probe), TEST(keyboard_controller_reset), TEST(reset_registers),
	 TEST(power_off_by_s5_only), TEST(power_off_bytewise), TEST(power_button), TEST(events),
	 TEST(timer_rate));
