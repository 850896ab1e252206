// SPDX-License-Identifier: GPL-2.0
/* The steps of a fuzzer's program: ioctls with arguments of more or less sense, and other harm. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/vmm.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "ioctl_world.h"

enum op_kind {
	OP_IOCTL,
	OP_WILD_IOCTL, /* any number, any file */
	OP_RUN,
	OP_REAL, /* a vCPU is set up to run code in real mode */
	OP_LONG, /* or in 64-bit mode */
	OP_CODE, /* the code changes */
	OP_CLOSE,
	OP_SCRIBBLE, /* on a run page */
	OP_MAP,
	OP_MEMORY, /* unmapped, replaced, read-only */
	OP_EVENT,
	OP_READ,
	OP_NETLINK,
	OP_FORK,
	OP_KILL,
	OP_KINDS,
};

/* ---- the table ---- */

static const struct call calls[] = {
	{ DEVICE, KVM_CREATE_VM, 0 },
	{ DEVICE, KVM_GET_API_VERSION, 0 },
	{ DEVICE, KVM_CHECK_EXTENSION, 0 },
	{ DEVICE, KVM_GET_VCPU_MMAP_SIZE, 0 },
	{ DEVICE, KVM_GET_SUPPORTED_CPUID, 0 },
	{ DEVICE, KVM_GET_EMULATED_CPUID, 0 },
	{ DEVICE, KVM_GET_MSR_INDEX_LIST, 0 },
	{ DEVICE, KVM_GET_MSR_FEATURE_INDEX_LIST, 0 },
	{ DEVICE, KVM_GET_MSRS, 0 },
	{ DEVICE, KVM_X86_GET_MCE_CAP_SUPPORTED, 0 },
	{ VM, KVM_CREATE_VCPU, 0 },
	{ VM, KVM_CHECK_EXTENSION, 0 },
	{ VM, KVM_GET_DIRTY_LOG, 0 },
	{ VM, KVM_CLEAR_DIRTY_LOG, 0 },
	{ VM, KVM_SET_NR_MMU_PAGES, 0 },
	{ VM, KVM_GET_NR_MMU_PAGES, 0 },
	{ VM, KVM_SET_USER_MEMORY_REGION, 0 },
	{ VM, KVM_SET_TSS_ADDR, 0 },
	{ VM, KVM_SET_IDENTITY_MAP_ADDR, 0 },
	{ VM, KVM_CREATE_IRQCHIP, 0 },
	{ VM, KVM_CREATE_PIT2, 0 },
	{ VM, KVM_IRQ_LINE, 0 },
	{ VM, KVM_IRQ_LINE_STATUS, 0 },
	{ VM, KVM_GET_IRQCHIP, 0 },
	{ VM, KVM_SET_IRQCHIP, KVM_GET_IRQCHIP },
	{ VM, KVM_GET_PIT2, 0 },
	{ VM, KVM_SET_PIT2, KVM_GET_PIT2 },
	{ VM, KVM_REGISTER_COALESCED_MMIO, 0 },
	{ VM, KVM_UNREGISTER_COALESCED_MMIO, 0 },
	{ VM, KVM_SET_GSI_ROUTING, 0 },
	{ VM, KVM_REINJECT_CONTROL, 0 },
	{ VM, KVM_IRQFD, 0 },
	{ VM, KVM_IOEVENTFD, 0 },
	{ VM, KVM_SET_BOOT_CPU_ID, 0 },
	{ VM, KVM_GET_CLOCK, 0 },
	{ VM, KVM_SET_CLOCK, KVM_GET_CLOCK },
	{ VM, KVM_SET_TSC_KHZ, 0 },
	{ VM, KVM_GET_TSC_KHZ, 0 },
	{ VM, KVM_ENABLE_CAP, 0 },
	{ VM, KVM_SIGNAL_MSI, 0 },
	{ VM, KVM_X86_SET_MSR_FILTER, 0 },
	{ VM, KVM_RESET_DIRTY_RINGS, 0 },
	{ VM, KVM_GET_STATS_FD, 0 },
	{ VM, VMM_SET_NAME, 0 },
	{ VCPU, KVM_GET_REGS, 0 },
	{ VCPU, KVM_SET_REGS, KVM_GET_REGS },
	{ VCPU, KVM_GET_SREGS, 0 },
	{ VCPU, KVM_SET_SREGS, KVM_GET_SREGS },
	{ VCPU, KVM_GET_SREGS2, 0 },
	{ VCPU, KVM_SET_SREGS2, KVM_GET_SREGS2 },
	{ VCPU, KVM_TRANSLATE, 0 },
	{ VCPU, KVM_INTERRUPT, 0 },
	{ VCPU, KVM_GET_MSRS, 0 },
	{ VCPU, KVM_SET_MSRS, 0 },
	{ VCPU, KVM_SET_SIGNAL_MASK, 0 },
	{ VCPU, KVM_GET_FPU, 0 },
	{ VCPU, KVM_SET_FPU, KVM_GET_FPU },
	{ VCPU, KVM_GET_LAPIC, 0 },
	{ VCPU, KVM_SET_LAPIC, KVM_GET_LAPIC },
	{ VCPU, KVM_SET_CPUID2, KVM_GET_CPUID2 },
	{ VCPU, KVM_GET_CPUID2, 0 },
	{ VCPU, KVM_TPR_ACCESS_REPORTING, 0 },
	{ VCPU, KVM_SET_VAPIC_ADDR, 0 },
	{ VCPU, KVM_GET_MP_STATE, 0 },
	{ VCPU, KVM_SET_MP_STATE, KVM_GET_MP_STATE },
	{ VCPU, KVM_NMI, 0 },
	{ VCPU, KVM_SMI, 0 },
	{ VCPU, KVM_SET_GUEST_DEBUG, 0 },
	{ VCPU, KVM_X86_SETUP_MCE, 0 },
	{ VCPU, KVM_X86_SET_MCE, 0 },
	{ VCPU, KVM_GET_VCPU_EVENTS, 0 },
	{ VCPU, KVM_SET_VCPU_EVENTS, KVM_GET_VCPU_EVENTS },
	{ VCPU, KVM_GET_DEBUGREGS, 0 },
	{ VCPU, KVM_SET_DEBUGREGS, KVM_GET_DEBUGREGS },
	{ VCPU, KVM_SET_TSC_KHZ, 0 },
	{ VCPU, KVM_GET_TSC_KHZ, 0 },
	{ VCPU, KVM_ENABLE_CAP, 0 },
	{ VCPU, KVM_GET_XSAVE, 0 },
	{ VCPU, KVM_GET_XSAVE2, 0 },
	{ VCPU, KVM_SET_XSAVE, KVM_GET_XSAVE },
	{ VCPU, KVM_GET_XCRS, 0 },
	{ VCPU, KVM_SET_XCRS, KVM_GET_XCRS },
	{ VCPU, KVM_KVMCLOCK_CTRL, 0 },
	{ VCPU, KVM_GET_STATS_FD, 0 },
	{ VCPU, KVM_SET_DEVICE_ATTR, 0 },
	{ VCPU, KVM_GET_DEVICE_ATTR, 0 },
	{ VCPU, KVM_HAS_DEVICE_ATTR, 0 },
};

