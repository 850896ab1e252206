// SPDX-License-Identifier: GPL-2.0
/* The console against pipes and a pseudo-terminal. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "../machine/console.h"
#include "../machine/machine.h"
#include "tap.h"

static void escape_sequences(void)
{
	static const struct {
		uint8_t key;
		enum escape_action action;
	} keys[] = {
		{ 'q', ESCAPE_QUIT },  { 'p', ESCAPE_POWER },       { 'r', ESCAPE_RESET },
		{ 'b', ESCAPE_BREAK }, { 'n', ESCAPE_NMI },         { '?', ESCAPE_HELP },
		{ 'x', ESCAPE_HELP },  { ESCAPE_KEY, ESCAPE_PASS }, { 0, ESCAPE_HELP },
	};
	bool pending = false;
	unsigned int i;

	CHECK_EQ(escape_filter(&pending, 'q'), ESCAPE_PASS);
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		CHECK_EQ(escape_filter(&pending, ESCAPE_KEY), ESCAPE_EAT);
		CHECK_EQ(escape_filter(&pending, keys[i].key), keys[i].action);
		CHECK(!pending);
	}
}

static char taken[8192];
static size_t taken_len, take_max;
/* Readers may be later than anybody would wait for one; 0: as long as the console waits. */
static int patience_ms = 600000;
static enum escape_action last_action;
static struct loop loop;
static struct console *con;

static size_t on_input(void *opaque, const uint8_t *data, size_t len)
{
	(void)opaque;
	if (len > take_max)
		len = take_max;
	memcpy(taken + taken_len, data, len);
	taken_len += len;
	if (memchr(data, '.', len))
		loop_stop(&loop);
	else
		console_room(con);
	return len;
}

static void on_action(void *opaque, enum escape_action action)
{
	(void)opaque;
	last_action = action;
	loop_stop(&loop);
}

static const struct console_ops ops = { on_input, on_action, NULL };

static void on_kick(int signo)
{
	(void)signo;
}

/* Runs the console with @in and @out as standard input and output until a dot is typed. */
static void run_console(int in, int out, size_t at_once, const char *print)
{
	struct sigaction kick = { .sa_handler = on_kick };
	int old_in = dup(0), old_out;

	fflush(stdout);
	old_out = dup(1);
	sigaction(SIG_KICK, &kick, NULL);
	dup2(in, 0);
	dup2(out, 1);
	con = calloc(1, sizeof(*con));
	taken_len = 0;
	take_max = at_once;
	last_action = ESCAPE_PASS;
	loop_init(&loop);
	console_start(con, &loop, &ops);
	if (patience_ms)
		con->patience_ms = patience_ms;
	while (*print)
		console_put(con, (uint8_t)*print++);
	if (in >= 0 && !loop.done)
		loop_run(&loop);
	console_stop(con);
	loop_destroy(&loop);
	free(con);
	dup2(old_in, 0);
	dup2(old_out, 1);
	close(old_in);
	close(old_out);
}

/* Slower than the input: two bytes at a time, and nothing gets lost. */
static void input_from_pipe(void)
{
	char text[6001], back[16] = "";
	int in[2], out[2];

	memset(text, 'x', sizeof(text));
	text[1] = ESCAPE_KEY; /* only special on a terminal */
	text[sizeof(text) - 1] = '.';
	CHECK(!pipe(in) && !pipe(out));
	CHECK_EQ(write(in[1], text, sizeof(text)), sizeof(text));
	close(in[1]);
	run_console(in[0], out[1], 2, "hello");
	CHECK_EQ(taken_len, sizeof(text));
	CHECK(!memcmp(taken, text, sizeof(text)));
	CHECK_EQ(read(out[0], back, sizeof(back)), 5);
	CHECK(!memcmp(back, "hello", 5));
	close(in[0]);
	close(out[0]);
	close(out[1]);
}

