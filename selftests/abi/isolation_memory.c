// SPDX-License-Identifier: GPL-2.0
/*
 * A guest sees its memory and nothing else. The memory of this process, of another VM and of
 * another process with a VM is full of secret words, and a guest that knows where they are in the
 * host's physical memory looks for them by every access that it has, and writes there too.
 */
#include <fcntl.h>
#include <linux/vmm.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include "vm.h"

#define SUITE "isolation"

#define SECRETS    (2 * MiB)
#define PER_OWNER  4             /* pages whose place in the host is told to the guest */
#define OWNERS     4             /* this process, its VM, the other process, its VM */
#define WINDOWS    0x70000000ull /* here the guest has the addresses that are not its */
#define MAX_WILD   64
#define WORDS      4         /* read of each page, by each access */
#define SPOOL      FREE_BASE /* the guest puts here what it read */
#define SPOOL_SIZE MiB
#define WILD_PORT  0x1234
#define ANSWER     0x5a /* what this client has for reads of what is no memory */

/* ---- secrets: the tag above, the place below; nothing else looks like one ---- */

/* Not in the program's data, of which each guest has a copy: its complement is. */
static u32 not_tag;

static u64 secret(u64 nr)
{
	return (u64)(u32)~not_tag << 32 | (u32)nr;
}

static void fill_secrets(u64 *p, u64 bytes)
{
	u64 i;

	for (i = 0; i < bytes / 8; i++)
		p[i] = secret(i);
}

static void secrets_intact(const u64 *p, u64 bytes, const char *whose)
{
	u64 i;

	for (i = 0; i < bytes / 8; i++)
		if (p[i] != secret(i))
			FAIL("word %llu of %s was changed to %#llx", i, whose, p[i]);
}

static u64 count_secrets(const void *from, u64 bytes)
{
	const u32 *p = from;
	u64 i, n = 0;

	for (i = 0; i < bytes / 4; i++)
		n += (u32)~p[i] == not_tag;
	return n;
}

