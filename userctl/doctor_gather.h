/* SPDX-License-Identifier: GPL-2.0 */
/* The parts of doctor_gather(). */
#ifndef VMCTL_DOCTOR_GATHER_H
#define VMCTL_DOCTOR_GATHER_H

#include <stdint.h>

#include "doctor.h"

/**
 * open_under() - open a file for reading
 * @root: folder that stands for /, "" for this machine's
 * @path: absolute path in it
 *
 * Return: the file, NULL when it cannot be opened
 */
FILE *open_under(const char *root, const char *path);

/**
 * gather_cpu() - what the processor and its firmware offer
 * @f: cpuid_*, flag_*, model, in_vm, nrips, features, missing and firmware are filled in
 * @root: as of doctor_gather()
 */
void gather_cpu(struct doctor_facts *f, const char *root);

#endif
