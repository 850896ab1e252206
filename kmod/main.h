/* SPDX-License-Identifier: GPL-2.0 */
/* Load and unload; virtualization on and off on every processor. */
#ifndef VMM_MAIN_H
#define VMM_MAIN_H

#include <linux/percpu.h>

/*
 * Switch virtualization on, on every online processor, when the first VM comes; off when the
 * last one goes. May sleep. 0; -EBUSY: another hypervisor holds a processor.
 */
int cpus_get(void);
void cpus_put(void);

/* Virtualization is on, on this processor. Meaningful with interrupts off. */
DECLARE_PER_CPU(bool, cpu_virt_on);

/* A machine check came while a guest ran: raise it again, for the host. Any context, this CPU. */
void host_machine_check(void);

/* Off on this processor, from the kernel's crash path: an NMI, or interrupts off for good. */
void cpus_emergency(void);

/* crash.c: have the kernel call that. */
int crash_register(void);
void crash_unregister(void);

int device_nodes_add(bool kvm_node);
void device_nodes_remove(void);

#endif /* VMM_MAIN_H */
