// SPDX-License-Identifier: GPL-2.0
/* The guest's side of the framework: ucalls and exception entry. Runs in the guest only. */
#include "guest.h"

struct fixup {
	u64 from, to;
};

/* A fixup that is never hit, so that the section exists in every binary. */
asm(".pushsection guest_fixups, \"a\"\n.quad 0, 0\n.popsection");

extern const struct fixup __start_guest_fixups[], __stop_guest_fixups[];

static guest_handler handlers[256];

bool guest_forgets_shadow;

GUEST_HANDLER void guest_ucall(u32 kind, const char *file, u32 line, const char *what, u64 a, u64 b,
			       u64 c)
{
	volatile struct ucall u;

	u.kind = kind;
	u.line = line;
	u.file = file;
	u.what = what;
	u.args[0] = a;
	u.args[1] = b;
	u.args[2] = c;
	u.args[3] = 0;
	if (kind == UCALL_TRAP)
		u.args[3] = read_cr2();
	asm volatile("outl %0, %w1" : : "a"((u32)(u64)&u), "Nd"(UCALL_PORT) : "memory");
}

void guest_on(u8 vector, guest_handler fn)
{
	handlers[vector] = fn;
}

GUEST_HANDLER void guest_count(struct trap *t)
{
	this_cpu()->irqs[t->vector & 0xff]++;
}

GUEST_HANDLER void guest_count_irq(struct trap *t)
{
	this_cpu()->irqs[t->vector & 0xff]++;
	if (rdmsr(MSR_APIC_BASE) & 0x400)
		x2apic_write(APIC_EOI, 0);
	else
		apic_write(APIC_EOI, 0);
}

/* Did an interrupt come between an STI and the HLT that was to wait for it? */
static GUEST_HANDLER bool before_hlt(const struct trap *t)
{
	const volatile u8 *code = (u8 *)t->rip;

	return t->vector >= 32 && code[0] == 0xf4 && code[-1] == 0xfb;
}

GUEST_HANDLER __attribute__((used)) void guest_trap(struct trap *t)
{
	struct percpu *cpu = this_cpu();
	const struct fixup *f;

	if (handlers[t->vector & 0xff]) {
		handlers[t->vector & 0xff](t);
		/* It would wait for another one, in vain. */
		if (guest_forgets_shadow && before_hlt(t))
			t->rip++;
		return;
	}
	for (f = __start_guest_fixups; f < __stop_guest_fixups; f++) {
		if (f->from != t->rip)
			continue;
		cpu->trapped = 1;
		cpu->vector = t->vector;
		cpu->error = t->error;
		cpu->cr2 = t->vector == PF_VECTOR ? read_cr2() : 0;
		t->rip = f->to;
		return;
	}
	guest_ucall(UCALL_TRAP, __FILE__, __LINE__, "unexpected exception", t->vector, t->error,
		    t->rip);
	halt_forever();
}

/*
 * 256 entry stubs of 16 bytes; vectors 8, 10 to 14, 17, 21, 29 and 30 come with an error code
 * (SDM vol. 3A, table 6-1; APM vol. 2, 8.2).
 */
asm(".pushsection .text\n"
    ".globl guest_vectors\n"
    ".balign 16\n"
    "guest_vectors:\n"
    ".set v, 0\n"
    ".rept 256\n"
    ".balign 16\n"
    ".if !(v == 8 || (v >= 10 && v <= 14) || v == 17 || v == 21 || v == 29 || v == 30)\n"
    "	pushq $0\n"
    ".endif\n"
    "	pushq $v\n"
    "	jmp guest_entry\n"
    ".set v, v + 1\n"
    ".endr\n"
    "guest_entry:\n"
    "	push %rax; push %rbx; push %rcx; push %rdx; push %rsi; push %rdi; push %rbp\n"
    "	push %r8; push %r9; push %r10; push %r11; push %r12; push %r13; push %r14; push %r15\n"
    "	cld\n"
    "	mov %rsp, %rdi\n"
    "	call guest_trap\n"
    "	pop %r15; pop %r14; pop %r13; pop %r12; pop %r11; pop %r10; pop %r9; pop %r8\n"
    "	pop %rbp; pop %rdi; pop %rsi; pop %rdx; pop %rcx; pop %rbx; pop %rax\n"
    "	add $16, %rsp\n"
    "	iretq\n"
    ".popsection");
