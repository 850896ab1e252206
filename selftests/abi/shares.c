// SPDX-License-Identifier: GPL-2.0
/* What a VM may use: time of a processor, memory. Documentation/netlink.rst. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include "../../uapi/linux/vmm.h"
#include "nl.h"
#include "vm.h"

#define SUITE "shares"

#define MS     1000000ull
#define NOBODY 65534

/* ---- VMs that run in threads ---- */

static volatile u64 count;

static void guest_counts(void)
{
	for (;;)
		count++;
}

/* struct subject - a VM and the threads of its vCPUs, which run until the case ends */
struct subject {
	struct vm *vm;
	u64 id;
	pthread_t threads[2];
};

static void *run_thread(void *vcpu)
{
	vcpu_run(vcpu);
	return NULL;
}

static u64 vm_id(struct vm *vm)
{
	struct vmm_name name = { 0 };

	OK(ioctl(vm->fd, VMM_SET_NAME, &name));
	CHECK(name.id);
	return name.id;
}

static struct subject subject_new(unsigned int vcpus, void *fn)
{
	struct subject s = { .vm = vm_create(0) };
	unsigned int i;

	s.id = vm_id(s.vm);
	for (i = 0; i < vcpus; i++) {
		struct vcpu *v = vcpu_new(s.vm, i, fn, 0);

		CHECK_EQ(pthread_create(&s.threads[i], NULL, run_thread, v), 0);
	}
	return s;
}

/* ---- what is seen of them ---- */

struct figures {
	u64 runtime, steal, uptime, resident, memory;
	u32 cpu;
};

static void take_figures(const struct nlattr *attrs, size_t len, u16 flags, void *arg)
{
	struct figures *f = arg;

	(void)flags;
	f->runtime = nl_u64(attrs, len, VMM_ATTR_VM_RUNTIME);
	f->steal = nl_u64(attrs, len, VMM_ATTR_VM_STEAL);
	f->uptime = nl_u64(attrs, len, VMM_ATTR_VM_UPTIME);
	f->resident = nl_u64(attrs, len, VMM_ATTR_VM_RESIDENT);
	f->cpu = 0;
	if (nl_attr(attrs, len, VMM_ATTR_VM_CPU_LIMIT, 0))
		f->cpu = nl_u32(attrs, len, VMM_ATTR_VM_CPU_LIMIT);
	f->memory = 0;
	if (nl_attr(attrs, len, VMM_ATTR_VM_MEMORY_LIMIT, 0))
		f->memory = nl_u64(attrs, len, VMM_ATTR_VM_MEMORY_LIMIT);
}

static struct figures figures(struct nl *nl, u64 id)
{
	struct nl_request r = nl_begin(nl, VMM_CMD_VM_GET, NLM_F_ACK);
	struct figures f = { 0 };

	nl_put_u64(&r, VMM_ATTR_VM_ID, id);
	CHECK_EQ(nl_call(nl, &r, take_figures, &f), 0);
	return f;
}

static int limit_cpu(struct nl *nl, u64 id, u32 percent)
{
	struct nl_request r = nl_begin(nl, VMM_CMD_VM_SET, NLM_F_ACK);

	nl_put_u64(&r, VMM_ATTR_VM_ID, id);
	nl_put(&r, VMM_ATTR_VM_CPU_LIMIT, &percent, sizeof(percent));
	return nl_call(nl, &r, NULL, NULL);
}

static int limit_memory(struct nl *nl, u64 id, u64 bytes)
{
	struct nl_request r = nl_begin(nl, VMM_CMD_VM_SET, NLM_F_ACK);

	nl_put_u64(&r, VMM_ATTR_VM_ID, id);
	nl_put_u64(&r, VMM_ATTR_VM_MEMORY_LIMIT, bytes);
	return nl_call(nl, &r, NULL, NULL);
}

/* The time limit of the case is what ends it if it does not. */
static void wait_until_it_runs(struct vm *vm)
{
	u64 before = G(vm, count);

	while (G(vm, count) == before)
		host_sleep_ms(1);
}

/* ---- time ---- */

#define WINDOW_NS (500 * MS)
#define WINDOWS   60
#define OVERDRAWN 5 /* windows in which a limit may seem not to hold, by the host's own pauses */
/* Time that has been used is seen by the tick, which may have 10 ms. */
#define SLACK_NS (40 * MS)

