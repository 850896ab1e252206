// SPDX-License-Identifier: GPL-2.0
#include "virtio_balloon.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#define CLASS_OTHER  0xff0000
#define FEATURE(bit) (1ULL << (bit))
#define PAGE         4096ULL
#define PAGE_SHIFT   12
#define STATS_MS     2000
#define INFLATE_MAX  4096 /* bytes of page numbers */

/*
 * The queue of reports is the fifth by the specification, and the fourth for drivers that leave
 * those out which they do not use, as Linux does: either is one.
 */
enum { INFLATE, DEFLATE, STATS, REPORT_PACKED, REPORT, QUEUES };

/**
 * struct virtio_balloon - a balloon
 * @v: the device; its lock guards the rest
 * @config: what the guest reads, and where it says how large the balloon is
 * @held: a request for statistics, which goes back when new ones are wanted
 * @has_held: there is one
 * @asked: when that was
 * @stats: what is known
 */
struct virtio_balloon {
	struct virtio v;
	struct virtio_balloon_config config;
	uint16_t held;
	bool has_held;
	uint64_t asked;
	struct balloon_stats stats;
	void (*told)(void *arg, uint64_t bytes);
	void *told_arg;
};

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* The guest's next access finds zeros there, in new memory. */
static bool give_back(struct virtio_balloon *b, uint64_t gpa)
{
	void *p = guest_mem_ptr(b->v.mem, gpa, PAGE);

	return p && !madvise(p, PAGE, MADV_DONTNEED);
}

/* A page outside of memory is the guest's mistake, but the host loses nothing. */
static void inflate(struct virtio_balloon *b, struct virtqueue_chain *chain)
{
	uint32_t pfn;

	/* More than any driver gives at once would keep this thread from its end. */
	if (iov_total(chain->iov, chain->readable) > INFLATE_MAX) {
		virtio_fail(&b->v, "the guest gives too many pages at once");
		return;
	}
	while (iov_take(chain->iov, chain->readable, &pfn, sizeof(pfn)) == sizeof(pfn)) {
		if (!give_back(b, (uint64_t)pfn << PAGE_SHIFT)) {
			virtio_fail(&b->v, "the guest gives pages that it does not have");
			return;
		}
		b->stats.given += PAGE;
	}
}

/* Only whole pages of a piece are free. */
static void report(struct virtio_balloon *b, const struct virtqueue_chain *chain)
{
	const struct iovec *iov;
	uintptr_t from, to;

	for (iov = chain->iov + chain->readable;
	     iov < chain->iov + chain->readable + chain->writable; iov++) {
		from = ((uintptr_t)iov->iov_base + PAGE - 1) & ~(PAGE - 1);
		to = ((uintptr_t)iov->iov_base + iov->iov_len) & ~(PAGE - 1);
		if (from < to && !madvise((void *)from, to - from, MADV_DONTNEED))
			b->stats.reported += to - from;
	}
}

static void learn(struct virtio_balloon *b, struct virtqueue_chain *chain)
{
	struct virtio_balloon_stat stat;
	unsigned int i;

	for (i = 0; i < VIRTIO_BALLOON_S_NR; i++) {
		if (iov_take(chain->iov, chain->readable, &stat, sizeof(stat)) < sizeof(stat))
			return;
		if (stat.tag >= VIRTIO_BALLOON_S_NR)
			continue;
		b->stats.tag[stat.tag] = stat.val;
		b->stats.known |= 1u << stat.tag;
	}
}

/* The guest gives one request; it comes back to ask for the next statistics (5.5.6.3). */
static void serve_stats(struct virtio_balloon *b)
{
	struct virtqueue_chain chain;

	while (virtio_pop(&b->v, STATS, &chain)) {
		if (b->has_held)
			virtio_done(&b->v, STATS, b->held, 0);
		learn(b, &chain);
		b->held = chain.head;
		b->has_held = true;
		b->asked = now_ms();
	}
	if (!b->has_held || now_ms() - b->asked < STATS_MS)
		return;
	b->has_held = false;
	virtio_done(&b->v, STATS, b->held, 0);
}

