// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>

#include "../machine/machine.h"
#include "tap.h"

static struct kvm_cpuid2 *with(uint32_t function, uint32_t index, uint32_t eax, uint32_t ebx,
			       uint32_t ecx, uint32_t edx)
{
	struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + sizeof(c->entries[0]));

	c->nent = 1;
	c->entries[0] = (struct kvm_cpuid_entry2){
		.function = function, .index = index, .eax = eax, .ebx = ebx, .ecx = ecx, .edx = edx
	};
	return c;
}

static void leaf_1(void)
{
	struct kvm_cpuid2 *c = with(1, 0, 0x800f12, 0x07100800, 0x12345, 0x1783fbff);
	struct kvm_cpuid_entry2 *e = c->entries;

	cpuid_adjust(c, 3, 4, true);
	CHECK_EQ(e->eax, 0x800f12);
	CHECK_EQ(e->ebx, 0x03040800);
	CHECK_EQ(e->ecx & (1u << 31), 1u << 31);
	CHECK_EQ(e->ecx & (1u << 24), 1u << 24);
	CHECK_EQ(e->ecx & (1u << 21), 1u << 21);
	CHECK_EQ(e->edx & (1u << 28), 1u << 28);
	free(c);

	c = with(1, 0, 0, 0, 0, 0xffffffff);
	cpuid_adjust(c, 0, 1, false);
	CHECK_EQ(c->entries->edx & (1u << 28), 0);
	CHECK_EQ(c->entries->ecx & (1u << 24), 0);
	free(c);
}

/* Shifting an APIC id by the width of a level must give the same number for all cores in it. */
static void topology(void)
{
	static const unsigned int counts[] = { 1, 2, 3, 4, 33, 64 };
	struct kvm_cpuid2 *c;
	unsigned int i, last;

	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		last = counts[i] - 1;
		c = with(0xb, 1, 7, 7, 7, 7);
		cpuid_adjust(c, last, counts[i], false);
		CHECK_EQ(c->entries->edx, last);
		CHECK_EQ(last >> c->entries->eax, 0);
		CHECK_EQ(c->entries->ebx, counts[i]);
		CHECK_EQ(c->entries->ecx, 0x201);
		free(c);
		c = with(0xb, 0, 7, 7, 7, 7);
		cpuid_adjust(c, last, counts[i], false);
		CHECK_EQ(c->entries->eax, 0);
		CHECK_EQ(c->entries->ebx, 1);
		CHECK_EQ(c->entries->ecx, 0x100);
		free(c);
		c = with(0xb, 2, 7, 7, 7, 7);
		cpuid_adjust(c, last, counts[i], false);
		CHECK_EQ(c->entries->ebx, 0);
		CHECK_EQ(c->entries->ecx, 2);
		free(c);
		c = with(0x80000008, 0, 0x3028, 0, 0x77777777, 0);
		cpuid_adjust(c, last, counts[i], false);
		CHECK_EQ(c->entries->eax, 0x3028);
		CHECK_EQ(c->entries->ecx & 0xff, last);
		CHECK_EQ(last >> (c->entries->ecx >> 12 & 0xf), 0);
		free(c);
	}
}

static void amd_leaves(void)
{
	struct kvm_cpuid2 *c = with(0x8000001e, 0, 99, 99, 99, 0);

	cpuid_adjust(c, 5, 8, false);
	CHECK_EQ(c->entries->eax, 5);
	CHECK_EQ(c->entries->ebx & 0xff, 5);
	CHECK_EQ(c->entries->ebx >> 8 & 0xff, 0);
	CHECK_EQ(c->entries->ecx, 0);
	free(c);
	c = with(0x8000001d, 3, 0x03ffc163, 1, 2, 3); /* third level: shared by all */
	cpuid_adjust(c, 5, 8, false);
	CHECK_EQ(c->entries->eax >> 14 & 0xfff, 7);
	CHECK_EQ(c->entries->eax & 0x3fff, 0x0163);
	free(c);
	c = with(0x8000001d, 2, 0x03ffc143, 1, 2, 3);
	cpuid_adjust(c, 5, 8, false);
	CHECK_EQ(c->entries->eax >> 14 & 0xfff, 0);
	free(c);
	c = with(0x80000001, 0, 0, 0, 0, 0);
	cpuid_adjust(c, 0, 2, false);
	CHECK_EQ(c->entries->ecx & 2, 2);
	cpuid_adjust(c, 0, 1, false);
	CHECK_EQ(c->entries->ecx & 2, 0);
	free(c);
}

static void others_untouched(void)
{
	struct kvm_cpuid2 *c = with(0x40000001, 0, 1, 2, 3, 4);
	struct kvm_cpuid_entry2 before = c->entries[0];

	cpuid_adjust(c, 5, 8, true);
	CHECK(!memcmp(&before, c->entries, sizeof(before)));
	free(c);
}

static void hidden(void)
{
	static const uint32_t functions[] = { 0,          1,          0x3fffffff,
					      0x40000000, 0x40000001, 0x40000100,
					      0x4fffffff, 0x80000000, 0x8000001f };
	static const uint32_t left[] = { 0, 1, 0x3fffffff, 0x80000000, 0x8000001f };
	const unsigned int n = sizeof(functions) / sizeof(functions[0]);
	struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + n * sizeof(c->entries[0]));
	unsigned int i;

	c->nent = n;
	for (i = 0; i < n; i++)
		c->entries[i].function = functions[i];
	cpuid_hide_pv(c);
	CHECK_EQ(c->nent, sizeof(left) / sizeof(left[0]));
	for (i = 0; i < c->nent; i++)
		CHECK_EQ(c->entries[i].function, left[i]);
	free(c);
}

TAP_MAIN(TEST(leaf_1), TEST(topology), TEST(amd_leaves), TEST(others_untouched), TEST(hidden));
