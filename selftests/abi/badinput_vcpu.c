// SPDX-License-Identifier: GPL-2.0
/* Arguments that a vCPU refuses, and with which errno: Documentation/api.rst. */
#include <string.h>
#include "badinput_args.h"

#define SUITE "badinput"

/* ---- registers ---- */

#define BAD_SREG(err, what, field, val)                                                          \
	BAD_FIELD(VCPU, PLAIN, KVM_SET_SREGS, err, what, KVM_GET_SREGS, struct kvm_sregs, field, \
		  val)
#define BAD_SREG2(err, what, field, val)                                                     \
	BAD_FIELD(VCPU, PLAIN, KVM_SET_SREGS2, err, what, KVM_GET_SREGS2, struct kvm_sregs2, \
		  field, val)

static const struct bad_row sregs[] = {
	BAD_SREG(EINVAL, "CR0 with PG and without PE", cr0, 1u << 31),
	BAD_SREG(EINVAL, "CR0 with NW and without CD", cr0, 1 << 29 | 1u << 31 | 1),
	BAD_SREG(EINVAL, "CR0[63:32]", cr0, 1ull << 32 | 1u << 31 | 1),
	BAD_SREG(EINVAL, "a bit of CR4 that no processor has", cr4, 1ull << 40 | 1 << 5),
	BAD_SREG(EINVAL, "long mode without PAE", cr4, 0),
	BAD_SREG(EINVAL, "LMA without LME", efer, 0x400),
	BAD_SREG2(EINVAL, "CR0 with PG and without PE", cr0, 1u << 31),
	BAD_SREG2(EINVAL, "flags", flags, 2),
	BAD_SREG2(EINVAL, "PDPTRs in long mode", flags, 1),
	BAD_SREG2(EINVAL, "all flags", flags, ~0ull),
};

CASE(sregs_args)
{
	REFUSE(sregs);
}

static const struct bad_row debug[] = {
	BAD(VCPU, PLAIN, KVM_SET_DEBUGREGS, EINVAL, "flags", (struct kvm_debugregs){ .flags = 1 }),
	BAD(VCPU, PLAIN, KVM_SET_DEBUGREGS, EINVAL, "DR6[63:32]",
	    (struct kvm_debugregs){ .dr6 = 1ull << 32 }),
	BAD(VCPU, PLAIN, KVM_SET_DEBUGREGS, EINVAL, "DR7[63:32]",
	    (struct kvm_debugregs){ .dr7 = 1ull << 32 }),
};

CASE(debugregs_args)
{
	REFUSE(debug);
}

/* Not another exception to one that waits. */
CASE(guest_debug_busy)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_EXCEPTION_PAYLOAD, .args = { 1 } };
	const struct bad_row busy[] = {
		BAD(VCPU, PLAIN, KVM_SET_GUEST_DEBUG, EBUSY, "a pending exception",
		    (struct kvm_guest_debug){ .control = KVM_GUESTDBG_ENABLE |
							 KVM_GUESTDBG_INJECT_DB }),
	};
	struct kvm_vcpu_events e;
	int vcpu = world_fd(PLAIN, VCPU);

	OK(ioctl(world_fd(PLAIN, VM), KVM_ENABLE_CAP, &cap));
	OK(ioctl(vcpu, KVM_GET_VCPU_EVENTS, &e));
	e.flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
	e.exception.pending = 1;
	e.exception.nr = 6;
	OK(ioctl(vcpu, KVM_SET_VCPU_EVENTS, &e));
	refuse_rows(busy, ARRAY_SIZE(busy));
}

