// SPDX-License-Identifier: GPL-2.0
/*
 * Model-specific registers: what RDMSR and WRMSR and user space get. The order of the tests is the
 * order of heat: timer and x2APIC first, no lookup before them.
 */
#include <linux/nospec.h>
#include <linux/smp.h>
#include <linux/topology.h>
#include <asm/segment.h>

#include "../trace.h"
#include "internal.h"

#define MSR_IS_X2APIC(msr)	(((msr) & ~0xffu) == 0x800)

#define DEBUGCTL_BITS	(DEBUGCTLMSR_LBR | DEBUGCTLMSR_BTF)
/* HWCR: cache and FPU quirks, machine-check writes, the TSC's rate: the first are dropped. */
#define HWCR_DROPPED	(BIT_ULL(3) | BIT_ULL(6) | BIT_ULL(8))
#define HWCR_KEPT	(BIT_ULL(18) | MSR_K7_HWCR_TSC_FREQ_SEL)
#define MISC_ENABLE_FIXED (MSR_IA32_MISC_ENABLE_BTS_UNAVAIL | MSR_IA32_MISC_ENABLE_PEBS_UNAVAIL)

/*
 * By the width of the processor's addresses, not of the mode's (SDM vol. 2, WRMSR): of the guest's,
 * as CPUID has it, but also of the host's, which is given the value.
 */
static bool canonical(struct vcpu *vcpu, u64 addr)
{
	int bits = guest_has(vcpu, X86_FEATURE_LA57) ? 57 : 48;
	int shift = 64 - min_t(int, bits, boot_cpu_data.x86_virt_bits);

	return (u64)((s64)(addr << shift) >> shift) == addr;
}

void msr_intercept(struct vcpu *vcpu, u32 msr, bool rd, bool wr)
{
	if (msr == MSR_IA32_SPEC_CTRL)
		vcpu->policy.spec_passed = !wr;
	backend_msr_intercept(vcpu, msr, rd, wr);
}

/* From now on the processor serves it, as far as user space lets the guest. */
static void msr_pass(struct vcpu *vcpu, u32 msr)
{
	msr_intercept(vcpu, msr, msr_filter_denies(vcpu, msr, false),
		      msr_filter_denies(vcpu, msr, true));
}

/* ---- speculation control ---- */

u64 msr_spec_ctrl_bits(void)
{
	u64 bits = 0;

	if (boot_cpu_has(X86_FEATURE_SPEC_CTRL) || boot_cpu_has(X86_FEATURE_AMD_IBRS))
		bits |= SPEC_CTRL_IBRS;
	if (boot_cpu_has(X86_FEATURE_INTEL_STIBP) || boot_cpu_has(X86_FEATURE_AMD_STIBP))
		bits |= SPEC_CTRL_STIBP;
	if (boot_cpu_has(X86_FEATURE_SPEC_CTRL_SSBD) || boot_cpu_has(X86_FEATURE_AMD_SSBD))
		bits |= SPEC_CTRL_SSBD;
	return bits;
}
EXPORT_FOR_TEST(msr_spec_ctrl_bits);

static bool guest_has_spec_ctrl(struct vcpu *vcpu)
{
	return guest_has(vcpu, X86_FEATURE_SPEC_CTRL) || guest_has(vcpu, X86_FEATURE_AMD_IBRS) ||
	       guest_has(vcpu, X86_FEATURE_INTEL_STIBP) || guest_has(vcpu, X86_FEATURE_AMD_STIBP) ||
	       guest_has(vcpu, X86_FEATURE_SPEC_CTRL_SSBD) ||
	       guest_has(vcpu, X86_FEATURE_AMD_SSBD);
}

static int spec_ctrl_read(struct vcpu *vcpu, u64 *val, bool host)
{
	if (!msr_spec_ctrl_bits() || (!host && !guest_has_spec_ctrl(vcpu)))
		return 1;
	if (backend_get_msr(vcpu, MSR_IA32_SPEC_CTRL, val))
		*val = vcpu->msrs.spec_ctrl;
	return 0;
}

