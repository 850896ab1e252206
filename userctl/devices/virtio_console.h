/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A console and ports beside it (Virtual I/O Device 1.2, 5.3). The first port is hvc0 in Linux;
 * the others have a name there, and are Unix sockets here.
 */
#ifndef VMCTL_VIRTIO_CONSOLE_H
#define VMCTL_VIRTIO_CONSOLE_H

#include <linux/virtio_console.h>

#include "../error.h"
#include "virtio_pci.h"

#define CONSOLE_PORTS_MAX 8 /* with the console */
#define PORT_NAME_MAX     63

/**
 * struct virtio_console_wire - where the console leads; called with the device's lock held
 * @tx: a byte from the guest
 * @room: the guest can take input again, after it could not
 * @opaque: passed to both
 */
struct virtio_console_wire {
	void (*tx)(void *opaque, uint8_t byte);
	void (*room)(void *opaque);
	void *opaque;
};

/**
 * struct virtio_port_config - a port
 * @name: what the guest calls it
 * @path: socket to listen at, which must not exist; it is removed at the end
 */
struct virtio_port_config {
	const char *name;
	const char *path;
};

/**
 * virtio_console_create() - a console
 * @name: for the user
 * @wire: where the console leads
 * @port: ports beside it
 * @ports: how many, less than CONSOLE_PORTS_MAX
 * @mem: guest memory
 * @err: EX_CANTCREAT for a socket that cannot be made, EX_TEMPFAIL for one that is in use, EX_OSERR
 *
 * Return: the device, which is not on a bus yet; NULL on errors
 */
struct virtio *virtio_console_create(const char *name, const struct virtio_console_wire *wire,
				     const struct virtio_port_config *port, unsigned int ports,
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
