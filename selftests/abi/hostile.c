// SPDX-License-Identifier: GPL-2.0
/*
 * A user space that means harm: random arguments, random state, a scribbled run page. Nothing of
 * the outcome is specified but that every call returns, that a sane VM beside it goes on, and that
 * the host's kernel has no complaint (which whoever runs these tests has to look for).
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>
#include "hostile.h"

#define SUITE "hostile"

static u64 seed = 20240101;

u64 rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

u64 spiteful(void)
{
	switch (rnd() % 8) {
	case 0:
		return 0;
	case 1:
		return ~0ull;
	case 2:
		return rnd() % 64;
	case 3:
		return BIT(rnd() % 64);
	case 4:
		return -BIT(rnd() % 64);
	case 5:
		return HOLE_BASE + rnd() % RAM_SIZE;
	case 6:
		return rnd() % RAM_SIZE;
	default:
		return rnd();
	}
}

static void on_alarm(int sig)
{
	(void)sig;
}

void run_briefly(struct vcpu *v)
{
	struct itimerval it = { .it_value.tv_usec = 5000, .it_interval.tv_usec = 5000 };
	struct sigaction sa = { .sa_handler = on_alarm };

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
	v->run->immediate_exit = 0;
	vcpu_run(v);
	memset(&it, 0, sizeof(it));
	setitimer(ITIMER_REAL, &it, NULL);
}

static void guest_nop(void)
{
	GUEST_DONE();
}

static void guest_loop(void)
{
	for (;;)
		asm volatile("nop");
}

void check_sane(struct vm *vm)
{
	static u32 id = 1;

	run_done(vcpu_new(vm, id++, guest_nop, 0));
}

static void guest_io(u64 unused)
{
	u8 buf[64];
	u64 di, cx;

	(void)unused;
	for (;;) {
		inl(0x1234);
		di = (u64)buf;
		cx = sizeof(buf);
		asm volatile("rep insb" : "+D"(di), "+c"(cx) : "d"(0x1235) : "memory");
		di = (u64)buf;
		cx = sizeof(buf);
		asm volatile("rep outsb" : "+S"(di), "+c"(cx) : "d"(0x1235) : "memory");
		mmio_read32(HOLE_BASE);
		asm volatile("addl $1, (%0)" : : "r"(HOLE_BASE + 0xffe) : "memory");
	}
}

/* A guest with interrupts off and without PAUSE cannot keep the processor. */
CASE(loop)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_loop, 0);

	run_briefly(v);
	CHECK_EQ(v->run->exit_reason, KVM_EXIT_INTR);
}

/* What the module keeps between an exit and its completion is not to be taken from the page. */
CASE(scribbled_run_page)
{
	struct vm *sane = vm_create(VM_IRQCHIP);
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_io, 0);
	u32 i, j;

	for (i = 0; i < 500; i++) {
		CHECK_EQ(vcpu_run(v), 0);
		CHECK(v->run->exit_reason == KVM_EXIT_IO || v->run->exit_reason == KVM_EXIT_MMIO);
		for (j = 0; j < v->run_size / 8; j++)
			((u64 *)v->run)[j] = spiteful();
		v->run->immediate_exit = 0;
		v->run->request_interrupt_window = 0;
		v->run->kvm_valid_regs = 0;
		v->run->kvm_dirty_regs = 0;
		v->run->cr8 = 0;
	}
	check_sane(sane);
}

/* All of the page at any time, while the vCPU runs. */
static volatile bool stop;

static void *scribbler(void *arg)
{
	struct vcpu *v = arg;
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	while (!stop) {
		((volatile u64 *)v->run)[rnd() % (v->run_size / 8)] = spiteful();
		v->run->immediate_exit = 0;
	}
	return NULL;
}

