#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# What vmctl says to a user who got something wrong: exit status and message. Needs no hypervisor.
: "${VMCTL:?names the program}"
unset VMM_DEV
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
export VMM_RUN="$tmp/run"
n=0

# expect STATUS PATTERN NAME -- ARGUMENT...: STATUS may be several, where it is up to the machine
expect() {
	status=$1 pattern=$2 name=$3
	shift 4
	n=$((n + 1))
	timeout 120 "$VMCTL" "$@" >"$tmp/out" 2>&1 </dev/null
	got=$?
	if [ "${status%"$got"*}" != "$status" ] && grep -q -e "$pattern" "$tmp/out"; then
		echo "ok $n - $name"
		return
	fi
	echo "not ok $n - $name"
	echo "# status $got, expected $status, and \"$pattern\" in:"
	sed 's/^/# /' "$tmp/out"
}

guests=$(dirname "$VMCTL")/tests/guests
kernel=$guests/multiboot.elf
: >"$tmp/empty"
echo "not a kernel" >"$tmp/text"
head -c 600 "$kernel" >"$tmp/cut"

echo "TAP version 13"
expect 64 "usage: vmctl VERB" "no verb" --
expect 64 "no verb \"frobnicate\"" "unknown verb" -- frobnicate
expect 0 "^vmctl [0-9]" "version" -- --version
expect 0 "^  doctor " "help" -- help
expect 0 "Usage: vmctl run" "help of a verb" -- help run
expect 0 "usage: vmctl" "help of vmctl" -- --help
expect 64 "no verb" "help for an unknown verb" -- help frobnicate
expect 0 "exit|restart" "help of run" -- run --help
expect 64 "needs a kernel or firmware" "run without a kernel" -- run
expect 64 "unexpected argument" "run with a stray argument" -- run vmlinuz
expect 64 "unrecognized option" "run with an unknown option" -- run --frobnicate
expect 64 "cpus must be 1 to 64" "no vCPUs" -- run --kernel "$kernel" --cpus 0
expect 64 "cpus must be 1 to 64" "too many vCPUs" -- run --kernel "$kernel" --cpus 65
expect 64 "cpus must be 1 to 64" "vCPUs that are no number" -- run --kernel "$kernel" --cpus two
expect 64 "memory must be 2M to 512G" "too little memory" -- run --kernel "$kernel" --memory 1M
expect 64 "memory must be 2M to 512G" "too much memory" -- run --kernel "$kernel" --memory 1T
expect 64 "memory must be 2M to 512G" "memory beyond 64 bits" -- \
	run --kernel "$kernel" --memory 99999999999999999999G
expect 64 "memory must be 2M to 512G" "memory that is no size" -- run --kernel "$kernel" -m lots
expect 64 "comes max=SIZE or nothing, not \"most=1G\"" "another word behind memory" -- \
	run --kernel "$kernel" --memory 64M,most=1G
expect 64 "max=64M must be more than 64M" "no more memory at most" -- \
	run --kernel "$kernel" --memory 64M,max=64M
expect 64 "by a multiple of 2M" "more memory in parts of blocks" -- \
	run --kernel "$kernel" --memory 64M,max=67M
expect 64 "no device and no firmware" "more memory for a machine without devices" -- \
	run --kernel "$kernel" --machine pv --memory 64M,max=66M
expect 64 "leave nothing of a machine of type pv" "hypercalls that are hidden" -- \
	run --kernel "$kernel" --machine pv --no-pv
expect 64 "memory must be 2M to 512G, not 1T" "far too much at most" -- \
	run --kernel "$kernel" --memory 64M,max=1T
expect 64 "steps of 4K" "memory that is no multiple of a page" -- \
	run --kernel "$kernel" --memory 4194305B
expect 64 "name" "a name with a slash" -- run --kernel "$kernel" --name a/b
expect 64 "on-reset must be" "a wrong reset action" -- run --kernel "$kernel" --on-reset maybe
expect 64 "grace must be 0 to" "a wrong grace period" -- run --kernel "$kernel" --grace -1
expect 66 "kernel $tmp/none: No such file" "missing kernel" -- run --kernel "$tmp/none"
expect 66 "directory" "a directory for a kernel" -- run --kernel "$tmp"
expect 65 "kernel $tmp/empty: the file is empty" "empty kernel" -- run --kernel "$tmp/empty"
expect 65 "kernel $tmp/text: not a kernel" "a text for a kernel" -- run --kernel "$tmp/text"
expect 65 "kernel $tmp/cut: truncated" "truncated kernel" -- run --kernel "$tmp/cut"
expect 66 "initrd $tmp/none: No such file" "missing initrd" -- \
	run --kernel "$kernel" --initrd "$tmp/none"
