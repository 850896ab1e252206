// SPDX-License-Identifier: GPL-2.0
/*
 * A disk loses nothing that it said is flushed, whenever its process is killed: 200 processes write
 * rising numbers through the device, until SIGKILL.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../devices/virtio_blk.h"
#include "driver.h"
#include "tap.h"

#define ROUNDS 200
#define PLACES 64
#define BLOCK  4096
#define HEAD   DRV_DATA
#define STATUS (DRV_DATA + 0x1000)
#define DATA   (DRV_DATA + 0x10000)

static char image[] = "/tmp/vmctl-kill-XXXXXX";

static int request(uint32_t type, uint64_t sector, uint32_t len)
{
	struct virtio_blk_outhdr *head = drv_at(HEAD, sizeof(*head));
	uint8_t *status = drv_at(STATUS, 1);
	unsigned int n = 0;

	*head = (struct virtio_blk_outhdr){ .type = type, .sector = sector };
	*status = 99;
	drv_desc(0, n++, HEAD, sizeof(*head), DRV_NEXT);
	if (len)
		drv_desc(0, n++, DATA, len, DRV_NEXT);
	drv_desc(0, n, STATUS, 1, DRV_WRITE);
	drv_offer(0, 0);
	drv_await(0);
	return *status;
}

/* Tells each number once it is flushed, until it is killed. */
static void write_numbers(int told)
{
	const struct blk_image raw = { image, BLK_RAW, false };
	struct error err;
	uint64_t n, *data;
	unsigned int i;

	drv_begin();
	if (!drv_attach(virtio_blk_create("disk0", &raw, &drv.mem, &err)))
		_exit(1);
	drv_drive(1u << VIRTIO_BLK_F_FLUSH);
	data = drv_at(DATA, BLOCK);
	for (n = 1;; n++) {
		for (i = 0; i < BLOCK / 8; i++)
			data[i] = n;
		if (request(VIRTIO_BLK_T_OUT, n % PLACES * (BLOCK / 512), BLOCK) ||
		    request(VIRTIO_BLK_T_FLUSH, 0, 0) || write(told, &n, sizeof(n)) < 0)
			_exit(1);
	}
}

/* The last number that was told; waits for the first one. */
static uint64_t last_told(int fd, pid_t pid)
{
	uint64_t n = 0, safe = 0;

	CHECK_EQ(read(fd, &safe, sizeof(safe)), sizeof(safe));
	usleep((useconds_t)(random() % 3000));
	CHECK_EQ(kill(pid, SIGKILL), 0);
	while (read(fd, &n, sizeof(n)) == sizeof(n))
		safe = n;
	return safe;
}

/* Each block that is told holds its number, or that of the round after it. */
static unsigned int lost(uint64_t safe)
{
	static uint64_t block[BLOCK / 8];
	int fd = open(image, O_RDONLY);
	unsigned int i, count = 0;
	uint64_t n = safe >= PLACES ? safe - PLACES + 1 : 1;

	for (; n <= safe; n++) {
		if (pread(fd, block, BLOCK, (off_t)(n % PLACES * BLOCK)) != BLOCK)
			count++;
		for (i = 0; i < BLOCK / 8; i++)
			count += block[i] != n && block[i] != n + PLACES;
	}
	close(fd);
	return count;
}

/* A moment after its process the lock of an image goes, and who waits for that has no patience. */
static bool locked(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	CHECK_EQ(fcntl(fd, F_OFD_GETLK, &lock), 0);
	return lock.l_type != F_UNLCK;
}

static void killed_at_any_moment(void)
{
	unsigned int round, told = 0;
	int fd = mkstemp(image), pipes[2], status;
	uint64_t safe;
	pid_t pid;

	CHECK(fd >= 0);
	for (round = 0; round < ROUNDS; round++) {
		/* No number of the round before. */
		drv_until(!locked(fd));
		CHECK_EQ(ftruncate(fd, 0), 0);
		CHECK_EQ(ftruncate(fd, PLACES * BLOCK), 0);
		CHECK_EQ(pipe(pipes), 0);
		pid = fork();
		if (!pid)
			write_numbers(pipes[1]);
		close(pipes[1]);
		safe = last_told(pipes[0], pid);
		close(pipes[0]);
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		CHECK_EQ(lost(safe), 0);
		told += safe > 0;
	}
	CHECK_EQ(told, ROUNDS);
	close(fd);
	unlink(image);
}

TAP_MAIN(TEST(killed_at_any_moment));
