#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# vmctl run from end to end with the small kernels of tests/guests: how they are started, how
# they end, and what vmctl says. TAP. Runs where a hypervisor is, with nothing but a shell:
#	VMCTL=/vmctl GUESTS=/guests LINUX=/bzImage VMM_DEV=/dev/vmm sh guests.sh
# LINUX has virtio built in. GUESTS also has SeaBIOS's images. FOREIGN, if set, is a folder with
# what selftests/hosts/foreign.py fetches, and GUESTS has isolinux.iso and
# syslinux.img, disks that boot LINUX.
# shellcheck disable=SC2034,SC2154 # variables are those of lib.sh
. "$(dirname "$0")/lib.sh"

printf 'hello world' >"$tmp/mod"

vm "multiboot, ELF" 0 "^multiboot
^upper 0007fc00
^cmdline $mb one two off" --kernel "$mb" --append "one two off"
vm "multiboot, flat file, initrd" 0 "^multiboot
^module hello world$tmp/mod
^upper 0000fc00" --kernel "$GUESTS/multiboot.bin" --memory 64M --initrd "$tmp/mod" --append off
vm "multiboot, module with arguments" 0 "^module hello world$tmp/mod a b" \
	--kernel "$mb" --module "$tmp/mod a b" --append off
vm "PVH" 0 "^pvh
^module hello worldrsdp 20525450
^cmdline x off" --kernel "$GUESTS/pvh.elf" --module "$tmp/mod a b" --append "x off"
vm "no device but hypercalls" 0 "^good signature
^good version
^good query
^good clock
^good memory
^good no memory to give
^good a part of a page
^good no text to write
^good no such end
^good no such call
^cmdline one two" --machine pv --kernel "$GUESTS/pv.elf" --append "one two" --stats="$tmp/stats"
# Nothing of the machine was emulated, and nothing went wrong.
{
	grep -e '^bad' "$tmp/out"
	for stat in exit_io mmio_exits pf_mmio insn_interpreted; do
		grep -q "^$stat 0$" "$tmp/stats" || echo "$stat: $(grep "^$stat " "$tmp/stats")"
	done
	grep -q '^own_hypercalls [1-9]' "$tmp/stats" || echo "no hypercalls counted"
} >"$tmp/bad"
n=$((n + 1))
if [ -s "$tmp/bad" ]; then
	sed 's/^/# /' "$tmp/bad"
	echo "not ok $n - hypercalls alone"
else
	echo "ok $n - hypercalls alone"
fi
vm "reset by hypercall" 3 "^cmdline r" --machine pv --kernel "$GUESTS/pv.elf" --append r
vm "memory beyond the hole" 0 "^upper 002ffc00" --kernel "$mb" --memory 5G --append off
vm "least memory" 0 "^upper 00000800" --kernel "$mb" --memory 3M --append off
vm "64 vCPUs" 0 "^multiboot" --kernel "$mb" --cpus 64 --append off

vm "reset register" 3 "cmdline" --kernel "$mb" --append cf9
vm "keyboard controller reset" 3 "cmdline" --kernel "$mb" --append kbd
vm "fast reset" 3 "cmdline" --kernel "$mb" --append fast
vm "triple fault" 4 "crashed with a triple fault
vCPU 0: triple fault
^rip .* rflags
^rax
^cs .* base
^cr0" --kernel "$mb" --append triple
vm "execution outside memory" 5 "internal error
^rip 00000000d0000000
^code" --kernel "$mb" --append jump

signalled "power button, pressed by SIGTERM" 0 TERM wait --grace 600
signalled "SIGTERM, guest does not react" 143 TERM hang
signalled "SIGINT" 130 INT hang
signalled "SIGHUP" 129 HUP hang
signalled "SIGQUIT" 131 QUIT hang --grace 600
signalled "no grace" 143 TERM hang --grace 0
signalled "many vCPUs" 143 TERM hang --cpus 8
# The guest comes up again and again; the signal may hit at any moment of that.
echo "multiboot" >"$tmp/want"
want=143
start --kernel "$mb" --append cf9 --on-reset restart --grace 0
await says 3 '^multiboot' || echo "restarts are missing" >>"$tmp/want"
kill -s TERM $pid
finish "restart after reset"
# The guest does not heed its power button, but its next reset is its last.
want=143
start --kernel "$mb" --append cf9 --on-reset restart --grace 600
await says 1 '^multiboot'
kill -s TERM $pid
finish "a signal, and a reset where there is a grace"

