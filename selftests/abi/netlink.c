// SPDX-License-Identifier: GPL-2.0
/* The netlink family "vmm": who sees which VM and what of it. Documentation/netlink.rst. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "../../uapi/linux/vmm.h"
#include "nl.h"
#include "vm.h"

#define SUITE "netlink"

#define NOBODY 65534

/* ---- one VM ---- */

struct facts {
	u64 id, memory, resident, exits, cpuid, cycles, uptime, given;
	u32 owner, pid, state, vcpus;
	char name[VMM_VM_NAME_SIZE], comm[32];
	u8 uuid[VMM_VM_UUID_SIZE];
	unsigned int seen; /* messages */
};

/* A figure of one kind of exit: VMM_ATTR_EXIT_*; 0: absent. */
static u64 exit_figure(const struct nlattr *attrs, size_t len, u16 type, const char *kind,
		       u16 figure)
{
	const struct nlattr *e;
	unsigned int i;

	for (i = 0; (e = nl_attr(attrs, len, type, i)); i++) {
		if (strcmp(nl_str(nl_payload(e), nl_length(e), VMM_ATTR_EXIT_KIND), kind))
			continue;
		if (!nl_attr(nl_payload(e), nl_length(e), figure, 0))
			return 0;
		return nl_u64(nl_payload(e), nl_length(e), figure);
	}
	return 0;
}

static u64 exits_of(const struct nlattr *attrs, size_t len, u16 type, const char *kind)
{
	return exit_figure(attrs, len, type, kind, VMM_ATTR_EXIT_COUNT);
}

static void take_facts(const struct nlattr *attrs, size_t len, u16 flags, void *arg)
{
	const struct nlattr *name = nl_attr(attrs, len, VMM_ATTR_VM_NAME, 0);
	const struct nlattr *uuid = nl_attr(attrs, len, VMM_ATTR_VM_UUID, 0);
	struct facts *f = arg;

	(void)flags;
	f->seen++;
	f->id = nl_u64(attrs, len, VMM_ATTR_VM_ID);
	f->owner = nl_u32(attrs, len, VMM_ATTR_VM_OWNER);
	f->pid = nl_u32(attrs, len, VMM_ATTR_VM_PID);
	f->state = nl_u32(attrs, len, VMM_ATTR_VM_STATE);
	f->vcpus = nl_u32(attrs, len, VMM_ATTR_VM_VCPUS);
	f->memory = nl_u64(attrs, len, VMM_ATTR_VM_MEMORY);
	f->resident = nl_u64(attrs, len, VMM_ATTR_VM_RESIDENT);
	f->exits = nl_u64(attrs, len, VMM_ATTR_VM_EXITS);
	f->uptime = nl_u64(attrs, len, VMM_ATTR_VM_UPTIME);
	f->given = VMM_GIVEN_UNKNOWN;
	if (nl_attr(attrs, len, VMM_ATTR_VM_GIVEN, 0))
		f->given = nl_u64(attrs, len, VMM_ATTR_VM_GIVEN);
	f->cpuid = exits_of(attrs, len, VMM_ATTR_VM_EXIT, "CPUID");
	f->cycles = exit_figure(attrs, len, VMM_ATTR_VM_EXIT, "CPUID", VMM_ATTR_EXIT_CYCLES);
	nl_u64(attrs, len, VMM_ATTR_VM_STEAL);
	snprintf(f->comm, sizeof(f->comm), "%s", nl_str(attrs, len, VMM_ATTR_VM_COMM));
	f->name[0] = 0;
	if (name)
		snprintf(f->name, sizeof(f->name), "%s", nl_str(attrs, len, VMM_ATTR_VM_NAME));
	CHECK(uuid && nl_length(uuid) == sizeof(f->uuid));
	memcpy(f->uuid, nl_payload(uuid), sizeof(f->uuid));
}

static struct facts get_facts(struct nl *nl, u64 id)
{
	struct nl_request r = nl_begin(nl, VMM_CMD_VM_GET, NLM_F_ACK);
	struct facts f = { 0 };

	nl_put_u64(&r, VMM_ATTR_VM_ID, id);
	CHECK_EQ(nl_call(nl, &r, take_facts, &f), 0);
	CHECK_EQ(f.seen, 1);
	CHECK_EQ(f.id, id);
	return f;
}

