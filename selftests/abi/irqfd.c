// SPDX-License-Identifier: GPL-2.0
/* Interrupts by eventfd. api.rst, KVM_IRQFD. */
#include <poll.h>
#include <sched.h>
#include <unistd.h>
#include <sys/eventfd.h>
#include "vm.h"

#define SUITE "irqfd"

#define VEC 0x60
#define PIN 20

static void route_pin(u32 pin, u32 low)
{
	mmio_write32(IOAPIC_BASE, 0x11 + 2 * pin);
	mmio_write32(IOAPIC_BASE + 0x10, 0);
	mmio_write32(IOAPIC_BASE, 0x10 + 2 * pin);
	mmio_write32(IOAPIC_BASE + 0x10, low);
}

static void guest_counter(u64 low)
{
	guest_on(VEC, guest_count_irq);
	apic_enable();
	route_pin(PIN, low);
	sti();
	for (;;)
		GUEST_SYNC2(0, this_cpu()->irqs[VEC], 0);
}

static u64 count(struct vcpu *v)
{
	run_sync(v, 0);
	return v->uc.args[1];
}

/* Signalling is asynchronous: wait until the guest has seen it, at most until the time limit. */
static void wait_for(struct vcpu *v, u64 n)
{
	while (count(v) < n)
		;
	CHECK_EQ(count(v), n);
}

static void signal_fd(int fd)
{
	u64 one = 1;

	CHECK_EQ(write(fd, &one, 8), 8);
}

static int assign(struct vm *vm, int fd, u32 gsi, u32 flags, int resample)
{
	struct kvm_irqfd f = { .fd = fd, .gsi = gsi, .flags = flags, .resamplefd = resample };

	return ioctl(vm->fd, KVM_IRQFD, &f);
}

CASE(edge)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *v = vcpu_new(vm, 0, guest_counter, VEC);
	int fd = OK(eventfd(0, EFD_NONBLOCK));

	CHECK_EQ(count(v), 0);
	OK(assign(vm, fd, PIN, 0, 0));
	signal_fd(fd);
	wait_for(v, 1);
	signal_fd(fd);
	wait_for(v, 2);
	OK(assign(vm, fd, PIN, KVM_IRQFD_FLAG_DEASSIGN, 0));
	signal_fd(fd);
	CHECK_EQ(count(v), 2);
	CHECK_EQ(count(v), 2);
}

CASE(signalled_before)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *v = vcpu_new(vm, 0, guest_counter, VEC);
	int fd = OK(eventfd(0, EFD_NONBLOCK));

	CHECK_EQ(count(v), 0);
	signal_fd(fd);
	OK(assign(vm, fd, PIN, 0, 0));
	wait_for(v, 1);
}

CASE(msi_route)
{
	struct {
		struct kvm_irq_routing r;
		struct kvm_irq_routing_entry e;
	} routes = {
		.r.nr = 1,
		.e = { .gsi = 100,
		       .type = KVM_IRQ_ROUTING_MSI,
		       .u.msi = { .address_lo = APIC_BASE, .data = VEC } },
	};
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *v = vcpu_new(vm, 0, guest_counter, VEC);
	int fd = OK(eventfd(0, EFD_NONBLOCK));

	CHECK_EQ(count(v), 0);
	/* The file may come before the route. */
	OK(assign(vm, fd, 100, 0, 0));
	OK(ioctl(vm->fd, KVM_SET_GSI_ROUTING, &routes));
	signal_fd(fd);
	wait_for(v, 1);
	routes.r.nr = 0;
	OK(ioctl(vm->fd, KVM_SET_GSI_ROUTING, &routes));
	signal_fd(fd);
	CHECK_EQ(count(v), 1);
	routes.r.nr = 1;
	OK(ioctl(vm->fd, KVM_SET_GSI_ROUTING, &routes));
	signal_fd(fd);
	wait_for(v, 2);
}

