// SPDX-License-Identifier: GPL-2.0
/* Netlink messages to the family "vmm" with commands, attributes and lengths of little sense. */
#define _GNU_SOURCE
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/vmm_netlink.h>
#include "ioctl_world.h"

#define BATCH       64 /* messages in a datagram */
#define MESSAGE_MAX 640
#define KNOWN       8 /* VMs whose ids have been seen */

static __thread int nl = -1;
static __thread uint16_t family;
static __thread uint64_t known[KNOWN];
static __thread unsigned int seen;

static void put(struct nlmsghdr *h, uint16_t type, const void *data, uint16_t len)
{
	struct nlattr *a = (void *)((uint8_t *)h + NLMSG_ALIGN(h->nlmsg_len));

	a->nla_type = type;
	a->nla_len = NLA_HDRLEN + len;
	memcpy(a + 1, data, len);
	h->nlmsg_len = NLMSG_ALIGN(h->nlmsg_len) + NLA_ALIGN(a->nla_len);
}

static struct nlmsghdr *begin(void *at, uint16_t type, uint16_t flags, uint8_t cmd, uint8_t version)
{
	struct nlmsghdr *h = at;
	struct genlmsghdr *g = NLMSG_DATA(h);

	memset(h, 0, NLMSG_HDRLEN + GENL_HDRLEN);
	h->nlmsg_len = NLMSG_HDRLEN + GENL_HDRLEN;
	h->nlmsg_type = type;
	h->nlmsg_flags = NLM_F_REQUEST | flags;
	g->cmd = cmd;
	g->version = version;
	return h;
}

/* The value of an attribute of that type and length in a message, NULL: none. */
static const void *find(const struct nlmsghdr *h, uint16_t type, size_t len)
{
	const uint8_t *at = (const uint8_t *)NLMSG_DATA(h) + GENL_HDRLEN;
	const uint8_t *end = (const uint8_t *)h + h->nlmsg_len;

	while (at + NLA_HDRLEN <= end) {
		const struct nlattr *a = (const void *)at;

		if (a->nla_len < NLA_HDRLEN)
			break;
		if (a->nla_type == type && a->nla_len == NLA_HDRLEN + len)
			return a + 1;
		at += NLA_ALIGN(a->nla_len);
	}
	return NULL;
}

bool netlink_begin(void)
{
	uint8_t area[4096] __attribute__((aligned(8)));
	struct nlmsghdr *h;
	const void *id;
	ssize_t got;

	if (nl >= 0)
		return family;
	nl = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	h = begin(area, GENL_ID_CTRL, 0, CTRL_CMD_GETFAMILY, 1);
	put(h, CTRL_ATTR_FAMILY_NAME, VMM_GENL_NAME, sizeof(VMM_GENL_NAME));
	if (send(nl, area, h->nlmsg_len, 0) < 0)
		return false;
	got = recv(nl, area, sizeof(area), 0);
	if (got < NLMSG_HDRLEN || h->nlmsg_type != GENL_ID_CTRL || h->nlmsg_len > got)
		return false;
	id = find(h, CTRL_ATTR_FAMILY_ID, sizeof(family));
	if (id)
		memcpy(&family, id, sizeof(family));
	return family;
}

/* What an attribute of this type should hold, or something like it. */
static uint16_t make_value(struct dice *d, uint16_t type, uint8_t *to)
{
	uint64_t value = dice_one_in(d, 4) ? odd(d) : dice_below(d, 200);
	uint16_t len = 8;

	fill(d, to, 80);
	switch (type) {
	case VMM_ATTR_VM_ID:
		value = dice_one_in(d, 8) ? odd(d) : known[dice_below(d, KNOWN)];
		break;
	case VMM_ATTR_VM_NAME:
	case VMM_ATTR_VM_COMM:
		len = 1 + dice_below(d, 79);
		memset(to, 'a' + dice_below(d, 26), len);
		to[len - 1] = 0;
		value = 0;
		break;
	case VMM_ATTR_VM_UUID:
		len = VMM_VM_UUID_SIZE;
		break;
	case VMM_ATTR_VM_CPU_LIMIT:
	case VMM_ATTR_VM_VCPUS:
	case VMM_ATTR_VM_STATE:
		len = 4;
	}
	if (len <= 8)
		memcpy(to, &value, len);
	return dice_one_in(d, 6) ? dice_below(d, 80) : len;
}

