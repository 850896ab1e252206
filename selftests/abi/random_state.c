// SPDX-License-Identifier: GPL-2.0
/*
 * Random states. What a KVM_SET_* refuses leaves all as it was; what it takes can be read, set
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

#define GROUP_MAX    4096
#define STATES       4000 /* in a case, on a fast kernel */
#define PER_VM       200
#define RUN_NS       300000
#define CLOCK_MAX_NS 600000000000ull

/* Part of a vCPU's or VM's state, with the ioctls that read and set it. */
struct group {
	const char *name;
	unsigned long get, set;
	size_t size;
	long cap;     /* 0: always there */
	bool irqchip; /* only with one in the kernel */
	bool vm;      /* asked for at the VM's descriptor */
	u32 chip;     /* of KVM_GET_IRQCHIP */
};

#define STATE(what, ask, type, ...)                                       \
	{                                                                 \
		.name = what, .get = KVM_GET_##ask, .set = KVM_SET_##ask, \
		.size = sizeof(struct type), __VA_ARGS__                  \
	}
#define CHIP(what, nr) STATE(what, IRQCHIP, kvm_irqchip, .chip = nr, .irqchip = true, .vm = true)

static const struct group groups[] = {
	STATE("regs", REGS, kvm_regs, .cap = 0),
	STATE("sregs", SREGS, kvm_sregs, .cap = 0),
	STATE("sregs2", SREGS2, kvm_sregs2, .cap = KVM_CAP_SREGS2),
	STATE("fpu", FPU, kvm_fpu, .cap = 0),
	STATE("xsave", XSAVE, kvm_xsave, .cap = KVM_CAP_XSAVE),
	{ .name = "xsave2",
	  .get = KVM_GET_XSAVE2,
	  .set = KVM_SET_XSAVE,
	  .size = sizeof(struct kvm_xsave),
	  .cap = KVM_CAP_XSAVE2 },
	STATE("xcrs", XCRS, kvm_xcrs, .cap = KVM_CAP_XCRS),
	STATE("debugregs", DEBUGREGS, kvm_debugregs, .cap = KVM_CAP_DEBUGREGS),
	STATE("events", VCPU_EVENTS, kvm_vcpu_events, .cap = KVM_CAP_VCPU_EVENTS),
	STATE("mp_state", MP_STATE, kvm_mp_state, .cap = KVM_CAP_MP_STATE),
	STATE("lapic", LAPIC, kvm_lapic_state, .irqchip = true),
	STATE("pit", PIT2, kvm_pit_state2, .irqchip = true, .vm = true),
	CHIP("pic", KVM_IRQCHIP_PIC_MASTER),
	CHIP("slave pic", KVM_IRQCHIP_PIC_SLAVE),
	CHIP("ioapic", KVM_IRQCHIP_IOAPIC),
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

static int ask(const struct group *g, unsigned long request, u8 *state)
{
	if (request == KVM_GET_IRQCHIP || request == KVM_SET_IRQCHIP)
		memcpy(state, &g->chip, sizeof(g->chip));
	return ioctl(g->vm ? victim->vm->fd : victim->fd, request, state);
}

static void get(const struct group *g, u8 *state)
{
	memset(state, 0, g->size);
	if (ask(g, g->get, state))
		FAIL("%s: getting it fails with errno %d", g->name, errno);
}

/* The vector of the I/O APIC's first entry. */
static u8 first_pin(void)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };

	OK(ioctl(victim->vm->fd, KVM_GET_IRQCHIP, &chip));
	return chip.chip.ioapic.redirtbl[0].fields.vector;
}

/* How the PIT's line is delivered, by the local APIC and by the I/O APIC: a bit for each mode. */
#define DELIVERY_NMI  4
#define DELIVERY_INIT 5

static u32 wired;

static u32 wiring(void)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	struct kvm_lapic_state apic;

	if (!victim->vm->irqchip)
		return 0;
	OK(ioctl(victim->vm->fd, KVM_GET_IRQCHIP, &chip));
	OK(ioctl(victim->fd, KVM_GET_LAPIC, &apic));
	return BIT(chip.chip.ioapic.redirtbl[0].fields.delivery_mode) |
	       BIT(apic.regs[APIC_LVT0 + 1] & 7);
}

