// SPDX-License-Identifier: GPL-2.0
/* vmctl top: the VMs of this host, the busiest first. */
#include <inttypes.h>
#include <ncurses.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fleet_verbs.h"
#include "vmctl.h"

#define REFRESH_MS 2000

/* struct look - the VMs at one moment */
struct look {
	struct fleet_vm *vms;
	size_t count;
};

struct row {
	const struct fleet_vm *vm;
	double percent;
};

static const struct fleet_vm *find(const struct look *look, uint64_t id)
{
	size_t i;

	for (i = 0; i < look->count; i++) {
		if (look->vms[i].id == id)
			return &look->vms[i];
	}
	return NULL;
}

static int by_percent(const void *a, const void *b)
{
	const struct row *one = a, *two = b;

	return (one->percent < two->percent) - (one->percent > two->percent);
}

static void draw_row(int y, const struct row *row)
{
	const struct fleet_vm *vm = row->vm;
	char owner[33], uptime[32], limit[16] = "-";

	if (vm->cpu_limit)
		snprintf(limit, sizeof(limit), "%u", vm->cpu_limit);
	mvprintw(y, 0,
		 "%-5" PRIu64 " %-20.20s %-10.10s %-9s %5u %7" PRIu64 "M %7" PRIu64
		 "M %6.1f %6s %s",
		 vm->id, vm->name[0] ? vm->name : "-", owner_name(vm->owner, owner, sizeof(owner)),
		 fleet_state_name(vm->state), vm->vcpus, vm->memory >> 20, vm->resident >> 20,
		 row->percent, limit, uptime_text(vm->uptime, uptime, sizeof(uptime)));
}

static void draw(const struct look *now, const struct look *before)
{
	struct row *rows = calloc(now->count + 1, sizeof(*rows));
	double all = 0;
	size_t i;

	if (!rows)
		return;
	for (i = 0; i < now->count; i++) {
		rows[i].vm = &now->vms[i];
		rows[i].percent = cpu_percent(&now->vms[i], find(before, now->vms[i].id));
		all += rows[i].percent;
	}
	qsort(rows, now->count, sizeof(*rows), by_percent);
	erase();
	mvprintw(0, 0, "%zu VMs, %.1f%% of a processor; q quits", now->count, all);
	attron(A_REVERSE);
	mvprintw(1, 0, "%-5s %-20s %-10s %-9s %5s %8s %8s %6s %6s %s", "ID", "NAME", "OWNER",
		 "STATE", "VCPUS", "MEM", "RSS", "CPU%", "LIMIT", "UPTIME");
	attroff(A_REVERSE);
	for (i = 0; i < now->count && (int)i + 2 < LINES; i++)
		draw_row((int)i + 2, &rows[i]);
	refresh();
	free(rows);
}

static int watch(struct fleet *fleet, struct error *err)
{
	struct look now = { NULL, 0 }, before = { NULL, 0 };
	int ret;

	for (;;) {
		ret = fleet_list(fleet, &now.vms, &now.count, err);
		if (ret)
			break;
		draw(&now, &before);
		free(before.vms);
		before = now;
		if (getch() == 'q')
			break;
	}
	free(before.vms);
	return ret;
}

int cmd_top(int argc, char **argv)
{
	struct error err;
	struct fleet *fleet;
	int status = 0;

	if (argc > 1) {
		fault(&err, EX_USAGE, "unexpected argument \"%s\": top takes none", argv[1]);
		return report(&err);
	}
	if (!isatty(STDOUT_FILENO)) {
		fault(&err, EX_USAGE, "top needs a terminal; list prints to a file");
		return report(&err);
	}
	fleet = fleet_open(&err);
	if (!fleet)
		return report(&err);
	if (!newterm(NULL, stdout, stdin)) {
		fault(&err, EX_UNAVAILABLE, "top does not know this terminal: set TERM");
		status = report(&err);
	} else {
		cbreak();
		noecho();
		curs_set(0);
		timeout(REFRESH_MS);
		status = watch(fleet, &err);
		endwin();
		if (status)
			status = report(&err);
	}
	fleet_close(fleet);
	return status;
}
