// SPDX-License-Identifier: GPL-2.0
/* The local APIC: priorities, register access, modes, messages, state. */
#include "irq_fixture.h"
#include "suites.h"

#define MSR(off)	(0x800 + ((off) >> 4))

static int post(struct vcpu *vcpu, u8 vector)
{
	struct irq_msg msg = { .dest = vcpu->id, .vector = vector };

	return irq_deliver(vcpu->vm, NULL, &msg);
}

/* ---- priorities ---- */

static void takes_and_ends(struct kunit *test)
{
	struct vcpu *vcpu = boot(test);

	KUNIT_EXPECT_EQ(test, lapic_pending(vcpu), -1);
	KUNIT_EXPECT_EQ(test, post(vcpu, 0x41), 1);
	KUNIT_EXPECT_TRUE(test, test_bit(REQ_EVENT, &vcpu->requests));
	KUNIT_EXPECT_EQ(test, post(vcpu, 0x41), 0);
	KUNIT_EXPECT_TRUE(test, irq_pending(vcpu));
	KUNIT_EXPECT_EQ(test, irq_acknowledge(vcpu), 0x41);
	KUNIT_EXPECT_EQ(test, lapic_pending(vcpu), -1);
	KUNIT_EXPECT_EQ(test, apic_read_reg(vcpu, APIC_PROCPRI), 0x40);
	/* The same vector again, while it is in service. */
	KUNIT_EXPECT_EQ(test, post(vcpu, 0x41), 1);
	KUNIT_EXPECT_EQ(test, lapic_pending(vcpu), -1);
	vcpu->requests = 0;
	apic_write_reg(vcpu, APIC_EOI, 0);
	KUNIT_EXPECT_TRUE(test, test_bit(REQ_EVENT, &vcpu->requests));
	KUNIT_EXPECT_EQ(test, irq_acknowledge(vcpu), 0x41);
	apic_write_reg(vcpu, APIC_EOI, 0);
	KUNIT_EXPECT_EQ(test, apic_read_reg(vcpu, APIC_PROCPRI), 0);
	KUNIT_EXPECT_EQ(test, irq_acknowledge(vcpu), -1);
	apic_write_reg(vcpu, APIC_EOI, 0);	/* one too many */
	KUNIT_EXPECT_EQ(test, post(vcpu, 0x20), 1);
	KUNIT_EXPECT_EQ(test, irq_acknowledge(vcpu), 0x20);
}

static void nests_by_class(struct kunit *test)
{
	struct vcpu *vcpu = boot(test);

	post(vcpu, 0x55);
	KUNIT_EXPECT_EQ(test, irq_acknowledge(vcpu), 0x55);
	post(vcpu, 0x5f);	/* same class: waits */
	KUNIT_EXPECT_EQ(test, lapic_pending(vcpu), -1);
	post(vcpu, 0xf0);
	post(vcpu, 0x61);
	KUNIT_EXPECT_EQ(test, irq_acknowledge(vcpu), 0xf0);
	KUNIT_EXPECT_EQ(test, irq_acknowledge(vcpu), -1);
	apic_write_reg(vcpu, APIC_EOI, 0);
	KUNIT_EXPECT_EQ(test, irq_acknowledge(vcpu), 0x61);
	apic_write_reg(vcpu, APIC_EOI, 0);
	KUNIT_EXPECT_EQ(test, apic_read_reg(vcpu, APIC_PROCPRI), 0x50);
	apic_write_reg(vcpu, APIC_EOI, 0);
	KUNIT_EXPECT_EQ(test, irq_acknowledge(vcpu), 0x5f);
}

static void tpr_blocks(struct kunit *test)
{
	struct vcpu *vcpu = boot(test);

	lapic_set_tpr(vcpu, 0x60);
	KUNIT_EXPECT_EQ(test, lapic_tpr(vcpu), 0x60);
	KUNIT_EXPECT_FALSE(test, lapic_blocked_by_tpr(vcpu));
	post(vcpu, 0x6f);
	KUNIT_EXPECT_EQ(test, lapic_pending(vcpu), -1);
	KUNIT_EXPECT_TRUE(test, lapic_blocked_by_tpr(vcpu));
	vcpu->requests = 0;
	apic_write_reg(vcpu, APIC_TASKPRI, 0x5f);
	KUNIT_EXPECT_TRUE(test, test_bit(REQ_EVENT, &vcpu->requests));
	KUNIT_EXPECT_EQ(test, vcpu->state.cr8, 5ull);
	KUNIT_EXPECT_EQ(test, lapic_pending(vcpu), 0x6f);
	KUNIT_EXPECT_FALSE(test, lapic_blocked_by_tpr(vcpu));
	/* CR8 that says nothing new keeps the lower half. */
	lapic_set_tpr(vcpu, 0x50);
	KUNIT_EXPECT_EQ(test, lapic_tpr(vcpu), 0x5f);
	KUNIT_EXPECT_EQ(test, apic_read_reg(vcpu, APIC_PROCPRI), 0x5f);
}

