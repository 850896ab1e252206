// SPDX-License-Identifier: GPL-2.0
/*
 * The binary statistics fds of a VM and of a vCPU: a header, an id, descriptors, values
 * (Documentation/virt/kvm/api.rst, 4.133). Descriptors are made from the lists in stats.h.
 */
#include <linux/anon_inodes.h>
#include <linux/ctype.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>

#include "../vmm.h"

/* struct kvm_stats_desc with its name, whose length there depends on the kernel's version. */
struct stats_desc {
	u32 flags;
	s16 exponent;
	u16 size;
	u32 offset;
	u32 bucket_size;
	char name[STATS_NAME_SIZE];
};

static_assert(offsetof(struct stats_desc, name) == offsetof(struct kvm_stats_desc, name));

/*
 * struct stats_file - one open stats fd
 * @head: header, id and descriptors, as user space reads them; constant
 * @data: the live values, u64 each
 */
struct stats_file {
	struct vmm *vm;
	void *head;
	size_t head_len;
	const void *data;
	size_t data_len;
};

static const char *const vcpu_names[] = {
#define X(name) #name,
	VCPU_STATS(X)
#undef X
};

static const char *const exit_names[] = {
#define X(name) "exit_" #name,
	VMEXIT_KINDS(X)
#undef X
};

static const char *const vm_names[] = {
#define X(name) #name,
	VM_STATS(X)
#undef X
};

static_assert(ARRAY_SIZE(exit_names) <= ARRAY_SIZE(((struct vcpu_stats *)0)->exit_kind));
static_assert(offsetof(struct vcpu_stats, exit_kind) == ARRAY_SIZE(vcpu_names) * sizeof(u64));

/* ---- exit_cycles ---- */

DEFINE_STATIC_KEY_FALSE(stats_cycles);
u64 stats_cycles_since;

static int stats_cycles_set(const char *text, const struct kernel_param *kp)
{
	bool on;
	int err = kstrtobool(text, &on);

	if (err)
		return err;
	WRITE_ONCE(stats_cycles_since, rdtsc());
	if (on)
		static_branch_enable(&stats_cycles);
	else
		static_branch_disable(&stats_cycles);
	return 0;
}

static int stats_cycles_get(char *text, const struct kernel_param *kp)
{
	return sysfs_emit(text, "%c\n", static_key_enabled(&stats_cycles) ? 'Y' : 'N');
}

static const struct kernel_param_ops stats_cycles_ops = {
	.set = stats_cycles_set,
	.get = stats_cycles_get,
};

module_param_cb(exit_cycles, &stats_cycles_ops, NULL, 0644);
MODULE_PARM_DESC(exit_cycles, "count the cycles that exits of each kind take");

/* ---- descriptors ---- */

static void stats_describe(struct stats_desc *desc, const char *name, unsigned int index)
{
	char *c = desc->name;

	desc->flags = KVM_STATS_UNIT_NONE | KVM_STATS_BASE_POW10;
	desc->flags |= strstarts(name, "pages_") ? KVM_STATS_TYPE_INSTANT :
						   KVM_STATS_TYPE_CUMULATIVE;
	desc->size = 1;
	desc->offset = index * sizeof(u64);
	strscpy(desc->name, name, sizeof(desc->name));
	for (; *c; c++)
		*c = tolower(*c);
}

static void *stats_head(const char *id, const char *const *names, unsigned int n,
			const char *const *more, unsigned int m, size_t *len)
{
	struct kvm_stats_header *header;
	struct stats_desc *desc;
	unsigned int i;

	*len = sizeof(*header) + STATS_NAME_SIZE + (n + m) * sizeof(*desc);
	header = kvzalloc(*len, GFP_KERNEL_ACCOUNT);
	if (!header)
		return NULL;
	header->name_size = STATS_NAME_SIZE;
	header->num_desc = n + m;
	header->id_offset = sizeof(*header);
	header->desc_offset = header->id_offset + STATS_NAME_SIZE;
	header->data_offset = *len;
	strscpy((char *)header + header->id_offset, id, STATS_NAME_SIZE);
	desc = (void *)header + header->desc_offset;
	for (i = 0; i < n + m; i++)
		stats_describe(desc + i, i < n ? names[i] : more[i - n], i);
	return header;
}

