// SPDX-License-Identifier: GPL-2.0
/* vmctl run: a VM in the foreground, its console on the terminal. */
#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "devices/blk_backend.h"
#include "devices/blk_ring.h"
#include "files.h"
#include "machine/machine.h"
#include "sandbox/keeper.h"
#include "run.h"
#include "run_devices.h"
#include "units.h"
#include "vmctl.h"

#define PAGE           4096
#define GRACE_MAX      86400
#define DEFAULT_APPEND "console=ttyS0"
#define HVC_APPEND     "console=hvc0"

enum {
	OPT_CPU_LIMIT = 0x100,
	OPT_DEBUG_PORT,
	OPT_DEVICE,
	OPT_FIRMWARE,
	OPT_GRACE,
	OPT_MACHINE,
	OPT_MAX_CPUS,
	OPT_MODULE,
	OPT_NO_PV,
	OPT_NO_SANDBOX,
	OPT_ON_RESET,
	OPT_STATS,
	OPT_USER,
};

static const struct argp_option options[] = {
	{ "kernel", 'k', "FILE", 0,
	  "Linux bzImage, ELF kernel with a PVH entry, or multiboot kernel", 0 },
	{ "initrd", 'i', "FILE", 0, "initial RAM disk (the first module for multiboot)", 0 },
	{ "module", OPT_MODULE, "FILE[ ARGS]", 0,
	  "further module for PVH and multiboot kernels; repeatable", 0 },
	{ "firmware", OPT_FIRMWARE, "FILE", 0,
	  "BIOS image to start instead of a kernel, 64K to 256K in steps of 64K", 0 },
	{ "debug-port", OPT_DEBUG_PORT, "FILE", 0,
	  "write what the guest sends to port 0x402, firmware's messages, to FILE", 0 },
	{ "append", 'a', "TEXT", 0, "kernel command line (default: " DEFAULT_APPEND ")", 0 },
	{ "cpus", 'c', "N", 0, "vCPUs, 1 to 64 (default: 1)", 0 },
	{ "max-cpus", OPT_MAX_CPUS, "N", 0, "how many there can be later (default: as many)", 0 },
	{ "memory", 'm', "SIZE[,max=SIZE]", 0,
	  "memory, 2M to 512G; without a unit in MiB (default: 512M); what vmctl set can make of it",
	  0 },
	{ "cpu-limit", OPT_CPU_LIMIT, "PERCENT", 0,
	  "how much of a processor all vCPUs together may use, 1 to 6400", 0 },
	{ "name", 'n', "NAME", 0, "name of the VM (default: vm-PID)", 0 },
	{ "device", OPT_DEVICE, "NODE", 0,
	  "hypervisor's device node (default: $VMM_DEV, else /dev/vmm)", 0 },
	{ "machine", OPT_MACHINE, "pc|pv", 0,
	  "a PC (default), or no device but hypercalls, for kernels made for that", 0 },
	{ "no-pv", OPT_NO_PV, NULL, 0,
	  "tell the guest nothing of the hypervisor: no paravirtual clock, interrupts and so on",
	  0 },
	{ "on-reset", OPT_ON_RESET, "exit|restart", 0,
	  "what a reset by the guest does (default: exit, with status 3)", 0 },
	{ "grace", OPT_GRACE, "SECONDS", 0,
	  "how long SIGTERM, SIGINT or SIGHUP wait for the guest to power off (default: 1)", 0 },
	{ "stats", OPT_STATS, "FILE", OPTION_ARG_OPTIONAL,
	  "print counters at the end, to FILE or standard error", 0 },
	{ "user", OPT_USER, "USER", 0,
	  "started by root: whom to run as, a name or UID[:GID] (default: vmm, if there is one)",
	  0 },
	{ "no-sandbox", OPT_NO_SANDBOX, NULL, 0,
	  "let the VM's process do whatever its user may, for debugging", 0 },
	{ 0 }
};

static int parse_size(struct run_options *o, const char *arg, uint64_t *bytes)
{
	int ret = size_parse(arg, bytes);

	if (ret == -EINVAL)
		return fault(&o->err, EX_USAGE,
			     "memory must be 2M to 512G: \"%s\" is not a size (try 512M)", arg);
	if (ret || *bytes < MEM_MIN || *bytes > MEM_MAX)
		return fault(&o->err, EX_USAGE, "memory must be 2M to 512G, not %s", arg);
	if (*bytes % PAGE)
		return fault(&o->err, EX_USAGE, "memory must be 2M to 512G in steps of 4K, not %s",
			     arg);
	return 0;
}

