/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Interrupt controllers and the ways into them. Everything that an exit or an eventfd can reach
 * runs without sleeping: state under raw spinlocks (inner to nothing but vcpu_wake/kick), routing
 * under RCU, IRR/ISR of the APIC by atomic bit operations.
 */
#ifndef VMM_IRQ_H
#define VMM_IRQ_H

#include <linux/kvm.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include "../types.h"

struct pic;
struct ioapic;
struct pit;
struct lapic;
struct posted_irqs;
struct irq_routes;

#define IRQ_MAX_ROUTES		4096
#define IOAPIC_PINS		24
#define IRQ_SOURCE_USER		0	/* KVM_IRQ_LINE */
#define IRQ_SOURCE_PIT		1
#define IRQ_SOURCE_RESAMPLE	2

enum irqchip_mode { IRQCHIP_NONE, IRQCHIP_KERNEL, IRQCHIP_SPLIT };

struct irqchip {
	int mode;			/* [l] enum irqchip_mode, set once before vCPUs exist */
	struct mutex lock;		/* irq_lock: routes, irqfds */
	struct irq_routes __rcu *routes;
	struct pic *pic;
	struct ioapic *ioapic;
	struct pit *pit;
	struct list_head irqfds;	/* under lock */
	struct list_head resamplers;	/* under lock, readers by RCU */
	struct list_head ioeventfds;	/* under mem.slots_lock */
	struct lapic_map __rcu *map;	/* destinations: physical and logical ids to vCPUs */
	struct mutex map_lock;
	u32 split_pins;		/* routes that belong to user space's I/O APIC */
	struct page *access_page; /* [c] mapped where a virtualized xAPIC's registers are */
};

/**
 * struct vapic - the TPR of a guest that has no CR8 (vapic.c)
 * @addr: guest physical address of the word that it keeps its TPR in, 0: none
 * @tpr: what the word held before the last entry
 * @report: accesses to the TPR of the xAPIC page end KVM_RUN
 * @written: the last one was a write
 * @rip: by the instruction here
 */
struct vapic {
	gpa_t addr;
	u8 tpr;
	bool report, written;
	u64 rip;
};

/* struct irq_msg - one interrupt message, as in an ICR or an MSI */
struct irq_msg {
	u32 dest;
	u8 vector;
	u8 delivery;		/* 0 fixed, 1 lowest, 2 SMI, 4 NMI, 5 INIT, 6 SIPI, 7 ExtINT */
	bool logical;
	bool level;
	bool assert;
	u8 shorthand;		/* 0 none, 1 self, 2 all, 3 all but self */
};

/* ---- irqchip lifetime (irqchip.c) ---- */
void irq_vm_init(struct vmm *vm);
/* The VM fd is gone: eventfds and timers off, before vCPUs go. */
void irq_vm_release(struct vmm *vm);
void irq_vm_destroy(struct vmm *vm);
int irqchip_create(struct vmm *vm);			/* vm->lock; -EEXIST, -EINVAL */
int irqchip_split(struct vmm *vm, u32 pins);		/* KVM_CAP_SPLIT_IRQCHIP */
int irqchip_state(struct vmm *vm, struct kvm_irqchip *chip, bool set); /* -ENXIO, -EINVAL */
static inline bool irqchip_in_kernel(const struct irqchip *irq)
{
	return READ_ONCE(irq->mode) != IRQCHIP_NONE;
}

/* The PIC is in user space: its interrupts come by KVM_INTERRUPT. */
static inline bool irqchip_user_pic(const struct irqchip *irq)
{
	return READ_ONCE(irq->mode) != IRQCHIP_KERNEL;
}

/* ---- pit.c ---- */
int pit_create(struct vmm *vm, const struct kvm_pit_config *config);	/* -EEXIST, -ENOENT */
int pit_get(struct vmm *vm, struct kvm_pit_state2 *state);	/* -ENXIO */
int pit_set(struct vmm *vm, const struct kvm_pit_state2 *state);
int pit_reinject(struct vmm *vm, const struct kvm_reinject_control *ctl);

/* ---- routing.c ---- */
int irq_set_routing(struct vmm *vm, const struct kvm_irq_routing_entry *e, u32 n, u32 flags);
/* Drive a GSI. <0: no such GSI, 0: coalesced, >0: number of vCPUs that got it. Any context. */
int irq_set_gsi(struct vmm *vm, u32 gsi, int source, bool level);
int irq_send_msi(struct vmm *vm, const struct kvm_msi *msi);	/* likewise; -EINVAL */
int irq_deliver(struct vmm *vm, struct vcpu *from, const struct irq_msg *msg);
void irq_notify_ack(struct vmm *vm, unsigned int chip, unsigned int pin); /* EOI: resample */

/* ---- irqfd.c, ioeventfd.c ---- */
int irqfd_module_init(void);	/* -ENOMEM */
void irqfd_module_exit(void);
int irqfd_assign(struct vmm *vm, const struct kvm_irqfd *args);
int ioeventfd_assign(struct vmm *vm, const struct kvm_ioeventfd *args);	/* slots_lock */

