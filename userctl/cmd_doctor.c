// SPDX-License-Identifier: GPL-2.0
/* vmctl doctor: can this machine run VMs, and if not, what is to be done? */
#include <argp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "doctor.h"
#include "libvmm/vmm.h"
#include "vmctl.h"

enum { OPT_DEVICE = 0x100, OPT_JSON, OPT_ROOT };

struct doctor_options {
	const char *device;
	const char *root;
	bool json;
};

static const struct argp_option options[] = {
	{ "device", OPT_DEVICE, "NODE", 0,
	  "hypervisor's device node (default: $VMM_DEV, else /dev/vmm)", 0 },
	{ "json", OPT_JSON, NULL, 0, "print one JSON object", 0 },
	{ "root", OPT_ROOT, "DIR", OPTION_HIDDEN, "read /proc, /sys and /dev/cpu below DIR", 0 },
	{ 0 }
};

static error_t parse_opt(int key, char *arg, struct argp_state *state)
{
	struct doctor_options *o = state->input;

	switch (key) {
	case OPT_DEVICE:
		o->device = arg;
		return 0;
	case OPT_JSON:
		o->json = true;
		return 0;
	case OPT_ROOT:
		o->root = arg;
		return 0;
	case ARGP_KEY_ARG:
		fprintf(stderr, "vmctl: unexpected argument \"%s\"; options begin with --\n", arg);
		exit(EX_USAGE);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse_opt,
	.doc = "Say whether this machine can run VMs, and what to do if it cannot.\n"
	       "\vExit status: 0 it can, 1 something has to be mended first.\n",
};

int cmd_doctor(int argc, char **argv)
{
	struct doctor_options o = { .root = "" };
	struct doctor_check checks[DOCTOR_CHECKS];
	struct doctor_facts facts;
	int status;

	if (argp_parse(&argp, argc, argv, 0, NULL, &o))
		return EX_USAGE;
	doctor_gather(&facts, o.root, vmm_device(o.device));
	status = doctor_judge(&facts, checks);
	if (o.json)
		doctor_print_json(stdout, checks, status);
	else
		doctor_print(stdout, checks, status);
	return status;
}
