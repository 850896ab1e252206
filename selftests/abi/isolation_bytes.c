// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel answers has no bytes of the kernel in it. Each answer is asked for twice, into
 * memory with two different patterns, while the kernel's stack and free memory are full of two
 * different patterns as well: every byte is either the same both times, or was not written at all.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>
#include "badinput.h"

#define SUITE "isolation"

#define BEYOND 64 /* bytes behind an answer, which stay as they are */

static const u8 patterns[] = { 0x5a, 0xa7 };

/* ---- the kernel's memory ---- */

/*
 * Have the kernel copy the pattern to where answers will be: arguments of each size, on the stack
 * and in memory from kmalloc(), for ioctls that are then refused.
 */
static void smear(u8 pattern)
{
	static u8 arg[16384];
	size_t i;
	int round;

	memset(arg, pattern, sizeof(arg));
	for (round = 0; round < 4; round++) {
		for (i = 0; i < served_count; i++) {
			const struct ioctl_info *row = &served_ioctls[i];

			/* The pattern as a number of elements is refused before any copy. */
			if (row->elem)
				*(u32 *)arg = 32;
			if (row->kind == ARG_IN || row->kind == ARG_INOUT)
				ioctl(world_fd(RAN, row->file), row->nr, arg);
			*(u32 *)arg = pattern * 0x01010101u;
		}
		for (i = 1; i <= sizeof(arg); i *= 2) {
			int fd = memfd_create("smear", MFD_CLOEXEC);

			if (fd < 0)
				continue;
			if (write(fd, arg, i) < 0)
				FAIL("memfd: errno %d", errno);
			close(fd);
		}
	}
}

/* ---- answers ---- */

/* Bytes that time changes. */
static const struct moving {
	unsigned int nr;
	u32 from, to;
} moving[] = {
	{ KVM_GET_CLOCK, 0, 8 },
	{ KVM_GET_CLOCK, offsetof(struct kvm_clock_data, realtime), sizeof(struct kvm_clock_data) },
	{ KVM_GET_LAPIC, 0x390, 0x394 },
	{ KVM_GET_PIT2, 0, sizeof(struct kvm_pit_channel_state) * 3 },
};

static bool moves(unsigned int nr, u32 at)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(moving); i++)
		if (moving[i].nr == nr && at >= moving[i].from && at < moving[i].to)
			return true;
	return false;
}

/* What stands in an argument that is read too: enough to be answered. */
static void fill_request(const struct ioctl_info *row, u8 *arg)
{
	switch (row->nr) {
	case KVM_GET_MSRS:
		memset(arg, 0, 8 + 16);
		((struct kvm_msrs *)arg)->nmsrs = 1;
		((struct kvm_msrs *)arg)->entries[0].index = row->file == DEVICE ? 0x8b : 0x277;
		break;
	case KVM_GET_IRQCHIP:
		((struct kvm_irqchip *)arg)->chip_id = 2;
		break;
	case KVM_TRANSLATE:
		((struct kvm_translation *)arg)->linear_address = 0x1000;
		break;
	case KVM_IRQ_LINE_STATUS:
		memset(arg, 0, sizeof(struct kvm_irq_level));
		break;
	case KVM_TPR_ACCESS_REPORTING:
		memset(arg, 0, sizeof(struct kvm_tpr_access_ctl));
		break;
	default:
		if (row->elem)
			*(u32 *)arg = row->count;
	}
}

static u32 answer_size(const struct ioctl_info *row)
{
	if (row->nr == KVM_GET_XSAVE2)
		return dev_cap(KVM_CAP_XSAVE2) > 0 ? dev_cap(KVM_CAP_XSAVE2) : 4096;
	return row->size + row->elem * row->count;
}

static u8 answers[2][32768];

/* false: not here. */
static bool ask(const struct ioctl_info *row, int which)
{
	u8 *arg = answers[which];

	memset(arg, patterns[which], sizeof(answers[which]));
	fill_request(row, arg);
	smear(patterns[which]);
	return ioctl(world_fd(CHIP, row->file), row->nr, arg) >= 0;
}

static void compare(const char *name, unsigned int nr, u32 size, u32 *written)
{
	u32 i;

	for (i = 0; i < size + BEYOND; i++) {
		u8 a = answers[0][i], b = answers[1][i];
		bool untouched = a == patterns[0] && b == patterns[1];

		if (i >= size && !untouched)
			FAIL("%s: writes byte %u, behind its answer", name, i);
		*written += !untouched;
		/* The time may be anything, the pattern too. */
		if (moves(nr, i))
			continue;
		if (a != b && !untouched)
			FAIL("%s: byte %u is %#x and %#x", name, i, a, b);
		if (a == patterns[1] || b == patterns[0])
			FAIL("%s: byte %u is of another's memory", name, i);
	}
}

