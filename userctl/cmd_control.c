// SPDX-License-Identifier: GPL-2.0
/* vmctl stop, console, set, wait, rename, stats: what the process of a VM is asked for. */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/client.h"
#include "disk_size.h"
#include "fleet_verbs.h"
#include "machine/console.h"
#include "units.h"
#include "vmctl.h"

#define STOP_TIMEOUT 30
#define TIMEOUT_MAX  86400
#define POLL_MS      200 /* between two looks at a VM of another client */
#define DETACH_KEY   'd' /* behind the escape key */

enum {
	OPT_FORCE = 0x100,
	OPT_TIMEOUT,
	OPT_JSON,
	OPT_CPU_LIMIT,
	OPT_MEMORY,
	OPT_MEMORY_LIMIT,
	OPT_DISK,
	OPT_VCPUS,
};

/**
 * struct ask - what a command line asks for
 * @which: name or id
 * @to: another name
 * @takes_to: it is wanted
 * @force: end it if nothing else helps
 * @json: print JSON
 * @timeout: seconds, -1: as long as it takes
 * @has: options that were given, as HAS() has them
 * @percent: --cpu-limit
 * @memory: --memory
 * @memory_limit: --memory-limit
 * @disk: --disk
 * @disk_size: its size
 * @disk_file: its image, if that is qcow2
 * @vcpus: --vcpus
 * @err: what is wrong
 */
struct ask {
	const char *which, *to;
	bool takes_to, force, json;
	int timeout;
	unsigned int has;
	unsigned long percent, disk, vcpus;
	uint64_t memory, memory_limit, disk_size;
	const char *disk_file;
	struct error err;
};

#define HAS(opt) (1u << ((opt) % OPT_FORCE))

static const struct argp_option stop_options[] = {
	{ "timeout", OPT_TIMEOUT, "SECONDS", 0, "how long to wait for it (default: 30)", 0 },
	{ "force", OPT_FORCE, NULL, 0, "end it if it does not power off", 0 },
	{ 0 },
};

static const struct argp_option wait_options[] = {
	{ "timeout", OPT_TIMEOUT, "SECONDS", 0, "how long (default: for ever)", 0 },
	{ 0 },
};

static const struct argp_option json_options[] = {
	{ "json", OPT_JSON, NULL, 0, "print JSON", 0 },
	{ 0 },
};

static const struct argp_option set_options[] = {
	{ "cpu-limit", OPT_CPU_LIMIT, "PERCENT", 0,
	  "of a processor, for all vCPUs together; 0: no limit", 0 },
	{ "memory", OPT_MEMORY, "SIZE", 0,
	  "what the guest shall have: less by its balloon, more up to the max of vmctl run", 0 },
	{ "memory-limit", OPT_MEMORY_LIMIT, "SIZE", 0, "what may be resident; 0: no limit", 0 },
	{ "disk", OPT_DISK, "N=SIZE[,FILE]", 0, "make disk N, from 0 on, larger", 0 },
	{ "vcpus", OPT_VCPUS, "N", 0, "how many vCPUs there shall be", 0 },
	{ "timeout", OPT_TIMEOUT, "SECONDS", 0,
	  "how long to wait until the guest lets vCPUs go (default: 30)", 0 },
	{ 0 },
};

static int parse_disk(struct ask *a, char *arg)
{
	char *size = strchr(arg, '=');
	char *comma = size ? strchr(size, ',') : NULL;

	if (size)
		*size++ = '\0';
	if (comma)
		*comma++ = '\0';
	a->disk_file = comma;
	if (!size || count_parse(arg, 0, 7, &a->disk) || size_parse(size, &a->disk_size))
		return fault(&a->err, EX_USAGE, "disk must be N=SIZE[,FILE], such as 0=20G");
	return 0;
}

static int parse_size(struct ask *a, const char *what, const char *arg, uint64_t *bytes)
{
	if (size_parse(arg, bytes))
		return fault(&a->err, EX_USAGE, "%s: \"%s\" is not a size (try 512M)", what, arg);
	return 0;
}

