// SPDX-License-Identifier: GPL-2.0
/*
 * Asynchronous page faults: virt/kvm/x86/msr.rst, MSR_KVM_ASYNC_PF_EN. The host's pages come by
 * userfaultfd, that is when a test wants them to.
 */
#include <fcntl.h>
#include <linux/kvm_para.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "vm.h"

#define SUITE "apf"

#define VEC   0x60
#define AREA  HOLE_BASE
#define TASKS 2
#define SIZE  (TASKS * PAGE_SIZE)
#define EN    (KVM_ASYNC_PF_ENABLED | KVM_ASYNC_PF_DELIVERY_AS_INT)

/* ---- the guest: two tasks that read a page each ---- */

static struct kvm_vcpu_pv_apf_data apf __attribute__((aligned(64)));
static volatile u64 absent, ready, look, progress, finished;
static volatile u64 tokens[TASKS], came[TASKS], got[TASKS];

static volatile struct kvm_vcpu_pv_apf_data *shared(void)
{
	return &apf;
}

static GUEST_HANDLER void on_ready(struct trap *t)
{
	(void)t;
	GASSERT(shared()->token);
	/* Look for all that is waited for: in-tree KVM says so whenever it is switched on. */
	if (shared()->token == ~0u)
		look++;
	else
		came[ready++] = shared()->token;
	shared()->token = 0;
	wrmsr(MSR_KVM_ASYNC_PF_ACK, 1);
	apic_write(APIC_EOI, 0);
}

/* The first task that has no page makes room for the second; that one waits for both. */
static GUEST_HANDLER void on_absent(struct trap *t)
{
	u64 token = read_cr2();

	GASSERT_EQ(shared()->flags, KVM_PV_REASON_PAGE_NOT_PRESENT);
	GASSERT_EQ(t->error, 0);
	GASSERT(token && token == (u32)token);
	shared()->flags = 0;
	tokens[absent++] = token;
	if (absent < TASKS) {
		t->rdi += PAGE_SIZE;
		t->rsi += sizeof(got[0]);
		return;
	}
	sti();
	while (ready < TASKS)
		progress++;
	cli();
}

/* A task ends by an instruction that it may not use. */
static GUEST_HANDLER void on_end(struct trap *t)
{
	GASSERT_EQ(t->cs, SEL_UCODE64);
	if (++finished == TASKS)
		GUEST_DONE();
	t->rdi -= PAGE_SIZE;
	t->rsi -= sizeof(got[0]);
	t->rip -= 6;
}

__attribute__((naked)) static void user_task(void)
{
	asm volatile("mov (%rdi), %rax\n mov %rax, (%rsi)\n hlt");
}

static void setup(u64 flags)
{
	guest_on(VEC, on_ready);
	guest_on(PF_VECTOR, on_absent);
	guest_on(GP_VECTOR, on_end);
	apic_enable();
	wrmsr(MSR_KVM_ASYNC_PF_INT, VEC);
	wrmsr(MSR_KVM_ASYNC_PF_EN, (u64)&apf | flags);
}

static void guest_tasks(void)
{
	setup(EN);
	asm volatile("mov %%rsp, %%rax\n push %0\n push %%rax\n push $0x202\n push %1\n push %2\n"
		     "iretq"
		     :
		     : "r"((u64)SEL_UDATA), "r"((u64)SEL_UCODE64), "r"(user_task), "D"(AREA),
		       "S"(got)
		     : "rax", "memory");
}

/* ---- the host ---- */

struct world {
	struct vm *vm;
	struct vcpu *v;
	u8 *mem;
	int uffd;
};

static struct world world_new(void *guest, u64 arg)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct world w = { .vm = vm_create(VM_IRQCHIP) };
	u64 a;

	CHECK_EQ(dev_cap(KVM_CAP_ASYNC_PF), 1);
	CHECK_EQ(dev_cap(KVM_CAP_ASYNC_PF_INT), 1);
	w.uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (w.uffd < 0)
		SKIP("no userfaultfd");
	w.mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	reg.range = (struct uffdio_range){ (u64)w.mem, SIZE };
	OK(ioctl(w.uffd, UFFDIO_API, &api));
	OK(ioctl(w.uffd, UFFDIO_REGISTER, &reg));
	OK(vm_slot(w.vm, 1, 0, AREA, SIZE, w.mem));
	for (a = 0x200000; a < FREE_BASE; a += PAGE_SIZE)
		*vm_pte(w.vm, a) |= PTE_U;
	for (a = 0; a < TASKS; a++)
		vm_map(w.vm, AREA + a * PAGE_SIZE, AREA + a * PAGE_SIZE, PTE_P | PTE_W | PTE_U);
	w.v = vcpu_new(w.vm, 0, guest, arg);
	return w;
}

