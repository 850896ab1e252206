// SPDX-License-Identifier: GPL-2.0
/* One vCPU: creation, its file, loading onto a processor, kicks and requests. run.c runs it. */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <asm/nospec-branch.h>
#include <asm/tsc.h>

#include "backend.h"
#include "cpu/cpu.h"
#include "interp/interp.h"
#include "ioctl.h"
#include "main.h"

static struct kmem_cache *vcpu_cache;
static DEFINE_PER_CPU(cpumask_var_t, kick_mask);
static DEFINE_PER_CPU(u64, predictions_of);	/* serial of the vCPU that ran here last */
static atomic64_t last_serial;

#define VCPU_MMAP_PAGES 3

/* ---- loading: the vCPU's state on this processor, kept so by the preempt notifier ---- */

/* One guest's branch predictions must not steer another's. */
static void vcpu_barrier(const struct vcpu *vcpu)
{
	if (__this_cpu_read(predictions_of) == vcpu->serial)
		return;
	__this_cpu_write(predictions_of, vcpu->serial);
	indirect_branch_prediction_barrier();
}

static void vcpu_arrive(struct vcpu *vcpu, int cpu)
{
	backend_vcpu_load(vcpu, cpu);
	vcpu_barrier(vcpu);
	if (vcpu->cpu != cpu) {
		/* Stale translations may remain here from an earlier stay. */
		vcpu_request(vcpu, REQ_TLB_FLUSH);
		if (vcpu->apic && vcpu->cpu >= 0)
			lapic_vcpu_load(vcpu);
		if (unlikely(check_tsc_unstable()))
			vcpu_request(vcpu, REQ_CLOCK);
	}
	steal_arrive(vcpu);
	WRITE_ONCE(vcpu->cpu, cpu);
}

static void vcpu_leave(struct vcpu *vcpu)
{
	msr_tsc_aux_put(vcpu);
	backend_vcpu_put(vcpu);
}

static void vcpu_sched_in(struct preempt_notifier *notifier, int cpu)
{
	struct vcpu *vcpu = container_of(notifier, struct vcpu, notifier);

	WRITE_ONCE(vcpu->preempted, false);
	vcpu_arrive(vcpu, cpu);
}

static void vcpu_sched_out(struct preempt_notifier *notifier, struct task_struct *next)
{
	struct vcpu *vcpu = container_of(notifier, struct vcpu, notifier);

	WRITE_ONCE(vcpu->preempted, task_is_running(current));
	vcpu_leave(vcpu);
}

static struct preempt_ops vcpu_preempt_ops = {
	.sched_in = vcpu_sched_in,
	.sched_out = vcpu_sched_out,
};

/**
 * vcpu_load() - bring a vCPU's state onto this processor
 * @vcpu: the vCPU; vcpu->mutex is held
 *
 * Until vcpu_put() the state follows the thread from processor to processor.
 */
void vcpu_load(struct vcpu *vcpu)
{
	int cpu = get_cpu();

	preempt_notifier_register(&vcpu->notifier);
	vcpu_arrive(vcpu, cpu);
	put_cpu();
}

/**
 * vcpu_put() - end of what vcpu_load() began
 * @vcpu: the vCPU
 */
void vcpu_put(struct vcpu *vcpu)
{
	preempt_disable();
	vcpu_leave(vcpu);
	preempt_notifier_unregister(&vcpu->notifier);
	preempt_enable();
}

/* ---- kicks and requests (Documentation/requests.rst) ---- */

/**
 * vcpu_kick() - make a vCPU leave the guest and look at its requests
 * @vcpu: the vCPU; one that is outside the guest is left alone, it looks before it enters
 *
 * Context: any.
 */
void vcpu_kick(struct vcpu *vcpu)
{
	int me = get_cpu(), cpu;

	if (cmpxchg(&vcpu->mode, VCPU_IN_GUEST, VCPU_EXITING_GUEST) == VCPU_IN_GUEST) {
		cpu = READ_ONCE(vcpu->cpu);
		if (cpu != me && cpu >= 0 && cpu_online(cpu))
			compat_send_reschedule(cpu);
	}
	put_cpu();
}

