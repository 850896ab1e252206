// SPDX-License-Identifier: GPL-2.0
#include "virtio_pci.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../sandbox/sandbox.h"

#define VENDOR_VIRTIO 0x1af4
#define DEVICE_MODERN 0x1040
#define BAR           0
#define BAR_SIZE      0x4000
/* One page each of BAR 0. */
#define COMMON 0x0000
#define ISR    0x1000
#define DEVICE 0x2000
#define NOTIFY 0x3000
#define PAGE   0x1000
/* From one queue's place for notifications to the next one's. */
#define STRIDE 4

#define ISR_QUEUE  1
#define ISR_CONFIG 2

/* ---- common configuration (4.1.4.3); lock held ---- */

#define FEATURE(bit) (1ULL << (bit))

/* Whoever serves queues elsewhere is told of these by nobody. */
static uint64_t all_features(const struct virtio *v)
{
	uint64_t queues = FEATURE(VIRTIO_RING_F_INDIRECT_DESC) | FEATURE(VIRTIO_RING_F_EVENT_IDX);

	return v->features | FEATURE(VIRTIO_F_VERSION_1) | (v->elsewhere ? 0 : queues);
}

static bool accepted(const struct virtio *v, unsigned int bit)
{
	return v->accepted >> bit & 1;
}

static struct virtqueue *selected(struct virtio *v)
{
	return v->queue_select < v->queues ? &v->vq[v->queue_select] : NULL;
}

/*
 * While the driver drives, its notifications need not come through user space. One that moves the
 * BAR meanwhile loses that, no more.
 */
static void set_doorbell(struct virtio *v, bool on)
{
	struct pci_bus *bus = v->pci.bus;
	uint64_t base = pci_bar_address(&v->pci, BAR);
	unsigned int i;

	if (!bus->doorbell || on == !!v->doorbell || (on && !base))
		return;
	if (on)
		v->doorbell = base + NOTIFY;
	for (i = 0; i < v->queues; i++)
		bus->doorbell(bus->opaque, v->doorbell + STRIDE * i, v->kick[i], on);
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
		v->due[i] = false;
	}
	pci_lower(&v->pci);
}

void virtio_reset(struct virtio *v)
{
	pthread_mutex_lock(&v->lock);
	reset(v);
	pthread_mutex_unlock(&v->lock);
}

bool virtio_untouched(struct virtio *v)
{
	bool untouched;

	pthread_mutex_lock(&v->lock);
	untouched = !v->status;
	pthread_mutex_unlock(&v->lock);
	return untouched;
}