expect 65 "initrd $tmp/empty: the file is empty" "empty initrd" -- \
	run --kernel "$kernel" --initrd "$tmp/empty"
expect 66 "module $tmp/none" "missing module" -- run --kernel "$kernel" --module "$tmp/none a b"
expect 65 "memory: 2M" "kernel larger than the memory" -- run --kernel "$kernel" --memory 2M
# A file with a size that gives an error when it is read.
expect 74 "kernel /sys/class/net/lo/speed: Invalid" "kernel that cannot be read" -- \
	run --kernel /sys/class/net/lo/speed
expect 66 "disk $tmp/none: No such file" "missing disk" -- \
	run --kernel "$kernel" --disk "$tmp/none"
expect 66 "neither a file nor a block device" "a directory for a disk" -- \
	run --kernel "$kernel" --disk "$tmp,ro"
expect 65 "disk $tmp/empty: the file is empty" "empty disk" -- \
	run --kernel "$kernel" --disk "$tmp/empty"
expect 65 "disk $tmp/cut: its size" "disk that ends within a sector" -- \
	run --kernel "$kernel" --disk "$tmp/cut"
bios=$tmp/bios
head -c 131072 /dev/zero >"$bios"
head -c 131073 /dev/zero >"$tmp/odd"
head -c 327680 /dev/zero >"$tmp/big"
expect 64 "either --kernel or --firmware" "kernel and firmware" -- \
	run --kernel "$kernel" --firmware "$bios"
expect 64 "go with --kernel" "initrd and firmware" -- run --firmware "$bios" --initrd "$tmp/text"
expect 64 "go with --kernel" "module and firmware" -- run --firmware "$bios" --module "$tmp/text"
expect 64 "go with --kernel" "command line and firmware" -- run --firmware "$bios" --append x
expect 66 "firmware $tmp/none: No such file" "missing firmware" -- run --firmware "$tmp/none"
expect 65 "firmware $tmp/empty: the file is empty" "empty firmware" -- run --firmware "$tmp/empty"
expect 65 "firmware $tmp/odd: .* in steps of 64K.*bios-256k.bin" "cut firmware" -- \
	run --firmware "$tmp/odd"
expect 65 "firmware $tmp/big: its size of 320K is not 64K to 256K" "too much firmware" -- \
	run --firmware "$tmp/big"
expect 69 "insmod.*doctor" "firmware and no device" -- run --firmware "$bios" --device "$tmp/none"
expect 73 "debug port's file $tmp/no/dir" "debug port's file that cannot be" -- \
	run --firmware "$bios" --debug-port "$tmp/no/dir"
expect 64 "format must be raw or qcow2, not \"vmdk\"" "a disk of another format" -- \
	run --kernel "$kernel" --disk "$tmp/none,format=vmdk"
expect 66 "disk $tmp/none: No such file" "a disk of a format, read-only" -- \
	run --kernel "$kernel" --disk "$tmp/none,ro,format=qcow2"
expect 66 "disk $tmp/none,format: No such file" "a disk with a comma in its name" -- \
	run --kernel "$kernel" --disk "$tmp/none,format,format=raw,ro"
set --
for i in 1 2 3 4 5 6 7 8 9; do set -- "$@" --disk "$tmp/$i"; done
expect 64 "at most 8 disks" "nine disks" -- run --kernel "$kernel" "$@"
# Devices beside disks.
expect 64 "net must be user or tap" "a network card to nowhere" -- \
	run --kernel "$kernel" --net bridge
expect 64 "forward must be HOSTPORT:GUESTPORT" "a port that is none" -- \
	run --kernel "$kernel" --net user,forward=99999:1
expect 64 "forwarded by net user only" "a port for tap" -- \
	run --kernel "$kernel" --net tap,forward=1:1
expect 64 "mac must be six bytes" "the address of a group" -- \
	run --kernel "$kernel" --net user,mac=01:00:00:00:00:00
expect 64 "none of forward=, mac=, queues= and vhost=" "an unknown word for a card" -- \
	run --kernel "$kernel" --net user,fast
expect 64 "it has one queue" "queues of a network within vmctl" -- \
	run --kernel "$kernel" --net user,queues=2
expect 64 "vhost= is for net tap" "the kernel for a network within vmctl" -- \
	run --kernel "$kernel" --net user,vhost=on
expect 64 "vhost must be auto, on or off" "a kernel that may" -- \
	run --kernel "$kernel" --net tap,vhost=maybe
for i in 0 9 two; do
	expect 64 "queues must be 1 to 8, not \"$i\"" "$i queues" -- \
		run --kernel "$kernel" --net tap,queues=$i
