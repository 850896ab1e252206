// SPDX-License-Identifier: GPL-2.0
/* The binary statistics files. api.rst, KVM_GET_STATS_FD. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "vm.h"

#define SUITE "stats"

struct stats {
	struct kvm_stats_header h;
	char id[64];
	u8 *descs;
	size_t desc_size;
	int fd;
};

static struct stats open_stats(int of)
{
	struct stats s = { .fd = OK(ioctl(of, KVM_GET_STATS_FD, 0)) };

	CHECK_EQ(pread(s.fd, &s.h, sizeof(s.h), 0), sizeof(s.h));
	CHECK_EQ(s.h.flags, 0);
	CHECK(s.h.name_size > 0 && s.h.name_size <= 256);
	CHECK(s.h.num_desc > 0 && s.h.num_desc < 1000);
	CHECK(s.h.id_offset >= sizeof(s.h));
	CHECK(s.h.desc_offset >= s.h.id_offset);
	CHECK(s.h.data_offset > s.h.desc_offset);
	CHECK(pread(s.fd, s.id, sizeof(s.id) - 1, s.h.id_offset) > 0);
	s.desc_size = sizeof(struct kvm_stats_desc) + s.h.name_size;
	s.descs = calloc(s.h.num_desc, s.desc_size);
	CHECK_EQ(pread(s.fd, s.descs, s.h.num_desc * s.desc_size, s.h.desc_offset),
		 s.h.num_desc * s.desc_size);
	return s;
}

static const struct kvm_stats_desc *desc(const struct stats *s, u32 i)
{
	return (const void *)(s->descs + i * s->desc_size);
}

static void check_descs(const struct stats *s)
{
	u32 i, j;

	for (i = 0; i < s->h.num_desc; i++) {
		const struct kvm_stats_desc *d = desc(s, i);
		u64 data[64];

		CHECK((d->flags & KVM_STATS_TYPE_MASK) <= KVM_STATS_TYPE_MAX);
		CHECK((d->flags & KVM_STATS_UNIT_MASK) <= KVM_STATS_UNIT_MAX);
		CHECK((d->flags & KVM_STATS_BASE_MASK) <= KVM_STATS_BASE_MAX);
		CHECK(d->size >= 1 && d->size <= 64);
		CHECK(strnlen(d->name, s->h.name_size) > 0);
		CHECK(strnlen(d->name, s->h.name_size) < s->h.name_size);
		if ((d->flags & KVM_STATS_TYPE_MASK) == KVM_STATS_TYPE_LINEAR_HIST)
			CHECK(d->bucket_size > 0);
		CHECK_EQ(pread(s->fd, data, 8 * d->size, s->h.data_offset + d->offset),
			 8 * d->size);
		for (j = 0; j < i; j++)
			if (!strcmp(desc(s, j)->name, d->name))
				FAIL("statistic %s twice", d->name);
	}
}

static bool find(const struct stats *s, const char *name, u64 *value)
{
	u32 i;

	for (i = 0; i < s->h.num_desc; i++) {
		if (strcmp(desc(s, i)->name, name))
			continue;
		CHECK_EQ(pread(s->fd, value, 8, s->h.data_offset + desc(s, i)->offset), 8);
		return true;
	}
	return false;
}

static void guest_exits(u64 n)
{
	u32 r[4];

	while (n--)
		guest_cpuid(0, 0, r);
	GUEST_DONE();
}

CASE(vcpu)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_exits, 1000);
	struct stats s;
	u64 before, after;

	need_cap(KVM_CAP_BINARY_STATS_FD);
	s = open_stats(v->fd);
	CHECK(strstr(s.id, "vcpu-0"));
	check_descs(&s);
	if (!find(&s, "exits", &before))
		FAIL("no statistic called exits");
	run_done(v);
	find(&s, "exits", &after);
	CHECK(after >= before + 1000);
	CHECK(after < before + 100000);
}

CASE(vm)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_exits, 1);
	struct stats s;

	need_cap(KVM_CAP_BINARY_STATS_FD);
	s = open_stats(vm->fd);
	CHECK(s.id[0]);
	check_descs(&s);
	run_done(v);
	check_descs(&s);
}

/* Reading: any offset and length, past the end is the end; no writing. */
CASE(reading)
{
	struct vm *vm = vm_create(0);
	u8 *volatile nowhere = (u8 *)8;
	struct stats s;
	u8 all[64], part[64];
	off_t end;
	int i;

	need_cap(KVM_CAP_BINARY_STATS_FD);
	s = open_stats(vm->fd);
	CHECK_EQ(pread(s.fd, all, 64, 0), 64);
	for (i = 0; i < 64; i += 7) {
		CHECK_EQ(pread(s.fd, part, 3, i), 3);
		CHECK(!memcmp(part, all + i, 3) || i + 3 > 64);
	}
	end = s.h.data_offset + 8 * 100000;
	CHECK_EQ(pread(s.fd, part, 8, end), 0);
	CHECK_EQ(pwrite(s.fd, part, 8, 0), -1);
	CHECK_EQ(read(s.fd, part, sizeof(s.h)), sizeof(s.h));
	CHECK(!memcmp(part, all, sizeof(s.h)));
	CHECK_EQ(pread(s.fd, nowhere, 8, 0), -1);
	CHECK_EQ(errno, EFAULT);
}

/* The file keeps its object alive, or at least does not outlive it badly. */
CASE(lifetime)
{
	struct vm *vm = vm_create(0);
	struct vcpu *v = vcpu_new(vm, 0, guest_exits, 10);
	struct stats a, b;
	u64 n;

	need_cap(KVM_CAP_BINARY_STATS_FD);
	a = open_stats(vm->fd);
	b = open_stats(v->fd);
	run_done(v);
	vcpu_free(v);
	vm_free(vm);
	check_descs(&a);
	CHECK(find(&b, "exits", &n));
	CHECK(n >= 10);
	OK(close(a.fd));
	OK(close(b.fd));
}

static void guest_pauses(u64 n)
{
	while (n--)
		asm volatile("pause");
	GUEST_DONE();
}

static u64 pause_exits(struct vcpu *v, u64 pauses)
{
	u64 before, after;

	if (!vcpu_stat(v, "exit_pause", &before))
		SKIP("no statistic counts PAUSE exits");
	vcpu_call(v, guest_pauses, pauses);
	run_done(v);
	CHECK(vcpu_stat(v, "exit_pause", &after));
	return after - before;
}

/* A guest that spins makes room for others; processors that can let short loops pass. */
CASE(pause_loop)
{
	struct vcpu *v = vcpu_new(vm_create(0), 0, guest_pauses, 0);
	u64 exits = pause_exits(v, 20000);
	u32 r[4];

	CHECK(exits > 0);
	guest_cpuid(0, 0, r);
	if (r[2] != 0x6c65746e) /* "ntel": with EPT there is PLE (SDM vol. 3C, 26.1.3) */
		return;
	CHECK(exits < 2000);
	CHECK_EQ(pause_exits(v, 20), 0);
}