static int spec_ctrl_write(struct vcpu *vcpu, u64 val, bool host)
{
	u64 bits = msr_spec_ctrl_bits();

	if (!bits || (val & ~bits) || (!host && !guest_has_spec_ctrl(vcpu)))
		return 1;
	vcpu->msrs.spec_ctrl = val;
	backend_set_msr(vcpu, MSR_IA32_SPEC_CTRL, val);
	/* A guest that writes it does so at every switch: from now on without us. */
	if (val && !host)
		msr_pass(vcpu, MSR_IA32_SPEC_CTRL);
	return 0;
}

static int pred_cmd_write(struct vcpu *vcpu, u64 val, bool host)
{
	if (!host && !guest_has(vcpu, X86_FEATURE_SPEC_CTRL) &&
	    !guest_has(vcpu, X86_FEATURE_AMD_IBPB))
		return 1;
	if (val & ~(u64)PRED_CMD_IBPB || !boot_cpu_has(X86_FEATURE_IBPB))
		return 1;
	if (!val || host)
		return 0;
	wrmsrl(MSR_IA32_PRED_CMD, PRED_CMD_IBPB);
	msr_intercept(vcpu, MSR_IA32_PRED_CMD, true,
		      msr_filter_denies(vcpu, MSR_IA32_PRED_CMD, true));
	return 0;
}

/* ---- registers that are a place in struct vcpu ---- */

/* What may be written there; PLACE_SPECIAL: soft_msr_write() knows. */
enum place_kind { PLACE_ANY, PLACE_ADDRESS, PLACE_PAT, PLACE_MTRR, PLACE_SPECIAL };

static const struct msr_place {
	u32 first, count;
	u32 offset;
	u8 group;	/* STATE_*, 0: not of vcpu->state */
	u8 kind;
} places[] = {
#define IN(member) offsetof(struct vcpu, member)
	{ MSR_STAR, 1, IN(state.star), STATE_MSRS },
	{ MSR_LSTAR, 2, IN(state.lstar), STATE_MSRS, PLACE_ADDRESS },	/* and CSTAR */
	{ MSR_SYSCALL_MASK, 1, IN(state.sfmask), STATE_MSRS },
	{ MSR_KERNEL_GS_BASE, 1, IN(state.kernel_gs_base), STATE_MSRS, PLACE_ADDRESS },
	{ MSR_FS_BASE, 1, IN(state.seg[SEG_FS].base), STATE_SEGS, PLACE_ADDRESS },
	{ MSR_GS_BASE, 1, IN(state.seg[SEG_GS].base), STATE_SEGS, PLACE_ADDRESS },
	{ MSR_IA32_SYSENTER_CS, 1, IN(state.sysenter_cs), STATE_MSRS },
	{ MSR_IA32_SYSENTER_ESP, 2, IN(state.sysenter_esp), STATE_MSRS, PLACE_ADDRESS }, /* EIP */
	{ MSR_IA32_CR_PAT, 1, IN(state.pat), STATE_MSRS, PLACE_PAT },
	{ MSR_EFER, 1, IN(state.efer), STATE_CRS, PLACE_SPECIAL },
	{ MSR_IA32_APICBASE, 1, IN(msrs.apic_base), 0, PLACE_SPECIAL },
	{ MSR_TSC_AUX, 1, IN(msrs.tsc_aux), 0, PLACE_SPECIAL },
	{ MSR_IA32_MISC_ENABLE, 1, IN(msrs.misc_enable), 0, PLACE_SPECIAL },
	{ MSR_PLATFORM_INFO, 1, IN(msrs.platform_info), 0, PLACE_SPECIAL },
	{ MSR_IA32_ARCH_CAPABILITIES, 1, IN(msrs.arch_capabilities), 0, PLACE_SPECIAL },
	{ MSR_IA32_UCODE_REV, 1, IN(msrs.microcode), 0, PLACE_SPECIAL },
	{ MSR_K7_HWCR, 1, IN(msrs.hwcr), 0, PLACE_SPECIAL },
	{ MSR_AMD64_DE_CFG, 1, IN(msrs.de_cfg), 0, PLACE_SPECIAL },
	{ MSR_MTRR_DEF_TYPE, 1, IN(msrs.mtrr_def_type), 0, PLACE_MTRR },
	{ MSR_MTRR_FIX64K, 1, IN(msrs.mtrr_fixed[0]), 0, PLACE_MTRR },
	{ MSR_MTRR_FIX16K, 2, IN(msrs.mtrr_fixed[1]), 0, PLACE_MTRR },
	{ MSR_MTRR_FIX4K, 8, IN(msrs.mtrr_fixed[3]), 0, PLACE_MTRR },
	{ MSR_MTRR_PHYS, 2 * MTRR_VARIABLE, IN(msrs.mtrr_var), 0, PLACE_MTRR },
#undef IN
};