static const struct bad_row xstate[] = {
	BAD(VCPU, PLAIN, KVM_SET_XSAVE, EINVAL, "MXCSR",
	    (struct kvm_xsave){ .region = { [6] = 1u << 31, [128] = 2 } }),
	BAD_FIELD(VCPU, PLAIN, KVM_SET_XSAVE, EINVAL, "XSTATE_BV[63:32]", KVM_GET_XSAVE,
		  struct kvm_xsave, region[129], 1u << 30),
	BAD_FIELD(VCPU, PLAIN, KVM_SET_XSAVE, EINVAL, "the compacted format", KVM_GET_XSAVE,
		  struct kvm_xsave, region[131], 1u << 31),
	BAD(VCPU, PLAIN, KVM_SET_XCRS, EINVAL, "17 registers", (struct kvm_xcrs){ .nr_xcrs = 17 }),
	BAD(VCPU, PLAIN, KVM_SET_XCRS, EINVAL, "most registers",
	    (struct kvm_xcrs){ .nr_xcrs = ~0u }),
	BAD(VCPU, PLAIN, KVM_SET_XCRS, EINVAL, "flags", (struct kvm_xcrs){ .flags = 1 }),
	BAD(VCPU, PLAIN, KVM_SET_XCRS, EINVAL, "XCR0 without x87",
	    (struct kvm_xcrs){ .nr_xcrs = 1, .xcrs[0].value = 2 }),
	BAD(VCPU, PLAIN, KVM_SET_XCRS, EINVAL, "XCR0 with AVX and without SSE",
	    (struct kvm_xcrs){ .nr_xcrs = 1, .xcrs[0].value = 5 }),
	BAD(VCPU, PLAIN, KVM_SET_XCRS, EINVAL, "a component that no processor has",
	    (struct kvm_xcrs){ .nr_xcrs = 1, .xcrs[0].value = 1ull << 62 | 1 }),
};

CASE(xstate_args)
{
	REFUSE(xstate);
}

/* ---- CPUID and MSRs ---- */

struct cpuid_one {
	struct kvm_cpuid2 h;
	struct kvm_cpuid_entry2 e[1];
};

#define BAD_WIDTH(what, bits)                          \
	BAD(VCPU, PLAIN, KVM_SET_CPUID2, EINVAL, what, \
	    (struct cpuid_one){ .h.nent = 1,           \
				.e = { { .function = 0x80000008, .eax = (bits) << 8 } } })

static const struct bad_row cpuid[] = {
	BAD(VCPU, PLAIN, KVM_SET_CPUID2, E2BIG, "257 entries", (struct kvm_cpuid2){ .nent = 257 }),
	BAD(VCPU, PLAIN, KVM_SET_CPUID2, E2BIG, "most of all", (struct kvm_cpuid2){ .nent = ~0u }),
	BAD_WIDTH("linear addresses of 39 bits", 39),
	BAD_WIDTH("linear addresses of 64 bits", 64),
	BAD(VCPU, RAN, KVM_SET_CPUID2, EINVAL, "after KVM_RUN", (struct kvm_cpuid2){ .nent = 0 }),
	BAD(VCPU, PLAIN, KVM_GET_CPUID2, E2BIG, "room for one", (struct cpuid_one){ .h.nent = 1 }),
	BAD(VCPU, PLAIN, KVM_GET_MSRS, E2BIG, "256 MSRs", (struct kvm_msrs){ .nmsrs = 256 }),
	BAD(VCPU, PLAIN, KVM_GET_MSRS, E2BIG, "most MSRs", (struct kvm_msrs){ .nmsrs = ~0u }),
	BAD(VCPU, PLAIN, KVM_SET_MSRS, E2BIG, "256 MSRs", (struct kvm_msrs){ .nmsrs = 256 }),
	BAD(VCPU, PLAIN, KVM_SET_MSRS, E2BIG, "most MSRs", (struct kvm_msrs){ .nmsrs = ~0u }),
};

CASE(cpuid_and_msr_args)
{
	REFUSE(cpuid);
}

/* ---- events and interrupts ---- */

#define BAD_EVENTS(what, field, val)                                                   \
	BAD_FIELD(VCPU, PLAIN, KVM_SET_VCPU_EVENTS, EINVAL, what, KVM_GET_VCPU_EVENTS, \
		  struct kvm_vcpu_events, field, val)
#define INJECTED(nr_)                                    \
	{                                                \
		.exception = {.injected = 1, .nr = nr_ } \
	}