/**
 * vcpu_wake_halted() - wake a vCPU that sleeps in HLT
 * @vcpu: the vCPU
 *
 * Until it has a processor it is as good as preempted: who spins for it may lend it theirs.
 *
 * Context: any.
 * Return: whether it slept
 */
bool vcpu_wake_halted(struct vcpu *vcpu)
{
	if (!rcuwait_wake_up(&vcpu->wait))
		return false;
	WRITE_ONCE(vcpu->preempted, true);
	return true;
}

/**
 * vcpu_wake() - end a HLT, or make a running vCPU look at its requests
 * @vcpu: the vCPU
 *
 * Context: any.
 */
void vcpu_wake(struct vcpu *vcpu)
{
	if (!vcpu_wake_halted(vcpu))
		vcpu_kick(vcpu);
}

static void kick_ack(void *unused)
{
}

/**
 * vcpu_request_all() - make a request of every vCPU of a VM
 * @vm: the VM
 * @req: REQ_*
 * @wait: return only when no vCPU is in the guest with the request unseen
 *
 * Context: interrupts on; may be called under spinlocks. The empty function call is delivered by
 * an interrupt, so a CPU that has answered it has left the guest.
 */
void vcpu_request_all(struct vmm *vm, unsigned int req, bool wait)
{
	struct cpumask *mask;
	struct vcpu *vcpu;
	unsigned long i;
	int me, cpu;

	me = get_cpu();
	mask = this_cpu_cpumask_var_ptr(kick_mask);
	cpumask_clear(mask);
	KVM_VCPUS_FOR_EACH(i, vcpu, vm) {
		vcpu_request(vcpu, req);
		/* The request is seen by whom mode shows in the guest; pairs with the entry. */
		smp_mb__after_atomic();
		if (!wait) {
			vcpu_wake(vcpu);
			continue;
		}
		if (READ_ONCE(vcpu->mode) == VCPU_OUTSIDE_GUEST)
			continue;
		cpu = READ_ONCE(vcpu->cpu);
		if (cpu >= 0 && cpu != me)
			__cpumask_set_cpu(cpu, mask);
	}
	if (wait && !cpumask_empty(mask))
		smp_call_function_many(mask, kick_ack, NULL, true);
	put_cpu();
}

/* ---- lifetime ---- */

static int vcpu_init_parts(struct vcpu *vcpu)
{
	int err = fpu_create(vcpu);

	if (err)
		return err;
	err = interp_create(vcpu);
	if (err)
		goto err_fpu;
	/* Before the backend, which may have the processor use the APIC's page. */
	if (vcpu->vm->irq.mode != IRQCHIP_NONE) {
		err = lapic_create(vcpu);
		if (err)
			goto err_interp;
	}
	err = backend_vcpu_create(vcpu);
	if (err)
		goto err_apic;
	return 0;

err_apic:
	lapic_destroy(vcpu);
err_interp:
	interp_destroy(vcpu);
err_fpu:
	fpu_destroy(vcpu);
	return err;
}

static void vcpu_free_parts(struct vcpu *vcpu)
{
	apf_destroy(vcpu);
	backend_vcpu_destroy(vcpu);
	lapic_destroy(vcpu);
	interp_destroy(vcpu);
	fpu_destroy(vcpu);
	cpuid_free(vcpu);
}

static int vcpu_alloc_pages(struct vcpu *vcpu)
{
	vcpu->run = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	vcpu->pio.data = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	return vcpu->run && vcpu->pio.data ? ring_create(vcpu) : -ENOMEM;
}

static void vcpu_free(struct vcpu *vcpu)
{
	put_pid(rcu_dereference_protected(vcpu->pid, true));
	free_guest_page(vcpu->run);
	free_guest_page(vcpu->pio.data);
	ring_destroy(vcpu);
	memzero_explicit(vcpu, sizeof(*vcpu));
	kmem_cache_free(vcpu_cache, vcpu);
}

