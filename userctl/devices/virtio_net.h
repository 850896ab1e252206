/* SPDX-License-Identifier: GPL-2.0 */
/* A network card (Virtual I/O Device 1.2, 5.1) and where its cable leads. */
#ifndef VMCTL_VIRTIO_NET_H
#define VMCTL_VIRTIO_NET_H

#include <linux/virtio_net.h>
#include <poll.h>

#include "../error.h"
#include "virtio_pci.h"

#define NET_HEADER    12    /* in front of each frame */
#define NET_FRAME_MAX 65562 /* with its header: 64 KiB that the card cuts up */
#define NET_FORWARDS  8

struct virtio_net;

/**
 * struct net_cable - where frames go and come from; called with the card's lock held
 * @features: VIRTIO_NET_F_* that it can do
 * @start: the guest's driver has taken some of these; or NULL
 * @send: a frame with its header; what cannot be sent is lost
 * @watch: as in struct virtio_ops
 * @run: receive, by virtio_net_receive() or into virtio_net_room()
 * @destroy: the end
 */
struct net_cable {
	uint64_t features;
	int (*start)(struct net_cable *cable, uint64_t accepted);
	void (*send)(struct net_cable *cable, const struct iovec *iov, unsigned int count);
	int (*watch)(struct net_cable *cable, struct virtio *v);
	void (*run)(struct net_cable *cable, struct virtio_net *net);
	void (*destroy)(struct net_cable *cable);
};

/**
 * struct virtio_net - a network card
 * @v: the device
 * @config: what the guest reads
 * @cable: where it leads
 */
struct virtio_net {
	struct virtio v;
	struct virtio_net_config config;
	struct net_cable *cable;
};

/**
 * struct net_forward - a TCP port of the host that leads to one of the guest
 * @host: at 127.0.0.1
 * @guest: there
 */
struct net_forward {
	uint16_t host, guest;
};

/**
 * virtio_net_create() - a network card
 * @name: for the user
 * @mac: its address, 6 bytes
 * @cable: where it leads; the card's from now on, also on errors; NULL is an error described before
 * @mem: guest memory
 * @err: EX_OSERR
 *
 * Return: the device, which is not on a bus yet; NULL on errors
 */
struct virtio *virtio_net_create(const char *name, const uint8_t *mac, struct net_cable *cable,
				 const struct guest_mem *mem, struct error *err);

/**
 * virtio_net_receive() - give the guest a frame
 * @net: the card
 * @frame: the frame without a header
 * @len: bytes
 *
 * Return: false when the guest has no room now.
 */
bool virtio_net_receive(struct virtio_net *net, const void *frame, size_t len);

/**
 * virtio_net_room() - have the guest's room for a frame filled
 * @net: the card
 * @fill: reads a frame with its header into some pieces; returns its bytes, 0 when there is none
 * @cable: passed to it
 *
 * Return: whether there was room and a frame.
 */
bool virtio_net_room(struct virtio_net *net,
		     size_t (*fill)(struct net_cable *cable, const struct iovec *iov,
				    unsigned int count),
		     struct net_cable *cable);

/* Whether the guest has room for a frame. */
bool virtio_net_hungry(struct virtio *v);

/**
 * net_tap() - a cable to a TAP interface of the host
 * @ifname: its name, NULL to let the kernel choose
 * @err: EX_NOPERM, EX_UNAVAILABLE, EX_TEMPFAIL when it is in use
 *
 * Return: the cable; NULL on errors
 */
struct net_cable *net_tap(const char *ifname, struct error *err);

/* The two halves of it: an interface's descriptor or -1; a cable to it, which takes it over. */
int net_tap_open(const char *ifname, struct error *err);
struct net_cable *net_tap_fd(int fd, struct error *err);

/**
 * net_user() - a cable to a network within this process, which needs no privileges
 * @forward: ports
 * @forwards: how many
 * @err: EX_TEMPFAIL for a port in use, EX_NOPERM for one that only root may have, EX_OSERR
 *
 * The guest gets 10.0.2.15 by DHCP; 10.0.2.2 is the host, 10.0.2.3 its name server.
 *
 * Return: the cable; NULL on errors
 */
struct net_cable *net_user(const struct net_forward *forward, unsigned int forwards,
			   struct error *err);

#endif
