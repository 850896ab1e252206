/* SPDX-License-Identifier: GPL-2.0 */
/* An interrupt line from a device to the interrupt controllers. */
#ifndef VMCTL_IRQ_H
#define VMCTL_IRQ_H

#include <stdbool.h>

/**
 * struct irq_line - where a device drives its interrupt
 * @set: raise or lower the line; called with the device's lock held
 * @opaque: passed to @set
 * @gsi: number of the line
 * @level: what was driven last, so that only changes cost a call
 */
struct irq_line {
	void (*set)(void *opaque, unsigned int gsi, bool level);
	void *opaque;
	unsigned int gsi;
	bool level;
};

static inline void irq_drive(struct irq_line *line, bool level)
{
	if (line->level == level)
		return;
	line->level = level;
	line->set(line->opaque, line->gsi, level);
}

#endif
