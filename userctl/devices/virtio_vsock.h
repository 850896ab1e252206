/* SPDX-License-Identifier: GPL-2.0 */
/* Sockets between guest and host (Virtual I/O Device 1.2, 5.10), served by vhost-vsock. */
#ifndef VMCTL_VIRTIO_VSOCK_H
#define VMCTL_VIRTIO_VSOCK_H

#include "../error.h"
#include "virtio_pci.h"

#define VSOCK_CID_MIN 3

/**
 * virtio_vsock_create() - sockets
 * @name: for the user
 * @cid: the guest's address, from VSOCK_CID_MIN on, which no other VM has
 * @mem: guest memory
 * @err: EX_UNAVAILABLE without vhost-vsock, EX_NOPERM, EX_TEMPFAIL when @cid is in use, EX_OSERR
 *
 * Return: the device, which is not on a bus yet; NULL on errors
 */
struct virtio *virtio_vsock_create(const char *name, uint32_t cid, const struct guest_mem *mem,
				   struct error *err);

#endif
