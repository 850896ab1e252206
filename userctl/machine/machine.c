// SPDX-License-Identifier: GPL-2.0
#include "machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "../boot/acpi_tables.h"
#include "../sandbox/keeper.h"
#include "../sandbox/sandbox.h"

#define NAME_TRIES   20
#define NAME_WAIT_US 50000

/* The first cause stands; but a reset may mean a restart, which is not what ends a machine. */
static bool cause_counts(enum stop_cause before, enum stop_cause cause)
{
	return !before || (before == STOP_RESET && (cause == STOP_QUIT || cause == STOP_SIGNAL));
}

static void cause_set(struct machine *m, enum stop_cause cause, int vcpu, const struct error *host)
{
	uint64_t one = 1;

	pthread_mutex_lock(&m->cause_lock);
	if (cause_counts(atomic_load(&m->cause), cause)) {
		m->culprit = vcpu;
		if (host)
			m->host = *host;
		atomic_store(&m->cause, cause);
	}
	pthread_mutex_unlock(&m->cause_lock);
	(void)!write(m->stop_event.fd, &one, sizeof(one));
}

void machine_stop(struct machine *m, enum stop_cause cause, int vcpu)
{
	cause_set(m, cause, vcpu, NULL);
}

void machine_reset(struct machine *m)
{
	/* Too late where that is the end already. */
	if (atomic_load(&m->cause) != STOP_SIGNAL)
		m->signo = 0;
	machine_stop(m, STOP_RESET, -1);
}

void machine_stop_host(struct machine *m, int vcpu, int errnum, const char *what)
{
	struct error err;

	if (vcpu < 0)
		fault_errno(&err, EX_OSERR, errnum, "%s", what);
	else
		fault_errno(&err, EX_OSERR, errnum, "vCPU %d: %s", vcpu, what);
	cause_set(m, STOP_HOST, vcpu, &err);
}

void machine_say(struct machine *m, const char *line)
{
	/* A terminal in raw mode goes down by a line, but not back to its beginning. */
	fprintf(stderr, "vmctl: %s: %s%s\n", m->cfg->name, line, m->console.tty ? "\r" : "");
}

/* Firmware has the memory below 1 MiB to itself. */
static int build_acpi(struct machine *m, struct error *err)
{
	struct acpi_config cfg = { m->cfg->cpus, m->cfg->max_cpus, peripherals_wanted(m->cfg),
				   MEM_ACPI, MEM_1M };

	if (m->cfg->firmware) {
		cfg.start = m->mem.low - FIRMWARE_ACPI;
		cfg.end = m->mem.low;
	}
	m->boot.rsdp = cfg.start;
	return acpi_tables_build(&m->mem, &cfg, err);
}

static int setup_memory(struct machine *m, struct error *err)
{
	char size[24];
	int ret = guest_mem_alloc(&m->mem, m->cfg->memory);

	if (ret)
		return fault_errno(err, EX_OSERR, ret, "cannot reserve %s of memory",
				   size_print(m->cfg->memory, size, sizeof(size)));
	if (m->cfg->max_memory) {
		ret = guest_mem_add_region(&m->mem, m->cfg->max_memory - m->cfg->memory);
		if (ret)
			return fault_errno(err, EX_OSERR, ret, "cannot reserve memory to come");
	}
	m->boot = m->cfg->boot;
	m->boot.mem = &m->mem;
	if (!m->cfg->pv && build_acpi(m, err))
		return -1;
	return m->cfg->firmware ? machine_load_firmware(m, err) : boot_load(&m->boot, err);
}

