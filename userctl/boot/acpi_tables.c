// SPDX-License-Identifier: GPL-2.0
/* ACPI Specification 6.4, chapter 5.2; the registers are those of devices/acpi_pm.h. */
#include "acpi_tables.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "../devices/acpi_pm.h"
#include "../devices/cpu_hotplug.h"
#include "../devices/pci.h"
#include "../devices/pci_hotplug.h"
#include "../devices/rtc.h"
#include "acpi_cpus.h"
#include "aml.h"

#define PACKED __attribute__((packed))

#define LAPIC_ADDR  0xfee00000u
#define IOAPIC_ADDR 0xfec00000u

#define MADT_PCAT_COMPAT 1
#define MADT_IOAPIC      1
#define MADT_OVERRIDE    2
#define MADT_LAPIC_NMI   4
#define INTI_LEVEL_HIGH  0x0d /* active high, level-triggered */
#define ALL_PROCESSORS   0xff

#define FADT_WBINVD      (1u << 0)
#define FADT_PROC_C1     (1u << 2)
#define FADT_SLP_BUTTON  (1u << 5) /* no fixed sleep button */
#define FADT_FIX_RTC     (1u << 6) /* no fixed RTC wake-up */
#define FADT_TMR_32      (1u << 8)
#define FADT_RESET_REG   (1u << 10)
#define BOOT_ARCH_LEGACY (1u << 0)
#define BOOT_ARCH_NO_VGA (1u << 2)

#define GAS_IO    1
#define COM1_PORT 0x3f8
#define COM1_IRQ  4

struct header {
	char signature[4];
	uint32_t length;
	uint8_t revision;
	uint8_t checksum;
	char oem_id[6];
	char oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
} PACKED;

struct gas {
	uint8_t space, bits, offset, access;
	uint64_t address;
} PACKED;

struct rsdp {
	char signature[8];
	uint8_t checksum;
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t extended_checksum;
	uint8_t reserved[3];
} PACKED;

struct fadt {
	struct header h;
	uint32_t facs, dsdt;
	uint8_t reserved1, profile;
	uint16_t sci_int;
	uint32_t smi_cmd;
	uint8_t acpi_enable, acpi_disable, s4bios_req, pstate_cnt;
	uint32_t pm1a_evt, pm1b_evt, pm1a_cnt, pm1b_cnt, pm2_cnt, pm_tmr, gpe0, gpe1;
	uint8_t pm1_evt_len, pm1_cnt_len, pm2_cnt_len, pm_tmr_len, gpe0_len, gpe1_len;
	uint8_t gpe1_base, cst_cnt;
	uint16_t c2_latency, c3_latency, flush_size, flush_stride;
	uint8_t duty_offset, duty_width, day_alarm, month_alarm, century;
	uint16_t boot_arch;
	uint8_t reserved2;
	uint32_t flags;
	struct gas reset_reg;
	uint8_t reset_value;
	uint16_t arm_boot_arch;
	uint8_t minor;
	uint64_t x_facs, x_dsdt;
	struct gas x_pm1a_evt, x_pm1b_evt, x_pm1a_cnt, x_pm1b_cnt, x_pm2_cnt, x_pm_tmr, x_gpe0;
	struct gas x_gpe1, sleep_control, sleep_status;
	uint64_t hypervisor_vendor;
} PACKED;

struct facs {
	char signature[4];
	uint32_t length, hardware_signature, waking_vector, global_lock, flags;
	uint64_t x_waking_vector;
	uint8_t version, reserved[3];
	uint32_t ospm_flags;
	uint8_t reserved2[24];
} PACKED;

struct madt {
	struct header h;
	uint32_t lapic_addr, flags;
} PACKED;

struct madt_ioapic {
	uint8_t type, length, id, reserved;
	uint32_t address, gsi_base;
} PACKED;

struct madt_override {
	uint8_t type, length, bus, source;
	uint32_t gsi;
	uint16_t flags;
} PACKED;

struct madt_lapic_nmi {
	uint8_t type, length, uid;
	uint16_t flags;
	uint8_t lint;
} PACKED;

