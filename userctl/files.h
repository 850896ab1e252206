/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Files that outlive a machine: once its sandbox is closed, vmctl opens nothing any more, and a
 * machine that a reset builds anew gets what the first one was given.
 */
#ifndef VMCTL_FILES_H
#define VMCTL_FILES_H

#include <stdbool.h>

#define FILES_OFFERED_MAX 16 /* of one request: two for each queue of a card */

/* From now on what is opened is kept; files_seal(): from now on that is what there is. */
void files_keep_all(void);
void files_seal(void);
bool files_sealed(void);

/**
 * files_get() - what was opened before
 * @what: what it is to the machine, such as "kernel" or "disk0"
 * @name: its name
 *
 * Only the main thread opens files, and may call this.
 *
 * Return: a duplicate, or -1: it has to be opened
 */
int files_get(const char *what, const char *name);

/*
 * The next files that are not there yet are these, which somebody has passed, in this order; what
 * was offered before and nobody took is closed.
 */
void files_offer(const int *fd, unsigned int files);

/* The next of those, for once: nobody will get it again. -1: there is none. */
int files_offered(void);

/* The file that comes with a byte from a socket within so many milliseconds, or -1. */
int files_receive(int socket, int timeout);

/* What was given to this device is not wanted again. */
void files_forget(const char *what);

/* As open(), but what is there already, or was offered; else EACCES once all is sealed. */
int files_open(const char *what, const char *name, int flags);

/* Whether files_get() would find it. */
bool files_kept(const char *what, const char *name);

/* Keep a duplicate of what was opened, if it will be wanted again. Returns @fd. */
int files_put(const char *what, const char *name, int fd);

#endif
