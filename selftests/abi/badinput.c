// SPDX-License-Identifier: GPL-2.0
/*
 * What no ioctl may take, for every ioctl there is: numbers of another size or direction, the wrong
 * kind of file, pointers that lead nowhere, and callers of another process.
 * Documentation/api.rst has the table; scripts/lint compares it with the one here.
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include "badinput.h"

#define SUITE "badinput"

/* ---- numbers that are not served ---- */

/* In-tree KVM serves these, too. */
static const unsigned int in_tree_only[] = {
	KVM_CREATE_PIT,
	KVM_GET_PIT,
	KVM_SET_PIT,
	KVM_SET_CPUID,
	KVM_SMI,
	KVM_GET_NESTED_STATE,
	KVM_SET_NESTED_STATE,
	KVM_MEMORY_ENCRYPT_OP,
	KVM_MEMORY_ENCRYPT_REG_REGION,
	KVM_MEMORY_ENCRYPT_UNREG_REGION,
	KVM_HYPERV_EVENTFD,
	KVM_GET_SUPPORTED_HV_CPUID,
	KVM_SET_PMU_EVENT_FILTER,
	KVM_XEN_HVM_CONFIG,
	KVM_XEN_HVM_GET_ATTR,
	KVM_XEN_HVM_SET_ATTR,
	KVM_XEN_VCPU_GET_ATTR,
	KVM_XEN_VCPU_SET_ATTR,
	KVM_XEN_HVM_EVTCHN_SEND,
	KVM_CREATE_DEVICE,
	/* Of the device's attributes. */
	KVM_HAS_DEVICE_ATTR,
	KVM_GET_DEVICE_ATTR,
	/* It says EINVAL. */
	KVM_SET_MEMORY_REGION,
};

static bool unknown(enum bad_file file, unsigned int nr)
{
	size_t i;

	if (ioctl_served(file, nr))
		return false;
	for (i = 0; test_is_oracle() && i < ARRAY_SIZE(in_tree_only); i++)
		if (in_tree_only[i] == nr)
			return false;
	return true;
}

static void expect_enotty(int fd, enum bad_file file, unsigned int nr, void *arg)
{
	if (!unknown(file, nr))
		return;
	if (ioctl(fd, nr, arg) == -1 && errno == ENOTTY)
		return;
	FAIL("ioctl %#x (nr %#x, %u bytes): errno %d, not ENOTTY", nr, _IOC_NR(nr), _IOC_SIZE(nr),
	     errno);
}

/*
 * Every number with every direction, in all sizes of arguments there are and some more; on a slow
 * kernel in one of sixteen sizes, other ones for each number.
 */
static void scan_all(int fd, enum bad_file file, void *arg)
{
	u32 sizes[128] = { 0, 1, 2, 4, 8, 12, 16, 24, 32, 0x3fff }, count = 10, dir, nr, i, j, step;

	for (i = 0; i < served_count; i++) {
		for (j = 0; j < count && sizes[j] != served_ioctls[i].size; j++)
			;
		if (j == count && count < ARRAY_SIZE(sizes))
			sizes[count++] = served_ioctls[i].size;
	}
	step = test_slow() ? 16 : 1;
	for (nr = 0; nr < 256; nr++)
		for (dir = 0; dir < 4; dir++)
			for (i = (nr + dir * 4) % step; i < count; i += step)
				expect_enotty(fd, file, _IOC(dir, KVMIO, nr, sizes[i]), arg);
}

/* Those of other kinds of file, and each a little smaller and larger. */
static void scan_served(int fd, enum bad_file file, void *arg)
{
	u32 i, dir, nr, size, real, step = test_is_oracle() || test_slow() ? 4 : 1;

	for (i = 0; i < served_count; i++) {
		nr = _IOC_NR(served_ioctls[i].nr);
		real = _IOC_SIZE(served_ioctls[i].nr);
		for (dir = 0; dir < 4; dir++) {
			for (size = real > 8 ? real - 8 : 0; size <= real + 8; size += step)
				expect_enotty(fd, file, _IOC(dir, KVMIO, nr, size), arg);
			expect_enotty(fd, file, _IOC(dir, 'V', nr, real), arg);
		}
	}
}

