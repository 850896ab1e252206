// SPDX-License-Identifier: GPL-2.0
#include "pci.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define ADDRESS_ENABLE  0x80000000u
#define ADDRESS_BITS    0x80fffffcu
#define NO_DEVICE       UINT64_MAX
#define HOST_BRIDGE     0x060000
#define CAPS_BEGIN      0x40
#define CAPS_END        0x100
#define MSIX_BAR_SIZE   4096
#define MSIX_PBA        0x800
#define MSIX_ENTRY_SIZE sizeof(struct pci_msix_entry)
#define LAPIC_BASE      0xfee00000u
/* Programmable attribute map (Intel 82441FX data sheet, 3.2.18): 4 bits a segment. */
#define I440FX_PAM  0x59
#define I440FX_PAMS 7
#define PAM_RAM     0x33

static void put16(uint8_t *config, unsigned int at, uint16_t val)
{
	memcpy(config + at, &val, sizeof(val));
}

static void put32(uint8_t *config, unsigned int at, uint32_t val)
{
	memcpy(config + at, &val, sizeof(val));
}

static uint16_t get16(const uint8_t *config, unsigned int at)
{
	uint16_t val;

	memcpy(&val, config + at, sizeof(val));
	return val;
}

static uint32_t get32(const uint8_t *config, unsigned int at)
{
	uint32_t val;

	memcpy(&val, config + at, sizeof(val));
	return val;
}

/* ---- interrupts; irq_lock held ---- */

static bool msix_enabled(const struct pci_device *dev)
{
	return dev->msix &&
	       (get16(dev->config, dev->msix + PCI_MSIX_FLAGS) & PCI_MSIX_FLAGS_ENABLE);
}

static void update_line(struct pci_device *dev)
{
	bool off = get16(dev->config, PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE;

	if (dev->level)
		dev->config[PCI_STATUS] |= PCI_STATUS_INTERRUPT;
	else
		dev->config[PCI_STATUS] &= (uint8_t)~PCI_STATUS_INTERRUPT;
	irq_drive(&dev->irq, dev->level && !off && !msix_enabled(dev));
}

/* The eventfd that sends a vector's message now: the way there is made when it is first needed. */
static int route_of(struct pci_device *dev, unsigned int vector, uint64_t addr)
{
	uint32_t data = dev->entry[vector].data;
	struct pci_route *r = &dev->route[vector];
	struct pci_bus *bus = dev->bus;

	if (!bus->route)
		return -1;
	if (r->number >= 0 && r->addr == addr && r->data == data)
		return r->fd;
	if (r->fd < 0)
		r->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->fd < 0)
		return -1;
	r->number = bus->route(bus->opaque, r->number, r->fd, addr, data);
	r->addr = addr;
	r->data = data;
	return r->number < 0 ? -1 : r->fd;
}

static void send_message(struct pci_device *dev, unsigned int vector)
{
	const struct pci_msix_entry *e = &dev->entry[vector];
	uint64_t addr = (uint64_t)e->addr_hi << 32 | e->addr, one = 1;
	int fd;

	/* A message that is no interrupt would be a write to memory: nobody needs that. */
	if ((e->addr & 0xfff00000u) != LAPIC_BASE)
		return;
	fd = route_of(dev, vector, addr);
	if (fd < 0)
		dev->bus->msi(dev->bus->opaque, addr, e->data);
	else
		(void)!write(fd, &one, sizeof(one));
}

/* Send a vector, or remember it while it is masked. */
static void send_vector(struct pci_device *dev, unsigned int vector)
{
	uint16_t flags = get16(dev->config, dev->msix + PCI_MSIX_FLAGS);
	const struct pci_msix_entry *e = &dev->entry[vector];

	if ((flags & PCI_MSIX_FLAGS_MASKALL) || (e->control & PCI_MSIX_ENTRY_CTRL_MASKBIT)) {
		dev->pending |= 1ULL << vector;
		return;
	}
	dev->pending &= ~(1ULL << vector);
	send_message(dev, vector);
}

