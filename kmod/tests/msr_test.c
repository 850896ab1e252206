// SPDX-License-Identifier: GPL-2.0
/* MSR policy, control registers, EFER, and the validity of SREGS. */
#include "../cpu/hw.h"
#include "cpu_fixture.h"

/* Features of the guest's CPUID, word by word. */
static void give(struct vcpu *vcpu, unsigned int feature)
{
	vcpu->cpuid.caps[feature / 32] |= BIT(feature % 32);
}

static bool readable(struct kunit *test, u32 msr, bool host)
{
	u64 val;

	return !msr_read(cpu_fixture_vcpu(test), msr, &val, host);
}

static bool writable(struct kunit *test, u32 msr, u64 val, bool host)
{
	return !msr_write(cpu_fixture_vcpu(test), msr, val, host);
}

static u64 value(struct kunit *test, u32 msr)
{
	u64 val = 0xdeadbeef;

	KUNIT_EXPECT_EQ(test, msr_read(cpu_fixture_vcpu(test), msr, &val, true), 0);
	return val;
}

static void unknown(struct kunit *test)
{
	static const u32 none[] = { 0x4b564d08 /* migration */, 0x40000000 /* Hyper-V */,
				    0xc0000104, 0x48c, 0xffffffff, 0x345, MSR_VM_HSAVE_PA };
	int i;

	for (i = 0; i < ARRAY_SIZE(none); i++) {
		KUNIT_EXPECT_FALSE(test, readable(test, none[i], false));
		KUNIT_EXPECT_FALSE(test, readable(test, none[i], true));
		KUNIT_EXPECT_FALSE(test, writable(test, none[i], 0, false));
		KUNIT_EXPECT_FALSE(test, writable(test, none[i], 0, true));
	}
}

static void ignored(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, value(test, MSR_AMD64_NB_CFG), 0);
	KUNIT_EXPECT_TRUE(test, writable(test, MSR_AMD64_NB_CFG, ~0ull, false));
	KUNIT_EXPECT_EQ(test, value(test, MSR_AMD64_NB_CFG), 0);
	KUNIT_EXPECT_TRUE(test, writable(test, MSR_P6_EVNTSEL0, 0, false));
	KUNIT_EXPECT_FALSE(test, writable(test, MSR_P6_EVNTSEL0, 1, false));
	KUNIT_EXPECT_EQ(test, value(test, MSR_K7_CLK_CTL), 0x20000000);
}

static void give_la57(struct kunit *test)
{
	struct kvm_cpuid_entry2 entries[] = {
		{ .function = 7, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX, .ecx = BIT(16) },
	};

	KUNIT_ASSERT_EQ(test, cpuid_set(cpu_fixture_vcpu(test), entries, ARRAY_SIZE(entries)), 0);
}

static void canonical_bases(struct kunit *test)
{
	static const u32 bases[] = { MSR_LSTAR, MSR_CSTAR, MSR_FS_BASE, MSR_GS_BASE,
				     MSR_KERNEL_GS_BASE, MSR_IA32_SYSENTER_ESP,
				     MSR_IA32_SYSENTER_EIP };
	int i;

	for (i = 0; i < ARRAY_SIZE(bases); i++) {
		KUNIT_EXPECT_TRUE(test, writable(test, bases[i], 0xffff800000000000, false));
		KUNIT_EXPECT_EQ(test, value(test, bases[i]), 0xffff800000000000);
		KUNIT_EXPECT_TRUE(test, writable(test, bases[i], 0x7fffffffffff, true));
		KUNIT_EXPECT_FALSE(test, writable(test, bases[i], 0x800000000000, false));
		KUNIT_EXPECT_FALSE(test, writable(test, bases[i], BIT_ULL(63), true));
		KUNIT_EXPECT_EQ(test, value(test, bases[i]), 0x7fffffffffff);
	}
	/* A processor with five levels takes the addresses of five levels, if the host's does. */
	give_la57(test);
	for (i = 0; i < ARRAY_SIZE(bases); i++) {
		KUNIT_EXPECT_EQ(test, writable(test, bases[i], 0xffffffffffffff, false),
				boot_cpu_data.x86_virt_bits == 57);
		KUNIT_EXPECT_FALSE(test, writable(test, bases[i], BIT_ULL(56), false));
	}
	KUNIT_EXPECT_TRUE(test, cpu_fixture_vcpu(test)->state.dirty & STATE_MSRS);
	KUNIT_EXPECT_TRUE(test, cpu_fixture_vcpu(test)->state.dirty & STATE_SEGS);
}

