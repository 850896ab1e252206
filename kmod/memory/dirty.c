// SPDX-License-Identifier: GPL-2.0
/*
 * Dirty logs. While a slot is logged its frames are mapped by 4K leaves, writable only after a
 * write that set the frame's bit. Whoever clears a bit forbids writes again under mmu_lock, and
 * flushes before user space is told.
 */
#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "../backend.h"
#include "../ioctl.h"
#include "internal.h"

/* Words of bitmap handled in one go: 128M of guest memory. */
#define CHUNK_WORDS	(PAGE_SIZE / sizeof(unsigned long))

/**
 * slot_mark_dirty() - set a frame's bit, and put the frame into the ring if there is one
 * @vcpu: who has written it
 * @slot: its slot
 * @gfn: a frame of the slot
 *
 * The bit says that user space will hear of it: until it is cleared, further writes are no news.
 *
 * Context: the vCPU's thread; @slot is valid.
 */
void slot_mark_dirty(struct vcpu *vcpu, const struct memslot *slot, gfn_t gfn)
{
	unsigned long *dirty = READ_ONCE(slot->dirty);
	u64 bit = gfn - slot->gfn;

	if (!dirty || test_bit(bit, dirty) || test_and_set_bit(bit, dirty))
		return;
	if (vcpu->vm->mem.ring_entries && !ring_push(vcpu, slot->id, bit))
		clear_bit(bit, dirty);
	atomic64_inc(&vcpu->vm->stats.dirty_pages_logged);
}

/**
 * memory_pml() - log what a processor has written down
 * @vcpu: the vCPU it ran
 * @gpas: guest physical addresses, the latest first (SDM vol. 3C, 29.3.6)
 * @count: of them
 *
 * Context: the vCPU's thread; does not sleep.
 */
void memory_pml(struct vcpu *vcpu, const u64 *gpas, unsigned int count)
{
	rcu_read_lock();
	while (count--) {
		gfn_t gfn = gpas[count] >> PAGE_SHIFT;
		struct memslot *slot = slot_find(&vcpu->vm->mem, gfn);

		if (slot)
			slot_mark_dirty(vcpu, slot, gfn);
	}
	rcu_read_unlock();
}
EXPORT_FOR_TEST(memory_pml);

/**
 * dirty_log_count() - a slot's log has begun or ended
 * @vm: the VM
 * @change: 1 or -1
 *
 * On return every processor logs writes (PML) if any slot is logged: only then may
 * tdp_protect() rely on it.
 *
 * Context: slots_lock held; may sleep.
 */
void dirty_log_count(struct vmm *vm, int change)
{
	bool before = memory_logging(&vm->mem);

	WRITE_ONCE(vm->mem.logged, vm->mem.logged + change);
	if (before != memory_logging(&vm->mem))
		vcpu_request_all(vm, REQ_INTERCEPTS, true);
}

/* A ring cannot say that all is dirty: its log begins empty. */
static bool initially_set(const struct vmm *vm)
{
	return (READ_ONCE(vm->policy.manual_dirty) & KVM_DIRTY_LOG_INITIALLY_SET) &&
	       !vm->mem.ring_entries;
}

/**
 * dirty_bitmap_alloc() - bitmap of a slot whose log begins
 * @vm: the VM; with KVM_DIRTY_LOG_INITIALLY_SET all bits are set
 * @npages: pages of the slot
 *
 * Return: the bitmap, for kvfree(), or NULL.
 */
unsigned long *dirty_bitmap_alloc(struct vmm *vm, u64 npages)
{
	unsigned long *dirty = kvcalloc(BITS_TO_LONGS(npages), sizeof(long), GFP_KERNEL_ACCOUNT);

	if (dirty && initially_set(vm))
		bitmap_set(dirty, 0, npages);
	return dirty;
}

/**
 * dirty_log_start() - catch the first write to every frame of a slot
 * @vm: the VM
 * @slot: has its bitmap
 *
 * With KVM_DIRTY_LOG_INITIALLY_SET all counts as dirty, and writes are caught only after
 * KVM_CLEAR_DIRTY_LOG.
 *
 * Context: slots_lock held; may sleep.
 */
void dirty_log_start(struct vmm *vm, const struct memslot *slot)
{
	struct memory *mem = &vm->mem;
	gfn_t end = slot->gfn + slot->npages, gfn, next;
	bool flush = false;

	if (initially_set(vm))
		return;
	write_lock(&mem->mmu_lock);
	for (gfn = slot->gfn; gfn < end; gfn = next) {
		next = min(end, (gfn | (tdp_span(3) - 1)) + 1);
		flush |= tdp_protect(mem, gfn, next);
		/* Writes go on unlogged until the flush, and user space reads after it. */
		cond_resched_rwlock_write(&mem->mmu_lock);
	}
	write_unlock(&mem->mmu_lock);
	if (flush)
		memory_flush(vm);
}

/* Forbid writes to the frames of one word of the bitmap, run by run. */
static bool protect_word(struct memory *mem, gfn_t base, unsigned long word)
{
	bool flush = false;

	while (word) {
		unsigned int first = __ffs(word);
		unsigned long rest = word >> first;
		unsigned int len = ~rest ? __ffs(~rest) : BITS_PER_LONG;

		flush |= tdp_protect(mem, base + first, base + first + len);
		if (first + len >= BITS_PER_LONG)
			break;
		word &= ~0UL << (first + len);
	}
	return flush;
}

/**
 * dirty_take() - take bits out of a slot's log, and forbid writes to their frames
 * @vm: the VM
 * @slot: has a log
 * @first: first word of the bitmap
 * @buf: bits to take; set to those that were there
 * @count: words
 *
 * Context: slots_lock held.
 * Return: true: flush before user space is told.
 */
