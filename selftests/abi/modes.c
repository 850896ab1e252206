// SPDX-License-Identifier: GPL-2.0
/* Operating modes, paging and control registers. SDM vol. 3A, 2 to 4; APM vol. 2, 1 to 5. */
#include <string.h>
#include "vm.h"

#define SUITE "modes"

#define GVA 0x7000000000ull

static void guest_nop(void)
{
	GUEST_DONE();
}

/* Blobs report by writing EAX to this port; HLT ends them. */
#define REPORT 0x81

static u32 report(struct vcpu *v)
{
	vcpu_run_exit(v, KVM_EXIT_IO);
	CHECK_EQ(v->run->io.port, REPORT);
	CHECK_EQ(v->run->io.size, 4);
	return *(u32 *)((u8 *)v->run + v->run->io.data_offset);
}

BLOB(real_code, 16,
     "mov $0x1234, %ax\n mov %ax, %ds\n mov $0x10, %bx\n"
     "movl $0xdeadbeef, (%bx)\n movl 0x10, %eax\n out %eax, $0x81\n"
     "mov %ds, %ax\n movzx %ax, %eax\n out %eax, $0x81\n"
     "push $0x5678\n pop %cx\n movzx %cx, %eax\n out %eax, $0x81\n"
     "hlt\n");

CASE(real)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_add(vm, 0);

	load_blob(vm, REAL_BASE, real_code);
	vcpu_set_mode(v, VCPU_REAL, REAL_BASE);
	CHECK_EQ(report(v), 0xdeadbeef);
	CHECK_EQ(report(v), 0x1234);
	CHECK_EQ(report(v), 0x5678);
	vcpu_run_exit(v, KVM_EXIT_HLT);
	CHECK_EQ(*(u32 *)gpa_hva(vm, 0x12350), 0xdeadbeef);
}

/* Interrupts by the real-mode vector table, INT n and an external one. */
BLOB(real_int, 16,
     "xor %ax, %ax\n mov %ax, %ds\n mov %ax, %ss\n"
     "int $0x21\n out %eax, $0x81\n"
     "sti\n nop\n out %eax, $0x81\n hlt\n");
BLOB(real_handler, 16, "movl $0x21212121, %eax\n iret\n");
BLOB(real_handler2, 16, "movl $0x40404040, %eax\n iret\n");

CASE(real_interrupts)
{
	struct kvm_interrupt irq = { .irq = 0x40 };
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_add(vm, 0);
	u32 *ivt = gpa_hva(vm, 0);

	load_blob(vm, REAL_BASE, real_int);
	load_blob(vm, 0x2000, real_handler);
	load_blob(vm, 0x2100, real_handler2);
	ivt[0x21] = 0x02000000;
	ivt[0x40] = 0x02000100;
	vcpu_set_mode(v, VCPU_REAL, REAL_BASE);
	CHECK_EQ(report(v), 0x21212121);
	v->run->request_interrupt_window = 1;
	vcpu_run_exit(v, KVM_EXIT_IRQ_WINDOW_OPEN);
	v->run->request_interrupt_window = 0;
	OK(ioctl(v->fd, KVM_INTERRUPT, &irq));
	CHECK_EQ(report(v), 0x40404040);
	vcpu_run_exit(v, KVM_EXIT_HLT);
}

/* From real mode to protected to long mode by the guest's own hand. */
BLOB(switch_code, 16,
     "lgdtl 0x7000\n"
     "mov %cr0, %eax\n or $1, %eax\n mov %eax, %cr0\n"
     "ljmpl $0x38, $(1f - switch_code + 0x1000)\n"
     ".code32\n"
     "1: mov $0x10, %eax\n mov %eax, %ds\n mov %eax, %ss\n"
     "mov $0x32323232, %eax\n out %eax, $0x81\n"
     "mov $0x20, %eax\n mov %eax, %cr4\n mov $0x10000, %eax\n mov %eax, %cr3\n"
     "mov $0xc0000080, %ecx\n rdmsr\n or $0x100, %eax\n wrmsr\n"
     "mov %cr0, %eax\n or $0x80000000, %eax\n mov %eax, %cr0\n"
     "ljmpl $0x08, $(2f - switch_code + 0x1000)\n"
     ".code64\n"
     "2: mov $0x6464646464646464, %rax\n out %eax, $0x81\n"
     "mov $0xc0000080, %ecx\n rdmsr\n out %eax, $0x81\n hlt\n");

