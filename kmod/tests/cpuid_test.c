// SPDX-License-Identifier: GPL-2.0
/* CPUID: lookup, ranges, what follows from it, what is offered. */
#include <linux/sched.h>

#include "cpu_fixture.h"

static struct kvm_cpuid_entry2 model[] = {
	{ .function = 0x80000008, .eax = 0x3028, .ebx = 0x1000 },
	{ .function = 0, .eax = 0xd },
	{ .function = 1, .eax = 0x800f12, .ecx = 0x04000000, .edx = 0x11 },
	{ .function = 0xb, .index = 0, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX, .edx = 7 },
	{ .function = 7, .index = 1, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX, .eax = 0x71 },
	{ .function = 7, .index = 0, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX, .eax = 1,
	  .ebx = 0x100081 },
	{ .function = 0xd, .index = 0, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX, .eax = 0x207 },
	{ .function = 0x40000000, .eax = 0x40000001, .ebx = 0x4b4d564b, .ecx = 0x564b4d56,
	  .edx = 0x4d },
	{ .function = 0x80000000, .eax = 0x80000008 },
	{ .function = 0x80000001, .edx = 0x20100800 },
	{ .function = 0x40000001, .eax = 0x55 },
	{ .function = 0x8fffffff, .ecx = 0x99 },
	{ .function = 1, .eax = 0xbad },
};

static void set_model(struct kunit *test, bool amd)
{
	struct vcpu *vcpu = cpu_fixture_vcpu(test);

	model[1].ebx = amd ? 0x68747541 : 0x756e6547;
	model[1].edx = amd ? 0x69746e65 : 0x49656e69;
	model[1].ecx = amd ? 0x444d4163 : 0x6c65746e;
	KUNIT_ASSERT_EQ(test, cpuid_set(vcpu, model, ARRAY_SIZE(model)), 0);
}

static struct kvm_cpuid_entry2 query(struct kunit *test, u32 function, u32 index)
{
	struct kvm_cpuid_entry2 r = { .eax = function, .ecx = index };

	cpuid_query(cpu_fixture_vcpu(test), &r.eax, &r.ebx, &r.ecx, &r.edx);
	return r;
}

static void expect_zero(struct kunit *test, u32 function, u32 index)
{
	struct kvm_cpuid_entry2 r = query(test, function, index);

	KUNIT_EXPECT_EQ(test, r.eax | r.ebx | r.ecx | r.edx, 0);
}

static void lookup(struct kunit *test)
{
	set_model(test, true);
	/* The first of two counts; without the flag the index does not matter. */
	KUNIT_EXPECT_EQ(test, query(test, 1, 0).eax, 0x800f12);
	KUNIT_EXPECT_EQ(test, query(test, 1, 77).eax, 0x800f12);
	KUNIT_EXPECT_EQ(test, query(test, 7, 0).ebx, 0x100081);
	KUNIT_EXPECT_EQ(test, query(test, 7, 1).eax, 0x71);
	expect_zero(test, 7, 2);
	KUNIT_EXPECT_EQ(test, query(test, 0x80000008, 0).eax, 0x3028);
	KUNIT_EXPECT_EQ(test, query(test, 0x40000001, 0).eax, 0x55);
	KUNIT_EXPECT_EQ(test, query(test, 0x8fffffff, 0).ecx, 0x99);
	expect_zero(test, 0x8ffffffe, 0);
	expect_zero(test, 3, 0);
}

static void topology_level_beyond(struct kunit *test)
{
	struct kvm_cpuid_entry2 r;

	set_model(test, true);
	r = query(test, 0xb, 0x105);
	KUNIT_EXPECT_EQ(test, r.ecx, 0x5);
	KUNIT_EXPECT_EQ(test, r.edx, 7);
	KUNIT_EXPECT_EQ(test, r.eax | r.ebx, 0);
}

static void out_of_range(struct kunit *test)
{
	set_model(test, true);
	expect_zero(test, 0x20, 0);
	expect_zero(test, 0x80000009, 0);
	set_model(test, false);
	/* Intel: as the highest basic leaf. */
	KUNIT_EXPECT_EQ(test, query(test, 0x20, 0).eax, 0x207);
	KUNIT_EXPECT_EQ(test, query(test, 0x80000009, 0).eax, 0x207);
	KUNIT_EXPECT_EQ(test, query(test, 0x40000002, 0).eax, 0x207);
	expect_zero(test, 0x20, 1);
	/* In range, and not there. */
	expect_zero(test, 3, 0);
	expect_zero(test, 0x80000002, 0);
}

