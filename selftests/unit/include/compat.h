/* SPDX-License-Identifier: GPL-2.0 */
/* In place of kmod/compat.h: nothing is exported here. */
#ifndef UNIT_COMPAT_H
#define UNIT_COMPAT_H

#define EXPORT_FOR_TEST(symbol) extern int unit_no_export

#endif
