// SPDX-License-Identifier: GPL-2.0
/*
 * The processor's side of SVM: what it offers, switching it on and off, ASIDs, TSC ratio.
 *
 * ASIDs. Translations in the TLB carry the ASID of the guest, nested ones too (APM vol. 2, 15.16,
 * 15.25.9), and only this processor's. Each processor numbers the vCPUs that run on it: an ASID is
 * valid while its generation is the processor's. A vCPU gets a new one when it comes from another
 * processor, when its translations must go and the processor cannot flush one ASID, and when the
 * generation changed. When the numbers run out the generation is raised and the entry that gets the
 * first number of the new one flushes the whole TLB, before any number can be used again: so a
 * number never meets translations of its former owner. QEMU's TCG flushes at every VMRUN and hides
 * mistakes in this; it rests on the argument above.
 */
#define pr_fmt(fmt) "vmm: " fmt

#include <linux/cc_platform.h>
#include <linux/io.h>
#include <linux/mem_encrypt.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <asm/asm.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/tlbflush.h>

#include "../cpu/hw.h"
#include "../memory/tdp_format.h"
#include "svm.h"

#define VM_CR_SVMDIS		BIT(4)

/* CPUID 8000_000A EDX (APM vol. 3, E.4.9) */
#define SVM_CPUID_NPT			BIT(0)
#define SVM_CPUID_LBRV			BIT(1)
#define SVM_CPUID_NRIPS			BIT(3)
#define SVM_CPUID_TSC_RATIO		BIT(4)
#define SVM_CPUID_VMCB_CLEAN		BIT(5)
#define SVM_CPUID_FLUSH_BY_ASID		BIT(6)
#define SVM_CPUID_DECODE_ASSISTS	BIT(7)
#define SVM_CPUID_PAUSE_FILTER		BIT(10)
#define SVM_CPUID_PAUSE_THRESHOLD	BIT(12)
#define SVM_CPUID_V_SPEC_CTRL		BIT(20)

BACKEND_OPTION(nrips, "use the next instruction's address that exits carry, where present");
BACKEND_OPTION(decode_assists, "use register numbers and instruction bytes that exits carry");
BACKEND_OPTION(flush_by_asid, "flush the TLB by ASID, where present");
BACKEND_OPTION(vmcb_clean, "tell the processor which parts of the VMCB did not change");
BACKEND_OPTION(lbrv, "virtualize last branch records, where present");

static bool check_clean;
module_param(check_clean, bool, 0444);
MODULE_PARM_DESC(check_clean, "compare VMCB areas marked clean with what the processor left (slow)");

DEFINE_PER_CPU(struct svm_cpu, svm_cpu);
struct svm_features svm_has;
u64 svm_iopm_pa;

/* All ports are intercepted: one map for all guests. 12 KiB and two bytes (15.10.1). */
#define IOPM_ORDER	2
static struct page *svm_iopm;

/*
 * Nested tables have the format of the host's (15.25.3, 15.25.5): user pages, as the walker counts
 * as user; a bit ignored by hardware remembers that the host's page may be written.
 */
struct tdp_format svm_tdp_format = {
	.present = BIT_ULL(0),
	.table = BIT_ULL(1) | BIT_ULL(2) | BIT_ULL(5),
	.leaf = BIT_ULL(2),
	.leaf_device = BIT_ULL(2) | BIT_ULL(3) | BIT_ULL(4),	/* PWT, PCD: uncacheable */
	.write = BIT_ULL(1),
	.large = BIT_ULL(7),
	.accessed = BIT_ULL(5),
	.dirty = BIT_ULL(6),
	.soft_host_writable = BIT_ULL(9),
};

/* ---- probe ---- */

static bool svm_is_amd(void)
{
	return boot_cpu_data.x86_vendor == X86_VENDOR_AMD ||
	       boot_cpu_data.x86_vendor == X86_VENDOR_HYGON;
}

static int svm_check_required(void)
{
	u64 vm_cr;

	if (!(cpuid_ecx(0x80000001) & BIT(2)))
		return backend_refuse("SVM",
				      "the processor, or the hypervisor below, does not offer it");
	if (cpuid_eax(0x80000000) < 0x8000000a || !(cpuid_edx(0x8000000a) & SVM_CPUID_NPT))
		return backend_refuse("SVM", "nested paging is missing");
	if (!rdmsrl_safe(MSR_VM_CR, &vm_cr) && (vm_cr & VM_CR_SVMDIS))
		return backend_refuse("SVM", "the firmware disabled it: enable SVM in its setup");
	if (cc_platform_has(CC_ATTR_GUEST_MEM_ENCRYPT))
		return backend_refuse("SVM", "this machine is an encrypted guest itself");
	return 0;
}