static void pat(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, writable(test, MSR_IA32_CR_PAT, PAT_RESET, false));
	KUNIT_EXPECT_TRUE(test, writable(test, MSR_IA32_CR_PAT, 0x0706050401000007, false));
	KUNIT_EXPECT_FALSE(test, writable(test, MSR_IA32_CR_PAT, 0x02, false));
	KUNIT_EXPECT_FALSE(test, writable(test, MSR_IA32_CR_PAT, 0x03ull << 56, false));
	KUNIT_EXPECT_FALSE(test, writable(test, MSR_IA32_CR_PAT, 0x0800, false));
	KUNIT_EXPECT_EQ(test, value(test, MSR_IA32_CR_PAT), 0x0706050401000007);
}

static void mtrrs(struct kunit *test)
{
	u32 msr;

	KUNIT_EXPECT_EQ(test, value(test, MSR_MTRR_CAP) & 0xff, MTRR_VARIABLE);
	KUNIT_EXPECT_FALSE(test, writable(test, MSR_MTRR_CAP, 0, false));
	for (msr = MSR_MTRR_FIX4K; msr < MSR_MTRR_FIX4K + 8; msr++)
		KUNIT_EXPECT_TRUE(test, writable(test, msr, 0x0606060605040100 + (msr & 1),
						 false));
	KUNIT_EXPECT_EQ(test, value(test, MSR_MTRR_FIX4K), 0x0606060605040100);
	KUNIT_EXPECT_EQ(test, value(test, MSR_MTRR_FIX4K + 7), 0x0606060605040101);
	KUNIT_EXPECT_FALSE(test, writable(test, MSR_MTRR_FIX64K, 7, false));
	KUNIT_EXPECT_FALSE(test, writable(test, MSR_MTRR_FIX16K + 1, 0x0200, false));
	KUNIT_EXPECT_FALSE(test, readable(test, MSR_MTRR_FIX16K + 2, false));
	/* 36 physical bits in this fixture */
	KUNIT_EXPECT_TRUE(test, writable(test, MSR_MTRR_PHYS, 0xfc0000006, false));
	KUNIT_EXPECT_TRUE(test, writable(test, MSR_MTRR_PHYS + 1, 0xfc0000800, false));
	KUNIT_EXPECT_FALSE(test, writable(test, MSR_MTRR_PHYS, 0x1000000000, false));
	KUNIT_EXPECT_FALSE(test, writable(test, MSR_MTRR_PHYS, 0x102, false));
	KUNIT_EXPECT_FALSE(test, writable(test, MSR_MTRR_PHYS + 1, 0x400, false));
	KUNIT_EXPECT_TRUE(test, readable(test, MSR_MTRR_PHYS + 15, false));
	KUNIT_EXPECT_FALSE(test, readable(test, MSR_MTRR_PHYS + 16, false));
	KUNIT_EXPECT_TRUE(test, writable(test, MSR_MTRR_DEF_TYPE, 0xc06, false));
	KUNIT_EXPECT_FALSE(test, writable(test, MSR_MTRR_DEF_TYPE, 0x1006, false));
	KUNIT_EXPECT_FALSE(test, writable(test, MSR_MTRR_DEF_TYPE, 0xc02, false));
}

