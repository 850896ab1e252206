// SPDX-License-Identifier: GPL-2.0
/*
 * The 8254 timer and the system port that gates its third channel (8254 datasheet).
 *
 * Counting is not simulated: a channel knows when its count was loaded, and what it shows follows
 * from the time since. A new count takes effect at once also in modes 2 and 3. Channel 0 drives
 * GSI 0 by an hrtimer whose callback pulses the line itself. With reinjection, pulses that the
 * guest had not taken up yet when the next one came are made up for at its EOIs.
 */
#include <linux/bcd.h>
#include <linux/math64.h>
#include <linux/slab.h>
#include "chips.h"

#define PORT_COUNTER0	0x40
#define PORT_CONTROL	0x43
#define PORT_SYSTEM	0x61	/* bits 0 gate 2, 1 speaker, 4 refresh toggle, 5 output 2 */
#define REFRESH_NS	15085
#define MISSED_MAX	1000	/* ticks that are made up for, at most */

/* Which byte comes next: of channel.read_state, write_state, count_latched. */
enum { RW_LSB = 1, RW_MSB, RW_WORD0, RW_WORD1 };

/* ---- counting ---- */

static u64 channel_ticks(const struct kvm_pit_channel_state *ch)
{
	s64 ns = ktime_get_ns() - ch->count_load_time;

	return ns <= 0 ? 0 : mul_u64_u32_div(ns, PIT_HZ, NSEC_PER_SEC);
}

static u16 to_bcd4(u32 n)
{
	return bin2bcd(n / 100 % 100) << 8 | bin2bcd(n % 100);
}

/**
 * pit_channel_count() - what a channel's counter holds
 * @ch: the channel; its count is 1 to 65536
 * @ticks: since the count was loaded
 *
 * Return: the counter, in BCD where the channel counts so.
 */
u16 pit_channel_count(const struct kvm_pit_channel_state *ch, u64 ticks)
{
	u32 wrap = ch->bcd ? 10000 : 65536;
	u32 count = ch->count;
	u64 left;

	switch (ch->mode) {
	case 2:
		left = count - ticks % count;
		break;
	case 3:	/* counts by two */
		left = count - (2 * ticks) % count;
		break;
	default: /* goes on through zero */
		left = count + wrap - ticks % wrap;
	}
	left %= wrap;
	return ch->bcd ? to_bcd4(left) : left;
}
EXPORT_FOR_TEST(pit_channel_count);

/**
 * pit_channel_out() - level of a channel's output
 * @ch: the channel
 * @ticks: since the count was loaded
 */
bool pit_channel_out(const struct kvm_pit_channel_state *ch, u64 ticks)
{
	u32 count = ch->count;

	switch (ch->mode) {
	case 0:
	case 1:	/* no trigger has come: the gates of 0 and 1 are wired high */
		return ticks >= count;
	case 2:	/* low for the last tick */
		return ticks % count != count - 1;
	case 3:
		return ticks % count < (count + 1) / 2;
	default: /* low for the tick at zero */
		return ticks != count;
	}
}
EXPORT_FOR_TEST(pit_channel_out);

/* ---- the tick of channel 0 ---- */

static int pit_pulse(struct pit *pit)
{
	int ret = irq_set_gsi(pit->vm, 0, IRQ_SOURCE_PIT, true);

	irq_set_gsi(pit->vm, 0, IRQ_SOURCE_PIT, false);
	return ret;
}

static void pit_miss(struct pit *pit, u64 ticks)
{
	if (!READ_ONCE(pit->reinject))
		return;
	ticks = min_t(u64, ticks, MISSED_MAX);
	if (atomic_read(&pit->missed) <= MISSED_MAX - (int)ticks)
		atomic_add(ticks, &pit->missed);
}

static enum hrtimer_restart pit_timer_fn(struct hrtimer *timer)
{
	struct pit *pit = container_of(timer, struct pit, timer);
	u64 missed = 0;

	if (pit->period_ns)
		missed = hrtimer_forward(timer, hrtimer_cb_get_time(timer), pit->period_ns) - 1;
	if (!pit_pulse(pit))
		missed++;
	if (missed)
		pit_miss(pit, missed);
	return pit->period_ns ? HRTIMER_RESTART : HRTIMER_NORESTART;
}

/**
 * pit_ack() - the guest has taken a tick: make up for a missed one
 * @pit: the timer
 *
 * Context: any.
 */
void pit_ack(struct pit *pit)
{
	if (atomic_read(&pit->missed) && atomic_dec_if_positive(&pit->missed) >= 0 &&
	    !pit_pulse(pit))
		pit_miss(pit, 1);
}

