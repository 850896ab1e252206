// SPDX-License-Identifier: GPL-2.0
/* KVM_RUN, registers, and what can be injected into a vCPU. api.rst, 4.10 to 4.16. */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include "vm.h"

#define SUITE "vcpu"

static void guest_regs(void)
{
	asm volatile("mov $0x1111, %%eax\n mov $0x2222, %%ebx\n mov $0x3333, %%ecx\n"
		     "mov $0x4444, %%edx\n mov $0x5555, %%esi\n mov $0x6666, %%edi\n"
		     "mov $0x8888, %%r8\n mov $0xffffffff99999999, %%r9\n"
		     "mov $0xaaaa, %%r10\n mov $0xbbbb, %%r11\n mov $0xcccc, %%r12\n"
		     "mov $0xdddd, %%r13\n mov $0xeeee, %%r14\n mov $0xffff, %%r15\n"
		     "stc\n hlt\n"
		     "cmp $0x7777, %%rbx\n jne 1f\n cmp $0x1234, %%r15\n jne 1f\n"
		     "hlt\n 1: ud2\n"
		     :
		     :
		     : "memory");
}

CASE(regs)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_regs, 0);
	struct kvm_regs r;

	vcpu_run_exit(v, KVM_EXIT_HLT);
	r = get_regs(v);
	CHECK_EQ(r.rax, 0x1111);
	CHECK_EQ(r.rbx, 0x2222);
	CHECK_EQ(r.rcx, 0x3333);
	CHECK_EQ(r.rdx, 0x4444);
	CHECK_EQ(r.rsi, 0x5555);
	CHECK_EQ(r.rdi, 0x6666);
	CHECK_EQ(r.r8, 0x8888);
	CHECK_EQ(r.r9, 0xffffffff99999999);
	CHECK_EQ(r.r10, 0xaaaa);
	CHECK_EQ(r.r11, 0xbbbb);
	CHECK_EQ(r.r12, 0xcccc);
	CHECK_EQ(r.r13, 0xdddd);
	CHECK_EQ(r.r14, 0xeeee);
	CHECK_EQ(r.r15, 0xffff);
	CHECK_EQ(r.rflags & (RFLAGS_CF | RFLAGS_FIXED), RFLAGS_CF | RFLAGS_FIXED);
	r.rbx = 0x7777;
	r.r15 = 0x1234;
	set_regs(v, &r);
	vcpu_run_exit(v, KVM_EXIT_HLT);
}

CASE(regs_round_trip)
{
	struct vcpu *v = vcpu_add(vm_create(0), 0);
	struct kvm_regs r, got;
	size_t i;

	for (i = 0; i < sizeof(r) / 8; i++)
		((u64 *)&r)[i] = 0x1000 * (i + 1) + 7;
	r.rflags = RFLAGS_FIXED | RFLAGS_CF | RFLAGS_DF;
	set_regs(v, &r);
	got = get_regs(v);
	CHECK(!memcmp(&r, &got, sizeof(r)));
	/* Bit 1 of RFLAGS reads as one whatever was written. */
	r.rflags = 0;
	set_regs(v, &r);
	CHECK_EQ(get_regs(v).rflags, RFLAGS_FIXED);
}

/* SDM vol. 3A, table 9-1; APM vol. 2, 14.1.3. */
CASE(reset_state)
{
	struct vcpu *v = vcpu_add(vm_create(0), 0);
	struct kvm_sregs s = get_sregs(v);
	struct kvm_regs r = get_regs(v);

	CHECK_EQ(r.rip, 0xfff0);
	CHECK_EQ(r.rflags, 2);
	CHECK_EQ(s.cs.base, 0xffff0000);
	CHECK_EQ(s.cs.selector, 0xf000);
	CHECK_EQ(s.cs.limit, 0xffff);
	CHECK_EQ(s.ds.base, 0);
	CHECK_EQ(s.ds.limit, 0xffff);
	CHECK_EQ(s.cr0, 0x60000010);
	CHECK_EQ(s.cr4, 0);
	CHECK_EQ(s.efer, 0);
	CHECK_EQ(s.gdt.limit, 0xffff);
	CHECK_EQ(s.idt.limit, 0xffff);
	CHECK_EQ(s.apic_base, 0xfee00900);
}

