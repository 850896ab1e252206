// SPDX-License-Identifier: GPL-2.0
/* Memory slots and what the guest sees of them. api.rst, KVM_SET_USER_MEMORY_REGION. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "vm.h"

#define SUITE "memory"

#define AREA HOLE_BASE /* where these tests put their second slot */

static void *area(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

CASE(bad_slots)
{
	struct vm *vm = vm_create(0);
	u8 *p = area(16 * PAGE_SIZE);
	u32 slots = dev_cap(KVM_CAP_NR_MEMSLOTS);

	CHECK_ERRNO(vm_slot(vm, 1, 0, AREA + 1, PAGE_SIZE, p), EINVAL);
	CHECK_ERRNO(vm_slot(vm, 1, 0, AREA, PAGE_SIZE + 1, p), EINVAL);
	CHECK_ERRNO(vm_slot(vm, 1, 0, AREA, PAGE_SIZE, p + 1), EINVAL);
	CHECK_ERRNO(vm_slot(vm, slots, 0, AREA, PAGE_SIZE, p), EINVAL);
	CHECK_ERRNO(vm_slot(vm, 0xffff, 0, AREA, PAGE_SIZE, p), EINVAL);
	CHECK_ERRNO(vm_slot(vm, 1 | 0xffu << 16, 0, AREA, PAGE_SIZE, p), EINVAL);
	CHECK_ERRNO(vm_slot(vm, 1, 1u << 31, AREA, PAGE_SIZE, p), EINVAL);
	CHECK_ERRNO(vm_slot(vm, 1, 0, -PAGE_SIZE, 2 * PAGE_SIZE, p), EINVAL);
	CHECK_ERRNO(vm_slot(vm, 1, 0, AREA, PAGE_SIZE, (void *)-PAGE_SIZE), EINVAL);
	CHECK_ERRNO(vm_slot(vm, 1, 0, AREA, PAGE_SIZE, (void *)(1ull << 63)), EINVAL);
	CHECK_ERRNO(vm_slot(vm, 1, 0, 0, -PAGE_SIZE, p), EINVAL);
	OK(vm_slot(vm, slots - 1, 0, AREA, PAGE_SIZE, p));
}

CASE(overlap)
{
	struct vm *vm = vm_create(0);
	u8 *p = area(16 * PAGE_SIZE);

	OK(vm_slot(vm, 1, 0, AREA + 4 * PAGE_SIZE, 4 * PAGE_SIZE, p));
	CHECK_ERRNO(vm_slot(vm, 2, 0, AREA + 4 * PAGE_SIZE, PAGE_SIZE, p), EEXIST);
	CHECK_ERRNO(vm_slot(vm, 2, 0, AREA + 7 * PAGE_SIZE, 2 * PAGE_SIZE, p), EEXIST);
	CHECK_ERRNO(vm_slot(vm, 2, 0, AREA, 16 * PAGE_SIZE, p), EEXIST);
	CHECK_ERRNO(vm_slot(vm, 2, 0, AREA + 3 * PAGE_SIZE, 2 * PAGE_SIZE, p), EEXIST);
	OK(vm_slot(vm, 2, 0, AREA, 4 * PAGE_SIZE, p));
	OK(vm_slot(vm, 3, 0, AREA + 8 * PAGE_SIZE, PAGE_SIZE, p));
	/* Moving onto another slot is an overlap too. */
	CHECK_ERRNO(vm_slot(vm, 3, 0, AREA, PAGE_SIZE, p), EEXIST);
}

CASE(change_slot)
{
	struct vm *vm = vm_create(0);
	u8 *p = area(16 * PAGE_SIZE);

	OK(vm_slot(vm, 1, 0, AREA, 4 * PAGE_SIZE, p));
	OK(vm_slot(vm, 1, 0, AREA, 4 * PAGE_SIZE, p));
	CHECK_ERRNO(vm_slot(vm, 1, 0, AREA, 8 * PAGE_SIZE, p), EINVAL);
	CHECK_ERRNO(vm_slot(vm, 1, 0, AREA, 4 * PAGE_SIZE, p + PAGE_SIZE), EINVAL);
	CHECK_ERRNO(vm_slot(vm, 1, KVM_MEM_READONLY, AREA, 4 * PAGE_SIZE, p), EINVAL);
	OK(vm_slot(vm, 1, KVM_MEM_LOG_DIRTY_PAGES, AREA, 4 * PAGE_SIZE, p));
	OK(vm_slot(vm, 1, 0, AREA, 0, NULL));
	CHECK_ERRNO(vm_slot(vm, 1, 0, AREA, 0, NULL), EINVAL);
	OK(vm_slot(vm, 1, 0, AREA, 8 * PAGE_SIZE, p));
}

static void guest_read_twice(u64 addr)
{
	GUEST_SYNC(*(volatile u64 *)addr);
	GUEST_SYNC(*(volatile u64 *)addr);
	GUEST_SYNC(*(volatile u64 *)(addr + 16 * PAGE_SIZE));
	GUEST_DONE();
}

CASE(delete_slot)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_read_twice, AREA);
	u64 *p = vm_add_ram(vm, 1, 0, AREA, PAGE_SIZE);

	*p = 0x1122;
	run_sync(v, 0x1122);
	OK(vm_slot(vm, 1, 0, AREA, 0, NULL));
	vcpu_run_exit(v, KVM_EXIT_MMIO);
	CHECK_EQ(v->run->mmio.phys_addr, AREA);
	CHECK_EQ(v->run->mmio.len, 8);
	CHECK_EQ(v->run->mmio.is_write, 0);
	memcpy(v->run->mmio.data, "\1\2\3\4\5\6\7\10", 8);
	run_sync(v, 0x0807060504030201);
}

