// SPDX-License-Identifier: GPL-2.0
/* Port exits: in-kernel devices first, then user space by KVM_EXIT_IO. */
#include "backend.h"
#include "interp/interp.h"
#include "trace.h"

static u64 size_mask(unsigned int size)
{
	return GENMASK_ULL(size * 8 - 1, 0);
}

/**
 * pio_in() - read a port that an in-kernel device may have
 * @vcpu: who reads
 * @port: the port
 * @size: bytes of one access: 1, 2, 4
 * @buf: gets @count * @size bytes
 * @count: accesses
 *
 * Return: 0; -EOPNOTSUPP: user space must be asked for all of them
 */
int pio_in(struct vcpu *vcpu, u16 port, unsigned int size, void *buf, unsigned int count)
{
	unsigned int i;
	int ret = 0;

	trace_vmm_pio(vcpu, false, port, size, count);
	for (i = 0; i < count && !ret; i++)
		ret = bus_read(vcpu, BUS_PIO, port, size, buf + i * size);
	return ret;
}

/**
 * pio_out() - write a port that an in-kernel device may have
 * @vcpu: who writes
 * @port: the port
 * @size: bytes of one access: 1, 2, 4
 * @buf: @count * @size bytes
 * @count: accesses
 *
 * Return: how many accesses were served; user space must be given the rest
 */
unsigned int pio_out(struct vcpu *vcpu, u16 port, unsigned int size, const void *buf,
		     unsigned int count)
{
	unsigned int i;

	trace_vmm_pio(vcpu, true, port, size, count);
	for (i = 0; i < count; i++)
		if (bus_write(vcpu, BUS_PIO, port, size, buf + i * size))
			break;
	return i;
}

/**
 * pio_to_user() - ask user space to serve a port access
 * @vcpu: whose exit it is
 * @port: the port
 * @size: bytes of one access
 * @in: direction
 * @buf: the data of an OUT
 * @count: accesses; @size * @count fits in a page
 */
void pio_to_user(struct vcpu *vcpu, u16 port, unsigned int size, bool in, const void *buf,
		 unsigned int count)
{
	struct kvm_run *run = vcpu->run;

	vcpu->pio.port = port;
	vcpu->pio.size = size;
	vcpu->pio.in = in;
	vcpu->pio.count = count;
	vcpu->pio.rip = vcpu->state.rip;
	run->exit_reason = KVM_EXIT_IO;
	run->io.direction = in ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT;
	run->io.size = size;
	run->io.port = port;
	run->io.count = count;
	run->io.data_offset = PIO_PAGE_OFFSET * PAGE_SIZE;
	if (!in)
		memcpy(vcpu->pio.data, buf, size * count);
}

/* IN to AL, AX keeps the rest of RAX; to EAX clears the upper half (APM vol. 1, 3.1.2.3). */
static void pio_set_rax(struct vcpu *vcpu, unsigned int size, u64 val)
{
	u64 *rax = &vcpu->state.gpr[REG_RAX];

	val &= size_mask(size);
	*rax = size == 4 ? val : (*rax & ~size_mask(size)) | val;
}

/* User space that resets the vCPU, as some ports do, leaves nothing to be completed. */
static bool pio_abandoned(const struct vcpu *vcpu)
{
	return vcpu->state.rip != vcpu->pio.rip;
}

static int pio_complete_out(struct vcpu *vcpu)
{
	return pio_abandoned(vcpu) ? RESUME_GUEST : dispatch_skip(vcpu);
}

static int pio_complete_in(struct vcpu *vcpu)
{
	u64 val = 0;

	if (pio_abandoned(vcpu))
		return RESUME_GUEST;
	memcpy(&val, vcpu->pio.data, vcpu->pio.size);
	pio_set_rax(vcpu, vcpu->pio.size, val);
	return dispatch_skip(vcpu);
}

/**
 * pio_exit() - carry out IN, OUT, INS or OUTS
 * @vcpu: vcpu->exit.io says what it is
 *
 * Context: loaded, vcpu->mutex held.
 * Return: RESUME_GUEST; RESUME_USER: KVM_EXIT_IO is filled
 */
int pio_exit(struct vcpu *vcpu)
{
	unsigned int size = vcpu->exit.io.size;
	u16 port = vcpu->exit.io.port;
	u64 val = 0;

	vcpu->stats.io_exits++;
	if (vcpu->exit.io.string)
		return interp_exit(vcpu, INVALID_GPA);
	if (vcpu->exit.io.in) {
		if (pio_in(vcpu, port, size, &val, 1)) {
			pio_to_user(vcpu, port, size, true, NULL, 1);
			vcpu->complete = pio_complete_in;
			return RESUME_USER;
		}
		pio_set_rax(vcpu, size, val);
		return dispatch_skip(vcpu);
	}
	val = vcpu->state.gpr[REG_RAX];
	if (pio_out(vcpu, port, size, &val, 1))
		return dispatch_skip(vcpu);
	pio_to_user(vcpu, port, size, false, &val, 1);
	vcpu->complete = pio_complete_out;
	return RESUME_USER;
}
