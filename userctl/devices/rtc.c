// SPDX-License-Identifier: GPL-2.0
/* Registers: Motorola MC146818A data sheet; the memory sizes are the PC's conventions. */
#include "rtc.h"

#include <string.h>

#include "../units.h"

enum {
	RTC_SEC = 0x00, RTC_MIN = 0x02, RTC_HOUR = 0x04, RTC_WDAY = 0x06, RTC_MDAY = 0x07,
	RTC_MON = 0x08, RTC_YEAR = 0x09, RTC_A = 0x0a, RTC_B = 0x0b, RTC_C = 0x0c, RTC_D = 0x0d,
	CMOS_BASE_KB = 0x15, CMOS_EXT_KB = 0x17, CMOS_EXT_KB2 = 0x30, RTC_CENTURY = 0x32,
	CMOS_ABOVE_16M = 0x34, CMOS_ABOVE_4G = 0x5b,
};

#define A_DEFAULT	0x26 /* 32.768 kHz, 1024 Hz rate */
#define A_UIP		0x80
#define B_24H		0x02
#define B_BINARY	0x04
#define B_SET		0x80
#define D_VALID		0x80
#define HOUR_PM		0x80

static bool is_time(unsigned int reg)
{
	switch (reg) {
	case RTC_SEC: case RTC_MIN: case RTC_HOUR: case RTC_WDAY: case RTC_MDAY: case RTC_MON:
	case RTC_YEAR: case RTC_CENTURY:
		return true;
	default:
		return false;
	}
}

static uint8_t encode(const struct rtc *rtc, int val)
{
	if (rtc->cmos[RTC_B] & B_BINARY)
		return (uint8_t)val;
	return (uint8_t)(val / 10 << 4 | val % 10);
}

static int decode(const struct rtc *rtc, uint8_t val)
{
	if (rtc->cmos[RTC_B] & B_BINARY)
		return val;
	return (val >> 4) * 10 + (val & 0x0f);
}

static uint8_t encode_hour(const struct rtc *rtc, int hour)
{
	if (rtc->cmos[RTC_B] & B_24H)
		return encode(rtc, hour);
	return encode(rtc, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? HOUR_PM : 0);
}

static int decode_hour(const struct rtc *rtc, uint8_t val)
{
	if (rtc->cmos[RTC_B] & B_24H)
		return decode(rtc, val);
	return decode(rtc, val & (uint8_t)~HOUR_PM) % 12 + (val & HOUR_PM ? 12 : 0);
}

static void load_time(struct rtc *rtc)
{
	time_t t = rtc->now() + (time_t)rtc->offset;
	uint8_t *r = rtc->cmos;
	struct tm tm;

	if (!gmtime_r(&t, &tm))
		return;
	r[RTC_SEC] = encode(rtc, tm.tm_sec);
	r[RTC_MIN] = encode(rtc, tm.tm_min);
	r[RTC_HOUR] = encode_hour(rtc, tm.tm_hour);
	r[RTC_WDAY] = encode(rtc, tm.tm_wday + 1);
	r[RTC_MDAY] = encode(rtc, tm.tm_mday);
	r[RTC_MON] = encode(rtc, tm.tm_mon + 1);
	r[RTC_YEAR] = encode(rtc, tm.tm_year % 100);
	r[RTC_CENTURY] = encode(rtc, tm.tm_year / 100 + 19);
}

/* Whatever the guest wrote is a time: timegm() carries fields that are out of range. */
static void store_time(struct rtc *rtc)
{
	const uint8_t *r = rtc->cmos;
	struct tm tm = {
		.tm_sec = decode(rtc, r[RTC_SEC]),
		.tm_min = decode(rtc, r[RTC_MIN]),
		.tm_hour = decode_hour(rtc, r[RTC_HOUR]),
		.tm_mday = decode(rtc, r[RTC_MDAY]),
		.tm_mon = decode(rtc, r[RTC_MON]) - 1,
		.tm_year = decode(rtc, r[RTC_YEAR]) + (decode(rtc, r[RTC_CENTURY]) - 19) * 100,
	};

	rtc->offset = (int64_t)timegm(&tm) - (int64_t)rtc->now();
}

