/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Ports of a device of consoles that has none (Virtual I/O Device 1.2, 5.3): they have a name in
 * the guest, and are Unix sockets here.
 */
#ifndef VMCTL_VIRTIO_PORTS_H
#define VMCTL_VIRTIO_PORTS_H

#include "../error.h"
#include "virtio_pci.h"

#define PORTS_MAX     7
#define PORT_NAME_MAX 63

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
 * virtio_ports_create() - ports
 * @name: for the user
 * @port: which
 * @ports: how many, PORTS_MAX at most
 * @mem: guest memory
 * @err: EX_CANTCREAT for a socket that cannot be made, EX_TEMPFAIL for one that is in use, EX_OSERR
 *
 * Return: the device, which is not on a bus yet; NULL on errors
 */
struct virtio *virtio_ports_create(const char *name, const struct virtio_port_config *port,
				   unsigned int ports, const struct guest_mem *mem,
				   struct error *err);

#endif
