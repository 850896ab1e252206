/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One round trip into the guest (APM vol. 2, 15.5, 15.17, 15.21.1).
 *
 * VMRUN keeps of the host only what 15.5.1 lists, so FS, GS, TR, LDTR and the system call MSRs go
 * through VMSAVE and VMLOAD. From CLGI to STGI nothing interrupts: neither NMIs nor machine checks
 * see the guest's GS base or TSS.
 *
 * With V_INTR_MASKING the host's RFLAGS.IF at VMRUN says whether a physical interrupt ends the
 * guest's run, hence the STI under GIF = 0. It stands well before VMRUN: its interrupt shadow must
 * not reach the guest. After the exit CLI comes before STGI, which lets pending NMIs in; the
 * interrupt stays pending until the caller enables interrupts.
 *
 * Speculation: the guest's predictions and registers must not steer the host. Before the first RET
 * SPEC_CTRL is the host's, the return stack is refilled, and the kernel's own untraining for
 * RETBleed and SRSO has run; general registers are cleared. All of it is the kernel's exported
 * means, patched in by the kernel's own choice of mitigations.
 */
#include <linux/linkage.h>
#include <asm/asm.h>
#include <asm/nospec-branch.h>

#include "../compat_asm.h"
#include "../entry_macros.S"
#include "entry.h"

	.section .text, "ax"

/*
 * void svm_enter(u64 *gpr, struct svm_entry *entry)
 */
SYM_FUNC_START(svm_enter)
	push	%rbp
	push	%rbx
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	push	%rsi
	push	%rdi

	clgi
	sti

	ENTER_SPEC_CTRL ENTRY_FLAGS, ENTRY_GUEST_SPEC

	mov	ENTRY_VMCB_PA(%rsi), %rax
	vmload	%rax

	LOAD_GUEST_GPRS

	VM_CLEAR_CPU_BUFFERS
	vmrun	%rax
	vmsave	%rax

	mov	(%rsp), %rax
	SAVE_GUEST_GPRS

	mov	8(%rsp), %rsi
	mov	ENTRY_HOST_PA(%rsi), %rax
	vmload	%rax

	/* IF was set for VMRUN; while GIF is clear nobody saw it. */
	cli

	LEAVE_SPEC_CTRL ENTRY_FLAGS, ENTRY_GUEST_SPEC, ENTRY_HOST_SPEC

	FILL_RETURN_BUFFER %rax, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT
	UNTRAIN_RET_VM

	xor	%eax, %eax
	CLEAR_GUEST_GPRS

	stgi

	add	$16, %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbx
	pop	%rbp
	RET
SYM_FUNC_END(svm_enter)
