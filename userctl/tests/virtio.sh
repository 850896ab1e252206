#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# vmctl's devices under a Linux guest that uses them, as TAP. Runs where a hypervisor is:
#	VMCTL=/vmctl GUESTS=/guests LINUX=/bzImage INITRD=/virtio.gz VMM_DEV=/dev/vmm sh virtio.sh
# LINUX has virtio built in; INITRD is busybox with guests/virtio-init, which does what "task=" on
# its command line says. STOCK, if set, is a
# folder with Debian's kernel and an initrd with its modules; ROUNDS says how often disks are killed,
# SEED at which moments. Arguments name the cases to run; without any it is all of them.
# shellcheck disable=SC2034,SC2154 # variables are those of lib.sh
. "$(dirname "$0")/lib.sh"
only=" $* "

# asked NAME: this case is to run.
asked() {
	[ "$only" = "  " ] || case $only in *" $1 "*) ;; *) false ;; esac
}

quiet="console=ttyS0 panic=-1 quiet"
limit=7200

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
	count=$(sed -n 's/^vmctl_exits //p' "$tmp/stats")
	rm "$tmp/stats"
}

if asked exits; then
	exits 50
	few=$count
	exits 2050
	many=$count
	echo "# $few exits to user space with 50 requests, $many with 2050"
	: >"$tmp/out"
	echo "$few exits, then $many" >"$tmp/out"
	echo "exits" >"$tmp/want"
	want=0
	[ "${few:-0}" -gt 0 ] && [ "${many:-0}" -gt 0 ] && [ $((many - few)) -lt 100 ]
	got=$?
	verdict "requests without exits to user space"
fi

# beside COMMAND...: what a process beside vmctl says is kept.
beside() {
	"$@" >>"$tmp/beside" 2>&1
}

if asked small; then
	: >"$tmp/beside"
	guest "entropy, a port, the balloon" 0 "^guest: rng virtio_rng.0 32
^guest: port agent
^guest: heard question
^guest: gave
^guest: got back" small --memory 128M --rng --balloon=64M --port "agent=$tmp/agent" \
		--stats="$tmp/stats"
	await says 1 "guest: port"
	echo question | beside timeout 300 "$GUESTS/tool" unix "$tmp/agent"
	finish "$name"
	cat "$tmp/stats" "$tmp/beside" >"$tmp/out"
	printf '%s\n' "^answer to question" "^balloon_target 67108864" "^balloon_given [1-9]" \
		"^balloon_reported [1-9]" "^guest_available [1-9]" "^guest_memory [1-9]" >"$tmp/want"
	[ ! -e "$tmp/agent" ]
	got=$? want=0
	verdict "what is known on the host of port and balloon"
fi

if asked console; then
	# Linux opens its console early, and reads there what was typed before, or is typed now.
	name="virtio console" want=0
	printf '%s\n' "^guest: asks" "^guest: read typed" "^guest: read late" >"$tmp/want"
	mkfifo "$tmp/keys" && exec 3<>"$tmp/keys"
	input=$tmp/keys
	echo typed >&3
	start --kernel "$LINUX" --initrd "$INITRD" --console virtio --port "agent=$tmp/agent" \
		--append "console=hvc0 panic=-1 quiet task=typed"
	input=
	await says 1 "guest: read typed" && echo late >&3
	finish "$name"
	exec 3>&-
	rm "$tmp/keys"
fi

# fetch NAME ADDRESS SERVER ADDRESS-OPTION ARGUMENT...: the guest fetches a file, and serves one.
fetch() {
	name=$1 url=$4
	mkfifo "$tmp/keys"
	input=$tmp/keys
	want=0
	printf '%s\n' "^guest: address inet $2" "^guest: file $(sha256sum <"$tmp/www/file" |
		cut -d' ' -f1)" "^a page of the guest" >"$tmp/want"
	append="$quiet task=net server=$3 wait=1 $5"
	shift 5
	start --kernel "$LINUX" --initrd "$INITRD" --append "$append" "$@"
	exec 3>"$tmp/keys"
	prepare
	await says 1 "guest: serves"
	timeout 300 wget -q -O - "$url/page" >"$tmp/page" 2>&1
	echo >&3
	exec 3>&-
	# Now, as vmctl's own output would overwrite it.
	await gone
	cat "$tmp/page" >>"$tmp/out"
	finish "$name"
	input=
	rm "$tmp/keys"
}

