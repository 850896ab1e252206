// SPDX-License-Identifier: GPL-2.0
/* Dirty page logging. api.rst, KVM_GET_DIRTY_LOG, KVM_CLEAR_DIRTY_LOG. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "vm.h"

#define SUITE "dirty"

#define AREA  HOLE_BASE
#define PAGES 256ull

/* Writes the pages whose numbers it finds in the mailbox; reads the others. */
static volatile u32 mailbox[8];

static void guest_dirtier(u64 base)
{
	u64 sum = 0, i;

	for (;;) {
		for (i = 0; i < 8; i++)
			if (mailbox[i] < PAGES)
				*(volatile u64 *)(base + mailbox[i] * PAGE_SIZE) += 1;
		for (i = 0; i < PAGES; i++)
			sum += *(volatile u64 *)(base + i * PAGE_SIZE);
		GUEST_SYNC(0);
	}
}

static void write_pages(struct vcpu *v, const u32 *pages, int n)
{
	int i;

	for (i = 0; i < 8; i++)
		G(v->vm, mailbox)[i] = i < n ? pages[i] : ~0u;
	run_sync(v, 0);
}

static int get_log(struct vm *vm, u32 slot, u64 *bitmap)
{
	struct kvm_dirty_log log = { .slot = slot, .dirty_bitmap = bitmap };

	memset(bitmap, 0xff, PAGES / 8);
	return ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log);
}

static int clear_log(struct vm *vm, u32 slot, u64 first, u32 n, u64 *bitmap)
{
	struct kvm_clear_dirty_log c = {
		.slot = slot,
		.num_pages = n,
		.first_page = first,
		.dirty_bitmap = bitmap,
	};

	return ioctl(vm->fd, KVM_CLEAR_DIRTY_LOG, &c);
}

static void expect_pages(const u64 *bitmap, const u32 *pages, int n)
{
	u64 want[PAGES / 64] = { 0 };
	u64 i;
	int k;

	for (k = 0; k < n; k++)
		want[pages[k] / 64] |= BIT(pages[k] % 64);
	for (i = 0; i < PAGES / 64; i++)
		if (bitmap[i] != want[i])
			FAIL("pages %llu..: bitmap is %#llx, not %#llx", i * 64, bitmap[i],
			     want[i]);
}

static void set_manual(struct vm *vm, u64 flags)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
		.args[0] = flags,
	};

	need_cap(KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2);
	OK(ioctl(vm->fd, KVM_ENABLE_CAP, &cap));
}

static const u32 some[] = { 0, 1, 63, 64, 200, 255 };
static const u32 one[] = { 17 };

static void check_get_resets(struct vm *vm, struct vcpu *v)
{
	u64 bm[PAGES / 64];

	OK(get_log(vm, 1, bm));
	write_pages(v, some, ARRAY_SIZE(some));
	OK(get_log(vm, 1, bm));
	expect_pages(bm, some, ARRAY_SIZE(some));
	OK(get_log(vm, 1, bm));
	expect_pages(bm, NULL, 0);
	/* Pages that were dirty before must be noticed when they are written again. */
	write_pages(v, some, 2);
	OK(get_log(vm, 1, bm));
	expect_pages(bm, some, 2);
	write_pages(v, one, 1);
	write_pages(v, one, 1);
	OK(get_log(vm, 1, bm));
	expect_pages(bm, one, 1);
}

/* More pages than a processor that logs for itself has room for (512): each time anew. */
#define MANY 1280ull

static void guest_fills(u64 base)
{
	u64 i;

	for (;;) {
		for (i = 0; i < MANY; i++)
			if (i % 3)
				*(volatile u64 *)(base + i * PAGE_SIZE) += i;
		GUEST_SYNC(0);
	}
}

CASE(many_pages)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_fills, AREA);
	u64 bm[MANY / 64], i, round;
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = bm };

	vm_add_ram(vm, 1, KVM_MEM_LOG_DIRTY_PAGES, AREA, MANY * PAGE_SIZE);
	for (round = 0; round < 3; round++) {
		run_sync(v, 0);
		memset(bm, 0xff, sizeof(bm));
		OK(ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log));
		for (i = 0; i < MANY; i++)
			if (!!(bm[i / 64] & BIT(i % 64)) != !!(i % 3))
				FAIL("round %llu, page %llu: %#llx", round, i, bm[i / 64]);
	}
}

CASE(get_resets)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_dirtier, AREA);

	vm_add_ram(vm, 1, KVM_MEM_LOG_DIRTY_PAGES, AREA, PAGES * PAGE_SIZE);
	check_get_resets(vm, v);
}

