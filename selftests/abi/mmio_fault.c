// SPDX-License-Identifier: GPL-2.0
/* MMIO that ends otherwise: faults delivered to the guest, instructions nobody emulates. */
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include "vm.h"

#define SUITE "mmio_fault"

#define GVA 0x7000000000ull

static struct vm *make_vm(u64 second_page_bits)
{
	struct vm *vm = vm_create(0);

	vm_map(vm, GVA, FREE_BASE, PTE_P | PTE_W);
	if (second_page_bits)
		vm_map(vm, GVA + PAGE_SIZE, FREE_BASE + PAGE_SIZE, second_page_bits);
	return vm;
}

static void serve_reads(struct vcpu *v, u32 want)
{
	u32 n = 0;

	for (;;) {
		while (vcpu_run(v))
			CHECK_EQ(errno, EINTR);
		if (vcpu_take_ucall(v))
			break;
		CHECK_EQ(v->run->exit_reason, KVM_EXIT_MMIO);
		CHECK_EQ(v->run->mmio.is_write, 0);
		memset(v->run->mmio.data, 0x5c, 8);
		n++;
	}
	CHECK_EQ(v->uc.kind, UCALL_DONE);
	CHECK(n >= want);
}

/* MOVS from MMIO to a page that is absent: #PF with the address and what was done. */
static void guest_movs_absent(void)
{
	u64 si = HOLE_BASE, di = GVA + PAGE_SIZE - 8, cx = 4;

	TRY("rep movsl", : "+S"(si), "+D"(di), "+c"(cx) : : "memory");
	GASSERT_TRAP(PF_VECTOR, PFEC_W);
	GASSERT_EQ(this_cpu()->cr2, GVA + PAGE_SIZE);
	GASSERT_EQ(cx, 2);
	GASSERT_EQ(di, GVA + PAGE_SIZE);
	GASSERT_EQ(si, HOLE_BASE + 8);
	GASSERT_EQ(*(volatile u32 *)(GVA + PAGE_SIZE - 4), 0x5c5c5c5c);
	GUEST_DONE();
}

CASE(movs_to_absent_page)
{
	serve_reads(vcpu_new(make_vm(0), 0, guest_movs_absent, 0), 2);
}

static void guest_movs_away(void)
{
	u64 si = HOLE_BASE, di = HOLE_BASE + PAGE_SIZE;

	asm volatile("movsq" : "+S"(si), "+D"(di) : : "memory");
	GUEST_SYNC(*(volatile u64 *)(di - 8));
	GUEST_DONE();
}

/* Memory is memory, also while the host cannot give it; and no device is read twice for it. */
CASE(movs_to_memory_that_is_away, .oracle = "in-tree KVM takes it for a device")
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_movs_away, 0);
	u8 *ram = vm_add_ram(vm, 1, 0, HOLE_BASE + PAGE_SIZE, PAGE_SIZE);

	OK(mprotect(ram, PAGE_SIZE, PROT_NONE));
	vcpu_run_exit(v, KVM_EXIT_MMIO);
	CHECK_EQ(v->run->mmio.is_write, 0);
	memset(v->run->mmio.data, 0x5c, 8);
	CHECK_ERRNO(vcpu_run(v), EFAULT);
	CHECK_ERRNO(vcpu_run(v), EFAULT);
	OK(mprotect(ram, PAGE_SIZE, PROT_READ | PROT_WRITE));
	run_sync(v, 0x5c5c5c5c5c5c5c5cull);
	run_done(v);
}

