// SPDX-License-Identifier: GPL-2.0
/*
 * Run in a guest: threads that share an address space, map and unmap pages, and sleep now and
 * then. So the guest's kernel sends interrupts to several processors, and has to flush the TLBs
 * of such that do not run.
 *	pvload THREADS SECONDS
 */
#include <linux/membarrier.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PAGE   4096
#define BURST  64
#define ROUNDS 50

static time_t end;

static void burst(void)
{
	int i;

	for (i = 0; i < BURST; i++) {
		char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			       -1, 0);

		if (p == MAP_FAILED) {
			perror("pvload: mmap");
			exit(1);
		}
		p[0] = 1;
		p[2 * PAGE] = 1;
		munmap(p, 4 * PAGE);
	}
}

static void *work(void *arg)
{
	const struct timespec nap = { .tv_nsec = 200000 };
	int i;

	/* On a slow machine it takes longer until there was something to do. */
	for (i = 0; i < ROUNDS || time(NULL) < end; i++) {
		burst();
		/* An interrupt to all processors that run these threads. */
		if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0))
			perror("pvload: membarrier");
		nanosleep(&nap, NULL);
	}
	return arg;
}

int main(int argc, char **argv)
{
	int threads = argc > 2 ? atoi(argv[1]) : 0, i;
	pthread_t t;

	if (threads < 1) {
		fprintf(stderr, "usage: pvload THREADS SECONDS\n");
		return 64;
	}
	syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
	end = time(NULL) + atoi(argv[2]);
	for (i = 1; i < threads; i++) {
		if (pthread_create(&t, NULL, work, NULL)) {
			perror("pvload: pthread_create");
			return 1;
		}
	}
	work(NULL);
	return 0;
}