if asked net; then
	mkdir "$tmp/www"
	head -c 3000000 /dev/urandom >"$tmp/www/file"
	serve "$tmp/www"
	prepare() {
		:
	}
	fetch "network, user" 10.0.2.15 10.0.2.2:8000 http://127.0.0.1:8001 "" \
		--net user,forward=8001:80
	prepare() {
		await test -e /sys/class/net/vmtap0
		ip addr add 192.168.77.1/24 dev vmtap0
		ip link set vmtap0 up
	}
	fetch "network, TAP" 192.168.77.2 192.168.77.1:8000 http://192.168.77.2 \
		address=192.168.77.2 --net tap=vmtap0
	served_enough
	start --kernel "$mb" --append hang --net tap=vmtap0 --grace 0
	holder=$pid
	await says 1 ready
	vm "TAP interface in use" 75 "another process uses the interface vmtap0" --kernel "$mb" \
		--append off --net tap=vmtap0
	kill -s TERM $holder
	wait $holder
fi

# several NAME QUEUES OPTIONS STATISTICS PATTERNS: Debian's kernel fetches by each of its two
# processors. (It resets the card at its end, which has one queue then.)
several() {
	name=$1 want=0
	sum=$(sha256sum <"$tmp/www/file" | cut -d' ' -f1)
	statistics=$4
	{
		echo "^guest: queues $2"
		printf '%s\n' "^guest: file 0 $sum" "^guest: file 1 $sum"
		printf '%s\n' "$5"
	} >"$tmp/want"
	start --kernel "$STOCK/vmlinuz" --initrd "$STOCK/virtio-stock.gz" --memory 256M --cpus 2 \
		--append "$quiet task=queues server=192.168.78.1:8000 address=192.168.78.2" \
		--net "tap=vmtap1$3" --stats="$tmp/stats"
	prepare
	finish "$name"
	cp "$tmp/stats" "$tmp/out"
	printf '%s\n' "$statistics" >"$tmp/want"
	got=0
	verdict "$name: what vmctl has passed"
}

if asked queues && [ -n "${STOCK:-}" ]; then
	mkdir -p "$tmp/www"
	head -c 3000000 /dev/urandom >"$tmp/www/file"
	serve "$tmp/www"
	prepare() {
		await test -e /sys/class/net/vmtap1
		ip addr add 192.168.78.1/24 dev vmtap1
		ip link set vmtap1 up
	}
	path=/sys/class/net/eth0/queues
	listed=$([ ! -e /dev/vhost-net ] || echo ", vhost")
	# Requests and answers of each processor by its own queue; a frame may have 64K of a file.
	several "two queues" "$path/rx-0 $path/rx-1 $path/tx-0 $path/tx-1" ,queues=2,vhost=off \
		"^net0_vhost 0\$
^net0_received_0 [1-9][0-9]
^net0_received_1 [1-9][0-9]
^net0_sent_0 [1-9][0-9]
^net0_sent_1 [1-9][0-9]" "^guest: interrupts 0 [1-9]
^guest: interrupts 1 [1-9]"
	several "one queue" "$path/rx-0 $path/tx-0[[:space:]]*\$" ,vhost=off "^net0_queues 1\$
^net0_vhost 0\$
^net0_received_0 [1-9][0-9]
^net0_sent_0 [1-9][0-9]" "^guest: interrupts 0 [1-9]"
	# What the kernel passes vmctl does not see. It is what there is without being asked for.
	if [ -e /dev/vhost-net ]; then
		ends "queues that the kernel serves" 0 "^# the kernel has passed frames
^ok 1 - served
^ok 2 - hostile" "$GUESTS/test_net_vhost"
		several "two queues, by vhost" "$path/rx-0 $path/rx-1 $path/tx-0 $path/tx-1" \
			,queues=2 "^net0_vhost 1\$
^net0_received_0 0\$
^net0_received_1 0\$
^net0_sent_0 0\$
^net0_sent_1 0\$" "^guest: interrupts 0 [1-9]
^guest: interrupts 1 [1-9]"
		several "one queue, by vhost" "$path/rx-0 $path/tx-0[[:space:]]*\$" ,vhost=on \
			"^net0_queues 1\$
