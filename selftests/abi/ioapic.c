// SPDX-License-Identifier: GPL-2.0
/* The IOAPIC, GSI routing and MSIs. Intel 82093AA datasheet; api.rst, KVM_IRQ_LINE. */
#include <stdlib.h>
#include <string.h>
#include "vm.h"

#define SUITE "ioapic"

#define VEC        0x60
#define LEVEL      0x8000
#define MASKED     0x10000
#define REMOTE_IRR 0x4000

static void ioapic_write(u32 reg, u32 v)
{
	mmio_write32(IOAPIC_BASE, reg);
	mmio_write32(IOAPIC_BASE + 0x10, v);
}

static u32 ioapic_read(u32 reg)
{
	mmio_write32(IOAPIC_BASE, reg);
	return mmio_read32(IOAPIC_BASE + 0x10);
}

static void route_pin(u32 pin, u32 dest, u32 low)
{
	ioapic_write(0x11 + 2 * pin, dest << 24);
	ioapic_write(0x10 + 2 * pin, low);
}

static void irq_line(struct vm *vm, u32 gsi, u32 level)
{
	struct kvm_irq_level l = { .irq = gsi, .level = level };

	OK(ioctl(vm->fd, KVM_IRQ_LINE, &l));
}

static volatile u32 *irqs(void)
{
	return this_cpu()->irqs;
}

/* GSIs below 16 also lead to the PICs, which reset connects to LINT0 (api.rst, quirks). */
static void enable_without_pic(void)
{
	apic_enable();
	apic_write(APIC_LVT0, LVT_MASKED);
}

static void guest_registers(void)
{
	u32 pin, version = ioapic_read(1);

	/* 24 pins; 0x20 and later have an EOI register besides. */
	GASSERT_EQ(version >> 16, 0x17);
	GASSERT((version & 0xff) == 0x11 || (version & 0xff) == 0x20);
	for (pin = 0; pin < 24; pin++)
		GASSERT(ioapic_read(0x10 + 2 * pin) & MASKED);
	ioapic_write(0, 0x05000000);
	GASSERT_EQ(ioapic_read(0), 0x05000000);
	route_pin(3, 0xaa, MASKED | LEVEL | 0x33);
	GASSERT_EQ(ioapic_read(0x16), MASKED | LEVEL | 0x33);
	GASSERT_EQ(ioapic_read(0x17), 0xaa000000);
	/* Remote IRR and delivery status are read-only. */
	ioapic_write(0x16, MASKED | LEVEL | REMOTE_IRR | 0x1000 | 0x34);
	GASSERT_EQ(ioapic_read(0x16), MASKED | LEVEL | 0x34);
	GUEST_DONE();
}

CASE(registers)
{
	struct vcpu *v = vcpu_new(vm_create(VM_IRQCHIP), 0, guest_registers, 0);

	run_done(v);
}

static void guest_edge(void)
{
	guest_on(VEC, guest_count_irq);
	enable_without_pic();
	route_pin(5, 0, VEC);
	sti();
	GUEST_SYNC(0);
	GASSERT_EQ(irqs()[VEC], 1);
	GUEST_SYNC(1);
	GASSERT_EQ(irqs()[VEC], 1);
	GUEST_SYNC(2);
	GASSERT_EQ(irqs()[VEC], 2);
	/* An edge at a masked pin is lost. */
	route_pin(5, 0, MASKED | VEC);
	GUEST_SYNC(3);
	route_pin(5, 0, VEC);
	GASSERT_EQ(irqs()[VEC], 2);
	GUEST_DONE();
}

CASE(edge)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *v = vcpu_new(vm, 0, guest_edge, 0);

	run_sync(v, 0);
	irq_line(vm, 5, 1);
	run_sync(v, 1);
	irq_line(vm, 5, 1);
	run_sync(v, 2);
	irq_line(vm, 5, 0);
	irq_line(vm, 5, 1);
	run_sync(v, 3);
	irq_line(vm, 5, 0);
	irq_line(vm, 5, 1);
	irq_line(vm, 5, 0);
	run_done(v);
}