static void guest_nop(void)
{
	GUEST_DONE();
}

CASE(sregs_round_trip)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_nop, 0);
	struct kvm_sregs s = get_sregs(v), t;

	s.fs.base = 0x123456789000;
	s.cr2 = 0xdeadbeef;
	s.cr8 = 5;
	set_sregs(v, &s);
	t = get_sregs(v);
	CHECK_EQ(t.fs.base, s.fs.base);
	CHECK_EQ(t.cr0, s.cr0);
	CHECK_EQ(t.cr2, s.cr2);
	CHECK_EQ(t.cr3, s.cr3);
	CHECK_EQ(t.cr4, s.cr4);
	CHECK_EQ(t.cr8, s.cr8);
	CHECK_EQ(t.efer, s.efer);
	CHECK_EQ(t.cs.l, 1);
	CHECK_EQ(t.cs.type, s.cs.type);
	CHECK_EQ(t.tr.base, s.tr.base);
	CHECK_EQ(t.tr.type, s.tr.type);
	CHECK_EQ(t.gdt.base, s.gdt.base);
	CHECK_EQ(t.idt.limit, s.idt.limit);
	run_done(v);
}

CASE(sregs_invalid)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_nop, 0);
	struct kvm_sregs good = get_sregs(v), s;

	s = good;
	s.cr4 |= 1ull << 31;
	CHECK_ERRNO(ioctl(v->fd, KVM_SET_SREGS, &s), EINVAL);
	s = good;
	s.cr4 &= ~CR4_PAE;
	CHECK_ERRNO(ioctl(v->fd, KVM_SET_SREGS, &s), EINVAL);
	s = good;
	s.efer &= ~EFER_LMA;
	CHECK_ERRNO(ioctl(v->fd, KVM_SET_SREGS, &s), EINVAL);
	s = good;
	s.efer &= ~(EFER_LME | EFER_LMA);
	CHECK_ERRNO(ioctl(v->fd, KVM_SET_SREGS, &s), EINVAL);
	s = good;
	s.cr0 &= ~CR0_PG;
	CHECK_ERRNO(ioctl(v->fd, KVM_SET_SREGS, &s), EINVAL);
	s = good;
	s.apic_base |= 1ull << 62;
	CHECK_ERRNO(ioctl(v->fd, KVM_SET_SREGS, &s), EINVAL);
	run_done(v);
}

/* Each CR4 bit can be set if and only if CPUID has what it is for. */
CASE(cr4_follows_cpuid)
{
	static const struct {
		u32 bit, leaf, reg, feature;
	} needs[] = {
		{ 11, 7, 2, 2 },  /* UMIP */
		{ 12, 7, 2, 16 }, /* LA57 */
		{ 13, 1, 2, 5 },  /* VMXE */
		{ 14, 1, 2, 6 },  /* SMXE */
		{ 16, 7, 1, 0 },  /* FSGSBASE */
		{ 18, 1, 2, 26 }, /* OSXSAVE */
		{ 20, 7, 1, 7 },  /* SMEP */
		{ 21, 7, 1, 20 }, /* SMAP */
		{ 22, 7, 2, 3 },  /* PKE */
	};
	struct vcpu *v = vcpu_add(vm_create(0), 0);
	struct kvm_cpuid2 *c = supported_cpuid();
	struct kvm_sregs good, s;
	u32 bit, i;

	vcpu_cpuid(v);
	good = get_sregs(v);
	/* VME to PCE, OSFXSR and OSXMMEXCPT are everywhere. */
	for (bit = 0; bit <= 10; bit++) {
		s = good;
		s.cr4 |= BIT(bit);
		if (ioctl(v->fd, KVM_SET_SREGS, &s))
			FAIL("CR4 bit %u is refused", bit);
	}
	set_sregs(v, &good);
	for (i = 0; i < ARRAY_SIZE(needs); i++) {
		struct kvm_cpuid_entry2 *e = cpuid_entry(c, needs[i].leaf, 0);
		u32 regs[4] = { e->eax, e->ebx, e->ecx, e->edx };
		bool has = regs[needs[i].reg] & BIT(needs[i].feature);

		s = good;
		s.cr4 |= BIT(needs[i].bit);
		if ((ioctl(v->fd, KVM_SET_SREGS, &s) == 0) != has)
			FAIL("CR4 bit %u, CPUID has it: %d", needs[i].bit, has);
		set_sregs(v, &good);
	}
}