/* ---- registers ---- */

static void software_disabled(struct kunit *test)
{
	struct irq_fixture *f = test->priv;
	struct vcpu *vcpu = f->vcpu[1];
	struct irq_msg nmi = { .dest = 1, .delivery = DELIVERY_NMI };

	apic_write_reg(vcpu, APIC_LVT0, 0x20);
	KUNIT_EXPECT_EQ(test, apic_read_reg(vcpu, APIC_LVT0), APIC_LVT_MASKED | 0x20);
	KUNIT_EXPECT_EQ(test, post(vcpu, 0x41), 0);
	KUNIT_EXPECT_EQ(test, irq_deliver(&f->vm, NULL, &nmi), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&vcpu->events.nmi_queued), 1);
	apic_write_reg(vcpu, APIC_SPIV, 0x1ff);
	apic_write_reg(vcpu, APIC_LVT0, 0x20);
	KUNIT_EXPECT_EQ(test, apic_read_reg(vcpu, APIC_LVT0), 0x20);
	post(vcpu, 0x41);
	apic_write_reg(vcpu, APIC_SPIV, 0xff);
	KUNIT_EXPECT_EQ(test, apic_read_reg(vcpu, APIC_LVT0), APIC_LVT_MASKED | 0x20);
	/* What was pending stays so. */
	KUNIT_EXPECT_EQ(test, irq_acknowledge(vcpu), 0x41);
}

static void errors(struct kunit *test)
{
	struct vcpu *vcpu = boot(test);

	apic_write_reg(vcpu, APIC_LVTERR, 0x33);
	KUNIT_EXPECT_EQ(test, post(vcpu, 15), 0);
	KUNIT_EXPECT_EQ(test, irq_acknowledge(vcpu), 0x33);
	apic_write_reg(vcpu, APIC_EOI, 0);
	KUNIT_EXPECT_EQ(test, apic_read_reg(vcpu, APIC_ESR), 0);
	apic_write_reg(vcpu, APIC_ESR, 0);
	KUNIT_EXPECT_EQ(test, apic_read_reg(vcpu, APIC_ESR), APIC_ESR_RECVILL);
	apic_write_reg(vcpu, APIC_ICR, APIC_DEST_SELF | 5);
	apic_write_reg(vcpu, 0x40, 0);
	apic_write_reg(vcpu, APIC_ESR, 0);
	KUNIT_EXPECT_EQ(test, apic_read_reg(vcpu, APIC_ESR), APIC_ESR_SENDILL | APIC_ESR_ILLREGA);
	apic_write_reg(vcpu, APIC_ESR, 0);
	KUNIT_EXPECT_EQ(test, apic_read_reg(vcpu, APIC_ESR), 0);
}

static void page_accesses(struct kunit *test)
{
	struct vcpu *vcpu = boot(test);
	u64 val = ~0ull;

	KUNIT_EXPECT_EQ(test, apic_read_reg(vcpu, APIC_LVR), 0x50014);
	KUNIT_EXPECT_EQ(test, lapic_mmio_read(vcpu, APIC_PAGE + APIC_LVR, 8, &val), 0);
	KUNIT_EXPECT_EQ(test, val, 0ull);
	KUNIT_EXPECT_EQ(test, lapic_mmio_read(vcpu, APIC_PAGE + APIC_LVR + 1, 1, &val), 0);
	KUNIT_EXPECT_EQ(test, lapic_mmio_read(vcpu, APIC_PAGE + 0xff0, 4, &val), 0);
	KUNIT_EXPECT_EQ(test, lapic_mmio_read(vcpu, APIC_PAGE + 0x1000, 4, &val), -EOPNOTSUPP);
	val = 0;
	lapic_mmio_write(vcpu, APIC_PAGE + APIC_SPIV, 2, &val);
	KUNIT_EXPECT_EQ(test, apic_read_reg(vcpu, APIC_SPIV), 0x1ff);
	/* Reserved bits are dropped; there is no EOI suppression with an I/O APIC here. */
	apic_write_reg(vcpu, APIC_SPIV, ~0u);
	KUNIT_EXPECT_EQ(test, apic_read_reg(vcpu, APIC_SPIV), 0x3ff);
	apic_write_reg(vcpu, APIC_DFR, 0);
	KUNIT_EXPECT_EQ(test, apic_read_reg(vcpu, APIC_DFR), 0x0fffffff);
	apic_write_reg(vcpu, APIC_LVTPC, ~0u);
	KUNIT_EXPECT_EQ(test, apic_read_reg(vcpu, APIC_LVTPC), 0x107ff);
}

