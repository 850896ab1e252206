// SPDX-License-Identifier: GPL-2.0
/* Register names and bits: National Semiconductor PC16550D data sheet, section 8. */
#include "serial.h"

#include <string.h>

enum { RBR_THR = 0, IER = 1, IIR_FCR = 2, LCR = 3, MCR = 4, LSR = 5, MSR = 6, SCR = 7 };

#define IER_RDA  0x01
#define IER_THRE 0x02
#define IER_RLS  0x04
#define IER_MS   0x08

#define IIR_MS      0x00
#define IIR_NONE    0x01
#define IIR_THRE    0x02
#define IIR_RDA     0x04
#define IIR_RLS     0x06
#define IIR_TIMEOUT 0x0c
#define IIR_FIFO    0xc0

#define FCR_ENABLE   0x01
#define FCR_CLEAR_RX 0x02
#define FCR_TRIGGER  0xc0

#define LCR_DLAB 0x80

#define MCR_DTR  0x01
#define MCR_RTS  0x02
#define MCR_OUT1 0x04
#define MCR_OUT2 0x08
#define MCR_LOOP 0x10

#define LSR_DR     0x01
#define LSR_OE     0x02
#define LSR_BI     0x10
#define LSR_THRE   0x20
#define LSR_TEMT   0x40
#define LSR_ERRORS 0x1e

#define MSR_DELTA 0x0f
#define MSR_TERI  0x04
#define MSR_CTS   0x10
#define MSR_DSR   0x20
#define MSR_RI    0x40
#define MSR_DCD   0x80

static unsigned int fifo_depth(const struct serial *s)
{
	return s->fcr & FCR_ENABLE ? SERIAL_FIFO : 1;
}

static unsigned int fifo_trigger(const struct serial *s)
{
	static const uint8_t level[] = { 1, 4, 8, 14 };

	return s->fcr & FCR_ENABLE ? level[(s->fcr & FCR_TRIGGER) >> 6] : 1;
}

static void fifo_push(struct serial *s, uint8_t byte)
{
	if (s->count == fifo_depth(s)) {
		s->lsr_err |= LSR_OE;
		/* Without a FIFO the register is overwritten; a full FIFO keeps its bytes. */
		if (s->fcr & FCR_ENABLE)
			return;
		s->count = 0;
	}
	s->fifo[(s->head + s->count) % SERIAL_FIFO] = byte;
	s->count++;
}

/* The highest pending cause, in the order of the data sheet's table of priorities. */
static uint8_t pending_cause(const struct serial *s)
{
	if ((s->ier & IER_RLS) && (s->lsr_err & LSR_ERRORS))
		return IIR_RLS;
	if ((s->ier & IER_RDA) && s->count)
		return s->count >= fifo_trigger(s) ? IIR_RDA : IIR_TIMEOUT;
	if ((s->ier & IER_THRE) && s->thre_pending)
		return IIR_THRE;
	if ((s->ier & IER_MS) && (s->msr & MSR_DELTA))
		return IIR_MS;
	return IIR_NONE;
}

/* In loopback the OUT2 pin is inactive, which disconnects the interrupt on a PC. */
static void update_irq(struct serial *s)
{
	bool connected = (s->mcr & (MCR_OUT2 | MCR_LOOP)) == MCR_OUT2;

	irq_drive(&s->irq, connected && pending_cause(s) != IIR_NONE);
}

static void set_modem_lines(struct serial *s, uint8_t lines)
{
	uint8_t changed = (s->msr ^ lines) & 0xf0;
	uint8_t delta = (changed >> 4) & (uint8_t)~MSR_TERI;

	/* The ring indicator reports its trailing edge only. */
	if ((changed & MSR_RI) && !(lines & MSR_RI))
		delta |= MSR_TERI;
	s->msr = lines | (s->msr & MSR_DELTA) | delta;
}

static void write_mcr(struct serial *s, uint8_t val)
{
	uint8_t lines = MSR_CTS | MSR_DSR | MSR_DCD;

	s->mcr = val & 0x1f;
	if (s->mcr & MCR_LOOP) {
		lines = (s->mcr & MCR_RTS ? MSR_CTS : 0) | (s->mcr & MCR_DTR ? MSR_DSR : 0) |
			(s->mcr & MCR_OUT1 ? MSR_RI : 0) | (s->mcr & MCR_OUT2 ? MSR_DCD : 0);
	}
	set_modem_lines(s, lines);
}

static void write_fcr(struct serial *s, uint8_t val)
{
	/* Switching the FIFOs on or off empties them. */
	if ((val ^ s->fcr) & FCR_ENABLE)
		val |= FCR_CLEAR_RX;
	if (val & FCR_CLEAR_RX)
		s->count = 0;
	s->fcr = val & FCR_ENABLE ? val & (FCR_ENABLE | FCR_TRIGGER) : 0;
}

static void write_ier(struct serial *s, uint8_t val)
{
	/* Enabling the cause while the transmitter is empty (always, here) reports it anew. */
	if ((val & IER_THRE) && !(s->ier & IER_THRE))
		s->thre_pending = true;
	s->ier = val & 0x0f;
}

