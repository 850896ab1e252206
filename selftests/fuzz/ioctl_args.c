// SPDX-License-Identifier: GPL-2.0
/* What a fuzzer's ioctls get as arguments, and its guests as code. */
#define _GNU_SOURCE
#include <linux/vmm.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include "ioctl_world.h"

/* ---- values ---- */

uint64_t odd(struct dice *d)
{
	switch (dice_below(d, 10)) {
	case 0:
		return 0;
	case 1:
		return ~0ull;
	case 2:
	case 3:
		return dice_below(d, 64);
	case 4:
		return BIT(dice_below(d, 64));
	case 5:
		return -BIT(dice_below(d, 64));
	case 6:
		return dice_below(d, MEMORY) & ~0xfffull;
	case 7:
		return dice_below(d, MEMORY);
	case 8:
		return 0xfec00000 + dice_below(d, 0x300000);
	default:
		return dice_next(d);
	}
}

static uint64_t page(struct dice *d)
{
	static const uint64_t places[] = { 0,          0x1000,     0xa0000,    0x100000, 0x200000,
					   0xfec00000, 0xfee00000, 0xfffff000, BIT(32),  BIT(40) };

	return dice_one_in(d, 8)
		       ? odd(d)
		       : places[dice_below(d, ARRAY_SIZE(places))] + dice_below(d, 4) * 0x1000;
}

static uint32_t msr(struct dice *d)
{
	static const uint32_t some[] = {
		0x10,       0x1b,       0x3a,       0x3b,       0x48,       0x49,       0x79,
		0x8b,       0xc1,       0x10a,      0x122,      0x174,      0x175,      0x176,
		0x179,      0x17a,      0x186,      0x1a0,      0x1d9,      0x200,      0x250,
		0x277,      0x2ff,      0x38f,      0x400,      0x401,      0x480,      0x6e0,
		0x800,      0x80b,      0x830,      0x838,      0xda0,      0xc0000080, 0xc0000081,
		0xc0000082, 0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102, 0xc0000103, 0xc0010015,
		0xc001001f, 0xc0010114, 0xc0010117, 0x11,       0x12,       0x4b564d00, 0x4b564d01,
		0x4b564d02, 0x4b564d03, 0x4b564d04, 0x4b564d05, 0x4b564d06, 0x4b564d07, 0x564d4d00,
		0x40000000, 0x40000020, 0x00000000, 0xffffffff,
	};

	switch (dice_below(d, 6)) {
	case 0:
		return 0x800 + dice_below(d, 0x40);
	case 1:
		return dice_next(d);
	default:
		return some[dice_below(d, ARRAY_SIZE(some))];
	}
}

void fill(struct dice *d, void *to, size_t size)
{
	uint64_t v;
	size_t i;

	for (i = 0; i < size; i += 8) {
		v = odd(d);
		memcpy((uint8_t *)to + i, &v, size - i < 8 ? size - i : 8);
	}
}

/* A few fields of what is there. */
static void change(struct dice *d, uint8_t *at, size_t size)
{
	unsigned int n = dice_below(d, 5);

	while (n--) {
		size_t i = dice_below(d, dice_one_in(d, 2) && size > 256 ? 256 : size) & ~3ull;
		uint64_t v = dice_one_in(d, 3) ? at[i] ^ BIT(dice_below(d, 8)) : odd(d);

		memcpy(at + i, &v, size - i < 8 ? 1 : (size_t)1 << dice_below(d, 4));
	}
}

/* ---- code ---- */

struct coder {
	uint8_t *at, *end;
	struct dice *d;
};

static void put(struct coder *c, const char *bytes, size_t n)
{
	if (c->at + n > c->end)
		return;
	memcpy(c->at, bytes, n);
	c->at += n;
}

#define PUT(c, s) put(c, s, sizeof(s) - 1)

static void put32(struct coder *c, uint32_t v)
{
	put(c, (const char *)&v, 4);
}

