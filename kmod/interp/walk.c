// SPDX-License-Identifier: GPL-2.0
/*
 * Walks of the guest's own page tables: none, 32-bit, PAE, 4 and 5 levels (APM vol. 2, 5.2, 5.3).
 * PAE page-directory-pointer entries are read from memory each time, as in nested paging mode, or
 * taken from where they were loaded with CR3 (SDM vol. 3, 4.4.1).
 * Protection keys are not offered to guests.
 */
#include "insn.h"

#define PTE_P		BIT_ULL(0)
#define PTE_W		BIT_ULL(1)
#define PTE_U		BIT_ULL(2)
#define PTE_A		BIT_ULL(5)
#define PTE_D		BIT_ULL(6)
#define PTE_PS		BIT_ULL(7)
#define PTE_NX		BIT_ULL(63)
#define PTE_ADDR	0x000ffffffffff000ULL

/*
 * Of a PDPTE (APM vol. 2, 5.2.3). Bit 5 is reserved too, but some emulated processors that have
 * PDPTEs in memory set it as an accessed bit: what they do must not become a fault here. Those that
 * load PDPTEs refuse an entry with it (SDM vol. 3C, 27.3.1.6).
 */
#define PDPTE_RESERVED	(GENMASK_ULL(63, 52) | GENMASK_ULL(8, 6) | BIT_ULL(1) | BIT_ULL(2))

#define PF_P		BIT(0)
#define PF_RSVD		BIT(3)

#define WALK_RETRIES	8	/* another processor changes the entries at the same time */

/* struct table_format - one way of paging */
struct table_format {
	u8 levels;
	u8 index_bits;
	u8 entry_size;
	bool pae_top;	/* the top entries are PDPTEs: present and address only */
};

/* struct table_walk - a walk under way; level 1 is the page table */
struct table_walk {
	const struct table_format *format;
	gva_t addr;
	u32 access;
	gpa_t entry_gpa[5];
	u64 entry[5];
	unsigned int level;	/* of the leaf at the end */
	bool writeable, user, nx;
};

static const struct table_format format_32 = { 2, 10, 4, false };
static const struct table_format format_pae = { 3, 9, 8, true };
static const struct table_format format_4level = { 4, 9, 8, false };
static const struct table_format format_5level = { 5, 9, 8, false };

static const struct table_format *table_format(const struct interp *in)
{
	if (in->efer & IEFER_LMA)
		return in->cr4 & X86_CR4_LA57 ? &format_5level : &format_4level;
	return in->cr4 & X86_CR4_PAE ? &format_pae : &format_32;
}

static unsigned int level_shift(const struct table_format *f, unsigned int level)
{
	return 12 + (level - 1) * f->index_bits;
}

static gpa_t table_base(const struct interp *in, const struct table_format *f)
{
	if (f->entry_size == 4)
		return in->cr3 & 0xfffff000;
	return f->pae_top ? in->cr3 & 0xffffffe0 : in->cr3 & PTE_ADDR;
}

/* The page-fault error code (APM vol. 2, 8.4.2). */
static int fault_page(struct interp *in, const struct table_walk *w, u32 error)
{
	error |= w->access & (ACCESS_WRITE | ACCESS_USER);
	if (w->access & ACCESS_FETCH &&
	    (in->cr4 & X86_CR4_SMEP || (in->efer & IEFER_NXE && in->cr4 & X86_CR4_PAE)))
		error |= ACCESS_FETCH;
	in->fault = (struct interp_fault){
		.vector = VEC_PF, .has_error = true, .error = error, .address = w->addr,
	};
	return INTERP_FAULT;
}

static bool is_leaf(const struct interp *in, const struct table_walk *w, unsigned int level,
		    u64 entry)
{
	if (level == 1)
		return true;
	if (!(entry & PTE_PS))
		return false;
	if (w->format->entry_size == 4)
		return level == 2 && in->cr4 & X86_CR4_PSE;
	return level == 2 || (level == 3 && !w->format->pae_top);
}

static bool reserved_bits(const struct interp *in, const struct table_walk *w, unsigned int level,
			  u64 entry)
{
	u64 reserved = in->reserved_gpa & PTE_ADDR;
	bool leaf = is_leaf(in, w, level, entry);

	if (w->format->entry_size == 4)		/* PSE-36: bits 39-32 of the address in 20-13 */
		return leaf && level == 2 && entry & BIT_ULL(21);
	if (w->format->pae_top && level == 3)
		return entry & (reserved | PDPTE_RESERVED);
	if (!(in->efer & IEFER_NXE))
		reserved |= PTE_NX;
	if (w->format->pae_top)
		reserved |= GENMASK_ULL(62, 52);
	if (level > 3)
		reserved |= PTE_PS;
	if (leaf && level > 1)
		reserved |= (BIT_ULL(level_shift(w->format, level)) - 1) & GENMASK_ULL(29, 13);
	return entry & reserved;
}

static int read_entry(struct interp *in, struct table_walk *w, unsigned int level, gpa_t base)
{
	const struct table_format *f = w->format;
	unsigned int index = w->addr >> level_shift(f, level) & ((1U << f->index_bits) - 1);
	u64 entry = 0;
	int r = 0;

	if (f->pae_top && level == 3)
		index &= 3;
	w->entry_gpa[level - 1] = base + index * f->entry_size;
	if (f->pae_top && level == 3 && in->pdpte)
		entry = in->pdpte[index];
	else
		r = in->ops->phys_read(in, w->entry_gpa[level - 1], &entry, f->entry_size);
	if (r)
		return r == INTERP_NOT_MEMORY ? INTERP_UNKNOWN : r;
	w->entry[level - 1] = entry;
	if (!(entry & PTE_P))
		return fault_page(in, w, 0);
	if (reserved_bits(in, w, level, entry))
		return fault_page(in, w, PF_P | PF_RSVD);
	if (f->pae_top && level == 3)
		return INTERP_DONE;
	w->writeable &= !!(entry & PTE_W);
	w->user &= !!(entry & PTE_U);
	w->nx |= f->entry_size == 8 && entry & PTE_NX;
	return INTERP_DONE;
}

