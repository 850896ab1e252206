// SPDX-License-Identifier: GPL-2.0
/*
 * The AMD backend: lifetime of its half of a vCPU, and the path of one entry and exit.
 *
 * Rules for the VMCB: whoever writes a field that a clean bit vouches for calls svm_mark_written()
 * with it; the processor's own writes at #VMEXIT leave everything clean.
 */
#include <linux/hw_breakpoint.h>
#include <linux/mem_encrypt.h>
#include <linux/slab.h>
#include <asm/debugreg.h>
#include <asm/desc.h>
#include <asm/msr.h>
#include <asm/trapnr.h>

#include "../cpu/hw.h"
#include "../main.h"
#include "../memory/tdp_format.h"
#include "svm.h"

#define MSRPM_ORDER	1		/* 8 KiB (APM vol. 2, 15.11) */
#define SHADOW_ANY	(KVM_X86_SHADOW_INT_STI | KVM_X86_SHADOW_INT_MOV_SS)

/* ---- lifetime ---- */

static int svm_alloc_vcpu(struct svm_vcpu *svm)
{
	svm->vmcb = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	svm->msrpm = (void *)__get_free_pages(GFP_KERNEL_ACCOUNT, MSRPM_ORDER);
	if (svm_has.check_clean)
		svm->copy = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!svm->vmcb || !svm->msrpm || (svm_has.check_clean && !svm->copy))
		return -ENOMEM;
	memset(svm->msrpm, 0xff, PAGE_SIZE << MSRPM_ORDER);
	return 0;
}

static void svm_free_vcpu(struct svm_vcpu *svm)
{
	free_guest_page(svm->vmcb);
	free_pages((unsigned long)svm->msrpm, MSRPM_ORDER);
	free_guest_page(svm->copy);
	kfree_sensitive(svm);
}

/* The fields that never change. */
static void svm_init_control(struct svm_vcpu *svm)
{
	struct vmcb_control *c = &svm->vmcb->control;

	c->iopm_pa = svm_iopm_pa;
	c->msrpm_pa = __sme_set(__pa(svm->msrpm));
	svm->int_ctl = V_INTR_MASKING;
	c->np_ctl = NP_ENABLE;
	svm->entry.vmcb_pa = __sme_set(__pa(svm->vmcb));
}

static int svm_vcpu_create(struct vcpu *vcpu)
{
	struct svm_vcpu *svm = kzalloc(sizeof(*svm), GFP_KERNEL_ACCOUNT);

	if (!svm)
		return -ENOMEM;
	if (svm_alloc_vcpu(svm)) {
		svm_free_vcpu(svm);
		return -ENOMEM;
	}
	svm->cpu = -1;
	svm_init_control(svm);
	vcpu->backend = svm;
	svm_update_intercepts(vcpu);
	return 0;
}

static void svm_vcpu_destroy(struct vcpu *vcpu)
{
	svm_free_vcpu(to_svm(vcpu));
	vcpu->backend = NULL;
}

static void svm_vcpu_reset(struct vcpu *vcpu, bool init)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct vmcb_control *c = &svm->vmcb->control;

	c->event_inj = 0;
	c->int_state = 0;
	svm->int_ctl = V_INTR_MASKING;
	svm->windows = 0;
	svm->fixups = 0;
	svm->nmi_open = false;
	svm->hidden_tf = false;
	svm->stray_tf_rip = 0;
	svm->asid_generation = 0;
	svm_mark_written(svm, CLEAN_ALL);
	svm_update_intercepts(vcpu);
}

/* ---- load and put ---- */

/*
 * The thread is on this processor now. On another one than last time its ASID and what the
 * processor keeps of its VMCB mean nothing (APM vol. 2, 15.15.1 and 15.16.1).
 */
