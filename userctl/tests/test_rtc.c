// SPDX-License-Identifier: GPL-2.0
#include <time.h>

#include "../devices/rtc.h"
#include "../units.h"
#include "tap.h"

#define NSEC 1000000000LL

static struct rtc rtc;
static int64_t now_ns;
static uint64_t armed;
static bool line;

static int64_t fake_now(void)
{
	return now_ns;
}

static void on_arm(void *opaque, uint64_t ns)
{
	(void)opaque;
	armed = ns;
}

static void on_irq(void *opaque, unsigned int gsi, bool level)
{
	(void)opaque;
	CHECK_EQ(gsi, 8);
	line = level;
}

static void start_at(int year, int mon, int day, int hour, int min, int sec)
{
	struct tm tm = { .tm_year = year - 1900,
			 .tm_mon = mon - 1,
			 .tm_mday = day,
			 .tm_hour = hour,
			 .tm_min = min,
			 .tm_sec = sec };
	struct irq_line irq = { on_irq, NULL, 8, false };
	struct rtc_host host = { fake_now, on_arm, NULL };

	now_ns = (int64_t)timegm(&tm) * NSEC + NSEC / 4;
	armed = 0;
	line = false;
	rtc_init(&rtc, &irq, &host, 3 * GiB, 5 * GiB);
}

static uint8_t in(uint8_t reg)
{
	rtc_ops.write(&rtc, 0, reg, 1);
	return (uint8_t)rtc_ops.read(&rtc, 1, 1);
}

static void out(uint8_t reg, uint8_t val)
{
	rtc_ops.write(&rtc, 0, reg, 1);
	rtc_ops.write(&rtc, 1, val, 1);
}

/* Registers: 0 s, 2 min, 4 h, 6 weekday, 7 day, 8 month, 9 year, 0x32 century. */
static void shows_time_in_bcd(void)
{
	start_at(2024, 2, 29, 23, 59, 58);
	CHECK_EQ(in(0), 0x58);
	CHECK_EQ(in(2), 0x59);
	CHECK_EQ(in(4), 0x23);
	CHECK_EQ(in(6), 5); /* a Thursday, Sunday is 1 */
	CHECK_EQ(in(7), 0x29);
	CHECK_EQ(in(8), 0x02);
	CHECK_EQ(in(9), 0x24);
	CHECK_EQ(in(0x32), 0x20);
	CHECK_EQ(in(0x0d), 0x80);
	CHECK_EQ((in(0x0a) & 0x80), 0);
	now_ns += 2 * NSEC;
	CHECK_EQ(in(0), 0);
	CHECK_EQ(in(7), 0x01);
	CHECK_EQ(in(8), 0x03);
	rtc_destroy(&rtc);
}

static void formats(void)
{
	start_at(1999, 12, 31, 12, 5, 0);
	out(0x0b, 0x06);
	CHECK_EQ(in(4), 12);
	CHECK_EQ(in(9), 99);
	CHECK_EQ(in(0x32), 19);
	out(0x0b, 0x00); /* 12 hours, BCD */
	CHECK_EQ(in(4), 0x92);
	now_ns += 3600 * NSEC;
	CHECK_EQ(in(4), 0x81);
	now_ns += 11LL * 3600 * NSEC;
	CHECK_EQ(in(4), 0x12);
	rtc_destroy(&rtc);
}

static void set_under_set_bit(void)
{
	start_at(2024, 1, 1, 0, 0, 0);
	out(0x0b, 0x82);
	out(0, 0x30);
	now_ns += 5 * NSEC;
	CHECK_EQ(in(0), 0x30); /* stands still */
	out(2, 0x45);
	out(4, 0x06);
	out(7, 0x17);
	out(8, 0x08);
	out(9, 0x31);
	out(0x32, 0x20);
	out(0x0b, 0x02);
	CHECK_EQ(in(0), 0x30);
	CHECK_EQ(in(9), 0x31);
	now_ns += 30 * NSEC;
	CHECK_EQ(in(0), 0);
	CHECK_EQ(in(2), 0x46);
	CHECK_EQ(in(4), 0x06);
	CHECK_EQ(in(7), 0x17);
	rtc_destroy(&rtc);
}

static void set_without_set_bit(void)
{
	start_at(2024, 6, 15, 10, 20, 30);
	out(4, 0x11);
	CHECK_EQ(in(4), 0x11);
	CHECK_EQ(in(0), 0x30);
	CHECK_EQ(rtc.offset, 3600);
	rtc_destroy(&rtc);
}