static GUEST_HANDLER void level_handler(struct trap *t)
{
	(void)t;
	irqs()[VEC]++;
	/* It is in service, and the pin waits for the EOI. */
	GASSERT(apic_read(APIC_TMR + 16 * (VEC / 32)) & BIT(VEC % 32));
	mmio_write32(IOAPIC_BASE, 0x10 + 2 * 20);
	GASSERT(mmio_read32(IOAPIC_BASE + 0x10) & REMOTE_IRR);
	GUEST_SYNC(100 + irqs()[VEC]);
	apic_write(APIC_EOI, 0);
}

static void guest_level(void)
{
	guest_on(VEC, level_handler);
	enable_without_pic();
	route_pin(20, 0, LEVEL | VEC);
	GUEST_SYNC(0);
	sti_nop();
	/* Comes again as long as the line is high, and ends with it. */
	GASSERT_EQ(irqs()[VEC], 3);
	GASSERT(!(ioapic_read(0x10 + 2 * 20) & REMOTE_IRR));
	cli();
	/* A level at a masked pin waits. */
	route_pin(20, 0, MASKED | LEVEL | VEC);
	GUEST_SYNC(1);
	sti_nop();
	GASSERT_EQ(irqs()[VEC], 3);
	route_pin(20, 0, LEVEL | VEC);
	asm volatile("nop");
	GASSERT_EQ(irqs()[VEC], 4);
	GUEST_DONE();
}

CASE(level)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *v = vcpu_new(vm, 0, guest_level, 0);

	run_sync(v, 0);
	irq_line(vm, 20, 1);
	run_sync(v, 101);
	run_sync(v, 102);
	run_sync(v, 103);
	irq_line(vm, 20, 0);
	run_sync(v, 1);
	irq_line(vm, 20, 1);
	run_sync(v, 104);
	irq_line(vm, 20, 0);
	run_done(v);
}

/* Version 0x20: the guest may end a level interrupt at the IOAPIC itself. */
static GUEST_HANDLER void count_only(struct trap *t)
{
	(void)t;
	irqs()[VEC]++;
}

static void guest_directed_eoi(void)
{
	if ((ioapic_read(1) & 0xff) < 0x20)
		GUEST_DONE();
	guest_on(VEC, count_only);
	apic_write(APIC_SPIV, 0x11ff); /* no EOI broadcasts, if the APIC can do that */
	if (!(apic_read(APIC_SPIV) & 0x1000))
		GUEST_DONE();
	route_pin(20, 0, LEVEL | VEC);
	GUEST_SYNC(0);
	sti_nop();
	GASSERT_EQ(irqs()[VEC], 1);
	apic_write(APIC_EOI, 0);
	asm volatile("nop");
	GASSERT(ioapic_read(0x10 + 2 * 20) & REMOTE_IRR);
	GASSERT_EQ(irqs()[VEC], 1);
	mmio_write32(IOAPIC_BASE + 0x40, VEC);
	asm volatile("nop");
	GASSERT_EQ(irqs()[VEC], 2);
	apic_write(APIC_EOI, 0);
	GUEST_DONE();
}

CASE(directed_eoi)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *v = vcpu_new(vm, 0, guest_directed_eoi, 0);

	if (vcpu_run_ucall(v) == UCALL_DONE)
		SKIP("this IOAPIC or local APIC has no directed EOI");
	irq_line(vm, 20, 1);
	run_done(v);
}

static GUEST_HANDLER void nmi_handler(struct trap *t)
{
	(void)t;
	irqs()[NMI_VECTOR]++;
}

static void guest_modes(void)
{
	guest_on(VEC, guest_count_irq);
	guest_on(NMI_VECTOR, nmi_handler);
	apic_write(APIC_LDR, 1u << 24);
	apic_write(APIC_DFR, 0xffffffff);
	enable_without_pic();
	route_pin(16, 0x01, 0x800 | VEC); /* logical, fixed */
	route_pin(17, 0x01, 0x900 | VEC); /* logical, lowest priority */
	route_pin(18, 0x00, 0x400);       /* NMI */
	route_pin(19, 0x02, 0x800 | VEC); /* logical, nobody */
	sti();
	GUEST_SYNC(0);
	GASSERT_EQ(irqs()[VEC], 1);
	GUEST_SYNC(1);
	GASSERT_EQ(irqs()[VEC], 2);
	GUEST_SYNC(2);
	GASSERT_EQ(irqs()[NMI_VECTOR], 1);
	GUEST_SYNC(3);
	GASSERT_EQ(irqs()[VEC], 2);
	GUEST_DONE();
}

