// SPDX-License-Identifier: GPL-2.0
/*
 * CPUID of a guest: what user space gave it, with the bits that follow from the vCPU's state, and
 * the shortcut by which an exit finds its entry. What can be given is in cpuid_supported.c.
 */
#include <linux/nospec.h>
#include <linux/slab.h>
#include <asm/processor-flags.h>

#include "../interp/interp.h"
#include "internal.h"

#define CPUID_HYPER	0x40000000u
#define CPUID_EXT	0x80000000u
#define CPUID_HYPER_END	0x40010000u
#define CPUID_HYPER_STEP 0x100u

/* ---- finding an entry ---- */

/* The slot that holds a function's first entry, NULL where functions are not indexed. */
static u16 *cpuid_slot(struct vcpu_cpuid *id, u32 function)
{
	u32 range = function >> 30, n = function & ~(CPUID_EXT | CPUID_HYPER);

	if (range >= CPUID_RANGES || n >= CPUID_RANGE_SLOTS)
		return NULL;
	return &id->slot[array_index_nospec(range * CPUID_RANGE_SLOTS + n, ARRAY_SIZE(id->slot))];
}

static struct kvm_cpuid_entry2 *cpuid_find(struct vcpu_cpuid *id, u32 function, u32 index)
{
	const u16 *slot = cpuid_slot(id, function);
	struct kvm_cpuid_entry2 *entry = id->entries, *end = entry + id->nent;

	if (slot) {
		if (!*slot)
			return NULL;
		entry += *slot - 1;
	}
	for (; entry < end; entry++) {
		if (entry->function == function &&
		    (entry->index == index || !(entry->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX)))
			return entry;
	}
	return NULL;
}

/* The value of an entry as user space and the state have it; false: there is none. */
bool cpuid_value(struct vcpu *vcpu, u32 function, u32 index, struct kvm_cpuid_entry2 *out)
{
	const struct kvm_cpuid_entry2 *entry = cpuid_find(&vcpu->cpuid, function, index);

	if (entry)
		*out = *entry;
	return entry;
}

static void cpuid_index(struct vcpu_cpuid *id)
{
	u16 *slot;
	u32 i;

	memset(id->slot, 0, sizeof(id->slot));
	for (i = id->nent; i-- > 0; ) {
		slot = cpuid_slot(id, id->entries[i].function);
		if (slot)
			*slot = i + 1;
	}
}

/* ---- what follows from the entries ---- */

static void derive_caps(struct vcpu_cpuid *id)
{
	const struct feature_word *w;
	struct kvm_cpuid_entry2 *entry;

	memset(id->caps, 0, sizeof(id->caps));
	for (w = cpuid_words; w < cpuid_words + CPUID_WORDS; w++) {
		entry = cpuid_find(id, w->function, w->index);
		if (entry)
			id->caps[w->word] = *cpuid_reg(entry, w->reg);
	}
}

static bool caps_has(const struct vcpu_cpuid *id, unsigned int feature)
{
	return id->caps[feature / 32] & BIT(feature % 32);
}

/*
 * CR4 bits that belong to a feature the guest was not given (APM vol. 2, 3.1.3). Before
 * KVM_SET_CPUID2 it has all that can be given, so that registers may be restored in any order.
 */
static u64 derive_cr4_reserved(const struct vcpu_cpuid *id)
{
	static const struct {
		unsigned int feature;
		u64 bit;
	} bits[] = {
		{ X86_FEATURE_UMIP, X86_CR4_UMIP },
		{ X86_FEATURE_FSGSBASE, X86_CR4_FSGSBASE },
		{ X86_FEATURE_PCID, X86_CR4_PCIDE },
		{ X86_FEATURE_XSAVE, X86_CR4_OSXSAVE },
		{ X86_FEATURE_SMEP, X86_CR4_SMEP },
		{ X86_FEATURE_SMAP, X86_CR4_SMAP },
	};
	u64 allowed = X86_CR4_VME | X86_CR4_PVI | X86_CR4_TSD | X86_CR4_DE | X86_CR4_PSE |
		      X86_CR4_PAE | X86_CR4_MCE | X86_CR4_PGE | X86_CR4_PCE | X86_CR4_OSFXSR |
		      X86_CR4_OSXMMEXCPT;
	int i;

	for (i = 0; i < ARRAY_SIZE(bits); i++)
		if ((!id->nent || caps_has(id, bits[i].feature)) && boot_cpu_has(bits[i].feature))
			allowed |= bits[i].bit;
	if ((!id->nent || caps_has(id, X86_FEATURE_LA57)) && cpuid_la57())
		allowed |= X86_CR4_LA57;
	return ~allowed;
}