/* Where a register is, with its group of the state at hand; NULL: nowhere. */
static u64 *msr_place(struct vcpu *vcpu, u32 msr, const struct msr_place **row)
{
	const struct msr_place *p;
	u32 n;

	for (p = places; p < places + ARRAY_SIZE(places); p++) {
		n = msr - p->first;
		if (n >= p->count)
			continue;
		*row = p;
		state_get(vcpu, p->group);
		return (void *)vcpu + p->offset + sizeof(u64) * array_index_nospec(n, p->count);
	}
	return NULL;
}

static bool place_takes(struct vcpu *vcpu, u8 kind, u32 msr, u64 val)
{
	switch (kind) {
	case PLACE_ADDRESS:
		return canonical(vcpu, val);
	case PLACE_PAT:
		return pat_valid(val);
	case PLACE_MTRR:
		return mtrr_valid(vcpu, msr, val);
	default:
		return true;
	}
}

static int placed_write(struct vcpu *vcpu, u32 msr, u64 val)
{
	const struct msr_place *row;
	u64 *place = msr_place(vcpu, msr, &row);

	if (!place || row->kind == PLACE_SPECIAL)
		return -ENOENT;
	if (!place_takes(vcpu, row->kind, msr, val))
		return 1;
	*place = val;
	state_dirty(vcpu, row->group);
	return 0;
}

/* ---- reads ---- */

static bool guest_has_tsc_aux(struct vcpu *vcpu)
{
	return guest_has(vcpu, X86_FEATURE_RDTSCP) || guest_has(vcpu, X86_FEATURE_RDPID);
}

/* Was the guest given this register? */
static bool guest_has_msr(struct vcpu *vcpu, u32 msr)
{
	switch (msr) {
	case MSR_TSC_AUX:
		return guest_has_tsc_aux(vcpu);
	case MSR_PLATFORM_INFO:
		return !vcpu->vm->policy.platform_info_hidden;
	case MSR_IA32_ARCH_CAPABILITIES:
		return guest_has(vcpu, X86_FEATURE_ARCH_CAPABILITIES);
	default:
		return true;
	}
}

static int cold_read(struct vcpu *vcpu, u32 msr, u64 *val, bool host)
{
	const struct msr_place *row;
	u64 *place = msr_place(vcpu, msr, &row);
	int ret;

	if (place) {
		*val = *place;
		return !host && !guest_has_msr(vcpu, msr);
	}
	switch (msr) {
	case MSR_IA32_SPEC_CTRL:
		return spec_ctrl_read(vcpu, val, host);
	case MSR_IA32_XSS:
		*val = 0;
		return xss_access(vcpu, 0, host);
	case MSR_MTRR_CAP:
		*val = MTRR_CAP;
		return 0;
	case MSR_IA32_DEBUGCTLMSR:
		if (backend_get_msr(vcpu, msr, val))
			*val = vcpu->msrs.debugctl;
		return 0;
	}
	ret = mce_read(vcpu, msr, val);
	if (ret == -ENOENT)
		ret = pv_msr_read(vcpu, msr, val, host);
	if (ret == -ENOENT)
		ret = msr_ignored_read(msr, val);
	return ret;
}