/* In 64-bit and in 32-bit code these are the same, in 16-bit code something else. */
static void put_something(struct coder *c)
{
	static const char *const short_ones[] = {
		"\x0f\xa2",
		"\xf4",
		"\xfb\xf4",
		"\xe4\x40",
		"\xe6\x80",
		"\x0f\x01\xc1",
		"\x0f\x01\xd9",
		"\x0f\x31",
		"\x0f\x01\xf9",
		"\x0f\x20\xc0",
		"\x0f\x20\xd8",
		"\x0f\x22\xd8",
		"\x0f\x20\xe0",
		"\x0f\x22\xe0",
		"\x0f\x22\xc0",
		"\x0f\x21\xc0",
		"\x0f\x23\xf8",
		"\x0f\x08",
		"\x0f\x09",
		"\x0f\x06",
		"\xf3\x90",
		"\xcd\x80",
		"\xcc",
		"\x0f\x0b",
		"\xcf",
		"\xf3\xa4",
		"\xf3\x6c",
		"\xf3\x6e",
		"\x9c\x9d",
		"\x0f\x01\xd1",
		"\x0f\x01\xd0",
		"\x0f\x01\xc8",
		"\x0f\x01\xc9",
		"\xfa",
		"\xfb",
		"\x0f\x05",
		"\x0f\x34",
		"\x0f\xaa",
		"\x8e\xd8",
		"\x0f\x00\xd8",
		"\x0f\x01\x16",
		"\x0f\x01\x1e",
		"\x0f\x01\xdf",
		"\x0f\x33",
		"\xff\x36",
		"\x44\x0f\x20\xc0",
		"\x44\x0f\x22\xc0",
	};
	struct dice *d = c->d;
	const char *s;

	switch (dice_below(d, 8)) {
	case 0: /* mov ecx, msr; mov eax, ..; mov edx, ..; wrmsr or rdmsr */
		PUT(c, "\xb9");
		put32(c, msr(d));
		PUT(c, "\xb8");
		put32(c, odd(d));
		PUT(c, "\xba");
		put32(c, dice_one_in(d, 2) ? 0 : odd(d));
		if (dice_one_in(d, 3))
			PUT(c, "\x0f\x32");
		else
			PUT(c, "\x0f\x30");
		break;
	case 1: /* mov ebx, address; a load or store there */
		PUT(c, "\xbb");
		put32(c, page(d) + dice_below(d, 0x400) * 4);
		if (dice_one_in(d, 2))
			PUT(c, "\x8b\x03");
		else
			PUT(c, "\x89\x03");
		break;
	case 2: /* a hypercall */
		PUT(c, "\xb8");
		put32(c, dice_one_in(d, 2) ? VMM_HC(dice_below(d, 8)) : dice_below(d, 16));
		PUT(c, "\xbb");
		put32(c, odd(d));
		PUT(c, "\xb9");
		put32(c, odd(d));
		PUT(c, "\xba");
		put32(c, odd(d));
		if (dice_one_in(d, 2))
			PUT(c, "\x0f\x01\xc1");
		else
			PUT(c, "\x0f\x01\xd9");
		break;
	case 3: /* the ICR, or another register of the APIC */
		PUT(c, "\xbb");
		put32(c, 0xfee00000 + (dice_one_in(d, 2) ? 0x300 : dice_below(d, 64) * 16));
		PUT(c, "\xb8");
		put32(c, odd(d));
		PUT(c, "\x89\x03");
		break;
	case 4: /* mov esi, edi, ecx: for string instructions */
		PUT(c, "\xbe");
		put32(c, page(d));
		PUT(c, "\xbf");
		put32(c, page(d));
		PUT(c, "\xb9");
		put32(c, dice_below(d, 0x3000));
		break;
	case 5: {
		char any[4];

		fill(d, any, sizeof(any));
		put(c, any, 1 + dice_below(d, 4));
		break;
	}
	default:
		s = short_ones[dice_below(d, ARRAY_SIZE(short_ones))];
		put(c, s, strlen(s));
	}
}

