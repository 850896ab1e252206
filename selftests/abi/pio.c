// SPDX-License-Identifier: GPL-2.0
/* Port I/O that user space serves: KVM_EXIT_IO. APM vol. 2, 15.10. */
#include <string.h>
#include "vm.h"

#define SUITE "pio"

static void *io_data(struct vcpu *v)
{
	return (u8 *)v->run + v->run->io.data_offset;
}

static void expect_io(struct vcpu *v, u8 dir, u16 port, u8 size, u32 count)
{
	vcpu_run_exit(v, KVM_EXIT_IO);
	CHECK_EQ(v->run->io.direction, dir);
	CHECK_EQ(v->run->io.port, port);
	CHECK_EQ(v->run->io.size, size);
	CHECK_EQ(v->run->io.count, count);
	CHECK(v->run->io.data_offset + (u64)size * count <= v->run_size);
}

static void guest_out(void)
{
	outb(0x10, 0x12);
	outw(0x20, 0x1234);
	outl(0x40, 0x12345678);
	outb(0xfffe, 0x56);
	outw(0xfffe, 0x789a);
	outl(0x1234, 0xdeadbeef);
	GUEST_DONE();
}

CASE(out)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_out, 0);

	expect_io(v, KVM_EXIT_IO_OUT, 0x10, 1, 1);
	CHECK_EQ(*(u8 *)io_data(v), 0x12);
	expect_io(v, KVM_EXIT_IO_OUT, 0x20, 2, 1);
	CHECK_EQ(*(u16 *)io_data(v), 0x1234);
	expect_io(v, KVM_EXIT_IO_OUT, 0x40, 4, 1);
	CHECK_EQ(*(u32 *)io_data(v), 0x12345678);
	expect_io(v, KVM_EXIT_IO_OUT, 0xfffe, 1, 1);
	CHECK_EQ(*(u8 *)io_data(v), 0x56);
	expect_io(v, KVM_EXIT_IO_OUT, 0xfffe, 2, 1);
	CHECK_EQ(*(u16 *)io_data(v), 0x789a);
	expect_io(v, KVM_EXIT_IO_OUT, 0x1234, 4, 1);
	CHECK_EQ(*(u32 *)io_data(v), 0xdeadbeef);
	run_done(v);
}

/* IN of a byte or word leaves the rest of RAX alone, of a doubleword clears the upper half. */
static void guest_in(void)
{
	u64 a = 0x1122334455667788;

	asm volatile("inb $0x33, %%al" : "+a"(a));
	GASSERT_EQ(a, 0x11223344556677ab);
	asm volatile("inw %w1, %%ax" : "+a"(a) : "d"(0x3333));
	GASSERT_EQ(a, 0x112233445566abcd);
	asm volatile("inl %w1, %%eax" : "+a"(a) : "d"(0x3334));
	GASSERT_EQ(a, 0xabcdef01);
	GUEST_DONE();
}

CASE(in)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_in, 0);

	expect_io(v, KVM_EXIT_IO_IN, 0x33, 1, 1);
	*(u8 *)io_data(v) = 0xab;
	expect_io(v, KVM_EXIT_IO_IN, 0x3333, 2, 1);
	*(u16 *)io_data(v) = 0xabcd;
	expect_io(v, KVM_EXIT_IO_IN, 0x3334, 4, 1);
	*(u32 *)io_data(v) = 0xabcdef01;
	run_done(v);
}

/*
 * String I/O may come in any number of exits; the bytes, their order and the registers count.
 */
static u32 gather(struct vcpu *v, u16 port, u8 size, u8 *to, u32 max)
{
	u32 len = 0;

	for (;;) {
		struct kvm_run *run = v->run;

		while (vcpu_run(v))
			CHECK_EQ(errno, EINTR);
		if (vcpu_take_ucall(v))
			return len;
		CHECK_EQ(run->exit_reason, KVM_EXIT_IO);
		CHECK_EQ(run->io.direction, KVM_EXIT_IO_OUT);
		CHECK_EQ(run->io.port, port);
		CHECK_EQ(run->io.size, size);
		CHECK(len + size * run->io.count <= max);
		memcpy(to + len, io_data(v), size * run->io.count);
		len += size * run->io.count;
	}
}

