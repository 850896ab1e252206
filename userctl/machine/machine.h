/* SPDX-License-Identifier: GPL-2.0 */
/* One virtual machine and everything that makes it a PC, from power-on to its end. */
#ifndef VMCTL_MACHINE_H
#define VMCTL_MACHINE_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "../boot/boot.h"
#include "../boot/firmware.h"
#include "../devices/acpi_pm.h"
#include "../devices/bus.h"
#include "../devices/cpu_hotplug.h"
#include "../devices/fwcfg.h"
#include "../devices/i8042.h"
#include "../devices/rtc.h"
#include "../devices/serial.h"
#include "../error.h"
#include "../libvmm/vmm.h"
#include "../control/control.h"
#include "console.h"
#include "given.h"
#include "loop.h"
#include "peripherals.h"

/* Interrupts a thread in a system call; its handler does nothing. */
#define SIG_KICK SIGRTMIN

#define CPUS_MAX   64
#define RANGES_MAX 16

#define COM1_PORT 0x3f8

/* Numbers of memory slots: low, high, firmware, and from here on pieces that come and go. */
#define SLOT_PIECES 3

enum stop_cause {
	STOP_NONE,
	STOP_POWER_OFF, /* the guest entered S5 */
	STOP_RESET,     /* the guest, or the console, asked for a reset */
	STOP_TRIPLE_FAULT,
	STOP_PANIC,    /* the guest's kernel said so */
	STOP_INTERNAL, /* KVM_EXIT_INTERNAL_ERROR, FAIL_ENTRY or an unknown exit */
	STOP_QUIT,     /* from the console */
	STOP_SIGNAL,
	STOP_HOST, /* a system call failed */
};

/**
 * struct machine_config - what the user asked for
 * @device: device node of the hypervisor
 * @folder: where names of files begin that do not begin with /, or NULL
 * @name: name of the VM
 * @memory: bytes
 * @max_memory: what it can have later, 0: no more
 * @more_memory: bytes beyond @memory that it shall have
 * @cpus: vCPUs
 * @pv: no device at all, but hypercalls
 * @grace: seconds between a signal and the end, for the guest to power off
 * @named: the user gave that name: no other VM of the user may have it
 * @restarts: a reset starts it anew
 * @control: socket at which it can be controlled, or NULL
 * @cpu_limit: percent of a processor that it may use, 0: no limit
 * @boot: kernel, command line and modules
 * @firmware: image to start instead of a kernel, or NULL
 * @debug: gets what firmware writes to its debug port, or NULL
 * @peripherals: devices on the PCI bus
 */
struct machine_config {
	const char *device;
	const char *folder;
	const char *name;
	uint64_t memory, max_memory, more_memory;
	unsigned int cpus, max_cpus;
	bool pv, no_pv;
	unsigned int grace;
	bool named, restarts;
	struct control *control;
	unsigned int cpu_limit;
	struct boot boot;
	const char *firmware;
	FILE *debug;
	struct peripherals_config peripherals;
};

/* Work for a vCPU's own thread: its ioctls would wait elsewhere until KVM_RUN returns. */
#define VCPU_NMI         (1u << 0) /* send it an NMI */
#define VCPU_WAS_STOPPED (1u << 1) /* tell its watchdogs that time has passed without it */

/**
 * struct vcpu - one virtual processor and its thread
 * @m: its machine
 * @id: number, which is its APIC id too
 * @kvm: the kernel's side
 * @thread: runs the processor
 * @started: @thread exists
 * @parked: it is absent: its thread does not run it
 * @lock: of @wake
 * @wake: @parked has changed, or the machine ends
 * @requests: VCPU_* that its thread has to do
 * @exits: exits that came to user space
 */
struct vcpu {
	struct machine *m;
	unsigned int id;
	struct vmm_vcpu kvm;
	pthread_t thread;
	bool started;
	atomic_bool parked;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	atomic_uint requests;
	uint64_t exits;
};

/**
 * struct machine - the machine
 * @cfg: what the user asked for
 * @vm: the kernel's side
 * @id: by which the hypervisor knows it; 0: it has no ids
 * @mem: guest memory
 * @boot: how the first vCPU starts; with firmware only its map is used
 * @firmware: image, if any
 * @cpuid: CPUID leaves that all vCPUs share
 * @pio: I/O ports
 * @mmio: devices in guest-physical memory
 * @ranges: claims on the two
 * @range_count: how many
 * @devices: those below exist
 * @serial: COM1
 * @rtc: clock
 * @kbd: keyboard controller
 * @pm: ACPI
 * @cpus: processors that come and go
 * @fwcfg: firmware configuration
 * @has_fwcfg: there is one
 * @peripherals: the PCI bus and what is on it
 * @loop: event loop of the main thread
 * @console: the terminal
 * @stop_event: eventfd, written when @cause is set
 * @signals: signalfd
 * @grace_timer: timerfd, running from the first signal on
 * @rtc_timer: timerfd of the clock's interrupts
 * @signo: signal received
 * @cause: why the machine stopped; set once, by whoever is first
 * @culprit: vCPU that set @cause, or -1
 * @host: for STOP_HOST, what failed; written before @cause
 * @cause_lock: orders those who set @cause
 * @given: for machines of type pv
 * @vcpus: processors
 * @vcpu_count: how many exist
 */
