/* SPDX-License-Identifier: GPL-2.0 */
/* A compressed swap device for the machine that the tests run in. */
#ifndef SELFTESTS_SWAP_H
#define SELFTESTS_SWAP_H

#include "types.h"

/** swap_on() - make one of this many bytes; false: there is no zram0 that is free. */
bool swap_on(u64 bytes);

/** swap_off() - take it away again. */
void swap_off(void);

/** write_file() - text into a file of sysfs; whether that was possible. */
bool write_file(const char *path, const char *text);

#endif
