// SPDX-License-Identifier: GPL-2.0
#include "console.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "../sandbox/sandbox.h"
#include "machine.h"

#define WRITE_MAX 4096 /* bytes written at once: what a pipe takes without blocking halfway */
#define DRAIN_MS  5000 /* what a serial line of 9600 baud takes for those */

static struct termios saved_mode;
static volatile sig_atomic_t mode_saved;

static const char escape_hint[] = "(Ctrl-] q quits, Ctrl-] ? lists more)\r\n";
static const char escape_help[] =
	"\r\nCtrl-] and then\r\n"
	"  p  press the power button     r  reset (exit status 3)\r\n"
	"  b  send a serial break        n  send a non-maskable interrupt\r\n"
	"  q  quit at once               Ctrl-]  send Ctrl-] itself\r\n";

enum escape_action escape_filter(bool *pending, uint8_t byte)
{
	if (!*pending) {
		*pending = byte == ESCAPE_KEY;
		return *pending ? ESCAPE_EAT : ESCAPE_PASS;
	}
	*pending = false;
	switch (byte) {
	case ESCAPE_KEY:
		return ESCAPE_PASS;
	case 'q':
		return ESCAPE_QUIT;
	case 'p':
		return ESCAPE_POWER;
	case 'r':
		return ESCAPE_RESET;
	case 'b':
		return ESCAPE_BREAK;
	case 'n':
		return ESCAPE_NMI;
	default:
		return ESCAPE_HELP;
	}
}

bool terminal_raw(void)
{
	struct termios raw;

	/* A background job must neither change the terminal's mode nor read from it. */
	if (!isatty(STDIN_FILENO) || tcgetpgrp(STDIN_FILENO) != getpgrp())
		return false;
	if (!mode_saved) {
		if (tcgetattr(STDIN_FILENO, &saved_mode))
			return false;
		mode_saved = 1;
	}
	raw = saved_mode;
	cfmakeraw(&raw);
	return !tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
}

void terminal_restore(void)
{
	int errnum = errno;

	if (mode_saved)
		tcsetattr(STDIN_FILENO, TCSANOW, &saved_mode);
	errno = errnum;
}

static void add_ms(struct timespec *ts, long ms)
{
	ts->tv_sec += ms / 1000;
	ts->tv_nsec += ms % 1000 * 1000000;
	if (ts->tv_nsec >= 1000000000) {
		ts->tv_nsec -= 1000000000;
		ts->tv_sec++;
	}
}

static void fatal_signal(int signo)
{
	terminal_restore();
	/* SA_RESETHAND put the default action back, which ends the process when this returns. */
	raise(signo);
}

void terminal_guard(void)
{
	static const int fatal[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS };
	struct sigaction action = { .sa_handler = fatal_signal, .sa_flags = SA_RESETHAND };
	unsigned int i;

	for (i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		sigaction(fatal[i], &action, NULL);
	atexit(terminal_restore);
}

/* Writes a piece of the ring, without the lock. Returns false when nobody reads any more. */
static bool write_piece(struct console *con, const uint8_t *data, size_t len, size_t *done)
{
	ssize_t n = write(con->out, data, len);

	*done = n > 0 ? (size_t)n : 0;
	if (n >= 0 || errno == EINTR)
		return true;
	if (errno == EAGAIN) {
		/* Somebody else made the terminal non-blocking; this is not a place to care. */
		usleep(10000);
		return true;
	}
	return false;
}

/*
 * Guests write byte by byte: waiting for more costs a keystroke's echo two milliseconds and saves
 * a wake-up and a system call for nearly every byte.
 */
static void gather(struct console *con)
{
	struct timespec until;
	int ret = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	add_ms(&until, 2);
	while (!ret && !con->closing && con->count < WRITE_MAX)
		ret = pthread_cond_timedwait(&con->changed, &con->lock, &until);
}

static void *writer_thread(void *arg)
{
	struct console *con = arg;
	size_t len, done;
	bool alive;

	sandbox_thread(ROLE_CONSOLE, "console");
	pthread_mutex_lock(&con->lock);
	while (!con->broken && (con->count || !con->closing)) {
		if (!con->count) {
			pthread_cond_wait(&con->changed, &con->lock);
			gather(con);
			continue;
		}
		len = CONSOLE_RING - con->head;
		if (len > con->count)
			len = con->count;
		if (len > WRITE_MAX)
			len = WRITE_MAX;
		pthread_mutex_unlock(&con->lock);
		alive = write_piece(con, con->ring + con->head, len, &done);
		pthread_mutex_lock(&con->lock);
		con->head = (con->head + done) % CONSOLE_RING;
		con->count -= done;
		if (!alive)
			con->broken = true;
		pthread_cond_broadcast(&con->changed);
	}
	pthread_mutex_unlock(&con->lock);
	return NULL;
}

void console_put(struct console *con, uint8_t byte)
{
	pthread_mutex_lock(&con->lock);
	while (con->count == CONSOLE_RING && !con->closing && !con->broken)
		pthread_cond_wait(&con->changed, &con->lock);
	/* A guest goes on when nobody reads its console. */
	if (con->count < CONSOLE_RING && !con->broken) {
		con->ring[(con->head + con->count) % CONSOLE_RING] = byte;
		con->count++;
		if (con->count == 1 || con->count == WRITE_MAX)
			pthread_cond_broadcast(&con->changed);
	}
	pthread_mutex_unlock(&con->lock);
}

void console_close(struct console *con)
{
	pthread_mutex_lock(&con->lock);
	con->closing = true;
	pthread_cond_broadcast(&con->changed);
	pthread_mutex_unlock(&con->lock);
}

void console_room(struct console *con)
{
	uint64_t one = 1;

	/* Fails only when the counter is full, and then the loop is awake anyway. */
	(void)!write(con->room.fd, &one, sizeof(one));
}

static void give_input(struct console *con)
{
	size_t n;

	if (!con->len)
		return;
	n = con->ops.input(con->ops.opaque, con->buf, con->len);
	con->len -= n;
	memmove(con->buf, con->buf + n, con->len);
}

static void typed(struct console *con, const uint8_t *data, size_t len)
{
	enum escape_action action;
	size_t i;

	for (i = 0; i < len; i++) {
		action = con->tty ? escape_filter(&con->escape, data[i]) : ESCAPE_PASS;
		switch (action) {
		case ESCAPE_PASS:
			/* Full only on a terminal whose guest does not read. */
			if (con->len < CONSOLE_INPUT)
				con->buf[con->len++] = data[i];
			break;
		case ESCAPE_EAT:
			break;
		case ESCAPE_HELP:
			(void)!write(STDERR_FILENO, escape_help, sizeof(escape_help) - 1);
			break;
		default:
			con->ops.action(con->ops.opaque, action);
			break;
		}
	}
}

/* A terminal is always read, for the escape key; other input waits until the guest takes it. */
static void input_ready(void *opaque)
{
	struct console *con = opaque;
	uint8_t data[CONSOLE_INPUT];
	size_t room = con->tty ? sizeof(data) : CONSOLE_INPUT - con->len;
	ssize_t n;

	n = read(con->in.fd, data, room);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		con->eof = true;
		loop_unwatch(con->loop, &con->in);
		return;
	}
	typed(con, data, (size_t)n);
	give_input(con);
	if (!con->tty && con->len)
		loop_unwatch(con->loop, &con->in);
}