static int deadline_read(struct vcpu *vcpu, u64 *val, bool host)
{
	if (!host && !guest_has(vcpu, X86_FEATURE_TSC_DEADLINE_TIMER))
		return 1;
	*val = lapic_tsc_deadline_get(vcpu);
	return 0;
}

/**
 * msr_read() - RDMSR, KVM_GET_MSRS
 * @vcpu: the vCPU, loaded
 * @msr: its number
 * @val: the value
 * @host: user space asks: features the guest was not given do not matter
 *
 * Return: 0; 1: #GP(0), not readable for user space; -ENOENT: likewise, there is no such register
 */
int msr_read(struct vcpu *vcpu, u32 msr, u64 *val, bool host)
{
	if (msr == MSR_IA32_TSC_DEADLINE)
		return deadline_read(vcpu, val, host);
	if (MSR_IS_X2APIC(msr))
		return !vcpu->apic || host || lapic_msr_read(vcpu, msr, val);
	if (msr == MSR_IA32_TSC_ADJUST) {
		*val = vcpu->msrs.tsc_adjust;
		return !host && !guest_has(vcpu, X86_FEATURE_TSC_ADJUST);
	}
	if (msr == MSR_IA32_TSC) {
		*val = tsc_read(vcpu);
		return 0;
	}
	return cold_read(vcpu, msr, val, host);
}
EXPORT_FOR_TEST(msr_read);

/* ---- writes ---- */

static bool host_has_tsc_aux(void)
{
	return boot_cpu_has(X86_FEATURE_RDTSCP) || boot_cpu_has(X86_FEATURE_RDPID);
}

/* What the kernel writes there at boot, for getcpu() of user space. */
static u64 host_tsc_aux(void)
{
	int cpu = smp_processor_id();

	return vdso_encode_cpunode(cpu, cpu_to_node(cpu));
}

/**
 * msr_tsc_aux_load() - give RDTSCP and RDPID of the guest their value
 * @vcpu: the vCPU, loaded
 *
 * Neither can be intercepted for good, and the host's kernel does not use the register: its value
 * goes back when the thread leaves the processor or KVM_RUN, not at each exit.
 *
 * Context: preemption off.
 */
void msr_tsc_aux_load(struct vcpu *vcpu)
{
	struct vcpu_msrs *m = &vcpu->msrs;

	m->tsc_aux_loaded = true;
	if (host_has_tsc_aux() && m->tsc_aux != host_tsc_aux())
		wrmsrl(MSR_TSC_AUX, m->tsc_aux);
}

/**
 * msr_tsc_aux_put() - undo msr_tsc_aux_load(), where it was done
 * @vcpu: the vCPU, on the same processor still
 *
 * Context: preemption off.
 */
void msr_tsc_aux_put(struct vcpu *vcpu)
{
	struct vcpu_msrs *m = &vcpu->msrs;

	if (!m->tsc_aux_loaded)
		return;
	m->tsc_aux_loaded = false;
	if (host_has_tsc_aux() && m->tsc_aux != host_tsc_aux())
		wrmsrl(MSR_TSC_AUX, host_tsc_aux());
}

static int tsc_aux_write(struct vcpu *vcpu, u64 val, bool host)
{
	if (val >> 32 || (!host && !guest_has_tsc_aux(vcpu)))
		return 1;
	preempt_disable();
	/* The next entry loads the new one. */
	msr_tsc_aux_put(vcpu);
	vcpu->msrs.tsc_aux = val;
	preempt_enable();
	return 0;
}

