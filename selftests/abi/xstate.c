// SPDX-License-Identifier: GPL-2.0
/* x87, SSE, AVX state: the guest's and the host's never mix; XSAVE and XCR ioctls. */
#include <stdlib.h>
#include <string.h>
#include "vm.h"

#define SUITE "xstate"

static bool guest_has_avx(void)
{
	u32 r[4];

	guest_cpuid(1, 0, r);
	return (r[2] & BIT(26)) && (r[2] & BIT(28));
}

static void xsetbv(u32 v)
{
	asm volatile("xsetbv" : : "c"(0), "a"(v), "d"(0) : "memory");
}

static void load_xmm(u64 seed)
{
	asm volatile("movq %0, %%xmm0\n movq %1, %%xmm7\n movq %2, %%xmm15"
		     :
		     : "r"(seed), "r"(seed * 3), "r"(seed * 5)
		     : "xmm0", "xmm7", "xmm15");
}

static u64 read_xmm(int n)
{
	u64 v = 0;

	if (n == 0)
		asm volatile("movq %%xmm0, %0" : "=r"(v));
	else if (n == 7)
		asm volatile("movq %%xmm7, %0" : "=r"(v));
	else
		asm volatile("movq %%xmm15, %0" : "=r"(v));
	return v;
}

static void guest_sse(void)
{
	u32 mxcsr = 0x1fa0, back;
	u16 cw = 0x027f, cw2;

	load_xmm(0x1111222233334444);
	asm volatile("ldmxcsr %0" : : "m"(mxcsr));
	asm volatile("fninit; fldcw %0; fldpi" : : "m"(cw));
	GUEST_SYNC(0);
	GASSERT_EQ(read_xmm(0), 0x1111222233334444);
	GASSERT_EQ(read_xmm(7), 0x1111222233334444ull * 3);
	GASSERT_EQ(read_xmm(15), 0x1111222233334444ull * 5);
	asm volatile("stmxcsr %0" : "=m"(back));
	GASSERT_EQ(back, mxcsr);
	asm volatile("fnstcw %0" : "=m"(cw2));
	GASSERT_EQ(cw2, cw);
	GUEST_SYNC(1);
	GASSERT_EQ(read_xmm(0), 0xfeedface);
	GUEST_DONE();
}

/* The host uses the same registers between the guest's instructions. */
static void clobber_host(void)
{
	load_xmm(0xbad0bad0bad0bad0);
}

CASE(sse_survives_exits)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_sse, 0);
	struct kvm_fpu f;

	clobber_host();
	run_sync(v, 0);
	clobber_host();
	OK(ioctl(v->fd, KVM_GET_FPU, &f));
	CHECK_EQ(*(u64 *)f.xmm[0], 0x1111222233334444);
	CHECK_EQ(*(u64 *)f.xmm[15], 0x1111222233334444ull * 5);
	CHECK_EQ(f.fcw, 0x027f);
	/* Pi to 64 bits of mantissa, in ST0 */
	CHECK_EQ(*(u64 *)f.fpr[0], 0xc90fdaa22168c235);
	run_sync(v, 1);
	*(u64 *)f.xmm[0] = 0xfeedface;
	OK(ioctl(v->fd, KVM_SET_FPU, &f));
	run_done(v);
}

CASE(fpu_mxcsr, .oracle = "in-tree KVM leaves kvm_fpu.mxcsr zero")
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_sse, 0);
	struct kvm_fpu f;

	run_sync(v, 0);
	OK(ioctl(v->fd, KVM_GET_FPU, &f));
	CHECK_EQ(f.mxcsr, 0x1fa0);
}

/* Nothing that the guest loads is seen in the host's registers. */
CASE(host_registers_survive)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_sse, 0);
	u64 got;

	asm volatile("movq %0, %%xmm6" : : "r"(0x600dull) : "xmm6");
	if (ioctl(v->fd, KVM_RUN, 0))
		FAIL("KVM_RUN: errno %d", errno);
	asm volatile("movq %%xmm7, %0" : "=r"(got));
	CHECK(got != 0x1111222233334444ull * 3);
}

