// SPDX-License-Identifier: GPL-2.0
/*
 * The Intel backend: lifetime of its half of a vCPU, and the path of one entry and exit.
 *
 * Rule for the VMCS: VMREAD and VMWRITE cost, so a field is written when it changes (struct
 * vmx_host, struct vmx_hw, vmx_vcpu.ctl are what it holds) and read when somebody asks.
 */
#define pr_fmt(fmt) "vmm: " fmt

#include <linux/idr.h>
#include <linux/slab.h>
#include <asm/cpu_entry_area.h>
#include <asm/desc.h>
#include <asm/fsgsbase.h>
#include <asm/mmu_context.h>
#include <asm/msr.h>
#include <asm/special_insns.h>
#include <asm/tlbflush.h>
#include <asm/trapnr.h>

#include "../cpu/hw.h"
#include "../main.h"
#include "../memory/tdp_format.h"
#include "vmx.h"

#define VPID_MAX	0xffff
#define VTPR		0x80		/* offset of TPR in the virtual-APIC page */

static DEFINE_IDA(vmx_vpids);		/* 0 is the host's */

/**
 * vmx_field_failed() - VMREAD or VMWRITE failed
 * @field: the field's encoding
 * @write: it was VMWRITE
 *
 * A mistake of ours, or VMX was switched off under us.
 */
void vmx_field_failed(unsigned long field, bool write)
{
	if (this_cpu_read(vmx_cpu.enabled))
		pr_err_ratelimited("VMX: %s of field %#lx failed\n", write ? "write" : "read",
				   field);
}
EXPORT_FOR_TEST(vmx_field_failed);

/* ---- lifetime ---- */

static int vmx_alloc_vcpu(struct vcpu *vcpu, struct vmx_vcpu *vmx)
{
	int vpid;

	vmx->vmcs = vmx_vmcs_alloc(NUMA_NO_NODE, GFP_KERNEL_ACCOUNT);
	vmx->msr_bitmap = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	vmx->apic_page = lapic_page(vcpu);
	vmx->own_apic_page = !vmx->apic_page;
	if (vmx->own_apic_page)
		vmx->apic_page = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (vmx_has.pml)
		vmx->pml = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!vmx->vmcs || !vmx->msr_bitmap || !vmx->apic_page || (vmx_has.pml && !vmx->pml))
		return -ENOMEM;
	vpid = ida_alloc_range(&vmx_vpids, 1, VPID_MAX, GFP_KERNEL_ACCOUNT);
	if (vpid < 0)
		return vpid;
	vmx->vpid = vpid;
	return 0;
}

static void vmx_free_vcpu(struct vmx_vcpu *vmx)
{
	if (vmx->vpid)
		ida_free(&vmx_vpids, vmx->vpid);
	free_guest_page(vmx->vmcs);
	free_page((unsigned long)vmx->msr_bitmap);
	if (vmx->own_apic_page)
		free_guest_page(vmx->apic_page);
	free_guest_page(vmx->pml);
	kfree_sensitive(vmx);
}

static int vmx_vcpu_create(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = kzalloc(sizeof(*vmx), GFP_KERNEL_ACCOUNT);
	int err;

	if (!vmx)
		return -ENOMEM;
	err = vmx_alloc_vcpu(vcpu, vmx);
	if (err) {
		vmx_free_vcpu(vmx);
		return err;
	}
	vmx->cpu = -1;
	vcpu->backend = vmx;
	vmx_msrs_init(vcpu);
	return 0;
}

static void vmx_vcpu_destroy(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	vmx_vmcs_clear(vmx);
	vmx_free_vcpu(vmx);
	vcpu->backend = NULL;
}

