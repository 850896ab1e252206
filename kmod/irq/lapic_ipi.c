// SPDX-License-Identifier: GPL-2.0
/*
 * Interrupt messages: which APICs one is meant for, and what they do with it (SDM vol. 3, 10.6).
 *
 * struct lapic_map turns a destination into vCPUs without a search. It is rebuilt, and published
 * by RCU, when an id or a mode changes; where it cannot say (logical ids of xAPICs, which are few;
 * two APICs with one id; a vCPU newer than the map; no memory for it), every APIC is asked instead.
 */
#include <linux/nospec.h>
#include <linux/slab.h>
#include "../cpu/cpu.h"
#include "chips.h"
#include "lapic.h"

#define BROADCAST_X1	0xffu
#define BROADCAST_X2	0xffffffffu

/**
 * struct lapic_map - destinations of one VM
 * @rcu: for its removal
 * @vcpus: online vCPUs when it was built
 * @ids: size of @id, a multiple of 16
 * @search: physical ids are ambiguous
 * @x1: some APIC is in xAPIC mode
 * @id: by physical id
 */
struct lapic_map {
	struct rcu_head rcu;
	int vcpus;
	u32 ids;
	bool search;
	bool x1;
	struct vcpu *id[];
};

/* Up to 16 APICs in a row that a message is for. */
struct target_set {
	struct vcpu **base;
	unsigned long bits;
};

/* ---- the map ---- */

static void lapic_map_add(struct lapic_map *map, struct lapic *apic)
{
	u32 id = lapic_id(apic);

	if (!apic->hw_enabled)
		return;
	map->x1 |= !apic->x2apic;
	if (id >= map->ids || map->id[id])
		map->search = true;
	else
		map->id[id] = apic->vcpu;
}

static struct lapic_map *lapic_map_build(struct vmm *vm)
{
	int vcpus = atomic_read(&vm->online_vcpus);
	struct lapic_map *map;
	struct vcpu *vcpu;
	unsigned long i;
	u32 ids = 0;

	KVM_VCPUS_FOR_EACH(i, vcpu, vm)
		ids = max(ids, vcpu->id + 1);
	ids = round_up(max(ids, 256u), 16);
	map = kvzalloc(struct_size(map, id, ids), GFP_KERNEL_ACCOUNT);
	if (!map)
		return NULL;
	map->vcpus = vcpus;
	map->ids = ids;
	KVM_VCPUS_FOR_EACH(i, vcpu, vm)
		if (vcpu->apic)
			lapic_map_add(map, vcpu->apic);
	return map;
}

/**
 * lapic_map_rebuild() - an APIC's id, mode or logical destination has changed
 * @vm: the VM; may sleep
 */
void lapic_map_rebuild(struct vmm *vm)
{
	struct lapic_map *map, *old;

	mutex_lock(&vm->irq.map_lock);
	map = lapic_map_build(vm);
	old = rcu_replace_pointer(vm->irq.map, map, lockdep_is_held(&vm->irq.map_lock));
	mutex_unlock(&vm->irq.map_lock);
	if (old)
		kvfree_rcu(old, rcu);
}

/* ---- what one APIC does with a message ---- */

static void lapic_signal(struct lapic *apic, unsigned int signal)
{
	set_bit(signal, &apic->signals);
	vcpu_request(apic->vcpu, REQ_INIT_SIPI);
	vcpu_wake(apic->vcpu);
}

/**
 * lapic_accept() - a message has reached an APIC
 * @apic: any
 * @msg: the message
 *
 * Context: any.
 *
 * Return: 1: accepted; 0: nothing new (pending already, disabled, or a mode without meaning here).
 */
int lapic_accept(struct lapic *apic, const struct irq_msg *msg)
{
	switch (msg->delivery) {
	case DELIVERY_FIXED:
	case DELIVERY_LOWEST:
		if (!READ_ONCE(apic->sw_enabled))
			return 0;
		if (msg->vector >= 16)
			return lapic_post(apic, msg->vector, msg->level);
		lapic_error(apic, APIC_ESR_RECVILL);
		return 0;
	case DELIVERY_NMI:
		events_nmi(apic->vcpu);
		return 1;
	case DELIVERY_INIT:
		if (msg->level && !msg->assert) /* INIT level de-assert: SDM vol. 3, 10.6.1 */
			return 0;
		clear_bit(LAPIC_SIPI, &apic->signals);
		lapic_signal(apic, LAPIC_INIT);
		return 1;
	case DELIVERY_SIPI:
		WRITE_ONCE(apic->sipi_vector, msg->vector);
		lapic_signal(apic, LAPIC_SIPI);
		return 1;
	default:	/* SMI: there is no SMM; ExtINT: the PIC's wire is LVT0 */
		return 0;
	}
}

/**
 * lapic_init_sipi_pending() - is there an INIT or SIPI that the run loop must look at?
 * @vcpu: any
 */