CASE(real_to_long)
{
	struct vm *vm = vm_create(0);
	struct vcpu *spare = vcpu_new(vm, 1, guest_nop, 0); /* makes a GDT */
	struct vcpu *v = vcpu_add(vm, 0);
	u64 gdt = PERCPU_BASE + PAGE_SIZE;
	struct kvm_sregs s;

	(void)spare;
	vcpu_cpuid(v);
	load_blob(vm, REAL_BASE, switch_code);
	*(u16 *)gpa_hva(vm, 0x7000) = PERCPU_TSS - 1;
	memcpy(gpa_hva(vm, 0x7002), &gdt, 4);
	vcpu_set_mode(v, VCPU_REAL, REAL_BASE);
	CHECK_EQ(report(v), 0x32323232);
	s = get_sregs(v);
	CHECK_EQ(s.cr0 & CR0_PE, CR0_PE);
	CHECK_EQ(s.cs.db, 1);
	CHECK_EQ(report(v), 0x64646464);
	CHECK_EQ(report(v) & (EFER_LME | EFER_LMA), EFER_LME | EFER_LMA);
	vcpu_run_exit(v, KVM_EXIT_HLT);
	s = get_sregs(v);
	CHECK_EQ(s.cs.l, 1);
	CHECK_EQ(s.efer & EFER_LMA, EFER_LMA);
}

BLOB(prot16_code, 16, "mov %cs, %ax\n movzx %ax, %eax\n out %eax, $0x81\n hlt\n");

CASE(protected_16)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_add(vm, 0);

	load_blob(vm, REAL_BASE, prot16_code);
	vcpu_set_mode(v, VCPU_PROT16, REAL_BASE);
	CHECK_EQ(report(v), SEL_CODE16);
	vcpu_run_exit(v, KVM_EXIT_HLT);
}

/*
 * 32-bit paging: reads 0x08000000 (a large page), writes 0x08400000 (a small one), then takes a
 * page fault at 0x08401000 and reports error code and CR2.
 */
BLOB(paging32, 32,
     "lidt 0x7000\n"
     "mov 0x08000000, %eax\n out %eax, $0x81\n"
     "movl $0xabcdef01, 0x08400004\n mov 0x08400004, %eax\n out %eax, $0x81\n"
     "movl $1, 0x08401000\n"
     "hlt\n");
BLOB(pf_handler32, 32, "pop %eax\n out %eax, $0x81\n mov %cr2, %eax\n out %eax, $0x81\n hlt\n");

static struct vcpu *start_paging32(struct vm *vm, u64 cr4, u64 cr3)
{
	struct vcpu *v = vcpu_add(vm, 0);
	struct kvm_sregs s;
	u64 idt = 0x6000, *gate = gpa_hva(vm, idt);

	vcpu_cpuid(v);
	load_blob(vm, REAL_BASE, paging32);
	load_blob(vm, 0x2000, pf_handler32);
	gate[PF_VECTOR] = 0x2000 | SEL_CODE32 << 16 | 0x8e00ull << 32;
	*(u16 *)gpa_hva(vm, 0x7000) = 0x7ff;
	memcpy(gpa_hva(vm, 0x7002), &idt, 4);
	vcpu_set_mode(v, VCPU_PROT32, REAL_BASE);
	s = get_sregs(v);
	s.cr3 = cr3;
	s.cr4 = cr4;
	s.cr0 |= CR0_PG | CR0_WP;
	set_sregs(v, &s);
	*(u32 *)gpa_hva(vm, FREE_BASE) = 0x11223344;
	return v;
}

