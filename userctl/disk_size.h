/* SPDX-License-Identifier: GPL-2.0 */
/* The size of a disk of a VM that runs. */
#ifndef VMCTL_DISK_SIZE_H
#define VMCTL_DISK_SIZE_H

#include <stdint.h>

#include "error.h"

/**
 * disk_size_set() - make a disk larger
 * @fd: connection to the VM
 * @disk: its number
 * @bytes: its new size
 * @file: its image if that is qcow2, as the caller names it: what the VM's process says is not
 *	believed, as its guest may have taken it over; NULL: it is raw
 * @err: status 1, or what is wrong with the image
 *
 * The VM's process makes a raw image larger itself. One that a server has open is closed there for
 * as long as it takes us to make it larger, and gets another server, as that process starts none.
 *
 * Return: 0 or -1
 */
int disk_size_set(int fd, unsigned int disk, uint64_t bytes, const char *file, struct error *err);

#endif
