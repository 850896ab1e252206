// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <linux/pci_regs.h>
#include <unistd.h>

#include "../devices/pci.h"
#include "tap.h"

/* What the bus did. */
static struct {
	unsigned int gsi, sets;
	bool level;
	unsigned int messages;
	uint64_t addr;
	uint32_t data;
	uint64_t bar[4];
	uint8_t port;
	unsigned int routes, dropped;
	bool route_refused;
	int route_fd;
} seen;

static struct pci_bus bus;
static struct pci_device dev;
static struct bus pio, mmio;
static struct bus_range ranges[3];

static void set_line(void *opaque, unsigned int gsi, bool level)
{
	(void)opaque;
	seen.gsi = gsi;
	seen.level = level;
	seen.sets++;
}

static void message(void *opaque, uint64_t addr, uint32_t data)
{
	(void)opaque;
	seen.messages++;
	seen.addr = addr;
	seen.data = data;
}

static uint64_t bar_read(void *opaque, uint64_t off, unsigned int size)
{
	(void)opaque;
	return off * 16 + size;
}

static void bar_write(void *opaque, uint64_t off, uint64_t val, unsigned int size)
{
	(void)opaque;
	seen.bar[0] = off;
	seen.bar[1] = val;
	seen.bar[2] = size;
	seen.bar[3]++;
}

static const struct bus_ops bar_ops = { bar_read, bar_write, 4 };

static uint64_t port_read(void *opaque, uint64_t off, unsigned int size)
{
	(void)opaque;
	(void)off;
	(void)size;
	return seen.port;
}

static void port_write(void *opaque, uint64_t off, uint64_t val, unsigned int size)
{
	(void)opaque;
	(void)off;
	(void)size;
	seen.port = (uint8_t)val;
}

static const struct bus_ops port_ops = { port_read, port_write, 1 };

static void claim(struct bus *space, unsigned int n, uint64_t base, uint64_t len,
		  const struct bus_ops *ops)
{
	ranges[n] = (struct bus_range){ .base = base, .len = len, .ops = ops, .dev = &bus };
	CHECK_EQ(bus_add(space, &ranges[n]), 0);
}

static void begin(unsigned int vectors)
{
	static const struct pci_id id = { 0x1af4, 0x1042, 0x1af4, 0x1040, 0x010000, 1 };
	struct irq_line line = { set_line, NULL, 0, false };

	memset(&seen, 0, sizeof(seen));
	bus_init(&pio);
	bus_init(&mmio);
	pci_bus_init(&bus, &line);
	bus.msi = message;
	bus.port_ops = &port_ops;
	claim(&pio, 0, PCI_PORT_BASE, PCI_PORTS, &pci_port_ops);
	claim(&mmio, 1, PCI_WINDOW_BASE, PCI_WINDOW_SIZE, &pci_window_ops);
	claim(&mmio, 2, PCI_ECAM_BASE, PCI_ECAM_SIZE, &pci_ecam_ops);
	pci_device_init(&dev, &id, vectors);
	pci_add_bar(&dev, 0, 0x4000, &bar_ops, NULL);
	CHECK_EQ(pci_attach(&bus, &dev), 0);
}

static void end(void)
{
	pci_device_destroy(&dev);
	pci_bus_destroy(&bus);
	bus_destroy(&pio);
	bus_destroy(&mmio);
}

static uint32_t port_get(unsigned int slot, unsigned int at, unsigned int size)
{
	uint32_t address = 0x80000000u | slot << 11 | (at & 0xfc), val = 0;

	bus_write(&pio, 0xcf8, &address, 4);
	bus_read(&pio, 0xcfc + (at & 3), &val, size);
	return val;
}

static uint32_t get(unsigned int slot, unsigned int at, unsigned int size)
{
	uint32_t val = 0;

	bus_read(&mmio, PCI_ECAM_BASE + slot * 0x8000 + at, &val, size);
	return val;
}

