// SPDX-License-Identifier: GPL-2.0
/* The interpreter of a vCPU: its state in and out, its memory, devices and user space. */
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <asm/fpu/api.h>

#include "../cpu/cpu.h"
#include "../trace.h"
#include "glue.h"
#include "insn.h"

static struct vcpu *owner(const struct interp *in)
{
	return in->owner;
}

/* ---- the interpreter's surroundings ---- */

static int phys_result(int err)
{
	if (!err)
		return 0;
	return err == -ENXIO ? INTERP_NOT_MEMORY : INTERP_NO_PAGE;
}

static int glue_phys_read(struct interp *in, gpa_t gpa, void *buf, unsigned int len)
{
	return phys_result(memory_read(owner(in)->vm, gpa, buf, len));
}

static int glue_phys_write(struct interp *in, gpa_t gpa, const void *buf, unsigned int len)
{
	return phys_result(memory_write(owner(in), gpa, buf, len));
}

static int glue_phys_cmpxchg(struct interp *in, gpa_t gpa, u64 old, u64 new, unsigned int len)
{
	int r = memory_cmpxchg(owner(in), gpa, &old, new, len);

	return r == -EAGAIN ? -1 : phys_result(r);
}

static bool glue_is_memory(struct interp *in, gpa_t gpa, bool write)
{
	return memory_has_slot(owner(in)->vm, gpa, write);
}

static u64 trace_value(const void *buf, unsigned int len)
{
	u64 val = 0;

	memcpy(&val, buf, min(len, 8U));
	return val;
}

static void mmio_to_user(struct vcpu *vcpu, gpa_t gpa, const void *data, unsigned int len)
{
	struct kvm_run *run = vcpu->run;

	vcpu->stats.mmio_exits++;
	interp_vcpu(vcpu)->port = false;
	run->exit_reason = KVM_EXIT_MMIO;
	run->mmio.phys_addr = gpa;
	run->mmio.len = len;
	run->mmio.is_write = !!data;
	memset(run->mmio.data, 0, sizeof(run->mmio.data));
	if (data)
		memcpy(run->mmio.data, data, len);
}

static int device_read(struct vcpu *vcpu, gpa_t gpa, void *buf, unsigned int len)
{
	if (vcpu->apic && !lapic_mmio_read(vcpu, gpa, len, buf))
		return INTERP_DONE;
	if (!bus_read(vcpu, BUS_MMIO, gpa, len, buf))
		return INTERP_DONE;
	mmio_to_user(vcpu, gpa, NULL, len);
	return INTERP_USER;
}

static int device_write(struct vcpu *vcpu, gpa_t gpa, const void *buf, unsigned int len)
{
	if (vcpu->apic && !lapic_mmio_write(vcpu, gpa, len, buf))
		return INTERP_DONE;
	if (!bus_write(vcpu, BUS_MMIO, gpa, len, buf))
		return INTERP_DONE;
	mmio_to_user(vcpu, gpa, buf, len);
	return INTERP_USER;
}

static int glue_mmio_read(struct interp *in, gpa_t gpa, void *buf, unsigned int len)
{
	int r = device_read(owner(in), gpa, buf, len);

	if (!r)
		trace_vmm_mmio(owner(in), false, gpa, len, trace_value(buf, len));
	return r;
}

static int glue_mmio_write(struct interp *in, gpa_t gpa, const void *buf, unsigned int len)
{
	trace_vmm_mmio(owner(in), true, gpa, len, trace_value(buf, len));
	return device_write(owner(in), gpa, buf, len);
}

static int glue_port_in(struct interp *in, u16 port, unsigned int size, void *buf,
			unsigned int count)
{
	struct vcpu *vcpu = owner(in);

	if (!pio_in(vcpu, port, size, buf, count))
		return INTERP_DONE;
	pio_to_user(vcpu, port, size, true, NULL, count);
	interp_vcpu(vcpu)->port = true;
	return INTERP_USER;
}

static int glue_port_out(struct interp *in, u16 port, unsigned int size, const void *buf,
			 unsigned int count)
{
	struct vcpu *vcpu = owner(in);
	unsigned int done;

	done = pio_out(vcpu, port, size, buf, count);
	if (done == count)
		return INTERP_DONE;
	pio_to_user(vcpu, port, size, false, buf + done * size, count - done);
	interp_vcpu(vcpu)->port = true;
	return INTERP_USER;
}

