/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An address space of devices: I/O ports or guest-physical memory.
 *
 * Ranges do not overlap. Handlers run in the thread of the vCPU that made the access, several
 * at once: each device locks its own state. What no range claims reads as all ones and ignores
 * writes, like an ISA bus.
 */
#ifndef VMCTL_BUS_H
#define VMCTL_BUS_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct bus_ops - how a device answers
 * @read: value at @off (bytes from the start of the range), zero-extended
 * @write: store @val at @off
 * @width: largest access in bytes that the handlers take (1, 2, 4 or 8); a larger one is cut up
 *
 * A handler sees only accesses that lie within its range.
 */
struct bus_ops {
	uint64_t (*read)(void *dev, uint64_t off, unsigned int size);
	void (*write)(void *dev, uint64_t off, uint64_t val, unsigned int size);
	unsigned int width;
};

/**
 * struct bus_range - one device's claim
 * @base: first address
 * @len: addresses claimed, not zero
 * @ops: handlers
 * @dev: passed to the handlers
 * @next: owned by the bus
 */
struct bus_range {
	uint64_t base;
	uint64_t len;
	const struct bus_ops *ops;
	void *dev;
	struct bus_range *next;
};

/**
 * struct bus - an address space
 * @lock: guards the list against ranges that come and go while vCPUs run
 * @ranges: sorted by address
 */
struct bus {
	pthread_rwlock_t lock;
	struct bus_range *ranges;
};

void bus_init(struct bus *bus);
void bus_destroy(struct bus *bus);

/**
 * bus_add() - claim a range
 * @bus: the address space
 * @range: caller's storage, which stays in the list until bus_del() or bus_destroy()
 *
 * Return: 0, -EINVAL for an empty or wrapping range, -EEXIST when it overlaps another.
 */
int bus_add(struct bus *bus, struct bus_range *range);

/**
 * bus_del() - give a range up
 * @bus: the address space
 * @range: a range that bus_add() took
 *
 * No handler of the range runs any more when this returns. Not to be called from a handler.
 */
void bus_del(struct bus *bus, struct bus_range *range);

/**
 * bus_read() - a guest reads
 * @bus: the address space
 * @addr: first address
 * @data: little-endian bytes read
 * @size: bytes, 1 to 8
 */
void bus_read(struct bus *bus, uint64_t addr, void *data, unsigned int size);

/**
 * bus_write() - a guest writes
 * @bus: the address space
 * @addr: first address
 * @data: little-endian bytes to write
 * @size: bytes, 1 to 8
 */
void bus_write(struct bus *bus, uint64_t addr, const void *data, unsigned int size);

#endif