^net0_vhost 1\$
^net0_received_0 0\$
^net0_sent_0 0\$" "^guest: interrupts 0 [1-9]"
	else
		vm "vhost of a host that has none" 69 \
			"net tap: /dev/vhost-net: No such file.*modprobe vhost_net" --kernel "$mb" \
			--append off --net tap=vmtap1,vhost=on
	fi
	served_enough
	start --kernel "$mb" --append hang --net tap=vmtap1 --grace 0
	holder=$pid
	await says 1 ready
	vm "two queues of an interface that was made with one" 69 \
		"vmtap1 has one queue, not 2: make it anew by .*multi_queue" --kernel "$mb" \
		--append off --net tap=vmtap1,queues=2
	kill -s TERM $holder
	wait $holder
	start --kernel "$mb" --append hang --net tap=vmtap1,queues=2 --grace 0
	holder=$pid
	await says 1 ready
	vm "two queues of an interface in use" 75 "another process uses the interface vmtap1" \
		--kernel "$mb" --append off --net tap=vmtap1,queues=2
	kill -s TERM $holder
	wait $holder
	export VMM_RUN="$tmp/run"
	ctl "a VM without a card" 0 "" start hot --kernel "$mb" --append hang --grace 0 --pci
	ctl "attach of two queues" 0 "^net0\$" attach hot nic tap=vmtap1,queues=2
	ctl "which are listed" 0 "tap vmtap1, 2 queues$listed\$" attach hot
	holds "and there" test -e /sys/class/net/vmtap1/queues/rx-1
	ctl "detach of two queues" 0 "" detach hot net0
	holds "which are gone" test ! -e /sys/class/net/vmtap1
	ctl "its end" 0 "" stop hot --force --timeout 0
fi

if asked vsock && [ -e /dev/vhost-vsock ]; then
	: >"$tmp/listener"
	"$GUESTS/tool" listen 1234 >"$tmp/listener" &
	await grep -q listening "$tmp/listener"
	guest "sockets of the host" 0 "^guest: vsock hello" "sockets vport=1234" --vsock 42
	finish "$name"
fi

# Killed at any moment: what the guest was told is flushed is there.
if asked kill; then
	for round in 1 2 3 4 5; do
		# A disk of its own: of the one before the kernel may not have let go yet.
		numbers=$tmp/numbers$round
		head -c 262144 /dev/zero >"$numbers"
		guest "killed, $round" 137 "^safe" numbers --disk "$numbers"
		await says $((1 + round * 7)) "^safe"
		sleep 0.$(($(od -An -N1 -tu1 /dev/urandom) % 10))
		kill -s KILL $pid
		await gone
		# A line that is whole.
		safe=$(tr -d '\r' <"$tmp/out" | sed -n '$!s/^safe //p' | tail -n 1)
		"$GUESTS/tool" check "$numbers" "$safe" >>"$tmp/out" 2>&1 ||
			echo "nothing lost" >>"$tmp/want"
		finish "$name"
	done
fi

# A file system whose device can lose its power.
power_supply() {
	mkdir -p "$tmp/power" && mkfs.ext4 -q -F -O ^metadata_csum,^64bit /dev/ram0 &&
		mount -t ext4 /dev/ram0 "$tmp/power" && cp "$tmp/numbers" "$tmp/power/numbers" &&
		sync
}

# killed TITLE STATUS PATTERN ROUNDS MODE IMAGE [OPTION...] -- VM-OPTION...: so many are killed.
killed() {
	title=$1 want=$2 times=$4 mode=$5 image=$6
	echo "$3" >"$tmp/want"
	shift 6
	# What comes before the two dashes is the killer's.
	timeout 2400 "$GUESTS/killer" "$times" "$seed" "$mode" "$image" "$@" >"$tmp/out" 2>&1 \
		</dev/null
	got=$?
	seed=$(((seed + 1) % 4294967296))
	echo "# $(tail -n 1 "$tmp/out")"
	verdict "$title"
}

