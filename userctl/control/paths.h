/* SPDX-License-Identifier: GPL-2.0 */
/* Where the sockets and logs of detached VMs are, and their definitions. */
#ifndef CONTROL_PATHS_H
#define CONTROL_PATHS_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>
#include <sys/un.h>

#include "../error.h"

#define RUN_FOLDER_ENV "VMM_RUN" /* instead of all that is said below */

/**
 * run_folder() - where the sockets of a user's VMs are
 * @uid: whose
 * @buf: destination
 *
 * $VMM_RUN; else /run/vmm for root, $XDG_RUNTIME_DIR/vmm for the caller, /run/user/UID/vmm.
 *
 * Return: @buf.
 */
const char *run_folder(uid_t uid, char buf[PATH_MAX]);

/* Make the caller's own: 0 or -1. */
int run_folder_make(const char *folder, struct error *err);

/* "FOLDER/NAME.sock" as an address: 0 or -1, when it is too long for one. */
int control_address(const char *folder, const char *name, struct sockaddr_un *addr,
		    struct error *err);

#endif
