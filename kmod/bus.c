// SPDX-License-Identifier: GPL-2.0
/* The buses of one VM: immutable sorted arrays, replaced under slots_lock, read under RCU. */
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "vmm.h"

#define BUS_MAX_DEVICES 1000	/* KVM_CAP_NR_IOBUS_DEVS' traditional bound */

/* reach: the end of the furthest-reaching device up to and including this one. */
struct bus_entry {
	struct bus_device *dev;
	gpa_t reach;
};

struct bus_range {
	struct rcu_head rcu;
	unsigned int count;
	struct bus_entry at[];
};

static u32 bus_len(const struct bus_device *dev)
{
	return dev->len ?: 1;
}

/* Publish a complete array. */
static void bus_publish(struct vmm *vm, enum bus_nr nr, struct bus_range *range)
{
	gpa_t reach = 0;
	unsigned int i;

	for (i = 0; i < range->count; i++) {
		const struct bus_device *dev = range->at[i].dev;

		reach = max(reach, dev->addr + bus_len(dev));
		range->at[i].reach = reach;
	}
	rcu_assign_pointer(vm->bus[nr].range, range);
}

static struct bus_range *bus_range_locked(struct vmm *vm, enum bus_nr nr)
{
	return rcu_dereference_protected(vm->bus[nr].range, lockdep_is_held(&vm->mem.slots_lock));
}

/* Index of the first device at or above addr. */
static unsigned int bus_lower_bound(const struct bus_range *range, gpa_t addr)
{
	unsigned int lo = 0, hi = range->count;

	while (lo < hi) {
		unsigned int mid = (lo + hi) / 2;

		if (range->at[mid].dev->addr < addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/**
 * bus_add() - add a device
 * @vm: the VM
 * @nr: which bus
 * @dev: the device; stays the caller's, until bus_remove()
 *
 * Context: vm->mem.slots_lock held; may sleep.
 * Return: 0, -ENOSPC: too many devices, -ENOMEM
 */
int bus_add(struct vmm *vm, enum bus_nr nr, struct bus_device *dev)
{
	struct bus_range *old = bus_range_locked(vm, nr), *new;
	unsigned int count = old ? old->count : 0;
	unsigned int at = old ? bus_lower_bound(old, dev->addr + 1) : 0;

	if (count >= BUS_MAX_DEVICES)
		return -ENOSPC;
	new = kvmalloc(struct_size(new, at, count + 1), GFP_KERNEL_ACCOUNT);
	if (!new)
		return -ENOMEM;
	new->count = count + 1;
	new->at[at].dev = dev;
	if (old) {
		memcpy(new->at, old->at, at * sizeof(*new->at));
		memcpy(new->at + at + 1, old->at + at, (count - at) * sizeof(*new->at));
	}
	bus_publish(vm, nr, new);
	if (old)
		kvfree_rcu(old, rcu);
	return 0;
}
EXPORT_FOR_TEST(bus_add);

/**
 * bus_remove() - take a device away
 * @vm: the VM
 * @nr: which bus
 * @dev: the device
 *
 * On return no handler of @dev runs any more. Removal cannot fail.
 *
 * Context: vm->mem.slots_lock held; may sleep.
 */
void bus_remove(struct vmm *vm, enum bus_nr nr, struct bus_device *dev)
{
	struct bus_range *old = bus_range_locked(vm, nr), *new;
	unsigned int i, n = 0;

	if (!old)
		return;
	/* More than two pages at a stretch must not be asked for in this way. */
	new = kvmalloc(struct_size(new, at, old->count), GFP_KERNEL_ACCOUNT | __GFP_NOFAIL);
	for (i = 0; i < old->count; i++)
		if (old->at[i].dev != dev)
			new->at[n++].dev = old->at[i].dev;
	new->count = n;
	bus_publish(vm, nr, new);
	synchronize_rcu_expedited();
	kvfree(old);
}
EXPORT_FOR_TEST(bus_remove);

/* The VM is going: nobody reads the buses any more. */
void bus_destroy(struct vmm *vm)
{
	int i;

	for (i = 0; i < BUS_COUNT; i++)
		kvfree(rcu_dereference_protected(vm->bus[i].range, true));
}
EXPORT_FOR_TEST(bus_destroy);

static int bus_ask(struct vcpu *vcpu, struct bus_device *dev, gpa_t addr, int len, void *val,
		   bool write)
{
	if (write)
		return dev->ops->write ? dev->ops->write(vcpu, dev, addr, len, val) : -EOPNOTSUPP;
	return dev->ops->read ? dev->ops->read(vcpu, dev, addr, len, val) : -EOPNOTSUPP;
}

/*
 * Devices may share an address (ioeventfds with different data) and their ranges may overlap
 * (a coalesced zone around an ioeventfd), so ask each that covers the address.
 */
static int bus_access(struct vcpu *vcpu, enum bus_nr nr, gpa_t addr, int len, void *val, bool write)
{
	const struct bus_range *range;
	int ret = -EOPNOTSUPP;
	unsigned int i;

	rcu_read_lock();
	range = rcu_dereference(vcpu->vm->bus[nr].range);
	for (i = range ? bus_lower_bound(range, addr + 1) : 0; i--;) {
		struct bus_device *dev = range->at[i].dev;

		if (range->at[i].reach <= addr)
			break;
		if (addr - dev->addr >= bus_len(dev))
			continue;
		/* No length, no data: for devices that want neither. */
		if (!len && dev->len)
			continue;
		ret = bus_ask(vcpu, dev, addr, len, val, write);
		if (ret != -EOPNOTSUPP)
			break;
	}
	rcu_read_unlock();
	return ret;
}

/**
 * bus_read() - read from an in-kernel device
 * @vcpu: who reads
 * @nr: which bus
 * @addr: port or guest physical address
 * @len: bytes
 * @val: gets them
 *
 * Context: any in which the devices' handlers may run; does not sleep.
 * Return: 0, -EOPNOTSUPP: no device has it
 */
int bus_read(struct vcpu *vcpu, enum bus_nr nr, gpa_t addr, int len, void *val)
{
	return bus_access(vcpu, nr, addr, len, val, false);
}
EXPORT_FOR_TEST(bus_read);

/**
 * bus_write() - write to an in-kernel device
 * @vcpu: who writes
 * @nr: which bus
 * @addr: port or guest physical address
 * @len: bytes; 0: only ioeventfds that match any length are asked
 * @val: the bytes
 *
 * Context: as bus_read().
 * Return: 0, -EOPNOTSUPP: no device has it
 */
int bus_write(struct vcpu *vcpu, enum bus_nr nr, gpa_t addr, int len, const void *val)
{
	return bus_access(vcpu, nr, addr, len, (void *)val, true);
}
EXPORT_FOR_TEST(bus_write);
