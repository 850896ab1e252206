// SPDX-License-Identifier: GPL-2.0
/*
 * Filters of system calls, one for each role, made by libseccomp before the first is put on. A
 * thread inherits the filter of the one that starts it, and adds its own: so main's lets pass what
 * any of them needs. What is not let through ends the process, which says what and who it was.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <linux/vmm.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "../machine/console.h"
#include "calls.h"
#include "rooms.h"

#define NAMES 512 /* numbers of system calls that have names in messages */
/* Of ioctls; a number of those of KVM and vhost is as good as any other. */
#define TYPE       0xff00
#define TYPE_KVM   0xae00
#define TYPE_VHOST 0xaf00
#define STATUS     (128 + SIGSYS)

static struct sock_fprog program[ROLES];
static const char *call_name[NAMES];
static char vm_name[64];
static __thread enum sandbox_role own_role;
static __thread char own_name[16];

static const char *const role_name[ROLES] = {
	[ROLE_MAIN] = "main", [ROLE_VCPU] = "vCPU", [ROLE_IO] = "I/O", [ROLE_CONSOLE] = "console"
};

/* ---- what happens to who breaks out ---- */

/* As this runs in the middle of anything, it calls nothing that could wait for a lock. */
static char *append(char *at, const char *end, const char *text)
{
	while (*text && at < end)
		*at++ = *text++;
	return at;
}

static char *append_number(char *at, const char *end, unsigned int number)
{
	char digits[12], *p = digits + sizeof(digits) - 1;

	*p = '\0';
	do {
		*--p = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	return append(at, end, p);
}

static void violated(int signo, siginfo_t *info, void *context)
{
	unsigned int nr = (unsigned int)info->si_syscall;
	char text[256], *at = text, *end = text + sizeof(text) - 1;

	(void)context;
	at = append(at, end, "vmctl: ");
	at = append(at, end, vm_name);
	at = append(at, end, ": the sandbox has ended it: thread ");
	at = append(at, end, own_name[0] ? own_name : "main");
	at = append(at, end, " (role ");
	at = append(at, end, role_name[own_role]);
	at = append(at, end, ") made the system call ");
	at = append(at, end, nr < NAMES && call_name[nr] ? call_name[nr] : "number");
	at = append(at, end, " (");
	at = append_number(at, end, nr);
	at = append(at, end, ")\n");
	terminal_restore();
	(void)!write(STDERR_FILENO, text, (size_t)(at - text));
	signal(signo, SIG_DFL);
	raise(signo);
	/* The first process of a PID namespace survives that. */
	_exit(STATUS);
}

static int watch_violations(void)
{
	struct sigaction action = { .sa_sigaction = violated, .sa_flags = SA_SIGINFO | SA_NODEFER };
	unsigned int nr;

	for (nr = 0; nr < NAMES; nr++)
		call_name[nr] = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int)nr);
	return sigaction(SIGSYS, &action, NULL);
}

/* ---- rules ---- */

static int allow_ioctls(scmp_filter_ctx f, enum sandbox_role role)
{
	/* By number: of the terminal's, none that types. */
	static const unsigned int one[] = {
		TCGETS,       TCSETS,        TCSETSW,         TIOCGPGRP,
		FIONREAD,     TUNSETOFFLOAD, TUNSETVNETHDRSZ, TUNSETQUEUE,
		BLKGETSIZE64, VMM_SET_NAME,  VMM_SET_GIVEN,
	};
	unsigned int i;
	int ret = 0;

	if (role == ROLE_CONSOLE)
		return seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
					SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, TCSETS));
	for (i = 0; i < sizeof(one) / sizeof(one[0]) && !ret; i++)
		ret = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				       SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, one[i]));
	ret = ret ? ret
		  : seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				     SCMP_A1(SCMP_CMP_MASKED_EQ, TYPE, TYPE_KVM));
	return ret ? ret
		   : seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				      SCMP_A1(SCMP_CMP_MASKED_EQ, TYPE, TYPE_VHOST));
}

/* Memory that can be executed is none that is new. */
static int allow_memory(scmp_filter_ctx f)
{
	int ret = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
				   SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));

	return ret ? ret
		   : seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
				      SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
}

