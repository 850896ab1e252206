// SPDX-License-Identifier: GPL-2.0
#include "blk_server.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../sandbox/helper.h"

#define OUTPUT_MAX  (256u << 10)
#define LISTENER    3 /* where systemd's protocol has the first socket */
#define LOCK_MS     1000
#define LOCK_PAUSE  50000 /* microseconds */
#define END_MS      30000
#define NOT_FOUND   127
#define NOT_LIMITED 126

/**
 * struct child - a program of QEMU's
 * @pid: it
 * @parent: it ends with this process; 0: it does not
 * @out: what it writes, or -1
 * @err: what it says
 * @writes: it may change the image
 */
struct child {
	pid_t pid, parent;
	int out, err;
	bool writes;
};

/* ---- programs ---- */

/* As one word of a list: commas stand twice. */
static char *image_opts(const char *path, bool block)
{
	const char *driver = block ? "host_device" : "file", *p;
	char *opts = NULL;
	size_t len;
	FILE *out = open_memstream(&opts, &len);

	if (!out)
		return NULL;
	fprintf(out, "driver=qcow2,file.driver=%s,file.filename=", driver);
	for (p = path; *p; p++) {
		if (*p == ',')
			fputc(',', out);
		fputc(*p, out);
	}
	if (!fclose(out))
		return opts;
	free(opts);
	return NULL;
}

static bool tie(pid_t parent)
{
	return !parent || (!prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) && getppid() == parent);
}

static void __attribute__((noreturn))
become(const struct child *c, const char *const *argv, int listener, int out, int err,
       const struct blk_image *image)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	char pid[16];

	/* The terminal's signals are for the VM: it would end before the guest has flushed. */
	setsid();
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	dup2(null, STDIN_FILENO);
	dup2(out >= 0 ? out : null, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	if (listener >= 0) {
		setenv("LISTEN_PID", pid, 1);
		setenv("LISTEN_FDS", "1", 1);
		/* Where it is there already, it is to stay. */
		if (listener == LISTENER)
			fcntl(listener, F_SETFD, 0);
		else
			dup2(listener, LISTENER);
	}
	close_range(listener >= 0 ? LISTENER + 1 : LISTENER, ~0u, 0);
	/* Messages are looked at. */
	setenv("LC_ALL", "C", 1);
	if (sandbox_helper(image->path, c->writes) || !tie(c->parent))
		_exit(NOT_LIMITED);
	execvp(argv[0], (char *const *)argv);
	_exit(NOT_FOUND);
}

/* @listener: its own socket, at which it listens, or -1: what it writes is read. */
static int spawn(struct child *c, const char *const *argv, int listener,
		 const struct blk_image *image, struct error *err)
{
	int out[2] = { -1, -1 }, errs[2];

	if (pipe2(errs, O_CLOEXEC))
		return fault_errno(err, EX_OSERR, errno, "disk %s", image->path);
	if (listener < 0 && pipe2(out, O_CLOEXEC)) {
		close(errs[0]);
		close(errs[1]);
		return fault_errno(err, EX_OSERR, errno, "disk %s", image->path);
	}
	fflush(NULL);
	c->pid = fork();
	if (!c->pid)
		become(c, argv, listener, out[1], errs[1], image);
	close(errs[1]);
	if (out[1] >= 0)
		close(out[1]);
	c->out = out[0];
	c->err = errs[0];
	if (c->pid > 0)
		return 0;
	close(c->err);
	if (c->out >= 0)
		close(c->out);
	return fault_errno(err, EX_OSERR, errno, "disk %s: %s", image->path, argv[0]);
}

/* struct text - what comes out of a pipe */
struct text {
	char *at;
	size_t len;
};

/* False at its end, and for more than anybody would read. */
static bool read_some(int fd, struct text *t)
{
	char buf[4096], *more;
	ssize_t n = read(fd, buf, sizeof(buf));

	if (n < 0 && errno == EINTR)
		return true;
	if (n <= 0 || t->len + (size_t)n > OUTPUT_MAX)
		return false;
	more = realloc(t->at, t->len + (size_t)n + 1);
	if (!more)
		return false;
	memcpy(more + t->len, buf, (size_t)n);
	t->at = more;
	t->len += (size_t)n;
	more[t->len] = '\0';
	return true;
}

