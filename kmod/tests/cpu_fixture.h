/* SPDX-License-Identifier: GPL-2.0 */
/* A vCPU that never runs, with all its registers at hand: what the suites of cpu/ stand on. */
#ifndef VMM_TESTS_CPU_FIXTURE_H
#define VMM_TESTS_CPU_FIXTURE_H

#include <kunit/test.h>
#include <linux/kvm.h>
#include <asm/processor-flags.h>

#include "../cpu/internal.h"
#include "../svm/svm.h"
#include "suites.h"

struct cpu_fixture {
	struct vmm vm;
	struct vcpu vcpu;
	struct svm_vcpu svm;
};

static inline void *cpu_fixture_alloc(struct kunit *test, size_t size)
{
	void *p = kunit_kzalloc(test, size, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, p);
	return p;
}

/* The fixture is test->priv; the backend has a VMCB to write into and no processor. */
static inline int cpu_fixture_init(struct kunit *test)
{
	struct cpu_fixture *f = cpu_fixture_alloc(test, sizeof(*f));
	struct vcpu *vcpu = &f->vcpu;

	vcpu->vm = &f->vm;
	vcpu->cpu = -1;
	vcpu->run = cpu_fixture_alloc(test, PAGE_SIZE);
	vcpu->backend = &f->svm;
	f->svm.vmcb = cpu_fixture_alloc(test, sizeof(*f->svm.vmcb));
	f->svm.msrpm = cpu_fixture_alloc(test, 2 * PAGE_SIZE);
	rcuwait_init(&vcpu->wait);
	vcpu->events.injected.type = EVENT_NONE;
	vcpu->events.ext_irq = -1;
	vcpu->state.valid = STATE_ALL;
	vcpu->state.rflags = X86_EFLAGS_FIXED;
	vcpu->state.cr0 = X86_CR0_PE | X86_CR0_ET;
	vcpu->state.xcr0 = XFEATURE_MASK_FP;
	vcpu->msrs.mcg_cap = CPU_MCE_BANKS;
	vcpu->tsc.khz = tsc_khz;
	cpuid_derive(vcpu);
	test->priv = f;
	return 0;
}

static inline struct vcpu *cpu_fixture_vcpu(struct kunit *test)
{
	struct cpu_fixture *f = test->priv;

	return &f->vcpu;
}

/* The end of a case that has set a CPUID. */
static inline void cpu_fixture_exit(struct kunit *test)
{
	struct vcpu *vcpu = cpu_fixture_vcpu(test);

	RCU_INIT_POINTER(vcpu->pid, NULL);
	cpuid_free(vcpu);
}

#endif /* VMM_TESTS_CPU_FIXTURE_H */
