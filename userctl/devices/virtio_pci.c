// SPDX-License-Identifier: GPL-2.0
#include "virtio_pci.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define VENDOR_VIRTIO 0x1af4
#define DEVICE_MODERN 0x1040
#define BAR           0
#define BAR_SIZE      0x4000
/* One page each of BAR 0; all queues are notified at the same place. */
#define COMMON 0x0000
#define ISR    0x1000
#define DEVICE 0x2000
#define NOTIFY 0x3000
#define PAGE   0x1000

#define ISR_QUEUE  1
#define ISR_CONFIG 2

/* ---- common configuration (4.1.4.3); lock held ---- */

static uint64_t all_features(const struct virtio *v)
{
	return v->features | 1ULL << VIRTIO_F_VERSION_1;
}

static struct virtqueue *selected(struct virtio *v)
{
	return v->queue_select < v->ops->queues ? &v->vq[v->queue_select] : NULL;
}

/*
 * While the driver drives, its notifications need not come through user space. One that moves the
 * BAR meanwhile loses that, no more.
 */
static void set_doorbell(struct virtio *v, bool on)
{
	struct pci_bus *bus = v->pci.bus;
	uint64_t base = pci_bar_address(&v->pci, BAR);

	if (!bus->doorbell || on == !!v->doorbell || (on && !base))
		return;
	if (on)
		v->doorbell = base + NOTIFY;
	bus->doorbell(bus->opaque, v->doorbell, v->kick, on);
	if (!on)
		v->doorbell = 0;
}

static void reset(struct virtio *v)
{
	unsigned int i;

	set_doorbell(v, false);
	v->ops->stop(v);
	v->accepted = 0;
	v->device_select = 0;
	v->driver_select = 0;
	v->status = 0;
	v->isr = 0;
	v->queue_select = 0;
	v->config_vector = PCI_NO_VECTOR;
	for (i = 0; i < VIRTIO_QUEUES_MAX; i++) {
		virtqueue_reset(&v->vq[i]);
		v->vector[i] = PCI_NO_VECTOR;
	}
	pci_lower(&v->pci);
}

static void fill_queue(struct virtio *v, struct virtio_pci_common_cfg *cfg)
{
	const struct virtqueue *vq = selected(v);

	if (!vq)
		return;
	cfg->queue_size = vq->size;
	cfg->queue_msix_vector = v->vector[v->queue_select];
	cfg->queue_enable = vq->ready;
	cfg->queue_desc_lo = (uint32_t)vq->desc;
	cfg->queue_desc_hi = (uint32_t)(vq->desc >> 32);
	cfg->queue_avail_lo = (uint32_t)vq->driver;
	cfg->queue_avail_hi = (uint32_t)(vq->driver >> 32);
	cfg->queue_used_lo = (uint32_t)vq->device;
	cfg->queue_used_hi = (uint32_t)(vq->device >> 32);
}

static uint64_t common_read(struct virtio *v, unsigned int off, unsigned int size)
{
	struct virtio_pci_common_cfg cfg = {
		.device_feature_select = v->device_select,
		.guest_feature_select = v->driver_select,
		.msix_config = v->config_vector,
		.num_queues = (uint16_t)v->ops->queues,
		.device_status = v->status,
		.queue_select = v->queue_select,
	};
	uint64_t val = 0;

	if (v->device_select < 2)
		cfg.device_feature = (uint32_t)(all_features(v) >> 32 * v->device_select);
	if (v->driver_select < 2)
		cfg.guest_feature = (uint32_t)(v->accepted >> 32 * v->driver_select);
	fill_queue(v, &cfg);
	if (off + size <= sizeof(cfg))
		memcpy(&val, (uint8_t *)&cfg + off, size);
	return val;
}

static void write_features(struct virtio *v, uint32_t val)
{
	unsigned int shift = 32 * (v->driver_select & 1);

	if (v->driver_select > 1 || (v->status & VIRTIO_CONFIG_S_FEATURES_OK))
		return;
	v->accepted &= ~(0xffffffffULL << shift);
	v->accepted |= (uint64_t)val << shift;
}

static void write_status(struct virtio *v, uint8_t val)
{
	if (!val) {
		reset(v);
		return;
	}
	/* Features that are not offered, or no modern driver: the bit stays clear (2.1.2). */
	if ((v->accepted & ~all_features(v)) || !(v->accepted >> VIRTIO_F_VERSION_1 & 1))
		val &= (uint8_t)~VIRTIO_CONFIG_S_FEATURES_OK;
	v->status = val | (v->status & VIRTIO_CONFIG_S_NEEDS_RESET);
	if (val & VIRTIO_CONFIG_S_DRIVER_OK)
		set_doorbell(v, true);
}

