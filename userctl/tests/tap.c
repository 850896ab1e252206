// SPDX-License-Identifier: GPL-2.0
#include "tap.h"

static unsigned int checks, failures;

void tap_check(bool ok, const struct tap_place *at)
{
	checks++;
	if (ok)
		return;
	failures++;
	printf("# %s:%d: %s\n", at->file, at->line, at->left);
}

void tap_check_eq(unsigned long long a, unsigned long long b, const struct tap_place *at)
{
	checks++;
	if (a == b)
		return;
	failures++;
	printf("# %s:%d: %s is %#llx, not %s = %#llx\n", at->file, at->line, at->left, a, at->right,
	       b);
}

void tap_check_has(const char *text, const char *part, const struct tap_place *at)
{
	checks++;
	if (strstr(text, part))
		return;
	failures++;
	printf("# %s:%d: \"%s\" lacks \"%s\"\n", at->file, at->line, text, part);
}

int main(void)
{
	const struct tap_test *test;
	unsigned int n = 0, bad = 0;
	bool ok;

	for (test = tap_tests; test->name; test++)
		n++;
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("TAP version 13\n1..%u\n", n);
	n = 0;
	for (test = tap_tests; test->name; test++) {
		checks = 0;
		failures = 0;
		test->run();
		ok = checks && !failures;
		bad += !ok;
		printf("%sok %u - %s\n", ok ? "" : "not ", ++n, test->name);
	}
	return bad != 0;
}