/* What a VM has used of a window, by its own figures; @calm: the host did not stand still in it. */
static struct figures observe(struct nl *nl, u64 id, bool *calm)
{
	struct figures from = figures(nl, id), to;
	long long last = host_now_ms(), now;

	*calm = true;
	do {
		host_sleep_ms(10);
		to = figures(nl, id);
		now = host_now_ms();
		*calm &= now - last <= (long long)(SLACK_NS / MS);
		last = now;
	} while (to.uptime - from.uptime < WINDOW_NS);
	to.runtime -= from.runtime;
	to.steal -= from.steal;
	to.uptime -= from.uptime;
	return to;
}

/* A VM has its share, in percent of the time: it runs so much at least and at most, and is told. */
static void expect_share(struct nl *nl, u64 id, u64 least, u64 most, u64 stolen)
{
	int i, bad = 0;
	struct figures f;
	bool calm = false;

	/*
	 * When the host stands still, that counts as the time of whoever was running; if that is
	 * the limited one, it waits for it afterwards.
	 */
	for (i = 0; i < WINDOWS; i++) {
		f = observe(nl, id, &calm);
		if (f.runtime < f.uptime * least / 100)
			continue;
		if (f.runtime <= f.uptime * most / 100 + SLACK_NS &&
		    f.steal >= f.uptime * stolen / 100)
			break;
		/* Many short pauses are like a long one. */
		bad += calm;
		if (bad == OVERDRAWN)
			break;
	}
	printf("ran %llu us of %llu us, stolen %llu us, in window %d\n", f.runtime / 1000,
	       f.uptime / 1000, f.steal / 1000, i);
	CHECK(f.runtime >= f.uptime * least / 100);
	CHECK(f.runtime <= f.uptime * most / 100 + SLACK_NS);
	CHECK(f.steal >= f.uptime * stolen / 100);
}

/* Greedy and limited, beside one that is not: the figures are the kernel's, not this test's. */
CASE(cpu_limit, .timeout = 120)
{
	struct nl nl = nl_open();
	struct subject greedy = subject_new(1, guest_counts), quiet = subject_new(1, guest_counts);

	wait_until_it_runs(greedy.vm);
	wait_until_it_runs(quiet.vm);
	CHECK_EQ(figures(&nl, greedy.id).cpu, 0);
	CHECK_EQ(limit_cpu(&nl, greedy.id, 25), 0);
	CHECK_EQ(figures(&nl, greedy.id).cpu, 25);
	/* It is told of what it does not get. */
	expect_share(&nl, greedy.id, 5, 25, 50);
	/* The other has what that one may not take, less what the host itself needs. */
	expect_share(&nl, quiet.id, 26, 100, 0);
	/* Changed while it runs, in both directions. */
	CHECK_EQ(limit_cpu(&nl, greedy.id, 5), 0);
	expect_share(&nl, greedy.id, 0, 5, 0);
	wait_until_it_runs(greedy.vm);
	CHECK_EQ(limit_cpu(&nl, quiet.id, 5), 0);
	CHECK_EQ(limit_cpu(&nl, greedy.id, 0), 0);
	CHECK_EQ(figures(&nl, greedy.id).cpu, 0);
	expect_share(&nl, greedy.id, 33, 100, 0);
}

/* All vCPUs share what their VM may use. */
CASE(cpu_limit_of_two, .timeout = 120)
{
	struct nl nl = nl_open();
	struct subject s = subject_new(2, guest_counts);

	wait_until_it_runs(s.vm);
	CHECK_EQ(limit_cpu(&nl, s.id, 20), 0);
	/* A fifth; the tick sees it late for each of them. */
	expect_share(&nl, s.id, 4, 20 + 100 * SLACK_NS / WINDOW_NS, 0);
	CHECK_EQ(limit_cpu(&nl, s.id, 100 * 1024 + 1), -EINVAL);
	CHECK(strstr(nl.ack, "processors"));
	CHECK_EQ(figures(&nl, s.id).cpu, 20);
}

/* ---- memory ---- */

#define TOUCHED (16 * MiB)

static void guest_touches(void)
{
	for (;; count++)
		*(volatile u64 *)(HOLE_BASE + count * 4096 % TOUCHED) = count;
}

