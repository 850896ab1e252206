// SPDX-License-Identifier: GPL-2.0
/* vmm_kunit.ko: the suites of every room, run when it is loaded after vmm.ko. */
#include <linux/module.h>

#include "suites.h"

#define VMM_SUITE_POINTER(suite) &suite,
kunit_test_suites(VMM_SUITES(VMM_SUITE_POINTER));

MODULE_DESCRIPTION("KUnit suites of vmm");
MODULE_LICENSE("GPL");
