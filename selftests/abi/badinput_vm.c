// SPDX-License-Identifier: GPL-2.0
/* Arguments that the device and a VM refuse, and with which errno: Documentation/api.rst. */
#include <stdio.h>
#include <string.h>
#include "badinput_args.h"

#define SUITE "badinput"

/* ---- how a row is tried ---- */

static unsigned long make_arg(const struct bad_row *row)
{
	u8 *arg;

	if (!row->size)
		return row->value;
	arg = arg_at_end(row->size);
	if (row->arg)
		memcpy(arg, row->arg, row->size);
	if (row->get) {
		OK(ioctl(world_fd(row->world, row->file), row->get, arg));
		memcpy(arg + row->offset, &row->value, row->width);
	}
	return (unsigned long)arg;
}

void refuse_rows(const struct bad_row *rows, size_t count)
{
	int fd, ret, bad = 0;
	unsigned long arg;
	size_t i;

	for (i = 0; i < count; i++) {
		fd = world_fd(rows[i].world, rows[i].file);
		arg = make_arg(&rows[i]);
		errno = 0;
		ret = ioctl(fd, rows[i].nr, arg);
		if (ret == -1 && errno == rows[i].err)
			continue;
		printf("%s (%#x): returned %d, errno %d, not %d\n", rows[i].what, rows[i].nr, ret,
		       errno, rows[i].err);
		bad++;
	}
	CHECK_EQ(bad, 0);
}

void refuse_all(const struct bad_row *rows, size_t count)
{
	refuse_rows(rows, count);
	worlds_live();
}

/* ---- the device ---- */

static const struct bad_row device[] = {
	BAD_NR(DEVICE, EMPTY, KVM_GET_API_VERSION, EINVAL, "an argument", 1),
	BAD_NR(DEVICE, EMPTY, KVM_CREATE_VM, EINVAL, "a type", 1),
	BAD_NR(DEVICE, EMPTY, KVM_CREATE_VM, EINVAL, "a type in the upper half", 1ull << 32),
	BAD_NR(DEVICE, EMPTY, KVM_GET_VCPU_MMAP_SIZE, EINVAL, "an argument", 8),
	BAD(DEVICE, EMPTY, KVM_GET_MSR_INDEX_LIST, E2BIG, "no room", (struct kvm_msr_list){ 0 }),
	BAD(DEVICE, EMPTY, KVM_GET_MSR_FEATURE_INDEX_LIST, E2BIG, "no room",
	    (struct kvm_msr_list){ 0 }),
	BAD(DEVICE, EMPTY, KVM_GET_SUPPORTED_CPUID, E2BIG, "no room", (struct kvm_cpuid2){ 0 }),
	BAD(DEVICE, EMPTY, KVM_GET_MSRS, E2BIG, "256 MSRs", (struct kvm_msrs){ .nmsrs = 256 }),
	BAD(DEVICE, EMPTY, KVM_GET_MSRS, E2BIG, "too many", (struct kvm_msrs){ .nmsrs = ~0u }),
};

CASE(device_args)
{
	REFUSE(device);
}

/* ---- creation, in the wrong order or twice ---- */

static const struct bad_row creation[] = {
	BAD_NR(VM, PLAIN, KVM_CREATE_VCPU, EEXIST, "the same id", 0),
	BAD_NR(VM, EMPTY, KVM_CREATE_VCPU, EINVAL, "an id too large", 4096),
	BAD_NR(VM, EMPTY, KVM_CREATE_VCPU, EINVAL, "the largest id", ~0u),
	BAD_NR(VM, PLAIN, KVM_CREATE_IRQCHIP, EINVAL, "after a vCPU", 0),
	BAD_NR(VM, CHIP, KVM_CREATE_IRQCHIP, EEXIST, "twice", 0),
	BAD_NR(VM, SPLIT, KVM_CREATE_IRQCHIP, EEXIST, "beside a split one", 0),
	BAD(VM, CHIP, KVM_CREATE_PIT2, EEXIST, "twice", (struct kvm_pit_config){ 0 }),
	BAD_NR(VM, PLAIN, KVM_SET_BOOT_CPU_ID, EBUSY, "after a vCPU", 1),
	BAD(VM, PLAIN, KVM_SET_IDENTITY_MAP_ADDR, EINVAL, "after a vCPU", (u64){ 0xfffbc000 }),
	BAD_NR(VM, EMPTY, KVM_SET_TSS_ADDR, EINVAL, "too high", 0xffffe000),
	BAD_NR(VM, EMPTY, KVM_SET_TSS_ADDR, EINVAL, "above 4 GiB", 1ull << 32),
	BAD_NR(VM, EMPTY, KVM_SET_NR_MMU_PAGES, EINVAL, "none", 0),
	BAD_NR(VM, EMPTY, KVM_SET_NR_MMU_PAGES, EINVAL, "too few", 63),
};