/* Start or stop the tick as channel 0 now stands; lock held. */
static void pit_restart(struct pit *pit)
{
	const struct kvm_pit_channel_state *ch = &pit->ch[0];
	u64 ns = mul_u64_u32_div(ch->count, NSEC_PER_SEC, PIT_HZ);
	bool periodic = ch->mode == 2 || ch->mode == 3;

	/* The callback never takes pit->lock. */
	hrtimer_cancel(&pit->timer);
	atomic_set(&pit->missed, 0);
	/* Modes 1 and 5 wait for a trigger at a gate that is wired high. */
	if (pit->stopped || pit->flags & KVM_PIT_FLAGS_HPET_LEGACY ||
	    ch->mode == 1 || ch->mode == 5)
		return;
	if (periodic)
		ns = max_t(u64, ns, (u64)READ_ONCE(min_timer_period_us) * NSEC_PER_USEC);
	pit->period_ns = periodic ? ns : 0;
	hrtimer_start(&pit->timer, ktime_add_ns(ch->count_load_time, ns), HRTIMER_MODE_ABS_HARD);
}

/* ---- registers; lock held ---- */

static void channel_load(struct pit *pit, unsigned int nr, u16 val)
{
	struct kvm_pit_channel_state *ch = &pit->ch[nr];

	if (ch->bcd)
		ch->count = (bcd2bin(val >> 8) * 100 + bcd2bin(val & 0xff)) % 10000 ?: 10000;
	else
		ch->count = val ?: 65536;
	ch->count_load_time = ktime_get_ns();
	if (!nr)
		pit_restart(pit);
}

static void channel_latch_count(struct kvm_pit_channel_state *ch)
{
	if (ch->count_latched)
		return;
	ch->latched_count = pit_channel_count(ch, channel_ticks(ch));
	ch->count_latched = ch->rw_mode;
}

static void channel_latch_status(struct kvm_pit_channel_state *ch)
{
	if (ch->status_latched)
		return;
	ch->status = pit_channel_out(ch, channel_ticks(ch)) << 7 | ch->rw_mode << 4 |
		     ch->mode << 1 | ch->bcd;
	ch->status_latched = 1;
}

static void pit_read_back(struct pit *pit, u8 val)
{
	unsigned int nr;

	for (nr = 0; nr < 3; nr++) {
		if (!(val & 2 << nr))
			continue;
		if (!(val & 0x20))
			channel_latch_count(&pit->ch[nr]);
		if (!(val & 0x10))
			channel_latch_status(&pit->ch[nr]);
	}
}

static void pit_write_control(struct pit *pit, u8 val)
{
	unsigned int nr = val >> 6, access = val >> 4 & 3;
	struct kvm_pit_channel_state *ch;

	if (nr == 3) {
		pit_read_back(pit, val);
		return;
	}
	ch = &pit->ch[nr];
	if (!access) {
		channel_latch_count(ch);
		return;
	}
	ch->rw_mode = access;
	ch->read_state = access;
	ch->write_state = access;
	ch->count_latched = 0;
	ch->status_latched = 0;
	ch->mode = val >> 1 & 7;
	if (ch->mode > 5)	/* the upper bit of modes 2 and 3 does not matter */
		ch->mode -= 4;
	ch->bcd = val & 1;
	/* The channel stands still until a count is loaded. */
	if (!nr)
		hrtimer_cancel(&pit->timer);
}

static void channel_write(struct pit *pit, unsigned int nr, u8 val)
{
	struct kvm_pit_channel_state *ch = &pit->ch[nr];

	u8 state = ch->write_state;

	if (state == RW_WORD0) {
		ch->write_latch = val;
		ch->write_state = RW_WORD1;
		return;
	}
	if (state == RW_WORD1)
		ch->write_state = RW_WORD0;
	channel_load(pit, nr, state == RW_LSB ? val : val << 8 |
		     (state == RW_WORD1 ? ch->write_latch : 0));
}

static u8 channel_read(struct kvm_pit_channel_state *ch)
{
	u8 state = ch->count_latched;
	u16 count;

	if (ch->status_latched) {
		ch->status_latched = 0;
		return ch->status;
	}
	if (state) {
		count = ch->latched_count;
		ch->count_latched = state == RW_WORD0 ? RW_MSB : 0;
	} else {
		count = pit_channel_count(ch, channel_ticks(ch));
		state = ch->read_state;
		if (state >= RW_WORD0)
			ch->read_state = state ^ RW_WORD0 ^ RW_WORD1;
	}
	return state == RW_MSB || state == RW_WORD1 ? count >> 8 : count;
}

static void pit_write_system(struct pit *pit, u8 val)
{
	struct kvm_pit_channel_state *ch = &pit->ch[2];

	pit->speaker = val & 2;
	/* A rising gate starts the modes that need one, and starts the others over. */
	if (val & 1 && !ch->gate && ch->mode != 0 && ch->mode != 4)
		ch->count_load_time = ktime_get_ns();
	ch->gate = val & 1;
}

