/* SPDX-License-Identifier: GPL-2.0 */
/* What entry.S and C share: offsets of struct vmx_entry, asserted in vmx.h. */
#ifndef VMM_VMX_ENTRY_H
#define VMM_VMX_ENTRY_H

#define ENTRY_HOST_RSP		0
#define ENTRY_GUEST_SPEC	8
#define ENTRY_HOST_SPEC		16
#define ENTRY_FLAGS		24

#define ENTRY_SPEC_WRITE	1	/* SPEC_CTRL: write the guest's, afterwards the host's */
#define ENTRY_SPEC_READ		2	/* the guest may have written it: read it back */
#define ENTRY_RESUME		4	/* VMRESUME: the VMCS was launched on this processor */
#define ENTRY_CLEAR_BUFFERS	8	/* VERW: the processor samples what its buffers held */

#endif /* VMM_VMX_ENTRY_H */