/* Page tables in a slot whose memory the host cannot give: not the same as no translation. */
CASE(translate_no_page, .oracle = "in-tree KVM calls it unmapped")
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_movs_away, 0), *pae = vcpu_add(vm, 1);
	struct kvm_translation t = { .linear_address = 0x345678 };
	u8 *tables = vm_add_ram(vm, 1, 0, HOLE_BASE, PAGE_SIZE);
	struct kvm_sregs s = get_sregs(v);
	struct kvm_sregs2 s2;

	s.cr3 = HOLE_BASE;
	set_sregs(v, &s);
	vcpu_cpuid(pae);
	vcpu_set_mode(pae, VCPU_PROT32, REAL_BASE);
	s = get_sregs(pae);
	s.cr0 |= CR0_PG;
	s.cr4 |= CR4_PAE;
	s.cr3 = HOLE_BASE;
	set_sregs(pae, &s);
	OK(mprotect(tables, PAGE_SIZE, PROT_NONE));
	CHECK_ERRNO(ioctl(v->fd, KVM_TRANSLATE, &t), EFAULT);
	/* Where the processor reads the PDPTRs from memory. */
	if (dev_cap(KVM_CAP_SREGS2) > 0 && !test_is_intel())
		CHECK_ERRNO(ioctl(pae->fd, KVM_GET_SREGS2, &s2), EFAULT);
	OK(mprotect(tables, PAGE_SIZE, PROT_READ | PROT_WRITE));
	OK(ioctl(v->fd, KVM_TRANSLATE, &t));
	CHECK_EQ(t.valid, 0);
}

static void guest_movs_ro(void)
{
	u64 si = HOLE_BASE, di = GVA + PAGE_SIZE;

	TRY("movsb", : "+S"(si), "+D"(di) : : "memory");
	GASSERT_TRAP(PF_VECTOR, PFEC_W | PFEC_P);
	GASSERT_EQ(this_cpu()->cr2, GVA + PAGE_SIZE);
	GASSERT_EQ(si, HOLE_BASE);
	GUEST_DONE();
}

CASE(movs_to_readonly_page)
{
	serve_reads(vcpu_new(make_vm(PTE_P), 0, guest_movs_ro, 0), 0);
}

/* POP into MMIO from a stack page that is absent, PUSH of MMIO to one. */
static void guest_push_fault(void)
{
	asm volatile("mov %%rsp, %%r15" : : : "r15");
	TRY("push (%0)", : : "r"(HOLE_BASE), "r"(0) : "memory");
	GASSERT_NOTRAP();
	asm volatile("mov %%r15, %%rsp" : : : "memory");
	GUEST_DONE();
}

CASE(push_from_mmio)
{
	serve_reads(vcpu_new(make_vm(0), 0, guest_push_fault, 0), 1);
}

/* The page that holds the operand is user memory and SMAP is on: a fault, not an MMIO exit. */
static void guest_smap(void)
{
	u32 r[4];

	guest_cpuid(7, 0, r);
	if (r[1] & BIT(20)) {
		u64 v = 0;

		write_cr4(read_cr4() | CR4_SMAP);
		TRY("mov (%1), %0", : "+r"(v) : "r"(GVA + 2 * PAGE_SIZE) : "memory");
		GASSERT_TRAP(PF_VECTOR, PFEC_P);
		asm volatile("stac" : : : "cc");
		TRY("mov (%1), %0", : "+r"(v) : "r"(GVA + 2 * PAGE_SIZE) : "memory");
		GASSERT_NOTRAP();
		GASSERT_EQ(v, 0x5c5c5c5c5c5c5c5c);
	} else {
		mmio_read32(GVA + 2 * PAGE_SIZE);
	}
	GUEST_DONE();
}

CASE(smap)
{
	struct vm *vm = make_vm(0);

	vm_map(vm, GVA + 2 * PAGE_SIZE, HOLE_BASE, PTE_P | PTE_W | PTE_U);
	serve_reads(vcpu_new(vm, 0, guest_smap, 0), 1);
}

/* A cache line that is not there: neither an access nor an error. */
static void guest_clflush(void)
{
	asm volatile("clflush (%0)" : : "r"(HOLE_BASE) : "memory");
	GUEST_DONE();
}

CASE(clflush)
{
	run_done(vcpu_new(vm_create(0), 0, guest_clflush, 0));
}

