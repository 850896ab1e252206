// SPDX-License-Identifier: GPL-2.0
/* /dev/vmm (and /dev/kvm on request): the system ioctls. */
#define pr_fmt(fmt) "vmm: " fmt

#include <linux/miscdevice.h>
#include <linux/module.h>

#include "cpu/cpu.h"
#include "ioctl.h"
#include "main.h"

static long do_api_version(struct ioctl_call *call)
{
	return call->value ? -EINVAL : KVM_API_VERSION;
}

static long do_check_extension(struct ioctl_call *call)
{
	return vm_check_extension(NULL, call->value);
}

static long do_mmap_size(struct ioctl_call *call)
{
	return call->value ? -EINVAL : (COALESCED_PAGE_OFFSET + 1) * PAGE_SIZE;
}

static long do_create_vm(struct ioctl_call *call)
{
	return vm_create_fd(call->value);
}

static long do_supported_cpuid(struct ioctl_call *call)
{
	return cpuid_get_supported(call->arg, call->tail, false);
}

static long do_emulated_cpuid(struct ioctl_call *call)
{
	return cpuid_get_supported(call->arg, call->tail, true);
}

static long do_msr_list(struct ioctl_call *call)
{
	return msr_index_list(call->arg, call->tail);
}

static long do_msr_feature_list(struct ioctl_call *call)
{
	return msr_feature_index_list(call->arg, call->tail);
}

static long do_mce_cap(struct ioctl_call *call)
{
	*(u64 *)call->arg = MCE_CAPS;
	return 0;
}

/* The number of entries that could be read, as for the vCPU's ioctl of the same name. */
static long do_feature_msrs(struct ioctl_call *call)
{
	struct kvm_msrs *msrs = call->arg;
	u32 i;

	for (i = 0; i < call->tail; i++) {
		u64 val;

		if (msr_feature_read(msrs->entries[i].index, &val))
			break;
		msrs->entries[i].data = val;
	}
	return i;
}

#define CPUID_TAIL .tail_elem = sizeof(struct kvm_cpuid_entry2), .tail_max = CPUID_MAX_ENTRIES
#define MSR_LIST_TAIL .tail_elem = sizeof(u32), .tail_max = 1024

static const struct ioctl_row device_rows[] = {
	{ KVM_GET_API_VERSION, ARG_VALUE, .fn = do_api_version },
	{ KVM_CHECK_EXTENSION, ARG_VALUE, .fn = do_check_extension },
	{ KVM_GET_VCPU_MMAP_SIZE, ARG_VALUE, .fn = do_mmap_size },
	{ KVM_CREATE_VM, ARG_VALUE, .fn = do_create_vm },
	{ KVM_GET_SUPPORTED_CPUID, COPY_HEAD_E2BIG | TAIL_CLAMP, CPUID_TAIL,
	  .fn = do_supported_cpuid },
	{ KVM_GET_EMULATED_CPUID, COPY_HEAD_E2BIG | TAIL_CLAMP, CPUID_TAIL,
	  .fn = do_emulated_cpuid },
	{ KVM_GET_MSR_INDEX_LIST, COPY_HEAD_E2BIG | TAIL_CLAMP, MSR_LIST_TAIL,
	  .fn = do_msr_list },
	{ KVM_GET_MSR_FEATURE_INDEX_LIST, COPY_HEAD_E2BIG | TAIL_CLAMP, MSR_LIST_TAIL,
	  .fn = do_msr_feature_list },
	{ KVM_X86_GET_MCE_CAP_SUPPORTED, .fn = do_mce_cap },
	{ KVM_GET_MSRS, .tail_elem = sizeof(struct kvm_msr_entry), .tail_max = 255,
	  .fn = do_feature_msrs },
};

const struct ioctl_table device_ioctls = { device_rows, ARRAY_SIZE(device_rows) };
EXPORT_FOR_TEST(device_ioctls);

static long device_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct ioctl_call call = { .file = file };

	return ioctl_dispatch(&device_ioctls, &call, cmd, arg);
}

static const struct file_operations device_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = device_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice vmm_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "vmm",
	.fops = &device_fops,
	.mode = 0660,
};

static struct miscdevice kvm_device = {
	.minor = KVM_MINOR,
	.name = "kvm",
	.fops = &device_fops,
	.mode = 0660,
};

static bool kvm_node_on;

/* The nodes; 0, -EBUSY: another driver has /dev/kvm, or errno. */
int device_nodes_add(bool kvm_node)
{
	int err = misc_register(&vmm_device);

	if (err || !kvm_node)
		return err;
	err = misc_register(&kvm_device);
	if (err) {
		pr_err("another driver has /dev/kvm: unload it (rmmod kvm_amd kvm_intel kvm) or load vmm without kvm_node=1\n");
		misc_deregister(&vmm_device);
		return err;
	}
	kvm_node_on = true;
	return 0;
}

void device_nodes_remove(void)
{
	if (kvm_node_on)
		misc_deregister(&kvm_device);
	misc_deregister(&vmm_device);
}
