// SPDX-License-Identifier: GPL-2.0
#include "vmm.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/vmm.h>

#include "../files.h"

const char *vmm_device(const char *option)
{
	const char *env = getenv(VMM_DEVICE_ENV);

	if (option)
		return option;
	return env && *env ? env : VMM_DEVICE;
}

/* Straight from the file: a statically linked program has no name service to ask. */
static void group_name(gid_t gid, char *buf, size_t len)
{
	FILE *file = fopen("/etc/group", "re");
	struct group *group;

	snprintf(buf, len, "%u", gid);
	if (!file)
		return;
	while ((group = fgetgrent(file))) {
		if (group->gr_gid == gid) {
			snprintf(buf, len, "%s", group->gr_name);
			break;
		}
	}
	fclose(file);
}

static int fault_permission(const char *node, struct error *err)
{
	struct stat st;
	char group[64];

	if (stat(node, &st))
		return fault(err, EX_NOPERM, "%s: permission denied on the way to it", node);
	group_name(st.st_gid, group, sizeof(group));
	if (!(st.st_mode & 0060) || !st.st_gid)
		return fault(err, EX_NOPERM, "%s: permission denied: only root may (group %s); %s",
			     node, group, "be root, or install the udev rule and its group vmm");
	return fault(err, EX_NOPERM, "%s: permission denied: join the group \"%s\" (%s %s USER)",
		     node, group, "usermod -aG", group);
}

static int fault_open(const char *node, int errnum, struct error *err)
{
	switch (errnum) {
	case EACCES:
	case EPERM:
		return fault_permission(node, err);
	case ENOENT:
	case ENODEV:
	case ENXIO:
	case ENOTDIR:
		return fault(err, EX_UNAVAILABLE, "%s: %s; load the module (insmod vmm.ko), and %s",
			     node, strerror(errnum), "see what vmctl doctor says");
	default:
		return fault_errno(err, EX_OSERR, errnum, "%s", node);
	}
}

int vmm_open(const char *node, struct error *err)
{
	int fd = files_open("node", node, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int version;

	if (fd < 0)
		return fault_open(node, errno, err);
	version = ioctl(fd, KVM_GET_API_VERSION, 0);
	if (version == KVM_API_VERSION)
		return fd;
	close(fd);
	if (version < 0)
		return fault(err, EX_UNAVAILABLE, "%s: not the device of a hypervisor", node);
	return fault(err, EX_UNAVAILABLE, "%s: speaks version %d of the API, vmctl version %d",
		     node, version, KVM_API_VERSION);
}

int vmm_cap(int fd, int cap)
{
	int ret = ioctl(fd, KVM_CHECK_EXTENSION, cap);

	return ret < 0 ? 0 : ret;
}

static int create_fault(int errnum, struct error *err)
{
	switch (errnum) {
	case EBUSY:
		return fault(err, EX_UNAVAILABLE,
			     "another hypervisor holds the processor: see what vmctl doctor says");
	case ENODEV:
	case EOPNOTSUPP:
	case EIO:
		return fault_errno(err, EX_UNAVAILABLE, errnum,
				   "the processor refuses to virtualize (see vmctl doctor)");
	default:
		return fault_errno(err, EX_OSERR, errnum, "cannot create a VM");
	}
}

/* What vmctl cannot do without. */
static int check_caps(int sys, struct error *err)
{
	static const struct {
		int cap;
		const char *name;
	} needed[] = {
		{ KVM_CAP_USER_MEMORY, "user memory" },
		{ KVM_CAP_IRQCHIP, "interrupt controllers" },
		{ KVM_CAP_PIT2, "timer" },
		{ KVM_CAP_EXT_CPUID, "CPUID" },
		{ KVM_CAP_IMMEDIATE_EXIT, "immediate exit" },
	};
	unsigned int i;

	for (i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		if (!vmm_cap(sys, needed[i].cap))
			return fault(err, EX_UNAVAILABLE, "the hypervisor lacks a capability: %s",
				     needed[i].name);
	}
	return 0;
}

int vmm_vm_create(struct vmm_vm *vm, int sys, struct error *err)
{
	int size;

	vm->sys = sys;
	if (check_caps(sys, err))
		return -1;
	do {
		vm->fd = ioctl(sys, KVM_CREATE_VM, 0);
	} while (vm->fd < 0 && errno == EINTR);
	if (vm->fd < 0)
		return create_fault(errno, err);
	size = ioctl(sys, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (size < (int)sizeof(struct kvm_run))
		return fault(err, EX_OSERR,
			     "the kernel shares %d bytes per vCPU, at least %zu are needed", size,
			     sizeof(struct kvm_run));
	vm->run_size = (size_t)size;
	return 0;
}

int vmm_vm_name(struct vmm_vm *vm, const char *name, uint64_t *id, struct error *err)
{
	struct vmm_name arg = { 0 };
	int ret;

	strncpy(arg.name, name, sizeof(arg.name) - 1);
	ret = ioctl(vm->fd, VMM_SET_NAME, &arg);
	/* In-tree KVM has neither. */
	if (ret && errno == ENOTTY)
		ret = 0;
	if (id)
		*id = arg.id;
	if (!ret)
		return 0;
	if (errno == EEXIST)
		return fault(err, EX_TEMPFAIL, "a VM called %s is running already", name);
	return fault_errno(err, EX_OSERR, errno, "name %s", name);
}

int vmm_vm_power_button(struct vmm_vm *vm, struct error *err)
{
	struct kvm_enable_cap cap = { .cap = VMM_CAP_POWER_BUTTON, .args[0] = 1 };

	if (!vmm_cap(vm->fd, VMM_CAP_POWER_BUTTON) || !ioctl(vm->fd, KVM_ENABLE_CAP, &cap))
		return 0;
	return fault_errno(err, EX_OSERR, errno, "cannot have a power button");
}

void vmm_vm_given(struct vmm_vm *vm, uint64_t bytes)
{
	(void)ioctl(vm->fd, VMM_SET_GIVEN, &bytes);
}

void vmm_vm_close(struct vmm_vm *vm)
{
	if (vm->fd >= 0)
		close(vm->fd);
	if (vm->sys >= 0)
		close(vm->sys);
	vm->fd = -1;
	vm->sys = -1;
}

int vmm_vm_pc(struct vmm_vm *vm, uint64_t tss, uint64_t identity, struct error *err)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };

	/* Only Intel processors without unrestricted guests need these two. */
	if (ioctl(vm->fd, KVM_SET_TSS_ADDR, tss) && errno != ENOTTY && errno != EINVAL)
		return fault_errno(err, EX_OSERR, errno, "cannot place the TSS");
	if (ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity) && errno != ENOTTY &&
	    errno != EINVAL)
		return fault_errno(err, EX_OSERR, errno, "cannot place the identity page");
	if (ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0))
		return fault_errno(err, EX_OSERR, errno, "cannot create interrupt controllers");
	if (ioctl(vm->fd, KVM_CREATE_PIT2, &pit))
		return fault_errno(err, EX_OSERR, errno, "cannot create the timer");
	return 0;
}

