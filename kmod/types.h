/* SPDX-License-Identifier: GPL-2.0 */
/* Address types and register numbers, shared with the parts that also build in user space. */
#ifndef VMM_TYPES_H
#define VMM_TYPES_H

#include <linux/types.h>

typedef unsigned long gva_t;	/* guest virtual (linear) address */
typedef __u64 gpa_t;	/* guest physical address */
typedef __u64 gfn_t;	/* guest frame number: gpa >> 12 */
typedef unsigned long hva_t;	/* host virtual address, of the VM's mm */
typedef __u64 hpa_t;	/* host physical address */

#define INVALID_GPA	(~(gpa_t)0)

struct vmm;
struct vcpu;

/* General registers, in the order of their encoding (APM vol. 3, 1.4.1). */
enum {
	REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
	REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
	REG_COUNT
};

/* Segment registers, in the order of their encoding, then the system segments. */
enum {
	SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_LDTR, SEG_TR,
	SEG_COUNT
};

/*
 * struct segment - a segment register with its hidden part
 * @attr: bits 0-3 type, 4 S, 5-6 DPL, 7 P, 8 AVL, 9 L, 10 D/B, 11 G (the VMCB's packing, APM
 *	vol. 2, 15.5.1), 15 unusable (null selector)
 * @limit: in bytes, granularity already applied
 */
struct segment {
	__u16 selector;
	__u16 attr;
	__u32 limit;
	__u64 base;
};

#define SEG_TYPE_MASK	0x000f
#define SEG_S		0x0010
#define SEG_DPL_SHIFT	5
#define SEG_DPL_MASK	0x0060
#define SEG_P		0x0080
#define SEG_AVL		0x0100
#define SEG_L		0x0200
#define SEG_DB		0x0400
#define SEG_G		0x0800
#define SEG_UNUSABLE	0x8000

struct dtable {
	__u64 base;
	__u16 limit;
};

/* Kinds of event, numbered as in EVENTINJ and the VM-entry interruption information. */
enum event_type {
	EVENT_INTR = 0,
	EVENT_NMI = 2,
	EVENT_EXCEPTION = 3,
	EVENT_SOFT_INTR = 4,	/* INT n */
	EVENT_PRIV_SOFT_EXC = 5, /* INT1 (VMX only) */
	EVENT_SOFT_EXC = 6,	/* INT3, INTO (VMX; SVM uses EVENT_EXCEPTION) */
	EVENT_NONE = 0xff,
};

/* struct event - what is delivered through the guest's IDT */
struct event {
	__u8 type;	/* enum event_type */
	__u8 vector;
	__u8 has_error;
	__u8 insn_len;	/* soft events: bytes of the instruction that raised it, 0 unknown */
	__u32 error;
};

#endif /* VMM_TYPES_H */
