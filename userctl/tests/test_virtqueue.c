// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <linux/virtio_ring.h>

#include "../devices/virtqueue.h"
#include "tap.h"

#define SIZE   8
#define DESC   0x1000
#define DRIVER 0x2000
#define DEVICE 0x3000
#define DATA   0x10000
#define TABLE  0x8008 /* need not be aligned */

static struct guest_mem mem;
static struct virtqueue vq;
static struct virtqueue_chain chain;

static void *at(uint64_t gpa, uint64_t len)
{
	return guest_mem_ptr(&mem, gpa, len);
}

static void begin(void)
{
	CHECK_EQ(guest_mem_alloc(&mem, MEM_MIN), 0);
	vq = (struct virtqueue){ .mem = &mem };
	virtqueue_reset(&vq);
	CHECK_EQ(vq.size, VIRTQUEUE_MAX);
	vq.size = SIZE;
	vq.desc = DESC;
	vq.driver = DRIVER;
	vq.device = DEVICE;
	vq.ready = true;
}

static void end(void)
{
	guest_mem_free(&mem);
}

static void desc(unsigned int n, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	struct vring_desc *d = at(DESC, SIZE * sizeof(*d));

	d[n] = (struct vring_desc){ addr, len, flags, next };
}

static void offer(uint16_t head)
{
	struct vring_avail *avail = at(DRIVER, sizeof(*avail) + SIZE * 2);

	avail->ring[avail->idx % SIZE] = head;
	avail->idx++;
}

static void requests(void)
{
	struct vring_used *used;
	unsigned int i;

	begin();
	CHECK_EQ(virtqueue_pop(&vq, &chain), 0);
	desc(3, DATA, 16, VRING_DESC_F_NEXT, 5);
	desc(5, DATA + 0x1000, 512, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1);
	desc(1, DATA + 0x2000, 1, VRING_DESC_F_WRITE, 0);
	used = at(DEVICE, sizeof(*used) + SIZE * sizeof(used->ring[0]));
	/* Often enough for the indices to wrap. */
	for (i = 0; i < 70000; i++) {
		offer(3);
		if (virtqueue_pop(&vq, &chain) != 1 || !virtqueue_push(&vq, 3, i))
			break;
	}
	CHECK_EQ(i, 70000);
	CHECK_EQ(chain.head, 3);
	CHECK_EQ(chain.readable, 1);
	CHECK_EQ(chain.writable, 2);
	CHECK(chain.iov[1].iov_base == at(DATA + 0x1000, 512));
	CHECK_EQ(chain.iov[1].iov_len, 512);
	CHECK_EQ(used->idx, (uint16_t)70000);
	CHECK_EQ(used->ring[(70000 - 1) % SIZE].id, 3);
	CHECK_EQ(used->ring[(70000 - 1) % SIZE].len, 69999);
	CHECK_EQ(virtqueue_pop(&vq, &chain), 0);
	end();
}

static void no_interrupt_wanted(void)
{
	struct vring_avail *avail;

	begin();
	avail = at(DRIVER, sizeof(*avail));
	CHECK(virtqueue_push(&vq, 0, 0));
	avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	CHECK(!virtqueue_push(&vq, 0, 0));
	end();
}

static void not_ready(void)
{
	begin();
	desc(0, DATA, 16, 0, 0);
	offer(0);
	vq.ready = false;
	CHECK_EQ(virtqueue_pop(&vq, &chain), 0);
	vq.ready = true;
	CHECK_EQ(virtqueue_pop(&vq, &chain), 1);
	end();
}

/* One offered request breaks the queue for good. */
static void breaks(uint16_t head)
{
	offer(head);
	CHECK_EQ(virtqueue_pop(&vq, &chain), -EINVAL);
	CHECK(vq.broken);
	CHECK_EQ(virtqueue_pop(&vq, &chain), -EINVAL);
	end();
	begin();
}

static void bad_descriptors(void)
{
	begin();
	breaks(SIZE);
	breaks(0xffff);
	desc(0, DATA, 0, 0, 0);
	breaks(0);
	desc(0, MEM_MIN - 8, 16, 0, 0);
	breaks(0);
	desc(0, UINT64_MAX, 16, 0, 0);
	breaks(0);
	desc(0, DATA, UINT32_MAX, 0, 0);
	breaks(0);
	desc(0, DATA, 16, VRING_DESC_F_NEXT, SIZE);
	breaks(0);
	desc(0, DATA, 16, VRING_DESC_F_INDIRECT, 0);
	breaks(0);
	/* Readable after writable. */
	desc(0, DATA, 16, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1);
	desc(1, DATA, 16, 0, 0);
	breaks(0);
	end();
}

