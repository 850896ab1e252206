// SPDX-License-Identifier: GPL-2.0
/* The user that a VM runs as, its capabilities (none), and how much of the host it may take. */
#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../units.h"
#include "rooms.h"

#define DEFAULT_USER "vmm"
#define ID_MAX       (65534ul * 65536)

/* Straight from the file: a statically linked program has no name service to ask. */
static bool find_name(const char *name, struct sandbox_user *user)
{
	FILE *file = fopen("/etc/passwd", "re");
	struct passwd *pw;
	bool found = false;

	if (!file)
		return false;
	while (!found && (pw = fgetpwent(file))) {
		found = !strcmp(pw->pw_name, name);
		if (found)
			*user = (struct sandbox_user){ true, pw->pw_uid, pw->pw_gid };
	}
	fclose(file);
	return found;
}

/* "UID" or "UID:GID" */
static bool find_number(const char *name, struct sandbox_user *user)
{
	unsigned long uid, gid;
	char text[32], *colon;

	if (strlen(name) >= sizeof(text))
		return false;
	strcpy(text, name);
	colon = strchr(text, ':');
	if (colon)
		*colon++ = '\0';
	if (count_parse(text, 0, ID_MAX, &uid))
		return false;
	gid = uid;
	if (colon && count_parse(colon, 0, ID_MAX, &gid))
		return false;
	*user = (struct sandbox_user){ true, (uid_t)uid, (gid_t)gid };
	return true;
}

int user_find(const char *name, struct sandbox_user *user, struct error *err)
{
	*user = (struct sandbox_user){ 0 };
	if (geteuid()) {
		if (name)
			return fault(err, EX_NOPERM, "user %s: only root can run a VM as another",
				     name);
		return 0;
	}
	/* Where there is no such user, it remains root without a capability. */
	if (!name) {
		find_name(DEFAULT_USER, user);
		return 0;
	}
	if (find_name(name, user) || find_number(name, user))
		return 0;
	return fault(err, EX_USAGE, "user %s: there is none of that name in /etc/passwd", name);
}

/* Of descriptors a process has fewer at first than it may have: from now on all of them. */
static int limit(int resource, rlim_t most)
{
	struct rlimit now;

	if (getrlimit(resource, &now))
		return -1;
	if (now.rlim_max > most)
		now.rlim_max = most;
	now.rlim_cur = now.rlim_max;
	return setrlimit(resource, &now);
}

unsigned int sandbox_files(void)
{
	static unsigned int files;
	struct rlimit now;

	/* Once the sandbox is closed it cannot be asked for. */
	if (!files)
		files = getrlimit(RLIMIT_NOFILE, &now) || now.rlim_cur > SANDBOX_FILES
				? SANDBOX_FILES
				: (unsigned int)now.rlim_cur;
	return files;
}

int privileges_limit(struct error *err)
{
	/* A core would have the guest's memory in it. */
	if (limit(RLIMIT_CORE, 0) || limit(RLIMIT_NOFILE, SANDBOX_FILES) ||
	    limit(RLIMIT_MSGQUEUE, 0) || limit(RLIMIT_RTPRIO, 0) || limit(RLIMIT_NICE, 0))
		return fault_errno(err, EX_OSERR, errno, "sandbox: limits");
	(void)sandbox_files();
	return 0;
}

static int change_user(const struct sandbox_user *user)
{
	if (!user->change)
		return 0;
	return setgroups(0, NULL) || setresgid(user->gid, user->gid, user->gid) ||
	       setresuid(user->uid, user->uid, user->uid);
}

int privileges_drop(const struct sandbox_user *user, struct error *err)
{
	/* The bounding set while that is allowed; what the new user has, afterwards. */
	if (capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP)) {
		capng_clear(CAPNG_SELECT_BOUNDS);
		if (capng_apply(CAPNG_SELECT_BOUNDS))
			return fault_errno(err, EX_OSERR, errno, "sandbox: bounding set");
	}
	if (change_user(user))
		return fault_errno(err, EX_OSERR, errno, "sandbox: user %u",
				   (unsigned int)user->uid);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	capng_clear(CAPNG_SELECT_CAPS);
	if (capng_apply(CAPNG_SELECT_CAPS))
		return fault_errno(err, EX_OSERR, errno, "sandbox: capabilities");
	/* Others of the same user have no business in its memory. */
	prctl(PR_SET_DUMPABLE, 0);
	return 0;
}