/* Host fields that are the same on all processors, for as long as the machine runs. */
static void vmx_init_host(struct vmx_vcpu *vmx)
{
	vmcs_write(HOST_CR0, read_cr0());
	vmcs_write(HOST_CS_SELECTOR, __KERNEL_CS);
	vmcs_write(HOST_SS_SELECTOR, __KERNEL_DS);
	vmcs_write(HOST_DS_SELECTOR, 0);
	vmcs_write(HOST_ES_SELECTOR, 0);
	vmcs_write(HOST_FS_SELECTOR, 0);
	vmcs_write(HOST_GS_SELECTOR, 0);
	vmcs_write(HOST_TR_SELECTOR, GDT_ENTRY_TSS * 8);
	vmcs_write(HOST_EFER, __rdmsr(MSR_EFER));
	vmcs_write(HOST_SYSENTER_CS, __KERNEL_CS);
	vmcs_write(HOST_FS_BASE, 0);
	vmcs_write(HOST_CR3, 0);
	vmcs_write(HOST_CR4, 0);
}

static u32 vmx_proc2_controls(void)
{
	u32 proc2 = PROC2_EPT | PROC2_VPID | PROC2_UNRESTRICTED | PROC2_WBINVD;

	if (vmx_has.rdtscp)
		proc2 |= PROC2_RDTSCP;
	if (vmx_has.invpcid)
		proc2 |= PROC2_INVPCID;
	if (vmx_has.tsc_scale)
		proc2 |= PROC2_TSC_SCALING;
	/* Guests have no SGX, whatever the firmware has switched on. */
	return proc2 | (vmx_caps.may[VMX_PROC2] & PROC2_ENCLS);
}

/* The controls that never change; policy, windows and EFER add theirs. */
static void vmx_init_control(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	vmx_control_set(vmx, VMX_PIN, PIN_EXT_INTR | PIN_NMI | PIN_VIRTUAL_NMIS |
			(vmx_has.run_limit ? PIN_PREEMPTION_TIMER : 0));
	vmx_control_set(vmx, VMX_PROC, PROC_TSC_OFFSET | PROC_RDPMC | PROC_UNCOND_IO |
			PROC_TPR_SHADOW | PROC_MSR_BITMAPS | PROC_SECONDARY);
	vmx_control_set(vmx, VMX_PROC2, vmx_proc2_controls());
	vmx_control_set(vmx, VMX_EXIT, EXIT_HOST_64 | EXIT_SAVE_DEBUG | EXIT_LOAD_EFER |
			(vmx_has.ack_intr ? EXIT_ACK_INTR : 0));
	vmx_control_set(vmx, VMX_ENTRY, ENTRY_LOAD_DEBUG | ENTRY_LOAD_EFER);
	vmcs_write(VPID, vmx->vpid);
	vmcs_write(MSR_BITMAP, __pa(vmx->msr_bitmap));
	vmcs_write(CR3_TARGET_COUNT, 0);
	vmcs_write(PF_ERROR_MASK, 0);
	vmcs_write(PF_ERROR_MATCH, 0);
	vmcs_write(EXIT_MSR_STORE_COUNT, 0);
	vmcs_write(EXIT_MSR_LOAD_COUNT, 0);
	vmcs_write(ENTRY_MSR_LOAD_COUNT, 0);
	if (vmx_has.tsc_scale)
		vmcs_write(TSC_MULTIPLIER, hw_tsc_ratio_one());
	vmx_apic_init(vcpu);
	if (vmx_has.perf_switch) {
		vmcs_write(GUEST_PERF_GLOBAL, 0);
		vmcs_write(HOST_PERF_GLOBAL, 0);
	}
	if (vmx_has.xsaves)
		vmcs_write(XSS_EXIT_BITMAP, 0);
	if (vmx->ctl[VMX_PROC2] & PROC2_ENCLS)
		vmcs_write(ENCLS_EXIT_BITMAP, ~0ULL);
}

