/* SPDX-License-Identifier: GPL-2.0 */
/* The ioctl fuzzer: what its engine (ioctl_fuzz.c) and its calls (ioctl_calls.c) share. */
#ifndef FUZZ_IOCTL_FUZZ_H
#define FUZZ_IOCTL_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_OPS     64
#define MAX_THREADS 3
#define MAX_IOCTLS  160

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define BIT(n)        (1ull << (n))

/**
 * struct op - one step of a program
 * @kind: enum op_kind
 * @call: for OP_IOCTL, which of the table
 * @thread: who does it
 * @seed: all else that there is to choose
 */
struct op {
	uint8_t kind, call, thread;
	uint32_t seed;
};

struct program {
	unsigned int count, threads;
	struct op ops[MAX_OPS];
};

/**
 * struct tally - what was done, in memory that all processes share
 * @calls: ioctls made, @good: that succeeded
 * @vms, @runs: made, and KVM_RUNs
 * @messages: sent by netlink, @answers: to them that are no error
 * @over: the VMs beside the messages shall end
 * @succeeded: by place in the table, how often
 */
struct tally {
	uint64_t calls, good, vms, runs, messages, answers;
	uint32_t over;
	uint32_t succeeded[MAX_IOCTLS];
};

/* A stream of choices: the same seed, the same choices. */
struct dice {
	uint64_t state;
};

static inline uint64_t dice_next(struct dice *d)
{
	uint64_t z = d->state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static inline uint64_t dice_below(struct dice *d, uint64_t n)
{
	return dice_next(d) % n;
}

static inline bool dice_one_in(struct dice *d, uint64_t n)
{
	return dice_next(d) % n == 0;
}

/** calls_count() - how many ioctls the table has. */
unsigned int calls_count(void);

/** calls_draw() - a random step. */
struct op calls_draw(struct dice *d, unsigned int threads);

/** calls_opening() - steps that make a VM of some kind; how many. */
unsigned int calls_opening(struct dice *d, struct op *ops);

/** calls_run() - carry out this process' share of a program: all steps of one thread. */
void calls_run(const struct program *p, unsigned int thread);

/** calls_begin() - once in each process that runs a program. */
void calls_begin(const char *device, struct tally *tally);

/** calls_messages() - send so many netlink messages at least, while VMs come, run and go. */
bool calls_messages(const char *device, struct tally *tally, uint64_t seed, uint64_t count);

/** calls_sane() - a guest of a new VM runs as it should. */
bool calls_sane(const char *device);

#endif
