// SPDX-License-Identifier: GPL-2.0
/*
 * The irqchip of a VM: its lifetime, its state for user space, and the question every entry asks:
 * is there an interrupt?
 *
 * Locks of this room, outermost first:
 *	vm->lock, vm->mem.slots_lock	as everywhere
 *	irq.lock	mutex: routes, lists of irqfds; routes and resamplers are read by RCU
 *	irq.map_lock	mutex: the destination map, read by RCU
 *	eventfd wait queue lock		held by whoever signals an irqfd
 *	pit->lock, ioapic->lock, pic->lock	raw, interrupts off; never one inside another
 * Under ioapic->lock a message goes to APICs, which take no lock: IRR is atomic, and vcpu_wake()
 * is the innermost of all. Acknowledgements (irq_notify_ack()) go out with none of the raw locks
 * held, as they drive lines again.
 */
#include <linux/slab.h>
#include "../backend.h"
#include "chips.h"
#include "lapic.h"

/**
 * irq_vm_init() - prepare a new VM's irqchip; it has none yet
 * @vm: zeroed
 */
void irq_vm_init(struct vmm *vm)
{
	struct irqchip *irq = &vm->irq;

	mutex_init(&irq->lock);
	mutex_init(&irq->map_lock);
	INIT_LIST_HEAD(&irq->irqfds);
	INIT_LIST_HEAD(&irq->resamplers);
	INIT_LIST_HEAD(&irq->ioeventfds);
}
EXPORT_FOR_TEST(irq_vm_init);

/**
 * irq_vm_release() - the VM file is closed: nothing outside drives its interrupts any more
 * @vm: the VM; its vCPUs may still be there; may sleep
 *
 * On return no eventfd callback, no timer of the PIT and no work of this room runs or will run.
 */
void irq_vm_release(struct vmm *vm)
{
	irqfd_vm_release(vm);
	if (vm->irq.pit)
		pit_release(vm->irq.pit);
	if (vm->irq.ioapic)
		ioapic_release(vm->irq.ioapic);
}
EXPORT_FOR_TEST(irq_vm_release);

/**
 * irq_vm_destroy() - free everything
 * @vm: no vCPU is left, nobody looks at its buses; may sleep
 */
void irq_vm_destroy(struct vmm *vm)
{
	struct irqchip *irq = &vm->irq;

	irq_vm_release(vm);
	ioeventfd_vm_destroy(vm);
	kfree(irq->pit);
	kfree(irq->ioapic);
	kfree(irq->pic);
	if (irq->access_page)
		__free_page(irq->access_page);
	irq->access_page = NULL;
	irq->pit = NULL;
	irq->ioapic = NULL;
	irq->pic = NULL;
	irq_free_routes(vm);
	kvfree(rcu_dereference_protected(irq->map, true));
	RCU_INIT_POINTER(irq->map, NULL);
}
EXPORT_FOR_TEST(irq_vm_destroy);

/* Its contents do not matter: accesses to it are served from lapic.regs, or exit. */
static int irq_alloc_access_page(struct irqchip *irq)
{
	if (!backend_caps.virtual_apic || irq->access_page)
		return 0;
	irq->access_page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	return irq->access_page ? 0 : -ENOMEM;
}

static int irqchip_register(struct vmm *vm, struct pic *pic, struct ioapic *ioapic)
{
	unsigned int i;
	int ret = 0;

	mutex_lock(&vm->mem.slots_lock);
	for (i = 0; !ret && i < ARRAY_SIZE(pic->dev); i++)
		ret = bus_add(vm, BUS_PIO, &pic->dev[i]);
	if (!ret)
		ret = bus_add(vm, BUS_MMIO, &ioapic->dev);
	while (ret && i--)
		bus_remove(vm, BUS_PIO, &pic->dev[i]);
	mutex_unlock(&vm->mem.slots_lock);
	return ret;
}

/**
 * irqchip_create() - KVM_CREATE_IRQCHIP
 * @vm: the VM; vm->lock is held, takes slots_lock; may sleep
 *
 * Return: 0; -EEXIST: there is one; -EINVAL: there are vCPUs; -ENOMEM; -ENOSPC.
 */
