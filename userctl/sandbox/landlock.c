// SPDX-License-Identifier: GPL-2.0
/* Landlock, by system calls: the C library has no functions for it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "rooms.h"

/* Of later headers; which of them the kernel knows is asked for. */
#define FS_REFER    (1ULL << 13) /* version 2 */
#define FS_TRUNCATE (1ULL << 14) /* version 3 */
#define FS_VERSION1 ((1ULL << 13) - 1)

#define FS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FS_WRITE                                                         \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | \
	 LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |  \
	 LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SYM | FS_REFER | FS_TRUNCATE)

static int allow(int rules, int fd, uint64_t access)
{
	struct landlock_path_beneath_attr beneath = { .allowed_access = access, .parent_fd = fd };

	return (int)syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0);
}

static int allow_all(int rules, const struct sandbox_config *cfg, const int *shares, uint64_t known)
{
	unsigned int i;
	int ret = 0, fd;

	for (i = 0; i < cfg->shares && !ret; i++) {
		ret = allow(rules, shares[i],
			    (FS_READ | (cfg->share_readonly[i] ? 0 : FS_WRITE)) & known);
	}
	if (ret || !cfg->network)
		return ret;
	fd = open("/etc/resolv.conf", O_PATH | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ret = allow(rules, fd, LANDLOCK_ACCESS_FS_READ_FILE);
	close(fd);
	return ret;
}

int landlock_close(const struct sandbox_config *cfg, const int *shares)
{
	struct landlock_ruleset_attr attr = { .handled_access_fs = FS_VERSION1 };
	long version =
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	int rules, ret;

	/* ENOSYS: not built in; EOPNOTSUPP: not switched on. */
	if (version < 1)
		return 0;
	if (version >= 2)
		attr.handled_access_fs |= FS_REFER;
	if (version >= 3)
		attr.handled_access_fs |= FS_TRUNCATE;
	rules = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (rules < 0)
		return -1;
	ret = allow_all(rules, cfg, shares, attr.handled_access_fs);
	if (!ret)
		ret = (int)syscall(SYS_landlock_restrict_self, rules, 0);
	close(rules);
	return ret;
}
