/* SPDX-License-Identifier: GPL-2.0 */
/* Every difference between kernel versions, and no preprocessor condition elsewhere. */
#ifndef VMM_COMPAT_H
#define VMM_COMPAT_H

#include <linux/version.h>
#include <linux/eventfd.h>
#include <linux/export.h>
#include <linux/hrtimer.h>
#include <linux/mm_types.h>
#include <asm/cpufeature.h>
#include <asm/nospec-branch.h>
#include <asm/perf_event.h>
#include <asm/processor.h>

/* Functions that the suites in vmm_kunit.ko call. */
#if IS_ENABLED(CONFIG_KUNIT)
#define EXPORT_FOR_TEST(sym) EXPORT_SYMBOL_GPL(sym)
#else
#define EXPORT_FOR_TEST(sym)
#endif

/* eventfd_signal() lost its count in 6.8. */
static inline void compat_eventfd_signal(struct eventfd_ctx *ctx)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
	eventfd_signal(ctx);
#else
	eventfd_signal(ctx, 1);
#endif
}

/*
 * In a crash the kernel calls whoever registered: since 6.6, and since some stable update of 6.1
 * and others. Before, it switches virtualization off by itself. Kbuild looks which it is.
 */
#ifdef COMPAT_EMERGENCY_HOOK
#include <asm/reboot.h>
#define compat_emergency_register(fn)	cpu_emergency_register_virt_callback(fn)
#define compat_emergency_unregister(fn)	cpu_emergency_unregister_virt_callback(fn)
#else
#define compat_emergency_register(fn)	((void)(fn))
#define compat_emergency_unregister(fn)	((void)(fn))
#endif

/*
 * The vector of posted interrupts has a handler where the kernel has KVM. The way to send one
 * became a static call in 6.6, of which modules see that for a mask.
 */
#define COMPAT_POSTED_INTR	IS_ENABLED(CONFIG_KVM)
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
#define compat_send_posted_intr(cpu)	__apic_send_IPI_mask(cpumask_of(cpu), POSTED_INTR_VECTOR)
#else
#define compat_send_posted_intr(cpu)	apic->send_IPI(cpu, POSTED_INTR_VECTOR)
#endif

/* Since 6.4 kvm_run's longmode is user space's name for bit 0 of flags. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
#define compat_hypercall_longmode(run, on)	((run)->hypercall.flags = (on))
#else
#define compat_hypercall_longmode(run, on)	((run)->hypercall.longmode = (on))
#endif

/* Flexible return and event delivery, since 6.9: no INT n stands for an interrupt any more. */
#ifdef X86_FEATURE_FRED
#define compat_uses_fred()	cpu_feature_enabled(X86_FEATURE_FRED)
#else
#define compat_uses_fred()	false
#endif

/* rcu_virt_note_context_switch() lost its argument in 6.2. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
#define compat_rcu_virt_note()		rcu_virt_note_context_switch()
#else
#define compat_rcu_virt_note()		rcu_virt_note_context_switch(smp_processor_id())
#endif

/* smp_send_reschedule() became a macro in 6.4, with a tracepoint that is not for modules. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
#define compat_send_reschedule(cpu)	arch_smp_send_reschedule(cpu)
#else
#define compat_send_reschedule(cpu)	smp_send_reschedule(cpu)
#endif

/* To the kernel, the shared page's immediate_exit has had a warning in its name since 6.10. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
#define compat_immediate_exit	immediate_exit__unsafe
#else
#define compat_immediate_exit	immediate_exit
#endif

/*
 * The copy learnt which components to give out in 6.6, and so did 6.1.57 by a stable update.
 * Without PKRU in the guest its value does not matter.
 */
#include <asm/fpu/api.h>
static inline void compat_fpu_copy_to_uabi(struct fpu_guest *guest, void *buf, unsigned int size,
					   u64 xfeatures)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0) || \
	(LINUX_VERSION_CODE >= KERNEL_VERSION(6, 1, 57) && \
	 LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0))
	fpu_copy_guest_fpstate_to_uabi(guest, buf, size, xfeatures, 0);
#else
	fpu_copy_guest_fpstate_to_uabi(guest, buf, size, 0);
#endif
}

/* hrtimer_init() became hrtimer_setup() in 6.13. */
static inline void compat_hrtimer_setup(struct hrtimer *timer,
					enum hrtimer_restart (*fn)(struct hrtimer *),
					clockid_t clock, enum hrtimer_mode mode)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
	hrtimer_setup(timer, fn, clock, mode);
#else
	hrtimer_init(timer, clock, mode);
	timer->function = fn;
#endif
}

/* What a dump was asked for moved in 6.6. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
#define compat_genl_dump_attrs(cb)	(genl_info_dump(cb)->attrs)
#else
#define compat_genl_dump_attrs(cb)	(genl_dumpit_info(cb)->attrs)
#endif

/* VMSCAPE: a guest's branch predictions must not steer its client. Kernels since September 2025. */
#ifdef X86_FEATURE_IBPB_EXIT_TO_USER
#define compat_guest_ran()							\
	do {									\
		if (cpu_feature_enabled(X86_FEATURE_IBPB_EXIT_TO_USER))		\
			this_cpu_write(x86_ibpb_exit_to_user, true);		\
	} while (0)
#else
#define compat_guest_ran()	do { } while (0)
#endif

/* The quotient of the last division stays in the divider of Zen 1. Kernels since August 2023. */
#ifdef X86_BUG_DIV0
#define compat_clear_divider()							\
	do {									\
		if (static_cpu_has_bug(X86_BUG_DIV0))				\
			amd_clear_divider();					\
	} while (0)
#else
#define compat_clear_divider()	do { } while (0)
#endif

/*
 * Processors whose buffers are read by way of a device's registers, and in no other way: the kernel
 * sets a key, renamed in 2025, for hypervisors to clear them. Kbuild looks for its name.
 */
#ifdef COMPAT_STALE_KEY
#define compat_clear_for_devices()	static_branch_unlikely(&COMPAT_STALE_KEY)
#else
#define compat_clear_for_devices()	false
#endif

/* Which MSRs of counters have other values in guests; NULL: perf has no such counters. */
#if IS_ENABLED(CONFIG_PERF_EVENTS) && IS_ENABLED(CONFIG_CPU_SUP_INTEL)
#define compat_perf_guest_msrs(nr)	perf_guest_get_msrs(nr, NULL)
#else
#define compat_perf_guest_msrs(nr)	((void)(nr), (struct perf_guest_switch_msr *)NULL)
#endif

/* Does this process use an LDT? */
static inline bool compat_mm_has_ldt(const struct mm_struct *mm)
{
#ifdef CONFIG_MODIFY_LDT_SYSCALL
	return mm && READ_ONCE(mm->context.ldt);
#else
	return false;
#endif
}

#endif /* VMM_COMPAT_H */
