/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A console (Virtual I/O Device 1.2, 5.3), hvc0 in Linux. It has one port and no control queues:
 * Linux knows it when its driver has started, where a port that the device nominates may come too
 * late for init's input and output.
 */
#ifndef VMCTL_VIRTIO_CONSOLE_H
#define VMCTL_VIRTIO_CONSOLE_H

#include "../error.h"
#include "virtio_pci.h"

/**
 * struct virtio_console_wire - where the console leads; called with the device's lock held
 * @tx: a byte from the guest
 * @room: the guest can take input again, after it could not
 * @opaque: passed to both
 * @silence_ms: a guest that has written nothing is interrupted for input only so much later
 */
struct virtio_console_wire {
	void (*tx)(void *opaque, uint8_t byte);
	void (*room)(void *opaque);
	void *opaque;
	int silence_ms;
};

/**
 * virtio_console_create() - a console
 * @name: for the user
 * @wire: where it leads
 * @mem: guest memory
 * @err: EX_OSERR
 *
 * Return: the device, which is not on a bus yet; NULL on errors
 */
struct virtio *virtio_console_create(const char *name, const struct virtio_console_wire *wire,
				     const struct guest_mem *mem, struct error *err);

/**
 * virtio_console_receive() - input for the guest
 * @v: what virtio_console_create() returned
 * @data: bytes
 * @len: how many
 *
 * Return: how many it took; if not all, @room is called when it can take more. From any thread.
 */
size_t virtio_console_receive(struct virtio *v, const uint8_t *data, size_t len);

#endif