/* What is not there must not be taken: the guest reads back PCI_NO_VECTOR (4.1.5.1.2.1). */
static uint16_t vector(const struct virtio *v, uint64_t val)
{
	return val < v->pci.vectors ? (uint16_t)val : PCI_NO_VECTOR;
}

static void set_half(uint64_t *addr, bool high, uint64_t val)
{
	*addr = high ? (*addr & 0xffffffff) | val << 32 : (*addr & ~0xffffffffULL) | val;
}

/* A queue that is in use stays where it is (4.1.4.3.2). */
static void write_queue(struct virtio *v, unsigned int off, uint64_t val)
{
	struct virtqueue *vq = selected(v);

	if (!vq || vq->ready)
		return;
	switch (off) {
	case VIRTIO_PCI_COMMON_Q_SIZE:
		if (val && val <= VIRTQUEUE_MAX && !(val & (val - 1)))
			vq->size = (uint16_t)val;
		break;
	case VIRTIO_PCI_COMMON_Q_MSIX:
		v->vector[v->queue_select] = vector(v, val);
		break;
	case VIRTIO_PCI_COMMON_Q_ENABLE:
		vq->ready = val == 1;
		break;
	case VIRTIO_PCI_COMMON_Q_DESCLO:
	case VIRTIO_PCI_COMMON_Q_DESCHI:
		set_half(&vq->desc, off == VIRTIO_PCI_COMMON_Q_DESCHI, val);
		break;
	case VIRTIO_PCI_COMMON_Q_AVAILLO:
	case VIRTIO_PCI_COMMON_Q_AVAILHI:
		set_half(&vq->driver, off == VIRTIO_PCI_COMMON_Q_AVAILHI, val);
		break;
	case VIRTIO_PCI_COMMON_Q_USEDLO:
	case VIRTIO_PCI_COMMON_Q_USEDHI:
		set_half(&vq->device, off == VIRTIO_PCI_COMMON_Q_USEDHI, val);
		break;
	}
}

/* Bytes that the field at @off has; other accesses to it are ignored. */
static unsigned int field_size(unsigned int off)
{
	switch (off) {
	case VIRTIO_PCI_COMMON_STATUS:
		return 1;
	case VIRTIO_PCI_COMMON_MSIX:
	case VIRTIO_PCI_COMMON_Q_SELECT:
	case VIRTIO_PCI_COMMON_Q_SIZE:
	case VIRTIO_PCI_COMMON_Q_MSIX:
	case VIRTIO_PCI_COMMON_Q_ENABLE:
		return 2;
	default:
		return 4;
	}
}

static void common_write(struct virtio *v, unsigned int off, uint64_t val, unsigned int size)
{
	if (size != field_size(off))
		return;
	switch (off) {
	case VIRTIO_PCI_COMMON_DFSELECT:
		v->device_select = (uint32_t)val;
		break;
	case VIRTIO_PCI_COMMON_GFSELECT:
		v->driver_select = (uint32_t)val;
		break;
	case VIRTIO_PCI_COMMON_GF:
		write_features(v, (uint32_t)val);
		break;
	case VIRTIO_PCI_COMMON_MSIX:
		v->config_vector = vector(v, val);
		break;
	case VIRTIO_PCI_COMMON_STATUS:
		write_status(v, (uint8_t)val);
		break;
	case VIRTIO_PCI_COMMON_Q_SELECT:
		v->queue_select = (uint16_t)val;
		break;
	default:
		write_queue(v, off, val);
		break;
	}
}

/* ---- BAR 0 ---- */

static uint64_t isr_read(struct virtio *v)
{
	uint8_t isr = v->isr;

	v->isr = 0;
	pci_lower(&v->pci);
	return isr;
}

static uint64_t bar_read(void *opaque, uint64_t off, unsigned int size)
{
	unsigned int at = off % PAGE;
	struct virtio *v = opaque;
	uint64_t val = 0;

	pthread_mutex_lock(&v->lock);
	switch (off - at) {
	case COMMON:
		val = common_read(v, at, size);
		break;
	case ISR:
		val = at ? 0 : isr_read(v);
		break;
	case DEVICE:
		if (at + size <= v->config_len)
			memcpy(&val, (const uint8_t *)v->config + at, size);
		break;
	}
	pthread_mutex_unlock(&v->lock);
	return val;
}

static void bar_write(void *opaque, uint64_t off, uint64_t val, unsigned int size)
{
	struct virtio *v = opaque;
	uint64_t one = 1;

	if (off >= NOTIFY) {
		(void)!write(v->kick, &one, sizeof(one));
		return;
	}
	if (off >= ISR)
		return;
	pthread_mutex_lock(&v->lock);
	common_write(v, (unsigned int)off, val, size);
	pthread_mutex_unlock(&v->lock);
}

