/* SPDX-License-Identifier: GPL-2.0 */
/* What a guest has given back by hypercalls and not taken again: a bit for each page. */
#ifndef MACHINE_GIVEN_H
#define MACHINE_GIVEN_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/**
 * struct given - the pages
 * @lock: guards the rest
 * @map: a bit for each page; NULL: there was no memory for it, and nobody knows
 * @pages: how many bits are set
 */
struct given {
	pthread_mutex_t lock;
	uint8_t *map;
	uint64_t pages;
};

/* Of a guest with so many bytes of memory; for want of memory here it does without a map. */
void given_init(struct given *g, uint64_t memory);
void given_destroy(struct given *g);

/**
 * given_note() - whole pages were given back, or taken again
 * @g: the pages
 * @addr: of the first, within the guest's memory, as is the last one
 * @len: bytes
 * @given: which
 *
 * Return: bytes that are given back by now, or VMM_GIVEN_UNKNOWN
 */
uint64_t given_note(struct given *g, uint64_t addr, uint64_t len, bool given);

#endif