CASE(creation_args)
{
	REFUSE(creation);
}

/* ---- memory ---- */

#define REGION(...)                          \
	(struct kvm_userspace_memory_region) \
	{                                    \
		__VA_ARGS__                  \
	}
#define BAD_REGION(err, what, ...) \
	BAD(VM, PLAIN, KVM_SET_USER_MEMORY_REGION, err, what, REGION(__VA_ARGS__))
#define GPA      .guest_phys_addr = 0x20000000
#define PAGES(n) .memory_size = PAGE_SIZE * (n)
#define HVA      .userspace_addr = 0x10000000

static const struct bad_row regions[] = {
	BAD_REGION(EINVAL, "an unknown flag", .slot = 9, .flags = 4, GPA, HVA, PAGES(1)),
	BAD_REGION(EINVAL, "all flags", .slot = 9, .flags = ~0u, GPA, HVA, PAGES(1)),
	BAD_REGION(EINVAL, "a slot too high", .slot = 32764, GPA, HVA, PAGES(1)),
	BAD_REGION(EINVAL, "a second address space", .slot = 0x20009, GPA, HVA, PAGES(1)),
	BAD_REGION(EINVAL, "a GPA in a page", .slot = 9, .guest_phys_addr = 0x20000010, HVA,
		   PAGES(1)),
	BAD_REGION(EINVAL, "an HVA in a page", .slot = 9, GPA, .userspace_addr = 0x10000010,
		   PAGES(1)),
	BAD_REGION(EINVAL, "half a page", .slot = 9, .memory_size = 2048, GPA, HVA),
	BAD_REGION(EINVAL, "around the end of all addresses", .slot = 9,
		   .guest_phys_addr = -4096ull, .memory_size = 8192, HVA),
	BAD_REGION(EINVAL, "an HVA of the kernel's", .slot = 9, GPA,
		   .userspace_addr = 0xffff888000000000ull, PAGES(1)),
	BAD_REGION(EINVAL, "an HVA around the end", .slot = 9, GPA, .userspace_addr = -4096ull,
		   .memory_size = 8192),
	BAD_REGION(EINVAL, "the largest size", .slot = 9, GPA, HVA, .memory_size = -4096ull),
	BAD_REGION(EINVAL, "deletion of nothing", .slot = 9, GPA, HVA, .memory_size = 0),
	BAD_REGION(EINVAL, "another size", .slot = LOGGED_SLOT, GPA, HVA, PAGES(1)),
	BAD_REGION(EEXIST, "over the beginning of another", .slot = 9, HVA,
		   .guest_phys_addr = LOGGED_GPA - PAGE_SIZE, PAGES(2)),
	BAD_REGION(EEXIST, "over the end of another", .slot = 9, HVA,
		   .guest_phys_addr = LOGGED_GPA + LOGGED_SIZE - PAGE_SIZE, PAGES(2)),
	BAD_REGION(EEXIST, "inside another", .slot = 9, HVA,
		   .guest_phys_addr = LOGGED_GPA + PAGE_SIZE, PAGES(1)),
	BAD_REGION(EEXIST, "around another", .slot = 9, HVA,
		   .guest_phys_addr = LOGGED_GPA - PAGE_SIZE,
		   .memory_size = LOGGED_SIZE + 2 * PAGE_SIZE),
};

CASE(memory_args)
{
	REFUSE(regions);
}

#define GET_LOG(...)           \
	(struct kvm_dirty_log) \
	{                      \
		__VA_ARGS__    \
	}
#define CLEAR_LOG(...)               \
	(struct kvm_clear_dirty_log) \
	{                            \
		__VA_ARGS__          \
	}

