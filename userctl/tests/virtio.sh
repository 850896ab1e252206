#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# vmctl's devices under a Linux guest that uses them, as TAP. Runs where a hypervisor is:
#	VMCTL=/vmctl GUESTS=/guests LINUX=/bzImage INITRD=/virtio.gz VMM_DEV=/dev/vmm sh virtio.sh
# LINUX has virtio built in; INITRD is busybox with guests/virtio-init, which does what "task=" on
# its command line says. Arguments name the cases to run; without any it is all of them.
# shellcheck disable=SC2034,SC2154 # variables are those of lib.sh
. "$(dirname "$0")/lib.sh"
only=" $* "

# asked NAME: this case is to run.
asked() {
	[ "$only" = "  " ] || case $only in *" $1 "*) ;; *) false ;; esac
}

quiet="console=ttyS0 panic=-1 quiet"
limit=3600

head -c 4194304 /dev/urandom >"$tmp/disk"
head -c 1048576 /dev/zero >"$tmp/disk2"

# guest NAME STATUS PATTERNS WHAT ARGUMENT...: Linux with devices, which does WHAT with them.
guest() {
	name=$1 want=$2 what=$4
	echo "$3" >"$tmp/want"
	shift 4
	start --kernel "$LINUX" --initrd "$INITRD" --append "$quiet task=$what" "$@"
}

# disks NAME KIND MORE OPTION...: two disks, whose interrupts are of this kind.
disks() {
	name=$1 want=0
	cat >"$tmp/want" <<-EOF
		^guest: sectors 8192 2048
		^guest: read-only 0 1
		^guest: read $(sha256sum <"$tmp/disk" | cut -d' ' -f1)
		^guest: written
		^guest: refused
		^guest: interrupts $2
	EOF
	append="$quiet task=disks $3"
	shift 3
	start --kernel "$LINUX" --initrd "$INITRD" --append "$append" --disk "$tmp/disk" \
		--disk "$tmp/disk2,ro" "$@"
	await gone
	# What the guest wrote and flushed: the image's first half again.
	dd if="$tmp/disk" of="$tmp/half" bs=2097152 count=1 2>/dev/null
	cat "$tmp/half" "$tmp/half" | cmp -s - "$tmp/disk" || echo "the image is right" >>"$tmp/want"
	finish "$name"
}

if asked disks; then
	disks "disks, MSI-X" PCI-MSI ""
	disks "disks, interrupt lines" IO-APIC pci=nomsi
	disks "disks, configuration by ports" PCI-MSI pci=nommconf --cpus 2
	# A guest that waits has the disk.
	start --kernel "$mb" --append hang --disk "$tmp/disk" --grace 0
	holder=$pid
	await says 1 ready
	vm "disk in use" 75 "disk: another process uses it" --kernel "$mb" --append off \
		--disk "$tmp/disk"
	vm "disk in use, to be read" 75 "disk: another process uses it and may write it" \
		--kernel "$mb" --append off --disk "$tmp/disk,ro"
	kill -s TERM $holder
	wait $holder
	vm "disk that is free again" 0 "^multiboot" --kernel "$mb" --append off --disk "$tmp/disk"
fi

if asked resize; then
	head -c 1048576 /dev/urandom >"$tmp/grows"
	guest "disk that grows, discard" 0 "^guest: size 2048 4096
^guest: discarded
^guest: zeros 0" resize --disk "$tmp/grows"
	await says 1 "guest: waits"
	truncate -s 2097152 "$tmp/grows"
	kill -s USR1 $pid
	finish "$name"
	# A hole takes no room.
	[ "$(dd if="$tmp/grows" bs=65536 skip=1 count=1 2>/dev/null | tr -d '\0' | wc -c)" = 0 ]
	got=$? want=0
	: >"$tmp/want"
	verdict "discarded on the host"
fi

# exits COUNT: what vmctl served while a guest made so many requests.
exits() {
	guest "$1 requests" 0 "^guest: done" "requests count=$1" --disk "$tmp/disk" \
		--stats="$tmp/stats"
	finish "$name"
	sed -n 's/^vmctl_exits //p' "$tmp/stats"
}

if asked exits; then
	few=$(exits 50 | tail -n 1)
	many=$(exits 2050 | tail -n 1)
	echo "# $few exits to user space with 50 requests, $many with 2050"
	: >"$tmp/out"
	echo "$few exits, then $many" >"$tmp/out"
	echo "exits" >"$tmp/want"
	want=0
	[ "$few" -gt 0 ] && [ $((many - few)) -lt 100 ]
	got=$?
	verdict "requests without exits to user space"
fi
echo "1..$n"