static void hole_in_x2apic_mode(struct kunit *test)
{
	struct irq_fixture *f = test->priv;
	u32 val = 0;

	apics_x2(test);
	KUNIT_EXPECT_EQ(test, lapic_mmio_read(f->vcpu[0], APIC_PAGE + APIC_LVR, 4, &val), 0);
	KUNIT_EXPECT_EQ(test, val, ~0u);
	f->vm.policy.disabled_quirks = KVM_X86_QUIRK_LAPIC_MMIO_HOLE;
	KUNIT_EXPECT_EQ(test, lapic_mmio_read(f->vcpu[0], APIC_PAGE + APIC_LVR, 4, &val),
			-EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, lapic_mmio_write(f->vcpu[0], APIC_PAGE + APIC_EOI, 4, &val),
			-EOPNOTSUPP);
}

static void x2apic_faults(struct kunit *test)
{
	static const struct {
		u32 off;
		u64 val;
	} bad[] = {
		{ APIC_ID, 0 }, { APIC_LVR, 0 }, { APIC_PROCPRI, 0 }, { APIC_LDR, 0 },
		{ APIC_DFR, 0 }, { APIC_ISR, 0 }, { APIC_TMR, 0 }, { APIC_IRR, 0 },
		{ APIC_TMCCT, 0 }, { APIC_ICR2, 0 }, { APIC_ARBPRI, 0 }, { APIC_LVTCMCI, 0 },
		{ 0, 0 }, { APIC_EOI, 1 }, { APIC_ESR, 1 }, { APIC_TASKPRI, 0x100 },
		{ APIC_SPIV, 0x400 }, { APIC_SPIV, 0x11ff }, { APIC_TDCR, 4 },
		{ APIC_LVTT, BIT(11) }, { APIC_LVTERR, 0x400 }, { APIC_SELF_IPI, 0x100 },
		{ APIC_ICR, BIT(20) }, { APIC_ICR, BIT(13) }, { APIC_ICR, BIT(16) },
		{ APIC_TMICT, BIT_ULL(32) }, { APIC_TASKPRI, BIT_ULL(63) },
	};
	static const u32 unreadable[] = { 0, APIC_EOI, APIC_SELF_IPI, APIC_DFR, APIC_ICR2,
					  APIC_ARBPRI, APIC_LVTCMCI };
	struct vcpu *vcpu = boot(test);
	unsigned int i;
	u64 val;

	KUNIT_EXPECT_EQ(test, lapic_msr_read(vcpu, MSR(APIC_LVR), &val), 1);
	KUNIT_EXPECT_EQ(test, lapic_msr_write(vcpu, MSR(APIC_EOI), 0), 1);
	apics_x2(test);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		KUNIT_EXPECT_EQ_MSG(test, lapic_msr_write(vcpu, MSR(bad[i].off), bad[i].val), 1,
				    "register 0x%x = 0x%llx", bad[i].off, bad[i].val);
	for (i = 0; i < ARRAY_SIZE(unreadable); i++)
		KUNIT_EXPECT_EQ_MSG(test, lapic_msr_read(vcpu, MSR(unreadable[i]), &val), 1,
				    "register 0x%x", unreadable[i]);
	KUNIT_EXPECT_EQ(test, lapic_msr_read(vcpu, 0x8ff, &val), 1);
	KUNIT_EXPECT_EQ(test, lapic_msr_write(vcpu, 0x840, 0), 1);
	KUNIT_EXPECT_EQ(test, lapic_msr_write(vcpu, MSR(APIC_EOI), 0), 0);
	/* Read-only bits may be written back, and busy is ignored. */
	KUNIT_EXPECT_EQ(test, lapic_msr_write(vcpu, MSR(APIC_LVT0), APIC_SEND_PENDING | 0x40), 0);
	KUNIT_EXPECT_EQ(test, lapic_msr_read(vcpu, MSR(APIC_LVT0), &val), 0);
	KUNIT_EXPECT_EQ(test, val, 0x40ull);
	KUNIT_EXPECT_EQ(test, lapic_msr_write(vcpu, MSR(APIC_ICR), 9ull << 32 | APIC_ICR_BUSY |
					      0x40), 0);
	KUNIT_EXPECT_EQ(test, lapic_msr_read(vcpu, MSR(APIC_ICR), &val), 0);
	KUNIT_EXPECT_EQ(test, val, 9ull << 32 | 0x40);
}

