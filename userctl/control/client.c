// SPDX-License-Identifier: GPL-2.0
#include "client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control.h"
#include "paths.h"

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

json_t *control_request(int fd, json_t *request, struct error *err)
{
	char *text = json_dumps(request, JSON_COMPACT);
	json_t *answer = NULL;

	json_decref(request);
	if (!text || send(fd, text, strlen(text), MSG_NOSIGNAL) < 0 ||
	    send(fd, "\n", 1, MSG_NOSIGNAL) < 0)
		fault_errno(err, EX_UNAVAILABLE, errno, "control socket");
	else
		answer = control_read(fd, err);
	free(text);
	if (answer && is_refused(answer, err)) {
		json_decref(answer);
		answer = NULL;
	}
	return answer;
}

static int check_greeting(int fd, struct error *err)
{
	json_t *hello = control_read(fd, err);
	int ret;

	if (!hello)
		return -1;
	ret = is_refused(hello, err);
	if (!ret && json_integer_value(json_object_get(hello, "protocol")) != CONTROL_PROTOCOL)
		ret = fault(err, EX_PROTOCOL, "the VM's vmctl speaks another protocol: it is %s",
			    json_string_value(json_object_get(hello, "vmctl")));
	json_decref(hello);
	return ret;
}

int control_connect(uid_t owner, const char *name, struct error *err)
{
	char folder[PATH_MAX];
	struct sockaddr_un addr;
	int fd;

	if (control_address(run_folder(owner, folder), name, &addr, err))
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fault_errno(err, EX_OSERR, errno, "control socket");
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		if (errno == ENOENT || errno == ECONNREFUSED)
			fault(err, 1,
			      "VM %s was not started by vmctl start: its client controls it", name);
		else
			fault_errno(err, errno == EACCES ? EX_NOPERM : EX_OSERR, errno,
				    "control socket %s", addr.sun_path);
		close(fd);
		return -1;
	}
	if (!check_greeting(fd, err))
		return fd;
	close(fd);
	return -1;
}
