// SPDX-License-Identifier: GPL-2.0
#include "control.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "../files.h"
#include "../machine/machine.h"
#include "../sandbox/keeper.h"
#include "../units.h"
#include "../vmctl.h"
#include "commands.h"
#include "paths.h"

#define PIPE_SIZE (4 * CONSOLE_RING) /* what a console writes out at the end fits */
#define LOG_TAIL  4096               /* what a reader gets of what was before */
#define LOG_MAX   (4 << 20)          /* it lies in memory, in most hosts' */
#define SPARES    4                  /* descriptors for connections, whatever the guest takes */
#define AGAIN_MS  500                /* without them nobody is accepted for so long */

/**
 * struct peer - a connection
 * @src: its descriptor
 * @c: what it is connected to
 * @next: of the list
 * @console: it is no longer asked but a console
 * @waits: it wants to know how the VM ends
 * @leaving: device whose end it wants to know of, or ""
 * @file: what came with a request, for the command to take
 * @files: how many
 * @len: bytes in @line
 * @line: a request, as far as it has come
 */
struct peer {
	struct loop_source src;
	struct control *c;
	struct peer *next;
	bool console, waits;
	char leaving[VIRTIO_NAME_MAX];
	int file[FILES_OFFERED_MAX];
	unsigned int files;
	size_t len;
	char line[CONTROL_LINE];
};

/**
 * struct control - the socket and the console's other ends
 * @m: the machine, while there is one
 * @listener: the socket
 * @again: a timer: look at the socket again
 * @spare: descriptors that are there to be closed
 * @spares: how many
 * @output: what the console writes; -1, like the next two: it is the terminal
 * @input: what the console reads, this end
 * @log: its log
 * @peers: connections
 * @count: how many
 * @addr: where the socket is
 * @folder: that, without the name
 * @name: of the VM
 * @log_path: where the log is
 */
struct control {
	struct machine *m;
	struct loop_source listener, again, output;
	int spare[SPARES];
	unsigned int spares;
	int input, log;
	struct peer *peers;
	unsigned int count;
	struct sockaddr_un addr;
	char folder[PATH_MAX], name[64], log_path[PATH_MAX + 80];
};

/* ---- connections ---- */

static void close_files(struct peer *p)
{
	while (p->files)
		close(p->file[--p->files]);
}

static void fill_spares(struct control *c)
{
	int fd = 0;

	while (c->spares < SPARES && fd >= 0) {
		fd = fcntl(c->listener.fd, F_DUPFD_CLOEXEC, 0);
		if (fd >= 0)
			c->spare[c->spares++] = fd;
	}
}

static void peer_drop(struct peer *p)
{
	struct peer **at = &p->c->peers;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	p->c->count--;
	if (p->c->m)
		loop_unwatch(&p->c->m->loop, &p->src);
	close(p->src.fd);
	close_files(p);
	fill_spares(p->c);
	free(p);
}

