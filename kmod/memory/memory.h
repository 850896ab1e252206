/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The allocator of memory: memslots, nested page tables, the MMU notifier, dirty logs, and the
 * accessors through which the rest of the module reads and writes guest memory.
 *
 * Rules: guest memory is ordinary memory of vm->mm, never pinned beyond one operation. Readers
 * look slots up under RCU (fault path, nothing kept afterwards) or under vm->mem.srcu (whoever
 * uses an HVA after the lookup). Faults take mmu_lock for reading and install with cmpxchg; zaps
 * take it for writing and flush once per batch. A fault re-checks mem.invalidate_seq and
 * mem.slots_generation under mmu_lock before it installs.
 */
#ifndef VMM_MEMORY_H
#define VMM_MEMORY_H

#include <linux/kvm.h>
#include <linux/interval_tree.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/rwlock.h>
#include <linux/srcu.h>
#include "../types.h"

struct vm_exit;

#define MEMSLOTS_MAX	32764	/* KVM_CAP_NR_MEMSLOTS */

/* struct memslot - a range of guest physical memory (KVM_SET_USER_MEMORY_REGION) */
struct memslot {
	gfn_t gfn;		/* [c] first frame */
	u64 npages;		/* [c] */
	hva_t hva;		/* [c] */
	u32 flags;		/* [c] KVM_MEM_* */
	u32 id;			/* [c] */
	unsigned long *dirty;	/* [c] bitmap, NULL when not logged; its bits are atomic */
};

/* One generation of slots: immutable, published by RCU, sorted by gfn. */
struct memslots;

struct tdp_root;

struct memory {
	struct mutex slots_lock;	/* writers of slots, dirty logs, buses, coalesced zones */
	struct memslots __rcu *slots;
	struct srcu_struct srcu;	/* users of an HVA after the lookup */
	rwlock_t mmu_lock;		/* nested tables: read to install, write to zap */
	struct mmu_notifier notifier;
	unsigned long invalidate_seq;	/* under mmu_lock for writing */
	long invalidate_count;		/* ranges being invalidated now */
	unsigned long invalidate_start, invalidate_end;
	struct rcuwait invalidate_wait;
	u64 *tdp_table;			/* top table, from the page allocator, __GFP_ACCOUNT */
	int tdp_level;			/* its level: 4 */
	atomic_long_t pages_4k, pages_2m, pages_1g; /* leaves mapped, for the statistics */
};

/* Lifetime. memory_create: may sleep; 0 or errno. memory_destroy: no vCPU left. */
int memory_create(struct vmm *vm);
void memory_destroy(struct vmm *vm);

/*
 * Ioctls; vm->mem.slots_lock is held by the dispatcher. errno as in api.rst: -EINVAL (alignment, id, size,
 * flags, unreadable address), -EEXIST (overlap), -ENOENT (no such slot / no dirty log).
 */
int memory_set_region(struct vmm *vm, const struct kvm_userspace_memory_region *region);
int memory_get_dirty_log(struct vmm *vm, const struct kvm_dirty_log *log);
int memory_clear_dirty_log(struct vmm *vm, const struct kvm_clear_dirty_log *log);

/*
 * Nested page fault of the loaded vCPU; may sleep (host page-in), takes no mutex, no SRCU on memory
 * that is present. RESUME_GUEST: mapped or retry. RESUME_USER / errno: vcpu->run is filled
 * (-EFAULT: no host page). MEMORY_MMIO: no slot, or a write to a read-only slot: interpret.
 */
#define MEMORY_MMIO	2
int memory_fault(struct vcpu *vcpu, gpa_t gpa, u64 error);

/* Guest physical access by the core, slots only. May sleep. 0, or -EFAULT: no slot or no page. */
int memory_read(struct vmm *vm, gpa_t gpa, void *buf, size_t len);
int memory_write(struct vmm *vm, gpa_t gpa, const void *buf, size_t len);
/* Compare and exchange size (1, 2, 4, 8, naturally aligned) bytes; 0, -EFAULT, -EAGAIN: lost. */
int memory_cmpxchg(struct vmm *vm, gpa_t gpa, u64 *expected, u64 new, unsigned int size);
/* Is there a slot here (and is it writable)? For MMIO decisions; any context under RCU. */
bool memory_has_slot(struct vmm *vm, gpa_t gpa, bool write);
/* Read up to len bytes without sleeping (page faults off); number of bytes read, or -EFAULT. */
int memory_read_atomic(struct vmm *vm, gpa_t gpa, void *buf, size_t len);
/* The slot's HVA of a frame, or 0; caller holds srcu or RCU. */
hva_t memory_hva(struct vmm *vm, gfn_t gfn, bool write);
void memory_mark_dirty(struct vmm *vm, gfn_t gfn);

/* Debug and introspection: nested translation as the tables stand, or INVALID hpa. */
hpa_t tdp_lookup(struct vmm *vm, gpa_t gpa, int *level);

#endif /* VMM_MEMORY_H */
