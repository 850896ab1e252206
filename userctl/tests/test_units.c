// SPDX-License-Identifier: GPL-2.0
#include <errno.h>

#include "../units.h"
#include "tap.h"

static void sizes_with_units(void)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{ "512", 512 * MiB },
		{ "512M", 512 * MiB },
		{ "512m", 512 * MiB },
		{ "2G", 2 * GiB },
		{ "2GB", 2 * GiB },
		{ "2GiB", 2 * GiB },
		{ "1T", TiB },
		{ "4096K", 4 * MiB },
		{ "12345B", 12345 },
		{ "0", 0 },
		{ "007M", 7 * MiB },
		{ "18446744073709551615B", UINT64_MAX },
		{ "16777215T", 16777215 * TiB },
	};
	uint64_t bytes;
	unsigned int i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		bytes = 1;
		CHECK_EQ(size_parse(good[i].text, &bytes), 0);
		CHECK_EQ(bytes, good[i].bytes);
	}
}

static void sizes_that_are_none(void)
{
	static const char *const bad[] = { "",     "M",   "-1",  "+1",  " 1",    "1 ", "1X", "0x10",
					   "1.5G", "1MM", "1BB", "1Bi", "1GiBx", "G1", "1e9" };
	uint64_t bytes;
	unsigned int i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_EQ(size_parse(bad[i], &bytes), -EINVAL);
}

static void sizes_too_large(void)
{
	uint64_t bytes;

	CHECK_EQ(size_parse("18446744073709551616B", &bytes), -ERANGE);
	CHECK_EQ(size_parse("16777216T", &bytes), -ERANGE);
	CHECK_EQ(size_parse("99999999999999999999999999", &bytes), -ERANGE);
	CHECK_EQ(size_parse("17592186044416", &bytes), -ERANGE);
}

static void sizes_printed(void)
{
	char buf[24];

	CHECK(!strcmp(size_print(512 * MiB, buf, sizeof(buf)), "512M"));
	CHECK(!strcmp(size_print(1536 * MiB, buf, sizeof(buf)), "1536M"));
	CHECK(!strcmp(size_print(3 * GiB, buf, sizeof(buf)), "3G"));
	CHECK(!strcmp(size_print(0, buf, sizeof(buf)), "0B"));
	CHECK(!strcmp(size_print(1025, buf, sizeof(buf)), "1025B"));
	CHECK(!strcmp(size_print(2048 * TiB, buf, sizeof(buf)), "2048T"));
}

static void counts(void)
{
	unsigned long n = 0;

	CHECK_EQ(count_parse("1", 1, 64, &n), 0);
	CHECK_EQ(n, 1);
	CHECK_EQ(count_parse("64", 1, 64, &n), 0);
	CHECK_EQ(n, 64);
	CHECK_EQ(count_parse("0", 1, 64, &n), -ERANGE);
	CHECK_EQ(count_parse("65", 1, 64, &n), -ERANGE);
	CHECK_EQ(count_parse("18446744073709551617", 1, 64, &n), -ERANGE);
	CHECK_EQ(count_parse("-1", 1, 64, &n), -EINVAL);
	CHECK_EQ(count_parse("4x", 1, 64, &n), -EINVAL);
	CHECK_EQ(count_parse("", 1, 64, &n), -EINVAL);
	CHECK_EQ(n, 64);
}

static void names(void)
{
	char longest[65];

	memset(longest, 'a', 64);
	longest[64] = '\0';
	CHECK(!name_valid(longest));
	longest[63] = '\0';
	CHECK(name_valid(longest));
	CHECK(name_valid("web-1.example_org"));
	CHECK(!name_valid(""));
	CHECK(!name_valid("-x"));
	CHECK(!name_valid(".."));
	CHECK(!name_valid("a/b"));
	CHECK(!name_valid("a b"));
	CHECK(!name_valid("a\n"));
	CHECK(!name_valid("\xc3\xa4"));
}

TAP_MAIN(TEST(sizes_with_units), TEST(sizes_that_are_none), TEST(sizes_too_large),
	 TEST(sizes_printed), TEST(counts), TEST(names));
