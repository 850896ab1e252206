// SPDX-License-Identifier: GPL-2.0
/* TAP harness: runs each case in its own process group under a time limit. See harness.h. */
#include <cpuid.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/wait.h>
#include "faults.h"
#include "guest.h"
#include "harness.h"

enum { EXIT_PASS, EXIT_FAIL, EXIT_SKIP = 4 };

#define DEFAULT_SECONDS 40 /* for a busy machine: a case takes a second at most */
/* So many processes take so long on the slim kernel, on a busy machine. */
#define YARDSTICK_FORKS 100
#define YARDSTICK_MS    500
#define MAX_SCALE       16
#define STEP_MS         1000 /* a limit is used up in steps of that, and half as much more */

extern const struct test_case *const __start_test_cases[];
extern const struct test_case *const __stop_test_cases[];

static unsigned int passed, failed, skipped, known;
static unsigned int immortal;       /* cases that SIGKILL did not end */
static unsigned int slowness = 1;   /* how much slower than a plain kernel the user says it is */
static unsigned int time_scale = 1; /* of the limits: the above, or more as it turns out */
static int forced_oracle = -1;

void test_fail(const char *file, unsigned int line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("%s:%u: ", file, line);
	vprintf(fmt, ap);
	putchar('\n');
	va_end(ap);
	fflush(stdout);
	_exit(EXIT_FAIL);
}

void test_skip(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("SKIP ");
	vprintf(fmt, ap);
	putchar('\n');
	va_end(ap);
	fflush(stdout);
	_exit(EXIT_SKIP);
}

bool test_is_oracle(void)
{
	if (forced_oracle >= 0)
		return forced_oracle;
	return access("/sys/module/kvm", F_OK) == 0 && access("/sys/module/vmm", F_OK) != 0;
}

bool test_is_tcg(void)
{
	unsigned int a, b, c, d;

	__cpuid(1, a, b, c, d);
	if (!(c & BIT(31)))
		return false;
	__cpuid(0x40000000, a, b, c, d);
	return !memcmp(&b, "TCGT", 4) && !memcmp(&c, "CGTC", 4);
}

bool test_is_intel(void)
{
	unsigned int a, b, c, d;

	__cpuid(0, a, b, c, d);
	return !memcmp(&b, "Genu", 4);
}

bool test_slow(void)
{
	return slowness > 1;
}

unsigned int test_rounds(unsigned int full)
{
	return full > slowness ? full / slowness : 1;
}

static void in_child(const struct test_case *t, int out)
{
	setpgid(0, 0);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	close(out);
	setvbuf(stdout, NULL, _IOLBF, 0);
	guest_forgets_shadow = test_is_tcg();
	t->fn();
	fflush(stdout);
	_exit(EXIT_PASS);
}

static long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ll + ts.tv_nsec / 1000000;
}

/*
 * A limit is there to end what hangs, and must not become a measure of the machine: see how long
 * something takes that is known, and have time_scale follow if that is longer than it should be.
 */
static void measure_speed(void)
{
	long long start = now_ms(), scale;
	int i;

	for (i = 0; i < YARDSTICK_FORKS; i++) {
		pid_t pid = fork();

		if (!pid)
			_exit(0);
		if (pid > 0)
			waitpid(pid, NULL, 0);
	}
	scale = (now_ms() - start) / YARDSTICK_MS;
	if (scale > MAX_SCALE)
		scale = MAX_SCALE;
	if (scale <= time_scale)
		return;
	time_scale = scale;
	printf("# this host is slow: time limits are %u times as long\n", time_scale);
}

/* The time in milliseconds that a case may take as things are now. */
static long long limit_ms(const struct test_case *t)
{
	return (t->timeout ? t->timeout : DEFAULT_SECONDS) * 1000ll * time_scale;
}

