// SPDX-License-Identifier: GPL-2.0
/* The control socket of a machine that has nothing but a loop. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../control/client.h"
#include "../control/control.h"
#include "../control/paths.h"
#include "../machine/machine.h"
#include "tap.h"

#define FEW 64 /* descriptors */

static char folder[] = "/tmp/vmctl-control-XXXXXX";
static struct machine machine;
static struct machine_config config;
static struct loop_source ending;
static struct control *control;
static pthread_t thread;
static struct error err;

static void end_loop(void *opaque)
{
	(void)opaque;
	loop_stop(&machine.loop);
}

static void *run(void *arg)
{
	(void)arg;
	CHECK_EQ(loop_run(&machine.loop), 0);
	return NULL;
}

static void begin(bool console)
{
	if (!strcmp(folder + strlen(folder) - 6, "XXXXXX")) {
		CHECK(mkdtemp(folder));
		CHECK_EQ(setenv(RUN_FOLDER_ENV, folder, 1), 0);
	}
	memset(&machine, 0, sizeof(machine));
	memset(&config, 0, sizeof(config));
	config.name = "web";
	machine.cfg = &config;
	control = control_open("web", &err);
	CHECK(control);
	if (console)
		CHECK_EQ(control_take_console(control, &err), 0);
	CHECK_EQ(loop_init(&machine.loop), 0);
	ending = (struct loop_source){ eventfd(0, EFD_CLOEXEC), end_loop, NULL, false };
	CHECK_EQ(loop_watch(&machine.loop, &ending), 0);
	CHECK_EQ(control_attach(control, &machine, &err), 0);
}

static void start(void)
{
	CHECK_EQ(pthread_create(&thread, NULL, run, NULL), 0);
}

static void end(void)
{
	uint64_t one = 1;

	CHECK_EQ(write(ending.fd, &one, sizeof(one)), sizeof(one));
	pthread_join(thread, NULL);
	close(ending.fd);
	control_detach(control);
	control_close(control, 0);
	loop_destroy(&machine.loop);
}

