// SPDX-License-Identifier: GPL-2.0
/*
 * Registers of the host, of a VM and of another VM on the same processor: each finds its own as it
 * left them, and a new vCPU finds those of a reset. All of them are full of what tells whose they
 * are: general registers, x87, SSE and what else XSAVE saves, debug registers, MSRs, XCR0, CR2.
 */
#include <asm/prctl.h>
#include <cpuid.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "vm.h"

#define SUITE "isolation"

#define TURN_PORT "0x81" /* the guest lets another one run */
#define ROUNDS    40
#define GPRS      12
#define FULL      0xe7ull /* x87, SSE, AVX, AVX-512 */

/* ---- whose registers they are ---- */

/**
 * struct owner - what somebody fills the processor with, and finds there
 * @mask: of XSAVE's components
 * @in: an XSAVE area, @out: likewise as it was found
 * @gpr: general registers, and as they were found
 */
struct owner {
	u8 in[4096] __attribute__((aligned(64)));
	u8 out[4096] __attribute__((aligned(64)));
	u64 gpr[2 * GPRS];
	u64 mask;
	u64 seed;
	long ret;
};

/* All that the assembly has to know. */
#define OWNER_OUT  "4096"
#define OWNER_GPR  "8192"
#define OWNER_GPR2 "8288"
#define OWNER_MASK "8384"
#define OWNER_RET  "8400"
_Static_assert(offsetof(struct owner, gpr) == 8192, "assembly");
_Static_assert(offsetof(struct owner, mask) == 8384, "assembly");
_Static_assert(offsetof(struct owner, ret) == 8400, "assembly");

/* clang-format off */
#define EACH_GPR(op, base)                                                                \
	op("rbx", base "+0") op("rbp", base "+8") op("r12", base "+16")                   \
	op("r13", base "+24") op("r14", base "+32") op("r15", base "+40")                 \
	op("r8", base "+48") op("r9", base "+56") op("r10", base "+64")                   \
	op("rsi", base "+72") op("rdi", base "+80")
/* clang-format on */
#define LOAD(reg, at)  "mov " at "(%rax), %" reg "\n"
#define STORE(reg, at) "mov %" reg ", " at "(%rax)\n"

/* void NAME(struct owner *, u64 argument of the middle) */
/* clang-format off */
#define POISONED(name, before, middle)                                                    \
	void name(struct owner *o, u64 arg);                                              \
	asm(".pushsection .text\n" #name ":\n"                                            \
	    "push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"          \
	    "push %rsi; push %rdi\n"                                                      \
	    "mov " OWNER_MASK "(%rdi), %eax\n xor %edx, %edx\n xrstor64 (%rdi)\n"         \
	    "mov %rdi, %rax\n" EACH_GPR(LOAD, OWNER_GPR) before middle                    \
	    "mov %rax, %rcx\n pop %rax\n mov %rcx, " OWNER_RET "(%rax)\n"                 \
	    EACH_GPR(STORE, OWNER_GPR2) "mov %rax, %rcx\n"                                \
	    "mov " OWNER_MASK "(%rcx), %eax\n xor %edx, %edx\n"                           \
	    "xsave64 " OWNER_OUT "(%rcx)\n"                                               \
	    "pop %rsi; pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx; ret\n" \
	    ".popsection")
/* clang-format on */

/* The host: KVM_RUN of the file in arg. Two of the registers are its arguments. */
POISONED(poisoned_run, "mov 8(%rsp), %rdi\n mov $0xae80, %esi\n xor %edx, %edx\n mov $16, %eax\n",
	 "syscall\n");
/* The guest: an exit to user space; and a time in which another thread gets the processor. */
POISONED(poisoned_turn, "", "outb %al, $" TURN_PORT "\n");
POISONED(poisoned_spin, "mov 8(%rsp), %rcx\n", "1: dec %rcx\n jnz 1b\n");

/* May be called by guests. */
static u64 word(u64 seed, u64 i)
{
	return seed * 0x0101010101010101 ^ i * 0x9e3779b97f4a7c15;
}