static void check_paging32(struct vm *vm, struct vcpu *v)
{
	CHECK_EQ(report(v), 0x11223344);
	CHECK_EQ(report(v), 0xabcdef01);
	CHECK_EQ(*(u32 *)gpa_hva(vm, FREE_BASE + 4), 0xabcdef01);
	CHECK_EQ(report(v), PFEC_W);
	CHECK_EQ(report(v), 0x08401000);
	vcpu_run_exit(v, KVM_EXIT_HLT);
}

CASE(paging_32)
{
	struct vm *vm = vm_create(0);
	u32 *pd = gpa_hva(vm, 0x900000), *pt = gpa_hva(vm, 0x901000);

	pd[0] = 0 | PTE_PS | PTE_P | PTE_W;
	pd[0x20] = FREE_BASE | PTE_PS | PTE_P | PTE_W;
	pd[0x21] = 0x901000 | PTE_P | PTE_W;
	pt[0] = FREE_BASE | PTE_P | PTE_W;
	check_paging32(vm, start_paging32(vm, CR4_PSE, 0x900000));
	/* The processor has marked what it used. */
	CHECK_EQ(pt[0] & (PTE_A | PTE_D), PTE_A | PTE_D);
	CHECK_EQ(pd[0x20] & (PTE_A | PTE_D), PTE_A);
}

CASE(paging_pae)
{
	struct vm *vm = vm_create(0);
	u64 *pdpt = gpa_hva(vm, 0x900020), *pd = gpa_hva(vm, 0x901000);
	u64 *pt = gpa_hva(vm, 0x902000);

	/* The table of four stands at a multiple of 32, not of a page. */
	pdpt[0] = 0x901000 | PTE_P;
	pd[0] = 0 | PTE_PS | PTE_P | PTE_W;
	pd[0x40] = FREE_BASE | PTE_PS | PTE_P | PTE_W;
	pd[0x42] = 0x902000 | PTE_P | PTE_W;
	pt[0] = FREE_BASE | PTE_P | PTE_W;
	check_paging32(vm, start_paging32(vm, CR4_PAE, 0x900020));
	CHECK_EQ(pt[0] & (PTE_A | PTE_D), PTE_A | PTE_D);
}

/* A change of CR0.CD has the processor look at the four entries again (SDM vol. 3A, 4.4.1). */
BLOB(cr0_cd, 32,
     "lidt 0x7000\n"
     "out %eax, $0x81\n"
     "mov %cr0, %eax\n or $0x40000000, %eax\n mov %eax, %cr0\n"
     "mov 0x40000000, %eax\n out %eax, $0x81\n"
     "hlt\n");

CASE(cr0_loads_pdptes)
{
	struct vm *vm = vm_create(0);
	u64 *pdpt = gpa_hva(vm, 0x900020), *pd = gpa_hva(vm, 0x901000);
	struct vcpu *v;

	pdpt[0] = 0x901000 | PTE_P;
	pd[0] = 0 | PTE_PS | PTE_P | PTE_W;
	v = start_paging32(vm, CR4_PAE, 0x900020);
	load_blob(vm, REAL_BASE, cr0_cd);
	report(v);
	pd[PAGE_SIZE / 8] = FREE_BASE | PTE_PS | PTE_P | PTE_W;
	pdpt[1] = 0x902000 | PTE_P;
	CHECK_EQ(report(v), 0x11223344);
	vcpu_run_exit(v, KVM_EXIT_HLT);
}

/* MMIO behind 32-bit and PAE tables: the interpreter walks them itself. */
BLOB(paging32_mmio, 32, "mov 0x08400008, %eax\n out %eax, $0x81\n movl $7, 0x0840000c\n hlt\n");

static void check_mmio32(struct vm *vm, struct vcpu *v)
{
	load_blob(vm, REAL_BASE, paging32_mmio);
	vcpu_run_exit(v, KVM_EXIT_MMIO);
	CHECK_EQ(v->run->mmio.phys_addr, HOLE_BASE + 8);
	memcpy(v->run->mmio.data, "\1\2\3\4", 4);
	CHECK_EQ(report(v), 0x04030201);
	vcpu_run_exit(v, KVM_EXIT_MMIO);
	CHECK_EQ(v->run->mmio.phys_addr, HOLE_BASE + 12);
	CHECK_EQ(v->run->mmio.is_write, 1);
	vcpu_run_exit(v, KVM_EXIT_HLT);
}

