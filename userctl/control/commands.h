/* SPDX-License-Identifier: GPL-2.0 */
/* What can be asked at a control socket, but for what concerns the connection itself. */
#ifndef CONTROL_COMMANDS_H
#define CONTROL_COMMANDS_H

#include <jansson.h>

#include "../error.h"

struct machine;

/**
 * control_command() - do what a request asks for
 * @m: the machine
 * @cmd: its member "cmd"
 * @request: all of it
 * @err: why not
 *
 * Return: the answer's members, or NULL
 */
json_t *control_command(struct machine *m, const char *cmd, const json_t *request,
			struct error *err);

#endif
