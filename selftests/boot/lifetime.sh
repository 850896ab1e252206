#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Runs in a host with two CPUs and in-tree kvm_amd loaded: virtualization switched on and off beside
# another hypervisor, through CPU hotplug and suspend. TAP.

n=0 holder=

# tap TEXT: the result of the command before.
tap() {
	if [ $? = 0 ]; then word=ok; else word='not ok'; fi
	n=$((n + 1))
	echo "$word $n - lifetime.$1"
}

# runs DEVICE: a guest of this device runs, and some more VMs come and go.
runs() {
	VMM_DEV=$1 /storm 8 7 >/tmp/storm
	grep -q '^ok 1' /tmp/storm && return
	sed 's/^/# /' /tmp/storm
	return 1
}

# hold DEVICE: keep a VM running in the background.
hold() {
	VMM_DEV=$1 /storm hold >/tmp/hold 2>&1 &
	holder=$!
	works
}

ticks() {
	cut -d' ' -f14-15 "/proc/$holder/stat" 2>/dev/null | tr ' ' '+'
}

# The held VM gets processor time: it runs.
works() {
	before=$(($(ticks)))
	i=0
	while [ $i -lt 100 ]; do
		[ -d "/proc/$holder" ] || return 1
		[ $(($(ticks))) -le $((before + 5)) ] || return 0
		sleep 0.1
		i=$((i + 1))
	done
	return 1
}

release() {
	kill -9 "$holder"
	wait "$holder" 2>/dev/null
	i=0
	while [ "$(cat /sys/module/vmm/refcnt 2>/dev/null || echo 0)" != 0 ]; do
		i=$((i + 1))
		[ $i -lt 100 ] || return 1
		sleep 0.1
	done
}

cpu1() {
	echo "$1" >/sys/devices/system/cpu/cpu1/online
}

# Off and on again five times, the VM running all the while.
hotplug() {
	for _ in 1 2 3 4 5; do
		cpu1 0 && works && cpu1 1 && works || return 1
	done
}

# All of suspend but the firmware's part: other CPUs off, this one's state saved and brought back.
suspend_host() {
	echo 1 >/sys/module/suspend/parameters/pm_test_delay &&
		echo core >/sys/power/pm_test && echo mem >/sys/power/state
}

echo 1..13
insmod /vmm.ko
tap 'loads beside in-tree KVM'

hold /dev/kvm
tap 'in-tree KVM runs a VM'
! VMM_DEV=/dev/vmm timeout 20 /storm hold >/tmp/hold2 2>&1 && dmesg | grep -q 'vmm: another hypervisor holds'
tap 'refused while in-tree KVM holds the processors, with a remedy'
works
tap 'in-tree KVM does not notice'
release
runs /dev/vmm
tap 'works when in-tree KVM has let go'
runs /dev/kvm
tap 'switched off after the last VM: in-tree KVM works'

rmmod vmm
! insmod /vmm.ko kvm_node=1 2>/dev/null && [ ! -e /dev/vmm ]
tap 'kvm_node=1 is refused while in-tree KVM has the node'
rmmod kvm_amd && rmmod kvm && insmod /vmm.ko kvm_node=1 && runs /dev/kvm && runs /dev/vmm
tap 'kvm_node=1 serves both nodes'

cpu1 0 && runs /dev/vmm && cpu1 1 && runs /dev/vmm
tap 'a CPU that comes between VMs'
hold /dev/vmm && hotplug
tap 'a CPU that goes and comes under a VM'
suspend_host && works
tap 'suspend and resume under a VM'
release
tap 'nothing is left'
runs /dev/vmm && rmmod vmm
tap 'unloads'
