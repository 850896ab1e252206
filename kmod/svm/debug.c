// SPDX-License-Identifier: GPL-2.0
/* The VMCB in the kernel log, and the check of the clean bits. */
#define pr_fmt(fmt) "vmm: " fmt

#include <linux/printk.h>
#include <linux/ratelimit.h>
#include <linux/string.h>

#include "svm.h"

/* ---- clean bits ---- */

struct clean_area {
	u32 bit;
	const char *name;
	u16 from, to;
};

#define CONTROL(member)	offsetof(struct vmcb, control.member)
#define SAVE(member)	offsetof(struct vmcb, save.member)

/* What each bit vouches for (APM vol. 2, 15.15.3). */
static const struct clean_area clean_areas[] = {
	{ CLEAN_INTERCEPTS, "intercepts", CONTROL(intercept), CONTROL(iopm_pa) },
	{ CLEAN_INTERCEPTS, "TSC offset", CONTROL(tsc_offset), CONTROL(asid) },
	{ CLEAN_PERM_MAP, "permission maps", CONTROL(iopm_pa), CONTROL(tsc_offset) },
	{ CLEAN_ASID, "ASID", CONTROL(asid), CONTROL(tlb_control) },
	{ CLEAN_INT, "virtual interrupt", CONTROL(int_ctl), CONTROL(int_state) },
	{ CLEAN_NP, "nested CR3", CONTROL(ncr3), CONTROL(lbr_ctl) },
	{ CLEAN_NP, "PAT", SAVE(pat), SAVE(debugctl) },
	{ CLEAN_CR, "EFER", SAVE(efer), SAVE(reserved_0d8) },
	{ CLEAN_CR, "CR0, CR3, CR4", SAVE(cr4), SAVE(dr7) },
	{ CLEAN_DR, "DR6, DR7", SAVE(dr7), SAVE(rflags) },
	{ CLEAN_DT, "GDTR", SAVE(gdtr), SAVE(ldtr) },
	{ CLEAN_DT, "IDTR", SAVE(idtr), SAVE(tr) },
	{ CLEAN_SEG, "ES, CS, SS, DS", SAVE(es), SAVE(fs) },
	{ CLEAN_SEG, "CPL", SAVE(cpl), SAVE(reserved_0cc) },
	{ CLEAN_CR2, "CR2", SAVE(cr2), SAVE(reserved_248) },
	{ CLEAN_LBR, "last branch records", SAVE(debugctl), SAVE(reserved_298) },
};

/**
 * svm_clean_check() - is every area that is marked clean as the processor left it?
 * @svm: the vCPU, about to enter; its copy is from the last exit
 *
 * A lie is logged and taken back. A bit that the processor does not look at is checked all the
 * same, so that machines without clean bits can test them.
 */
void svm_clean_check(struct svm_vcpu *svm)
{
	const struct clean_area *a;

	for (a = clean_areas; a < clean_areas + ARRAY_SIZE(clean_areas); a++) {
		if (!(svm->clean & a->bit) ||
		    !memcmp((char *)svm->vmcb + a->from, (char *)svm->copy + a->from,
			    a->to - a->from))
			continue;
		pr_err_ratelimited("VMCB: %s changed but are marked clean\n", a->name);
		svm->clean &= ~a->bit;
	}
}
EXPORT_FOR_TEST(svm_clean_check);

/**
 * svm_clean_copy() - remember the VMCB as the processor left it
 * @svm: the vCPU, right after an exit
 */
void svm_clean_copy(struct svm_vcpu *svm)
{
	memcpy(svm->copy, svm->vmcb, sizeof(*svm->vmcb));
}
EXPORT_FOR_TEST(svm_clean_copy);

/* ---- dump ---- */

#define FIELD64(part, member)	{ #member, offsetof(struct vmcb, part.member) }

static const struct {
	const char *name;
	u16 offset;
} dump_fields[] = {
	FIELD64(control, exit_code), FIELD64(control, exit_info1), FIELD64(control, exit_info2),
	FIELD64(control, exit_int_info), FIELD64(control, event_inj), FIELD64(control, int_state),
	FIELD64(control, iopm_pa), FIELD64(control, msrpm_pa), FIELD64(control, tsc_offset),
	FIELD64(control, np_ctl), FIELD64(control, ncr3), FIELD64(control, lbr_ctl),
	FIELD64(control, next_rip),
	FIELD64(save, rip), FIELD64(save, rsp), FIELD64(save, rax), FIELD64(save, rflags),
	FIELD64(save, cr0), FIELD64(save, cr2), FIELD64(save, cr3), FIELD64(save, cr4),
	FIELD64(save, efer), FIELD64(save, dr6), FIELD64(save, dr7), FIELD64(save, pat),
	FIELD64(save, star), FIELD64(save, lstar), FIELD64(save, cstar), FIELD64(save, sfmask),
	FIELD64(save, kernel_gs_base), FIELD64(save, sysenter_cs), FIELD64(save, sysenter_esp),
	FIELD64(save, sysenter_eip), FIELD64(save, debugctl),
};

static void svm_dump_segment(const char *name, const struct vmcb_segment *s)
{
	pr_err("  %-5s %04x attr %03x limit %08x base %016llx\n", name, s->selector, s->attr,
	       s->limit, s->base);
}

static void svm_dump_all(struct vcpu *vcpu)
{
	const struct vmcb *vmcb = to_svm(vcpu)->vmcb;
	const struct vmcb_control *c = &vmcb->control;
	const struct vmcb_save *v = &vmcb->save;
	int i;

	pr_err("  intercepts %08x %08x %08x %08x %08x %08x\n", c->intercept[ICPT_CR],
	       c->intercept[ICPT_DR], c->intercept[ICPT_EXCEPTION], c->intercept[ICPT_MISC1],
	       c->intercept[ICPT_MISC2], c->intercept[ICPT_MISC3]);
	pr_err("  asid %u tlb_control %u int_ctl %08x int_vector %x clean %x cpl %u\n", c->asid,
	       c->tlb_control, c->int_ctl, c->int_vector, c->clean, v->cpl);
	for (i = 0; i < ARRAY_SIZE(dump_fields); i++)
		pr_err("  %-14s %016llx\n", dump_fields[i].name,
		       *(const u64 *)((const char *)vmcb + dump_fields[i].offset));
	svm_dump_segment("es", &v->es);
	svm_dump_segment("cs", &v->cs);
	svm_dump_segment("ss", &v->ss);
	svm_dump_segment("ds", &v->ds);
	svm_dump_segment("fs", &v->fs);
	svm_dump_segment("gs", &v->gs);
	svm_dump_segment("gdtr", &v->gdtr);
	svm_dump_segment("ldtr", &v->ldtr);
	svm_dump_segment("idtr", &v->idtr);
	svm_dump_segment("tr", &v->tr);
}

/**
 * svm_dump() - print to the kernel log that VMRUN refused the VMCB
 * @vcpu: the vCPU
 * @all: and the VMCB
 *
 * Context: loaded
 */
void svm_dump(struct vcpu *vcpu, bool all)
{
	pr_err("vCPU %u on CPU %d: entry failed: invalid state in the VMCB\n", vcpu->id, vcpu->cpu);
	if (all)
		svm_dump_all(vcpu);
}
