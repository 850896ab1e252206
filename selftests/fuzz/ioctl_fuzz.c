// SPDX-License-Identifier: GPL-2.0
/*
 * Sequences of ioctls, from several threads, that nobody in his right mind would make.
 *
 *	ioctl_fuzz [-c FILE] [-t SECONDS] [-n PROGRAMS] [-m MESSAGES] [-s SEED]
 *	ioctl_fuzz -r NAME [-n TIMES]	repeat one program
 *
 * A program is named by numbers: the seed that it was made of, then those of the changes that
 * were made to it ("7.1f.a3"). Where the kernel has KCOV a program that came somewhere new in the
 * module is kept, and changed further. Each runs in a process of its own, which ends by itself, by
 * its own hand or by ours. A complaint in the kernel's log, or a process that cannot be killed,
 * ends it all, with the names of the last programs. Then so many netlink messages are sent, beside
 * VMs that come and go; if only they are asked for, there are no programs.
 * With -c the programs named in FILE, one a line, are run first, and what is kept is told.
 *
 * The device is taken from VMM_DEV (default /dev/vmm). Output is TAP.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "ioctl_fuzz.h"

#define LINEAGE    12 /* numbers in a name */
#define CORPUS     4096
#define MAP_BITS   18
#define KCOV_WORDS (64 << 10)
#define PROGRAM_MS 2500
#define DEATH_MS   60000
#define REMEMBER   8 /* programs that are named when something goes wrong */

#define KCOV_INIT_TRACE _IOR('c', 1, unsigned long)
#define KCOV_ENABLE     _IO('c', 100)
#define KCOV_DISABLE    _IO('c', 101)
#define KCOV_TRACE_PC   0

struct name {
	unsigned int count;
	uint32_t number[LINEAGE];
};

/* Shared with the processes that run programs. */
struct shared {
	struct tally tally;
	uint32_t fresh; /* places that the last program was the first to reach */
	uint32_t places;
	uint8_t map[1 << MAP_BITS];
};

static struct shared *shared;

static struct name corpus[CORPUS];
static unsigned int corpus_count;
static struct name recent[REMEMBER];
static const char *device;
static bool has_kcov;
static int kmsg = -1;
static bool tell_kept;
static uint64_t programs, timeouts, killed;

/* ---- names and programs ---- */

static void name_print(const struct name *n)
{
	unsigned int i;

	for (i = 0; i < n->count; i++)
		printf("%s%x", i ? "." : "", n->number[i]);
	putchar('\n');
}

static bool name_parse(struct name *n, const char *text)
{
	char *end;

	for (n->count = 0; n->count < LINEAGE; text = end + 1) {
		n->number[n->count++] = strtoul(text, &end, 16);
		if (!*end)
			return true;
		if (*end != '.')
			return false;
	}
	return false;
}

static void program_make(struct program *p, uint32_t seed)
{
	struct dice d = { seed };
	unsigned int steps = 4 + dice_below(&d, 28);

	p->threads = dice_one_in(&d, 2) ? 1 : 2 + dice_below(&d, MAX_THREADS - 1);
	p->count = dice_one_in(&d, 8) ? 0 : calls_opening(&d, p->ops);
	while (steps-- && p->count < MAX_OPS)
		p->ops[p->count++] = calls_draw(&d, p->threads);
}

static void program_change(struct program *p, uint32_t seed)
{
	struct dice d = { seed };
	unsigned int times = 1 + dice_below(&d, 4), at, i;

	while (times--) {
		at = dice_below(&d, p->count + 1);
		switch (dice_below(&d, 6)) {
		case 0: /* one more, or two */
		case 1:
			if (p->count == MAX_OPS)
				break;
			memmove(p->ops + at + 1, p->ops + at, (p->count - at) * sizeof(p->ops[0]));
			p->ops[at] = calls_draw(&d, p->threads);
			p->count++;
			break;
		case 2: /* one less */
			if (at >= p->count)
				break;
			memmove(p->ops + at, p->ops + at + 1,
				(p->count - at - 1) * sizeof(p->ops[0]));
			p->count--;
			break;
		case 3: /* the same with other arguments */
			if (at < p->count)
				p->ops[at].seed = dice_next(&d);
			break;
		case 4: /* again, later */
			if (at < p->count && p->count < MAX_OPS)
				p->ops[p->count++] = p->ops[at];
			break;
		default: /* by others */
			p->threads = 1 + dice_below(&d, MAX_THREADS);
			for (i = 0; i < p->count; i++)
				if (dice_one_in(&d, 3))
					p->ops[i].thread = dice_below(&d, p->threads);
		}
	}
}

static void program_of(struct program *p, const struct name *n)
{
	unsigned int i;

	program_make(p, n->number[0]);
	for (i = 1; i < n->count; i++)
		program_change(p, n->number[i]);
}

static struct name name_draw(struct dice *d)
{
	struct name n;

	if (!corpus_count || dice_one_in(d, 3))
		return (struct name){ 1, { dice_next(d) } };
	/* The youngest have most to tell. */
	n = corpus[dice_one_in(d, 2) ? dice_below(d, corpus_count)
				     : corpus_count - 1 - dice_below(d, (corpus_count + 3) / 4)];
	if (n.count == LINEAGE)
		return (struct name){ 1, { dice_next(d) } };
	n.number[n.count++] = dice_next(d);
	return n;
}