static void machine_check(struct kunit *test)
{
	u32 bank0 = MSR_IA32_MC0_CTL, last = MSR_IA32_MC0_CTL + 4 * CPU_MCE_BANKS - 1;

	KUNIT_EXPECT_EQ(test, value(test, MSR_IA32_MCG_CAP), CPU_MCE_BANKS);
	KUNIT_EXPECT_FALSE(test, writable(test, MSR_IA32_MCG_CAP, 1, true));
	KUNIT_EXPECT_FALSE(test, readable(test, MSR_IA32_MCG_CTL, false));
	KUNIT_EXPECT_TRUE(test, writable(test, bank0, ~0ull, false));
	KUNIT_EXPECT_EQ(test, value(test, bank0), ~0ull);
	KUNIT_EXPECT_TRUE(test, writable(test, last, 0, false));
	KUNIT_EXPECT_FALSE(test, writable(test, last + 1, 0, false));
	/* A guest clears status, only user space makes one. */
	KUNIT_EXPECT_FALSE(test, writable(test, bank0 + 1, BIT_ULL(63), false));
	KUNIT_EXPECT_TRUE(test, writable(test, bank0 + 1, BIT_ULL(63), true));
	KUNIT_EXPECT_TRUE(test, writable(test, bank0 + 1, 0, false));
	KUNIT_EXPECT_FALSE(test, writable(test, MSR_IA32_MCG_STATUS, 8, false));
	KUNIT_EXPECT_TRUE(test, writable(test, MSR_K7_HWCR, BIT_ULL(18), false));
	KUNIT_EXPECT_TRUE(test, writable(test, bank0 + 1, BIT_ULL(63), false));
	KUNIT_EXPECT_FALSE(test, writable(test, MSR_K7_HWCR, BIT_ULL(40), false));
}

/* What the guest's CPUID does not give is #GP for it, and there for user space. */
static void gated(struct kunit *test)
{
	static const struct {
		u32 msr;
		unsigned int feature;
	} rows[] = {
		{ MSR_IA32_TSC_ADJUST, X86_FEATURE_TSC_ADJUST },
		{ MSR_IA32_TSC_DEADLINE, X86_FEATURE_TSC_DEADLINE_TIMER },
		{ MSR_TSC_AUX, X86_FEATURE_RDTSCP },
		{ MSR_IA32_ARCH_CAPABILITIES, X86_FEATURE_ARCH_CAPABILITIES },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		KUNIT_EXPECT_FALSE(test, readable(test, rows[i].msr, false));
		KUNIT_EXPECT_FALSE(test, writable(test, rows[i].msr, 0, false));
		KUNIT_EXPECT_TRUE(test, readable(test, rows[i].msr, true));
		give(cpu_fixture_vcpu(test), rows[i].feature);
		KUNIT_EXPECT_TRUE(test, readable(test, rows[i].msr, false));
	}
	KUNIT_EXPECT_FALSE(test, writable(test, MSR_IA32_ARCH_CAPABILITIES, 0, false));
	KUNIT_EXPECT_FALSE(test, writable(test, MSR_TSC_AUX, BIT_ULL(32), true));
	/* Without in-kernel APIC there is no x2APIC range. */
	KUNIT_EXPECT_FALSE(test, readable(test, 0x802, false));
	KUNIT_EXPECT_FALSE(test, writable(test, 0x80b, 0, false));
}

static void spec_ctrl(struct kunit *test)
{
	u64 bits = msr_spec_ctrl_bits();

	KUNIT_EXPECT_FALSE(test, writable(test, MSR_IA32_SPEC_CTRL, 0, false));
	KUNIT_EXPECT_EQ(test, writable(test, MSR_IA32_SPEC_CTRL, bits, true), bits != 0);
	KUNIT_EXPECT_FALSE(test, writable(test, MSR_IA32_SPEC_CTRL, BIT_ULL(20), true));
	KUNIT_EXPECT_FALSE(test, readable(test, MSR_IA32_PRED_CMD, true));
	KUNIT_EXPECT_FALSE(test, writable(test, MSR_IA32_PRED_CMD, 1, false));
}

static bool listed(struct kunit *test, u32 msr)
{
	const u32 room = 128;
	struct kvm_msr_list *list;
	u32 i;

	list = cpu_fixture_alloc(test, sizeof(*list) + room * sizeof(list->indices[0]));
	KUNIT_ASSERT_EQ(test, msr_index_list(list, room), 0);
	for (i = 0; i < list->nmsrs; i++)
		if (list->indices[i] == msr)
			return true;
	return false;
}