CASE(mmio_paging_32)
{
	struct vm *vm = vm_create(0);
	u32 *pd = gpa_hva(vm, 0x900000), *pt = gpa_hva(vm, 0x901000);

	pd[0] = 0 | PTE_PS | PTE_P | PTE_W;
	pd[0x21] = 0x901000 | PTE_P | PTE_W;
	pt[0] = HOLE_BASE | PTE_P | PTE_W;
	check_mmio32(vm, start_paging32(vm, CR4_PSE, 0x900000));
}

CASE(mmio_paging_pae)
{
	struct vm *vm = vm_create(0);
	u64 *pdpt = gpa_hva(vm, 0x900020), *pd = gpa_hva(vm, 0x901000);
	u64 *pt = gpa_hva(vm, 0x902000);

	pdpt[0] = 0x901000 | PTE_P;
	pd[0] = 0 | PTE_PS | PTE_P | PTE_W;
	pd[0x42] = 0x902000 | PTE_P | PTE_W;
	pt[0] = HOLE_BASE | PTE_P | PTE_W;
	check_mmio32(vm, start_paging32(vm, CR4_PAE, 0x900020));
}

/* Page faults of 64-bit code with every error code that one vCPU at CPL 0 can make. */
static GUEST_HANDLER void return_from_fetch(struct trap *t)
{
	struct percpu *cpu = this_cpu();

	cpu->vector = t->vector;
	cpu->error = t->error;
	cpu->cr2 = read_cr2();
	/* As if the called function had returned. */
	t->rip = *(u64 *)t->rsp;
	t->rsp += 8;
}

static void guest_page_faults(void)
{
	u64 v = 0;

	TRY("mov (%1), %0", : "+r"(v) : "r"(GVA) : "memory");
	GASSERT_TRAP(PF_VECTOR, 0);
	TRY("mov %0, (%1)", : : "r"(v), "r"(GVA) : "memory");
	GASSERT_TRAP(PF_VECTOR, PFEC_W);
	TRY("mov %0, (%1)", : : "r"(v), "r"(GVA + PAGE_SIZE) : "memory");
	GASSERT_TRAP(PF_VECTOR, PFEC_W | PFEC_P);
	GASSERT_EQ(this_cpu()->cr2, GVA + PAGE_SIZE);
	TRY("mov (%1), %0", : "+r"(v) : "r"(GVA + PAGE_SIZE) : "memory");
	GASSERT_NOTRAP();
	/* CR0.WP clear: the supervisor may write read-only pages. */
	write_cr0(read_cr0() & ~CR0_WP);
	TRY("mov %0, (%1)", : : "r"(v), "r"(GVA + PAGE_SIZE) : "memory");
	GASSERT_NOTRAP();
	write_cr0(read_cr0() | CR0_WP);
	TRY("mov %0, (%1)", : : "r"(v), "r"(GVA + PAGE_SIZE) : "memory");
	GASSERT_TRAP(PF_VECTOR, PFEC_W | PFEC_P);
	/* Non-canonical */
	TRY("mov (%1), %0", : "+r"(v) : "r"(0x1234000000000000) : "memory");
	GASSERT_TRAP(GP_VECTOR, 0);
	GUEST_DONE();
}

CASE(page_faults)
{
	struct vm *vm = vm_create(0);

	vm_map(vm, GVA + PAGE_SIZE, FREE_BASE, PTE_P);
	run_done(vcpu_new(vm, 0, guest_page_faults, 0));
}

static void guest_reserved_bit(void)
{
	u64 v = 0;

	TRY("mov (%1), %0", : "+r"(v) : "r"(GVA) : "memory");
	GASSERT_TRAP(PF_VECTOR, PFEC_P | PFEC_RSVD);
	GUEST_DONE();
}