CASE(cr3_invalid)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_nop, 0);
	struct kvm_sregs s = get_sregs(v);

	s.cr3 |= 1ull << 63;
	CHECK_ERRNO(ioctl(v->fd, KVM_SET_SREGS, &s), EINVAL);
	run_done(v);
}

/* A code segment both 64-bit and 32-bit: refused, or the processor refuses it (APM 15.5.1). */
CASE(invalid_guest_state, .tcg = "TCG enters a code segment with both L and D set")
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_nop, 0);
	struct kvm_sregs s = get_sregs(v);

	s.cs.l = 1;
	s.cs.db = 1;
	if (ioctl(v->fd, KVM_SET_SREGS, &s)) {
		CHECK_EQ(errno, EINVAL);
		return;
	}
	vcpu_run_exit(v, KVM_EXIT_FAIL_ENTRY);
	CHECK(v->run->fail_entry.hardware_entry_failure_reason != 0);
	s.cs.db = 0;
	set_sregs(v, &s);
	run_done(v);
}

/* Does the kernel log, from here on, say so? */
static void expect_logged(int kmsg, const char *text)
{
	char line[1024];
	ssize_t n;

	while ((n = read(kmsg, line, sizeof(line) - 1)) > 0) {
		line[n] = 0;
		if (strstr(line, text))
			return;
	}
	FAIL("the kernel log does not say \"%s\"", text);
}

/* Not entered, told why, and none the worse for it. */
static void refused(struct vcpu *v, const struct kvm_sregs *bad, const char *check)
{
	struct kvm_sregs good = get_sregs(v);
	int kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);

	CHECK(kmsg >= 0);
	CHECK(lseek(kmsg, 0, SEEK_END) >= 0);
	set_sregs(v, bad);
	vcpu_run_exit(v, KVM_EXIT_FAIL_ENTRY);
	CHECK_EQ(v->run->fail_entry.hardware_entry_failure_reason, 0x80000021);
	if (!test_is_oracle())
		expect_logged(kmsg, check);
	close(kmsg);
	set_sregs(v, &good);
	run_sync(v, 0);
}

static void guest_syncs(void)
{
	for (;;)
		GUEST_SYNC(0);
}

/* What an Intel processor refuses to enter (SDM vol. 3C, 27.3.1.2); AMD's looks less closely. */
CASE(entry_refused)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_syncs, 0);
	struct kvm_sregs s = get_sregs(v);
	u32 i;

	if (!test_is_intel())
		SKIP("not an Intel processor");
	/* What other tests had refused within the log's interval (5 s) has used up its lines. */
	if (!test_is_oracle())
		host_sleep_ms(6000);
	s.cs.base = BIT(40);
	refused(v, &s, "fails: CS: base");
	s = get_sregs(v);
	s.gs.base = BIT(62);
	refused(v, &s, "fails: GS:");
	s = get_sregs(v);
	s.tr.type = 2;
	refused(v, &s, "fails: TR: type");
	/* As often as it happens within seconds. */
	for (i = 0; i < 3; i++) {
		s = get_sregs(v);
		s.ds.base = BIT(33);
		refused(v, &s, "fails: DS:");
	}
}

CASE(immediate_exit)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_nop, 0);

	v->run->immediate_exit = 1;
	CHECK_ERRNO(vcpu_run(v), EINTR);
	CHECK_ERRNO(vcpu_run(v), EINTR);
	CHECK_EQ(get_regs(v).rip, (u64)guest_nop);
	v->run->immediate_exit = 0;
	run_done(v);
}

static void guest_in(void)
{
	GUEST_SYNC(inl(0x1234));
	GUEST_DONE();
}

