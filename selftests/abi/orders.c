// SPDX-License-Identifier: GPL-2.0
/* Orders to VMs over netlink, and what is told of them. Documentation/netlink.rst. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include "../../uapi/linux/vmm.h"
#include "nl.h"
#include "vm.h"

#define SUITE "orders"

static volatile u64 count;

static void guest_counts(void)
{
	for (;;)
		count++;
}

/* A vCPU's thread: KVM_RUN once; what came of it. */
struct runner {
	struct vcpu *v;
	pthread_t thread;
	volatile pid_t tid;
	volatile int err; /* -1: it has not returned */
};

static void *run_thread(void *arg)
{
	struct runner *r = arg;

	r->tid = gettid();
	r->err = vcpu_run(r->v) ? errno : 0;
	return NULL;
}

static void start(struct runner *r, struct vcpu *v)
{
	r->v = v;
	r->tid = 0;
	r->err = -1;
	CHECK_EQ(pthread_create(&r->thread, NULL, run_thread, r), 0);
}

static int finish(struct runner *r)
{
	CHECK_EQ(pthread_join(r->thread, NULL), 0);
	return r->err;
}

/* The time limit of the case is what ends it if it does not. */
static void wait_for_change(struct vm *vm)
{
	u64 before = G(vm, count);

	while (G(vm, count) == before)
		host_sleep_ms(1);
}

static void take_id(const struct nlattr *attrs, size_t len, u16 flags, void *arg)
{
	(void)flags;
	if (attrs && nl_u32(attrs, len, VMM_ATTR_VM_PID) == (u32)getpid())
		*(u64 *)arg = nl_u64(attrs, len, VMM_ATTR_VM_ID);
}

static u64 my_vm(struct nl *nl)
{
	struct nl_request r = nl_begin(nl, VMM_CMD_VM_GET, NLM_F_DUMP);
	u64 id = 0;

	CHECK_EQ(nl_call(nl, &r, take_id, &id), 0);
	CHECK(id);
	return id;
}

static void take_state(const struct nlattr *attrs, size_t len, u16 flags, void *arg)
{
	(void)flags;
	*(u32 *)arg = nl_u32(attrs, len, VMM_ATTR_VM_STATE);
}

static u32 state(struct nl *nl, u64 id)
{
	struct nl_request r = nl_begin(nl, VMM_CMD_VM_GET, NLM_F_ACK);
	u32 found = ~0u;

	nl_put_u64(&r, VMM_ATTR_VM_ID, id);
	CHECK_EQ(nl_call(nl, &r, take_state, &found), 0);
	return found;
}

static void interrupted(int sig)
{
	(void)sig;
}

/* Signal the thread until KVM_RUN returns: the first may come before it is called. */
static int interrupt(struct runner *r)
{
	while (r->err == -1) {
		pthread_kill(r->thread, SIGUSR1);
		host_sleep_ms(1);
	}
	return finish(r);
}

/* No guest code runs from the answer to vm-pause to vm-resume, whatever the client does. */
CASE(pause_and_resume)
{
	struct nl nl = nl_open();
	struct vm *vm = vm_create(0);
	u64 id = my_vm(&nl), held, i;
	struct vcpu *v = vcpu_new(vm, 0, guest_counts, 0);
	struct runner r;

	signal(SIGUSR1, interrupted);
	CHECK_EQ(nl_vm(&nl, VMM_CMD_VM_RESUME, id), -EBUSY);
	CHECK(strstr(nl.ack, "not paused"));
	start(&r, v);
	for (i = 0; i < 5; i++) {
		wait_for_change(vm);
		CHECK_EQ(state(&nl, id), VMM_VM_RUNNING);
		CHECK_EQ(nl_vm(&nl, VMM_CMD_VM_PAUSE, id), 0);
		held = G(vm, count);
		CHECK_EQ(state(&nl, id), VMM_VM_PAUSED);
		CHECK_EQ(nl_vm(&nl, VMM_CMD_VM_PAUSE, id), -EBUSY);
		CHECK(strstr(nl.ack, "paused already"));
		host_sleep_ms(20);
		CHECK_EQ(G(vm, count), held);
		/* A signal ends KVM_RUN, but not the pause. */
		CHECK_EQ(interrupt(&r), EINTR);
		CHECK_EQ(v->run->exit_reason, KVM_EXIT_INTR);
		start(&r, v);
		host_sleep_ms(5);
		CHECK_EQ(G(vm, count), held);
		CHECK_EQ(r.err, -1);
		CHECK_EQ(nl_vm(&nl, VMM_CMD_VM_RESUME, id), 0);
	}
	wait_for_change(vm);
	CHECK_EQ(interrupt(&r), EINTR);
}

