// SPDX-License-Identifier: GPL-2.0
/*
 * The processor's side of VMX: what it offers, switching it on and off, the VMCSs in it, flushes.
 *
 * VMCSs. A processor may keep a VMCS to itself from VMPTRLD to VMCLEAR (SDM vol. 3C, 25.11.1), so
 * each processor lists those it may keep. VMCLEAR comes before a VMCS is loaded on another
 * processor, before its memory is freed, and before VMX goes off, for all of the list; in a crash
 * too, where the list may have been caught in the middle of a change: it is only walked forward.
 *
 * Translations. With EPT in use there are guest-physical mappings, tagged with the nested table,
 * and combined mappings, tagged with VPID and nested table (29.4). Requests for a flush reach a
 * vCPU on the processor it runs on; what it left behind on others goes when it comes back to them:
 * a VMCS that was not on this processor last begins with INVEPT of its nested table. The same
 * holds for a new vCPU, so VPIDs and table pages of the dead may be used again.
 */
#define pr_fmt(fmt) "vmm: " fmt

#include <linux/mm.h>
#include <linux/module.h>
#include <asm/asm.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/perf_event.h>
#include <asm/tlbflush.h>

#include "../memory/tdp_format.h"
#include "vmx.h"

BACKEND_OPTION(ept_dirty,
	       "let the processor keep accessed and dirty bits in nested tables, where present");
BACKEND_OPTION(preemption_timer,
	       "let the processor watch a guest's TSC deadline, where present");
BACKEND_OPTION(pml, "let the processor log the pages it dirties, where present");

static bool posted_intr;
module_param(posted_intr, bool, 0444);
MODULE_PARM_DESC(posted_intr, "interrupt guests without an exit, where present and virtual_apic is on");
static bool ack_intr;
module_param(ack_intr, bool, 0444);
MODULE_PARM_DESC(ack_intr, "acknowledge the host's interrupts by exits, as posted_intr does");
static int virtual_apic = -1;
module_param(virtual_apic, int, 0444);
MODULE_PARM_DESC(virtual_apic, "let the processor serve the guest's APIC: 1: where it can, 0: never, -1: where interrupts can also be posted");

static int nx_huge_pages = -1;
module_param(nx_huge_pages, int, 0444);
MODULE_PARM_DESC(nx_huge_pages, "split guests' huge pages for execution: 1: yes, 0: no, -1: where the processor needs it; 0 or 1 when loaded");

static unsigned int run_limit_us;
module_param(run_limit_us, uint, 0444);
MODULE_PARM_DESC(run_limit_us, "end each run of a guest after so many microseconds, for emulated processors whose guests hold interrupts back; 0: do not");

#define INTEL_WESTMERE		0x25
#define INTEL_WESTMERE_EP	0x2c
#define INTEL_WESTMERE_EX	0x2f

DEFINE_PER_CPU(struct vmx_cpu, vmx_cpu);
struct vmx_caps vmx_caps;
struct vmx_features vmx_has;

/* Write-back whatever the guest's PAT says; a bit ignored by hardware (SDM vol. 3C, 29.3.2). */
struct tdp_format vmx_tdp_format = {
	.present = BIT_ULL(0),
	.table = BIT_ULL(1) | BIT_ULL(2),
	.leaf = 6ULL << 3 | BIT_ULL(6),
	.leaf_device = BIT_ULL(6),
	.write = BIT_ULL(1),
	.exec = BIT_ULL(2),
	.exec_large = BIT_ULL(2),
	.large = BIT_ULL(7),
	.soft_host_writable = BIT_ULL(11),
	.levels = 4,
};

/* ---- probe ---- */

static bool vmx_is_intel(void)
{
	return boot_cpu_data.x86_vendor == X86_VENDOR_INTEL ||
	       boot_cpu_data.x86_vendor == X86_VENDOR_CENTAUR ||
	       boot_cpu_data.x86_vendor == X86_VENDOR_ZHAOXIN;
}