/* A connection that nobody has accepted yet. */
static int knock(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un addr;

	CHECK_EQ(control_address(folder, "web", &addr, &err), 0);
	CHECK_EQ(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static bool greeted(int fd)
{
	json_t *hello = control_read(fd, &err);
	bool ok = json_is_true(json_object_get(hello, "ok"));

	json_decref(hello);
	return ok;
}

/* The guest has the process use up what descriptors there are. */
static void descriptors(void)
{
	int fd[6], taken[FEW], i, count = 0;
	struct rlimit before, few;

	begin(false);
	for (i = 0; i < 6; i++)
		fd[i] = knock();
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = FEW;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
	while (count < FEW && (taken[count] = dup(fd[0])) >= 0)
		count++;
	CHECK_EQ(errno, EMFILE);
	start();
	/* Some are served nevertheless; and when one of them has gone, the next. */
	for (i = 0; i < 4; i++)
		CHECK(greeted(fd[i]));
	close(fd[3]);
	CHECK(greeted(fd[4]));
	while (count)
		close(taken[--count]);
	CHECK(greeted(fd[5]));
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
	for (i = 0; i < 6; i++) {
		if (i != 3)
			close(fd[i]);
	}
	end();
}

/* A bus with a disk on it, and registers to take that out. */
static void add_disk(const char *path)
{
	struct irq_line none = { 0 };
	int fd = open(path, O_RDWR | O_CREAT, 0600);

	CHECK_EQ(ftruncate(fd, MiB), 0);
	close(fd);
	config.control = control;
	config.peripherals.disk[0].image = (struct blk_image){ path, BLK_RAW, false };
	config.peripherals.disks = 1;
	CHECK_EQ(guest_mem_alloc(&machine.mem, MiB), 0);
	bus_init(&machine.pio);
	pci_bus_init(&machine.peripherals.pci, &none);
	machine.peripherals.has_pci = true;
	CHECK_EQ(hotplug_add(&machine, &err), 0);
	CHECK_EQ(peripherals_add_disk(&machine, 0, &err), 0);
	hotplug_own(&machine, machine.peripherals.disk[0], false);
}

static void say(int fd, const char *line)
{
	CHECK_EQ(send(fd, line, strlen(line), MSG_NOSIGNAL), strlen(line));
}

/*
 * Who waits for a device to go, but listens no more, hears of that in the middle of a request of
 * its own.
 */
static void deaf(void)
{
	struct peripherals *p = &machine.peripherals;
	char path[64];
	json_t *answer;
	int fd, other;

	begin(false);
	snprintf(path, sizeof(path), "%s/disk", folder);
	add_disk(path);
	start();
	fd = knock();
	CHECK(greeted(fd));
	say(fd, "{\"cmd\":\"detach\",\"id\":\"disk0\"}\n");
	answer = control_answer(fd, &err);
	CHECK(answer);
	json_decref(answer);
	CHECK_EQ(shutdown(fd, SHUT_RD), 0);
	pci_hotplug_eject(&p->hotplug, &p->disk[0]->pci);
	say(fd, "{\"cmd\":\"attach\",\"device\":\"disk\",\"spec\":\"none\"}\n");
	/* It is dropped: nothing is left of it to be written to. */
	while (send(fd, "x", 1, MSG_NOSIGNAL) == 1)
		usleep(1000);
	CHECK(!p->disk[0]);
	other = knock();
	CHECK(greeted(other));
	close(fd);
	close(other);
	end();
	peripherals_remove(&machine);
	bus_destroy(&machine.pio);
	guest_mem_free(&machine.mem);
	unlink(path);
}

/* In a process of its own, whose standard output is a guest's. */
static int print_on(void)
{
	static char lines[65536];
	unsigned int i;

	memset(lines, 'x', sizeof(lines));
	begin(true);
	start();
	for (i = 0; i < 100; i++) {
		if (write(STDOUT_FILENO, lines, sizeof(lines)) != sizeof(lines))
			return 1;
	}
	if (write(STDOUT_FILENO, "the end", 7) != 7)
		return 2;
	end();
	return 0;
}

static void log_ends(void)
{
	static char text[8 << 20];
	char path[64];
	ssize_t n = 0;
	int status, fd;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid)
		_exit(print_on());
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	snprintf(path, sizeof(path), "%s/web.log", folder);
	fd = open(path, O_RDONLY);
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	CHECK(n > 7 && n < 5 << 20);
	CHECK(n > 7 && !strcmp(text + n - 7, "the end"));
	CHECK(strstr(text, "vmctl: web: the log had 4 MiB"));
	CHECK_EQ(unlink(path), 0);
}

/* Who ends a machine that is about to restart ends it; nothing else comes after the first cause. */
static void causes(void)
{
	static const enum stop_cause all[] = { STOP_POWER_OFF, STOP_RESET,  STOP_PANIC,
					       STOP_QUIT,      STOP_SIGNAL, STOP_HOST };
	enum stop_cause first, second, stands;
	unsigned int i, k;

	for (i = 0; i < sizeof(all) / sizeof(*all); i++) {
		for (k = 0; k < sizeof(all) / sizeof(*all); k++) {
			first = all[i];
			second = all[k];
			memset(&machine, 0, sizeof(machine));
			machine.stop_event.fd = -1;
			machine_stop(&machine, first, 1);
			machine_stop(&machine, second, 2);
			stands = first;
			if (first == STOP_RESET && (second == STOP_QUIT || second == STOP_SIGNAL))
				stands = second;
			CHECK_EQ(atomic_load(&machine.cause), stands);
			CHECK_EQ(machine.culprit, stands == first ? 1 : 2);
		}
	}
	/* Its user has it reset though a signal had asked for its end. */
	memset(&machine, 0, sizeof(machine));
	machine.stop_event.fd = -1;
	machine.signo = SIGTERM;
	machine_reset(&machine);
	CHECK_EQ(atomic_load(&machine.cause), STOP_RESET);
	CHECK_EQ(machine.signo, 0);
	/* But not what has ended: which signal did is to be told. */
	machine.signo = SIGTERM;
	machine_stop(&machine, STOP_SIGNAL, -1);
	machine_reset(&machine);
	CHECK_EQ(atomic_load(&machine.cause), STOP_SIGNAL);
	CHECK_EQ(machine.signo, SIGTERM);
}

static void remove_folder(void)
{
	CHECK_EQ(rmdir(folder), 0);
}

TAP_MAIN(TEST(descriptors), TEST(deaf), TEST(log_ends), TEST(causes), TEST(remove_folder));
