/* SPDX-License-Identifier: GPL-2.0 */
/* Every KUnit suite of the module, a line each; kunit.c registers them. */
#ifndef VMM_SUITES_H
#define VMM_SUITES_H

#include <kunit/test.h>

#define VMM_SUITES(X)		\
	X(ioctl_suite)		\
	X(bus_suite)		\
	X(tdp_suite)		\
	X(memory_suite)		\
	X(cpuid_suite)		\
	X(msr_suite)		\
	X(events_suite)		\
	X(svm_suite)		\
	X(vmx_suite)		\
	X(interp_suite)		\
	X(lapic_suite)		\
	X(lapic_timer_suite)	\
	X(posted_suite)		\
	X(ioapic_suite)		\
	X(pic_suite)		\
	X(pit_suite)		\
	X(routing_suite)	\
	X(irqchip_suite)	\
	X(limits_suite)

#define X(suite) extern struct kunit_suite suite;
VMM_SUITES(X)
#undef X

#endif /* VMM_SUITES_H */
