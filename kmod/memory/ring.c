// SPDX-License-Identifier: GPL-2.0
/*
 * Dirty rings (api.rst, KVM_CAP_DIRTY_LOG_RING): each vCPU tells user space which frames it writes,
 * in memory that both share. The slots' bitmaps stay, to say what stands in some ring already.
 * User space may write the ring at any time: nothing in it is trusted, the indexes are elsewhere.
 */
#include <linux/bitmap.h>
#include <linux/kvm.h>
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/vmalloc.h>

#include "../backend.h"
#include "internal.h"

/* Left free when user space is told: for all that one exit can log. */
#define RING_RESERVE	64
#define PML_ENTRIES	512	/* SDM vol. 3C, 29.3.6 */

static u32 ring_reserve(const struct memory *mem)
{
	return RING_RESERVE + (mem->pml ? PML_ENTRIES : 0);
}

static u32 ring_used(const struct dirty_ring *ring)
{
	/* The entries before it are ours again. */
	return ring->next - smp_load_acquire(&ring->reset);
}

static bool ring_is_full(const struct vcpu *vcpu)
{
	const struct memory *mem = &vcpu->vm->mem;

	return ring_used(&vcpu->ring) >= mem->ring_entries - ring_reserve(mem);
}

/**
 * ring_enable() - KVM_ENABLE_CAP of KVM_CAP_DIRTY_LOG_RING
 * @vm: the VM
 * @bytes: size of each vCPU's ring
 *
 * Context: vm->lock held.
 * Return: 0; -EINVAL: no power of two, too small, rings are enabled already, or there is a vCPU;
 * -E2BIG
 */
int ring_enable(struct vmm *vm, u64 bytes)
{
	struct memory *mem = &vm->mem;
	u64 entries = bytes / sizeof(struct kvm_dirty_gfn);
	struct memslot *slot;
	unsigned long id;

	if (!is_power_of_2(bytes) || bytes < PAGE_SIZE || entries <= ring_reserve(mem))
		return -EINVAL;
	if (entries > DIRTY_RING_MAX)
		return -E2BIG;
	if (mem->ring_entries || vm->created_vcpus)
		return -EINVAL;
	mutex_lock(&mem->slots_lock);
	mem->ring_entries = entries;
	/* No vCPU has written anything: bits that are set would keep frames out of the rings. */
	xa_for_each(&mem->by_id, id, slot)
		if (slot->dirty)
			bitmap_zero(slot->dirty, slot->npages);
	mutex_unlock(&mem->slots_lock);
	return 0;
}
EXPORT_FOR_TEST(ring_enable);

/**
 * ring_create() - allocate the vCPU's ring, if the VM has rings
 * @vcpu: the vCPU
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM
 */