/* What could not be copied out is still in the log. */
CASE(get_fails, .oracle = "in-tree KVM has cleared the bits by then")
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_dirtier, AREA);
	struct kvm_dirty_log nowhere = { .slot = 1, .dirty_bitmap = (void *)8 };
	u64 bm[PAGES / 64];

	vm_add_ram(vm, 1, KVM_MEM_LOG_DIRTY_PAGES, AREA, PAGES * PAGE_SIZE);
	OK(get_log(vm, 1, bm));
	write_pages(v, some, ARRAY_SIZE(some));
	CHECK_ERRNO(ioctl(vm->fd, KVM_GET_DIRTY_LOG, &nowhere), EFAULT);
	write_pages(v, one, 1);
	CHECK_ERRNO(ioctl(vm->fd, KVM_GET_DIRTY_LOG, &nowhere), EFAULT);
	write_pages(v, some, 1);
	OK(get_log(vm, 1, bm));
	CHECK_EQ(bm[0], BIT(0) | BIT(1) | BIT(17) | BIT(63));
	CHECK_EQ(bm[3], BIT(200 - 192) | BIT(255 - 192));
	/* And the next write is noticed. */
	write_pages(v, some, 2);
	OK(get_log(vm, 1, bm));
	expect_pages(bm, some, 2);
}

/* Logging begins on memory that the guest has already mapped for writing. */
CASE(enable_later)
{
	static const u32 early[] = { 5, 6 };
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_dirtier, AREA);
	u64 *p = vm_add_ram(vm, 1, 0, AREA, PAGES * PAGE_SIZE);

	write_pages(v, early, 2);
	OK(vm_slot(vm, 1, KVM_MEM_LOG_DIRTY_PAGES, AREA, PAGES * PAGE_SIZE, p));
	check_get_resets(vm, v);
}

CASE(huge_pages)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_dirtier, AREA);
	u8 *p = mmap(NULL, 4 * MiB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	static const u32 early[] = { 5, 6 };

	CHECK(p != MAP_FAILED);
	p += -(u64)p & (2 * MiB - 1);
	madvise(p, 2 * MiB, MADV_HUGEPAGE);
	memset(p, 0, 2 * MiB);
	OK(vm_slot(vm, 1, 0, AREA, 2 * MiB, p));
	write_pages(v, early, 2);
	OK(vm_slot(vm, 1, KVM_MEM_LOG_DIRTY_PAGES, AREA, 2 * MiB, p));
	{
		u64 bm[8];
		struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = bm };

		OK(ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log));
		write_pages(v, some, ARRAY_SIZE(some));
		memset(bm, 0xff, sizeof(bm));
		OK(ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log));
		expect_pages(bm, some, ARRAY_SIZE(some));
		CHECK_EQ(bm[4] | bm[5] | bm[6] | bm[7], 0);
	}
	/* Without the log the guest goes on, and the ioctl has nothing to say. */
	OK(vm_slot(vm, 1, 0, AREA, 2 * MiB, p));
	write_pages(v, some, ARRAY_SIZE(some));
}

/* Leaves of 2M that are mapped; how many there were is told by the statistics. */
static u64 huge_leaves(struct vm *vm)
{
	u64 value = 0;

	CHECK(vm_stat(vm, "pages_2m", &value));
	return value;
}

/* Logging splits what the guest writes, and afterwards it becomes whole again. */
CASE(huge_pages_come_back)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_dirtier, AREA);
	u8 *p = mmap(NULL, 4 * MiB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	static u64 bm[8];
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = bm };
	u64 before;

	CHECK(p != MAP_FAILED);
	p += -(u64)p & (2 * MiB - 1);
	if (madvise(p, 2 * MiB, MADV_HUGEPAGE))
		SKIP("no transparent huge pages");
	memset(p, 0, 2 * MiB);
	OK(vm_slot(vm, 1, 0, AREA, 2 * MiB, p));
	write_pages(v, one, 1);
	before = huge_leaves(vm);
	if (!before)
		SKIP("the host gave no huge page");
	OK(vm_slot(vm, 1, KVM_MEM_LOG_DIRTY_PAGES, AREA, 2 * MiB, p));
	write_pages(v, some, ARRAY_SIZE(some));
	CHECK(huge_leaves(vm) < before);
	OK(ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log));
	expect_pages(bm, some, ARRAY_SIZE(some));
	OK(vm_slot(vm, 1, 0, AREA, 2 * MiB, p));
	write_pages(v, one, 1);
	CHECK_EQ(huge_leaves(vm), before);
	CHECK_EQ(*(u64 *)(p + 17 * PAGE_SIZE), 2);
	CHECK_EQ(*(u64 *)(p + 255 * PAGE_SIZE), 1);
}

CASE(errors)
{
	struct vm *vm = vm_create(0);
	u64 bm[PAGES / 64];

	vm_add_ram(vm, 1, KVM_MEM_LOG_DIRTY_PAGES, AREA, PAGES * PAGE_SIZE);
	CHECK_ERRNO(get_log(vm, 0, bm), ENOENT);
	CHECK_ERRNO(get_log(vm, 5, bm), ENOENT);
	CHECK_ERRNO(get_log(vm, 0x7fff, bm), EINVAL);
	CHECK_ERRNO(get_log(vm, 1 | 9u << 16, bm), EINVAL);
	{
		struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = (void *)8 };

		CHECK_ERRNO(ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log), EFAULT);
	}
}

