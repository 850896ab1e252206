#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Runs in a host with two CPUs and in-tree KVM loaded: virtualization switched on and off beside
# another hypervisor, through CPU hotplug and suspend. TAP.

. /lib.sh

cpu1() {
	echo "$1" >/sys/devices/system/cpu/cpu1/online
}

# Off and on again five times, the VM running all the while.
hotplug() {
	for _ in 1 2 3 4 5; do
		cpu1 0 && held && cpu1 1 && held || return 1
	done
}

# All of suspend but the firmware's part: other CPUs off, this one's state saved and brought back.
suspend_host() {
	echo 1 >/sys/module/suspend/parameters/pm_test_delay &&
		echo core >/sys/power/pm_test && echo mem >/sys/power/state
}

rival=$(sed -n 's/^\(kvm_[a-z]*\) .*/\1/p' /proc/modules)
echo 1..16
insmod /vmm.ko
tap 'lifetime.loads beside in-tree KVM'
# It goes as it has come: what the processor's own KVM has taken is that one's still.
! insmod /other-vendor.ko 2>/dev/null && ! dmesg | grep -q WARNING
tap 'lifetime.in-tree KVM for the other vendor does not load'

hold /dev/kvm
tap 'lifetime.in-tree KVM runs a VM'
! VMM_DEV=/dev/vmm timeout 60 /storm hold >/tmp/hold2 2>&1 && dmesg | grep -q 'vmm: another hypervisor holds'
tap 'lifetime.refused while in-tree KVM holds the processors, with a remedy'
held
tap 'lifetime.in-tree KVM does not notice'
release
runs /dev/vmm
tap 'lifetime.works when in-tree KVM has let go'
runs /dev/kvm
tap 'lifetime.switched off after the last VM: in-tree KVM works'

gone vmm
! insmod /vmm.ko kvm_node=1 2>/dev/null && [ ! -e /dev/vmm ]
tap 'lifetime.kvm_node=1 is refused while in-tree KVM has the node'
# There is one place for what the kernel calls in a crash, and in-tree KVM wants it.
gone "$rival" && gone kvm && insmod /vmm.ko && hold /dev/vmm && insmod /modules/kvm.ko &&
	insmod "/modules/$(echo "$rival" | tr _ -).ko" && held
tap 'lifetime.in-tree KVM comes beside a VM'
gone "$rival" && gone kvm && held && release && rmmod vmm
tap 'lifetime.in-tree KVM goes'
insmod /vmm.ko kvm_node=1 && runs /dev/kvm && runs /dev/vmm
tap 'lifetime.kvm_node=1 serves both nodes'

cpu1 0 && runs /dev/vmm && cpu1 1 && runs /dev/vmm
tap 'lifetime.a CPU that comes between VMs'
hold /dev/vmm && hotplug
tap 'lifetime.a CPU that goes and comes under a VM'
if [ -e /sys/power/pm_test ]; then
	suspend_host && held
	tap 'lifetime.suspend and resume under a VM'
else
	:
	tap 'lifetime.suspend and resume under a VM # SKIP this kernel has no PM_DEBUG'
fi
release
tap 'lifetime.nothing is left'
runs /dev/vmm && released && rmmod vmm
tap 'lifetime.unloads'
