// SPDX-License-Identifier: GPL-2.0
/* vmctl list, show, pause, resume, reset, kill, events: the VMs of this host, whoever runs them. */
#include <argp.h>
#include <inttypes.h>
#include <jansson.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "control/client.h"
#include "fleet_verbs.h"
#include "vmctl.h"

enum { OPT_JSON = 0x100 };

#define AWAIT_SECONDS 150 /* for a VM that is being made: as long as a command for it waits */
#define AWAIT_TRIES   10

/* struct request - what was asked for; which: name or id of a VM */
struct request {
	const char *which;
	bool json, takes_json, takes_vm;
};

static const struct argp_option options[] = {
	{ "json", OPT_JSON, NULL, 0, "print JSON", 0 },
	{ 0 },
};

static error_t parse_opt(int key, char *arg, struct argp_state *state)
{
	struct request *r = state->input;

	switch (key) {
	case OPT_JSON:
		r->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (!r->takes_vm || r->which)
			argp_error(state, "unexpected argument \"%s\"", arg);
		r->which = arg;
		return 0;
	case ARGP_KEY_END:
		if (r->takes_vm && !r->which)
			argp_error(state, "which VM? Its name or its id is needed");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int parse(struct request *r, int argc, char **argv)
{
	const struct argp argp = {
		.options = r->takes_json ? options : options + 1,
		.parser = parse_opt,
		.args_doc = r->takes_vm ? "NAME|ID" : NULL,
		.doc = "\vvmctl(8) describes it.\n",
	};

	return argp_parse(&argp, argc, argv, 0, NULL, r);
}

const char *owner_name(uint32_t uid, char *buf, size_t size)
{
	const struct passwd *pw = getpwuid(uid);

	if (pw)
		snprintf(buf, size, "%s", pw->pw_name);
	else
		snprintf(buf, size, "%u", uid);
	return buf;
}

static const char *size_text(uint64_t bytes, char *buf, size_t size)
{
	snprintf(buf, size, "%" PRIu64 "M", (bytes + (1 << 20) - 1) >> 20);
	return buf;
}

const char *uptime_text(uint64_t ns, char *buf, size_t size)
{
	uint64_t s = ns / 1000000000;

	if (s >= 86400)
		snprintf(buf, size, "%" PRIu64 "d%02u:%02u", s / 86400,
			 (unsigned int)(s / 3600 % 24), (unsigned int)(s / 60 % 60));
	else
		snprintf(buf, size, "%02u:%02u:%02u", (unsigned int)(s / 3600),
			 (unsigned int)(s / 60 % 60), (unsigned int)(s % 60));
	return buf;
}

int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

double cpu_percent(const struct fleet_vm *now, const struct fleet_vm *before)
{
	uint64_t ran = now->runtime, time = now->uptime;

	if (before) {
		/* A thread that has ended takes its time with it. */
		ran = ran > before->runtime ? ran - before->runtime : 0;
		time -= before->uptime;
	}
	return time ? 100.0 * (double)ran / (double)time : 0;
}

static void print_heading(FILE *out)
{
	fprintf(out, "%-5s %-20s %-10s %7s %-9s %5s %8s %8s %6s %s\n", "ID", "NAME", "OWNER", "PID",
		"STATE", "VCPUS", "MEM", "RSS", "CPU%", "UPTIME");
}

static void print_vm(FILE *out, const struct fleet_vm *vm)
{
	char owner[33], memory[24], resident[24], uptime[32];

	fprintf(out, "%-5" PRIu64 " %-20s %-10s %7u %-9s %5u %8s %8s %6.1f %s\n", vm->id,
		vm->name[0] ? vm->name : "-", owner_name(vm->owner, owner, sizeof(owner)), vm->pid,
		fleet_state_name(vm->state), vm->vcpus,
		size_text(vm->memory, memory, sizeof(memory)),
		size_text(vm->resident, resident, sizeof(resident)), cpu_percent(vm, NULL),
		uptime_text(vm->uptime, uptime, sizeof(uptime)));
}

static const char *uuid_text(const uint8_t *u, char *buf)
{
	static const char digits[] = "0123456789abcdef";
	char *at = buf;
	int i;

	for (i = 0; i < VMM_VM_UUID_SIZE; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*at++ = '-';
		*at++ = digits[u[i] >> 4];
		*at++ = digits[u[i] & 15];
	}
	*at = 0;
	return buf;
}

/* What changes all the time. */
static json_t *figures_json(const struct fleet_vm *vm)
{
	return json_pack("{s:I, s:I, s:I, s:I}", "exits", (json_int_t)vm->exits, "steal_ns",
			 (json_int_t)vm->steal, "uptime_ns", (json_int_t)vm->uptime, "runtime_ns",
			 (json_int_t)vm->runtime);
}

/* {"CPUID": {"count": 3, "cycles": 5000}, ...} */
static json_t *kinds_json(const struct fleet_vm *vm)
{
	json_t *all = json_object();
	unsigned int i;

	for (i = 0; i < vm->kinds; i++)
		json_object_set_new(all, vm->kind[i].name,
				    json_pack("{s:I, s:I}", "count", (json_int_t)vm->kind[i].count,
					      "cycles", (json_int_t)vm->kind[i].cycles));
	return all;
}

static void show_kinds(const struct fleet_vm *vm)
{
	unsigned int i;

	for (i = 0; i < vm->kinds; i++) {
		const struct fleet_exit *kind = &vm->kind[i];

		printf("  %-24s %12" PRIu64, kind->name, kind->count);
		if (kind->cycles)
			printf(" %16" PRIu64 " cycles", kind->cycles);
		putchar('\n');
	}
}

json_t *vm_json(const struct fleet_vm *vm)
{
	json_t *all, *figures = figures_json(vm);
	char uuid[40];

	all = json_pack("{s:I, s:s?, s:s, s:I, s:I, s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "id",
			(json_int_t)vm->id, "name", vm->name[0] ? vm->name : NULL, "uuid",
			uuid_text(vm->uuid, uuid), "owner", (json_int_t)vm->owner, "pid",
			(json_int_t)vm->pid, "comm", vm->comm, "state", fleet_state_name(vm->state),
			"vcpus", (json_int_t)vm->vcpus, "memory", (json_int_t)vm->memory,
			"resident", (json_int_t)vm->resident, "cpu_limit",
			(json_int_t)vm->cpu_limit, "memory_limit", (json_int_t)vm->memory_limit);
	json_object_set_new(all, "given",
			    vm->given == VMM_GIVEN_UNKNOWN ? json_null()
							   : json_integer((json_int_t)vm->given));
	json_object_set_new(all, "exit_kinds", kinds_json(vm));
	json_object_update(all, figures);
	json_decref(figures);
	return all;
}

void print_json(json_t *value)
{
	json_dumpf(value, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(value);
}

static void print_list(const struct fleet_vm *vms, size_t count, bool json)
{
	json_t *list = json ? json_array() : NULL;
	size_t i;

	if (!json)
		print_heading(stdout);
	for (i = 0; i < count; i++) {
		if (json)
			json_array_append_new(list, vm_json(&vms[i]));
		else
			print_vm(stdout, &vms[i]);
	}
	if (json)
		print_json(list);
}

static bool is_called(const struct fleet_vm *vm, const char *which)
{
	char *end;

	/* No name begins with a digit. */
	if (which[0] >= '0' && which[0] <= '9')
		return strtoull(which, &end, 10) == vm->id && !*end;
	return !strcmp(vm->name, which);
}

/* How many are called so; *found is the last of them. */
static unsigned int count_called(const struct fleet_vm *vms, size_t count, const char *which,
				 const struct fleet_vm **found)
{
	unsigned int n = 0;
	size_t i;

	for (i = 0; i < count; i++) {
		if (!is_called(&vms[i], which))
			continue;
		*found = &vms[i];
		n++;
	}
	return n;
}

/* It is not the one, as there are n of them: the candidates. */
static void print_candidates(const struct fleet_vm *vms, size_t count, const char *which,
			     unsigned int n)
{
	size_t i;

	fprintf(stderr, "vmctl: %s \"%s\"%s\n", n ? "more than one VM is called" : "there is no VM",
		which, count ? ":" : "; there is none at all");
	if (count)
		print_heading(stderr);
	for (i = 0; i < count; i++)
		if (!n || is_called(&vms[i], which))
			print_vm(stderr, &vms[i]);
}

static void show(const struct fleet_vm *vm)
{
	char buf[64];

	printf("id        %" PRIu64 "\nname      %s\n", vm->id, vm->name[0] ? vm->name : "-");
	printf("uuid      %s\n", uuid_text(vm->uuid, buf));
	printf("owner     %s\n", owner_name(vm->owner, buf, sizeof(buf)));
	printf("pid       %u (%s)\n", vm->pid, vm->comm);
	printf("state     %s\nvcpus     %u\n", fleet_state_name(vm->state), vm->vcpus);
	printf("memory    %s\n", size_text(vm->memory, buf, sizeof(buf)));
	printf("resident  %s\n", size_text(vm->resident, buf, sizeof(buf)));
	printf("given     %s\n",
	       vm->given == VMM_GIVEN_UNKNOWN ? "-" : size_text(vm->given, buf, sizeof(buf)));
	printf("exits     %" PRIu64 "\nsteal     %" PRIu64 " ms\n", vm->exits, vm->steal / 1000000);
	printf("runtime   %" PRIu64 " ms\n", vm->runtime / 1000000);
	if (vm->cpu_limit)
		printf("cpu       at most %u%% of a processor\n", vm->cpu_limit);
	if (vm->memory_limit)
		printf("resident  at most %s\n", size_text(vm->memory_limit, buf, sizeof(buf)));
	printf("uptime    %s\n", uptime_text(vm->uptime, buf, sizeof(buf)));
	show_kinds(vm);
}

/* 0; 1: it is not there, which is said if it shall; -2: it is not alone; -1: *err. */
static int look_up(struct target *t, const char *which, bool say, struct error *err)
{
	const struct fleet_vm *vm = NULL;
	struct fleet_vm *vms = NULL;
	size_t count = 0;
	unsigned int n;

	if (fleet_list(t->fleet, &vms, &count, err))
		return -1;
	n = count_called(vms, count, which, &vm);
	if (n == 1)
		t->vm = *vm;
	else if (n || say)
		print_candidates(vms, count, which, n);
	free(vms);
	return n == 1 ? 0 : n ? -2 : 1;
}

/*
 * Likewise; if it is being made it is waited for. A reset makes a VM anew: in between there is none
 * of its name, but its control socket waits.
 */
static int seek(struct target *t, const char *which, struct error *err)
{
	int ret = look_up(t, which, false, err), tries;

	/* It may have been reset again since it answered. */
	for (tries = 0; ret == 1 && tries < AWAIT_TRIES; tries++) {
		if (!control_await(geteuid(), which, AWAIT_SECONDS))
			break;
		ret = look_up(t, which, false, err);
	}
	return ret == 1 ? look_up(t, which, true, err) : ret;
}

int target_find(struct target *t, const char *which)
{
	struct error err = { 0 };
	int ret;

	t->fleet = fleet_open(&err);
	ret = t->fleet ? seek(t, which, &err) : -1;
	if (!ret)
		return 0;
	target_close(t);
	return ret == -1 ? report(&err) : 1;
}

void target_close(struct target *t)
{
	fleet_close(t->fleet);
	t->fleet = NULL;
}

int cmd_list(int argc, char **argv)
{
	struct request r = { .takes_json = true };
	struct fleet_vm *vms = NULL;
	struct error err = { 0 };
	struct fleet *fleet;
	size_t count = 0;
	int status = 0;

	if (parse(&r, argc, argv))
		return EX_USAGE;
	fleet = fleet_open(&err);
	if (!fleet || fleet_list(fleet, &vms, &count, &err))
		status = report(&err);
	else
		print_list(vms, count, r.json);
	free(vms);
	fleet_close(fleet);
	return status;
}

int cmd_show(int argc, char **argv)
{
	struct request r = { .takes_json = true, .takes_vm = true };
	struct target t;
	int status;

	if (parse(&r, argc, argv))
		return EX_USAGE;
	status = target_find(&t, r.which);
	if (status)
		return status;
	if (r.json)
		print_json(vm_json(&t.vm));
	else
		show(&t.vm);
	target_close(&t);
	return 0;
}

/* Once more if it was refused: what a reset has just made anew may not have been whole yet. */
static int command_called(struct target *t, const char *which, int cmd, struct error *err)
{
	struct target now = { .fleet = t->fleet };
	struct error ignored = { 0 };

	if (!fleet_command(t->fleet, cmd, t->vm.id, err))
		return 0;
	control_await(geteuid(), which, AWAIT_SECONDS);
	if (seek(&now, which, &ignored))
		return -1;
	return fleet_command(t->fleet, cmd, now.vm.id, err);
}

static int order(int cmd, int argc, char **argv)
{
	struct request r = { .takes_vm = true };
	struct error err = { 0 };
	struct target t;
	int status;

	if (parse(&r, argc, argv))
		return EX_USAGE;
	status = target_find(&t, r.which);
	if (status)
		return status;
	status = command_called(&t, r.which, cmd, &err) ? report(&err) : 0;
	target_close(&t);
	return status;
}

int cmd_pause(int argc, char **argv)
{
	return order(VMM_CMD_VM_PAUSE, argc, argv);
}

int cmd_resume(int argc, char **argv)
{
	return order(VMM_CMD_VM_RESUME, argc, argv);
}

int cmd_reset(int argc, char **argv)
{
	return order(VMM_CMD_VM_RESET, argc, argv);
}

int cmd_kill(int argc, char **argv)
{
	return order(VMM_CMD_VM_KILL, argc, argv);
}

/* A line at a time: whoever reads a pipe wants to know now. Other than 0: nobody reads any more. */
static int print_event(const struct fleet_event *e)
{
	printf("%-5" PRIu64 " %-20s %s%s%s", e->vm, e->name[0] ? e->name : "-",
	       fleet_event_name(e->kind), e->reason[0] ? ": " : "", e->reason);
	if (e->has_vcpu)
		printf(": vCPU %u", e->vcpu);
	putchar('\n');
	return fflush(stdout);
}

static int print_event_json(const struct fleet_event *e)
{
	json_t *all = json_pack("{s:I, s:I, s:s?, s:I, s:s, s:s?}", "seq", (json_int_t)e->seq, "id",
				(json_int_t)e->vm, "name", e->name[0] ? e->name : NULL, "owner",
				(json_int_t)e->owner, "event", fleet_event_name(e->kind), "reason",
				e->reason[0] ? e->reason : NULL);

	if (e->has_vcpu)
		json_object_set_new(all, "vcpu", json_integer(e->vcpu));
	print_json(all);
	return fflush(stdout);
}

int cmd_events(int argc, char **argv)
{
	struct request r = { .takes_json = true };
	struct error err = { 0 };
	struct fleet *fleet;
	int status = 0;

	if (parse(&r, argc, argv))
		return EX_USAGE;
	fleet = fleet_open(&err);
	if (!fleet || fleet_watch(fleet, r.json ? print_event_json : print_event, &err))
		status = report(&err);
	fleet_close(fleet);
	return status;
}
