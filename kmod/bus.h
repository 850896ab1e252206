/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The buses of one VM: in-kernel devices by port and by guest physical address. Handlers run under
 * RCU and must not sleep, so that no exit takes a mutex or SRCU.
 */
#ifndef VMM_BUS_H
#define VMM_BUS_H

#include <linux/kvm.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include "types.h"

enum bus_nr { BUS_MMIO, BUS_PIO, BUS_COUNT };

struct bus_device;

/* 0: served; -EOPNOTSUPP: not mine, ask the next device or user space. */
struct bus_ops {
	int (*read)(struct vcpu *vcpu, struct bus_device *dev, gpa_t addr, int len, void *val);
	int (*write)(struct vcpu *vcpu, struct bus_device *dev, gpa_t addr, int len,
		     const void *val);
};

/**
 * struct bus_device - embedded in a device
 * @ops: how it is read and written
 * @addr: first address
 * @len: bytes; a device is asked when the access starts inside; an ioeventfd of length 0 matches
 *	any access that starts at @addr
 */
struct bus_device {
	const struct bus_ops *ops;
	gpa_t addr;
	u32 len;
};

struct bus_range;	/* one immutable sorted array of devices */

struct bus {
	struct bus_range __rcu *range;
};

/* Under vm->mem.slots_lock; may sleep. -ENOSPC: more than 1000 devices, -ENOMEM. */
int bus_add(struct vmm *vm, enum bus_nr nr, struct bus_device *dev);
/* On return no handler of dev runs any more. */
void bus_remove(struct vmm *vm, enum bus_nr nr, struct bus_device *dev);
void bus_destroy(struct vmm *vm);

/* 0: served; -EOPNOTSUPP: nobody. Any context in which the handlers may run. */
int bus_read(struct vcpu *vcpu, enum bus_nr nr, gpa_t addr, int len, void *val);
int bus_write(struct vcpu *vcpu, enum bus_nr nr, gpa_t addr, int len, const void *val);

/* The port access that waits for user space to serve it (KVM_EXIT_IO). */
struct pio_state {
	u16 port;
	u8 size;
	bool in;
	u32 count;
	u64 rip;	/* of the instruction */
	void *data;	/* [c] the page of vcpu->run at KVM_PIO_PAGE_OFFSET */
};

#define PIO_PAGE_OFFSET	1	/* in pages from the start of the vCPU mapping */
#define COALESCED_PAGE_OFFSET 2

/* pio.c: port exits. RESUME_*; vcpu->complete finishes what user space serves. */
int pio_exit(struct vcpu *vcpu);
/* count accesses of size bytes. pio_in: 0, -EOPNOTSUPP: all are user space's. pio_out: how many. */
int pio_in(struct vcpu *vcpu, u16 port, unsigned int size, void *buf, unsigned int count);
unsigned int pio_out(struct vcpu *vcpu, u16 port, unsigned int size, const void *buf,
		     unsigned int count);
/* Fill vcpu->run for KVM_EXIT_IO; data of an OUT is copied to pio.data. */
void pio_to_user(struct vcpu *vcpu, u16 port, unsigned int size, bool in, const void *buf,
		 unsigned int count);

struct coalesced {
	struct list_head zones;		/* under slots_lock */
	struct kvm_coalesced_mmio_ring *ring;
	spinlock_t lock;		/* the ring's producer side */
};

/* coalesced.c: KVM_(UN)REGISTER_COALESCED_MMIO, under slots_lock */
int coalesced_create(struct vmm *vm);
void coalesced_destroy(struct vmm *vm);
int coalesced_register(struct vmm *vm, const struct kvm_coalesced_mmio_zone *zone);
int coalesced_unregister(struct vmm *vm, const struct kvm_coalesced_mmio_zone *zone);

#endif /* VMM_BUS_H */
