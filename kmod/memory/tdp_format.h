/* SPDX-License-Identifier: GPL-2.0 */
/* How one vendor writes nested page tables: all that differs between NPT and EPT. */
#ifndef VMM_TDP_FORMAT_H
#define VMM_TDP_FORMAT_H

#include <linux/bits.h>
#include <linux/minmax.h>
#include <linux/types.h>
#include <asm/processor.h>

/**
 * struct tdp_format - the bits of a nested table entry
 * @present: set in every present entry, table or leaf
 * @table: further bits of a non-leaf entry (NPT: writable, user, accessed, and the encryption bit
 *	that tables, being the host's memory, have: it is no part of @present nor of @addr_mask)
 * @leaf: further bits of a readable leaf (NPT: user; EPT: memory type WB, ignore PAT)
 * @leaf_device: in place of @leaf where the host does not map the frame write-back (NPT: user, PCD,
 *	PWT; EPT: memory type UC, ignore PAT); 0: as @leaf
 * @write: the leaf is writable
 * @exec: set in 4K leaves to allow execution (EPT: X; NPT: 0)
 * @exec_large: likewise in larger ones; 0 beside an @exec: these are split for execution
 * @large: the leaf maps 2M or 1G
 * @accessed: set by hardware on use; 0 where not tracked: leaves are then zapped to see whether
 *	they are used again
 * @dirty: set by hardware on write, 0 where not tracked; nothing but PML depends on it
 * @soft_host_writable: a bit ignored by hardware: the host page may be written
 * @addr_mask: address bits of an entry, up to the CPU's MAXPHYADDR
 * @levels: depth of the tables
 * @max_leaf_level: 2: 2M leaves, 3: 1G leaves
 *
 * APM vol. 2, 15.25.5 and 5.3; SDM vol. 3C, 29.3.2 (29.2.2 in older editions).
 */
struct tdp_format {
	u64 present;
	u64 table;
	u64 leaf;
	u64 leaf_device;
	u64 write;
	u64 exec;
	u64 exec_large;
	u64 large;
	u64 accessed;
	u64 dirty;
	u64 soft_host_writable;
	u64 addr_mask;
	int levels;
	int max_leaf_level;
};

/* At load: what follows from this processor's addresses and page sizes. */
static inline void tdp_format_fill(struct tdp_format *format, bool page_1g)
{
	format->max_leaf_level = page_1g ? 3 : 2;
	format->addr_mask = GENMASK_ULL(min_t(int, boot_cpu_data.x86_phys_bits, 52) - 1, 12);
}

#endif /* VMM_TDP_FORMAT_H */