CASE(run_page_race)
{
	struct vm *sane = vm_create(VM_IRQCHIP);
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_io, 0);
	long long end = host_now_ms() + 1000;
	pthread_t t;

	CHECK_EQ(pthread_create(&t, NULL, scribbler, v), 0);
	while (host_now_ms() < end)
		run_briefly(v);
	stop = true;
	pthread_join(t, NULL);
	check_sane(sane);
}

static const unsigned long on_vm[] = {
	KVM_SET_USER_MEMORY_REGION,
	KVM_GET_DIRTY_LOG,
	KVM_CLEAR_DIRTY_LOG,
	KVM_CREATE_IRQCHIP,
	KVM_GET_IRQCHIP,
	KVM_SET_IRQCHIP,
	KVM_CREATE_PIT2,
	KVM_GET_PIT2,
	KVM_SET_PIT2,
	KVM_IRQ_LINE,
	KVM_IRQ_LINE_STATUS,
	KVM_SIGNAL_MSI,
	KVM_SET_GSI_ROUTING,
	KVM_IRQFD,
	KVM_IOEVENTFD,
	KVM_SET_TSS_ADDR,
	KVM_SET_IDENTITY_MAP_ADDR,
	KVM_GET_CLOCK,
	KVM_SET_CLOCK,
	KVM_ENABLE_CAP,
	KVM_SET_BOOT_CPU_ID,
	KVM_CHECK_EXTENSION,
	KVM_REGISTER_COALESCED_MMIO,
	KVM_UNREGISTER_COALESCED_MMIO,
	KVM_SET_TSC_KHZ,
	KVM_GET_TSC_KHZ,
};

static const unsigned long on_vcpu[] = {
	KVM_GET_REGS,
	KVM_SET_REGS,
	KVM_GET_SREGS,
	KVM_SET_SREGS,
	KVM_GET_FPU,
	KVM_SET_FPU,
	KVM_GET_XSAVE,
	KVM_SET_XSAVE,
	KVM_GET_XCRS,
	KVM_SET_XCRS,
	KVM_GET_MSRS,
	KVM_SET_MSRS,
	KVM_SET_CPUID2,
	KVM_GET_CPUID2,
	KVM_INTERRUPT,
	KVM_NMI,
	KVM_GET_MP_STATE,
	KVM_SET_MP_STATE,
	KVM_GET_LAPIC,
	KVM_SET_LAPIC,
	KVM_GET_VCPU_EVENTS,
	KVM_SET_VCPU_EVENTS,
	KVM_GET_DEBUGREGS,
	KVM_SET_DEBUGREGS,
	KVM_TRANSLATE,
	KVM_SET_GUEST_DEBUG,
	KVM_SET_SIGNAL_MASK,
	KVM_KVMCLOCK_CTRL,
	KVM_ENABLE_CAP,
	KVM_GET_TSC_KHZ,
	KVM_SET_TSC_KHZ,
	KVM_SET_CPUID,
	KVM_SMI,
	KVM_GET_SREGS2,
	KVM_SET_SREGS2,
};

