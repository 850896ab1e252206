// SPDX-License-Identifier: GPL-2.0
/* Lifetime of a VM's memory, and zapping with its flush. */
#include <linux/mm.h>
#include <linux/sched.h>

#include "../backend.h"
#include "internal.h"

/* Zaps give way to others after this many frames (1G). */
#define ZAP_CHUNK	tdp_span(3)

/**
 * memory_init() - everything but the MMU notifier
 * @vm: its mem member is zero
 * @format: how nested tables are written
 * @max_leaf: 1, 2 or 3: the largest leaf the processor takes
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int memory_init(struct vmm *vm, const struct tdp_format *format, int max_leaf)
{
	struct memory *mem = &vm->mem;
	int ret;

	mutex_init(&mem->slots_lock);
	rwlock_init(&mem->mmu_lock);
	mem->pages = &vm->stats.pages_4k;
	ret = init_srcu_struct(&mem->srcu);
	if (ret)
		return ret;
	ret = slots_init(mem);
	if (ret)
		goto out_srcu;
	ret = tdp_create(mem, format, max_leaf);
	if (ret)
		goto out_slots;
	return 0;

out_slots:
	slots_fini(mem);
out_srcu:
	cleanup_srcu_struct(&mem->srcu);
	return ret;
}
EXPORT_FOR_TEST(memory_init);

/**
 * memory_fini() - undo memory_init()
 * @vm: no vCPU is left, nobody looks at its memory any more
 *
 * Context: may sleep.
 */
void memory_fini(struct vmm *vm)
{
	tdp_destroy(&vm->mem);
	slots_fini(&vm->mem);
	cleanup_srcu_struct(&vm->mem.srcu);
}
EXPORT_FOR_TEST(memory_fini);

/**
 * memory_create() - give a VM its memory: no slots, empty nested tables
 * @vm: vm->mm is set, vm->mem zero, the backend chosen
 *
 * Context: may sleep; current->mm is vm->mm.
 * Return: 0; -ENOMEM; -EINTR: a fatal signal came first.
 */
int memory_create(struct vmm *vm)
{
	int ret = memory_init(vm, backend->tdp_format, backend_caps.page_1g ? 3 : 2);

	if (ret)
		return ret;
	vm->mem.pml = backend_caps.pml;
	vm->mem.notifier.ops = &memory_notifier_ops;
	ret = mmu_notifier_register(&vm->mem.notifier, vm->mm);
	if (ret)
		memory_fini(vm);
	return ret;
}

/**
 * memory_detach() - have the host tell of its memory no more, before memory_fini()
 * @vm: its vCPUs, which are told to flush, are still there; none will run again
 *
 * Context: may sleep.
 */
void memory_detach(struct vmm *vm)
{
	mmu_notifier_unregister(&vm->mem.notifier, vm->mm);
}

/**
 * memory_flush() - have every vCPU flush its translations
 * @vm: the VM
 *
 * On return no vCPU uses a translation from before the call.
 *
 * Context: any with interrupts enabled, mmu_lock included.
 */
void memory_flush(struct vmm *vm)
{
	atomic64_inc(&vm->stats.remote_tlb_flushes);
	vcpu_request_all(vm, REQ_TLB_FLUSH, true);
}

/**
 * zap_begin() - start a batch
 * @zap: the batch
 * @vm: the VM
 *
 * Context: mmu_lock held for writing, until zap_end().
 */
void zap_begin(struct zap *zap, struct vmm *vm)
{
	zap->vm = vm;
	INIT_LIST_HEAD(&zap->tables);
	zap->flush = false;
	zap->frames = 0;
}

/**
 * zap_end() - flush and free what the batch has unmapped
 * @zap: the batch; may be filled again
 *
 * Context: mmu_lock held for writing. It must not be released in between: whoever found nothing
 * left to unmap would believe that nobody can use it.
 */
void zap_end(struct zap *zap)
{
	if (!zap->flush)
		return;
	atomic64_inc(&zap->vm->stats.mmu_zaps);
	memory_flush(zap->vm);
	tdp_free_tables(&zap->tables);
	zap->flush = false;
	zap->frames = 0;
}

/**
 * zap_gfns() - unmap frames
 * @zap: the batch
 * @start: first frame
 * @end: behind the last frame
 * @may_yield: end the batch and release mmu_lock for a moment when somebody wants to run
 *
 * Context: mmu_lock held for writing.
 * Return: true: it has yielded, the batch is empty; look at everything anew. There is then less to
 * do, so that repeating comes to an end.
 */
bool zap_gfns(struct zap *zap, gfn_t start, gfn_t end, bool may_yield)
{
	struct memory *mem = &zap->vm->mem;
	gfn_t next;

	for (; start < end; start = next) {
		next = min(end, (start | (ZAP_CHUNK - 1)) + 1);
		zap->flush |= tdp_zap(mem, start, next, &zap->tables);
		/* Of the whole batch: what comes next may be another slot. */
		zap->frames += next - start;
		if (!may_yield || zap->frames < ZAP_CHUNK || !zap->flush)
			continue;
		if (!need_resched() && !rwlock_needbreak(&mem->mmu_lock))
			continue;
		zap_end(zap);
		cond_resched_rwlock_write(&mem->mmu_lock);
		return true;
	}
	return false;
}

/**
 * memory_zap_slot() - unmap all of a slot
 * @vm: the VM
 * @slot: still in by_hva, so that the notifier sees it meanwhile
 *
 * Context: slots_lock held, mmu_lock held for writing; it may be released in between.
 */
void memory_zap_slot(struct vmm *vm, const struct memslot *slot)
{
	gfn_t end = slot->gfn + slot->npages, gfn, next;
	struct zap zap;

	zap_begin(&zap, vm);
	/* vCPUs may map again what lies behind. That is theirs by then, and not looked at anew. */
	for (gfn = slot->gfn; gfn < end; gfn = next) {
		next = min(end, (gfn | (ZAP_CHUNK - 1)) + 1);
		zap_gfns(&zap, gfn, next, true);
	}
	zap_end(&zap);
}

/**
 * memory_zap_page() - unmap a frame
 * @vm: the VM
 * @gfn: the frame
 *
 * Context: may sleep; takes mmu_lock.
 */
void memory_zap_page(struct vmm *vm, gfn_t gfn)
{
	struct zap zap;

	write_lock(&vm->mem.mmu_lock);
	zap_begin(&zap, vm);
	zap_gfns(&zap, gfn, gfn + 1, false);
	zap_end(&zap);
	write_unlock(&vm->mem.mmu_lock);
}