static uint8_t read_cmos(struct rtc *rtc)
{
	unsigned int reg = rtc->index;

	if (is_time(reg) && !(rtc->cmos[RTC_B] & B_SET))
		load_time(rtc);
	return rtc->cmos[reg];
}

static void write_b(struct rtc *rtc, uint8_t val)
{
	uint8_t old = rtc->cmos[RTC_B];

	/* The registers hold the time in the old format; take it before the format changes. */
	if (!(old & B_SET))
		load_time(rtc);
	else if (!(val & B_SET))
		store_time(rtc);
	rtc->cmos[RTC_B] = val;
}

static void write_cmos(struct rtc *rtc, uint8_t val)
{
	unsigned int reg = rtc->index;

	switch (reg) {
	case RTC_A:
		rtc->cmos[RTC_A] = val & (uint8_t)~A_UIP;
		return;
	case RTC_B:
		write_b(rtc, val);
		return;
	case RTC_C:
	case RTC_D:
		return;
	default:
		break;
	}
	if (!is_time(reg) || (rtc->cmos[RTC_B] & B_SET)) {
		rtc->cmos[reg] = val;
		return;
	}
	load_time(rtc);
	rtc->cmos[reg] = val;
	store_time(rtc);
}

static uint64_t rtc_read(void *dev, uint64_t off, unsigned int size)
{
	struct rtc *rtc = dev;
	uint8_t val = 0xff; /* the index port is for writing */

	(void)size;
	if (off == 0)
		return val;
	pthread_mutex_lock(&rtc->lock);
	val = read_cmos(rtc);
	pthread_mutex_unlock(&rtc->lock);
	return val;
}

static void rtc_write(void *dev, uint64_t off, uint64_t val, unsigned int size)
{
	struct rtc *rtc = dev;

	(void)size;
	pthread_mutex_lock(&rtc->lock);
	if (off == 0) {
		rtc->index = val & 0x7f;
		rtc->nmi_masked = val & 0x80;
	} else {
		write_cmos(rtc, (uint8_t)val);
	}
	pthread_mutex_unlock(&rtc->lock);
}

const struct bus_ops rtc_ops = {
	.read = rtc_read,
	.write = rtc_write,
	.width = 1,
};

static void put16(uint8_t *cmos, unsigned int reg, uint64_t val)
{
	if (val > 0xffff)
		val = 0xffff;
	cmos[reg] = val & 0xff;
	cmos[reg + 1] = (uint8_t)(val >> 8);
}

static void store_memory_size(uint8_t *cmos, uint64_t low, uint64_t high)
{
	uint64_t ext = low > MiB ? (low - MiB) / KiB : 0;
	uint64_t above = low > 16 * MiB ? (low - 16 * MiB) / (64 * KiB) : 0;
	uint64_t chunks = high / (64 * KiB);

	put16(cmos, CMOS_BASE_KB, 640);
	put16(cmos, CMOS_EXT_KB, ext);
	put16(cmos, CMOS_EXT_KB2, ext);
	put16(cmos, CMOS_ABOVE_16M, above);
	if (chunks > 0xffffff)
		chunks = 0xffffff;
	put16(cmos, CMOS_ABOVE_4G, chunks & 0xffff);
	cmos[CMOS_ABOVE_4G + 2] = (uint8_t)(chunks >> 16);
}

static time_t host_now(void)
{
	return time(NULL);
}

void rtc_init(struct rtc *rtc, uint64_t low, uint64_t high)
{
	memset(rtc, 0, sizeof(*rtc));
	pthread_mutex_init(&rtc->lock, NULL);
	rtc->now = host_now;
	rtc->cmos[RTC_A] = A_DEFAULT;
	rtc->cmos[RTC_B] = B_24H;
	rtc->cmos[RTC_D] = D_VALID;
	store_memory_size(rtc->cmos, low, high);
}

void rtc_destroy(struct rtc *rtc)
{
	pthread_mutex_destroy(&rtc->lock);
}