/* ---- in the process of a program ---- */

static uint64_t *kcov_begin(int *fd)
{
	uint64_t *cover;

	*fd = open("/sys/kernel/debug/kcov", O_RDWR | O_CLOEXEC);
	if (*fd < 0)
		return NULL;
	if (ioctl(*fd, KCOV_INIT_TRACE, KCOV_WORDS))
		return NULL;
	cover = mmap(NULL, KCOV_WORDS * 8, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	if (cover == MAP_FAILED || ioctl(*fd, KCOV_ENABLE, KCOV_TRACE_PC))
		return NULL;
	return cover;
}

static void kcov_end(int fd, const uint64_t *cover)
{
	uint64_t i, n = __atomic_load_n(&cover[0], __ATOMIC_RELAXED);

	ioctl(fd, KCOV_DISABLE, 0);
	for (i = 1; i <= n && i < KCOV_WORDS; i++) {
		uint64_t place = cover[i] * 0x9e3779b97f4a7c15 >> (64 - MAP_BITS);

		if (shared->map[place])
			continue;
		shared->map[place] = 1;
		shared->fresh++;
		shared->places++;
	}
}

struct share {
	const struct program *p;
	unsigned int thread;
};

static void *thread_main(void *arg)
{
	const struct share *s = arg;

	calls_run(s->p, s->thread);
	return NULL;
}

static void in_child(const struct program *p)
{
	struct rlimit memory = { 1ull << 30, 1ull << 30 }, files = { 256, 256 };
	struct share share[MAX_THREADS];
	pthread_t threads[MAX_THREADS];
	uint64_t *cover = NULL;
	unsigned int i;
	int fd;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setrlimit(RLIMIT_AS, &memory);
	setrlimit(RLIMIT_NOFILE, &files);
	calls_begin(device, &shared->tally);
	if (has_kcov)
		cover = kcov_begin(&fd);
	for (i = 1; i < p->threads; i++) {
		share[i] = (struct share){ p, i };
		if (pthread_create(&threads[i], NULL, thread_main, &share[i]))
			break;
	}
	calls_run(p, 0);
	if (cover)
		kcov_end(fd, cover);
	while (--i > 0)
		pthread_join(threads[i], NULL);
	_exit(0);
}

/* ---- the engine ---- */

static long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ll + ts.tv_nsec / 1000000;
}

/* What counts are the looks too: a machine that stands still does not use the time up at once. */
static bool wait_for(pid_t pid, int *status, unsigned int ms)
{
	const struct timespec tick = { .tv_nsec = 500000 };
	long long until = now_ms() + ms;
	unsigned int looks = 0;

	while (waitpid(pid, status, WNOHANG) != pid) {
		if (now_ms() > until && looks++ > ms / 10)
			return false;
		nanosleep(&tick, NULL);
	}
	return true;
}

/* false: a process that cannot be killed. */
static bool program_run(const struct program *p)
{
	int status = 0;
	pid_t pid;

	shared->fresh = 0;
	pid = fork();
	if (pid < 0) {
		perror("fork");
		exit(2);
	}
	if (!pid)
		in_child(p);
	programs++;
	if (!wait_for(pid, &status, PROGRAM_MS)) {
		timeouts++;
		kill(-pid, SIGKILL);
		kill(pid, SIGKILL);
		if (!wait_for(pid, &status, DEATH_MS))
			return false;
	}
	/* What it forked has had its time. */
	kill(-pid, SIGKILL);
	killed += WIFSIGNALED(status);
	return true;
}

/* Has the kernel complained since it was last asked? */
static bool complained(void)
{
	static const char *const words[] = {
		"BUG:",
		"WARNING:",
		"KASAN",
		"UBSAN",
		"Oops",
		"Call Trace",
		"circular locking",
		"inconsistent lock state",
		"suspicious RCU",
		"sleeping function",
		"ODEBUG",
		"refcount_t",
		"unchecked MSR",
		"blocked for more than",
		"stall on CPU",
		"vmalloc error",
		"page allocation failure",
		"general protection fault",
	};
	static char text[8192];
	bool found = false;
	ssize_t n;
	size_t i;

	while (kmsg >= 0 && (n = read(kmsg, text, sizeof(text) - 1)) > 0) {
		text[n] = 0;
		for (i = 0; i < ARRAY_SIZE(words); i++)
			found |= !!strstr(text, words[i]);
	}
	return found;
}

static void remember(const struct name *n)
{
	memmove(recent + 1, recent, sizeof(recent) - sizeof(recent[0]));
	recent[0] = *n;
}

static bool give_up(const char *why)
{
	unsigned int i;

	printf("# %s; the last programs, youngest first:\n", why);
	for (i = 0; i < REMEMBER && recent[i].count; i++) {
		printf("# ioctl_fuzz -r ");
		name_print(&recent[i]);
	}
	fflush(stdout);
	return false;
}

