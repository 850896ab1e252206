/* SPDX-License-Identifier: GPL-2.0 */
/* The devices on the PCI bus: what the user asked for, and what there is. */
#ifndef VMCTL_PERIPHERALS_H
#define VMCTL_PERIPHERALS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "../devices/bus.h"
#include "../devices/pci.h"
#include "../devices/virtio_pci.h"
#include "../error.h"

#define DISKS_MAX 8
#define MSI_MAX   (KVM_GSIS_MAX - PCI_GSI_BASE - PCI_LINES)
/* Lines and messages that can be told apart at a time. */
#define KVM_GSIS_MAX 512

struct machine;
struct machine_config;

/**
 * struct disk_config - a disk that the user asked for
 * @path: image
 * @readonly: the guest may not write
 */
struct disk_config {
	const char *path;
	bool readonly;
};

/**
 * struct peripherals_config - what the user asked for
 * @disk: disks
 * @disks: how many
 */
struct peripherals_config {
	struct disk_config disk[DISKS_MAX];
	unsigned int disks;
};

/**
 * struct msi_routes - messages that eventfds send
 * @lock: guards the rest
 * @used: which numbers are
 * @addr: where the message goes
 * @data: what it says
 */
struct msi_routes {
	pthread_mutex_t lock;
	bool used[MSI_MAX];
	uint64_t addr[MSI_MAX];
	uint32_t data[MSI_MAX];
};

/**
 * struct peripherals - what there is
 * @pci: the bus
 * @has_pci: there is one
 * @range: its claims on ports and memory
 * @routes: interrupts
 * @dev: devices, by slot
 * @disk: those that are disks
 */
struct peripherals {
	struct pci_bus pci;
	bool has_pci;
	struct bus_range range[3];
	struct msi_routes routes;
	struct virtio *dev[PCI_SLOTS];
	struct virtio *disk[DISKS_MAX];
};

/* Whether what the user asked for needs a bus. */
bool peripherals_wanted(const struct machine_config *cfg);

/* The PCI bus and what is on it. */
int peripherals_add(struct machine *m, struct error *err);
int peripherals_start(struct machine *m, struct error *err);
void peripherals_stop(struct machine *m);
void peripherals_remove(struct machine *m);

/* Look for disks whose images have another size by now. */
void peripherals_resize(struct machine *m);

/* routes.c */
int msi_route(struct machine *m, int number, int fd, uint64_t addr, uint32_t data);
void msi_unroute(struct machine *m, int number, int fd);

#endif
