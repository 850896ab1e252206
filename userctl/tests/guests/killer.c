// SPDX-License-Identifier: GPL-2.0
/*
 * Kills VMs whose guest, numbers.c, writes, and looks for what it was told is safe:
 *	killer ROUNDS SEED MODE IMAGE [-p DEVICE FOLDER FILE] [-x SHELL-COMMAND] -- COMMAND...
 * COMMAND, with "--append" and the guest's command line after it, is killed by SIGKILL at a
 * random moment of each round. Page cache outlives a process, so that alone finds writes that were
 * done too early or kept in user space, but not a flush that is none: with -p the file system of
 * DEVICE, ext4 at FOLDER with FILE in it, then loses what is not on DEVICE, as if the power had
 * failed. -x makes IMAGE of whatever the disk is. Runs on the same disk need seeds that follow one
 * another, or what is left of one would pass for the next one's. Exit status 1: numbers were lost,
 * 2: the test itself failed.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "numbers.h"

#define SHUTDOWN _IOR('X', 125, uint32_t) /* EXT4_IOC_SHUTDOWN */
#define NO_FLUSH 2                        /* EXT4_GOING_FLAGS_NOLOGFLUSH */
#define STEP     (1u << 15)               /* numbers of a round, at most */
#define ROUNDS   256u
#define SEEDS    500u   /* that have numbers of their own */
#define TOLD     12     /* so often something has been told, at most, .. */
#define MOMENT   40000  /* .. and so many microseconds gone since then */
#define PATIENCE 300000 /* milliseconds */
#define ARGS     64

struct plan {
	unsigned int rounds, seed;
	const char *mode, *image, *device, *folder, *disk, *make;
	char *command[ARGS];
	unsigned int args;
};

static void __attribute__((noreturn)) die(const char *what)
{
	fprintf(stderr, "killer: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* ---- a round ---- */

static pid_t launch(struct plan *p, uint32_t base, int *out)
{
	char append[64];
	int pipes[2];
	pid_t pid;

	snprintf(append, sizeof(append), "%s %u", p->mode, base);
	p->command[p->args] = (char *)"--append";
	p->command[p->args + 1] = append;
	if (pipe2(pipes, O_CLOEXEC))
		die("pipe");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		dup2(pipes[1], STDOUT_FILENO);
		execvp(p->command[0], p->command);
		_exit(127);
	}
	close(pipes[1]);
	*out = pipes[0];
	return pid;
}

/* struct teller - what the guest has said so far */
struct teller {
	int fd;
	char line[256];
	size_t len;
	uint32_t safe;
	unsigned int numbers;
};

static void hear(struct teller *t, char byte)
{
	unsigned int n;

	if (byte != '\n') {
		t->line[t->len] = byte;
		t->len += t->len < sizeof(t->line) - 1;
		return;
	}
	t->line[t->len] = '\0';
	t->len = 0;
	if (sscanf(t->line, "safe %u", &n) == 1) {
		t->safe = n;
		t->numbers++;
		return;
	}
	printf("%s\n", t->line);
	if (!strncmp(t->line, "bad ", 4))
		exit(2);
}

/* One piece: false when there is no more. */
static int listen_once(struct teller *t)
{
	struct pollfd p = { .fd = t->fd, .events = POLLIN };
	char buf[4096];
	ssize_t n, i;

	if (poll(&p, 1, PATIENCE) != 1) {
		fprintf(stderr, "killer: the guest says nothing\n");
		exit(2);
	}
	n = read(t->fd, buf, sizeof(buf));
	for (i = 0; i < n; i++)
		hear(t, buf[i]);
	return n > 0;
}

static void pause_for(long microseconds)
{
	struct timespec ts = { 0, microseconds * 1000 };

	nanosleep(&ts, NULL);
}

/*
 * The lock of a process that is no more goes with the I/O that it had under way; the next one would
 * not wait for long.
 */
static void await_unlocked(const char *path)
{
	struct flock lock = { .l_type = F_WRLCK };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	unsigned int tries;

	if (fd < 0)
		die(path);
	for (tries = 0; lock.l_type != F_UNLCK && tries < PATIENCE / 10; tries++) {
		if (tries)
			pause_for(10000);
		lock = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET };
		if (fcntl(fd, F_OFD_GETLK, &lock))
			die(path);
	}
	close(fd);
}

