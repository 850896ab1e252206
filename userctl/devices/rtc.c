// SPDX-License-Identifier: GPL-2.0
/* Registers: Motorola MC146818A data sheet; the memory sizes are the PC's conventions. */
#include "rtc.h"

#include <string.h>
#include <time.h>

#include "../units.h"

enum {
	RTC_SEC = 0x00,
	RTC_SEC_ALARM = 0x01,
	RTC_MIN = 0x02,
	RTC_MIN_ALARM = 0x03,
	RTC_HOUR = 0x04,
	RTC_HOUR_ALARM = 0x05,
	RTC_WDAY = 0x06,
	RTC_MDAY = 0x07,
	RTC_MON = 0x08,
	RTC_YEAR = 0x09,
	RTC_A = 0x0a,
	RTC_B = 0x0b,
	RTC_C = 0x0c,
	RTC_D = 0x0d,
	CMOS_BASE_KB = 0x15,
	CMOS_EXT_KB = 0x17,
	CMOS_EXT_KB2 = 0x30,
	RTC_CENTURY = 0x32,
	CMOS_ABOVE_16M = 0x34,
	CMOS_ABOVE_4G = 0x5b,
};

#define A_DEFAULT  0x26 /* 32.768 kHz, 1024 Hz rate */
#define A_UIP      0x80
#define A_RATE     0x0f
#define B_24H      0x02
#define B_BINARY   0x04
#define B_SET      0x80
#define C_UPDATE   0x10 /* the enable bits in B have the places of the flags in C */
#define C_ALARM    0x20
#define C_PERIODIC 0x40
#define C_FLAGS    (C_UPDATE | C_ALARM | C_PERIODIC)
#define C_IRQ      0x80
#define D_VALID    0x80
#define HOUR_PM    0x80
#define ALARM_ANY  0xc0

#define NSEC     1000000000LL
#define DAY      86400
#define TICK_MIN 500000 /* shorter periods are reported once per half a millisecond */

