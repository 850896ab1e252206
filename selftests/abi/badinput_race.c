// SPDX-License-Identifier: GPL-2.0
/* Several threads want the same of one VM, and files that are closed while they are in use. */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include "badinput.h"

#define SUITE "badinput"

#define THREADS 4
#define ROUNDS  25

static void guest_nop(void)
{
	GUEST_DONE();
}

/* ---- one winner ---- */

struct contest {
	int (*attempt)(struct vm *vm, u64 who); /* an ioctl's result */
	struct vm *vm;
	pthread_barrier_t start;
	int result[THREADS];
};

static struct contest contest;

static void *contestant(void *who)
{
	u64 i = (u64)who;

	pthread_barrier_wait(&contest.start);
	contest.result[i] = contest.attempt(contest.vm, i) < 0 ? errno : 0;
	return NULL;
}

/* All threads try at once, in @rounds VMs: one succeeds, the others are told @err. */
static void one_wins(unsigned int flags, int (*attempt)(struct vm *vm, u64 who), int err)
{
	pthread_t threads[THREADS];
	int round, winners;
	u64 i;

	for (round = 0; round < (int)test_rounds(ROUNDS); round++) {
		contest.attempt = attempt;
		contest.vm = vm_create(flags);
		CHECK_EQ(pthread_barrier_init(&contest.start, NULL, THREADS), 0);
		for (i = 0; i < THREADS; i++)
			CHECK_EQ(pthread_create(&threads[i], NULL, contestant, (void *)i), 0);
		for (i = 0, winners = 0; i < THREADS; i++) {
			pthread_join(threads[i], NULL);
			winners += !contest.result[i];
			if (contest.result[i] && contest.result[i] != err)
				FAIL("round %d: errno %d, not %d", round, contest.result[i], err);
		}
		CHECK_EQ(winners, 1);
		run_done(vcpu_new(contest.vm, 0, guest_nop, 0));
		vm_free(contest.vm);
	}
}

static int create_vcpu(struct vm *vm, u64 who)
{
	(void)who;
	return ioctl(vm->fd, KVM_CREATE_VCPU, 7);
}

CASE(race_for_a_vcpu)
{
	one_wins(VM_IRQCHIP, create_vcpu, EEXIST);
}

static int create_irqchip(struct vm *vm, u64 who)
{
	(void)who;
	return ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0);
}

CASE(race_for_the_irqchip)
{
	one_wins(0, create_irqchip, EEXIST);
}

static int split_irqchip(struct vm *vm, u64 who)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args[0] = 24 };

	return ioctl(vm->fd, who & 1 ? KVM_CREATE_IRQCHIP : KVM_ENABLE_CAP, &cap);
}

CASE(race_for_a_kind_of_irqchip)
{
	one_wins(0, split_irqchip, EEXIST);
}

static int create_pit(struct vm *vm, u64 who)
{
	struct kvm_pit_config config = { 0 };

	(void)who;
	return ioctl(vm->fd, KVM_CREATE_PIT2, &config);
}

CASE(race_for_the_pit)
{
	one_wins(VM_IRQCHIP, create_pit, EEXIST);
}

/* Slots that overlap in one page. */
static int create_slot(struct vm *vm, u64 who)
{
	return vm_slot(vm, 10 + who, 0, LOGGED_GPA + who * PAGE_SIZE, THREADS * PAGE_SIZE, vm->ram);
}

CASE(race_for_memory)
{
	one_wins(0, create_slot, EEXIST);
}

static int shared_eventfd(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = OK(eventfd(0, 0));
	return fd;
}

static int add_irqfd(struct vm *vm, u64 who)
{
	struct kvm_irqfd irqfd = { .fd = shared_eventfd(), .gsi = who };

	return ioctl(vm->fd, KVM_IRQFD, &irqfd);
}

CASE(race_for_an_irqfd)
{
	shared_eventfd();
	one_wins(VM_IRQCHIP, add_irqfd, EBUSY);
}

static int add_ioeventfd(struct vm *vm, u64 who)
{
	struct kvm_ioeventfd io = {
		.addr = HOLE_BASE,
		.len = 4,
		.fd = shared_eventfd(),
		.datamatch = 5,
		.flags = KVM_IOEVENTFD_FLAG_DATAMATCH,
	};

	(void)who;
	return ioctl(vm->fd, KVM_IOEVENTFD, &io);
}

CASE(race_for_an_ioeventfd)
{
	shared_eventfd();
	one_wins(0, add_ioeventfd, EEXIST);
}

/* ---- files that go away ---- */

static volatile u64 go, running;

static void guest_wait(void)
{
	running = 1;
	while (!go)
		;
	GUEST_DONE();
}

/* A host that has other work for the thread may restart the call, which then finds no file. */
static void *run_once(void *arg)
{
	struct vcpu *v = arg;

	if (vcpu_run(v))
		CHECK(errno == EBADF);
	else
		CHECK(vcpu_take_ucall(v) && v->uc.kind == UCALL_DONE);
	return NULL;
}

