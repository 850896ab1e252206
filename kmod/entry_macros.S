/* SPDX-License-Identifier: GPL-2.0 */
/* Included by the entries of both vendors: general registers and SPEC_CTRL. */
#include <asm/msr-index.h>

#include "entry_asm.h"

/* Places of struct vcpu_state.gpr[], in the order of types.h. RSP is the vendor's. */
#define GPR_RAX		(0 * 8)
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

/* The guest's registers but for RAX and RSP; RDI points at gpr[]. */
.macro LOAD_GUEST_GPRS
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
.endm

/* The same into gpr[], at which RAX points. */
.macro SAVE_GUEST_GPRS
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
.endm

/* Registers that the host does not load anew must not carry the guest's values into speculation. */
.macro CLEAR_GUEST_GPRS
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
.endm

/* SPEC_CTRL for the guest, before its registers are loaded; RSI: the entry. */
.macro ENTER_SPEC_CTRL flags:req guest:req
	testb	$ENTRY_SPEC_WRITE, \flags(%rsi)
	jz	.Lguest_spec_done\@
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	mov	\guest(%rsi), %eax
	mov	\guest + 4(%rsi), %edx
	wrmsr
.Lguest_spec_done\@:
.endm

/* The host's back, when the guest's registers are saved. */
.macro LEAVE_SPEC_CTRL flags:req guest:req host:req
	testb	$ENTRY_SPEC_READ, \flags(%rsi)
	jz	.Lspec_read_done\@
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	rdmsr
	mov	%eax, \guest(%rsi)
	mov	%edx, \guest + 4(%rsi)
.Lspec_read_done\@:
	testb	$ENTRY_SPEC_WRITE, \flags(%rsi)
	jz	.Lhost_spec_done\@
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	mov	\host(%rsi), %eax
	mov	\host + 4(%rsi), %edx
	wrmsr
.Lhost_spec_done\@:
.endm