/* Who does not read is not waited for. */
static int peer_send(struct peer *p, const void *data, size_t len)
{
	return send(p->src.fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len ? 0 : -1;
}

static int peer_answer(struct peer *p, json_t *answer)
{
	char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
	int ret = -1;

	json_decref(answer);
	if (text) {
		ret = peer_send(p, text, strlen(text));
		ret = ret ? ret : peer_send(p, "\n", 1);
	}
	free(text);
	return ret;
}

static int peer_refuse(struct peer *p, const struct error *err)
{
	return peer_answer(p, json_pack("{s:b, s:s}", "ok", 0, "error", err->text));
}

static ssize_t read_tail(const struct control *c, char tail[LOG_TAIL])
{
	off_t size = lseek(c->log, 0, SEEK_END);

	return pread(c->log, tail, LOG_TAIL, size > LOG_TAIL ? size - LOG_TAIL : 0);
}

static int send_tail(struct peer *p)
{
	char tail[LOG_TAIL];
	ssize_t n = read_tail(p->c, tail);

	return n > 0 ? peer_send(p, tail, (size_t)n) : 0;
}

/* The VM keeps the name that its socket has. */
static int name_back(struct control *c, int ret)
{
	struct error err;

	(void)vmm_vm_name(&c->m->vm, c->name, NULL, &err);
	return ret;
}

static int rename_vm(struct control *c, const json_t *request, struct error *err)
{
	const char *name = json_string_value(json_object_get(request, "name"));
	struct sockaddr_un to;
	int ret;

	if (!name || !name_valid(name))
		return fault(err, 1, "a name is a letter, then letters, digits and any of -_.:@+");
	if (control_address(c->folder, name, &to, err))
		return -1;
	if (vmm_vm_name(&c->m->vm, name, NULL, err))
		return -1;
	ret = keeper_rename(c->addr.sun_path, to.sun_path);
	if (ret == -EEXIST)
		return name_back(c, fault(err, 1, "another VM has the socket %s", to.sun_path));
	if (ret)
		return name_back(c, fault_errno(err, 1, ret, "socket %s", to.sun_path));
	c->addr = to;
	snprintf(c->name, sizeof(c->name), "%s", name);
	return 0;
}

/* Who waits for something to end. */
static void add_waiters(const struct control *c, json_t *info)
{
	int machine = 0, device = 0;
	const struct peer *p;

	for (p = c->peers; p; p = p->next) {
		machine += p->waits;
		device += p->leaving[0] != '\0';
	}
	json_object_set_new(info, "waiters", json_integer(machine));
	json_object_set_new(info, "detaching", json_integer(device));
}

static json_t *become_console(struct peer *p, struct error *err)
{
	if (p->c->log < 0) {
		fault(err, 1, "the console of VM %s is where vmctl run was called", p->c->name);
		return NULL;
	}
	p->console = true;
	return json_pack("{s:s}", "log", p->c->log_path);
}

/* What concerns the connection or the socket, and then the machine. */
static json_t *own_command(struct peer *p, const char *cmd, const json_t *request,
			   struct error *err)
{
	json_t *answer;

	if (!strcmp(cmd, "console"))
		return become_console(p, err);
	if (!strcmp(cmd, "wait")) {
		p->waits = true;
		return json_object();
	}
	if (!strcmp(cmd, "rename"))
		return rename_vm(p->c, request, err) ? NULL : json_object();
	files_offer(p->file, p->files);
	p->files = 0;
	answer = control_command(p->c->m, cmd, request, err);
	files_offer(NULL, 0);
	/* The event comes later, from the loop. */
	if (answer && !strcmp(cmd, "detach"))
		snprintf(p->leaving, sizeof(p->leaving), "%s",
			 json_string_value(json_object_get(request, "id")));
	if (answer && !strcmp(cmd, "info"))
		add_waiters(p->c, answer);
	return answer;
}

static int peer_request(struct peer *p, const char *line, size_t len)
{
	json_t *request = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL), *answer = NULL;
	const char *cmd = json_string_value(json_object_get(request, "cmd"));
	struct error err;
	int ret;

	if (!cmd)
		fault(&err, 1, "a request is a line with a JSON object and \"cmd\" in it");
	else
		answer = own_command(p, cmd, request, &err);
	json_decref(request);
	if (!answer)
		return peer_refuse(p, &err);
	json_object_set_new(answer, "ok", json_true());
	ret = peer_answer(p, answer);
	return !ret && p->console ? send_tail(p) : ret;
}

/* All lines that are complete; what is behind the one that asks for the console is typed. */
static int peer_lines(struct peer *p)
{
	char *end;
	size_t len;

	while (!p->console && (end = memchr(p->line, '\n', p->len))) {
		len = (size_t)(end - p->line) + 1;
		if (peer_request(p, p->line, len))
			return -1;
		p->len -= len;
		memmove(p->line, p->line + len, p->len);
	}
	if (!p->console)
		return p->len < sizeof(p->line) ? 0 : -1;
	/* More than the pipe holds has been typed ahead: it is lost. */
	(void)!write(p->c->input, p->line, p->len);
	p->len = 0;
	return 0;
}