/* Signals to itself, and threads. The C library asks for clone3, whose flags no filter sees. */
static int allow_threads(scmp_filter_ctx f, enum sandbox_role role)
{
	scmp_datum_t pid = (scmp_datum_t)getpid();
	int ret =
		seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, SCMP_A0(SCMP_CMP_EQ, pid));

	if (ret || role != ROLE_MAIN)
		return ret;
	ret = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(kill), 1, SCMP_A0(SCMP_CMP_EQ, pid));
	ret = ret ? ret : seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	ret = ret ? ret
		  : seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
				     SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
	ret = ret ? ret
		  : seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
				     SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME));
	return ret ? ret
		   : seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(seccomp), 1,
				      SCMP_A0(SCMP_CMP_EQ, SECCOMP_SET_MODE_FILTER));
}

/* libslirp's; of no other family. */
static int allow_sockets(scmp_filter_ctx f)
{
	static const int family[] = { AF_INET, AF_INET6 };
	unsigned int i;
	int ret = 0;

	for (i = 0; i < sizeof(family) / sizeof(family[0]) && !ret; i++)
		ret = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
				       SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)family[i]));
	return ret;
}

/* Shares are opened in any way; names of servers, which may change, are only read. */
static int allow_open(scmp_filter_ctx f, const struct sandbox_config *cfg)
{
	if (cfg->shares)
		return seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(openat), 0);
	return seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
				SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC,
					O_RDONLY));
}

/* No device, no pipe, and nothing set-user-ID. */
static int allow_mknod(scmp_filter_ctx f)
{
	return seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mknodat), 1,
				SCMP_A2(SCMP_CMP_MASKED_EQ, S_IFMT | S_ISUID | S_ISGID, S_IFREG));
}

static int add_rules(scmp_filter_ctx f, enum sandbox_role role, const struct sandbox_config *cfg)
{
	unsigned int when = CALLS_ALWAYS | (cfg->shares ? CALLS_SHARES : 0) |
			    (cfg->network ? CALLS_NETWORK : 0);
	bool io = role == ROLE_MAIN || role == ROLE_IO;
	const struct sandbox_call *call;
	int ret = 0;

	for (call = sandbox_calls; call->when && !ret; call++) {
		if ((call->when & when) && (role == ROLE_MAIN || (call->roles & 1u << role)))
			ret = seccomp_rule_add(f, SCMP_ACT_ALLOW, call->nr, 0);
	}
	ret = ret ? ret : allow_ioctls(f, role);
	ret = ret ? ret : allow_memory(f);
	ret = ret ? ret : allow_threads(f, role);
	if (!ret && io && cfg->network)
		ret = allow_sockets(f);
	if (!ret && io && cfg->shares)
		ret = allow_mknod(f);
	if (!ret && io && (cfg->network || cfg->shares))
		ret = allow_open(f, cfg);
	return ret;
}

/* ---- programs ---- */

static int read_program(int fd, struct sock_fprog *prog)
{
	off_t size = lseek(fd, 0, SEEK_END);

	if (size <= 0 || size % (off_t)sizeof(*prog->filter))
		return -EINVAL;
	prog->filter = malloc((size_t)size);
	if (!prog->filter)
		return -ENOMEM;
	prog->len = (unsigned short)((size_t)size / sizeof(*prog->filter));
	return pread(fd, prog->filter, (size_t)size, 0) == size ? 0 : -EIO;
}

static int export_program(scmp_filter_ctx f, struct sock_fprog *prog)
{
	int fd = memfd_create("filter", MFD_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = seccomp_export_bpf(f, fd);
	if (!ret)
		ret = read_program(fd, prog);
	close(fd);
	return ret;
}

static int make_program(enum sandbox_role role, const struct sandbox_config *cfg)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_TRAP);
	int ret;

	if (!f)
		return -ENOMEM;
	ret = seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	ret = ret ? ret : add_rules(f, role, cfg);
	/* That of KVM_RUN is looked for first. */
	ret = ret ? ret : seccomp_syscall_priority(f, SCMP_SYS(ioctl), 255);
	ret = ret ? ret : export_program(f, &program[role]);
	seccomp_release(f);
	return ret;
}

int filter_build(const struct sandbox_config *cfg, struct error *err)
{
	unsigned int role;
	int ret = 0;

	snprintf(vm_name, sizeof(vm_name), "%s", cfg->name);
	for (role = 0; role < ROLES && !ret; role++)
		ret = make_program(role, cfg);
	if (ret)
		return fault_errno(err, EX_SOFTWARE, ret, "sandbox: filter for %s",
				   role_name[role - 1]);
	if (watch_violations())
		return fault_errno(err, EX_OSERR, errno, "sandbox: SIGSYS");
	return 0;
}

int filter_enter(enum sandbox_role role, const char *name)
{
	own_role = role;
	snprintf(own_name, sizeof(own_name), "%s", name);
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program[role]);
}