static int parse_value(struct ask *a, int key, char *arg)
{
	unsigned long seconds;

	switch (key) {
	case OPT_FORCE:
		a->force = true;
		return 0;
	case OPT_JSON:
		a->json = true;
		return 0;
	case OPT_TIMEOUT:
		if (count_parse(arg, 0, TIMEOUT_MAX, &seconds))
			return fault(&a->err, EX_USAGE,
				     "timeout must be 0 to %d seconds, not \"%s\"", TIMEOUT_MAX,
				     arg);
		a->timeout = (int)seconds;
		return 0;
	case OPT_CPU_LIMIT:
		if (count_parse(arg, 0, 102400, &a->percent))
			return fault(&a->err, EX_USAGE, "cpu-limit must be percent, not \"%s\"",
				     arg);
		return 0;
	case OPT_MEMORY:
		return parse_size(a, "memory", arg, &a->memory);
	case OPT_MEMORY_LIMIT:
		return parse_size(a, "memory-limit", arg, &a->memory_limit);
	case OPT_DISK:
		return parse_disk(a, arg);
	case OPT_VCPUS:
		if (count_parse(arg, 1, 1024, &a->vcpus))
			return fault(&a->err, EX_USAGE, "vcpus must be a number, not \"%s\"", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse_opt(int key, char *arg, struct argp_state *state)
{
	struct ask *a = state->input;
	int ret;

	if (key == ARGP_KEY_ARG) {
		if (a->which && (a->to || !a->takes_to))
			argp_error(state, "unexpected argument \"%s\"", arg);
		*(a->which ? &a->to : &a->which) = arg;
		return 0;
	}
	if (key == ARGP_KEY_END) {
		if (!a->which)
			argp_error(state, "which VM? Its name or its id is needed");
		if (a->takes_to && !a->to)
			argp_error(state, "which name shall it have?");
		return 0;
	}
	ret = parse_value(a, key, arg);
	if (ret == -1)
		exit(report(&a->err));
	if (!ret)
		a->has |= HAS(key);
	return ret;
}

static int parse(struct ask *a, const struct argp_option *options, int argc, char **argv)
{
	const struct argp argp = {
		.options = options,
		.parser = parse_opt,
		.args_doc = a->takes_to ? "NAME|ID NAME" : "NAME|ID",
		.doc = "\vvmctl(8) describes it.\n",
	};

	return argp_parse(&argp, argc, argv, 0, NULL, a) ? EX_USAGE : 0;
}

/* ---- requests ---- */

static int ask_for(int fd, json_t *request, struct error *err)
{
	json_t *answer = control_request(fd, request, err);

	json_decref(answer);
	return answer ? 0 : -1;
}

static int ask_simply(int fd, const char *cmd, struct error *err)
{
	return ask_for(fd, json_pack("{s:s}", "cmd", cmd), err);
}

/* Ask for something; 1; 0 with *status: the VM's end is the answer; -1: *err. */
static int ask_or_end(int fd, const char *cmd, int *status, struct error *err)
{
	json_t *answer = control_request(fd, json_pack("{s:s}", "cmd", cmd), err), *ended;
	int ret;

	if (!answer)
		return -1;
	ended = json_object_get(answer, "status");
	*status = (int)json_integer_value(ended);
	ret = !ended;
	json_decref(answer);
	return ret;
}

/* The VM's end within a time; 0 with *status, 1: not yet, -1: *err. */
static int await_end(int fd, int seconds, int *status, struct error *err)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	json_t *line;
	int ret;

	do {
		ret = poll(&p, 1, seconds < 0 ? -1 : seconds * 1000);
	} while (ret < 0 && errno == EINTR);
	if (!ret)
		return 1;
	line = control_read(fd, err);
	if (!line)
		return -1;
	*status = (int)json_integer_value(json_object_get(line, "status"));
	json_decref(line);
	return 0;
}

static int connect_to(const struct target *t, struct error *err)
{
	return control_connect(t->vm.owner, t->vm.name[0] ? t->vm.name : "-", err);
}

/* A VM of another client: it is gone when it is not listed any more. */
static int watch_out(struct target *t, int seconds, struct error *err)
{
	int left = seconds < 0 ? 1 : seconds * 1000;
	struct fleet_vm *vms = NULL;
	bool there = true;
	size_t count, i;

	while (left > 0) {
		if (fleet_list(t->fleet, &vms, &count, err))
			return -1;
		for (there = false, i = 0; i < count; i++)
			there |= vms[i].id == t->vm.id;
		free(vms);
		if (!there)
			return 0;
		usleep(POLL_MS * 1000);
		left -= seconds < 0 ? 0 : POLL_MS;
	}
	return 1;
}

/* ---- stop ---- */

/* A VM that has no control socket, whose client the kernel can tell. */
static int stop_by_kernel(const struct ask *a, struct target *t, struct error *err)
{
	int ret, timeout = a->timeout < 0 ? STOP_TIMEOUT : a->timeout;

	ret = fleet_command(t->fleet, VMM_CMD_VM_POWER, t->vm.id, err);
	if (!ret)
		ret = watch_out(t, timeout, err);
	if (!ret || (ret < 0 && !a->force))
		return ret;
	if (a->force)
		return fleet_command(t->fleet, VMM_CMD_VM_KILL, t->vm.id, err);
	return fault(err, 1, "VM %s has not powered off within %d s; --force ends it", t->vm.name,
		     timeout);
}

static int press_and_wait(const struct ask *a, const struct target *t, int fd, struct error *err)
{
	int status, timeout = a->timeout < 0 ? STOP_TIMEOUT : a->timeout;
	int ret = ask_or_end(fd, "wait", &status, err);

	if (ret != 1)
		return ret;
	if (t->vm.state == VMM_VM_PAUSED && !a->force)
		return fault(err, 1, "VM %s is paused: resume it first, or end it by --force",
			     t->vm.name);
	if (t->vm.state != VMM_VM_PAUSED) {
		ret = ask_or_end(fd, "power-button", &status, err);
		if (ret == 1)
			ret = await_end(fd, timeout, &status, err);
	}
	/* Where there is no button nobody need wait. */
	if (!ret || (ret < 0 && !a->force))
		return ret;
	if (!a->force)
		return fault(err, 1, "VM %s has not powered off within %d s; --force ends it",
			     t->vm.name, timeout);
	ret = ask_or_end(fd, "quit", &status, err);
	return ret == 1 ? await_end(fd, -1, &status, err) : ret;
}

int cmd_stop(int argc, char **argv)
{
	struct ask a = { .timeout = -1 };
	struct error err;
	struct target t;
	int status, fd, ret;

	if (parse(&a, stop_options, argc, argv))
		return EX_USAGE;
	status = target_find(&t, a.which);
	if (status)
		return status;
	fd = connect_to(&t, &err);
	if (fd < 0 && err.status == 1)
		ret = stop_by_kernel(&a, &t, &err);
	else
		ret = fd < 0 ? -1 : press_and_wait(&a, &t, fd, &err);
	if (ret)
		status = report(&err);
	if (fd >= 0)
		close(fd);
	target_close(&t);
	return status;
}

/* ---- wait ---- */

static int wait_for(const struct ask *a, struct target *t, int *status, struct error *err)
{
	int fd = connect_to(t, err), ret;

	*status = 0;
	if (fd < 0)
		return err->status == 1 ? watch_out(t, a->timeout, err) : -1;
	ret = ask_or_end(fd, "wait", status, err);
	if (ret == 1)
		ret = await_end(fd, a->timeout, status, err);
	close(fd);
	return ret;
}

int cmd_wait(int argc, char **argv)
{
	struct ask a = { .timeout = -1 };
	struct error err;
	struct target t;
	int status, ret;

	if (parse(&a, wait_options, argc, argv))
		return EX_USAGE;
	ret = target_find(&t, a.which);
	if (ret)
		return ret;
	ret = wait_for(&a, &t, &status, &err);
	if (ret > 0)
		fault(&err, EX_TEMPFAIL, "VM %s has not ended within %d s", t.vm.name, a.timeout);
	target_close(&t);
	return ret ? report(&err) : status;
}

/* ---- set ---- */

static int set_by_kernel(const struct ask *a, const struct target *t, struct error *err)
{
	if (a->has & HAS(OPT_CPU_LIMIT) &&
	    fleet_limit_cpu(t->fleet, t->vm.id, (uint32_t)a->percent, err))
		return -1;
	if (a->has & HAS(OPT_MEMORY_LIMIT) &&
	    fleet_limit_memory(t->fleet, t->vm.id, a->memory_limit, err))
		return -1;
	return 0;
}

static int vcpus_of(int fd, struct error *err)
{
	json_t *answer = control_request(fd, json_pack("{s:s}", "cmd", "info"), err);
	int n = answer ? (int)json_integer_value(json_object_get(answer, "cpus")) : -1;

	json_decref(answer);
	return n;
}

/* Others come at once; the guest takes its time to let them go, and may refuse. */
static int set_vcpus(const struct ask *a, const struct target *t, int fd, struct error *err)
{
	int left = (a->timeout < 0 ? STOP_TIMEOUT : a->timeout) * 1000, n;

	if (ask_for(fd, json_pack("{s:s, s:i}", "cmd", "vcpus", "count", (int)a->vcpus), err))
		return -1;
	while ((n = vcpus_of(fd, err)) != (int)a->vcpus) {
		if (n < 0)
			return -1;
		if (left <= 0)
			return fault(err, 1, "VM %s still has %d vCPUs: its guest has not let go",
				     t->vm.name, n);
		usleep(POLL_MS * 1000);
		left -= POLL_MS;
	}
	return 0;
}

static int set_by_client(const struct ask *a, const struct target *t, struct error *err)
{
	int fd, ret = 0;

	if (!(a->has & (HAS(OPT_MEMORY) | HAS(OPT_DISK) | HAS(OPT_VCPUS))))
		return 0;
	fd = connect_to(t, err);
	if (fd < 0)
		return -1;
	if (a->has & HAS(OPT_MEMORY))
		ret = ask_for(fd,
			      json_pack("{s:s, s:I}", "cmd", "memory", "bytes",
					(json_int_t)a->memory),
			      err);
	if (!ret && a->has & HAS(OPT_DISK))
		ret = disk_size_set(fd, (unsigned int)a->disk, a->disk_size, a->disk_file, err);
	if (!ret && a->has & HAS(OPT_VCPUS))
		ret = set_vcpus(a, t, fd, err);
	close(fd);
	return ret;
}

int cmd_set(int argc, char **argv)
{
	struct ask a = { .timeout = -1 };
	struct error err;
	struct target t;
	int status;

	if (parse(&a, set_options, argc, argv))
		return EX_USAGE;
	if (!(a.has & ~HAS(OPT_TIMEOUT))) {
		fault(&err, EX_USAGE,
		      "set what? --cpu-limit, --memory, --memory-limit, --disk or --vcpus");
		return report(&err);
	}
	status = target_find(&t, a.which);
	if (status)
		return status;
	if (set_by_kernel(&a, &t, &err) || set_by_client(&a, &t, &err))
		status = report(&err);
	target_close(&t);
	return status;
}

/* ---- rename ---- */

static int rename_vm(const struct ask *a, const struct target *t, struct error *err)
{
	int fd = connect_to(t, err), ret;

	/* The socket's name changes too; a VM of another client has none. */
	if (fd < 0)
		return err->status == 1 ? fleet_name(t->fleet, t->vm.id, a->to, err) : -1;
	ret = ask_for(fd, json_pack("{s:s, s:s}", "cmd", "rename", "name", a->to), err);
	close(fd);
	return ret;
}

int cmd_rename(int argc, char **argv)
{
	static const struct argp_option none[] = { { 0 } };
	struct ask a = { .takes_to = true };
	struct error err;
	struct target t;
	int status;

	if (parse(&a, none, argc, argv))
		return EX_USAGE;
	status = target_find(&t, a.which);
	if (status)
		return status;
	if (rename_vm(&a, &t, &err))
		status = report(&err);
	target_close(&t);
	return status;
}

/* ---- stats ---- */

static void print_stats(const json_t *stats)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)stats, name, value)
		printf("%s %" JSON_INTEGER_FORMAT "\n", name, json_integer_value(value));
}

