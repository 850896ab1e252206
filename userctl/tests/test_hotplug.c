// SPDX-License-Identifier: GPL-2.0
/* Slots whose devices come and go, and guests that make of that what they like. */
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "../devices/blk_libnbd.h"
#include "../devices/pci_hotplug.h"
#include "../devices/virtio_blk.h"
#include "../files.h"
#include "../machine/machine.h"
#include "driver.h"
#include "tap.h"

#define INSERTED 0
#define WANTED   4
#define SLOTS    8
#define DEVICES  3

static struct pci_hotplug hp;
static struct pci_device dev[DEVICES];
static struct bus pio;
static struct bus_range range;
static unsigned int raised;
static atomic_uint ejections;

static void raise_event(void *opaque)
{
	(void)opaque;
	raised++;
}

static void ejected(void *opaque)
{
	(void)opaque;
	ejections++;
}

static void begin(void)
{
	static const struct pci_hotplug_events events = { raise_event, ejected, NULL };
	static const struct pci_id id = { .vendor = 0x1af4, .device = 0x1042 };
	unsigned int i;

	drv_begin();
	raised = 0;
	ejections = 0;
	bus_init(&pio);
	pci_hotplug_init(&hp, &drv.bus, &events);
	range = (struct bus_range){ PCI_HOTPLUG_BASE, PCI_HOTPLUG_PORTS, &pci_hotplug_ops, &hp,
				    NULL };
	CHECK_EQ(bus_add(&pio, &range), 0);
	for (i = 0; i < DEVICES; i++)
		pci_device_init(&dev[i], &id, 2);
}

static void end(void)
{
	unsigned int i;

	drv_end();
	drv.v = NULL;
	for (i = 0; i < DEVICES; i++)
		pci_device_destroy(&dev[i]);
	pci_hotplug_destroy(&hp);
	bus_destroy(&pio);
}

static uint32_t get(unsigned int at, unsigned int size)
{
	uint32_t val = 0;

	bus_read(&pio, PCI_HOTPLUG_BASE + at, &val, size);
	return val;
}

static void set(unsigned int at, uint64_t val, unsigned int size)
{
	bus_write(&pio, PCI_HOTPLUG_BASE + at, &val, size);
}

static uint32_t identity(unsigned int slot)
{
	return (uint32_t)drv_get(PCI_ECAM_BASE + slot * 0x8000, 4);
}

/* From the first slot on. */
static void put(unsigned int n, bool announce)
{
	CHECK_EQ(pci_attach(&drv.bus, &dev[n]), 0);
	pci_hotplug_add(&hp, &dev[n], announce);
}

static void comes(void)
{
	begin();
	CHECK_EQ(get(SLOTS, 4), 0);
	put(0, false);
	CHECK_EQ(raised, 0);
	CHECK_EQ(get(INSERTED, 4), 0);
	CHECK(!pci_hotplug_unseen(&hp, &dev[0]));
	put(1, true);
	put(2, true);
	CHECK_EQ(raised, 2);
	CHECK_EQ(get(INSERTED, 4), 0xc);
	CHECK_EQ(get(INSERTED, 1), 0xc);
	CHECK_EQ(get(INSERTED + 1, 1), 0);
	CHECK_EQ(get(SLOTS, 4), 0xe);
	CHECK(pci_hotplug_unseen(&hp, &dev[1]));
	set(INSERTED, 4, 4);
	CHECK(!pci_hotplug_unseen(&hp, &dev[1]));
	CHECK_EQ(get(INSERTED, 4), 8);
	/* Ones clear; nothing sets. */
	set(INSERTED, 0xfff7, 4);
	CHECK_EQ(get(INSERTED, 4), 8);
	set(INSERTED, 8, 1);
	CHECK_EQ(get(INSERTED, 4), 0);
	CHECK_EQ(ejections, 0);
	end();
}