static int set_region(struct vmm_vm *vm, const struct kvm_userspace_memory_region *region,
		      struct error *err)
{
	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, region))
		return fault_errno(err, EX_OSERR, errno,
				   "cannot give the guest %#llx bytes of memory at %#llx",
				   (unsigned long long)region->memory_size,
				   (unsigned long long)region->guest_phys_addr);
	return 0;
}

int vmm_vm_memory(struct vmm_vm *vm, unsigned int slot, uint64_t gpa, uint64_t size, void *hva,
		  struct error *err)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)hva,
	};

	return set_region(vm, &region, err);
}

int vmm_vm_rom(struct vmm_vm *vm, unsigned int slot, uint64_t gpa, uint64_t size, void *hva,
	       struct error *err)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.flags = KVM_MEM_READONLY,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)hva,
	};

	return set_region(vm, &region, err);
}

int vmm_irq_line(struct vmm_vm *vm, unsigned int gsi, bool level)
{
	struct kvm_irq_level irq = { .irq = gsi, .level = level };

	return ioctl(vm->fd, KVM_IRQ_LINE, &irq) ? -errno : 0;
}

int vmm_signal_msi(struct vmm_vm *vm, uint64_t addr, uint32_t data)
{
	struct kvm_msi msi = {
		.address_lo = (uint32_t)addr,
		.address_hi = (uint32_t)(addr >> 32),
		.data = data,
	};

	return ioctl(vm->fd, KVM_SIGNAL_MSI, &msi) < 0 ? -errno : 0;
}

int vmm_doorbell(struct vmm_vm *vm, uint64_t addr, int fd, bool on)
{
	struct kvm_ioeventfd bell = {
		.addr = addr,
		.len = 2,
		.fd = fd,
		.flags = on ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN,
	};

	return ioctl(vm->fd, KVM_IOEVENTFD, &bell) ? -errno : 0;
}

int vmm_set_routes(struct vmm_vm *vm, const struct kvm_irq_routing *table)
{
	return ioctl(vm->fd, KVM_SET_GSI_ROUTING, table) ? -errno : 0;
}

int vmm_irqfd(struct vmm_vm *vm, unsigned int gsi, int fd, bool on)
{
	struct kvm_irqfd irqfd = {
		.fd = (uint32_t)fd,
		.gsi = gsi,
		.flags = on ? 0 : KVM_IRQFD_FLAG_DEASSIGN,
	};

	return ioctl(vm->fd, KVM_IRQFD, &irqfd) ? -errno : 0;
}

struct kvm_cpuid2 *vmm_supported_cpuid(int sys, struct error *err)
{
	struct kvm_cpuid2 *cpuid;

	cpuid = calloc(1, sizeof(*cpuid) + VMM_CPUID_MAX * sizeof(cpuid->entries[0]));
	if (!cpuid) {
		fault(err, EX_OSERR, "out of memory");
		return NULL;
	}
	cpuid->nent = VMM_CPUID_MAX;
	if (ioctl(sys, KVM_GET_SUPPORTED_CPUID, cpuid)) {
		fault_errno(err, EX_OSERR, errno, "cannot ask for the supported CPUID");
		free(cpuid);
		return NULL;
	}
	return cpuid;
}

int vmm_vcpu_create(struct vmm_vm *vm, struct vmm_vcpu *vcpu, unsigned int id, struct error *err)
{
	vcpu->fd = ioctl(vm->fd, KVM_CREATE_VCPU, (unsigned long)id);
	if (vcpu->fd < 0)
		return fault_errno(err, EX_OSERR, errno, "cannot create vCPU %u", id);
	vcpu->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED) {
		vcpu->run = NULL;
		return fault_errno(err, EX_OSERR, errno, "cannot map vCPU %u", id);
	}
	vcpu->run_size = vm->run_size;
	return 0;
}

void vmm_vcpu_close(struct vmm_vcpu *vcpu)
{
	if (vcpu->run)
		munmap(vcpu->run, vcpu->run_size);
	if (vcpu->fd >= 0)
		close(vcpu->fd);
	vcpu->run = NULL;
	vcpu->fd = -1;
}