/* The first RESET finds a VMCS in which no field has a value yet. */
static void vmx_vcpu_reset(struct vcpu *vcpu, bool init)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	if (!vmx->ctl[VMX_PIN]) {
		vmx_init_host(vmx);
		vmx_init_control(vcpu);
		vmx_state_init(vcpu);
	}
	vmcs_write(ENTRY_INTR_INFO, 0);
	vmcs_write(GUEST_ACTIVITY, ACTIVITY_ACTIVE);
	vmcs_write(GUEST_PENDING_DEBUG, 0);
	/* Written in full at the next entry. */
	vmcs_write(GUEST_RIP, 0);
	vmcs_write(GUEST_RSP, 0);
	vmcs_write(GUEST_RFLAGS, X86_EFLAGS_FIXED);
	vmcs_write(GUEST_INTERRUPTIBILITY, 0);
	vmcs_write(TPR_THRESHOLD, 0);
	vmx->hw = (struct vmx_hw) { .rflags = X86_EFLAGS_FIXED };
	vmx->windows = 0;
	vmx->fixups = FIXUP_FLUSH_EPT;
	vmx->hidden_tf = false;
	vmx_update_intercepts(vcpu);
}

/* ---- load and put ---- */

/* Host fields that are this processor's own. */
static void vmx_load_host_cpu(int cpu)
{
	struct desc_ptr idt;

	store_idt(&idt);
	vmcs_write(HOST_IDTR_BASE, idt.address);
	vmcs_write(HOST_GDTR_BASE, (unsigned long)get_cpu_gdt_ro(cpu));
	vmcs_write(HOST_TR_BASE, (unsigned long)&get_cpu_entry_area(cpu)->tss.x86_tss);
	vmcs_write(HOST_GS_BASE, __rdmsr(MSR_GS_BASE));
	vmcs_write(HOST_SYSENTER_ESP, __rdmsr(MSR_IA32_SYSENTER_ESP));
	vmcs_write(HOST_SYSENTER_EIP, __rdmsr(MSR_IA32_SYSENTER_EIP));
}

/* The thread is on this processor now; what is the guest's comes with the first entry. */
static void vmx_vcpu_load(struct vcpu *vcpu, int cpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	bool moved = vmx->cpu != cpu;

	/* A processor on its way down has VMX off already; nothing will be entered on it. */
	if (vmx_vmcs_load(vmx, cpu) && moved)
		vmx_load_host_cpu(cpu);
}

/*
 * Before the first entry since the thread came: the thread's segments are put by, the guest's MSRs
 * loaded. The VMCS takes no selector with TI or RPL, and 64-bit threads rarely have any but 0.
 */
static void vmx_guest_load(struct vmx_vcpu *vmx)
{
	struct vmx_host *host = &vmx->host;
	unsigned long fs_base;

	current_save_fsgs();
	savesegment(ds, host->ds);
	savesegment(es, host->es);
	host->fs = current->thread.fsindex;
	host->gs = current->thread.gsindex;
	fs_base = current->thread.fsbase;
	if (host->fs_base != fs_base) {
		host->fs_base = fs_base;
		vmcs_write(HOST_FS_BASE, fs_base);
	}
	vmx_msrs_load(vmx);
	vmx->guest_loaded = true;
}

/*
 * A selector that is not 0 has its base from its descriptor; load_gs_index() spares GS.base, and
 * writes KERNEL_GS_BASE.
 */
static void vmx_put_segments(const struct vmx_host *host)
{
	if (unlikely(host->ds | host->es)) {
		loadsegment(ds, host->ds);
		loadsegment(es, host->es);
	}
	if (unlikely(host->fs))
		loadsegment(fs, host->fs);
	if (unlikely(host->gs)) {
		unsigned long flags;

		local_irq_save(flags);
		load_gs_index(host->gs);
		local_irq_restore(flags);
	}
}

static void vmx_vcpu_put(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	if (!vmx->guest_loaded)
		return;
	vmx_kernel_gs_base(vmx);
	vmx->guest_loaded = false;
	vmx_put_segments(&vmx->host);
	vmx_msrs_put(vmx);
	/* Exits leave the widest GDT and the shortest TSS (SDM vol. 3C, 28.5.2). */
	invalidate_tss_limit();
	load_fixmap_gdt(raw_smp_processor_id());
}

