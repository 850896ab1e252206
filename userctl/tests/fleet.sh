#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Many VMs, started detached from definitions, as TAP. Runs as root where a hypervisor is:
#	VMCTL=/vmctl GUESTS=/guests VMM_DEV=/dev/vmm sh fleet.sh [N]
# shellcheck disable=SC2034,SC2154 # variables are those of lib.sh
. "$(dirname "$0")/lib.sh"
many=${1:-50}
home=$tmp/home
export VMM_RUN="$tmp/run" XDG_CONFIG_HOME="$home"
mkdir -p "$home/vmm"
umask 022

# define NAME KEY=VALUE...
define() {
	file=$home/vmm/$1.ini
	shift
	{
		echo "[vm]"
		echo "kernel = $GUESTS/pvh.elf"
		echo "memory = 4M"
		printf '%s\n' "$@"
	} >"$file"
}

listed() {
	"$VMCTL" list | grep -c '  *running  *' | grep -qx "$1"
}

logged() {
	grep -q -e "$2" "$tmp/run/$1.log"
}

gone_vm() {
	! "$VMCTL" show "$1" >/dev/null 2>&1
}

"$VMCTL" events --json >"$tmp/events" 2>"$tmp/events.err" &
subscriber=$!
# It hears of VMs from when it listens.
heard() {
	"$VMCTL" run --kernel "$mb" --memory 4M --append off >/dev/null 2>&1 </dev/null
	[ -s "$tmp/events" ]
}
holds "a subscriber" heard

# ---- definitions that are wrong
printf '[vm]\nkernel = x\n\ncpus = many\n' >"$home/vmm/bad.ini"
ctl "a value that is none" 65 "$home/vmm/bad.ini:4: cpus: cpus must be 1 to 64" start bad
printf '[vm]\nkernel = x\ncolour = red\n' >"$home/vmm/bad.ini"
ctl "a key that is none" 65 "$home/vmm/bad.ini:3: colour: there is no such key" start bad
printf '[vm]\nkernel = x\nkernel = y\n' >"$home/vmm/bad.ini"
ctl "a key twice" 65 "bad.ini:3: kernel: it is given twice" start bad
printf '[vm]\nkernel = x\nrng = maybe\n' >"$home/vmm/bad.ini"
ctl "a flag that is neither" 65 "bad.ini:3: rng: its value can only be yes" start bad
printf '[vm]\nkernel\n' >"$home/vmm/bad.ini"
ctl "a line that is none" 65 "bad.ini:2: neither" start bad
printf '[disk]\nkernel = x\n' >"$home/vmm/bad.ini"
ctl "another section" 65 "bad.ini:2: kernel: all keys stand in the section" start bad
rm "$home/vmm/bad.ini"
ctl "no definition" 66 "VM bad has no definition" start bad
ctl "a kernel that is missing" 66 "kernel $tmp/none: No such file" \
	start bad --kernel "$tmp/none"
holds "nothing is left of that" test ! -e "$tmp/run/bad.sock"

# ---- a fleet
i=0
: >"$tmp/failed"
while [ $i -lt "$many" ]; do
	i=$((i + 1))
	define "vm$i" "append = hang" "cpu-limit = 50"
	"$VMCTL" start "vm$i" >>"$tmp/failed" 2>&1 || echo "vm$i: $?" >>"$tmp/failed"
done
cp "$tmp/failed" "$tmp/out"
: >"$tmp/want"
want=0 got=$(wc -l <"$tmp/failed")
verdict "$many VMs start"
holds "$many VMs are listed as running" listed "$many"
ctl "one of them" 0 "^name  *vm1\$
^state  *running
^cpu  *at most 50%
^given  *0
^memory  *4M" show vm1
ctl "another one of that name" 75 "vm1 is running already" start vm1
ctl "a name that nobody has" 1 "there is no VM \"nobody\":
^ID .*CPU%
 vm1 " show nobody
ctl "a command for nobody" 1 "no VM" stop nobody

# ---- consoles
define talk "append = echo" "cpu-limit = 60"
ctl "one that talks" 0 "" start talk
holds "its console is logged" logged talk ready
mkfifo "$tmp/keys"
exec 4<>"$tmp/keys"
"$VMCTL" console talk <"$tmp/keys" >"$tmp/one" 2>&1 4>&- &
one=$!
"$VMCTL" console talk </dev/null >"$tmp/two" 2>&1 4>&- &
two=$!
both() {
	grep -q "$1" "$tmp/one" && grep -q "$1" "$tmp/two"
}
holds "two readers see what was before" both ready
printf 'hello' >&4
holds "and what one of them types" both hello
kill $two
printf 'again' >&4
holds "one goes, the other stays" grep -q helloagain "$tmp/one"

