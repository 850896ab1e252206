// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>

#include "../boot/acpi_tables.h"
#include "../boot/aml.h"
#include "../boot/memmap.h"
#include "../devices/acpi_pm.h"
#include "../devices/cpu_hotplug.h"
#include "../devices/pci.h"
#include "../devices/pci_hotplug.h"
#include "tap.h"

static struct guest_mem mem;
/* Where the tables are. */
static struct acpi_config area;

static uint8_t sum(const uint8_t *p, size_t len)
{
	uint8_t s = 0;

	while (len--)
		s = (uint8_t)(s + *p++);
	return s;
}

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint64_t get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* A table at @gpa, with its length and checksum verified; an empty one if they are wrong. */
static const uint8_t *table(uint64_t gpa, const char *signature)
{
	static const uint8_t none[512];
	const uint8_t *t = guest_mem_ptr(&mem, gpa, 36);
	uint32_t len;

	CHECK(t && gpa >= area.start && gpa < area.end);
	if (!t)
		return none;
	len = get32(t + 4);
	CHECK(!memcmp(t, signature, 4));
	CHECK(len >= 36 && gpa + len <= area.end);
	if (memcmp(t, signature, 4) || gpa + len > area.end)
		return none;
	CHECK_EQ(sum(t, len), 0);
	return t;
}

static uint64_t find(uint64_t rsdp_gpa, const char *signature)
{
	const uint8_t *rsdp = guest_mem_ptr(&mem, rsdp_gpa, 36);
	const uint8_t *xsdt = table(get64(rsdp + 24), "XSDT");
	const uint8_t *t;
	uint32_t i, n = (get32(xsdt + 4) - 36) / 8;

	for (i = 0; i < n; i++) {
		t = guest_mem_ptr(&mem, get64(xsdt + 36 + 8 * i), 36);
		if (t && !memcmp(t, signature, 4))
			return get64(xsdt + 36 + 8 * i);
	}
	CHECK(!"no such table");
	return 0;
}

static bool with_pci;

static uint64_t build_for(unsigned int cpus, unsigned int max_cpus)
{
	struct error err = { 0 };

	area = (struct acpi_config){ cpus, max_cpus, with_pci, MEM_ACPI, MEM_1M };
	CHECK_EQ(guest_mem_alloc(&mem, 2 * MiB), 0);
	CHECK_EQ(acpi_tables_build(&mem, &area, &err), 0);
	return area.start;
}

static uint64_t build(unsigned int cpus)
{
	return build_for(cpus, cpus);
}

static void root_pointer(void)
{
	uint64_t gpa = build(1);
	const uint8_t *rsdp = guest_mem_ptr(&mem, gpa, 36);

	CHECK_EQ(gpa % 16, 0);
	CHECK(gpa >= 0xe0000 && gpa < 0x100000);
	CHECK(!memcmp(rsdp, "RSD PTR ", 8));
	CHECK_EQ(rsdp[15], 2);
	CHECK_EQ(get32(rsdp + 20), 36);
	CHECK_EQ(sum(rsdp, 20), 0);
	CHECK_EQ(sum(rsdp, 36), 0);
	guest_mem_free(&mem);
}