static bool glue_interrupted(struct interp *in)
{
	struct vcpu *vcpu = owner(in);

	return READ_ONCE(vcpu->requests) || need_resched() || signal_pending(current) ||
	       events_pending(vcpu);
}

/*
 * Within KVM_RUN the processor, or the task when something else has used the FPU, holds the guest's
 * registers. FXRSTOR leaves the upper halves of YMM alone, as the legacy SSE moves do.
 */
static void glue_xmm(struct interp *in, u8 reg, u64 val[2], bool write)
{
	struct fxregs_state *fx = &interp_vcpu(owner(in))->fx;
	void *xmm = &fx->xmm_space[reg * 4];

	fpregs_lock();
	if (test_thread_flag(TIF_NEED_FPU_LOAD))
		switch_fpu_return();
	asm volatile("fxsaveq %0" : "+m" (*fx));
	memcpy(write ? xmm : val, write ? val : xmm, 16);
	if (write)
		asm volatile("fxrstorq %0" : : "m" (*fx));
	fpregs_unlock();
}

static const struct interp_ops glue_ops = {
	.phys_read = glue_phys_read,
	.phys_write = glue_phys_write,
	.phys_cmpxchg = glue_phys_cmpxchg,
	.is_memory = glue_is_memory,
	.mmio_read = glue_mmio_read,
	.mmio_write = glue_mmio_write,
	.port_in = glue_port_in,
	.port_out = glue_port_out,
	.interrupted = glue_interrupted,
	.xmm = glue_xmm,
};

/**
 * interp_create() - the interpreter of a new vCPU
 * @vcpu: the vCPU
 *
 * Return: 0 or -ENOMEM
 */
int interp_create(struct vcpu *vcpu)
{
	struct interp_vcpu *iv = kzalloc(sizeof(*iv), GFP_KERNEL_ACCOUNT);

	if (!iv)
		return -ENOMEM;
	iv->in.ops = &glue_ops;
	iv->in.owner = vcpu;
	vcpu->interp = &iv->in;
	return 0;
}

/**
 * interp_destroy() - undo interp_create(), also where it failed
 * @vcpu: the vCPU
 */
void interp_destroy(struct vcpu *vcpu)
{
	if (!vcpu->interp)
		return;
	kfree_sensitive(interp_vcpu(vcpu));
	vcpu->interp = NULL;
}

/* ---- state in, state out ---- */

static u8 current_mode(const struct vcpu_state *st)
{
	if (!(st->cr0 & X86_CR0_PE))
		return INTERP_REAL;
	if (st->rflags & X86_EFLAGS_VM)
		return INTERP_VM86;
	if (state_code64(st))
		return INTERP_LONG;
	return st->seg[SEG_CS].attr & SEG_DB ? INTERP_PROT32 : INTERP_PROT16;
}

void context_load(struct vcpu *vcpu)
{
	struct vcpu_state *st = state_get(vcpu, STATE_SEGS | STATE_TABLES | STATE_CRS);
	const struct vm_exit *exit = &vcpu->exit;
	struct interp *in = vcpu->interp;

	memcpy(in->reg.gpr, st->gpr, sizeof(in->reg.gpr));
	in->reg.rip = st->rip;
	in->reg.rflags = st->rflags;
	memcpy(in->seg, st->seg, sizeof(in->seg));
	in->gdtr = st->gdtr;
	in->cr0 = st->cr0;
	in->cr3 = st->cr3;
	in->cr4 = st->cr4;
	in->efer = st->efer;
	in->pdpte = backend_caps.pdptes ? st->pdpte : NULL;
	in->reserved_gpa = vcpu->cpuid.reserved_gpa;
	in->cpl = st->cpl;
	in->mode = current_mode(st);
	in->port_checked = ~0;
	if (exit->kind == VMEXIT_IO)
		in->port_checked = INTERP_PORT(exit->io.port, exit->io.size, exit->io.in);
}

/* Not on success too: reg is then what it was, or what a REP loop has come to. */
static void commit_regs(struct vcpu *vcpu)
{
	const struct interp_regs *reg = &vcpu->interp->reg;

	memcpy(vcpu->state.gpr, reg->gpr, sizeof(reg->gpr));
	vcpu->state.rip = reg->rip;
	vcpu->state.rflags = reg->rflags;
}