static void goes(void)
{
	begin();
	put(0, false);
	put(1, false);
	pci_hotplug_request(&hp, &dev[1]);
	CHECK_EQ(raised, 1);
	CHECK_EQ(get(WANTED, 4), 4);
	set(WANTED, 4, 4);
	CHECK_EQ(get(WANTED, 4), 0);
	/* It has heard of that; and is asked again. */
	pci_hotplug_request(&hp, &dev[1]);
	CHECK_EQ(raised, 2);
	CHECK_EQ(get(WANTED, 4), 4);
	CHECK_EQ(pci_hotplug_reap(&hp), 0);
	set(SLOTS, 4, 4);
	CHECK_EQ(ejections, 1);
	CHECK_EQ(get(WANTED, 4), 0);
	CHECK_EQ(get(SLOTS, 4), 2);
	CHECK_EQ(identity(1), 0x10421af4);
	CHECK_EQ(identity(2), UINT32_MAX);
	CHECK_EQ(pci_hotplug_reap(&hp), 4);
	CHECK_EQ(pci_hotplug_reap(&hp), 0);
	/* Who asks too late raises nothing. */
	pci_hotplug_request(&hp, &dev[1]);
	CHECK_EQ(raised, 2);
	CHECK_EQ(get(WANTED, 4), 0);
	/* The slot is free for another. */
	put(2, true);
	CHECK_EQ(dev[2].slot, 2);
	CHECK_EQ(get(INSERTED, 4), 4);
	/* Taken back before the guest has looked. */
	pci_hotplug_eject(&hp, &dev[2]);
	CHECK_EQ(ejections, 2);
	CHECK_EQ(get(INSERTED, 4), 0);
	CHECK_EQ(pci_hotplug_reap(&hp), 4);
	pci_hotplug_eject(&hp, &dev[2]);
	CHECK_EQ(ejections, 2);
	end();
}

static void hostile(void)
{
	begin();
	/* Empty slots, and the bridge. */
	set(SLOTS, UINT32_MAX, 4);
	CHECK_EQ(ejections, 0);
	CHECK(identity(0) != UINT32_MAX);
	CHECK_EQ(pci_hotplug_reap(&hp), 0);
	/* A device that is not to be taken out, beside one that is. */
	CHECK_EQ(pci_attach(&drv.bus, &dev[0]), 0);
	put(1, true);
	set(SLOTS, UINT32_MAX, 4);
	CHECK_EQ(ejections, 1);
	CHECK_EQ(get(SLOTS, 4), 2);
	CHECK_EQ(identity(1), 0x10421af4);
	CHECK_EQ(pci_hotplug_reap(&hp), 4);
	/* Twice. */
	set(SLOTS, 4, 4);
	CHECK_EQ(ejections, 1);
	CHECK_EQ(pci_hotplug_reap(&hp), 0);
	/* A part of a register, and across the end of one. */
	put(2, true);
	CHECK_EQ(dev[2].slot, 2);
	set(WANTED + 2, 0x00040000, 4);
	CHECK_EQ(ejections, 2);
	CHECK_EQ(pci_hotplug_reap(&hp), 4);
	/* Beyond the end nobody answers, and nothing happens. */
	set(SLOTS, UINT64_MAX << 32, 8);
	set(PCI_HOTPLUG_PORTS, UINT32_MAX, 4);
	CHECK_EQ(get(PCI_HOTPLUG_PORTS, 4), UINT32_MAX);
	CHECK_EQ(get(SLOTS + 2, 4), 0xffff0000);
	CHECK_EQ(ejections, 2);
	/* Bits of slots that are empty, or have never been anything else. */
	set(INSERTED, UINT64_MAX, 8);
	CHECK_EQ(get(INSERTED, 4), 0);
	CHECK_EQ(get(WANTED, 4), 0);
	end();
}

/* ---- a disk that is at work ---- */

static char image[32];
static atomic_bool over;

static void make_image(void)
{
	int fd;

	strcpy(image, "/tmp/vmctl-hotplug-XXXXXX");
	fd = mkstemp(image);
	CHECK(fd >= 0);
	CHECK_EQ(ftruncate(fd, MiB), 0);
	close(fd);
}

static struct virtio *make_disk(void)
{
	struct error err = { 0 };
	const struct blk_image raw = { image, BLK_RAW, false };
	struct virtio *v = virtio_blk_create("disk", &raw, &drv.mem, &err);

	CHECK(v);
	return v;
}