/* Those of one message; a second one's take the place of the first one's. */
static void take_files(struct peer *p, struct msghdr *msg)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);

	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return;
	close_files(p);
	p->files = (unsigned int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
	memcpy(p->file, CMSG_DATA(c), p->files * sizeof(int));
}

static ssize_t peer_receive(struct peer *p)
{
	union {
		char buf[CMSG_SPACE(FILES_OFFERED_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { p->line + p->len, sizeof(p->line) - p->len };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.buf,
			      .msg_controllen = sizeof(control.buf) };
	ssize_t n = recvmsg(p->src.fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n > 0)
		take_files(p, &msg);
	return n;
}

static void peer_ready(void *opaque)
{
	struct peer *p = opaque;
	ssize_t n = peer_receive(p);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		p->len += (size_t)n;
	if (n <= 0 || peer_lines(p))
		peer_drop(p);
}

/* Root and the VM's user. */
static int check_peer(int fd, struct error *err)
{
	int ret = keeper_peer(fd);

	if (ret == -EPERM)
		return fault(err, EX_NOPERM, "the VM is another user's");
	return ret ? fault_errno(err, EX_OSERR, ret, "peer's credentials") : 0;
}

static int peer_greet(struct peer *p)
{
	struct error err;

	if (check_peer(p->src.fd, &err)) {
		peer_refuse(p, &err);
		return -1;
	}
	return peer_answer(p, json_pack("{s:b, s:s, s:i, s:s}", "ok", 1, "vmctl", VMCTL_VERSION,
					"protocol", CONTROL_PROTOCOL, "name", p->c->name));
}

/* A guest can use up what its process has of descriptors, by its network at the latest. */
static int accept_fd(struct control *c)
{
	int fd = accept4(c->listener.fd, NULL, NULL, SOCK_CLOEXEC);

	while (fd < 0 && errno == EMFILE && c->spares) {
		close(c->spare[--c->spares]);
		fd = accept4(c->listener.fd, NULL, NULL, SOCK_CLOEXEC);
	}
	return fd;
}

/* false: there was none, or it could not be accepted, as errno says. */
static bool accept_peer(struct control *c)
{
	int fd = accept_fd(c);
	struct peer *p;

	if (fd < 0)
		return false;
	p = c->count < CONTROL_PEERS ? calloc(1, sizeof(*p)) : NULL;
	if (!p) {
		close(fd);
		return true;
	}
	p->src = (struct loop_source){ fd, peer_ready, p, false };
	p->c = c;
	p->next = c->peers;
	c->peers = p;
	c->count++;
	if ((c->m && loop_watch(&c->m->loop, &p->src)) || peer_greet(p))
		peer_drop(p);
	return true;
}

/* Whoever cannot be accepted is there again at once, and would have the loop do nothing else. */
static void listener_ready(void *opaque)
{
	const struct itimerspec soon = { .it_value.tv_nsec = AGAIN_MS * 1000000l };
	struct control *c = opaque;

	if (accept_peer(c) || errno == EAGAIN)
		return;
	loop_unwatch(&c->m->loop, &c->listener);
	timerfd_settime(c->again.fd, 0, &soon, NULL);
}

static void again_ready(void *opaque)
{
	struct control *c = opaque;
	uint64_t count;

	(void)!read(c->again.fd, &count, sizeof(count));
	fill_spares(c);
	if (loop_watch(&c->m->loop, &c->listener))
		machine_say(c->m, "the control socket cannot be watched any more");
}

/* ---- the console ---- */

/* A guest that writes on and on fills nobody's file system. */
static void limit_log(struct control *c)
{
	char tail[LOG_TAIL];
	ssize_t n;

	if (lseek(c->log, 0, SEEK_END) < LOG_MAX)
		return;
	n = read_tail(c, tail);
	if (ftruncate(c->log, 0) || n <= 0)
		return;
	dprintf(c->log, "vmctl: %s: the log had %d MiB: this is its end\n", c->name, LOG_MAX >> 20);
	(void)!write(c->log, tail, (size_t)n);
}

static bool pass_output(struct control *c)
{
	struct peer *p, *next;
	char data[4096];
	ssize_t n = read(c->output.fd, data, sizeof(data));

	if (n <= 0)
		return false;
	(void)!write(c->log, data, (size_t)n);
	limit_log(c);
	for (p = c->peers; p; p = next) {
		next = p->next;
		if (p->console && peer_send(p, data, (size_t)n))
			peer_drop(p);
	}
	return true;
}

static void output_ready(void *opaque)
{
	pass_output(opaque);
}

/* ---- beginning and end ---- */

/* A socket that nobody listens at is what a VM has left that was killed. */
static int remove_stale(const struct sockaddr_un *addr, const char *name, struct error *err)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), ret;

	if (fd < 0)
		return fault_errno(err, EX_OSERR, errno, "control socket");
	ret = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) ? errno : 0;
	close(fd);
	if (ret == ENOENT)
		return 0;
	if (ret == ECONNREFUSED)
		return unlink(addr->sun_path) && errno != ENOENT
			       ? fault_errno(err, EX_CANTCREAT, errno, "%s", addr->sun_path)
			       : 0;
	return fault(err, EX_TEMPFAIL, "a VM called %s is running already", name);
}

