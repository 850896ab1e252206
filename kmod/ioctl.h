/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Ioctls are rows of a table. The dispatcher copies in, takes the named locks, calls, releases and
 * copies out; handlers never touch user pointers (but through ioctl_copy_*, for pointers inside
 * a structure). Unknown numbers are -ENOTTY.
 */
#ifndef VMM_IOCTL_H
#define VMM_IOCTL_H

#include <linux/fs.h>
#include "compat.h"
#include "types.h"

#define LOCK_VM		BIT(0)	/* vm->lock */
#define LOCK_SLOTS	BIT(1)	/* vm->mem.slots_lock (inside vm->lock) */
#define LOCK_VCPU	BIT(2)	/* vcpu->mutex; -EINTR when a signal comes first */
#define VCPU_LOADED	BIT(3)	/* vcpu_load() around the handler; with LOCK_VCPU only */
#define ARG_VALUE	BIT(4)	/* the argument is a number, not a pointer */
#define COPY_HEAD_E2BIG	BIT(5)	/* copy the header out also on -E2BIG (the needed count) */
#define ARG_NULLABLE	BIT(6)	/* a NULL pointer is passed on as arg == NULL */
#define TAIL_CLAMP	BIT(7)	/* more elements than tail_max are not an error: fewer are served */
#define TAIL_EINVAL	BIT(8)	/* more than tail_max is -EINVAL instead of -E2BIG */

#define ARG_IN		BIT(9)	/* copy in, whatever direction the number says */

/**
 * struct ioctl_call - what a handler gets
 * @file: the file that was called
 * @vm: always set on VM and vCPU files
 * @vcpu: set on vCPU files
 * @value: the argument of an ARG_VALUE row
 * @arg: kernel copy of the structure, zeroed where the direction is out only; a row with a tail has
 *	its elements directly behind the header (room for @tail elements)
 * @tail: number of elements that arg has room for
 * @ptr: the user's pointer, for ioctl_copy_* only
 */
struct ioctl_call {
	struct file *file;
	struct vmm *vm;
	struct vcpu *vcpu;
	unsigned long value;
	void *arg;
	u32 tail;
	void __user *ptr;
};

/**
 * struct ioctl_row - one ioctl
 * @cmd: its number; the size and direction in it decide what is copied
 * @flags: LOCK_*, ARG_*
 * @fn: >= 0: the ioctl's result, and arg is copied out; < 0: errno
 * @tail_elem: size in bytes of one element behind the structure, 0: none
 * @tail_count: offset in bytes of the u32 that counts them
 * @tail_max: more than this is -E2BIG
 * @size: bytes of the structure where the number's own size is not it (0: _IOC_SIZE)
 */
struct ioctl_row {
	unsigned int cmd;
	u16 flags;
	u16 tail_elem;
	u16 tail_count;
	u32 tail_max;
	u32 size;
	long (*fn)(struct ioctl_call *call);
};

struct ioctl_table {
	const struct ioctl_row *rows;
	unsigned int count;
};

long ioctl_dispatch(const struct ioctl_table *table, struct ioctl_call *call, unsigned int cmd,
		    unsigned long arg);
int ioctl_copy_out(void __user *to, const void *from, size_t len);	/* 0 or -EFAULT */
int ioctl_copy_in(void *to, const void __user *from, size_t len);

extern const struct ioctl_table device_ioctls;	/* device.c */
extern const struct ioctl_table vm_ioctls;	/* vm_ioctls.c */
extern const struct ioctl_table vcpu_ioctls;	/* vcpu_ioctls.c */

#endif /* VMM_IOCTL_H */
