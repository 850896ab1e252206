// SPDX-License-Identifier: GPL-2.0
/* The PCI bus and the disks on it. A kernel without a disk gets no bus. */
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

/* Without it the writes come as exits. */
static void set_doorbell(void *opaque, uint64_t addr, int fd, bool on)
{
	struct machine *m = opaque;

	(void)vmm_doorbell(&m->vm, addr, fd, on);
}

static int claim(struct machine *m, struct bus *bus, unsigned int n, uint64_t base, uint64_t len,
		 const struct bus_ops *ops, struct error *err)
{
	struct bus_range *range = &m->pci_range[n];

	*range = (struct bus_range){ .base = base, .len = len, .ops = ops, .dev = &m->pci };
	if (bus_add(bus, range))
		return fault(err, EX_SOFTWARE, "PCI at %#llx is taken", (unsigned long long)base);
	return 0;
}

static int add_bus(struct machine *m, struct error *err)
{
	struct irq_line line = { set_line, m, 0, false };

	pci_bus_init(&m->pci, &line);
	if (m->cfg->firmware)
		pci_bus_i440fx(&m->pci);
	m->pci.msi = send_msi;
	m->pci.doorbell = set_doorbell;
	m->pci.opaque = m;
	/* The reset register at 0xcf9 lies within the address port. */
	m->pci.port_ops = &reset_ops;
	m->pci.port_dev = &m->pm;
	m->has_pci = true;
	return claim(m, &m->pio, 0, PCI_PORT_BASE, PCI_PORTS, &pci_port_ops, err) ||
			       claim(m, &m->mmio, 1, PCI_WINDOW_BASE, PCI_WINDOW_SIZE,
				     &pci_window_ops, err) ||
			       claim(m, &m->mmio, 2, PCI_ECAM_BASE, PCI_ECAM_SIZE, &pci_ecam_ops,
				     err)
		       ? -1
		       : 0;
}

bool machine_has_bus(const struct machine_config *cfg)
{
	return cfg->disks || cfg->firmware;
}

int machine_add_disks(struct machine *m, struct error *err)
{
	const struct disk_config *cfg;
	struct virtio_blk *blk;

	if (add_bus(m, err))
		return -1;
	for (cfg = m->cfg->disk; cfg < m->cfg->disk + m->cfg->disks; cfg++) {
		blk = virtio_blk_create(cfg->path, cfg->readonly, &m->mem, err);
		if (!blk)
			return -1;
		m->disk[m->disks++] = blk;
		if (pci_attach(&m->pci, &blk->v.pci))
			return fault(err, EX_SOFTWARE, "no slot for disk %s", cfg->path);
	}
	return 0;
}

int machine_start_disks(struct machine *m, struct error *err)
{
	unsigned int i;
	int ret;

	for (i = 0; i < m->disks; i++) {
		ret = virtio_start(&m->disk[i]->v);
		if (ret)
			return fault_errno(err, EX_OSERR, ret, "cannot start a thread for disk %s",
					   m->cfg->disk[i].path);
	}
	return 0;
}

void machine_stop_disks(struct machine *m)
{
	unsigned int i;

	for (i = 0; i < m->disks; i++)
		virtio_end(&m->disk[i]->v);
}

void machine_remove_disks(struct machine *m)
{
	unsigned int i;

	for (i = 0; i < m->disks; i++)
		virtio_blk_destroy(m->disk[i]);
	if (m->has_pci)
		pci_bus_destroy(&m->pci);
}
