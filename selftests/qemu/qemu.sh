#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs on a host: QEMU with KVM's interface on /dev/kvm, one guest after another. TAP.
#
#   qemu.sh CASE...
#
# Beside it: /lib.sh, /rsp, and /vmm-qemu with the guests (selftests/qemu/cases.py).

top=/tmp/qemu n=0
. /lib.sh
files=/vmm-qemu
small=$files/bzImage debian=$files/vmlinuz initrd=$files/guest.gz

# A busy machine may leave an emulated host without a processor for a minute, and its guests, too.
patience="watchdog_thresh=60 rcupdate.rcu_cpu_stall_timeout=120"

# linux NAME ARGUMENT...: QEMU with a Linux guest, the small one unless $kernel says otherwise.
linux() {
	who=$1
	shift
	start "$who" -m 128M -kernel "${kernel:-$small}" -initrd $initrd \
		-append "console=ttyS0 panic=-1 quiet $patience token=$token $append" "$@"
}

# boots LIMIT CPUS ARGUMENT...: the guest comes up, and powers off.
boots() {
	limit=$1 cpus=$2
	shift 2
	linux guest -smp "$cpus" "$@"
	finish guest "$limit"
	proven guest "$cpus"
}

# ---- machines ----

case_pc() {
	boots 400 1 -M pc -cpu max
}

case_q35() {
	boots 400 1 -M q35 -cpu host
}

case_pc_split() {
	irqchip='split' boots 400 1 -M pc -cpu host
}

case_q35_split() {
	irqchip='split' boots 400 1 -M q35 -cpu max
}

# In-tree KVM has asynchronous page faults only with its own local APIC.
case_pc_off() {
	irqchip=off boots 400 1 -M pc -cpu max,kvm-asyncpf-int=off
}

case_q35_off() {
	irqchip=off boots 400 1 -M q35 -cpu host,kvm-asyncpf-int=off
}

case_microvm() {
	boots 400 1 -M microvm -cpu max
}

case_smp() {
	boots 400 2 -M q35 -cpu host
}

case_debian() {
	kernel=$debian
	boots 800 2 -M q35 -cpu max
}

# ---- media ----

# media LIMIT ARGUMENT...: boot an image of cases.py, which has its own token.
media() {
	limit=$1
	shift
	token=$(cat $files/token)
	start guest -m 256M "$@"
	finish guest "$limit"
	proven guest 1
}

case_disk() {
	mkdir -p $top
	truncate -s 1M $top/written
	image=$files/small.iso
	media 400 -M q35 -cpu host -drive "file=$image,format=raw,if=virtio,readonly=on" \
		-drive file=$top/written,format=raw,if=virtio
	says guest "guest: read $(sha256sum <"$image" | cut -d' ' -f1)" || fail 'the disk reads wrong'
	says guest 'guest: written' || fail 'the disk is not written'
	head -c 1048576 "$image" | cmp - $top/written || fail 'the disk holds something else'
}

case_cdrom() {
	image=$files/small.iso
	media 400 -M pc -cpu max -cdrom "$image"
	says guest "guest: read $(head -c 1048576 "$image" | sha256sum | cut -d' ' -f1)" ||
		fail 'the CD reads wrong'
}

case_debian_disk() {
	media 800 -M pc -cpu host -drive "file=$files/debian.iso,format=raw,if=virtio,readonly=on"
}

case_ovmf() {
	mkdir -p $top
	cp $files/OVMF_VARS_4M.fd $top/vars
	start guest -m 256M -M q35 -cpu host \
		-drive if=pflash,format=raw,readonly=on,file=$files/OVMF_CODE_4M.fd \
		-drive if=pflash,format=raw,file=$top/vars
	expect guest 1500 'UEFI Interactive Shell' && expect guest 300 'Shell>' || return
	printf 'reset -s\r' >$top/guest/tty.in
	finish guest 240
}

# ---- state ----

last_pass() {
	tr -d '\000' <"$top/$1/serial" | sed -n 's/^guest: pass \([0-9]*\)\r$/\1/p' | tail -n 1 | grep .
}

passed() {
	[ "$(last_pass "$1" || echo 0)" -gt "$2" ] || ended "$1"
}