struct search {
	u32 pid;
	u64 id;
	unsigned int found, all;
};

static void match_pid(const struct nlattr *attrs, size_t len, u16 flags, void *arg)
{
	struct search *s = arg;

	(void)flags;
	if (!attrs)
		return;
	s->all++;
	if (nl_u32(attrs, len, VMM_ATTR_VM_PID) != s->pid)
		return;
	s->found++;
	s->id = nl_u64(attrs, len, VMM_ATTR_VM_ID);
}

/* How many VMs of a process are seen, and the last of them. */
static struct search search(struct nl *nl, u32 pid)
{
	struct nl_request r = nl_begin(nl, VMM_CMD_VM_GET, NLM_F_DUMP);
	struct search s = { .pid = pid };

	CHECK_EQ(nl_call(nl, &r, match_pid, &s), 0);
	return s;
}

/* The id of the VM that this process has created last. */
static u64 my_vm(struct nl *nl)
{
	struct search s = search(nl, getpid());

	CHECK(s.found > 0);
	return s.id;
}

static void guest_exits(u64 n)
{
	u32 r[4];

	while (n--)
		guest_cpuid(0, 0, r);
	GUEST_DONE();
}

CASE(vm_get)
{
	struct nl nl = nl_open();
	struct vm *vm = vm_create(0);
	u64 id = my_vm(&nl);
	struct facts before = get_facts(&nl, id), after;
	struct vcpu *v;

	CHECK_EQ(before.owner, getuid());
	CHECK_EQ(before.pid, getpid());
	CHECK(!strcmp(before.comm, "abi"));
	CHECK_EQ(before.state, VMM_VM_CREATED);
	CHECK_EQ(before.vcpus, 0);
	CHECK_EQ(before.memory, RAM_SIZE);
	CHECK_EQ(before.exits, 0);
	v = vcpu_new(vm, 0, guest_exits, 1000);
	run_done(v);
	after = get_facts(&nl, id);
	CHECK_EQ(after.state, VMM_VM_RUNNING);
	CHECK_EQ(after.vcpus, 1);
	CHECK(after.cpuid >= 1000 && after.cpuid < 2000);
	CHECK(after.exits >= after.cpuid);
	CHECK(after.resident > 0 && after.resident <= after.memory);
	CHECK(after.uptime > before.uptime);
	CHECK(!memcmp(after.uuid, before.uuid, sizeof(after.uuid)));
	vm_add_ram(vm, 1, 0, HOLE_BASE, MiB);
	CHECK_EQ(get_facts(&nl, id).memory, RAM_SIZE + MiB);
	OK(vm_slot(vm, 1, 0, HOLE_BASE, 0, NULL));
	CHECK_EQ(get_facts(&nl, id).memory, RAM_SIZE);
	vcpu_free(v);
	vm_free(vm);
	CHECK_EQ(nl_vm(&nl, VMM_CMD_VM_GET, id), -ENOENT);
	CHECK(strstr(nl.ack, "no VM"));
}

/* What the client says of memory that it does not see itself. */
CASE(given)
{
	struct nl nl = nl_open();
	struct vm *vm = vm_create(0);
	u64 id = my_vm(&nl), bytes = 3 * MiB, unknown = VMM_GIVEN_UNKNOWN, none = 0;

	CHECK_EQ(get_facts(&nl, id).given, unknown);
	OK(ioctl(vm->fd, VMM_SET_GIVEN, &none));
	CHECK_EQ(get_facts(&nl, id).given, none);
	OK(ioctl(vm->fd, VMM_SET_GIVEN, &unknown));
	CHECK_EQ(get_facts(&nl, id).given, unknown);
	OK(ioctl(vm->fd, VMM_SET_GIVEN, &bytes));
	CHECK_EQ(get_facts(&nl, id).given, bytes);
	CHECK_ERRNO(ioctl(vm->fd, VMM_SET_GIVEN, NULL), EFAULT);
	CHECK_ERRNO(ioctl(dev_fd(), VMM_SET_GIVEN, &bytes), ENOTTY);
	CHECK_EQ(get_facts(&nl, id).given, bytes);
}

