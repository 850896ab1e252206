/* SPDX-License-Identifier: GPL-2.0 */
/* What the verbs that act upon one VM have in common. */
#ifndef VMCTL_FLEET_VERBS_H
#define VMCTL_FLEET_VERBS_H

#include <jansson.h>
#include <stdint.h>

#include "libvmm/fleet.h"

/* struct target - the VM that a verb is about, and the connection that it was found by */
struct target {
	struct fleet *fleet;
	struct fleet_vm vm;
};

/* Find it by name or id; the exit status: 0, or 1 with the candidates listed, or an error's. */
int target_find(struct target *t, const char *which);
void target_close(struct target *t);

/* What is known of a VM, as an object; print a value on a line, and give it up. */
json_t *vm_json(const struct fleet_vm *vm);
void print_json(json_t *value);

/* Share of one processor since the VM began, or between two looks, in percent. */
double cpu_percent(const struct fleet_vm *now, const struct fleet_vm *before);

/* By CLOCK_MONOTONIC, for what is to be done within a time. */
int64_t now_ms(void);

/* "03:04:05", or "2d03:04"; the user's name, or number. */
const char *uptime_text(uint64_t ns, char *buf, size_t size);
const char *owner_name(uint32_t uid, char *buf, size_t size);

#endif