static void svm_vcpu_load(struct vcpu *vcpu, int cpu)
{
	struct svm_cpu *c = per_cpu_ptr(&svm_cpu, cpu);
	struct svm_vcpu *svm = to_svm(vcpu);

	if (svm->cpu != cpu) {
		svm->cpu = cpu;
		svm->asid_generation = 0;
		svm_mark_written(svm, CLEAN_ALL);
	}
	/* A processor on its way down has SVM off already; nothing will be entered on it. */
	if (!c->enabled)
		return;
	svm->entry.host_pa = c->host_pa;
	svm_vmsave(c->host_pa);
	svm_load_tsc_ratio(c, hw_tsc_ratio(vcpu));
}

static void svm_vcpu_put(struct vcpu *vcpu)
{
	/* Each exit has given the host its state back. */
}

/* ---- small operations ---- */

static void svm_tlb_flush(struct vcpu *vcpu, bool guest_only)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (svm_has.flush_by_asid)
		svm->flush_asid = true;
	else
		svm->asid_generation = 0;
}

static void svm_set_tdp_root(struct vcpu *vcpu, hpa_t root, int level)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	svm->vmcb->control.ncr3 = __sme_set(root);
	svm_mark_written(svm, CLEAN_NP);
	svm_tlb_flush(vcpu, false);
}

static void svm_set_tsc(struct vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct svm_cpu *c = get_cpu_ptr(&svm_cpu);

	svm->vmcb->control.tsc_offset = vcpu->tsc.offset;
	svm_mark_written(svm, CLEAN_INTERCEPTS);
	if (c->enabled)
		svm_load_tsc_ratio(c, hw_tsc_ratio(vcpu));
	put_cpu_ptr(&svm_cpu);
}

/* backend_caps has no virtualized APIC, and no posted interrupts. */
static void svm_post_irqs(struct vcpu *vcpu, int cpu)
{
}

static void svm_sync_apic(struct vcpu *vcpu, const struct apic_sync *sync)
{
}

/* ---- the path of one entry and exit ---- */

/* An ASID of this processor, flushed if asked for. */
static __always_inline void svm_entry_asid(struct svm_vcpu *svm, struct svm_cpu *cpu)
{
	if (unlikely(svm->asid_generation != cpu->asid_generation)) {
		svm_new_asid(svm, cpu);
	} else if (unlikely(svm->flush_asid)) {
		svm->flush_asid = false;
		svm->vmcb->control.tlb_control = TLB_CTL_FLUSH_ASID;
	}
}

/*
 * The LDT of a process may be replaced by another of its threads; the processor is told by an
 * interrupt, after which the copy from vcpu_load would bring the old one back.
 */
static __always_inline void svm_entry_host(struct svm_vcpu *svm)
{
	if (unlikely(compat_mm_has_ldt(current->mm)))
		svm_vmsave(svm->entry.host_pa);
}

static __always_inline void svm_entry_spec(struct vcpu *vcpu)
{
	struct svm_entry *entry = &to_svm(vcpu)->entry;

	entry->flags = 0;
	if (!svm_has.v_spec_ctrl)
		entry->flags = hw_spec_ctrl(vcpu, entry->guest_spec, &entry->host_spec);
}

/* What is always written: it is at hand in vcpu->state. */
static __always_inline void svm_entry_registers(struct vcpu *vcpu, struct vmcb *vmcb)
{
	const struct vcpu_state *s = &vcpu->state;
	struct vmcb_control *c = &vmcb->control;
	struct svm_vcpu *svm = to_svm(vcpu);
	u32 int_ctl;

	vmcb->save.rax = s->gpr[REG_RAX];
	vmcb->save.rsp = s->gpr[REG_RSP];
	vmcb->save.rip = s->rip;
	vmcb->save.rflags = s->rflags;
	c->int_state = s->int_shadow ? INT_STATE_SHADOW : 0;
	/* V_TPR and V_IRQ may have changed on either side. */
	int_ctl = svm->int_ctl | (s->cr8 & V_TPR_MASK);
	if (unlikely(c->int_ctl != int_ctl)) {
		c->int_ctl = int_ctl;
		svm_mark_written(svm, CLEAN_INT);
	}
}