static void *secret_pages(void)
{
	void *p = mmap(NULL, SECRETS, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	fill_secrets(p, SECRETS);
	OK(mlock(p, SECRETS));
	return p;
}

/* Host-physical addresses of some pages of @p, 0 where the host does not say. */
static void find_pages(void *p, u64 *gpas)
{
	int fd = OK(open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
	u64 i, entry;

	for (i = 0; i < PER_OWNER; i++) {
		u64 page = (u64)p / PAGE_SIZE + i * (SECRETS / PAGE_SIZE / PER_OWNER);

		CHECK_EQ(pread(fd, &entry, 8, page * 8), 8);
		entry &= BIT(55) - 1;
		gpas[i] = entry * PAGE_SIZE;
	}
	close(fd);
}

/* ---- the guest ---- */

static volatile u64 found, rounds;

static void guest_search(u64 wanted)
{
	const volatile u32 *p;
	u64 n = 0;

	for (p = (u32 *)PAGE_SIZE; p < (u32 *)RAM_SIZE; p++) {
		u32 complement = ~*p;

		/* Else the compiler has the secret in a register, that is on the stack. */
		asm volatile("" : "+r"(complement));
		n += complement == (u32)wanted;
	}
	found = n;
	GUEST_DONE();
}

static u64 *spool(u64 **at)
{
	if (*at + 64 > (u64 *)(SPOOL + SPOOL_SIZE))
		*at = (u64 *)SPOOL;
	return *at;
}

static void note(u64 **at, u64 val)
{
	*spool(at) = val;
	(*at)++;
}

/* Everything that reads memory and that an interpreter may have to do. */
static void read_by_all(volatile u64 *p, u64 **at)
{
	u64 i, si, di, cx, v = 0, zero = 0;

	for (i = 0; i < WORDS; i++)
		note(at, p[i]);
	for (i = 0; i < WORDS * 8; i++)
		note(at, ((volatile u8 *)p)[i]);
	si = (u64)p;
	di = (u64)spool(at);
	cx = WORDS;
	asm volatile("rep movsq" : "+S"(si), "+D"(di), "+c"(cx) : : "memory");
	*at = (u64 *)di;
	si = (u64)p;
	asm volatile("lodsq" : "=a"(v), "+S"(si) : : "memory");
	note(at, v);
	asm volatile("movzwl (%1), %k0" : "=r"(v) : "r"(p));
	note(at, v);
	asm volatile("movslq (%1), %0" : "=r"(v) : "r"(p));
	note(at, v);
	asm volatile("xor (%1), %0" : "+r"(v) : "r"(p) : "cc");
	note(at, v);
	si = (u64)p;
	cx = 2 * WORDS;
	asm volatile("rep outsl" : "+S"(si), "+c"(cx) : "d"(WILD_PORT) : "memory");
	si = (u64)p;
	di = (u64)&zero;
	cx = 1;
	asm volatile("repe cmpsq" : "+S"(si), "+D"(di), "+c"(cx) : : "memory", "cc");
	asm volatile("push (%0); pop %1" : : "r"(p), "r"(v) : "memory");
}

/* ... and writes it. */
static void write_by_all(volatile u64 *p, u64 **at)
{
	u64 di, cx, v = 0x1111111111111111;

	p[0] = v;
	((volatile u8 *)p)[1] = v;
	asm volatile("lock xadd %0, (%1)" : "+r"(v) : "r"(p) : "memory", "cc");
	note(at, v);
	asm volatile("xchg %0, (%1)" : "+r"(v) : "r"(p) : "memory");
	note(at, v);
	asm volatile("addq $1, (%0)" : : "r"(p) : "memory", "cc");
	asm volatile("lock cmpxchg %1, (%2)" : "+a"(v) : "r"(v), "r"(p) : "memory", "cc");
	note(at, v);
	di = (u64)p;
	cx = WORDS;
	asm volatile("rep stosq" : "+D"(di), "+c"(cx) : "a"(v) : "memory");
	di = (u64)p;
	cx = WORDS;
	asm volatile("rep insl" : "+D"(di), "+c"(cx) : "d"(WILD_PORT) : "memory");
}

/* Addresses that the kernel itself is to write to, or to read from. */
static void offer_to_the_kernel(u64 gpa)
{
	static const u32 msrs[] = { 0x11,       0x12,       0x4b564d00, 0x4b564d01,
				    0x4b564d02, 0x4b564d03, 0x4b564d04, MSR_VMM_HYPERCALL_PAGE };
	u64 i, nr;

	for (i = 0; i < ARRAY_SIZE(msrs); i++)
		wrmsr_try(msrs[i], gpa | (msrs[i] != 0x11 && msrs[i] != 0x4b564d00));
	for (nr = 0; nr < 16; nr++)
		hypercall(nr, gpa, gpa, gpa, gpa);
	for (nr = 0; nr < VMM_HC_CALLS; nr++)
		hypercall(VMM_HC(nr), gpa, 64, gpa, gpa);
	rounds++;
}

static u64 wild[MAX_WILD];

static void guest_trespass(u64 count)
{
	u64 *at = (u64 *)SPOOL, i;

	for (i = 0; i < count; i++) {
		volatile u64 *p = (u64 *)(WINDOWS + i * PAGE_SIZE);

		read_by_all(p, &at);
		offer_to_the_kernel(wild[i]);
		/* What was offered is written at the next entry. */
		GUEST_SYNC(i);
		write_by_all(p, &at);
	}
	GUEST_DONE();
}

/* ---- the client ---- */

static void no_secrets(struct vcpu *v, const char *what)
{
	struct kvm_regs r = get_regs(v);
	struct kvm_fpu fpu;

	CHECK_EQ(count_secrets(&r, sizeof(r)), 0);
	OK(ioctl(v->fd, KVM_GET_FPU, &fpu));
	CHECK_EQ(count_secrets(&fpu, sizeof(fpu)), 0);
	if (count_secrets(v->run, v->run_size))
		FAIL("%s: the run page has a secret", what);
}

/* Run and serve what the guest asks of this client; false: a ucall, a signal or an end. */
static bool serve(struct vcpu *v, const char *what)
{
	struct kvm_run *run = v->run;

	if (vcpu_run(v)) {
		CHECK(errno == EINTR || errno == EAGAIN || errno == EFAULT);
		return errno == EAGAIN;
	}
	no_secrets(v, what);
	switch (run->exit_reason) {
	case KVM_EXIT_MMIO:
		if (!run->mmio.is_write)
			memset(run->mmio.data, ANSWER, sizeof(run->mmio.data));
		return true;
	case KVM_EXIT_IO:
		if (run->io.port != WILD_PORT)
			return false;
		if (run->io.direction == KVM_EXIT_IO_IN)
			memset((u8 *)run + run->io.data_offset, ANSWER,
			       run->io.size * run->io.count);
		return true;
	case KVM_EXIT_HYPERCALL:
		run->hypercall.ret = 0;
		return true;
	default:
		return false;
	}
}

/* Call @fn, whatever the guest was doing: it may have halted, and have events to take. */
static void call_anew(struct vcpu *v, void *fn, u64 arg)
{
	struct kvm_mp_state mp = { KVM_MP_STATE_RUNNABLE };
	struct kvm_vcpu_events events = { 0 };

	OK(ioctl(v->fd, KVM_SET_MP_STATE, &mp));
	OK(ioctl(v->fd, KVM_SET_VCPU_EVENTS, &events));
	vcpu_call(v, fn, arg);
}

static void search(struct vm *vm, struct vcpu *v, u64 wanted)
{
	call_anew(v, guest_search, not_tag);
	run_done(v);
	CHECK_EQ(G(vm, found), wanted);
	CHECK_EQ(count_secrets(vm->ram, RAM_SIZE), wanted);
}

/* ---- another process with a VM ---- */

struct neighbour {
	u64 gpas[2 * PER_OWNER];
	volatile int ready, leave;
};

static void be_neighbour(struct neighbour *n)
{
	u64 *own = secret_pages(), *ram = secret_pages();
	struct vm *vm = vm_create(0);

	OK(vm_slot(vm, 1, 0, HOLE_BASE, SECRETS, ram));
	vcpu_new(vm, 0, guest_search, not_tag);
	find_pages(own, n->gpas);
	find_pages(ram, n->gpas + PER_OWNER);
	n->ready = 1;
	while (!n->leave)
		host_sleep_ms(5);
	secrets_intact(own, SECRETS, "another process");
	secrets_intact(ram, SECRETS, "another process' VM");
	_exit(0);
}

/* ---- addresses ---- */

static u64 add_wild(struct vm *vm, u64 n, u64 gpa)
{
	if (n == MAX_WILD || gpa < RAM_SIZE)
		return n;
	G(vm, wild)[n] = gpa;
	vm_map(vm, WINDOWS + n * PAGE_SIZE, gpa, PTE_P | PTE_W);
	return n + 1;
}

static u64 address_bits(void)
{
	struct kvm_cpuid2 *c = supported_cpuid();
	struct kvm_cpuid_entry2 *e = cpuid_entry(c, 0x80000008, 0);
	u64 bits = e ? e->eax & 0xff : 36;

	free(c);
	return bits;
}

static u64 add_all_wild(struct vm *vm, const u64 *gpas, u64 count)
{
	u64 i, n = 0, bits = address_bits();

	for (i = 0; i < count; i++)
		n = add_wild(vm, n, gpas[i]);
	CHECK(n >= count / 2);
	n = add_wild(vm, n, RAM_SIZE);
	for (i = 25; i < bits; i += 2) {
		n = add_wild(vm, n, BIT(i));
		n = add_wild(vm, n, BIT(i) - PAGE_SIZE);
	}
	return add_wild(vm, n, BIT(bits) - PAGE_SIZE);
}

struct world {
	struct vm *vm, *other;
	struct vcpu *v;
	u64 *own, *other_ram;
	struct neighbour *neighbour;
	pid_t pid;
	u64 count; /* of wild addresses */
};

static void allow_own_calls(struct vm *vm)
{
	struct kvm_enable_cap cap = { .cap = VMM_CAP_HYPERCALLS };
	int calls = dev_cap(VMM_CAP_HYPERCALLS);

	if (calls <= 0)
		return;
	cap.args[0] = calls;
	OK(ioctl(vm->fd, KVM_ENABLE_CAP, &cap));
}

/* A tag that neither code nor data of a guest has as a word, nor addresses of the kernel. */
static void draw_tag(void)
{
	struct vm *image = vm_create(0);

	do {
		CHECK_EQ(getrandom(&not_tag, 4, 0), 4);
		not_tag |= 0x00800080;
	} while (count_secrets(image->ram, RAM_SIZE));
	vm_free(image);
}

static struct world world_new(void)
{
	struct world w = { 0 };
	u64 gpas[OWNERS * PER_OWNER];

	draw_tag();
	w.neighbour =
		mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(w.neighbour != MAP_FAILED);
	w.pid = OK(fork());
	if (!w.pid)
		be_neighbour(w.neighbour);
	w.own = secret_pages();
	w.other_ram = secret_pages();
	w.other = vm_create(0);
	OK(vm_slot(w.other, 1, 0, HOLE_BASE, SECRETS, w.other_ram));
	w.vm = vm_create(VM_IRQCHIP);
	allow_own_calls(w.vm);
	w.v = vcpu_new(w.vm, 0, guest_search, not_tag);
	while (!w.neighbour->ready)
		host_sleep_ms(5);
	find_pages(w.own, gpas);
	find_pages(w.other_ram, gpas + PER_OWNER);
	memcpy(gpas + 2 * PER_OWNER, w.neighbour->gpas, sizeof(w.neighbour->gpas));
	w.count = add_all_wild(w.vm, gpas, ARRAY_SIZE(gpas));
	return w;
}

static void world_intact(struct world *w)
{
	int status;

	search(w->vm, w->v, 0);
	secrets_intact(w->own, SECRETS, "this process");
	secrets_intact(w->other_ram, SECRETS, "another VM");
	w->neighbour->leave = 1;
	CHECK_EQ(OK(waitpid(w->pid, &status, 0)), w->pid);
	CHECK_EQ(status, 0);
}

/* The search finds what is there; loads, string I/O, the interpreter, the kernel: nothing. */
CASE(memory, .timeout = 120)
{
	struct world w = world_new();
	u64 *spare = gpa_hva(w.vm, FREE_BASE + 2 * MiB), i;

	for (i = 0; i < 3; i++)
		spare[i * 777] = secret(1);
	search(w.vm, w.v, 3);
	for (i = 0; i < 3; i++)
		spare[i * 777] = 0;
	search(w.vm, w.v, 0);

	vcpu_call(w.v, guest_trespass, w.count);
	for (i = 0; i <= w.count; i++) {
		while (serve(w.v, "trespass"))
			;
		CHECK(vcpu_take_ucall(w.v));
		CHECK_EQ(w.v->uc.kind, i < w.count ? UCALL_SYNC : UCALL_DONE);
	}
	CHECK_EQ(G(w.vm, rounds), w.count);
	/* That is what it has read. */
	CHECK_EQ(*(u64 *)gpa_hva(w.vm, SPOOL), 0x5a5a5a5a5a5a5a5a);
	world_intact(&w);
}

/* ---- tables, code and stacks in memory of others ---- */

static void guest_load_segment(void)
{
	asm volatile("mov %0, %%ds" : : "r"(SEL_DATA) : "memory");
	GUEST_DONE();
}

static void guest_trap(void)
{
	asm volatile("int3");
	GUEST_DONE();
}

static void guest_load_ldt(void)
{
	asm volatile("mov %0, %%es" : : "r"(0x0c) : "memory");
	GUEST_DONE();
}

static void guest_pop(void)
{
	asm volatile("pop %%rax; pop %%rbx; pop %%rcx; pop %%rdx; hlt" : : : "memory");
}

static void guest_nothing(void)
{
	GUEST_DONE();
}

static void guest_fxrstor(u64 gva)
{
	asm volatile("fxrstor64 (%0)" : : "r"(gva) : "memory");
	GUEST_DONE();
}

static void guest_load_xmm(u64 gva)
{
	asm volatile("movups (%0), %%xmm0; movups 16(%0), %%xmm1" : : "r"(gva) : "memory");
	GUEST_DONE();
}

static void guest_iret(void)
{
	asm volatile("iretq" : : : "memory");
}

/* What of a vCPU points to where others are. */
enum target { CR3, PML4E, PTE, GDT, LDT, IDT, TSS, CODE, STACK, DATA, TARGETS };

static void aim(struct vcpu *v, enum target what, u64 gpa, u64 gva)
{
	static void *const fn[] = {
		[CR3] = guest_nothing,      [PML4E] = guest_nothing, [PTE] = guest_nothing,
		[GDT] = guest_load_segment, [LDT] = guest_load_ldt,  [IDT] = guest_trap,
		[TSS] = guest_trap,         [CODE] = guest_nothing,  [STACK] = guest_pop,
		[DATA] = guest_fxrstor,
	};
	u64 *spare = gpa_hva(v->vm, FREE_BASE + 4 * MiB);
	struct kvm_sregs s;
	struct kvm_regs r;

	call_anew(v, fn[what], gva);
	s = get_sregs(v);
	r = get_regs(v);
	memset(spare, 0, 2 * PAGE_SIZE);
	switch (what) {
	case CR3:
		s.cr3 = gpa;
		break;
	case PML4E:
		spare[0] = gpa | PTE_P | PTE_W;
		s.cr3 = FREE_BASE + 4 * MiB;
		break;
	case PTE:
		spare[0] = (FREE_BASE + 4 * MiB + PAGE_SIZE) | PTE_P | PTE_W;
		spare[512] = gpa | PTE_P | PTE_W;
		s.cr3 = FREE_BASE + 4 * MiB;
		break;
	case GDT:
		s.gdt.base = gva;
		break;
	case LDT:
		s.ldt = (struct kvm_segment){
			.base = gva, .limit = 0xfff, .type = 2, .present = 1, .selector = SEL_DATA
		};
		break;
	case IDT:
		s.idt.base = gva;
		break;
	case TSS:
		s.tr.base = gva;
		/* A gate that changes the stack by IST 1. */
		((u64 *)gpa_hva(v->vm, IDT_BASE))[2 * BP_VECTOR] |= 1ull << 32;
		break;
	case CODE:
		r.rip = gva;
		break;
	case STACK:
		r.rsp = gva + 8;
		break;
	default:
		break;
	}
	set_sregs(v, &s);
	set_regs(v, &r);
}

#define SERVINGS 200
#define PATIENCE 20000 /* microseconds, for a guest that halts or goes round in circles */

static void on_alarm(int sig)
{
	(void)sig;
}

static void see_nothing(struct world *w, struct vcpu *v, const char *what)
{
	struct itimerval timer = { .it_value.tv_usec = PATIENCE, .it_interval.tv_usec = PATIENCE };
	struct sigaction sa = { .sa_handler = on_alarm };
	int i;

	OK(sigaction(SIGALRM, &sa, NULL));
	OK(setitimer(ITIMER_REAL, &timer, NULL));
	for (i = 0; i < SERVINGS && serve(v, what); i++)
		;
	memset(&timer, 0, sizeof(timer));
	OK(setitimer(ITIMER_REAL, &timer, NULL));
	no_secrets(v, what);
	/* It may have ended in the middle of an access, of a triple fault, of anything. */
	((u64 *)gpa_hva(w->vm, IDT_BASE))[2 * BP_VECTOR] &= ~(7ull << 32);
}

CASE(tables, .timeout = 120)
{
	static void *const more[] = { guest_load_xmm, guest_iret };
	struct world w = world_new();
	enum target what;
	u64 i, j;

	for (i = 0; i < w.count; i += test_slow() ? 13 : 5) {
		u64 gva = WINDOWS + i * PAGE_SIZE, gpa = G(w.vm, wild)[i];
		char name[64];

		for (what = 0; what < TARGETS; what++) {
			snprintf(name, sizeof(name), "target %d at %#llx", what, gpa);
			aim(w.v, what, gpa, gva);
			see_nothing(&w, w.v, name);
		}
		for (j = 0; j < ARRAY_SIZE(more); j++) {
			struct kvm_regs r;

			call_anew(w.v, more[j], gva);
			r = get_regs(w.v);
			if (more[j] == guest_iret)
				r.rsp = gva;
			set_regs(w.v, &r);
			see_nothing(&w, w.v, "instruction");
		}
		if (count_secrets(w.vm->ram, RAM_SIZE))
			FAIL("the guest has a secret of %#llx", gpa);
	}
	world_intact(&w);
}

/* ---- memory that goes from one to the next ---- */

#define AREA_SIZE (8 * MiB)

static void guest_fill(u64 pattern)
{
	u64 i;

	for (i = 0; i < AREA_SIZE / 8; i++)
		((volatile u64 *)HOLE_BASE)[i] = pattern;
	GUEST_DONE();
}

static void guest_all_zero(u64 bytes)
{
	u64 i;

	for (i = 0; i < bytes / 8; i++)
		GASSERT_EQ(((volatile u64 *)HOLE_BASE)[i], 0);
	GUEST_DONE();
}

static void filled_vm(u64 pattern)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_all_zero, AREA_SIZE);
	void *area = vm_add_ram(vm, 1, 0, HOLE_BASE, AREA_SIZE);

	run_done(v);
	vcpu_call(v, guest_fill, pattern);
	run_done(v);
	vcpu_free(v);
	vm_free(vm);
	OK(munmap(area, AREA_SIZE));
}

