// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/swap.h>
#include <unistd.h>
#include "harness.h"
#include "layout.h"
#include "swap.h"

bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return ok;
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
