// SPDX-License-Identifier: GPL-2.0
/* Machine checks that user space reports: api.rst, 4.104 to 4.106; SDM vol. 3B, 16. */
#include "vm.h"

#define SUITE "mce"

#define MCG_CAP    0x179
#define MCG_STATUS 0x17a
#define MCG_CTL    0x17b
#define MC_CTL(n)  (0x400 + 4 * (n))
#define MC_CTL2(n) (0x280 + (n))
#define MCG_CTL_P  BIT(8)
#define MCG_CMCI_P BIT(10)
#define MCG_SER_P  BIT(24)
#define MCIP       BIT(2)
#define VAL        (1ull << 63)
#define OVER       (1ull << 62)
#define UC         (1ull << 61)
#define EN         (1ull << 60)
#define PCC        (1ull << 57)
#define BANKS      8
#define VEC        0x41

static struct vcpu *machine(void *fn, u64 cap)
{
	struct vcpu *v;
	u64 offered;

	need_cap(KVM_CAP_MCE);
	OK(ioctl(dev_fd(), KVM_X86_GET_MCE_CAP_SUPPORTED, &offered));
	if (cap & ~offered)
		SKIP("MCG_CAP %#llx is not offered", cap & ~offered);
	v = vcpu_new(vm_create(VM_IRQCHIP), 0, fn, 0);
	cap |= BANKS;
	OK(ioctl(v->fd, KVM_X86_SETUP_MCE, &cap));
	/* In-tree KVM hides Intel's bits on AMD processors. */
	CHECK_EQ(get_msr(v, MCG_CAP) & 0x1ff, cap & 0x1ff);
	return v;
}

static int inject(struct vcpu *v, u32 bank, u64 status)
{
	struct kvm_x86_mce m = {
		.bank = bank, .status = status, .addr = 0xdead000, .misc = 0x8c, .mcg_status = MCIP
	};

	return ioctl(v->fd, KVM_X86_SET_MCE, &m);
}

static u64 status(struct vcpu *v, u32 bank)
{
	return get_msr(v, MC_CTL(bank) + 1);
}

static void guest_banks(void)
{
	write_cr4(read_cr4() | BIT(6));
	guest_on(18, guest_count);
	GUEST_SYNC(0);
	GASSERT_EQ(this_cpu()->irqs[18], 1);
	GASSERT_EQ(rdmsr(MC_CTL(3) + 2), 0xdead000);
	GASSERT_EQ(rdmsr(MCG_STATUS), MCIP);
	wrmsr(MC_CTL(3) + 1, 0);
	wrmsr(MCG_STATUS, 0);
	GUEST_SYNC(1);
	GASSERT_EQ(this_cpu()->irqs[18], 1);
	wrmsr(MC_CTL(3), 0);
	GUEST_SYNC(2);
	GASSERT_EQ(this_cpu()->irqs[18], 1);
	GUEST_DONE();
}

CASE(uncorrected)
{
	struct vcpu *v = machine(guest_banks, MCG_CTL_P | MCG_SER_P);

	run_sync(v, 0);
	OK(inject(v, 3, VAL | UC | EN | PCC));
	CHECK_EQ(status(v, 3), VAL | UC | EN | PCC);
	run_sync(v, 1);
	/* Corrected: it is there to be found. The second one overflows. */
	OK(inject(v, 3, VAL | EN));
	OK(inject(v, 3, VAL | EN));
	CHECK_EQ(status(v, 3), VAL | OVER | EN);
	run_sync(v, 2);
	/* The guest has switched this bank off. */
	OK(inject(v, 3, VAL | UC | EN | PCC));
	run_done(v);
}

static void guest_idle(void)
{
	GUEST_SYNC(0);
	GUEST_DONE();
}

/* Nobody can take it: CR4.MCE is clear. */
CASE(shutdown)
{
	struct vcpu *v = machine(guest_idle, MCG_CTL_P | MCG_SER_P);

	run_sync(v, 0);
	OK(inject(v, 0, VAL | UC | EN | PCC));
	vcpu_run_exit(v, KVM_EXIT_SHUTDOWN);
}

static void guest_cmci(void)
{
	guest_on(VEC, guest_count_irq);
	apic_enable();
	apic_write(0x2f0, VEC);
	GASSERT_EQ(apic_read(0x2f0), VEC);
	GASSERT_EQ(apic_read(APIC_LVR) >> 16 & 0xff, 6);
	wrmsr(MC_CTL2(1), BIT(30) | 1);
	wrmsr_try(MC_CTL2(1), BIT(29));
	GASSERT_TRAP(13, 0);
	sti();
	GUEST_SYNC(0);
	GASSERT_EQ(this_cpu()->irqs[VEC], 1);
	GUEST_DONE();
}

/* An uncorrected error that needs no action signals like a corrected one. */
CASE(cmci)
{
	struct vcpu *v = machine(guest_cmci, MCG_CTL_P | MCG_SER_P | MCG_CMCI_P);

	run_sync(v, 0);
	OK(inject(v, 1, VAL | UC | EN));
	run_done(v);
}

static void guest_no_cmci(void)
{
	rdmsr_try(MC_CTL2(1));
	GASSERT_TRAP(13, 0);
	GUEST_DONE();
}

CASE(no_cmci)
{
	run_done(machine(guest_no_cmci, MCG_CTL_P));
}

CASE(bad_arguments)
{
	struct vcpu *v = machine(guest_idle, MCG_CTL_P);
	u64 cap = MCG_CTL_P;

	CHECK_ERRNO(ioctl(v->fd, KVM_X86_SETUP_MCE, &cap), EINVAL);
	cap = MCG_CTL_P | (dev_cap(KVM_CAP_MCE) + 1);
	CHECK_ERRNO(ioctl(v->fd, KVM_X86_SETUP_MCE, &cap), EINVAL);
	cap = 1ull << 40 | 1;
	CHECK_ERRNO(ioctl(v->fd, KVM_X86_SETUP_MCE, &cap), EINVAL);
	CHECK_ERRNO(inject(v, BANKS, VAL), EINVAL);
	CHECK_ERRNO(inject(v, 0, UC), EINVAL);
}
