// SPDX-License-Identifier: GPL-2.0
#include "pci_hotplug.h"

#include <string.h>

#define REG_INSERTED 0
#define REG_WANTED   1
#define REG_SLOTS    2

static uint32_t bit(const struct pci_device *dev)
{
	return 1u << dev->slot;
}

/* Lock held. Slots that cannot be emptied, or are empty, are left alone; true: there was one. */
static bool eject(struct pci_hotplug *hp, uint32_t slots)
{
	uint32_t gone = 0;
	unsigned int slot;

	for (slot = 1; slot < PCI_SLOTS; slot++) {
		if (!(slots >> slot & 1) || !hp->dev[slot])
			continue;
		pci_detach(hp->dev[slot]);
		hp->dev[slot] = NULL;
		gone |= 1u << slot;
	}
	hp->inserted &= ~gone;
	hp->wanted &= ~gone;
	hp->ejected |= gone;
	return gone;
}

static uint32_t read_register(struct pci_hotplug *hp, unsigned int reg)
{
	switch (reg) {
	case REG_INSERTED:
		return hp->inserted;
	case REG_WANTED:
		return hp->wanted;
	default:
		return pci_slots_taken(hp->bus);
	}
}

/* Byte by byte, so that accesses of every size and offset work. */
static uint64_t hotplug_read(void *dev, uint64_t off, unsigned int size)
{
	struct pci_hotplug *hp = dev;
	uint64_t val = 0, at;
	unsigned int i;

	pthread_mutex_lock(&hp->lock);
	for (i = 0; i < size; i++) {
		at = off + i;
		val |= (uint64_t)(read_register(hp, (unsigned int)at / 4) >> (8 * (at % 4)) & 0xff)
		       << (8 * i);
	}
	pthread_mutex_unlock(&hp->lock);
	return val;
}

/* Only ones act, and so do those of a part of a register. */
static bool write_bits(struct pci_hotplug *hp, unsigned int reg, uint32_t ones)
{
	switch (reg) {
	case REG_INSERTED:
		hp->inserted &= ~ones;
		return false;
	case REG_WANTED:
		hp->wanted &= ~ones;
		return false;
	default:
		return eject(hp, ones);
	}
}

static void hotplug_write(void *dev, uint64_t off, uint64_t val, unsigned int size)
{
	struct pci_hotplug *hp = dev;
	bool ejected = false;
	unsigned int i;
	uint64_t at;

	pthread_mutex_lock(&hp->lock);
	for (i = 0; i < size; i++) {
		at = off + i;
		ejected |= write_bits(hp, (unsigned int)at / 4,
				      (uint32_t)(val >> (8 * i) & 0xff) << (8 * (at % 4)));
	}
	pthread_mutex_unlock(&hp->lock);
	if (ejected)
		hp->events.ejected(hp->events.opaque);
}

const struct bus_ops pci_hotplug_ops = { hotplug_read, hotplug_write, 4 };

void pci_hotplug_add(struct pci_hotplug *hp, struct pci_device *dev, bool announce)
{
	pthread_mutex_lock(&hp->lock);
	hp->dev[dev->slot] = dev;
	if (announce)
		hp->inserted |= bit(dev);
	pthread_mutex_unlock(&hp->lock);
	if (announce)
		hp->events.raise(hp->events.opaque);
}

void pci_hotplug_request(struct pci_hotplug *hp, struct pci_device *dev)
{
	bool there;

	pthread_mutex_lock(&hp->lock);
	/* The guest may have been faster. */
	there = hp->dev[dev->slot] == dev;
	if (there)
		hp->wanted |= bit(dev);
	pthread_mutex_unlock(&hp->lock);
	if (there)
		hp->events.raise(hp->events.opaque);
}

bool pci_hotplug_unseen(struct pci_hotplug *hp, const struct pci_device *dev)
{
	bool unseen;

	pthread_mutex_lock(&hp->lock);
	unseen = hp->inserted & bit(dev);
	pthread_mutex_unlock(&hp->lock);
	return unseen;
}

void pci_hotplug_eject(struct pci_hotplug *hp, const struct pci_device *dev)
{
	bool ejected;

	pthread_mutex_lock(&hp->lock);
	ejected = eject(hp, bit(dev));
	pthread_mutex_unlock(&hp->lock);
	if (ejected)
		hp->events.ejected(hp->events.opaque);
}

uint32_t pci_hotplug_reap(struct pci_hotplug *hp)
{
	uint32_t slots;

	pthread_mutex_lock(&hp->lock);
	slots = hp->ejected;
	hp->ejected = 0;
	pthread_mutex_unlock(&hp->lock);
	return slots;
}

void pci_hotplug_init(struct pci_hotplug *hp, struct pci_bus *bus,
		      const struct pci_hotplug_events *events)
{
	memset(hp, 0, sizeof(*hp));
	pthread_mutex_init(&hp->lock, NULL);
	hp->bus = bus;
	hp->events = *events;
}

void pci_hotplug_destroy(struct pci_hotplug *hp)
{
	pthread_mutex_destroy(&hp->lock);
}
