// SPDX-License-Identifier: GPL-2.0
/*
 * The two 8259A interrupt controllers, cascaded on the master's line 2, with the edge/level
 * registers of the PC chip sets (8259A datasheet; 82371AB datasheet for ELCR).
 */
#include <linux/slab.h>
#include "chips.h"
#include "lapic.h"

#define CASCADE		2	/* the slave's line at the master */
#define ELCR_MASTER	0xf8	/* IRQ 0, 1, 2 are edges for ever */
#define ELCR_SLAVE	0xde	/* IRQ 8, 13 likewise */

/* Where in the order of priority (0 is highest) is the first of these lines; 8: there is none. */
static unsigned int first_prio(u8 lines, u8 highest)
{
	u8 turned = lines >> highest | lines << (8 - highest);

	return turned ? __ffs(turned) : 8;
}

/* The line that this controller asks its master or the processor to take, -1: none. */
static int half_pending(const struct pic *pic, unsigned int half)
{
	const struct kvm_pic_state *s = &pic->half[half];
	unsigned int want = first_prio(s->irr & ~s->imr, s->priority_add);
	u8 busy = s->isr;

	if (want == 8)
		return -1;
	if (s->special_mask)
		busy &= ~s->imr;
	/* Fully nested for the slave: a higher line of it may interrupt a lower one. */
	if (s->special_fully_nested_mode && half == 0)
		busy &= ~BIT(CASCADE);
	if (want >= first_prio(busy, s->priority_add))
		return -1;
	return (want + s->priority_add) & 7;
}

static void half_acknowledge(struct kvm_pic_state *s, unsigned int line)
{
	if (!s->auto_eoi)
		s->isr |= BIT(line);
	else if (s->rotate_on_auto_eoi)
		s->priority_add = (line + 1) & 7;
	if (!(s->elcr & BIT(line)))
		s->irr &= ~BIT(line);
}

/* Follow the lines to the INT output; lock held. Returns true if it rose. */
static bool pic_update(struct pic *pic)
{
	bool was = pic->output;

	if (half_pending(pic, 1) >= 0)
		pic->half[0].irr |= BIT(CASCADE);
	else
		pic->half[0].irr &= ~BIT(CASCADE);
	WRITE_ONCE(pic->output, half_pending(pic, 0) >= 0);
	return pic->output && !was;
}

/* The INT output rose: tell the processors whose LINT0 is wired to it. Lock not held. */
static void pic_notify(struct pic *pic)
{
	struct vcpu *vcpu;
	unsigned long i;

	KVM_VCPUS_FOR_EACH(i, vcpu, pic->vm) {
		if (!vcpu->apic)
			continue;
		if (lapic_accepts_pic(vcpu->apic)) {
			vcpu_request(vcpu, REQ_EVENT);
			vcpu_wake(vcpu);
		} else {
			lapic_deliver_lvt(vcpu->apic, APIC_LVT0);
		}
	}
}

/* What to do after the lock is dropped. */
static void pic_after(struct pic *pic, bool rose, unsigned long acked)
{
	unsigned int pin;

	if (rose)
		pic_notify(pic);
	for_each_set_bit(pin, &acked, 16)
		irq_notify_ack(pic->vm, pin >> 3, pin & 7);
}

/* Drive a line of one half; lock held. 0: it was pending already. */
static int half_set_line(struct kvm_pic_state *s, u8 bit, bool level)
{
	int ret = 1;

	if (s->elcr & bit) {
		if (level) {
			ret = !(s->irr & bit);
			s->irr |= bit;
		} else {
			s->irr &= ~bit;
		}
	} else if (level && !(s->last_irr & bit)) {
		ret = !(s->irr & bit);
		s->irr |= bit;
	} else if (level) {
		ret = 0;
	}
	if (level)
		s->last_irr |= bit;
	else
		s->last_irr &= ~bit;
	return ret;
}

/**
 * pic_set_pin() - drive one input on behalf of one source
 * @pic: the pair
 * @pin: 0 to 15
 * @source: IRQ_SOURCE_*; the line is high while any source holds it
 * @level: the source's level
 *
 * Context: any.
 *
 * Return: > 0: posted, or the source let go; 0: coalesced; -1: masked.
 */
int pic_set_pin(struct pic *pic, unsigned int pin, int source, bool level)
{
	struct kvm_pic_state *s = &pic->half[pin >> 3];
	u8 bit = BIT(pin & 7);
	unsigned long flags;
	bool rose;
	int ret;

	raw_spin_lock_irqsave(&pic->lock, flags);
	if (level)
		pic->sources[pin] |= BIT(source);
	else
		pic->sources[pin] &= ~BIT(source);
	ret = half_set_line(s, bit, pic->sources[pin]);
	if (s->imr & bit)
		ret = -1;
	rose = pic_update(pic);
	raw_spin_unlock_irqrestore(&pic->lock, flags);
	pic_after(pic, rose, 0);
	return ret;
}
EXPORT_FOR_TEST(pic_set_pin);