# served DEVICE: the same of an image that qemu-nbd serves, which is not killed, but has no power.
served() {
	rm "$tmp/power/numbers"
	qemu-img create -q -f qcow2 "$tmp/power/numbers" 256k
	for mode in flush through; do
		killed "killed, and no power: $mode, qcow2" 0 "$all" $((rounds / 8)) $mode "$tmp/numbers" \
			-p "$1" "$tmp/power" "$tmp/power/numbers" \
			-x "qemu-img convert -f qcow2 -O raw $tmp/power/numbers $tmp/numbers" -- \
			"$VMCTL" run --memory 16M --kernel "$GUESTS/numbers.elf" \
			--disk "$tmp/power/numbers,format=qcow2"
	done
}

# Likewise by a guest that has eight writes under way, and says what is safe as often as it can.
if asked killed; then
	seed=${SEED:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}
	all="^killed [0-9]* times, told [0-9]* times, lost 0 numbers"
	set -- "$VMCTL" run --memory 16M --kernel "$GUESTS/numbers.elf"
	head -c 262144 /dev/zero >"$tmp/numbers"
	rounds=${ROUNDS:-200}
	killed "killed $rounds times: what was flushed is there" 0 "$all" "$rounds" flush \
		"$tmp/numbers" -- "$@" --disk "$tmp/numbers"
	killed "killed, of a guest that does not flush" 0 "$all" $((rounds / 8)) through \
		"$tmp/numbers" -- "$@" --disk "$tmp/numbers"
	if [ -b /dev/ram0 ]; then
		: >"$tmp/want"
		want=0
		power_supply >"$tmp/out" 2>&1
		got=$?
		verdict "a file system whose device can lose its power"
		for mode in flush through; do
			killed "killed, and no power: $mode" 0 "$all" $((rounds / 8)) $mode \
				"$tmp/power/numbers" -p /dev/ram0 "$tmp/power" "$tmp/power/numbers" -- "$@" \
				--disk "$tmp/power/numbers"
		done
		# What nobody flushed is lost, or the cases above would mean nothing.
		killed "killed, and no power: a guest that believes too early" 1 "^lost: " 5 lie \
			"$tmp/power/numbers" -p /dev/ram0 "$tmp/power" "$tmp/power/numbers" -- "$@" \
			--disk "$tmp/power/numbers"
		[ ! -x /usr/bin/qemu-nbd ] || served /dev/ram0
		umount "$tmp/power"
	fi
fi

# no_server: qemu-nbd ends with its VM.
no_server() {
	! pidof qemu-nbd >/dev/null
}

# image NAME OPTION...: a qcow2 image.
image() {
	(cd "$tmp" && qemu-img create -q -f qcow2 "$@")
}

# Images that qemu-nbd serves, where it is.
if asked qcow2 && command -v qemu-nbd >/dev/null; then
	qemu-img convert -O qcow2 "$tmp/disk" "$tmp/base.qcow2"
	image -b base.qcow2 -F qcow2 over.qcow2
	name="an overlay" want=0
	cat >"$tmp/want" <<-EOF
		^guest: sectors 8192 2048
		^guest: read-only 0 1
		^guest: read $(sha256sum <"$tmp/disk" | cut -d' ' -f1)
		^guest: written
		^guest: refused
	EOF
	qemu-img convert -O qcow2 "$tmp/disk2" "$tmp/disk2.qcow2"
	start --kernel "$LINUX" --initrd "$INITRD" --append "$quiet task=disks" \
		--disk "$tmp/over.qcow2,format=qcow2" --disk "$tmp/disk2.qcow2,ro,format=qcow2"
	finish "$name"
	holds "its server ends with it" no_server
	ends "the overlay is whole" 0 "No errors" qemu-img check "$tmp/over.qcow2"
	ends "what it lies on is as it was" 0 "identical" qemu-img compare -F raw \
		"$tmp/base.qcow2" "$tmp/disk"
	dd if="$tmp/disk" of="$tmp/half" bs=2097152 count=1 2>/dev/null
	cat "$tmp/half" "$tmp/half" >"$tmp/twice"
	ends "what the guest wrote is there" 0 "identical" qemu-img compare -F raw \
		"$tmp/over.qcow2" "$tmp/twice"
	export VMM_RUN="$tmp/run"
	image grows.qcow2 1M
	guest "an image that grows under a guest, discard" 0 "^guest: size 2048 4096
