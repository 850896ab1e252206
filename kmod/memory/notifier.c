// SPDX-License-Identifier: GPL-2.0
/*
 * The MMU notifier: the host tells before it takes a page, or rights to it, away, and when it is
 * done. In between nothing in that range of HVAs is mapped (memory_invalidating()).
 */
#include <linux/mm.h>
#include <linux/mmu_notifier.h>

#include "internal.h"

static struct vmm *notifier_vm(struct mmu_notifier *notifier)
{
	return container_of(notifier, struct vmm, mem.notifier);
}

/* The frames of a slot behind the HVAs from start to last, both inclusive and page-aligned down. */
static void slot_range(const struct memslot *slot, unsigned long start, unsigned long last,
		       gfn_t *first, gfn_t *end)
{
	u64 from = max_t(u64, start, slot->hva) - slot->hva;
	u64 to = min_t(u64, last, slot->by_hva.last) - slot->hva;

	*first = slot->gfn + (from >> PAGE_SHIFT);
	*end = slot->gfn + (to >> PAGE_SHIFT) + 1;
}

/*
 * Two slots may show the same HVA, and slots may come and go when zap_gfns() yields: start anew
 * then. What was zapped stays so, since faults wait for the end of the invalidation.
 */
static bool zap_hvas(struct zap *zap, unsigned long start, unsigned long last, bool may_yield)
{
	struct rb_root_cached *root = &zap->vm->mem.by_hva;
	struct interval_tree_node *node;

	for (node = interval_tree_iter_first(root, start, last); node;
	     node = interval_tree_iter_next(node, start, last)) {
		gfn_t first, end;

		slot_range(container_of(node, struct memslot, by_hva), start, last, &first, &end);
		if (zap_gfns(zap, first, end, may_yield))
			return true;
	}
	return false;
}

/* true: something was mapped (if it did not yield). */
static bool invalidate(struct vmm *vm, unsigned long start, unsigned long last, bool may_yield)
{
	struct zap zap;
	bool any;

	zap_begin(&zap, vm);
	while (zap_hvas(&zap, start, last, may_yield))
		;
	any = zap.flush;
	zap_end(&zap);
	return any;
}

static int invalidate_range_start(struct mmu_notifier *notifier,
				  const struct mmu_notifier_range *range)
{
	struct vmm *vm = notifier_vm(notifier);
	struct memory *mem = &vm->mem;

	atomic64_inc(&vm->stats.mmu_invalidations);
	write_lock(&mem->mmu_lock);
	/* Several at once are remembered as one range around them all. */
	if (!mem->invalidate_count++) {
		mem->invalidate_start = range->start;
		mem->invalidate_end = range->end;
	} else {
		mem->invalidate_start = min(mem->invalidate_start, range->start);
		mem->invalidate_end = max(mem->invalidate_end, range->end);
	}
	invalidate(vm, range->start, range->end - 1, mmu_notifier_range_blockable(range));
	write_unlock(&mem->mmu_lock);
	return 0;
}

static void invalidate_range_end(struct mmu_notifier *notifier,
				 const struct mmu_notifier_range *range)
{
	struct memory *mem = &notifier_vm(notifier)->mem;

	write_lock(&mem->mmu_lock);
	mem->invalidate_count--;
	write_unlock(&mem->mmu_lock);
}

/* The last thread of the mm is gone: nothing of it can be mapped any more, ever. */
static void release(struct mmu_notifier *notifier, struct mm_struct *mm)
{
	struct vmm *vm = notifier_vm(notifier);

	write_lock(&vm->mem.mmu_lock);
	vm->mem.mm_gone = true;
	invalidate(vm, 0, ULONG_MAX, true);
	write_unlock(&vm->mem.mmu_lock);
}

/* Was the range used since it was last asked? Called under a page table lock: must not sleep. */
static int age(struct mmu_notifier *notifier, unsigned long start, unsigned long end, bool clear)
{
	struct memory *mem = &notifier_vm(notifier)->mem;
	struct interval_tree_node *node;
	bool young = false;

	if (clear && !mem->tdp_format->accessed) {
		/* No accessed bits: the next fault shows that it is used. */
		write_lock(&mem->mmu_lock);
		young = invalidate(notifier_vm(notifier), start, end - 1, false);
		write_unlock(&mem->mmu_lock);
		return young;
	}
	read_lock(&mem->mmu_lock);
	for (node = interval_tree_iter_first(&mem->by_hva, start, end - 1); node;
	     node = interval_tree_iter_next(node, start, end - 1)) {
		gfn_t first, behind;

		slot_range(container_of(node, struct memslot, by_hva), start, end - 1, &first,
			   &behind);
		young |= tdp_age(mem, first, behind, clear);
	}
	read_unlock(&mem->mmu_lock);
	return young;
}

/*
 * For clear_flush_young too: like x86's own ptep_clear_flush_young(), without the flush. A use that
 * goes unnoticed costs a page-in, a flush of all vCPUs for every page that is asked about costs
 * more.
 */
static int clear_young(struct mmu_notifier *notifier, struct mm_struct *mm, unsigned long start,
		       unsigned long end)
{
	return age(notifier, start, end, true);
}

static int test_young(struct mmu_notifier *notifier, struct mm_struct *mm, unsigned long address)
{
	return age(notifier, address, address + PAGE_SIZE, false);
}

const struct mmu_notifier_ops memory_notifier_ops = {
	.invalidate_range_start = invalidate_range_start,
	.invalidate_range_end = invalidate_range_end,
	.release = release,
	.clear_flush_young = clear_young,
	.clear_young = clear_young,
	.test_young = test_young,
};
EXPORT_FOR_TEST(memory_notifier_ops);