/* What the host takes away is gone for the guest at once; what it gives instead is empty. */
static void taken_away(int how)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_fill, 0x7777777777777777);
	u8 *area = vm_add_ram(vm, 1, 0, HOLE_BASE, AREA_SIZE);

	run_done(v);
	if (how == 0)
		OK(madvise(area, AREA_SIZE, MADV_DONTNEED));
	if (how == 1)
		CHECK(mmap(area, AREA_SIZE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == area);
	if (how == 2) {
		OK(vm_slot(vm, 1, 0, HOLE_BASE, 0, area));
		vm_add_ram(vm, 1, 0, HOLE_BASE, AREA_SIZE);
	}
	vcpu_call(v, guest_all_zero, AREA_SIZE);
	run_done(v);
	vcpu_free(v);
	vm_free(vm);
	OK(munmap(area, AREA_SIZE));
}

CASE(fresh_memory, .timeout = 60)
{
	int i, status;

	for (i = 0; i < 4; i++) {
		pid_t pid = OK(fork());

		if (!pid) {
			filled_vm(0x7777777777777777);
			_exit(0);
		}
		CHECK_EQ(OK(waitpid(pid, &status, 0)), pid);
		CHECK_EQ(status, 0);
		filled_vm(0x8888888888888888);
	}
	for (i = 0; i < 3; i++)
		taken_away(i);
}