static void owner_fill(struct owner *o, u64 seed, u64 mask)
{
	u64 *x = (u64 *)o->in, i;

	o->seed = seed;
	o->mask = mask;
	for (i = 0; i < ARRAY_SIZE(o->in) / 8; i++)
		x[i] = i < 64 || i >= 72 ? word(seed, i) : 0;
	/* Control words of sense, full registers, no last instruction. */
	x[0] = 0x00ff00000000027f | (seed & 3) << 10;
	x[1] = 0;
	x[2] = 0;
	x[3] = 0x1f80 | (seed & 3) << 13;
	for (i = 0; i < 8; i++)
		x[5 + 2 * i] = 0x3fff;
	for (i = 0; i < 8; i++)
		x[4 + 2 * i] |= BIT(63);
	x[64] = mask;
	/* Mask registers of 16 bits are as good as those of 64, PKRU is not among them. */
	for (i = 0; i < GPRS; i++)
		o->gpr[i] = word(seed, 100 + i);
	for (i = 0; i < ARRAY_SIZE(o->out) / 8; i++)
		((u64 *)o->out)[i] = x[i];
}

/* The first word of the area that is another, -1: none; its header and MXCSR_MASK are nobody's. */
static long owner_lost(const struct owner *o, u64 words)
{
	const u64 *in = (const u64 *)o->in, *out = (const u64 *)o->out;
	u64 i;

	for (i = 0; i < words; i++) {
		u64 differ = in[i] ^ out[i];

		if (i == 3)
			differ = (u32)differ;
		if (differ && (i < 64 || i >= 72))
			return i;
	}
	return -1;
}

/* Which general register is another, -1: none. */
static long owner_lost_gpr(const struct owner *o, u64 count)
{
	u64 i;

	for (i = 0; i < count; i++)
		if (o->gpr[i] != o->gpr[GPRS + i])
			return i;
	return -1;
}

/* ---- the guest ---- */

static const struct {
	u32 nr;
	u64 keep, set; /* bits of the pattern that are kept, and that are set */
	u64 reset;
} msrs[] = {
	{ MSR_STAR, ~0ull, 0, 0 },
	{ MSR_LSTAR, 0x7fffffffffff, 0, 0 },
	{ MSR_CSTAR, 0x7fffffffffff, 0, 0 },
	{ MSR_SFMASK, 0x47700, 0, 0 },
	{ MSR_KERNEL_GS, 0x7fffffffffff, 0, 0 },
	{ MSR_FS_BASE, 0x7fffffffffff, 0, 0 },
	{ 0x174, 0xfffc, 0, 0 }, /* SYSENTER_CS, _ESP, _EIP */
	{ 0x175, 0x7fffffff, 0, 0 },
	{ 0x176, 0x7fffffff, 0, 0 },
	{ MSR_TSC_AUX, 0xffffffff, 0, 0 },
	{ 0x277, 0x0004000400040004, 0x0001000100010001, 0x0007040600070406 }, /* PAT */
	{ 0x48, 1, 0, 0 },                                                     /* SPEC_CTRL: IBRS */
};

static struct owner guest_owner;
static u64 absent; /* MSRs that there are not */

