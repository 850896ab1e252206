// SPDX-License-Identifier: GPL-2.0
/* What a host does to its processors, to itself and to the module while guests count. */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "counting.h"
#include "swap.h"

#define SUITE "events"

#define CPU1 "/sys/devices/system/cpu/cpu1/online"

static bool cpu1_is(char state)
{
	char text[4] = "";
	int fd = open(CPU1, O_RDONLY | O_CLOEXEC);
	bool is = fd >= 0 && read(fd, text, 1) == 1 && text[0] == state;

	close(fd);
	return is;
}

CASE(processors_come_and_go, .timeout = 120)
{
	struct counting c;
	int i;

	if (access(CPU1, W_OK))
		SKIP("one processor, or none that may go");
	c = counting_start(counting_memory());
	for (i = 0; i < (int)test_rounds(12); i++) {
		CHECK(write_file(CPU1, "0"));
		CHECK(cpu1_is('0'));
		CHECK(counting_goes_on(&c, 2));
		CHECK(write_file(CPU1, "1"));
		CHECK(cpu1_is('1'));
		CHECK(counting_goes_on(&c, 2));
	}
	counting_stop(&c);
}

/* A VM that is made while a processor is away runs there when it is back. */
CASE(processor_comes_back, .timeout = 60)
{
	struct counting c;
	cpu_set_t set;

	if (access(CPU1, W_OK))
		SKIP("one processor, or none that may go");
	CHECK(write_file(CPU1, "0"));
	c = counting_start(counting_memory());
	CHECK(counting_goes_on(&c, 2));
	CHECK(write_file(CPU1, "1"));
	CPU_ZERO(&set);
	CPU_SET(1, &set);
	CHECK_EQ(pthread_setaffinity_np(c.v[0]->thread, sizeof(set), &set), 0);
	CHECK_EQ(pthread_setaffinity_np(c.v[1]->thread, sizeof(set), &set), 0);
	CHECK(counting_goes_on(&c, 4));
	counting_stop(&c);
}

/* ---- sleep ---- */

static u64 sleeps(void)
{
	char text[32] = "";
	int fd = open("/sys/power/suspend_stats/success", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		SKIP("this kernel does not sleep");
	CHECK(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	return strtoull(text, NULL, 10);
}

static void sleep_and_count(const char *state, const char *how_far)
{
	u64 before = sleeps();
	struct counting c;
	int i;

	if (access("/sys/power/pm_test", W_OK))
		SKIP("this kernel has no test of sleep");
	CHECK(write_file("/sys/power/pm_test", how_far));
	CHECK(write_file("/sys/module/suspend/parameters/pm_test_delay", "1"));
	c = counting_start(counting_memory());
	for (i = 0; i < 3; i++) {
		CHECK(counting_goes_on(&c, 1));
		if (!write_file("/sys/power/state", state))
			FAIL("%s: errno %d", state, errno);
		CHECK(counting_goes_on(&c, 2));
	}
	counting_stop(&c);
	CHECK(write_file("/sys/power/pm_test", "none"));
	CHECK_EQ(sleeps(), before + 3);
}

CASE(suspend_to_idle, .timeout = 120)
{
	sleep_and_count("freeze", "platform");
}

CASE(suspend_to_memory, .timeout = 120)
{
	sleep_and_count("mem", "core");
}

/* ---- the module ---- */

/* Whatever is left of a VM keeps the module. */
static void unload_refused(const char *when)
{
	if (!syscall(SYS_delete_module, "vmm", O_NONBLOCK))
		FAIL("%s: the module went", when);
	if (errno != EWOULDBLOCK && errno != EBUSY)
		FAIL("%s: errno %d", when, errno);
}

CASE(module_unload)
{
	struct counting c;
	int fd, i;

	if (test_is_oracle())
		SKIP("not the module under test");
	c = counting_start(counting_memory());
	for (i = 0; i < 20; i++) {
		unload_refused("while guests count");
		CHECK(counting_goes_on(&c, 1));
	}
	counting_stop(&c);
	fd = OK(ioctl(c.v[0]->fd, KVM_GET_STATS_FD, 0));
	OK(close(dev_fd()));
	OK(close(c.vm->fd));
	unload_refused("vCPUs are open");
	OK(close(c.v[0]->fd));
	OK(close(c.v[1]->fd));
	OK(close(fd));
	unload_refused("run pages are mapped");
	OK(munmap(c.v[0]->run, c.v[0]->run_size));
	unload_refused("one run page is mapped");
}