static void svm_fill_features(u32 edx)
{
	svm_has.nrips = nrips && (edx & SVM_CPUID_NRIPS);
	svm_has.decode_assists = decode_assists && (edx & SVM_CPUID_DECODE_ASSISTS);
	svm_has.flush_by_asid = flush_by_asid && (edx & SVM_CPUID_FLUSH_BY_ASID);
	svm_has.vmcb_clean = vmcb_clean && (edx & SVM_CPUID_VMCB_CLEAN);
	svm_has.lbrv = lbrv && (edx & SVM_CPUID_LBRV);
	svm_has.pause_filter = backend_options.pause_filter && (edx & SVM_CPUID_PAUSE_FILTER);
	svm_has.pause_threshold = svm_has.pause_filter && (edx & SVM_CPUID_PAUSE_THRESHOLD);
	svm_has.tsc_scale = backend_options.tsc_scale && (edx & SVM_CPUID_TSC_RATIO);
	svm_has.v_spec_ctrl = edx & SVM_CPUID_V_SPEC_CTRL;
	svm_has.check_clean = check_clean;
}

static void svm_fill_caps(u32 asids)
{
	backend_caps.insn_len = svm_has.nrips;
	backend_caps.decode_assist = svm_has.decode_assists;
	backend_caps.tsc_scaling = svm_has.tsc_scale;
	backend_caps.tsc_ratio_frac_bits = 32;		/* 15.30.5 */
	backend_caps.tsc_ratio_max = GENMASK_ULL(39, 0);
	backend_caps.page_1g = boot_cpu_has(X86_FEATURE_GBPAGES);
	/* Virtual NMIs are not used: no machine here could test them. */
	backend_caps.vnmi = false;
	backend_caps.xsaves = true;
	backend_caps.asids = asids;
}

/* The depth of nested tables is that of the host's own (15.25.3). */
static void svm_fill_tdp_format(void)
{
	svm_tdp_format.levels = (cr4_read_shadow() & X86_CR4_LA57) ? 5 : 4;
	tdp_format_fill(&svm_tdp_format, backend_caps.page_1g);
	/* Tables are encrypted as the host's memory is; a leaf only where its frame is (7.10). */
	svm_tdp_format.table |= sme_me_mask;
	svm_tdp_format.addr_mask &= ~sme_me_mask;
}

static void svm_free_pages(void)
{
	int cpu, i;

	for_each_possible_cpu(cpu) {
		struct svm_cpu *c = per_cpu_ptr(&svm_cpu, cpu);

		for (i = 0; i < ARRAY_SIZE(c->pages); i++) {
			if (c->pages[i])
				__free_page(c->pages[i]);
			c->pages[i] = NULL;
		}
	}
	if (svm_iopm)
		__free_pages(svm_iopm, IOPM_ORDER);
	svm_iopm = NULL;
}

static int svm_alloc_cpu(int cpu)
{
	struct svm_cpu *c = per_cpu_ptr(&svm_cpu, cpu);
	int i;

	for (i = 0; i < ARRAY_SIZE(c->pages); i++) {
		c->pages[i] = alloc_pages_node(cpu_to_node(cpu), GFP_KERNEL | __GFP_ZERO, 0);
		if (!c->pages[i])
			return -ENOMEM;
	}
	c->hsave_pa = __sme_set(page_to_phys(c->pages[0]));
	c->host_pa = __sme_set(page_to_phys(c->pages[1]));
	return 0;
}

static int svm_alloc_pages(void)
{
	int cpu;

	svm_iopm = alloc_pages(GFP_KERNEL, IOPM_ORDER);
	if (!svm_iopm)
		return -ENOMEM;
	memset(page_address(svm_iopm), 0xff, PAGE_SIZE << IOPM_ORDER);
	svm_iopm_pa = __sme_set(page_to_phys(svm_iopm));
	for_each_possible_cpu(cpu) {
		if (svm_alloc_cpu(cpu))
			return -ENOMEM;
	}
	return 0;
}

/**
 * svm_probe() - find out what the processor offers; once, at load
 *
 * Context: may sleep. APM vol. 2, 15.4.
 * Return: 0; -ENODEV: not AMD's; -EOPNOTSUPP: a required feature is missing; -ENOMEM
 */
