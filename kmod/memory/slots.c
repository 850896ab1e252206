// SPDX-License-Identifier: GPL-2.0
/*
 * Memslots: KVM_SET_USER_MEMORY_REGION and the lookup of a frame.
 *
 * Slots stand in a latched tree by gfn, which is searched without a lock. In front of it stands
 * the slot that was found last. That pointer lives in a small object which is replaced after every
 * change of the tree: a slot that has left the tree can be remembered only in an object that no new
 * reader will see, and both are freed after a grace period.
 */
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "internal.h"

/* KVM's bound on the size of one slot, in pages. */
#define SLOT_PAGES_MAX	((1UL << 31) - 1)
#define SLOT_FLAGS	(KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY)

struct memslots {
	struct memslot *last;
	struct rcu_head rcu;
};

/* ---- the tree ---- */

struct gfn_range {
	gfn_t first, last;
};

static struct memslot *slot_of(struct latch_tree_node *node)
{
	return container_of(node, struct memslot, by_gfn);
}

static __always_inline int slot_comp(void *key, struct latch_tree_node *node)
{
	const struct gfn_range *range = key;
	const struct memslot *slot = slot_of(node);

	if (range->last < slot->gfn)
		return -1;
	return range->first >= slot->gfn + slot->npages;
}

static const struct latch_tree_ops slot_tree_ops = {
	.comp = slot_comp,
};

/* latch_tree_insert() would do, but that sparse finds fault with rb_link_node_rcu(). */
static void slot_insert_copy(struct memory *mem, struct memslot *slot, int copy)
{
	struct rb_node **link = &mem->by_gfn.tree[copy].rb_node, *parent = NULL, *unused;
	struct rb_node *node = &slot->by_gfn.node[copy];

	while (*link) {
		parent = *link;
		if (slot->gfn < slot_of(__lt_from_rb(parent, copy))->gfn)
			link = &parent->rb_left;
		else
			link = &parent->rb_right;
	}
	rb_link_node(node, parent, &unused);
	/* A reader that is late in this copy sees the node whole, or not at all. */
	smp_store_release(link, node);
	rb_insert_color(node, &mem->by_gfn.tree[copy]);
}

static void slot_insert(struct memory *mem, struct memslot *slot)
{
	raw_write_seqcount_latch(&mem->by_gfn.seq);
	slot_insert_copy(mem, slot, 0);
	raw_write_seqcount_latch(&mem->by_gfn.seq);
	slot_insert_copy(mem, slot, 1);
}

/* Any slot that overlaps the range. */
static struct memslot *slot_search(struct memory *mem, gfn_t first, gfn_t last)
{
	struct gfn_range range = { .first = first, .last = last };
	struct latch_tree_node *node = latch_tree_find(&range, &mem->by_gfn, &slot_tree_ops);

	return node ? slot_of(node) : NULL;
}

/**
 * slot_find() - the slot of a frame
 * @mem: the VM's memory
 * @gfn: the frame
 *
 * Context: RCU, mmu_lock, or mem->srcu held; the slot is valid as long.
 * Return: the slot, or NULL.
 */
struct memslot *slot_find(struct memory *mem, gfn_t gfn)
{
	struct memslots *slots;
	struct memslot *slot;

	rcu_read_lock();
	slots = rcu_dereference(mem->slots);
	slot = READ_ONCE(slots->last);
	if (!slot || gfn - slot->gfn >= slot->npages) {
		slot = slot_search(mem, gfn, gfn);
		if (slot)
			WRITE_ONCE(slots->last, slot);
	}
	rcu_read_unlock();
	return slot;
}
EXPORT_FOR_TEST(slot_find);

/**
 * slot_by_id() - the slot with an id
 * @mem: the VM's memory
 * @id: as user space named it, address space in the high half
 *
 * Context: slots_lock held.
 * Return: the slot; NULL: there is none; ERR_PTR(-EINVAL): there cannot be one.
 */