#define CYCLES_PARAMETER "/sys/module/vmm/parameters/exit_cycles"

static void count_cycles(const char *text, ssize_t expected)
{
	int fd = open(CYCLES_PARAMETER, O_WRONLY);

	if (fd < 0)
		SKIP("only root may change " CYCLES_PARAMETER);
	CHECK_EQ(write(fd, text, strlen(text)), expected);
	close(fd);
}

/* Counted while the parameter says so, and not what began before. */
CASE(exit_cycles)
{
	struct nl nl = nl_open();
	struct vm *vm = vm_create(0);
	u64 id = my_vm(&nl), counted;
	struct vcpu *v = vcpu_new(vm, 0, guest_exits, 50);

	count_cycles("maybe", -1);
	run_done(v);
	CHECK(get_facts(&nl, id).cpuid >= 50);
	CHECK_EQ(get_facts(&nl, id).cycles, 0);
	count_cycles("1", 1);
	vcpu_call(v, guest_exits, 50);
	run_done(v);
	counted = get_facts(&nl, id).cycles;
	printf("50 exits for CPUID took %llu cycles\n", counted);
	/* No exit takes less than ten cycles, nor all of them minutes. */
	CHECK(counted > 500);
	CHECK(counted < 500000000000);
	count_cycles("0", 1);
	vcpu_call(v, guest_exits, 50);
	run_done(v);
	CHECK_EQ(get_facts(&nl, id).cycles, counted);
}

/* ---- vCPUs ---- */

struct vcpus {
	unsigned int count;
	u64 vm[4], cpuid[4];
	u32 id[4], state[4], tid[4];
};

static void take_vcpu(const struct nlattr *attrs, size_t len, u16 flags, void *arg)
{
	struct vcpus *all = arg;
	unsigned int i = all->count++;

	(void)flags;
	if (!attrs) {
		all->count--;
		return;
	}
	CHECK(i < 4);
	all->vm[i] = nl_u64(attrs, len, VMM_ATTR_VCPU_VM);
	all->id[i] = nl_u32(attrs, len, VMM_ATTR_VCPU_ID);
	all->state[i] = nl_u32(attrs, len, VMM_ATTR_VCPU_STATE);
	nl_u64(attrs, len, VMM_ATTR_VCPU_EXITS);
	nl_u64(attrs, len, VMM_ATTR_VCPU_STEAL);
	all->cpuid[i] = exits_of(attrs, len, VMM_ATTR_VCPU_EXIT, "CPUID");
	if (nl_attr(attrs, len, VMM_ATTR_VCPU_TID, 0))
		all->tid[i] = nl_u32(attrs, len, VMM_ATTR_VCPU_TID);
}

static int dump_vcpus(struct nl *nl, u64 vm, struct vcpus *all)
{
	struct nl_request r = nl_begin(nl, VMM_CMD_VCPU_GET, NLM_F_DUMP);

	*all = (struct vcpus){ 0 };
	if (vm)
		nl_put_u64(&r, VMM_ATTR_VCPU_VM, vm);
	return nl_call(nl, &r, take_vcpu, all);
}

CASE(vcpu_get)
{
	struct nl nl = nl_open();
	struct vm *one = vm_create(VM_IRQCHIP), *two;
	u64 id = my_vm(&nl);
	struct vcpu *v = vcpu_new(one, 0, guest_exits, 100);
	struct vcpus all;

	vcpu_add(one, 5);
	two = vm_create(0);
	vcpu_add(two, 0);
	run_done(v);
	CHECK_EQ(dump_vcpus(&nl, id, &all), 0);
	CHECK_EQ(all.count, 2);
	CHECK_EQ(all.vm[0], id);
	CHECK_EQ(all.vm[1], id);
	CHECK_EQ(all.id[0], 0);
	CHECK_EQ(all.id[1], 5);
	CHECK_EQ(all.state[0], VMM_VCPU_RUNNABLE);
	CHECK_EQ(all.state[1], VMM_VCPU_WAITING);
	CHECK_EQ(all.tid[0], syscall(SYS_gettid));
	CHECK_EQ(all.tid[1], 0);
	CHECK(all.cpuid[0] >= 100);
	CHECK_EQ(all.cpuid[1], 0);
	CHECK_EQ(dump_vcpus(&nl, 0, &all), 0);
	CHECK_EQ(all.count, 3);
	CHECK_EQ(all.vm[2], my_vm(&nl));
	CHECK_EQ(dump_vcpus(&nl, ~0ull, &all), -ENOENT);
	CHECK(strstr(nl.ack, "no VM"));
	CHECK_EQ(all.count, 0);
}

