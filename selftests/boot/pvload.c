// SPDX-License-Identifier: GPL-2.0
/*
 * Run in a guest with four processors: threads that share an address space, map and unmap pages,
 * and sleep now and then. So the guest's kernel has to flush the TLBs of processors that do not
 * run. Before that it sends interrupts to two processors of the three others: one has a message of
 * its own, and all have the APIC's shorthand.
 *	pvload THREADS SECONDS
 */
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PAGE  4096
#define BURST 64
#define IPIS  50

static time_t end;
static bool stop;
static int spinning;

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set)) {
		perror("pvload: sched_setaffinity");
		exit(1);
	}
}

static void barrier(void)
{
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0)) {
		perror("pvload: membarrier");
		exit(1);
	}
}

static void *spin(void *cpu)
{
	pin((int)(long)cpu);
	__atomic_fetch_add(&spinning, 1, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST))
		;
	return NULL;
}

static pthread_t start(void *(*fn)(void *), void *arg)
{
	pthread_t t;

	if (pthread_create(&t, NULL, fn, arg)) {
		fprintf(stderr, "pvload: no thread\n");
		exit(1);
	}
	return t;
}

static void send_interrupts(void)
{
	pthread_t t[2];
	int i;

	pin(0);
	for (i = 0; i < 2; i++)
		t[i] = start(spin, (void *)(long)(i + 1));
	while (__atomic_load_n(&spinning, __ATOMIC_SEQ_CST) < 2)
		sched_yield();
	for (i = 0; i < IPIS; i++)
		barrier();
	__atomic_store_n(&stop, true, __ATOMIC_SEQ_CST);
	for (i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
}

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

	while (time(NULL) < end) {
		burst();
		nanosleep(&nap, NULL);
	}
	return arg;
}

int main(int argc, char **argv)
{
	int threads = argc > 2 ? atoi(argv[1]) : 0, i;
	cpu_set_t all;

	if (threads < 1) {
		fprintf(stderr, "usage: pvload THREADS SECONDS\n");
		return 64;
	}
	syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
	sched_getaffinity(0, sizeof(all), &all);
	send_interrupts();
	sched_setaffinity(0, sizeof(all), &all);
	end = time(NULL) + atoi(argv[2]);
	for (i = 1; i < threads; i++)
		start(work, NULL);
	work(NULL);
	return 0;
}
