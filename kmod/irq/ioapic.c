// SPDX-License-Identifier: GPL-2.0
/*
 * The I/O APIC: 24 pins, their redirection table, and the way back of an EOI (82093AA datasheet;
 * version 0x20, which has the EOI register). Polarity is ignored: level 1 is "active".
 */
#include <linux/nospec.h>
#include <linux/slab.h>
#include <asm/apicdef.h>
#include "chips.h"

#define REG_SELECT	0x00
#define REG_WINDOW	0x10
#define REG_EOI		0x40
#define IOAPIC_LEN	0x100

#define IOAPIC_VERSION	(0x20 | (IOAPIC_PINS - 1) << 16)
#define IDX_ID		0
#define IDX_VERSION	1
#define IDX_ARB		2
#define IDX_RTE		0x10

#define RTE_READONLY	(RTE_PENDING | RTE_REMOTE_IRR)
#define RTE_LOW		0x1ffffull
#define RTE_HIGH	0xff00000000000000ull

/*
 * A level line that is high again at every EOI would leave a guest without a handler for it no
 * time for anything else: after so many in a row the next one waits.
 */
#define STORM_EOIS	10000
#define STORM_DELAY	msecs_to_jiffies(10)

static bool rte_level(u64 rte)
{
	return rte & RTE_LEVEL;
}

/* Send what the pin's entry says; lock held. As irq_deliver(), -1 also when masked. */
static int ioapic_send(struct ioapic *ioapic, unsigned int pin)
{
	u64 rte = ioapic->rte[pin];
	struct irq_msg msg = {
		.dest = rte >> RTE_DEST_SHIFT,
		.vector = rte & RTE_VECTOR,
		.delivery = rte >> 8 & 7,
		.logical = rte & RTE_LOGICAL,
		.level = rte_level(rte),
		.assert = true,
	};
	int ret;

	if (rte & RTE_MASKED)
		return -1;
	if (rte_level(rte) && rte & RTE_REMOTE_IRR)
		return 0;
	ret = irq_deliver(ioapic->vm, NULL, &msg);
	if (rte_level(rte) && ret >= 0)
		ioapic->rte[pin] |= RTE_REMOTE_IRR;
	return ret;
}

/* A level line may have to be sent (again); lock held. */
static void ioapic_resend(struct ioapic *ioapic, unsigned int pin)
{
	if (ioapic->irr & BIT(pin) && rte_level(ioapic->rte[pin]))
		ioapic_send(ioapic, pin);
}

static void ioapic_work(struct work_struct *work)
{
	struct ioapic *ioapic = container_of(to_delayed_work(work), struct ioapic, work);
	unsigned long flags, pins;
	unsigned int pin;

	raw_spin_lock_irqsave(&ioapic->lock, flags);
	pins = ioapic->delayed;
	ioapic->delayed = 0;
	for_each_set_bit(pin, &pins, IOAPIC_PINS)
		ioapic_resend(ioapic, pin);
	raw_spin_unlock_irqrestore(&ioapic->lock, flags);
}

/**
 * ioapic_set_pin() - drive one input on behalf of one source
 * @ioapic: the I/O APIC
 * @pin: 0 to 23
 * @source: IRQ_SOURCE_*; the line is high while any source holds it
 * @level: the source's level
 *
 * Context: any.
 *
 * Return: > 0: delivered, or the source let go; 0: coalesced; -1: masked or no such destination.
 */
int ioapic_set_pin(struct ioapic *ioapic, unsigned int pin, int source, bool level)
{
	unsigned long flags;
	u32 bit = BIT(pin);
	int ret = 1;

	raw_spin_lock_irqsave(&ioapic->lock, flags);
	if (level)
		ioapic->sources[pin] |= BIT(source);
	else
		ioapic->sources[pin] &= ~BIT(source);
	if (!ioapic->sources[pin]) {
		ioapic->irr &= ~bit;
	} else if (level) {
		if (ioapic->irr & bit && !rte_level(ioapic->rte[pin])) {
			ret = 0;	/* no edge */
		} else {
			ioapic->irr |= bit;
			ret = ioapic_send(ioapic, pin);
		}
	}
	raw_spin_unlock_irqrestore(&ioapic->lock, flags);
	return ret;
}
EXPORT_FOR_TEST(ioapic_set_pin);

