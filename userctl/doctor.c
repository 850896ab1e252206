// SPDX-License-Identifier: GPL-2.0
#include "doctor.h"

#include <jansson.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sysexits.h>

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
		judge(c, "cpu", DOCTOR_OK, "%s, %s", f->model, ext);
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
		       "this machine is a VM: have its host pass virtualization on (nested, such as -cpu host), or use an emulated host (make demo)");
	else
		advise(c,
		       "enable virtualization in the firmware setup; if it has no such item, use an emulated host (make demo)");
}

static void judge_paging(const struct doctor_facts *f, struct doctor_check *c)
{
	bool intel = f->flag_vmx;

	if (!f->flag_svm && !f->flag_vmx) {
		judge(c, "paging", DOCTOR_UNKNOWN, "no virtualization, so no nested paging");
		return;
	}
	if (!f->nested_paging) {
		judge(c, "paging", DOCTOR_FAIL, "no nested paging (%s)", intel ? "EPT" : "NPT");
		advise(c, "none: there is no fallback to shadow paging");
		return;
	}
	if (intel && !f->unrestricted) {
		judge(c, "paging", DOCTOR_FAIL, "EPT, but no unrestricted guests");
		advise(c, "none: processors before Westmere are not supported");
		return;
	}
	judge(c, "paging", DOCTOR_OK, "%s",
	      intel      ? "EPT, unrestricted guests"
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
		advise(c, "as root, with the msr driver loaded (modprobe msr), it can");
		break;
	}
}

static void judge_module(const struct doctor_facts *f, struct doctor_check *c)
{
	/* Another hypervisor with the same interface was asked for by name. */
	bool other = !f->module && f->api >= 0;

	if (f->module || other) {
		judge(c, "module", DOCTOR_OK, "%s, kernel %s",
		      other ? "not loaded, the device belongs to another driver" : "vmm is loaded",
		      f->release);
		return;
	}
	judge(c, "module", DOCTOR_FAIL, "vmm is not loaded, kernel %s", f->release);
	advise(c, "insmod vmm.ko, or after make modules_install: modprobe vmm");
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

static void judge_rivals(const struct doctor_facts *f, struct doctor_check *c)
{
	const struct rival *r, *loaded = NULL;
	bool holds;

	for (r = f->rivals; r < f->rivals + RIVALS; r++) {
		if (!r->name || r->users < 0)
			continue;
		loaded = r;
		holds = r->users > 0 || (is_kvm(r) && f->kvm_holds_at_load);
		if (!holds)
			continue;
		judge(c, "others", f->module ? DOCTOR_WARN : DOCTOR_OK,
		      "%s is loaded and has %d users: it may hold the processor", r->name,
		      r->users);
		if (f->module)
			advise(c, "end its VMs, then rmmod %s", r->name);
		return;
	}
	if (loaded)
		judge(c, "others", DOCTOR_OK, "%s is loaded, but not in use", loaded->name);
	else
		judge(c, "others", DOCTOR_OK, "no other hypervisor is loaded");
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
	bool denied = f->node_errno == EACCES || f->node_errno == EPERM;
	unsigned int i, failed = 0;

	judge_cpu(f, &checks[0]);
	judge_paging(f, &checks[1]);
	judge_firmware(f, &checks[2]);
	judge_module(f, &checks[3]);
	judge_device(f, &checks[4]);
	judge_api(f, &checks[5]);
	judge_rivals(f, &checks[6]);
	judge_vm(f, &checks[7]);
	judge_memory(f, &checks[8]);

	for (i = 0; i < DOCTOR_CHECKS; i++)
		failed += checks[i].state == DOCTOR_FAIL;
	if (!failed)
		return 0;
	return failed == 1 && denied ? EX_NOPERM : EX_UNAVAILABLE;
}

static const char *state_name(enum doctor_state state)
{
	static const char *const name[] = { "ok", "warn", "unknown", "fail" };

	return name[state];
}

void doctor_print(FILE *out, const struct doctor_check *checks, int status)
{
	unsigned int i;

	for (i = 0; i < DOCTOR_CHECKS; i++) {
		fprintf(out, "%-9s %-8s %s\n", checks[i].name, state_name(checks[i].state),
			checks[i].detail);
		if (*checks[i].remedy)
			fprintf(out, "%-18s -> %s\n", "", checks[i].remedy);
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
