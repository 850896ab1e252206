// SPDX-License-Identifier: GPL-2.0
/*
 * vmctl trace: the tracepoints of vmm.ko that a VM's vCPUs pass, decoded by the kernel, in an
 * instance of tracefs of its own: others who trace are not disturbed.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fleet_verbs.h"
#include "vmctl.h"

#define TRACEFS    "/sys/kernel/tracing"
#define THREADS    4096
#define REFRESH_MS 500 /* a vCPU may come or get another thread, and VMs end */
#define PREFIX     "vmm_"

enum { OPT_JSON = 0x100 };

/**
 * struct trace - what is traced, and where
 * @which: name or id
 * @events: names without "vmm_", separated by commas; NULL: all
 * @json: print JSON
 * @target: the VM
 * @dir: the instance; "": none yet
 * @tids: what set_event_pid has
 * @count: how many
 * @line: what of a line has been read
 * @len: how much
 */
struct trace {
	const char *which, *events;
	bool json;
	struct target target;
	char dir[64];
	uint32_t tids[THREADS];
	unsigned int count;
	char line[4096];
	size_t len;
};

static volatile sig_atomic_t interrupted;

static const struct argp_option options[] = {
	{ "event", 'e', "NAME[,NAME...]", 0, "these only: entry, exit, page_fault ...", 0 },
	{ "json", OPT_JSON, NULL, 0, "print JSON", 0 },
	{ 0 },
};

