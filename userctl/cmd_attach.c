// SPDX-License-Identifier: GPL-2.0
/* vmctl attach, detach: disks and network cards of VMs that run. */
#include <argp.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/client.h"
#include "device_text.h"
#include "devices/virtio_blk.h"
#include "devices/virtio_net.h"
#include "files.h"
#include "fleet_verbs.h"
#include "machine/machine.h"
#include "units.h"
#include "vmctl.h"

#define DETACH_TIMEOUT 30
#define TIMEOUT_MAX    86400

enum { OPT_JSON = 0x100, OPT_TIMEOUT };

/**
 * struct ask - what a command line asks for
 * @word: arguments: the VM, what it is about, and the rest of that
 * @words: how many
 * @most: that there can be
 * @json: print JSON
 * @timeout: seconds
 */
struct ask {
	const char *word[3];
	unsigned int words, most;
	bool json;
	unsigned int timeout;
};

static const struct argp_option attach_options[] = {
	{ "json", OPT_JSON, NULL, 0, "print JSON", 0 },
	{ 0 },
};

static const struct argp_option detach_options[] = {
	{ "json", OPT_JSON, NULL, 0, "print JSON", 0 },
	{ "timeout", OPT_TIMEOUT, "SECONDS", 0, "how long to wait for the guest (default: 30)", 0 },
	{ 0 },
};

static int parse_timeout(struct ask *a, const char *arg)
{
	unsigned long seconds;
	struct error err;

	if (!count_parse(arg, 0, TIMEOUT_MAX, &seconds)) {
		a->timeout = (unsigned int)seconds;
		return 0;
	}
	fault(&err, EX_USAGE, "timeout must be 0 to %d seconds, not \"%s\"", TIMEOUT_MAX, arg);
	exit(report(&err));
}