/*
 * Nobody would start another VM of a name that has a process number in it: those that were killed
 * leave sockets which others look for.
 */
static void remove_unnamed(const char *folder)
{
	struct sockaddr_un addr;
	struct dirent *entry;
	struct error err;
	DIR *dir = opendir(folder);
	char name[32];
	int pid, end;

	while (dir && (entry = readdir(dir))) {
		end = 0;
		if (sscanf(entry->d_name, "vm-%d.sock%n", &pid, &end) != 1 || !end ||
		    entry->d_name[end] || pid <= 0 || !kill(pid, 0) || errno != ESRCH)
			continue;
		snprintf(name, sizeof(name), "vm-%d", pid);
		if (!control_address(folder, name, &addr, &err))
			remove_stale(&addr, name, &err);
	}
	if (dir)
		closedir(dir);
}

static int listen_at(struct control *c, struct error *err)
{
	mode_t mask = umask(0177);
	int ret;

	c->listener.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ret = c->listener.fd < 0 ||
	      bind(c->listener.fd, (struct sockaddr *)&c->addr, sizeof(c->addr)) ||
	      listen(c->listener.fd, CONTROL_PEERS);
	umask(mask);
	c->again.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (ret || c->again.fd < 0)
		return fault_errno(err, EX_CANTCREAT, errno, "control socket %s", c->addr.sun_path);
	fill_spares(c);
	return 0;
}

