// SPDX-License-Identifier: GPL-2.0
/*
 * Load and unload, choice of the backend, and the lifetimes of the processors: virtualization is
 * on only while a VM exists, on every online CPU, through hotplug, suspend, reboot and crash.
 */
#define pr_fmt(fmt) "vmm: " fmt

#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/irq_work.h>
#include <linux/module.h>
#include <linux/reboot.h>
#include <linux/syscore_ops.h>
#include <asm/mce.h>

#include "backend.h"
#include "cpu/cpu.h"
#include "main.h"

static bool kvm_node;
module_param(kvm_node, bool, 0444);
MODULE_PARM_DESC(kvm_node, "also serve /dev/kvm, when no other driver does");

struct backend_options backend_options = { .tsc_scale = true, .pause_filter = true };
module_param_named(tsc_scale, backend_options.tsc_scale, bool, 0444);
MODULE_PARM_DESC(tsc_scale, "scale the guest's time stamp counter, where present");
module_param_named(pause_filter, backend_options.pause_filter, bool, 0444);
MODULE_PARM_DESC(pause_filter, "let short PAUSE loops of a guest pass, where present");

const struct backend *backend;
struct backend_caps backend_caps;
EXPORT_FOR_TEST(backend_caps);
DEFINE_PER_CPU(bool, cpu_virt_on);

static const struct backend *const backends[] = { &svm_backend, &vmx_backend };

#define X(ret, name, params, args) DEFINE_STATIC_CALL_NULL(backend_##name, backend_absent_##name);
BACKEND_OPS(X)
#undef X
EXPORT_FOR_TEST(STATIC_CALL_KEY(backend_post_irqs));
EXPORT_FOR_TEST(STATIC_CALL_TRAMP(backend_post_irqs));

static void backend_install(const struct backend *chosen)
{
#define X(ret, name, params, args) static_call_update(backend_##name, chosen->name);
	BACKEND_OPS(X)
#undef X
	backend = chosen;
}

/*
 * cpus_lock is inner to cpu_hotplug_lock (the hotplug callbacks take it), so cpus_read_lock() comes
 * first everywhere.
 */
static DEFINE_MUTEX(cpus_lock);
static unsigned int cpus_users;		/* VMs alive, under cpus_lock */
static bool cpus_down;			/* the machine reboots: never on again */

static int cpu_on(void)
{
	unsigned long flags;
	int err = 0;

	local_irq_save(flags);
	if (!__this_cpu_read(cpu_virt_on) && !READ_ONCE(cpus_down)) {
		err = backend_cpu_enable();
		if (!err)
			__this_cpu_write(cpu_virt_on, true);
	}
	local_irq_restore(flags);
	return err;
}

static void cpu_off(void *unused)
{
	unsigned long flags;

	local_irq_save(flags);
	if (__this_cpu_read(cpu_virt_on)) {
		__this_cpu_write(cpu_virt_on, false);
		backend_cpu_disable();
	}
	local_irq_restore(flags);
}

static void cpu_on_ipi(void *arg)
{
	int err = cpu_on();

	if (err)
		cmpxchg((int *)arg, 0, err);
}

/* The remedy belongs beside the refusal: whoever reads the log can act on it. */
static void log_refusal(int err)
{
	if (err == -EBUSY)
		pr_err("another hypervisor holds the processor: unload it (for Linux's own: rmmod kvm_amd kvm_intel) or stop its VMs, then try again; 'vmctl doctor' tells more\n");
	else
		pr_err("virtualization could not be switched on (%d)\n", err);
}

int cpus_get(void)
{
	int err = 0;

	cpus_read_lock();
	mutex_lock(&cpus_lock);
	if (cpus_users) {
		cpus_users++;
		goto out;
	}
	on_each_cpu(cpu_on_ipi, &err, 1);
	if (err) {
		on_each_cpu(cpu_off, NULL, 1);
		log_refusal(err);
		goto out;
	}
	cpus_users = 1;
out:
	mutex_unlock(&cpus_lock);
	cpus_read_unlock();
	return err;
}

void cpus_put(void)
{
	cpus_read_lock();
	mutex_lock(&cpus_lock);
	if (!--cpus_users)
		on_each_cpu(cpu_off, NULL, 1);
	mutex_unlock(&cpus_lock);
	cpus_read_unlock();
}

/* Hotplug: runs on the CPU itself, in its hotplug thread. An error keeps the CPU offline. */
static int cpu_online_cb(unsigned int cpu)
{
	int err = 0;

	mutex_lock(&cpus_lock);
	if (cpus_users)
		err = cpu_on();
	mutex_unlock(&cpus_lock);
	if (err)
		log_refusal(err);
	return err;
}

/*
 * A vCPU thread may still be scheduled on the dying CPU after this; it finds cpu_virt_on false
 * and yields until the scheduler has moved it (vcpu.c).
 */