static uint8_t read_iir(struct serial *s)
{
	uint8_t cause = pending_cause(s);

	if (cause == IIR_THRE)
		s->thre_pending = false;
	return cause | (s->fcr & FCR_ENABLE ? IIR_FIFO : 0);
}

static uint8_t read_rbr(struct serial *s)
{
	uint8_t byte;

	if (!s->count)
		return 0;
	byte = s->fifo[s->head];
	s->head = (s->head + 1) % SERIAL_FIFO;
	s->count--;
	return byte;
}

static uint8_t read_lsr(struct serial *s)
{
	uint8_t val = LSR_THRE | LSR_TEMT | s->lsr_err | (s->count ? LSR_DR : 0);

	s->lsr_err = 0;
	return val;
}

static uint8_t read_register(struct serial *s, unsigned int reg)
{
	uint8_t val;

	switch (reg) {
	case RBR_THR:
		return s->lcr & LCR_DLAB ? s->divisor & 0xff : read_rbr(s);
	case IER:
		return s->lcr & LCR_DLAB ? s->divisor >> 8 : s->ier;
	case IIR_FCR:
		return read_iir(s);
	case LCR:
		return s->lcr;
	case MCR:
		return s->mcr;
	case LSR:
		return read_lsr(s);
	case MSR:
		val = s->msr;
		s->msr &= (uint8_t)~MSR_DELTA;
		return val;
	default:
		return s->scr;
	}
}

static bool room_owed(struct serial *s)
{
	bool owed = s->starved && !(s->mcr & MCR_LOOP) && s->count < fifo_depth(s);

	if (owed)
		s->starved = false;
	return owed;
}

static uint64_t serial_read(void *dev, uint64_t off, unsigned int size)
{
	struct serial *s = dev;
	uint8_t val;
	bool owed;

	(void)size;
	pthread_mutex_lock(&s->lock);
	val = read_register(s, (unsigned int)off);
	update_irq(s);
	owed = room_owed(s);
	pthread_mutex_unlock(&s->lock);
	if (owed)
		s->backend.room(s->backend.opaque);
	return val;
}

/* Returns whether @val is to be sent down the wire. */
static bool write_register(struct serial *s, unsigned int reg, uint8_t val)
{
	switch (reg) {
	case RBR_THR:
		if (s->lcr & LCR_DLAB) {
			s->divisor = (s->divisor & 0xff00) | val;
			return false;
		}
		s->thre_pending = true;
		if (s->mcr & MCR_LOOP)
			fifo_push(s, val);
		return !(s->mcr & MCR_LOOP);
	case IER:
		if (s->lcr & LCR_DLAB)
			s->divisor = (s->divisor & 0x00ff) | (uint16_t)(val << 8);
		else
			write_ier(s, val);
		return false;
	case IIR_FCR:
		write_fcr(s, val);
		return false;
	case LCR:
		s->lcr = val;
		return false;
	case MCR:
		write_mcr(s, val);
		return false;
	case SCR:
		s->scr = val;
		return false;
	default:
		/* LSR and MSR are for reading; writes are factory tests. */
		return false;
	}
}

static void serial_write(void *dev, uint64_t off, uint64_t val, unsigned int size)
{
	struct serial *s = dev;
	bool send, owed;

	(void)size;
	pthread_mutex_lock(&s->lock);
	send = write_register(s, (unsigned int)off, (uint8_t)val);
	update_irq(s);
	owed = room_owed(s);
	pthread_mutex_unlock(&s->lock);
	/* Outside the lock: a slow terminal must not stop the receiving side. */
	if (send)
		s->backend.tx(s->backend.opaque, (uint8_t)val);
	if (owed)
		s->backend.room(s->backend.opaque);
}

const struct bus_ops serial_ops = {
	.read = serial_read,
	.write = serial_write,
	.width = 1,
};

size_t serial_receive(struct serial *s, const uint8_t *data, size_t len)
{
	size_t n = 0;

	pthread_mutex_lock(&s->lock);
	if (!(s->mcr & MCR_LOOP)) {
		for (; n < len && s->count < fifo_depth(s); n++)
			fifo_push(s, data[n]);
	}
	s->starved = n < len;
	update_irq(s);
	pthread_mutex_unlock(&s->lock);
	return n;
}

void serial_break(struct serial *s)
{
	pthread_mutex_lock(&s->lock);
	if (!(s->mcr & MCR_LOOP)) {
		fifo_push(s, 0);
		s->lsr_err |= LSR_BI;
	}
	update_irq(s);
	pthread_mutex_unlock(&s->lock);
}

void serial_init(struct serial *s, const struct irq_line *irq, const struct serial_backend *backend)
{
	memset(s, 0, sizeof(*s));
	pthread_mutex_init(&s->lock, NULL);
	s->irq = *irq;
	s->backend = *backend;
	s->divisor = 12; /* 9600 baud */
	s->lcr = 3;
	s->msr = MSR_CTS | MSR_DSR | MSR_DCD;
}

void serial_destroy(struct serial *s)
{
	pthread_mutex_destroy(&s->lock);
}