static error_t parse_opt(int key, char *arg, struct argp_state *state)
{
	struct trace *t = state->input;

	switch (key) {
	case 'e':
		t->events = arg;
		return 0;
	case OPT_JSON:
		t->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (t->which)
			argp_error(state, "unexpected argument \"%s\"", arg);
		t->which = arg;
		return 0;
	case ARGP_KEY_END:
		if (!t->which)
			argp_error(state, "which VM? Its name or its id is needed");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* ---- the instance ---- */

static int write_file(const struct trace *t, const char *name, const char *text, int flags)
{
	char path[256];
	size_t len = strlen(text);
	int fd, ret;

	snprintf(path, sizeof(path), "%s/%s", t->dir, name);
	fd = open(path, O_WRONLY | O_CLOEXEC | flags);
	if (fd < 0)
		return -1;
	ret = write(fd, text, len) == (ssize_t)len ? 0 : -1;
	close(fd);
	return ret;
}

static int open_instance(struct trace *t, struct error *err)
{
	snprintf(t->dir, sizeof(t->dir), TRACEFS "/instances/vmctl.%d", (int)getpid());
	if (!mkdir(t->dir, 0700))
		return 0;
	t->dir[0] = '\0';
	if (errno == ENOENT)
		return fault(err, EX_UNAVAILABLE, "no " TRACEFS ": mount -t tracefs none " TRACEFS);
	return fault_errno(err, errno == EACCES || errno == EPERM ? EX_NOPERM : EX_OSERR, errno,
			   TRACEFS "/instances (root may trace)");
}

static void close_instance(struct trace *t)
{
	if (!t->dir[0])
		return;
	write_file(t, "events/enable", "0", 0);
	rmdir(t->dir);
}

static int enable_one(struct trace *t, const char *name, struct error *err)
{
	char path[160];

	if (strchr(name, '/') || strlen(name) > 64)
		return fault(err, EX_USAGE, "there is no event \"%s\"", name);
	snprintf(path, sizeof(path), "events/vmm/" PREFIX "%s/enable", name);
	if (!write_file(t, path, "1", 0))
		return 0;
	if (errno == ENOENT)
		return fault(err, EX_USAGE,
			     "there is no event \"%s\"; " TRACEFS "/events/vmm lists them", name);
	return fault_errno(err, EX_OSERR, errno, "event %s", name);
}

static int enable_events(struct trace *t, struct error *err)
{
	char *names, *name, *rest;
	int ret = 0;

	if (!t->events) {
		if (!write_file(t, "events/vmm/enable", "1", 0))
			return 0;
		return fault_errno(err, EX_OSERR, errno, "events of vmm.ko");
	}
	names = strdup(t->events);
	if (!names)
		return fault(err, EX_OSERR, "out of memory");
	for (name = strtok_r(names, ",", &rest); name && !ret; name = strtok_r(NULL, ",", &rest))
		ret = enable_one(t, name, err);
	free(names);
	return ret;
}

static bool is_traced(const struct trace *t, uint32_t tid)
{
	unsigned int i;

	for (i = 0; i < t->count; i++) {
		if (t->tids[i] == tid)
			return true;
	}
	return false;
}

/* Have the threads of the vCPUs traced that are not yet; -1: the VM is gone, or *err. */
static int trace_threads(struct trace *t, struct error *err)
{
	uint32_t tids[THREADS];
	char text[16];
	int i, n = fleet_threads(t->target.fleet, t->target.vm.id, tids, THREADS, err);

	for (i = 0; i < n && i < THREADS && t->count < THREADS; i++) {
		if (is_traced(t, tids[i]))
			continue;
		snprintf(text, sizeof(text), "%u", tids[i]);
		/* A thread that has ended meanwhile is none that matters. */
		if (write_file(t, "set_event_pid", text, O_APPEND) && errno != ESRCH &&
		    errno != EINVAL)
			return fault_errno(err, EX_OSERR, errno, "set_event_pid");
		t->tids[t->count++] = tids[i];
	}
	return n < 0 ? -1 : 0;
}

/* ---- what comes ---- */

/* "  NAME-TID  [CPU] FLAGS SECONDS: EVENT: TEXT" */
struct record {
	int tid, cpu;
	const char *seconds, *event, *text;
};

static bool split(char *line, struct record *r)
{
	char *cpu = strstr(line, " ["), *tid, *colon;

	if (!cpu)
		return false;
	*cpu = '\0';
	tid = strrchr(line, '-');
	colon = strchr(cpu + 2, ':');
	if (!tid || !colon)
		return false;
	r->tid = atoi(tid + 1);
	r->cpu = atoi(cpu + 2);
	*colon = '\0';
	r->seconds = strrchr(cpu + 2, ' ');
	r->event = colon + 2;
	colon = strstr(r->event, ": ");
	if (!r->seconds || !colon)
		return false;
	*colon = '\0';
	r->seconds++;
	r->text = colon + 2;
	if (!strncmp(r->event, PREFIX, strlen(PREFIX)))
		r->event += strlen(PREFIX);
	return true;
}

static int print_line(struct trace *t, char *line)
{
	struct record r;

	if (!split(line, &r))
		return 0;
	if (t->json)
		print_json(json_pack("{s:f, s:i, s:i, s:s, s:s}", "time", atof(r.seconds), "cpu",
				     r.cpu, "tid", r.tid, "event", r.event, "text", r.text));
	else
		printf("%s %-12s %s\n", r.seconds, r.event, r.text);
	return ferror(stdout) ? -1 : 0;
}

/* Print the whole lines that there are; -1: nobody reads any more. */
static int print_lines(struct trace *t)
{
	char *line = t->line, *end;

	t->line[t->len] = '\0';
	while ((end = strchr(line, '\n'))) {
		*end = '\0';
		if (print_line(t, line))
			return -1;
		line = end + 1;
	}
	t->len -= (size_t)(line - t->line);
	memmove(t->line, line, t->len);
	/* No line of ours is so long. */
	if (t->len == sizeof(t->line) - 1)
		t->len = 0;
	return fflush(stdout);
}

/* Print what there is, and wait for it for a time; 1: there was something, 0, -1 with *err. */
static int pass_on(struct trace *t, int fd, int64_t wait_ms, struct error *err)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;

	if (poll(&p, 1, (int)wait_ms) <= 0)
		return 0;
	n = read(fd, t->line + t->len, sizeof(t->line) - 1 - t->len);
	if (n < 0 && errno != EINTR && errno != EAGAIN)
		return fault_errno(err, EX_OSERR, errno, "trace_pipe");
	t->len += n > 0 ? (size_t)n : 0;
	if (print_lines(t))
		interrupted = 1;
	return n > 0;
}

/* Until the VM ends, and by the clock: a busy VM leaves no pause in which to look for threads. */
static int follow(struct trace *t, int fd, struct error *err)
{
	int64_t look = now_ms() + REFRESH_MS, left;
	struct error gone;
	int ret = 0;

	while (!interrupted && ret >= 0) {
		left = look - now_ms();
		if (left > 0) {
			ret = pass_on(t, fd, left, err);
			continue;
		}
		if (trace_threads(t, &gone))
			break;
		look = now_ms() + REFRESH_MS;
	}
	/* What it did last. */
	do {
		ret = ret < 0 ? ret : pass_on(t, fd, 0, err);
	} while (!interrupted && ret > 0);
	return ret < 0 ? -1 : 0;
}

static void on_signal(int signo)
{
	(void)signo;
	interrupted = 1;
}

static int trace(struct trace *t, struct error *err)
{
	char path[128];
	int fd, ret;

	if (open_instance(t, err) || trace_threads(t, err) || enable_events(t, err))
		return -1;
	snprintf(path, sizeof(path), "%s/trace_pipe", t->dir);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return fault_errno(err, EX_OSERR, errno, "%s", path);
	ret = follow(t, fd, err);
	close(fd);
	return ret;
}

int cmd_trace(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse_opt,
		.args_doc = "NAME|ID",
		.doc = "\vvmctl(8) describes it.\n",
	};
	static struct trace t;
	struct sigaction act = { .sa_handler = on_signal };
	struct error err;
	int status;

	if (argp_parse(&argp, argc, argv, 0, NULL, &t))
		return EX_USAGE;
	status = target_find(&t.target, t.which);
	if (status)
		return status;
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	signal(SIGPIPE, SIG_IGN);
	status = trace(&t, &err) ? report(&err) : 0;
	close_instance(&t);
	target_close(&t.target);
	return status;
}
