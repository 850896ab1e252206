/* SPDX-License-Identifier: GPL-2.0 */
/* What a fuzzer's program has, and what its steps choose from. */
#ifndef FUZZ_IOCTL_WORLD_H
#define FUZZ_IOCTL_WORLD_H

#include <linux/kvm.h>
#include "ioctl_fuzz.h"

#define PER_KIND 4 /* files of each kind that a program has at once */
#define EVENTS   4
#define MEMORY   (8u << 20) /* of all VMs: they share it */
#define CODE     0x1000u
#define TABLES   0x2000u /* PML4, PDPT, PD: the first GiB as it is */
#define ARG_SIZE 32768
#define RUN_NS   2000000

enum file { DEVICE, VM, VCPU, STATS, KINDS };

struct call {
	enum file file;
	unsigned long nr;
	unsigned long get; /* what tells of the present state, to be changed in places */
};

struct world {
	int device;
	volatile int fd[KINDS][PER_KIND];
	volatile unsigned int next[KINDS];
	uint8_t *volatile run[PER_KIND];
	uint32_t run_size;
	int event[EVENTS];
	uint8_t *memory;
	struct tally *tally;
};

extern struct world world;

/** pick() - one of the files of a kind, mostly the first; -1 or a closed one too. */
int pick(struct dice *d, enum file file);

/** odd() - a value as attackers and accidents have them. */
uint64_t odd(struct dice *d);

/** fill() - odd values all over. */
void fill(struct dice *d, void *to, size_t size);

/** make_code() - instructions of a guest, at CODE. */
void make_code(struct dice *d);

/** make_tables() - page tables for 64-bit code, at TABLES. */
void make_tables(void);

/** netlink_begin() - find the family, once in each thread; false: there is none. */
bool netlink_begin(void);

/** netlink_send() - some messages to it; how many. */
unsigned int netlink_send(struct dice *d);

/** make_arg() - fill the argument; false: it is a number, put in *@value. */
bool make_arg(struct dice *d, const struct call *c, int fd, uint8_t *arg, uint64_t *value);

#endif