/* One that would be right, if its VM is there still and a name or a limit makes sense. */
static struct nlmsghdr *make_right(struct dice *d, uint8_t *at)
{
	static const uint8_t settings[] = { VMM_ATTR_VM_NAME, VMM_ATTR_VM_UUID,
					    VMM_ATTR_VM_CPU_LIMIT, VMM_ATTR_VM_MEMORY_LIMIT };
	uint8_t cmd = 1 + dice_below(d, 10), attr, value[80];
	struct nlmsghdr *h = begin(at, family, NLM_F_ACK, cmd, VMM_GENL_VERSION);

	put(h, cmd == VMM_CMD_VCPU_GET ? VMM_ATTR_VCPU_VM : VMM_ATTR_VM_ID,
	    &known[dice_below(d, KNOWN)], 8);
	if (cmd == VMM_CMD_VM_SET) {
		uint16_t len;

		attr = settings[dice_below(d, ARRAY_SIZE(settings))];
		len = make_value(d, attr, value);
		put(h, attr, value, len);
	}
	return h;
}

static struct nlmsghdr *make_message(struct dice *d, uint8_t *at)
{
	uint16_t flags = 0;
	unsigned int n = dice_below(d, 5);
	struct nlmsghdr *h;
	uint8_t value[80];

	if (dice_one_in(d, 3))
		return make_right(d, at);
	if (dice_one_in(d, 3))
		flags |= NLM_F_ACK;
	if (dice_one_in(d, 12))
		flags |= NLM_F_DUMP;
	if (dice_one_in(d, 16))
		flags |= dice_next(d);
	h = begin(at, family, flags, dice_one_in(d, 12) ? dice_next(d) : 1 + dice_below(d, 10),
		  dice_one_in(d, 16) ? dice_next(d) : VMM_GENL_VERSION);
	if (!dice_one_in(d, 5)) {
		uint16_t len = make_value(d, VMM_ATTR_VM_ID, value);

		put(h, VMM_ATTR_VM_ID, value, len);
	}
	while (n--) {
		uint16_t attr = dice_one_in(d, 10) ? dice_next(d) : 1 + dice_below(d, 21), len;

		len = make_value(d, attr, value);
		put(h, attr, value, len);
	}
	/* A length that goes too far, or not far enough. */
	if (h->nlmsg_len > NLMSG_HDRLEN + GENL_HDRLEN && dice_one_in(d, 12))
		((struct nlattr *)((uint8_t *)NLMSG_DATA(h) + GENL_HDRLEN))->nla_len = dice_next(d);
	return h;
}

/* Read what has come back; whose VMs there are is worth knowing. */
static void drain(void)
{
	static __thread uint8_t area[16384] __attribute__((aligned(8)));
	ssize_t got;

	while ((got = recv(nl, area, sizeof(area), MSG_DONTWAIT)) > 0) {
		const struct nlmsghdr *h = (void *)area;
		size_t left = got;

		for (; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
			const void *id = h->nlmsg_type == family ? find(h, VMM_ATTR_VM_ID, 8)
								 : NULL;
			bool good = h->nlmsg_type == family ||
				    (h->nlmsg_type == NLMSG_ERROR && !*(int *)NLMSG_DATA(h));

			__atomic_fetch_add(&world.tally->answers, good, __ATOMIC_RELAXED);
			if (id)
				memcpy(&known[seen++ % KNOWN], id, 8);
		}
	}
}

/* Ask for all VMs, so that some ids make sense. */
static void look(void)
{
	uint8_t area[64] __attribute__((aligned(8)));
	struct nlmsghdr *h = begin(area, family, NLM_F_DUMP, VMM_CMD_VM_GET, VMM_GENL_VERSION);

	if (send(nl, area, h->nlmsg_len, MSG_DONTWAIT) > 0)
		drain();
}

unsigned int netlink_send(struct dice *d)
{
	static __thread uint8_t area[BATCH * MESSAGE_MAX] __attribute__((aligned(8)));
	unsigned int count = 1 + dice_below(d, BATCH), i;
	struct nlmsghdr *h = NULL;
	size_t size = 0;

	if (!netlink_begin())
		return 0;
	if (!seen || dice_one_in(d, 8))
		look();
	for (i = 0; i < count; i++) {
		h = make_message(d, area + size);
		size += NLMSG_ALIGN(h->nlmsg_len);
	}
	/* Only the last: what comes after such a one is not looked at. */
	if (dice_one_in(d, 16))
		h->nlmsg_len = dice_next(d);
	if (send(nl, area, size, MSG_DONTWAIT) < 0)
		count = 0;
	drain();
	__atomic_fetch_add(&world.tally->messages, count, __ATOMIC_RELAXED);
	return count;
}
