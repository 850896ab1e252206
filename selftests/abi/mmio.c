// SPDX-License-Identifier: GPL-2.0
/*
 * MMIO served by user space. Each instruction of ops.h runs on RAM and on MMIO from the same
 * state, in 64-, 32- and 16-bit code; registers, flags, stack and memory must come out alike.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ops.h"
#include "vm.h"

#define SUITE "mmio"

#define DEV_SIZE     0x2000ul /* the MMIO device is this much memory */
#define SCRATCH_SIZE 0x1000ul
#define AT           0x200ul /* where in the operand's memory the operand stands */

struct mode {
	enum vcpu_mode mode;
	u64 ram, mmio, scratch;
};

/* Below 1 MiB for real mode: the hole is where a VGA adapter has its memory. */
static const struct mode mode64 = { VCPU_LONG, FREE_BASE, HOLE_BASE, FREE_BASE + 0x10000 };
static const struct mode mode32 = { VCPU_PROT32, FREE_BASE, HOLE_BASE, FREE_BASE + 0x10000 };
static const struct mode mode16 = { VCPU_REAL, 0x70000, 0xa0000, 0x60000 };

struct outcome {
	struct kvm_regs regs;
	u8 mem[DEV_SIZE], scratch[SCRATCH_SIZE], stack[64];
	u32 accesses;
};

static u8 device[DEV_SIZE];

static u64 lcg;

static u64 random_value(void)
{
	lcg = lcg * 6364136223846793005ull + 1442695040888963407ull;
	return lcg ^ lcg >> 33;
}

/* Three kinds of register contents: noise, zero and ones, and equal to what memory holds. */
static u64 value(unsigned int round, u64 in_memory)
{
	if (round == 1)
		return random_value() & 1 ? ~0ull : 0;
	if (round == 2)
		return in_memory;
	return random_value();
}

static void serve(struct vcpu *v, const struct mode *m, struct outcome *o)
{
	struct kvm_run *run = v->run;

	for (;;) {
		u64 off;

		while (vcpu_run(v))
			CHECK_EQ(errno, EINTR);
		if (run->exit_reason != KVM_EXIT_MMIO)
			return;
		off = run->mmio.phys_addr - m->mmio;
		CHECK(run->mmio.len >= 1 && run->mmio.len <= 8);
		if (off + run->mmio.len > DEV_SIZE)
			FAIL("MMIO at %#llx", run->mmio.phys_addr);
		if (run->mmio.is_write)
			memcpy(device + off, run->mmio.data, run->mmio.len);
		else
			memcpy(run->mmio.data, device + off, run->mmio.len);
		o->accesses++;
	}
}

static void load_segments(struct vcpu *v, const struct op *op, const struct mode *m, u64 target)
{
	struct kvm_sregs s = get_sregs(v);

	s.ds.base = op->kind == OP_DI ? m->scratch : target;
	s.ds.selector = s.ds.base >> 4;
	s.es.base = op->kind == OP_DI || op->kind == OP_BOTH ? target : m->scratch;
	s.es.selector = s.es.base >> 4;
	set_sregs(v, &s);
}

