// SPDX-License-Identifier: GPL-2.0
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../libvmm/fleet.h"
#include "../units.h"

#define SUFFIX ".sock"

enum order { UNLINK, RENAME, LIMIT, PEER };

/**
 * struct keeper_order - what a VM asks for; of PEER a socket comes with it
 * @order: enum order
 * @index: which of its paths
 * @id: of the VM to limit
 * @name: to rename the socket to, without its folder and suffix
 */
struct keeper_order {
	uint32_t order;
	uint32_t index;
	uint64_t id;
	char name[NAME_MAX + 1];
};

struct keeper_answer {
	int32_t ret; /* 0 or -errno; -1 of LIMIT: see err */
	struct error err;
};

/* On both sides: what each path is by now. */
static struct keeper_config config;
static char *path[KEEPER_PATHS];
static int channel = -1;

/* ---- the keeper ---- */

/* The new name must not be there: a link fails then, and rename() would not. */
static int move(const char *from, const char *to)
{
	if (link(from, to))
		return -errno;
	return unlink(from) ? -errno : 0;
}

/* In the same folder, for a name that a VM may have, and nobody else's. */
static int rename_path(uint32_t index, const char *name)
{
	const char *slash = strrchr(path[index], '/');
	char *to = NULL;
	int ret;

	if (!slash || !name_valid(name))
		return -EINVAL;
	if (asprintf(&to, "%.*s/%s" SUFFIX, (int)(slash - path[index]), path[index], name) < 0)
		return -ENOMEM;
	ret = move(path[index], to);
	if (ret) {
		free(to);
		return ret;
	}
	free(path[index]);
	path[index] = to;
	return 0;
}

/* Only a VM of the process that asks. */
static int limit_vm(uint64_t id, pid_t client, struct error *err)
{
	struct fleet *fleet = fleet_open(err);
	struct fleet_vm *vms = NULL;
	size_t count = 0, i;
	int ret = fleet ? fleet_list(fleet, &vms, &count, err) : -1;

	for (i = 0; !ret && i < count; i++) {
		if (vms[i].id == id && vms[i].pid == (uint32_t)client)
			break;
	}
	if (!ret && i == count)
		ret = fault(err, EX_NOPERM, "the VM to be limited is another process's");
	if (!ret)
		ret = fleet_limit_cpu(fleet, id, config.cpu_limit, err);
	free(vms);
	fleet_close(fleet);
	return ret;
}

/* Root and who started the VM: who that is can be told outside of its namespaces only. */
static int check_peer(int socket)
{
	struct ucred who;
	socklen_t len = sizeof(who);

	if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &who, &len))
		return -errno;
	return who.uid && who.uid != geteuid() ? -EPERM : 0;
}

static int obey(struct keeper_order *o, int socket, pid_t client, struct error *err)
{
	if (o->order == PEER)
		return check_peer(socket);
	o->name[sizeof(o->name) - 1] = '\0';
	if (o->order == LIMIT && config.cpu_limit)
		return limit_vm(o->id, client, err);
	if (o->index >= config.paths)
		return -EINVAL;
	switch (o->order) {
	case UNLINK:
		return unlink(path[o->index]) ? -errno : 0;
	case RENAME:
		return rename_path(o->index, o->name);
	default:
		return -EINVAL;
	}
}

/* An order, and the socket that has come with it, or -1. */
static bool receive(int fd, struct keeper_order *o, int *socket)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { o, sizeof(*o) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.buf,
			      /* With padding there is room for two. */
			      .msg_controllen = CMSG_LEN(sizeof(int)) };
	ssize_t n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&msg);

	*socket = -1;
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		memcpy(socket, CMSG_DATA(c), sizeof(*socket));
	return n == sizeof(*o);
}

static void __attribute__((noreturn)) keep(int fd, pid_t client)
{
	struct keeper_answer answer;
	struct keeper_order o;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), socket;

	prctl(PR_SET_NAME, "vmctl-keeper");
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	/* Signals to the terminal's processes are for the VM; nobody waits for these files. */
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGTSTP, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	dup2(fd, STDERR_FILENO + 1);
	close_range(STDERR_FILENO + 2, ~0u, 0);
	fd = STDERR_FILENO + 1;
	while (receive(fd, &o, &socket)) {
		memset(&answer, 0, sizeof(answer));
		answer.ret = obey(&o, socket, client, &answer.err);
		if (socket >= 0)
			close(socket);
		(void)!send(fd, &answer, sizeof(answer), MSG_NOSIGNAL);
	}
	_exit(0);
}