CASE(answers, .timeout = 60)
{
	u32 asked = 0, written = 0;
	size_t i;

	for (i = 0; i < served_count; i++) {
		const struct ioctl_info *row = &served_ioctls[i];
		u32 before = written;

		if (row->kind != ARG_OUT && row->kind != ARG_INOUT)
			continue;
		/* That one lists what it may, or says that it is too much. */
		CHECK(answer_size(row) + BEYOND <= sizeof(answers[0]));
		if (!ask(row, 0) || !ask(row, 1)) {
			printf("%s: errno %d\n", row->name, errno);
			continue;
		}
		compare(row->name, row->nr, answer_size(row), &written);
		CHECK(written > before);
		asked++;
	}
	printf("%u answers, %u bytes\n", asked, written);
	CHECK(asked > 20);
}

/* ---- fields that mean nothing ---- */

/* GET_* whose reserved bytes are 0. */
static const struct padding {
	const char *name;
	enum bad_file file;
	unsigned int nr;
	u32 from, bytes;
} paddings[] = {
#define PAD(file, nr, type, field)                                      \
	{                                                               \
#nr " " #field, file, nr, offsetof(struct type, field), \
			sizeof(((struct type *)0)->field)               \
	}
	PAD(VM, KVM_GET_CLOCK, kvm_clock_data, pad0),
	PAD(VM, KVM_GET_CLOCK, kvm_clock_data, pad),
	PAD(VM, KVM_GET_PIT2, kvm_pit_state2, reserved),
	PAD(VCPU, KVM_GET_SREGS, kvm_sregs, cs.padding),
	PAD(VCPU, KVM_GET_SREGS, kvm_sregs, ldt.padding),
	PAD(VCPU, KVM_GET_SREGS, kvm_sregs, tr.padding),
	PAD(VCPU, KVM_GET_SREGS, kvm_sregs, gdt.padding),
	PAD(VCPU, KVM_GET_SREGS, kvm_sregs, idt.padding),
	PAD(VCPU, KVM_GET_SREGS2, kvm_sregs2, cs.padding),
	PAD(VCPU, KVM_GET_SREGS2, kvm_sregs2, gdt.padding),
	PAD(VCPU, KVM_GET_DEBUGREGS, kvm_debugregs, reserved),
	PAD(VCPU, KVM_GET_FPU, kvm_fpu, pad1),
	PAD(VCPU, KVM_GET_FPU, kvm_fpu, pad2),
	PAD(VCPU, KVM_GET_XCRS, kvm_xcrs, padding),
	PAD(VCPU, KVM_GET_VCPU_EVENTS, kvm_vcpu_events, reserved),
	PAD(VCPU, KVM_GET_VCPU_EVENTS, kvm_vcpu_events, nmi.pad),
};

CASE(padding)
{
	u32 i, j;

	for (i = 0; i < ARRAY_SIZE(paddings); i++) {
		const struct padding *p = &paddings[i];
		u8 *arg = answers[0];

		memset(arg, 0x5a, sizeof(answers[0]));
		smear(0x5a);
		OK(ioctl(world_fd(CHIP, p->file), p->nr, arg));
		for (j = 0; j < p->bytes; j++)
			if (arg[p->from + j])
				FAIL("%s: byte %u is %#x", p->name, j, arg[p->from + j]);
	}
}

/* Between the registers of the APIC, and in those there are not. */
CASE(lapic_gaps)
{
	struct kvm_lapic_state s;
	u32 i;

	memset(&s, 0x5a, sizeof(s));
	smear(0x5a);
	OK(ioctl(world_fd(CHIP, VCPU), KVM_GET_LAPIC, &s));
	for (i = 0; i < sizeof(s.regs); i++)
		if ((i & 0xf) >= 4 && s.regs[i])
			FAIL("byte %#x is %#x", i, (u8)s.regs[i]);
}

/* ---- statistics ---- */

static u64 read_whole(int fd, u8 *to, u64 size)
{
	u64 at = 0;
	ssize_t n;

	/* In pieces that end in the middle of everything. */
	while (at < size && (n = OK(pread(fd, to + at, size - at < 37 ? size - at : 37, at))) > 0)
		at += n;
	return at;
}

