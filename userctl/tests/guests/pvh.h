/* SPDX-License-Identifier: GPL-2.0 */
/* How a kernel in one C file begins, by PVH: in 32-bit mode without paging, in start(). */
#ifndef GUESTS_PVH_H
#define GUESTS_PVH_H

#include <linux/types.h>

struct start_info {
	__u32 magic, version, flags, modules;
	__u64 modlist, cmdline;
};

static void start(const struct start_info *info);

static __u8 stack[16384] __attribute__((aligned(16), used));

asm(".section .note, \"a\", @note\n"
    "	.long 4, 4, 18\n"
    "	.asciz \"Xen\"\n"
    "	.long _start\n"
    ".section .text.head, \"ax\"\n"
    ".globl _start\n"
    "_start:\n"
    "	mov $stack + 16384, %esp\n"
    "	push %ebx\n"
    "	call start\n"
    "1:	hlt\n"
    "	jmp 1b\n"
    ".previous\n");

#endif
