/* SPDX-License-Identifier: GPL-2.0 */
/* Options of "vmctl run" for devices on the PCI bus. */
#ifndef VMCTL_RUN_DEVICES_H
#define VMCTL_RUN_DEVICES_H

#include <argp.h>

/* Its input is a struct peripherals_config; what is wrong ends the program. */
extern const struct argp run_devices_argp;

#endif
