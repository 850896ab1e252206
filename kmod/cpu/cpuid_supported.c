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
 * (MWAIT is intercepted), VMX and SVM (no nested virtualization), PKU and OSPKE, SHSTK and
 * IBT (state that is not switched), MPX, LWP, AMX (likewise), PMU and PDCM, RTM and HLE
 * (TSX_CTRL), WAITPKG, SGX, PT, RDT, SEV, TOPOEXT, BUS_LOCK_DETECT.
 */
const struct feature_word cpuid_words[CPUID_WORDS] = {
	{ 0x1, 0, ECX, 4,
	  F(XMM3) | F(PCLMULQDQ) | F(SSSE3) | F(FMA) | F(CX16) | F(PCID) | F(XMM4_1) | F(XMM4_2) |
	  F(MOVBE) | F(POPCNT) | F(AES) | F(XSAVE) | F(AVX) | F(F16C) | F(RDRAND),
	  F(X2APIC) | F(HYPERVISOR), F(AVX) | F(FMA) | F(F16C) },
	{ 0x1, 0, EDX, 0,
	  COMMON_EDX | F(SEP) | F(CLFLUSH) | F(XMM) | F(XMM2) | F(SELFSNOOP), 0 },
	{ 0x7, 0, EBX, 9,
	  F(FSGSBASE) | F(BMI1) | F(AVX2) | F(SMEP) | F(BMI2) | F(ERMS) | F(INVPCID) | F(SMAP) |
	  F(RDSEED) | F(ADX) | F(CLFLUSHOPT) | F(CLWB) | F(SHA_NI) | AVX512_7_EBX,
	  F(TSC_ADJUST), F(AVX2), AVX512_7_EBX },
	{ 0x7, 0, ECX, 16,
	  F(UMIP) | F(GFNI) | F(VAES) | F(VPCLMULQDQ) | F(RDPID) | F(CLDEMOTE) | F(MOVDIRI) |
	  F(MOVDIR64B) | F(LA57) | AVX512_7_ECX, 0, F(VAES) | F(VPCLMULQDQ), AVX512_7_ECX,
	  .guest = F(LA57) },
	{ 0x7, 0, EDX, 18,
	  F(FSRM) | F(MD_CLEAR) | F(SERIALIZE) | F(SPEC_CTRL) | F(INTEL_STIBP) |
	  F(SPEC_CTRL_SSBD) | F(ARCH_CAPABILITIES) | AVX512_7_EDX, 0, 0, AVX512_7_EDX },
	{ 0x7, 1, EAX, 12, F(AVX_VNNI) | F(AVX512_BF16), 0, F(AVX_VNNI), F(AVX512_BF16) },
	{ 0xd, 1, EAX, 10, F(XSAVEOPT) | F(XSAVEC) | F(XGETBV1) | F(XSAVES), 0,
	  .xsaves = F(XSAVES) },
	{ 0x80000001, 0, EDX, 1,
	  COMMON_EDX | F(SYSCALL) | F(NX) | F(MMXEXT) | F(FXSR_OPT) | F(GBPAGES) | F(RDTSCP) |
	  F(LM), 0 },
	{ 0x80000001, 0, ECX, 6,
	  F(LAHF_LM) | F(ABM) | F(SSE4A) | F(MISALIGNSSE) | F(3DNOWPREFETCH) | F(XOP) | F(FMA4) |
	  F(TBM), 0, F(XOP) | F(FMA4) },
	{ 0x80000008, 0, EBX, 13,
	  F(CLZERO) | F(XSAVEERPTR) | F(WBNOINVD) | F(AMD_IBPB) | F(AMD_IBRS) | F(AMD_STIBP) |
	  F(AMD_STIBP_ALWAYS_ON) | F(AMD_SSBD) | F(AMD_SSB_NO) | F(BTC_NO), 0 },
};
EXPORT_FOR_TEST(cpuid_words);

/* Bits 0, 2 and 6 of 0x80000021 EAX describe the processor and need nothing from us. */
#define LEAF_80000021_EAX (BIT(0) | BIT(2) | BIT(6))