static error_t parse_opt(int key, char *arg, struct argp_state *state)
{
	struct ask *a = state->input;

	switch (key) {
	case OPT_JSON:
		a->json = true;
		return 0;
	case OPT_TIMEOUT:
		return parse_timeout(a, arg);
	case ARGP_KEY_ARG:
		if (a->words == a->most)
			argp_error(state, "unexpected argument \"%s\"", arg);
		a->word[a->words++] = arg;
		return 0;
	case ARGP_KEY_END:
		if (!a->words)
			argp_error(state, "which VM? Its name or its id is needed");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int parse(struct ask *a, const struct argp_option *options, const char *args, int argc,
		 char **argv)
{
	const struct argp argp = {
		.options = options,
		.parser = parse_opt,
		.args_doc = args,
		.doc = "\vvmctl(8) describes it.\n",
	};

	return argp_parse(&argp, argc, argv, 0, NULL, a) ? EX_USAGE : 0;
}

static int connect_to(const struct target *t, struct error *err)
{
	return control_connect(t->vm.owner, t->vm.name[0] ? t->vm.name : "-", err);
}

/* ---- attach ---- */

static void print_device(const json_t *device)
{
	const char *what = json_string_value(json_object_get(device, "file"));
	const char *interface = json_string_value(json_object_get(device, "interface"));
	const char *format = json_string_value(json_object_get(device, "format"));
	int queues = (int)json_integer_value(json_object_get(device, "queues"));
	bool vhost = json_is_true(json_object_get(device, "vhost"));
	char many[32] = "";

	if (!what)
		what = json_string_value(json_object_get(device, "network"));
	if (queues > 1)
		snprintf(many, sizeof(many), ", %d queues", queues);
	printf("%-6s %4d  %s%s%s%s%s%s%s%s\n", json_string_value(json_object_get(device, "id")),
	       (int)json_integer_value(json_object_get(device, "slot")), what, interface ? " " : "",
	       interface ? interface : "", format && strcmp(format, "raw") ? ", qcow2" : "", many,
	       vhost ? ", vhost" : "",
	       json_is_true(json_object_get(device, "readonly")) ? ", read-only" : "",
	       json_is_true(json_object_get(device, "leaving")) ? ", asked to go" : "");
}

static int list_devices(const struct ask *a, int fd, struct error *err)
{
	json_t *answer = control_request(fd, json_pack("{s:s}", "cmd", "devices"), err);
	json_t *devices = json_object_get(answer, "devices"), *device;
	size_t i;

	if (!answer)
		return -1;
	if (a->json) {
		print_json(json_incref(devices));
	} else {
		printf("%-6s %4s  %s\n", "ID", "SLOT", "WHAT");
		json_array_foreach(devices, i, device) print_device(device);
	}
	json_decref(answer);
	return 0;
}

/* The VM's process may be in another folder. */
static char *absolute(const char *path, struct error *err)
{
	char *folder, *full = NULL;

	if (path[0] == '/' || !path[0])
		return strdup(path);
	folder = getcwd(NULL, 0);
	if (!folder || asprintf(&full, "%s/%s", folder, path) < 0) {
		fault_errno(err, EX_OSERR, errno, "this folder's path");
		full = NULL;
	}
	free(folder);
	return full;
}

/**
 * struct opened - what the VM is passed
 * @file: descriptors
 * @files: how many
 * @server: the image's, or 0
 */
struct opened {
	int file[FILES_OFFERED_MAX];
	unsigned int files;
	pid_t server;
};

/* An error without a status is that there is nothing to open. */
static int open_disk(struct opened *o, char *spec, struct error *err)
{
	struct disk_config disk = { 0 };

	if (disk_parse(&disk, spec, err))
		return -1;
	err->status = 0;
	o->file[0] = virtio_blk_open("disk", &disk.image, &o->server, err);
	o->files = o->file[0] >= 0;
	return err->status ? -1 : 0;
}

static int open_net(struct opened *o, char *spec, struct error *err)
{
	struct net_config net = { 0 };
	int nodes;

	if (net_parse(&net, spec, err))
		return -1;
	if (!net.tap)
		return 0;
	if (net_tap_open(net.ifname, net.queues, o->file, err))
		return -1;
	o->files = net.queues;
	nodes = net_vhost_open(&net, o->file + o->files, err);
	if (nodes < 0)
		return -1;
	o->files += (unsigned int)nodes;
	return 0;
}

/* The VM's process opens no files any more: it is passed what the caller may open. */
static int open_device(struct opened *o, bool disk, const char *spec, struct error *err)
{
	char *text = strdup(spec);
	int ret;

	if (text)
		ret = disk ? open_disk(o, text, err) : open_net(o, text, err);
	else
		ret = fault(err, EX_OSERR, "out of memory");
	free(text);
	/* What is wrong with a device has that status, whoever finds it. */
	if (ret)
		err->status = 1;
	return ret;
}

static void close_opened(const struct opened *o, bool refused)
{
	unsigned int i;

	for (i = 0; i < o->files; i++)
		close(o->file[i]);
	if (refused && o->server)
		kill(o->server, SIGTERM);
}

static int attach(const struct ask *a, int fd, struct error *err)
{
	bool disk = !strcmp(a->word[1], "disk");
	char *spec = disk ? absolute(a->word[2], err) : strdup(a->word[2]);
	struct opened o = { .files = 0 };
	json_t *answer = NULL;

	if (!spec)
		return -1;
	if (!open_device(&o, disk, spec, err))
		answer = control_request_files(fd,
					       json_pack("{s:s, s:s, s:s}", "cmd", "attach",
							 "device", a->word[1], "spec", spec),
					       o.file, o.files, err);
	close_opened(&o, !answer);
	free(spec);
	if (!answer)
		return -1;
	if (a->json) {
		json_object_del(answer, "ok");
		print_json(json_incref(answer));
	} else {
		puts(json_string_value(json_object_get(answer, "id")));
	}
	json_decref(answer);
	return 0;
}

/* What is wrong before the VM is asked. */
static int check_attach(const struct ask *a)
{
	struct error err;

	if (a->words == 1)
		return 0;
	if (strcmp(a->word[1], "disk") && strcmp(a->word[1], "nic"))
		fault(&err, EX_USAGE, "what can be attached is a disk or a nic, not \"%s\"",
		      a->word[1]);
	else if (a->words == 2)
		fault(&err, EX_USAGE, "attach which %s? %s", a->word[1],
		      a->word[1][0] == 'd' ? "FILE[,format=qcow2][,ro] is needed"
					   : "user or tap=INTERFACE is needed");
	else
		return 0;
	return report(&err);
}

int cmd_attach(int argc, char **argv)
{
	struct ask a = { .most = 3 };
	struct error err;
	struct target t;
	int status, fd;

	if (parse(&a, attach_options, "NAME|ID [disk FILE[,format=FORMAT][,ro]|nic NETWORK]", argc,
		  argv))
		return EX_USAGE;
	status = check_attach(&a);
	if (status)
		return status;
	status = target_find(&t, a.word[0]);
	if (status)
		return status;
	fd = connect_to(&t, &err);
	if (fd < 0 || (a.words == 1 ? list_devices(&a, fd, &err) : attach(&a, fd, &err)))
		status = report(&err);
	if (fd >= 0)
		close(fd);
	target_close(&t);
	return status;
}

/* ---- detach ---- */

/* 1: there is a line, 0: not in time, -1: *err. */
static int await_line(int fd, int64_t until, struct error *err)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int64_t left;
	int ret;

	do {
		left = until - now_ms();
		ret = poll(&p, 1, left > 0 ? (int)left : 0);
	} while (ret < 0 && errno == EINTR);
	return ret < 0 ? fault_errno(err, EX_OSERR, errno, "control socket") : ret;
}

/* What comes next can be that the VM has ended, and the device with it. */
static int await_gone(const struct ask *a, const struct target *t, int fd, struct error *err)
{
	int ret = await_line(fd, now_ms() + (int64_t)a->timeout * 1000, err);
	json_t *line;

	if (ret < 0)
		return -1;
	if (!ret)
		return fault(err, 1,
			     "VM %s has not let go of %s within %u s (no ACPI hotplug?): %s",
			     t->vm.name, a->word[1], a->timeout, "a reset takes it out");
	line = control_read(fd, err);
	json_decref(line);
	return line ? 0 : -1;
}

static int detach(const struct ask *a, const struct target *t, int fd, struct error *err)
{
	json_t *request, *answer;

	if (t->vm.state == VMM_VM_PAUSED)
		return fault(err, 1,
			     "VM %s is paused, and its guest can let go of nothing: resume it",
			     t->vm.name);
	request = json_pack("{s:s, s:s}", "cmd", "detach", "id", a->word[1]);
	answer = control_request(fd, request, err);
	if (!answer)
		return -1;
	json_decref(answer);
	if (await_gone(a, t, fd, err))
		return -1;
	if (a->json)
		print_json(json_pack("{s:s}", "id", a->word[1]));
	return 0;
}

int cmd_detach(int argc, char **argv)
{
	struct ask a = { .most = 2, .timeout = DETACH_TIMEOUT };
	struct error err;
	struct target t;
	int status, fd;

	if (parse(&a, detach_options, "NAME|ID DEVICE", argc, argv))
		return EX_USAGE;
	if (a.words < 2) {
		fault(&err, EX_USAGE, "detach what? vmctl attach %s lists what there is",
		      a.word[0]);
		return report(&err);
	}
	status = target_find(&t, a.word[0]);
	if (status)
		return status;
	fd = connect_to(&t, &err);
	if (fd < 0 || detach(&a, &t, fd, &err))
		status = report(&err);
	if (fd >= 0)
		close(fd);
	target_close(&t);
	return status;
}