static void fixed_description(void)
{
	uint64_t rsdp = build(1);
	const uint8_t *fadt = table(find(rsdp, "FACP"), "FACP");
	const uint8_t *facs;

	CHECK_EQ(get32(fadt + 4), 276);
	CHECK_EQ(fadt[46] | fadt[47] << 8, ACPI_SCI_IRQ);
	CHECK_EQ(get32(fadt + 48), 0); /* no SMI command: ACPI mode is permanent */
	CHECK_EQ(get32(fadt + 56), ACPI_PM1_EVT);
	CHECK_EQ(get32(fadt + 64), ACPI_PM1_CNT);
	CHECK_EQ(get32(fadt + 76), ACPI_PM_TMR);
	CHECK_EQ(get64(fadt + 148 + 4), ACPI_PM1_EVT);
	CHECK_EQ(get64(fadt + 172 + 4), ACPI_PM1_CNT);
	CHECK_EQ(get64(fadt + 208 + 4), ACPI_PM_TMR);
	CHECK_EQ(get32(fadt + 80), ACPI_GPE0);
	CHECK_EQ(fadt[92], 2);
	CHECK_EQ(get64(fadt + 220 + 4), ACPI_GPE0);
	CHECK_EQ(get64(fadt + 116 + 4), RESET_PORT);
	CHECK_EQ(fadt[128], RESET_VALUE);
	CHECK_EQ(get32(fadt + 112) & (1 << 4), 0); /* the power button is a fixed one */
	CHECK_EQ(get32(fadt + 112) & (1 << 10), 1 << 10);
	CHECK_EQ(get64(fadt + 140), get32(fadt + 40));
	CHECK_EQ(get64(fadt + 132), get32(fadt + 36));
	facs = guest_mem_ptr(&mem, get32(fadt + 36), 64);
	CHECK_EQ(get32(fadt + 36) % 64, 0);
	CHECK(facs && !memcmp(facs, "FACS", 4));
	CHECK_EQ(get32(facs + 4), 64);
	guest_mem_free(&mem);
}

/* Every processor once, by type-0 entries; IOAPIC; the SCI level-triggered; entries end exactly. */
static void processors(void)
{
	static const unsigned int counts[] = { 1, 2, 64, ACPI_CPUS_MAX };
	unsigned int i, cpus, ioapics, overrides, off, len;
	const uint8_t *madt;

	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		madt = table(find(build(counts[i]), "APIC"), "APIC");
		len = get32(madt + 4);
		cpus = 0;
		ioapics = 0;
		overrides = 0;
		for (off = 44; off + 2 <= len && madt[off + 1]; off += madt[off + 1]) {
			if (madt[off] == 0) {
				CHECK_EQ(madt[off + 3], cpus);
				CHECK_EQ(get32(madt + off + 4), 1);
				cpus++;
			} else if (madt[off] == 1) {
				CHECK_EQ(get32(madt + off + 4), 0xfec00000);
				ioapics++;
			} else if (madt[off] == 2) {
				CHECK_EQ(madt[off + 3], ACPI_SCI_IRQ);
				CHECK_EQ(get32(madt + off + 4), ACPI_SCI_IRQ);
				CHECK_EQ(madt[off + 8], 0x0d);
				overrides++;
			}
		}
		CHECK_EQ(off, len);
		CHECK_EQ(cpus, counts[i]);
		CHECK_EQ(ioapics, 1);
		CHECK_EQ(overrides, 1);
		guest_mem_free(&mem);
	}
}

/* Those that can come are listed as such, and only they bring the registers and the event. */
static void processors_to_come(void)
{
	const uint8_t *madt = table(find(build_for(2, 4), "APIC"), "APIC");
	unsigned int off, len = get32(madt + 4), cpus = 0;
	const uint8_t *dsdt;

	for (off = 44; off + 2 <= len && madt[off + 1]; off += madt[off + 1]) {
		if (madt[off] == 0)
			CHECK_EQ(get32(madt + off + 4), cpus++ < 2 ? 1 : 2);
	}
	CHECK_EQ(cpus, 4);
	dsdt = table(get32(table(find(area.start, "FACP"), "FACP") + 40), "DSDT");
	CHECK(memmem(dsdt, get32(dsdt + 4), "CP03", 4));
	CHECK(memmem(dsdt, get32(dsdt + 4), "_E02", 4));
	CHECK(!memmem(dsdt, get32(dsdt + 4), "CP04", 4));
	guest_mem_free(&mem);
	build(4);
	dsdt = table(get32(table(find(area.start, "FACP"), "FACP") + 40), "DSDT");
	CHECK(!memmem(dsdt, get32(dsdt + 4), "_E02", 4));
	guest_mem_free(&mem);
}

