// SPDX-License-Identifier: GPL-2.0
#include "paths.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

const char *run_folder(uid_t uid, char buf[PATH_MAX])
{
	const char *own = getenv("XDG_RUNTIME_DIR"), *given = getenv(RUN_FOLDER_ENV);

	if (given && *given)
		snprintf(buf, PATH_MAX, "%s", given);
	else if (!uid)
		snprintf(buf, PATH_MAX, "/run/vmm");
	else if (uid == geteuid() && own && *own)
		snprintf(buf, PATH_MAX, "%s/vmm", own);
	else
		snprintf(buf, PATH_MAX, "/run/user/%u/vmm", (unsigned int)uid);
	return buf;
}

int run_folder_make(const char *folder, struct error *err)
{
	struct stat st;

	if (mkdir(folder, 0700) && errno != EEXIST)
		return fault_errno(err, EX_CANTCREAT, errno, "folder for sockets %s", folder);
	if (stat(folder, &st))
		return fault_errno(err, EX_CANTCREAT, errno, "folder for sockets %s", folder);
	/* What another user can change is no place for one's console. */
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022))
		return fault(err, EX_NOPERM,
			     "folder for sockets %s: only its user, who starts VMs, may write it",
			     folder);
	return 0;
}

int control_address(const char *folder, const char *name, struct sockaddr_un *addr,
		    struct error *err)
{
	int len;

	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	len = snprintf(addr->sun_path, sizeof(addr->sun_path), "%s/%s.sock", folder, name);
	if (len >= (int)sizeof(addr->sun_path))
		return fault(err, EX_USAGE, "the socket's path %s/%s.sock is too long", folder,
			     name);
	return 0;
}