/* The capability MSRs of each word of controls (A.3 to A.5): the plain one, the "true" one. */
static const u32 vmx_control_msr[VMX_COUNT][2] = {
	[VMX_PIN] = { MSR_IA32_VMX_PINBASED_CTLS, MSR_IA32_VMX_TRUE_PINBASED_CTLS },
	[VMX_PROC] = { MSR_IA32_VMX_PROCBASED_CTLS, MSR_IA32_VMX_TRUE_PROCBASED_CTLS },
	[VMX_PROC2] = { MSR_IA32_VMX_PROCBASED_CTLS2, MSR_IA32_VMX_PROCBASED_CTLS2 },
	[VMX_EXIT] = { MSR_IA32_VMX_EXIT_CTLS, MSR_IA32_VMX_TRUE_EXIT_CTLS },
	[VMX_ENTRY] = { MSR_IA32_VMX_ENTRY_CTLS, MSR_IA32_VMX_TRUE_ENTRY_CTLS },
};

/* An MSR that is not there reads as 0: nothing is offered. */
static u64 vmx_cap_msr(u32 msr)
{
	u64 val = 0;

	return rdmsrl_safe(msr, &val) ? 0 : val;
}

static void vmx_read_caps(struct vmx_caps *caps)
{
	bool is_true;
	int i;

	caps->basic = vmx_cap_msr(MSR_IA32_VMX_BASIC);
	caps->misc = vmx_cap_msr(MSR_IA32_VMX_MISC);
	caps->ept_vpid = vmx_cap_msr(MSR_IA32_VMX_EPT_VPID_CAP);
	caps->cr0_fixed = vmx_cap_msr(MSR_IA32_VMX_CR0_FIXED0) & ~(u64)(X86_CR0_PE | X86_CR0_PG);
	caps->cr4_fixed = vmx_cap_msr(MSR_IA32_VMX_CR4_FIXED0);
	is_true = caps->basic & BASIC_TRUE_CONTROLS;
	for (i = 0; i < VMX_COUNT; i++) {
		u64 val = vmx_cap_msr(vmx_control_msr[i][is_true]);

		caps->must[i] = val;
		caps->may[i] = val >> 32;
	}
}

struct vmx_required {
	u8 ctl;
	u32 bits;
	const char *name;
};

/* In the order in which processors learnt them: the first that is missing is named. */
static const struct vmx_required vmx_required[] = {
	{ VMX_PIN, PIN_EXT_INTR | PIN_NMI, "exits for host interrupts are" },
	{ VMX_PIN, PIN_VIRTUAL_NMIS, "virtual NMIs are" },
	{ VMX_PROC, PROC_TPR_SHADOW, "the TPR shadow is" },
	{ VMX_PROC, PROC_MSR_BITMAPS, "MSR bitmaps are" },
	{ VMX_PROC, PROC_INTR_WINDOW | PROC_NMI_WINDOW | PROC_TSC_OFFSET | PROC_HLT | PROC_MWAIT |
		    PROC_RDPMC | PROC_MOV_DR | PROC_UNCOND_IO | PROC_MONITOR,
	  "an exit every VMX processor should have is" },
	{ VMX_EXIT, EXIT_HOST_64 | EXIT_SAVE_DEBUG, "64-bit hosts are" },
	{ VMX_EXIT, EXIT_LOAD_EFER, "switching EFER is" },
	{ VMX_ENTRY, ENTRY_LOAD_DEBUG | ENTRY_IA32E | ENTRY_LOAD_EFER,
	  "loading EFER or debug registers at entries is" },
	{ VMX_PROC, PROC_SECONDARY, "secondary execution controls are" },
	{ VMX_PROC2, PROC2_EPT, "extended page tables (EPT) are" },
	{ VMX_PROC2, PROC2_VPID, "virtual processor ids (VPID) are" },
	{ VMX_PROC2, PROC2_UNRESTRICTED, "unrestricted guests are" },
	{ VMX_PROC2, PROC2_WBINVD, "exits for WBINVD are" },
};

#define REQUIRED_EPT (CAP_EPT_LEVEL_4 | CAP_EPT_WB | CAP_EPT_2M | CAP_INVEPT | CAP_INVEPT_SINGLE | \
		      CAP_INVEPT_ALL | CAP_INVVPID | CAP_INVVPID_SINGLE)

/**
 * vmx_missing() - what a processor lacks that this backend requires
 * @caps: what it has
 *
 * Context: any; pure
 * Return: the beginning of a sentence that ends in "missing"; NULL: nothing
 */
