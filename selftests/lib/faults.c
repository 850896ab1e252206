// SPDX-License-Identifier: GPL-2.0
/* Fault injection around every ioctl: the linker leads ioctl() here (--wrap). See faults.h. */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <linux/kvm.h>
#include "faults.h"
#include "harness.h"

#define MAX_COMMANDS 512
/* More than any ioctl allocates and copies; a loop without an end is a failure. */
#define MAX_NTH      2000
#define ARG_MAX_SIZE BIT(_IOC_SIZEBITS)

/* What is known of one ioctl, in all processes. */
struct command {
	unsigned long cmd;      /* 0: free */
	unsigned int tolerated; /* it succeeds although this one failed: begin after it */
	unsigned int injected;
};

struct record {
	unsigned int calls;
	unsigned int injected;
	struct command commands[MAX_COMMANDS];
};

static struct record *shared;
static volatile bool handles_signals;

int __real_ioctl(int fd, unsigned long cmd, unsigned long arg);
int __wrap_ioctl(int fd, unsigned long cmd, ...);
int __real_sigaction(int sig, const struct sigaction *act, struct sigaction *old);
int __wrap_sigaction(int sig, const struct sigaction *act, struct sigaction *old);

static void set_option(const char *name, const char *value)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/sys/kernel/debug/%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, value, strlen(value)) < 0) {
		perror(path);
		exit(2);
	}
	close(fd);
}

void faults_enable(void)
{
	/* Allocations that may wait too; without a line in the log for each. */
	set_option("failslab/ignore-gfp-wait", "N");
	set_option("failslab/verbose", "0");
	set_option("fail_page_alloc/ignore-gfp-wait", "N");
	set_option("fail_page_alloc/ignore-gfp-highmem", "N");
	set_option("fail_page_alloc/min-order", "0");
	set_option("fail_page_alloc/verbose", "0");
	set_option("fail_usercopy/verbose", "0");
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED) {
		perror("mmap");
		exit(2);
	}
}

void faults_report(void)
{
	unsigned int i, kinds = 0;

	for (i = 0; i < MAX_COMMANDS && shared->commands[i].cmd; i++)
		kinds += shared->commands[i].injected > 0;
	printf("# figure %u faults injected\n", shared->injected);
	printf("# faults: into %u calls of %u ioctls\n", shared->calls, kinds);
}

static struct command *command_of(unsigned long cmd)
{
	unsigned int i;

	for (i = 0; i < MAX_COMMANDS; i++) {
		struct command *c = &shared->commands[i];
		unsigned long seen = __sync_val_compare_and_swap(&c->cmd, 0, cmd);

		if (!seen || seen == cmd)
			return c;
	}
	FAIL("more than %u different ioctls", MAX_COMMANDS);
}

/* The argument as it was: an ioctl that writes it may have begun to. */
struct saved {
	int pipe[2];
	size_t size;
	char bytes[ARG_MAX_SIZE];
};

/* By way of a pipe, since the argument may be no memory: then there is nothing to save. */
static bool save(struct saved *s, unsigned long cmd, unsigned long arg)
{
	ssize_t n;

	s->size = _IOC_DIR(cmd) == _IOC_NONE ? 0 : _IOC_SIZE(cmd);
	if (pipe2(s->pipe, O_CLOEXEC | O_NONBLOCK))
		return false;
	n = s->size ? write(s->pipe[1], (void *)arg, s->size) : 0;
	if (n > 0)
		n = read(s->pipe[0], s->bytes, n);
	s->size = n > 0 ? n : 0;
	return true;
}

static void restore(struct saved *s, unsigned long arg)
{
	ssize_t n;

	if (!s->size)
		return;
	n = write(s->pipe[1], s->bytes, s->size);
	if (n > 0 && read(s->pipe[0], (void *)arg, n) < 0)
		while (read(s->pipe[0], s->bytes, sizeof(s->bytes)) > 0)
			; /* read-only: nobody has written it */
}

static void drop(struct saved *s)
{
	close(s->pipe[0]);
	close(s->pipe[1]);
}