static void input_from_file(void)
{
	char name[] = "/tmp/vmctl-console-XXXXXX";
	int fd = mkstemp(name), null = open("/dev/null", O_RDWR);

	CHECK(fd >= 0 && null >= 0);
	unlink(name);
	CHECK_EQ(write(fd, "from a file.", 12), 12);
	lseek(fd, 0, SEEK_SET);
	run_console(fd, null, 5, "");
	CHECK_EQ(taken_len, 12);
	CHECK(!memcmp(taken, "from a file.", 12));
	close(fd);
	close(null);
}

static void *stop_later(void *arg)
{
	(void)arg;
	usleep(200000);
	console_room(con);
	return NULL;
}

static void room_stops_loop(void *opaque)
{
	(void)opaque;
	loop_stop(&loop);
}

static void (*console_ready)(void *opaque);
static unsigned int looks;

static void look(void *opaque)
{
	looks++;
	console_ready(opaque);
}

/* End of input must not keep the loop busy: it is looked at once, and no more in 200 ms. */
static void end_of_input(void)
{
	struct loop_source stop;
	int in[2], null = open("/dev/null", O_RDWR), old_in = dup(0);
	pthread_t thread;

	CHECK(!pipe(in));
	close(in[1]);
	dup2(in[0], 0);
	con = calloc(1, sizeof(*con));
	loop_init(&loop);
	CHECK_EQ(console_start(con, &loop, &ops), 0);
	stop = con->room;
	con->room.ready = room_stops_loop;
	looks = 0;
	console_ready = con->in.ready;
	con->in.ready = look;
	pthread_create(&thread, NULL, stop_later, NULL);
	loop_run(&loop);
	pthread_join(thread, NULL);
	CHECK_EQ(looks, 1);
	CHECK(con->eof);
	con->room.ready = stop.ready;
	console_stop(con);
	loop_destroy(&loop);
	free(con);
	dup2(old_in, 0);
	close(old_in);
	close(in[0]);
	close(null);
}

/* A reader that went away does not stop the guest. */
static void output_to_nobody(void)
{
	int in[2], out[2];
	char *text = malloc(200001);

	memset(text, 'y', 200000);
	text[200000] = '\0';
	signal(SIGPIPE, SIG_IGN);
	CHECK(!pipe(in) && !pipe(out));
	close(out[0]);
	CHECK_EQ(write(in[1], ".", 1), 1);
	run_console(in[0], out[1], 1, text);
	CHECK_EQ(taken_len, 1);
	close(in[0]);
	close(in[1]);
	close(out[1]);
	free(text);
}

static uint8_t received[300000];
static size_t received_len;