static void set(unsigned int at, uint32_t val, unsigned int size)
{
	bus_write(&mmio, PCI_ECAM_BASE + 0x8000 + at, &val, size);
}

static uint32_t mem_get(uint64_t addr)
{
	uint32_t val = 0;

	bus_read(&mmio, addr, &val, 4);
	return val;
}

static void mem_set(uint64_t addr, uint32_t val)
{
	bus_write(&mmio, addr, &val, 4);
}

static void identities(void)
{
	begin(2);
	CHECK_EQ(get(0, PCI_CLASS_REVISION, 4) >> 8, 0x060000);
	CHECK_EQ(get(1, PCI_VENDOR_ID, 4), 0x10421af4);
	CHECK_EQ(get(1, PCI_SUBSYSTEM_ID, 2), 0x1040);
	CHECK_EQ(get(1, PCI_INTERRUPT_PIN, 1), 1);
	/* Nobody there: another slot, another function, beyond the slots that exist. */
	CHECK_EQ(get(2, PCI_VENDOR_ID, 4), 0xffffffff);
	CHECK_EQ(get(31, PCI_VENDOR_ID, 4), 0xffffffff);
	CHECK_EQ(mem_get(PCI_ECAM_BASE + 0x8000 + 0x1000), 0xffffffff);
	end();
}

static void ports_and_memory_agree(void)
{
	uint32_t address = 0x80000800, other_bus = 0x80010800, val = 0;
	unsigned int at;
	uint8_t byte;

	begin(2);
	for (at = 0; at < 256; at++) {
		CHECK_EQ(port_get(1, at, 1), get(1, at, 1));
		if (!(at & 3))
			CHECK_EQ(port_get(1, at, 4), get(1, at, 4));
	}
	/* The address port is 32 bits wide; the byte within it belongs to another device. */
	bus_write(&pio, 0xcf8, &address, 4);
	byte = 0x06;
	bus_write(&pio, 0xcf9, &byte, 1);
	CHECK_EQ(seen.port, 0x06);
	byte = 0;
	bus_read(&pio, 0xcf9, &byte, 1);
	CHECK_EQ(byte, 0x06);
	bus_write(&pio, 0xcf8, &byte, 1);
	bus_read(&pio, 0xcf8, &val, 4);
	CHECK_EQ(val, address);
	/* Off, and another bus. */
	bus_write(&pio, 0xcf8, &other_bus, 4);
	bus_read(&pio, 0xcfc, &val, 4);
	CHECK_EQ(val, 0xffffffff);
	address = 0x800;
	bus_write(&pio, 0xcf8, &address, 4);
	bus_read(&pio, 0xcfc, &val, 4);
	CHECK_EQ(val, 0xffffffff);
	end();
}

static void only_writable_bits_change(void)
{
	unsigned int at;
	uint32_t before[64];

	begin(2);
	for (at = 0; at < 64; at++)
		before[at] = get(1, 4 * at, 4);
	for (at = 0; at < 64; at++)
		set(4 * at, ~before[at], 4);
	CHECK_EQ(get(1, PCI_VENDOR_ID, 4), 0x10421af4);
	CHECK_EQ(get(1, PCI_COMMAND, 2), 0x406);
	CHECK_EQ(get(1, PCI_CAPABILITY_LIST, 1), before[PCI_CAPABILITY_LIST / 4] & 0xff);
	CHECK_EQ(get(1, PCI_BASE_ADDRESS_2, 4), 0);
	end();
}

/* Where they would run over the end of the function, and nothing is there. */
static void accesses_at_the_end(void)
{
	uint64_t wide = 0;

	begin(2);
	bus_read(&mmio, PCI_ECAM_BASE + 0x8000 + 0xffc, &wide, 8);
	CHECK(wide != 0);
	set(0xffe, 0, 4);
	set(0xfff, 0, 4);
	bus_read(&mmio, PCI_ECAM_BASE + PCI_ECAM_SIZE - 1, &wide, 8);
	CHECK_EQ(get(1, 0xffc, 4), 0);
	end();
}