CASE(move_slot)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_read_twice, AREA);
	u64 *p = vm_add_ram(vm, 1, 0, AREA, PAGE_SIZE);

	*p = 0x77;
	run_sync(v, 0x77);
	OK(vm_slot(vm, 1, 0, AREA + 16 * PAGE_SIZE, PAGE_SIZE, p));
	vcpu_run_exit(v, KVM_EXIT_MMIO);
	CHECK_EQ(v->run->mmio.phys_addr, AREA);
	memset(v->run->mmio.data, 0, 8);
	run_sync(v, 0);
	run_sync(v, 0x77);
	run_done(v);
}

/* As in faults.c, and only with it: it has the log not tell of each fault. */
static int open_fail_nth(void)
{
	int fd = open("/sys/kernel/debug/fail_usercopy/verbose", O_RDONLY);
	char verbose = 0;

	if (fd < 0 || read(fd, &verbose, 1) != 1 || verbose != '0')
		return -1;
	return open("/proc/thread-self/fail-nth", O_RDWR);
}

static bool arm(int fd, int nth)
{
	char text[16];

	return pwrite(fd, text, snprintf(text, sizeof(text), "%d", nth), 0) > 0;
}

static bool disarm(int fd)
{
	char text[16] = "";
	bool injected = pread(fd, text, sizeof(text) - 1, 0) > 0 && atoi(text) == 0;

	/* The second time there is no fault left to hit this. */
	return arm(fd, 0) || arm(fd, 0) ? injected : false;
}

/* Both or neither, also where allocations fail. */
CASE(move_and_log)
{
	struct vm *vm = vm_create(0);
	u64 *p = vm_add_ram(vm, 1, 0, AREA, PAGE_SIZE);
	struct kvm_userspace_memory_region region = {
		.slot = 1,
		.flags = KVM_MEM_LOG_DIRTY_PAGES,
		.guest_phys_addr = AREA + 16 * PAGE_SIZE,
		.memory_size = PAGE_SIZE,
		.userspace_addr = (u64)p,
	};
	struct vcpu *v = vcpu_new(vm, 0, guest_read_twice, AREA);
	int fail = open_fail_nth(), nth = 0, ret;
	bool injected;
	u64 bits = ~0ull;
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = &bits };

	do {
		arm(fail, ++nth);
		ret = syscall(SYS_ioctl, vm->fd, KVM_SET_USER_MEMORY_REGION, &region);
		injected = disarm(fail);
		if (ret)
			CHECK_ERRNO(vm_slot(vm, 2, 0, AREA, PAGE_SIZE, p), EEXIST);
		else if (injected)
			OK(vm_slot(vm, 1, 0, AREA, PAGE_SIZE, p));
	} while (injected);
	CHECK_EQ(ret, 0);
	OK(ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log));
	CHECK_EQ(bits, 0);
	vcpu_run_exit(v, KVM_EXIT_MMIO);
	CHECK_EQ(v->run->mmio.phys_addr, AREA);
}

