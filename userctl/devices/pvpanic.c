// SPDX-License-Identifier: GPL-2.0
#include "pvpanic.h"

#define VENDOR   0x1b36
#define DEVICE   0x0011
#define SYSTEM   0x088000
#define BAR_SIZE 4096
#define PANICKED 1
#define LOADED   2 /* a crash kernel takes over */

static uint64_t pvpanic_read(void *opaque, uint64_t off, unsigned int size)
{
	(void)opaque;
	(void)size;
	return off ? 0 : PANICKED | LOADED;
}

static void pvpanic_write(void *opaque, uint64_t off, uint64_t val, unsigned int size)
{
	struct pvpanic *dev = opaque;

	(void)size;
	if (!off && (val & (PANICKED | LOADED)))
		dev->panicked(dev->opaque, !(val & PANICKED));
}

static const struct bus_ops pvpanic_ops = { pvpanic_read, pvpanic_write, 1 };

void pvpanic_init(struct pvpanic *dev, void (*panicked)(void *opaque, bool loaded), void *opaque)
{
	static const struct pci_id id = {
		.vendor = VENDOR, .device = DEVICE, .class_code = SYSTEM, .revision = 1
	};

	pci_device_init(&dev->pci, &id, 0);
	pci_add_bar(&dev->pci, 0, BAR_SIZE, &pvpanic_ops, dev);
	dev->panicked = panicked;
	dev->opaque = opaque;
}
