// SPDX-License-Identifier: GPL-2.0
/*
 * Namespaces: mounts, where the root folder of the VM's process has the shared folders' and its
 * own descriptors in it; network, unless the guest's is this process's; IPC and host name. Who is
 * not root becomes the root of a user namespace for the time it takes.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rooms.h"

#define SPACES   (CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS)
#define RESOLVER "/etc/resolv.conf"
#define OWN_FDS  "/proc/self/fd"

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return done;
}

/* The user is the same one inside, and there is no other. */
static bool map_user(uid_t uid, gid_t gid)
{
	char uids[64], gids[64];

	snprintf(uids, sizeof(uids), "%u %u 1\n", uid, uid);
	snprintf(gids, sizeof(gids), "%u %u 1\n", gid, gid);
	return write_file("/proc/self/setgroups", "deny") &&
	       write_file("/proc/self/uid_map", uids) && write_file("/proc/self/gid_map", gids);
}

/* In a child first: one that cannot be mapped has no user at all, and there is no way back. */
static bool user_namespace_works(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int status = -1;
	pid_t pid = fork();

	if (!pid)
		_exit(unshare(CLONE_NEWUSER | SPACES) || !map_user(uid, gid));
	return pid > 0 && waitpid(pid, &status, 0) == pid && !status;
}

bool namespaces_enter(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (uid && (!user_namespace_works() || unshare(CLONE_NEWUSER | SPACES)))
		return false;
	if (uid && !map_user(uid, gid))
		return false;
	if (!uid && unshare(SPACES))
		return false;
	return !mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL);
}

/* A file or folder of the host's at the same place in the new root. */
static bool place(int root, const char *path, int tree)
{
	char part[64];
	struct stat st;
	unsigned int i;

	for (i = 1; path[i]; i++) {
		if (path[i] != '/')
			continue;
		snprintf(part, sizeof(part), "%.*s", (int)i - 1, path + 1);
		if (mkdirat(root, part, 0755) && errno != EEXIST)
			return false;
	}
	if (fstat(tree, &st))
		return false;
	if (S_ISDIR(st.st_mode) ? mkdirat(root, path + 1, 0755)
				: mknodat(root, path + 1, S_IFREG | 0644, 0))
		return false;
	return !move_mount(tree, "", root, path + 1, MOVE_MOUNT_F_EMPTY_PATH);
}

/* Descriptors that are only paths are opened by their names there. */
static bool add(int root, const char *path)
{
	int tree = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	bool done;

	/* What the host does not have is missing in the sandbox, too. */
	if (tree < 0)
		return true;
	done = place(root, path, tree);
	close(tree);
	return done;
}

static int make_root(void)
{
	int context = fsopen("tmpfs", FSOPEN_CLOEXEC), root = -1;

	if (context < 0)
		return -1;
	if (!fsconfig(context, FSCONFIG_SET_STRING, "size", "64k", 0) &&
	    !fsconfig(context, FSCONFIG_SET_STRING, "mode", "755", 0) &&
	    !fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		root = fsmount(context, FSMOUNT_CLOEXEC,
			       MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	close(context);
	return root;
}

static bool fill_root(int root, const struct sandbox_config *cfg)
{
	struct mount_attr readonly = { .attr_set = MOUNT_ATTR_RDONLY };

	if (cfg->shares && !add(root, OWN_FDS))
		return false;
	if (cfg->network && !add(root, RESOLVER))
		return false;
	return !mount_setattr(root, "", AT_EMPTY_PATH, &readonly, sizeof(readonly));
}

/* Over the old root, which nothing leads to then: no descriptor is of a folder there. */
static bool enter_root(int root)
{
	return !fchdir(root) && !chroot(".") && !chdir("/");
}

bool namespaces_leave(const struct sandbox_config *cfg)
{
	int root = make_root();
	bool done;

	if (root < 0)
		return false;
	done = !move_mount(root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) &&
	       fill_root(root, cfg) && enter_root(root);
	close(root);
	return done && (cfg->network || !unshare(CLONE_NEWNET));
}