/* Until it has ended: its exit status. */
static int hear_out(struct child *c, struct text *out, struct text *errs)
{
	struct pollfd p[2] = { { c->out, POLLIN, 0 }, { c->err, POLLIN, 0 } };
	int status;

	while (p[0].fd >= 0 || p[1].fd >= 0) {
		if (poll(p, 2, -1) < 0)
			continue;
		if (p[0].revents && !read_some(c->out, out))
			p[0].fd = -1;
		if (p[1].revents && !read_some(c->err, errs))
			p[1].fd = -1;
	}
	if (c->out >= 0)
		close(c->out);
	close(c->err);
	while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- what can be wrong ---- */

static bool about_lock(const char *text)
{
	return strstr(text, "Failed to get ") && strstr(text, "\" lock");
}

/* What @program says first; of the image itself by the options, which are no name. */
static const char *sentence(const char *program, char *text)
{
	static const char by_options[] = "Could not open 'driver=";
	char *said = strstr(text, program), *rest;

	said = said && !strncmp(said + strlen(program), ": ", 2) ? said + strlen(program) + 2
								 : text;
	said[strcspn(said, "\n")] = '\0';
	rest = strncmp(said, by_options, sizeof(by_options) - 1) ? NULL : strstr(said, "': ");
	return rest ? rest + 3 : said;
}

static int explain(const struct blk_image *image, const char *program, int status, char *text,
		   struct error *err)
{
	int code = EX_DATAERR;

	if (status == NOT_FOUND)
		return fault(err, EX_UNAVAILABLE,
			     "disk %s: %s cannot be started: install the package qemu-utils",
			     image->path, program);
	if (!text)
		return fault(err, EX_OSERR, "disk %s: %s ended with status %d", image->path,
			     program, status);
	if (about_lock(text) && strstr(text, "backing file"))
		return fault(err, EX_TEMPFAIL,
			     "disk %s: another process writes the image that it lies on: end that",
			     image->path);
	if (about_lock(text))
		return fault(err, EX_TEMPFAIL,
			     "disk %s: another process uses it%s: end that one, or both take ,ro",
			     image->path, image->readonly ? " and may write it" : "");
	if (strstr(text, "No such file") || strstr(text, "Permission denied"))
		code = EX_NOINPUT;
	return fault(err, code, "disk %s: %s", image->path, sentence(program, text));
}

/* ---- before it is served ---- */

static int check_file(const struct blk_image *image, bool *block, struct error *err)
{
	int fd = open(image->path,
		      (image->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	int ret;

	if (fd < 0 && errno == ENOENT)
		return fault(err, EX_NOINPUT,
			     "disk %s: No such file or directory; \"qemu-img create -f qcow2\" %s",
			     image->path, "makes one");
	if (fd < 0)
		return fault_errno(err, EX_NOINPUT, errno, "disk %s", image->path);
	ret = fstat(fd, &st);
	close(fd);
	*block = S_ISBLK(st.st_mode);
	if (!ret && (S_ISREG(st.st_mode) || *block))
		return 0;
	return fault(err, EX_NOINPUT, "disk %s: neither a file nor a block device", image->path);
}

/* A backing file whose format is not said would be taken for what its guest has made of it. */
static int check_chain(const struct blk_image *image, const json_t *chain, struct error *err)
{
	const char *behind, *format;
	json_t *link;
	size_t i;

	if (!json_array_size(chain))
		return fault(err, EX_DATAERR, "disk %s: qemu-img says nothing of it", image->path);
	json_array_foreach(chain, i, link)
	{
		behind = json_string_value(json_object_get(link, "backing-filename"));
		format = json_string_value(json_object_get(link, "backing-filename-format"));
		if (behind && !format)
			return fault(err, EX_DATAERR,
				     "disk %s: the format of its backing file %s is not said: %s",
				     image->path, behind, "qemu-img rebase -u -F says it");
	}
	return 0;
}

/* All images behind it, which are looked at without being locked. */
static int check_image(const struct blk_image *image, const char *opts, struct error *err)
{
	const char *const argv[] = { "qemu-img",
				     "info",
				     "--output=json",
				     "--force-share",
				     "--backing-chain",
				     "--image-opts",
				     opts,
				     NULL };
	struct text out = { NULL, 0 }, errs = { NULL, 0 };
	struct child c = { .parent = getpid() };
	json_t *chain;
	int status, ret;

	if (spawn(&c, argv, -1, image, err))
		return -1;
	status = hear_out(&c, &out, &errs);
	if (status) {
		ret = explain(image, argv[0], status, errs.at, err);
	} else {
		chain = out.at ? json_loads(out.at, 0, NULL) : NULL;
		ret = check_chain(image, chain, err);
		json_decref(chain);
	}
	free(out.at);
	free(errs.at);
	return ret;
}

/* ---- a server ---- */

/* In a folder of our own: nobody else comes first. */
static int bind_and_connect(int listener, int fd)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char folder[] = "/tmp/vmctl-XXXXXX";
	int ret;

	if (!mkdtemp(folder))
		return -1;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/nbd", folder);
	ret = bind(listener, (struct sockaddr *)&addr, sizeof(addr)) || listen(listener, 1) ||
	      connect(fd, (struct sockaddr *)&addr, sizeof(addr));
	/* Whoever is connected needs no name. */
	unlink(addr.sun_path);
	rmdir(folder);
	return ret ? -1 : 0;
}

static int make_sockets(int *listener, int *fd)
{
	*listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (*listener >= 0 && *fd >= 0 && !bind_and_connect(*listener, *fd))
		return 0;
	if (*listener >= 0)
		close(*listener);
	if (*fd >= 0)
		close(*fd);
	return -1;
}

/* It greets once the image is open; if it ends before, so does the connection. */
static bool greeted(int fd)
{
	char byte;
	ssize_t n;

	do {
		n = recv(fd, &byte, 1, MSG_PEEK);
	} while (n < 0 && errno == EINTR);
	return n == 1;
}

/* 0, -1, or 1: somebody has the image locked, who may be about to let it go. */
static int serve(struct blk_server *server, const struct blk_image *image, const char *opts,
		 bool tied, struct error *err)
{
	const char *const argv[] = { "qemu-nbd",
				     "--cache=writeback",
				     "--discard=unmap",
				     "--image-opts",
				     "--shared=1",
				     opts,
				     image->readonly ? "--read-only" : NULL,
				     NULL };
	struct text errs = { NULL, 0 };
	struct child c = { .parent = tied ? getpid() : 0, .writes = !image->readonly };
	int listener, ret, status;

	if (make_sockets(&listener, &server->socket))
		return fault_errno(err, EX_OSERR, errno, "disk %s: a socket for qemu-nbd",
				   image->path);
	ret = spawn(&c, argv, listener, image, err);
	close(listener);
	if (!ret && greeted(server->socket)) {
		server->life = c.err;
		server->pid = c.pid;
		return 0;
	}
	close(server->socket);
	if (ret)
		return -1;
	status = hear_out(&c, &errs, &errs);
	explain(image, argv[0], status, errs.at, err);
	free(errs.at);
	return err->status == EX_TEMPFAIL ? 1 : -1;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* What it is called, once it is there: to be freed. */
static char *find_image(const struct blk_image *image, struct error *err)
{
	bool block = false;
	char *opts;

	if (check_file(image, &block, err))
		return NULL;
	opts = image_opts(image->path, block);
	if (!opts)
		fault(err, EX_OSERR, "out of memory");
	return opts;
}

/* 0, -1, or 1 as with serve(). */
static int resize(const struct blk_image *image, const char *opts, uint64_t bytes,
		  struct error *err)
{
	char size[32];
	const char *const argv[] = { "qemu-img", "resize", "-q", "--image-opts", opts, size, NULL };
	struct text out = { NULL, 0 }, errs = { NULL, 0 };
	struct child c = { .parent = getpid(), .writes = true };
	int status;

	snprintf(size, sizeof(size), "%" PRIu64, bytes);
	if (spawn(&c, argv, -1, image, err))
		return -1;
	status = hear_out(&c, &out, &errs);
	if (status)
		explain(image, argv[0], status, errs.at, err);
	free(out.at);
	free(errs.at);
	if (!status)
		return 0;
	return err->status == EX_TEMPFAIL ? 1 : -1;
}

int blk_server_resize(const struct blk_image *image, uint64_t bytes, struct error *err)
{
	int64_t until = now_ms() + END_MS;
	char *opts = find_image(image, err);
	int ret;

	if (!opts)
		return -1;
	while ((ret = resize(image, opts, bytes, err)) > 0 && now_ms() < until)
		usleep(LOCK_PAUSE);
	free(opts);
	return ret ? -1 : 0;
}

int blk_server_start(struct blk_server *server, const struct blk_image *image, bool tied,
		     struct error *err)
{
	int64_t until = now_ms() + LOCK_MS;
	char *opts = find_image(image, err);
	int ret;

	if (!opts)
		return -1;
	ret = check_image(image, opts, err);
	if (!ret)
		ret = serve(server, image, opts, tied, err);
	while (ret > 0 && now_ms() < until) {
		usleep(LOCK_PAUSE);
		ret = serve(server, image, opts, tied, err);
	}
	free(opts);
	return ret ? -1 : 0;
}

void blk_server_end(struct blk_server *server)
{
	struct pollfd p = { .fd = server->life };

	if (server->life < 0)
		return;
	while (poll(&p, 1, END_MS) < 0 && errno == EINTR)
		;
	close(server->life);
	server->life = -1;
}