static bool readable(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

/* Level: raised by the eventfd, lowered by the guest's EOI, which the resample fd tells. */
CASE(resample)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *v = vcpu_new(vm, 0, guest_counter, 0x8000 | VEC);
	int fd = OK(eventfd(0, EFD_NONBLOCK)), re = OK(eventfd(0, EFD_NONBLOCK));
	u64 value;

	need_cap(KVM_CAP_IRQFD_RESAMPLE);
	CHECK_EQ(count(v), 0);
	OK(assign(vm, fd, PIN, KVM_IRQFD_FLAG_RESAMPLE, re));
	CHECK(!readable(re, 0));
	signal_fd(fd);
	wait_for(v, 1);
	CHECK(readable(re, 10000));
	CHECK_EQ(read(re, &value, 8), 8);
	CHECK_EQ(value, 1);
	signal_fd(fd);
	wait_for(v, 2);
	CHECK(readable(re, 10000));
	OK(assign(vm, fd, PIN, KVM_IRQFD_FLAG_DEASSIGN, 0));
}

/* A masked pin, level-triggered: its IRR bit is the line. */
static void setup_level_pin(struct vm *vm)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };

	OK(ioctl(vm->fd, KVM_GET_IRQCHIP, &chip));
	chip.chip.ioapic.redirtbl[PIN].bits = 0x18000 | VEC;
	OK(ioctl(vm->fd, KVM_SET_IRQCHIP, &chip));
}

static bool line_is_high(struct vm *vm)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };

	OK(ioctl(vm->fd, KVM_GET_IRQCHIP, &chip));
	return chip.chip.ioapic.irr & BIT(PIN);
}

/* An eventfd that is closed goes at its own pace: the next one has the line meanwhile. */
CASE(resample_next)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	int re = OK(eventfd(0, EFD_NONBLOCK)), fd, next;
	u32 i;

	need_cap(KVM_CAP_IRQFD_RESAMPLE);
	setup_level_pin(vm);
	for (i = 0; i < 200; i++) {
		fd = OK(eventfd(0, EFD_NONBLOCK));
		next = OK(eventfd(0, EFD_NONBLOCK));
		OK(assign(vm, fd, PIN, KVM_IRQFD_FLAG_RESAMPLE, re));
		OK(close(fd));
		/* So that its removal, on this very processor, is half done. */
		sched_yield();
		OK(assign(vm, next, PIN, KVM_IRQFD_FLAG_RESAMPLE, re));
		signal_fd(next);
		/* This waits until those are gone that have been closed. */
		OK(assign(vm, re, PIN, KVM_IRQFD_FLAG_DEASSIGN, 0));
		CHECK(eventually(line_is_high(vm)));
		OK(assign(vm, next, PIN, KVM_IRQFD_FLAG_DEASSIGN, 0));
		CHECK(!line_is_high(vm));
		OK(close(next));
	}
}

CASE(errors)
{
	struct vm *vm = vm_create(VM_IRQCHIP), *bare = vm_create(0);
	int fd = OK(eventfd(0, EFD_NONBLOCK));

	CHECK_ERRNO(assign(vm, -1, PIN, 0, 0), EBADF);
	CHECK_ERRNO(assign(vm, dev_fd(), PIN, 0, 0), EINVAL);
	CHECK_ERRNO(assign(vm, fd, PIN, 0x80, 0), EINVAL);
	OK(assign(vm, fd, PIN, 0, 0));
	CHECK_ERRNO(assign(vm, fd, PIN, 0, 0), EBUSY);
	CHECK_ERRNO(assign(vm, fd, PIN + 1, 0, 0), EBUSY);
	OK(assign(vm, fd, PIN, KVM_IRQFD_FLAG_DEASSIGN, 0));
	CHECK_ERRNO(assign(vm, fd, PIN, KVM_IRQFD_FLAG_RESAMPLE, -1), EBADF);
	CHECK_ERRNO(assign(bare, fd, PIN, 0, 0), EINVAL);
}

/* The eventfd dies before the VM, and the VM before the eventfd. */
CASE(lifetimes)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *v = vcpu_new(vm, 0, guest_counter, VEC);
	int fd = OK(eventfd(0, EFD_NONBLOCK)), other = OK(eventfd(0, EFD_NONBLOCK));

	CHECK_EQ(count(v), 0);
	OK(assign(vm, fd, PIN, 0, 0));
	OK(assign(vm, other, PIN + 1, 0, 0));
	signal_fd(fd);
	OK(close(fd));
	CHECK(count(v) <= 1);
	vcpu_free(v);
	vm_free(vm);
	signal_fd(other);
	OK(close(other));
}