/* The highest address must fit the guest's physical addresses, CPUID 0x80000008 EAX[7:0]. */
static int check_memory(struct machine *m, struct error *err)
{
	const struct kvm_cpuid_entry2 *e;
	unsigned int bits = 36;
	uint64_t top = m->mem.high ? MEM_HIGH_BASE + m->mem.high : m->mem.low;
	uint64_t max;
	char size[24];

	for (e = m->cpuid->entries; e < m->cpuid->entries + m->cpuid->nent; e++) {
		if (e->function == 0x80000008)
			bits = e->eax & 0xff;
	}
	if (m->mem.plug_size)
		top = m->mem.plug_start + m->mem.plug_size;
	if (bits >= 64 || top <= 1ULL << bits)
		return 0;
	max = (1ULL << bits) - (MEM_HIGH_BASE - MEM_LOW_MAX);
	return fault(err, EX_USAGE, "memory must be at most %s on this processor",
		     size_print(max, size, sizeof(size)));
}

static int check_cpus(struct machine *m, struct error *err)
{
	int max = vmm_cap(m->vm.fd, KVM_CAP_MAX_VCPUS);

	if (!max)
		max = vmm_cap(m->vm.fd, KVM_CAP_NR_VCPUS);
	if (!max || m->cfg->max_cpus <= (unsigned int)max)
		return 0;
	return fault(err, EX_USAGE, "cpus must be 1 to %d: %s does not offer more", max,
		     m->cfg->device);
}

/* The last one of that name may be about to end. */
static int set_name(struct machine *m, struct error *err)
{
	unsigned int i;
	int ret = -1;

	for (i = 0; ret && i < NAME_TRIES; i++) {
		if (i)
			usleep(NAME_WAIT_US);
		ret = vmm_vm_name(&m->vm, m->cfg->name, &m->id, err);
	}
	/* A name that nobody has chosen need not be known. */
	return m->cfg->named ? ret : 0;
}

static int set_limit(struct machine *m, struct error *err)
{
	if (!m->cfg->cpu_limit)
		return 0;
	return keeper_limit(m->id, m->cfg->cpu_limit, err);
}

static int setup_platform(struct machine *m, struct error *err)
{
	if (!m->cfg->pv)
		return vmm_vm_pc(&m->vm, MEM_TSS, MEM_IDENTITY, err) ||
				       vmm_vm_power_button(&m->vm, err)
			       ? -1
			       : 0;
	if (hypercalls_enable(m, err))
		return -1;
	hypercalls_cpuid(m->cpuid);
	return 0;
}

static int create_vm(struct machine *m, struct error *err)
{
	int sys = vmm_open(m->cfg->device, err), ret;

	if (sys < 0)
		return -1;
	sandbox_owner_begin();
	ret = vmm_vm_create(&m->vm, sys, err);
	sandbox_owner_end();
	return ret;
}

static int setup_vm(struct machine *m, struct error *err)
{
	if (create_vm(m, err) || set_name(m, err) || set_limit(m, err))
		return -1;
	/* None yet, if that can be known. */
	vmm_vm_given(&m->vm, given_note(&m->given, 0, 0, true));
	m->cpuid = vmm_supported_cpuid(m->vm.sys, err);
	if (!m->cpuid || check_memory(m, err) || check_cpus(m, err))
		return -1;
	if (m->cfg->no_pv)
		cpuid_hide_pv(m->cpuid);
	if (setup_platform(m, err) || vmm_vm_memory(&m->vm, 0, 0, m->mem.low, m->mem.base, err))
		return -1;
	if (m->mem.high &&
	    vmm_vm_memory(&m->vm, 1, MEM_HIGH_BASE, m->mem.high, m->mem.base + m->mem.low, err))
		return -1;
	if (!m->firmware.size)
		return 0;
	return vmm_vm_rom(&m->vm, 2, MEM_HIGH_BASE - m->firmware.size, m->firmware.size,
			  m->firmware.rom, err);
}

static int setup_vcpus(struct machine *m, struct error *err)
{
	struct vcpu *vcpu;
	unsigned int i;

	m->vcpus = calloc(m->cfg->max_cpus, sizeof(*m->vcpus));
	if (!m->vcpus)
		return fault(err, EX_OSERR, "out of memory");
	for (i = 0; i < m->cfg->max_cpus; i++) {
		vcpu = &m->vcpus[i];
		vcpu_init(vcpu, m, i);
		m->vcpu_count++;
		if (vmm_vcpu_create(&m->vm, &vcpu->kvm, i, err) || vcpu_setup(vcpu, err))
			return -1;
	}
	return 0;
}

