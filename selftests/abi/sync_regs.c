// SPDX-License-Identifier: GPL-2.0
/* Registers in struct kvm_run: api.rst, 5, kvm_valid_regs and kvm_dirty_regs. */
#include "vm.h"

#define SUITE "sync_regs"

#define ALL (KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS)

/* Counts in RBX, which user space may move. */
static void guest_count_rbx(void)
{
	asm volatile("xor %%ebx, %%ebx\n1: inc %%rbx\nout %%al, $0x77\njmp 1b" : : : "rbx");
}

static u64 sync_rbx(struct vcpu *v)
{
	vcpu_run_exit(v, KVM_EXIT_IO);
	return v->run->s.regs.regs.rbx;
}

CASE(both_ways)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_count_rbx, 0);
	struct kvm_run *run = v->run;

	if ((dev_cap(KVM_CAP_SYNC_REGS) & ALL) != ALL)
		SKIP("no KVM_CAP_SYNC_REGS");
	CHECK_EQ(sync_rbx(v), 0); /* not asked for */
	run->kvm_valid_regs = ALL;
	CHECK_EQ(sync_rbx(v), 2);
	CHECK_EQ(run->s.regs.sregs.cr3, get_sregs(v).cr3);
	CHECK_EQ(run->s.regs.regs.rip, get_regs(v).rip);
	/* Written, but not marked. */
	run->s.regs.regs.rbx = 100;
	CHECK_EQ(sync_rbx(v), 3);
	run->s.regs.regs.rbx = 100;
	run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
	CHECK_EQ(sync_rbx(v), 101);
	CHECK_EQ(run->kvm_dirty_regs, 0);
	run->s.regs.sregs.cr2 = 0x5000;
	run->kvm_dirty_regs = KVM_SYNC_X86_SREGS;
	CHECK_EQ(sync_rbx(v), 102);
	CHECK_EQ(get_sregs(v).cr2, 0x5000);
}

CASE(bad_fields)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_count_rbx, 0);
	struct kvm_run *run = v->run;

	if ((dev_cap(KVM_CAP_SYNC_REGS) & ALL) != ALL)
		SKIP("no KVM_CAP_SYNC_REGS");
	run->kvm_valid_regs = 1u << 31 | ALL;
	CHECK_ERRNO(vcpu_run(v), EINVAL);
	run->kvm_valid_regs = ALL;
	run->kvm_dirty_regs = 1u << 31;
	CHECK_ERRNO(vcpu_run(v), EINVAL);
	run->kvm_dirty_regs = 0;
	vcpu_run_exit(v, KVM_EXIT_IO);
	/* A state that KVM_SET_SREGS would refuse: nothing runs. */
	run->s.regs.sregs.cr4 |= 1ull << 40;
	run->kvm_dirty_regs = KVM_SYNC_X86_SREGS;
	CHECK_ERRNO(vcpu_run(v), EINVAL);
	run->kvm_dirty_regs = 0;
	CHECK_EQ(sync_rbx(v), 2);
}
