/* SPDX-License-Identifier: GPL-2.0 */
/* What entry.S and C share: offsets of struct vmx_entry, asserted in vmx.h. */
#ifndef VMM_VMX_ENTRY_H
#define VMM_VMX_ENTRY_H

#include "../entry_asm.h"

#define ENTRY_HOST_RSP		0
#define ENTRY_GUEST_SPEC	8
#define ENTRY_HOST_SPEC		16
#define ENTRY_FLAGS		24

#define ENTRY_RESUME_BIT	2	/* VMRESUME: the VMCS was launched on this processor */
#define ENTRY_RESUME		4

/* Encodings of the two fields that only entry.S writes (vmcs.h). */
#define ENTRY_FIELD_HOST_RSP	0x6c14
#define ENTRY_FIELD_HOST_RIP	0x6c16

#endif /* VMM_VMX_ENTRY_H */
