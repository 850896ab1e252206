/* SPDX-License-Identifier: GPL-2.0 */
/* What sandbox.c puts together: a layer each, in the order in which they are put on. */
#ifndef SANDBOX_ROOMS_H
#define SANDBOX_ROOMS_H

#include "sandbox.h"

/**
 * struct sandbox_user - whom to become
 * @change: somebody else
 * @uid: user
 * @gid: group; there are no others
 */
struct sandbox_user {
	bool change;
	uid_t uid;
	gid_t gid;
};

/* privileges.c: who; how much; no capability, and none to come. */
int user_find(const char *name, struct sandbox_user *user, struct error *err);
int privileges_limit(struct error *err);
int privileges_drop(const struct sandbox_user *user, struct error *err);

/*
 * namespaces.c. false: the kernel does not let us. namespaces_leave(): no network but the one in
 * this process, and no files but those of @cfg.
 */
bool namespaces_enter(void);
bool namespaces_leave(const struct sandbox_config *cfg);

/* landlock.c: only what is below these descriptors of shares; 0, or -1 and errno; without it 0. */
int landlock_close(const struct sandbox_config *cfg, const int *shares);

/* filter.c: the filters of all roles; then that of a thread, main's first. */
int filter_build(const struct sandbox_config *cfg, struct error *err);
int filter_enter(enum sandbox_role role, const char *name);

#endif