static void no_cpuid(struct kunit *test)
{
	expect_zero(test, 0, 0);
	expect_zero(test, 0x80000000, 0);
	KUNIT_EXPECT_FALSE(test, guest_has(cpu_fixture_vcpu(test), X86_FEATURE_XSAVE));
}

static void derived(struct kunit *test)
{
	struct vcpu *vcpu = cpu_fixture_vcpu(test);
	struct vcpu_cpuid *id = &vcpu->cpuid;

	/* Before KVM_SET_CPUID2: 36 bits; what all processors have may be set. */
	KUNIT_EXPECT_EQ(test, id->maxphyaddr, 36);
	KUNIT_EXPECT_EQ(test, id->cr4_reserved & (X86_CR4_PAE | X86_CR4_OSFXSR), 0);
	KUNIT_EXPECT_EQ(test, !(id->cr4_reserved & X86_CR4_OSXSAVE),
			boot_cpu_has(X86_FEATURE_XSAVE));
	KUNIT_EXPECT_TRUE(test, id->cr4_reserved & X86_CR4_VMXE);
	set_model(test, true);
	KUNIT_EXPECT_TRUE(test, id->vendor_amd);
	KUNIT_EXPECT_EQ(test, id->maxphyaddr, 40);
	KUNIT_EXPECT_EQ(test, id->reserved_gpa, GENMASK_ULL(51, 40));
	KUNIT_EXPECT_EQ(test, !(id->cr4_reserved & X86_CR4_OSXSAVE),
			boot_cpu_has(X86_FEATURE_XSAVE));
	KUNIT_EXPECT_EQ(test, !(id->cr4_reserved & X86_CR4_SMEP),
			boot_cpu_has(X86_FEATURE_SMEP));
	KUNIT_EXPECT_TRUE(test, id->cr4_reserved & X86_CR4_PCIDE);
	KUNIT_EXPECT_TRUE(test, id->cr4_reserved & X86_CR4_LA57);
	KUNIT_EXPECT_EQ(test, id->efer_reserved & (EFER_SCE | EFER_LME | EFER_NX), 0);
	KUNIT_EXPECT_TRUE(test, id->efer_reserved & EFER_FFXSR);
	KUNIT_EXPECT_TRUE(test, id->efer_reserved & EFER_SVME);
	/* PKRU (bit 9) is not carried. */
	KUNIT_EXPECT_EQ(test, id->xcr0_supported, 0x207 & xstate_supported());
	KUNIT_EXPECT_EQ(test, id->xcr0_supported & BIT_ULL(9), 0);
	KUNIT_EXPECT_EQ(test, id->pv_features, 0x55);
	KUNIT_EXPECT_TRUE(test, guest_has(vcpu, X86_FEATURE_XSAVE));
	KUNIT_EXPECT_TRUE(test, guest_has(vcpu, X86_FEATURE_SMAP));
	KUNIT_EXPECT_TRUE(test, guest_has(vcpu, X86_FEATURE_AMD_IBPB));
	KUNIT_EXPECT_FALSE(test, guest_has(vcpu, X86_FEATURE_X2APIC));
	set_model(test, false);
	KUNIT_EXPECT_FALSE(test, id->vendor_amd);
}

/* Another hypervisor's leaves may come first: features are told by the signature before them. */
static void kvm_leaves_elsewhere(struct kunit *test)
{
	struct kvm_cpuid_entry2 e[] = {
		{ .function = 0x40000000, .eax = 0x40000005, .ebx = 0x7263694d, .ecx = 0x666f736f,
		  .edx = 0x76482074 },
		{ .function = 0x40000001, .eax = 0x31237648 },
		{ .function = 0x40000100, .eax = 0x40000101, .ebx = 0x4b4d564b, .ecx = 0x564b4d56,
		  .edx = 0x4d },
		{ .function = 0x40000101, .eax = 0x55 },
	};
	struct vcpu *vcpu = cpu_fixture_vcpu(test);

	KUNIT_ASSERT_EQ(test, cpuid_set(vcpu, e, ARRAY_SIZE(e)), 0);
	KUNIT_EXPECT_EQ(test, vcpu->cpuid.pv_features, 0x55);
	/* The last place there is, and one behind it. */
	e[2].function = 0x4000ff00;
	e[3].function = 0x4000ff01;
	KUNIT_ASSERT_EQ(test, cpuid_set(vcpu, e, ARRAY_SIZE(e)), 0);
	KUNIT_EXPECT_EQ(test, vcpu->cpuid.pv_features, 0x55);
	e[2].function = 0x40010000;
	e[3].function = 0x40010001;
	KUNIT_ASSERT_EQ(test, cpuid_set(vcpu, e, ARRAY_SIZE(e)), 0);
	KUNIT_EXPECT_EQ(test, vcpu->cpuid.pv_features, 0);
	/* Nobody's, and a signature without features. */
	KUNIT_ASSERT_EQ(test, cpuid_set(vcpu, e, 2), 0);
	KUNIT_EXPECT_EQ(test, vcpu->cpuid.pv_features, 0);
	e[2].function = 0x40000100;
	KUNIT_ASSERT_EQ(test, cpuid_set(vcpu, e, 3), 0);
	KUNIT_EXPECT_EQ(test, vcpu->cpuid.pv_features, 0);
}