static bool is_time(unsigned int reg)
{
	switch (reg) {
	case RTC_SEC:
	case RTC_MIN:
	case RTC_HOUR:
	case RTC_WDAY:
	case RTC_MDAY:
	case RTC_MON:
	case RTC_YEAR:
	case RTC_CENTURY:
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

static time_t seconds(const struct rtc *rtc)
{
	return (time_t)(rtc->host.now() / NSEC + rtc->offset);
}

static void load_time(struct rtc *rtc)
{
	time_t t = seconds(rtc);
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

	rtc->offset = (int64_t)timegm(&tm) - rtc->host.now() / NSEC;
}

/* Nanoseconds between periodic interrupts, 0 for none (data sheet, table 5). */
static int64_t period(const struct rtc *rtc)
{
	unsigned int rate = rtc->cmos[RTC_A] & A_RATE;

	if (!rate)
		return 0;
	return NSEC * (1LL << (rate < 3 ? rate + 6 : rate - 1)) / 32768;
}

static bool alarm_field(uint8_t alarm, uint8_t now)
{
	return (alarm & ALARM_ANY) == ALARM_ANY || alarm == now;
}

static bool alarm_at(const struct rtc *rtc, int64_t second)
{
	int tod = (int)(((second + rtc->offset) % DAY + DAY) % DAY);
	const uint8_t *r = rtc->cmos;

	return alarm_field(r[RTC_SEC_ALARM], encode(rtc, tod % 60)) &&
	       alarm_field(r[RTC_MIN_ALARM], encode(rtc, tod / 60 % 60)) &&
	       alarm_field(r[RTC_HOUR_ALARM], encode_hour(rtc, tod / 3600));
}

/* Raises the flags of what has happened since this was called last. */
static void catch_up(struct rtc *rtc)
{
	int64_t now = rtc->host.now(), tick = period(rtc);
	int64_t sec = rtc->seen / NSEC;
	uint8_t *c = &rtc->cmos[RTC_C];

	if (tick && now / tick > rtc->seen / tick)
		*c |= C_PERIODIC;
	/* The clock stands still while the guest sets it. */
	if (!(rtc->cmos[RTC_B] & B_SET) && now / NSEC > sec) {
		*c |= C_UPDATE;
		if (now / NSEC - sec > DAY)
			sec = now / NSEC - DAY;
		while (++sec <= now / NSEC && !(*c & C_ALARM)) {
			if (alarm_at(rtc, sec))
				*c |= C_ALARM;
		}
	}
	rtc->seen = now;
	if (*c & rtc->cmos[RTC_B] & C_FLAGS)
		*c |= C_IRQ;
	irq_drive(&rtc->irq, *c & C_IRQ);
}

/* The next moment at which an interrupt that is enabled may be due. */
static void rearm(struct rtc *rtc)
{
	uint8_t enabled = rtc->cmos[RTC_B] & C_FLAGS;
	int64_t tick = period(rtc), wait = INT64_MAX, now = rtc->seen;

	if (enabled & (C_UPDATE | C_ALARM))
		wait = NSEC - now % NSEC;
	if ((enabled & C_PERIODIC) && tick && tick - now % tick < wait)
		wait = tick - now % tick;
	if (wait < TICK_MIN)
		wait = TICK_MIN;
	rtc->host.arm(rtc->host.opaque, wait == INT64_MAX ? 0 : (uint64_t)wait);
}

static uint8_t read_c(struct rtc *rtc)
{
	uint8_t val;

	catch_up(rtc);
	val = rtc->cmos[RTC_C];
	rtc->cmos[RTC_C] = 0;
	irq_drive(&rtc->irq, false);
	return val;
}

static uint8_t read_cmos(struct rtc *rtc)
{
	unsigned int reg = rtc->index;

	if (reg == RTC_C)
		return read_c(rtc);
	if (is_time(reg) && !(rtc->cmos[RTC_B] & B_SET))
		load_time(rtc);
	return rtc->cmos[reg];
}

static void write_b(struct rtc *rtc, uint8_t val)
{
	uint8_t old = rtc->cmos[RTC_B];

	catch_up(rtc);
	/* The registers hold the time in the old format; take it before the format changes. */
	if (!(old & B_SET))
		load_time(rtc);
	else if (!(val & B_SET))
		store_time(rtc);
	/* Setting the clock disables the update interrupt. */
	rtc->cmos[RTC_B] = val & B_SET ? val & (uint8_t)~C_UPDATE : val;
	if (rtc->cmos[RTC_C] & rtc->cmos[RTC_B] & C_FLAGS)
		rtc->cmos[RTC_C] |= C_IRQ;
	irq_drive(&rtc->irq, rtc->cmos[RTC_C] & C_IRQ);
}

static void write_cmos(struct rtc *rtc, uint8_t val)
{
	unsigned int reg = rtc->index;

	switch (reg) {
	case RTC_A:
		catch_up(rtc);
		rtc->cmos[RTC_A] = val & (uint8_t)~A_UIP;
		rearm(rtc);
		return;
	case RTC_B:
		write_b(rtc, val);
		rearm(rtc);
		return;
	case RTC_SEC_ALARM:
	case RTC_MIN_ALARM:
	case RTC_HOUR_ALARM:
		catch_up(rtc); /* what has passed is judged by the alarm that was set then */
		rtc->cmos[reg] = val;
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

int64_t rtc_host_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * NSEC + ts.tv_nsec;
}

void rtc_expired(struct rtc *rtc)
{
	pthread_mutex_lock(&rtc->lock);
	catch_up(rtc);
	rearm(rtc);
	pthread_mutex_unlock(&rtc->lock);
}

void rtc_init(struct rtc *rtc, const struct irq_line *irq, const struct rtc_host *host,
	      uint64_t low, uint64_t high)
{
	memset(rtc, 0, sizeof(*rtc));
	pthread_mutex_init(&rtc->lock, NULL);
	rtc->irq = *irq;
	rtc->host = *host;
	rtc->seen = host->now();
	rtc->cmos[RTC_A] = A_DEFAULT;
	rtc->cmos[RTC_B] = B_24H;
	rtc->cmos[RTC_D] = D_VALID;
	store_memory_size(rtc->cmos, low, high);
}

void rtc_destroy(struct rtc *rtc)
{
	pthread_mutex_destroy(&rtc->lock);
}