/* Files cannot be waited for: they are read as fast as the guest takes the bytes. */
static void want_input(struct console *con)
{
	while (!con->eof && (con->tty || !con->len)) {
		if (loop_watch(con->loop, &con->in) != -EPERM)
			return;
		input_ready(con);
	}
}

static void room_ready(void *opaque)
{
	struct console *con = opaque;
	uint64_t count;

	(void)!read(con->room.fd, &count, sizeof(count));
	give_input(con);
	want_input(con);
}

static int start_writer(struct console *con)
{
	sigset_t all, old;
	int ret;

	sigfillset(&all);
	sigdelset(&all, SIG_KICK);
	sigdelset(&all, SIGSYS);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = pthread_create(&con->writer, NULL, writer_thread, con);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	con->started = !ret;
	return -ret;
}

int console_start(struct console *con, struct loop *loop, const struct console_ops *ops)
{
	pthread_condattr_t monotonic;
	int ret;

	memset(con, 0, sizeof(*con));
	con->ops = *ops;
	con->loop = loop;
	con->out = STDOUT_FILENO;
	con->patience_ms = DRAIN_MS;
	con->in = (struct loop_source){ STDIN_FILENO, input_ready, con, false };
	con->room = (struct loop_source){ -1, room_ready, con, false };
	pthread_mutex_init(&con->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&con->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);

	con->room.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (con->room.fd < 0)
		return -errno;
	ret = loop_watch(loop, &con->room);
	if (!ret)
		ret = start_writer(con);
	if (ret)
		return ret;

	con->tty = terminal_raw();
	if (con->tty)
		(void)!write(STDERR_FILENO, escape_hint, sizeof(escape_hint) - 1);
	con->eof = !con->tty && isatty(STDIN_FILENO);
	want_input(con);
	return 0;
}

/* Waits as long as the output advances. */
static void drain(struct console *con)
{
	struct timespec until;
	size_t before;
	int ret = 0;

	while (con->count && !con->broken && !ret) {
		before = con->count;
		clock_gettime(CLOCK_MONOTONIC, &until);
		add_ms(&until, con->patience_ms);
		while (con->count == before && !con->broken && !ret)
			ret = pthread_cond_timedwait(&con->changed, &con->lock, &until);
	}
	con->broken = true;
	pthread_cond_broadcast(&con->changed);
}

static void stop_writer(struct console *con)
{
	struct timespec until;

	pthread_mutex_lock(&con->lock);
	con->closing = true;
	pthread_cond_broadcast(&con->changed);
	drain(con);
	pthread_mutex_unlock(&con->lock);
	/* A signal may arrive just before write() blocks: repeat it until the thread is gone. */
	do {
		pthread_kill(con->writer, SIG_KICK);
		clock_gettime(CLOCK_MONOTONIC, &until);
		add_ms(&until, 20);
	} while (pthread_clockjoin_np(con->writer, NULL, CLOCK_MONOTONIC, &until) == ETIMEDOUT);
}

void console_stop(struct console *con)
{
	if (con->started)
		stop_writer(con);
	loop_unwatch(con->loop, &con->in);
	loop_unwatch(con->loop, &con->room);
	if (con->room.fd >= 0)
		close(con->room.fd);
	pthread_cond_destroy(&con->changed);
	pthread_mutex_destroy(&con->lock);
	terminal_restore();
}