/* Collect what the case prints until it ends or its time is over; false on time-out. */
static bool collect(int in, char *buf, size_t size, const struct test_case *t, pid_t pid)
{
	long long used = 0, last = now_ms(), now;
	struct pollfd p = { .fd = in, .events = POLLIN };
	size_t len = 0;
	char chunk[512];
	ssize_t n;

	for (;; last = now) {
		int ready = poll(&p, 1, STEP_MS);

		/* When this process, too, has not run for long, the machine stood still. */
		now = now_ms();
		used += now - last < STEP_MS * 3 / 2 ? now - last : STEP_MS * 3 / 2;
		if (used >= limit_ms(t)) {
			/* What it does all the time is no measure of the machine. */
			kill(-pid, SIGSTOP);
			measure_speed();
			kill(-pid, SIGCONT);
			now = now_ms();
			if (used >= limit_ms(t))
				return false;
		}
		if (ready <= 0)
			continue;
		n = read(in, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return true;
		if ((size_t)n > size - 1 - len)
			n = size - 1 - len;
		memcpy(buf + len, chunk, n);
		len += n;
		buf[len] = 0;
	}
}

/* Reap @pid; false if it cannot be killed within half a minute in which this process runs. */
static bool reap(pid_t pid, int *status, bool kill_first)
{
	const struct timespec tick = { .tv_nsec = 2000000 };
	unsigned int looks;

	if (kill_first)
		kill(-pid, SIGKILL);
	for (looks = 0; looks < 15000 * time_scale; looks++) {
		if (waitpid(pid, status, WNOHANG) == pid) {
			kill(-pid, SIGKILL);
			return true;
		}
		nanosleep(&tick, NULL);
	}
	return false;
}

static void diagnostics(char *text)
{
	char *line, *save;

	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		printf("# %s\n", line);
}

static void report(const struct test_case *t, unsigned int n, bool timeout, int status, char *out,
		   long long ms)
{
	const char *mark = NULL;
	bool pass = !timeout && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_PASS;

	if (t->tcg && test_is_tcg())
		mark = t->tcg;
	else if (t->oracle && test_is_oracle())
		mark = t->oracle;

	if (!timeout && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIP) {
		char *why = strstr(out, "SKIP ");

		if (why)
			why[strcspn(why, "\n")] = 0;
		printf("# %s.%s: %lld ms\n", t->suite, t->name, ms);
		printf("ok %u - %s.%s # %s\n", n, t->suite, t->name, why ? why : "SKIP");
		skipped++;
		return;
	}
	diagnostics(out);
	if (timeout)
		printf("# timed out\n");
	else if (WIFSIGNALED(status))
		printf("# killed by signal %d\n", WTERMSIG(status));
	printf("# %s.%s: %lld ms\n", t->suite, t->name, ms);
	printf("%sok %u - %s.%s", pass ? "" : "not ", n, t->suite, t->name);
	if (mark)
		printf(" # TODO %s", mark);
	putchar('\n');
	if (pass)
		passed++;
	else if (mark)
		known++;
	else
		failed++;
}

static void run_one(const struct test_case *t, unsigned int n)
{
	static char out[64 * 1024];
	long long start = now_ms();
	int p[2], status = 0;
	bool timeout;
	pid_t pid;

	fflush(stdout);
	out[0] = 0;
	if (pipe2(p, O_CLOEXEC)) {
		perror("pipe2");
		exit(2);
	}
	pid = fork();
	if (pid < 0) {
		perror("fork");
		exit(2);
	}
	if (!pid)
		in_child(t, p[1]);
	close(p[1]);
	timeout = !collect(p[0], out, sizeof(out), t, pid);
	if (!reap(pid, &status, timeout)) {
		printf("# process %d does not die\n", pid);
		timeout = true;
		immortal++;
	}
	close(p[0]);
	report(t, n, timeout, status, out, now_ms() - start);
}

static bool wanted(const struct test_case *t, int argc, char **argv)
{
	char full[128];
	int i;

	if (!argc)
		return true;
	snprintf(full, sizeof(full), "%s.%s", t->suite, t->name);
	for (i = 0; i < argc; i++)
		if (!strcmp(argv[i], t->suite) || !strcmp(argv[i], full))
			return true;
	return false;
}

static void wrong_usage(const char *self)
{
	fprintf(stderr,
		"usage: %s [-f] [-l] [-o 0|1] [-s slowness] [suite | suite.case ...]\n"
		"  -f  inject faults into every ioctl (debug kernel)\n"
		"  -l  list the cases\n"
		"  -o  say whether the device is in-tree KVM (default: found out)\n"
		"  -s  how much slower than usual this kernel is: longer limits, fewer rounds\n"
		"The device is taken from VMM_DEV (default /dev/vmm).\n",
		self);
	exit(64);
}

int main(int argc, char **argv)
{
	const struct test_case *const *t;
	unsigned int count = 0, n = 0;
	bool faults = false, list = false;
	int opt;

	while ((opt = getopt(argc, argv, "flo:s:")) != -1) {
		if (opt == 'f')
			faults = true;
		else if (opt == 'l')
			list = true;
		else if (opt == 'o')
			forced_oracle = atoi(optarg);
		else if (opt == 's' && atoi(optarg) > 0)
			slowness = atoi(optarg);
		else
			wrong_usage(argv[0]);
	}
	time_scale = slowness;
	argc -= optind;
	argv += optind;
	for (t = __start_test_cases; t < __stop_test_cases; t++)
		count += wanted(*t, argc, argv);
	if (!count) {
		fprintf(stderr, "no case of that name\n");
		return 64;
	}
	if (!list)
		printf("TAP version 13\n1..%u\n", count);
	if (!list)
		measure_speed();
	if (faults)
		faults_enable();
	for (t = __start_test_cases; t < __stop_test_cases; t++) {
		if (!wanted(*t, argc, argv))
			continue;
		if (list)
			printf("%s.%s\n", (*t)->suite, (*t)->name);
		else
			run_one(*t, ++n);
		if (immortal >= 4) {
			printf("Bail out! processes hang in the kernel\n");
			return 1;
		}
	}
	if (list)
		return 0;
	if (faults)
		faults_report();
	printf("# %u passed, %u failed, %u skipped, %u known differences\n", passed, failed,
	       skipped, known);
	return failed || !passed;
}
