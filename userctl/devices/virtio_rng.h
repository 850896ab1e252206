/* SPDX-License-Identifier: GPL-2.0 */
/* A source of entropy (Virtual I/O Device 1.2, 5.4): the host's. */
#ifndef VMCTL_VIRTIO_RNG_H
#define VMCTL_VIRTIO_RNG_H

#include "../error.h"
#include "virtio_pci.h"

/**
 * virtio_rng_create() - a source of entropy
 * @name: for the user
 * @mem: guest memory
 * @err: EX_OSERR
 *
 * Return: the device, which is not on a bus yet; NULL on errors
 */
struct virtio *virtio_rng_create(const char *name, const struct guest_mem *mem, struct error *err);

#endif