static const struct bad_row dirty[] = {
	BAD(VM, PLAIN, KVM_GET_DIRTY_LOG, ENOENT, "no slot", GET_LOG(.slot = 9)),
	BAD(VM, PLAIN, KVM_GET_DIRTY_LOG, ENOENT, "a slot without log", GET_LOG(.slot = 0)),
	BAD(VM, PLAIN, KVM_GET_DIRTY_LOG, EINVAL, "a slot too high", GET_LOG(.slot = 32764)),
	BAD(VM, PLAIN, KVM_GET_DIRTY_LOG, EINVAL, "an address space", GET_LOG(.slot = 0x20005)),
	BAD(VM, PLAIN, KVM_GET_DIRTY_LOG, EFAULT, "no bitmap", GET_LOG(.slot = LOGGED_SLOT)),
	BAD(VM, RINGS, KVM_GET_DIRTY_LOG, ENXIO, "with rings", GET_LOG(.slot = LOGGED_SLOT)),
	BAD(VM, PLAIN, KVM_CLEAR_DIRTY_LOG, ENOENT, "no slot", CLEAR_LOG(.slot = 9)),
	BAD(VM, PLAIN, KVM_CLEAR_DIRTY_LOG, ENOENT, "a slot without log", CLEAR_LOG(.slot = 0)),
	BAD(VM, PLAIN, KVM_CLEAR_DIRTY_LOG, EINVAL, "a slot too high", CLEAR_LOG(.slot = 32764)),
	BAD(VM, PLAIN, KVM_CLEAR_DIRTY_LOG, EFAULT, "no bitmap",
	    CLEAR_LOG(.slot = LOGGED_SLOT, .num_pages = 64)),
	BAD(VM, PLAIN, KVM_CLEAR_DIRTY_LOG, EINVAL, "from page 1",
	    CLEAR_LOG(.slot = LOGGED_SLOT, .first_page = 1, .num_pages = 64)),
	BAD(VM, PLAIN, KVM_CLEAR_DIRTY_LOG, EINVAL, "63 pages",
	    CLEAR_LOG(.slot = LOGGED_SLOT, .num_pages = 63)),
	BAD(VM, PLAIN, KVM_CLEAR_DIRTY_LOG, EINVAL, "beyond the end",
	    CLEAR_LOG(.slot = LOGGED_SLOT, .first_page = 64, .num_pages = 64)),
	BAD(VM, PLAIN, KVM_CLEAR_DIRTY_LOG, EINVAL, "more pages than there are",
	    CLEAR_LOG(.slot = LOGGED_SLOT, .num_pages = ~0u)),
	BAD(VM, PLAIN, KVM_CLEAR_DIRTY_LOG, EINVAL, "a beginning that wraps around",
	    CLEAR_LOG(.slot = LOGGED_SLOT, .first_page = -64ull, .num_pages = 64)),
	BAD(VM, RINGS, KVM_CLEAR_DIRTY_LOG, ENXIO, "with rings", CLEAR_LOG(.slot = LOGGED_SLOT)),
	BAD_NR(VM, PLAIN, KVM_RESET_DIRTY_RINGS, EINVAL, "without rings", 0),
};

CASE(dirty_log_args)
{
	REFUSE(dirty);
}

/* ---- interrupts ---- */

static const struct bad_row lines[] = {
	BAD(VM, PLAIN, KVM_IRQ_LINE, ENXIO, "no irqchip", (struct kvm_irq_level){ .irq = 5 }),
	BAD(VM, PLAIN, KVM_IRQ_LINE_STATUS, ENXIO, "no irqchip",
	    (struct kvm_irq_level){ .irq = 5 }),
	BAD(VM, PLAIN, KVM_GET_IRQCHIP, ENXIO, "no irqchip", (struct kvm_irqchip){ 0 }),
	BAD(VM, SPLIT, KVM_GET_IRQCHIP, ENXIO, "a split irqchip", (struct kvm_irqchip){ 0 }),
	BAD(VM, CHIP, KVM_GET_IRQCHIP, EINVAL, "chip 3", (struct kvm_irqchip){ .chip_id = 3 }),
	BAD(VM, CHIP, KVM_GET_IRQCHIP, EINVAL, "no chip", (struct kvm_irqchip){ .chip_id = ~0u }),
	BAD(VM, PLAIN, KVM_SET_IRQCHIP, ENXIO, "no irqchip", (struct kvm_irqchip){ 0 }),
	BAD(VM, SPLIT, KVM_SET_IRQCHIP, ENXIO, "a split irqchip", (struct kvm_irqchip){ 0 }),
	BAD(VM, CHIP, KVM_SET_IRQCHIP, EINVAL, "chip 3", (struct kvm_irqchip){ .chip_id = 3 }),
	BAD(VM, EMPTY_CHIP, KVM_GET_PIT2, ENXIO, "no PIT", (struct kvm_pit_state2){ .flags = 0 }),
	BAD(VM, EMPTY_CHIP, KVM_SET_PIT2, ENXIO, "no PIT", (struct kvm_pit_state2){ .flags = 0 }),
	BAD(VM, EMPTY_CHIP, KVM_REINJECT_CONTROL, ENXIO, "no PIT",
	    (struct kvm_reinject_control){ 0 }),
	BAD(VM, PLAIN, KVM_SIGNAL_MSI, EINVAL, "no irqchip",
	    (struct kvm_msi){ .address_lo = APIC_BASE }),
	BAD(VM, CHIP, KVM_SIGNAL_MSI, EINVAL, "flags",
	    (struct kvm_msi){ .address_lo = APIC_BASE, .flags = 4 }),
};

