// SPDX-License-Identifier: GPL-2.0
/* The PCI bus and the devices on it. A kernel without a device gets no bus. */
#include "peripherals.h"

#include <stdlib.h>
#include <string.h>

#include "../devices/virtio_balloon.h"
#include "../devices/virtio_blk.h"
#include "../devices/virtio_rng.h"
#include "../devices/virtio_vsock.h"
#include "../files.h"
#include "../sandbox/sandbox.h"
#include "machine.h"

/* Of a guest with a virtio console. Linux is ready long before, and most guests say something. */
#define SILENCE_MS 10000

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
	return hotplug_add(m, err);
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

int peripherals_add_disk(struct machine *m, unsigned int index, struct error *err)
{
	const struct disk_config *cfg = &m->cfg->peripherals.disk[index];
	struct virtio *v;
	char name[16];

	snprintf(name, sizeof(name), "disk%u", index);
	v = virtio_blk_create(name, cfg->path, cfg->readonly, &m->mem, err);
	if (attach(m, v, err))
		return -1;
	m->peripherals.disk[index] = v;
	return 0;
}

static int add_disks(struct machine *m, struct error *err)
{
	const struct peripherals_config *cfg = &m->cfg->peripherals;
	unsigned int i;

	for (i = 0; i < cfg->disks; i++) {
		if (!cfg->disk[i].path)
			continue;
		if (peripherals_add_disk(m, i, err))
			return -1;
		hotplug_own(m, m->peripherals.disk[i], false);
	}
	return 0;
}

/* An address that nobody has, the same for the same name of the machine. */
static void make_mac(const struct machine *m, unsigned int index, uint8_t *mac)
{
	uint32_t hash = 2166136261u;
	const char *p;

	for (p = m->cfg->name; *p; p++)
		hash = (hash ^ (uint8_t)*p) * 16777619u;
	mac[0] = 0x02;
	mac[1] = 'v';
	memcpy(mac + 2, &hash, 3);
	mac[5] = (uint8_t)index;
}

/* The interface of a machine before this one, which may have gone with its descriptor, is kept. */
static struct net_cable *plug_tap(const char *card, const char *ifname, struct error *err)
{
	int fd = files_get(card, "tap");

	if (fd < 0)
		fd = files_put(card, "tap", net_tap_open(ifname, err));
	return fd < 0 ? NULL : net_tap_fd(fd, err);
}

static struct net_cable *plug(const struct net_config *cfg, const char *card, struct error *err)
{
	if (cfg->tap)
		return plug_tap(card, cfg->ifname, err);
	if (sandbox_has_network())
		return net_user(cfg->forward, cfg->forwards, err);
	fault(err, 1, "the VM has given up its network: start it with --net user, or attach tap");
	return NULL;
}

int peripherals_add_net(struct machine *m, unsigned int index, struct error *err)
{
	const struct net_config *cfg = &m->cfg->peripherals.net[index];
	struct net_cable *cable;
	struct virtio *v;
	char name[16];
	uint8_t mac[6];

	make_mac(m, index, mac);
	snprintf(name, sizeof(name), "net%u", index);
	cable = plug(cfg, name, err);
	v = virtio_net_create(name, cfg->has_mac ? cfg->mac : mac, cable, &m->mem, err);
	if (attach(m, v, err))
		return -1;
	m->peripherals.net[index] = v;
	return 0;
}

static int add_nets(struct machine *m, struct error *err)
{
	const struct peripherals_config *cfg = &m->cfg->peripherals;
	unsigned int i;

	for (i = 0; i < cfg->nets; i++) {
		if (!cfg->net[i].given)
			continue;
		if (peripherals_add_net(m, i, err))
			return -1;
		hotplug_own(m, m->peripherals.net[i], false);
	}
	return 0;
}

static int add_shares(struct machine *m, struct error *err)
{
	const struct share_config *cfg = m->cfg->peripherals.share;
	char name[16];
	unsigned int i;

	for (i = 0; i < m->cfg->peripherals.shares; i++, cfg++) {
		snprintf(name, sizeof(name), "share%u", i);
		if (attach(m,
			   virtio_9p_create(name, cfg->tag, cfg->path, cfg->readonly, &m->mem, err),
			   err))
			return -1;
	}
	return 0;
}

static void console_tx(void *opaque, uint8_t byte)
{
	struct machine *m = opaque;

	console_put(&m->console, byte);
}

static void console_has_room(void *opaque)
{
	struct machine *m = opaque;

	console_room(&m->console);
}

