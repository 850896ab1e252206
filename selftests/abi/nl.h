/* SPDX-License-Identifier: GPL-2.0 */
/* A client of the generic netlink family "vmm", without a library: it may send what it likes. */
#ifndef SELFTESTS_NL_H
#define SELFTESTS_NL_H

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include "types.h"
#include "../../uapi/linux/vmm_netlink.h"

struct nl {
	int fd;
	u32 seq;
	u16 family;
	u32 events;    /* the number of the multicast group */
	char ack[128]; /* what the kernel said of the last error, in words */
};

/* struct nl_request - a message that is being made */
struct nl_request {
	struct nlmsghdr h;
	struct genlmsghdr g;
	u8 attrs[1024];
};

/* What is called for each message of an answer; @flags: NLM_F_*. */
typedef void (*nl_each)(const struct nlattr *attrs, size_t len, u16 flags, void *arg);

/** nl_open() - a socket; skips the case where there is no such family. */
struct nl nl_open(void);

/** nl_begin() - a request without attributes. @flags: NLM_F_* beside NLM_F_REQUEST. */
struct nl_request nl_begin(struct nl *nl, u8 cmd, u16 flags);

/** nl_put() - add an attribute; nl_put_u64() and nl_put_str() likewise. */
void nl_put(struct nl_request *r, u16 type, const void *data, size_t len);
void nl_put_u64(struct nl_request *r, u16 type, u64 value);
void nl_put_str(struct nl_request *r, u16 type, const char *text);

/** nl_send() - send a request. */
void nl_send(struct nl *nl, const struct nl_request *r);

/**
 * nl_receive() - one datagram of what comes back
 *
 * Return: 1: more will come; 0: that was all; else -errno, and nl->ack.
 */
int nl_receive(struct nl *nl, nl_each each, void *arg);

/** nl_call() - send and receive it all. Return: 0 or -errno. */
int nl_call(struct nl *nl, const struct nl_request *r, nl_each each, void *arg);

/** nl_vm() - a command about one VM and nothing more. Return: 0 or -errno. */
int nl_vm(struct nl *nl, u8 cmd, u64 id);

/** nl_attr() - an attribute of a message, NULL: absent. @nth: 0 is the first of that type. */
const struct nlattr *nl_attr(const struct nlattr *attrs, size_t len, u16 type, unsigned int nth);

/** nl_u64(), nl_u32(), nl_str() - its value; if it is absent the case fails. */
u64 nl_u64(const struct nlattr *attrs, size_t len, u16 type);
u32 nl_u32(const struct nlattr *attrs, size_t len, u16 type);
const char *nl_str(const struct nlattr *attrs, size_t len, u16 type);

/** nl_payload(), nl_length() - of an attribute. */
static inline const void *nl_payload(const struct nlattr *a)
{
	return (const u8 *)a + NLA_HDRLEN;
}

static inline size_t nl_length(const struct nlattr *a)
{
	return a->nla_len - NLA_HDRLEN;
}

#endif
