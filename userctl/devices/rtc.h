/* SPDX-License-Identifier: GPL-2.0 */
/*
 * MC146818 clock and CMOS memory at ports 0x70 and 0x71.
 *
 * The time is the host's UTC plus an offset that the guest sets by setting its clock. There is no
 * interrupt: alarms and the periodic interrupt are not offered (the ACPI description of the clock
 * names no IRQ, so guests do not wait for one).
 */
#ifndef VMCTL_RTC_H
#define VMCTL_RTC_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "bus.h"

#define RTC_PORT_BASE 0x70
#define RTC_PORTS 2

/**
 * struct rtc - the clock; all fields under @lock
 * @lock: guards the rest
 * @index: CMOS register selected, 0 to 127
 * @nmi_masked: bit 7 of the index port as written last; remembered, NMIs are not held back
 * @offset: seconds to add to the host's clock
 * @now: the host's clock, replaceable for tests
 * @cmos: registers; those of the time are current only while the guest holds them (SET)
 */
struct rtc {
	pthread_mutex_t lock;
	uint8_t index;
	bool nmi_masked;
	int64_t offset;
	time_t (*now)(void);
	uint8_t cmos[128];
};

extern const struct bus_ops rtc_ops;

/**
 * rtc_init() - a clock that shows the host's UTC
 * @rtc: the clock
 * @low: bytes of RAM below 4 GiB, recorded in CMOS as firmware does
 * @high: bytes of RAM above 4 GiB
 */
void rtc_init(struct rtc *rtc, uint64_t low, uint64_t high);
void rtc_destroy(struct rtc *rtc);

#endif
