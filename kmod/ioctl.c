// SPDX-License-Identifier: GPL-2.0
/* The ioctls' dispatcher: the one place that copies in and out, and takes the named locks. */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "ioctl.h"
#include "vmm.h"

#define SMALL_ARG 128	/* bytes kept on the stack */

static const struct ioctl_row *ioctl_find(const struct ioctl_table *table, unsigned int cmd)
{
	unsigned int i;

	for (i = 0; i < table->count; i++)
		if (table->rows[i].cmd == cmd)
			return &table->rows[i];
	return NULL;
}

static int ioctl_lock(const struct ioctl_row *row, struct ioctl_call *call)
{
	if ((row->flags & LOCK_VCPU) && mutex_lock_killable(&call->vcpu->mutex))
		return -EINTR;
	if (row->flags & LOCK_VM)
		mutex_lock(&call->vm->lock);
	if (row->flags & LOCK_SLOTS)
		mutex_lock(&call->vm->mem.slots_lock);
	if (row->flags & VCPU_LOADED)
		vcpu_load(call->vcpu);
	return 0;
}

static void ioctl_unlock(const struct ioctl_row *row, struct ioctl_call *call)
{
	if (row->flags & VCPU_LOADED)
		vcpu_put(call->vcpu);
	if (row->flags & LOCK_SLOTS)
		mutex_unlock(&call->vm->mem.slots_lock);
	if (row->flags & LOCK_VM)
		mutex_unlock(&call->vm->lock);
	if (row->flags & LOCK_VCPU)
		mutex_unlock(&call->vcpu->mutex);
}

static long ioctl_call_locked(const struct ioctl_row *row, struct ioctl_call *call)
{
	long ret = ioctl_lock(row, call);

	if (ret)
		return ret;
	ret = row->fn(call);
	ioctl_unlock(row, call);
	return ret;
}

static u32 ioctl_size(const struct ioctl_row *row)
{
	return row->size ?: _IOC_SIZE(row->cmd);
}

/* The count of the elements behind the header; 0, -EFAULT, -E2BIG or -EINVAL. */
static int ioctl_read_tail(const struct ioctl_row *row, struct ioctl_call *call)
{
	u32 count;

	if (!row->tail_elem)
		return 0;
	if (get_user(count, (u32 __user *)(call->ptr + row->tail_count)))
		return -EFAULT;
	if (count > row->tail_max && !(row->flags & TAIL_CLAMP))
		return row->flags & TAIL_EINVAL ? -EINVAL : -E2BIG;
	call->tail = min(count, row->tail_max);
	return 0;
}

/*
 * Copy in what the direction says. The count is written over with the value that was checked: it
 * may have changed since.
 */
static int ioctl_fill(const struct ioctl_row *row, struct ioctl_call *call, size_t total)
{
	if (!(_IOC_DIR(row->cmd) & _IOC_WRITE) && !(row->flags & ARG_IN)) {
		memset(call->arg, 0, total);
		return 0;
	}
	if (copy_from_user(call->arg, call->ptr, total))
		return -EFAULT;
	if (row->tail_elem)
		*(u32 *)(call->arg + row->tail_count) = call->tail;
	return 0;
}

static long ioctl_copy_back(const struct ioctl_row *row, struct ioctl_call *call, size_t total,
			    long ret)
{
	if (!(_IOC_DIR(row->cmd) & _IOC_READ) || (row->flags & ARG_IN))
		return ret;
	if (ret == -E2BIG && (row->flags & COPY_HEAD_E2BIG))
		total = ioctl_size(row);
	else if (ret < 0)
		return ret;
	return copy_to_user(call->ptr, call->arg, total) ? -EFAULT : ret;
}

static long ioctl_structured(const struct ioctl_row *row, struct ioctl_call *call)
{
	u64 small[SMALL_ARG / sizeof(u64)];
	size_t total;
	long ret = ioctl_read_tail(row, call);

	if (ret)
		return ret;
	total = ioctl_size(row) + (size_t)call->tail * row->tail_elem;
	call->arg = small;
	if (total > sizeof(small))
		call->arg = kvmalloc(total, GFP_KERNEL_ACCOUNT);
	if (!call->arg)
		return -ENOMEM;
	ret = ioctl_fill(row, call, total);
	if (!ret) {
		ret = ioctl_call_locked(row, call);
		ret = ioctl_copy_back(row, call, total, ret);
	}
	if (call->arg != small)
		kvfree(call->arg);
	return ret;
}

/**
 * ioctl_dispatch() - carry out one ioctl of a table
 * @table: the file's ioctls
 * @call: file, vm and vcpu are set by the file's owner; the rest is filled here
 * @cmd: the ioctl's number
 * @arg: its argument, a number or a user pointer
 *
 * Context: process context, no locks held; may sleep.
 * Return: the handler's result; -ENOTTY: unknown number; -EFAULT: unreadable or unwritable
 * argument; -E2BIG: more elements than the row allows; -EINTR: killed while waiting for the vCPU.
 */
long ioctl_dispatch(const struct ioctl_table *table, struct ioctl_call *call, unsigned int cmd,
		    unsigned long arg)
{
	const struct ioctl_row *row = ioctl_find(table, cmd);

	if (!row)
		return -ENOTTY;
	call->value = arg;
	call->ptr = (void __user *)arg;
	if ((row->flags & ARG_VALUE) || !ioctl_size(row))
		return ioctl_call_locked(row, call);
	if ((row->flags & ARG_NULLABLE) && !arg)
		return ioctl_call_locked(row, call);
	return ioctl_structured(row, call);
}
EXPORT_FOR_TEST(ioctl_dispatch);

int ioctl_copy_out(void __user *to, const void *from, size_t len)
{
	return copy_to_user(to, from, len) ? -EFAULT : 0;
}

int ioctl_copy_in(void *to, const void __user *from, size_t len)
{
	return copy_from_user(to, from, len) ? -EFAULT : 0;
}