/* Bit 51 is beyond the physical addresses of these hosts. */
CASE(reserved_pte_bit, .tcg = "TCG reports a reserved bit without P in the error code")
{
	struct vm *vm = vm_create(0);

	vm_map(vm, GVA, FREE_BASE | 1ull << 51, PTE_P | PTE_W);
	run_done(vcpu_new(vm, 0, guest_reserved_bit, 0));
}

static void guest_nx(void)
{
	guest_on(PF_VECTOR, return_from_fetch);
	((void (*)(void))GVA)();
	GASSERT_EQ(this_cpu()->vector, PF_VECTOR);
	GASSERT_EQ(this_cpu()->error, PFEC_P | PFEC_I);
	GASSERT_EQ(this_cpu()->cr2, GVA);
	this_cpu()->vector = 0;
	((void (*)(void))(GVA + PAGE_SIZE))();
	GASSERT_EQ(this_cpu()->vector, 0);
	GUEST_DONE();
}

CASE(no_execute)
{
	struct vm *vm = vm_create(0);

	*(u8 *)gpa_hva(vm, FREE_BASE) = 0xc3;
	vm_map(vm, GVA, FREE_BASE, PTE_P | PTE_NX);
	vm_map(vm, GVA + PAGE_SIZE, FREE_BASE, PTE_P);
	run_done(vcpu_new(vm, 0, guest_nx, 0));
}

static void guest_smep_smap(void)
{
	u32 r[4];
	u64 v = 0;

	guest_cpuid(7, 0, r);
	if (r[1] & BIT(7)) {
		guest_on(PF_VECTOR, return_from_fetch);
		write_cr4(read_cr4() | CR4_SMEP);
		((void (*)(void))GVA)();
		GASSERT_EQ(this_cpu()->vector, PF_VECTOR);
		GASSERT_EQ(this_cpu()->error, PFEC_P | PFEC_I);
		write_cr4(read_cr4() & ~CR4_SMEP);
		this_cpu()->vector = 0;
		((void (*)(void))GVA)();
		GASSERT_EQ(this_cpu()->vector, 0);
		guest_on(PF_VECTOR, NULL);
	}
	if (r[1] & BIT(20)) {
		write_cr4(read_cr4() | CR4_SMAP);
		TRY("mov (%1), %0", : "+r"(v) : "r"(GVA) : "memory");
		GASSERT_TRAP(PF_VECTOR, PFEC_P);
		asm volatile("stac" : : : "cc");
		TRY("mov (%1), %0", : "+r"(v) : "r"(GVA) : "memory");
		GASSERT_NOTRAP();
		asm volatile("clac" : : : "cc");
		write_cr4(read_cr4() & ~CR4_SMAP);
	}
	GUEST_DONE();
}

CASE(smep_smap)
{
	struct vm *vm = vm_create(0);

	*(u8 *)gpa_hva(vm, FREE_BASE) = 0xc3;
	vm_map(vm, GVA, FREE_BASE, PTE_P | PTE_W | PTE_U);
	run_done(vcpu_new(vm, 0, guest_smep_smap, 0));
}

/* A and D bits: by the processor for RAM, by the module for the MMIO that it interprets. */
static void guest_touch(void)
{
	(void)*(volatile u32 *)GVA;
	GUEST_SYNC(0);
	*(volatile u32 *)GVA = 1;
	GUEST_SYNC(1);
	(void)*(volatile u32 *)(GVA + PAGE_SIZE);
	GUEST_SYNC(2);
	*(volatile u32 *)(GVA + PAGE_SIZE) = 1;
	GUEST_DONE();
}

