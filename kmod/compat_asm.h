/* SPDX-License-Identifier: GPL-2.0 */
/* compat.h for assembly: mitigation macros that came later than 6.1. */
#ifndef VMM_COMPAT_ASM_H
#define VMM_COMPAT_ASM_H

#include <asm/alternative.h>
#include <asm/cpufeatures.h>
#include <asm/nospec-branch.h>

/* VERW before VMRUN for transient scheduler attacks: 6.16 and stable kernels of mid-2025. */
#ifndef VM_CLEAR_CPU_BUFFERS
#define VM_CLEAR_CPU_BUFFERS
#endif

/* Untraining after an exit: one macro since 6.6, before that the one of kernel entry. */
#ifndef UNTRAIN_RET_VM
.macro UNTRAIN_RET_VM
	UNTRAIN_RET
	ALTERNATIVE "", "call entry_ibpb", X86_FEATURE_IBPB_ON_VMEXIT
.endm
#endif

#endif /* VMM_COMPAT_ASM_H */
