// SPDX-License-Identifier: GPL-2.0
#include "doctor.h"

#include <jansson.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "units.h"
#include "vmctl.h"

static void say(char *buf, size_t len, const char *fmt, va_list ap)
{
	vsnprintf(buf, len, fmt, ap);
}

__attribute__((format(printf, 4, 5))) static void
judge(struct doctor_check *c, const char *name, enum doctor_state state, const char *fmt, ...)
{
	va_list ap;

	c->name = name;
	c->state = state;
	c->remedy[0] = '\0';
	va_start(ap, fmt);
	say(c->detail, sizeof(c->detail), fmt, ap);
	va_end(ap);
}

__attribute__((format(printf, 2, 3))) static void advise(struct doctor_check *c, const char *fmt,
							 ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(c->remedy, sizeof(c->remedy), fmt, ap);
	va_end(ap);
}

static void judge_cpu(const struct doctor_facts *f, struct doctor_check *c)
{
	bool cpuid = f->cpuid_svm || f->cpuid_vmx, flag = f->flag_svm || f->flag_vmx;
	const char *ext = f->cpuid_svm || f->flag_svm ? "SVM" : "VMX";

	if (flag) {
		judge(c, "cpu", DOCTOR_OK, "%s, %s%s", f->model, ext,
		      f->in_vm ? ", nested: this machine is a VM itself" : "");
		return;
	}
	if (cpuid) {
		judge(c, "cpu", DOCTOR_FAIL, "%s has %s, but the kernel has switched it off",
		      f->model, ext);
		advise(c, "enable virtualization in the firmware setup");
		return;
	}
	judge(c, "cpu", DOCTOR_FAIL, "%s has neither SVM nor VMX", f->model);
	if (f->in_vm)
		advise(c,
		       "this machine is a VM: have its host pass virtualization on (nested virtualization: kvm_intel or kvm_amd with nested=1, and such as -cpu host), or use an emulated host (make demo)");
	else
		advise(c,
		       "enable virtualization in the firmware setup; if it has no such item, use an emulated host (make demo)");
}

static void judge_features(const struct doctor_facts *f, struct doctor_check *c)
{
	bool intel = f->cpuid_vmx || f->flag_vmx;

	if (f->features == UNKNOWN) {
		judge(c, "features", DOCTOR_UNKNOWN, "cannot be told");
		return;
	}
	if (f->features == NO) {
		judge(c, "features", DOCTOR_FAIL, "the processor lacks: %s", f->missing);
		if (f->in_vm)
			advise(c, "have this VM's host pass them on (such as -cpu host)");
		else
			advise(c, "none: there is no fallback for old processors");
		return;
	}
	judge(c, "features", DOCTOR_OK, "%s",
	      intel      ? "EPT, VPID, unrestricted guests"
	      : f->nrips ? "NPT, next RIP saving"
			 : "NPT (no next RIP saving: instructions are decoded instead)");
}

static void judge_firmware(const struct doctor_facts *f, struct doctor_check *c)
{
	switch (f->firmware) {
	case YES:
		judge(c, "firmware", DOCTOR_OK, "allows virtualization");
		break;
	case NO:
		judge(c, "firmware", DOCTOR_FAIL, "has disabled and locked virtualization");
		advise(c, "enable SVM or VT-x in the firmware setup, then switch off and on");
		break;
	default:
		judge(c, "firmware", DOCTOR_UNKNOWN, "cannot be asked");
		if (!f->cpuid_svm && !f->cpuid_vmx)
			break;
		advise(c, "as root, with the msr driver loaded (modprobe msr), it can");
		break;
	}
}

static bool kernel_known(const struct doctor_facts *f)
{
	int major, minor;

	return sscanf(f->release, "%d.%d", &major, &minor) == 2 && major == 6 && minor >= 1 &&
	       minor <= 12;
}

