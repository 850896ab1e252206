// SPDX-License-Identifier: GPL-2.0
/* Netlink messages, made and taken apart by hand. See nl.h. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include "harness.h"
#include "nl.h"

/* A dump comes in pieces no larger than this: it shall take many. */
#define RECEIVE_SIZE 8192

#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif

static void set_option(int fd, int option)
{
	int one = 1;

	OK(setsockopt(fd, SOL_NETLINK, option, &one, sizeof(one)));
}

void nl_put(struct nl_request *r, u16 type, const void *data, size_t len)
{
	struct nlattr *a = (void *)((u8 *)r + NLMSG_ALIGN(r->h.nlmsg_len));

	CHECK(NLMSG_ALIGN(r->h.nlmsg_len) + NLA_HDRLEN + NLA_ALIGN(len) <= sizeof(*r));
	a->nla_type = type;
	a->nla_len = NLA_HDRLEN + len;
	memcpy(a + 1, data, len);
	r->h.nlmsg_len = NLMSG_ALIGN(r->h.nlmsg_len) + NLA_ALIGN(a->nla_len);
}

void nl_put_u64(struct nl_request *r, u16 type, u64 value)
{
	nl_put(r, type, &value, sizeof(value));
}

void nl_put_str(struct nl_request *r, u16 type, const char *text)
{
	nl_put(r, type, text, strlen(text) + 1);
}

struct nl_request nl_begin(struct nl *nl, u8 cmd, u16 flags)
{
	return (struct nl_request){
		.h = { .nlmsg_len = NLMSG_HDRLEN + GENL_HDRLEN,
		       .nlmsg_type = nl->family,
		       .nlmsg_flags = NLM_F_REQUEST | flags,
		       .nlmsg_seq = ++nl->seq },
		.g = { .cmd = cmd, .version = VMM_GENL_VERSION },
	};
}

void nl_send(struct nl *nl, const struct nl_request *r)
{
	CHECK_EQ(send(nl->fd, r, r->h.nlmsg_len, 0), r->h.nlmsg_len);
}

const struct nlattr *nl_attr(const struct nlattr *attrs, size_t len, u16 type, unsigned int nth)
{
	const u8 *at = (const u8 *)attrs, *end = at + len;

	while (at + NLA_HDRLEN <= end) {
		const struct nlattr *a = (const void *)at;

		CHECK(a->nla_len >= NLA_HDRLEN && a->nla_len <= end - at);
		if ((a->nla_type & NLA_TYPE_MASK) == type && !nth--)
			return a;
		at += NLA_ALIGN(a->nla_len);
	}
	return NULL;
}

static const void *need_attr(const struct nlattr *attrs, size_t len, u16 type, size_t size)
{
	const struct nlattr *a = nl_attr(attrs, len, type, 0);

	if (!a)
		FAIL("attribute %u is missing", type);
	if (size)
		CHECK_EQ(nl_length(a), size);
	return nl_payload(a);
}

u64 nl_u64(const struct nlattr *attrs, size_t len, u16 type)
{
	u64 value;

	memcpy(&value, need_attr(attrs, len, type, sizeof(value)), sizeof(value));
	return value;
}

u32 nl_u32(const struct nlattr *attrs, size_t len, u16 type)
{
	u32 value;

	memcpy(&value, need_attr(attrs, len, type, sizeof(value)), sizeof(value));
	return value;
}

const char *nl_str(const struct nlattr *attrs, size_t len, u16 type)
{
	const char *text = need_attr(attrs, len, type, 0);

	CHECK(!text[nl_length(nl_attr(attrs, len, type, 0)) - 1]);
	return text;
}

/* The errno of an answer, or of the end of a dump; its words to nl->ack. */
static int take_error(struct nl *nl, const struct nlmsghdr *h)
{
	size_t skip = h->nlmsg_type == NLMSG_DONE ? sizeof(int) : sizeof(struct nlmsgerr);
	const struct nlattr *attrs = (const void *)((const u8 *)NLMSG_DATA(h) + skip), *text;
	int err = *(const int *)NLMSG_DATA(h);

	nl->ack[0] = 0;
	if (!(h->nlmsg_flags & NLM_F_ACK_TLVS))
		return err;
	text = nl_attr(attrs, h->nlmsg_len - NLMSG_HDRLEN - skip, NLMSGERR_ATTR_MSG, 0);
	if (text)
		snprintf(nl->ack, sizeof(nl->ack), "%s", (const char *)nl_payload(text));
	return err;
}

int nl_receive(struct nl *nl, nl_each each, void *arg)
{
	u8 buf[RECEIVE_SIZE] __attribute__((aligned(8)));
	const struct nlmsghdr *h = (void *)buf;
	ssize_t got = recv(nl->fd, buf, sizeof(buf), MSG_TRUNC);
	size_t left = got;

	if (got < 0)
		return -errno;
	CHECK(left <= sizeof(buf));
	for (; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
		const struct nlattr *attrs =
			(const void *)((const u8 *)NLMSG_DATA(h) + GENL_HDRLEN);

		if (h->nlmsg_type == NLMSG_ERROR)
			return take_error(nl, h);
		if (h->nlmsg_type == NLMSG_DONE) {
			if (each)
				each(NULL, 0, h->nlmsg_flags, arg);
			return take_error(nl, h);
		}
		if (each)
			each(attrs, h->nlmsg_len - NLMSG_HDRLEN - GENL_HDRLEN, h->nlmsg_flags, arg);
	}
	return 1;
}

int nl_call(struct nl *nl, const struct nl_request *r, nl_each each, void *arg)
{
	int ret;

	nl_send(nl, r);
	do {
		ret = nl_receive(nl, each, arg);
	} while (ret > 0);
	return ret;
}

int nl_vm(struct nl *nl, u8 cmd, u64 id)
{
	struct nl_request r = nl_begin(nl, cmd, NLM_F_ACK);

	nl_put_u64(&r, VMM_ATTR_VM_ID, id);
	return nl_call(nl, &r, NULL, NULL);
}

static void take_family(const struct nlattr *attrs, size_t len, u16 flags, void *arg)
{
	const struct nlattr *groups = nl_attr(attrs, len, CTRL_ATTR_MCAST_GROUPS, 0), *group;
	const struct nlattr *id;
	struct nl *nl = arg;

	(void)flags;
	id = nl_attr(attrs, len, CTRL_ATTR_FAMILY_ID, 0);
	if (!id)
		return;
	memcpy(&nl->family, nl_payload(id), sizeof(nl->family));
	CHECK(groups);
	group = nl_payload(groups);
	CHECK(!strcmp(nl_str(nl_payload(group), nl_length(group), CTRL_ATTR_MCAST_GRP_NAME),
		      VMM_GENL_GROUP_EVENTS));
	nl->events = nl_u32(nl_payload(group), nl_length(group), CTRL_ATTR_MCAST_GRP_ID);
}

struct nl nl_open(void)
{
	struct nl nl = {
		.fd = OK(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC)),
		.family = GENL_ID_CTRL,
	};
	struct nl_request r = nl_begin(&nl, CTRL_CMD_GETFAMILY, NLM_F_ACK);

	set_option(nl.fd, NETLINK_EXT_ACK);
	set_option(nl.fd, NETLINK_CAP_ACK);
	set_option(nl.fd, NETLINK_GET_STRICT_CHK);
	nl_put_str(&r, CTRL_ATTR_FAMILY_NAME, VMM_GENL_NAME);
	if (nl_call(&nl, &r, take_family, &nl))
		SKIP("no netlink family " VMM_GENL_NAME);
	return nl;
}