void make_code(struct dice *d)
{
	struct coder c = { world.memory + CODE, world.memory + CODE + 0x200, d };
	unsigned int n = 4 + dice_below(d, 24);

	while (n--)
		put_something(&c);
	/* And again. */
	if (dice_one_in(d, 2))
		PUT(&c, "\xf4");
	PUT(&c, "\xe9");
	put32(&c, world.memory + CODE - (c.at + 4));
}

void make_tables(void)
{
	uint64_t *t = (uint64_t *)(world.memory + TABLES), i;

	t[0] = (TABLES + 0x1000) | 7;
	for (i = 0; i < 4; i++)
		t[512 + i] = (TABLES + 0x2000) | 7;
	for (i = 0; i < 512; i++)
		t[1024 + i] = i << 21 | 0x87;
	/* The devices are there too. */
	t[1024 + 511] = 0xfee00000 | 0x87;
	t[1024 + 510] = 0xfec00000 | 0x87;
}

/* ---- arguments ---- */

static void arg_region(struct dice *d, struct kvm_userspace_memory_region *r)
{
	static const uint64_t sizes[] = { 0, 0x1000, 0x4000, 0x10000, 0x200000, 0x400000, MEMORY };

	memset(r, 0, sizeof(*r));
	r->slot = dice_one_in(d, 10) ? odd(d) : dice_below(d, 4);
	r->flags = dice_one_in(d, 10) ? odd(d) : dice_below(d, 4);
	r->guest_phys_addr = page(d);
	r->memory_size = dice_one_in(d, 10) ? odd(d) & ~0xfffull
					    : sizes[dice_below(d, ARRAY_SIZE(sizes))];
	r->userspace_addr = dice_one_in(d, 10) ? odd(d) : (uint64_t)world.memory;
	if (dice_one_in(d, 4))
		r->userspace_addr += dice_below(d, 16) * 0x1000;
}

static void arg_cap(struct dice *d, struct kvm_enable_cap *c)
{
	static const uint32_t caps[] = {
		KVM_CAP_SPLIT_IRQCHIP,
		KVM_CAP_X2APIC_API,
		KVM_CAP_X86_DISABLE_EXITS,
		KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
		KVM_CAP_DIRTY_LOG_RING,
		KVM_CAP_DIRTY_LOG_RING_ACQ_REL,
		KVM_CAP_X86_USER_SPACE_MSR,
		KVM_CAP_EXCEPTION_PAYLOAD,
		KVM_CAP_DISABLE_QUIRKS2,
		KVM_CAP_HALT_POLL,
		KVM_CAP_MAX_VCPU_ID,
		KVM_CAP_X86_TRIPLE_FAULT_EVENT,
		KVM_CAP_EXIT_ON_EMULATION_FAILURE,
		KVM_CAP_X86_BUS_LOCK_EXIT,
		KVM_CAP_X86_NOTIFY_VMEXIT,
		KVM_CAP_PMU_CAPABILITY,
		KVM_CAP_VM_DISABLE_NX_HUGE_PAGES,
		KVM_CAP_ENFORCE_PV_FEATURE_CPUID,
		KVM_CAP_SYNC_REGS,
		VMM_CAP_HYPERCALLS,
		VMM_CAP_NAME,
	};
	static const uint64_t args[] = { 0, 1, 2, 3, 4, 15, 24, 4096, 65536, 0x7f };

	memset(c, 0, sizeof(*c));
	c->cap = dice_one_in(d, 10) ? odd(d) : caps[dice_below(d, ARRAY_SIZE(caps))];
	c->flags = dice_one_in(d, 10) ? odd(d) : 0;
	c->args[0] = dice_one_in(d, 4) ? odd(d) : args[dice_below(d, ARRAY_SIZE(args))];
	c->args[1] = dice_one_in(d, 4) ? odd(d) : 0;
}