/* Would this kernel load a module that was built here? */
static void judge_kernel(const struct doctor_facts *f, struct doctor_check *c)
{
	bool locked = f->sig_enforce || (*f->lockdown && strcmp(f->lockdown, "none"));
	bool maybe = !*f->lockdown && f->secure_boot;

	if (f->module || (!locked && !maybe)) {
		judge(c, "kernel", kernel_known(f) ? DOCTOR_OK : DOCTOR_WARN,
		      "%s, loads %smodules%s", f->release, locked ? "signed " : "",
		      kernel_known(f) ? "" : "; vmm is tested on 6.1 and 6.12");
		return;
	}
	judge(c, "kernel", locked ? DOCTOR_FAIL : DOCTOR_UNKNOWN, "%s %s signed modules only%s%s%s",
	      f->release, locked ? "loads" : "may load", f->sig_enforce ? ", sig_enforce" : "",
	      *f->lockdown ? ", lockdown " : "", f->lockdown);
	advise(c, "sign vmm.ko with a key enrolled by mokutil --import%s",
	       f->secure_boot ? ", or switch Secure Boot off in the firmware setup" : "");
}

static void judge_module(const struct doctor_facts *f, struct doctor_check *c)
{
	if (f->module) {
		judge(c, "module", DOCTOR_OK, "vmm is loaded");
	} else if (f->api >= 0) {
		/* Another hypervisor with the same interface was asked for by name. */
		judge(c, "module", DOCTOR_OK,
		      "vmm is not loaded, the device belongs to another driver");
	} else {
		judge(c, "module", DOCTOR_FAIL, "vmm is not loaded");
		advise(c, "insmod vmm.ko, or after make modules_install: modprobe vmm");
	}
}

static void judge_device(const struct doctor_facts *f, struct doctor_check *c)
{
	if (f->node_type == '-') {
		judge(c, "device", DOCTOR_FAIL, "%s does not exist", f->node);
		advise(c, "load the module; it creates the node");
	} else if (f->node_type != 'c') {
		judge(c, "device", DOCTOR_FAIL, "%s is not a device", f->node);
		advise(c, "remove it and load the module again");
	} else if (f->node_errno == EACCES || f->node_errno == EPERM) {
		judge(c, "device", DOCTOR_FAIL, "%s: no permission (mode %03o, group %s)", f->node,
		      f->node_mode, f->node_group);
		advise(c,
		       "join the group %s (usermod -aG %s USER) and log in again, or run as root",
		       f->node_group, f->node_group);
	} else if (f->node_errno) {
		judge(c, "device", DOCTOR_FAIL, "%s: %s", f->node, strerror(f->node_errno));
		advise(c, "load the module");
	} else {
		judge(c, "device", DOCTOR_OK, "%s (mode %03o, group %s)", f->node, f->node_mode,
		      f->node_group);
	}
}

static void judge_api(const struct doctor_facts *f, struct doctor_check *c)
{
	if (f->node_errno || f->node_type != 'c') {
		judge(c, "api", DOCTOR_UNKNOWN, "the device cannot be opened");
		return;
	}
	if (f->api == 12) {
		judge(c, "api", DOCTOR_OK, "version 12, up to %d vCPUs in a VM", f->max_vcpus);
		return;
	}
	if (f->api < 0)
		judge(c, "api", DOCTOR_FAIL, "%s is not the device of a hypervisor", f->node);
	else
		judge(c, "api", DOCTOR_FAIL, "version %d, 12 is needed", f->api);
	advise(c, "name the right node with --device or VMM_DEV");
}

static bool is_kvm(const struct rival *r)
{
	return !strncmp(r->name, "kvm_", 4);
}

/* Who holds the processor, or would as soon as it has a VM: NULL for nobody. */
static const struct rival *find_rival(const struct doctor_facts *f, bool *holds)
{
	const struct rival *r, *loaded = NULL;

	*holds = false;
	for (r = f->rivals; r < f->rivals + RIVALS; r++) {
		if (!r->name || r->users < 0)
			continue;
		loaded = r;
		*holds = r->users > 0 || (is_kvm(r) && f->kvm_holds_at_load);
		if (*holds)
			return r;
	}
	return loaded;
}

static void judge_rivals(const struct doctor_facts *f, struct doctor_check *c)
{
	bool asked = !f->module && f->api >= 0, holds;
	const struct rival *r = find_rival(f, &holds);

	if (!r) {
		judge(c, "others", DOCTOR_OK, "no other hypervisor is loaded");
		return;
	}
	if (!holds) {
		judge(c, "others", DOCTOR_OK, "%s is loaded, but not in use", r->name);
		return;
	}
	if (asked || (f->api >= 0 && !f->vm_errno)) {
		judge(c, "others", DOCTOR_OK, "%s is in use", r->name);
		return;
	}
	judge(c, "others", DOCTOR_FAIL, "%s holds the processor (%d users)", r->name, r->users);
	advise(c, "end its VMs, then rmmod %s%s", r->name,
	       is_kvm(r) && f->kvm_holds_at_load ? ", or load kvm with enable_virt_at_load=0" : "");
}