static void send_pending(struct pci_device *dev)
{
	unsigned int i;

	if (!msix_enabled(dev))
		return;
	for (i = 0; i < dev->vectors; i++) {
		if (dev->pending >> i & 1)
			send_vector(dev, i);
	}
}

void pci_interrupt(struct pci_device *dev, unsigned int vector)
{
	pthread_mutex_lock(&dev->irq_lock);
	if (msix_enabled(dev)) {
		if (vector < dev->vectors)
			send_vector(dev, vector);
	} else {
		dev->level = true;
		update_line(dev);
	}
	pthread_mutex_unlock(&dev->irq_lock);
}

void pci_lower(struct pci_device *dev)
{
	pthread_mutex_lock(&dev->irq_lock);
	dev->level = false;
	update_line(dev);
	pthread_mutex_unlock(&dev->irq_lock);
}

static uint64_t msix_read(void *opaque, uint64_t off, unsigned int size)
{
	struct pci_device *dev = opaque;
	uint64_t val = 0;

	pthread_mutex_lock(&dev->irq_lock);
	if (off + size <= dev->vectors * MSIX_ENTRY_SIZE)
		memcpy(&val, (uint8_t *)dev->entry + off, size);
	else if (off >= MSIX_PBA && off + size <= MSIX_PBA + sizeof(dev->pending))
		memcpy(&val, (uint8_t *)&dev->pending + (off - MSIX_PBA), size);
	pthread_mutex_unlock(&dev->irq_lock);
	return val;
}

static void msix_write(void *opaque, uint64_t off, uint64_t val, unsigned int size)
{
	struct pci_device *dev = opaque;

	pthread_mutex_lock(&dev->irq_lock);
	if (off + size <= dev->vectors * MSIX_ENTRY_SIZE) {
		memcpy((uint8_t *)dev->entry + off, &val, size);
		send_pending(dev);
	}
	pthread_mutex_unlock(&dev->irq_lock);
}

static const struct bus_ops msix_ops = { msix_read, msix_write, 8 };

/* ---- devices ---- */

