// SPDX-License-Identifier: GPL-2.0
/*
 * What guest memory is made of: files, huge pages, memory shared between VMs and processes, pages
 * that user space supplies one by one. Guest and process always see the same.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "swap.h"
#include "vm.h"

#define SUITE "backing"

#define AREA  HOLE_BASE
#define PAGES 64ull
#define SIZE  (PAGES * PAGE_SIZE)

/* Counts every page up from what it finds there. */
static volatile u64 pages = PAGES;

static void guest_adder(u64 base)
{
	u64 i;

	for (;;) {
		for (i = 0; i < pages; i++)
			*(volatile u64 *)(base + i * PAGE_SIZE) += i + 1;
		GUEST_SYNC(0);
	}
}

static struct vcpu *vcpu_over(void *mem, u64 size)
{
	struct vm *vm = vm_create(0);

	OK(vm_slot(vm, 1, 0, AREA, size, mem));
	G(vm, pages) = size / PAGE_SIZE;
	return vcpu_new(vm, 0, guest_adder, AREA);
}

/* Page i holds (i + 1) * times. */
static void expect_count(const void *mem, u64 n, u64 times)
{
	u64 i;

	for (i = 0; i < n; i++)
		CHECK_EQ(*(volatile const u64 *)(mem + i * PAGE_SIZE), (i + 1) * times);
}

static void *map_fd(int fd, u64 size, int flags)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

static int temp_file(void)
{
	char path[] = "/tmp/backing-XXXXXX";
	int fd = OK(mkstemp(path));

	OK(unlink(path));
	OK(ftruncate(fd, SIZE));
	return fd;
}

CASE(file_shared)
{
	int fd = temp_file();
	struct vcpu *v = vcpu_over(map_fd(fd, SIZE, MAP_SHARED), SIZE);
	u64 *copy = calloc(1, SIZE), seven = 7;

	run_sync(v, 0);
	CHECK_EQ(pread(fd, copy, SIZE, 0), SIZE);
	expect_count(copy, PAGES, 1);
	/* What write() puts into the file is in the guest. */
	CHECK_EQ(pwrite(fd, &seven, 8, 3 * PAGE_SIZE), 8);
	run_sync(v, 0);
	CHECK_EQ(pread(fd, copy, SIZE, 0), SIZE);
	CHECK_EQ(copy[3 * PAGE_SIZE / 8], 7 + 4);
	copy[3 * PAGE_SIZE / 8] = 2 * 4;
	expect_count(copy, PAGES, 2);
}

/* Pages of the file until the guest writes them: the file is not changed. */
CASE(file_private)
{
	int fd = temp_file();
	void *mem = map_fd(fd, SIZE, MAP_PRIVATE);
	struct vcpu *v = vcpu_over(mem, SIZE);
	u64 i, one = 1, got;

	for (i = 0; i < PAGES; i++)
		CHECK_EQ(pwrite(fd, &one, 8, i * PAGE_SIZE), 8);
	run_sync(v, 0);
	for (i = 0; i < PAGES; i++) {
		CHECK_EQ(*(volatile u64 *)(mem + i * PAGE_SIZE), i + 2);
		CHECK_EQ(pread(fd, &got, 8, i * PAGE_SIZE), 8);
		CHECK_EQ(got, 1);
	}
}

/* The file ends before the slot does. */
CASE(file_truncated)
{
	int fd = temp_file();
	struct vcpu *v = vcpu_over(map_fd(fd, SIZE, MAP_SHARED), SIZE);
	u64 got;

	run_sync(v, 0);
	OK(ftruncate(fd, 10 * PAGE_SIZE));
	CHECK_ERRNO(vcpu_run(v), EFAULT);
	OK(ftruncate(fd, SIZE));
	run_sync(v, 0);
	CHECK_EQ(pread(fd, &got, 8, 9 * PAGE_SIZE), 8);
	CHECK_EQ(got, 2 * 10);
	CHECK_EQ(pread(fd, &got, 8, 11 * PAGE_SIZE), 8);
	CHECK_EQ(got, 12);
}

/* Two VMs, and a child process, on the same pages. */
CASE(shared_by_two_vms)
{
	int fd = OK(memfd_create("ram", 0)), status;
	struct vcpu *a, *b;
	void *mem;
	pid_t pid;

	OK(ftruncate(fd, SIZE));
	mem = map_fd(fd, SIZE, MAP_SHARED);
	a = vcpu_over(mem, SIZE);
	b = vcpu_over(map_fd(fd, SIZE, MAP_SHARED), SIZE);
	run_sync(a, 0);
	run_sync(b, 0);
	run_sync(a, 0);
	expect_count(mem, PAGES, 3);
	pid = OK(fork());
	if (!pid)
		_exit(++*(volatile u64 *)mem != 4);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	run_sync(b, 0);
	CHECK_EQ(*(volatile u64 *)mem, 5);
}

/* One page of the host at two places in the guest. */
CASE(two_slots_one_page)
{
	u64 *mem = map_fd(-1, PAGE_SIZE, MAP_PRIVATE | MAP_ANONYMOUS);
	struct vcpu *v = vcpu_over(mem, PAGE_SIZE);

	OK(vm_slot(v->vm, 2, 0, AREA + PAGE_SIZE, PAGE_SIZE, mem));
	G(v->vm, pages) = 2;
	run_sync(v, 0);
	CHECK_EQ(*mem, 1 + 2);
	OK(madvise(mem, PAGE_SIZE, MADV_DONTNEED));
	run_sync(v, 0);
	CHECK_EQ(*mem, 1 + 2);
}

#define HUGE (2 * MiB)

