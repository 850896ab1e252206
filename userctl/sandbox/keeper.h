/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A process beside a VM's, of the user who started it, that does what takes more than the VM has:
 * it removes its sockets, renames the control socket, limits a machine that is built anew, and
 * tells users apart, which the VM in its namespaces cannot. It ends with the VM. Without one these
 * functions do it themselves.
 */
#ifndef SANDBOX_KEEPER_H
#define SANDBOX_KEEPER_H

#include <stdint.h>

#include "../error.h"

/* Sockets of a VM, at most: those of its ports, and the control socket. */
#define KEEPER_PATHS 16

/**
 * struct keeper_config - what a keeper does
 * @path: sockets, which it may remove
 * @paths: how many
 * @cpu_limit: for each machine, percent of a processor; 0: none
 */
struct keeper_config {
	const char *path[KEEPER_PATHS];
	unsigned int paths;
	unsigned int cpu_limit;
};

/* Start it, while the process has a single thread: 0 or -1. */
int keeper_start(const struct keeper_config *cfg, struct error *err);

/* 0 or -errno; the paths are those of the configuration, or what they were renamed to. */
int keeper_unlink(const char *path);
int keeper_rename(const char *from, const char *to);

/* Give the VM with this id its limit: 0 or -1. */
int keeper_limit(uint64_t id, unsigned int percent, struct error *err);

/* Whether who is at the other end of a Unix socket is root or who started the VM: 0 or -errno. */
int keeper_peer(int socket);

#endif