/* api.rst: an exit for I/O is completed by the next KVM_RUN, even one that leaves at once. */
CASE(immediate_exit_completes_io)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_in, 0);

	vcpu_run_exit(v, KVM_EXIT_IO);
	*(u32 *)((u8 *)v->run + v->run->io.data_offset) = 0xcafe;
	v->run->immediate_exit = 1;
	CHECK_ERRNO(vcpu_run(v), EINTR);
	CHECK_EQ((u32)get_regs(v).rax, 0xcafe);
	/* Nothing ran: the last exit is still there to be looked at. */
	CHECK_EQ(v->run->exit_reason, KVM_EXIT_IO);
	CHECK_EQ(v->run->io.port, 0x1234);
	v->run->immediate_exit = 0;
	*(u32 *)((u8 *)v->run + v->run->io.data_offset) = 0;
	run_sync(v, 0xcafe);
	run_done(v);
}

static volatile u64 go;

static void guest_spin(void)
{
	SPIN_UNTIL(go);
	GUEST_DONE();
}

static void on_signal(int sig)
{
	(void)sig;
}

/* Signals at short intervals until told to stop: one could come before KVM_RUN has begun. */
static struct {
	pthread_t target, thread;
	volatile bool stop;
} kicker;

static void *kick(void *unused)
{
	(void)unused;
	while (!kicker.stop) {
		host_sleep_ms(30);
		pthread_kill(kicker.target, SIGUSR1);
	}
	return NULL;
}

static void start_kicking(void)
{
	struct sigaction sa = { .sa_handler = on_signal };

	sigaction(SIGUSR1, &sa, NULL);
	kicker.target = pthread_self();
	kicker.stop = false;
	CHECK_EQ(pthread_create(&kicker.thread, NULL, kick, NULL), 0);
}

static void stop_kicking(void)
{
	kicker.stop = true;
	pthread_join(kicker.thread, NULL);
}

CASE(signal_ends_run)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_spin, 0);

	start_kicking();
	CHECK_ERRNO(vcpu_run(v), EINTR);
	CHECK_EQ(v->run->exit_reason, KVM_EXIT_INTR);
	stop_kicking();
	G(v->vm, go) = 1;
	run_done(v);
}

/* A signal blocked by the thread ends KVM_RUN if the vCPU's mask lets it through, and stays. */
CASE(signal_mask)
{
	struct {
		struct kvm_signal_mask m;
		u64 set;
	} mask = { .m.len = 8 };
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_spin, 0);
	sigset_t usr1, pending;

	mask.m.len = 4;
	CHECK_ERRNO(ioctl(v->fd, KVM_SET_SIGNAL_MASK, &mask), EINVAL);
	mask.m.len = 8;
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	CHECK_EQ(pthread_sigmask(SIG_BLOCK, &usr1, NULL), 0);
	OK(ioctl(v->fd, KVM_SET_SIGNAL_MASK, &mask));
	pthread_kill(pthread_self(), SIGUSR1);
	CHECK_ERRNO(vcpu_run(v), EINTR);
	sigpending(&pending);
	CHECK(sigismember(&pending, SIGUSR1) == 1);
	/* Without a mask the thread's own counts again: the signal stays blocked. */
	OK(ioctl(v->fd, KVM_SET_SIGNAL_MASK, NULL));
	G(v->vm, go) = 1;
	CHECK_EQ(vcpu_run(v), 0);
}

static void *send_usr1(void *thread)
{
	host_sleep_ms(50);
	pthread_kill(*(pthread_t *)thread, SIGUSR1);
	return NULL;
}

/* Likewise where the signal's action is to kill the process. */
CASE(signal_mask_fatal)
{
	struct {
		struct kvm_signal_mask m;
		u64 set;
	} mask = { .m.len = 8 };
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_spin, 0);
	pthread_t sender, self = pthread_self();
	sigset_t usr1, pending;

	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	signal(SIGUSR1, SIG_DFL);
	CHECK_EQ(pthread_sigmask(SIG_BLOCK, &usr1, NULL), 0);
	OK(ioctl(v->fd, KVM_SET_SIGNAL_MASK, &mask));
	CHECK_EQ(pthread_create(&sender, NULL, send_usr1, &self), 0);
	CHECK_ERRNO(vcpu_run(v), EINTR);
	sigpending(&pending);
	CHECK(sigismember(&pending, SIGUSR1) == 1);
	pthread_join(sender, NULL);
}

/*
 * Kernel work of the thread (here rseq's, after each preemption) must not end KVM_RUN with an error
 * of its own, also where the mask was exchanged for the run.
 */
