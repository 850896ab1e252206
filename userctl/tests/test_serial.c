// SPDX-License-Identifier: GPL-2.0
#include "../devices/serial.h"
#include "tap.h"

enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCRATCH };

static struct serial s;
static char sent[64];
static unsigned int sent_len, room_calls, edges;
static bool line;

static void on_irq(void *opaque, unsigned int gsi, bool level)
{
	(void)opaque;
	CHECK_EQ(gsi, 4);
	edges += level;
	line = level;
}

static void on_tx(void *opaque, uint8_t byte)
{
	(void)opaque;
	if (sent_len < sizeof(sent))
		sent[sent_len++] = (char)byte;
}

static void on_room(void *opaque)
{
	(void)opaque;
	room_calls++;
}

static void start(void)
{
	struct irq_line irq = { on_irq, NULL, 4, false };
	struct serial_backend wire = { on_tx, on_room, NULL };

	sent_len = 0;
	room_calls = 0;
	edges = 0;
	line = false;
	serial_init(&s, &irq, &wire);
}

static uint8_t in(unsigned int reg)
{
	return (uint8_t)serial_ops.read(&s, reg, 1);
}

static uint8_t in_bits(unsigned int reg, uint8_t mask)
{
	return mask & in(reg);
}

static void out(unsigned int reg, uint8_t val)
{
	serial_ops.write(&s, reg, val, 1);
}

static size_t receive(const char *text)
{
	return serial_receive(&s, (const uint8_t *)text, strlen(text));
}

static void sends_bytes(void)
{
	start();
	CHECK_EQ(in(LSR), 0x60);
	out(DATA, 'o');
	out(DATA, 'k');
	CHECK_EQ(sent_len, 2);
	CHECK(!memcmp(sent, "ok", 2));
	CHECK_EQ(in(LSR), 0x60);
	CHECK_EQ(edges, 0);
	serial_destroy(&s);
}

static void divisor_latch(void)
{
	start();
	out(LCR, 0x83);
	out(DATA, 0x34);
	out(IER, 0x12);
	CHECK_EQ(in(DATA), 0x34);
	CHECK_EQ(in(IER), 0x12);
	CHECK_EQ(s.divisor, 0x1234);
	out(LCR, 0x03);
	CHECK_EQ(in(IER), 0);
	CHECK_EQ(sent_len, 0);
	serial_destroy(&s);
}

/* What Linux looks for: IER keeps 4 bits, the scratch register works, FIFOs show in IIR. */
static void probes_as_16550a(void)
{
	start();
	out(IER, 0xff);
	CHECK_EQ(in(IER), 0x0f);
	out(IER, 0);
	CHECK_EQ(in(IER), 0);
	out(SCRATCH, 0x5a);
	CHECK_EQ(in(SCRATCH), 0x5a);
	CHECK_EQ(in_bits(IIR, 0xc0), 0);
	out(IIR, 1);
	CHECK_EQ(in(IIR), 0xc1);
	/* A 16750 would show its 64-byte FIFO in bit 5. */
	out(LCR, 0x80);
	out(IIR, 0x21);
	CHECK_EQ(in_bits(IIR, 0x20), 0);
	out(LCR, 0x03);
	out(IIR, 0);
	CHECK_EQ(in(IIR), 0x01);
	serial_destroy(&s);
}

static void loopback(void)
{
	start();
	out(MCR, 0x10 | 0x0a);
	CHECK_EQ(in_bits(MSR, 0xf0), 0x90); /* OUT2 to DCD, RTS to CTS */
	out(MCR, 0x10 | 0x05);
	CHECK_EQ(in_bits(MSR, 0xf0), 0x60); /* OUT1 to RI, DTR to DSR */
	out(DATA, 'x');
	CHECK_EQ(sent_len, 0);
	CHECK_EQ(in_bits(LSR, 1), 1);
	CHECK_EQ(in(DATA), 'x');
	CHECK_EQ(receive("outside"), 0);
	out(MCR, 0x0b);
	CHECK_EQ(in_bits(MSR, 0xf0), 0xb0);
	CHECK_EQ(room_calls, 1);
	serial_destroy(&s);
}

/* Modem status: change bits are set by changes, RI only by its end, and cleared by reading. */
static void modem_changes(void)
{
	start();
	in(MSR);
	CHECK_EQ(in_bits(MSR, 0x0f), 0);
	out(MCR, 0x10 | 0x04);
	CHECK_EQ(in(MSR), 0x4b);
	CHECK_EQ(in(MSR), 0x40);
	out(IER, 0x08);
	out(MCR, 0x10);
	CHECK_EQ(in(IIR), 0x00);
	CHECK_EQ(in(MSR), 0x04);
	CHECK_EQ(in(IIR), 0x01);
	serial_destroy(&s);
}