static u8 pit_read_system(struct pit *pit)
{
	const struct kvm_pit_channel_state *ch = &pit->ch[2];
	bool refresh = ktime_divns(ktime_get(), REFRESH_NS) & 1;

	return ch->gate | pit->speaker << 1 | refresh << 4 |
	       pit_channel_out(ch, channel_ticks(ch)) << 5;
}

/**
 * pit_port_write() - the guest writes a port
 * @pit: the timer
 * @port: 0x40 to 0x43, 0x61
 * @val: value
 */
void pit_port_write(struct pit *pit, u16 port, u8 val)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&pit->lock, flags);
	if (port == PORT_SYSTEM)
		pit_write_system(pit, val);
	else if (port == PORT_CONTROL)
		pit_write_control(pit, val);
	else
		channel_write(pit, port & 3, val);
	raw_spin_unlock_irqrestore(&pit->lock, flags);
}
EXPORT_FOR_TEST(pit_port_write);

/**
 * pit_port_read() - the guest reads a port
 * @pit: the timer
 * @port: 0x40 to 0x43, 0x61
 *
 * Return: the value; 0 for the control word, which cannot be read.
 */
u8 pit_port_read(struct pit *pit, u16 port)
{
	unsigned long flags;
	u8 val = 0;

	raw_spin_lock_irqsave(&pit->lock, flags);
	if (port == PORT_SYSTEM)
		val = pit_read_system(pit);
	else if (port != PORT_CONTROL)
		val = channel_read(&pit->ch[port & 3]);
	raw_spin_unlock_irqrestore(&pit->lock, flags);
	return val;
}
EXPORT_FOR_TEST(pit_port_read);

/* Guests may be asking before irq.pit is set. */
static struct pit *pit_of(struct bus_device *dev)
{
	return dev->addr == PORT_SYSTEM ? container_of(dev, struct pit, speaker_dev)
					: container_of(dev, struct pit, dev);
}

static int pit_bus_read(struct vcpu *vcpu, struct bus_device *dev, gpa_t addr, int len, void *val)
{
	memset(val, 0xff, len);
	if (len == 1)
		*(u8 *)val = pit_port_read(pit_of(dev), addr);
	return 0;
}

static int pit_bus_write(struct vcpu *vcpu, struct bus_device *dev, gpa_t addr, int len,
			 const void *val)
{
	if (len == 1)
		pit_port_write(pit_of(dev), addr, *(const u8 *)val);
	return 0;
}

static const struct bus_ops pit_ops = {
	.read = pit_bus_read,
	.write = pit_bus_write,
};

/* ---- lifetime and state ---- */

/**
 * pit_alloc() - a timer after power-on, on no bus yet
 * @vm: the VM
 *
 * Return: NULL without memory.
 */
struct pit *pit_alloc(struct vmm *vm)
{
	struct pit *pit = kzalloc(sizeof(*pit), GFP_KERNEL_ACCOUNT);
	unsigned int nr;

	if (!pit)
		return NULL;
	raw_spin_lock_init(&pit->lock);
	pit->vm = vm;
	pit->reinject = true;
	for (nr = 0; nr < 3; nr++) {
		pit->ch[nr].mode = 3;
		pit->ch[nr].count = 65536;
		pit->ch[nr].gate = nr != 2;
		pit->ch[nr].rw_mode = RW_WORD0;
		pit->ch[nr].read_state = RW_WORD0;
		pit->ch[nr].write_state = RW_WORD0;
		pit->ch[nr].count_load_time = ktime_get_ns();
	}
	compat_hrtimer_setup(&pit->timer, pit_timer_fn, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_HARD);
	pit->dev = (struct bus_device){ .ops = &pit_ops, .addr = PORT_COUNTER0, .len = 4 };
	pit->speaker_dev = (struct bus_device){ .ops = &pit_ops, .addr = PORT_SYSTEM, .len = 1 };
	return pit;
}

/**
 * pit_release() - its timer is off and stays off
 * @pit: the timer
 */
void pit_release(struct pit *pit)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&pit->lock, flags);
	pit->stopped = true;
	hrtimer_cancel(&pit->timer);
	raw_spin_unlock_irqrestore(&pit->lock, flags);
}
EXPORT_FOR_TEST(pit_release);

static int pit_register(struct pit *pit, bool speaker)
{
	struct vmm *vm = pit->vm;
	int ret;

	mutex_lock(&vm->mem.slots_lock);
	ret = bus_add(vm, BUS_PIO, &pit->dev);
	if (!ret && speaker)
		ret = bus_add(vm, BUS_PIO, &pit->speaker_dev);
	if (ret)
		bus_remove(vm, BUS_PIO, &pit->dev);
	else	/* Guests may already run: their EOIs find it here, complete. */
		smp_store_release(&vm->irq.pit, pit);
	mutex_unlock(&vm->mem.slots_lock);
	return ret;
}