# passes NAME COUNT: the guest checks its memory so many times more.
passes() {
	goal=$(($(last_pass "$1" || echo 0) + $2))
	await 240 passed "$1" $goal
	runs "$1" || fail "$1 has ended" || return
	passed "$1" $goal || fail "$1 does not come to pass $goal"
}

# The guest has gone back in time.
rewound() {
	awk '/^guest: pass [0-9]+\r$/ { if ($3 + 0 < last) found = 1; last = $3 + 0 }
		END { exit !found }' "$top/guest/serial"
}

# good NAME: the guest's memory was right until now.
good() {
	echo >"$top/$1/tty.in"
	finish "$1" 240
	says "$1" 'guest: memory good' || fail "the guest's memory is wrong"
}

case_snapshot() {
	append='do=memory'
	mkdir -p $top
	cp $files/disk.qcow2 $top/disk
	disk="-drive file=$top/disk,format=qcow2,if=virtio"
	# shellcheck disable=SC2086 # words
	linux guest -M pc -cpu host $disk
	expect guest 400 'guest: pass 1' || return
	proven guest 1 && monitor guest 400 savevm one && passes guest 3 &&
		monitor guest 400 loadvm one && passes guest 3 || return
	rewound || fail 'loadvm left the guest where it was'
	kill -KILL "$(process guest)"
	# shellcheck disable=SC2086 # words
	linux later -M pc -cpu host $disk -loadvm one
	expect later 400 'guest: pass' && passes later 3 && good later
}

case_migrate() {
	append='do=memory'
	linux source -M q35 -cpu host -smp 2
	expect source 400 'guest: pass 1' && proven source 2 || return
	linux target -M q35 -cpu host -smp 2 -incoming unix:$top/way
	await 120 test -S $top/way || fail 'the target does not listen' || return
	monitor source 60 migrate_set_parameter downtime-limit 3000 &&
		monitor source 600 migrate unix:$top/way || return
	says_monitor source 'Error' && fail 'migrate failed' && return
	kill -KILL "$(process source)"
	expect target 240 'guest: pass' && passes target 5 && good target
}

# ---- the debugger ----

debug() {
	start guest -M pc -cpu max -bios $files/rom -S -gdb tcp:127.0.0.1:1234
	monitor guest 60 info status
	/rsp 1234 "$1" >$top/rsp 2>&1 || fail "$(cat $top/rsp)"
}

case_gdb_step() {
	debug step
}

case_gdb_break() {
	debug break
}

# ---- the end ----

unused() {
	[ "$(cat "/sys/module/$module/refcnt")" = 0 ]
}

# Whatever the guest is doing: the processes, the module's references and the module go.
# ---- what vmctl does with a VM that is not its own ----

case_manage() {
	append='do=memory'
	linux guest -M q35 -cpu host -smp 2
	expect guest 400 'guest: pass 1' || return
	vm=$(/vmctl list | awk -v pid="$(process guest)" \
		'{ for (i = 2; i <= NF; i++) if ($i == pid) print $1 }')
	[ -n "$vm" ] || fail 'vmctl does not list it' || return
	/vmctl show "$vm" >$top/shown
	grep -q qemu-system $top/shown || fail 'its client is not shown' || return
	/vmctl pause "$vm" || fail 'it is not paused' || return
	/vmctl show "$vm" | grep -q paused || fail 'it is not shown as paused' || return
	before=$(last_pass guest)
	sleep 10
	[ "$(last_pass guest)" = "$before" ] || fail 'a paused guest runs' || return
	/vmctl resume "$vm" || fail 'it is not resumed' || return
	passes guest 2 && good guest
}

case_kill() {
	append='do=memory' module=vmm load='/vmm.ko kvm_node=1'
	[ -d /sys/module/vmm ] || module=kvm_amd load=/modules/kvm-amd.ko
	linux guest -M q35 -cpu host -smp 2
	expect guest 400 'guest: pass 1' || return
	unused && fail 'the module is not in use' && return
	kill -KILL "$(process guest)"
	wait "$(process guest)" 2>/dev/null
	pidof qemu-system-x86_64 && fail 'a process is left' && return
	await 60 unused || fail 'the module stays in use' || return
	rmmod $module || fail 'the module does not go' || return
	# shellcheck disable=SC2086 # words
	insmod $load || fail 'the module does not come again'
}

for name; do
	tap "$name"
done
echo "1..$n"
