// SPDX-License-Identifier: GPL-2.0
/*
 * What a vCPU says about itself and its neighbours: one package, one thread per core, APIC ids
 * counting from 0. AMD64 APM vol. 3, appendix E; Intel SDM vol. 2A, CPUID.
 */
#include "machine.h"

#define EXTENDED_LEAF 0x80000000u

#define F1_ECX_TSC_DEADLINE (1u << 24)
#define F1_ECX_X2APIC       (1u << 21)
#define F1_ECX_HYPERVISOR   (1u << 31)
#define F1_EDX_HTT          (1u << 28)
#define FE1_ECX_CMP_LEGACY  (1u << 1)

#define LEVEL_SMT  1u
#define LEVEL_CORE 2u

/* Bits that hold the numbers of @cpus processors. */
static uint32_t id_bits(unsigned int cpus)
{
	uint32_t bits = 0;

	while ((1u << bits) < cpus)
		bits++;
	return bits;
}

static void adjust_features(struct kvm_cpuid_entry2 *e, unsigned int id, unsigned int cpus,
			    bool tsc_deadline)
{
	e->ebx &= 0x0000ffff;
	e->ebx |= id << 24 | cpus << 16;
	e->ecx |= F1_ECX_HYPERVISOR | F1_ECX_X2APIC;
	if (tsc_deadline)
		e->ecx |= F1_ECX_TSC_DEADLINE;
	if (cpus > 1)
		e->edx |= F1_EDX_HTT;
	else
		e->edx &= ~F1_EDX_HTT;
}

/* Deterministic cache parameters: first and second level per core, the others for all. */
static void adjust_cache(struct kvm_cpuid_entry2 *e, unsigned int cpus)
{
	unsigned int level = (e->eax >> 5) & 7;
	uint32_t ids = (1u << id_bits(cpus)) - 1;

	if (!(e->eax & 0x1f))
		return;
	e->eax &= 0x00003fff;
	e->eax |= ids << 26 | (level < 3 ? 0 : ids << 14);
}

/* AMD's form of the same: it has no field for the number of cores. */
static void adjust_amd_cache(struct kvm_cpuid_entry2 *e, unsigned int cpus)
{
	unsigned int level = (e->eax >> 5) & 7;

	if (!(e->eax & 0x1f))
		return;
	e->eax &= 0xfc003fff;
	if (level >= 3)
		e->eax |= (cpus - 1) << 14;
}

static void adjust_topology(struct kvm_cpuid_entry2 *e, unsigned int id, unsigned int cpus)
{
	e->edx = id;
	e->eax = 0;
	e->ebx = 0;
	e->ecx = e->index & 0xff;
	if (e->index == 0) {
		e->ebx = 1;
		e->ecx |= LEVEL_SMT << 8;
	} else if (e->index == 1) {
		e->eax = id_bits(cpus);
		e->ebx = cpus;
		e->ecx |= LEVEL_CORE << 8;
	}
}

static void adjust_extended(struct kvm_cpuid_entry2 *e, unsigned int id, unsigned int cpus)
{
	switch (e->function) {
	case 0x80000001:
		if (cpus > 1)
			e->ecx |= FE1_ECX_CMP_LEGACY;
		else
			e->ecx &= ~FE1_ECX_CMP_LEGACY;
		break;
	case 0x80000008:
		/* ECX[15:12]: bits of the APIC id that number cores; ECX[7:0]: cores less one. */
		e->ecx = id_bits(cpus) << 12 | (cpus - 1);
		break;
	case 0x8000001d:
		adjust_amd_cache(e, cpus);
		break;
	case 0x8000001e:
		e->eax = id; /* extended APIC id */
		e->ebx = id; /* one thread per core, core number */
		e->ecx = 0;  /* one node, node 0 */
		break;
	default:
		break;
	}
}

void cpuid_adjust(struct kvm_cpuid2 *cpuid, unsigned int id, unsigned int cpus, bool tsc_deadline)
{
	struct kvm_cpuid_entry2 *e;

	for (e = cpuid->entries; e < cpuid->entries + cpuid->nent; e++) {
		switch (e->function) {
		case 0x1:
			adjust_features(e, id, cpus, tsc_deadline);
			break;
		case 0x4:
			adjust_cache(e, cpus);
			break;
		case 0xb:
		case 0x1f:
			adjust_topology(e, id, cpus);
			break;
		default:
			if (e->function >= EXTENDED_LEAF)
				adjust_extended(e, id, cpus);
			break;
		}
	}
}

void cpuid_hide_pv(struct kvm_cpuid2 *cpuid)
{
	unsigned int i, kept = 0;

	for (i = 0; i < cpuid->nent; i++) {
		/* 0x40000000 to 0x4fffffff are a hypervisor's. */
		if (cpuid->entries[i].function >> 28 != 4)
			cpuid->entries[kept++] = cpuid->entries[i];
	}
	cpuid->nent = kept;
}
