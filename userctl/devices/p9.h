/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A server of the protocol 9P2000.L for a folder of the host.
 *
 * The guest is hostile: nothing outside of the folder is reached, since names are looked up one by
 * one and links are not followed; only files and folders are opened. What the guest makes belongs
 * to the user of this process, and cannot become set-user-ID.
 */
#ifndef VMCTL_P9_H
#define VMCTL_P9_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../error.h"

#define P9_MESSAGE_MAX (128 * 1024 + 24)
#define P9_MESSAGE_MIN 4096

struct p9;

/**
 * p9_create() - serve a folder
 * @path: the folder
 * @readonly: the guest may not change anything
 * @err: EX_NOINPUT, EX_OSERR
 *
 * Return: the server; NULL on errors
 */
struct p9 *p9_create(const char *path, bool readonly, struct error *err);
void p9_destroy(struct p9 *p9);

/* Forget what the guest has open. */
void p9_reset(struct p9 *p9);

/**
 * p9_serve() - answer a message
 * @p9: the server
 * @msg: the message
 * @len: bytes of it
 * @reply: gets the answer
 * @room: bytes there, at most P9_MESSAGE_MAX are used
 *
 * Return: bytes of the answer; 0 when there is no sense in the message, or no room for an answer.
 */
size_t p9_serve(struct p9 *p9, const uint8_t *msg, size_t len, uint8_t *reply, size_t room);

#endif