/* ---- small operations ---- */

static void vmx_tlb_flush(struct vcpu *vcpu, bool guest_only)
{
	to_vmx(vcpu)->fixups |= guest_only ? FIXUP_FLUSH_VPID : FIXUP_FLUSH_EPT;
}

static void vmx_set_tdp_root(struct vcpu *vcpu, hpa_t root, int level)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	vmx->eptp = root | EPTP_WB | (level - 1) << EPTP_LEVEL_SHIFT;
	if (vmx_has.ept_dirty)
		vmx->eptp |= EPTP_ACCESSED_DIRTY;
	vmcs_write(EPT_POINTER, vmx->eptp);
	vmx_tlb_flush(vcpu, false);
}

static void vmx_set_tsc(struct vcpu *vcpu)
{
	vmcs_write(TSC_OFFSET, vcpu->tsc.offset);
	if (vmx_has.tsc_scale)
		vmcs_write(TSC_MULTIPLIER, hw_tsc_ratio(vcpu));
}

/* ---- the path of one entry and exit ---- */

/*
 * The address space of the host, and its CR4, may be others than last time. DEBUGCTL is read at
 * each entry, as perf changes it from interrupts.
 */
static __always_inline void vmx_entry_host(struct vmx_host *host)
{
	unsigned long cr3 = __get_current_cr3_fast();
	unsigned long cr4 = cr4_read_shadow();

	host->debugctl = __rdmsr(MSR_IA32_DEBUGCTLMSR);
	host->ldt = 0;
	if (unlikely(compat_mm_has_ldt(current->mm)))
		asm volatile("sldt %0" : "=m" (host->ldt));
	if (unlikely(host->cr3 != cr3)) {
		host->cr3 = cr3;
		vmcs_write(HOST_CR3, cr3);
	}
	if (unlikely(host->cr4 != cr4)) {
		host->cr4 = cr4;
		vmcs_write(HOST_CR4, cr4);
	}
}

/* One shadow at a time, that of STI only with IF set: else the entry is refused (27.3.1.5). */
static u32 vmx_shadow(const struct vcpu_state *s)
{
	if ((s->int_shadow & KVM_X86_SHADOW_INT_STI) && (s->rflags & X86_EFLAGS_IF))
		return INTERRUPTIBILITY_STI;
	return INTERRUPTIBILITY_MOV_SS;
}

/* An NMI that is injected finds NMIs open; its delivery blocks them. */
static __always_inline u32 vmx_interruptibility(const struct vcpu *vcpu)
{
	const struct vcpu_events *ev = &vcpu->events;
	u32 val = 0;

	if (unlikely(vcpu->state.int_shadow))
		val = vmx_shadow(&vcpu->state);
	if (unlikely(ev->nmi_masked) && ev->injected.type != EVENT_NMI)
		val |= INTERRUPTIBILITY_NMI;
	return val;
}

/*
 * What runs from here to the entry may be read by a guest on a processor with L1TF, or by one that
 * has a device on a processor with stale data behind MMIO.
 */
static __always_inline void vmx_entry_spec(struct vcpu *vcpu, struct vmx_entry *entry)
{
	static const u16 data_selector = __KERNEL_DS;

	if (unlikely(vmx_has.flush_l1d))
		wrmsrl(MSR_IA32_FLUSH_CMD, L1D_FLUSH);
	if (compat_clear_for_devices() && READ_ONCE(vcpu->vm->mem.devices))
		asm volatile("verw %0" : : "m" (data_selector) : "cc");
	entry->flags = (entry->flags & ENTRY_RESUME) |
		       hw_spec_ctrl(vcpu, entry->guest_spec, &entry->host_spec);
}

