#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Runs in a host with two CPUs, three times over: VMs run on both when it goes to a new kernel by
# kexec, and there when it crashes into a third. Each finds the processors without virtualization.
# The next kernel gets this one's root as its initramfs, and so goes on with this script. TAP.
. /lib.sh

word_of() {
	tr ' ' '\n' </proc/cmdline | sed -n "s/^$1=//p"
}

# svme CPU: EFER.SVME of it, 0 or 1 (APM vol. 2, 15.4).
svme() {
	efer=$(dd if="/dev/cpu/$1/msr" bs=8 skip=$((0xc0000080 / 8)) count=1 2>/dev/null | od -An -tx8)
	echo $((0x${efer##* } >> 12 & 1))
}

# svme_is VALUE: on each CPU that is online.
svme_is() {
	for cpu in /sys/devices/system/cpu/cpu[0-9]*; do
		[ "$(cat "$cpu/online" 2>/dev/null || echo 1)" = 1 ] || continue
		[ "$(svme "${cpu##*cpu}")" = "$1" ] || return 1
	done
}

# next HOW STAGE N WORDS: load the next kernel, which counts on from N; WORDS go on its command line.
next() {
	# busybox leaves the mount points out.
	(cd / && { find . -xdev; printf '%s\n' dev proc sys tmp; } |
		cpio -o -H newc 2>/dev/null) >/tmp/initrd || return 1
	line=$(tr ' ' '\n' </proc/cmdline | grep -v '^test_' | tr '\n' ' ')
	/kexec "$1" /bzImage /tmp/initrd "$line test_stage=$2 test_n=$3 $4"
}

# Where virtualization is left on, SVM says so, and VMX does not even let a kernel begin.
arrived() {
	svme_is 0
	tap "$1: virtualization is off"
	insmod /vmm.ko && runs /dev/vmm
	tap "$1: VMs run"
}

both() {
	hold /dev/vmm taskset 1 && hold /dev/vmm taskset 2
	tap "$1"
	[ "$amd" = 1 ] || return
	svme_is 1
	tap "$1: virtualization is on"
}

if [ ! -e /sys/kernel/kexec_loaded ]; then
	echo 1..1
	echo "ok 1 - kexec # SKIP this kernel has no kexec"
	exit
fi
amd=$(grep -c -m1 -w svm /proc/cpuinfo)
n=$(word_of test_n)
case $(word_of test_stage) in
'')
	n=0
	echo 1..$((9 + 2 * amd))
	# Before the VMs run, for it takes long beside them.
	next load kexec $((1 + 1 + amd))
	tap 'kexec.kernel loaded'
	insmod /vmm.ko
	both 'kexec.VMs on both CPUs'
	stty raw -echo
	/kexec go
	tap 'kexec.is refused'
	;;
kexec)
	arrived 'kexec.new kernel'
	next crash crash $((n + 2 + amd)) "maxcpus=1 loglevel=6"
	tap 'crash.kernel loaded'
	both 'crash.VMs on both CPUs'
	# This waits until all is sent.
	stty raw -echo
	# The other one than that which kexec began on; but Bochs' PIC reaches the first one only.
	taskset $((1 + amd)) sh -c 'echo c >/proc/sysrq-trigger'
	;;
crash)
	[ -e /proc/vmcore ]
	tap 'crash.kernel runs'
	arrived 'crash.kernel'
	;;
esac
