# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
# For the scripts that run in a host: TAP, and VMs made by storm.

n=0 holders=

# tap TEXT: the result of the command before.
tap() {
	if [ $? = 0 ]; then word=ok; else word='not ok'; fi
	n=$((n + 1))
	echo "$word $n - $1"
}

# runs DEVICE: a guest of this device runs, and some more VMs come and go.
runs() {
	VMM_DEV=$1 /storm 8 7 >/tmp/storm
	grep -q '^ok 1' /tmp/storm && return
	sed 's/^/# /' /tmp/storm
	return 1
}

# hold DEVICE [COMMAND...]: keep a VM running in the background, under COMMAND (taskset ...).
hold() {
	dev=$1
	shift
	VMM_DEV=$dev "$@" /storm hold >/tmp/hold 2>&1 &
	holders="$! $holders"
	works $!
}

# Of the vCPU's thread: the first one has work without it.
ticks() {
	for task in "/proc/$1/task/"*; do
		[ "${task##*/}" = "$1" ] || cut -d' ' -f14-15 "$task/stat" 2>/dev/null
	done | tr ' \n' '++'
	echo 0
}

# works PROCESS: a VM gets processor time: it runs.
works() {
	before=$(($(ticks "$1")))
	i=0
	while [ $i -lt 600 ]; do
		[ -d "/proc/$1" ] || return 1
		[ $(($(ticks "$1"))) -le $((before + 5)) ] || return 0
		sleep 0.1
		i=$((i + 1))
	done
	return 1
}

# held: all held VMs run.
held() {
	for holder in $holders; do
		works "$holder" || return 1
	done
}

# What a killed process held goes with it, though its last parts may go a moment later.
released() {
	i=0
	while [ "$(cat /sys/module/vmm/refcnt 2>/dev/null || echo 0)" != 0 ]; do
		i=$((i + 1))
		[ $i -lt 600 ] || return 1
		sleep 0.1
	done
}

# gone MODULE: unload it, when nobody holds it any more.
gone() {
	i=0
	until rmmod "$1" 2>/dev/null; do
		i=$((i + 1))
		[ $i -lt 600 ] || return 1
		sleep 0.1
	done
}

# release: end the held VMs.
release() {
	for holder in $holders; do
		kill -9 "$holder"
		wait "$holder" 2>/dev/null
	done
	holders=
	released
}
