// SPDX-License-Identifier: GPL-2.0
/* Slots, dirty logs and the MMU notifier, on a VM that has nothing but memory. */
#include <linux/bitmap.h>
#include <linux/mmu_notifier.h>
#include <linux/prandom.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "memory_fixture.h"
#include "suites.h"

#define HVA	0x7f0000000000ULL	/* never touched */
#define PFN	0x100000ULL
#define LOG	KVM_MEM_LOG_DIRTY_PAGES

/* A VM with one vCPU that never runs. */
static int vm_init(struct kunit *test)
{
	struct vmm *vm = kunit_kzalloc(test, sizeof(*vm), GFP_KERNEL);
	struct vcpu *vcpu = kunit_kzalloc(test, sizeof(*vcpu), GFP_KERNEL);
	int ret;

	if (!vm || !vcpu)
		return -ENOMEM;
	vcpu->vm = vm;
	vcpu->cpu = -1;
	xa_init(&vm->vcpus);
	ret = xa_err(xa_store(&vm->vcpus, 0, vcpu, GFP_KERNEL));
	if (ret)
		return ret;
	atomic_set(&vm->online_vcpus, 1);
	ret = memory_init(vm, test_format(test), 3);
	if (!ret)
		test->priv = vm;
	return ret;
}

static struct vcpu *only_vcpu(struct vmm *vm)
{
	return xa_load(&vm->vcpus, 0);
}

static void vm_exit(struct kunit *test)
{
	struct vmm *vm = test->priv;

	if (!vm)
		return;
	ring_destroy(only_vcpu(vm));
	xa_destroy(&vm->vcpus);
	memory_fini(vm);
}

static int set_region(struct vmm *vm, u32 id, u64 gpa, u64 size, u64 hva, u32 flags)
{
	struct kvm_userspace_memory_region region = {
		.slot = id, .guest_phys_addr = gpa, .memory_size = size, .userspace_addr = hva,
		.flags = flags,
	};
	int ret;

	mutex_lock(&vm->mem.slots_lock);
	ret = memory_set_region(vm, &region);
	mutex_unlock(&vm->mem.slots_lock);
	return ret;
}

/* The same in frames, which is what the cases below think in. */
static int set_pages(struct vmm *vm, u32 id, gfn_t gfn, u64 npages, u32 flags)
{
	return set_region(vm, id, gfn << PAGE_SHIFT, npages << PAGE_SHIFT, HVA, flags);
}

/* The id of the slot of a frame, -1: none. */
static int id_at(struct vmm *vm, gfn_t gfn)
{
	struct memslot *slot;
	int id;

	rcu_read_lock();
	slot = slot_find(&vm->mem, gfn);
	id = slot ? (int)slot->id : -1;
	rcu_read_unlock();
	return id;
}

static struct memslot *slot(struct vmm *vm, u32 id)
{
	return xa_load(&vm->mem.by_id, id);
}

static void mark_dirty(struct vmm *vm, gfn_t gfn)
{
	u64 gpa = gfn << PAGE_SHIFT;

	memory_pml(only_vcpu(vm), &gpa, 1);
}

static void map_at(struct vmm *vm, gfn_t gfn, int level, bool write)
{
	map(&vm->mem, gfn, PFN + gfn, level, write);
}

static bool mapped(struct vmm *vm, gfn_t gfn)
{
	return tdp_translate(&vm->mem, gfn << PAGE_SHIFT, NULL) == (PFN + gfn) << PAGE_SHIFT;
}

/* Would a write of the guest exit? */
static bool writable(struct vmm *vm, gfn_t gfn)
{
	u64 pfn;

	return tdp_upgrade(&vm->mem, gfn, true, false, 0, &pfn) == TDP_SPURIOUS;
}

/* ---- KVM_SET_USER_MEMORY_REGION ---- */

