// SPDX-License-Identifier: GPL-2.0
#include "fleet.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>

/* Dumps that were torn are begun again this often, then taken as they are. */
#define TORN_MAX 20

struct fleet {
	struct nl_sock *sock;
	int family;
	struct nl_cb *cb;
	/* The answer being received. */
	struct fleet_vm *vms;
	size_t count;
	uint32_t *tids;
	unsigned int tid_count, tid_max;
	int error; /* errno of the kernel's refusal, or of ours */
	char words[128];
	int (*each)(const struct fleet_event *event);
	int stop;
};

const char *fleet_state_name(uint32_t state)
{
	static const char *const names[] = {
		"created", "running", "paused", "shutdown", "crashed", "killed",
	};

	return state < sizeof(names) / sizeof(names[0]) ? names[state] : "unknown";
}

const char *fleet_event_name(uint32_t kind)
{
	static const char *const names[] = {
		"created", "named",     "running", "paused",  "resumed", "shutdown", "crashed",
		"killed",  "destroyed", "reset",   "limited", "online",  "halted",
	};

	return kind < sizeof(names) / sizeof(names[0]) ? names[kind] : "unknown";
}

static void copy_string(char *to, size_t size, const struct nlattr *from)
{
	to[0] = 0;
	if (from)
		nla_strlcpy(to, from, size);
}

static uint64_t get_u64(struct nlattr *attr)
{
	return attr && nla_len(attr) == sizeof(uint64_t) ? nla_get_u64(attr) : 0;
}

static uint32_t get_u32(struct nlattr *attr)
{
	return attr && nla_len(attr) == sizeof(uint32_t) ? nla_get_u32(attr) : 0;
}

static void take_kind(struct nlattr *nest, struct fleet_exit *kind)
{
	struct nlattr *a[VMM_ATTR_EXIT_MAX + 1];

	if (nla_parse_nested(a, VMM_ATTR_EXIT_MAX, nest, NULL))
		return;
	copy_string(kind->name, sizeof(kind->name), a[VMM_ATTR_EXIT_KIND]);
	kind->count = get_u64(a[VMM_ATTR_EXIT_COUNT]);
	kind->cycles = get_u64(a[VMM_ATTR_EXIT_CYCLES]);
}

/* An attribute for each kind: a table by type would have the last one only. */
static void take_kinds(struct nl_msg *msg, struct fleet_vm *vm)
{
	struct genlmsghdr *head = nlmsg_data(nlmsg_hdr(msg));
	struct nlattr *a;
	int left;

	a = genlmsg_attrdata(head, 0);
	for (left = genlmsg_attrlen(head, 0); nla_ok(a, left); a = nla_next(a, &left))
		if (nla_type(a) == VMM_ATTR_VM_EXIT && vm->kinds < FLEET_EXITS)
			take_kind(a, &vm->kind[vm->kinds++]);
}

static int take_vm(struct nl_msg *msg, void *arg)
{
	struct nlattr *a[VMM_ATTR_VM_MAX + 1];
	struct fleet *fleet = arg;
	struct fleet_vm *vm;

	vm = realloc(fleet->vms, (fleet->count + 1) * sizeof(*vm));
	if (!vm || genlmsg_parse(nlmsg_hdr(msg), 0, a, VMM_ATTR_VM_MAX, NULL)) {
		fleet->error = vm ? EPROTO : ENOMEM;
		fleet->vms = vm ? vm : fleet->vms;
		return NL_OK;
	}
	fleet->vms = vm;
	vm += fleet->count++;
	*vm = (struct fleet_vm){
		.id = get_u64(a[VMM_ATTR_VM_ID]),
		.memory = get_u64(a[VMM_ATTR_VM_MEMORY]),
		.resident = get_u64(a[VMM_ATTR_VM_RESIDENT]),
		.exits = get_u64(a[VMM_ATTR_VM_EXITS]),
		.steal = get_u64(a[VMM_ATTR_VM_STEAL]),
		.uptime = get_u64(a[VMM_ATTR_VM_UPTIME]),
		.given = a[VMM_ATTR_VM_GIVEN] ? get_u64(a[VMM_ATTR_VM_GIVEN]) : VMM_GIVEN_UNKNOWN,
		.runtime = get_u64(a[VMM_ATTR_VM_RUNTIME]),
		.memory_limit = get_u64(a[VMM_ATTR_VM_MEMORY_LIMIT]),
		.cpu_limit = get_u32(a[VMM_ATTR_VM_CPU_LIMIT]),
		.owner = get_u32(a[VMM_ATTR_VM_OWNER]),
		.pid = get_u32(a[VMM_ATTR_VM_PID]),
		.state = get_u32(a[VMM_ATTR_VM_STATE]),
		.vcpus = get_u32(a[VMM_ATTR_VM_VCPUS]),
	};
	copy_string(vm->name, sizeof(vm->name), a[VMM_ATTR_VM_NAME]);
	copy_string(vm->comm, sizeof(vm->comm), a[VMM_ATTR_VM_COMM]);
	if (a[VMM_ATTR_VM_UUID] && nla_len(a[VMM_ATTR_VM_UUID]) == sizeof(vm->uuid))
		memcpy(vm->uuid, nla_data(a[VMM_ATTR_VM_UUID]), sizeof(vm->uuid));
	take_kinds(msg, vm);
	return NL_OK;
}