static void signal_ready(void *opaque);

static void stop_ready(void *opaque)
{
	struct machine *m = opaque;

	loop_stop(&m->loop);
}

/* Unless a reset has made the signal forgotten in the same turn of the loop. */
static void grace_ready(void *opaque)
{
	struct machine *m = opaque;

	if (m->signo)
		machine_stop(m, STOP_SIGNAL, -1);
}

static void rtc_ready(void *opaque)
{
	struct machine *m = opaque;
	uint64_t expirations;

	(void)!read(m->rtc_timer.fd, &expirations, sizeof(expirations));
	rtc_expired(&m->rtc);
}

static int setup_events(struct machine *m, struct error *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGTSTP);
	sigaddset(&set, SIGCONT);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);

	m->signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	m->stop_event.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	m->grace_timer.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	m->rtc_timer.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (m->signals.fd < 0 || m->stop_event.fd < 0 || m->grace_timer.fd < 0 ||
	    m->rtc_timer.fd < 0 || loop_init(&m->loop) || loop_watch(&m->loop, &m->signals) ||
	    loop_watch(&m->loop, &m->stop_event) || loop_watch(&m->loop, &m->grace_timer) ||
	    loop_watch(&m->loop, &m->rtc_timer))
		return fault_errno(err, EX_OSERR, errno, "cannot set up the event loop");
	return 0;
}

int machine_create(struct machine *m, struct machine_config *cfg, struct error *err)
{
	memset(m, 0, sizeof(*m));
	m->cfg = cfg;
	m->vm.sys = -1;
	m->vm.fd = -1;
	m->culprit = -1;
	m->loop.epoll = -1;
	m->stop_event = (struct loop_source){ -1, stop_ready, m, false };
	m->signals = (struct loop_source){ -1, signal_ready, m, false };
	m->grace_timer = (struct loop_source){ -1, grace_ready, m, false };
	m->rtc_timer = (struct loop_source){ -1, rtc_ready, m, false };
	pthread_mutex_init(&m->cause_lock, NULL);
	given_init(&m->given, cfg->pv ? cfg->memory : 0);

	if (setup_memory(m, err) || machine_add_devices(m, err) || setup_vm(m, err) ||
	    setup_vcpus(m, err))
		return -1;
	return setup_events(m, err);
}

static void close_source(struct loop_source *src)
{
	if (src->fd >= 0)
		close(src->fd);
	src->fd = -1;
}

void machine_destroy(struct machine *m)
{
	unsigned int i;

	for (i = 0; i < m->vcpu_count; i++)
		vcpu_destroy(&m->vcpus[i]);
	free(m->vcpus);
	free(m->cpuid);
	vmm_vm_close(&m->vm);
	if (m->devices)
		machine_remove_devices(m);
	guest_mem_free(&m->mem);
	close_source(&m->stop_event);
	close_source(&m->signals);
	close_source(&m->grace_timer);
	close_source(&m->rtc_timer);
	loop_destroy(&m->loop);
	pthread_mutex_destroy(&m->cause_lock);
	given_destroy(&m->given);
}

/* Stop like any job, with the terminal as the shell wants it; and come back raw. */
static void suspend(void)
{
	terminal_restore();
	kill(getpid(), SIGSTOP);
}

int machine_stats(struct machine *m, FILE *out)
{
	int fds[CPUS_MAX + 1] = { m->vm.fd };
	uint64_t user = 0;
	unsigned int i;
	int ret;

	for (i = 0; i < m->vcpu_count; i++) {
		fds[i + 1] = m->vcpus[i].kvm.fd;
		user += m->vcpus[i].exits;
	}
	fprintf(out, "vmctl_exits %llu\n", (unsigned long long)user);
	peripherals_stats(m, out);
	ret = vmm_stats_sum(fds, m->vcpu_count + 1, out);
	return ret < 0 ? ret : 0;
}