/* PCI Firmware Specification 3.3, 4.1.2 */
struct mcfg {
	struct header h;
	uint64_t reserved;
	uint64_t base;
	uint16_t segment;
	uint8_t first_bus, last_bus;
	uint32_t reserved2;
} PACKED;

_Static_assert(sizeof(struct rsdp) == 36, "ACPI 6.4, table 5-3");
_Static_assert(sizeof(struct fadt) == 276, "ACPI 6.4, table 5-9");
_Static_assert(sizeof(struct facs) == 64, "ACPI 6.4, table 5-12");

/* Tables are laid one after another. */
struct area {
	struct guest_mem *mem;
	uint64_t next, end;
	bool full;
};

static uint8_t checksum(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint8_t sum = 0;

	while (len--)
		sum = (uint8_t)(sum + *p++);
	return (uint8_t)-sum;
}

/* FACS needs 64 bytes of alignment; the rest gets it too. */
static uint64_t place(struct area *area, const void *data, size_t len)
{
	uint64_t addr = area->next;

	if (area->full || addr + len > area->end) {
		area->full = true;
		return 0;
	}
	memcpy(guest_mem_ptr(area->mem, addr, len), data, len);
	area->next = (addr + len + 63) & ~63ULL;
	return addr;
}

static void fill_header(struct header *h, const char *signature, size_t len, uint8_t revision)
{
	memcpy(h->signature, signature, 4);
	h->length = (uint32_t)len;
	h->revision = revision;
	memcpy(h->oem_id, "VMMVM ", 6);
	memcpy(h->oem_table_id, "VMCTL   ", 8);
	h->oem_revision = 1;
	memcpy(h->creator_id, "VMM ", 4);
	h->creator_revision = 1;
	h->checksum = 0;
	h->checksum = checksum(h, len);
}

static struct gas io_register(uint16_t port, uint8_t bytes)
{
	/* The access size is 1 for bytes, 2 for words, 3 for double words. */
	return (struct gas){ GAS_IO, (uint8_t)(bytes * 8), 0, (uint8_t)(bytes == 4 ? 3 : bytes),
			     port };
}

static void aml_sleep_states(struct aml *aml)
{
	size_t pkg;

	/* Name (\_S5, Package () { SLP_TYPa, SLP_TYPb, 0, 0 }) */
	aml_open_name(aml, "\\_S5_");
	pkg = aml_open_package(aml, 4);
	aml_integer(aml, ACPI_S5_TYPE);
	aml_integer(aml, ACPI_S5_TYPE);
	aml_integer(aml, 0);
	aml_integer(aml, 0);
	aml_close(aml, pkg);
}

static void aml_hid(struct aml *aml, const char *id)
{
	aml_open_name(aml, "_HID");
	aml_eisaid(aml, id);
}

static void aml_com1(struct aml *aml)
{
	struct aml_resources res = { .len = 0 };
	size_t dev = aml_open_device(aml, "COM1");

	aml_hid(aml, "PNP0501");
	aml_name_integer(aml, "_UID", 1);
	aml_res_io(&res, COM1_PORT, 8);
	aml_res_irq(&res, COM1_IRQ);
	aml_crs(aml, &res);
	aml_close(aml, dev);
}

static void aml_rtc(struct aml *aml)
{
	struct aml_resources res = { .len = 0 };
	size_t dev = aml_open_device(aml, "RTC_");

	aml_hid(aml, "PNP0B00");
	aml_res_io(&res, RTC_PORT_BASE, RTC_PORTS);
	aml_res_irq(&res, RTC_IRQ);
	aml_crs(aml, &res);
	aml_close(aml, dev);
}

/* Ports of the mainboard that belong to no other device. */
static void aml_mainboard(struct aml *aml)
{
	struct aml_resources res = { .len = 0 };
	size_t dev = aml_open_device(aml, "MBRD");

	aml_hid(aml, "PNP0C02");
	aml_res_io(&res, ACPI_PM_BASE, ACPI_PM_PORTS);
	aml_res_io(&res, RESET_PORT, 1);
	aml_res_io(&res, FAST_RESET_PORT, 1);
	aml_res_io(&res, PCI_HOTPLUG_BASE, PCI_HOTPLUG_PORTS);
	aml_crs(aml, &res);
	aml_close(aml, dev);
}

