/* SPDX-License-Identifier: GPL-2.0 */
/* One line of TAP for each test; a failed check is a comment. A test without checks has failed. */
#ifndef UNIT_TAP_H
#define UNIT_TAP_H

#include <stdio.h>

struct tap_test {
	const char *name;
	void (*run)(void);
};

extern unsigned int tap_checks, tap_failures;

#define CHECK(cond)                                                         \
	do {                                                                \
		tap_checks++;                                               \
		if (!(cond)) {                                              \
			tap_failures++;                                     \
			printf("# %s:%d: %s\n", __FILE__, __LINE__, #cond); \
		}                                                           \
	} while (0)

#define CHECK_EQ(a, b)                                                                            \
	do {                                                                                      \
		unsigned long long a_ = (a), b_ = (b);                                            \
		tap_checks++;                                                                     \
		if (a_ != b_) {                                                                   \
			tap_failures++;                                                           \
			printf("# %s:%d: %s is %#llx, should be %#llx\n", __FILE__, __LINE__, #a, \
			       a_, b_);                                                           \
		}                                                                                 \
	} while (0)

/* Each test program's own, ended by a NULL. */
extern const struct tap_test tap_tests[];

#define TEST(function)              \
	{                           \
#function, function \
	}

#endif
