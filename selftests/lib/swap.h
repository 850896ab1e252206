/* SPDX-License-Identifier: GPL-2.0 */
/* The memory of the machine that the tests run in: compressed swap, huge pages. */
#ifndef SELFTESTS_SWAP_H
#define SELFTESTS_SWAP_H

#include "types.h"

/** swap_on() - make one of this many bytes; false: there is no zram0 that is free. */
bool swap_on(u64 bytes);

/** swap_off() - take it away again. */
void swap_off(void);

/** huge_pool() - have so many pages of 2M in hugetlbfs' pool; false: they are not to be had. */
bool huge_pool(u64 pages);

/** write_file() - text into a file of sysfs; whether that was possible. */
bool write_file(const char *path, const char *text);

#endif