const char *vmx_missing(const struct vmx_caps *caps)
{
	const struct vmx_required *r;

	if (((caps->basic >> BASIC_SIZE_SHIFT) & BASIC_SIZE_MASK) > PAGE_SIZE ||
	    ((caps->basic >> BASIC_TYPE_SHIFT) & BASIC_TYPE_MASK) != BASIC_TYPE_WB)
		return "a VMCS of one page of write-back memory is";
	for (r = vmx_required; r < vmx_required + ARRAY_SIZE(vmx_required); r++) {
		if ((caps->may[r->ctl] & r->bits) != r->bits)
			return r->name;
	}
	if ((caps->ept_vpid & REQUIRED_EPT) != REQUIRED_EPT)
		return "EPT of 4 levels with write-back tables, 2M pages, INVEPT and INVVPID is";
	return NULL;
}
EXPORT_FOR_TEST(vmx_missing);

static int vmx_check_required(void)
{
	char why[100];
	const char *missing;
	u64 ctl;

	if (!(cpuid_ecx(1) & BIT(5)))
		return backend_refuse("VMX",
				      "the processor, or the hypervisor below, does not offer it");
	if (!rdmsrl_safe(MSR_IA32_FEAT_CTL, &ctl) && (ctl & FEAT_CTL_LOCKED) &&
	    !(ctl & FEAT_CTL_VMX_ENABLED_OUTSIDE_SMX))
		return backend_refuse("VMX",
				      "the firmware has it switched off (IA32_FEATURE_CONTROL)");
	if (compat_uses_fred())
		return backend_refuse("VMX",
				      "the kernel takes interrupts by FRED: boot it with fred=off");
	vmx_read_caps(&vmx_caps);
	missing = vmx_missing(&vmx_caps);
	if (!missing)
		return 0;
	snprintf(why, sizeof(why), "%s missing", missing);
	return backend_refuse("VMX", why);
}

static bool vmx_may(enum vmx_control ctl, u32 bits)
{
	return (vmx_caps.may[ctl] & bits) == bits;
}

/*
 * L1 terminal fault: a guest's page tables can read what lies in the L1 data cache, so it is
 * emptied before each entry; "l1tf=off" on the kernel's command line forgoes that.
 */
static bool vmx_must_flush_l1d(void)
{
	if (!boot_cpu_has_bug(X86_BUG_L1TF) || l1tf_mitigation == L1TF_MITIGATION_OFF ||
	    (vmx_cap_msr(MSR_IA32_ARCH_CAPABILITIES) & ARCH_CAP_SKIP_VMENTRY_L1DFLUSH))
		return false;
	if (boot_cpu_has(X86_FEATURE_FLUSH_L1D))
		return true;
	pr_warn("guests can read this processor's L1 data cache (L1TF), and its microcode cannot flush it: update it\n");
	return false;
}

/*
 * A guest that changes the size of a page from which it executes has some processors end in a
 * machine check (iTLB multihit); no page is ever executed by a large translation there.
 */
static void vmx_split_for_fetch(void)
{
	if (nx_huge_pages < 0)
		nx_huge_pages = boot_cpu_has_bug(X86_BUG_ITLB_MULTIHIT) && !cpu_mitigations_off();
	nx_huge_pages = !!nx_huge_pages;
	vmx_tdp_format.exec_large = nx_huge_pages ? 0 : vmx_tdp_format.exec;
}

/*
 * The preemption timer of the first processors that have it is wrong, and their exits clear
 * counters that they should not (Westmere's specification updates).
 */
static bool vmx_is_westmere(void)
{
	return boot_cpu_data.x86_vendor == X86_VENDOR_INTEL && boot_cpu_data.x86 == 6 &&
	       (boot_cpu_data.x86_model == INTEL_WESTMERE ||
		boot_cpu_data.x86_model == INTEL_WESTMERE_EP ||
		boot_cpu_data.x86_model == INTEL_WESTMERE_EX);
}

static bool vmx_use_preemption_timer(void)
{
	return preemption_timer && vmx_may(VMX_PIN, PIN_PREEMPTION_TIMER) &&
	       boot_cpu_has(X86_FEATURE_CONSTANT_TSC) && !vmx_is_westmere();
}

#define VIRTUAL_APIC	(PROC2_APIC_ACCESS | PROC2_X2APIC | PROC2_APIC_REGISTERS | \
			 PROC2_VIRTUAL_INTR)

/*
 * The processors that have all of it but posted interrupts are few, and the one that is known well,
 * Bochs, delivers with IF clear at times.
 */