static void deadline_mode_needs_cpuid(struct kunit *test)
{
	struct irq_fixture *f = test->priv;
	struct vcpu *vcpu = f->vcpu[0];

	apics_x2(test);
	f->leaf1.ecx = BIT(X86_FEATURE_X2APIC % 32);
	cpuid_derive(vcpu);
	KUNIT_EXPECT_EQ(test, lapic_msr_write(vcpu, MSR(APIC_LVTT),
					      APIC_LVT_TIMER_TSCDEADLINE | 0x40), 1);
	KUNIT_EXPECT_EQ(test, lapic_msr_write(vcpu, MSR(APIC_LVTT),
					      APIC_LVT_TIMER_PERIODIC | 0x40), 0);
}

/* ---- modes ---- */

static void base_transitions(struct kunit *test)
{
	const u64 x1 = APIC_PAGE | XAPIC_ENABLE, x2 = x1 | X2APIC_ENABLE;
	struct irq_fixture *f = test->priv;
	struct vcpu *vcpu = f->vcpu[1];
	u64 val;

	KUNIT_EXPECT_EQ(test, f->vcpu[0]->msrs.apic_base, x1 | MSR_IA32_APICBASE_BSP);
	KUNIT_EXPECT_EQ(test, vcpu->msrs.apic_base, x1);
	KUNIT_EXPECT_EQ(test, lapic_base_set(vcpu, APIC_PAGE | X2APIC_ENABLE, false), 1);
	KUNIT_EXPECT_EQ(test, lapic_base_set(vcpu, APIC_PAGE | X2APIC_ENABLE, true), 1);
	KUNIT_EXPECT_EQ(test, lapic_base_set(vcpu, x1 | 1, false), 1);
	KUNIT_EXPECT_EQ(test, lapic_base_set(vcpu, x1 | BIT_ULL(51), true), 1);
	KUNIT_EXPECT_EQ(test, lapic_base_set(vcpu, x2, false), 0);
	KUNIT_EXPECT_EQ(test, lapic_msr_read(vcpu, MSR(APIC_ID), &val), 0);
	KUNIT_EXPECT_EQ(test, val, 1ull);
	KUNIT_EXPECT_EQ(test, lapic_msr_read(vcpu, MSR(APIC_LDR), &val), 0);
	KUNIT_EXPECT_EQ(test, val, 2ull);
	/* The way back leads through "off", for guests. */
	KUNIT_EXPECT_EQ(test, lapic_base_set(vcpu, x1, false), 1);
	KUNIT_EXPECT_EQ(test, lapic_base_set(vcpu, x1, true), 0);
	KUNIT_EXPECT_EQ(test, lapic_base_set(vcpu, x2, true), 0);
	KUNIT_EXPECT_EQ(test, lapic_base_set(vcpu, APIC_PAGE, false), 0);
	KUNIT_EXPECT_FALSE(test, lapic_enabled(vcpu));
	KUNIT_EXPECT_EQ(test, post(vcpu, 0x41), -1);
	KUNIT_EXPECT_EQ(test, lapic_base_set(vcpu, x2, false), 1);
	KUNIT_EXPECT_EQ(test, lapic_base_set(vcpu, x1, false), 0);
	KUNIT_EXPECT_EQ(test, apic_read_reg(vcpu, APIC_ID), 1u << 24);
	KUNIT_EXPECT_EQ(test, apic_read_reg(vcpu, APIC_SPIV), 0xff);
	f->leaf1.ecx = 0;
	cpuid_derive(vcpu);
	KUNIT_EXPECT_EQ(test, lapic_base_set(vcpu, x2, false), 1);
}

static void page_moves(struct kunit *test)
{
	struct vcpu *vcpu = boot(test);
	u32 val = 0;

	KUNIT_EXPECT_EQ(test, lapic_base_set(vcpu, 0xd0000000 | XAPIC_ENABLE, false), 0);
	KUNIT_EXPECT_EQ(test, lapic_mmio_read(vcpu, APIC_PAGE + APIC_LVR, 4, &val), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, lapic_mmio_read(vcpu, 0xd0000000 + APIC_LVR, 4, &val), 0);
	KUNIT_EXPECT_EQ(test, val, 0x50014);
}

