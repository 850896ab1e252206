/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Devices that come and go while the guest runs, by ACPI (Specification 6.4, 6.3): three registers
 * that the guest's DSDT knows, 32 bits each, bit N for slot N. boot/acpi_tables.c has the methods.
 *
 *	0x0 inserted	reads: slots where a device has come since their bit was cleared
 *			writes: ones clear bits
 *	0x4 wanted	reads: slots whose device the guest is asked to let go, likewise
 *			writes: ones clear bits; the request stands
 *	0x8 slots	reads: slots with a device
 *			writes: ones take the devices of these slots out, where they can be
 *
 * Whenever a bit of the first two is set, general-purpose event ACPI_GPE_PCI is raised; its method
 * sends a device check or an eject request to each slot. What the guest takes out is gone when the
 * write is done, whoever wanted that.
 */
#ifndef VMCTL_PCI_HOTPLUG_H
#define VMCTL_PCI_HOTPLUG_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "bus.h"
#include "pci.h"

#define PCI_HOTPLUG_BASE  0x620
#define PCI_HOTPLUG_PORTS 12

/**
 * struct pci_hotplug_events - what happens; called without the lock held, in any thread
 * @raise: the guest is to look at the registers
 * @ejected: pci_hotplug_reap() has something
 * @opaque: passed to both
 */
struct pci_hotplug_events {
	void (*raise)(void *opaque);
	void (*ejected)(void *opaque);
	void *opaque;
};

/**
 * struct pci_hotplug - the registers
 * @bus: whose slots they are about
 * @events: what to call
 * @lock: guards the rest; taken outside of @bus->lock
 * @dev: devices that can be taken out, by slot
 * @inserted: register
 * @wanted: register
 * @ejected: slots whose devices are gone, for pci_hotplug_reap()
 */
struct pci_hotplug {
	struct pci_bus *bus;
	struct pci_hotplug_events events;
	pthread_mutex_t lock;
	struct pci_device *dev[PCI_SLOTS];
	uint32_t inserted, wanted, ejected;
};

extern const struct bus_ops pci_hotplug_ops;

void pci_hotplug_init(struct pci_hotplug *hp, struct pci_bus *bus,
		      const struct pci_hotplug_events *events);
void pci_hotplug_destroy(struct pci_hotplug *hp);

/**
 * pci_hotplug_add() - a device, which is on the bus, can be taken out from now on
 * @hp: the registers
 * @dev: the device
 * @announce: the guest does not know it yet, and is told
 */
void pci_hotplug_add(struct pci_hotplug *hp, struct pci_device *dev, bool announce);

/**
 * pci_hotplug_request() - ask the guest to let a device go
 * @hp: the registers
 * @dev: a device that pci_hotplug_add() got and that is still there
 *
 * May be asked again: the guest is told each time.
 */
void pci_hotplug_request(struct pci_hotplug *hp, struct pci_device *dev);

/* Whether the guest has not heard yet that a device has come. */
bool pci_hotplug_unseen(struct pci_hotplug *hp, const struct pci_device *dev);

/* Take a device out without asking the guest. */
void pci_hotplug_eject(struct pci_hotplug *hp, const struct pci_device *dev);

/**
 * pci_hotplug_reap() - what has been taken out
 * @hp: the registers
 *
 * Return: slots whose devices are on no bus any more since the last call; the caller ends them.
 */
uint32_t pci_hotplug_reap(struct pci_hotplug *hp);

#endif
