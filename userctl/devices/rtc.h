/* SPDX-License-Identifier: GPL-2.0 */
/*
 * MC146818 clock and CMOS memory at ports 0x70 and 0x71, with alarm, update-ended and periodic
 * interrupts.
 *
 * The time is the host's UTC plus an offset that the guest sets by setting its clock. Nothing
 * runs while no interrupt is enabled: flags are computed when they are looked at.
 */
#ifndef VMCTL_RTC_H
#define VMCTL_RTC_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "bus.h"
#include "irq.h"

#define RTC_PORT_BASE 0x70
#define RTC_PORTS     2
#define RTC_IRQ       8

/**
 * struct rtc_host - what the clock needs of its surroundings
 * @now: nanoseconds since 1970, UTC
 * @arm: have rtc_expired() called in this many nanoseconds, 0 for not at all; called with the
 *	 clock's lock held
 * @opaque: passed to @arm
 */
struct rtc_host {
	int64_t (*now)(void);
	void (*arm)(void *opaque, uint64_t ns);
	void *opaque;
};

/**
 * struct rtc - the clock; all fields under @lock
 * @lock: guards the rest
 * @irq: the interrupt output
 * @host: surroundings
 * @index: CMOS register selected, 0 to 127
 * @nmi_masked: bit 7 of the index port as written last; remembered, NMIs are not held back
 * @offset: seconds to add to the host's clock
 * @seen: moment up to which the flags of register C are right, nanoseconds
 * @cmos: registers; those of the time are current only while the guest holds them (SET)
 */
struct rtc {
	pthread_mutex_t lock;
	struct irq_line irq;
	struct rtc_host host;
	uint8_t index;
	bool nmi_masked;
	int64_t offset;
	int64_t seen;
	uint8_t cmos[128];
};

extern const struct bus_ops rtc_ops;

/**
 * rtc_init() - a clock that shows the host's UTC
 * @rtc: the clock
 * @irq: its interrupt
 * @host: surroundings
 * @low: bytes of RAM below 4 GiB, recorded in CMOS as firmware does
 * @high: bytes of RAM above 4 GiB
 */
void rtc_init(struct rtc *rtc, const struct irq_line *irq, const struct rtc_host *host,
	      uint64_t low, uint64_t high);
void rtc_destroy(struct rtc *rtc);

/* The time asked for by @arm has come. */
void rtc_expired(struct rtc *rtc);

/* The host's clock, for struct rtc_host. */
int64_t rtc_host_now(void);

#endif
