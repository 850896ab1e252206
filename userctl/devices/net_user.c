// SPDX-License-Identifier: GPL-2.0
/* A network within this process, by libslirp: the guest's connections are this process's own. */
#include <arpa/inet.h>
#include <errno.h>
#include <slirp/libslirp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "virtio_net.h"

#define QUEUE_MAX  256 /* frames that wait for room in the guest */
#define FRAME_SIZE 2048
#define TIMERS_MAX 16

/**
 * struct user - the cable
 * @cable: what the card sees
 * @slirp: the network
 * @v: the card, once it is watched
 * @filled: what is waited for was named since it was asked for last
 * @timer: what the network wants to be called for
 * @frame: frames that wait
 * @first: the oldest one
 * @count: how many
 */
struct user {
	struct net_cable cable;
	Slirp *slirp;
	struct virtio *v;
	bool filled;
	struct user_timer {
		bool used;
		int64_t at; /* ms, negative: never */
		SlirpTimerCb run;
		void *opaque;
	} timer[TIMERS_MAX];
	struct frame {
		size_t len;
		uint8_t data[FRAME_SIZE];
	} frame[QUEUE_MAX];
	unsigned int first, count;
};

static int64_t now_ns(void *opaque)
{
	struct timespec ts;

	(void)opaque;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* ---- what the network calls ---- */

/* A frame for the guest; what does not fit is lost, as on any network. */
static ssize_t to_guest(const void *data, size_t len, void *opaque)
{
	struct user *user = opaque;
	struct frame *frame = &user->frame[(user->first + user->count) % QUEUE_MAX];

	if (user->count == QUEUE_MAX || len > FRAME_SIZE)
		return (ssize_t)len;
	memcpy(frame->data, data, len);
	frame->len = len;
	user->count++;
	return (ssize_t)len;
}

static void guest_error(const char *msg, void *opaque)
{
	(void)msg;
	(void)opaque;
}

static void *timer_new(SlirpTimerCb run, void *run_opaque, void *opaque)
{
	struct user *user = opaque;
	struct user_timer *t;

	for (t = user->timer; t < user->timer + TIMERS_MAX; t++) {
		if (t->used)
			continue;
		*t = (struct user_timer){ true, -1, run, run_opaque };
		return t;
	}
	return NULL;
}

static void timer_free(void *timer, void *opaque)
{
	struct user_timer *t = timer;

	(void)opaque;
	if (t)
		t->used = false;
}

static void timer_mod(void *timer, int64_t at, void *opaque)
{
	struct user_timer *t = timer;

	(void)opaque;
	if (t)
		t->at = at;
}

/* The sockets are polled anew each time. */
static void poll_fd(int fd, void *opaque)
{
	(void)fd;
	(void)opaque;
}

/* Called in the card's thread, or before there is one. */
static void notify(void *opaque)
{
	struct user *user = opaque;

	if (user->v)
		virtio_wake(user->v);
}

static const SlirpCb callbacks = {
	.send_packet = to_guest,
	.guest_error = guest_error,
	.clock_get_ns = now_ns,
	.timer_new = timer_new,
	.timer_free = timer_free,
	.timer_mod = timer_mod,
	.register_poll_fd = poll_fd,
	.unregister_poll_fd = poll_fd,
	.notify = notify,
};

/* ---- what the card calls ---- */

static void user_send(struct net_cable *cable, unsigned int pair, const struct iovec *iov,
		      unsigned int count)
{
	struct user *user = (struct user *)cable;
	struct iovec piece[CHAIN_MAX];
	uint8_t frame[FRAME_SIZE];
	size_t len;

	(void)pair;
	/* Without offers for more, a frame is small; what is not is lost. */
	memcpy(piece, iov, count * sizeof(*iov));
	iov_take(piece, count, frame, NET_HEADER);
	len = iov_take(piece, count, frame, sizeof(frame));
	if (!iov_total(piece, count))
		slirp_input(user->slirp, frame, (int)len);
}

static int add_poll(int fd, int events, void *opaque)
{
	struct user *user = opaque;
	short poll_events = 0;

	if (events & SLIRP_POLL_IN)
		poll_events |= POLLIN;
	if (events & SLIRP_POLL_OUT)
		poll_events |= POLLOUT;
	if (events & SLIRP_POLL_PRI)
		poll_events |= POLLPRI;
	return virtio_watch(user->v, fd, poll_events);
}

static int get_revents(int number, void *opaque)
{
	struct user *user = opaque;
	short revents = virtio_polled(user->v, number);
	int events = 0;

	if (revents & POLLIN)
		events |= SLIRP_POLL_IN;
	if (revents & POLLOUT)
		events |= SLIRP_POLL_OUT;
	if (revents & POLLPRI)
		events |= SLIRP_POLL_PRI;
	if (revents & POLLERR)
		events |= SLIRP_POLL_ERR;
	if (revents & POLLHUP)
		events |= SLIRP_POLL_HUP;
	return events;
}

/* How long until the next timer, and not longer than @most. */
static int until_timer(const struct user *user, uint32_t most)
{
	int64_t now = now_ns(NULL) / 1000000, left = most;
	const struct user_timer *t;

	for (t = user->timer; t < user->timer + TIMERS_MAX; t++) {
		if (t->used && t->at >= 0 && t->at - now < left)
			left = t->at > now ? t->at - now : 0;
	}
	return (int)left;
}

static void run_timers(struct user *user)
{
	int64_t now = now_ns(NULL) / 1000000;
	struct user_timer *t;

	for (t = user->timer; t < user->timer + TIMERS_MAX; t++) {
		if (!t->used || t->at < 0 || t->at > now)
			continue;
		t->at = -1;
		t->run(t->opaque);
	}
}

static int user_watch(struct net_cable *cable, struct virtio *v)
{
	struct user *user = (struct user *)cable;
	uint32_t timeout = 1000;

	user->v = v;
	slirp_pollfds_fill(user->slirp, &timeout, add_poll, user);
	user->filled = true;
	return until_timer(user, timeout);
}

static void user_run(struct net_cable *cable, struct virtio_net *net)
{
	struct user *user = (struct user *)cable;
	const struct frame *frame;

	if (user->filled)
		slirp_pollfds_poll(user->slirp, 0, get_revents, user);
	user->filled = false;
	run_timers(user);
	while (user->count) {
		frame = &user->frame[user->first];
		if (!virtio_net_receive(net, frame->data, frame->len))
			return;
		user->first = (user->first + 1) % QUEUE_MAX;
		user->count--;
	}
}

static void user_destroy(struct net_cable *cable)
{
	struct user *user = (struct user *)cable;

	user->v = NULL;
	slirp_cleanup(user->slirp);
	free(user);
}

static int add_forward(struct user *user, const struct net_forward *f, struct error *err)
{
	struct in_addr host = { htonl(INADDR_LOOPBACK) }, guest = { inet_addr("10.0.2.15") };

	if (!slirp_add_hostfwd(user->slirp, 0, host, f->host, guest, f->guest))
		return 0;
	if (errno == EADDRINUSE)
		return fault(err, EX_TEMPFAIL,
			     "net user: port %u of the host is in use: forward another one",
			     f->host);
	if (errno == EACCES)
		return fault(err, EX_NOPERM,
			     "net user: port %u is root's: forward one from 1024 on", f->host);
	return fault_errno(err, EX_OSERR, errno, "net user: port %u", f->host);
}

struct net_cable *net_user(const struct net_forward *forward, unsigned int forwards,
			   struct error *err)
{
	static const struct net_cable cable = {
		.send = user_send,
		.watch = user_watch,
		.run = user_run,
		.destroy = user_destroy,
	};
	const SlirpConfig cfg = {
		.version = 1,
		.in_enabled = true,
		.vnetwork.s_addr = inet_addr("10.0.2.0"),
		.vnetmask.s_addr = inet_addr("255.255.255.0"),
		.vhost.s_addr = inet_addr("10.0.2.2"),
		.vdhcp_start.s_addr = inet_addr("10.0.2.15"),
		.vnameserver.s_addr = inet_addr("10.0.2.3"),
	};
	struct user *user = calloc(1, sizeof(*user));

	if (user)
		user->slirp = slirp_new(&cfg, &callbacks, user);
	if (!user || !user->slirp) {
		fault(err, EX_OSERR, "net user: out of memory");
		free(user);
		return NULL;
	}
	user->cable = cable;
	for (; forwards; forwards--, forward++) {
		if (!add_forward(user, forward, err))
			continue;
		user_destroy(&user->cable);
		return NULL;
	}
	return &user->cable;
}
