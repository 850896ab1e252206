// SPDX-License-Identifier: GPL-2.0
/* Dirty rings: each vCPU reports the pages it writes. api.rst, KVM_CAP_DIRTY_LOG_RING. */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "vm.h"

#define SUITE "dirty_ring"

#define AREA    HOLE_BASE
#define PAGES   4096ull
#define SLOT    3
#define ENTRIES 1024u /* of one ring; fewer would not do where the processor logs 512 at once */
#define BYTES   (ENTRIES * sizeof(struct kvm_dirty_gfn))

struct ring {
	struct vm *vm;
	volatile struct kvm_dirty_gfn *gfns;
	u32 next;
	u8 times[PAGES]; /* each page was reported */
};

static int enable(struct vm *vm, u64 bytes)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_DIRTY_LOG_RING, .args[0] = bytes };

	return ioctl(vm->fd, KVM_ENABLE_CAP, &cap);
}

/* KVM_CREATE_VCPU comes after: the rings are made with the vCPUs. */
static struct vm *ring_vm(void)
{
	struct vm *vm;

	need_cap(KVM_CAP_DIRTY_LOG_RING);
	vm = vm_create(0);
	OK(enable(vm, BYTES));
	vm_add_ram(vm, SLOT, KVM_MEM_LOG_DIRTY_PAGES, AREA, PAGES * PAGE_SIZE);
	return vm;
}

static void *ring_mmap(struct vcpu *v, int prot, int flags)
{
	return mmap(NULL, BYTES, prot, flags, v->fd, KVM_DIRTY_LOG_PAGE_OFFSET * PAGE_SIZE);
}

static struct ring *ring_open(struct vcpu *v)
{
	struct ring *r = calloc(1, sizeof(*r));

	r->vm = v->vm;
	r->gfns = ring_mmap(v, PROT_READ | PROT_WRITE, MAP_SHARED);
	CHECK(r->gfns != MAP_FAILED);
	return r;
}

static int reset(struct vm *vm)
{
	return ioctl(vm->fd, KVM_RESET_DIRTY_RINGS, 0);
}

/* Take what is there. Return: number of pages, each of which is counted in times[]. */
static u32 collect(struct ring *r)
{
	u32 n;

	for (n = 0;; n++) {
		volatile struct kvm_dirty_gfn *g = &r->gfns[r->next % ENTRIES];

		if (__atomic_load_n(&g->flags, __ATOMIC_ACQUIRE) != KVM_DIRTY_GFN_F_DIRTY)
			return n;
		CHECK_EQ(g->slot, SLOT);
		CHECK(g->offset < PAGES);
		r->times[g->offset]++;
		__atomic_store_n(&g->flags, KVM_DIRTY_GFN_F_RESET, __ATOMIC_RELEASE);
		r->next++;
	}
}

/* Writes the pages from first to last, and again when asked to. */
static volatile u64 first, last;

static void guest_writer(u64 base)
{
	u64 i;

	for (;;) {
		for (i = first; i <= last; i++)
			*(volatile u64 *)(base + i * PAGE_SIZE) += 1;
		GUEST_SYNC(0);
	}
}

static void set_pages(struct vm *vm, u64 from, u64 to)
{
	G(vm, first) = from;
	G(vm, last) = to;
}

CASE(enable_errors)
{
	struct vm *vm = vm_create(0);
	int max = dev_cap(KVM_CAP_DIRTY_LOG_RING);

	need_cap(KVM_CAP_DIRTY_LOG_RING);
	/* The same ring by another name, for user space that orders its accesses itself. */
	CHECK_EQ(dev_cap(KVM_CAP_DIRTY_LOG_RING_ACQ_REL), max);
	CHECK(!(max & (max - 1)));
	CHECK_ERRNO(reset(vm), EINVAL);
	CHECK_ERRNO(enable(vm, 0), EINVAL);
	CHECK_ERRNO(enable(vm, 2048), EINVAL);
	CHECK_ERRNO(enable(vm, 3 * PAGE_SIZE), EINVAL);
	CHECK_ERRNO(enable(vm, 2ull * max), E2BIG);
	OK(enable(vm, max));
	CHECK_ERRNO(enable(vm, max), EINVAL);

	vm = vm_create(0);
	vcpu_add(vm, 0);
	CHECK_ERRNO(enable(vm, max), EINVAL);
}

/* The bitmap is not to be had then. */
CASE(no_bitmap)
{
	static u64 bitmap[PAGES / 64];
	struct kvm_dirty_log log = { .slot = SLOT, .dirty_bitmap = bitmap };
	struct kvm_clear_dirty_log clear = {
		.slot = SLOT,
		.num_pages = PAGES,
		.dirty_bitmap = bitmap,
	};
	struct vm *vm = ring_vm();

	CHECK_ERRNO(ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log), ENXIO);
	CHECK_ERRNO(ioctl(vm->fd, KVM_CLEAR_DIRTY_LOG, &clear), ENXIO);
}