/* The widest guest physical address that four levels of nested tables reach. */
#define TDP_PHYS_BITS	48

/* Five levels of the guest's tables are the processor's business, however many the host uses. */
bool cpuid_la57(void)
{
	return boot_cpu_data.cpuid_level >= 7 && (cpuid_ecx(7) & F(LA57));
}
EXPORT_FOR_TEST(cpuid_la57);

static bool vendor_intel(void)
{
	return boot_cpu_data.x86_vendor == X86_VENDOR_INTEL;
}

/**
 * cpuid_feature_bits() - what a host offers of a register of feature bits
 * @w: the register
 * @raw: what CPUID says
 * @kernel: what the host's kernel has left switched on
 * @xcr0: the state that it switches
 *
 * Context: any
 * Return: the bits
 */
u32 cpuid_feature_bits(const struct feature_word *w, u32 raw, u32 kernel, u64 xcr0)
{
	u32 bits = raw & (kernel | w->guest) & w->host;

	/* Features that need state which the host does not switch. */
	if (!(xcr0 & XFEATURE_MASK_YMM))
		bits &= ~w->avx;
	if ((xcr0 & XFEATURE_MASK_AVX512) != XFEATURE_MASK_AVX512)
		bits &= ~w->avx512;
	if (!backend_caps.xsaves)
		bits &= ~w->xsaves;
	return bits | w->emulated;
}
EXPORT_FOR_TEST(cpuid_feature_bits);

/* Replace the feature registers of an entry by what is offered. */
static void mask_features(struct kvm_cpuid_entry2 *entry)
{
	const struct feature_word *w;
	u32 *reg;

	for (w = cpuid_words; w < cpuid_words + CPUID_WORDS; w++) {
		if (w->function != entry->function || w->index != entry->index)
			continue;
		reg = cpuid_reg(entry, w->reg);
		*reg = cpuid_feature_bits(w, *reg, boot_cpu_data.x86_capability[w->word],
					  xstate_supported());
	}
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
}

static void leaf_7(struct kvm_cpuid_entry2 *e)
{
	if (e->index == 0) {
		e->eax = 1;	/* the highest index */
		return;
	}
	e->ebx = 0;
	e->ecx = 0;
	e->edx = 0;
}

static void leaf_d(struct kvm_cpuid_entry2 *e)
{
	const struct xstate_component *c = xstate_component(e->index);
	u64 xcr0 = xstate_supported();

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
	} else if (c) {
		e->eax = c->size;
		e->ebx = c->offset;
		e->ecx = c->flags & BIT(1);
	}
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
}

static void leaf_80000007(struct kvm_cpuid_entry2 *e)
{
	e->edx &= BIT(8);	/* invariant TSC */
}

static void leaf_80000008(struct kvm_cpuid_entry2 *e)
{
	u32 phys = min_t(u32, e->eax & 0xff, TDP_PHYS_BITS);

	e->eax = phys | (cpuid_la57() ? 57 : 48) << 8;
}

static void leaf_80000021(struct kvm_cpuid_entry2 *e)
{
	e->eax &= LEAF_80000021_EAX;
	if (boot_cpu_has(X86_FEATURE_LFENCE_RDTSC))
		e->eax |= BIT(2);
}

static void leaf_80000001(struct kvm_cpuid_entry2 *e)
{
	e->ebx &= vendor_intel() ? 0 : 0xf0000000;
	/* The copies in EDX are AMD's. */
	if (vendor_intel())
		e->edx &= F(SYSCALL) | F(NX) | F(GBPAGES) | F(RDTSCP) | F(LM);
}

#define ON_INTEL	BIT(0)	/* only there */
#define ON_AMD		BIT(1)
#define NOT_HOST	BIT(2)	/* made up here: the host is not asked */
#define INDEXED		BIT(3)	/* with KVM_CPUID_FLAG_SIGNIFCANT_INDEX */

/*
 * The leaves that are offered, in ascending order. Left to user space are the topology (4, 0xb,
 * 0x1f, 0x8000001d, 0x8000001e) and everything about performance monitoring, power and SEV.
 */
