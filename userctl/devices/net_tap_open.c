// SPDX-License-Identifier: GPL-2.0
/* TAP interfaces: a descriptor for each queue, and what is wrong where there is none, in words. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "virtio_net.h"

#define TUN_NODE "/dev/net/tun"

/**
 * struct link_facts - what the kernel says of an interface
 * @exists: there is one
 * @tap: of this kind
 * @multi: it can have several queues
 * @queues: that processes have open, of one that can have several
 */
struct link_facts {
	bool exists, tap, multi;
	unsigned int queues;
};

static void take_tun(struct link_facts *facts, struct nlattr *data)
{
	struct nlattr *a[IFLA_TUN_MAX + 1];

	if (nla_parse_nested(a, IFLA_TUN_MAX, data, NULL) < 0)
		return;
	facts->tap = a[IFLA_TUN_TYPE] && nla_get_u8(a[IFLA_TUN_TYPE]) == IFF_TAP;
	facts->multi = a[IFLA_TUN_MULTI_QUEUE] && nla_get_u8(a[IFLA_TUN_MULTI_QUEUE]);
	if (a[IFLA_TUN_NUM_QUEUES])
		facts->queues += nla_get_u32(a[IFLA_TUN_NUM_QUEUES]);
	if (a[IFLA_TUN_NUM_DISABLED_QUEUES])
		facts->queues += nla_get_u32(a[IFLA_TUN_NUM_DISABLED_QUEUES]);
}

static int take_link(struct nl_msg *msg, void *arg)
{
	struct nlattr *link[IFLA_MAX + 1], *info[IFLA_INFO_MAX + 1];
	struct link_facts *facts = arg;

	if (nlmsg_parse(nlmsg_hdr(msg), sizeof(struct ifinfomsg), link, IFLA_MAX, NULL) < 0)
		return NL_STOP;
	facts->exists = true;
	if (link[IFLA_LINKINFO] &&
	    !nla_parse_nested(info, IFLA_INFO_MAX, link[IFLA_LINKINFO], NULL) &&
	    info[IFLA_INFO_KIND] && info[IFLA_INFO_DATA] &&
	    !strcmp(nla_get_string(info[IFLA_INFO_KIND]), "tun"))
		take_tun(facts, info[IFLA_INFO_DATA]);
	return NL_STOP;
}

static int send_question(struct nl_sock *sk, const char *ifname)
{
	struct ifinfomsg head = { .ifi_family = AF_UNSPEC };
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_GETLINK, 0);
	int ret = -1;

	if (msg && !nlmsg_append(msg, &head, sizeof(head), NLMSG_ALIGNTO) &&
	    !nla_put_string(msg, IFLA_IFNAME, ifname))
		ret = nl_send_auto(sk, msg);
	nlmsg_free(msg);
	return ret;
}

/* One that cannot be asked about is taken for none. */
static struct link_facts ask(const char *ifname)
{
	struct link_facts facts = { .exists = false };
	struct nl_sock *sk = ifname ? nl_socket_alloc() : NULL;

	if (sk && !nl_connect(sk, NETLINK_ROUTE) &&
	    !nl_socket_modify_cb(sk, NL_CB_VALID, NL_CB_CUSTOM, take_link, &facts) &&
	    send_question(sk, ifname) >= 0)
		(void)nl_recvmsgs_default(sk);
	nl_socket_free(sk);
	return facts;
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

/* What is known before it is tried. */
static int check(const char *ifname, const struct link_facts *facts, unsigned int pairs,
		 struct error *err)
{
	if (ifname && strlen(ifname) >= IFNAMSIZ)
		return fault(err, EX_USAGE, "net tap: an interface's name has at most %d bytes",
			     IFNAMSIZ - 1);
	if (facts->exists && !facts->tap)
		return fault(err, EX_UNAVAILABLE, "net tap: %s is not a TAP interface", ifname);
	if (facts->exists && pairs > 1 && !facts->multi)
		return fault(err, EX_UNAVAILABLE,
			     "net tap: %s has one queue, not %u: make it anew by \"%s %s %s\", %s",
			     ifname, pairs, "ip tuntap add", ifname,
			     "mode tap multi_queue user USER", "or leave out queues=");
	if (facts->queues)
		return fault(err, EX_TEMPFAIL, "net tap: another process uses the interface %s",
			     ifname);
	return 0;
}

static int fault_attach(const char *ifname, bool multi, int errnum, struct error *err)
{
	bool exists = ifname && if_nametoindex(ifname);

	if (errnum == EBUSY)
		return fault(err, EX_TEMPFAIL, "net tap: another process uses the interface %s",
			     ifname);
	if (errnum != EPERM && errnum != EACCES)
		return fault_errno(err, EX_UNAVAILABLE, errnum, "net tap: interface %s",
				   ifname ? ifname : "(new)");
	return fault(err, EX_NOPERM,
		     "net tap: %s: make it by \"ip tuntap add %s mode tap%s user %s\"",
		     exists ? "the interface is another user's"
			    : "there is no such interface, and only root makes one",
		     ifname ? ifname : "tap0", multi ? " multi_queue" : "", "USER");
}

/* The first queue may get a name from the kernel, which those behind it need. */
static int attach(int fd, struct ifreq *ifr, const char *ifname, struct error *err)
{
	int size = NET_HEADER;

	if (ioctl(fd, TUNSETIFF, ifr))
		return fault_attach(ifname, ifr->ifr_flags & IFF_MULTI_QUEUE, errno, err);
	if (ioctl(fd, TUNSETVNETHDRSZ, &size))
		return fault_errno(err, EX_UNAVAILABLE, errno, "net tap: %s", ifr->ifr_name);
	return 0;
}

static int open_queues(struct ifreq *ifr, const char *ifname, unsigned int pairs, int *fd,
		       struct error *err)
{
	unsigned int i;

	for (i = 0; i < pairs; i++) {
		fd[i] = open_tun(err);
		if (fd[i] >= 0 && !attach(fd[i], ifr, ifname, err))
			continue;
		do {
			if (fd[i] >= 0)
				close(fd[i]);
		} while (i--);
		return -1;
	}
	return 0;
}

/* Of an interface with several queues the kernel would give some to each that wants them. */
static int check_alone(const char *ifname, unsigned int pairs, int *fd, struct error *err)
{
	if (ask(ifname).queues <= pairs)
		return 0;
	while (pairs--)
		close(fd[pairs]);
	return fault(err, EX_TEMPFAIL, "net tap: another process uses the interface %s", ifname);
}

int net_tap_open(const char *ifname, unsigned int pairs, int *fd, struct error *err)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	struct link_facts facts = ask(ifname);

	if (check(ifname, &facts, pairs, err))
		return -1;
	if (ifname)
		memcpy(ifr.ifr_name, ifname, strlen(ifname));
	if (pairs > 1 || facts.multi)
		ifr.ifr_flags |= IFF_MULTI_QUEUE;
	if (open_queues(&ifr, ifname, pairs, fd, err))
		return -1;
	return check_alone(ifr.ifr_name, pairs, fd, err);
}