static u32 ioapic_pins_of(struct ioapic *ioapic, u8 vector)
{
	u32 pins = 0;
	unsigned int pin;

	for (pin = 0; pin < IOAPIC_PINS; pin++)
		if ((ioapic->rte[pin] & RTE_VECTOR) == vector)
			pins |= BIT(pin);
	return pins;
}

/* The pin's interrupt was acknowledged; lock held. */
static void ioapic_end(struct ioapic *ioapic, unsigned int pin)
{
	u64 *rte = &ioapic->rte[pin];

	if (!rte_level(*rte) || !(*rte & RTE_REMOTE_IRR))
		return;
	*rte &= ~RTE_REMOTE_IRR;
	if (!(ioapic->irr & BIT(pin))) {
		ioapic->redelivered[pin] = 0;
	} else if (ioapic->stopped || ++ioapic->redelivered[pin] < STORM_EOIS) {
		ioapic_send(ioapic, pin);
	} else {
		ioapic->redelivered[pin] = 0;
		ioapic->delayed |= BIT(pin);
		schedule_delayed_work(&ioapic->work, STORM_DELAY);
	}
}

/**
 * ioapic_eoi() - a local APIC broadcasts the EOI of a vector
 * @ioapic: the I/O APIC
 * @vector: which
 *
 * Context: any; no lock of this room is held.
 */
void ioapic_eoi(struct ioapic *ioapic, u8 vector)
{
	unsigned long flags, pins;
	unsigned int pin;

	raw_spin_lock_irqsave(&ioapic->lock, flags);
	pins = ioapic_pins_of(ioapic, vector);
	raw_spin_unlock_irqrestore(&ioapic->lock, flags);
	/* First let devices take their lines down, then look at the lines. */
	for_each_set_bit(pin, &pins, IOAPIC_PINS)
		irq_notify_ack(ioapic->vm, KVM_IRQCHIP_IOAPIC, pin);
	raw_spin_lock_irqsave(&ioapic->lock, flags);
	pins &= ioapic_pins_of(ioapic, vector);
	for_each_set_bit(pin, &pins, IOAPIC_PINS)
		ioapic_end(ioapic, pin);
	raw_spin_unlock_irqrestore(&ioapic->lock, flags);
}

/* Which EOIs matter here: of level entries, and where a device waits for them. */
static void ioapic_update_eoi(struct ioapic *ioapic)
{
	struct irqchip *irq = &ioapic->vm->irq;
	bool resample = !list_empty(&irq->resamplers);
	DECLARE_BITMAP(vectors, 256) = {};
	unsigned int pin, i;

	for (pin = 0; pin < IOAPIC_PINS; pin++)
		if (resample || rte_level(ioapic->rte[pin]) ||
		    (READ_ONCE(irq->pit) && !irq_pin_gsi(ioapic->vm, KVM_IRQCHIP_IOAPIC, pin)))
			__set_bit(ioapic->rte[pin] & RTE_VECTOR, vectors);
	if (bitmap_equal(vectors, ioapic->eoi_vectors, 256))
		return;
	for (i = 0; i < ARRAY_SIZE(vectors); i++)
		WRITE_ONCE(ioapic->eoi_vectors[i], vectors[i]);
	/* Processors that deliver by themselves must be told (lapic_virtual_sync()). */
	if (irq->access_page)
		vcpu_request_all(ioapic->vm, REQ_EVENT, false);
}

/**
 * ioapic_scan() - routes, the PIT or the resampling irqfds have changed
 * @ioapic: the I/O APIC
 */
void ioapic_scan(struct ioapic *ioapic)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&ioapic->lock, flags);
	ioapic_update_eoi(ioapic);
	raw_spin_unlock_irqrestore(&ioapic->lock, flags);
}

/* ---- registers ---- */

