// SPDX-License-Identifier: GPL-2.0
/* The PCI bus and the devices on it. A kernel without a device gets no bus. */
#include "peripherals.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../devices/vhost.h"
#include "../devices/virtio_balloon.h"
#include "../devices/virtio_blk.h"
#include "../devices/virtio_mem.h"
#include "../devices/virtio_rng.h"
#include "../devices/virtio_vsock.h"
#include "../files.h"
#include "../sandbox/sandbox.h"
#include "machine.h"

/* Of a guest with a virtio console. Linux is ready long before, and most guests say something. */
#define SILENCE_MS 10000
#define PANICS_MAX 10 /* that are said */

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
	/* The guest may have emptied the slot just now: what was in it still has its place here. */
	hotplug_reap(m);
	m->peripherals.dev[v->pci.slot] = v;
	return 0;
}

int peripherals_add_disk(struct machine *m, unsigned int index, struct error *err)
{
	const struct disk_config *cfg = &m->cfg->peripherals.disk[index];
	struct virtio *v;
	char name[16];

	snprintf(name, sizeof(name), "disk%u", index);
	v = virtio_blk_create(name, &cfg->image, &m->mem, err);
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
		if (!cfg->disk[i].image.path)
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

/* What was opened for a machine before this one, or was passed; how many there are. */
static unsigned int get_queues(const char *card, const char *kind, int *fd, unsigned int queues)
{
	unsigned int i;
	char name[16];

	for (i = 0; i < queues; i++) {
		snprintf(name, sizeof(name), "%s%u", kind, i);
		fd[i] = files_get(card, name);
		if (fd[i] < 0)
			break;
	}
	return i;
}

static void put_queues(const char *card, const char *kind, const int *fd, unsigned int queues)
{
	unsigned int i;
	char name[16];

	for (i = 0; i < queues; i++) {
		snprintf(name, sizeof(name), "%s%u", kind, i);
		(void)files_put(card, name, fd[i]);
	}
}

int net_vhost_open(const struct net_config *cfg, int *node, struct error *err)
{
	unsigned int i;

	for (i = 0; cfg->vhost != NET_VHOST_OFF && i < cfg->queues; i++) {
		node[i] = vhost_open("net tap", NET_VHOST_NODE, "vhost_net, or vhost=off", err);
		if (node[i] >= 0)
			continue;
		while (i)
			close(node[--i]);
		return cfg->vhost == NET_VHOST_ON ? -1 : 0;
	}
	return (int)i;
}

/* 0: it does without. */
static int get_vhost(const struct net_config *cfg, const char *card, int *node, struct error *err)
{
	unsigned int got = get_queues(card, "vhost", node, cfg->queues);
	int opened;

	if (got == cfg->queues)
		return (int)got;
	while (got)
		close(node[--got]);
	if (!files_sealed()) {
		opened = net_vhost_open(cfg, node, err);
		put_queues(card, "vhost", node, opened > 0 ? cfg->queues : 0);
		return opened;
	}
	if (cfg->vhost != NET_VHOST_ON)
		return 0;
	return fault(err, 1, "net tap: a running VM needs to be passed %s: vmctl attach does that",
		     NET_VHOST_NODE);
}

/* Frames pass through the kernel alone where that can be had, and need not where it cannot. */
static struct net_cable *add_vhost(struct machine *m, const struct net_config *cfg,
				   const char *card, const int *fd, struct net_cable *tap,
				   struct error *err)
{
	int node[NET_PAIRS_MAX], got = get_vhost(cfg, card, node, err);
	struct net_cable *cable = NULL;

	if (!got)
		return tap;
	if (got > 0)
		cable = net_vhost(tap, fd, node, &m->mem, err);
	if (cable)
		return cable;
	if (cfg->vhost == NET_VHOST_AUTO)
		return tap;
	tap->destroy(tap);
	return NULL;
}

/* The interface of a machine before this one, which may have gone with its descriptors, is kept. */
static int get_tap(const struct net_config *cfg, const char *card, int *fd, struct error *err)
{
	unsigned int got = get_queues(card, "tap", fd, cfg->queues);

	if (got == cfg->queues)
		return 0;
	while (got)
		close(fd[--got]);
	if (files_sealed())
		return fault(err, 1, "net tap: a running VM needs to be passed each queue: %s",
			     "vmctl attach does that");
	if (net_tap_open(cfg->ifname, cfg->queues, fd, err))
		return -1;
	put_queues(card, "tap", fd, cfg->queues);
	return 0;
}

static struct net_cable *plug_tap(struct machine *m, const struct net_config *cfg, const char *card,
				  struct error *err)
{
	struct net_cable *tap = NULL;
	int fd[NET_PAIRS_MAX];

	if (!get_tap(cfg, card, fd, err))
		tap = net_tap(fd, cfg->queues, err);
	return tap && cfg->vhost != NET_VHOST_OFF ? add_vhost(m, cfg, card, fd, tap, err) : tap;
}

static struct net_cable *plug(struct machine *m, const struct net_config *cfg, const char *card,
			      struct error *err)
{
	if (cfg->tap)
		return plug_tap(m, cfg, card, err);
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
	cable = plug(m, cfg, name, err);
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
	unsigned int said;
	char line[80];

	if (!loaded) {
		machine_stop(m, STOP_PANIC, -1);
		return;
	}
	/* One that panics on purpose does not fill the log. */
	if (atomic_load(&m->peripherals.panics) >= PANICS_MAX)
		return;
	said = atomic_fetch_add(&m->peripherals.panics, 1) + 1;
	snprintf(line, sizeof(line), "the guest panicked, and goes on with its crash kernel%s",
		 said == PANICS_MAX ? " (said for the last time)" : "");
	machine_say(m, line);
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

static int map_piece(void *opaque, unsigned int piece, bool on)
{
	struct machine *m = opaque;
	uint64_t off = piece * VIRTIO_MEM_PIECE, len = m->mem.plug_size - off;
	struct error err;

	if (len > VIRTIO_MEM_PIECE)
		len = VIRTIO_MEM_PIECE;
	return vmm_vm_memory(&m->vm, SLOT_PIECES + piece, m->mem.plug_start + off, on ? len : 0,
			     m->mem.plug_base + off, &err)
		       ? -EIO
		       : 0;
}

static int add_memory(struct machine *m, struct error *err)
{
	struct virtio_mem_events events = { map_piece, m };
	struct virtio *v = virtio_mem_create("memory", &m->mem, &events, err);

	if (attach(m, v, err))
		return -1;
	m->peripherals.memory = v;
	virtio_mem_set(v, m->cfg->more_memory);
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
	if (m->mem.plug_size && add_memory(m, err))
		return -1;
	if (cfg->vsock_cid &&
	    attach(m, virtio_vsock_create("vsock", cfg->vsock_cid, &m->mem, err), err))
		return -1;
	return cfg->pvpanic ? add_pvpanic(m, err) : 0;
}

bool peripherals_wanted(const struct machine_config *cfg)
{
	const struct peripherals_config *p = &cfg->peripherals;

	return cfg->firmware || cfg->max_memory || p->bus || p->disks || p->nets || p->ports ||
	       p->shares || p->hvc || p->rng || p->pvpanic || p->balloon || p->vsock_cid;
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

void peripherals_stop_soon(struct machine *m)
{
	unsigned int i;

	for (i = 0; i < PCI_SLOTS; i++) {
		if (m->peripherals.dev[i])
			virtio_end_soon(m->peripherals.dev[i]);
	}
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

static void memory_stats(struct virtio *v, FILE *out)
{
	struct virtio_mem_stats s;

	virtio_mem_stats(v, &s);
	fprintf(out, "memory_region %llu\nmemory_requested %llu\nmemory_plugged %llu\n",
		(unsigned long long)s.size, (unsigned long long)s.requested,
		(unsigned long long)s.plugged);
}

static void net_stats(struct virtio *v, const struct net_config *cfg, FILE *out)
{
	struct net_stats s;
	unsigned int i;

	virtio_net_stats(v, &s);
	fprintf(out, "%s_queues %u\n%s_vhost %d\n", v->name, s.pairs, v->name, s.vhost);
	for (i = 0; i < cfg->queues; i++) {
		fprintf(out, "%s_received_%u %llu\n%s_sent_%u %llu\n", v->name, i,
			(unsigned long long)s.received[i], v->name, i,
			(unsigned long long)s.sent[i]);
	}
}

static void balloon_stats(struct virtio *v, FILE *out)
{
	struct balloon_stats s;

	virtio_balloon_stats(v, &s);
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

void peripherals_stats(struct machine *m, FILE *out)
{
	unsigned int i;

	if (m->peripherals.memory)
		memory_stats(m->peripherals.memory, out);
	if (m->peripherals.balloon)
		balloon_stats(m->peripherals.balloon, out);
	for (i = 0; i < NETS_MAX; i++) {
		if (m->peripherals.net[i])
			net_stats(m->peripherals.net[i], &m->cfg->peripherals.net[i], out);
	}
}