CASE(interrupt_args)
{
	REFUSE(lines);
}

#define IRQFD(...)          \
	(struct kvm_irqfd)  \
	{                   \
		__VA_ARGS__ \
	}

static const struct bad_row irqfds[] = {
	BAD(VM, CHIP, KVM_IRQFD, EINVAL, "flags", IRQFD(.fd = FD_EVENT, .flags = 4)),
	BAD(VM, CHIP, KVM_IRQFD, EBADF, "no file", IRQFD(.fd = FD_CLOSED)),
	BAD(VM, CHIP, KVM_IRQFD, EBADF, "no file at all", IRQFD(.fd = ~0u)),
	BAD(VM, CHIP, KVM_IRQFD, EINVAL, "no eventfd", IRQFD(.fd = FD_OTHER)),
	BAD(VM, CHIP, KVM_IRQFD, EBUSY, "in use", IRQFD(.fd = FD_USED, .gsi = 6)),
	BAD(VM, CHIP, KVM_IRQFD, EINVAL, "no eventfd to resample",
	    IRQFD(.fd = FD_EVENT, .flags = KVM_IRQFD_FLAG_RESAMPLE, .resamplefd = FD_OTHER)),
	BAD(VM, CHIP, KVM_IRQFD, EBADF, "no file to resample",
	    IRQFD(.fd = FD_EVENT, .flags = KVM_IRQFD_FLAG_RESAMPLE, .resamplefd = FD_CLOSED)),
	BAD(VM, SPLIT, KVM_IRQFD, EINVAL, "resampling without an I/O APIC",
	    IRQFD(.fd = FD_EVENT, .flags = KVM_IRQFD_FLAG_RESAMPLE, .resamplefd = FD_USED)),
	BAD(VM, CHIP, KVM_IRQFD, EINVAL, "no eventfd to take away",
	    IRQFD(.fd = FD_OTHER, .flags = KVM_IRQFD_FLAG_DEASSIGN)),
	BAD(VM, CHIP, KVM_IRQFD, EBADF, "no file to take away",
	    IRQFD(.fd = FD_CLOSED, .flags = KVM_IRQFD_FLAG_DEASSIGN)),
	BAD(VM, PLAIN, KVM_IRQFD, EINVAL, "no irqchip", IRQFD(.fd = FD_EVENT)),
};

CASE(irqfd_args)
{
	REFUSE(irqfds);
}

#define PIO .addr = 0x7000, .flags = KVM_IOEVENTFD_FLAG_PIO
#define IOFD(...)              \
	(struct kvm_ioeventfd) \
	{                      \
		__VA_ARGS__    \
	}