static bool vmx_use_virtual_apic(void)
{
	if (!vmx_may(VMX_PROC2, VIRTUAL_APIC))
		return false;
	return virtual_apic < 0 ? vmx_may(VMX_PIN, PIN_POSTED_INTR) : virtual_apic;
}

/* Has perf counters that are switched with the guest, and do entries and exits do so? */
static void vmx_use_perf(void)
{
	int nr;

	preempt_disable();
	vmx_has.perf = compat_perf_guest_msrs(&nr);
	preempt_enable();
	vmx_has.perf_switch = vmx_has.perf && !vmx_is_westmere() &&
			      vmx_may(VMX_ENTRY, ENTRY_LOAD_PERF) &&
			      vmx_may(VMX_EXIT, EXIT_LOAD_PERF);
}

static void vmx_fill_features(void)
{
	vmx_has.tsc_scale = backend_options.tsc_scale && vmx_may(VMX_PROC2, PROC2_TSC_SCALING);
	vmx_has.pause_loop = backend_options.pause_filter && vmx_may(VMX_PROC2, PROC2_PAUSE_LOOP);
	vmx_has.ept_dirty = ept_dirty && (vmx_caps.ept_vpid & CAP_EPT_ACCESSED_DIRTY);
	vmx_has.pml = pml && vmx_has.ept_dirty && vmx_may(VMX_PROC2, PROC2_PML);
	vmx_has.rdtscp = vmx_may(VMX_PROC2, PROC2_RDTSCP);
	vmx_has.invpcid = vmx_may(VMX_PROC2, PROC2_INVPCID);
	vmx_has.xsaves = vmx_may(VMX_PROC2, PROC2_XSAVES);
	vmx_has.flush_l1d = vmx_must_flush_l1d();
	vmx_use_perf();
	vmx_split_for_fetch();
	vmx_has.virtual_apic = vmx_use_virtual_apic();
	vmx_has.preemption_timer = vmx_use_preemption_timer();
	vmx_has.timer_shift = vmx_caps.misc & MISC_TIMER_RATE_MASK;
	if (run_limit_us && vmx_has.preemption_timer)
		vmx_has.run_limit = (mul_u64_u32_div(run_limit_us, tsc_khz, 1000) >>
				     vmx_has.timer_shift) + 1;
	vmx_has.posted_intr = posted_intr && COMPAT_POSTED_INTR && vmx_has.virtual_apic &&
			      vmx_may(VMX_PIN, PIN_POSTED_INTR) && vmx_may(VMX_EXIT, EXIT_ACK_INTR);
	/* Posted interrupts need it (27.2.1.1). */
	vmx_has.ack_intr = vmx_has.posted_intr || (ack_intr && vmx_may(VMX_EXIT, EXIT_ACK_INTR));
	vmx_has.stale_vectoring = !vmx_may(VMX_PIN, PIN_POSTED_INTR);
}

static void vmx_fill_caps(void)
{
	backend_caps.insn_len = true;
	backend_caps.decode_assist = true;
	backend_caps.tsc_scaling = vmx_has.tsc_scale;
	backend_caps.tsc_ratio_frac_bits = 48;		/* 25.6.5 */
	backend_caps.tsc_ratio_max = ~0ULL;
	backend_caps.page_1g = vmx_caps.ept_vpid & CAP_EPT_1G;
	backend_caps.vnmi = true;
	backend_caps.pdptes = true;
	backend_caps.pml = vmx_has.pml;
	backend_caps.deadline = vmx_has.preemption_timer;
	backend_caps.acks_irqs = vmx_has.ack_intr;
	backend_caps.posted_irqs = vmx_has.posted_intr;
	backend_caps.virtual_apic = vmx_has.virtual_apic;
	backend_caps.xsaves = vmx_has.xsaves;
}

static void vmx_fill_tdp_format(void)
{
	tdp_format_fill(&vmx_tdp_format, backend_caps.page_1g);
	if (!vmx_has.ept_dirty)
		return;
	vmx_tdp_format.accessed = BIT_ULL(8);
	vmx_tdp_format.dirty = BIT_ULL(9);
}

static void vmx_free_pages(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		free_page((unsigned long)per_cpu(vmx_cpu, cpu).vmxon);
		per_cpu(vmx_cpu, cpu).vmxon = NULL;
	}
}

