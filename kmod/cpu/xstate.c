// SPDX-License-Identifier: GPL-2.0
/*
 * x87, SSE, AVX and AVX-512 state of the guest. The kernel's guest-FPU functions hold and swap it;
 * here are XCR0, IA32_XSS and the formats of user space. PKRU, AMX and supervisor states are not
 * offered: XSAVES of a guest saves what XSAVEC does.
 */
#include <linux/slab.h>
#include <asm/fpu/api.h>
#include <asm/fpu/xcr.h>
#include <asm/processor.h>

#include "internal.h"

#define XSTATE_OFFERED	(XFEATURE_MASK_FPSSE | XFEATURE_MASK_YMM | XFEATURE_MASK_AVX512)
#define XSTATE_LEAF	0xd
#define XSTATE_MAX_NR	XFEATURE_PKRU
#define XSTATE_ALIGN64	BIT(1)	/* CPUID 0xD, ECX: aligned in the compacted format */
#define XSTATE_LEGACY	(sizeof(struct fxregs_state) + sizeof(struct xstate_header))

/* Set at load, read-only afterwards. */
static u64 host_xcr0, host_xss, xcr0_offered;
static bool xsetbv_escapes;	/* the guest's XSETBV does not exit: QEMU's TCG */
static struct xstate_component components[XSTATE_MAX_NR];

/* At load: what the host's XCR0 holds and how CPUID 0xD lays it out. */
void xstate_setup(void)
{
	struct xstate_component *c;
	u32 unused;
	int i;

	xcr0_offered = XFEATURE_MASK_FPSSE;
	if (!boot_cpu_has(X86_FEATURE_XSAVE))
		return;
	host_xcr0 = xgetbv(XCR_XFEATURE_ENABLED_MASK);
	if (boot_cpu_has(X86_FEATURE_XSAVES))
		rdmsrl_safe(MSR_IA32_XSS, &host_xss);
	xsetbv_escapes = hypervisor_cpuid_base("TCGTCGTCGTCG", 0);
	xcr0_offered = host_xcr0 & XSTATE_OFFERED;
	for (i = XFEATURE_YMM; i < XSTATE_MAX_NR; i++) {
		if (!(xcr0_offered & BIT_ULL(i)))
			continue;
		c = &components[i];
		cpuid_count(XSTATE_LEAF, i, &c->size, &c->offset, &c->flags, &unused);
	}
}

/**
 * xstate_supported() - XCR0 bits this host can give to a guest
 *
 * Return: a mask of XFEATURE_MASK_*; x87 and SSE at least
 */
u64 xstate_supported(void)
{
	return xcr0_offered;
}
EXPORT_FOR_TEST(xstate_supported);

/**
 * xstate_size() - size of an XSAVE area
 * @xcr0: state components in it
 * @compacted: the format of XSAVEC and XSAVES
 *
 * Return: bytes, as CPUID 0xD answers (APM vol. 2, 11.5.6 and 11.5.8)
 */
u32 xstate_size(u64 xcr0, bool compacted)
{
	u32 size = XSTATE_LEGACY;
	int i;

	for (i = XFEATURE_YMM; i < XSTATE_MAX_NR; i++) {
		if (!(xcr0 & xcr0_offered & BIT_ULL(i)))
			continue;
		if (!compacted) {
			size = max(size, components[i].offset + components[i].size);
			continue;
		}
		if (components[i].flags & XSTATE_ALIGN64)
			size = ALIGN(size, 64);
		size += components[i].size;
	}
	return size;
}
EXPORT_FOR_TEST(xstate_size);

const struct xstate_component *xstate_component(unsigned int nr)
{
	return nr < XSTATE_MAX_NR && components[nr].size ? &components[nr] : NULL;
}

/* ---- XCR0 ---- */

/* Components depend on each other (APM vol. 2, 11.5.2; SDM vol. 1, 13.3). */
bool xcr0_valid(u64 val, u64 supported)
{
	u64 avx512 = val & XFEATURE_MASK_AVX512;

	if (!(val & XFEATURE_MASK_FP) || (val & ~(supported | XFEATURE_MASK_FP)))
		return false;
	if ((val & XFEATURE_MASK_YMM) && !(val & XFEATURE_MASK_SSE))
		return false;
	return !avx512 || (avx512 == XFEATURE_MASK_AVX512 && (val & XFEATURE_MASK_YMM));
}
EXPORT_FOR_TEST(xcr0_valid);

/*
 * Without CR4.OSXSAVE no instruction of the guest looks at XCR0 and IA32_XSS; with it, AMD's
 * processors execute XSAVES whatever the guest's CPUID says.
 */
