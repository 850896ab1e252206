/* SPDX-License-Identifier: GPL-2.0 */
/* What vmctl run and vmctl start have in common: options of a machine, and running it. */
#ifndef VMCTL_RUN_H
#define VMCTL_RUN_H

#include <stdbool.h>

#include "error.h"
#include "machine/machine.h"
#include "sandbox/sandbox.h"

/**
 * struct run_options - a machine that shall run
 * @cfg: the machine
 * @initrd: initial RAM disk or NULL
 * @debug_port: where the debug port's output goes, or NULL
 * @restart: build the machine anew after a reset
 * @stats: print statistics at the end
 * @stats_file: where to, NULL for standard error
 * @stats_out: the same, opened
 * @no_sandbox: the VM's process may do what its user may
 * @closed: the sandbox is
 * @sandbox: what else it may
 * @ready: called when the machine is about to run, or NULL
 * @opaque: passed to @ready
 * @err: what is wrong
 */
struct run_options {
	struct machine_config cfg;
	const char *initrd;
	const char *debug_port;
	bool restart;
	bool stats;
	const char *stats_file;
	FILE *stats_out;
	bool no_sandbox, closed;
	struct sandbox_config sandbox;
	void (*ready)(void *opaque);
	void *opaque;
	struct error err;
};

void run_defaults(struct run_options *o);

/* The command line of vmctl run: 0, or -1 and o->err. */
int run_parse(int argc, char **argv, struct run_options *o);

/* One option by its long name, without which it would be wrong: 0, or -1 and o->err. */
int run_option(struct run_options *o, const char *name, char *value);

/* Do the options fit together? The last step before run_vm(); 0, or -1 and o->err. */
int run_check(struct run_options *o);

/* Until it ends: the exit status, or -1 and o->err. */
int run_vm(struct run_options *o);

#endif
