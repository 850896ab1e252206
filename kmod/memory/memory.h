/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The allocator of memory: memslots, nested page tables, the MMU notifier, dirty logs, and the
 * accessors through which the rest of the module reads and writes guest memory.
 *
 * Rules: guest memory is ordinary memory of vm->mm, never pinned. Readers look slots up under RCU
 * (nothing kept afterwards), under mmu_lock (the fault path), or, when an HVA is used after the
 * lookup, under vm->mem.srcu. Faults take mmu_lock for reading and install with cmpxchg; zaps take
 * it for writing and flush before they release it. A fault finds its slot, checks that no
 * invalidation of the HVA is in progress, and reads the host's page table, all in one read-side
 * section of mmu_lock: what the host's page table says then holds until the next invalidation,
 * which waits for the lock, so no page reference is needed (Documentation/memory.rst).
 */
#ifndef VMM_MEMORY_H
#define VMM_MEMORY_H

#include <linux/atomic.h>
#include <linux/interval_tree.h>
#include <linux/kvm.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/rbtree_latch.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/xarray.h>
#include "../types.h"

struct kvm_dirty_gfn;
struct page;
struct tdp_format;

#define MEMSLOTS_MAX	32764	/* KVM_CAP_NR_MEMSLOTS */

/*
 * struct memslot - a range of guest physical memory (KVM_SET_USER_MEMORY_REGION)
 *	c	constant after publication; a slot that moves is a new struct memslot
 *	w	written under slots_lock and mmu_lock for writing, read under RCU, srcu or mmu_lock
 */
struct memslot {
	gfn_t gfn;		/* [c] first frame */
	u64 npages;		/* [c] */
	hva_t hva;		/* [c] access_ok() holds for all of it */
	u32 flags;		/* [w] KVM_MEM_* */
	u32 id;			/* [c] */
	unsigned long *dirty;	/* [w] bitmap, NULL when not logged; its bits are atomic */
	struct latch_tree_node by_gfn;
	struct interval_tree_node by_hva;
};

/*
 * struct dirty_ring - frames that a vCPU has written, for user space to collect (ring.c)
 *	c	constant while the vCPU's file is open
 *	s	changed under slots_lock
 *	v	changed by the vCPU's thread
 */
struct dirty_ring {
	struct kvm_dirty_gfn *gfns;	/* [c] mem.ring_entries of them, shared with user space */
	u32 next;			/* [v] where the next one is written, counted on for ever */
	u32 reset;			/* [s] entries before this one may be used again */
};

/* The last slot that was found; replaced with every change of the tree of slots. */
struct memslots;

/*
 * Locks of struct memory:
 *	s	slots_lock
 *	m	mmu_lock, for writing to change
 *	c	constant after memory_create()
 *	r	changed under s and m, read under RCU, srcu or mmu_lock
 */
struct memory {
	struct mutex slots_lock;	/* writers of slots, dirty logs, buses, coalesced zones */
	rwlock_t mmu_lock;		/* nested tables: read to install, write to zap */
	struct memslots __rcu *slots;	/* [r] */
	struct latch_tree_root by_gfn;	/* [r] */
	u64 *tdp_table;			/* [c] top table; entries by cmpxchg, or m */
	int tdp_level;			/* [c] its level: 4 */
	int tdp_max_leaf;		/* [c] 1: 4K, 2: 2M, 3: 1G */
	const struct tdp_format *tdp_format; /* [c] */
	bool pml;			/* [c] vCPUs log the frames whose dirty bit they set */
	bool devices;			/* a device's registers have been mapped; read by anyone */
	u32 ring_entries;		/* of each vCPU, 0: no rings; [c] once there is a vCPU */
	unsigned int logged;		/* [s] slots that have a dirty log */
	long invalidate_count;		/* [m] invalidations in progress */
	unsigned long invalidate_start;	/* [m] they lie in this range of HVAs */
	unsigned long invalidate_end;	/* [m] */
	bool mm_gone;			/* [m] nothing is mapped any more */
	struct rb_root_cached by_hva;	/* [m] slots, also those being removed, for the notifier */
	struct xarray by_id;		/* [s] */
	u64 npages;			/* [s] of all slots; read by anyone */
	struct srcu_struct srcu;	/* users of an HVA after the lookup */
	struct mmu_notifier notifier;
	atomic64_t *pages;		/* [c] leaves mapped, of 4K, 2M, 1G: vm->stats.pages_4k */
};

