/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A kernel that reports how it was started, on COM1, and then does what the last word of its
 * command line says:
 *	off	powers off by ACPI		cf9	resets by the reset register
 *	kbd	resets by the keyboard controller	fast	resets by port 0x92
 *	triple	triple-faults			jump	executes where there is no memory
 *	wait	waits for the power button, then powers off
 *	hang	halts with interrupts off	echo	echoes COM1 until a dot, then powers off
 *	crash	triple-faults when something is typed
 *	pair	starts the processor of APIC id 1 when something is typed; both go on for ever
 *
 * Built three times: multiboot as ELF, multiboot by addresses (-DADDRESSES, a flat file), and
 * PVH (-DPVH).
 */
#define MB_HEADER	0x1badb002
#define MB_LOADER	0x2badb002
#ifdef ADDRESSES
#define MB_FLAGS	0x00010003
#else
#define MB_FLAGS	0x00000003
#endif
#define PVH_MAGIC	0x336ec578

#define COM1		0x3f8
#define PM1_STS		0x600
#define PM1_EN		0x602
#define PM1_CNT		0x604
#define PWRBTN		0x0100
#define S5		0x3400

#define APIC_ICR	0xfee00300
#define ICR_INIT	0x4500
#define ICR_SIPI	0x4600
#define PAIR_START	0x9000
#define PAIR_CODE	0xfceb80e6	/* out %al, $0x80; jmp to it */

	.code32
	.section .text.head, "ax"
	.globl _start
#ifdef PVH
	.section .note, "a", @note
	.long 4, 4, 18
	.asciz "Xen"
	.long pvh_start
	.section .text.head, "ax"
#else
	.balign 4
header:
	.long MB_HEADER
	.long MB_FLAGS
	.long -(MB_HEADER + MB_FLAGS)
	.long header
	.long _load
	.long _edata
	.long _end
	.long _start
#endif
_start:
	mov $stack_top, %esp
	cmp $MB_LOADER, %eax
	jne bad
	mov $multiboot_text, %esi
	call puts
	testl $1 << 3, 0(%ebx)
	jz 1f
	cmpl $0, 20(%ebx)
	je 1f
	mov 24(%ebx), %edi		/* first module: start, end, string */
	push 8(%edi)
	push 4(%edi)
	push 0(%edi)
	call module
	pop %esi
	pop %esi
	pop %esi
	call puts
	call newline
1:	mov $upper_text, %esi
	call puts
	mov 8(%ebx), %eax
	call put_hex
	mov 16(%ebx), %esi
	jmp act

pvh_start:
	mov $stack_top, %esp
	cmpl $PVH_MAGIC, 0(%ebx)
	jne bad
	mov $pvh_text, %esi
	call puts
	cmpl $0, 12(%ebx)
	je 1f
	mov 16(%ebx), %edi		/* first module: address, size, command line */
	mov 0(%edi), %eax
	mov 8(%edi), %ecx
	add %eax, %ecx
	push %ecx
	push %eax
	call module
	pop %esi
	pop %esi
1:	mov $rsdp_text, %esi
	call puts
	mov 32(%ebx), %eax
	mov 4(%eax), %eax		/* second half of "RSD PTR " */
	call put_hex
	mov 24(%ebx), %esi

act:
	push %esi
	push %esi
	mov $cmdline_text, %esi
	call puts
	pop %esi
	call puts
	call newline
	pop %esi
	mov %esi, %edi			/* EDI: first character of the last word */
1:	lodsb
	cmp $' ', %al
	jne 2f
	mov %esi, %edi
2:	test %al, %al
	jnz 1b
	mov $actions, %ebx
3:	mov 0(%ebx), %eax		/* the first four characters tell the words apart */
	test %eax, %eax
	jz bad
	cmp 0(%edi), %eax
	je 4f
	add $8, %ebx
	jmp 3b
4:	jmp *4(%ebx)

do_off:
	mov $PM1_CNT, %dx
	mov $S5, %ax
	out %ax, %dx
	jmp bad