/* XCR0 is set by user space: TCG does not intercept XSETBV, so that a module never sees it. */
static struct vcpu *vcpu_with_xcr0(void *fn, u64 arg, u64 xcr0)
{
	struct kvm_xcrs x = { .nr_xcrs = 1, .xcrs[0].value = xcr0 };
	struct vcpu *v = vcpu_new(vm_create(0), 0, fn, arg);
	struct kvm_sregs s = get_sregs(v);

	s.cr4 |= CR4_OSXSAVE;
	set_sregs(v, &s);
	OK(ioctl(v->fd, KVM_SET_XCRS, &x));
	return v;
}

static void guest_avx(u64 seed)
{
	u64 lo, hi, back[4] __attribute__((aligned(32)));
	int i;

	for (i = 0; i < 20; i++) {
		u64 in[4] __attribute__((aligned(32))) = { seed, seed + i, ~seed, seed ^ i };

		asm volatile("vmovdqa %0, %%ymm3" : : "m"(in) : "memory");
		GUEST_SYNC(i);
		asm volatile("vmovdqa %%ymm3, %0" : "=m"(back));
		lo = back[1];
		hi = back[3];
		GASSERT_EQ(back[0], seed);
		GASSERT_EQ(lo, seed + i);
		GASSERT_EQ(back[2], ~seed);
		GASSERT_EQ(hi, seed ^ i);
	}
	GUEST_DONE();
}

/* Two VMs take turns in one thread with AVX state of their own. */
CASE(avx_of_two_vms)
{
	struct vcpu *a, *b;
	int i;

	if (!guest_has_avx())
		SKIP("the host has no AVX");
	a = vcpu_with_xcr0(guest_avx, 0x1234567890abcdef, 7);
	b = vcpu_with_xcr0(guest_avx, 0xfedcba0987654321, 7);
	for (i = 0; i < 20; i++) {
		run_sync(a, i);
		run_sync(b, i);
	}
	run_done(a);
	run_done(b);
}

CASE(xsave_round_trip)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_sse, 0);
	struct kvm_xsave *x = aligned_alloc(4096, 4096);

	need_cap(KVM_CAP_XSAVE);
	run_sync(v, 0);
	OK(ioctl(v->fd, KVM_GET_XSAVE, x));
	/* The legacy area: MXCSR at 24, XMM0 at 160 (SDM vol. 1, 10.5.1). */
	CHECK_EQ(x->region[24 / 4], 0x1fa0);
	CHECK_EQ(x->region[160 / 4], 0x33334444);
	run_sync(v, 1);
	x->region[160 / 4] = 0xfeedface;
	x->region[164 / 4] = 0;
	OK(ioctl(v->fd, KVM_SET_XSAVE, x));
	run_done(v);
}

CASE(xsave_invalid)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_sse, 0);
	struct kvm_xsave *x = aligned_alloc(4096, 4096), *good = aligned_alloc(4096, 4096);

	need_cap(KVM_CAP_XSAVE);
	OK(ioctl(v->fd, KVM_GET_XSAVE, good));
	memcpy(x, good, sizeof(*x));
	x->region[512 / 4] |= 3;
	x->region[24 / 4] = 0xffffffff; /* reserved MXCSR bits */
	CHECK_ERRNO(ioctl(v->fd, KVM_SET_XSAVE, x), EINVAL);
	memcpy(x, good, sizeof(*x));
	x->region[516 / 4] |= 1u << 30; /* a component nobody has */
	CHECK_ERRNO(ioctl(v->fd, KVM_SET_XSAVE, x), EINVAL);
	OK(ioctl(v->fd, KVM_SET_XSAVE, good));
	run_sync(v, 0);
}

