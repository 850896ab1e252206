// SPDX-License-Identifier: GPL-2.0
/*
 * GSIs and where they lead: PIC, I/O APIC, or a message. One immutable table, replaced under
 * irq.lock, read under RCU, so that a line can be driven from any context.
 */
#include <linux/nospec.h>
#include <linux/slab.h>
#include "chips.h"
#include "lapic.h"

#define NO_GSI	IRQ_MAX_ROUTES

/* MSI: address and data (SDM vol. 3, 10.11). */
#define MSI_ADDR_DEST(lo)	((lo) >> 12 & 0xff)
#define MSI_ADDR_HINT		BIT(3)
#define MSI_ADDR_LOGICAL	BIT(2)
#define MSI_DATA_DELIVERY(d)	((d) >> 8 & 7)
#define MSI_DATA_LEVEL		BIT(15)

enum { ROUTE_PIC, ROUTE_IOAPIC, ROUTE_MSI };

struct irq_route {
	struct hlist_node node;
	u8 type;
	u8 pin;		/* PIC: 0 to 15 */
	struct {
		u32 lo, hi, data;
	} msi;
};

/**
 * struct irq_routes - one generation of routes
 * @gsis: GSIs below this may have routes
 * @pin_gsi: the GSI of a chip's pin, NO_GSI: none
 * @gsi: the routes of each; they stand behind this array
 */
struct irq_routes {
	u32 gsis;
	u16 pin_gsi[KVM_NR_IRQCHIPS][IOAPIC_PINS];
	struct hlist_head gsi[];
};

/* ---- messages ---- */

static struct irq_msg msi_message(struct vmm *vm, u32 lo, u32 hi, u32 data)
{
	struct irq_msg msg = {
		.dest = MSI_ADDR_DEST(lo),
		.vector = data,
		.delivery = MSI_DATA_DELIVERY(data),
		.logical = lo & MSI_ADDR_LOGICAL,
		.level = data & MSI_DATA_LEVEL,
		.assert = true,
	};

	if (vm->policy.x2apic_ids)
		msg.dest |= hi & 0xffffff00;
	/* With the redirection hint one of the processors is chosen. */
	if (lo & MSI_ADDR_HINT && msg.logical && msg.delivery == DELIVERY_FIXED)
		msg.delivery = DELIVERY_LOWEST;
	return msg;
}

/**
 * irq_send_msi() - KVM_SIGNAL_MSI
 * @vm: the VM; it has an irqchip
 * @msi: address and data
 *
 * Return: as irq_deliver(); -EINVAL: flags, or an address that does not exist.
 */
int irq_send_msi(struct vmm *vm, const struct kvm_msi *msi)
{
	struct irq_msg msg;

	if (msi->flags || !irqchip_in_kernel(&vm->irq))
		return -EINVAL;
	if (vm->policy.x2apic_ids && msi->address_hi & 0xff)
		return -EINVAL;
	msg = msi_message(vm, msi->address_lo, msi->address_hi, msi->data);
	return irq_deliver(vm, NULL, &msg);
}
EXPORT_FOR_TEST(irq_send_msi);

/* ---- driving a GSI ---- */

static int route_set(struct vmm *vm, const struct irq_route *route, int source, bool level)
{
	struct irq_msg msg;

	switch (route->type) {
	case ROUTE_PIC:
		return vm->irq.pic ? pic_set_pin(vm->irq.pic, route->pin, source, level) : -1;
	case ROUTE_IOAPIC:
		return vm->irq.ioapic ? ioapic_set_pin(vm->irq.ioapic, route->pin, source, level)
				      : -1;
	default:
		if (!level)
			return -1;
		msg = msi_message(vm, route->msi.lo, route->msi.hi, route->msi.data);
		return irq_deliver(vm, NULL, &msg);
	}
}

/**
 * irq_set_gsi() - drive a GSI on behalf of one source
 * @vm: the VM
 * @gsi: which; untrusted
 * @source: IRQ_SOURCE_*; the line is high while any source holds it
 * @level: the source's level; a message is sent when it is true
 *
 * Context: any, but with none of this room's raw locks held.
 *
 * Return: > 0: places that took it; 0: coalesced; -1: masked everywhere, or no route.
 */
