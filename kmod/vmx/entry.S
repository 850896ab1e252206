/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One round trip into the guest (SDM vol. 3C, chapters 27 and 28).
 *
 * The VMCS switches all of the host but the general registers. An exit lands behind VMRESUME with
 * RSP as it was and interrupts off. The interrupt that ended the run stays pending until the caller
 * enables interrupts, or was acknowledged and is taken by vmx_host_interrupt(). HOST_RSP and
 * HOST_RIP are written when the stack is not where it was last time.
 *
 * Speculation: the guest's predictions and registers must not steer the host. Before the first RET
 * the return stack is refilled, SPEC_CTRL is the host's and the branch history is cleared; general
 * registers are cleared. All of it is the kernel's exported means, patched in by the kernel's own
 * choice of mitigations.
 */
#include <linux/linkage.h>
#include <linux/objtool.h>
#include <asm/asm.h>
#include <asm/nospec-branch.h>

#include "../compat_asm.h"
#include "../entry_macros.S"
#include "entry.h"

#define INT_SHIFT	4	/* an INT and a return take up to 16 bytes */

	.section .text, "ax"

/*
 * int vmx_enter(u64 *gpr, struct vmx_entry *entry)
 */
SYM_FUNC_START(vmx_enter)
	push	%rbp
	push	%rbx
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	push	%rsi
	push	%rdi

	cmp	%rsp, ENTRY_HOST_RSP(%rsi)
	je	.Lhost_rsp_done
	mov	%rsp, ENTRY_HOST_RSP(%rsi)
	mov	$ENTRY_FIELD_HOST_RSP, %eax
	vmwrite	%rsp, %rax
	mov	$ENTRY_FIELD_HOST_RIP, %eax
	lea	.Lexit(%rip), %rcx
	vmwrite	%rcx, %rax
.Lhost_rsp_done:

	ENTER_SPEC_CTRL ENTRY_FLAGS, ENTRY_GUEST_SPEC

	/* Into CF, which neither MOV nor VERW changes. */
	btl	$ENTRY_RESUME_BIT, ENTRY_FLAGS(%rsi)
	mov	GPR_RAX(%rdi), %rax
	LOAD_GUEST_GPRS

	VMX_CLEAR_CPU_BUFFERS
	jc	.Lresume
	vmlaunch
	jmp	.Lfailed
.Lresume:
	vmresume
	/* Always, where it comes back at all. */
	jna	.Lfailed
.Lexit:
	push	%rax
	mov	8(%rsp), %rax
	SAVE_GUEST_GPRS
	pop	GPR_RAX(%rax)

	mov	8(%rsp), %rsi
	xor	%eax, %eax
.Lleave:
	push	%rax
	FILL_RETURN_BUFFER %rax, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT, \
			   X86_FEATURE_RSB_VMEXIT_LITE
	LEAVE_SPEC_CTRL ENTRY_FLAGS, ENTRY_GUEST_SPEC, ENTRY_HOST_SPEC
	/* Nothing runs ahead by a wrong guess that there was nothing to write. */
	ALTERNATIVE "", "lfence", X86_FEATURE_MSR_SPEC_CTRL
	CLEAR_GUEST_GPRS
	CLEAR_BRANCH_HISTORY_VMEXIT
	pop	%rax

	add	$16, %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbx
	pop	%rbp
	RET

	/* Nothing was entered: the registers are still those of gpr[]. */
.Lfailed:
	mov	8(%rsp), %rsi
	mov	$1, %eax
	jmp	.Lleave
SYM_FUNC_END(vmx_enter)

/*
 * void vmx_host_interrupt(unsigned int vector)
 *
 * Each vector has its INT, as that takes no register; a return leads there, which is as good as an
 * indirect jump and guarded where those are. The handler finds interrupts off, as at an exit.
 */
SYM_FUNC_START(vmx_host_interrupt)
	mov	%edi, %edi
	shl	$INT_SHIFT, %rdi
	lea	.Lints(%rip), %rax
	add	%rdi, %rax
	push	%rax
	RET

	.balign	1 << INT_SHIFT
.Lints:
	.set	vector, 0
	.rept	256
	.balign	1 << INT_SHIFT
	.byte	0xcd, vector
	RET
	.set	vector, vector + 1
	.endr
SYM_FUNC_END(vmx_host_interrupt)
	STACK_FRAME_NON_STANDARD vmx_host_interrupt