/* One at a time looks for stale sockets, and makes its own. */
static int open_socket(struct control *c, struct error *err)
{
	int lock, ret;

	run_folder(geteuid(), c->folder);
	if (control_address(c->folder, c->name, &c->addr, err) || run_folder_make(c->folder, err))
		return -1;
	lock = open(c->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (lock < 0 || flock(lock, LOCK_EX))
		ret = fault_errno(err, EX_CANTCREAT, errno, "folder for sockets %s", c->folder);
	else
		ret = remove_stale(&c->addr, c->name, err) ? -1 : listen_at(c, err);
	if (!ret)
		remove_unnamed(c->folder);
	if (lock >= 0)
		close(lock);
	return ret;
}

static int open_log(struct control *c, struct error *err)
{
	snprintf(c->log_path, sizeof(c->log_path), "%s/%s.log", c->folder, c->name);
	c->log = open(c->log_path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW,
		      0600);
	return c->log < 0 ? fault_errno(err, EX_CANTCREAT, errno, "log %s", c->log_path) : 0;
}

/* The console's ends become standard input and output. */
static int open_pipes(struct control *c, struct error *err)
{
	int out[2], in[2];

	if (pipe2(out, O_CLOEXEC) || pipe2(in, O_CLOEXEC))
		return fault_errno(err, EX_OSERR, errno, "pipes for the console");
	c->output.fd = out[0];
	c->input = in[1];
	fcntl(out[1], F_SETPIPE_SZ, PIPE_SIZE);
	fcntl(in[1], F_SETFL, O_NONBLOCK);
	if (dup2(out[1], STDOUT_FILENO) < 0 || dup2(in[0], STDIN_FILENO) < 0)
		return fault_errno(err, EX_OSERR, errno, "pipes for the console");
	close(out[1]);
	close(in[0]);
	return 0;
}

struct control *control_open(const char *name, struct error *err)
{
	struct control *c = calloc(1, sizeof(*c));

	if (!c) {
		fault(err, EX_OSERR, "out of memory");
		return NULL;
	}
	c->listener = (struct loop_source){ -1, listener_ready, c, false };
	c->again = (struct loop_source){ -1, again_ready, c, false };
	c->output = (struct loop_source){ -1, output_ready, c, false };
	c->input = -1;
	c->log = -1;
	/* Jansson would open the host's source of entropy when it makes its first object. */
	json_object_seed(0);
	snprintf(c->name, sizeof(c->name), "%s", name);
	if (open_socket(c, err)) {
		/* It is another VM's, or there is none. */
		c->addr.sun_path[0] = '\0';
		control_close(c, 0);
		return NULL;
	}
	return c;
}

int control_take_console(struct control *c, struct error *err)
{
	return open_log(c, err) || open_pipes(c, err) ? -1 : 0;
}

const char *control_name(const struct control *c)
{
	return c->name;
}

const char *control_socket(const struct control *c)
{
	return c->addr.sun_path;
}

int control_log_fd(const struct control *c)
{
	return c->log;
}

int control_attach(struct control *c, struct machine *m, struct error *err)
{
	struct peer *p;
	int ret;

	c->m = m;
	/* Also what is said of one machine after the other. */
	if (c->log >= 0)
		limit_log(c);
	ret = loop_watch(&m->loop, &c->listener);
	ret = ret ? ret : loop_watch(&m->loop, &c->again);
	if (!ret && c->output.fd >= 0)
		ret = loop_watch(&m->loop, &c->output);
	for (p = c->peers; p && !ret; p = p->next)
		ret = loop_watch(&m->loop, &p->src);
	return ret ? fault_errno(err, EX_OSERR, ret, "control socket") : 0;
}

void control_detach(struct control *c)
{
	struct peer *p;

	if (!c->m)
		return;
	loop_unwatch(&c->m->loop, &c->listener);
	loop_unwatch(&c->m->loop, &c->again);
	loop_unwatch(&c->m->loop, &c->output);
	for (p = c->peers; p; p = p->next)
		loop_unwatch(&c->m->loop, &p->src);
	c->m = NULL;
}

void control_detached(struct control *c, const char *id)
{
	struct peer *p;

	for (p = c->peers; p; p = p->next) {
		if (p->console || strcmp(p->leaving, id))
			continue;
		p->leaving[0] = '\0';
		if (peer_answer(p, json_pack("{s:b, s:s, s:s}", "ok", 1, "event", "detached", "id",
					     id)))
			/* Its request may be the one that is served: the loop finds it closed. */
			shutdown(p->src.fd, SHUT_RDWR);
	}
}

void control_close(struct control *c, int status)
{
	struct peer *p, *next;

	/* No VM writes any more: what it has written is read to the end. */
	if (c->output.fd >= 0) {
		fcntl(c->output.fd, F_SETFL, O_NONBLOCK);
		while (pass_output(c))
			;
	}
	if (c->addr.sun_path[0])
		keeper_unlink(c->addr.sun_path);
	/* Also those whose connection or request has not been looked at yet. */
	while (c->listener.fd >= 0 && accept_peer(c))
		;
	for (p = c->peers; p; p = next) {
		next = p->next;
		if (!p->console)
			peer_answer(p, json_pack("{s:b, s:s, s:i}", "ok", 1, "event", "ended",
						 "status", status));
		peer_drop(p);
	}
	while (c->spares)
		close(c->spare[--c->spares]);
	if (c->listener.fd >= 0)
		close(c->listener.fd);
	if (c->again.fd >= 0)
		close(c->again.fd);
	if (c->output.fd >= 0)
		close(c->output.fd);
	if (c->input >= 0)
		close(c->input);
	if (c->log >= 0)
		close(c->log);
	free(c);
}