/* Each slot has a line, which is a pin of the I/O APIC: no link devices. */
static void aml_pci_routes(struct aml *aml)
{
	size_t table, route;
	unsigned int slot;

	aml_open_name(aml, "_PRT");
	table = aml_open_package(aml, PCI_SLOTS - 1);
	for (slot = 1; slot < PCI_SLOTS; slot++) {
		route = aml_open_package(aml, 4);
		aml_integer(aml, slot << 16 | 0xffff);
		aml_integer(aml, 0);
		aml_integer(aml, 0);
		aml_integer(aml, PCI_LINE(slot));
		aml_close(aml, route);
	}
	aml_close(aml, table);
}

/* ---- hotplug: devices/pci_hotplug.h has the registers ---- */

#define NOTIFY_DEVICE_CHECK 1
#define NOTIFY_EJECT        3
#define STA_PRESENT         0x0f

static const char *slot_name(unsigned int slot, char *name)
{
	static const char digits[] = "0123456789ABCDEF";

	memcpy(name, "SL", 2);
	name[2] = digits[slot >> 4];
	name[3] = digits[slot & 15];
	name[4] = '\0';
	return name;
}

/* A slot, whose device can be there or not, and be taken out. */
static void aml_slot(struct aml *aml, unsigned int slot)
{
	size_t dev, method, test;
	char name[5];

	dev = aml_open_device(aml, slot_name(slot, name));
	aml_name_integer(aml, "_ADR", slot << 16);
	aml_name_integer(aml, "_SUN", slot);
	method = aml_open_method(aml, "_STA", 0);
	aml_load(aml, 0, "HPSL");
	test = aml_open_if(aml, 0, 1u << slot);
	aml_return(aml, STA_PRESENT);
	aml_close(aml, test);
	aml_return(aml, 0);
	aml_close(aml, method);
	method = aml_open_method(aml, "_EJ0", 1);
	aml_store_integer(aml, "HPSL", 1u << slot);
	aml_close(aml, method);
	aml_close(aml, dev);
}

/* What an event in some slots, which the register and then the local has, means for each. */
static void aml_notify_slots(struct aml *aml, unsigned int local, const char *reg, uint64_t value)
{
	unsigned int slot;
	size_t test;
	char name[5];

	aml_load(aml, local, reg);
	aml_store(aml, reg, local); /* these have been seen; later ones raise the event again */
	for (slot = 1; slot < PCI_SLOTS; slot++) {
		test = aml_open_if(aml, local, 1u << slot);
		aml_notify(aml, slot_name(slot, name), value);
		aml_close(aml, test);
	}
}

static void aml_hotplug(struct aml *aml)
{
	static const char *const regs[] = { "HPIN", "HPRM", "HPSL" };
	unsigned int slot;
	size_t method;

	aml_ports(aml, "HPRG", PCI_HOTPLUG_BASE, PCI_HOTPLUG_PORTS);
	aml_registers(aml, "HPRG", regs, 3);
	for (slot = 1; slot < PCI_SLOTS; slot++)
		aml_slot(aml, slot);
	method = aml_open_method(aml, "HPEV", 0);
	aml_notify_slots(aml, 0, "HPIN", NOTIFY_DEVICE_CHECK);
	aml_notify_slots(aml, 1, "HPRM", NOTIFY_EJECT);
	aml_close(aml, method);
}

/* The event is an edge: it is acknowledged before what it means is looked at. */
static void aml_events(struct aml *aml)
{
	size_t scope = aml_open_scope(aml, "\\_GPE"), method;

	_Static_assert(ACPI_GPE_PCI == 1, "the method's name has the number");
	method = aml_open_method(aml, "_E01", 0);
	aml_name(aml, "\\_SB.PCI0.HPEV");
	aml_close(aml, method);
	aml_close(aml, scope);
}

