/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What guest code calls: ucalls to the host, exceptions, port and MMIO access, the local APIC.
 *
 * Guest code is C in the test binary, run in 64-bit mode at its own link address, from a copy of
 * the binary in guest memory. It must not call the C library.
 */
#ifndef SELFTESTS_GUEST_H
#define SELFTESTS_GUEST_H

#include "layout.h"
#include "types.h"

enum ucall_kind { UCALL_NONE, UCALL_SYNC, UCALL_DONE, UCALL_ASSERT, UCALL_TRAP };

/**
 * struct ucall - one message of the guest
 * @kind: enum ucall_kind
 * @line: where it was sent from
 * @file: file name, a guest address that is also valid in the host's own image
 * @what: expression or description, likewise
 * @args: stage and values (SYNC), the two sides of a comparison (ASSERT), vector, error code,
 *	  RIP and CR2 (TRAP)
 */
struct ucall {
	u32 kind;
	u32 line;
	const char *file;
	const char *what;
	u64 args[4];
};

/* Registers as the exception entry leaves them on the stack. */
struct trap {
	u64 r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
	u64 vector, error;
	u64 rip, cs, rflags, rsp, ss;
};

/**
 * struct percpu - a vCPU's own data, GS base points to it
 * @self: its address
 * @id: the vCPU's id as given to KVM_CREATE_VCPU
 * @trapped: an exception happened in the last TRY()
 * @vector: of that exception
 * @error: of that exception
 * @cr2: of that exception
 * @irqs: interrupts taken, by vector, by guest_count_irq()
 */
struct percpu {
	struct percpu *self;
	u64 id;
	volatile u32 trapped;
	volatile u32 vector;
	volatile u64 error;
	volatile u64 cr2;
	volatile u32 irqs[256];
};

/* Code that runs between an interrupt and its IRET must leave vector registers alone. */
#define GUEST_HANDLER __attribute__((target("general-regs-only")))

typedef void (*guest_handler)(struct trap *t);

void guest_ucall(u32 kind, const char *file, u32 line, const char *what, u64 a, u64 b, u64 c);

/**
 * guest_forgets_shadow - this processor lets interrupts in between an STI and a HLT: VMRUN in TCG
 * forgets the shadow of the STI where the host had an interrupt there. They end that HLT.
 */
extern bool guest_forgets_shadow;

/** guest_on() - have @fn called for @vector, on all vCPUs. */
void guest_on(u8 vector, guest_handler fn);

/** guest_count_irq() - handler that counts in percpu.irqs[] and sends the local APIC its EOI. */
void guest_count_irq(struct trap *t) GUEST_HANDLER;

/** guest_count() - handler that only counts. */
void guest_count(struct trap *t) GUEST_HANDLER;

#define GUEST_SYNC(stage) guest_ucall(UCALL_SYNC, __FILE__, __LINE__, "", (u64)(stage), 0, 0)
#define GUEST_SYNC2(stage, a, b) \
	guest_ucall(UCALL_SYNC, __FILE__, __LINE__, "", (u64)(stage), (u64)(a), (u64)(b))