/* Replace what stands behind an address: the guest must never see the old page again. */
CASE(replace_slot)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_read_twice, AREA);
	u64 *p = area(PAGE_SIZE), *q = area(PAGE_SIZE);

	*p = 1;
	*q = 2;
	OK(vm_slot(vm, 1, 0, AREA, PAGE_SIZE, p));
	run_sync(v, 1);
	OK(vm_slot(vm, 1, 0, AREA, 0, NULL));
	OK(vm_slot(vm, 1, 0, AREA, PAGE_SIZE, q));
	run_sync(v, 2);
}

static void guest_write(u64 addr)
{
	GUEST_SYNC(*(volatile u64 *)addr);
	*(volatile u32 *)(addr + 8) = 0xabcd1234;
	GUEST_SYNC(*(volatile u64 *)addr);
	GUEST_SYNC(*(volatile u64 *)(addr + 8));
	GUEST_DONE();
}

CASE(readonly_slot)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_write, AREA);
	u64 *p;

	need_cap(KVM_CAP_READONLY_MEM);
	p = vm_add_ram(vm, 1, KVM_MEM_READONLY, AREA, PAGE_SIZE);
	p[0] = 5;
	p[1] = 6;
	run_sync(v, 5);
	vcpu_run_exit(v, KVM_EXIT_MMIO);
	CHECK_EQ(v->run->mmio.phys_addr, AREA + 8);
	CHECK_EQ(v->run->mmio.is_write, 1);
	CHECK_EQ(v->run->mmio.len, 4);
	CHECK_EQ(*(u32 *)v->run->mmio.data, 0xabcd1234);
	run_sync(v, 5);
	run_sync(v, 6);
	run_done(v);
	CHECK_EQ(p[1], 6);
}

static void guest_rmw(u64 addr)
{
	asm volatile("lock addl $5, (%0)" : : "r"(addr) : "memory");
	asm volatile("push %%rsi; mov %0, %%rsi; mov $4, %%ecx; mov %1, %%rdi; rep movsb; pop %%rsi"
		     :
		     : "r"(addr), "r"(addr + 8)
		     : "rcx", "rdi", "memory");
	GUEST_DONE();
}

/* Read-modify-write on a ROM: the read is served by the memory, the write goes to user space. */
CASE(readonly_slot_rmw)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_rmw, AREA);
	u32 i, got = 0;
	u8 *p;

	need_cap(KVM_CAP_READONLY_MEM);
	p = vm_add_ram(vm, 1, KVM_MEM_READONLY, AREA, PAGE_SIZE);
	memcpy(p, "\x01\x02\x03\x04", 4);
	vcpu_run_exit(v, KVM_EXIT_MMIO);
	CHECK_EQ(v->run->mmio.is_write, 1);
	CHECK_EQ(v->run->mmio.phys_addr, AREA);
	CHECK_EQ(*(u32 *)v->run->mmio.data, 0x04030206);
	for (i = 0; i < 4; i += v->run->mmio.len) {
		vcpu_run_exit(v, KVM_EXIT_MMIO);
		CHECK_EQ(v->run->mmio.is_write, 1);
		CHECK_EQ(v->run->mmio.phys_addr, AREA + 8 + i);
		memcpy((u8 *)&got + i, v->run->mmio.data, v->run->mmio.len);
	}
	CHECK_EQ(got, 0x04030201);
	run_done(v);
	CHECK_EQ(*(u32 *)p, 0x04030201);
}

