// SPDX-License-Identifier: GPL-2.0
/* The ioctl tables and their dispatcher. */
#include <kunit/test.h>
#include <linux/kvm.h>
#include <linux/vmm.h>

#include "../ioctl.h"
#include "../vmm.h"
#include "suites.h"

static const struct ioctl_table *const tables[] = { &device_ioctls, &vm_ioctls, &vcpu_ioctls };

static void each_number_once(struct kunit *test)
{
	unsigned int t, i, j;

	for (t = 0; t < ARRAY_SIZE(tables); t++)
		for (i = 0; i < tables[t]->count; i++)
			for (j = i + 1; j < tables[t]->count; j++)
				KUNIT_EXPECT_NE(test, tables[t]->rows[i].cmd,
						tables[t]->rows[j].cmd);
}

static void rows_are_whole(struct kunit *test)
{
	unsigned int t, i;

	for (t = 0; t < ARRAY_SIZE(tables); t++) {
		for (i = 0; i < tables[t]->count; i++) {
			const struct ioctl_row *row = &tables[t]->rows[i];

			KUNIT_EXPECT_NOT_NULL(test, row->fn);
			/* KVM's, or one of <linux/vmm.h>. */
			KUNIT_EXPECT_TRUE(test, _IOC_TYPE(row->cmd) == KVMIO ||
					  row->cmd == VMM_SET_NAME || row->cmd == VMM_SET_GIVEN);
			/* An element array needs a bound, and a count inside the header. */
			if (!row->tail_elem)
				continue;
			KUNIT_EXPECT_GT(test, row->tail_max, 0U);
			KUNIT_EXPECT_LE(test, row->tail_count + sizeof(u32),
					(size_t)_IOC_SIZE(row->cmd));
		}
	}
}

/* A vCPU is loaded only by whoever holds its mutex. */
static void loaded_rows_lock(struct kunit *test)
{
	unsigned int t, i;

	for (t = 0; t < ARRAY_SIZE(tables); t++)
		for (i = 0; i < tables[t]->count; i++)
			if (tables[t]->rows[i].flags & VCPU_LOADED)
				KUNIT_EXPECT_TRUE(test, tables[t]->rows[i].flags & LOCK_VCPU);
}

static long value_seen;

static long note_value(struct ioctl_call *call)
{
	value_seen = call->value;
	return 42;
}

static long note_null(struct ioctl_call *call)
{
	return call->arg ? 1 : 2;
}

static const struct ioctl_row fake_rows[] = {
	{ _IO(KVMIO, 1), ARG_VALUE, .fn = note_value },
	{ _IOW(KVMIO, 2, u64), ARG_NULLABLE, .fn = note_null },
	{ _IOW(KVMIO, 3, u64), 0, .fn = note_null },
};

static const struct ioctl_table fake = { fake_rows, ARRAY_SIZE(fake_rows) };

static void dispatch_answers(struct kunit *test)
{
	struct ioctl_call call = {};

	KUNIT_EXPECT_EQ(test, ioctl_dispatch(&fake, &call, _IO(KVMIO, 1), 7), 42L);
	KUNIT_EXPECT_EQ(test, value_seen, 7L);
	KUNIT_EXPECT_EQ(test, ioctl_dispatch(&fake, &call, _IOW(KVMIO, 2, u64), 0), 2L);
	/* The direction and size are part of the number. */
	KUNIT_EXPECT_EQ(test, ioctl_dispatch(&fake, &call, _IOR(KVMIO, 2, u64), 0), (long)-ENOTTY);
	KUNIT_EXPECT_EQ(test, ioctl_dispatch(&fake, &call, _IO(KVMIO, 99), 0), (long)-ENOTTY);
	/* An address of the kernel is not the user's to name. */
	KUNIT_EXPECT_EQ(test, ioctl_dispatch(&fake, &call, _IOW(KVMIO, 3, u64),
					     (unsigned long)&call), (long)-EFAULT);
}

static struct kunit_case ioctl_cases[] = {
	KUNIT_CASE(each_number_once),
	KUNIT_CASE(rows_are_whole),
	KUNIT_CASE(loaded_rows_lock),
	KUNIT_CASE(dispatch_answers),
	{}
};

struct kunit_suite ioctl_suite = {
	.name = "vmm_ioctl",
	.test_cases = ioctl_cases,
};
