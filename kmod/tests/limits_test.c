// SPDX-License-Identifier: GPL-2.0
/* The bucket that limits a VM's time: what flows in, what is overdrawn, when to look again. */
#include <kunit/test.h>
#include <linux/kthread.h>

#include "../vmm.h"
#include "suites.h"

#define MS ((s64)NSEC_PER_MSEC)

static void limits_fill(struct kunit *test)
{
	/* A share flows in, and no more than that of 100 ms stays. */
	KUNIT_EXPECT_EQ(test, limit_fill(0, 25, 40 * MS, 0), 10 * MS);
	KUNIT_EXPECT_EQ(test, limit_fill(20 * MS, 25, 3600 * 1000 * MS, 0), 25 * MS);
	KUNIT_EXPECT_EQ(test, limit_fill(0, 400, 100 * MS, 0), 400 * MS);
	/* What is used is taken out behind that. */
	KUNIT_EXPECT_EQ(test, limit_fill(25 * MS, 25, 4 * MS, 4 * MS), 21 * MS);
	KUNIT_EXPECT_EQ(test, limit_fill(0, 1, 4 * MS, 8 * MS), 40000 - 8 * MS);
	/* Numbers that make no sense do no harm. */
	KUNIT_EXPECT_EQ(test, limit_fill(0, 25, U64_MAX, 0), 25 * MS);
	KUNIT_EXPECT_EQ(test, limit_fill(0, 25, 0, U64_MAX), -1000 * MS);
	KUNIT_EXPECT_EQ(test, limit_fill(-1000 * MS, 100 * VMM_MAX_VCPUS, U64_MAX, 0),
			100 * MS * VMM_MAX_VCPUS);
}

static void limits_look_after(struct kunit *test)
{
	/* Not before it can be used up, by all vCPUs at once. */
	KUNIT_EXPECT_EQ(test, limit_look_after(25 * MS, 25, 1), 25 * MS);
	KUNIT_EXPECT_EQ(test, limit_look_after(40 * MS, 25, 4), 10 * MS);
	KUNIT_EXPECT_EQ(test, limit_look_after(1, 25, 0), 4 * MS);
	KUNIT_EXPECT_EQ(test, limit_look_after(6400 * MS, 6400, 1), 100 * MS);
	/* Not before what was overdrawn has flowed in. */
	KUNIT_EXPECT_EQ(test, limit_look_after(-5 * MS, 25, 4), 20 * MS);
	KUNIT_EXPECT_EQ(test, limit_look_after(-1000 * MS, 1, 1), 100000 * MS);
	KUNIT_EXPECT_EQ(test, limit_look_after(0, 25, 1), 4 * MS);
}

/* A vCPU that takes what it can get, looked at late: its share is exact in the end. */
static void limits_share(struct kunit *test)
{
	s64 level = 0, now = 0, used = 0;
	bool held = true;

	while (now < 60 * 1000 * MS) {
		s64 passed = limit_look_after(level, 25, 1) + now % 7 * MS;

		now += passed;
		used += held ? 0 : passed;
		level = limit_fill(level, 25, passed, held ? 0 : passed);
		held = level <= 0;
	}
	KUNIT_EXPECT_LE(test, used, now / 4 + 25 * MS);
	KUNIT_EXPECT_GE(test, used, now / 5);
}

/* ---- a VM with limits ---- */

static struct vmm *limits_vm(struct kunit *test)
{
	struct vmm *vm = kunit_kzalloc(test, sizeof(*vm), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, vm);
	xa_init(&vm->vcpus);
	init_waitqueue_head(&vm->mgmt.wait);
	limit_init(vm);
	return vm;
}