/* Write half of a redirection table entry; lock held. Returns true if the pin was unmasked. */
static bool ioapic_write_rte(struct ioapic *ioapic, u32 index, u32 val)
{
	unsigned int pin = array_index_nospec(index >> 1, IOAPIC_PINS);
	u64 old = ioapic->rte[pin];
	u64 rte;

	if (index & 1)
		rte = (u32)old | ((u64)val << 32 & RTE_HIGH);
	else
		rte = (old & (RTE_HIGH | RTE_READONLY)) | (val & RTE_LOW & ~RTE_READONLY);
	if (!rte_level(rte))
		rte &= ~RTE_REMOTE_IRR;
	ioapic->rte[pin] = rte;
	ioapic_update_eoi(ioapic);
	ioapic_resend(ioapic, pin);
	return old & RTE_MASKED && !(rte & RTE_MASKED);
}

static void ioapic_write_window(struct ioapic *ioapic, u32 val)
{
	bool unmasked = false;
	unsigned long flags;
	u32 index;

	raw_spin_lock_irqsave(&ioapic->lock, flags);
	index = ioapic->select;
	if (index == IDX_ID)
		ioapic->id = val >> 24 & 0xf;
	else if (index >= IDX_RTE && index < IDX_RTE + 2 * IOAPIC_PINS)
		unmasked = ioapic_write_rte(ioapic, index - IDX_RTE, val);
	raw_spin_unlock_irqrestore(&ioapic->lock, flags);
	if (unmasked)
		irq_notify_unmask(ioapic->vm, KVM_IRQCHIP_IOAPIC, (index - IDX_RTE) >> 1);
}

static u32 ioapic_read_window(struct ioapic *ioapic)
{
	u32 index = ioapic->select;

	switch (index) {
	case IDX_ID:
	case IDX_ARB:
		return ioapic->id << 24;
	case IDX_VERSION:
		return IOAPIC_VERSION;
	case IDX_RTE ... IDX_RTE + 2 * IOAPIC_PINS - 1:
		index -= IDX_RTE;
		return ioapic->rte[array_index_nospec(index >> 1, IOAPIC_PINS)] >>
		       (index & 1 ? 32 : 0);
	default:
		return 0;
	}
}

/**
 * ioapic_reg_read() - read a memory-mapped register
 * @ioapic: the I/O APIC
 * @off: its offset
 *
 * Return: its value, 0 where there is no register.
 */
u32 ioapic_reg_read(struct ioapic *ioapic, u32 off)
{
	unsigned long flags;
	u32 val = 0;

	raw_spin_lock_irqsave(&ioapic->lock, flags);
	if (off == REG_SELECT)
		val = ioapic->select;
	else if (off == REG_WINDOW)
		val = ioapic_read_window(ioapic);
	raw_spin_unlock_irqrestore(&ioapic->lock, flags);
	return val;
}
EXPORT_FOR_TEST(ioapic_reg_read);

/**
 * ioapic_reg_write() - write a memory-mapped register
 * @ioapic: the I/O APIC
 * @off: its offset
 * @val: value
 */
void ioapic_reg_write(struct ioapic *ioapic, u32 off, u32 val)
{
	switch (off) {
	case REG_SELECT:
		WRITE_ONCE(ioapic->select, val & 0xff);
		break;
	case REG_WINDOW:
		ioapic_write_window(ioapic, val);
		break;
	case REG_EOI:
		ioapic_eoi(ioapic, val);
		break;
	}
}
EXPORT_FOR_TEST(ioapic_reg_write);

static int ioapic_mmio_read(struct vcpu *vcpu, struct bus_device *dev, gpa_t addr, int len,
			    void *val)
{
	struct ioapic *ioapic = container_of(dev, struct ioapic, dev);
	u32 reg = addr & 0xf ? 0 : ioapic_reg_read(ioapic, addr - dev->addr);

	memset(val, 0, len);
	memcpy(val, &reg, min(len, 4));
	return 0;
}

