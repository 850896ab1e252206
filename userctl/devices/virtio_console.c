// SPDX-License-Identifier: GPL-2.0
#include "virtio_console.h"

#include <errno.h>
#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <time.h>

#define CLASS_OTHER 0x078000

enum { RX, TX, QUEUES };

/**
 * struct virtio_console - a console
 * @v: the device; its lock guards the rest
 * @config: what the guest reads
 * @wire: where the console leads
 * @starved: input waits; outside of the lock
 * @listens: the guest has a console of the device
 * @owed: it was given input before, and not told
 * @owed_since: since when, in ms
 */
struct virtio_console {
	struct virtio v;
	struct virtio_console_config config;
	struct virtio_console_wire wire;
	atomic_bool starved;
	bool listens, owed;
	int64_t owed_since;
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void output(struct virtio_console *con)
{
	struct virtqueue_chain chain;
	const uint8_t *p;
	unsigned int i;
	size_t n;

	while (virtio_pop(&con->v, TX, &chain)) {
		con->listens = true;
		for (i = 0; i < chain.readable; i++) {
			p = chain.iov[i].iov_base;
			for (n = 0; n < chain.iov[i].iov_len && !atomic_load(&con->v.ending); n++)
				con->wire.tx(con->wire.opaque, p[n]);
		}
		virtio_done(&con->v, TX, chain.head, 0);
	}
}

/* How long a guest that says nothing is still not told of its input, in ms. */
static int silence_left(const struct virtio_console *con)
{
	int64_t passed = now_ms() - con->owed_since;

	return passed < con->wire.silence_ms ? (int)(con->wire.silence_ms - passed) : 0;
}

/*
 * Linux gives room first and then makes a console of the device; if it is interrupted meanwhile it
 * drops its input. What just lies there it finds when the console is opened. It does not say when
 * it is ready, but what it writes can only come after that.
 */
static void pay(struct virtio_console *con)
{
	if (con->owed && !silence_left(con))
		con->listens = true;
	if (!con->owed || !con->listens)
		return;
	con->owed = false;
	con->v.due[RX] = true;
}

static void withhold(struct virtio_console *con)
{
	if (con->listens || !con->v.due[RX])
		return;
	con->v.due[RX] = false;
	if (con->owed)
		return;
	con->owed = true;
	con->owed_since = now_ms();
	/* It has to wait for the end of the silence. */
	virtio_wake(&con->v);
}

size_t virtio_console_receive(struct virtio *v, const uint8_t *data, size_t len)
{
	struct virtio_console *con = (struct virtio_console *)v;
	struct virtqueue_chain chain;
	size_t n, done = 0;

	/* The device may wait for the terminal, whose keys must be read nevertheless. */
	if (pthread_mutex_trylock(&v->lock)) {
		atomic_store(&con->starved, true);
		virtio_wake(v);
		return 0;
	}
	while (done < len && virtio_pop(v, RX, &chain)) {
		n = iov_put(chain.iov + chain.readable, chain.writable, data + done, len - done);
		virtio_done(v, RX, chain.head, (uint32_t)n);
		done += n;
	}
	if (done < len)
		atomic_store(&con->starved, true);
	withhold(con);
	virtio_tell(v);
	pthread_mutex_unlock(&v->lock);
	return done;
}

/* ---- the device ---- */

static int console_watch(struct virtio *v)
{
	struct virtio_console *con = (struct virtio_console *)v;

	return con->owed && virtio_live(v) ? silence_left(con) : -1;
}

static void console_run(struct virtio *v)
{
	struct virtio_console *con = (struct virtio_console *)v;

	output(con);
	pay(con);
	if (virtio_waiting(v, RX) && atomic_exchange(&con->starved, false))
		con->wire.room(con->wire.opaque);
}

static void console_stop(struct virtio *v)
{
	struct virtio_console *con = (struct virtio_console *)v;

	con->listens = false;
	con->owed = false;
}

static void console_destroy(struct virtio *v)
{
	virtio_destroy(v);
	free(v);
}

static const struct virtio_ops console_ops = {
	.type = VIRTIO_ID_CONSOLE,
	.class_code = CLASS_OTHER,
	.queues = QUEUES,
	.watch = console_watch,
	.run = console_run,
	.stop = console_stop,
	.destroy = console_destroy,
};

struct virtio *virtio_console_create(const char *name, const struct virtio_console_wire *wire,
				     const struct guest_mem *mem, struct error *err)
{
	struct virtio_console *con = calloc(1, sizeof(*con));
	int ret = con ? virtio_init(&con->v, &console_ops, name, mem) : -ENOMEM;

	if (ret) {
		free(con);
		fault_errno(err, EX_OSERR, ret, "%s", name);
		return NULL;
	}
	con->wire = *wire;
	con->v.config = &con->config;
	con->v.config_len = sizeof(con->config);
	return &con->v;
}