static void *busy(void *unused)
{
	(void)unused;
	while (!kicker.stop)
		sched_yield();
	return NULL;
}

CASE(preempted_with_signal_mask)
{
	struct {
		struct kvm_signal_mask m;
		u64 set;
	} mask = { .m.len = 8, .set = BIT(SIGUSR2 - 1) };
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_spin, 0);
	long long end = host_now_ms() + 1000;
	pthread_t t[4];
	size_t i;

	OK(ioctl(v->fd, KVM_SET_SIGNAL_MASK, &mask));
	start_kicking();
	for (i = 0; i < ARRAY_SIZE(t); i++)
		CHECK_EQ(pthread_create(&t[i], NULL, busy, NULL), 0);
	while (host_now_ms() < end)
		CHECK_ERRNO(vcpu_run(v), EINTR);
	stop_kicking();
	for (i = 0; i < ARRAY_SIZE(t); i++)
		pthread_join(t[i], NULL);
}

static void guest_irq_window(void)
{
	guest_on(0x40, guest_count);
	GUEST_SYNC(0);
	sti_nop();
	GUEST_SYNC(1);
	GASSERT_EQ(this_cpu()->irqs[0x40], 1);
	cli();
	GUEST_SYNC(2);
	GASSERT_EQ(this_cpu()->irqs[0x40], 1);
	GUEST_DONE();
}

CASE(interrupt_window)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_irq_window, 0);
	struct kvm_interrupt irq = { .irq = 0x40 };

	run_sync(v, 0);
	CHECK_EQ(v->run->ready_for_interrupt_injection, 0);
	CHECK_EQ(v->run->if_flag, 0);
	v->run->request_interrupt_window = 1;
	vcpu_run_exit(v, KVM_EXIT_IRQ_WINDOW_OPEN);
	CHECK_EQ(v->run->ready_for_interrupt_injection, 1);
	CHECK_EQ(v->run->if_flag, 1);
	v->run->request_interrupt_window = 0;
	OK(ioctl(v->fd, KVM_INTERRUPT, &irq));
	run_sync(v, 1);
	CHECK_EQ(v->run->if_flag, 1);
	run_sync(v, 2);
	CHECK_EQ(v->run->if_flag, 0);
	run_done(v);
}

CASE(interrupt_errors)
{
	struct kvm_interrupt irq = { .irq = 256 };
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_nop, 0);
	struct vcpu *in_kernel = vcpu_new(vm_create(VM_IRQCHIP), 0, guest_nop, 0);

	CHECK_ERRNO(ioctl(v->fd, KVM_INTERRUPT, &irq), EINVAL);
	irq.irq = 0x40;
	CHECK_ERRNO(ioctl(in_kernel->fd, KVM_INTERRUPT, &irq), ENXIO);
	run_done(in_kernel);
}

static void guest_hlt(void)
{
	guest_on(0x50, guest_count);
	sti_hlt_cli();
	GUEST_SYNC(this_cpu()->irqs[0x50]);
	GUEST_DONE();
}

CASE(hlt_and_interrupt)
{
	struct kvm_interrupt irq = { .irq = 0x50 };
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_hlt, 0);

	vcpu_run_exit(v, KVM_EXIT_HLT);
	CHECK_EQ(v->run->ready_for_interrupt_injection, 1);
	OK(ioctl(v->fd, KVM_INTERRUPT, &irq));
	run_sync(v, 1);
	run_done(v);
}

static volatile u64 nmis, in_nmi;

static GUEST_HANDLER void nmi_handler(struct trap *t)
{
	(void)t;
	GASSERT_EQ(in_nmi, 0);
	in_nmi = 1;
	nmis++;
	GUEST_SYNC(0x100 + nmis);
	in_nmi = 0;
}

static void guest_nmi(void)
{
	guest_on(NMI_VECTOR, nmi_handler);
	GUEST_SYNC(1);
	asm volatile("nop; nop; nop");
	GASSERT_EQ(nmis, 3);
	GUEST_DONE();
}

/* While an NMI is handled one more is held back until IRET, a further one is lost. */
CASE(nmi)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_nmi, 0);

	need_cap(KVM_CAP_USER_NMI);
	run_sync(v, 1);
	OK(ioctl(v->fd, KVM_NMI, 0));
	run_sync(v, 0x101);
	OK(ioctl(v->fd, KVM_NMI, 0));
	run_sync(v, 0x102);
	OK(ioctl(v->fd, KVM_NMI, 0));
	run_sync(v, 0x103);
	run_done(v);
}