struct machine {
	struct machine_config *cfg;
	struct vmm_vm vm;
	uint64_t id;
	struct guest_mem mem;
	struct boot boot;
	struct firmware firmware;
	struct kvm_cpuid2 *cpuid;

	struct bus pio, mmio;
	struct bus_range ranges[RANGES_MAX];
	unsigned int range_count;
	bool devices;
	struct serial serial;
	struct rtc rtc;
	struct i8042 kbd;
	struct acpi_pm pm;
	struct cpu_hotplug cpus;
	struct fwcfg fwcfg;
	bool has_fwcfg;
	struct peripherals peripherals;

	struct loop loop;
	struct console console;
	struct loop_source stop_event, signals, grace_timer, rtc_timer;
	int signo;

	atomic_int cause;
	int culprit;
	struct error host;
	pthread_mutex_t cause_lock;
	struct given given;

	struct vcpu *vcpus;
	unsigned int vcpu_count;
};

/**
 * machine_create() - build a machine, ready to run
 * @m: filled in; to be destroyed on failure too
 * @cfg: what the user asked for; must outlive @m, which changes its peripherals if the user does
 * @err: why not
 *
 * Files are checked before the hypervisor is, so that a wrong file is told apart everywhere.
 *
 * Return: 0 or -1.
 */
int machine_create(struct machine *m, struct machine_config *cfg, struct error *err);
void machine_destroy(struct machine *m);

/**
 * machine_run() - run until the guest or the user ends it
 * @m: the machine
 * @err: why not
 *
 * When it returns, no vCPU runs any more, and the terminal is as it was.
 *
 * Return: 0 with @m->cause set, or -1.
 */
int machine_run(struct machine *m, struct error *err);

/**
 * machine_stop() - end the machine
 * @m: the machine
 * @cause: why
 * @vcpu: number of the vCPU that found out, or -1
 *
 * From any thread. The first cause counts; STOP_QUIT and STOP_SIGNAL replace STOP_RESET.
 */
void machine_stop(struct machine *m, enum stop_cause cause, int vcpu);

/**
 * machine_reset() - reset the machine, as its user wants
 * @m: the machine
 *
 * It shall come up again: a signal whose grace has not passed is forgotten. From the loop's thread.
 */
void machine_reset(struct machine *m);

/* As machine_stop() with STOP_HOST, for a vCPU whose system call failed. */
void machine_stop_host(struct machine *m, int vcpu, int errnum, const char *what);

/* Counters of the hypervisor and of devices, a line "NAME VALUE" each: 0 or -errno. */
int machine_stats(struct machine *m, FILE *out);

/* Tell the user something while the guest goes on. */
void machine_say(struct machine *m, const char *line);

/* Devices of a PC, devices.c. */
int machine_add_devices(struct machine *m, struct error *err);
void machine_remove_devices(struct machine *m);
int machine_add_ports(struct machine *m, uint64_t base, uint64_t len, const struct bus_ops *ops,
		      void *dev, struct error *err);

/* firmware.c: the image, and what it is told of the machine. */
int machine_load_firmware(struct machine *m, struct error *err);
int machine_add_firmware(struct machine *m, struct error *err);
void machine_remove_firmware(struct machine *m);

/* vcpu.c: state at power-on, and the thread. */
int vcpu_setup(struct vcpu *vcpu, struct error *err);
int vcpu_start(struct vcpu *vcpu, struct error *err);
void vcpu_kick(struct vcpu *vcpu);

/* Before vcpu_setup(), and at last; those beyond the machine's cpus are parked. */
void vcpu_init(struct vcpu *vcpu, struct machine *m, unsigned int id);
void vcpu_destroy(struct vcpu *vcpu);

/*
 * A vCPU that is absent is parked: whatever the guest sends it, it does not run. unpark waits for
 * one that has not left the guest yet, and has it wait for INIT and SIPI; 0 or -errno.
 */
void vcpu_park(struct vcpu *vcpu);
int vcpu_unpark(struct vcpu *vcpu);
void vcpu_request(struct vcpu *vcpu, unsigned int request);

/* cpuid.c: make the host's answer that of processor @id of @cpus. */
void cpuid_adjust(struct kvm_cpuid2 *cpuid, unsigned int id, unsigned int cpus, bool tsc_deadline);
/* Take away what says which hypervisor this is, and what it offers. */
void cpuid_hide_pv(struct kvm_cpuid2 *cpuid);

/* hypercalls.c: for cfg->pv. hypercall_serve(): -1: that is none of them. */
int hypercalls_enable(struct machine *m, struct error *err);
void hypercalls_cpuid(struct kvm_cpuid2 *cpuid);
int hypercall_serve(struct vcpu *vcpu);

/* dump.c: what there is to say about a crash. */
void dump_vcpu(FILE *out, const struct machine *m, const struct vcpu *vcpu);

#endif