int cmd_stats(int argc, char **argv)
{
	json_t *answer = NULL;
	struct ask a = { 0 };
	struct error err;
	struct target t;
	int status, fd;

	if (parse(&a, json_options, argc, argv))
		return EX_USAGE;
	status = target_find(&t, a.which);
	if (status)
		return status;
	fd = connect_to(&t, &err);
	if (fd >= 0)
		answer = control_request(fd, json_pack("{s:s}", "cmd", "stats"), &err);
	if (!answer)
		status = report(&err);
	else if (a.json)
		print_json(json_incref(json_object_get(answer, "stats")));
	else
		print_stats(json_object_get(answer, "stats"));
	json_decref(answer);
	if (fd >= 0)
		close(fd);
	target_close(&t);
	return status;
}

/* ---- console ---- */

/* What was typed, without the escape key: false: detach. */
static bool send_typed(int fd, const uint8_t *data, size_t len, bool tty, bool *escape)
{
	uint8_t out[512];
	size_t i, n = 0;

	for (i = 0; i < len; i++) {
		if (tty && *escape && data[i] == DETACH_KEY)
			return false;
		if (tty && !*escape && data[i] == ESCAPE_KEY) {
			*escape = true;
			continue;
		}
		*escape = false;
		out[n++] = data[i];
	}
	return !n || send(fd, out, n, MSG_NOSIGNAL) == (ssize_t)n;
}