struct memslot *slot_by_id(struct memory *mem, u32 id)
{
	if (id >= MEMSLOTS_MAX)
		return ERR_PTR(-EINVAL);
	return xa_load(&mem->by_id, array_index_nospec(id, MEMSLOTS_MAX));
}
EXPORT_FOR_TEST(slot_by_id);

/**
 * slots_init() - no slots
 * @mem: zero
 *
 * Return: 0 or -ENOMEM.
 */
int slots_init(struct memory *mem)
{
	struct memslots *slots = kzalloc(sizeof(*slots), GFP_KERNEL_ACCOUNT);

	if (!slots)
		return -ENOMEM;
	RCU_INIT_POINTER(mem->slots, slots);
	seqcount_latch_init(&mem->by_gfn.seq);
	mem->by_hva = RB_ROOT_CACHED;
	xa_init(&mem->by_id);
	return 0;
}

static void slot_free(struct memslot *slot)
{
	kvfree(slot->dirty);
	kfree(slot);
}

/**
 * slots_fini() - free all slots
 * @mem: nobody looks slots up any more
 */
void slots_fini(struct memory *mem)
{
	struct memslot *slot;
	unsigned long id;

	xa_for_each(&mem->by_id, id, slot)
		slot_free(slot);
	xa_destroy(&mem->by_id);
	kfree(rcu_access_pointer(mem->slots));
}

/* ---- changes; slots_lock is held over all of this ---- */

/* After the tree has changed. */
static void slots_publish(struct vmm *vm, struct memslots *slots)
{
	struct memory *mem = &vm->mem;

	slots = rcu_replace_pointer(mem->slots, slots, lockdep_is_held(&mem->slots_lock));
	kfree_rcu(slots, rcu);
	atomic64_inc(&vm->stats.slot_changes);
}

/* Nobody uses what was unpublished before, nor an HVA derived from it. */
static void slots_synchronize(struct memory *mem)
{
	synchronize_srcu_expedited(&mem->srcu);
	synchronize_rcu_expedited();
}

static void slot_link(struct memory *mem, struct memslot *slot)
{
	slot->by_hva.start = slot->hva;
	slot->by_hva.last = slot->hva + (slot->npages << PAGE_SHIFT) - 1;
	interval_tree_insert(&slot->by_hva, &mem->by_hva);
	slot_insert(mem, slot);
}

/* Where the slot begins to be there may have been the page of a virtualized xAPIC. */
static void slot_cover(struct vmm *vm, const struct memslot *slot)
{
	if (vm->irq.access_page)
		memory_zap_slot(vm, slot);
}

static gfn_t gfn_limit(const struct memory *mem)
{
	unsigned int bits = min_t(unsigned int, boot_cpu_data.x86_phys_bits,
				  PAGE_SHIFT + 9 * mem->tdp_level);

	return 1ULL << (bits - PAGE_SHIFT);
}

/* Also for deletions, as in KVM: what does not depend on the slots there are. */
static int region_check(const struct memory *mem, const struct kvm_userspace_memory_region *region)
{
	u64 gpa = region->guest_phys_addr, size = region->memory_size;
	u64 hva = region->userspace_addr;

	if (region->slot >= MEMSLOTS_MAX || (region->flags & ~SLOT_FLAGS))
		return -EINVAL;
	if (((gpa | size | hva) & ~PAGE_MASK) || gpa + size < gpa)
		return -EINVAL;
	if (size >> PAGE_SHIFT > SLOT_PAGES_MAX)
		return -EINVAL;
	if (hva + size < hva || !access_ok((void __user *)(unsigned long)hva, size))
		return -EINVAL;
	if (size && (gpa + size - 1) >> PAGE_SHIFT >= gfn_limit(mem))
		return -EINVAL;
	return 0;
}