# typed NAME STATUS PATTERNS ACTION KEYS: on a terminal, with keys typed once the guest is ready.
typed() {
	name=$1 want=$2
	printf '%s\nterminal restored\n' "$3" >"$tmp/want"
	: >"$tmp/out"
	"$GUESTS/pty" ready "$5" "$VMCTL" run --kernel "$mb" --append "$4" >"$tmp/out" 2>&1 &
	pid=$!
	finish "$name"
}

typed "key: power button" 0 "^multiboot" wait "^]p"
typed "key: quit" 6 "^multiboot" hang "^]q"
typed "key: reset" 3 "^multiboot" hang "^]r"
# The guest has no interrupt table, so an NMI is its end.
typed "key: NMI" 4 "triple fault" hang "^]n"
typed "key: help" 6 "power button" hang "^]?^]q"
# Ctrl-C and Ctrl-] arrive there, and a dot ends this guest.
typed "keys for the guest" 0 "ab.$(printf '\003')c" echo "ab^]^]$(printf '\003')c."

stopped() {
	grep -q "^State:.T" /proc/$pid/status
}

echo "ready" >"$tmp/want"
want=0
start --kernel "$mb" --append wait --grace 600
await says 1 ready
kill -s TSTP $pid
await stopped || echo "stopped" >>"$tmp/want"
kill -s CONT $pid
kill -s TERM $pid
finish "suspended and continued"

long=$(printf 'abcdefghijklmnopqrstuvwxyz0123456789%.0s' 1 2 3 4 5 6 7 8)
printf '%s.' "$long" >"$tmp/in"
input=$tmp/in
vm "input from a file" 0 "$long" --kernel "$mb" --append echo
input=
mkfifo "$tmp/fifo"
{
	cat "$tmp/in"
	sleep 1
} >"$tmp/fifo" &
input=$tmp/fifo
vm "input from a pipe" 0 "$long" --kernel "$mb" --append echo
input=

want=0
echo "^multiboot" >"$tmp/want"
: >"$tmp/out"
"$VMCTL" run --kernel "$mb" --append off <&- >"$tmp/out" 2>&1 &
pid=$!
finish "closed standard input"
: >"$tmp/want"
: >"$tmp/out"
"$VMCTL" run --kernel "$mb" --append off </dev/null >&- 2>"$tmp/out" &
pid=$!
finish "closed standard output"
: >"$tmp/out"
{
	timeout -s KILL 110 "$VMCTL" run --kernel "$mb" --append off </dev/null 2>"$tmp/out"
	echo $? >"$tmp/status"
} | : &
await test -s "$tmp/status"
got=$(cat "$tmp/status")
verdict "output to nobody"

vm "statistics" 0 "" --kernel "$mb" --append off --stats="$tmp/stats"
cp "$tmp/stats" "$tmp/out"
printf '^exits [1-9]\n^vmctl_exits [1-9]\n^run_seconds [0-9]\n' >"$tmp/want"
verdict "statistics file"
vm "statistics on standard error" 0 "^vmctl_exits [1-9]" --kernel "$mb" --append off --stats
vm "statistics that cannot be written" 73 "$tmp/no/dir" --kernel "$mb" --append off \
	--stats="$tmp/no/dir"

bios=$GUESTS/bios-256k.bin

# firmware NAME PATTERNS OPTION...: a BIOS boots the disk of bootsector.S, which powers off; what
# it says goes to the debug port, too.
firmware() {
	title=$1 patterns=$2
	shift 2
	vm "$title" 0 "^Booting from Hard Disk
first sector
^second sector
^rsdp ffff
$patterns" --disk "$GUESTS/bootsector.img" --debug-port "$tmp/log" "$@"
	cp "$tmp/log" "$tmp/out"
	printf '%s\n' "^SeaBIOS (version" "^Running on KVM" "^Found QEMU fw_cfg" \
		"using modern (1.0) virtio mode" "^Booting from 0000:7c00" >"$tmp/want"
	verdict "$title: debug port"
}