static void guest_fetch_pages(u64 addr)
{
	u64 i;

	for (;;) {
		for (i = 0; i < 4; i++)
			((volatile u64 *)(addr + i * PAGE_SIZE))[0]++;
		GUEST_SYNC(0);
	}
}

CASE(dontneed)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_fetch_pages, AREA);
	u8 *p = vm_add_ram(vm, 1, 0, AREA, 4 * PAGE_SIZE);
	u64 i;

	run_sync(v, 0);
	OK(madvise(p + PAGE_SIZE, 2 * PAGE_SIZE, MADV_DONTNEED));
	run_sync(v, 0);
	for (i = 0; i < 4; i++)
		CHECK_EQ(*(u64 *)(p + i * PAGE_SIZE), i == 1 || i == 2 ? 1 : 2);
}

CASE(mprotect_none)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_fetch_pages, AREA);
	u8 *p = vm_add_ram(vm, 1, 0, AREA, 4 * PAGE_SIZE);

	run_sync(v, 0);
	OK(mprotect(p + PAGE_SIZE, PAGE_SIZE, PROT_NONE));
	CHECK_ERRNO(vcpu_run(v), EFAULT);
	OK(mprotect(p + PAGE_SIZE, PAGE_SIZE, PROT_READ));
	CHECK_ERRNO(vcpu_run(v), EFAULT);
	OK(mprotect(p + PAGE_SIZE, PAGE_SIZE, PROT_READ | PROT_WRITE));
	run_sync(v, 0);
	CHECK_EQ(*(u64 *)(p + PAGE_SIZE), 2);
}

CASE(munmap_under_guest)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_fetch_pages, AREA);
	u8 *p = vm_add_ram(vm, 1, 0, AREA, 4 * PAGE_SIZE);
	u8 *q;

	run_sync(v, 0);
	OK(munmap(p, 4 * PAGE_SIZE));
	CHECK_ERRNO(vcpu_run(v), EFAULT);
	q = mmap(p, 4 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		 -1, 0);
	CHECK(q == p);
	run_sync(v, 0);
	CHECK_EQ(*(u64 *)p, 1);
}

/* Memory that exists but may not be read: the guest can do nothing about it, the host is told. */
CASE(slot_without_mapping)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_read_twice, AREA);
	u8 *p = area(PAGE_SIZE);

	OK(munmap(p, PAGE_SIZE));
	OK(vm_slot(vm, 1, 0, AREA, PAGE_SIZE, p));
	CHECK_ERRNO(vcpu_run(v), EFAULT);
	CHECK_ERRNO(vcpu_run(v), EFAULT);
}

CASE(memfd_punch_hole)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_fetch_pages, AREA);
	int fd = OK(memfd_create("ram", 0));
	u8 *p, *alias;

	OK(ftruncate(fd, 4 * PAGE_SIZE));
	p = mmap(NULL, 4 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	alias = mmap(NULL, 4 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED && alias != MAP_FAILED);
	OK(vm_slot(vm, 1, 0, AREA, 4 * PAGE_SIZE, p));
	run_sync(v, 0);
	run_sync(v, 0);
	CHECK_EQ(*(u64 *)alias, 2);
	OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE_SIZE));
	*(u64 *)(alias + PAGE_SIZE) = 100;
	run_sync(v, 0);
	CHECK_EQ(*(u64 *)alias, 1);
	CHECK_EQ(*(u64 *)(alias + PAGE_SIZE), 101);
}

/* After fork() the pages are shared copy-on-write: what the guest then writes is the parent's. */
CASE(fork_cow)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_fetch_pages, AREA);
	volatile u64 *p = vm_add_ram(vm, 1, 0, AREA, 4 * PAGE_SIZE);
	int to_child[2], status;
	pid_t pid;
	char c;

	run_sync(v, 0);
	OK(pipe(to_child));
	pid = OK(fork());
	if (!pid) {
		if (read(to_child[0], &c, 1) != 1)
			_exit(9);
		_exit(p[0] == 1 ? 0 : 10);
	}
	run_sync(v, 0);
	CHECK_EQ(p[0], 2);
	CHECK_EQ(write(to_child[1], "", 1), 1);
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_EQ(status, 0);
}

