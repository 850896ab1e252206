// SPDX-License-Identifier: GPL-2.0
/*
 * The virtualized APIC: policy.apic becomes controls, and the core's view of IRR and ISR the guest
 * interrupt status (SDM vol. 3C, chapter 30). The registers are the core's page in every mode: the
 * TPR shadow is its TPR.
 */
#include <linux/mm.h>
#include <asm/apic.h>
#include <asm/irq_vectors.h>

#include "vmx.h"

#define APIC_CONTROLS	(PROC2_APIC_ACCESS | PROC2_X2APIC | PROC2_APIC_REGISTERS | \
			 PROC2_VIRTUAL_INTR)

/**
 * vmx_apic_init() - the fields that never change
 * @vcpu: the vCPU; its VMCS is new
 */
void vmx_apic_init(struct vcpu *vcpu)
{
	struct page *access_page = vcpu->vm->irq.access_page;
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	int i;

	vmcs_write(VIRTUAL_APIC_PAGE, __pa(vmx->apic_page));
	if (!vmx_has.virtual_apic)
		return;
	if (access_page)
		vmcs_write(APIC_ACCESS_ADDR, page_to_pfn(access_page) << PAGE_SHIFT);
	vmcs_write(GUEST_INTR_STATUS, 0);
	for (i = 0; i < ARRAY_SIZE(vmx->apic.eoi_exits); i++)
		vmcs_write(EOI_EXIT_BITMAP + 2 * i, 0);
	if (!vmx_has.posted_intr || vmx->own_apic_page)
		return;
	vmcs_write(POSTED_INTR_NV, POSTED_INTR_VECTOR);
	vmcs_write(POSTED_INTR_DESC, __pa(lapic_posted(vcpu)));
}

static u32 vmx_apic_controls(u8 mode)
{
	switch (mode) {
	case APIC_VIRTUAL_XAPIC:
		return PROC2_APIC_ACCESS | PROC2_APIC_REGISTERS | PROC2_VIRTUAL_INTR;
	case APIC_VIRTUAL_X2APIC:
		return PROC2_X2APIC | PROC2_APIC_REGISTERS | PROC2_VIRTUAL_INTR;
	default:
		return 0;
	}
}

/**
 * vmx_update_apic() - follow policy.apic
 * @vcpu: the vCPU
 *
 * Translations do not know whether accesses to the APIC's page are special (29.4.4.1).
 *
 * Context: loaded
 */
void vmx_update_apic(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	u32 bits = vmx_apic_controls(vcpu->policy.apic);

	if ((vmx->ctl[VMX_PROC2] & APIC_CONTROLS) == bits)
		return;
	vmx_control_change(vmx, VMX_PROC2, APIC_CONTROLS, bits);
	if (vmx_has.posted_intr)
		vmx_control_change(vmx, VMX_PIN, PIN_POSTED_INTR, bits ? PIN_POSTED_INTR : 0);
	vmx->fixups |= FIXUP_FLUSH_EPT;
}

/**
 * vmx_post_irqs() - have a processor collect posted interrupts (30.6)
 * @vcpu: the vCPU
 * @cpu: it runs there; if it does not any more the interrupt's handler does nothing
 *
 * Context: any, preemption off
 */
void vmx_post_irqs(struct vcpu *vcpu, int cpu)
{
	compat_send_posted_intr(cpu);
}

/**
 * vmx_sync_apic() - IRR or ISR may have changed
 * @vcpu: the vCPU, with policy.apic
 * @sync: what to tell the processor
 *
 * Context: loaded, interrupts off
 */
void vmx_sync_apic(struct vcpu *vcpu, const struct apic_sync *sync)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	int i;

	vmx->apic.irr = sync->irr;
	vmx->apic.isr = sync->isr;
	vmcs_write(GUEST_INTR_STATUS, sync->irr | sync->isr << INTR_STATUS_ISR_SHIFT);
	for (i = 0; i < ARRAY_SIZE(sync->eoi_exits); i++) {
		if (vmx->apic.eoi_exits[i] == sync->eoi_exits[i])
			continue;
		vmx->apic.eoi_exits[i] = sync->eoi_exits[i];
		vmcs_write(EOI_EXIT_BITMAP + 2 * i, sync->eoi_exits[i]);
	}
}

/**
 * vmx_apic_vectoring() - correct the event whose delivery an exit interrupted
 * @vcpu: the vCPU, with policy.apic; vmx_has.stale_vectoring
 * @ev: the IDT-vectoring information, valid; in and out
 *
 * Where a virtual interrupt was being delivered Bochs tells of an event before it. The interrupt in
 * service, which has changed then, is the one.
 *
 * Context: loaded, after an exit
 */
void vmx_apic_vectoring(struct vcpu *vcpu, struct event *ev)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	u8 isr = vmcs_read(GUEST_INTR_STATUS) >> INTR_STATUS_ISR_SHIFT;

	if (ev->type != EVENT_NONE && isr && isr != vmx->apic.isr)
		*ev = (struct event) { .type = EVENT_INTR, .vector = isr };
	vmx->apic.isr = isr;
}
