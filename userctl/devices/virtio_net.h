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
#define NET_PAIRS_MAX 8 /* queues in each direction */

#define NET_VHOST_NODE "/dev/vhost-net"

struct virtio_net;

/**
 * struct net_cable - where frames go and come from; called with the card's lock held
 * @features: VIRTIO_NET_F_* that it can do
 * @pairs: pairs of queues that it can serve, up to NET_PAIRS_MAX; 0 is 1, too
 * @elsewhere: frames do not come through here: @send and @run's receiving are the kernel's
 * @start: the guest's driver is ready, which knows of so many pairs; 0 or -errno; or NULL
 * @stop: no queue is touched afterwards; or NULL
 * @use: the guest receives by the first so many pairs from now on, and by no other; 0 or -errno;
 *	NULL where @pairs is 1
 * @send: a frame with its header, from the queue of some pair; what cannot be sent is lost
 * @watch: as in struct virtio_ops
 * @run: receive, by virtio_net_receive() or into virtio_net_room()
 * @destroy: the end
 */
struct net_cable {
	uint64_t features;
	unsigned int pairs;
	bool elsewhere;
	int (*start)(struct net_cable *cable, struct virtio *v, unsigned int pairs);
	void (*stop)(struct net_cable *cable);
	int (*use)(struct net_cable *cable, unsigned int pairs);
	void (*send)(struct net_cable *cable, unsigned int pair, const struct iovec *iov,
		     unsigned int count);
	int (*watch)(struct net_cable *cable, struct virtio *v);
	void (*run)(struct net_cable *cable, struct virtio_net *net);
	void (*destroy)(struct net_cable *cable);
};

/**
 * struct net_stats - frames that vmctl has passed
 * @pairs: pairs of queues that the guest uses
 * @vhost: the kernel passes them
 * @received: frames that it got, by pair
 * @sent: frames that it sent
 */
struct net_stats {
	unsigned int pairs;
	bool vhost;
	uint64_t received[NET_PAIRS_MAX], sent[NET_PAIRS_MAX];
};

/**
 * struct virtio_net - a network card
 * @v: the device; its lock guards the rest
 * @config: what the guest reads
 * @cable: where it leads
 * @pairs: pairs of queues that there are
 * @stats: what it has done
 */
struct virtio_net {
	struct virtio v;
	struct virtio_net_config config;
	struct net_cable *cable;
	unsigned int pairs;
	struct net_stats stats;
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
 * virtio_net_receive() - give the guest a frame, by its first queue
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
 * @pair: whose queue, one that is in use
 * @fill: reads a frame with its header into some pieces; returns its bytes, 0 when there is none
 * @cable: passed to it, as is @pair
 *
 * Return: whether there was room and a frame.
 */
bool virtio_net_room(struct virtio_net *net, unsigned int pair,
		     size_t (*fill)(struct net_cable *cable, unsigned int pair,
				    const struct iovec *iov, unsigned int count),
		     struct net_cable *cable);

/* Whether the guest has room for a frame, in a queue that is in use. */
bool virtio_net_hungry(struct virtio *v, unsigned int pair);

/* What the card has done until now; from any thread. */
void virtio_net_stats(struct virtio *v, struct net_stats *stats);

/**
 * net_tap_open() - a TAP interface of the host, made where there is none
 * @ifname: its name, NULL to let the kernel choose
 * @pairs: queues that it shall have
 * @fd: gets as many descriptors
 * @err: EX_USAGE, EX_NOPERM, EX_UNAVAILABLE, EX_TEMPFAIL when it is in use
 *
 * Return: 0 or -1
 */
int net_tap_open(const char *ifname, unsigned int pairs, int *fd, struct error *err);

/**
 * net_tap() - a cable to a TAP interface
 * @fd: of its queues, which are the cable's from now on, also on errors
 * @pairs: how many
 * @err: EX_OSERR
 *
 * Return: the cable; NULL on errors
 */
struct net_cable *net_tap(const int *fd, unsigned int pairs, struct error *err);

/**
 * net_vhost() - have the kernel pass the frames of a TAP interface
 * @tap: the cable to it, which is the new one's from now on, if there is one
 * @fd: of its queues
 * @node: descriptors of NET_VHOST_NODE, one for each queue, which are closed on errors
 * @mem: guest memory
 * @err: EX_OSERR
 *
 * Return: the cable; NULL on errors, and then @tap is as it was
 */
struct net_cable *net_vhost(struct net_cable *tap, const int *fd, const int *node,
			    const struct guest_mem *mem, struct error *err);

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