static int cpu_offline_cb(unsigned int cpu)
{
	cpu_off(NULL);
	return 0;
}

/* Suspend: the other CPUs went through hotplug; this one is alone, interrupts off. */
static int cpus_suspend(void)
{
	cpu_off(NULL);
	return 0;
}

static void cpus_resume(void)
{
	int err;

	if (!cpus_users)
		return;
	err = cpu_on();
	if (err)
		log_refusal(err);
}

static struct syscore_ops cpus_syscore = {
	.suspend = cpus_suspend,
	.resume = cpus_resume,
};

/* Firmware expects processors without virtualization: off for good on every CPU. */
static int cpus_reboot(struct notifier_block *nb, unsigned long event, void *arg)
{
	WRITE_ONCE(cpus_down, true);
	on_each_cpu(cpu_off, NULL, 1);
	return NOTIFY_OK;
}

static struct notifier_block cpus_reboot_nb = {
	.notifier_call = cpus_reboot,
};

/*
 * A machine check that hit while a guest ran. It is queued as irq_work, which runs on this
 * processor as soon as interrupts are on: at the exit itself RCU may not be watching. The kernel's
 * handler sees it as one of user space, so that memory the guest consumed kills the VM's process
 * and not the machine.
 */
static void machine_check_again(struct irq_work *work)
{
	struct pt_regs regs = {
		.cs = __USER_CS,
		.flags = X86_EFLAGS_IF,
	};

	if (IS_ENABLED(CONFIG_X86_MCE))
		do_machine_check(&regs);
}

static DEFINE_PER_CPU(struct irq_work, machine_check_work) = IRQ_WORK_INIT(machine_check_again);

void host_machine_check(void)
{
	irq_work_queue(this_cpu_ptr(&machine_check_work));
}

static void machine_check_sync(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		irq_work_sync(per_cpu_ptr(&machine_check_work, cpu));
}

void cpus_emergency(void)
{
	if (__this_cpu_read(cpu_virt_on)) {
		__this_cpu_write(cpu_virt_on, false);
		backend_cpu_disable();
	}
}

int backend_refuse(const char *technology, const char *why)
{
	pr_err("%s cannot be used: %s\n", technology, why);
	return -EOPNOTSUPP;
}

static int backend_choose(void)
{
	int err = -ENODEV;
	int i;

	for (i = 0; i < ARRAY_SIZE(backends); i++) {
		err = backends[i]->probe();
		if (!err) {
			backend_install(backends[i]);
			return 0;
		}
		if (err != -ENODEV)
			return err;
	}
	pr_err("this processor offers no hardware virtualization (AMD SVM, Intel VMX) to this kernel\n");
	return err;
}

static enum cpuhp_state cpus_hp_state;

static int cpus_register(void)
{
	int state = cpuhp_setup_state_nocalls(CPUHP_AP_ONLINE_DYN, "vmm:online", cpu_online_cb,
					      cpu_offline_cb);
	int err;

	if (state < 0)
		return state;
	cpus_hp_state = state;
	err = crash_register();
	if (err) {
		cpuhp_remove_state_nocalls(state);
		return err;
	}
	register_syscore_ops(&cpus_syscore);
	register_reboot_notifier(&cpus_reboot_nb);
	return 0;
}

static void cpus_unregister(void)
{
	unregister_reboot_notifier(&cpus_reboot_nb);
	unregister_syscore_ops(&cpus_syscore);
	crash_unregister();
	cpuhp_remove_state_nocalls(cpus_hp_state);
}

static int __init vmm_init(void)
{
	int err = backend_choose();

	if (err)
		return err;
	cpuid_setup();
	err = irqfd_module_init();
	if (err)
		goto err_backend;
	err = apf_module_init();
	if (err)
		goto err_irqfd;
	err = vcpu_module_init();
	if (err)
		goto err_apf;
	err = cpus_register();
	if (err)
		goto err_vcpu;
	err = netlink_module_init();
	if (err)
		goto err_cpus;
	err = device_nodes_add(kvm_node);
	if (err)
		goto err_netlink;
	pr_info("%s backend, KVM API version %d\n", backend->name, KVM_API_VERSION);
	return 0;

err_netlink:
	netlink_module_exit();
err_cpus:
	cpus_unregister();
err_vcpu:
	vcpu_module_exit();
err_apf:
	apf_module_exit();
err_irqfd:
	irqfd_module_exit();
err_backend:
	backend->unprobe();
	return err;
}

static void __exit vmm_exit(void)
{
	device_nodes_remove();
	apf_module_exit();
	netlink_module_exit();
	cpus_unregister();
	vcpu_module_exit();
	irqfd_module_exit();
	machine_check_sync();
	backend->unprobe();
}

module_init(vmm_init);
module_exit(vmm_exit);
MODULE_DESCRIPTION("A hypervisor that you load");
MODULE_AUTHOR("The vmm developers");
MODULE_LICENSE("GPL");
