// SPDX-License-Identifier: GPL-2.0
/*
 * Guests that mean harm: whatever they do to their tables, registers, devices and one another ends
 * in faults and exits of their own, and a sane VM beside them goes on. See hostile.c.
 */
#include <signal.h>
#include <string.h>
#include "hostile.h"

#define SUITE "hostile_guest"

#define CPUS 4

/* ---- in the guest ---- */

static u64 guest_seed[CPUS];

static u64 guest_rnd(void)
{
	u64 *s = &guest_seed[this_cpu()->id % CPUS];

	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

static void guest_begin(u64 seed)
{
	guest_seed[this_cpu()->id % CPUS] = seed | 1;
}

/* Memory, devices, nothing at all, or no address. */
static u64 guest_place(void)
{
	u64 r = guest_rnd();

	switch (r % 7) {
	case 0:
		return HOLE_BASE + (r >> 44);
	case 1:
		return APIC_BASE + (r >> 52);
	case 2:
		return IOAPIC_BASE + (r >> 52);
	case 3:
		return r;
	case 4:
		return RAM_SIZE - (r >> 61);
	default:
		return FREE_BASE + (r >> 8) % (RAM_SIZE - FREE_BASE);
	}
}

static void touch(u64 gva)
{
	u64 v = guest_rnd();

	switch (v % 5) {
	case 0:
		TRY("movq %0, (%1)", : : "r"(v), "r"(gva) : "memory");
		break;
	case 1:
		TRY("lock incl (%0)", : : "r"(gva) : "memory");
		break;
	case 2:
		TRY("xchgb %b0, (%1)", : "+q"(v) : "r"(gva) : "memory");
		break;
	default:
		TRY("movq (%1), %0", : "=r"(v) : "r"(gva) : "memory");
	}
}

/*
 * Page tables that point at themselves, at one another, at devices and nowhere, below the second
 * entry of the top level; and what they map is used meanwhile.
 */
static void guest_tables(u64 seed)
{
	u64 *top = (u64 *)PML4_BASE, *tables = (u64 *)FREE_BASE;

	guest_begin(seed);
	for (;;) {
		u64 r = guest_rnd(), entry = FREE_BASE + (r & 7) * PAGE_SIZE;

		if (!(r >> 8 & 3))
			entry = guest_place() & PTE_ADDR;
		entry |= PTE_P | PTE_W | (r >> 16 & 0xff);
		if (!(r >> 24 & 15))
			entry = guest_rnd();
		tables[(r >> 32) % (8 * 512)] = entry;
		top[1 + (r >> 48) % 3] = (FREE_BASE + (r >> 60) * PAGE_SIZE) | PTE_P | PTE_W;
		if (r >> 28 & 1)
			write_cr3(read_cr3());
		touch((1ull << 39) + guest_rnd() % (3ull << 39));
	}
}

struct table {
	u16 limit;
	u64 base;
} __attribute__((packed));

/* Descriptor tables anywhere, and then what reads them. */
static void guest_descriptors(u64 seed)
{
	struct table t;
	u64 r;

	guest_begin(seed);
	r = guest_rnd();
	t.base = guest_place();
	t.limit = r >> 48;
	if (r & 1)
		asm volatile("lgdt %0" : : "m"(t));
	else
		asm volatile("lidt %0" : : "m"(t));
	switch (r >> 4 & 7) {
	case 0:
		asm volatile("ltr %w0" : : "r"((u32)(r >> 16)) : "memory");
		break;
	case 1:
		asm volatile("mov %w0, %%ds" : : "r"((u32)(r >> 16)) : "memory");
		break;
	case 2:
		asm volatile("lldt %w0; mov %w1, %%es"
			     :
			     : "r"((u32)(r >> 16)), "r"((u32)(r >> 32) | 4)
			     : "memory");
		break;
	case 3:
		asm volatile("push %0; push $1f; lretq; 1:" : : "r"(r >> 16 & 0xffff) : "memory");
		break;
	case 4:
		asm volatile("int3");
		break;
	case 5:
		asm volatile("ud2");
		break;
	default:
		asm volatile("int $0x60");
	}
	GUEST_DONE();
}

static void guest_msrs(u64 seed)
{
	static const u32 bases[] = { 0,          0x170,      0x200,      0x400,
				     0x480,      0x6e0,      0x800,      0xd90,
				     0x40000000, 0x4b564d00, 0x564d4d00, 0xc0000080,
				     0xc0000100, 0xc0010000, 0xc0010110, 0xc0011020 };

	guest_begin(seed);
	for (;;) {
		u64 r = guest_rnd(), value = guest_rnd();
		u32 msr = bases[r % ARRAY_SIZE(bases)] + (r >> 8) % 48;

		if (r >> 56 < 16)
			msr = r >> 16;
		if (r >> 32 & 1)
			value = rdmsr_try(msr) ^ (1ull << (value & 63));
		/* What follows needs GS, and that it is in 64-bit mode. */
		if (msr != MSR_GS_BASE && msr != MSR_EFER)
			wrmsr_try(msr, value);
		/* An APIC that is moved is not there; to go on, it comes back. */
		if (msr == MSR_APIC_BASE)
			wrmsr_try(msr, APIC_BASE | 0x900);
	}
}

static void guest_crs(u64 seed)
{
	u64 cr0 = read_cr0(), cr3 = read_cr3(), cr4 = read_cr4();

	guest_begin(seed);
	for (;;) {
		u64 r = guest_rnd(), v = guest_rnd() % 3 ? 1ull << (r >> 8 & 63) : guest_rnd();

		switch (r % 8) {
		case 0:
			TRY("mov %0, %%cr0", : : "r"(cr0 ^ v) : "memory");
			TRY("mov %0, %%cr0", : : "r"(cr0) : "memory");
			break;
		case 1:
			TRY("mov %0, %%cr3", : : "r"(cr3 ^ (v & ~PTE_ADDR)) : "memory");
			break;
		case 2:
			TRY("mov %0, %%cr4", : : "r"(cr4 ^ v) : "memory");
			TRY("mov %0, %%cr4", : : "r"(cr4) : "memory");
			break;
		case 3:
			TRY("mov %0, %%cr8", : : "r"(r >> 60 ? r >> 60 : v) : "memory");
			break;
		case 4:
			TRY("xsetbv", : : "a"((u32)v), "d"((u32)(r >> 32) & 1), "c"(0) : "memory");
			break;
		case 5:
			TRY("mov %0, %%dr7", : : "r"(v & ~0xffull) : "memory");
			break;
		case 6:
			TRY("lmsw %w0", : : "r"((u32)v | 1) : "memory");
			TRY("mov %0, %%cr0", : : "r"(cr0) : "memory");
			break;
		default:
			TRY("invlpg (%0)", : : "r"(v) : "memory");
		}
	}
}

/* Ports and registers of devices, in any size. */
static void guest_devices(u64 seed)
{
	static const u16 ports[] = { 0x20, 0x21, 0xa0,  0xa1,  0x40, 0x41,  0x42,
				     0x43, 0x61, 0x4d0, 0x4d1, 0x80, 0xcf8, 0xcfc };

	guest_begin(seed);
	for (;;) {
		u64 r = guest_rnd(), at = guest_place(), cx = 1 + (r >> 40 & 31);
		u16 port = r & 1 ? ports[(r >> 8) % ARRAY_SIZE(ports)] : r >> 8;

		if (port == UCALL_PORT)
			continue;
		switch (r >> 4 & 15) {
		case 0:
			outb(port, r >> 32);
			break;
		case 1:
			outw(port, r >> 32);
			break;
		case 2:
			outl(port, r >> 32);
			break;
		case 3:
			inl(port);
			break;
		case 4:
			TRY("rep insw", : "+D"(at), "+c"(cx) : "d"(port) : "memory");
			break;
		case 5:
			TRY("rep outsl", : "+S"(at), "+c"(cx) : "d"(port) : "memory");
			break;
		case 6:
			mmio_write32(IOAPIC_BASE, r >> 32 & 0x3f);
			mmio_write32(IOAPIC_BASE + 0x10, guest_rnd());
			break;
		case 7:
		case 8:
			/* But for what would make this guest wait. */
			if ((r >> 32 & 0xff0) != APIC_ICR)
				mmio_write32(APIC_BASE + (r >> 32 & 0xff0), guest_rnd());
			break;
		default:
			touch(HOLE_BASE + (r >> 50));
		}
	}
}

/* ---- what happens to it ---- */

/* It cannot go on, or says that something happened to it. */
static bool ended(struct vcpu *v)
{
	u32 why = v->run->exit_reason;

	return why == KVM_EXIT_SHUTDOWN || why == KVM_EXIT_INTERNAL_ERROR ||
	       why == KVM_EXIT_FAIL_ENTRY || (why == KVM_EXIT_IO && v->run->io.port == UCALL_PORT);
}

/* One guest after the other, each for some exits; whatever its host reads for it is noise, too. */
static void storm(void (*guest)(u64 seed), unsigned int flags, unsigned int rounds)
{
	struct vm *sane = vm_create(VM_IRQCHIP), *vm;
	unsigned int i, j;

	rounds = test_rounds(rounds);
	for (i = 0; i < rounds; i++) {
		struct vcpu *v;

		vm = vm_create(flags);
		v = vcpu_new(vm, 0, guest, rnd());
		for (j = 0; j < 60; j++) {
			run_briefly(v);
			if (ended(v))
				vcpu_call(v, guest, rnd());
			if (v->run->exit_reason == KVM_EXIT_MMIO)
				memset(v->run->mmio.data, rnd(), 8);
		}
		vcpu_free(v);
		vm_free(vm);
	}
	check_sane(sane);
}

CASE(tables, .timeout = 60)
{
	storm(guest_tables, 0, 6);
}

CASE(descriptors, .timeout = 60)
{
	storm(guest_descriptors, 0, 6);
}

CASE(msrs, .timeout = 60)
{
	storm(guest_msrs, VM_IRQCHIP, 6);
}

CASE(control_registers, .timeout = 60)
{
	storm(guest_crs, VM_IRQCHIP, 6);
}

CASE(devices, .timeout = 60)
{
	storm(guest_devices, VM_PIT, 6);
}

/* ---- code that changes ---- */

#define CODE_PAGE (FREE_BASE + PAGE_SIZE)

/*
 * mov %eax, disp32(%rdi); ret, across the end of a page, written anew each time: what is fetched
 * to be interpreted is what was written last.
 */
static void guest_changes_code(void)
{
	u8 code[] = { 0x89, 0x87, 0, 0, 0, 0, 0xc3 };
	u32 i, disp;

	for (i = 0; i < 200; i++) {
		u8 *at = (u8 *)CODE_PAGE - i % sizeof(code);

		disp = i * 4;
		__builtin_memcpy(code + 2, &disp, sizeof(disp));
		for (u32 j = 0; j < sizeof(code); j++)
			((volatile u8 *)at)[j] = code[j];
		asm volatile("call *%1" : : "D"(HOLE_BASE), "r"(at), "a"(i) : "memory");
	}
	GUEST_DONE();
}

CASE(changing_code)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_changes_code, 0);
	u32 i, data;

	for (i = 0; i < 200; i++) {
		vcpu_run_exit(v, KVM_EXIT_MMIO);
		CHECK(v->run->mmio.is_write);
		CHECK_EQ(v->run->mmio.phys_addr, HOLE_BASE + 4 * i);
		memcpy(&data, v->run->mmio.data, sizeof(data));
		CHECK_EQ(data, i);
	}
	run_done(v);
}

