// SPDX-License-Identifier: GPL-2.0
/* A client of 9P2000.L in miniature, on a folder with a secret beside it. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../devices/p9.h"
#include "../devices/p9_wire.h"
#include "../devices/virtio_9p.h"
#include "../sandbox/sandbox.h"
#include "driver.h"
#include "tap.h"

#define ROOM 8192

static char folder[] = "/tmp/vmctl-share-XXXXXX";
static char share[64];
static struct error err;
static struct p9 *p9;
static uint8_t msg[ROOM], reply[ROOM];
static struct p9_in in;

/* Fields: 1, 2, 4, 8 and a number of so many bytes; s and a string; d, a length, and data. */
static int call(unsigned int type, const char *fields, ...)
{
	struct p9_out out = { .p = msg, .room = sizeof(msg) };
	uint32_t total;
	size_t len;
	va_list ap;

	p9_put(&out, 0, 4);
	p9_put(&out, type, 1);
	p9_put(&out, 7, 2);
	va_start(ap, fields);
	for (; *fields; fields++) {
		if (*fields == 's') {
			p9_put_string(&out, va_arg(ap, const char *));
		} else if (*fields == 'd') {
			len = va_arg(ap, size_t);
			p9_put_bytes(&out, va_arg(ap, const void *), len);
		} else {
			p9_put(&out, va_arg(ap, uint64_t), (size_t)(*fields - '0'));
		}
	}
	va_end(ap);
	total = (uint32_t)out.len;
	memcpy(msg, &total, 4);
	len = p9_serve(p9, msg, out.len, reply, sizeof(reply));
	in = (struct p9_in){ reply, len, false };
	CHECK_EQ(p9_get(&in, 4), len);
	total = (uint32_t)p9_get(&in, 1);
	CHECK_EQ(p9_get(&in, 2), 7);
	if (total == P9_RLERROR)
		return (int)p9_get(&in, 4);
	CHECK_EQ(total, type + 1);
	return 0;
}

#define N(x) ((uint64_t)(x))

static int walk(unsigned int fid, unsigned int to, const char *name)
{
	return call(P9_WALK, "442s", N(fid), N(to), N(1), name);
}

static void begin(bool readonly)
{
	char version[16];

	p9 = p9_create(share, readonly, &err);
	CHECK(p9);
	CHECK_EQ(call(P9_VERSION, "4s", N(ROOM), "9P2000.L"), 0);
	CHECK_EQ(p9_get(&in, 4), ROOM);
	p9_get_string(&in, version, 15);
	CHECK(!strcmp(version, "9P2000.L"));
	CHECK_EQ(call(P9_ATTACH, "44ss4", N(1), N(UINT32_MAX), "root", "", N(0)), 0);
	CHECK_EQ(p9_get(&in, 1), P9_QTDIR);
}

static void end(void)
{
	p9_destroy(p9);
}

static void put_file(const char *name, const char *text)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void make_folder(void)
{
	char path[128];
	struct rlimit files;

	/* What counts is the soft limit at the first look. */
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = files.rlim_max < SANDBOX_FILES ? files.rlim_max : SANDBOX_FILES;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &files), 0);
	CHECK(mkdtemp(folder));
	snprintf(share, sizeof(share), "%s/share", folder);
	CHECK_EQ(mkdir(share, 0700), 0);
	put_file("secret", "nobody's");
	put_file("share/hello", "hello world");
	snprintf(path, sizeof(path), "%s/link", share);
	CHECK_EQ(symlink("../secret", path), 0);
	snprintf(path, sizeof(path), "%s/up", share);
	CHECK_EQ(symlink("..", path), 0);
	snprintf(path, sizeof(path), "%s/pipe", share);
	CHECK_EQ(mkfifo(path, 0600), 0);
}