_Static_assert(ARRAY_SIZE(calls) <= MAX_IOCTLS, "tally");

unsigned int calls_count(void)
{
	return ARRAY_SIZE(calls);
}

static unsigned int call_of(enum file file, unsigned long nr)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(calls); i++)
		if (calls[i].file == file && calls[i].nr == nr)
			return i;
	abort();
}

/* ---- what a program has ---- */

struct world world;

static void on_signal(int sig)
{
	(void)sig;
}

void calls_begin(const char *device, struct tally *tally)
{
	struct sigaction sa = { .sa_handler = on_signal };
	unsigned int i;

	memset((void *)world.fd, 0xff, sizeof(world.fd));
	world.tally = tally;
	world.device = open(device, O_RDWR | O_CLOEXEC);
	for (i = 0; i < PER_KIND; i++)
		world.fd[DEVICE][i] = world.device;
	for (i = 0; i < EVENTS; i++)
		world.event[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	world.run_size = ioctl(world.device, KVM_GET_VCPU_MMAP_SIZE, 0);
	world.memory =
		mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	sigaction(SIGUSR1, &sa, NULL);
	/* Its own memory may go. */
	sa.sa_handler = SIG_DFL;
	sigaction(SIGSEGV, &sa, NULL);
}

int pick(struct dice *d, enum file file)
{
	return world.fd[file][dice_one_in(d, 3) ? dice_below(d, PER_KIND) : 0];
}

/* The fifth file of a kind takes the place of the second: the first stays. */
static void keep(enum file file, int fd)
{
	unsigned int at = world.next[file]++;
	int old;

	at = at < PER_KIND ? at : 1 + at % (PER_KIND - 1);
	old = world.fd[file][at];
	world.fd[file][at] = fd;
	if (old >= 0)
		close(old);
	if (file != VCPU)
		return;
	if (world.run[at])
		munmap(world.run[at], world.run_size);
	world.run[at] = mmap(NULL, world.run_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (world.run[at] == MAP_FAILED)
		world.run[at] = NULL;
}

/* ---- steps ---- */

static struct kvm_segment flat(uint16_t selector, uint8_t type)
{
	return (struct kvm_segment){
		.limit = ~0u,
		.selector = selector,
		.type = type,
		.present = 1,
		.s = 1,
		.db = 1,
		.g = 1,
	};
}

static void set_up(struct dice *d, bool long_mode)
{
	struct kvm_regs regs = { .rip = CODE, .rsp = 0x8000, .rflags = 2 };
	struct kvm_sregs s;
	int vcpu = pick(d, VCPU);

	make_code(d);
	if (ioctl(vcpu, KVM_GET_SREGS, &s))
		return;
	s.cs.base = 0;
	s.cs.selector = 0;
	if (long_mode) {
		make_tables();
		s.cs = flat(8, 11);
		s.cs.l = 1;
		s.cs.db = 0;
		s.ss = flat(16, 3);
		s.ds = s.ss;
		s.es = s.ss;
		s.cr3 = TABLES;
		s.cr4 |= 0x620;
		s.cr0 = 0x80000031;
		s.efer |= 0x500;
	}
	ioctl(vcpu, KVM_SET_SREGS, &s);
	ioctl(vcpu, KVM_SET_REGS, &regs);
}

static void count_call(const struct call *c, long ret)
{
	struct tally *t = world.tally;

	__atomic_fetch_add(&t->calls, 1, __ATOMIC_RELAXED);
	if (ret < 0)
		return;
	__atomic_fetch_add(&t->good, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&t->succeeded[c - calls], 1, __ATOMIC_RELAXED);
	if (c->nr == KVM_CREATE_VM)
		__atomic_fetch_add(&t->vms, 1, __ATOMIC_RELAXED);
}

static void do_ioctl(struct dice *d, const struct call *c)
{
	static __thread uint8_t area[ARG_SIZE] __attribute__((aligned(4096)));
	int fd = pick(d, c->file);
	uint64_t value;
	bool pointer = make_arg(d, c, fd, area, &value);
	long ret;

	/* Memory that other threads change and take away, or that there is not. */
	if (pointer && dice_one_in(d, 16))
		ret = ioctl(fd, c->nr, dice_one_in(d, 2) ? world.memory + 0x3000 : (void *)odd(d));
	else
		ret = ioctl(fd, c->nr, pointer ? (uint64_t)area : value);
	count_call(c, ret);
	if (ret < 0)
		return;
	if (c->nr == KVM_CREATE_VM)
		keep(VM, ret);
	if (c->nr == KVM_CREATE_VCPU)
		keep(VCPU, ret);
	if (c->nr == KVM_GET_STATS_FD)
		keep(STATS, ret);
}

static void do_wild_ioctl(struct dice *d)
{
	static __thread uint8_t area[ARG_SIZE];
	unsigned long nr = dice_one_in(d, 2)
				   ? calls[dice_below(d, ARRAY_SIZE(calls))].nr
				   : _IOC(dice_below(d, 4), dice_one_in(d, 8) ? 0x56 : 0xae,
					  dice_below(d, 256), dice_below(d, 512));
	int fd = pick(d, dice_below(d, KINDS));

	/* A wait that nobody would end. */
	if (nr == KVM_RUN)
		return;
	fill(d, area, 512);
	ioctl(fd, nr, dice_one_in(d, 2) ? (uint64_t)area : odd(d));
}

static void do_run(struct dice *d)
{
	static __thread timer_t timer;
	static __thread bool has_timer;
	struct sigevent ev = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1 };
	struct itimerspec soon = { .it_value.tv_nsec = RUN_NS, .it_interval.tv_nsec = RUN_NS };
	const struct itimerspec never = { 0 };
	unsigned int times = 1 + dice_below(d, 6);

	ev._sigev_un._tid = syscall(SYS_gettid);
	if (!has_timer)
		has_timer = !timer_create(CLOCK_MONOTONIC, &ev, &timer);
	if (!has_timer)
		return;
	timer_settime(timer, 0, &soon, NULL);
	while (times--) {
		ioctl(pick(d, VCPU), KVM_RUN, 0);
		__atomic_fetch_add(&world.tally->runs, 1, __ATOMIC_RELAXED);
	}
	timer_settime(timer, 0, &never, NULL);
}

static void do_close(struct dice *d)
{
	enum file file = 1 + dice_below(d, KINDS - 1);
	unsigned int at = dice_below(d, PER_KIND);
	int fd = world.fd[file][at];

	world.fd[file][at] = -1;
	if (fd >= 0)
		close(fd);
}

static void do_scribble(struct dice *d)
{
	uint8_t *run = world.run[dice_below(d, PER_KIND)];
	unsigned int n = 1 + dice_below(d, 32);

	/* It may have been unmapped meanwhile: then that is the end of this process. */
	while (run && n--)
		((uint64_t *)run)[dice_below(d, dice_one_in(d, 2) ? 64 : world.run_size / 8)] =
			odd(d);
}

static void do_map(struct dice *d)
{
	static const unsigned int offsets[] = { 0, 1, 2, KVM_DIRTY_LOG_PAGE_OFFSET };
	size_t size = 0x1000u << dice_below(d, 5);
	void *p = mmap(NULL, size, dice_below(d, 8), dice_one_in(d, 4) ? MAP_PRIVATE : MAP_SHARED,
		       pick(d, dice_below(d, KINDS)),
		       (off_t)(dice_one_in(d, 8) ? odd(d) & 0xffff
						 : offsets[dice_below(d, ARRAY_SIZE(offsets))]) *
			       0x1000);

	if (p != MAP_FAILED && dice_one_in(d, 2))
		munmap(p, size);
}

static void do_memory(struct dice *d)
{
	uint8_t *at = world.memory + dice_below(d, MEMORY / 0x1000) * 0x1000;
	size_t size = 0x1000u << dice_below(d, 8);

	if (at + size > world.memory + MEMORY)
		size = world.memory + MEMORY - at;
	switch (dice_below(d, 6)) {
	case 0:
		munmap(at, size);
		break;
	case 1:
		mmap(at, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		     0);
		break;
	case 2:
		mprotect(at, size, PROT_READ);
		break;
	case 3:
		madvise(at, size, MADV_DONTNEED);
		break;
	case 4:
		madvise(world.memory, MEMORY, MADV_HUGEPAGE);
		break;
	default:
		madvise(at, size, 25 /* MADV_COLLAPSE */);
	}
}

static void do_read(struct dice *d)
{
	static __thread uint8_t area[8192];
	int fd = pick(d, STATS);

	if (pread(fd, area, dice_below(d, sizeof(area)), dice_below(d, 8192)) < 0 &&
	    read(pick(d, 1 + dice_below(d, KINDS - 1)), area, 64) < 0)
		return;
}

/* A child has the files for a moment, and does something to them. */
static void do_fork(struct dice *d)
{
	uint64_t seed = dice_next(d);
	pid_t pid = fork();

	if (!pid) {
		struct dice own = { seed };
		unsigned int i;

		for (i = 0; i < 4; i++)
			do_ioctl(&own, &calls[dice_below(&own, ARRAY_SIZE(calls))]);
		do_close(&own);
		if (dice_one_in(&own, 2))
			raise(SIGKILL);
		_exit(0);
	}
	if (pid > 0 && dice_one_in(d, 2))
		waitpid(pid, NULL, 0);
}

static void do_event(struct dice *d)
{
	uint64_t one = 1;
	int fd = world.event[dice_below(d, EVENTS)];

	if ((dice_one_in(d, 4) ? read(fd, &one, 8) : write(fd, &one, 8)) < 0)
		return;
}

static void do_op(const struct op *op)
{
	struct dice d = { op->seed };

	switch (op->kind) {
	case OP_IOCTL:
		do_ioctl(&d, &calls[op->call]);
		break;
	case OP_WILD_IOCTL:
		do_wild_ioctl(&d);
		break;
	case OP_RUN:
		do_run(&d);
		break;
	case OP_REAL:
	case OP_LONG:
		set_up(&d, op->kind == OP_LONG);
		break;
	case OP_CODE:
		make_code(&d);
		break;
	case OP_CLOSE:
		do_close(&d);
		break;
	case OP_SCRIBBLE:
		do_scribble(&d);
		break;
	case OP_MAP:
		do_map(&d);
		break;
	case OP_MEMORY:
		do_memory(&d);
		break;
	case OP_EVENT:
		do_event(&d);
		break;
	case OP_READ:
		do_read(&d);
		break;
	case OP_NETLINK:
		netlink_send(&d);
		break;
	case OP_FORK:
		do_fork(&d);
		break;
	case OP_KILL:
		if (dice_one_in(&d, 4))
			kill(getpid(), SIGKILL);
	}
}

void calls_run(const struct program *p, unsigned int thread)
{
	unsigned int i;

	for (i = 0; i < p->count; i++)
		if (p->ops[i].thread == thread)
			do_op(&p->ops[i]);
}

/* ---- programs ---- */

struct op calls_draw(struct dice *d, unsigned int threads)
{
	static const uint8_t kinds[] = {
		OP_IOCTL, OP_IOCTL,  OP_IOCTL, OP_IOCTL,    OP_IOCTL, OP_IOCTL,      OP_IOCTL,
		OP_IOCTL, OP_IOCTL,  OP_IOCTL, OP_IOCTL,    OP_IOCTL, OP_RUN,        OP_RUN,
		OP_RUN,   OP_RUN,    OP_REAL,  OP_LONG,     OP_LONG,  OP_CODE,       OP_CLOSE,
		OP_MAP,   OP_MEMORY, OP_EVENT, OP_SCRIBBLE, OP_READ,  OP_WILD_IOCTL, OP_NETLINK,
	};
	struct op op = { .kind = kinds[dice_below(d, ARRAY_SIZE(kinds))] };

	if (dice_one_in(d, 60))
		op.kind = dice_one_in(d, 2) ? OP_FORK : OP_KILL;
	op.call = dice_below(d, ARRAY_SIZE(calls));
	op.thread = dice_below(d, threads);
	op.seed = dice_next(d);
	return op;
}

static struct op opening_call(struct dice *d, enum file of, unsigned long nr)
{
	return (struct op){ OP_IOCTL, call_of(of, nr), 0, dice_next(d) };
}

unsigned int calls_opening(struct dice *d, struct op *ops)
{
	unsigned int n = 0, i, cpus = 1 + dice_below(d, 2);

	ops[n++] = opening_call(d, DEVICE, KVM_CREATE_VM);
	for (i = 0; i < 2; i++)
		ops[n++] = opening_call(d, VM, KVM_SET_USER_MEMORY_REGION);
	if (!dice_one_in(d, 3))
		ops[n++] = opening_call(d, VM, KVM_CREATE_IRQCHIP);
	else if (dice_one_in(d, 2))
		ops[n++] = opening_call(d, VM, KVM_ENABLE_CAP);
	if (dice_one_in(d, 2))
		ops[n++] = opening_call(d, VM, KVM_CREATE_PIT2);
	for (i = 0; i < cpus; i++)
		ops[n++] = opening_call(d, VM, KVM_CREATE_VCPU);
	ops[n++] = opening_call(d, VCPU, KVM_SET_CPUID2);
	ops[n++] = (struct op){ dice_one_in(d, 3) ? OP_REAL : OP_LONG, 0, 0, dice_next(d) };
	ops[n++] = (struct op){ OP_RUN, 0, 0, dice_next(d) };
	return n;
}

/* ---- a good one ---- */

bool calls_sane(const char *device)
{
	/* out 0x80, al; hlt */
	static const uint8_t code[] = { 0xe6, 0x80, 0xf4 };
	int fd = open(device, O_RDWR | O_CLOEXEC), vm = ioctl(fd, KVM_CREATE_VM, 0), vcpu;
	uint8_t *memory =
		mmap(NULL, 0x10000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct kvm_userspace_memory_region r = { .memory_size = 0x10000,
						 .userspace_addr = (uint64_t)memory };
	struct kvm_regs regs = { .rip = CODE, .rflags = 2 };
	struct kvm_sregs s;
	struct kvm_run *run;

	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &r))
		return false;
	memcpy(memory + CODE, code, sizeof(code));
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	run = mmap(NULL, 0x1000, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED || ioctl(vcpu, KVM_GET_SREGS, &s))
		return false;
	s.cs.base = 0;
	s.cs.selector = 0;
	if (ioctl(vcpu, KVM_SET_SREGS, &s) || ioctl(vcpu, KVM_SET_REGS, &regs))
		return false;
	if (ioctl(vcpu, KVM_RUN, 0) || run->exit_reason != KVM_EXIT_IO || run->io.port != 0x80)
		return false;
	return !ioctl(vcpu, KVM_RUN, 0) && run->exit_reason == KVM_EXIT_HLT;
}

