// SPDX-License-Identifier: GPL-2.0
/* Disks and network cards that come and go: between the control socket and the registers. */
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../device_text.h"
#include "../files.h"
#include "machine.h"

/* ---- the configuration ---- */

static void forget_disk(struct peripherals_config *cfg, unsigned int index)
{
	free(cfg->disk[index].text);
	cfg->disk[index] = (struct disk_config){ 0 };
	while (cfg->disks && !cfg->disk[cfg->disks - 1].image.path)
		cfg->disks--;
}

static void forget_net(struct peripherals_config *cfg, unsigned int index)
{
	free(cfg->net[index].text);
	cfg->net[index] = (struct net_config){ 0 };
	while (cfg->nets && !cfg->net[cfg->nets - 1].given)
		cfg->nets--;
}

static int disk_index(const struct peripherals *p, const struct virtio *v)
{
	int i;

	for (i = 0; i < DISKS_MAX; i++) {
		if (p->disk[i] == v)
			return i;
	}
	return -1;
}

static int net_index(const struct peripherals *p, const struct virtio *v)
{
	int i;

	for (i = 0; i < NETS_MAX; i++) {
		if (p->net[i] == v)
			return i;
	}
	return -1;
}

/* ---- devices that have left the bus ---- */

/*
 * What it has under way ends first. The configuration has the path: it goes after the device, and
 * whoever waits for the file to be closed hears of it last.
 */
static void release(struct machine *m, struct virtio *v)
{
	struct peripherals *p = &m->peripherals;
	int disk = disk_index(p, v), net = net_index(p, v);
	char name[VIRTIO_NAME_MAX];

	memcpy(name, v->name, sizeof(name));
	p->dev[v->pci.slot] = NULL;
	virtio_reset(v);
	v->ops->destroy(v);
	if (disk >= 0) {
		p->disk[disk] = NULL;
		forget_disk(&m->cfg->peripherals, (unsigned int)disk);
	}
	if (net >= 0) {
		p->net[net] = NULL;
		forget_net(&m->cfg->peripherals, (unsigned int)net);
	}
	files_forget(name);
	blk_nbd_forget(name);
	if (m->cfg->control)
		control_detached(m->cfg->control, name);
}

static void release_slots(struct machine *m, uint32_t slots)
{
	struct virtio *v;
	unsigned int i;

	for (i = 0; i < PCI_SLOTS; i++) {
		v = m->peripherals.dev[i];
		if (v && (slots >> i & 1))
			release(m, v);
	}
}

void hotplug_reap(struct machine *m)
{
	release_slots(m, pci_hotplug_reap(&m->peripherals.hotplug));
}

static void ejected_ready(void *opaque)
{
	struct machine *m = opaque;
	uint64_t count;

	(void)!read(m->peripherals.ejected.fd, &count, sizeof(count));
	hotplug_reap(m);
}

/* ---- the registers ---- */

static void raise_event(void *opaque)
{
	struct machine *m = opaque;

	acpi_pm_event(&m->pm, ACPI_GPE_PCI);
}

static void ejected(void *opaque)
{
	struct machine *m = opaque;
	uint64_t one = 1;

	(void)!write(m->peripherals.ejected.fd, &one, sizeof(one));
}

int hotplug_add(struct machine *m, struct error *err)
{
	const struct pci_hotplug_events events = { raise_event, ejected, m };
	struct peripherals *p = &m->peripherals;

	p->ejected = (struct loop_source){ eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), ejected_ready, m,
					   false };
	pci_hotplug_init(&p->hotplug, &p->pci, &events);
	if (p->ejected.fd < 0)
		return fault(err, EX_OSERR, "cannot make an eventfd");
	p->range[3] = (struct bus_range){ .base = PCI_HOTPLUG_BASE,
					  .len = PCI_HOTPLUG_PORTS,
					  .ops = &pci_hotplug_ops,
					  .dev = &p->hotplug };
	if (bus_add(&m->pio, &p->range[3]))
		return fault(err, EX_SOFTWARE, "ports %#x are taken", PCI_HOTPLUG_BASE);
	return 0;
}

int hotplug_start(struct machine *m, struct error *err)
{
	int ret;

	/* Without a bus there is nothing to watch, and descriptor 0 is somebody else's. */
	if (!m->peripherals.has_pci)
		return 0;
	ret = loop_watch(&m->loop, &m->peripherals.ejected);
	return ret ? fault_errno(err, EX_OSERR, ret, "cannot watch the PCI slots") : 0;
}

/* What a reset does not bring back: what the guest has let go, and what it was asked for. */
static uint32_t leaving(struct machine *m)
{
	const struct peripherals_config *cfg = &m->cfg->peripherals;
	uint32_t slots = pci_hotplug_reap(&m->peripherals.hotplug);
	const struct peripherals *p = &m->peripherals;
	unsigned int i;

	for (i = 0; i < DISKS_MAX; i++) {
		if (p->disk[i] && cfg->disk[i].leaving)
			slots |= 1u << p->disk[i]->pci.slot;
	}
	for (i = 0; i < NETS_MAX; i++) {
		if (p->net[i] && cfg->net[i].leaving)
			slots |= 1u << p->net[i]->pci.slot;
	}
	return slots;
}

void hotplug_remove(struct machine *m)
{
	struct loop_source *src = &m->peripherals.ejected;

	if (!m->peripherals.has_pci)
		return;
	release_slots(m, leaving(m));
	if (src->fd < 0)
		return;
	loop_unwatch(&m->loop, src);
	close(src->fd);
}

void hotplug_own(struct machine *m, struct virtio *v, bool announce)
{
	pci_hotplug_add(&m->peripherals.hotplug, &v->pci, announce);
}

