/* SPDX-License-Identifier: GPL-2.0 */
/* A file to be loaded into a guest: hostile, of any size, read piece by piece. */
#ifndef VMCTL_IMAGE_H
#define VMCTL_IMAGE_H

#include <stdint.h>

#include "../error.h"

/**
 * struct image - an open file
 * @path: name for messages; the caller's storage
 * @kind: what it is to be, for messages: "kernel", "initrd", "module"
 * @fd: file descriptor
 * @size: length in bytes when it was opened, not zero
 */
struct image {
	const char *path;
	const char *kind;
	int fd;
	uint64_t size;
};

/**
 * image_open() - open a file for loading
 * @img: filled in
 * @path: file name, which must outlive @img
 * @kind: what it is to be
 * @err: EX_NOINPUT when missing, unreadable or no regular file; EX_DATAERR when empty
 *
 * Return: 0 or -1.
 */
int image_open(struct image *img, const char *path, const char *kind, struct error *err);
void image_close(struct image *img);

/**
 * image_read() - read a piece
 * @img: the file
 * @off: first byte
 * @dst: destination
 * @len: bytes
 * @what: what the piece is, for the message that it is cut short
 * @err: EX_DATAERR when the file ends before the piece does, EX_IOERR when reading fails
 *
 * Return: 0 or -1.
 */
int image_read(const struct image *img, uint64_t off, void *dst, uint64_t len, const char *what,
	       struct error *err);

/**
 * image_bad() - say that a file is not what it has to be
 * @img: the file
 * @err: EX_DATAERR
 * @fmt: printf format of the reason
 *
 * Return: -1.
 */
int image_bad(const struct image *img, struct error *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