/* ---- netlink alone ---- */

bool calls_messages(const char *device, struct tally *tally, uint64_t seed, uint64_t count)
{
	struct dice d = { seed };
	unsigned int in_vain = 0;
	uint64_t before;
	pid_t pid;

	world.tally = tally;
	if (!netlink_begin())
		return false;
	before = tally->messages;
	tally->over = 0;
	pid = fork();
	if (pid < 0)
		return false;
	if (!pid) {
		/* Some of them are paused or killed, and this process may be, with them. */
		struct dice own = { ~seed };

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (!__atomic_load_n(&tally->over, __ATOMIC_RELAXED)) {
			pid_t one = fork();

			if (!one) {
				alarm(2);
				calls_sane(device);
				usleep(dice_below(&own, 50000));
				_exit(0);
			}
			dice_next(&own);
			if (one < 0 || waitpid(one, NULL, 0) < 0)
				_exit(1);
			__atomic_fetch_add(&tally->vms, 1, __ATOMIC_RELAXED);
		}
		_exit(0);
	}
	/* Not for ever if the kernel takes none any more. */
	while (tally->messages - before < count && in_vain < 10000)
		in_vain = netlink_send(&d) ? 0 : in_vain + 1;
	/* It ends with its last VM: who is left behind keeps the module. */
	__atomic_store_n(&tally->over, 1, __ATOMIC_RELAXED);
	return waitpid(pid, NULL, 0) == pid && tally->messages - before >= count;
}