/* One half answers INTA or a poll; lock held. acked: lines whose EOI was automatic. */
static int pic_take(struct pic *pic, unsigned int half, unsigned long *acked)
{
	int line = half_pending(pic, half);

	if (line < 0)
		return -1;
	half_acknowledge(&pic->half[half], line);
	if (pic->half[half].auto_eoi && (half || line != CASCADE))
		*acked |= BIT(half * 8 + line);
	return line;
}

/**
 * pic_acknowledge() - the processor takes the interrupt (INTA)
 * @pic: the pair
 *
 * Context: any.
 *
 * Return: the vector, -1: the line has fallen meanwhile.
 */
int pic_acknowledge(struct pic *pic)
{
	unsigned long flags, acked = 0;
	int line, vector = -1;
	bool rose;

	raw_spin_lock_irqsave(&pic->lock, flags);
	line = pic_take(pic, 0, &acked);
	if (line == CASCADE) {
		line = pic_take(pic, 1, &acked);
		vector = pic->half[1].irq_base + (line < 0 ? 7 : line);
	} else if (line >= 0) {
		vector = pic->half[0].irq_base + line;
	}
	rose = pic_update(pic);
	raw_spin_unlock_irqrestore(&pic->lock, flags);
	pic_after(pic, rose, acked);
	return vector;
}
EXPORT_FOR_TEST(pic_acknowledge);

/* ---- ports ---- */

static void half_init(struct kvm_pic_state *s, u8 icw1)
{
	s->init4 = icw1 & 1;
	s->init_state = 1;
	s->last_irr = 0;
	s->irr &= s->elcr;
	s->imr = 0;
	s->isr = 0;
	s->priority_add = 0;
	s->special_mask = 0;
	s->read_reg_select = 0;
	s->poll = 0;
	if (!s->init4) {
		s->special_fully_nested_mode = 0;
		s->auto_eoi = 0;
	}
	s->rotate_on_auto_eoi = 0;
}

/* OCW2: end of interrupt and rotation. Returns the lines whose service has ended. */
static u8 half_eoi(struct kvm_pic_state *s, u8 val)
{
	u8 busy = s->special_mask ? s->isr & ~s->imr : s->isr;
	unsigned int line = val & 7;
	bool rotate = val & 0x80;

	switch (val >> 5 & 3) {
	case 0:	/* rotation in automatic EOI mode on or off */
		s->rotate_on_auto_eoi = rotate;
		return 0;
	case 1:	/* non-specific EOI */
		line = first_prio(busy, s->priority_add);
		if (line == 8)
			return 0;
		line = (line + s->priority_add) & 7;
		break;
	case 2:	/* set priority, or no operation */
		if (rotate)
			s->priority_add = (line + 1) & 7;
		return 0;
	}
	s->isr &= ~BIT(line);
	if (rotate)
		s->priority_add = (line + 1) & 7;
	return BIT(line);
}

static u8 half_write_command(struct kvm_pic_state *s, u8 val)
{
	if (val & 0x10) {
		half_init(s, val);
		return 0;
	}
	if (!(val & 0x08))
		return half_eoi(s, val);
	if (val & 0x04)
		s->poll = 1;
	else if (val & 0x02)
		s->read_reg_select = val & 1;
	if (val & 0x40)
		s->special_mask = val >> 5 & 1;
	return 0;
}

/* Returns the lines that were unmasked. */
static u8 half_write_data(struct kvm_pic_state *s, u8 val)
{
	u8 unmasked = 0;

	switch (s->init_state) {
	case 0:
		unmasked = s->imr & ~val;
		s->imr = val;
		break;
	case 1:
		s->irq_base = val & 0xf8;
		s->init_state = 2;
		break;
	case 2:	/* ICW3: who is wired where is known */
		s->init_state = s->init4 ? 3 : 0;
		break;
	case 3:
		s->special_fully_nested_mode = val >> 4 & 1;
		s->auto_eoi = val >> 1 & 1;
		s->init_state = 0;
		break;
	}
	return unmasked;
}

/**
 * pic_port_write() - the guest writes a port of the pair
 * @pic: the pair
 * @port: 0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1
 * @val: value
 */