CASE(mmap)
{
	struct vm *vm = ring_vm();
	struct vcpu *v = vcpu_add(vm, 0);
	volatile struct kvm_dirty_gfn *gfns;
	u32 i;

	CHECK(ring_mmap(v, PROT_READ | PROT_WRITE, MAP_PRIVATE) == MAP_FAILED);
	CHECK_EQ(errno, EINVAL);
	CHECK(ring_mmap(v, PROT_READ | PROT_EXEC, MAP_SHARED) == MAP_FAILED);
	CHECK_EQ(errno, EINVAL);
	gfns = ring_mmap(v, PROT_READ, MAP_SHARED);
	CHECK(gfns != MAP_FAILED);
	for (i = 0; i < ENTRIES; i++)
		CHECK_EQ(gfns[i].flags, 0);
}

CASE(collect)
{
	struct vm *vm = ring_vm();
	struct vcpu *v = vcpu_new(vm, 0, guest_writer, AREA);
	struct ring *r = ring_open(v);
	u64 i;

	set_pages(vm, 10, 99);
	run_sync(v, 0);
	run_sync(v, 0); /* not reset: no news */
	CHECK_EQ(collect(r), 90);
	for (i = 0; i < PAGES; i++)
		CHECK_EQ(r->times[i], i >= 10 && i <= 99);
	run_sync(v, 0);
	CHECK_EQ(collect(r), 0);
	CHECK_EQ(reset(vm), 90);
	CHECK_EQ(reset(vm), 0);
	set_pages(vm, 50, 60);
	run_sync(v, 0);
	CHECK_EQ(collect(r), 11);
	CHECK_EQ(r->times[50] + r->times[60] + r->times[49], 5);
	CHECK_EQ(reset(vm), 11);
}

/* A log that was all set before the VM had rings begins empty, as one that begins later does. */
CASE(over_a_full_log)
{
	struct kvm_enable_cap manual = {
		.cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
		.args[0] = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET,
	};
	struct vm *vm;
	struct vcpu *v;
	struct ring *r;

	need_cap(KVM_CAP_DIRTY_LOG_RING);
	vm = vm_create(0);
	OK(ioctl(vm->fd, KVM_ENABLE_CAP, &manual));
	vm_add_ram(vm, SLOT, KVM_MEM_LOG_DIRTY_PAGES, AREA, PAGES * PAGE_SIZE);
	OK(enable(vm, BYTES));
	v = vcpu_new(vm, 0, guest_writer, AREA);
	r = ring_open(v);
	set_pages(vm, 10, 99);
	run_sync(v, 0);
	CHECK_EQ(collect(r), 90);
	CHECK_EQ(reset(vm), 90);
	set_pages(vm, 99, 100);
	run_sync(v, 0);
	CHECK_EQ(collect(r), 2);
}

/* Only slots that are logged, and only while they are. */
CASE(log_on_and_off)
{
	struct vm *vm = ring_vm();
	struct vcpu *v = vcpu_new(vm, 0, guest_writer, AREA + PAGES * PAGE_SIZE);
	struct ring *r = ring_open(v);
	u64 *p = vm_add_ram(vm, SLOT + 1, 0, AREA + PAGES * PAGE_SIZE, PAGES * PAGE_SIZE);

	set_pages(vm, 0, 9);
	run_sync(v, 0);
	CHECK_EQ(r->gfns[0].flags, 0);
	OK(vm_slot(vm, SLOT + 1, KVM_MEM_LOG_DIRTY_PAGES, AREA + PAGES * PAGE_SIZE,
		   PAGES * PAGE_SIZE, p));
	run_sync(v, 0);
	CHECK_EQ(r->gfns[9].flags, KVM_DIRTY_GFN_F_DIRTY);
	CHECK_EQ(r->gfns[9].slot, SLOT + 1);
	CHECK_EQ(r->gfns[9].offset, 9);
	CHECK_EQ(r->gfns[10].flags, 0);
	OK(vm_slot(vm, SLOT + 1, 0, AREA + PAGES * PAGE_SIZE, PAGES * PAGE_SIZE, p));
	set_pages(vm, 20, 29);
	run_sync(v, 0);
	CHECK_EQ(r->gfns[10].flags, 0);
	/* What is left in the ring can still be given back. */
	r->gfns[0].flags |= KVM_DIRTY_GFN_F_RESET;
	CHECK_EQ(reset(vm), 1);
}