int irqchip_create(struct vmm *vm)
{
	struct irqchip *irq = &vm->irq;
	struct ioapic *ioapic;
	struct pic *pic;
	int ret = -ENOMEM;

	if (irq->mode != IRQCHIP_NONE)
		return -EEXIST;
	if (vm->created_vcpus)
		return -EINVAL;
	pic = pic_alloc(vm);
	ioapic = ioapic_alloc(vm);
	if (pic && ioapic)
		ret = irq_alloc_access_page(irq);
	if (!ret)
		ret = irq_set_default_routes(vm);
	/* Routes without an irqchip are not looked at. */
	if (!ret)
		ret = irqchip_register(vm, pic, ioapic);
	if (ret) {
		kfree(ioapic);
		kfree(pic);
		return ret;
	}
	irq->pic = pic;
	irq->ioapic = ioapic;
	/* Pairs with the READ_ONCE() of whoever finds the mode and then uses the chips. */
	smp_store_release(&irq->mode, IRQCHIP_KERNEL);
	return 0;
}
EXPORT_FOR_TEST(irqchip_create);

/**
 * irqchip_split() - KVM_CAP_SPLIT_IRQCHIP: local APICs here, PIC and I/O APIC in user space
 * @vm: the VM; vm->lock is held; may sleep
 * @pins: routes that belong to user space's I/O APIC
 *
 * Return: 0; -EINVAL: more than IRQ_MAX_ROUTES; -EEXIST: there is an irqchip or a vCPU; -ENOMEM.
 */
int irqchip_split(struct vmm *vm, u32 pins)
{
	struct irqchip *irq = &vm->irq;
	int ret;

	if (pins > IRQ_MAX_ROUTES)
		return -EINVAL;
	if (irq->mode != IRQCHIP_NONE || vm->created_vcpus)
		return -EEXIST;
	ret = irq_alloc_access_page(irq);
	if (!ret)
		ret = irq_set_routing(vm, NULL, 0, 0);
	if (ret)
		return ret;
	irq->split_pins = pins;
	/* As in irqchip_create(). */
	smp_store_release(&irq->mode, IRQCHIP_SPLIT);
	return 0;
}
EXPORT_FOR_TEST(irqchip_split);

/**
 * irqchip_state() - KVM_GET_IRQCHIP, KVM_SET_IRQCHIP
 * @vm: the VM
 * @chip: chip_id says which; its state
 * @set: take the state, else fill it in
 *
 * Return: 0; -ENXIO: no PIC and I/O APIC in the kernel; -EINVAL: no such chip.
 */
int irqchip_state(struct vmm *vm, struct kvm_irqchip *chip, bool set)
{
	if (irqchip_user_pic(&vm->irq))
		return -ENXIO;
	switch (chip->chip_id) {
	case KVM_IRQCHIP_PIC_MASTER:
	case KVM_IRQCHIP_PIC_SLAVE:
		(set ? pic_set : pic_get)(vm->irq.pic, chip->chip_id == KVM_IRQCHIP_PIC_SLAVE,
					  &chip->chip.pic);
		return 0;
	case KVM_IRQCHIP_IOAPIC:
		(set ? ioapic_set : ioapic_get)(vm->irq.ioapic, &chip->chip.ioapic);
		return 0;
	default:
		return -EINVAL;
	}
}
EXPORT_FOR_TEST(irqchip_state);

static bool irq_extint(struct vcpu *vcpu)
{
	struct pic *pic = vcpu->vm->irq.pic;

	return pic && READ_ONCE(pic->output) && lapic_accepts_pic(vcpu->apic);
}

/**
 * irq_pending() - does the irqchip have an interrupt that the guest would take with IF = 1?
 * @vcpu: any; false without in-kernel APIC
 */
bool irq_pending(struct vcpu *vcpu)
{
	if (!vcpu->apic)
		return false;
	return irq_extint(vcpu) || lapic_pending(vcpu) >= 0;
}
EXPORT_FOR_TEST(irq_pending);

/**
 * irq_injectable() - irq_pending(), but for what the processor delivers by itself
 * @vcpu: the vCPU's own thread; false without in-kernel APIC
 */
bool irq_injectable(struct vcpu *vcpu)
{
	if (!vcpu->apic)
		return false;
	return irq_extint(vcpu) || (!lapic_is_virtual(vcpu->apic) && lapic_pending(vcpu) >= 0);
}
EXPORT_FOR_TEST(irq_injectable);

/**
 * irq_acknowledge() - take the interrupt: the PIC's first, else the APIC's
 * @vcpu: the loaded vCPU, which will deliver it; interrupts may be off
 *
 * Return: the vector, or -1: there is none any more.
 */
int irq_acknowledge(struct vcpu *vcpu)
{
	int vector;

	if (!vcpu->apic)
		return -1;
	if (irq_extint(vcpu)) {
		vector = pic_acknowledge(vcpu->vm->irq.pic);
		if (vector >= 0)
			return vector;
	}
	return lapic_take(vcpu->apic);
}
EXPORT_FOR_TEST(irq_acknowledge);
