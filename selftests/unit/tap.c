// SPDX-License-Identifier: GPL-2.0
#include "tap.h"

unsigned int tap_checks, tap_failures;

static int run_test(const struct tap_test *test, unsigned int nr)
{
	int failed;

	tap_checks = 0;
	tap_failures = 0;
	test->run();
	failed = !tap_checks || tap_failures;
	printf("%sok %u - %s\n", failed ? "not " : "", nr, test->name);
	return failed;
}

int main(void)
{
	unsigned int i, count = 0;
	int failed = 0;

	while (tap_tests[count].run)
		count++;
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("TAP version 13\n1..%u\n", count);
	for (i = 0; i < count; i++)
		failed |= run_test(&tap_tests[i], i + 1);
	return failed;
}
