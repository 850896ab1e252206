// SPDX-License-Identifier: GPL-2.0
#include "commands.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../devices/virtio_balloon.h"
#include "../devices/virtio_blk.h"
#include "../devices/virtio_mem.h"
#include "../files.h"
#include "../machine/machine.h"

static json_t *done(void)
{
	return json_object();
}

static json_t *power_button(struct machine *m, const json_t *request, struct error *err)
{
	(void)request;
	if (m->cfg->pv) {
		fault(err, 1, "a machine of type pv has no power button");
		return NULL;
	}
	acpi_pm_power_button(&m->pm);
	return done();
}

static json_t *reset(struct machine *m, const json_t *request, struct error *err)
{
	(void)request;
	(void)err;
	machine_reset(m);
	return done();
}

static json_t *quit(struct machine *m, const json_t *request, struct error *err)
{
	(void)request;
	(void)err;
	machine_stop(m, STOP_QUIT, -1);
	return done();
}

static int get_bytes(const json_t *request, uint64_t *bytes, struct error *err)
{
	const json_t *value = json_object_get(request, "bytes");

	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return fault(err, 1, "\"bytes\" must be a number from 0 on");
	*bytes = (uint64_t)json_integer_value(value);
	return 0;
}

static int check_memory(const struct machine *m, uint64_t bytes, struct error *err)
{
	const struct machine_config *cfg = m->cfg;
	uint64_t max = cfg->max_memory ? cfg->max_memory : cfg->memory;

	if (bytes < cfg->memory && !m->peripherals.balloon)
		return fault(err, 1,
			     "the VM has no balloon, and keeps the %" PRIu64
			     " MiB that it began with: start it with --balloon",
			     cfg->memory >> 20);
	if (!m->peripherals.balloon && !m->peripherals.memory)
		return fault(err, 1,
			     "the VM's memory is %" PRIu64
			     " MiB for good: start it with --balloon or --memory SIZE,max=SIZE",
			     cfg->memory >> 20);
	if (bytes > max)
		return fault(err, 1, "the VM can have %" PRIu64 " MiB, and cannot have more",
			     max >> 20);
	return 0;
}

/*
 * One figure for both: what is less than the VM began with the balloon takes away, and what is more
 * is plugged. The other one of the two is put back to nothing.
 */
static json_t *memory(struct machine *m, const json_t *request, struct error *err)
{
	struct machine_config *cfg = m->cfg;
	uint64_t bytes;

	if (get_bytes(request, &bytes, err) || check_memory(m, bytes, err))
		return NULL;
	cfg->more_memory = bytes > cfg->memory ? bytes - cfg->memory : 0;
	cfg->peripherals.inflate = bytes < cfg->memory ? cfg->memory - bytes : 0;
	if (m->peripherals.balloon)
		virtio_balloon_set(m->peripherals.balloon, cfg->peripherals.inflate);
	if (m->peripherals.memory)
		virtio_mem_set(m->peripherals.memory, cfg->more_memory);
	return done();
}

static json_t *grow_disk(struct machine *m, const json_t *request, struct error *err)
{
	const json_t *index = json_object_get(request, "disk");
	const struct peripherals_config *cfg = &m->cfg->peripherals;
	int channel, ret;
	uint64_t bytes;

	if (get_bytes(request, &bytes, err))
		return NULL;
	if (!json_is_integer(index) || json_integer_value(index) < 0 ||
	    json_integer_value(index) >= cfg->disks ||
	    !cfg->disk[json_integer_value(index)].image.path) {
		fault(err, 1, "there is no such disk; vmctl attach NAME lists those there are");
		return NULL;
	}
	channel = files_offered();
	ret = virtio_blk_grow(m->peripherals.disk[json_integer_value(index)], bytes, channel, err);
	if (channel >= 0)
		close(channel);
	if (ret)
		return NULL;
	peripherals_resize(m);
	return done();
}

static json_t *attach_device(struct machine *m, const json_t *request, struct error *err)
{
	const char *kind = json_string_value(json_object_get(request, "device"));
	const char *spec = json_string_value(json_object_get(request, "spec"));
	const struct virtio *v;

	if (!kind || !spec) {
		fault(err, 1, "\"device\" and \"spec\" must say what to attach");
		return NULL;
	}
	v = hotplug_attach(m, kind, spec, err);
	return v ? json_pack("{s:s, s:i}", "id", v->name, "slot", (int)v->pci.slot) : NULL;
}

static json_t *detach_device(struct machine *m, const json_t *request, struct error *err)
{
	const char *id = json_string_value(json_object_get(request, "id"));

	if (!id) {
		fault(err, 1, "\"id\" must say what to detach");
		return NULL;
	}
	return hotplug_detach(m, id, err) ? NULL : done();
}

