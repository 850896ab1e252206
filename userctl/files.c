// SPDX-License-Identifier: GPL-2.0
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define KEPT_MAX 192 /* kernel, modules, disks, queues of cards, shares, ports, nodes */
#define KEY_MAX  256

static struct {
	char key[KEY_MAX];
	int fd;
} kept[KEPT_MAX];
static unsigned int count;
static bool keeping, sealed;
static int offered[FILES_OFFERED_MAX];
static unsigned int offers, taken;

void files_keep_all(void)
{
	keeping = true;
}

void files_seal(void)
{
	sealed = true;
}

bool files_sealed(void)
{
	return sealed;
}

/* Longer names differ at their end. */
static void make_key(char *key, const char *what, const char *name)
{
	size_t len = strlen(name);

	snprintf(key, KEY_MAX, "%s %s", what, len > KEY_MAX / 2 ? name + len - KEY_MAX / 2 : name);
}

static int find(const char *what, const char *name)
{
	char key[KEY_MAX];
	unsigned int i;

	make_key(key, what, name);
	for (i = 0; sealed && i < count; i++) {
		if (!strcmp(kept[i].key, key))
			return kept[i].fd;
	}
	return -1;
}

bool files_kept(const char *what, const char *name)
{
	return find(what, name) >= 0;
}

static int keep(const char *what, const char *name, int fd)
{
	if (!keeping || fd < 0 || count == KEPT_MAX)
		return fd;
	make_key(kept[count].key, what, name);
	kept[count].fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	count += kept[count].fd >= 0;
	return fd;
}

int files_get(const char *what, const char *name)
{
	int fd = find(what, name);

	if (fd >= 0)
		return fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return taken < offers ? keep(what, name, offered[taken++]) : -1;
}

int files_put(const char *what, const char *name, int fd)
{
	return sealed ? fd : keep(what, name, fd);
}

int files_open(const char *what, const char *name, int flags)
{
	int fd = files_get(what, name);

	if (fd >= 0)
		return fd;
	if (!sealed)
		return files_put(what, name, open(name, flags));
	errno = EACCES;
	return -1;
}

void files_offer(const int *fd, unsigned int files)
{
	while (taken < offers)
		close(offered[taken++]);
	taken = 0;
	offers = files;
	if (files)
		memcpy(offered, fd, files * sizeof(*fd));
}

int files_offered(void)
{
	return taken < offers ? offered[taken++] : -1;
}

int files_receive(int socket, int timeout)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.buf,
			      /* With padding there is room for two. */
			      .msg_controllen = CMSG_LEN(sizeof(int)) };
	struct pollfd p = { .fd = socket, .events = POLLIN };
	struct cmsghdr *c;
	int fd;

	if (poll(&p, 1, timeout) <= 0 ||
	    recvmsg(socket, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) <= 0)
		return -1;
	c = CMSG_FIRSTHDR(&msg);
	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
	    c->cmsg_len != CMSG_LEN(sizeof(fd)))
		return -1;
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

void files_forget(const char *what)
{
	size_t len = strlen(what);
	unsigned int i = 0;

	while (i < count) {
		if (strncmp(kept[i].key, what, len) || kept[i].key[len] != ' ') {
			i++;
			continue;
		}
		close(kept[i].fd);
		kept[i] = kept[--count];
	}
}