static void feed(struct vcpu *v, u16 port, u8 size, const u8 *from, u32 max)
{
	u32 len = 0;

	for (;;) {
		struct kvm_run *run = v->run;

		while (vcpu_run(v))
			CHECK_EQ(errno, EINTR);
		if (vcpu_take_ucall(v))
			break;
		CHECK_EQ(run->exit_reason, KVM_EXIT_IO);
		CHECK_EQ(run->io.direction, KVM_EXIT_IO_IN);
		CHECK_EQ(run->io.port, port);
		CHECK_EQ(run->io.size, size);
		CHECK(len + size * run->io.count <= max);
		memcpy(io_data(v), from + len, size * run->io.count);
		len += size * run->io.count;
	}
	CHECK_EQ(len, max);
}

#define STR_LEN 6000u /* more than one page of data */

static volatile u8 buffer[STR_LEN] __attribute__((aligned(4096)));

#define DEFINE_STRING(sfx, size)                                                            \
	static void guest_outs##sfx(void)                                                   \
	{                                                                                   \
		u64 si = (u64)buffer, cx = STR_LEN / (size);                                \
		asm volatile("rep outs" #sfx : "+S"(si), "+c"(cx) : "d"(0x777) : "memory"); \
		GASSERT_EQ(cx, 0);                                                          \
		GASSERT_EQ(si, (u64)buffer + STR_LEN);                                      \
		GUEST_DONE();                                                               \
	}                                                                                   \
	static void guest_ins##sfx(void)                                                    \
	{                                                                                   \
		u64 di = (u64)buffer, cx = STR_LEN / (size);                                \
		asm volatile("rep ins" #sfx : "+D"(di), "+c"(cx) : "d"(0x777) : "memory");  \
		GASSERT_EQ(cx, 0);                                                          \
		GASSERT_EQ(di, (u64)buffer + STR_LEN);                                      \
		GUEST_DONE();                                                               \
	}                                                                                   \
	CASE(rep_outs##sfx)                                                                 \
	{                                                                                   \
		check_outs(guest_outs##sfx, size);                                          \
	}                                                                                   \
	CASE(rep_ins##sfx)                                                                  \
	{                                                                                   \
		check_ins(guest_ins##sfx, size);                                            \
	}

static void fill(u8 *p, u32 len)
{
	u32 i;

	for (i = 0; i < len; i++)
		p[i] = i * 7 + (i >> 8);
}

static void check_outs(void *fn, u8 size)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, fn, 0);
	static u8 got[STR_LEN];

	fill((u8 *)G(vm, buffer), STR_LEN);
	CHECK_EQ(gather(v, 0x777, size, got, STR_LEN), STR_LEN);
	CHECK_EQ(v->uc.kind, UCALL_DONE);
	CHECK(!memcmp(got, (u8 *)G(vm, buffer), STR_LEN));
}

static void check_ins(void *fn, u8 size)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, fn, 0);
	static u8 sent[STR_LEN];

	fill(sent, STR_LEN);
	feed(v, 0x777, size, sent, STR_LEN);
	CHECK_EQ(v->uc.kind, UCALL_DONE);
	CHECK(!memcmp(sent, (u8 *)G(vm, buffer), STR_LEN));
}

DEFINE_STRING(b, 1)
DEFINE_STRING(w, 2)
DEFINE_STRING(l, 4)

static void guest_outs_down(void)
{
	u64 si = (u64)buffer + 9, cx = 10;

	asm volatile("std; rep outsb; cld" : "+S"(si), "+c"(cx) : "d"(0x777) : "memory");
	GASSERT_EQ(cx, 0);
	GASSERT_EQ(si, (u64)buffer - 1);
	/* With a count of zero nothing happens. */
	asm volatile("rep outsb" : "+S"(si), "+c"(cx) : "d"(0x777) : "memory");
	GASSERT_EQ(si, (u64)buffer - 1);
	GUEST_DONE();
}

CASE(outs_backwards)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_outs_down, 0);
	u8 got[10];

	memcpy((u8 *)G(vm, buffer), "9876543210", 10);
	CHECK_EQ(gather(v, 0x777, 1, got, 10), 10);
	CHECK(!memcmp(got, "0123456789", 10));
}

static void guest_ins_down(void)
{
	u64 di = (u64)buffer + 9, cx = 10;

	asm volatile("std; rep insb; cld" : "+D"(di), "+c"(cx) : "d"(0x777) : "memory");
	GASSERT_EQ(cx, 0);
	GASSERT_EQ(di, (u64)buffer - 1);
	GUEST_DONE();
}