static void scan(enum bad_file file)
{
	int fd = world_fd(CHIP, file);
	void *arg = arg_at_end(16384);

	scan_served(fd, file, arg);
	/* In-tree KVM takes milliseconds for each on a VM. */
	if (!test_is_oracle())
		scan_all(fd, file, arg);
	worlds_live();
}

CASE(unknown_numbers_vm)
{
	scan(VM);
}

CASE(unknown_numbers_device, .oracle = "in-tree KVM answers -EINVAL on the device")
{
	scan(DEVICE);
}

CASE(unknown_numbers_vcpu, .oracle = "in-tree KVM answers -EINVAL on a vCPU")
{
	scan(VCPU);
}

/* ---- pointers ---- */

#define MSR_UCODE_REV   0x8b
#define MSR_SYSENTER_CS 0x174

static int failed_rows;

/* A file of a VM in whose state the argument is what is looked at first. */
static int row_fd(const struct ioctl_info *row)
{
	switch (row->nr) {
	case KVM_INTERRUPT:
		return world_fd(PLAIN, row->file);
	case KVM_SET_IDENTITY_MAP_ADDR:
		return world_fd(EMPTY, row->file);
	default:
		return world_fd(CHIP, row->file);
	}
}

/* There is another pointer in the structure. */
static bool points_on(const struct ioctl_info *row)
{
	return row->nr == KVM_GET_DIRTY_LOG || row->nr == KVM_CLEAR_DIRTY_LOG ||
	       row->nr == KVM_SET_DEVICE_ATTR || row->nr == KVM_GET_DEVICE_ATTR;
}

static void expect(const struct ioctl_info *row, void *arg, int err, const char *what)
{
	int fd = row_fd(row), ret;

	errno = 0;
	ret = ioctl(fd, row->nr, arg);
	if (ret == -1 && errno == err)
		return;
	printf("%s, %s: returned %d, errno %d, not %d\n", row->name, what, ret, errno, err);
	failed_rows++;
}

/* An argument that is right as far as it matters here, at the end of what is mapped. */
static void *fill(const struct ioctl_info *row)
{
	u8 *arg = arg_at_end(row->size + row->elem * row->count);
	struct kvm_irq_routing_entry *route = (void *)(arg + row->size);

	if (row->elem)
		*(u32 *)arg = row->count;
	if (row->nr == KVM_SET_GSI_ROUTING)
		route->type = KVM_IRQ_ROUTING_MSI;
	if (row->nr == KVM_SET_MSRS || row->nr == KVM_GET_MSRS)
		((struct kvm_msr_entry *)(arg + row->size))->index =
			row->file == DEVICE ? MSR_UCODE_REV : MSR_SYSENTER_CS;
	return arg;
}

CASE(pointers_nowhere)
{
	size_t i;

	for (i = 0; i < served_count; i++) {
		const struct ioctl_info *row = &served_ioctls[i];

		if (row->kind == ARG_NONE)
			continue;
		expect(row, (void *)8, EFAULT, "address 8");
		expect(row, (void *)-4096l, EFAULT, "the last page");
		expect(row, (void *)0xffff888000000000ull, EFAULT, "an address of the kernel's");
		expect(row, (void *)0x8000000000000000ull, EFAULT, "no canonical address");
		expect(row, (void *)0x7ffffffffffcull, EFAULT, "across the end of user space");
		if (row->nr != KVM_SET_SIGNAL_MASK)
			expect(row, NULL, EFAULT, "NULL");
	}
	CHECK_EQ(failed_rows, 0);
	worlds_live();
}

/* Its last byte, or that of the list behind it, is not mapped. */
CASE(pointers_to_too_little)
{
	size_t i;

	for (i = 0; i < served_count; i++) {
		const struct ioctl_info *row = &served_ioctls[i];
		u8 *arg;

		if (row->kind == ARG_NONE)
			continue;
		arg = fill(row);
		memmove(arg + 1, arg, row->size + row->elem * row->count - 1);
		/* As much of the list is written as there is. */
		if (row->kind == ARG_INOUT && row->count > 1)
			continue;
		expect(row, arg + 1, EFAULT, "a byte too few");
	}
	CHECK_EQ(failed_rows, 0);
	worlds_live();
}

