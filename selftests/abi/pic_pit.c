// SPDX-License-Identifier: GPL-2.0
/* The pair of 8259A interrupt controllers and the 8254 timer. Intel datasheets of both. */
#include <string.h>
#include "vm.h"

#define SUITE "pic_pit"

#define MASTER 0x20
#define SLAVE  0xa0
#define BASE   0x20 /* vectors of the master, then the slave's */

static void pic_init(u8 mask_master, u8 mask_slave)
{
	outb(MASTER, 0x11);
	outb(MASTER + 1, BASE);
	outb(MASTER + 1, 4);
	outb(MASTER + 1, 1);
	outb(SLAVE, 0x11);
	outb(SLAVE + 1, BASE + 8);
	outb(SLAVE + 1, 2);
	outb(SLAVE + 1, 1);
	outb(MASTER + 1, mask_master);
	outb(SLAVE + 1, mask_slave);
	apic_enable();
	apic_write(APIC_LVT0, 0x700); /* ExtINT */
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

static GUEST_HANDLER void count_eoi(struct trap *t)
{
	this_cpu()->irqs[t->vector & 0xff]++;
	if (t->vector >= BASE + 8)
		outb(SLAVE, 0x20);
	outb(MASTER, 0x20);
}

static void handle_all(void)
{
	int i;

	for (i = 0; i < 16; i++)
		guest_on(BASE + i, count_eoi);
}

static void guest_pic(void)
{
	handle_all();
	pic_init(0, 0);
	GASSERT_EQ(inb(MASTER + 1), 0);
	sti();
	GUEST_SYNC(0);
	GASSERT_EQ(irqs()[BASE + 4], 1);
	GUEST_SYNC(1);
	GASSERT_EQ(irqs()[BASE + 12], 1);
	/* Masked: requested, not delivered until unmasked. */
	outb(MASTER + 1, 0x10);
	GUEST_SYNC(2);
	GASSERT_EQ(irqs()[BASE + 4], 1);
	outb(MASTER, 0x0a);
	GASSERT_EQ(inb(MASTER) & 0x10, 0x10);
	outb(MASTER + 1, 0);
	asm volatile("nop");
	GASSERT_EQ(irqs()[BASE + 4], 2);
	GUEST_DONE();
}

CASE(edge)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *v = vcpu_new(vm, 0, guest_pic, 0);

	run_sync(v, 0);
	irq_line(vm, 4, 1);
	irq_line(vm, 4, 1);
	run_sync(v, 1);
	irq_line(vm, 4, 0);
	irq_line(vm, 12, 1);
	irq_line(vm, 12, 0);
	irq_line(vm, 12, 1);
	run_sync(v, 2);
	irq_line(vm, 4, 1);
	run_done(v);
}

static volatile u32 order[4], n_order;

static GUEST_HANDLER void ordered(struct trap *t)
{
	order[n_order++ & 3] = t->vector;
	/* In service according to OCW3. */
	outb(MASTER, 0x0b);
	GASSERT_EQ(inb(MASTER), 1u << (t->vector - BASE));
	outb(MASTER, 0x60 | (t->vector - BASE));
}

static void guest_priority(void)
{
	guest_on(BASE + 1, ordered);
	guest_on(BASE + 3, ordered);
	guest_on(BASE + 6, ordered);
	pic_init(0, 0);
	GUEST_SYNC(0);
	sti_nop();
	asm volatile("nop; nop; nop");
	GASSERT_EQ(n_order, 3);
	GASSERT_EQ(order[0], BASE + 1);
	GASSERT_EQ(order[1], BASE + 3);
	GASSERT_EQ(order[2], BASE + 6);
	GUEST_DONE();
}

CASE(priority)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *v = vcpu_new(vm, 0, guest_priority, 0);

	run_sync(v, 0);
	irq_line(vm, 6, 1);
	irq_line(vm, 3, 1);
	irq_line(vm, 1, 1);
	run_done(v);
}

/* Edge/level control register: IRQ 5 level-triggered comes again until its line falls. */
static GUEST_HANDLER void level_handler(struct trap *t)
{
	irqs()[t->vector]++;
	GUEST_SYNC(100 + irqs()[t->vector]);
	outb(MASTER, 0x20);
}