static void check_stats(enum bad_file file)
{
	static u8 text[65536];
	const struct kvm_stats_header *h = (void *)text;
	const struct kvm_stats_desc *d;
	u64 size, data, i, j;
	int fd;

	smear(0x5a);
	fd = OK(ioctl(world_fd(CHIP, file), KVM_GET_STATS_FD, 0));
	memset(text, 0xee, sizeof(text));
	size = read_whole(fd, text, sizeof(text));
	CHECK(size > sizeof(*h) && size < sizeof(text));
	for (i = strlen((char *)text + h->id_offset); i < h->name_size; i++)
		CHECK_EQ(text[h->id_offset + i], 0);
	for (i = 0, data = h->data_offset; i < h->num_desc; i++) {
		d = (void *)(text + h->desc_offset + i * (sizeof(*d) + h->name_size));
		for (j = strlen(d->name); j < h->name_size; j++)
			CHECK_EQ(d->name[j], 0);
		if (h->data_offset + d->offset + 8 * d->size > data)
			data = h->data_offset + d->offset + 8 * d->size;
	}
	/* The file ends with the last of the values that it tells of. */
	CHECK_EQ(size, data);
	CHECK_EQ(pread(fd, text, 64, size), 0);
	CHECK_EQ(pread(fd, text, 64, size + 4096), 0);
	close(fd);
}

CASE(statistics)
{
	check_stats(VM);
	check_stats(VCPU);
}

/* ---- the run page ---- */

static void guest_exits(void)
{
	static u8 buf[8];
	u64 cx = 3, di = (u64)buf;

	outb(0x80, 1);
	outl(0x80, 2);
	inb(0x81);
	asm volatile("rep insb" : "+D"(di), "+c"(cx) : "d"(0x82) : "memory");
	mmio_write32(HOLE_BASE, 3);
	mmio_read32(HOLE_BASE + 8);
	*(volatile u8 *)(HOLE_BASE + 1) = 4;
	*(volatile u64 *)(HOLE_BASE + 0x1ffc) = 5;
	outb(0x700, 1); /* coalesced, as is the next */
	mmio_write32(HOLE_BASE + 0x8000, 6);
	*(volatile u8 *)(HOLE_BASE + 0x8010) = 7;
	GUEST_DONE();
}

static void coalesce(struct vm *vm)
{
	struct kvm_coalesced_mmio_zone mmio = { .addr = HOLE_BASE + 0x8000, .size = PAGE_SIZE };
	struct kvm_coalesced_mmio_zone pio = { .addr = 0x700, .size = 1, .pio = 1 };

	OK(ioctl(vm->fd, KVM_REGISTER_COALESCED_MMIO, &mmio));
	OK(ioctl(vm->fd, KVM_REGISTER_COALESCED_MMIO, &pio));
}

#define RUN_STEPS 64

/* The page after each exit, which was all of this pattern before it. */
static u32 record(u8 pattern, u8 *pages)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_exits, 0);
	struct kvm_coalesced_mmio_ring *ring;
	u32 step;

	coalesce(vm);
	smear(pattern);
	ring = (void *)((u8 *)v->run + dev_cap(KVM_CAP_COALESCED_MMIO) * PAGE_SIZE);
	memset(ring->coalesced_mmio, pattern, PAGE_SIZE - sizeof(*ring));
	for (step = 0; step < RUN_STEPS; step++) {
		/* What the client supplies to the last exit, and what it asks of the next. */
		if (v->run->exit_reason == KVM_EXIT_IO)
			memset((u8 *)v->run + v->run->io.data_offset, 7, 8);
		memset((u8 *)v->run + 8, pattern, PAGE_SIZE - 8);
		v->run->request_interrupt_window = 0;
		v->run->immediate_exit = 0;
		v->run->cr8 = 0;
		v->run->kvm_valid_regs = 0;
		v->run->kvm_dirty_regs = 0;
		while (vcpu_run(v))
			CHECK(errno == EINTR || errno == EAGAIN);
		memcpy(pages + step * v->run_size, v->run, v->run_size);
		if (vcpu_take_ucall(v))
			break;
	}
	CHECK_EQ(v->uc.kind, UCALL_DONE);
	step++;
	vcpu_free(v);
	vm_free(vm);
	return step;
}

CASE(run_page)
{
	u32 size = OK(ioctl(dev_fd(), KVM_GET_VCPU_MMAP_SIZE, 0)), steps, i;
	u8 *a = calloc(RUN_STEPS, size), *b = calloc(RUN_STEPS, size);

	need_cap(KVM_CAP_COALESCED_MMIO);
	steps = record(patterns[0], a);
	CHECK_EQ(record(patterns[1], b), steps);
	CHECK(steps > 8);
	for (i = 0; i < steps * size; i++) {
		bool untouched = a[i] == patterns[0] && b[i] == patterns[1];

		if (a[i] != b[i] && !untouched)
			FAIL("exit %u: byte %#x is %#x and %#x", i / size, i % size, a[i], b[i]);
	}
	printf("%u exits\n", steps);
}