#define DEFINE_DR(n)                                          \
	static inline u64 read_dr##n(void)                    \
	{                                                     \
		u64 v;                                        \
		asm volatile("mov %%db" #n ", %0" : "=r"(v)); \
		return v;                                     \
	}                                                     \
	static inline void write_dr##n(u64 v)                 \
	{                                                     \
		asm volatile("mov %0, %%db" #n : : "r"(v));   \
	}
DEFINE_DR(0)
DEFINE_DR(1)
DEFINE_DR(2)
DEFINE_DR(3)
DEFINE_DR(6)
DEFINE_DR(7)

static u64 msr_value(u64 seed, u64 i)
{
	return (word(seed, 200 + i) & msrs[i].keep) | msrs[i].set;
}

static u64 dr_value(u64 seed, u64 i)
{
	return word(seed, 300 + i) & 0x7ffffffff000;
}

static u64 xgetbv(void)
{
	u32 lo, hi;

	asm volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	return lo | (u64)hi << 32;
}

/* TSC_AUX as RDTSCP finds it, which no intercept has a value for. */
static u32 tsc_aux(void)
{
	u32 lo, hi, aux;

	asm volatile("rdtscp" : "=a"(lo), "=d"(hi), "=c"(aux));
	return aux;
}

static bool has_rdtscp(void)
{
	u32 r[4];

	guest_cpuid(0x80000001, 0, r);
	return r[3] & BIT(27);
}

/* What no one has written yet is as after a reset, whoever had the processor before. */
static void guest_check_reset(void)
{
	static u8 image[512] __attribute__((aligned(16)));
	u64 i;

	asm volatile("fxsave64 %0" : "=m"(image));
	GASSERT_EQ(*(u16 *)image, 0x37f);
	GASSERT_EQ(*(u32 *)(image + 24), 0x1f80);
	for (i = 32; i < 416; i += 8)
		GASSERT_EQ(*(u64 *)(image + i), 0);
	GASSERT_EQ(read_dr0() | read_dr1() | read_dr2() | read_dr3(), 0);
	GASSERT_EQ(read_dr6(), 0xffff0ff0);
	GASSERT_EQ(read_dr7(), 0x400);
	GASSERT_EQ(read_cr2(), 0);
	for (i = 0; i < ARRAY_SIZE(msrs); i++) {
		u64 val = rdmsr_try(msrs[i].nr);

		if (this_cpu()->trapped)
			absent |= BIT(i);
		else
			GASSERT_EQ(val, msrs[i].reset);
	}
	if (has_rdtscp())
		GASSERT_EQ(tsc_aux(), 0);
}

static void guest_fill(u64 seed)
{
	u64 i;

	for (i = 0; i < ARRAY_SIZE(msrs); i++)
		if (!(absent & BIT(i)))
			wrmsr(msrs[i].nr, msr_value(seed, i));
	write_dr0(dr_value(seed, 0));
	write_dr1(dr_value(seed, 1));
	write_dr2(dr_value(seed, 2));
	write_dr3(dr_value(seed, 3));
	write_dr6(0xffff0ff0 | (seed & 0xf));
	/* Armed: they must be in the processor, not only remembered. */
	write_dr7(0x400 | (seed & 1 ? 0xaa : 0x55));
	write_cr2(word(seed, 400));
}

static void guest_check(u64 seed)
{
	u64 i;

	for (i = 0; i < ARRAY_SIZE(msrs); i++)
		if (!(absent & BIT(i)))
			GASSERT_EQ(rdmsr(msrs[i].nr), msr_value(seed, i));
	if (has_rdtscp())
		GASSERT_EQ(tsc_aux(), rdmsr(MSR_TSC_AUX));
	GASSERT_EQ(read_dr0(), dr_value(seed, 0));
	GASSERT_EQ(read_dr1(), dr_value(seed, 1));
	GASSERT_EQ(read_dr2(), dr_value(seed, 2));
	GASSERT_EQ(read_dr3(), dr_value(seed, 3));
	GASSERT_EQ(read_dr6() & 0xf, seed & 0xf);
	GASSERT_EQ(read_dr7(), 0x400 | (seed & 1 ? 0xaa : 0x55));
	GASSERT_EQ(read_cr2(), word(seed, 400));
	GASSERT_EQ(xgetbv(), guest_owner.mask);
}

static void guest_check_owner(u64 words)
{
	GASSERT_EQ(owner_lost(&guest_owner, words), -1);
	GASSERT_EQ(owner_lost_gpr(&guest_owner, 11), -1);
}

static u64 xsave_words;

static void guest_turns(u64 rounds)
{
	u64 seed = guest_owner.seed, i;

	guest_check_reset();
	for (i = 0; i < rounds; i++) {
		if (i % 4 == 0)
			guest_fill(seed);
		poisoned_turn(&guest_owner, 0);
		guest_check_owner(xsave_words);
		guest_check(seed);
	}
	GUEST_DONE();
}

#define SPINS 20000

static void guest_spins(u64 rounds)
{
	u64 seed = guest_owner.seed, i;

	guest_check_reset();
	guest_fill(seed);
	for (i = 0; i < rounds; i++) {
		poisoned_spin(&guest_owner, SPINS);
		guest_check_owner(xsave_words);
		guest_check(seed);
	}
	GUEST_DONE();
}

/* ---- the host ---- */

static u64 host_mask(void)
{
	u32 a, b, c, d;

	__cpuid(1, a, b, c, d);
	if (!(c & BIT(27)))
		SKIP("no XSAVE");
	return xgetbv() & FULL;
}

static u64 host_xsave_words(u64 mask)
{
	u32 a, b, c, d, i, end = 576;

	for (i = 2; i < 8; i++) {
		__cpuid_count(0xd, i, a, b, c, d);
		if (mask & BIT(i) && a + b > end)
			end = a + b;
	}
	return end / 8;
}

static void pin(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	OK(sched_setaffinity(0, sizeof(set), &set));
}

/* MSRs of the host that a guest has too, but for those that the scheduler changes. */
static const u32 host_msrs[] = {
	MSR_EFER,      MSR_STAR,    MSR_LSTAR, MSR_CSTAR,  MSR_SFMASK, MSR_FS_BASE, MSR_GS_BASE,
	MSR_KERNEL_GS, MSR_TSC_AUX, 0x174,     0x175,      0x176,      0x277,       0x48,
	0x1d9,         0xda0,       0x1a0,     0xc0000104, 0x38f,      0x2ff,
};

static u64 host_values[ARRAY_SIZE(host_msrs)];
static u32 host_has;

static bool host_msr(u32 nr, u64 *val)
{
	static int fd = -2;

	if (fd == -2)
		fd = open("/dev/cpu/0/msr", O_RDONLY | O_CLOEXEC);
	return fd >= 0 && pread(fd, val, 8, nr) == 8;
}

static void host_note(void)
{
	u64 i;

	for (i = 0; i < ARRAY_SIZE(host_msrs); i++)
		if (host_msr(host_msrs[i], &host_values[i]))
			host_has |= BIT(i);
}

static void host_check(void)
{
	u64 i, now = 0;

	for (i = 0; i < ARRAY_SIZE(host_msrs); i++) {
		if (!(host_has & BIT(i)))
			continue;
		CHECK(host_msr(host_msrs[i], &now));
		/* EFER.SVME is on while there are VMs. */
		if (host_msrs[i] == MSR_EFER)
			now = (now & ~EFER_SVME) | (host_values[i] & EFER_SVME);
		if (now != host_values[i])
			FAIL("the host's MSR %#x was %#llx and is %#llx", host_msrs[i],
			     host_values[i], now);
	}
}

struct player {
	struct vm *vm;
	struct vcpu *v;
	struct owner host; /* what the thread has in its registers meanwhile */
	bool done;
};

static void player_init(struct player *p, u64 seed, void *fn, u64 guest_mask)
{
	struct kvm_xcrs xcrs = { .nr_xcrs = 1 };
	u64 mask = host_mask();
	struct kvm_sregs s;

	p->done = false;
	p->vm = vm_create(0);
	p->v = vcpu_new(p->vm, 0, fn, ROUNDS);
	s = get_sregs(p->v);
	s.cr4 |= CR4_OSXSAVE;
	set_sregs(p->v, &s);
	xcrs.xcrs[0].value = mask & guest_mask;
	OK(ioctl(p->v->fd, KVM_SET_XCRS, &xcrs));
	owner_fill(&G(p->vm, guest_owner), seed, mask & guest_mask);
	G(p->vm, xsave_words) = host_xsave_words(mask & guest_mask);
	owner_fill(&p->host, seed + 100, mask);
}

/* One KVM_RUN, with registers full of the host's. */
static void turn(struct player *p)
{
	long lost;

	do {
		poisoned_run(&p->host, p->v->fd);
		lost = owner_lost(&p->host, host_xsave_words(p->host.mask));
		if (lost >= 0)
			FAIL("word %ld of the host's XSAVE area is %#llx", lost,
			     ((u64 *)p->host.out)[lost]);
		lost = owner_lost_gpr(&p->host, 9);
		if (lost >= 0)
			FAIL("the host's register %ld is %#llx", lost, p->host.gpr[GPRS + lost]);
	} while (p->host.ret == -EINTR || p->host.ret == -EAGAIN);
	CHECK_EQ(p->host.ret, 0);
	if (p->v->run->exit_reason == KVM_EXIT_IO && p->v->run->io.port == 0x81)
		return;
	CHECK(vcpu_take_ucall(p->v));
	CHECK_EQ(p->v->uc.kind, UCALL_DONE);
	p->done = true;
}

static u64 host_gs(void)
{
	u64 val = 0;

	OK(syscall(SYS_arch_prctl, ARCH_GET_GS, &val));
	return val;
}

/* Two VMs take turns on a processor; one has all of XCR0, the other the least. */
CASE(registers, .timeout = 60)
{
	static struct player p[3];
	u64 i, turns = 0;

	pin();
	OK(syscall(SYS_arch_prctl, ARCH_SET_GS, 0x123456789000));
	player_init(&p[0], 0x21, guest_turns, ~0ull);
	player_init(&p[1], 0x42, guest_turns, 3);
	player_init(&p[2], 0x53, guest_turns, 7);
	host_note();
	while (!p[0].done || !p[1].done || !p[2].done) {
		for (i = 0; i < ARRAY_SIZE(p); i++) {
			if (p[i].done)
				continue;
			turn(&p[i]);
			turns++;
			host_check();
			CHECK_EQ(host_gs(), 0x123456789000);
		}
	}
	CHECK_EQ(turns, 3 * (ROUNDS + 1));
	printf("%u of %zu MSRs of the host compared, %llu XSAVE words\n",
	       __builtin_popcount(host_has), ARRAY_SIZE(host_msrs),
	       host_xsave_words(p[0].host.mask));
}

/* ---- switched by the scheduler ---- */

#define SWITCHED 4 /* times, at least */

static volatile long switches[2];

static void spin_once(struct player *p, u64 i)
{
	struct kvm_sregs s;

	player_init(p, 0x21 + i, guest_spins, i ? 3 : ~0ull);
	vcpu_call(p->v, guest_spins, 1000 / (test_slow() ? 4 : 1));
	/* Which has set CR4 anew. */
	s = get_sregs(p->v);
	s.cr4 |= CR4_OSXSAVE;
	set_sregs(p->v, &s);
	while (!p->done)
		turn(p);
	vcpu_free(p->v);
	vm_free(p->vm);
}

/*
 * For who has restartable sequences, as glibc's threads do, KVM_RUN goes back to user space for a
 * moment after each switch, where the kernel loads all registers. Without them it goes on.
 */
static void forget_rseq(void)
{
	void *area = (char *)__builtin_thread_pointer() + __rseq_offset;

	if (__rseq_size)
		OK(syscall(SYS_rseq, area, sizeof(struct rseq), RSEQ_FLAG_UNREGISTER, RSEQ_SIG));
}

static bool with_rseq;

static void *spin_thread(void *arg)
{
	static struct player p[2];
	struct rusage usage;
	u64 i = (u64)arg;

	pin();
	if (!with_rseq)
		forget_rseq();
	/* One may come to its end without the other, which was charged for the host's own pause. */
	do {
		spin_once(&p[i], i);
		OK(getrusage(RUSAGE_THREAD, &usage));
		switches[i] = usage.ru_nivcsw;
	} while (switches[0] < SWITCHED || switches[1] < SWITCHED);
	return NULL;
}

static void registers_preempted(bool rseq)
{
	pthread_t t[2];
	u64 i;

	pin();
	with_rseq = rseq;
	memset((void *)switches, 0, sizeof(switches));
	for (i = 0; i < 2; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, spin_thread, (void *)i), 0);
	for (i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	printf("switched %ld and %ld times\n", switches[0], switches[1]);
}

CASE(registers_preempted, .timeout = 120)
{
	registers_preempted(true);
}

CASE(registers_preempted_in_kvm_run, .timeout = 120)
{
	registers_preempted(false);
}

/* ---- a client that is debugged ---- */

static volatile u64 watched, unwatched;

/* Both have the same address in guest and host. */
static void guest_watched(void)
{
	guest_check_reset();
	watched = 1;
	unwatched = 1;
	guest_fill(3);
	write_dr0((u64)&unwatched);
	write_dr7(0x400 | 0xd0000 | 1); /* writes of 4 bytes */
	GUEST_SYNC(1);
	watched = 2;
	GUEST_SYNC(2);
	GASSERT_EQ(read_dr0(), (u64)&unwatched);
	GUEST_DONE();
}

static void be_debugged(void)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_watched, 0);

	OK(ptrace(PTRACE_TRACEME, 0, 0, 0));
	raise(SIGSTOP);
	run_sync(v, 1);
	/* The guest's breakpoint is not the host's. */
	unwatched = 1;
	raise(SIGUSR1);
	watched = 1; /* a trap */
	run_sync(v, 2);
	watched = 2; /* and another */
	run_done(v);
	_exit(0);
}