CASE(xsave2)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_sse, 0);
	int size;
	u8 *x;

	need_cap(KVM_CAP_XSAVE2);
	size = ioctl(v->vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2);
	CHECK(size >= 4096);
	x = aligned_alloc(4096, (size + 4095) & ~4095);
	run_sync(v, 0);
	OK(ioctl(v->fd, KVM_GET_XSAVE2, x));
	CHECK_EQ(*(u64 *)(x + 160), 0x1111222233334444);
	OK(ioctl(v->fd, KVM_SET_XSAVE, x));
	run_sync(v, 1);
}

static void guest_xgetbv(u64 want)
{
	u32 lo, hi;

	asm volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	GASSERT_EQ(lo, want);
	GASSERT_EQ(hi, 0);
	GUEST_DONE();
}

CASE(xcr0_by_host)
{
	struct vcpu *v;
	struct kvm_xcrs x;

	need_cap(KVM_CAP_XCRS);
	if (!guest_has_avx())
		SKIP("the host has no AVX");
	v = vcpu_with_xcr0(guest_xgetbv, 7, 7);
	memset(&x, 0, sizeof(x));
	OK(ioctl(v->fd, KVM_GET_XCRS, &x));
	CHECK_EQ(x.nr_xcrs, 1);
	CHECK_EQ(x.xcrs[0].xcr, 0);
	CHECK_EQ(x.xcrs[0].value, 7);
	x.xcrs[0].value = 5;
	CHECK_ERRNO(ioctl(v->fd, KVM_SET_XCRS, &x), EINVAL);
	x.xcrs[0].value = 2;
	CHECK_ERRNO(ioctl(v->fd, KVM_SET_XCRS, &x), EINVAL);
	x.xcrs[0].value = 7;
	x.nr_xcrs = 1000;
	CHECK_ERRNO(ioctl(v->fd, KVM_SET_XCRS, &x), EINVAL);
	x.nr_xcrs = 1;
	x.flags = 1;
	CHECK_ERRNO(ioctl(v->fd, KVM_SET_XCRS, &x), EINVAL);
	run_done(v);
	run_done(vcpu_with_xcr0(guest_xgetbv, 3, 3));
}

static void guest_xsetbv(void)
{
	u32 lo, hi;

	write_cr4(read_cr4() | CR4_OSXSAVE);
	asm volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	GASSERT_EQ(lo, 1);
	xsetbv(7);
	GUEST_SYNC(1);
	asm volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	GASSERT_EQ(lo, 7);
	GUEST_DONE();
}

CASE(xcr0_by_guest, .tcg = "TCG does not intercept XSETBV")
{
	struct vcpu *v;
	struct kvm_xcrs x;

	need_cap(KVM_CAP_XCRS);
	if (!guest_has_avx())
		SKIP("the host has no AVX");
	v = vcpu_new(vm_create(0), 0, guest_xsetbv, 0);
	run_sync(v, 1);
	OK(ioctl(v->fd, KVM_GET_XCRS, &x));
	CHECK_EQ(x.xcrs[0].value, 7);
	run_done(v);
}

/* Bit 0 must be set, AVX needs SSE, unknown bits and registers are refused. */
static void guest_bad_xcr(void)
{
	write_cr4(read_cr4() | CR4_OSXSAVE);
	TRY("xsetbv", : : "c"(0), "a"(6), "d"(0));
	GASSERT_TRAP(GP_VECTOR, 0);
	TRY("xsetbv", : : "c"(0), "a"(5), "d"(0));
	GASSERT_TRAP(GP_VECTOR, 0);
	TRY("xsetbv", : : "c"(0), "a"(3), "d"(1u << 20));
	GASSERT_TRAP(GP_VECTOR, 0);
	TRY("xsetbv", : : "c"(5), "a"(3), "d"(0));
	GASSERT_TRAP(GP_VECTOR, 0);
	GUEST_DONE();
}

CASE(xcr0_invalid)
{
	need_cap(KVM_CAP_XCRS);
	if (!guest_has_avx())
		SKIP("the host has no AVX");
	run_done(vcpu_new(vm_create(0), 0, guest_bad_xcr, 0));
}