/* "SIZE,max=SIZE": cuts the text at the comma. */
static int parse_memory(struct run_options *o, char *arg)
{
	char *comma = strchr(arg, ',');

	o->cfg.max_memory = 0;
	if (comma)
		*comma++ = '\0';
	if (parse_size(o, arg, &o->cfg.memory))
		return -1;
	if (!comma)
		return 0;
	if (strncmp(comma, "max=", 4))
		return fault(&o->err, EX_USAGE,
			     "behind memory's size comes max=SIZE or nothing, not \"%s\"", comma);
	if (parse_size(o, comma + 4, &o->cfg.max_memory))
		return -1;
	if (o->cfg.max_memory <= o->cfg.memory || (o->cfg.max_memory - o->cfg.memory) % MEM_BLOCK)
		return fault(&o->err, EX_USAGE,
			     "memory's max=%s must be more than %s, by a multiple of 2M", comma + 4,
			     arg);
	return 0;
}

static int parse_cpus(struct run_options *o, const char *what, const char *arg, unsigned int *cpus)
{
	unsigned long n;

	if (count_parse(arg, 1, CPUS_MAX, &n))
		return fault(&o->err, EX_USAGE, "%s must be 1 to %d, not \"%s\"", what, CPUS_MAX,
			     arg);
	*cpus = (unsigned int)n;
	return 0;
}

static int parse_grace(struct run_options *o, const char *arg)
{
	unsigned long n;

	if (count_parse(arg, 0, GRACE_MAX, &n))
		return fault(&o->err, EX_USAGE, "grace must be 0 to %d seconds, not \"%s\"",
			     GRACE_MAX, arg);
	o->cfg.grace = (unsigned int)n;
	return 0;
}

static int parse_name(struct run_options *o, const char *arg)
{
	if (!name_valid(arg))
		return fault(&o->err, EX_USAGE,
			     "name must be a letter, up to 62 letters, digits, -_.:@+, not \"%s\"",
			     arg);
	o->cfg.name = arg;
	o->cfg.named = true;
	return 0;
}

static int parse_cpu_limit(struct run_options *o, const char *arg)
{
	unsigned long n;

	if (count_parse(arg, 1, CPUS_MAX * 100, &n))
		return fault(&o->err, EX_USAGE, "cpu-limit must be 1 to %d percent, not \"%s\"",
			     CPUS_MAX * 100, arg);
	o->cfg.cpu_limit = (unsigned int)n;
	return 0;
}

static int parse_on_reset(struct run_options *o, const char *arg)
{
	o->restart = !strcmp(arg, "restart");
	if (o->restart || !strcmp(arg, "exit"))
		return 0;
	return fault(&o->err, EX_USAGE, "on-reset must be exit or restart, not \"%s\"", arg);
}

static int parse_machine(struct run_options *o, const char *arg)
{
	o->cfg.pv = !strcmp(arg, "pv");
	if (o->cfg.pv || !strcmp(arg, "pc"))
		return 0;
	return fault(&o->err, EX_USAGE, "machine must be pc or pv, not \"%s\"", arg);
}

/* "FILE ARGS": cuts the text at the first blank. The first place is kept for the initrd. */
static int parse_module(struct run_options *o, char *arg)
{
	struct boot *boot = &o->cfg.boot;
	char *blank = strchr(arg, ' ');

	if (boot->modules == BOOT_MODULES_MAX - 1)
		return fault(&o->err, EX_USAGE, "at most %d modules can be given",
			     BOOT_MODULES_MAX - 1);
	if (blank)
		*blank++ = '\0';
	boot->module[1 + boot->modules++] =
		(struct boot_module){ .path = arg, .args = blank ? blank : "" };
	return 0;
}

