// SPDX-License-Identifier: GPL-2.0
/* What processor and firmware offer: CPUID, /proc/cpuinfo, and MSRs where they can be read. */
#include "doctor_gather.h"

#include <cpuid.h>
#include <ctype.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MSR_VM_CR           0xc0010114 /* AMD64 APM vol. 2, 15.30.1 */
#define VM_CR_SVMDIS        0x10ULL
#define MSR_FEATURE_CONTROL 0x3a /* Intel SDM vol. 3C, 24.7 */
#define FEATURE_LOCKED      0x1ULL
#define FEATURE_VMX         0x4ULL

/* Capability MSRs (Intel SDM vol. 3D, appendix A); what a control may be is in the upper half. */
#define VMX_PIN      0x481
#define VMX_PROC     0x482
#define VMX_EXIT     0x483
#define VMX_ENTRY    0x484
#define VMX_PROC2    0x48b
#define VMX_EPT_VPID 0x48c
#define MAY(bit)     (32 + (bit))

/**
 * struct required - what the Intel backend cannot do without
 * @msr: where it is told
 * @bit: which bit of that
 * @word: among the "vmx flags" of /proc/cpuinfo, NULL where the kernel does not say
 * @name: how the manual calls it
 */
static const struct required {
	uint32_t msr;
	unsigned int bit;
	const char *word;
	const char *name;
} required[] = {
	{ VMX_PIN, MAY(0), NULL, "exits for host interrupts" },
	{ VMX_PIN, MAY(3), NULL, "exits for NMIs" },
	{ VMX_PIN, MAY(5), "vnmi", "virtual NMIs" },
	{ VMX_PROC, MAY(21), "vtpr", "TPR shadow" },
	{ VMX_PROC, MAY(28), NULL, "MSR bitmaps" },
	{ VMX_EXIT, MAY(9), NULL, "64-bit hosts" },
	{ VMX_EXIT, MAY(21), NULL, "loading EFER at exits" },
	{ VMX_ENTRY, MAY(15), NULL, "loading EFER at entries" },
	{ VMX_PROC, MAY(31), NULL, "secondary controls" },
	{ VMX_PROC2, MAY(1), "ept", "EPT" },
	{ VMX_PROC2, MAY(5), "vpid", "VPID" },
	{ VMX_PROC2, MAY(7), "unrestricted_guest", "unrestricted guests" },
	{ VMX_PROC2, MAY(6), NULL, "exits for WBINVD" },
	{ VMX_EPT_VPID, 6, NULL, "EPT of 4 levels" },
	{ VMX_EPT_VPID, 14, NULL, "EPT in write-back memory" },
	{ VMX_EPT_VPID, 16, NULL, "2M pages in EPT" },
	{ VMX_EPT_VPID, 20, NULL, "INVEPT" },
	{ VMX_EPT_VPID, 32, NULL, "INVVPID" },
};

#define REQUIRED (sizeof(required) / sizeof(required[0]))

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

static void miss(struct doctor_facts *f, const char *name)
{
	size_t used = strlen(f->missing);

	f->features = NO;
	snprintf(f->missing + used, sizeof(f->missing) - used, "%s%s", used ? ", " : "", name);
}

/* ---- /proc/cpuinfo ---- */

static void parse_flags(struct doctor_facts *f, const char *list)
{
	f->flag_svm = has_word(list, "svm");
	f->flag_vmx = has_word(list, "vmx");
	f->nrips = has_word(list, "nrip_save");
	f->in_vm = has_word(list, "hypervisor");
	if (!f->flag_svm)
		return;
	f->features = YES;
	if (!has_word(list, "npt"))
		miss(f, "nested paging (NPT)");
}

/* Kernels before 5.6 do not have this line. */
static void parse_vmx_flags(struct doctor_facts *f, const char *list)
{
	const struct required *r;

	f->features = YES;
	for (r = required; r < required + REQUIRED; r++) {
		if (r->word && !has_word(list, r->word))
			miss(f, r->name);
	}
}

