// SPDX-License-Identifier: GPL-2.0
/* One VM: creation, references, its file, its end. */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "backend.h"
#include "cpu/cpu.h"
#include "ioctl.h"
#include "main.h"

static atomic64_t vm_serial;

/**
 * vm_newest_id() - of the VM that was made last, which may be gone
 *
 * Return: its id
 */
u64 vm_newest_id(void)
{
	return atomic64_read(&vm_serial);
}

static void vm_init(struct vmm *vm)
{
	kref_init(&vm->refs);
	mutex_init(&vm->lock);
	xa_init(&vm->vcpus);
	vm->mm = current->mm;
	mmgrab(vm->mm);
	vm->id = atomic64_inc_return(&vm_serial);
	clock_init(vm);
	irq_vm_init(vm);
	snprintf(vm->stats_name, sizeof(vm->stats_name), "kvm-%d-%llu", task_pid_nr(current),
		 vm->id);
}

static int vm_create_parts(struct vmm *vm)
{
	int err = cpus_get();

	if (err)
		return err;
	err = coalesced_create(vm);
	if (err)
		goto err_cpus;
	err = memory_create(vm);
	if (err)
		goto err_coalesced;
	err = mgmt_vm_add(vm);
	if (err)
		goto err_memory;
	return 0;

err_memory:
	memory_detach(vm);
	memory_fini(vm);
err_coalesced:
	coalesced_destroy(vm);
err_cpus:
	cpus_put();
	return err;
}

/**
 * vm_create() - make a VM that belongs to the calling process
 * @type: of KVM_CREATE_VM: 0
 *
 * Context: may sleep.
 * Return: the VM with one reference; -EINVAL: type; -EBUSY: another hypervisor holds the
 * processors; -ENOMEM
 */
struct vmm *vm_create(unsigned long type)
{
	struct vmm *vm;
	int err;

	if (type)
		return ERR_PTR(-EINVAL);
	vm = kvzalloc(sizeof(*vm), GFP_KERNEL_ACCOUNT);
	if (!vm)
		return ERR_PTR(-ENOMEM);
	vm_init(vm);
	err = vm_create_parts(vm);
	if (err) {
		mmdrop(vm->mm);
		kvfree(vm);
		return ERR_PTR(err);
	}
	return vm;
}

static void vm_free(struct kref *refs)
{
	struct vmm *vm = container_of(refs, struct vmm, refs);

	mgmt_vm_remove(vm);
	memory_detach(vm);
	vcpu_destroy_all(vm);
	irq_vm_destroy(vm);
	memory_fini(vm);
	coalesced_destroy(vm);
	bus_destroy(vm);
	msr_filter_free(vm);
	cpus_put();
	mmdrop(vm->mm);
	kvfree(vm);
}

void vm_get(struct vmm *vm)
{
	kref_get(&vm->refs);
}

void vm_put(struct vmm *vm)
{
	kref_put(&vm->refs, vm_free);
}

/**
 * vm_vcpu_by_id() - find a vCPU by the number user space gave it
 * @vm: the VM
 * @id: the number
 *
 * Return: the vCPU or NULL; it lives as long as the VM
 */
struct vcpu *vm_vcpu_by_id(struct vmm *vm, u32 id)
{
	struct vcpu *vcpu;
	unsigned long i;

	/* Most are numbered in the order of their creation. */
	if (id < (u32)atomic_read(&vm->online_vcpus)) {
		vcpu = xa_load(&vm->vcpus, id);
		if (vcpu && vcpu->id == id)
			return vcpu;
	}
	KVM_VCPUS_FOR_EACH(i, vcpu, vm)
		if (vcpu->id == id)
			return vcpu;
	return NULL;
}

/* ---- the file ---- */

static int vm_release(struct inode *inode, struct file *file)
{
	struct vmm *vm = file->private_data;

	irq_vm_release(vm);
	vm_put(vm);
	return 0;
}

static long vm_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct vmm *vm = file->private_data;
	struct ioctl_call call = { .file = file, .vm = vm };

	if (vm->mm != current->mm)
		return -EIO;
	return ioctl_dispatch(&vm_ioctls, &call, cmd, arg);
}

static const struct file_operations vm_fops = {
	.owner = THIS_MODULE,
	.release = vm_release,
	.unlocked_ioctl = vm_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

/**
 * vm_create_fd() - KVM_CREATE_VM
 * @type: the ioctl's argument
 *
 * Return: a file descriptor, or as vm_create()
 */
int vm_create_fd(unsigned long type)
{
	struct vmm *vm = vm_create(type);
	int fd;

	if (IS_ERR(vm))
		return PTR_ERR(vm);
	fd = anon_inode_getfd("vmm-vm", &vm_fops, vm, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		irq_vm_release(vm);
		vm_put(vm);
	}
	return fd;
}
