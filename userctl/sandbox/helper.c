// SPDX-License-Identifier: GPL-2.0
#include "helper.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "rooms.h"

/* Of later headers; which of them the kernel knows is asked for. */
#define FS_TRUNCATE (1ULL << 14) /* version 3 */
/* All that changes anything. */
#define FS_CHANGE                                                        \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | \
	 LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR | \
	 LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |     \
	 LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |   \
	 LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM)

static int allow_write(int rules, const char *path, uint64_t known)
{
	struct landlock_path_beneath_attr beneath = {
		.allowed_access = (LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE) & known,
		.parent_fd = open(path, O_PATH | O_CLOEXEC),
	};
	int ret;

	if (beneath.parent_fd < 0)
		return -1;
	ret = (int)syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0);
	close(beneath.parent_fd);
	return ret;
}

static int restrict_files(const char *path, bool write)
{
	struct landlock_ruleset_attr attr = { .handled_access_fs = FS_CHANGE };
	long version =
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	int rules, ret;

	/* Not built in, or not switched on. */
	if (version < 0)
		return errno == ENOSYS || errno == EOPNOTSUPP ? 0 : -1;
	if (version >= 3)
		attr.handled_access_fs |= FS_TRUNCATE;
	rules = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (rules < 0)
		return -1;
	/* Where QEMU tries which locks the kernel has. */
	ret = allow_write(rules, "/dev/null", attr.handled_access_fs);
	if (!ret && write)
		ret = allow_write(rules, path, attr.handled_access_fs);
	if (!ret)
		ret = (int)syscall(SYS_landlock_restrict_self, rules, 0);
	close(rules);
	return ret;
}

/* What there is of namespaces, root or who is one in a user namespace has. */
static int drop_capabilities(void)
{
	(void)unshare(CLONE_NEWNET | CLONE_NEWIPC);
	capng_clear(CAPNG_SELECT_ALL);
	if (!geteuid() &&
	    capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET,
			 CAP_DAC_OVERRIDE))
		return -1;
	/* Who may not change the bounding set has nothing in it that could be used. */
	(void)capng_apply(CAPNG_SELECT_BOUNDS);
	return capng_apply(CAPNG_SELECT_CAPS);
}

int sandbox_helper(const char *path, bool write)
{
	const struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_CORE, &none) || drop_capabilities() ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -1;
	return restrict_files(path, write);
}