# ---- states
ctl "pause" 0 "" pause talk
ctl "pause twice" 1 "paused already" pause talk
ctl "stop of a paused one" 1 "VM talk is paused" stop talk
ctl "resume" 0 "" resume talk
ctl "resume twice" 1 "not paused" resume talk

# ---- what it may use, by its own figures
busy() {
	[ "$(field talk uptime_ns)" -gt $((up + 1500000000)) ]
}
# quarter: what it has run of a while is within its limit.
quarter() {
	up=$(field talk uptime_ns) ran=$(field talk runtime_ns)
	await busy
	ran=$(($(field talk runtime_ns) - ran)) up=$(($(field talk uptime_ns) - up))
	echo "# ran $((ran / 1000)) us of $((up / 1000)) us"
	[ "$ran" -le $((up / 4 + 60000000)) ] && [ "$ran" -ge $((up / 50)) ]
}
ctl "a limit while it runs" 0 "" set talk --cpu-limit 25
# When the host stands still for a second, that counts as its time, and is waited for afterwards.
for _ in 1 2 3 4 5 6 7 8; do
	! quarter || break
done
holds "a greedy one has no more than a quarter" test "$ran" -le $((up / 4 + 60000000))
holds "and goes on" test "$ran" -ge $((up / 50))
ctl "no limit that is none" 64 "cpu-limit must be" set talk --cpu-limit much
ctl "nothing to set" 64 "set what" set talk
ctl "memory without a balloon" 1 "no balloon" set talk --memory 2M
ctl "a disk that is not there" 1 "no such disk" set talk --disk 0=8M
head -c 1048576 /dev/zero >"$tmp/disk"
define disk "append = hang" "disk = $tmp/disk" "balloon = 1M"
ctl "one with a disk and a balloon" 0 "" start disk
ctl "a larger disk" 0 "" set disk --disk 0=2M
holds "has grown" test "$(stat -c %s "$tmp/disk")" = 2097152
ctl "a smaller one" 1 "can only grow" set disk --disk 0=1M
ctl "memory by the balloon" 0 "" set disk --memory 2M
ctl "what it is asked for" 0 "^balloon_target 2097152\$
^exits [1-9]" stats disk
ctl "more than there is" 1 "cannot have more" set disk --memory 1G

# ---- names
ctl "rename" 0 "" rename disk store
ctl "by its new name" 0 "^balloon_target" stats store
ctl "its old one" 1 "no VM \"disk\"" stats disk
ctl "a name that another has" 1 "vm1" rename store vm1
ctl "stop by force" 0 "" stop store --force --timeout 0

# ---- devices, of a guest that knows nothing of their coming and going
ctl "attach without a bus" 1 "no PCI bus: start it with --pci" attach vm1 disk "$tmp/disk"
# With a network, which the process of a VM without one has given up.
define plug "append = hang" "disk = $tmp/disk" "net = user" "cpu-limit = 60"
head -c 1048576 /dev/zero >"$tmp/spare"
ctl "one with a disk" 0 "" start plug
holds "which is ready" logged plug ready
ctl "attach of a file that is missing" 1 "disk $tmp/none: No such file.*truncate" \
	attach plug disk "$tmp/none"
ctl "attach of a file in use" 1 "disk $tmp/disk: another process uses it: end that" \
	attach plug disk "$tmp/disk"
ctl "attach of a network that is none" 1 "net must be user or tap" attach plug nic bridge
(cd "$tmp" && exec "$VMCTL" attach --json plug disk spare,ro) >"$tmp/out" 2>&1
got=$? want=0
echo '^{"id":"disk1","slot":3}$' >"$tmp/want"
verdict "attach from its folder"
ctl "attach of a card" 0 "^net1\$" attach plug nic user,mac=02:00:00:00:00:07
ctl "what there is" 0 "^disk0  *1  $tmp/disk\$
^disk1  *3  $tmp/spare, read-only\$
^net0  *2  user\$
^net1  *4  user\$" attach plug
ctl "as JSON" 0 '^\[{"id":"disk0",.*"file":"'"$tmp/disk"'",.*{"id":"net0",.*"network":"user",' \
	attach plug --json
ctl "detach of what there is not" 1 "no disk or network card \"disk7\": it has disk0 disk1 net0 net1" \
	detach plug disk7
ctl "detach of what the guest has not seen" 0 "" detach plug disk1
ctl "and of a card" 0 '^{"id":"net1"}$' detach plug net1 --json
ctl "detach of what it does not let go" 1 "has not let go of disk0 within 1 s.*a reset takes" \
	detach plug disk0 --timeout 1
