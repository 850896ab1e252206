// SPDX-License-Identifier: GPL-2.0
/* What a process can still do whose sandbox is closed: each attempt is a process of its own. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../sandbox/keeper.h"
#include "../sandbox/sandbox.h"
#include "tap.h"

#define BY_SANDBOX (-1) /* by the sandbox */
#define NEVER      200  /* it could not be closed */

/* struct attempt - what somebody tries who has taken a VM's process over */
struct attempt {
	int (*run)(void);
	enum sandbox_role role;
	struct sandbox_config cfg;
};

/* What looks for leaks at a child's end is of no process that the sandbox lets live. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

static char said[4096];
static int share_fd = -1, status_fd = -1; /* opened before */

static void *in_thread(void *arg)
{
	const struct attempt *a = arg;

	sandbox_thread(a->role, "attempt");
	exit(a->run());
}

static void __attribute__((noreturn)) act(const struct attempt *a)
{
	struct error err;
	pthread_t thread;

	status_fd = open("/proc/self/status", O_RDONLY);
	if (sandbox_prepare(&a->cfg, &err))
		goto failed;
	if (a->cfg.shares)
		share_fd = sandbox_share(a->cfg.share[0]);
	if (sandbox_close(&err))
		goto failed;
	if (a->role == ROLE_MAIN)
		exit(a->run());
	pthread_create(&thread, NULL, in_thread, (void *)a);
	pthread_join(thread, NULL);
	exit(NEVER);
failed:
	fprintf(stderr, "%s\n", err.text);
	exit(NEVER);
}

/* BY_SANDBOX, the errno or another number that the attempt returned; said[] has what it printed. */
static int try(const struct attempt *a)
{
	size_t len = 0;
	int fds[2], status;
	ssize_t n;
	pid_t pid;

	CHECK_EQ(pipe(fds), 0);
	fflush(NULL);
	pid = fork();
	if (!pid) {
		dup2(fds[1], STDERR_FILENO);
		close(fds[0]);
		close(fds[1]);
		act(a);
	}
	close(fds[1]);
	while ((n = read(fds[0], said + len, sizeof(said) - 1 - len)) > 0)
		len += (size_t)n;
	said[len] = '\0';
	close(fds[0]);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	if (len)
		printf("# %s", said);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		return BY_SANDBOX;
	return WIFEXITED(status) ? WEXITSTATUS(status) : NEVER;
}

static void check_ended(int (*run)(void), enum sandbox_role role, const char *message)
{
	const struct attempt a = { .run = run, .role = role, .cfg = { .name = "web" } };

	CHECK_EQ(try(&a), BY_SANDBOX);
	CHECK_HAS(said, "vmctl: web: the sandbox has ended it");
	CHECK_HAS(said, message);
}

/* ---- attempts ---- */

static int nothing(void)
{
	return 42;
}

static int open_shadow(void)
{
	return open("/etc/shadow", O_RDONLY) < 0 ? errno : 0;
}

static int execute(void)
{
	char *const args[] = { NULL };

	return execve("/bin/sh", args, args) ? errno : 0;
}

static int trace(void)
{
	return ptrace(PTRACE_ATTACH, 1, 0, 0) < 0 ? errno : 0;
}

static int make_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) < 0 ? errno : 0;
}

static int make_local_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0) < 0 ? errno : 0;
}

static int kill_first(void)
{
	return kill(1, 0) ? errno : 0;
}

static int kill_all(void)
{
	return kill(-1, 0) ? errno : 0;
}

static int type_ahead(void)
{
	char c = 'x';

	return ioctl(STDIN_FILENO, TIOCSTI, &c) ? errno : 0;
}

static int new_ring(void)
{
	char params[120] = { 0 };

	return syscall(SYS_io_uring_setup, 4, params) < 0 ? errno : 0;
}

static int new_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	return p == MAP_FAILED ? errno : 0;
}