CASE(smi_unsupported)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_nop, 0);

	if (dev_cap(KVM_CAP_X86_SMM) > 0)
		SKIP("this module has system management mode");
	CHECK_EQ(ioctl(v->fd, KVM_SMI, 0), -1);
	CHECK(errno == ENOTTY || errno == EINVAL);
	run_done(v);
}

static void guest_hlt_forever(void)
{
	halt_forever();
}

CASE(mp_state)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *v0 = vcpu_new(vm, 0, guest_hlt_forever, 0), *v1 = vcpu_add(vm, 1);
	struct kvm_mp_state mp;

	OK(ioctl(v0->fd, KVM_GET_MP_STATE, &mp));
	CHECK_EQ(mp.mp_state, KVM_MP_STATE_RUNNABLE);
	OK(ioctl(v1->fd, KVM_GET_MP_STATE, &mp));
	CHECK_EQ(mp.mp_state, KVM_MP_STATE_UNINITIALIZED);
	mp.mp_state = 99;
	CHECK_ERRNO(ioctl(v0->fd, KVM_SET_MP_STATE, &mp), EINVAL);
	/* With the local APIC in the kernel HLT waits there. A kick may come before it. */
	start_kicking();
	do {
		CHECK_ERRNO(vcpu_run(v0), EINTR);
		OK(ioctl(v0->fd, KVM_GET_MP_STATE, &mp));
	} while (mp.mp_state == KVM_MP_STATE_RUNNABLE);
	CHECK_EQ(mp.mp_state, KVM_MP_STATE_HALTED);
	stop_kicking();
	start_kicking();
	CHECK_ERRNO(vcpu_run(v1), EINTR);
	stop_kicking();
}

CASE(mp_state_halted_runs_on)
{
	struct kvm_mp_state mp = { KVM_MP_STATE_HALTED };
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *v = vcpu_new(vm, 0, guest_nop, 0);

	OK(ioctl(v->fd, KVM_SET_MP_STATE, &mp));
	start_kicking();
	CHECK_ERRNO(vcpu_run(v), EINTR);
	stop_kicking();
	CHECK_EQ(get_regs(v).rip, (u64)guest_nop);
	mp.mp_state = KVM_MP_STATE_RUNNABLE;
	OK(ioctl(v->fd, KVM_SET_MP_STATE, &mp));
	run_done(v);
}

CASE(mp_state_without_irqchip)
{
	struct kvm_mp_state mp = { KVM_MP_STATE_HALTED };
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_nop, 0);

	CHECK_ERRNO(ioctl(v->fd, KVM_SET_MP_STATE, &mp), EINVAL);
	mp.mp_state = KVM_MP_STATE_RUNNABLE;
	OK(ioctl(v->fd, KVM_SET_MP_STATE, &mp));
	OK(ioctl(v->fd, KVM_GET_MP_STATE, &mp));
	CHECK_EQ(mp.mp_state, KVM_MP_STATE_RUNNABLE);
	run_done(v);
}

CASE(translate)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_nop, 0);
	struct kvm_translation t = { .linear_address = 0x7000001234 };

	OK(ioctl(v->fd, KVM_TRANSLATE, &t));
	CHECK_EQ(t.valid, 0);
	vm_map(vm, 0x7000001000, 0x805000, PTE_P | PTE_W);
	OK(ioctl(v->fd, KVM_TRANSLATE, &t));
	CHECK_EQ(t.valid, 1);
	CHECK_EQ(t.physical_address, 0x805234);
	t.linear_address = 0x345678;
	OK(ioctl(v->fd, KVM_TRANSLATE, &t));
	CHECK_EQ(t.physical_address, 0x345678);
}

/* Two threads on one vCPU: the second waits for the first or is turned away, nothing breaks. */
static void *second_runner(void *arg)
{
	struct vcpu *v = arg;
	struct kvm_regs r;

	host_sleep_ms(50);
	if (!ioctl(v->fd, KVM_GET_REGS, &r))
		return NULL;
	CHECK(errno == EINTR || errno == EBUSY);
	return NULL;
}