CASE(delivery_modes)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *v = vcpu_new(vm, 0, guest_modes, 0);
	u32 i;

	for (i = 0; i < 4; i++) {
		run_sync(v, i);
		irq_line(vm, 16 + i, 1);
	}
	run_done(v);
}

CASE(get_set_irqchip)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC }, back;

	OK(ioctl(vm->fd, KVM_GET_IRQCHIP, &chip));
	CHECK_EQ(chip.chip.ioapic.base_address, IOAPIC_BASE);
	CHECK_EQ(chip.chip.ioapic.redirtbl[0].fields.mask, 1);
	chip.chip.ioapic.id = 3;
	chip.chip.ioapic.redirtbl[7].bits = 0x0100000000008077ull;
	OK(ioctl(vm->fd, KVM_SET_IRQCHIP, &chip));
	memset(&back, 0, sizeof(back));
	back.chip_id = KVM_IRQCHIP_IOAPIC;
	OK(ioctl(vm->fd, KVM_GET_IRQCHIP, &back));
	CHECK_EQ(back.chip.ioapic.id, 3);
	CHECK_EQ(back.chip.ioapic.redirtbl[7].bits, 0x0100000000008077ull);
	CHECK_EQ(back.chip.ioapic.redirtbl[0].fields.mask, 1);
	chip.chip_id = 9;
	CHECK_ERRNO(ioctl(vm->fd, KVM_GET_IRQCHIP, &chip), EINVAL);
	CHECK_ERRNO(ioctl(vm->fd, KVM_SET_IRQCHIP, &chip), EINVAL);
}

CASE(absent)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	struct kvm_irq_level l = { .irq = 5, .level = 1 };
	struct vm *vm = vm_create(0);

	CHECK_ERRNO(ioctl(vm->fd, KVM_GET_IRQCHIP, &chip), ENXIO);
	CHECK_ERRNO(ioctl(vm->fd, KVM_SET_IRQCHIP, &chip), ENXIO);
	CHECK_ERRNO(ioctl(vm->fd, KVM_IRQ_LINE, &l), ENXIO);
}

static void guest_wait(u64 n)
{
	guest_on(VEC, guest_count_irq);
	guest_on(VEC + 1, guest_count_irq);
	enable_without_pic();
	route_pin(5, 0, VEC);
	route_pin(7, 0, VEC + 1);
	sti();
	GUEST_SYNC(0);
	while (n--)
		GUEST_SYNC2(1, irqs()[VEC], irqs()[VEC + 1]);
	GUEST_DONE();
}

static void expect(struct vcpu *v, u32 a, u32 b)
{
	run_sync(v, 1);
	CHECK_EQ(v->uc.args[1], a);
	CHECK_EQ(v->uc.args[2], b);
}

static int set_routes(struct vm *vm, u32 n, u32 flags, const struct kvm_irq_routing_entry *e)
{
	struct kvm_irq_routing *r = calloc(1, sizeof(*r) + n * sizeof(*e));
	int ret, err;

	r->nr = n;
	r->flags = flags;
	if (n)
		memcpy(r->entries, e, n * sizeof(*e));
	ret = ioctl(vm->fd, KVM_SET_GSI_ROUTING, r);
	err = errno;
	free(r);
	errno = err;
	return ret;
}

static struct kvm_irq_routing_entry to_ioapic(u32 gsi, u32 pin)
{
	return (struct kvm_irq_routing_entry){
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { .irqchip = KVM_IRQCHIP_IOAPIC, .pin = pin },
	};
}

static struct kvm_irq_routing_entry to_msi(u32 gsi, u32 lo, u32 data)
{
	return (struct kvm_irq_routing_entry){
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = lo, .data = data },
	};
}