/* The other way round: a page the host makes read-only for itself by fork is still the guest's. */
CASE(host_writes_are_seen)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_fetch_pages, AREA);
	volatile u64 *p = vm_add_ram(vm, 1, 0, AREA, 4 * PAGE_SIZE);

	run_sync(v, 0);
	p[0] = 1000;
	run_sync(v, 0);
	CHECK_EQ(p[0], 1001);
}

/* A page first read as the zero page must be replaced when it is written. */
static void guest_zero_page(volatile u64 *p)
{
	GASSERT_EQ(p[0], 0);
	GUEST_SYNC(0);
	p[0] = 42;
	GASSERT_EQ(p[0], 42);
	GUEST_SYNC(1);
	GASSERT_EQ(p[0], 43);
	GUEST_DONE();
}

CASE(zero_page_then_write)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_zero_page, AREA);
	u64 *p = vm_add_ram(vm, 1, 0, AREA, PAGE_SIZE);

	run_sync(v, 0);
	CHECK_EQ(p[0], 0);
	run_sync(v, 1);
	CHECK_EQ(p[0], 42);
	p[0] = 43;
	run_done(v);
}

static void guest_thp(u64 addr)
{
	u64 i;

	for (i = 0; i < 1024; i++)
		GASSERT_EQ(*(volatile u64 *)(addr + i * PAGE_SIZE), i);
	GUEST_SYNC(0);
	for (i = 0; i < 1024; i++)
		GASSERT_EQ(*(volatile u64 *)(addr + i * PAGE_SIZE), i == 700 ? 0 : i);
	for (i = 0; i < 1024; i++)
		*(volatile u64 *)(addr + i * PAGE_SIZE) = i * 3;
	GUEST_DONE();
}

CASE(huge_pages_split)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_thp, AREA);
	u8 *p = area(6 * MiB);
	u64 i;

	p += -(u64)p & (2 * MiB - 1);
	if (madvise(p, 4 * MiB, MADV_HUGEPAGE))
		SKIP("no transparent huge pages");
	for (i = 0; i < 1024; i++)
		*(u64 *)(p + i * PAGE_SIZE) = i;
	OK(vm_slot(vm, 1, 0, AREA, 4 * MiB, p));
	run_sync(v, 0);
	OK(madvise(p + 700 * PAGE_SIZE, PAGE_SIZE, MADV_DONTNEED));
	run_done(v);
	for (i = 0; i < 1024; i++)
		CHECK_EQ(*(u64 *)(p + i * PAGE_SIZE), i * 3);
}

/* Slots whose GPA and HVA are not aligned alike must not be mapped by large pages. */
CASE(huge_pages_misaligned)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_thp, AREA + 3 * PAGE_SIZE);
	u8 *p = area(6 * MiB);
	u64 i;

	p += -(u64)p & (2 * MiB - 1);
	madvise(p, 4 * MiB, MADV_HUGEPAGE);
	for (i = 0; i < 1024; i++)
		*(u64 *)(p + i * PAGE_SIZE) = i;
	OK(vm_slot(vm, 1, 0, AREA + 3 * PAGE_SIZE, 4 * MiB, p));
	run_sync(v, 0);
	*(u64 *)(p + 700 * PAGE_SIZE) = 0;
	run_done(v);
}

#define FAULT_CPUS  4
#define FAULT_PAGES 256

static void guest_parallel(u64 addr)
{
	u64 me = this_cpu()->id, i;

	for (i = 0; i < FAULT_PAGES; i++) {
		volatile u64 *p = (u64 *)(addr + i * PAGE_SIZE);

		GASSERT_EQ(p[me], 0);
		p[me] = i + me;
	}
	for (i = 0; i < FAULT_PAGES; i++)
		GASSERT_EQ(((u64 *)(addr + i * PAGE_SIZE))[me], i + me);
	GUEST_DONE();
}

