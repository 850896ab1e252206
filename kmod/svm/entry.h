/* SPDX-License-Identifier: GPL-2.0 */
/* What entry.S and C share: offsets of struct svm_entry, asserted in svm.h. */
#ifndef VMM_SVM_ENTRY_H
#define VMM_SVM_ENTRY_H

#define ENTRY_VMCB_PA		0
#define ENTRY_HOST_PA		8
#define ENTRY_GUEST_SPEC	16
#define ENTRY_HOST_SPEC		24
#define ENTRY_FLAGS		32

#define ENTRY_SPEC_WRITE	1	/* SPEC_CTRL: write the guest's, afterwards the host's */
#define ENTRY_SPEC_READ		2	/* the guest may have written it: read it back */

#endif /* VMM_SVM_ENTRY_H */
