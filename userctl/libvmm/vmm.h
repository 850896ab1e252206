/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A thin client of the KVM userspace API (Documentation/virt/kvm/api.rst), as /dev/vmm and
 * /dev/kvm serve it. Each function is one ioctl, or the few that always go together.
 */
#ifndef VMCTL_VMM_H
#define VMCTL_VMM_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "../error.h"

#define VMM_DEVICE     "/dev/vmm"
#define VMM_DEVICE_ENV "VMM_DEV"
#define VMM_CPUID_MAX  256

/**
 * struct vmm_vm - one virtual machine
 * @sys: file descriptor of the device node, -1 when closed
 * @fd: file descriptor of the VM, -1 when closed
 * @run_size: bytes of a vCPU's shared page(s)
 */
struct vmm_vm {
	int sys;
	int fd;
	size_t run_size;
};

/**
 * struct vmm_vcpu - one virtual processor
 * @fd: file descriptor, -1 when closed
 * @run: the page(s) shared with the kernel
 * @run_size: bytes at @run
 */
struct vmm_vcpu {
	int fd;
	struct kvm_run *run;
	size_t run_size;
};

/**
 * vmm_device() - which device node to use
 * @option: what the user gave, or NULL
 *
 * Return: @option, else the environment's VMM_DEV, else /dev/vmm.
 */
const char *vmm_device(const char *option);

/**
 * vmm_open() - open the device node and check the version of the API
 * @node: path
 * @err: EX_UNAVAILABLE when there is no such device or it is not a hypervisor, EX_NOPERM with
 *	 the group to be in, EX_OSERR
 *
 * Return: file descriptor or -1.
 */
int vmm_open(const char *node, struct error *err);

/**
 * vmm_cap() - KVM_CHECK_EXTENSION
 * @fd: device node or VM
 * @cap: KVM_CAP_*
 *
 * Return: the capability's value, 0 when unknown.
 */
int vmm_cap(int fd, int cap);

/**
 * vmm_vm_create() - KVM_CREATE_VM
 * @vm: filled in; owns @sys from now on, on failure too
 * @sys: what vmm_open() returned
 * @err: EX_UNAVAILABLE when the processor cannot or another hypervisor holds it, EX_OSERR
 *
 * Return: 0 or -1.
 */
int vmm_vm_create(struct vmm_vm *vm, int sys, struct error *err);
void vmm_vm_close(struct vmm_vm *vm);

/**
 * vmm_vm_name() - VMM_SET_NAME
 * @vm: the VM
 * @name: its name
 * @id: set to its id, 0 on a hypervisor that has no names; or NULL
 * @err: EX_TEMPFAIL: another VM of the user has that name
 *
 * Return: 0 or -1.
 */
int vmm_vm_name(struct vmm_vm *vm, const char *name, uint64_t *id, struct error *err);

/**
 * vmm_vm_power_button() - have KVM_RUN tell of VMM_CMD_VM_POWER
 * @vm: the VM
 * @err: EX_OSERR
 *
 * Return: 0, also on a hypervisor that has none, or -1.
 */
int vmm_vm_power_button(struct vmm_vm *vm, struct error *err);

/*
 * vmm_vm_given() - VMM_SET_GIVEN, for whoever lists VMs: bytes, or VMM_GIVEN_UNKNOWN; not every
 * hypervisor wants to know
 */
void vmm_vm_given(struct vmm_vm *vm, uint64_t bytes);

/* Interrupt controllers and timer of a PC, and the pages that Intel processors want. */
int vmm_vm_pc(struct vmm_vm *vm, uint64_t tss, uint64_t identity, struct error *err);
int vmm_vm_memory(struct vmm_vm *vm, unsigned int slot, uint64_t gpa, uint64_t size, void *hva,
		  struct error *err);
/* Likewise what the guest cannot write; its attempts come as KVM_EXIT_MMIO. */
int vmm_vm_rom(struct vmm_vm *vm, unsigned int slot, uint64_t gpa, uint64_t size, void *hva,
	       struct error *err);
int vmm_irq_line(struct vmm_vm *vm, unsigned int gsi, bool level);
int vmm_signal_msi(struct vmm_vm *vm, uint64_t addr, uint32_t data);
/* Have 16-bit writes to memory at @addr signal the eventfd @fd, or no longer: 0 or -errno. */
int vmm_doorbell(struct vmm_vm *vm, uint64_t addr, int fd, bool on);
/* All routes of interrupts at once, and an eventfd that raises one of them: 0 or -errno. */
int vmm_set_routes(struct vmm_vm *vm, const struct kvm_irq_routing *table);
int vmm_irqfd(struct vmm_vm *vm, unsigned int gsi, int fd, bool on);
struct kvm_cpuid2 *vmm_supported_cpuid(int sys, struct error *err);

int vmm_vcpu_create(struct vmm_vm *vm, struct vmm_vcpu *vcpu, unsigned int id, struct error *err);
void vmm_vcpu_close(struct vmm_vcpu *vcpu);

/**
 * vmm_stats_sum() - add up the scalar statistics of some file descriptors
 * @fds: VM and vCPU file descriptors
 * @count: how many
 * @out: gets a line "NAME VALUE" for each name
 *
 * Return: how many names were written, -errno when the first one has no statistics.
 */
int vmm_stats_sum(const int *fds, unsigned int count, FILE *out);

#endif
