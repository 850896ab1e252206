// SPDX-License-Identifier: GPL-2.0
/*
 * What busybox lacks, for hosts and guests of the tests:
 *	tool unix PATH		connect to a Unix socket: standard input goes there, the answer out
 *	tool listen PORT	wait for one AF_VSOCK connection and send it back what it sends
 *	tool vsock CID PORT	connect, as with unix
 *	tool numbers DISK	write rising numbers all over a disk, flush, and say which is safe
 *	tool check DISK NUMBER	see that none of those up to NUMBER is lost
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BLOCK  4096
#define PLACES 64

static int fail(const char *what)
{
	perror(what);
	return 1;
}

/* One question, one answer. */
static int talk(int fd)
{
	char buf[256];
	ssize_t n = read(STDIN_FILENO, buf, sizeof(buf));

	if (n <= 0 || write(fd, buf, (size_t)n) != n)
		return fail("write");
	n = read(fd, buf, sizeof(buf));
	if (n <= 0 || write(STDOUT_FILENO, buf, (size_t)n) != n)
		return fail("read");
	return 0;
}

static int talk_unix(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strncpy(addr.sun_path, path, sizeof(addr.sun_path) - 1);
	return connect(fd, (struct sockaddr *)&addr, sizeof(addr)) ? fail(path) : talk(fd);
}

static int talk_vsock(const char *cid, const char *port)
{
	struct sockaddr_vm addr = { .svm_family = AF_VSOCK,
				    .svm_cid = (unsigned int)atoi(cid),
				    .svm_port = (unsigned int)atoi(port) };
	int fd = socket(AF_VSOCK, SOCK_STREAM, 0);

	return connect(fd, (struct sockaddr *)&addr, sizeof(addr)) ? fail("vsock") : talk(fd);
}

static int echo_vsock(const char *port)
{
	struct sockaddr_vm addr = { .svm_family = AF_VSOCK,
				    .svm_cid = VMADDR_CID_ANY,
				    .svm_port = (unsigned int)atoi(port) };
	int fd = socket(AF_VSOCK, SOCK_STREAM, 0);
	char buf[256];
	ssize_t n;

	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 1))
		return fail("listen");
	puts("listening");
	fflush(stdout);
	fd = accept(fd, NULL, NULL);
	n = read(fd, buf, sizeof(buf));
	if (n <= 0 || write(fd, buf, (size_t)n) != n)
		return fail("echo");
	/* Until the other side has read it. */
	while (read(fd, buf, sizeof(buf)) > 0)
		;
	return 0;
}

/* Number n is at place n modulo PLACES; it is told only when it is flushed. */
static int numbers(const char *path)
{
	static uint64_t block[BLOCK / 8] __attribute__((aligned(BLOCK)));
	int fd = open(path, O_WRONLY | O_DIRECT);
	unsigned int i;
	uint64_t n;

	if (fd < 0)
		return fail(path);
	for (n = 1;; n++) {
		for (i = 0; i < BLOCK / 8; i++)
			block[i] = n;
		if (pwrite(fd, block, BLOCK, (off_t)(n % PLACES * BLOCK)) != BLOCK || fsync(fd))
			return fail("write");
		printf("safe %llu\n", (unsigned long long)n);
		fflush(stdout);
	}
}

/* What is younger than the number that was told may be there or not, and be torn. */
static int check(const char *path, uint64_t safe)
{
	static uint64_t block[BLOCK / 8];
	int fd = open(path, O_RDONLY);
	unsigned int i;
	uint64_t n;

	for (n = safe > PLACES ? safe - PLACES + 1 : 1; n <= safe; n++) {
		if (pread(fd, block, BLOCK, (off_t)(n % PLACES * BLOCK)) != BLOCK)
			return fail(path);
		/* The place of the oldest one may have got the next number already. */
		for (i = 0; i < BLOCK / 8; i++) {
			if (block[i] >= n && !((block[i] - n) % PLACES))
				continue;
			printf("lost %llu of %llu: %llu is there\n", (unsigned long long)n,
			       (unsigned long long)safe, (unsigned long long)block[i]);
			return 1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "unix"))
		return talk_unix(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "listen"))
		return echo_vsock(argv[2]);
	if (argc == 4 && !strcmp(argv[1], "vsock"))
		return talk_vsock(argv[2], argv[3]);
	if (argc == 3 && !strcmp(argv[1], "numbers"))
		return numbers(argv[2]);
	if (argc == 4 && !strcmp(argv[1], "check"))
		return check(argv[2], strtoull(argv[3], NULL, 10));
	return 2;
}