int ring_create(struct vcpu *vcpu)
{
	u32 entries = vcpu->vm->mem.ring_entries;

	if (!entries)
		return 0;
	vcpu->ring.gfns = __vmalloc(entries * sizeof(struct kvm_dirty_gfn),
				    GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	return vcpu->ring.gfns ? 0 : -ENOMEM;
}
EXPORT_FOR_TEST(ring_create);

/**
 * ring_destroy() - undo ring_create()
 * @vcpu: the vCPU; nobody has the ring mapped
 */
void ring_destroy(struct vcpu *vcpu)
{
	if (vcpu->ring.gfns)
		memset(vcpu->ring.gfns, 0,
		       vcpu->vm->mem.ring_entries * sizeof(*vcpu->ring.gfns));
	vfree(vcpu->ring.gfns);
}
EXPORT_FOR_TEST(ring_destroy);

/**
 * ring_page() - a page of the ring, for mmap
 * @vcpu: the vCPU
 * @pgoff: from the ring's beginning, in pages
 *
 * Return: the page, or NULL: the ring ends before it
 */
struct page *ring_page(const struct vcpu *vcpu, unsigned long pgoff)
{
	u64 pages = vcpu->vm->mem.ring_entries * sizeof(struct kvm_dirty_gfn) >> PAGE_SHIFT;

	return pgoff < pages ? vmalloc_to_page((void *)vcpu->ring.gfns + (pgoff << PAGE_SHIFT)) :
			       NULL;
}

/**
 * ring_push() - tell user space of a frame
 * @vcpu: the vCPU that has written it
 * @slot: id of its slot
 * @offset: in the slot, in pages
 *
 * Context: the vCPU's thread.
 * Return: false: there is no room, which ring_check() sees to
 */
bool ring_push(struct vcpu *vcpu, u32 slot, u64 offset)
{
	struct dirty_ring *ring = &vcpu->ring;
	u32 entries = vcpu->vm->mem.ring_entries;
	struct kvm_dirty_gfn *gfn = &ring->gfns[ring->next & (entries - 1)];

	if (ring_used(ring) >= entries)
		return false;
	WRITE_ONCE(gfn->slot, slot);
	WRITE_ONCE(gfn->offset, offset);
	/* User space looks at the flags first. */
	smp_store_release(&gfn->flags, KVM_DIRTY_GFN_F_DIRTY);
	WRITE_ONCE(ring->next, ring->next + 1);
	if (ring_is_full(vcpu))
		vcpu_request(vcpu, REQ_DIRTY_RING);
	return true;
}

/**
 * ring_check() - answer REQ_DIRTY_RING
 * @vcpu: the vCPU
 *
 * Return: RESUME_GUEST: there is room; RESUME_USER: the guest stays out until there is
 */
int ring_check(struct vcpu *vcpu)
{
	if (!ring_is_full(vcpu))
		return RESUME_GUEST;
	vcpu_request(vcpu, REQ_DIRTY_RING);
	vcpu->run->exit_reason = KVM_EXIT_DIRTY_RING_FULL;
	return RESUME_USER;
}
EXPORT_FOR_TEST(ring_check);

/* Frames of one word of one slot's bitmap, so that mmu_lock is not taken for each. */
struct ring_batch {
	struct vmm *vm;
	u32 slot;
	u64 word;
	unsigned long mask;
	bool flush;
};

static void batch_take(struct ring_batch *b)
{
	struct memslot *slot = slot_by_id(&b->vm->mem, b->slot);

	if (b->mask && !IS_ERR_OR_NULL(slot) && slot->dirty) {
		u64 words = BITS_TO_LONGS(slot->npages);

		if (b->word < words)
			b->flush |= dirty_take(b->vm, slot, array_index_nospec(b->word, words),
					       &b->mask, 1);
	}
	b->mask = 0;
}

static void batch_add(struct ring_batch *b, u32 slot, u64 offset)
{
	if (slot != b->slot || offset / BITS_PER_LONG != b->word)
		batch_take(b);
	b->slot = slot;
	b->word = offset / BITS_PER_LONG;
	b->mask |= BIT(offset % BITS_PER_LONG);
}

static u32 reset_vcpu(struct ring_batch *b, struct dirty_ring *ring, u32 entries)
{
	u32 n = 0;

	/* At most what a ring holds: its vCPU may write as fast as user space says "reset". */
	for (; n < entries && ring->reset != READ_ONCE(ring->next); n++) {
		struct kvm_dirty_gfn *gfn = &ring->gfns[ring->reset & (entries - 1)];

		/* User space has read it before it said so. */
		if (!(smp_load_acquire(&gfn->flags) & KVM_DIRTY_GFN_F_RESET))
			break;
		batch_add(b, READ_ONCE(gfn->slot), READ_ONCE(gfn->offset));
		WRITE_ONCE(gfn->flags, 0);
		/* From here on the vCPU may write the entry; pairs with ring_used(). */
		smp_store_release(&ring->reset, ring->reset + 1);
		cond_resched();
	}
	batch_take(b);
	return n;
}

/**
 * ring_reset() - KVM_RESET_DIRTY_RINGS: take back what user space has collected
 * @vm: the VM
 *
 * On return the next write to any of these frames is logged again.
 *
 * Context: slots_lock held; may sleep.
 * Return: the number of frames; -EINVAL: the VM has no rings
 */
long ring_reset(struct vmm *vm)
{
	struct ring_batch batch = { .vm = vm };
	u32 entries = vm->mem.ring_entries;
	struct vcpu *vcpu;
	unsigned long i;
	long n = 0;

	if (!entries)
		return -EINVAL;
	KVM_VCPUS_FOR_EACH(i, vcpu, vm)
		n += reset_vcpu(&batch, &vcpu->ring, entries);
	if (batch.flush)
		memory_flush(vm);
	return n;
}
EXPORT_FOR_TEST(ring_reset);