static int take_vcpu(struct nl_msg *msg, void *arg)
{
	struct nlattr *a[VMM_ATTR_VCPU_MAX + 1];
	struct fleet *fleet = arg;

	if (!fleet->tids || genlmsg_parse(nlmsg_hdr(msg), 0, a, VMM_ATTR_VCPU_MAX, NULL) ||
	    !a[VMM_ATTR_VCPU_TID])
		return NL_OK;
	if (fleet->tid_count < fleet->tid_max)
		fleet->tids[fleet->tid_count] = get_u32(a[VMM_ATTR_VCPU_TID]);
	fleet->tid_count++;
	return NL_OK;
}

static int take_event(struct nl_msg *msg, void *arg)
{
	struct nlattr *a[VMM_ATTR_EVENT_MAX + 1];
	struct fleet *fleet = arg;
	struct fleet_event event;

	if (!fleet->each || genlmsg_parse(nlmsg_hdr(msg), 0, a, VMM_ATTR_EVENT_MAX, NULL))
		return NL_OK;
	event.seq = get_u64(a[VMM_ATTR_EVENT_SEQ]);
	event.vm = get_u64(a[VMM_ATTR_EVENT_VM]);
	event.kind = get_u32(a[VMM_ATTR_EVENT_KIND]);
	event.owner = get_u32(a[VMM_ATTR_EVENT_OWNER]);
	event.has_vcpu = a[VMM_ATTR_EVENT_VCPU];
	event.vcpu = get_u32(a[VMM_ATTR_EVENT_VCPU]);
	copy_string(event.name, sizeof(event.name), a[VMM_ATTR_EVENT_NAME]);
	copy_string(event.reason, sizeof(event.reason), a[VMM_ATTR_EVENT_REASON]);
	fleet->stop = fleet->each(&event);
	return fleet->stop ? NL_STOP : NL_OK;
}

static int take_message(struct nl_msg *msg, void *arg)
{
	const struct genlmsghdr *head = nlmsg_data(nlmsg_hdr(msg));

	switch (head->cmd) {
	case VMM_CMD_EVENT:
		return take_event(msg, arg);
	case VMM_CMD_VCPU_GET:
		return take_vcpu(msg, arg);
	default:
		return take_vm(msg, arg);
	}
}

/* libnl keeps of the kernel's words nothing. */
static int take_error(struct sockaddr_nl *from, struct nlmsgerr *refusal, void *arg)
{
	struct nlmsghdr *head = (struct nlmsghdr *)((char *)refusal - NLMSG_HDRLEN);
	int skip = sizeof(*refusal), len;
	struct fleet *fleet = arg;
	struct nlattr *words;

	(void)from;
	fleet->error = -refusal->error;
	if (!(head->nlmsg_flags & NLM_F_CAPPED))
		skip += refusal->msg.nlmsg_len - NLMSG_HDRLEN;
	len = (int)head->nlmsg_len - NLMSG_HDRLEN - skip;
	if (!(head->nlmsg_flags & NLM_F_ACK_TLVS) || len <= 0)
		return NL_STOP;
	words = nla_find((struct nlattr *)((char *)refusal + skip), len, NLMSGERR_ATTR_MSG);
	copy_string(fleet->words, sizeof(fleet->words), words);
	return NL_STOP;
}