done
expect "69 77" "net tap" "a network interface that is no tap" -- \
	run --kernel "$kernel" --net tap=lo
expect 64 "console must be serial or virtio" "an unknown console" -- \
	run --kernel "$kernel" --console vga
expect 64 "port must be NAME=SOCKET" "a port without a socket" -- \
	run --kernel "$kernel" --port agent
expect 75 "port agent: $tmp/text exists" "a socket that exists" -- \
	run --kernel "$kernel" --port "agent=$tmp/text"
expect 73 "port agent: $tmp/no/socket: No such file" "a socket in no folder" -- \
	run --kernel "$kernel" --port "agent=$tmp/no/socket"
expect 64 "share must be TAG=FOLDER" "a folder without a tag" -- \
	run --kernel "$kernel" --share "$tmp"
expect 66 "share $tmp/none: No such file" "a folder that is missing" -- \
	run --kernel "$kernel" --share "host=$tmp/none,ro"
expect 64 "is not a size" "a balloon of no size" -- run --kernel "$kernel" --balloon=huge
expect 64 "vsock must be an address from 3 on" "an address that is the host's" -- \
	run --kernel "$kernel" --vsock 2
expect 69 "insmod.*doctor" "no device" -- run --kernel "$kernel" --device "$tmp/none"
expect 69 "not the device of a hypervisor" "another device" -- \
	run --kernel "$kernel" --device /dev/null
expect 1 "^!! device *$tmp/none does not exist" "doctor without a device" -- doctor --device "$tmp/none"
expect 1 '"ready":false' "doctor as JSON" -- doctor --json --device "$tmp/none"
expect 64 "unexpected argument" "doctor with a stray argument" -- doctor now
expect 64 "unexpected argument" "list with a stray argument" -- list now
expect 64 "name or its id" "pause of nothing" -- pause
expect 64 "unexpected argument" "kill of two" -- kill a b
expect 64 "start needs a name" "start without a name" -- start --kernel "$kernel"
expect 64 "name must be a letter" "start of a number" -- start 7
expect 66 "has no definition in" "start without a definition" -- start nobody
expect 64 "timeout must be 0 to" "a timeout that is none" -- stop a --timeout soon
expect 64 "which VM" "stop of nothing" -- stop
expect 64 "set what" "set of nothing" -- set a
expect 64 "disk must be N=SIZE" "a disk's size that is none" -- set a --disk 1
expect 64 "memory: \"much\" is not a size" "memory that is none" -- set a --memory much
expect 64 "which name" "rename to nothing" -- rename a
expect 64 "which VM" "attach to nothing" -- attach
expect 64 "a disk or a nic, not \"floppy\"" "attach of what is neither" -- attach a floppy b
expect 64 "attach which disk? FILE" "attach of no disk" -- attach a disk
expect 64 "attach which nic? user or tap" "attach of no network" -- attach a nic
expect 64 "unexpected argument" "attach of two" -- attach a disk b c
expect 64 "detach what? vmctl attach a lists" "detach of nothing" -- detach a
expect 64 "timeout must be 0 to" "detach within no time" -- detach a disk0 --timeout soon
expect 64 "takes none" "top of one" -- top a
expect 64 "needs a terminal" "top to a file" -- top
expect 64 "cpu-limit must be 1 to" "a limit of nothing" -- run --kernel "$kernel" --cpu-limit 0

n=$((n + 1))
"$VMCTL" --version >/dev/full 2>"$tmp/out"
got=$?
if [ $got = 74 ] && grep -q "standard output" "$tmp/out"; then
	echo "ok $n - no space for the output"
else
	echo "not ok $n - no space for the output"
	echo "# status $got: $(cat "$tmp/out")"
fi

# No permission: as another user, on a node of a group.
cp "$VMCTL" "$tmp/vmctl" && cp "$kernel" "$tmp/kernel" && chmod 755 "$tmp"
: >"$tmp/node" && chmod 660 "$tmp/node"
if chgrp 1 "$tmp/node" 2>/dev/null && command -v setpriv >/dev/null; then
	group=$(awk -F: '$3 == 1 { print $1 }' /etc/group)
	cat >"$tmp/as-nobody" <<-EOF
		#!/bin/sh
		exec setpriv --reuid 65534 --regid 65534 --clear-groups "$tmp/vmctl" "\$@"
	EOF
	chmod 755 "$tmp/as-nobody"
	VMCTL=$tmp/as-nobody
	expect 77 "group \"$group\"" "no permission" -- run --kernel "$tmp/kernel" --device "$tmp/node"
else
	n=$((n + 1))
	echo "ok $n - no permission # SKIP needs root and setpriv"
fi
echo "1..$n"
