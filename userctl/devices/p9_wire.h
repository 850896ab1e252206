/* SPDX-License-Identifier: GPL-2.0 */
/* Messages of 9P2000.L: numbers, and fields in and out. All integers are little-endian. */
#ifndef VMCTL_P9_WIRE_H
#define VMCTL_P9_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Answers have the number behind the question's. */
enum p9_type {
	P9_RLERROR = 7,
	P9_STATFS = 8,
	P9_LOPEN = 12,
	P9_LCREATE = 14,
	P9_SYMLINK = 16,
	P9_MKNOD = 18,
	P9_RENAME = 20,
	P9_READLINK = 22,
	P9_GETATTR = 24,
	P9_SETATTR = 26,
	P9_READDIR = 40,
	P9_FSYNC = 50,
	P9_LOCK = 52,
	P9_GETLOCK = 54,
	P9_LINK = 70,
	P9_MKDIR = 72,
	P9_RENAMEAT = 74,
	P9_UNLINKAT = 76,
	P9_VERSION = 100,
	P9_ATTACH = 104,
	P9_FLUSH = 108,
	P9_WALK = 110,
	P9_READ = 116,
	P9_WRITE = 118,
	P9_CLUNK = 120,
	P9_REMOVE = 122,
};

#define P9_HEADER     7  /* size[4] type[1] tag[2] */
#define P9_QID        13 /* type[1] version[4] path[8] */
#define P9_IO_HEADER  24 /* more than any message has around its data */
#define P9_NAME_MAX   255
#define P9_WALK_MAX   16
#define P9_QTDIR      0x80
#define P9_QTSYMLINK  0x02
#define P9_ATTR_BASIC 0x7ff
/* What a set-attribute changes. */
#define P9_SET_MODE  0x001
#define P9_SET_UID   0x002
#define P9_SET_GID   0x004
#define P9_SET_SIZE  0x008
#define P9_SET_ATIME 0x010
#define P9_SET_MTIME 0x020
#define P9_ATIME_SET 0x080
#define P9_MTIME_SET 0x100

/**
 * struct p9_in - a message that is read
 * @p: next byte
 * @left: bytes behind it
 * @bad: it was too short, or a name was none
 */
struct p9_in {
	const uint8_t *p;
	size_t left;
	bool bad;
};

/**
 * struct p9_out - an answer that is written
 * @p: its beginning
 * @len: bytes written
 * @room: bytes at @p
 * @full: it did not fit
 */
struct p9_out {
	uint8_t *p;
	size_t len, room;
	bool full;
};

static inline uint64_t p9_get(struct p9_in *in, size_t bytes)
{
	uint64_t val = 0;

	if (bytes > in->left) {
		in->bad = true;
		return 0;
	}
	memcpy(&val, in->p, bytes);
	in->p += bytes;
	in->left -= bytes;
	return val;
}

/* A string; @max bytes and a NUL are written at most. */
static inline void p9_get_string(struct p9_in *in, char *buf, size_t max)
{
	size_t len = p9_get(in, 2);

	buf[0] = '\0';
	if (len > in->left || len > max || memchr(in->p, '\0', len)) {
		in->bad = true;
		return;
	}
	memcpy(buf, in->p, len);
	buf[len] = '\0';
	in->p += len;
	in->left -= len;
}

static inline void p9_put_bytes(struct p9_out *out, const void *data, size_t len)
{
	if (len > out->room - out->len) {
		out->full = true;
		return;
	}
	memcpy(out->p + out->len, data, len);
	out->len += len;
}

static inline void p9_put(struct p9_out *out, uint64_t val, size_t bytes)
{
	p9_put_bytes(out, &val, bytes);
}

static inline void p9_put_string(struct p9_out *out, const char *text)
{
	p9_put(out, strlen(text), 2);
	p9_put_bytes(out, text, strlen(text));
}

#endif