^guest: discarded
^guest: zeros 0" resize --name grows --disk "$tmp/grows.qcow2,format=qcow2"
	await says 1 "guest: waits"
	"$VMCTL" set grows --disk "0=2M,$tmp/grows.qcow2" 2>"$tmp/set" || cat "$tmp/set" >>"$tmp/want"
	finish "$name"
	ends "has grown" 0 "virtual size: 2 MiB" qemu-img info "$tmp/grows.qcow2"
	# What is wrong is said before the guest starts.
	image -b base.qcow2 -F qcow2 loop.qcow2
	image -u -b loop.qcow2 -F qcow2 loop2.qcow2 4M
	image -u -b loop2.qcow2 -F qcow2 loop.qcow2 4M
	image -u -b none.qcow2 -F qcow2 lost.qcow2 4M
	set -- --kernel "$mb" --append off
	vm "no image" 66 "none.qcow2: No such file" "$@" --disk "$tmp/none.qcow2,format=qcow2"
	vm "an image that lies on none" 66 "disk.*none.qcow2.*No such file" "$@" \
		--disk "$tmp/lost.qcow2,format=qcow2"
	vm "images in a circle" 65 "disk.*infinite loop" "$@" --disk "$tmp/loop.qcow2,format=qcow2"
	vm "a raw image" 65 "not in qcow2 format" "$@" --disk "$tmp/disk,format=qcow2"
	start --kernel "$mb" --append hang --disk "$tmp/over.qcow2,format=qcow2" --grace 0
	holder=$pid
	await says 1 ready
	vm "an image in use" 75 "over.qcow2: another process uses it" "$@" \
		--disk "$tmp/over.qcow2,format=qcow2"
	vm "an image that others lie on, in use" 75 "another process" "$@" \
		--disk "$tmp/base.qcow2,format=qcow2"
	kill -s TERM $holder
	wait $holder
	vm "an image that is free again" 0 "^multiboot" "$@" --disk "$tmp/over.qcow2,format=qcow2"
	# While it runs: who has such a disk can have others.
	ctl "a VM with an image" 0 "" start hot --kernel "$mb" --append hang --grace 0 \
		--disk "$tmp/over.qcow2,format=qcow2"
	ctl "attach of another" 0 "^disk1\$" attach hot disk "$tmp/base.qcow2,ro,format=qcow2"
	ctl "which is listed" 0 "base.qcow2, qcow2, read-only" attach hot
	ctl "a larger one" 0 "" set hot --disk "0=8M,$tmp/over.qcow2"
	ctl "never a smaller one" 1 "it can only grow" set hot --disk "0=4M,$tmp/over.qcow2"
	ctl "nor one that is read only" 1 "is read-only" set hot --disk "1=8M,$tmp/base.qcow2"
	ctl "attach of one that is none" 1 "not in qcow2 format" attach hot disk \
		"$tmp/disk,format=qcow2"
	ctl "detach of one" 0 "" detach hot disk1
	ctl "its end" 0 "" stop hot --force --timeout 0
	holds "no server is left" no_server
	ends "its image has grown" 0 "virtual size: 8 MiB" qemu-img info "$tmp/over.qcow2"
	ctl "a VM without an image" 0 "" start cold --kernel "$mb" --append hang --grace 0 --pci
	ctl "attach to it" 1 "the VM has given up what it takes" attach cold disk \
		"$tmp/over.qcow2,format=qcow2"
	ctl "its end, too" 0 "" stop cold --force --timeout 0
	holds "no server of what was refused is left" no_server
fi

# logged COUNT PATTERN: so many lines of what the guest called hot has said match.
logged() {
	[ "$(grep -c -e "$2" "$VMM_RUN/hot.log")" -ge "$1" ]
}

# guest_says PATTERN [COUNT]: the guest does so, in time.
guest_says() {
	: >"$tmp/want"
	want=0 got=0
	await logged "${2:-1}" "$1" || got=1
	cp "$VMM_RUN/hot.log" "$tmp/out"
	verdict "$1${2:+, $2 times}"
}

