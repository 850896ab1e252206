/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A BIOS for the debugger's tests: a few instructions at known offsets, then a loop that counts in
 * memory. rsp.c knows where each instruction stands.
 */
	.code16
	.org	0x1000
	nop
	mov	$0x1234, %ax
	cpuid
	out	%al, $0x80
	push	%ax
	pop	%bx
	jmp	1f
	.org	0x1010
1:	inc	%cx
	mov	%cx, 0x500
	jmp	1b
	/* Where a processor begins; far, so that CS gets its real-mode base. */
	.org	0xfff0
	ljmp	$0xf000, $0x1000
	.org	0x10000