/* Whoever sets limits anew is not let go by it, and keeps nobody from looking. */
static void limits_set_again(struct kunit *test)
{
	struct vmm *vm = limits_vm(test);
	struct vm_limit *l = &vm->mgmt.limit;

	limit_set(vm, 2, 0);
	KUNIT_EXPECT_EQ(test, READ_ONCE(vm->mgmt.held), 0);
	hrtimer_cancel(&l->timer);
	/* Half a minute to wait for. */
	l->level = -600 * MS;
	limit_set(vm, 2, 0);
	KUNIT_EXPECT_LT(test, l->level, -200 * MS);
	KUNIT_EXPECT_EQ(test, READ_ONCE(vm->mgmt.held), HELD_CPU);
	limit_set(vm, 1, 0);
	KUNIT_EXPECT_LT(test, l->level, -200 * MS);
	KUNIT_EXPECT_EQ(test, READ_ONCE(vm->mgmt.held), HELD_CPU);
	/* Without a limit there is no account, and the next one begins with a clean slate. */
	limit_set(vm, 0, 0);
	KUNIT_EXPECT_EQ(test, READ_ONCE(vm->mgmt.held), 0);
	limit_set(vm, 1, 0);
	KUNIT_EXPECT_EQ(test, READ_ONCE(vm->mgmt.held), 0);
	/* Memory likewise: what is too much is seen at once. */
	atomic64_set(&vm->stats.pages_4k, 2);
	limit_set(vm, 0, 2 * PAGE_SIZE - 1);
	KUNIT_EXPECT_EQ(test, READ_ONCE(vm->mgmt.held), HELD_MEMORY);
	limit_set(vm, 0, 2 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, READ_ONCE(vm->mgmt.held), 0);
	hrtimer_cancel(&l->timer);
}

#define THREADS	3
#define BURNT	(20 * MS)

/* One that runs the vCPU for a while and is gone. */
static int limits_thread(void *data)
{
	struct vcpu *vcpu = data;
	u64 from;

	limit_thread(vcpu, get_task_pid(current, PIDTYPE_PID));
	from = vcpu->limit.left;
	while (current->se.sum_exec_runtime < from + BURNT)
		cond_resched();
	limit_leave(&vcpu->limit);
	complete(vcpu->backend);
	return 0;
}

/* What threads have used counts after they have ended, whenever the limits look. */
static void limits_threads(struct kunit *test)
{
	struct vmm *vm = limits_vm(test);
	struct vcpu *vcpu = kunit_kzalloc(test, sizeof(*vcpu), GFP_KERNEL);
	DECLARE_COMPLETION_ONSTACK(done);
	struct pid *pids[THREADS];
	u32 i;

	KUNIT_ASSERT_NOT_NULL(test, vcpu);
	vcpu->vm = vm;
	vcpu->backend = &done;
	KUNIT_ASSERT_EQ(test, xa_err(xa_store(&vm->vcpus, 0, vcpu, GFP_KERNEL)), 0);
	atomic_set(&vm->online_vcpus, 1);
	limit_set(vm, 1, 0);
	hrtimer_cancel(&vm->mgmt.limit.timer);
	for (i = 0; i < THREADS; i++) {
		kthread_run(limits_thread, vcpu, "limits_thread");
		wait_for_completion(&done);
		pids[i] = rcu_access_pointer(vcpu->pid);
	}
	vm->mgmt.limit.looked = ktime_get_ns();
	limit_set(vm, 1, 0);
	/* No more than one percent of 100 ms was left before. */
	KUNIT_EXPECT_LE(test, vm->mgmt.limit.level, MS - THREADS * BURNT);
	hrtimer_cancel(&vm->mgmt.limit.timer);
	/* No part of it is counted twice. */
	vm->mgmt.limit.level = 0;
	limit_set(vm, 1, 0);
	KUNIT_EXPECT_GT(test, vm->mgmt.limit.level, -(THREADS - 1) * BURNT);
	hrtimer_cancel(&vm->mgmt.limit.timer);
	for (i = 0; i < THREADS; i++)
		put_pid(pids[i]);
	xa_destroy(&vm->vcpus);
}

static struct kunit_case limits_cases[] = {
	KUNIT_CASE(limits_fill),
	KUNIT_CASE(limits_look_after),
	KUNIT_CASE(limits_share),
	KUNIT_CASE(limits_set_again),
	KUNIT_CASE(limits_threads),
	{}
};

struct kunit_suite limits_suite = {
	.name = "vmm-limits",
	.test_cases = limits_cases,
};
