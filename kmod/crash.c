// SPDX-License-Identifier: GPL-2.0
/*
 * Virtualization off in a crash: the next kernel may find the processors as firmware leaves them
 * only. The kernel calls one function, on every processor, from its NMI or with interrupts off.
 *
 * There is room for one, a second one is a warning, and in-tree KVM takes the place when it is
 * loaded. So it is left to KVM, whose function ends VMX whoever began it, while KVM is there, and
 * ours from its leave to its coming. AMD's processors are the kernel's own care in either case.
 *
 * Kernels without the hook end VMX and SVM by themselves.
 */
#include <linux/kobject.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/string.h>

#include "compat.h"
#include "main.h"

static const char *const rivals[] = { "kvm_intel", "kvm_amd" };
static DEFINE_MUTEX(crash_lock);	/* what follows */
static bool hook_taken;
static u8 came;				/* rivals that have come since our load and not gone */

/*
 * Other than the one that goes, if one does. A module has a folder in /sys/module from before its
 * init to after its exit.
 */
static bool rival_there(int going)
{
	struct kobject *folder;
	bool found = came;
	int i;

	for (i = 0; i < ARRAY_SIZE(rivals) && !found; i++) {
		if (i == going)
			continue;
		folder = kset_find_obj(THIS_MODULE->mkobj.kobj.kset, rivals[i]);
		found = folder;
		kobject_put(folder);
	}
	return found;
}

/* crash_lock is held. */
static void hook_take(void)
{
	if (!hook_taken)
		compat_emergency_register(cpus_emergency);
	hook_taken = true;
}

static void hook_leave(void)
{
	if (hook_taken)
		compat_emergency_unregister(cpus_emergency);
	hook_taken = false;
}

/* Of a module that comes there is no folder yet. */
static int module_event(struct notifier_block *nb, unsigned long event, void *data)
{
	const struct module *mod = data;
	int rival = match_string(rivals, ARRAY_SIZE(rivals), mod->name);

	if (rival < 0)
		return NOTIFY_DONE;
	mutex_lock(&crash_lock);
	if (event == MODULE_STATE_COMING) {
		came |= BIT(rival);
		hook_leave();
	} else if (event == MODULE_STATE_GOING) {
		/* Perhaps because this is the other vendor's processor. */
		came &= ~BIT(rival);
		if (!rival_there(rival))
			hook_take();
	}
	mutex_unlock(&crash_lock);
	return NOTIFY_OK;
}

static struct notifier_block module_nb = {
	.notifier_call = module_event,
};

/**
 * crash_register() - have virtualization switched off in a crash
 *
 * Context: load; may sleep
 * Return: 0, errno
 */
int crash_register(void)
{
	int err = register_module_notifier(&module_nb);

	if (err)
		return err;
	mutex_lock(&crash_lock);
	if (!rival_there(-1))
		hook_take();
	mutex_unlock(&crash_lock);
	return 0;
}

/**
 * crash_unregister() - undo crash_register()
 */
void crash_unregister(void)
{
	unregister_module_notifier(&module_nb);
	mutex_lock(&crash_lock);
	hook_leave();
	mutex_unlock(&crash_lock);
}
