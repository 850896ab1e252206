// SPDX-License-Identifier: GPL-2.0
/* Entropy, the balloon, and the device that is told of panics. */
#include <linux/virtio_balloon.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "../devices/pvpanic.h"
#include "../devices/virtio_balloon.h"
#include "../devices/virtio_rng.h"
#include "driver.h"
#include "tap.h"

#define DATA  DRV_DATA
#define PAGES 0x100000ULL

static struct error err;

static void entropy(void)
{
	uint8_t *data, zeros[64] = { 0 };

	drv_begin();
	if (!drv_attach(virtio_rng_create("rng", &drv.mem, &err)))
		return;
	drv_drive(0);
	data = drv_at(DATA, 0x10000);
	CHECK_EQ(drv_request(0, 0, 0, DATA, 64), 64);
	CHECK(memcmp(data, zeros, 64));
	CHECK(!memcmp(data + 64, zeros, 64));
	/* Not more than a bit at a time. */
	CHECK_EQ(drv_request(0, 0, 0, DATA, 0x10000), 4096);
	CHECK(!memcmp(data + 4096, zeros, 64));
	/* Nothing to fill. */
	drv_request(0, DATA, 16, 0, 0);
	CHECK(drv_broken());
	CHECK_HAS(drv.log, "rng: the guest wants no bytes");
	drv_drive(0);
	CHECK_EQ(drv_request(0, 0, 0, DATA, 1), 1);
	drv_end();
}

static struct balloon_stats stats(void)
{
	struct balloon_stats s;

	virtio_balloon_stats(drv.v, &s);
	return s;
}

static bool balloon_begin(void)
{
	drv_begin();
	if (!drv_attach(virtio_balloon_create("balloon", &drv.mem, &err)))
		return false;
	drv_drive(1u << VIRTIO_BALLOON_F_STATS_VQ | 1u << VIRTIO_BALLOON_F_REPORTING |
		  1u << VIRTIO_BALLOON_F_DEFLATE_ON_OOM);
	return true;
}

static void inflates(void)
{
	uint8_t *pages;
	uint32_t *pfn;

	if (!balloon_begin())
		return;
	pages = drv_at(PAGES, 0x4000);
	pfn = drv_at(DATA, 0x20000);
	virtio_balloon_set(drv.v, 2 * 4096 + 5);
	CHECK_EQ(drv_get(DRV_ISR, 1), 2);
	CHECK_EQ(drv_get(DRV_DEVICE, 4), 2);
	memset(pages, 0x55, 0x4000);
	pfn[0] = PAGES / 4096 + 1;
	pfn[1] = PAGES / 4096 + 2;
	drv_request(0, DATA, 8, 0, 0);
	CHECK_EQ(pages[0], 0x55);
	CHECK_EQ(pages[0x1000], 0);
	CHECK_EQ(pages[0x2fff], 0);
	CHECK_EQ(pages[0x3000], 0x55);
	drv_set(DRV_DEVICE + 4, 2, 4);
	/* The rest of the configuration is not the guest's. */
	drv_set(DRV_DEVICE, 77, 4);
	drv_set(DRV_DEVICE + 5, 77, 1);
	CHECK_EQ(stats().target, 2 * 4096);
	CHECK_EQ(stats().actual, 2 * 4096);
	CHECK_EQ(stats().given, 2 * 4096);
	/* Deflate: the page is there again. */
	drv_request(1, DATA, 4, 0, 0);
	pages[0x1000] = 1;
	CHECK_EQ(stats().given, 2 * 4096);
	/* Pages that are not there; too many at once. */
	pfn[0] = DRV_MEMORY / 4096;
	drv_request(0, DATA, 4, 0, 0);
	CHECK(drv_broken());
	drv_drive(0);
	CHECK_EQ(stats().actual, 0);
	pfn[0] = UINT32_MAX;
	drv_request(0, DATA, 4, 0, 0);
	CHECK(drv_broken());
	drv_drive(0);
	drv_request(0, DATA, 65540, 0, 0);
	CHECK(drv_broken());
	CHECK_HAS(drv.log, "too many");
	drv_end();
}

static atomic_bool over;

