// SPDX-License-Identifier: GPL-2.0
/*
 * Coalesced MMIO and PIO: writes to registered zones go to a ring that user space empties at its
 * next exit (Documentation/virt/kvm/api.rst, 4.116).
 */
#include <linux/nospec.h>
#include <linux/slab.h>

#include "vmm.h"

struct coalesced_zone {
	struct bus_device dev;
	struct list_head list;		/* in vm->coalesced.zones */
	struct vmm *vm;
	enum bus_nr nr;
};

#define RING_ENTRIES ((u32)KVM_COALESCED_MMIO_MAX)

/* The ring is user space's page: every index from it is checked each time. */
static int coalesced_write(struct vcpu *vcpu, struct bus_device *dev, gpa_t addr, int len,
			   const void *val)
{
	struct coalesced_zone *zone = container_of(dev, struct coalesced_zone, dev);
	struct kvm_coalesced_mmio_ring *ring = zone->vm->coalesced.ring;
	struct kvm_coalesced_mmio *slot;
	u32 last, next;

	if (len < 1 || len > sizeof(slot->data) || addr + len > dev->addr + dev->len)
		return -EOPNOTSUPP;
	spin_lock(&zone->vm->coalesced.lock);
	last = READ_ONCE(ring->last);
	next = (last + 1) % RING_ENTRIES;
	if (last >= RING_ENTRIES || next == READ_ONCE(ring->first)) {
		spin_unlock(&zone->vm->coalesced.lock);
		return -EOPNOTSUPP;
	}
	slot = &ring->coalesced_mmio[array_index_nospec(last, RING_ENTRIES)];
	slot->phys_addr = addr;
	slot->len = len;
	memcpy(slot->data, val, len);
	slot->pio = zone->nr == BUS_PIO;
	/* The entry before the index that shows it. */
	smp_wmb();
	WRITE_ONCE(ring->last, next);
	spin_unlock(&zone->vm->coalesced.lock);
	return 0;
}

static const struct bus_ops coalesced_ops = { .write = coalesced_write };

/* The page of the ring; 0 or -ENOMEM. */
int coalesced_create(struct vmm *vm)
{
	INIT_LIST_HEAD(&vm->coalesced.zones);
	spin_lock_init(&vm->coalesced.lock);
	vm->coalesced.ring = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	return vm->coalesced.ring ? 0 : -ENOMEM;
}

/* No vCPU is left. */
void coalesced_destroy(struct vmm *vm)
{
	struct coalesced_zone *zone, *next;

	list_for_each_entry_safe(zone, next, &vm->coalesced.zones, list)
		kfree(zone);
	free_guest_page(vm->coalesced.ring);
}

/**
 * coalesced_register() - KVM_REGISTER_COALESCED_MMIO
 * @vm: the VM
 * @zone: addresses; zone->pio: 0 memory, 1 ports
 *
 * Context: vm->mem.slots_lock held; may sleep.
 * Return: 0, -EINVAL: zone->pio or length is neither, -ENOSPC, -ENOMEM
 */
int coalesced_register(struct vmm *vm, const struct kvm_coalesced_mmio_zone *zone)
{
	struct coalesced_zone *z;
	int err;

	if (zone->pio > 1 || !zone->size || zone->addr + zone->size < zone->addr)
		return -EINVAL;
	z = kzalloc(sizeof(*z), GFP_KERNEL_ACCOUNT);
	if (!z)
		return -ENOMEM;
	z->vm = vm;
	z->nr = zone->pio ? BUS_PIO : BUS_MMIO;
	z->dev = (struct bus_device){ &coalesced_ops, zone->addr, zone->size };
	err = bus_add(vm, z->nr, &z->dev);
	if (err) {
		kfree(z);
		return err;
	}
	list_add_tail(&z->list, &vm->coalesced.zones);
	return 0;
}

/**
 * coalesced_unregister() - KVM_UNREGISTER_COALESCED_MMIO: every zone inside this one goes
 * @vm: the VM
 * @zone: addresses
 *
 * Context: vm->mem.slots_lock held; may sleep.
 * Return: 0 (also where there was none), -EINVAL
 */
int coalesced_unregister(struct vmm *vm, const struct kvm_coalesced_mmio_zone *zone)
{
	struct coalesced_zone *z, *next;

	if (zone->pio > 1)
		return -EINVAL;
	list_for_each_entry_safe(z, next, &vm->coalesced.zones, list) {
		if (z->nr != (zone->pio ? BUS_PIO : BUS_MMIO) || z->dev.addr < zone->addr ||
		    z->dev.addr + z->dev.len > zone->addr + zone->size)
			continue;
		bus_remove(vm, z->nr, &z->dev);
		list_del(&z->list);
		kfree(z);
	}
	return 0;
}