#define MSR_XSS 0xda0

static u8 area[PAGE_SIZE] __attribute__((aligned(64)));

/* Compacted, of x87 and SSE. */
static void guest_xsaves(void)
{
	write_cr4(read_cr4() | CR4_OSXSAVE);
	xsetbv(3);
	GASSERT_EQ(rdmsr(MSR_XSS), 0);
	wrmsr(MSR_XSS, 0);
	wrmsr_try(MSR_XSS, BIT(8));
	GASSERT_TRAP(GP_VECTOR, 0);
	load_xmm(0x1234567);
	asm volatile("xsaves %0" : "+m"(area) : "a"(3), "d"(0) : "memory");
	GASSERT(((u64 *)area)[65] >> 63); /* XCOMP_BV */
	GUEST_SYNC(0);
	load_xmm(1);
	asm volatile("xrstors %0" : : "m"(area), "a"(3), "d"(0) : "memory");
	GASSERT_EQ(read_xmm(0), 0x1234567);
	GASSERT_EQ(read_xmm(15), 0x1234567 * 5);
	GUEST_DONE();
}

/* Offered where the host's kernel uses it itself. */
static bool xsaves_offered(void)
{
	struct kvm_cpuid_entry2 *e = cpuid_entry(supported_cpuid(), 0xd, 1);

	return e && (e->eax & BIT(3));
}

CASE(xsaves)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_xsaves, 0);

	if (!xsaves_offered())
		SKIP("the host's kernel does not use XSAVES");
	run_sync(v, 0);
	CHECK_EQ(get_msr(v, MSR_XSS), 0);
	CHECK_EQ(set_msr(v, MSR_XSS, BIT(8)), 0);
	run_done(v);
}

/* A guest that was not given it; AMD's processors cannot keep it from executing XSAVES. */
static void guest_no_xsaves(void)
{
	u32 r[4];

	write_cr4(read_cr4() | CR4_OSXSAVE);
	rdmsr_try(MSR_XSS);
	GASSERT_TRAP(GP_VECTOR, 0);
	wrmsr_try(MSR_XSS, 0);
	GASSERT_TRAP(GP_VECTOR, 0);
	guest_cpuid(0, 0, r);
	if (r[2] != 0x444d4163) {
		TRY("xsaves %0", : "+m"(area) : "a"(3), "d"(0) : "memory");
		GASSERT_TRAP(UD_VECTOR, 0);
	}
	GUEST_DONE();
}

CASE(no_xsaves)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_no_xsaves, 0);
	struct kvm_cpuid2 *c = supported_cpuid();
	struct kvm_cpuid_entry2 *e = cpuid_entry(c, 0xd, 1);

	if (!e)
		SKIP("the host has no XSAVE");
	e->eax &= ~BIT(3);
	OK(ioctl(v->fd, KVM_SET_CPUID2, c));
	run_done(v);
}

/* CR0.TS and CR0.EM are the guest's own (SDM vol. 3A, 2.5). */
static void guest_ts(void)
{
	write_cr0(read_cr0() | CR0_TS);
	TRY("movq %%xmm0, %%xmm1", : : : "memory");
	GASSERT_TRAP(NM_VECTOR, 0);
	TRY("fninit", : : : "memory");
	GASSERT_TRAP(NM_VECTOR, 0);
	asm volatile("clts");
	TRY("movq %%xmm0, %%xmm1", : : : "memory");
	GASSERT_NOTRAP();
	write_cr0((read_cr0() & ~CR0_MP) | CR0_EM);
	TRY("fninit", : : : "memory");
	GASSERT_TRAP(NM_VECTOR, 0);
	TRY("movq %%xmm0, %%xmm1", : : : "memory");
	GASSERT_TRAP(UD_VECTOR, 0);
	GUEST_DONE();
}

CASE(cr0_ts_em)
{
	run_done(vcpu_new(vm_create(0), 0, guest_ts, 0));
}