static int balloon_watch(struct virtio *v)
{
	struct virtio_balloon *b = (struct virtio_balloon *)v;
	uint64_t passed = now_ms() - b->asked;

	if (!b->has_held)
		return -1;
	return passed < STATS_MS ? (int)(STATS_MS - passed) : 0;
}

static void serve_queue(struct virtio_balloon *b, unsigned int queue)
{
	struct virtqueue_chain chain;

	while (virtio_pop(&b->v, queue, &chain)) {
		if (queue == INFLATE)
			inflate(b, &chain);
		else if (queue != DEFLATE)
			report(b, &chain);
		/* Pages that leave the balloon come back as the guest touches them. */
		virtio_done(&b->v, queue, chain.head, 0);
	}
}

static void balloon_run(struct virtio *v)
{
	struct virtio_balloon *b = (struct virtio_balloon *)v;

	serve_queue(b, INFLATE);
	serve_queue(b, DEFLATE);
	serve_stats(b);
	serve_queue(b, REPORT_PACKED);
	serve_queue(b, REPORT);
}

static void balloon_resized(struct virtio_balloon *b, uint32_t pages)
{
	b->config.actual = pages;
	if (b->told)
		b->told(b->told_arg, (uint64_t)pages << PAGE_SHIFT);
}

static void balloon_stop(struct virtio *v)
{
	struct virtio_balloon *b = (struct virtio_balloon *)v;

	b->has_held = false;
	balloon_resized(b, 0);
}

/* The guest may say how large the balloon is, and nothing else. */
static void balloon_wrote(struct virtio *v, unsigned int off, uint64_t val, unsigned int size)
{
	struct virtio_balloon *b = (struct virtio_balloon *)v;

	if (off == offsetof(struct virtio_balloon_config, actual) && size == 4)
		balloon_resized(b, (uint32_t)val);
}

static void balloon_destroy(struct virtio *v)
{
	virtio_destroy(v);
	free(v);
}

static const struct virtio_ops balloon_ops = {
	.type = VIRTIO_ID_BALLOON,
	.class_code = CLASS_OTHER,
	.queues = QUEUES,
	.watch = balloon_watch,
	.run = balloon_run,
	.stop = balloon_stop,
	.wrote = balloon_wrote,
	.destroy = balloon_destroy,
};

void virtio_balloon_set(struct virtio *v, uint64_t bytes)
{
	struct virtio_balloon *b = (struct virtio_balloon *)v;
	uint64_t pages = bytes >> PAGE_SHIFT;

	pthread_mutex_lock(&v->lock);
	b->config.num_pages = pages < UINT32_MAX ? (uint32_t)pages : UINT32_MAX;
	virtio_config_changed(v);
	pthread_mutex_unlock(&v->lock);
}

void virtio_balloon_tell(struct virtio *v, void (*told)(void *arg, uint64_t bytes), void *arg)
{
	struct virtio_balloon *b = (struct virtio_balloon *)v;

	pthread_mutex_lock(&v->lock);
	b->told = told;
	b->told_arg = arg;
	pthread_mutex_unlock(&v->lock);
}

void virtio_balloon_stats(struct virtio *v, struct balloon_stats *stats)
{
	struct virtio_balloon *b = (struct virtio_balloon *)v;

	pthread_mutex_lock(&v->lock);
	*stats = b->stats;
	stats->target = (uint64_t)b->config.num_pages << PAGE_SHIFT;
	stats->actual = (uint64_t)b->config.actual << PAGE_SHIFT;
	pthread_mutex_unlock(&v->lock);
}

struct virtio *virtio_balloon_create(const char *name, const struct guest_mem *mem,
				     struct error *err)
{
	struct virtio_balloon *b = calloc(1, sizeof(*b));
	int ret = b ? virtio_init(&b->v, &balloon_ops, name, mem) : -ENOMEM;

	if (ret) {
		free(b);
		fault_errno(err, EX_OSERR, ret, "%s", name);
		return NULL;
	}
	b->v.features = FEATURE(VIRTIO_BALLOON_F_STATS_VQ) |
			FEATURE(VIRTIO_BALLOON_F_DEFLATE_ON_OOM) |
			FEATURE(VIRTIO_BALLOON_F_REPORTING);
	b->v.config = &b->config;
	b->v.config_len = sizeof(b->config);
	return &b->v;
}
