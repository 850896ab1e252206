// SPDX-License-Identifier: GPL-2.0
/* A TAP interface: frames pass with the guest's own headers, so that checksums stay undone. */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "virtio_net.h"

#define TUN_NODE     "/dev/net/tun"
#define FEATURE(bit) (1ULL << (bit))
/* Frames in a row, so that the guest's come in between. */
#define BATCH 64

/**
 * struct tap - the cable
 * @cable: what the card sees
 * @fd: the interface
 */
struct tap {
	struct net_cable cable;
	int fd;
};

static int tap_start(struct net_cable *cable, uint64_t accepted)
{
	const struct tap *tap = (struct tap *)cable;
	unsigned long offload = 0;

	if (accepted & FEATURE(VIRTIO_NET_F_GUEST_CSUM))
		offload |= TUN_F_CSUM;
	if (accepted & FEATURE(VIRTIO_NET_F_GUEST_TSO4))
		offload |= TUN_F_TSO4;
	if (accepted & FEATURE(VIRTIO_NET_F_GUEST_TSO6))
		offload |= TUN_F_TSO6;
	/* A driver must not take the one without the other, and this refuses it. */
	return ioctl(tap->fd, TUNSETOFFLOAD, offload) ? -errno : 0;
}

/* A frame that the interface does not take, for instance since it is down, is lost. */
static void tap_send(struct net_cable *cable, const struct iovec *iov, unsigned int count)
{
	(void)!writev(((struct tap *)cable)->fd, iov, (int)count);
}

static int tap_watch(struct net_cable *cable, struct virtio *v)
{
	if (virtio_net_hungry(v))
		virtio_watch(v, ((struct tap *)cable)->fd, POLLIN);
	return -1;
}

static size_t tap_fill(struct net_cable *cable, const struct iovec *iov, unsigned int count)
{
	ssize_t n = readv(((struct tap *)cable)->fd, iov, (int)count);

	return n > 0 ? (size_t)n : 0;
}

static void tap_run(struct net_cable *cable, struct virtio_net *net)
{
	unsigned int i;

	for (i = 0; i < BATCH && virtio_net_room(net, tap_fill, cable); i++)
		;
}

static void tap_destroy(struct net_cable *cable)
{
	close(((struct tap *)cable)->fd);
	free(cable);
}

static int open_tun(struct error *err)
{
	int fd = open(TUN_NODE, O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0)
		return fd;
	if (errno == EACCES || errno == EPERM)
		return fault(err, EX_NOPERM, "net tap: %s: permission denied: %s", TUN_NODE,
			     "its mode must let you, or use --net user");
	return fault(err, EX_UNAVAILABLE, "net tap: %s: %s; modprobe tun, or use --net user",
		     TUN_NODE, strerror(errno));
}

static int fault_attach(const char *ifname, int errnum, struct error *err)
{
	bool exists = ifname && if_nametoindex(ifname);

	if (errnum == EBUSY)
		return fault(err, EX_TEMPFAIL, "net tap: another process uses the interface %s",
			     ifname);
	if (errnum == EINVAL && exists)
		return fault(err, EX_UNAVAILABLE, "net tap: %s is not a TAP interface", ifname);
	if (errnum != EPERM && errnum != EACCES)
		return fault_errno(err, EX_UNAVAILABLE, errnum, "net tap: interface %s",
				   ifname ? ifname : "(new)");
	return fault(err, EX_NOPERM,
		     "net tap: %s: make it by \"ip tuntap add %s mode tap user USER\"",
		     exists ? "the interface is another user's"
			    : "there is no such interface, and only root makes one",
		     ifname ? ifname : "tap0");
}

static int attach(int fd, const char *ifname, struct error *err)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int size = NET_HEADER;

	if (ifname && strlen(ifname) >= IFNAMSIZ)
		return fault(err, EX_USAGE, "net tap: an interface's name has at most %d bytes",
			     IFNAMSIZ - 1);
	if (ifname)
		memcpy(ifr.ifr_name, ifname, strlen(ifname));
	if (ioctl(fd, TUNSETIFF, &ifr))
		return fault_attach(ifname, errno, err);
	if (ioctl(fd, TUNSETVNETHDRSZ, &size))
		return fault_errno(err, EX_UNAVAILABLE, errno, "net tap: %s", ifr.ifr_name);
	return 0;
}

int net_tap_open(const char *ifname, struct error *err)
{
	int fd = open_tun(err);

	if (fd < 0 || !attach(fd, ifname, err))
		return fd;
	close(fd);
	return -1;
}

struct net_cable *net_tap_fd(int fd, struct error *err)
{
	static const struct net_cable cable = {
		.features = FEATURE(VIRTIO_NET_F_CSUM) | FEATURE(VIRTIO_NET_F_HOST_TSO4) |
			    FEATURE(VIRTIO_NET_F_HOST_TSO6) | FEATURE(VIRTIO_NET_F_GUEST_CSUM) |
			    FEATURE(VIRTIO_NET_F_GUEST_TSO4) | FEATURE(VIRTIO_NET_F_GUEST_TSO6),
		.start = tap_start,
		.send = tap_send,
		.watch = tap_watch,
		.run = tap_run,
		.destroy = tap_destroy,
	};
	struct tap *tap = malloc(sizeof(*tap));

	if (!tap) {
		close(fd);
		fault(err, EX_OSERR, "out of memory");
		return NULL;
	}
	tap->cable = cable;
	tap->fd = fd;
	return &tap->cable;
}

struct net_cable *net_tap(const char *ifname, struct error *err)
{
	int fd = net_tap_open(ifname, err);

	return fd < 0 ? NULL : net_tap_fd(fd, err);
}
