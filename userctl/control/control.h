/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The control socket of a VM, and, of a detached one, its console for any number of readers. Served
 * in the event loop of the machine's main thread; Documentation/control.rst describes what is said.
 */
#ifndef CONTROL_CONTROL_H
#define CONTROL_CONTROL_H

#include <stdbool.h>

#include "../error.h"

#define CONTROL_PROTOCOL 1
#define CONTROL_LINE     65536 /* bytes of a line, at most */
#define CONTROL_PEERS    64    /* connections at a time */

struct control;
struct machine;

/**
 * control_open() - listen
 * @name: of the VM
 * @err: EX_TEMPFAIL: a VM of that name has a control socket already
 *
 * Return: the socket and all that belongs to it, or NULL
 */
struct control *control_open(const char *name, struct error *err);

/**
 * control_take_console() - take standard input and output over
 * @c: the socket
 * @err: why not
 *
 * What the VM writes to standard output goes to FOLDER/NAME.log and to the consoles attached. Of a
 * VM whose console was not taken over none can be attached: it is the terminal.
 *
 * Return: 0 or -1
 */
int control_take_console(struct control *c, struct error *err);

/* Name and socket, which may change; where the console is logged, if it was taken over. */
const char *control_name(const struct control *c);
const char *control_socket(const struct control *c);
int control_log_fd(const struct control *c);

/* Serve it in this machine's loop, or no longer; between two machines nobody is answered. */
int control_attach(struct control *c, struct machine *m, struct error *err);
void control_detach(struct control *c);

/* A device has gone: those who asked for that are told. */
void control_detached(struct control *c, const char *id);

/* The VM has ended with this exit status: those who wait are told. */
void control_close(struct control *c, int status);

#endif