bool dirty_take(struct vmm *vm, const struct memslot *slot, u64 first, unsigned long *buf,
		unsigned int count)
{
	struct memory *mem = &vm->mem;
	bool flush = false;
	unsigned int i;

	write_lock(&mem->mmu_lock);
	for (i = 0; i < count; i++) {
		atomic_long_t *word = (atomic_long_t *)&slot->dirty[first + i];

		/* Most words are clear: do not write them. */
		buf[i] &= atomic_long_read(word);
		if (!buf[i])
			continue;
		buf[i] &= atomic_long_fetch_andnot(buf[i], word);
		flush |= protect_word(mem, slot->gfn + (first + i) * BITS_PER_LONG, buf[i]);
	}
	write_unlock(&mem->mmu_lock);
	return flush;
}
EXPORT_FOR_TEST(dirty_take);

static int log_slot(struct vmm *vm, u32 id, struct memslot **slot)
{
	/* Rings are read instead. */
	if (vm->mem.ring_entries)
		return -ENXIO;
	*slot = slot_by_id(&vm->mem, id);
	if (IS_ERR(*slot))
		return PTR_ERR(*slot);
	return *slot && (*slot)->dirty ? 0 : -ENOENT;
}

/* Take all, a chunk at a time, into buf. */
static void take_all(struct vmm *vm, const struct memslot *slot, unsigned long *buf, u64 words)
{
	bool flush = false;
	u64 i;

	memset(buf, 0xff, words * sizeof(long));
	for (i = 0; i < words; i += CHUNK_WORDS) {
		flush |= dirty_take(vm, slot, i, buf + i, min_t(u64, words - i, CHUNK_WORDS));
		cond_resched();
	}
	if (flush)
		memory_flush(vm);
}

/* User space did not get them: next time. */
static void give_back(const struct memslot *slot, const unsigned long *buf, u64 words)
{
	u64 i;

	for (i = 0; i < words; i++)
		if (buf[i])
			atomic_long_or(buf[i], (atomic_long_t *)&slot->dirty[i]);
}

/**
 * memory_get_dirty_log() - KVM_GET_DIRTY_LOG
 * @vm: the VM
 * @log: slot and the user's bitmap
 *
 * Unless KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 is on, bits that are fetched are cleared, and the next
 * write sets them again.
 *
 * Context: slots_lock held; may sleep.
 * Return: 0; -EINVAL: no such slot can be; -ENOENT: no such slot, or it has no log; -ENXIO: dirty
 * rings are in use; -EFAULT: the bits are in the log as before; -ENOMEM.
 */
int memory_get_dirty_log(struct vmm *vm, const struct kvm_dirty_log *log)
{
	struct memslot *slot;
	int ret = log_slot(vm, log->slot, &slot);
	unsigned long *buf;
	u64 words;

	if (ret)
		return ret;
	/* Have processors hand over what they hold. */
	if (vm->mem.pml)
		vcpu_request_all(vm, REQ_KICK, true);
	words = BITS_TO_LONGS(slot->npages);
	if (READ_ONCE(vm->policy.manual_dirty))
		return ioctl_copy_out(log->dirty_bitmap, slot->dirty, words * sizeof(long));
	buf = kvmalloc_array(words, sizeof(long), GFP_KERNEL_ACCOUNT);
	if (!buf)
		return -ENOMEM;
	take_all(vm, slot, buf, words);
	ret = ioctl_copy_out(log->dirty_bitmap, buf, words * sizeof(long));
	if (ret)
		give_back(slot, buf, words);
	kvfree(buf);
	return ret;
}

static bool clear_range_ok(const struct memslot *slot, const struct kvm_clear_dirty_log *log)
{
	if (log->first_page % BITS_PER_LONG || log->first_page > slot->npages ||
	    log->num_pages > slot->npages - log->first_page)
		return false;
	return log->num_pages % BITS_PER_LONG == 0 ||
	       log->num_pages == slot->npages - log->first_page;
}

/**
 * memory_clear_dirty_log() - KVM_CLEAR_DIRTY_LOG
 * @vm: the VM
 * @log: slot, range of pages and the user's bitmap of those to clear
 *
 * Context: slots_lock held; may sleep.
 * Return: 0; -EINVAL: no such slot can be, the range is not aligned to 64 pages or not in the
 * slot; -ENOENT: no such slot, or it has no log; -ENXIO: dirty rings are in use; -EFAULT; -ENOMEM.
 */
int memory_clear_dirty_log(struct vmm *vm, const struct kvm_clear_dirty_log *log)
{
	u64 i, first = log->first_page / BITS_PER_LONG, words = BITS_TO_LONGS(log->num_pages);
	struct memslot *slot;
	unsigned long *buf;
	bool flush = false;
	int ret;

	if (log->first_page % BITS_PER_LONG)
		return -EINVAL;
	ret = log_slot(vm, log->slot, &slot);
	if (ret)
		return ret;
	if (!clear_range_ok(slot, log))
		return -EINVAL;
	buf = (unsigned long *)__get_free_page(GFP_KERNEL_ACCOUNT);
	if (!buf)
		return -ENOMEM;
	for (i = 0; i < words && !ret; i += CHUNK_WORDS) {
		size_t n = min_t(u64, words - i, CHUNK_WORDS);

		ret = ioctl_copy_in(buf, log->dirty_bitmap + i * sizeof(long), n * sizeof(long));
		if (!ret)
			flush |= dirty_take(vm, slot, first + i, buf, n);
		cond_resched();
	}
	if (flush)
		memory_flush(vm);
	free_page((unsigned long)buf);
	return ret;
}
