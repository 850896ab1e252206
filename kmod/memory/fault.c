// SPDX-License-Identifier: GPL-2.0
/*
 * Nested page faults. One attempt is one read-side section of mmu_lock: find the slot, see whether
 * the tables allow the access already or by a write bit alone, else read the host's page table and
 * map what it says. Outside the lock there is only what sleeps: the host brings a page in, or a
 * table page is allocated where memory is short.
 */
#include <linux/mm.h>

#include "../trace.h"
#include "internal.h"

/* Then the guest tries again, after the run loop has looked for signals and requests. */
#define FAULT_ATTEMPTS	4

/* Frames mapped with one that faulted, where the host has them: two cache lines of entries. */
#define FAULT_AROUND	16

struct fault {
	struct vcpu *vcpu;
	struct vmm *vm;
	gfn_t gfn;
	bool write;
	bool fetch;
	bool present;		/* the processor found an entry without the right it wanted */
	bool paged_in;		/* the host has brought the page in for this very fault */
	hva_t hva;		/* of the frame, once its slot is known */
	struct tdp_cache cache;
};

enum fault_step {
	FAULT_FIXED,
	FAULT_SPURIOUS,		/* there was nothing to do */
	FAULT_RETRY,		/* an invalidation is in progress */
	FAULT_PAGE_IN,		/* the host's page is not there, or not writable */
	FAULT_TABLES,		/* fill the cache */
	FAULT_MMIO,
	FAULT_DEAD,
};

/* Nothing to ask the host: the entry is there, or was write-protected by the dirty log only. */
static enum tdp_result fault_upgrade(struct fault *f, const struct memslot *slot)
{
	u64 pfn;
	enum tdp_result ret = tdp_upgrade(&f->vm->mem, f->gfn, f->write, f->fetch,
					  slot->dirty ? 1 : f->vm->mem.tdp_max_leaf, &pfn);

	if (ret != TDP_MAPPED)
		return ret;
	host_page_dirty(pfn);
	slot_mark_dirty(f->vcpu, slot, f->gfn);
	return ret;
}

/* Does the leaf of this level around the frame lie in the slot, and alike in the host? */
static bool level_fits(const struct memslot *slot, gfn_t gfn, hva_t hva, int level)
{
	u64 span = tdp_span(level);
	gfn_t first = gfn & ~(span - 1);

	return !((gfn ^ (hva >> PAGE_SHIFT)) & (span - 1)) && first >= slot->gfn &&
	       first + span <= slot->gfn + slot->npages;
}

static int fault_level(const struct fault *f, const struct memslot *slot,
		       const struct host_page *page)
{
	const struct memory *mem = &f->vm->mem;
	int level = min(page->level, mem->tdp_max_leaf);

	if (slot->dirty || (f->fetch && tdp_splits_for_fetch(mem)))
		return 1;
	while (level > 1 && !level_fits(slot, f->gfn, f->hva, level))
		level--;
	/* A part of the huge page may be on its way out. */
	while (level > 1) {
		u64 size = tdp_span(level) << PAGE_SHIFT;
		hva_t start = f->hva & ~(size - 1);

		if (!memory_invalidating(mem, start, start + size))
			break;
		level--;
	}
	return level;
}

/* Rights of a leaf that the guest has not asked to write. */
static void fault_rights(struct memory *mem, const struct memslot *slot,
			 const struct host_page *page, struct tdp_map *map)
{
	bool writable = page->writable && !(slot->flags & KVM_MEM_READONLY);

	if (unlikely(page->device))
		WRITE_ONCE(mem->devices, true);
	map->device = page->device;
	map->encrypt = page->encrypt;
	/* tdp_upgrade() may write it later, and then has the struct page marked dirty. */
	map->host_writable = writable && !page->special;
	/*
	 * Writable even so, that the first write does not fault again; but not where that would
	 * make a clean page of the host dirty, nor where the first write is to be logged.
	 */
	map->write = writable && !slot->dirty && (page->dirty || page->special);
}

/*
 * Map the frames around this one too, as far as the host has pages there. Memory that was filled
 * before the guest came to it, such as its kernel, so costs one exit for every FAULT_AROUND pages.
 */
static void fault_around(struct fault *f, const struct memslot *slot)
{
	struct memory *mem = &f->vm->mem;
	gfn_t first = max(f->gfn & ~(gfn_t)(FAULT_AROUND - 1), slot->gfn);
	gfn_t end = min((f->gfn | (FAULT_AROUND - 1)) + 1, slot->gfn + slot->npages);
	hva_t hva = slot_hva(slot, first), last = slot_hva(slot, end - 1);
	struct host_page pages[FAULT_AROUND];
	struct tdp_map map = { .level = 1, .ahead = true };
	u64 *table = tdp_small_table(mem, f->gfn);
	unsigned int i;

	if (!table || (hva ^ last) & PMD_MASK || memory_invalidating(mem, hva, last + PAGE_SIZE))
		return;
	host_pages_find(f->vm->mm, hva, end - first, pages);
	for (i = 0; i < end - first; i++) {
		if (!pages[i].level)
			continue;
		map.gfn = first + i;
		map.pfn = pages[i].pfn;
		fault_rights(mem, slot, &pages[i], &map);
		tdp_map_ahead(mem, table, &map);
	}
}