/* ---- several vCPUs ---- */

/* Any command to anybody, again and again. */
static void guest_ipis(u64 seed)
{
	guest_begin(seed);
	guest_on(0x60, guest_count_irq);
	guest_on(NMI_VECTOR, guest_count);
	apic_enable();
	for (;;) {
		u64 r = guest_rnd();
		u32 vector = r & 3 ? 0x60 : r >> 8 & 0xff;

		/* INIT now and then, or nobody would be left. */
		if ((r >> 16 & 0x700) == ICR_INIT && r >> 60)
			continue;
		if ((r >> 16 & 0x700) == ICR_FIXED)
			vector = 0x60;
		apic_icr(r >> 40, vector | (r >> 16 & (0x700 | ICR_LOGICAL | ICR_ASSERT |
						       ICR_LEVEL | ICR_OTHERS)));
		sti_nop();
		cli();
	}
}

static struct vcpu *cpus[CPUS];
static volatile bool over;

static void on_kick(int sig)
{
	(void)sig;
}

static void *cpu_thread(void *arg)
{
	struct kvm_mp_state runnable = { KVM_MP_STATE_RUNNABLE };
	struct vcpu *v = arg;

	while (!over) {
		vcpu_run(v);
		if (!ended(v))
			continue;
		ioctl(v->fd, KVM_SET_MP_STATE, &runnable);
		vcpu_call(v, guest_ipis, v->id + 77);
	}
	return NULL;
}