void xstate_update(struct vcpu *vcpu)
{
	bool osxsave = state_get(vcpu, STATE_CRS)->cr4 & X86_CR4_OSXSAVE;

	vcpu->fpu.switch_xcr0 = osxsave && vcpu->state.xcr0 != host_xcr0;
	vcpu->fpu.switch_xss = osxsave && host_xss;
	vcpu->fpu.switches = vcpu->fpu.switch_xcr0 || vcpu->fpu.switch_xss ||
			     (osxsave && xsetbv_escapes);
}

/**
 * xstate_load() - give the guest its XCR0 and IA32_XSS
 * @vcpu: the vCPU, with fpu.switches
 *
 * Context: right before the entry, interrupts off, the guest's FPU registers loaded.
 */
void xstate_load(struct vcpu *vcpu)
{
	if (vcpu->fpu.switch_xcr0)
		xsetbv(XCR_XFEATURE_ENABLED_MASK, vcpu->state.xcr0);
	if (unlikely(vcpu->fpu.switch_xss))
		wrmsrl(MSR_IA32_XSS, 0);
}

/* What the guest wrote without telling us is its XCR0 all the same. */
static void xstate_adopt(struct vcpu *vcpu)
{
	u64 now = xgetbv(XCR_XFEATURE_ENABLED_MASK);
	u64 given = vcpu->fpu.switch_xcr0 ? vcpu->state.xcr0 : host_xcr0;

	if (now == given)
		return;
	vcpu->state.xcr0 = now & (xcr0_offered | XFEATURE_MASK_FP);
	if (now != host_xcr0)
		xsetbv(XCR_XFEATURE_ENABLED_MASK, host_xcr0);
	cpuid_update(vcpu);
}

/**
 * xstate_put() - take the host's XCR0 and IA32_XSS back
 * @vcpu: the vCPU, with fpu.switches
 *
 * Context: right after the exit, interrupts off.
 */
void xstate_put(struct vcpu *vcpu)
{
	bool switched = vcpu->fpu.switch_xcr0;

	if (unlikely(xsetbv_escapes))
		xstate_adopt(vcpu);
	if (switched)
		xsetbv(XCR_XFEATURE_ENABLED_MASK, host_xcr0);
	if (unlikely(vcpu->fpu.switch_xss))
		wrmsrl(MSR_IA32_XSS, host_xss);
}

/**
 * xss_access() - RDMSR or WRMSR of IA32_XSS
 * @vcpu: the vCPU
 * @val: 0 is all that there is to read or to write
 * @host: user space asks
 *
 * Return: 0; 1: #GP(0); -ENOENT: this host has no such register to give
 */
int xss_access(struct vcpu *vcpu, u64 val, bool host)
{
	if (!backend_caps.xsaves)
		return -ENOENT;
	return val || (!host && !guest_has(vcpu, X86_FEATURE_XSAVES));
}

/**
 * xcrs_get() - KVM_GET_XCRS
 * @vcpu: the vCPU
 * @xcrs: filled
 */
void xcrs_get(struct vcpu *vcpu, struct kvm_xcrs *xcrs)
{
	memset(xcrs, 0, sizeof(*xcrs));
	if (!boot_cpu_has(X86_FEATURE_XSAVE))
		return;
	xcrs->nr_xcrs = 1;
	xcrs->xcrs[0].xcr = XCR_XFEATURE_ENABLED_MASK;
	xcrs->xcrs[0].value = vcpu->state.xcr0;
}

/**
 * xcrs_set() - KVM_SET_XCRS
 * @vcpu: the vCPU, loaded
 * @xcrs: new values; registers other than XCR0 are ignored
 *
 * Return: 0; -EINVAL: too many, flags, or a value that XSETBV would refuse
 */
int xcrs_set(struct vcpu *vcpu, const struct kvm_xcrs *xcrs)
{
	u32 i;

	if (!boot_cpu_has(X86_FEATURE_XSAVE) || xcrs->nr_xcrs > KVM_MAX_XCRS || xcrs->flags)
		return -EINVAL;
	for (i = 0; i < xcrs->nr_xcrs; i++) {
		if (xcrs->xcrs[i].xcr != XCR_XFEATURE_ENABLED_MASK)
			continue;
		if (!xcr0_valid(xcrs->xcrs[i].value, vcpu->cpuid.xcr0_supported))
			return -EINVAL;
		vcpu->state.xcr0 = xcrs->xcrs[i].value;
		cpuid_update(vcpu);
		break;
	}
	return 0;
}

/* ---- lifetime and loading ---- */

/**
 * fpu_create() - the guest's FPU image, as FNINIT and a reset of MXCSR leave the registers
 * @vcpu: the vCPU
 *
 * Return: 0, -ENOMEM
 */
