// SPDX-License-Identifier: GPL-2.0
/*
 * KVM_GET_SUPPORTED_CPUID: the host's CPUID, masked by what this module carries. A bit that is not
 * in the tables below is not offered, whatever the host has.
 */
#include <linux/mm.h>
#include <asm/kvm_para.h>

#include "internal.h"

#define F(name)	BIT(X86_FEATURE_##name % 32)

enum { EAX, EBX, ECX, EDX };

/*
 * struct feature_word - a register of feature bits
 * @word: of boot_cpu_data.x86_capability: what the host's kernel has switched off is not offered
 * @host: offered where the host has it
 * @emulated: offered always
 */
struct feature_word {
	u32 function, index;
	u8 reg, word;
	u32 host, emulated;
};

/* Leaf 1 EDX and its copy in 0x80000001 EDX on AMD. */
#define COMMON_EDX (F(FPU) | F(VME) | F(DE) | F(PSE) | F(TSC) | F(MSR) | F(PAE) | F(MCE) | \
		    F(CX8) | F(APIC) | F(MTRR) | F(PGE) | F(MCA) | F(CMOV) | F(PAT) | \
		    F(PSE36) | F(MMX) | F(FXSR))
#define AVX512_7_EBX (F(AVX512F) | F(AVX512DQ) | F(AVX512IFMA) | F(AVX512PF) | F(AVX512ER) | \
		      F(AVX512CD) | F(AVX512BW) | F(AVX512VL))
#define AVX512_7_ECX (F(AVX512VBMI) | F(AVX512_VBMI2) | F(AVX512_VNNI) | F(AVX512_BITALG) | \
		      F(AVX512_VPOPCNTDQ))
#define AVX512_7_EDX (F(AVX512_4VNNIW) | F(AVX512_4FMAPS) | F(AVX512_VP2INTERSECT) | \
		      F(AVX512_FP16))

/*
 * Not here, and why: TSC_DEADLINE_TIMER (KVM_CAP_TSC_DEADLINE_TIMER says it; api.rst), MONITOR
 * (MWAIT is intercepted), VMX and SVM (no nested virtualization), PKU and OSPKE, LA57, SHSTK and
 * IBT (state that is not switched), MPX, LWP, AMX (likewise), PMU and PDCM, RTM and HLE
 * (TSX_CTRL), WAITPKG, SGX, PT, RDT, SEV, TOPOEXT, BUS_LOCK_DETECT.
 */
static const struct feature_word words[] = {
	{ 0x1, 0, ECX, 4,
	  F(XMM3) | F(PCLMULQDQ) | F(SSSE3) | F(FMA) | F(CX16) | F(PCID) | F(XMM4_1) | F(XMM4_2) |
	  F(MOVBE) | F(POPCNT) | F(AES) | F(XSAVE) | F(AVX) | F(F16C) | F(RDRAND),
	  F(X2APIC) | F(HYPERVISOR) },
	{ 0x1, 0, EDX, 0,
	  COMMON_EDX | F(SEP) | F(CLFLUSH) | F(XMM) | F(XMM2) | F(SELFSNOOP), 0 },
	{ 0x7, 0, EBX, 9,
	  F(FSGSBASE) | F(BMI1) | F(AVX2) | F(SMEP) | F(BMI2) | F(ERMS) | F(INVPCID) | F(SMAP) |
	  F(RDSEED) | F(ADX) | F(CLFLUSHOPT) | F(CLWB) | F(SHA_NI) | AVX512_7_EBX,
	  F(TSC_ADJUST) },
	{ 0x7, 0, ECX, 16,
	  F(UMIP) | F(GFNI) | F(VAES) | F(VPCLMULQDQ) | F(RDPID) | F(CLDEMOTE) | F(MOVDIRI) |
	  F(MOVDIR64B) | AVX512_7_ECX, 0 },
	{ 0x7, 0, EDX, 18,
	  F(FSRM) | F(MD_CLEAR) | F(SERIALIZE) | F(SPEC_CTRL) | F(INTEL_STIBP) |
	  F(SPEC_CTRL_SSBD) | F(ARCH_CAPABILITIES) | AVX512_7_EDX, 0 },
	{ 0x7, 1, EAX, 12, F(AVX_VNNI) | F(AVX512_BF16), 0 },
	{ 0xd, 1, EAX, 10, F(XSAVEOPT) | F(XSAVEC) | F(XGETBV1), 0 },
	{ 0x80000001, 0, EDX, 1,
	  COMMON_EDX | F(SYSCALL) | F(NX) | F(MMXEXT) | F(FXSR_OPT) | F(GBPAGES) | F(RDTSCP) |
	  F(LM), 0 },
	{ 0x80000001, 0, ECX, 6,
	  F(LAHF_LM) | F(ABM) | F(SSE4A) | F(MISALIGNSSE) | F(3DNOWPREFETCH) | F(XOP) | F(FMA4) |
	  F(TBM), 0 },
	{ 0x80000008, 0, EBX, 13,
	  F(CLZERO) | F(XSAVEERPTR) | F(WBNOINVD) | F(AMD_IBPB) | F(AMD_IBRS) | F(AMD_STIBP) |
	  F(AMD_STIBP_ALWAYS_ON) | F(AMD_SSBD) | F(AMD_SSB_NO) | F(BTC_NO), 0 },
};

