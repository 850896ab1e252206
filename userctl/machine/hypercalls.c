// SPDX-License-Identifier: GPL-2.0
/*
 * A machine without devices, for guests that live on the hypercalls of <linux/vmm.h>. Everything
 * that the guest says is checked: addresses against its memory, sizes against what is reasonable.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <linux/vmm.h>

#include "machine.h"

#define CONSOLE_WRITE_MAX 4096
#define PAGE              4096ull

int hypercalls_enable(struct machine *m, struct error *err)
{
	struct kvm_enable_cap cap = { .cap = VMM_CAP_HYPERCALLS, .args[0] = VMM_HC_MASK };

	if (vmm_cap(m->vm.fd, VMM_CAP_HYPERCALLS) != VMM_HC_MASK)
		return fault(err, EX_UNAVAILABLE,
			     "%s has no hypercalls for machines of type pv: vmm.ko has",
			     m->cfg->device);
	if (ioctl(m->vm.fd, KVM_ENABLE_CAP, &cap))
		return fault_errno(err, EX_OSERR, errno, "cannot enable hypercalls");
	return 0;
}

void hypercalls_cpuid(struct kvm_cpuid2 *cpuid)
{
	struct kvm_cpuid_entry2 base = { .function = VMM_CPUID_BASE, .eax = VMM_CPUID_CALLS };
	struct kvm_cpuid_entry2 calls = {
		.function = VMM_CPUID_CALLS,
		.eax = VMM_HC_VERSION,
		.ebx = VMM_HC_MASK,
		.ecx = MSR_VMM_HYPERCALL_PAGE,
	};

	if (cpuid->nent > VMM_CPUID_MAX - 2)
		return;
	memcpy(&base.ebx, VMM_SIGNATURE, 4);
	memcpy(&base.ecx, VMM_SIGNATURE + 4, 4);
	memcpy(&base.edx, VMM_SIGNATURE + 8, 4);
	cpuid->entries[cpuid->nent++] = base;
	cpuid->entries[cpuid->nent++] = calls;
}

static int64_t console_write(struct machine *m, uint64_t addr, uint64_t len)
{
	const uint8_t *text;
	uint64_t i;

	if (len > CONSOLE_WRITE_MAX)
		len = CONSOLE_WRITE_MAX;
	text = guest_mem_ptr(&m->mem, addr, len);
	if (!text)
		return -EFAULT;
	for (i = 0; i < len; i++)
		console_put(&m->console, text[i]);
	return (int64_t)len;
}

static int64_t memory_advise(struct machine *m, uint64_t addr, uint64_t len, int advice)
{
	void *mem;

	if (addr % PAGE || len % PAGE || !len)
		return -EINVAL;
	mem = guest_mem_ptr(&m->mem, addr, len);
	if (!mem)
		return -EFAULT;
	return madvise(mem, len, advice) ? -errno : 0;
}

static void note_given(struct machine *m, uint64_t addr, uint64_t len, bool given)
{
	vmm_vm_given(&m->vm, given_note(&m->given, addr, len, given));
}

static int64_t end(struct vcpu *vcpu, uint64_t how)
{
	if (how > 1)
		return -EINVAL;
	machine_stop(vcpu->m, how ? STOP_RESET : STOP_POWER_OFF, (int)vcpu->id);
	return 0;
}

int hypercall_serve(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->kvm.run;
	const __u64 *arg = run->hypercall.args;
	int64_t ret;

	switch (run->hypercall.nr) {
	case VMM_HC(VMM_HC_CONSOLE_WRITE):
		ret = console_write(vcpu->m, arg[0], arg[1]);
		break;
	case VMM_HC(VMM_HC_MEMORY_GIVE):
		ret = memory_advise(vcpu->m, arg[0], arg[1], MADV_DONTNEED);
		if (!ret)
			note_given(vcpu->m, arg[0], arg[1], true);
		break;
	case VMM_HC(VMM_HC_MEMORY_TAKE):
		ret = memory_advise(vcpu->m, arg[0], arg[1], MADV_POPULATE_WRITE);
		if (!ret)
			note_given(vcpu->m, arg[0], arg[1], false);
		break;
	case VMM_HC(VMM_HC_END):
		ret = end(vcpu, arg[0]);
		break;
	default:
		return -1;
	}
	run->hypercall.ret = (__u64)ret;
	return 0;
}
