/* SPDX-License-Identifier: GPL-2.0 */
/* Virtio over PCI, modern only (Virtual I/O Device 1.2, 4.1): registers, queues, the I/O thread. */
#ifndef VMCTL_VIRTIO_PCI_H
#define VMCTL_VIRTIO_PCI_H

#include <pthread.h>
#include <stdatomic.h>

#include "pci.h"
#include "virtqueue.h"

#define VIRTIO_QUEUES_MAX 18
#define VIRTIO_LINES_MAX  10 /* of the log, for a device */
#define VIRTIO_NAME_MAX   32

struct virtio;
struct pollfd;

/**
 * struct virtio_ops - what makes a device of a kind; all are called with @virtio's lock held
 * @type: virtio device type
 * @class_code: of PCI
 * @queues: how many, where all of the kind have the same
 * @watch: name what else to wait for, by virtio_watch(); how long at most, in ms; or NULL
 * @run: serve the queues, from @virtio's thread; called when the guest has notified, and when
 *	something happened that @watch named
 * @idle: the same while the guest has no driver for the device, or NULL
 * @start: the guest's driver is ready; 0 or -errno, which breaks the device; or NULL
 * @stop: wait until no request is under way; the queues are not touched afterwards
 * @wrote: the guest writes to the configuration, or NULL: it may not
 * @destroy: free the device, which nothing refers to any more
 */
struct virtio_ops {
	uint16_t type;
	uint32_t class_code;
	unsigned int queues;
	int (*watch)(struct virtio *v);
	void (*run)(struct virtio *v);
	void (*idle)(struct virtio *v);
	int (*start)(struct virtio *v);
	void (*stop)(struct virtio *v);
	void (*wrote)(struct virtio *v, unsigned int off, uint64_t val, unsigned int size);
	void (*destroy)(struct virtio *v);
};

/**
 * struct virtio - a device
 * @pci: its function
 * @ops: what kind it is
 * @name: for the user
 * @mem: guest memory
 * @queues: how many there are
 * @elsewhere: bits of the queues that somebody else serves: their eventfds are not read here, and
 *	features of queues are those that @features says
 * @features: what it offers, VIRTIO_F_VERSION_1 apart
 * @config: device-specific configuration, which the guest may read
 * @config_len: bytes of it
 * @lock: guards all below, registers and queues; the I/O thread holds it while it serves
 * @accepted: features that the guest took
 * @device_select: which half of the features the guest reads
 * @driver_select: which half it writes
 * @status: device status
 * @isr: interrupt status
 * @generation: of the configuration
 * @queue_select: queue that the registers below are about
 * @config_vector: MSI-X vector for changes of configuration
 * @vq: queues
 * @vector: their MSI-X vectors
 * @left: requests of each that may still be taken before the lock is let go
 * @serving: the I/O thread takes them
 * @due: the guest is to be told of used entries
 * @lines: how many were logged
 * @doorbell: address where the kernel turns writes into @kick, 0 for none
 * @wake: eventfd, written to wake the thread
 * @kick: eventfds, written when the guest notifies a queue
 * @fds: what the thread waits for: @wake, @kick, and what @ops->watch names
 * @fd_count: how many
 * @fd_room: room for so many
 * @thread: the I/O thread
 * @started: there is one
 * @ending: it shall end
 */
struct virtio {
	struct pci_device pci;
	const struct virtio_ops *ops;
	char name[VIRTIO_NAME_MAX];
	const struct guest_mem *mem;
	unsigned int queues;
	uint32_t elsewhere;
	uint64_t features;
	void *config;
	unsigned int config_len;

	pthread_mutex_t lock;
	uint64_t accepted;
	uint32_t device_select, driver_select;
	uint8_t status, isr, generation;
	uint16_t queue_select, config_vector;
	struct virtqueue vq[VIRTIO_QUEUES_MAX];
	uint16_t vector[VIRTIO_QUEUES_MAX];
	uint16_t left[VIRTIO_QUEUES_MAX];
	bool serving;
	bool due[VIRTIO_QUEUES_MAX];
	unsigned int lines;