static void guest_elcr(void)
{
	guest_on(BASE + 5, level_handler);
	pic_init(0, 0);
	outb(0x4d0, 0x20);
	GASSERT_EQ(inb(0x4d0), 0x20);
	GUEST_SYNC(0);
	sti_nop();
	GASSERT_EQ(irqs()[BASE + 5], 2);
	GUEST_DONE();
}

CASE(level)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *v = vcpu_new(vm, 0, guest_elcr, 0);

	run_sync(v, 0);
	irq_line(vm, 5, 1);
	run_sync(v, 101);
	run_sync(v, 102);
	irq_line(vm, 5, 0);
	run_done(v);
}

static void guest_aeoi(void)
{
	guest_on(BASE + 4, guest_count);
	outb(MASTER, 0x11);
	outb(MASTER + 1, BASE);
	outb(MASTER + 1, 4);
	outb(MASTER + 1, 3);
	outb(MASTER + 1, 0);
	apic_enable();
	apic_write(APIC_LVT0, 0x700);
	sti();
	GUEST_SYNC(0);
	GASSERT_EQ(irqs()[BASE + 4], 1);
	GUEST_SYNC(1);
	GASSERT_EQ(irqs()[BASE + 4], 2);
	GUEST_DONE();
}

CASE(auto_eoi)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *v = vcpu_new(vm, 0, guest_aeoi, 0);

	run_sync(v, 0);
	irq_line(vm, 4, 1);
	irq_line(vm, 4, 0);
	run_sync(v, 1);
	irq_line(vm, 4, 1);
	irq_line(vm, 4, 0);
	run_done(v);
}

/* Through LINT0 only if that is unmasked. */
static void guest_lint0(void)
{
	handle_all();
	pic_init(0, 0);
	apic_write(APIC_LVT0, LVT_MASKED | 0x700);
	sti();
	GUEST_SYNC(0);
	GASSERT_EQ(irqs()[BASE + 4], 0);
	apic_write(APIC_LVT0, 0x700);
	asm volatile("nop");
	GASSERT_EQ(irqs()[BASE + 4], 1);
	GUEST_DONE();
}

CASE(lint0_masked, .oracle = "in-tree KVM does not look at the PIC when LINT0 is unmasked")
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *v = vcpu_new(vm, 0, guest_lint0, 0);

	run_sync(v, 0);
	irq_line(vm, 4, 1);
	run_done(v);
}

static void guest_hlt(void)
{
	handle_all();
	pic_init(0, 0);
	GUEST_SYNC(0);
	sti_hlt_cli();
	GASSERT_EQ(irqs()[BASE + 9], 1);
	GUEST_DONE();
}

static void *raise_later(void *arg)
{
	host_sleep_ms(50);
	irq_line(arg, 9, 1);
	return NULL;
}

CASE(wakes_hlt)
{
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *v = vcpu_new(vm, 0, guest_hlt, 0);
	pthread_t t;

	run_sync(v, 0);
	CHECK_EQ(pthread_create(&t, NULL, raise_later, vm), 0);
	run_done(v);
	pthread_join(t, NULL);
}

static void guest_program(void)
{
	pic_init(0xa5, 0x5a);
	GUEST_DONE();
}

CASE(get_set_pic)
{
	struct kvm_irqchip m = { .chip_id = KVM_IRQCHIP_PIC_MASTER };
	struct kvm_irqchip s = { .chip_id = KVM_IRQCHIP_PIC_SLAVE };
	struct vm *vm = vm_create(VM_IRQCHIP);
	struct vcpu *v = vcpu_new(vm, 0, guest_program, 0);

	run_done(v);
	OK(ioctl(vm->fd, KVM_GET_IRQCHIP, &m));
	OK(ioctl(vm->fd, KVM_GET_IRQCHIP, &s));
	CHECK_EQ(m.chip.pic.imr, 0xa5);
	CHECK_EQ(m.chip.pic.irq_base, BASE);
	CHECK_EQ(s.chip.pic.imr, 0x5a);
	CHECK_EQ(s.chip.pic.irq_base, BASE + 8);
	CHECK_EQ(m.chip.pic.elcr_mask, 0xf8);
	CHECK_EQ(s.chip.pic.elcr_mask, 0xde);
	m.chip.pic.imr = 0x77;
	m.chip.pic.irq_base = 0x40;
	OK(ioctl(vm->fd, KVM_SET_IRQCHIP, &m));
	OK(ioctl(vm->fd, KVM_GET_IRQCHIP, &m));
	CHECK_EQ(m.chip.pic.imr, 0x77);
	CHECK_EQ(m.chip.pic.irq_base, 0x40);
}