int interp_raise(struct vcpu *vcpu, const struct interp_fault *fault)
{
	if (fault->vector == PF_VECTOR)
		events_raise_payload(vcpu, PF_VECTOR, true, fault->error, fault->address);
	else if (fault->has_error)
		events_raise_error(vcpu, fault->vector, fault->error);
	else
		events_raise(vcpu, fault->vector);
	return RESUME_GUEST;
}

/* The emulation_failure overlay of struct kvm_run, with the instruction bytes (api.rst, 5). */
static int fail_to_user(struct vcpu *vcpu)
{
	const struct interp *in = vcpu->interp;
	struct kvm_run *run = vcpu->run;

	vcpu->stats.insn_interpreted_fail++;
	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->emulation_failure.suberror = KVM_INTERNAL_ERROR_EMULATION;
	run->emulation_failure.ndata = 3;
	run->emulation_failure.flags = KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
	run->emulation_failure.insn_size = in->nbytes;
	memset(run->emulation_failure.insn_bytes, 0x90, INTERP_INSN_MAX);
	memcpy(run->emulation_failure.insn_bytes, in->bytes, in->nbytes);
	mgmt_vcpu_stopped(vcpu, VMM_VM_CRASHED, "an instruction cannot be interpreted");
	return RESUME_USER;
}

/*
 * Not an instruction for the interpreter. Where memory has come to the address meanwhile the
 * hardware can do it; a user program of the guest gets #UD, so that it cannot end the VM.
 */
static int unknown(struct vcpu *vcpu)
{
	gpa_t gpa = interp_vcpu(vcpu)->gpa;

	if (gpa != INVALID_GPA &&
	    memory_has_slot(vcpu->vm, gpa, vcpu->exit.fault.error & TDP_FAULT_WRITE))
		return RESUME_GUEST;
	if (vcpu->state.cpl == 3) {
		vcpu->stats.insn_interpreted_fail++;
		events_raise(vcpu, UD_VECTOR);
		return RESUME_GUEST;
	}
	return fail_to_user(vcpu);
}

/* ---- running ---- */

static int run_again(struct vcpu *vcpu);
static int execute_again(struct vcpu *vcpu);

/* A single step or breakpoint trap that had to wait for a posted write. */
static int debug_later(struct vcpu *vcpu)
{
	return debug_after_insn(vcpu, interp_vcpu(vcpu)->rflags_before);
}

static int wait_for_user(struct vcpu *vcpu)
{
	interp_vcpu(vcpu)->rip = vcpu->state.rip;
	vcpu->complete = run_again;
	return RESUME_USER;
}

/* Behind an instruction or iteration: shadow, traps (APM vol. 2, 13.1.4 and 15.21.5). */
static int after_insn(struct vcpu *vcpu, u64 rflags_before, bool posted)
{
	vcpu->stats.insn_interpreted++;
	if (likely(!(rflags_before & X86_EFLAGS_TF) && !vcpu->policy.single_step))
		return posted ? RESUME_USER : RESUME_GUEST;
	/* What MOV SS holds off would need a pending trap beside it (SDM vol. 3, 27.3.1.5). */
	vcpu->state.int_shadow = 0;
	if (!posted)
		return debug_after_insn(vcpu, rflags_before);
	interp_vcpu(vcpu)->rflags_before = rflags_before;
	vcpu->complete = debug_later;
	return RESUME_USER;
}

static int finish_done(struct vcpu *vcpu)
{
	struct interp *in = vcpu->interp;
	u64 rflags_before = vcpu->state.rflags;

	/* A breakpoint on a REP instruction is not met again by its other iterations. */
	if (in->reg.rip == vcpu->state.rip)
		in->reg.rflags |= X86_EFLAGS_RF;
	else
		in->reg.rflags &= ~(u64)X86_EFLAGS_RF;
	if (in->cr0_changed && cr_write(vcpu, 0, in->cr0)) {
		events_raise_error(vcpu, GP_VECTOR, 0);
		return RESUME_GUEST;
	}
	if (in->segs_changed) {
		memcpy(vcpu->state.seg, in->seg, sizeof(in->seg));
		state_dirty(vcpu, STATE_SEGS);
	}
	commit_regs(vcpu);
	vcpu->state.int_shadow = in->mov_ss ? KVM_X86_SHADOW_INT_MOV_SS : 0;
	return after_insn(vcpu, rflags_before, in->posted);
}