static void judge_vm(const struct doctor_facts *f, struct doctor_check *c)
{
	if (f->api != 12) {
		judge(c, "vm", DOCTOR_UNKNOWN, "not tried");
		return;
	}
	if (!f->vm_errno) {
		judge(c, "vm", DOCTOR_OK, "a VM can be created");
		return;
	}
	judge(c, "vm", DOCTOR_FAIL, "no VM can be created: %s", strerror(f->vm_errno));
	if (f->vm_errno == EBUSY)
		advise(c, "another hypervisor holds the processor: end its VMs, or unload it");
	else
		advise(c, "the kernel log says why (dmesg)");
}

/* Guest memory is charged to the cgroup; who exceeds it is killed. */
static void judge_cgroup(const struct doctor_facts *f, struct doctor_check *c)
{
	char size[32];

	if (f->memory_limit == UINT64_MAX) {
		judge(c, "cgroup", DOCTOR_OK, "no limit on memory");
		return;
	}
	size_print(f->memory_limit / MiB * MiB, size, sizeof(size));
	if (f->memory_limit > DEFAULT_MEMORY) {
		judge(c, "cgroup", DOCTOR_OK, "allows %s of memory to all VMs together", size);
		return;
	}
	judge(c, "cgroup", DOCTOR_WARN, "allows %s of memory only: larger VMs are killed", size);
	advise(c, "raise memory.max of the cgroup in /proc/self/cgroup and of those above it");
}

static void judge_memory(const struct doctor_facts *f, struct doctor_check *c)
{
	switch (f->thp) {
	case YES:
		judge(c, "memory", DOCTOR_OK, "transparent huge pages are available");
		break;
	case NO:
		judge(c, "memory", DOCTOR_WARN,
		      "transparent huge pages are off: guests run slower");
		advise(c, "echo madvise >/sys/kernel/mm/transparent_hugepage/enabled");
		break;
	default:
		judge(c, "memory", DOCTOR_WARN, "the kernel has no transparent huge pages");
		break;
	}
}

int doctor_judge(const struct doctor_facts *f, struct doctor_check *checks)
{
	static void (*const list[DOCTOR_CHECKS])(const struct doctor_facts *f,
						 struct doctor_check *c) = {
		judge_cpu, judge_firmware, judge_features, judge_kernel, judge_module, judge_device,
		judge_api, judge_rivals,   judge_vm,       judge_cgroup, judge_memory,
	};
	unsigned int i, failed = 0;

	for (i = 0; i < DOCTOR_CHECKS; i++) {
		list[i](f, &checks[i]);
		failed += checks[i].state == DOCTOR_FAIL;
	}
	return failed ? 1 : 0;
}

static const char *state_name(enum doctor_state state)
{
	static const char *const name[] = { "ok", "warn", "unknown", "fail" };

	return name[state];
}

void doctor_print(FILE *out, const struct doctor_check *checks, int status)
{
	static const char *const mark[] = { "ok", "--", "??", "!!" };
	unsigned int i;

	for (i = 0; i < DOCTOR_CHECKS; i++) {
		fprintf(out, "%s %-8s %s\n", mark[checks[i].state], checks[i].name,
			checks[i].detail);
		if (*checks[i].remedy)
			fprintf(out, "%11s -> %s\n", "", checks[i].remedy);
	}
	fprintf(out, "\n%s\n",
		status ? "This machine cannot run VMs as it is." : "This machine can run VMs.");
}

/* {"ready": true, "status": 0, "checks": [{"name", "state", "detail", "remedy"}]} */
void doctor_print_json(FILE *out, const struct doctor_check *checks, int status)
{
	json_t *root, *list = json_array();
	unsigned int i;

	for (i = 0; i < DOCTOR_CHECKS; i++)
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:s, s:s}", "name", checks[i].name,
						"state", state_name(checks[i].state), "detail",
						checks[i].detail, "remedy", checks[i].remedy));
	root = json_pack("{s:b, s:i, s:o}", "ready", !status, "status", status, "checks", list);
	json_dumpf(root, out, JSON_COMPACT);
	fputc('\n', out);
	json_decref(root);
}
