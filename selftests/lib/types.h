/* SPDX-License-Identifier: GPL-2.0 */
/* Short names for fixed-width integers, and the handful of macros every test uses. */
#ifndef SELFTESTS_TYPES_H
#define SELFTESTS_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define BIT(n)        (1ull << (n))
#define KiB           1024ull
#define MiB           (1024 * KiB)
#define GiB           (1024 * MiB)
#define PAGE_SIZE     4096ull

#endif
