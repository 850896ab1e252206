// SPDX-License-Identifier: GPL-2.0
/* Guest physical memory as the rest of the module reads and writes it: through the slots' HVAs. */
#include <linux/mm.h>
#include <linux/uaccess.h>

#include "internal.h"

/* The HVA of a guest physical address and the bytes from there to the end of the slot; 0: none. */
static hva_t gpa_to_hva(struct memory *mem, gpa_t gpa, bool write, size_t *len,
			struct memslot **slotp)
{
	struct memslot *slot = slot_find(mem, gpa >> PAGE_SHIFT);
	u64 offset;

	if (!slot || (write && (READ_ONCE(slot->flags) & KVM_MEM_READONLY)))
		return 0;
	offset = gpa - (slot->gfn << PAGE_SHIFT);
	*len = min_t(u64, *len, (slot->npages << PAGE_SHIFT) - offset);
	if (slotp)
		*slotp = slot;
	return slot->hva + offset;
}

static void __user *hva_ptr(hva_t hva)
{
	return (void __user *)(unsigned long)hva;
}

static void mark_range_dirty(struct vcpu *vcpu, const struct memslot *slot, gpa_t gpa, size_t len)
{
	gfn_t gfn = gpa >> PAGE_SHIFT, last = (gpa + len - 1) >> PAGE_SHIFT;

	for (; gfn <= last; gfn++)
		slot_mark_dirty(vcpu, slot, gfn);
}

/* One slot's part of an access; the bytes done, or an errno of memory_read(). srcu is held. */
static ssize_t access_part(struct vmm *vm, struct vcpu *vcpu, gpa_t gpa, void *to,
			   const void *from, size_t len)
{
	unsigned long left;
	struct memslot *slot;
	hva_t hva = gpa_to_hva(&vm->mem, gpa, !!from, &len, &slot);

	if (!hva)
		return -ENXIO;
	if (to)
		return copy_from_user(to, hva_ptr(hva), len) ? -EFAULT : len;
	left = copy_to_user(hva_ptr(hva), from, len);
	/* Some of it may have been written even so. */
	mark_range_dirty(vcpu, slot, gpa, len);
	return left ? -EFAULT : len;
}

/* vcpu: who writes. */
static int access_guest(struct vmm *vm, struct vcpu *vcpu, gpa_t gpa, void *to, const void *from,
			size_t len)
{
	ssize_t done = 0;
	int idx;

	/* User addresses mean nothing in another mm. */
	if (current->mm != vm->mm)
		return -EFAULT;
	idx = srcu_read_lock(&vm->mem.srcu);
	while (len) {
		done = access_part(vm, vcpu, gpa, to, from, len);
		if (done < 0)
			break;
		gpa += done;
		len -= done;
		if (to)
			to += done;
		else
			from += done;
	}
	srcu_read_unlock(&vm->mem.srcu, idx);
	return min_t(ssize_t, done, 0);
}

/**
 * memory_read() - read guest physical memory
 * @vm: the VM
 * @gpa: where from
 * @buf: where to
 * @len: bytes; may cross pages and slots
 *
 * Context: a thread of the VM's mm; may sleep.
 * Return: 0; -ENXIO: somewhere there is no slot; -EFAULT: the host has no page there. @buf is then
 * undefined.
 */
int memory_read(struct vmm *vm, gpa_t gpa, void *buf, size_t len)
{
	return access_guest(vm, NULL, gpa, buf, NULL, len);
}

/**
 * memory_write() - write guest physical memory and log it as dirty
 * @vcpu: who writes
 * @gpa: where to
 * @buf: where from
 * @len: bytes; may cross pages and slots
 *
 * Context: a thread of the VM's mm; may sleep.
 * Return: 0; -ENXIO: somewhere there is no slot or a read-only one; -EFAULT: the host has no page
 * there. A part may be written.
 */
int memory_write(struct vcpu *vcpu, gpa_t gpa, const void *buf, size_t len)
{
	return access_guest(vcpu->vm, vcpu, gpa, NULL, buf, len);
}

/**
 * memory_write_atomic() - write guest physical memory without sleeping, and log it as dirty
 * @vcpu: who writes
 * @gpa: where to
 * @buf: where from
 * @len: bytes, in one slot
 *
 * Context: a thread of the VM's mm; interrupts may be off.
 * Return: 0 or -EFAULT: no slot, a read-only one, or the host has no page there that is writable; a
 * part may be written.
 */
int memory_write_atomic(struct vcpu *vcpu, gpa_t gpa, const void *buf, size_t len)
{
	struct memslot *slot;
	size_t room = len;
	int ret = -EFAULT;
	hva_t hva;

	if (current->mm != vcpu->vm->mm)
		return -EFAULT;
	rcu_read_lock();
	hva = gpa_to_hva(&vcpu->vm->mem, gpa, true, &room, &slot);
	if (hva && room == len) {
		pagefault_disable();
		if (!__copy_to_user_inatomic(hva_ptr(hva), buf, len))
			ret = 0;
		pagefault_enable();
		mark_range_dirty(vcpu, slot, gpa, len);
	}
	rcu_read_unlock();
	return ret;
}

