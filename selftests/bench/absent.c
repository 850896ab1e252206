// SPDX-License-Identifier: GPL-2.0
/*
 * Pages that the host has to fetch, and a guest with other work to do: one after the other, or at
 * once by asynchronous page faults (virt/kvm/x86/msr.rst, MSR_KVM_ASYNC_PF_EN). The figure is the
 * guest's time for a page and a share of the work, by the clock of bench.c.
 */
#include <fcntl.h>
#include <linux/kvm_para.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "vm.h"

#define SUITE "absent"

#define VECTOR   0x41
#define AREA     HOLE_BASE
#define PAGES    16
#define FETCH_NS 1000000 /* what the host takes for one */
#define WORK     500000  /* rounds of a loop, of about as long */
#define ANYWHERE (KVM_ASYNC_PF_ENABLED | KVM_ASYNC_PF_SEND_ALWAYS | KVM_ASYNC_PF_DELIVERY_AS_INT)

/* ---- the guest's side ---- */

static struct kvm_vcpu_pv_apf_data apf __attribute__((aligned(64)));
static volatile u64 absent, arrived, worked;

static void work(void)
{
	for (u64 i = 0; i < WORK; i++)
		asm volatile("");
	worked++;
}

static GUEST_HANDLER void on_arrival(struct trap *t)
{
	volatile struct kvm_vcpu_pv_apf_data *shared = &apf;

	(void)t;
	/* ~0: look for all that is waited for, which is nothing when it is switched on. */
	arrived += shared->token != ~0u;
	shared->token = 0;
	wrmsr(MSR_KVM_ASYNC_PF_ACK, 1);
	apic_write(APIC_EOI, 0);
}

/* The page that was wanted is not there: other work, until it is. */
static GUEST_HANDLER void on_absent(struct trap *t)
{
	volatile struct kvm_vcpu_pv_apf_data *shared = &apf;

	(void)t;
	GASSERT_EQ(shared->flags, KVM_PV_REASON_PAGE_NOT_PRESENT);
	shared->flags = 0;
	absent++;
	sti();
	work();
	while (arrived < absent)
		pause_cpu();
	cli();
}

static void guest_reader(u64 flags)
{
	u64 i, start;

	guest_on(VECTOR, on_arrival);
	guest_on(PF_VECTOR, on_absent);
	apic_enable();
	if (flags) {
		wrmsr(MSR_KVM_ASYNC_PF_INT, VECTOR);
		wrmsr(MSR_KVM_ASYNC_PF_EN, (u64)&apf | flags);
	}
	sti();
	start = rdtsc();
	for (i = 0; i < PAGES; i++) {
		GASSERT_EQ(*(volatile u64 *)(AREA + i * PAGE_SIZE), i + 1);
		/* What was not done while the page was away. */
		if (worked == i)
			work();
	}
	start = rdtsc() - start;
	GASSERT_EQ(absent, flags ? PAGES : 0);
	GUEST_SYNC2(1, start, PAGES);
	GUEST_DONE();
}

/* ---- the host's side ---- */

struct pages {
	u8 *mem;
	int uffd;
};

static struct pages pages_new(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct pages p = { .uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK) };

	if (p.uffd < 0)
		SKIP("no userfaultfd");
	p.mem = mmap(NULL, PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		     -1, 0);
	CHECK(p.mem != MAP_FAILED);
	reg.range = (struct uffdio_range){ (u64)p.mem, PAGES * PAGE_SIZE };
	OK(ioctl(p.uffd, UFFDIO_API, &api));
	OK(ioctl(p.uffd, UFFDIO_REGISTER, &reg));
	return p;
}

/* Each page is wanted in turn, and comes when it has been fetched. */
static void *fetch(void *opaque)
{
	const struct timespec time = { .tv_nsec = FETCH_NS };
	static u64 page[PAGE_SIZE / 8];
	struct pages *p = opaque;

	for (u64 i = 0; i < PAGES; i++) {
		struct pollfd wanted = { .fd = p->uffd, .events = POLLIN };
		struct uffdio_copy copy = {
			.dst = (u64)p->mem + i * PAGE_SIZE,
			.src = (u64)page,
			.len = PAGE_SIZE,
		};
		struct uffd_msg msg;

		CHECK_EQ(OK(poll(&wanted, 1, -1)), 1);
		CHECK_EQ(OK(read(p->uffd, &msg, sizeof(msg))), sizeof(msg));
		CHECK_EQ(msg.arg.pagefault.address & -(u64)PAGE_SIZE, copy.dst);
		nanosleep(&time, NULL);
		page[0] = i + 1;
		OK(ioctl(p->uffd, UFFDIO_COPY, &copy));
	}
	return NULL;
}

static void bench_absent(const char *what, u64 flags)
{
	struct pages p = pages_new();
	struct vm *vm = vm_create(VM_IRQCHIP);
	pthread_t fetcher;
	struct vcpu *v;
	u64 a;

	OK(vm_slot(vm, 1, 0, AREA, PAGES * PAGE_SIZE, p.mem));
	for (a = AREA; a < AREA + PAGES * PAGE_SIZE; a += PAGE_SIZE)
		vm_map(vm, a, a, PTE_P | PTE_W);
	CHECK_EQ(pthread_create(&fetcher, NULL, fetch, &p), 0);
	v = vcpu_new(vm, 0, guest_reader, flags);
	run_sync(v, 1);
	printf("bench: %-44s %.0f\n", what, (double)v->uc.args[1] / v->uc.args[2]);
	fflush(stdout);
	run_done(v);
	CHECK_EQ(pthread_join(fetcher, NULL), 0);
}

CASE(waited_for, .timeout = 120)
{
	bench_absent("a page fetched in 1 ms, then as much work", 0);
}

CASE(asynchronous, .timeout = 120)
{
	bench_absent("likewise, asynchronous page faults", ANYWHERE);
}