bool lapic_init_sipi_pending(struct vcpu *vcpu)
{
	return vcpu->apic && READ_ONCE(vcpu->apic->signals);
}
EXPORT_FOR_TEST(lapic_init_sipi_pending);

/**
 * lapic_set_sipi_vector() - KVM_SET_VCPU_EVENTS: where a SIPI that is not accepted yet starts
 * @vcpu: the vCPU; nothing happens without in-kernel APIC
 * @vector: of the SIPI
 */
void lapic_set_sipi_vector(struct vcpu *vcpu, u8 vector)
{
	if (vcpu->apic)
		WRITE_ONCE(vcpu->apic->sipi_vector, vector);
}
EXPORT_FOR_TEST(lapic_set_sipi_vector);

/**
 * lapic_post_sipi() - KVM_SET_MP_STATE: a SIPI has arrived, its vector is known or will be
 * @vcpu: the vCPU, with in-kernel APIC, in state INIT_RECEIVED
 */
void lapic_post_sipi(struct vcpu *vcpu)
{
	lapic_signal(vcpu->apic, LAPIC_SIPI);
}
EXPORT_FOR_TEST(lapic_post_sipi);

/**
 * lapic_accept_init_sipi() - act on the INIT and SIPI that have arrived
 * @vcpu: the loaded vCPU; may sleep
 *
 * INIT resets the processor; a boot processor then runs from its reset vector, others wait for a
 * SIPI, which counts only while they wait (SDM vol. 3, 8.4.1).
 */
void lapic_accept_init_sipi(struct vcpu *vcpu)
{
	struct lapic *apic = vcpu->apic;

	if (!apic || !READ_ONCE(apic->signals))
		return;
	if (test_and_clear_bit(LAPIC_INIT, &apic->signals)) {
		regs_reset(vcpu, true);
		lapic_reset(vcpu, true);
		WRITE_ONCE(vcpu->mp_state, vcpu->id == vcpu->vm->boot_vcpu_id ?
			   KVM_MP_STATE_RUNNABLE : KVM_MP_STATE_INIT_RECEIVED);
	}
	if (test_and_clear_bit(LAPIC_SIPI, &apic->signals) &&
	    vcpu->mp_state == KVM_MP_STATE_INIT_RECEIVED) {
		/* Pairs with the locked instruction that set the bit: the vector is its own. */
		smp_rmb();
		regs_sipi(vcpu, READ_ONCE(apic->sipi_vector));
		WRITE_ONCE(vcpu->mp_state, KVM_MP_STATE_RUNNABLE);
		mgmt_vcpu_online(vcpu, true);
	}
}

/* ---- from destination to APICs ---- */

static bool lapic_matches_logical(struct lapic *apic, u32 dest)
{
	u32 ldr = lapic_reg(apic, APIC_LDR);

	if (apic->x2apic)
		return ldr >> 16 == dest >> 16 && ldr & dest & 0xffff;
	if (lapic_reg(apic, APIC_DFR) >> 28 == 0xf)	/* the flat model */
		return ldr >> 24 & dest;
	return ldr >> 28 == dest >> 4 && ldr >> 24 & dest & 0xf;
}

/**
 * lapic_matches() - is this message for this APIC? (SDM vol. 3, 10.6.2)
 * @apic: any
 * @msg: a message without shorthand that is no broadcast for the whole VM
 */
bool lapic_matches(struct lapic *apic, const struct irq_msg *msg)
{
	if (!apic->x2apic && msg->dest == BROADCAST_X1)
		return true;
	return msg->logical ? lapic_matches_logical(apic, msg->dest) : lapic_id(apic) == msg->dest;
}

/*
 * Is it for everybody? 0xff is, also where APICs are in x2APIC mode, unless an x2APIC sent it or
 * user space has switched that quirk off (api.rst, KVM_CAP_X2APIC_API).
 */
static bool msg_broadcast(struct vmm *vm, struct vcpu *from, const struct irq_msg *msg)
{
	if (msg->shorthand == SHORTHAND_ALL || msg->shorthand == SHORTHAND_OTHERS)
		return true;
	if (msg->dest != BROADCAST_X1)
		return msg->dest == BROADCAST_X2;
	return !(from && from->apic->x2apic) && !vm->policy.x2apic_no_broadcast_quirk;
}

/* Look a destination up. false: the map cannot say. */
static bool map_lookup(struct lapic_map *map, const struct irq_msg *msg, struct target_set *set)
{
	u32 first = msg->logical ? msg->dest >> 16 << 4 : msg->dest;

	if (msg->logical ? map->x1 : map->search)
		return false;
	/* An x2APIC's logical id follows from its id: 16 to a cluster (SDM vol. 3, 10.12.10.2). */
	set->bits = first >= map->ids ? 0 : msg->logical ? msg->dest & 0xffff : 1;
	set->base = &map->id[array_index_nospec(first, map->ids)];
	return true;
}