static void arg_routing(struct dice *d, struct kvm_irq_routing *r)
{
	uint32_t i;

	r->nr = dice_one_in(d, 20) ? odd(d) : dice_below(d, 32);
	r->flags = dice_one_in(d, 20) ? odd(d) : 0;
	for (i = 0; i < 32; i++) {
		struct kvm_irq_routing_entry *e = &r->entries[i];

		fill(d, e, sizeof(*e));
		e->gsi = dice_one_in(d, 10) ? odd(d) : dice_below(d, 26);
		e->type = dice_one_in(d, 10) ? odd(d) : 1 + dice_below(d, 2);
		if (!dice_one_in(d, 10)) {
			e->flags = 0;
			e->pad = 0;
		}
		if (e->type == KVM_IRQ_ROUTING_IRQCHIP && !dice_one_in(d, 10)) {
			e->u.irqchip.irqchip = dice_below(d, 3);
			e->u.irqchip.pin = dice_below(d, e->u.irqchip.irqchip == 2 ? 24 : 8);
		}
	}
}

static void arg_msrs(struct dice *d, struct kvm_msrs *m)
{
	uint32_t i;

	m->nmsrs = dice_one_in(d, 20) ? odd(d) : dice_below(d, 8);
	m->pad = 0;
	for (i = 0; i < 8; i++)
		m->entries[i] = (struct kvm_msr_entry){ .index = msr(d), .data = odd(d) };
}

static void arg_filter(struct dice *d, struct kvm_msr_filter *f, uint8_t *bitmaps)
{
	uint32_t i;

	memset(f, 0, sizeof(*f));
	fill(d, bitmaps, 256);
	f->flags = dice_below(d, 3) == 2 ? odd(d) : dice_below(d, 2);
	for (i = 0; i < dice_below(d, 5); i++) {
		f->ranges[i].flags = dice_one_in(d, 8) ? odd(d) : 1 + dice_below(d, 3);
		f->ranges[i].nmsrs = dice_one_in(d, 8) ? odd(d) : dice_below(d, 0x700);
		f->ranges[i].base = msr(d);
		f->ranges[i].bitmap = dice_one_in(d, 8) ? (uint8_t *)odd(d) : bitmaps;
	}
}

static int some_event(struct dice *d)
{
	return dice_one_in(d, 8) ? pick(d, dice_below(d, KINDS))
				 : world.event[dice_below(d, EVENTS)];
}