static void *read_all(void *arg)
{
	ssize_t n;

	do {
		n = read(*(int *)arg, received + received_len, sizeof(received) - received_len);
		received_len += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	return NULL;
}

/* More than the ring holds, to a reader that is slower than the guest: all of it, in order. */
static void output_in_order(void)
{
	char *text = malloc(250001);
	pthread_t reader;
	int in[2], out[2];
	size_t i;

	for (i = 0; i < 250000; i++)
		text[i] = (char)(1 + i % 255);
	text[i] = '\0';
	CHECK(!pipe(in) && !pipe(out));
	CHECK_EQ(write(in[1], ".", 1), 1);
	received_len = 0;
	pthread_create(&reader, NULL, read_all, &out[0]);
	run_console(in[0], out[1], 1, text);
	close(out[1]);
	pthread_join(reader, NULL);
	CHECK_EQ(received_len, 250000);
	CHECK(!memcmp(received, text, 250000));
	close(in[0]);
	close(in[1]);
	close(out[0]);
	free(text);
}

static void *read_slowly(void *arg)
{
	ssize_t n;

	do {
		usleep(1500000);
		n = read(*(int *)arg, received + received_len, 4096);
		received_len += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	return NULL;
}

/* A slow line, such as a serial one: what the guest said last arrives after its end. */
static void output_to_slow_line(void)
{
	char text[9001];
	pthread_t reader;
	int in[2], out[2];

	memset(text, 's', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	CHECK(!pipe(in) && !pipe(out));
	CHECK_EQ(fcntl(out[1], F_SETPIPE_SZ, 4096), 4096);
	CHECK_EQ(write(in[1], ".", 1), 1);
	received_len = 0;
	pthread_create(&reader, NULL, read_slowly, &out[0]);
	run_console(in[0], out[1], 1, text);
	close(out[1]);
	pthread_join(reader, NULL);
	CHECK_EQ(received_len, sizeof(text) - 1);
	close(in[0]);
	close(in[1]);
	close(out[0]);
}

/* A reader that is stuck is given some seconds at the end, and no more. */
static void output_to_full_pipe(void)
{
	struct timespec before, after;
	int in[2], out[2];
	char *text = malloc(100001);

	memset(text, 'z', 100000);
	text[100000] = '\0';
	CHECK(!pipe(in) && !pipe(out));
	CHECK_EQ(write(in[1], ".", 1), 1);
	patience_ms = 0;
	clock_gettime(CLOCK_MONOTONIC, &before);
	run_console(in[0], out[1], 1, text);
	clock_gettime(CLOCK_MONOTONIC, &after);
	patience_ms = 600000;
	CHECK(after.tv_sec - before.tv_sec >= 4);
	CHECK(after.tv_sec - before.tv_sec <= 300);
	close(in[0]);
	close(in[1]);
	close(out[0]);
	close(out[1]);
	free(text);
}

/* On a terminal: raw while it runs, as before afterwards, and the escape key works. */
static void terminal(void)
{
	struct termios before, after;
	int master = posix_openpt(O_RDWR | O_NOCTTY), status = -1;
	pid_t pid;

	CHECK(master >= 0 && !grantpt(master) && !unlockpt(master));
	fflush(stdout);
	pid = fork();
	if (!pid) {
		int slave, ok;

		setsid();
		slave = open(ptsname(master), O_RDWR);
		tcgetattr(slave, &before);
		before.c_lflag |= ICANON | ECHO;
		tcsetattr(slave, TCSANOW, &before);
		tcgetattr(slave, &before);
		if (write(master, "a\x1d\x1d\x1dp", 5) != 5)
			_exit(2);
		run_console(slave, slave, 100, "");
		tcgetattr(slave, &after);
		ok = last_action == ESCAPE_POWER &&
		     !memcmp(&before.c_lflag, &after.c_lflag, sizeof(before.c_lflag)) &&
		     before.c_iflag == after.c_iflag && before.c_oflag == after.c_oflag;
		_exit(ok ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	CHECK_EQ(status, 0);
	close(master);
}

/* A crash leaves the terminal as it was, too. */
static void crash_restores_terminal(void)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL };
	struct termios before, after;
	int master, slave, status;
	unsigned int i;
	pid_t pid;

	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		master = posix_openpt(O_RDWR | O_NOCTTY);
		CHECK(master >= 0 && !grantpt(master) && !unlockpt(master));
		slave = open(ptsname(master), O_RDWR | O_NOCTTY);
		CHECK_EQ(tcgetattr(slave, &before), 0);
		fflush(stdout);
		pid = fork();
		if (!pid) {
			setsid();
			ioctl(slave, TIOCSCTTY, 0);
			dup2(slave, 0);
			terminal_guard();
			if (!terminal_raw())
				_exit(1);
			raise(signals[i]);
			_exit(2);
		}
		waitpid(pid, &status, 0);
		CHECK(WIFSIGNALED(status));
		CHECK_EQ(WTERMSIG(status), signals[i]);
		CHECK_EQ(tcgetattr(slave, &after), 0);
		CHECK_EQ(after.c_lflag, before.c_lflag);
		CHECK_EQ(after.c_oflag, before.c_oflag);
		close(slave);
		close(master);
	}
}

TAP_MAIN(TEST(escape_sequences), TEST(input_from_pipe), TEST(input_from_file), TEST(end_of_input),
	 TEST(output_to_nobody), TEST(output_in_order), TEST(output_to_slow_line),
	 TEST(output_to_full_pipe), TEST(terminal), TEST(crash_restores_terminal));