/* IA32_XSS is there with XSAVES, and 0: there is no supervisor state. */
static void xss(struct kunit *test)
{
	struct vcpu *vcpu = cpu_fixture_vcpu(test);
	bool had = backend_caps.xsaves;

	backend_caps.xsaves = false;
	give(vcpu, X86_FEATURE_XSAVES);
	KUNIT_EXPECT_FALSE(test, readable(test, MSR_IA32_XSS, true));
	KUNIT_EXPECT_FALSE(test, writable(test, MSR_IA32_XSS, 0, true));
	KUNIT_EXPECT_FALSE(test, readable(test, MSR_IA32_XSS, false));
	KUNIT_EXPECT_FALSE(test, listed(test, MSR_IA32_XSS));
	backend_caps.xsaves = true;
	KUNIT_EXPECT_TRUE(test, listed(test, MSR_IA32_XSS));
	KUNIT_EXPECT_TRUE(test, readable(test, MSR_IA32_XSS, false));
	KUNIT_EXPECT_TRUE(test, writable(test, MSR_IA32_XSS, 0, false));
	KUNIT_EXPECT_FALSE(test, writable(test, MSR_IA32_XSS, BIT_ULL(8), false));
	KUNIT_EXPECT_FALSE(test, writable(test, MSR_IA32_XSS, BIT_ULL(8), true));
	vcpu->cpuid.caps[X86_FEATURE_XSAVES / 32] = 0;
	KUNIT_EXPECT_FALSE(test, readable(test, MSR_IA32_XSS, false));
	KUNIT_EXPECT_FALSE(test, writable(test, MSR_IA32_XSS, 0, false));
	KUNIT_EXPECT_TRUE(test, readable(test, MSR_IA32_XSS, true));
	KUNIT_EXPECT_TRUE(test, writable(test, MSR_IA32_XSS, 0, true));
	backend_caps.xsaves = had;
}

/* An entry touches SPEC_CTRL only where it has to. */
static void spec_ctrl_at_entry(struct kunit *test)
{
	struct vcpu *vcpu = cpu_fixture_vcpu(test);
	u64 host = ~0ULL;

	hw_spec_ctrl(vcpu, 0, &host);
	KUNIT_EXPECT_EQ(test, host & ~msr_spec_ctrl_bits(), 0);
	KUNIT_EXPECT_EQ(test, hw_spec_ctrl(vcpu, host, &host), 0);
	KUNIT_EXPECT_EQ(test, hw_spec_ctrl(vcpu, ~host, &host), ENTRY_SPEC_WRITE);
	/* A value that the guest writes unseen has to be read back. */
	vcpu->policy.spec_passed = true;
	KUNIT_EXPECT_EQ(test, hw_spec_ctrl(vcpu, host, &host), ENTRY_SPEC_WRITE | ENTRY_SPEC_READ);
}

/* The bits that are kept from the hardware: CD, NW, and CR4.MCE, which is the host's. */
static void hidden_cr_bits(struct kunit *test)
{
	u64 mce = cr4_read_shadow() & X86_CR4_MCE;
	struct vcpu_state st = { .cr0 = ~0ULL, .cr4 = 0 };

	KUNIT_EXPECT_EQ(test, hw_cr0(&st), ~(u64)(X86_CR0_CD | X86_CR0_NW));
	KUNIT_EXPECT_EQ(test, hw_cr4(&st), mce);
	st.cr4 = X86_CR4_PAE;
	KUNIT_EXPECT_EQ(test, hw_cr4(&st), mce | X86_CR4_PAE);
}

/* The list says exactly what KVM_GET_MSRS gives, and what it gives can be set again. */
static void index_list(struct kunit *test)
{
	const u32 room = 128;
	struct kvm_msr_list *list, none = {};
	u64 val;
	u32 i, j;

	list = cpu_fixture_alloc(test, sizeof(*list) + room * sizeof(list->indices[0]));
	KUNIT_ASSERT_EQ(test, msr_index_list(list, room), 0);
	KUNIT_EXPECT_EQ(test, msr_index_list(&none, 0), -E2BIG);
	KUNIT_EXPECT_EQ(test, none.nmsrs, list->nmsrs);
	for (i = 0; i < list->nmsrs; i++) {
		u32 msr = list->indices[i];

		for (j = 0; j < i; j++)
			KUNIT_EXPECT_NE(test, msr, list->indices[j]);
		KUNIT_EXPECT_EQ_MSG(test, msr_read(cpu_fixture_vcpu(test), msr, &val, true), 0,
				    "MSR 0x%x", msr);
		KUNIT_EXPECT_EQ_MSG(test, msr_write(cpu_fixture_vcpu(test), msr, val, true), 0,
				    "MSR 0x%x", msr);
	}
}

