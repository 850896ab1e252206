/* SPDX-License-Identifier: GPL-2.0 */
/* What keeps a program that a VM needs beside it from doing more than that. */
#ifndef SANDBOX_HELPER_H
#define SANDBOX_HELPER_H

#include <stdbool.h>

/**
 * sandbox_helper() - in the child, before it becomes a program that serves a file
 * @path: the file
 * @write: it may be written
 *
 * It can read what its user can, as overlays lie on other files; write no file but this one; reach
 * no network. Of root's capabilities it has the one to open files of other users.
 *
 * Return: 0, or -1 and errno
 */
int sandbox_helper(const char *path, bool write);

#endif
