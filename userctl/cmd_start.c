// SPDX-License-Identifier: GPL-2.0
/* vmctl start: a VM in the background, whose console is at its control socket. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/control.h"
#include "definition.h"
#include "run.h"
#include "vmctl.h"

/* struct starter - who waits for the VM to be there */
struct starter {
	int fd;      /* gets a struct error, with status 0 if there is none; or -1 */
	int systemd; /* socket of systemd, or -1 */
};

/* All that its protocol asks for (sd_notify(3)): a datagram to the socket that it names. */
static int connect_systemd(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	size_t len = path ? strlen(path) : 0;
	int fd;

	if (!len || len >= sizeof(addr.sun_path))
		return -1;
	memcpy(addr.sun_path, path, len);
	if (path[0] == '@')
		addr.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&addr,
			       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len))) {
		close(fd);
		return -1;
	}
	return fd;
}

static void tell(struct starter *s, const struct error *err)
{
	if (s->fd < 0)
		return;
	(void)!write(s->fd, err, sizeof(*err));
	close(s->fd);
	s->fd = -1;
}

static void ready(void *opaque)
{
	const struct error none = { 0 };
	struct starter *s = opaque;

	tell(s, &none);
	if (s->systemd >= 0)
		(void)!send(s->systemd, "READY=1", 7, MSG_NOSIGNAL);
}

/* In the process that is the VM, until its end. */
static int serve(struct run_options *o, int fd)
{
	struct control *c = control_open(o->cfg.name, &o->err);
	struct starter s = { fd, connect_systemd() };
	int status = -1;

	if (c && !control_take_console(c, &o->err)) {
		/* What there is to say is said where the console is. */
		if (fd >= 0)
			dup2(control_log_fd(c), STDERR_FILENO);
		o->cfg.control = c;
		o->cfg.name = control_name(c);
		o->ready = ready;
		o->opaque = &s;
		status = run_vm(o);
	}
	if (status < 0) {
		status = fd < 0 || s.fd < 0 ? report(&o->err) : o->err.status;
		tell(&s, &o->err);
	}
	if (c)
		control_close(c, status);
	return status;
}

/* The VM's process belongs to no terminal and no shell. */
static int detach(struct run_options *o)
{
	struct error err;
	int fds[2];
	pid_t pid;

	if (pipe(fds))
		return fault_errno(&o->err, EX_OSERR, errno, "pipe"), report(&o->err);
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return fault_errno(&o->err, EX_OSERR, errno, "cannot start a process"),
		       report(&o->err);
	if (!pid) {
		close(fds[0]);
		setsid();
		exit(serve(o, fds[1]));
	}
	close(fds[1]);
	if (read(fds[0], &err, sizeof(err)) != sizeof(err))
		fault(&err, EX_SOFTWARE, "the VM's process has died before the VM ran");
	close(fds[0]);
	return err.status ? report(&err) : 0;
}

/* Take an argument out of the command line. */
static bool cut_argument(int *argc, char **argv, const char *what)
{
	int i;

	for (i = 1; i < *argc; i++) {
		if (strcmp(argv[i], what))
			continue;
		memmove(argv + i, argv + i + 1, (size_t)(*argc - i) * sizeof(*argv));
		(*argc)--;
		return true;
	}
	return false;
}

/* NAME, whose definition comes first, then options. */
static int parse(int argc, char **argv, struct run_options *o)
{
	int found = 0;

	run_defaults(o);
	o->restart = true;
	if (argc > 1 && argv[1][0] != '-') {
		if (run_option(o, "name", argv[1]))
			return -1;
		found = definition_find(argv[1], o);
		if (found < 0)
			return -1;
		argv[1] = argv[0];
		argc--;
		argv++;
	}
	if (run_parse(argc, argv, o)) {
		if (found && !o->cfg.boot.kernel && !o->cfg.firmware)
			fault(&o->err, EX_NOINPUT,
			      "VM %s has no definition in ~/.config/vmm and /etc/vmm, and no --kernel is given",
			      o->cfg.name);
		return -1;
	}
	if (!o->cfg.named)
		return fault(&o->err, EX_USAGE, "start needs a name: vmctl start NAME");
	return 0;
}

int cmd_start(int argc, char **argv)
{
	bool foreground = cut_argument(&argc, argv, "--foreground");
	struct run_options o;

	if (parse(argc, argv, &o))
		return report(&o.err);
	return foreground ? serve(&o, -1) : detach(&o);
}