CASE(parallel_faults)
{
	struct vm *vm = vm_create(0);
	u64 *p = vm_add_ram(vm, 1, 0, AREA, FAULT_PAGES * PAGE_SIZE);
	struct vcpu *v[FAULT_CPUS];
	u64 i, j;

	for (i = 0; i < FAULT_CPUS; i++)
		v[i] = vcpu_new(vm, i, guest_parallel, AREA);
	for (i = 0; i < FAULT_CPUS; i++)
		vcpu_spawn(v[i]);
	for (i = 0; i < FAULT_CPUS; i++)
		vcpu_join(v[i]);
	for (i = 0; i < FAULT_PAGES; i++)
		for (j = 0; j < FAULT_CPUS; j++)
			CHECK_EQ(p[i * 512 + j], i + j);
}

static volatile u64 stop_reading;

static void guest_reader(volatile u64 *p)
{
	while (!stop_reading) {
		u64 a = p[0];

		GASSERT(a == 1 || a == 2);
	}
	GUEST_DONE();
}

static void *serve_mmio(void *arg)
{
	struct vcpu *v = arg;

	for (;;) {
		while (vcpu_run(v))
			CHECK(errno == EINTR || errno == EAGAIN);
		if (vcpu_take_ucall(v))
			return NULL;
		CHECK_EQ(v->run->exit_reason, KVM_EXIT_MMIO);
		memset(v->run->mmio.data, 0, 8);
		v->run->mmio.data[0] = 2;
	}
}

/* Slots come and go under a running guest: it reads the memory (1) or the hole (2). */
CASE(delete_while_running)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_reader, AREA);
	u64 *p = vm_add_ram(vm, 1, 0, AREA, PAGE_SIZE);
	pthread_t t;
	int i;

	*p = 1;
	CHECK_EQ(pthread_create(&t, NULL, serve_mmio, v), 0);
	for (i = 0; i < 100; i++) {
		OK(vm_slot(vm, 1, 0, AREA, 0, NULL));
		OK(vm_slot(vm, 1, 0, AREA, PAGE_SIZE, p));
	}
	G(vm, stop_reading) = 1;
	CHECK_EQ(pthread_join(t, NULL), 0);
}

/* Both places are read: the memory is at one of them, or at none for a moment. */
static void guest_two_places(volatile u64 *p)
{
	while (!stop_reading) {
		u64 a = p[0], b = p[512];

		GASSERT(a == 1 || a == 2);
		GASSERT(b == 1 || b == 2);
	}
	GUEST_DONE();
}

CASE(move_while_running)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_two_places, AREA);
	u64 *p = vm_add_ram(vm, 1, 0, AREA, PAGE_SIZE);
	pthread_t t;
	int i;

	*p = 1;
	CHECK_EQ(pthread_create(&t, NULL, serve_mmio, v), 0);
	for (i = 0; i < 100; i++)
		OK(vm_slot(vm, 1, 0, i & 1 ? AREA : AREA + PAGE_SIZE, PAGE_SIZE, p));
	G(vm, stop_reading) = 1;
	CHECK_EQ(pthread_join(t, NULL), 0);
	CHECK_EQ(*p, 1);
}

static volatile u64 turns;

/* The host discards pages under running guests: each access finds the old or a zero page. */
static void guest_counter(volatile u64 *p)
{
	u64 last = 0;

	while (!stop_reading) {
		u64 now = p[0];

		GASSERT(now == last || now == 0);
		last = now + 1;
		p[0] = last;
		turns++;
	}
	GUEST_DONE();
}

CASE(dontneed_while_running)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_counter, AREA);
	u64 *p = vm_add_ram(vm, 1, 0, AREA, PAGE_SIZE);
	int i;

	vcpu_spawn(v);
	for (i = 0; i < 200; i++) {
		u64 before = G(vm, turns);

		OK(madvise(p, PAGE_SIZE, MADV_DONTNEED));
		/* On one processor it goes on only while this thread sleeps. */
		if (i % 10 == 0)
			CHECK(eventually(G(vm, turns) != before));
	}
	G(vm, stop_reading) = 1;
	vcpu_join(v);
}