static int misc_enable_write(struct vcpu *vcpu, u64 val, bool host)
{
	if (!host && ((val ^ vcpu->msrs.misc_enable) & MISC_ENABLE_FIXED))
		return 1;
	vcpu->msrs.misc_enable = val;
	cpuid_update(vcpu);
	return 0;
}

static int hwcr_write(struct vcpu *vcpu, u64 val)
{
	val &= ~HWCR_DROPPED;
	if (val & ~HWCR_KEPT)
		return 1;
	vcpu->msrs.hwcr = val;
	return 0;
}

static int debugctl_write(struct vcpu *vcpu, u64 val)
{
	if (val & ~(u64)DEBUGCTL_BITS)
		return 1;
	/* Where the backend has no LBR virtualization the bits are kept and do nothing. */
	backend_set_msr(vcpu, MSR_IA32_DEBUGCTLMSR, val);
	vcpu->msrs.debugctl = val;
	return 0;
}

static int soft_msr_write(struct vcpu *vcpu, u32 msr, u64 val, bool host)
{
	struct vcpu_msrs *m = &vcpu->msrs;

	switch (msr) {
	case MSR_EFER:
		return efer_write(vcpu, val, host);
	case MSR_IA32_APICBASE:
		return lapic_base_set(vcpu, val, host);
	case MSR_TSC_AUX:
		return tsc_aux_write(vcpu, val, host);
	case MSR_IA32_MISC_ENABLE:
		return misc_enable_write(vcpu, val, host);
	case MSR_PLATFORM_INFO:
		if (host)
			m->platform_info = val;
		return !host;
	case MSR_IA32_SPEC_CTRL:
		return spec_ctrl_write(vcpu, val, host);
	case MSR_IA32_PRED_CMD:
		return pred_cmd_write(vcpu, val, host);
	case MSR_IA32_XSS:
		return xss_access(vcpu, val, host);
	case MSR_IA32_ARCH_CAPABILITIES:
		if (!host || (val & ~msr_arch_capabilities()))
			return 1;
		m->arch_capabilities = val;
		return 0;
	case MSR_IA32_UCODE_REV:
		/* A guest writes 0 and has CPUID leave the revision there: it stays. */
		if (host)
			m->microcode = val;
		return 0;
	case MSR_K7_HWCR:
		return hwcr_write(vcpu, val);
	case MSR_AMD64_DE_CFG:
		if (val & ~msr_de_cfg())
			return 1;
		/* LFENCE is serializing or not for the whole processor. */
		if (host)
			m->de_cfg = val;
		return !host && val != m->de_cfg;
	case MSR_IA32_DEBUGCTLMSR:
		return debugctl_write(vcpu, val);
	case MSR_MTRR_CAP:
		return 1;
	}
	return -ENOENT;
}

/* User space may write back what it read of a register that is read-only to the guest. */
static bool host_restores(struct vcpu *vcpu, u32 msr, u64 val)
{
	u64 old;

	return !cold_read(vcpu, msr, &old, true) && old == val;
}

static int cold_write(struct vcpu *vcpu, u32 msr, u64 val, bool host)
{
	int ret = placed_write(vcpu, msr, val);

	if (ret == -ENOENT)
		ret = soft_msr_write(vcpu, msr, val, host);
	if (ret == -ENOENT)
		ret = mce_write(vcpu, msr, val, host);
	if (ret == -ENOENT)
		ret = pv_msr_write(vcpu, msr, val, host);
	if (ret == -ENOENT)
		ret = msr_ignored_write(msr, val);
	if (ret && host && host_restores(vcpu, msr, val))
		return 0;
	return ret;
}

static int deadline_write(struct vcpu *vcpu, u64 val, bool host)
{
	if (!host && !guest_has(vcpu, X86_FEATURE_TSC_DEADLINE_TIMER))
		return 1;
	if (!vcpu->apic)
		return !!val;
	lapic_tsc_deadline_set(vcpu, val);
	return 0;
}

