// SPDX-License-Identifier: GPL-2.0
/* Guest writes that become eventfd signals, and coalesced ones. api.rst, KVM_IOEVENTFD. */
#include <string.h>
#include <unistd.h>
#include <sys/eventfd.h>
#include "vm.h"

#define SUITE "ioeventfd"

#define PORT 0x700
#define MMIO HOLE_BASE

static int io(struct vm *vm, int fd, u64 addr, u32 len, u32 flags, u64 match)
{
	struct kvm_ioeventfd e = {
		.fd = fd,
		.addr = addr,
		.len = len,
		.flags = flags,
		.datamatch = match,
	};

	return ioctl(vm->fd, KVM_IOEVENTFD, &e);
}

static int new_fd(void)
{
	return OK(eventfd(0, EFD_NONBLOCK));
}

static u64 taken(int fd)
{
	u64 v;

	return read(fd, &v, 8) == 8 ? v : 0;
}

static void guest_ports(void)
{
	outb(PORT, 1);
	outw(PORT, 2);
	outl(PORT, 3);
	GUEST_SYNC(0);
	outl(PORT, 4);
	GUEST_DONE();
}

CASE(pio_lengths)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_ports, 0);
	int fd = new_fd();

	OK(io(vm, fd, PORT, 2, KVM_IOEVENTFD_FLAG_PIO, 0));
	vcpu_run_exit(v, KVM_EXIT_IO);
	CHECK_EQ(v->run->io.size, 1);
	CHECK_EQ(taken(fd), 0);
	vcpu_run_exit(v, KVM_EXIT_IO);
	CHECK_EQ(v->run->io.size, 4);
	CHECK_EQ(taken(fd), 1);
	run_sync(v, 0);
	CHECK_EQ(taken(fd), 0);
}

CASE(pio_datamatch)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_ports, 0);
	u32 flags = KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DATAMATCH;
	int a = new_fd(), b = new_fd();

	OK(io(vm, a, PORT, 4, flags, 3));
	OK(io(vm, b, PORT, 4, flags, 4));
	vcpu_run_exit(v, KVM_EXIT_IO);
	vcpu_run_exit(v, KVM_EXIT_IO);
	run_sync(v, 0);
	CHECK_EQ(taken(a), 1);
	CHECK_EQ(taken(b), 0);
	run_done(v);
	CHECK_EQ(taken(a), 0);
	CHECK_EQ(taken(b), 1);
}

CASE(pio_any_length)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_ports, 0);
	int fd = new_fd();

	need_cap(KVM_CAP_IOEVENTFD_NO_LENGTH);
	need_cap(KVM_CAP_IOEVENTFD_ANY_LENGTH);
	OK(io(vm, fd, PORT, 0, KVM_IOEVENTFD_FLAG_PIO, 0));
	run_sync(v, 0);
	CHECK_EQ(taken(fd), 3);
	OK(io(vm, fd, PORT, 0, KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DEASSIGN, 0));
	vcpu_run_exit(v, KVM_EXIT_IO);
	CHECK_EQ(v->run->io.port, PORT);
	CHECK_EQ(taken(fd), 0);
	run_done(v);
}

static void guest_mmio(void)
{
	volatile u8 *p = (u8 *)MMIO;

	*p = 1;
	*(volatile u16 *)p = 2;
	*(volatile u32 *)p = 3;
	*(volatile u64 *)p = 4;
	GUEST_SYNC(0);
	*(volatile u32 *)p = 5;
	GASSERT_EQ(*(volatile u32 *)p, 0x5c5c5c5c);
	GUEST_DONE();
}

CASE(mmio_lengths)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_mmio, 0);
	int fd[4], i;

	for (i = 0; i < 4; i++) {
		fd[i] = new_fd();
		OK(io(vm, fd[i], MMIO, 1 << i, 0, 0));
	}
	run_sync(v, 0);
	for (i = 0; i < 4; i++)
		CHECK_EQ(taken(fd[i]), 1);
	OK(io(vm, fd[2], MMIO, 4, KVM_IOEVENTFD_FLAG_DEASSIGN, 0));
	vcpu_run_exit(v, KVM_EXIT_MMIO);
	CHECK_EQ(v->run->mmio.is_write, 1);
	CHECK_EQ(*(u32 *)v->run->mmio.data, 5);
	/* Reads are never theirs. */
	vcpu_run_exit(v, KVM_EXIT_MMIO);
	CHECK_EQ(v->run->mmio.is_write, 0);
	memset(v->run->mmio.data, 0x5c, 8);
	run_done(v);
}