do_cf9:
	mov $0xcf9, %dx
	mov $6, %al
	out %al, %dx
	jmp bad
do_kbd:
	in $0x64, %al
	test $2, %al
	jnz do_kbd
	mov $0xfe, %al
	out %al, $0x64
	jmp bad
do_fast:
	mov $1, %al
	out %al, $0x92
	jmp bad
do_triple:
	lidt no_idt
	mov $0x1234abcd, %eax
	ud2
do_jump:
	mov $0xd0000000, %eax
	jmp *%eax
do_wait:
	mov $PM1_EN, %dx
	mov $PWRBTN, %ax
	out %ax, %dx
	mov $ready_text, %esi
	call puts
1:	mov $PM1_STS, %dx
	in %dx, %ax
	test $PWRBTN, %ax
	jz 1b
	jmp do_off
do_hang:
	mov $ready_text, %esi
	call puts
	cli
1:	hlt
	jmp 1b
do_echo:
	mov $ready_text, %esi
	call puts
1:	mov $COM1 + 5, %dx
	in %dx, %al
	test $1, %al
	jz 1b
	mov $COM1, %dx
	in %dx, %al
	cmp $'.', %al
	je do_off
	out %al, %dx
	jmp 1b

do_crash:
	mov $ready_text, %esi
	call puts
1:	mov $COM1 + 5, %dx
	in %dx, %al
	test $1, %al
	jz 1b
	jmp do_triple

do_pair:
	mov $ready_text, %esi
	call puts
1:	mov $COM1 + 5, %dx
	in %dx, %al
	test $1, %al
	jz 1b
	mov $COM1, %dx
	in %dx, %al
	movl $PAIR_CODE, PAIR_START
	movl $1 << 24, APIC_ICR + 0x10
	movl $ICR_INIT, APIC_ICR
	movl $ICR_SIPI + (PAIR_START >> 12), APIC_ICR
	jmp 1b

/* Not to be passed: hangs, so that the test's time limit tells. */
bad:
	mov $bad_text, %esi
	call puts
	jmp do_hang

/* Prints the module from 4(%esp) to 8(%esp). */
module:
	mov $module_text, %esi
	call puts
	mov 4(%esp), %esi
	mov 8(%esp), %ecx
	sub %esi, %ecx
1:	lodsb
	call putc
	loop 1b
	ret
newline:
	mov $newline_text, %esi
puts:
	lodsb
	test %al, %al
	jz 1f
	call putc
	jmp puts
1:	ret
putc:
	push %edx
	mov $COM1, %dx
	out %al, %dx
	pop %edx
	ret
put_hex:
	mov $8, %ecx
1:	rol $4, %eax
	push %eax
	and $15, %eax
	mov digits(%eax), %al
	call putc
	pop %eax
	loop 1b
	jmp newline

	.section .data, "aw"
actions:
	.ascii "off\0"
	.long do_off
	.ascii "cf9\0"
	.long do_cf9
	.ascii "kbd\0"
	.long do_kbd
	.ascii "fast"
	.long do_fast
	.ascii "trip"
	.long do_triple
	.ascii "jump"
	.long do_jump
	.ascii "wait"
	.long do_wait
	.ascii "hang"
	.long do_hang
	.ascii "echo"
	.long do_echo
	.ascii "cras"
	.long do_crash
	.ascii "pair"
	.long do_pair
	.long 0
no_idt:
	.word 0
	.long 0
digits:		.ascii "0123456789abcdef"
multiboot_text:	.asciz "multiboot\n"
pvh_text:	.asciz "pvh\n"
module_text:	.asciz "module "
upper_text:	.asciz "upper "
rsdp_text:	.asciz "rsdp "
cmdline_text:	.asciz "cmdline "
ready_text:	.asciz "ready\n"
bad_text:	.asciz "bad\n"
newline_text:	.asciz "\n"

	.bss
	.space 4096
stack_top:
	.section .note.GNU-stack, "", @progbits