/* Pages of the kernel that user space and guests write to and read. */
CASE(fresh_pages)
{
	struct kvm_enable_cap ring = { .cap = KVM_CAP_DIRTY_LOG_RING, .args = { 65536 } };
	bool rings = dev_cap(KVM_CAP_DIRTY_LOG_RING) > 0;
	u64 i, j, k;

	for (i = 0; i < 8; i++) {
		struct vm *vm = vm_create(0);

		if (rings)
			OK(ioctl(vm->fd, KVM_ENABLE_CAP, &ring));
		for (j = 0; j < 8; j++) {
			struct vcpu *v = vcpu_add(vm, j);
			const u64 *run = (u64 *)v->run, *entries;

			/* The last page is the VM's. */
			for (k = 0; k < (v->run_size - (j ? PAGE_SIZE : 0)) / 8; k++)
				if (run[k])
					FAIL("word %llu of a new run page is %#llx", k, run[k]);
			memset(v->run, 0x77, v->run_size);
			if (rings) {
				entries = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED,
					       v->fd, KVM_DIRTY_LOG_PAGE_OFFSET * PAGE_SIZE);
				CHECK(entries != MAP_FAILED);
				for (k = 0; k < 65536 / 8; k++)
					if (entries[k])
						FAIL("word %llu of a new ring is %#llx", k,
						     entries[k]);
				memset((void *)entries, 0x77, 65536);
				OK(munmap((void *)entries, 65536));
			}
			vcpu_free(v);
		}
		vm_free(vm);
	}
}

