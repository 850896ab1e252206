/* SPDX-License-Identifier: GPL-2.0 */
/* Options of "vmctl run" for devices on the PCI bus. */
#ifndef VMCTL_RUN_DEVICES_H
#define VMCTL_RUN_DEVICES_H

#include <argp.h>

struct error;
struct peripherals_config;

/* Its input is a struct peripherals_config; what is wrong ends the program. */
extern const struct argp run_devices_argp;

/* One of these options, by its key in that table: 0, or -1 and *err. */
int run_device_option(struct peripherals_config *cfg, int key, char *arg, struct error *err);

#endif
