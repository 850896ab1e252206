// SPDX-License-Identifier: GPL-2.0
/*
 * What the host does to a guest's memory while the guest runs: swaps it out, collapses it into huge
 * pages and splits those, shares it with a child. The guest counts in every page, and no count may
 * ever be lost, old, or seen by others.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "counting.h"
#include "swap.h"
#include "vm.h"

#define SUITE "host_mm"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* since Linux 6.1; glibc of Debian 12 does not know it */
#endif

#define HUGE       (COUNTING_BYTES / (2 * MiB))
#define SWAP_BYTES (64 * MiB)
#define SWAP_STEP  (16 * PAGE_SIZE)

/*
 * Pages that have been used since the host last looked stay, and the guest uses them all the time:
 * few pages at a time, and twice.
 */
static bool swap_out(struct vm *vm, u8 *p, u64 n)
{
	u64 before = vm_event("pswpout "), i;
	u8 *at = p + n % HUGE * (2 * MiB);

	(void)vm;
	for (i = 0; i < 2 * MiB; i += SWAP_STEP) {
		OK(madvise(at + i, SWAP_STEP, MADV_PAGEOUT));
		OK(madvise(at + i, SWAP_STEP, MADV_PAGEOUT));
	}
	return vm_event("pswpout ") > before;
}

CASE(swap, .timeout = 180)
{
	if (!swap_on(SWAP_BYTES))
		SKIP("no zram that could be used for swap");
	counting_under(swap_out);
	swap_off();
}

static bool collapse_and_split(struct vm *vm, u8 *p, u64 n)
{
	u8 *at = p + n % HUGE * (2 * MiB);
	bool collapsed;

	(void)vm;
	OK(madvise(at, 2 * MiB, MADV_HUGEPAGE));
	collapsed = !madvise(at, 2 * MiB, MADV_COLLAPSE);
	/* Changing the rights of a part splits it. */
	OK(mprotect(at + MiB, PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC));
	OK(mprotect(at + MiB, PAGE_SIZE, PROT_READ | PROT_WRITE));
	return collapsed;
}

CASE(huge_pages, .timeout = 180)
{
	counting_under(collapse_and_split);
}

/* The child has the memory as it was when it was made, whatever the guest writes meanwhile. */
static void child(const u8 *p)
{
	static u64 before[COUNTING_PAGES];
	u64 i;

	for (i = 0; i < COUNTING_PAGES; i++)
		before[i] = *(const u64 *)(p + i * PAGE_SIZE);
	host_sleep_ms(50);
	for (i = 0; i < COUNTING_PAGES; i++)
		if (*(volatile const u64 *)(p + i * PAGE_SIZE) != before[i])
			_exit(1);
	_exit(0);
}

static bool fork_child(struct vm *vm, u8 *p, u64 n)
{
	int status = -1;
	pid_t pid = fork();

	(void)vm;
	(void)n;
	CHECK(pid >= 0);
	if (!pid)
		child(p);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	return true;
}

CASE(fork, .timeout = 180)
{
	counting_under(fork_child);
}

static bool log_on_and_off(struct vm *vm, u8 *p, u64 n)
{
	static u64 bitmap[COUNTING_PAGES / 64];
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = bitmap };

	OK(vm_slot(vm, 1, KVM_MEM_LOG_DIRTY_PAGES, COUNTING_AREA, COUNTING_BYTES, p));
	OK(ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log));
	madvise(p + n % HUGE * (2 * MiB), 2 * MiB, MADV_HUGEPAGE);
	OK(ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log));
	OK(vm_slot(vm, 1, 0, COUNTING_AREA, COUNTING_BYTES, p));
	return true;
}

CASE(dirty_log, .timeout = 180)
{
	counting_under(log_on_and_off);
}

static u8 *poisoned;
static volatile int bus_code;
static void *volatile bus_addr;

static void guest_reads(volatile u64 *p)
{
	GUEST_SYNC(*p);
	GUEST_SYNC(*p);
}

/* A page that is lost is replaced by an empty one. */
static void on_bus(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	bus_code = info->si_code;
	bus_addr = info->si_addr;
	if (mmap(poisoned, PAGE_SIZE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		abort();
}

/* Memory of the host that is broken: the thread whose guest reads it is told. */
CASE(poisoned_page)
{
	struct sigaction act = { .sa_sigaction = on_bus, .sa_flags = SA_SIGINFO };
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_reads, HOLE_BASE);

	poisoned = vm_add_ram(vm, 1, 0, HOLE_BASE, PAGE_SIZE);
	*(u64 *)poisoned = 0x77;
	run_sync(v, 0x77);
	OK(sigaction(SIGBUS, &act, NULL));
	if (madvise(poisoned, PAGE_SIZE, MADV_HWPOISON))
		SKIP("no MADV_HWPOISON, errno %d", errno);
	if (bus_code)
		SKIP("madvise() has told of it already");
	run_sync(v, 0);
	CHECK_EQ(bus_code, BUS_MCEERR_AR);
	CHECK(bus_addr == poisoned);
}
