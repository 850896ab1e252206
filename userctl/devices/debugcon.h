/* SPDX-License-Identifier: GPL-2.0 */
/* The port that firmware writes its messages to, byte by byte. Reading it says that it is there. */
#ifndef VMCTL_DEBUGCON_H
#define VMCTL_DEBUGCON_H

#include <stdio.h>

#include "bus.h"

#define DEBUGCON_PORT  0x402
#define DEBUGCON_THERE 0xe9

/* The device is the FILE that gets the bytes. */
extern const struct bus_ops debugcon_ops;

#endif