/* Nonsense from the guest is some time, nothing worse. */
static void survives_any_value(void)
{
	unsigned int reg, val;

	start_at(2024, 6, 15, 10, 20, 30);
	for (reg = 0; reg < 256; reg++) {
		for (val = 0; val < 256; val += 15) {
			out((uint8_t)reg, (uint8_t)val);
			in((uint8_t)reg);
		}
	}
	rtc_expired(&rtc);
	CHECK_EQ(rtc.index, 0x7f);
	rtc_destroy(&rtc);
}

static void nmi_mask_and_cmos(void)
{
	start_at(2024, 1, 1, 0, 0, 0);
	out(0x8f, 0x5a);
	CHECK(rtc.nmi_masked);
	CHECK_EQ(in(0x0f), 0x5a);
	CHECK(!rtc.nmi_masked);
	CHECK_EQ(rtc_ops.read(&rtc, 0, 1), 0xff);
	rtc_destroy(&rtc);
}

static void memory_size(void)
{
	start_at(2024, 1, 1, 0, 0, 0);
	CHECK_EQ(in(0x15) | in(0x16) << 8, 640);
	CHECK_EQ(in(0x30) | in(0x31) << 8, 0xffff);
	CHECK_EQ(in(0x34) | in(0x35) << 8, (3 * GiB - 16 * MiB) / (64 * KiB));
	CHECK_EQ(in(0x5b) | in(0x5c) << 8 | in(0x5d) << 16, 5 * GiB / (64 * KiB));
	rtc_destroy(&rtc);
}

static void update_interrupt(void)
{
	start_at(2024, 1, 1, 0, 0, 0);
	CHECK_EQ(armed, 0);
	out(0x0b, 0x12);
	CHECK_EQ(armed, NSEC * 3 / 4);
	now_ns += NSEC * 3 / 4;
	rtc_expired(&rtc);
	CHECK(line);
	CHECK_EQ(armed, NSEC);
	CHECK_EQ((in(0x0c) & 0xb0), 0x90);
	CHECK(!line);
	CHECK_EQ(in(0x0c), 0); /* reading cleared them */
	out(0x0b, 0x02);
	CHECK_EQ(armed, 0);
	/* Polled, the flag comes without a timer. */
	now_ns += NSEC;
	CHECK_EQ((in(0x0c) & 0xb0), 0x10);
	CHECK(!line);
	rtc_destroy(&rtc);
}

static void alarm_interrupt(void)
{
	unsigned int i;

	start_at(2024, 1, 1, 7, 59, 57);
	out(1, 0x00);
	out(3, 0x00);
	out(5, 0x08);
	out(0x0b, 0x22);
	for (i = 0; i < 3; i++) {
		CHECK(!line);
		now_ns += NSEC;
		rtc_expired(&rtc);
	}
	CHECK(line);
	CHECK_EQ((in(0x0c) & 0xb0), 0xb0);
	now_ns += NSEC;
	rtc_expired(&rtc);
	CHECK(!line);
	/* Any hour, any minute, second 30; the host slept for five minutes. */
	out(1, 0x30);
	out(3, 0xff);
	out(5, 0xc0);
	now_ns += 300 * NSEC;
	rtc_expired(&rtc);
	CHECK(line);
	rtc_destroy(&rtc);
}

static void periodic_interrupt(void)
{
	start_at(2024, 1, 1, 0, 0, 0);
	out(0x0a, 0x26);
	out(0x0b, 0x42);
	CHECK(armed > 0 && armed <= 976562);
	CHECK(!line);
	now_ns += 1000000;
	rtc_expired(&rtc);
	CHECK(line);
	CHECK_EQ(in(0x0c), 0xc0);
	out(0x0a, 0x20);
	CHECK_EQ(armed, 0);
	out(0x0a, 0x2f); /* 2 Hz */
	CHECK(armed > 0 && armed <= 500000000);
	out(0x0a, 0x23); /* 8192 Hz: at most two calls per millisecond */
	CHECK_EQ(armed, 500000);
	rtc_destroy(&rtc);
}

TAP_MAIN(TEST(shows_time_in_bcd), TEST(formats), TEST(set_under_set_bit), TEST(set_without_set_bit),
	 TEST(survives_any_value), TEST(nmi_mask_and_cmos), TEST(memory_size),
	 TEST(update_interrupt), TEST(alarm_interrupt), TEST(periodic_interrupt));