/* All of it is there: nothing behind it is touched. */
CASE(pointers_to_just_enough)
{
	size_t i;

	for (i = 0; i < served_count; i++) {
		const struct ioctl_info *row = &served_ioctls[i];

		if (row->kind == ARG_NONE || points_on(row))
			continue;
		if (ioctl(row_fd(row), row->nr, fill(row)) != -1 || errno != EFAULT)
			continue;
		printf("%s says EFAULT\n", row->name);
		failed_rows++;
	}
	CHECK_EQ(failed_rows, 0);
}

CASE(pointers_to_read_only_memory)
{
	size_t i;

	for (i = 0; i < served_count; i++) {
		const struct ioctl_info *row = &served_ioctls[i];
		void *arg;

		if (row->kind == ARG_NONE || points_on(row))
			continue;
		arg = fill(row);
		arg_protect(true);
		if (row->kind != ARG_IN) {
			expect(row, arg, EFAULT, "to be written");
		} else if (ioctl(row_fd(row), row->nr, arg) == -1 && errno == EFAULT) {
			printf("%s writes to its argument\n", row->name);
			failed_rows++;
		}
		arg_protect(false);
	}
	CHECK_EQ(failed_rows, 0);
}

/* ---- callers ---- */

/* All ioctls of the VM's files, with numbers that are unknown among them. */
static int foreign(void *unused)
{
	size_t i;

	(void)unused;
	for (i = 0; i < served_count; i++)
		if (served_ioctls[i].file != DEVICE)
			expect(&served_ioctls[i], fill(&served_ioctls[i]), EIO, "a child");
	CHECK_ERRNO(ioctl(world_fd(CHIP, VM), _IO(KVMIO, 0xfe), 0), EIO);
	CHECK_ERRNO(ioctl(world_fd(CHIP, VCPU), _IO(KVMIO, 0xfe), 0), EIO);
	CHECK_EQ(OK(ioctl(dev_fd(), KVM_GET_API_VERSION, 0)), 12);
	return failed_rows;
}

static void wait_for(pid_t pid)
{
	int status;

	CHECK_EQ(OK(waitpid(pid, &status, 0)), pid);
	CHECK_EQ(status, 0);
}

/* A child has another address space: the VM is not its (api.rst, 2). */
CASE(foreign_process)
{
	pid_t pid;

	world_fd(CHIP, VCPU);
	world_fd(PLAIN, VCPU);
	world_fd(EMPTY, VM);
	fill(&served_ioctls[0]);
	fflush(stdout);
	pid = OK(fork());
	if (!pid)
		_exit(foreign(NULL) != 0);
	wait_for(pid);
	worlds_live();
}

/* A process that shares the address space may do as its creator may. */
static int same_mm(void *fd)
{
	static struct kvm_regs regs;

	return ioctl((long)fd, KVM_GET_REGS, &regs) ? errno : 0;
}

CASE(process_of_the_same_memory)
{
	static u8 stack[65536] __attribute__((aligned(16)));
	long fd = world_fd(CHIP, VCPU);

	wait_for(OK(clone(same_mm, stack + sizeof(stack), CLONE_VM | SIGCHLD, (void *)fd)));
}

/* The child's copy of the files keeps the VM after its owner has gone, and lets nobody use it. */
CASE(orphan)
{
	int ready[2], vm, vcpu;
	char c;
	pid_t pid;

	OK(pipe(ready));
	vm = world_fd(CHIP, VM);
	vcpu = world_fd(CHIP, VCPU);
	fflush(stdout);
	pid = OK(fork());
	if (!pid) {
		OK(close(ready[1]));
		CHECK_EQ(read(ready[0], &c, 1), 0);
		CHECK_ERRNO(ioctl(vm, KVM_CREATE_VCPU, 1), EIO);
		CHECK_ERRNO(ioctl(vcpu, KVM_RUN, 0), EIO);
		_exit(0);
	}
	OK(close(vcpu));
	OK(close(vm));
	OK(close(ready[1]));
	wait_for(pid);
}