/* Fill pages that the kernel shares with this process, and have a pipe keep them. */
static int kept(void *pages, size_t size)
{
	struct iovec iov = { pages, size };
	int fds[2];

	memset(pages, 0x77, size);
	OK(pipe(fds));
	OK(fcntl(fds[1], F_SETPIPE_SZ, (int)size));
	CHECK_EQ(vmsplice(fds[1], &iov, 1, 0), size);
	OK(close(fds[1]));
	OK(munmap(pages, size));
	return fds[0];
}

static void check_wiped(int pipe, size_t size, const char *what)
{
	u8 *bytes = malloc(size);
	size_t i;

	CHECK_EQ(read(pipe, bytes, size), size);
	for (i = 0; i < size; i++)
		if (bytes[i])
			FAIL("%s: byte %zu is %#x, and the VM is gone", what, i, bytes[i]);
	free(bytes);
	OK(close(pipe));
}

/* What a VM leaves in free memory: pages that somebody still holds show it. */
CASE(freed_pages, .oracle = "in-tree KVM leaves it to whoever gets the memory next")
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_DIRTY_LOG_RING, .args = { 65536 } };
	bool rings = dev_cap(KVM_CAP_DIRTY_LOG_RING) > 0;
	struct vm *vm = vm_create(0);
	struct vcpu *v;
	int run, ring = -1;
	size_t size;
	void *entries;

	if (rings)
		OK(ioctl(vm->fd, KVM_ENABLE_CAP, &cap));
	v = vcpu_add(vm, 0);
	size = v->run_size;
	run = kept(v->run, size);
	if (rings) {
		entries = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd,
			       KVM_DIRTY_LOG_PAGE_OFFSET * PAGE_SIZE);
		CHECK(entries != MAP_FAILED);
		ring = kept(entries, 65536);
	}
	OK(close(v->fd));
	free(v);
	vm_free(vm);
	check_wiped(run, size, "run pages");
	if (rings)
		check_wiped(ring, 65536, "ring");
}