/* A vCPU that has never run, and one that is made while the VM is paused. */
CASE(pause_before_running)
{
	struct nl nl = nl_open();
	struct vm *vm = vm_create(0);
	u64 id = my_vm(&nl);
	struct vcpu *v[2];
	struct runner r[2];
	int i;

	v[0] = vcpu_new(vm, 0, guest_counts, 0);
	CHECK_EQ(nl_vm(&nl, VMM_CMD_VM_PAUSE, id), 0);
	v[1] = vcpu_new(vm, 1, guest_counts, 0);
	signal(SIGUSR1, interrupted);
	for (i = 0; i < 2; i++) {
		start(&r[i], v[i]);
		CHECK_EQ(interrupt(&r[i]), EINTR);
		CHECK_EQ(G(vm, count), 0);
	}
	CHECK_EQ(nl_vm(&nl, VMM_CMD_VM_RESUME, id), 0);
	for (i = 0; i < 2; i++) {
		start(&r[i], v[i]);
		wait_for_change(vm);
		CHECK_EQ(interrupt(&r[i]), EINTR);
	}
}

static void guest_halts(void)
{
	GUEST_SYNC(1);
	sti_hlt();
	GUEST_DONE();
}

/* Killed is killed: running, halted, paused, and however often the client tries. */
CASE(kill)
{
	struct nl nl = nl_open();
	struct vm *vm = vm_create(VM_IRQCHIP);
	u64 id = my_vm(&nl);
	struct vcpu *busy = vcpu_new(vm, 0, guest_counts, 0), *idle;
	struct kvm_mp_state runnable = { KVM_MP_STATE_RUNNABLE };
	struct runner r[2];
	u64 held;

	idle = vcpu_new(vm, 1, guest_halts, 0);
	OK(ioctl(idle->fd, KVM_SET_MP_STATE, &runnable));
	run_sync(idle, 1);
	start(&r[0], busy);
	start(&r[1], idle);
	wait_for_change(vm);
	CHECK(eventually(r[1].tid && host_sleeps(r[1].tid)));
	CHECK_EQ(nl_vm(&nl, VMM_CMD_VM_KILL, id), 0);
	held = G(vm, count);
	CHECK_EQ(finish(&r[0]), ECANCELED);
	CHECK_EQ(finish(&r[1]), ECANCELED);
	CHECK_ERRNO(vcpu_run(busy), ECANCELED);
	CHECK_ERRNO(vcpu_run(busy), ECANCELED);
	CHECK_ERRNO(vcpu_run(idle), ECANCELED);
	CHECK_EQ(G(vm, count), held);
	CHECK_EQ(state(&nl, id), VMM_VM_KILLED);
	CHECK_EQ(nl_vm(&nl, VMM_CMD_VM_RESUME, id), -EBUSY);
	CHECK(strstr(nl.ack, "killed"));
	CHECK_EQ(nl_vm(&nl, VMM_CMD_VM_PAUSE, id), -EBUSY);

	vm = vm_create(0);
	id = my_vm(&nl);
	busy = vcpu_new(vm, 0, guest_counts, 0);
	CHECK_EQ(nl_vm(&nl, VMM_CMD_VM_PAUSE, id), 0);
	start(&r[0], busy);
	CHECK_EQ(nl_vm(&nl, VMM_CMD_VM_KILL, id), 0);
	CHECK_EQ(finish(&r[0]), ECANCELED);
	CHECK_EQ(G(vm, count), 0);
}

