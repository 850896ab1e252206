/* SPDX-License-Identifier: GPL-2.0 */
/* Every difference between kernel versions, and no preprocessor condition elsewhere. */
#ifndef VMM_COMPAT_H
#define VMM_COMPAT_H

#include <linux/version.h>
#include <linux/eventfd.h>
#include <linux/export.h>
#include <linux/hrtimer.h>

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

#endif /* VMM_COMPAT_H */
