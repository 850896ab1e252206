/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Can this machine run VMs, and if not, what is to be done?
 *
 * Gathering facts and judging them are apart, so that the judgement can be tested for machines
 * that nobody has at hand.
 */
#ifndef VMCTL_DOCTOR_H
#define VMCTL_DOCTOR_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum tristate { UNKNOWN = -1, NO = 0, YES = 1 };

/**
 * struct rival - another hypervisor's module
 * @name: module name
 * @users: its reference count, -1 when it is not loaded
 */
struct rival {
	const char *name;
	int users;
};

#define RIVALS 4

/**
 * struct doctor_facts - what was found
 * @model: model name
 * @cpuid_svm: CPUID says SVM
 * @cpuid_vmx: CPUID says VMX
 * @flag_svm: /proc/cpuinfo does
 * @flag_vmx: /proc/cpuinfo does
 * @features: the processor has all that the backend requires
 * @missing: the names of what it lacks
 * @nrips: AMD's next RIP saving
 * @in_vm: this machine is itself a guest
 * @firmware: the firmware allows virtualization
 * @release: kernel release
 * @lockdown: how far the kernel is locked down: none, integrity, confidentiality;
 *	"" when it cannot be read
 * @sig_enforce: only signed modules are loaded
 * @secure_boot: the firmware's Secure Boot is on
 * @module: the module vmm is loaded
 * @node: device node asked for
 * @node_type: 'c' for a character device, '-' for nothing there, '?' for something else
 * @node_mode: its permissions
 * @node_group: its group
 * @node_errno: why it cannot be opened, 0 when it can
 * @api: version of its API, -1 when it has none
 * @vm_errno: why no VM could be created, 0 when one could
 * @max_vcpus: vCPUs per VM
 * @rivals: other hypervisors
 * @kvm_holds_at_load: in-tree KVM holds the processor as long as it is loaded
 * @memory_limit: bytes that the memory cgroup allows, UINT64_MAX for no limit
 * @thp: the host uses transparent huge pages
 */
struct doctor_facts {
	char model[96];
	bool cpuid_svm, cpuid_vmx;
	bool flag_svm, flag_vmx;
	enum tristate features;
	char missing[512];
	bool nrips;
	bool in_vm;
	enum tristate firmware;
	char release[65];
	char lockdown[32];
	bool sig_enforce, secure_boot;
	bool module;
	const char *node;
	char node_type;
	unsigned int node_mode;
	char node_group[64];
	int node_errno;
	int api;
	int vm_errno;
	int max_vcpus;
	struct rival rivals[RIVALS];
	bool kvm_holds_at_load;
	uint64_t memory_limit;
	enum tristate thp;
};

/* Nothing to do; worth knowing; not to be told from here; to be mended before VMs can run. */
enum doctor_state { DOCTOR_OK, DOCTOR_WARN, DOCTOR_UNKNOWN, DOCTOR_FAIL };

/**
 * struct doctor_check - one judgement
 * @name: short name, stable for scripts
 * @state: how it is
 * @detail: what was found
 * @remedy: what to do, empty when there is nothing
 */
struct doctor_check {
	const char *name;
	enum doctor_state state;
	char detail[768];
	char remedy[256];
};

#define DOCTOR_CHECKS 11

/**
 * doctor_gather() - look at this machine
 * @facts: filled in
 * @root: prefix of /proc, /sys and /dev/cpu, "" for this machine
 * @node: device node
 */
void doctor_gather(struct doctor_facts *facts, const char *root, const char *node);

/**
 * doctor_judge() - judge the facts
 * @facts: what was found
 * @checks: DOCTOR_CHECKS judgements
 *
 * Return: exit status: 0, or 1 when something has to be mended
 */
int doctor_judge(const struct doctor_facts *facts, struct doctor_check *checks);

void doctor_print(FILE *out, const struct doctor_check *checks, int status);
void doctor_print_json(FILE *out, const struct doctor_check *checks, int status);

#endif