static void processor_limits(void)
{
	struct acpi_config cfg = { 0, 4, false, MEM_ACPI, MEM_1M };
	struct error err = { 0 };

	CHECK_EQ(guest_mem_alloc(&mem, 2 * MiB), 0);
	CHECK_EQ(acpi_tables_build(&mem, &cfg, &err), -1);
	cfg.cpus = ACPI_CPUS_MAX + 1;
	cfg.max_cpus = cfg.cpus;
	CHECK_EQ(acpi_tables_build(&mem, &cfg, &err), -1);
	cfg.cpus = 2;
	cfg.max_cpus = 1;
	CHECK_EQ(acpi_tables_build(&mem, &cfg, &err), -1);
	/* More than the registers have bits for. */
	cfg.max_cpus = CPU_HOTPLUG_MAX + 1;
	CHECK_EQ(acpi_tables_build(&mem, &cfg, &err), -1);
	cfg.max_cpus = CPU_HOTPLUG_MAX;
	CHECK_EQ(acpi_tables_build(&mem, &cfg, &err), 0);
	guest_mem_free(&mem);
}

/* Elsewhere, with everything that points to a table pointing there; and never beyond the end. */
static void other_places(void)
{
	struct error err = { 0 };
	uint64_t len;

	area = (struct acpi_config){ 64, 64, true, 2 * MiB - 64 * KiB, 2 * MiB };
	CHECK_EQ(guest_mem_alloc(&mem, 2 * MiB), 0);
	CHECK_EQ(acpi_tables_build(&mem, &area, &err), 0);
	CHECK(!memcmp(guest_mem_ptr(&mem, area.start, 36), "RSD PTR ", 8));
	CHECK(find(area.start, "FACP") > area.start);
	CHECK(find(area.start, "MCFG") > area.start);
	for (len = 64; len < 8192; len += 64) {
		area.end = area.start + len;
		memset(mem.base + area.end, 0x5a, 8192);
		if (!acpi_tables_build(&mem, &area, &err))
			break;
		CHECK_EQ(mem.base[area.end], 0x5a);
	}
	CHECK(len > 4096 && len < 8192);
	CHECK_EQ(mem.base[area.end], 0x5a);
	guest_mem_free(&mem);
}

/* Walks one list of terms as the builder writes them; returns false at anything unknown. */
static bool walk_terms(const uint8_t *p, const uint8_t *end, unsigned int *devices);

static const uint8_t *package_end(const uint8_t *p, const uint8_t **body)
{
	unsigned int extra = *p >> 6, i;
	size_t len = extra ? *p & 0xf : *p & 0x3f;

	for (i = 0; i < extra; i++)
		len |= (size_t)p[1 + i] << (4 + 8 * i);
	*body = p + 1 + extra;
	return p + len;
}

static const uint8_t *skip_name(const uint8_t *p)
{
	return p + (*p == '\\') + 4;
}

static const uint8_t *skip_object(const uint8_t *p)
{
	const uint8_t *body;

	switch (*p) {
	case 0x00:
	case 0x01:
		return p + 1;
	case 0x0a:
		return p + 2;
	case 0x0b:
		return p + 3;
	case 0x0c:
		return p + 5;
	case 0x0e:
		return p + 9;
	case 0x11:
	case 0x12:
		return package_end(p + 1, &body);
	default:
		return NULL;
	}
}

/* What holds no devices: an object of a name, a method, a region, its fields; NULL: none. */
static const uint8_t *skip_leaf(const uint8_t *p)
{
	const uint8_t *body;

	if (p[0] == 0x08)
		return skip_object(skip_name(p + 1));
	if (p[0] == 0x14)
		return package_end(p + 1, &body);
	if (p[0] == 0x5b && p[1] == 0x80)
		return skip_object(skip_object(skip_name(p + 2) + 1));
	if (p[0] == 0x5b && p[1] == 0x81)
		return package_end(p + 2, &body);
	return NULL;
}

static bool walk_terms(const uint8_t *p, const uint8_t *end, unsigned int *devices)
{
	const uint8_t *body, *stop, *next;

	while (p && p < end) {
		next = skip_leaf(p);
		if (next) {
			p = next;
			continue;
		}
		if (*p != 0x10 && (p[0] != 0x5b || p[1] != 0x82))
			return false;
		*devices += *p == 0x5b;
		stop = package_end(p + (*p == 0x5b ? 2 : 1), &body);
		if (stop > end || !walk_terms(skip_name(body), stop, devices))
			return false;
		p = stop;
	}
	return p == end;
}