static u64 derive_efer_reserved(const struct vcpu_cpuid *id)
{
	u64 reserved = ~EFER_SETTABLE;

	if (!caps_has(id, X86_FEATURE_SYSCALL))
		reserved |= EFER_SCE;
	if (!caps_has(id, X86_FEATURE_LM))
		reserved |= EFER_LME | EFER_LMA;
	if (!caps_has(id, X86_FEATURE_NX))
		reserved |= EFER_NX;
	if (!caps_has(id, X86_FEATURE_FXSR_OPT))
		reserved |= EFER_FFXSR;
	return reserved;
}

static bool derive_vendor_amd(struct vcpu_cpuid *id)
{
	const struct kvm_cpuid_entry2 *e = cpuid_find(id, 0, 0);

	if (!e)
		return false;
	/* "AuthenticAMD", "HygonGenuine": EBX, EDX, ECX */
	return (e->ebx == 0x68747541 && e->edx == 0x69746e65 && e->ecx == 0x444d4163) ||
	       (e->ebx == 0x6f677948 && e->edx == 0x6e65476e && e->ecx == 0x656e6975);
}

/* "KVMKVMKVM": EBX, ECX, EDX */
static bool is_kvm(const struct kvm_cpuid_entry2 *e)
{
	return e && e->ebx == 0x4b4d564b && e->ecx == 0x564b4d56 && e->edx == 0x4d;
}

/* The leaves are where the signature is: those of another hypervisor may come before. */
static u32 derive_pv_features(struct vcpu_cpuid *id)
{
	const struct kvm_cpuid_entry2 *e;
	u32 base;

	for (base = CPUID_HYPER; base < CPUID_HYPER_END; base += CPUID_HYPER_STEP) {
		if (!is_kvm(cpuid_find(id, base, 0)))
			continue;
		e = cpuid_find(id, base + 1, 0);
		return e ? e->eax : 0;
	}
	return 0;
}

void cpuid_derive(struct vcpu *vcpu)
{
	struct vcpu_cpuid *id = &vcpu->cpuid;
	const struct kvm_cpuid_entry2 *e;

	cpuid_index(id);
	derive_caps(id);
	id->vendor_amd = derive_vendor_amd(id);
	e = cpuid_find(id, 0x80000008, 0);
	/* Without the leaf: 36 bits (APM vol. 2, 5.1). */
	id->maxphyaddr = e ? clamp_t(u32, e->eax & 0xff, 32, 52) : 36;
	id->reserved_gpa = GENMASK_ULL(51, 0) & ~(BIT_ULL(id->maxphyaddr) - 1);
	id->cr4_reserved = derive_cr4_reserved(id);
	id->efer_reserved = derive_efer_reserved(id);
	e = cpuid_find(id, 0xd, 0);
	id->xcr0_supported = e && caps_has(id, X86_FEATURE_XSAVE) ?
			     (e->eax | (u64)e->edx << 32) & xstate_supported() : 0;
	vcpu->policy.xsaves = backend_caps.xsaves && caps_has(id, X86_FEATURE_XSAVE) &&
			      caps_has(id, X86_FEATURE_XSAVES);
	id->pv_features = derive_pv_features(id);
}

/**
 * guest_has() - was the guest given this feature
 * @vcpu: the vCPU
 * @x86_feature: X86_FEATURE_* of a word that CPUID has
 *
 * Return: the bit as KVM_SET_CPUID2 set it
 */
bool guest_has(struct vcpu *vcpu, unsigned int x86_feature)
{
	return caps_has(&vcpu->cpuid, x86_feature);
}
EXPORT_FOR_TEST(guest_has);

/* ---- what follows from the state ---- */

static void put_bit(u32 *reg, u32 bit, bool on)
{
	*reg = on ? *reg | bit : *reg & ~bit;
}

