// SPDX-License-Identifier: GPL-2.0
#include "p9.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "../files.h"
#include "../sandbox/sandbox.h"
#include "p9_wire.h"

#define FIDS_MAX   512
#define MODE_BITS  01777 /* no set-user-ID, no set-group-ID */
#define OPEN_FLAGS (O_ACCMODE | O_TRUNC | O_DSYNC | O_SYNC | O_DIRECTORY)
#define PROC_MAX   32

/**
 * struct fid - what the guest has a number for
 * @used: it does
 * @number: the number
 * @fd: the file, not to read or write (O_PATH)
 * @io: the same, opened; -1 before
 * @dir: the same, for a folder
 */
struct fid {
	bool used;
	uint32_t number;
	int fd, io;
	DIR *dir;
};

struct p9 {
	int root;
	bool readonly;
	uint32_t message_max;
	struct fid fid[FIDS_MAX];
};

/* Of all shares together: with two descriptors each they leave half of what there can be. */
static atomic_uint fids;

/* ---- fids ---- */

static struct fid *find(struct p9 *p9, uint32_t number)
{
	struct fid *f;

	for (f = p9->fid; f < p9->fid + FIDS_MAX; f++) {
		if (f->used && f->number == number)
			return f;
	}
	return NULL;
}

static void release(struct fid *f)
{
	if (!f->used)
		return;
	if (f->dir)
		closedir(f->dir);
	else if (f->io >= 0)
		close(f->io);
	close(f->fd);
	f->used = false;
	atomic_fetch_sub(&fids, 1);
}

/* Give @fd a number; it is closed when that cannot be. */
static int assign(struct p9 *p9, uint32_t number, int fd)
{
	struct fid *f, *place = NULL;

	for (f = p9->fid; f < p9->fid + FIDS_MAX && !place; f++) {
		if (!f->used)
			place = f;
	}
	if (atomic_load(&fids) >= sandbox_files() / 4)
		place = NULL;
	if (!place || find(p9, number)) {
		close(fd);
		return place ? -EEXIST : -ENFILE;
	}
	atomic_fetch_add(&fids, 1);
	*place = (struct fid){ .used = true, .number = number, .fd = fd, .io = -1 };
	return 0;
}

static struct fid *get_fid(struct p9 *p9, struct p9_in *in)
{
	return find(p9, (uint32_t)p9_get(in, 4));
}

/* By this path a file that is open as O_PATH can be reached anew. */
static const char *proc_path(const struct fid *f, char *buf)
{
	snprintf(buf, PROC_MAX, "/proc/self/fd/%d", f->fd);
	return buf;
}

/* A name within a folder, and nothing else. */
static int get_name(struct p9_in *in, char *name)
{
	p9_get_string(in, name, P9_NAME_MAX);
	if (in->bad)
		return -EINVAL;
	if (!*name || strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, ".."))
		return -EACCES;
	return 0;
}

static void put_qid(struct p9_out *out, const struct stat *st)
{
	p9_put(out, S_ISDIR(st->st_mode) ? P9_QTDIR : S_ISLNK(st->st_mode) ? P9_QTSYMLINK : 0, 1);
	p9_put(out, (uint64_t)st->st_mtim.tv_sec ^ (uint64_t)st->st_mtim.tv_nsec, 4);
	p9_put(out, st->st_ino, 8);
}

static int put_qid_of(struct p9_out *out, int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	put_qid(out, &st);
	return 0;
}

/* The qid of what was just made in a folder. */
static int put_qid_at(struct p9_out *out, const struct fid *dir, const char *name)
{
	struct stat st;

	if (fstatat(dir->fd, name, &st, AT_SYMLINK_NOFOLLOW))
		return -errno;
	put_qid(out, &st);
	return 0;
}

/* ---- messages; each returns 0 or -errno ---- */

static int do_version(struct p9 *p9, struct p9_in *in, struct p9_out *out)
{
	uint32_t size = (uint32_t)p9_get(in, 4);
	char version[32];

	p9_get_string(in, version, sizeof(version) - 1);
	if (in->bad || size < P9_MESSAGE_MIN)
		return -EINVAL;
	p9_reset(p9);
	p9->message_max = size < P9_MESSAGE_MAX ? size : P9_MESSAGE_MAX;
	p9_put(out, p9->message_max, 4);
	p9_put_string(out, strcmp(version, "9P2000.L") ? "unknown" : version);
	return 0;
}

