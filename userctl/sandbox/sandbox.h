/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What keeps a VM's process from being more than a VM: once its machine is built and all that it
 * needs is open, it gives up the rest. Documentation/security.rst says who can do what.
 */
#ifndef SANDBOX_SANDBOX_H
#define SANDBOX_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../error.h"

/* What a thread is for: its filter of system calls lets it do no more. */
enum sandbox_role {
	ROLE_MAIN,    /* event loop, control socket, start and end; what the others need, too */
	ROLE_VCPU,    /* KVM_RUN, and devices as far as they are served by exits */
	ROLE_IO,      /* queues of a device */
	ROLE_CONSOLE, /* writes the console's output */
	ROLES,
};

/* Folders that a guest shares, at most. */
#define SANDBOX_SHARES 8
/* Descriptors of a process that keeps to its sandbox, at most. */
#define SANDBOX_FILES 4096

/**
 * struct sandbox_config - what a VM needs nevertheless
 * @name: of the VM, for messages
 * @user: whom to become, if started by root; NULL: the default
 * @shares: how many folders the guest shares
 * @share: these
 * @share_readonly: which of them it may not change
 * @network: its network is this process's own
 * @restarts: machines are built again
 */
struct sandbox_config {
	const char *name;
	const char *user;
	unsigned int shares;
	const char *share[SANDBOX_SHARES];
	bool share_readonly[SANDBOX_SHARES];
	bool network, restarts;
};

/**
 * sandbox_prepare() - before anything is opened
 * @cfg: what the VM needs; must outlive the process
 * @err: there is no such user
 *
 * Finds out whom to become and enters namespaces where the kernel lets it. The process has no
 * other thread yet.
 *
 * Return: 0 or -1
 */
int sandbox_prepare(const struct sandbox_config *cfg, struct error *err);

/* Between these a VM that is made belongs to the user who it will run as. */
void sandbox_owner_begin(void);
void sandbox_owner_end(void);

/**
 * sandbox_share() - open a folder that the guest shares
 * @path: the folder
 *
 * In the order of the configuration. Where it can be, in a way that there is nothing above it.
 *
 * Return: a descriptor (O_PATH), or -1 and errno
 */
int sandbox_share(const char *path);

/**
 * sandbox_close() - give up all else
 * @err: the kernel refuses what each kernel should do
 *
 * Before the machine's threads are started, which inherit it. Landlock and namespaces are used
 * where there are such.
 *
 * Return: 0 or -1
 */
int sandbox_close(struct error *err);

/* How many descriptors this process can have, or will be able to have then. */
unsigned int sandbox_files(void);

/* Whether this process can still make connections. */
bool sandbox_has_network(void);

/* Each thread begins with it; @name, of 15 characters, is what it is called from then on. */
void sandbox_thread(enum sandbox_role role, const char *name);

#endif
