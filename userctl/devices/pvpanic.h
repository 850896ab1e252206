/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A device that the guest's kernel tells of its panic: a PCI function of QEMU's, whose first byte
 * of memory says what happened.
 */
#ifndef VMCTL_PVPANIC_H
#define VMCTL_PVPANIC_H

#include "pci.h"

/**
 * struct pvpanic - the device
 * @pci: its function
 * @panicked: called when the guest panicked; @loaded: it goes on with its crash kernel
 * @opaque: passed to it
 */
struct pvpanic {
	struct pci_device pci;
	void (*panicked)(void *opaque, bool loaded);
	void *opaque;
};

/* The device, which is not on a bus yet; pci_device_destroy() is its end. */
void pvpanic_init(struct pvpanic *dev, void (*panicked)(void *opaque, bool loaded), void *opaque);

#endif
