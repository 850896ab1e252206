// SPDX-License-Identifier: GPL-2.0
/*
 * Random states. What a KVM_SET_* refuses leaves the vCPU as it was; what it takes can be read, set
 * again as read, and entered: the run ends in an exit, in the guest's loop or in a documented
 * error, and the vCPU is as good as new with a good state.
 */
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "vm.h"

#define SUITE "random_state"

#define GROUP_MAX     4096
#define STATES        4000 /* in a case, on a fast kernel */
#define PER_VM        200
#define RUN_NS        300000
#define LAPIC_CURRENT 0x390 /* the timer's count: it moves */

/* Part of a vCPU's state, with the ioctls that read and set it. */
struct group {
	const char *name;
	unsigned long get, set;
	size_t size;
	long cap;     /* 0: always there */
	bool irqchip; /* only with one in the kernel */
};

static const struct group groups[] = {
	{ "regs", KVM_GET_REGS, KVM_SET_REGS, sizeof(struct kvm_regs), 0, false },
	{ "sregs", KVM_GET_SREGS, KVM_SET_SREGS, sizeof(struct kvm_sregs), 0, false },
	{ "sregs2", KVM_GET_SREGS2, KVM_SET_SREGS2, sizeof(struct kvm_sregs2), KVM_CAP_SREGS2,
	  false },
	{ "fpu", KVM_GET_FPU, KVM_SET_FPU, sizeof(struct kvm_fpu), 0, false },
	{ "xsave", KVM_GET_XSAVE, KVM_SET_XSAVE, sizeof(struct kvm_xsave), KVM_CAP_XSAVE, false },
	{ "xcrs", KVM_GET_XCRS, KVM_SET_XCRS, sizeof(struct kvm_xcrs), KVM_CAP_XCRS, false },
	{ "debugregs", KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS, sizeof(struct kvm_debugregs),
	  KVM_CAP_DEBUGREGS, false },
	{ "events", KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS, sizeof(struct kvm_vcpu_events),
	  KVM_CAP_VCPU_EVENTS, false },
	{ "mp_state", KVM_GET_MP_STATE, KVM_SET_MP_STATE, sizeof(struct kvm_mp_state),
	  KVM_CAP_MP_STATE, false },
	{ "lapic", KVM_GET_LAPIC, KVM_SET_LAPIC, sizeof(struct kvm_lapic_state), 0, true },
};

static u64 seed;
static struct vcpu *victim;
static struct kvm_msr_list *msrs;
static unsigned int taken, refused, entered;