static void serve(struct world *w, u64 nr)
{
	static u64 page[512];
	struct uffdio_copy copy = {
		.dst = (u64)w->mem + nr * PAGE_SIZE,
		.src = (u64)page,
		.len = PAGE_SIZE,
	};

	page[0] = 1000 + nr;
	OK(ioctl(w->uffd, UFFDIO_COPY, &copy));
}

static bool grows_to(volatile u64 *count, u64 n)
{
	return eventually(*count >= n);
}

static u64 stat(struct vcpu *v, const char *name)
{
	u64 val = 0;

	if (!vcpu_stat(v, name, &val) && !test_is_oracle())
		FAIL("no statistic %s", name);
	return val;
}

/* Two pages are away at once; the guest goes on, and hears of each when it is there. */
CASE(user)
{
	struct world w = world_new(guest_tasks, 0);
	volatile u64 *tok = G(w.vm, tokens), *end = G(w.vm, came);
	u64 before;

	vcpu_spawn(w.v);
	CHECK(grows_to(&G(w.vm, absent), 2));
	CHECK(tok[0] != tok[1]);
	before = G(w.vm, progress);
	CHECK(grows_to(&G(w.vm, progress), before + 1000));
	serve(&w, 1);
	CHECK(grows_to(&G(w.vm, ready), 1));
	before = G(w.vm, progress);
	CHECK(grows_to(&G(w.vm, progress), before + 1000));
	CHECK_EQ(G(w.vm, ready), 1);
	serve(&w, 0);
	vcpu_join(w.v);
	CHECK_EQ(end[0], tok[1]);
	CHECK_EQ(end[1], tok[0]);
	CHECK_EQ(G(w.vm, got)[0], 1000);
	CHECK_EQ(G(w.vm, got)[1], 1001);
	if (!test_is_oracle()) {
		CHECK_EQ(stat(w.v, "apf_not_present"), 2);
		CHECK_EQ(stat(w.v, "apf_ready"), 2);
	}
}

/* The kernel of a guest waits, as it cannot do without. */
static void guest_kernel(u64 flags)
{
	setup(flags);
	sti();
	progress = 1;
	GASSERT_EQ(*(volatile u64 *)AREA, 1000);
	GASSERT_EQ(absent, 0);
	GUEST_DONE();
}

static void check_waits(u64 flags)
{
	struct world w = world_new(guest_kernel, flags);

	vcpu_spawn(w.v);
	CHECK(grows_to(&G(w.vm, progress), 1));
	CHECK(eventually(host_waits(w.v->tid)));
	serve(&w, 0);
	vcpu_join(w.v);
}

CASE(kernel_waits)
{
	check_waits(EN);
	/* And everybody where it is off, or nobody could be told of the end. */
	check_waits(0);
	check_waits(KVM_ASYNC_PF_ENABLED | KVM_ASYNC_PF_SEND_ALWAYS);
}

/* ... unless it says that it can; but not where it takes no interrupts. */
static GUEST_HANDLER void on_absent_kernel(struct trap *t)
{
	GASSERT_EQ(shared()->flags, KVM_PV_REASON_PAGE_NOT_PRESENT);
	GASSERT_EQ(t->cs, SEL_CODE64);
	shared()->flags = 0;
	absent++;
	/* It sleeps meanwhile. */
	while (!ready) {
		sti_hlt();
		cli();
	}
}

static void guest_kernel_always(void)
{
	setup(EN | KVM_ASYNC_PF_SEND_ALWAYS);
	guest_on(PF_VECTOR, on_absent_kernel);
	cli();
	progress = 1;
	GASSERT_EQ(*(volatile u64 *)AREA, 1000);
	GASSERT_EQ(absent, 0);
	sti_nop();
	GASSERT_EQ(*(volatile u64 *)(AREA + PAGE_SIZE), 1001);
	GASSERT_EQ(absent, 1);
	GUEST_DONE();
}

CASE(kernel_always)
{
	struct world w = world_new(guest_kernel_always, 0);

	vcpu_spawn(w.v);
	CHECK(grows_to(&G(w.vm, progress), 1));
	CHECK(eventually(host_waits(w.v->tid)));
	serve(&w, 0);
	CHECK(grows_to(&G(w.vm, absent), 1));
	CHECK(eventually(host_waits(w.v->tid)));
	serve(&w, 1);
	vcpu_join(w.v);
}

/* ---- lifetimes ---- */

static void *run_thread(void *arg)
{
	vcpu_run(arg);
	return NULL;
}

static struct world in_flight(pthread_t *t)
{
	struct world w = world_new(guest_tasks, 0);

	CHECK_EQ(pthread_create(t, NULL, run_thread, w.v), 0);
	CHECK(grows_to(&G(w.vm, absent), 2));
	return w;
}

static void on_signal(int sig)
{
	(void)sig;
}

static void stop(struct world *w, pthread_t t)
{
	struct sigaction sa = { .sa_handler = on_signal };

	OK(sigaction(SIGUSR1, &sa, NULL));
	/* One that comes where KVM_RUN is about to be called again ends nothing. */
	while (pthread_tryjoin_np(t, NULL) == EBUSY) {
		CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
		host_sleep_ms(1);
	}
	CHECK_EQ(w->v->run->exit_reason, KVM_EXIT_INTR);
}