/* Copy the part of a block that [*ppos, *ppos + *left) covers; base: where the block begins. */
static int stats_copy(char __user **to, size_t *left, loff_t *ppos, const void *block, size_t base,
		      size_t len)
{
	size_t skip = *ppos - base, n;

	if (*ppos < base || skip >= len || !*left)
		return 0;
	n = min(len - skip, *left);
	if (copy_to_user(*to, block + skip, n))
		return -EFAULT;
	*to += n;
	*left -= n;
	*ppos += n;
	return 0;
}

static ssize_t stats_read(struct file *file, char __user *to, size_t size, loff_t *ppos)
{
	struct stats_file *sf = file->private_data;
	size_t left = size;

	if (stats_copy(&to, &left, ppos, sf->head, 0, sf->head_len) ||
	    stats_copy(&to, &left, ppos, sf->data, sf->head_len, sf->data_len))
		return -EFAULT;
	return size - left;
}

static int stats_release(struct inode *inode, struct file *file)
{
	struct stats_file *sf = file->private_data;

	vm_put(sf->vm);
	kvfree(sf->head);
	kfree(sf);
	return 0;
}

static loff_t stats_llseek(struct file *file, loff_t offset, int whence)
{
	struct stats_file *sf = file->private_data;

	return fixed_size_llseek(file, offset, whence, sf->head_len + sf->data_len);
}

static const struct file_operations stats_fops = {
	.owner = THIS_MODULE,
	.read = stats_read,
	.release = stats_release,
	.llseek = stats_llseek,
};

static int stats_open(struct stats_file *sf, const char *name)
{
	struct file *file;
	int fd = get_unused_fd_flags(O_CLOEXEC);

	if (fd < 0)
		return fd;
	file = anon_inode_getfile(name, &stats_fops, sf, O_RDONLY);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	file->f_mode |= FMODE_PREAD | FMODE_LSEEK;
	vm_get(sf->vm);
	fd_install(fd, file);
	return fd;
}

/* Takes head over; fd or errno. */
static int stats_fd(struct vmm *vm, void *head, size_t head_len, const void *data, size_t data_len,
		    const char *name)
{
	struct stats_file *sf;
	int fd;

	if (!head)
		return -ENOMEM;
	sf = kzalloc(sizeof(*sf), GFP_KERNEL_ACCOUNT);
	if (!sf) {
		kvfree(head);
		return -ENOMEM;
	}
	*sf = (struct stats_file){ vm, head, head_len, data, data_len };
	fd = stats_open(sf, name);
	if (fd < 0) {
		kvfree(head);
		kfree(sf);
	}
	return fd;
}

/**
 * stats_vm_fd() - KVM_GET_STATS_FD of a VM
 * @vm: the VM; the fd holds a reference
 *
 * Return: a file descriptor, -ENOMEM, -EMFILE
 */
int stats_vm_fd(struct vmm *vm)
{
	size_t len;
	void *head = stats_head(vm->stats_name, vm_names, ARRAY_SIZE(vm_names), NULL, 0, &len);

	return stats_fd(vm, head, len, &vm->stats, ARRAY_SIZE(vm_names) * sizeof(u64),
			"vmm-vm-stats");
}

/**
 * stats_vcpu_fd() - KVM_GET_STATS_FD of a vCPU
 * @vcpu: the vCPU; the fd holds a reference to its VM
 *
 * Return: a file descriptor, -ENOMEM, -EMFILE
 */
int stats_vcpu_fd(struct vcpu *vcpu)
{
	char id[STATS_NAME_SIZE];
	size_t len;
	void *head;

	snprintf(id, sizeof(id), "%.32s/vcpu-%u", vcpu->vm->stats_name, vcpu->id);
	head = stats_head(id, vcpu_names, ARRAY_SIZE(vcpu_names), exit_names,
			  ARRAY_SIZE(exit_names), &len);
	return stats_fd(vcpu->vm, head, len, &vcpu->stats,
			(ARRAY_SIZE(vcpu_names) + ARRAY_SIZE(exit_names)) * sizeof(u64),
			"vmm-vcpu-stats");
}