/* ---- names ---- */

static int set_name(struct nl *nl, u64 id, const char *name)
{
	struct nl_request r = nl_begin(nl, VMM_CMD_VM_SET, NLM_F_ACK);

	nl_put_u64(&r, VMM_ATTR_VM_ID, id);
	nl_put_str(&r, VMM_ATTR_VM_NAME, name);
	return nl_call(nl, &r, NULL, NULL);
}

static const char *const bad_names[] = {
	"",
	"1",
	"7up",
	"-x",
	"a b",
	"a/b",
	"a\n",
	"a\033[2J",
	"\xc3\xa4",
	"a\x7f",
	"..",
	"a%s",
	/* 64 bytes and the terminating 0 */
	"a123456789012345678901234567890123456789012345678901234567890123",
};

CASE(names)
{
	struct nl nl = nl_open();
	struct nl_request r;
	u8 uuid[VMM_VM_UUID_SIZE] = "0123456789abcde";
	struct facts f;
	u64 one, two;
	u32 i;

	vm_create(0);
	one = my_vm(&nl);
	vm_create(0);
	two = my_vm(&nl);
	CHECK(one != two);
	CHECK(!get_facts(&nl, one).name[0]);
	for (i = 0; i < ARRAY_SIZE(bad_names); i++) {
		int err = set_name(&nl, one, bad_names[i]);

		if (err != -EINVAL && err != -ERANGE)
			FAIL("name %u: %d", i, err);
		CHECK(nl.ack[0]);
	}
	CHECK(!get_facts(&nl, one).name[0]);
	CHECK_EQ(set_name(&nl, one, "web-1.example_x:y@z+"), 0);
	CHECK(!strcmp(get_facts(&nl, one).name, "web-1.example_x:y@z+"));
	CHECK_EQ(set_name(&nl, two, "web-1.example_x:y@z+"), -EEXIST);
	CHECK(strstr(nl.ack, "has that name"));
	CHECK_EQ(set_name(&nl, one, "web-1.example_x:y@z+"), 0);
	CHECK_EQ(set_name(&nl, one, bad_names[ARRAY_SIZE(bad_names) - 1] + 1), -EINVAL);
	CHECK_EQ(set_name(&nl, one, "b"), 0);
	CHECK_EQ(set_name(&nl, two, "web-1.example_x:y@z+"), 0);

	r = nl_begin(&nl, VMM_CMD_VM_SET, NLM_F_ACK);
	nl_put_u64(&r, VMM_ATTR_VM_ID, one);
	CHECK_EQ(nl_call(&nl, &r, NULL, NULL), -EINVAL);
	CHECK(nl.ack[0]);
	nl_put(&r, VMM_ATTR_VM_UUID, uuid, sizeof(uuid));
	CHECK_EQ(nl_call(&nl, &r, NULL, NULL), 0);
	f = get_facts(&nl, one);
	CHECK(!memcmp(f.uuid, uuid, sizeof(uuid)));
	CHECK(!strcmp(f.name, "b"));
	CHECK_EQ(set_name(&nl, ~0ull, "c"), -ENOENT);
}

