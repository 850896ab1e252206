// SPDX-License-Identifier: GPL-2.0
/* The bucket that limits a VM's time: what flows in, what is overdrawn, when to look again. */
#include <kunit/test.h>

#include "../vmm.h"
#include "suites.h"

#define MS ((s64)NSEC_PER_MSEC)

static void limits_fill(struct kunit *test)
{
	/* A share flows in, and no more than that of 100 ms stays. */
	KUNIT_EXPECT_EQ(test, limit_fill(0, 25, 40 * MS, 0), 10 * MS);
	KUNIT_EXPECT_EQ(test, limit_fill(20 * MS, 25, 3600 * 1000 * MS, 0), 25 * MS);
	KUNIT_EXPECT_EQ(test, limit_fill(0, 400, 100 * MS, 0), 400 * MS);
	/* What is used is taken out behind that. */
	KUNIT_EXPECT_EQ(test, limit_fill(25 * MS, 25, 4 * MS, 4 * MS), 21 * MS);
	KUNIT_EXPECT_EQ(test, limit_fill(0, 1, 4 * MS, 8 * MS), 40000 - 8 * MS);
	/* Numbers that make no sense do no harm. */
	KUNIT_EXPECT_EQ(test, limit_fill(0, 25, U64_MAX, 0), 25 * MS);
	KUNIT_EXPECT_EQ(test, limit_fill(0, 25, 0, U64_MAX), -1000 * MS);
	KUNIT_EXPECT_EQ(test, limit_fill(-1000 * MS, 100 * VMM_MAX_VCPUS, U64_MAX, 0),
			100 * MS * VMM_MAX_VCPUS);
}

static void limits_look_after(struct kunit *test)
{
	/* Not before it can be used up, by all vCPUs at once. */
	KUNIT_EXPECT_EQ(test, limit_look_after(25 * MS, 25, 1), 25 * MS);
	KUNIT_EXPECT_EQ(test, limit_look_after(40 * MS, 25, 4), 10 * MS);
	KUNIT_EXPECT_EQ(test, limit_look_after(1, 25, 0), 4 * MS);
	KUNIT_EXPECT_EQ(test, limit_look_after(6400 * MS, 6400, 1), 100 * MS);
	/* Not before what was overdrawn has flowed in. */
	KUNIT_EXPECT_EQ(test, limit_look_after(-5 * MS, 25, 4), 20 * MS);
	KUNIT_EXPECT_EQ(test, limit_look_after(-1000 * MS, 1, 1), 100000 * MS);
	KUNIT_EXPECT_EQ(test, limit_look_after(0, 25, 1), 4 * MS);
}

/* A vCPU that takes what it can get, looked at late: its share is exact in the end. */
static void limits_share(struct kunit *test)
{
	s64 level = 0, now = 0, used = 0;
	bool held = true;

	while (now < 60 * 1000 * MS) {
		s64 passed = limit_look_after(level, 25, 1) + now % 7 * MS;

		now += passed;
		used += held ? 0 : passed;
		level = limit_fill(level, 25, passed, held ? 0 : passed);
		held = level <= 0;
	}
	KUNIT_EXPECT_LE(test, used, now / 4 + 25 * MS);
	KUNIT_EXPECT_GE(test, used, now / 5);
}

static struct kunit_case limits_cases[] = {
	KUNIT_CASE(limits_fill),
	KUNIT_CASE(limits_look_after),
	KUNIT_CASE(limits_share),
	{}
};

struct kunit_suite limits_suite = {
	.name = "vmm-limits",
	.test_cases = limits_cases,
};
