/* SPDX-License-Identifier: GPL-2.0 */
/* What the guest that writes numbers and who looks for them on its disk agree upon. */
#ifndef TESTS_NUMBERS_H
#define TESTS_NUMBERS_H

#define NUMBERS_BLOCK  4096
#define NUMBERS_PLACES 64

#endif