static void bad_regions(struct kunit *test)
{
	static const struct {
		u32 id, flags;
		u64 gpa, size, hva;
	} bad[] = {
		{ 0, 0, 1, PAGE_SIZE, HVA },
		{ 0, 0, 0, PAGE_SIZE + 1, HVA },
		{ 0, 0, 0, PAGE_SIZE, HVA + 8 },
		{ MEMSLOTS_MAX, 0, 0, PAGE_SIZE, HVA },
		{ 1 << 16, 0, 0, PAGE_SIZE, HVA },
		{ ~0U, 0, 0, PAGE_SIZE, HVA },
		{ 0, 4, 0, PAGE_SIZE, HVA },
		{ 0, 1U << 31, 0, PAGE_SIZE, HVA },
		{ 0, 0, -PAGE_SIZE, 2 * PAGE_SIZE, HVA },
		{ 0, 0, -PAGE_SIZE, PAGE_SIZE, HVA },
		{ 0, 0, 1ULL << 52, PAGE_SIZE, HVA },
		{ 0, 0, 0, 1ULL << 43, 0 },
		{ 0, 0, 0, PAGE_SIZE, 1ULL << 63 },
		{ 0, 0, 0, PAGE_SIZE, -PAGE_SIZE },
		{ 0, 0, 0, 2 * PAGE_SIZE, -PAGE_SIZE },
		{ 0, 0, 0, 0, HVA },	/* nothing to delete */
		{ 0, 0, 0, 0, 0 },
	};
	struct vmm *vm = test->priv;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		KUNIT_EXPECT_EQ_MSG(test, set_region(vm, bad[i].id, bad[i].gpa, bad[i].size,
						     bad[i].hva, bad[i].flags), -EINVAL,
				    "row %u", i);
	KUNIT_EXPECT_EQ(test, id_at(vm, 0), -1);
	KUNIT_EXPECT_EQ(test, set_pages(vm, MEMSLOTS_MAX - 1, 0, 1, 0), 0);
	KUNIT_EXPECT_EQ(test, id_at(vm, 0), MEMSLOTS_MAX - 1);
}

static void overlap(struct kunit *test)
{
	struct vmm *vm = test->priv;

	KUNIT_EXPECT_EQ(test, set_pages(vm, 1, 100, 10, 0), 0);
	KUNIT_EXPECT_EQ(test, set_pages(vm, 2, 100, 1, 0), -EEXIST);
	KUNIT_EXPECT_EQ(test, set_pages(vm, 2, 105, 1, 0), -EEXIST);
	KUNIT_EXPECT_EQ(test, set_pages(vm, 2, 109, 5, 0), -EEXIST);
	KUNIT_EXPECT_EQ(test, set_pages(vm, 2, 99, 2, 0), -EEXIST);
	KUNIT_EXPECT_EQ(test, set_pages(vm, 2, 0, 1000, 0), -EEXIST);
	KUNIT_EXPECT_EQ(test, set_pages(vm, 2, 90, 10, 0), 0);
	KUNIT_EXPECT_EQ(test, set_pages(vm, 3, 110, 1, 0), 0);
	KUNIT_EXPECT_EQ(test, id_at(vm, 99), 2);
	KUNIT_EXPECT_EQ(test, id_at(vm, 100), 1);
	KUNIT_EXPECT_EQ(test, id_at(vm, 109), 1);
	KUNIT_EXPECT_EQ(test, id_at(vm, 110), 3);
	KUNIT_EXPECT_EQ(test, id_at(vm, 111), -1);
}