static void feature_list(struct kunit *test)
{
	struct kvm_msr_list *list;
	u64 val;
	u32 i;

	list = cpu_fixture_alloc(test, sizeof(*list) + 16 * sizeof(list->indices[0]));
	KUNIT_EXPECT_EQ(test, msr_feature_index_list(list, 1), -E2BIG);
	KUNIT_ASSERT_EQ(test, msr_feature_index_list(list, 16), 0);
	for (i = 0; i < list->nmsrs; i++)
		KUNIT_EXPECT_EQ(test, msr_feature_read(list->indices[i], &val), 0);
	KUNIT_EXPECT_EQ(test, msr_feature_read(MSR_EFER, &val), 1);
}

/* ---- control registers ---- */

static void control_registers(struct kunit *test)
{
	struct vcpu *vcpu = cpu_fixture_vcpu(test);

	KUNIT_EXPECT_EQ(test, cr_write(vcpu, 0, BIT_ULL(32)), 1);
	KUNIT_EXPECT_EQ(test, cr_write(vcpu, 0, X86_CR0_PE | X86_CR0_NW), 1);
	KUNIT_EXPECT_EQ(test, cr_write(vcpu, 0, X86_CR0_PG), 1);
	KUNIT_EXPECT_EQ(test, cr_write(vcpu, 4, BIT_ULL(31)), 1);
	vcpu->cpuid.cr4_reserved |= X86_CR4_LA57;
	KUNIT_EXPECT_EQ(test, cr_write(vcpu, 4, X86_CR4_LA57), 1);
	KUNIT_EXPECT_EQ(test, cr_write(vcpu, 8, 16), 1);
	KUNIT_EXPECT_EQ(test, cr_write(vcpu, 8, 15), 0);
	KUNIT_EXPECT_EQ(test, vcpu->state.cr8, 15);
	KUNIT_EXPECT_EQ(test, cr_write(vcpu, 1, 0), 1);
	KUNIT_EXPECT_EQ(test, cr_write(vcpu, 0, X86_CR0_PE), 0);
	/* ET is always one. */
	KUNIT_EXPECT_EQ(test, vcpu->state.cr0, X86_CR0_PE | X86_CR0_ET);
}

/* The way into long mode and out of it (APM vol. 2, 14.6). */
static void long_mode(struct kunit *test)
{
	struct vcpu *vcpu = cpu_fixture_vcpu(test);
	struct vcpu_state *st = &vcpu->state;
	const u64 cr0 = X86_CR0_PE | X86_CR0_ET;
	bool had_pdptes = backend_caps.pdptes;

	give(vcpu, X86_FEATURE_LM);
	vcpu->cpuid.efer_reserved = ~(u64)(EFER_LME | EFER_LMA);
	KUNIT_EXPECT_EQ(test, efer_write(vcpu, EFER_SVME, false), 1);
	KUNIT_EXPECT_EQ(test, efer_write(vcpu, EFER_NX, false), 1);
	KUNIT_EXPECT_EQ(test, efer_write(vcpu, EFER_NX, true), 0);
	KUNIT_EXPECT_EQ(test, efer_write(vcpu, EFER_LME | EFER_LMA, false), 0);
	KUNIT_EXPECT_EQ(test, st->efer, EFER_LME);
	/* Paging needs PAE, and CS must not be 64-bit yet. */
	KUNIT_EXPECT_EQ(test, cr_write(vcpu, 0, cr0 | X86_CR0_PG), 1);
	KUNIT_EXPECT_EQ(test, cr_write(vcpu, 4, X86_CR4_PAE), 0);
	st->seg[SEG_CS].attr = SEG_L;
	KUNIT_EXPECT_EQ(test, cr_write(vcpu, 0, cr0 | X86_CR0_PG), 1);
	st->seg[SEG_CS].attr = 0;
	/* Nor must TR be of 16 bits, says Intel; there PDPTEs are loaded, too. */
	st->seg[SEG_TR].attr = 3 | SEG_P;
	backend_caps.pdptes = true;
	KUNIT_EXPECT_EQ(test, cr_write(vcpu, 0, cr0 | X86_CR0_PG), 1);
	backend_caps.pdptes = false;
	clear_bit(REQ_TLB_FLUSH_GUEST, &vcpu->requests);
	KUNIT_EXPECT_EQ(test, cr_write(vcpu, 0, cr0 | X86_CR0_PG), 0);
	backend_caps.pdptes = had_pdptes;
	KUNIT_EXPECT_EQ(test, st->efer, EFER_LME | EFER_LMA);
	KUNIT_EXPECT_TRUE(test, test_bit(REQ_TLB_FLUSH_GUEST, &vcpu->requests));
	/* Now neither LME nor PAE may change, and CR3 has reserved bits. */
	KUNIT_EXPECT_EQ(test, efer_write(vcpu, 0, true), 1);
	KUNIT_EXPECT_EQ(test, cr_write(vcpu, 4, 0), 1);
	KUNIT_EXPECT_EQ(test, cr_write(vcpu, 3, BIT_ULL(36)), 1);
	KUNIT_EXPECT_EQ(test, cr_write(vcpu, 3, BIT_ULL(63)), 1);
	KUNIT_EXPECT_EQ(test, cr_write(vcpu, 3, 0x1000), 0);
	st->seg[SEG_CS].attr = SEG_L;
	KUNIT_EXPECT_EQ(test, cr_write(vcpu, 0, cr0), 1);
	st->seg[SEG_CS].attr = 0;
	KUNIT_EXPECT_EQ(test, cr_write(vcpu, 0, cr0), 0);
	KUNIT_EXPECT_EQ(test, st->efer, EFER_LME);
}

