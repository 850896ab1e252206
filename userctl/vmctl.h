/* SPDX-License-Identifier: GPL-2.0 */
/* The verbs of vmctl and the exit statuses that scripts may rely on. */
#ifndef VMCTL_H
#define VMCTL_H

#include "error.h"

#define VMCTL_VERSION "0.1"

/* Exit statuses beside those of sysexits.h; a signal's is 128 plus its number. */
#define EXIT_POWER_OFF 0
#define EXIT_RESET     3
#define EXIT_TRIPLE    4
#define EXIT_INTERNAL  5
#define EXIT_QUIT      6
#define EXIT_PANIC     7

/* Of a VM that was not told how much. */
#define DEFAULT_MEMORY (512 * MiB)

/**
 * struct verb - one command
 * @name: first argument of vmctl
 * @usage: what may follow, one line
 * @summary: what it does
 * @run: handler; @argv[0] is "vmctl NAME"; returns the exit status
 */
struct verb {
	const char *name;
	const char *usage;
	const char *summary;
	int (*run)(int argc, char **argv);
};

int cmd_run(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_list(int argc, char **argv);
int cmd_show(int argc, char **argv);
int cmd_pause(int argc, char **argv);
int cmd_resume(int argc, char **argv);
int cmd_kill(int argc, char **argv);
int cmd_reset(int argc, char **argv);
int cmd_start(int argc, char **argv);
int cmd_stop(int argc, char **argv);
int cmd_console(int argc, char **argv);
int cmd_set(int argc, char **argv);
int cmd_wait(int argc, char **argv);
int cmd_rename(int argc, char **argv);
int cmd_attach(int argc, char **argv);
int cmd_detach(int argc, char **argv);
int cmd_stats(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_trace(int argc, char **argv);
int cmd_events(int argc, char **argv);

/* Print an error the way all verbs do, and return its exit status. */
int report(const struct error *err);

#endif
