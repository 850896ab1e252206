// SPDX-License-Identifier: GPL-2.0
/*
 * irqfd: an eventfd that drives a GSI (KVM_IRQFD). The interrupt is injected by the eventfd's
 * wake-up itself. An irqfd ends by KVM_IRQFD_FLAG_DEASSIGN, when its eventfd is closed, or with
 * the VM; whoever comes first marks it dead, and one work item takes it apart.
 */
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include "chips.h"

struct irqfd {
	struct vmm *vm;
	struct eventfd_ctx *eventfd;
	struct eventfd_ctx *resamplefd;	/* NULL: an edge for every signal */
	u32 gsi;
	unsigned long dead;
	struct list_head list;		/* irq.irqfds */
	struct list_head resampler;	/* irq.resamplers, readers by RCU */
	wait_queue_entry_t wait;
	poll_table poll;
	struct work_struct remove;
};

/* Removal runs here. */
static struct workqueue_struct *irqfd_wq;

int irqfd_module_init(void)
{
	irqfd_wq = alloc_workqueue("vmm-irqfd", 0, 0);
	return irqfd_wq ? 0 : -ENOMEM;
}

void irqfd_module_exit(void)
{
	destroy_workqueue(irqfd_wq);
}

/* ---- a signal, and the resampling of a level ---- */

static void irqfd_inject(struct irqfd *irqfd)
{
	if (irqfd->resamplefd) {
		irq_set_gsi(irqfd->vm, irqfd->gsi, IRQ_SOURCE_RESAMPLE, true);
		return;
	}
	irq_set_gsi(irqfd->vm, irqfd->gsi, IRQ_SOURCE_USER, true);
	irq_set_gsi(irqfd->vm, irqfd->gsi, IRQ_SOURCE_USER, false);
}

static void irqfd_kill(struct irqfd *irqfd)
{
	if (!test_and_set_bit(0, &irqfd->dead))
		queue_work(irqfd_wq, &irqfd->remove);
}

/* The eventfd's wait queue lock is held, interrupts are off. */
static int irqfd_wakeup(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	struct irqfd *irqfd = container_of(wait, struct irqfd, wait);
	__poll_t events = key_to_poll(key);
	u64 count;

	if (events & EPOLLIN && !test_bit(0, &irqfd->dead)) {
		eventfd_ctx_do_read(irqfd->eventfd, &count);
		irqfd_inject(irqfd);
	}
	if (events & EPOLLHUP)
		irqfd_kill(irqfd);
	return 0;
}

/**
 * irqfd_resample() - a GSI was acknowledged: lower it and tell those who hold it
 * @vm: the VM
 * @gsi: which
 *
 * Context: any, but with none of this room's raw locks held.
 */
void irqfd_resample(struct vmm *vm, u32 gsi)
{
	struct irqfd *irqfd;
	bool lowered = false;

	if (list_empty(&vm->irq.resamplers))
		return;
	rcu_read_lock();
	list_for_each_entry_rcu(irqfd, &vm->irq.resamplers, resampler) {
		if (irqfd->gsi != gsi)
			continue;
		if (!lowered)
			irq_set_gsi(vm, gsi, IRQ_SOURCE_RESAMPLE, false);
		lowered = true;
		compat_eventfd_signal(irqfd->resamplefd);
	}
	rcu_read_unlock();
}

/* ---- lifetime ---- */

static bool irqfd_gsi_resampled(struct vmm *vm, u32 gsi)
{
	struct irqfd *irqfd;

	list_for_each_entry(irqfd, &vm->irq.resamplers, resampler)
		if (irqfd->gsi == gsi)
			return true;
	return false;
}

static void irqfd_unlink(struct irqfd *irqfd)
{
	struct vmm *vm = irqfd->vm;

	mutex_lock(&vm->irq.lock);
	list_del(&irqfd->list);
	if (irqfd->resamplefd)
		list_del_rcu(&irqfd->resampler);
	mutex_unlock(&vm->irq.lock);
	if (!irqfd->resamplefd)
		return;
	synchronize_rcu_expedited();
	/* The line is the next one's, if one has come meanwhile. */
	mutex_lock(&vm->irq.lock);
	if (!irqfd_gsi_resampled(vm, irqfd->gsi))
		irq_set_gsi(vm, irqfd->gsi, IRQ_SOURCE_RESAMPLE, false);
	mutex_unlock(&vm->irq.lock);
	if (vm->irq.ioapic)
		ioapic_scan(vm->irq.ioapic);
	eventfd_ctx_put(irqfd->resamplefd);
}

static void irqfd_remove(struct work_struct *work)
{
	struct irqfd *irqfd = container_of(work, struct irqfd, remove);
	u64 count;

	/* No wake-up runs after this. */
	eventfd_ctx_remove_wait_queue(irqfd->eventfd, &irqfd->wait, &count);
	irqfd_unlink(irqfd);
	eventfd_ctx_put(irqfd->eventfd);
	kfree(irqfd);
}

/**
 * irqfd_vm_release() - the VM file is closed: all its irqfds go
 * @vm: the VM; may sleep
 */
