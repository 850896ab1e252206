/* SPDX-License-Identifier: GPL-2.0 */
/*
 * TAP harness. Every case runs in a process of its own, in its own process group, under a time
 * limit: a case that crashes or hangs costs one line and not the run.
 *
 * A case is a function:
 *
 *	#define SUITE "memory"
 *	CASE(delete_slot) { ... }
 *	CASE(odd_thing, .oracle = "in-tree KVM says -EFAULT here") { ... }
 *
 * Its failure is reported by the CHECK macros below or by leaving with a status other than 0.
 */
#ifndef SELFTESTS_HARNESS_H
#define SELFTESTS_HARNESS_H

#include <errno.h>
#include "types.h"

/**
 * struct test_case - one row of the test plan
 * @suite: topic, the part of the name before the dot
 * @name: what is tested
 * @fn: the test; returns when it passed
 * @oracle: if set, why in-tree KVM is known to answer otherwise than documented
 * @tcg: if set, why QEMU's TCG cannot pass this, whichever hypervisor runs in it
 * @timeout: seconds, 0 for the default
 */
struct test_case {
	const char *suite;
	const char *name;
	void (*fn)(void);
	const char *oracle;
	const char *tcg;
	unsigned int timeout;
};

#define CASE(name_, ...)                                                        \
	static void case_##name_(void);                                         \
	static const struct test_case row_##name_ = {                           \
		.suite = SUITE, .name = #name_, .fn = case_##name_, __VA_ARGS__ \
	};                                                                      \
	static const struct test_case *const rowp_##name_                       \
		__attribute__((section("test_cases"), used)) = &row_##name_;    \
	static void case_##name_(void)

/** test_fail() - report a failure of this case at a place and leave. */
void test_fail(const char *file, unsigned int line, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 3, 4)));

/** test_skip() - leave this case as not applicable; the reason is printed. */
void test_skip(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

/** test_is_oracle() - whether the device under test is in-tree KVM. */
bool test_is_oracle(void);

/** test_is_tcg() - whether the host's processor is QEMU's TCG. */
bool test_is_tcg(void);

/** test_is_intel() - whether this is an Intel processor. */
bool test_is_intel(void);

/** test_slow() - whether this kernel is known to be slow, so that less of the same has to do. */
bool test_slow(void);

/**
 * test_rounds() - how often to repeat something here that is repeated @full times on a fast kernel
 * @full: how often it proves enough
 *
 * Return: 1 or more.
 */
unsigned int test_rounds(unsigned int full);

#define FAIL(...) test_fail(__FILE__, __LINE__, __VA_ARGS__)
#define SKIP(...) test_skip(__VA_ARGS__)

#define CHECK(cond)                                          \
	do {                                                 \
		if (!(cond))                                 \
			FAIL("%s (errno %d)", #cond, errno); \
	} while (0)

#define CHECK_EQ(a, b)                                                       \
	do {                                                                 \
		u64 a_ = (u64)(a), b_ = (u64)(b);                            \
		if (a_ != b_)                                                \
			FAIL("%s is %#llx, not %s = %#llx", #a, a_, #b, b_); \
	} while (0)

/* A system call that must fail, and with which errno. */
#define CHECK_ERRNO(call, err)                                               \
	do {                                                                 \
		long r_;                                                     \
		errno = 0;                                                   \
		r_ = (call);                                                 \
		if (r_ != -1)                                                \
			FAIL("%s returned %ld, not %s", #call, r_, #err);    \
		if (errno != (err))                                          \
			FAIL("%s: errno is %d, not %s", #call, errno, #err); \
	} while (0)

/* A system call that must not fail; its value. */
#define OK(call)                                            \
	({                                                  \
		long r_ = (call);                           \
		if (r_ < 0)                                 \
			FAIL("%s: errno %d", #call, errno); \
		r_;                                         \
	})

#endif