static int parse_option(struct run_options *o, int key, char *arg)
{
	switch (key) {
	case 'k':
		o->cfg.boot.kernel = arg;
		return 0;
	case 'i':
		o->initrd = arg;
		return 0;
	case 'a':
		o->cfg.boot.cmdline = arg;
		return 0;
	case 'c':
		return parse_cpus(o, "cpus", arg, &o->cfg.cpus);
	case OPT_MAX_CPUS:
		return parse_cpus(o, "max-cpus", arg, &o->cfg.max_cpus);
	case 'm':
		return parse_memory(o, arg);
	case 'n':
		return parse_name(o, arg);
	case OPT_CPU_LIMIT:
		return parse_cpu_limit(o, arg);
	case OPT_DEBUG_PORT:
		o->debug_port = arg;
		return 0;
	case OPT_FIRMWARE:
		o->cfg.firmware = arg;
		return 0;
	case OPT_DEVICE:
		o->cfg.device = arg;
		return 0;
	case OPT_GRACE:
		return parse_grace(o, arg);
	case OPT_MACHINE:
		return parse_machine(o, arg);
	case OPT_MODULE:
		return parse_module(o, arg);
	case OPT_NO_PV:
		o->cfg.no_pv = true;
		return 0;
	case OPT_ON_RESET:
		return parse_on_reset(o, arg);
	case OPT_STATS:
		o->stats = true;
		o->stats_file = arg;
		return 0;
	case OPT_USER:
		o->sandbox.user = arg;
		return 0;
	case OPT_NO_SANDBOX:
		o->no_sandbox = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse_opt(int key, char *arg, struct argp_state *state)
{
	struct run_options *o = state->input;
	int ret;

	if (key == ARGP_KEY_INIT) {
		state->child_inputs[0] = &o->cfg.peripherals;
		return 0;
	}
	if (key == ARGP_KEY_ARG) {
		fprintf(stderr, "vmctl: unexpected argument \"%s\"; options begin with --\n", arg);
		exit(EX_USAGE);
	}
	ret = parse_option(o, key, arg);
	if (ret == -1)
		exit(report(&o->err));
	return ret;
}

static const struct argp_option *find_option(const struct argp_option *from, const char *name)
{
	for (; from->name || from->doc; from++) {
		if (from->name && !strcmp(from->name, name))
			return from;
	}
	return NULL;
}

int run_option(struct run_options *o, const char *name, char *value)
{
	const struct argp_option *own = find_option(options, name), *found = own;

	if (!found)
		found = find_option(run_devices_argp.options, name);
	if (!found)
		return fault(&o->err, EX_DATAERR, "there is no such key");
	if (!found->arg && strcmp(value, "yes"))
		return fault(&o->err, EX_DATAERR, "its value can only be yes, not \"%s\"", value);
	if (own)
		return parse_option(o, found->key, value);
	return run_device_option(&o->cfg.peripherals, found->key, value, &o->err);
}

static const struct argp_child children[] = { { &run_devices_argp, 0, NULL, 0 }, { 0 } };

static const struct argp argp = {
	.options = options,
	.parser = parse_opt,
	.children = children,
	.doc = "Run a VM until its guest powers off; its first serial port is the terminal.\n"
	       "\vOn a terminal, Ctrl-] is the escape key: Ctrl-] q quits, Ctrl-] ? lists the rest.\n"
	       "Exit status: 0 power-off, 3 reset, 4 triple fault, 5 internal error, 6 quit,\n"
	       "7 panic, 64 to 77 as in sysexits.h, 128 plus the number of a signal.\n",
};

static void place_initrd(struct run_options *o)
{
	struct boot *boot = &o->cfg.boot;

	if (o->initrd) {
		boot->module[0] = (struct boot_module){ .path = o->initrd, .args = "" };
		boot->has_initrd = true;
		boot->modules++;
		return;
	}
	memmove(boot->module, boot->module + 1, boot->modules * sizeof(boot->module[0]));
}

/* There is one thing to start, and firmware gets nothing of what is for kernels. */
static int check_boot(struct run_options *o)
{
	struct boot *boot = &o->cfg.boot;

	if (!boot->kernel && !o->cfg.firmware)
		return fault(&o->err, EX_USAGE,
			     "run needs a kernel or firmware: --kernel FILE or --firmware FILE");
	if (!o->cfg.firmware) {
		if (!boot->cmdline)
			boot->cmdline = o->cfg.peripherals.hvc ? HVC_APPEND : DEFAULT_APPEND;
		return 0;
	}
	if (boot->kernel)
		return fault(&o->err, EX_USAGE,
			     "either --kernel or --firmware: firmware boots from a --disk");
	if (o->initrd || boot->modules || boot->cmdline)
		return fault(&o->err, EX_USAGE,
			     "--initrd, --module and --append go with --kernel, not --firmware");
	return 0;
}

void run_defaults(struct run_options *o)
{
	static char name[32];

	snprintf(name, sizeof(name), "vm-%d", (int)getpid());
	*o = (struct run_options){
		.cfg = { .memory = DEFAULT_MEMORY, .cpus = 1, .grace = 1, .name = name },
	};
}

int run_parse(int argc, char **argv, struct run_options *o)
{
	if (argp_parse(&argp, argc, argv, 0, NULL, o))
		return fault(&o->err, EX_USAGE, "bad usage");
	return run_check(o);
}

int run_check(struct run_options *o)
{
	static char folder[PATH_MAX];

	if (check_boot(o))
		return -1;
	/* Firmware is one thing more for which there would be a bus. */
	if (!o->cfg.max_cpus)
		o->cfg.max_cpus = o->cfg.cpus;
	if (o->cfg.max_cpus < o->cfg.cpus)
		return fault(&o->err, EX_USAGE, "max-cpus is %u, but the VM begins with %u",
			     o->cfg.max_cpus, o->cfg.cpus);
	if (o->cfg.pv && (o->cfg.max_cpus > 1 || peripherals_wanted(&o->cfg) || o->cfg.debug))
		return fault(&o->err, EX_USAGE,
			     "a machine of type pv has one vCPU, no device and no firmware");
	if (o->cfg.pv && o->cfg.no_pv)
		return fault(&o->err, EX_USAGE,
			     "--no-pv would leave nothing of a machine of type pv");
	o->cfg.device = vmm_device(o->cfg.device);
	o->cfg.folder = getcwd(folder, sizeof(folder));
	o->cfg.restarts = o->restart;
	place_initrd(o);
	return 0;
}

static double seconds_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - start->tv_sec) + (double)(now.tv_nsec - start->tv_nsec) / 1e9;
}

