/* SPDX-License-Identifier: GPL-2.0 */
/* The other end of a VM's control socket (Documentation/control.rst). */
#ifndef CONTROL_CLIENT_H
#define CONTROL_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "../error.h"

/**
 * control_connect() - speak to the vmctl that runs a VM
 * @owner: uid that the VM belongs to
 * @name: its name
 * @err: filled in
 *
 * Return: a socket whose greeting has been read, or -1
 */
int control_connect(uid_t owner, const char *name, struct error *err);

/**
 * control_await() - wait for a VM that is being made, by its start or by a reset
 * @owner: uid that it belongs to
 * @name: its name
 * @seconds: to wait at most
 *
 * Its control socket is there before it and between two machines, but nobody answers then.
 *
 * Return: whether a machine answers
 */
bool control_await(uid_t owner, const char *name, unsigned int seconds);

/**
 * control_request() - ask, and read the answer
 * @fd: what control_connect() returned
 * @request: object with the member "cmd"; taken over
 * @err: filled in, also with a refusal
 *
 * Return: the answer, or NULL
 */
json_t *control_request(int fd, json_t *request, struct error *err);

/* Likewise, with files for the VM, up to FILES_OFFERED_MAX, which remain the caller's. */
json_t *control_request_files(int fd, json_t *request, const int *file, unsigned int files,
			      struct error *err);

/* The two halves of that: 0 or -1; and the answer. */
int control_send(int fd, json_t *request, const int *file, unsigned int files, struct error *err);
json_t *control_answer(int fd, struct error *err);

/* A byte, and a file with it, as files_receive() takes it: 0 or -1 and errno. */
int control_pass(int fd, int file);

/* One line, as an object; NULL: the other end is gone, or sends nonsense. */
json_t *control_read(int fd, struct error *err);

#endif