CASE(accessed_and_dirty)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_touch, 0);

	vm_map(vm, GVA, FREE_BASE, PTE_P | PTE_W);
	vm_map(vm, GVA + PAGE_SIZE, HOLE_BASE, PTE_P | PTE_W);
	run_sync(v, 0);
	CHECK_EQ(*vm_pte(vm, GVA) & (PTE_A | PTE_D), PTE_A);
	run_sync(v, 1);
	CHECK_EQ(*vm_pte(vm, GVA) & (PTE_A | PTE_D), PTE_A | PTE_D);
	vcpu_run_exit(v, KVM_EXIT_MMIO);
	run_sync(v, 2);
	CHECK_EQ(*vm_pte(vm, GVA + PAGE_SIZE) & (PTE_A | PTE_D), PTE_A);
	vcpu_run_exit(v, KVM_EXIT_MMIO);
	run_done(v);
	CHECK_EQ(*vm_pte(vm, GVA + PAGE_SIZE) & (PTE_A | PTE_D), PTE_A | PTE_D);
}

static void guest_bad_crs(void)
{
	u64 cr0 = read_cr0(), cr4 = read_cr4();

	TRY("mov %0, %%cr0", : : "r"(cr0 & ~CR0_PE) : "memory");
	GASSERT_TRAP(GP_VECTOR, 0);
	TRY("mov %0, %%cr0", : : "r"(cr0 | CR0_NW) : "memory");
	GASSERT_TRAP(GP_VECTOR, 0);
	/* Long mode is active: PAE must stay. */
	TRY("mov %0, %%cr4", : : "r"(cr4 & ~CR4_PAE) : "memory");
	GASSERT_TRAP(GP_VECTOR, 0);
	TRY("mov %0, %%cr4", : : "r"(cr4 | 1ull << 31) : "memory");
	GASSERT_TRAP(GP_VECTOR, 0);
	GASSERT_EQ(read_cr0(), cr0);
	GASSERT_EQ(read_cr4(), cr4);
	/* These are legal. */
	write_cr0(cr0 | CR0_CD);
	GASSERT(read_cr0() & CR0_CD);
	write_cr0(cr0);
	write_cr4(cr4 | CR4_PGE | CR4_TSD | CR4_DE);
	GASSERT_EQ(read_cr4(), cr4 | CR4_PGE | CR4_TSD | CR4_DE);
	write_cr4(cr4);
	GUEST_DONE();
}

CASE(bad_control_registers)
{
	run_done(vcpu_new(vm_create(0), 0, guest_bad_crs, 0));
}

static void guest_cr0_high(void)
{
	TRY("mov %0, %%cr0", : : "r"(read_cr0() | 1ull << 40) : "memory");
	GASSERT_TRAP(GP_VECTOR, 0);
	GUEST_DONE();
}

CASE(cr0_upper_half, .tcg = "TCG takes CR0[63:32] where the write is not intercepted")
{
	run_done(vcpu_new(vm_create(0), 0, guest_cr0_high, 0));
}

static void guest_smsw(void)
{
	u64 v = 0;

	asm volatile("smsw %0" : "=r"(v));
	GASSERT_EQ(v & 0xffff, read_cr0() & 0xffff);
	/* LMSW sets TS and cannot clear PE. */
	asm volatile("lmsw %w0" : : "r"(8));
	GASSERT_EQ(read_cr0() & (CR0_PE | CR0_TS), CR0_PE | CR0_TS);
	asm volatile("clts");
	GASSERT_EQ(read_cr0() & CR0_TS, 0);
	GUEST_DONE();
}

CASE(smsw_lmsw_clts)
{
	run_done(vcpu_new(vm_create(0), 0, guest_smsw, 0));
}

/* Changed page tables take effect with INVLPG and with CR3. */
static void guest_remap(void)
{
	u64 *pte;

	GUEST_SYNC(0);
	pte = *(u64 **)SHARED_BASE;
	GASSERT_EQ(*(volatile u64 *)GVA, 1);
	*pte = (*pte & ~PTE_ADDR) | (FREE_BASE + PAGE_SIZE);
	flush_page(GVA);
	GASSERT_EQ(*(volatile u64 *)GVA, 2);
	*pte = (*pte & ~PTE_ADDR) | FREE_BASE;
	write_cr3(read_cr3());
	GASSERT_EQ(*(volatile u64 *)GVA, 1);
	GUEST_DONE();
}