# Memory is what is left from 1 MiB to 16 MiB in KiB, and beyond in blocks of 64 KiB; a few pages
# are the firmware's.
firmware "firmware, a boot sector" "^memory 3c001efe
^map 0007" --firmware "$bios"
firmware "firmware of 128K, 4 vCPUs" "^memory 3c001efe
^map 0007" --firmware "$GUESTS/bios.bin" --cpus 4
firmware "firmware, memory beyond the hole" "^map 0008" --firmware "$bios" --memory 5G
firmware "firmware, little memory" "^memory 2\|^memory 3" --firmware "$bios" --memory 16M

printf '%s\n' "SeaBIOS" "^No bootable device" >"$tmp/want"
want=143
start --firmware "$bios" --grace 0
await says 1 "^No bootable device"
kill -s TERM $pid
finish "firmware without a disk"

# foreign NAME KERNEL SAYS ARGUMENT...: a kernel that goes on until it is killed.
foreign() {
	name=$1 kernel=$2 says=$3
	shift 3
	printf '%s\n' "$says" >"$tmp/want"
	want=143
	start --kernel "$FOREIGN/$kernel" --grace 0 "$@"
	await says 1 "$(tail -n 1 "$tmp/want")"
	kill -s TERM $pid
	finish "$name"
}

if [ -n "${FOREIGN:-}" ]; then
	limit=9600
	token=$(head -c 8 /dev/urandom | od -An -tx1 | tr -d ' ')
	sum=$(printf %s "$token" | sha256sum | cut -d' ' -f1)
	for kind in 686 686-pae; do
		vm "Debian's i386 kernel, $kind" 0 "guest: token $sum
guest: kernel .*-$kind" --kernel "$FOREIGN/linux-$kind" --initrd "$FOREIGN/initrd-686.gz" \
			--memory 256M --append "console=ttyS0 panic=-1 quiet token=$token"
	done
	# The boot loader's prompt takes a word from the console and starts Linux from the disk.
	for loader in isolinux.iso syslinux.img; do
		name=${loader%.*}
		printf '%s\n' "^$(echo "$name" | tr a-z A-Z) 6" "^boot: k" "guest: cpus 2" \
			"guest: token $(printf %s "$name" | sha256sum | cut -d' ' -f1)" >"$tmp/want"
		want=0
		rm -f "$tmp/keys" && mkfifo "$tmp/keys" && exec 3<>"$tmp/keys"
		input=$tmp/keys
		start --firmware "$bios" --disk "$GUESTS/$loader,ro" --cpus 2
		input=
		await says 1 "^boot:" && printf 'k\r' >&3
		finish "firmware, $name and Linux from a disk"
		exec 3>&-
	done
	# It goes on until it wants a kernel to run, and says what became of the one it got. The last
	# bytes of that are how large Xen expects it to be unpacked: zeroes.
	head -c 4096 /dev/zero >"$tmp/dom0"
	foreign "Xen" xen "^(XEN) Xen version
^(XEN) Command line: com1=115200,8n1 console=com1
^(XEN) ACPI: RSDP 000E0000
^(XEN) Brought up 1 CPUs
Building a PV Dom0
ELF: not an ELF binary
Could not construct domain 0
Manual reset required" --module "$tmp/dom0" \
		--append "com1=115200,8n1 console=com1 loglvl=all noreboot"
	foreign "memtest86+" memtest.bin "Memtest86+" --memory 64M --append "console=ttyS0,115200"
	limit=2400
fi

echo "cannot reserve 1G of memory" >"$tmp/want"
want=71
: >"$tmp/out"
(
	# shellcheck disable=SC3045 # dash and busybox have it
	ulimit -v 500000
	exec "$VMCTL" run --kernel "$mb" --memory 1G --append off >"$tmp/out" 2>&1 </dev/null
) &
pid=$!
finish "memory that the host refuses"

# doctor NAME STATUS PATTERNS ARGUMENT...
doctor() {
	name=$1 want=$2
	echo "$3" >"$tmp/want"
	shift 3
	: >"$tmp/out"
	"$VMCTL" doctor "$@" >"$tmp/out" 2>&1 &
	pid=$!
	finish "$name"
}

doctor "doctor" 0 "^ok cpu
^ok features
^ok module
^ok vm .*can be created
This machine can run VMs"
doctor "doctor as JSON" 0 '"ready":true' --json
doctor "doctor, no device" 1 "^ok features
^!! device .*/none does not exist
^ .*load the module" --device "$tmp/none"
echo "1..$n"