/* An argument of random bytes that ends where unmapped memory begins. */
static u8 *spiteful_argument(u32 size)
{
	static u8 *area;
	u8 *p;
	u32 i;

	if (!area) {
		area = mmap(NULL, 32 * PAGE_SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECK(area != MAP_FAILED);
		OK(mprotect(area + 16 * PAGE_SIZE, 16 * PAGE_SIZE, PROT_NONE));
	}
	p = area + 16 * PAGE_SIZE - (size + 7) / 8 * 8;
	for (i = 0; i < (size + 7) / 8; i++)
		((u64 *)p)[i] = spiteful();
	return p;
}

static void spite(int fd, unsigned long request)
{
	u32 size = _IOC_SIZE(request);
	u8 *arg;

	/* Lists: the number first, and more room than the header. */
	if (request == KVM_SET_MSRS || request == KVM_GET_MSRS || request == KVM_SET_CPUID2 ||
	    request == KVM_SET_GSI_ROUTING || request == KVM_GET_CPUID2) {
		arg = spiteful_argument(size + rnd() % 32 * 40);
		*(u32 *)arg = rnd() % 40;
		if (request == KVM_SET_GSI_ROUTING)
			*((u32 *)arg + 1) = 0;
	} else {
		arg = spiteful_argument(size);
	}
	if (_IOC_DIR(request) == _IOC_NONE)
		ioctl(fd, request, spiteful());
	else
		ioctl(fd, request, arg);
}

static void spite_all(unsigned int flags, u32 rounds)
{
	struct vm *sane = vm_create(VM_IRQCHIP), *vm = vm_create(flags);
	struct vcpu *v = vcpu_new(vm, 0, guest_io, 0);
	u32 i;

	for (i = 0; i < rounds; i++) {
		spite(vm->fd, on_vm[rnd() % ARRAY_SIZE(on_vm)]);
		spite(v->fd, on_vcpu[rnd() % ARRAY_SIZE(on_vcpu)]);
		if (i % 16 == 0)
			run_briefly(v);
	}
	check_sane(sane);
}

CASE(random_arguments, .timeout = 60)
{
	spite_all(0, 2000);
}

CASE(random_arguments_with_irqchip, .timeout = 60)
{
	spite_all(VM_PIT, 2000);
}

/* State that the processor must refuse, or run as what it is, one field at a time. */
CASE(random_state, .timeout = 60)
{
	struct vm *sane = vm_create(VM_IRQCHIP), *vm = vm_create(VM_PIT);
	struct vcpu *v = vcpu_new(vm, 0, guest_io, 0);
	u32 i;

	for (i = 0; i < 300; i++) {
		struct kvm_sregs s;
		struct kvm_regs r;

		if (i % 10 == 0)
			vcpu_call(v, guest_io, 0);
		s = get_sregs(v);
		r = get_regs(v);
		/* Whole words of the state, but not the interrupt bitmap at its end. */
		((u64 *)&s)[rnd() % (offsetof(struct kvm_sregs, interrupt_bitmap) / 8)] =
			spiteful();
		((u64 *)&r)[rnd() % (sizeof(r) / 8)] = spiteful();
		ioctl(v->fd, KVM_SET_SREGS, &s);
		ioctl(v->fd, KVM_SET_REGS, &r);
		run_briefly(v);
	}
	check_sane(sane);
}

/* A guest that is noise. */
CASE(random_code, .timeout = 60)
{
	struct vm *sane = vm_create(VM_IRQCHIP), *vm = vm_create(VM_PIT);
	struct vcpu *v = vcpu_new(vm, 0, (void *)FREE_BASE, 0);
	u32 i, j;

	for (i = 0; i < 300; i++) {
		u64 *code = gpa_hva(vm, FREE_BASE);

		for (j = 0; j < 512; j++)
			code[j] = rnd();
		vcpu_call(v, (void *)(FREE_BASE + rnd() % 4000), 0);
		if (i % 3 == 1)
			vcpu_set_mode(v, VCPU_REAL, FREE_BASE & 0xffff);
		run_briefly(v);
		if (v->run->exit_reason == KVM_EXIT_SHUTDOWN)
			continue;
	}
	check_sane(sane);
}

/*
 * A guest that names any place for what the hypervisor writes to its memory, and calls for anything
 * with anything. It may well destroy itself so.
 */
static u64 guest_seed;

static u64 guest_rnd(void)
{
	guest_seed ^= guest_seed << 13;
	guest_seed ^= guest_seed >> 7;
	guest_seed ^= guest_seed << 17;
	return guest_seed;
}

static u64 guest_spiteful(void)
{
	u64 r = guest_rnd();

	switch (r % 6) {
	case 0:
		return r >> 60;
	case 1:
		return r;
	case 2:
		return HOLE_BASE + (r >> 40);
	default:
		return FREE_BASE + (r >> 8) % (RAM_SIZE - FREE_BASE);
	}
}

static void guest_paravirt(u64 s)
{
	guest_seed = s;
	guest_on(0x60, guest_count_irq);
	apic_enable();
	sti();
	for (;;) {
		/* 0x4b564d00 to 0x4b564d07 and its neighbours; the page of <linux/vmm.h>. */
		wrmsr_try(0x4b564d00 + guest_rnd() % 10, guest_spiteful() | guest_rnd() % 16);
		wrmsr_try(0x564d4d00, guest_spiteful() | 1);
		apic_write(APIC_ICR, ICR_SELF | 0x60);
		hypercall(guest_rnd() % 14, guest_spiteful(), guest_spiteful(), guest_spiteful(),
			  guest_spiteful());
		hypercall(0x564d0000 + guest_rnd() % 8, guest_spiteful(), guest_spiteful(), 0, 0);
	}
}

static void enable_calls(struct vm *vm)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_EXIT_HYPERCALL, .args = { 1 << 12 } };

	OK(ioctl(vm->fd, KVM_ENABLE_CAP, &cap));
	/* VMM_CAP_HYPERCALLS, which in-tree KVM does not have. */
	cap.cap = 0x564d4d01;
	cap.args[0] = 0x7f;
	ioctl(vm->fd, KVM_ENABLE_CAP, &cap);
}