/* A dump that is refused says so at its end, where libnl does not look. */
static int take_done(struct nl_msg *msg, void *arg)
{
	struct nlmsghdr *head = nlmsg_hdr(msg);
	struct fleet *fleet = arg;

	if (nlmsg_datalen(head) >= (int)sizeof(int) && *(int *)nlmsg_data(head) < 0)
		fleet->error = -*(int *)nlmsg_data(head);
	return NL_STOP;
}

void fleet_close(struct fleet *fleet)
{
	if (!fleet)
		return;
	nl_cb_put(fleet->cb);
	nl_socket_free(fleet->sock);
	free(fleet->vms);
	free(fleet);
}

struct fleet *fleet_open(struct error *err)
{
	struct fleet *fleet = calloc(1, sizeof(*fleet));
	int one = 1, ret;

	if (fleet)
		fleet->sock = nl_socket_alloc();
	if (fleet && fleet->sock)
		fleet->cb = nl_cb_alloc(NL_CB_DEFAULT);
	if (!fleet || !fleet->sock || !fleet->cb) {
		fault(err, EX_OSERR, "out of memory");
		goto err_close;
	}
	ret = genl_connect(fleet->sock);
	if (ret) {
		fault(err, EX_OSERR, "netlink: %s", nl_geterror(ret));
		goto err_close;
	}
	fleet->family = genl_ctrl_resolve(fleet->sock, VMM_GENL_NAME);
	if (fleet->family < 0) {
		fault(err, EX_UNAVAILABLE,
		      "no netlink family vmm: load the module, or go to the first network namespace");
		goto err_close;
	}
	setsockopt(nl_socket_get_fd(fleet->sock), SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	setsockopt(nl_socket_get_fd(fleet->sock), SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	nl_cb_set(fleet->cb, NL_CB_VALID, NL_CB_CUSTOM, take_message, fleet);
	nl_cb_set(fleet->cb, NL_CB_FINISH, NL_CB_CUSTOM, take_done, fleet);
	nl_cb_err(fleet->cb, NL_CB_CUSTOM, take_error, fleet);
	return fleet;

err_close:
	if (fleet && !fleet->cb) {
		nl_socket_free(fleet->sock);
		free(fleet);
	} else {
		fleet_close(fleet);
	}
	return NULL;
}

/* struct setting - one more attribute of a request */
struct setting {
	int attr, len;
	const void *data;
};

static int send_request(struct fleet *fleet, int cmd, int flags, const uint64_t *id,
			const struct setting *set)
{
	struct nl_msg *msg = nlmsg_alloc();
	int ret = -NLE_NOMEM;

	fleet->error = 0;
	fleet->words[0] = 0;
	if (msg &&
	    genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, fleet->family, 0, flags, cmd,
			VMM_GENL_VERSION) &&
	    (!id || !nla_put_u64(msg, VMM_ATTR_VM_ID, *id)) &&
	    (!set || !nla_put(msg, set->attr, set->len, set->data)))
		ret = nl_send_auto(fleet->sock, msg);
	nlmsg_free(msg);
	return ret < 0 ? ret : 0;
}

static int list_once(struct fleet *fleet)
{
	int ret = send_request(fleet, VMM_CMD_VM_GET, NLM_F_DUMP, NULL, NULL);

	free(fleet->vms);
	fleet->vms = NULL;
	fleet->count = 0;
	return ret ? ret : nl_recvmsgs(fleet->sock, fleet->cb);
}

int fleet_list(struct fleet *fleet, struct fleet_vm **vms, size_t *count, struct error *err)
{
	int i, ret = 0;

	for (i = 0; i < TORN_MAX; i++) {
		ret = list_once(fleet);
		if (ret != -NLE_DUMP_INTR)
			break;
	}
	if (ret == -NLE_DUMP_INTR)
		ret = 0;
	if (ret || fleet->error)
		return fault(err, EX_OSERR, "list of VMs: %s",
			     ret ? nl_geterror(ret) : strerror(fleet->error));
	*vms = fleet->vms;
	*count = fleet->count;
	fleet->vms = NULL;
	return 0;
}

int fleet_threads(struct fleet *fleet, uint64_t id, uint32_t *tids, unsigned int max,
		  struct error *err)
{
	const struct setting vm = { VMM_ATTR_VCPU_VM, sizeof(id), &id };
	int ret;