static void pcid(struct kunit *test)
{
	struct vcpu *vcpu = cpu_fixture_vcpu(test);
	struct vcpu_state *st = &vcpu->state;

	vcpu->cpuid.cr4_reserved &= ~(u64)X86_CR4_PCIDE;
	st->cr0 |= X86_CR0_PG;
	st->efer = EFER_LME | EFER_LMA;
	st->cr4 = X86_CR4_PAE;
	st->cr3 = 0x1001;
	KUNIT_EXPECT_EQ(test, cr_write(vcpu, 4, X86_CR4_PAE | X86_CR4_PCIDE), 1);
	st->cr3 = 0x1000;
	KUNIT_EXPECT_EQ(test, cr_write(vcpu, 4, X86_CR4_PAE | X86_CR4_PCIDE), 0);
	clear_bit(REQ_TLB_FLUSH_GUEST, &vcpu->requests);
	/* Bit 63 keeps the translations, and is not stored. */
	KUNIT_EXPECT_EQ(test, cr_write(vcpu, 3, BIT_ULL(63) | 0x2005), 0);
	KUNIT_EXPECT_EQ(test, st->cr3, 0x2005);
	KUNIT_EXPECT_FALSE(test, test_bit(REQ_TLB_FLUSH_GUEST, &vcpu->requests));
	KUNIT_EXPECT_EQ(test, cr_write(vcpu, 0, X86_CR0_PE), 1);
}

/* ---- SREGS ---- */

static void sregs_validity(struct kunit *test)
{
	static const struct {
		u64 cr0, cr3, cr4, efer;
		u8 l, db;
		int err;
	} rows[] = {
		{ .cr0 = X86_CR0_PE },
		{ .cr0 = X86_CR0_PE | X86_CR0_PG, .cr4 = X86_CR4_PSE },
		{ X86_CR0_PE | X86_CR0_PG, 0x1000, X86_CR4_PAE, EFER_LME | EFER_LMA, 1, 0, 0 },
		{ X86_CR0_PE | X86_CR0_PG, 0x1000, X86_CR4_PAE, EFER_LME | EFER_LMA, 0, 1, 0 },
		{ X86_CR0_PE | X86_CR0_PG, 0x1000, X86_CR4_PAE, EFER_LME | EFER_LMA, 1, 1,
		  -EINVAL },
		{ .cr0 = X86_CR0_PG, .err = -EINVAL },
		{ .cr0 = X86_CR0_PE | X86_CR0_NW, .err = -EINVAL },
		{ .cr0 = BIT_ULL(40), .err = -EINVAL },
		{ .cr0 = X86_CR0_PE, .cr4 = BIT_ULL(40), .err = -EINVAL },
		{ .cr0 = X86_CR0_PE, .cr4 = X86_CR4_LA57, .err = -EINVAL },
		{ .cr0 = X86_CR0_PE, .efer = EFER_SVME, .err = -EINVAL },
		{ .cr0 = X86_CR0_PE, .efer = EFER_LMA, .err = -EINVAL },
		{ .cr0 = X86_CR0_PE, .efer = EFER_LME },
		{ .cr0 = X86_CR0_PE, .l = 1, .err = -EINVAL },
		{ X86_CR0_PE | X86_CR0_PG, 0x1000, X86_CR4_PAE, EFER_LME, 0, 1, -EINVAL },
		{ X86_CR0_PE | X86_CR0_PG, 0x1000, 0, EFER_LME | EFER_LMA, 1, 0, -EINVAL },
		{ X86_CR0_PE | X86_CR0_PG, BIT_ULL(36), X86_CR4_PAE, EFER_LME | EFER_LMA, 1, 0,
		  -EINVAL },
	};
	struct vcpu *vcpu = cpu_fixture_vcpu(test);
	struct kvm_sregs s;
	int i;

	vcpu->cpuid.cr4_reserved |= X86_CR4_LA57;
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		sregs_get(vcpu, &s);
		s.cr0 = rows[i].cr0;
		s.cr3 = rows[i].cr3;
		s.cr4 = rows[i].cr4;
		s.efer = rows[i].efer;
		s.cs.l = rows[i].l;
		s.cs.db = rows[i].db;
		KUNIT_EXPECT_EQ_MSG(test, sregs_set(vcpu, &s), rows[i].err, "row %d", i);
	}
}