static void print_stats(FILE *out, struct machine *m, double seconds)
{
	int ret;

	fprintf(out, "run_seconds %.3f\n", seconds);
	ret = machine_stats(m, out);
	if (ret < 0)
		fprintf(stderr, "vmctl: the hypervisor's statistics: %s\n", strerror(-ret));
}

static int write_stats(const struct run_options *o, struct machine *m, double seconds)
{
	FILE *out = o->stats_out;

	if (!out)
		return 0;
	/* Those of the last machine count. */
	if (out != stderr) {
		rewind(out);
		(void)!ftruncate(fileno(out), 0);
	}
	print_stats(out, m, seconds);
	if (out != stderr && fflush(out)) {
		fprintf(stderr, "vmctl: %s: %s\n", o->stats_file, strerror(errno));
		return -1;
	}
	return 0;
}

static void dump_crash(const struct machine *m, const char *what)
{
	fprintf(stderr, "vmctl: %s: %s\n", m->cfg->name, what);
	if (m->culprit >= 0)
		dump_vcpu(stderr, m, &m->vcpus[m->culprit]);
}

static int conclude_signal(const struct machine *m)
{
	fprintf(stderr, "vmctl: %s: ended by signal %d (%s)\n", m->cfg->name, m->signo,
		strsignal(m->signo));
	return 128 + m->signo;
}

/* Tell what happened, where the exit status alone does not. */
static int conclude(const struct machine *m)
{
	switch (atomic_load(&m->cause)) {
	case STOP_POWER_OFF:
		return EXIT_POWER_OFF;
	case STOP_RESET:
		/* A guest that resets when it is to power off does not come up again. */
		if (m->signo)
			return conclude_signal(m);
		return EXIT_RESET;
	case STOP_TRIPLE_FAULT:
		dump_crash(m, "the guest crashed with a triple fault");
		return EXIT_TRIPLE;
	case STOP_INTERNAL:
		dump_crash(m, "the hypervisor cannot go on with this guest");
		return EXIT_INTERNAL;
	case STOP_PANIC:
		fprintf(stderr, "vmctl: %s: the guest panicked\n", m->cfg->name);
		return EXIT_PANIC;
	case STOP_QUIT:
		return EXIT_QUIT;
	case STOP_SIGNAL:
		return conclude_signal(m);
	default:
		return report(&m->host);
	}
}

/* What is open now is what this machine has, and the ones after it. */
static int close_sandbox(struct run_options *o, struct error *err)
{
	bool pluggable = o->cfg.control && peripherals_wanted(&o->cfg);
	unsigned int spare = pluggable ? DISKS_MAX - o->cfg.peripherals.disks : 0;
	int ret;

	if (o->no_sandbox || o->closed)
		return 0;
	o->closed = true;
	files_seal();
	ret = blk_ring_stock(spare);
	if (ret)
		return fault_errno(err, EX_OSERR, ret, "sandbox: io_uring");
	return sandbox_close(err);
}

/* Whoever waits for the machine to be there is told once. */
static void tell_ready(struct run_options *o)
{
	if (o->ready)
		o->ready(o->opaque);
	o->ready = NULL;
}

static int create(struct run_options *o, struct machine *m, struct error *err)
{
	if (machine_create(m, &o->cfg, err) || close_sandbox(o, err))
		return -1;
	tell_ready(o);
	return 0;
}