ctl "it has been asked" 0 "^disk0 .*, asked to go\$" attach plug
for _ in 1 2 3 4 5 6 7; do
	head -c 4096 /dev/zero >"$tmp/spare$_"
	"$VMCTL" attach plug disk "$tmp/spare$_" >>"$tmp/failed" 2>&1
done
ctl "attach of one too many" 1 "has 8 disks, and cannot have more: detach one first" \
	attach plug disk "$tmp/spare"
ctl "pause of it" 0 "" pause plug
ctl "detach from a paused one" 1 "VM plug is paused.*resume it" detach plug disk0
ctl "resume of it" 0 "" resume plug
"$VMCTL" detach plug disk0 --timeout 600 >"$tmp/waited" 2>&1 &
waiter=$!
# What was not asked to go stays.
without() {
	"$VMCTL" attach plug >"$tmp/devices" 2>/dev/null && grep -q "^disk1 " "$tmp/devices" &&
		! grep -q "^disk0 " "$tmp/devices"
}
asked_again() {
	"$GUESTS/say" "$tmp/run/plug.sock" '{"cmd":"info"}' | grep -q '"detaching":1'
}
holds "somebody waits for its disk to go" asked_again
ctl "its reset" 0 "" reset plug
wait $waiter
got=$? want=0
cp "$tmp/waited" "$tmp/out"
: >"$tmp/want"
verdict "takes the disk out"
holds "and comes up without it" without
ctl "whose file is free" 0 "" start other --kernel "$GUESTS/pvh.elf" --memory 4M --append hang \
	--disk "$tmp/disk"
ctl "the other's end" 0 "" stop other --force --timeout 0
ctl "its end" 0 "" stop plug --force --timeout 0

# ---- resets, ends
ctl "one that is reset" 0 "" start anew --kernel "$GUESTS/pvh.elf" --memory 4M --append hang \
	--cpus 16
resets() {
	while [ -e "$tmp/resets" ]; do
		"$VMCTL" reset anew || return 1
	done
}
: >"$tmp/resets"
resets >"$tmp/failed" 2>&1 &
resetter=$!
got=0 want=0
for _ in 1 2 3 4 5 6 7 8; do
	for _ in 1 2 3 4 5 6 7 8; do
		"$VMCTL" show anew >/dev/null 2>>"$tmp/failed" || got=$((got + 1))
	done
done
rm "$tmp/resets"
wait $resetter || got=$((got + 100))
cp "$tmp/failed" "$tmp/out"
: >"$tmp/want"
verdict "is there all the time"
ctl "it ends as ever" 0 "" stop anew --force --timeout 0
id=$(field talk id)
ctl "reset" 0 "" reset talk
another() {
	now=$(field talk id)
	[ -n "$now" ] && [ "$now" != "$id" ]
}
holds "it is a new one of the same name" another
again() {
	[ "$(grep -c ready "$tmp/one")" = 2 ]
}
holds "whose console goes on" again
"$VMCTL" wait talk >"$tmp/waited" 2>&1 &
waiter=$!
# waited_for NAME: somebody waits for its end.
waited_for() {
	"$GUESTS/say" "$tmp/run/$1.sock" '{"cmd":"info"}' | grep -q '"waiters":1'
}
holds "somebody waits for its end" waited_for talk
printf '.' >&4
wait $waiter
got=$? want=0
cp "$tmp/waited" "$tmp/out"
verdict "its end is waited for"
wait $one
got=$?
verdict "its console ends with it"
exec 4>&-
define button "append = wait" "cpu-limit = 60"
ctl "one that heeds its power button" 0 "" start button
holds "is ready" logged button ready
ctl "stop" 0 "" stop button --timeout 250

# ---- in the foreground
# foreground ARGUMENT...: vmctl run of a guest that heeds its power button; ended STATUS PATTERN NAME
foreground() {
	# Now, and not by a process that may come later: the last one was ready, too.
	: >"$tmp/foreground"
	"$VMCTL" run --kernel "$GUESTS/pvh.elf" --memory 4M --append wait "$@" \
		>"$tmp/foreground" 2>&1 </dev/null &
	plain=$!
}
ended() {
	wait $plain
	got=$? want=$1
	cp "$tmp/foreground" "$tmp/out"
	echo "$2" >"$tmp/want"
	verdict "$3"
}
foreground --name plain --pci --max-cpus 2
holds "one that runs in the foreground is ready" grep -q ready "$tmp/foreground"
ctl "its kinds of exits are listed" 0 '"exit_kinds":{.*"count":[1-9]' show --json plain
ctl "its counters" 0 "^vmctl_exits [1-9]" stats plain
ctl "its console is another terminal's" 1 "console of VM plain is where vmctl run was called" \
	console plain
