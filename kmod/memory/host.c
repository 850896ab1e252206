// SPDX-License-Identifier: GPL-2.0
/* The host's side of a fault: what its page table says, bringing a page in, marking it dirty. */
#include <linux/mem_encrypt.h>
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/sched/signal.h>

#include "internal.h"

static void host_leaf(u64 flags, u64 pfn, int level, struct host_page *page)
{
	/* Present only in name (PROT_NONE, a huge page being split): the bit itself is clear. */
	if ((flags & (_PAGE_PRESENT | _PAGE_USER)) != (_PAGE_PRESENT | _PAGE_USER))
		return;
	page->pfn = pfn;
	page->level = level;
	page->writable = flags & _PAGE_RW;
	page->dirty = flags & _PAGE_DIRTY;
	page->special = flags & _PAGE_SPECIAL;
	page->encrypt = flags & sme_me_mask;
	/* In Linux's PAT every type but write-back has one of these (PAT7 aside, WB is 0 and 4). */
	page->device = flags & (_PAGE_PWT | _PAGE_PCD);
}

/*
 * Walk down to where hva's 4K entry is. true: *table is a copy of the entry that points there;
 * false: a larger leaf was found first, and is in page, or nothing (page->level is 0).
 */
static bool host_walk(struct mm_struct *mm, hva_t hva, struct host_page *page, pmd_t *table)
{
	pgd_t pgd = READ_ONCE(*pgd_offset(mm, hva));
	p4d_t p4d;
	pud_t pud;
	pmd_t pmd;

	page->level = 0;
	if (pgd_none(pgd))
		return false;
	p4d = READ_ONCE(*p4d_offset(&pgd, hva));
	if (!p4d_present(p4d))
		return false;
	pud = READ_ONCE(*pud_offset(&p4d, hva));
	if (!(pud_flags(pud) & _PAGE_PRESENT))
		return false;
	if (pud_flags(pud) & _PAGE_PSE) {
		host_leaf(pud_flags(pud), pud_pfn(pud) + ((hva & ~PUD_MASK) >> PAGE_SHIFT), 3,
			  page);
		return false;
	}
	pmd = READ_ONCE(*pmd_offset(&pud, hva));
	if (!(pmd_flags(pmd) & _PAGE_PRESENT))
		return false;
	if (pmd_flags(pmd) & _PAGE_PSE) {
		host_leaf(pmd_flags(pmd), pmd_pfn(pmd) + ((hva & ~PMD_MASK) >> PAGE_SHIFT), 2,
			  page);
		return false;
	}
	*table = pmd;
	return true;
}

/**
 * host_pages_find() - read a run of the host's page table
 * @mm: the VM's mm
 * @hva: the first address, of a page
 * @n: pages of 4K; all in the same 2M of addresses
 * @pages: filled; level is 0 where there is none
 *
 * The answer stays true while mmu_lock is held, if no invalidation of the addresses was in progress
 * when it was asked: who changes an entry for worse calls the MMU notifier first, and waits there.
 *
 * Context: mmu_lock held.
 */
void host_pages_find(struct mm_struct *mm, hva_t hva, unsigned int n, struct host_page *pages)
{
	unsigned long flags;
	unsigned int i;
	pmd_t table;
	pte_t *ptep;

	/* Tables around an unmapped address may be freed: that waits for an IPI, or for RCU. */
	local_irq_save(flags);
	if (host_walk(mm, hva, &pages[0], &table)) {
		ptep = pte_offset_kernel(&table, hva);
		for (i = 0; i < n; i++) {
			pte_t pte = READ_ONCE(ptep[i]);

			pages[i].level = 0;
			host_leaf(pte_flags(pte), pte_pfn(pte), 1, &pages[i]);
		}
	} else {
		for (i = 1; i < n; i++) {
			pages[i] = pages[0];
			pages[i].pfn += i;
		}
	}
	local_irq_restore(flags);
}

/* The fault itself does not tell a poisoned page from a mapping that is not there. */
static bool host_poisoned(hva_t hva, bool write)
{
	return get_user_pages_unlocked(hva, 1, NULL, FOLL_HWPOISON | (write ? FOLL_WRITE : 0)) ==
	       -EHWPOISON;
}

/**
 * host_page_in() - have the host make a page present
 * @vm: the VM; current->mm is its mm
 * @hva: the address
 * @write: it shall be writable
 *
 * Context: may sleep.
 * Return: 0: look again. 1: the page is poisoned; the thread has got its SIGBUS. -EFAULT: no
 * mapping, or not with that right; -ENOMEM; -EINTR: a fatal signal came first.
 */
int host_page_in(struct vmm *vm, hva_t hva, bool write)
{
	bool unlocked = false;
	int ret;

	if (current->mm != vm->mm)
		return -EFAULT;
	mmap_read_lock(vm->mm);
	ret = fixup_user_fault(vm->mm, hva, write ? FAULT_FLAG_WRITE : 0, &unlocked);
	mmap_read_unlock(vm->mm);
	if (ret != -EFAULT || !host_poisoned(hva, write))
		return ret;
	/* As if the thread had touched the page itself; it may repair the guest and go on. */
	send_sig_mceerr(BUS_MCEERR_AR, (void __user *)(unsigned long)hva, PAGE_SHIFT, current);
	return 1;
}

/**
 * host_page_dirty() - tell the host that the guest will write a page
 * @pfn: its frame, from a host page that was writable and not special
 *
 * Context: mmu_lock held, under which the frame was found.
 */
void host_page_dirty(u64 pfn)
{
	struct page *page;

	if (!pfn_valid(pfn))
		return;
	page = pfn_to_page(pfn);
	if (PageReserved(page) || is_zone_device_page(page))
		return;
	if (!folio_test_dirty(page_folio(page)))
		folio_mark_dirty(page_folio(page));
}
