/* SPDX-License-Identifier: GPL-2.0 */
/* A virtio driver in miniature: through the registers, as a guest does it. */
#ifndef TESTS_DRIVER_H
#define TESTS_DRIVER_H

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include "../devices/virtio_pci.h"

#define DRV_COMMON (PCI_WINDOW_BASE + 0x0000)
#define DRV_ISR    (PCI_WINDOW_BASE + 0x1000)
#define DRV_DEVICE (PCI_WINDOW_BASE + 0x2000)
#define DRV_NOTIFY (PCI_WINDOW_BASE + 0x3000)
/* Where a queue's parts are; what lies beyond all of them is free. */
#define DRV_DESC(q)  (0x1000ULL * (1 + (q)))
#define DRV_AVAIL(q) (DRV_DESC(q) + 0x400)
#define DRV_USED(q)  (DRV_DESC(q) + 0x800)
#define DRV_DATA     0x20000ULL
#define DRV_SIZE     16
#define DRV_MEMORY   (4 * MiB)
#define DRV_OK       0x0b /* acknowledge, driver, features ok */
#define DRV_NEXT     VRING_DESC_F_NEXT
#define DRV_WRITE    VRING_DESC_F_WRITE

/**
 * struct driver - the guest
 * @mem: its memory
 * @bus: its bus
 * @v: the device
 * @line: its interrupt line is up
 * @bell: where the doorbells are, 0 for nowhere
 * @bells: how many are on
 * @lines: of the log
 * @log: the last one
 */
struct driver {
	struct guest_mem mem;
	struct pci_bus bus;
	struct bus mmio;
	struct bus_range window, ecam;
	struct virtio *v;
	atomic_bool line;
	uint64_t bell;
	unsigned int bells, lines;
	char log[200];
};

extern struct driver drv;

/* Memory and an empty bus. */
void drv_begin(void);

/* Put a device there and start it: false if it is NULL, which is a failed check. */
bool drv_attach(struct virtio *v);

/* From reset to DRIVER_OK, with all queues. */
void drv_drive(uint64_t features);

/* Likewise, but for the queues whose bits are set. */
void drv_drive_some(uint64_t features, uint32_t without);
void drv_end(void);

uint64_t drv_get(uint64_t addr, unsigned int size);
void drv_set(uint64_t addr, uint64_t val, unsigned int size);
void *drv_at(uint64_t gpa, uint64_t len);

/* The descriptor's next is the one behind it. */
void drv_desc(unsigned int q, unsigned int n, uint64_t addr, uint32_t len, uint16_t flags);
void drv_offer(unsigned int q, uint16_t head);

/*
 * Until all that was offered is used, and the device has said so: a minute at most. Returns what
 * was written last.
 */
uint32_t drv_await(unsigned int q);

/* Likewise, until so many are used in all. */
uint32_t drv_await_used(unsigned int q, uint16_t count);
uint16_t drv_used(unsigned int q);

/* Until a condition holds: a minute at most. */
#define drv_until(condition)                                            \
	do {                                                            \
		unsigned int tries;                                     \
		for (tries = 0; tries < 60000 && !(condition); tries++) \
			usleep(1000);                                   \
		CHECK(condition);                                       \
	} while (0)

/* A chain of two: what the device reads and what it writes, either may be 0 bytes: none. */
uint32_t drv_request(unsigned int q, uint64_t out, uint32_t out_len, uint64_t in, uint32_t in_len);
bool drv_broken(void);

#endif
