// SPDX-License-Identifier: GPL-2.0
#include "loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

int loop_init(struct loop *loop)
{
	loop->done = false;
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	return loop->epoll < 0 ? -errno : 0;
}

void loop_destroy(struct loop *loop)
{
	if (loop->epoll >= 0)
		close(loop->epoll);
	loop->epoll = -1;
}

int loop_watch(struct loop *loop, struct loop_source *src)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = src };

	if (src->watched)
		return 0;
	if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, src->fd, &ev))
		return -errno;
	src->watched = true;
	return 0;
}

void loop_unwatch(struct loop *loop, struct loop_source *src)
{
	if (!src->watched)
		return;
	/* Masking the events would not do: a hang-up is reported nevertheless, over and over. */
	epoll_ctl(loop->epoll, EPOLL_CTL_DEL, src->fd, NULL);
	src->watched = false;
}

int loop_run(struct loop *loop)
{
	struct loop_source *src;
	struct epoll_event ev;
	int n;

	while (!loop->done) {
		/* One at a time: a handler may unwatch, or free, the source that would be next. */
		n = epoll_wait(loop->epoll, &ev, 1, -1);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n < 1)
			continue;
		src = ev.data.ptr;
		src->ready(src->opaque);
	}
	return 0;
}

void loop_stop(struct loop *loop)
{
	loop->done = true;
}