void irqfd_vm_release(struct vmm *vm)
{
	struct irqfd *irqfd;

	mutex_lock(&vm->irq.lock);
	while (!list_empty(&vm->irq.irqfds)) {
		list_for_each_entry(irqfd, &vm->irq.irqfds, list)
			irqfd_kill(irqfd);
		mutex_unlock(&vm->irq.lock);
		/* Whoever has marked one dead may be about to queue its removal. */
		cond_resched();
		flush_workqueue(irqfd_wq);
		mutex_lock(&vm->irq.lock);
	}
	mutex_unlock(&vm->irq.lock);
	/* Those that are in no list any more may still lower their line. */
	flush_workqueue(irqfd_wq);
}

static int irqfd_deassign(struct vmm *vm, const struct kvm_irqfd *args)
{
	struct eventfd_ctx *eventfd = eventfd_ctx_fdget(args->fd);
	struct irqfd *irqfd;

	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);
	mutex_lock(&vm->irq.lock);
	list_for_each_entry(irqfd, &vm->irq.irqfds, list)
		if (irqfd->eventfd == eventfd && irqfd->gsi == args->gsi)
			irqfd_kill(irqfd);
	mutex_unlock(&vm->irq.lock);
	eventfd_ctx_put(eventfd);
	flush_workqueue(irqfd_wq);
	return 0;
}

static void irqfd_poll(struct file *file, wait_queue_head_t *queue, poll_table *poll)
{
	struct irqfd *irqfd = container_of(poll, struct irqfd, poll);

	add_wait_queue(queue, &irqfd->wait);
}

/*
 * Enter a complete irqfd into the VM's lists, unless its eventfd is there already, and listen.
 * Under the lock, as whoever finds it in the list may have it removed.
 */
static int irqfd_start(struct irqfd *irqfd, struct file *file)
{
	struct irqchip *irq = &irqfd->vm->irq;
	struct irqfd *other;

	lockdep_assert_held(&irq->lock);
	list_for_each_entry(other, &irq->irqfds, list)
		if (other->eventfd == irqfd->eventfd)
			return -EBUSY;
	list_add_tail(&irqfd->list, &irq->irqfds);
	if (irqfd->resamplefd) {
		list_add_tail_rcu(&irqfd->resampler, &irq->resamplers);
		ioapic_scan(irq->ioapic);
	}
	/* A signal that came before goes in now. */
	if (vfs_poll(file, &irqfd->poll) & EPOLLIN)
		irqfd_inject(irqfd);
	return 0;
}

static int irqfd_take_eventfds(struct irqfd *irqfd, const struct kvm_irqfd *args,
			       struct file *file)
{
	irqfd->eventfd = eventfd_ctx_fileget(file);
	if (IS_ERR(irqfd->eventfd))
		return PTR_ERR(irqfd->eventfd);
	if (!(args->flags & KVM_IRQFD_FLAG_RESAMPLE))
		return 0;
	irqfd->resamplefd = eventfd_ctx_fdget(args->resamplefd);
	if (!IS_ERR(irqfd->resamplefd))
		return 0;
	eventfd_ctx_put(irqfd->eventfd);
	return PTR_ERR(irqfd->resamplefd);
}

static int irqfd_add(struct vmm *vm, const struct kvm_irqfd *args, struct file *file)
{
	struct irqfd *irqfd = kzalloc(sizeof(*irqfd), GFP_KERNEL_ACCOUNT);
	int ret;

	if (!irqfd)
		return -ENOMEM;
	irqfd->vm = vm;
	irqfd->gsi = args->gsi;
	INIT_WORK(&irqfd->remove, irqfd_remove);
	ret = irqfd_take_eventfds(irqfd, args, file);
	if (ret)
		goto free;
	init_waitqueue_func_entry(&irqfd->wait, irqfd_wakeup);
	init_poll_funcptr(&irqfd->poll, irqfd_poll);
	mutex_lock(&vm->irq.lock);
	ret = irqfd_start(irqfd, file);
	mutex_unlock(&vm->irq.lock);
	if (!ret)
		return 0;
	if (irqfd->resamplefd)
		eventfd_ctx_put(irqfd->resamplefd);
	eventfd_ctx_put(irqfd->eventfd);
free:
	kfree(irqfd);
	return ret;
}

/**
 * irqfd_assign() - KVM_IRQFD
 * @vm: the VM; may sleep
 * @args: eventfd, GSI, flags, and the eventfd to signal at an EOI
 *
 * Return: 0; -EINVAL: flags, no irqchip (resampling needs all of it in the kernel), or not an
 * eventfd; -EBADF; -EBUSY: the eventfd drives a GSI of this VM already; -ENOMEM.
 */
int irqfd_assign(struct vmm *vm, const struct kvm_irqfd *args)
{
	struct file *file;
	int ret;

	if (args->flags & ~(KVM_IRQFD_FLAG_DEASSIGN | KVM_IRQFD_FLAG_RESAMPLE))
		return -EINVAL;
	if (args->flags & KVM_IRQFD_FLAG_DEASSIGN)
		return irqfd_deassign(vm, args);
	if (!irqchip_in_kernel(&vm->irq) || args->gsi >= IRQ_MAX_ROUTES)
		return -EINVAL;
	if (args->flags & KVM_IRQFD_FLAG_RESAMPLE && !vm->irq.ioapic)
		return -EINVAL;
	file = fget(args->fd);
	if (!file)
		return -EBADF;
	ret = irqfd_add(vm, args, file);
	fput(file);
	return ret;
}
