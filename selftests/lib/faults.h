/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Fault injection: the kernel fails the 1st, 2nd, 3rd ... allocation or copy of each ioctl, until
 * there is none left to fail. The test that makes the ioctl sees its last result, so that what a
 * failed one left behind fails the test.
 *
 * Nothing is injected into a process any more once it has set a signal handler.
 *
 * Needs a kernel with CONFIG_FAULT_INJECTION, FAILSLAB, FAIL_PAGE_ALLOC, FAULT_INJECTION_USERCOPY
 * (Documentation/fault-injection/fault-injection.rst: fail-nth).
 */
#ifndef SELFTESTS_FAULTS_H
#define SELFTESTS_FAULTS_H

/** faults_enable() - inject from now on, in this process and its children. Exits if it cannot. */
void faults_enable(void);

/** faults_report() - print, as TAP comments, what was injected since faults_enable(). */
void faults_report(void);

#endif
