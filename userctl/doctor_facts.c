// SPDX-License-Identifier: GPL-2.0
/* What the kernel, the device node and other hypervisors allow. */
#include "doctor_gather.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "libvmm/vmm.h"

static const char *const rival_names[RIVALS] = { "kvm_amd", "kvm_intel", "vboxdrv", "vmmon" };

FILE *open_under(const char *root, const char *path)
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

/* The word in brackets is the one that holds. */
static bool chosen(const char *root, const char *path, char *buf, size_t len)
{
	char line[256], *begin;

	if (!read_line(root, path, line, sizeof(line)))
		return false;
	begin = strchr(line, '[');
	if (!begin)
		return false;
	begin[strcspn(begin, "]")] = '\0';
	snprintf(buf, len, "%s", begin + 1);
	return true;
}

#define EFI_VARS    "/sys/firmware/efi/efivars/"
#define SECURE_BOOT "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"

/* Four bytes of attributes, then the variable's one byte (UEFI 2.10, 3.3). */
static bool secure_boot(const char *root)
{
	FILE *file = open_under(root, EFI_VARS SECURE_BOOT);
	unsigned char value[5];
	bool on;

	if (!file)
		return false;
	on = fread(value, sizeof(value), 1, file) == 1 && value[4] == 1;
	fclose(file);
	return on;
}

static void gather_host(struct doctor_facts *f, const char *root)
{
	struct utsname uts;
	char text[128];

	if (!uname(&uts))
		snprintf(f->release, sizeof(f->release), "%.64s", uts.release);
	if (read_line(root, "/proc/sys/kernel/osrelease", text, sizeof(text)))
		snprintf(f->release, sizeof(f->release), "%.64s", text);
	f->module = exists_under(root, "/sys/module/vmm");
	chosen(root, "/sys/kernel/security/lockdown", f->lockdown, sizeof(f->lockdown));
	f->sig_enforce =
		read_line(root, "/sys/module/module/parameters/sig_enforce", text, sizeof(text)) &&
		*text == 'Y';
	f->secure_boot = secure_boot(root);
	f->thp = UNKNOWN;
	if (chosen(root, "/sys/kernel/mm/transparent_hugepage/enabled", text, sizeof(text)))
		f->thp = strcmp(text, "never") ? YES : NO;
}

/* ---- memory cgroup ---- */

#define NO_LIMIT (1ULL << 62)

static void take_limit(struct doctor_facts *f, const char *root, const char *file)
{
	char text[64], *end;
	uint64_t limit;

	if (!read_line(root, file, text, sizeof(text)))
		return;
	limit = strtoull(text, &end, 10);
	/* Version 1 writes a very large number for no limit, version 2 "max". */
	if (end != text && limit < f->memory_limit && limit < NO_LIMIT)
		f->memory_limit = limit;
}

/* The limits of a cgroup and of all above it hold. */
static void climb_cgroups(struct doctor_facts *f, const char *root, const char *path, bool v2)
{
	char dir[256], file[400];
	char *slash;

	snprintf(dir, sizeof(dir), "%s", path);
	do {
		snprintf(file, sizeof(file),
			 v2 ? "/sys/fs/cgroup%s/memory.max"
			    : "/sys/fs/cgroup/memory%s/memory.limit_in_bytes",
			 dir);
		take_limit(f, root, file);
		slash = strrchr(dir, '/');
		if (slash)
			*slash = '\0';
	} while (slash);
}

/* Lines are ID:CONTROLLERS:PATH; version 2 has no controllers there (cgroups(7)). */
static void gather_cgroup(struct doctor_facts *f, const char *root)
{
	FILE *file = open_under(root, "/proc/self/cgroup");
	char line[512], *list, *path;

	f->memory_limit = UINT64_MAX;
	if (!file)
		return;
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		list = strchr(line, ':');
		path = list ? strchr(list + 1, ':') : NULL;
		if (!path)
			continue;
		*path++ = '\0';
		list++;
		if (!*list || !strcmp(list, "memory"))
			climb_cgroups(f, root, path, !*list);
	}
	fclose(file);
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
	gather_cpu(f, root);
	gather_host(f, root);
	gather_cgroup(f, root);
	gather_rivals(f, root);
	gather_node(f, node);
}
