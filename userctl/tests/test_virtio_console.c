// SPDX-License-Identifier: GPL-2.0
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "../devices/virtio_console.h"
#include "driver.h"
#include "tap.h"

#define RX         0
#define TX         1
#define SILENCE_MS 300
#define FOREVER_MS 600000
#define IN(n)      (0x1000ULL * (34 + (n)))

static struct error err;
static char output[256];
static atomic_uint outputs, rooms;
static atomic_bool slow;

static void tx(void *opaque, uint8_t byte)
{
	unsigned int n = atomic_load(&outputs);

	(void)opaque;
	if (n < sizeof(output) - 1)
		output[n] = (char)byte;
	atomic_store(&outputs, n + 1);
	if (slow)
		usleep(1000);
}

static void room(void *opaque)
{
	(void)opaque;
	atomic_fetch_add(&rooms, 1);
}

static bool begin(int silence_ms)
{
	const struct virtio_console_wire wire = { tx, room, NULL, silence_ms };

	drv_begin();
	memset(output, 0, sizeof(output));
	atomic_store(&outputs, 0);
	atomic_store(&rooms, 0);
	if (!drv_attach(virtio_console_create("console", &wire, &drv.mem, &err)))
		return false;
	drv_drive(0);
	return true;
}

static void *look(void *arg)
{
	(void)arg;
	(void)drv_broken();
	return NULL;
}

/* Long output, for which a vCPU waits that reads a register: the machine can end. */
static void ends(void)
{
	pthread_t vcpu;
	unsigned int i;

	if (!begin(FOREVER_MS))
		return;
	slow = true;
	for (i = 0; i < DRV_SIZE; i++)
		drv_desc(TX, i, 0, DRV_MEMORY, i < DRV_SIZE - 1 ? DRV_NEXT : 0);
	drv_offer(TX, 0);
	drv_until(atomic_load(&outputs));
	CHECK_EQ(pthread_create(&vcpu, NULL, look, NULL), 0);
	virtio_end_soon(drv.v);
	pthread_join(vcpu, NULL);
	slow = false;
	drv_end();
}

static size_t type_once(const char *keys)
{
	return virtio_console_receive(drv.v, (const uint8_t *)keys, strlen(keys));
}

/* Where there is room: while its thread is at work the device takes nothing. */
static size_t type(const char *keys)
{
	unsigned int tries;
	size_t n;

	for (tries = 0; tries < 60000; tries++) {
		n = type_once(keys);
		if (n)
			return n;
		usleep(1000);
	}
	return 0;
}

static void offer(unsigned int n, uint32_t len)
{
	drv_desc(RX, n, IN(n), len, DRV_WRITE);
	drv_offer(RX, (uint16_t)n);
}

static void say(const char *what)
{
	strcpy(drv_at(DRV_DATA, 16), what);
	drv_request(TX, DRV_DATA, (uint32_t)strlen(what), 0, 0);
}

static void console(void)
{
	if (!begin(FOREVER_MS))
		return;
	/* Without a control queue: the guest has its console as soon as it has the device. */
	CHECK_EQ(drv_get(DRV_COMMON + VIRTIO_PCI_COMMON_NUMQ, 2), 2);
	say("hello");
	CHECK(!strcmp(output, "hello"));
	/* Input: what fits. */
	CHECK_EQ(type_once("abcdef"), 0);
	offer(0, 4);
	drv_until(atomic_load(&rooms));
	CHECK_EQ(type("abcdef"), 4);
	CHECK(!memcmp(drv_at(IN(0), 6), "abcd\0\0", 6));
	CHECK_EQ(drv_await(RX), 4);
	drv_end();
}

/* The output makes no interrupt: what comes is that of the input. */
static bool begin_quietly(int silence_ms)
{
	if (!begin(silence_ms))
		return false;
	*(uint16_t *)drv_at(DRV_AVAIL(TX), 2) = VRING_AVAIL_F_NO_INTERRUPT;
	return true;
}

/* Input lies there, but the guest is not told before it has written something: it would drop it. */
static void typed_ahead(void)
{
	if (!begin_quietly(FOREVER_MS))
		return;
	offer(0, 64);
	CHECK_EQ(type("keys"), 4);
	CHECK_EQ(drv_used(RX), 1);
	CHECK(!atomic_load(&drv.line));
	say("login:");
	drv_until(atomic_load(&drv.line));
	drv_get(DRV_ISR, 1);
	CHECK(!atomic_load(&drv.line));
	offer(1, 64);
	CHECK_EQ(type("more"), 4);
	CHECK(atomic_load(&drv.line));
	/* Another driver of the device begins anew. */
	drv_drive(0);
	offer(0, 64);
	CHECK_EQ(type("more"), 4);
	CHECK(!atomic_load(&drv.line));
	drv_end();
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* A guest that never says anything is told, too. */
static void silent(void)
{
	uint64_t start;

	if (!begin_quietly(SILENCE_MS))
		return;
	offer(0, 64);
	start = now_ms();
	CHECK_EQ(type("keys"), 4);
	drv_until(atomic_load(&drv.line));
	CHECK(now_ms() - start >= SILENCE_MS);
	drv_end();
}

TAP_MAIN(TEST(console), TEST(typed_ahead), TEST(silent), TEST(ends));
