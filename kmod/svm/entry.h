/* SPDX-License-Identifier: GPL-2.0 */
/* What entry.S and C share: offsets of struct svm_entry, asserted in svm.h. */
#ifndef VMM_SVM_ENTRY_H
#define VMM_SVM_ENTRY_H

#include "../entry_asm.h"

#define ENTRY_VMCB_PA		0
#define ENTRY_HOST_PA		8
#define ENTRY_GUEST_SPEC	16
#define ENTRY_HOST_SPEC		24
#define ENTRY_FLAGS		32

#endif /* VMM_SVM_ENTRY_H */