static void wait_for(pid_t pid, int sig)
{
	int status;

	CHECK_EQ(OK(waitpid(pid, &status, 0)), pid);
	if (!WIFSTOPPED(status) || WSTOPSIG(status) != sig)
		FAIL("not stopped by signal %d: status %#x", sig, status);
}

/* struct user, u_debugreg: <sys/user.h> has another PAGE_SIZE. */
#define DR(n) (848 + 8 * (n))

CASE(debug_registers)
{
	pid_t pid = OK(fork());
	int status;

	if (!pid)
		be_debugged();
	wait_for(pid, SIGSTOP);
	OK(ptrace(PTRACE_POKEUSER, pid, DR(0), &watched));
	OK(ptrace(PTRACE_POKEUSER, pid, DR(7), 0xd0001));
	OK(ptrace(PTRACE_CONT, pid, 0, 0));
	wait_for(pid, SIGUSR1);
	OK(ptrace(PTRACE_CONT, pid, 0, 0));
	wait_for(pid, SIGTRAP);
	CHECK_EQ(ptrace(PTRACE_PEEKUSER, pid, DR(0), 0), (u64)&watched);
	CHECK_EQ(ptrace(PTRACE_PEEKUSER, pid, DR(6), 0) & 0xf, 1);
	OK(ptrace(PTRACE_CONT, pid, 0, 0));
	wait_for(pid, SIGTRAP);
	OK(ptrace(PTRACE_CONT, pid, 0, 0));
	CHECK_EQ(OK(waitpid(pid, &status, 0)), pid);
	CHECK_EQ(status, 0);
}

/* ---- protection keys of the host ---- */

static u32 rdpkru(void)
{
	u32 a, d;

	asm volatile(".byte 0x0f, 0x01, 0xee" : "=a"(a), "=d"(d) : "c"(0));
	return a;
}

static void guest_pkru(void)
{
	u32 a = 0, d = 0;

	/* Without CR4.PKE, which is not offered. */
	TRY(".byte 0x0f, 0x01, 0xee", : "+a"(a), "+d"(d) : "c"(0) : "memory");
	GASSERT_EQ(this_cpu()->trapped, 1);
	GASSERT_EQ(a, 0);
	GUEST_DONE();
}

CASE(protection_keys)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_pkru, 0);
	u32 a, b, c, d;

	__cpuid_count(7, 0, a, b, c, d);
	if (!(c & BIT(4)))
		SKIP("no protection keys here");
	asm volatile(".byte 0x0f, 0x01, 0xef" : : "a"(0x55555550), "c"(0), "d"(0));
	run_done(v);
	CHECK_EQ(rdpkru(), 0x55555550);
}