/* Run @op once on @target; false if it did not end at its HLT. */
static bool run_op(struct vcpu *v, const struct op *op, const struct mode *m, u64 target, u64 off,
		   unsigned int round, struct outcome *o)
{
	struct vm *vm = v->vm;
	bool real = m->mode == VCPU_REAL;
	struct kvm_regs r = { .rflags = RFLAGS_FIXED, .rip = REAL_BASE };
	u8 *mem = target == m->mmio ? device : gpa_hva(vm, m->ram);
	u64 base = real ? 0 : target, other = real ? 0 : m->scratch;
	u64 held, rsp = real ? REAL_STACK : STACK_BASE + 0x1000;
	u32 i;

	lcg = 12345 + round;
	for (i = 0; i < DEV_SIZE; i++)
		mem[i] = random_value() >> 11;
	for (i = 0; i < SCRATCH_SIZE; i++)
		((u8 *)gpa_hva(vm, m->scratch))[i] = random_value() >> 11;
	for (i = 0; i < 64; i++)
		((u8 *)gpa_hva(vm, rsp - 32))[i] = random_value() >> 11;
	if (round == 2)
		memcpy(gpa_hva(vm, m->scratch + off), mem + off, 16);
	memcpy(&held, mem + off, 8);
	load_bytes(vm, REAL_BASE, op->code, op->end);

	r.rax = value(round, held);
	r.rdx = value(round, held);
	r.r8 = value(round, held);
	r.r9 = value(round, held);
	r.rcx = value(round, held);
	/* A bit offset must stay within the device. */
	if (strstr(op->text, " bt"))
		r.rcx = (r.rcx & 0x1ff) | (r.rcx & 0x200 ? ~0x1ffull : 0);
	if (op->kind != OP_BX)
		r.rcx = 5;
	r.rbx = base + off;
	r.rsi = (op->kind == OP_DI ? other : base) + off;
	r.rdi = (op->kind == OP_SI || op->kind == OP_BX ? other : base) + off;
	if (op->kind == OP_BOTH)
		r.rdi += 0x100;
	r.rsp = rsp;
	r.rbp = random_value();
	if (round & 1)
		r.rflags |= RFLAGS_CF | RFLAGS_ZF;
	if (real)
		load_segments(v, op, m, target);
	set_regs(v, &r);
	memset(o, 0, sizeof(*o));
	serve(v, m, o);
	if (v->run->exit_reason != KVM_EXIT_HLT)
		return false;
	o->regs = get_regs(v);
	o->regs.rbx -= base;
	o->regs.rsi -= op->kind == OP_DI ? other : base;
	o->regs.rdi -= op->kind == OP_SI || op->kind == OP_BX ? other : base;
	memcpy(o->mem, mem, DEV_SIZE);
	memcpy(o->scratch, gpa_hva(vm, m->scratch), SCRATCH_SIZE);
	memcpy(o->stack, gpa_hva(vm, rsp - 32), 64);
	return true;
}

static bool same_registers(const struct op *op, const struct outcome *ram, const struct outcome *io)
{
	static const char *const name[] = {
		"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rsp", "rbp", "r8",
		"r9",  "r10", "r11", "r12", "r13", "r14", "r15", "rip",
	};
	const u64 *a = (const u64 *)&ram->regs, *b = (const u64 *)&io->regs;
	u64 mask = op->flags | ~0x8d5ull;
	bool same = true;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(name); i++) {
		if (a[i] == b[i])
			continue;
		printf("%s: %s is %#llx, not %#llx\n", op->text, name[i], b[i], a[i]);
		same = false;
	}
	if ((ram->regs.rflags ^ io->regs.rflags) & mask & ~RFLAGS_RF) {
		printf("%s: rflags is %#llx, not %#llx\n", op->text, io->regs.rflags,
		       ram->regs.rflags);
		same = false;
	}
	return same;
}

static bool same_bytes(const struct op *op, const char *what, const u8 *want, const u8 *got, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++) {
		if (want[i] == got[i])
			continue;
		printf("%s: %s at %#x is %#x, not %#x\n", op->text, what, i, got[i], want[i]);
		return false;
	}
	return true;
}

static bool check_op(struct vcpu *v, const struct op *op, const struct mode *m, u64 off)
{
	static struct outcome ram, io;
	unsigned int round;
	bool good = true;

	for (round = 0; round < 4 && good; round++) {
		if (!run_op(v, op, m, m->ram, off, round, &ram))
			FAIL("%s does not run on RAM: exit %u", op->text, v->run->exit_reason);
		if (!run_op(v, op, m, m->mmio, off, round, &io)) {
			printf("%s: exit reason %u\n", op->text, v->run->exit_reason);
			return false;
		}
		if (!io.accesses) {
			printf("%s: no MMIO exit\n", op->text);
			return false;
		}
		good = same_registers(op, &ram, &io);
		good &= same_bytes(op, "operand", ram.mem, io.mem, DEV_SIZE);
		good &= same_bytes(op, "other operand", ram.scratch, io.scratch, SCRATCH_SIZE);
		good &= same_bytes(op, "stack", ram.stack, io.stack, sizeof(io.stack));
	}
	return good;
}

