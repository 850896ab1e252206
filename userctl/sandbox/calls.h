/* SPDX-License-Identifier: GPL-2.0 */
/* The table of system calls that need no look at their arguments. */
#ifndef SANDBOX_CALLS_H
#define SANDBOX_CALLS_H

/* When a call is allowed. */
#define CALLS_ALWAYS  1u
#define CALLS_SHARES  2u /* the guest shares folders */
#define CALLS_NETWORK 4u /* its network is this process's own */

/**
 * struct sandbox_call - a system call
 * @nr: its number
 * @when: CALLS_*, any of which is enough; 0 ends the table
 * @roles: a bit for each; the main thread, whose filter the others inherit, may make them all
 */
struct sandbox_call {
	int nr;
	unsigned int when, roles;
};

extern const struct sandbox_call sandbox_calls[];

#endif