int keeper_start(const struct keeper_config *cfg, struct error *err)
{
	pid_t client = getpid(), pid;
	unsigned int i;
	int fds[2];

	config = *cfg;
	for (i = 0; i < cfg->paths; i++)
		path[i] = strdup(cfg->path[i]);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds))
		return fault_errno(err, EX_OSERR, errno, "sandbox: keeper");
	fflush(NULL);
	pid = fork();
	if (!pid)
		keep(fds[1], client);
	close(fds[1]);
	if (pid < 0) {
		close(fds[0]);
		return fault_errno(err, EX_OSERR, errno, "sandbox: keeper");
	}
	channel = fds[0];
	return 0;
}

/* ---- the VM ---- */

static ssize_t send_order(struct keeper_order *o, int socket)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { o, sizeof(*o) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c = &control.align;

	if (socket >= 0) {
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(socket));
		memcpy(CMSG_DATA(c), &socket, sizeof(socket));
		msg.msg_control = control.buf;
		msg.msg_controllen = sizeof(control.buf);
	}
	return sendmsg(channel, &msg, MSG_NOSIGNAL);
}

static int ask_about(struct keeper_order *o, int socket, struct keeper_answer *answer)
{
	if (send_order(o, socket) != sizeof(*o) ||
	    recv(channel, answer, sizeof(*answer), 0) != sizeof(*answer))
		return -EPIPE;
	return answer->ret;
}

static int ask(struct keeper_order *o, struct keeper_answer *answer)
{
	return ask_about(o, -1, answer);
}

static int find_path(const char *what, uint32_t *index)
{
	unsigned int i;

	for (i = 0; i < config.paths; i++) {
		if (path[i] && !strcmp(path[i], what)) {
			*index = i;
			return 0;
		}
	}
	return -ENOENT;
}

int keeper_unlink(const char *what)
{
	struct keeper_order o = { .order = UNLINK };
	struct keeper_answer answer;
	int ret;

	if (channel < 0)
		return unlink(what) ? -errno : 0;
	ret = find_path(what, &o.index);
	return ret ? ret : ask(&o, &answer);
}

int keeper_rename(const char *from, const char *to)
{
	struct keeper_order o = { .order = RENAME };
	const char *slash = strrchr(to, '/');
	struct keeper_answer answer;
	size_t len;
	int ret;

	if (channel < 0)
		return move(from, to);
	ret = find_path(from, &o.index);
	len = slash ? strlen(slash + 1) : 0;
	if (ret || len <= strlen(SUFFIX) || len - strlen(SUFFIX) >= sizeof(o.name))
		return ret ? ret : -EINVAL;
	memcpy(o.name, slash + 1, len - strlen(SUFFIX));
	ret = ask(&o, &answer);
	if (!ret) {
		free(path[o.index]);
		path[o.index] = strdup(to);
	}
	return ret;
}

int keeper_limit(uint64_t id, unsigned int percent, struct error *err)
{
	struct keeper_order o = { .order = LIMIT, .id = id };
	struct keeper_answer answer;
	struct fleet *fleet;
	int ret;

	if (channel < 0) {
		fleet = fleet_open(err);
		ret = fleet ? fleet_limit_cpu(fleet, id, percent, err) : -1;
		fleet_close(fleet);
		return ret;
	}
	ret = ask(&o, &answer);
	if (ret == -1)
		*err = answer.err;
	else if (ret)
		fault_errno(err, EX_OSERR, ret, "limit, by the keeper");
	return ret ? -1 : 0;
}

int keeper_peer(int socket)
{
	struct keeper_order o = { .order = PEER };
	struct keeper_answer answer;

	int ret = channel < 0 ? -EPIPE : ask_about(&o, socket, &answer);

	/* Without a keeper root may be missed, but nobody is taken for root or the owner. */
	return ret == -EPIPE ? check_peer(socket) : ret;
}