static int slot_create(struct vmm *vm, const struct kvm_userspace_memory_region *region)
{
	struct memory *mem = &vm->mem;
	gfn_t gfn = region->guest_phys_addr >> PAGE_SHIFT;
	u64 npages = region->memory_size >> PAGE_SHIFT;
	struct memslots *slots;
	struct memslot *slot;
	int ret = -ENOMEM;

	if (slot_search(mem, gfn, gfn + npages - 1))
		return -EEXIST;
	slots = kzalloc(sizeof(*slots), GFP_KERNEL_ACCOUNT);
	slot = kzalloc(sizeof(*slot), GFP_KERNEL_ACCOUNT);
	if (!slots || !slot)
		goto out_free;
	slot->gfn = gfn;
	slot->npages = npages;
	slot->hva = region->userspace_addr;
	slot->flags = region->flags;
	slot->id = region->slot;
	if (slot->flags & KVM_MEM_LOG_DIRTY_PAGES) {
		slot->dirty = dirty_bitmap_alloc(vm, npages);
		if (!slot->dirty)
			goto out_free;
	}
	ret = xa_err(xa_store(&mem->by_id, slot->id, slot, GFP_KERNEL_ACCOUNT));
	if (ret)
		goto out_bitmap;
	write_lock(&mem->mmu_lock);
	slot_link(mem, slot);
	slot_cover(vm, slot);
	write_unlock(&mem->mmu_lock);
	slots_publish(vm, slots);
	WRITE_ONCE(mem->npages, mem->npages + npages);
	if (slot->dirty)
		dirty_log_count(vm, 1);
	return 0;

out_bitmap:
	kvfree(slot->dirty);
out_free:
	kfree(slot);
	kfree(slots);
	return ret;
}

/*
 * Take the slot out, put another in its place (or NULL) and unmap its frames. The slot stays in
 * by_hva until all are unmapped. slots is consumed.
 */
static void slot_replace(struct vmm *vm, struct memslot *old, struct memslot *new,
			 struct memslots *slots)
{
	struct memory *mem = &vm->mem;

	write_lock(&mem->mmu_lock);
	latch_tree_erase(&old->by_gfn, &mem->by_gfn, &slot_tree_ops);
	if (new)
		slot_link(mem, new);
	slots_publish(vm, slots);
	memory_zap_slot(vm, old);
	if (new)
		slot_cover(vm, new);
	interval_tree_remove(&old->by_hva, &mem->by_hva);
	write_unlock(&mem->mmu_lock);
	slots_synchronize(mem);
}

static int slot_delete(struct vmm *vm, struct memslot *slot)
{
	struct memslots *slots = kzalloc(sizeof(*slots), GFP_KERNEL_ACCOUNT);

	if (!slots)
		return -ENOMEM;
	xa_erase(&vm->mem.by_id, slot->id);
	slot_replace(vm, slot, NULL, slots);
	WRITE_ONCE(vm->mem.npages, vm->mem.npages - slot->npages);
	if (slot->dirty)
		dirty_log_count(vm, -1);
	slot_free(slot);
	return 0;
}

static bool move_overlaps(struct memory *mem, const struct memslot *old, gfn_t gfn)
{
	gfn_t last = gfn + old->npages - 1, old_last = old->gfn + old->npages - 1;

	/* Nothing but old itself overlaps old: look at what the new place has beyond it. */
	if (gfn < old->gfn && slot_search(mem, gfn, min(last, old->gfn - 1)))
		return true;
	return last > old_last && slot_search(mem, max(gfn, old_last + 1), last);
}