static void aml_pci(struct aml *aml)
{
	struct aml_resources bridge = { .len = 0 }, ecam = { .len = 0 };
	size_t dev = aml_open_device(aml, "PCI0");

	aml_hid(aml, "PNP0A08");
	aml_open_name(aml, "_CID");
	aml_eisaid(aml, "PNP0A03");
	aml_name_integer(aml, "_UID", 0);
	aml_res_buses(&bridge, 0, 0);
	aml_res_io(&bridge, PCI_PORT_BASE, PCI_PORTS);
	aml_res_window(&bridge, PCI_WINDOW_BASE, PCI_WINDOW_SIZE);
	aml_crs(aml, &bridge);
	aml_pci_routes(aml);
	aml_hotplug(aml);
	aml_close(aml, dev);

	/* Linux uses ECAM only where another device claims its memory. */
	dev = aml_open_device(aml, "ECAM");
	aml_hid(aml, "PNP0C02");
	aml_name_integer(aml, "_UID", 1);
	aml_res_memory(&ecam, PCI_ECAM_BASE, PCI_ECAM_SIZE);
	aml_crs(aml, &ecam);
	aml_close(aml, dev);
}

static uint64_t build_dsdt(struct area *area, const struct acpi_config *cfg)
{
	struct {
		struct header h;
		uint8_t code[AML_MAX];
	} dsdt = { 0 };
	struct aml aml;
	size_t scope;

	aml_init(&aml);
	aml_sleep_states(&aml);
	scope = aml_open_scope(&aml, "\\_SB_");
	aml_com1(&aml);
	aml_rtc(&aml);
	aml_mainboard(&aml);
	if (cfg->pci)
		aml_pci(&aml);
	if (cfg->max_cpus > cfg->cpus)
		acpi_cpus(&aml, cfg->max_cpus);
	aml_close(&aml, scope);
	if (cfg->pci)
		aml_events(&aml);
	if (cfg->max_cpus > cfg->cpus) {
		scope = aml_open_scope(&aml, "\\_GPE");
		acpi_cpus_event(&aml);
		aml_close(&aml, scope);
	}
	if (!aml_done(&aml)) {
		area->full = true;
		return 0;
	}
	memcpy(dsdt.code, aml.buf, aml.len);
	/* Revision 2 and later have 64-bit integers. */
	fill_header(&dsdt.h, "DSDT", sizeof(dsdt.h) + aml.len, 2);
	return place(area, &dsdt, sizeof(dsdt.h) + aml.len);
}

static uint64_t build_facs(struct area *area)
{
	struct facs facs = { .signature = "FACS", .length = sizeof(facs), .version = 2 };

	return place(area, &facs, sizeof(facs));
}

static uint64_t build_fadt(struct area *area, uint64_t facs, uint64_t dsdt)
{
	struct fadt fadt = {
		.facs = (uint32_t)facs,
		.dsdt = (uint32_t)dsdt,
		.sci_int = ACPI_SCI_IRQ,
		/* No SMI command port: ACPI mode is on and stays on. */
		.pm1a_evt = ACPI_PM1_EVT,
		.pm1a_cnt = ACPI_PM1_CNT,
		.pm_tmr = ACPI_PM_TMR,
		.gpe0 = ACPI_GPE0,
		.pm1_evt_len = 4,
		.pm1_cnt_len = 2,
		.pm_tmr_len = 4,
		.gpe0_len = 2,
		/* Latencies beyond these limits say that C2 and C3 do not exist. */
		.c2_latency = 101,
		.c3_latency = 1001,
		.century = 0x32,
		.boot_arch = BOOT_ARCH_LEGACY | BOOT_ARCH_NO_VGA,
		/* A clear power button bit says that the button is a fixed feature. */
		.flags = FADT_WBINVD | FADT_PROC_C1 | FADT_SLP_BUTTON | FADT_FIX_RTC | FADT_TMR_32 |
			 FADT_RESET_REG,
		.reset_reg = io_register(RESET_PORT, 1),
		.reset_value = RESET_VALUE,
		.minor = 4,
		.x_facs = facs,
		.x_dsdt = dsdt,
		.x_pm1a_evt = io_register(ACPI_PM1_EVT, 4),
		.x_pm1a_cnt = io_register(ACPI_PM1_CNT, 2),
		.x_pm_tmr = io_register(ACPI_PM_TMR, 4),
		.x_gpe0 = io_register(ACPI_GPE0, 2),
	};

	/* Event blocks are two registers: of 16 bits, and of 8. */
	fadt.x_pm1a_evt.access = 2;
	fadt.x_gpe0.access = 1;
	fill_header(&fadt.h, "FACP", sizeof(fadt), 6);
	return place(area, &fadt, sizeof(fadt));
}

