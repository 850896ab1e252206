/* SPDX-License-Identifier: GPL-2.0 */
/* A folder of the host: the protocol of p9.h over a queue. */
#ifndef VMCTL_VIRTIO_9P_H
#define VMCTL_VIRTIO_9P_H

#include "p9.h"
#include "virtio_pci.h"

#define SHARE_TAG_MAX 32

/**
 * virtio_9p_create() - share a folder
 * @name: for the user
 * @tag: what the guest mounts; at most SHARE_TAG_MAX bytes
 * @path: the folder
 * @readonly: the guest may not change anything
 * @mem: guest memory
 * @err: EX_NOINPUT, EX_OSERR
 *
 * Return: the device, which is not on a bus yet; NULL on errors
 */
struct virtio *virtio_9p_create(const char *name, const char *tag, const char *path, bool readonly,
				const struct guest_mem *mem, struct error *err);

#endif
