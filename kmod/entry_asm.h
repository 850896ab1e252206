/* SPDX-License-Identifier: GPL-2.0 */
/* What the entries of both vendors share with C. */
#ifndef VMM_ENTRY_ASM_H
#define VMM_ENTRY_ASM_H

/* Bits of the entry's flags; a vendor's own begin at 4. */
#define ENTRY_SPEC_WRITE	1	/* SPEC_CTRL: write the guest's, afterwards the host's */
#define ENTRY_SPEC_READ		2	/* the guest may have written it: read it back */

#endif /* VMM_ENTRY_ASM_H */
