// SPDX-License-Identifier: GPL-2.0
/* What a guest has given back by hypercalls. */
#include <stdlib.h>

#include <linux/vmm.h>

#include "../machine/given.h"
#include "tap.h"

#define MEMORY (1ull << 20)
#define PAGE   4096ull

static struct given g;

static void begin(void)
{
	given_init(&g, MEMORY);
}

static void end(void)
{
	given_destroy(&g);
}

static void pages_count_once(void)
{
	begin();
	CHECK_EQ(given_note(&g, 0, 0, true), 0);
	CHECK_EQ(given_note(&g, PAGE, 9 * PAGE, true), 9 * PAGE);
	CHECK_EQ(given_note(&g, 5 * PAGE, 9 * PAGE, true), 13 * PAGE);
	CHECK_EQ(given_note(&g, 0, 2 * PAGE, false), 12 * PAGE);
	CHECK_EQ(given_note(&g, 0, MEMORY, true), MEMORY);
	CHECK_EQ(given_note(&g, 0, MEMORY, false), 0);
	end();
}

/* Without a map the figure is no figure, and not a wrong one. */
static void without_memory(void)
{
	begin();
	free(g.map);
	g.map = NULL;
	CHECK_EQ(given_note(&g, PAGE, PAGE, true), VMM_GIVEN_UNKNOWN);
	CHECK_EQ(given_note(&g, PAGE, PAGE, false), VMM_GIVEN_UNKNOWN);
	end();
}

TAP_MAIN(TEST(pages_count_once), TEST(without_memory));