static uint64_t build_madt(struct area *area, unsigned int cpus, unsigned int max)
{
	struct {
		struct madt madt;
		struct madt_ioapic ioapic;
		struct madt_override sci;
		struct madt_lapic_nmi nmi;
		struct madt_lapic lapic[ACPI_CPUS_MAX];
	} PACKED t = {
		.madt = { .lapic_addr = LAPIC_ADDR, .flags = MADT_PCAT_COMPAT },
		.ioapic = { MADT_IOAPIC, sizeof(t.ioapic), 0, 0, IOAPIC_ADDR, 0 },
		/* ISA interrupts are their IOAPIC pins, and edge-triggered but for the SCI. */
		.sci = { MADT_OVERRIDE, sizeof(t.sci), 0, ACPI_SCI_IRQ, ACPI_SCI_IRQ,
			 INTI_LEVEL_HIGH },
		.nmi = { MADT_LAPIC_NMI, sizeof(t.nmi), ALL_PROCESSORS, 0, 1 },
	};
	size_t len = sizeof(t) - (ACPI_CPUS_MAX - max) * sizeof(t.lapic[0]);
	unsigned int i;

	for (i = 0; i < max; i++) {
		t.lapic[i] = (struct madt_lapic){ MADT_LAPIC, sizeof(t.lapic[0]), (uint8_t)i,
						  (uint8_t)i,
						  i < cpus ? MADT_ENABLED : MADT_ONLINE_CAPABLE };
	}
	fill_header(&t.madt.h, "APIC", len, 5);
	return place(area, &t, len);
}

static uint64_t build_mcfg(struct area *area)
{
	struct mcfg mcfg = { .base = PCI_ECAM_BASE };

	fill_header(&mcfg.h, "MCFG", sizeof(mcfg), 1);
	return place(area, &mcfg, sizeof(mcfg));
}

/* @mcfg is 0 where there is no such table. */
static uint64_t build_xsdt(struct area *area, uint64_t fadt, uint64_t madt, uint64_t mcfg)
{
	struct {
		struct header h;
		uint64_t table[3];
	} PACKED xsdt = { .table = { fadt, madt, mcfg } };
	size_t len = sizeof(xsdt) - (mcfg ? 0 : sizeof(xsdt.table[0]));

	fill_header(&xsdt.h, "XSDT", len, 1);
	return place(area, &xsdt, len);
}

int acpi_tables_build(struct guest_mem *mem, const struct acpi_config *cfg, struct error *err)
{
	struct rsdp root = {
		.signature = "RSD PTR ", .oem_id = "VMMVM ", .revision = 2, .length = sizeof(root)
	};
	struct area area = { .mem = mem, .next = cfg->start + 64, .end = cfg->end };
	uint64_t fadt, madt;

	if (!cfg->cpus || cfg->max_cpus < cfg->cpus || cfg->max_cpus > ACPI_CPUS_MAX ||
	    (cfg->max_cpus > cfg->cpus && cfg->max_cpus > CPU_HOTPLUG_MAX))
		return fault(err, EX_SOFTWARE, "ACPI tables for %u vCPUs of %u", cfg->cpus,
			     cfg->max_cpus);
	fadt = build_fadt(&area, build_facs(&area), build_dsdt(&area, cfg));
	madt = build_madt(&area, cfg->cpus, cfg->max_cpus);
	root.xsdt = build_xsdt(&area, fadt, madt, cfg->pci ? build_mcfg(&area) : 0);
	if (area.full)
		return fault(err, EX_SOFTWARE, "the ACPI tables do not fit");

	/* The first checksum covers the 20 bytes of revision 0, the second one everything. */
	root.checksum = checksum(&root, 20);
	root.extended_checksum = checksum(&root, sizeof(root));
	memcpy(guest_mem_ptr(mem, cfg->start, sizeof(root)), &root, sizeof(root));
	return 0;
}