/**
 * pit_create() - KVM_CREATE_PIT2
 * @vm: the VM; vm->lock is held, takes slots_lock; may sleep
 * @config: flags: KVM_PIT_SPEAKER_DUMMY: port 0x61 is served too
 *
 * Return: 0; -EEXIST: there is one; -ENOENT: no PIC in the kernel; -EINVAL: flags; -ENOMEM.
 */
int pit_create(struct vmm *vm, const struct kvm_pit_config *config)
{
	struct pit *pit;
	int ret;

	if (vm->irq.pit)
		return -EEXIST;
	if (vm->irq.mode != IRQCHIP_KERNEL)
		return -ENOENT;
	if (config->flags & ~KVM_PIT_SPEAKER_DUMMY)
		return -EINVAL;
	pit = pit_alloc(vm);
	if (!pit)
		return -ENOMEM;
	ret = pit_register(pit, config->flags & KVM_PIT_SPEAKER_DUMMY);
	if (ret) {
		/* A guest may have found it meanwhile, and started its timer. */
		pit_release(pit);
		kfree(pit);
		return ret;
	}
	ioapic_scan(vm->irq.ioapic);
	return 0;
}
EXPORT_FOR_TEST(pit_create);

/**
 * pit_get() - KVM_GET_PIT2
 * @vm: the VM
 * @state: filled in
 *
 * Return: 0; -ENXIO: no PIT.
 */
int pit_get(struct vmm *vm, struct kvm_pit_state2 *state)
{
	struct pit *pit = READ_ONCE(vm->irq.pit);
	unsigned long flags;

	if (!pit)
		return -ENXIO;
	memset(state, 0, sizeof(*state));
	raw_spin_lock_irqsave(&pit->lock, flags);
	memcpy(state->channels, pit->ch, sizeof(state->channels));
	state->flags = pit->flags | (pit->speaker ? KVM_PIT_FLAGS_SPEAKER_DATA_ON : 0);
	raw_spin_unlock_irqrestore(&pit->lock, flags);
	return 0;
}
EXPORT_FOR_TEST(pit_get);

/* What no channel can hold becomes something that one can. */
static void channel_sanitize(struct kvm_pit_channel_state *ch)
{
	u32 max = ch->bcd ? 10000 : 65536;

	ch->bcd &= 1;
	ch->gate &= 1;
	if (!ch->count || ch->count > max)
		ch->count = max;
	if (ch->mode > 5)
		ch->mode &= 3;
	if (ch->rw_mode < RW_LSB || ch->rw_mode > RW_WORD0)
		ch->rw_mode = RW_WORD0;
	if (ch->read_state < RW_LSB || ch->read_state > RW_WORD1)
		ch->read_state = ch->rw_mode;
	if (ch->write_state < RW_LSB || ch->write_state > RW_WORD1)
		ch->write_state = ch->rw_mode;
	if (ch->count_latched > RW_WORD0)
		ch->count_latched = 0;
}

/**
 * pit_set() - KVM_SET_PIT2
 * @vm: the VM
 * @state: new state; channel 0 starts its count over
 *
 * Return: 0; -ENXIO: no PIT.
 */
int pit_set(struct vmm *vm, const struct kvm_pit_state2 *state)
{
	struct pit *pit = READ_ONCE(vm->irq.pit);
	unsigned long flags;
	unsigned int nr;

	if (!pit)
		return -ENXIO;
	raw_spin_lock_irqsave(&pit->lock, flags);
	memcpy(pit->ch, state->channels, sizeof(pit->ch));
	for (nr = 0; nr < 3; nr++)
		channel_sanitize(&pit->ch[nr]);
	pit->flags = state->flags & KVM_PIT_FLAGS_HPET_LEGACY;
	pit->speaker = state->flags & KVM_PIT_FLAGS_SPEAKER_DATA_ON;
	pit->ch[0].count_load_time = ktime_get_ns();
	pit_restart(pit);
	raw_spin_unlock_irqrestore(&pit->lock, flags);
	return 0;
}
EXPORT_FOR_TEST(pit_set);

/**
 * pit_reinject() - KVM_REINJECT_CONTROL
 * @vm: the VM
 * @ctl: pit_reinject: are missed ticks made up for?
 *
 * Return: 0; -ENXIO: no PIT.
 */
int pit_reinject(struct vmm *vm, const struct kvm_reinject_control *ctl)
{
	struct pit *pit = READ_ONCE(vm->irq.pit);

	if (!pit)
		return -ENXIO;
	WRITE_ONCE(pit->reinject, ctl->pit_reinject);
	atomic_set(&pit->missed, 0);
	return 0;
}
EXPORT_FOR_TEST(pit_reinject);
