// SPDX-License-Identifier: GPL-2.0
#include "tap.h"

unsigned int tap_checks, tap_failures;

int tap_main(const struct tap_test *tests, unsigned int count)
{
	unsigned int i, bad = 0;
	bool ok;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("TAP version 13\n1..%u\n", count);
	for (i = 0; i < count; i++) {
		tap_checks = 0;
		tap_failures = 0;
		tests[i].run();
		ok = tap_checks && !tap_failures;
		bad += !ok;
		printf("%sok %u - %s\n", ok ? "" : "not ", i + 1, tests[i].name);
	}
	return bad != 0;
}
