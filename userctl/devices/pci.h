/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A PCI Express root bus without bridges: configuration space by ports and by memory (ECAM), memory
 * BARs, interrupts by line and by MSI-X. (PCI Express Base 5.0, 7; Local Bus 3.0, 3.2.2.3, 6.8.)
 */
#ifndef VMCTL_PCI_H
#define VMCTL_PCI_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "bus.h"
#include "irq.h"

#define PCI_PORT_BASE   0xcf8
#define PCI_PORTS       8
#define PCI_ECAM_BASE   0xe0000000ULL
#define PCI_CONFIG_SIZE 4096
#define PCI_ECAM_SIZE   (256ULL * PCI_CONFIG_SIZE) /* bus 0: 32 slots of 8 functions */
/* Where BARs may be; others decode nothing. */
#define PCI_WINDOW_BASE 0xf0000000ULL
#define PCI_WINDOW_SIZE 0x0ec00000ULL /* to the I/O APIC: firmware begins at the upper end */

/* Slot 0 is the host bridge. The others share the lines that no ISA device has. */
#define PCI_SLOTS        32
#define PCI_GSI_BASE     16
#define PCI_LINES        8
#define PCI_LINE(slot)   (PCI_GSI_BASE + (PCI_LINES - 1 + (slot)) % PCI_LINES)
#define PCI_BARS         6
#define PCI_MSIX_BAR     1
#define PCI_MSIX_VECTORS 64
#define PCI_NO_VECTOR    0xffff

struct pci_bus;

/**
 * struct pci_bar - a range of memory that the guest places
 * @size: bytes, a power of two, 0 for none
 * @ops: handlers
 * @dev: passed to the handlers
 */
struct pci_bar {
	uint64_t size;
	const struct bus_ops *ops;
	void *dev;
};

/* Identity of a device, as in its configuration header. */
struct pci_id {
	uint16_t vendor, device;
	uint16_t sub_vendor, sub_device;
	uint32_t class_code;
	uint8_t revision;
};

struct pci_msix_entry {
	uint32_t addr, addr_hi, data, control;
};

/**
 * struct pci_route - a vector's short way to the interrupt controllers
 * @fd: eventfd that sends its message, -1 before the first
 * @number: what the bus calls the way, -1 for none
 * @addr: message that it sends
 * @data: likewise
 */
struct pci_route {
	int fd, number;
	uint64_t addr;
	uint32_t data;
};

/**
 * struct pci_device - a function
 * @bus: its bus
 * @slot: device number
 * @config: configuration space; @bus->lock guards it
 * @writable: bits of it that the guest may change
 * @bar: memory
 * @cap_last: last capability, 0 for none
 * @cap_next: free space for the next one
 * @irq_lock: guards the rest; taken inside of @bus->lock
 * @irq: the line
 * @level: what the device asks of the line
 * @msix: its MSI-X capability, 0 for none
 * @vectors: how many
 * @entry: MSI-X table
 * @route: how the vectors are sent
 * @pending: MSI-X pending bits
 */
struct pci_device {
	struct pci_bus *bus;
	unsigned int slot;
	uint8_t config[PCI_CONFIG_SIZE];
	uint8_t writable[PCI_CONFIG_SIZE];
	struct pci_bar bar[PCI_BARS];
	uint8_t cap_last, cap_next;

	pthread_mutex_t irq_lock;
	struct irq_line irq;
	bool level;
	uint8_t msix;
	unsigned int vectors;
	struct pci_msix_entry entry[PCI_MSIX_VECTORS];
	struct pci_route route[PCI_MSIX_VECTORS];
	uint64_t pending;
};

/**
 * struct pci_bus - the bus
 * @lock: for reading in every access, for writing in one that may move a BAR
 * @address: the address port
 * @slot: devices
 * @bridge: the device in slot 0
 * @irq: how lines are driven
 * @line_lock: guards @asserted; innermost
 * @asserted: how many devices hold each line up
 * @msi: send a message signalled interrupt
 * @route: have an eventfd send a message from now on, by the way @number or, where that is -1, a
 *	new one; returns its number, -1 where that cannot be had: @msi sends them then
 * @unroute: give a way up
 * @log: tell the user what a guest does wrong, in a line
 * @doorbell: have 16-bit writes to an address signal an eventfd, or no longer; NULL where that
 *	cannot be had: they come as writes to the BAR anyhow
 * @opaque: passed to these
 * @port_ops: handlers of the byte-wide port 0xcf9, which lies within the address port
 * @port_dev: passed to these
 */