/* A vCPU that offers as fast as it is served. */
static void *offer_on(void *arg)
{
	struct vring_avail *avail = drv_at(DRV_AVAIL(1), sizeof(*avail));
	struct vring_used *used = drv_at(DRV_USED(1), sizeof(*used));
	uint16_t ahead;

	(void)arg;
	while (!atomic_load(&over)) {
		ahead = __atomic_load_n(&used->idx, __ATOMIC_SEQ_CST) + DRV_SIZE;
		__atomic_store_n(&avail->idx, ahead, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

static void offers_on(void)
{
	unsigned int i;
	pthread_t other;
	uint16_t before;

	if (!balloon_begin())
		return;
	drv_desc(1, 0, DATA, 4, 0);
	atomic_store(&over, false);
	CHECK_EQ(pthread_create(&other, NULL, offer_on, NULL), 0);
	drv_set(DRV_NOTIFY + 4, 1, 2);
	/* Somebody else gets a turn. */
	for (i = 0; i < 20; i++)
		CHECK_EQ(stats().actual, 0);
	/* What its thread does, by hand: no more than the queue has room for. */
	virtio_end(drv.v);
	pthread_mutex_lock(&drv.v->lock);
	for (i = 0; i < 20; i++) {
		before = drv_used(1);
		drv_set(DRV_NOTIFY + 4, 1, 2);
		virtio_serve(drv.v, 0);
		CHECK((uint16_t)(drv_used(1) - before) <= DRV_SIZE);
	}
	pthread_mutex_unlock(&drv.v->lock);
	atomic_store(&over, true);
	pthread_join(other, NULL);
	CHECK(!drv_broken());
	drv_end();
}

static void reports(void)
{
	unsigned int q;
	uint8_t *pages;

	if (!balloon_begin())
		return;
	pages = drv_at(PAGES, 0x4000);
	/* Either queue; what are only parts of pages remains. */
	for (q = 3; q <= 4; q++) {
		memset(pages, 0x55, 0x4000);
		drv_request(q, 0, 0, PAGES + 0x800, 0x2000);
		CHECK_EQ(pages[0xfff], 0x55);
		CHECK_EQ(pages[0x1000], 0);
		CHECK_EQ(pages[0x1fff], 0);
		CHECK_EQ(pages[0x2000], 0x55);
	}
	CHECK_EQ(stats().reported, 2 * 4096);
	/* What the device reads is not free. */
	memset(pages, 0x55, 0x4000);
	drv_request(3, PAGES, 0x4000, 0, 0);
	CHECK_EQ(pages[0], 0x55);
	CHECK_EQ(stats().reported, 2 * 4096);
	drv_end();
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void statistics(void)
{
	struct virtio_balloon_stat *stat;
	uint64_t begin;

	if (!balloon_begin())
		return;
	stat = drv_at(DATA, 64);
	stat[0] = (struct virtio_balloon_stat){ VIRTIO_BALLOON_S_AVAIL, 123456 };
	stat[1] = (struct virtio_balloon_stat){ 999, 1 };
	stat[2] = (struct virtio_balloon_stat){ VIRTIO_BALLOON_S_MEMTOT, 777 };
	/* It keeps the request until it wants to know more: two seconds. */
	drv_desc(2, 0, DATA, 3 * sizeof(*stat), 0);
	begin = now_ms();
	drv_offer(2, 0);
	drv_until(stats().known);
	CHECK_EQ(stats().tag[VIRTIO_BALLOON_S_AVAIL], 123456);
	CHECK_EQ(stats().tag[VIRTIO_BALLOON_S_MEMTOT], 777);
	CHECK_EQ(stats().known, 1u << VIRTIO_BALLOON_S_AVAIL | 1u << VIRTIO_BALLOON_S_MEMTOT);
	drv_await(2);
	CHECK(now_ms() - begin >= 2000);
	/* After a reset it has none. */
	drv_offer(2, 0);
	drv_drive(0);
	CHECK_EQ(drv_used(2), 0);
	drv_end();
}

static unsigned int panics, crash_kernels;

static void panicked(void *opaque, bool loaded)
{
	CHECK(opaque == &panics);
	if (loaded)
		crash_kernels++;
	else
		panics++;
}

static void panic(void)
{
	static struct pvpanic dev;

	drv_begin();
	pvpanic_init(&dev, panicked, &panics);
	CHECK_EQ(pci_attach(&drv.bus, &dev.pci), 0);
	drv_set(PCI_ECAM_BASE + 0x8010, PCI_WINDOW_BASE, 4);
	drv_set(PCI_ECAM_BASE + 0x8004, 2, 2);
	CHECK_EQ(drv_get(PCI_ECAM_BASE + 0x8000, 4), 0x00111b36);
	CHECK_EQ(drv_get(PCI_WINDOW_BASE, 1), 3);
	CHECK_EQ(drv_get(PCI_WINDOW_BASE + 1, 1), 0);
	drv_set(PCI_WINDOW_BASE, 4, 1);
	drv_set(PCI_WINDOW_BASE + 1, 1, 1);
	CHECK_EQ(panics + crash_kernels, 0);
	drv_set(PCI_WINDOW_BASE, 2, 1);
	CHECK_EQ(crash_kernels, 1);
	drv_set(PCI_WINDOW_BASE, 1, 1);
	CHECK_EQ(panics, 1);
	pci_device_destroy(&dev.pci);
	drv_end();
}

TAP_MAIN(TEST(entropy), TEST(inflates), TEST(offers_on), TEST(reports), TEST(statistics),
	 TEST(panic));
