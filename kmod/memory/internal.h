/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of this room know of each other. */
#ifndef VMM_MEMORY_INTERNAL_H
#define VMM_MEMORY_INTERNAL_H

#include "../vmm.h"
#include "tdp.h"

/* ---- memory.c ---- */
int memory_init(struct vmm *vm, const struct tdp_format *format, int max_leaf);
void memory_flush(struct vmm *vm);

/* A batch of zaps under mmu_lock, with one flush at its end. */
struct zap {
	struct vmm *vm;
	struct list_head tables;
	u64 frames;	/* looked at */
	bool flush;
};

void zap_begin(struct zap *zap, struct vmm *vm);
bool zap_gfns(struct zap *zap, gfn_t start, gfn_t end, bool may_yield);
void zap_end(struct zap *zap);
void memory_zap_slot(struct vmm *vm, const struct memslot *slot);

/* ---- slots.c ---- */
int slots_init(struct memory *mem);
void slots_fini(struct memory *mem);
struct memslot *slot_find(struct memory *mem, gfn_t gfn);
struct memslot *slot_by_id(struct memory *mem, u32 id);

static inline hva_t slot_hva(const struct memslot *slot, gfn_t gfn)
{
	return slot->hva + ((gfn - slot->gfn) << PAGE_SHIFT);
}

/* ---- dirty.c ---- */
void slot_mark_dirty(struct vcpu *vcpu, const struct memslot *slot, gfn_t gfn);
unsigned long *dirty_bitmap_alloc(struct vmm *vm, u64 npages);
void dirty_log_count(struct vmm *vm, int change);
void dirty_log_start(struct vmm *vm, const struct memslot *slot);
bool dirty_take(struct vmm *vm, const struct memslot *slot, u64 first, unsigned long *buf,
		unsigned int count);

/* ---- ring.c ---- */
bool ring_push(struct vcpu *vcpu, u32 slot, u64 offset);

/* ---- host.c ---- */

/**
 * struct host_page - what the host's page table says about an HVA
 * @pfn: the 4K frame at that HVA
 * @level: of the host's leaf: 1, 2, 3; 0: there is none
 * @writable: it may be written without a fault
 * @dirty: the host's leaf is dirty already
 * @special: no struct page may be touched (VM_PFNMAP, VM_IO)
 * @device: not mapped write-back
 * @encrypt: the host's bit for encrypted memory (AMD SME), where its own entry has it
 */
struct host_page {
	u64 pfn;
	u64 encrypt;
	int level;
	bool writable, dirty, special, device;
};

void host_pages_find(struct mm_struct *mm, hva_t hva, unsigned int n, struct host_page *pages);
int host_page_in(struct vmm *vm, hva_t hva, bool write);
void host_page_dirty(u64 pfn);

/* ---- notifier.c ---- */
extern const struct mmu_notifier_ops memory_notifier_ops;

/* Is an invalidation of these HVAs in progress? mmu_lock is held. */
static inline bool memory_invalidating(const struct memory *mem, hva_t start, hva_t end)
{
	return unlikely(mem->invalidate_count) && start < mem->invalidate_end &&
	       end > mem->invalidate_start;
}

#endif /* VMM_MEMORY_INTERNAL_H */
