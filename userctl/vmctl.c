// SPDX-License-Identifier: GPL-2.0
#include "vmctl.h"

#include <argp.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int cmd_help(int argc, char **argv);

static const struct verb verbs[] = {
	{ "run", "--kernel FILE [OPTION...]", "run a VM in the foreground", cmd_run },
	{ "start", "NAME [OPTION...]", "start a VM in the background", cmd_start },
	{ "stop", "NAME|ID [OPTION...]", "press a VM's power button", cmd_stop },
	{ "reset", "NAME|ID", "reset a VM", cmd_reset },
	{ "console", "NAME|ID", "attach to a VM's console", cmd_console },
	{ "set", "NAME|ID OPTION...", "change what a VM may use", cmd_set },
	{ "attach", "NAME|ID [KIND DEVICE]", "add a disk or a network card", cmd_attach },
	{ "detach", "NAME|ID DEVICE", "take one out", cmd_detach },
	{ "wait", "NAME|ID", "wait for a VM's end", cmd_wait },
	{ "rename", "NAME|ID NAME", "give a VM another name", cmd_rename },
	{ "stats", "NAME|ID [--json]", "print a VM's counters", cmd_stats },
	{ "trace", "NAME|ID [OPTION...]", "print what a VM's vCPUs do", cmd_trace },
	{ "top", "", "watch the VMs of this host", cmd_top },
	{ "list", "[--json]", "list the VMs of this host", cmd_list },
	{ "show", "NAME|ID [--json]", "describe one VM", cmd_show },
	{ "pause", "NAME|ID", "hold a VM's vCPUs outside the guest", cmd_pause },
	{ "resume", "NAME|ID", "let them go on", cmd_resume },
	{ "kill", "NAME|ID", "end a VM's running for good", cmd_kill },
	{ "events", "[--json]", "tell what happens to VMs, as it happens", cmd_events },
	{ "doctor", "[--json]", "say whether this machine can run VMs", cmd_doctor },
	{ "help", "[VERB]", "describe the verbs", cmd_help },
};

#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

static const struct verb *find_verb(const char *name)
{
	unsigned int i;

	for (i = 0; i < VERBS; i++) {
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	}
	return NULL;
}

static void print_verbs(FILE *out)
{
	unsigned int i;

	fputs("usage: vmctl VERB [ARGUMENT...]\n\n", out);
	for (i = 0; i < VERBS; i++)
		fprintf(out, "  %-7s %-28s %s\n", verbs[i].name, verbs[i].usage, verbs[i].summary);
	fputs("\nvmctl VERB --help lists the options of a verb; vmctl(8) tells the rest.\n", out);
}

static int unknown_verb(const char *name)
{
	fprintf(stderr, "vmctl: there is no verb \"%s\"; vmctl help lists them\n", name);
	return EX_USAGE;
}

static int run_verb(const struct verb *verb, int argc, char **argv)
{
	char title[64];

	/* So that argp's messages name the verb as the user typed it. */
	snprintf(title, sizeof(title), "vmctl %s", verb->name);
	argv[0] = title;
	return verb->run(argc, argv);
}

static int cmd_help(int argc, char **argv)
{
	char help[] = "--help", *args[] = { NULL, help, NULL };
	const struct verb *verb;

	if (argc < 2) {
		print_verbs(stdout);
		return 0;
	}
	verb = find_verb(argv[1]);
	if (!verb)
		return unknown_verb(argv[1]);
	if (verb->run != cmd_help)
		return run_verb(verb, 2, args);
	printf("usage: vmctl %s %s\n", verb->name, verb->usage);
	return 0;
}

int report(const struct error *err)
{
	fprintf(stderr, "vmctl: %s\n", err->text);
	return err->status;
}

/* A descriptor missing among the first three would be taken by the next file opened. */
static void open_standard_files(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

/* What went to standard output may fail as late as now, with a full disk or a closed pipe. */
static int finish(int status)
{
	if (fflush(stdout) && !status) {
		perror("vmctl: standard output");
		return EX_IOERR;
	}
	return status;
}

int main(int argc, char **argv)
{
	const struct verb *verb;

	open_standard_files();
	argp_err_exit_status = EX_USAGE;
	if (argc < 2) {
		print_verbs(stderr);
		return EX_USAGE;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		puts("vmctl " VMCTL_VERSION);
		return finish(0);
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		print_verbs(stdout);
		return finish(0);
	}
	verb = find_verb(argv[1]);
	if (!verb)
		return unknown_verb(argv[1]);
	return finish(run_verb(verb, argc - 1, argv + 1));
}
