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

/**
 * struct tap_place - a check in the source
 * @file: source file
 * @line: line
 * @left: what is checked
 * @right: what it is compared with
 */
struct tap_place {
	const char *file;
	int line;
	const char *left;
	const char *right;
};

void tap_check(bool ok, const struct tap_place *at);
void tap_check_eq(unsigned long long a, unsigned long long b, const struct tap_place *at);
void tap_check_has(const char *text, const char *part, const struct tap_place *at);

#define TAP_AT(left, right) (&(struct tap_place){ __FILE__, __LINE__, left, right })

#define CHECK(cond) tap_check(cond, TAP_AT(#cond, ""))

#define CHECK_EQ(a, b) \
	tap_check_eq((unsigned long long)(a), (unsigned long long)(b), TAP_AT(#a, #b))

/* @text contains @part */
#define CHECK_HAS(text, part) tap_check_has(text, part, TAP_AT(#text, #part))

struct tap_test {
	const char *name;
	void (*run)(void);
};

/* The tests of a program, ended by an empty one; tap.c has main(). */
extern const struct tap_test tap_tests[];

#define TEST(fn)        \
	{               \
#fn, fn \
	}
#define TAP_MAIN(...) const struct tap_test tap_tests[] = { __VA_ARGS__, { NULL, NULL } }

#endif