static int new_process(void)
{
	return fork() < 0 ? errno : 0;
}

static int accept_peer(void)
{
	return accept4(STDIN_FILENO, NULL, NULL, 0) < 0 ? errno : 0;
}

/* What ends a disk's requests: of a file, and of one with a server. */
static int end_requests(void)
{
	char byte = 0;

	if (fdatasync(-1) != -1 || pwrite(-1, &byte, 1, 0) != -1)
		return 1;
	return send(-1, &byte, 1, 0) == -1 && recv(-1, &byte, 1, 0) == -1 ? 42 : 2;
}

static int many_files(void)
{
	return fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 200) < 0 ? errno : 42;
}

static int look_around(void)
{
	static const char *const places[] = { "/bin", "/usr", "/home", "/root", "/dev", "/proc/1" };
	struct stat st;
	unsigned int i;
	int seen = 0;

	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		seen += !stat(places[i], &st);
	return seen;
}

static int has_status(void)
{
	static const char *const lines[] = { "CapEff:\t0000000000000000\n",
					     "CapPrm:\t0000000000000000\n",
					     "CapInh:\t0000000000000000\n", "NoNewPrivs:\t1\n",
					     "Seccomp:\t2\n" };
	char text[8192];
	unsigned int i;
	ssize_t n = pread(status_fd, text, sizeof(text) - 1, 0);

	if (n < 0)
		return errno;
	text[n] = '\0';
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		if (!strstr(text, lines[i])) {
			(void)!write(STDERR_FILENO, text, (size_t)n);
			return 1 + (int)i;
		}
	}
	return 0;
}

static int uses_share(void)
{
	int fd = openat(share_fd, "new", O_RDWR | O_CREAT, 0600);

	if (fd < 0)
		return errno;
	return write(fd, "x", 1) == 1 && !unlinkat(share_fd, "new", 0) ? 0 : errno;
}

static int leaves_share(void)
{
	return openat(share_fd, "../beside", O_RDONLY) < 0 ? errno : 0;
}

static int writes_share(void)
{
	return openat(share_fd, "new", O_RDWR | O_CREAT, 0600) < 0 ? errno : 0;
}

static int device_in_share(void)
{
	return mknodat(share_fd, "null", S_IFCHR | 0666, 0) ? errno : 0;
}

/* ---- tests ---- */

static void does_its_work(void)
{
	const struct attempt a = { .run = nothing, .cfg = { .name = "web" } };
	struct attempt b = a;

	CHECK_EQ(try(&a), 42);
	for (b.role = ROLE_VCPU; b.role < ROLES; b.role++)
		CHECK_EQ(try(&b), 42);
}

static void opens_nothing(void)
{
	check_ended(open_shadow, ROLE_MAIN, "thread main (role main) made the system call openat");
	check_ended(open_shadow, ROLE_VCPU,
		    "thread attempt (role vCPU) made the system call openat");
	check_ended(open_shadow, ROLE_IO, "(role I/O)");
	check_ended(open_shadow, ROLE_CONSOLE, "(role console)");
}

static void executes_nothing(void)
{
	check_ended(execute, ROLE_MAIN, "system call execve");
	check_ended(execute, ROLE_IO, "system call execve");
	check_ended(new_code, ROLE_VCPU, "system call mmap");
	check_ended(new_process, ROLE_MAIN, "system call clone");
}

static void traces_nobody(void)
{
	check_ended(trace, ROLE_MAIN, "system call ptrace");
	check_ended(kill_first, ROLE_MAIN, "system call kill");
	check_ended(kill_all, ROLE_MAIN, "system call kill");
	check_ended(type_ahead, ROLE_MAIN, "system call ioctl");
}