static void definition_block(void)
{
	uint64_t rsdp = build(1);
	const uint8_t *fadt = table(find(rsdp, "FACP"), "FACP");
	const uint8_t *dsdt = table(get32(fadt + 40), "DSDT");
	static const uint8_t s5[] = { 0x08, '\\', '_',  'S',  '5',         '_',
				      0x12, 0x08, 0x04, 0x0a, ACPI_S5_TYPE };
	static const uint8_t uart[] = { '_', 'H', 'I', 'D', 0x0c, 0x41, 0xd0, 0x05, 0x01 };
	unsigned int devices = 0;

	CHECK(walk_terms(dsdt + 36, dsdt + get32(dsdt + 4), &devices));
	CHECK_EQ(devices, 3);
	CHECK(memmem(dsdt, get32(dsdt + 4), s5, sizeof(s5)));
	CHECK(memmem(dsdt, get32(dsdt + 4), uart, sizeof(uart)));
	guest_mem_free(&mem);
}

static void pci_bus(void)
{
	static const uint8_t window[] = { 0x87, 0x17, 0, 0, 0x0c, 1,    0,    0,    0,
					  0,    0,    0, 0, 0xf0, 0xff, 0xff, 0xbf, 0xfe };
	static const uint8_t buses[] = { 0x88, 0x0d, 0, 2, 0x0c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0 };
	static const uint8_t ecam[] = { 0x86, 9, 0, 1, 0, 0, 0, 0xe0, 0, 0, 0x10, 0 };
	/* Package (4) { 0x0002ffff, 0, 0, 17 }: the second slot's line. */
	static const uint8_t route[] = { 0x12, 0x0b, 4, 0x0c, 0xff, 0xff, 2, 0, 0, 0, 0x0a, 17 };
	const uint8_t *dsdt, *mcfg;
	unsigned int devices = 0;
	uint64_t rsdp;

	with_pci = true;
	rsdp = build(2);
	with_pci = false;
	mcfg = table(find(rsdp, "MCFG"), "MCFG");
	CHECK_EQ(get32(mcfg + 4), 60);
	CHECK_EQ(get64(mcfg + 44), PCI_ECAM_BASE);
	CHECK_EQ(get32(mcfg + 52), 0);
	dsdt = table(get32((const uint8_t *)table(find(rsdp, "FACP"), "FACP") + 40), "DSDT");
	CHECK(walk_terms(dsdt + 36, dsdt + get32(dsdt + 4), &devices));
	CHECK_EQ(devices, 5 + PCI_SLOTS - 1);
	CHECK(memmem(dsdt, get32(dsdt + 4), window, sizeof(window)));
	CHECK(memmem(dsdt, get32(dsdt + 4), buses, sizeof(buses)));
	CHECK(memmem(dsdt, get32(dsdt + 4), ecam, sizeof(ecam)));
	CHECK(memmem(dsdt, get32(dsdt + 4), route, sizeof(route)));
	guest_mem_free(&mem);
}

static bool has(const uint8_t *dsdt, const void *code, size_t len)
{
	return memmem(dsdt, get32(dsdt + 4), code, len);
}

#define HAS(dsdt, ...)                                         \
	do {                                                   \
		static const uint8_t code[] = { __VA_ARGS__ }; \
		CHECK(has(dsdt, code, sizeof(code)));          \
	} while (0)

/* With AML_DUMP, a file's name, the tables can be given to a disassembler. */
static void dump(const uint8_t *dsdt)
{
	const char *name = getenv("AML_DUMP");
	FILE *out = name ? fopen(name, "w") : NULL;

	if (!out)
		return;
	CHECK_EQ(fwrite(dsdt, get32(dsdt + 4), 1, out), 1);
	fclose(out);
}

