/* SPDX-License-Identifier: GPL-2.0 */
/*
 * libnbd, which is loaded when the first disk wants it: with it come libraries for TLS and XML,
 * which the process of a VM without such a disk had better not have in it.
 */
#ifndef DEVICES_BLK_LIBNBD_H
#define DEVICES_BLK_LIBNBD_H

#include <libnbd.h>

#include "../error.h"

/* What is used of it: X(function), each as in its header. */
#define LIBNBD_FUNCTIONS(X)           \
	X(nbd_create)                 \
	X(nbd_close)                  \
	X(nbd_get_error)              \
	X(nbd_set_pread_initialize)   \
	X(nbd_set_request_block_size) \
	X(nbd_connect_socket)         \
	X(nbd_get_size)               \
	X(nbd_can_flush)              \
	X(nbd_can_fua)                \
	X(nbd_can_trim)               \
	X(nbd_can_zero)               \
	X(nbd_aio_pread)              \
	X(nbd_aio_pwrite)             \
	X(nbd_aio_flush)              \
	X(nbd_aio_trim)               \
	X(nbd_aio_zero)               \
	X(nbd_aio_get_fd)             \
	X(nbd_aio_get_direction)      \
	X(nbd_aio_notify_read)        \
	X(nbd_aio_notify_write)       \
	X(nbd_aio_disconnect)         \
	X(nbd_aio_is_closed)          \
	X(nbd_aio_is_dead)

/* struct libnbd - its functions, by their names */
struct libnbd {
#define LIBNBD_MEMBER(name) typeof(name) *name;
	LIBNBD_FUNCTIONS(LIBNBD_MEMBER)
#undef LIBNBD_MEMBER
};

/**
 * libnbd() - the library
 * @err: EX_UNAVAILABLE: the host has none; status 1: it is too late to load it
 *
 * Return: its functions, or NULL
 */
const struct libnbd *libnbd(struct error *err);

#endif
