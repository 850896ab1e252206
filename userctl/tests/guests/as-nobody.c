// SPDX-License-Identifier: GPL-2.0
/* as-nobody [-g GID] COMMAND...: run it without privileges, as user 65534; a group more with -g. */
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	size_t groups = 0;
	gid_t group = 0;

	if (argc > 3 && !strcmp(argv[1], "-g")) {
		group = (gid_t)atoi(argv[2]);
		groups = 1;
		argv += 2;
		argc -= 2;
	}
	if (argc < 2 || setgroups(groups, &group) || setresgid(65534, 65534, 65534) ||
	    setresuid(65534, 65534, 65534)) {
		perror("as-nobody");
		return 64;
	}
	execv(argv[1], argv + 1);
	perror(argv[1]);
	return 127;
}
