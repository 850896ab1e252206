/* SPDX-License-Identifier: GPL-2.0 */
/* The devices on the PCI bus: what the user asked for, and what there is. */
#ifndef VMCTL_PERIPHERALS_H
#define VMCTL_PERIPHERALS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "../devices/blk_backend.h"
#include "../devices/bus.h"
#include "../devices/pci.h"
#include "../devices/pci_hotplug.h"
#include "../devices/pvpanic.h"
#include "../devices/virtio_9p.h"
#include "../devices/virtio_console.h"
#include "../devices/virtio_net.h"
#include "../devices/virtio_ports.h"
#include "../error.h"
#include "loop.h"

#define DISKS_MAX  8
#define NETS_MAX   8
#define SHARES_MAX 8
#define MSI_MAX    (KVM_GSIS_MAX - PCI_GSI_BASE - PCI_LINES)
/* Lines and messages that can be told apart at a time. */
#define KVM_GSIS_MAX 512

struct machine;
struct machine_config;

/**
 * struct disk_config - a disk that the user asked for
 * @image: its image; without a path: this one was taken out
 * @text: what the path lies in, to be freed, or NULL
 * @leaving: the guest has been asked to let it go
 */
struct disk_config {
	struct blk_image image;
	char *text;
	bool leaving;
};

/* Where the host has vhost-net; it must have it; never. */
enum net_vhost_mode { NET_VHOST_AUTO, NET_VHOST_ON, NET_VHOST_OFF };

/**
 * struct net_config - a network card that the user asked for
 * @tap: it leads to a TAP interface, not into this process
 * @ifname: the interface, NULL to let the kernel choose
 * @mac: its address
 * @has_mac: the user gave that
 * @queues: pairs of queues
 * @vhost: whether the host's kernel passes the frames of a TAP interface
 * @forward: ports of the host that lead to the guest
 * @forwards: how many
 * @given: there is one; it was not taken out
 * @text: what @ifname lies in, to be freed, or NULL
 * @leaving: the guest has been asked to let it go
 */
struct net_config {
	bool tap;
	const char *ifname;
	uint8_t mac[6];
	bool has_mac;
	unsigned int queues;
	enum net_vhost_mode vhost;
	struct net_forward forward[NET_FORWARDS];
	unsigned int forwards;
	bool given;
	char *text;
	bool leaving;
};

/**
 * struct share_config - a folder of the host
 * @tag: what the guest calls it
 * @path: the folder
 * @readonly: the guest may not change anything
 */
struct share_config {
	const char *tag, *path;
	bool readonly;
};

/**
 * struct peripherals_config - what the user asked for; attach and detach change it
 * @bus: there is a bus, even without a device
 * @disk: disks
 * @disks: those beyond are none
 * @net: network cards
 * @nets: those beyond are none
 * @port: ports of the console
 * @ports: how many
 * @share: shared folders
 * @shares: how many
 * @hvc: the terminal is the virtio console, not the serial port
 * @rng: there is a source of entropy
 * @pvpanic: there is a device that is told of panics
 * @balloon: there is a balloon
 * @inflate: bytes that the guest is asked to give back
 * @vsock_cid: its address for sockets, 0 for none
 */
struct peripherals_config {
	bool bus;
	struct disk_config disk[DISKS_MAX];
	unsigned int disks;
	struct net_config net[NETS_MAX];
	unsigned int nets;
	struct virtio_port_config port[PORTS_MAX];
	unsigned int ports;
	struct share_config share[SHARES_MAX];
	unsigned int shares;
	bool hvc, rng, pvpanic, balloon;
	uint64_t inflate;
	uint32_t vsock_cid;
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
 * @hotplug: registers by which devices come and go
 * @ejected: eventfd: some of them have gone
 * @dev: devices, by slot
 * @disk: those that are disks, by the number in the configuration
 * @net: likewise network cards
 * @console: the virtio console, or NULL
 * @balloon: the balloon, or NULL
 * @memory: the memory that comes and goes, or NULL
 * @pvpanic: the device that is told of panics
 * @panics: that were said
 * @has_pvpanic: there is one
 */
struct peripherals {
	struct pci_bus pci;
	bool has_pci;
	struct bus_range range[4];
	struct msi_routes routes;
	struct pci_hotplug hotplug;
	struct loop_source ejected;
	struct virtio *dev[PCI_SLOTS];
	struct virtio *disk[DISKS_MAX], *net[NETS_MAX];
	struct virtio *console, *balloon, *memory;
	struct pvpanic pvpanic;
	atomic_uint panics;
	bool has_pvpanic;
};

/* Whether what the user asked for needs a bus. */
bool peripherals_wanted(const struct machine_config *cfg);

/* The PCI bus and what is on it. */
int peripherals_add(struct machine *m, struct error *err);
int peripherals_start(struct machine *m, struct error *err);
void peripherals_stop(struct machine *m);

/* Before the vCPUs are waited for, which may wait for devices. */
void peripherals_stop_soon(struct machine *m);
void peripherals_remove(struct machine *m);

/**
 * net_vhost_open() - open what the kernel passes frames by, if that is wanted
 * @cfg: the card
 * @node: gets a descriptor for each queue
 * @err: EX_UNAVAILABLE, EX_NOPERM; only where it must be had
 *
 * Return: how many there are, none or all; -1 on errors
 */
int net_vhost_open(const struct net_config *cfg, int *node, struct error *err);

/* One disk or network card of the configuration, onto the bus. */
int peripherals_add_disk(struct machine *m, unsigned int index, struct error *err);
int peripherals_add_net(struct machine *m, unsigned int index, struct error *err);

/* Look for disks whose images have another size by now. */
void peripherals_resize(struct machine *m);

/* Counters of theirs, a line "NAME VALUE" each. */
void peripherals_stats(struct machine *m, FILE *out);

/* hotplug.c: the registers; main thread only. */
int hotplug_add(struct machine *m, struct error *err);
int hotplug_start(struct machine *m, struct error *err);
void hotplug_remove(struct machine *m);

/* Release what the guest has let go. */
void hotplug_reap(struct machine *m);

/* The device can be taken out; @announce: the guest is told that it has come. */
void hotplug_own(struct machine *m, struct virtio *v, bool announce);

/**
 * hotplug_attach() - put a device into a running machine
 * @m: the machine
 * @kind: "disk" or "nic"
 * @spec: as --disk and --net have them
 * @err: status 1
 *
 * It stays in the configuration, so that it is there after a restart.
 *
 * Return: the device, whose name is what hotplug_detach() takes; NULL on errors
 */
struct virtio *hotplug_attach(struct machine *m, const char *kind, const char *spec,
			      struct error *err);

/**
 * hotplug_detach() - ask the guest to let a device go
 * @m: the machine
 * @id: name of a disk or a network card
 * @err: status 1
 *
 * control_detached() is told when it has gone: when the guest has let it go, at once if the guest
 * does not know of it, or at the latest when the machine is reset.
 *
 * Return: 0 or -1.
 */
int hotplug_detach(struct machine *m, const char *id, struct error *err);

/* routes.c */
int msi_route(struct machine *m, int number, int fd, uint64_t addr, uint32_t data);
void msi_unroute(struct machine *m, int number, int fd);

#endif