static volatile u64 nmis;

static void GUEST_HANDLER on_nmi(struct trap *t)
{
	(void)t;
	nmis++;
}

static void guest_waits_for_nmi(void)
{
	guest_on(2, on_nmi);
	GUEST_SYNC(1);
	SPIN_UNTIL(nmis);
	GUEST_DONE();
}

CASE(nmi)
{
	struct nl nl = nl_open();
	struct vm *vm = vm_create(0);
	u64 id = my_vm(&nl);
	struct vcpu *v = vcpu_new(vm, 0, guest_waits_for_nmi, 0);

	run_sync(v, 1);
	vcpu_spawn(v);
	CHECK_EQ(nl_vm(&nl, VMM_CMD_VM_NMI, id), 0);
	vcpu_join(v);
	CHECK_EQ(G(vm, nmis), 1);
}

/* ---- reset: the client is told, and acts ---- */

CASE(reset)
{
	struct nl nl = nl_open();
	struct vm *vm = vm_create(0);
	u64 id = my_vm(&nl);
	struct runner r;
	struct vcpu *v;

	signal(SIGUSR1, interrupted);
	CHECK_EQ(nl_vm(&nl, VMM_CMD_VM_RESET, id), -EBUSY);
	CHECK(strstr(nl.ack, "no vCPU"));
	v = vcpu_new(vm, 0, guest_counts, 0);
	start(&r, v);
	wait_for_change(vm);
	CHECK_EQ(nl_vm(&nl, VMM_CMD_VM_RESET, id), 0);
	CHECK_EQ(finish(&r), 0);
	CHECK_EQ(v->run->exit_reason, KVM_EXIT_SYSTEM_EVENT);
	CHECK_EQ(v->run->system_event.type, KVM_SYSTEM_EVENT_RESET);
	CHECK_EQ(v->run->system_event.ndata, 0);
	/* It is told once; one that does not care goes on. */
	start(&r, v);
	wait_for_change(vm);
	CHECK_EQ(interrupt(&r), EINTR);
	/* While it is paused it is not told. */
	CHECK_EQ(nl_vm(&nl, VMM_CMD_VM_PAUSE, id), 0);
	CHECK_EQ(nl_vm(&nl, VMM_CMD_VM_RESET, id), 0);
	start(&r, v);
	CHECK_EQ(interrupt(&r), EINTR);
	CHECK_EQ(nl_vm(&nl, VMM_CMD_VM_RESUME, id), 0);
	vcpu_run_exit(v, KVM_EXIT_SYSTEM_EVENT);
	CHECK_EQ(nl_vm(&nl, VMM_CMD_VM_KILL, id), 0);
	CHECK_EQ(nl_vm(&nl, VMM_CMD_VM_RESET, id), -EBUSY);
	CHECK(strstr(nl.ack, "killed"));
}

/* All its vCPUs sleep: one is woken to tell. */
CASE(reset_of_halted)
{
	struct nl nl = nl_open();
	struct vm *vm = vm_create(VM_IRQCHIP);
	u64 id = my_vm(&nl);
	struct vcpu *v = vcpu_new(vm, 0, guest_halts, 0);
	struct runner r;

	vcpu_add(vm, 1);
	run_sync(v, 1);
	start(&r, v);
	CHECK(eventually(r.tid && host_sleeps(r.tid)));
	CHECK_EQ(nl_vm(&nl, VMM_CMD_VM_RESET, id), 0);
	CHECK_EQ(finish(&r), 0);
	CHECK_EQ(v->run->exit_reason, KVM_EXIT_SYSTEM_EVENT);
}

/* ---- the power button: of clients that have one ---- */

static int set_power_button(struct vm *vm, u64 on)
{
	struct kvm_enable_cap cap = { .cap = VMM_CAP_POWER_BUTTON, .args = { on } };

	return ioctl(vm->fd, KVM_ENABLE_CAP, &cap);
}