/**
 * msr_write() - WRMSR, KVM_SET_MSRS
 * @vcpu: the vCPU, loaded
 * @msr: its number
 * @val: the value
 * @host: user space asks: features the guest was not given do not matter, and what is read-only
 *	to the guest may be set as far as it is offered
 *
 * Return: 0; 1: #GP(0), not settable for user space; -ENOENT: likewise, no such register
 */
int msr_write(struct vcpu *vcpu, u32 msr, u64 val, bool host)
{
	if (msr == MSR_IA32_TSC_DEADLINE)
		return deadline_write(vcpu, val, host);
	if (MSR_IS_X2APIC(msr))
		return !vcpu->apic || host || lapic_msr_write(vcpu, msr, val);
	if (msr == MSR_IA32_TSC_ADJUST) {
		if (!host && !guest_has(vcpu, X86_FEATURE_TSC_ADJUST))
			return 1;
		tsc_adjust_write(vcpu, val, host);
		return 0;
	}
	if (msr == MSR_IA32_TSC) {
		tsc_write(vcpu, val, host);
		return 0;
	}
	return cold_write(vcpu, msr, val, host);
}
EXPORT_FOR_TEST(msr_write);

/* ---- exits ---- */

/**
 * msr_exit() - the exit of RDMSR or WRMSR
 * @vcpu: the vCPU
 * @write: WRMSR
 *
 * Return: RESUME_*
 */
int msr_exit(struct vcpu *vcpu, bool write)
{
	u64 *gpr = vcpu->state.gpr;
	u32 msr = gpr[REG_RCX];
	u64 val = 0;
	int fault;

	if (write)
		val = (u32)gpr[REG_RAX] | gpr[REG_RDX] << 32;
	if (unlikely(rcu_access_pointer(vcpu->vm->msr_filter)) &&
	    msr_filter_denies(vcpu, msr, write)) {
		fault = -EPERM;
	} else if (write) {
		fault = msr_write(vcpu, msr, val, false);
	} else {
		fault = msr_read(vcpu, msr, &val, false);
	}
	trace_vmm_msr(vcpu, write, msr, val, fault);
	if (fault)
		return msr_fault(vcpu, write, msr, val, fault);
	if (!write) {
		gpr[REG_RAX] = (u32)val;
		gpr[REG_RDX] = val >> 32;
	}
	return dispatch_skip(vcpu);
}

/* ---- KVM_GET/SET_MSRS ---- */

/**
 * msrs_get() - KVM_GET_MSRS
 * @vcpu: the vCPU, loaded
 * @entries: index is read, data written
 * @n: their number
 *
 * Return: entries served; it stops at the first that is not there
 */
int msrs_get(struct vcpu *vcpu, struct kvm_msr_entry *entries, u32 n)
{
	u64 val;
	u32 i;

	for (i = 0; i < n; i++) {
		val = 0;
		if (msr_read(vcpu, entries[i].index, &val, true))
			break;
		entries[i].data = val;
	}
	return i;
}

/**
 * msrs_set() - KVM_SET_MSRS
 * @vcpu: the vCPU, loaded
 * @entries: what to write
 * @n: their number
 *
 * Return: entries served; it stops at the first that cannot be set
 */
int msrs_set(struct vcpu *vcpu, const struct kvm_msr_entry *entries, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++)
		if (msr_write(vcpu, entries[i].index, entries[i].data, true))
			break;
	return i;
}

/* ---- setup ---- */

/**
 * msr_init() - the pass-through map of a new vCPU
 * @vcpu: the vCPU, loaded
 *
 * Passed through is what the backend switches anyway; the processor checks the values. Everything
 * else exits.
 */
void msr_init(struct vcpu *vcpu)
{
	static const u32 passed[] = {
		MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SYSCALL_MASK, MSR_KERNEL_GS_BASE,
		MSR_FS_BASE, MSR_GS_BASE, MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_ESP,
		MSR_IA32_SYSENTER_EIP,
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(passed); i++)
		msr_pass(vcpu, passed[i]);
}
