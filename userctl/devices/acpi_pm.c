// SPDX-License-Identifier: GPL-2.0
/* Registers: ACPI Specification 6.4, 4.8.3 (fixed hardware) and 4.8.4 (general-purpose events). */
#include "acpi_pm.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

#define PM1_PWRBTN      0x0100
#define PM1_ENABLE_BITS 0x0721

#define CNT_SCI_EN     0x0001
#define CNT_SLP_TYP(v) (((v) >> 10) & 7)
#define CNT_SLP_EN     0x2000

#define RESET_CPU       0x04
#define FAST_RESET_INIT 0x01
#define FAST_RESET_A20  0x02

#define TIMER_HZ     3579545ULL
#define NSEC_PER_SEC 1000000000ULL

uint32_t acpi_pm_ticks(uint64_t ns)
{
	/* Split so that the product does not overflow: seconds first, then the rest. */
	return (uint32_t)(ns / NSEC_PER_SEC * TIMER_HZ +
			  ns % NSEC_PER_SEC * TIMER_HZ / NSEC_PER_SEC);
}

static uint64_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

static void update_sci(struct acpi_pm *pm)
{
	irq_drive(&pm->sci, (pm->status & pm->enable) || (pm->gpe_status & pm->gpe_enable));
}

/* The register block as bytes, so that accesses of every size and offset work. */
static uint8_t read_byte(const struct acpi_pm *pm, unsigned int off, uint32_t timer)
{
	uint64_t low = (uint64_t)pm->status | (uint64_t)pm->enable << 16 |
		       (uint64_t)pm->control << 32;
	uint64_t high = (uint64_t)timer | (uint64_t)pm->gpe_status << 32 |
			(uint64_t)pm->gpe_enable << 40;

	return (uint8_t)(off < 8 ? low >> (8 * off) : high >> (8 * (off - 8)));
}

static uint64_t pm_read(void *dev, uint64_t off, unsigned int size)
{
	uint32_t timer = acpi_pm_ticks(monotonic_ns());
	struct acpi_pm *pm = dev;
	uint64_t val = 0;
	unsigned int i;

	pthread_mutex_lock(&pm->lock);
	for (i = 0; i < size; i++)
		val |= (uint64_t)read_byte(pm, (unsigned int)off + i, timer) << (8 * i);
	pthread_mutex_unlock(&pm->lock);
	return val;
}

static void merge_byte(uint16_t *reg, unsigned int byte, uint8_t val)
{
	*reg = (uint16_t)((*reg & ~(0xff << (8 * byte))) | val << (8 * byte));
}

static void write_byte(struct acpi_pm *pm, unsigned int off, uint8_t val)
{
	switch (off) {
	case 0:
	case 1:
		pm->status &= 0xffff ^ val << (8 * off);
		break;
	case 2:
	case 3:
		merge_byte(&pm->enable, off - 2, val);
		pm->enable &= PM1_ENABLE_BITS;
		break;
	case 4:
	case 5:
		merge_byte(&pm->control, off - 4, val);
		/* ACPI mode is permanent here: there is no SMI command port to leave it. */
		pm->control |= CNT_SCI_EN;
		break;
	case 12:
		pm->gpe_status &= (uint8_t)~val;
		break;
	case 13:
		pm->gpe_enable = val;
		break;
	default:
		break;
	}
}

static void pm_write(void *dev, uint64_t off, uint64_t val, unsigned int size)
{
	struct acpi_pm *pm = dev;
	bool power_off;
	unsigned int i;

	pthread_mutex_lock(&pm->lock);
	for (i = 0; i < size; i++)
		write_byte(pm, (unsigned int)off + i, (uint8_t)(val >> (8 * i)));
	/* SLP_EN is write-only: it acts and reads as zero. No other sleep state is offered. */
	power_off = (pm->control & CNT_SLP_EN) && CNT_SLP_TYP(pm->control) == ACPI_S5_TYPE;
	pm->control &= (uint16_t)~CNT_SLP_EN;
	update_sci(pm);
	pthread_mutex_unlock(&pm->lock);
	if (power_off)
		pm->events.power_off(pm->events.opaque);
}

const struct bus_ops acpi_pm_ops = {
	.read = pm_read,
	.write = pm_write,
	.width = 4,
};

static uint64_t reset_read(void *dev, uint64_t off, unsigned int size)
{
	struct acpi_pm *pm = dev;
	uint8_t val;

	(void)off;
	(void)size;
	pthread_mutex_lock(&pm->lock);
	val = pm->reset_ctl;
	pthread_mutex_unlock(&pm->lock);
	return val;
}

/* The CPU reset bit acts on its rising edge; the bits beside it say how hard, all one here. */
static void reset_write(void *dev, uint64_t off, uint64_t val, unsigned int size)
{
	struct acpi_pm *pm = dev;
	bool reset;

	(void)off;
	(void)size;
	pthread_mutex_lock(&pm->lock);
	reset = (val & RESET_CPU) && !(pm->reset_ctl & RESET_CPU);
	pm->reset_ctl = (uint8_t)val;
	pthread_mutex_unlock(&pm->lock);
	if (reset)
		pm->events.reset(pm->events.opaque);
}

const struct bus_ops reset_ops = {
	.read = reset_read,
	.write = reset_write,
	.width = 1,
};

static uint64_t fast_reset_read(void *dev, uint64_t off, unsigned int size)
{
	(void)dev;
	(void)off;
	(void)size;
	return FAST_RESET_A20;
}

static void fast_reset_write(void *dev, uint64_t off, uint64_t val, unsigned int size)
{
	struct acpi_pm *pm = dev;

	(void)off;
	(void)size;
	if (val & FAST_RESET_INIT)
		pm->events.reset(pm->events.opaque);
}

const struct bus_ops fast_reset_ops = {
	.read = fast_reset_read,
	.write = fast_reset_write,
	.width = 1,
};

void acpi_pm_power_button(struct acpi_pm *pm)
{
	pthread_mutex_lock(&pm->lock);
	pm->status |= PM1_PWRBTN;
	update_sci(pm);
	pthread_mutex_unlock(&pm->lock);
}

void acpi_pm_event(struct acpi_pm *pm, unsigned int number)
{
	pthread_mutex_lock(&pm->lock);
	pm->gpe_status |= (uint8_t)(1u << number);
	update_sci(pm);
	pthread_mutex_unlock(&pm->lock);
}

void acpi_pm_init(struct acpi_pm *pm, const struct irq_line *sci,
		  const struct acpi_pm_events *events)
{
	memset(pm, 0, sizeof(*pm));
	pthread_mutex_init(&pm->lock, NULL);
	pm->sci = *sci;
	pm->events = *events;
	pm->control = CNT_SCI_EN;
}

void acpi_pm_destroy(struct acpi_pm *pm)
{
	pthread_mutex_destroy(&pm->lock);
}
