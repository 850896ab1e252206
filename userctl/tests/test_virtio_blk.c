// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "../devices/virtio_blk.h"
#include "driver.h"
#include "tap.h"

#define SECTORS 64
#define HEAD    (DRV_DATA + 0x0000)
#define STATUS  (DRV_DATA + 0x1000)
#define DATA    (DRV_DATA + 0x10000)

static char image[] = "/tmp/vmctl-disk-XXXXXX";
static struct virtio *v;
static struct error err;

static void drive(uint64_t features)
{
	drv_drive(features);
}

static struct virtio *create(const char *name, const char *path, bool readonly)
{
	const struct blk_image raw = { path, BLK_RAW, readonly };

	return virtio_blk_create(name, &raw, &drv.mem, &err);
}

static bool begin(bool readonly)
{
	drv_begin();
	v = create("disk0", image, readonly);
	if (!drv_attach(v))
		return false;
	drive(1u << VIRTIO_BLK_F_FLUSH);
	return true;
}

static void end(void)
{
	drv_end();
}

static void desc(unsigned int n, uint64_t addr, uint32_t len, uint16_t flags)
{
	drv_desc(0, n, addr, len, flags);
}

/* One request of the usual shape; its status. */
static int request(uint32_t type, uint64_t sector, uint32_t len)
{
	struct virtio_blk_outhdr *head = drv_at(HEAD, sizeof(*head));
	bool write = type == VIRTIO_BLK_T_OUT;
	uint8_t *status = drv_at(STATUS, 1);
	unsigned int n = 0;

	*head = (struct virtio_blk_outhdr){ .type = type, .sector = sector };
	*status = 99;
	desc(n++, HEAD, sizeof(*head), VRING_DESC_F_NEXT);
	if (len)
		desc(n++, DATA, len, VRING_DESC_F_NEXT | (write ? 0 : VRING_DESC_F_WRITE));
	desc(n, STATUS, 1, VRING_DESC_F_WRITE);
	drv_offer(0, 0);
	drv_await(0);
	return *status;
}