static void change(struct kunit *test)
{
	struct vmm *vm = test->priv;
	u64 hva = HVA + PAGE_SIZE;

	KUNIT_EXPECT_EQ(test, set_pages(vm, 1, 100, 10, 0), 0);
	KUNIT_EXPECT_EQ(test, set_pages(vm, 1, 100, 10, 0), 0);
	KUNIT_EXPECT_EQ(test, set_pages(vm, 1, 100, 9, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, set_pages(vm, 1, 100, 11, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, set_pages(vm, 1, 100, 10, KVM_MEM_READONLY), -EINVAL);
	KUNIT_EXPECT_EQ(test, set_region(vm, 1, 100 * PAGE_SIZE, 10 * PAGE_SIZE, hva, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, set_pages(vm, 1, 0, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, id_at(vm, 100), -1);
	KUNIT_EXPECT_EQ(test, set_pages(vm, 1, 0, 0, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, set_pages(vm, 1, 100, 11, KVM_MEM_READONLY), 0);
	rcu_read_lock();
	KUNIT_EXPECT_EQ(test, memory_hva(vm, 103, false), HVA + 3 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, memory_hva(vm, 103, true), 0ULL);
	rcu_read_unlock();
}

static void move(struct kunit *test)
{
	struct vmm *vm = test->priv;

	KUNIT_EXPECT_EQ(test, set_pages(vm, 1, 100, 10, LOG), 0);
	KUNIT_EXPECT_EQ(test, set_pages(vm, 2, 200, 10, 0), 0);
	mark_dirty(vm, 103);
	map_at(vm, 103, 1, true);
	map_at(vm, 200, 1, true);

	/* By less than its size, both ways; onto others never. */
	KUNIT_EXPECT_EQ(test, set_pages(vm, 1, 104, 10, LOG), 0);
	KUNIT_EXPECT_EQ(test, id_at(vm, 103), -1);
	KUNIT_EXPECT_EQ(test, id_at(vm, 104), 1);
	KUNIT_EXPECT_EQ(test, id_at(vm, 113), 1);
	KUNIT_EXPECT_EQ(test, set_pages(vm, 1, 98, 10, LOG), 0);
	KUNIT_EXPECT_EQ(test, id_at(vm, 98), 1);
	KUNIT_EXPECT_EQ(test, id_at(vm, 108), -1);
	KUNIT_EXPECT_EQ(test, set_pages(vm, 1, 195, 10, LOG), -EEXIST);
	KUNIT_EXPECT_EQ(test, set_pages(vm, 1, 209, 10, LOG), -EEXIST);
	KUNIT_EXPECT_EQ(test, set_pages(vm, 2, 107, 10, 0), -EEXIST);
	KUNIT_EXPECT_EQ(test, id_at(vm, 98), 1);

	KUNIT_EXPECT_FALSE(test, mapped(vm, 103));
	KUNIT_EXPECT_TRUE(test, mapped(vm, 200));
	/* The log moves with the slot. */
	KUNIT_EXPECT_EQ(test, find_first_bit(slot(vm, 1)->dirty, 10), 3UL);
	rcu_read_lock();
	KUNIT_EXPECT_EQ(test, memory_hva(vm, 98, true), HVA);
	rcu_read_unlock();
}

static void delete_unmaps(struct kunit *test)
{
	struct vmm *vm = test->priv;

	KUNIT_EXPECT_EQ(test, set_pages(vm, 1, 0, 512, 0), 0);
	KUNIT_EXPECT_EQ(test, set_pages(vm, 2, 512, 512, 0), 0);
	map_at(vm, 7, 1, true);
	map_at(vm, 512, 2, true);
	KUNIT_EXPECT_EQ(test, set_pages(vm, 1, 0, 0, 0), 0);
	KUNIT_EXPECT_FALSE(test, mapped(vm, 7));
	KUNIT_EXPECT_TRUE(test, mapped(vm, 900));
	KUNIT_EXPECT_EQ(test, set_pages(vm, 2, 0, 0, 0), 0);
	KUNIT_EXPECT_FALSE(test, mapped(vm, 900));
	KUNIT_EXPECT_EQ(test, atomic64_read(&vm->stats.pages_2m), 0LL);
}

/* The slot that was found last must not outlive its deletion or its move. */
static void last_hit(struct kunit *test)
{
	struct vmm *vm = test->priv;

	set_pages(vm, 1, 100, 10, 0);
	set_pages(vm, 2, 200, 10, 0);
	KUNIT_EXPECT_EQ(test, id_at(vm, 105), 1);
	KUNIT_EXPECT_EQ(test, id_at(vm, 106), 1);
	KUNIT_EXPECT_EQ(test, id_at(vm, 205), 2);
	KUNIT_EXPECT_EQ(test, id_at(vm, 105), 1);
	set_pages(vm, 1, 0, 0, 0);
	KUNIT_EXPECT_EQ(test, id_at(vm, 105), -1);
	KUNIT_EXPECT_EQ(test, id_at(vm, 205), 2);
	set_pages(vm, 2, 105, 10, 0);
	KUNIT_EXPECT_EQ(test, id_at(vm, 205), -1);
	KUNIT_EXPECT_EQ(test, id_at(vm, 105), 2);
}

/* Random changes, against an array that says which slot each frame has. */
#define MODEL_FRAMES	256
#define MODEL_SLOTS	12

static bool model_free(const int *model, gfn_t gfn, u64 npages, int self)
{
	gfn_t g;

	for (g = gfn; g < gfn + npages; g++)
		if (model[g] >= 0 && model[g] != self)
			return false;
	return true;
}

static void model_put(int *model, gfn_t gfn, u64 npages, int id)
{
	gfn_t g;

	for (g = 0; g < MODEL_FRAMES; g++)
		if (model[g] == id)
			model[g] = -1;
	for (g = gfn; g < gfn + npages; g++)
		model[g] = id;
}

static void random_step(struct kunit *test, struct rnd_state *rnd, int *model, u64 *size)
{
	struct vmm *vm = test->priv;
	u32 id = prandom_u32_state(rnd) % MODEL_SLOTS;
	gfn_t gfn = prandom_u32_state(rnd) % (MODEL_FRAMES - 32), g;
	bool delete = size[id] && prandom_u32_state(rnd) % 3 == 0;
	u64 npages = size[id] ?: 1 + prandom_u32_state(rnd) % 32;
	int want = delete || model_free(model, gfn, npages, id) ? 0 : -EEXIST;

	KUNIT_ASSERT_EQ(test, set_pages(vm, id, gfn, delete ? 0 : npages, 0), want);
	if (!want) {
		size[id] = delete ? 0 : npages;
		model_put(model, gfn, size[id], id);
	}
	for (g = 0; g < MODEL_FRAMES; g++)
		KUNIT_ASSERT_EQ(test, id_at(vm, g), model[g]);
}

static void random_changes(struct kunit *test)
{
	int *model = kunit_kmalloc_array(test, MODEL_FRAMES, sizeof(int), GFP_KERNEL);
	u64 *size = kunit_kcalloc(test, MODEL_SLOTS, sizeof(u64), GFP_KERNEL);
	struct rnd_state rnd;
	int i;

	KUNIT_ASSERT_NOT_NULL(test, model);
	KUNIT_ASSERT_NOT_NULL(test, size);
	for (i = 0; i < MODEL_FRAMES; i++)
		model[i] = -1;
	prandom_seed_state(&rnd, 20240101);
	for (i = 0; i < 300; i++)
		random_step(test, &rnd, model, size);
}

static void all_slots(struct kunit *test)
{
	struct vmm *vm = test->priv;
	u32 id;

	/* Alternately from both ends, so that no order of insertion is favoured. */
	for (id = 0; id < MEMSLOTS_MAX; id++) {
		gfn_t gfn = id & 1 ? 2 * MEMSLOTS_MAX - id : id;

		KUNIT_ASSERT_EQ(test, set_pages(vm, id, gfn, 1, 0), 0);
	}
	KUNIT_EXPECT_EQ(test, set_pages(vm, MEMSLOTS_MAX, 1, 1, 0), -EINVAL);
	for (id = 0; id < MEMSLOTS_MAX; id += 2) {
		KUNIT_ASSERT_EQ(test, id_at(vm, id), (int)id);
		KUNIT_ASSERT_EQ(test, id_at(vm, id + 1), -1);
	}
}

/* ---- dirty logs ---- */

static void log_words(struct kunit *test)
{
	struct vmm *vm = test->priv;
	unsigned long buf[4];

	/* Starts at a frame that is no multiple of 64, ends in the middle of a word. */
	KUNIT_ASSERT_EQ(test, set_pages(vm, 1, 1000, 200, LOG), 0);
	mark_dirty(vm, 999);
	mark_dirty(vm, 1000);
	mark_dirty(vm, 1063);
	mark_dirty(vm, 1064);
	mark_dirty(vm, 1199);
	mark_dirty(vm, 1200);
	mark_dirty(vm, 1199);
	KUNIT_EXPECT_EQ(test, atomic64_read(&vm->stats.dirty_pages_logged), 4LL);
	map_at(vm, 1000, 1, true);
	map_at(vm, 1001, 1, true);
	map_at(vm, 1199, 1, true);

	memset(buf, 0xff, sizeof(buf));
	KUNIT_EXPECT_TRUE(test, dirty_take(vm, slot(vm, 1), 0, buf, 4));
	KUNIT_EXPECT_EQ(test, buf[0], 1UL | 1UL << 63);
	KUNIT_EXPECT_EQ(test, buf[1], 1UL);
	KUNIT_EXPECT_EQ(test, buf[2], 0UL);
	KUNIT_EXPECT_EQ(test, buf[3], 1UL << 7);
	KUNIT_EXPECT_FALSE(test, writable(vm, 1000));
	KUNIT_EXPECT_TRUE(test, writable(vm, 1001));
	KUNIT_EXPECT_FALSE(test, writable(vm, 1199));
	memset(buf, 0xff, sizeof(buf));
	KUNIT_EXPECT_FALSE(test, dirty_take(vm, slot(vm, 1), 0, buf, 4));
	KUNIT_EXPECT_EQ(test, buf[0] | buf[1] | buf[2] | buf[3], 0UL);
}

static void log_clear_some(struct kunit *test)
{
	struct vmm *vm = test->priv;
	unsigned long buf = ~0UL << 60 | 2;
	gfn_t g;

	KUNIT_ASSERT_EQ(test, set_pages(vm, 1, 0, 64, LOG), 0);
	for (g = 0; g < 64; g++) {
		map_at(vm, g, 1, true);
		if (g != 62)
			mark_dirty(vm, g);
	}
	KUNIT_EXPECT_TRUE(test, dirty_take(vm, slot(vm, 1), 0, &buf, 1));
	KUNIT_EXPECT_EQ(test, buf, (~0UL << 60 | 2) & ~(1UL << 62));
	KUNIT_EXPECT_EQ(test, slot(vm, 1)->dirty[0], ~(~0UL << 60 | 2));
	for (g = 0; g < 64; g++)
		KUNIT_EXPECT_EQ(test, writable(vm, g), !(buf >> g & 1));
}

static void log_starts_and_stops(struct kunit *test)
{
	struct vmm *vm = test->priv;

	KUNIT_ASSERT_EQ(test, set_pages(vm, 1, 512, 1024, 0), 0);
	map_at(vm, 512, 2, true);
	map_at(vm, 1024, 1, true);
	mark_dirty(vm, 512);
	KUNIT_EXPECT_EQ(test, set_pages(vm, 1, 512, 1024, LOG), 0);
	KUNIT_EXPECT_TRUE(test, bitmap_empty(slot(vm, 1)->dirty, 1024));
	KUNIT_EXPECT_TRUE(test, mapped(vm, 600));
	KUNIT_EXPECT_FALSE(test, writable(vm, 600));
	KUNIT_EXPECT_FALSE(test, writable(vm, 1024));
	/* Small leaves are gone afterwards, so that large ones can come back. */
	KUNIT_EXPECT_EQ(test, set_pages(vm, 1, 512, 1024, 0), 0);
	KUNIT_EXPECT_NULL(test, slot(vm, 1)->dirty);
	KUNIT_EXPECT_FALSE(test, mapped(vm, 1024));
	map_at(vm, 1024, 2, true);
	KUNIT_EXPECT_TRUE(test, mapped(vm, 1300));
}

static void log_initially_set(struct kunit *test)
{
	struct vmm *vm = test->priv;

	vm->policy.manual_dirty = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE |
				  KVM_DIRTY_LOG_INITIALLY_SET;
	KUNIT_ASSERT_EQ(test, set_pages(vm, 1, 0, 70, 0), 0);
	map_at(vm, 3, 1, true);
	KUNIT_ASSERT_EQ(test, set_pages(vm, 1, 0, 70, LOG), 0);
	KUNIT_EXPECT_EQ(test, slot(vm, 1)->dirty[0], ~0UL);
	KUNIT_EXPECT_EQ(test, slot(vm, 1)->dirty[1], 0x3fUL);
	KUNIT_EXPECT_TRUE(test, writable(vm, 3));
}

/* The processor logs: what was written stays writable, but for a large leaf. */
static void log_by_processor(struct kunit *test)
{
	struct vmm *vm = test->priv;
	unsigned long all = ~0UL;

	vm->mem.pml = true;
	KUNIT_ASSERT_EQ(test, set_pages(vm, 1, 0, 1024, 0), 0);
	map_at(vm, 3, 1, true);
	map_at(vm, 512, 2, true);
	KUNIT_EXPECT_FALSE(test, memory_logging(&vm->mem));
	KUNIT_EXPECT_EQ(test, set_pages(vm, 1, 0, 1024, LOG), 0);
	KUNIT_EXPECT_TRUE(test, memory_logging(&vm->mem));
	KUNIT_EXPECT_TRUE(test, test_bit(REQ_INTERCEPTS, &only_vcpu(vm)->requests));
	KUNIT_EXPECT_TRUE(test, writable(vm, 3));
	KUNIT_EXPECT_FALSE(test, writable(vm, 512));
	mark_dirty(vm, 3);
	KUNIT_EXPECT_FALSE(test, dirty_take(vm, slot(vm, 1), 0, &all, 1));
	KUNIT_EXPECT_EQ(test, all, BIT(3));
	clear_bit(REQ_INTERCEPTS, &only_vcpu(vm)->requests);
	KUNIT_EXPECT_EQ(test, set_pages(vm, 1, 0, 0, 0), 0);
	KUNIT_EXPECT_FALSE(test, memory_logging(&vm->mem));
	KUNIT_EXPECT_TRUE(test, test_bit(REQ_INTERCEPTS, &only_vcpu(vm)->requests));
}

/* ---- dirty rings ---- */

#define RING_ENTRIES	256

static struct dirty_ring *ring_init(struct kunit *test)
{
	struct vmm *vm = test->priv;

	KUNIT_ASSERT_EQ(test, ring_enable(vm, RING_ENTRIES * sizeof(struct kvm_dirty_gfn)), 0);
	KUNIT_ASSERT_EQ(test, ring_create(only_vcpu(vm)), 0);
	KUNIT_ASSERT_EQ(test, set_pages(vm, 7, 1000, 1024, LOG), 0);
	return &only_vcpu(vm)->ring;
}

static long reset_rings(struct vmm *vm)
{
	long ret;

	mutex_lock(&vm->mem.slots_lock);
	ret = ring_reset(vm);
	mutex_unlock(&vm->mem.slots_lock);
	return ret;
}

static void ring_sizes(struct kunit *test)
{
	struct vmm *vm = test->priv;

	KUNIT_EXPECT_EQ(test, reset_rings(vm), -EINVAL);
	KUNIT_EXPECT_EQ(test, ring_enable(vm, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, ring_enable(vm, PAGE_SIZE / 2), -EINVAL);
	KUNIT_EXPECT_EQ(test, ring_enable(vm, 3 * PAGE_SIZE), -EINVAL);
	KUNIT_EXPECT_EQ(test, ring_enable(vm, 32 * DIRTY_RING_MAX), -E2BIG);
	KUNIT_EXPECT_EQ(test, ring_enable(vm, BIT_ULL(63)), -E2BIG);
	/* All that a processor may have logged must fit too. */
	vm->mem.pml = true;
	KUNIT_EXPECT_EQ(test, ring_enable(vm, 2 * PAGE_SIZE), -EINVAL);
	vm->created_vcpus = 1;
	KUNIT_EXPECT_EQ(test, ring_enable(vm, 16 * PAGE_SIZE), -EINVAL);
	vm->created_vcpus = 0;
	KUNIT_EXPECT_EQ(test, ring_enable(vm, 16 * PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, ring_enable(vm, 16 * PAGE_SIZE), -EINVAL);
}

static void ring_fills(struct kunit *test)
{
	struct vmm *vm = test->priv;
	struct dirty_ring *ring = ring_init(test);
	struct vcpu *vcpu = only_vcpu(vm);
	u64 i;

	for (i = 0; i < RING_ENTRIES - 64; i++) {
		KUNIT_ASSERT_FALSE(test, test_bit(REQ_DIRTY_RING, &vcpu->requests));
		mark_dirty(vm, 1000 + i);
		mark_dirty(vm, 1000 + i);
		KUNIT_ASSERT_EQ(test, ring->gfns[i].flags, (u32)KVM_DIRTY_GFN_F_DIRTY);
		KUNIT_ASSERT_EQ(test, ring->gfns[i].slot, 7U);
		KUNIT_ASSERT_EQ(test, ring->gfns[i].offset, i);
	}
	KUNIT_EXPECT_TRUE(test, test_bit(REQ_DIRTY_RING, &vcpu->requests));
	vcpu->run = kunit_kzalloc(test, sizeof(*vcpu->run), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, vcpu->run);
	KUNIT_EXPECT_EQ(test, ring_check(vcpu), RESUME_USER);
	KUNIT_EXPECT_EQ(test, vcpu->run->exit_reason, (u32)KVM_EXIT_DIRTY_RING_FULL);
	/* What does not fit is not lost: its bit stays clear, and it is logged another time. */
	for (; i < RING_ENTRIES + 5; i++)
		mark_dirty(vm, 1000 + i);
	KUNIT_EXPECT_EQ(test, ring->next, (u32)RING_ENTRIES);
	KUNIT_EXPECT_FALSE(test, test_bit(RING_ENTRIES, slot(vm, 7)->dirty));
	KUNIT_EXPECT_EQ(test, reset_rings(vm), 0L);
	KUNIT_EXPECT_EQ(test, ring_check(vcpu), RESUME_USER);
	ring->gfns[0].flags |= KVM_DIRTY_GFN_F_RESET;
	ring->gfns[2].flags |= KVM_DIRTY_GFN_F_RESET;
	KUNIT_EXPECT_EQ(test, reset_rings(vm), 1L);
	for (i = 1; i < RING_ENTRIES; i++)
		ring->gfns[i].flags |= KVM_DIRTY_GFN_F_RESET;
	KUNIT_EXPECT_EQ(test, reset_rings(vm), RING_ENTRIES - 1L);
	KUNIT_EXPECT_EQ(test, ring_check(vcpu), RESUME_GUEST);
	KUNIT_EXPECT_TRUE(test, bitmap_empty(slot(vm, 7)->dirty, 1024));
}

/* Once reset, the next write is caught; what user space made of the entries is checked. */
static void ring_resets(struct kunit *test)
{
	struct vmm *vm = test->priv;
	struct dirty_ring *ring = ring_init(test);
	u64 i;

	for (i = 0; i < 130; i++) {
		map_at(vm, 1000 + i, 1, true);
		mark_dirty(vm, 1000 + i);
		ring->gfns[i].flags |= KVM_DIRTY_GFN_F_RESET;
	}
	ring->gfns[5].slot = 8;
	ring->gfns[6].slot = ~0U;
	ring->gfns[70].offset = 1024;
	ring->gfns[71].offset = ~0ULL;
	ring->gfns[130].flags = KVM_DIRTY_GFN_F_RESET;
	KUNIT_EXPECT_EQ(test, reset_rings(vm), 130L);
	KUNIT_EXPECT_EQ(test, ring->reset, 130U);
	for (i = 0; i < 130; i++)
		KUNIT_EXPECT_EQ(test, writable(vm, 1000 + i),
				i == 5 || i == 6 || i == 70 || i == 71);
	KUNIT_EXPECT_EQ(test, atomic64_read(&vm->stats.remote_tlb_flushes), 1LL);
}

/* ---- the MMU notifier ---- */

static void invalidate(struct kunit *test)
{
	struct vmm *vm = test->priv;
	const struct mmu_notifier_ops *ops = &memory_notifier_ops;
	struct mmu_notifier_range outer = { .start = HVA + 4 * PAGE_SIZE,
					    .end = HVA + 6 * PAGE_SIZE };
	struct mmu_notifier_range inner = { .start = HVA + 20 * PAGE_SIZE,
					    .end = HVA + 21 * PAGE_SIZE };
	struct memory *mem = &vm->mem;
	gfn_t g;

	/* Two slots show the same HVAs. */
	KUNIT_ASSERT_EQ(test, set_pages(vm, 1, 0, 32, 0), 0);
	KUNIT_ASSERT_EQ(test, set_pages(vm, 2, 1000, 32, 0), 0);
	for (g = 0; g < 32; g++) {
		map_at(vm, g, 1, true);
		map_at(vm, 1000 + g, 1, true);
	}
	KUNIT_EXPECT_EQ(test, ops->invalidate_range_start(&mem->notifier, &outer), 0);
	for (g = 0; g < 32; g++) {
		KUNIT_EXPECT_EQ(test, mapped(vm, g), g != 4 && g != 5);
		KUNIT_EXPECT_EQ(test, mapped(vm, 1000 + g), g != 4 && g != 5);
	}
	KUNIT_EXPECT_TRUE(test, memory_invalidating(mem, outer.end - PAGE_SIZE, outer.end));
	KUNIT_EXPECT_FALSE(test, memory_invalidating(mem, outer.end, outer.end + PAGE_SIZE));
	KUNIT_EXPECT_FALSE(test, memory_invalidating(mem, HVA, outer.start));

	/* A second one meanwhile: neither may be forgotten when the other ends. */
	ops->invalidate_range_start(&mem->notifier, &inner);
	KUNIT_EXPECT_FALSE(test, mapped(vm, 20));
	ops->invalidate_range_end(&mem->notifier, &outer);
	KUNIT_EXPECT_TRUE(test, memory_invalidating(mem, inner.start, inner.end));
	ops->invalidate_range_end(&mem->notifier, &inner);
	KUNIT_EXPECT_FALSE(test, memory_invalidating(mem, 0, ~0UL));
}

/* Many slots of 1G over the same HVAs: others may run between one and the next. */
static void invalidate_yields(struct kunit *test)
{
	struct vmm *vm = test->priv;
	const struct mmu_notifier_ops *ops = &memory_notifier_ops;
	struct mmu_notifier_range range = {
		.start = HVA, .end = HVA + SZ_1G, .flags = MMU_NOTIFIER_RANGE_BLOCKABLE,
	};
	unsigned int tries;
	u64 i, zaps = 0;

	for (i = 0; i < 3; i++)
		KUNIT_ASSERT_EQ(test, set_region(vm, i, i * SZ_1G, SZ_1G, HVA, 0), 0);
	/* Where an interrupt lets others run before anybody looks, it is tried again. */
	for (tries = 0; tries < 20 && zaps < 2; tries++) {
		zaps = atomic64_read(&vm->stats.mmu_zaps);
		for (i = 0; i < 3; i++)
			map_at(vm, i * (SZ_1G >> PAGE_SHIFT), 1, true);
		set_tsk_need_resched(current);
		KUNIT_EXPECT_EQ(test, ops->invalidate_range_start(&vm->mem.notifier, &range), 0);
		for (i = 0; i < 3; i++)
			KUNIT_EXPECT_FALSE(test, mapped(vm, i * (SZ_1G >> PAGE_SHIFT)));
		ops->invalidate_range_end(&vm->mem.notifier, &range);
		zaps = atomic64_read(&vm->stats.mmu_zaps) - zaps;
	}
	/* A flush before it let others run, and one at the end. */
	KUNIT_EXPECT_GE(test, zaps, 2ull);
}

static void age(struct kunit *test)
{
	struct vmm *vm = test->priv;
	const struct mmu_notifier_ops *ops = &memory_notifier_ops;
	struct mmu_notifier *mn = &vm->mem.notifier;

	KUNIT_ASSERT_EQ(test, set_pages(vm, 1, 100, 32, 0), 0);
	map_at(vm, 103, 1, true);
	KUNIT_EXPECT_FALSE(test, ops->test_young(mn, NULL, HVA + 2 * PAGE_SIZE));
	KUNIT_EXPECT_TRUE(test, ops->test_young(mn, NULL, HVA + 3 * PAGE_SIZE));
	KUNIT_EXPECT_TRUE(test, ops->clear_flush_young(mn, NULL, HVA, HVA + 4 * PAGE_SIZE));
	KUNIT_EXPECT_FALSE(test, ops->test_young(mn, NULL, HVA + 3 * PAGE_SIZE));
	/* Without accessed bits only the next fault tells that a page is used. */
	KUNIT_EXPECT_EQ(test, mapped(vm, 103), !!vm->mem.tdp_format->accessed);
}

static void release(struct kunit *test)
{
	struct vmm *vm = test->priv;

	KUNIT_ASSERT_EQ(test, set_pages(vm, 1, 100, 32, 0), 0);
	KUNIT_ASSERT_EQ(test, set_region(vm, 2, 0, PAGE_SIZE, 0, 0), 0);
	map_at(vm, 103, 1, true);
	map_at(vm, 0, 1, true);
	memory_notifier_ops.release(&vm->mem.notifier, NULL);
	KUNIT_EXPECT_TRUE(test, vm->mem.mm_gone);
	KUNIT_EXPECT_FALSE(test, mapped(vm, 103));
	KUNIT_EXPECT_FALSE(test, mapped(vm, 0));
}

static struct kunit_case memory_cases[] = {
	KUNIT_CASE(bad_regions),
	KUNIT_CASE(overlap),
	KUNIT_CASE(change),
	KUNIT_CASE_PARAM(move, format_gen_params),
	KUNIT_CASE_PARAM(delete_unmaps, format_gen_params),
	KUNIT_CASE(last_hit),
	KUNIT_CASE(random_changes),
	KUNIT_CASE(all_slots),
	KUNIT_CASE_PARAM(log_words, format_gen_params),
	KUNIT_CASE_PARAM(log_clear_some, format_gen_params),
	KUNIT_CASE_PARAM(log_starts_and_stops, format_gen_params),
	KUNIT_CASE_PARAM(log_initially_set, format_gen_params),
	KUNIT_CASE(log_by_processor),
	KUNIT_CASE(ring_sizes),
	KUNIT_CASE(ring_fills),
	KUNIT_CASE(ring_resets),
	KUNIT_CASE_PARAM(invalidate, format_gen_params),
	KUNIT_CASE_PARAM(invalidate_yields, format_gen_params),
	KUNIT_CASE_PARAM(age, format_gen_params),
	KUNIT_CASE_PARAM(release, format_gen_params),
	{ }
};

struct kunit_suite memory_suite = {
	.name = "vmm-memory",
	.init = vm_init,
	.exit = vm_exit,
	.test_cases = memory_cases,
};