/* Latched, the count stands still while it is read. */
static u32 pit_count(void)
{
	u32 v;

	outb(0x43, 0x00);
	v = inb(0x40);
	return v | inb(0x40) << 8;
}

static void guest_pit(void)
{
	u32 n, a;

	handle_all();
	pic_init(0xfe, 0xff);
	outb(0x43, 0x34); /* channel 0, both bytes, mode 2 */
	outb(0x40, 0x00);
	outb(0x40, 0x20); /* 8192: about 7 ms */
	sti();
	SPIN_UNTIL(irqs()[BASE] >= 3);
	n = irqs()[BASE];
	while (irqs()[BASE] < n + 2)
		sti_hlt();
	a = pit_count();
	GASSERT(a <= 0x2000);
	SPIN_UNTIL(pit_count() != a);
	GUEST_DONE();
}

CASE(pit_channel0)
{
	run_done(vcpu_new(vm_create(VM_PIT), 0, guest_pit, 0));
}

/* One-shot (mode 0): one interrupt. Channel 2 with its gate and output at port 0x61. */
static void guest_speaker(void)
{
	u8 begun;

	outb(0x61, 0);
	GASSERT_EQ(inb(0x61) & 3, 0);
	/* On a busy machine the time may be over before it is looked at: again. */
	do {
		outb(0x61, 1);
		outb(0x43, 0xb0); /* channel 2, both bytes, mode 0 */
		outb(0x42, 0xff);
		outb(0x42, 0x1f);
		begun = inb(0x61);
		GASSERT_EQ(begun & 3, 1);
	} while (begun & 0x20);
	SPIN_UNTIL(inb(0x61) & 0x20);
	outb(0x61, 3);
	GASSERT_EQ(inb(0x61) & 3, 3);
	GUEST_DONE();
}

CASE(pit_speaker_port)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	struct vm *vm = vm_create(VM_IRQCHIP);

	OK(ioctl(vm->fd, KVM_CREATE_PIT2, &pit));
	run_done(vcpu_new(vm, 0, guest_speaker, 0));
}

static void guest_port61(void)
{
	outb(0x61, 1);
	GUEST_DONE();
}

/* Without the flag port 0x61 belongs to user space. */
CASE(pit_without_speaker)
{
	struct vcpu *v = vcpu_new(vm_create(VM_PIT), 0, guest_port61, 0);

	vcpu_run_exit(v, KVM_EXIT_IO);
	CHECK_EQ(v->run->io.port, 0x61);
	run_done(v);
}

static void guest_load_pit(void)
{
	outb(0x43, 0x34);
	outb(0x40, 0x34);
	outb(0x40, 0x12);
	outb(0x43, 0xb6);
	outb(0x42, 0x78);
	outb(0x42, 0x56);
	GUEST_DONE();
}

CASE(get_set_pit)
{
	struct kvm_pit_config pit = { 0 };
	struct vm *vm = vm_create(VM_PIT), *bare = vm_create(0);
	struct kvm_pit_state2 s;

	memset(&s, 0, sizeof(s));
	run_done(vcpu_new(vm, 0, guest_load_pit, 0));
	OK(ioctl(vm->fd, KVM_GET_PIT2, &s));
	CHECK_EQ(s.channels[0].count, 0x1234);
	CHECK_EQ(s.channels[0].mode, 2);
	CHECK_EQ(s.channels[2].count, 0x5678);
	CHECK_EQ(s.channels[2].mode, 3);
	s.channels[2].count = 0x4321;
	OK(ioctl(vm->fd, KVM_SET_PIT2, &s));
	OK(ioctl(vm->fd, KVM_GET_PIT2, &s));
	CHECK_EQ(s.channels[2].count, 0x4321);
	CHECK_ERRNO(ioctl(vm->fd, KVM_CREATE_PIT2, &pit), EEXIST);
	CHECK_ERRNO(ioctl(bare->fd, KVM_GET_PIT2, &s), ENXIO);
	CHECK_ERRNO(ioctl(bare->fd, KVM_SET_PIT2, &s), ENXIO);
}