static void init_keeps_id(struct kunit *test)
{
	struct irq_fixture *f = test->priv;
	struct vcpu *vcpu = f->vcpu[2];

	apics_enable(f);
	KUNIT_EXPECT_EQ(test, post(vcpu, 0x50), 1);
	apic_write_reg(vcpu, APIC_ID, 7u << 24);
	lapic_reset(vcpu, true);
	KUNIT_EXPECT_EQ(test, apic_read_reg(vcpu, APIC_ID), 7u << 24);
	KUNIT_EXPECT_EQ(test, apic_read_reg(vcpu, APIC_SPIV), 0xff);
	KUNIT_EXPECT_EQ(test, lapic_pending(vcpu), -1);
	/* The boot processor's LINT0 is wired to the PIC from the start, by a quirk of the API. */
	KUNIT_EXPECT_EQ(test, apic_read_reg(vcpu, APIC_LVT0), APIC_LVT_MASKED);
	lapic_reset(f->vcpu[0], false);
	KUNIT_EXPECT_EQ(test, apic_read_reg(f->vcpu[0], APIC_LVT0), APIC_DM_EXTINT);
	f->vm.policy.disabled_quirks = KVM_X86_QUIRK_LINT0_REENABLED;
	lapic_reset(f->vcpu[0], false);
	KUNIT_EXPECT_EQ(test, apic_read_reg(f->vcpu[0], APIC_LVT0), APIC_LVT_MASKED);
}

/* ---- messages ---- */

static void send(struct vcpu *from, u32 dest, u32 low)
{
	apic_write_reg(from, APIC_ICR2, dest << 24);
	apic_write_reg(from, APIC_ICR, low);
}

static void physical_and_shorthand(struct kunit *test)
{
	struct irq_fixture *f = test->priv;
	struct vcpu *from = boot(test);

	send(from, 2, 0x40);
	KUNIT_EXPECT_EQ(test, irq_receivers(f, 0x40), 0x4);
	send(from, 9, 0x40);
	KUNIT_EXPECT_EQ(test, irq_receivers(f, 0x40), 0x0);
	send(from, 0xff, 0x40);
	KUNIT_EXPECT_EQ(test, irq_receivers(f, 0x40), 0xf);
	send(from, 2, APIC_DEST_SELF | 0x41);
	KUNIT_EXPECT_EQ(test, irq_receivers(f, 0x41), 0x1);
	send(from, 2, APIC_DEST_ALLINC | 0x42);
	KUNIT_EXPECT_EQ(test, irq_receivers(f, 0x42), 0xf);
	send(from, 2, APIC_DEST_ALLBUT | 0x43);
	KUNIT_EXPECT_EQ(test, irq_receivers(f, 0x43), 0xe);
	send(from, 3, APIC_DM_NMI);
	KUNIT_EXPECT_EQ(test, atomic_read(&f->vcpu[3]->events.nmi_queued), 1);
	send(from, 3, APIC_DM_SMI);
	send(from, 3, APIC_DM_EXTINT | 0x44);
	KUNIT_EXPECT_EQ(test, lapic_pending(f->vcpu[3]), -1);
}

static void changed_id(struct kunit *test)
{
	struct irq_fixture *f = test->priv;
	struct vcpu *from = boot(test);

	apic_write_reg(f->vcpu[3], APIC_ID, 0x20u << 24);
	send(from, 3, 0x40);
	KUNIT_EXPECT_EQ(test, irq_receivers(f, 0x40), 0x0);
	send(from, 0x20, 0x40);
	KUNIT_EXPECT_EQ(test, irq_receivers(f, 0x40), 0x8);
	apic_write_reg(f->vcpu[3], APIC_ID, 1u << 24);	/* two of one name both hear it */
	send(from, 1, 0x40);
	KUNIT_EXPECT_EQ(test, irq_receivers(f, 0x40), 0xa);
}

static void logical_flat(struct kunit *test)
{
	struct irq_fixture *f = test->priv;
	struct vcpu *from = boot(test);
	u32 i;

	send(from, 1, APIC_DEST_LOGICAL | 0x50);
	KUNIT_EXPECT_EQ(test, irq_receivers(f, 0x50), 0x0);
	for (i = 0; i < IRQ_VCPUS; i++)
		apic_write_reg(f->vcpu[i], APIC_LDR, 1u << (24 + i));
	send(from, 0x5, APIC_DEST_LOGICAL | 0x50);
	KUNIT_EXPECT_EQ(test, irq_receivers(f, 0x50), 0x5);
	send(from, 0xf0, APIC_DEST_LOGICAL | 0x50);
	KUNIT_EXPECT_EQ(test, irq_receivers(f, 0x50), 0x0);
	send(from, 0xff, APIC_DEST_LOGICAL | 0x50);
	KUNIT_EXPECT_EQ(test, irq_receivers(f, 0x50), 0xf);
	apic_write_reg(f->vcpu[2], APIC_LDR, 3u << 24);	/* shares bits: every APIC is asked */
	send(from, 0x2, APIC_DEST_LOGICAL | 0x50);
	KUNIT_EXPECT_EQ(test, irq_receivers(f, 0x50), 0x6);
}

