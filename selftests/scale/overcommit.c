// SPDX-License-Identifier: GPL-2.0
/* A guest with more memory than its host, which swaps to a compressed device. */
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include "swap.h"
#include "vm.h"

#define SUITE "scale"

#define AREA 0x40000000ull
#define MAX  (512 * MiB) /* else it takes too long; the host is to be made small */

/* Every page differs from every other, in a few words only: what is left compresses well. */
static u64 mark(u64 page, u64 pass)
{
	return (page + 1) * 0x9e3779b97f4a7c15ull + pass;
}

static void guest_fill(u64 pages)
{
	volatile u64 *area = (u64 *)AREA;
	u64 pass, i;

	for (pass = 0; pass < 2; pass++) {
		for (i = 0; i < pages; i++) {
			volatile u64 *p = area + i * PAGE_SIZE / 8;

			if (pass) {
				GASSERT_EQ(p[0], mark(i, pass - 1));
				GASSERT_EQ(p[511], ~mark(i, pass - 1));
			}
			p[0] = mark(i, pass);
			p[511] = ~mark(i, pass);
		}
		GUEST_SYNC(pass);
	}
	GUEST_DONE();
}

/* GVA = GPA up to 4 GiB: the framework's tables have it. */
CASE(overcommit, .timeout = 600)
{
	struct sysinfo info;
	u64 bytes, i;
	struct vm *vm;
	struct vcpu *v;
	u64 *area;

	OK(sysinfo(&info));
	bytes = (info.totalram * info.mem_unit * 9 / 8) & ~(2 * MiB - 1);
	if (bytes > MAX)
		SKIP("this host has %llu MiB, too much to be overcommitted here",
		     bytes * 8 / 9 / MiB);
	if (!swap_on(bytes))
		SKIP("no zram that could be used for swap");
	vm = vm_create(0);
	area = vm_add_ram(vm, 1, 0, AREA, bytes);
	v = vcpu_new(vm, 0, guest_fill, bytes / PAGE_SIZE);
	for (i = 0; i < 2; i++)
		run_sync(v, i);
	run_done(v);
	OK(sysinfo(&info));
	CHECK(info.freeswap < info.totalswap);
	for (i = 0; i < bytes / PAGE_SIZE; i++) {
		CHECK_EQ(area[i * 512], mark(i, 1));
		CHECK_EQ(area[i * 512 + 511], ~mark(i, 1));
	}
	OK(munmap(area, bytes));
	swap_off();
}