/* Who runs holds its lock up; one that waits, or goes round in circles, would do so for good. */
static void *kicker_thread(void *arg)
{
	u32 i;

	while (!over) {
		for (i = 0; i < CPUS; i++)
			pthread_kill(cpus[i]->thread, SIGUSR1);
		host_sleep_ms(2);
	}
	return arg;
}

/* Interrupts, NMIs, INIT and SIPI among four vCPUs, and NMIs and messages from outside. */
CASE(interrupts, .timeout = 60)
{
	struct sigaction sa = { .sa_handler = on_kick };
	struct vm *sane = vm_create(VM_IRQCHIP), *vm = vm_create(VM_PIT);
	pthread_t kicker;
	long long end;
	u32 i;

	sigaction(SIGUSR1, &sa, NULL);
	for (i = 0; i < CPUS; i++)
		cpus[i] = vcpu_new(vm, i, guest_ipis, rnd());
	for (i = 0; i < CPUS; i++)
		CHECK_EQ(pthread_create(&cpus[i]->thread, NULL, cpu_thread, cpus[i]), 0);
	CHECK_EQ(pthread_create(&kicker, NULL, kicker_thread, NULL), 0);
	end = host_now_ms() + 1500;
	while (host_now_ms() < end) {
		struct kvm_msi msi = { .address_lo = APIC_BASE | (rnd() & 0xff000),
				       .data = rnd() & 0xffff };

		ioctl(vm->fd, KVM_SIGNAL_MSI, &msi);
		ioctl(cpus[rnd() % CPUS]->fd, KVM_NMI);
	}
	over = true;
	CHECK_EQ(pthread_join(kicker, NULL), 0);
	for (i = 0; i < CPUS; i++) {
		while (pthread_tryjoin_np(cpus[i]->thread, NULL) == EBUSY) {
			pthread_kill(cpus[i]->thread, SIGUSR1);
			host_sleep_ms(1);
		}
	}
	check_sane(sane);
}
