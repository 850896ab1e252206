// SPDX-License-Identifier: GPL-2.0
/*
 * Runs a command on a terminal of its own and types when it is ready:
 *	pty PATTERN KEYS COMMAND [ARGUMENT...]
 * Once the output contains PATTERN, KEYS is typed; "^]" in it stands for Ctrl-]. The output goes to
 * standard output, followed by a line that tells how the terminal was left. The exit status is
 * the command's, or 128 plus the signal that ended it.
 */
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <utmp.h>

static char output[65536];
static size_t len;

static void type(int master, const char *keys)
{
	char key;

	for (; *keys; keys++) {
		key = *keys;
		if (key == '^' && keys[1] == ']') {
			key = 0x1d;
			keys++;
		}
		if (write(master, &key, 1) != 1)
			return;
	}
}

/* Until the terminal has no other end: this process keeps none open while it reads. */
static void watch(int master, const char *pattern, const char *keys)
{
	char buf[4096];
	ssize_t n;

	while ((n = read(master, buf, sizeof(buf))) > 0) {
		fwrite(buf, 1, (size_t)n, stdout);
		if ((size_t)n > sizeof(output) - 1 - len)
			n = (ssize_t)(sizeof(output) - 1 - len);
		memcpy(output + len, buf, (size_t)n);
		len += (size_t)n;
		if (keys && strstr(output, pattern)) {
			type(master, keys);
			keys = NULL;
		}
	}
}

int main(int argc, char **argv)
{
	struct termios before, after;
	int master, slave, status;
	bool same;
	pid_t pid;

	if (argc < 4)
		return 2;
	alarm(600);
	/* What came before a hang is to be seen. */
	setvbuf(stdout, NULL, _IONBF, 0);
	if (openpty(&master, &slave, NULL, NULL, NULL) || tcgetattr(slave, &before))
		return 2;
	pid = fork();
	if (!pid) {
		close(master);
		if (!login_tty(slave))
			execvp(argv[3], argv + 3);
		_exit(127);
	}
	close(slave);
	watch(master, argv[1], argv[2]);
	waitpid(pid, &status, 0);
	if (tcgetattr(master, &after))
		return 2;
	same = before.c_lflag == after.c_lflag && before.c_oflag == after.c_oflag &&
	       before.c_iflag == after.c_iflag;
	printf("\nterminal %s\n", same ? "restored" : "changed");
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