static void transmit_interrupt(void)
{
	start();
	out(MCR, 0x08);
	out(IER, 0x02);
	CHECK(line);
	CHECK_EQ(in(IIR), 0x02);
	CHECK(!line);
	CHECK_EQ(in(IIR), 0x01);
	out(DATA, 'a');
	CHECK(line);
	CHECK_EQ(in(IIR), 0x02);
	CHECK(!line);
	/* Enabling it again reports the empty transmitter again: Linux tests for that. */
	out(IER, 0);
	out(IER, 0x02);
	CHECK(line);
	CHECK_EQ(edges, 3);
	out(IER, 0);
	CHECK(!line);
	serial_destroy(&s);
}

static void out2_gates_the_line(void)
{
	start();
	out(IER, 0x02);
	CHECK(!line);
	CHECK_EQ(s.irq.level, 0);
	out(MCR, 0x08);
	CHECK(line);
	out(MCR, 0x18);
	CHECK(!line);
	out(MCR, 0);
	CHECK(!line);
	serial_destroy(&s);
}

static void receive_without_fifo(void)
{
	start();
	out(MCR, 0x08);
	out(IER, 0x01);
	CHECK_EQ(receive("ab"), 1);
	CHECK(line);
	CHECK_EQ(in(IIR), 0x04);
	CHECK_EQ(in_bits(LSR, 1), 1);
	CHECK_EQ(in(DATA), 'a');
	CHECK_EQ(room_calls, 1);
	CHECK(!line);
	CHECK_EQ(in_bits(LSR, 1), 0);
	serial_destroy(&s);
}

static void receive_with_fifo(void)
{
	unsigned int i;

	start();
	out(MCR, 0x08);
	out(IIR, 0x81); /* trigger at 8 */
	out(IER, 0x01);
	CHECK_EQ(receive("0123456"), 7);
	CHECK_EQ(in(IIR), 0xcc); /* below the trigger: time-out indication */
	CHECK_EQ(receive("789abcdefghij"), 9);
	CHECK_EQ(in(IIR), 0xc4);
	CHECK_EQ(room_calls, 0);
	for (i = 0; i < 16; i++)
		CHECK_EQ(in(DATA), "0123456789abcdef"[i]);
	CHECK_EQ(room_calls, 1);
	CHECK_EQ(in(IIR), 0xc1);
	CHECK(!line);
	CHECK_EQ(in(DATA), 0);
	serial_destroy(&s);
}

static void fifo_reset(void)
{
	start();
	out(IIR, 0x01);
	CHECK_EQ(receive("0123456789abcdefX"), 16);
	out(IIR, 0x03);
	CHECK_EQ(in_bits(LSR, 1), 0);
	CHECK_EQ(room_calls, 1);
	CHECK_EQ(receive("y"), 1);
	out(IIR, 0x00);
	CHECK_EQ(in_bits(LSR, 1), 0);
	serial_destroy(&s);
}

static void overrun_and_break(void)
{
	unsigned int i;

	start();
	out(MCR, 0x08);
	out(IER, 0x04);
	out(IIR, 0x01);
	out(MCR, 0x18);
	for (i = 0; i < 17; i++)
		out(DATA, (uint8_t)i);
	out(MCR, 0x08);
	CHECK(line);
	CHECK_EQ(in(IIR), 0xc6);
	CHECK_EQ(in_bits(LSR, 0x03), 0x03);
	CHECK_EQ(in_bits(LSR, 0x02), 0);
	CHECK(!line);
	for (i = 0; i < 16; i++)
		CHECK_EQ(in(DATA), i);
	serial_break(&s);
	CHECK(line);
	CHECK_EQ(in_bits(LSR, 0x11), 0x11);
	CHECK_EQ(in(DATA), 0);
	serial_destroy(&s);
}

/* Line status before data before transmitter before modem status. */
static void priorities(void)
{
	start();
	out(IIR, 0x01);
	out(IER, 0x0f);
	out(MCR, 0x10);
	out(MCR, 0x08);
	serial_break(&s);
	CHECK_EQ(in(IIR), 0xc6);
	in(LSR);
	CHECK_EQ(in(IIR), 0xc4);
	in(DATA);
	CHECK_EQ(in(IIR), 0xc2);
	CHECK_EQ(in(IIR), 0xc0);
	in(MSR);
	CHECK_EQ(in(IIR), 0xc1);
	CHECK(!line);
	serial_destroy(&s);
}

TAP_MAIN(TEST(sends_bytes), TEST(divisor_latch), TEST(probes_as_16550a), TEST(loopback),
	 TEST(modem_changes), TEST(transmit_interrupt), TEST(out2_gates_the_line),
	 TEST(receive_without_fifo), TEST(receive_with_fifo), TEST(fifo_reset),
	 TEST(overrun_and_break), TEST(priorities));