/* A VM has its name, and its client the id, before anything of it runs. */
CASE(name_at_creation)
{
	struct nl nl = nl_open();
	struct vm *one = vm_create(0), *two = vm_create(0);
	struct vmm_name name = { .name = "born-with" };
	u32 i;

	CHECK_EQ(dev_cap(VMM_CAP_NAME), VMM_VM_NAME_SIZE);
	OK(ioctl(one->fd, VMM_SET_NAME, &name));
	CHECK(!strcmp(get_facts(&nl, name.id).name, "born-with"));
	CHECK_EQ(get_facts(&nl, name.id).pid, getpid());
	CHECK_ERRNO(ioctl(two->fd, VMM_SET_NAME, &name), EEXIST);
	for (i = 0; i < ARRAY_SIZE(bad_names); i++) {
		if (!*bad_names[i])
			continue;
		memset(&name, 'x', sizeof(name));
		memcpy(name.name, bad_names[i], strnlen(bad_names[i], 63) + 1);
		CHECK_ERRNO(ioctl(two->fd, VMM_SET_NAME, &name), EINVAL);
	}
	/* Without a name it only answers. */
	name = (struct vmm_name){ 0 };
	OK(ioctl(one->fd, VMM_SET_NAME, &name));
	CHECK(!strcmp(get_facts(&nl, name.id).name, "born-with"));
	name.id = 0;
	OK(ioctl(two->fd, VMM_SET_NAME, &name));
	CHECK(!get_facts(&nl, name.id).name[0]);
	CHECK_ERRNO(ioctl(two->fd, VMM_SET_NAME, NULL), EFAULT);
	CHECK_ERRNO(ioctl(dev_fd(), VMM_SET_NAME, &name), ENOTTY);
}

/* ---- whose ---- */

/* As somebody without privileges; @inherited: a socket that root has opened. */
static void as_nobody(int dev, struct nl *inherited, u64 roots)
{
	struct nl nl;
	u64 mine;

	OK(setresgid(NOBODY, NOBODY, NOBODY));
	OK(setresuid(NOBODY, NOBODY, NOBODY));
	nl = nl_open();
	CHECK_EQ(search(&nl, 0).all, 0);
	CHECK_EQ(search(inherited, 0).all, 0);
	CHECK_EQ(nl_vm(&nl, VMM_CMD_VM_GET, roots), -ENOENT);
	CHECK_EQ(nl_vm(inherited, VMM_CMD_VM_GET, roots), -ENOENT);
	CHECK_EQ(set_name(&nl, roots, "stolen"), -ENOENT);
	CHECK_ERRNO(setsockopt(nl.fd, 270, NETLINK_ADD_MEMBERSHIP, &nl.events, sizeof(nl.events)),
		    EPERM);
	OK(ioctl(dev, KVM_CREATE_VM, 0));
	CHECK_EQ(search(&nl, getpid()).all, 1);
	mine = my_vm(&nl);
	CHECK_EQ(get_facts(&nl, mine).owner, NOBODY);
	/* Root's VM of that name is of no importance here. */
	CHECK_EQ(set_name(&nl, mine, "same"), 0);
}

CASE(permissions)
{
	struct nl nl = nl_open();
	int dev = dev_fd(), status, in[2], out[2];
	struct facts f;
	char c = 0;
	u64 id;
	pid_t pid;

	if (getuid())
		SKIP("needs root, to become somebody else");
	vm_create(0);
	id = my_vm(&nl);
	CHECK_EQ(set_name(&nl, id, "same"), 0);
	OK(pipe(in));
	OK(pipe(out));
	pid = OK(fork());
	if (!pid) {
		as_nobody(dev, &nl, id);
		CHECK_EQ(write(out[1], &c, 1), 1);
		CHECK_EQ(read(in[0], &c, 1), 1);
		_exit(0);
	}
	close(out[1]);
	/* Nothing comes if it fails. */
	if (read(out[0], &c, 1) == 1) {
		CHECK_EQ(search(&nl, pid).found, 1);
		f = get_facts(&nl, search(&nl, pid).id);
		CHECK_EQ(f.owner, NOBODY);
		CHECK(!strcmp(f.name, "same"));
		CHECK_EQ(set_name(&nl, f.id, "renamed-by-root"), 0);
		CHECK_EQ(write(in[1], &c, 1), 1);
	}
	CHECK_EQ(OK(waitpid(pid, &status, 0)), pid);
	CHECK_EQ(status, 0);
	CHECK(!strcmp(get_facts(&nl, id).name, "same"));
}

/* ---- what is not in the policies ---- */

static int one_attr(struct nl *nl, u8 cmd, u16 flags, u16 type, const void *data, size_t len)
{
	struct nl_request r = nl_begin(nl, cmd, flags);

	nl_put(&r, type, data, len);
	return nl_call(nl, &r, NULL, NULL);
}