/* The state after RESET; vCPUs other than the first wait for INIT and SIPI. */
static void vcpu_power_on(struct vcpu *vcpu)
{
	bool bsp = vcpu->id == vcpu->vm->boot_vcpu_id;

	vcpu->mp_state = vcpu->apic && !bsp ? KVM_MP_STATE_UNINITIALIZED : KVM_MP_STATE_RUNNABLE;
	/* Nobody else knows this vCPU yet: its mutex is not needed. */
	vcpu_load(vcpu);
	regs_reset(vcpu, false);
	tsc_vcpu_init(vcpu);
	msr_init(vcpu);
	vcpu_put(vcpu);
	vcpu_request(vcpu, REQ_TDP_ROOT);
	vcpu_request(vcpu, REQ_INTERCEPTS);
	vcpu_request(vcpu, REQ_TLB_FLUSH);
	vcpu_request(vcpu, REQ_ORDERS);
}

static struct vcpu *vcpu_create(struct vmm *vm, u32 id)
{
	struct vcpu *vcpu = kmem_cache_zalloc(vcpu_cache, GFP_KERNEL_ACCOUNT);
	int err;

	if (!vcpu)
		return ERR_PTR(-ENOMEM);
	vcpu->vm = vm;
	vcpu->id = id;
	vcpu->serial = atomic64_inc_return(&last_serial);
	vcpu->cpu = -1;
	apf_create(vcpu);
	vcpu->events.injected.type = EVENT_NONE;
	vcpu->events.ext_irq = -1;
	vcpu->policy.hlt = !(vm->policy.disabled_exits & KVM_X86_DISABLE_EXITS_HLT);
	vcpu->policy.pause = !(vm->policy.disabled_exits & KVM_X86_DISABLE_EXITS_PAUSE);
	vcpu->policy.mwait = !(vm->policy.disabled_exits & KVM_X86_DISABLE_EXITS_MWAIT);
	mutex_init(&vcpu->mutex);
	rcuwait_init(&vcpu->wait);
	preempt_notifier_init(&vcpu->notifier, &vcpu_preempt_ops);
	err = vcpu_alloc_pages(vcpu);
	if (!err)
		err = vcpu_init_parts(vcpu);
	if (err) {
		vcpu_free(vcpu);
		return ERR_PTR(err);
	}
	vcpu_power_on(vcpu);
	return vcpu;
}

static void vcpu_destroy(struct vcpu *vcpu)
{
	vcpu_free_parts(vcpu);
	vcpu_free(vcpu);
}

/**
 * vcpu_destroy_all() - free the vCPUs of a VM that nobody refers to any more
 * @vm: the VM
 */
void vcpu_destroy_all(struct vmm *vm)
{
	struct vcpu *vcpu;
	unsigned long i;

	xa_for_each(&vm->vcpus, i, vcpu)
		vcpu_destroy(vcpu);
	xa_destroy(&vm->vcpus);
}

/* ---- the file ---- */

static int vcpu_release(struct inode *inode, struct file *file)
{
	struct vcpu *vcpu = file->private_data;

	vm_put(vcpu->vm);
	return 0;
}

static vm_fault_t vcpu_mmap_fault(struct vm_fault *vmf)
{
	struct vcpu *vcpu = vmf->vma->vm_file->private_data;
	void *pages[VCPU_MMAP_PAGES] = {
		vcpu->run, vcpu->pio.data, vcpu->vm->coalesced.ring,
	};

	if (vmf->pgoff < VCPU_MMAP_PAGES)
		vmf->page = virt_to_page(pages[array_index_nospec(vmf->pgoff, VCPU_MMAP_PAGES)]);
	else if (vmf->pgoff >= KVM_DIRTY_LOG_PAGE_OFFSET)
		vmf->page = ring_page(vcpu, vmf->pgoff - KVM_DIRTY_LOG_PAGE_OFFSET);
	if (!vmf->page)
		return VM_FAULT_SIGBUS;
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct vcpu_vm_ops = {
	.fault = vcpu_mmap_fault,
};

static int vcpu_mmap(struct file *file, struct vm_area_struct *vma)
{
	/* The dirty ring is data that both sides see. */
	if (vma->vm_pgoff + vma_pages(vma) > KVM_DIRTY_LOG_PAGE_OFFSET &&
	    (vma->vm_flags & (VM_EXEC | VM_SHARED)) != VM_SHARED)
		return -EINVAL;
	vma->vm_ops = &vcpu_vm_ops;
	return 0;
}

static long vcpu_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct vcpu *vcpu = file->private_data;
	struct ioctl_call call = { .file = file, .vcpu = vcpu, .vm = vcpu->vm };

	if (vcpu->vm->mm != current->mm)
		return -EIO;
	return ioctl_dispatch(&vcpu_ioctls, &call, cmd, arg);
}