/* Lowest priority: of two candidates the one whose task priority is lower, else the first. */
static struct vcpu *lower_priority(struct vcpu *a, struct vcpu *b)
{
	if (!a || !READ_ONCE(a->apic->sw_enabled))
		return b;
	if (!READ_ONCE(b->apic->sw_enabled))
		return a;
	return lapic_reg(b->apic, APIC_TASKPRI) < lapic_reg(a->apic, APIC_TASKPRI) ? b : a;
}

/*
 * struct delivery - a message on its way
 * @best: so far the one to take it, where only one may
 * @ret: of irq_deliver()
 */
struct delivery {
	const struct irq_msg *msg;
	struct vcpu *best;
	int ret;
};

static void deliver_to(struct delivery *d, struct vcpu *vcpu)
{
	if (d->msg->delivery == DELIVERY_LOWEST)
		d->best = lower_priority(d->best, vcpu);
	else
		d->ret = max(d->ret, 0) + lapic_accept(vcpu->apic, d->msg);
}

static void deliver_set(struct delivery *d, const struct target_set *set)
{
	struct vcpu *vcpu;
	unsigned int i;

	for_each_set_bit(i, &set->bits, 16) {
		vcpu = READ_ONCE(set->base[i]);
		if (vcpu)
			deliver_to(d, vcpu);
	}
}

static void deliver_search(struct delivery *d, struct vmm *vm, struct vcpu *from, bool all)
{
	struct vcpu *vcpu;
	unsigned long i;

	KVM_VCPUS_FOR_EACH(i, vcpu, vm) {
		if (!lapic_enabled(vcpu) || (vcpu == from && d->msg->shorthand == SHORTHAND_OTHERS))
			continue;
		if (all || lapic_matches(vcpu->apic, d->msg))
			deliver_to(d, vcpu);
	}
}

/**
 * irq_deliver() - bring a message to the APICs it is meant for
 * @vm: the VM
 * @from: the vCPU that sent it (an IPI), or NULL: a device
 * @msg: the message
 *
 * Context: any.
 *
 * Return: > 0: number of APICs that took it; 0: all had it pending already; -1: there is no such
 * destination.
 */
int irq_deliver(struct vmm *vm, struct vcpu *from, const struct irq_msg *msg)
{
	struct delivery d = { .msg = msg, .ret = -1 };
	struct target_set set;
	struct lapic_map *map;
	bool all;

	if (msg->shorthand == SHORTHAND_SELF)
		return lapic_accept(from->apic, msg);
	all = msg_broadcast(vm, from, msg);
	rcu_read_lock();
	map = rcu_dereference(vm->irq.map);
	if (all || !map || map->vcpus != atomic_read(&vm->online_vcpus) ||
	    (msg->dest == BROADCAST_X1 && map->x1) || !map_lookup(map, msg, &set))
		deliver_search(&d, vm, from, all);
	else
		deliver_set(&d, &set);
	rcu_read_unlock();
	return d.best ? lapic_accept(d.best->apic, msg) : d.ret;
}
EXPORT_FOR_TEST(irq_deliver);

/**
 * lapic_send_ipis() - one message for many APICs
 * @vcpu: the sender
 * @set: 128 bits
 * @first: physical id that the first bit stands for
 * @icr: fixed or NMI, and a vector
 *
 * Return: number of APICs that there are of these; -1: no such message can be sent so.
 */
int lapic_send_ipis(struct vcpu *vcpu, const unsigned long *set, u32 first, u32 icr)
{
	struct irq_msg msg = {
		.vector = icr & APIC_VECTOR_MASK,
		.delivery = icr >> 8 & 7,
		.assert = true,
	};
	int i, sent = 0;

	if ((icr & (APIC_DEST_LOGICAL | APIC_DEST_ALLBUT)) ||
	    !(msg.delivery == DELIVERY_NMI || (msg.delivery == DELIVERY_FIXED && msg.vector >= 16)))
		return -1;
	for_each_set_bit(i, set, 128) {
		msg.dest = first + i;
		sent += irq_deliver(vcpu->vm, vcpu, &msg) >= 0;
	}
	return sent;
}

/**
 * lapic_send_icr() - the guest wrote an ICR
 * @apic: the sender's
 * @low: ICR bits 31:0
 * @dest: destination: 8 bits in xAPIC mode, 32 in x2APIC mode
 */
void lapic_send_icr(struct lapic *apic, u32 low, u32 dest)
{
	struct irq_msg msg = {
		.dest = dest,
		.vector = low & APIC_VECTOR_MASK,
		.delivery = low >> 8 & 7,
		.logical = low & APIC_DEST_LOGICAL,
		.level = low & APIC_INT_LEVELTRIG,
		.assert = low & APIC_INT_ASSERT,
		.shorthand = low >> 18 & 3,
	};

	if (msg.delivery <= DELIVERY_LOWEST) {
		msg.level = false;	/* fixed IPIs are edges: SDM vol. 3, 10.6.1 */
		if (msg.vector < 16) {
			lapic_error(apic, APIC_ESR_SENDILL);
			return;
		}
	}
	irq_deliver(apic->vcpu->vm, apic->vcpu, &msg);
}