struct notice {
	u64 vm;
	u32 kind;
	char reason[64];
};

static void take_notice(const struct nlattr *attrs, size_t len, u16 flags, void *arg)
{
	struct notice *n = arg;

	(void)flags;
	n->vm = nl_u64(attrs, len, VMM_ATTR_EVENT_VM);
	n->kind = nl_u32(attrs, len, VMM_ATTR_EVENT_KIND);
	n->reason[0] = 0;
	if (nl_attr(attrs, len, VMM_ATTR_EVENT_REASON, 0))
		strncpy(n->reason, nl_str(attrs, len, VMM_ATTR_EVENT_REASON),
			sizeof(n->reason) - 1);
}

static struct nl listen_to_events(void)
{
	struct nl nl = nl_open();

	OK(setsockopt(nl.fd, 270, NETLINK_ADD_MEMBERSHIP, &nl.events, sizeof(nl.events)));
	return nl;
}

static void await_limited(struct nl *listener, u64 id, const char *reason)
{
	struct notice n;

	do {
		CHECK_EQ(nl_receive(listener, take_notice, &n), 1);
	} while (n.vm != id || n.kind != VMM_EVENT_LIMITED);
	CHECK(!strcmp(n.reason, reason));
}

static void interrupted(int sig)
{
	(void)sig;
}

/* One that is held can be interrupted, paused, resumed, killed. */
CASE(held_and_ordered)
{
	struct nl nl = nl_open(), listener = listen_to_events();
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_counts, 0);
	u64 id = vm_id(vm), held;
	pthread_t thread;

	signal(SIGUSR1, interrupted);
	/* No memory at all: it is held before its first instruction, or soon after. */
	CHECK_EQ(limit_memory(&nl, id, 1), 0);
	CHECK_EQ(pthread_create(&thread, NULL, run_thread, v), 0);
	/* A signal before that would end the thread, and nobody would ever be held. */
	await_limited(&listener, id, "memory");
	CHECK_EQ(pthread_kill(thread, SIGUSR1), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK(figures(&nl, id).steal);
	CHECK_EQ(v->run->exit_reason, KVM_EXIT_INTR);
	held = G(vm, count);
	CHECK_EQ(nl_vm(&nl, VMM_CMD_VM_PAUSE, id), 0);
	CHECK_EQ(limit_memory(&nl, id, 0), 0);
	CHECK_EQ(pthread_create(&thread, NULL, run_thread, v), 0);
	host_sleep_ms(20);
	CHECK_EQ(G(vm, count), held);
	CHECK_EQ(nl_vm(&nl, VMM_CMD_VM_RESUME, id), 0);
	wait_until_it_runs(vm);
	CHECK_EQ(limit_memory(&nl, id, 1), 0);
	CHECK_EQ(nl_vm(&nl, VMM_CMD_VM_KILL, id), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_ERRNO(vcpu_run(v), ECANCELED);
}

/* Whoever has too much mapped waits until that is less, or the limit more. */
CASE(memory_limit)
{
	struct nl nl = nl_open(), listener = listen_to_events();
	struct vm *vm = vm_create(0);
	u64 id = vm_id(vm), held, limit, i;
	struct vcpu *v;
	pthread_t thread;
	void *ram;

	ram = vm_add_ram(vm, 1, 0, HOLE_BASE, TOUCHED);
	madvise(ram, TOUCHED, MADV_NOHUGEPAGE);
	v = vcpu_new(vm, 0, guest_touches, 0);
	CHECK_EQ(limit_memory(&nl, id, TOUCHED / 2), 0);
	CHECK_EQ(figures(&nl, id).memory, TOUCHED / 2);
	CHECK_EQ(pthread_create(&thread, NULL, run_thread, v), 0);
	await_limited(&listener, id, "memory");
	/* Its only vCPU said so, and does nothing more; unless the host moves a page. */
	for (i = 0; i < 20; i++) {
		held = G(vm, count);
		CHECK(held);
		host_sleep_ms(30);
		if (G(vm, count) == held && figures(&nl, id).resident > TOUCHED / 2)
			break;
	}
	CHECK(i < 20);
	/* What the host takes back counts no more. */
	OK(madvise(ram, TOUCHED, MADV_DONTNEED));
	wait_until_it_runs(vm);
	/* Twice as much as there is of it. */
	limit = figures(&nl, id).resident + 2 * TOUCHED;
	CHECK_EQ(limit_memory(&nl, id, limit), 0);
	held = G(vm, count);
	while (G(vm, count) < held + 2 * TOUCHED / 4096)
		host_sleep_ms(1);
	CHECK(figures(&nl, id).resident <= limit);
	CHECK_EQ(limit_memory(&nl, id, 0), 0);
	CHECK_EQ(figures(&nl, id).memory, 0);
}

CASE(limit_event)
{
	struct nl nl = nl_open(), listener = listen_to_events();
	struct subject s = subject_new(1, guest_counts);

	CHECK_EQ(limit_cpu(&nl, s.id, 10), 0);
	await_limited(&listener, s.id, "processor time");
	CHECK_EQ(limit_cpu(&nl, s.id, 11), 0);
	await_limited(&listener, s.id, "processor time");
}

static void guest_counts_some(void)
{
	for (;;) {
		u64 end = count + 100000;

		while (count < end)
			count++;
		GUEST_SYNC(0);
	}
}

/* Threads that are not there for long enough to be looked at twice. */
CASE(cpu_limit_of_threads, .timeout = 120)
{
	struct nl nl = nl_open(), listener = listen_to_events();
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_counts_some, 0);
	u64 id = vm_id(vm);
	pthread_t thread;
	u32 i;

	CHECK_EQ(limit_cpu(&nl, id, 10), 0);
	for (i = 0; i < 50; i++) {
		CHECK_EQ(pthread_create(&thread, NULL, run_thread, v), 0);
		CHECK_EQ(pthread_join(thread, NULL), 0);
	}
	await_limited(&listener, id, "processor time");
}