static int finish(struct vcpu *vcpu, int result)
{
	struct interp *in = vcpu->interp;

	if (result == INTERP_DONE)
		return finish_done(vcpu);
	commit_regs(vcpu);
	/* Whatever else there is, the write that is on its way to user space comes first. */
	if (in->posted)
		return wait_for_user(vcpu);
	switch (result) {
	case INTERP_FAULT:
		return interp_raise(vcpu, &in->fault);
	case INTERP_USER:
		return wait_for_user(vcpu);
	case INTERP_RETRY:
		return RESUME_GUEST;
	case INTERP_NO_PAGE:
		/* What devices have answered is not asked for twice. */
		if (in->log_len) {
			interp_vcpu(vcpu)->rip = vcpu->state.rip;
			vcpu->complete = execute_again;
		}
		return -EFAULT;
	}
	return unknown(vcpu);
}

static int execute_again(struct vcpu *vcpu)
{
	struct interp_vcpu *iv = interp_vcpu(vcpu);

	/* It has sent the vCPU elsewhere meanwhile. */
	if (vcpu->state.rip != iv->rip)
		return RESUME_GUEST;
	context_load(vcpu);
	return finish(vcpu, interp_execute(&iv->in));
}

/* User space has served what the instruction waited for: again from its start. */
static int run_again(struct vcpu *vcpu)
{
	struct interp_vcpu *iv = interp_vcpu(vcpu);
	u8 data[8];

	if (iv->in.posted) {
		iv->in.posted = false;
	} else if (iv->port) {
		memcpy(iv->in.io, vcpu->pio.data,
		       min_t(u32, vcpu->pio.size * vcpu->pio.count, INTERP_IO_MAX));
		interp_served(&iv->in, NULL, 0);
	} else {
		memcpy(data, vcpu->run->mmio.data, sizeof(data));
		interp_served(&iv->in, data, sizeof(data));
	}
	return execute_again(vcpu);
}

/* ---- the short way: MOV between a register and a device, 64-bit code ---- */

static bool fast_operand(struct vcpu *vcpu, const struct insn *insn, gpa_t gpa,
			 unsigned int width)
{
	const struct vcpu_state *st = &vcpu->state;
	u64 addr = insn_offset(insn, st->gpr, st->rip + insn->len);

	if (insn->seg == SEG_FS || insn->seg == SEG_GS)
		addr += state_get(vcpu, STATE_SEGS)->seg[insn->seg].base;
	/* The operand is where the fault was, and on one page: its address is known. */
	return !((addr ^ gpa) & ~PAGE_MASK) && offset_in_page(gpa) + width <= PAGE_SIZE;
}

static int fast_finish(struct vcpu *vcpu, bool posted)
{
	u64 rflags = vcpu->state.rflags;

	vcpu->state.rip += vcpu->interp->insn.len;
	vcpu->state.rflags &= ~(u64)X86_EFLAGS_RF;
	vcpu->state.int_shadow = 0;
	return after_insn(vcpu, rflags, posted);
}

static int fast_load(struct vcpu *vcpu, gpa_t gpa, u64 val)
{
	const struct insn *insn = &vcpu->interp->insn;

	trace_vmm_mmio(vcpu, false, gpa, insn->rm_size, val);
	if (insn->op == OP_SIGN)
		val = sign_extend(val, insn->rm_size);
	else
		val &= size_mask(insn->rm_size);
	gpr_merge(&vcpu->state.gpr[insn->reg & 15], insn->size, val);
	return fast_finish(vcpu, false);
}

static int fast_read_done(struct vcpu *vcpu)
{
	struct interp_vcpu *iv = interp_vcpu(vcpu);
	u64 val;

	if (vcpu->state.rip != iv->rip)
		return RESUME_GUEST;
	memcpy(&val, vcpu->run->mmio.data, sizeof(val));
	return fast_load(vcpu, iv->gpa, val);
}

static int fast_read(struct vcpu *vcpu, gpa_t gpa)
{
	u64 val = 0;

	if (!device_read(vcpu, gpa, &val, vcpu->interp->insn.rm_size))
		return fast_load(vcpu, gpa, val);
	interp_vcpu(vcpu)->rip = vcpu->state.rip;
	vcpu->complete = fast_read_done;
	return RESUME_USER;
}