CASE(policies)
{
	struct nl nl = nl_open();
	struct nl_request r;
	u8 zeros[256] = { 0 };
	u64 id;

	vm_create(0);
	id = my_vm(&nl);
	r = nl_begin(&nl, VMM_CMD_VM_GET, NLM_F_ACK);
	CHECK_EQ(nl_call(&nl, &r, NULL, NULL), -EINVAL);
	CHECK(strstr(nl.ack, "which VM"));
	CHECK_EQ(one_attr(&nl, VMM_CMD_VM_GET, NLM_F_ACK, VMM_ATTR_VM_ID, &id, 4), -EINVAL);
	CHECK_EQ(one_attr(&nl, VMM_CMD_VM_GET, NLM_F_ACK, VMM_ATTR_VM_ID, zeros, 16), -EINVAL);
	CHECK_EQ(one_attr(&nl, VMM_CMD_VM_GET, NLM_F_ACK, VMM_ATTR_VM_NAME, "a", 2), -EINVAL);
	CHECK_EQ(one_attr(&nl, VMM_CMD_VM_GET, NLM_F_ACK, 200, &id, 8), -EINVAL);
	CHECK_EQ(one_attr(&nl, VMM_CMD_VM_GET, NLM_F_DUMP, 200, &id, 8), -EINVAL);
	CHECK_EQ(one_attr(&nl, VMM_CMD_VCPU_GET, NLM_F_DUMP, VMM_ATTR_VCPU_ID, &id, 4), -EINVAL);
	CHECK_EQ(one_attr(&nl, 99, NLM_F_ACK, VMM_ATTR_VM_ID, &id, 8), -EOPNOTSUPP);
	CHECK_EQ(one_attr(&nl, VMM_CMD_EVENT, NLM_F_ACK, VMM_ATTR_VM_ID, &id, 8), -EOPNOTSUPP);
	r = nl_begin(&nl, VMM_CMD_VM_GET, NLM_F_ACK);
	r.g.reserved = 1;
	nl_put_u64(&r, VMM_ATTR_VM_ID, id);
	CHECK_EQ(nl_call(&nl, &r, NULL, NULL), -EINVAL);
	/* A name that does not end, a UUID that is too short. */
	r = nl_begin(&nl, VMM_CMD_VM_SET, NLM_F_ACK);
	nl_put_u64(&r, VMM_ATTR_VM_ID, id);
	nl_put(&r, VMM_ATTR_VM_NAME, "abcd", 4);
	CHECK_EQ(nl_call(&nl, &r, NULL, NULL), -EINVAL);
	r = nl_begin(&nl, VMM_CMD_VM_SET, NLM_F_ACK);
	nl_put_u64(&r, VMM_ATTR_VM_ID, id);
	nl_put(&r, VMM_ATTR_VM_UUID, zeros, 15);
	CHECK_EQ(nl_call(&nl, &r, NULL, NULL), -ERANGE);
	CHECK(!get_facts(&nl, id).name[0]);
}

static void random_request(struct nl *nl, u64 id, unsigned int *seed, struct nl_request *r)
{
	u8 junk[96];
	u32 i, n = rand_r(seed) % 5;

	*r = nl_begin(nl, rand_r(seed) % 14, rand_r(seed) % 4 ? NLM_F_ACK : NLM_F_DUMP);
	while (n--) {
		for (i = 0; i < sizeof(junk); i++)
			junk[i] = rand_r(seed) % 4 ? 'a' + rand_r(seed) % 26 : rand_r(seed);
		if (rand_r(seed) % 2)
			memcpy(junk, &id, sizeof(id));
		nl_put(r, rand_r(seed) % 8 ? rand_r(seed) % 20 : rand_r(seed), junk,
		       rand_r(seed) % 2 ? sizeof(id) : rand_r(seed) % sizeof(junk));
	}
	/* A length that goes too far, or not far enough. */
	if (!(rand_r(seed) % 8))
		((struct nlattr *)r->attrs)->nla_len = rand_r(seed);
}

CASE(random_messages)
{
	struct nl nl = nl_open();
	unsigned int seed = 1, i, rounds = test_rounds(20000), refused = 0;
	struct nl_request r;

	vm_create(0);
	for (i = 0; i < rounds; i++) {
		random_request(&nl, my_vm(&nl), &seed, &r);
		refused += nl_call(&nl, &r, NULL, NULL) < 0;
	}
	CHECK(refused > rounds / 2 && refused < rounds);
	CHECK_EQ(search(&nl, getpid()).found, 1);
}