void pci_device_init(struct pci_device *dev, const struct pci_id *id, unsigned int vectors)
{
	uint16_t msix[5] = { (uint16_t)(vectors - 1), PCI_MSIX_BAR, 0, MSIX_PBA | PCI_MSIX_BAR, 0 };
	unsigned int i;

	memset(dev, 0, sizeof(*dev));
	pthread_mutex_init(&dev->irq_lock, NULL);
	for (i = 0; i < PCI_MSIX_VECTORS; i++)
		dev->route[i] = (struct pci_route){ .fd = -1, .number = -1 };
	put16(dev->config, PCI_VENDOR_ID, id->vendor);
	put16(dev->config, PCI_DEVICE_ID, id->device);
	put32(dev->config, PCI_CLASS_REVISION, id->class_code << 8 | id->revision);
	put16(dev->config, PCI_SUBSYSTEM_VENDOR_ID, id->sub_vendor);
	put16(dev->config, PCI_SUBSYSTEM_ID, id->sub_device);
	put16(dev->writable, PCI_COMMAND,
	      PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
	dev->writable[PCI_INTERRUPT_LINE] = 0xff;
	dev->cap_next = CAPS_BEGIN;
	if (!vectors)
		return;
	dev->vectors = vectors;
	for (i = 0; i < vectors; i++)
		dev->entry[i].control = PCI_MSIX_ENTRY_CTRL_MASKBIT;
	dev->msix = pci_add_capability(dev, PCI_CAP_ID_MSIX, msix, sizeof(msix));
	put16(dev->writable, dev->msix + PCI_MSIX_FLAGS,
	      PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	pci_add_bar(dev, PCI_MSIX_BAR, MSIX_BAR_SIZE, &msix_ops, dev);
}

void pci_device_destroy(struct pci_device *dev)
{
	struct pci_route *r;

	for (r = dev->route; r < dev->route + PCI_MSIX_VECTORS; r++) {
		if (r->number >= 0)
			dev->bus->unroute(dev->bus->opaque, r->number, r->fd);
		if (r->fd >= 0)
			close(r->fd);
	}
	pthread_mutex_destroy(&dev->irq_lock);
}

void pci_add_bar(struct pci_device *dev, unsigned int n, uint64_t size, const struct bus_ops *ops,
		 void *opaque)
{
	dev->bar[n] = (struct pci_bar){ size, ops, opaque };
	put32(dev->writable, PCI_BASE_ADDRESS_0 + 4 * n, (uint32_t)-size);
}

uint8_t pci_add_capability(struct pci_device *dev, uint8_t id, const void *data, size_t len)
{
	uint8_t at = dev->cap_next;

	if (at + 2 + len > CAPS_END)
		return 0;
	dev->config[at] = id;
	memcpy(dev->config + at + 2, data, len);
	dev->config[dev->cap_last ? dev->cap_last + 1 : PCI_CAPABILITY_LIST] = at;
	dev->config[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
	dev->cap_last = at;
	dev->cap_next = (uint8_t)((at + 2 + len + 3) & ~3u);
	return at;
}

/* Devices share a line: it is up while one of them holds it so. */
static void drive_line(void *opaque, unsigned int gsi, bool level)
{
	struct pci_bus *bus = opaque;
	unsigned int *count = &bus->asserted[gsi - PCI_GSI_BASE];

	pthread_mutex_lock(&bus->line_lock);
	*count += level ? 1 : -1u;
	if (*count == level)
		bus->irq.set(bus->irq.opaque, gsi, level);
	pthread_mutex_unlock(&bus->line_lock);
}

int pci_attach(struct pci_bus *bus, struct pci_device *dev)
{
	unsigned int slot;
	int ret = -ENOSPC;

	pthread_rwlock_wrlock(&bus->lock);
	for (slot = 1; slot < PCI_SLOTS; slot++) {
		if (bus->slot[slot])
			continue;
		dev->bus = bus;
		dev->slot = slot;
		dev->irq = (struct irq_line){ drive_line, bus, PCI_LINE(slot), false };
		dev->config[PCI_INTERRUPT_PIN] = 1;
		dev->config[PCI_INTERRUPT_LINE] = (uint8_t)dev->irq.gsi;
		bus->slot[slot] = dev;
		ret = 0;
		break;
	}
	pthread_rwlock_unlock(&bus->lock);
	return ret;
}

void pci_detach(struct pci_device *dev)
{
	struct pci_bus *bus = dev->bus;

	pthread_rwlock_wrlock(&bus->lock);
	bus->slot[dev->slot] = NULL;
	pthread_rwlock_unlock(&bus->lock);
	pci_lower(dev);
}

uint32_t pci_slots_taken(struct pci_bus *bus)
{
	uint32_t slots = 0;
	unsigned int slot;

	pthread_rwlock_rdlock(&bus->lock);
	for (slot = 1; slot < PCI_SLOTS; slot++)
		slots |= bus->slot[slot] ? 1u << slot : 0;
	pthread_rwlock_unlock(&bus->lock);
	return slots;
}

/* ---- BARs ---- */

uint64_t pci_bar_address(const struct pci_device *dev, unsigned int n)
{
	uint64_t base = get32(dev->config, PCI_BASE_ADDRESS_0 + 4 * n) &
			(uint32_t)PCI_BASE_ADDRESS_MEM_MASK;
	uint64_t size = dev->bar[n].size;

	if (!size || !(dev->config[PCI_COMMAND] & PCI_COMMAND_MEMORY) || base < PCI_WINDOW_BASE ||
	    base + size > PCI_WINDOW_BASE + PCI_WINDOW_SIZE)
		return 0;
	return base;
}

/* BARs that overlap answer in the order of slots. */
static const struct pci_bar *find_bar(const struct pci_bus *bus, uint64_t addr, uint64_t *off)
{
	const struct pci_device *dev;
	unsigned int slot, n;
	uint64_t base;

	for (slot = 1; slot < PCI_SLOTS; slot++) {
		dev = bus->slot[slot];
		for (n = 0; dev && n < PCI_BARS; n++) {
			base = pci_bar_address(dev, n);
			if (!base || addr < base || addr - base >= dev->bar[n].size)
				continue;
			*off = addr - base;
			return &dev->bar[n];
		}
	}
	return NULL;
}

static uint64_t window_read(void *opaque, uint64_t off, unsigned int size)
{
	struct pci_bus *bus = opaque;
	const struct pci_bar *bar;
	uint64_t val = NO_DEVICE;

	pthread_rwlock_rdlock(&bus->lock);
	bar = find_bar(bus, PCI_WINDOW_BASE + off, &off);
	if (bar && off + size <= bar->size && size <= bar->ops->width)
		val = bar->ops->read(bar->dev, off, size);
	pthread_rwlock_unlock(&bus->lock);
	return val;
}

static void window_write(void *opaque, uint64_t off, uint64_t val, unsigned int size)
{
	struct pci_bus *bus = opaque;
	const struct pci_bar *bar;

	pthread_rwlock_rdlock(&bus->lock);
	bar = find_bar(bus, PCI_WINDOW_BASE + off, &off);
	if (bar && off + size <= bar->size && size <= bar->ops->width)
		bar->ops->write(bar->dev, off, val, size);
	pthread_rwlock_unlock(&bus->lock);
}

const struct bus_ops pci_window_ops = { window_read, window_write, 8 };

/* ---- configuration space ---- */

/* Functions beyond the first do not exist. */
static struct pci_device *find_device(struct pci_bus *bus, unsigned int devfn)
{
	return devfn & 7 || devfn >> 3 >= PCI_SLOTS ? NULL : bus->slot[devfn >> 3];
}

static uint64_t config_read(struct pci_bus *bus, unsigned int devfn, unsigned int at,
			    unsigned int size)
{
	struct pci_device *dev;
	uint64_t val = NO_DEVICE;

	/* An access across the end of a function is none. */
	if (at + size > PCI_CONFIG_SIZE)
		return val;
	pthread_rwlock_rdlock(&bus->lock);
	dev = find_device(bus, devfn);
	if (dev) {
		pthread_mutex_lock(&dev->irq_lock);
		val = 0;
		memcpy(&val, dev->config + at, size);
		pthread_mutex_unlock(&dev->irq_lock);
	}
	pthread_rwlock_unlock(&bus->lock);
	return val;
}

static void config_write(struct pci_bus *bus, unsigned int devfn, unsigned int at, uint64_t val,
			 unsigned int size)
{
	struct pci_device *dev;
	unsigned int i;
	uint8_t mask;

	if (at + size > PCI_CONFIG_SIZE)
		return;
	pthread_rwlock_wrlock(&bus->lock);
	dev = find_device(bus, devfn);
	if (dev) {
		pthread_mutex_lock(&dev->irq_lock);
		for (i = at; i < at + size; i++, val >>= 8) {
			mask = dev->writable[i];
			dev->config[i] = (uint8_t)((dev->config[i] & ~mask) | (val & mask));
		}
		update_line(dev);
		send_pending(dev);
		pthread_mutex_unlock(&dev->irq_lock);
	}
	pthread_rwlock_unlock(&bus->lock);
}

static uint64_t ecam_read(void *opaque, uint64_t off, unsigned int size)
{
	return config_read(opaque, (unsigned int)(off / PCI_CONFIG_SIZE), off % PCI_CONFIG_SIZE,
			   size);
}

static void ecam_write(void *opaque, uint64_t off, uint64_t val, unsigned int size)
{
	config_write(opaque, (unsigned int)(off / PCI_CONFIG_SIZE), off % PCI_CONFIG_SIZE, val,
		     size);
}

const struct bus_ops pci_ecam_ops = { ecam_read, ecam_write, 8 };

/* Where the address port points to: false where nothing is. */
static bool port_target(struct pci_bus *bus, uint64_t off, unsigned int *devfn, unsigned int *at)
{
	uint32_t address = __atomic_load_n(&bus->address, __ATOMIC_RELAXED);

	*devfn = address >> 8 & 0xff;
	*at = (address & 0xfc) + (off & 3);
	return (address & ADDRESS_ENABLE) && !(address >> 16 & 0xff);
}

/* Only an access of 32 bits is one to the address port; 0xcf9 is another device's. */
static uint64_t port_read(void *opaque, uint64_t off, unsigned int size)
{
	struct pci_bus *bus = opaque;
	unsigned int devfn, at;

	if (!off && size == 4)
		return __atomic_load_n(&bus->address, __ATOMIC_RELAXED);
	if (off == 1 && size == 1 && bus->port_ops)
		return bus->port_ops->read(bus->port_dev, 0, 1);
	if (off < 4 || !port_target(bus, off, &devfn, &at))
		return NO_DEVICE;
	return config_read(bus, devfn, at, size);
}

static void port_write(void *opaque, uint64_t off, uint64_t val, unsigned int size)
{
	struct pci_bus *bus = opaque;
	unsigned int devfn, at;

	if (!off && size == 4)
		__atomic_store_n(&bus->address, (uint32_t)val & ADDRESS_BITS, __ATOMIC_RELAXED);
	else if (off == 1 && size == 1 && bus->port_ops)
		bus->port_ops->write(bus->port_dev, 0, val, 1);
	else if (off >= 4 && port_target(bus, off, &devfn, &at))
		config_write(bus, devfn, at, val, size);
}

const struct bus_ops pci_port_ops = { port_read, port_write, 4 };

/* ---- the bus ---- */

static void init_bridge(struct pci_bus *bus, const struct pci_id *id)
{
	pci_device_init(&bus->bridge, id, 0);
	bus->bridge.bus = bus;
	bus->bridge.irq = bus->irq;
}

void pci_bus_init(struct pci_bus *bus, const struct irq_line *irq)
{
	/* The identity that QEMU gives to its PCI Express host bridges. */
	static const struct pci_id bridge = { .vendor = 0x1b36,
					      .device = 0x0008,
					      .class_code = HOST_BRIDGE };

	memset(bus, 0, sizeof(*bus));
	pthread_rwlock_init(&bus->lock, NULL);
	pthread_mutex_init(&bus->line_lock, NULL);
	bus->irq = *irq;
	init_bridge(bus, &bridge);
	bus->slot[0] = &bus->bridge;
}

void pci_bus_i440fx(struct pci_bus *bus)
{
	/* By the subsystem SeaBIOS knows that this is a virtual machine, and how to ask it. */
	static const struct pci_id bridge = { .vendor = 0x8086,
					      .device = 0x1237,
					      .sub_vendor = 0x1af4,
					      .sub_device = 0x1100,
					      .class_code = HOST_BRIDGE,
					      .revision = 2 };

	pci_device_destroy(&bus->bridge);
	init_bridge(bus, &bridge);
	memset(bus->bridge.config + I440FX_PAM, PAM_RAM, I440FX_PAMS);
	memset(bus->bridge.writable + I440FX_PAM, 0xff, I440FX_PAMS);
}

void pci_bus_destroy(struct pci_bus *bus)
{
	pci_device_destroy(&bus->bridge);
	pthread_mutex_destroy(&bus->line_lock);
	pthread_rwlock_destroy(&bus->lock);
}
