// SPDX-License-Identifier: GPL-2.0
/* KVM_CAP_SPLIT_IRQCHIP: when user space's PIC reaches the processor. */
#include "vm.h"

#define SUITE "split_irqchip"

#define LVT_EXTINT 0x700
#define ROUNDS     1000

static struct vm *split_vm(void)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { 24 } };
	struct vm *vm = vm_create(0);

	need_cap(KVM_CAP_SPLIT_IRQCHIP);
	OK(ioctl(vm->fd, KVM_ENABLE_CAP, &cap));
	vm->irqchip = true;
	return vm;
}

static void guest_masked(void)
{
	int i;

	apic_enable();
	apic_write(APIC_LVT0, LVT_MASKED | LVT_EXTINT);
	sti();
	GUEST_SYNC(0);
	for (i = 0; i < ROUNDS; i++)
		pause_cpu();
	GUEST_SYNC(1);
	apic_write(APIC_LVT0, LVT_EXTINT);
	for (i = 0; i < ROUNDS; i++)
		pause_cpu();
	GUEST_DONE();
}

/* A PIC that waits for a processor whose LINT0 is masked does not stop that processor. */
CASE(pic_behind_masked_lint0, .timeout = 20)
{
	struct vcpu *v = vcpu_new(split_vm(), 0, guest_masked, 0);

	run_sync(v, 0);
	v->run->request_interrupt_window = 1;
	run_sync(v, 1);
	CHECK_EQ(v->run->ready_for_interrupt_injection, 0);
	vcpu_run_exit(v, KVM_EXIT_IRQ_WINDOW_OPEN);
	CHECK_EQ(v->run->ready_for_interrupt_injection, 1);
	v->run->request_interrupt_window = 0;
	run_done(v);
}