static void registers(void)
{
	if (!begin(false))
		return;
	CHECK_EQ(drv_get(PCI_ECAM_BASE + 0x8000, 4), 0x10421af4);
	CHECK_EQ(drv_get(DRV_COMMON + VIRTIO_PCI_COMMON_NUMQ, 2), 1);
	CHECK_EQ(drv_get(DRV_COMMON + VIRTIO_PCI_COMMON_Q_SIZE, 2), DRV_SIZE);
	CHECK_EQ(drv_get(DRV_DEVICE, 4), SECTORS);
	CHECK_EQ(drv.bell, DRV_NOTIFY);
	CHECK_EQ(drv_get(DRV_DEVICE + 0xffc, 4), 0);
	/* What is in use does not move. */
	drv_set(DRV_COMMON + VIRTIO_PCI_COMMON_Q_DESCLO, 0x9000, 4);
	drv_set(DRV_COMMON + VIRTIO_PCI_COMMON_Q_SIZE, 8, 2);
	CHECK_EQ(drv_get(DRV_COMMON + VIRTIO_PCI_COMMON_Q_DESCLO, 4), DRV_DESC(0));
	CHECK_EQ(drv_get(DRV_COMMON + VIRTIO_PCI_COMMON_Q_SIZE, 2), DRV_SIZE);
	/* A queue and vectors that do not exist, sizes that are none. */
	drv_set(DRV_COMMON + VIRTIO_PCI_COMMON_Q_SELECT, 1, 2);
	CHECK_EQ(drv_get(DRV_COMMON + VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
	drv_set(DRV_COMMON + VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
	drv_set(DRV_COMMON + VIRTIO_PCI_COMMON_MSIX, 2, 2);
	CHECK_EQ(drv_get(DRV_COMMON + VIRTIO_PCI_COMMON_MSIX, 2), PCI_NO_VECTOR);
	drv_set(DRV_COMMON + VIRTIO_PCI_COMMON_MSIX, 1, 2);
	CHECK_EQ(drv_get(DRV_COMMON + VIRTIO_PCI_COMMON_MSIX, 2), 1);
	drv_set(DRV_COMMON + VIRTIO_PCI_COMMON_STATUS, 0, 1);
	CHECK_EQ(drv.bell, 0);
	CHECK_EQ(drv_get(DRV_COMMON + VIRTIO_PCI_COMMON_Q_SELECT, 2), 0);
	CHECK_EQ(drv_get(DRV_COMMON + VIRTIO_PCI_COMMON_MSIX, 2), PCI_NO_VECTOR);
	drv_set(DRV_COMMON + VIRTIO_PCI_COMMON_Q_SIZE, 3, 2);
	drv_set(DRV_COMMON + VIRTIO_PCI_COMMON_Q_SIZE, 512, 2);
	CHECK_EQ(drv_get(DRV_COMMON + VIRTIO_PCI_COMMON_Q_SIZE, 2), VIRTQUEUE_MAX);
	end();
}

/* Without VIRTIO_F_VERSION_1, and with what is not offered. */
static void features_refused(void)
{
	if (!begin(false))
		return;
	drv_set(DRV_COMMON + VIRTIO_PCI_COMMON_STATUS, 0, 1);
	drv_set(DRV_COMMON + VIRTIO_PCI_COMMON_STATUS, DRV_OK, 1);
	CHECK(!(drv_get(DRV_COMMON + VIRTIO_PCI_COMMON_STATUS, 1) & VIRTIO_CONFIG_S_FEATURES_OK));
	drive(1u << VIRTIO_BLK_F_MQ);
	CHECK(!(drv_get(DRV_COMMON + VIRTIO_PCI_COMMON_STATUS, 1) & VIRTIO_CONFIG_S_FEATURES_OK));
	drive(1u << VIRTIO_BLK_F_FLUSH);
	CHECK(drv_get(DRV_COMMON + VIRTIO_PCI_COMMON_STATUS, 1) & VIRTIO_CONFIG_S_FEATURES_OK);
	end();
}

static void reads_and_writes(void)
{
	uint8_t *data, back[1024];
	int fd = open(image, O_RDONLY);

	if (!begin(false))
		return;
	data = drv_at(DATA, 1024);
	memset(data, 0x5a, 1024);
	CHECK_EQ(request(VIRTIO_BLK_T_OUT, 7, 1024), VIRTIO_BLK_S_OK);
	CHECK(drv.line);
	CHECK_EQ(drv_get(DRV_ISR, 1), 1);
	CHECK(!drv.line);
	CHECK_EQ(request(VIRTIO_BLK_T_FLUSH, 0, 0), VIRTIO_BLK_S_OK);
	CHECK_EQ(pread(fd, back, 1024, 7 * 512), 1024);
	CHECK(!memcmp(back, data, 1024));
	memset(data, 0, 1024);
	CHECK_EQ(request(VIRTIO_BLK_T_IN, 7, 1024), VIRTIO_BLK_S_OK);
	CHECK(!memcmp(back, data, 1024));
	CHECK_EQ(((struct vring_used *)drv_at(DRV_USED(0), 64))->ring[2].len, 1025);
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

/* Discard or write zeroes: one segment. */
static int clear(uint32_t type, uint64_t sector, uint32_t count, uint32_t flags)
{
	struct virtio_blk_discard_write_zeroes *seg = drv_at(DATA, sizeof(*seg));
	struct virtio_blk_outhdr *head = drv_at(HEAD, sizeof(*head));
	uint8_t *status = drv_at(STATUS, 1);

	*head = (struct virtio_blk_outhdr){ .type = type };
	*seg = (struct virtio_blk_discard_write_zeroes){ sector, count, flags };
	*status = 99;
	desc(0, HEAD, sizeof(*head), VRING_DESC_F_NEXT);
	desc(1, DATA, sizeof(*seg), VRING_DESC_F_NEXT);
	desc(2, STATUS, 1, VRING_DESC_F_WRITE);
	drv_offer(0, 0);
	drv_await(0);
	return *status;
}

/* What the image holds at a sector: the byte that all of it is, -1 if they differ. */
static int filled(uint64_t sector, unsigned int count)
{
	uint8_t data[SECTORS * 512];
	int fd = open(image, O_RDONLY);
	unsigned int i;

	CHECK_EQ(pread(fd, data, count * 512, (off_t)sector * 512), count * 512);
	close(fd);
	for (i = 1; i < count * 512; i++) {
		if (data[i] != data[0])
			return -1;
	}
	return data[0];
}

static void discards_and_zeroes(void)
{
	if (!begin(false))
		return;
	memset(drv_at(DATA, SECTORS * 512), 0x77, SECTORS * 512);
	CHECK_EQ(request(VIRTIO_BLK_T_OUT, 0, SECTORS * 512), VIRTIO_BLK_S_OK);
	CHECK_EQ(filled(0, SECTORS), 0x77);
	CHECK_EQ(clear(VIRTIO_BLK_T_WRITE_ZEROES, 8, 8, 0), VIRTIO_BLK_S_OK);
	CHECK_EQ(filled(8, 8), 0);
	CHECK_EQ(clear(VIRTIO_BLK_T_WRITE_ZEROES, 24, 8, VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP),
		 VIRTIO_BLK_S_OK);
	CHECK_EQ(filled(24, 8), 0);
	CHECK_EQ(clear(VIRTIO_BLK_T_DISCARD, 40, 8, 0), VIRTIO_BLK_S_OK);
	CHECK_EQ(filled(40, 8), 0);
	CHECK_EQ(filled(0, 8), 0x77);
	CHECK_EQ(filled(16, 8), 0x77);
	CHECK_EQ(filled(48, 16), 0x77);
	/* Flags that are none, sectors that are not there. */
	CHECK_EQ(clear(VIRTIO_BLK_T_DISCARD, 0, 8, VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP),
		 VIRTIO_BLK_S_UNSUPP);
	CHECK_EQ(clear(VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 2), VIRTIO_BLK_S_UNSUPP);
	CHECK_EQ(clear(VIRTIO_BLK_T_DISCARD, SECTORS - 1, 2, 0), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(clear(VIRTIO_BLK_T_DISCARD, 0, 0, 0), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(clear(VIRTIO_BLK_T_WRITE_ZEROES, UINT64_MAX / 512, 8, 0), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(clear(VIRTIO_BLK_T_WRITE_ZEROES, 0, UINT32_MAX, 0), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(request(VIRTIO_BLK_T_DISCARD, 0, 0), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(filled(0, 8), 0x77);
	/* A driver that does not flush. */
	drive(0);
	CHECK_EQ(clear(VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0), VIRTIO_BLK_S_OK);
	CHECK_EQ(filled(0, 8), 0);
	end();
}

static void resizes(void)
{
	uint64_t generation;

	if (!begin(false))
		return;
	generation = drv_get(DRV_COMMON + VIRTIO_PCI_COMMON_CFGGENERATION, 1);
	CHECK_EQ(virtio_blk_resize(v, &err), 0);
	CHECK(!drv.line);
	CHECK_EQ(truncate(image, (SECTORS + 8) * 512), 0);
	CHECK_EQ(request(VIRTIO_BLK_T_IN, SECTORS, 512), VIRTIO_BLK_S_IOERR);
	drv_get(DRV_ISR, 1);
	CHECK_EQ(virtio_blk_resize(v, &err), 0);
	CHECK(drv.line);
	CHECK_EQ(drv_get(DRV_ISR, 1), 2);
	CHECK_EQ(drv_get(DRV_DEVICE, 4), SECTORS + 8);
	CHECK(drv_get(DRV_COMMON + VIRTIO_PCI_COMMON_CFGGENERATION, 1) != generation);
	CHECK_EQ(request(VIRTIO_BLK_T_IN, SECTORS, 512), VIRTIO_BLK_S_OK);
	/* Not to nothing, nor to half a sector. */
	CHECK_EQ(truncate(image, SECTORS * 512 + 1), 0);
	CHECK_EQ(virtio_blk_resize(v, &err), -1);
	CHECK_EQ(err.status, EX_DATAERR);
	CHECK_EQ(drv_get(DRV_DEVICE, 4), SECTORS + 8);
	CHECK_EQ(truncate(image, SECTORS * 512), 0);
	CHECK_EQ(virtio_blk_resize(v, &err), 0);
	CHECK_EQ(request(VIRTIO_BLK_T_IN, SECTORS, 512), VIRTIO_BLK_S_IOERR);
	end();
}

static void broken(void)
{
	unsigned int lines = drv.lines;

	drv_offer(0, 0);
	drv_await(0);
	CHECK(drv_get(DRV_COMMON + VIRTIO_PCI_COMMON_STATUS, 1) & VIRTIO_CONFIG_S_NEEDS_RESET);
	CHECK_EQ(drv.lines, lines + 1);
	CHECK_HAS(drv.log, "disk0: the guest ");
	CHECK_HAS(drv.log, ": the device needs a reset");
	/* Nothing is served, and nothing more said, until then. */
	drv_offer(0, 0);
	usleep(2000);
	CHECK_EQ(drv_used(0), 0);
	CHECK_EQ(drv.lines, lines + 1);
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
	desc(0, DRV_MEMORY, 16, VRING_DESC_F_NEXT);
	broken();
	drive(0);
	memset(drv_at(DRV_AVAIL(0), 4), 0x7f, 4);
	broken();
	end();
}

/* A guest that breaks the rules all the time is not heard all the time. */
static void lines_run_out(void)
{
	unsigned int i;

	if (!begin(false))
		return;
	for (i = 0; i < 2 * VIRTIO_LINES_MAX; i++) {
		drive(0);
		desc(0, DRV_MEMORY, 16, 0);
		drv_offer(0, 0);
		drv_await(0);
		CHECK(drv_broken());
	}
	CHECK_EQ(drv.lines, VIRTIO_LINES_MAX);
	CHECK_HAS(drv.log, "last time");
	end();
}

static void read_only(void)
{
	if (!begin(true))
		return;
	drv_set(DRV_COMMON + VIRTIO_PCI_COMMON_DFSELECT, 0, 4);
	CHECK(drv_get(DRV_COMMON + VIRTIO_PCI_COMMON_DF, 4) & 1u << VIRTIO_BLK_F_RO);
	CHECK_EQ(request(VIRTIO_BLK_T_OUT, 0, 512), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(request(VIRTIO_BLK_T_IN, 0, 512), VIRTIO_BLK_S_OK);
	end();
}

static void images_refused(void)
{
	char name[] = "/tmp/vmctl-disk-XXXXXX";
	int fd = mkstemp(name);
	struct virtio *more;

	if (!begin(false))
		return;
	CHECK(!create("more", image, true));
	CHECK_EQ(err.status, EX_TEMPFAIL);
	CHECK(!create("more", name, false));
	CHECK_EQ(err.status, EX_DATAERR);
	CHECK_EQ(ftruncate(fd, 513), 0);
	CHECK(!create("more", name, false));
	CHECK_EQ(err.status, EX_DATAERR);
	unlink(name);
	CHECK(!create("more", name, false));
	CHECK_EQ(err.status, EX_NOINPUT);
	CHECK(!create("more", "/dev/null", false));
	CHECK_EQ(err.status, EX_NOINPUT);
	close(fd);
	end();
	/* Readers may be several. */
	if (!begin(true))
		return;
	more = create("more", image, true);
	CHECK(more);
	if (more)
		more->ops->destroy(more);
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
	 TEST(requests_that_fail), TEST(requests_that_break), TEST(lines_run_out),
	 TEST(discards_and_zeroes), TEST(resizes), TEST(read_only), TEST(images_refused),
	 TEST(remove_image));