/* ---- lapic.c ---- */
int lapic_create(struct vcpu *vcpu);
void lapic_destroy(struct vcpu *vcpu);
void lapic_reset(struct vcpu *vcpu, bool init);
int lapic_get_state(struct vcpu *vcpu, struct kvm_lapic_state *s);
int lapic_set_state(struct vcpu *vcpu, const struct kvm_lapic_state *s);
int lapic_base_set(struct vcpu *vcpu, u64 val, bool host);	/* 0 or 1 (#GP) */
/* Highest deliverable vector (IRR above PPR), or -1; PIC's ExtINT included in irq_pending(). */
int lapic_pending(struct vcpu *vcpu);
bool irq_pending(struct vcpu *vcpu);	/* APIC or PIC has one that the guest could take if IF=1 */
bool irq_injectable(struct vcpu *vcpu);	/* likewise, not delivered by the processor itself */
int irq_acknowledge(struct vcpu *vcpu);	/* take it: vector into ISR, or PIC's; -1: none */
u8 lapic_tpr(struct vcpu *vcpu);
void lapic_set_tpr(struct vcpu *vcpu, u8 tpr);	/* CR8 << 4 */
void lapic_deliver_cmci(struct vcpu *vcpu);
/* Should CR8 writes exit? true when an interrupt waits that TPR blocks. */
bool lapic_blocked_by_tpr(struct vcpu *vcpu);
bool lapic_enabled(struct vcpu *vcpu);
bool lapic_accepts_pic(struct lapic *apic);	/* is a PIC's INT line wired through to it? */
/* MMIO at the APIC base page: 0 served, -EOPNOTSUPP not mine (disabled, x2APIC, other address) */
int lapic_mmio_read(struct vcpu *vcpu, gpa_t addr, int len, void *val);
int lapic_mmio_write(struct vcpu *vcpu, gpa_t addr, int len, const void *val);
int lapic_msr_read(struct vcpu *vcpu, u32 msr, u64 *val); /* x2APIC 0x800..0x8ff: 0 or 1 (#GP) */
int lapic_msr_write(struct vcpu *vcpu, u32 msr, u64 val);
u64 lapic_tsc_deadline_get(struct vcpu *vcpu);
void lapic_tsc_deadline_set(struct vcpu *vcpu, u64 val);
void lapic_tsc_changed(struct vcpu *vcpu);	/* the guest's TSC moved: re-arm the deadline */
void lapic_pv_eoi(struct vcpu *vcpu);		/* the guest has ended an interrupt by memory */
/* Physical ids first.. whose bits are set in 128: number of APICs reached; -1: no such message */
int lapic_send_ipis(struct vcpu *vcpu, const unsigned long *set, u32 first, u32 icr);
int lapic_timer_exit(struct vcpu *vcpu);	/* VMEXIT_PREEMPTION_TIMER */
void lapic_timer_leave(struct vcpu *vcpu);	/* no entry will follow for long: the host counts */
/* INIT and SIPI that arrived for this vCPU: called in the run loop; may change mp_state. */
void lapic_accept_init_sipi(struct vcpu *vcpu);
bool lapic_init_sipi_pending(struct vcpu *vcpu);
/* User space restores a SIPI: its vector (KVM_SET_VCPU_EVENTS), and that it has arrived. */
void lapic_set_sipi_vector(struct vcpu *vcpu, u8 vector);
void lapic_post_sipi(struct vcpu *vcpu);
void lapic_vcpu_load(struct vcpu *vcpu);	/* after migration of the thread: move the timer */
void *lapic_page(struct vcpu *vcpu);	/* the registers, as the architecture has them, or NULL */
struct posted_irqs *lapic_posted(struct vcpu *vcpu);	/* likewise: what is posted to it */
void lapic_set_version(struct vcpu *vcpu);	/* the number of its LVTs has changed */

/* ---- lapic_virtual.c: the processor serves the guest's accesses to the registers ---- */
void lapic_virtual_update(struct lapic *apic);	/* its mode may have changed */
void lapic_virtual_sync(struct vcpu *vcpu);	/* before an entry, interrupts off */
bool lapic_virtual_gfn(struct vcpu *vcpu, gfn_t gfn); /* is the access page to be mapped here? */
int lapic_write_exit(struct vcpu *vcpu);	/* VMEXIT_APIC_WRITE */
int lapic_eoi_exit(struct vcpu *vcpu);		/* VMEXIT_APIC_EOI */

/* ---- vapic.c: the guest keeps its TPR in memory ---- */
int vapic_set_addr(struct vcpu *vcpu, gpa_t addr);
void vapic_publish(struct vcpu *vcpu);
void vapic_collect(struct vcpu *vcpu);
int vapic_report_tpr(struct vcpu *vcpu, const struct kvm_tpr_access_ctl *ctl);
void vapic_tpr_accessed(struct vcpu *vcpu, bool write);
int vapic_tpr_exit(struct vcpu *vcpu);	/* on REQ_TPR_ACCESS */

/* The in-kernel irqchip is split: EOI of these vectors exits with KVM_EXIT_IOAPIC_EOI. */
bool lapic_eoi_exit_pending(struct vcpu *vcpu, u8 *vector);

#endif /* VMM_IRQ_H */
