// SPDX-License-Identifier: GPL-2.0
#include "client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "../files.h"
#include "control.h"
#include "paths.h"

#define GREETING_SECONDS 150 /* more than a disk's server takes, for which a VM waits */

json_t *control_read(int fd, struct error *err)
{
	char line[CONTROL_LINE];
	json_t *answer;
	size_t len = 0;
	ssize_t n;

	/* Byte by byte: what comes behind the line may be a console. */
	while (len < sizeof(line)) {
		n = recv(fd, line + len, 1, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			fault(err, EX_UNAVAILABLE, "the VM does not answer");
			return NULL;
		}
		if (n <= 0)
			break;
		if (line[len++] != '\n')
			continue;
		answer = json_loadb(line, len, 0, NULL);
		if (answer)
			return answer;
		break;
	}
	fault(err, EX_UNAVAILABLE, "the VM's control socket has closed");
	return NULL;
}

/* An answer that refuses, in words. */
static int is_refused(const json_t *answer, struct error *err)
{
	if (json_is_true(json_object_get(answer, "ok")))
		return 0;
	return fault(err, 1, "%s",
		     json_string_value(json_object_get(answer, "error"))
			     ? json_string_value(json_object_get(answer, "error"))
			     : "refused");
}

/* The files come with the first byte. */
static ssize_t send_text(int fd, char *text, const int *file, unsigned int files)
{
	union {
		char buf[CMSG_SPACE(FILES_OFFERED_MAX * sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { text, strlen(text) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	if (files) {
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(files * sizeof(*file));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(files * sizeof(*file));
		memcpy(CMSG_DATA(c), file, files * sizeof(*file));
	}
	return sendmsg(fd, &msg, MSG_NOSIGNAL);
}

json_t *control_request(int fd, json_t *request, struct error *err)
{
	return control_request_files(fd, request, NULL, 0, err);
}

int control_pass(int fd, int file)
{
	char byte[] = ".";

	return send_text(fd, byte, &file, 1) == 1 ? 0 : -1;
}

json_t *control_request_files(int fd, json_t *request, const int *file, unsigned int files,
			      struct error *err)
{
	return control_send(fd, request, file, files, err) ? NULL : control_answer(fd, err);
}

int control_send(int fd, json_t *request, const int *file, unsigned int files, struct error *err)
{
	char *text = json_dumps(request, JSON_COMPACT);
	int ret = 0;

	json_decref(request);
	if (!text || send_text(fd, text, file, files) < 0 || send(fd, "\n", 1, MSG_NOSIGNAL) < 0)
		ret = fault_errno(err, EX_UNAVAILABLE, errno, "control socket");
	free(text);
	return ret;
}

json_t *control_answer(int fd, struct error *err)
{
	json_t *answer = control_read(fd, err);

	if (answer && is_refused(answer, err)) {
		json_decref(answer);
		answer = NULL;
	}
	return answer;
}

/* What comes later may take its time. */
static int check_greeting(int fd, unsigned int seconds, struct error *err)
{
	struct timeval limit = { .tv_sec = seconds };
	json_t *hello;
	int ret;

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	hello = control_read(fd, err);
	limit.tv_sec = 0;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (!hello)
		return -1;
	ret = is_refused(hello, err);
	if (!ret && json_integer_value(json_object_get(hello, "protocol")) != CONTROL_PROTOCOL)
		ret = fault(err, EX_PROTOCOL, "the VM's vmctl speaks another protocol: it is %s",
			    json_string_value(json_object_get(hello, "vmctl")));
	json_decref(hello);
	return ret;
}

/* A socket, -1 and errno, or -2 and *err. */
static int connect_at(const char *folder, const char *name, struct sockaddr_un *addr,
		      struct error *err)
{
	int fd, errnum;

	if (control_address(folder, name, addr, err))
		return -2;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		fault_errno(err, EX_OSERR, errno, "control socket");
		return -2;
	}
	if (!connect(fd, (struct sockaddr *)addr, sizeof(*addr)))
		return fd;
	errnum = errno;
	close(fd);
	errno = errnum;
	return -1;
}

int control_connect(uid_t owner, const char *name, struct error *err)
{
	char folder[PATH_MAX];
	struct sockaddr_un addr;
	int fd;

	fd = connect_at(run_folder(owner, folder), name, &addr, err);
	/* Root may have started it as another user. */
	if (fd == -1 && owner && !geteuid() && (errno == ENOENT || errno == ECONNREFUSED))
		fd = connect_at(run_folder(0, folder), name, &addr, err);
	if (fd < 0) {
		if (fd == -1 && (errno == ENOENT || errno == ECONNREFUSED))
			fault(err, 1,
			      "VM %s has no control socket of vmctl: its client controls it", name);
		else if (fd == -1)
			fault_errno(err, errno == EACCES ? EX_NOPERM : EX_OSERR, errno,
				    "control socket %s", addr.sun_path);
		return -1;
	}
	if (!check_greeting(fd, GREETING_SECONDS, err))
		return fd;
	close(fd);
	return -1;
}

bool control_await(uid_t owner, const char *name, unsigned int seconds)
{
	struct error err = { 0 };
	char folder[PATH_MAX];
	struct sockaddr_un addr;
	bool answers;
	int fd = connect_at(run_folder(owner, folder), name, &addr, &err);

	if (fd < 0)
		return false;
	answers = !check_greeting(fd, seconds, &err);
	close(fd);
	return answers;
}