static void follows_state(struct kunit *test)
{
	struct vcpu *vcpu = cpu_fixture_vcpu(test);
	const u32 osxsave = BIT(X86_FEATURE_OSXSAVE % 32), apic = BIT(X86_FEATURE_APIC % 32);

	set_model(test, true);
	KUNIT_EXPECT_EQ(test, query(test, 1, 0).ecx & osxsave, 0);
	KUNIT_EXPECT_EQ(test, query(test, 1, 0).edx & apic, 0);
	vcpu->state.cr4 = X86_CR4_OSXSAVE;
	vcpu->msrs.apic_base = 0xfee00000 | MSR_IA32_APICBASE_ENABLE;
	vcpu->state.xcr0 = XFEATURE_MASK_FPSSE;
	cpuid_update(vcpu);
	KUNIT_EXPECT_EQ(test, query(test, 1, 0).ecx & osxsave, osxsave);
	KUNIT_EXPECT_EQ(test, query(test, 1, 0).edx & apic, apic);
	KUNIT_EXPECT_EQ(test, query(test, 0xd, 0).ebx, 576);
	vcpu->state.xcr0 = xstate_supported();
	cpuid_update(vcpu);
	KUNIT_EXPECT_EQ(test, query(test, 0xd, 0).ebx, xstate_size(xstate_supported(), false));
	vcpu->state.cr4 = 0;
	cpuid_update(vcpu);
	KUNIT_EXPECT_EQ(test, query(test, 1, 0).ecx & osxsave, 0);
}

