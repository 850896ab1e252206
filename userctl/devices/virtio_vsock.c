// SPDX-License-Identifier: GPL-2.0
#include "virtio_vsock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_vsock.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../files.h"

#define NODE        "/dev/vhost-vsock"
#define CLASS_OTHER 0xff0000

/* The host serves the first two; nothing ever happens in the third. */
enum { RX, TX, EVENT, QUEUES };
#define SERVED 2

/**
 * struct virtio_vsock - sockets
 * @v: the device; its lock guards the rest
 * @config: what the guest reads
 * @fd: vhost-vsock
 * @call: eventfds, written when the host has used an entry of a queue
 * @error: eventfds, written when the guest broke a queue
 * @watched: what virtio_watch() calls these
 * @running: the host serves the queues
 */
struct virtio_vsock {
	struct virtio v;
	struct virtio_vsock_config config;
	int fd;
	int call[SERVED], error[SERVED];
	int watched[2 * SERVED];
	bool running;
};

static int set_memory(struct virtio_vsock *s)
{
	const struct guest_mem *mem = s->v.mem;
	struct {
		struct vhost_memory head;
		struct vhost_memory_region region[2];
	} table = {
		.head.nregions = mem->high ? 2 : 1,
		.region = { { .guest_phys_addr = 0,
			      .memory_size = mem->low,
			      .userspace_addr = (uintptr_t)mem->base },
			    { .guest_phys_addr = MEM_HIGH_BASE,
			      .memory_size = mem->high,
			      .userspace_addr = (uintptr_t)mem->base + mem->low } },
	};

	return ioctl(s->fd, VHOST_SET_MEM_TABLE, &table) ? -errno : 0;
}

static int set_event(struct virtio_vsock *s, unsigned long request, unsigned int queue, int fd)
{
	struct vhost_vring_file file = { .index = queue, .fd = fd };

	return ioctl(s->fd, request, &file) ? -errno : 0;
}

/* The parts must lie in memory; the host checks what they say. */
static int set_queue(struct virtio_vsock *s, unsigned int queue)
{
	const struct virtqueue *vq = &s->v.vq[queue];
	struct vhost_vring_state num = { queue, vq->size }, base = { queue, 0 };
	struct vhost_vring_addr addr = {
		.index = queue,
		.desc_user_addr = (uintptr_t)guest_mem_ptr(vq->mem, vq->desc, vq->size * 16u),
		.avail_user_addr = (uintptr_t)guest_mem_ptr(vq->mem, vq->driver, 6 + vq->size * 2u),
		.used_user_addr = (uintptr_t)guest_mem_ptr(vq->mem, vq->device, 6 + vq->size * 8u),
	};
	int ret;

	if (!vq->ready || !addr.desc_user_addr || !addr.avail_user_addr || !addr.used_user_addr)
		return -EINVAL;
	if (ioctl(s->fd, VHOST_SET_VRING_NUM, &num) || ioctl(s->fd, VHOST_SET_VRING_BASE, &base) ||
	    ioctl(s->fd, VHOST_SET_VRING_ADDR, &addr))
		return -errno;
	ret = set_event(s, VHOST_SET_VRING_KICK, queue, s->v.kick[queue]);
	if (!ret)
		ret = set_event(s, VHOST_SET_VRING_CALL, queue, s->call[queue]);
	return ret ? ret : set_event(s, VHOST_SET_VRING_ERR, queue, s->error[queue]);
}

static int vsock_start(struct virtio *v)
{
	struct virtio_vsock *s = (struct virtio_vsock *)v;
	int on = 1, ret = set_queue(s, RX);

	if (!ret)
		ret = set_queue(s, TX);
	if (!ret && ioctl(s->fd, VHOST_VSOCK_SET_RUNNING, &on))
		ret = -errno;
	s->running = !ret;
	return ret;
}

static void vsock_stop(struct virtio *v)
{
	struct virtio_vsock *s = (struct virtio_vsock *)v;
	int off = 0;

	if (s->running)
		(void)ioctl(s->fd, VHOST_VSOCK_SET_RUNNING, &off);
	s->running = false;
}

static int vsock_watch(struct virtio *v)
{
	struct virtio_vsock *s = (struct virtio_vsock *)v;
	unsigned int i;

	for (i = 0; i < SERVED; i++) {
		s->watched[i] = virtio_watch(v, s->call[i], POLLIN);
		s->watched[SERVED + i] = virtio_watch(v, s->error[i], POLLIN);
	}
	return -1;
}