/* The guest stays out while the ring is nearly full. */
CASE(full)
{
	struct vm *vm = ring_vm();
	struct vcpu *v = vcpu_new(vm, 0, guest_writer, AREA);
	struct ring *r = ring_open(v);
	u32 exits = 0, n;
	u64 i;

	set_pages(vm, 0, PAGES - 1);
	for (;;) {
		OK(vcpu_run(v));
		if (v->run->exit_reason != KVM_EXIT_DIRTY_RING_FULL)
			break;
		exits++;
		vcpu_run_exit(v, KVM_EXIT_DIRTY_RING_FULL);
		n = collect(r);
		CHECK(n > 0 && n < ENTRIES);
		/* Collected is not enough. */
		vcpu_run_exit(v, KVM_EXIT_DIRTY_RING_FULL);
		CHECK_EQ(reset(vm), n);
	}
	CHECK(vcpu_take_ucall(v));
	CHECK_EQ(v->uc.kind, UCALL_SYNC);
	collect(r);
	n = 0;
	CHECK(exits >= PAGES / ENTRIES);
	/* The write that filled the ring comes after the reset, and is reported once more. */
	for (i = 0; i < PAGES; i++)
		n += r->times[i];
	for (i = 0; i < PAGES; i++)
		CHECK(r->times[i] == 1 || r->times[i] == 2);
	CHECK(n - PAGES <= exits);
}

/* Two vCPUs write while user space collects: what it copied last is what is there. */
#define CPUS 2
static volatile u64 stop;

static void guest_racer(u64 base)
{
	u64 me = this_cpu()->id, n;

	for (n = 0; !stop; n++)
		*(volatile u64 *)(base + ((n * 7 + me * 11) % PAGES) * PAGE_SIZE + me * 8) = n;
	GUEST_DONE();
}

static void *serve_full(void *arg)
{
	struct vcpu *v = arg;

	for (;;) {
		while (vcpu_run(v))
			CHECK(errno == EINTR);
		if (vcpu_take_ucall(v))
			return NULL;
		CHECK_EQ(v->run->exit_reason, KVM_EXIT_DIRTY_RING_FULL);
		sched_yield();
	}
}

static void copy_reported(struct ring *r, const u8 *ram, u8 *copy)
{
	u64 i;

	for (i = 0; i < PAGES; i++) {
		if (!r->times[i])
			continue;
		memcpy(copy + i * 16, ram + i * PAGE_SIZE, 16);
		r->times[i] = 0;
	}
}

CASE(no_lost_writes, .timeout = 120)
{
	static u8 copy[PAGES * 16];
	struct vm *vm;
	struct vcpu *v[CPUS];
	struct ring *r[CPUS];
	pthread_t t[CPUS];
	u8 *ram;
	int round, i;
	u64 p;

	need_cap(KVM_CAP_DIRTY_LOG_RING);
	vm = vm_create(0);
	OK(enable(vm, BYTES));
	ram = vm_add_ram(vm, SLOT, KVM_MEM_LOG_DIRTY_PAGES, AREA, PAGES * PAGE_SIZE);
	for (i = 0; i < CPUS; i++) {
		v[i] = vcpu_new(vm, i, guest_racer, AREA);
		r[i] = ring_open(v[i]);
	}
	for (i = 0; i < CPUS; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, serve_full, v[i]), 0);
	for (round = 0; round <= 100; round++) {
		/* On one processor they write while this thread sleeps. */
		host_sleep_ms(1);
		if (round == 100) {
			G(vm, stop) = 1;
			for (i = 0; i < CPUS; i++)
				while (pthread_tryjoin_np(t[i], NULL)) {
					collect(r[0]);
					collect(r[1]);
					OK(reset(vm));
				}
		}
		for (i = 0; i < CPUS; i++)
			collect(r[i]);
		/* A write after this is reported again, so the copy may be taken. */
		OK(reset(vm));
		for (i = 0; i < CPUS; i++)
			copy_reported(r[i], ram, copy);
	}
	for (p = 0; p < PAGES; p++)
		CHECK(!memcmp(copy + p * 16, ram + p * PAGE_SIZE, 16));
}

static bool quit;

static void *serve_any(void *arg)
{
	struct vcpu *v = arg;

	while (!__atomic_load_n(&quit, __ATOMIC_RELAXED)) {
		if (vcpu_run(v))
			CHECK(errno == EINTR);
		else
			vcpu_take_ucall(v);
	}
	return NULL;
}

/* User space may scribble over the ring while vCPUs run: its own VM is all that suffers. */
CASE(hostile)
{
	struct vm *vm = ring_vm();
	struct vcpu *v = vcpu_new(vm, 0, guest_racer, AREA);
	struct ring *r = ring_open(v);
	pthread_t t;
	u32 round, i, x = 1;

	CHECK_EQ(pthread_create(&t, NULL, serve_any, v), 0);
	for (round = 0; round < 300; round++) {
		for (i = 0; i < ENTRIES; i++) {
			x = x * 1103515245 + 12345;
			r->gfns[i].slot = x >> 8 & 1 ? SLOT : x;
			r->gfns[i].offset = x >> 9 & 1 ? x % PAGES : (u64)x << (x % 33);
			r->gfns[i].flags = x >> 10 & 3;
		}
		CHECK(reset(vm) >= 0);
	}
	/* No more is promised than that the guest comes out. */
	__atomic_store_n(&quit, true, __ATOMIC_RELAXED);
	G(vm, stop) = 1;
	CHECK_EQ(pthread_join(t, NULL), 0);
}