static void logical_cluster(struct kunit *test)
{
	static const u32 ldr[IRQ_VCPUS] = { 0x01, 0x02, 0x11, 0x18 };
	struct irq_fixture *f = test->priv;
	struct vcpu *from = boot(test);
	u32 i;

	for (i = 0; i < IRQ_VCPUS; i++) {
		apic_write_reg(f->vcpu[i], APIC_DFR, APIC_DFR_CLUSTER);
		apic_write_reg(f->vcpu[i], APIC_LDR, ldr[i] << 24);
	}
	send(from, 0x03, APIC_DEST_LOGICAL | 0x50);
	KUNIT_EXPECT_EQ(test, irq_receivers(f, 0x50), 0x3);
	send(from, 0x18, APIC_DEST_LOGICAL | 0x50);
	KUNIT_EXPECT_EQ(test, irq_receivers(f, 0x50), 0x8);
	send(from, 0x1f, APIC_DEST_LOGICAL | 0x50);
	KUNIT_EXPECT_EQ(test, irq_receivers(f, 0x50), 0xc);
	apic_write_reg(f->vcpu[0], APIC_DFR, APIC_DFR_FLAT);	/* mixed */
	send(from, 0x11, APIC_DEST_LOGICAL | 0x50);
	KUNIT_EXPECT_EQ(test, irq_receivers(f, 0x50), 0x5);
}

static void logical_x2(struct kunit *test)
{
	struct irq_fixture *f = test->priv;
	struct vcpu *from = boot(test);
	u64 logical = APIC_DEST_LOGICAL | 0x60;

	apics_x2(test);
	lapic_msr_write(from, MSR(APIC_ICR), 0xaull << 32 | logical);
	KUNIT_EXPECT_EQ(test, irq_receivers(f, 0x60), 0xa);
	lapic_msr_write(from, MSR(APIC_ICR), 0x1000aull << 32 | logical);
	KUNIT_EXPECT_EQ(test, irq_receivers(f, 0x60), 0x0);
	lapic_msr_write(from, MSR(APIC_ICR), 0xffffffffull << 32 | logical);
	KUNIT_EXPECT_EQ(test, irq_receivers(f, 0x60), 0xf);
	lapic_msr_write(from, MSR(APIC_ICR), 3ull << 32 | 0x61);
	KUNIT_EXPECT_EQ(test, irq_receivers(f, 0x61), 0x8);
	/* 255 is an id like any other for an x2APIC. */
	lapic_msr_write(from, MSR(APIC_ICR), 0xffull << 32 | 0x61);
	KUNIT_EXPECT_EQ(test, irq_receivers(f, 0x61), 0x0);
	lapic_msr_write(from, MSR(APIC_SELF_IPI), 0x62);
	KUNIT_EXPECT_EQ(test, irq_receivers(f, 0x62), 0x1);
}

static void device_broadcast(struct kunit *test)
{
	struct irq_fixture *f = test->priv;
	struct irq_msg msg = { .dest = 0xff, .vector = 0x70 };

	boot(test);
	apics_x2(test);
	KUNIT_EXPECT_EQ(test, irq_deliver(&f->vm, NULL, &msg), IRQ_VCPUS);
	KUNIT_EXPECT_EQ(test, irq_receivers(f, 0x70), 0xf);
	f->vm.policy.x2apic_no_broadcast_quirk = true;
	KUNIT_EXPECT_EQ(test, irq_deliver(&f->vm, NULL, &msg), -1);
}

static void lowest_priority(struct kunit *test)
{
	struct irq_fixture *f = test->priv;
	struct vcpu *from = boot(test);
	u32 i;

	for (i = 0; i < IRQ_VCPUS; i++)
		apic_write_reg(f->vcpu[i], APIC_LDR, 1u << (24 + i));
	apic_write_reg(f->vcpu[0], APIC_TASKPRI, 0x30);
	apic_write_reg(f->vcpu[1], APIC_TASKPRI, 0x20);
	apic_write_reg(f->vcpu[2], APIC_TASKPRI, 0x40);
	apic_write_reg(f->vcpu[3], APIC_SPIV, 0xff);
	send(from, 0x0f, APIC_DEST_LOGICAL | APIC_DM_LOWEST | 0x50);
	KUNIT_EXPECT_EQ(test, irq_receivers(f, 0x50), 0x2);
	send(from, 0x0d, APIC_DEST_LOGICAL | APIC_DM_LOWEST | 0x50);
	KUNIT_EXPECT_EQ(test, irq_receivers(f, 0x50), 0x1);
}