/*
 * Bits of a byte of the APIC that may be another a moment later: the timer's count; what it is
 * wired to may have an interrupt accepted, which changes IRR and TMR.
 */
static u8 apic_moves(const u8 *apic, size_t i)
{
	const u8 vectors[] = { apic[APIC_LVTT], apic[APIC_LVT0], apic[APIC_LVTERR], first_pin() };
	u8 bits = 0;
	size_t v, at;

	/* A vector below 16 is an error. */
	if (i / 4 == APIC_TMCCT / 4 || i / 4 == APIC_ESR / 4)
		return 0xff;
	for (v = 0; v < ARRAY_SIZE(vectors); v++) {
		at = vectors[v] / 32 * 16 + vectors[v] % 32 / 8u;
		if (i == APIC_IRR + at || i == APIC_TMR + at)
			bits |= BIT(vectors[v] % 8);
	}
	return bits;
}

/* Likewise of the controllers that the PIT's channel 0 is wired to, both by their line 0. */
static u8 chip_moves(const struct group *g, size_t i)
{
	const size_t chip = offsetof(struct kvm_irqchip, chip);
	const size_t rte = chip + offsetof(struct kvm_ioapic_state, redirtbl);

	if (g->chip == KVM_IRQCHIP_PIC_MASTER)
		return i == chip + offsetof(struct kvm_pic_state, last_irr) ||
		       i == chip + offsetof(struct kvm_pic_state, irr);
	if (g->chip == KVM_IRQCHIP_PIC_SLAVE)
		return 0;
	if (i == chip + offsetof(struct kvm_ioapic_state, irr))
		return 1;
	/* Remote IRR is bit 14. */
	return i == rte + 1 ? BIT(14 - 8) : 0;
}

/* Bits of a byte that time may change. */
static u8 moves(const struct group *g, const u8 *state, size_t i)
{
	const size_t loaded = offsetof(struct kvm_pit_channel_state, count_load_time);

	if (g->get == KVM_GET_LAPIC)
		return apic_moves(state, i);
	if (g->get == KVM_GET_IRQCHIP)
		return chip_moves(g, i);
	if (g->get == KVM_GET_VCPU_EVENTS && wired & BIT(DELIVERY_NMI))
		return i == offsetof(struct kvm_vcpu_events, nmi.pending) ? 0xff : 0;
	if (g->get == KVM_GET_MP_STATE && wired & BIT(DELIVERY_INIT))
		return 0xff;
	/* The first channel starts its count when it is set. */
	return g->get == KVM_GET_PIT2 && i >= loaded && i < loaded + 8 ? 0xff : 0;
}