static bool happened(struct virtio_vsock *s, int watched, int fd)
{
	uint64_t count;

	return virtio_polled(&s->v, watched) && read(fd, &count, sizeof(count)) > 0;
}

static void vsock_run(struct virtio *v)
{
	struct virtio_vsock *s = (struct virtio_vsock *)v;
	unsigned int i;

	for (i = 0; i < SERVED; i++) {
		if (happened(s, s->watched[i], s->call[i]))
			v->due[i] = true;
		if (happened(s, s->watched[SERVED + i], s->error[i]))
			virtio_fail(v, "the guest broke the rules of a queue");
	}
}

/* The last words of the host for a driver that is gone. */
static void vsock_idle(struct virtio *v)
{
	struct virtio_vsock *s = (struct virtio_vsock *)v;
	unsigned int i;

	for (i = 0; i < SERVED; i++) {
		happened(s, s->watched[i], s->call[i]);
		happened(s, s->watched[SERVED + i], s->error[i]);
	}
}

static void close_all(struct virtio_vsock *s)
{
	unsigned int i;

	for (i = 0; i < SERVED; i++) {
		if (s->call[i] >= 0)
			close(s->call[i]);
		if (s->error[i] >= 0)
			close(s->error[i]);
	}
	if (s->fd >= 0)
		close(s->fd);
}

static void vsock_destroy(struct virtio *v)
{
	struct virtio_vsock *s = (struct virtio_vsock *)v;

	virtio_destroy(v);
	close_all(s);
	free(s);
}

static const struct virtio_ops vsock_ops = {
	.type = VIRTIO_ID_VSOCK,
	.class_code = CLASS_OTHER,
	.queues = QUEUES,
	.elsewhere = 1u << RX | 1u << TX,
	.watch = vsock_watch,
	.run = vsock_run,
	.idle = vsock_idle,
	.start = vsock_start,
	.stop = vsock_stop,
	.destroy = vsock_destroy,
};

static int open_node(struct error *err)
{
	int fd = files_open("node", NODE, O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	if (errno == EACCES || errno == EPERM)
		return fault(err, EX_NOPERM, "vsock: %s: permission denied: %s", NODE,
			     "its group, or its mode, must let you");
	return fault(err, EX_UNAVAILABLE, "vsock: %s: %s; modprobe vhost_vsock", NODE,
		     strerror(errno));
}

static int set_up(struct virtio_vsock *s, uint32_t cid, struct error *err)
{
	uint64_t features = 1ULL << VIRTIO_F_VERSION_1, guest = cid;
	unsigned int i;
	int ret = 0;

	for (i = 0; i < SERVED; i++) {
		s->call[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		s->error[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (s->call[i] < 0 || s->error[i] < 0)
			return fault_errno(err, EX_OSERR, errno, "vsock");
	}
	s->fd = open_node(err);
	if (s->fd < 0)
		return -1;
	/* It is this process's already if a machine before this one had it. */
	if ((ioctl(s->fd, VHOST_SET_OWNER) && errno != EBUSY) ||
	    ioctl(s->fd, VHOST_SET_FEATURES, &features))
		ret = -errno;
	if (!ret)
		ret = set_memory(s);
	if (ret)
		return fault_errno(err, EX_OSERR, ret, "vsock: %s", NODE);
	if (!ioctl(s->fd, VHOST_VSOCK_SET_GUEST_CID, &guest))
		return 0;
	if (errno == EADDRINUSE)
		return fault(err, EX_TEMPFAIL, "vsock: another VM has the address %u: take another",
			     cid);
	return fault_errno(err, EX_OSERR, errno, "vsock: address %u", cid);
}

struct virtio *virtio_vsock_create(const char *name, uint32_t cid, const struct guest_mem *mem,
				   struct error *err)
{
	struct virtio_vsock *s = malloc(sizeof(*s));
	int ret = -ENOMEM;

	if (s) {
		memset(s, 0, sizeof(*s));
		s->fd = -1;
		s->v.mem = mem;
		memset(s->call, -1, sizeof(s->call));
		memset(s->error, -1, sizeof(s->error));
		if (set_up(s, cid, err)) {
			close_all(s);
			free(s);
			return NULL;
		}
		ret = virtio_init(&s->v, &vsock_ops, name, mem);
	}
	if (ret) {
		if (s)
			close_all(s);
		free(s);
		fault_errno(err, EX_OSERR, ret, "%s", name);
		return NULL;
	}
	s->config.guest_cid = cid;
	s->v.config = &s->config;
	s->v.config_len = sizeof(s->config);
	return &s->v;
}
