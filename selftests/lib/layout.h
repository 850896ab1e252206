/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where things stand in the guest's memory. Virtual and physical addresses are the same below
 * 4 GiB; the first RAM_SIZE bytes are RAM in memslot 0, everything else is a hole until a test
 * puts something there.
 */
#ifndef SELFTESTS_LAYOUT_H
#define SELFTESTS_LAYOUT_H

#define RAM_SIZE    0x1000000ul /* 16 MiB */
#define REAL_BASE   0x1000ul    /* 16- and 32-bit code of tests, to 0x8000 */
#define REAL_STACK  0x8000ul
#define IDT_BASE    0x9000ul
#define PML4_BASE   0x10000ul
#define PT_POOL     0x20000ul /* page tables made on demand, to PT_POOL_END */
#define PT_POOL_END 0x80000ul
#define PERCPU_BASE 0x80000ul /* one page per vCPU: GDT, TSS, struct percpu */
#define SHARED_BASE 0xd0000ul /* scratch of tests, 64 KiB */
#define STACK_BASE  0x200000ul
#define STACK_SIZE  0x8000ul
#define MAX_VCPUS   64
/* The test binary itself is linked at 0x400000 and copied there. */
#define FREE_BASE 0x800000ul   /* RAM for tests to RAM_SIZE */
#define HOLE_BASE 0x10000000ul /* nothing there: MMIO */

#define APIC_BASE   0xfee00000ul
#define IOAPIC_BASE 0xfec00000ul

/* GDT selectors */
#define SEL_CODE64  0x08
#define SEL_DATA    0x10
#define SEL_TSS     0x18
#define SEL_UCODE64 0x2b
#define SEL_UDATA   0x33
#define SEL_CODE32  0x38
#define SEL_CODE16  0x40
#define SEL_DATA16  0x48

#define PERCPU_TSS  0x100
#define PERCPU_DATA 0x200

/* Control registers and page-table bits */
#define CR0_PE         (1ul << 0)
#define CR0_MP         (1ul << 1)
#define CR0_EM         (1ul << 2)
#define CR0_TS         (1ul << 3)
#define CR0_ET         (1ul << 4)
#define CR0_NE         (1ul << 5)
#define CR0_WP         (1ul << 16)
#define CR0_AM         (1ul << 18)
#define CR0_NW         (1ul << 29)
#define CR0_CD         (1ul << 30)
#define CR0_PG         (1ul << 31)
#define CR4_TSD        (1ul << 2)
#define CR4_DE         (1ul << 3)
#define CR4_PSE        (1ul << 4)
#define CR4_PAE        (1ul << 5)
#define CR4_PGE        (1ul << 7)
#define CR4_OSFXSR     (1ul << 9)
#define CR4_OSXMMEXCPT (1ul << 10)
#define CR4_UMIP       (1ul << 11)
#define CR4_LA57       (1ul << 12)
#define CR4_FSGSBASE   (1ul << 16)
#define CR4_PCIDE      (1ul << 17)
#define CR4_OSXSAVE    (1ul << 18)
#define CR4_SMEP       (1ul << 20)
#define CR4_SMAP       (1ul << 21)
#define EFER_SCE       (1ul << 0)
#define EFER_LME       (1ul << 8)
#define EFER_LMA       (1ul << 10)
#define EFER_NXE       (1ul << 11)
#define EFER_SVME      (1ul << 12)
#define PTE_P          (1ul << 0)
#define PTE_W          (1ul << 1)
#define PTE_U          (1ul << 2)
#define PTE_A          (1ul << 5)
#define PTE_D          (1ul << 6)
#define PTE_PS         (1ul << 7)
#define PTE_NX         (1ul << 63)
#define PTE_ADDR       0x000ffffffffff000ul

#define RFLAGS_FIXED 0x2ul
#define RFLAGS_CF    (1ul << 0)
#define RFLAGS_ZF    (1ul << 6)
#define RFLAGS_TF    (1ul << 8)
#define RFLAGS_IF    (1ul << 9)
#define RFLAGS_DF    (1ul << 10)
#define RFLAGS_RF    (1ul << 16)
#define RFLAGS_AC    (1ul << 18)

#define DE_VECTOR  0
#define DB_VECTOR  1
#define NMI_VECTOR 2
#define BP_VECTOR  3
#define UD_VECTOR  6
#define NM_VECTOR  7
#define DF_VECTOR  8
#define NP_VECTOR  11
#define SS_VECTOR  12
#define GP_VECTOR  13
#define PF_VECTOR  14
#define MF_VECTOR  16
#define AC_VECTOR  17

#define PFEC_P    1
#define PFEC_W    2
#define PFEC_U    4
#define PFEC_RSVD 8
#define PFEC_I    16

/* A guest speaks to its host by a 32-bit write to this port: the address of a struct ucall. */
#define UCALL_PORT 0x3e4

#endif
