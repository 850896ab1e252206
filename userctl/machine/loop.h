/* SPDX-License-Identifier: GPL-2.0 */
/* The event loop of the main thread: file descriptors and what to do when they are ready. */
#ifndef VMCTL_LOOP_H
#define VMCTL_LOOP_H

#include <stdbool.h>
#include <stdint.h>

/**
 * struct loop_source - a file descriptor that is watched
 * @fd: the file descriptor
 * @ready: called by loop_run() in its thread
 * @opaque: passed to @ready
 * @watched: owned by the loop
 */
struct loop_source {
	int fd;
	void (*ready)(void *opaque);
	void *opaque;
	bool watched;
};

/**
 * struct loop - the loop
 * @epoll: file descriptor of the set
 * @done: loop_stop() was called; only for the loop's own thread
 */
struct loop {
	int epoll;
	bool done;
};

int loop_init(struct loop *loop);
void loop_destroy(struct loop *loop);

/**
 * loop_watch() - wait for a descriptor to become readable
 * @loop: the loop
 * @src: caller's storage, which stays in use until loop_unwatch()
 *
 * Return: 0 or -errno; -EPERM for files that are always ready.
 */
int loop_watch(struct loop *loop, struct loop_source *src);
void loop_unwatch(struct loop *loop, struct loop_source *src);

/* Serve sources until one of them calls loop_stop(). */
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

#endif
