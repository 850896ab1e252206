// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/swap.h>
#include <unistd.h>
#include "harness.h"
#include "layout.h"
#include "swap.h"

#define HUGE_POOL "/proc/sys/vm/nr_hugepages"

bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return ok;
}

/* The case before may have left none free in one piece, and what it had is given back later. */
bool huge_pool(u64 pages)
{
	unsigned int tries;

	for (tries = 0; tries < 100; tries++) {
		char text[24];
		int fd;

		snprintf(text, sizeof(text), "%llu", pages);
		if (!write_file(HUGE_POOL, text))
			return false;
		fd = OK(open(HUGE_POOL, O_RDONLY | O_CLOEXEC));
		memset(text, 0, sizeof(text));
		CHECK(read(fd, text, sizeof(text) - 1) > 0);
		close(fd);
		if (strtoull(text, NULL, 10) == pages)
			return true;
		write_file("/proc/sys/vm/compact_memory", "1");
		usleep(50000);
	}
	return false;
}

bool swap_on(u64 bytes)
{
	static u8 header[PAGE_SIZE];
	u32 info[2] = { 1, bytes / PAGE_SIZE - 1 };
	char size[24];
	int fd;

	snprintf(size, sizeof(size), "%llu", (unsigned long long)bytes);
	if (!write_file("/sys/block/zram0/disksize", size))
		return false;
	memcpy(header + 1024, info, sizeof(info));
	memcpy(header + PAGE_SIZE - 10, "SWAPSPACE2", 10);
	fd = OK(open("/dev/zram0", O_RDWR));
	CHECK_EQ(write(fd, header, sizeof(header)), sizeof(header));
	close(fd);
	OK(swapon("/dev/zram0", 0));
	return true;
}

void swap_off(void)
{
	OK(swapoff("/dev/zram0"));
	CHECK(write_file("/sys/block/zram0/reset", "1"));
}