CASE(manual_clear)
{
	static const u32 left[] = { 64, 200, 255 };
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_dirtier, AREA);
	u64 bm[PAGES / 64];

	set_manual(vm, 1);
	vm_add_ram(vm, 1, KVM_MEM_LOG_DIRTY_PAGES, AREA, PAGES * PAGE_SIZE);
	write_pages(v, some, ARRAY_SIZE(some));
	OK(get_log(vm, 1, bm));
	expect_pages(bm, some, ARRAY_SIZE(some));
	/* Getting no longer resets. */
	OK(get_log(vm, 1, bm));
	expect_pages(bm, some, ARRAY_SIZE(some));
	OK(clear_log(vm, 1, 0, 64, bm));
	OK(get_log(vm, 1, bm));
	expect_pages(bm, left, ARRAY_SIZE(left));
	/* Only set bits are cleared. */
	memset(bm, 0, sizeof(bm));
	OK(clear_log(vm, 1, 64, 192, bm));
	OK(get_log(vm, 1, bm));
	expect_pages(bm, left, ARRAY_SIZE(left));
	OK(clear_log(vm, 1, 64, 192, bm + 1));
	OK(get_log(vm, 1, bm));
	expect_pages(bm, NULL, 0);
	write_pages(v, some, ARRAY_SIZE(some));
	OK(get_log(vm, 1, bm));
	expect_pages(bm, some, ARRAY_SIZE(some));
}

CASE(manual_errors)
{
	struct vm *vm = vm_create(0);
	u64 bm[PAGES / 64] = { 0 };

	set_manual(vm, 1);
	vm_add_ram(vm, 1, KVM_MEM_LOG_DIRTY_PAGES, AREA, PAGES * PAGE_SIZE);
	CHECK_ERRNO(clear_log(vm, 1, 1, 64, bm), EINVAL);
	CHECK_ERRNO(clear_log(vm, 1, 0, 63, bm), EINVAL);
	CHECK_ERRNO(clear_log(vm, 1, PAGES, 64, bm), EINVAL);
	CHECK_ERRNO(clear_log(vm, 1, 64, PAGES, bm), EINVAL);
	CHECK_ERRNO(clear_log(vm, 1, -64ull, 64, bm), EINVAL);
	CHECK_ERRNO(clear_log(vm, 0, 0, 64, bm), ENOENT);
	CHECK_ERRNO(clear_log(vm, 1, 0, 64, (void *)8), EFAULT);
	OK(clear_log(vm, 1, 0, PAGES, bm));
}

/* With the second flag all pages count as dirty from the beginning. */
CASE(initially_set)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_dirtier, AREA);
	u64 bm[PAGES / 64], i;

	if (!(dev_cap(KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2) & KVM_DIRTY_LOG_INITIALLY_SET))
		SKIP("no KVM_DIRTY_LOG_INITIALLY_SET");
	set_manual(vm, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET);
	vm_add_ram(vm, 1, KVM_MEM_LOG_DIRTY_PAGES, AREA, PAGES * PAGE_SIZE);
	write_pages(v, some, ARRAY_SIZE(some));
	OK(get_log(vm, 1, bm));
	for (i = 0; i < PAGES / 64; i++)
		CHECK_EQ(bm[i], ~0ull);
	OK(clear_log(vm, 1, 0, PAGES, bm));
	write_pages(v, some, ARRAY_SIZE(some));
	OK(get_log(vm, 1, bm));
	expect_pages(bm, some, ARRAY_SIZE(some));
}

/* No write may be lost between the guest's store, the log and the host's copy. */
static volatile u64 quit, written;

static void guest_loop(u64 base)
{
	u64 n = 0;

	while (!quit) {
		*(volatile u64 *)(base + (n % PAGES) * PAGE_SIZE) = n;
		written = ++n;
	}
	GUEST_DONE();
}

static void lose_no_write(bool manual)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_loop, AREA);
	static u64 copy[PAGES];
	u64 bm[PAGES / 64], i, before;
	int round;
	u8 *p;

	if (manual)
		set_manual(vm, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE);
	p = vm_add_ram(vm, 1, KVM_MEM_LOG_DIRTY_PAGES, AREA, PAGES * PAGE_SIZE);
	vcpu_spawn(v);
	for (round = 0; round < 100; round++) {
		if (round == 99) {
			G(vm, quit) = 1;
			vcpu_join(v);
		} else if (round % 10 == 0) {
			/* On one processor it writes only while this thread sleeps. */
			before = G(vm, written);
			CHECK(eventually(G(vm, written) != before));
		}
		OK(get_log(vm, 1, bm));
		/* In two parts, as a client would that copies pages between them. */
		if (manual) {
			OK(clear_log(vm, 1, 0, 128, bm));
			OK(clear_log(vm, 1, 128, PAGES - 128, bm + 2));
		}
		for (i = 0; i < PAGES; i++)
			if (bm[i / 64] & BIT(i % 64))
				copy[i] = *(volatile u64 *)(p + i * PAGE_SIZE);
	}
	for (i = 0; i < PAGES; i++)
		CHECK_EQ(copy[i], *(u64 *)(p + i * PAGE_SIZE));
}

CASE(no_lost_writes)
{
	lose_no_write(false);
}

CASE(no_lost_writes_manual)
{
	lose_no_write(true);
}