static int fast_write(struct vcpu *vcpu, gpa_t gpa, u64 val)
{
	unsigned int len = vcpu->interp->insn.rm_size;

	return fast_finish(vcpu, glue_mmio_write(vcpu->interp, gpa, &val, len));
}

/* RESUME_*, or -1: not so simple. */
static int fast_exit(struct vcpu *vcpu, gpa_t gpa)
{
	u64 error = vcpu->exit.fault.error;
	const struct insn *insn = &vcpu->interp->insn;
	enum insn_simple kind;
	bool load;

	if (error & (TDP_FAULT_FETCH | TDP_FAULT_GUEST_WALK) || !fetch_decode(vcpu))
		return -1;
	kind = insn_simple(insn);
	if (kind == INSN_NOT_SIMPLE || !fast_operand(vcpu, insn, gpa, insn->rm_size))
		return -1;
	load = kind == INSN_LOAD;
	if (load == !!(error & TDP_FAULT_WRITE))
		return -1;
	if (load)
		return fast_read(vcpu, gpa);
	return fast_write(vcpu, gpa,
			  kind == INSN_STORE ? vcpu->state.gpr[insn->reg & 15] : insn->imm);
}

/**
 * interp_exit() - interpret the instruction at RIP
 * @vcpu: the vCPU
 * @gpa: where a nested fault (VMEXIT_TDP_FAULT) was, INVALID_GPA: not for such a fault
 *
 * Context: loaded, vcpu->mutex held; may sleep.
 * Return: RESUME_GUEST: done, or the guest's fault is raised; RESUME_USER: vcpu->run is filled;
 * -EFAULT: the host has no page of the guest's for it, and nothing has happened
 */
int interp_exit(struct vcpu *vcpu, gpa_t gpa)
{
	struct interp_vcpu *iv = interp_vcpu(vcpu);
	int r;

	iv->gpa = gpa;
	if (gpa != INVALID_GPA) {
		/* The fault was not the instruction's but the delivery's of an event. */
		if (vcpu->exit.vectoring.type != EVENT_NONE)
			return dispatch_internal_error(vcpu, KVM_INTERNAL_ERROR_DELIVERY_EV);
		r = fast_exit(vcpu, gpa);
		if (r >= 0)
			return r;
	}
	context_load(vcpu);
	iv->in.log_len = 0;
	iv->in.posted = false;
	r = context_decode(vcpu);
	if (!r)
		r = interp_execute(&iv->in);
	return finish(vcpu, r);
}

/* ---- services for other rooms ---- */

/**
 * interp_translate() - KVM_TRANSLATE: what is a linear address?
 * @vcpu: the vCPU
 * @addr: linear address
 * @walk: the translation by the guest's tables, without side effects
 *
 * Context: loaded, may sleep.
 * Return: 0; -ENXIO: not mapped; -EFAULT: the host has no page for one of the tables
 */
int interp_translate(struct vcpu *vcpu, gva_t addr, struct interp_walk *walk)
{
	int r;

	context_load(vcpu);
	r = interp_walk(vcpu->interp, addr, ACCESS_PROBE, walk);
	if (!r)
		return 0;
	return r == INTERP_NO_PAGE ? -EFAULT : -ENXIO;
}

/**
 * interp_load_pdptes() - a PAE guest loads this CR3, or what counts as such (SDM vol. 3A, 4.4.1)
 * @vcpu: the vCPU; state_get(STATE_CRS) was done, and state_dirty() follows
 * @cr3: the new value
 *
 * Context: loaded, may sleep.
 * Return: 0; 1: #GP, reserved bits are set (APM vol. 2, 5.3.2)
 */
int interp_load_pdptes(struct vcpu *vcpu, u64 cr3)
{
	struct interp *in = vcpu->interp;
	u64 pdpte[4];

	in->pdpte = backend_caps.pdptes ? vcpu->state.pdpte : NULL;
	in->reserved_gpa = vcpu->cpuid.reserved_gpa;
	if (interp_pdptes_bad(in, cr3, pdpte))
		return 1;
	memcpy(vcpu->state.pdpte, pdpte, sizeof(pdpte));
	return 0;
}