CASE(power_button)
{
	struct nl nl = nl_open();
	struct vm *vm = vm_create(0);
	u64 id = my_vm(&nl);
	struct runner r;
	struct vcpu *v;

	CHECK_EQ(dev_cap(VMM_CAP_POWER_BUTTON), 1);
	CHECK_EQ(nl_vm(&nl, VMM_CMD_VM_POWER, id), -EOPNOTSUPP);
	CHECK(strstr(nl.ack, "client"));
	CHECK_ERRNO(set_power_button(vm, 2), EINVAL);
	OK(set_power_button(vm, 1));
	CHECK_EQ(nl_vm(&nl, VMM_CMD_VM_POWER, id), -EBUSY);
	v = vcpu_new(vm, 0, guest_counts, 0);
	start(&r, v);
	wait_for_change(vm);
	CHECK_EQ(nl_vm(&nl, VMM_CMD_VM_POWER, id), 0);
	CHECK_EQ(finish(&r), 0);
	CHECK_EQ(v->run->exit_reason, KVM_EXIT_SYSTEM_EVENT);
	CHECK_EQ(v->run->system_event.type, VMM_SYSTEM_EVENT_POWER_BUTTON);
	/* One of each: both are told, one after the other. */
	CHECK_EQ(nl_vm(&nl, VMM_CMD_VM_POWER, id), 0);
	CHECK_EQ(nl_vm(&nl, VMM_CMD_VM_RESET, id), 0);
	vcpu_run_exit(v, KVM_EXIT_SYSTEM_EVENT);
	CHECK_EQ(v->run->system_event.type, KVM_SYSTEM_EVENT_RESET);
	vcpu_run_exit(v, KVM_EXIT_SYSTEM_EVENT);
	CHECK_EQ(v->run->system_event.type, VMM_SYSTEM_EVENT_POWER_BUTTON);
	OK(set_power_button(vm, 0));
	CHECK_EQ(nl_vm(&nl, VMM_CMD_VM_POWER, id), -EOPNOTSUPP);
}

/* ---- events ---- */

#define NO_VCPU (~0u)

struct event {
	u64 seq, vm;
	u32 kind, vcpu;
	char name[VMM_VM_NAME_SIZE], reason[64];
};

static void take_event(const struct nlattr *attrs, size_t len, u16 flags, void *arg)
{
	struct event *e = arg;

	(void)flags;
	e->seq = nl_u64(attrs, len, VMM_ATTR_EVENT_SEQ);
	e->vm = nl_u64(attrs, len, VMM_ATTR_EVENT_VM);
	e->kind = nl_u32(attrs, len, VMM_ATTR_EVENT_KIND);
	CHECK_EQ(nl_u32(attrs, len, VMM_ATTR_EVENT_OWNER), getuid());
	if (nl_attr(attrs, len, VMM_ATTR_EVENT_VCPU, 0))
		e->vcpu = nl_u32(attrs, len, VMM_ATTR_EVENT_VCPU);
	if (nl_attr(attrs, len, VMM_ATTR_EVENT_NAME, 0))
		strncpy(e->name, nl_str(attrs, len, VMM_ATTR_EVENT_NAME), sizeof(e->name) - 1);
	if (nl_attr(attrs, len, VMM_ATTR_EVENT_REASON, 0))
		strncpy(e->reason, nl_str(attrs, len, VMM_ATTR_EVENT_REASON),
			sizeof(e->reason) - 1);
}

static struct event next_event(struct nl *nl)
{
	struct event e = { .vcpu = NO_VCPU };

	CHECK_EQ(nl_receive(nl, take_event, &e), 1);
	return e;
}

static void guest_triple_fault(void)
{
	asm volatile("ud2");
}

static void guest_jump_away(void)
{
	asm volatile("jmp *%0" : : "r"(HOLE_BASE));
}

static void guest_done(void)
{
	GUEST_DONE();
}

