// SPDX-License-Identifier: GPL-2.0
/* ioeventfd: a guest's write to a port or an address signals an eventfd (KVM_IOEVENTFD). */
#include <linux/eventfd.h>
#include <linux/slab.h>
#include "chips.h"

#define IOEVENTFD_FLAGS (KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_PIO |	\
			 KVM_IOEVENTFD_FLAG_DEASSIGN)

struct ioeventfd {
	struct list_head list;		/* irq.ioeventfds, under slots_lock */
	struct eventfd_ctx *eventfd;
	enum bus_nr bus;
	u32 len;			/* bytes, 0: any */
	bool match;			/* only writes of datamatch */
	u64 datamatch;
	struct bus_device dev;
};

static bool ioeventfd_hit(const struct ioeventfd *ie, gpa_t addr, int len, const void *val)
{
	u64 data = 0;

	if (addr != ie->dev.addr || (ie->len && len != ie->len))
		return false;
	if (!ie->match)
		return true;
	memcpy(&data, val, min(len, 8));
	return data == ie->datamatch;
}

static int ioeventfd_write(struct vcpu *vcpu, struct bus_device *dev, gpa_t addr, int len,
			   const void *val)
{
	struct ioeventfd *ie = container_of(dev, struct ioeventfd, dev);

	if (!ioeventfd_hit(ie, addr, len, val))
		return -EOPNOTSUPP;
	compat_eventfd_signal(ie->eventfd);
	return 0;
}

static const struct bus_ops ioeventfd_ops = {
	.write = ioeventfd_write,
};

static void ioeventfd_init(struct ioeventfd *ie, const struct kvm_ioeventfd *args)
{
	u64 mask = args->len == 8 ? ~0ull : BIT_ULL(args->len * 8) - 1;

	ie->bus = args->flags & KVM_IOEVENTFD_FLAG_PIO ? BUS_PIO : BUS_MMIO;
	ie->len = args->len;
	ie->match = args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH;
	ie->datamatch = ie->match ? args->datamatch & mask : 0;
	ie->dev.ops = &ioeventfd_ops;
	ie->dev.addr = args->addr;
	ie->dev.len = args->len;
}

/* Could one write signal both? */
static bool ioeventfd_clash(const struct ioeventfd *a, const struct ioeventfd *b)
{
	if (a->bus != b->bus || a->dev.addr != b->dev.addr)
		return false;
	if (a->len && b->len && a->len != b->len)
		return false;
	return !a->match || !b->match || a->datamatch == b->datamatch;
}

static bool ioeventfd_valid(const struct kvm_ioeventfd *args)
{
	if (args->flags & ~IOEVENTFD_FLAGS)
		return false;
	/* Without a length there is nothing to compare with. */
	if (!args->len && args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH)
		return false;
	if (args->len > 8 || (args->len && !is_power_of_2(args->len)))
		return false;
	return args->addr + args->len >= args->addr;
}

static int ioeventfd_add(struct vmm *vm, const struct kvm_ioeventfd *args,
			 struct eventfd_ctx *eventfd)
{
	struct ioeventfd *ie = kzalloc(sizeof(*ie), GFP_KERNEL_ACCOUNT);
	struct ioeventfd *other;
	int ret = -EEXIST;

	if (!ie)
		return -ENOMEM;
	ioeventfd_init(ie, args);
	ie->eventfd = eventfd;
	list_for_each_entry(other, &vm->irq.ioeventfds, list)
		if (ioeventfd_clash(ie, other))
			goto free;
	ret = bus_add(vm, ie->bus, &ie->dev);
	if (ret)
		goto free;
	list_add_tail(&ie->list, &vm->irq.ioeventfds);
	return 0;
free:
	kfree(ie);
	return ret;
}

static void ioeventfd_free(struct ioeventfd *ie)
{
	list_del(&ie->list);
	eventfd_ctx_put(ie->eventfd);
	kfree(ie);
}

static int ioeventfd_remove(struct vmm *vm, const struct kvm_ioeventfd *args,
			    struct eventfd_ctx *eventfd)
{
	struct ioeventfd like = {}, *ie;

	ioeventfd_init(&like, args);
	list_for_each_entry(ie, &vm->irq.ioeventfds, list) {
		if (ie->eventfd != eventfd || ie->bus != like.bus || ie->len != like.len ||
		    ie->dev.addr != like.dev.addr || ie->match != like.match ||
		    ie->datamatch != like.datamatch)
			continue;
		bus_remove(vm, ie->bus, &ie->dev);
		ioeventfd_free(ie);
		return 0;
	}
	return -ENOENT;
}

/**
 * ioeventfd_assign() - KVM_IOEVENTFD
 * @vm: the VM; slots_lock is held; may sleep
 * @args: address, length, value, eventfd, flags
 *
 * Return: 0; -EINVAL: flags, length, address, or not an eventfd; -EBADF; -EEXIST: a write could
 * signal another one too; -ENOENT: nothing like it to remove; -ENOSPC: bus full; -ENOMEM.
 */
int ioeventfd_assign(struct vmm *vm, const struct kvm_ioeventfd *args)
{
	struct eventfd_ctx *eventfd;
	int ret;

	if (!ioeventfd_valid(args))
		return -EINVAL;
	eventfd = eventfd_ctx_fdget(args->fd);
	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);
	if (args->flags & KVM_IOEVENTFD_FLAG_DEASSIGN)
		ret = ioeventfd_remove(vm, args, eventfd);
	else
		ret = ioeventfd_add(vm, args, eventfd);
	/* One that was added keeps the reference. */
	if (ret || args->flags & KVM_IOEVENTFD_FLAG_DEASSIGN)
		eventfd_ctx_put(eventfd);
	return ret;
}

/**
 * ioeventfd_vm_destroy() - free what is left
 * @vm: the VM; nobody looks at its buses any more
 */
void ioeventfd_vm_destroy(struct vmm *vm)
{
	struct ioeventfd *ie, *next;

	list_for_each_entry_safe(ie, next, &vm->irq.ioeventfds, list)
		ioeventfd_free(ie);
}