static void init_and_sipi(struct kunit *test)
{
	struct irq_fixture *f = test->priv;
	struct vcpu *from = boot(test), *to = f->vcpu[1];

	KUNIT_EXPECT_FALSE(test, lapic_init_sipi_pending(to));
	send(from, 1, APIC_DM_INIT | APIC_INT_LEVELTRIG);	/* de-assert */
	KUNIT_EXPECT_FALSE(test, lapic_init_sipi_pending(to));
	send(from, 1, APIC_DM_STARTUP | 0x12);
	KUNIT_EXPECT_EQ(test, to->apic->signals, BIT(LAPIC_SIPI));
	/* An INIT that comes later wins. */
	send(from, 1, APIC_DM_INIT | APIC_INT_LEVELTRIG | APIC_INT_ASSERT);
	KUNIT_EXPECT_EQ(test, to->apic->signals, BIT(LAPIC_INIT));
	send(from, 1, APIC_DM_STARTUP | 0x9a);
	KUNIT_EXPECT_EQ(test, to->apic->signals, BIT(LAPIC_INIT) | BIT(LAPIC_SIPI));
	KUNIT_EXPECT_EQ(test, to->apic->sipi_vector, 0x9a);
	KUNIT_EXPECT_TRUE(test, test_bit(REQ_INIT_SIPI, &to->requests));
	/* As user space restores one. */
	lapic_set_sipi_vector(f->vcpu[2], 0x55);
	KUNIT_EXPECT_FALSE(test, lapic_init_sipi_pending(f->vcpu[2]));
	lapic_post_sipi(f->vcpu[2]);
	KUNIT_EXPECT_TRUE(test, lapic_init_sipi_pending(f->vcpu[2]));
	KUNIT_EXPECT_EQ(test, f->vcpu[2]->apic->sipi_vector, 0x55);
}

/* ---- state ---- */

static void state_round_trip(struct kunit *test)
{
	struct irq_fixture *f = test->priv;
	struct vcpu *vcpu = boot(test), *copy = f->vcpu[1];
	struct kvm_lapic_state *s = kunit_kzalloc(test, 2 * sizeof(*s), GFP_KERNEL);
	u32 *page = (u32 *)s[0].regs;

	KUNIT_ASSERT_NOT_NULL(test, s);
	apic_write_reg(vcpu, APIC_TASKPRI, 0x21);
	apic_write_reg(vcpu, APIC_LVT1, 0x400);
	apic_write_reg(vcpu, APIC_LDR, 1u << 24);
	apic_write_reg(vcpu, APIC_LVTT, APIC_LVT_MASKED | 0x40);
	apic_write_reg(vcpu, APIC_TDCR, APIC_TDR_DIV_128);
	apic_write_reg(vcpu, APIC_TMICT, ~0u);
	post(vcpu, 0x51);
	KUNIT_EXPECT_EQ(test, irq_acknowledge(vcpu), 0x51);
	post(vcpu, 0x61);
	post(vcpu, 0x31);
	KUNIT_EXPECT_EQ(test, lapic_get_state(vcpu, &s[0]), 0);
	KUNIT_EXPECT_EQ(test, page[APIC_ID / 4], 0);
	KUNIT_EXPECT_EQ(test, page[(APIC_ISR + 0x20) / 4], BIT(0x51 - 0x40));
	KUNIT_EXPECT_EQ(test, page[(APIC_IRR + 0x30) / 4], BIT(1));
	KUNIT_EXPECT_GT(test, page[APIC_TMCCT / 4], 0u);
	page[APIC_ID / 4] = 1u << 24;
	KUNIT_EXPECT_EQ(test, lapic_set_state(copy, &s[0]), 0);
	KUNIT_EXPECT_EQ(test, lapic_get_state(copy, &s[1]), 0);
	page[APIC_TMCCT / 4] = 0;
	KUNIT_EXPECT_GT(test, ((u32 *)s[1].regs)[APIC_TMCCT / 4], 0u);
	((u32 *)s[1].regs)[APIC_TMCCT / 4] = 0;
	KUNIT_EXPECT_EQ(test, memcmp(&s[0], &s[1], sizeof(*s)), 0);
	KUNIT_EXPECT_EQ(test, copy->state.cr8, 2ull);
	KUNIT_EXPECT_EQ(test, irq_acknowledge(copy), 0x61);
	apic_write_reg(copy, APIC_EOI, 0);
	apic_write_reg(copy, APIC_EOI, 0);
	KUNIT_EXPECT_EQ(test, irq_acknowledge(copy), 0x31);
}

