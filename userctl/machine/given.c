// SPDX-License-Identifier: GPL-2.0
#include "given.h"

#include <stdlib.h>

#include <linux/vmm.h>

#define PAGE 4096ull

void given_init(struct given *g, uint64_t memory)
{
	pthread_mutex_init(&g->lock, NULL);
	g->map = calloc(memory / PAGE / 8 + 1, 1);
	g->pages = 0;
}

void given_destroy(struct given *g)
{
	free(g->map);
	pthread_mutex_destroy(&g->lock);
}

static void note_page(struct given *g, uint64_t page, bool given)
{
	uint8_t bit = (uint8_t)(1u << page % 8), *byte = &g->map[page / 8];

	if (!(*byte & bit) != given)
		return;
	*byte ^= bit;
	g->pages += given ? 1 : -1ull;
}

uint64_t given_note(struct given *g, uint64_t addr, uint64_t len, bool given)
{
	uint64_t page, bytes;

	if (!g->map)
		return VMM_GIVEN_UNKNOWN;
	pthread_mutex_lock(&g->lock);
	for (page = addr / PAGE; page < (addr + len) / PAGE; page++)
		note_page(g, page, given);
	bytes = g->pages * PAGE;
	pthread_mutex_unlock(&g->lock);
	return bytes;
}
