// SPDX-License-Identifier: GPL-2.0
#include "driver.h"

#include <unistd.h>

#include "tap.h"

struct driver drv;

static void set_line(void *opaque, unsigned int gsi, bool level)
{
	(void)opaque;
	(void)gsi;
	atomic_store(&drv.line, level);
}

static void set_doorbell(void *opaque, uint64_t addr, int fd, bool on)
{
	(void)opaque;
	CHECK(fd >= 0);
	if (on && !drv.bells)
		drv.bell = addr;
	drv.bells += on ? 1 : -1u;
	if (!drv.bells)
		drv.bell = 0;
}

static void log_line(void *opaque, const char *line)
{
	(void)opaque;
	drv.lines++;
	snprintf(drv.log, sizeof(drv.log), "%s", line);
}

uint64_t drv_get(uint64_t addr, unsigned int size)
{
	uint64_t val = 0;

	bus_read(&drv.mmio, addr, &val, size);
	return val;
}

void drv_set(uint64_t addr, uint64_t val, unsigned int size)
{
	bus_write(&drv.mmio, addr, &val, size);
}

void *drv_at(uint64_t gpa, uint64_t len)
{
	return guest_mem_ptr(&drv.mem, gpa, len);
}

void drv_begin(void)
{
	struct irq_line irq = { set_line, NULL, 0, false };

	memset(&drv, 0, sizeof(drv));
	bus_init(&drv.mmio);
	pci_bus_init(&drv.bus, &irq);
	drv.bus.doorbell = set_doorbell;
	drv.bus.log = log_line;
	drv.window = (struct bus_range){ PCI_WINDOW_BASE, PCI_WINDOW_SIZE, &pci_window_ops,
					 &drv.bus, NULL };
	drv.ecam =
		(struct bus_range){ PCI_ECAM_BASE, PCI_ECAM_SIZE, &pci_ecam_ops, &drv.bus, NULL };
	CHECK(!bus_add(&drv.mmio, &drv.window) && !bus_add(&drv.mmio, &drv.ecam));
	CHECK_EQ(guest_mem_alloc(&drv.mem, DRV_MEMORY), 0);
}

bool drv_attach(struct virtio *v)
{
	CHECK(v);
	if (!v)
		return false;
	drv.v = v;
	CHECK_EQ(pci_attach(&drv.bus, &v->pci), 0);
	CHECK_EQ(virtio_start(v), 0);
	drv_set(PCI_ECAM_BASE + 0x8010, PCI_WINDOW_BASE, 4);
	drv_set(PCI_ECAM_BASE + 0x8004, 2, 2);
	return true;
}

static void place_queue(unsigned int q)
{
	drv_set(DRV_COMMON + VIRTIO_PCI_COMMON_Q_SELECT, q, 2);
	drv_set(DRV_COMMON + VIRTIO_PCI_COMMON_Q_SIZE, DRV_SIZE, 2);
	drv_set(DRV_COMMON + VIRTIO_PCI_COMMON_Q_DESCLO, DRV_DESC(q), 4);
	drv_set(DRV_COMMON + VIRTIO_PCI_COMMON_Q_AVAILLO, DRV_AVAIL(q), 4);
	drv_set(DRV_COMMON + VIRTIO_PCI_COMMON_Q_USEDLO, DRV_USED(q), 4);
	drv_set(DRV_COMMON + VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
}

void drv_drive(uint64_t features)
{
	drv_drive_some(features, 0);
}

void drv_drive_some(uint64_t features, uint32_t without)
{
	unsigned int q, queues = (unsigned int)drv_get(DRV_COMMON + VIRTIO_PCI_COMMON_NUMQ, 2);

	drv_set(DRV_COMMON + VIRTIO_PCI_COMMON_STATUS, 0, 1);
	memset(drv_at(DRV_DESC(0), queues * 0x1000), 0, queues * 0x1000);
	drv_set(DRV_COMMON + VIRTIO_PCI_COMMON_GFSELECT, 0, 4);
	drv_set(DRV_COMMON + VIRTIO_PCI_COMMON_GF, (uint32_t)features, 4);
	drv_set(DRV_COMMON + VIRTIO_PCI_COMMON_GFSELECT, 1, 4);
	drv_set(DRV_COMMON + VIRTIO_PCI_COMMON_GF, (uint32_t)(features >> 32) | 1, 4);
	drv_set(DRV_COMMON + VIRTIO_PCI_COMMON_STATUS, DRV_OK, 1);
	for (q = 0; q < queues; q++) {
		if (!(without >> q & 1))
			place_queue(q);
	}
	drv_set(DRV_COMMON + VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
	drv_set(DRV_COMMON + VIRTIO_PCI_COMMON_STATUS, DRV_OK | VIRTIO_CONFIG_S_DRIVER_OK, 1);
}

void drv_end(void)
{
	if (drv.v)
		drv.v->ops->destroy(drv.v);
	pci_bus_destroy(&drv.bus);
	bus_destroy(&drv.mmio);
	guest_mem_free(&drv.mem);
}

void drv_desc(unsigned int q, unsigned int n, uint64_t addr, uint32_t len, uint16_t flags)
{
	struct vring_desc *d = drv_at(DRV_DESC(q), DRV_SIZE * sizeof(*d));

	d[n] = (struct vring_desc){ addr, len, flags, (uint16_t)(n + 1) };
}

void drv_offer(unsigned int q, uint16_t head)
{
	struct vring_avail *avail = drv_at(DRV_AVAIL(q), sizeof(*avail) + DRV_SIZE * 2);

	avail->ring[avail->idx % DRV_SIZE] = head;
	__atomic_store_n(&avail->idx, avail->idx + 1, __ATOMIC_SEQ_CST);
	drv_set(DRV_NOTIFY + 4 * q, q, 2);
}

bool drv_broken(void)
{
	return drv_get(DRV_COMMON + VIRTIO_PCI_COMMON_STATUS, 1) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

uint16_t drv_used(unsigned int q)
{
	struct vring_used *used = drv_at(DRV_USED(q), sizeof(*used));

	return __atomic_load_n(&used->idx, __ATOMIC_SEQ_CST);
}

uint32_t drv_await_used(unsigned int q, uint16_t count)
{
	struct vring_used *used = drv_at(DRV_USED(q), sizeof(*used) + DRV_SIZE * 8);
	unsigned int i;

	for (i = 0; i < 60000; i++) {
		if (drv_used(q) == count) {
			/* The interrupt comes after the entry, before the registers are free. */
			(void)drv_broken();
			return used->ring[(uint16_t)(count - 1) % DRV_SIZE].len;
		}
		if (drv_broken())
			return 0;
		usleep(1000);
	}
	CHECK(!"served in time");
	return 0;
}

uint32_t drv_await(unsigned int q)
{
	struct vring_avail *avail = drv_at(DRV_AVAIL(q), sizeof(*avail));

	return drv_await_used(q, avail->idx);
}

uint32_t drv_request(unsigned int q, uint64_t out, uint32_t out_len, uint64_t in, uint32_t in_len)
{
	unsigned int n = 0;

	if (out_len)
		drv_desc(q, n++, out, out_len, in_len ? DRV_NEXT : 0);
	if (in_len)
		drv_desc(q, n, in, in_len, DRV_WRITE);
	drv_offer(q, 0);
	return drv_await(q);
}