int irq_set_gsi(struct vmm *vm, u32 gsi, int source, bool level)
{
	const struct irq_route *route;
	struct irq_routes *routes;
	int ret = -1, one;

	rcu_read_lock();
	routes = rcu_dereference(vm->irq.routes);
	if (routes && gsi < routes->gsis) {
		gsi = array_index_nospec(gsi, routes->gsis);
		hlist_for_each_entry(route, &routes->gsi[gsi], node) {
			one = route_set(vm, route, source, level);
			if (one >= 0)
				ret = max(ret, 0) + one;
		}
	}
	rcu_read_unlock();
	return ret;
}
EXPORT_FOR_TEST(irq_set_gsi);

/**
 * irq_pin_gsi() - which GSI drives a pin?
 * @vm: the VM
 * @chip: KVM_IRQCHIP_*
 * @pin: of the chip
 *
 * Return: the GSI, IRQ_MAX_ROUTES: none.
 */
u32 irq_pin_gsi(struct vmm *vm, unsigned int chip, unsigned int pin)
{
	struct irq_routes *routes;
	u32 gsi = NO_GSI;

	rcu_read_lock();
	routes = rcu_dereference(vm->irq.routes);
	if (routes)
		gsi = routes->pin_gsi[chip][pin];
	rcu_read_unlock();
	return gsi;
}
EXPORT_FOR_TEST(irq_pin_gsi);

/**
 * irq_notify_ack() - the guest has acknowledged a pin's interrupt
 * @vm: the VM
 * @chip: KVM_IRQCHIP_*
 * @pin: of the chip
 *
 * Context: any, but with none of this room's raw locks held.
 */
void irq_notify_ack(struct vmm *vm, unsigned int chip, unsigned int pin)
{
	struct pit *pit = READ_ONCE(vm->irq.pit);
	u32 gsi;

	if (!pit && list_empty(&vm->irq.resamplers))
		return;
	gsi = irq_pin_gsi(vm, chip, pin);
	if (gsi == NO_GSI)
		return;
	if (!gsi && pit)
		pit_ack(pit);
	irqfd_resample(vm, gsi);
}

/* Ticks that nobody wanted while the pin was masked are not made up for. */
void irq_notify_unmask(struct vmm *vm, unsigned int chip, unsigned int pin)
{
	struct pit *pit = READ_ONCE(vm->irq.pit);

	if (pit && !irq_pin_gsi(vm, chip, pin))
		atomic_set(&pit->missed, 0);
}

/**
 * irq_route_has_vector() - does user space's I/O APIC wait for the EOI of a vector?
 * @vm: a VM with split irqchip
 * @vector: of the EOI, which was level-triggered
 *
 * Context: any.
 */
bool irq_route_has_vector(struct vmm *vm, u8 vector)
{
	const struct irq_route *route;
	struct irq_routes *routes;
	bool found = false;
	u32 gsi;

	rcu_read_lock();
	routes = rcu_dereference(vm->irq.routes);
	for (gsi = 0; routes && gsi < min(routes->gsis, vm->irq.split_pins); gsi++)
		hlist_for_each_entry(route, &routes->gsi[gsi], node)
			found |= route->msi.data & MSI_DATA_LEVEL && (u8)route->msi.data == vector;
	rcu_read_unlock();
	return found;
}

/* ---- the table ---- */

static bool chip_route_valid(const struct vmm *vm, const struct kvm_irq_routing_irqchip *chip)
{
	if (vm->irq.mode == IRQCHIP_SPLIT)
		return false;
	switch (chip->irqchip) {
	case KVM_IRQCHIP_PIC_MASTER:
	case KVM_IRQCHIP_PIC_SLAVE:
		return chip->pin < 8;
	case KVM_IRQCHIP_IOAPIC:
		return chip->pin < IOAPIC_PINS;
	default:
		return false;
	}
}

static bool route_valid(const struct vmm *vm, const struct kvm_irq_routing_entry *e)
{
	if (e->gsi >= IRQ_MAX_ROUTES || e->flags)
		return false;
	switch (e->type) {
	case KVM_IRQ_ROUTING_IRQCHIP:
		return chip_route_valid(vm, &e->u.irqchip);
	case KVM_IRQ_ROUTING_MSI:
		return !vm->policy.x2apic_ids || !(e->u.msi.address_hi & 0xff);
	default:
		return false;
	}
}