void pic_port_write(struct pic *pic, u16 port, u8 val)
{
	unsigned int half = port >> 8 ? port & 1 : port >> 7 & 1;
	struct kvm_pic_state *s = &pic->half[half];
	unsigned long flags, acked = 0, unmasked = 0;
	unsigned int line;
	bool rose;

	raw_spin_lock_irqsave(&pic->lock, flags);
	if (port >> 8)
		s->elcr = val & s->elcr_mask;
	else if (port & 1)
		unmasked = half_write_data(s, val);
	else
		acked = half_write_command(s, val);
	rose = pic_update(pic);
	raw_spin_unlock_irqrestore(&pic->lock, flags);
	if (!half)
		acked &= ~BIT(CASCADE);
	pic_after(pic, rose, acked << (half * 8));
	for_each_set_bit(line, &unmasked, 8)
		irq_notify_unmask(pic->vm, half, line);
}
EXPORT_FOR_TEST(pic_port_write);

/**
 * pic_port_read() - the guest reads a port of the pair
 * @pic: the pair
 * @port: as pic_port_write()
 *
 * Return: the value; a poll (OCW3) acknowledges.
 */
u8 pic_port_read(struct pic *pic, u16 port)
{
	unsigned int half = port >> 8 ? port & 1 : port >> 7 & 1;
	struct kvm_pic_state *s = &pic->half[half];
	unsigned long flags, acked = 0;
	bool rose = false;
	int line;
	u8 val;

	raw_spin_lock_irqsave(&pic->lock, flags);
	if (port >> 8) {
		val = s->elcr;
	} else if (s->poll) {
		s->poll = 0;
		line = pic_take(pic, half, &acked);
		val = line < 0 ? 7 : 0x80 | line;
		rose = pic_update(pic);
	} else if (port & 1) {
		val = s->imr;
	} else {
		val = s->read_reg_select ? s->isr : s->irr;
	}
	raw_spin_unlock_irqrestore(&pic->lock, flags);
	pic_after(pic, rose, acked);
	return val;
}
EXPORT_FOR_TEST(pic_port_read);

static int pic_bus_read(struct vcpu *vcpu, struct bus_device *dev, gpa_t addr, int len, void *val)
{
	/* Found by the name of the room, as three ranges share one device. */
	struct pic *pic = vcpu->vm->irq.pic;

	memset(val, 0xff, len);
	if (len == 1)
		*(u8 *)val = pic_port_read(pic, addr);
	return 0;
}

static int pic_bus_write(struct vcpu *vcpu, struct bus_device *dev, gpa_t addr, int len,
			 const void *val)
{
	if (len == 1)
		pic_port_write(vcpu->vm->irq.pic, addr, *(const u8 *)val);
	return 0;
}

static const struct bus_ops pic_ops = {
	.read = pic_bus_read,
	.write = pic_bus_write,
};

/* ---- lifetime and state ---- */

/**
 * pic_alloc() - a pair after power-on, on no bus yet
 * @vm: the VM
 *
 * Return: NULL without memory.
 */
struct pic *pic_alloc(struct vmm *vm)
{
	static const u16 ports[] = { 0x20, 0xa0, 0x4d0 };
	struct pic *pic = kzalloc(sizeof(*pic), GFP_KERNEL_ACCOUNT);
	unsigned int i;

	if (!pic)
		return NULL;
	raw_spin_lock_init(&pic->lock);
	pic->vm = vm;
	pic->half[0].elcr_mask = ELCR_MASTER;
	pic->half[1].elcr_mask = ELCR_SLAVE;
	for (i = 0; i < ARRAY_SIZE(ports); i++) {
		pic->dev[i].ops = &pic_ops;
		pic->dev[i].addr = ports[i];
		pic->dev[i].len = 2;
	}
	return pic;
}

/**
 * pic_get() - KVM_GET_IRQCHIP
 * @pic: the pair
 * @half: 0 master, 1 slave
 * @out: filled in
 */
void pic_get(struct pic *pic, unsigned int half, struct kvm_pic_state *out)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&pic->lock, flags);
	*out = pic->half[half];
	raw_spin_unlock_irqrestore(&pic->lock, flags);
}

/**
 * pic_set() - KVM_SET_IRQCHIP
 * @pic: the pair
 * @half: 0 master, 1 slave
 * @in: new state; what no controller can hold is cut off
 */
void pic_set(struct pic *pic, unsigned int half, struct kvm_pic_state *in)
{
	struct kvm_pic_state s = *in;
	unsigned long flags;
	bool rose;

	s.elcr_mask = half ? ELCR_SLAVE : ELCR_MASTER;
	s.elcr &= s.elcr_mask;
	s.priority_add &= 7;
	s.irq_base &= 0xf8;
	s.init_state &= 3;
	raw_spin_lock_irqsave(&pic->lock, flags);
	pic->half[half] = s;
	rose = pic_update(pic);
	raw_spin_unlock_irqrestore(&pic->lock, flags);
	pic_after(pic, rose, 0);
}
