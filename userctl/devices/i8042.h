/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The keyboard controller of a PC without keyboard and mouse, for what guests need of it: the
 * reset pulse, the A20 gate (always open), and answers to a probe, so that it ends quickly.
 */
#ifndef VMCTL_I8042_H
#define VMCTL_I8042_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "bus.h"

#define I8042_DATA_PORT    0x60
#define I8042_COMMAND_PORT 0x64

/**
 * struct i8042 - the controller; all fields under @lock
 * @lock: guards the rest
 * @reset: called when the guest pulses the reset line
 * @opaque: passed to @reset
 * @out: the answer waiting in the output buffer
 * @out_full: there is one
 * @out_aux: it came from the auxiliary port
 * @command: command whose data byte is awaited, 0 for none
 * @config: configuration byte
 */
struct i8042 {
	pthread_mutex_t lock;
	void (*reset)(void *opaque);
	void *opaque;
	uint8_t out;
	bool out_full;
	bool out_aux;
	uint8_t command;
	uint8_t config;
};

extern const struct bus_ops i8042_data_ops;
extern const struct bus_ops i8042_command_ops;

void i8042_init(struct i8042 *kbd, void (*reset)(void *opaque), void *opaque);
void i8042_destroy(struct i8042 *kbd);

#endif