static void update_leaf_1(struct vcpu *vcpu, struct vcpu_cpuid *id)
{
	struct kvm_cpuid_entry2 *e = cpuid_find(id, 1, 0);

	if (!e)
		return;
	put_bit(&e->ecx, BIT(X86_FEATURE_OSXSAVE % 32),
		caps_has(id, X86_FEATURE_XSAVE) &&
		(state_get(vcpu, STATE_CRS)->cr4 & X86_CR4_OSXSAVE));
	put_bit(&e->edx, BIT(X86_FEATURE_APIC % 32),
		vcpu->msrs.apic_base & MSR_IA32_APICBASE_ENABLE);
	/* The quirk keeps MWAIT as user space set it. */
	if (vcpu->vm->policy.disabled_quirks & KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT)
		put_bit(&e->ecx, BIT(X86_FEATURE_MWAIT % 32),
			vcpu->msrs.misc_enable & MSR_IA32_MISC_ENABLE_MWAIT);
}

static void cpuid_update_entries(struct vcpu *vcpu, struct vcpu_cpuid *id)
{
	struct kvm_cpuid_entry2 *e;

	update_leaf_1(vcpu, id);
	e = cpuid_find(id, 0xd, 0);
	if (e)
		e->ebx = xstate_size(vcpu->state.xcr0, false);
	e = cpuid_find(id, 0xd, 1);
	if (e && (e->eax & (BIT(X86_FEATURE_XSAVES % 32) | BIT(X86_FEATURE_XSAVEC % 32))))
		e->ebx = xstate_size(vcpu->state.xcr0, true);
}

/**
 * cpuid_update() - bring the bits that follow from CR4, XCR0, APIC base and MISC_ENABLE up to date
 * @vcpu: the vCPU, loaded
 */
void cpuid_update(struct vcpu *vcpu)
{
	cpuid_update_entries(vcpu, &vcpu->cpuid);
	xstate_update(vcpu);
}
EXPORT_FOR_TEST(cpuid_update);

/* ---- KVM_SET_CPUID2, KVM_GET_CPUID2 ---- */

static bool entry_equal(const struct kvm_cpuid_entry2 *a, const struct kvm_cpuid_entry2 *b)
{
	return a->function == b->function && a->index == b->index && a->flags == b->flags &&
	       a->eax == b->eax && a->ebx == b->ebx && a->ecx == b->ecx && a->edx == b->edx;
}

/* After the first KVM_RUN a processor does not change any more. */
static int cpuid_check_unchanged(struct vcpu *vcpu, const struct vcpu_cpuid *id)
{
	u32 i;

	if (id->nent != vcpu->cpuid.nent)
		return -EINVAL;
	for (i = 0; i < id->nent; i++)
		if (!entry_equal(&id->entries[i], &vcpu->cpuid.entries[i]))
			return -EINVAL;
	return 0;
}

static int cpuid_check(struct vcpu_cpuid *id)
{
	const struct kvm_cpuid_entry2 *e = cpuid_find(id, 0x80000008, 0);
	u8 bits = e ? e->eax >> 8 : 0;

	/* Canonical addresses have 48 or 57 bits. */
	return bits == 0 || bits == 48 || bits == 57 ? 0 : -EINVAL;
}

/**
 * cpuid_set() - KVM_SET_CPUID2
 * @vcpu: the vCPU, loaded
 * @entries: as user space gave them
 * @nent: their number
 *
 * Context: may sleep.
 * Return: 0; -EINVAL: impossible address width, or a change after the first KVM_RUN; -E2BIG;
 * -ENOMEM
 */
int cpuid_set(struct vcpu *vcpu, const struct kvm_cpuid_entry2 *entries, u32 nent)
{
	struct vcpu_cpuid *id;
	int err = -E2BIG;

	if (nent > CPUID_MAX_ENTRIES)
		return -E2BIG;
	id = kzalloc(sizeof(*id), GFP_KERNEL_ACCOUNT);
	if (!id)
		return -ENOMEM;
	err = -ENOMEM;
	id->nent = nent;
	if (nent) {
		id->entries = kmemdup(entries, nent * sizeof(*entries), GFP_KERNEL_ACCOUNT);
		if (!id->entries)
			goto out;
	}
	cpuid_index(id);
	derive_caps(id);
	err = cpuid_check(id);
	if (err)
		goto out;
	cpuid_update_entries(vcpu, id);
	if (rcu_access_pointer(vcpu->pid)) {
		err = cpuid_check_unchanged(vcpu, id);
		goto out;
	}
	swap(vcpu->cpuid.entries, id->entries);
	vcpu->cpuid.nent = nent;
	cpuid_derive(vcpu);
	cpuid_update(vcpu);
	vcpu_request(vcpu, REQ_INTERCEPTS);
out:
	kfree(id->entries);
	kfree(id);
	return err;
}
EXPORT_FOR_TEST(cpuid_set);