static void sregs_round_trip(struct kunit *test)
{
	struct vcpu *vcpu = cpu_fixture_vcpu(test);
	struct kvm_sregs in = {
		.cs = { .base = 0x1000, .limit = 0xffffffff, .selector = 8, .type = 0xb,
			.present = 1, .dpl = 3, .db = 1, .s = 1, .g = 1, .avl = 1 },
		.ss = { .selector = 0x13, .type = 3, .present = 1, .dpl = 3, .s = 1 },
		.tr = { .selector = 0x28, .type = 0xb, .present = 1, .limit = 0x67 },
		.ldt = { .unusable = 1 }, .ds = { .unusable = 1 }, .es = { .unusable = 1 },
		.fs = { .unusable = 1, .base = 0x1234 }, .gs = { .unusable = 1 },
		.gdt = { .base = 0x2000, .limit = 0x2f }, .idt = { .base = 0x3000, .limit = 0xfff },
		.cr0 = X86_CR0_PE | X86_CR0_ET, .cr2 = 0x44, .cr3 = 0x5000, .cr4 = X86_CR4_PAE,
		.cr8 = 5, .efer = EFER_NX,
	}, out;

	in.interrupt_bitmap[1] = BIT_ULL(7);
	KUNIT_ASSERT_EQ(test, sregs_set(vcpu, &in), 0);
	KUNIT_EXPECT_EQ(test, vcpu->state.cpl, 3);
	KUNIT_EXPECT_EQ(test, vcpu->events.ext_irq, 71);
	KUNIT_EXPECT_TRUE(test, test_bit(REQ_TLB_FLUSH, &vcpu->requests));
	sregs_get(vcpu, &out);
	KUNIT_EXPECT_EQ(test, memcmp(&in, &out, sizeof(in)), 0);
}

static struct kunit_case msr_cases[] = {
	KUNIT_CASE(unknown),
	KUNIT_CASE(ignored),
	KUNIT_CASE(canonical_bases),
	KUNIT_CASE(pat),
	KUNIT_CASE(mtrrs),
	KUNIT_CASE(machine_check),
	KUNIT_CASE(gated),
	KUNIT_CASE(xss),
	KUNIT_CASE(spec_ctrl),
	KUNIT_CASE(spec_ctrl_at_entry),
	KUNIT_CASE(hidden_cr_bits),
	KUNIT_CASE(index_list),
	KUNIT_CASE(feature_list),
	KUNIT_CASE(control_registers),
	KUNIT_CASE(long_mode),
	KUNIT_CASE(pcid),
	KUNIT_CASE(sregs_validity),
	KUNIT_CASE(sregs_round_trip),
	{}
};

struct kunit_suite msr_suite = {
	.name = "vmm_msr",
	.init = cpu_fixture_init,
	.exit = cpu_fixture_exit,
	.test_cases = msr_cases,
};
