// SPDX-License-Identifier: GPL-2.0
#include "calls.h"

#include <seccomp.h>

#include "sandbox.h"

#define VCPU    (1u << ROLE_VCPU)
#define IO      (1u << ROLE_IO)
#define CONSOLE (1u << ROLE_CONSOLE)
#define ALL     (VCPU | IO | CONSOLE)
#define MAIN    0

/* Of several reasons for a call any is enough, and it stands here once. */
#define CALL(name, when, roles)               \
	{                                     \
		SCMP_SYS(name), (when), roles \
	}

const struct sandbox_call sandbox_calls[] = {
	/* Memory, locks, time, its own end. */
	CALL(brk, CALLS_ALWAYS, ALL),
	CALL(munmap, CALLS_ALWAYS, ALL),
	CALL(mremap, CALLS_ALWAYS, ALL),
	CALL(madvise, CALLS_ALWAYS, ALL),
	CALL(futex, CALLS_ALWAYS, ALL),
	CALL(sched_yield, CALLS_ALWAYS, ALL),
	CALL(sched_getaffinity, CALLS_ALWAYS, ALL),
	CALL(sysinfo, CALLS_ALWAYS, MAIN),
	CALL(clock_gettime, CALLS_ALWAYS, ALL),
	CALL(gettimeofday, CALLS_ALWAYS, ALL),
	CALL(time, CALLS_ALWAYS, ALL),
	CALL(nanosleep, CALLS_ALWAYS, ALL),
	CALL(clock_nanosleep, CALLS_ALWAYS, ALL),
	CALL(restart_syscall, CALLS_ALWAYS, ALL),
	CALL(getrandom, CALLS_ALWAYS, ALL),
	CALL(gettid, CALLS_ALWAYS, ALL),
	CALL(getpid, CALLS_ALWAYS, ALL),
	CALL(exit, CALLS_ALWAYS, ALL),
	CALL(exit_group, CALLS_ALWAYS, ALL),
	CALL(set_robust_list, CALLS_ALWAYS, MAIN),
	CALL(rseq, CALLS_ALWAYS, MAIN),
	CALL(getpgrp, CALLS_ALWAYS, MAIN),
	CALL(getpgid, CALLS_ALWAYS, MAIN),
	CALL(geteuid, CALLS_ALWAYS, MAIN),
	/* Signals. */
	CALL(rt_sigaction, CALLS_ALWAYS, ALL),
	CALL(rt_sigprocmask, CALLS_ALWAYS, ALL),
	CALL(rt_sigreturn, CALLS_ALWAYS, ALL),
	CALL(sigaltstack, CALLS_ALWAYS, ALL),
	CALL(signalfd4, CALLS_ALWAYS, MAIN),
	/* What is open already. A vCPU that resets a disk ends what that has under way. */
	CALL(read, CALLS_ALWAYS, VCPU | IO),
	CALL(write, CALLS_ALWAYS, ALL),
	CALL(close, CALLS_ALWAYS, VCPU | IO),
	CALL(readv, CALLS_ALWAYS, IO),
	CALL(writev, CALLS_ALWAYS, IO),
	CALL(pread64, CALLS_ALWAYS, IO),
	CALL(pwrite64, CALLS_ALWAYS, VCPU | IO),
	CALL(lseek, CALLS_ALWAYS, IO),
	CALL(fstat, CALLS_ALWAYS, VCPU | IO),
	CALL(newfstatat, CALLS_ALWAYS, VCPU | IO),
	CALL(fsync, CALLS_ALWAYS, IO),
	CALL(fdatasync, CALLS_ALWAYS, VCPU | IO),
	CALL(ftruncate, CALLS_ALWAYS, IO),
	CALL(fcntl, CALLS_ALWAYS, IO),
	CALL(dup, CALLS_ALWAYS, MAIN),
	CALL(io_uring_enter, CALLS_ALWAYS, VCPU | IO),
	/* Waiting. */
	CALL(poll, CALLS_ALWAYS, VCPU | IO),
	CALL(ppoll, CALLS_ALWAYS, VCPU | IO),
	CALL(epoll_create1, CALLS_ALWAYS, MAIN),
	CALL(epoll_ctl, CALLS_ALWAYS, MAIN),
	CALL(epoll_wait, CALLS_ALWAYS, MAIN),
	CALL(epoll_pwait, CALLS_ALWAYS, MAIN),
	CALL(eventfd2, CALLS_ALWAYS, VCPU | IO),
	CALL(timerfd_create, CALLS_ALWAYS, MAIN),
	CALL(timerfd_settime, CALLS_ALWAYS, VCPU),
	CALL(timerfd_gettime, CALLS_ALWAYS, VCPU),
	/* Whoever connects to the control socket or a port; files come that way, too. */
	CALL(accept4, CALLS_ALWAYS, IO),
	CALL(sendto, CALLS_ALWAYS, VCPU | IO),
	CALL(sendmsg, CALLS_ALWAYS, IO),
	CALL(recvfrom, CALLS_ALWAYS, VCPU | IO),
	CALL(recvmsg, CALLS_ALWAYS, IO),
	CALL(getsockopt, CALLS_ALWAYS, IO),
	CALL(shutdown, CALLS_ALWAYS, IO),
	/* The guest's network. */
	CALL(connect, CALLS_NETWORK, IO),
	CALL(bind, CALLS_NETWORK, IO),
	CALL(listen, CALLS_NETWORK, IO),
	CALL(accept, CALLS_NETWORK, IO),
	CALL(setsockopt, CALLS_NETWORK, IO),
	CALL(getsockname, CALLS_NETWORK, IO),
	CALL(getpeername, CALLS_NETWORK, IO),
	/* What its random numbers begin with where there is no source of entropy. */
	CALL(getppid, CALLS_NETWORK, IO),
	/* Its folders. */
	CALL(getdents64, CALLS_SHARES, IO),
	CALL(readlinkat, CALLS_SHARES, IO),
	CALL(mkdirat, CALLS_SHARES, IO),
	CALL(symlinkat, CALLS_SHARES, IO),
	CALL(linkat, CALLS_SHARES, IO),
	CALL(renameat, CALLS_SHARES, IO),
	CALL(renameat2, CALLS_SHARES, IO),
	CALL(unlinkat, CALLS_SHARES, IO),
	CALL(truncate, CALLS_SHARES, IO),
	CALL(chmod, CALLS_SHARES, IO),
	CALL(fchmodat, CALLS_SHARES, IO),
	CALL(fchownat, CALLS_SHARES, IO),
	CALL(utimensat, CALLS_SHARES, IO),
	CALL(fstatfs, CALLS_SHARES, IO),
	{ 0 },
};
