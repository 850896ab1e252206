/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The process beside a VM's that serves an image in a format: qemu-nbd, which knows qcow2 and its
 * overlays. It is started before the VM's own process gives up the right to, by whoever may open
 * the image, and ends with the only connection that it ever has.
 */
#ifndef DEVICES_BLK_SERVER_H
#define DEVICES_BLK_SERVER_H

#include <sys/types.h>

#include "blk_backend.h"

/**
 * struct blk_server - a server
 * @socket: connected to it: the first that is read is NBD's greeting
 * @life: a pipe that ends when the server does
 * @pid: it; one that nobody has begun to talk with does not end by itself, but by SIGTERM
 */
struct blk_server {
	int socket, life;
	pid_t pid;
};

/**
 * blk_server_start() - look at an image and have it served
 * @server: filled in
 * @image: in another format than BLK_RAW
 * @tied: it ends with this process, if it is killed before it could say so
 * @err: EX_NOINPUT: it, or an image behind it, is missing; EX_DATAERR: it is no such image, or goes
 *	round in a circle; EX_TEMPFAIL: another process uses it; EX_UNAVAILABLE: there is no
 *	qemu-nbd; EX_OSERR
 *
 * Return: 0 once it is open, or -1
 */
int blk_server_start(struct blk_server *server, const struct blk_image *image, bool tied,
		     struct error *err);

/**
 * blk_server_resize() - make an image larger that nobody uses
 * @image: in another format than BLK_RAW
 * @bytes: the disk's new size
 * @err: as blk_server_start() has it
 *
 * Who has it open still is waited for, for some seconds at most.
 *
 * Return: 0 or -1
 */
int blk_server_resize(const struct blk_image *image, uint64_t bytes, struct error *err);

/* The connection has been given up: wait until the image is closed, for some seconds at most. */
void blk_server_end(struct blk_server *server);

#endif