static const struct bad_row ioeventfds[] = {
	BAD(VM, PLAIN, KVM_IOEVENTFD, EINVAL, "flags",
	    IOFD(.fd = FD_EVENT, .len = 4, .addr = HOLE_BASE, .flags = 1 << 5)),
	BAD(VM, PLAIN, KVM_IOEVENTFD, EINVAL, "3 bytes",
	    IOFD(.fd = FD_EVENT, .len = 3, .addr = HOLE_BASE)),
	BAD(VM, PLAIN, KVM_IOEVENTFD, EINVAL, "16 bytes",
	    IOFD(.fd = FD_EVENT, .len = 16, .addr = HOLE_BASE)),
	BAD(VM, PLAIN, KVM_IOEVENTFD, EINVAL, "around the end of all addresses",
	    IOFD(.fd = FD_EVENT, .len = 8, .addr = -4ull)),
	BAD(VM, PLAIN, KVM_IOEVENTFD, EINVAL, "a value without length",
	    IOFD(.fd = FD_EVENT, .addr = HOLE_BASE, .flags = KVM_IOEVENTFD_FLAG_DATAMATCH)),
	BAD(VM, PLAIN, KVM_IOEVENTFD, EBADF, "no file",
	    IOFD(.fd = FD_CLOSED, .len = 4, .addr = HOLE_BASE)),
	BAD(VM, PLAIN, KVM_IOEVENTFD, EINVAL, "no eventfd",
	    IOFD(.fd = FD_OTHER, .len = 4, .addr = HOLE_BASE)),
	BAD(VM, PLAIN, KVM_IOEVENTFD, EEXIST, "twice", IOFD(.fd = FD_USED, .len = 4, PIO)),
	BAD(VM, PLAIN, KVM_IOEVENTFD, EEXIST, "beside another",
	    IOFD(.fd = FD_EVENT, .len = 4, PIO)),
	BAD(VM, PLAIN, KVM_IOEVENTFD, ENOENT, "none to take away",
	    IOFD(.fd = FD_EVENT, .len = 4, .addr = HOLE_BASE,
		 .flags = KVM_IOEVENTFD_FLAG_DEASSIGN)),
	BAD(VM, PLAIN, KVM_IOEVENTFD, ENOENT, "another to take away",
	    IOFD(.fd = FD_USED, .len = 2, .addr = 0x7000,
		 .flags = KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DEASSIGN)),
};

CASE(ioeventfd_args)
{
	REFUSE(ioeventfds);
}

#define ZONE(...)                        \
	(struct kvm_coalesced_mmio_zone) \
	{                                \
		__VA_ARGS__              \
	}

static const struct bad_row zones[] = {
	BAD(VM, PLAIN, KVM_REGISTER_COALESCED_MMIO, EINVAL, "pio is 2",
	    ZONE(.addr = HOLE_BASE, .size = 4, .pio = 2)),
	BAD(VM, PLAIN, KVM_UNREGISTER_COALESCED_MMIO, EINVAL, "pio is 2",
	    ZONE(.addr = HOLE_BASE, .size = 4, .pio = 2)),
};

CASE(coalesced_args)
{
	REFUSE(zones);
}

/* As many devices as a bus has room for, and one more. */
CASE(bus_full)
{
	struct kvm_coalesced_mmio_zone zone = { .addr = HOLE_BASE, .size = 4 };
	const struct bad_row full[] = {
		BAD(VM, PLAIN, KVM_REGISTER_COALESCED_MMIO, ENOSPC, "a zone too many",
		    ZONE(.addr = HOLE_BASE - 4, .size = 4)),
		BAD(VM, PLAIN, KVM_IOEVENTFD, ENOSPC, "an ioeventfd too many",
		    IOFD(.fd = FD_EVENT, .len = 4, .addr = HOLE_BASE)),
	};
	int i;

	for (i = 0; i < 1000; i++, zone.addr += 4)
		OK(ioctl(world_fd(PLAIN, VM), KVM_REGISTER_COALESCED_MMIO, &zone));
	REFUSE(full);
}

struct routes {
	struct kvm_irq_routing h;
	struct kvm_irq_routing_entry e[2];
};

#define CHIP_ROUTE(gsi_, chip, pin_)                                         \
	{                                                                    \
		.gsi = gsi_, .type = KVM_IRQ_ROUTING_IRQCHIP, .u.irqchip = { \
			.irqchip = chip,                                     \
			.pin = pin_                                          \
		}                                                            \
	}
#define BAD_ROUTES(world, what, n, ...)                   \
	BAD(VM, world, KVM_SET_GSI_ROUTING, EINVAL, what, \
	    (struct routes){ .h.nr = n, .e = { __VA_ARGS__ } })