/**
 * cpuid_get() - KVM_GET_CPUID2
 * @vcpu: the vCPU
 * @cpuid: filled; nent is the number of entries there are
 * @room: entries that fit
 *
 * Return: 0; -E2BIG: @room is too small
 */
int cpuid_get(struct vcpu *vcpu, struct kvm_cpuid2 *cpuid, u32 room)
{
	cpuid->nent = vcpu->cpuid.nent;
	if (room < vcpu->cpuid.nent)
		return -E2BIG;
	if (vcpu->cpuid.nent)
		memcpy(cpuid->entries, vcpu->cpuid.entries,
		       vcpu->cpuid.nent * sizeof(*cpuid->entries));
	return 0;
}

/**
 * cpuid_free() - free the entries of a vCPU
 * @vcpu: the vCPU, about to be freed
 */
void cpuid_free(struct vcpu *vcpu)
{
	kfree(vcpu->cpuid.entries);
	vcpu->cpuid.entries = NULL;
	vcpu->cpuid.nent = 0;
}
EXPORT_FOR_TEST(cpuid_free);

/* ---- the CPUID instruction ---- */

/* Intel answers a function beyond its range with the highest basic leaf, AMD with zeros. */
static struct kvm_cpuid_entry2 *cpuid_out_of_range(struct vcpu_cpuid *id, u32 function, u32 index)
{
	const struct kvm_cpuid_entry2 *limit, *basic = cpuid_find(id, 0, 0);

	if (!basic || id->vendor_amd)
		return NULL;
	limit = basic;
	if (function >= CPUID_EXT)
		limit = cpuid_find(id, CPUID_EXT, 0);
	else if (function >= CPUID_HYPER)
		limit = cpuid_find(id, function & 0xffffff00, 0);
	if (limit && function <= limit->eax)
		return NULL;
	return cpuid_find(id, basic->eax, index);
}

/* What there is no entry for. A topology level that does not exist still names itself. */
static const struct kvm_cpuid_entry2 *cpuid_absent(struct vcpu_cpuid *id, u32 function, u32 index)
{
	const struct kvm_cpuid_entry2 *e = cpuid_out_of_range(id, function, index);

	if (e)
		return e;
	memset(&id->absent, 0, sizeof(id->absent));
	if (function == 0xb || function == 0x1f)
		e = cpuid_find(id, function, 0);
	if (e) {
		id->absent.ecx = index & 0xff;
		id->absent.edx = e->edx; /* the x2APIC id */
	}
	return &id->absent;
}

/**
 * cpuid_query() - execute CPUID as the guest sees it
 * @vcpu: the vCPU
 * @eax: in: function; out: EAX
 * @ebx: out
 * @ecx: in: index; out: ECX
 * @edx: out
 *
 * APM vol. 3, appendix E; SDM vol. 2A, CPUID.
 */
void cpuid_query(struct vcpu *vcpu, u32 *eax, u32 *ebx, u32 *ecx, u32 *edx)
{
	struct vcpu_cpuid *id = &vcpu->cpuid;
	const struct kvm_cpuid_entry2 *e = cpuid_find(id, *eax, *ecx) ?:
					   cpuid_absent(id, *eax, *ecx);

	*eax = e->eax;
	*ebx = e->ebx;
	*ecx = e->ecx;
	*edx = e->edx;
}
EXPORT_FOR_TEST(cpuid_query);
EXPORT_FOR_TEST(cpuid_derive);

/**
 * cpuid_exit() - the exit of CPUID
 * @vcpu: the vCPU
 *
 * Return: RESUME_*
 */
int cpuid_exit(struct vcpu *vcpu)
{
	u64 *gpr = vcpu->state.gpr;
	const struct kvm_cpuid_entry2 *e = cpuid_find(&vcpu->cpuid, gpr[REG_RAX], gpr[REG_RCX]);

	if (unlikely(!e))
		e = cpuid_absent(&vcpu->cpuid, gpr[REG_RAX], gpr[REG_RCX]);
	gpr[REG_RAX] = e->eax;
	gpr[REG_RBX] = e->ebx;
	gpr[REG_RCX] = e->ecx;
	gpr[REG_RDX] = e->edx;
	return dispatch_skip(vcpu);
}
