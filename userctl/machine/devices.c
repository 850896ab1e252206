// SPDX-License-Identifier: GPL-2.0
/* The PC: which device is where, and how its wires run. */
#include <string.h>
#include <sys/timerfd.h>

#include "../devices/debugcon.h"
#include "machine.h"

#define COM1_GSI  4
#define POST_PORT 0x80

static void set_irq(void *opaque, unsigned int gsi, bool level)
{
	struct machine *m = opaque;
	int ret = vmm_irq_line(&m->vm, gsi, level);

	if (ret)
		machine_stop_host(m, -1, -ret, "KVM_IRQ_LINE");
}

static void power_off(void *opaque)
{
	machine_stop(opaque, STOP_POWER_OFF, -1);
}

static void reset(void *opaque)
{
	machine_stop(opaque, STOP_RESET, -1);
}

static void serial_tx(void *opaque, uint8_t byte)
{
	struct machine *m = opaque;

	console_put(&m->console, byte);
}

static void serial_room(void *opaque)
{
	struct machine *m = opaque;

	console_room(&m->console);
}

static void rtc_arm(void *opaque, uint64_t ns)
{
	struct machine *m = opaque;
	struct itimerspec when = {
		.it_value = { .tv_sec = (time_t)(ns / 1000000000),
			      .tv_nsec = (long)(ns % 1000000000) },
	};

	timerfd_settime(m->rtc_timer.fd, 0, &when, NULL);
}

static void cpus_changed(void *opaque)
{
	struct machine *m = opaque;

	acpi_pm_event(&m->pm, ACPI_GPE_CPU);
}

static void cpus_inserted(void *opaque, uint64_t cpus)
{
	struct machine *m = opaque;
	unsigned int i;
	int ret;

	for (i = 0; i < m->vcpu_count; i++) {
		ret = cpus >> i & 1 ? vcpu_unpark(&m->vcpus[i]) : 0;
		if (ret)
			machine_stop_host(m, (int)i, -ret, "KVM_SET_MP_STATE");
	}
}

static void cpus_ejected(void *opaque, uint64_t cpus)
{
	struct machine *m = opaque;
	unsigned int i;

	for (i = 0; i < m->vcpu_count; i++) {
		if (cpus >> i & 1)
			vcpu_park(&m->vcpus[i]);
	}
}

/* Firmware writes progress codes here, and Linux uses it as a delay: nothing to do. */
static uint64_t post_read(void *dev, uint64_t off, unsigned int size)
{
	(void)dev;
	(void)off;
	(void)size;
	return UINT64_MAX;
}

static void post_write(void *dev, uint64_t off, uint64_t val, unsigned int size)
{
	(void)dev;
	(void)off;
	(void)val;
	(void)size;
}

static const struct bus_ops post_ops = {
	.read = post_read,
	.write = post_write,
	.width = 1,
};

int machine_add_ports(struct machine *m, uint64_t base, uint64_t len, const struct bus_ops *ops,
		      void *dev, struct error *err)
{
	struct bus_range *range;

	if (m->range_count == RANGES_MAX)
		return fault(err, EX_SOFTWARE, "more than %d device ranges", RANGES_MAX);
	range = &m->ranges[m->range_count++];
	*range = (struct bus_range){ .base = base, .len = len, .ops = ops, .dev = dev };
	if (bus_add(&m->pio, range))
		return fault(err, EX_SOFTWARE, "ports %#llx are taken", (unsigned long long)base);
	return 0;
}

int machine_add_devices(struct machine *m, struct error *err)
{
	struct serial_backend wire = { serial_tx, serial_room, m };
	struct acpi_pm_events events = { power_off, reset, m };
	struct irq_line com1 = { set_irq, m, COM1_GSI, false };
	struct irq_line rtc = { set_irq, m, RTC_IRQ, false };
	struct rtc_host clock = { rtc_host_now, rtc_arm, m };
	struct cpu_hotplug_events cpu_events = { cpus_changed, cpus_inserted, cpus_ejected, m };
	struct irq_line sci = { set_irq, m, ACPI_SCI_IRQ, false };

	bus_init(&m->pio);
	bus_init(&m->mmio);
	serial_init(&m->serial, &com1, &wire);
	rtc_init(&m->rtc, &rtc, &clock, m->mem.low - (m->cfg->firmware ? FIRMWARE_ACPI : 0),
		 m->mem.high);
	i8042_init(&m->kbd, reset, m);
	acpi_pm_init(&m->pm, &sci, &events);
	cpu_hotplug_init(&m->cpus, m->cfg->cpus, m->cfg->max_cpus, &cpu_events);
	m->devices = true;
	/* There they are, but on no bus. */
	if (m->cfg->pv)
		return 0;

	if (machine_add_ports(m, COM1_PORT, SERIAL_PORTS, &serial_ops, &m->serial, err) ||
	    machine_add_ports(m, RTC_PORT_BASE, RTC_PORTS, &rtc_ops, &m->rtc, err) ||
	    machine_add_ports(m, I8042_DATA_PORT, 1, &i8042_data_ops, &m->kbd, err) ||
	    machine_add_ports(m, I8042_COMMAND_PORT, 1, &i8042_command_ops, &m->kbd, err) ||
	    machine_add_ports(m, POST_PORT, 1, &post_ops, NULL, err) ||
	    machine_add_ports(m, FAST_RESET_PORT, 1, &fast_reset_ops, &m->pm, err) ||
	    machine_add_ports(m, ACPI_PM_BASE, ACPI_PM_PORTS, &acpi_pm_ops, &m->pm, err))
		return -1;
	if (m->cfg->max_cpus > m->cfg->cpus &&
	    machine_add_ports(m, CPU_HOTPLUG_BASE, CPU_HOTPLUG_PORTS, &cpu_hotplug_ops, &m->cpus,
			      err))
		return -1;
	if (m->cfg->debug &&
	    machine_add_ports(m, DEBUGCON_PORT, 1, &debugcon_ops, m->cfg->debug, err))
		return -1;
	if (m->cfg->firmware && machine_add_firmware(m, err))
		return -1;
	if (peripherals_wanted(m->cfg))
		return peripherals_add(m, err);
	return machine_add_ports(m, RESET_PORT, 1, &reset_ops, &m->pm, err);
}

void machine_remove_devices(struct machine *m)
{
	peripherals_remove(m);
	machine_remove_firmware(m);
	bus_destroy(&m->pio);
	bus_destroy(&m->mmio);
	serial_destroy(&m->serial);
	rtc_destroy(&m->rtc);
	i8042_destroy(&m->kbd);
	acpi_pm_destroy(&m->pm);
}