static const struct bad_row routing[] = {
	BAD(VM, PLAIN, KVM_SET_GSI_ROUTING, EINVAL, "no irqchip", (struct kvm_irq_routing){ 0 }),
	BAD(VM, CHIP, KVM_SET_GSI_ROUTING, EINVAL, "flags", (struct kvm_irq_routing){ .flags = 1 }),
	BAD(VM, CHIP, KVM_SET_GSI_ROUTING, EINVAL, "too many",
	    (struct kvm_irq_routing){ .nr = 4097 }),
	BAD(VM, CHIP, KVM_SET_GSI_ROUTING, EINVAL, "most of all",
	    (struct kvm_irq_routing){ .nr = ~0u }),
	BAD_ROUTES(CHIP, "a type", 1, { .gsi = 1, .type = 99 }),
	BAD_ROUTES(CHIP, "a GSI too high", 1, CHIP_ROUTE(4096, KVM_IRQCHIP_IOAPIC, 1)),
	BAD_ROUTES(CHIP, "a chip", 1, CHIP_ROUTE(1, 3, 1)),
	BAD_ROUTES(CHIP, "a pin of the I/O APIC", 1, CHIP_ROUTE(1, KVM_IRQCHIP_IOAPIC, 24)),
	BAD_ROUTES(CHIP, "a pin of the PIC", 1, CHIP_ROUTE(1, KVM_IRQCHIP_PIC_SLAVE, 8)),
	BAD_ROUTES(CHIP, "two pins of a chip", 2, CHIP_ROUTE(1, KVM_IRQCHIP_IOAPIC, 1),
		   CHIP_ROUTE(1, KVM_IRQCHIP_IOAPIC, 2)),
	BAD_ROUTES(CHIP, "a message beside a pin", 2, CHIP_ROUTE(1, KVM_IRQCHIP_IOAPIC, 1),
		   { .gsi = 1, .type = KVM_IRQ_ROUTING_MSI }),
	BAD_ROUTES(CHIP, "flags of an entry", 1,
		   { .gsi = 1, .type = KVM_IRQ_ROUTING_IRQCHIP, .flags = 1 }),
	BAD_ROUTES(SPLIT, "a chip that is not there", 1, CHIP_ROUTE(1, KVM_IRQCHIP_IOAPIC, 1)),
};

CASE(routing_args)
{
	REFUSE(routing);
}

/* ---- clock, MSR filter ---- */

static const struct bad_row clocks[] = {
	BAD(VM, PLAIN, KVM_SET_CLOCK, EINVAL, "flags", (struct kvm_clock_data){ .flags = 1 }),
	BAD(VM, PLAIN, KVM_SET_CLOCK, EINVAL, "all flags", (struct kvm_clock_data){ .flags = ~0u }),
};

CASE(clock_args)
{
	REFUSE(clocks);
}

static u8 bits[1];

#define BAD_FILTER(err, what, flags_, ...)                \
	BAD(VM, PLAIN, KVM_X86_SET_MSR_FILTER, err, what, \
	    (struct kvm_msr_filter){ .flags = flags_, .ranges = { { __VA_ARGS__ } } })
#define READS .flags = KVM_MSR_FILTER_READ, .base = 0x174

static const struct bad_row filters[] = {
	BAD_FILTER(EINVAL, "flags", 2, READS, .nmsrs = 1, .bitmap = bits),
	BAD_FILTER(EINVAL, "all denied", KVM_MSR_FILTER_DEFAULT_DENY, .nmsrs = 0),
	BAD_FILTER(EINVAL, "flags of a range", 0, .flags = 4, .nmsrs = 1, .bitmap = bits),
	BAD_FILTER(EINVAL, "no access", 0, .flags = 0, .nmsrs = 1, .bitmap = bits),
	BAD_FILTER(EINVAL, "too many MSRs", 0, READS, .nmsrs = 0x3001, .bitmap = bits),
	BAD_FILTER(EINVAL, "most MSRs", 0, READS, .nmsrs = ~0u, .bitmap = bits),
	BAD_FILTER(EFAULT, "no bitmap", 0, READS, .nmsrs = 1, .bitmap = (u8 *)8),
};

CASE(msr_filter_args)
{
	REFUSE(filters);
}

/* ---- capabilities ---- */