static void makes_no_sockets(void)
{
	struct attempt a = { .run = make_socket, .role = ROLE_IO, .cfg = { .name = "web" } };

	check_ended(make_socket, ROLE_MAIN, "system call socket");
	check_ended(make_local_socket, ROLE_IO, "system call socket");
	check_ended(new_ring, ROLE_MAIN, "system call io_uring_setup");
	/* But with a network of its own; and then no vCPU, and of no other kind. */
	a.cfg.network = true;
	CHECK_EQ(try(&a), 0);
	a.role = ROLE_VCPU;
	CHECK_EQ(try(&a), BY_SANDBOX);
	a.role = ROLE_IO;
	a.run = make_local_socket;
	CHECK_EQ(try(&a), BY_SANDBOX);
}

/* Also where a filter lets files be opened, there are none. */
static void sees_no_files(void)
{
	struct attempt a = { .run = open_shadow,
			     .role = ROLE_IO,
			     .cfg = { .name = "web", .network = true } };
	int got = try(&a);

	/* EACCES: without namespaces it is Landlock, or that the file is another user's. */
	CHECK(got == ENOENT || got == EACCES);
	a.run = look_around;
	if (got == ENOENT)
		CHECK_EQ(try(&a), 0);
}

static void roles_differ(void)
{
	check_ended(accept_peer, ROLE_VCPU, "accept4");
	check_ended(accept_peer, ROLE_CONSOLE, "accept4");
}

/* A guest resets a disk by a register, and that is in the thread of its vCPU. */
static void vcpu_resets_disk(void)
{
	const struct attempt a = { .run = end_requests,
				   .role = ROLE_VCPU,
				   .cfg = { .name = "web" } };

	CHECK_EQ(try(&a), 42);
}

/* It begins with as many descriptors as it may have. */
static void has_files(void)
{
	const struct attempt a = { .run = many_files, .cfg = { .name = "web" } };
	struct rlimit before, few;

	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = 100;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
	CHECK_EQ(try(&a), 42);
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void has_no_privileges(void)
{
	const struct attempt a = { .run = has_status, .cfg = { .name = "web" } };

	CHECK_EQ(try(&a), 0);
}

static void keeps_to_its_share(void)
{
	char base[] = "/tmp/sandbox.XXXXXX", inside[64], beside[64];
	struct attempt a = { .run = uses_share,
			     .role = ROLE_IO,
			     .cfg = { .name = "web", .shares = 1, .share = { inside } } };
	int got;

	CHECK(mkdtemp(base));
	snprintf(inside, sizeof(inside), "%s/inside", base);
	snprintf(beside, sizeof(beside), "%s/beside", base);
	CHECK_EQ(mkdir(inside, 0777), 0);
	close(open(beside, O_CREAT | O_WRONLY, 0644));
	if (!geteuid())
		CHECK_EQ(chmod(base, 0755) || chmod(inside, 0777), 0);
	CHECK_EQ(try(&a), 0);
	a.run = leaves_share;
	got = try(&a);
	CHECK(got == EACCES || got == ENOENT);
	a.run = open_shadow;
	got = try(&a);
	CHECK(got == EACCES || got == ENOENT);
	a.run = device_in_share;
	CHECK_EQ(try(&a), BY_SANDBOX);
	a.role = ROLE_VCPU;
	a.run = uses_share;
	CHECK_EQ(try(&a), BY_SANDBOX);
	a.role = ROLE_IO;
	a.run = writes_share;
	a.cfg.share_readonly[0] = true;
	got = try(&a);
	CHECK(got == EACCES || got == EROFS);
	unlink(beside);
	rmdir(inside);
	rmdir(base);
}

static void unknown_user(void)
{
	const struct sandbox_config cfg = { .name = "web", .user = "no-such-user" };
	struct error err;

	CHECK_EQ(sandbox_prepare(&cfg, &err), -1);
	CHECK_HAS(err.text, "user no-such-user: ");
}

#define OWNER    1000
#define STRANGER 1001

/* This end of a connection from a process of that user. */
static int connection(int listener, const struct sockaddr_un *addr, uid_t uid)
{
	int fd, status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid) {
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		_exit((uid != geteuid() && setresuid(uid, uid, uid)) ||
		      connect(fd, (const struct sockaddr *)addr, sizeof(*addr)));
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	return accept(listener, NULL, NULL);
}

/* A VM of an ordinary user, in namespaces where nobody else has a number. */
static int judge(const int peer[3], const char *path)
{
	const struct keeper_config keep = { .path = { path }, .paths = 1 };
	const struct sandbox_config cfg = { .name = "web" };
	struct error err;

	if (!geteuid() && (setgroups(0, NULL) || setresgid(OWNER, OWNER, OWNER) ||
			   setresuid(OWNER, OWNER, OWNER) || prctl(PR_SET_DUMPABLE, 1)))
		return NEVER;
	if (keeper_start(&keep, &err) || sandbox_prepare(&cfg, &err) || sandbox_close(&err))
		return NEVER;
	return (keeper_peer(peer[0]) ? 1 : 0) | (keeper_peer(peer[1]) ? 2 : 0) |
	       (keeper_peer(peer[2]) == -EPERM ? 0 : 4) | (keeper_peer(-1) ? 0 : 8);
}

/* Root is heard, and its user; others are not. */
static void keeper_knows_users(void)
{
	char base[] = "/tmp/keeper.XXXXXX";
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), peer[3], status;
	bool root = !geteuid();
	pid_t pid;

	CHECK(mkdtemp(base));
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/socket", base);
	CHECK_EQ(bind(listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	CHECK_EQ(listen(listener, 3), 0);
	CHECK_EQ(chmod(base, 0755) || chmod(addr.sun_path, 0666), 0);
	peer[0] = connection(listener, &addr, geteuid());
	peer[1] = connection(listener, &addr, root ? OWNER : geteuid());
	peer[2] = connection(listener, &addr, root ? STRANGER : geteuid());
	pid = fork();
	if (!pid)
		_exit(judge(peer, addr.sun_path));
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), root ? 0 : 4);
	unlink(addr.sun_path);
	CHECK_EQ(rmdir(base), 0);
}