/* What is at hand in vcpu->state, where it is not what the VMCS holds. */
static __always_inline void vmx_entry_registers(struct vcpu *vcpu, struct vmx_vcpu *vmx)
{
	const struct vcpu_state *s = &vcpu->state;
	struct vmx_hw *hw = &vmx->hw;
	u32 interruptibility = vmx_interruptibility(vcpu);

	if (hw->rip != s->rip) {
		hw->rip = s->rip;
		vmcs_write(GUEST_RIP, s->rip);
	}
	if (hw->rsp != s->gpr[REG_RSP]) {
		hw->rsp = s->gpr[REG_RSP];
		vmcs_write(GUEST_RSP, hw->rsp);
	}
	if (hw->rflags != s->rflags) {
		hw->rflags = s->rflags;
		vmcs_write(GUEST_RFLAGS, s->rflags);
	}
	if (hw->interruptibility != interruptibility) {
		hw->interruptibility = interruptibility;
		vmcs_write(GUEST_INTERRUPTIBILITY, interruptibility);
	}
	if (s->cr2 != native_read_cr2())
		native_write_cr2(s->cr2);
	/* TPR has a lower half, which is not in CR8. */
	if (vmx->apic_page[VTPR] >> 4 != s->cr8)
		vmx->apic_page[VTPR] = s->cr8 << 4;
}

/*
 * A HLT that does not exit goes on with the next entry. Where user space has moved the vCPU
 * elsewhere, or into a state in which nothing halts, it has ended (27.3.1.5).
 */
static void vmx_entry_activity(const struct vcpu *vcpu, const struct vmx_vcpu *vmx)
{
	const struct vcpu_state *s = &vcpu->state;

	if (s->rip != vmx->hw.rip || s->cpl || s->int_shadow || (s->rflags & X86_EFLAGS_TF))
		vmcs_write(GUEST_ACTIVITY, ACTIVITY_ACTIVE);
}

static __always_inline void vmx_exit_registers(struct vcpu *vcpu, struct vmx_vcpu *vmx)
{
	struct vcpu_state *s = &vcpu->state;
	struct vmx_hw *hw = &vmx->hw;
	u64 rip = vmcs_read(GUEST_RIP), rsp = vmcs_read(GUEST_RSP);
	u64 rflags = vmcs_read(GUEST_RFLAGS);

	*hw = (struct vmx_hw) {
		.rip = rip, .rsp = rsp, .rflags = rflags,
		.interruptibility = vmcs_read(GUEST_INTERRUPTIBILITY),
	};
	s->rip = rip;
	s->gpr[REG_RSP] = rsp;
	s->rflags = rflags;
	s->cr2 = native_read_cr2();
	s->cpl = (vmcs_read(GUEST_SS_AR) & SEG_DPL_MASK) >> SEG_DPL_SHIFT;
	s->cr8 = vmx->apic_page[VTPR] >> 4;
	s->int_shadow = 0;
	if (unlikely(hw->interruptibility)) {
		if (hw->interruptibility & INTERRUPTIBILITY_STI)
			s->int_shadow = KVM_X86_SHADOW_INT_STI;
		else if (hw->interruptibility & INTERRUPTIBILITY_MOV_SS)
			s->int_shadow = KVM_X86_SHADOW_INT_MOV_SS;
	}
	vcpu->events.nmi_masked = hw->interruptibility & INTERRUPTIBILITY_NMI;
	s->valid = 0;
}

/*
 * The preemption timer counts down in the guest from what is written here (25.5.1), in steps of the
 * TSC: rather late than early.
 */
static void vmx_entry_timer(struct vcpu *vcpu, struct vmx_vcpu *vmx)
{
	u64 deadline = vcpu->tsc.deadline, now = rdtsc(), left = vmx_has.run_limit ?: U32_MAX;

	vmx_control_change(vmx, VMX_PIN, PIN_PREEMPTION_TIMER,
			   deadline || vmx_has.run_limit ? PIN_PREEMPTION_TIMER : 0);
	if (deadline)
		left = min(left, deadline > now ?
				 ((deadline - now - 1) >> vmx_has.timer_shift) + 1 : 0);
	vmcs_write(GUEST_PREEMPTION_TIMER, min_t(u64, left, U32_MAX));
}