static void reads(void)
{
	char text[32];
	unsigned int i;

	begin(true);
	CHECK_EQ(walk(1, 2, "hello"), 0);
	CHECK_EQ(call(P9_GETATTR, "48", N(2), N(P9_ATTR_BASIC)), 0);
	CHECK_EQ(p9_get(&in, 8), P9_ATTR_BASIC);
	p9_get(&in, 1);
	p9_get(&in, 4);
	p9_get(&in, 8);
	CHECK_EQ(p9_get(&in, 4), S_IFREG | 0600);
	CHECK_EQ(call(P9_READ, "484", N(2), N(0), N(100)), EBADF);
	CHECK_EQ(call(P9_LOPEN, "44", N(2), N(O_RDONLY)), 0);
	CHECK_EQ(call(P9_READ, "484", N(2), N(6), N(100)), 0);
	CHECK_EQ(p9_get(&in, 4), 5);
	CHECK(!memcmp(in.p, "world", 5));
	CHECK_EQ(call(P9_READ, "484", N(2), N(50), N(100)), 0);
	CHECK_EQ(p9_get(&in, 4), 0);
	CHECK_EQ(call(P9_READ, "484", N(2), N(UINT64_MAX), N(100)), EINVAL);
	CHECK_EQ(call(P9_READ, "484", N(2), N(0), N(UINT32_MAX)), 0);
	CHECK_EQ(call(P9_STATFS, "4", N(2)), 0);
	CHECK_EQ(call(P9_LOCK, "414884s", N(2), N(1), N(0), N(0), N(0), N(1), "me"), 0);
	CHECK_EQ(call(P9_GETLOCK, "41884s", N(2), N(1), N(0), N(0), N(1), "me"), 0);
	CHECK_EQ(p9_get(&in, 1), F_UNLCK);
	CHECK_EQ(walk(1, 3, "link"), 0);
	CHECK_EQ(call(P9_READLINK, "4", N(3)), 0);
	p9_get_string(&in, text, 31);
	CHECK(!strcmp(text, "../secret"));
	/* A folder's entries, a few at a time. */
	CHECK_EQ(call(P9_WALK, "442", N(1), N(4), N(0)), 0);
	CHECK_EQ(call(P9_LOPEN, "44", N(4), N(O_RDONLY | O_DIRECTORY)), 0);
	CHECK_EQ(call(P9_READDIR, "484", N(4), N(0), N(10)), EINVAL);
	uint64_t off = 0, seen = 0;

	for (i = 0; i < 20; i++) {
		CHECK_EQ(call(P9_READDIR, "484", N(4), off, N(40)), 0);
		if (!p9_get(&in, 4))
			break;
		while (in.left) {
			p9_get(&in, 1);
			p9_get(&in, 4);
			p9_get(&in, 8);
			off = p9_get(&in, 8);
			p9_get(&in, 1);
			p9_get_string(&in, text, 31);
			seen += !in.bad;
		}
	}
	/* hello, link, up, pipe, and the two dots */
	CHECK_EQ(seen, 6);
	CHECK_EQ(call(P9_CLUNK, "4", N(4)), 0);
	CHECK_EQ(call(P9_CLUNK, "4", N(4)), EBADF);
	end();
}

static void does_not_leave(void)
{
	begin(false);
	CHECK_EQ(walk(1, 2, "../secret"), EACCES);
	CHECK_EQ(walk(1, 2, "/etc"), EACCES);
	CHECK_EQ(walk(1, 2, "."), EACCES);
	CHECK_EQ(walk(1, 2, ""), EACCES);
	/* The parent of the root is the root. */
	CHECK_EQ(call(P9_WALK, "442ss", N(1), N(2), N(2), "..", "hello"), 0);
	CHECK_EQ(call(P9_CLUNK, "4", N(2)), 0);
	CHECK_EQ(call(P9_WALK, "442ss", N(1), N(2), N(2), "..", "secret"), 0);
	CHECK_EQ(p9_get(&in, 2), 1);
	CHECK_EQ(call(P9_CLUNK, "4", N(2)), EBADF);
	/* Links are not followed, in the middle or at the end. */
	CHECK_EQ(call(P9_WALK, "442ss", N(1), N(2), N(2), "up", "secret"), 0);
	CHECK_EQ(p9_get(&in, 2), 1);
	CHECK_EQ(walk(1, 2, "link"), 0);
	CHECK_EQ(call(P9_LOPEN, "44", N(2), N(O_RDONLY)), EACCES);
	CHECK(call(P9_SETATTR, "44444888888", N(2), N(P9_SET_SIZE), N(0), N(0), N(0), N(0), N(0),
		   N(0), N(0), N(0)));
	CHECK_EQ(walk(1, 3, "pipe"), 0);
	CHECK_EQ(call(P9_LOPEN, "44", N(3), N(O_RDONLY)), EACCES);
	/* Nothing is made outside, nothing but files and folders, and nothing set-user-ID. */
	CHECK_EQ(call(P9_MKDIR, "4s44", N(1), "../more", N(0700), N(0)), EACCES);
	CHECK_EQ(call(P9_RENAMEAT, "4s4s", N(1), "hello", N(1), "../hello"), EACCES);
	CHECK_EQ(call(P9_MKNOD, "4s4444", N(1), "null", N(S_IFCHR | 0666), N(1), N(3), N(0)),
		 EPERM);
	CHECK_EQ(call(P9_MKNOD, "4s4444", N(1), "suid", N(S_IFREG | 06755), N(0), N(0), N(0)), 0);
	CHECK_EQ(call(P9_MKNOD, "4s4444", N(1), "suid", N(S_IFREG | 0600), N(0), N(0), N(0)),
		 EEXIST);
	CHECK_EQ(walk(1, 4, "suid"), 0);
	CHECK_EQ(call(P9_SETATTR, "4444488888", N(4), N(P9_SET_MODE), N(06755), N(0), N(0), N(0),
		      N(0), N(0), N(0), N(0)),
		 0);
	CHECK_EQ(call(P9_GETATTR, "48", N(4), N(0)), 0);
	in.p += 8 + P9_QID;
	CHECK_EQ(p9_get(&in, 4), S_IFREG | 0755);
	CHECK_EQ(call(P9_UNLINKAT, "4s4", N(1), "suid", N(0)), 0);
	end();
}