static void loops(void)
{
	begin();
	desc(0, DATA, 16, VRING_DESC_F_NEXT, 0);
	breaks(0);
	desc(0, DATA, 16, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1);
	desc(1, DATA, 16, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 0);
	breaks(0);
	end();
}

static void bad_rings(void)
{
	struct vring_avail *avail;

	/* More than the ring holds. */
	begin();
	avail = at(DRIVER, sizeof(*avail));
	desc(0, DATA, 16, 0, 0);
	avail->idx = SIZE;
	breaks(0);
	/* Not in memory, or only in part. */
	vq.driver = MEM_MIN;
	CHECK_EQ(virtqueue_pop(&vq, &chain), -EINVAL);
	end();
	begin();
	vq.driver = MEM_MIN - 8;
	CHECK_EQ(virtqueue_pop(&vq, &chain), -EINVAL);
	end();
	/* Not aligned. */
	begin();
	vq.driver = DRIVER + 1;
	CHECK_EQ(virtqueue_pop(&vq, &chain), -EINVAL);
	end();
	begin();
	vq.desc = DESC + 8;
	breaks(0);
	vq.device = DEVICE + 2;
	CHECK(!virtqueue_push(&vq, 0, 0));
	end();
	begin();
	vq.desc = MEM_MIN - 16;
	breaks(0);
	vq.device = UINT64_MAX - 3;
	CHECK(!virtqueue_push(&vq, 0, 0));
	CHECK(vq.broken);
	end();
}

/* An entry of a table of its own. */
static void entry(unsigned int n, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	struct vring_desc d = { addr, len, flags, next };

	memcpy(at(TABLE + n * sizeof(d), sizeof(d)), &d, sizeof(d));
}

static void indirect(void)
{
	begin();
	vq.indirect = true;
	/* One of the queue itself, then a table, whose own flag for writing says nothing. */
	desc(3, DATA, 16, VRING_DESC_F_NEXT, 5);
	desc(5, TABLE, 4 * 16, VRING_DESC_F_INDIRECT | VRING_DESC_F_WRITE, 77);
	entry(0, DATA + 0x100, 8, VRING_DESC_F_NEXT, 2);
	entry(2, DATA + 0x200, 512, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 3);
	entry(3, DATA + 0x800, 1, VRING_DESC_F_WRITE, 0);
	offer(3);
	CHECK_EQ(virtqueue_pop(&vq, &chain), 1);
	CHECK_EQ(chain.head, 3);
	CHECK_EQ(chain.readable, 2);
	CHECK_EQ(chain.writable, 2);
	CHECK(chain.iov[1].iov_base == at(DATA + 0x100, 8));
	CHECK_EQ(chain.iov[2].iov_len, 512);
	CHECK_EQ(virtqueue_pop(&vq, &chain), 0);
	end();
}

/* A table at 0, as the flags say, breaks the queue: @len bytes, with these two entries. */
static void bad_table(uint32_t len, uint16_t flags, uint16_t flags0, uint16_t next0)
{
	vq.indirect = true;
	desc(0, TABLE, len, flags, 1);
	desc(1, DATA, 16, 0, 0);
	entry(0, DATA, 16, flags0, next0);
	entry(1, DATA, 16, VRING_DESC_F_WRITE, 0);
	breaks(0);
}

