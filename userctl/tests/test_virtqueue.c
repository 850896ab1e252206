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

TAP_MAIN(TEST(requests), TEST(no_interrupt_wanted), TEST(not_ready), TEST(bad_descriptors),
	 TEST(loops), TEST(bad_rings));