static void writes(void)
{
	struct stat st;
	char path[128];

	begin(false);
	CHECK_EQ(call(P9_MKDIR, "4s44", N(1), "sub", N(0700), N(0)), 0);
	CHECK_EQ(walk(1, 2, "sub"), 0);
	CHECK_EQ(call(P9_WALK, "442", N(2), N(3), N(0)), 0);
	CHECK_EQ(call(P9_LCREATE, "4s444", N(3), "new", N(O_RDWR), N(0644), N(0)), 0);
	CHECK_EQ(call(P9_WRITE, "484d", N(3), N(2), N(4), (size_t)4, "text"), 0);
	CHECK_EQ(p9_get(&in, 4), 4);
	CHECK_EQ(call(P9_WRITE, "484d", N(3), N(2), N(5), (size_t)4, "text"), EINVAL);
	CHECK_EQ(call(P9_FSYNC, "44", N(3), N(0)), 0);
	CHECK_EQ(call(P9_SETATTR, "4444488888", N(3), N(P9_SET_SIZE | P9_SET_MTIME | P9_MTIME_SET),
		      N(0), N(0), N(0), N(5), N(0), N(0), N(1000), N(0)),
		 0);
	snprintf(path, sizeof(path), "%s/sub/new", share);
	CHECK_EQ(stat(path, &st), 0);
	CHECK_EQ(st.st_size, 5);
	CHECK_EQ(st.st_mtime, 1000);
	CHECK_EQ(call(P9_SETATTR, "4444488888", N(3), N(P9_SET_MTIME | P9_MTIME_SET), N(0), N(0),
		      N(0), N(0), N(0), N(0), N(0), N(UINT64_MAX)),
		 EINVAL);
	CHECK_EQ(call(P9_LINK, "44s", N(1), N(3), "hard"), 0);
	CHECK_EQ(call(P9_SYMLINK, "4ss4", N(1), "soft", "sub/new", N(0)), 0);
	CHECK_EQ(call(P9_RENAMEAT, "4s4s", N(1), "hard", N(2), "moved"), 0);
	CHECK_EQ(call(P9_UNLINKAT, "4s4", N(1), "sub", N(AT_REMOVEDIR)), ENOTEMPTY);
	CHECK_EQ(call(P9_UNLINKAT, "4s4", N(2), "moved", N(0)), 0);
	CHECK_EQ(call(P9_UNLINKAT, "4s4", N(2), "new", N(0)), 0);
	CHECK_EQ(call(P9_UNLINKAT, "4s4", N(1), "soft", N(0)), 0);
	CHECK_EQ(call(P9_UNLINKAT, "4s4", N(1), "sub", N(AT_REMOVEDIR)), 0);
	end();
}

static void read_only(void)
{
	begin(true);
	CHECK_EQ(walk(1, 2, "hello"), 0);
	CHECK_EQ(call(P9_LOPEN, "44", N(2), N(O_RDWR)), EROFS);
	CHECK_EQ(call(P9_LOPEN, "44", N(2), N(O_RDONLY | O_TRUNC)), EROFS);
	CHECK_EQ(call(P9_SETATTR, "4444488888", N(2), N(P9_SET_SIZE), N(0), N(0), N(0), N(0), N(0),
		      N(0), N(0), N(0)),
		 EROFS);
	CHECK_EQ(call(P9_MKDIR, "4s44", N(1), "sub", N(0700), N(0)), EROFS);
	CHECK_EQ(call(P9_MKNOD, "4s4444", N(1), "file", N(S_IFREG), N(0), N(0), N(0)), EROFS);
	CHECK_EQ(call(P9_SYMLINK, "4ss4", N(1), "soft", "x", N(0)), EROFS);
	CHECK_EQ(call(P9_LINK, "44s", N(1), N(2), "hard"), EROFS);
	CHECK_EQ(call(P9_RENAMEAT, "4s4s", N(1), "hello", N(1), "bye"), EROFS);
	CHECK_EQ(call(P9_UNLINKAT, "4s4", N(1), "hello", N(0)), EROFS);
	CHECK_EQ(call(P9_LCREATE, "4s444", N(1), "new", N(O_RDWR), N(0644), N(0)), EROFS);
	CHECK_EQ(call(P9_LOPEN, "44", N(2), N(O_RDONLY)), 0);
	CHECK_EQ(call(P9_WRITE, "484d", N(2), N(0), N(1), (size_t)1, "x"), EROFS);
	end();
}

