/* SPDX-License-Identifier: GPL-2.0 */
/* compat.h for assembly: mitigation macros that came later than 6.1. */
#ifndef VMM_COMPAT_ASM_H
#define VMM_COMPAT_ASM_H

#include <asm/alternative.h>
#include <asm/cpufeatures.h>
#include <asm/nospec-branch.h>

/* VERW before the entry, first for Intel's buffers, since mid-2025 under a name for entries. */
#ifndef VM_CLEAR_CPU_BUFFERS
#ifdef CLEAR_CPU_BUFFERS
#define VM_CLEAR_CPU_BUFFERS CLEAR_CPU_BUFFERS
#else
#define VM_CLEAR_CPU_BUFFERS
#endif
#endif

/* Intel's buffers (MDS and its kin) are cleared on the way to guests as on that to user space. */
.macro VMX_CLEAR_CPU_BUFFERS
	VM_CLEAR_CPU_BUFFERS
#ifdef CLEAR_CPU_BUFFERS
	CLEAR_CPU_BUFFERS
#endif
.endm

/* Branch history injection: 6.9 and stable kernels of 2024. */
#ifndef X86_FEATURE_CLEAR_BHB_LOOP_ON_VMEXIT
.macro CLEAR_BRANCH_HISTORY_VMEXIT
#ifdef X86_FEATURE_CLEAR_BHB_LOOP
	CLEAR_BRANCH_HISTORY
#endif
.endm
#endif

/* Untraining after an exit: one macro since 6.6, before that the one of kernel entry. */
#ifndef UNTRAIN_RET_VM
.macro UNTRAIN_RET_VM
	UNTRAIN_RET
	ALTERNATIVE "", "call entry_ibpb", X86_FEATURE_IBPB_ON_VMEXIT
.endm
#endif

#endif /* VMM_COMPAT_ASM_H */
