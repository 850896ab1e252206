/* SPDX-License-Identifier: GPL-2.0 */
/* PIC, IOAPIC and PIT of one VM, private to irq/ and its tests. Lock order: see irqchip.c. */
#ifndef VMM_IRQ_CHIPS_H
#define VMM_IRQ_CHIPS_H

#include <linux/hrtimer.h>
#include <linux/workqueue.h>
#include "../vmm.h"

extern unsigned int min_timer_period_us;

/* ---- routing.c ---- */
int irq_set_default_routes(struct vmm *vm);
void irq_free_routes(struct vmm *vm);
/* Split irqchip: is there a level-triggered message route with this vector for the I/O APIC? */
bool irq_route_has_vector(struct vmm *vm, u8 vector);
/* The GSI that drives a pin, IRQ_MAX_ROUTES: none; any context. chip: KVM_IRQCHIP_* */
u32 irq_pin_gsi(struct vmm *vm, unsigned int chip, unsigned int pin);
/* A pin was unmasked: what its device has kept back is not delivered now. Any context. */
void irq_notify_unmask(struct vmm *vm, unsigned int chip, unsigned int pin);

/* ---- irqfd.c, ioeventfd.c ---- */
void irqfd_vm_release(struct vmm *vm);
void irqfd_resample(struct vmm *vm, u32 gsi);
void ioeventfd_vm_destroy(struct vmm *vm);

/* ---- pic.c ---- */

/**
 * struct pic - the pair of 8259A
 * @lock: guards all; raw, interrupts off
 * @vm: its VM
 * @half: registers, in KVM's layout; 0 is the master
 * @sources: BIT(IRQ_SOURCE_*) that hold a line high
 * @output: level of the master's INT line; read without the lock
 * @dev: its ranges on the port bus
 */
struct pic {
	raw_spinlock_t lock;
	struct vmm *vm;
	struct kvm_pic_state half[2];
	u8 sources[16];
	bool output;
	struct bus_device dev[3];
};

struct pic *pic_alloc(struct vmm *vm);
int pic_set_pin(struct pic *pic, unsigned int pin, int source, bool level);
int pic_acknowledge(struct pic *pic);
void pic_port_write(struct pic *pic, u16 port, u8 val);
u8 pic_port_read(struct pic *pic, u16 port);
void pic_get(struct pic *pic, unsigned int half, struct kvm_pic_state *out);
void pic_set(struct pic *pic, unsigned int half, struct kvm_pic_state *in);

/* ---- ioapic.c ---- */

/* Redirection table entry (82093AA, 3.2.4). */
#define RTE_VECTOR	0xffull
#define RTE_DELIVERY	(7ull << 8)
#define RTE_LOGICAL	BIT_ULL(11)
#define RTE_PENDING	BIT_ULL(12)	/* delivery status, read-only */
#define RTE_POLARITY	BIT_ULL(13)
#define RTE_REMOTE_IRR	BIT_ULL(14)	/* read-only */
#define RTE_LEVEL	BIT_ULL(15)
#define RTE_MASKED	BIT_ULL(16)
#define RTE_DEST_SHIFT	56

/**
 * struct ioapic - the I/O APIC
 * @lock: guards all; raw, interrupts off
 * @vm: its VM
 * @base: as user space set it (KVM_SET_IRQCHIP); it answers at the default address only
 * @select: IOREGSEL
 * @id: IOAPICID, bits 27:24
 * @irr: level of each input, all sources OR'ed
 * @rte: redirection table
 * @sources: BIT(IRQ_SOURCE_*) that hold a line high
 * @eoi_vectors: vectors whose EOI somebody here must hear of; read without the lock
 * @redelivered: successive re-deliveries of a level line at EOI, per pin
 * @delayed: pins whose re-delivery waits for @work
 * @stopped: the VM is going, @work is not started any more
 * @work: the delayed re-delivery
 * @dev: its page on the memory bus
 */
struct ioapic {
	raw_spinlock_t lock;
	struct vmm *vm;
	u64 base;
	u32 select;
	u32 id;
	u32 irr;
	u64 rte[IOAPIC_PINS];
	u8 sources[IOAPIC_PINS];
	DECLARE_BITMAP(eoi_vectors, 256);
	u16 redelivered[IOAPIC_PINS];
	u32 delayed;
	bool stopped;
	struct delayed_work work;
	struct bus_device dev;
};

struct ioapic *ioapic_alloc(struct vmm *vm);
void ioapic_release(struct ioapic *ioapic);
int ioapic_set_pin(struct ioapic *ioapic, unsigned int pin, int source, bool level);
void ioapic_eoi(struct ioapic *ioapic, u8 vector);
void ioapic_scan(struct ioapic *ioapic);
u32 ioapic_reg_read(struct ioapic *ioapic, u32 off);
void ioapic_reg_write(struct ioapic *ioapic, u32 off, u32 val);
void ioapic_get(struct ioapic *ioapic, struct kvm_ioapic_state *out);
void ioapic_set(struct ioapic *ioapic, struct kvm_ioapic_state *in);

/* ---- pit.c ---- */
#define PIT_HZ		1193182

/**
 * struct pit - the 8254, with the system port that gates its third channel
 * @lock: guards ch, flags, speaker; raw, interrupts off
 * @vm: its VM
 * @ch: the channels, in KVM's layout
 * @flags: KVM_PIT_FLAGS_HPET_LEGACY
 * @speaker: bit 1 of port 0x61
 * @reinject: missed ticks are made up for
 * @missed: ticks that the guest has not got yet (reinjection)
 * @period_ns: of the tick of channel 0, 0: one shot
 * @stopped: the VM is going, the timer stays off
 * @timer: the tick
 * @dev: ports 0x40 to 0x43
 * @speaker_dev: port 0x61
 */
struct pit {
	raw_spinlock_t lock;
	struct vmm *vm;
	struct kvm_pit_channel_state ch[3];
	u32 flags;
	bool speaker;
	bool reinject;
	bool stopped;
	atomic_t missed;
	u64 period_ns;
	struct hrtimer timer;
	struct bus_device dev, speaker_dev;
};

struct pit *pit_alloc(struct vmm *vm);
void pit_release(struct pit *pit);
void pit_ack(struct pit *pit);
/* Count and output of a channel, ticks of PIT_HZ after its count was loaded. */
u16 pit_channel_count(const struct kvm_pit_channel_state *ch, u64 ticks);
bool pit_channel_out(const struct kvm_pit_channel_state *ch, u64 ticks);
void pit_port_write(struct pit *pit, u16 port, u8 val);
u8 pit_port_read(struct pit *pit, u16 port);

#endif /* VMM_IRQ_CHIPS_H */