static int run_once(struct run_options *o, struct error *err)
{
	struct machine *m = calloc(1, sizeof(*m));
	struct timespec start;
	int status = -1;

	if (!m)
		return fault(err, EX_OSERR, "out of memory");
	clock_gettime(CLOCK_MONOTONIC, &start);
	if (!create(o, m, err) && !machine_run(m, err)) {
		status = conclude(m);
		if (write_stats(o, m, seconds_since(&start)) && !status)
			status = EX_CANTCREAT;
	}
	machine_destroy(m);
	free(m);
	return status;
}

/* Line by line, so that it can be followed; once, however often the machine restarts. */
static int open_debug_port(struct run_options *o)
{
	if (!o->debug_port)
		return 0;
	o->cfg.debug = fopen(o->debug_port, "we");
	if (!o->cfg.debug)
		return fault_errno(&o->err, EX_CANTCREAT, errno, "debug port's file %s",
				   o->debug_port);
	setvbuf(o->cfg.debug, NULL, _IOLBF, 0);
	return 0;
}

/* Before anybody runs for whom it would be too late. */
static int open_stats(struct run_options *o)
{
	if (!o->stats)
		return 0;
	o->stats_out = o->stats_file ? fopen(o->stats_file, "we") : stderr;
	if (!o->stats_out)
		return fault_errno(&o->err, EX_CANTCREAT, errno, "%s", o->stats_file);
	return 0;
}

/* What has names is removed by who may, at the end. */
static int start_keeper(struct run_options *o)
{
	const struct peripherals_config *p = &o->cfg.peripherals;
	struct keeper_config keep = { .cpu_limit = o->restart ? o->cfg.cpu_limit : 0 };
	unsigned int i;

	if (o->cfg.control)
		keep.path[keep.paths++] = control_socket(o->cfg.control);
	for (i = 0; i < p->ports; i++)
		keep.path[keep.paths++] = p->port[i].path;
	if (!keep.paths && !keep.cpu_limit)
		return 0;
	return keeper_start(&keep, &o->err);
}

/* Who may not open the device is told the group by its name, which a user namespace hides. */
static int check_device(struct run_options *o)
{
	int fd = vmm_open(o->cfg.device, &o->err);

	if (fd < 0)
		return o->err.status == EX_NOPERM ? -1 : 0;
	close(fd);
	return 0;
}

static int begin_sandbox(struct run_options *o)
{
	const struct peripherals_config *p = &o->cfg.peripherals;
	struct sandbox_config *cfg = &o->sandbox;
	unsigned int i;

	if (o->no_sandbox)
		return 0;
	if (check_device(o))
		return -1;
	cfg->name = o->cfg.name;
	for (i = 0; i < p->shares; i++) {
		cfg->share[i] = p->share[i].path;
		cfg->share_readonly[i] = p->share[i].readonly;
	}
	cfg->shares = p->shares;
	for (i = 0; i < p->nets; i++)
		cfg->network |= !p->net[i].tap;
	if (o->restart)
		files_keep_all();
	return start_keeper(o) ? -1 : sandbox_prepare(cfg, &o->err);
}

/* Those that were kept for a next machine. */
static void remove_ports(const struct run_options *o)
{
	const struct peripherals_config *p = &o->cfg.peripherals;
	unsigned int i;

	for (i = 0; i < p->ports; i++) {
		if (files_kept("port", p->port[i].path))
			keeper_unlink(p->port[i].path);
	}
}

int run_vm(struct run_options *o)
{
	int status;

	if (open_debug_port(o) || open_stats(o) || begin_sandbox(o))
		return -1;
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_NAME, o->cfg.name);
	do {
		status = run_once(o, &o->err);
	} while (status == EXIT_RESET && o->restart);
	remove_ports(o);
	blk_nbd_forget(NULL);
	if (o->cfg.debug)
		fclose(o->cfg.debug);
	return status;
}

/* Where there can be none the VM runs all the same, but not under the name of another one. */
static int open_control(struct run_options *o)
{
	struct control *c = control_open(o->cfg.name, &o->err);

	if (!c) {
		if (o->cfg.named && o->err.status == EX_TEMPFAIL)
			return -1;
		fprintf(stderr, "vmctl: %s: no control socket: %s\n", o->cfg.name, o->err.text);
		return 0;
	}
	o->cfg.control = c;
	o->cfg.name = control_name(c);
	return 0;
}

int cmd_run(int argc, char **argv)
{
	struct run_options o;
	int status;

	run_defaults(&o);
	if (run_parse(argc, argv, &o) || open_control(&o))
		return report(&o.err);
	terminal_guard();
	status = run_vm(&o);
	if (status < 0)
		status = report(&o.err);
	if (o.cfg.control)
		control_close(o.cfg.control, status);
	return status;
}
