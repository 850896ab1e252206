// SPDX-License-Identifier: GPL-2.0
#include "virtio_vsock.h"

#include <errno.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_vsock.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "../files.h"
#include "vhost.h"

#define NODE        "/dev/vhost-vsock"
#define CLASS_OTHER 0xff0000

/* The host serves the first two; nothing ever happens in the third. */
enum { RX, TX, EVENT, QUEUES };

/**
 * struct virtio_vsock - sockets
 * @v: the device; its lock guards the rest
 * @config: what the guest reads
 * @host: who serves the first two queues
 * @running: it does
 */
struct virtio_vsock {
	struct virtio v;
	struct virtio_vsock_config config;
	struct vhost host;
	bool running;
};

static void vsock_stop(struct virtio *v)
{
	struct virtio_vsock *s = (struct virtio_vsock *)v;
	int off = 0;

	if (s->running)
		(void)ioctl(s->host.fd, VHOST_VSOCK_SET_RUNNING, &off);
	s->running = false;
}

/* A driver that begins twice without a reset finds the queues in use: they are so no more. */
static int vsock_start(struct virtio *v)
{
	struct virtio_vsock *s = (struct virtio_vsock *)v;
	int on = 1, ret = vhost_set(&s->host, v, 1ULL << VIRTIO_F_VERSION_1);

	if (!ret && ioctl(s->host.fd, VHOST_VSOCK_SET_RUNNING, &on))
		ret = -errno;
	if (ret)
		vsock_stop(v);
	else
		s->running = true;
	return ret;
}

static int vsock_watch(struct virtio *v)
{
	vhost_watch(&((struct virtio_vsock *)v)->host, v);
	return -1;
}

static void vsock_run(struct virtio *v)
{
	vhost_run(&((struct virtio_vsock *)v)->host, v);
	/* Of a guest that breaks a rule the kernel serves nothing either. */
	if (!virtio_live(v))
		vsock_stop(v);
}

static void vsock_idle(struct virtio *v)
{
	vhost_idle(&((struct virtio_vsock *)v)->host, v);
}

static void vsock_destroy(struct virtio *v)
{
	struct virtio_vsock *s = (struct virtio_vsock *)v;

	virtio_destroy(v);
	/* A vCPU may have started it after the I/O thread had ended. */
	vsock_stop(v);
	vhost_destroy(&s->host);
	free(s);
}

static const struct virtio_ops vsock_ops = {
	.type = VIRTIO_ID_VSOCK,
	.class_code = CLASS_OTHER,
	.queues = QUEUES,
	.watch = vsock_watch,
	.run = vsock_run,
	.idle = vsock_idle,
	.start = vsock_start,
	.stop = vsock_stop,
	.destroy = vsock_destroy,
};

/* Kept for a machine after this one. */
static int open_node(struct error *err)
{
	int fd = files_get("node", NODE);

	return fd >= 0 ? fd
		       : files_put("node", NODE, vhost_open("vsock", NODE, "vhost_vsock", err));
}

static int set_up(struct virtio_vsock *s, uint32_t cid, const struct guest_mem *mem,
		  struct error *err)
{
	uint64_t guest = cid;
	int fd = open_node(err), ret;

	if (fd < 0)
		return -1;
	ret = vhost_init(&s->host, fd, RX, mem);
	if (ret)
		return fault_errno(err, EX_OSERR, ret, "vsock: %s", NODE);
	if (!ioctl(fd, VHOST_VSOCK_SET_GUEST_CID, &guest))
		return 0;
	if (errno == EADDRINUSE)
		return fault(err, EX_TEMPFAIL, "vsock: another VM has the address %u: take another",
			     cid);
	return fault_errno(err, EX_OSERR, errno, "vsock: address %u", cid);
}

struct virtio *virtio_vsock_create(const char *name, uint32_t cid, const struct guest_mem *mem,
				   struct error *err)
{
	struct virtio_vsock *s = calloc(1, sizeof(*s));
	int ret = -ENOMEM;

	if (s)
		ret = virtio_init(&s->v, &vsock_ops, name, mem);
	if (ret) {
		free(s);
		fault_errno(err, EX_OSERR, ret, "%s", name);
		return NULL;
	}
	vhost_none(&s->host);
	if (set_up(s, cid, mem, err)) {
		vsock_destroy(&s->v);
		return NULL;
	}
	s->config.guest_cid = cid;
	s->v.elsewhere = 1u << RX | 1u << TX;
	s->v.config = &s->config;
	s->v.config_len = sizeof(s->config);
	return &s->v;
}