int fpu_create(struct vcpu *vcpu)
{
	return fpu_alloc_guest_fpstate(&vcpu->fpu.guest) ? 0 : -ENOMEM;
}

/**
 * fpu_destroy() - free what fpu_create() made
 * @vcpu: the vCPU; nothing happens where there is no image
 */
void fpu_destroy(struct vcpu *vcpu)
{
	struct fpstate *image = vcpu->fpu.guest.fpstate;

	if (!image)
		return;
	memset(&image->regs, 0, image->size);
	fpu_free_guest_fpstate(&vcpu->fpu.guest);
}

/**
 * fpu_load_guest() - make the guest's FPU registers the task's
 * @vcpu: the vCPU
 *
 * Context: start of KVM_RUN, preemptible. From here on the scheduler keeps them.
 */
void fpu_load_guest(struct vcpu *vcpu)
{
	fpu_swap_kvm_fpstate(&vcpu->fpu.guest, true);
	vcpu->stats.fpu_reload++;
}

/**
 * fpu_put_guest() - the end of what fpu_load_guest() began
 * @vcpu: the vCPU
 */
void fpu_put_guest(struct vcpu *vcpu)
{
	fpu_swap_kvm_fpstate(&vcpu->fpu.guest, false);
}

/**
 * fpu_get() - KVM_GET_FPU
 * @vcpu: the vCPU, outside KVM_RUN
 * @fpu: filled
 */
void fpu_get(struct vcpu *vcpu, struct kvm_fpu *fpu)
{
	u8 image[XSTATE_LEGACY] __aligned(64) = {};
	const struct fxregs_state *fx = (const void *)image;

	/* Through the kernel's copy, which knows components that are in their initial state. */
	compat_fpu_copy_to_uabi(&vcpu->fpu.guest, image, sizeof(image), XFEATURE_MASK_FPSSE);
	memset(fpu, 0, sizeof(*fpu));
	memcpy(fpu->fpr, fx->st_space, sizeof(fpu->fpr));
	memcpy(fpu->xmm, fx->xmm_space, sizeof(fpu->xmm));
	fpu->fcw = fx->cwd;
	fpu->fsw = fx->swd;
	fpu->ftwx = fx->twd;
	fpu->last_opcode = fx->fop;
	fpu->last_ip = fx->rip;
	fpu->last_dp = fx->rdp;
	fpu->mxcsr = fx->mxcsr;
}

/**
 * fpu_set() - KVM_SET_FPU
 * @vcpu: the vCPU, outside KVM_RUN
 * @fpu: new values; MXCSR bits the host does not have are dropped
 */
void fpu_set(struct vcpu *vcpu, const struct kvm_fpu *fpu)
{
	union fpregs_state *regs = &vcpu->fpu.guest.fpstate->regs;
	struct fxregs_state *fx = &regs->fxsave;

	memcpy(fx->st_space, fpu->fpr, sizeof(fpu->fpr));
	memcpy(fx->xmm_space, fpu->xmm, sizeof(fpu->xmm));
	fx->cwd = fpu->fcw;
	fx->swd = fpu->fsw;
	fx->twd = fpu->ftwx;
	fx->fop = fpu->last_opcode;
	fx->rip = fpu->last_ip;
	fx->rdp = fpu->last_dp;
	/* A reserved bit would make the host's own XRSTOR fault. */
	fx->mxcsr = fpu->mxcsr & mxcsr_feature_mask;
	if (boot_cpu_has(X86_FEATURE_XSAVE))
		regs->xsave.header.xfeatures |= XFEATURE_MASK_FPSSE;
}

/* ---- KVM_GET/SET_XSAVE ---- */

/**
 * xsave_get() - KVM_GET_XSAVE, KVM_GET_XSAVE2
 * @vcpu: the vCPU, outside KVM_RUN
 * @buf: filled in the standard (not compacted) format
 * @size: of @buf in bytes, 4096 or more
 */
void xsave_get(struct vcpu *vcpu, void *buf, u32 size)
{
	memset(buf, 0, size);
	compat_fpu_copy_to_uabi(&vcpu->fpu.guest, buf, size, xcr0_offered);
}

/**
 * xsave_set() - KVM_SET_XSAVE
 * @vcpu: the vCPU, outside KVM_RUN
 * @buf: XSAVE area in the standard format, 4096 bytes or what KVM_CAP_XSAVE2 says
 *
 * Return: 0; -EINVAL: a component that is not offered, the compacted format, reserved bits
 */
int xsave_set(struct vcpu *vcpu, const void *buf)
{
	u32 pkru = 0;

	return fpu_copy_uabi_to_guest_fpstate(&vcpu->fpu.guest, buf, xcr0_offered, &pkru);
}