static const struct leaf {
	u32 function;
	u8 last;	/* index: from 0 up to this */
	u8 flags;
	u8 zero;	/* BIT(EAX): registers that are zero */
	void (*fix)(struct kvm_cpuid_entry2 *entry);
} leaves[] = {
	{ 0x0 },
	{ 0x1, .fix = leaf_1 },
	{ 0x2, .flags = ON_INTEL },
	{ 0x4, 3, ON_INTEL | INDEXED },
	{ 0x6, .zero = BIT(EBX) | BIT(ECX) | BIT(EDX), .fix = leaf_6 },
	{ 0x7, 1, INDEXED, .fix = leaf_7 },
	{ 0xd, 7, INDEXED, .fix = leaf_d },
	{ KVM_CPUID_SIGNATURE, 0, NOT_HOST, .fix = leaf_signature },
	{ KVM_CPUID_FEATURES, 0, NOT_HOST, .fix = leaf_pv_features },
	{ 0x80000000 },
	{ 0x80000001, .fix = leaf_80000001 },
	{ 0x80000002 },
	{ 0x80000003 },
	{ 0x80000004 },
	{ 0x80000005, .flags = ON_AMD },
	{ 0x80000006 },
	{ 0x80000007, .zero = BIT(EAX) | BIT(EBX) | BIT(ECX), .fix = leaf_80000007 },
	{ 0x80000008, .zero = BIT(ECX) | BIT(EDX), .fix = leaf_80000008 },
	{ 0x80000019, .flags = ON_AMD },
	{ 0x8000001a, .flags = ON_AMD },
	{ 0x80000021, .flags = ON_AMD, .zero = BIT(EBX) | BIT(ECX) | BIT(EDX),
	  .fix = leaf_80000021 },
};

#define LEAF_MAX_BASIC	0xdu
#define LEAF_MAX_EXT	0x80000021u

static bool leaf_offered(const struct leaf *leaf, u32 index)
{
	if (leaf->flags & (vendor_intel() ? ON_AMD : ON_INTEL))
		return false;
	if (leaf->function == 0xd && !boot_cpu_has(X86_FEATURE_XSAVE))
		return false;
	if (leaf->function == 0xd && index >= 2)
		return xstate_component(index);
	return (leaf->flags & NOT_HOST) ||
	       leaf->function <= cpuid_eax(leaf->function & 0x80000000);
}

static void leaf_fill(const struct leaf *leaf, u32 index, struct kvm_cpuid_entry2 *e)
{
	unsigned long zero = leaf->zero;
	unsigned int reg;

	memset(e, 0, sizeof(*e));
	e->function = leaf->function;
	e->index = index;
	e->flags = leaf->flags & INDEXED ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0;
	if (!(leaf->flags & NOT_HOST))
		cpuid_count(leaf->function, index, &e->eax, &e->ebx, &e->ecx, &e->edx);
	if (leaf->function == 0x0)
		e->eax = min(e->eax, LEAF_MAX_BASIC);
	if (leaf->function == 0x80000000)
		e->eax = min(e->eax, LEAF_MAX_EXT);
	mask_features(e);
	for_each_set_bit(reg, &zero, 4) {
		u32 *val = cpuid_reg(e, reg);

		*val = 0;
	}
	if (leaf->fix)
		leaf->fix(e);
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
	const struct leaf *leaf;
	u32 n = 0, index;

	for (leaf = leaves; leaf < leaves + ARRAY_SIZE(leaves) && !emulated; leaf++) {
		for (index = 0; index <= leaf->last; index++) {
			if (!leaf_offered(leaf, index))
				continue;
			if (n < room)
				leaf_fill(leaf, index, &cpuid->entries[n]);
			n++;
		}
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
	/* Where the kernel does not trust XSAVES no guest shall. */
	backend_caps.xsaves = backend_caps.xsaves && boot_cpu_has(X86_FEATURE_XSAVES);
	xstate_setup();
}