static json_t *disk_json(const struct machine *m, unsigned int index)
{
	const struct disk_config *cfg = &m->cfg->peripherals.disk[index];
	const struct virtio *v = m->peripherals.disk[index];

	return json_pack("{s:s, s:s, s:i, s:i, s:s, s:s?, s:s, s:b, s:b}", "id", v->name, "device",
			 "disk", "disk", (int)index, "slot", (int)v->pci.slot, "file",
			 cfg->image.path, "folder", m->cfg->folder, "format",
			 cfg->image.format == BLK_QCOW2 ? "qcow2" : "raw", "readonly",
			 cfg->image.readonly, "leaving", cfg->leaving);
}

static json_t *net_json(struct virtio *v, const struct net_config *cfg)
{
	struct net_stats s;

	virtio_net_stats(v, &s);
	return json_pack("{s:s, s:s, s:i, s:s, s:s?, s:i, s:b, s:b}", "id", v->name, "device",
			 "nic", "slot", (int)v->pci.slot, "network", cfg->tap ? "tap" : "user",
			 "interface", cfg->ifname, "queues", (int)cfg->queues, "vhost", s.vhost,
			 "leaving", cfg->leaving);
}

/* What can be detached. */
static json_t *devices(struct machine *m, const json_t *request, struct error *err)
{
	const struct peripherals_config *cfg = &m->cfg->peripherals;
	const struct peripherals *p = &m->peripherals;
	json_t *all = json_array();
	unsigned int i;

	(void)request;
	(void)err;
	for (i = 0; i < DISKS_MAX; i++) {
		if (p->disk[i])
			json_array_append_new(all, disk_json(m, i));
	}
	for (i = 0; i < NETS_MAX; i++) {
		if (p->net[i])
			json_array_append_new(all, net_json(p->net[i], &cfg->net[i]));
	}
	return json_pack("{s:o}", "devices", all);
}

/* How many vCPUs there shall be: absent ones come at once, others when the guest lets them go. */
static json_t *vcpus(struct machine *m, const json_t *request, struct error *err)
{
	const json_t *count = json_object_get(request, "count");
	const struct machine_config *cfg = m->cfg;

	if (cfg->max_cpus == cfg->cpus) {
		fault(err, 1, "the VM's vCPUs are %u for good: start it with --max-cpus",
		      cfg->cpus);
		return NULL;
	}
	if (!json_is_integer(count) || json_integer_value(count) < 1 ||
	    json_integer_value(count) > (json_int_t)cfg->max_cpus) {
		fault(err, 1, "the VM can have 1 to %u vCPUs", cfg->max_cpus);
		return NULL;
	}
	cpu_hotplug_set(&m->cpus, (unsigned int)json_integer_value(count));
	return done();
}

static json_t *info(struct machine *m, const json_t *request, struct error *err)
{
	const struct machine_config *cfg = m->cfg;

	(void)request;
	(void)err;
	return json_pack("{s:s, s:I, s:i, s:I, s:I, s:i, s:i, s:b, s:b}", "name", cfg->name, "id",
			 (json_int_t)m->id, "pid", (int)getpid(), "memory", (json_int_t)cfg->memory,
			 "max_memory",
			 (json_int_t)(cfg->max_memory ? cfg->max_memory : cfg->memory), "cpus",
			 (int)cpu_hotplug_count(&m->cpus), "max_cpus", (int)cfg->max_cpus,
			 "balloon", cfg->peripherals.balloon, "restarts", cfg->restarts);
}

/* The lines "NAME VALUE" of statistics as an object. */
static json_t *stats(struct machine *m, const json_t *request, struct error *err)
{
	json_t *all = json_object();
	char *text = NULL, name[64];
	size_t size = 0;
	FILE *out = open_memstream(&text, &size), *in;
	long long value;

	(void)request;
	if (!out) {
		json_decref(all);
		fault_errno(err, 1, errno, "statistics");
		return NULL;
	}
	machine_stats(m, out);
	fclose(out);
	in = fmemopen(text, size, "r");
	while (in && fscanf(in, "%63s %lld", name, &value) == 2)
		json_object_set_new(all, name, json_integer(value));
	if (in)
		fclose(in);
	free(text);
	return json_pack("{s:o}", "stats", all);
}

json_t *control_command(struct machine *m, const char *cmd, const json_t *request,
			struct error *err)
{
	static const struct {
		const char *cmd;
		json_t *(*fn)(struct machine *m, const json_t *request, struct error *err);
	} commands[] = {
		{ "power-button", power_button },
		{ "reset", reset },
		{ "quit", quit },
		{ "memory", memory },
		{ "disk", grow_disk },
		{ "attach", attach_device },
		{ "detach", detach_device },
		{ "devices", devices },
		{ "vcpus", vcpus },
		{ "info", info },
		{ "stats", stats },
	};
	unsigned int i;

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!strcmp(cmd, commands[i].cmd))
			return commands[i].fn(m, request, err);
	}
	fault(err, 1, "there is no command \"%s\"", cmd);
	return NULL;
}