static void set_errors(struct kunit *test)
{
	struct kvm_cpuid_entry2 width = { .function = 0x80000008, .eax = 0x2028 };
	struct vcpu *vcpu = cpu_fixture_vcpu(test);

	KUNIT_EXPECT_EQ(test, cpuid_set(vcpu, &width, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, cpuid_set(vcpu, model, CPUID_MAX_ENTRIES + 1), -E2BIG);
	KUNIT_EXPECT_EQ(test, vcpu->cpuid.nent, 0);
	set_model(test, true);
	/* After the first KVM_RUN only the same again. */
	rcu_assign_pointer(vcpu->pid, task_pid(current));
	KUNIT_EXPECT_EQ(test, cpuid_set(vcpu, model, ARRAY_SIZE(model)), 0);
	KUNIT_EXPECT_EQ(test, cpuid_set(vcpu, model, ARRAY_SIZE(model) - 1), -EINVAL);
	model[2].eax ^= 1;
	KUNIT_EXPECT_EQ(test, cpuid_set(vcpu, model, ARRAY_SIZE(model)), -EINVAL);
	model[2].eax ^= 1;
	KUNIT_EXPECT_EQ(test, query(test, 1, 0).eax, 0x800f12);
}

/* ---- KVM_GET_SUPPORTED_CPUID ---- */

#define ROOM 64

static struct kvm_cpuid2 *supported(struct kunit *test)
{
	struct kvm_cpuid2 *cpuid;

	cpuid = cpu_fixture_alloc(test, sizeof(*cpuid) + ROOM * sizeof(cpuid->entries[0]));
	KUNIT_ASSERT_EQ(test, cpuid_get_supported(cpuid, ROOM, false), 0);
	return cpuid;
}

static const struct kvm_cpuid_entry2 *supported_leaf(const struct kvm_cpuid2 *cpuid, u32 function)
{
	u32 i;

	for (i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == function)
			return &cpuid->entries[i];
	return NULL;
}

static void supported_shape(struct kunit *test)
{
	const struct kvm_cpuid2 *cpuid = supported(test);
	const struct kvm_cpuid_entry2 *e = cpuid->entries;
	struct kvm_cpuid2 small = {};
	u32 i;

	for (i = 1; i < cpuid->nent; i++)
		KUNIT_EXPECT_TRUE(test, e[i - 1].function < e[i].function ||
				  (e[i - 1].function == e[i].function &&
				   e[i - 1].index < e[i].index));
	KUNIT_EXPECT_EQ(test, cpuid_get_supported(&small, 0, false), -E2BIG);
	KUNIT_EXPECT_EQ(test, small.nent, cpuid->nent);
	KUNIT_EXPECT_EQ(test, cpuid_get_supported(&small, 0, true), 0);
	KUNIT_EXPECT_EQ(test, small.nent, 0);
}

/* Bits that stand for state or services which this module does not have. */
static void supported_honest(struct kunit *test)
{
	const struct kvm_cpuid2 *cpuid = supported(test);
	const struct kvm_cpuid_entry2 *e = supported_leaf(cpuid, 1);

	KUNIT_ASSERT_NOT_NULL(test, e);
	/* MONITOR, VMX, PDCM, deadline timer, OSXSAVE */
	KUNIT_EXPECT_EQ(test, e->ecx & (BIT(3) | BIT(5) | BIT(15) | BIT(24) | BIT(27)), 0);
	/* x2APIC and the hypervisor bit are ours to give. */
	KUNIT_EXPECT_EQ(test, e->ecx & (BIT(21) | BIT(31)), (u32)(BIT(21) | BIT(31)));
	e = supported_leaf(cpuid, 7);
	KUNIT_ASSERT_NOT_NULL(test, e);
	/* SGX, HLE, RTM, MPX, RDT, PT; PKU, OSPKE, WAITPKG, SHSTK; IBT, AMX */
	KUNIT_EXPECT_EQ(test, e->ebx & (BIT(2) | BIT(4) | BIT(11) | BIT(14) | BIT(15) | BIT(25)),
			0);
	KUNIT_EXPECT_EQ(test, e->ecx & (BIT(3) | BIT(4) | BIT(5) | BIT(7)), 0);
	KUNIT_EXPECT_EQ(test, !!(e->ecx & BIT(16)), cpuid_la57());
	e = supported_leaf(cpuid, 0x80000008);
	KUNIT_ASSERT_NOT_NULL(test, e);
	KUNIT_EXPECT_EQ(test, e->eax >> 8 & 0xff, cpuid_la57() ? 57 : 48);
	e = supported_leaf(cpuid, 7);
	KUNIT_EXPECT_EQ(test, e->edx & (BIT(20) | BIT(22) | BIT(24) | BIT(25)), 0);
	e = supported_leaf(cpuid, 0x80000001);
	KUNIT_ASSERT_NOT_NULL(test, e);
	/* SVM, IBS, SKINIT, LWP, TOPOEXT, performance counters */
	KUNIT_EXPECT_EQ(test, e->ecx & (BIT(2) | BIT(10) | BIT(12) | BIT(15) | BIT(22) | BIT(23)),
			0);
	KUNIT_EXPECT_NULL(test, supported_leaf(cpuid, 0xa));
	KUNIT_EXPECT_NULL(test, supported_leaf(cpuid, 0x8000000a));
	e = supported_leaf(cpuid, 0x40000001);
	KUNIT_ASSERT_NOT_NULL(test, e);
	KUNIT_EXPECT_EQ(test, e->eax & ~(u32)PV_FEATURES, 0);
}

/* A guest with all that is offered gets no bit of CR4, EFER or XCR0 that we do not handle. */
static void supported_as_model(struct kunit *test)
{
	const struct kvm_cpuid2 *cpuid = supported(test);
	struct vcpu *vcpu = cpu_fixture_vcpu(test);

	KUNIT_ASSERT_EQ(test, cpuid_set(vcpu, cpuid->entries, cpuid->nent), 0);
	KUNIT_EXPECT_TRUE(test, vcpu->cpuid.efer_reserved & EFER_SVME);
	KUNIT_EXPECT_TRUE(test, vcpu->cpuid.cr4_reserved & X86_CR4_VMXE);
	KUNIT_EXPECT_TRUE(test, vcpu->cpuid.cr4_reserved & X86_CR4_PKE);
	KUNIT_EXPECT_TRUE(test, vcpu->cpuid.cr4_reserved & X86_CR4_CET);
	KUNIT_EXPECT_EQ(test, vcpu->cpuid.xcr0_supported,
			boot_cpu_has(X86_FEATURE_XSAVE) ? xstate_supported() : 0);
	KUNIT_EXPECT_LE(test, vcpu->cpuid.maxphyaddr, 48);
}

static void xcr0_combinations(struct kunit *test)
{
	const u64 all = 0xe7;

	KUNIT_EXPECT_TRUE(test, xcr0_valid(1, 0));
	KUNIT_EXPECT_TRUE(test, xcr0_valid(3, all));
	KUNIT_EXPECT_TRUE(test, xcr0_valid(7, all));
	KUNIT_EXPECT_TRUE(test, xcr0_valid(0xe7, all));
	KUNIT_EXPECT_FALSE(test, xcr0_valid(0, all));
	KUNIT_EXPECT_FALSE(test, xcr0_valid(2, all));
	KUNIT_EXPECT_FALSE(test, xcr0_valid(5, all));
	KUNIT_EXPECT_FALSE(test, xcr0_valid(0x27, all));
	KUNIT_EXPECT_FALSE(test, xcr0_valid(0xe3, all));
	KUNIT_EXPECT_FALSE(test, xcr0_valid(7, 3));
	KUNIT_EXPECT_FALSE(test, xcr0_valid(0x207, all));
}

/* XSAVES takes the processor, the host's kernel and the backend. */
static void xsaves_offered(struct kunit *test)
{
	const u32 bit = BIT(X86_FEATURE_XSAVES % 32), others = BIT(X86_FEATURE_XSAVEC % 32);
	const struct feature_word *w = cpuid_words;

	while (w->word != X86_FEATURE_XSAVES / 32)
		w++;
	backend_caps.xsaves = true;
	KUNIT_EXPECT_EQ(test, cpuid_feature_bits(w, ~0U, ~0U, 7) & bit, bit);
	KUNIT_EXPECT_EQ(test, cpuid_feature_bits(w, ~bit, ~0U, 7) & bit, 0);
	KUNIT_EXPECT_EQ(test, cpuid_feature_bits(w, ~0U, ~bit, 7) & bit, 0);
	backend_caps.xsaves = false;
	KUNIT_EXPECT_EQ(test, cpuid_feature_bits(w, ~0U, ~0U, 7) & (bit | others), others);
}

static void xsaves_given(struct kunit *test)
{
	struct kvm_cpuid_entry2 entries[] = {
		{ .function = 1, .ecx = BIT(X86_FEATURE_XSAVE % 32) },
		{ .function = 0xd, .index = 1, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
		  .eax = BIT(X86_FEATURE_XSAVES % 32) },
	};
	struct vcpu *vcpu = cpu_fixture_vcpu(test);

	backend_caps.xsaves = true;
	KUNIT_ASSERT_EQ(test, cpuid_set(vcpu, entries, 2), 0);
	KUNIT_EXPECT_TRUE(test, vcpu->policy.xsaves);
	/* The area's size counts as compacted. */
	KUNIT_EXPECT_EQ(test, query(test, 0xd, 1).ebx, xstate_size(vcpu->state.xcr0, true));
	entries[0].ecx = 0;
	KUNIT_ASSERT_EQ(test, cpuid_set(vcpu, entries, 2), 0);
	KUNIT_EXPECT_FALSE(test, vcpu->policy.xsaves);
	entries[0].ecx = BIT(X86_FEATURE_XSAVE % 32);
	backend_caps.xsaves = false;
	KUNIT_ASSERT_EQ(test, cpuid_set(vcpu, entries, 2), 0);
	KUNIT_EXPECT_FALSE(test, vcpu->policy.xsaves);
}

static bool had_xsaves;

static int cpuid_test_init(struct kunit *test)
{
	had_xsaves = backend_caps.xsaves;
	return cpu_fixture_init(test);
}

static void cpuid_test_exit(struct kunit *test)
{
	backend_caps.xsaves = had_xsaves;
	cpu_fixture_exit(test);
}

static struct kunit_case cpuid_cases[] = {
	KUNIT_CASE(lookup),
	KUNIT_CASE(topology_level_beyond),
	KUNIT_CASE(out_of_range),
	KUNIT_CASE(no_cpuid),
	KUNIT_CASE(derived),
	KUNIT_CASE(kvm_leaves_elsewhere),
	KUNIT_CASE(follows_state),
	KUNIT_CASE(set_errors),
	KUNIT_CASE(supported_shape),
	KUNIT_CASE(supported_honest),
	KUNIT_CASE(supported_as_model),
	KUNIT_CASE(xcr0_combinations),
	KUNIT_CASE(xsaves_offered),
	KUNIT_CASE(xsaves_given),
	{}
};

struct kunit_suite cpuid_suite = {
	.name = "vmm_cpuid",
	.init = cpuid_test_init,
	.exit = cpuid_test_exit,
	.test_cases = cpuid_cases,
};