#define GUEST_DONE() guest_ucall(UCALL_DONE, __FILE__, __LINE__, "", 0, 0, 0)
#define GASSERT(c)                                                                  \
	do {                                                                        \
		if (!(c))                                                           \
			guest_ucall(UCALL_ASSERT, __FILE__, __LINE__, #c, 0, 1, 0); \
	} while (0)
#define GASSERT_EQ(a, b)                                                                        \
	do {                                                                                    \
		u64 a_ = (u64)(a), b_ = (u64)(b);                                               \
		if (a_ != b_)                                                                   \
			guest_ucall(UCALL_ASSERT, __FILE__, __LINE__, #a " == " #b, a_, b_, 0); \
	} while (0)

static inline struct percpu *this_cpu(void)
{
	struct percpu *p;

	asm volatile("mov %%gs:0, %0" : "=r"(p));
	return p;
}

/*
 * TRY(insn, outputs : inputs : clobbers) - run one instruction that may fault; afterwards
 * this_cpu()->trapped says whether it did. The fault's RIP is looked up in a table of
 * (instruction, continuation) pairs.
 */
#define TRY(insn, ...)                                            \
	do {                                                      \
		this_cpu()->trapped = 0;                          \
		asm volatile("771: " insn "\n772:\n"              \
			     ".pushsection guest_fixups, \"a\"\n" \
			     ".quad 771b, 772b\n"                 \
			     ".popsection\n" __VA_ARGS__);        \
	} while (0)

#define GASSERT_TRAP(vec, err)                         \
	do {                                           \
		GASSERT_EQ(this_cpu()->trapped, 1);    \
		GASSERT_EQ(this_cpu()->vector, (vec)); \
		GASSERT_EQ(this_cpu()->error, (err));  \
	} while (0)
#define GASSERT_NOTRAP()                                                                          \
	do {                                                                                      \
		struct percpu *p_ = this_cpu();                                                   \
		if (p_->trapped)                                                                  \
			guest_ucall(UCALL_ASSERT, __FILE__, __LINE__, "no exception", p_->vector, \
				    p_->error, 0);                                                \
	} while (0)

#define DEFINE_IO(sfx, type)                                                          \
	static inline void out##sfx(u16 port, type v)                                 \
	{                                                                             \
		asm volatile("out" #sfx " %0, %1" : : "a"(v), "Nd"(port) : "memory"); \
	}                                                                             \
	static inline type in##sfx(u16 port)                                          \
	{                                                                             \
		type v;                                                               \
		asm volatile("in" #sfx " %1, %0" : "=a"(v) : "Nd"(port) : "memory");  \
		return v;                                                             \
	}
DEFINE_IO(b, u8)
DEFINE_IO(w, u16)
DEFINE_IO(l, u32)

static inline u32 mmio_read32(u64 addr)
{
	u32 v;

	asm volatile("movl (%1), %0" : "=r"(v) : "r"(addr) : "memory");
	return v;
}

static inline void mmio_write32(u64 addr, u32 v)
{
	asm volatile("movl %1, (%0)" : : "r"(addr), "r"(v) : "memory");
}

static inline u64 rdmsr(u32 msr)
{
	u32 lo, hi;

	asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr) : "memory");
	return lo | (u64)hi << 32;
}

static inline void wrmsr(u32 msr, u64 v)
{
	asm volatile("wrmsr" : : "c"(msr), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
}

static inline u64 rdmsr_try(u32 msr)
{
	u32 lo = 0, hi = 0;

	TRY("rdmsr", : "+a"(lo), "+d"(hi) : "c"(msr) : "memory");
	return lo | (u64)hi << 32;
}

static inline void wrmsr_try(u32 msr, u64 v)
{
	TRY("wrmsr", : : "c"(msr), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
}

static inline void guest_cpuid(u32 leaf, u32 sub, u32 r[4])
{
	asm volatile("cpuid"
		     : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
		     : "a"(leaf), "c"(sub)
		     : "memory");
}

/** hypercall() - by the instruction of the processor's vendor. */
static inline u64 hypercall(u64 nr, u64 a0, u64 a1, u64 a2, u64 a3)
{
	u64 rax = nr;
	u32 r[4];

	guest_cpuid(0, 0, r);
	if (r[2] == 0x444d4163) /* AuthenticAMD */
		asm volatile("vmmcall" : "+a"(rax) : "b"(a0), "c"(a1), "d"(a2), "S"(a3) : "memory");
	else
		asm volatile("vmcall" : "+a"(rax) : "b"(a0), "c"(a1), "d"(a2), "S"(a3) : "memory");
	return rax;
}

static inline u64 rdtsc(void)
{
	u32 lo, hi;

	asm volatile("rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return lo | (u64)hi << 32;
}

#define DEFINE_CR(n)                                                       \
	static inline u64 read_cr##n(void)                                 \
	{                                                                  \
		u64 v;                                                     \
		asm volatile("mov %%cr" #n ", %0" : "=r"(v) : : "memory"); \
		return v;                                                  \
	}                                                                  \
	static inline void write_cr##n(u64 v)                              \
	{                                                                  \
		asm volatile("mov %0, %%cr" #n : : "r"(v) : "memory");     \
	}
DEFINE_CR(0)
DEFINE_CR(2)
DEFINE_CR(3)
DEFINE_CR(4)

static inline u64 read_flags(void)
{
	u64 v;

	asm volatile("pushfq; pop %0" : "=r"(v) : : "memory");
	return v;
}

static inline void flush_page(u64 gva)
{
	asm volatile("invlpg (%0)" : : "r"(gva) : "memory");
}

static inline void sti(void)
{
	asm volatile("sti" : : : "memory");
}

static inline void cli(void)
{
	asm volatile("cli" : : : "memory");
}

static inline void sti_nop(void)
{
	asm volatile("sti; nop" : : : "memory");
}

static inline void sti_hlt(void)
{
	asm volatile("sti; hlt" : : : "memory");
}

static inline void sti_hlt_cli(void)
{
	asm volatile("sti; hlt; cli" : : : "memory");
}

static inline void pause_cpu(void)
{
	asm volatile("pause" : : : "memory");
}

static inline void halt_forever(void)
{
	for (;;)
		asm volatile("cli; hlt" : : : "memory");
}

/* Guest-shared variables: ordinary volatile accesses are enough on x86. */
#define SPIN_UNTIL(c)                \
	do {                         \
		while (!(c))         \
			pause_cpu(); \
	} while (0)

/* Local APIC, SDM vol. 3A, 11 (register offsets of the MMIO page). */
#define APIC_ID       0x20
#define APIC_LVR      0x30
#define APIC_TPR      0x80
#define APIC_PPR      0xa0
#define APIC_EOI      0xb0
#define APIC_LDR      0xd0
#define APIC_DFR      0xe0
#define APIC_SPIV     0xf0
#define APIC_ISR      0x100
#define APIC_TMR      0x180
#define APIC_IRR      0x200
#define APIC_ESR      0x280
#define APIC_ICR      0x300
#define APIC_ICR2     0x310
#define APIC_LVTT     0x320
#define APIC_LVTPC    0x340
#define APIC_LVT0     0x350
#define APIC_LVT1     0x360
#define APIC_LVTERR   0x370
#define APIC_TMICT    0x380
#define APIC_TMCCT    0x390
#define APIC_TDCR     0x3e0
#define APIC_SELF_IPI 0x3f0

#define ICR_FIXED   0x000
#define ICR_LOWEST  0x100
#define ICR_SMI     0x200
#define ICR_NMI     0x400
#define ICR_INIT    0x500
#define ICR_SIPI    0x600
#define ICR_LOGICAL 0x800
#define ICR_BUSY    0x1000
#define ICR_ASSERT  0x4000
#define ICR_LEVEL   0x8000
#define ICR_SELF    0x40000
#define ICR_ALL     0x80000
#define ICR_OTHERS  0xc0000

#define LVT_MASKED   0x10000
#define LVT_PERIODIC 0x20000
#define LVT_DEADLINE 0x40000

#define MSR_APIC_BASE    0x1b
#define MSR_TSC          0x10
#define MSR_TSC_ADJUST   0x3b
#define MSR_TSC_DEADLINE 0x6e0
#define MSR_EFER         0xc0000080
#define MSR_STAR         0xc0000081
#define MSR_LSTAR        0xc0000082
#define MSR_CSTAR        0xc0000083
#define MSR_SFMASK       0xc0000084
#define MSR_FS_BASE      0xc0000100
#define MSR_GS_BASE      0xc0000101
#define MSR_KERNEL_GS    0xc0000102
#define MSR_TSC_AUX      0xc0000103

static inline u32 apic_read(u32 reg)
{
	return mmio_read32(APIC_BASE + reg);
}

static inline void apic_write(u32 reg, u32 v)
{
	mmio_write32(APIC_BASE + reg, v);
}

static inline u64 x2apic_read(u32 reg)
{
	return rdmsr(0x800 + (reg >> 4));
}

static inline void x2apic_write(u32 reg, u64 v)
{
	wrmsr(0x800 + (reg >> 4), v);
}

/** apic_enable() - software-enable the local APIC, spurious vector 0xff. */
static inline void apic_enable(void)
{
	apic_write(APIC_SPIV, 0x1ff);
}

/** x2apic_enable() - switch to x2APIC mode and software-enable. */
static inline void x2apic_enable(void)
{
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | 0xc00);
	x2apic_write(APIC_SPIV, 0x1ff);
}

static inline void apic_icr(u32 dest, u32 cmd)
{
	apic_write(APIC_ICR2, dest << 24);
	apic_write(APIC_ICR, cmd);
}

#endif