static const struct bad_row events[] = {
	BAD_EVENTS("flags", flags, 1 << 8),
	BAD_EVENTS("all flags", flags, ~0u),
	BAD_EVENTS("a payload, which is not on", flags, KVM_VCPUEVENT_VALID_PAYLOAD),
	BAD_EVENTS("triple faults, which are not on", flags, KVM_VCPUEVENT_VALID_TRIPLE_FAULT),
	BAD(VCPU, PLAIN, KVM_SET_VCPU_EVENTS, EINVAL, "exception 32",
	    (struct kvm_vcpu_events)INJECTED(32)),
	BAD(VCPU, PLAIN, KVM_SET_VCPU_EVENTS, EINVAL, "an NMI as exception",
	    (struct kvm_vcpu_events)INJECTED(2)),
	BAD(VCPU, PLAIN, KVM_INTERRUPT, EINVAL, "vector 256", (struct kvm_interrupt){ 256 }),
	BAD(VCPU, PLAIN, KVM_INTERRUPT, EINVAL, "vector -1", (struct kvm_interrupt){ ~0u }),
	BAD(VCPU, CHIP, KVM_INTERRUPT, ENXIO, "with a PIC", (struct kvm_interrupt){ 32 }),
	BAD(VCPU, PLAIN, KVM_GET_LAPIC, EINVAL, "no local APIC", (struct kvm_lapic_state){ { 0 } }),
	BAD(VCPU, PLAIN, KVM_SET_LAPIC, EINVAL, "no local APIC", (struct kvm_lapic_state){ { 0 } }),
	BAD(VCPU, PLAIN, KVM_SET_VAPIC_ADDR, EINVAL, "no local APIC",
	    (struct kvm_vapic_addr){ .vapic_addr = 0 }),
	BAD(VCPU, CHIP, KVM_SET_VAPIC_ADDR, EINVAL, "no memory",
	    (struct kvm_vapic_addr){ .vapic_addr = 1ull << 40 }),
	BAD(VCPU, CHIP, KVM_TPR_ACCESS_REPORTING, EINVAL, "flags",
	    (struct kvm_tpr_access_ctl){ .flags = 1 }),
	BAD(VCPU, PLAIN, KVM_SET_MP_STATE, EINVAL, "waiting without a local APIC",
	    (struct kvm_mp_state){ KVM_MP_STATE_INIT_RECEIVED }),
	BAD(VCPU, CHIP, KVM_SET_MP_STATE, EINVAL, "no such state", (struct kvm_mp_state){ 99 }),
	BAD(VCPU, CHIP, KVM_SET_MP_STATE, EINVAL, "a state of s390",
	    (struct kvm_mp_state){ KVM_MP_STATE_STOPPED }),
};

CASE(event_args)
{
	REFUSE(events);
}

CASE(interrupt_twice, .oracle = "in-tree KVM replaces the one that waits")
{
	const struct bad_row twice[] = {
		BAD(VCPU, PLAIN, KVM_INTERRUPT, EEXIST, "one waits", (struct kvm_interrupt){ 33 }),
	};
	struct kvm_interrupt irq = { 32 };

	OK(ioctl(world_fd(PLAIN, VCPU), KVM_INTERRUPT, &irq));
	refuse_rows(twice, ARRAY_SIZE(twice));
}

/* ---- running, time, machine checks, attributes ---- */

struct sigmask_arg {
	struct kvm_signal_mask h;
	u8 set[16];
};

