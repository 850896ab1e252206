/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A guest that counts in every page of an area, on two vCPUs, and finds out if a count is lost, old
 * or somebody else's, whatever the host does to its memory, its threads and its processors.
 */
#ifndef SELFTESTS_COUNTING_H
#define SELFTESTS_COUNTING_H

#include "vm.h"

#define COUNTING_AREA  HOLE_BASE
#define COUNTING_CPUS  2
#define COUNTING_PAGES 1024ull /* of both vCPUs together */
#define COUNTING_BYTES (COUNTING_PAGES * PAGE_SIZE)

struct counting {
	struct vm *vm;
	u8 *mem;
	struct vcpu *v[COUNTING_CPUS];
};

/** counting_memory() - memory for counting_start(): anonymous, huge pages would fit. */
u8 *counting_memory(void);

/** counting_start() - a VM whose area is @mem begins to count. */
struct counting counting_start(u8 *mem);

/** counting_passes() - how often all of the area was counted in, by both. */
u64 counting_passes(struct counting *c);

/** counting_where() - the two counters of counting_passes(), in this process' memory. */
volatile u64 *counting_where(struct counting *c);

/** counting_goes_on() - wait until it has counted @n times more; false: it does not. */
bool counting_goes_on(struct counting *c, u64 n);

/** counting_stop() - let it end; fails the case unless each page has its count. Frees nothing. */
void counting_stop(struct counting *c);

/* true: it had an effect */
typedef bool (*abuse_fn)(struct vm *vm, u8 *p, u64 n);

/** counting_under() - count, and meanwhile @fn with n counting up, until it had enough effects. */
void counting_under(abuse_fn fn);

/** vm_event() - a line of /proc/vmstat; the name ends with its blank. */
u64 vm_event(const char *name);

#endif