static void bad_tables(void)
{
	const uint16_t table = VRING_DESC_F_INDIRECT, more = VRING_DESC_F_NEXT;

	begin();
	/* The same two entries are a request. */
	vq.indirect = true;
	desc(0, TABLE, 32, table, 0);
	entry(0, DATA, 16, more, 1);
	entry(1, DATA, 16, VRING_DESC_F_WRITE, 0);
	offer(0);
	CHECK_EQ(virtqueue_pop(&vq, &chain), 1);
	/* Lengths: none, no multiple of an entry, more than any queue has. */
	bad_table(0, table, more, 1);
	bad_table(8, table, more, 1);
	bad_table(33, table, more, 1);
	bad_table((VIRTQUEUE_MAX + 1) * 16, table, more, 1);
	bad_table(UINT32_MAX & ~15u, table, more, 1);
	/* Something behind it; a table in it; an entry that it has not. */
	bad_table(32, table | more, more, 1);
	bad_table(32, table, table, 0);
	bad_table(32, table, more | table, 1);
	bad_table(32, table, more, 2);
	bad_table(16, table, more, 1);
	/* A loop; readable after writable. */
	bad_table(32, table, more, 0);
	vq.indirect = true;
	desc(2, DATA, 1, VRING_DESC_F_WRITE | more, 0);
	desc(0, TABLE, 32, table, 0);
	entry(0, DATA, 16, more, 1);
	breaks(2);
	/* Outside of memory, or only in part inside; and where none were agreed upon. */
	vq.indirect = true;
	desc(0, MEM_MIN - 16, 32, table, 0);
	breaks(0);
	vq.indirect = true;
	desc(0, UINT64_MAX - 15, 32, table, 0);
	breaks(0);
	desc(0, TABLE, 32, table, 0);
	entry(0, DATA, 16, 0, 0);
	breaks(0);
	end();
}

static uint16_t *wanted_by_device(void)
{
	struct vring_used *used = at(DEVICE, sizeof(*used) + SIZE * 8 + 2);

	return (uint16_t *)&used->ring[SIZE];
}

static void notification_events(void)
{
	begin();
	desc(0, DATA, 16, 0, 0);
	vq.event_idx = true;
	*wanted_by_device() = 0x55;
	offer(0);
	offer(0);
	/* While there is work nobody need be told. */
	CHECK(virtqueue_waiting(&vq));
	CHECK_EQ(virtqueue_pop(&vq, &chain), 1);
	CHECK_EQ(virtqueue_pop(&vq, &chain), 1);
	CHECK_EQ(*wanted_by_device(), 0x55);
	CHECK_EQ(virtqueue_pop(&vq, &chain), 0);
	CHECK_EQ(*wanted_by_device(), 2);
	offer(0);
	CHECK_EQ(virtqueue_pop(&vq, &chain), 1);
	CHECK_EQ(*wanted_by_device(), 2);
	CHECK(!virtqueue_waiting(&vq));
	CHECK_EQ(*wanted_by_device(), 3);
	end();
}

/* The guest asks for the interrupt of one entry; what its flags say does not count. */
static void interrupt_events(void)
{
	struct vring_avail *avail;
	unsigned int i, interrupts = 0;

	begin();
	vq.event_idx = true;
	avail = at(DRIVER, sizeof(*avail) + SIZE * 2 + 2);
	avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	avail->ring[SIZE] = 2;
	CHECK(!virtqueue_push(&vq, 0, 0));
	CHECK(!virtqueue_push(&vq, 0, 0));
	CHECK(virtqueue_push(&vq, 0, 0));
	CHECK(!virtqueue_push(&vq, 0, 0));
	/* One in 1000, also where the index wraps. */
	for (i = 0; i < 70000; i++) {
		if (i % 1000 == 999)
			avail->ring[SIZE] = vq.used;
		interrupts += virtqueue_push(&vq, 0, 0);
	}
	/* Once more where it comes round to what was wanted first. */
	CHECK(interrupts >= 70 && interrupts <= 71);
	end();
	/* The rings are longer now. */
	begin();
	vq.driver = MEM_MIN - (4 + SIZE * 2);
	CHECK_EQ(virtqueue_pop(&vq, &chain), 0);
	vq.event_idx = true;
	CHECK_EQ(virtqueue_pop(&vq, &chain), -EINVAL);
	end();
	begin();
	vq.event_idx = true;
	vq.device = MEM_MIN - (4 + SIZE * 8);
	CHECK_EQ(virtqueue_pop(&vq, &chain), -EINVAL);
	CHECK(!virtqueue_waiting(&vq));
	end();
}

TAP_MAIN(TEST(requests), TEST(no_interrupt_wanted), TEST(not_ready), TEST(bad_descriptors),
	 TEST(loops), TEST(bad_rings), TEST(indirect), TEST(bad_tables), TEST(notification_events),
	 TEST(interrupt_events));