# hot_disk COUNT: a disk comes, is read and written, and goes.
hot_disk() {
	head -c 1048576 /dev/urandom >"$tmp/hot"
	sum=$(sha256sum <"$tmp/hot" | cut -d' ' -f1)
	await logged "$1" "guest: waits for a disk"
	(cd "$tmp" && exec "$VMCTL" attach hot disk hot) >"$tmp/out" 2>&1
	got=$? want=0
	echo "^disk0\$" >"$tmp/want"
	verdict "attach of a disk, $1"
	guest_says "guest: read $sum"
	guest_says "guest: written" "$1"
	ctl "it is locked" 1 "disk $tmp/hot: another process uses it: end that" \
		attach hot disk "$tmp/hot"
	ctl "it is listed" 0 "^disk0  *2  $tmp/hot\$" attach hot
	ctl "detach of a disk, $1" 0 "" detach hot disk0 --timeout 250
	guest_says "guest: went vda" "$1"
	# What was written and flushed: the first half again.
	dd if="$tmp/hot" bs=524288 count=1 2>/dev/null >"$tmp/half"
	cat "$tmp/half" "$tmp/half" | cmp -s - "$tmp/hot"
	got=$? want=0
	: >"$tmp/want"
	verdict "the image of the disk that has gone, $1"
	vm "which is free again, $1" 0 "^multiboot" --kernel "$mb" --append off --disk "$tmp/hot"
}

# Debian's kernel has ACPI hotplug, the small one has not.
if asked hotplug && [ -n "${STOCK:-}" ]; then
	export VMM_RUN="$tmp/run"
	mkdir -p "$tmp/www"
	head -c 300000 /dev/urandom >"$tmp/www/file"
	serve "$tmp/www"
	# With a network, which the process of a VM without one has given up.
	ctl "a VM without a disk" 0 "" start hot --kernel "$STOCK/vmlinuz" --memory 256M --net user \
		--initrd "$STOCK/virtio-stock.gz" --on-reset exit \
		--append "$quiet task=hotplug server=10.0.2.2:8000"
	hot_disk 1
	# In the slot that the first one has left.
	hot_disk 2
	await logged 1 "guest: waits for a card"
	ctl "attach of a card" 0 '^{"id":"net1","slot":2}$' attach --json hot nic user
	guest_says "guest: file $(sha256sum <"$tmp/www/file" | cut -d' ' -f1)"
	await logged 1 "guest: has fetched"
	ctl "detach of a card" 0 '^{"id":"net1"}$' detach --json hot net1 \
		--timeout 250
	guest_says "guest: went eth1"
	guest_says "guest: slots 31"
	ended() {
		! "$VMCTL" show hot >/dev/null 2>&1
	}
	await ended
	got=$? want=0
	: >"$tmp/want"
	verdict "the end of its guest"
	served_enough
fi

# vCPUs that come and go, which the guest brings up and lets go.
if asked cpus && [ -n "${STOCK:-}" ]; then
	export VMM_RUN="$tmp/run"
	cpus_are() {
		grep -a "guest: cpus" "$tmp/run/cpus.log" | tail -n 1 | grep -q "cpus $1.\$"
	}
	ctl "a VM of one vCPU" 0 "" start cpus --kernel "$STOCK/vmlinuz" --memory 160M \
		--initrd "$STOCK/virtio-stock.gz" --max-cpus 4 --append "$quiet task=cpus"
	holds "which has one" cpus_are 0
	ctl "three" 0 "" set cpus --vcpus 3
	holds "are brought up" cpus_are 0-2
	ctl "one" 0 "" set cpus --vcpus 1 --timeout 250
	holds "is what the guest has left" cpus_are 0
	ctl "four" 0 "" set cpus --vcpus 4
	holds "are brought up, too" cpus_are 0-3
	ctl "five" 1 "the VM can have 1 to 4 vCPUs" set cpus --vcpus 5
	ctl "its end" 0 "" stop cpus --force --timeout 0
fi