static int slot_move(struct vmm *vm, struct memslot *old, gfn_t gfn)
{
	struct memory *mem = &vm->mem;
	struct memslots *slots;
	struct memslot *new;
	int ret = -ENOMEM;

	if (move_overlaps(mem, old, gfn))
		return -EEXIST;
	slots = kzalloc(sizeof(*slots), GFP_KERNEL_ACCOUNT);
	new = kmemdup(old, sizeof(*old), GFP_KERNEL_ACCOUNT);
	if (!slots || !new)
		goto out_free;
	new->gfn = gfn;
	ret = xa_err(xa_store(&mem->by_id, new->id, new, GFP_KERNEL_ACCOUNT));
	if (ret)
		goto out_free;
	slot_replace(vm, old, new, slots);
	kfree(old);	/* the bitmap has moved on */
	return 0;

out_free:
	kfree(new);
	kfree(slots);
	return ret;
}

static void slot_log_start(struct vmm *vm, struct memslot *slot, u32 flags, unsigned long *dirty)
{
	struct memory *mem = &vm->mem;

	write_lock(&mem->mmu_lock);
	WRITE_ONCE(slot->flags, flags);
	/* The bitmap is written before the pointer is seen. */
	smp_store_release(&slot->dirty, dirty);
	write_unlock(&mem->mmu_lock);
	dirty_log_count(vm, 1);
	dirty_log_start(vm, slot);
}

static void slot_log_stop(struct vmm *vm, struct memslot *slot, u32 flags)
{
	struct memory *mem = &vm->mem;
	unsigned long *dirty = slot->dirty;

	write_lock(&mem->mmu_lock);
	WRITE_ONCE(slot->flags, flags);
	WRITE_ONCE(slot->dirty, NULL);
	/* So that large leaves come back. */
	memory_zap_slot(vm, slot);
	write_unlock(&mem->mmu_lock);
	dirty_log_count(vm, -1);
	slots_synchronize(mem);
	kvfree(dirty);
}

static int slot_change(struct vmm *vm, struct memslot *slot,
		       const struct kvm_userspace_memory_region *region)
{
	gfn_t gfn = region->guest_phys_addr >> PAGE_SHIFT;
	u32 changed = slot->flags ^ region->flags;
	unsigned long *dirty = NULL;
	int ret;

	if (region->memory_size >> PAGE_SHIFT != slot->npages ||
	    region->userspace_addr != slot->hva || (changed & KVM_MEM_READONLY))
		return -EINVAL;
	/* First all that may fail: a slot that has moved does not move back. */
	if (changed & region->flags & KVM_MEM_LOG_DIRTY_PAGES) {
		dirty = dirty_bitmap_alloc(vm, slot->npages);
		if (!dirty)
			return -ENOMEM;
	}
	if (gfn != slot->gfn) {
		ret = slot_move(vm, slot, gfn);
		if (ret) {
			kvfree(dirty);
			return ret;
		}
		slot = slot_by_id(&vm->mem, region->slot);
	}
	if (dirty)
		slot_log_start(vm, slot, region->flags, dirty);
	else if (changed & KVM_MEM_LOG_DIRTY_PAGES)
		slot_log_stop(vm, slot, region->flags);
	return 0;
}

/**
 * memory_set_region() - KVM_SET_USER_MEMORY_REGION: add, move, delete a slot, change its flags
 * @vm: the VM; its vCPUs may run
 * @region: what user space asked for, a kernel copy
 *
 * On return no vCPU uses what was there before.
 *
 * Context: slots_lock held; may sleep.
 * Return: 0; -EINVAL: alignment, id, flags, range or address, deletion of a slot that is not
 * there, change of size, HVA or KVM_MEM_READONLY of one that is; -EEXIST: another slot overlaps;
 * -ENOMEM.
 */
int memory_set_region(struct vmm *vm, const struct kvm_userspace_memory_region *region)
{
	struct memslot *slot;
	int ret = region_check(&vm->mem, region);

	if (ret)
		return ret;
	slot = slot_by_id(&vm->mem, region->slot);
	if (!region->memory_size)
		return slot ? slot_delete(vm, slot) : -EINVAL;
	if (!slot)
		return slot_create(vm, region);
	return slot_change(vm, slot, region);
}
EXPORT_FOR_TEST(memory_set_region);
