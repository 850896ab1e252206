// SPDX-License-Identifier: GPL-2.0
/*
 * What a whole guest costs: Linux under vmctl, to its init and off again, with what the hypervisor
 * offers it and without. The figure is the processor time of vmctl, all its threads and what the
 * kernel does for them; on a host whose clock counts instructions a microsecond is a thousand.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

#define SUITE "boots"

#define VMCTL "/vmctl"

static void run_vmctl(const char *cpus, const char *option)
{
	int null = open("/dev/null", O_RDWR);

	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	execl(VMCTL, "vmctl", "run", "--kernel", "/linux", "--initrd", "/boot.gz", "--append",
	      "console=ttyS0 panic=-1 quiet end=poweroff", "--memory", "128M", "--no-sandbox",
	      "--cpus", cpus, option, NULL);
	_exit(127);
}

static u64 thousands(const struct timeval *time)
{
	return (u64)time->tv_sec * 1000000 + (u64)time->tv_usec;
}

static void boot(const char *what, const char *cpus, const char *option)
{
	struct rusage used;
	int status;
	char random;
	pid_t pid;

	if (access(VMCTL, X_OK))
		SKIP("there is no %s", VMCTL);
	/* Who asks first may have to gather entropy, a second of work that is not the guest's. */
	OK(getrandom(&random, 1, 0));
	pid = (pid_t)OK(fork());
	if (!pid)
		run_vmctl(cpus, option);
	OK(wait4(pid, &status, 0, &used));
	if (status)
		FAIL("vmctl ended with status %#x", (unsigned int)status);
	printf("bench: %-44s %llu\n", what, thousands(&used.ru_utime) + thousands(&used.ru_stime));
	fflush(stdout);
}

CASE(one_pv, .timeout = 300)
{
	boot("thousands: Linux on 1 vCPU, paravirtual", "1", NULL);
}

CASE(one_plain, .timeout = 300)
{
	boot("thousands: Linux on 1 vCPU, --no-pv", "1", "--no-pv");
}

CASE(four_pv, .timeout = 300)
{
	boot("thousands: Linux on 4 vCPUs, paravirtual", "4", NULL);
}

CASE(four_plain, .timeout = 300)
{
	boot("thousands: Linux on 4 vCPUs, --no-pv", "4", "--no-pv");
}