/* A selector that the device invents: the checks of a descriptor, and nothing is loaded. */
static void guest_bad_selector(void)
{
	u16 before, after;

	asm volatile("mov %%fs, %0" : "=r"(before));
	TRY("mov (%0), %%fs", : : "r"(HOLE_BASE) : "memory");
	GASSERT_TRAP(GP_VECTOR, 0x5c5c);
	TRY("lss (%0), %%eax", : : "r"(HOLE_BASE) : "rax", "memory");
	GASSERT_TRAP(GP_VECTOR, 0x5c5c);
	asm volatile("mov %%fs, %0" : "=r"(after));
	GASSERT_EQ(before, after);
	GUEST_DONE();
}

CASE(bad_selector)
{
	serve_reads(vcpu_new(make_vm(0), 0, guest_bad_selector, 0), 2);
}

static void guest_divide(void)
{
	u32 a = ~0u, d = ~0u;

	TRY("divl (%2)", : "+a"(a), "+d"(d) : "r"(HOLE_BASE) : "memory", "cc");
	GASSERT_TRAP(DE_VECTOR, 0);
	GASSERT_EQ(a, ~0u);
	d = 0;
	TRY("divl (%2)", : "+a"(a), "+d"(d) : "r"(HOLE_BASE) : "memory", "cc");
	GASSERT_NOTRAP();
	GASSERT_EQ(a, ~0u / 0x5c5c5c5c);
	GUEST_DONE();
}

CASE(divide_error)
{
	serve_reads(vcpu_new(make_vm(0), 0, guest_divide, 0), 2);
}

/* A single step over MOV SS from a device: the trap comes behind it, or behind the next one. */
static u64 step_rip;

static void GUEST_HANDLER on_step(struct trap *t)
{
	step_rip = t->rip;
	t->rflags &= ~RFLAGS_TF;
}

static void guest_step_ss(void)
{
	extern const u8 step_ss1[], step_ss2[];

	guest_on(DB_VECTOR, on_step);
	asm volatile("pushfq\n orl $0x100, (%%rsp)\n popfq\n"
		     "mov (%0), %%ss\n step_ss1: nop\n step_ss2: nop"
		     :
		     : "r"(HOLE_BASE)
		     : "memory", "cc");
	GASSERT(step_rip == (u64)step_ss1 || step_rip == (u64)step_ss2);
	GUEST_DONE();
}

CASE(step_over_mov_ss)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_step_ss, 0);

	vcpu_run_exit(v, KVM_EXIT_MMIO);
	CHECK_EQ(v->run->mmio.len, 2);
	memset(v->run->mmio.data, 0, 8);
	v->run->mmio.data[0] = SEL_DATA;
	run_done(v);
}

/* An instruction outside the list: either it works or the host gets its bytes. */
static void guest_vector_add(void)
{
	asm volatile("addps (%0), %%xmm0" : : "r"(HOLE_BASE) : "memory");
	GUEST_DONE();
}

static void guest_fpu_load(void)
{
	asm volatile("frstor (%0)" : : "r"(HOLE_BASE) : "memory");
	GUEST_DONE();
}

static void works_or_says_so(void *fn, const u8 *bytes, size_t n)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, fn, 0);
	struct kvm_run *run = v->run;

	for (;;) {
		OK(vcpu_run(v));
		if (vcpu_take_ucall(v))
			return;
		if (run->exit_reason != KVM_EXIT_MMIO)
			break;
	}
	CHECK_EQ(run->exit_reason, KVM_EXIT_INTERNAL_ERROR);
	CHECK_EQ(run->internal.suberror, KVM_INTERNAL_ERROR_EMULATION);
	CHECK(run->emulation_failure.ndata >= 3);
	CHECK(run->emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES);
	CHECK(run->emulation_failure.insn_size >= n && run->emulation_failure.insn_size <= 15);
	CHECK(memmem(run->emulation_failure.insn_bytes, run->emulation_failure.insn_size, bytes,
		     n) == run->emulation_failure.insn_bytes);
}