/* Make a vCPU for a mode. In real mode RAM has a hole where MMIO is to be. */
static struct vcpu *make_vcpu(const struct mode *m)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v;

	if (m->mode == VCPU_LONG)
		return vcpu_new(vm, 0, (void *)REAL_BASE, 0);
	if (m->mode == VCPU_REAL) {
		OK(vm_slot(vm, 0, 0, 0, 0, NULL));
		OK(vm_slot(vm, 0, 0, 0, m->mmio, vm->ram));
	}
	v = vcpu_add(vm, 0);
	vcpu_cpuid(v);
	vcpu_set_mode(v, m->mode, REAL_BASE);
	return v;
}

static void check_table(const struct op *from, const struct op *to, const struct mode *m, u64 off)
{
	unsigned int bad = 0, n = 0;
	struct vcpu *v = NULL;

	CHECK(from < to);
	for (; from < to; from++, n++) {
		if (!v)
			v = make_vcpu(m);
		if (check_op(v, from, m, off))
			continue;
		bad++;
		/* An unfinished instruction must not spoil the next one. */
		vm_free(v->vm);
		vcpu_free(v);
		v = NULL;
	}
	if (bad)
		FAIL("%u of %u instructions went wrong", bad, n);
}

#define OPS_CASE(name, m, off, ...)                                          \
	extern const struct op __start_ops_##name[], __stop_ops_##name[];    \
	CASE(name, .timeout = 60, __VA_ARGS__)                               \
	{                                                                    \
		check_table(__start_ops_##name, __stop_ops_##name, &m, off); \
	}

#define IN_ALL_MODES(group, LIST)                  \
	LIST("ops_" #group "_64", "64", "(%rbx)"); \
	LIST("ops_" #group "_32", "32", "(%ebx)"); \
	LIST("ops_" #group "_16", "16", "(%bx)");  \
	OPS_CASE(group##_64, mode64, AT)           \
	OPS_CASE(group##_32, mode32, AT)           \
	OPS_CASE(group##_16, mode16, AT)

#define LIST_STRING(T, B, M) OPS_STRING(T, B)
#define LIST_STRCMP(T, B, M) OPS_STRCMP(T, B)

IN_ALL_MODES(mov, OPS_MOV)
IN_ALL_MODES(alu, OPS_ALU)
IN_ALL_MODES(test, OPS_TEST)
IN_ALL_MODES(unary, OPS_UNARY)
IN_ALL_MODES(xchg, OPS_XCHG)
IN_ALL_MODES(bt, OPS_BT)
IN_ALL_MODES(string, LIST_STRING)
IN_ALL_MODES(strcmp, LIST_STRCMP)
IN_ALL_MODES(shift, OPS_SHIFT)
IN_ALL_MODES(muldiv, OPS_MULDIV)

/* What only 64-bit code has: REX, 64-bit operands, and addressing forms. */
#define WIDE "ops_wide"
OP(WIDE, "64", BX, F_ALL, "movq %rcx, (%rbx)");
OP(WIDE, "64", BX, F_ALL, "movq (%rbx), %r15");
OP(WIDE, "64", BX, F_ALL, "movq $-5, (%rbx)");
OP(WIDE, "64", BX, F_ALL, "movb %sil, (%rbx)");
OP(WIDE, "64", BX, F_ALL, "movb (%rbx), %r9b");
OP(WIDE, "64", BX, F_ALL, "movb (%rbx), %bpl");
OP(WIDE, "64", BX, F_ALL, "movslq (%rbx), %r9");
OP(WIDE, "64", BX, F_ALL, "movzbq (%rbx), %r9");
OP(WIDE, "64", BX, F_ALL, "movzwq (%rbx), %rcx");
OP(WIDE, "64", BX, F_ALL, "movsbq (%rbx), %r8");
OP(WIDE, "64", BX, F_ALL, "movswq (%rbx), %rcx");
OP(WIDE, "64", BX, F_ALL, "movl 0x40(%rbx), %ecx");
OP(WIDE, "64", BX, F_ALL, "movl -0x7f(%rbx), %r10d");
OP(WIDE, "64", BX, F_ALL, "xor %r11d, %r11d; movl 0x123(%rbx, %r11, 8), %r10d");
OP(WIDE, "64", BX, F_ALL, "movl (%ebx), %ecx");
OP(WIDE, "64", BX, F_ALL, "xchg %rbx, %r12; movl %ecx, 8(%r12); xchg %rbx, %r12");
OP(WIDE, "64", BX, F_ALL, "xchg %rbx, %r13; movl %ecx, (%r13); xchg %rbx, %r13");
OP(WIDE, "64", BX, F_ALL, "addq %rcx, (%rbx)");
OP(WIDE, "64", BX, F_ALL, "subq (%rbx), %r9");
OP(WIDE, "64", BX, F_ALL, "cmpq $-7, (%rbx)");
OP(WIDE, "64", BX, F_LOGIC, "andq $0x7fffffff, (%rbx)");
OP(WIDE, "64", BX, F_LOGIC, "testq %r9, (%rbx)");
OP(WIDE, "64", BX, F_ALL, "negq (%rbx)");
OP(WIDE, "64", BX, F_ALL, "incq (%rbx)");
OP(WIDE, "64", BX, F_ALL, "xchgq %r9, (%rbx)");
OP(WIDE, "64", BX, F_ALL, "lock cmpxchgq %r9, (%rbx)");
OP(WIDE, "64", BX, F_ALL, "lock xaddq %r9, (%rbx)");
OP(WIDE, "64", BX, F_BT, "btsq %rcx, (%rbx)");
OP(WIDE, "64", BX, F_BT, "btcq $61, (%rbx)");
OP(WIDE, "64", SI, F_ALL, "lodsq");
OP(WIDE, "64", DI, F_ALL, "stosq");
OP(WIDE, "64", DI, F_ALL, "rep stosq");
OP(WIDE, "64", SI, F_ALL, "rep movsq");
OP(WIDE, "64", BOTH, F_ALL, "movsq");
OP(WIDE, "64", BX, F_ALL, "push (%rbx)");
OP(WIDE, "64", BX, F_ALL, "pop (%rbx)");
OP(WIDE, "64", BX, F_ALL, "pushw (%rbx)");
OP(WIDE, "64", BX, F_ALL, "popw (%rbx)");
OPS_CASE(wide, mode64, AT)

#define STACK32 "ops_stack_32"
OP(STACK32, "32", BX, F_ALL, "pushl (%ebx)");
OP(STACK32, "32", BX, F_ALL, "popl (%ebx)");
OP(STACK32, "32", BX, F_ALL, "pushw (%ebx)");
OP(STACK32, "32", BX, F_ALL, "popw (%ebx)");
OP(STACK32, "32", BX, F_ALL, "movw %ds, (%ebx)");
/* A selector that the GDT has: the one of DS. Far pointers, and stacks that are a device. */
OP(STACK32, "32", BX, F_ALL, "movw %ds, (%ebx); movw (%ebx), %es; movl %es, %ecx");
OP(STACK32, "32", BX, F_ALL, "movw %ds, (%ebx); movw (%ebx), %ss; movl %ss, %ecx");
OP(STACK32, "32", BX, F_ALL, "movw %ds, 4(%ebx); lesl (%ebx), %ecx; movl %es, %edx");
OP(STACK32, "32", BX, F_ALL, "movw %ds, 2(%ebx); lfsw (%ebx), %cx; movl %fs, %edx");
OP(STACK32, "32", BX, F_ALL, "xchgl %ebx, %esp; pushw %ds; popw %gs; xchgl %ebx, %esp");
OP(STACK32, "32", BX, F_ALL, "xchgl %ebx, %esp; pushfl; popl %ecx; xchgl %ebx, %esp");
OP(STACK32, "32", BX, F_ALL, "xchgl %ebx, %esp; call 1f; jmp 2f; 1: ret $4; 2: xchgl %ebx, %esp");
OPS_CASE(stack_32, mode32, AT)

#define STACK16 "ops_stack_16"
OP(STACK16, "16", BX, F_ALL, "pushw (%bx)");
OP(STACK16, "16", BX, F_ALL, "popw (%bx)");
OP(STACK16, "16", BX, F_ALL, "pushl (%bx)");
OP(STACK16, "16", BX, F_ALL, "movl %ecx, 4(%bx)");
OP(STACK16, "16", BX, F_ALL, "addr32 movl %ecx, 4(%ebx)");
OP(STACK16, "16", BX, F_ALL, "xor %si, %si; movw 2(%bx, %si), %ax");
OP(STACK16, "16", BX, F_ALL, "movw 0x202, %dx");
OP(STACK16, "16", BX, F_ALL, "movb %al, 0x203");
OP(STACK16, "16", BX, F_ALL, "movw (%bx), %es; movw %es, %cx");
OP(STACK16, "16", BX, F_ALL, "movw %fs, (%bx)");
OP(STACK16, "16", BX, F_ALL, "lesw (%bx), %cx; movw %es, %dx");
OP(STACK16, "16", BX, F_ALL, "lfsl (%bx), %ecx; movw %fs, %dx");
OPS_CASE(stack_16, mode16, AT)

#define STACK64 "ops_stack_64"
OP(STACK64, "64", BX, F_ALL, "movw %ds, (%rbx); movw (%rbx), %fs; movl %fs, %ecx");
OP(STACK64, "64", BX, F_ALL, "movw %ds, (%rbx); movw (%rbx), %ss; movl %ss, %ecx");
OP(STACK64, "64", BX, F_ALL, "movw %ds, 4(%rbx); lfsl (%rbx), %ecx; movl %fs, %edx");
OP(STACK64, "64", BX, F_ALL,
   "xchgq %rbx, %rsp; pushq %r8; popq %r9; pushfq; popq %rcx; xchgq %rbx, %rsp");
OP(STACK64, "64", BX, F_ALL, "xchgq %rbx, %rsp; call 1f; jmp 2f; 1: ret; 2: xchgq %rbx, %rsp");
OP(STACK64, "64", BX, F_ALL, "leaq 1f(%rip), %r9; movq %r9, (%rbx); jmp *(%rbx); hlt; 1: nop");
OP(STACK64, "64", BX, F_ALL, "leaq 1f(%rip), %r9; movq %r9, (%rbx); call *(%rbx); 1: popq %rcx");
OPS_CASE(stack_64, mode64, AT)

#define STACKFS "ops_stack_fs"
OP(STACKFS, "64", BX, F_ALL,
   "movl %ds, %ecx; xchgq %rbx, %rsp; pushq %rcx; popq %fs; xchgq %rbx, %rsp");
OP(STACKFS, "64", BX, F_ALL, "xchgq %rbx, %rsp; pushq %fs; popq %rcx; xchgq %rbx, %rsp");
OPS_CASE(stack_fs, mode64, AT)

/* SSE: the second operand of each pair shows what the first has moved. */
#define VECTOR "ops_vector"
OP(VECTOR, "64", BX, F_ALL, "movups (%rbx), %xmm0; movups %xmm0, 0x40(%rbx)");
OP(VECTOR, "64", BX, F_ALL, "movupd (%rbx), %xmm9; movupd %xmm9, 0x43(%rbx)");
OP(VECTOR, "64", BX, F_ALL, "movaps (%rbx), %xmm1; movaps %xmm1, 0x40(%rbx)");
OP(VECTOR, "64", BX, F_ALL, "movdqa (%rbx), %xmm2; movdqa %xmm2, 0x40(%rbx)");
OP(VECTOR, "64", BX, F_ALL, "movdqu 1(%rbx), %xmm3; movdqu %xmm3, 0x41(%rbx)");
OP(VECTOR, "64", BX, F_ALL, "movdqu (%rbx), %xmm4; movntdq %xmm4, 0x40(%rbx)");
OP(VECTOR, "64", BX, F_ALL, "movdqu (%rbx), %xmm5; movntps %xmm5, 0x40(%rbx)");
OPS_CASE(vector, mode64, AT)

#define SCALAR "ops_scalar"
OP(SCALAR, "64", BX, F_ALL,
   "movups (%rbx), %xmm0; movss 0x10(%rbx), %xmm0; movups %xmm0, 0x40(%rbx)");
OP(SCALAR, "64", BX, F_ALL,
   "movups (%rbx), %xmm0; movsd 0x10(%rbx), %xmm0; movups %xmm0, 0x40(%rbx)");
OP(SCALAR, "64", BX, F_ALL,
   "movups (%rbx), %xmm0; movss %xmm0, 0x40(%rbx); movsd %xmm0, 0x48(%rbx)");
OP(SCALAR, "64", BX, F_ALL, "movd (%rbx), %xmm7; movq %xmm7, %r9; movd %xmm7, 0x40(%rbx)");
OP(SCALAR, "64", BX, F_ALL, "movq (%rbx), %xmm8; movq %xmm8, %r9; movq %xmm8, 0x40(%rbx)");
OP(SCALAR, "64", BX, F_ALL, ".byte 0x66, 0x4c, 0x0f, 0x6e, 0x03; movq %xmm8, %r9");
OP(SCALAR, "64", BX, F_ALL, "lddqu (%rbx), %xmm9; movups %xmm9, 0x40(%rbx)");
OP(SCALAR, "64", BX, F_ALL, "movntdqa (%rbx), %xmm9; movups %xmm9, 0x40(%rbx)");
OPS_CASE(scalar, mode64, AT, .oracle = "in-tree KVM emulates whole vectors only")

/* Operands that lie across the page boundary in the middle of the device. */
#define CROSS "ops_crossing"
OP(CROSS, "64", BX, F_ALL, "movq %rcx, (%rbx)");
OP(CROSS, "64", BX, F_ALL, "movq (%rbx), %rcx");
OP(CROSS, "64", BX, F_ALL, "movl 1(%rbx), %ecx");
OP(CROSS, "64", BX, F_ALL, "movw %cx, 3(%rbx)");
OP(CROSS, "64", BX, F_ALL, "addl %ecx, 2(%rbx)");
OP(CROSS, "64", DI, F_ALL, "rep stosl");
OPS_CASE(crossing, mode64, 0xffcul)

#define CROSSX "ops_crossing_xchg"
OP(CROSSX, "64", BX, F_ALL, "xchgq %rcx, (%rbx)");
OP(CROSSX, "64", BX, F_ALL, "lock xaddl %ecx, 1(%rbx)");
OPS_CASE(crossing_xchg, mode64, 0xffcul,
	 .tcg = "TCG loses RFLAGS when a page-crossing atomic access faults")

static void guest_edge(u64 addr)
{
	volatile u32 *p = (u32 *)(addr - 2);

	GUEST_SYNC(*p);
	*p = 0x44332211;
	GUEST_DONE();
}

/* Half of the operand is RAM, half is not. */
CASE(ram_edge)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_edge, RAM_SIZE);
	struct kvm_run *run = v->run;
	u8 *p = gpa_hva(vm, RAM_SIZE - 2);

	p[0] = 0xaa;
	p[1] = 0xbb;
	vcpu_run_exit(v, KVM_EXIT_MMIO);
	CHECK_EQ(run->mmio.is_write, 0);
	CHECK_EQ(run->mmio.phys_addr, RAM_SIZE);
	CHECK_EQ(run->mmio.len, 2);
	memcpy(run->mmio.data, "\xcc\xdd", 2);
	run_sync(v, 0xddccbbaa);
	vcpu_run_exit(v, KVM_EXIT_MMIO);
	CHECK_EQ(run->mmio.is_write, 1);
	CHECK_EQ(run->mmio.phys_addr, RAM_SIZE);
	CHECK_EQ(run->mmio.len, 2);
	CHECK_EQ(run->mmio.data[0], 0x33);
	CHECK_EQ(run->mmio.data[1], 0x44);
	run_done(v);
	CHECK_EQ(p[0], 0x11);
	CHECK_EQ(p[1], 0x22);
}