/* A vCPU that runs keeps all that it needs. */
CASE(closed_while_running)
{
	struct vm *vm = vm_create(VM_PIT);
	struct vcpu *v = vcpu_new(vm, 0, guest_wait, 0);

	CHECK_EQ(pthread_create(&v->thread, NULL, run_once, v), 0);
	while (!G(vm, running))
		host_sleep_ms(1);
	OK(close(vm->fd));
	OK(close(v->fd));
	OK(close(dev_fd()));
	CHECK_ERRNO(ioctl(v->fd, KVM_GET_REGS, NULL), EBADF);
	CHECK_ERRNO(ioctl(vm->fd, KVM_CREATE_VCPU, 1), EBADF);
	G(vm, go) = 1;
	vcpu_join(v);
}

/* Some threads call whatever is open, another opens and closes. */
static volatile bool stop;
static volatile int open_vm = -1, open_vcpu = -1;

static void *caller(void *seed)
{
	unsigned int s = (u64)seed + 1;
	static u8 arg[16384];

	while (!stop) {
		const struct ioctl_info *row = &served_ioctls[rand_r(&s) % served_count];

		/* Nor a wait for a guest that nobody stops, nor files that nobody closes. */
		if (row->file == DEVICE || row->nr == KVM_RUN || row->nr == KVM_CREATE_VCPU ||
		    row->nr == KVM_GET_STATS_FD)
			continue;
		ioctl(row->file == VM ? open_vm : open_vcpu, row->nr, arg);
	}
	return NULL;
}

CASE(closed_under_callers, .timeout = 60)
{
	pthread_t threads[THREADS];
	int i;
	u64 t;

	for (t = 0; t < THREADS; t++)
		CHECK_EQ(pthread_create(&threads[t], NULL, caller, (void *)t), 0);
	for (i = 0; i < (int)test_rounds(200); i++) {
		open_vm = OK(ioctl(dev_fd(), KVM_CREATE_VM, 0));
		if (i & 1)
			ioctl(open_vm, KVM_CREATE_IRQCHIP, 0);
		open_vcpu = ioctl(open_vm, KVM_CREATE_VCPU, i & 2);
		usleep(1000);
		if (i & 4)
			close(open_vcpu);
		close(open_vm);
		if (!(i & 4))
			close(open_vcpu);
	}
	stop = true;
	for (t = 0; t < THREADS; t++)
		pthread_join(threads[t], NULL);
	run_done(vcpu_new(vm_create(VM_IRQCHIP), 0, guest_nop, 0));
}

/* The end of the process in the middle of everything is tested by killing it. */
static void *opener(void *unused)
{
	(void)unused;
	for (;;) {
		open_vm = ioctl(dev_fd(), KVM_CREATE_VM, 0);
		open_vcpu = ioctl(open_vm, KVM_CREATE_VCPU, 0);
		close(open_vcpu);
		close(open_vm);
	}
	return NULL;
}

CASE(killed_under_callers)
{
	int i, status;

	for (i = 0; i < 10; i++) {
		pthread_t t;
		u64 n;
		pid_t pid = OK(fork());

		if (!pid) {
			pthread_create(&t, NULL, opener, NULL);
			for (n = 0; n < THREADS - 1; n++)
				pthread_create(&t, NULL, caller, (void *)n);
			usleep(20000);
			kill(getpid(), SIGKILL);
		}
		CHECK_EQ(OK(waitpid(pid, &status, 0)), pid);
		CHECK_EQ(status, SIGKILL);
	}
	run_done(vcpu_new(vm_create(VM_IRQCHIP), 0, guest_nop, 0));
}

/* Memory goes away page by page while its VM, with many vCPUs to be told of it, does. */
#define TORN_VCPUS 256
#define TORN_BYTES (16 * MiB)

static u8 *torn;
static pthread_barrier_t tearing;

static void guest_touch(volatile u8 *area)
{
	u64 i;

	for (i = 0; i < TORN_BYTES; i += PAGE_SIZE)
		area[i] = 1;
	GUEST_DONE();
}

static void *tear(void *unused)
{
	u64 i;

	pthread_barrier_wait(&tearing);
	for (i = 0; i < TORN_BYTES; i += PAGE_SIZE)
		OK(madvise(torn + i, PAGE_SIZE, MADV_DONTNEED));
	return unused;
}

CASE(closed_while_memory_goes, .timeout = 120)
{
	int round, i, fds[TORN_VCPUS];

	torn = mmap(NULL, TORN_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(torn != MAP_FAILED);
	/* So that every page is an invalidation that finds something. */
	OK(madvise(torn, TORN_BYTES, MADV_NOHUGEPAGE));
	CHECK_EQ(pthread_barrier_init(&tearing, NULL, 2), 0);
	for (round = 0; round < (int)test_rounds(4); round++) {
		struct vm *vm = vm_create(0);
		struct vcpu *v = vcpu_new(vm, 0, guest_touch, HOLE_BASE);
		pthread_t thread;

		OK(vm_slot(vm, 1, 0, HOLE_BASE, TORN_BYTES, torn));
		run_done(v);
		for (i = 1; i < TORN_VCPUS; i++)
			fds[i] = OK(ioctl(vm->fd, KVM_CREATE_VCPU, i));
		CHECK_EQ(pthread_create(&thread, NULL, tear, NULL), 0);
		pthread_barrier_wait(&tearing);
		for (i = 1; i < TORN_VCPUS; i++)
			OK(close(fds[i]));
		vm_free(vm);
		vcpu_free(v);
		pthread_join(thread, NULL);
	}
	run_done(vcpu_new(vm_create(0), 0, guest_nop, 0));
}
