// SPDX-License-Identifier: GPL-2.0
/* The PCI bus and the devices on it. A kernel without a device gets no bus. */
#include "peripherals.h"

#include <stdio.h>
#include <stdlib.h>

#include "../devices/virtio_blk.h"
#include "machine.h"

static void set_line(void *opaque, unsigned int gsi, bool level)
{
	struct machine *m = opaque;
	int ret = vmm_irq_line(&m->vm, gsi, level);

	if (ret)
		machine_stop_host(m, -1, -ret, "KVM_IRQ_LINE");
}

/* A vector that makes no sense is the guest's fault, and lost. */
static void send_msi(void *opaque, uint64_t addr, uint32_t data)
{
	struct machine *m = opaque;

	(void)vmm_signal_msi(&m->vm, addr, data);
}

static int make_route(void *opaque, int number, int fd, uint64_t addr, uint32_t data)
{
	return msi_route(opaque, number, fd, addr, data);
}

static void drop_route(void *opaque, int number, int fd)
{
	msi_unroute(opaque, number, fd);
}

/* Without it the writes come as exits. */
static void set_doorbell(void *opaque, uint64_t addr, int fd, bool on)
{
	struct machine *m = opaque;

	(void)vmm_doorbell(&m->vm, addr, fd, on);
}

static void log_line(void *opaque, const char *line)
{
	machine_say(opaque, line);
}

static int claim(struct machine *m, struct bus *bus, unsigned int n, uint64_t base, uint64_t len,
		 const struct bus_ops *ops, struct error *err)
{
	struct bus_range *range = &m->peripherals.range[n];

	*range = (struct bus_range){
		.base = base, .len = len, .ops = ops, .dev = &m->peripherals.pci
	};
	if (bus_add(bus, range))
		return fault(err, EX_SOFTWARE, "PCI at %#llx is taken", (unsigned long long)base);
	return 0;
}

static int add_bus(struct machine *m, struct error *err)
{
	struct irq_line line = { set_line, m, 0, false };
	struct pci_bus *bus = &m->peripherals.pci;

	pci_bus_init(bus, &line);
	if (m->cfg->firmware)
		pci_bus_i440fx(bus);
	bus->msi = send_msi;
	bus->route = make_route;
	bus->unroute = drop_route;
	bus->doorbell = set_doorbell;
	bus->log = log_line;
	bus->opaque = m;
	/* The reset register at 0xcf9 lies within the address port. */
	bus->port_ops = &reset_ops;
	bus->port_dev = &m->pm;
	pthread_mutex_init(&m->peripherals.routes.lock, NULL);
	m->peripherals.has_pci = true;
	if (claim(m, &m->pio, 0, PCI_PORT_BASE, PCI_PORTS, &pci_port_ops, err) ||
	    claim(m, &m->mmio, 1, PCI_WINDOW_BASE, PCI_WINDOW_SIZE, &pci_window_ops, err) ||
	    claim(m, &m->mmio, 2, PCI_ECAM_BASE, PCI_ECAM_SIZE, &pci_ecam_ops, err))
		return -1;
	return 0;
}

/* Put a device, which may be NULL for one that could not be made, on the bus. */
static int attach(struct machine *m, struct virtio *v, struct error *err)
{
	if (!v)
		return -1;
	if (pci_attach(&m->peripherals.pci, &v->pci)) {
		fault(err, EX_USAGE, "no slot for %s: at most %d devices are possible", v->name,
		      PCI_SLOTS - 1);
		v->ops->destroy(v);
		return -1;
	}
	m->peripherals.dev[v->pci.slot] = v;
	return 0;
}

static int add_disks(struct machine *m, struct error *err)
{
	const struct peripherals_config *cfg = &m->cfg->peripherals;
	struct peripherals *p = &m->peripherals;
	struct virtio *v;
	char name[16];
	unsigned int i;

	for (i = 0; i < cfg->disks; i++) {
		snprintf(name, sizeof(name), "disk%u", i);
		v = virtio_blk_create(name, cfg->disk[i].path, cfg->disk[i].readonly, &m->mem, err);
		if (attach(m, v, err))
			return -1;
		p->disk[i] = v;
	}
	return 0;
}

bool peripherals_wanted(const struct machine_config *cfg)
{
	return cfg->firmware || cfg->peripherals.disks;
}

int peripherals_add(struct machine *m, struct error *err)
{
	return add_bus(m, err) || add_disks(m, err) ? -1 : 0;
}

int peripherals_start(struct machine *m, struct error *err)
{
	struct virtio *v;
	unsigned int i;
	int ret;

	for (i = 0; i < PCI_SLOTS; i++) {
		v = m->peripherals.dev[i];
		ret = v ? virtio_start(v) : 0;
		if (ret)
			return fault_errno(err, EX_OSERR, ret, "cannot start a thread for %s",
					   v->name);
	}
	return 0;
}

void peripherals_stop(struct machine *m)
{
	unsigned int i;

	for (i = 0; i < PCI_SLOTS; i++) {
		if (m->peripherals.dev[i])
			virtio_end(m->peripherals.dev[i]);
	}
}

void peripherals_remove(struct machine *m)
{
	struct peripherals *p = &m->peripherals;
	unsigned int i;

	for (i = 0; i < PCI_SLOTS; i++) {
		if (p->dev[i])
			p->dev[i]->ops->destroy(p->dev[i]);
	}
	if (!p->has_pci)
		return;
	pthread_mutex_destroy(&p->routes.lock);
	pci_bus_destroy(&p->pci);
}

void peripherals_resize(struct machine *m)
{
	struct error err;
	unsigned int i;

	for (i = 0; i < DISKS_MAX; i++) {
		if (m->peripherals.disk[i] && virtio_blk_resize(m->peripherals.disk[i], &err))
			machine_say(m, err.text);
	}
}
