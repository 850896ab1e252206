// SPDX-License-Identifier: GPL-2.0
/* Clients that are stopped, traced, forked, replaced, or pass files on, while guests count. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include "counting.h"

#define SUITE "events"

/* ---- a client that is another process ---- */

struct shared {
	volatile u64 *volatile where; /* its counters, in its memory */
	volatile int leave;
};

struct client {
	pid_t pid;
	struct shared *shared;
};

static void be_client(struct shared *s)
{
	struct counting c = counting_start(counting_memory());

	CHECK(counting_goes_on(&c, 1));
	s->where = counting_where(&c);
	while (!s->leave)
		host_sleep_ms(1);
	counting_stop(&c);
	_exit(0);
}

static struct client client_new(void)
{
	struct client c = { .shared = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE,
					   MAP_SHARED | MAP_ANONYMOUS, -1, 0) };

	CHECK(c.shared != MAP_FAILED);
	c.pid = OK(fork());
	if (!c.pid)
		be_client(c.shared);
	while (!c.shared->where) {
		CHECK_EQ(waitpid(c.pid, NULL, WNOHANG), 0);
		host_sleep_ms(1);
	}
	return c;
}

/* Read in its memory: it need not do anything for it. */
static u64 client_passes(struct client *c)
{
	u64 n[COUNTING_CPUS];
	struct iovec here = { n, sizeof(n) }, there = { (void *)c->shared->where, sizeof(n) };

	CHECK_EQ(OK(process_vm_readv(c->pid, &here, 1, &there, 1, 0)), sizeof(n));
	return n[0] < n[1] ? n[0] : n[1];
}

static void client_goes_on(struct client *c)
{
	u64 target = client_passes(c) + 2;

	CHECK(eventually(client_passes(c) >= target));
}

static void client_end(struct client *c)
{
	int status;

	c->shared->leave = 1;
	CHECK_EQ(OK(waitpid(c->pid, &status, 0)), c->pid);
	CHECK_EQ(status, 0);
}

/* ---- stopped ---- */

CASE(client_stopped, .timeout = 60)
{
	struct client c = client_new();
	int i, status;
	u64 passes;

	for (i = 0; i < 10; i++) {
		OK(kill(c.pid, SIGSTOP));
		CHECK_EQ(OK(waitpid(c.pid, &status, WUNTRACED)), c.pid);
		CHECK(WIFSTOPPED(status));
		passes = client_passes(&c);
		host_sleep_ms(20);
		CHECK_EQ(client_passes(&c), passes);
		OK(kill(c.pid, SIGCONT));
		client_goes_on(&c);
	}
	client_end(&c);
}

/* ---- traced ---- */

/* The threads of a process; how many. */
static int threads_of(pid_t pid, pid_t *tid, int max)
{
	int id, n = 0;

	for (id = pid; id < pid + 1000 && n < max; id++) {
		char path[64];

		snprintf(path, sizeof(path), "/proc/%d/task/%d", pid, id);
		if (!access(path, F_OK))
			tid[n++] = id;
	}
	return n;
}

CASE(client_traced, .timeout = 60)
{
	struct client c = client_new();
	pid_t tid[COUNTING_CPUS + 1];
	int n = threads_of(c.pid, tid, COUNTING_CPUS + 1), i, j, status;
	u8 regs[512];

	CHECK_EQ(n, COUNTING_CPUS + 1);
	for (j = 0; j < n; j++)
		OK(ptrace(PTRACE_SEIZE, tid[j], 0, 0));
	for (i = 0; i < 20; i++) {
		for (j = 0; j < n; j++) {
			struct iovec io = { regs, sizeof(regs) };

			OK(ptrace(PTRACE_INTERRUPT, tid[j], 0, 0));
			CHECK_EQ(OK(waitpid(tid[j], &status, __WALL)), tid[j]);
			CHECK(WIFSTOPPED(status));
			OK(ptrace(PTRACE_GETREGSET, tid[j], 1 /* NT_PRSTATUS */, &io));
			OK(ptrace(PTRACE_SETREGSET, tid[j], 1, &io));
		}
		for (j = 0; j < n; j++)
			OK(ptrace(PTRACE_CONT, tid[j], 0, 0));
		client_goes_on(&c);
	}
	for (j = 0; j < n; j++) {
		OK(ptrace(PTRACE_INTERRUPT, tid[j], 0, 0));
		CHECK_EQ(OK(waitpid(tid[j], &status, __WALL)), tid[j]);
		OK(ptrace(PTRACE_DETACH, tid[j], 0, 0));
	}
	client_end(&c);
}

/* ---- copied ---- */

/* A child has the files, and no right to the VM, which goes on. */
CASE(client_forks, .timeout = 60)
{
	struct counting c = counting_start(counting_memory());
	int i, status;

	for (i = 0; i < 10; i++) {
		pid_t pid = OK(fork());

		if (!pid) {
			CHECK_ERRNO(ioctl(c.vm->fd, KVM_CHECK_EXTENSION, 0), EIO);
			CHECK_ERRNO(ioctl(c.v[0]->fd, KVM_RUN, 0), EIO);
			memset(c.mem, 0xff, COUNTING_BYTES);
			_exit(0);
		}
		CHECK_EQ(OK(waitpid(pid, &status, 0)), pid);
		CHECK_EQ(status, 0);
		CHECK(counting_goes_on(&c, 1));
	}
	counting_stop(&c);
}