static void no_oracle(void)
{
	if (test_is_oracle())
		SKIP("in-tree KVM waits for the pages, in a state that no signal ends");
}

/* The VM ends while the host still waits for its pages; then these come, or never do. */
CASE(closed_in_flight)
{
	struct world w[2];
	pthread_t t;
	int i;

	no_oracle();
	for (i = 0; i < 2; i++) {
		w[i] = in_flight(&t);
		stop(&w[i], t);
		vcpu_free(w[i].v);
		vm_free(w[i].vm);
	}
	serve(&w[0], 0);
	serve(&w[0], 1);
	OK(munmap(w[0].mem, SIZE));
	OK(close(w[1].uffd));
}

/* The process dies, files and memory and all. */
CASE(killed_in_flight)
{
	pthread_t t;

	in_flight(&t);
}

/* The slot goes: what the guest waited for is no memory any more, and it hears of the end. */
CASE(slot_removed)
{
	pthread_t t;
	struct world w = in_flight(&t);

	OK(vm_slot(w.vm, 1, 0, AREA, 0, w.mem));
	OK(munmap(w.mem, SIZE));
	OK(close(w.uffd));
	CHECK_EQ(pthread_join(t, NULL), 0);
	CHECK_EQ(w.v->run->exit_reason, KVM_EXIT_MMIO);
	CHECK_EQ(G(w.vm, ready), 2);
}

/* Switched off, the guest hears of nothing that it waited for. */
static void guest_off(void)
{
	wrmsr(MSR_KVM_ASYNC_PF_EN, 0);
	GUEST_SYNC(1);
	GASSERT_EQ(ready, 0);
	sti_nop();
	GASSERT_EQ(shared()->token, 0);
	wrmsr(MSR_KVM_ASYNC_PF_EN, (u64)&apf | EN);
	sti_nop();
	GASSERT_EQ(ready, 0);
	GASSERT_EQ(shared()->token, 0);
	GUEST_DONE();
}

CASE(switched_off)
{
	struct world w;
	pthread_t t;

	no_oracle();
	w = in_flight(&t);
	stop(&w, t);
	vcpu_call(w.v, guest_off, 0);
	run_sync(w.v, 1);
	serve(&w, 0);
	serve(&w, 1);
	host_sleep_ms(50);
	run_done(w.v);
}

/* ---- state ---- */

static void guest_restored(void)
{
	guest_on(VEC, on_ready);
	apic_enable();
	sti();
	SPIN_UNTIL(look);
	GUEST_DONE();
}

/* What it waited for on the host that it comes from is not known here: it shall look for all. */
CASE(restored)
{
	struct world w = world_new(guest_restored, 0);
	struct kvm_lapic_state lapic;

	CHECK_EQ(set_msr(w.v, MSR_KVM_ASYNC_PF_EN, (u64)&apf | EN), 1);
	CHECK_EQ(set_msr(w.v, MSR_KVM_ASYNC_PF_INT, VEC), 1);
	OK(ioctl(w.v->fd, KVM_GET_LAPIC, &lapic));
	*(u32 *)&lapic.regs[APIC_SPIV] = 0x1ff;
	OK(ioctl(w.v->fd, KVM_SET_LAPIC, &lapic));
	run_done(w.v);
}

static void guest_msr_faults(void)
{
	wrmsr_try(MSR_KVM_ASYNC_PF_EN, (u64)&apf | EN | 0x10);
	GASSERT_TRAP(GP_VECTOR, 0);
	wrmsr_try(MSR_KVM_ASYNC_PF_EN, (u64)&apf | EN | 0x20);
	GASSERT_TRAP(GP_VECTOR, 0);
	wrmsr_try(MSR_KVM_ASYNC_PF_INT, 0x100);
	GASSERT_TRAP(GP_VECTOR, 0);
	wrmsr(MSR_KVM_ASYNC_PF_INT, VEC);
	GASSERT_EQ(rdmsr(MSR_KVM_ASYNC_PF_INT), VEC);
	GASSERT_EQ(rdmsr(MSR_KVM_ASYNC_PF_ACK), 0);
	GASSERT_EQ(rdmsr(MSR_KVM_ASYNC_PF_EN), 0);
	GUEST_DONE();
}

CASE(msr_faults)
{
	struct vcpu *v = vcpu_add(vm_create(0), 0);

	run_done(vcpu_new(vm_create(VM_IRQCHIP), 0, guest_msr_faults, 0));
	/* No local APIC, no interrupt. */
	CHECK_EQ(set_msr(v, MSR_KVM_ASYNC_PF_EN, FREE_BASE | EN), 0);
	CHECK_EQ(set_msr(v, MSR_KVM_ASYNC_PF_EN, 0), 1);
}
