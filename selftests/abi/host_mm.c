// SPDX-License-Identifier: GPL-2.0
/*
 * What the host does to a guest's memory while the guest runs: swaps it out, collapses it into huge
 * pages and splits those, shares it with a child. The guest counts in every page, and no count may
 * ever be lost, old, or seen by others.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "swap.h"
#include "vm.h"

#define SUITE "host_mm"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* since Linux 6.1; glibc of Debian 12 does not know it */
#endif

#define AREA   HOLE_BASE
#define CPUS   2
#define PAGES  1024ull /* of both vCPUs together */
#define HUGE   (PAGES * PAGE_SIZE / (2 * MiB))
#define ROUNDS 6 /* of either side, so that it proves something */

static volatile u64 stop;
static volatile u64 passes[CPUS];

/* Each vCPU has every other page. */
static void guest_counter(volatile u64 *area)
{
	u64 me = this_cpu()->id, pass, i;

	for (pass = 0; !stop; pass++) {
		for (i = me; i < PAGES; i += CPUS) {
			volatile u64 *p = area + i * PAGE_SIZE / 8;

			GASSERT_EQ(*p, pass);
			GASSERT_EQ(p[511], pass);
			*p = pass + 1;
			p[511] = pass + 1;
		}
		passes[me] = pass + 1;
	}
	GUEST_DONE();
}

/* true: it had an effect */
typedef bool (*abuse_fn)(struct vm *vm, u8 *p, u64 n);

/* Run the guest, and meanwhile fn(n) with n counting up, until it had its effect ROUNDS times. */
static void run_under(abuse_fn fn)
{
	struct vm *vm = vm_create(0);
	u8 *p = mmap(NULL, PAGES * PAGE_SIZE + 2 * MiB, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct vcpu *v[CPUS];
	u64 i, n, effects = 0;

	CHECK(p != MAP_FAILED);
	p += -(u64)p & (2 * MiB - 1);
	memset(p, 0, PAGES * PAGE_SIZE);
	OK(vm_slot(vm, 1, 0, AREA, PAGES * PAGE_SIZE, p));
	for (i = 0; i < CPUS; i++)
		v[i] = vcpu_new(vm, i, guest_counter, AREA);
	for (i = 0; i < CPUS; i++)
		vcpu_spawn(v[i]);
	for (n = 0; effects < ROUNDS || G(vm, passes)[0] < ROUNDS || G(vm, passes)[1] < ROUNDS; n++)
		effects += fn(vm, p, n);
	G(vm, stop) = 1;
	for (i = 0; i < CPUS; i++)
		vcpu_join(v[i]);
	for (i = 0; i < PAGES; i++)
		CHECK_EQ(*(u64 *)(p + i * PAGE_SIZE), G(vm, passes)[i % CPUS]);
}

/* Pages written to swap since the machine started. */
static u64 swapped_out(void)
{
	static char buf[16384];
	int fd = open("/proc/vmstat", O_RDONLY);
	ssize_t n = read(fd, buf, sizeof(buf) - 1);
	char *at;

	close(fd);
	CHECK(n > 0);
	buf[n] = 0;
	at = strstr(buf, "pswpout ");
	CHECK(at);
	return strtoull(at + 8, NULL, 10);
}

#define SWAP_BYTES (64 * MiB)
#define SWAP_STEP  (16 * PAGE_SIZE)

/*
 * Pages that have been used since the host last looked stay, and the guest uses them all the time:
 * few pages at a time, and twice.
 */
static bool swap_out(struct vm *vm, u8 *p, u64 n)
{
	u64 before = swapped_out(), i;
	u8 *at = p + n % HUGE * (2 * MiB);

	(void)vm;
	for (i = 0; i < 2 * MiB; i += SWAP_STEP) {
		OK(madvise(at + i, SWAP_STEP, MADV_PAGEOUT));
		OK(madvise(at + i, SWAP_STEP, MADV_PAGEOUT));
	}
	return swapped_out() > before;
}

CASE(swap, .timeout = 180)
{
	if (!swap_on(SWAP_BYTES))
		SKIP("no zram that could be used for swap");
	run_under(swap_out);
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
	run_under(collapse_and_split);
}

/* The child has the memory as it was when it was made, whatever the guest writes meanwhile. */
static void child(const u8 *p)
{
	static u64 before[PAGES];
	u64 i;

	for (i = 0; i < PAGES; i++)
		before[i] = *(const u64 *)(p + i * PAGE_SIZE);
	host_sleep_ms(50);
	for (i = 0; i < PAGES; i++)
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
	run_under(fork_child);
}

static bool log_on_and_off(struct vm *vm, u8 *p, u64 n)
{
	static u64 bitmap[PAGES / 64];
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = bitmap };

	OK(vm_slot(vm, 1, KVM_MEM_LOG_DIRTY_PAGES, AREA, PAGES * PAGE_SIZE, p));
	OK(ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log));
	madvise(p + n % HUGE * (2 * MiB), 2 * MiB, MADV_HUGEPAGE);
	OK(ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log));
	OK(vm_slot(vm, 1, 0, AREA, PAGES * PAGE_SIZE, p));
	return true;
}

CASE(dirty_log, .timeout = 180)
{
	run_under(log_on_and_off);
}