	uint64_t doorbell;
	int wake, kick[VIRTIO_QUEUES_MAX];
	struct pollfd *fds;
	unsigned int fd_count, fd_room;
	pthread_t thread;
	bool started;
	atomic_bool ending;
};

/**
 * virtio_init() - a device that is not on a bus yet
 * @v: filled in, but for @elsewhere, @features, @config and @config_len
 * @ops: what kind it is
 * @name: for the user; longer ones are cut
 * @mem: guest memory
 *
 * Return: 0 or -errno
 */
int virtio_init(struct virtio *v, const struct virtio_ops *ops, const char *name,
		const struct guest_mem *mem);

/* Likewise, with as many queues as this one has, up to VIRTIO_QUEUES_MAX. */
int virtio_init_queues(struct virtio *v, const struct virtio_ops *ops, unsigned int queues,
		       const char *name, const struct guest_mem *mem);

/**
 * virtio_serve() - what the I/O thread does, once
 * @v: the device, @lock held; released while it waits
 * @timeout: how long to wait for something to do, in ms, -1: until there is
 */
void virtio_serve(struct virtio *v, int timeout);

/* Start the I/O thread: 0 or -errno. */
int virtio_start(struct virtio *v);

/*
 * It shall not begin anything long, or go on with it, as the machine ends: a vCPU may wait for the
 * lock.
 */
void virtio_end_soon(struct virtio *v);

/* End it; nothing of the device runs any more. */
void virtio_end(struct virtio *v);

/**
 * virtio_reset() - as when the guest resets it
 * @v: the device
 *
 * For one that has left its bus: nothing is under way any more when this returns, and no doorbell,
 * no interrupt line is left behind.
 */
void virtio_reset(struct virtio *v);

/* Whether no driver of the guest has begun with the device, or it has reset it. */
bool virtio_untouched(struct virtio *v);

/* What virtio_init() made; the end of @ops->destroy. */
void virtio_destroy(struct virtio *v);

/**
 * virtio_pop() - take the next request
 * @v: the device, @lock held
 * @queue: number of the queue
 * @chain: the request
 *
 * The I/O thread gets as many at a time as the queue has entries; there is more when it is woken,
 * as it is then.
 *
 * Return: whether there is one. A queue that is broken breaks the device.
 */
bool virtio_pop(struct virtio *v, unsigned int queue, struct virtqueue_chain *chain);

/**
 * virtio_done() - give a request back
 * @v: the device, @lock held
 * @queue: number of the queue
 * @head: the request
 * @len: bytes written
 *
 * The guest is told when the thread has served, or by virtio_tell().
 */
void virtio_done(struct virtio *v, unsigned int queue, uint16_t head, uint32_t len);
void virtio_tell(struct virtio *v);

/**
 * virtio_config_changed() - tell the guest to read the configuration again
 * @v: the device, @lock held
 */
void virtio_config_changed(struct virtio *v);

/**
 * virtio_fail() - the guest broke a rule: nothing works until it resets the device
 * @v: the device, @lock held
 * @why: for the user: "the guest ..."
 */
void virtio_fail(struct virtio *v, const char *why);

/* Whether the guest's driver is at work and the device not broken; @lock held. */
bool virtio_live(const struct virtio *v);

/* Whether the guest has given the device something in a queue; @lock held. */
bool virtio_waiting(struct virtio *v, unsigned int queue);

/* Have the thread look again; from any thread. */
void virtio_wake(struct virtio *v);

/**
 * virtio_watch() - wait for a file descriptor, this time
 * @v: the device; to be called by its @ops->watch
 * @fd: file descriptor, or -1
 * @events: as poll() wants them
 *
 * Return: the number to ask virtio_polled() by, -1 without memory for it.
 */
int virtio_watch(struct virtio *v, int fd, short events);
short virtio_polled(const struct virtio *v, int number);

#endif