/* Bits 0, 2 and 6 of 0x80000021 EAX describe the processor and need nothing from us. */
#define LEAF_80000021_EAX (BIT(0) | BIT(2) | BIT(6))

/* The widest guest physical address that four levels of nested tables reach. */
#define TDP_PHYS_BITS	48

static bool vendor_intel(void)
{
	return boot_cpu_data.x86_vendor == X86_VENDOR_INTEL;
}

static u32 *entry_reg(struct kvm_cpuid_entry2 *entry, u8 reg)
{
	switch (reg) {
	case EAX: return &entry->eax;
	case EBX: return &entry->ebx;
	case ECX: return &entry->ecx;
	default: return &entry->edx;
	}
}

/* Features that need state which the host does not switch. */
static u32 without_state(const struct feature_word *w, u32 bits)
{
	u64 xcr0 = xstate_supported();
	bool avx = xcr0 & XFEATURE_MASK_YMM;
	bool avx512 = (xcr0 & XFEATURE_MASK_AVX512) == XFEATURE_MASK_AVX512;

	if (!boot_cpu_has(X86_FEATURE_XSAVE))
		avx = false;
	if (w->word == 4 && !avx)
		bits &= ~(F(AVX) | F(FMA) | F(F16C));
	if (w->word == 9 && !avx)
		bits &= ~F(AVX2);
	if (w->word == 16 && !avx)
		bits &= ~(F(VAES) | F(VPCLMULQDQ));
	if (w->word == 12 && !avx)
		bits = 0;
	if (w->word == 6 && !avx)
		bits &= ~(F(XOP) | F(FMA4));
	if (avx512)
		return bits;
	if (w->word == 9)
		bits &= ~AVX512_7_EBX;
	if (w->word == 16)
		bits &= ~AVX512_7_ECX;
	if (w->word == 18)
		bits &= ~AVX512_7_EDX;
	return w->word == 12 ? bits & ~F(AVX512_BF16) : bits;
}

static u32 feature_bits(const struct feature_word *w, u32 raw)
{
	u32 bits = raw & boot_cpu_data.x86_capability[w->word] & w->host;

	return without_state(w, bits) | w->emulated;
}

/* Replace the feature registers of an entry by what is offered. */
static void mask_features(struct kvm_cpuid_entry2 *entry)
{
	u32 offered[4] = { entry->eax, entry->ebx, entry->ecx, entry->edx };
	int i;

	for (i = 0; i < ARRAY_SIZE(words); i++)
		if (words[i].function == entry->function && words[i].index == entry->index)
			*entry_reg(entry, words[i].reg) =
				feature_bits(&words[i], offered[words[i].reg]);
}

/* ---- the leaves ---- */