ctl "another one of that name in the foreground" 75 "plain is running already" \
	run --kernel "$mb" --name plain
ctl "a disk for it" 0 "^disk0\$" attach plain disk "$tmp/spare"
ctl "which goes again" 0 "" detach plain disk0
ctl "another vCPU" 0 "" set plain --vcpus 2
ctl "another name for it" 0 "" rename plain simple
holds "which its socket has" test -S "$tmp/run/simple.sock"
ctl "stop of it" 0 "" stop simple --timeout 250
ended 0 ready "and it powers off"
holds "its socket is gone" test ! -e "$tmp/run/simple.sock"

foreground
holds "one without a name is ready" grep -q ready "$tmp/foreground"
id=$(field "vm-$plain" id)
ctl "its counters, by its id" 0 "^vmctl_exits [1-9]" stats "$id"
kill -s KILL $plain
wait $plain
holds "killed, it leaves its socket" test -S "$tmp/run/vm-$plain.sock"
ctl "which the next one removes" 0 "" run --kernel "$mb" --memory 4M --append off
holds "as nobody else would" test ! -e "$tmp/run/vm-$plain.sock"

export VMM_RUN="$tmp/missing/run"
foreground --name plain
export VMM_RUN="$tmp/run"
holds "one that can have no socket is ready" grep -q ready "$tmp/foreground"
ctl "nobody can be asked" 1 "plain has no control socket" stats plain
ctl "but the kernel presses its power button" 0 "" stop plain
ended 0 "plain: no control socket: .*missing/run: No such file" "and it powers off, too"

ctl "more vCPUs where there can be none" 1 "for good: start it with --max-cpus" \
	set vm3 --vcpus 2

# ---- what its vCPUs do
"$VMCTL" run --kernel "$GUESTS/pvh.elf" --memory 4M --name busy --append echo \
	>"$tmp/busy" 2>&1 </dev/null &
busy=$!
is_there() {
	"$VMCTL" show "$1" >/dev/null 2>&1
}
holds "a busy one" is_there busy
ctl "trace of an event that is none" 64 'there is no event "nonsense"' trace busy -e nonsense
"$VMCTL" trace busy -e exit,pio >"$tmp/traced" 2>&1 &
tracer=$!
holds "exits are traced" grep -q '^[0-9.]* exit *vcpu 0 IO rip 0x' "$tmp/traced"
holds "and ports" grep -q '^[0-9.]* pio *vcpu 0 in port 0x3fd' "$tmp/traced"
"$VMCTL" kill busy
wait $busy
wait $tracer
got=$? want='0: exit pio '
sed 's/^[0-9.]* *\([a-z]*\).*/\1/' "$tmp/traced" | sort -u >"$tmp/out"
got="$got: $(tr '\n' ' ' <"$tmp/out")"
: >"$tmp/want"
verdict "and nothing else, until its end"
holds "nothing is left of that" test -z "$(ls /sys/kernel/tracing/instances)"
define pair "append = pair" "max-cpus = 2"
ctl "one with a vCPU to come" 0 "" start pair
holds "which is ready" logged pair ready
# What was traced before is no sign that this begins.
: >"$tmp/traced"
"$VMCTL" trace pair -e pio >"$tmp/traced" 2>&1 &
tracer=$!
holds "it is traced while it is busy" grep -q 'pio *vcpu 0 in port' "$tmp/traced"
ctl "another vCPU comes" 0 "" set pair --vcpus 2
echo x | "$VMCTL" console pair >/dev/null 2>&1 &
typist=$!
holds "and is traced, too" grep -q '^[0-9.]* pio *vcpu 1 out port 0x80' "$tmp/traced"
ctl "its end" 0 "" stop pair --force --timeout 0
wait $tracer $typist
ctl "stop of one that does not heed it" 1 "vm2 has not powered off within 1 s" \
	stop vm2 --timeout 1
define crash "append = crash" "cpu-limit = 60"
ctl "one that crashes" 0 "" start crash
holds "is ready for it" logged crash ready
"$VMCTL" wait crash >"$tmp/waited" 2>&1 &
waiter=$!
await waited_for crash
echo x | "$VMCTL" console crash >/dev/null 2>&1
wait $waiter
got=$? want=4
cp "$tmp/run/crash.log" "$tmp/out"
echo "crashed with a triple fault" >"$tmp/want"
verdict "its crash is told to who waits, and logged"