/* The registers of devices/pci_hotplug.h, the event's method, and those of a slot. */
static void pci_slots(void)
{
	const uint8_t *dsdt;
	uint64_t rsdp;

	with_pci = true;
	rsdp = build(1);
	with_pci = false;
	dsdt = table(get32((const uint8_t *)table(find(rsdp, "FACP"), "FACP") + 40), "DSDT");
	/* OperationRegion (HPRG, SystemIO, 0x620, 12), Field (HPRG, ...) of three double words */
	HAS(dsdt, 0x5b, 0x80, 'H', 'P', 'R', 'G', 1, 0x0b, 0x20, 0x06, 0x0a, 12);
	HAS(dsdt, 'H', 'P', 'R', 'G', 0x43, 'H', 'P', 'I', 'N', 32, 'H', 'P', 'R', 'M', 32, 'H',
	    'P', 'S', 'L', 32);
	/* Method (_E01) { \_SB.PCI0.HPEV () } */
	HAS(dsdt, '_', 'E', '0', '1', 0x08, '\\', 0x2f, 3, '_', 'S', 'B', '_', 'P', 'C', 'I', '0',
	    'H', 'P', 'E', 'V');
	/* Local0 = HPIN; HPIN = Local0; If (Local0 & 2) { Notify (SL01, 1) } */
	HAS(dsdt, 0x70, 'H', 'P', 'I', 'N', 0x60, 0x70, 0x60, 'H', 'P', 'I', 'N', 0xa0, 0x0c, 0x7b,
	    0x60, 0x0a, 2, 0, 0x86, 'S', 'L', '0', '1', 0x01);
	/* If (Local1 & 0x80000000) { Notify (SL1F, 3) } */
	HAS(dsdt, 0x7b, 0x61, 0x0c, 0, 0, 0, 0x80, 0, 0x86, 'S', 'L', '1', 'F', 0x0a, 3);
	/* Slot 2: its address, its number, whether it is taken, and taking it out. */
	HAS(dsdt, '_', 'A', 'D', 'R', 0x0c, 0, 0, 2, 0, 0x08, '_', 'S', 'U', 'N', 0x0a, 2);
	HAS(dsdt, '_', 'S', 'T', 'A', 0x08, 0x70, 'H', 'P', 'S', 'L', 0x60, 0xa0, 0x09, 0x7b, 0x60,
	    0x0a, 4, 0, 0xa4, 0x0a, 0x0f, 0xa4, 0);
	HAS(dsdt, '_', 'E', 'J', '0', 0x09, 0x70, 0x0a, 4, 'H', 'P', 'S', 'L');
	dump(dsdt);
	guest_mem_free(&mem);
}

/* The three lengths of a length, at their edges. */
static void package_lengths(void)
{
	static const struct {
		size_t body;
		size_t head;
	} edge[] = { { 62, 1 }, { 63, 2 }, { 4093, 2 }, { 4094, 3 }, { 8000, 3 } };
	const uint8_t *body;
	struct aml *aml = malloc(sizeof(*aml));
	unsigned int i;
	size_t place, n;

	CHECK(aml);
	for (i = 0; aml && i < sizeof(edge) / sizeof(edge[0]); i++) {
		aml_init(aml);
		place = aml_open_package(aml, 0);
		for (n = 1; n < edge[i].body; n++)
			aml_integer(aml, 1);
		aml_close(aml, place);
		CHECK(aml_done(aml));
		CHECK_EQ(aml->len, 1 + edge[i].head + edge[i].body);
		CHECK(package_end(aml->buf + 1, &body) == aml->buf + aml->len);
		CHECK_EQ(body - aml->buf, 1 + edge[i].head);
		CHECK_EQ(body[edge[i].body - 1], 1);
	}
	free(aml);
}

static void builder_overflow(void)
{
	struct aml *aml = malloc(sizeof(*aml));
	size_t place, n;

	CHECK(aml);
	if (!aml)
		return;
	aml_init(aml);
	place = aml_open_scope(aml, "\\_SB_");
	for (n = 0; n < AML_MAX / 9 + 2; n++)
		aml_integer(aml, UINT64_MAX);
	aml_close(aml, place);
	CHECK(!aml_done(aml));
	CHECK(aml->len <= AML_MAX);
	free(aml);
}

TAP_MAIN(TEST(root_pointer), TEST(fixed_description), TEST(processors), TEST(processors_to_come),
	 TEST(processor_limits), TEST(other_places), TEST(definition_block), TEST(pci_bus),
	 TEST(pci_slots), TEST(package_lengths), TEST(builder_overflow));