static void fill_queue(struct virtio *v, struct virtio_pci_common_cfg *cfg)
{
	const struct virtqueue *vq = selected(v);

	if (!vq)
		return;
	cfg->queue_size = vq->size;
	cfg->queue_msix_vector = v->vector[v->queue_select];
	cfg->queue_enable = vq->ready;
	cfg->queue_notify_off = v->queue_select;
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
		.num_queues = (uint16_t)v->queues,
		.device_status = v->status,
		.config_generation = v->generation,
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

/* From now on the guest's driver drives. */
static void drive(struct virtio *v)
{
	unsigned int i;

	for (i = 0; i < v->queues; i++) {
		v->vq[i].indirect = accepted(v, VIRTIO_RING_F_INDIRECT_DESC);
		v->vq[i].event_idx = accepted(v, VIRTIO_RING_F_EVENT_IDX);
	}
	set_doorbell(v, true);
	if (v->ops->start && v->ops->start(v))
		virtio_fail(v, "the host cannot serve its queues as the guest set them up");
	/* There may be work that waits for a driver. */
	virtio_wake(v);
}

static void write_status(struct virtio *v, uint8_t val)
{
	bool drives = v->status & VIRTIO_CONFIG_S_DRIVER_OK;

	if (!val) {
		reset(v);
		return;
	}
	/* Features that are not offered, or no modern driver: the bit stays clear (2.1.2). */
	if ((v->accepted & ~all_features(v)) || !accepted(v, VIRTIO_F_VERSION_1))
		val &= (uint8_t)~VIRTIO_CONFIG_S_FEATURES_OK;
	v->status = val | (v->status & VIRTIO_CONFIG_S_NEEDS_RESET);
	if ((val & VIRTIO_CONFIG_S_DRIVER_OK) && !drives)
		drive(v);
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

static void config_write(struct virtio *v, unsigned int at, uint64_t val, unsigned int size)
{
	if (v->ops->wrote && at + size <= v->config_len)
		v->ops->wrote(v, at, val, size);
}

static void ring(int fd)
{
	uint64_t one = 1;

	/* Fails only when the counter is full, and then the thread is awake anyhow. */
	(void)!write(fd, &one, sizeof(one));
}

static void bar_write(void *opaque, uint64_t off, uint64_t val, unsigned int size)
{
	unsigned int at = off % PAGE;
	struct virtio *v = opaque;

	if (off >= NOTIFY) {
		if (at / STRIDE < v->queues)
			ring(v->kick[at / STRIDE]);
		return;
	}
	pthread_mutex_lock(&v->lock);
	if (off < ISR)
		common_write(v, at, val, size);
	else if (off >= DEVICE)
		config_write(v, at, val, size);
	pthread_mutex_unlock(&v->lock);
}

static const struct bus_ops bar_ops = { bar_read, bar_write, 4 };

/* ---- what devices ask for ---- */

bool virtio_live(const struct virtio *v)
{
	return (v->status & VIRTIO_CONFIG_S_DRIVER_OK) &&
	       !(v->status & VIRTIO_CONFIG_S_NEEDS_RESET);
}

void virtio_wake(struct virtio *v)
{
	ring(v->wake);
}

bool virtio_pop(struct virtio *v, unsigned int queue, struct virtqueue_chain *chain)
{
	int ret;

	if (!virtio_live(v))
		return false;
	/* A guest that offers as fast as it is served must not keep the lock from everybody. */
	if (v->serving && !v->left[queue]) {
		virtio_wake(v);
		return false;
	}
	ret = virtqueue_pop(&v->vq[queue], chain);
	if (ret < 0)
		virtio_fail(v, "the guest broke the rules of a queue");
	if (ret > 0 && v->serving)
		v->left[queue]--;
	return ret > 0;
}

bool virtio_waiting(struct virtio *v, unsigned int queue)
{
	return virtio_live(v) && virtqueue_waiting(&v->vq[queue]);
}

void virtio_done(struct virtio *v, unsigned int queue, uint16_t head, uint32_t len)
{
	if (virtqueue_push(&v->vq[queue], head, len))
		v->due[queue] = true;
}

void virtio_tell(struct virtio *v)
{
	unsigned int i;

	for (i = 0; i < v->queues; i++) {
		if (!v->due[i])
			continue;
		v->due[i] = false;
		v->isr |= ISR_QUEUE;
		pci_interrupt(&v->pci, v->vector[i]);
	}
}

static void interrupt_config(struct virtio *v)
{
	v->isr |= ISR_CONFIG;
	pci_interrupt(&v->pci, v->config_vector);
}

void virtio_config_changed(struct virtio *v)
{
	v->generation++;
	if (v->status & VIRTIO_CONFIG_S_DRIVER_OK)
		interrupt_config(v);
}

/* A guest that does it on purpose does not fill the user's screen. */
static void log_failure(struct virtio *v, const char *why)
{
	struct pci_bus *bus = v->pci.bus;
	char line[160];

	if (!bus->log || v->lines == VIRTIO_LINES_MAX)
		return;
	v->lines++;
	snprintf(line, sizeof(line), "%s: %s: the device needs a reset%s", v->name, why,
		 v->lines == VIRTIO_LINES_MAX ? " (said for the last time)" : "");
	bus->log(bus->opaque, line);
}

void virtio_fail(struct virtio *v, const char *why)
{
	if (v->status & VIRTIO_CONFIG_S_NEEDS_RESET)
		return;
	v->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	log_failure(v, why);
	interrupt_config(v);
}

/* ---- the I/O thread ---- */

int virtio_watch(struct virtio *v, int fd, short events)
{
	struct pollfd *more;

	if (v->fd_count == v->fd_room) {
		more = realloc(v->fds, (v->fd_room + 32) * sizeof(*more));
		if (!more)
			return -1;
		v->fds = more;
		v->fd_room += 32;
	}
	v->fds[v->fd_count] = (struct pollfd){ .fd = fd, .events = events };
	return (int)v->fd_count++;
}

short virtio_polled(const struct virtio *v, int number)
{
	return number < 0 || (unsigned int)number >= v->fd_count ? 0 : v->fds[number].revents;
}

static int name_all(struct virtio *v)
{
	unsigned int i;

	v->fd_count = 0;
	virtio_watch(v, v->wake, POLLIN);
	/* Without a file descriptor there is nothing to wait for, but the places remain. */
	for (i = 0; i < v->queues; i++)
		virtio_watch(v, v->elsewhere >> i & 1 ? -1 : v->kick[i], POLLIN);
	return v->ops->watch ? v->ops->watch(v) : -1;
}

/* The eventfds are the first ones. */
static void read_events(struct virtio *v)
{
	uint64_t count;
	unsigned int i;

	for (i = 0; i < v->fd_count && i <= v->queues; i++) {
		if (v->fds[i].fd >= 0 && (v->fds[i].revents & POLLIN))
			(void)!read(v->fds[i].fd, &count, sizeof(count));
	}
}

static void serve(struct virtio *v)
{
	unsigned int i;

	read_events(v);
	for (i = 0; i < v->queues; i++)
		v->left[i] = v->vq[i].size;
	v->serving = true;
	if (virtio_live(v))
		v->ops->run(v);
	else if (v->ops->idle)
		v->ops->idle(v);
	v->serving = false;
	virtio_tell(v);
}

void virtio_serve(struct virtio *v, int timeout)
{
	int own = name_all(v), ret;

	if (timeout < 0 || (own >= 0 && own < timeout))
		timeout = own;
	pthread_mutex_unlock(&v->lock);
	ret = poll(v->fds, v->fd_count, timeout);
	pthread_mutex_lock(&v->lock);
	if (ret >= 0)
		serve(v);
}

static void *io_thread(void *arg)
{
	struct virtio *v = arg;

	sandbox_thread(ROLE_IO, v->name);
	pthread_mutex_lock(&v->lock);
	while (!atomic_load(&v->ending))
		virtio_serve(v, -1);
	/* Here, since the kernel cancels what a thread that ends has under way. */
	v->ops->stop(v);
	pthread_mutex_unlock(&v->lock);
	return NULL;
}

int virtio_start(struct virtio *v)
{
	sigset_t all, old;
	int ret;

	/* Signals are the main thread's, but for faults of this program. */
	sigfillset(&all);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGABRT);
	sigdelset(&all, SIGSYS);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = pthread_create(&v->thread, NULL, io_thread, v);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	v->started = !ret;
	return -ret;
}

void virtio_end_soon(struct virtio *v)
{
	atomic_store(&v->ending, true);
}

void virtio_end(struct virtio *v)
{
	if (!v->started)
		return;
	virtio_end_soon(v);
	virtio_wake(v);
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
		.notify_off_multiplier = STRIDE,
	};

	pci_add_capability(&v->pci, PCI_CAP_ID_VNDR, (uint8_t *)&cap + 2, cap.cap.cap_len - 2u);
}