static void request_all(struct machine *m, unsigned int request)
{
	unsigned int i;

	for (i = 0; i < m->vcpu_count; i++)
		vcpu_request(&m->vcpus[i], request);
}

/* The first signal presses the power button and starts the clock, a second one is final. */
static void end_by_signal(struct machine *m, int signo)
{
	struct itimerspec grace = { .it_value.tv_sec = m->cfg->grace };

	if (m->signo || !m->cfg->grace || m->cfg->pv || signo == SIGQUIT) {
		m->signo = signo;
		machine_stop(m, STOP_SIGNAL, -1);
		return;
	}
	m->signo = signo;
	acpi_pm_power_button(&m->pm);
	timerfd_settime(m->grace_timer.fd, 0, &grace, NULL);
}

static void signal_ready(void *opaque)
{
	struct machine *m = opaque;
	struct signalfd_siginfo info;

	if (read(m->signals.fd, &info, sizeof(info)) != sizeof(info))
		return;
	switch (info.ssi_signo) {
	case SIGTSTP:
		suspend();
		break;
	case SIGCONT:
		if (m->console.tty)
			terminal_raw();
		request_all(m, VCPU_WAS_STOPPED);
		break;
	case SIGUSR1:
		peripherals_resize(m);
		break;
	default:
		end_by_signal(m, (int)info.ssi_signo);
		break;
	}
}

static size_t console_input(void *opaque, const uint8_t *data, size_t len)
{
	struct machine *m = opaque;

	if (m->peripherals.console)
		return virtio_console_receive(m->peripherals.console, data, len);
	return serial_receive(&m->serial, data, len);
}

static void console_action(void *opaque, enum escape_action action)
{
	struct machine *m = opaque;

	switch (action) {
	case ESCAPE_QUIT:
		machine_stop(m, STOP_QUIT, -1);
		break;
	case ESCAPE_POWER:
		acpi_pm_power_button(&m->pm);
		break;
	case ESCAPE_RESET:
		machine_reset(m);
		break;
	case ESCAPE_BREAK:
		serial_break(&m->serial);
		break;
	case ESCAPE_NMI:
		request_all(m, VCPU_NMI);
		break;
	default:
		break;
	}
}

static int start(struct machine *m, struct error *err)
{
	unsigned int i;
	int ret;

	if (peripherals_start(m, err))
		return -1;
	for (i = 0; i < m->vcpu_count; i++) {
		if (vcpu_start(&m->vcpus[i], err))
			return -1;
	}
	ret = loop_run(&m->loop);
	if (ret)
		return fault_errno(err, EX_OSERR, ret, "event loop");
	return 0;
}

static void stop_vcpus(struct machine *m)
{
	unsigned int i;

	for (i = 0; i < m->vcpu_count; i++) {
		if (m->vcpus[i].started)
			vcpu_kick(&m->vcpus[i]);
	}
	for (i = 0; i < m->vcpu_count; i++) {
		if (m->vcpus[i].started)
			pthread_join(m->vcpus[i].thread, NULL);
		m->vcpus[i].started = false;
	}
}

static void kicked(int signo)
{
	(void)signo;
}

int machine_run(struct machine *m, struct error *err)
{
	struct console_ops ops = { console_input, console_action, m };
	struct sigaction kick = { .sa_handler = kicked };
	int ret;

	if (m->cfg->control && control_attach(m->cfg->control, m, err))
		return -1;
	/* No SA_RESTART: the point is that system calls return. */
	sigaction(SIG_KICK, &kick, NULL);
	ret = console_start(&m->console, &m->loop, &ops);
	if (ret)
		ret = fault_errno(err, EX_OSERR, ret, "console");
	else
		ret = start(m, err);
	/* On failure no cause is set yet, and threads that run already look for one. */
	machine_stop(m, STOP_HOST, -1);
	console_close(&m->console);
	peripherals_stop_soon(m);
	stop_vcpus(m);
	peripherals_stop(m);
	console_stop(&m->console);
	if (m->cfg->control)
		control_detach(m->cfg->control);
	return ret;
}