CASE(memory_above_4g)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_read_twice, 0x7000000000);
	u64 *p = vm_add_ram(vm, 1, 0, 0x180000000, PAGE_SIZE);

	vm_map(vm, 0x7000000000, 0x180000000, PTE_P | PTE_W);
	*p = 99;
	run_sync(v, 99);
}

#define SLOTS 600ull

CASE(many_slots)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_fetch_pages, AREA);
	u8 *p = area(SLOTS * PAGE_SIZE);
	u64 i, at;

	CHECK(dev_cap(KVM_CAP_NR_MEMSLOTS) >= 509);
	/* In an order that is neither up nor down, next to each other. */
	for (i = 0; i < SLOTS; i++) {
		at = i * 37 % SLOTS * PAGE_SIZE;
		OK(vm_slot(vm, 1 + i, 0, AREA + at, PAGE_SIZE, p + at));
	}
	run_sync(v, 0);
	CHECK_ERRNO(vm_slot(vm, 1 + SLOTS, 0, AREA + (SLOTS - 1) * PAGE_SIZE, PAGE_SIZE, p),
		    EEXIST);
	/* Every other one goes; the pages that the guest writes are all still there. */
	for (i = 4; i < SLOTS; i += 2)
		OK(vm_slot(vm, 1 + i * 373 % SLOTS, 0, 0, 0, NULL));
	run_sync(v, 0);
	for (i = 0; i < SLOTS; i++)
		CHECK_EQ(*(u64 *)(p + i * PAGE_SIZE), i < 4 ? 2 : 0);
}

/* ---- execution in huge pages ---- */

static u64 leaves(struct vm *vm, const char *name)
{
	u64 value = 0;

	CHECK(vm_stat(vm, name, &value));
	return value;
}

static void guest_executes(u64 at)
{
	volatile u8 *code = (u8 *)at + 5 * PAGE_SIZE;

	code[0] = 0xc3; /* ret */
	GUEST_SYNC(0);
	((void (*)(void))code)();
	GUEST_SYNC(1);
	/* Beside it all is as it was, and can still be written. */
	GASSERT_EQ(*(volatile u64 *)(at + 6 * PAGE_SIZE), 0x1234);
	*(volatile u64 *)(at + 7 * PAGE_SIZE) = 0x5678;
	code[PAGE_SIZE * 9] = 0xc3;
	((void (*)(void))(code + PAGE_SIZE * 9))();
	GUEST_DONE();
}

/* Whether huge pages are taken apart for execution; in-tree KVM's own parameter says it there. */
static bool splits_for_fetch(void)
{
	char c = 'N';
	int fd = open(test_is_oracle() ? "/sys/module/kvm/parameters/nx_huge_pages"
				       : "/sys/module/vmm/parameters/nx_huge_pages",
		      O_RDONLY);

	if (fd >= 0) {
		CHECK_EQ(read(fd, &c, 1), 1);
		close(fd);
	}
	return c == '1' || c == 'Y';
}

/* A processor with the iTLB multihit bug never executes by a large translation. */
CASE(execute_in_huge_page)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_executes, AREA);
	u8 *p = area(4 * MiB);
	u64 small, huge;

	p += -(u64)p & (2 * MiB - 1);
	if (madvise(p, 2 * MiB, MADV_HUGEPAGE))
		SKIP("no transparent huge pages");
	memset(p, 0, 2 * MiB);
	*(u64 *)(p + 6 * PAGE_SIZE) = 0x1234;
	OK(vm_slot(vm, 1, 0, AREA, 2 * MiB, p));
	huge = leaves(vm, "pages_2m");
	run_sync(v, 0);
	if (leaves(vm, "pages_2m") == huge)
		SKIP("the host gave no huge page");
	huge = leaves(vm, "pages_2m");
	small = leaves(vm, "pages_4k");
	run_sync(v, 1);
	CHECK_EQ(leaves(vm, "pages_2m"), huge - splits_for_fetch());
	if (splits_for_fetch())
		CHECK(leaves(vm, "pages_4k") > small);
	run_done(v);
	CHECK_EQ(*(u64 *)(p + 7 * PAGE_SIZE), 0x5678);
}