/* false: the GSI leads there already, or to a message. */
static bool route_add(struct irq_routes *routes, struct irq_route *route,
		      const struct kvm_irq_routing_entry *e)
{
	struct hlist_head *head = &routes->gsi[e->gsi];
	u32 chip = e->u.irqchip.irqchip, pin = e->u.irqchip.pin;
	struct irq_route *other;

	if (e->type == KVM_IRQ_ROUTING_MSI) {
		route->type = ROUTE_MSI;
		route->msi.lo = e->u.msi.address_lo;
		route->msi.hi = e->u.msi.address_hi;
		route->msi.data = e->u.msi.data;
	} else {
		route->type = chip == KVM_IRQCHIP_IOAPIC ? ROUTE_IOAPIC : ROUTE_PIC;
		route->pin = pin + (chip == KVM_IRQCHIP_PIC_SLAVE ? 8 : 0);
		if (routes->pin_gsi[chip][pin] == NO_GSI)
			routes->pin_gsi[chip][pin] = e->gsi;
	}
	hlist_for_each_entry(other, head, node)
		if (other->type == route->type || other->type == ROUTE_MSI ||
		    route->type == ROUTE_MSI)
			return false;
	hlist_add_head(&route->node, head);
	return true;
}

static struct irq_routes *routes_build(const struct kvm_irq_routing_entry *e, u32 n)
{
	struct irq_routes *routes;
	struct irq_route *route;
	u32 i, gsis = 0;

	for (i = 0; i < n; i++)
		gsis = max(gsis, e[i].gsi + 1);
	routes = kvzalloc(struct_size(routes, gsi, gsis) + n * sizeof(*route), GFP_KERNEL_ACCOUNT);
	if (!routes)
		return ERR_PTR(-ENOMEM);
	routes->gsis = gsis;
	for (i = 0; i < KVM_NR_IRQCHIPS * IOAPIC_PINS; i++)
		(&routes->pin_gsi[0][0])[i] = NO_GSI;
	route = (struct irq_route *)&routes->gsi[gsis];
	/* Backwards, as each goes to the head of its list. */
	for (i = n; i--;) {
		if (!route_add(routes, &route[i], &e[i])) {
			kvfree(routes);
			return ERR_PTR(-EINVAL);
		}
	}
	return routes;
}

/**
 * irq_set_routing() - KVM_SET_GSI_ROUTING: replace the table
 * @vm: the VM; may sleep
 * @e: entries
 * @n: how many
 * @flags: must be 0
 *
 * On return nothing is delivered by the old routes any more.
 *
 * Return: 0; -EINVAL: flags, more than IRQ_MAX_ROUTES, an entry that leads nowhere, two routes of
 * one GSI to the same chip, or a message beside another route; -ENOMEM.
 */
int irq_set_routing(struct vmm *vm, const struct kvm_irq_routing_entry *e, u32 n, u32 flags)
{
	struct irq_routes *routes, *old;
	u32 i;

	if (flags || n > IRQ_MAX_ROUTES)
		return -EINVAL;
	for (i = 0; i < n; i++)
		if (!route_valid(vm, &e[i]))
			return -EINVAL;
	routes = routes_build(e, n);
	if (IS_ERR(routes))
		return PTR_ERR(routes);
	mutex_lock(&vm->irq.lock);
	old = rcu_replace_pointer(vm->irq.routes, routes, lockdep_is_held(&vm->irq.lock));
	mutex_unlock(&vm->irq.lock);
	if (vm->irq.ioapic)
		ioapic_scan(vm->irq.ioapic);
	if (old) {
		synchronize_rcu_expedited();
		kvfree(old);
	}
	return 0;
}
EXPORT_FOR_TEST(irq_set_routing);

/* GSIs 0 to 15 lead to the PIC and the I/O APIC, 16 to 23 to the I/O APIC, pin for pin. */
int irq_set_default_routes(struct vmm *vm)
{
	struct kvm_irq_routing_entry *e;
	u32 n = 16 + IOAPIC_PINS, i, pin;
	int ret;

	e = kcalloc(n, sizeof(*e), GFP_KERNEL);
	if (!e)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		pin = i < IOAPIC_PINS ? i : i - IOAPIC_PINS;
		e[i].gsi = pin;
		e[i].type = KVM_IRQ_ROUTING_IRQCHIP;
		e[i].u.irqchip.pin = i < IOAPIC_PINS ? pin : pin & 7;
		e[i].u.irqchip.irqchip = i < IOAPIC_PINS ? KVM_IRQCHIP_IOAPIC :
					 pin < 8 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE;
	}
	ret = irq_set_routing(vm, e, n, 0);
	kfree(e);
	return ret;
}

/* The VM goes: nobody drives a line any more. */
void irq_free_routes(struct vmm *vm)
{
	kvfree(rcu_dereference_protected(vm->irq.routes, true));
	RCU_INIT_POINTER(vm->irq.routes, NULL);
}
