// SPDX-License-Identifier: GPL-2.0
/* as-nobody COMMAND...: run it without privileges, as user and group 65534. */
#include <grp.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc < 2 || setgroups(0, NULL) || setresgid(65534, 65534, 65534) ||
	    setresuid(65534, 65534, 65534)) {
		perror("as-nobody");
		return 64;
	}
	execv(argv[1], argv + 1);
	perror(argv[1]);
	return 127;
}