struct pci_bus {
	pthread_rwlock_t lock;
	uint32_t address;
	struct pci_device *slot[PCI_SLOTS];
	struct pci_device bridge;
	struct irq_line irq;
	pthread_mutex_t line_lock;
	unsigned int asserted[PCI_LINES];
	void (*msi)(void *opaque, uint64_t addr, uint32_t data);
	int (*route)(void *opaque, int number, int fd, uint64_t addr, uint32_t data);
	void (*unroute)(void *opaque, int number, int fd);
	void (*log)(void *opaque, const char *line);
	void (*doorbell)(void *opaque, uint64_t addr, int fd, bool on);
	void *opaque;
	const struct bus_ops *port_ops;
	void *port_dev;
};

extern const struct bus_ops pci_port_ops, pci_ecam_ops, pci_window_ops;

/**
 * pci_bus_init() - an empty bus
 * @bus: filled in, but for callbacks and what they are passed
 * @irq: how lines are driven; the number is the slot's
 */
void pci_bus_init(struct pci_bus *bus, const struct irq_line *irq);
void pci_bus_destroy(struct pci_bus *bus);

/**
 * pci_bus_i440fx() - give the bus the host bridge that BIOSes know
 * @bus: the bus
 *
 * Its registers for the memory from 768 KiB to 1 MiB say that it is RAM; the guest can write
 * them, but it stays RAM.
 */
void pci_bus_i440fx(struct pci_bus *bus);

/**
 * pci_device_init() - a device that is not on a bus yet
 * @dev: filled in
 * @id: what it is
 * @vectors: MSI-X vectors, whose table takes PCI_MSIX_BAR; 0 for none
 */
void pci_device_init(struct pci_device *dev, const struct pci_id *id, unsigned int vectors);
void pci_device_destroy(struct pci_device *dev);

/**
 * pci_add_bar() - give a device memory
 * @dev: not on a bus yet
 * @n: which BAR
 * @size: bytes, a power of two, at least 4096
 * @ops: handlers
 * @opaque: passed to the handlers
 */
void pci_add_bar(struct pci_device *dev, unsigned int n, uint64_t size, const struct bus_ops *ops,
		 void *opaque);

/**
 * pci_add_capability() - append to the list of capabilities
 * @dev: not on a bus yet
 * @id: PCI_CAP_ID_*
 * @data: what follows the two bytes of the header
 * @len: bytes of it
 *
 * Return: its place in configuration space, 0 when there is no room.
 */
uint8_t pci_add_capability(struct pci_device *dev, uint8_t id, const void *data, size_t len);

/**
 * pci_attach() - put a device into the first free slot
 * @bus: the bus
 * @dev: the device
 *
 * Return: 0, -ENOSPC when there is none.
 */
int pci_attach(struct pci_bus *bus, struct pci_device *dev);

/* Take it out: no access reaches it any more when this returns. */
void pci_detach(struct pci_device *dev);

/* Slots with a device, a bit each; the bridge apart. */
uint32_t pci_slots_taken(struct pci_bus *bus);

/**
 * pci_bar_address() - where the guest has put a BAR
 * @dev: the device
 * @n: which BAR
 *
 * Return: guest-physical address, 0 when it decodes nothing.
 */
uint64_t pci_bar_address(const struct pci_device *dev, unsigned int n);

/**
 * pci_interrupt() - interrupt the guest
 * @dev: the device
 * @vector: which of its MSI-X vectors, PCI_NO_VECTOR for none
 *
 * Without MSI-X it raises the line, which pci_lower() lowers.
 */
void pci_interrupt(struct pci_device *dev, unsigned int vector);
void pci_lower(struct pci_device *dev);

#endif
