// SPDX-License-Identifier: GPL-2.0
#include "units.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char unit_letters[] = "BKMGT";

/* Digits only: strtoull() would take signs, blanks and 0x as well. */
static int digits_parse(const char *text, const char **end, uint64_t *value)
{
	uint64_t v = 0;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	for (; isdigit((unsigned char)*text); text++) {
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*text - '0'), &v))
			return -ERANGE;
	}
	*end = text;
	*value = v;
	return 0;
}

int size_parse(const char *text, uint64_t *bytes)
{
	unsigned int shift = 20;
	const char *end, *unit;
	uint64_t value;
	int ret;

	ret = digits_parse(text, &end, &value);
	if (ret)
		return ret;
	if (*end) {
		unit = strchr(unit_letters, toupper((unsigned char)*end));
		if (!unit)
			return -EINVAL;
		shift = 10 * (unsigned int)(unit - unit_letters);
		end++;
		if (*end && (!shift || (strcasecmp(end, "b") && strcasecmp(end, "ib"))))
			return -EINVAL;
	}
	if (__builtin_mul_overflow(value, 1ULL << shift, bytes))
		return -ERANGE;
	return 0;
}

const char *size_print(uint64_t bytes, char *buf, size_t len)
{
	unsigned int unit = 0;

	while (bytes && !(bytes % 1024) && unit < sizeof(unit_letters) - 2) {
		bytes /= 1024;
		unit++;
	}
	snprintf(buf, len, "%llu%c", (unsigned long long)bytes, unit_letters[unit]);
	return buf;
}

int count_parse(const char *text, unsigned long min, unsigned long max, unsigned long *value)
{
	const char *end;
	uint64_t v;
	int ret;

	ret = digits_parse(text, &end, &v);
	if (ret)
		return ret;
	if (*end)
		return -EINVAL;
	if (v < min || v > max)
		return -ERANGE;
	*value = v;
	return 0;
}

bool name_valid(const char *name)
{
	size_t len = strlen(name);

	if (!len || len > 63 || !isalpha((unsigned char)*name))
		return false;
	for (; *name; name++) {
		if (!isalnum((unsigned char)*name) && !strchr("-_.:@+", *name))
			return false;
	}
	return true;
}
