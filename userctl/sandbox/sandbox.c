// SPDX-License-Identifier: GPL-2.0
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "rooms.h"

static const struct sandbox_config *config;
static struct sandbox_user user;
static bool namespaces, closed;
static int share[SANDBOX_SHARES];
static unsigned int shares;

int sandbox_prepare(const struct sandbox_config *cfg, struct error *err)
{
	if (user_find(cfg->user, &user, err))
		return -1;
	config = cfg;
	namespaces = namespaces_enter();
	return 0;
}

void sandbox_owner_begin(void)
{
	if (config && !closed && user.change)
		(void)!setresuid(user.uid, -1, -1);
}

void sandbox_owner_end(void)
{
	if (config && !closed && user.change)
		(void)!setresuid(0, -1, -1);
}

/* A mount of its own: ".." ends there, whatever becomes of this process. */
static int mount_share(const char *path, bool readonly)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV };
	int fd = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);

	if (readonly)
		attr.attr_set |= MOUNT_ATTR_RDONLY;
	if (fd >= 0)
		mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr));
	return fd;
}

static int open_share(const char *path)
{
	int fd = -1;

	if (namespaces && shares < config->shares)
		fd = mount_share(path, config->share_readonly[shares]);
	return fd >= 0 ? fd : open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

int sandbox_share(const char *path)
{
	struct stat st;
	int fd = open_share(path);

	if (fd >= 0 && (fstat(fd, &st) || !S_ISDIR(st.st_mode))) {
		close(fd);
		errno = ENOTDIR;
		return -1;
	}
	/* For Landlock's sake. */
	if (fd >= 0 && config && !closed && shares < config->shares)
		share[shares++] = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return fd;
}

static void forget_shares(void)
{
	while (shares)
		close(share[--shares]);
}

int sandbox_close(struct error *err)
{
	if (!config || closed)
		return 0;
	/* Even gmtime() looks for the time zone's file, once. */
	tzset();
	if (filter_build(config, err) || privileges_limit(err))
		return -1;
	if (namespaces && !namespaces_leave(config))
		return fault_errno(err, EX_OSERR, errno, "sandbox: the VM's own root folder");
	if (privileges_drop(&user, err))
		return -1;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return fault_errno(err, EX_OSERR, errno, "sandbox: no_new_privs");
	if (landlock_close(config, share))
		return fault_errno(err, EX_OSERR, errno, "sandbox: Landlock");
	forget_shares();
	if (filter_enter(ROLE_MAIN, "main"))
		return fault_errno(err, EX_OSERR, errno, "sandbox: filter of system calls");
	closed = true;
	return 0;
}

bool sandbox_has_network(void)
{
	return !closed || config->network;
}

void sandbox_thread(enum sandbox_role role, const char *name)
{
	prctl(PR_SET_NAME, name);
	/* Main's is on already: without this one the thread would only be less restricted. */
	if (closed && filter_enter(role, name))
		abort();
}