static int ioapic_mmio_write(struct vcpu *vcpu, struct bus_device *dev, gpa_t addr, int len,
			     const void *val)
{
	struct ioapic *ioapic = container_of(dev, struct ioapic, dev);
	u32 reg = 0;

	if (addr & 0xf)
		return 0;
	memcpy(&reg, val, min(len, 4));
	ioapic_reg_write(ioapic, addr - dev->addr, reg);
	return 0;
}

static const struct bus_ops ioapic_ops = {
	.read = ioapic_mmio_read,
	.write = ioapic_mmio_write,
};

/* ---- lifetime and state ---- */

/**
 * ioapic_alloc() - an I/O APIC after reset, on no bus yet
 * @vm: the VM
 *
 * Return: NULL without memory.
 */
struct ioapic *ioapic_alloc(struct vmm *vm)
{
	struct ioapic *ioapic = kzalloc(sizeof(*ioapic), GFP_KERNEL_ACCOUNT);
	unsigned int pin;

	if (!ioapic)
		return NULL;
	raw_spin_lock_init(&ioapic->lock);
	ioapic->vm = vm;
	ioapic->base = IO_APIC_DEFAULT_PHYS_BASE;
	for (pin = 0; pin < IOAPIC_PINS; pin++)
		ioapic->rte[pin] = RTE_MASKED;
	INIT_DELAYED_WORK(&ioapic->work, ioapic_work);
	ioapic->dev.ops = &ioapic_ops;
	ioapic->dev.addr = IO_APIC_DEFAULT_PHYS_BASE;
	ioapic->dev.len = IOAPIC_LEN;
	return ioapic;
}

/**
 * ioapic_release() - no delayed re-delivery runs after this
 * @ioapic: the I/O APIC; guests may still send EOIs; may sleep
 */
void ioapic_release(struct ioapic *ioapic)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&ioapic->lock, flags);
	ioapic->stopped = true;
	raw_spin_unlock_irqrestore(&ioapic->lock, flags);
	cancel_delayed_work_sync(&ioapic->work);
}

/**
 * ioapic_get() - KVM_GET_IRQCHIP
 * @ioapic: the I/O APIC
 * @out: filled in
 */
void ioapic_get(struct ioapic *ioapic, struct kvm_ioapic_state *out)
{
	unsigned long flags;
	unsigned int pin;

	raw_spin_lock_irqsave(&ioapic->lock, flags);
	out->base_address = ioapic->base;
	out->ioregsel = ioapic->select;
	out->id = ioapic->id;
	out->irr = 0;
	out->pad = 0;
	for (pin = 0; pin < IOAPIC_PINS; pin++) {
		out->redirtbl[pin].bits = ioapic->rte[pin];
		/* Edges are delivered when they come; only levels can be owed. */
		if (rte_level(ioapic->rte[pin]))
			out->irr |= ioapic->irr & BIT(pin);
	}
	raw_spin_unlock_irqrestore(&ioapic->lock, flags);
}

/**
 * ioapic_set() - KVM_SET_IRQCHIP
 * @ioapic: the I/O APIC
 * @in: new state; lines in irr are sent, as far as entries let them
 */
void ioapic_set(struct ioapic *ioapic, struct kvm_ioapic_state *in)
{
	unsigned long flags;
	unsigned int pin;
	u64 rte;

	raw_spin_lock_irqsave(&ioapic->lock, flags);
	ioapic->base = in->base_address;
	ioapic->select = in->ioregsel & 0xff;
	ioapic->id = in->id & 0xf;
	ioapic->irr = in->irr & GENMASK(IOAPIC_PINS - 1, 0);
	ioapic->delayed = 0;
	for (pin = 0; pin < IOAPIC_PINS; pin++) {
		rte = in->redirtbl[pin].bits & (RTE_HIGH | RTE_LOW);
		if (!rte_level(rte))
			rte &= ~RTE_REMOTE_IRR;
		ioapic->rte[pin] = rte & ~RTE_PENDING;
	}
	ioapic_update_eoi(ioapic);
	for (pin = 0; pin < IOAPIC_PINS; pin++)
		if (ioapic->irr & BIT(pin))
			ioapic_send(ioapic, pin);
	raw_spin_unlock_irqrestore(&ioapic->lock, flags);
}
