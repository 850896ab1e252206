// SPDX-License-Identifier: GPL-2.0
/* Commands: IBM PS/2 Hardware Interface Technical Reference, keyboard and auxiliary controller. */
#include "i8042.h"

#include <string.h>

#define STATUS_OUT_FULL 0x01
#define STATUS_SYSTEM   0x04
#define STATUS_UNLOCKED 0x10
#define STATUS_AUX      0x20

#define CMD_READ_CONFIG  0x20
#define CMD_WRITE_CONFIG 0x60
#define CMD_DISABLE_AUX  0xa7
#define CMD_ENABLE_AUX   0xa8
#define CMD_TEST_AUX     0xa9
#define CMD_SELF_TEST    0xaa
#define CMD_TEST_KBD     0xab
#define CMD_DISABLE_KBD  0xad
#define CMD_ENABLE_KBD   0xae
#define CMD_READ_OUTPUT  0xd0
#define CMD_WRITE_OUTPUT 0xd1
#define CMD_LOOP_KBD     0xd2
#define CMD_LOOP_AUX     0xd3
#define CMD_WRITE_AUX    0xd4
#define CMD_PULSE        0xf0

#define CONFIG_KBD_OFF 0x10
#define CONFIG_AUX_OFF 0x20
#define CONFIG_SYSTEM  0x04

#define OUTPUT_RUN 0x01 /* zero resets the machine */
#define OUTPUT_A20 0x02

#define SELF_TEST_PASSED    0x55
#define PORT_TEST_CLOCK_LOW 0x01 /* what a port with nothing attached reports */
#define DEVICE_TIMEOUT      0xfe

static void answer(struct i8042 *kbd, uint8_t byte, bool aux)
{
	kbd->out = byte;
	kbd->out_full = true;
	kbd->out_aux = aux;
}

/* Returns whether the guest asks for a reset. */
static bool command(struct i8042 *kbd, uint8_t cmd)
{
	/* Commands 0xf0 to 0xff pulse the output lines whose bit is zero; line 0 is reset. */
	if (cmd >= CMD_PULSE)
		return !(cmd & OUTPUT_RUN);

	kbd->command = 0;
	switch (cmd) {
	case CMD_READ_CONFIG:
		answer(kbd, kbd->config, false);
		break;
	case CMD_SELF_TEST:
		kbd->config |= CONFIG_SYSTEM;
		answer(kbd, SELF_TEST_PASSED, false);
		break;
	case CMD_TEST_KBD:
	case CMD_TEST_AUX:
		answer(kbd, PORT_TEST_CLOCK_LOW, false);
		break;
	case CMD_DISABLE_AUX:
		kbd->config |= CONFIG_AUX_OFF;
		break;
	case CMD_ENABLE_AUX:
		kbd->config &= (uint8_t)~CONFIG_AUX_OFF;
		break;
	case CMD_DISABLE_KBD:
		kbd->config |= CONFIG_KBD_OFF;
		break;
	case CMD_ENABLE_KBD:
		kbd->config &= (uint8_t)~CONFIG_KBD_OFF;
		break;
	case CMD_READ_OUTPUT:
		answer(kbd, OUTPUT_RUN | OUTPUT_A20, false);
		break;
	case CMD_WRITE_CONFIG:
	case CMD_WRITE_OUTPUT:
	case CMD_LOOP_KBD:
	case CMD_LOOP_AUX:
	case CMD_WRITE_AUX:
		kbd->command = cmd;
		break;
	default:
		break;
	}
	return false;
}

/* A byte for the data port. Returns whether the guest asks for a reset. */
static bool data(struct i8042 *kbd, uint8_t byte)
{
	uint8_t cmd = kbd->command;

	kbd->command = 0;
	switch (cmd) {
	case CMD_WRITE_CONFIG:
		kbd->config = byte;
		break;
	case CMD_WRITE_OUTPUT:
		return !(byte & OUTPUT_RUN);
	case CMD_LOOP_KBD:
		answer(kbd, byte, false);
		break;
	case CMD_LOOP_AUX:
		answer(kbd, byte, true);
		break;
	case CMD_WRITE_AUX:
		answer(kbd, DEVICE_TIMEOUT, true);
		break;
	default:
		answer(kbd, DEVICE_TIMEOUT, false);
		break;
	}
	return false;
}

static uint64_t data_read(void *dev, uint64_t off, unsigned int size)
{
	struct i8042 *kbd = dev;
	uint8_t val;

	(void)off;
	(void)size;
	pthread_mutex_lock(&kbd->lock);
	val = kbd->out;
	kbd->out_full = false;
	kbd->out_aux = false;
	pthread_mutex_unlock(&kbd->lock);
	return val;
}

static void data_write(void *dev, uint64_t off, uint64_t val, unsigned int size)
{
	struct i8042 *kbd = dev;
	bool reset;

	(void)off;
	(void)size;
	pthread_mutex_lock(&kbd->lock);
	reset = data(kbd, (uint8_t)val);
	pthread_mutex_unlock(&kbd->lock);
	if (reset)
		kbd->reset(kbd->opaque);
}

static uint64_t status_read(void *dev, uint64_t off, unsigned int size)
{
	struct i8042 *kbd = dev;
	uint8_t val = STATUS_UNLOCKED;

	(void)off;
	(void)size;
	pthread_mutex_lock(&kbd->lock);
	if (kbd->config & CONFIG_SYSTEM)
		val |= STATUS_SYSTEM;
	if (kbd->out_full)
		val |= STATUS_OUT_FULL;
	if (kbd->out_aux)
		val |= STATUS_AUX;
	pthread_mutex_unlock(&kbd->lock);
	return val;
}

static void command_write(void *dev, uint64_t off, uint64_t val, unsigned int size)
{
	struct i8042 *kbd = dev;
	bool reset;

	(void)off;
	(void)size;
	pthread_mutex_lock(&kbd->lock);
	reset = command(kbd, (uint8_t)val);
	pthread_mutex_unlock(&kbd->lock);
	if (reset)
		kbd->reset(kbd->opaque);
}

const struct bus_ops i8042_data_ops = {
	.read = data_read,
	.write = data_write,
	.width = 1,
};

const struct bus_ops i8042_command_ops = {
	.read = status_read,
	.write = command_write,
	.width = 1,
};

void i8042_init(struct i8042 *kbd, void (*reset)(void *opaque), void *opaque)
{
	memset(kbd, 0, sizeof(*kbd));
	pthread_mutex_init(&kbd->lock, NULL);
	kbd->reset = reset;
	kbd->opaque = opaque;
	kbd->config = CONFIG_SYSTEM;
}

void i8042_destroy(struct i8042 *kbd)
{
	pthread_mutex_destroy(&kbd->lock);
}