CASE(ins_backwards)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_ins_down, 0);

	feed(v, 0x777, 1, (const u8 *)"0123456789", 10);
	CHECK(!memcmp((u8 *)G(vm, buffer), "9876543210", 10));
}

/* Address-size and segment overrides. */
static void guest_outs_prefix(void)
{
	u64 si = 0xffffffff00000000ull | (u64)buffer, cx = 0xf00000003;

	asm volatile("addr32 rep outsb" : "+S"(si), "+c"(cx) : "d"(0x777) : "memory");
	GASSERT_EQ(cx, 0);
	GASSERT_EQ((u32)si, (u32)(u64)buffer + 3);
	wrmsr(MSR_FS_BASE, (u64)buffer);
	si = 3;
	asm volatile("fs outsb" : "+S"(si) : "d"(0x777) : "memory");
	GASSERT_EQ(si, 4);
	GUEST_DONE();
}

CASE(outs_prefixes)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_outs_prefix, 0);
	u8 got[4];

	memcpy((u8 *)G(vm, buffer), "abcd", 4);
	CHECK_EQ(gather(v, 0x777, 1, got, 4), 4);
	CHECK(!memcmp(got, "abcd", 4));
}

/* The second page is not there: the guest sees the fault with what was done until then. */
static void guest_outs_fault(u64 gva)
{
	u64 si = gva + PAGE_SIZE - 4, cx = 8;

	TRY("rep outsb", : "+S"(si), "+c"(cx) : "d"(0x777) : "memory");
	GASSERT_TRAP(PF_VECTOR, 0);
	GASSERT_EQ(this_cpu()->cr2, gva + PAGE_SIZE);
	GASSERT_EQ(cx, 4);
	GASSERT_EQ(si, gva + PAGE_SIZE);
	GUEST_DONE();
}

CASE(outs_page_fault)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_outs_fault, 0x7000000000);
	u8 got[8];

	vm_map(vm, 0x7000000000, FREE_BASE, PTE_P | PTE_W);
	memcpy(gpa_hva(vm, FREE_BASE + PAGE_SIZE - 4), "wxyz", 4);
	CHECK_EQ(gather(v, 0x777, 1, got, 8), 4);
	CHECK(!memcmp(got, "wxyz", 4));
}

static void guest_ins_fault(u64 gva)
{
	u64 di = gva + PAGE_SIZE - 4, cx = 8;

	TRY("rep insb", : "+D"(di), "+c"(cx) : "d"(0x777) : "memory");
	GASSERT_TRAP(PF_VECTOR, PFEC_W | PFEC_P);
	GASSERT_EQ(this_cpu()->cr2, gva + PAGE_SIZE);
	GASSERT_EQ(cx, 4);
	GASSERT_EQ(di, gva + PAGE_SIZE);
	GUEST_DONE();
}

CASE(ins_page_fault,
     .oracle = "in-tree KVM reads the port ahead, in whole pages of data, before it faults")
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_ins_fault, 0x7000000000);

	vm_map(vm, 0x7000000000, FREE_BASE, PTE_P | PTE_W);
	vm_map(vm, 0x7000001000, FREE_BASE + PAGE_SIZE, PTE_P);
	feed(v, 0x777, 1, (const u8 *)"wxyz", 4);
	CHECK(!memcmp(gpa_hva(vm, FREE_BASE + PAGE_SIZE - 4), "wxyz", 4));
}

/* Port I/O from user mode without permission is the guest's own fault. */
static GUEST_HANDLER void io_gp(struct trap *t)
{
	GASSERT_EQ(t->cs, SEL_UCODE64);
	GASSERT_EQ(t->error, 0);
	GUEST_DONE();
}

static void guest_user_out(void)
{
	asm volatile("outb %al, $0x80");
	for (;;)
		;
}

static void guest_to_user(void)
{
	guest_on(GP_VECTOR, io_gp);
	asm volatile("mov %%rsp, %%rax\n push %0\n push %%rax\n push $2\n push %1\n push %2\n"
		     "iretq"
		     :
		     : "r"((u64)SEL_UDATA), "r"((u64)SEL_UCODE64), "r"(guest_user_out)
		     : "rax", "memory");
}

CASE(user_mode_is_refused)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_to_user, 0);
	u64 a;

	for (a = 0x200000; a < FREE_BASE; a += PAGE_SIZE)
		if (a < STACK_BASE + 2 * STACK_SIZE || a >= 0x400000)
			*vm_pte(vm, a) |= PTE_U;
	run_done(v);
}