static int add_console(struct machine *m, struct error *err)
{
	const struct virtio_console_wire wire = { console_tx, console_has_room, m, SILENCE_MS };
	const struct peripherals_config *cfg = &m->cfg->peripherals;
	struct virtio *v;

	if (cfg->ports &&
	    attach(m, virtio_ports_create("ports", cfg->port, cfg->ports, &m->mem, err), err))
		return -1;
	if (!cfg->hvc)
		return 0;
	v = virtio_console_create("console", &wire, &m->mem, err);
	if (attach(m, v, err))
		return -1;
	m->peripherals.console = v;
	return 0;
}

static void guest_panic(void *opaque, bool loaded)
{
	struct machine *m = opaque;

	if (loaded)
		machine_say(m, "the guest panicked, and goes on with its crash kernel");
	else
		machine_stop(m, STOP_PANIC, -1);
}

static int add_pvpanic(struct machine *m, struct error *err)
{
	struct peripherals *p = &m->peripherals;

	pvpanic_init(&p->pvpanic, guest_panic, m);
	p->has_pvpanic = true;
	if (pci_attach(&p->pci, &p->pvpanic.pci))
		return fault(err, EX_USAGE, "no slot for pvpanic: at most %d devices are possible",
			     PCI_SLOTS - 1);
	return 0;
}

static void tell_given(void *arg, uint64_t bytes)
{
	struct machine *m = arg;

	vmm_vm_given(&m->vm, bytes);
}

static int add_balloon(struct machine *m, struct error *err)
{
	struct virtio *v = virtio_balloon_create("balloon", &m->mem, err);

	if (attach(m, v, err))
		return -1;
	m->peripherals.balloon = v;
	virtio_balloon_tell(v, tell_given, m);
	virtio_balloon_set(v, m->cfg->peripherals.inflate);
	return 0;
}

/* Those of which there is one at most. */
static int add_singles(struct machine *m, struct error *err)
{
	const struct peripherals_config *cfg = &m->cfg->peripherals;

	if (cfg->rng && attach(m, virtio_rng_create("rng", &m->mem, err), err))
		return -1;
	if (cfg->balloon && add_balloon(m, err))
		return -1;
	if (cfg->vsock_cid &&
	    attach(m, virtio_vsock_create("vsock", cfg->vsock_cid, &m->mem, err), err))
		return -1;
	return cfg->pvpanic ? add_pvpanic(m, err) : 0;
}

bool peripherals_wanted(const struct machine_config *cfg)
{
	const struct peripherals_config *p = &cfg->peripherals;

	return cfg->firmware || p->bus || p->disks || p->nets || p->ports || p->shares || p->hvc ||
	       p->rng || p->pvpanic || p->balloon || p->vsock_cid;
}

int peripherals_add(struct machine *m, struct error *err)
{
	if (add_bus(m, err) || add_disks(m, err) || add_nets(m, err) || add_console(m, err) ||
	    add_shares(m, err) || add_singles(m, err))
		return -1;
	return 0;
}

int peripherals_start(struct machine *m, struct error *err)
{
	struct virtio *v;
	unsigned int i;
	int ret;

	if (!m->peripherals.has_pci)
		return 0;
	if (hotplug_start(m, err))
		return -1;
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

	if (p->has_pci)
		hotplug_remove(m);
	for (i = 0; i < PCI_SLOTS; i++) {
		if (p->dev[i])
			p->dev[i]->ops->destroy(p->dev[i]);
	}
	if (p->has_pvpanic)
		pci_device_destroy(&p->pvpanic.pci);
	if (!p->has_pci)
		return;
	pci_hotplug_destroy(&p->hotplug);
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

void peripherals_stats(struct machine *m, FILE *out)
{
	struct balloon_stats s;

	if (!m->peripherals.balloon)
		return;
	virtio_balloon_stats(m->peripherals.balloon, &s);
	fprintf(out, "balloon_target %llu\nballoon_actual %llu\nballoon_given %llu\n",
		(unsigned long long)s.target, (unsigned long long)s.actual,
		(unsigned long long)s.given);
	fprintf(out, "balloon_reported %llu\n", (unsigned long long)s.reported);
	if (s.known >> VIRTIO_BALLOON_S_AVAIL & 1)
		fprintf(out, "guest_available %llu\n",
			(unsigned long long)s.tag[VIRTIO_BALLOON_S_AVAIL]);
	if (s.known >> VIRTIO_BALLOON_S_MEMTOT & 1)
		fprintf(out, "guest_memory %llu\n",
			(unsigned long long)s.tag[VIRTIO_BALLOON_S_MEMTOT]);
}