static const struct bad_row caps[] = {
	BAD(VM, EMPTY, KVM_ENABLE_CAP, EINVAL, "flags",
	    (struct kvm_enable_cap){ .cap = KVM_CAP_EXCEPTION_PAYLOAD, .flags = 1 }),
	BAD_CAP(VM, EMPTY, 0x7ffff, EINVAL, "no such capability", 1),
	BAD_CAP(VM, EMPTY, KVM_CAP_USER_MEMORY, EINVAL, "one that is always on", 1),
	BAD_CAP(VM, EMPTY, KVM_CAP_SPLIT_IRQCHIP, EINVAL, "too many pins", 4097),
	BAD_CAP(VM, SPLIT, KVM_CAP_SPLIT_IRQCHIP, EEXIST, "twice", 24),
	BAD_CAP(VM, EMPTY_CHIP, KVM_CAP_SPLIT_IRQCHIP, EEXIST, "beside a whole one", 24),
	BAD_CAP(VM, PLAIN, KVM_CAP_SPLIT_IRQCHIP, EEXIST, "after a vCPU", 24),
	BAD_CAP(VM, EMPTY, KVM_CAP_EXIT_HYPERCALL, EINVAL, "another hypercall", 1 << 5),
	BAD_CAP(VM, EMPTY, KVM_CAP_MAX_VCPU_ID, EINVAL, "too many", 4097),
	BAD_CAP(VM, EMPTY, KVM_CAP_X2APIC_API, EINVAL, "a flag", 4),
	BAD_CAP(VM, EMPTY, KVM_CAP_X86_DISABLE_EXITS, EINVAL, "an exit", 16),
	BAD_CAP(VM, EMPTY, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, EINVAL, "a flag", 4),
	BAD_CAP(VM, EMPTY, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, EINVAL, "initially set, alone", 2),
	BAD_CAP(VM, EMPTY, KVM_CAP_X86_USER_SPACE_MSR, EINVAL, "a reason", 1 << 3),
	BAD_CAP(VM, EMPTY, KVM_CAP_DIRTY_LOG_RING, EINVAL, "no power of two", 65536 + 4096),
	BAD_CAP(VM, EMPTY, KVM_CAP_DIRTY_LOG_RING, EINVAL, "too small", 2048),
	BAD_CAP(VM, EMPTY, KVM_CAP_DIRTY_LOG_RING, E2BIG, "too large", 2 << 20),
	BAD_CAP(VM, PLAIN, KVM_CAP_DIRTY_LOG_RING, EINVAL, "after a vCPU", 65536),
	BAD_CAP(VM, RINGS, KVM_CAP_DIRTY_LOG_RING, EINVAL, "twice", 65536),
	BAD_CAP(VM, EMPTY, KVM_CAP_DIRTY_LOG_RING_ACQ_REL, EINVAL, "no power of two", 0),
	BAD_CAP(VM, EMPTY, KVM_CAP_DIRTY_LOG_RING_ACQ_REL, E2BIG, "too large", 2 << 20),
	BAD_CAP(VM, EMPTY, KVM_CAP_DISABLE_QUIRKS2, EINVAL, "a quirk", 1ull << 40),
	BAD_CAP(VM, EMPTY, KVM_CAP_HALT_POLL, EINVAL, "more than 32 bits", 1ull << 32),
	BAD_CAP(VM, PLAIN, KVM_CAP_MAX_VCPU_ID, EINVAL, "after a vCPU", 8),
};

CASE(capability_args)
{
	REFUSE(caps);
}

/* ---- what in-tree KVM takes all the same ---- */

static const struct bad_row stricter[] = {
	BAD(VM, PLAIN, KVM_CREATE_PIT2, ENOENT, "no irqchip", (struct kvm_pit_config){ 0 }),
	BAD(VM, SPLIT, KVM_CREATE_PIT2, ENOENT, "a split irqchip", (struct kvm_pit_config){ 0 }),
	BAD(VM, EMPTY_CHIP, KVM_CREATE_PIT2, EINVAL, "flags",
	    (struct kvm_pit_config){ .flags = 2 }),
	BAD_NR(VM, PLAIN, KVM_SET_TSC_KHZ, EINVAL, "after a vCPU", 1000000),
	BAD_NR(VM, EMPTY, KVM_SET_TSC_KHZ, EINVAL, "more than an int", 0x80000000),
	BAD(VM, CHIP, KVM_IRQFD, EINVAL, "a GSI too high", IRQFD(.fd = FD_EVENT, .gsi = 4096)),
	BAD_CAP(VM, EMPTY, KVM_CAP_MAX_VCPU_ID, EINVAL, "none", 0),
};

CASE(stricter_vm, .oracle = "in-tree KVM takes, and ignores, these")
{
	REFUSE(stricter);
}