static void close_events(struct virtio *v)
{
	unsigned int i;

	if (v->wake >= 0)
		close(v->wake);
	for (i = 0; i < v->queues; i++) {
		if (v->kick[i] >= 0)
			close(v->kick[i]);
	}
}

static int open_events(struct virtio *v)
{
	unsigned int i;
	int ret = 0;

	v->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (v->wake < 0)
		ret = -errno;
	for (i = 0; i < v->queues; i++) {
		v->kick[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (v->kick[i] < 0)
			ret = -errno;
	}
	if (ret)
		close_events(v);
	return ret;
}

int virtio_init_queues(struct virtio *v, const struct virtio_ops *ops, unsigned int queues,
		       const char *name, const struct guest_mem *mem)
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
	int ret;

	memset(v, 0, sizeof(*v));
	v->ops = ops;
	v->queues = queues;
	v->mem = mem;
	snprintf(v->name, sizeof(v->name), "%s", name);
	ret = open_events(v);
	if (ret)
		return ret;
	pthread_mutex_init(&v->lock, NULL);
	/* One for each queue, and one for the configuration. */
	pci_device_init(&v->pci, &id, queues + 1);
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

int virtio_init(struct virtio *v, const struct virtio_ops *ops, const char *name,
		const struct guest_mem *mem)
{
	return virtio_init_queues(v, ops, ops->queues, name, mem);
}

void virtio_destroy(struct virtio *v)
{
	virtio_end(v);
	close_events(v);
	free(v->fds);
	pci_device_destroy(&v->pci);
	pthread_mutex_destroy(&v->lock);
}