static const struct file_operations vcpu_fops = {
	.owner = THIS_MODULE,
	.release = vcpu_release,
	.unlocked_ioctl = vcpu_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = vcpu_mmap,
	.llseek = noop_llseek,
};

static struct file *vcpu_file(struct vcpu *vcpu)
{
	char name[16 + 10];
	struct file *file;

	snprintf(name, sizeof(name), "vmm-vcpu:%u", vcpu->id);
	vm_get(vcpu->vm);
	file = anon_inode_getfile(name, &vcpu_fops, vcpu, O_RDWR);
	if (IS_ERR(file))
		vm_put(vcpu->vm);
	return file;
}

/*
 * Under vm->lock: the vCPU gets its place and its file, then the others see it (online_vcpus), and
 * only then user space, whose other threads may guess the descriptor and run it: all that is asked
 * of every vCPU must reach one that runs.
 */
static int vcpu_publish(struct vmm *vm, struct vcpu *vcpu)
{
	unsigned int index = atomic_read(&vm->online_vcpus);
	struct file *file;
	int err, fd;

	if (vm_vcpu_by_id(vm, vcpu->id))
		return -EEXIST;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	vcpu->index = index;
	err = xa_err(xa_store(&vm->vcpus, index, vcpu, GFP_KERNEL_ACCOUNT));
	if (err)
		goto err_fd;
	file = vcpu_file(vcpu);
	if (IS_ERR(file)) {
		err = PTR_ERR(file);
		goto err_place;
	}
	smp_wmb();	/* the entry before the count that shows it */
	atomic_inc(&vm->online_vcpus);
	fd_install(fd, file);
	return fd;

err_place:
	xa_erase(&vm->vcpus, index);
err_fd:
	put_unused_fd(fd);
	return err;
}

/**
 * vcpu_create_fd() - KVM_CREATE_VCPU
 * @vm: the VM
 * @id: number of the vCPU, its APIC id
 *
 * Context: vm->lock held; may sleep.
 * Return: a file descriptor; -EINVAL: id or count out of range; -EEXIST; -ENOMEM
 */
int vcpu_create_fd(struct vmm *vm, u32 id)
{
	struct vcpu *vcpu;
	int fd;

	if (id >= (vm->policy.max_vcpu_ids ?: VMM_MAX_VCPU_ID) ||
	    atomic_read(&vm->online_vcpus) >= VMM_MAX_VCPUS)
		return -EINVAL;
	if (vm_vcpu_by_id(vm, id))
		return -EEXIST;
	vcpu = vcpu_create(vm, id);
	if (IS_ERR(vcpu))
		return PTR_ERR(vcpu);
	fd = vcpu_publish(vm, vcpu);
	if (fd < 0)
		vcpu_destroy(vcpu);
	else
		vm->created_vcpus++;
	return fd;
}

/* ---- module ---- */

void vcpu_module_exit(void)
{
	int cpu;

	preempt_notifier_dec();
	for_each_possible_cpu(cpu)
		free_cpumask_var(per_cpu(kick_mask, cpu));
	kmem_cache_destroy(vcpu_cache);
}

int vcpu_module_init(void)
{
	int cpu;

	/* Hardened usercopy: the stats file is all that is copied straight out of a vCPU. */
	vcpu_cache = KMEM_CACHE_USERCOPY(vcpu, SLAB_ACCOUNT, stats);
	if (!vcpu_cache)
		return -ENOMEM;
	preempt_notifier_inc();
	for_each_possible_cpu(cpu) {
		if (!zalloc_cpumask_var_node(&per_cpu(kick_mask, cpu), GFP_KERNEL,
					     cpu_to_node(cpu))) {
			vcpu_module_exit();
			return -ENOMEM;
		}
	}
	return 0;
}