/* mark: what the sums are, to whoever adds them up. */
static void report(const char *mark)
{
	unsigned int i, worked = 0;

	for (i = 0; i < calls_count(); i++)
		worked += shared->tally.succeeded[i] > 0;
	printf("# %s %llu programs of ioctls\n", mark, (unsigned long long)programs);
	printf("# %s %llu ioctls fuzzed\n", mark, (unsigned long long)shared->tally.calls);
	printf("# %s %llu netlink messages fuzzed\n", mark,
	       (unsigned long long)shared->tally.messages);
	printf("# fuzz: %llu programs killed, %llu late; %llu VMs, %llu runs\n",
	       (unsigned long long)killed, (unsigned long long)timeouts,
	       (unsigned long long)shared->tally.vms, (unsigned long long)shared->tally.runs);
	printf("# fuzz: %llu ioctls succeeded, of %u kinds of %u; %llu messages did\n",
	       (unsigned long long)shared->tally.good, worked, calls_count(),
	       (unsigned long long)shared->tally.answers);
	printf("# fuzz: %u places, %u programs kept\n", shared->places, corpus_count);
	fflush(stdout);
}

static bool one(const struct name *n)
{
	struct program p;

	program_of(&p, n);
	remember(n);
	if (!program_run(&p))
		return give_up("a process does not die");
	if (complained())
		return give_up("the kernel complained");
	if (!shared->fresh || corpus_count == CORPUS)
		return true;
	corpus[corpus_count++] = *n;
	if (tell_kept) {
		printf("# kept ");
		name_print(n);
	}
	return true;
}

/* The programs that were kept before. */
static bool begin_with(const char *file)
{
	char line[LINEAGE * 9 + 1];
	struct name n;
	bool good = true;
	FILE *f = fopen(file, "r");

	if (!f) {
		perror(file);
		exit(2);
	}
	while (good && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		good = !*line || !name_parse(&n, line) || one(&n);
	}
	fclose(f);
	if (good && has_kcov)
		printf("# begun with %u programs\n", corpus_count);
	fflush(stdout);
	return good;
}

static bool fuzz(uint64_t seed, long long seconds, uint64_t count)
{
	long long end = now_ms() + seconds * 1000, next = now_ms() + 20000;
	struct dice d = { seed };

	printf("# seed %#llx, %s KCOV\n", (unsigned long long)seed, has_kcov ? "with" : "without");
	while ((!seconds || now_ms() < end) && (!count || programs < count)) {
		struct name n = name_draw(&d);

		if (!one(&n))
			return false;
		if (now_ms() > next) {
			report("until now");
			next = now_ms() + 20000;
		}
	}
	return true;
}

static bool messages_sent(uint64_t seed, uint64_t count)
{
	uint64_t before = shared->tally.answers;

	printf("# seed of messages %#llx\n", (unsigned long long)seed);
	fflush(stdout);
	return calls_messages(device, &shared->tally, seed, count) &&
	       shared->tally.answers > before && !complained();
}

static void result(unsigned int n, bool good, const char *what)
{
	printf("%s %u - ioctl_fuzz.%s\n", good ? "ok" : "not ok", n, what);
	fflush(stdout);
}

static int usage(const char *self)
{
	fprintf(stderr,
		"%s [-c file] [-t seconds] [-n programs] [-m messages] [-s seed] | -r name [-n times]\n",
		self);
	return 64;
}

int main(int argc, char **argv)
{
	struct name replay = { 0 };
	const char *kept = NULL;
	long long seconds = 0;
	uint64_t seed, count = 0, messages = 0, i;
	bool programs_too, good = true;
	unsigned int n = 0;
	int opt;

	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		return 2;
	seed >>= 32;
	while ((opt = getopt(argc, argv, "c:m:n:r:s:t:")) != -1) {
		if (opt == 'c')
			kept = optarg;
		else if (opt == 'm')
			messages = strtoull(optarg, NULL, 0);
		else if (opt == 'n')
			count = strtoull(optarg, NULL, 0);
		else if (opt == 's')
			seed = strtoull(optarg, NULL, 0);
		else if (opt == 't')
			seconds = atoll(optarg);
		else if (opt != 'r' || !name_parse(&replay, optarg))
			return usage(argv[0]);
	}
	device = getenv("VMM_DEV") ?: "/dev/vmm";
	has_kcov = !access("/sys/kernel/debug/kcov", R_OK | W_OK);
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (kmsg >= 0)
		lseek(kmsg, 0, SEEK_END);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED)
		return 2;
	tell_kept = kept && has_kcov;
	programs_too = seconds || count || replay.count || !messages;
	printf("TAP version 13\n1..%u\n", 1 + programs_too + !!messages);
	if (replay.count)
		for (i = 0; i < (count ?: 1) && good; i++)
			good = one(&replay);
	else if (programs_too)
		good = (!kept || begin_with(kept)) && fuzz(seed, seconds, count);
	if (programs_too)
		result(++n, good && shared->tally.good, "programs");
	if (messages && good)
		result(++n, messages_sent(seed, messages), "netlink messages");
	report("figure");
	result(++n, calls_sane(device), "a sane VM runs");
	return !good;
}