CASE(mmio_any_length)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_mmio, 0);
	int fd = new_fd();

	need_cap(KVM_CAP_IOEVENTFD_NO_LENGTH);
	need_cap(KVM_CAP_IOEVENTFD_ANY_LENGTH);
	OK(io(vm, fd, MMIO, 0, 0, 0));
	run_sync(v, 0);
	CHECK_EQ(taken(fd), 4);
}

CASE(mmio_datamatch)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_mmio, 0);
	int fd = new_fd();

	OK(io(vm, fd, MMIO, 8, KVM_IOEVENTFD_FLAG_DATAMATCH, 4));
	vcpu_run_exit(v, KVM_EXIT_MMIO);
	vcpu_run_exit(v, KVM_EXIT_MMIO);
	vcpu_run_exit(v, KVM_EXIT_MMIO);
	run_sync(v, 0);
	CHECK_EQ(taken(fd), 1);
}

CASE(errors)
{
	struct vm *vm = vm_create(0);
	int a = new_fd(), b = new_fd();

	CHECK_ERRNO(io(vm, a, PORT, 3, KVM_IOEVENTFD_FLAG_PIO, 0), EINVAL);
	CHECK_ERRNO(io(vm, a, MMIO, 16, 0, 0), EINVAL);
	CHECK_ERRNO(io(vm, a, -2ull, 4, 0, 0), EINVAL);
	CHECK_ERRNO(io(vm, a, MMIO, 4, 0x8000, 0), EINVAL);
	CHECK_ERRNO(io(vm, a, MMIO, 0, KVM_IOEVENTFD_FLAG_DATAMATCH, 0), EINVAL);
	CHECK_EQ(io(vm, -1, MMIO, 4, 0, 0), -1);
	CHECK_EQ(io(vm, dev_fd(), MMIO, 4, 0, 0), -1);
	CHECK_ERRNO(io(vm, a, MMIO, 4, KVM_IOEVENTFD_FLAG_DEASSIGN, 0), ENOENT);
	OK(io(vm, a, MMIO, 4, 0, 0));
	CHECK_ERRNO(io(vm, b, MMIO, 4, 0, 0), EEXIST);
	CHECK_ERRNO(io(vm, b, MMIO, 4, KVM_IOEVENTFD_FLAG_DATAMATCH, 1), EEXIST);
	CHECK_ERRNO(io(vm, b, MMIO, 4, KVM_IOEVENTFD_FLAG_DEASSIGN, 0), ENOENT);
	OK(io(vm, a, MMIO, 4, KVM_IOEVENTFD_FLAG_DEASSIGN, 0));
	/* The same address as a port is another address. */
	OK(io(vm, a, PORT, 4, 0, 0));
	OK(io(vm, b, PORT, 4, KVM_IOEVENTFD_FLAG_PIO, 0));
}

CASE(outlives_nothing)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_ports, 0);
	int fd = new_fd();

	OK(io(vm, fd, PORT, 0, KVM_IOEVENTFD_FLAG_PIO, 0));
	OK(close(fd));
	run_sync(v, 0);
	vcpu_free(v);
	vm_free(vm);
}

static void guest_many_writes(u64 n)
{
	u64 i;

	for (i = 0; i < n; i++)
		*(volatile u32 *)(MMIO + 8 * (i & 3)) = i;
	GUEST_DONE();
}

static struct kvm_coalesced_mmio_ring *ring_of(struct vcpu *v)
{
	int page = dev_cap(KVM_CAP_COALESCED_MMIO);

	return (void *)((u8 *)v->run + page * PAGE_SIZE);
}

CASE(coalesced_mmio)
{
	struct kvm_coalesced_mmio_zone z = { .addr = MMIO, .size = 32 };
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_many_writes, 10);
	struct kvm_coalesced_mmio_ring *ring = ring_of(v);
	u32 i;

	need_cap(KVM_CAP_COALESCED_MMIO);
	OK(ioctl(vm->fd, KVM_REGISTER_COALESCED_MMIO, &z));
	CHECK_EQ(ring->first, ring->last);
	run_done(v);
	CHECK_EQ(ring->last - ring->first, 10);
	for (i = 0; i < 10; i++) {
		struct kvm_coalesced_mmio *e = &ring->coalesced_mmio[ring->first + i];

		CHECK_EQ(e->phys_addr, MMIO + 8 * (i & 3));
		CHECK_EQ(e->len, 4);
		CHECK_EQ(*(u32 *)e->data, i);
		CHECK_EQ(e->pio, 0);
	}
}

