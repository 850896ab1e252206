// SPDX-License-Identifier: GPL-2.0
#include "vhost.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

int vhost_open(const char *what, const char *node, const char *module, struct error *err)
{
	int fd = open(node, O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	if (errno == EACCES || errno == EPERM)
		return fault(err, EX_NOPERM, "%s: %s: permission denied: %s", what, node,
			     "its group, or its mode, must let you");
	return fault(err, EX_UNAVAILABLE, "%s: %s: %s; modprobe %s", what, node, strerror(errno),
		     module);
}

static int set_memory(const struct vhost *h, const struct guest_mem *mem)
{
	struct {
		struct vhost_memory head;
		struct vhost_memory_region region[3];
	} table = {
		.head.nregions = mem->high ? 2 : 1,
		.region = { { .guest_phys_addr = 0,
			      .memory_size = mem->low,
			      .userspace_addr = (uintptr_t)mem->base },
			    { .guest_phys_addr = MEM_HIGH_BASE,
			      .memory_size = mem->high,
			      .userspace_addr = (uintptr_t)mem->base + mem->low } },
	};

	if (mem->plug_size)
		table.region[table.head.nregions++] = (struct vhost_memory_region){
			.guest_phys_addr = mem->plug_start,
			.memory_size = mem->plug_size,
			.userspace_addr = (uintptr_t)mem->plug_base,
		};
	return ioctl(h->fd, VHOST_SET_MEM_TABLE, &table) ? -errno : 0;
}

static int open_events(struct vhost *h)
{
	unsigned int i;

	for (i = 0; i < VHOST_QUEUES; i++) {
		h->call[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		h->error[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (h->call[i] < 0 || h->error[i] < 0)
			return -errno;
	}
	return 0;
}

void vhost_none(struct vhost *h)
{
	memset(h, -1, sizeof(*h));
}

int vhost_init(struct vhost *h, int fd, unsigned int first, const struct guest_mem *mem)
{
	int ret;

	vhost_none(h);
	h->fd = fd;
	h->first = first;
	ret = open_events(h);
	if (ret)
		return ret;
	/* It is this process's already if a machine before this one had it. */
	if (ioctl(fd, VHOST_SET_OWNER) && errno != EBUSY)
		return -errno;
	return set_memory(h, mem);
}

void vhost_destroy(struct vhost *h)
{
	unsigned int i;

	for (i = 0; i < VHOST_QUEUES; i++) {
		if (h->call[i] >= 0)
			close(h->call[i]);
		if (h->error[i] >= 0)
			close(h->error[i]);
	}
	if (h->fd >= 0)
		close(h->fd);
}

uint64_t vhost_offers(const struct vhost *h)
{
	uint64_t features;

	return ioctl(h->fd, VHOST_GET_FEATURES, &features) ? 0 : features;
}

static int set_event(struct vhost *h, unsigned long request, unsigned int index, int fd)
{
	struct vhost_vring_file file = { .index = index, .fd = fd };

	return ioctl(h->fd, request, &file) ? -errno : 0;
}

static bool cleared(int fd)
{
	uint64_t count;

	return read(fd, &count, sizeof(count)) > 0;
}

/* The parts must lie in memory; the host checks what they say. */
static int set_queue(struct vhost *h, struct virtio *v, unsigned int index)
{
	const struct virtqueue *vq = &v->vq[h->first + index];
	struct vhost_vring_state num = { index, vq->size }, base = { index, 0 };
	struct vhost_vring_addr addr = {
		.index = index,
		.desc_user_addr = (uintptr_t)guest_mem_ptr(vq->mem, vq->desc, vq->size * 16u),
		.avail_user_addr = (uintptr_t)guest_mem_ptr(vq->mem, vq->driver, 6 + vq->size * 2u),
		.used_user_addr = (uintptr_t)guest_mem_ptr(vq->mem, vq->device, 6 + vq->size * 8u),
	};
	int ret;

	if (!vq->ready || !addr.desc_user_addr || !addr.avail_user_addr || !addr.used_user_addr)
		return -EINVAL;
	if (ioctl(h->fd, VHOST_SET_VRING_NUM, &num) || ioctl(h->fd, VHOST_SET_VRING_BASE, &base) ||
	    ioctl(h->fd, VHOST_SET_VRING_ADDR, &addr))
		return -errno;
	/* What was said to a driver before this one. */
	cleared(h->call[index]);
	cleared(h->error[index]);
	ret = set_event(h, VHOST_SET_VRING_KICK, index, v->kick[h->first + index]);
	if (!ret)
		ret = set_event(h, VHOST_SET_VRING_CALL, index, h->call[index]);
	return ret ? ret : set_event(h, VHOST_SET_VRING_ERR, index, h->error[index]);
}

int vhost_set(struct vhost *h, struct virtio *v, uint64_t features)
{
	unsigned int i;
	int ret = ioctl(h->fd, VHOST_SET_FEATURES, &features) ? -errno : 0;

	for (i = 0; i < VHOST_QUEUES && !ret; i++)
		ret = set_queue(h, v, i);
	return ret;
}

void vhost_watch(struct vhost *h, struct virtio *v)
{
	unsigned int i;

	for (i = 0; i < VHOST_QUEUES; i++) {
		h->watched[i] = virtio_watch(v, h->call[i], POLLIN);
		h->watched[VHOST_QUEUES + i] = virtio_watch(v, h->error[i], POLLIN);
	}
}

static bool happened(struct virtio *v, int watched, int fd)
{
	return virtio_polled(v, watched) && cleared(fd);
}

void vhost_run(struct vhost *h, struct virtio *v)
{
	unsigned int i;

	for (i = 0; i < VHOST_QUEUES; i++) {
		if (happened(v, h->watched[i], h->call[i]))
			v->due[h->first + i] = true;
		if (happened(v, h->watched[VHOST_QUEUES + i], h->error[i]))
			virtio_fail(v, "the guest broke the rules of a queue");
	}
}

/* The last words of the host for a driver that is gone. */
void vhost_idle(struct vhost *h, struct virtio *v)
{
	unsigned int i;

	for (i = 0; i < VHOST_QUEUES; i++) {
		happened(v, h->watched[i], h->call[i]);
		happened(v, h->watched[VHOST_QUEUES + i], h->error[i]);
	}
}