/* Writing and reading the number are copies too, and may be the ones that fail. */
static bool arm(int fd, unsigned int nth)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", nth);

	return pwrite(fd, text, len, 0) == len;
}

/* Disarm; whether a fault has been injected since arm(). */
static bool disarm(int fd)
{
	char text[16] = "";
	bool injected = pread(fd, text, sizeof(text) - 1, 0) > 0 && atoi(text) == 0;

	if (pwrite(fd, "0", 1, 0) != 1 && pwrite(fd, "0", 1, 0) != 1)
		FAIL("fail-nth does not go off: errno %d", errno);
	return injected;
}

/* MSR lists may end in the middle: the number of those that were done says so. */
static bool complete(unsigned long cmd, unsigned long arg, int ret)
{
	if (cmd == KVM_GET_MSRS || cmd == KVM_SET_MSRS)
		return ret >= 0 && (unsigned int)ret == ((struct kvm_msrs *)arg)->nmsrs;
	return ret >= 0;
}

/* Those that have done their work when the copy of the result fails, and cannot do it again. */
static bool once(unsigned long cmd)
{
	return cmd == KVM_IRQ_LINE_STATUS;
}

/* What an ioctl may say that could not get what it needed, or was told to come again. */
static bool excusable(int err)
{
	return err == ENOMEM || err == EFAULT || err == EINTR || err == EAGAIN;
}

static int lowest_fd(void)
{
	int fd = dup(STDOUT_FILENO);

	close(fd);
	return fd;
}

static int inject(int fault_fd, int fd, unsigned long cmd, unsigned long arg)
{
	static __thread struct saved saved;
	struct command *c = command_of(cmd);
	int strange = 0, strange_nth = 0, ret, err;
	unsigned int nth;

	if (!save(&saved, cmd, arg))
		return __real_ioctl(fd, cmd, arg);
	for (nth = c->tolerated + 1;; nth++) {
		int free_fd = lowest_fd();
		bool injected;

		if (nth > MAX_NTH)
			FAIL("ioctl %#lx: fault %u and no end", cmd, nth);
		if (!arm(fault_fd, nth))
			FAIL("fail-nth does not go on: errno %d", errno);
		errno = 0;
		ret = __real_ioctl(fd, cmd, arg);
		err = errno;
		injected = disarm(fault_fd);
		if (!injected)
			break;
		__sync_fetch_and_add(&shared->injected, 1);
		__sync_fetch_and_add(&c->injected, 1);
		if (complete(cmd, arg, ret)) {
			c->tolerated = nth;
			break;
		}
		/* The test's own signal has ended it in spite of the fault: it comes only once. */
		if (err == EINTR && handles_signals)
			break;
		if (ret < 0 && !excusable(err)) {
			strange = err;
			strange_nth = nth;
		}
		if (_IOC_NR(cmd) == _IOC_NR(KVM_CREATE_VM) && lowest_fd() != free_fd)
			FAIL("ioctl %#lx: fault %u leaves a file open", cmd, nth);
		restore(&saved, arg);
	}
	drop(&saved);
	if (strange && (ret >= 0 || strange != err))
		FAIL("ioctl %#lx: errno %d at fault %u, then %d, errno %d", cmd, strange,
		     strange_nth, ret, err);
	errno = err;
	return ret;
}

/* A handler's frame on the stack is a copy too: if it failed, the process would be killed. */
int __wrap_sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
	handles_signals = true;
	return __real_sigaction(sig, act, old);
}

int __wrap_ioctl(int fd, unsigned long cmd, ...)
{
	static __thread int fault_fd = -1;
	static __thread pid_t owner;
	unsigned long arg;
	va_list ap;

	va_start(ap, cmd);
	arg = va_arg(ap, unsigned long);
	va_end(ap);
	if (!shared || handles_signals || once(cmd))
		return __real_ioctl(fd, cmd, arg);
	/* Each thread has its own, and a child does not inherit its parent's. */
	if (owner != gettid()) {
		fault_fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
		owner = gettid();
	}
	if (fault_fd < 0)
		return __real_ioctl(fd, cmd, arg);
	__sync_fetch_and_add(&shared->calls, 1);
	return inject(fault_fd, fd, cmd, arg);
}