static void parse_cpuinfo_line(struct doctor_facts *f, const char *line)
{
	const char *value = strchr(line, ':');

	if (!value)
		return;
	value++;
	if (!strncmp(line, "model name", 10)) {
		snprintf(f->model, sizeof(f->model), "%s", value + strspn(value, " "));
		f->model[strcspn(f->model, "\n")] = '\0';
	} else if (!strncmp(line, "flags", 5)) {
		parse_flags(f, value);
	} else if (!strncmp(line, "vmx flags", 9)) {
		parse_vmx_flags(f, value);
	}
}

/* The first processor stands for all: an empty line ends it. */
static void gather_cpuinfo(struct doctor_facts *f, const char *root)
{
	FILE *file = open_under(root, "/proc/cpuinfo");
	char *line = NULL;
	size_t size = 0;

	snprintf(f->model, sizeof(f->model), "the processor");
	if (!file)
		return;
	while (getline(&line, &size, file) > 1)
		parse_cpuinfo_line(f, line);
	free(line);
	fclose(file);
}

/* ---- CPUID, MSRs ---- */

/* The instruction tells of this machine: another root has a file, four registers a leaf. */
static void run_cpuid(const char *root, uint32_t leaf, uint32_t reg[4])
{
	char path[512];
	int fd;

	memset(reg, 0, 4 * sizeof(*reg));
	if (!*root) {
		__get_cpuid(leaf, &reg[0], &reg[1], &reg[2], &reg[3]);
		return;
	}
	snprintf(path, sizeof(path), "%s/dev/cpu/0/cpuid", root);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (pread(fd, reg, 16, (off_t)leaf * 16) != 16)
		memset(reg, 0, 16);
	close(fd);
}

static void gather_cpuid(struct doctor_facts *f, const char *root)
{
	uint32_t reg[4];

	run_cpuid(root, 0x80000001, reg);
	f->cpuid_svm = f->flag_svm || (reg[2] & (1u << 2));
	run_cpuid(root, 1, reg);
	f->cpuid_vmx = f->flag_vmx || (reg[2] & (1u << 5));
}

/* Of a file made for a test the bytes do not overlap, as those of the device do. */
static bool read_msr(int fd, uint32_t msr, uint64_t *value)
{
	struct stat st;
	off_t at = msr;

	if (!fstat(fd, &st) && S_ISREG(st.st_mode))
		at *= sizeof(*value);
	return pread(fd, value, sizeof(*value), at) == (ssize_t)sizeof(*value);
}

static void judge_firmware(struct doctor_facts *f, int fd)
{
	bool amd = f->cpuid_svm;
	uint64_t value;

	if (!read_msr(fd, amd ? MSR_VM_CR : MSR_FEATURE_CONTROL, &value))
		return;
	if (amd)
		f->firmware = value & VM_CR_SVMDIS ? NO : YES;
	else
		f->firmware = (value & FEATURE_LOCKED) && !(value & FEATURE_VMX) ? NO : YES;
}

/* More than /proc/cpuinfo says. An MSR that is not there offers nothing. */
static void judge_vmx(struct doctor_facts *f, int fd)
{
	const struct required *r;
	uint64_t value;

	if (!read_msr(fd, VMX_PIN, &value))
		return;
	f->features = YES;
	f->missing[0] = '\0';
	for (r = required; r < required + REQUIRED; r++) {
		if (!read_msr(fd, r->msr, &value) || !(value >> r->bit & 1))
			miss(f, r->name);
	}
}

void gather_cpu(struct doctor_facts *f, const char *root)
{
	char path[512];
	int fd;

	f->firmware = UNKNOWN;
	f->features = UNKNOWN;
	gather_cpuinfo(f, root);
	gather_cpuid(f, root);
	if (!f->cpuid_svm && !f->cpuid_vmx)
		return;
	/* Only root can ask, and only with the msr driver. */
	snprintf(path, sizeof(path), "%s/dev/cpu/0/msr", root);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	judge_firmware(f, fd);
	if (f->cpuid_vmx)
		judge_vmx(f, fd);
	close(fd);
}