static void leaf_1(struct kvm_cpuid_entry2 *e)
{
	/* APIC id and number of threads are the vCPU's; the size of a cache line stays. */
	e->ebx &= 0xff00;
}

static void leaf_6(struct kvm_cpuid_entry2 *e)
{
	e->eax = BIT(2);	/* ARAT: our timer does not stop */
	e->ebx = 0;
	e->ecx = 0;
	e->edx = 0;
}

static void leaf_7(struct kvm_cpuid_entry2 *e)
{
	if (e->index == 0) {
		e->eax = 1;
		return;
	}
	e->ebx = 0;
	e->ecx = 0;
	e->edx = 0;
}

static void leaf_d(struct kvm_cpuid_entry2 *e)
{
	u64 xcr0 = xstate_supported();
	u32 size, offset, flags;

	if (e->index == 0) {
		e->eax = xcr0;
		e->ebx = xstate_size(xcr0, false);
		e->ecx = e->ebx;
		e->edx = xcr0 >> 32;
		return;
	}
	if (e->index == 1) {
		e->ebx = xstate_size(xcr0, true);
		e->ecx = 0;
		e->edx = 0;
		return;
	}
	if (!xstate_component(e->index, &size, &offset, &flags))
		return;
	e->eax = size;
	e->ebx = offset;
	e->ecx = flags & BIT(1);
	e->edx = 0;
}

static void leaf_signature(struct kvm_cpuid_entry2 *e)
{
	u32 name[3];

	memcpy(name, KVM_SIGNATURE, sizeof(name));
	e->eax = KVM_CPUID_FEATURES;
	e->ebx = name[0];
	e->ecx = name[1];
	e->edx = name[2];
}

static void leaf_pv_features(struct kvm_cpuid_entry2 *e)
{
	e->eax = PV_FEATURES;
	if (!IS_ENABLED(CONFIG_SCHED_INFO))
		e->eax &= ~BIT(KVM_FEATURE_STEAL_TIME);
	e->ebx = 0;
	e->ecx = 0;
	e->edx = 0;
}

static void leaf_80000007(struct kvm_cpuid_entry2 *e)
{
	e->eax = 0;
	e->ebx = 0;
	e->ecx = 0;
	e->edx &= BIT(8);	/* invariant TSC */
}

static void leaf_80000008(struct kvm_cpuid_entry2 *e)
{
	u32 phys = min_t(u32, e->eax & 0xff, TDP_PHYS_BITS);

	/* 48 bits of linear address: LA57 is not offered. */
	e->eax = phys | 48 << 8;
	e->ecx = 0;
	e->edx = 0;
}

static void leaf_80000021(struct kvm_cpuid_entry2 *e)
{
	e->eax &= LEAF_80000021_EAX;
	if (boot_cpu_has(X86_FEATURE_LFENCE_RDTSC))
		e->eax |= BIT(2);
	e->ebx = 0;
	e->ecx = 0;
	e->edx = 0;
}

#define ON_INTEL	BIT(0)	/* only there */
#define ON_AMD		BIT(1)
#define NOT_HOST	BIT(2)	/* made up here: the host is not asked */

/*
 * The leaves that are offered, in ascending order. Left to user space are the topology (4, 0xb,
 * 0x1f, 0x8000001d, 0x8000001e) and everything about performance monitoring, power and SEV.
 */