# Memory that comes and goes, and what of it is the host's again.
if asked memory && [ -n "${STOCK:-}" ]; then
	export VMM_RUN="$tmp/run"
	guest_memory() {
		# One that has come to its end.
		sed -n 's/.*guest: memory \([0-9]*\)[^0-9].*/\1/p' "$tmp/run/memory.log" | tail -n 1
	}
	# within LEAST MOST: what the guest has, in KiB.
	within() {
		now=$(guest_memory)
		[ "${now:-0}" -ge "$1" ] && [ "$now" -le "$2" ]
	}
	# kib FIELD: what its process has in memory (VmRSS), or had at most (VmHWM).
	kib() {
		sed -n "s/$1:[^0-9]*\([0-9]*\).*/\1/p" "/proc/$(field memory pid)/status"
	}
	has_used() {
		[ "$(grep -c "guest: has used" "$tmp/run/memory.log")" -ge "$1" ]
	}
	below() {
		[ "$(kib VmRSS)" -lt "$1" ]
	}
	ctl "a VM of 160M that can have 672M" 0 "" start memory --kernel "$STOCK/vmlinuz" \
		--memory 160M,max=672M --balloon --initrd "$STOCK/virtio-stock.gz" \
		--append "$quiet task=memory memhp_default_state=online_movable"
	await within 1 163840
	begin=$(guest_memory) small=$(kib VmRSS)
	# Forget the most until now (proc(5)): what the guest leaves free it gives back in seconds.
	echo 5 >"/proc/$(field memory pid)/clear_refs"
	ctl "its memory" 0 "^memory  *160M" show memory
	ctl "256M more" 0 "" set memory --memory 416M
	holds "are the guest's" within $((begin + 260000)) $((begin + 262144))
	ctl "and so the host knows" 0 "^memory_plugged 268435456\$
^memory_requested 268435456\$
^memory_region 536870912\$" stats memory
	ctl "and tells others" 0 "^memory  *416M" show memory
	holds "the guest uses it" has_used 1
	large=$(kib VmHWM)
	echo "# resident: $small KiB of $begin, $large KiB of $(guest_memory)"
	holds "and the host gives it" test "$large" -ge $((small + 100000))
	ctl "more than there can be" 1 "the VM can have 672 MiB, and cannot have more" \
		set memory --memory 673M
	ctl "128M less" 0 "" set memory --memory 288M
	holds "are the guest's no more" within $((begin + 130000)) $((begin + 131072))
	ctl "all of it gone, and of the first some" 0 "" set memory --memory 150M
	holds "leaves what there was" within 1 "$begin"
	# The guest counts its memory before it tells the device.
	unplugged() {
		"$VMCTL" stats memory | grep -q '^memory_plugged 0$'
	}
	await unplugged
	ctl "and asks the balloon for the rest" 0 "^memory_plugged 0\$
^balloon_target 10485760\$" stats memory
	holds "the host has it back" below $((large - 100000))
	ctl "all that there can be" 0 "" set memory --memory 672M
	holds "is the guest's" within $((begin + 520000)) $((begin + 524288))
	ctl "its reset" 0 "" reset memory
	# Only a guest that has begun anew does that once more.
	holds "begins anew, and uses it" has_used 2
	holds "and has the rest again" within $((begin + 520000)) $((begin + 524288))
	ctl "its end" 0 "" stop memory --force --timeout 0
fi

# Debian's kernel, whose drivers are modules, has some that the small one has not.
if asked stock && [ -n "${STOCK:-}" ]; then
	mkdir "$tmp/ro" "$tmp/rw"
	echo "from the host" >"$tmp/ro/hello"
	ln -s "$tmp/ro/hello" "$tmp/rw/out"
	name="Debian's kernel: shared folders, panic" want=7
	cat >"$tmp/want" <<-EOF
		^guest: reads from the host
		^guest: sum $(sha256sum </bin/busybox | cut -d' ' -f1)
		^guest: entries link moved out
		^guest: stays inside
		the guest panicked
	EOF
	start --kernel "$STOCK/vmlinuz" --initrd "$STOCK/virtio-stock.gz" --memory 256M --append \
		"$quiet task=stock" --share "ro=$tmp/ro,ro" --share "rw=$tmp/rw" --pvpanic
	finish "$name"
	cmp /bin/busybox "$tmp/rw/moved" && [ ! -u "$tmp/rw/moved" ]
	got=$? want=0
	: >"$tmp/want"
	verdict "what the guest wrote to the folder"
fi
echo "1..$n"