/* One function for each size: 0, -EFAULT, -EAGAIN. */
#define DEFINE_CMPXCHG_USER(type)							\
static int cmpxchg_user_##type(type __user *ptr, u64 *expected, type new)		\
{											\
	type old = *expected;								\
	int ret;									\
											\
	if (!user_access_begin(ptr, sizeof(type)))					\
		return -EFAULT;								\
	ret = unsafe_try_cmpxchg_user(ptr, &old, new, fault) ? 0 : -EAGAIN;		\
	user_access_end();								\
	*expected = old;								\
	return ret;									\
fault:											\
	user_access_end();								\
	return -EFAULT;									\
}

DEFINE_CMPXCHG_USER(u8)
DEFINE_CMPXCHG_USER(u16)
DEFINE_CMPXCHG_USER(u32)
DEFINE_CMPXCHG_USER(u64)

static int cmpxchg_user(hva_t hva, u64 *expected, u64 new, unsigned int size)
{
	switch (size) {
	case 1:
		return cmpxchg_user_u8(hva_ptr(hva), expected, new);
	case 2:
		return cmpxchg_user_u16(hva_ptr(hva), expected, new);
	case 4:
		return cmpxchg_user_u32(hva_ptr(hva), expected, new);
	default:
		return cmpxchg_user_u64(hva_ptr(hva), expected, new);
	}
}

/**
 * memory_cmpxchg() - compare and exchange guest physical memory
 * @vcpu: who writes
 * @gpa: where, aligned to @size
 * @expected: what should be there; what was there, where the answer is -EAGAIN
 * @new: what shall be there
 * @size: 1, 2, 4 or 8 bytes
 *
 * Context: a thread of the VM's mm; may sleep.
 * Return: 0; -EAGAIN: something else was there; -ENXIO: no slot or a read-only one; -EFAULT: the
 * host has no page there, or @size or @gpa are not as said.
 */
int memory_cmpxchg(struct vcpu *vcpu, gpa_t gpa, u64 *expected, u64 new, unsigned int size)
{
	struct vmm *vm = vcpu->vm;
	struct memslot *slot;
	size_t len = size;
	int idx, ret = -ENXIO;
	hva_t hva;

	if (current->mm != vm->mm || !is_power_of_2(size) || size > 8 || (gpa & (size - 1)))
		return -EFAULT;
	idx = srcu_read_lock(&vm->mem.srcu);
	hva = gpa_to_hva(&vm->mem, gpa, true, &len, &slot);
	if (hva) {
		ret = cmpxchg_user(hva, expected, new, size);
		if (!ret)
			slot_mark_dirty(vcpu, slot, gpa >> PAGE_SHIFT);
	}
	srcu_read_unlock(&vm->mem.srcu, idx);
	return ret;
}

/*
 * 8 to 16 bytes by two loads that may overlap: this is how instructions are fetched on exits, and a
 * byte-wise copy would cost more than the rest of the fetch.
 */
static bool read_two_words(void *buf, hva_t hva, size_t len)
{
	u64 first, last;

	if (!user_access_begin(hva_ptr(hva), len))
		return false;
	unsafe_get_user(first, (u64 __user *)hva_ptr(hva), fault);
	unsafe_get_user(last, (u64 __user *)hva_ptr(hva + len - 8), fault);
	user_access_end();
	memcpy(buf, &first, 8);
	memcpy(buf + len - 8, &last, 8);
	return true;
fault:
	user_access_end();
	return false;
}

/**
 * memory_read_atomic() - read guest physical memory without sleeping
 * @vm: the VM
 * @gpa: where from
 * @buf: where to
 * @len: bytes at most
 *
 * Context: a thread of the VM's mm; any but hard interrupts.
 * Return: bytes read: fewer than @len where the slot ends or a page of the host is not present;
 * -EFAULT: none.
 */
int memory_read_atomic(struct vmm *vm, gpa_t gpa, void *buf, size_t len)
{
	int ret = -EFAULT;
	hva_t hva;

	if (current->mm != vm->mm)
		return -EFAULT;
	rcu_read_lock();
	hva = gpa_to_hva(&vm->mem, gpa, false, &len, NULL);
	if (!hva)
		goto out;
	pagefault_disable();
	if (len >= 8 && len <= 16 && read_two_words(buf, hva, len))
		ret = len;
	else
		ret = len - __copy_from_user_inatomic(buf, hva_ptr(hva), len);
	pagefault_enable();
	if (!ret)
		ret = -EFAULT;
out:
	rcu_read_unlock();
	return ret;
}

/**
 * memory_has_slot() - is there memory at a guest physical address?
 * @vm: the VM
 * @gpa: the address
 * @write: which may be written
 *
 * Context: any.
 */
bool memory_has_slot(struct vmm *vm, gpa_t gpa, bool write)
{
	struct memslot *slot;
	bool ret;

	rcu_read_lock();
	slot = slot_find(&vm->mem, gpa >> PAGE_SHIFT);
	ret = slot && !(write && (READ_ONCE(slot->flags) & KVM_MEM_READONLY));
	rcu_read_unlock();
	return ret;
}

/**
 * memory_hva() - the host virtual address of a frame
 * @vm: the VM
 * @gfn: the frame
 * @write: it shall be writable
 *
 * Context: srcu or RCU held as long as the address is used.
 * Return: the address, or 0: no slot, or a read-only one.
 */
hva_t memory_hva(struct vmm *vm, gfn_t gfn, bool write)
{
	size_t len = PAGE_SIZE;

	return gpa_to_hva(&vm->mem, gfn << PAGE_SHIFT, write, &len, NULL);
}
EXPORT_FOR_TEST(memory_hva);