CASE(routing)
{
	struct kvm_irq_routing_entry e[3] = {
		to_ioapic(5, 7),
		to_ioapic(40, 5),
		to_msi(50, APIC_BASE, VEC),
	};
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *v = vcpu_new(vm, 0, guest_wait, 6);

	run_sync(v, 0);
	OK(set_routes(vm, 3, 0, e));
	irq_line(vm, 5, 1);
	irq_line(vm, 5, 0);
	expect(v, 0, 1);
	irq_line(vm, 40, 1);
	irq_line(vm, 40, 0);
	expect(v, 1, 1);
	irq_line(vm, 50, 1);
	irq_line(vm, 50, 0);
	expect(v, 2, 1);
	/* One GSI may lead to several pins; no route at all leads nowhere. */
	e[0] = to_ioapic(9, 5);
	e[1] = to_msi(9, APIC_BASE, VEC + 1);
	if (!set_routes(vm, 2, 0, e)) {
		irq_line(vm, 9, 1);
		irq_line(vm, 9, 0);
		expect(v, 3, 2);
	} else {
		e[1] = to_ioapic(10, 7);
		OK(set_routes(vm, 2, 0, e));
		irq_line(vm, 9, 1);
		irq_line(vm, 10, 1);
		expect(v, 3, 2);
	}
	OK(set_routes(vm, 0, 0, NULL));
	irq_line(vm, 5, 1);
	irq_line(vm, 5, 0);
	expect(v, 3, 2);
}

CASE(routing_errors)
{
	struct kvm_irq_routing_entry e = to_ioapic(5, 5);
	struct vm *vm = vm_create(VM_IRQCHIP);

	CHECK_ERRNO(set_routes(vm, 1, 1, &e), EINVAL);
	e.type = 77;
	CHECK_ERRNO(set_routes(vm, 1, 0, &e), EINVAL);
	e = to_ioapic(1u << 20, 5);
	CHECK_ERRNO(set_routes(vm, 1, 0, &e), EINVAL);
	e = to_ioapic(5, 24);
	CHECK_ERRNO(set_routes(vm, 1, 0, &e), EINVAL);
	e = to_ioapic(5, 5);
	e.u.irqchip.irqchip = 9;
	CHECK_ERRNO(set_routes(vm, 1, 0, &e), EINVAL);
	e = to_msi(5, APIC_BASE, VEC);
	e.flags = 1u << 30;
	CHECK_ERRNO(set_routes(vm, 1, 0, &e), EINVAL);
	{
		struct kvm_irq_routing many = { .nr = 1u << 20 };

		CHECK_ERRNO(ioctl(vm->fd, KVM_SET_GSI_ROUTING, &many), EINVAL);
	}
}

CASE(signal_msi)
{
	struct kvm_msi msi = { .address_lo = APIC_BASE, .data = VEC };
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *v = vcpu_new(vm, 0, guest_wait, 3);

	run_sync(v, 0);
	CHECK(OK(ioctl(vm->fd, KVM_SIGNAL_MSI, &msi)) > 0);
	expect(v, 1, 0);
	/* Nobody has that identifier: blocked by the guest, 0. */
	msi.address_lo |= 77 << 12;
	CHECK(ioctl(vm->fd, KVM_SIGNAL_MSI, &msi) <= 0);
	expect(v, 1, 0);
	msi.address_lo = APIC_BASE;
	msi.flags = 0x80;
	CHECK_ERRNO(ioctl(vm->fd, KVM_SIGNAL_MSI, &msi), EINVAL);
	expect(v, 1, 0);
}

CASE(signal_msi_without_apic)
{
	struct kvm_msi msi = { .address_lo = APIC_BASE, .data = VEC };
	struct vm *vm = vm_create(0);

	CHECK_ERRNO(ioctl(vm->fd, KVM_SIGNAL_MSI, &msi), EINVAL);
}

/* A level that the guest has not yet acknowledged swallows the next: no status > 0. */
static void guest_irqs_off(void)
{
	guest_on(VEC, guest_count_irq);
	enable_without_pic();
	route_pin(20, 0, LEVEL | VEC);
	GUEST_SYNC(0);
	sti_nop();
	GASSERT_EQ(irqs()[VEC], 1);
	GUEST_DONE();
}

CASE(irq_line_status)
{
	struct kvm_irq_level l = { .irq = 20, .level = 1 };
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *v = vcpu_new(vm, 0, guest_irqs_off, 0);

	need_cap(KVM_CAP_IRQ_INJECT_STATUS);
	run_sync(v, 0);
	OK(ioctl(vm->fd, KVM_IRQ_LINE_STATUS, &l));
	CHECK((int)l.status > 0);
	l.level = 1;
	l.irq = 20;
	OK(ioctl(vm->fd, KVM_IRQ_LINE_STATUS, &l));
	CHECK((int)l.status <= 0);
	irq_line(vm, 20, 0);
	run_done(v);
}
