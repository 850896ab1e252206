#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Runs in a host, with vmm.ko loaded: kill VMs, then load and unload 50 times. TAP.

vms=${1:-200} rounds=${2:-50}
. /lib.sh

reload() {
	i=0
	while [ $i -lt "$rounds" ]; do
		insmod /vmm.ko || return 1
		[ -c /dev/vmm ] || return 1
		rmmod vmm || return 1
		[ ! -e /dev/vmm ] || return 1
		i=$((i + 1))
	done
}

# A VM keeps the module: unloading is refused while one lives.
refused() {
	hold /dev/vmm || return 1
	! rmmod vmm 2>/dev/null
	result=$?
	release
	return $result
}

echo 1..6
insmod /vmm.ko
tap 'load.insmod'
refused
tap 'load.rmmod is refused while a VM lives'
/storm "$vms" | sed 's/^/# /' >/tmp/storm
! grep -q '^# not ok' /tmp/storm && grep -q '^# ok 2' /tmp/storm
tap "load.$vms VMs killed at random moments"
sed 's/^# #/#/' /tmp/storm
released
tap 'load.no reference is left'
rmmod vmm
tap 'load.rmmod'
reload
tap "load.$rounds times insmod and rmmod"