/* Sixteen reads of 4 KiB, which nobody waits for. */
static void offer_all(void)
{
	struct virtio_blk_outhdr *head = drv_at(DRV_DATA, sizeof(*head));
	unsigned int i;

	*head = (struct virtio_blk_outhdr){ .type = VIRTIO_BLK_T_IN };
	for (i = 0; i + 2 < DRV_SIZE; i += 3) {
		drv_desc(0, i, DRV_DATA, sizeof(*head), DRV_NEXT);
		drv_desc(0, i + 1, DRV_DATA + 0x1000 * (1 + i), 4096, DRV_NEXT | DRV_WRITE);
		drv_desc(0, i + 2, DRV_DATA + 0x800 + i, 1, DRV_WRITE);
		drv_offer(0, (uint16_t)i);
	}
}

/* As the main thread does when it hears of an ejection. */
static void take_away(struct virtio *v)
{
	drv_until(ejections);
	CHECK_EQ(pci_hotplug_reap(&hp), 2);
	virtio_reset(v);
	v->ops->destroy(v);
	drv.v = NULL;
	ejections = 0;
}

static void *other_processor(void *arg)
{
	(void)arg;
	while (!atomic_load(&over)) {
		drv_set(PCI_ECAM_BASE + 0x8000 + PCI_COMMAND, 2, 2);
		drv_set(DRV_COMMON + VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
		drv_set(DRV_NOTIFY, 0, 2);
		(void)drv_get(DRV_ISR, 1);
		(void)drv_get(PCI_ECAM_BASE + 0x8000, 4);
	}
	return NULL;
}

/* Its requests end, and then nothing of it is left: no doorbell, no interrupt, no lock. */
static void busy(void)
{
	pthread_t other;
	struct virtio *v;
	unsigned int i;

	begin();
	make_image();
	atomic_store(&over, false);
	pthread_create(&other, NULL, other_processor, NULL);
	for (i = 0; i < 50; i++) {
		v = make_disk();
		if (!v || !drv_attach(v))
			break;
		CHECK_EQ(v->pci.slot, 1);
		pci_hotplug_add(&hp, &v->pci, true);
		CHECK(virtio_untouched(v));
		drv_drive(0);
		CHECK(!virtio_untouched(v));
		CHECK(drv.bells);
		offer_all();
		set(SLOTS, 2, 4);
		CHECK_EQ(identity(1), UINT32_MAX);
		CHECK_EQ(drv_get(DRV_COMMON + VIRTIO_PCI_COMMON_STATUS, 1), 0xff);
		take_away(v);
		CHECK_EQ(drv.bells, 0);
		CHECK(!drv.line);
	}
	CHECK_EQ(i, 50);
	atomic_store(&over, true);
	pthread_join(other, NULL);
	unlink(image);
	end();
}

/* ---- a machine's disks ---- */

static struct machine machine;
static struct machine_config config;
static struct error err;

static void begin_machine(void)
{
	struct irq_line none = { 0 };

	memset(&machine, 0, sizeof(machine));
	memset(&config, 0, sizeof(config));
	machine.cfg = &config;
	CHECK_EQ(guest_mem_alloc(&machine.mem, MiB), 0);
	bus_init(&machine.pio);
	pci_bus_init(&machine.peripherals.pci, &none);
	machine.peripherals.has_pci = true;
	CHECK_EQ(hotplug_add(&machine, &err), 0);
}

static void end_machine(void)
{
	peripherals_stop(&machine);
	peripherals_remove(&machine);
	bus_destroy(&machine.pio);
	guest_mem_free(&machine.mem);
}

/* The guest lets go of a disk while the next one is made, which gets its slot. */
static void slot_again(void)
{
	struct peripherals *p = &machine.peripherals;
	unsigned int slot;

	begin_machine();
	make_image();
	config.peripherals.disk[0].image = (struct blk_image){ image, BLK_RAW, true };
	config.peripherals.disk[1].image = config.peripherals.disk[0].image;
	config.peripherals.disks = 2;
	CHECK_EQ(peripherals_add_disk(&machine, 0, &err), 0);
	hotplug_own(&machine, p->disk[0], false);
	slot = p->disk[0]->pci.slot;
	pci_hotplug_eject(&p->hotplug, &p->disk[0]->pci);
	CHECK_EQ(peripherals_add_disk(&machine, 1, &err), 0);
	CHECK_EQ(p->disk[1]->pci.slot, slot);
	CHECK(!p->disk[0]);
	CHECK(p->dev[slot] == p->disk[1]);
	CHECK_EQ(pci_hotplug_reap(&p->hotplug), 0);
	unlink(image);
	end_machine();
}

/* A guest that says again and again that its crash kernel takes over: how many lines are said. */
static unsigned int lines_said(void)
{
	struct pvpanic *pvpanic = &machine.peripherals.pvpanic;
	unsigned int i, lines = 0;
	int fds[2], old = dup(STDERR_FILENO);
	char text[8192];
	ssize_t n;

	CHECK_EQ(pipe(fds), 0);
	dup2(fds[1], STDERR_FILENO);
	close(fds[1]);
	for (i = 0; i < 50; i++)
		pvpanic->panicked(pvpanic->opaque, true);
	dup2(old, STDERR_FILENO);
	close(old);
	n = read(fds[0], text, sizeof(text));
	close(fds[0]);
	while (n-- > 0)
		lines += text[n] == '\n';
	return lines;
}

static void panics(void)
{
	memset(&machine, 0, sizeof(machine));
	memset(&config, 0, sizeof(config));
	machine.cfg = &config;
	config.name = "web";
	config.peripherals.pvpanic = true;
	CHECK_EQ(guest_mem_alloc(&machine.mem, MiB), 0);
	bus_init(&machine.pio);
	bus_init(&machine.mmio);
	CHECK_EQ(peripherals_add(&machine, &err), 0);
	CHECK_EQ(lines_said(), 10);
	peripherals_remove(&machine);
	bus_destroy(&machine.mmio);
	bus_destroy(&machine.pio);
	guest_mem_free(&machine.mem);
}

/* As vmctl attach does it, with what it has opened. */
static bool attach(const char *spec, int fd)
{
	struct virtio *v;
	char copy[80];

	snprintf(copy, sizeof(copy), "%s", spec);
	CHECK(fd >= 0);
	files_offer(&fd, 1);
	v = hotplug_attach(&machine, "disk", copy, &err);
	files_offer(NULL, 0);
	return v;
}

static int serve(const char *path)
{
	const struct blk_image qcow2 = { path, BLK_QCOW2, false };
	pid_t server;

	return virtio_blk_open("disk", &qcow2, &server, &err);
}

/* What could not be attached is not what the next attempt gets. */
static void failed_attach(void)
{
	char line[200], empty[40], good[40], spec[60];
	int small, large, none, some;

	make_image();
	snprintf(empty, sizeof(empty), "%s.empty", image);
	snprintf(good, sizeof(good), "%s.good", image);
	snprintf(line, sizeof(line),
		 "qemu-img create -q -f qcow2 %s 0 && qemu-img create -q -f qcow2 %s 1M", empty,
		 good);
	CHECK_EQ(system(line), 0);
	none = serve(empty);
	some = serve(good);
	small = open(image, O_RDWR);
	CHECK_EQ(unlink(image), 0);
	CHECK_EQ(ftruncate(small, 513), 0);
	large = open(image, O_RDWR | O_CREAT, 0600);
	CHECK_EQ(ftruncate(large, MiB), 0);

	CHECK(libnbd(&err));
	files_keep_all();
	files_seal();
	begin_machine();
	CHECK(!attach(image, small));
	CHECK_HAS(err.text, "no multiple of 512");
	CHECK(attach(image, large));
	snprintf(spec, sizeof(spec), "%s,format=qcow2", empty);
	CHECK(!attach(spec, none));
	CHECK_HAS(err.text, "is empty");
	snprintf(spec, sizeof(spec), "%s,format=qcow2", good);
	CHECK(attach(spec, some));
	end_machine();
	files_forget("disk0");
	files_forget("disk1");
	blk_nbd_forget("disk1");
	unlink(image);
	unlink(empty);
	unlink(good);
}

TAP_MAIN(TEST(comes), TEST(goes), TEST(hostile), TEST(busy), TEST(slot_again), TEST(panics),
	 TEST(failed_attach));