# ---- the socket
ctl "a VM that is killed" 0 "" start crash
# It is there before it runs, and its event comes when it does.
await logged crash ready
id=$(field crash pid)
kill -s KILL "$id"
holds "is gone" gone_vm crash
holds "but not its socket" test -S "$tmp/run/crash.sock"
ctl "which is no reason to fail" 0 "" start crash
await logged crash ready
ctl "and stop" 0 "" stop crash --force --timeout 0
say() {
	title=$1
	echo "$2" >"$tmp/want"
	shift 2
	timeout 300 "$GUESTS/say" "$tmp/run/vm1.sock" "$@" >"$tmp/out" 2>&1
	got=$? want=0
	verdict "$title"
}
say "a greeting" '"protocol":1.*"name":"vm1"'
say "a line that is no request" '"error":"a request is a line' 'hello' '[1]'
say "an unknown command" 'there is no command' '{"cmd":"fly"}'
say "facts" '"memory":4194304' '{"cmd":"info"}'
long=$(head -c 70000 /dev/zero | tr '\0' x)
say "a line that does not end" '"protocol"' "$long"
say "and the next one" '"cpus":1' '{"cmd":"info"}'

# ---- others
chmod 666 "${VMM_DEV:-/dev/vmm}"
chmod 755 "$tmp" "$tmp/run" "$home" "$home/vmm"
chmod 666 "$tmp/run/vm1.sock"
# others NAME STATUS PATTERNS COMMAND...: as a user without privileges.
others() {
	title=$1 want=$2
	echo "$3" >"$tmp/want"
	shift 3
	timeout 300 "$GUESTS/as-nobody" "$@" >"$tmp/out" 2>&1 </dev/null
	got=$?
	verdict "$title"
}
others "another user sees none of them" 0 "^ID" "$VMCTL" list
! grep -q vm1 "$tmp/out"
got=$? want=0
: >"$tmp/want"
verdict "none at all"
others "nor stops one" 1 "no VM" "$VMCTL" stop vm1
others "nor hears of them" 77 "CAP_SYS_ADMIN" "$VMCTL" events
others "nor speaks to one whose socket is open to him" 0 "the VM is another user's" \
	"$GUESTS/say" "$tmp/run/vm1.sock" '{"cmd":"quit"}'
still() {
	"$VMCTL" show vm1 >/dev/null
}
holds "which goes on" still

# ---- the end
i=0
: >"$tmp/failed"
while [ $i -lt "$many" ]; do
	i=$((i + 1))
	"$VMCTL" stop "vm$i" --force --timeout 0 >>"$tmp/failed" 2>&1 ||
		echo "vm$i: $?" >>"$tmp/failed"
done
cp "$tmp/failed" "$tmp/out"
: >"$tmp/want"
want=0 got=$(wc -l <"$tmp/failed")
verdict "$many VMs stop"
holds "no VM is left" listed 0
no_socket() {
	[ -z "$(find "$tmp/run" -type s)" ]
}
holds "no socket is left" no_socket
no_process() {
	! cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' ' ' | grep -q "vmctl [s]tart"
}
holds "no process is left" no_process

# order NAME EVENT...: what the subscriber was told of all VMs of that name, in this order; when
# one meets its limit depends on what else runs.
order() {
	vm=$1
	shift
	sed -n "s/.*\"name\":\"$vm\".*\"event\":\"\([a-z]*\)\".*/\1/p" "$tmp/events" |
		grep -v limited >"$tmp/out"
	got=$(tr '\n' ' ' <"$tmp/out") want="$* "
	: >"$tmp/want"
	verdict "events of $vm"
}
# Those of the fleet come last: others have ended before them, and more often.
destroyed() {
	[ "$(grep -c '"name":"vm[0-9]*".*"event":"destroyed"' "$tmp/events")" -ge "$many" ]
}
holds "the subscriber has heard of their ends" destroyed
# Its guest halts with interrupts off.
order vm1 named running halted destroyed
order button named running destroyed
order talk named running paused resumed reset destroyed named running destroyed
order crash named running shutdown destroyed named running destroyed named running destroyed
holds "the greedy one has met its limit" \
	grep -q '"name":"talk".*"event":"limited","reason":"processor time"' "$tmp/events"
# Numbers without a gap: none was lost.
sed -n 's/.*"seq":\([0-9]*\).*/\1/p' "$tmp/events" |
	awk 'NR > 1 && $1 != last + 1 { print last, $1 } { last = $1 }' >"$tmp/out"
got=$(wc -l <"$tmp/out") want=0
verdict "none was lost"
kill $subscriber
echo "1..$n"
