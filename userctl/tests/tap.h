/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Test Anything Protocol for the unit tests: each TEST() is one line of the report; a failed
 * check is explained in a comment and fails the test it is in. A test without a check fails.
 */
#ifndef TESTS_TAP_H
#define TESTS_TAP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct tap_test {
	const char *name;
	void (*run)(void);
};

extern unsigned int tap_checks, tap_failures;

#define CHECK(cond) do {							\
	tap_checks++;								\
	if (!(cond)) {								\
		tap_failures++;							\
		printf("# %s:%d: %s\n", __FILE__, __LINE__, #cond);		\
	}									\
} while (0)

#define CHECK_EQ(a, b) do {							\
	unsigned long long a_ = (unsigned long long)(a);			\
	unsigned long long b_ = (unsigned long long)(b);			\
										\
	tap_checks++;								\
	if (a_ != b_) {								\
		tap_failures++;							\
		printf("# %s:%d: %s is %#llx, not %s = %#llx\n", __FILE__,	\
		       __LINE__, #a, a_, #b, b_);				\
	}									\
} while (0)

/* @text contains @part */
#define CHECK_HAS(text, part) do {						\
	tap_checks++;								\
	if (!strstr(text, part)) {						\
		tap_failures++;							\
		printf("# %s:%d: \"%s\" lacks \"%s\"\n", __FILE__, __LINE__,	\
		       text, part);						\
	}									\
} while (0)

int tap_main(const struct tap_test *tests, unsigned int count);

#define TAP_MAIN(...)								\
	int main(void)								\
	{									\
		static const struct tap_test tests[] = { __VA_ARGS__ };		\
										\
		return tap_main(tests, sizeof(tests) / sizeof(tests[0]));	\
	}
#define TEST(fn) { #fn, fn }

#endif