CASE(get_regs_while_running)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_spin, 0);
	pthread_t other;

	CHECK_EQ(pthread_create(&other, NULL, second_runner, v), 0);
	vcpu_spawn(v);
	host_sleep_ms(100);
	G(v->vm, go) = 1;
	vcpu_join(v);
	pthread_join(other, NULL);
}

/* A vCPU as reset leaves it runs the firmware: a read-only slot that ends at 4 GiB. */
BLOB(firmware, 16, "mov $0x5a, %al\n out %al, $0x80\n cs mov 0xff00, %al\n out %al, $0x80\n hlt\n");

CASE(reset_vector)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_add(vm, 0);
	u8 *rom;

	need_cap(KVM_CAP_READONLY_MEM);
	rom = vm_add_ram(vm, 1, KVM_MEM_READONLY, 0xffff0000, 0x10000);
	memcpy(rom + 0x1000, firmware, firmware_end - firmware);
	memcpy(rom + 0xfff0, "\xe9\x0d\x10", 3); /* jmp 0x1000 */
	rom[0xff00] = 0xa5;
	vcpu_run_exit(v, KVM_EXIT_IO);
	CHECK_EQ(*((u8 *)v->run + v->run->io.data_offset), 0x5a);
	vcpu_run_exit(v, KVM_EXIT_IO);
	CHECK_EQ(*((u8 *)v->run + v->run->io.data_offset), 0xa5);
	vcpu_run_exit(v, KVM_EXIT_HLT);
}

/* Without a local APIC in the kernel user space keeps the TPR, in kvm_run.cr8. */
static void guest_cr8(void)
{
	u64 v;

	asm volatile("mov %%cr8, %0" : "=r"(v));
	GASSERT_EQ(v, 5);
	asm volatile("mov %0, %%cr8" : : "r"(9ull));
	GUEST_SYNC(0);
	asm volatile("mov %0, %%cr8" : : "r"(2ull));
	GUEST_SYNC(1);
	GUEST_DONE();
}

CASE(cr8_without_irqchip)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_cr8, 0);

	v->run->cr8 = 5;
	run_sync(v, 0);
	CHECK_EQ(v->run->cr8, 9);
	while (vcpu_run(v) == 0 && v->run->exit_reason == KVM_EXIT_SET_TPR)
		;
	CHECK(vcpu_take_ucall(v));
	CHECK_EQ(v->run->cr8, 2);
	CHECK_EQ(get_sregs(v).cr8, 2);
}

/* When the guest lowers its TPR user space is told: it may hold an interrupt for that level. */
CASE(set_tpr_exit)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_cr8, 0);

	v->run->cr8 = 5;
	run_sync(v, 0);
	vcpu_run_exit(v, KVM_EXIT_SET_TPR);
	CHECK_EQ(v->run->cr8, 2);
	run_sync(v, 1);
	run_done(v);
}

/* HLT with interrupts off, in the kernel: only an NMI ends it, none that came before. */
static volatile u64 halting;

static void *send_nmi(void *arg)
{
	struct kvm_msi msi = { .address_lo = APIC_BASE, .data = 0x400 };
	struct vm *vm = arg;

	while (!G(vm, halting) || !host_sleeps(getpid()))
		host_sleep_ms(1);
	CHECK(OK(ioctl(vm->fd, KVM_SIGNAL_MSI, &msi)) > 0);
	return NULL;
}

static GUEST_HANDLER void nmi_count(struct trap *t)
{
	(void)t;
	nmis++;
}

static void guest_hlt_nmi(void)
{
	guest_on(NMI_VECTOR, nmi_count);
	apic_enable();
	GUEST_SYNC(0);
	halting = 1;
	asm volatile("cli; hlt" : : : "memory");
	GASSERT_EQ(nmis, 1);
	GUEST_DONE();
}

CASE(nmi_wakes_hlt)
{
	struct vcpu *v = vcpu_new(vm_create(VM_IRQCHIP), 0, guest_hlt_nmi, 0);
	pthread_t t;

	run_sync(v, 0);
	CHECK_EQ(pthread_create(&t, NULL, send_nmi, v->vm), 0);
	run_done(v);
	pthread_join(t, NULL);
}
