// SPDX-License-Identifier: GPL-2.0
#include <string.h>
#include <sys/ioctl.h>

#include "machine.h"

#define CODE_BYTES 16

static const char *internal_error_name(uint32_t suberror)
{
	switch (suberror) {
	case KVM_INTERNAL_ERROR_EMULATION:
		return "instruction emulation failed";
	case KVM_INTERNAL_ERROR_SIMUL_EX:
		return "two exceptions at once";
	case KVM_INTERNAL_ERROR_DELIVERY_EV:
		return "exit during event delivery";
	case KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON:
		return "unexpected exit reason";
	default:
		return "unknown";
	}
}

static void dump_internal(FILE *out, const struct kvm_run *r)
{
	uint32_t i, n = r->internal.ndata;

	fprintf(out, "internal error %u (%s)", r->internal.suberror,
		internal_error_name(r->internal.suberror));
	if (n > sizeof(r->internal.data) / sizeof(r->internal.data[0]))
		n = sizeof(r->internal.data) / sizeof(r->internal.data[0]);
	for (i = 0; i < n; i++)
		fprintf(out, " %#llx", (unsigned long long)r->internal.data[i]);
	fputc('\n', out);
}

static void dump_reason(FILE *out, const struct kvm_run *run)
{
	switch (run->exit_reason) {
	case KVM_EXIT_SHUTDOWN:
		fputs("triple fault\n", out);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		dump_internal(out, run);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		fprintf(out, "entry failed, hardware reason %#llx on CPU %u\n",
			(unsigned long long)run->fail_entry.hardware_entry_failure_reason,
			run->fail_entry.cpu);
		break;
	case KVM_EXIT_UNKNOWN:
		fprintf(out, "unknown exit, hardware reason %#llx\n",
			(unsigned long long)run->hw.hardware_exit_reason);
		break;
	default:
		fprintf(out, "exit reason %u, which vmctl does not know\n", run->exit_reason);
		break;
	}
}

static void dump_regs(FILE *out, const struct kvm_regs *r)
{
	fprintf(out,
		"rip %016llx rflags %08llx\n"
		"rax %016llx rbx %016llx rcx %016llx rdx %016llx\n"
		"rsi %016llx rdi %016llx rbp %016llx rsp %016llx\n"
		"r8  %016llx r9  %016llx r10 %016llx r11 %016llx\n"
		"r12 %016llx r13 %016llx r14 %016llx r15 %016llx\n",
		r->rip, r->rflags, r->rax, r->rbx, r->rcx, r->rdx, r->rsi, r->rdi, r->rbp, r->rsp,
		r->r8, r->r9, r->r10, r->r11, r->r12, r->r13, r->r14, r->r15);
}

static void dump_segment(FILE *out, const char *name, const struct kvm_segment *s)
{
	fprintf(out, "%-3s %04x base %016llx limit %08x type %x dpl %u%s%s%s%s\n", name,
		s->selector, s->base, s->limit, s->type, s->dpl, s->l ? " l" : "",
		s->db ? " db" : "", s->g ? " g" : "", s->present ? "" : " np");
}

static void dump_sregs(FILE *out, const struct kvm_sregs *s)
{
	dump_segment(out, "cs", &s->cs);
	dump_segment(out, "ss", &s->ss);
	dump_segment(out, "ds", &s->ds);
	dump_segment(out, "es", &s->es);
	dump_segment(out, "fs", &s->fs);
	dump_segment(out, "gs", &s->gs);
	dump_segment(out, "tr", &s->tr);
	dump_segment(out, "ldt", &s->ldt);
	fprintf(out, "gdt %016llx limit %04x  idt %016llx limit %04x\n", s->gdt.base, s->gdt.limit,
		s->idt.base, s->idt.limit);
	fprintf(out, "cr0 %llx cr2 %llx cr3 %llx cr4 %llx cr8 %llx efer %llx apic %llx\n", s->cr0,
		s->cr2, s->cr3, s->cr4, s->cr8, s->efer, s->apic_base);
}

/* The bytes that the hypervisor tripped over, if it says so; else those at RIP, if mapped. */
static size_t code_bytes(const struct machine *m, const struct vcpu *vcpu, uint64_t linear,
			 uint8_t *code)
{
	const struct kvm_run *run = vcpu->kvm.run;
	struct kvm_translation tr = { .linear_address = linear };
	const uint8_t *src;
	size_t len = CODE_BYTES;

	if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR &&
	    run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION && run->internal.ndata >= 3 &&
	    (run->emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES) &&
	    run->emulation_failure.insn_size <= sizeof(run->emulation_failure.insn_bytes)) {
		memcpy(code, run->emulation_failure.insn_bytes, run->emulation_failure.insn_size);
		return run->emulation_failure.insn_size;
	}
	if (ioctl(vcpu->kvm.fd, KVM_TRANSLATE, &tr) || !tr.valid)
		return 0;
	/* Up to the end of the page: the next one may be mapped elsewhere. */
	if (len > 4096 - (tr.physical_address & 4095))
		len = 4096 - (tr.physical_address & 4095);
	src = guest_mem_ptr(&m->mem, tr.physical_address, len);
	if (!src)
		return 0;
	memcpy(code, src, len);
	return len;
}

static void dump_code(FILE *out, const struct machine *m, const struct vcpu *vcpu, uint64_t linear)
{
	uint8_t code[CODE_BYTES];
	size_t i, len = code_bytes(m, vcpu, linear, code);

	fputs("code", out);
	for (i = 0; i < len; i++)
		fprintf(out, " %02x", code[i]);
	fputs(len ? "\n" : " not readable\n", out);
}

void dump_vcpu(FILE *out, const struct machine *m, const struct vcpu *vcpu)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	fprintf(out, "vCPU %u: ", vcpu->id);
	dump_reason(out, vcpu->kvm.run);
	if (ioctl(vcpu->kvm.fd, KVM_GET_REGS, &regs) ||
	    ioctl(vcpu->kvm.fd, KVM_GET_SREGS, &sregs)) {
		fputs("its registers cannot be read\n", out);
		return;
	}
	dump_regs(out, &regs);
	dump_sregs(out, &sregs);
	dump_code(out, m, vcpu, sregs.cs.base + regs.rip);
}
