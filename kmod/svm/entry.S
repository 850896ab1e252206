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
#include <asm/msr-index.h>
#include <asm/nospec-branch.h>

#include "../compat_asm.h"
#include "entry.h"

/* Places of struct vcpu_state.gpr[], in the order of types.h; RAX and RSP are in the VMCB. */
#define GPR_RCX		(1 * 8)
#define GPR_RDX		(2 * 8)
#define GPR_RBX		(3 * 8)
#define GPR_RBP		(5 * 8)
#define GPR_RSI		(6 * 8)
#define GPR_RDI		(7 * 8)
#define GPR_R8		(8 * 8)
#define GPR_R9		(9 * 8)
#define GPR_R10		(10 * 8)
#define GPR_R11		(11 * 8)
#define GPR_R12		(12 * 8)
#define GPR_R13		(13 * 8)
#define GPR_R14		(14 * 8)
#define GPR_R15		(15 * 8)

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

	testb	$ENTRY_SPEC_WRITE, ENTRY_FLAGS(%rsi)
	jz	.Lguest_spec_done
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	mov	ENTRY_GUEST_SPEC(%rsi), %eax
	mov	ENTRY_GUEST_SPEC + 4(%rsi), %edx
	wrmsr
.Lguest_spec_done:

	mov	ENTRY_VMCB_PA(%rsi), %rax
	vmload	%rax

	mov	GPR_RCX(%rdi), %rcx
	mov	GPR_RDX(%rdi), %rdx
	mov	GPR_RBX(%rdi), %rbx
	mov	GPR_RBP(%rdi), %rbp
	mov	GPR_RSI(%rdi), %rsi
	mov	GPR_R8(%rdi), %r8
	mov	GPR_R9(%rdi), %r9
	mov	GPR_R10(%rdi), %r10
	mov	GPR_R11(%rdi), %r11
	mov	GPR_R12(%rdi), %r12
	mov	GPR_R13(%rdi), %r13
	mov	GPR_R14(%rdi), %r14
	mov	GPR_R15(%rdi), %r15
	mov	GPR_RDI(%rdi), %rdi

	VM_CLEAR_CPU_BUFFERS
	vmrun	%rax
	vmsave	%rax

	mov	(%rsp), %rax
	mov	%rcx, GPR_RCX(%rax)
	mov	%rdx, GPR_RDX(%rax)
	mov	%rbx, GPR_RBX(%rax)
	mov	%rbp, GPR_RBP(%rax)
	mov	%rsi, GPR_RSI(%rax)
	mov	%rdi, GPR_RDI(%rax)
	mov	%r8, GPR_R8(%rax)
	mov	%r9, GPR_R9(%rax)
	mov	%r10, GPR_R10(%rax)
	mov	%r11, GPR_R11(%rax)
	mov	%r12, GPR_R12(%rax)
	mov	%r13, GPR_R13(%rax)
	mov	%r14, GPR_R14(%rax)
	mov	%r15, GPR_R15(%rax)

	mov	8(%rsp), %rsi
	mov	ENTRY_HOST_PA(%rsi), %rax
	vmload	%rax

	/* IF was set for VMRUN; while GIF is clear nobody saw it. */
	cli

	testb	$ENTRY_SPEC_READ, ENTRY_FLAGS(%rsi)
	jz	.Lspec_read_done
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	rdmsr
	mov	%eax, ENTRY_GUEST_SPEC(%rsi)
	mov	%edx, ENTRY_GUEST_SPEC + 4(%rsi)
.Lspec_read_done:
	testb	$ENTRY_SPEC_WRITE, ENTRY_FLAGS(%rsi)
	jz	.Lhost_spec_done
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	mov	ENTRY_HOST_SPEC(%rsi), %eax
	mov	ENTRY_HOST_SPEC + 4(%rsi), %edx
	wrmsr
.Lhost_spec_done:

	FILL_RETURN_BUFFER %rax, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT
	UNTRAIN_RET_VM

	xor	%eax, %eax
	xor	%ecx, %ecx
	xor	%edx, %edx
	xor	%ebx, %ebx
	xor	%ebp, %ebp
	xor	%esi, %esi
	xor	%edi, %edi
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d
	xor	%r12d, %r12d
	xor	%r13d, %r13d
	xor	%r14d, %r14d
	xor	%r15d, %r15d

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