CASE(events)
{
	static const struct {
		u32 kind;
		const char *reason;
	} expected[] = {
		{ VMM_EVENT_CREATED, "" },
		{ VMM_EVENT_NAMED, "" },
		{ VMM_EVENT_RUNNING, "" },
		{ VMM_EVENT_PAUSED, "" },
		{ VMM_EVENT_RESUMED, "" },
		{ VMM_EVENT_SHUTDOWN, "triple fault" },
		{ VMM_EVENT_RUNNING, "" },
		{ VMM_EVENT_CRASHED, "an instruction cannot be interpreted" },
		{ VMM_EVENT_KILLED, "" },
		{ VMM_EVENT_DESTROYED, "" },
	};
	struct nl nl = nl_open(), listener = nl_open();
	struct kvm_sregs s;
	struct nl_request r;
	struct vcpu *v;
	struct vm *vm;
	u64 id, seq = 0;
	u32 i;

	OK(setsockopt(listener.fd, 270, NETLINK_ADD_MEMBERSHIP, &listener.events,
		      sizeof(listener.events)));
	vm = vm_create(0);
	id = my_vm(&nl);
	r = nl_begin(&nl, VMM_CMD_VM_SET, NLM_F_ACK);
	nl_put_u64(&r, VMM_ATTR_VM_ID, id);
	nl_put_str(&r, VMM_ATTR_VM_NAME, "observed");
	CHECK_EQ(nl_call(&nl, &r, NULL, NULL), 0);
	v = vcpu_new(vm, 0, guest_done, 0);
	run_done(v);
	/* The exit is finished before the registers change. */
	v->run->immediate_exit = 1;
	CHECK_ERRNO(vcpu_run(v), EINTR);
	v->run->immediate_exit = 0;
	CHECK_EQ(nl_vm(&nl, VMM_CMD_VM_PAUSE, id), 0);
	CHECK_EQ(nl_vm(&nl, VMM_CMD_VM_RESUME, id), 0);
	vcpu_call(v, guest_triple_fault, 0);
	s = get_sregs(v);
	s.idt.limit = 0;
	set_sregs(v, &s);
	vcpu_run_exit(v, KVM_EXIT_SHUTDOWN);
	CHECK_EQ(state(&nl, id), VMM_VM_SHUTDOWN);
	vcpu_call(v, guest_jump_away, 0);
	vcpu_run_exit(v, KVM_EXIT_INTERNAL_ERROR);
	CHECK_EQ(state(&nl, id), VMM_VM_CRASHED);
	CHECK_EQ(nl_vm(&nl, VMM_CMD_VM_KILL, id), 0);
	vcpu_free(v);
	vm_free(vm);
	for (i = 0; i < ARRAY_SIZE(expected); i++) {
		struct event e = next_event(&listener);

		CHECK_EQ(e.kind, expected[i].kind);
		CHECK(!strcmp(e.reason, expected[i].reason));
		CHECK_EQ(e.vm, id);
		CHECK_EQ(e.vcpu, NO_VCPU);
		CHECK(i ? e.seq == seq + 1 : e.seq > 0);
		CHECK(!strcmp(e.name, i ? "observed" : ""));
		seq = e.seq;
	}
}

static void guest_halts_for_good(void)
{
	guest_on(2, on_nmi);
	apic_enable();
	GUEST_SYNC(1);
	asm volatile("hlt");
	GASSERT_EQ(nmis, 1);
	apic_icr(2, ICR_INIT);
	apic_icr(2, ICR_SIPI | 0x9f);
	GUEST_DONE();
}

static void await_event(struct nl *listener, u64 id, u32 kind, u32 vcpu)
{
	struct event e;

	do {
		e = next_event(listener);
	} while (e.vm != id || e.kind != kind);
	CHECK_EQ(e.vcpu, vcpu);
}

/* A processor that was taken offline, or died; one that is woken; one that is started. */
CASE(vcpu_events)
{
	struct nl nl = nl_open(), listener = nl_open();
	struct kvm_mp_state state;
	struct vcpu *v, *other;
	struct vm *vm;
	u64 id;

	OK(setsockopt(listener.fd, 270, NETLINK_ADD_MEMBERSHIP, &listener.events,
		      sizeof(listener.events)));
	vm = vm_create(VM_IRQCHIP);
	id = my_vm(&nl);
	v = vcpu_new(vm, 0, guest_halts_for_good, 0);
	other = vcpu_add(vm, 2);
	run_sync(v, 1);
	vcpu_spawn(v);
	await_event(&listener, id, VMM_EVENT_HALTED, 0);
	CHECK_EQ(nl_vm(&nl, VMM_CMD_VM_NMI, id), 0);
	await_event(&listener, id, VMM_EVENT_ONLINE, 0);
	vcpu_join(v);
	/* The state query has what has arrived take effect. */
	OK(ioctl(other->fd, KVM_GET_MP_STATE, &state));
	CHECK_EQ(state.mp_state, KVM_MP_STATE_RUNNABLE);
	await_event(&listener, id, VMM_EVENT_ONLINE, 2);
}

