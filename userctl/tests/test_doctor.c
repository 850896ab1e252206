// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "../doctor.h"
#include "tap.h"

static struct doctor_check checks[DOCTOR_CHECKS];

static struct doctor_facts healthy(void)
{
	return (struct doctor_facts){
		.model = "Some Processor",
		.cpuid_svm = true,
		.flag_svm = true,
		.features = YES,
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
		.lockdown = "none",
		.memory_limit = UINT64_MAX,
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
	CHECK_EQ(doctor_judge(&f, checks), 1);
	CHECK_EQ(check("cpu")->state, DOCTOR_FAIL);
	CHECK_HAS(check("cpu")->detail, "switched it off");
	CHECK_HAS(check("cpu")->remedy, "firmware");
	f.cpuid_svm = false;
	f.in_vm = true;
	CHECK_EQ(doctor_judge(&f, checks), 1);
	CHECK_HAS(check("cpu")->remedy, "nested");
}

static void nested(void)
{
	struct doctor_facts f = healthy();

	f.in_vm = true;
	CHECK_EQ(doctor_judge(&f, checks), 0);
	CHECK_HAS(check("cpu")->detail, "nested");
	f.features = NO;
	CHECK_EQ(doctor_judge(&f, checks), 1);
	CHECK_HAS(check("features")->remedy, "host");
}

static void missing_features(void)
{
	struct doctor_facts f = healthy();

	f.features = NO;
	strcpy(f.missing, "VPID, INVEPT");
	CHECK_EQ(doctor_judge(&f, checks), 1);
	CHECK_EQ(check("features")->state, DOCTOR_FAIL);
	CHECK_HAS(check("features")->detail, "VPID, INVEPT");
	f.features = UNKNOWN;
	CHECK_EQ(doctor_judge(&f, checks), 0);
	CHECK_EQ(check("features")->state, DOCTOR_UNKNOWN);
}

static void signed_modules(void)
{
	struct doctor_facts f = healthy();

	strcpy(f.lockdown, "integrity");
	/* It has been loaded, so it is signed. */
	CHECK_EQ(doctor_judge(&f, checks), 0);
	f.module = false;
	f.node_errno = ENOENT;
	f.api = -1;
	CHECK_EQ(doctor_judge(&f, checks), 1);
	CHECK_EQ(check("kernel")->state, DOCTOR_FAIL);
	CHECK_HAS(check("kernel")->detail, "integrity");
	CHECK_HAS(check("kernel")->remedy, "mokutil");
	strcpy(f.lockdown, "none");
	doctor_judge(&f, checks);
	CHECK_EQ(check("kernel")->state, DOCTOR_OK);
	f.sig_enforce = true;
	doctor_judge(&f, checks);
	CHECK_EQ(check("kernel")->state, DOCTOR_FAIL);
	CHECK_HAS(check("kernel")->detail, "sig_enforce");
	f.sig_enforce = false;
	f.secure_boot = true;
	f.lockdown[0] = '\0';
	doctor_judge(&f, checks);
	CHECK_EQ(check("kernel")->state, DOCTOR_UNKNOWN);
	CHECK_HAS(check("kernel")->remedy, "Secure Boot");
}

static void other_kernels(void)
{
	static const char *const known[] = { "6.1.0-56-amd64", "6.12.1", "6.6" };
	static const char *const unknown[] = { "5.10.0", "6.0.19", "6.13", "7.0.1", "" };
	struct doctor_facts f = healthy();
	unsigned int i;

	for (i = 0; i < 3; i++) {
		strcpy(f.release, known[i]);
		CHECK_EQ(doctor_judge(&f, checks), 0);
		CHECK_EQ(check("kernel")->state, DOCTOR_OK);
	}
	for (i = 0; i < 5; i++) {
		strcpy(f.release, unknown[i]);
		CHECK_EQ(doctor_judge(&f, checks), 0);
		CHECK_EQ(check("kernel")->state, DOCTOR_WARN);
	}
}

static void little_memory(void)
{
	struct doctor_facts f = healthy();

	f.memory_limit = 100ULL << 20;
	CHECK_EQ(doctor_judge(&f, checks), 0);
	CHECK_EQ(check("cgroup")->state, DOCTOR_WARN);
	CHECK_HAS(check("cgroup")->detail, "100M");
	f.memory_limit = 4ULL << 30;
	doctor_judge(&f, checks);
	CHECK_EQ(check("cgroup")->state, DOCTOR_OK);
	CHECK_HAS(check("cgroup")->detail, "4G");
}

static void locked_firmware(void)
{
	struct doctor_facts f = healthy();

	f.firmware = NO;
	CHECK_EQ(doctor_judge(&f, checks), 1);
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
	CHECK_EQ(doctor_judge(&f, checks), 1);
	CHECK_HAS(check("module")->remedy, "insmod");
	CHECK_EQ(check("device")->state, DOCTOR_FAIL);
}

static void no_permission(void)
{
	struct doctor_facts f = healthy();

	f.node_errno = EACCES;
	f.api = -1;
	CHECK_EQ(doctor_judge(&f, checks), 1);
	CHECK_HAS(check("device")->remedy, "kvm");
}

static void rival_holds_cpu(void)
{
	struct doctor_facts f = healthy();

	f.rivals[0].users = 0;
	CHECK_EQ(doctor_judge(&f, checks), 0);
	CHECK_EQ(check("others")->state, DOCTOR_OK);
	/* It has users, but no VM. */
	f.rivals[0].users = 3;
	CHECK_EQ(doctor_judge(&f, checks), 0);
	f.vm_errno = EBUSY;
	CHECK_EQ(doctor_judge(&f, checks), 1);
	CHECK_EQ(check("others")->state, DOCTOR_FAIL);
	CHECK_HAS(check("others")->remedy, "kvm_amd");
	CHECK_EQ(check("vm")->state, DOCTOR_FAIL);
	f.rivals[0].users = 0;
	f.kvm_holds_at_load = true;
	doctor_judge(&f, checks);
	CHECK_EQ(check("others")->state, DOCTOR_FAIL);
	CHECK_HAS(check("others")->remedy, "enable_virt_at_load");
	/* The user wants it. */
	f.module = false;
	f.vm_errno = 0;
	CHECK_EQ(doctor_judge(&f, checks), 0);
}

static void wrong_device(void)
{
	struct doctor_facts f = healthy();

	f.api = -1;
	CHECK_EQ(doctor_judge(&f, checks), 1);
	CHECK_EQ(check("api")->state, DOCTOR_FAIL);
	f.api = 13;
	CHECK_EQ(doctor_judge(&f, checks), 1);
}

/* ---- gathering, from a made-up machine ---- */

static char root[sizeof("/tmp/vmctl-doctor-XXXXXX")];

static void write_at(const char *path, off_t at, const void *data, size_t len)
{
	char full[512];
	int fd;

	snprintf(full, sizeof(full), "%s%s", root, path);
	fd = open(full, O_WRONLY | O_CREAT, 0600);
	CHECK(fd >= 0);
	CHECK_EQ(pwrite(fd, data, len, at), len);
	close(fd);
}

static void write_file(const char *path, const char *text)
{
	char full[512];

	snprintf(full, sizeof(full), "%s%s", root, path);
	unlink(full);
	write_at(path, 0, text, strlen(text));
}

/* Eight bytes an MSR: the device's own would overlap in a file. */
static void write_msr(uint32_t msr, uint64_t value)
{
	write_at("/dev/cpu/0/msr", (off_t)msr * 8, &value, 8);
}

static void write_cpuid(uint32_t leaf, uint32_t ecx)
{
	uint32_t reg[4] = { 0, 0, ecx, 0 };

	write_at("/dev/cpu/0/cpuid", (off_t)leaf * 16, reg, sizeof(reg));
}

static void make_root(void)
{
	static const char *const dirs[] = {
		"/proc/self",
		"/proc/sys/kernel",
		"/dev/cpu/0",
		"/sys/module/vmm",
		"/sys/module/kvm_amd",
		"/sys/module/module/parameters",
		"/sys/firmware/efi/efivars",
		"/sys/kernel/security",
		"/sys/kernel/mm/transparent_hugepage",
		"/sys/fs/cgroup/a/b",
		"/sys/fs/cgroup/memory/c",
	};
	char command[600];
	unsigned int i;

	strcpy(root, "/tmp/vmctl-doctor-XXXXXX");
	CHECK(mkdtemp(root));
	for (i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(command, sizeof(command), "mkdir -p '%s%s'", root, dirs[i]);
		CHECK_EQ(system(command), 0);
	}
}

static void remove_root(void)
{
	char command[600];

	snprintf(command, sizeof(command), "rm -r '%s'", root);
	CHECK_EQ(system(command), 0);
}

static void gathers_amd(void)
{
	struct doctor_facts f;

	make_root();
	write_file("/proc/cpuinfo",
		   "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD Test\n"
		   "flags\t\t: fpu svm npt nrip_save svm_lock\n\nprocessor\t: 1\nflags\t: vmx\n");
	write_file("/sys/module/kvm_amd/refcnt", "2\n");
	doctor_gather(&f, root, "/nowhere/vmm");
	CHECK(f.flag_svm && f.cpuid_svm && f.nrips);
	CHECK(!f.flag_vmx && !f.cpuid_vmx && !f.in_vm);
	CHECK(!strcmp(f.model, "AMD Test"));
	CHECK_EQ(f.features, YES);
	CHECK_EQ(f.firmware, UNKNOWN);
	CHECK(f.module);
	CHECK_EQ(f.rivals[0].users, 2);
	CHECK_EQ(f.rivals[1].users, -1);
	CHECK_EQ(f.node_errno, ENOENT);
	write_msr(0xc0010114, 0x8);
	doctor_gather(&f, root, "/dev/null");
	CHECK_EQ(f.firmware, YES);
	CHECK_EQ(f.node_errno, 0);
	CHECK_EQ(f.node_type, 'c');
	CHECK_EQ(f.api, -1);
	write_msr(0xc0010114, 0x18);
	write_file("/proc/cpuinfo", "flags\t\t: fpu svm hypervisor\n");
	doctor_gather(&f, root, "/dev/null");
	CHECK_EQ(f.firmware, NO);
	CHECK(f.in_vm);
	CHECK_EQ(f.features, NO);
	CHECK_HAS(f.missing, "NPT");
	remove_root();
}

/* All that a processor with every feature says. */
static void write_vmx_msrs(void)
{
	uint32_t msr;

	for (msr = 0x480; msr <= 0x491; msr++)
		write_msr(msr, ~0ULL);
	write_msr(0x3a, 5);
}

static void gathers_intel(void)
{
	struct doctor_facts f;

	make_root();
	write_file("/proc/cpuinfo", "flags\t\t: fpu vmx\nvmx flags\t: vnmi vtpr ept vpid\n\n");
	doctor_gather(&f, root, "/nowhere/vmm");
	CHECK(f.flag_vmx && f.cpuid_vmx && !f.cpuid_svm);
	CHECK_EQ(f.features, NO);
	CHECK(!strcmp(f.missing, "unrestricted guests"));
	CHECK_EQ(f.firmware, UNKNOWN);
	/* The MSRs know better. */
	write_vmx_msrs();
	doctor_gather(&f, root, "/nowhere/vmm");
	CHECK_EQ(f.features, YES);
	CHECK(!*f.missing);
	CHECK_EQ(f.firmware, YES);
	/* Firmware that locked nothing leaves it to the module. */
	write_msr(0x3a, 0);
	doctor_gather(&f, root, "/nowhere/vmm");
	CHECK_EQ(f.firmware, YES);
	write_msr(0x482, ~(1ULL << 63));
	write_msr(0x48b, ~(1ULL << 37));
	write_msr(0x48c, ~(1ULL << 6));
	doctor_gather(&f, root, "/nowhere/vmm");
	CHECK(!strcmp(f.missing, "secondary controls, VPID, EPT of 4 levels"));
	remove_root();
}

/* The kernel takes the flag away then; CPUID still has it. */
static void gathers_locked_intel(void)
{
	struct doctor_facts f;

	make_root();
	write_file("/proc/cpuinfo", "model name\t: Test\nflags\t\t: fpu\n");
	doctor_gather(&f, root, "/nowhere/vmm");
	CHECK(!f.cpuid_vmx && !f.cpuid_svm);
	write_cpuid(1, 1 << 5);
	write_vmx_msrs();
	write_msr(0x3a, 1);
	doctor_gather(&f, root, "/nowhere/vmm");
	CHECK(f.cpuid_vmx && !f.flag_vmx);
	CHECK_EQ(f.firmware, NO);
	CHECK_EQ(doctor_judge(&f, checks), 1);
	CHECK_HAS(check("cpu")->detail, "switched it off");
	CHECK_EQ(check("firmware")->state, DOCTOR_FAIL);
	remove_root();
}

#define EFI_VARS    "/sys/firmware/efi/efivars/"
#define SECURE_BOOT "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"

static void gathers_kernel(void)
{
	static const char var[] = EFI_VARS SECURE_BOOT;
	struct doctor_facts f;

	make_root();
	doctor_gather(&f, root, "/nowhere/vmm");
	CHECK(!f.secure_boot && !f.sig_enforce && !*f.lockdown);
	CHECK_EQ(f.thp, UNKNOWN);
	CHECK_EQ(f.memory_limit, UINT64_MAX);
	write_file("/proc/sys/kernel/osrelease", "6.1.0-test\n");
	write_file("/sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
	write_file("/sys/module/module/parameters/sig_enforce", "Y\n");
	write_file("/sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n");
	write_at(var, 0, "\x06\0\0\0\x01", 5);
	doctor_gather(&f, root, "/nowhere/vmm");
	CHECK(!strcmp(f.release, "6.1.0-test"));
	CHECK(!strcmp(f.lockdown, "integrity"));
	CHECK(f.sig_enforce);
	CHECK(f.secure_boot);
	CHECK_EQ(f.thp, NO);
	write_at(var, 4, "\0", 1);
	write_file("/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
	doctor_gather(&f, root, "/nowhere/vmm");
	CHECK(!f.secure_boot);
	CHECK_EQ(f.thp, YES);
	remove_root();
}

static void gathers_cgroup(void)
{
	struct doctor_facts f;

	make_root();
	write_file("/proc/self/cgroup", "0::/a/b\n");
	write_file("/sys/fs/cgroup/a/b/memory.max", "max\n");
	doctor_gather(&f, root, "/nowhere/vmm");
	CHECK_EQ(f.memory_limit, UINT64_MAX);
	/* The one above counts too. */
	write_file("/sys/fs/cgroup/a/memory.max", "1048576\n");
	doctor_gather(&f, root, "/nowhere/vmm");
	CHECK_EQ(f.memory_limit, 1048576);
	write_file("/proc/self/cgroup", "3:cpu:/x\n7:memory:/c\n0::/\n");
	write_file("/sys/fs/cgroup/memory/c/memory.limit_in_bytes", "9223372036854771712\n");
	doctor_gather(&f, root, "/nowhere/vmm");
	CHECK_EQ(f.memory_limit, UINT64_MAX);
	write_file("/sys/fs/cgroup/memory/c/memory.limit_in_bytes", "4096\n");
	doctor_gather(&f, root, "/nowhere/vmm");
	CHECK_EQ(f.memory_limit, 4096);
	remove_root();
}

TAP_MAIN(TEST(all_good), TEST(no_virtualization), TEST(nested), TEST(missing_features),
	 TEST(locked_firmware), TEST(signed_modules), TEST(other_kernels), TEST(little_memory),
	 TEST(no_module), TEST(no_permission), TEST(rival_holds_cpu), TEST(wrong_device),
	 TEST(gathers_amd), TEST(gathers_intel), TEST(gathers_locked_intel), TEST(gathers_kernel),
	 TEST(gathers_cgroup));