CASE(paravirt, .timeout = 60)
{
	struct vm *sane = vm_create(VM_IRQCHIP), *vm;
	u32 i, j;

	for (i = 0; i < 20; i++) {
		struct vcpu *v;

		vm = vm_create(VM_IRQCHIP);
		enable_calls(vm);
		v = vcpu_new(vm, 0, guest_paravirt, rnd() | 1);
		for (j = 0; j < 20; j++) {
			run_briefly(v);
			set_msr(v, 0x4b564d00 + rnd() % 8, spiteful());
			if (v->run->exit_reason == KVM_EXIT_HYPERCALL)
				v->run->hypercall.ret = spiteful();
		}
		vcpu_free(v);
		vm_free(vm);
	}
	check_sane(sane);
}

/* Everything at once from several threads. */
static struct vm *shared_vm;
static struct vcpu *shared_vcpu;

static void *spiteful_thread(void *arg)
{
	u32 i;

	for (i = 0; i < 400; i++) {
		spite(shared_vm->fd, on_vm[(i * 7 + (u64)arg) % ARRAY_SIZE(on_vm)]);
		ioctl(shared_vcpu->fd, on_vcpu[(i * 5 + (u64)arg) % ARRAY_SIZE(on_vcpu)], 8);
	}
	return NULL;
}

static void *running_thread(void *arg)
{
	(void)arg;
	while (!stop)
		vcpu_run(shared_vcpu);
	return NULL;
}

/* Wait for a thread; meanwhile get the runner out of KVM_RUN, which holds the vCPU's ioctls up. */
static void join_kicking(pthread_t t, pthread_t runner)
{
	while (pthread_tryjoin_np(t, NULL) == EBUSY) {
		pthread_kill(runner, SIGALRM);
		host_sleep_ms(1);
	}
}

CASE(random_threads, .timeout = 60)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	struct vm *sane = vm_create(VM_IRQCHIP);
	pthread_t t[3], runner;
	u64 i;

	sigaction(SIGALRM, &sa, NULL);
	spiteful_argument(8); /* makes the area that all share, like the seed: more noise */
	shared_vm = vm_create(VM_PIT);
	shared_vcpu = vcpu_new(shared_vm, 0, guest_io, 0);
	CHECK_EQ(pthread_create(&runner, NULL, running_thread, NULL), 0);
	for (i = 0; i < ARRAY_SIZE(t); i++)
		CHECK_EQ(pthread_create(&t[i], NULL, spiteful_thread, (void *)i), 0);
	for (i = 0; i < ARRAY_SIZE(t); i++)
		join_kicking(t[i], runner);
	stop = true;
	join_kicking(runner, runner);
	check_sane(sane);
}
