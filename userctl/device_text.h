/* SPDX-License-Identifier: GPL-2.0 */
/* Disks and network cards as a user writes them, at the command line or while the VM runs. */
#ifndef VMCTL_DEVICE_TEXT_H
#define VMCTL_DEVICE_TEXT_H

#include <stdbool.h>

#include "error.h"

struct disk_config;
struct net_config;

/* Cut ",ro" off the end: whether it was there. */
bool cut_readonly(char *text);

/**
 * disk_parse() - FILE[,format=raw|qcow2][,ro]
 * @disk: filled in; refers to @text
 * @text: is cut up
 * @err: EX_USAGE
 *
 * Return: 0 or -1.
 */
int disk_parse(struct disk_config *disk, char *text, struct error *err);

/* Likewise user[,forward=PORT:PORT...] or tap[=NAME], both with mac=ADDRESS. */
int net_parse(struct net_config *net, char *text, struct error *err);

#endif