static void guest_halts_once(void)
{
	GUEST_SYNC(1);
	asm volatile("hlt");
	GUEST_DONE();
}

/* How often a VM's vCPUs were told as online, until its end. */
static unsigned int count_online(struct nl *listener, u64 id)
{
	unsigned int online = 0;
	struct event e;

	do {
		e = next_event(listener);
		online += e.vm == id && e.kind == VMM_EVENT_ONLINE;
	} while (e.vm != id || e.kind != VMM_EVENT_DESTROYED);
	return online;
}

/* One that was told as halted, and that its client sets runnable, is told as online: once. */
CASE(vcpu_set_runnable)
{
	struct kvm_mp_state halted = { KVM_MP_STATE_HALTED }, runnable = { KVM_MP_STATE_RUNNABLE };
	struct nl nl = nl_open(), listener = nl_open();
	struct runner r;
	struct vcpu *v;
	struct vm *vm;
	u64 id;

	signal(SIGUSR1, interrupted);
	OK(setsockopt(listener.fd, 270, NETLINK_ADD_MEMBERSHIP, &listener.events,
		      sizeof(listener.events)));
	vm = vm_create(VM_IRQCHIP);
	id = my_vm(&nl);
	v = vcpu_new(vm, 0, guest_halts_once, 0);
	run_sync(v, 1);
	start(&r, v);
	await_event(&listener, id, VMM_EVENT_HALTED, 0);
	CHECK_EQ(interrupt(&r), EINTR);
	OK(ioctl(v->fd, KVM_SET_MP_STATE, &halted));
	OK(ioctl(v->fd, KVM_SET_MP_STATE, &runnable));
	OK(ioctl(v->fd, KVM_SET_MP_STATE, &runnable));
	run_done(v);
	vcpu_free(v);
	vm_free(vm);
	CHECK_EQ(count_online(&listener, id), 1);
}

/* One VM cannot drown what is told of others: it has so many a second, and its end. */
CASE(event_rate)
{
	struct nl nl = nl_open(), listener = nl_open();
	unsigned int i, told = 0, gaps = 0;
	long long begin;
	struct vm *vm = vm_create(0);
	u64 id = my_vm(&nl), seq = 0, seconds;
	struct event e;
	int size = 1 << 24;

	OK(setsockopt(listener.fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)));
	OK(setsockopt(listener.fd, 270, NETLINK_ADD_MEMBERSHIP, &listener.events,
		      sizeof(listener.events)));
	begin = host_now_ms();
	for (i = 0; i < 20 * VMM_EVENTS_PER_SECOND; i++) {
		CHECK_EQ(nl_vm(&nl, VMM_CMD_VM_PAUSE, id), 0);
		CHECK_EQ(nl_vm(&nl, VMM_CMD_VM_RESUME, id), 0);
	}
	seconds = (host_now_ms() - begin) / 1000;
	vm_free(vm);
	do {
		e = next_event(&listener);
		CHECK_EQ(e.vm, id);
		gaps += told && e.seq != seq + 1;
		seq = e.seq;
		told++;
	} while (e.kind != VMM_EVENT_DESTROYED);
	printf("%u of %u events in %llu s, %u gaps\n", told, 2 * i + 1, seconds, gaps);
	CHECK(told > VMM_EVENTS_PER_SECOND);
	/* Seconds that have begun, and the end. */
	CHECK(told <= (seconds + 2) * VMM_EVENTS_PER_SECOND + 1);
	CHECK(gaps > 0);
}