/* Fill the argument; false: a number, which is returned in *value. */
bool make_arg(struct dice *d, const struct call *c, int fd, uint8_t *arg, uint64_t *value)
{
	uint32_t size = _IOC_SIZE(c->nr);

	*value = dice_one_in(d, 4) ? odd(d) : dice_below(d, 3);
	switch (c->nr) {
	case KVM_CREATE_VM:
	case KVM_GET_STATS_FD:
	case KVM_GET_VCPU_MMAP_SIZE:
		*value = dice_one_in(d, 16) ? odd(d) : 0;
		return false;
	case KVM_CHECK_EXTENSION:
		*value = dice_below(d, 260);
		return false;
	case KVM_SET_USER_MEMORY_REGION:
		arg_region(d, (void *)arg);
		return true;
	case KVM_ENABLE_CAP:
		arg_cap(d, (void *)arg);
		return true;
	case KVM_SET_GSI_ROUTING:
		arg_routing(d, (void *)arg);
		return true;
	case KVM_GET_MSRS:
	case KVM_SET_MSRS:
		arg_msrs(d, (void *)arg);
		return true;
	case KVM_X86_SET_MSR_FILTER:
		arg_filter(d, (void *)arg, arg + 4096);
		return true;
	case KVM_IRQFD: {
		struct kvm_irqfd *i = (void *)arg;

		*i = (struct kvm_irqfd){ .fd = some_event(d), .gsi = dice_below(d, 26) };
		i->flags = dice_one_in(d, 8) ? odd(d) : dice_below(d, 4);
		i->resamplefd = some_event(d);
		return true;
	}
	case KVM_IOEVENTFD: {
		struct kvm_ioeventfd *i = (void *)arg;

		*i = (struct kvm_ioeventfd){ .fd = some_event(d), .addr = page(d) };
		i->len = dice_one_in(d, 8) ? odd(d) : dice_below(d, 4) << 1;
		i->flags = dice_one_in(d, 8) ? odd(d) : dice_below(d, 8);
		i->datamatch = dice_below(d, 3);
		if (i->flags & KVM_IOEVENTFD_FLAG_PIO)
			i->addr = 0x80;
		return true;
	}
	case KVM_IRQ_LINE:
	case KVM_IRQ_LINE_STATUS: {
		struct kvm_irq_level *l = (void *)arg;

		l->irq = dice_one_in(d, 8) ? odd(d) : dice_below(d, 26);
		l->level = dice_below(d, 2);
		return true;
	}
	case KVM_SIGNAL_MSI: {
		struct kvm_msi *m = (void *)arg;

		memset(m, 0, sizeof(*m));
		m->address_lo = 0xfee00000 | (dice_next(d) & 0xff00c);
		m->data = dice_one_in(d, 4) ? odd(d) : dice_below(d, 256);
		return true;
	}
	case KVM_GET_DIRTY_LOG: {
		struct kvm_dirty_log *l = (void *)arg;

		*l = (struct kvm_dirty_log){ .slot = dice_below(d, 5), .dirty_bitmap = arg + 64 };
		if (dice_one_in(d, 8))
			l->dirty_bitmap = (void *)odd(d);
		return true;
	}
	case KVM_CLEAR_DIRTY_LOG: {
		struct kvm_clear_dirty_log *l = (void *)arg;

		*l = (struct kvm_clear_dirty_log){ .slot = dice_below(d, 5) };
		l->dirty_bitmap = arg + 64;
		l->first_page = dice_one_in(d, 4) ? odd(d) : dice_below(d, 4) * 64;
		l->num_pages = dice_one_in(d, 4) ? odd(d) : dice_below(d, 8) * 64;
		fill(d, arg + 64, 512);
		return true;
	}
	case KVM_SET_SIGNAL_MASK: {
		struct kvm_signal_mask *m = (void *)arg;

		m->len = dice_one_in(d, 8) ? odd(d) : 8;
		*value = dice_next(d) & ~BIT(SIGUSR1 - 1);
		memcpy(m->sigset, value, 8);
		return true;
	}
	case KVM_SET_DEVICE_ATTR:
	case KVM_GET_DEVICE_ATTR:
	case KVM_HAS_DEVICE_ATTR: {
		struct kvm_device_attr *a = (void *)arg;

		*a = (struct kvm_device_attr){ .addr = (uint64_t)(arg + 64) };
		if (dice_one_in(d, 4))
			fill(d, a, sizeof(*a));
		*(uint64_t *)(arg + 64) = odd(d);
		return true;
	}
	case KVM_GET_SUPPORTED_CPUID:
	case KVM_GET_EMULATED_CPUID:
	case KVM_GET_MSR_INDEX_LIST:
	case KVM_GET_MSR_FEATURE_INDEX_LIST:
	case KVM_GET_CPUID2:
		*(uint32_t *)arg = dice_one_in(d, 3) ? odd(d) : 256;
		return true;
	case KVM_SET_CPUID2: {
		struct kvm_cpuid2 *c2 = (void *)arg;

		c2->nent = 200;
		if (ioctl(world.device, KVM_GET_SUPPORTED_CPUID, c2))
			return true;
		change(d, (uint8_t *)c2->entries, c2->nent * sizeof(c2->entries[0]));
		if (dice_one_in(d, 8))
			c2->nent = odd(d);
		return true;
	}
	case VMM_SET_NAME:
		strcpy(((struct vmm_name *)arg)->name, dice_one_in(d, 2) ? "fuzz" : "fuzz2");
		if (dice_one_in(d, 2))
			change(d, arg, size);
		return true;
	}
	if (!size && c->nr != KVM_REINJECT_CONTROL)
		return false;
	if (c->get && !dice_one_in(d, 8)) {
		memset(arg, 0, 16);
		*(uint32_t *)arg = dice_below(d, 3);
		ioctl(fd, c->get, arg);
		change(d, arg, size);
	} else {
		fill(d, arg, size < 24 ? 24 : size);
		if (dice_one_in(d, 2))
			*(uint32_t *)arg = dice_below(d, 4);
	}
	return true;
}