/* A VMCS or VMXON region begins with the revision it has to have (25.2, 25.11.5). */
struct vmcs *vmx_vmcs_alloc(int node, gfp_t gfp)
{
	struct page *page = alloc_pages_node(node, gfp | __GFP_ZERO, 0);
	struct vmcs *vmcs;

	if (!page)
		return NULL;
	vmcs = page_address(page);
	vmcs->revision = vmx_caps.basic & BASIC_REVISION_MASK;
	return vmcs;
}

static int vmx_alloc_pages(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		struct vmx_cpu *c = per_cpu_ptr(&vmx_cpu, cpu);

		INIT_LIST_HEAD(&c->loaded);
		c->vmxon = vmx_vmcs_alloc(cpu_to_node(cpu), GFP_KERNEL);
		if (!c->vmxon)
			return -ENOMEM;
	}
	return 0;
}

/**
 * vmx_probe() - find out what the processor offers; once, at load
 *
 * Context: may sleep. SDM vol. 3C, 24.6 to 24.8, appendix A.
 * Return: 0; -ENODEV: not Intel's; -EOPNOTSUPP: a required feature is missing; -ENOMEM
 */
int vmx_probe(void)
{
	int err;

	if (!vmx_is_intel())
		return -ENODEV;
	err = vmx_check_required();
	if (err)
		return err;
	vmx_fill_features();
	vmx_fill_caps();
	vmx_fill_tdp_format();
	vmx_msr_setup();
	err = vmx_alloc_pages();
	if (err)
		vmx_free_pages();
	return err;
}

/**
 * vmx_unprobe() - undo vmx_probe(); VMX is off on all processors
 */
void vmx_unprobe(void)
{
	vmx_free_pages();
}

/* ---- on and off ---- */

/* Firmware that locked nothing leaves it to us. */
static void vmx_lock_feat_ctl(void)
{
	u64 ctl;

	if (!rdmsrl_safe(MSR_IA32_FEAT_CTL, &ctl) && !(ctl & FEAT_CTL_LOCKED))
		wrmsrl_safe(MSR_IA32_FEAT_CTL,
			    ctl | FEAT_CTL_LOCKED | FEAT_CTL_VMX_ENABLED_OUTSIDE_SMX);
}

static int vmx_on(u64 region)
{
	asm goto("1: vmxon %[region]\n\t"
		 "ja 3f\n"
		 "2: jmp %l[failed]\n"
		 "3:\n"
		 _ASM_EXTABLE(1b, 2b)
		 : : [region] "m" (region) : "cc", "memory" : failed);
	return 0;
failed:
	return -EOPNOTSUPP;
}