/* 16-bit code with segments: DS:SI for OUTS, ES:DI for INS, 16-bit counters that wrap. */
BLOB(real_strings, 16,
     "mov $0x2000, %ax\n mov %ax, %ds\n mov $0x3000, %ax\n mov %ax, %es\n"
     "mov $0x777, %dx\n"
     "mov $0xfffe, %si\n mov $4, %cx\n cld\n rep outsb\n"
     "cmp $2, %si\n jne 1f\n test %cx, %cx\n jne 1f\n"
     "xor %si, %si\n es outsb\n"
     "mov $0x10, %di\n mov $2, %cx\n rep insw\n"
     "cmp $0x14, %di\n jne 1f\n"
     "hlt\n 1: ud2\n");

CASE(real_mode_strings)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_add(vm, 0);
	char out[6] = "";
	u8 *ds = gpa_hva(vm, 0x20000), *es = gpa_hva(vm, 0x30000);
	u32 nout = 0, nin = 0;

	load_blob(vm, REAL_BASE, real_strings);
	vcpu_set_mode(v, VCPU_REAL, REAL_BASE);
	memcpy(ds + 0xfffe, "ab", 2);
	memcpy(ds, "cd", 2);
	es[0] = 'e';
	for (;;) {
		struct kvm_run *run = v->run;

		OK(vcpu_run(v));
		if (run->exit_reason == KVM_EXIT_HLT)
			break;
		CHECK_EQ(run->exit_reason, KVM_EXIT_IO);
		CHECK_EQ(run->io.port, 0x777);
		if (run->io.direction == KVM_EXIT_IO_OUT) {
			CHECK(nout + run->io.count * run->io.size <= 5);
			memcpy(out + nout, io_data(v), run->io.count);
			nout += run->io.count;
		} else {
			CHECK(nin + run->io.count * 2 <= 4);
			memcpy(io_data(v), "WXYZ" + nin, run->io.count * 2);
			nin += run->io.count * 2;
		}
	}
	CHECK(!memcmp(out, "abcde", 5));
	CHECK(!memcmp(es + 0x10, "WXYZ", 4));
}

/* String I/O to a device in the kernel makes no exits. */
static void guest_kernel_strings(void)
{
	static u8 from[4] = { 0x11, 0x22, 0x33, 0xa5 };
	u64 si = (u64)from, di = (u64)buffer, cx = 4;

	asm volatile("rep outsb" : "+S"(si), "+c"(cx) : "d"(0x21) : "memory");
	GASSERT_EQ(cx, 0);
	cx = 3;
	asm volatile("rep insb" : "+D"(di), "+c"(cx) : "d"(0x21) : "memory");
	GASSERT_EQ(cx, 0);
	GASSERT_EQ(buffer[0], 0xa5);
	GASSERT_EQ(buffer[2], 0xa5);
	GASSERT_EQ(buffer[3], 0);
	GUEST_DONE();
}

CASE(kernel_strings)
{
	run_done(vcpu_new(vm_create(VM_IRQCHIP), 0, guest_kernel_strings, 0));
}

static void guest_reset_by_port(void)
{
	outb(0xcf9, 6);
	GASSERT(false);
}

static void guest_reset_by_read(void)
{
	inl(0xcf9);
	GASSERT(false);
}

static void guest_after_reset(void)
{
	GUEST_DONE();
}

/* A port at which the machine is reset: the vCPU goes on exactly where user space has put it. */
static void reset_at(void *guest)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest, 0);
	struct kvm_regs r;

	vcpu_run_exit(v, KVM_EXIT_IO);
	CHECK_EQ(v->run->io.port, 0xcf9);
	r = get_regs(v);
	r.rip = (u64)guest_after_reset;
	r.rax = 0x1234567;
	OK(ioctl(v->fd, KVM_SET_REGS, &r));
	v->run->immediate_exit = 1;
	CHECK_ERRNO(vcpu_run(v), EINTR);
	v->run->immediate_exit = 0;
	CHECK_EQ(get_regs(v).rip, (u64)guest_after_reset);
	CHECK_EQ(get_regs(v).rax, 0x1234567);
	run_done(v);
}

CASE(reset_by_port)
{
	reset_at(guest_reset_by_port);
}

CASE(reset_by_read)
{
	reset_at(guest_reset_by_read);
}
