// SPDX-License-Identifier: GPL-2.0
/*
 * A kernel that has no device: all it does it does by the hypercalls of <linux/vmm.h>. It is
 * started by PVH in 32-bit mode without paging, says what works, and ends the machine. Every
 * failure is a line that begins with "bad".
 */
#include <linux/vmm.h>

#include "pvh.h"

#define GIVEN (16u << 20)
#define SIZE  (2u << 20)

#define EFAULT 14
#define EINVAL 22

static __u8 page[4096] __attribute__((aligned(4096)));

static __s32 hc(__u32 nr, __u32 a0, __u32 a1)
{
	__s32 ret;

	asm volatile("call *%[page]"
		     : "=a"(ret)
		     : "a"(VMM_HC(nr)), "b"(a0), "c"(a1), [page] "r"(page)
		     : "memory");
	return ret;
}

static __u32 length(const char *s)
{
	__u32 n = 0;

	while (s[n])
		n++;
	return n;
}

static void say(const char *s)
{
	__u32 len = length(s);

	while (len) {
		__s32 n = hc(VMM_HC_CONSOLE_WRITE, (__u32)s, len);

		if (n <= 0)
			break;
		s += n;
		len -= n;
	}
}

static void check(int good, const char *what)
{
	say(good ? "good " : "bad ");
	say(what);
	say("\n");
}

static void cpuid(__u32 leaf, __u32 r[4])
{
	asm volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(0));
}

static int is_vmm(const __u32 r[4])
{
	static const char name[] = VMM_SIGNATURE;
	const __u32 *word = (const __u32 *)name;

	return r[1] == word[0] && r[2] == word[1] && r[3] == word[2];
}

static __u64 clock(void)
{
	static __u64 ns;

	return hc(VMM_HC_CLOCK, (__u32)&ns, 0) ? 0 : ns;
}

static int clock_moves(void)
{
	__u64 first = clock(), now;
	__u32 i;

	for (i = 0; i < 1000; i++) {
		hc(VMM_HC_YIELD, 0, 0);
		now = clock();
		if (now > first)
			return first != 0;
		if (now < first)
			return 0;
	}
	return 0;
}

static int memory_comes_and_goes(void)
{
	volatile __u32 *word = (__u32 *)GIVEN;

	*word = 0x12345678;
	if (hc(VMM_HC_MEMORY_GIVE, GIVEN, SIZE) || *word)
		return 0;
	if (hc(VMM_HC_MEMORY_TAKE, GIVEN, SIZE))
		return 0;
	*word = 1;
	return *word == 1;
}

__attribute__((used)) static void start(const struct start_info *info)
{
	__u32 base[4], calls[4];

	cpuid(VMM_CPUID_BASE, base);
	cpuid(VMM_CPUID_CALLS, calls);
	asm volatile("wrmsr"
		     :
		     : "c"(calls[2]), "a"((__u32)page | VMM_HYPERCALL_PAGE_ON), "d"(0)
		     : "memory");
	check(is_vmm(base) && base[0] >= VMM_CPUID_CALLS, "signature");
	check(calls[0] == VMM_HC_VERSION, "version");
	check(hc(VMM_HC_QUERY, 0, 0) == (__s32)(calls[0] << 24 | calls[1]), "query");
	check(clock_moves(), "clock");
	check(memory_comes_and_goes(), "memory");
	check(hc(VMM_HC_MEMORY_GIVE, 0xf0000000, SIZE) == -EFAULT, "no memory to give");
	check(hc(VMM_HC_MEMORY_GIVE, GIVEN + 1, SIZE) == -EINVAL, "a part of a page");
	check(hc(VMM_HC_CONSOLE_WRITE, 0xfffffff0, 64) == -EFAULT, "no text to write");
	check(hc(VMM_HC_END, 2, 0) == -EINVAL, "no such end");
	check(hc(VMM_HC_CALLS, 0, 0) == -1000, "no such call");
	say("cmdline ");
	say((const char *)(__u32)info->cmdline);
	say("\n");
	hc(VMM_HC_END, *(const char *)(__u32)info->cmdline == 'r', 0);
	say("bad end\n");
}