/* ---- attach ---- */

/* What was passed for a device that could not be made is not for the next one of its name. */
static void forget_passed(const char *kind, unsigned int index)
{
	char name[VIRTIO_NAME_MAX];

	snprintf(name, sizeof(name), "%s%u", kind, index);
	files_forget(name);
	blk_nbd_forget(name);
}

/* A place in the configuration, and the device on the bus. */
static struct virtio *make_disk(struct machine *m, char *text, struct error *err)
{
	struct peripherals_config *cfg = &m->cfg->peripherals;
	unsigned int i = 0;

	while (i < DISKS_MAX && cfg->disk[i].image.path)
		i++;
	if (i == DISKS_MAX) {
		fault(err, 1, "the VM has %d disks, and cannot have more: detach one first",
		      DISKS_MAX);
		return NULL;
	}
	if (disk_parse(&cfg->disk[i], text, err) || peripherals_add_disk(m, i, err)) {
		forget_passed("disk", i);
		forget_disk(cfg, i);
		return NULL;
	}
	cfg->disk[i].text = text;
	if (cfg->disks <= i)
		cfg->disks = i + 1;
	return m->peripherals.disk[i];
}

static struct virtio *make_net(struct machine *m, char *text, struct error *err)
{
	struct peripherals_config *cfg = &m->cfg->peripherals;
	unsigned int i = 0;

	while (i < NETS_MAX && cfg->net[i].given)
		i++;
	if (i == NETS_MAX) {
		fault(err, 1, "the VM has %d network cards, and cannot have more: detach one first",
		      NETS_MAX);
		return NULL;
	}
	if (net_parse(&cfg->net[i], text, err) || peripherals_add_net(m, i, err)) {
		forget_passed("net", i);
		forget_net(cfg, i);
		return NULL;
	}
	cfg->net[i].text = text;
	if (cfg->nets <= i)
		cfg->nets = i + 1;
	return m->peripherals.net[i];
}

static int can_hotplug(const struct machine *m, struct error *err)
{
	if (m->peripherals.has_pci)
		return 0;
	return fault(err, 1,
		     m->cfg->pv ? "a machine of type pv has no bus for devices"
				: "the VM has no PCI bus: start it with --pci");
}

/* It is on the bus: the guest may find it before it is told. */
static int announce(struct machine *m, struct virtio *v, struct error *err)
{
	int ret = virtio_start(v);

	if (!ret) {
		hotplug_own(m, v, true);
		return 0;
	}
	fault_errno(err, 1, ret, "cannot start a thread for %s", v->name);
	pci_detach(&v->pci);
	release(m, v);
	return -1;
}

struct virtio *hotplug_attach(struct machine *m, const char *kind, const char *spec,
			      struct error *err)
{
	bool disk = !strcmp(kind, "disk");
	struct virtio *v;
	char *text;

	if (!disk && strcmp(kind, "nic")) {
		fault(err, 1, "what can be attached is a disk or a nic, not \"%s\"", kind);
		return NULL;
	}
	if (can_hotplug(m, err))
		return NULL;
	/* A slot that has just become empty is one to use. */
	hotplug_reap(m);
	text = strdup(spec);
	if (!text) {
		fault(err, 1, "out of memory");
		return NULL;
	}
	v = disk ? make_disk(m, text, err) : make_net(m, text, err);
	if (!v)
		free(text);
	return v && !announce(m, v, err) ? v : NULL;
}

/* ---- detach ---- */

static struct virtio *find(const struct peripherals *p, const char *id)
{
	unsigned int i;

	for (i = 0; i < DISKS_MAX; i++) {
		if (p->disk[i] && !strcmp(p->disk[i]->name, id))
			return p->disk[i];
	}
	for (i = 0; i < NETS_MAX; i++) {
		if (p->net[i] && !strcmp(p->net[i]->name, id))
			return p->net[i];
	}
	return NULL;
}

static void mark_leaving(struct machine *m, const struct virtio *v)
{
	int disk = disk_index(&m->peripherals, v), net = net_index(&m->peripherals, v);

	if (disk >= 0)
		m->cfg->peripherals.disk[disk].leaving = true;
	if (net >= 0)
		m->cfg->peripherals.net[net].leaving = true;
}

/* All that could be meant. */
static int fault_unknown(const struct peripherals *p, const char *id, struct error *err)
{
	char all[(DISKS_MAX + NETS_MAX) * 8] = "";
	size_t len = 0;
	unsigned int i;

	for (i = 0; i < DISKS_MAX; i++) {
		if (p->disk[i])
			len += (size_t)snprintf(all + len, sizeof(all) - len, " disk%u", i);
	}
	for (i = 0; i < NETS_MAX; i++) {
		if (p->net[i])
			len += (size_t)snprintf(all + len, sizeof(all) - len, " net%u", i);
	}
	return fault(err, 1, "the VM has no disk or network card \"%s\": it has%s", id,
		     len ? all : " none");
}

int hotplug_detach(struct machine *m, const char *id, struct error *err)
{
	struct pci_hotplug *hp = &m->peripherals.hotplug;
	struct virtio *v;

	if (can_hotplug(m, err))
		return -1;
	v = find(&m->peripherals, id);
	if (!v)
		return fault_unknown(&m->peripherals, id, err);
	mark_leaving(m, v);
	/* A guest that was not told, or has not found the time, has nothing to let go. */
	if (pci_hotplug_unseen(hp, &v->pci) && virtio_untouched(v))
		pci_hotplug_eject(hp, &v->pci);
	else
		pci_hotplug_request(hp, &v->pci);
	return 0;
}