/* ---- replaced ---- */

#define AFTER_EXEC "EVENTS_AFTER_EXEC"

/* Runs before main() in the program that replaced a client: it has its files. */
__attribute__((constructor)) static void after_exec(void)
{
	const char *fds = getenv(AFTER_EXEC);
	int vm, vcpu;

	if (!fds)
		return;
	if (sscanf(fds, "%d,%d", &vm, &vcpu) != 2)
		_exit(1);
	if (ioctl(vcpu, KVM_RUN, 0) != -1 || errno != EIO)
		_exit(2);
	if (ioctl(vm, KVM_CREATE_VCPU, 5) != -1 || errno != EIO)
		_exit(3);
	_exit(close(vm) || close(vcpu) ? 4 : 0);
}

static void be_replaced(void)
{
	struct counting c = counting_start(counting_memory());
	char fds[32];

	CHECK(counting_goes_on(&c, 2));
	CHECK(!(OK(fcntl(c.vm->fd, F_GETFD)) & ~FD_CLOEXEC));
	OK(fcntl(c.vm->fd, F_SETFD, 0));
	OK(fcntl(c.v[0]->fd, F_SETFD, 0));
	snprintf(fds, sizeof(fds), "%d,%d", c.vm->fd, c.v[0]->fd);
	setenv(AFTER_EXEC, fds, 1);
	execl("/proc/self/exe", "events", NULL);
	FAIL("exec: errno %d", errno);
}

static u64 module_users(void)
{
	char text[32] = "";
	int fd = open("/sys/module/vmm/refcnt", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0; /* not ours */
	CHECK(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	return strtoull(text, NULL, 10);
}

/* What was closed last goes a moment later. */
static void no_users_left(u64 before)
{
	CHECK(eventually(module_users() <= before));
}

CASE(client_replaced, .timeout = 60)
{
	u64 before = module_users();
	int i, status;

	for (i = 0; i < 5; i++) {
		pid_t pid = OK(fork());

		if (!pid)
			be_replaced();
		CHECK_EQ(OK(waitpid(pid, &status, 0)), pid);
		CHECK_EQ(status, 0);
	}
	no_users_left(before);
}

/* ---- passed on ---- */

union control {
	struct cmsghdr head;
	char space[CMSG_SPACE(2 * sizeof(int))];
};

static void pass(int sock, const int *fds)
{
	union control control = { 0 };
	char byte = 0;
	struct iovec io = { &byte, 1 };
	struct msghdr m = { .msg_iov = &io,
			    .msg_iovlen = 1,
			    .msg_control = control.space,
			    .msg_controllen = sizeof(control.space) };

	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(2 * sizeof(int));
	memcpy(CMSG_DATA(&control.head), fds, 2 * sizeof(int));
	CHECK_EQ(OK(sendmsg(sock, &m, 0)), 1);
}

static void receive(int sock, int *fds)
{
	union control control = { 0 };
	char byte;
	struct iovec io = { &byte, 1 };
	struct msghdr m = { .msg_iov = &io,
			    .msg_iovlen = 1,
			    .msg_control = control.space,
			    .msg_controllen = sizeof(control.space) };

	CHECK_EQ(OK(recvmsg(sock, &m, 0)), 1);
	memcpy(fds, CMSG_DATA(&control.head), 2 * sizeof(int));
}

static void be_passer(int sock)
{
	struct counting c = counting_start(counting_memory());
	int fds[2] = { c.vm->fd, c.v[0]->fd };

	CHECK(counting_goes_on(&c, 2));
	pass(sock, fds);
	/* It goes on here while another has the files. */
	CHECK(counting_goes_on(&c, 2));
	counting_stop(&c);
	_exit(0);
}

/* Who is given a VM's files can keep it, but not use it. */
CASE(files_passed_on, .timeout = 60)
{
	u64 before = module_users();
	int sock[2], fds[2], status;
	pid_t pid;
	void *run;

	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	pid = OK(fork());
	if (!pid)
		be_passer(sock[1]);
	receive(sock[0], fds);
	CHECK_ERRNO(ioctl(fds[1], KVM_RUN, 0), EIO);
	CHECK_EQ(OK(waitpid(pid, &status, 0)), pid);
	CHECK_EQ(status, 0);
	CHECK_ERRNO(ioctl(fds[0], KVM_CREATE_VCPU, 7), EIO);
	CHECK_ERRNO(ioctl(fds[1], KVM_RUN, 0), EIO);
	/* Not more than before: those that the last case left may have gone meanwhile. */
	if (!test_is_oracle())
		CHECK(module_users() > 0);
	run = mmap(NULL, PAGE_SIZE, PROT_READ, MAP_SHARED, fds[1], 0);
	CHECK(run == MAP_FAILED || !munmap(run, PAGE_SIZE));
	OK(close(fds[0]));
	OK(close(fds[1]));
	no_users_left(before);
}
