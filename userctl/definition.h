/* SPDX-License-Identifier: GPL-2.0 */
/* Definitions of VMs: INI files whose keys are the options of vmctl run. */
#ifndef VMCTL_DEFINITION_H
#define VMCTL_DEFINITION_H

#include "run.h"

/**
 * definition_read() - take options from a file
 * @path: the file
 * @o: options, which are added to
 *
 * Return: 0; 1: there is no such file; -1: o->err names file, line and key
 */
int definition_read(const char *path, struct run_options *o);

/* Likewise that of a VM: ~/.config/vmm/NAME.ini, else /etc/vmm/NAME.ini. */
int definition_find(const char *name, struct run_options *o);

#endif
