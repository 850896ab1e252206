/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A 16550A serial port that transmits in no time.
 *
 * Bytes that the guest sends leave through @tx at once, so the transmitter is always empty; bytes
 * for the guest enter by serial_receive() as far as there is room, and @room tells when there is
 * room again, so that nothing typed ahead is lost.
 */
#ifndef VMCTL_SERIAL_H
#define VMCTL_SERIAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus.h"
#include "irq.h"

#define SERIAL_PORTS 8
#define SERIAL_FIFO  16

/**
 * struct serial_backend - the other end of the wire
 * @tx: takes one byte from the guest; may block the vCPU (back pressure)
 * @room: the receiver has become able to take bytes; called without locks held
 * @opaque: passed to both
 */
struct serial_backend {
	void (*tx)(void *opaque, uint8_t byte);
	void (*room)(void *opaque);
	void *opaque;
};

/**
 * struct serial - registers of one port; all fields under @lock
 * @lock: guards the rest
 * @irq: the interrupt output, gated by OUT2 as on a PC
 * @backend: the other end
 * @fifo: bytes received and not yet read
 * @head: index of the oldest byte in @fifo
 * @count: bytes in @fifo
 * @thre_pending: "transmitter empty" has yet to be reported by IIR
 * @starved: serial_receive() refused bytes and @backend.room is owed a call
 * @ier: interrupt enable
 * @fcr: FIFO control
 * @lcr: line control
 * @mcr: modem control
 * @lsr_err: error bits of the line status, cleared by reading it
 * @msr: modem status with its change bits
 * @scr: scratch
 * @divisor: baud rate divisor, without effect
 */
struct serial {
	pthread_mutex_t lock;
	struct irq_line irq;
	struct serial_backend backend;
	uint8_t fifo[SERIAL_FIFO];
	unsigned int head, count;
	bool thre_pending;
	bool starved;
	uint8_t ier, fcr, lcr, mcr, lsr_err, msr, scr;
	uint16_t divisor;
};

extern const struct bus_ops serial_ops;

void serial_init(struct serial *s, const struct irq_line *irq,
		 const struct serial_backend *backend);
void serial_destroy(struct serial *s);

/**
 * serial_receive() - bytes arrive for the guest
 * @s: the port
 * @data: bytes
 * @len: how many
 *
 * Return: how many were taken; after fewer than @len, @room will be called.
 */
size_t serial_receive(struct serial *s, const uint8_t *data, size_t len);

/**
 * serial_break() - the line goes to a break condition
 * @s: the port
 *
 * The guest sees a zero byte and the break bit in the line status; Linux takes it for SysRq.
 */
void serial_break(struct serial *s);

#endif