CASE(tlb_flush)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_remap, 0);

	vm_map(vm, GVA, FREE_BASE, PTE_P | PTE_W);
	*(u64 *)gpa_hva(vm, FREE_BASE) = 1;
	*(u64 *)gpa_hva(vm, FREE_BASE + PAGE_SIZE) = 2;
	*(u64 *)gpa_hva(vm, SHARED_BASE) = (u8 *)vm_pte(vm, GVA) - vm->ram;
	run_sync(v, 0);
	run_done(v);
}

/* Process-context identifiers, if offered: bit 63 of CR3 keeps the TLB and reads as zero. */
static void guest_pcid(void)
{
	u64 *pte = *(u64 **)SHARED_BASE, cr3 = read_cr3();
	u32 r[4];

	guest_cpuid(1, 0, r);
	if (!(r[2] & BIT(17))) {
		TRY("mov %0, %%cr4", : : "r"(read_cr4() | CR4_PCIDE) : "memory");
		GASSERT_TRAP(GP_VECTOR, 0);
		GUEST_DONE();
	}
	write_cr4(read_cr4() | CR4_PCIDE);
	write_cr3(cr3 | 5);
	GASSERT_EQ(read_cr3(), cr3 | 5);
	write_cr3(cr3 | 7 | 1ull << 63);
	GASSERT_EQ(read_cr3(), cr3 | 7);
	GASSERT_EQ(*(volatile u64 *)GVA, 1);
	*pte = (*pte & ~PTE_ADDR) | (FREE_BASE + PAGE_SIZE);
	write_cr3(cr3 | 7);
	GASSERT_EQ(*(volatile u64 *)GVA, 2);
	GUEST_DONE();
}

CASE(pcid)
{
	struct vm *vm = vm_create(0);

	vm_map(vm, GVA, FREE_BASE, PTE_P | PTE_W);
	*(u64 *)gpa_hva(vm, FREE_BASE) = 1;
	*(u64 *)gpa_hva(vm, FREE_BASE + PAGE_SIZE) = 2;
	*(u64 *)gpa_hva(vm, SHARED_BASE) = (u8 *)vm_pte(vm, GVA) - vm->ram;
	run_done(vcpu_new(vm, 0, guest_pcid, 0));
}

/* ---- five levels: what lies beyond 48 bits leads to FREE_BASE, the page after it nowhere ---- */

#define PML5_BASE 0x900000ul
#define FAR       (1ull << 48)

static void guest_five_levels(void)
{
	volatile u64 *far = (void *)FAR;
	u64 v = 0;

	GASSERT_EQ(*far, 0x1122334455667788);
	far[1] = 0x99;
	TRY("mov (%1), %0", : "+r"(v) : "r"(FAR + 2 * PAGE_SIZE) : "memory");
	GASSERT_TRAP(PF_VECTOR, 0);
	GASSERT_EQ(this_cpu()->cr2, FAR + 2 * PAGE_SIZE);
	/* 57 bits are what there is, and in 64-bit mode they stay. */
	TRY("mov (%1), %0", : "+r"(v) : "r"(1ull << 57) : "memory");
	GASSERT_TRAP(GP_VECTOR, 0);
	TRY("mov %0, %%cr4", : : "r"(read_cr4() & ~CR4_LA57) : "memory");
	GASSERT_TRAP(GP_VECTOR, 0);
	GASSERT(read_cr4() & CR4_LA57);
	wrmsr(MSR_FS_BASE, FAR);
	asm volatile("mov %%fs:8, %0" : "=r"(v));
	GASSERT_EQ(v, 0x99);
	wrmsr(MSR_FS_BASE, 0);
	/* The module's own walk. */
	GASSERT_EQ(*(volatile u32 *)(FAR + PAGE_SIZE), 0x04030201);
	GUEST_DONE();
}

