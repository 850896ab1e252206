/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests of bad input share: the table of all ioctls, and VMs in different states. */
#ifndef ABI_BADINPUT_H
#define ABI_BADINPUT_H

#include "vm.h"

/* Kinds of file. */
enum bad_file { DEVICE, VM, VCPU, FILES };

/*
 * States that a VM can be in; all but the first two have vCPU 0.
 *	EMPTY		nothing but memory
 *	EMPTY_CHIP	and the irqchip, without PIT
 *	PLAIN		no irqchip
 *	CHIP		irqchip and PIT
 *	SPLIT		irqchip split between kernel and user space
 *	RAN		as CHIP; the vCPU has run
 *	RINGS		as PLAIN; dirty rings instead of dirty logs
 */
enum bad_world { EMPTY, EMPTY_CHIP, PLAIN, CHIP, SPLIT, RAN, RINGS, WORLDS };

#define LOGGED_SLOT 5 /* of every world: its writes are logged; slot 0, RAM, has no log */
#define LOGGED_GPA  0x10000000ull
#define LOGGED_SIZE 0x50000ull /* 80 pages: more than one word of the log, but not two */

/* File descriptors of every world. */
#define FD_USED   200 /* an eventfd: irqfd of GSI 5 (CHIP), ioeventfd of port 0x7000, 4 bytes */
#define FD_EVENT  201 /* an eventfd that is not used */
#define FD_OTHER  202 /* no eventfd */
#define FD_CLOSED 203 /* nothing */

/** world_fd() - a file of the VM in this state, which is made when it is first asked for. */
int world_fd(enum bad_world world, enum bad_file file);

/** worlds_live() - all VMs that were made can still run a guest: nothing has gone bad. */
void worlds_live(void);

/* What the argument is. */
enum arg_kind {
	ARG_NONE,  /* a number, or nothing */
	ARG_IN,    /* pointer to a structure that is read */
	ARG_OUT,   /* that is written */
	ARG_INOUT, /* both */
};

/**
 * struct ioctl_info - an ioctl that is served
 * @size: of the structure
 * @elem: size of an element behind it, 0: none
 * @count: elements to offer, their number being the first u32
 */
struct ioctl_info {
	const char *name;
	unsigned int nr;
	enum bad_file file;
	enum arg_kind kind;
	u32 size;
	u32 elem;
	u32 count;
};

extern const struct ioctl_info served_ioctls[];
extern const size_t served_count;

/** ioctl_served() - is this number an ioctl of this kind of file? */
bool ioctl_served(enum bad_file file, unsigned int nr);

/** arg_at_end() - @size bytes, zeroed, behind which memory is not mapped. */
void *arg_at_end(u32 size);

/** arg_protect() - make the memory of arg_at_end() read-only, or writable again. */
void arg_protect(bool readonly);

#endif
