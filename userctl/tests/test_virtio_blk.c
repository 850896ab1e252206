// SPDX-License-Identifier: GPL-2.0
/* A driver in miniature: through the registers, as a guest does it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <unistd.h>

#include "../devices/virtio_blk.h"
#include "tap.h"

#define SECTORS 64
#define COMMON  (PCI_WINDOW_BASE + 0x0000)
#define ISR     (PCI_WINDOW_BASE + 0x1000)
#define DEVICE  (PCI_WINDOW_BASE + 0x2000)
#define NOTIFY  (PCI_WINDOW_BASE + 0x3000)
#define DESC    0x1000
#define DRIVER  0x2000
#define USED    0x3000
#define HEAD    0x10000
#define STATUS  0x11000
#define DATA    0x20000
#define SIZE    16
#define OK      (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK)

static char image[] = "/tmp/vmctl-disk-XXXXXX";
static struct guest_mem mem;
static struct pci_bus bus;
static struct bus mmio;
static struct bus_range window, ecam;
static struct virtio_blk *blk;
static struct error err;
static atomic_bool line;
static uint64_t bell;

static void set_line(void *opaque, unsigned int gsi, bool level)
{
	(void)opaque;
	(void)gsi;
	atomic_store(&line, level);
}

static void set_doorbell(void *opaque, uint64_t addr, int fd, bool on)
{
	(void)opaque;
	CHECK(fd >= 0);
	CHECK(on ? !bell : bell == addr);
	bell = on ? addr : 0;
}

static uint64_t get(uint64_t addr, unsigned int size)
{
	uint64_t val = 0;

	bus_read(&mmio, addr, &val, size);
	return val;
}

static void set(uint64_t addr, uint64_t val, unsigned int size)
{
	bus_write(&mmio, addr, &val, size);
}

static void *at(uint64_t gpa, uint64_t len)
{
	return guest_mem_ptr(&mem, gpa, len);
}

/* From reset to DRIVER_OK. */
static void drive(uint32_t features)
{
	set(COMMON + VIRTIO_PCI_COMMON_STATUS, 0, 1);
	memset(at(DESC, 0x3000), 0, 0x3000);
	set(COMMON + VIRTIO_PCI_COMMON_GFSELECT, 0, 4);
	set(COMMON + VIRTIO_PCI_COMMON_GF, features, 4);
	set(COMMON + VIRTIO_PCI_COMMON_GFSELECT, 1, 4);
	set(COMMON + VIRTIO_PCI_COMMON_GF, 1, 4);
	set(COMMON + VIRTIO_PCI_COMMON_STATUS, OK, 1);
	set(COMMON + VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
	set(COMMON + VIRTIO_PCI_COMMON_Q_SIZE, SIZE, 2);
	set(COMMON + VIRTIO_PCI_COMMON_Q_DESCLO, DESC, 4);
	set(COMMON + VIRTIO_PCI_COMMON_Q_AVAILLO, DRIVER, 4);
	set(COMMON + VIRTIO_PCI_COMMON_Q_USEDLO, USED, 4);
	set(COMMON + VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
	set(COMMON + VIRTIO_PCI_COMMON_STATUS, OK | VIRTIO_CONFIG_S_DRIVER_OK, 1);
}

static bool begin(bool readonly)
{
	struct irq_line irq = { set_line, NULL, 0, false };

	bus_init(&mmio);
	pci_bus_init(&bus, &irq);
	bus.doorbell = set_doorbell;
	bell = 0;
	window =
		(struct bus_range){ PCI_WINDOW_BASE, PCI_WINDOW_SIZE, &pci_window_ops, &bus, NULL };
	ecam = (struct bus_range){ PCI_ECAM_BASE, PCI_ECAM_SIZE, &pci_ecam_ops, &bus, NULL };
	CHECK(!bus_add(&mmio, &window) && !bus_add(&mmio, &ecam));
	CHECK_EQ(guest_mem_alloc(&mem, MEM_MIN), 0);
	blk = virtio_blk_create(image, readonly, &mem, &err);
	CHECK(blk);
	if (!blk)
		return false;
	CHECK_EQ(pci_attach(&bus, &blk->v.pci), 0);
	CHECK_EQ(virtio_start(&blk->v), 0);
	set(PCI_ECAM_BASE + 0x8010, PCI_WINDOW_BASE, 4);
	set(PCI_ECAM_BASE + 0x8004, 2, 2);
	drive(1u << VIRTIO_BLK_F_FLUSH);
	return true;
}

static void end(void)
{
	virtio_blk_destroy(blk);
	pci_bus_destroy(&bus);
	bus_destroy(&mmio);
	guest_mem_free(&mem);
}

static void desc(unsigned int n, uint64_t addr, uint32_t len, uint16_t flags)
{
	struct vring_desc *d = at(DESC, SIZE * sizeof(*d));

	d[n] = (struct vring_desc){ addr, len, flags, (uint16_t)(n + 1) };
}

static void offer(void)
{
	struct vring_avail *avail = at(DRIVER, sizeof(*avail) + SIZE * 2);

	__atomic_store_n(&avail->idx, avail->idx + 1, __ATOMIC_SEQ_CST);
	set(NOTIFY, 0, 2);
}

/* Until the request, or the device, is done for: five seconds at most. */
static void await_used(void)
{
	struct vring_avail *avail = at(DRIVER, sizeof(*avail));
	struct vring_used *used = at(USED, sizeof(*used));
	unsigned int i;

	for (i = 0; i < 5000; i++) {
		if (__atomic_load_n(&used->idx, __ATOMIC_SEQ_CST) == avail->idx ||
		    (get(COMMON + VIRTIO_PCI_COMMON_STATUS, 1) & VIRTIO_CONFIG_S_NEEDS_RESET))
			return;
		usleep(1000);
	}
	CHECK(!"served in time");
}

/* One request of the usual shape; its status. */
static int request(uint32_t type, uint64_t sector, uint32_t len)
{
	struct virtio_blk_outhdr *head = at(HEAD, sizeof(*head));
	bool write = type == VIRTIO_BLK_T_OUT;
	uint8_t *status = at(STATUS, 1);
	unsigned int n = 0;

	*head = (struct virtio_blk_outhdr){ .type = type, .sector = sector };
	*status = 99;
	desc(n++, HEAD, sizeof(*head), VRING_DESC_F_NEXT);
	if (len)
		desc(n++, DATA, len, VRING_DESC_F_NEXT | (write ? 0 : VRING_DESC_F_WRITE));
	desc(n, STATUS, 1, VRING_DESC_F_WRITE);
	offer();
	await_used();
	return *status;
}

static void registers(void)
{
	if (!begin(false))
		return;
	CHECK_EQ(get(PCI_ECAM_BASE + 0x8000, 4), 0x10421af4);
	CHECK_EQ(get(COMMON + VIRTIO_PCI_COMMON_NUMQ, 2), 1);
	CHECK_EQ(get(COMMON + VIRTIO_PCI_COMMON_Q_SIZE, 2), SIZE);
	CHECK_EQ(get(DEVICE, 4), SECTORS);
	CHECK_EQ(bell, NOTIFY);
	CHECK_EQ(get(DEVICE + 0xffc, 4), 0);
	/* What is in use does not move. */
	set(COMMON + VIRTIO_PCI_COMMON_Q_DESCLO, 0x9000, 4);
	set(COMMON + VIRTIO_PCI_COMMON_Q_SIZE, 8, 2);
	CHECK_EQ(get(COMMON + VIRTIO_PCI_COMMON_Q_DESCLO, 4), DESC);
	CHECK_EQ(get(COMMON + VIRTIO_PCI_COMMON_Q_SIZE, 2), SIZE);
	/* A queue and vectors that do not exist, sizes that are none. */
	set(COMMON + VIRTIO_PCI_COMMON_Q_SELECT, 1, 2);
	CHECK_EQ(get(COMMON + VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
	set(COMMON + VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
	set(COMMON + VIRTIO_PCI_COMMON_MSIX, 2, 2);
	CHECK_EQ(get(COMMON + VIRTIO_PCI_COMMON_MSIX, 2), PCI_NO_VECTOR);
	set(COMMON + VIRTIO_PCI_COMMON_MSIX, 1, 2);
	CHECK_EQ(get(COMMON + VIRTIO_PCI_COMMON_MSIX, 2), 1);
	set(COMMON + VIRTIO_PCI_COMMON_STATUS, 0, 1);
	CHECK_EQ(bell, 0);
	CHECK_EQ(get(COMMON + VIRTIO_PCI_COMMON_Q_SELECT, 2), 0);
	CHECK_EQ(get(COMMON + VIRTIO_PCI_COMMON_MSIX, 2), PCI_NO_VECTOR);
	set(COMMON + VIRTIO_PCI_COMMON_Q_SIZE, 3, 2);
	set(COMMON + VIRTIO_PCI_COMMON_Q_SIZE, 512, 2);
	CHECK_EQ(get(COMMON + VIRTIO_PCI_COMMON_Q_SIZE, 2), VIRTQUEUE_MAX);
	end();
}

/* Without VIRTIO_F_VERSION_1, and with what is not offered. */
static void features_refused(void)
{
	if (!begin(false))
		return;
	set(COMMON + VIRTIO_PCI_COMMON_STATUS, 0, 1);
	set(COMMON + VIRTIO_PCI_COMMON_STATUS, OK, 1);
	CHECK(!(get(COMMON + VIRTIO_PCI_COMMON_STATUS, 1) & VIRTIO_CONFIG_S_FEATURES_OK));
	drive(1u << VIRTIO_BLK_F_MQ);
	CHECK(!(get(COMMON + VIRTIO_PCI_COMMON_STATUS, 1) & VIRTIO_CONFIG_S_FEATURES_OK));
	drive(1u << VIRTIO_BLK_F_FLUSH);
	CHECK(get(COMMON + VIRTIO_PCI_COMMON_STATUS, 1) & VIRTIO_CONFIG_S_FEATURES_OK);
	end();
}

static void reads_and_writes(void)
{
	uint8_t *data, back[1024];
	int fd = open(image, O_RDONLY);

	if (!begin(false))
		return;
	data = at(DATA, 1024);
	memset(data, 0x5a, 1024);
	CHECK_EQ(request(VIRTIO_BLK_T_OUT, 7, 1024), VIRTIO_BLK_S_OK);
	CHECK(line);
	CHECK_EQ(get(ISR, 1), 1);
	CHECK(!line);
	CHECK_EQ(request(VIRTIO_BLK_T_FLUSH, 0, 0), VIRTIO_BLK_S_OK);
	CHECK_EQ(pread(fd, back, 1024, 7 * 512), 1024);
	CHECK(!memcmp(back, data, 1024));
	memset(data, 0, 1024);
	CHECK_EQ(request(VIRTIO_BLK_T_IN, 7, 1024), VIRTIO_BLK_S_OK);
	CHECK(!memcmp(back, data, 1024));
	CHECK_EQ(((struct vring_used *)at(USED, 64))->ring[2].len, 1025);
	CHECK_EQ(request(VIRTIO_BLK_T_GET_ID, 0, 20), VIRTIO_BLK_S_OK);
	CHECK(!strcmp((char *)data, "vmctl"));
	/* A driver that does not flush has its writes on disk as they complete. */
	drive(0);
	CHECK_EQ(request(VIRTIO_BLK_T_OUT, 0, 512), VIRTIO_BLK_S_OK);
	close(fd);
	end();
}

/* Wrong in itself: the request fails, the device goes on. */
static void requests_that_fail(void)
{
	if (!begin(false))
		return;
	CHECK_EQ(request(VIRTIO_BLK_T_IN, SECTORS, 512), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(request(VIRTIO_BLK_T_IN, SECTORS - 1, 1024), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(request(VIRTIO_BLK_T_OUT, UINT64_MAX, 512), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(request(VIRTIO_BLK_T_IN, 0, 100), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(request(VIRTIO_BLK_T_IN, 0, 0), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(request(VIRTIO_BLK_T_GET_ID, 0, 19), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(request(4711, 0, 512), VIRTIO_BLK_S_UNSUPP);
	CHECK_EQ(request(VIRTIO_BLK_T_IN, SECTORS - 1, 512), VIRTIO_BLK_S_OK);
	end();
}

static void broken(void)
{
	offer();
	await_used();
	CHECK(get(COMMON + VIRTIO_PCI_COMMON_STATUS, 1) & VIRTIO_CONFIG_S_NEEDS_RESET);
	drive(0);
	CHECK_EQ(request(VIRTIO_BLK_T_IN, 0, 512), VIRTIO_BLK_S_OK);
}

/* Against the rules: the device needs a reset, and works after it. */
static void requests_that_break(void)
{
	if (!begin(false))
		return;
	drive(0);
	desc(0, HEAD, 8, VRING_DESC_F_NEXT);
	desc(1, STATUS, 1, VRING_DESC_F_WRITE);
	broken();
	drive(0);
	desc(0, HEAD, 16, 0);
	broken();
	drive(0);
	desc(0, STATUS, 64, VRING_DESC_F_WRITE);
	broken();
	drive(0);
	desc(0, MEM_MIN, 16, VRING_DESC_F_NEXT);
	broken();
	drive(0);
	memset(at(DRIVER, 4), 0x7f, 4);
	broken();
	end();
}

static void read_only(void)
{
	if (!begin(true))
		return;
	set(COMMON + VIRTIO_PCI_COMMON_DFSELECT, 0, 4);
	CHECK(get(COMMON + VIRTIO_PCI_COMMON_DF, 4) & 1u << VIRTIO_BLK_F_RO);
	CHECK_EQ(request(VIRTIO_BLK_T_OUT, 0, 512), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(request(VIRTIO_BLK_T_IN, 0, 512), VIRTIO_BLK_S_OK);
	end();
}

static void images_refused(void)
{
	char name[] = "/tmp/vmctl-disk-XXXXXX";
	int fd = mkstemp(name);

	if (!begin(false))
		return;
	CHECK(!virtio_blk_create(image, true, &mem, &err));
	CHECK_EQ(err.status, EX_TEMPFAIL);
	CHECK(!virtio_blk_create(name, false, &mem, &err));
	CHECK_EQ(err.status, EX_DATAERR);
	CHECK_EQ(ftruncate(fd, 513), 0);
	CHECK(!virtio_blk_create(name, false, &mem, &err));
	CHECK_EQ(err.status, EX_DATAERR);
	unlink(name);
	CHECK(!virtio_blk_create(name, false, &mem, &err));
	CHECK_EQ(err.status, EX_NOINPUT);
	CHECK(!virtio_blk_create("/dev/null", false, &mem, &err));
	CHECK_EQ(err.status, EX_NOINPUT);
	close(fd);
	end();
	/* Readers may be several. */
	if (!begin(true))
		return;
	virtio_blk_destroy(virtio_blk_create(image, true, &mem, &err));
	end();
}

static void make_image(void)
{
	int fd = mkstemp(image);

	CHECK(fd >= 0);
	CHECK_EQ(ftruncate(fd, SECTORS * 512), 0);
	close(fd);
}

static void remove_image(void)
{
	CHECK_EQ(unlink(image), 0);
}

TAP_MAIN(TEST(make_image), TEST(registers), TEST(features_refused), TEST(reads_and_writes),
	 TEST(requests_that_fail), TEST(requests_that_break), TEST(read_only), TEST(images_refused),
	 TEST(remove_image));
