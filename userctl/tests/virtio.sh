#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# vmctl's devices under a Linux guest that uses them, as TAP. Runs where a hypervisor is:
#	VMCTL=/vmctl GUESTS=/guests LINUX=/bzImage INITRD=/virtio.gz VMM_DEV=/dev/vmm sh virtio.sh
# LINUX has virtio built in; INITRD is busybox with guests/virtio-init, which does what "task=" on
# its command line says. STOCK, if set, is a
# folder with Debian's kernel and an initrd with its modules. Arguments name the cases to run; without any it is all of them.
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
	echo question | beside timeout 60 "$GUESTS/tool" unix "$tmp/agent"
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
	timeout 60 wget -q -O - "$url/page" >"$tmp/page" 2>&1
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
	httpd -f -p 8000 -h "$tmp/www" &
	server=$!
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
	kill $server
	start --kernel "$mb" --append hang --net tap=vmtap0 --grace 0
	holder=$pid
	await says 1 ready
	vm "TAP interface in use" 75 "another process uses the interface vmtap0" --kernel "$mb" \
		--append off --net tap=vmtap0
	kill -s TERM $holder
	wait $holder
fi

if asked vsock && [ -e /dev/vhost-vsock ]; then
	"$GUESTS/tool" listen 1234 >"$tmp/listener" &
	guest "sockets of the host" 0 "^guest: vsock hello" "sockets vport=1234" --vsock 42
	finish "$name"
fi

# Killed at any moment: what the guest was told is flushed is there.
if asked kill; then
	for round in 1 2 3 4 5; do
		head -c 262144 /dev/zero >"$tmp/numbers"
		guest "killed, $round" 137 "^safe" numbers --disk "$tmp/numbers"
		await says $((1 + round * 7)) "^safe"
		sleep 0.$(($(od -An -N1 -tu1 /dev/urandom) % 10))
		kill -s KILL $pid
		await gone
		# A line that is whole.
		safe=$(tr -d '\r' <"$tmp/out" | sed -n '$!s/^safe //p' | tail -n 1)
		"$GUESTS/tool" check "$tmp/numbers" "$safe" >>"$tmp/out" 2>&1 ||
			echo "nothing lost" >>"$tmp/want"
		finish "$name"
	done
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
	ctl "detach of a disk, $1" 0 "" detach hot disk0
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
	httpd -f -p 8000 -h "$tmp/www" &
	server=$!
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
	ctl "detach of a card" 0 '^{"id":"net1"}$' detach --json hot net1
	guest_says "guest: went eth1"
	guest_says "guest: slots 31"
	ended() {
		! "$VMCTL" show hot >/dev/null 2>&1
	}
	await ended
	got=$? want=0
	: >"$tmp/want"
	verdict "the end of its guest"
	kill $server
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
	ctl "one" 0 "" set cpus --vcpus 1
	holds "is what the guest has left" cpus_are 0
	ctl "four" 0 "" set cpus --vcpus 4
	holds "are brought up, too" cpus_are 0-3
	ctl "five" 1 "the VM can have 1 to 4 vCPUs" set cpus --vcpus 5
	ctl "its end" 0 "" stop cpus --force --timeout 0
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