/*
 * Lifetime. memory_create: may sleep; 0 or errno. memory_detach: before the vCPUs go, which the
 * MMU notifier walks. memory_fini: no vCPU left.
 */
int memory_create(struct vmm *vm);
void memory_detach(struct vmm *vm);
void memory_fini(struct vmm *vm);

/*
 * Ioctls; vm->mem.slots_lock is held by the dispatcher. errno as in api.rst: -EINVAL (alignment,
 * id, size, flags, unreadable address), -EEXIST (overlap), -ENOENT (no such slot / no dirty log).
 */
int memory_set_region(struct vmm *vm, const struct kvm_userspace_memory_region *region);
int memory_get_dirty_log(struct vmm *vm, const struct kvm_dirty_log *log);
int memory_clear_dirty_log(struct vmm *vm, const struct kvm_clear_dirty_log *log);

/*
 * Page-modification logging (VMX): processors write down whose dirty bit they set.
 * memory_logging(): shall they? REQ_INTERCEPTS follows a change. memory_pml(): they have, to be
 * called after the exit; any context.
 */
static inline bool memory_logging(const struct memory *mem)
{
	return mem->pml && READ_ONCE(mem->logged);
}

void memory_pml(struct vcpu *vcpu, const u64 *gpas, unsigned int count);

/*
 * Dirty rings (KVM_CAP_DIRTY_LOG_RING). ring_enable: vm->lock held. ring_reset: slots_lock held;
 * the number of frames, or -EINVAL. ring_create, ring_destroy: with the vCPU. ring_page: a page of
 * the vCPU's ring, NULL: behind its end. ring_check: answers REQ_DIRTY_RING, RESUME_*.
 */
#define DIRTY_RING_MAX	65536	/* entries of one ring */
int ring_enable(struct vmm *vm, u64 bytes);
int ring_create(struct vcpu *vcpu);
void ring_destroy(struct vcpu *vcpu);
struct page *ring_page(const struct vcpu *vcpu, unsigned long pgoff);
int ring_check(struct vcpu *vcpu);
long ring_reset(struct vmm *vm);

/*
 * Nested page fault of the loaded vCPU; may sleep (host page-in), takes no mutex, no SRCU on memory
 * that is present. Counts pf_* and traces the fault. RESUME_GUEST: mapped or retry. errno: -EFAULT
 * (no host page), -ENOMEM, -EINTR (fatal signal). MEMORY_MMIO: no slot, or a write to a read-only
 * slot: interpret.
 */
#define MEMORY_MMIO	2
int memory_fault(struct vcpu *vcpu, gpa_t gpa, u64 error);

/* What is mapped at this frame is not what belongs there; may sleep. */
void memory_zap_page(struct vmm *vm, gfn_t gfn);

/*
 * Guest physical access by the core, slots only. May sleep. 0; -ENXIO: no slot; -EFAULT: the host
 * has no page. What is written is logged as written by the vCPU, which must be the caller's.
 */
int memory_read(struct vmm *vm, gpa_t gpa, void *buf, size_t len);
int memory_write(struct vcpu *vcpu, gpa_t gpa, const void *buf, size_t len);
/* Likewise without sleeping, in one slot, where the host has the page. */
int memory_write_atomic(struct vcpu *vcpu, gpa_t gpa, const void *buf, size_t len);
/* Compare and exchange size (1, 2, 4, 8, naturally aligned) bytes; likewise, or -EAGAIN: lost. */
int memory_cmpxchg(struct vcpu *vcpu, gpa_t gpa, u64 *expected, u64 new, unsigned int size);
/* Is there a slot here (and is it writable)? For MMIO decisions; any context. */
bool memory_has_slot(struct vmm *vm, gpa_t gpa, bool write);
/* Read up to len bytes without sleeping (page faults off); number of bytes read, or -EFAULT. */
int memory_read_atomic(struct vmm *vm, gpa_t gpa, void *buf, size_t len);
/* The slot's HVA of a frame, or 0; caller holds srcu or RCU. */
hva_t memory_hva(struct vmm *vm, gfn_t gfn, bool write);

#endif /* VMM_MEMORY_H */
