// SPDX-License-Identifier: GPL-2.0
/*
 * What a host does to memory while guests count in it. Each test sees by the host's own counters
 * that it was done, and by the guest's that nothing was lost.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "counting.h"
#include "swap.h"

#define SUITE "events"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE 101
#endif

static u64 read_number(const char *path)
{
	char text[32] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		FAIL("%s: errno %d", path, errno);
	close(fd);
	return strtoull(text, NULL, 10);
}

static void need_write(const char *path, const char *text)
{
	if (!write_file(path, text))
		FAIL("%s into %s: errno %d", text, path, errno);
}

/* ---- a cgroup ---- */

#define GROUP "/sys/fs/cgroup/events"

static void group_new(const char *limit, const char *value)
{
	char path[64];

	if (!write_file("/sys/fs/cgroup/cgroup.subtree_control", "+memory"))
		SKIP("no memory cgroups");
	OK(mkdir(GROUP, 0755));
	snprintf(path, sizeof(path), GROUP "/%s", limit);
	need_write(path, value);
}

static void group_enter(void)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	need_write(GROUP "/cgroup.procs", pid);
}

/* A counter of memory.events. */
static u64 group_event(const char *name)
{
	char text[256] = "", *at;
	int fd = OK(open(GROUP "/memory.events", O_RDONLY | O_CLOEXEC));

	CHECK(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	at = strstr(text, name);
	CHECK(at);
	return strtoull(at + strlen(name), NULL, 10);
}

/* ---- pressure ---- */

#define SWAP_BYTES (64 * MiB)

static bool press(struct vm *vm, u8 *p, u64 n)
{
	u64 out = vm_event("pswpout "), in = vm_event("pswpin ");

	(void)vm;
	(void)p;
	(void)n;
	/* The host looks for memory that it can have back; the guest takes it again. */
	write_file(GROUP "/memory.reclaim", "128K");
	host_sleep_ms(20);
	return vm_event("pswpout ") > out && vm_event("pswpin ") > in;
}

CASE(memory_pressure, .timeout = 180)
{
	int status;
	pid_t pid;

	if (!swap_on(SWAP_BYTES))
		SKIP("no zram that could be used for swap");
	group_new("memory.high", "max");
	pid = OK(fork());
	if (!pid) {
		group_enter();
		counting_under(press);
		_exit(0);
	}
	CHECK_EQ(OK(waitpid(pid, &status, 0)), pid);
	CHECK_EQ(status, 0);
	OK(rmdir(GROUP));
	swap_off();
}

/*
 * More than the group may have: the client is ended by the kernel, which says so, and a VM outside
 * of the group does not notice.
 */
CASE(cgroup_limit, .timeout = 180)
{
	struct counting outside = counting_start(counting_memory());
	int status;
	pid_t pid;

	group_new("memory.max", "12M");
	write_file(GROUP "/memory.swap.max", "0");
	pid = OK(fork());
	if (!pid) {
		struct counting c;
		u8 *mem = mmap(NULL, COUNTING_BYTES, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		/* What the parent has is the parent's; what the guest touches is the child's. */
		CHECK(mem != MAP_FAILED);
		group_enter();
		c = counting_start(mem);
		counting_goes_on(&c, 1);
		memset(mmap(NULL, 64 * MiB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			    0),
		       1, 64 * MiB);
		_exit(0);
	}
	CHECK_EQ(OK(waitpid(pid, &status, 0)), pid);
	CHECK(WIFSIGNALED(status));
	CHECK_EQ(WTERMSIG(status), SIGKILL);
	CHECK(group_event("oom_kill ") >= 1);
	OK(rmdir(GROUP));
	CHECK(counting_goes_on(&outside, 2));
	counting_stop(&outside);
}

/* A guest alone reaches the limit: the kernel's tables for it are charged to its client too. */
static void guest_toucher(u64 bytes)
{
	u64 i;

	for (i = 0; i < bytes; i += PAGE_SIZE)
		*(volatile u64 *)(COUNTING_AREA + i) = i;
	GUEST_DONE();
}

CASE(cgroup_limit_by_guest, .timeout = 180)
{
	int status;
	pid_t pid;

	group_new("memory.max", "24M");
	write_file(GROUP "/memory.swap.max", "0");
	pid = OK(fork());
	if (!pid) {
		struct vm *vm;

		group_enter();
		vm = vm_create(0);
		vm_add_ram(vm, 1, 0, COUNTING_AREA, 64 * MiB);
		run_done(vcpu_new(vm, 0, guest_toucher, 64 * MiB));
		_exit(0);
	}
	CHECK_EQ(OK(waitpid(pid, &status, 0)), pid);
	CHECK(WIFSIGNALED(status));
	CHECK_EQ(WTERMSIG(status), SIGKILL);
	CHECK(group_event("oom_kill ") >= 1);
	OK(rmdir(GROUP));
	run_done(vcpu_new(vm_create(0), 0, guest_toucher, 0));
}

/* ---- pages of other sizes, at other places ---- */

static bool collapse_and_split(struct vm *vm, u8 *p, u64 n)
{
	u8 *at = p + n % (COUNTING_BYTES / (2 * MiB)) * (2 * MiB);
	u64 made = vm_event("thp_collapse_alloc "), split = vm_event("thp_split_pmd ");

	(void)vm;
	OK(madvise(at, 2 * MiB, MADV_HUGEPAGE));
	madvise(at, 2 * MiB, MADV_COLLAPSE);
	OK(mprotect(at + MiB, PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC));
	OK(mprotect(at + MiB, PAGE_SIZE, PROT_READ | PROT_WRITE));
	return vm_event("thp_collapse_alloc ") > made && vm_event("thp_split_pmd ") > split;
}

CASE(huge_pages, .timeout = 180)
{
	counting_under(collapse_and_split);
}

/* Every other page of a lot of memory is free: what there is has to be moved to make room. */
static void scatter(void)
{
	u64 bytes = 12 * MiB, i;
	u8 *holes = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(holes != MAP_FAILED);
	OK(madvise(holes, bytes, MADV_NOHUGEPAGE));
	memset(holes, 1, bytes);
	for (i = 0; i < bytes; i += 2 * PAGE_SIZE)
		OK(madvise(holes + i, PAGE_SIZE, MADV_DONTNEED));
	need_write("/proc/sys/vm/compact_memory", "1");
	_exit(0);
}

static bool compact(struct vm *vm, u8 *p, u64 n)
{
	u64 moved = vm_event("pgmigrate_success ");
	int status;
	pid_t pid;

	(void)vm;
	(void)n;
	OK(madvise(p, COUNTING_BYTES, MADV_NOHUGEPAGE));
	/* In a process of its own, so that no processor of the guest's is asked about each hole. */
	pid = OK(fork());
	if (!pid)
		scatter();
	CHECK_EQ(OK(waitpid(pid, &status, 0)), pid);
	CHECK_EQ(status, 0);
	return vm_event("pgmigrate_success ") > moved;
}

CASE(compaction, .timeout = 180)
{
	u64 runs = vm_event("compact_stall ") + vm_event("compact_isolated ");

	counting_under(compact);
	CHECK(vm_event("compact_stall ") + vm_event("compact_isolated ") > runs);
}

/* Host-physical frame of a page. */
static u64 frame(const void *p)
{
	int fd = OK(open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
	u64 entry = 0;

	CHECK_EQ(pread(fd, &entry, 8, (u64)p / PAGE_SIZE * 8), 8);
	close(fd);
	return entry & (BIT(55) - 1);
}

/* A frame that is to be used no more: its page moves, now and for certain. */
static bool migrate(struct vm *vm, u8 *p, u64 n)
{
	u8 *at = p + (n * 37 % COUNTING_PAGES) * PAGE_SIZE;
	u64 moved = vm_event("pgmigrate_success "), before;

	(void)vm;
	OK(madvise(p, COUNTING_BYTES, MADV_NOHUGEPAGE));
	before = frame(at);
	if (madvise(at, PAGE_SIZE, MADV_SOFT_OFFLINE)) {
		if (errno == EINVAL)
			SKIP("this kernel takes no frames out of use");
		CHECK(errno == EBUSY || errno == EIO);
		return false;
	}
	CHECK(frame(at) != before);
	return vm_event("pgmigrate_success ") > moved;
}

CASE(migration, .timeout = 180)
{
	counting_under(migrate);
}

/* ---- pages that are the same ---- */

#define SAME_PAGES 512ull

static volatile u64 turn, seen;

/* All pages are alike; at each turn of the host's they become something else. */
static void guest_alike(volatile u64 *area)
{
	u64 now = 0, i;

	while (turn != ~0ull) {
		u64 next = turn;

		for (i = 0; i < SAME_PAGES; i++) {
			GASSERT_EQ(area[i * 512 + 3], now);
			if (next != now && next != ~0ull)
				area[i * 512 + 3] = next;
		}
		if (next != ~0ull)
			now = next;
		seen = now;
	}
	GUEST_DONE();
}

/*
 * How many lie in one frame with their neighbour, by the page tables: the kernel's pages_sharing
 * counts those parted by a write until its scanner comes by again.
 */
static u64 same_frame(u8 *mem)
{
	u64 last = frame(mem), same = 0, i;

	for (i = 1; i < SAME_PAGES; i++) {
		u64 next = frame(mem + i * PAGE_SIZE);

		same += next && next == last;
		last = next;
	}
	return same;
}

CASE(same_pages, .timeout = 180)
{
	struct vm *vm = vm_create(0);
	u8 *mem = vm_add_ram(vm, 1, 0, COUNTING_AREA, SAME_PAGES * PAGE_SIZE);
	struct vcpu *v = vcpu_new(vm, 0, guest_alike, COUNTING_AREA);
	u64 broken, i;

	if (access("/sys/kernel/mm/ksm/run", F_OK))
		SKIP("no KSM");
	OK(madvise(mem, SAME_PAGES * PAGE_SIZE, MADV_NOHUGEPAGE));
	memset(mem, 0x77, SAME_PAGES * PAGE_SIZE);
	for (i = 0; i < SAME_PAGES; i++)
		((u64 *)mem)[i * 512 + 3] = 0;
	OK(madvise(mem, SAME_PAGES * PAGE_SIZE, MADV_MERGEABLE));
	need_write("/sys/kernel/mm/ksm/sleep_millisecs", "1");
	need_write("/sys/kernel/mm/ksm/pages_to_scan", "2000");
	need_write("/sys/kernel/mm/ksm/run", "1");
	vcpu_spawn(v);
	for (i = 1; i <= 4; i++) {
		CHECK(eventually(same_frame(mem) >= SAME_PAGES / 2));
		broken = vm_event("cow_ksm ");
		G(vm, turn) = i;
		CHECK(eventually(*(volatile u64 *)&G(vm, seen) == i));
		CHECK(vm_event("cow_ksm ") > broken);
	}
	G(vm, turn) = ~0ull;
	vcpu_join(v);
	need_write("/sys/kernel/mm/ksm/run", "2");
	for (i = 0; i < SAME_PAGES; i++)
		CHECK_EQ(((u64 *)mem)[i * 512 + 3], 4);
}

/* ---- huge pages that are used up ---- */

static void guest_huge(u64 pages)
{
	u64 i;

	for (i = 0; i < pages; i++) {
		*(volatile u64 *)(COUNTING_AREA + i * 2 * MiB) = i + 1;
		GUEST_SYNC(i);
	}
	for (i = 0; i < pages; i++)
		GASSERT_EQ(*(volatile u64 *)(COUNTING_AREA + i * 2 * MiB), i + 1);
	GUEST_DONE();
}

/* The guest's access cannot be served, its client is told, makes room, and the guest goes on. */
CASE(hugetlb_exhausted)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_huge, 4);
	u8 *mem;
	int i;

	if (!huge_pool(2))
		SKIP("no huge pages");
	mem = mmap(NULL, 8 * MiB, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_NORESERVE, -1, 0);
	CHECK(mem != MAP_FAILED);
	OK(vm_slot(vm, 1, 0, COUNTING_AREA, 8 * MiB, mem));
	run_sync(v, 0);
	run_sync(v, 1);
	CHECK_EQ(read_number("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"), 0);
	for (i = 0; i < 3; i++)
		CHECK_ERRNO(vcpu_run(v), EFAULT);
	if (!huge_pool(4)) {
		huge_pool(0);
		SKIP("no more memory in one piece");
	}
	run_sync(v, 2);
	run_sync(v, 3);
	run_done(v);
	for (i = 0; i < 4; i++)
		CHECK_EQ(*(u64 *)(mem + i * 2 * MiB), i + 1);
	OK(munmap(mem, 8 * MiB));
	CHECK(huge_pool(0));
}
