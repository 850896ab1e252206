/* SPDX-License-Identifier: GPL-2.0 */
/* The other end of a VM's control socket (Documentation/control.rst). */
#ifndef CONTROL_CLIENT_H
#define CONTROL_CLIENT_H

#include <jansson.h>
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
 * control_request() - ask, and read the answer
 * @fd: what control_connect() returned
 * @request: object with the member "cmd"; taken over
 * @err: filled in, also with a refusal
 *
 * Return: the answer, or NULL
 */
json_t *control_request(int fd, json_t *request, struct error *err);

/* As control_request(), with a file for the VM, which remains the caller's; -1: none. */
json_t *control_request_file(int fd, json_t *request, int file, struct error *err);

/* One line, as an object; NULL: the other end is gone, or sends nonsense. */
json_t *control_read(int fd, struct error *err);

#endif
