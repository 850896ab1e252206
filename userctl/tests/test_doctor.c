// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "../doctor.h"
#include "tap.h"

static struct doctor_check checks[DOCTOR_CHECKS];

static struct doctor_facts healthy(void)
{
	return (struct doctor_facts){
		.vendor = "AuthenticAMD",
		.model = "Some Processor",
		.cpuid_svm = true,
		.flag_svm = true,
		.nested_paging = true,
		.nrips = true,
		.firmware = YES,
		.release = "6.1.0",
		.module = true,
		.node = "/dev/vmm",
		.node_type = 'c',
		.node_mode = 0660,
		.node_group = "kvm",
		.api = 12,
		.max_vcpus = 64,
		.thp = YES,
		.rivals = { { "kvm_amd", -1 },
			    { "kvm_intel", -1 },
			    { "vboxdrv", -1 },
			    { "vmmon", -1 } },
	};
}

static const struct doctor_check *check(const char *name)
{
	unsigned int i;

	for (i = 0; i < DOCTOR_CHECKS; i++) {
		if (!strcmp(checks[i].name, name))
			return &checks[i];
	}
	CHECK(!"found");
	return &checks[0];
}

static void all_good(void)
{
	struct doctor_facts f = healthy();
	unsigned int i;

	CHECK_EQ(doctor_judge(&f, checks), 0);
	for (i = 0; i < DOCTOR_CHECKS; i++)
		CHECK_EQ(checks[i].state, DOCTOR_OK);
}

static void no_virtualization(void)
{
	struct doctor_facts f = healthy();

	f.flag_svm = false;
	CHECK_EQ(doctor_judge(&f, checks), EX_UNAVAILABLE);
	CHECK_EQ(check("cpu")->state, DOCTOR_FAIL);
	CHECK_HAS(check("cpu")->detail, "switched it off");
	CHECK_HAS(check("cpu")->remedy, "firmware");
	f.cpuid_svm = false;
	f.in_vm = true;
	CHECK_EQ(doctor_judge(&f, checks), EX_UNAVAILABLE);
	CHECK_HAS(check("cpu")->remedy, "nested");
}

static void no_nested_paging(void)
{
	struct doctor_facts f = healthy();

	f.nested_paging = false;
	CHECK_EQ(doctor_judge(&f, checks), EX_UNAVAILABLE);
	CHECK_EQ(check("paging")->state, DOCTOR_FAIL);
}

static void locked_firmware(void)
{
	struct doctor_facts f = healthy();

	f.firmware = NO;
	CHECK_EQ(doctor_judge(&f, checks), EX_UNAVAILABLE);
	CHECK_EQ(check("firmware")->state, DOCTOR_FAIL);
	f.firmware = UNKNOWN;
	CHECK_EQ(doctor_judge(&f, checks), 0);
	CHECK_EQ(check("firmware")->state, DOCTOR_UNKNOWN);
}

static void no_module(void)
{
	struct doctor_facts f = healthy();

	f.module = false;
	f.node_type = '-';
	f.node_errno = ENOENT;
	f.api = -1;
	CHECK_EQ(doctor_judge(&f, checks), EX_UNAVAILABLE);
	CHECK_HAS(check("module")->remedy, "insmod");
	CHECK_EQ(check("device")->state, DOCTOR_FAIL);
}

static void no_permission(void)
{
	struct doctor_facts f = healthy();

	f.node_errno = EACCES;
	f.api = -1;
	CHECK_EQ(doctor_judge(&f, checks), EX_NOPERM);
	CHECK_HAS(check("device")->remedy, "kvm");
	f.firmware = NO;
	CHECK_EQ(doctor_judge(&f, checks), EX_UNAVAILABLE);
}

static void rival_holds_cpu(void)
{
	struct doctor_facts f = healthy();

	f.rivals[0].users = 0;
	CHECK_EQ(doctor_judge(&f, checks), 0);
	CHECK_EQ(check("others")->state, DOCTOR_OK);
	f.rivals[0].users = 3;
	f.vm_errno = EBUSY;
	CHECK_EQ(doctor_judge(&f, checks), EX_UNAVAILABLE);
	CHECK_EQ(check("others")->state, DOCTOR_WARN);
	CHECK_HAS(check("others")->remedy, "kvm_amd");
	CHECK_EQ(check("vm")->state, DOCTOR_FAIL);
	f.rivals[0].users = 0;
	f.kvm_holds_at_load = true;
	doctor_judge(&f, checks);
	CHECK_EQ(check("others")->state, DOCTOR_WARN);
}

static void wrong_device(void)
{
	struct doctor_facts f = healthy();

	f.api = -1;
	CHECK_EQ(doctor_judge(&f, checks), EX_UNAVAILABLE);
	CHECK_EQ(check("api")->state, DOCTOR_FAIL);
	f.api = 13;
	CHECK_EQ(doctor_judge(&f, checks), EX_UNAVAILABLE);
}

static void write_file(const char *root, const char *path, const char *text)
{
	char full[512];
	FILE *file;

	snprintf(full, sizeof(full), "%s%s", root, path);
	file = fopen(full, "w");
	CHECK(file);
	if (!file)
		return;
	fputs(text, file);
	fclose(file);
}

/* Gathering from a made-up /proc and /sys. */
static void gathers(void)
{
	static const char *const dirs[] = {
		"/proc", "/sys",     "/sys/module", "/sys/module/vmm", "/sys/module/kvm_amd",
		"/dev",  "/dev/cpu", "/dev/cpu/0"
	};
	char root[] = "/tmp/vmctl-doctor-XXXXXX", path[512], command[600];
	struct doctor_facts f;
	unsigned int i;

	CHECK(mkdtemp(root));
	for (i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", root, dirs[i]);
		CHECK_EQ(mkdir(path, 0700), 0);
	}
	write_file(root, "/proc/cpuinfo",
		   "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD Test\n"
		   "flags\t\t: fpu svm npt nrip_save svm_lock\n\nprocessor\t: 1\nflags\t: vmx\n");
	write_file(root, "/sys/module/kvm_amd/refcnt", "2\n");
	doctor_gather(&f, root, "/nowhere/vmm");
	CHECK(f.flag_svm && f.nested_paging && f.nrips);
	CHECK(!f.flag_vmx && !f.in_vm);
	CHECK(!strcmp(f.model, "AMD Test"));
	CHECK(f.module);
	CHECK_EQ(f.rivals[0].users, 2);
	CHECK_EQ(f.rivals[1].users, -1);
	CHECK_EQ(f.firmware, UNKNOWN);
	CHECK_EQ(f.node_errno, ENOENT);
	doctor_gather(&f, root, "/dev/null");
	CHECK_EQ(f.node_errno, 0);
	CHECK_EQ(f.node_type, 'c');
	CHECK_EQ(f.api, -1);
	snprintf(command, sizeof(command), "rm -r '%s'", root);
	CHECK_EQ(system(command), 0);
}

TAP_MAIN(TEST(all_good), TEST(no_virtualization), TEST(no_nested_paging), TEST(locked_firmware),
	 TEST(no_module), TEST(no_permission), TEST(rival_holds_cpu), TEST(wrong_device),
	 TEST(gathers));