	fleet->tids = tids;
	fleet->tid_max = max;
	fleet->tid_count = 0;
	ret = send_request(fleet, VMM_CMD_VCPU_GET, NLM_F_DUMP, NULL, &vm);
	if (!ret)
		ret = nl_recvmsgs(fleet->sock, fleet->cb);
	fleet->tids = NULL;
	if (fleet->error)
		return fault(err, 1, "VM %llu: %s", (unsigned long long)id, strerror(fleet->error));
	if (ret < 0 && ret != -NLE_DUMP_INTR)
		return fault(err, EX_OSERR, "VM %llu: %s", (unsigned long long)id,
			     nl_geterror(ret));
	return (int)fleet->tid_count;
}

static int command(struct fleet *fleet, int cmd, uint64_t id, const struct setting *set,
		   struct error *err)
{
	int ret = send_request(fleet, cmd, NLM_F_ACK, &id, set);

	if (!ret)
		ret = nl_recvmsgs(fleet->sock, fleet->cb);
	if (fleet->error)
		return fault(err, 1, "VM %llu: %s", (unsigned long long)id,
			     fleet->words[0] ? fleet->words : strerror(fleet->error));
	if (ret < 0)
		return fault(err, EX_OSERR, "VM %llu: %s", (unsigned long long)id,
			     nl_geterror(ret));
	return 0;
}

int fleet_command(struct fleet *fleet, int cmd, uint64_t id, struct error *err)
{
	return command(fleet, cmd, id, NULL, err);
}

int fleet_name(struct fleet *fleet, uint64_t id, const char *name, struct error *err)
{
	const struct setting set = { VMM_ATTR_VM_NAME, (int)strlen(name) + 1, name };

	return command(fleet, VMM_CMD_VM_SET, id, &set, err);
}

int fleet_limit_cpu(struct fleet *fleet, uint64_t id, uint32_t percent, struct error *err)
{
	const struct setting set = { VMM_ATTR_VM_CPU_LIMIT, sizeof(percent), &percent };

	return command(fleet, VMM_CMD_VM_SET, id, &set, err);
}

int fleet_limit_memory(struct fleet *fleet, uint64_t id, uint64_t bytes, struct error *err)
{
	const struct setting set = { VMM_ATTR_VM_MEMORY_LIMIT, sizeof(bytes), &bytes };

	return command(fleet, VMM_CMD_VM_SET, id, &set, err);
}

/* Events answer nothing that was sent. */
static int take_any(struct nl_msg *msg, void *arg)
{
	(void)msg;
	(void)arg;
	return NL_OK;
}

int fleet_watch(struct fleet *fleet, int (*each)(const struct fleet_event *event),
		struct error *err)
{
	int group = genl_ctrl_resolve_grp(fleet->sock, VMM_GENL_NAME, VMM_GENL_GROUP_EVENTS);
	int ret = group < 0 ? group : nl_socket_add_membership(fleet->sock, group);

	if (ret < 0)
		return fault(err, EX_NOPERM, "events of all VMs: %s (CAP_SYS_ADMIN is needed)",
			     nl_geterror(ret));
	nl_cb_set(fleet->cb, NL_CB_SEQ_CHECK, NL_CB_CUSTOM, take_any, NULL);
	fleet->each = each;
	while (!fleet->stop) {
		ret = nl_recvmsgs(fleet->sock, fleet->cb);
		/* Too many at once: the numbers tell which are missing. */
		if (ret < 0 && ret != -NLE_NOMEM && ret != -NLE_INTR)
			return fault(err, EX_OSERR, "events: %s", nl_geterror(ret));
	}
	return 0;
}
