// SPDX-License-Identifier: GPL-2.0
/*
 * Runs in a guest that is saved, loaded, or moved: each pass checks every word of its memory and
 * writes it anew for the next pass. Says "guest: pass N" after each, and ends at a line of input.
 */
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define WORDS (4u << 20 >> 3)

static uint64_t words[WORDS];

/* What word i holds in a pass: no two alike. */
static uint64_t pattern(uint32_t i, uint32_t pass)
{
	uint64_t x = ((uint64_t)pass << 32 | i) * 0x9e3779b97f4a7c15ull;

	return x ^ x >> 29;
}

static int input(void)
{
	struct pollfd in = { .fd = 0, .events = POLLIN };

	return poll(&in, 1, 0) > 0;
}

int main(void)
{
	uint32_t i, pass;

	for (i = 0; i < WORDS; i++)
		words[i] = pattern(i, 0);
	for (pass = 0; !input(); pass++) {
		for (i = 0; i < WORDS; i++) {
			if (words[i] != pattern(i, pass)) {
				printf("guest: bad word %u in pass %u: %#llx\n", i, pass,
				       (unsigned long long)words[i]);
				return 1;
			}
			words[i] = pattern(i, pass + 1);
		}
		printf("guest: pass %u\n", pass);
		fflush(stdout);
	}
	printf("guest: memory good\n");
	return 0;
}