CASE(unsupported_vector)
{
	static const u8 addps[] = { 0x0f, 0x58 };

	works_or_says_so(guest_vector_add, addps, sizeof(addps));
}

CASE(unsupported_fpu)
{
	static const u8 frstor[] = { 0xdd };

	works_or_says_so(guest_fpu_load, frstor, sizeof(frstor));
}

static void guest_jump_away(void)
{
	asm volatile("jmp *%0" : : "r"(HOLE_BASE));
}

/* Code cannot be fetched from where nothing is. */
CASE(fetch_from_hole)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_jump_away, 0);

	vcpu_run_exit(v, KVM_EXIT_INTERNAL_ERROR);
	CHECK_EQ(v->run->internal.suberror, KVM_INTERNAL_ERROR_EMULATION);
	CHECK_EQ(get_regs(v).rip, HOLE_BASE);
}

/* Page tables in a hole: the walk cannot be served by anybody; no endless loop. */
CASE(page_table_in_hole, .oracle = "in-tree KVM faults for ever and only a signal ends it")
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_jump_away, 0);
	struct kvm_sregs s = get_sregs(v);

	s.cr3 = HOLE_BASE;
	set_sregs(v, &s);
	alarm(60);
	if (vcpu_run(v)) {
		CHECK(errno == EFAULT);
		return;
	}
	CHECK(v->run->exit_reason == KVM_EXIT_INTERNAL_ERROR ||
	      v->run->exit_reason == KVM_EXIT_SHUTDOWN || v->run->exit_reason == KVM_EXIT_MMIO);
}

/* While MMIO waits for its answer the guest's registers are as before the instruction. */
static void guest_rmw(void)
{
	asm volatile("addl $1, (%0)" : : "r"(HOLE_BASE) : "memory");
	GUEST_DONE();
}

CASE(read_modify_write_order)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_rmw, 0);

	vcpu_run_exit(v, KVM_EXIT_MMIO);
	CHECK_EQ(v->run->mmio.is_write, 0);
	CHECK_EQ(v->run->mmio.len, 4);
	memset(v->run->mmio.data, 0, 8);
	v->run->mmio.data[0] = 41;
	vcpu_run_exit(v, KVM_EXIT_MMIO);
	CHECK_EQ(v->run->mmio.is_write, 1);
	CHECK_EQ(v->run->mmio.len, 4);
	CHECK_EQ(*(u32 *)v->run->mmio.data, 42);
	v->run->immediate_exit = 1;
	CHECK_ERRNO(vcpu_run(v), EINTR);
	v->run->immediate_exit = 0;
	run_done(v);
}

/* Single accesses of each size come out as one exit of that size. */
static void guest_sizes(void)
{
	volatile u8 *p = (u8 *)HOLE_BASE;

	p[1] = 0x11;
	*(volatile u16 *)(p + 2) = 0x2222;
	*(volatile u32 *)(p + 4) = 0x44444444;
	*(volatile u64 *)(p + 8) = 0x8888888888888888;
	GASSERT_EQ(p[1], 0x5c);
	GASSERT_EQ(*(volatile u16 *)(p + 2), 0x5c5c);
	GASSERT_EQ(*(volatile u32 *)(p + 4), 0x5c5c5c5c);
	GASSERT_EQ(*(volatile u64 *)(p + 8), 0x5c5c5c5c5c5c5c5c);
	GUEST_DONE();
}

CASE(sizes)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_sizes, 0);
	u32 i;

	for (i = 0; i < 8; i++) {
		u32 size = 1 << (i & 3);

		vcpu_run_exit(v, KVM_EXIT_MMIO);
		CHECK_EQ(v->run->mmio.is_write, i < 4);
		CHECK_EQ(v->run->mmio.phys_addr, HOLE_BASE + size);
		CHECK_EQ(v->run->mmio.len, size);
		if (i < 4)
			CHECK_EQ(v->run->mmio.data[size - 1], size * 0x11);
		else
			memset(v->run->mmio.data, 0x5c, 8);
	}
	run_done(v);
}