static void map_five_levels(struct vm *vm)
{
	u64 *table = gpa_hva(vm, PML5_BASE);
	u32 i;

	if (!(cpuid_entry(supported_cpuid(), 7, 0)->ecx & BIT(16)))
		SKIP("the processor has no LA57");
	table[0] = PML4_BASE | PTE_P | PTE_W;
	table[1] = (PML5_BASE + PAGE_SIZE) | PTE_P | PTE_W;
	for (i = 1; i < 4; i++) {
		table = gpa_hva(vm, PML5_BASE + i * PAGE_SIZE);
		table[0] = (PML5_BASE + (i + 1) * PAGE_SIZE) | PTE_P | PTE_W;
	}
	table = gpa_hva(vm, PML5_BASE + 4 * PAGE_SIZE);
	table[0] = FREE_BASE | PTE_P | PTE_W;
	table[1] = HOLE_BASE | PTE_P | PTE_W;
}

CASE(five_levels)
{
	struct kvm_translation tr = { .linear_address = FAR + 0x123 };
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_five_levels, 0);
	u64 *pt = gpa_hva(vm, PML5_BASE + 4 * PAGE_SIZE);
	u64 *ram = gpa_hva(vm, FREE_BASE);
	struct kvm_sregs s = get_sregs(v);

	map_five_levels(vm);
	s.cr3 = PML5_BASE;
	s.cr4 |= CR4_LA57;
	set_sregs(v, &s);
	ram[0] = 0x1122334455667788;
	OK(ioctl(v->fd, KVM_TRANSLATE, &tr));
	CHECK_EQ(tr.valid, 1);
	CHECK_EQ(tr.physical_address, FREE_BASE + 0x123);
	vcpu_run_exit(v, KVM_EXIT_MMIO);
	CHECK_EQ(v->run->mmio.phys_addr, HOLE_BASE);
	memcpy(v->run->mmio.data, "\1\2\3\4", 4);
	run_done(v);
	CHECK_EQ(ram[1], 0x99);
	CHECK_EQ(pt[0] & (PTE_A | PTE_D), PTE_A | PTE_D);
	CHECK_EQ(pt[1] & (PTE_A | PTE_D), PTE_A);
	CHECK_EQ(get_sregs(v).cr4 & CR4_LA57, CR4_LA57);
}

/* By the guest's own hand, as an operating system gets there: from 32 bits. */
BLOB(five_code, 32,
     "mov $0x1020, %eax\n mov %eax, %cr4\n mov $0x900000, %eax\n mov %eax, %cr3\n"
     "mov $0xc0000080, %ecx\n rdmsr\n or $0x100, %eax\n wrmsr\n"
     "mov %cr0, %eax\n or $0x80000000, %eax\n mov %eax, %cr0\n"
     "lgdt 0x7000\n"
     "ljmpl $0x08, $(1f - five_code + 0x1000)\n"
     ".code64\n"
     "1: movabs $0x1000000000000, %rbx\n mov (%rbx), %eax\n out %eax, $0x81\n hlt\n");

CASE(to_five_levels)
{
	struct vm *vm = vm_create(0);
	struct vcpu *spare = vcpu_new(vm, 1, guest_nop, 0); /* makes a GDT */
	struct vcpu *v = vcpu_add(vm, 0);
	u64 gdt = PERCPU_BASE + PAGE_SIZE;
	struct kvm_sregs s;

	(void)spare;
	map_five_levels(vm);
	vcpu_cpuid(v);
	load_blob(vm, REAL_BASE, five_code);
	*(u16 *)gpa_hva(vm, 0x7000) = PERCPU_TSS - 1;
	memcpy(gpa_hva(vm, 0x7002), &gdt, 8);
	*(u32 *)gpa_hva(vm, FREE_BASE) = 0x57575757;
	vcpu_set_mode(v, VCPU_PROT32, REAL_BASE);
	CHECK_EQ(report(v), 0x57575757);
	vcpu_run_exit(v, KVM_EXIT_HLT);
	s = get_sregs(v);
	CHECK_EQ(s.cr4 & CR4_LA57, CR4_LA57);
	CHECK_EQ(s.efer & EFER_LMA, EFER_LMA);
	CHECK_EQ(s.cs.l, 1);
}