static __always_inline void svm_exit_registers(struct vcpu *vcpu, struct vmcb *vmcb)
{
	struct vcpu_state *s = &vcpu->state;
	struct vmcb_control *c = &vmcb->control;

	s->gpr[REG_RAX] = vmcb->save.rax;
	s->gpr[REG_RSP] = vmcb->save.rsp;
	s->rip = vmcb->save.rip;
	s->rflags = vmcb->save.rflags;
	s->cpl = vmcb->save.cpl;
	s->cr8 = c->int_ctl & V_TPR_MASK;
	s->int_shadow = c->int_state & INT_STATE_SHADOW ? SHADOW_ANY : 0;
	s->valid = 0;
	c->event_inj = 0;
	c->tlb_control = TLB_CTL_NOTHING;
}

/* What the exit left in the processor that the host must not meet. */
static __always_inline void svm_exit_host(const struct vmcb *vmcb)
{
	/* DR6 is the guest's, DR7 is cleared (APM vol. 2, 15.6). */
	if (unlikely(vmcb->save.dr6 != DR6_RESERVED))
		set_debugreg(DR6_RESERVED, 6);
	if (unlikely(vmcb->control.exit_code == SVM_EXIT_EXCP_BASE + X86_TRAP_MC))
		host_machine_check();
}

/* Exits leave the host's interrupts pending. */
static void svm_host_interrupt(struct vcpu *vcpu)
{
}

static void svm_run(struct vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct svm_cpu *cpu = this_cpu_ptr(&svm_cpu);
	struct vmcb *vmcb = svm->vmcb;

	if (vcpu->state.dirty)
		svm_state_load(vcpu);
	svm_entry_registers(vcpu, vmcb);
	if (unlikely(svm->fixups))
		svm_entry_fixup(vcpu);
	svm_entry_asid(svm, cpu);
	svm_entry_spec(vcpu);
	svm_entry_host(svm);
	if (unlikely(svm->copy))
		svm_clean_check(svm);
	vmcb->control.clean = svm_has.vmcb_clean ? svm->clean : 0;

	compat_clear_divider();
	svm_enter(vcpu->state.gpr, &svm->entry);

	svm->clean = CLEAN_ALL;
	svm_exit_registers(vcpu, vmcb);
	if (unlikely(svm->fixups))
		svm_exit_fixup(vcpu);
	svm_exit_host(vmcb);
	if (unlikely(svm->copy))
		svm_clean_copy(svm);
}

const struct backend svm_backend = {
	.name = "svm",
	.tdp_format = &svm_tdp_format,
	.probe = svm_probe,
	.unprobe = svm_unprobe,
	.cpu_enable = svm_cpu_enable,
	.cpu_disable = svm_cpu_disable,
	.vcpu_create = svm_vcpu_create,
	.vcpu_destroy = svm_vcpu_destroy,
	.vcpu_reset = svm_vcpu_reset,
	.vcpu_load = svm_vcpu_load,
	.vcpu_put = svm_vcpu_put,
	.state_fetch = svm_state_fetch,
	.run = svm_run,
	.host_interrupt = svm_host_interrupt,
	.exit_decode = svm_exit_decode,
	.inject = svm_inject,
	.inject_cancel = svm_inject_cancel,
	.set_windows = svm_set_windows,
	.update_intercepts = svm_update_intercepts,
	.msr_intercept = svm_msr_intercept,
	.set_tdp_root = svm_set_tdp_root,
	.tlb_flush = svm_tlb_flush,
	.set_tsc = svm_set_tsc,
	.post_irqs = svm_post_irqs,
	.sync_apic = svm_sync_apic,
	.get_msr = svm_get_msr,
	.set_msr = svm_set_msr,
	.dump = svm_dump,
};
