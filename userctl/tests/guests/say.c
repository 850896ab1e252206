// SPDX-License-Identifier: GPL-2.0
/* say SOCKET [LINE...]: what a Unix socket answers to these lines, until it says no more. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), i;
	char buf[4096];
	ssize_t n;

	if (argc < 2 || strlen(argv[1]) >= sizeof(addr.sun_path))
		return 64;
	strcpy(addr.sun_path, argv[1]);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		perror(argv[1]);
		return 1;
	}
	for (i = 2; i < argc; i++)
		if (send(fd, argv[i], strlen(argv[i]), MSG_NOSIGNAL) < 0 ||
		    send(fd, "\n", 1, MSG_NOSIGNAL) < 0)
			break;
	shutdown(fd, SHUT_WR);
	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
		fwrite(buf, 1, (size_t)n, stdout);
	return 0;
}