/* Until the VM ends, 0; the user detaches, 0; or nobody reads what it writes, 1. */
static int follow(int fd)
{
	struct pollfd p[2] = { { STDIN_FILENO, POLLIN, 0 }, { fd, POLLIN, 0 } };
	bool tty = terminal_raw(), escape = false;
	uint8_t data[512];
	ssize_t n;

	for (;;) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return 1;
		if (p[1].revents) {
			n = recv(fd, data, sizeof(data), 0);
			if (n <= 0)
				return 0;
			if (write(STDOUT_FILENO, data, (size_t)n) != n)
				return 1;
		}
		if (p[0].revents) {
			n = read(STDIN_FILENO, data, sizeof(data));
			/* The end of a file that was sent does not end the console. */
			if (n <= 0)
				p[0].fd = -1;
			else if (!send_typed(fd, data, (size_t)n, tty, &escape))
				return 0;
		}
	}
}

int cmd_console(int argc, char **argv)
{
	static const struct argp_option none[] = { { 0 } };
	struct ask a = { 0 };
	struct error err;
	struct target t;
	int status, fd;

	if (parse(&a, none, argc, argv))
		return EX_USAGE;
	status = target_find(&t, a.which);
	if (status)
		return status;
	fd = connect_to(&t, &err);
	if (fd < 0 || ask_simply(fd, "console", &err)) {
		status = report(&err);
	} else {
		terminal_guard();
		if (isatty(STDIN_FILENO))
			fputs("(Ctrl-] d detaches)\r\n", stderr);
		status = follow(fd) ? EX_IOERR : 0;
		terminal_restore();
	}
	if (fd >= 0)
		close(fd);
	target_close(&t);
	return status;
}