CASE(hugetlb)
{
	struct vcpu *v;
	void *mem;
	int fd;

	if (!huge_pool(4))
		SKIP("no huge pages");
	fd = OK(memfd_create("ram", MFD_HUGETLB));
	OK(ftruncate(fd, 2 * HUGE));
	mem = map_fd(fd, 2 * HUGE, MAP_SHARED);
	v = vcpu_over(mem, 2 * HUGE);
	run_sync(v, 0);
	run_sync(v, 0);
	expect_count(mem, 2 * HUGE / PAGE_SIZE, 2);
	OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, HUGE));
	run_sync(v, 0);
	CHECK_EQ(*(volatile u64 *)mem, 1);
	CHECK_EQ(*(volatile u64 *)(mem + HUGE), 513 * 3);

	/* Logged, and placed so that no huge page of the guest can be one of the host. */
	OK(vm_slot(v->vm, 1, 0, AREA, 0, NULL));
	OK(vm_slot(v->vm, 1, KVM_MEM_LOG_DIRTY_PAGES, AREA, HUGE, mem + PAGE_SIZE));
	G(v->vm, pages) = HUGE / PAGE_SIZE;
	run_sync(v, 0);
	CHECK_EQ(*(volatile u64 *)mem, 1);
	CHECK_EQ(*(volatile u64 *)(mem + HUGE), 513 * 3 + 512);
	huge_pool(0);
}

/* ---- userfaultfd ---- */

struct pager {
	int fd;
	void *mem;
	pthread_t thread;
	u64 served;
	int stop[2];
};

static int uffd_open(void *mem, u64 mode)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .range = { (u64)mem, SIZE }, .mode = mode };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		SKIP("no userfaultfd");
	OK(ioctl(fd, UFFDIO_API, &api));
	if (ioctl(fd, UFFDIO_REGISTER, &reg))
		SKIP("no such mode of userfaultfd");
	return fd;
}

static void pager_serve(struct pager *p, const struct uffd_msg *msg)
{
	u64 at = msg->arg.pagefault.address & ~(PAGE_SIZE - 1);

	CHECK_EQ(msg->event, UFFD_EVENT_PAGEFAULT);
	/* Before the guest goes on, and with it the thread that reads this. */
	p->served++;
	if (msg->arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP) {
		struct uffdio_writeprotect wp = { .range = { at, PAGE_SIZE } };

		OK(ioctl(p->fd, UFFDIO_WRITEPROTECT, &wp));
	} else {
		static u64 page[512];
		struct uffdio_copy copy = { .dst = at, .src = (u64)page, .len = PAGE_SIZE };

		page[0] = 1000;
		OK(ioctl(p->fd, UFFDIO_COPY, &copy));
	}
}

static void *pager_thread(void *arg)
{
	struct pager *p = arg;
	struct pollfd fds[2] = { { .fd = p->fd, .events = POLLIN },
				 { .fd = p->stop[0], .events = POLLIN } };
	struct uffd_msg msg;

	for (;;) {
		OK(poll(fds, 2, -1));
		if (fds[1].revents)
			return NULL;
		if (read(p->fd, &msg, sizeof(msg)) == sizeof(msg))
			pager_serve(p, &msg);
	}
}

static void pager_start(struct pager *p, void *mem, u64 mode)
{
	p->mem = mem;
	p->fd = uffd_open(mem, mode);
	OK(pipe(p->stop));
	CHECK_EQ(pthread_create(&p->thread, NULL, pager_thread, p), 0);
}

static void pager_stop(struct pager *p)
{
	CHECK_EQ(write(p->stop[1], "", 1), 1);
	CHECK_EQ(pthread_join(p->thread, NULL), 0);
}

/* Each page comes from a thread of the process when the guest asks for it (postcopy). */
CASE(userfault_missing)
{
	u8 *mem = map_fd(-1, SIZE, MAP_PRIVATE | MAP_ANONYMOUS);
	struct pager p = { 0 };
	struct vcpu *v;
	u64 i;

	pager_start(&p, mem, UFFDIO_REGISTER_MODE_MISSING);
	v = vcpu_over(mem, SIZE);
	run_sync(v, 0);
	CHECK_EQ(p.served, PAGES);
	run_sync(v, 0);
	CHECK_EQ(p.served, PAGES);
	for (i = 0; i < PAGES; i++)
		CHECK_EQ(*(u64 *)(mem + i * PAGE_SIZE), 1000 + 2 * (i + 1));
	/* Taken away again, it is asked for again. */
	OK(madvise(mem, 8 * PAGE_SIZE, MADV_DONTNEED));
	run_sync(v, 0);
	CHECK_EQ(p.served, PAGES + 8);
	CHECK_EQ(*(u64 *)mem, 1001);
	CHECK_EQ(*(u64 *)(mem + 8 * PAGE_SIZE), 1000 + 3 * 9);
	pager_stop(&p);
}

/* The process is asked before the guest writes (snapshot of a running VM). */
CASE(userfault_write_protect)
{
	u8 *mem = map_fd(-1, SIZE, MAP_PRIVATE | MAP_ANONYMOUS);
	struct uffdio_writeprotect wp = {
		.range = { (u64)mem, SIZE },
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};
	struct pager p = { 0 };
	struct vcpu *v;

	memset(mem, 0, SIZE);
	pager_start(&p, mem, UFFDIO_REGISTER_MODE_WP);
	v = vcpu_over(mem, SIZE);
	run_sync(v, 0);
	CHECK_EQ(p.served, 0);
	OK(ioctl(p.fd, UFFDIO_WRITEPROTECT, &wp));
	run_sync(v, 0);
	CHECK_EQ(p.served, PAGES);
	run_sync(v, 0);
	CHECK_EQ(p.served, PAGES);
	expect_count(mem, PAGES, 3);
	pager_stop(&p);
}
