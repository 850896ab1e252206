// SPDX-License-Identifier: GPL-2.0
/* What an exit takes from the host and has to be given back: the client finds it as it was. */
#include <sys/syscall.h>
#include <unistd.h>
#include <asm/ldt.h>
#include "vm.h"

#define SUITE "host_state"

#define USER_DS       0x2b /* with RPL 3 */
#define LDT_SELECTOR  0x07 /* the first entry, CPL 3 */
#define GUEST_GS_BASE 0x123456789000

static void guest_kernel_gs(void)
{
	wrmsr(MSR_KERNEL_GS, GUEST_GS_BASE);
	GUEST_SYNC(0);
	GASSERT_EQ(rdmsr(MSR_KERNEL_GS), GUEST_GS_BASE);
	GUEST_DONE();
}

/* Loading a selector into GS writes the register in which the guest's KERNEL_GS_BASE is. */
CASE(gs_selector)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_kernel_gs, 0);
	u32 gs;

	asm volatile("mov %0, %%gs" : : "r"(USER_DS));
	run_sync(v, 0);
	CHECK_EQ(get_msr(v, MSR_KERNEL_GS), GUEST_GS_BASE);
	asm volatile("mov %%gs, %0" : "=r"(gs));
	CHECK_EQ(gs, USER_DS);
	run_done(v);
}

static void guest_syncs(void)
{
	GUEST_SYNC(0);
	GUEST_SYNC(1);
	GUEST_DONE();
}

/* Without the LDT the loads fault. */
static void use_ldt(void)
{
	u32 fs;

	asm volatile("mov %1, %%es\n"
		     "mov %%es, %0\n"
		     "mov %2, %%es"
		     : "=&r"(fs)
		     : "r"(LDT_SELECTOR), "r"(0));
	CHECK_EQ(fs, LDT_SELECTOR);
}

CASE(ldt)
{
	struct user_desc data = { .limit = 0xfffff, .seg_32bit = 1, .limit_in_pages = 1 };
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_syncs, 0);

	run_sync(v, 0);
	if (syscall(SYS_modify_ldt, 1, &data, sizeof(data)))
		SKIP("this kernel has no modify_ldt()");
	use_ldt();
	run_sync(v, 1);
	use_ldt();
	run_done(v);
	use_ldt();
}
