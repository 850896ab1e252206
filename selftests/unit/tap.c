// SPDX-License-Identifier: GPL-2.0
#include "tap.h"

unsigned int tap_checks, tap_failures;

int tap_run(const struct tap_test *tests, unsigned int count)
{
	unsigned int i, failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("TAP version 13\n1..%u\n", count);
	for (i = 0; i < count; i++) {
		const char *verdict = "ok";

		tap_checks = 0;
		tap_failures = 0;
		tests[i].run();
		if (!tap_checks || tap_failures) {
			verdict = "not ok";
			failed++;
		}
		printf("%s %u - %s\n", verdict, i + 1, tests[i].name);
	}
	return failed ? 1 : 0;
}