static enum fault_step fault_map(struct fault *f, const struct memslot *slot,
				 const struct host_page *page)
{
	struct tdp_map map = {
		.gfn = f->gfn,
		.pfn = page->pfn,
		.level = fault_level(f, slot, page),
		.fetch = f->fetch,
	};

	fault_rights(&f->vm->mem, slot, page, &map);
	map.write |= f->write;
	switch (tdp_map(&f->vm->mem, &map, &f->cache)) {
	case TDP_NO_TABLE:
		return FAULT_TABLES;
	case TDP_SPURIOUS:
		return FAULT_SPURIOUS;
	case TDP_MAPPED:
		break;
	default:
		return FAULT_RETRY;
	}
	if (map.write && !page->dirty && !page->special)
		host_page_dirty(page->pfn);
	if (map.write)
		slot_mark_dirty(f->vcpu, slot, f->gfn);
	if (map.level == 1 && !f->paged_in)
		fault_around(f, slot);
	return FAULT_FIXED;
}

/*
 * A virtualized xAPIC: the processor knows accesses to its registers by the page that is mapped
 * where they are.
 */
static enum fault_step fault_map_apic(struct fault *f)
{
	struct tdp_map map = { .gfn = f->gfn, .level = 1, .write = true };

	if (!lapic_virtual_gfn(f->vcpu, f->gfn))
		return FAULT_MMIO;
	map.pfn = page_to_pfn(f->vm->irq.access_page);
	switch (tdp_map(&f->vm->mem, &map, &f->cache)) {
	case TDP_NO_TABLE:
		return FAULT_TABLES;
	case TDP_MAPPED:
		return FAULT_FIXED;
	case TDP_SPURIOUS:
		return FAULT_SPURIOUS;
	default:
		return FAULT_RETRY;
	}
}

static enum fault_step fault_attempt(struct fault *f)
{
	struct memory *mem = &f->vm->mem;
	struct memslot *slot = slot_find(mem, f->gfn);
	struct host_page page;

	if (!slot)
		return fault_map_apic(f);
	if (f->write && (slot->flags & KVM_MEM_READONLY))
		return FAULT_MMIO;
	if (f->present) {
		switch (fault_upgrade(f, slot)) {
		case TDP_SPURIOUS:
			return FAULT_SPURIOUS;
		case TDP_MAPPED:
			return FAULT_FIXED;
		default:
			break;
		}
	}
	if (unlikely(mem->mm_gone))
		return FAULT_DEAD;
	f->hva = slot_hva(slot, f->gfn);
	if (memory_invalidating(mem, f->hva, f->hva + PAGE_SIZE))
		return FAULT_RETRY;
	host_pages_find(f->vm->mm, f->hva, 1, &page);
	if (!page.level || (f->write && !page.writable))
		return FAULT_PAGE_IN;
	return fault_map(f, slot, &page);
}

/* 0: look again; 1: run the guest, which has an event instead; or errno. */
static int fault_page_in(struct fault *f)
{
	int ret = apf_page_in(f->vcpu, f->hva, f->write);

	f->paged_in = true;
	return ret == -EAGAIN ? host_page_in(f->vm, f->hva, f->write) : ret;
}

/* Until the frame is mapped, or something is in the way that only time or user space can mend. */
static int fault_resolve(struct fault *f, struct vcpu_stats *stats)
{
	struct memory *mem = &f->vm->mem;
	int i, ret;

	for (i = 0; i < FAULT_ATTEMPTS; i++) {
		enum fault_step step;

		read_lock(&mem->mmu_lock);
		step = fault_attempt(f);
		read_unlock(&mem->mmu_lock);
		switch (step) {
		case FAULT_FIXED:
			stats->pf_fixed++;
			return RESUME_GUEST;
		case FAULT_SPURIOUS:
			stats->pf_spurious++;
			return RESUME_GUEST;
		case FAULT_MMIO:
			stats->pf_mmio++;
			return MEMORY_MMIO;
		case FAULT_DEAD:
			return -EFAULT;
		case FAULT_PAGE_IN:
			ret = fault_page_in(f);
			break;
		case FAULT_TABLES:
			ret = tdp_cache_fill(&f->cache);
			break;
		case FAULT_RETRY:
			cond_resched();
			ret = 0;
			break;
		}
		if (ret)
			return ret < 0 ? ret : RESUME_GUEST;
	}
	return RESUME_GUEST;
}

/**
 * memory_fault() - serve a nested page fault
 * @vcpu: the vCPU, loaded
 * @gpa: the guest physical address that has no translation, or not with the right that was needed
 * @error: TDP_FAULT_*; an access to a guest page table counts as a write (APM vol. 2, 15.25.6)
 *
 * Context: vcpu->mutex held; may sleep where the host has to bring the page in.
 * Return: RESUME_GUEST: it is mapped, or the guest shall try again; MEMORY_MMIO: no slot, or a
 * write to a read-only one: interpret the instruction; -EFAULT: the slot's HVA has no page, or the
 * tables are broken; -ENOMEM; -EINTR: a fatal signal.
 */
int memory_fault(struct vcpu *vcpu, gpa_t gpa, u64 error)
{
	struct fault f = {
		.vcpu = vcpu,
		.vm = vcpu->vm,
		.gfn = gpa >> PAGE_SHIFT,
		.write = error & TDP_FAULT_WRITE,
		.fetch = error & TDP_FAULT_FETCH,
		.present = error & TDP_FAULT_PRESENT,
	};
	int ret;

	vcpu->stats.pf_taken++;
	trace_vmm_page_fault(vcpu, gpa, error);
	/* No entry of ours has a reserved bit set. */
	if (error & TDP_FAULT_RSVD)
		return -EFAULT;
	ret = fault_resolve(&f, &vcpu->stats);
	tdp_cache_drain(&f.cache);
	return ret;
}