/* APM vol. 2, 5.6: user/supervisor, read/write, NX, SMEP, SMAP. */
static bool permitted(const struct interp *in, const struct table_walk *w)
{
	bool supervisor = !(w->access & ACCESS_USER);

	if (!supervisor && !w->user)
		return false;
	if (w->access & ACCESS_FETCH)
		return !w->nx && !(supervisor && w->user && in->cr4 & X86_CR4_SMEP);
	if (w->access & ACCESS_WRITE && !w->writeable &&
	    (!supervisor || in->cr0 & X86_CR0_WP))
		return false;
	if (!supervisor || !w->user || !(in->cr4 & X86_CR4_SMAP))
		return true;
	return in->reg.rflags & X86_EFLAGS_AC && !(w->access & ACCESS_IMPLICIT);
}

/* Accessed in every entry, dirty in the leaf of a write (APM vol. 2, 5.4.2). */
static int set_accessed(struct interp *in, const struct table_walk *w)
{
	unsigned int level = w->format->levels;

	if (w->format->pae_top)
		level--;
	for (; level >= w->level; level--) {
		u64 old = w->entry[level - 1], new = old | PTE_A;
		int r;

		if (level == w->level && w->access & ACCESS_WRITE)
			new |= PTE_D;
		if (new == old)
			continue;
		r = in->ops->phys_cmpxchg(in, w->entry_gpa[level - 1], old, new,
					  w->format->entry_size);
		if (r < 0)
			return INTERP_RETRY;
		if (r)
			return r == INTERP_NOT_MEMORY ? INTERP_UNKNOWN : r;
	}
	return INTERP_DONE;
}

static gpa_t leaf_gpa(const struct table_walk *w)
{
	u64 entry = w->entry[w->level - 1];
	u64 offset = BIT_ULL(level_shift(w->format, w->level)) - 1;
	u64 base = entry & PTE_ADDR & ~offset;

	if (w->format->entry_size == 4 && w->level == 2)
		base |= (entry & 0x1fe000) << 19;
	return base | (w->addr & offset);
}

static int walk_once(struct interp *in, struct table_walk *w)
{
	gpa_t base = table_base(in, w->format);
	int r;

	w->writeable = true;
	w->user = true;
	w->nx = false;
	for (w->level = w->format->levels; ; w->level--) {
		r = read_entry(in, w, w->level, base);
		if (r)
			return r;
		if (is_leaf(in, w, w->level, w->entry[w->level - 1]))
			break;
		base = w->entry[w->level - 1] & PTE_ADDR;
	}
	if (w->access & ACCESS_PROBE)
		return INTERP_DONE;
	if (!permitted(in, w))
		return fault_page(in, w, PF_P);
	return set_accessed(in, w);
}

/**
 * interp_walk() - translate one linear address
 * @in: cr0, cr3, cr4, efer, pdpte, reserved_gpa, reg.rflags and ops are used
 * @addr: linear address, canonical in long mode
 * @access: ACCESS_*
 * @walk: the translation
 *
 * Return: INTERP_DONE; INTERP_FAULT: #PF in @in->fault; INTERP_RETRY: another processor keeps
 * changing the tables; INTERP_UNKNOWN: a table is not in memory; INTERP_NO_PAGE. May sleep.
 */
int interp_walk(struct interp *in, gva_t addr, u32 access, struct interp_walk *walk)
{
	struct table_walk w = { .addr = addr, .access = access };
	unsigned int tries;
	int r = INTERP_RETRY;

	*walk = (struct interp_walk){ .gpa = addr, .writeable = true, .user = true };
	if (!(in->cr0 & X86_CR0_PG))
		return INTERP_DONE;
	w.format = table_format(in);
	for (tries = 0; r == INTERP_RETRY && tries < WALK_RETRIES; tries++)
		r = walk_once(in, &w);
	if (r)
		return r;
	walk->gpa = leaf_gpa(&w);
	walk->writeable = w.writeable;
	walk->user = w.user;
	return INTERP_DONE;
}
EXPORT_FOR_TEST(interp_walk);

/**
 * interp_pdptes_bad() - may a PAE guest load this CR3?
 * @in: as for interp_walk(); of pdpte only whether it is NULL
 * @cr3: its new value
 * @entry: the four entries, where it may
 *
 * Return: 0; 1: a present page-directory-pointer entry has reserved bits set, or there is no
 * memory (APM vol. 2, 5.3.2).
 */
int interp_pdptes_bad(struct interp *in, u64 cr3, u64 *entry)
{
	struct table_walk w = { .format = &format_pae };
	u64 reserved = in->pdpte ? PTE_A : 0;
	unsigned int i;

	if (in->ops->phys_read(in, cr3 & 0xffffffe0, entry, 4 * sizeof(*entry)))
		return 1;
	for (i = 0; i < 4; i++) {
		if (entry[i] & PTE_P && (entry[i] & reserved || reserved_bits(in, &w, 3, entry[i])))
			return 1;
	}
	return 0;
}
EXPORT_FOR_TEST(interp_pdptes_bad);