static void nonsense(void)
{
	unsigned int i;

	begin(false);
	CHECK_EQ(call(99, ""), EOPNOTSUPP);
	CHECK_EQ(call(255, ""), EOPNOTSUPP);
	CHECK_EQ(call(P9_VERSION, "4s", N(100), "9P2000.L"), EINVAL);
	CHECK_EQ(call(P9_GETATTR, "4", N(99)), EBADF);
	CHECK_EQ(call(P9_WALK, "442", N(1), N(2), N(17)), EINVAL);
	CHECK_EQ(call(P9_WALK, "442", N(1), N(2), N(1)), EINVAL);
	CHECK_EQ(call(P9_ATTACH, "44", N(1), N(1)), EEXIST);
	CHECK_EQ(call(P9_FLUSH, "2", N(1)), 0);
	/* Too short, or longer than what came. */
	CHECK_EQ(p9_serve(p9, msg, 6, reply, sizeof(reply)), 0);
	memset(msg, 0xff, 16);
	CHECK_EQ(p9_serve(p9, msg, 16, reply, sizeof(reply)), 0);
	memset(msg, 0, 16);
	CHECK_EQ(p9_serve(p9, msg, 16, reply, sizeof(reply)), 0);
	/* More than it can keep. */
	for (i = 0; i < 600; i++) {
		if (call(P9_WALK, "442", N(1), N(100 + i), N(0)))
			break;
	}
	CHECK_EQ(i, (sandbox_files() < 4 * 512 ? sandbox_files() / 4 : 512) - 1);
	CHECK_EQ(call(P9_VERSION, "4s", N(ROOM), "9P2000.u"), 0);
	CHECK_EQ(call(P9_GETATTR, "48", N(1), N(0)), EBADF);
	end();
	CHECK(!p9_create("/none", false, &err));
	CHECK_EQ(err.status, EX_NOINPUT);
}

static void device(void)
{
	uint8_t *data;

	drv_begin();
	if (!drv_attach(virtio_9p_create("share0", "host", share, true, &drv.mem, &err)))
		return;
	drv_drive(1);
	CHECK_EQ(drv_get(DRV_DEVICE, 2), 4);
	CHECK_EQ(drv_get(DRV_DEVICE + 2, 4), 0x74736f68);
	data = drv_at(DRV_DATA, 64);
	memcpy(data, "\x15\0\0\0\x64\xff\xff\0\x20\0\0\x08\0009P2000.L", 21);
	CHECK_EQ(drv_request(0, DRV_DATA, 21, DRV_DATA + 0x1000, 100), 21);
	CHECK(!memcmp(drv_at(DRV_DATA + 0x1004, 1), "\x65", 1));
	/* No room for any answer. */
	drv_request(0, DRV_DATA, 21, DRV_DATA + 0x1000, 10);
	CHECK(drv_broken());
	CHECK_HAS(drv.log, "share0: the guest sends what is no message");
	drv_end();
}

/* However many shares a guest has, descriptors are left for what is not the guest's. */
static void descriptors(void)
{
	struct p9 *all[3];
	unsigned int i, fid, count = 0;
	struct rlimit files;

	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &files), 0);
	if (files.rlim_max > SANDBOX_FILES)
		files.rlim_max = SANDBOX_FILES;
	files.rlim_cur = files.rlim_max;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &files), 0);
	for (i = 0; i < 3; i++) {
		all[i] = p9_create(share, true, &err);
		p9 = all[i];
		CHECK(p9);
		fid = 1;
		if (call(P9_ATTACH, "44ss4", N(1), N(UINT32_MAX), "root", "", N(0)))
			continue;
		for (count++; !call(P9_WALK, "442", N(1), N(fid + 1), N(0)); fid++)
			count++;
	}
	CHECK_EQ(count, files.rlim_max / 4);
	for (i = 0; i < 3; i++)
		p9_destroy(all[i]);
	begin(true);
	end();
}

static void remove_folder(void)
{
	static const char *const names[] = { "secret", "share/hello", "share/link", "share/up",
					     "share/pipe" };
	char path[128];
	unsigned int i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		CHECK_EQ(unlink(path), 0);
	}
	CHECK_EQ(rmdir(share), 0);
	CHECK_EQ(rmdir(folder), 0);
}

TAP_MAIN(TEST(make_folder), TEST(reads), TEST(does_not_leave), TEST(writes), TEST(read_only),
	 TEST(nonsense), TEST(device), TEST(descriptors), TEST(remove_folder));
