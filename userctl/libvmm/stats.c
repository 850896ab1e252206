// SPDX-License-Identifier: GPL-2.0
/* The binary statistics file: Documentation/virt/kvm/api.rst, 4.133 KVM_GET_STATS_FD. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vmm.h"

#define NAMES_MAX 512
#define NAME_LEN  96
#define FILE_MAX  (1u << 20)

struct sum {
	char name[NAME_LEN];
	uint64_t value;
};

struct sums {
	struct sum entry[NAMES_MAX];
	unsigned int count;
};

static void sums_add(struct sums *sums, const char *name, uint64_t value)
{
	unsigned int i;

	for (i = 0; i < sums->count; i++) {
		if (!strcmp(sums->entry[i].name, name)) {
			sums->entry[i].value += value;
			return;
		}
	}
	if (sums->count == NAMES_MAX)
		return;
	snprintf(sums->entry[i].name, NAME_LEN, "%s", name);
	sums->entry[i].value = value;
	sums->count++;
}

static bool read_at(int fd, void *buf, size_t len, uint64_t off)
{
	return pread(fd, buf, len, (off_t)off) == (ssize_t)len;
}

static bool is_scalar(const struct kvm_stats_desc *desc)
{
	unsigned int type = desc->flags & KVM_STATS_TYPE_MASK;

	return desc->size == 1 && type != KVM_STATS_TYPE_LINEAR_HIST &&
	       type != KVM_STATS_TYPE_LOG_HIST;
}

static int read_stats(int fd, struct sums *sums)
{
	struct kvm_stats_header head;
	struct kvm_stats_desc *desc;
	size_t step;
	uint64_t value;
	uint8_t *table;
	unsigned int i;
	int ret = -EIO;

	if (!read_at(fd, &head, sizeof(head), 0))
		return -EIO;
	if (!head.name_size || head.name_size > 256 || head.num_desc > NAMES_MAX)
		return -EINVAL;
	step = sizeof(*desc) + head.name_size;
	table = malloc(step * head.num_desc + 1);
	if (!table)
		return -ENOMEM;
	if (!read_at(fd, table, step * head.num_desc, head.desc_offset))
		goto out;
	for (i = 0; i < head.num_desc; i++) {
		desc = (struct kvm_stats_desc *)(table + i * step);
		desc->name[head.name_size - 1] = '\0';
		if (!is_scalar(desc) || desc->offset > FILE_MAX)
			continue;
		if (!read_at(fd, &value, sizeof(value), head.data_offset + desc->offset))
			goto out;
		sums_add(sums, desc->name, value);
	}
	ret = 0;
out:
	free(table);
	return ret;
}

int vmm_stats_sum(const int *fds, unsigned int count, FILE *out)
{
	struct sums *sums = calloc(1, sizeof(*sums));
	unsigned int i;
	int fd, ret = 0;

	if (!sums)
		return -ENOMEM;
	for (i = 0; i < count && !ret; i++) {
		fd = ioctl(fds[i], KVM_GET_STATS_FD, NULL);
		if (fd < 0) {
			ret = -errno;
			break;
		}
		ret = read_stats(fd, sums);
		close(fd);
	}
	for (i = 0; i < sums->count; i++)
		fprintf(out, "%s %llu\n", sums->entry[i].name,
			(unsigned long long)sums->entry[i].value);
	if (!ret)
		ret = (int)sums->count;
	free(sums);
	return ret;
}
