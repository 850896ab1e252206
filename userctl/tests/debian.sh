#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Debian with its own root file system under vmctl, as TAP. Runs where a hypervisor is:
#	VMCTL=/vmctl GUESTS=/ DEBIAN=/debian IMAGE=/dev/vda CPUS=2 MIB=32 sh debian.sh
# DEBIAN is a folder with vmlinuz and maybe initrd.img: without that all drivers are in the kernel.
# IMAGE is the root file system; beside it there are two networks, and a server in both. MIB of data
# are written and read again.
# shellcheck disable=SC2034,SC2154 # variables are those of lib.sh
. "$(dirname "$0")/lib.sh"
PATH=$PATH:/

# holds NAME COMMAND...: it succeeds, within ten minutes, and before the guest ends. Looking often
# would keep the guest from its work.
holds() {
	name=$1 want=0 seconds=0
	shift
	: >"$tmp/want"
	until "$@" || gone || [ $seconds -ge 600 ]; do
		seconds=$((seconds + 2))
		sleep 2
	done
	"$@"
	got=$?
	verdict "$name"
}

# sum: of what it reads, as the guest says it.
sum() {
	sha256sum | cut -d' ' -f1
}

mkdir "$tmp/www"
head -c 8000000 /dev/urandom >"$tmp/www/file"
serve "$tmp/www"
# What the guest is to do, as a disk: a script, and empty lines.
{ cat "$GUESTS/debian-check"; yes "" | head -c 65536; } | head -c 65536 >"$tmp/task"
mkfifo "$tmp/keys" && exec 3<>"$tmp/keys"

# A busy machine may leave an emulated host without a processor for a minute.
append="console=ttyS0 root=/dev/vda ro net.ifnames=0 panic=-1 quiet mib=$MIB"
append="$append watchdog_thresh=60 rcupdate.rcu_cpu_stall_timeout=120"
input=$tmp/keys
set -- --kernel "$DEBIAN/vmlinuz"
[ ! -e "$DEBIAN/initrd.img" ] || set -- "$@" --initrd "$DEBIAN/initrd.img"
start "$@" --cpus "$CPUS" --memory 512M --append "$append" --disk "$IMAGE" \
	--disk "$tmp/task,ro" --net user --net tap=vmtap0
input=
await test -e /sys/class/net/vmtap0
ip addr add 192.168.77.1/24 dev vmtap0
ip link set vmtap0 up
holds "login prompt" says 1 "^debian login:"
echo root >&3
holds "root's shell" says 1 "^root@debian:.*#"
echo "sh /dev/vdb" >&3
holds "its system" says 1 "^guest: kernel"
file=$(sum <"$tmp/www/file")
holds "a file by user networking" says 1 "^guest: user $file"
holds "and by TAP" says 1 "^guest: tap $file"
holds "data" says 1 "^guest: data [0-9a-f]\{64\}"
data=$(sed -n 's/^guest: data \([0-9a-f]*\).*/\1/p' "$tmp/plain")
seconds=0
until gone || [ $seconds -ge 1500 ]; do
	seconds=$((seconds + 2))
	sleep 2
done
limit=20
cat >"$tmp/want" <<-END
	^guest: root /dev/vda ext4 rw
	^guest: address inet 10.0.2.15/24 dynamic
	^guest: written direct $data
	^guest: written blocks $data
	^guest: written cached $data
	^guest: up
END
[ ! -e "$DEBIAN/initrd.img" ] ||
	printf '^guest: module %s\n' virtio_pci virtio_blk virtio_net ext4 >>"$tmp/want"
! says 1 "^guest: complains" || echo "^guest: no complaint" >>"$tmp/want"
want=0
finish "disks and addresses, and the end by poweroff"
tr -d '\r' <"$tmp/plain" | grep -E '^guest: (kernel|up)' | sed 's/^/# /'
exec 3>&-
served_enough

# What the guest has left.
e2fsck -fn "$IMAGE" >"$tmp/out" 2>&1
got=$?
printf '%s\n' "^Pass 5" "^debian: [0-9]*/[0-9]* files" >"$tmp/want"
! grep -q journal "$tmp/out" || echo "^no journal to replay" >>"$tmp/want"
verdict "its file system is clean"
for file in direct blocks cached; do
	debugfs -R "cat /var/tmp/$file" "$IMAGE" 2>/dev/null | sum
done >"$tmp/out"
got=0
[ "$(grep -cxF "$data" "$tmp/out")" = 3 ] || got=1
: >"$tmp/want"
verdict "and has what was written"
echo "1..$n"