static const struct bus_ops bar_ops = { bar_read, bar_write, 4 };

/* ---- the I/O thread ---- */

void virtio_done(struct virtio *v, unsigned int queue, uint16_t head, uint32_t len)
{
	if (!virtqueue_push(&v->vq[queue], head, len))
		return;
	v->isr |= ISR_QUEUE;
	pci_interrupt(&v->pci, v->vector[queue]);
}

void virtio_fail(struct virtio *v)
{
	if (v->status & VIRTIO_CONFIG_S_NEEDS_RESET)
		return;
	v->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	v->isr |= ISR_CONFIG;
	pci_interrupt(&v->pci, v->config_vector);
}

static void *io_thread(void *arg)
{
	struct virtio *v = arg;
	struct pollfd fds[2] = { { v->kick, POLLIN, 0 }, { v->wait_fd, POLLIN, 0 } };
	uint64_t count;

	while (!atomic_load(&v->ending)) {
		if (poll(fds, v->wait_fd < 0 ? 1 : 2, -1) < 0)
			continue;
		(void)!read(v->kick, &count, sizeof(count));
		pthread_mutex_lock(&v->lock);
		if (v->status & VIRTIO_CONFIG_S_DRIVER_OK)
			v->ops->run(v);
		pthread_mutex_unlock(&v->lock);
	}
	/* Here, since the kernel cancels what a thread that ends has under way. */
	pthread_mutex_lock(&v->lock);
	v->ops->stop(v);
	pthread_mutex_unlock(&v->lock);
	return NULL;
}

int virtio_start(struct virtio *v)
{
	int ret = pthread_create(&v->thread, NULL, io_thread, v);

	v->started = !ret;
	return -ret;
}

void virtio_end(struct virtio *v)
{
	uint64_t one = 1;

	if (!v->started)
		return;
	atomic_store(&v->ending, true);
	(void)!write(v->kick, &one, sizeof(one));
	pthread_join(v->thread, NULL);
	v->started = false;
}

/* ---- lifetime ---- */

/* Where in the BAR a structure is (4.1.4); the multiplier follows that for notifications. */
static void add_place(struct virtio *v, uint8_t type, uint32_t offset, uint32_t len)
{
	bool notify = type == VIRTIO_PCI_CAP_NOTIFY_CFG;
	struct virtio_pci_notify_cap cap = {
		.cap = {
			.cap_len = notify ? sizeof(cap) : sizeof(cap.cap),
			.cfg_type = type,
			.bar = BAR,
			.offset = offset,
			.length = len,
		},
	};

	pci_add_capability(&v->pci, PCI_CAP_ID_VNDR, (uint8_t *)&cap + 2, cap.cap.cap_len - 2u);
}

int virtio_init(struct virtio *v, const struct virtio_ops *ops, const struct guest_mem *mem)
{
	struct pci_id id = {
		.vendor = VENDOR_VIRTIO,
		.device = (uint16_t)(DEVICE_MODERN + ops->type),
		.sub_vendor = VENDOR_VIRTIO,
		.sub_device = DEVICE_MODERN,
		.class_code = ops->class_code,
		.revision = 1,
	};
	unsigned int i;

	memset(v, 0, sizeof(*v));
	v->ops = ops;
	v->wait_fd = -1;
	v->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (v->kick < 0)
		return -errno;
	pthread_mutex_init(&v->lock, NULL);
	/* One for each queue, and one for the configuration. */
	pci_device_init(&v->pci, &id, ops->queues + 1);
	pci_add_bar(&v->pci, BAR, BAR_SIZE, &bar_ops, v);
	add_place(v, VIRTIO_PCI_CAP_COMMON_CFG, COMMON, sizeof(struct virtio_pci_common_cfg));
	add_place(v, VIRTIO_PCI_CAP_ISR_CFG, ISR, 1);
	add_place(v, VIRTIO_PCI_CAP_DEVICE_CFG, DEVICE, PAGE);
	add_place(v, VIRTIO_PCI_CAP_NOTIFY_CFG, NOTIFY, PAGE);
	v->config_vector = PCI_NO_VECTOR;
	for (i = 0; i < VIRTIO_QUEUES_MAX; i++) {
		v->vq[i].mem = mem;
		virtqueue_reset(&v->vq[i]);
		v->vector[i] = PCI_NO_VECTOR;
	}
	return 0;
}

void virtio_destroy(struct virtio *v)
{
	virtio_end(v);
	if (v->kick >= 0)
		close(v->kick);
	v->kick = -1;
	pci_device_destroy(&v->pci);
	pthread_mutex_destroy(&v->lock);
}
