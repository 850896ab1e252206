#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Runs in a host, with vmm.ko loaded: kill VMs, then load and unload 50 times. TAP.

vms=${1:-200} rounds=${2:-50} n=0

# tap TEXT: the result of the command before.
tap() {
	if [ $? = 0 ]; then word=ok; else word='not ok'; fi
	n=$((n + 1))
	echo "$word $n - $1"
}

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
	/storm hold &
	holder=$!
	i=0
	while [ "$(cat /sys/module/vmm/refcnt)" = 0 ]; do
		i=$((i + 1))
		[ $i -lt 100 ] || return 1
		sleep 0.1
	done
	! rmmod vmm 2>/dev/null
	result=$?
	kill -9 $holder
	wait $holder 2>/dev/null
	return $result
}

# What a killed process held goes with it, though its last parts may go a moment later.
released() {
	i=0
	while [ "$(cat /sys/module/vmm/refcnt)" != 0 ]; do
		i=$((i + 1))
		[ $i -lt 100 ] || return 1
		sleep 0.1
	done
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
