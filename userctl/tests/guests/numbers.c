// SPDX-License-Identifier: GPL-2.0
/*
 * A kernel that writes rising numbers to a virtio disk, several at a time, and says on COM1 up to
 * which one they are safe, until it is killed. It is started by PVH in 32-bit mode without paging.
 * The last words of its command line are what makes numbers safe, and the one to begin behind:
 *	flush N		that the device has flushed
 *	through N	that it has written, as the driver does not know of flushes
 *	lie N		nothing: it has written, and would have to be asked to flush
 * Number n is all of block n % PLACES. What is wrong with the device is a line that begins with
 * "bad".
 */
#include <linux/pci_regs.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include "numbers.h"
#include "pvh.h"

#define COM1   0x3f8
#define LSR    (COM1 + 5)
#define PCI    0xcf8
#define DISK   0x10421af4
#define WINDOW 0xf0000000u
#define DEPTH  8
#define SIZE   32 /* of the queue: three for each write, two for a flush */
#define PAGE   4096

/* The device, as it lies in memory. */
static volatile struct virtio_pci_common_cfg *common;
static volatile __u16 *bell;

static struct vring_desc desc[SIZE] __attribute__((aligned(PAGE)));
static struct {
	__u16 flags, idx, ring[SIZE];
} avail __attribute__((aligned(PAGE)));
static struct {
	__u16 flags, idx;
	struct vring_used_elem ring[SIZE];
} used __attribute__((aligned(PAGE)));
static struct virtio_blk_outhdr head[DEPTH + 1];
static volatile __u8 status[DEPTH + 1];
static __u64 block[DEPTH][NUMBERS_BLOCK / 8] __attribute__((aligned(PAGE)));

static void out8(__u16 port, __u8 val)
{
	asm volatile("outb %0, %1" : : "a"(val), "Nd"(port));
}

static __u8 in8(__u16 port)
{
	__u8 val;

	asm volatile("inb %1, %0" : "=a"(val) : "Nd"(port));
	return val;
}

static void out32(__u16 port, __u32 val)
{
	asm volatile("outl %0, %1" : : "a"(val), "Nd"(port));
}

static __u32 in32(__u16 port)
{
	__u32 val;

	asm volatile("inl %1, %0" : "=a"(val) : "Nd"(port));
	return val;
}

static void say(const char *s)
{
	for (; *s; s++) {
		while (!(in8(LSR) & 0x20))
			;
		out8(COM1, (__u8)*s);
	}
}

