// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "counting.h"

#define ROUNDS 6 /* of either side, so that it proves something */

static volatile u64 stop;
static volatile u64 passes[COUNTING_CPUS];

/* Each vCPU has every other page. */
static void guest_counter(volatile u64 *area)
{
	u64 me = this_cpu()->id, pass, i;

	for (pass = 0; !stop; pass++) {
		for (i = me; i < COUNTING_PAGES; i += COUNTING_CPUS) {
			volatile u64 *p = area + i * PAGE_SIZE / 8;

			GASSERT_EQ(*p, pass);
			GASSERT_EQ(p[511], pass);
			*p = pass + 1;
			p[511] = pass + 1;
		}
		passes[me] = pass + 1;
	}
	GUEST_DONE();
}

u8 *counting_memory(void)
{
	u8 *p = mmap(NULL, COUNTING_BYTES + 2 * MiB, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	p += -(u64)p & (2 * MiB - 1);
	memset(p, 0, COUNTING_BYTES);
	return p;
}

struct counting counting_start(u8 *mem)
{
	struct counting c = { .vm = vm_create(0), .mem = mem };
	u64 i;

	OK(vm_slot(c.vm, 1, 0, COUNTING_AREA, COUNTING_BYTES, mem));
	for (i = 0; i < COUNTING_CPUS; i++)
		c.v[i] = vcpu_new(c.vm, i, guest_counter, COUNTING_AREA);
	for (i = 0; i < COUNTING_CPUS; i++)
		vcpu_spawn(c.v[i]);
	return c;
}

volatile u64 *counting_where(struct counting *c)
{
	return G(c->vm, passes);
}

u64 counting_passes(struct counting *c)
{
	volatile u64 *n = counting_where(c);

	return n[0] < n[1] ? n[0] : n[1];
}

bool counting_goes_on(struct counting *c, u64 n)
{
	u64 target = counting_passes(c) + n;

	return eventually(counting_passes(c) >= target);
}

void counting_stop(struct counting *c)
{
	u64 i;

	G(c->vm, stop) = 1;
	for (i = 0; i < COUNTING_CPUS; i++)
		vcpu_join(c->v[i]);
	for (i = 0; i < COUNTING_PAGES; i++)
		CHECK_EQ(*(u64 *)(c->mem + i * PAGE_SIZE), G(c->vm, passes)[i % COUNTING_CPUS]);
}

void counting_under(abuse_fn fn)
{
	struct counting c = counting_start(counting_memory());
	u64 n, effects = 0;

	for (n = 0; effects < ROUNDS || counting_passes(&c) < ROUNDS; n++)
		effects += fn(c.vm, c.mem, n);
	counting_stop(&c);
}

u64 vm_event(const char *name)
{
	static char buf[16384];
	int fd = open("/proc/vmstat", O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n;
	char *at;

	/* A page at a time is what there is to be had. */
	while ((n = read(fd, buf + len, sizeof(buf) - 1 - len)) > 0)
		len += n;
	close(fd);
	CHECK(len);
	buf[len] = 0;
	at = strstr(buf, name);
	CHECK(at);
	return strtoull(at + strlen(name), NULL, 10);
}