/* INVEPT and INVVPID: a type, and 16 bytes of which the second half is 0 in all types used. */
#define DEFINE_INVALIDATE(insn)							\
static void vmx_##insn(unsigned long type, u64 tag)				\
{										\
	u64 operand[2] = { tag, 0 };						\
	bool failed;								\
										\
	asm volatile(#insn " %[operand], %[type]"				\
		     : "=@ccna" (failed)					\
		     : [operand] "m" (operand), [type] "r" (type) : "memory");	\
	if (failed)								\
		pr_err_ratelimited("VMX: " #insn " of type %lu failed\n", type); \
}

DEFINE_INVALIDATE(invept)
DEFINE_INVALIDATE(invvpid)

/**
 * vmx_cpu_enable() - switch VMX on, on this processor
 *
 * Context: interrupts off. SDM vol. 3C, 24.7.
 * Return: 0; -EBUSY: CR4.VMXE is set, another hypervisor is at work; -EOPNOTSUPP: VMXON fails
 */
int vmx_cpu_enable(void)
{
	struct vmx_cpu *c = this_cpu_ptr(&vmx_cpu);
	int err;

	if (cr4_read_shadow() & X86_CR4_VMXE)
		return -EBUSY;
	vmx_lock_feat_ctl();
	cr4_set_bits(X86_CR4_VMXE);
	/* Some processors cannot trace with VMX on. */
	intel_pt_handle_vmx(1);
	err = vmx_on(__pa(c->vmxon));
	if (err) {
		intel_pt_handle_vmx(0);
		cr4_clear_bits(X86_CR4_VMXE);
		return err;
	}
	/* Translations of guests may have outlived VMXOFF (29.4.3.3). */
	vmx_invept(INV_ALL, 0);
	c->current_vmcs = NULL;
	c->enabled = true;
	return 0;
}

static void vmx_vmclear(struct vmx_vcpu *vmx)
{
	u64 pa = __pa(vmx->vmcs);

	/* When the crash path was quicker VMX is off already. */
	asm volatile("1: vmclear %0\n2:\n" _ASM_EXTABLE(1b, 2b) : : "m" (pa) : "cc", "memory");
	vmx->entry.flags &= ~ENTRY_RESUME;
	vmx->cpu = -1;
}

/**
 * vmx_cpu_disable() - switch VMX off, on this processor
 *
 * Harmless when it is off already, or when the kernel's crash path was quicker.
 *
 * Context: interrupts off, or the crash path's NMI
 */
void vmx_cpu_disable(void)
{
	struct vmx_cpu *c = this_cpu_ptr(&vmx_cpu);
	struct vmx_vcpu *vmx;

	if (!c->enabled)
		return;
	c->enabled = false;
	list_for_each_entry(vmx, &c->loaded, loaded)
		vmx_vmclear(vmx);
	INIT_LIST_HEAD(&c->loaded);
	c->current_vmcs = NULL;
	asm volatile("1: vmxoff\n2:\n" _ASM_EXTABLE(1b, 2b) : : : "cc", "memory");
	intel_pt_handle_vmx(0);
	cr4_clear_bits(X86_CR4_VMXE);
}

/* ---- loaded VMCSs ---- */

static void vmx_vmcs_clear_here(void *arg)
{
	struct vmx_cpu *c = this_cpu_ptr(&vmx_cpu);
	struct vmx_vcpu *vmx = arg;

	/* The processor may have gone down and up again since. */
	if (vmx->cpu != smp_processor_id())
		return;
	vmx_vmclear(vmx);
	list_del(&vmx->loaded);
	if (c->current_vmcs == vmx)
		c->current_vmcs = NULL;
}

/**
 * vmx_vmcs_clear() - take the VMCS out of whatever processor may keep it
 * @vmx: the vCPU; nobody loads it meanwhile
 *
 * Context: interrupts on
 */
void vmx_vmcs_clear(struct vmx_vcpu *vmx)
{
	int cpu = READ_ONCE(vmx->cpu);

	/* A processor that is offline has cleared its list. */
	if (cpu >= 0)
		smp_call_function_single(cpu, vmx_vmcs_clear_here, vmx, 1);
}

static void vmx_vmcs_enter_list(struct vmx_vcpu *vmx, struct vmx_cpu *c, int cpu)
{
	unsigned long flags;

	local_irq_save(flags);
	/* The launch state of a new region is set by VMCLEAR, too (25.11.3). */
	vmx_vmclear(vmx);
	list_add(&vmx->loaded, &c->loaded);
	vmx->cpu = cpu;
	local_irq_restore(flags);
	vmx->fixups |= FIXUP_FLUSH_EPT;
}

/**
 * vmx_vmcs_load() - make a VMCS the current one of this processor
 * @vmx: the vCPU
 * @cpu: this processor
 *
 * Context: preemption off, interrupts on
 * Return: false: VMX is off here, a processor on its way down; nothing will be entered on it
 */
bool vmx_vmcs_load(struct vmx_vcpu *vmx, int cpu)
{
	struct vmx_cpu *c = per_cpu_ptr(&vmx_cpu, cpu);
	u64 pa = __pa(vmx->vmcs);

	if (!READ_ONCE(c->enabled))
		return false;
	if (vmx->cpu != cpu) {
		vmx_vmcs_clear(vmx);
		vmx_vmcs_enter_list(vmx, c, cpu);
	}
	if (c->current_vmcs != vmx) {
		asm volatile("1: vmptrld %0\n2:\n" _ASM_EXTABLE(1b, 2b)
			     : : "m" (pa) : "cc", "memory");
		c->current_vmcs = vmx;
	}
	return true;
}

/**
 * vmx_flush() - the flushes that were asked for
 * @vmx: the vCPU, about to be entered
 *
 * INVEPT takes combined mappings of all VPIDs along (29.4.3.1).
 *
 * Context: interrupts off
 */
void vmx_flush(struct vmx_vcpu *vmx)
{
	if (vmx->fixups & FIXUP_FLUSH_EPT)
		vmx_invept(INV_SINGLE, vmx->eptp);
	else
		vmx_invvpid(INV_SINGLE, vmx->vpid);
	vmx->fixups &= ~FIXUP_FLUSH;
}
