// SPDX-License-Identifier: GPL-2.0
#include "run_devices.h"

#include <stdlib.h>
#include <string.h>

#include "machine/peripherals.h"
#include "vmctl.h"

/* Apart from those of run itself. */
enum {
	OPT_DISK = 0x200,
};

static const struct argp_option options[] = {
	{ "disk", OPT_DISK, "FILE[,ro]", 0, "virtio disk, raw; \",ro\": read-only; repeatable", 0 },
	{ 0 }
};

/* "FILE[,ro]": cuts the text at the suffix. */
static int parse_disk(struct peripherals_config *cfg, char *arg, struct error *err)
{
	size_t len = strlen(arg);
	bool readonly = len > 3 && !strcmp(arg + len - 3, ",ro");

	if (cfg->disks == DISKS_MAX)
		return fault(err, EX_USAGE, "at most %d disks can be given", DISKS_MAX);
	if (readonly)
		arg[len - 3] = '\0';
	cfg->disk[cfg->disks++] = (struct disk_config){ arg, readonly };
	return 0;
}

static error_t parse_opt(int key, char *arg, struct argp_state *state)
{
	struct peripherals_config *cfg = state->input;
	struct error err;
	int ret;

	switch (key) {
	case OPT_DISK:
		ret = parse_disk(cfg, arg, &err);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	if (ret)
		exit(report(&err));
	return 0;
}

const struct argp run_devices_argp = { .options = options, .parser = parse_opt };
