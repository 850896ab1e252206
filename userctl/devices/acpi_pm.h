/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ACPI fixed hardware: power button, sleep control and the PM timer, a block of eight
 * general-purpose events, and the two reset registers of a PC (0xcf9, which the FADT names, and
 * 0x92).
 */
#ifndef VMCTL_ACPI_PM_H
#define VMCTL_ACPI_PM_H

#include <pthread.h>
#include <stdint.h>

#include "bus.h"
#include "irq.h"

#define ACPI_PM_BASE  0x600
#define ACPI_PM1_EVT  (ACPI_PM_BASE + 0)
#define ACPI_PM1_CNT  (ACPI_PM_BASE + 4)
#define ACPI_PM_TMR   (ACPI_PM_BASE + 8)
#define ACPI_GPE0     (ACPI_PM_BASE + 12)
#define ACPI_PM_PORTS 16
#define ACPI_SCI_IRQ  9
#define ACPI_S5_TYPE  5
#define ACPI_GPE_PCI  1 /* general-purpose event: something about PCI slots */
#define ACPI_GPE_CPU  2 /* something about processors */

#define RESET_PORT      0xcf9
#define RESET_VALUE     0x06
#define FAST_RESET_PORT 0x92

/**
 * struct acpi_pm_events - what the guest asks for; called without locks held
 * @power_off: sleep state S5 was entered
 * @reset: a reset register was written
 * @opaque: passed to both
 */
struct acpi_pm_events {
	void (*power_off)(void *opaque);
	void (*reset)(void *opaque);
	void *opaque;
};

/**
 * struct acpi_pm - the registers; all fields under @lock
 * @lock: guards the rest
 * @sci: the system control interrupt, level-triggered
 * @events: what to call
 * @status: PM1 status, bits are cleared by writing ones
 * @enable: PM1 enable
 * @control: PM1 control
 * @gpe_status: general-purpose events, cleared as @status is
 * @gpe_enable: which of them interrupt
 * @reset_ctl: register 0xcf9
 */
struct acpi_pm {
	pthread_mutex_t lock;
	struct irq_line sci;
	struct acpi_pm_events events;
	uint16_t status, enable, control;
	uint8_t gpe_status, gpe_enable;
	uint8_t reset_ctl;
};

extern const struct bus_ops acpi_pm_ops;
extern const struct bus_ops reset_ops;
extern const struct bus_ops fast_reset_ops;

void acpi_pm_init(struct acpi_pm *pm, const struct irq_line *sci,
		  const struct acpi_pm_events *events);
void acpi_pm_destroy(struct acpi_pm *pm);

/**
 * acpi_pm_power_button() - press the power button
 * @pm: the registers
 *
 * The guest gets an SCI if it has enabled the event; whether it powers off is up to it.
 */
void acpi_pm_power_button(struct acpi_pm *pm);

/**
 * acpi_pm_event() - a general-purpose event has happened
 * @pm: the registers
 * @number: 0 to 7
 *
 * Without the guest having enabled it, it stays known.
 */
void acpi_pm_event(struct acpi_pm *pm, unsigned int number);

/**
 * acpi_pm_ticks() - the PM timer's count at a moment
 * @ns: nanoseconds since any fixed moment
 *
 * Return: ticks of 3.579545 MHz, modulo 2^32.
 */
uint32_t acpi_pm_ticks(uint64_t ns);

#endif
