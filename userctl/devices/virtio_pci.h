/* SPDX-License-Identifier: GPL-2.0 */
/* Virtio over PCI, modern only (Virtual I/O Device 1.2, 4.1): registers, queues, the I/O thread. */
#ifndef VMCTL_VIRTIO_PCI_H
#define VMCTL_VIRTIO_PCI_H

#include <pthread.h>
#include <stdatomic.h>

#include "pci.h"
#include "virtqueue.h"

#define VIRTIO_QUEUES_MAX 2

struct virtio;

/**
 * struct virtio_ops - what makes a device of a kind
 * @type: virtio device type
 * @class_code: of PCI
 * @queues: how many
 * @run: serve the queues, from @virtio's thread; called when the guest has notified, and when
 *	@wait_fd is readable
 * @stop: wait until no request is under way; the queues are not touched afterwards
 */
struct virtio_ops {
	uint16_t type;
	uint32_t class_code;
	unsigned int queues;
	void (*run)(struct virtio *v);
	void (*stop)(struct virtio *v);
};

/**
 * struct virtio - a device
 * @pci: its function
 * @ops: what kind it is
 * @features: what it offers, VIRTIO_F_VERSION_1 apart
 * @config: device-specific configuration, which the guest may read
 * @config_len: bytes of it
 * @lock: guards all below, registers and queues; the I/O thread holds it while it serves
 * @accepted: features that the guest took
 * @device_select: which half of the features the guest reads
 * @driver_select: which half it writes
 * @status: device status
 * @isr: interrupt status
 * @queue_select: queue that the registers below are about
 * @config_vector: MSI-X vector for changes of configuration
 * @vq: queues
 * @vector: their MSI-X vectors
 * @doorbell: address whose writes the kernel turns into @kick, 0 for none
 * @kick: eventfd, written when the guest notifies
 * @wait_fd: what else the I/O thread waits for, -1 for nothing
 * @thread: the I/O thread
 * @started: there is one
 * @ending: it shall end
 */
struct virtio {
	struct pci_device pci;
	const struct virtio_ops *ops;
	uint64_t features;
	const void *config;
	unsigned int config_len;

	pthread_mutex_t lock;
	uint64_t accepted;
	uint32_t device_select, driver_select;
	uint8_t status, isr;
	uint16_t queue_select, config_vector;
	struct virtqueue vq[VIRTIO_QUEUES_MAX];
	uint16_t vector[VIRTIO_QUEUES_MAX];

	uint64_t doorbell;
	int kick, wait_fd;
	pthread_t thread;
	bool started;
	atomic_bool ending;
};

/**
 * virtio_init() - a device that is not on a bus yet
 * @v: filled in, but for @features, @config, @config_len and @wait_fd
 * @ops: what kind it is
 * @mem: guest memory
 *
 * Return: 0 or -errno
 */
int virtio_init(struct virtio *v, const struct virtio_ops *ops, const struct guest_mem *mem);

/* Start the I/O thread: 0 or -errno. */
int virtio_start(struct virtio *v);

/* End it; nothing of the device runs any more. */
void virtio_end(struct virtio *v);
void virtio_destroy(struct virtio *v);

/**
 * virtio_done() - give a request back, and tell the guest
 * @v: the device, @lock held
 * @queue: number of the queue
 * @head: the request
 * @len: bytes written
 */
void virtio_done(struct virtio *v, unsigned int queue, uint16_t head, uint32_t len);

/**
 * virtio_fail() - the guest broke a rule: nothing works until it resets the device
 * @v: the device, @lock held
 */
void virtio_fail(struct virtio *v);

#endif