static void vmx_switch_counters(struct vmx_vcpu *vmx, u64 host, u64 guest)
{
	struct vmx_host *h = &vmx->host;
	bool differ = host != guest;

	if (unlikely(!vmx_has.perf_switch)) {
		h->perf = host;
		h->perf_written = differ;
		if (differ)
			wrmsrl(MSR_CORE_PERF_GLOBAL_CTRL, guest);
		return;
	}
	vmx_control_change(vmx, VMX_ENTRY, ENTRY_LOAD_PERF, differ ? ENTRY_LOAD_PERF : 0);
	vmx_control_change(vmx, VMX_EXIT, EXIT_LOAD_PERF, differ ? EXIT_LOAD_PERF : 0);
	if (!differ)
		return;
	if (h->perf != host) {
		h->perf = host;
		vmcs_write(HOST_PERF_GLOBAL, host);
	}
	if (h->perf_guest != guest) {
		h->perf_guest = guest;
		vmcs_write(GUEST_PERF_GLOBAL, guest);
	}
}

/*
 * Counters that are not to count guests stop, and so do those with PEBS: it would write its records
 * to addresses of the guest. Perf changes them from interrupts, too.
 */
static void vmx_entry_perf(struct vmx_vcpu *vmx)
{
	const struct perf_guest_switch_msr *msr;
	int nr = 0;

	vmx->host.pebs = 0;
	for (msr = compat_perf_guest_msrs(&nr); msr && nr > 0; msr++, nr--) {
		if (msr->msr == MSR_CORE_PERF_GLOBAL_CTRL)
			vmx_switch_counters(vmx, msr->host, msr->guest);
		else if (msr->msr == MSR_IA32_PEBS_ENABLE)
			vmx->host.pebs = msr->host;
	}
	if (unlikely(vmx->host.pebs))
		wrmsrl(MSR_IA32_PEBS_ENABLE, 0);
}

/*
 * What was cleared for the guest, or by the exit, which has no field for it (28.5.1, 28.5.2). The
 * GDT has the LDT still.
 */
static __always_inline void vmx_exit_cleared(const struct vmx_host *host)
{
	if (unlikely(host->pebs))
		wrmsrl(MSR_IA32_PEBS_ENABLE, host->pebs);
	if (unlikely(host->perf_written))
		wrmsrl(MSR_CORE_PERF_GLOBAL_CTRL, host->perf);
	if (unlikely(host->debugctl))
		update_debugctlmsr(host->debugctl);
	if (unlikely(host->ldt))
		asm volatile("lldt %0" : : "m" (host->ldt));
}

/*
 * An NMI of the host has ended the run and is blocked until the next IRET, that of its handler
 * (28.5.5); a machine check goes to the kernel as soon as it can take one.
 */
static void vmx_exit_host_event(struct vmx_vcpu *vmx)
{
	vmx->exit.intr_info = vmcs_read(EXIT_INTR_INFO);
	switch (vmx->exit.intr_info & (INTR_TYPE_MASK | INTR_VECTOR_MASK)) {
	case EVENT_NMI << INTR_TYPE_SHIFT | X86_TRAP_NMI:
		asm volatile("int $2");
		break;
	case EVENT_EXCEPTION << INTR_TYPE_SHIFT | X86_TRAP_MC:
		host_machine_check();
		break;
	}
}

static __always_inline void vmx_exit_host(struct vmx_vcpu *vmx)
{
	u32 basic = vmx->exit.reason & REASON_BASIC_MASK;

	if (basic == EXIT_REASON_EXCEPTION_NMI)
		vmx_exit_host_event(vmx);
	else if (unlikely(basic == EXIT_REASON_MCE_DURING_VMENTRY))
		host_machine_check();
}

