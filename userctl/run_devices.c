// SPDX-License-Identifier: GPL-2.0
#include "run_devices.h"

#include <stdlib.h>
#include <string.h>

#include "device_text.h"
#include "devices/virtio_vsock.h"
#include "machine/peripherals.h"
#include "units.h"
#include "vmctl.h"

/* Apart from those of run itself. */
enum {
	OPT_BALLOON = 0x200,
	OPT_CONSOLE,
	OPT_DISK,
	OPT_NET,
	OPT_PCI,
	OPT_PORT,
	OPT_PVPANIC,
	OPT_RNG,
	OPT_SHARE,
	OPT_VSOCK,
};

static const struct argp_option options[] = {
	{ NULL, 0, NULL, 0, "Devices:", 1 },
	{ "disk", OPT_DISK, "FILE[,format=FORMAT][,ro]", 0,
	  "virtio disk, of format raw (default) or qcow2; \",ro\": read-only; repeatable", 0 },
	{ "net", OPT_NET, "user[,forward=PORT:PORT]|tap[=NAME]", 0,
	  "network card, to a network within vmctl or to a TAP interface (\",queues=N\", \",vhost=on\"); "
	  "\",mac=ADDRESS\"; repeatable",
	  0 },
	{ "console", OPT_CONSOLE, "serial|virtio", 0,
	  "what the terminal is to the guest: ttyS0 (default) or hvc0", 0 },
	{ "port", OPT_PORT, "NAME=SOCKET", 0,
	  "virtio port, which is a Unix socket that vmctl listens at; repeatable", 0 },
	{ "share", OPT_SHARE, "TAG=FOLDER[,ro]", 0,
	  "folder that the guest mounts by 9P; repeatable", 0 },
	{ "pci", OPT_PCI, NULL, 0, "a PCI bus, even without a device: for vmctl attach", 0 },
	{ "rng", OPT_RNG, NULL, 0, "source of entropy", 0 },
	{ "balloon", OPT_BALLOON, "SIZE", OPTION_ARG_OPTIONAL,
	  "balloon; how much memory the guest is asked to give back (default: none)", 0 },
	{ "vsock", OPT_VSOCK, "CID", 0, "sockets between guest and host, by vhost-vsock", 0 },
	{ "pvpanic", OPT_PVPANIC, NULL, 0, "end with status 7 when the guest's kernel panics", 0 },
	{ 0 }
};

static int parse_disk(struct peripherals_config *cfg, char *arg, struct error *err)
{
	if (cfg->disks == DISKS_MAX)
		return fault(err, EX_USAGE, "at most %d disks can be given", DISKS_MAX);
	if (disk_parse(&cfg->disk[cfg->disks], arg, err))
		return -1;
	cfg->disks++;
	return 0;
}

static int parse_net(struct peripherals_config *cfg, char *arg, struct error *err)
{
	if (cfg->nets == NETS_MAX)
		return fault(err, EX_USAGE, "at most %d network cards can be given", NETS_MAX);
	if (net_parse(&cfg->net[cfg->nets], arg, err))
		return -1;
	cfg->nets++;
	return 0;
}

static int parse_console(struct peripherals_config *cfg, const char *arg, struct error *err)
{
	cfg->hvc = !strcmp(arg, "virtio");
	if (cfg->hvc || !strcmp(arg, "serial"))
		return 0;
	return fault(err, EX_USAGE, "console must be serial or virtio, not \"%s\"", arg);
}

/* "NAME=REST": cuts the text at the sign; NULL when a part is missing. */
static char *cut_name(char *arg, size_t max)
{
	char *sign = strchr(arg, '=');

	if (!sign || sign == arg || !sign[1] || (size_t)(sign - arg) > max)
		return NULL;
	*sign = '\0';
	return sign + 1;
}

static int parse_port(struct peripherals_config *cfg, char *arg, struct error *err)
{
	char *path = cut_name(arg, PORT_NAME_MAX);

	if (!path)
		return fault(err, EX_USAGE, "port must be NAME=SOCKET, the name of 1 to %d bytes",
			     PORT_NAME_MAX);
	if (cfg->ports == PORTS_MAX)
		return fault(err, EX_USAGE, "at most %d ports can be given", PORTS_MAX);
	cfg->port[cfg->ports++] = (struct virtio_port_config){ arg, path };
	return 0;
}

static int parse_share(struct peripherals_config *cfg, char *arg, struct error *err)
{
	bool readonly = cut_readonly(arg);
	char *path = cut_name(arg, SHARE_TAG_MAX);

	if (!path)
		return fault(err, EX_USAGE, "share must be TAG=FOLDER, the tag of 1 to %d bytes",
			     SHARE_TAG_MAX);
	if (cfg->shares == SHARES_MAX)
		return fault(err, EX_USAGE, "at most %d folders can be shared", SHARES_MAX);
	cfg->share[cfg->shares++] = (struct share_config){ arg, path, readonly };
	return 0;
}

static int parse_balloon(struct peripherals_config *cfg, const char *arg, struct error *err)
{
	cfg->balloon = true;
	if (arg && size_parse(arg, &cfg->inflate))
		return fault(err, EX_USAGE, "balloon: \"%s\" is not a size (try 64M)", arg);
	return 0;
}

static int parse_vsock(struct peripherals_config *cfg, const char *arg, struct error *err)
{
	unsigned long cid;

	if (count_parse(arg, VSOCK_CID_MIN, UINT32_MAX - 1, &cid))
		return fault(err, EX_USAGE, "vsock must be an address from %d on, not \"%s\"",
			     VSOCK_CID_MIN, arg);
	cfg->vsock_cid = (uint32_t)cid;
	return 0;
}

int run_device_option(struct peripherals_config *cfg, int key, char *arg, struct error *err)
{
	switch (key) {
	case OPT_BALLOON:
		return parse_balloon(cfg, arg, err);
	case OPT_CONSOLE:
		return parse_console(cfg, arg, err);
	case OPT_DISK:
		return parse_disk(cfg, arg, err);
	case OPT_NET:
		return parse_net(cfg, arg, err);
	case OPT_PCI:
		cfg->bus = true;
		return 0;
	case OPT_PORT:
		return parse_port(cfg, arg, err);
	case OPT_PVPANIC:
		cfg->pvpanic = true;
		return 0;
	case OPT_RNG:
		cfg->rng = true;
		return 0;
	case OPT_SHARE:
		return parse_share(cfg, arg, err);
	case OPT_VSOCK:
		return parse_vsock(cfg, arg, err);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse_opt(int key, char *arg, struct argp_state *state)
{
	struct error err;
	int ret = run_device_option(state->input, key, arg, &err);

	if (ret == -1)
		exit(report(&err));
	return ret;
}

const struct argp run_devices_argp = { .options = options, .parser = parse_opt };