static void state_x2apic_id(struct kunit *test)
{
	struct irq_fixture *f = test->priv;
	struct kvm_lapic_state *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);
	struct vcpu *vcpu = f->vcpu[3];
	u32 *page = (u32 *)s->regs;

	KUNIT_ASSERT_NOT_NULL(test, s);
	apics_x2(test);
	KUNIT_EXPECT_EQ(test, lapic_get_state(vcpu, s), 0);
	KUNIT_EXPECT_EQ(test, page[APIC_ID / 4], 3u << 24);
	KUNIT_EXPECT_EQ(test, lapic_set_state(vcpu, s), 0);
	f->vm.policy.x2apic_ids = true;
	KUNIT_EXPECT_EQ(test, lapic_set_state(vcpu, s), -EINVAL);
	KUNIT_EXPECT_EQ(test, lapic_get_state(vcpu, s), 0);
	KUNIT_EXPECT_EQ(test, page[APIC_ID / 4], 3);
	page[APIC_LDR / 4] = 0;
	KUNIT_EXPECT_EQ(test, lapic_set_state(vcpu, s), 0);
	KUNIT_EXPECT_EQ(test, lapic_get_state(vcpu, s), 0);
	KUNIT_EXPECT_EQ(test, page[APIC_LDR / 4], 8);
}

static void hostile_state(struct kunit *test)
{
	struct kvm_lapic_state *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);
	struct vcpu *vcpu = boot(test);
	int i, vector, last = 256;

	KUNIT_ASSERT_NOT_NULL(test, s);
	memset(s, 0xff, sizeof(*s));
	KUNIT_EXPECT_EQ(test, lapic_set_state(vcpu, s), 0);
	KUNIT_EXPECT_EQ(test, lapic_pending(vcpu), -1);
	KUNIT_EXPECT_EQ(test, apic_read_reg(vcpu, APIC_LVR), 0x50014);
	for (i = 0; i < 300; i++)
		lapic_eoi(vcpu->apic);
	apic_write_reg(vcpu, APIC_TASKPRI, 0);
	for (i = 16; i < 256; i++) {
		vector = irq_acknowledge(vcpu);
		KUNIT_EXPECT_LT(test, vector, last);
		KUNIT_EXPECT_GE(test, vector, 16);
		last = vector;
		lapic_eoi(vcpu->apic);
	}
	/* The bits of vectors that do not exist are kept, and never taken. */
	KUNIT_EXPECT_EQ(test, irq_acknowledge(vcpu), -1);
	KUNIT_EXPECT_EQ(test, lapic_pending(vcpu), -1);
	KUNIT_EXPECT_EQ(test, lapic_get_state(vcpu, s), 0);
	KUNIT_EXPECT_EQ(test, ((u32 *)s->regs)[APIC_IRR / 4], 0xffff);
}

static struct kunit_case lapic_cases[] = {
	KUNIT_CASE(takes_and_ends),
	KUNIT_CASE(nests_by_class),
	KUNIT_CASE(tpr_blocks),
	KUNIT_CASE(software_disabled),
	KUNIT_CASE(errors),
	KUNIT_CASE(page_accesses),
	KUNIT_CASE(hole_in_x2apic_mode),
	KUNIT_CASE(x2apic_faults),
	KUNIT_CASE(deadline_mode_needs_cpuid),
	KUNIT_CASE(base_transitions),
	KUNIT_CASE(page_moves),
	KUNIT_CASE(init_keeps_id),
	KUNIT_CASE(physical_and_shorthand),
	KUNIT_CASE(changed_id),
	KUNIT_CASE(logical_flat),
	KUNIT_CASE(logical_cluster),
	KUNIT_CASE(logical_x2),
	KUNIT_CASE(device_broadcast),
	KUNIT_CASE(lowest_priority),
	KUNIT_CASE(init_and_sipi),
	KUNIT_CASE(state_round_trip),
	KUNIT_CASE(state_x2apic_id),
	KUNIT_CASE(hostile_state),
	{}
};

struct kunit_suite lapic_suite = {
	.name = "vmm-lapic",
	.init = irq_fixture_init,
	.exit = irq_fixture_exit,
	.test_cases = lapic_cases,
};