static u64 draw(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static u64 below(u64 n)
{
	return draw() % n;
}

/* A value as attackers and accidents have them. */
static u64 odd_value(u64 old)
{
	switch (below(8)) {
	case 0:
		return 0;
	case 1:
		return ~0ull;
	case 2:
		return old ^ BIT(below(64));
	case 3:
		return BIT(below(64)) - below(3);
	case 4:
		return 0xffff800000000000ull ^ draw() >> 17;
	case 5:
		return below(RAM_SIZE);
	case 6:
		return old ^ BIT(below(64)) ^ BIT(below(16));
	default:
		return draw();
	}
}

static void mutate(u8 *state, size_t size)
{
	unsigned int i, n = 1 + below(3);

	for (i = 0; i < n; i++) {
		/* Beginnings have the registers and flags, the rest may be thousands of bytes. */
		size_t at = below(below(2) ? size : size < 512 ? size : 512);
		u64 word = 0, len = 8;

		at &= ~(below(2) ? 7ull : 0);
		if (len > size - at)
			len = size - at;
		memcpy(&word, state + at, len);
		word = odd_value(word);
		memcpy(state + at, &word, below(2) && len > 1 ? 1 : len);
	}
}

static bool has(const struct group *g)
{
	return (!g->cap || dev_cap(g->cap) > 0) && (!g->irqchip || victim->vm->irqchip);
}

static void get(const struct group *g, u8 *state)
{
	memset(state, 0, g->size);
	if (ioctl(victim->fd, g->get, state))
		FAIL("%s: getting it fails with errno %d", g->name, errno);
	if (g->irqchip)
		memset(state + LAPIC_CURRENT, 0, 4);
}

/* Bits of a byte that may be another a moment later: the timer's interrupt, once it runs out. */
static u8 comes(const struct group *g, const u8 *state, size_t i)
{
	u8 vector = state[APIC_LVTT];

	if (!g->irqchip || i != APIC_IRR + vector / 32 * 16 + vector % 32 / 8u)
		return 0;
	return 1u << vector % 8;
}

/* Equal, as far as time does not change it; says where not. */
static void same(const struct group *g, const u8 *a, const u8 *b, const char *what)
{
	size_t i;

	for (i = 0; i < g->size; i++)
		if ((a[i] ^ b[i]) & ~comes(g, a, i))
			FAIL("%s: %s, byte %zu was %#x and is %#x", g->name, what, i, a[i], b[i]);
}

/* QEMU exits ("fatal: invalid tss") where a guest's event changes CPL without a usable one. */
static void keep_tss(const struct group *g, u8 *wish, const u8 *before)
{
	if (!test_is_tcg() || (g->get != KVM_GET_SREGS && g->get != KVM_GET_SREGS2))
		return;
	memcpy(wish + offsetof(struct kvm_sregs, tr), before + offsetof(struct kvm_sregs, tr),
	       sizeof(struct kvm_segment));
}

static void try_group(const struct group *g)
{
	static u8 before[GROUP_MAX], wish[GROUP_MAX], after[GROUP_MAX], again[GROUP_MAX];

	if (!has(g))
		return;
	get(g, before);
	memcpy(wish, before, g->size);
	mutate(wish, g->size);
	keep_tss(g, wish, before);
	if (ioctl(victim->fd, g->set, wish)) {
		if (errno != EINVAL)
			FAIL("%s: setting it fails with errno %d", g->name, errno);
		get(g, after);
		same(g, before, after, "refused");
		refused++;
		return;
	}
	taken++;
	get(g, after);
	if (ioctl(victim->fd, g->set, after))
		FAIL("%s: what was read is refused with errno %d", g->name, errno);
	get(g, again);
	same(g, after, again, "set as it was read");
}

/* Those that run, or that tell something else than what was written. */
static bool msr_moves(u32 index)
{
	return index == 0x10 || index == 0x3b || index == 0x6e0 || index == 0x12 ||
	       index == 0x4b564d01 || index == 0x40000020;
}

static void try_msr(void)
{
	u32 index = msrs->indices[below(msrs->nmsrs)];
	u64 before, after, again;

	if (!try_get_msr(victim, index, &before))
		return;
	if (set_msr(victim, index, odd_value(before)) != 1) {
		CHECK(try_get_msr(victim, index, &after));
		if (after != before && !msr_moves(index))
			FAIL("MSR %#x: refused, but changed from %#llx to %#llx", index, before,
			     after);
		refused++;
		return;
	}
	taken++;
	if (!try_get_msr(victim, index, &after))
		FAIL("MSR %#x: cannot be read after it was written", index);
	if (set_msr(victim, index, after) != 1)
		FAIL("MSR %#x: %#llx was read and is refused", index, after);
	CHECK(try_get_msr(victim, index, &again));
	if (again != after && !msr_moves(index))
		FAIL("MSR %#x: %#llx was read, set, and is %#llx", index, after, again);
}

static void on_alarm(int sig)
{
	(void)sig;
	victim->run->immediate_exit = 1;
}

static void run_for_a_moment(timer_t timer)
{
	const struct itimerspec soon = { .it_value.tv_nsec = RUN_NS };
	const struct itimerspec never = { 0 };
	int err = 0;

	victim->run->exit_reason = KVM_EXIT_UNKNOWN;
	OK(timer_settime(timer, 0, &soon, NULL));
	if (ioctl(victim->fd, KVM_RUN, 0))
		err = errno;
	OK(timer_settime(timer, 0, &never, NULL));
	victim->run->immediate_exit = 0;
	entered++;
	if (err && err != EINTR && err != EAGAIN)
		FAIL("KVM_RUN: errno %d", err);
	if (!err && victim->run->exit_reason == KVM_EXIT_UNKNOWN)
		FAIL("KVM_RUN: exit reason 0, %#llx", victim->run->hw.hardware_exit_reason);
	/* Complete what user space was asked for, if there is not more of it. */
	victim->run->immediate_exit = 1;
	if (ioctl(victim->fd, KVM_RUN, 0) && errno != EINTR)
		FAIL("KVM_RUN with immediate_exit: errno %d", errno);
	victim->run->immediate_exit = 0;
}

static void guest_done(void)
{
	GUEST_DONE();
}

static struct vm *new_victim(unsigned int flags)
{
	struct vm *vm = vm_create(flags);
	unsigned int i;

	victim = vcpu_new(vm, 0, guest_done, 0);
	/* Whatever the states point to: code, stacks and tables of no sense. */
	for (i = 0; i < 0x10000; i += 8)
		*(u64 *)gpa_hva(vm, FREE_BASE + i) = draw();
	return vm;
}

/* For longer runs, and to repeat one. */
static u64 setting(const char *name, u64 otherwise)
{
	const char *value = getenv(name);

	return value ? strtoull(value, NULL, 0) : otherwise;
}

static void random_states(unsigned int flags, u64 start)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
	unsigned int i, n = setting("VMM_STATES", test_rounds(STATES));
	struct vm *vm = NULL;
	timer_t timer;

	seed = setting("VMM_SEED", start);
	msrs = msr_list(KVM_GET_MSR_INDEX_LIST);
	OK(sigaction(SIGALRM, &sa, NULL));
	OK(timer_create(CLOCK_MONOTONIC, &ev, &timer));
	for (i = 0; i < n; i++) {
		unsigned int parts = 1 + below(4);

		if (i % PER_VM == 0) {
			if (vm) {
				vcpu_free(victim);
				vm_free(vm);
			}
			vm = new_victim(flags);
		}
		while (parts--) {
			if (below(4))
				try_group(&groups[below(ARRAY_SIZE(groups))]);
			else
				try_msr();
		}
		run_for_a_moment(timer);
	}
	printf("figure %u random states entered\n", entered);
	printf("%u changes taken, %u refused\n", taken, refused);
	CHECK(taken && refused && entered == n);
	vcpu_free(victim);
	vm_free(vm);
	/* And the host is as it was. */
	run_done(vcpu_new(vm_create(flags), 0, guest_done, 0));
}

CASE(bare, .timeout = 120)
{
	random_states(0, 0x9e3779b97f4a7c15);
}

CASE(with_irqchip, .timeout = 120)
{
	random_states(VM_IRQCHIP | VM_PIT, 0x2545f4914f6cdd1d);
}