static void bars(void)
{
	begin(0);
	/* Sizing: what is not writable tells the size. */
	set(PCI_BASE_ADDRESS_0, 0xffffffff, 4);
	CHECK_EQ(get(1, PCI_BASE_ADDRESS_0, 4), 0xffffc000);
	set(PCI_BASE_ADDRESS_0, PCI_WINDOW_BASE + 0x10000, 4);
	CHECK_EQ(mem_get(PCI_WINDOW_BASE + 0x10010), 0xffffffff);
	set(PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	CHECK_EQ(pci_bar_address(&dev, 0), PCI_WINDOW_BASE + 0x10000);
	CHECK_EQ(mem_get(PCI_WINDOW_BASE + 0x10010), 0x104);
	mem_set(PCI_WINDOW_BASE + 0x13ffc, 77);
	CHECK_EQ(seen.bar[0], 0x3ffc);
	CHECK_EQ(seen.bar[1], 77);
	CHECK_EQ(seen.bar[2], 4);
	/* The first byte beyond it, and an access across its end. */
	CHECK_EQ(mem_get(PCI_WINDOW_BASE + 0x14000), 0xffffffff);
	CHECK_EQ(mem_get(PCI_WINDOW_BASE + 0x13ffe), 0xffffffff);
	/* Moved, and out of the window. */
	set(PCI_BASE_ADDRESS_0, PCI_WINDOW_BASE, 4);
	CHECK_EQ(mem_get(PCI_WINDOW_BASE + 0x10010), 0xffffffff);
	CHECK_EQ(mem_get(PCI_WINDOW_BASE + 0x10), 0x104);
	set(PCI_BASE_ADDRESS_0, 0xfee00000, 4);
	CHECK_EQ(pci_bar_address(&dev, 0), 0);
	set(PCI_BASE_ADDRESS_0, PCI_WINDOW_BASE + PCI_WINDOW_SIZE, 4);
	CHECK_EQ(pci_bar_address(&dev, 0), 0);
	end();
}

static void line_interrupts(void)
{
	begin(0);
	pci_interrupt(&dev, PCI_NO_VECTOR);
	CHECK(seen.level);
	CHECK_EQ(seen.gsi, PCI_GSI_BASE);
	CHECK(get(1, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	pci_interrupt(&dev, PCI_NO_VECTOR);
	CHECK_EQ(seen.sets, 1);
	set(PCI_COMMAND, PCI_COMMAND_INTX_DISABLE, 2);
	CHECK(!seen.level);
	CHECK(get(1, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	set(PCI_COMMAND, 0, 2);
	CHECK(seen.level);
	pci_lower(&dev);
	CHECK(!seen.level);
	CHECK(!(get(1, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT));
	CHECK_EQ(seen.messages, 0);
	end();
}

static void message_interrupts(void)
{
	uint64_t table = PCI_WINDOW_BASE;
	unsigned int cap;

	begin(3);
	cap = get(1, PCI_CAPABILITY_LIST, 1);
	CHECK_EQ(get(1, cap, 1), PCI_CAP_ID_MSIX);
	CHECK_EQ(get(1, cap + PCI_MSIX_FLAGS, 2), 2);
	CHECK_EQ(get(1, cap + PCI_MSIX_TABLE, 4), PCI_MSIX_BAR);
	set(PCI_BASE_ADDRESS_1, (uint32_t)table, 4);
	set(PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	set(cap + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE, 2);
	/* Masked after a reset: it waits, and shows. */
	mem_set(table + 16, 0xfee01000);
	mem_set(table + 24, 0x4041);
	pci_interrupt(&dev, 1);
	CHECK_EQ(seen.messages, 0);
	CHECK_EQ(mem_get(table + 0x800), 2);
	mem_set(table + 28, 0);
	CHECK_EQ(seen.messages, 1);
	CHECK_EQ(seen.addr, 0xfee01000);
	CHECK_EQ(seen.data, 0x4041);
	CHECK_EQ(mem_get(table + 0x800), 0);
	pci_interrupt(&dev, 1);
	CHECK_EQ(seen.messages, 2);
	/* All masked. */
	set(cap + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL, 2);
	pci_interrupt(&dev, 1);
	CHECK_EQ(seen.messages, 2);
	set(cap + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE, 2);
	CHECK_EQ(seen.messages, 3);
	/* Vectors that do not exist, and messages that are no interrupts. */
	pci_interrupt(&dev, 3);
	pci_interrupt(&dev, PCI_NO_VECTOR);
	mem_set(table + 16, 0x1000);
	pci_interrupt(&dev, 1);
	CHECK_EQ(seen.messages, 3);
	CHECK_EQ(seen.sets, 0);
	/* Beyond the table and the pending bits there is nothing. */
	mem_set(table + 3 * 16, 1);
	CHECK_EQ(mem_get(table + 3 * 16), 0);
	mem_set(table + 0x800, 0xff);
	CHECK_EQ(mem_get(table + 0x800), 0);
	CHECK_EQ(mem_get(table + 0xffc), 0);
	end();
}

static int make_route(void *opaque, int number, int fd, uint64_t addr, uint32_t data)
{
	(void)opaque;
	CHECK_EQ(number, seen.routes ? 5 : -1);
	seen.routes++;
	seen.route_fd = fd;
	seen.addr = addr;
	seen.data = data;
	return seen.route_refused ? -1 : 5;
}

static void drop_route(void *opaque, int number, int fd)
{
	(void)opaque;
	CHECK_EQ(number, 5);
	CHECK_EQ(fd, seen.route_fd);
	seen.dropped++;
}

/* How often the eventfd has sent its message. */
static uint64_t sent(void)
{
	uint64_t count = 0;

	return read(seen.route_fd, &count, sizeof(count)) > 0 ? count : 0;
}

static void routed_messages(void)
{
	uint64_t table = PCI_WINDOW_BASE;
	unsigned int cap;

	begin(2);
	bus.route = make_route;
	bus.unroute = drop_route;
	cap = get(1, PCI_CAPABILITY_LIST, 1);
	set(PCI_BASE_ADDRESS_1, (uint32_t)table, 4);
	set(PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	set(cap + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE, 2);
	mem_set(table + 16, 0xfee01000);
	mem_set(table + 24, 0x4041);
	mem_set(table + 28, 0);
	pci_interrupt(&dev, 1);
	pci_interrupt(&dev, 1);
	CHECK_EQ(seen.routes, 1);
	CHECK_EQ(seen.data, 0x4041);
	CHECK_EQ(sent(), 2);
	/* Another message goes the same way; one that waits is sent as it is then. */
	mem_set(table + 28, 1);
	pci_interrupt(&dev, 1);
	mem_set(table + 24, 0x4042);
	CHECK_EQ(sent(), 0);
	mem_set(table + 28, 0);
	CHECK_EQ(seen.routes, 2);
	CHECK_EQ(seen.data, 0x4042);
	CHECK_EQ(sent(), 1);
	CHECK_EQ(seen.messages, 0);
	/* No way: the message is sent by itself. */
	seen.route_refused = true;
	mem_set(table + 24, 0x4043);
	CHECK_EQ(seen.messages, 0);
	pci_interrupt(&dev, 1);
	CHECK_EQ(seen.messages, 1);
	CHECK_EQ(sent(), 0);
	CHECK_EQ(seen.dropped, 0);
	end();
}

static void slots_run_out(void)
{
	struct pci_device more[PCI_SLOTS - 1];
	static const struct pci_id id = { .vendor = 1 };
	unsigned int i;

	begin(0);
	for (i = 0; i < PCI_SLOTS - 1; i++) {
		pci_device_init(&more[i], &id, 0);
		CHECK_EQ(pci_attach(&bus, &more[i]), i < PCI_SLOTS - 2 ? 0 : -ENOSPC);
	}
	/* Lines are shared: up while one device holds it so. */
	CHECK_EQ(more[PCI_LINES - 1].irq.gsi, PCI_GSI_BASE);
	pci_interrupt(&dev, PCI_NO_VECTOR);
	pci_interrupt(&more[PCI_LINES - 1], PCI_NO_VECTOR);
	CHECK_EQ(seen.sets, 1);
	pci_lower(&dev);
	CHECK_EQ(seen.sets, 1);
	CHECK(seen.level);
	/* One that is taken out holds it no longer, and its slot is free. */
	pci_detach(&more[PCI_LINES - 1]);
	CHECK_EQ(seen.sets, 2);
	CHECK(!seen.level);
	CHECK_EQ(get(PCI_LINES + 1, PCI_VENDOR_ID, 4), 0xffffffff);
	CHECK_EQ(pci_attach(&bus, &more[PCI_SLOTS - 2]), 0);
	CHECK_EQ(more[PCI_SLOTS - 2].slot, PCI_LINES + 1);
	for (i = 0; i < PCI_SLOTS - 1; i++)
		pci_device_destroy(&more[i]);
	end();
}

static void capabilities_run_out(void)
{
	static const uint8_t data[60];
	struct pci_device full;
	static const struct pci_id id = { .vendor = 1 };

	pci_device_init(&full, &id, 0);
	CHECK_EQ(pci_add_capability(&full, PCI_CAP_ID_VNDR, data, sizeof(data)), 0x40);
	CHECK_EQ(full.config[PCI_CAPABILITY_LIST], 0x40);
	CHECK_EQ(pci_add_capability(&full, PCI_CAP_ID_VNDR, data, sizeof(data)), 0x80);
	CHECK_EQ(full.config[0x41], 0x80);
	CHECK_EQ(pci_add_capability(&full, PCI_CAP_ID_VNDR, data, sizeof(data)), 0xc0);
	CHECK_EQ(pci_add_capability(&full, PCI_CAP_ID_VNDR, data, 4), 0);
	CHECK_EQ(full.config[0xc1], 0);
	pci_device_destroy(&full);
}

/* What a BIOS looks for: who the bridge is, and the registers that say that there is RAM. */
static void i440fx_bridge(void)
{
	const uint32_t pam = 0x33333333;
	uint32_t address = 0x80000058;

	begin(0);
	pci_bus_i440fx(&bus);
	CHECK_EQ(port_get(0, PCI_VENDOR_ID, 4), 0x12378086);
	CHECK_EQ(port_get(0, PCI_SUBSYSTEM_VENDOR_ID, 4), 0x11001af4);
	CHECK_EQ(port_get(0, PCI_CLASS_DEVICE, 2), 0x0600);
	CHECK_EQ(port_get(0, 0x58, 4), 0x33333300);
	CHECK_EQ(port_get(0, 0x5c, 4), pam);
	CHECK_EQ(port_get(1, PCI_VENDOR_ID, 4), 0x10421af4);
	bus_write(&pio, 0xcf8, &address, 4);
	address = 0x11111111;
	bus_write(&pio, 0xcfc, &address, 4);
	CHECK_EQ(port_get(0, 0x58, 4), 0x11111100);
	CHECK_EQ(port_get(0, 0x5c, 4), pam);
	end();
}

TAP_MAIN(TEST(identities), TEST(ports_and_memory_agree), TEST(only_writable_bits_change),
	 TEST(accesses_at_the_end), TEST(bars), TEST(line_interrupts), TEST(message_interrupts),
	 TEST(routed_messages), TEST(slots_run_out), TEST(capabilities_run_out),
	 TEST(i440fx_bridge));
