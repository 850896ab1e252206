// SPDX-License-Identifier: GPL-2.0
#include "image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../files.h"

static int check_file(struct image *img, struct error *err)
{
	struct stat st;

	if (fstat(img->fd, &st))
		return fault_errno(err, EX_NOINPUT, errno, "%s %s", img->kind, img->path);
	if (S_ISDIR(st.st_mode))
		return fault(err, EX_NOINPUT, "%s %s: is a directory", img->kind, img->path);
	if (!S_ISREG(st.st_mode))
		return fault(err, EX_NOINPUT, "%s %s: not a regular file", img->kind, img->path);
	if (!st.st_size)
		return image_bad(img, err, "the file is empty");
	img->size = (uint64_t)st.st_size;
	return 0;
}

int image_open(struct image *img, const char *path, const char *kind, struct error *err)
{
	img->path = path;
	img->kind = kind;
	img->size = 0;
	/* Without O_NONBLOCK a FIFO without a writer would hang here. */
	img->fd = files_open(kind, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (img->fd < 0)
		return fault_errno(err, EX_NOINPUT, errno, "%s %s", kind, path);
	if (check_file(img, err)) {
		image_close(img);
		return -1;
	}
	return 0;
}

void image_close(struct image *img)
{
	if (img->fd >= 0)
		close(img->fd);
	img->fd = -1;
}

int image_read(const struct image *img, uint64_t off, void *dst, uint64_t len, const char *what,
	       struct error *err)
{
	uint8_t *p = dst;
	ssize_t n;

	if (off > img->size || len > img->size - off) {
		return image_bad(img, err, "truncated: its %s ends at byte %llu, the file at %llu",
				 what, (unsigned long long)off + len,
				 (unsigned long long)img->size);
	}
	while (len) {
		n = pread(img->fd, p, len, (off_t)off);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault_errno(err, EX_IOERR, errno, "%s %s", img->kind, img->path);
		if (!n)
			return image_bad(img, err, "the file shrank while it was read");
		p += n;
		off += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return 0;
}

int image_bad(const struct image *img, struct error *err, const char *fmt, ...)
{
	char why[320];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	return fault(err, EX_DATAERR, "%s %s: %s", img->kind, img->path, why);
}