/* A full ring, a zone that ends too early, a zone taken back: user space gets the write. */
CASE(coalesced_mmio_limits)
{
	struct kvm_coalesced_mmio_zone z = { .addr = MMIO, .size = 32 };
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_many_writes, 1000);
	struct kvm_coalesced_mmio_ring *ring = ring_of(v);
	u32 n;

	need_cap(KVM_CAP_COALESCED_MMIO);
	OK(ioctl(vm->fd, KVM_REGISTER_COALESCED_MMIO, &z));
	vcpu_run_exit(v, KVM_EXIT_MMIO);
	/* One slot stays free; in-tree KVM's unsigned wrap leaves more of them. */
	n = *(u32 *)v->run->mmio.data;
	CHECK(n > 0 && n < KVM_COALESCED_MMIO_MAX);
	CHECK_EQ(ring->last, n);
	/* User space takes the entries and there is room again. */
	ring->first = ring->last;
	vcpu_run_exit(v, KVM_EXIT_MMIO);
	CHECK(*(u32 *)v->run->mmio.data > n + 1);
	n = *(u32 *)v->run->mmio.data;
	OK(ioctl(vm->fd, KVM_UNREGISTER_COALESCED_MMIO, &z));
	ring->first = ring->last;
	vcpu_run_exit(v, KVM_EXIT_MMIO);
	CHECK_EQ(*(u32 *)v->run->mmio.data, n + 1);
	z.size = 2;
	OK(ioctl(vm->fd, KVM_REGISTER_COALESCED_MMIO, &z));
	vcpu_run_exit(v, KVM_EXIT_MMIO);
	/* The host's indices are not to be trusted. */
	z.size = 32;
	OK(ioctl(vm->fd, KVM_REGISTER_COALESCED_MMIO, &z));
	ring->last = 0xffffffff;
	ring->first = 0x80000000;
	vcpu_run_exit(v, KVM_EXIT_MMIO);
}

/* A bus that has hundreds of devices, of which the first goes. */
CASE(coalesced_many_zones)
{
	struct kvm_coalesced_mmio_zone z = { .size = 8 };
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_many_writes, 2);
	struct kvm_coalesced_mmio_ring *ring = ring_of(v);
	u32 i;

	need_cap(KVM_CAP_COALESCED_MMIO);
	for (i = 0; i < 600; i++) {
		z.addr = MMIO + 8 * i;
		OK(ioctl(vm->fd, KVM_REGISTER_COALESCED_MMIO, &z));
	}
	z.addr = MMIO;
	OK(ioctl(vm->fd, KVM_UNREGISTER_COALESCED_MMIO, &z));
	vcpu_run_exit(v, KVM_EXIT_MMIO);
	CHECK_EQ(v->run->mmio.phys_addr, MMIO);
	run_done(v);
	CHECK_EQ(ring->last, 1);
	CHECK_EQ(ring->coalesced_mmio[0].phys_addr, MMIO + 8);
}

static void guest_coalesced_port(void)
{
	outb(PORT, 0x11);
	outl(PORT, 0x22222222);
	GUEST_DONE();
}

CASE(coalesced_pio)
{
	struct kvm_coalesced_mmio_zone z = { .addr = PORT, .size = 4, .pio = 1 };
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_coalesced_port, 0);
	struct kvm_coalesced_mmio_ring *ring = ring_of(v);

	need_cap(KVM_CAP_COALESCED_PIO);
	z.pio = 2;
	CHECK_ERRNO(ioctl(vm->fd, KVM_REGISTER_COALESCED_MMIO, &z), EINVAL);
	z.pio = 1;
	OK(ioctl(vm->fd, KVM_REGISTER_COALESCED_MMIO, &z));
	run_done(v);
	CHECK_EQ(ring->last, 2);
	CHECK_EQ(ring->coalesced_mmio[0].phys_addr, PORT);
	CHECK_EQ(ring->coalesced_mmio[0].pio, 1);
	CHECK_EQ(ring->coalesced_mmio[0].len, 1);
	CHECK_EQ(ring->coalesced_mmio[1].len, 4);
	CHECK_EQ(*(u32 *)ring->coalesced_mmio[1].data, 0x22222222);
}