/* ---- dumps of many ---- */

#define MANY 1000

struct census {
	u64 last; /* ids come in order, each once */
	unsigned int vms;
	bool torn; /* NLM_F_DUMP_INTR */
};

static void count_vm(const struct nlattr *attrs, size_t len, u16 flags, void *arg)
{
	struct census *c = arg;
	u64 id;

	c->torn |= !!(flags & NLM_F_DUMP_INTR);
	if (!attrs)
		return;
	id = nl_u64(attrs, len, VMM_ATTR_VM_ID);
	CHECK(id > c->last);
	c->last = id;
	c->vms++;
}

static struct census census_begin(struct nl *nl)
{
	struct nl_request r = nl_begin(nl, VMM_CMD_VM_GET, NLM_F_DUMP);
	struct census c = { 0 };

	nl_send(nl, &r);
	return c;
}

/* Receive the rest; how many datagrams it took. */
static unsigned int census_end(struct nl *nl, struct census *c)
{
	unsigned int n = 0;
	int ret;

	do {
		ret = nl_receive(nl, count_vm, c);
		n++;
	} while (ret > 0);
	CHECK_EQ(ret, 0);
	return n;
}

static void make_vms(int *fds, unsigned int n)
{
	struct rlimit limit = { MANY + 256, MANY + 256 };
	unsigned int i;

	OK(setrlimit(RLIMIT_NOFILE, &limit));
	for (i = 0; i < n; i++)
		fds[i] = OK(ioctl(dev_fd(), KVM_CREATE_VM, 0));
}

CASE(dump_of_many, .timeout = 120)
{
	struct nl nl = nl_open();
	unsigned int i, many = test_rounds(MANY);
	int fds[MANY];
	struct census c;

	make_vms(fds, many);
	c = census_begin(&nl);
	CHECK(census_end(&nl, &c) > many / 100);
	CHECK_EQ(c.vms, many);
	CHECK(!c.torn);
	/* One that comes while the dump is under way is told, not listed. */
	c = census_begin(&nl);
	CHECK_EQ(nl_receive(&nl, count_vm, &c), 1);
	CHECK(!c.torn);
	OK(ioctl(dev_fd(), KVM_CREATE_VM, 0));
	census_end(&nl, &c);
	CHECK(c.torn);
	CHECK_EQ(c.vms, many);
	/* All but the first go. */
	c = census_begin(&nl);
	CHECK_EQ(nl_receive(&nl, count_vm, &c), 1);
	for (i = 1; i < many; i++)
		OK(close(fds[i]));
	census_end(&nl, &c);
	CHECK(c.torn);
	CHECK(c.vms < many);
	c = census_begin(&nl);
	census_end(&nl, &c);
	CHECK_EQ(c.vms, 2);
	CHECK(!c.torn);
	/* A dump that nobody takes further, and the end of the process. */
	census_begin(&nl);
}

static volatile bool churn_over;

static void *churn(void *dev)
{
	while (!churn_over)
		OK(close(OK(ioctl(*(int *)dev, KVM_CREATE_VM, 0))));
	return NULL;
}

CASE(dump_while_changing, .timeout = 120)
{
	struct nl nl = nl_open();
	unsigned int i, torn = 0, rounds = test_rounds(100);
	int dev = dev_fd(), fds[100];
	pthread_t threads[3];

	make_vms(fds, ARRAY_SIZE(fds));
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, churn, &dev), 0);
	for (i = 0; i < rounds; i++) {
		struct census c = census_begin(&nl);

		census_end(&nl, &c);
		/* Those that stay are seen, whatever the others do, and of theirs one each. */
		CHECK(c.vms >= ARRAY_SIZE(fds));
		CHECK(c.vms <= ARRAY_SIZE(fds) + ARRAY_SIZE(threads));
		torn += c.torn;
	}
	printf("%u of %u dumps were torn\n", torn, rounds);
	churn_over = true;
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	CHECK_EQ(search(&nl, getpid()).found, ARRAY_SIZE(fds));
}