int svm_probe(void)
{
	u32 edx, asids;
	int err;

	if (!svm_is_amd())
		return -ENODEV;
	err = svm_check_required();
	if (err)
		return err;
	asids = cpuid_ebx(0x8000000a);
	edx = cpuid_edx(0x8000000a);
	/* ASID 0 is the host's. */
	if (asids < 2)
		return backend_refuse("SVM", "the processor has no address space for guests");
	svm_fill_features(edx);
	svm_fill_caps(asids);
	svm_fill_tdp_format();
	err = svm_alloc_pages();
	if (err)
		svm_free_pages();
	return err;
}

/**
 * svm_unprobe() - undo svm_probe(); SVM is off on all processors
 */
void svm_unprobe(void)
{
	svm_free_pages();
}

/* ---- on and off ---- */

/**
 * svm_cpu_enable() - switch SVM on, on this processor
 *
 * Context: interrupts off. APM vol. 2, 15.4 and 15.30.4.
 * Return: 0; -EBUSY: EFER.SVME is set, another hypervisor is at work; -EOPNOTSUPP: VM_CR.SVMDIS
 */
int svm_cpu_enable(void)
{
	struct svm_cpu *c = this_cpu_ptr(&svm_cpu);
	u64 efer, vm_cr;

	rdmsrl(MSR_EFER, efer);
	if (efer & EFER_SVME)
		return -EBUSY;
	if (!rdmsrl_safe(MSR_VM_CR, &vm_cr) && (vm_cr & VM_CR_SVMDIS))
		return -EOPNOTSUPP;
	wrmsrl(MSR_EFER, efer | EFER_SVME);
	wrmsrl(MSR_VM_HSAVE_PA, c->hsave_pa);
	/* Whatever the TLB and the VMCB cache held of guests is not to be trusted. */
	c->asid_generation++;
	c->next_asid = backend_caps.asids;
	c->tsc_ratio = 0;
	svm_load_tsc_ratio(c, hw_tsc_ratio_one());
	c->enabled = true;
	return 0;
}

/**
 * svm_cpu_disable() - switch SVM off, on this processor
 *
 * Harmless when it is off already, or when the kernel's crash path was quicker.
 *
 * Context: interrupts off, or the crash path's NMI
 */
void svm_cpu_disable(void)
{
	struct svm_cpu *c = this_cpu_ptr(&svm_cpu);
	u64 efer;

	if (!c->enabled)
		return;
	c->enabled = false;
	rdmsrl(MSR_EFER, efer);
	if (!(efer & EFER_SVME))
		return;
	svm_load_tsc_ratio(c, hw_tsc_ratio_one());
	/* GIF may be clear in a crash; without SVME nobody could set it (15.17). */
	asm volatile("1: stgi\n2:\n" _ASM_EXTABLE(1b, 2b) : : : "memory");
	wrmsrl(MSR_VM_HSAVE_PA, 0);
	wrmsrl(MSR_EFER, efer & ~EFER_SVME);
}

/* ---- at entry and load ---- */

/**
 * svm_new_asid() - give a vCPU an ASID that holds no translations, on this processor
 * @svm: the vCPU
 * @cpu: this processor
 *
 * Context: interrupts off, right before the entry that uses it. APM vol. 2, 15.16.1.
 */
void svm_new_asid(struct svm_vcpu *svm, struct svm_cpu *cpu)
{
	struct vmcb_control *c = &svm->vmcb->control;

	if (cpu->next_asid >= backend_caps.asids) {
		cpu->asid_generation++;
		cpu->next_asid = 1;
		c->tlb_control = TLB_CTL_FLUSH_ALL;
	}
	c->asid = cpu->next_asid++;
	svm->asid_generation = cpu->asid_generation;
	svm->flush_asid = false;
	/* A new generation may mean that SVM was off in between: no cached VMCB either. */
	svm_mark_written(svm, CLEAN_ALL);
}

/**
 * svm_load_tsc_ratio() - make RDTSC of guests on this processor run at a ratio
 * @cpu: this processor
 * @ratio: 8.32 fixed point; it does not touch the host's own TSC (15.30.5)
 *
 * Context: preemption off
 */
void svm_load_tsc_ratio(struct svm_cpu *cpu, u64 ratio)
{
	if (!svm_has.tsc_scale || cpu->tsc_ratio == ratio)
		return;
	wrmsrl(MSR_AMD64_TSC_RATIO, ratio);
	cpu->tsc_ratio = ratio;
}