/* The last number of whole lines that came out: those that did not are of no guest's concern. */
static uint32_t run_and_kill(struct plan *p, uint32_t base, unsigned int *numbers)
{
	unsigned int told = 1 + (unsigned int)random() % TOLD;
	struct teller t = { 0 };
	int status;
	pid_t pid;

	await_unlocked(p->disk ? p->disk : p->image);
	pid = launch(p, base, &t.fd);
	while (t.numbers < told && listen_once(&t))
		;
	pause_for(random() % MOMENT);
	kill(pid, SIGKILL);
	while (listen_once(&t))
		;
	close(t.fd);
	if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status) || !t.numbers) {
		fprintf(stderr, "killer: the VM ended by itself, with %#x\n", (unsigned int)status);
		exit(2);
	}
	*numbers += t.numbers;
	return t.safe;
}

/* ---- what is there ---- */

static int readable(const char *path)
{
	int fd = open(path, O_RDONLY);
	char byte;
	int good = fd >= 0 && read(fd, &byte, 1) == 1;

	close(fd);
	return good;
}

/*
 * Whoever has a file there open ends by himself; as long as a process has it mounted in a namespace
 * of its own, the one that is mounted again is the one that is shut down.
 */
static void mount_again(const struct plan *p)
{
	unsigned int tries;

	for (tries = 0; tries < PATIENCE / 10; tries++) {
		if (umount(p->folder) && errno != EBUSY && errno != EINVAL)
			die("umount");
		if (!mount(p->device, p->folder, "ext4", 0, NULL) && readable(p->disk))
			return;
		pause_for(10000);
	}
	die("mount");
}

static void fail_power(const struct plan *p)
{
	int fd = open(p->folder, O_RDONLY | O_DIRECTORY);
	uint32_t how = NO_FLUSH;

	if (fd < 0 || ioctl(fd, SHUTDOWN, &how))
		die(p->folder);
	close(fd);
	mount_again(p);
}

/* A block of number n has it, or newer ones of that place, which may be torn. */
static uint64_t misplaced(const uint64_t *block, uint64_t n)
{
	unsigned int i;

	for (i = 0; i < NUMBERS_BLOCK / 8; i++) {
		if (block[i] < n || (block[i] - n) % NUMBERS_PLACES)
			return block[i] ? block[i] : UINT64_MAX;
	}
	return 0;
}

static unsigned int count_lost(const struct plan *p, uint32_t base, uint32_t safe)
{
	uint64_t block[NUMBERS_BLOCK / 8], found;
	int fd = open(p->image, O_RDONLY);
	unsigned int lost = 0;
	uint32_t n = base + 1;

	if (fd < 0)
		die(p->image);
	if (safe - base > NUMBERS_PLACES)
		n = safe - NUMBERS_PLACES + 1;
	for (; n <= safe; n++) {
		if (pread(fd, block, NUMBERS_BLOCK, n % NUMBERS_PLACES * NUMBERS_BLOCK) !=
		    NUMBERS_BLOCK)
			die(p->image);
		found = misplaced(block, n);
		if (found && !lost++)
			printf("lost: %u, of those told up to %u after %u: %lld is there\n", n,
			       safe, base, found == UINT64_MAX ? 0LL : (long long)found);
	}
	close(fd);
	return lost;
}

static int kill_all(struct plan *p)
{
	unsigned int round, lost = 0, bad = 0, numbers = 0, here;
	uint32_t base = p->seed % SEEDS * ROUNDS * STEP, safe;

	srandom(p->seed);
	for (round = 0; round < p->rounds; round++, base += STEP) {
		safe = run_and_kill(p, base, &numbers);
		if (p->folder)
			fail_power(p);
		if (p->make && system(p->make))
			die(p->make);
		here = count_lost(p, base, safe);
		lost += here;
		bad += here > 0;
	}
	printf("killed %u times, told %u times, lost %u numbers in %u rounds, seed %u\n", round,
	       numbers, lost, bad, p->seed);
	return lost > 0;
}

int main(int argc, char **argv)
{
	struct plan p = { 0 };
	int i = 5;

	if (argc < 7)
		return 2;
	p.rounds = (unsigned int)atoi(argv[1]);
	p.seed = (unsigned int)strtoul(argv[2], NULL, 10);
	if (!p.rounds || p.rounds > ROUNDS)
		return 2;
	p.mode = argv[3];
	p.image = argv[4];
	if (!strcmp(argv[i], "-p") && i + 3 < argc) {
		p.device = argv[i + 1];
		p.folder = argv[i + 2];
		p.disk = argv[i + 3];
		i += 4;
	}
	if (i + 1 < argc && !strcmp(argv[i], "-x")) {
		p.make = argv[i + 1];
		i += 2;
	}
	if (i >= argc || strcmp(argv[i++], "--") || argc - i > ARGS - 3)
		return 2;
	for (; i < argc; i++)
		p.command[p.args++] = argv[i];
	return kill_all(&p);
}