static void say_number(__u32 n)
{
	char text[12], *p = text + sizeof(text) - 1;

	*p = '\0';
	do {
		*--p = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	say(p);
}

static void __attribute__((noreturn)) bad(const char *what)
{
	say("bad ");
	say(what);
	say("\n");
	for (;;)
		asm volatile("cli; hlt");
}

/* ---- PCI ---- */

static __u32 config(__u32 slot, __u32 reg)
{
	out32(PCI, 0x80000000u | slot << 11 | (reg & 0xfc));
	return in32(PCI + 4) >> (reg & 3) * 8;
}

static void set_config(__u32 slot, __u32 reg, __u32 val)
{
	out32(PCI, 0x80000000u | slot << 11 | reg);
	out32(PCI + 4, val);
}

/* One of virtio's structures (4.1.4): where the device has it. */
static volatile void *place(__u32 slot, __u8 type, __u32 *multiplier)
{
	__u32 at = config(slot, PCI_CAPABILITY_LIST) & 0xfc;

	for (; at; at = config(slot, at + 1) & 0xfc) {
		if ((config(slot, at) & 0xff) != PCI_CAP_ID_VNDR ||
		    (config(slot, at + 3) & 0xff) != type || (config(slot, at + 4) & 0xff))
			continue;
		*multiplier = config(slot, at + 16);
		return (volatile void *)(WINDOW + config(slot, at + 8));
	}
	bad("device: a structure is missing");
}

static __u32 find_disk(void)
{
	__u32 slot;

	for (slot = 0; slot < 32; slot++) {
		if (config(slot, 0) == DISK)
			return slot;
	}
	bad("bus: no disk");
}

/* ---- virtio ---- */

static void negotiate(__u32 features)
{
	common->device_status = 0;
	common->device_status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
	common->guest_feature_select = 0;
	common->guest_feature = features;
	common->guest_feature_select = 1;
	common->guest_feature = 1u << (VIRTIO_F_VERSION_1 - 32);
	common->device_status |= VIRTIO_CONFIG_S_FEATURES_OK;
	if (!(common->device_status & VIRTIO_CONFIG_S_FEATURES_OK))
		bad("features");
}

static void open_disk(__u32 features)
{
	__u32 slot = find_disk(), multiplier, unused;
	volatile __u8 *bells;

	set_config(slot, PCI_BASE_ADDRESS_0, WINDOW);
	set_config(slot, PCI_BASE_ADDRESS_1, 0);
	set_config(slot, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	common = place(slot, VIRTIO_PCI_CAP_COMMON_CFG, &unused);
	bells = place(slot, VIRTIO_PCI_CAP_NOTIFY_CFG, &multiplier);
	negotiate(features);
	common->queue_select = 0;
	common->queue_size = SIZE;
	common->queue_desc_lo = (__u32)desc;
	common->queue_avail_lo = (__u32)&avail;
	common->queue_used_lo = (__u32)&used;
	bell = (volatile __u16 *)(bells + common->queue_notify_off * multiplier);
	common->queue_enable = 1;
	common->device_status |= VIRTIO_CONFIG_S_DRIVER_OK;
	avail.flags = VRING_AVAIL_F_NO_INTERRUPT;
}

static void offer(__u32 first)
{
	avail.ring[avail.idx % SIZE] = (__u16)first;
	asm volatile("" : : : "memory");
	*(volatile __u16 *)&avail.idx = (__u16)(avail.idx + 1);
}

/* Until the device has done all. */
static void await(void)
{
	*bell = 0;
	while (*(volatile __u16 *)&used.idx != avail.idx)
		asm volatile("pause");
	asm volatile("" : : : "memory");
}

static void describe(__u32 n, const volatile void *at, __u32 len, __u16 flags)
{
	desc[n] = (struct vring_desc){ (__u32)at, len, flags, (__u16)(n + 1) };
}

/* Request number @i, its block being written if there is one. */
static void request(__u32 i, __u32 type, __u64 sector)
{
	__u32 n = 3 * i;

	head[i] = (struct virtio_blk_outhdr){ .type = type, .sector = sector };
	status[i] = 0xff;
	describe(n++, &head[i], sizeof(head[i]), VRING_DESC_F_NEXT);
	if (type == VIRTIO_BLK_T_OUT)
		describe(n++, block[i], sizeof(block[i]), VRING_DESC_F_NEXT);
	describe(n, &status[i], 1, VRING_DESC_F_WRITE);
	offer(3 * i);
}

static void write_numbers(__u32 first)
{
	__u32 i, w;

	for (i = 0; i < DEPTH; i++) {
		for (w = 0; w < NUMBERS_BLOCK / 8; w++)
			block[i][w] = first + i;
		request(i, VIRTIO_BLK_T_OUT, (first + i) % NUMBERS_PLACES * (NUMBERS_BLOCK / 512));
	}
	await();
	for (i = 0; i < DEPTH; i++) {
		if (status[i])
			bad("write");
	}
}

static void flush(void)
{
	request(DEPTH, VIRTIO_BLK_T_FLUSH, 0);
	await();
	if (status[DEPTH])
		bad("flush");
}

/* ---- the command line ---- */

static const char *skip_to(const char *s, char what)
{
	while (*s && *s != what)
		s++;
	return s;
}

static __u32 number(const char *s)
{
	__u32 n = 0;

	while (*s >= '0' && *s <= '9')
		n = n * 10 + (__u32)(*s++ - '0');
	return n;
}

__attribute__((used)) static void start(const struct start_info *info)
{
	const char *mode = (const char *)(__u32)info->cmdline;
	__u32 n = number(skip_to(mode, ' ') + 1);

	open_disk(*mode == 't' ? 0 : 1u << VIRTIO_BLK_F_FLUSH);
	for (;; n += DEPTH) {
		write_numbers(n + 1);
		if (*mode == 'f')
			flush();
		say("safe ");
		say_number(n + DEPTH);
		say("\n");
	}
}
