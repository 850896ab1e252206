/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The guest's console on this process's standard input and output.
 *
 * Output goes through a ring that a thread of its own writes out, so that a slow terminal slows
 * the guest down (when the ring is full) but never the event loop. Input is read by the event
 * loop; on a terminal the escape key is filtered out of it.
 */
#ifndef VMCTL_CONSOLE_H
#define VMCTL_CONSOLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop.h"

#define ESCAPE_KEY    0x1d /* Ctrl-] */
#define CONSOLE_RING  65536
#define CONSOLE_INPUT 4096

enum escape_action {
	ESCAPE_PASS, /* the byte is the guest's */
	ESCAPE_EAT,  /* the byte began an escape sequence */
	ESCAPE_QUIT,
	ESCAPE_POWER,
	ESCAPE_RESET,
	ESCAPE_BREAK,
	ESCAPE_NMI,
	ESCAPE_HELP,
};

/**
 * escape_filter() - what does a typed byte mean?
 * @pending: the byte before was the escape key; updated
 * @byte: what was typed
 */
enum escape_action escape_filter(bool *pending, uint8_t byte);

/**
 * struct console_ops - what the console asks of the machine; called in the event loop
 * @input: bytes for the guest; returns how many it took
 * @action: an escape sequence was typed
 * @opaque: passed to both
 */
struct console_ops {
	size_t (*input)(void *opaque, const uint8_t *data, size_t len);
	void (*action)(void *opaque, enum escape_action action);
	void *opaque;
};

/**
 * struct console - the console
 * @ops: the machine
 * @loop: the event loop
 * @in: standard input
 * @room: eventfd, written when the guest can take input again
 * @tty: input is a terminal in raw mode
 * @escape: the escape key was typed
 * @eof: input has ended
 * @buf: input that the guest has not taken
 * @len: bytes in @buf
 * @out: standard output
 * @patience_ms: how long console_stop() waits for output that does not advance
 * @lock: guards all below
 * @changed: signalled when @count or @closing change
 * @ring: output not yet written
 * @head: oldest byte in @ring
 * @count: bytes in @ring
 * @closing: the guest has ended
 * @broken: the reader of the output is gone, or is not waited for any more
 * @writer: the thread that writes
 * @started: @writer exists
 */
struct console {
	struct console_ops ops;
	struct loop *loop;
	struct loop_source in, room;
	bool tty, escape, eof;
	uint8_t buf[CONSOLE_INPUT];
	size_t len;
	int out, patience_ms;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint8_t ring[CONSOLE_RING];
	size_t head, count;
	bool closing, broken;
	pthread_t writer;
	bool started;
};

/**
 * console_start() - connect to standard input and output
 * @con: the console
 * @loop: event loop to read input in
 * @ops: the machine
 *
 * A terminal is switched to raw mode; terminal_restore() switches it back.
 *
 * Return: 0 or -errno.
 */
int console_start(struct console *con, struct loop *loop, const struct console_ops *ops);

/* Write out what is left, for at most a second without progress, and disconnect. */
void console_stop(struct console *con);

/* A byte from the guest; blocks while the ring is full, unless the console is closing. */
void console_put(struct console *con, uint8_t byte);

/* The guest may take input again; from any thread. */
void console_room(struct console *con);

/* Let console_put() not block any more: the guest is being stopped. */
void console_close(struct console *con);

/* Have the terminal restored however the process ends, but by SIGKILL. */
void terminal_guard(void);

/* Raw mode of the terminal at standard input. Restoring is safe in signal handlers. */
bool terminal_raw(void);
void terminal_restore(void);

#endif