/* What it keeps, and nothing else. */
static void keeper_keeps(void)
{
	char base[] = "/tmp/keeper.XXXXXX", one[64], other[64], away[64], moved[64];
	struct keeper_config cfg = { .path = { one }, .paths = 1 };
	struct error err;

	/* A folder of its own: this program may run several times at once. */
	CHECK(mkdtemp(base));
	snprintf(one, sizeof(one), "%s/one", base);
	snprintf(other, sizeof(other), "%s/other", base);
	snprintf(away, sizeof(away), "%s/../etc.sock", base);
	snprintf(moved, sizeof(moved), "%s/etc.sock", base);
	close(open(one, O_CREAT | O_WRONLY, 0600));
	close(open(other, O_CREAT | O_WRONLY, 0600));
	CHECK_EQ(keeper_start(&cfg, &err), 0);
	CHECK_EQ(keeper_unlink(other), -ENOENT);
	CHECK_EQ(access(other, F_OK), 0);
	CHECK_EQ(keeper_rename(one, away), 0);
	CHECK_EQ(access(moved, F_OK), 0);
	CHECK_EQ(keeper_unlink(away), 0);
	CHECK(access(moved, F_OK));
	CHECK_EQ(keeper_limit(1, 50, &err), -1);
	unlink(other);
	CHECK_EQ(rmdir(base), 0);
}

TAP_MAIN(TEST(does_its_work), TEST(opens_nothing), TEST(executes_nothing), TEST(traces_nobody),
	 TEST(makes_no_sockets), TEST(sees_no_files), TEST(roles_differ), TEST(vcpu_resets_disk),
	 TEST(has_files), TEST(has_no_privileges), TEST(keeps_to_its_share), TEST(unknown_user),
	 TEST(keeper_knows_users), TEST(keeper_keeps));