static const struct leaf {
	u32 function, index;
	u8 flags;
	bool indexed;
	void (*fix)(struct kvm_cpuid_entry2 *entry);
} leaves[] = {
	{ 0x0 },
	{ 0x1, .fix = leaf_1 },
	{ 0x2, .flags = ON_INTEL },
	{ 0x4, 0, ON_INTEL, true },
	{ 0x4, 1, ON_INTEL, true },
	{ 0x4, 2, ON_INTEL, true },
	{ 0x4, 3, ON_INTEL, true },
	{ 0x6, .fix = leaf_6 },
	{ 0x7, 0, 0, true, leaf_7 },
	{ 0x7, 1, 0, true, leaf_7 },
	{ 0xd, 0, 0, true, leaf_d },
	{ 0xd, 1, 0, true, leaf_d },
	{ 0xd, 2, 0, true, leaf_d },
	{ 0xd, 5, 0, true, leaf_d },
	{ 0xd, 6, 0, true, leaf_d },
	{ 0xd, 7, 0, true, leaf_d },
	{ KVM_CPUID_SIGNATURE, 0, NOT_HOST, false, leaf_signature },
	{ KVM_CPUID_FEATURES, 0, NOT_HOST, false, leaf_pv_features },
	{ 0x80000000 },
	{ 0x80000001 },
	{ 0x80000002 },
	{ 0x80000003 },
	{ 0x80000004 },
	{ 0x80000005, .flags = ON_AMD },
	{ 0x80000006 },
	{ 0x80000007, .fix = leaf_80000007 },
	{ 0x80000008, .fix = leaf_80000008 },
	{ 0x80000019, .flags = ON_AMD },
	{ 0x8000001a, .flags = ON_AMD },
	{ 0x80000021, .flags = ON_AMD, .fix = leaf_80000021 },
};

#define LEAF_MAX_BASIC	0xdu
#define LEAF_MAX_EXT	0x80000021u

static bool leaf_offered(const struct leaf *leaf)
{
	u32 size, offset, flags;

	if ((leaf->flags & ON_INTEL) && !vendor_intel())
		return false;
	if ((leaf->flags & ON_AMD) && vendor_intel())
		return false;
	if (leaf->function == 0xd && !boot_cpu_has(X86_FEATURE_XSAVE))
		return false;
	if (leaf->function == 0xd && leaf->index >= 2)
		return xstate_component(leaf->index, &size, &offset, &flags);
	if (leaf->flags & NOT_HOST)
		return true;
	return leaf->function <= cpuid_eax(leaf->function & 0x80000000);
}

static void leaf_fill(const struct leaf *leaf, struct kvm_cpuid_entry2 *e)
{
	memset(e, 0, sizeof(*e));
	e->function = leaf->function;
	e->index = leaf->index;
	e->flags = leaf->indexed ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0;
	if (!(leaf->flags & NOT_HOST))
		cpuid_count(leaf->function, leaf->index, &e->eax, &e->ebx, &e->ecx, &e->edx);
	if (leaf->function == 0x0)
		e->eax = min(e->eax, LEAF_MAX_BASIC);
	if (leaf->function == 0x80000000)
		e->eax = min(e->eax, LEAF_MAX_EXT);
	mask_features(e);
	if (leaf->fix)
		leaf->fix(e);
	/* The copies in 0x80000001 EDX are AMD's. */
	if (leaf->function == 0x80000001 && vendor_intel())
		e->edx &= F(SYSCALL) | F(NX) | F(GBPAGES) | F(RDTSCP) | F(LM);
	if (leaf->function == 0x80000001)
		e->ebx &= vendor_intel() ? 0 : 0xf0000000;
}

/**
 * cpuid_get_supported() - KVM_GET_SUPPORTED_CPUID, KVM_GET_EMULATED_CPUID
 * @cpuid: filled; nent is the number of entries there are
 * @room: entries that fit
 * @emulated: what works without the processor's help: nothing does
 *
 * Return: 0; -E2BIG: @room is too small
 */
int cpuid_get_supported(struct kvm_cpuid2 *cpuid, u32 room, bool emulated)
{
	u32 n = 0;
	int i;

	for (i = 0; i < ARRAY_SIZE(leaves) && !emulated; i++) {
		if (!leaf_offered(&leaves[i]))
			continue;
		if (n < room)
			leaf_fill(&leaves[i], &cpuid->entries[n]);
		n++;
	}
	cpuid->nent = n;
	return n > room ? -E2BIG : 0;
}
EXPORT_FOR_TEST(cpuid_get_supported);

/**
 * cpuid_setup() - at load: what this host can offer
 */
void cpuid_setup(void)
{
	xstate_setup();
}
