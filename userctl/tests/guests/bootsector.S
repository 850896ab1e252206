/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A disk that a BIOS boots: its first sector says so by INT 10h, waits for the timer, reads the
 * second one by INT 13h, and jumps there. That says by INT 14h how much memory the BIOS found,
 * whether the ACPI root pointer is where guests look for it, and how many entries the memory map
 * has; then it powers off.
 */
#define PM1_CNT	0x604
#define S5	0x3400
#define TICKS	0x46c
#define LOAD	0x7c00
#define NEXT	0x7e00
#define SECTOR	512

	.code16
	.section .text, "ax"
	.globl _start
_start:
	ljmp $0, $1f
1:	xor %ax, %ax
	mov %ax, %ds
	mov %ax, %es
	mov %ax, %ss
	mov $LOAD, %sp
	mov %dl, drive
	mov $first_text, %si
1:	lodsb
	test %al, %al
	jz 2f
	mov $0x0e, %ah
	mov $7, %bx
	int $0x10
	jmp 1b
2:	mov TICKS, %ax			/* the BIOS may keep the end back until the next tick */
	add $2, %ax
3:	hlt				/* on a busy host several come at once */
	mov TICKS, %bx
	sub %ax, %bx
	js 3b
	mov $packet, %si
	mov drive, %dl
	mov $0x42, %ah			/* extended read */
	int $0x13
	jc 1f
	ljmp $0, $second
1:	hlt
	jmp 1b

first_text:
	.asciz "first sector.\r\n"
drive:	.byte 0
	.balign 4
packet:	.word 16, 1, NEXT, 0		/* size, sectors, offset, segment */
	.quad 1				/* from this sector on */
	.org SECTOR - 2
	.word 0xaa55

second:
	mov $second_text, %si
	call puts
	mov $0xe801, %ax		/* KiB from 1 MiB, 64 KiB blocks from 16 MiB */
	int $0x15
	push %bx
	call put_word
	pop %ax
	call put_word
	mov $rsdp_text, %si
	call puts
	mov $0xe000, %ax		/* on a boundary of 16 bytes below 1 MiB */
1:	mov %ax, %fs
	cmpl $0x20445352, %fs:0		/* "RSD PTR " */
	jne 2f
	cmpl $0x20525450, %fs:4
	je 3f
2:	inc %ax
	jnz 1b
3:	neg %ax				/* carry unless none was found */
	sbb %ax, %ax
	call put_word
	mov $map_text, %si
	call puts
	xor %ebx, %ebx
	xor %bp, %bp
1:	mov $0xe820, %eax
	mov $0x534d4150, %edx		/* "SMAP" */
	mov $20, %ecx
	mov $buffer, %di
	int $0x15
	jc 2f
	inc %bp
	test %ebx, %ebx
	jnz 1b
2:	mov %bp, %ax
	call put_word
	mov $end_text, %si
	call puts
	mov $S5, %ax
	mov $PM1_CNT, %dx
	out %ax, %dx
1:	hlt
	jmp 1b

/* %ax in hexadecimal */
put_word:
	mov $4, %cx
1:	rol $4, %ax
	push %ax
	and $15, %al
	add $'0', %al
	cmp $'9', %al
	jbe 2f
	add $'a' - '9' - 1, %al
2:	call putc
	pop %ax
	loop 1b
	ret

puts:
1:	lodsb
	test %al, %al
	jz 2f
	call putc
	jmp 1b
2:	ret

/* %al to the first serial port */
putc:
	push %dx
	mov $1, %ah
	xor %dx, %dx
	int $0x14
	pop %dx
	ret

second_text:
	.asciz "\r\nsecond sector\r\nmemory "
rsdp_text:
	.asciz "\r\nrsdp "
map_text:
	.asciz "\r\nmap "
end_text:
	.asciz "\r\n"
buffer:	.org 2 * SECTOR