/* Equal, as far as time does not change it; says where not. */
static void same(const struct group *g, const u8 *a, const u8 *b, const char *what)
{
	size_t i;

	for (i = 0; i < g->size; i++)
		if (a[i] != b[i] && (a[i] ^ b[i]) & ~moves(g, a, i))
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
	/* One's number is no state. */
	size_t skip = g->get == KVM_GET_IRQCHIP ? offsetof(struct kvm_irqchip, chip) : 0;

	if (!has(g))
		return;
	wired = wiring();
	get(g, before);
	memcpy(wish, before, g->size);
	mutate(wish + skip, g->size - skip);
	keep_tss(g, wish, before);
	if (ask(g, g->set, wish)) {
		if (errno != EINVAL)
			FAIL("%s: setting it fails with errno %d", g->name, errno);
		get(g, after);
		same(g, before, after, "refused");
		refused++;
		return;
	}
	taken++;
	get(g, after);
	if (ask(g, g->set, after))
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

/* The VM's clock runs: it is not before what was set, nor minutes after it. */
static void try_clock(void)
{
	struct kvm_clock_data wish = { 0 }, after = { 0 };

	wish.clock = odd_value(wish.clock);
	wish.realtime = odd_value(wish.realtime);
	wish.host_tsc = odd_value(wish.host_tsc);
	wish.flags = below(2) ? 0 : odd_value(0);
	if (ioctl(victim->vm->fd, KVM_SET_CLOCK, &wish)) {
		CHECK_EQ(errno, EINVAL);
		refused++;
		return;
	}
	taken++;
	OK(ioctl(victim->vm->fd, KVM_GET_CLOCK, &after));
	if (!wish.flags && after.clock - wish.clock > CLOCK_MAX_NS)
		FAIL("clock: set to %#llx, %#llx was read", wish.clock, after.clock);
	OK(ioctl(victim->vm->fd, KVM_SET_CLOCK, &after));
}

static void try_khz_of(int fd)
{
	int before = ioctl(fd, KVM_GET_TSC_KHZ, 0), after;
	u32 wish = odd_value(before);

	CHECK(before > 0);
	if (ioctl(fd, KVM_SET_TSC_KHZ, (unsigned long)wish)) {
		CHECK_EQ(errno, EINVAL);
		CHECK_EQ(ioctl(fd, KVM_GET_TSC_KHZ, 0), before);
		refused++;
		return;
	}
	taken++;
	after = ioctl(fd, KVM_GET_TSC_KHZ, 0);
	OK(ioctl(fd, KVM_SET_TSC_KHZ, (long)after));
	CHECK_EQ(ioctl(fd, KVM_GET_TSC_KHZ, 0), after);
}

static void try_tsc_khz(void)
{
	try_khz_of(victim->fd);
}

static void try_tsc_offset(void)
{
	u64 wish = draw(), after = 0;
	struct kvm_device_attr set = { .group = KVM_VCPU_TSC_CTRL,
				       .attr = KVM_VCPU_TSC_OFFSET,
				       .addr = (unsigned long)&wish };
	struct kvm_device_attr got = set;

	got.addr = (unsigned long)&after;
	OK(ioctl(victim->fd, KVM_SET_DEVICE_ATTR, &set));
	OK(ioctl(victim->fd, KVM_GET_DEVICE_ATTR, &got));
	CHECK_EQ(after, wish);
	taken++;
}

/* Nobody reads it back: the next run shows what it does. */
static void try_guest_debug(void)
{
	struct kvm_guest_debug debug = { 0 };

	if (below(2))
		mutate((u8 *)&debug, sizeof(debug));
	if (!ioctl(victim->fd, KVM_SET_GUEST_DEBUG, &debug)) {
		taken++;
		return;
	}
	CHECK_EQ(errno, EINVAL);
	refused++;
}

/* CPUID is for the time before the first run. */
static void try_cpuid(void)
{
	struct kvm_cpuid2 *wish = supported_cpuid(), *after = supported_cpuid();
	const size_t entry = sizeof(wish->entries[0]);
	u32 nent = wish->nent;

	mutate((u8 *)wish->entries, nent * entry);
	if (ioctl(victim->fd, KVM_SET_CPUID2, wish)) {
		CHECK_EQ(errno, EINVAL);
		refused++;
	} else {
		taken++;
	}
	OK(ioctl(victim->fd, KVM_GET_CPUID2, after));
	OK(ioctl(victim->fd, KVM_SET_CPUID2, after));
	memset(wish->entries, 0, nent * entry);
	wish->nent = nent;
	OK(ioctl(victim->fd, KVM_GET_CPUID2, wish));
	CHECK(wish->nent == after->nent && !memcmp(wish->entries, after->entries, nent * entry));
	free(wish);
	free(after);
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

static void try_something(void)
{
	static void (*const others[])(void) = { try_clock, try_tsc_khz, try_tsc_offset,
						try_guest_debug };

	if (below(16) == 0)
		others[below(ARRAY_SIZE(others))]();
	else if (below(4))
		try_group(&groups[below(ARRAY_SIZE(groups))]);
	else
		try_msr();
}

static void guest_done(void)
{
	GUEST_DONE();
}

static struct vm *new_victim(unsigned int flags)
{
	struct vm *vm = vm_create(flags);
	unsigned int i;

	/* The frequency of those to come, that is. */
	try_khz_of(vm->fd);
	victim = vcpu_new(vm, 0, guest_done, 0);
	if (below(2))
		try_cpuid();
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
		while (parts--)
			try_something();
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
