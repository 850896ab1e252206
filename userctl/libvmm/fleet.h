/* SPDX-License-Identifier: GPL-2.0 */
/* All VMs of this host, through the netlink family "vmm" (Documentation/netlink.rst). */
#ifndef LIBVMM_FLEET_H
#define LIBVMM_FLEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../uapi/linux/vmm.h"
#include "../../uapi/linux/vmm_netlink.h"
#include "../error.h"

#define FLEET_EXITS 64 /* kinds of exits at most */

struct fleet;

/* struct fleet_exit - a kind of exits that has occurred; cycles are 0 where none are counted */
struct fleet_exit {
	char name[24];
	uint64_t count, cycles;
};

/* struct fleet_vm - one VM; name is empty if it has none, given may be VMM_GIVEN_UNKNOWN */
struct fleet_vm {
	uint64_t id, memory, resident, given, exits, steal, uptime, runtime, memory_limit;
	unsigned int kinds;
	struct fleet_exit kind[FLEET_EXITS];
	uint32_t owner, pid, state, vcpus, cpu_limit;
	char name[VMM_VM_NAME_SIZE], comm[32];
	uint8_t uuid[VMM_VM_UUID_SIZE];
};

/* struct fleet_event - something has happened to a VM; name and reason may be empty */
struct fleet_event {
	uint64_t seq, vm;
	uint32_t kind, owner, vcpu;
	bool has_vcpu;
	char name[VMM_VM_NAME_SIZE], reason[64];
};

/* fleet_open() - a connection, or NULL and *err */
struct fleet *fleet_open(struct error *err);
void fleet_close(struct fleet *fleet);

/**
 * fleet_list() - the VMs that the caller may see, by id
 * @fleet: the connection
 * @vms: an array for the caller to free
 * @count: its length
 * @err: filled in
 *
 * Return: 0 or -1
 */
int fleet_list(struct fleet *fleet, struct fleet_vm **vms, size_t *count, struct error *err);

/**
 * fleet_threads() - the threads that run a VM's vCPUs
 * @fleet: the connection
 * @id: the VM
 * @tids: set to them
 * @max: how many there is room for
 * @err: filled in
 *
 * Return: how many there are, those without a place among them, or -1
 */
int fleet_threads(struct fleet *fleet, uint64_t id, uint32_t *tids, unsigned int max,
		  struct error *err);

/* fleet_command() - VMM_CMD_VM_*, which needs no more than the VM; 0 or -1 */
int fleet_command(struct fleet *fleet, int cmd, uint64_t id, struct error *err);

/* Name and limits of a VM; 0 is no limit. 0 or -1. */
int fleet_name(struct fleet *fleet, uint64_t id, const char *name, struct error *err);
int fleet_limit_cpu(struct fleet *fleet, uint64_t id, uint32_t percent, struct error *err);
int fleet_limit_memory(struct fleet *fleet, uint64_t id, uint64_t bytes, struct error *err);

/* fleet_watch() - call @each for every event until it answers other than 0; -1: *err */
int fleet_watch(struct fleet *fleet, int (*each)(const struct fleet_event *event),
		struct error *err);

/* Names of VMM_VM_* and VMM_EVENT_*. */
const char *fleet_state_name(uint32_t state);
const char *fleet_event_name(uint32_t kind);

#endif