static int do_attach(struct p9 *p9, struct p9_in *in, struct p9_out *out)
{
	uint32_t number = (uint32_t)p9_get(in, 4);
	int fd, ret;

	if (in->bad)
		return -EINVAL;
	fd = fcntl(p9->root, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	ret = assign(p9, number, fd);
	return ret ? ret : put_qid_of(out, p9->root);
}

/* The parent of the root is the root; other parents are known to the guest as well. */
static int step(struct p9 *p9, int fd, const char *name)
{
	struct stat here, root;

	if (!strcmp(name, "..")) {
		if (fstat(fd, &here) || fstat(p9->root, &root))
			return -1;
		errno = EACCES;
		return here.st_ino == root.st_ino && here.st_dev == root.st_dev
			       ? fcntl(fd, F_DUPFD_CLOEXEC, 0)
			       : -1;
	}
	return openat(fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
}

/*
 * As far as it goes: that is an error only if it is nowhere. Where it is not all the way, 1 says
 * that there is an answer but no fid.
 */
static int walk(struct p9 *p9, struct p9_in *in, struct p9_out *out, int *fd, unsigned int *done)
{
	unsigned int i, names = (unsigned int)p9_get(in, 2);
	char name[P9_NAME_MAX + 1];
	int next, ret = 0;

	if (in->bad || names > P9_WALK_MAX)
		return -EINVAL;
	p9_put(out, 0, 2);
	for (i = 0; i < names && !ret; i++) {
		ret = get_name(in, name);
		if (ret == -EACCES && !strcmp(name, ".."))
			ret = 0;
		next = ret ? -1 : step(p9, *fd, name);
		if (!ret && next < 0)
			ret = -errno;
		if (ret)
			break;
		close(*fd);
		*fd = next;
		ret = put_qid_of(out, next);
	}
	*done = i;
	memcpy(out->p + P9_HEADER, &(uint16_t){ (uint16_t)i }, 2);
	if (i == names)
		return ret;
	return i && ret != -EINVAL ? 1 : ret;
}

static int do_walk(struct p9 *p9, struct p9_in *in, struct p9_out *out)
{
	struct fid *f = get_fid(p9, in);
	uint32_t number = (uint32_t)p9_get(in, 4);
	unsigned int done;
	int fd, ret;

	if (!f)
		return -EBADF;
	fd = fcntl(f->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	ret = walk(p9, in, out, &fd, &done);
	if (ret) {
		close(fd);
		return ret > 0 ? 0 : ret;
	}
	if (number != f->number)
		return assign(p9, number, fd);
	if (f->io >= 0) {
		close(fd);
		return -EBUSY;
	}
	close(f->fd);
	f->fd = fd;
	return 0;
}

static bool writes(int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);
}

static int do_lopen(struct p9 *p9, struct p9_in *in, struct p9_out *out)
{
	struct fid *f = get_fid(p9, in);
	int flags = (int)p9_get(in, 4) & OPEN_FLAGS;
	char path[PROC_MAX];
	struct stat st;

	if (!f || f->io >= 0)
		return -EBADF;
	if (p9->readonly && writes(flags))
		return -EROFS;
	if (fstat(f->fd, &st))
		return -errno;
	/* A pipe would block, and a device may do anything. */
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return -EACCES;
	f->io = open(proc_path(f, path), flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (f->io < 0)
		return -errno;
	put_qid(out, &st);
	p9_put(out, 0, 4);
	return 0;
}

/* The fid of the folder becomes that of the file. */
static int do_lcreate(struct p9 *p9, struct p9_in *in, struct p9_out *out)
{
	struct fid *f = get_fid(p9, in);
	char name[P9_NAME_MAX + 1];
	int flags, io, fd, ret = get_name(in, name);
	mode_t mode;

	flags = (int)p9_get(in, 4) & (OPEN_FLAGS & ~O_DIRECTORY);
	mode = (mode_t)p9_get(in, 4) & MODE_BITS;
	if (ret || in->bad)
		return ret ? ret : -EINVAL;
	if (!f || f->io >= 0)
		return -EBADF;
	if (p9->readonly)
		return -EROFS;
	io = openat(f->fd, name, flags | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK,
		    mode);
	if (io < 0)
		return -errno;
	fd = openat(f->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		close(io);
		return -EIO;
	}
	close(f->fd);
	f->fd = fd;
	f->io = io;
	ret = put_qid_of(out, io);
	p9_put(out, 0, 4);
	return ret;
}

static int do_mkdir(struct p9 *p9, struct p9_in *in, struct p9_out *out)
{
	struct fid *f = get_fid(p9, in);
	char name[P9_NAME_MAX + 1];
	int ret = get_name(in, name);
	mode_t mode = (mode_t)p9_get(in, 4) & MODE_BITS;

	if (ret || in->bad)
		return ret ? ret : -EINVAL;
	if (!f)
		return -EBADF;
	if (p9->readonly)
		return -EROFS;
	return mkdirat(f->fd, name, mode) ? -errno : put_qid_at(out, f, name);
}

static int do_symlink(struct p9 *p9, struct p9_in *in, struct p9_out *out)
{
	struct fid *f = get_fid(p9, in);
	char name[P9_NAME_MAX + 1], target[PATH_MAX];
	int ret = get_name(in, name);

	p9_get_string(in, target, sizeof(target) - 1);
	if (ret || in->bad)
		return ret ? ret : -EINVAL;
	if (!f)
		return -EBADF;
	if (p9->readonly)
		return -EROFS;
	return symlinkat(target, f->fd, name) ? -errno : put_qid_at(out, f, name);
}

/* Files only: devices, pipes and sockets would be the host's. */
static int do_mknod(struct p9 *p9, struct p9_in *in, struct p9_out *out)
{
	struct fid *f = get_fid(p9, in);
	char name[P9_NAME_MAX + 1];
	int ret = get_name(in, name);
	mode_t mode = (mode_t)p9_get(in, 4);

	if (ret || in->bad)
		return ret ? ret : -EINVAL;
	if (!f)
		return -EBADF;
	if (p9->readonly)
		return -EROFS;
	if (mode & S_IFMT && !S_ISREG(mode))
		return -EPERM;
	return mknodat(f->fd, name, S_IFREG | (mode & MODE_BITS), 0) ? -errno
								     : put_qid_at(out, f, name);
}

static int do_link(struct p9 *p9, struct p9_in *in, struct p9_out *out)
{
	struct fid *dir = get_fid(p9, in), *f = get_fid(p9, in);
	char name[P9_NAME_MAX + 1], path[PROC_MAX];
	int ret = get_name(in, name);

	(void)out;
	if (ret)
		return ret;
	if (!dir || !f)
		return -EBADF;
	if (p9->readonly)
		return -EROFS;
	return linkat(AT_FDCWD, proc_path(f, path), dir->fd, name, AT_SYMLINK_FOLLOW) ? -errno : 0;
}

static int do_renameat(struct p9 *p9, struct p9_in *in, struct p9_out *out)
{
	char from[P9_NAME_MAX + 1], to[P9_NAME_MAX + 1];
	struct fid *a = get_fid(p9, in), *b;
	int ret = get_name(in, from);

	(void)out;
	b = get_fid(p9, in);
	if (!ret)
		ret = get_name(in, to);
	if (ret)
		return ret;
	if (!a || !b)
		return -EBADF;
	if (p9->readonly)
		return -EROFS;
	return renameat(a->fd, from, b->fd, to) ? -errno : 0;
}

static int do_unlinkat(struct p9 *p9, struct p9_in *in, struct p9_out *out)
{
	struct fid *f = get_fid(p9, in);
	char name[P9_NAME_MAX + 1];
	int flags, ret = get_name(in, name);

	(void)out;
	flags = (int)p9_get(in, 4) & AT_REMOVEDIR;
	if (ret || in->bad)
		return ret ? ret : -EINVAL;
	if (!f)
		return -EBADF;
	if (p9->readonly)
		return -EROFS;
	return unlinkat(f->fd, name, flags) ? -errno : 0;
}

static int do_readlink(struct p9 *p9, struct p9_in *in, struct p9_out *out)
{
	struct fid *f = get_fid(p9, in);
	char target[PATH_MAX];
	ssize_t n;

	if (!f)
		return -EBADF;
	n = readlinkat(f->fd, "", target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	p9_put_string(out, target);
	return 0;
}

static void put_time(struct p9_out *out, const struct timespec *ts)
{
	p9_put(out, (uint64_t)ts->tv_sec, 8);
	p9_put(out, (uint64_t)ts->tv_nsec, 8);
}

static int do_getattr(struct p9 *p9, struct p9_in *in, struct p9_out *out)
{
	struct fid *f = get_fid(p9, in);
	struct stat st;
	unsigned int i;

	if (!f)
		return -EBADF;
	if (fstat(f->fd, &st))
		return -errno;
	p9_put(out, P9_ATTR_BASIC, 8);
	put_qid(out, &st);
	p9_put(out, st.st_mode, 4);
	p9_put(out, st.st_uid, 4);
	p9_put(out, st.st_gid, 4);
	p9_put(out, st.st_nlink, 8);
	p9_put(out, st.st_rdev, 8);
	p9_put(out, (uint64_t)st.st_size, 8);
	p9_put(out, (uint64_t)st.st_blksize, 8);
	p9_put(out, (uint64_t)st.st_blocks, 8);
	put_time(out, &st.st_atim);
	put_time(out, &st.st_mtim);
	put_time(out, &st.st_ctim);
	/* Birth, generation and version are not known. */
	for (i = 0; i < 4; i++)
		p9_put(out, 0, 8);
	return 0;
}

static struct timespec get_time(struct p9_in *in, uint32_t valid, uint32_t change, uint32_t set)
{
	struct timespec ts;

	ts.tv_sec = (time_t)p9_get(in, 8);
	ts.tv_nsec = (long)p9_get(in, 8);
	if (!(valid & change))
		ts.tv_nsec = UTIME_OMIT;
	else if (!(valid & set))
		ts.tv_nsec = UTIME_NOW;
	else if (ts.tv_nsec < 0 || ts.tv_nsec > 999999999)
		in->bad = true;
	return ts;
}

/* A size: of files only, as a device's or pipe's would open it. */
static int set_size(const struct fid *f, uint64_t size)
{
	char path[PROC_MAX];
	struct stat st;

	if (fstat(f->fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) || size > INT64_MAX)
		return -EINVAL;
	return truncate(proc_path(f, path), (off_t)size) ? -errno : 0;
}

static int do_setattr(struct p9 *p9, struct p9_in *in, struct p9_out *out)
{
	struct fid *f = get_fid(p9, in);
	uint32_t valid = (uint32_t)p9_get(in, 4);
	mode_t mode = (mode_t)p9_get(in, 4) & MODE_BITS;
	uint32_t uid = (uint32_t)p9_get(in, 4), gid = (uint32_t)p9_get(in, 4);
	uint64_t size = p9_get(in, 8);
	struct timespec times[2];
	char path[PROC_MAX];
	int ret = 0;

	(void)out;
	times[0] = get_time(in, valid, P9_SET_ATIME, P9_ATIME_SET);
	times[1] = get_time(in, valid, P9_SET_MTIME, P9_MTIME_SET);
	if (in->bad)
		return -EINVAL;
	if (!f)
		return -EBADF;
	if (p9->readonly)
		return -EROFS;
	proc_path(f, path);
	if ((valid & P9_SET_MODE) && chmod(path, mode))
		return -errno;
	if ((valid & (P9_SET_UID | P9_SET_GID)) &&
	    fchownat(f->fd, "", valid & P9_SET_UID ? uid : (uid_t)-1,
		     valid & P9_SET_GID ? gid : (gid_t)-1, AT_EMPTY_PATH))
		return -errno;
	if (valid & P9_SET_SIZE)
		ret = set_size(f, size);
	if (!ret && (valid & (P9_SET_ATIME | P9_SET_MTIME)) && utimensat(AT_FDCWD, path, times, 0))
		ret = -errno;
	return ret;
}

/* How many bytes of data an answer may have. */
static size_t limit(const struct p9 *p9, const struct p9_out *out, size_t count)
{
	size_t room = out->room < p9->message_max ? out->room : p9->message_max;

	room = room > P9_IO_HEADER ? room - P9_IO_HEADER : 0;
	return count < room ? count : room;
}

static int do_read(struct p9 *p9, struct p9_in *in, struct p9_out *out)
{
	struct fid *f = get_fid(p9, in);
	uint64_t off = p9_get(in, 8);
	size_t count = limit(p9, out, p9_get(in, 4));
	ssize_t n;

	if (!f || f->io < 0 || f->dir)
		return -EBADF;
	if (off > INT64_MAX)
		return -EINVAL;
	n = pread(f->io, out->p + P9_HEADER + 4, count, (off_t)off);
	if (n < 0)
		return -errno;
	p9_put(out, (uint64_t)n, 4);
	out->len += (size_t)n;
	return 0;
}

static int do_write(struct p9 *p9, struct p9_in *in, struct p9_out *out)
{
	struct fid *f = get_fid(p9, in);
	uint64_t off = p9_get(in, 8);
	size_t count = p9_get(in, 4);
	ssize_t n;

	if (!f || f->io < 0)
		return -EBADF;
	if (p9->readonly)
		return -EROFS;
	if (in->bad || count > in->left || off > INT64_MAX)
		return -EINVAL;
	n = pwrite(f->io, in->p, count, (off_t)off);
	if (n < 0)
		return -errno;
	p9_put(out, (uint64_t)n, 4);
	return 0;
}

static void put_entry(struct p9_out *out, const struct dirent *e)
{
	uint8_t type = e->d_type == DT_DIR ? P9_QTDIR : e->d_type == DT_LNK ? P9_QTSYMLINK : 0;

	p9_put(out, type, 1);
	p9_put(out, 0, 4);
	p9_put(out, e->d_ino, 8);
	p9_put(out, (uint64_t)e->d_off, 8);
	p9_put(out, e->d_type, 1);
	p9_put_string(out, e->d_name);
}

static int do_readdir(struct p9 *p9, struct p9_in *in, struct p9_out *out)
{
	struct fid *f = get_fid(p9, in);
	uint64_t off = p9_get(in, 8);
	size_t end = P9_HEADER + 4 + limit(p9, out, p9_get(in, 4));
	const struct dirent *e;
	uint32_t bytes;

	if (!f || f->io < 0)
		return -EBADF;
	if (!f->dir)
		f->dir = fdopendir(f->io);
	if (!f->dir)
		return -errno;
	seekdir(f->dir, (long)off);
	p9_put(out, 0, 4);
	errno = 0;
	while ((e = readdir(f->dir)) && out->len + P9_QID + 11 + strlen(e->d_name) <= end)
		put_entry(out, e);
	bytes = (uint32_t)(out->len - P9_HEADER - 4);
	/* Something is left, but not even one entry fits. */
	if (!bytes && (e || errno))
		return e ? -EINVAL : -errno;
	memcpy(out->p + P9_HEADER, &bytes, 4);
	return 0;
}

static int do_fsync(struct p9 *p9, struct p9_in *in, struct p9_out *out)
{
	struct fid *f = get_fid(p9, in);

	(void)out;
	if (!f || f->io < 0)
		return -EBADF;
	return fsync(f->io) ? -errno : 0;
}

static int do_statfs(struct p9 *p9, struct p9_in *in, struct p9_out *out)
{
	struct fid *f = get_fid(p9, in);
	struct statfs st;

	if (!f)
		return -EBADF;
	if (fstatfs(f->fd, &st))
		return -errno;
	p9_put(out, (uint64_t)st.f_type, 4);
	p9_put(out, (uint64_t)st.f_bsize, 4);
	p9_put(out, st.f_blocks, 8);
	p9_put(out, st.f_bfree, 8);
	p9_put(out, st.f_bavail, 8);
	p9_put(out, st.f_files, 8);
	p9_put(out, st.f_ffree, 8);
	p9_put(out, 0, 8);
	p9_put(out, (uint64_t)st.f_namelen, 4);
	return 0;
}

/* Locks are within the guest: there is one client, and no other one's are looked at. */
static int do_lock(struct p9 *p9, struct p9_in *in, struct p9_out *out)
{
	if (!get_fid(p9, in))
		return -EBADF;
	p9_put(out, 0, 1);
	return 0;
}

static int do_getlock(struct p9 *p9, struct p9_in *in, struct p9_out *out)
{
	struct fid *f = get_fid(p9, in);
	char client[P9_NAME_MAX + 1];
	uint64_t start, len, proc;

	p9_get(in, 1);
	start = p9_get(in, 8);
	len = p9_get(in, 8);
	proc = p9_get(in, 4);
	p9_get_string(in, client, P9_NAME_MAX);
	if (in->bad)
		return -EINVAL;
	if (!f)
		return -EBADF;
	p9_put(out, F_UNLCK, 1);
	p9_put(out, start, 8);
	p9_put(out, len, 8);
	p9_put(out, proc, 4);
	p9_put_string(out, client);
	return 0;
}

/* Each message is answered before the next one is read: there is never anything to cancel. */
static int do_flush(struct p9 *p9, struct p9_in *in, struct p9_out *out)
{
	(void)p9;
	(void)in;
	(void)out;
	return 0;
}

static int do_clunk(struct p9 *p9, struct p9_in *in, struct p9_out *out)
{
	struct fid *f = get_fid(p9, in);

	(void)out;
	if (!f)
		return -EBADF;
	release(f);
	return 0;
}

/* ---- the table ---- */

typedef int (*handler)(struct p9 *p9, struct p9_in *in, struct p9_out *out);

/* Rename and remove by fid are not there: Linux goes on with those by name. */
static handler handler_of(unsigned int type)
{
	static const handler table[] = {
		[P9_STATFS] = do_statfs,   [P9_LOPEN] = do_lopen,       [P9_LCREATE] = do_lcreate,
		[P9_SYMLINK] = do_symlink, [P9_MKNOD] = do_mknod,       [P9_READLINK] = do_readlink,
		[P9_GETATTR] = do_getattr, [P9_SETATTR] = do_setattr,   [P9_READDIR] = do_readdir,
		[P9_FSYNC] = do_fsync,     [P9_LOCK] = do_lock,         [P9_GETLOCK] = do_getlock,
		[P9_LINK] = do_link,       [P9_MKDIR] = do_mkdir,       [P9_RENAMEAT] = do_renameat,
		[P9_VERSION] = do_version, [P9_UNLINKAT] = do_unlinkat, [P9_ATTACH] = do_attach,
		[P9_FLUSH] = do_flush,     [P9_WALK] = do_walk,         [P9_READ] = do_read,
		[P9_WRITE] = do_write,     [P9_CLUNK] = do_clunk,
	};

	return type < sizeof(table) / sizeof(table[0]) ? table[type] : NULL;
}

static void put_head(struct p9_out *out, unsigned int type, uint16_t tag)
{
	out->len = 0;
	out->full = false;
	p9_put(out, 0, 4);
	p9_put(out, type, 1);
	p9_put(out, tag, 2);
}

size_t p9_serve(struct p9 *p9, const uint8_t *msg, size_t len, uint8_t *reply, size_t room)
{
	struct p9_in in = { msg, len, false };
	struct p9_out out = { .p = reply, .room = room < P9_MESSAGE_MAX ? room : P9_MESSAGE_MAX };
	uint32_t size = (uint32_t)p9_get(&in, 4);
	unsigned int type = (unsigned int)p9_get(&in, 1);
	uint16_t tag = (uint16_t)p9_get(&in, 2);
	handler run = handler_of(type);
	uint32_t total;
	int ret;

	if (in.bad || size < P9_HEADER || size > len || out.room < P9_HEADER + 4)
		return 0;
	in.left = size - P9_HEADER;
	put_head(&out, type + 1, tag);
	ret = run ? run(p9, &in, &out) : -EOPNOTSUPP;
	if (!ret && (in.bad || out.full))
		ret = in.bad ? -EINVAL : -EMSGSIZE;
	if (ret) {
		put_head(&out, P9_RLERROR, tag);
		p9_put(&out, (uint64_t)-ret, 4);
	}
	total = (uint32_t)out.len;
	memcpy(reply, &total, sizeof(total));
	return out.len;
}

void p9_reset(struct p9 *p9)
{
	struct fid *f;

	for (f = p9->fid; f < p9->fid + FIDS_MAX; f++)
		release(f);
	p9->message_max = P9_MESSAGE_MIN;
}

struct p9 *p9_create(const char *path, bool readonly, struct error *err)
{
	struct p9 *p9 = calloc(1, sizeof(*p9));

	if (!p9) {
		fault(err, EX_OSERR, "out of memory");
		return NULL;
	}
	p9->root = files_get("share", path);
	if (p9->root < 0)
		p9->root = files_put("share", path, sandbox_share(path));
	if (p9->root < 0) {
		fault_errno(err, EX_NOINPUT, errno, "share %s", path);
		free(p9);
		return NULL;
	}
	p9->readonly = readonly;
	p9->message_max = P9_MESSAGE_MIN;
	return p9;
}

void p9_destroy(struct p9 *p9)
{
	p9_reset(p9);
	close(p9->root);
	free(p9);
}
