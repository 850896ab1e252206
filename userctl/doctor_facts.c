// SPDX-License-Identifier: GPL-2.0
#include "doctor.h"

#include <cpuid.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "libvmm/vmm.h"

#define MSR_VM_CR           0xc0010114 /* AMD64 APM vol. 2, 15.30.1 */
#define VM_CR_SVMDIS        0x10ULL
#define MSR_FEATURE_CONTROL 0x3a /* Intel SDM vol. 3C, 24.7 */
#define FEATURE_LOCKED      0x1ULL
#define FEATURE_VMX         0x4ULL

static const char *const rival_names[RIVALS] = { "kvm_amd", "kvm_intel", "vboxdrv", "vmmon" };

static FILE *open_under(const char *root, const char *path)
{
	char full[512];

	snprintf(full, sizeof(full), "%s%s", root, path);
	return fopen(full, "re");
}

static bool exists_under(const char *root, const char *path)
{
	char full[512];

	snprintf(full, sizeof(full), "%s%s", root, path);
	return !access(full, F_OK);
}

/* The first line of a small file, without its newline. */
static bool read_line(const char *root, const char *path, char *buf, size_t len)
{
	FILE *file = open_under(root, path);
	bool ok;

	if (!file)
		return false;
	ok = fgets(buf, (int)len, file);
	fclose(file);
	if (ok)
		buf[strcspn(buf, "\n")] = '\0';
	return ok;
}

static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);
	const char *p = list;

	while ((p = strstr(p, word))) {
		if ((p == list || isspace((unsigned char)p[-1])) &&
		    (!p[len] || isspace((unsigned char)p[len])))
			return true;
		p += len;
	}
	return false;
}

static void parse_cpuinfo_line(struct doctor_facts *f, const char *line)
{
	const char *value = strchr(line, ':');

	if (!value)
		return;
	value++;
	if (!strncmp(line, "vendor_id", 9)) {
		snprintf(f->vendor, sizeof(f->vendor), "%.12s", value + strspn(value, " "));
	} else if (!strncmp(line, "model name", 10)) {
		snprintf(f->model, sizeof(f->model), "%s", value + strspn(value, " "));
		f->model[strcspn(f->model, "\n")] = '\0';
	} else if (!strncmp(line, "flags", 5)) {
		f->flag_svm = has_word(value, "svm");
		f->flag_vmx = has_word(value, "vmx");
		f->nested_paging |= has_word(value, "npt") || has_word(value, "ept");
		f->nrips = has_word(value, "nrip_save");
		f->in_vm = has_word(value, "hypervisor");
	} else if (!strncmp(line, "vmx flags", 9)) {
		f->nested_paging |= has_word(value, "ept");
		f->unrestricted = has_word(value, "unrestricted_guest");
	}
}

/* The first processor stands for all: an empty line ends it. */
static void gather_cpuinfo(struct doctor_facts *f, const char *root)
{
	FILE *file = open_under(root, "/proc/cpuinfo");
	char *line = NULL;
	size_t size = 0;

	if (!file)
		return;
	while (getline(&line, &size, file) > 1)
		parse_cpuinfo_line(f, line);
	free(line);
	fclose(file);
}

static void gather_cpuid(struct doctor_facts *f)
{
	unsigned int a, b, c, d;

	if (__get_cpuid(0x80000001, &a, &b, &c, &d))
		f->cpuid_svm = c & (1u << 2);
	if (__get_cpuid(1, &a, &b, &c, &d))
		f->cpuid_vmx = c & (1u << 5);
}

/* Only root can ask, and only with the msr driver; else it stays unknown. */
static void gather_firmware(struct doctor_facts *f, const char *root)
{
	bool amd = f->cpuid_svm || f->flag_svm;
	char path[512];
	uint64_t value;
	int fd;

	f->firmware = UNKNOWN;
	snprintf(path, sizeof(path), "%s/dev/cpu/0/msr", root);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (pread(fd, &value, sizeof(value), amd ? MSR_VM_CR : MSR_FEATURE_CONTROL) ==
	    (ssize_t)sizeof(value)) {
		if (amd)
			f->firmware = value & VM_CR_SVMDIS ? NO : YES;
		else
			f->firmware = (value & FEATURE_LOCKED) && !(value & FEATURE_VMX) ? NO : YES;
	}
	close(fd);
}

static void gather_rivals(struct doctor_facts *f, const char *root)
{
	char path[128], text[32];
	unsigned int i;

	for (i = 0; i < RIVALS; i++) {
		f->rivals[i].name = rival_names[i];
		f->rivals[i].users = -1;
		snprintf(path, sizeof(path), "/sys/module/%s/refcnt", rival_names[i]);
		if (read_line(root, path, text, sizeof(text)))
			f->rivals[i].users = atoi(text);
	}
	f->kvm_holds_at_load = read_line(root, "/sys/module/kvm/parameters/enable_virt_at_load",
					 text, sizeof(text)) &&
			       (*text == 'Y' || *text == '1');
}

static void gather_host(struct doctor_facts *f, const char *root)
{
	struct utsname uts;
	char text[128];

	if (!uname(&uts))
		snprintf(f->release, sizeof(f->release), "%.64s", uts.release);
	f->module = exists_under(root, "/sys/module/vmm");
	f->thp = UNKNOWN;
	if (read_line(root, "/sys/kernel/mm/transparent_hugepage/enabled", text, sizeof(text)))
		f->thp = strstr(text, "[never]") ? NO : YES;
}

static void gather_group(struct doctor_facts *f, gid_t gid)
{
	FILE *file = fopen("/etc/group", "re");
	struct group *group;

	snprintf(f->node_group, sizeof(f->node_group), "%u", gid);
	if (!file)
		return;
	while ((group = fgetgrent(file))) {
		if (group->gr_gid == gid)
			snprintf(f->node_group, sizeof(f->node_group), "%s", group->gr_name);
	}
	fclose(file);
}

/* The real test: can a VM be created? It is gone again at once. */
static void try_vm(struct doctor_facts *f, int fd)
{
	int vm;

	f->api = ioctl(fd, KVM_GET_API_VERSION, 0);
	if (f->api != KVM_API_VERSION)
		return;
	f->max_vcpus = vmm_cap(fd, KVM_CAP_MAX_VCPUS);
	vm = ioctl(fd, KVM_CREATE_VM, 0);
	f->vm_errno = vm < 0 ? errno : 0;
	if (vm >= 0)
		close(vm);
}

static void gather_node(struct doctor_facts *f, const char *node)
{
	struct stat st;
	int fd;

	f->node = node;
	f->api = -1;
	f->node_type = '-';
	f->vm_errno = ENODEV;
	if (!stat(node, &st)) {
		f->node_type = S_ISCHR(st.st_mode) ? 'c' : '?';
		f->node_mode = st.st_mode & 0777;
		gather_group(f, st.st_gid);
	}
	fd = open(node, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	f->node_errno = fd < 0 ? errno : 0;
	if (fd < 0)
		return;
	try_vm(f, fd);
	close(fd);
}

void doctor_gather(struct doctor_facts *f, const char *root, const char *node)
{
	memset(f, 0, sizeof(*f));
	gather_cpuid(f);
	gather_cpuinfo(f, root);
	gather_firmware(f, root);
	gather_host(f, root);
	gather_rivals(f, root);
	gather_node(f, node);
}