/* ---- whose ---- */

/* An owner may tighten limits, not loosen them. */
static void as_nobody(int dev, u64 roots)
{
	int fd;
	struct vmm_name name = { .name = "limited" };
	struct nl nl;

	OK(setresgid(NOBODY, NOBODY, NOBODY));
	OK(setresuid(NOBODY, NOBODY, NOBODY));
	nl = nl_open();
	CHECK_EQ(limit_cpu(&nl, roots, 1), -ENOENT);
	fd = OK(ioctl(dev, KVM_CREATE_VM, 0));
	OK(ioctl(fd, VMM_SET_NAME, &name));
	CHECK_EQ(limit_cpu(&nl, name.id, 50), 0);
	CHECK_EQ(limit_cpu(&nl, name.id, 40), 0);
	CHECK_EQ(limit_cpu(&nl, name.id, 41), -EPERM);
	CHECK(strstr(nl.ack, "CAP_SYS_ADMIN"));
	CHECK_EQ(limit_cpu(&nl, name.id, 0), -EPERM);
	CHECK_EQ(limit_memory(&nl, name.id, MiB), 0);
	CHECK_EQ(limit_memory(&nl, name.id, 0), -EPERM);
	CHECK_EQ(limit_memory(&nl, name.id, 2 * MiB), -EPERM);
	CHECK_EQ(figures(&nl, name.id).cpu, 40);
	CHECK_EQ(figures(&nl, name.id).memory, MiB);
}

CASE(permissions)
{
	struct nl nl = nl_open();
	int dev = dev_fd(), status;
	struct nl_request r;
	u32 percent = 5;
	u64 id;
	pid_t pid;

	if (getuid())
		SKIP("needs root, to become somebody else");
	id = vm_id(vm_create(0));
	pid = OK(fork());
	if (!pid) {
		as_nobody(dev, id);
		_exit(0);
	}
	CHECK_EQ(OK(waitpid(pid, &status, 0)), pid);
	CHECK_EQ(status, 0);
	CHECK_EQ(figures(&nl, id).cpu, 0);
	/* One message does one thing, or nothing. */
	r = nl_begin(&nl, VMM_CMD_VM_SET, NLM_F_ACK);
	nl_put_u64(&r, VMM_ATTR_VM_ID, id);
	nl_put_str(&r, VMM_ATTR_VM_NAME, "both");
	nl_put(&r, VMM_ATTR_VM_CPU_LIMIT, &percent, sizeof(percent));
	CHECK_EQ(nl_call(&nl, &r, NULL, NULL), -EINVAL);
	CHECK_EQ(figures(&nl, id).cpu, 0);
}