static const struct bad_row others[] = {
	BAD_NR(VCPU, PLAIN, KVM_RUN, EINVAL, "an argument", 1),
	BAD(VCPU, PLAIN, KVM_SET_SIGNAL_MASK, EINVAL, "no bytes", (struct kvm_signal_mask){ 0 }),
	BAD(VCPU, PLAIN, KVM_SET_SIGNAL_MASK, EINVAL, "16 bytes",
	    (struct sigmask_arg){ .h.len = 16 }),
	BAD(VCPU, PLAIN, KVM_SET_SIGNAL_MASK, EINVAL, "most bytes",
	    (struct kvm_signal_mask){ .len = ~0u }),
	BAD_NR(VCPU, PLAIN, KVM_KVMCLOCK_CTRL, EINVAL, "no kvmclock", 0),
	BAD(VCPU, PLAIN, KVM_ENABLE_CAP, EINVAL, "flags",
	    (struct kvm_enable_cap){ .cap = KVM_CAP_ENFORCE_PV_FEATURE_CPUID, .flags = 1 }),
	BAD_CAP(VCPU, PLAIN, 0x7ffff, EINVAL, "no such capability", 1),
	BAD_CAP(VCPU, PLAIN, KVM_CAP_SPLIT_IRQCHIP, EINVAL, "one of a VM", 24),
	BAD(VCPU, PLAIN, KVM_X86_SETUP_MCE, EINVAL, "no banks", (u64){ 0 }),
	BAD(VCPU, PLAIN, KVM_X86_SETUP_MCE, EINVAL, "33 banks", (u64){ 33 }),
	BAD(VCPU, PLAIN, KVM_X86_SETUP_MCE, EINVAL, "a bit", (u64){ 1ull << 40 | 1 }),
	BAD(VCPU, PLAIN, KVM_X86_SET_MCE, EINVAL, "not valid", (struct kvm_x86_mce){ .bank = 1 }),
	BAD(VCPU, PLAIN, KVM_X86_SET_MCE, EINVAL, "bank 32",
	    (struct kvm_x86_mce){ .bank = 32, .status = 1ull << 63 }),
	BAD(VCPU, PLAIN, KVM_HAS_DEVICE_ATTR, ENXIO, "a group",
	    (struct kvm_device_attr){ .group = 9 }),
	BAD(VCPU, PLAIN, KVM_HAS_DEVICE_ATTR, ENXIO, "an attribute",
	    (struct kvm_device_attr){ .attr = 9 }),
	BAD(VCPU, PLAIN, KVM_GET_DEVICE_ATTR, ENXIO, "a group",
	    (struct kvm_device_attr){ .group = 9 }),
	BAD(VCPU, PLAIN, KVM_GET_DEVICE_ATTR, ENXIO, "an attribute",
	    (struct kvm_device_attr){ .attr = 1ull << 32 }),
	BAD(VCPU, PLAIN, KVM_GET_DEVICE_ATTR, EFAULT, "no place for the value",
	    (struct kvm_device_attr){ .addr = 8 }),
	BAD(VCPU, PLAIN, KVM_SET_DEVICE_ATTR, ENXIO, "a group",
	    (struct kvm_device_attr){ .group = 9 }),
	BAD(VCPU, PLAIN, KVM_SET_DEVICE_ATTR, EFAULT, "no value",
	    (struct kvm_device_attr){ .addr = 8 }),
};

CASE(vcpu_args)
{
	REFUSE(others);
}

/* The slowest that there is; where the processor scales the TSC, that is no error. */
CASE(tsc_khz_unscaled)
{
	static const struct bad_row slow[] = {
		BAD_NR(VCPU, PLAIN, KVM_SET_TSC_KHZ, EINVAL, "too slow", 1000),
	};

	if (dev_cap(KVM_CAP_TSC_CONTROL) > 0)
		SKIP("the processor scales the TSC");
	REFUSE(slow);
}

/* ---- what in-tree KVM takes all the same ---- */

static const struct bad_row stricter[] = {
	BAD_SREG(EINVAL, "a bit of EFER that no processor has", efer, 1ull << 40 | 0x500),
	BAD_SREG(EINVAL, "CR8 of more than 4 bits", cr8, 16),
	BAD(VCPU, PLAIN, KVM_SET_GUEST_DEBUG, EINVAL, "a control bit",
	    (struct kvm_guest_debug){ .control = 1 << 2 }),
	BAD(VCPU, PLAIN, KVM_SET_GUEST_DEBUG, EINVAL, "a control bit of x86's",
	    (struct kvm_guest_debug){ .control = 1 << 30 | 1 }),
	BAD(VCPU, PLAIN, KVM_HAS_DEVICE_ATTR, ENXIO, "flags",
	    (struct kvm_device_attr){ .flags = 1 }),
};

CASE(stricter_vcpu, .oracle = "in-tree KVM takes, and ignores, these")
{
	REFUSE(stricter);
}