/* VMLAUNCH or VMRESUME failed: the state is what it was, and INSTRUCTION_ERROR says why (31.4). */
static void vmx_exit_failed(struct vmx_vcpu *vmx)
{
	vmx->error = vmcs_read(INSTRUCTION_ERROR);
	vmx->exit.reason = REASON_ENTRY_FAILURE;
	vmcs_write(ENTRY_INTR_INFO, 0);
}

static void vmx_run(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	int failed;

	if (unlikely(!vmx->guest_loaded))
		vmx_guest_load(vmx);
	if (vcpu->state.dirty)
		vmx_state_load(vcpu);
	if (unlikely(!vcpu->policy.hlt))
		vmx_entry_activity(vcpu, vmx);
	vmx_entry_registers(vcpu, vmx);
	if (unlikely(vmx->fixups | vmx->hw.interruptibility))
		vmx_entry_fixup(vcpu);
	if (unlikely(vcpu->tsc.deadline || (vmx->ctl[VMX_PIN] & PIN_PREEMPTION_TIMER)))
		vmx_entry_timer(vcpu, vmx);
	vmx_entry_host(&vmx->host);
	if (vmx_has.perf)
		vmx_entry_perf(vmx);
	vmx_entry_spec(vcpu, &vmx->entry);

	failed = vmx_enter(vcpu->state.gpr, &vmx->entry);
	vmx_exit_cleared(&vmx->host);
	if (unlikely(failed)) {
		vmx_exit_failed(vmx);
		return;
	}
	vmx->exit.reason = vmcs_read(EXIT_REASON);
	/* An entry that failed late is no launch, and its event still stands (27.8). */
	if (likely(!(vmx->exit.reason & REASON_ENTRY_FAILURE)))
		vmx->entry.flags |= ENTRY_RESUME;
	else
		vmcs_write(ENTRY_INTR_INFO, 0);
	vmx_exit_registers(vcpu, vmx);
	if (unlikely(vmx->fixups))
		vmx_exit_fixup(vcpu);
	vmx_exit_host(vmx);
}

/*
 * An interrupt that the exit has acknowledged is taken as if it came now (28.2.2): its handler, and
 * what runs behind it, must not meet the guest's XCR0 and debug registers.
 */
static void vmx_take_interrupt(struct vcpu *vcpu)
{
	u32 info;

	if ((to_vmx(vcpu)->exit.reason & REASON_BASIC_MASK) != EXIT_REASON_EXTERNAL_INTERRUPT)
		return;
	info = vmcs_read(EXIT_INTR_INFO);
	if (info & INTR_VALID)
		vmx_host_interrupt(info & INTR_VECTOR_MASK);
}

const struct backend vmx_backend = {
	.name = "vmx",
	.tdp_format = &vmx_tdp_format,
	.probe = vmx_probe,
	.unprobe = vmx_unprobe,
	.cpu_enable = vmx_cpu_enable,
	.cpu_disable = vmx_cpu_disable,
	.vcpu_create = vmx_vcpu_create,
	.vcpu_destroy = vmx_vcpu_destroy,
	.vcpu_reset = vmx_vcpu_reset,
	.vcpu_load = vmx_vcpu_load,
	.vcpu_put = vmx_vcpu_put,
	.state_fetch = vmx_state_fetch,
	.run = vmx_run,
	.host_interrupt = vmx_take_interrupt,
	.exit_decode = vmx_exit_decode,
	.inject = vmx_inject,
	.inject_cancel = vmx_inject_cancel,
	.set_windows = vmx_set_windows,
	.update_intercepts = vmx_update_intercepts,
	.msr_intercept = vmx_msr_intercept,
	.set_tdp_root = vmx_set_tdp_root,
	.tlb_flush = vmx_tlb_flush,
	.set_tsc = vmx_set_tsc,
	.post_irqs = vmx_post_irqs,
	.sync_apic = vmx_sync_apic,
	.get_msr = vmx_get_msr,
	.set_msr = vmx_set_msr,
	.dump = vmx_dump,
};
